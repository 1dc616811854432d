//! SQLite: how the database file is opened, and which migrations make its tables.
//!
//! WAL, one writer, several readers, `synchronous=FULL`: a commit that returned survives
//! the loss of power. Everything that only SQLite understands stands here and in
//! `migrations/sqlite/`; the SQL of the nouns is plain.

use std::path::Path;
use std::time::Duration;

use burgess_core::time::Timestamp;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use crate::error::StoreError;

/// One connection of the back end that the nouns are written for.
pub(crate) type Connection = sqlx::SqliteConnection;
/// Its connections.
pub(crate) type Pool = SqlitePool;

/// How a writing transaction begins. `DEFERRED` would let a read turn into a write, which
/// SQLite answers with `SQLITE_BUSY` at once, whatever the timeout.
pub(crate) const BEGIN_WRITE: &str = "BEGIN IMMEDIATE";

/// Readers at a time: pages are short reads, and two cores keep no more than that busy.
const READERS: u32 = 4;

/// A backup or a checkpoint may hold the file for that long; longer is a fault.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Migrations in order; the position is the version, from 1.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/sqlite/0001_spine.sql"),
    include_str!("../migrations/sqlite/0002_ledger_locks.sql"),
    include_str!("../migrations/sqlite/0003_keeping.sql"),
];

/// The writer's and the readers' connections, the tables up to date.
pub(crate) async fn open(path: &Path, now: Timestamp) -> Result<(Pool, Pool), StoreError> {
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(options(path).create_if_missing(true))
        .await?;
    migrate(&writer, now).await?;
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        .connect_with(options(path).pragma("query_only", "ON"))
        .await?;
    Ok((writer, readers))
}

/// One more connection, which may write.
pub(crate) async fn connect(path: &Path) -> Result<Connection, StoreError> {
    Ok(options(path).connect().await?)
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        // What is erased is overwritten: an erased key must not lie in a free page.
        .pragma("secure_delete", "ON")
        .pragma("trusted_schema", "OFF")
}

async fn migrate(writer: &Pool, now: Timestamp) -> Result<(), StoreError> {
    let mut tx = writer.begin_with(BEGIN_WRITE).await?;
    sqlx::raw_sql(
        "CREATE TABLE IF NOT EXISTS migrations (
             version INTEGER NOT NULL PRIMARY KEY,
             applied_at INTEGER NOT NULL
         ) STRICT",
    )
    .execute(&mut *tx)
    .await?;
    let found: i64 = sqlx::query_scalar("SELECT COALESCE(MAX(version), 0) FROM migrations")
        .fetch_one(&mut *tx)
        .await?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(StoreError::NewerSchema { found, known });
    }
    for (version, sql) in (1i64..).zip(MIGRATIONS) {
        if version > found {
            sqlx::raw_sql(*sql).execute(&mut *tx).await?;
            sqlx::query("INSERT INTO migrations (version, applied_at) VALUES ($1, $2)")
                .bind(version)
                .bind(now.as_micros())
                .execute(&mut *tx)
                .await?;
        }
    }
    tx.commit().await?;
    Ok(())
}
