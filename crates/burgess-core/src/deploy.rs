//! Deployment: the promotion gate, what a deployment is, and how it is rolled back.
//!
//! Facts are gathered here and policies decide on them: a control that no `forbid`
//! names stops nothing, and a policy that fails stops everything. A [`Promotion`] can
//! be made by [`gate`] alone, so no effect can skip it.

mod gate;
mod rollback;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::app::{App, Environment};
use crate::approval::Approval;
use crate::charter::Charter;
use crate::connector::{Catalogue, Kind};
use crate::data::Classification;
use crate::digest::Digest;
use crate::evidence::{Controls, Evidence, Unmet};
use crate::id::{AppId, ApprovalId, ArtifactId, DeploymentId, Email};
use crate::intake::ArtifactRef;
use crate::time::{Span, Timestamp};

pub use gate::{gate, gate_facts};
pub use rollback::{RollbackError, rollback_target};

/// A promotion that is not carried out within this time is asked for again.
pub const PROMOTION_VALID_FOR: Span = Span::minutes(15);

/// What the gate looks at.
#[derive(Clone, Copy, Debug)]
pub struct GateInputs<'a> {
    /// The app.
    pub app: &'a App,
    /// The charter to go live.
    pub charter: &'a Charter,
    /// The artifact to go live; the sandbox opens without one.
    pub artifact: Option<&'a ArtifactRef>,
    /// The approval it goes by, if there is one.
    pub approval: Option<&'a Approval>,
    /// The charter that was approved; read back by the digest that the approval names.
    pub approved_charter: Option<&'a Charter>,
    /// What was seen of this version.
    pub evidence: &'a Evidence,
    /// Deployments of the app so far.
    pub deployments: &'a [Deployment],
    /// What this artifact has sent from the sandbox (R52, R53).
    pub telemetry: &'a Telemetry,
    /// The connector catalogue.
    pub catalogue: &'a Catalogue,
    /// Now.
    pub now: Timestamp,
}

/// What an artifact has sent from the sandbox; the default is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Telemetry {
    /// Digest of the artifact that was live while it was sent.
    pub artifact: Option<Digest>,
    /// When it last said that it is alive.
    pub heartbeat_at: Option<Timestamp>,
    /// When it last sent an event of its own.
    pub event_at: Option<Timestamp>,
}

/// Everything that the promotion policies decide on. All fields are always there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateFacts {
    /// The app.
    pub app: AppId,
    /// Where it is to go.
    pub target: Environment,
    /// Highest classification of its data; `none` when it names none.
    pub classification: Classification,
    /// Score at the approval, 0 to 100; 100 when there is no approval.
    pub score: u32,
    /// An approval is there, for this app, and nothing voided it.
    pub approved: bool,
    /// It has not expired.
    pub approval_unexpired: bool,
    /// The charter does not differ materially from the one approved.
    pub charter_as_approved: bool,
    /// The artifact is the one approved; also when the approval names none and the target is the sandbox.
    pub artifact_as_approved: bool,
    /// The approval opens the target.
    pub within_approval: bool,
    /// The charter names the target.
    pub environment_declared: bool,
    /// This artifact is live in the environment before the target.
    pub previous_live: bool,
    /// The app is quarantined, scheduled to retire or retired.
    pub stopped: bool,
    /// An artifact is there.
    pub artifact_present: bool,
    /// The sponsor said yes.
    pub sponsor_decided: bool,
    /// This artifact said from the sandbox that it is alive (R52).
    pub heartbeat_seen: bool,
    /// This artifact sent an event of its own from the sandbox (R53).
    pub event_seen: bool,
    /// Controls that are not met, by their ids, as `sbom` or `no-secrets`.
    pub unmet_controls: BTreeSet<String>,
}

/// What the connector policies decide on, for one declared connector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectorFacts {
    /// Id as declared.
    pub connector: String,
    /// The catalogue knows it.
    pub catalogued: bool,
    /// What it counts as: `internal`, `saas` or `external_api`.
    pub kind: Kind,
    /// Where the app is to go.
    pub environment: Environment,
    /// Highest classification that flows through it; when no flows are declared, the app's.
    pub classification: Classification,
    /// Every class that flows through it is one that it is cleared for.
    pub cleared: bool,
    /// It has a host in that environment.
    pub host_known: bool,
    /// Scopes asked for.
    pub scopes: BTreeSet<String>,
    /// Scopes asked for that the catalogue does not allow.
    pub excess_scopes: BTreeSet<String>,
    /// Methods asked for that the catalogue does not allow.
    pub excess_methods: BTreeSet<String>,
}

/// What one policy forbids. The policy set answers with these.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Denial {
    /// Id of the policy.
    pub policy: String,
    /// Control that it stands for, as `sbom` or `connector`.
    pub control: String,
    /// Why, in a sentence for people.
    pub reason: String,
    /// What would satisfy it.
    pub remedy: String,
}

/// One version of an app that is, or was, live in one environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// Its id.
    pub id: DeploymentId,
    /// The app.
    pub app: AppId,
    /// Where.
    pub environment: Environment,
    /// The version.
    pub version: String,
    /// Digest of the charter that is enforced.
    pub charter_digest: Digest,
    /// The artifact, if there is one.
    pub artifact: Option<ArtifactId>,
    /// Its normalised digest.
    pub artifact_digest: Option<Digest>,
    /// The approval it went live by.
    pub approval: ApprovalId,
    /// Who promoted it.
    pub by: Email,
    /// When it went live.
    pub live_since: Timestamp,
    /// When it stood down, and why.
    pub ended: Option<Ended>,
}

/// When a deployment stood down, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub why: EndedWhy,
}

/// Why a deployment stood down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedWhy {
    /// Another version took its place.
    Replaced,
    /// It was rolled back.
    RolledBack,
    /// The app was quarantined.
    Quarantined,
    /// The approval lapsed or expired.
    ApprovalLapsed,
    /// The app retired.
    Retired,
}

impl Deployment {
    /// Whether it is live.
    pub fn is_live(&self) -> bool {
        self.ended.is_none()
    }
}

/// The deployment that is live in `environment`, if any.
pub fn live(deployments: &[Deployment], environment: Environment) -> Option<&Deployment> {
    deployments
        .iter()
        .find(|deployment| deployment.environment == environment && deployment.is_live())
}

/// The highest environment in which something is live.
pub fn highest_live(deployments: &[Deployment]) -> Option<Environment> {
    deployments
        .iter()
        .filter(|deployment| deployment.is_live())
        .map(|deployment| deployment.environment)
        .max()
}

/// The gate is open: one version of one app may go live in one environment, until it expires.
/// Only [`gate`] makes one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Promotion {
    app: AppId,
    app_revision: u64,
    target: Environment,
    version: String,
    charter_digest: Digest,
    artifact: Option<ArtifactId>,
    artifact_digest: Option<Digest>,
    approval: ApprovalId,
    policy_digest: Digest,
    granted_at: Timestamp,
    expires_at: Timestamp,
}

/// A promotion no longer fits what it was given for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StalePromotion {
    /// Too much time has passed.
    #[error("the promotion has expired: ask for it again")]
    Expired,
    /// The app changed in between.
    #[error("the app changed since the promotion was granted: ask for it again")]
    AppChanged,
}

impl Promotion {
    /// The app.
    pub fn app(&self) -> &AppId {
        &self.app
    }

    /// Where it may go.
    pub fn target(&self) -> Environment {
        self.target
    }

    /// Digest of the charter that is enforced there.
    pub fn charter_digest(&self) -> Digest {
        self.charter_digest
    }

    /// The approval it goes by.
    pub fn approval(&self) -> &ApprovalId {
        &self.approval
    }

    /// Digest of the policy set that opened the gate.
    pub fn policy_digest(&self) -> Digest {
        self.policy_digest
    }

    /// When it expires.
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// Carries it out: the deployment that goes live, after checking again that the app
    /// (by its id and revision) is the one it was granted for and that it has not expired.
    pub fn deploy(
        self,
        id: DeploymentId,
        app: &App,
        by: Email,
        now: Timestamp,
    ) -> Result<Deployment, StalePromotion> {
        if now >= self.expires_at {
            return Err(StalePromotion::Expired);
        }
        if app.id != self.app || app.revision != self.app_revision {
            return Err(StalePromotion::AppChanged);
        }
        Ok(Deployment {
            id,
            app: self.app,
            environment: self.target,
            version: self.version,
            charter_digest: self.charter_digest,
            artifact: self.artifact,
            artifact_digest: self.artifact_digest,
            approval: self.approval,
            by,
            live_since: now,
            ended: None,
        })
    }
}

impl From<Denial> for Unmet {
    fn from(denial: Denial) -> Self {
        Self {
            requirement: denial.reason.clone(),
            control: denial.control,
            reason: denial.reason,
            remedy: denial.remedy,
            policy: denial.policy,
        }
    }
}

/// Ids of the unmet controls among `controls`.
fn unmet_ids(controls: &Controls) -> BTreeSet<String> {
    controls
        .unmet()
        .map(|control| control.id.as_str().to_owned())
        .collect()
}
