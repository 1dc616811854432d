//! Events: handed in by apps, searched, opened and proved for people.

use axum::body::Bytes;
use axum::extract::{Path, Query as UrlQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use burgess_core::time::Timestamp;
use burgess_trail::{Query, Row};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::http::problem::Problem;
use crate::http::{App, Peer, Signed};
use crate::operations::telemetry::{self, Sender};
use crate::operations::trail;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/api/v1/events", get(search).post(submit))
        .route("/api/v1/events/{id}", get(read))
        .route("/api/v1/events/{id}/receipt", get(receipt))
        .route("/api/v1/heartbeat", post(heartbeat))
}

/// What a search is narrowed by; also the query of the trail page.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Narrow {
    /// Free text.
    pub q: Option<String>,
    /// App id.
    pub app: Option<String>,
    /// Actor.
    pub actor: Option<String>,
    /// Action type.
    pub action: Option<String>,
    /// Outcome.
    pub outcome: Option<String>,
    /// Classification.
    pub class: Option<String>,
    /// Approval id.
    pub approval: Option<String>,
    /// Resource id.
    pub resource: Option<String>,
    /// From this time on.
    pub from: Option<String>,
    /// Until this time.
    pub to: Option<String>,
    /// Cursor: the index below which to go on.
    pub after: Option<u64>,
    /// Rows at most.
    pub limit: Option<u32>,
    /// For exports: csv or jsonl.
    pub r#as: Option<String>,
}

impl Narrow {
    /// As the trail searches; dates without a time are taken as midnight.
    pub fn query(&self) -> Result<Query, Problem> {
        let text = |field: &Option<String>| {
            field
                .as_deref()
                .map(str::trim)
                .filter(|v| !v.is_empty())
                .map(str::to_owned)
        };
        let time = |field: &Option<String>| -> Result<Option<Timestamp>, Problem> {
            let Some(given) = text(field) else {
                return Ok(None);
            };
            let full = if given.contains('T') {
                given
            } else {
                format!("{given}T00:00:00Z")
            };
            Timestamp::parse(&full)
                .map(Some)
                .map_err(|e| Problem::input(e.to_string()))
        };
        Ok(Query {
            text: text(&self.q),
            app: text(&self.app),
            actor: text(&self.actor),
            action: text(&self.action),
            outcome: text(&self.outcome),
            classification: text(&self.class).map(|c| c.to_lowercase()),
            approval: text(&self.approval),
            resource: text(&self.resource),
            from: time(&self.from)?,
            to: time(&self.to)?,
            after: self.after,
            limit: self.limit.unwrap_or(50).clamp(1, 500),
            ..Query::default()
        })
    }
}

/// An event of the trail, as the API shows it.
pub fn view(row: &Row) -> Value {
    let mut event = serde_json::to_value(&row.event).unwrap_or(Value::Null);
    if let Some(object) = event.as_object_mut() {
        object.insert("sequence".to_owned(), json!(row.sequence));
    }
    json!({ "shard": row.shard, "index": row.index, "leaf_hash": row.leaf_hash, "event": event })
}

async fn search(
    State(server): State<App>,
    Signed(caller): Signed,
    UrlQuery(narrow): UrlQuery<Narrow>,
) -> Result<Response, Problem> {
    let query = narrow.query()?;
    match narrow.r#as.as_deref() {
        None | Some("") => {
            let page = trail::search(&server, &caller, &query).await?;
            let items: Vec<Value> = page.rows.iter().map(view).collect();
            Ok(Json(json!({ "items": items, "next": page.next })).into_response())
        }
        Some(format) => export(&server, &caller, &query, format).await,
    }
}

/// Everything that matches, as a file.
pub async fn export(
    server: &crate::server::Server,
    caller: &crate::operations::Caller,
    query: &Query,
    format: &str,
) -> Result<Response, Problem> {
    let rows = trail::export(server, caller, query).await?;
    let (kind, name, body) = match format {
        "csv" => (
            "text/csv; charset=utf-8",
            "trail.csv",
            burgess_trail::export::csv::write(&rows),
        ),
        "jsonl" => (
            "application/jsonl",
            "trail.jsonl",
            burgess_trail::export::jsonl::write(&rows).map_err(|e| Problem::internal(&e))?,
        ),
        other => {
            return Err(Problem::input(format!(
                "`{other}` is not an export format: choose csv or jsonl"
            )));
        }
    };
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    Ok((headers, body).into_response())
}

async fn read(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(view(&trail::one(&server, &caller, &id).await?)))
}

async fn receipt(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    receipt_file(&server, &caller, &id).await
}

/// The receipt as a download.
pub async fn receipt_file(
    server: &crate::server::Server,
    caller: &crate::operations::Caller,
    id: &str,
) -> Result<Response, Problem> {
    let receipt = trail::receipt(server, caller, id).await?;
    let name = format!(
        "attachment; filename=\"{}.receipt.json\"",
        id.chars()
            .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect::<String>()
    );
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((
        headers,
        serde_json::to_string_pretty(&receipt).map_err(|e| Problem::internal(&e))?,
    )
        .into_response())
}

/// Who sends: an app, by its access token for Burgess itself.
fn sender(server: &App, headers: &HeaderMap, peer: Peer) -> Result<Sender, Problem> {
    let claims = telemetry::sender(server, headers).inspect_err(|problem| {
        if let Some(address) = peer.0 {
            server.gateway.refused_client(address, problem.code);
        }
    })?;
    let user_agent = headers
        .get(header::USER_AGENT)
        .and_then(|v| v.to_str().ok())
        .map(|v| v.chars().take(256).collect());
    Ok(Sender {
        claims,
        ip_address: peer.0.map(|a| a.to_string()),
        user_agent,
    })
}

async fn submit(
    State(server): State<App>,
    peer: Peer,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let sender = sender(&server, &headers, peer)?;
    let accepted = telemetry::submit(&server, &sender, &body).await?;
    let items: Vec<Value> = accepted
        .iter()
        .map(|a| json!({ "event_id": a.event_id, "overruled": a.overruled }))
        .collect();
    Ok((StatusCode::CREATED, Json(json!({ "accepted": items }))))
}

async fn heartbeat(
    State(server): State<App>,
    peer: Peer,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let sender = sender(&server, &headers, peer)?;
    telemetry::heartbeat(&server, &sender).await?;
    Ok(StatusCode::NO_CONTENT)
}
