//! Pruning: the entries of a log's beginning, and the side values beside them, are removed for
//! good. Hash tiles, checkpoint and key stay, so every receipt and every root still verifies.
//! <https://c2sp.org/tlog-tiles#pruning>
//!
//! The mark is written before anything is removed, and opening finishes what a crash cut short.
//! Not here: whether the entries are due, and who says so; that is the caller's written policy.

use crate::disk::Disk;
use crate::marks::{self, PRUNED, Pruned};
use crate::sequencer::AppendError;
use crate::shard::Ledger;
use crate::side;
use crate::tile::{Kind, TILE_WIDTH, TileId, grouped};
use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::Ordering;

/// Where entry bundles lie.
const ENTRIES: &str = "tile/entries";

/// Why nothing was pruned.
#[derive(Debug, thiserror::Error)]
pub enum PruneError {
    /// Not a place where a log can be cut.
    #[error(
        "entries before {wanted} cannot be pruned: take a multiple of {TILE_WIDTH} below {size}, or all {size} of a sealed shard"
    )]
    Place {
        /// The index asked for.
        wanted: u64,
        /// Entries under the published checkpoint.
        size: u64,
    },
    /// The policy cannot be named in the mark.
    #[error("`{0}` cannot name a retention policy, give its digest")]
    Policy(String),
    /// What write-ahead segments still hold could not be cleared.
    #[error(transparent)]
    Writer(#[from] AppendError),
    /// Storage failed; opening the shard again finishes the work.
    #[error("`{file}`: {cause}, open the ledger again to finish pruning")]
    Io {
        /// Name relative to the ledger's folder.
        file: &'static str,
        /// The operating system's answer.
        cause: io::Error,
    },
}

/// What pruning did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freed {
    /// The first entry that is still there.
    pub minimum_index: u64,
    /// Bytes of bundles and side files that are gone.
    pub bytes: u64,
}

impl Ledger {
    /// The first entry that is still there; 0 where nothing was pruned.
    #[must_use]
    pub fn minimum_index(&self) -> u64 {
        self.core.minimum.load(Ordering::Acquire)
    }

    /// The pruning mark, if there is one.
    ///
    /// # Errors
    /// The storage's answer, and `InvalidData` for a damaged mark.
    pub fn pruned(&self) -> io::Result<Option<Pruned>> {
        read_mark(&*self.core.disk)
    }

    /// Removes all entries before `minimum_index` under the written retention policy that `policy`
    /// names. The entries of a whole shard go only when it is sealed. Idempotent; never goes back.
    /// Blocks for file access.
    ///
    /// # Errors
    /// [`PruneError`]. After [`PruneError::Io`] the mark may stand already; opening goes on from it.
    pub fn prune(&self, minimum_index: u64, policy: &str) -> Result<Freed, PruneError> {
        let size = self.checkpoint().checkpoint.size;
        let whole = self.is_sealed() && minimum_index == size;
        let aligned = minimum_index.is_multiple_of(TILE_WIDTH) && minimum_index < size;
        if !whole && !aligned {
            let wanted = minimum_index;
            return Err(PruneError::Place { wanted, size });
        }
        if !marks::policy_is_usable(policy) {
            return Err(PruneError::Policy(policy.to_owned()));
        }
        let _turn = self.core.folder_turn();
        let before = self.minimum_index();
        if minimum_index <= before {
            // An earlier call may have failed after its mark.
            let bytes = remove_rest(&*self.core.disk, before, size);
            return Ok(Freed {
                minimum_index: before,
                bytes: bytes.map_err(|cause| PruneError::Io {
                    file: ENTRIES,
                    cause,
                })?,
            });
        }
        let mark = Pruned {
            minimum_index,
            policy: policy.to_owned(),
        };
        let failed = |file| move |cause| PruneError::Io { file, cause };
        if !self.is_sealed() {
            self.mark_segments()?;
        }
        // The commit point: from here on the entries count as gone.
        marks::put(&*self.core.disk, PRUNED, &mark.encode()).map_err(failed(PRUNED))?;
        self.core.minimum.fetch_max(minimum_index, Ordering::AcqRel);
        let bytes =
            remove(&*self.core.disk, before, minimum_index, size).map_err(failed(ENTRIES))?;
        if !self.is_sealed() {
            self.clear_segments()?;
        }
        Ok(Freed {
            minimum_index,
            bytes,
        })
    }
}

pub(crate) fn read_mark(disk: &dyn Disk) -> io::Result<Option<Pruned>> {
    let bad = |what| io::Error::new(io::ErrorKind::InvalidData, what);
    marks::get(disk, PRUNED)?
        .map(|bytes| Pruned::decode(&bytes).map_err(bad))
        .transpose()
}

/// Finishes what a crash cut short. Answers the first entry that is there.
pub(crate) fn finish(disk: &dyn Disk, size: u64) -> io::Result<u64> {
    let Some(mark) = read_mark(disk)? else {
        return Ok(0);
    };
    if mark.minimum_index > size {
        let what = format!("`{PRUNED}` says {} of {size} entries", mark.minimum_index);
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    remove_rest(disk, mark.minimum_index, size)?;
    Ok(mark.minimum_index)
}

/// Removes what is left of the entries before `minimum`: the last bundle goes when the others are
/// durably gone, so it tells of them. Answers the bytes.
fn remove_rest(disk: &dyn Disk, minimum: u64, size: u64) -> io::Result<u64> {
    let Some(last) = minimum.checked_sub(1).map(|last| last / TILE_WIDTH) else {
        return Ok(0);
    };
    let left = |name: &str| match disk.size(name) {
        Ok(_) => Ok(true),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(cause) => Err(cause),
    };
    let files = bundle_files(last, size);
    if left(&side::path(last))? || left(&files.0)? || left(&files.1)? {
        return remove(disk, 0, minimum, size);
    }
    Ok(0)
}

/// The full form of a bundle, and the folder of its partial forms.
fn bundle_files(n: u64, size: u64) -> (String, String) {
    let width = TILE_WIDTH;
    let id = TileId {
        kind: Kind::Entries,
        n,
        width,
    };
    let partial = TileId::at(Kind::Entries, n, size).filter(|id| id.width < width);
    (
        id.path(),
        partial.map_or_else(|| id.partial_folder(), |id| id.path()),
    )
}

/// Removes bundles and side files of the entries from `from` to `to`; answers their bytes. The last
/// one goes when the others are durably gone, so that it tells of them.
fn remove(disk: &dyn Disk, from: u64, to: u64, size: u64) -> io::Result<u64> {
    let mut bytes = 0;
    let mut folders = BTreeSet::new();
    let end = to.div_ceil(TILE_WIDTH);
    for n in from / TILE_WIDTH..end {
        if n + 1 == end {
            sync_folders(disk, &folders)?;
        }
        let (full, partial) = bundle_files(n, size);
        let partials = TileId {
            kind: Kind::Entries,
            n,
            width: TILE_WIDTH,
        }
        .partial_folder();
        for name in [&full, &partial, &side::path(n)] {
            bytes += match disk.size(name) {
                Ok(bytes) => bytes,
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => 0,
                Err(cause) => return Err(cause),
            };
        }
        // The side file last: `finish` looks at it, too.
        for name in [&partials, &full, &side::path(n)] {
            disk.remove(name)?;
        }
        let group = grouped(n);
        let group = group.rsplit_once('/').map_or("", |(group, _)| group);
        folders.insert(
            format!("{ENTRIES}/{group}")
                .trim_end_matches('/')
                .to_owned(),
        );
        folders.insert(format!("side/{group}").trim_end_matches('/').to_owned());
    }
    sync_folders(disk, &folders)?;
    Ok(bytes)
}

fn sync_folders(disk: &dyn Disk, folders: &BTreeSet<String>) -> io::Result<()> {
    folders
        .iter()
        .try_for_each(|folder| match disk.sync_folder(folder) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
            _ => Ok(()),
        })
}
