//! The projection: from the ledger into the search index, in order, from its high-water mark.
//!
//! What the index gets of a personal value is a token under a key of ours, never the value.

use std::collections::BTreeMap;
use std::ops::Range;

use burgess_core::audit::{Event, Outcome};
use burgess_core::id::AppId;
use burgess_gateway::journal::{JournalError, outcome_id};
use burgess_ledger::ReadError;
use burgess_trail::{Facts, Indexed, Opened};

use crate::http::problem::Problem;
use crate::server::Server;

/// The source that numbers the gateway's events.
pub const GATEWAY: &str = "gateway";
/// Entries taken at a time.
const BATCH: u64 = 512;

/// Brings the index up to the ledger's size.
pub async fn project(server: &Server) -> Result<(), Problem> {
    let _turn = server.projecting.lock().await;
    let mut changed = false;
    let shard = server.ledger.origin();
    loop {
        let from = server
            .trail
            .high_water(shard)
            .await
            .map_err(|e| Problem::internal(&e))?;
        let to = server.ledger.size().min(from.saturating_add(BATCH));
        if from >= to {
            break;
        }
        let (opened, events) = open(server, from..to).await?;
        server
            .trail
            .apply(&opened)
            .await
            .map_err(|e| Problem::internal(&e))?;
        note_use(server, &events).await?;
        changed = true;
    }
    if changed {
        server.projected.notify_waiters();
    }
    Ok(())
}

/// These entries as the index takes them, and their events.
async fn open(server: &Server, range: Range<u64>) -> Result<(Vec<Opened>, Vec<Event>), Problem> {
    let ledger = server.ledger.clone();
    let read = {
        let range = range.clone();
        move || -> Result<Vec<_>, ReadError> {
            range
                .map(|index| Ok((ledger.entry(index)?, ledger.side(index)?)))
                .collect()
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
            shard: server.ledger.origin().to_owned(),
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
    let mut size = server.ledger.watch();
    loop {
        if let Err(problem) = project(server).await {
            tracing::error!(detail = %problem.detail, "the projection stands still");
        }
        if size.changed().await.is_err() {
            return;
        }
    }
}
