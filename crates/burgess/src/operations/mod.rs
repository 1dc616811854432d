//! The verbs of the lifecycle, one file each. Every operation is a short function that
//! reads: load, decide, commit, tell.
//!
//! Pages, API and jobs call these and nothing deeper.

pub mod approve;
pub mod attach;
pub mod clockwork;
pub mod connect;
pub mod datasets;
pub mod erase;
pub mod event;
pub mod evidence;
pub mod hold;
pub mod intake;
pub mod people;
pub mod promote;
pub mod recover;
pub mod report;
pub mod retention;
pub mod retire;
pub mod review;
pub mod secrets;
pub mod telemetry;
pub mod trail;
pub mod verdict;

use std::collections::BTreeSet;

use axum::http::StatusCode;
use burgess_core::app::App;
use burgess_core::approval::REQUIRED;
use burgess_core::evidence::{ControlId, Refusal};
use burgess_core::id::Email;
use burgess_core::permit::Permit;
use burgess_core::policy::facts::{AppFacts, CaseFacts, Person, Principal};
use burgess_core::policy::{self, Action, Denial};
use burgess_core::roles::Role;
use burgess_core::time::Timestamp;

use crate::http::problem::{Missing, Problem};
use crate::server::Server;

/// Who asks, and from where: what every event of theirs says.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The person.
    pub person: Person,
    /// Their name.
    pub name: String,
    /// The role they signed in with: what their events say.
    pub role: Role,
    /// Their address.
    pub ip_address: Option<String>,
    /// Their program.
    pub user_agent: Option<String>,
}

impl Caller {
    /// Their e-mail address.
    pub fn email(&self) -> &Email {
        &self.person.email
    }

    /// As policy sees them.
    pub fn principal(&self) -> Principal {
        Principal::Person(self.person.clone())
    }

    /// Whether they have `role`.
    pub fn has(&self, role: Role) -> bool {
        self.person.roles.contains(&role)
    }
}

/// Asks policy for a permit; a denial becomes a problem that names the policy and its reason.
pub fn permit<A: Action>(
    server: &Server,
    principal: &Principal,
    resource: &A::Resource,
    context: &A::Context,
    now: Timestamp,
) -> Result<Permit<A>, Problem> {
    let policies = server.policies.load();
    let request = policy::Request::<A> {
        principal,
        resource,
        context,
    };
    policy::decide(&request, &policies, now)
        .into_result()
        .map_err(|denial| denied(&denial))
}

/// Whether policy would allow it: for showing or hiding a button. It protects nothing.
pub fn may<A: Action>(
    server: &Server,
    principal: &Principal,
    resource: &A::Resource,
    context: &A::Context,
    now: Timestamp,
) -> bool {
    let policies = server.policies.load();
    let request = policy::Request::<A> {
        principal,
        resource,
        context,
    };
    policy::decide(&request, &policies, now).is_allowed()
}

/// What a denial looks like outside.
pub fn denied(denial: &Denial) -> Problem {
    if denial.alerts() {
        tracing::error!(action = %denial.action, errors = ?denial.errors, "a policy failed to evaluate");
    }
    let rules = denial.policies.iter().map(|rule| Missing {
        control: rule.id.clone(),
        reason: rule.reason.clone(),
        remedy: rule.remedy.clone().unwrap_or_default(),
    });
    let nearest = denial.nearest.iter().map(|nearest| Missing {
        control: nearest.rule.id.clone(),
        reason: "no permit matched; this one came nearest".to_owned(),
        remedy: format!("it wants {}", nearest.wanted.join(" and ")),
    });
    Problem::refused(
        denial.code(),
        denial.sentence(),
        rules.chain(nearest).collect(),
    )
}

/// What a refusal by the rules looks like outside.
pub fn refused(refusal: &Refusal) -> Problem {
    let unmet = refusal
        .unmet
        .iter()
        .map(|unmet| Missing {
            control: unmet.control.clone(),
            reason: unmet.reason.clone(),
            remedy: unmet.remedy.clone(),
        })
        .collect();
    let count = refusal.unmet.len();
    let detail = if count == 1 {
        refusal
            .unmet
            .first()
            .map(|unmet| unmet.reason.clone())
            .unwrap_or_default()
    } else {
        format!("{count} controls are not met yet")
    };
    Problem {
        status: StatusCode::CONFLICT,
        code: "CONTROLS_UNMET",
        detail,
        unmet,
    }
}

/// The facts of an app, as policy sees them.
pub fn app_facts(app: &App, approved: bool, retirement_due: bool) -> AppFacts {
    use burgess_core::lifecycle::State;
    AppFacts {
        id: app.id.clone(),
        revision: app.revision,
        developer: app.developer.clone(),
        owners: owners(app),
        state: app.state.as_str().to_owned(),
        band: app.band,
        classification: app.classification,
        approved,
        quarantined: app.state == State::Quarantined,
        retired: app.state == State::Retired,
        retirement_due,
    }
}

/// Owner and second owner.
pub fn owners(app: &App) -> BTreeSet<Email> {
    std::iter::once(app.owner.clone())
        .chain(app.second_owner.clone())
        .collect()
}

/// Unmet controls of a request, of those that count.
pub fn missing(
    request: &burgess_core::intake::Request,
    counts: impl Fn(ControlId) -> bool,
) -> BTreeSet<String> {
    request
        .controls
        .unmet()
        .filter(|control| counts(control.id))
        .map(|control| control.id.as_str().to_owned())
        .collect()
}

/// Whether a control must be there before the rules approve alone; the others stop gates later on.
pub const fn counts_for_rules(id: ControlId) -> bool {
    !matches!(
        id,
        ControlId::Tests
            | ControlId::StaticChecks
            | ControlId::TimingDocumented
            | ControlId::TimingReport
            | ControlId::RemediationInTime
    )
}

/// The facts of a request, as policy sees them. Before people approve, the controls of
/// [`REQUIRED`] must be there; what else is missing they see, and the gates stop.
pub fn case_facts(request: &burgess_core::intake::Request) -> CaseFacts {
    use burgess_core::approval::{Capacity, Verdict};
    let app = &request.charter.app;
    let nobody = &request.submitted_by;
    CaseFacts {
        id: request.id.clone(),
        revision: request.revision,
        app: request.app.clone(),
        developer: app.developer.clone().unwrap_or_else(|| nobody.clone()),
        submitter: request.submitted_by.clone(),
        owners: app
            .owner
            .iter()
            .chain(app.second_owner.iter())
            .cloned()
            .collect(),
        reviewers: request
            .decisions
            .iter()
            .filter(|d| d.capacity == Capacity::Reviewer && d.verdict == Verdict::Approve)
            .map(|d| d.by.clone())
            .collect(),
        open: request.is_open(),
        second_review: request.route.second_reviewer,
        score: request.score.score,
        band: request.score.band,
        classification: request.factors.data,
        users: request.factors.users,
        connectivity_points: request
            .score
            .addends
            .iter()
            .find(|addend| addend.factor == "connectivity")
            .map_or(0, |addend| addend.points),
        agent: request.charter.capabilities.agent || request.facts.agent,
        capabilities: !request.charter.capabilities.is_empty(),
        missing_controls: missing(request, |id| REQUIRED.contains(&id)),
    }
}
