//! Periodic reviews: how often an app is looked at again, and what came of it.
//!
//! Not here: who completes a review, which is a policy, and the sending of reminders.

use serde::{Deserialize, Serialize};

use crate::id::{AppId, Email, ReviewId};
use crate::risk::Band;
use crate::time::{Span, Timestamp};

/// How often apps of each band are reviewed. The default is monthly, quarterly and yearly
/// for high, medium and low (R61, R62).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cadence {
    /// High band.
    pub high: Span,
    /// Medium band.
    pub medium: Span,
    /// Low band.
    pub low: Span,
}

impl Default for Cadence {
    fn default() -> Self {
        Self {
            high: Span::days(30),
            medium: Span::days(90),
            low: Span::days(365),
        }
    }
}

impl Cadence {
    /// The time between two reviews of an app of that band.
    pub const fn of(&self, band: Band) -> Span {
        match band {
            Band::High => self.high,
            Band::Medium => self.medium,
            Band::Low => self.low,
        }
    }

    /// When the next review of an app is due: one interval after the last one, or after it
    /// was approved when there was none.
    pub const fn next_due(&self, band: Band, last: Timestamp) -> Timestamp {
        last.plus(self.of(band))
    }
}

/// What a review came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All is well; it goes on.
    Continue,
    /// It goes on, and something has to be mended.
    ContinueWithFindings,
    /// The approval no longer fits; it goes back to review.
    Reapprove,
    /// It stops now.
    Quarantine,
    /// Nobody needs it any more.
    Retire,
}

impl Outcome {
    /// All outcomes.
    pub const ALL: [Self; 5] = [
        Self::Continue,
        Self::ContinueWithFindings,
        Self::Reapprove,
        Self::Quarantine,
        Self::Retire,
    ];

    /// The name in events and results.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Continue => "continue",
            Self::ContinueWithFindings => "continue_with_findings",
            Self::Reapprove => "reapprove",
            Self::Quarantine => "quarantine",
            Self::Retire => "retire",
        }
    }
}

/// One periodic review.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// Its id.
    pub id: ReviewId,
    /// The app.
    pub app: AppId,
    /// The app's band when the review was opened.
    pub band: Band,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it has to be done.
    pub due_at: Timestamp,
    /// What it came to; none while it is open.
    pub completed: Option<Completed>,
}

/// What a review came to, who says so, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completed {
    /// What it came to.
    pub outcome: Outcome,
    /// Who says so.
    pub by: Email,
    /// When.
    pub at: Timestamp,
    /// Why, in a sentence or more.
    pub note: String,
}

/// A review cannot be completed like that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReviewError {
    /// It is completed already.
    #[error("the review is completed already: open the next one")]
    Completed,
    /// Nothing was written.
    #[error("the review has no note: write what was looked at and why it came out so")]
    NoNote,
}

impl Review {
    /// Opens the review that is due at `due_at`.
    pub fn open(id: ReviewId, app: AppId, band: Band, due_at: Timestamp, now: Timestamp) -> Self {
        Self {
            id,
            app,
            band,
            opened_at: now,
            due_at,
            completed: None,
        }
    }

    /// Whether it is still open after it was due.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.completed.is_none() && now > self.due_at
    }

    /// The same review, completed.
    pub fn complete(mut self, completed: Completed) -> Result<Self, ReviewError> {
        if self.completed.is_some() {
            return Err(ReviewError::Completed);
        }
        if completed.note.trim().is_empty() {
            return Err(ReviewError::NoNote);
        }
        self.completed = Some(completed);
        Ok(self)
    }
}
