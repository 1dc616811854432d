//! After a restore: a database that is older than the ledger learns from it what it must not have
//! forgotten, before anything is served.
//!
//! The ledger holds every event of the control plane. Erasures among those that the database does
//! not know are carried out again, and its numbers go on after the ledger's: a number that was given
//! once would be taken for a repetition, and its event would be lost.

use burgess_core::digest::Digest;
use burgess_core::time::Timestamp;
use burgess_ledger::Shard;
use burgess_ledger::shards::MAIN;
use burgess_store::Erasure;
use serde::Deserialize;

use crate::http::problem::Problem;
use crate::operations::event::CONTROL;
use crate::server::Server;

/// Entries read at a time.
const STEP: u64 = 4_096;

/// The open fields that an erasure is told by.
#[derive(Deserialize)]
struct Leaf {
    source: String,
    source_seq: u64,
    resource_type: String,
    next_state: Option<String>,
    timestamp: Timestamp,
}

/// Lets the database catch up with the ledger, where the ledger is ahead.
pub async fn catch_up(server: &Server) -> Result<(), Problem> {
    let ledger_seq = server.shards.highest(CONTROL);
    let backlog = server
        .store
        .outbox_backlog()
        .await
        .map_err(|e| Problem::internal(&e))?;
    if ledger_seq <= backlog.last_seq {
        return Ok(());
    }
    tracing::warn!(
        database = backlog.last_seq,
        ledger = ledger_seq,
        "the database is older than the ledger: it was put back from a copy, and erasures since are carried out again"
    );
    let control = server.classes.of_source(CONTROL);
    let shards = server.shards.all().into_iter().rev();
    let shards: Vec<Shard> = shards
        .filter(|shard| shard.class == control || shard.class == MAIN)
        .collect();
    let known = backlog.last_seq;
    let found = tokio::task::spawn_blocking(move || erased_after(&shards, known));
    let erased = found.await.map_err(|e| Problem::internal(&e))??;
    server
        .store
        .catch_up(ledger_seq, &erased)
        .await
        .map_err(|e| Problem::internal(&e))
}

/// Erasures with numbers above `known`, newest first. Blocks for file access.
fn erased_after(shards: &[Shard], known: u64) -> Result<Vec<(Digest, Timestamp)>, Problem> {
    let mut erased = Vec::new();
    for shard in shards {
        let mut to = shard.ledger.size();
        let first = shard.ledger.minimum_index().max(shard.first_event());
        while to > first {
            let from = first.max(to.saturating_sub(STEP));
            let leaves = shard
                .ledger
                .entries(from..to)
                .map_err(|e| Problem::internal(&e))?;
            let mut older = false;
            for leaf in leaves.iter().rev() {
                let Ok(leaf) = serde_json::from_slice::<Leaf>(leaf) else {
                    continue;
                };
                if leaf.source != CONTROL {
                    continue;
                }
                older |= leaf.source_seq <= known;
                let subject = leaf.next_state.as_deref().and_then(Erasure::erased_in);
                if let Some(subject) = subject.filter(|_| leaf.resource_type == "erasure") {
                    erased.push((subject, leaf.timestamp));
                }
            }
            if older {
                return Ok(erased);
            }
            to = from;
        }
    }
    Ok(erased)
}
