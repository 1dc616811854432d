//! The index: one SQLite file of its own with a row per entry of the ledger.
//!
//! Entries go in once, in order and without gaps, so the high-water mark says everything about
//! what is in. Personal values are in it as far as the binary may open them: after a subject is
//! erased, rebuild.

use std::path::Path;
use std::time::Duration;

use burgess_core::audit::Event;
use burgess_core::digest::Digest;
use burgess_ledger::Hash;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use crate::error::TrailError;

/// How many read the index at a time.
const CONNECTIONS: u32 = 4;

/// Writers take turns within this time; a batch takes milliseconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The version of the tables. An index of another version is emptied: it can be rebuilt.
const VERSION: i64 = 1;

const TABLES: &str = "
CREATE TABLE shards (
    -- The order in which shards were first seen.
    rank INTEGER NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    -- The index that comes next.
    next INTEGER NOT NULL
) STRICT;
CREATE TABLE events (
    id INTEGER NOT NULL PRIMARY KEY,
    rank INTEGER NOT NULL REFERENCES shards (rank),
    idx INTEGER NOT NULL,
    leaf_hash TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    time INTEGER NOT NULL,
    actor TEXT NOT NULL,
    actor_role TEXT NOT NULL,
    app TEXT NOT NULL,
    environment TEXT NOT NULL,
    action TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    classification TEXT NOT NULL,
    outcome TEXT NOT NULL,
    error_code TEXT,
    approval TEXT,
    risk INTEGER NOT NULL,
    previous_state TEXT,
    next_state TEXT,
    body TEXT NOT NULL,
    UNIQUE (rank, idx)
) STRICT;
CREATE INDEX events_by_app ON events (app, time);
CREATE INDEX events_by_actor ON events (actor, time);
CREATE INDEX events_by_resource ON events (resource_type, resource_id);
CREATE INDEX events_by_approval ON events (approval) WHERE approval IS NOT NULL;
CREATE INDEX events_by_time ON events (time);
CREATE INDEX events_by_outcome ON events (outcome, time);
CREATE INDEX events_by_state ON events (resource_type, next_state) WHERE next_state IS NOT NULL;
CREATE INDEX events_by_event ON events (event_id);
CREATE VIRTUAL TABLE words USING fts5 (text, content='', tokenize='unicode61');
";

const DROP: &str = "
DROP TABLE IF EXISTS words;
DROP TABLE IF EXISTS events;
DROP TABLE IF EXISTS shards;
";

/// One entry of the ledger, opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Origin of the log shard that holds it.
    pub shard: String,
    /// Its index there, from 0.
    pub index: u64,
    /// Its RFC 6962 leaf hash.
    pub leaf_hash: Hash,
    /// Its number in its app's stream, from 1.
    pub sequence: u64,
    /// The event.
    pub event: Event,
}

/// The searchable index. Cheap to clone; all clones are the same index.
#[derive(Clone, Debug)]
pub struct Trail {
    pool: SqlitePool,
}

impl Trail {
    /// Opens the index file, making it when it is missing. A file of another version, or one that
    /// is no database, is emptied: what was in it is still in the ledger.
    pub async fn open(path: &Path) -> Result<Self, TrailError> {
        match Self::open_file(path).await {
            Err(TrailError::Database(error)) if is_not_a_database(&error) => {
                std::fs::remove_file(path)?;
                Self::open_file(path).await
            }
            opened => opened,
        }
    }

    async fn open_file(path: &Path) -> Result<Self, TrailError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // Lost rows are read from the ledger again; NORMAL keeps the file consistent.
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .pragma("secure_delete", "ON");
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS)
            .connect_with(options)
            .await?;
        let trail = Self { pool };
        let version: i64 = sqlx::query_scalar("PRAGMA user_version")
            .fetch_one(trail.pool())
            .await?;
        if version != VERSION {
            trail.clear().await?;
        }
        Ok(trail)
    }

    /// Takes everything out; afterwards the high-water mark is 0.
    pub async fn clear(&self) -> Result<(), TrailError> {
        let mut tx = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::raw_sql(DROP).execute(&mut *tx).await?;
        sqlx::raw_sql(TABLES).execute(&mut *tx).await?;
        sqlx::raw_sql("PRAGMA user_version = 1")
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Empties the index and puts `entries` in.
    pub async fn rebuild(&self, entries: &[Opened]) -> Result<(), TrailError> {
        self.clear().await?;
        self.apply(entries).await
    }

    /// The index that comes next in the newest shard, which is the number of its entries that
    /// are in; 0 when nothing is.
    pub async fn high_water(&self) -> Result<u64, TrailError> {
        let next: Option<i64> =
            sqlx::query_scalar("SELECT next FROM shards ORDER BY rank DESC LIMIT 1")
                .fetch_optional(&self.pool)
                .await?;
        unsigned(next.unwrap_or_default())
    }

    /// The index that comes next in that shard.
    pub async fn high_water_of(&self, shard: &str) -> Result<u64, TrailError> {
        let next: Option<i64> = sqlx::query_scalar("SELECT next FROM shards WHERE name = $1")
            .bind(shard)
            .fetch_optional(&self.pool)
            .await?;
        unsigned(next.unwrap_or_default())
    }

    /// Puts entries in, all or none. Those that are in already change nothing, so a batch may be
    /// handed over again; a gap is refused, and so is another leaf in a place that is taken.
    pub async fn apply(&self, entries: &[Opened]) -> Result<(), TrailError> {
        let mut tx = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        for entry in entries {
            apply_one(&mut tx, entry).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// How many entries are in, all shards together.
    pub async fn len(&self) -> Result<u64, TrailError> {
        let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM events")
            .fetch_one(&self.pool)
            .await?;
        unsigned(count)
    }

    /// Whether nothing is in.
    pub async fn is_empty(&self) -> Result<bool, TrailError> {
        Ok(self.len().await? == 0)
    }

    /// Finishes and closes the file.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    pub(crate) const fn pool(&self) -> &SqlitePool {
        &self.pool
    }
}

/// `SQLITE_NOTADB` or `SQLITE_CORRUPT`.
fn is_not_a_database(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(|error| error.code())
        .is_some_and(|code| matches!(code.as_ref(), "26" | "11"))
}

async fn apply_one(
    connection: &mut sqlx::SqliteConnection,
    entry: &Opened,
) -> Result<(), TrailError> {
    sqlx::query(
        "INSERT INTO shards (rank, name, next)
         SELECT COALESCE(MAX(rank), 0) + 1, $1, 0 FROM shards
         WHERE true ON CONFLICT (name) DO NOTHING",
    )
    .bind(&entry.shard)
    .execute(&mut *connection)
    .await?;
    let (rank, next): (i64, i64) = sqlx::query_as("SELECT rank, next FROM shards WHERE name = $1")
        .bind(&entry.shard)
        .fetch_one(&mut *connection)
        .await?;
    let index = signed(entry.index)?;
    let leaf_hash = Digest::from_bytes(entry.leaf_hash).to_string();
    if index > next {
        return Err(TrailError::Gap {
            shard: entry.shard.clone(),
            expected: unsigned(next)?,
            found: entry.index,
        });
    }
    if index < next {
        let known: String =
            sqlx::query_scalar("SELECT leaf_hash FROM events WHERE rank = $1 AND idx = $2")
                .bind(rank)
                .bind(index)
                .fetch_one(&mut *connection)
                .await?;
        if known != leaf_hash {
            return Err(TrailError::OtherLeaf {
                shard: entry.shard.clone(),
                index: entry.index,
            });
        }
        return Ok(());
    }
    let id = insert(connection, entry, rank, &leaf_hash).await?;
    sqlx::query("INSERT INTO words (rowid, text) VALUES ($1, $2)")
        .bind(id)
        .bind(words(&entry.event))
        .execute(&mut *connection)
        .await?;
    sqlx::query("UPDATE shards SET next = next + 1 WHERE rank = $1")
        .bind(rank)
        .execute(connection)
        .await?;
    Ok(())
}

async fn insert(
    connection: &mut sqlx::SqliteConnection,
    entry: &Opened,
    rank: i64,
    leaf_hash: &str,
) -> Result<i64, TrailError> {
    let event = &entry.event;
    let body = serde_json::to_string(event).map_err(|e| TrailError::Damaged(e.to_string()))?;
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO events (rank, idx, leaf_hash, sequence, event_id, time, actor, actor_role, app,
                             environment, action, resource_type, resource_id, classification,
                             outcome, error_code, approval, risk, previous_state, next_state, body)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
                 $19, $20, $21)
         RETURNING id",
    )
    .bind(rank)
    .bind(signed(entry.index)?)
    .bind(leaf_hash)
    .bind(signed(entry.sequence)?)
    .bind(event.event_id.as_str())
    .bind(event.timestamp.as_micros())
    .bind(&event.actor_id)
    .bind(&event.actor_role)
    .bind(event.app_id.as_str())
    .bind(event.environment.as_str())
    .bind(event.action_type.as_str())
    .bind(&event.resource_type)
    .bind(&event.resource_id)
    .bind(event.data_classification.as_str())
    .bind(event.outcome.as_str())
    .bind(event.error_code.as_deref())
    .bind(event.approval_id.as_ref().map(|id| id.as_str()))
    .bind(i64::from(event.risk_score_at_time))
    .bind(event.previous_state.as_deref())
    .bind(event.next_state.as_deref())
    .bind(body)
    .fetch_one(connection)
    .await?;
    Ok(id)
}

/// The words that an event can be found by.
fn words(event: &Event) -> String {
    let mut parts = vec![
        event.event_id.to_string(),
        event.actor_id.clone(),
        event.actor_role.clone(),
        event.app_id.to_string(),
        event.version.clone(),
        event.environment.to_string(),
        event.action_type.to_string(),
        event.resource_type.clone(),
        event.resource_id.clone(),
        event.data_classification.to_string(),
        event.outcome.to_string(),
    ];
    parts.extend(event.error_code.clone());
    parts.extend(event.ip_address.clone());
    parts.extend(event.user_agent.clone());
    parts.extend(event.approval_id.as_ref().map(ToString::to_string));
    parts.extend(event.previous_state.clone());
    parts.extend(event.next_state.clone());
    if let Some(decision) = &event.decision {
        parts.push(decision.answer.clone());
        parts.extend(decision.policies.iter().cloned());
    }
    if let Some(context) = &event.request_context {
        parts.push(serde_json::Value::Object(context.clone()).to_string());
    }
    parts.join("\n")
}

pub(crate) fn signed(value: u64) -> Result<i64, TrailError> {
    i64::try_from(value).map_err(|_| TrailError::Damaged(format!("`{value}` is out of range")))
}

pub(crate) fn unsigned(value: i64) -> Result<u64, TrailError> {
    u64::try_from(value).map_err(|_| TrailError::Damaged(format!("`{value}` is negative")))
}
