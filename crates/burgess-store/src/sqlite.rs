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
    include_str!("../migrations/sqlite/0004_holds.sql"),
    include_str!("../migrations/sqlite/0005_answers.sql"),
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

/// A connection to a copy that nobody else has open.
pub(crate) async fn connect_to_copy(path: &Path) -> Result<Connection, StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .pragma("secure_delete", "ON");
    Ok(options.connect().await?)
}

/// A connection that changes nothing, beside a server that may run.
pub(crate) async fn look(path: &Path) -> Result<Connection, StoreError> {
    // Without the journal mode, which a restored copy has not yet and setting would write.
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("trusted_schema", "OFF");
    Ok(options.connect().await?)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn holds_of_before_say_what_they_cover_once_the_tables_are_up_to_date() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("burgess.db");
        let pool = SqlitePoolOptions::new()
            .connect_with(options(&path).create_if_missing(true))
            .await
            .unwrap();
        let created = "CREATE TABLE migrations
            (version INTEGER NOT NULL PRIMARY KEY, applied_at INTEGER NOT NULL) STRICT;";
        sqlx::raw_sql(created).execute(&pool).await.unwrap();
        for (version, sql) in (1i64..).zip(&MIGRATIONS[..3]) {
            sqlx::raw_sql(*sql).execute(&pool).await.unwrap();
            let noted = sqlx::query("INSERT INTO migrations VALUES ($1, 0)").bind(version);
            noted.execute(&pool).await.unwrap();
        }
        let rows = [
            (
                "hold_1",
                "placed",
                r#"{"covers":{"kind":"app","of":"quotes"}}"#,
            ),
            (
                "hold_2",
                "placed",
                r#"{"covers":{"kind":"subject","of":"aa"},"also":["bb","cc"]}"#,
            ),
            (
                "hold_3",
                "released",
                r#"{"covers":{"kind":"shard","of":"main"}}"#,
            ),
        ];
        for (id, state, record) in rows {
            let placed = sqlx::query("INSERT INTO holds VALUES ($1, $2, 1, 1, $3)");
            let placed = placed.bind(id).bind(state).bind(record);
            placed.execute(&pool).await.unwrap();
        }
        migrate(&pool, Timestamp::from_seconds(0)).await.unwrap();
        let states = "SELECT state FROM heads WHERE kind = 'legal_hold' ORDER BY id";
        let states: Vec<String> = sqlx::query_scalar(states).fetch_all(&pool).await.unwrap();
        let wanted = [
            "placed hold_1 app quotes",
            "placed hold_2 subject aa bb cc",
            "released hold_3",
        ];
        assert_eq!(states, wanted);
    }
}
