//! A row: one event with the place where its proof begins, as it is shown and exported.
//!
//! Written out it has the keys of an event as the published schema knows it: those that were
//! submitted and those added at append. Not here: who may see which value.

use burgess_core::audit::{EVENT_SCHEMA_ID, Event};
use burgess_core::digest::Digest;
use serde::{Serialize, Serializer};

use crate::search::Hit;

/// One event, read back from the ledger by whoever may, and where its proof begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Origin of the log shard.
    pub shard: String,
    /// Index there, from 0.
    pub index: u64,
    /// RFC 6962 leaf hash.
    pub leaf_hash: Digest,
    /// Number in the app's stream, from 1.
    pub sequence: u64,
    /// Number from its source, from 1.
    pub source_seq: u64,
    /// The event.
    pub event: Event,
}

/// An event as it stands in the ledger: with its numbers, and the name of its form.
#[derive(Clone, Debug, Serialize)]
pub struct Recorded<'a> {
    schema: &'static str,
    sequence: u64,
    source_seq: u64,
    #[serde(flatten)]
    event: &'a Event,
}

impl Row {
    /// The event with all its keys.
    pub const fn recorded(&self) -> Recorded<'_> {
        Recorded {
            schema: EVENT_SCHEMA_ID,
            sequence: self.sequence,
            source_seq: self.source_seq,
            event: &self.event,
        }
    }
}

/// As JSON. `shard` is the older name of `origin`: both are the origin of the log, and stay.
#[derive(Serialize)]
struct Written<'a> {
    origin: &'a str,
    shard: &'a str,
    index: u64,
    leaf_hash: Digest,
    sequence: u64,
    event: Recorded<'a>,
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = Written {
            origin: &self.shard,
            shard: &self.shard,
            index: self.index,
            leaf_hash: self.leaf_hash,
            sequence: self.sequence,
            event: self.recorded(),
        };
        written.serialize(serializer)
    }
}

impl Hit {
    /// The row of this hit, with what the ledger has there.
    pub fn row(self, source_seq: u64, event: Event) -> Row {
        Row {
            shard: self.shard,
            index: self.index,
            leaf_hash: self.leaf_hash,
            sequence: self.sequence,
            source_seq,
            event,
        }
    }
}
