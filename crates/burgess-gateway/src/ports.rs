//! The ports: what the gateway needs from the binary, and nothing more.
//!
//! Each is as narrow as its use. The contract of each port is its doc comment. Not here: the
//! implementations; they belong to the binary, which holds the keys and the store.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use burgess_core::app::Environment;
use burgess_core::id::{AppId, ApprovalId, CredentialId};
use burgess_core::time::Timestamp;
use zeroize::Zeroizing;

use crate::sealing::{Alias, SubjectCipher};

/// The future that a port answers with.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A connector's secret, wiped from memory when dropped. It has no text form.
pub struct Secret(Zeroizing<Vec<u8>>);

/// A port could not do its part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// Nothing is stored under that name; somebody has to put it there.
    #[error("there is no {0}: add it first")]
    Missing(String),
    /// Whoever the event is about was erased; their key is never made again.
    #[error("its actor or resource was erased, and nothing is recorded about either any more")]
    Erased,
    /// It exists but cannot be had at the moment.
    #[error("{what} cannot be had: {cause}")]
    Unavailable {
        /// What was asked for.
        what: &'static str,
        /// Why, without any secret.
        cause: String,
    },
}

/// Which secret a call needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretWanted<'a> {
    /// The app that calls.
    pub app: &'a AppId,
    /// The connector's id.
    pub connector: &'a str,
    /// Where the app runs; a secret of one environment is never given for another.
    pub environment: Environment,
}

/// Secrets of connectors, fetched as late as possible: after the intent is durable, for one call.
///
/// Nothing is cached by the caller. A missing secret is [`PortError::Missing`]; the call is then
/// not made.
pub trait Secrets: Send + Sync {
    /// The secret for one connector in one environment.
    fn fetch<'a>(&'a self, wanted: SecretWanted<'a>) -> Answer<'a, Result<Secret, PortError>>;
}

/// What can be revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocable<'a> {
    /// A client credential, and with it every access token made of it.
    Credential(&'a CredentialId),
    /// One access token, by its `jti`.
    AccessToken(&'a str),
    /// Everything of one app: quarantine, retirement.
    App(&'a AppId),
    /// An approval.
    Approval(&'a ApprovalId),
}

/// What has been revoked. Monotone: what was revoked once stays so, until a newer snapshot no
/// longer knows the thing at all. A revocation is pushed here within a second of its commit,
/// without waiting for the next snapshot. Answers from memory, so it cannot fail.
pub trait Revocations: Send + Sync {
    /// Whether it is revoked.
    fn is_revoked(&self, what: Revocable<'_>) -> bool;
}

/// Keys per person (or record) for personal values, so that forgetting the key forgets the values,
/// in ledger, backup and archive alike.
///
/// The alias is a keyed digest: the same subject always has the same alias, nobody without the
/// vault's key can tell the subject from it. A subject's key has three states: never, active,
/// erased. Asking for it to seal makes it when there was never one, and it is durable before
/// `to_seal` answers; otherwise an opened value could never be read again. An erased key is never
/// made again. Ciphers may be kept in memory until the subject is erased, no longer.
pub trait Vault: Send + Sync {
    /// The alias of a subject.
    fn alias(&self, subject: &str) -> Alias;
    /// The ciphers of these subjects, in their order; [`PortError::Erased`] if one was erased.
    fn to_seal<'a>(
        &'a self,
        subjects: &'a [&'a str],
    ) -> Answer<'a, Result<Vec<Arc<SubjectCipher>>, PortError>>;
    /// The cipher of the subject of that alias; `None` once its key is erased.
    fn to_open<'a>(
        &'a self,
        alias: Alias,
    ) -> Answer<'a, Result<Option<Arc<SubjectCipher>>, PortError>>;
}

/// The machine cannot give what was asked; governed actions stop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AmbientError(pub String);

/// What the machine gives: time, randomness, ids. A handle; clones share the functions.
#[derive(Clone)]
pub struct Ambient {
    /// The time for an event, never before an earlier one; an error when the wall clock has
    /// fallen more than 5 s behind.
    pub now: Arc<dyn Fn() -> Result<Timestamp, AmbientError> + Send + Sync>,
    /// Time since the start; it never jumps.
    pub monotonic: Arc<dyn Fn() -> Duration + Send + Sync>,
    /// 32 random bytes.
    pub random: Arc<dyn Fn() -> Result<[u8; 32], AmbientError> + Send + Sync>,
    /// A UUID version 7.
    pub uuid: Arc<dyn Fn() -> Result<u128, AmbientError> + Send + Sync>,
}

impl fmt::Debug for Ambient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ambient")
    }
}

impl Secret {
    /// Takes the bytes of a secret.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, for the one header that they go into.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
