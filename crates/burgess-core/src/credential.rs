//! Credentials: what an app shows, and what it gets for it.
//!
//! OAuth 2.0 client credentials (RFC 6749, section 4.4) turn a client credential into a JWT
//! access token (RFC 9068) that lives for minutes, has one audience, and no more scopes than
//! charter, policy and request have in common. Not here: signing and checking of signatures (the
//! caller's key does that over the bytes given here), random bytes, and storage.

mod claims;
mod jwt;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use claims::{AccessClaims, CredentialError, Issue};
pub use jwt::{
    ACCESS_BYTES_MAX, DecodedAccess, JwtError, decode_access, decode_base64url, encode_base64url,
    signing_input,
};

use crate::app::Environment;
use crate::digest::Digest;
use crate::id::{AppId, CredentialId};
use crate::time::{Span, Timestamp};

/// How long an access token lives at most (R49).
pub const ACCESS_LIFETIME_MAX: Span = Span::minutes(15);

/// How long one lives where nothing else is configured.
pub const ACCESS_LIFETIME: Span = Span::minutes(10);

/// Whether a client credential can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CredentialState {
    /// It can.
    Active,
    /// It was ended, for good.
    Revoked,
}

impl CredentialState {
    /// The name in events and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Revoked => "revoked",
        }
    }

    /// Reads the name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Revoked]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// A client credential: one app, one environment, one deployed version. The secret itself is
/// shown once and never kept; a digest of a random secret of 256 bits needs no slow hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientCredential {
    /// Its id: the `client_id`.
    pub id: CredentialId,
    /// The app.
    pub app: AppId,
    /// The environment.
    pub environment: Environment,
    /// The version that it was issued for.
    pub version: String,
    /// The scopes that charter and policy granted when it was issued, as `salesforce/quotes:read`.
    pub scopes: BTreeSet<String>,
    /// SHA-256 of the secret.
    pub secret_digest: Digest,
    /// Whether it can be used.
    pub state: CredentialState,
    /// When it was made.
    pub created_at: Timestamp,
    /// From this moment on it is no good.
    pub expires_at: Timestamp,
}

impl ClientCredential {
    /// Digest of a secret, as kept.
    pub fn digest_secret(secret: &[u8]) -> Digest {
        Digest::of_parts(&[b"burgess.client-secret/1\n", secret])
    }

    /// Whether it can be used at `now`.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.state == CredentialState::Active && now < self.expires_at
    }

    /// Checks a shown secret. The comparison takes the same time whatever the secret is.
    pub fn check_secret(&self, secret: &[u8], now: Timestamp) -> Result<(), CredentialError> {
        let shown = Self::digest_secret(secret);
        let differ = shown
            .as_bytes()
            .iter()
            .zip(self.secret_digest.as_bytes())
            .fold(0u8, |sum, (a, b)| sum | (a ^ b));
        if differ != 0 {
            return Err(CredentialError::WrongSecret);
        }
        match self.state {
            CredentialState::Revoked => Err(CredentialError::Revoked(self.id.clone())),
            CredentialState::Active if now >= self.expires_at => Err(CredentialError::Expired {
                expired_at: self.expires_at,
            }),
            CredentialState::Active => Ok(()),
        }
    }
}

/// The scopes of a new access token: those that the request, the client credential and the
/// policy (with the charter in force) have in common. A request that asks for none asks for all;
/// one that asks for more than that is refused with the first excess scope.
pub fn narrow_scopes(
    requested: &BTreeSet<String>,
    client: &BTreeSet<String>,
    policy: &BTreeSet<String>,
) -> Result<BTreeSet<String>, CredentialError> {
    let granted: BTreeSet<String> = client.intersection(policy).cloned().collect();
    if requested.is_empty() {
        return Ok(granted);
    }
    match requested.difference(&granted).next() {
        Some(excess) => Err(CredentialError::ExcessScope(
            excess.chars().take(80).collect(),
        )),
        None => Ok(requested.clone()),
    }
}

#[cfg(test)]
mod tests;
