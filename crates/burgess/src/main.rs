//! Burgess: one binary that takes an app from request to retirement.
//!
//! Here is only the start: which verb was called, and what its exit code is.

mod ambient;
mod cli;
mod config;
mod demo;
mod http;
mod identity;
mod jobs;
mod kms;
mod operations;
mod outlets;
mod outward;
mod serve;
mod server;
#[cfg(test)]
mod tests;
mod timestamp;
mod tls;
mod web;
mod witness;
mod witnesses;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    cli::run::run(cli.verb)
}
