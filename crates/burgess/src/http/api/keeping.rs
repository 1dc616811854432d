//! What is kept: shards, retention policies, legal holds, erasures.

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::http::problem::Problem;
use crate::http::{App, Signed};
use crate::operations::erase::{self, Erased, Preview, Subject};
use crate::operations::hold::{self, Target};
use crate::operations::retention;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/api/v1/ledger/shards", get(shards))
        .route("/api/v1/ledger/retention-policy", get(policy))
        .route("/api/v1/holds", get(holds).post(place))
        .route("/api/v1/holds/{hold}/release", post(release))
        .route("/api/v1/erasures", get(erasures).post(erase_subject))
        .route("/api/v1/erasures/preview", post(preview))
}

async fn shards(State(server): State<App>, Signed(caller): Signed) -> Result<Json<Value>, Problem> {
    let items = retention::shards(&server, &caller).await?;
    Ok(Json(json!({ "items": items, "next": null })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct As {
    r#as: Option<String>,
}

async fn policy(
    State(server): State<App>,
    Signed(_): Signed,
    Query(wanted): Query<As>,
) -> Result<Response, Problem> {
    let policies = retention::policies(&server.config).map_err(|e| Problem::internal(&e))?;
    match wanted.r#as.as_deref() {
        None | Some("json") => Ok(Json(json!({ "items": policies, "next": null })).into_response()),
        Some("md") => {
            let kind = [(header::CONTENT_TYPE, "text/markdown; charset=utf-8")];
            Ok((kind, retention::markdown(&policies)?).into_response())
        }
        Some(other) => Err(Problem::input(format!(
            "`{other}` is not a form of it: choose json or md"
        ))),
    }
}

async fn holds(State(server): State<App>, Signed(caller): Signed) -> Result<Json<Value>, Problem> {
    let items = hold::list(&server, &caller).await?;
    Ok(Json(json!({ "items": items, "next": null })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Placing {
    kind: String,
    of: String,
    reason: String,
}

async fn place(
    State(server): State<App>,
    Signed(caller): Signed,
    Json(it): Json<Placing>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let target = Target::parse(&it.kind, &it.of)?;
    let id = hold::place(&server, &caller, &target, &it.reason).await?;
    Ok((StatusCode::CREATED, Json(json!({ "id": id }))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Because {
    reason: String,
}

async fn release(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
    Json(why): Json<Because>,
) -> Result<StatusCode, Problem> {
    hold::release(&server, &caller, &id, &why.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn erasures(
    State(server): State<App>,
    Signed(caller): Signed,
) -> Result<Json<Value>, Problem> {
    let items = erase::list(&server, &caller).await?;
    Ok(Json(json!({ "items": items, "next": null })))
}

/// In a body and not in an address: addresses are kept by many.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whom {
    subject: String,
}

async fn preview(
    State(server): State<App>,
    Signed(caller): Signed,
    Json(it): Json<Whom>,
) -> Result<Json<Preview>, Problem> {
    let subject = Subject::parse(&it.subject)?;
    erase::preview(&server, &caller, &subject).await.map(Json)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Erasing {
    subject: String,
    reason: String,
}

async fn erase_subject(
    State(server): State<App>,
    Signed(caller): Signed,
    Json(it): Json<Erasing>,
) -> Result<(StatusCode, Json<Erased>), Problem> {
    let subject = Subject::parse(&it.subject)?;
    let done = erase::erase(&server, &caller, &subject, &it.reason).await?;
    let status = match done {
        Erased::Asked => StatusCode::ACCEPTED,
        Erased::Erased { .. } => StatusCode::OK,
    };
    Ok((status, Json(done)))
}
