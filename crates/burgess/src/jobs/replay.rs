//! After a restore: a database that is older than the ledger learns from it what it must not have
//! forgotten, before anything is served.
//!
//! The ledger holds every event of the control plane. Among those that the database does not know,
//! erasures are carried out again and legal holds are placed and released again, and its numbers go
//! on after the ledger's: a number that was given once would be taken for a repetition, and its event
//! would be lost.

use burgess_core::time::Timestamp;
use burgess_ledger::Shard;
use burgess_ledger::shards::MAIN;
use burgess_store::{Erasure, Hold, Since};
use serde::Deserialize;

use crate::http::problem::Problem;
use crate::operations::event::CONTROL;
use crate::server::Server;

/// Entries read at a time.
const STEP: u64 = 4_096;

/// The open fields that erasures and holds are told by.
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
        "the database is older than the ledger: it was put back from a copy, and erasures and legal holds since are carried out again"
    );
    let control = server.classes.of_source(CONTROL);
    let shards = server.shards.all().into_iter().rev();
    let shards: Vec<Shard> = shards
        .filter(|shard| shard.class == control || shard.class == MAIN)
        .collect();
    let known = backlog.last_seq;
    let found = tokio::task::spawn_blocking(move || told_after(&shards, known));
    let since = found.await.map_err(|e| Problem::internal(&e))??;
    server
        .store
        .catch_up(ledger_seq, &since)
        .await
        .map_err(|e| Problem::internal(&e))
}

/// What events with numbers above `known` tell of, in their order. Blocks for file access.
fn told_after(shards: &[Shard], known: u64) -> Result<Vec<Since>, Problem> {
    let mut since = newest_first(shards, known)?;
    since.reverse();
    Ok(since)
}

fn newest_first(shards: &[Shard], known: u64) -> Result<Vec<Since>, Problem> {
    let mut since = Vec::new();
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
                if leaf.source_seq <= known {
                    older = true;
                } else {
                    since.extend(told(&leaf));
                }
            }
            if older {
                return Ok(since);
            }
            to = from;
        }
    }
    Ok(since)
}

/// What one event tells of that must not be forgotten.
fn told(leaf: &Leaf) -> Option<Since> {
    let (at, state) = (leaf.timestamp, leaf.next_state.as_deref()?);
    match leaf.resource_type.as_str() {
        "erasure" => Erasure::erased_in(state).map(|subject| Since::Erased { subject, at }),
        "legal_hold" => {
            let told = hold_told(state, at);
            if told.is_none() {
                let source_seq = leaf.source_seq;
                tracing::error!(source_seq, "a legal hold does not say what it covers");
            }
            told
        }
        _ => None,
    }
}

fn hold_told(state: &str, at: Timestamp) -> Option<Since> {
    if let Some(id) = Hold::released_in(state) {
        let id = id.to_owned();
        return Some(Since::Released { id, at });
    }
    let (id, covers, also) = Hold::placed_in(state)?;
    Some(Since::Placed {
        id,
        covers,
        also,
        at,
    })
}
