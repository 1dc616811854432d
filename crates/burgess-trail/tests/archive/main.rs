//! The archive, over a real ledger: what is sealed, what a crash leaves, what erasure takes out,
//! and what somebody else's database reads.

mod broken;
mod duckdb;
mod kept;
mod sealing;
mod world;
