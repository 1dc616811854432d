//! Decisions: the only place where something is allowed.
//!
//! A decision is a pure function of request, policy set, facts and time. Cedar decides on typed
//! facts; what follows from an allowed action is a [`Permit`], from a refused one a [`Denial`]
//! that names the policies that spoke against it, or the permit that came nearest. Not here:
//! what the rules are (`policies/*.cedar`) and how facts are found out (the checks).

pub mod action;
mod cedar;
mod convert;
pub mod facts;
mod gate;
mod matrix;
mod nearest;
pub mod plain;
mod release;
mod scopes;
mod set;

use serde::{Deserialize, Serialize};

pub use action::Action;
pub use gate::{Candidate, GateAnswer};
pub use matrix::{ClassRow, RightsRow, SUBJECTS, class_matrix, role_matrix};
pub use release::{Obligation, Release};
pub use scopes::{GrantedScopes, RefusedScope, scope_name};
pub use set::{DEFAULT_SCHEMA, PolicyError, PolicySet, RuleCard, default_files, default_set};

use crate::digest::Digest;
use crate::permit::{Grant, Permit};
use crate::time::Timestamp;
use facts::{Principal, ResourceFacts as _};

/// Shown by a decision that allowed, so that nobody else can make a permit.
pub(crate) struct Allowed(());

/// One wish: who wants to do `A` to what, and what else bears on it.
#[derive(Debug)]
pub struct Request<'a, A: Action> {
    /// Who.
    pub principal: &'a Principal,
    /// To what.
    pub resource: &'a A::Resource,
    /// Under which circumstances.
    pub context: &'a A::Context,
}

/// The answer to one [`Request`].
#[derive(Debug)]
#[must_use = "a decision that nobody looks at protects nothing"]
pub enum Decision<A: Action> {
    /// Policy allows it, once.
    Allow(Permit<A>),
    /// It does not.
    Deny(Denial),
}

/// A policy that took part in an answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rule {
    /// Its id, from `@id`.
    pub id: String,
    /// Why, in a sentence for people, from `@reason`.
    pub reason: String,
    /// What would satisfy it, from `@remedy`.
    pub remedy: Option<String>,
    /// The control it enforces, from `@control`, as `sbom`.
    pub control: Option<String>,
    /// The requirements it carries out, from `@requirement`, as `R95`.
    pub requirements: Vec<String>,
}

/// The permit that would have allowed the action had a few points been otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nearest {
    /// The permit.
    pub rule: Rule,
    /// The points on which it failed, as `the role operations` or a condition of the policy.
    pub wanted: Vec<String>,
}

/// Why policy says no. There is always something to say: policies, a nearest permit, an error, or
/// the sentence of [`Denial::sentence`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// The action that was refused.
    pub action: String,
    /// Every policy that forbids it, sorted by id; empty when simply nothing permits it.
    pub policies: Vec<Rule>,
    /// When nothing permits it: the permit that came nearest.
    pub nearest: Option<Box<Nearest>>,
    /// Evaluation errors: never expected, always an alert.
    pub errors: Vec<String>,
    /// No policy set is loaded at all.
    pub nothing_loaded: bool,
    /// Digest of the policy set that answered.
    pub policy_digest: Digest,
}

impl<A: Action> Decision<A> {
    /// The permit, or why there is none.
    pub fn into_result(self) -> Result<Permit<A>, Denial> {
        match self {
            Self::Allow(permit) => Ok(permit),
            Self::Deny(denial) => Err(denial),
        }
    }

    /// Whether it is allowed.
    pub const fn is_allowed(&self) -> bool {
        matches!(self, Self::Allow(_))
    }
}

impl Denial {
    /// Whether somebody must be told at once: an error in evaluation is never normal.
    pub const fn alerts(&self) -> bool {
        !self.errors.is_empty()
    }

    /// The stable code of a policy denial.
    pub const fn code(&self) -> &'static str {
        if self.nothing_loaded {
            "POLICY_NOT_LOADED"
        } else if !self.errors.is_empty() {
            "POLICY_ERROR"
        } else if self.policies.is_empty() {
            "POLICY_NO_PERMIT"
        } else {
            "POLICY_FORBIDDEN"
        }
    }

    /// Why, in one sentence for people.
    pub fn sentence(&self) -> String {
        if self.nothing_loaded {
            return "no policy is loaded".to_owned();
        }
        if !self.errors.is_empty() {
            return "a policy could not be evaluated, so the answer is no".to_owned();
        }
        if !self.policies.is_empty() {
            let reasons: Vec<&str> = self.policies.iter().map(|rule| &*rule.reason).collect();
            return reasons.join("; ");
        }
        match &self.nearest {
            Some(nearest) => format!(
                "no permit matched; the nearest is `{}`, which wants {}",
                nearest.rule.id,
                nearest.wanted.join(" and ")
            ),
            None => "no permit matched".to_owned(),
        }
    }

    /// Ids of the policies that spoke against it.
    pub fn policy_ids(&self) -> Vec<String> {
        self.policies.iter().map(|rule| rule.id.clone()).collect()
    }
}

/// Decides `request` under `policies`. Only an allowing decision yields a permit. Any error in
/// evaluation denies: Cedar skips a policy that errs, so an erring `forbid` would fail open.
pub fn decide<A: Action>(
    request: &Request<'_, A>,
    policies: &PolicySet,
    now: Timestamp,
) -> Decision<A> {
    let answer = policies.evaluate(
        A::NAME,
        request.principal,
        request.resource,
        request.context,
    );
    match answer {
        Ok(determining) => Decision::Allow(Permit::grant(
            Allowed(()),
            Grant {
                principal: request.principal.id().to_owned(),
                resource: request.resource.id().to_owned(),
                version: request.resource.version(),
                policy: policies.digest(),
                determining,
            },
            now,
        )),
        Err(denial) => Decision::Deny(denial),
    }
}
