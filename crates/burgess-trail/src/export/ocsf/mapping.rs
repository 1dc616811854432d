//! Which OCSF class, activity, severity and status an event is.
//!
//! Two tables: what was done to what decides class and activity, how it ended and how sensitive it
//! is decides the rest. The golden file `ocsf.txt` shows both for reading.

use burgess_core::audit::{ActionType, Event, Outcome};
use burgess_core::data::Classification;

/// The classes of OCSF 1.8.0 that events become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Something of the data path was stopped because of what it carried.
    DataSecurityFinding,
    /// An account was made, changed or ended: a person's, or an app's credential.
    AccountChange,
    /// Somebody got a session.
    AuthorizeSession,
    /// A record of the programme changed.
    EntityManagement,
    /// Somebody's role changed.
    UserAccess,
    /// A call through the gateway, or an event that an app handed in.
    ApiActivity,
}

impl Class {
    /// `class_uid`
    pub const fn uid(self) -> u32 {
        match self {
            Self::DataSecurityFinding => 2006,
            Self::AccountChange => 3001,
            Self::AuthorizeSession => 3003,
            Self::EntityManagement => 3004,
            Self::UserAccess => 3005,
            Self::ApiActivity => 6003,
        }
    }

    /// `class_name`
    pub const fn name(self) -> &'static str {
        match self {
            Self::DataSecurityFinding => "Data Security Finding",
            Self::AccountChange => "Account Change",
            Self::AuthorizeSession => "Authorize Session",
            Self::EntityManagement => "Entity Management",
            Self::UserAccess => "User Access Management",
            Self::ApiActivity => "API Activity",
        }
    }

    /// `category_name`; `category_uid` is the thousands of the class.
    pub const fn category(self) -> &'static str {
        match self.uid() / 1000 {
            2 => "Findings",
            3 => "Identity & Access Management",
            _ => "Application Activity",
        }
    }
}

/// An `activity_id` and its name.
pub type Activity = (u32, &'static str);

/// What an event is in OCSF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The class.
    pub class: Class,
    /// What was done, in the class's own numbers.
    pub activity: Activity,
    /// How bad.
    pub severity: Activity,
    /// How it ended: 1 success, 2 failure.
    pub status: Activity,
    /// What the control did: 1 allowed, 2 denied.
    pub action: Activity,
    /// What became of it: 1 allowed, 2 blocked, 27 error.
    pub disposition: Activity,
}

/// The mapping of one event.
pub fn of(event: &Event) -> Mapping {
    let (class, activity) = class(event);
    let (status, action, disposition) = match event.outcome {
        Outcome::Success => ((1, "Success"), (1, "Allowed"), (1, "Allowed")),
        Outcome::Failure => ((2, "Failure"), (1, "Allowed"), (27, "Error")),
        Outcome::Blocked => ((2, "Failure"), (2, "Denied"), (2, "Blocked")),
    };
    Mapping {
        class,
        activity,
        severity: severity(event.outcome, event.data_classification),
        status,
        action,
        disposition,
    }
}

/// How bad it is that something ended so with data of that sort.
const fn severity(outcome: Outcome, classification: Classification) -> Activity {
    match (outcome, classification.is_personal()) {
        (Outcome::Success, _) => (1, "Informational"),
        (Outcome::Failure, false) => (2, "Low"),
        (Outcome::Failure, true) | (Outcome::Blocked, false) => (3, "Medium"),
        (Outcome::Blocked, true) => (4, "High"),
    }
}

/// What sort of thing an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// What somebody acts under for a while.
    Session,
    /// A person.
    Person,
    /// Another account.
    Account,
    /// A record of the programme.
    Record,
    /// What is reached by calls: data, a connector, the trail itself.
    Call,
}

/// Every kind of thing that the product itself writes events about. A test of the server compares
/// them with what it writes: a new kind has its place here before it has its first event.
pub const KINDS: [(&str, Sort); 35] = [
    ("access_token", Sort::Session),
    ("alert", Sort::Record),
    ("app", Sort::Record),
    ("approval", Sort::Record),
    ("archive", Sort::Record),
    ("artifact", Sort::Record),
    ("connector", Sort::Call),
    ("connector_secret", Sort::Record),
    ("credential", Sort::Account),
    ("dataset", Sort::Record),
    ("deployment", Sort::Record),
    ("entry", Sort::Call),
    ("erasure", Sort::Record),
    ("event", Sort::Call),
    ("evidence", Sort::Record),
    ("gateway", Sort::Call),
    ("heartbeat", Sort::Call),
    ("invite", Sort::Record),
    ("ledger_entries", Sort::Record),
    ("ledger_recovery", Sort::Record),
    ("ledger_shard", Sort::Record),
    ("legal_hold", Sort::Record),
    ("person", Sort::Person),
    ("policy", Sort::Record),
    ("promotion", Sort::Record),
    ("proof", Sort::Call),
    ("readme", Sort::Record),
    ("receipt", Sort::Call),
    ("reminder", Sort::Record),
    ("request", Sort::Record),
    ("retention_policy", Sort::Record),
    ("retirement", Sort::Record),
    ("review", Sort::Record),
    ("test_result", Sort::Record),
    ("trail", Sort::Call),
];

/// Kinds that apps alone report, under names that OCSF has classes for.
pub const REPORTED: [(&str, Sort); 2] = [("session", Sort::Session), ("subject", Sort::Account)];

/// The sort of a kind. What is in neither table is a dataset, or an app's own affair.
pub fn sort(kind: &str) -> Option<Sort> {
    let known = KINDS.iter().chain(&REPORTED);
    let mut found = known.filter(|(name, _)| *name == kind);
    found.next().map(|(_, sort)| *sort)
}

/// What was stopped because of its content is a finding; everything else goes by the resource.
fn class(event: &Event) -> (Class, Activity) {
    let code = event.error_code.as_deref().unwrap_or_default();
    if event.outcome == Outcome::Blocked && code.starts_with("DLP_") {
        return (Class::DataSecurityFinding, (1, "Create"));
    }
    let action = event.action_type;
    match sort(&event.resource_type).unwrap_or(Sort::Call) {
        Sort::Session => (Class::AuthorizeSession, session(action)),
        Sort::Person if action == ActionType::Update => {
            (Class::UserAccess, (1, "Assign Privileges"))
        }
        Sort::Person | Sort::Account => (Class::AccountChange, account(action)),
        Sort::Record => (Class::EntityManagement, entity(event)),
        Sort::Call => (Class::ApiActivity, api(action)),
    }
}

const fn session(action: ActionType) -> Activity {
    match action {
        ActionType::Create | ActionType::Execute => (1, "Assign Privileges"),
        other => (99, named(other)),
    }
}

const fn account(action: ActionType) -> Activity {
    match action {
        ActionType::Create => (1, "Create"),
        ActionType::Delete => (6, "Delete"),
        other => (99, named(other)),
    }
}

const fn api(action: ActionType) -> Activity {
    match action {
        ActionType::Create => (1, "Create"),
        ActionType::Read => (2, "Read"),
        ActionType::Update => (3, "Update"),
        ActionType::Delete => (4, "Delete"),
        other => (99, named(other)),
    }
}

/// States say more than the verb: going live, ending, being stopped.
fn entity(event: &Event) -> Activity {
    match event.next_state.as_deref() {
        Some("live" | "in_force") => (10, "Activate"),
        Some("ended" | "retired") => (11, "Deactivate"),
        Some("quarantined") => (12, "Suspend"),
        Some("voided" | "revoked") => (9, "Disable"),
        _ => api(event.action_type),
    }
}

/// The name of an action that the class has no number for.
const fn named(action: ActionType) -> &'static str {
    match action {
        ActionType::Create => "Create",
        ActionType::Read => "Read",
        ActionType::Update => "Update",
        ActionType::Delete => "Delete",
        ActionType::Execute => "Execute",
        ActionType::Export => "Export",
    }
}
