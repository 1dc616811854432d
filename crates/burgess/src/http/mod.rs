//! The HTTP door: router, who asks, and what every answer carries. One file per resource.
//!
//! Handlers parse, call one operation, and render. No rule and no SQL.

pub mod api;
pub mod assets;
pub mod headers;
pub mod idempotency;
pub mod ledger;
pub mod oauth;
pub mod openapi;
pub mod problem;
pub mod public;
pub mod query;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRequestParts};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware;

use crate::identity::session;
use crate::operations::Caller;
use crate::server::Server;
use problem::Problem;

/// The state of every handler.
pub type App = Arc<Server>;

/// Largest request body: an export of 50 MB and the form around it.
const BODY_BYTES_MAX: usize = 52 * 1024 * 1024;

/// All routes of the console and the API.
pub fn router(server: App) -> Router {
    let listen = server.config.listen;
    Router::new()
        .merge(api::router(Arc::clone(&server)))
        .merge(oauth::router())
        .merge(ledger::router())
        .merge(public::router())
        .merge(crate::web::router(Arc::clone(&server)))
        .merge(assets::router())
        .fallback(missing)
        .layer(middleware::from_fn_with_state(listen, headers::same_origin))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&server),
            crate::web::problem_pages,
        ))
        .layer(middleware::from_fn(headers::harden))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(server)
}

async fn missing(uri: axum::http::Uri) -> Problem {
    Problem::not_found("page", uri.path())
}

/// Somebody with a good session.
#[derive(Clone, Debug)]
pub struct Signed(pub Caller);

impl FromRequestParts<App> for Signed {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, server: &App) -> Result<Self, Problem> {
        let address = peer(parts);
        session::caller(server, &parts.headers, address)
            .await?
            .map(Self)
            .ok_or_else(|| {
                Problem::new(
                    StatusCode::UNAUTHORIZED,
                    "SESSION_MISSING",
                    "sign in first: open your one-time link, or ask for one",
                )
            })
    }
}

/// The other end of the connection.
pub fn peer(parts: &Parts) -> Option<IpAddr> {
    parts
        .extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map(|info| info.0.ip())
}

/// The other end of the connection, for handlers without a session.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub Option<IpAddr>);

impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(peer(parts)))
    }
}
