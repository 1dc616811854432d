//! Exports: rows of an answer as a file, or the whole of a filtered answer, the newest first, page
//! by page so that its size does not matter.

pub mod csv;
pub mod jsonl;
pub mod ocsf;
