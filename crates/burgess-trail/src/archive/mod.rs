//! The archive: sealed days of the ledger as Parquet files, for whoever asks questions of years.
//!
//! A file holds what the ledger holds: the leaf bytes with their hash, and the sealed personal
//! values as the opaque bytes that they are. A few open fields stand beside them as columns, so
//! that DuckDB, ClickHouse, Trino or Spark skip what a question does not concern; all of them can
//! be read out of the leaf again. A file ends where a signed checkpoint ends, so a folder proves
//! itself without the ledger. Not here: keys, plaintext of personal fields, clocks, and the bucket
//! that a file may be sent to.

mod columns;
mod file;
mod folder;
mod frontier;
mod manifest;
mod manifest_file;
mod verify;

use std::path::{Path, PathBuf};

use burgess_ledger::Hash;

pub use file::{Reader, blank, read};
pub use folder::{Folder, Source};
pub use manifest::{FORMAT, Manifest, Sealed};
pub use verify::{Verified, verify, verify_all};

/// One row: an entry of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its index in the shard, from 0.
    pub index: u64,
    /// Its RFC 6962 leaf hash.
    pub leaf_hash: Hash,
    /// Its bytes in the ledger.
    pub leaf: Vec<u8>,
    /// Its side value as it was sealed; empty where there is none or it was erased.
    pub sealed: Vec<u8>,
}

/// What a file says of itself, in its own metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Origin of the log shard.
    pub origin: String,
    /// Index of the first entry.
    pub first: u64,
    /// Index of the last entry.
    pub last: u64,
    /// The signed checkpoint that ends right after the last entry, as it was published.
    pub checkpoint: String,
    /// Sealed values that erasures have taken out of it; 0 also where an earlier version did.
    pub erased: u64,
}

/// The archive cannot be written, read or believed.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A file cannot be read or written.
    #[error("`{}` cannot be used: {cause}; check the disk and the folder's rights", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// Not Parquet, or not any more.
    #[error("`{}` is damaged: {what}; take it from a copy, or archive that range again from the ledger", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Another leaf than its hash says.
    #[error("entry {index} in `{}` has not the leaf hash that stands beside it: take the file from a copy", file.display())]
    Leaf {
        /// The file.
        file: PathBuf,
        /// The entry.
        index: u64,
    },
    /// Rows are missing, doubled or in another order.
    #[error("`{}` has entry {found} where entry {expected} belongs: take the file from a copy", file.display())]
    Order {
        /// The file.
        file: PathBuf,
        /// The index that belongs there.
        expected: u64,
        /// The one that stands there.
        found: u64,
    },
    /// Other bytes than those that the manifest was written for: rewriting them would make them look sound.
    #[error("`{}` is damaged: its digest is not the one in the `.json` beside it; put the file with that SHA-256 in its place, from the bucket or a backup", .0.display())]
    Rotten(PathBuf),
    /// Another file than the one that the manifest was written for.
    #[error("`{}` has {length} bytes, its manifest says {said}: take the file with that digest from the bucket; one from before an erasure is not taken back", file.display())]
    OtherFile {
        /// The file.
        file: PathBuf,
        /// Its length.
        length: u64,
        /// The length that it had.
        said: u64,
    },
    /// A manifest whose file is gone.
    #[error("`{}` is missing, and no bucket has it: put it back from a copy", .0.display())]
    Missing(PathBuf),
    /// The files do not follow one another.
    #[error("`{}` begins with entry {found}, the archive goes on with entry {expected}: put the files between them back", file.display())]
    Gap {
        /// The file after the gap.
        file: PathBuf,
        /// The index that comes next.
        expected: u64,
        /// The index it begins with.
        found: u64,
    },
    /// The leaves are not those that the checkpoint was signed over.
    #[error("the entries up to the end of `{}` do not have the root that its checkpoint was signed over: compare with the ledger by burgess-verify", .0.display())]
    Root(PathBuf),
    /// The checkpoint is not signed by the key given.
    #[error("the checkpoint in `{}` cannot be believed: {cause}", file.display())]
    Checkpoint {
        /// The file.
        file: PathBuf,
        /// Why.
        cause: burgess_ledger::NoteError,
    },
    /// What is to be archived could not be had.
    #[error("the entries to archive cannot be read: {0}")]
    Source(String),
}

impl ArchiveError {
    fn io(file: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let file = file.to_owned();
        move |cause| Self::Io { file, cause }
    }

    fn damaged(file: &Path, what: impl std::fmt::Display) -> Self {
        Self::Damaged {
            file: file.to_owned(),
            what: what.to_string(),
        }
    }
}
