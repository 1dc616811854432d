//! Facts: what a decision is made on, total and typed.
//!
//! Every field must be filled in, so no policy can meet a missing attribute. Not here: how
//! facts become Cedar values (`cedar`), and what follows from them (the policy files).

use std::collections::BTreeSet;

use super::plain::Plain;
use crate::app::Environment;
use crate::data::{ActionType, Classification};
use crate::id::{AppId, CredentialId, Email, RequestId};
use crate::risk::Band;
use crate::roles::Role;

pub(super) mod sealed {
    /// How facts become Cedar values.
    pub trait Entity {
        /// The entity's type in the schema.
        const KIND: super::super::cedar::Kind;
        /// Its attributes.
        fn attributes(
            &self,
            names: &super::super::cedar::Names,
        ) -> Vec<(&'static str, super::super::cedar::Value)>;
    }
    /// How a context becomes Cedar values.
    pub trait Record {
        /// Its attributes.
        fn attributes(&self) -> Vec<(&'static str, super::super::cedar::Value)>;
    }
}

/// What an action is done to.
pub trait ResourceFacts: sealed::Entity + Plain {
    /// The resource's id.
    fn id(&self) -> &str;
    /// The revision of its record.
    fn version(&self) -> u64;
}

/// What else a decision depends on.
pub trait ContextFacts: sealed::Record + Plain {}

/// Who wants to act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// A person with a session.
    Person(Person),
    /// An app, by its client credential.
    Client(Client),
    /// A scheduled job of the server itself, by its name, as `clockwork`.
    Job(&'static str),
}

/// A person and the roles bound to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// How the directory names them.
    pub email: Email,
    /// Their roles in the organisation.
    pub roles: BTreeSet<Role>,
    /// Whether the account is in use; a leaver's is not.
    pub active: bool,
}

/// An app that acts by its client credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The credential.
    pub credential: CredentialId,
    /// The app it was issued to.
    pub app: AppId,
    /// The environment it was issued for.
    pub environment: Environment,
    /// Whether it is neither revoked nor expired.
    pub active: bool,
}

/// The organisation as a whole: what has no app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organisation {
    /// The revision of the record that is changed (the configuration, the catalogue, …); 0 for reads.
    pub revision: u64,
}

/// One app of the inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppFacts {
    /// Its id.
    pub id: AppId,
    /// The revision of its record.
    pub revision: u64,
    /// Who builds it.
    pub developer: Email,
    /// Owner and second owner.
    pub owners: BTreeSet<Email>,
    /// Its state in the lifecycle, by name, as `in_production`.
    pub state: String,
    /// Its band.
    pub band: Band,
    /// Highest classification of its data.
    pub classification: Classification,
    /// An approval is in force.
    pub approved: bool,
    /// It is stopped by quarantine.
    pub quarantined: bool,
    /// It is retired for good.
    pub retired: bool,
    /// Its day of retirement has come.
    pub retirement_due: bool,
}

/// One request, as it stands before reviewers: the case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseFacts {
    /// Its id.
    pub id: RequestId,
    /// The revision of its record.
    pub revision: u64,
    /// The app it is about.
    pub app: AppId,
    /// Who builds the app.
    pub developer: Email,
    /// Who handed the request in.
    pub submitter: Email,
    /// Owner and second owner of that app.
    pub owners: BTreeSet<Email>,
    /// Who has decided it as first reviewer already; empty before.
    pub reviewers: BTreeSet<Email>,
    /// It waits for a decision (or to be handed in), so it can still be changed or decided.
    pub open: bool,
    /// A second reviewer must decide too (R43).
    pub second_review: bool,
    /// Score, 0 to 100.
    pub score: u32,
    /// Band of that score.
    pub band: Band,
    /// Highest classification of its data.
    pub classification: Classification,
    /// Expected number of people who use it.
    pub users: u32,
    /// Points of the rubric's factor external connectivity.
    pub connectivity_points: u32,
    /// A desktop agent is part of it.
    pub agent: bool,
    /// Agent, files or automation are declared.
    pub capabilities: bool,
    /// Ids of the controls that an approval needs and that are not there.
    pub missing_controls: BTreeSet<String>,
}

/// The destination of a call: one connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The connector's id.
    pub connector: String,
    /// The revision of its record in the catalogue.
    pub revision: u64,
    /// It stands in the catalogue.
    pub catalogued: bool,
    /// It counts as an external API, not as a vetted SaaS service.
    pub external_api: bool,
    /// The classes it is cleared for.
    pub cleared: BTreeSet<Classification>,
}

/// Nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoContext;

/// Which environment it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InEnvironment {
    /// The environment.
    pub environment: Environment,
}

/// What the person wants to decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Approve; otherwise refuse or ask for more.
    pub approves: bool,
}

/// What an erasure depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErasureFacts {
    /// A legal hold covers the subject, or an app that the subject's values are about.
    pub held: bool,
    /// The organisation wants two people for it.
    pub two_persons: bool,
    /// Somebody else has asked for it before.
    pub asked_by_another: bool,
}

/// What the destruction of records depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DisposalFacts {
    /// A legal hold covers them.
    pub held: bool,
    /// Their written retention policy says that their time is over.
    pub due: bool,
}

/// A wish for an access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFacts {
    /// The environment of the client credential.
    pub environment: Environment,
    /// The version that the credential belongs to is the one deployed there.
    pub deployed: bool,
    /// Scopes asked for, as `salesforce/quotes:read`.
    pub requested: BTreeSet<String>,
    /// Scopes that charter and policy grant.
    pub granted: BTreeSet<String>,
}

/// One scope of one connector, as the charter declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeFacts {
    /// Where.
    pub environment: Environment,
    /// The connector's own name of the scope, as `quotes:read`.
    pub scope: String,
    /// Highest class of the data that flows through this connector.
    pub classification: Classification,
}

/// A call, before anything is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallFacts {
    /// Where the app runs.
    pub environment: Environment,
    /// The charter declares this connector.
    pub declared: bool,
    /// The charter declares this method for it.
    pub method_declared: bool,
    /// The host belongs to the connector in this environment.
    pub host_declared: bool,
    /// What the call does to the data.
    pub action_type: ActionType,
    /// Highest class that the charter lets flow through this connector; `none` without data.
    pub classification: Classification,
    /// The scopes that the call needs, as `salesforce/quotes:read`.
    pub required: BTreeSet<String>,
    /// The scopes of the access token.
    pub granted: BTreeSet<String>,
    /// An approval of the deployed version is in force.
    pub approved: bool,
    /// The version that the credential belongs to is the one deployed there.
    pub deployed: bool,
    /// The app is in quarantine.
    pub quarantined: bool,
    /// A limit of the charter is used up.
    pub over_limit: bool,
}

/// Which way a body goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// From the connector to the app.
    In,
    /// From the app to the connector.
    Out,
}

/// What inspection found in a body: how many values per class of detector, certain ones only
/// (grade `block`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Personal identifiers.
    pub pii: u32,
    /// Payment cards, accounts.
    pub financial: u32,
    /// Credentials and keys.
    pub secret: u32,
    /// Health information.
    pub phi: u32,
}

/// A body that was inspected and waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseFacts {
    /// Where the app runs.
    pub environment: Environment,
    /// Which way it goes.
    pub way: Way,
    /// What the call does to the data.
    pub action_type: ActionType,
    /// What was found in the body.
    pub found: Found,
    /// Classes that the charter declares to flow through this connector this way.
    pub declared: BTreeSet<Classification>,
    /// Action types that the charter declares for the data of those flows.
    pub declared_actions: BTreeSet<ActionType>,
    /// What was found can be blacked out without breaking the body.
    pub redactable: bool,
    /// The body could not be read whole: too large, unknown encoding, encrypted.
    pub opaque: bool,
}

impl ResourceFacts for Organisation {
    fn id(&self) -> &str {
        AppId::ORGANISATION
    }
    fn version(&self) -> u64 {
        self.revision
    }
}

impl ResourceFacts for AppFacts {
    fn id(&self) -> &str {
        self.id.as_str()
    }
    fn version(&self) -> u64 {
        self.revision
    }
}

impl ResourceFacts for CaseFacts {
    fn id(&self) -> &str {
        self.id.as_str()
    }
    fn version(&self) -> u64 {
        self.revision
    }
}

impl ResourceFacts for Destination {
    fn id(&self) -> &str {
        &self.connector
    }
    fn version(&self) -> u64 {
        self.revision
    }
}

impl ContextFacts for NoContext {}
impl ContextFacts for InEnvironment {}
impl ContextFacts for Verdict {}
impl ContextFacts for ErasureFacts {}
impl ContextFacts for DisposalFacts {}
impl ContextFacts for TokenFacts {}
impl ContextFacts for ScopeFacts {}
impl ContextFacts for CallFacts {}
impl ContextFacts for ReleaseFacts {}

impl Principal {
    /// Their name: an e-mail address, a credential id, or the job's name.
    pub fn id(&self) -> &str {
        match self {
            Self::Person(person) => person.email.as_str(),
            Self::Client(client) => client.credential.as_str(),
            Self::Job(name) => name,
        }
    }
}

impl Found {
    /// The classes found, as a charter names them: `phi` is phi, `pii` and `financial` are pii,
    /// `secret` is sensitive.
    pub fn classes(self) -> BTreeSet<Classification> {
        [
            (self.phi, Classification::Phi),
            (self.pii, Classification::Pii),
            (self.financial, Classification::Pii),
            (self.secret, Classification::Sensitive),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(_, class)| class)
        .collect()
    }

    /// Values of personal data.
    pub fn personal(self) -> u32 {
        self.pii
            .saturating_add(self.financial)
            .saturating_add(self.phi)
    }
}
