//! Rolling back: the version before goes live again, in one action.

use super::{Deployment, EndedWhy, live};
use crate::app::Environment;
use crate::id::{ApprovalId, DeploymentId, Email};
use crate::time::Timestamp;

/// There is nothing to roll back to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RollbackError {
    /// Nothing is live there.
    #[error("nothing is live in {0}: deploy a version first")]
    NothingLive(Environment),
    /// No other version was live there before.
    #[error("no other version was live in {0} before: quarantine the app if it must stop")]
    NoEarlier(Environment),
    /// The approval of the version before does not hold any more.
    #[error(
        "the approval `{0}` of the version before is not in force: quarantine the app if it must stop"
    )]
    NotInForce(ApprovalId),
}

/// The deployment that rolling back `environment` returns to: the last one that another
/// version replaced. A version that was itself rolled back is not returned to. Its approval
/// must still be in force, which `in_force` tells.
pub fn rollback_target(
    deployments: &[Deployment],
    environment: Environment,
    in_force: impl Fn(&ApprovalId) -> bool,
) -> Result<&Deployment, RollbackError> {
    let current = live(deployments, environment).ok_or(RollbackError::NothingLive(environment))?;
    let target = deployments
        .iter()
        .filter(|deployment| deployment.environment == environment)
        .filter(|deployment| {
            (deployment.charter_digest, deployment.artifact_digest)
                != (current.charter_digest, current.artifact_digest)
        })
        .filter(|deployment| {
            matches!(&deployment.ended, Some(ended) if ended.why == EndedWhy::Replaced)
        })
        .max_by_key(|deployment| deployment.live_since)
        .ok_or(RollbackError::NoEarlier(environment))?;
    if in_force(&target.approval) {
        Ok(target)
    } else {
        Err(RollbackError::NotInForce(target.approval.clone()))
    }
}

impl Deployment {
    /// The new deployment that brings this earlier one back.
    pub fn again(&self, id: DeploymentId, by: Email, now: Timestamp) -> Self {
        Self {
            id,
            by,
            live_since: now,
            ended: None,
            ..self.clone()
        }
    }
}
