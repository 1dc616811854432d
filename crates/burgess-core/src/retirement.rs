//! Retirement: when an idle app is reminded and scheduled, and the exit checklist without
//! which nothing retires.
//!
//! Not here: the revoking and archiving itself; this file says what proves that it was done.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::evidence::{Refusal, Unmet};
use crate::id::{AppId, CredentialId, Email};
use crate::lifecycle::State;
use crate::time::{Span, Timestamp};

/// The owner of an app that was idle this long is reminded (R66).
pub const REMIND_AFTER: Span = Span::days(90);

/// An app that was idle this long is scheduled to retire (R67).
pub const SCHEDULE_AFTER: Span = Span::days(180);

/// Between the schedule and the retirement, so that the owner can keep the app.
pub const NOTICE: Span = Span::days(30);

/// What idleness asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Idleness {
    /// Nothing: it is in use, or does not run.
    InUse,
    /// Remind the owner.
    Remind,
    /// Schedule its retirement.
    Schedule,
}

/// What an app asks for that was last used at `last_used_at`; the day itself counts as reached.
pub fn idleness(state: State, last_used_at: Timestamp, now: Timestamp) -> Idleness {
    let runs = matches!(
        state,
        State::Approved | State::Sandbox | State::Staging | State::Production
    );
    let idle = now.since(last_used_at);
    if runs && idle >= SCHEDULE_AFTER {
        Idleness::Schedule
    } else if runs && idle >= REMIND_AFTER {
        Idleness::Remind
    } else {
        Idleness::InUse
    }
}

/// When an app will go, why, and since when that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetirementSchedule {
    /// The app.
    pub app: AppId,
    /// When it was scheduled.
    pub scheduled_at: Timestamp,
    /// When it goes.
    pub retire_at: Timestamp,
    /// Why.
    pub reason: String,
}

impl RetirementSchedule {
    /// Schedules the app now, to go after the notice.
    pub fn new(app: AppId, reason: &str, now: Timestamp) -> Self {
        Self {
            app,
            scheduled_at: now,
            retire_at: now.plus(NOTICE),
            reason: reason.to_owned(),
        }
    }

    /// Whether the notice is over.
    pub fn is_due(&self, now: Timestamp) -> bool {
        now >= self.retire_at
    }
}

/// One credential of the app, and whether trying it failed after it was revoked (R63).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialProof {
    /// Which one.
    pub credential: CredentialId,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was tried after that and refused.
    pub refused_at: Option<Timestamp>,
}

/// What was archived, under which label, until when (R64).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveRecord {
    /// Digest of the archive object.
    pub digest: Digest,
    /// Retention label.
    pub label: String,
    /// When it was archived.
    pub archived_at: Timestamp,
    /// When it is to be destroyed.
    pub expires_at: Timestamp,
}

impl ArchiveRecord {
    /// The record of an archive made now that is kept for `days` days under `label`.
    pub fn new(digest: Digest, label: &str, days: u32, now: Timestamp) -> Self {
        Self {
            digest,
            label: label.to_owned(),
            archived_at: now,
            expires_at: now.plus(Span::days(i64::from(days))),
        }
    }
}

/// The exit checklist while it is being filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitDraft {
    /// The app.
    pub app: AppId,
    /// Every credential the app ever had, with its proof.
    pub credentials: Vec<CredentialProof>,
    /// How many deployments are still live.
    pub live_deployments: u32,
    /// The archive.
    pub archive: Option<ArchiveRecord>,
    /// The retention label that the charter asks for; an app that was never approved may have none.
    pub retention_label: Option<String>,
    /// What was learned.
    pub lessons_learned: String,
    /// Who signs it.
    pub signed_by: Option<Email>,
}

/// The complete exit checklist. An incomplete one has no type to be: only
/// [`ExitDraft::complete`] makes one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExitChecklist {
    app: AppId,
    credentials: Vec<CredentialProof>,
    archive: ArchiveRecord,
    lessons_learned: String,
    signed_by: Email,
    completed_at: Timestamp,
}

impl ExitDraft {
    /// The complete checklist, or everything that is still missing.
    pub fn complete(self, now: Timestamp) -> Result<ExitChecklist, Refusal> {
        Refusal::unless_empty(self.missing())?;
        match (self.archive, self.signed_by) {
            (Some(archive), Some(signed_by)) => Ok(ExitChecklist {
                app: self.app,
                credentials: self.credentials,
                archive,
                lessons_learned: self.lessons_learned,
                signed_by,
                completed_at: now,
            }),
            _ => Err(Refusal {
                unmet: vec![archive_missing()],
            }),
        }
    }

    /// What is still missing, in the order of the list.
    pub fn missing(&self) -> Vec<Unmet> {
        let mut unmet: Vec<Unmet> = self.credentials.iter().filter_map(credential).collect();
        if self.live_deployments > 0 {
            unmet.push(item(
                "deployments-ended",
                "nothing of the app is live any more",
                format!("{} deployments are still live", self.live_deployments),
                "end every deployment",
            ));
        }
        match &self.archive {
            None => unmet.push(archive_missing()),
            Some(archive)
                if self
                    .retention_label
                    .as_ref()
                    .is_some_and(|l| *l != archive.label) =>
            {
                unmet.push(item(
                    "data-archived",
                    "the app's data is archived under its retention label",
                    format!(
                        "the archive is labelled `{}`, which is not what the charter asks for",
                        archive.label
                    ),
                    "archive under the label of the charter",
                ));
            }
            Some(_) => {}
        }
        if self.lessons_learned.trim().is_empty() {
            unmet.push(item(
                "lessons-learned",
                "lessons learned are written down",
                "nothing is written about lessons learned".to_owned(),
                "write what worked, what did not, and what replaces the app",
            ));
        }
        if self.signed_by.is_none() {
            unmet.push(item(
                "signed",
                "somebody signs the exit checklist",
                "nobody has signed the exit checklist".to_owned(),
                "let the owner or operations sign it",
            ));
        }
        unmet
    }
}

fn credential(proof: &CredentialProof) -> Option<Unmet> {
    let reason = match (proof.revoked_at, proof.refused_at) {
        (None, _) => format!("credential `{}` is not revoked", proof.credential),
        (Some(revoked), Some(refused)) if refused >= revoked => return None,
        (Some(_), _) => format!(
            "credential `{}` was not tried after it was revoked",
            proof.credential
        ),
    };
    Some(item(
        "credentials-revoked",
        "every credential of the app is revoked, and trying it fails",
        reason,
        "revoke it, then try it and see that it is refused",
    ))
}

fn archive_missing() -> Unmet {
    item(
        "data-archived",
        "the app's data is archived under its retention label",
        "nothing is archived".to_owned(),
        "archive the app's data under the label of its charter",
    )
}

fn item(control: &str, requirement: &str, reason: String, remedy: &str) -> Unmet {
    Unmet {
        control: control.to_owned(),
        requirement: requirement.to_owned(),
        reason,
        remedy: remedy.to_owned(),
        policy: String::new(),
    }
}

impl ExitChecklist {
    /// The app.
    pub fn app(&self) -> &AppId {
        &self.app
    }

    /// Its credentials, each with its proof.
    pub fn credentials(&self) -> &[CredentialProof] {
        &self.credentials
    }

    /// Its archive.
    pub fn archive(&self) -> &ArchiveRecord {
        &self.archive
    }

    /// What was learned.
    pub fn lessons_learned(&self) -> &str {
        &self.lessons_learned
    }

    /// Who signed it.
    pub fn signed_by(&self) -> &Email {
        &self.signed_by
    }

    /// When it was completed.
    pub fn completed_at(&self) -> Timestamp {
        self.completed_at
    }
}
