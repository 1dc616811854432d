//! Claims of an access token (RFC 9068) and the checks a resource server owes it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{ACCESS_LIFETIME_MAX, ClientCredential};
use crate::app::Environment;
use crate::id::{AppId, ApprovalId, CredentialId};
use crate::time::{Span, Timestamp};

/// What an access token says. Times are seconds since the Unix epoch (RFC 7519, section 2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessClaims {
    /// Who issued it: the organisation's own URL.
    pub iss: String,
    /// Who acts: the client credential's id, since no person is behind it.
    pub sub: String,
    /// For whom it is: exactly one audience.
    pub aud: String,
    /// The client credential.
    pub client_id: CredentialId,
    /// Scopes, separated by one space each (RFC 8693, section 4.2).
    pub scope: String,
    /// Issued at.
    pub iat: i64,
    /// Good until, exclusive.
    pub exp: i64,
    /// Its own id.
    pub jti: String,
    /// The app.
    pub burgess_app: AppId,
    /// The environment.
    pub burgess_env: Environment,
    /// The approval under which the version is deployed.
    pub burgess_approval: ApprovalId,
    /// The version.
    pub burgess_version: String,
}

/// The credential does not open anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// The client secret is wrong.
    #[error("the client id or its secret is wrong: check both, or issue a new credential")]
    WrongSecret,
    /// It was revoked.
    #[error("the credential `{0}` is revoked: ask for a new one on the app's page")]
    Revoked(CredentialId),
    /// Its time is up.
    #[error("the credential expired at {expired_at}: get a new one")]
    Expired {
        /// When.
        expired_at: Timestamp,
    },
    /// It is dated in the future.
    #[error("the credential is dated {issued_at}, which has not come yet: check the clocks")]
    NotYet {
        /// When it says it was issued.
        issued_at: Timestamp,
    },
    /// It lives longer than any may.
    #[error(
        "the credential lives for {0}, 15m at most: get it from the issuer named in the metadata"
    )]
    TooLong(Span),
    /// It was issued for another server.
    #[error(
        "the credential is for the audience `{found}`, not for `{wanted}`: ask for one for `{wanted}`"
    )]
    Audience {
        /// Whom it is for.
        found: String,
        /// Who looks at it.
        wanted: String,
    },
    /// Somebody else issued it.
    #[error(
        "the credential was issued by `{0}`, which is not trusted here: ask this organisation's issuer"
    )]
    Issuer(String),
    /// A scope that nobody granted.
    #[error(
        "the scope `{0}` is not granted by charter and policy: declare it in the charter and ask for approval"
    )]
    ExcessScope(String),
    /// A scope that the credential lacks.
    #[error("the scope `{0}` is not in the credential: ask for it when you get the credential")]
    MissingScope(String),
    /// Subject and client differ.
    #[error("the credential speaks for `{0}`, which is not its client: get a new one")]
    Subject(String),
}

impl CredentialError {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::WrongSecret => "CREDENTIAL_WRONG",
            Self::Revoked(_) => "CREDENTIAL_REVOKED",
            Self::Expired { .. } => "CREDENTIAL_EXPIRED",
            Self::NotYet { .. } => "CREDENTIAL_NOT_YET",
            Self::TooLong(_) => "CREDENTIAL_TOO_LONG",
            Self::Audience { .. } => "CREDENTIAL_AUDIENCE",
            Self::Issuer(_) => "CREDENTIAL_ISSUER",
            Self::ExcessScope(_) => "SCOPE_EXCESS",
            Self::MissingScope(_) => "SCOPE_MISSING",
            Self::Subject(_) => "CREDENTIAL_SUBJECT",
        }
    }
}

impl AccessClaims {
    /// Claims for `client` with `scopes`, good from `now` for `lifetime`, which is cut to
    /// [`ACCESS_LIFETIME_MAX`] and to the client credential's own end.
    pub fn issue(
        client: &ClientCredential,
        scopes: &BTreeSet<String>,
        issued: Issue<'_>,
        now: Timestamp,
    ) -> Self {
        let lifetime = issued.lifetime.min(ACCESS_LIFETIME_MAX);
        let until = now.plus(lifetime).min(client.expires_at);
        Self {
            iss: issued.issuer.to_owned(),
            sub: client.id.as_str().to_owned(),
            aud: issued.audience.to_owned(),
            client_id: client.id.clone(),
            scope: scopes
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(" "),
            iat: now.as_seconds(),
            exp: until.as_seconds(),
            jti: issued.jti.to_owned(),
            burgess_app: client.app.clone(),
            burgess_env: client.environment,
            burgess_approval: issued.approval.clone(),
            burgess_version: client.version.clone(),
        }
    }

    /// The scopes.
    pub fn scopes(&self) -> BTreeSet<String> {
        self.scope
            .split(' ')
            .filter(|s| !s.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// Whether these claims open the door of `audience` at `now`. `leeway` is for clocks that
    /// differ, and bends only the beginning: an expired token stays expired.
    pub fn check(
        &self,
        now: Timestamp,
        audience: &str,
        issuer: &str,
        leeway: Span,
    ) -> Result<(), CredentialError> {
        let cut = |text: &str| text.chars().take(80).collect::<String>();
        if self.iss != issuer {
            return Err(CredentialError::Issuer(cut(&self.iss)));
        }
        if self.aud != audience {
            return Err(CredentialError::Audience {
                found: cut(&self.aud),
                wanted: audience.to_owned(),
            });
        }
        if self.sub != self.client_id.as_str() {
            return Err(CredentialError::Subject(cut(&self.sub)));
        }
        let lifetime = Span::seconds(self.exp.saturating_sub(self.iat));
        if lifetime > ACCESS_LIFETIME_MAX {
            return Err(CredentialError::TooLong(lifetime));
        }
        let issued_at = Timestamp::from_seconds(self.iat);
        if issued_at > now.plus(leeway) {
            return Err(CredentialError::NotYet { issued_at });
        }
        let expired_at = Timestamp::from_seconds(self.exp);
        if now >= expired_at {
            return Err(CredentialError::Expired { expired_at });
        }
        Ok(())
    }

    /// Whether every scope of `required` is in the token.
    pub fn require<'a>(
        &self,
        required: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), CredentialError> {
        let mine = self.scopes();
        match required.into_iter().find(|scope| !mine.contains(*scope)) {
            Some(missing) => Err(CredentialError::MissingScope(
                missing.chars().take(80).collect(),
            )),
            None => Ok(()),
        }
    }
}

/// What the issuer adds to a client credential.
#[derive(Clone, Copy, Debug)]
pub struct Issue<'a> {
    /// The organisation's own URL.
    pub issuer: &'a str,
    /// The one audience.
    pub audience: &'a str,
    /// The token's own id.
    pub jti: &'a str,
    /// The approval in force.
    pub approval: &'a ApprovalId,
    /// How long it should live.
    pub lifetime: Span,
}
