//! Openings: the personal values of a leaf, with what proves that the leaf commits to them.
//!
//! Each value is hashed with its own salt, and the leaf holds one hash over the five, so that a
//! receipt can open some of them and keep the others closed. Not here: encryption, and who may
//! see what.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::leaf::{LeafError, PERSONAL_FIELDS, canonical};
use super::salt::{Salt, salts};
use super::{DecisionRecord, EVENT_SCHEMA_ID, Event, Outcome, Place, canonical as json};
use crate::data::{ActionType, Classification};
use crate::digest::Digest;
use crate::id::{AppId, ApprovalId, EventId};
use crate::time::Timestamp;

/// What the commitment of all five values begins with.
const ROOT_HEAD: &[u8] = b"burgess.personal/1\n";

/// The personal values of one event and the seed of their salts. It is kept nowhere as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Who acted.
    pub actor_id: String,
    /// From which address.
    pub ip_address: Option<String>,
    /// Under which circumstances.
    pub request_context: Option<Map<String, Value>>,
    /// On which thing.
    pub resource_id: String,
    /// With which program.
    pub user_agent: Option<String>,
    /// What the salts come from.
    pub seed: Digest,
}

/// One personal field of a receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PartialValue {
    /// The value, and the salt that proves it.
    Open {
        /// Which field.
        name: String,
        /// Its value; `null` when the event had none.
        value: Value,
        /// The salt, as 32 hexadecimal digits.
        salt: Salt,
    },
    /// Only the commitment to it.
    Closed {
        /// Which field.
        name: String,
        /// The commitment, as 64 hexadecimal digits.
        commitment: Digest,
    },
}

/// The personal fields of a receipt, all five in their fixed order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PartialOpening(pub Vec<PartialValue>);

/// An event that was read back out of the ledger, with its two numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The event.
    pub event: Event,
    /// Its number in its app's stream, from 1.
    pub sequence: u64,
    /// Its number from its source, from 1.
    pub source_seq: u64,
}

/// Leaf and opening do not fit together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The leaf is no event.
    #[error("the leaf is not an event of `{EVENT_SCHEMA_ID}`: {0}")]
    NotAnEvent(String),
    /// The bytes are not the canonical form of what they say.
    #[error("the leaf is not in canonical form: it was not written by this product")]
    NotCanonical,
    /// The values are not those that the leaf commits to.
    #[error("the opened values are not the ones that the leaf commits to: somebody changed them")]
    OtherValues,
    /// A partial opening lacks a field or has them in another order.
    #[error("the opening must hold {}, in this order: found `{found}`", PERSONAL_FIELDS.join(", "))]
    Fields {
        /// The names found.
        found: String,
    },
}

impl Opening {
    /// The personal values of `event`.
    pub fn of(event: &Event, seed: [u8; 32]) -> Self {
        Self {
            actor_id: event.actor_id.clone(),
            ip_address: event.ip_address.clone(),
            request_context: event.request_context.clone(),
            resource_id: event.resource_id.clone(),
            user_agent: event.user_agent.clone(),
            seed: Digest::from_bytes(seed),
        }
    }

    /// The value of one personal field, `null` when absent.
    fn value(&self, name: &str) -> Value {
        let text = |value: &Option<String>| value.clone().map_or(Value::Null, Value::String);
        match name {
            "actor_id" => Value::String(self.actor_id.clone()),
            "ip_address" => text(&self.ip_address),
            "request_context" => self
                .request_context
                .clone()
                .map_or(Value::Null, Value::Object),
            "resource_id" => Value::String(self.resource_id.clone()),
            "user_agent" => text(&self.user_agent),
            _ => Value::Null,
        }
    }

    /// The commitment that stands in the leaf under `personal`.
    pub fn root(&self) -> Result<Digest, LeafError> {
        let context = match &self.request_context {
            Some(members) => {
                let mut out = Vec::new();
                json::object(&mut out, members)?;
                Some(out)
            }
            None => None,
        };
        let personal = Personal {
            actor_id: &self.actor_id,
            ip_address: self.ip_address.as_deref(),
            request_context: context.as_deref(),
            resource_id: &self.resource_id,
            user_agent: self.user_agent.as_deref(),
        };
        Ok(personal.root(&self.seed, &mut Vec::new()))
    }

    /// Opens the fields that `may_see` lets through and keeps the others closed.
    pub fn partial(&self, may_see: impl Fn(&str) -> bool) -> Result<PartialOpening, LeafError> {
        let mut values = Vec::new();
        for (name, salt) in PERSONAL_FIELDS.into_iter().zip(salts(&self.seed)) {
            let value = self.value(name);
            values.push(if may_see(name) {
                PartialValue::Open {
                    name: name.to_owned(),
                    value,
                    salt,
                }
            } else {
                PartialValue::Closed {
                    name: name.to_owned(),
                    commitment: commitment(name, &value, &salt)?,
                }
            });
        }
        Ok(PartialOpening(values))
    }
}

/// SHA-256(salt || name || 0x00 || canonical JSON of the value).
fn commitment(name: &str, value: &Value, salt: &Salt) -> Result<Digest, LeafError> {
    let mut canonical = Vec::new();
    json::value(&mut canonical, value)?;
    Ok(Digest::of_parts(&[
        salt.as_bytes(),
        name.as_bytes(),
        &[0],
        &canonical,
    ]))
}

/// The personal values where they are, for the hot path; the context as canonical JSON.
pub(super) struct Personal<'a> {
    actor_id: &'a str,
    ip_address: Option<&'a str>,
    request_context: Option<&'a [u8]>,
    resource_id: &'a str,
    user_agent: Option<&'a str>,
}

impl<'a> Personal<'a> {
    /// Those of `event`; `context` is its `request_context` as canonical JSON.
    pub(super) fn of(event: &'a Event, context: Option<&'a [u8]>) -> Self {
        Self {
            actor_id: &event.actor_id,
            ip_address: event.ip_address.as_deref(),
            request_context: context,
            resource_id: &event.resource_id,
            user_agent: event.user_agent.as_deref(),
        }
    }

    /// The commitment to all of them, with salts from `seed`; `scratch` is memory for the way.
    pub(super) fn root(&self, seed: &Digest, scratch: &mut Vec<u8>) -> Digest {
        let values = [
            Some(Canonical::Text(self.actor_id)),
            self.ip_address.map(Canonical::Text),
            self.request_context.map(Canonical::Json),
            Some(Canonical::Text(self.resource_id)),
            self.user_agent.map(Canonical::Text),
        ];
        let mut commitments = [seed.to_owned(); PERSONAL_FIELDS.len()];
        let fields = PERSONAL_FIELDS.into_iter().zip(salts(seed)).zip(values);
        for (commitment, ((name, salt), value)) in commitments.iter_mut().zip(fields) {
            scratch.clear();
            scratch.extend_from_slice(salt.as_bytes());
            scratch.extend_from_slice(name.as_bytes());
            scratch.push(0);
            match value {
                Some(Canonical::Text(text)) => json::string(scratch, text),
                Some(Canonical::Json(json)) => scratch.extend_from_slice(json),
                None => scratch.extend_from_slice(b"null"),
            }
            *commitment = Digest::of_buffer(scratch);
        }
        let [one, two, three, four, five] = commitments.each_ref().map(|it| &it.as_bytes()[..]);
        Digest::of_parts(&[ROOT_HEAD, one, two, three, four, five])
    }
}

/// A value that is about to be hashed.
enum Canonical<'a> {
    Text(&'a str),
    Json(&'a [u8]),
}

impl PartialOpening {
    /// The commitment that these fields amount to. All five must be there, in their order.
    pub fn root(&self) -> Result<Digest, OpenError> {
        let names: Vec<&str> = self.0.iter().map(PartialValue::name).collect();
        if names != PERSONAL_FIELDS {
            return Err(OpenError::Fields {
                found: names.join(", ").chars().take(80).collect(),
            });
        }
        let mut all = ROOT_HEAD.to_vec();
        for value in &self.0 {
            let one = match value {
                PartialValue::Closed { commitment, .. } => *commitment,
                PartialValue::Open { name, value, salt } => {
                    commitment(name, value, salt).map_err(|_| OpenError::NotCanonical)?
                }
            };
            all.extend_from_slice(one.as_bytes());
        }
        Ok(Digest::of(&all))
    }
}

impl PartialValue {
    /// Which field it is.
    pub fn name(&self) -> &str {
        match self {
            Self::Open { name, .. } | Self::Closed { name, .. } => name,
        }
    }
}

/// Reads the event back out of its leaf and its opening; the values must be those that the leaf
/// commits to, and the leaf must be canonical.
pub fn open(leaf_bytes: &[u8], opening: &Opening) -> Result<Opened, OpenError> {
    let fields = read(leaf_bytes)?;
    let root = opening.root().map_err(|_| OpenError::NotCanonical)?;
    if fields.personal != root {
        return Err(OpenError::OtherValues);
    }
    Ok(fields.into_opened(opening))
}

/// Checks a partial opening against its leaf and answers what it opens: name and value.
pub fn open_partial(
    leaf_bytes: &[u8],
    opening: &PartialOpening,
) -> Result<Vec<(String, Value)>, OpenError> {
    let fields = read(leaf_bytes)?;
    if fields.personal != opening.root()? {
        return Err(OpenError::OtherValues);
    }
    let open = |value: &PartialValue| match value {
        PartialValue::Open { name, value, .. } => Some((name.clone(), value.clone())),
        PartialValue::Closed { .. } => None,
    };
    Ok(opening.0.iter().filter_map(open).collect())
}

/// A leaf as it is read. Unknown keys are refused: a leaf says nothing that we do not understand.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LeafFields {
    action_type: ActionType,
    actor_role: String,
    app_id: AppId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    approval_id: Option<ApprovalId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    charter_digest: Option<Digest>,
    data_classification: Classification,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    decision: Option<DecisionRecord>,
    environment: Place,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error_code: Option<String>,
    event_id: EventId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next_state: Option<String>,
    outcome: Outcome,
    personal: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    policy_digest: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous_state: Option<String>,
    resource_type: String,
    risk_score_at_time: u8,
    schema: String,
    sequence: u64,
    source: String,
    source_seq: u64,
    timestamp: Timestamp,
    version: String,
}

fn read(leaf_bytes: &[u8]) -> Result<LeafFields, OpenError> {
    let fields: LeafFields =
        serde_json::from_slice(leaf_bytes).map_err(|e| OpenError::NotAnEvent(e.to_string()))?;
    if fields.schema != EVENT_SCHEMA_ID {
        let found = fields.schema.chars().take(40).collect::<String>();
        return Err(OpenError::NotAnEvent(format!("its schema is `{found}`")));
    }
    // The canonicalizer writes numbers as IEEE doubles (RFC 8785, section 3.2.2.3); both numbers
    // stay far below 2^53.
    match canonical(&fields) {
        Ok(text) if text.as_bytes() == leaf_bytes => Ok(fields),
        _ => Err(OpenError::NotCanonical),
    }
}

impl LeafFields {
    fn into_opened(self, opening: &Opening) -> Opened {
        Opened {
            sequence: self.sequence,
            source_seq: self.source_seq,
            event: Event {
                event_id: self.event_id,
                timestamp: self.timestamp,
                actor_id: opening.actor_id.clone(),
                actor_role: self.actor_role,
                app_id: self.app_id,
                version: self.version,
                environment: self.environment,
                action_type: self.action_type,
                resource_type: self.resource_type,
                resource_id: opening.resource_id.clone(),
                data_classification: self.data_classification,
                outcome: self.outcome,
                error_code: self.error_code,
                ip_address: opening.ip_address.clone(),
                user_agent: opening.user_agent.clone(),
                request_context: opening.request_context.clone(),
                risk_score_at_time: self.risk_score_at_time,
                approval_id: self.approval_id,
                source: self.source,
                charter_digest: self.charter_digest,
                policy_digest: self.policy_digest,
                decision: self.decision,
                previous_state: self.previous_state,
                next_state: self.next_state,
            },
        }
    }
}
