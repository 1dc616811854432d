//! Whose call it is: the bearer credential (RFC 6750) of a request, checked against the keys, the
//! clock, the audience and what has been revoked.
//!
//! Parsing and claims are core's; the signature is checked here. Not here: what the caller may do.

use burgess_core::app::Environment;
use burgess_core::credential::{AccessClaims, CredentialError, JwtError, decode_access};
use burgess_core::id::{AppId, CredentialId};
use burgess_core::policy::facts::{Client, Principal};
use burgess_core::time::{Span, Timestamp};
use ed25519_dalek::{Signature, VerifyingKey};
use http::header::{AUTHORIZATION, HeaderMap};

use crate::ports::{Revocable, Revocations};
use crate::snapshot::Snapshot;

/// How far the issuer's clock may be ahead of ours: the house allows the wall clock 5 s.
const LEEWAY: Span = Span::seconds(5);

/// A caller whose credential was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// What the access token says.
    pub claims: AccessClaims,
}

/// The request shows no credential that opens anything here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unauthenticated {
    /// None at all.
    #[error(
        "the call shows no credential: send `Authorization: Bearer` and an access token from /oauth/token"
    )]
    Missing,
    /// More than one, or another scheme.
    #[error(
        "the call must show exactly one credential, as `Authorization: Bearer` and an access token"
    )]
    Scheme,
    /// Not an access token of ours.
    #[error(transparent)]
    Malformed(#[from] JwtError),
    /// Signed by a key that the issuer does not have.
    #[error("the credential is signed with a key that is not known here: get a new one")]
    UnknownKey,
    /// The signature does not fit.
    #[error("the signature of the credential does not fit: get a new one")]
    Signature,
    /// The claims do not open this door.
    #[error(transparent)]
    Claims(#[from] CredentialError),
    /// It was revoked.
    #[error("the credential is revoked: ask for a new one on the app's page")]
    Revoked,
}

impl Unauthenticated {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing => "CREDENTIAL_MISSING",
            Self::Scheme => "CREDENTIAL_SCHEME",
            Self::Malformed(error) => error.code(),
            Self::UnknownKey => "CREDENTIAL_UNKNOWN_KEY",
            Self::Signature => "CREDENTIAL_SIGNATURE",
            Self::Claims(error) => error.code(),
            Self::Revoked => "CREDENTIAL_REVOKED",
        }
    }
}

impl Caller {
    /// Checks the credential of a request for `connector`, whose id is the one audience (`aud`).
    ///
    /// # Errors
    /// [`Unauthenticated`]; the first thing that is wrong.
    pub fn authenticate(
        headers: &HeaderMap,
        connector: &str,
        snapshot: &Snapshot,
        revocations: &dyn Revocations,
        now: Timestamp,
    ) -> Result<Self, Unauthenticated> {
        let decoded = decode_access(bearer(headers)?)?;
        let key = snapshot
            .keys
            .get(&decoded.key_id)
            .ok_or(Unauthenticated::UnknownKey)?;
        verify(key, &decoded.signing_input, decoded.signature)?;
        let claims = decoded.claims;
        claims.check(now, connector, &snapshot.issuer, LEEWAY)?;
        let revoked = [
            Revocable::AccessToken(&claims.jti),
            Revocable::Credential(&claims.client_id),
            Revocable::App(&claims.burgess_app),
            Revocable::Approval(&claims.burgess_approval),
        ];
        if revoked.into_iter().any(|what| revocations.is_revoked(what)) {
            return Err(Unauthenticated::Revoked);
        }
        Ok(Self { claims })
    }

    /// The app that calls.
    pub const fn app(&self) -> &AppId {
        &self.claims.burgess_app
    }

    /// Where it runs.
    pub const fn environment(&self) -> Environment {
        self.claims.burgess_env
    }

    /// Its client credential.
    pub const fn credential(&self) -> &CredentialId {
        &self.claims.client_id
    }

    /// Who asks, for policy.
    pub fn principal(&self) -> Principal {
        Principal::Client(Client {
            credential: self.credential().clone(),
            app: self.app().clone(),
            environment: self.environment(),
            active: true,
        })
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, Unauthenticated> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let first = all.next().ok_or(Unauthenticated::Missing)?;
    if all.next().is_some() {
        return Err(Unauthenticated::Scheme);
    }
    let (scheme, rest) = first
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .ok_or(Unauthenticated::Scheme)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(rest.trim())
    } else {
        Err(Unauthenticated::Scheme)
    }
}

/// Strict verification (RFC 8032 §5.1.7 without cofactor tricks): weak keys are refused too.
fn verify(key: &VerifyingKey, signed: &[u8], signature: [u8; 64]) -> Result<(), Unauthenticated> {
    key.verify_strict(signed, &Signature::from_bytes(&signature))
        .map_err(|_| Unauthenticated::Signature)
}
