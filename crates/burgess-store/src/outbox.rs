//! The outbox: events that are committed and wait for their place in the ledger.
//!
//! Numbers are dense from 1 and given inside the commit's transaction. The drainer hands
//! events to the ledger in order, under that number; the ledger takes each number once, so a
//! drainer that died goes on after the ledger's highest and nothing is lost or doubled. Drained
//! events are removed: they hold personal values, whose place is the ledger's side files.

use burgess_core::audit::Event;
use burgess_core::time::{Span, Timestamp};

use crate::error::StoreError;
use crate::row::{count, json, number, record};
use crate::sqlite::{BEGIN_WRITE, Connection};
use crate::store::Store;

const TABLE: &str = "outbox";

/// How far the ledger may fall behind before commits are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxLimit {
    /// Events waiting at most.
    pub events_max: u64,
    /// Age of the oldest at most.
    pub age_max: Span,
}

impl Default for OutboxLimit {
    /// A drainer that works empties the outbox in milliseconds. A minute without one is a fault
    /// that people should notice at once; 10,000 events are the demo's whole history.
    fn default() -> Self {
        Self {
            events_max: 10_000,
            age_max: Span::minutes(1),
        }
    }
}

/// One event that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Its number from this source, dense from 1.
    pub source_seq: u64,
    /// When it was committed.
    pub created_at: Timestamp,
    /// The event.
    pub event: Event,
}

/// How much waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Events waiting.
    pub events: u64,
    /// When the oldest was committed.
    pub oldest: Option<Timestamp>,
    /// The number given last; 0 before the first.
    pub last_seq: u64,
    /// Everything up to this number is in the ledger.
    pub drained_seq: u64,
}

/// Adds an event and answers its number.
pub(crate) async fn append(
    connection: &mut Connection,
    event: &Event,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let seq: i64 = sqlx::query_scalar(
        "UPDATE outbox_head SET last_seq = last_seq + 1 WHERE one = 1 RETURNING last_seq",
    )
    .fetch_one(&mut *connection)
    .await?;
    sqlx::query("INSERT INTO outbox (source_seq, created_at, event) VALUES ($1, $2, $3)")
        .bind(seq)
        .bind(now.as_micros())
        .bind(json(TABLE, event.event_id.as_str(), event)?)
        .execute(connection)
        .await?;
    count(TABLE, seq)
}

type BacklogRow = (i64, Option<i64>, i64, i64);

const BACKLOG: &str = "SELECT (SELECT COUNT(*) FROM outbox), (SELECT MIN(created_at) FROM outbox),
                              last_seq, drained_seq
                       FROM outbox_head WHERE one = 1";

fn read_backlog((events, oldest, last, drained): BacklogRow) -> Result<Backlog, StoreError> {
    Ok(Backlog {
        events: count(TABLE, events)?,
        oldest: oldest.map(Timestamp::from_micros),
        last_seq: count(TABLE, last)?,
        drained_seq: count(TABLE, drained)?,
    })
}

/// How much waits, inside a transaction.
pub(crate) async fn backlog(connection: &mut Connection) -> Result<Backlog, StoreError> {
    read_backlog(sqlx::query_as(BACKLOG).fetch_one(connection).await?)
}

impl Store {
    /// Events with numbers above `after_seq`, in order, `limit` at most. After a crash, begin
    /// after the ledger's highest number for this source.
    pub async fn pending(&self, after_seq: u64, limit: u32) -> Result<Vec<Pending>, StoreError> {
        let rows: Vec<(i64, i64, String)> = sqlx::query_as(
            "SELECT source_seq, created_at, event FROM outbox
             WHERE source_seq > $1 ORDER BY source_seq LIMIT $2",
        )
        .bind(number(after_seq)?)
        .bind(i64::from(limit))
        .fetch_all(self.readers())
        .await?;
        rows.into_iter()
            .map(|(seq, created_at, text)| {
                Ok(Pending {
                    source_seq: count(TABLE, seq)?,
                    created_at: Timestamp::from_micros(created_at),
                    event: record(TABLE, &seq.to_string(), &text)?,
                })
            })
            .collect()
    }

    /// Removes events up to and including that number: call it once the ledger has acknowledged
    /// them. Calling it again changes nothing; numbers that were never given are ignored.
    pub async fn mark_drained(&self, up_to: u64) -> Result<(), StoreError> {
        let mut tx = self.writer().begin_with(BEGIN_WRITE).await?;
        let up_to = number(up_to)?;
        sqlx::query("DELETE FROM outbox WHERE source_seq <= $1")
            .bind(up_to)
            .execute(&mut *tx)
            .await?;
        sqlx::query(
            "UPDATE outbox_head
             SET drained_seq = CASE WHEN $1 < last_seq THEN $1 ELSE last_seq END
             WHERE one = 1 AND drained_seq < $1",
        )
        .bind(up_to)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// How much waits.
    pub async fn outbox_backlog(&self) -> Result<Backlog, StoreError> {
        read_backlog(sqlx::query_as(BACKLOG).fetch_one(self.readers()).await?)
    }

    /// For how long the oldest event has waited at `now`; none when nothing waits.
    pub async fn oldest_pending_age(&self, now: Timestamp) -> Result<Option<Span>, StoreError> {
        let backlog = self.outbox_backlog().await?;
        Ok(backlog.oldest.map(|oldest| now.since(oldest)))
    }

    /// Returns as soon as a commit has added to the outbox since the last call: what the drainer
    /// waits for between two rounds.
    pub async fn outbox_filled(&self) {
        self.filled().notified().await;
    }
}
