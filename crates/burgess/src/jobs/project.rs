//! The projection: from the ledger into the search index, in order, from its high-water mark.
//!
//! What the index gets of a personal value is a token under a key of ours, never the value.

use std::collections::BTreeMap;
use std::ops::Range;

use burgess_core::audit::{Event, Outcome};
use burgess_core::id::AppId;
use burgess_gateway::journal::{JournalError, outcome_id};
use burgess_ledger::{Ledger, ReadError};
use burgess_trail::{Facts, Indexed, Opened, Subject};

use crate::http::problem::Problem;
use crate::server::Server;

/// The source that numbers the gateway's events.
pub const GATEWAY: &str = "gateway";
/// Entries taken at a time.
const BATCH: u64 = 512;

/// Brings the index up to the ledger's size, in all shards.
pub async fn project(server: &Server) -> Result<(), Problem> {
    let _turn = server.projecting.lock().await;
    let mut changed = false;
    for shard in server.shards.all() {
        changed |= project_shard(server, &shard.ledger).await?;
    }
    if changed {
        server.projected.notify_waiters();
    }
    Ok(())
}

async fn project_shard(server: &Server, ledger: &Ledger) -> Result<bool, Problem> {
    let mut changed = false;
    let shard = ledger.origin();
    let kept = ledger.minimum_index();
    if kept > 0 {
        let first = server.trail.first_kept(shard).await;
        // What was pruned cannot be handed over any more. Every reading comes by here, so nothing is
        // written where the index knows.
        if first.map_err(|e| Problem::internal(&e))? < kept {
            let pruned = server.trail.prune(shard, kept).await;
            pruned.map_err(|e| Problem::internal(&e))?;
        }
    }
    loop {
        let from = server
            .trail
            .high_water(shard)
            .await
            .map_err(|e| Problem::internal(&e))?;
        let to = ledger.size().min(from.saturating_add(BATCH));
        if from >= to {
            return Ok(changed);
        }
        let (opened, events) = open(server, ledger, from..to).await?;
        server
            .trail
            .apply(&opened)
            .await
            .map_err(|e| Problem::internal(&e))?;
        note_use(server, &events).await?;
        changed = true;
    }
}

/// These entries as the index takes them, and their events.
async fn open(
    server: &Server,
    ledger: &Ledger,
    range: Range<u64>,
) -> Result<(Vec<Opened>, Vec<Event>), Problem> {
    let read = {
        let (ledger, range) = (ledger.clone(), range.clone());
        move || -> Result<Vec<_>, ReadError> {
            let leaves = ledger.entries(range.clone())?;
            Ok(leaves.into_iter().zip(ledger.sides(range)?).collect())
        }
    };
    let bytes = tokio::task::spawn_blocking(read)
        .await
        .map_err(|e| Problem::internal(&e))?
        .map_err(|e| Problem::internal(&e))?;
    let mut entries = Vec::with_capacity(bytes.len());
    let mut events = Vec::with_capacity(bytes.len());
    for (index, (leaf, side)) in range.zip(bytes) {
        let entry = match server.journal.open_bytes(index, &leaf, &side).await {
            Ok(entry) => Some(entry),
            // A shard may begin with the checkpoint of the one before.
            Err(JournalError::NotAnEvent { index: 0, .. }) => None,
            Err(e) => return Err(Problem::internal(&e)),
        };
        entries.push(Opened {
            shard: ledger.origin().to_owned(),
            index,
            leaf_hash: burgess_ledger::tree::leaf_hash(&leaf),
            event: entry.as_ref().map(|entry| Indexed {
                sequence: entry.sequence,
                facts: Facts::of(&entry.event),
                blind: server.blinder.event(&entry.event),
            }),
        });
        events.extend(entry.map(|entry| entry.event));
    }
    Ok((entries, events))
}

/// Takes an erased subject out of the index. Whose name is not known any more, as after a crash, is
/// found by building the index anew.
pub async fn forget(server: &Server, subjects: &[Subject]) -> Result<(), Problem> {
    project(server).await?;
    if subjects.is_empty() {
        server
            .trail
            .clear()
            .await
            .map_err(|e| Problem::internal(&e))?;
        return project(server).await;
    }
    let forgotten = server.trail.forget(subjects).await;
    forgotten.map(|_| ()).map_err(|e| Problem::internal(&e))
}

/// An app whose call went through is in use: what idleness is measured from.
async fn note_use(server: &Server, events: &[Event]) -> Result<(), Problem> {
    let mut used = BTreeMap::new();
    let calls = events.iter().filter(|event| {
        event.source == GATEWAY
            && event.outcome == Outcome::Success
            && outcome_id(&event.event_id).is_none()
    });
    for event in calls {
        let at = used.entry(&event.app_id).or_insert(event.timestamp);
        *at = event.timestamp.max(*at);
    }
    used.remove(&AppId::organisation());
    for (app, at) in used {
        server
            .store
            .note_app_used(app, at)
            .await
            .map_err(|e| Problem::internal(&e))?;
    }
    Ok(())
}

/// Follows the ledger until the server stops.
pub async fn follow(server: &Server) {
    let mut turned = server.shards.watch();
    loop {
        let shards = server.shards.all();
        let mut sizes: Vec<_> = shards
            .iter()
            .filter(|shard| !shard.ledger.is_sealed())
            .map(|shard| shard.ledger.watch())
            .collect();
        if let Err(problem) = project(server).await {
            tracing::error!(detail = %problem.detail, "the projection stands still");
        }
        let changed = sizes.iter_mut().map(|size| Box::pin(size.changed()));
        tokio::select! {
            (done, ..) = futures_util::future::select_all(changed) => {
                if done.is_err() {
                    return;
                }
            }
            done = turned.changed() => {
                if done.is_err() {
                    return;
                }
            }
        }
    }
}
