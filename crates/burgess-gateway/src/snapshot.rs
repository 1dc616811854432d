//! The snapshot: everything that calls are decided on, in memory, exchanged as a whole.
//!
//! The binary builds one from the store after each change and at least every few seconds. One
//! that is older than [`SNAPSHOT_AGE_MAX`](crate::limits::SNAPSHOT_AGE_MAX) by the monotonic clock
//! decides nothing. Not here: secrets, and what has been revoked a moment ago (see `ports`).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use burgess_core::app::Environment;
use burgess_core::charter::Charter;
use burgess_core::connector::Kind;
use burgess_core::data::Classification;
use burgess_core::digest::Digest;
use burgess_core::id::{AppId, ApprovalId, CredentialId};
use burgess_core::policy::PolicySet;
use burgess_core::time::Timestamp;
use ed25519_dalek::VerifyingKey;
use http::HeaderName;
use http::uri::{Authority, Scheme, Uri};

/// All that calls are decided on, as of one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// When it was built, by the monotonic clock of [`Ambient`](crate::ports::Ambient).
    pub built_at: Duration,
    /// Who issues access tokens: the `iss` claim.
    pub issuer: String,
    /// Keys that access tokens may be signed with, by `kid`.
    pub keys: BTreeMap<String, VerifyingKey>,
    /// The policy set in force; without one everything is denied.
    pub policies: Arc<PolicySet>,
    /// Apps that have at least one deployment.
    pub apps: BTreeMap<AppId, AppSnapshot>,
    /// The connector catalogue, by id.
    pub connectors: BTreeMap<String, ConnectorSnapshot>,
}

/// One app.
#[derive(Clone, Debug)]
pub struct AppSnapshot {
    /// Highest classification of its data.
    pub classification: Classification,
    /// Score at the last assessment, 0 to 100.
    pub score: u32,
    /// Stopped by quarantine (or retired): nothing passes.
    pub quarantined: bool,
    /// What runs where.
    pub deployments: BTreeMap<Environment, Deployment>,
}

/// One version of an app, live in one environment.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// The version, as `1.2.0`.
    pub version: String,
    /// The approved charter that is enforced.
    pub charter: Arc<Charter>,
    /// Its digest.
    pub charter_digest: Digest,
    /// Digest of the deployed artifact.
    pub artifact_digest: Option<Digest>,
    /// The approval that it rests on.
    pub approval: Option<Approval>,
    /// Client credentials that were issued for exactly this deployment.
    pub credentials: BTreeSet<CredentialId>,
}

/// The approval of a deployed version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// Its id.
    pub id: ApprovalId,
    /// From this moment on it is no longer in force; `None` never.
    pub expires_at: Option<Timestamp>,
}

/// One connector of the catalogue.
#[derive(Clone, Debug)]
pub struct ConnectorSnapshot {
    /// The revision of its record.
    pub revision: u64,
    /// What people call it.
    pub title: String,
    /// What sort of system it is.
    pub kind: Kind,
    /// Hosts that belong to it per environment, `host`, `host:port` or `*.host`.
    pub hosts: BTreeMap<Environment, Vec<String>>,
    /// Where calls go per environment; an environment that is not there cannot be reached.
    pub base: BTreeMap<Environment, BaseUrl>,
    /// How its secret is presented.
    pub inject: Inject,
    /// The classes that it is cleared for.
    pub cleared: BTreeSet<Classification>,
    /// Scopes that the catalogue knows for it.
    pub scopes: BTreeSet<String>,
}

/// How the connector's secret is presented to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inject {
    /// It needs none.
    None,
    /// `Authorization: Bearer <secret>` (RFC 6750).
    Bearer,
    /// `Authorization: Basic <base64 of the secret>`; the secret is `name:password` (RFC 7617).
    Basic,
    /// A header of its own, as `X-Api-Key`.
    Header(HeaderName),
}

/// Where calls to a connector go: scheme, host and a path that everything is put under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    scheme: Scheme,
    authority: Authority,
    prefix: String,
}

/// The text is not a base address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    /// Not an absolute http or https address.
    #[error("`{0}` is not a base address: write it as https://api.example.com/v2")]
    Shape(String),
    /// Secrets would cross the network in the clear.
    #[error("`{0}` is not encrypted and not on this machine: use https")]
    Plain(String),
}

impl BaseUrl {
    /// Reads an address. `https` anywhere; `http` to the loopback alone, for what runs beside it.
    pub fn parse(text: &str) -> Result<Self, BaseUrlError> {
        let bad = || BaseUrlError::Shape(text.chars().take(200).collect());
        let uri: Uri = text.parse().map_err(|_| bad())?;
        let parts = uri.into_parts();
        let scheme = parts.scheme.ok_or_else(bad)?;
        let authority = parts.authority.ok_or_else(bad)?;
        let path = parts.path_and_query.ok_or_else(bad)?;
        let clean = path.query().is_none()
            && !authority.as_str().contains('@')
            && !authority.host().is_empty()
            && !text.contains('#')
            && path
                .path()
                .split('/')
                .all(|segment| segment != "." && segment != "..");
        if !clean || (scheme != Scheme::HTTP && scheme != Scheme::HTTPS) {
            return Err(bad());
        }
        if scheme == Scheme::HTTP && !is_loopback(authority.host()) {
            return Err(BaseUrlError::Plain(text.chars().take(200).collect()));
        }
        let prefix = path.path().trim_end_matches('/').to_owned();
        Ok(Self {
            scheme,
            authority,
            prefix,
        })
    }

    /// The host a charter or the catalogue would name, with its port if that is not the usual one.
    pub fn host(&self) -> &str {
        self.authority.as_str()
    }

    /// Scheme, host and prefix, without a slash at the end.
    pub fn as_text(&self) -> String {
        format!("{}://{}{}", self.scheme, self.authority, self.prefix)
    }

    /// The address of `path` (which begins with `/`) and `query` under this base.
    pub(crate) fn join(&self, path: &str, query: Option<&str>) -> Result<Uri, http::Error> {
        let target = match query {
            Some(query) => format!("{}{path}?{query}", self.prefix),
            None => format!("{}{path}", self.prefix),
        };
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(target)
            .build()
    }

    /// What stands below this base in `location`, as path and query; `None` when it leads elsewhere.
    pub(crate) fn below(&self, location: &str) -> Option<String> {
        let uri: Uri = location.parse().ok()?;
        let same = match (uri.scheme(), uri.authority()) {
            (None, None) => true,
            (Some(scheme), Some(authority)) => {
                *scheme == self.scheme && *authority == self.authority
            }
            _ => false,
        };
        let target = uri.path_and_query()?.as_str();
        let rest = target.strip_prefix(&self.prefix)?;
        (same && rest.starts_with('/')).then(|| rest.to_owned())
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl Deployment {
    /// Whether its approval is in force at `now`.
    pub fn is_approved(&self, now: Timestamp) -> bool {
        self.approval
            .as_ref()
            .is_some_and(|approval| approval.expires_at.is_none_or(|end| now < end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_alone() {
        for good in [
            "https://api.example.com",
            "http://127.0.0.1:9000",
            "http://[::1]:1/x",
            "http://localhost/",
        ] {
            assert!(BaseUrl::parse(good).is_ok(), "{good}");
        }
        assert!(matches!(
            BaseUrl::parse("http://api.example.com"),
            Err(BaseUrlError::Plain(_))
        ));
        for bad in [
            "",
            "api.example.com",
            "ftp://x.example",
            "https://a@b.example",
            "https://b.example/?q",
            "https://b.example/../x",
        ] {
            assert!(
                matches!(BaseUrl::parse(bad), Err(BaseUrlError::Shape(_))),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_location_below_the_base_is_told_from_one_elsewhere() {
        let base = BaseUrl::parse("https://api.example.com/v2/").unwrap();
        assert_eq!(
            base.join("/a", Some("b=1")).unwrap().to_string(),
            "https://api.example.com/v2/a?b=1"
        );
        assert_eq!(
            base.below("https://api.example.com/v2/a?b"),
            Some("/a?b".to_owned())
        );
        assert_eq!(base.below("/v2/a"), Some("/a".to_owned()));
        for elsewhere in [
            "https://evil.example/v2/a",
            "http://api.example.com/v2/a",
            "https://api.example.com/v20/a",
            "//evil.example/v2/a",
        ] {
            assert_eq!(base.below(elsewhere), None, "{elsewhere}");
        }
    }
}
