//! The searchable projection of the ledger, and the figures drawn from it.
//!
//! It can be thrown away and rebuilt from the ledger, answer for answer, and is never the truth:
//! every hit names the shard, index and leaf hash where the proof begins. No personal value is in
//! it, only keyed tokens that the binary made. Not here: keys, the events themselves (the binary
//! reads them back from the ledger, for who may see them), and the tables of the state.

pub mod archive;
mod batch;
mod entry;
mod error;
mod event_key;
pub mod export;
mod figures;
mod forget;
mod index;
mod row;
mod search;
mod text;

pub use entry::{Blind, Facts, Indexed, Opened, Token};
pub use error::TrailError;
pub use figures::{
    AppCompleteness, Completeness, DEFINITIONS, Definition, Deployments, MonthCount, OutcomeCount,
    TimeToApprove,
};
pub use forget::Subject;
pub use index::Trail;
pub use row::{Recorded, Row};
pub use search::{Cursor, Hit, Hits, Order, PAGE_MAX, Query};
pub use text::{WORDS_MAX, Word, WordTokens, parts};
