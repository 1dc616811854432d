//! The lock table: where a log remembers its newest signed checkpoint outside its own folder.
//!
//! A folder can be put back to an older copy of itself, or be copied and opened twice, and look
//! whole each time. A log that first moves its entry in a table elsewhere cannot sign two histories:
//! the second one finds the entry moved. The product keeps the table in its database; the tests
//! keep it in memory and let it fail. Not here: what an opening does with what it finds, which is
//! `recovery`.

use std::fmt::Debug;
use std::sync::Arc;

/// Notes by origin. One row per log, moved only by [`LockTable::compare_and_swap`].
///
/// *Durability*: what a swap that returned `Ok` wrote survives the loss of power, and every later
/// [`LockTable::load`] finds it. *Atomicity*: a row holds one whole note or another; of two swaps
/// from the same note one succeeds at most. *Retry*: a swap that answered [`LockError::Failed`] may
/// have taken place, now or later. The ledger never repeats it: it stops writing, and the next
/// opening loads the row and finishes what it says.
///
/// Called from the ledger's own threads; may block.
pub trait LockTable: Debug + Send + Sync + 'static {
    /// The note that `origin` last moved to; `None` where it has no row.
    ///
    /// # Errors
    /// [`LockError::Failed`].
    fn load(&self, origin: &str) -> Result<Option<String>, LockError>;

    /// Moves the row of `origin` from the note `old` (`None`: it has no row) to `new`.
    ///
    /// # Errors
    /// [`LockError::Moved`] where it holds something else than `old`, and has not been changed;
    /// [`LockError::Failed`] where it is not known what it holds.
    fn compare_and_swap(&self, origin: &str, old: Option<&str>, new: &str)
    -> Result<(), LockError>;
}

/// Why a lock table did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// Another writer has moved the row.
    #[error(
        "the lock table holds another checkpoint than this log left there, stop the other server"
    )]
    Moved,
    /// The table could not be read or written.
    #[error("the lock table failed: {0}")]
    Failed(String),
}

/// A log's own row of a table, with the note that it holds.
pub(crate) struct Row {
    table: Arc<dyn LockTable>,
    origin: String,
    held: Option<String>,
}

impl Row {
    pub(crate) fn load(table: Arc<dyn LockTable>, origin: &str) -> Result<Self, LockError> {
        let held = table.load(origin)?;
        let origin = origin.to_owned();
        Ok(Self {
            table,
            origin,
            held,
        })
    }

    pub(crate) fn held(&self) -> Option<&str> {
        self.held.as_deref()
    }

    pub(crate) fn move_to(&mut self, note: &str) -> Result<(), LockError> {
        if self.held() == Some(note) {
            return Ok(());
        }
        self.table
            .compare_and_swap(&self.origin, self.held.as_deref(), note)?;
        self.held = Some(note.to_owned());
        Ok(())
    }
}
