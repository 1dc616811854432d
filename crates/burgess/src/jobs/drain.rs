//! The outbox drainer: what the store committed goes into the ledger, in order, once.
//!
//! It resumes from the ledger's own highest number, so a crash between append and mark
//! changes nothing (the plan's "commit order"). Recovery is this same path, run at start.

use burgess_gateway::journal::JournalError;
use burgess_gateway::ports::PortError;
use burgess_ledger::AppendError;
use burgess_store::Pending;

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
        record(server, &rows).await?;
        server
            .store
            .mark_drained(last)
            .await
            .map_err(|e| Problem::internal(&e))?;
    }
}

/// Hands rows to the ledger, as one batch where they fit. What was committed must be recorded,
/// also when it is about somebody who has been erased since.
async fn record(server: &Server, rows: &[Pending]) -> Result<(), Problem> {
    let random = server.ambient.random().map_err(|e| Problem::internal(&e))?;
    let events: Vec<_> = rows
        .iter()
        .map(|row| (&row.event, Some(row.source_seq)))
        .collect();
    let journal = &server.journal;
    let recorded = journal.record_all(&events, CONTROL, random).await;
    let recorded = match (recorded, rows) {
        (Ok(_), _) => return Ok(()),
        (Err(JournalError::Vault(PortError::Erased)), [row]) => {
            let number = Some(row.source_seq);
            let closed = journal.record_closed(&row.event, CONTROL, number, random);
            closed.await.map(drop)
        }
        (Err(cause), [_, _, ..]) if goes_in_parts(&cause) => {
            let (first, rest) = rows.split_at(rows.len() / 2);
            Box::pin(record(server, first)).await?;
            return Box::pin(record(server, rest)).await;
        }
        (Err(cause), _) => Err(cause),
    };
    recorded.map_err(|cause| {
        let source_seq = rows.first().map(|row| row.source_seq);
        tracing::error!(%cause, source_seq, "events wait in the outbox");
        unwritable()
    })
}

/// Whether the fault is one row's own, or the batch's: then the rows before it go in first.
fn goes_in_parts(cause: &JournalError) -> bool {
    use AppendError::{BatchTooLarge, LeafTooLarge, SideTooLarge};
    match cause {
        JournalError::Leaf(_)
        | JournalError::Seal(_)
        | JournalError::Vault(PortError::Erased)
        | JournalError::Append(BatchTooLarge { .. } | LeafTooLarge { .. } | SideTooLarge { .. }) => {
            true
        }
        JournalError::Vault(_)
        | JournalError::Append(_)
        | JournalError::Read(_)
        | JournalError::NotAnEvent { .. } => false,
    }
}
