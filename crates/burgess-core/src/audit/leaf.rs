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

/// Bytes of a leaf at most: C2SP tlog-tiles stores its length in 16 bits.
pub const LEAF_BYTES_MAX: usize = 65_535;

/// Bytes that two numbers of 64 bits take at most, in decimal.
const NUMBERS_BYTES_MAX: usize = 40;

/// Bytes of a usual leaf, and some more.
const LEAF_BYTES_USUAL: usize = 768;

/// The personal fields, in the fixed order in which they are committed to.
pub const PERSONAL_FIELDS: [&str; 5] = [
    "actor_id",
    "ip_address",
    "request_context",
    "resource_id",
    "user_agent",
];

/// A leaf that lacks its two numbers. It can be written over, so that many take the memory of one.
#[derive(Clone, Default)]
pub struct Leaf {
    /// The leaf as if both numbers had no digits.
    bytes: Vec<u8>,
    sequence_at: usize,
    source_seq_at: usize,
    /// The canonical JSON of `request_context`; empty where there is none.
    context: Vec<u8>,
    /// What commitments are made of.
    scratch: Vec<u8>,
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
        (!self.context.is_empty()).then_some(&self.context)
    }

    /// As [`leaf`], in place of what it was.
    ///
    /// # Errors
    /// As [`leaf`]; then it is good for nothing but to be written again.
    pub fn write(&mut self, event: &Event, source: &str, seed: [u8; 32]) -> Result<(), LeafError> {
        self.bytes.clear();
        self.bytes.reserve(LEAF_BYTES_USUAL);
        self.context.clear();
        if let Some(members) = &event.request_context {
            canonical::object(&mut self.context, members)?;
        }
        let context = event.request_context.is_some();
        let personal = Personal::of(event, context.then_some(&self.context));
        let personal = personal.root(&Digest::from_bytes(seed), &mut self.scratch);
        let mut writer = Writer(&mut self.bytes);
        before_sequence(&mut writer, event, personal)?;
        self.sequence_at = writer.number(r#","sequence":"#);
        writer.text(r#","source":"#, source);
        self.source_seq_at = writer.number(r#","source_seq":"#);
        writer.display(r#","timestamp":""#, event.timestamp)?;
        writer.text(r#"","version":"#, &event.version);
        writer.0.push(b'}');
        let length = self.bytes.len() + NUMBERS_BYTES_MAX;
        if length > LEAF_BYTES_MAX {
            return Err(LeafError::TooLarge(length));
        }
        Ok(())
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
    let mut leaf = Leaf::default();
    leaf.write(event, source, seed)?;
    Ok(leaf)
}

/// The fields that stand in the leaf in the open, sorted by name, which for these names is the
/// order of RFC 8785, as far as `sequence`.
fn before_sequence(
    writer: &mut Writer<'_>,
    event: &Event,
    personal: Digest,
) -> Result<(), LeafError> {
    writer.word(r#"{"action_type":"#, event.action_type.as_str());
    writer.text(r#","actor_role":"#, &event.actor_role);
    writer.word(r#","app_id":"#, event.app_id.as_str());
    if let Some(id) = &event.approval_id {
        writer.word(r#","approval_id":"#, id.as_str());
    }
    if let Some(digest) = &event.charter_digest {
        writer.digest(r#","charter_digest":"#, digest);
    }
    let classification = event.data_classification.as_str();
    writer.word(r#","data_classification":"#, classification);
    if let Some(decision) = &event.decision {
        writer.raw(r#","decision":"#, canonical(decision)?.as_bytes());
    }
    writer.word(r#","environment":"#, event.environment.as_str());
    if let Some(code) = &event.error_code {
        writer.text(r#","error_code":"#, code);
    }
    writer.word(r#","event_id":"#, event.event_id.as_str());
    if let Some(state) = &event.next_state {
        writer.text(r#","next_state":"#, state);
    }
    writer.word(r#","outcome":"#, event.outcome.as_str());
    writer.digest(r#","personal":"#, &personal);
    if let Some(digest) = &event.policy_digest {
        writer.digest(r#","policy_digest":"#, digest);
    }
    if let Some(state) = &event.previous_state {
        writer.text(r#","previous_state":"#, state);
    }
    writer.text(r#","resource_type":"#, &event.resource_type);
    writer.display(r#","risk_score_at_time":"#, event.risk_score_at_time)?;
    writer.word(r#","schema":"#, EVENT_SCHEMA_ID);
    Ok(())
}

/// RFC 8785 JSON of one value.
pub(super) fn canonical<T: Serialize + ?Sized>(value: &T) -> Result<String, LeafError> {
    serde_json_canonicalizer::to_string(&value).map_err(|e| LeafError::NotCanonical(e.to_string()))
}

/// Writes the members of one object in the order in which they are handed in. What stands before a
/// value is one literal, so that it is copied at once.
struct Writer<'a>(&'a mut Vec<u8>);

impl Writer<'_> {
    fn raw(&mut self, before: &str, value: &[u8]) {
        self.0.extend_from_slice(before.as_bytes());
        self.0.extend_from_slice(value);
    }

    fn text(&mut self, before: &str, value: &str) {
        self.0.extend_from_slice(before.as_bytes());
        canonical::string(self.0, value);
    }

    /// A word of a closed list or an id: neither has a character that would have to be escaped.
    fn word(&mut self, before: &str, value: &str) {
        self.0.extend_from_slice(before.as_bytes());
        self.0.push(b'"');
        self.0.extend_from_slice(value.as_bytes());
        self.0.push(b'"');
    }

    fn digest(&mut self, before: &str, value: &Digest) {
        self.word(
            before,
            std::str::from_utf8(&value.hex()).unwrap_or_default(),
        );
    }

    fn display(&mut self, before: &str, value: impl std::fmt::Display) -> Result<(), LeafError> {
        self.0.extend_from_slice(before.as_bytes());
        write!(self.0, "{value}").map_err(|e| LeafError::NotCanonical(e.to_string()))
    }

    /// A member whose number is filled in later; answers where.
    fn number(&mut self, before: &str) -> usize {
        self.0.extend_from_slice(before.as_bytes());
        self.0.len()
    }
}
