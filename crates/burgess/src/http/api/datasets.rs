//! The dataset registry: what data there is, and how sensitive it is.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use burgess_core::intake::Dataset;
use serde_json::{Value, json};

use crate::http::problem::Problem;
use crate::http::{App, Signed};
use crate::operations::datasets;

pub(super) fn router() -> Router<App> {
    Router::new().route("/api/v1/datasets", get(list).post(register))
}

async fn list(State(server): State<App>, Signed(_): Signed) -> Result<Json<Value>, Problem> {
    let held = server
        .store
        .datasets()
        .await
        .map_err(|e| Problem::internal(&e))?;
    let items: Vec<Dataset> = held.into_iter().map(|it| it.record).collect();
    Ok(Json(json!({ "items": items, "next": null })))
}

async fn register(
    State(server): State<App>,
    Signed(caller): Signed,
    Json(dataset): Json<Dataset>,
) -> Result<StatusCode, Problem> {
    datasets::register(&server, &caller, dataset).await?;
    Ok(StatusCode::NO_CONTENT)
}
