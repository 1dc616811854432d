//! Events of the control plane: who did what to which record, and from which state to which.

use burgess_core::app::App;
use burgess_core::audit::{ActionType, DecisionRecord, Event, Outcome, Place};
use burgess_core::data::Classification;
use burgess_core::digest::Digest;
use burgess_core::id::{AppId, ApprovalId, EventId};
use burgess_core::permit::Permit;
use burgess_core::policy::Action;
use burgess_core::time::Timestamp;
use serde_json::{Map, Value};

use super::Caller;
use crate::ambient::{Ambient, AmbientError};

/// The source that numbers what the store's outbox hands to the ledger.
pub const CONTROL: &str = "control";

/// Under which names the server itself acts, and nobody known does.
pub const ACTORS: [&str; 8] = [
    "anonymous",
    "archive",
    "burgess",
    "clockwork",
    "gateway",
    "machine",
    "rules",
    "syslog",
];
/// Kinds of records that the server alone has, and whose ids it gives.
pub const RECORDS: [&str; 9] = [
    "access_token",
    "archive",
    "erasure",
    "ledger_entries",
    "ledger_recovery",
    "ledger_shard",
    "legal_hold",
    "retention_policy",
    "trail",
];

/// An event that is being filled in. Not to be cloned: each event has an id of its own.
#[derive(Debug)]
pub struct Draft {
    event: Event,
}

/// Starts an event about `app`, or about the organisation itself.
pub fn about(ambient: &Ambient, app: Option<&App>, now: Timestamp) -> Result<Draft, AmbientError> {
    let event = Event {
        event_id: EventId::from_uuid(ambient.uuid()?),
        timestamp: now,
        actor_id: "burgess".to_owned(),
        actor_role: "system".to_owned(),
        app_id: app.map_or_else(AppId::organisation, |app| app.id.clone()),
        version: app.map_or_else(|| "0".to_owned(), |app| app.version.clone()),
        environment: Place::Control,
        action_type: ActionType::Update,
        resource_type: "app".to_owned(),
        resource_id: app.map_or_else(|| AppId::ORGANISATION.to_owned(), |app| app.id.to_string()),
        data_classification: app.map_or(Classification::None, |app| app.classification),
        outcome: Outcome::Success,
        error_code: None,
        ip_address: None,
        user_agent: None,
        request_context: None,
        risk_score_at_time: app.map_or(0, |app| u8::try_from(app.score).unwrap_or(u8::MAX)),
        approval_id: app.and_then(|app| app.approval.clone()),
        source: CONTROL.to_owned(),
        charter_digest: None,
        policy_digest: None,
        decision: None,
        previous_state: None,
        next_state: None,
    };
    Ok(Draft { event })
}

impl Draft {
    /// Who did it.
    pub fn by(mut self, caller: &Caller) -> Self {
        self.event.actor_id = caller.email().as_str().to_owned();
        self.event.actor_role = caller.role.as_str().to_owned();
        self.event.ip_address = caller.ip_address.clone();
        self.event.user_agent = caller.user_agent.clone();
        self
    }

    /// An app did it, with this credential.
    pub fn app_acts(mut self, credential: &burgess_core::id::CredentialId) -> Self {
        self.event.actor_id = credential.to_string();
        self.event.actor_role = "app".to_owned();
        self
    }

    /// Which job of the server did it.
    pub fn by_job(mut self, name: &str) -> Self {
        self.event.actor_id = name.to_owned();
        self
    }

    /// What was done to which record.
    pub fn did(mut self, action: ActionType, resource_type: &str, resource_id: &str) -> Self {
        self.event.action_type = action;
        self.event.resource_type = resource_type.to_owned();
        self.event.resource_id = resource_id.to_owned();
        self
    }

    /// From which state to which.
    pub fn moved(mut self, previous: Option<&str>, next: &str) -> Self {
        self.event.previous_state = previous.map(str::to_owned);
        self.event.next_state = Some(next.to_owned());
        self
    }

    /// In which environment.
    pub fn in_place(mut self, place: Place) -> Self {
        self.event.environment = place;
        self
    }

    /// Of which version.
    pub fn version(mut self, version: &str) -> Self {
        self.event.version = version.to_owned();
        self
    }

    /// Under which approval.
    pub fn approval(mut self, approval: &ApprovalId) -> Self {
        self.event.approval_id = Some(approval.clone());
        self
    }

    /// Of which charter.
    pub fn charter(mut self, digest: Digest) -> Self {
        self.event.charter_digest = Some(digest);
        self
    }

    /// Which permit allowed it; its policies and their set become part of the leaf.
    pub fn permitted<A: Action>(mut self, permit: &Permit<A>) -> Self {
        self.event.policy_digest = Some(permit.policy_digest());
        self.event.decision = Some(DecisionRecord {
            answer: "allow".to_owned(),
            policies: permit.determining().to_vec(),
        });
        self
    }

    /// What was decided, beside the policies that allowed deciding.
    pub fn answered(mut self, answer: &str) -> Self {
        let policies = self
            .event
            .decision
            .take()
            .map(|d| d.policies)
            .unwrap_or_default();
        self.event.decision = Some(DecisionRecord {
            answer: answer.to_owned(),
            policies,
        });
        self
    }

    /// That it was stopped, and why.
    pub fn blocked(mut self, code: &str) -> Self {
        self.event.outcome = Outcome::Blocked;
        self.event.error_code = Some(code.to_owned());
        self
    }

    /// One more circumstance.
    pub fn context(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.event
            .request_context
            .get_or_insert_with(Map::new)
            .insert(key.to_owned(), value.into());
        self
    }

    /// The event.
    pub fn done(self) -> Event {
        self.event
    }
}
