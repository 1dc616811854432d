//! Intake: the request form, the registries it chooses from, and the request itself.
//!
//! The form is data, so the page, the API, the command line and the download show the
//! same fields. Not here: the decision, which is `approval`.

mod fields;
mod form;
mod owners;
mod registry;
mod validate;

use serde::{Deserialize, Serialize};

use crate::approval::{Decision, Route};
use crate::charter::{Charter, FieldChange};
use crate::digest::Digest;
use crate::evidence::{ArtifactFacts, Controls};
use crate::id::{AppId, ApprovalId, ArtifactId, Email, RequestId};
use crate::risk::{Factors, Score};
use crate::time::{Span, Timestamp};

pub use fields::{FORM, Field, FieldKind, Required};
pub use form::{Answers, read_form};
pub use owners::{Directory, OwnerProposal, Person, propose_owners};
pub use registry::{
    ClassActions, ClassActionsError, Dataset, DatasetRegistry, RegistryError, RetentionLabel,
    RetentionSchedule,
};
pub use validate::{FieldError, Registries, validate};

/// A review warns when this much has passed since the request was handed in (R33).
pub const SLA_WARN: Span = Span::hours(48);

/// A review is late when this much has passed since the request was handed in (R33).
pub const SLA_DUE: Span = Span::hours(72);

/// One version of an app's artifact, as uploaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactRef {
    /// Its id.
    pub id: ArtifactId,
    /// Digest of its normalised content: an unchanged app exported twice has one.
    pub normalised: Digest,
    /// Digest of the bytes as uploaded.
    pub raw: Digest,
    /// Name of the file as uploaded.
    pub file_name: String,
    /// Size as uploaded, in bytes.
    pub size: u64,
}

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestState {
    /// Being written.
    Draft,
    /// Handed in; waits for the first decision.
    Submitted,
    /// Partly decided.
    InReview,
    /// Granted.
    Approved,
    /// Refused.
    Rejected,
    /// Taken back by the developer.
    Withdrawn,
}

/// The clock of a review (R33).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sla {
    /// From here on reviewers are warned.
    pub warn_at: Timestamp,
    /// From here on it is late, and escalates.
    pub due_at: Timestamp,
}

/// Where the clock of a review stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlaStatus {
    /// There is time.
    InTime,
    /// Warned: it is due soon.
    Warned,
    /// It is late.
    Breached,
}

/// One request for approval: the case that reviewers see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Its id.
    pub id: RequestId,
    /// The app.
    pub app: AppId,
    /// The charter as handed in.
    pub charter: Charter,
    /// Its digest.
    pub charter_digest: Digest,
    /// The artifact; none when it is to be built after approval.
    pub artifact: Option<ArtifactRef>,
    /// Digest of the README.
    pub readme: Option<Digest>,
    /// What the artifact shows.
    pub facts: ArtifactFacts,
    /// What the score was made from.
    pub factors: Factors,
    /// The score (R29, R148).
    pub score: Score,
    /// Which way it goes.
    pub route: Route,
    /// The controls, as they stood when it was handed in.
    pub controls: Controls,
    /// Digest of the rubric.
    pub rubric_digest: Digest,
    /// Where it stands.
    pub state: RequestState,
    /// Who handed it in.
    pub submitted_by: Email,
    /// When it was handed in.
    pub submitted_at: Timestamp,
    /// The clock; none when the rules decide alone and no sponsor is asked.
    pub sla: Option<Sla>,
    /// Decisions so far, in order.
    pub decisions: Vec<Decision>,
    /// The approval before this one, if the app had one.
    pub previous_approval: Option<ApprovalId>,
    /// The approval given, perhaps for the sandbox alone so far.
    pub approval: Option<ApprovalId>,
    /// When that approval was given.
    pub granted_at: Option<Timestamp>,
    /// What changed since the last approval; empty for a first request.
    pub changes: Vec<FieldChange>,
    /// Counts the changes of this record, from 1; two reviewers cannot decide on the same one.
    pub revision: u64,
}

impl RequestState {
    /// All states.
    pub const ALL: [Self; 6] = [
        Self::Draft,
        Self::Submitted,
        Self::InReview,
        Self::Approved,
        Self::Rejected,
        Self::Withdrawn,
    ];

    /// The name in events and results.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Submitted => "submitted",
            Self::InReview => "in_review",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Withdrawn => "withdrawn",
        }
    }
}

impl Sla {
    /// The clock of a request handed in at `submitted_at`, by calendar time.
    pub const fn from(submitted_at: Timestamp) -> Self {
        Self {
            warn_at: submitted_at.plus(SLA_WARN),
            due_at: submitted_at.plus(SLA_DUE),
        }
    }

    /// Where the clock stands at `now`; the moment itself counts as reached.
    pub fn status(&self, now: Timestamp) -> SlaStatus {
        if now >= self.due_at {
            SlaStatus::Breached
        } else if now >= self.warn_at {
            SlaStatus::Warned
        } else {
            SlaStatus::InTime
        }
    }
}

impl Request {
    /// Whether it still waits for a decision.
    pub fn is_open(&self) -> bool {
        !crate::approval::turns(self).is_empty()
    }

    /// Normalised digest of its artifact.
    pub fn artifact_digest(&self) -> Option<Digest> {
        self.artifact.as_ref().map(|artifact| artifact.normalised)
    }
}
