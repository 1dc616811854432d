//! The life of an app: request, approve, test, deploy, monitor, retire (R9).
//!
//! One table says what leads where; everything that is not in it is refused. Not here:
//! whether somebody may do it (policies) and whether its gate is open (`deploy`).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::app::Environment;

/// Where an app stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Registered; its request is being written or decided.
    Requested,
    /// Its request was refused; it may ask again.
    Rejected,
    /// Approved, running nowhere yet.
    Approved,
    /// Running in the sandbox, where it is tested.
    Sandbox,
    /// Running in staging.
    Staging,
    /// Running in production, and monitored.
    Production,
    /// Stopped by a person or a rule; its credentials are revoked.
    Quarantined,
    /// Will be retired unless somebody keeps it.
    RetirementScheduled,
    /// Gone; only its trail and its archive are left.
    Retired,
}

/// What can happen to an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// A request is handed in, the first or one for a new version.
    Submit,
    /// The request is approved.
    Approve,
    /// The request is refused.
    Reject,
    /// The developer takes the request back.
    Withdraw,
    /// A version goes live in the sandbox.
    DeploySandbox,
    /// A version goes live in staging.
    DeployStaging,
    /// A version goes live in production.
    DeployProduction,
    /// The previous version goes live again in the same environment.
    RollBack,
    /// A person or a rule stops it.
    Quarantine,
    /// A person lets it go on, from the sandbox.
    Release,
    /// Retirement is announced, by a person or after 180 idle days.
    ScheduleRetirement,
    /// Somebody needs it after all.
    Keep,
    /// The exit checklist is complete.
    Retire,
}

/// The action is not possible from that state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("`{action}` is not possible while the app is {state}: {}", possible_in_words(.possible))]
pub struct IllegalTransition {
    /// Where the app stands.
    pub state: State,
    /// What was asked.
    pub action: Action,
    /// What is possible from there.
    pub possible: Vec<Action>,
}

fn possible_in_words(possible: &[Action]) -> String {
    if possible.is_empty() {
        return "nothing is possible any more".to_owned();
    }
    let names: Vec<&str> = possible.iter().map(|action| action.as_str()).collect();
    format!("possible are {}", names.join(", "))
}

impl State {
    /// All states, in the order of a life.
    pub const ALL: [Self; 9] = [
        Self::Requested,
        Self::Rejected,
        Self::Approved,
        Self::Sandbox,
        Self::Staging,
        Self::Production,
        Self::Quarantined,
        Self::RetirementScheduled,
        Self::Retired,
    ];

    /// The name in events and results.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Rejected => "rejected",
            Self::Approved => "approved",
            Self::Sandbox => "sandbox",
            Self::Staging => "staging",
            Self::Production => "production",
            Self::Quarantined => "quarantined",
            Self::RetirementScheduled => "retirement_scheduled",
            Self::Retired => "retired",
        }
    }

    /// The state of an approved app whose highest live environment is `live`.
    pub const fn running_in(live: Option<Environment>) -> Self {
        match live {
            None => Self::Approved,
            Some(Environment::Sandbox) => Self::Sandbox,
            Some(Environment::Staging) => Self::Staging,
            Some(Environment::Production) => Self::Production,
        }
    }

    /// Whether the app runs somewhere, and so may hold credentials.
    pub const fn is_live(self) -> bool {
        matches!(
            self,
            Self::Sandbox | Self::Staging | Self::Production | Self::RetirementScheduled
        )
    }
}

impl Action {
    /// All actions, in the order of a life.
    pub const ALL: [Self; 13] = [
        Self::Submit,
        Self::Approve,
        Self::Reject,
        Self::Withdraw,
        Self::DeploySandbox,
        Self::DeployStaging,
        Self::DeployProduction,
        Self::RollBack,
        Self::Quarantine,
        Self::Release,
        Self::ScheduleRetirement,
        Self::Keep,
        Self::Retire,
    ];

    /// The name in events and results.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Withdraw => "withdraw",
            Self::DeploySandbox => "deploy_sandbox",
            Self::DeployStaging => "deploy_staging",
            Self::DeployProduction => "deploy_production",
            Self::RollBack => "roll_back",
            Self::Quarantine => "quarantine",
            Self::Release => "release",
            Self::ScheduleRetirement => "schedule_retirement",
            Self::Keep => "keep",
            Self::Retire => "retire",
        }
    }

    /// The action that deploys to `environment`.
    pub const fn deploy(environment: Environment) -> Self {
        match environment {
            Environment::Sandbox => Self::DeploySandbox,
            Environment::Staging => Self::DeployStaging,
            Environment::Production => Self::DeployProduction,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where `action` leads from `state`. `live` is the highest environment in which a
/// version is live at that moment; it says where an app that is kept after all goes on.
///
/// An app keeps running while a request for its next version is decided, so submitting,
/// approving, refusing and withdrawing leave a running app where it is.
pub fn transition(
    state: State,
    action: Action,
    live: Option<Environment>,
) -> Result<State, IllegalTransition> {
    next(state, action, live).ok_or_else(|| IllegalTransition {
        state,
        action,
        possible: possible(state),
    })
}

/// The table: what is not in it is not possible.
fn next(state: State, action: Action, live: Option<Environment>) -> Option<State> {
    use Action as A;
    use State as S;
    let next = match (state, action) {
        (S::Requested | S::Rejected, A::Submit) => S::Requested,
        (S::Requested, A::Approve) => S::Approved,
        (S::Requested, A::Reject | A::Withdraw) => S::Rejected,
        (
            S::Approved | S::Sandbox | S::Staging | S::Production | S::Quarantined,
            A::Submit | A::Approve | A::Reject | A::Withdraw,
        ) => state,
        // A new version starts in the sandbox while the old one still runs further up.
        (S::Approved | S::Sandbox, A::DeploySandbox) => S::Sandbox,
        (S::Staging, A::DeploySandbox) => S::Staging,
        (S::Production, A::DeploySandbox | A::DeployStaging) => S::Production,
        (S::Sandbox | S::Staging, A::DeployStaging) => S::Staging,
        (S::Staging | S::Production, A::DeployProduction) => S::Production,
        (S::Sandbox | S::Staging | S::Production, A::RollBack) => state,
        (
            S::Approved | S::Sandbox | S::Staging | S::Production | S::RetirementScheduled,
            A::Quarantine,
        ) => S::Quarantined,
        // Whatever ran before, it proves itself anew from the sandbox.
        (S::Quarantined, A::Release) => S::Approved,
        (S::Approved | S::Sandbox | S::Staging | S::Production, A::ScheduleRetirement) => {
            S::RetirementScheduled
        }
        (S::RetirementScheduled, A::Keep) => State::running_in(live),
        // What never ran, or was stopped, needs no notice before it goes.
        (S::Requested | S::Rejected | S::Quarantined | S::RetirementScheduled, A::Retire) => {
            S::Retired
        }
        _ => return None,
    };
    Some(next)
}

/// What can happen in `state`, in the order of a life.
pub fn possible(state: State) -> Vec<Action> {
    Action::ALL
        .into_iter()
        .filter(|action| next(state, *action, None).is_some())
        .collect()
}
