//! The projection: from the ledger into the search index, in order, from its high-water mark.

use burgess_trail::Opened;

use crate::http::problem::Problem;
use crate::server::Server;

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
        changed = true;
    }
    if changed {
        server.projected.notify_waiters();
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
