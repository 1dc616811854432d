//! `/api/v1/…`: the lifecycle for programs and the command line.

pub mod apps;
pub mod datasets;
pub mod events;
pub mod incident;
mod keeping;
pub mod narrow;
pub mod requests;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::routing::{get, post};
use axum::{Extension, Json, Router, middleware};
use burgess_core::app::App as Record;
use burgess_core::intake::Request;
use burgess_core::policy::action::{ReadApp, ReadInventory, ReadQueue};
use burgess_core::policy::facts::{NoContext, Organisation};
use serde::Deserialize;
use serde_json::{Value, json};

use super::idempotency::{self, HoldsSecret};
use super::problem::Problem;
use super::{App, Signed};
use crate::identity::session;
use crate::operations::{Caller, app_facts, may, permit};
use crate::server::Server;

/// All resources of the API.
pub fn router(server: App) -> Router<App> {
    Router::new()
        .route("/api/v1/me", get(me))
        .route("/api/v1/session", post(begin_session))
        .merge(apps::router())
        .merge(datasets::router())
        .merge(requests::router())
        .merge(events::router())
        .merge(incident::router())
        .merge(keeping::router())
        .layer(middleware::from_fn_with_state(server, idempotency::layer))
}

async fn me(Signed(caller): Signed) -> Json<Value> {
    Json(
        json!({ "email": caller.email(), "name": caller.name, "roles": caller.person.roles, "role": caller.role }),
    )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Link {
    link: String,
}

/// Redeems a one-time link for a session that a program keeps.
async fn begin_session(
    State(server): State<App>,
    Json(link): Json<Link>,
) -> Result<(Extension<HoldsSecret>, Json<Value>), Problem> {
    let secret = link.link.rsplit('/').next().unwrap_or_default();
    let session = session::redeem(&server, secret).await?;
    Ok((Extension(HoldsSecret), Json(json!({ "session": session }))))
}

/// Whether somebody may see this app.
pub fn may_see(server: &Server, caller: &Caller, app: &Record) -> bool {
    let now = server.ambient.now();
    may::<ReadApp>(
        server,
        &caller.principal(),
        &app_facts(app, false, false),
        &NoContext,
        now,
    )
}

/// Asks for the right to see this app; without it the app does not exist for the asker.
pub fn see(server: &Server, caller: &Caller, app: &Record) -> Result<(), Problem> {
    if may_see(server, caller, app) {
        Ok(())
    } else {
        Err(Problem::not_found("app", app.id.as_str()))
    }
}

/// Whether somebody may see this request: reviewers see all, others those of their apps.
pub fn may_see_request(server: &Server, caller: &Caller, request: &Request) -> bool {
    let now = server.ambient.now();
    let whole = Organisation { revision: 0 };
    let app = &request.charter.app;
    let own = request.submitted_by == *caller.email()
        || [&app.developer, &app.owner, &app.second_owner]
            .into_iter()
            .flatten()
            .any(|email| email == caller.email());
    own || may::<ReadQueue>(server, &caller.principal(), &whole, &NoContext, now)
}

/// Apps that somebody may see.
pub async fn visible_apps(
    server: &Server,
    caller: &Caller,
    filter: &burgess_store::AppFilter,
) -> Result<Vec<Record>, Problem> {
    let now = server.now()?;
    let all = server
        .store
        .apps(filter)
        .await
        .map_err(|e| Problem::internal(&e))?;
    let inventory = permit::<ReadInventory>(
        server,
        &caller.principal(),
        &Organisation { revision: 0 },
        &NoContext,
        now,
    )
    .is_ok();
    Ok(all
        .into_iter()
        .filter(|app| inventory || may_see(server, caller, app))
        .collect())
}

/// A strong entity tag of a revision (RFC 9110 §8.8.3).
pub fn etag(revision: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::try_from(format!("\"{revision}\"")) {
        headers.insert(header::ETAG, value);
    }
    headers
}

/// The revision in `If-Match`, if there is one.
pub fn if_match(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(text) = headers.get(header::IF_MATCH).and_then(|v| v.to_str().ok()) else {
        return Ok(None);
    };
    let number = text.trim().trim_matches('"').parse().ok();
    number.map(Some).ok_or_else(|| {
        Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "IF_MATCH",
            format!("`{text}` is not an entity tag of this resource: read it again"),
        )
    })
}
