//! After a crash: calls whose intent is on record and whose outcome died with the process get
//! the outcome that is known of them, before the gateway opens.

use std::collections::BTreeSet;

use burgess_core::id::EventId;
use burgess_gateway::journal::{interrupted, outcome_id};
use burgess_ledger::Ledger;
use serde::Deserialize;

use crate::http::problem::Problem;
use crate::server::Server;

/// How far back an open intent can lie: far more entries than calls can be under way at once.
const TAIL: u64 = 65_536;

#[derive(Deserialize)]
struct Leaf {
    event_id: EventId,
}

/// Records the outcome of every call that a crash interrupted. An intent and its outcome may lie in
/// two shards, where one was sealed between them.
pub async fn close(server: &Server) -> Result<(), Problem> {
    let mut open: Vec<(Ledger, u64, EventId)> = Vec::new();
    let mut seen: BTreeSet<EventId> = BTreeSet::new();
    for shard in server.shards.all() {
        let first = shard.first_event();
        let ledger = shard.ledger;
        let size = ledger.size();
        let from = size.saturating_sub(TAIL).max(ledger.minimum_index());
        for index in from.max(first)..size {
            let bytes = ledger.entry(index).map_err(|e| Problem::internal(&e))?;
            let leaf: Leaf = serde_json::from_slice(&bytes).map_err(|e| Problem::internal(&e))?;
            if let Some(outcome) = outcome_id(&leaf.event_id) {
                open.push((ledger.clone(), index, outcome));
            }
            seen.insert(leaf.event_id);
        }
    }
    let now = server.now()?;
    for (ledger, index, _) in open
        .into_iter()
        .filter(|(_, _, outcome)| !seen.contains(outcome))
    {
        let intent = server
            .journal
            .open_in(&ledger, index)
            .await
            .map_err(|e| Problem::internal(&e))?;
        if let Some(event) = interrupted(&intent.event, now) {
            server.record_kept(event).await?;
        }
    }
    Ok(())
}
