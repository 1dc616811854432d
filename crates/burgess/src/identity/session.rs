//! Sessions of people: from a one-time link to a cookie, and from a cookie to a caller.
//!
//! Links and cookies are 256 random bits; only their digests are stored.

use axum::http::{HeaderMap, header};
use burgess_core::digest::Digest;
use burgess_core::policy::facts::Person;
use burgess_core::roles::Role;
use burgess_core::time::Span;
use burgess_store::{Redeemed, SessionTerms};

use crate::http::problem::Problem;
use crate::operations::Caller;
use crate::server::Server;

/// The cookie's name.
pub const COOKIE: &str = "burgess_session";
/// How long a one-time link is good.
pub const LINK_LIFETIME: Span = Span::days(1);

/// The digest under which a secret is stored.
pub fn digest(secret: &str) -> Digest {
    Digest::of_parts(&[b"burgess.session/1\n", secret.as_bytes()])
}

/// How long sessions hold. The demo's clock jumps by months, so its sessions hold for years.
fn terms(server: &Server) -> SessionTerms {
    if server.config.demo {
        SessionTerms {
            idle: Span::days(3_650),
            absolute: Span::days(3_650),
        }
    } else {
        SessionTerms::default()
    }
}

/// Redeems a link; answers the session's secret.
pub async fn redeem(server: &Server, link: &str) -> Result<String, Problem> {
    let secret = server.ambient.secret().map_err(|e| Problem::internal(&e))?;
    let now = server.now()?;
    let redeemed = server
        .store
        .redeem_invite(digest(link), digest(&secret), terms(server), now)
        .await
        .map_err(|e| Problem::internal(&e))?;
    let why_not = match redeemed {
        Redeemed::Session(_) => return Ok(secret),
        Redeemed::Unknown => "this sign-in link is not known here: ask for a new one".to_owned(),
        Redeemed::Used(at) => {
            format!("this sign-in link was used at {at}; each works once: ask for a new one")
        }
        Redeemed::Expired(at) => format!("this sign-in link expired at {at}: ask for a new one"),
        Redeemed::Inactive(person) => {
            format!("the account `{person}` is not in use: ask the administrator")
        }
    };
    Err(Problem::new(
        axum::http::StatusCode::GONE,
        "SIGN_IN_LINK",
        why_not,
    ))
}

/// The session secret in the headers: the cookie, or a bearer session for programs.
pub fn secret_in(headers: &HeaderMap) -> Option<String> {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.strip_prefix("Bearer "))
        .map(str::to_owned);
    let cookie = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value.to_owned());
    bearer.or(cookie)
}

/// Who asks; none without a good session.
pub async fn caller(
    server: &Server,
    headers: &HeaderMap,
    address: Option<std::net::IpAddr>,
) -> Result<Option<Caller>, Problem> {
    let Some(secret) = secret_in(headers) else {
        return Ok(None);
    };
    let now = server.ambient.now();
    let key = digest(&secret);
    let Some(session) = server
        .store
        .session(key, now)
        .await
        .map_err(|e| Problem::internal(&e))?
    else {
        return Ok(None);
    };
    let Some(person) = server
        .store
        .person(&session.person)
        .await
        .map_err(|e| Problem::internal(&e))?
    else {
        return Ok(None);
    };
    server
        .store
        .touch_session(key, now)
        .await
        .map_err(|e| Problem::internal(&e))?;
    let person = person.record;
    let role = person
        .roles
        .iter()
        .next_back()
        .copied()
        .unwrap_or(Role::CitizenDeveloper);
    Ok(Some(Caller {
        name: person.name,
        role,
        person: Person {
            email: person.email,
            roles: person.roles,
            active: person.active,
        },
        ip_address: address.map(|a| a.to_string()),
        user_agent: headers
            .get(header::USER_AGENT)
            .and_then(|v| v.to_str().ok())
            .map(|v| v.chars().take(256).collect()),
    }))
}

/// The cookie that begins a session.
pub fn cookie(secret: &str) -> String {
    format!("{COOKIE}={secret}; Path=/; HttpOnly; SameSite=Lax")
}

/// The cookie that ends one.
pub fn no_cookie() -> String {
    format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0")
}
