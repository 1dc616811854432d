//! The trail: searching, opening, exporting, and receipts that verify offline.
//! Reading the trail is itself an event.

use burgess_core::audit::ActionType;
use burgess_core::policy::action::{ExportTrail, ReadEntries, ReadTrail};
use burgess_core::policy::facts::{NoContext, Organisation};
use burgess_trail::{Page, Query, Row};
use serde_json::{Value, json};

use super::{Caller, event, may, permit};
use crate::http::problem::Problem;
use crate::server::Server;

const WHOLE: Organisation = Organisation { revision: 0 };

/// Searches. Whoever may not read entries sees personal values closed.
pub async fn search(server: &Server, caller: &Caller, query: &Query) -> Result<Page, Problem> {
    let now = server.now()?;
    permit::<ReadTrail>(server, &caller.principal(), &WHOLE, &NoContext, now)?;
    let open = may_open(server, caller);
    let mut asked = query.clone();
    if !open {
        asked.actor = None;
        asked.text = None;
    }
    let mut page = server
        .trail
        .search(&asked)
        .await
        .map_err(|e| Problem::internal(&e))?;
    if !open {
        page.rows.iter_mut().for_each(close);
    }
    Ok(page)
}

/// Events of one app, for whoever may see that app (which the caller has asked); personal
/// values are closed unless they may be opened.
pub async fn of_app(server: &Server, caller: &Caller, query: &Query) -> Result<Page, Problem> {
    if query.app.is_none() {
        return Err(Problem::input(
            "which app? an app's events are asked for by its id",
        ));
    }
    let mut page = server
        .trail
        .search(query)
        .await
        .map_err(|e| Problem::internal(&e))?;
    if !may_open(server, caller) {
        page.rows.iter_mut().for_each(close);
    }
    Ok(page)
}

/// Whether somebody may see personal values.
pub fn may_open(server: &Server, caller: &Caller) -> bool {
    may::<ReadEntries>(
        server,
        &caller.principal(),
        &WHOLE,
        &NoContext,
        server.ambient.now(),
    )
}

/// Hides the personal values of a row.
pub fn close(row: &mut Row) {
    let closed = || burgess_gateway::journal::CLOSED.to_owned();
    row.event.actor_id = closed();
    row.event.resource_id = closed();
    row.event.ip_address = None;
    row.event.user_agent = None;
    row.event.request_context = None;
}

/// One event, by its id.
pub async fn one(server: &Server, caller: &Caller, id: &str) -> Result<Row, Problem> {
    let now = server.now()?;
    permit::<ReadTrail>(server, &caller.principal(), &WHOLE, &NoContext, now)?;
    let row = server
        .trail
        .by_id(id)
        .await
        .map_err(|e| Problem::internal(&e))?;
    let mut row = row.ok_or_else(|| Problem::not_found("event", id))?;
    if !may_open(server, caller) {
        close(&mut row);
    }
    Ok(row)
}

/// Everything that matches, for an export; the export is an event.
pub async fn export(server: &Server, caller: &Caller, query: &Query) -> Result<Vec<Row>, Problem> {
    let now = server.now()?;
    permit::<ExportTrail>(server, &caller.principal(), &WHOLE, &NoContext, now)?;
    let mut rows = Vec::new();
    let mut asked = query.clone();
    loop {
        let page = server
            .trail
            .search(&asked)
            .await
            .map_err(|e| Problem::internal(&e))?;
        rows.extend(page.rows);
        match page.next {
            Some(next) => asked.after = Some(next),
            None => break,
        }
    }
    let exported = event::about(&server.ambient, None, now)
        .map_err(|e| Problem::internal(&e))?
        .by(caller)
        .did(ActionType::Export, "trail", "trail")
        .context("events", rows.len());
    server.record(exported.done()).await?;
    Ok(rows)
}

/// The receipt of an event: its leaf, its proof, and the personal values that its reader may see.
pub async fn receipt(server: &Server, caller: &Caller, id: &str) -> Result<Value, Problem> {
    let row = one(server, caller, id).await?;
    let open = may_open(server, caller);
    server
        .ledger
        .publish()
        .await
        .map_err(|e| Problem::internal(&e))?;
    let leaf = server
        .ledger
        .entry(row.index)
        .map_err(|e| Problem::internal(&e))?;
    let proof = server
        .ledger
        .tlog_proof(row.index)
        .map_err(|e| Problem::internal(&e))?;
    let entry = server
        .journal
        .open(row.index)
        .await
        .map_err(|e| Problem::internal(&e))?;
    let opened = match &entry.opening {
        Some(opening) => {
            let partial = opening
                .partial(|_| open)
                .map_err(|e| Problem::internal(&e))?;
            Some(serde_json::to_value(partial).map_err(|e| Problem::internal(&e))?)
        }
        None => None,
    };
    use base64::Engine as _;
    let leaf = base64::engine::general_purpose::STANDARD.encode(&leaf);
    Ok(json!({ "schema": "burgess.receipt/1", "leaf": leaf, "proof": proof, "opened": opened }))
}

/// The line that verifies a receipt offline.
pub fn verify_line(server: &Server, id: &str) -> String {
    format!(
        "burgess-verify proof {id}.receipt.json --key '{}'",
        server.ledger.vkey()
    )
}
