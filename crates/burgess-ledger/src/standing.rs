//! Where a log stands by its own folder, compared with where the lock table says it stands.
//!
//! The table is trusted over the folder. What contradicts it is never signed again: the log stays
//! shut, with an error that names both sizes.

use crate::checkpoint::SignedCheckpoint;
use crate::recovery::OpenError;
use crate::tree::Hash;

/// What an opening has to do with the log's row.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is where the log is.
    Same,
    /// It is to be moved to where the log is: a log that begins, or a repair.
    Behind,
    /// The row was moved to this checkpoint, and then `state` was not written: it is to be finished.
    Ahead(SignedCheckpoint),
}

/// Compares the row with the log's own checkpoint. `durable` counts the entries that tiles and
/// write-ahead segments hold together; `root_at` answers the log's root over fewer entries than its
/// own checkpoint covers.
pub(crate) fn compare(
    row: Option<SignedCheckpoint>,
    own: &SignedCheckpoint,
    durable: u64,
    recovery: bool,
    root_at: impl FnOnce(u64) -> Result<Hash, OpenError>,
) -> Result<Standing, OpenError> {
    let log = own.checkpoint.size;
    let Some(row) = row else {
        return if durable == 0 || recovery {
            Ok(Standing::Behind)
        } else {
            Err(OpenError::LockMissing { log: durable })
        };
    };
    let table = row.checkpoint.size;
    if table > log {
        return if durable < table {
            Err(OpenError::LogBehind {
                log: durable,
                table,
            })
        } else {
            Ok(Standing::Ahead(row))
        };
    }
    let root = if table == log {
        own.checkpoint.root
    } else {
        root_at(table)?
    };
    if root != row.checkpoint.root {
        return Err(OpenError::LockOther { table });
    }
    match (table == log, recovery) {
        (true, _) => Ok(Standing::Same),
        (false, true) => Ok(Standing::Behind),
        (false, false) => Err(OpenError::LockBehind { log, table }),
    }
}
