//! Permits: the proof that policy allowed one action on one version of one resource.
//!
//! Nothing here decides. A permit comes out of `policy::decide` alone; whoever performs the
//! effect rechecks it against the resource as it is at that moment.

use std::fmt;
use std::marker::PhantomData;

use crate::digest::Digest;
use crate::policy::{Action, Allowed};
use crate::time::{Span, Timestamp};

/// How long a permit is good for: an operation decides and commits within one request, and a
/// request is cut off after 10 seconds; the rest is for a busy disk.
pub const PERMIT_LIFETIME: Span = Span::seconds(30);

/// Policy allowed `A`, once, by this principal, on this version of this resource.
///
/// There is no public constructor and no way to read one from bytes.
pub struct Permit<A: Action> {
    principal: String,
    resource: String,
    version: u64,
    policy: Digest,
    granted_at: Timestamp,
    expires_at: Timestamp,
    determining: Vec<String>,
    action: PhantomData<fn() -> A>,
}

/// What a permit says, for `policy::decide` alone to fill in.
pub(crate) struct Grant {
    pub(crate) principal: String,
    pub(crate) resource: String,
    pub(crate) version: u64,
    pub(crate) policy: Digest,
    pub(crate) determining: Vec<String>,
}

/// The permit does not cover the effect any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PermitError {
    /// It was given for something else.
    #[error("the permit is for `{permitted}`, not for `{actual}`: decide again for `{actual}`")]
    OtherResource {
        /// What it was given for.
        permitted: String,
        /// What it was shown for.
        actual: String,
    },
    /// Somebody changed the resource in between.
    #[error(
        "`{resource}` has changed since it was decided on (version {permitted}, now {actual}): load it and decide again"
    )]
    OtherVersion {
        /// The resource.
        resource: String,
        /// The version decided on.
        permitted: u64,
        /// The version now.
        actual: u64,
    },
    /// Another policy set is in force.
    #[error("another policy set came into force since `{0}` was decided on: decide again")]
    OtherPolicy(String),
    /// Too late.
    #[error("the permit expired at {0}: decide again")]
    Expired(Timestamp),
}

impl PermitError {
    /// The stable code of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::OtherResource { .. } => "PERMIT_OTHER_RESOURCE",
            Self::OtherVersion { .. } => "PERMIT_STALE_VERSION",
            Self::OtherPolicy(_) => "PERMIT_STALE_POLICY",
            Self::Expired(_) => "PERMIT_EXPIRED",
        }
    }
}

impl<A: Action> Permit<A> {
    pub(crate) fn grant(_: Allowed, grant: Grant, now: Timestamp) -> Self {
        Self {
            principal: grant.principal,
            resource: grant.resource,
            version: grant.version,
            policy: grant.policy,
            granted_at: now,
            expires_at: now.plus(PERMIT_LIFETIME),
            determining: grant.determining,
            action: PhantomData,
        }
    }

    /// Who may act: an e-mail address, a credential id, or the name of a job.
    pub fn principal(&self) -> &str {
        &self.principal
    }

    /// Name of the action, as in the policy files.
    pub const fn action(&self) -> &'static str {
        A::NAME
    }

    /// Id of the resource.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// Version (the record's revision) that was decided on.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Digest of the policy set that allowed it.
    pub const fn policy_digest(&self) -> Digest {
        self.policy
    }

    /// When it was given.
    pub const fn granted_at(&self) -> Timestamp {
        self.granted_at
    }

    /// From this moment on it is no good.
    pub const fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// Ids of the policies that allowed it, sorted.
    pub fn determining(&self) -> &[String] {
        &self.determining
    }

    /// Asks at the moment of the effect whether the permit still covers it: the same resource in
    /// the same version, under the same policy set, in time.
    pub fn recheck(
        &self,
        resource: &str,
        version: u64,
        policy_digest: Digest,
        now: Timestamp,
    ) -> Result<(), PermitError> {
        if resource != self.resource {
            return Err(PermitError::OtherResource {
                permitted: self.resource.clone(),
                actual: resource.chars().take(80).collect(),
            });
        }
        if version != self.version {
            return Err(PermitError::OtherVersion {
                resource: self.resource.clone(),
                permitted: self.version,
                actual: version,
            });
        }
        if policy_digest != self.policy {
            return Err(PermitError::OtherPolicy(self.resource.clone()));
        }
        if now >= self.expires_at {
            return Err(PermitError::Expired(self.expires_at));
        }
        Ok(())
    }
}

impl<A: Action> fmt::Debug for Permit<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("principal", &self.principal)
            .field("action", &A::NAME)
            .field("resource", &self.resource)
            .field("version", &self.version)
            .field("policy", &self.policy)
            .field("expires_at", &self.expires_at)
            .field("determining", &self.determining)
            .finish()
    }
}
