//! The demo.
pub mod crm;
use super::cli::run::Outcome;
use std::path::PathBuf;
pub async fn run(_: Option<PathBuf>, _: Option<String>, _: Option<String>) -> Outcome { Ok(true) }
