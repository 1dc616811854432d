//! The event: one record of the trail, its fields, and what it becomes in the ledger.
//!
//! An event is submitted by an app or made by the server, completed by what the server knows
//! better, turned into leaf bytes whose personal fields are salted commitments, and opened again
//! by who may see them. Not here: where leaves are kept and how they are proved.

mod canonical;
mod field;
mod leaf;
mod opening;
mod replay;
mod salt;
mod schema;
mod submitted;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use crate::data::ActionType;
pub use leaf::{LEAF_BYTES_MAX, Leaf, LeafError, PERSONAL_FIELDS, leaf};
pub use opening::{OpenError, Opened, Opening, PartialOpening, PartialValue, open, open_partial};
pub use replay::{Break, Replayed, replay};
pub use salt::{SALT_BYTES, Salt};
pub use schema::EVENT_SCHEMA;
pub use submitted::{
    BATCH_EVENTS_MAX, EventError, EventErrors, Known, Overruled, REQUEST_CONTEXT_BYTES_MAX,
    SUBMITTED_KEYS, SubmittedEvent,
};

use crate::app::Environment;
use crate::data::Classification;
use crate::digest::Digest;
use crate::id::{AppId, ApprovalId, EventId};
use crate::time::Timestamp;

/// What `schema` says in every leaf.
pub const EVENT_SCHEMA_ID: &str = "burgess.event/1";

/// The actor of an event where nobody is known.
pub const ANONYMOUS: &str = "anonymous";

/// How it ended (R116).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was done.
    Success,
    /// It was tried and went wrong.
    Failure,
    /// It was stopped.
    Blocked,
}

impl Outcome {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Success, Self::Failure, Self::Blocked];

    /// The name in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Blocked => "blocked",
        }
    }

    /// Reads the name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where it happened: in one of the three environments, or in the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// Sandbox.
    Sandbox,
    /// Staging.
    Staging,
    /// Production.
    Production,
    /// In no environment of an app: requests, approvals, configuration.
    Control,
}

impl Place {
    /// All four.
    pub const ALL: [Self; 4] = [
        Self::Sandbox,
        Self::Staging,
        Self::Production,
        Self::Control,
    ];

    /// The name in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Staging => "staging",
            Self::Production => "production",
            Self::Control => "control",
        }
    }

    /// Reads the name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }

    /// The environment, unless it is the control plane.
    pub const fn environment(self) -> Option<Environment> {
        match self {
            Self::Sandbox => Some(Environment::Sandbox),
            Self::Staging => Some(Environment::Staging),
            Self::Production => Some(Environment::Production),
            Self::Control => None,
        }
    }
}

impl From<Environment> for Place {
    fn from(environment: Environment) -> Self {
        match environment {
            Environment::Sandbox => Self::Sandbox,
            Environment::Staging => Self::Staging,
            Environment::Production => Self::Production,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The decision that an event records: what was answered, and by which policies. Who decided is
/// the event's actor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionRecord {
    /// `allow`, `deny`, `approve`, `refuse`, `redact` …: one word.
    pub answer: String,
    /// Ids of the determining policies, sorted.
    pub policies: Vec<String>,
}

/// One event of the trail: the submitted keys and, below them, those added at append. The two
/// numbers `sequence` and `source_seq` are not here: the ledger alone gives them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// R105. Its id.
    pub event_id: EventId,
    /// R106. When, UTC.
    pub timestamp: Timestamp,
    /// R107. Who: an e-mail address, a credential id, an outside system's own name. Personal.
    pub actor_id: String,
    /// R108. In which role: a role of the handbook, `app`, `agent`, `system`, `anonymous`.
    pub actor_role: String,
    /// R109. Which app; [`AppId::organisation`] where there is none.
    pub app_id: AppId,
    /// R110. Which version of it.
    pub version: String,
    /// R111. Where.
    pub environment: Place,
    /// R112. What was done.
    pub action_type: ActionType,
    /// R113. To what kind of thing: `app`, `request`, `approval`, `credential`, `deployment`,
    /// `review`, `policy`, or a dataset's own name.
    pub resource_type: String,
    /// R114. To which one. Personal.
    pub resource_id: String,
    /// R115. How sensitive it is.
    pub data_classification: Classification,
    /// R116. How it ended.
    pub outcome: Outcome,
    /// R117. Why not, as a stable code; present exactly when it did not succeed.
    pub error_code: Option<String>,
    /// R118. From which address. Personal.
    pub ip_address: Option<String>,
    /// R119. With which program. Personal.
    pub user_agent: Option<String>,
    /// R120. Under which circumstances: any JSON object. Personal.
    pub request_context: Option<serde_json::Map<String, serde_json::Value>>,
    /// R121. The app's risk score at that time, 0 to 100.
    pub risk_score_at_time: u8,
    /// R122. Under which approval, where one was required.
    pub approval_id: Option<ApprovalId>,
    /// Which part of the system numbers it: an outbox, a gateway.
    pub source: String,
    /// Digest of the charter in force.
    pub charter_digest: Option<Digest>,
    /// Digest of the policy set in force.
    pub policy_digest: Option<Digest>,
    /// The decision recorded.
    pub decision: Option<DecisionRecord>,
    /// The resource's state before a change of state; absent when it was new.
    pub previous_state: Option<String>,
    /// The resource's state after it.
    pub next_state: Option<String>,
}
