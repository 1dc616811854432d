//! Events: handed in by apps, searched, followed, opened and proved for people.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query as UrlQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event as Sse, KeepAlive, Sse as EventStream};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use burgess_core::policy::action::ReadTrail;
use burgess_core::policy::facts::NoContext;
use burgess_core::time::{Span, Timestamp};
use burgess_trail::export::Format;
use burgess_trail::{Cursor, Order, Row};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::http::problem::Problem;
use crate::http::{App, Peer, Signed};
use crate::operations::telemetry::{self, Sender};
use crate::operations::trail::tail::{self, Seen};
use crate::operations::trail::{self, Asked, case, complete, incident};
use crate::operations::{Caller, permit};
use crate::server::Server;

/// The name of the case export beside the formats of single events.
const CASE: &str = "case";

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/api/v1/events", get(search).post(submit))
        .route("/api/v1/events/tail", get(tail))
        .route("/api/v1/events/{id}", get(read))
        .route("/api/v1/events/{id}/case", get(incident_case))
        .route("/api/v1/events/{id}/receipt", get(receipt))
        .route("/api/v1/trail/completeness", get(completeness))
        .route("/api/v1/heartbeat", post(heartbeat))
}

/// What a search is narrowed by; also the query of the trail page.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Narrow {
    /// Words.
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
    /// Kind of resource.
    pub resource_type: Option<String>,
    /// Environment, or `control`.
    pub environment: Option<String>,
    /// Stable code of why not.
    pub error_code: Option<String>,
    /// From this time on.
    pub from: Option<String>,
    /// Until this time.
    pub to: Option<String>,
    /// Cursor: where to go on, as `next` of a page says it.
    pub after: Option<String>,
    /// Rows at most.
    pub limit: Option<u32>,
    /// For exports: csv, jsonl or case.
    pub r#as: Option<String>,
    /// For case exports: why.
    pub reason: Option<String>,
    /// For an incident: how many minutes around the event are near.
    pub around: Option<i64>,
}

/// The longest time around an event that counts as near.
const AROUND_MAX: i64 = 7 * 24 * 60;

impl Narrow {
    /// How far around an event "near" reaches.
    pub fn around(&self) -> Result<Span, Problem> {
        match self.around {
            None => Ok(incident::AROUND),
            Some(minutes) if (1..=AROUND_MAX).contains(&minutes) => Ok(Span::minutes(minutes)),
            Some(minutes) => Err(Problem::input(format!(
                "`{minutes}` minutes are not a time around an event: choose 1 to {AROUND_MAX}"
            ))),
        }
    }

    /// As the trail is asked; dates without a time are taken as midnight.
    pub fn asked(&self) -> Result<Asked, Problem> {
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
        let after = match text(&self.after) {
            None => None,
            Some(given) => Some(Cursor::parse(&given).ok_or_else(|| {
                Problem::input(format!(
                    "`{given}` is not a cursor: give `next` of a page as it is"
                ))
            })?),
        };
        Ok(Asked {
            text: text(&self.q),
            app: text(&self.app),
            actor: text(&self.actor),
            action: text(&self.action),
            outcome: text(&self.outcome),
            classification: text(&self.class).map(|c| c.to_lowercase()),
            approval: text(&self.approval),
            resource: text(&self.resource),
            resource_type: text(&self.resource_type),
            environment: text(&self.environment),
            error_code: text(&self.error_code),
            from: time(&self.from)?,
            to: time(&self.to)?,
            after,
            until: None,
            limit: self.limit.unwrap_or(50).clamp(1, 500),
            order: Order::Newest,
        })
    }
}

/// An event of the trail, as the API shows it.
pub fn view(server: &Server, row: &Row) -> Value {
    let mut view = serde_json::to_value(row).unwrap_or(Value::Null);
    if let Some(object) = view.as_object_mut() {
        object.insert(
            "proof".to_owned(),
            trail::proof_state(server, row).as_str().into(),
        );
    }
    view
}

async fn search(
    State(server): State<App>,
    Signed(caller): Signed,
    UrlQuery(narrow): UrlQuery<Narrow>,
) -> Result<Response, Problem> {
    match narrow.r#as.as_deref() {
        None | Some("") => {
            let page = trail::search(&server, &caller, &narrow.asked()?).await?;
            let items: Vec<Value> = page.rows.iter().map(|row| view(&server, row)).collect();
            let next = page.next.map(|next| next.to_string());
            Ok(Json(json!({ "items": items, "next": next })).into_response())
        }
        Some(format) => export(&server, &caller, &narrow, format).await,
    }
}

/// Everything that matches, as a file that is written while it is read.
pub async fn export(
    server: &App,
    caller: &Caller,
    narrow: &Narrow,
    format: &str,
) -> Result<Response, Problem> {
    let asked = narrow.asked()?;
    if format == CASE {
        let reason = narrow.reason.as_deref().unwrap_or_default();
        let text = case::of_search(server, caller, &asked, reason).await?;
        return Ok(download("application/json", "case.json", text));
    }
    let Some(format) = Format::parse(format) else {
        let known: Vec<&str> = Format::ALL.iter().map(|it| it.as_str()).collect();
        return Err(Problem::input(format!(
            "`{format}` is not an export format: choose {} or {CASE}",
            known.join(", ")
        )));
    };
    let text = trail::export::export(server, caller, &asked, format).await?;
    let name = format!("trail.{}", format.as_str());
    Ok(download(format.media_type(), &name, text))
}

/// One event and what happened around it, as a case.
pub async fn export_incident(
    server: &App,
    caller: &Caller,
    narrow: &Narrow,
    id: &str,
) -> Result<Response, Problem> {
    let reason = narrow.reason.as_deref().unwrap_or_default();
    let text = case::of_incident(server, caller, id, narrow.around()?, reason).await?;
    Ok(download("application/json", "case.json", text))
}

async fn incident_case(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
    UrlQuery(narrow): UrlQuery<Narrow>,
) -> Result<Response, Problem> {
    export_incident(&server, &caller, &narrow, &id).await
}

/// What the reader of a stream has seen already: of a broken connection, or as asked for.
pub fn behind(narrow: &Narrow, headers: &HeaderMap) -> Result<Asked, Problem> {
    let last = headers.get("last-event-id").and_then(|v| v.to_str().ok());
    let narrow = Narrow {
        after: last.map(str::to_owned).or_else(|| narrow.after.clone()),
        ..narrow.clone()
    };
    narrow.asked()
}

/// A stream of events, each with its place as id.
pub fn stream<T: Serialize>(
    seen: impl Stream<Item = Seen> + Send + 'static,
    view: impl Fn(&Row) -> T + Send + 'static,
) -> Response {
    let events = seen.map(move |(cursor, row)| {
        let data = Sse::default().event("event").id(cursor.to_string());
        data.json_data(view(&row))
    });
    EventStream::new(events)
        .keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
        .into_response()
}

async fn tail(
    State(server): State<App>,
    Signed(caller): Signed,
    headers: HeaderMap,
    UrlQuery(narrow): UrlQuery<Narrow>,
) -> Result<Response, Problem> {
    let seen = tail::follow(&server, caller, behind(&narrow, &headers)?).await?;
    Ok(stream(seen, move |row| view(&server, row)))
}

async fn completeness(
    State(server): State<App>,
    Signed(caller): Signed,
) -> Result<Json<Value>, Problem> {
    let now = server.now()?;
    permit::<ReadTrail>(&server, &caller.principal(), &trail::WHOLE, &NoContext, now)?;
    let found = complete::complete(&server).await?;
    let apps: Vec<Value> = found
        .apps
        .iter()
        .map(|it| {
            json!({
                "app": it.told.app, "shard": it.told.shard, "complete": it.is_complete(),
                "events": it.told.events, "gapless": it.told.gapless,
                "open_intents": it.told.open_intents,
                "admitted": it.admitted, "leaves": it.leaves,
            })
        })
        .collect();
    Ok(Json(json!({
        "as_of": now.to_string(), "percent": found.percent(), "total": found.total(),
        "complete": found.complete(), "waiting": found.waiting, "apps": apps,
    })))
}

/// A file whose size is not known when its first byte leaves. A failure on the way breaks the
/// connection, so that half a file is never taken for a whole one.
fn download(
    media_type: &str,
    name: &str,
    text: impl Stream<Item = Result<String, Problem>> + Send + 'static,
) -> Response {
    let headers = [
        (header::CONTENT_TYPE, media_type.to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    let bytes = text.map_err(|problem| std::io::Error::other(problem.detail));
    (headers, Body::from_stream(bytes)).into_response()
}

async fn read(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let row = trail::one(&server, &caller, &id).await?;
    Ok(Json(view(&server, &row)))
}

async fn receipt(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    receipt_file(&server, &caller, &id).await
}

/// The receipt as a download.
pub async fn receipt_file(server: &Server, caller: &Caller, id: &str) -> Result<Response, Problem> {
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
