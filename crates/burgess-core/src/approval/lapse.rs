//! What voids an approval, and what goes back to review when it does.

use serde::{Deserialize, Serialize};

use super::{Approval, Lane, Route};
use crate::charter::{Charter, FieldChange, material_diff};
use crate::digest::Digest;
use crate::risk::Score;
use crate::time::{Span, Timestamp};

/// How long an app goes on after a new policy set or rubric asks for a stricter route, so
/// that reviewers and owners can act before it stops.
pub const GRACE: Span = Span::days(14);

/// Why an approval does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Lapse {
    /// Its time is up.
    Expired,
    /// Material fields of the charter changed.
    CharterChanged {
        /// Their names.
        fields: Vec<String>,
    },
    /// The artifact is another one.
    ArtifactChanged,
    /// A condition does not hold.
    ConditionFailed {
        /// The condition.
        condition: String,
    },
    /// Somebody who was asked said no.
    Rejected,
    /// A review found that it no longer fits.
    Reopened {
        /// Why.
        reason: String,
    },
}

impl Lapse {
    /// In a sentence for people.
    pub fn reason(&self) -> String {
        match self {
            Self::Expired => "the approval has expired".to_owned(),
            Self::CharterChanged { fields } => {
                format!(
                    "the charter changed since it was approved: {}",
                    fields.join(", ")
                )
            }
            Self::ArtifactChanged => "the artifact is not the one that was approved".to_owned(),
            Self::ConditionFailed { condition } => {
                format!("a condition of the approval does not hold: {condition}")
            }
            Self::Rejected => "somebody who was asked said no".to_owned(),
            Self::Reopened { reason } => format!("the approval was reopened: {reason}"),
        }
    }
}

/// Why `approval` does not hold for the version made of `charter` and `artifact`, if so.
///
/// `approved` is the charter that was approved. A version without an artifact yet, and an
/// approval that names none and so opens only the sandbox, differ in nothing. A new policy
/// set or rubric is no reason here: see [`reopens`].
pub fn lapse(
    approval: &Approval,
    approved: &Charter,
    charter: &Charter,
    artifact: Option<Digest>,
    failed_conditions: &[String],
    now: Timestamp,
) -> Option<Lapse> {
    if let Some(voided) = &approval.voided {
        return Some(voided.lapse.clone());
    }
    let fields: Vec<String> = material_diff(approved, charter)
        .into_iter()
        .filter(|change| change.material)
        .map(|change| change.field)
        .collect();
    if !fields.is_empty() {
        return Some(Lapse::CharterChanged { fields });
    }
    if matches!((approval.artifact, artifact), (Some(then), Some(now)) if then != now) {
        return Some(Lapse::ArtifactChanged);
    }
    if let Some(condition) = failed_conditions
        .iter()
        .find(|condition| approval.conditions.contains(condition))
    {
        return Some(Lapse::ConditionFailed {
            condition: condition.clone(),
        });
    }
    (now >= approval.expires_at).then_some(Lapse::Expired)
}

/// Whether a new assessment, by a new rubric or policy set, is stricter than the one an
/// approval was given by: only then review is reopened, until the date returned.
pub fn reopens(approval: &Approval, route: &Route, now: Timestamp) -> Option<Timestamp> {
    let before = &approval.route;
    let stricter = (before.lane == Lane::Auto && route.lane == Lane::Review)
        || (!before.second_reviewer && route.second_reviewer)
        || (!before.sponsor && route.sponsor);
    stricter.then(|| now.plus(GRACE))
}

/// What reviewers look at when an approved app comes back: the difference alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delta {
    /// Fields that differ.
    pub changes: Vec<FieldChange>,
    /// Whether the artifact is another one.
    pub artifact_changed: bool,
    /// The score then.
    pub score_before: u32,
    /// The score now.
    pub score_after: u32,
    /// Factors whose points changed, by name.
    pub factors_changed: Vec<String>,
}

impl Delta {
    /// Whether the risk is what it was.
    pub fn risk_unchanged(&self) -> bool {
        self.factors_changed.is_empty()
    }

    /// Whether nothing material changed, so that no review is needed.
    pub fn is_immaterial(&self) -> bool {
        !self.artifact_changed && !self.changes.iter().any(|change| change.material)
    }
}

/// The difference between what `approval` covers and the version handed in now.
pub fn delta_for_review(
    approval: &Approval,
    approved: &Charter,
    charter: &Charter,
    artifact: Option<Digest>,
    score: &Score,
) -> Delta {
    let factors_changed = score
        .addends
        .iter()
        .filter(|now| {
            let then = approval
                .addends
                .iter()
                .find(|then| then.factor == now.factor);
            then.is_none_or(|then| then.points != now.points)
        })
        .map(|addend| addend.factor.clone())
        .collect();
    Delta {
        changes: material_diff(approved, charter),
        artifact_changed: approval.artifact != artifact,
        score_before: approval.score,
        score_after: score.score,
        factors_changed,
    }
}
