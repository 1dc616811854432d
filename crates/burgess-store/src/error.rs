//! What can go wrong with the state, and what to do about it.
//!
//! Not here: why a commit is refused, which is `tx::CommitError`.

use std::path::PathBuf;

use burgess_core::digest::Digest;

/// The data folder cannot be read or written as asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process holds the folder.
    #[error(
        "`{0}` is in use by another server: stop it, or start this one with another --data folder"
    )]
    InUse(PathBuf),
    /// Somebody reads an older state for longer than is waited.
    #[error(
        "the database is being read by somebody who does not end: stop copying it, then try again"
    )]
    Busy,
    /// A file or folder could not be opened, read or written.
    #[error("`{path}` cannot be used: {source}; check that it exists, is writable and has space")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The database refused.
    #[error("the database refused: {0}; run `burgess doctor` to check the data folder")]
    Database(#[from] sqlx::Error),
    /// A newer version of the program wrote this folder.
    #[error(
        "the data folder has schema version {found}, this program knows {known}: start the newer program, or restore a backup made before the upgrade"
    )]
    NewerSchema {
        /// Version in the folder.
        found: i64,
        /// Newest version that this program can read.
        known: i64,
    },
    /// A stored record cannot be read back.
    #[error(
        "the record `{id}` in `{table}` cannot be read: {why}; restore it from a backup and tell who runs the server"
    )]
    Damaged {
        /// Table.
        table: &'static str,
        /// Key of the record.
        id: String,
        /// What is wrong with it.
        why: String,
    },
    /// A blob's bytes are not those that its name promises.
    #[error("the blob `{0}` has changed on disk: restore it from a backup")]
    BlobDamaged(Digest),
    /// Too large for a blob.
    #[error(
        "{size} bytes are too many: at most {max} are kept in one file, so split it or leave out what is not needed"
    )]
    BlobTooLarge {
        /// Bytes offered.
        size: usize,
        /// Bytes taken.
        max: usize,
    },
    /// A number does not fit.
    #[error("`{0}` is out of range for the database: use a smaller number")]
    OutOfRange(u64),
}

impl StoreError {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn damaged(table: &'static str, id: &str, why: impl ToString) -> Self {
        Self::Damaged {
            table,
            id: id.to_owned(),
            why: why.to_string(),
        }
    }
}
