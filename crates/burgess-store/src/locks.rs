//! The lock table of the ledger: the newest signed checkpoint of each log.
//!
//! It is asked by the ledger's own threads, which are of no async runtime, over a connection of its
//! own: the publication of a checkpoint waits for no other reader or writer of this process. Not
//! here: what a checkpoint is and what follows from where a row stands; the ledger knows.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use burgess_ledger::{LockError, LockTable};
use tokio::runtime::Handle;

use crate::error::StoreError;
use crate::sqlite::{self, Connection};
use crate::store::{DATABASE, Store};

/// The lock table of a store. Must not be asked on a thread that drives async tasks.
pub struct Locks {
    connection: Mutex<Connection>,
    runtime: Handle,
}

impl std::fmt::Debug for Locks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Locks")
    }
}

impl Store {
    /// The lock table, over a connection of its own.
    pub async fn locks(&self) -> Result<Locks, StoreError> {
        Ok(Locks {
            connection: Mutex::new(self.connect().await?),
            runtime: Handle::current(),
        })
    }
}

/// The newest signed checkpoint of each log, by origin, as the database under `dir` has it; none
/// where there is no database. Changes nothing, and may be asked beside a running server.
pub async fn newest_checkpoints(dir: &Path) -> Result<BTreeMap<String, String>, StoreError> {
    let database = dir.join(DATABASE);
    if !database.exists() {
        return Ok(BTreeMap::new());
    }
    let mut connection = sqlite::look(&database).await?;
    let rows = sqlx::query_as("SELECT origin, note FROM ledger_locks");
    let rows: Vec<(String, String)> = rows.fetch_all(&mut connection).await?;
    Ok(rows.into_iter().collect())
}

impl Locks {
    /// Runs one statement to its end on this thread. What the statement needs is done by the
    /// connection's own thread, so that it ends also while the runtime is busy or stopping.
    fn ask<T>(
        &self,
        statement: impl AsyncFnOnce(&mut Connection) -> Result<T, sqlx::Error>,
    ) -> Result<T, LockError> {
        let mut connection = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.runtime
            .block_on(statement(&mut connection))
            .map_err(|cause| LockError::Failed(cause.to_string()))
    }
}

impl LockTable for Locks {
    fn load(&self, origin: &str) -> Result<Option<String>, LockError> {
        self.ask(async |connection| {
            sqlx::query_scalar("SELECT note FROM ledger_locks WHERE origin = $1")
                .bind(origin)
                .fetch_optional(connection)
                .await
        })
    }

    /// One statement, so one transaction: durable on return, because the database is opened with
    /// `synchronous=FULL`.
    fn compare_and_swap(
        &self,
        origin: &str,
        old: Option<&str>,
        new: &str,
    ) -> Result<(), LockError> {
        let moved = self.ask(async |connection| {
            let statement = match old {
                None => sqlx::query(
                    "INSERT INTO ledger_locks (origin, note) VALUES ($1, $2)
                     ON CONFLICT (origin) DO NOTHING",
                ),
                Some(_) => {
                    sqlx::query("UPDATE ledger_locks SET note = $2 WHERE origin = $1 AND note = $3")
                }
            };
            let statement = statement.bind(origin).bind(new);
            let statement = match old {
                None => statement,
                Some(old) => statement.bind(old),
            };
            let done = statement.execute(connection).await?;
            Ok(done.rows_affected() == 1)
        })?;
        if moved { Ok(()) } else { Err(LockError::Moved) }
    }
}
