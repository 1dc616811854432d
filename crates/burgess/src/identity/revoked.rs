//! What has been revoked since the last snapshot: the gateway asks here on every call.

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

use burgess_core::id::{AppId, ApprovalId, CredentialId};
use burgess_gateway::ports::{Revocable, Revocations};

/// Revoked credentials, apps and approvals, in memory. Filled at start and with every commit.
#[derive(Debug, Default)]
pub struct Revoked {
    sets: RwLock<Sets>,
}

#[derive(Debug, Default)]
struct Sets {
    credentials: BTreeSet<CredentialId>,
    apps: BTreeSet<AppId>,
    approvals: BTreeSet<ApprovalId>,
}

impl Revoked {
    /// From now on nothing of this credential passes.
    pub fn credential(&self, id: CredentialId) {
        self.sets
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .credentials
            .insert(id);
    }

    /// From now on nothing of this app passes, until it is [`Self::release`]d.
    pub fn app(&self, id: AppId) {
        self.sets
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .apps
            .insert(id);
    }

    /// The app may go on; what was revoked of its credentials stays so.
    pub fn release(&self, id: &AppId) {
        self.sets
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .apps
            .remove(id);
    }

    /// From now on nothing passes that rests on this approval.
    pub fn approval(&self, id: ApprovalId) {
        self.sets
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .approvals
            .insert(id);
    }
}

impl Revocations for Revoked {
    fn is_revoked(&self, what: Revocable<'_>) -> bool {
        let sets = self.sets.read().unwrap_or_else(PoisonError::into_inner);
        match what {
            Revocable::Credential(id) => sets.credentials.contains(id),
            Revocable::App(id) => sets.apps.contains(id),
            Revocable::Approval(id) => sets.approvals.contains(id),
            // Access tokens fall with their credential; none is revoked alone yet.
            Revocable::AccessToken(_) => false,
        }
    }
}
