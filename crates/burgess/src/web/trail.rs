//! The trail: search, the live tail, completeness, and downloads.
//!
//! One event with everything around it is in `incident`.

mod incident;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use burgess_core::audit::{ActionType, Outcome, Place};
use burgess_core::data::Classification;
use burgess_core::id::AppId;
use burgess_core::policy::action::{ExportTrail, ReadTrail};
use burgess_core::policy::facts::NoContext;
use burgess_trail::Row;
use serde::Serialize;

use super::frame::Frame;
use super::page;
use super::view;
use crate::http::api::events::{self, ProofForm};
use crate::http::api::narrow::Narrow;
use crate::http::problem::Problem;
use crate::http::{App, Signed};
use crate::operations::trail::{Asked, ProofState, WHOLE, complete, proof_state, tail};
use crate::operations::{Caller, may, permit, trail};
use crate::server::Server;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/trail", get(search))
        .route("/trail.csv", get(csv))
        .route("/trail.jsonl", get(jsonl))
        .route("/trail.case", get(case))
        .route("/trail/tail", get(follow))
        .route("/trail/completeness", get(completeness))
        .route("/trail/{id}/receipt", get(receipt))
        .merge(incident::router())
}

/// One event in a list.
#[derive(Serialize)]
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
    pub(super) proof: &'static str,
}

/// A state as a list shows it: some are digests, which would push everything else off the page.
fn short(state: &str) -> String {
    const CHARS_MAX: usize = 24;
    if state.chars().count() <= CHARS_MAX {
        return state.to_owned();
    }
    let kept: String = state.chars().take(CHARS_MAX / 2).collect();
    format!("{kept}…")
}

/// One event in a list, in words.
pub(super) fn event_row(server: &Server, row: &Row) -> EventRow {
    let event = &row.event;
    let state = match (&event.previous_state, &event.next_state) {
        (Some(from), Some(to)) if from != to => format!(": {} → {}", short(from), short(to)),
        (None, Some(to)) => format!(": {}", short(to)),
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
        proof: proof_words(proof_state(server, row)),
    }
}

/// How far a proof reaches, in a word.
const fn proof_words(state: ProofState) -> &'static str {
    match state {
        ProofState::Durable => "durable",
        ProofState::Signed => "signed",
        ProofState::Witnessed => "witnessed",
    }
}

struct OptionView {
    value: &'static str,
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
    complete: Percent,
    fields: Vec<FieldView>,
    more: Vec<FieldView>,
    more_used: bool,
    events: Vec<EventRow>,
    caption: String,
    may_export: bool,
    query: String,
    hidden: Vec<(&'static str, String)>,
    next: String,
    tail: String,
}

/// How many trails are complete, for a sentence.
struct Percent {
    percent: usize,
    complete: usize,
    total: usize,
}

/// What covers the trail as a whole.
fn proof_line(server: &Server) -> String {
    let ledger = server.ledger();
    let checkpoint = ledger.checkpoint();
    format!(
        "{} events are under the signed checkpoint of {}; {}.",
        checkpoint.checkpoint.size,
        ledger.origin(),
        server.witnesses.sentence(&ledger)
    )
}

fn text(
    name: &'static str,
    label: &'static str,
    kind: &'static str,
    value: &Option<String>,
) -> FieldView {
    FieldView {
        name,
        label,
        kind,
        value: value.clone().unwrap_or_default(),
        options: Vec::new(),
    }
}

fn choice(
    name: &'static str,
    label: &'static str,
    value: &Option<String>,
    all: impl Iterator<Item = &'static str>,
) -> FieldView {
    let options = all.map(|v| OptionView {
        value: v,
        chosen: value.as_deref() == Some(v),
    });
    FieldView {
        name,
        label,
        kind: "text",
        value: String::new(),
        options: options.collect(),
    }
}

/// What most searches need; about a person only for who may see persons.
fn fields(narrow: &Narrow, open: bool) -> Vec<FieldView> {
    let mut fields = vec![
        text("q", "Words", "search", &narrow.q),
        text("app", "App", "text", &narrow.app),
    ];
    if open {
        fields.push(text("actor", "Who", "text", &narrow.actor));
    }
    fields.extend([
        choice(
            "outcome",
            "Outcome",
            &narrow.outcome,
            Outcome::ALL.iter().map(|o| o.as_str()),
        ),
        choice(
            "class",
            "Class",
            &narrow.class,
            Classification::ALL.iter().map(|c| c.as_str()),
        ),
        text("from", "From", "date", &narrow.from),
        text("to", "Until", "date", &narrow.to),
    ]);
    fields
}

/// The rest, behind a summary.
fn more_fields(narrow: &Narrow, open: bool) -> Vec<FieldView> {
    let mut fields = vec![
        choice(
            "action",
            "Action",
            &narrow.action,
            ActionType::ALL.iter().map(|a| a.as_str()),
        ),
        choice(
            "environment",
            "Environment",
            &narrow.environment,
            Place::ALL.iter().map(|p| p.as_str()),
        ),
        text(
            "resource_type",
            "Kind of resource",
            "text",
            &narrow.resource_type,
        ),
    ];
    if open {
        fields.push(text("resource", "Resource", "text", &narrow.resource));
    }
    fields.extend([
        text("approval", "Approval", "text", &narrow.approval),
        text("error_code", "Error code", "text", &narrow.error_code),
    ]);
    fields
}

/// What a search is narrowed by, as pairs of a query.
fn pairs(narrow: &Narrow) -> Vec<(&'static str, String)> {
    let all = [
        ("q", &narrow.q),
        ("app", &narrow.app),
        ("actor", &narrow.actor),
        ("action", &narrow.action),
        ("outcome", &narrow.outcome),
        ("class", &narrow.class),
        ("approval", &narrow.approval),
        ("resource", &narrow.resource),
        ("resource_type", &narrow.resource_type),
        ("environment", &narrow.environment),
        ("error_code", &narrow.error_code),
        ("from", &narrow.from),
        ("to", &narrow.to),
    ];
    all.into_iter()
        .filter_map(|(name, value)| Some((name, value.clone().filter(|v| !v.is_empty())?)))
        .collect()
}

fn query_string(pairs: &[(&'static str, String)]) -> String {
    let mut out = form_urlencoded::Serializer::new(String::new());
    out.extend_pairs(pairs);
    out.finish()
}

/// A search as a link to its page.
pub(super) fn link(asked: &Asked) -> String {
    let texts = [
        ("app", &asked.app),
        ("actor", &asked.actor),
        ("resource", &asked.resource),
        ("resource_type", &asked.resource_type),
        ("approval", &asked.approval),
    ];
    let mut pairs: Vec<(&'static str, String)> = texts
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.clone()?)))
        .collect();
    for (name, time) in [("from", asked.from), ("to", asked.to)] {
        pairs.extend(time.map(|time| (name, time.to_string())));
    }
    format!("/trail?{}", query_string(&pairs))
}

/// Whether somebody may take the trail out.
pub(super) fn may_export(server: &Server, caller: &Caller) -> bool {
    let now = server.ambient.now();
    may::<ExportTrail>(server, &caller.principal(), &WHOLE, &NoContext, now)
}

async fn search(
    State(server): State<App>,
    Signed(caller): Signed,
    narrow: Narrow,
) -> Result<Response, Problem> {
    crate::jobs::project::project(&server).await?;
    let open = trail::may_open(&server, &caller);
    let newest = server
        .trail
        .newest()
        .await
        .map_err(|e| Problem::internal(&e))?;
    let found = trail::search(&server, &caller, &narrow.asked()?).await?;
    let complete = complete::complete(&server).await?;
    let closed = if open {
        ""
    } else {
        " Personal values are closed for your role; audit and compliance open them."
    };
    let pairs = pairs(&narrow);
    let query = query_string(&pairs);
    let more = more_fields(&narrow, open);
    // Older pages stand still: what is new does not belong on them.
    let tail = match (&narrow.after, newest) {
        (None, Some(newest)) => format!("/trail/tail?{query}&after={newest}"),
        (None, None) => format!("/trail/tail?{query}"),
        (Some(_), _) => String::new(),
    };
    page(&TrailPage {
        frame: Frame::of(&server, &caller, "/trail").await,
        proof_line: proof_line(&server),
        complete: Percent {
            percent: complete.percent(),
            complete: complete.complete(),
            total: complete.total(),
        },
        fields: fields(&narrow, open),
        more_used: more
            .iter()
            .any(|field| !field.value.is_empty() || field.options.iter().any(|it| it.chosen)),
        more,
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
        may_export: may_export(&server, &caller),
        query,
        hidden: pairs,
        next: found.next.map(|n| n.to_string()).unwrap_or_default(),
        tail,
    })
}

async fn csv(
    State(server): State<App>,
    Signed(caller): Signed,
    narrow: Narrow,
) -> Result<Response, Problem> {
    events::export(&server, &caller, &narrow, "csv").await
}

async fn jsonl(
    State(server): State<App>,
    Signed(caller): Signed,
    narrow: Narrow,
) -> Result<Response, Problem> {
    events::export(&server, &caller, &narrow, "jsonl").await
}

async fn case(
    State(server): State<App>,
    Signed(caller): Signed,
    narrow: Narrow,
) -> Result<Response, Problem> {
    events::export(&server, &caller, &narrow, "case").await
}

async fn receipt(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
    ProofForm(form): ProofForm,
) -> Result<Response, Problem> {
    events::proof_file(&server, &caller, &id, form).await
}

/// Each new event that the page's search would find, as the cells of its row.
async fn follow(
    State(server): State<App>,
    Signed(caller): Signed,
    headers: HeaderMap,
    narrow: Narrow,
) -> Result<Response, Problem> {
    let asked = events::behind(&narrow, &headers)?;
    let seen = tail::follow(&server, caller, asked).await?;
    Ok(events::stream(seen, move |row| event_row(&server, row)))
}

struct TrailRow {
    app: String,
    app_link: bool,
    shard: String,
    events: u64,
    gapless: bool,
    open_intents: u64,
    admitted: u64,
    leaves: u64,
    complete: bool,
}

#[derive(Template)]
#[template(path = "completeness.html")]
struct CompletenessPage {
    frame: Frame,
    as_of: String,
    complete: Percent,
    waiting: u64,
    apps: Vec<TrailRow>,
}

async fn completeness(
    State(server): State<App>,
    Signed(caller): Signed,
) -> Result<Response, Problem> {
    let now = server.now()?;
    permit::<ReadTrail>(&server, &caller.principal(), &WHOLE, &NoContext, now)?;
    let found = complete::complete(&server).await?;
    let mut apps: Vec<TrailRow> = found
        .apps
        .iter()
        .map(|it| TrailRow {
            app: it.told.app.clone(),
            app_link: it.told.app != AppId::ORGANISATION,
            shard: it.told.shard.clone(),
            events: it.told.events,
            gapless: it.told.gapless,
            open_intents: it.told.open_intents,
            admitted: it.admitted,
            leaves: it.leaves,
            complete: it.is_complete(),
        })
        .collect();
    apps.sort_by_key(|row| row.complete);
    page(&CompletenessPage {
        frame: Frame::of(&server, &caller, "/trail").await,
        as_of: view::time(now),
        complete: Percent {
            percent: found.percent(),
            complete: found.complete(),
            total: found.total(),
        },
        waiting: found.waiting,
        apps,
    })
}
