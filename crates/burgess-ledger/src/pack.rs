//! A case as one JSON file, `burgess.case/1`: events with a receipt each, and the checkpoints of the
//! ledgers that they come from.
//!
//! What a reader of the file sees are the events; what is proven are the leaves in the receipts. So
//! every shown field must be the leaf's, or a personal value that the receipt opens, and nothing that
//! the leaf says may be left out. The case itself (who made it, why) proves nothing and is not looked
//! at.

use crate::checkpoint::SignedCheckpoint;
use crate::policy::Standing;
use crate::receipt::{self, PERSONAL_FIELDS};
use crate::tree::leaf_hash;
use crate::trust::Trust;
use serde_json::{Map, Value};

/// The `schema` of a case file.
pub const SCHEMA: &str = "burgess.case/1";
/// What a personal field reads that the receipt keeps closed.
pub const CLOSED: &str = "(closed)";
/// Fields that the ledger itself puts into a leaf; a shown event may leave them out.
const OF_THE_LEDGER: [&str; 4] = ["personal", "schema", "sequence", "source_seq"];

/// Why a case file was refused: the first thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// The file as a whole.
    #[error("case: {0}")]
    Malformed(String),
    /// A checkpoint of one of its ledgers.
    #[error("case: the checkpoint of `{origin}`: {what}")]
    Origin {
        /// The ledger's origin.
        origin: String,
        /// What is wrong.
        what: String,
    },
    /// One of its events.
    #[error("case: event {number} ({id}): {what}")]
    Event {
        /// Its place in the file, from 1.
        number: usize,
        /// Its id, as the file shows it.
        id: String,
        /// The index of its entry, as the file shows it.
        index: Option<u64>,
        /// What is wrong.
        what: String,
    },
}

/// A case that holds.
#[derive(Debug, Clone)]
pub struct Pack {
    /// Events in it.
    pub events: usize,
    /// The ledgers' checkpoints, with their standing.
    pub origins: Vec<(SignedCheckpoint, Standing)>,
    /// Events whose own receipt is under a checkpoint that a quorum cosigned.
    pub events_witnessed: usize,
}

/// Checks a case file under keys and, where there is one, a policy from elsewhere.
///
/// # Errors
/// [`PackError`], which names the first bad event.
pub fn verify(json: &[u8], trust: &Trust) -> Result<Pack, PackError> {
    let malformed = |what: &str| PackError::Malformed(what.to_owned());
    let file: Value = serde_json::from_slice(json)
        .map_err(|cause| PackError::Malformed(format!("is not JSON: {cause}")))?;
    if file.get("schema").and_then(Value::as_str) != Some(SCHEMA) {
        return Err(malformed("its `schema` is not `burgess.case/1`"));
    }
    let list = |name: &str| {
        let list = file.get(name).and_then(Value::as_array);
        list.ok_or_else(|| PackError::Malformed(format!("it has no list `{name}`")))
    };
    let origins = list("origins")?
        .iter()
        .map(|origin| open_origin(origin, trust))
        .collect::<Result<Vec<_>, _>>()?;
    let (events, mut events_witnessed) = (list("events")?, 0);
    for (number, event) in (1..).zip(events) {
        let text = |name| event.get("event")?.get(name)?.as_str();
        let standing = check_event(event, &origins, trust).map_err(|what| PackError::Event {
            number,
            id: text("event_id").unwrap_or("without an id").to_owned(),
            index: event.get("index").and_then(Value::as_u64),
            what,
        })?;
        events_witnessed += usize::from(standing.witnessed);
    }
    Ok(Pack {
        events: events.len(),
        origins,
        events_witnessed,
    })
}

fn open_origin(origin: &Value, trust: &Trust) -> Result<(SignedCheckpoint, Standing), PackError> {
    let text = |name: &str| origin.get(name).and_then(Value::as_str);
    let name = text("origin").unwrap_or_default().to_owned();
    let bad = |what: String| PackError::Origin {
        origin: name.clone(),
        what,
    };
    let note = text("checkpoint").ok_or_else(|| bad("is missing".to_owned()))?;
    let (signed, standing) = trust
        .open(note.as_bytes())
        .map_err(|cause| bad(cause.to_string()))?;
    if signed.checkpoint.origin == name {
        Ok((signed, standing))
    } else {
        Err(bad(format!("is that of `{}`", signed.checkpoint.origin)))
    }
}

/// Checks one event; the error says what is wrong with it.
fn check_event(
    event: &Value,
    origins: &[(SignedCheckpoint, Standing)],
    trust: &Trust,
) -> Result<Standing, String> {
    let receipt = event.get("receipt").ok_or("it has no receipt")?;
    let note = receipt::checkpoint_of(receipt).map_err(|cause| cause.to_string())?;
    let key = trust.key_for(note.as_bytes());
    let key = key.map_err(|cause| cause.to_string())?;
    let held = receipt::verify_value(receipt, key).map_err(|cause| cause.to_string())?;
    let standing = trust.judge(&held.checkpoint);
    let standing = standing.map_err(|cause| cause.to_string())?;
    let origin = &held.checkpoint.checkpoint.origin;
    if event.get("shard").and_then(Value::as_str) != Some(origin) {
        return Err(format!(
            "its `shard` is not `{origin}`, where its receipt is from"
        ));
    }
    if !origins
        .iter()
        .any(|(signed, _)| signed.checkpoint.origin == *origin)
    {
        return Err(format!("the case has no checkpoint of `{origin}`"));
    }
    if event.get("index").and_then(Value::as_u64) != Some(held.index) {
        return Err(format!(
            "its `index` is not {}, as in its receipt",
            held.index
        ));
    }
    let hash = leaf_hash(&held.leaf);
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    if event.get("leaf_hash").and_then(Value::as_str) != Some(&hash) {
        return Err("its `leaf_hash` is not that of the leaf in its receipt".to_owned());
    }
    let leaf: Map<String, Value> = serde_json::from_slice(&held.leaf)
        .map_err(|cause| format!("its leaf is not a JSON object: {cause}"))?;
    if let Some(shown) = event.get("sequence")
        && leaf.get("sequence") != Some(shown)
    {
        return Err("its `sequence` is not the leaf's".to_owned());
    }
    let shown = event.get("event").and_then(Value::as_object);
    check_shown(shown.ok_or("it shows no event")?, &leaf, &held.opened)?;
    Ok(standing)
}

/// What is shown must be what is proven, and all of it.
fn check_shown(
    shown: &Map<String, Value>,
    leaf: &Map<String, Value>,
    opened: &[(String, Value)],
) -> Result<(), String> {
    for name in PERSONAL_FIELDS {
        let value = shown.get(name).unwrap_or(&Value::Null);
        match opened.iter().find(|(opened, _)| opened == name) {
            Some((_, proven)) if value == proven => {}
            Some(_) => {
                return Err(format!(
                    "its `{name}` is not the value that the leaf commits to"
                ));
            }
            None if value.is_null() || value == CLOSED => {}
            None => {
                return Err(format!(
                    "its `{name}` is shown but not opened by its receipt"
                ));
            }
        }
    }
    let open = |name: &&String| !PERSONAL_FIELDS.contains(&name.as_str());
    for name in shown.keys().filter(open) {
        if shown.get(name).filter(|value| !value.is_null()) != leaf.get(name) {
            return Err(format!("its `{name}` is not what the leaf says"));
        }
    }
    let left_out = |name: &&String| {
        !shown.contains_key(name.as_str()) && !OF_THE_LEDGER.contains(&name.as_str())
    };
    match leaf.keys().find(left_out) {
        Some(name) => Err(format!("it leaves out `{name}`, which the leaf has")),
        None => Ok(()),
    }
}
