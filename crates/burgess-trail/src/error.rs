//! What can go wrong with the index. The remedy is nearly always the same: rebuild it.

/// The index cannot be read or written as asked.
#[derive(Debug, thiserror::Error)]
pub enum TrailError {
    /// The database refused.
    #[error("the search index refused: {0}; delete the index file and rebuild it from the ledger")]
    Database(#[from] sqlx::Error),
    /// Entries were handed over with a gap.
    #[error(
        "the index has the entries of `{shard}` up to {expected}, but was handed {found} next: hand over the ones between"
    )]
    Gap {
        /// The shard.
        shard: String,
        /// The index that comes next.
        expected: u64,
        /// The index handed over.
        found: u64,
    },
    /// The same place of the ledger has another leaf than the index knows.
    #[error(
        "entry {index} of `{shard}` is not the one that the index has: verify the ledger with burgess-verify, then rebuild the index"
    )]
    OtherLeaf {
        /// The shard.
        shard: String,
        /// The index.
        index: u64,
    },
    /// A row cannot be read back.
    #[error(
        "a row of the search index cannot be read: {0}; delete the index file and rebuild it from the ledger"
    )]
    Damaged(String),
    /// Readers kept old pages alive beyond the time limit.
    #[error(
        "the search index is being read without a break, so that what was dropped may still stand in its write-ahead file: ask again, or restart"
    )]
    Held,
    /// An export could not be written.
    #[error("the export cannot be written: {0}; check the disk or the connection and ask again")]
    Write(#[from] std::io::Error),
}
