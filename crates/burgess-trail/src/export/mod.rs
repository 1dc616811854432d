//! Exports: the whole of a filtered answer, in the order of the ledger newest first, page by page
//! so that its size does not matter.

mod csv;
mod jsonl;

pub use csv::{HEADER, csv};
pub use jsonl::jsonl;
