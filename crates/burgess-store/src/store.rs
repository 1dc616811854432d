//! The store: one data folder, held by one server.
//!
//! Reads are the nouns' own files; writes are `tx`. Not here: HTTP, rules, keys.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burgess_core::time::Timestamp;
use tokio::sync::Notify;

use crate::blobs::Blobs;
use crate::error::StoreError;
use crate::outbox::OutboxLimit;
use crate::sqlite::{self, Pool};

/// Name of the lock in the data folder.
const LOCK: &str = "burgess.lock";
/// Name of the database.
pub(crate) const DATABASE: &str = "burgess.db";
/// Name of the folder of blobs.
const BLOBS: &str = "blobs";

/// The state of one organisation. Cheap to clone; all clones are the same store.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
    outbox_limit: OutboxLimit,
}

#[derive(Debug)]
struct Inner {
    writer: Pool,
    readers: Pool,
    database: PathBuf,
    blobs: Blobs,
    filled: Notify,
    /// Held as long as the store is open; the operating system frees it when the process dies.
    _lock: File,
}

impl Store {
    /// Opens the data folder, making it when it is missing, and brings its tables up to date.
    /// The folder is held until the last clone is gone; a second server is refused.
    pub async fn open(dir: &Path, now: Timestamp) -> Result<Self, StoreError> {
        std::fs::create_dir_all(dir).map_err(StoreError::io(dir))?;
        let lock = lock(dir)?;
        let blobs = Blobs::open(dir.join(BLOBS))?;
        let database = dir.join(DATABASE);
        let (writer, readers) = sqlite::open(&database, now).await?;
        Ok(Self {
            inner: Arc::new(Inner {
                writer,
                readers,
                database,
                blobs,
                filled: Notify::new(),
                _lock: lock,
            }),
            outbox_limit: OutboxLimit::default(),
        })
    }

    /// The same store with another limit on how far the ledger may fall behind.
    pub fn with_outbox_limit(self, outbox_limit: OutboxLimit) -> Self {
        Self {
            outbox_limit,
            ..self
        }
    }

    /// The blobs.
    pub fn blobs(&self) -> &Blobs {
        &self.inner.blobs
    }

    /// Finishes all reads and writes and closes the database. Clones answer errors afterwards.
    pub async fn close(&self) {
        self.inner.readers.close().await;
        self.inner.writer.close().await;
    }

    /// Copies the database, as of now, into a new file: what a backup takes. Blobs never change,
    /// so copying their folder afterwards completes it. Answers kept for retries are left out: they are
    /// for a day, and no erasure would reach them in a copy.
    pub async fn copy_database(&self, to: &Path) -> Result<(), StoreError> {
        let mut unfinished = to.as_os_str().to_owned();
        unfinished.push(".part");
        let unfinished = PathBuf::from(unfinished);
        match std::fs::remove_file(&unfinished) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::io(&unfinished)(e));
            }
            _ => {}
        }
        sqlx::query("VACUUM INTO $1")
            .bind(unfinished.to_string_lossy().into_owned())
            .execute(self.writer())
            .await?;
        let mut copy = sqlite::connect_to_copy(&unfinished).await?;
        sqlx::query("DELETE FROM idempotency")
            .execute(&mut copy)
            .await?;
        sqlx::Connection::close(copy).await?;
        std::fs::rename(&unfinished, to).map_err(StoreError::io(to))
    }

    /// What SQLite's own check of the file says; empty when all is well.
    pub async fn check_database(&self) -> Result<Vec<String>, StoreError> {
        let lines: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check")
            .fetch_all(self.readers())
            .await?;
        Ok(lines.into_iter().filter(|line| line != "ok").collect())
    }

    pub(crate) async fn connect(&self) -> Result<sqlite::Connection, StoreError> {
        sqlite::connect(&self.inner.database).await
    }

    pub(crate) fn writer(&self) -> &Pool {
        &self.inner.writer
    }

    pub(crate) fn readers(&self) -> &Pool {
        &self.inner.readers
    }

    pub(crate) fn filled(&self) -> &Notify {
        &self.inner.filled
    }

    pub(crate) const fn outbox_limit(&self) -> OutboxLimit {
        self.outbox_limit
    }
}

fn lock(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join(LOCK);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(StoreError::io(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse(dir.to_owned())),
        Err(TryLockError::Error(source)) => Err(StoreError::Io { path, source }),
    }
}
