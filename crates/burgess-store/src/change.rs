//! Changes: the closed list of what a commit may write.
//!
//! Each change is a whole new record and the revision it will have, one more than the one it
//! was loaded with (1 for a new record). Not here: the SQL, which each noun's file has, and
//! the checks, which are `tx`.

use burgess_core::app::App;
use burgess_core::approval::Approval;
use burgess_core::connector::Connector;
use burgess_core::credential::ClientCredential;
use burgess_core::deploy::Deployment;
use burgess_core::intake::{Dataset, Request};
use burgess_core::review::Review;
use serde::Serialize;

use crate::alerts::Alert;
use crate::artifacts::{Artifact, EvidenceItem};
use crate::connectors::ConnectorSecret;
use crate::erasures::Erasure;
use crate::holds::Hold;
use crate::keys::{SubjectErasure, WrappedKey};
use crate::people::PersonRecord;
use crate::policies::PolicyBundle;
use crate::reminders::Reminder;
use crate::retirements::Retirement;
use crate::sessions::Invite;
use crate::settings::Setting;

/// A record and how often it has changed, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Versioned<T> {
    /// As loaded: the stored revision. In a change: the stored one and 1 more.
    pub revision: u64,
    /// The record.
    pub record: T,
}

impl<T> Versioned<T> {
    /// A record that is new to the store.
    pub const fn new(record: T) -> Self {
        Self {
            revision: 1,
            record,
        }
    }

    /// The record that takes this one's place.
    pub fn next(&self, record: T) -> Self {
        Self {
            revision: self.revision.saturating_add(1),
            record,
        }
    }
}

/// One governed record as it shall be.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// An app. Its `revision` is the one it will have.
    App(App),
    /// A request. Its `revision` is the one it will have.
    Request(Box<Request>),
    /// An approval.
    Approval(Box<Versioned<Approval>>),
    /// One upload of an artifact.
    Artifact(Versioned<Artifact>),
    /// Something seen on an artifact.
    Evidence(Versioned<EvidenceItem>),
    /// A deployment.
    Deployment(Versioned<Deployment>),
    /// A client credential.
    Credential(Versioned<ClientCredential>),
    /// A periodic review.
    Review(Versioned<Review>),
    /// A reminder that was sent.
    Reminder(Versioned<Reminder>),
    /// The retirement of an app.
    Retirement(Box<Versioned<Retirement>>),
    /// An alert.
    Alert(Versioned<Alert>),
    /// A person of the directory with the roles bound to them.
    Person(Versioned<PersonRecord>),
    /// A one-time sign-in link.
    Invite(Versioned<Invite>),
    /// An entry of the connector catalogue that the organisation added or overrides.
    Connector(Versioned<Connector>),
    /// The sealed secret of one connector in one environment.
    ConnectorSecret(Versioned<ConnectorSecret>),
    /// A dataset of the registry.
    Dataset(Versioned<Dataset>),
    /// A policy set, rubric or other rule text that comes into force.
    Policy(Versioned<PolicyBundle>),
    /// A subject key that is erased, with everything that only it opens.
    SubjectErasure(Versioned<SubjectErasure>),
    /// Where the erasure of a subject stands.
    Erasure(Versioned<Erasure>),
    /// A legal hold.
    Hold(Versioned<Hold>),
    /// A wrapped key of the server itself.
    Key(Versioned<WrappedKey>),
    /// A setting.
    Setting(Versioned<Setting>),
}

/// What a commit needs to know of a change before it writes it.
pub(crate) struct Head {
    /// The `resource_type` of its events.
    pub(crate) kind: &'static str,
    /// The `resource_id` of its events.
    pub(crate) id: String,
    /// The app it belongs to; none for what belongs to the organisation.
    pub(crate) app: Option<String>,
    /// Its state; none for kinds that have no state to replay.
    pub(crate) state: Option<String>,
    /// The revision it will have.
    pub(crate) revision: u64,
}

impl Change {
    /// The `resource_type` that an event about this record carries.
    pub fn resource_type(&self) -> &'static str {
        self.head().kind
    }

    /// The `resource_id` that an event about this record carries.
    pub fn resource_id(&self) -> String {
        self.head().id
    }

    /// The state that `next_state` of its event has to name; none for kinds without states.
    pub fn state(&self) -> Option<String> {
        self.head().state
    }

    pub(crate) fn head(&self) -> Head {
        match self {
            Self::App(app) => Head {
                kind: "app",
                id: app.id.to_string(),
                app: Some(app.id.to_string()),
                state: Some(app.state.as_str().to_owned()),
                revision: app.revision,
            },
            Self::Request(request) => Head {
                kind: "request",
                id: request.id.to_string(),
                app: Some(request.app.to_string()),
                state: Some(request.state.as_str().to_owned()),
                revision: request.revision,
            },
            Self::Approval(it) => of_app(
                "approval",
                it.record.id.as_str(),
                it.record.app.as_str(),
                Some(crate::approvals::state(&it.record)),
                it.revision,
            ),
            Self::Artifact(it) => {
                let (id, app) = (it.record.reference.id.as_str(), it.record.app.as_str());
                of_app("artifact", id, app, None, it.revision)
            }
            Self::Evidence(it) => {
                let app = it.record.app.as_str();
                of_app("evidence", &it.record.id(), app, None, it.revision)
            }
            Self::Deployment(it) => of_app(
                "deployment",
                it.record.id.as_str(),
                it.record.app.as_str(),
                Some(crate::deployments::state(&it.record)),
                it.revision,
            ),
            Self::Credential(it) => of_app(
                "credential",
                it.record.id.as_str(),
                it.record.app.as_str(),
                Some(it.record.state.as_str()),
                it.revision,
            ),
            Self::Review(it) => of_app(
                "review",
                it.record.id.as_str(),
                it.record.app.as_str(),
                Some(crate::reviews::state(&it.record)),
                it.revision,
            ),
            Self::Reminder(it) => {
                let app = it.record.app.as_str();
                of_app("reminder", &it.record.id(), app, None, it.revision)
            }
            Self::Retirement(it) => {
                let app = it.record.schedule.app.as_str();
                of_app("retirement", app, app, Some(it.record.state()), it.revision)
            }
            Self::Alert(it) => Head {
                kind: "alert",
                id: it.record.id.clone(),
                app: it.record.app.as_ref().map(ToString::to_string),
                state: Some(it.record.state.as_str().to_owned()),
                revision: it.revision,
            },
            Self::Person(it) => {
                let state = if it.record.active {
                    "active"
                } else {
                    "inactive"
                };
                of_organisation("person", it.record.email.as_str(), Some(state), it.revision)
            }
            Self::Invite(it) => {
                let id = it.record.secret_digest.to_string();
                of_organisation("invite", &id, None, it.revision)
            }
            Self::Connector(it) => of_organisation("connector", &it.record.id, None, it.revision),
            Self::ConnectorSecret(it) => {
                of_organisation("connector_secret", &it.record.id(), None, it.revision)
            }
            Self::Dataset(it) => of_organisation("dataset", &it.record.name, None, it.revision),
            Self::Policy(it) => {
                let digest = it.record.digest.to_string();
                of_organisation(
                    "policy",
                    it.record.kind.as_str(),
                    Some(&digest),
                    it.revision,
                )
            }
            Self::SubjectErasure(it) => {
                let id = it.record.subject.to_string();
                of_organisation("subject_key", &id, None, it.revision)
            }
            Self::Erasure(it) => {
                let (id, state) = (it.record.subject.to_string(), it.record.state());
                of_organisation("erasure", &id, Some(&state), it.revision)
            }
            Self::Hold(it) => {
                let state = it.record.state();
                of_organisation("legal_hold", &it.record.id, Some(&state), it.revision)
            }
            Self::Key(it) => of_organisation("key", &it.record.id, None, it.revision),
            Self::Setting(it) => of_organisation("setting", &it.record.name, None, it.revision),
        }
    }
}

fn of_app(kind: &'static str, id: &str, app: &str, state: Option<&str>, revision: u64) -> Head {
    Head {
        kind,
        id: id.to_owned(),
        app: Some(app.to_owned()),
        state: state.map(str::to_owned),
        revision,
    }
}

fn of_organisation(kind: &'static str, id: &str, state: Option<&str>, revision: u64) -> Head {
    Head {
        kind,
        id: id.to_owned(),
        app: None,
        state: state.map(str::to_owned),
        revision,
    }
}
