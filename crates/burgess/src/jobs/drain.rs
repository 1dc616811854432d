//! The outbox drainer: what the store committed goes into the ledger, in order, once.
//!
//! It resumes from the ledger's own highest number, so a crash between append and mark
//! changes nothing (the plan's "commit order"). Recovery is this same path, run at start.

use crate::http::problem::Problem;
use crate::operations::event::CONTROL;
use crate::server::{Server, unwritable};

/// Rows taken at a time: one group commit's worth.
const BATCH: u32 = 256;

/// Hands everything that waits to the ledger. When it answers, it is durable.
pub async fn drain(server: &Server) -> Result<(), Problem> {
    let _turn = server.draining.lock().await;
    loop {
        let after = server.shards.highest(CONTROL);
        let rows = server
            .store
            .pending(after, BATCH)
            .await
            .map_err(|e| Problem::internal(&e))?;
        let Some(last) = rows.last().map(|row| row.source_seq) else {
            return Ok(());
        };
        for row in rows {
            let seed = server.ambient.random().map_err(|e| Problem::internal(&e))?;
            let recorded = server
                .journal
                .record(row.event, CONTROL, Some(row.source_seq), seed)
                .await;
            if let Err(cause) = recorded {
                tracing::error!(%cause, source_seq = row.source_seq, "an event waits in the outbox");
                return Err(unwritable());
            }
        }
        server
            .store
            .mark_drained(last)
            .await
            .map_err(|e| Problem::internal(&e))?;
    }
}
