//! The trail: search, one event with its proof, downloads, and the live tail.

use std::convert::Infallible;
use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::sse::{Event as Sse, KeepAlive, Sse as Stream};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use burgess_core::audit::{ActionType, Outcome};
use burgess_core::data::Classification;
use burgess_core::id::AppId;
use burgess_core::policy::action::{ExportTrail, ReadTrail};
use burgess_core::policy::facts::{NoContext, Organisation};
use burgess_trail::Row;
use futures_util::stream;

use super::frame::Frame;
use super::page;
use super::view;
use crate::http::api::events::{self, Narrow};
use crate::http::problem::Problem;
use crate::http::{App, Signed};
use crate::operations::{may, permit, trail};
use crate::server::Server;

const WHOLE: Organisation = Organisation { revision: 0 };

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/trail", get(search))
        .route("/trail.csv", get(csv))
        .route("/trail.jsonl", get(jsonl))
        .route("/trail/tail", get(tail))
        .route("/trail/{id}", get(one))
        .route("/trail/{id}/receipt", get(receipt))
}

/// One event in a list.
pub(super) struct EventRow {
    pub(super) id: String,
    pub(super) index: u64,
    pub(super) time: String,
    pub(super) actor: String,
    pub(super) role: String,
    pub(super) did: String,
    pub(super) app: String,
    pub(super) app_link: bool,
    pub(super) environment: &'static str,
    pub(super) class: &'static str,
    pub(super) outcome: &'static str,
    pub(super) tone: &'static str,
    pub(super) code: String,
}

/// One event in a list, in words.
pub(super) fn event_row(_server: &Server, row: &Row) -> EventRow {
    let event = &row.event;
    let state = match (&event.previous_state, &event.next_state) {
        (Some(from), Some(to)) if from != to => format!(": {from} → {to}"),
        (None, Some(to)) => format!(": {to}"),
        _ => String::new(),
    };
    EventRow {
        id: event.event_id.to_string(),
        index: row.index,
        time: view::time(event.timestamp),
        actor: event.actor_id.clone(),
        role: event.actor_role.replace('_', " "),
        did: format!(
            "{} {}{state}",
            event.action_type.as_str(),
            event.resource_type.replace('_', " ")
        ),
        app: event.app_id.to_string(),
        app_link: event.app_id != AppId::organisation(),
        environment: event.environment.as_str(),
        class: event.data_classification.as_str(),
        outcome: event.outcome.as_str(),
        tone: match event.outcome {
            Outcome::Success => "good",
            Outcome::Failure => "warn",
            Outcome::Blocked => "bad",
        },
        code: event.error_code.clone().unwrap_or_default(),
    }
}

struct OptionView {
    value: &'static str,
    label: &'static str,
    chosen: bool,
}

struct FieldView {
    name: &'static str,
    label: &'static str,
    kind: &'static str,
    value: String,
    options: Vec<OptionView>,
}

#[derive(Template)]
#[template(path = "trail.html")]
struct TrailPage {
    frame: Frame,
    proof_line: String,
    fields: Vec<FieldView>,
    events: Vec<EventRow>,
    caption: String,
    may_export: bool,
    query: String,
    next: String,
}

fn proof_line(server: &Server) -> String {
    let checkpoint = server.ledger.checkpoint();
    format!(
        "{} events are under the signed checkpoint of {}; {}.",
        checkpoint.checkpoint.size,
        server.ledger.origin(),
        server.witnesses.sentence(&server.ledger)
    )
}

fn fields(narrow: &Narrow) -> Vec<FieldView> {
    let text = |name, label, kind, value: &Option<String>| FieldView {
        name,
        label,
        kind,
        value: value.clone().unwrap_or_default(),
        options: Vec::new(),
    };
    let choice = |name, label, value: &Option<String>, all: Vec<&'static str>| FieldView {
        name,
        label,
        kind: "text",
        value: String::new(),
        options: all
            .into_iter()
            .map(|v| OptionView {
                value: v,
                label: v,
                chosen: value.as_deref() == Some(v),
            })
            .collect(),
    };
    vec![
        text("q", "Words", "search", &narrow.q),
        text("app", "App", "text", &narrow.app),
        text("actor", "Who", "text", &narrow.actor),
        choice(
            "action",
            "Action",
            &narrow.action,
            ActionType::ALL.iter().map(|a| a.as_str()).collect(),
        ),
        choice(
            "outcome",
            "Outcome",
            &narrow.outcome,
            Outcome::ALL.iter().map(|o| o.as_str()).collect(),
        ),
        choice(
            "class",
            "Class",
            &narrow.class,
            Classification::ALL.iter().map(|c| c.as_str()).collect(),
        ),
        text("from", "From", "date", &narrow.from),
        text("to", "Until", "date", &narrow.to),
    ]
}

fn query_string(narrow: &Narrow) -> String {
    let mut out = form_urlencoded::Serializer::new(String::new());
    let all = [
        ("q", &narrow.q),
        ("app", &narrow.app),
        ("actor", &narrow.actor),
        ("action", &narrow.action),
        ("outcome", &narrow.outcome),
        ("class", &narrow.class),
        ("approval", &narrow.approval),
        ("resource", &narrow.resource),
        ("from", &narrow.from),
        ("to", &narrow.to),
    ];
    for (name, value) in all {
        if let Some(value) = value.as_deref().filter(|v| !v.is_empty()) {
            out.append_pair(name, value);
        }
    }
    out.finish()
}

async fn search(
    State(server): State<App>,
    Signed(caller): Signed,
    Query(narrow): Query<Narrow>,
) -> Result<Response, Problem> {
    crate::jobs::project::project(&server).await?;
    let found = trail::search(&server, &caller, &narrow.asked()?).await?;
    let closed = if trail::may_open(&server, &caller) {
        ""
    } else {
        " Personal values are closed for your role."
    };
    page(&TrailPage {
        frame: Frame::of(&server, &caller, "/trail").await,
        proof_line: proof_line(&server),
        fields: fields(&narrow),
        caption: format!(
            "{} event{}, the newest first.{closed}",
            found.rows.len(),
            if found.rows.len() == 1 { "" } else { "s" }
        ),
        events: found
            .rows
            .iter()
            .map(|row| event_row(&server, row))
            .collect(),
        may_export: may::<ExportTrail>(
            &server,
            &caller.principal(),
            &WHOLE,
            &NoContext,
            server.ambient.now(),
        ),
        query: query_string(&narrow),
        next: found.next.map(|n| n.to_string()).unwrap_or_default(),
    })
}

async fn csv(
    State(server): State<App>,
    Signed(caller): Signed,
    Query(narrow): Query<Narrow>,
) -> Result<Response, Problem> {
    events::export(&server, &caller, &narrow, "csv").await
}

async fn jsonl(
    State(server): State<App>,
    Signed(caller): Signed,
    Query(narrow): Query<Narrow>,
) -> Result<Response, Problem> {
    events::export(&server, &caller, &narrow, "jsonl").await
}

#[derive(Template)]
#[template(path = "event.html")]
struct EventPage {
    frame: Frame,
    id: String,
    headline: String,
    tone: &'static str,
    outcome: &'static str,
    time: String,
    facts: Vec<(&'static str, String)>,
    neighbours: Vec<EventRow>,
    proof_line: String,
    verify: String,
    vkey: String,
}

async fn one(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    crate::jobs::project::project(&server).await?;
    let row = trail::one(&server, &caller, &id).await?;
    let line = event_row(&server, &row);
    let around = trail::Asked {
        app: Some(row.event.app_id.to_string()),
        limit: 11,
        ..trail::Asked::default()
    };
    let neighbours = trail::look(&server, &caller, &around).await?.rows;
    let neighbours = neighbours
        .iter()
        .filter(|n| n.index != row.index)
        .map(|n| event_row(&server, n))
        .collect();
    let covered = server.ledger.checkpoint().checkpoint.size > row.index;
    page(&EventPage {
        frame: Frame::of(&server, &caller, "/trail").await,
        headline: format!("{} by {}", line.did, line.actor),
        tone: line.tone,
        outcome: line.outcome,
        time: row.event.timestamp.to_string(),
        facts: facts(&row),
        neighbours,
        proof_line: format!(
            "Leaf {} of {}, {}; {}.",
            row.index,
            row.shard,
            if covered {
                "under the signed checkpoint"
            } else {
                "durable, and under the next checkpoint in a moment"
            },
            server.witnesses.sentence(&server.ledger)
        ),
        verify: trail::verify_line(&server, &id),
        vkey: server.ledger.vkey().to_owned(),
        id,
    })
}

fn facts(row: &Row) -> Vec<(&'static str, String)> {
    let event = &row.event;
    let opt = |value: &Option<String>| value.clone().unwrap_or_else(|| "–".to_owned());
    vec![
        ("Event", event.event_id.to_string()),
        (
            "Actor",
            format!("{} ({})", event.actor_id, event.actor_role),
        ),
        ("App", format!("{} {}", event.app_id, event.version)),
        ("Environment", event.environment.as_str().to_owned()),
        (
            "Resource",
            format!("{} {}", event.resource_type, event.resource_id),
        ),
        ("Class", event.data_classification.to_string()),
        ("Error code", opt(&event.error_code)),
        (
            "State",
            format!(
                "{} → {}",
                opt(&event.previous_state),
                opt(&event.next_state)
            ),
        ),
        ("Risk score then", event.risk_score_at_time.to_string()),
        (
            "Approval",
            event
                .approval_id
                .as_ref()
                .map_or_else(|| "–".to_owned(), ToString::to_string),
        ),
        (
            "Decision",
            event.decision.as_ref().map_or_else(
                || "–".to_owned(),
                |d| format!("{}: {}", d.answer, d.policies.join(", ")),
            ),
        ),
        (
            "Policy digest",
            event
                .policy_digest
                .map_or_else(|| "–".to_owned(), |d| d.to_string()),
        ),
        (
            "Charter digest",
            event
                .charter_digest
                .map_or_else(|| "–".to_owned(), |d| d.to_string()),
        ),
        ("Address", opt(&event.ip_address)),
        ("Program", opt(&event.user_agent)),
        (
            "Circumstances",
            event.request_context.as_ref().map_or_else(
                || "–".to_owned(),
                |c| serde_json::to_string(c).unwrap_or_default(),
            ),
        ),
        ("Sequence", format!("{} in this app's stream", row.sequence)),
        ("Leaf hash", row.leaf_hash.to_string()),
    ]
}

async fn receipt(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    events::receipt_file(&server, &caller, &id).await
}

/// Tells an open page that there is something new; the page then asks for it with its own rights.
async fn tail(State(server): State<App>, Signed(caller): Signed) -> Result<Response, Problem> {
    let now = server.now()?;
    permit::<ReadTrail>(&server, &caller.principal(), &WHOLE, &NoContext, now)?;
    let events = stream::unfold(server, |server| async move {
        server.projected.notified().await;
        let size = server.ledger.size();
        Some((
            Ok::<_, Infallible>(
                Sse::default()
                    .event("event")
                    .id(size.to_string())
                    .data(size.to_string()),
            ),
            server,
        ))
    });
    Ok(Stream::new(events)
        .keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
        .into_response())
}
