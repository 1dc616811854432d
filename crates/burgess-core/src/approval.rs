//! Approval: which way a request goes, who may decide it, what is granted, and what voids it.
//!
//! Not here: the role that somebody needs to decide at all, which is a policy; this file
//! keeps apart people who must not be the same person.

mod decide;
mod lapse;
mod route;

use serde::{Deserialize, Serialize};

use crate::app::Environment;
use crate::charter::Charter;
use crate::digest::Digest;
use crate::id::{AppId, ApprovalId, Email, RequestId};
use crate::intake::Request;
use crate::risk::{Addend, Band};
use crate::time::{Span, Timestamp};

pub use decide::{REQUIRED, auto_approve, record, turns};
pub use lapse::{Delta, GRACE, Lapse, delta_for_review, lapse, reopens};
pub use route::{RouteFacts, route};

/// How long an approval holds by default, from the moment it is given.
pub const VALID_FOR: Span = Span::days(365);

/// Who decides in the reviewer's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// The rules do, because all conditions for it hold (R31).
    Auto,
    /// Platform and security do (R32).
    Review,
}

/// Which way a request goes, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Automatic, or a reviewer.
    pub lane: Lane,
    /// A second, distinct reviewer decides too (R43).
    pub second_reviewer: bool,
    /// The sponsor decides too (R28).
    pub sponsor: bool,
    /// Why, one sentence for each reason.
    pub reasons: Vec<String>,
}

/// In which capacity somebody decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capacity {
    /// The reviewer of platform and security.
    Reviewer,
    /// The second reviewer, somebody else.
    SecondReviewer,
    /// The accountable owner.
    Sponsor,
}

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Yes.
    Approve,
    /// No; it ends the case.
    Reject,
}

/// What one person decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Who.
    pub by: Email,
    /// In which capacity.
    pub capacity: Capacity,
    /// Yes or no.
    pub verdict: Verdict,
    /// When.
    pub at: Timestamp,
    /// Why; required with a no.
    pub comment: String,
    /// Under which conditions, one sentence each.
    pub conditions: Vec<String>,
}

/// What was reviewed and granted. It names everything that it stands on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Its id.
    pub id: ApprovalId,
    /// The request it answers.
    pub request: RequestId,
    /// The app.
    pub app: AppId,
    /// The version that was reviewed.
    pub version: String,
    /// Digest of the charter that was reviewed.
    pub charter_digest: Digest,
    /// Normalised digest of the artifact that was reviewed; without one, only the sandbox opens.
    pub artifact: Option<Digest>,
    /// The score, 0 to 100.
    pub score: u32,
    /// Its band.
    pub band: Band,
    /// What it was made from.
    pub addends: Vec<Addend>,
    /// The way it went.
    pub route: Route,
    /// Digest of the rubric.
    pub rubric_digest: Digest,
    /// Digest of the policy set in force.
    pub policy_digest: Digest,
    /// Conditions of those who decided.
    pub conditions: Vec<String>,
    /// The highest environment it opens.
    pub up_to: Environment,
    /// When it was given.
    pub granted_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// Who decided what; empty when the rules decided alone.
    pub decisions: Vec<Decision>,
    /// When and why it was voided.
    pub voided: Option<Voided>,
}

/// When and why an approval was voided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voided {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub lapse: Lapse,
}

/// What an approval stands on besides the request, and what it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Id of the approval, if one is given now.
    pub id: ApprovalId,
    /// Digest of the policy set in force.
    pub policy_digest: Digest,
    /// How long it holds from now, by default [`VALID_FOR`].
    pub valid_for: Span,
}

/// What a decision led to. The request inside is the new version of the one decided on.
#[expect(
    clippy::large_enum_variant,
    reason = "made once for a decision and taken apart at once"
)]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Progress {
    /// More decisions are needed before anything opens.
    Waiting {
        /// The request with the decision.
        request: Request,
        /// Whose turn it is.
        turns: Vec<Capacity>,
    },
    /// An approval is given, or a given one opens more. While `turns` is not empty it
    /// opens the sandbox alone.
    Granted {
        /// The request with the decision.
        request: Request,
        /// The approval.
        approval: Approval,
        /// Whose turn it still is.
        turns: Vec<Capacity>,
    },
    /// The case ended with a no.
    Rejected {
        /// The request with the decision.
        request: Request,
    },
}

impl Lane {
    /// The name in results.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Review => "review",
        }
    }
}

impl Capacity {
    /// The id of the control that this decision satisfies.
    pub const fn control(self) -> &'static str {
        match self {
            Self::Reviewer => "reviewer-decision",
            Self::SecondReviewer => "second-reviewer-decision",
            Self::Sponsor => "sponsor-decision",
        }
    }

    /// In words, for a page.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Reviewer => "reviewer",
            Self::SecondReviewer => "second reviewer",
            Self::Sponsor => "sponsor",
        }
    }
}

impl Approval {
    /// Whether it is in force at `now`: not voided and not expired.
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.voided.is_none() && now < self.expires_at
    }

    /// Whether the sponsor said yes.
    pub fn has_sponsor(&self) -> bool {
        self.decisions.iter().any(|decision| {
            decision.capacity == Capacity::Sponsor && decision.verdict == Verdict::Approve
        })
    }

    /// The same approval, voided.
    pub fn voided(mut self, lapse: Lapse, at: Timestamp) -> Self {
        self.voided.get_or_insert(Voided { at, lapse });
        self
    }
}

/// The highest environment an approval of this request may open once everybody decided.
pub fn ceiling(charter: &Charter, has_artifact: bool) -> Environment {
    let asked = charter.app.environments.iter().max();
    match asked {
        Some(environment) if has_artifact => *environment,
        _ => Environment::Sandbox,
    }
}
