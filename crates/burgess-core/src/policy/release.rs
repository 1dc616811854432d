//! The release decision: on which terms an inspected body may pass.
//!
//! A ladder of actions asked in order; the first permitted rung is the obligation, none means
//! blocked. Not here: finding what is in the body, and carrying the obligation out.

use super::action::{ReleaseAsIs, ReleaseRedacted};
use super::facts::{Destination, Principal, ReleaseFacts};
use super::{Decision, Denial, PolicySet, Request, decide};
use crate::permit::Permit;
use crate::time::Timestamp;

/// On which terms a body may pass.
#[derive(Debug)]
pub enum Obligation {
    /// Unchanged.
    AsIs(Permit<ReleaseAsIs>),
    /// With everything that was found blacked out.
    Redacted(Permit<ReleaseRedacted>),
}

/// The answer of the ladder.
#[derive(Debug)]
#[must_use = "a body may pass only on the terms of its release"]
pub enum Release {
    /// It may pass on these terms.
    Pass(Obligation),
    /// It may not: what stands against the first rung, which is the plainest reason.
    Blocked(Denial),
}

impl Release {
    /// Asks the rungs in order: as it is, then redacted.
    pub fn decide(
        principal: &Principal,
        destination: &Destination,
        facts: &ReleaseFacts,
        policies: &PolicySet,
        now: Timestamp,
    ) -> Self {
        let as_is = Request::<ReleaseAsIs> {
            principal,
            resource: destination,
            context: facts,
        };
        let first = match decide(&as_is, policies, now) {
            Decision::Allow(permit) => return Self::Pass(Obligation::AsIs(permit)),
            // After an error nothing may pass on any terms, and somebody must be told.
            Decision::Deny(denial) if denial.alerts() => return Self::Blocked(denial),
            Decision::Deny(denial) => denial,
        };
        let redacted = Request::<ReleaseRedacted> {
            principal,
            resource: destination,
            context: facts,
        };
        match decide(&redacted, policies, now) {
            Decision::Allow(permit) => Self::Pass(Obligation::Redacted(permit)),
            Decision::Deny(denial) if denial.alerts() => Self::Blocked(denial),
            Decision::Deny(_) => Self::Blocked(first),
        }
    }
}
