//! What anybody may fetch: health, metrics, schemas, the form, the rubric, the OpenAPI document.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use burgess_core::audit::EVENT_SCHEMA;
use burgess_core::intake::FORM;
use serde_json::{Value, json};

use super::{App, openapi};

/// Routes without a session.
pub fn router() -> Router<App> {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/api/openapi.json", get(openapi_document))
        .route("/api/schemas/event.json", get(event_schema))
        .route("/api/forms/intake", get(intake_form))
        .route("/api/rubric", get(rubric))
        .route("/forms/README.template.md", get(readme_template))
}

async fn healthz() -> &'static str {
    "ok\n"
}

async fn readyz(State(server): State<App>) -> Response {
    let policy = server.policies.load().is_loaded();
    let ledger = server.shards.last_error().is_none();
    let alarm = server.witnesses.alarm();
    let status = if policy && ledger {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        status,
        Json(json!({ "ledger_writable": ledger, "policy_loaded": policy, "witness_alarm": alarm })),
    )
        .into_response()
}

/// Prometheus text format 0.0.4; figures without any name of a person.
async fn metrics(State(server): State<App>) -> Response {
    let backlog = server
        .store
        .outbox_backlog()
        .await
        .map(|b| b.events)
        .unwrap_or_default();
    let text = format!(
        "# TYPE burgess_ledger_entries counter\nburgess_ledger_entries {}\n# TYPE burgess_ledger_writable gauge\nburgess_ledger_writable {}\n# TYPE burgess_outbox_pending gauge\nburgess_outbox_pending {backlog}\n# TYPE burgess_checkpoint_size gauge\nburgess_checkpoint_size {}\n{}",
        server.ledger().size(),
        u8::from(server.shards.last_error().is_none()),
        server.ledger().checkpoint().checkpoint.size,
        witness_figures(&server),
    );
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

/// How far behind the witnesses are; absent where there are none.
fn witness_figures(server: &App) -> String {
    if !server.witnesses.are_asked() {
        return String::new();
    }
    let standing = server.witnesses.standing(&server.ledger());
    let (size, by) = standing.map_or((0, 0), |(signed, standing)| {
        (signed.checkpoint.size, standing.by.len())
    });
    // Of the shard that is furthest behind, sealed ones too.
    let lags = server.shards.all().into_iter().map(|shard| {
        let witnessed = server.witnesses.standing(&shard.ledger);
        let size = witnessed.map_or(0, |(signed, _)| signed.checkpoint.size);
        let published = shard.ledger.checkpoint().checkpoint.size;
        published.saturating_sub(size)
    });
    let lag = lags.max().unwrap_or_default();
    format!(
        "# TYPE burgess_witnessed_size gauge\nburgess_witnessed_size {size}\n# TYPE burgess_witness_lag_entries gauge\nburgess_witness_lag_entries {}\n# TYPE burgess_witnessed_by gauge\nburgess_witnessed_by {by}\n# TYPE burgess_witness_alarm gauge\nburgess_witness_alarm {}\n",
        lag,
        u8::from(server.witnesses.alarm().is_some()),
    )
}

async fn openapi_document() -> Json<Value> {
    Json(openapi::document())
}

async fn event_schema() -> Response {
    (
        [(header::CONTENT_TYPE, "application/schema+json")],
        EVENT_SCHEMA,
    )
        .into_response()
}

async fn intake_form() -> Json<Value> {
    Json(json!({ "schema": "burgess.intake-form/1", "fields": FORM }))
}

async fn rubric(State(server): State<App>) -> Response {
    Json(json!({ "digest": server.rubric.digest().to_string(), "rubric": server.rubric }))
        .into_response()
}

async fn readme_template() -> Response {
    (
        [(header::CONTENT_TYPE, "text/markdown; charset=utf-8")],
        burgess_inspect::readme::TEMPLATE,
    )
        .into_response()
}
