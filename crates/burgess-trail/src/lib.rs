//! The searchable projection of the ledger, and the figures drawn from it.
//!
//! It can be thrown away and rebuilt from the ledger, byte for byte, and is never the truth:
//! every row names the shard, index and leaf hash where the proof begins. Not here: keys (the
//! binary hands over opened events), and the tables of the state.

pub mod archive;
mod error;
pub mod export;
mod figures;
mod index;
mod search;
mod text;

pub use error::TrailError;
pub use figures::{
    AppCompleteness, Completeness, DEFINITIONS, Definition, Deployments, MonthCount, OutcomeCount,
    TimeToApprove,
};
pub use index::{Opened, Trail};
pub use search::{Neighbours, PAGE_MAX, Page, Query, Row};
