//! Leaf bytes: what of an event goes into the ledger for good.
//!
//! RFC 8785 canonical JSON of the event, in which the five personal fields are replaced by one
//! salted commitment. What opens it lies beside the leaf, encrypted and deletable: once that is
//! gone nothing in the leaf leads back to a person. The numbers `sequence` and `source_seq` are
//! the ledger's to fill in, so the leaf comes in three pieces around them.

use std::io::Write as _;

use serde::Serialize;

use super::canonical;
use super::opening::Personal;
use super::{EVENT_SCHEMA_ID, Event};
use crate::digest::Digest;
use crate::time::Timestamp;

/// Bytes of a leaf at most: C2SP tlog-tiles stores its length in 16 bits.
pub const LEAF_BYTES_MAX: usize = 65_535;

/// Bytes that two numbers of 64 bits take at most, in decimal.
const NUMBERS_BYTES_MAX: usize = 40;

/// Bytes of a usual leaf and of a usual context, and some more.
const LEAF_BYTES_USUAL: usize = 768;
const CONTEXT_BYTES_USUAL: usize = 256;

/// The personal fields, in the fixed order in which they are committed to.
pub const PERSONAL_FIELDS: [&str; 5] = [
    "actor_id",
    "ip_address",
    "request_context",
    "resource_id",
    "user_agent",
];

/// A leaf that lacks its two numbers.
#[derive(Clone, PartialEq, Eq)]
pub struct Leaf {
    /// The leaf as if both numbers had no digits.
    bytes: Vec<u8>,
    sequence_at: usize,
    source_seq_at: usize,
    context: Option<Vec<u8>>,
}

/// The event cannot become a leaf.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeafError {
    /// Too long.
    #[error(
        "the event takes {0} bytes in the ledger, {LEAF_BYTES_MAX} at most: shorten its fields"
    )]
    TooLarge(usize),
    /// A number that JSON cannot carry.
    #[error("the event has no canonical form: {0}")]
    NotCanonical(String),
}

impl Leaf {
    /// What stands before the sequence number, between it and the source's number, and after that.
    pub fn pieces(&self) -> [&[u8]; 3] {
        let (rest, tail) = self.bytes.split_at(self.source_seq_at);
        let (head, middle) = rest.split_at(self.sequence_at);
        [head, middle, tail]
    }

    /// The canonical JSON of `request_context`, which was made on the way. Personal.
    pub fn context(&self) -> Option<&[u8]> {
        self.context.as_deref()
    }

    /// The whole bytes, with both numbers in place.
    pub fn bytes(&self, sequence: u64, source_seq: u64) -> Vec<u8> {
        let [head, middle, tail] = self.pieces();
        let (sequence, source_seq) = (sequence.to_string(), source_seq.to_string());
        [
            head,
            sequence.as_bytes(),
            middle,
            source_seq.as_bytes(),
            tail,
        ]
        .concat()
    }
}

/// Makes the leaf of `event` as `source` hands it over. `seed` belongs to this leaf alone and
/// cannot be guessed: the salts of the commitments come from it.
pub fn leaf(event: &Event, source: &str, seed: [u8; 32]) -> Result<Leaf, LeafError> {
    let context = match &event.request_context {
        Some(members) => {
            let mut json = Vec::with_capacity(CONTEXT_BYTES_USUAL);
            canonical::object(&mut json, members)?;
            Some(json)
        }
        None => None,
    };
    let personal = Personal::of(event, context.as_deref());
    let mut writer = Writer::begin();
    before_sequence(&mut writer, event, personal.root(&Digest::from_bytes(seed)))?;
    let sequence_at = writer.number("sequence");
    writer.text("source", source);
    let source_seq_at = writer.number("source_seq");
    writer.time("timestamp", event.timestamp)?;
    writer.text("version", &event.version);
    let leaf = Leaf {
        bytes: writer.end(),
        sequence_at,
        source_seq_at,
        context,
    };
    let length = leaf.bytes.len() + NUMBERS_BYTES_MAX;
    if length > LEAF_BYTES_MAX {
        return Err(LeafError::TooLarge(length));
    }
    Ok(leaf)
}

/// The fields that stand in the leaf in the open, sorted by name, which for these names is the
/// order of RFC 8785, as far as `sequence`.
fn before_sequence(writer: &mut Writer, event: &Event, personal: Digest) -> Result<(), LeafError> {
    writer.text("action_type", event.action_type.as_str());
    writer.text("actor_role", &event.actor_role);
    writer.text("app_id", event.app_id.as_str());
    if let Some(id) = &event.approval_id {
        writer.text("approval_id", id.as_str());
    }
    if let Some(digest) = &event.charter_digest {
        writer.digest("charter_digest", digest);
    }
    writer.text("data_classification", event.data_classification.as_str());
    if let Some(decision) = &event.decision {
        writer.member("decision");
        writer
            .bytes
            .extend_from_slice(canonical(decision)?.as_bytes());
    }
    writer.text("environment", event.environment.as_str());
    if let Some(code) = &event.error_code {
        writer.text("error_code", code);
    }
    writer.text("event_id", event.event_id.as_str());
    if let Some(state) = &event.next_state {
        writer.text("next_state", state);
    }
    writer.text("outcome", event.outcome.as_str());
    writer.digest("personal", &personal);
    if let Some(digest) = &event.policy_digest {
        writer.digest("policy_digest", digest);
    }
    if let Some(state) = &event.previous_state {
        writer.text("previous_state", state);
    }
    writer.text("resource_type", &event.resource_type);
    writer.display("risk_score_at_time", event.risk_score_at_time)?;
    writer.text("schema", EVENT_SCHEMA_ID);
    Ok(())
}

/// RFC 8785 JSON of one value.
pub(super) fn canonical<T: Serialize + ?Sized>(value: &T) -> Result<String, LeafError> {
    serde_json_canonicalizer::to_string(&value).map_err(|e| LeafError::NotCanonical(e.to_string()))
}

/// Writes the members of one object, in the order in which they are handed in.
struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    fn begin() -> Self {
        let mut bytes = Vec::with_capacity(LEAF_BYTES_USUAL);
        bytes.push(b'{');
        Self { bytes }
    }

    /// Names of members are ours: none has a character that would have to be escaped.
    fn member(&mut self, name: &str) {
        let open: &[u8] = if self.bytes.len() > 1 { b",\"" } else { b"\"" };
        for part in [open, name.as_bytes(), b"\":"] {
            self.bytes.extend_from_slice(part);
        }
    }

    fn text(&mut self, name: &str, value: &str) {
        self.member(name);
        canonical::string(&mut self.bytes, value);
    }

    fn digest(&mut self, name: &str, value: &Digest) {
        self.member(name);
        for part in [b"\"".as_slice(), &value.hex(), b"\""] {
            self.bytes.extend_from_slice(part);
        }
    }

    fn time(&mut self, name: &str, value: Timestamp) -> Result<(), LeafError> {
        self.display(name, format_args!("\"{value}\""))
    }

    fn display(&mut self, name: &str, value: impl std::fmt::Display) -> Result<(), LeafError> {
        self.member(name);
        write!(self.bytes, "{value}").map_err(|e| LeafError::NotCanonical(e.to_string()))
    }

    /// A member whose number is filled in later; answers where.
    fn number(&mut self, name: &str) -> usize {
        self.member(name);
        self.bytes.len()
    }

    fn end(mut self) -> Vec<u8> {
        self.bytes.push(b'}');
        self.bytes
    }
}
