//! The index: one SQLite file of its own with a row per event of the ledger.
//!
//! Entries go in once, in order and without gaps, so the high-water mark says everything about
//! what is in. Texts that recur are numbers of a dictionary. Personal values are in it as tokens
//! alone, which leave with [`Trail::forget`].

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use tokio::sync::Mutex;

use crate::batch::{self, Dictionary};
use crate::entry::Opened;
use crate::error::TrailError;

/// How many read the index at a time.
const CONNECTIONS: u32 = 4;

/// Writers take turns within this time; a batch takes milliseconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The version of the tables. An index of another version is emptied: it can be rebuilt.
const VERSION: i64 = 2;

// `codes.kind` is a `batch::Kind`. Outcomes are the first codes, so that 1 is success for good.
const TABLES: &str = "
CREATE TABLE shards (
    -- The order in which shards were first seen.
    rank INTEGER NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    -- The first entry that was not pruned.
    first INTEGER NOT NULL,
    -- The index that comes next.
    next INTEGER NOT NULL
) STRICT;
CREATE TABLE codes (
    code INTEGER NOT NULL PRIMARY KEY,
    kind INTEGER NOT NULL,
    text TEXT NOT NULL,
    UNIQUE (kind, text)
) STRICT;
CREATE TABLE events (
    -- Grows with every entry handed over, in the order in which they were.
    id INTEGER NOT NULL PRIMARY KEY,
    rank INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    leaf_hash BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    time INTEGER NOT NULL,
    -- The event's id; an intent has its outcome's. `intent` is 0 for what is none, 1 for one that
    -- waits for its outcome, 2 for one that has it.
    event BLOB NOT NULL,
    intent INTEGER NOT NULL,
    app INTEGER NOT NULL,
    role INTEGER NOT NULL,
    environment INTEGER NOT NULL,
    action INTEGER NOT NULL,
    resource_type INTEGER NOT NULL,
    classification INTEGER NOT NULL,
    outcome INTEGER NOT NULL,
    error_code INTEGER,
    approval INTEGER,
    previous_state INTEGER,
    next_state INTEGER,
    risk INTEGER NOT NULL,
    source INTEGER NOT NULL,
    actor INTEGER,
    resource INTEGER
) STRICT;
CREATE UNIQUE INDEX events_by_place ON events (rank, idx);
CREATE INDEX events_by_event ON events (event);
CREATE INDEX events_by_app ON events (app);
CREATE INDEX events_by_time ON events (time);
CREATE INDEX events_by_actor ON events (actor) WHERE actor IS NOT NULL;
CREATE INDEX events_by_resource ON events (resource) WHERE resource IS NOT NULL;
CREATE INDEX events_by_approval ON events (approval) WHERE approval IS NOT NULL;
CREATE INDEX events_by_bad_outcome ON events (outcome) WHERE outcome <> 1;
CREATE INDEX events_by_state ON events (resource_type, next_state) WHERE next_state IS NOT NULL;
CREATE INDEX events_open ON events (app) WHERE intent = 1;
-- One row per app and shard: what figures need of all its events together.
CREATE TABLE streams (
    rank INTEGER NOT NULL,
    app INTEGER NOT NULL,
    events INTEGER NOT NULL,
    -- The last number of the stream, and whether all up to there were there in order.
    last INTEGER NOT NULL,
    gapless INTEGER NOT NULL,
    -- The newest event and the risk score that it names.
    newest INTEGER NOT NULL,
    risk INTEGER NOT NULL,
    -- The latest time at which the app itself did something.
    active INTEGER,
    PRIMARY KEY (rank, app)
) STRICT, WITHOUT ROWID;
-- How many intents each source has handed in for each app.
CREATE TABLE intents (
    source INTEGER NOT NULL,
    app INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (source, app)
) STRICT, WITHOUT ROWID;
-- Words of open fields; rowid is the event's id. Words of pruned events stay and lead nowhere.
CREATE VIRTUAL TABLE words USING fts5 (
    text, content='', columnsize=0, detail=none, tokenize='ascii'
);
-- Tokens of words of personal fields; rowid is the event's id times two, and one more for those
-- of the resource, so that a subject's can be deleted alone.
CREATE VIRTUAL TABLE blind USING fts5 (
    text, content='', contentless_delete=1, detail=none, tokenize='ascii'
);
INSERT INTO codes (kind, text) VALUES (6, 'success'), (6, 'failure'), (6, 'blocked');
PRAGMA user_version = 2;
";

const DROP: &str = "
DROP TABLE IF EXISTS blind;
DROP TABLE IF EXISTS words;
DROP TABLE IF EXISTS intents;
DROP TABLE IF EXISTS streams;
DROP TABLE IF EXISTS events;
DROP TABLE IF EXISTS codes;
DROP TABLE IF EXISTS shards;
";

/// The searchable index. Cheap to clone; all clones are the same index.
#[derive(Clone, Debug)]
pub struct Trail {
    pool: SqlitePool,
    /// Whoever writes holds this.
    pub(crate) writing: Arc<Mutex<Dictionary>>,
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
            .busy_timeout(BUSY_TIMEOUT)
            .pragma("secure_delete", "ON");
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS)
            .connect_with(options)
            .await?;
        let trail = Self {
            pool,
            writing: Arc::default(),
        };
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
        let mut dictionary = self.writing.lock().await;
        dictionary.clear();
        let mut tx = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::raw_sql(DROP).execute(&mut *tx).await?;
        sqlx::raw_sql(TABLES).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Empties the index and puts `entries` in.
    pub async fn rebuild(&self, entries: &[Opened]) -> Result<(), TrailError> {
        self.clear().await?;
        self.apply(entries).await
    }

    /// The index that comes next in that shard, which is the number of its entries that are in or
    /// were pruned; 0 when nothing is.
    pub async fn high_water(&self, shard: &str) -> Result<u64, TrailError> {
        let next: Option<i64> = sqlx::query_scalar("SELECT next FROM shards WHERE name = $1")
            .bind(shard)
            .fetch_optional(&self.pool)
            .await?;
        unsigned(next.unwrap_or_default())
    }

    /// Puts entries in, all or none. Those that are in already change nothing, so a batch may be
    /// handed over again; a gap is refused, and so is another leaf in a place that is taken.
    /// Hundreds at a time are quickest.
    pub async fn apply(&self, entries: &[Opened]) -> Result<(), TrailError> {
        let mut dictionary = self.writing.lock().await;
        let mut tx = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let written = batch::write(&mut tx, &mut dictionary, entries).await;
        let committed = match written {
            Ok(()) => tx.commit().await.map_err(TrailError::from),
            Err(error) => Err(error),
        };
        if committed.is_err() {
            // It may know codes that were rolled back.
            dictionary.clear();
        }
        committed
    }

    /// How many events are in, all shards together.
    pub async fn len(&self) -> Result<u64, TrailError> {
        let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM events")
            .fetch_one(&self.pool)
            .await?;
        unsigned(count)
    }

    /// Whether nothing is in.
    pub async fn is_empty(&self) -> Result<bool, TrailError> {
        let any: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM events)")
            .fetch_one(&self.pool)
            .await?;
        Ok(!any)
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

pub(crate) fn signed(value: u64) -> Result<i64, TrailError> {
    i64::try_from(value).map_err(|_| TrailError::Damaged(format!("`{value}` is out of range")))
}

pub(crate) fn unsigned(value: i64) -> Result<u64, TrailError> {
    u64::try_from(value).map_err(|_| TrailError::Damaged(format!("`{value}` is negative")))
}
