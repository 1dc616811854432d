//! Plain circumstances: the facts on which the rights matrices are drawn.
//!
//! Everything is in order: the app is approved and running, the request is open and complete, the
//! call is declared. A developer asks for their own app, a sponsor for theirs. Whoever wants to
//! see what one fact changes takes these and changes it.

use std::collections::BTreeSet;

use super::facts::{
    AppFacts, CallFacts, CaseFacts, Client, Destination, DisposalFacts, ErasureFacts, Found,
    InEnvironment, NoContext, Organisation, Person, Principal, ReleaseFacts, ScopeFacts,
    TokenFacts, Verdict, Way,
};
use super::gate::Candidate;
use crate::app::Environment;
use crate::connector::Kind;
use crate::data::{ActionType, Classification};
use crate::deploy::{ConnectorFacts, GateFacts};
use crate::id::{AppId, CredentialId, Email, IdError, RequestId};
use crate::risk::Band;
use crate::roles::Role;

/// Facts that know their plain circumstances.
pub trait Plain: Sized {
    /// Everything in order.
    fn plain() -> Result<Self, IdError>;
}

const APP: &str = "microapp-sales-quoting";

/// The plain person of a role: `operations@example.com` for operations.
pub fn person(role: Role) -> Result<Principal, IdError> {
    Ok(Principal::Person(Person {
        email: email(role)?,
        roles: BTreeSet::from([role]),
        active: true,
    }))
}

/// The plain app, with its credential for production.
pub fn client() -> Result<Principal, IdError> {
    Ok(Principal::Client(Client {
        credential: CredentialId::parse("crd_0001")?,
        app: AppId::parse(APP)?,
        environment: Environment::Production,
        active: true,
    }))
}

fn email(role: Role) -> Result<Email, IdError> {
    Email::parse(&format!("{role}@example.com"))
}

fn scope() -> BTreeSet<String> {
    BTreeSet::from(["salesforce/quotes:read".to_owned()])
}

impl Plain for Organisation {
    fn plain() -> Result<Self, IdError> {
        Ok(Self { revision: 1 })
    }
}

impl Plain for AppFacts {
    fn plain() -> Result<Self, IdError> {
        Ok(Self {
            id: AppId::parse(APP)?,
            revision: 1,
            developer: email(Role::CitizenDeveloper)?,
            owners: BTreeSet::from([email(Role::Sponsor)?]),
            state: "production".to_owned(),
            band: Band::Medium,
            classification: Classification::Pii,
            approved: true,
            quarantined: false,
            retired: false,
            retirement_due: true,
        })
    }
}

impl Plain for CaseFacts {
    fn plain() -> Result<Self, IdError> {
        Ok(Self {
            id: RequestId::parse("req_0001")?,
            revision: 1,
            app: AppId::parse(APP)?,
            developer: email(Role::CitizenDeveloper)?,
            submitter: email(Role::CitizenDeveloper)?,
            owners: BTreeSet::from([email(Role::Sponsor)?]),
            reviewers: BTreeSet::new(),
            open: true,
            second_review: true,
            score: 10,
            band: Band::Low,
            classification: Classification::Internal,
            users: 9,
            connectivity_points: 0,
            agent: false,
            capabilities: false,
            missing_controls: BTreeSet::new(),
        })
    }
}

impl Plain for Destination {
    fn plain() -> Result<Self, IdError> {
        Ok(Self {
            connector: "salesforce".to_owned(),
            revision: 1,
            catalogued: true,
            external_api: false,
            cleared: Classification::ALL.into_iter().collect(),
        })
    }
}

impl Plain for Candidate {
    fn plain() -> Result<Self, IdError> {
        Ok(Self {
            app: AppId::parse(APP)?,
        })
    }
}

impl Plain for NoContext {
    fn plain() -> Result<Self, IdError> {
        Ok(Self)
    }
}

impl Plain for InEnvironment {
    fn plain() -> Result<Self, IdError> {
        Ok(Self {
            environment: Environment::Production,
        })
    }
}

impl Plain for Verdict {
    fn plain() -> Result<Self, IdError> {
        Ok(Self { approves: true })
    }
}

impl Plain for ErasureFacts {
    fn plain() -> Result<Self, IdError> {
        Ok(Self {
            held: false,
            two_persons: false,
            asked_by_another: false,
        })
    }
}

impl Plain for DisposalFacts {
    fn plain() -> Result<Self, IdError> {
        Ok(Self {
            held: false,
            due: true,
        })
    }
}

impl Plain for TokenFacts {
    fn plain() -> Result<Self, IdError> {
        Ok(Self {
            environment: Environment::Production,
            deployed: true,
            requested: scope(),
            granted: scope(),
        })
    }
}

impl Plain for ScopeFacts {
    fn plain() -> Result<Self, IdError> {
        Ok(Self {
            environment: Environment::Production,
            scope: "quotes:read".to_owned(),
            classification: Classification::Pii,
        })
    }
}

impl Plain for CallFacts {
    fn plain() -> Result<Self, IdError> {
        Ok(Self {
            environment: Environment::Production,
            declared: true,
            method_declared: true,
            host_declared: true,
            action_type: ActionType::Read,
            classification: Classification::Pii,
            required: scope(),
            granted: scope(),
            approved: true,
            deployed: true,
            quarantined: false,
            over_limit: false,
        })
    }
}

impl Plain for ReleaseFacts {
    fn plain() -> Result<Self, IdError> {
        Ok(Self {
            environment: Environment::Production,
            way: Way::In,
            action_type: ActionType::Read,
            found: Found::default(),
            declared: BTreeSet::new(),
            declared_actions: BTreeSet::from([ActionType::Read]),
            redactable: true,
            opaque: false,
        })
    }
}

impl Plain for GateFacts {
    fn plain() -> Result<Self, IdError> {
        Ok(Self {
            app: AppId::parse(APP)?,
            target: Environment::Production,
            classification: Classification::Pii,
            score: 50,
            approved: true,
            approval_unexpired: true,
            charter_as_approved: true,
            artifact_as_approved: true,
            within_approval: true,
            environment_declared: true,
            previous_live: true,
            stopped: false,
            artifact_present: true,
            sponsor_decided: true,
            heartbeat_seen: true,
            event_seen: true,
            unmet_controls: BTreeSet::new(),
        })
    }
}

impl Plain for ConnectorFacts {
    fn plain() -> Result<Self, IdError> {
        Ok(Self {
            connector: "salesforce".to_owned(),
            catalogued: true,
            kind: Kind::Saas,
            environment: Environment::Production,
            classification: Classification::Pii,
            cleared: true,
            host_known: true,
            scopes: BTreeSet::from(["quotes:read".to_owned()]),
            excess_scopes: BTreeSet::new(),
            excess_methods: BTreeSet::new(),
        })
    }
}
