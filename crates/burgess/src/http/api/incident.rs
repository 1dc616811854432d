//! One event with everything that explains it (R127), and the case file of it.
//!
//! The same as the page `/trail/{id}` shows, from the same operation: rights, closed values and the
//! record of the reading are its.

use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use burgess_core::credential::ClientCredential;
use burgess_core::time::{Span, Timestamp};
use serde_json::{Value, json};

use super::narrow::{Near, NearCase};
use super::{apps, events};
use crate::http::problem::Problem;
use crate::http::{App, Signed};
use crate::operations::Caller;
use crate::operations::trail::case;
use crate::operations::trail::incident::{self, Incident};
use crate::server::Server;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/api/v1/events/{id}/incident", get(read))
        .route("/api/v1/events/{id}/case", get(file))
}

async fn read(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
    Near(around): Near,
) -> Result<Json<Value>, Problem> {
    let found = incident::incident(&server, &caller, &id, around).await?;
    let now = server.ambient.now();
    Ok(Json(view(&server, &found, around, now)))
}

/// An incident, as the API shows it; what is not there is null.
fn view(server: &Server, found: &Incident, around: Span, now: Timestamp) -> Value {
    let neighbours: Vec<Value> = found
        .groups
        .iter()
        .map(|group| {
            let rows: Vec<Value> = group
                .rows
                .iter()
                .map(|row| events::view(server, row))
                .collect();
            json!({
                "aspect": group.aspect(), "title": group.title, "total": group.total, "items": rows,
            })
        })
        .collect();
    let event = &found.row.event;
    let alerts: Vec<Value> = found
        .alerts()
        .map(|it| {
            json!({
                "id": it.id, "kind": it.kind, "severity": it.severity, "message": it.message,
                "raised_at": it.raised_at,
            })
        })
        .collect();
    json!({
        "as_of": now,
        "event": events::view(server, &found.row),
        "personal_values": if found.open { "open" } else { "closed" },
        "app": found.dossier.as_ref().map(|it| apps::view(&it.app)),
        "approval": found.approval,
        "data": { "resource_type": event.resource_type, "resource_id": event.resource_id,
            "classification": event.data_classification },
        "credential": found.credential.as_ref().map(|it| credential(it, now)),
        "other_half": found.pair.as_ref().map(|row| events::view(server, row)),
        "around_minutes": around.as_seconds() / 60,
        "neighbours": neighbours,
        "alerts": alerts,
    })
}

/// Without anything of its secret.
fn credential(held: &ClientCredential, now: Timestamp) -> Value {
    json!({
        "id": held.id, "environment": held.environment, "version": held.version,
        "scopes": held.scopes, "state": held.state, "active": held.is_active(now),
        "created_at": held.created_at, "expires_at": held.expires_at,
    })
}

/// One event and what happened around it, as a case.
pub async fn case_file(
    server: &App,
    caller: &Caller,
    near: &NearCase,
    id: &str,
) -> Result<Response, Problem> {
    let text = case::of_incident(server, caller, id, near.around, &near.reason).await?;
    Ok(events::download("application/json", "case.json", text))
}

async fn file(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
    near: NearCase,
) -> Result<Response, Problem> {
    case_file(&server, &caller, &near, &id).await
}
