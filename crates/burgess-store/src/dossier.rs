//! The dossier: everything about one app, for its page, its archive and the checklist.

use burgess_core::app::App;
use burgess_core::approval::Approval;
use burgess_core::credential::ClientCredential;
use burgess_core::deploy::Deployment;
use burgess_core::id::AppId;
use burgess_core::intake::Request;
use burgess_core::review::Review;
use serde::Serialize;

use crate::alerts::Alert;
use crate::artifacts::{Artifact, EvidenceItem};
use crate::change::Versioned;
use crate::error::StoreError;
use crate::reminders::Reminder;
use crate::retirements::Retirement;
use crate::store::Store;

/// Everything about one app, each list the newest first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Dossier {
    /// The app.
    pub app: App,
    /// Its requests.
    pub requests: Vec<Request>,
    /// Its approvals.
    pub approvals: Vec<Versioned<Approval>>,
    /// What was uploaded.
    pub artifacts: Vec<Versioned<Artifact>>,
    /// What was seen on it, by kind.
    pub evidence: Vec<Versioned<EvidenceItem>>,
    /// Its deployments.
    pub deployments: Vec<Versioned<Deployment>>,
    /// Its client credentials; no secrets, only their digests.
    pub credentials: Vec<Versioned<ClientCredential>>,
    /// Its reviews.
    pub reviews: Vec<Versioned<Review>>,
    /// Reminders about it.
    pub reminders: Vec<Versioned<Reminder>>,
    /// Its retirement.
    pub retirement: Option<Versioned<Retirement>>,
    /// Alerts about it that are not closed.
    pub alerts: Vec<Versioned<Alert>>,
}

impl Store {
    /// Everything about that app. The parts are read one after another; what has to hold
    /// together is checked again by the commit.
    pub async fn dossier(&self, id: &AppId) -> Result<Option<Dossier>, StoreError> {
        let Some(app) = self.app(id).await? else {
            return Ok(None);
        };
        Ok(Some(Dossier {
            app,
            requests: self.requests_of(id).await?,
            approvals: self.approvals_of(id).await?,
            artifacts: self.artifacts_of(id).await?,
            evidence: self.evidence_of(id).await?,
            deployments: self.deployments_of(id).await?,
            credentials: self.credentials_of(id, None).await?,
            reviews: self.reviews_of(id).await?,
            reminders: self.reminders_of(id).await?,
            retirement: self.retirement(id).await?,
            alerts: self.open_alerts(Some(id)).await?,
        }))
    }
}
