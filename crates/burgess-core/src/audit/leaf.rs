//! Leaf bytes: what of an event goes into the ledger for good.
//!
//! RFC 8785 canonical JSON of the event, in which the five personal fields are replaced by one
//! salted commitment. The seed of the salts lies beside the leaf, encrypted and deletable: once it
//! is gone nothing in the leaf leads back to a person. The numbers `sequence` and `source_seq` are
//! the ledger's to fill in, so the leaf comes in three pieces around them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::opening::Opening;
use super::{EVENT_SCHEMA_ID, Event};
use crate::digest::Digest;

/// Bytes of a leaf at most: C2SP tlog-tiles stores its length in 16 bits.
pub const LEAF_BYTES_MAX: usize = 65_535;

/// Bytes that two numbers of 64 bits take at most, in decimal.
const NUMBERS_BYTES_MAX: usize = 40;

/// The personal fields, in the fixed order in which they are committed to.
pub const PERSONAL_FIELDS: [&str; 5] = [
    "actor_id",
    "ip_address",
    "request_context",
    "resource_id",
    "user_agent",
];

/// A leaf that lacks its two numbers: its bytes are `head`, the sequence number in decimal,
/// `middle`, the source's number in decimal, `tail`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Up to and with `"sequence":`.
    pub head: Vec<u8>,
    /// From the comma after it up to and with `"source_seq":`.
    pub middle: Vec<u8>,
    /// The rest.
    pub tail: Vec<u8>,
    /// The personal values and the seed of their salts: to be encrypted and kept beside the leaf.
    pub opening: Opening,
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
    /// The whole bytes, with both numbers in place.
    pub fn bytes(&self, sequence: u64, source_seq: u64) -> Vec<u8> {
        let mut bytes = self.head.clone();
        bytes.extend_from_slice(sequence.to_string().as_bytes());
        bytes.extend_from_slice(&self.middle);
        bytes.extend_from_slice(source_seq.to_string().as_bytes());
        bytes.extend_from_slice(&self.tail);
        bytes
    }
}

/// Makes the leaf of `event`. `seed` is 32 random bytes of this event alone.
pub fn leaf(event: &Event, seed: [u8; 32]) -> Result<Leaf, LeafError> {
    let opening = Opening::of(event, seed);
    let root = opening.root()?;
    let fields = fields(event, root)?;
    let (before, rest) = split(&fields, "sequence");
    let (between, after) = split(&rest, "source_seq");
    let leaf = Leaf {
        head: joined("{", &before, ",\"sequence\":").into_bytes(),
        middle: joined(",", &between, ",\"source_seq\":").into_bytes(),
        tail: joined(",", &after, "}").into_bytes(),
        opening,
    };
    let length = leaf.head.len() + leaf.middle.len() + leaf.tail.len() + NUMBERS_BYTES_MAX;
    if length > LEAF_BYTES_MAX {
        return Err(LeafError::TooLarge(length));
    }
    Ok(leaf)
}

/// The fields that stand in the leaf in the open, each as canonical JSON; sorted by name, which
/// for these names is the order of RFC 8785.
fn fields(event: &Event, personal: Digest) -> Result<BTreeMap<&'static str, String>, LeafError> {
    let mut fields = BTreeMap::new();
    let mut put = |name: &'static str, value: String| fields.insert(name, value);
    put("action_type", canonical(event.action_type.as_str())?);
    put("actor_role", canonical(&event.actor_role)?);
    put("app_id", canonical(event.app_id.as_str())?);
    put(
        "data_classification",
        canonical(event.data_classification.as_str())?,
    );
    put("environment", canonical(event.environment.as_str())?);
    put("event_id", canonical(event.event_id.as_str())?);
    put("outcome", canonical(event.outcome.as_str())?);
    put("personal", canonical(&personal)?);
    put("resource_type", canonical(&event.resource_type)?);
    put("risk_score_at_time", canonical(&event.risk_score_at_time)?);
    put("schema", canonical(EVENT_SCHEMA_ID)?);
    put("source", canonical(&event.source)?);
    put("timestamp", canonical(&event.timestamp)?);
    put("version", canonical(&event.version)?);
    if let Some(id) = &event.approval_id {
        put("approval_id", canonical(id.as_str())?);
    }
    if let Some(digest) = &event.charter_digest {
        put("charter_digest", canonical(digest)?);
    }
    if let Some(decision) = &event.decision {
        put("decision", canonical(decision)?);
    }
    if let Some(code) = &event.error_code {
        put("error_code", canonical(code)?);
    }
    if let Some(state) = &event.next_state {
        put("next_state", canonical(state)?);
    }
    if let Some(digest) = &event.policy_digest {
        put("policy_digest", canonical(digest)?);
    }
    if let Some(state) = &event.previous_state {
        put("previous_state", canonical(state)?);
    }
    Ok(fields)
}

/// RFC 8785 JSON of one value.
pub(super) fn canonical<T: Serialize + ?Sized>(value: &T) -> Result<String, LeafError> {
    serde_json_canonicalizer::to_string(&value).map_err(|e| LeafError::NotCanonical(e.to_string()))
}

type Fields = BTreeMap<&'static str, String>;

/// The fields whose names come before `name`, and those that come after.
fn split(fields: &Fields, name: &'static str) -> (Fields, Fields) {
    let mut before = fields.clone();
    let after = before.split_off(name);
    (before, after)
}

fn joined(open: &str, fields: &Fields, close: &str) -> String {
    let members: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{open}{}{close}", members.join(","))
}
