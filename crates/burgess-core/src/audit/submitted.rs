//! Submitted events: read strictly, all errors at once, and completed by what the server knows
//! better.
//!
//! The published sample of the handbook is accepted as it stands (R123). Not here: who may
//! submit, and for which app.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::field::{self, Field};
use super::{Event, Outcome, Place};
use crate::data::{ActionType, Classification};
use crate::digest::Digest;
use crate::id::{AppId, ApprovalId, EventId};
use crate::json::parse_strict;
use crate::time::Timestamp;

/// Bytes of `request_context` in canonical form at most: a quarter of a leaf, so that the rest of
/// the event and its opening always fit.
pub const REQUEST_CONTEXT_BYTES_MAX: usize = 16_384;

/// Events of one submission at most: a batch is checked whole before any of it is written.
pub const BATCH_EVENTS_MAX: usize = 500;

/// Errors that are collected at most.
const ERRORS_MAX: usize = 100;

/// The keys of a submitted event, in the order of the audit schema.
pub const SUBMITTED_KEYS: [&str; 18] = [
    "event_id",
    "timestamp",
    "actor_id",
    "actor_role",
    "app_id",
    "version",
    "environment",
    "action_type",
    "resource_type",
    "resource_id",
    "data_classification",
    "outcome",
    "error_code",
    "ip_address",
    "user_agent",
    "request_context",
    "risk_score_at_time",
    "approval_id",
];

/// An event as an app hands it in (R105 to R122).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubmittedEvent {
    /// Its id, given by who submits it.
    pub event_id: EventId,
    /// When; UTC, cut to microseconds.
    pub timestamp: Timestamp,
    /// Who.
    pub actor_id: String,
    /// In which role.
    pub actor_role: String,
    /// Which app.
    pub app_id: AppId,
    /// Which version.
    pub version: String,
    /// Where.
    pub environment: Place,
    /// What was done.
    pub action_type: ActionType,
    /// To what kind of thing.
    pub resource_type: String,
    /// To which one.
    pub resource_id: String,
    /// How sensitive.
    pub data_classification: Classification,
    /// How it ended.
    pub outcome: Outcome,
    /// Why not; present exactly when it did not succeed.
    pub error_code: Option<String>,
    /// From which address.
    pub ip_address: Option<String>,
    /// With which program.
    pub user_agent: Option<String>,
    /// Under which circumstances.
    pub request_context: Option<Map<String, Value>>,
    /// The risk score at that time.
    pub risk_score_at_time: u8,
    /// Under which approval.
    pub approval_id: Option<ApprovalId>,
}

/// One thing that is wrong with a submitted event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventError {
    /// Where: a JSON pointer (RFC 6901), as `/outcome` or `/3/outcome` in a batch.
    pub pointer: String,
    /// What was expected there.
    pub expected: String,
    /// What was found, shortened; empty when nothing was.
    pub found: String,
    /// The nearest valid spelling, if one is near.
    pub nearest: Option<String>,
}

/// Everything that is wrong with a submission, at least one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventErrors(pub Vec<EventError>);

/// What the server knows better than who submits. `None` leaves the submitted value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The app of the credential.
    pub app_id: AppId,
    /// Its deployed version.
    pub version: Option<String>,
    /// The environment of the credential.
    pub environment: Option<Place>,
    /// The app's score in force.
    pub risk_score: Option<u8>,
    /// The approval in force; fills in or overrules.
    pub approval_id: Option<ApprovalId>,
    /// Address of the connection; only fills in, since the event's may be that of a person
    /// behind the app.
    pub ip_address: Option<String>,
    /// User agent of the connection; only fills in.
    pub user_agent: Option<String>,
    /// Which part of the system numbers the event.
    pub source: String,
    /// Digest of the charter in force.
    pub charter_digest: Option<Digest>,
    /// Digest of the policy set in force.
    pub policy_digest: Option<Digest>,
}

/// A submitted value that the server replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overruled {
    /// Which key.
    pub key: String,
    /// What was submitted; `null` when nothing was.
    pub submitted: Value,
    /// What stands in the event.
    pub used: Value,
}

impl SubmittedEvent {
    /// Reads one event.
    pub fn parse(bytes: &[u8]) -> Result<Self, EventErrors> {
        Self::from_value(&strict(bytes)?, "")
    }

    /// Reads one event or an array of events: all of them, or what is wrong with any.
    pub fn parse_batch(bytes: &[u8]) -> Result<Vec<Self>, EventErrors> {
        let Value::Array(items) = strict(bytes)? else {
            return Ok(vec![Self::parse(bytes)?]);
        };
        if items.is_empty() || items.len() > BATCH_EVENTS_MAX {
            let expected = format!("1 to {BATCH_EVENTS_MAX} events");
            return Err(EventErrors::one("", expected, format!("{}", items.len())));
        }
        let mut events = Vec::with_capacity(items.len());
        let mut errors = Vec::new();
        for (index, item) in items.iter().enumerate() {
            match Self::from_value(item, &format!("/{index}")) {
                Ok(event) => events.push(event),
                Err(EventErrors(more)) => errors.extend(more),
            }
        }
        match errors.is_empty() {
            true => Ok(events),
            false => {
                errors.truncate(ERRORS_MAX);
                Err(EventErrors(errors))
            }
        }
    }

    fn from_value(value: &Value, base: &str) -> Result<Self, EventErrors> {
        let Value::Object(members) = value else {
            let found = field::shown(value);
            return Err(EventErrors::one(base, "a JSON object".to_owned(), found));
        };
        let mut reader = Reader {
            members,
            base,
            errors: Vec::new(),
        };
        reader.unknown_keys();
        let read = reader.read();
        match (read, reader.errors.is_empty()) {
            (Some(event), true) => Ok(event),
            (_, _) => {
                reader.errors.truncate(ERRORS_MAX);
                Err(EventErrors(reader.errors))
            }
        }
    }

    /// Completes the event with what the server knows better, and says what it replaced.
    pub fn complete(self, known: Known) -> (Event, Vec<Overruled>) {
        let mut said = Vec::new();
        let event = Event {
            event_id: self.event_id,
            timestamp: self.timestamp,
            actor_id: self.actor_id,
            actor_role: self.actor_role,
            app_id: overrule("app_id", self.app_id, Some(known.app_id), &mut said),
            version: overrule("version", self.version, known.version, &mut said),
            environment: overrule(
                "environment",
                self.environment,
                known.environment,
                &mut said,
            ),
            action_type: self.action_type,
            resource_type: self.resource_type,
            resource_id: self.resource_id,
            data_classification: self.data_classification,
            outcome: self.outcome,
            error_code: self.error_code,
            ip_address: self.ip_address.or(known.ip_address),
            user_agent: self.user_agent.or(known.user_agent),
            request_context: self.request_context,
            risk_score_at_time: overrule(
                "risk_score_at_time",
                self.risk_score_at_time,
                known.risk_score,
                &mut said,
            ),
            approval_id: match known.approval_id {
                None => self.approval_id,
                known => overrule("approval_id", self.approval_id, Some(known), &mut said),
            },
            source: known.source,
            charter_digest: known.charter_digest,
            policy_digest: known.policy_digest,
            decision: None,
            previous_state: None,
            next_state: None,
        };
        (event, said)
    }
}

fn overrule<T: PartialEq + Serialize>(
    key: &str,
    submitted: T,
    known: Option<T>,
    said: &mut Vec<Overruled>,
) -> T {
    match known {
        Some(known) if known != submitted => {
            said.push(Overruled {
                key: key.to_owned(),
                submitted: serde_json::to_value(&submitted).unwrap_or_default(),
                used: serde_json::to_value(&known).unwrap_or_default(),
            });
            known
        }
        _ => submitted,
    }
}

fn strict(bytes: &[u8]) -> Result<Value, EventErrors> {
    parse_strict(bytes)
        .map_err(|error| EventErrors::one("", "a JSON object".to_owned(), error.to_string()))
}

/// Reads the members of one object, collecting errors.
struct Reader<'a> {
    members: &'a Map<String, Value>,
    base: &'a str,
    errors: Vec<EventError>,
}

impl Reader<'_> {
    fn unknown_keys(&mut self) {
        for key in self.members.keys() {
            if SUBMITTED_KEYS.contains(&key.as_str()) {
                continue;
            }
            let found: String = key.chars().take(80).collect();
            let escaped = found.replace('~', "~0").replace('/', "~1");
            self.errors.push(EventError {
                pointer: format!("{}/{escaped}", self.base),
                expected: "no such key".to_owned(),
                nearest: field::nearest(&found, &SUBMITTED_KEYS),
                found,
            });
        }
    }

    fn fail(&mut self, key: &str, field: Field) {
        self.errors.push(EventError {
            pointer: format!("{}/{key}", self.base),
            expected: field.expected,
            found: field.found,
            nearest: field.nearest,
        });
    }

    /// A key that must be there.
    fn needed<T>(&mut self, key: &str, read: impl Fn(&Value) -> Result<T, Field>) -> Option<T> {
        let absent = Value::Null;
        let value = self.members.get(key).unwrap_or(&absent);
        match read(value) {
            Ok(value) => Some(value),
            Err(mut field) => {
                if value.is_null() {
                    field.found = String::new();
                }
                self.fail(key, field);
                None
            }
        }
    }

    /// A key that may be absent; `null` is not absence.
    fn optional<T>(
        &mut self,
        key: &str,
        read: impl Fn(&Value) -> Result<T, Field>,
    ) -> Option<Option<T>> {
        match self.members.contains_key(key) {
            true => self.needed(key, read).map(Some),
            false => Some(None),
        }
    }

    fn read(&mut self) -> Option<SubmittedEvent> {
        // Every field is read before any `?`, so that all errors are told at once.
        let event_id = self.needed("event_id", field::event_id);
        let timestamp = self.needed("timestamp", field::timestamp);
        let actor_id = self.needed("actor_id", field::text::<256>);
        let actor_role = self.needed("actor_role", field::role);
        let app_id = self.needed("app_id", field::app_id);
        let version = self.needed("version", field::version);
        let environment = self.needed("environment", field::place);
        let action_type = self.needed("action_type", field::action_type);
        let resource_type = self.needed("resource_type", field::resource_type);
        let resource_id = self.needed("resource_id", field::text::<256>);
        let data_classification = self.needed("data_classification", field::classification);
        let outcome = self.needed("outcome", field::outcome);
        let error_code = self.optional("error_code", field::error_code);
        let ip_address = self.optional("ip_address", field::ip_address);
        let user_agent = self.optional("user_agent", field::text::<512>);
        let request_context = self.optional("request_context", field::request_context);
        let risk_score_at_time = self.needed("risk_score_at_time", field::score);
        let approval_id = self.optional("approval_id", field::approval_id);
        self.error_code_fits(outcome);
        Some(SubmittedEvent {
            event_id: event_id?,
            timestamp: timestamp?,
            actor_id: actor_id?,
            actor_role: actor_role?,
            app_id: app_id?,
            version: version?,
            environment: environment?,
            action_type: action_type?,
            resource_type: resource_type?,
            resource_id: resource_id?,
            data_classification: data_classification?,
            outcome: outcome?,
            error_code: error_code?,
            ip_address: ip_address?,
            user_agent: user_agent?,
            request_context: request_context?,
            risk_score_at_time: risk_score_at_time?,
            approval_id: approval_id?,
        })
    }

    fn error_code_fits(&mut self, outcome: Option<Outcome>) {
        let given = self.members.get("error_code");
        let expected = match (outcome, given) {
            (Some(Outcome::Failure | Outcome::Blocked), None) => {
                "an error code, since the outcome is not success"
            }
            (Some(Outcome::Success), Some(_)) => "no error code, since the outcome is success",
            _ => return,
        };
        let found = given.map(field::shown).unwrap_or_default();
        self.fail("error_code", Field::new(expected, found));
    }
}

impl EventErrors {
    fn one(pointer: &str, expected: String, found: String) -> Self {
        Self(vec![EventError {
            pointer: pointer.to_owned(),
            expected,
            found,
            nearest: None,
        }])
    }
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self.pointer.as_str() {
            "" => "the event",
            pointer => pointer,
        };
        write!(f, "`{place}`: expected {}", self.expected)?;
        match self.found.as_str() {
            "" => write!(f, ", found nothing")?,
            found => write!(f, ", found `{found}`")?,
        }
        match &self.nearest {
            Some(nearest) => write!(f, "; the nearest is `{nearest}`"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for EventErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("; "))
    }
}

impl std::error::Error for EventErrors {}
