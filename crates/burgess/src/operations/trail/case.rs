//! A case export (R202): events, their receipts and the checkpoint, as one file that
//! `burgess-verify pack` checks without this server.
//!
//! Written as a stream, so that its size does not matter. What the file is stands in
//! `docs/case-export.md`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::StatusCode;
use burgess_core::audit::Event;
use burgess_core::policy::action::ExportTrail;
use burgess_core::policy::facts::NoContext;
use burgess_core::time::Span;
use burgess_gateway::journal::CLOSED;
use burgess_trail::{Hit, Row};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Map, Value, json};

use super::{Asked, WHOLE, by_id, export, incident, ledger_of, may_open, read_back, receipt_of};
use crate::http::problem::Problem;
use crate::operations::{Caller, permit};
use crate::server::Server;

/// What `schema` says in every file.
const SCHEMA: &str = "burgess.case/1";
/// Characters of a reason at most: a paragraph.
const REASON_MAX: usize = 1_000;
/// Events of an incident's case at most: what one person can look through. More is a search.
const INCIDENT_MAX: usize = 10_000;

/// Everything that a search finds.
pub async fn of_search(
    server: &Arc<Server>,
    caller: &Caller,
    asked: &Asked,
    reason: &str,
) -> Result<impl Stream<Item = Result<String, Problem>> + use<>, Problem> {
    let now = server.now()?;
    permit::<ExportTrail>(server, &caller.principal(), &WHOLE, &NoContext, now)?;
    let reason = stated(reason)?;
    let id = case_id(server)?;
    let more = vec![
        ("case", id.clone().into()),
        ("reason", reason.clone().into()),
    ];
    let asked = export::begin(server, caller, asked, "case", more).await?;
    let open = may_open(server, caller);
    let query = asked.query(open.then_some(&server.blinder));
    let origins = server.trail.shards(&query).await;
    let origins = origins.map_err(|e| Problem::internal(&e))?;
    let origins = signed(server, &origins).await?;
    let head = head(server, caller, &id, &reason, in_words(&asked), origins)?;
    let rows = export::pages(server, asked, open)
        .map_ok(|page| stream::iter(page.rows.into_iter().map(Ok)))
        .try_flatten();
    Ok(file(server, head, rows, open))
}

/// One event and what happened around it.
pub async fn of_incident(
    server: &Arc<Server>,
    caller: &Caller,
    id: &str,
    around: Span,
    reason: &str,
) -> Result<impl Stream<Item = Result<String, Problem>> + use<>, Problem> {
    let now = server.now()?;
    permit::<ExportTrail>(server, &caller.principal(), &WHOLE, &NoContext, now)?;
    let reason = stated(reason)?;
    crate::jobs::project::project(server).await?;
    let open = may_open(server, caller);
    let row = by_id(server, id, open).await?;
    let hits = around_it(server, &row, open, around).await?;
    let case = case_id(server)?;
    let about = json!({ "event": id, "around_minutes": around.as_seconds() / 60 });
    export::record(
        server,
        caller,
        now,
        vec![
            ("format", "case".into()),
            ("case", case.clone().into()),
            ("reason", reason.clone().into()),
            ("query", about.clone()),
            ("query_digest", digest(&about).into()),
            ("events", hits.len().into()),
        ],
    )
    .await?;
    let mut origins: Vec<String> = hits.iter().map(|hit| hit.shard.clone()).collect();
    origins.dedup();
    let origins = signed(server, &origins).await?;
    let head = head(server, caller, &case, &reason, about, origins)?;
    let rows = stream::iter(hits).then({
        let server = Arc::clone(server);
        move |hit| {
            let server = Arc::clone(&server);
            async move {
                let rows = read_back(&server, vec![hit], open).await?;
                rows.into_iter()
                    .next()
                    .ok_or_else(|| Problem::not_found("event", "of this case"))
            }
        }
    });
    Ok(file(server, head, rows, open))
}

/// The event, its other half and its neighbours, each once, in the order of the ledger.
async fn around_it(
    server: &Server,
    row: &Row,
    open: bool,
    around: Span,
) -> Result<Vec<Hit>, Problem> {
    let mut hits: BTreeMap<(String, u64), Hit> = BTreeMap::new();
    for (_, asked) in incident::aspects(&row.event, open, around) {
        let mut query = asked.query(open.then_some(&server.blinder));
        query.limit = 0;
        loop {
            let page = server
                .trail
                .search(&query)
                .await
                .map_err(|e| Problem::internal(&e))?;
            let placed = page.hits.into_iter();
            hits.extend(placed.map(|hit| ((hit.shard.clone(), hit.index), hit)));
            if hits.len() > INCIDENT_MAX {
                return Err(Problem::input(format!(
                    "this incident has more than {INCIDENT_MAX} events around it: choose a shorter time around it, or export a search"
                )));
            }
            match page.next {
                None => break,
                next => query.after = next,
            }
        }
    }
    Ok(hits.into_values().collect())
}

/// The file itself.
fn file<R>(
    server: &Arc<Server>,
    head: String,
    rows: R,
    open: bool,
) -> impl Stream<Item = Result<String, Problem>> + use<R>
where
    R: Stream<Item = Result<Row, Problem>> + Send + 'static,
{
    let server = Arc::clone(server);
    let events = rows.enumerate().then(move |(number, row)| {
        let server = Arc::clone(&server);
        async move {
            let event = event(&server, row?, open).await?;
            let comma = if number == 0 { "" } else { "," };
            Ok(format!("{comma}\n{event}"))
        }
    });
    let once = |text: String| stream::once(async move { Ok(text) });
    once(head).chain(events).chain(once("\n]}\n".to_owned()))
}

/// The checkpoints of the logs that the case has events of, and of no others: whoever checks the case
/// needs a key for each of them, and a log without a word in it is none of theirs. They cover every
/// event of the case, for they are signed now.
async fn signed(server: &Server, origins: &[String]) -> Result<Value, Problem> {
    let mut checkpoints = Vec::with_capacity(origins.len());
    for origin in origins {
        let signed = ledger_of(server, origin)?.publish().await;
        let signed = signed.map_err(|e| Problem::internal(&e))?;
        checkpoints.push(json!({ "origin": origin, "checkpoint": signed.note }));
    }
    Ok(Value::Array(checkpoints))
}

/// Everything before the first event.
fn head(
    server: &Server,
    caller: &Caller,
    id: &str,
    reason: &str,
    query: Value,
    origins: Value,
) -> Result<String, Problem> {
    let case = json!({
        "id": id,
        "reason": reason,
        "made_at": server.now()?.to_string(),
        "made_by": caller.email().as_str(),
        "query": query,
    });
    Ok(format!(
        "{{\"schema\":\"{SCHEMA}\",\n\"case\":{case},\n\"origins\":{origins},\n\"events\":["
    ))
}

async fn event(server: &Server, mut row: Row, open: bool) -> Result<Value, Problem> {
    let ledger = ledger_of(server, &row.shard)?;
    let receipt = receipt_of(server, &ledger, row.index, open).await?;
    if receipt.get("opened").is_none() {
        // What cannot be proved is not shown: half of it may still be readable.
        close(&mut row.event);
    }
    let mut event = serde_json::to_value(row.recorded()).map_err(|e| Problem::internal(&e))?;
    if let Some(members) = event.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    Ok(json!({
        "origin": row.shard,
        "shard": row.shard,
        "index": row.index,
        "leaf_hash": row.leaf_hash,
        "sequence": row.sequence,
        "event": event,
        "receipt": receipt,
    }))
}

fn close(event: &mut Event) {
    event.actor_id = CLOSED.to_owned();
    event.resource_id = CLOSED.to_owned();
    event.ip_address = None;
    event.user_agent = None;
    event.request_context = None;
}

fn stated(reason: &str) -> Result<String, Problem> {
    let reason = reason.trim();
    let fits = !reason.is_empty() && reason.chars().count() <= REASON_MAX;
    if fits {
        Ok(reason.to_owned())
    } else {
        Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "REASON_REQUIRED",
            format!(
                "a case export needs a reason of at most {REASON_MAX} characters: say what it is for"
            ),
        ))
    }
}

fn case_id(server: &Server) -> Result<String, Problem> {
    let uuid = server.ambient.uuid().map_err(|e| Problem::internal(&e))?;
    Ok(format!("cas_{uuid:032x}"))
}

fn digest(about: &Value) -> String {
    use burgess_core::digest::Digest;
    Digest::of_parts(&[b"burgess.query/1\n", about.to_string().as_bytes()]).to_string()
}

/// The search in the asker's words: whoever holds the file may know them.
fn in_words(asked: &Asked) -> Value {
    let texts = [
        ("q", &asked.text),
        ("actor", &asked.actor),
        ("resource", &asked.resource),
        ("resource_type", &asked.resource_type),
        ("app", &asked.app),
        ("environment", &asked.environment),
        ("action", &asked.action),
        ("outcome", &asked.outcome),
        ("error_code", &asked.error_code),
        ("class", &asked.classification),
        ("approval", &asked.approval),
    ];
    let mut words: Map<String, Value> = texts
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?.into())))
        .collect();
    for (name, time) in [("from", asked.from), ("to", asked.to)] {
        if let Some(time) = time {
            words.insert(name.to_owned(), time.to_string().into());
        }
    }
    Value::Object(words)
}
