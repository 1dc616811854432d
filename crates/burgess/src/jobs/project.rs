//! The projection: from the ledger into the search index, in order, from its high-water mark.

use std::collections::BTreeMap;

use burgess_core::audit::Outcome;
use burgess_core::id::AppId;
use burgess_gateway::journal::outcome_id;
use burgess_trail::Opened;

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
    loop {
        let from = server
            .trail
            .high_water()
            .await
            .map_err(|e| Problem::internal(&e))?;
        let to = server.ledger.size().min(from.saturating_add(BATCH));
        if from >= to {
            break;
        }
        let mut opened = Vec::new();
        for index in from..to {
            let entry = server
                .journal
                .open(index)
                .await
                .map_err(|e| Problem::internal(&e))?;
            let leaf = server
                .ledger
                .entry(index)
                .map_err(|e| Problem::internal(&e))?;
            opened.push(Opened {
                shard: server.ledger.origin().to_owned(),
                index,
                leaf_hash: burgess_ledger::tree::leaf_hash(&leaf),
                sequence: entry.sequence,
                event: entry.event,
            });
        }
        server
            .trail
            .apply(&opened)
            .await
            .map_err(|e| Problem::internal(&e))?;
        note_use(server, &opened).await?;
        changed = true;
    }
    if changed {
        server.projected.notify_waiters();
    }
    Ok(())
}

/// An app whose call went through is in use: what idleness is measured from.
async fn note_use(server: &Server, opened: &[Opened]) -> Result<(), Problem> {
    let mut used = BTreeMap::new();
    let calls = opened.iter().map(|it| &it.event).filter(|event| {
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
