//! Checks a whole log from its published files, without I/O of its own and without trust in the
//! code that wrote them.
//!
//! The order makes the first complaint name the culprit. The tiles of the right edge give the root,
//! so a root that fits the signed one proves them. From there downwards every tile is compared with
//! the hash that an already proven tile holds for it, and at the bottom every entry with its proven
//! leaf hash.

use crate::checkpoint::SignedCheckpoint;
use crate::marks::{PRUNED, Pruned};
use crate::note::NoteVerifier;
use crate::tile::{
    Kind, TILE_WIDTH, TileError, TileId, leaf_hashes, node, read_entries, read_hashes, read_tile,
    split_entries,
};
use crate::tree::{Hash, empty_root, leaf_hash, range_root, root_of};
use std::io;

/// Levels of tiles that a log can have: 64 bits of size, 8 per level.
const LEVELS: u32 = 8;

/// The first thing that is wrong with a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {what}")]
pub struct Flaw {
    /// Name relative to the log's folder, or the name of the older checkpoint.
    pub file: String,
    /// The entry from which on it matters, where it can be told.
    pub index: Option<u64>,
    /// What is wrong.
    pub what: String,
}

impl From<TileError> for Flaw {
    fn from(error: TileError) -> Self {
        match error {
            TileError::Missing { file } => Self::new(file, None, "is missing"),
            TileError::Malformed { file, index, what } => Self { file, index, what },
            TileError::Io { file, cause } => {
                let what = format!("could not be read: {cause}");
                Self {
                    file,
                    index: None,
                    what,
                }
            }
        }
    }
}

impl Flaw {
    fn new(file: impl Into<String>, index: Option<u64>, what: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            index,
            what: what.into(),
        }
    }

    /// Of a file that begins with this entry, or with a hash above it.
    fn from_entry(error: TileError, first: u64) -> Self {
        let flaw = Self::from(error);
        Self {
            index: flaw.index.or(Some(first)),
            ..flaw
        }
    }
}

/// Checks the log that `read` gives access to: `checkpoint` under the given key, every hash tile,
/// every entry, and, given an older checkpoint, that the log only grew since. Answers what was
/// signed.
///
/// `read` answers the bytes of a file named as in C2SP `tlog-tiles`, or `NotFound`.
///
/// # Errors
/// The first [`Flaw`].
pub fn log(
    read: &mut impl FnMut(&str) -> io::Result<Vec<u8>>,
    verifier: &NoteVerifier,
    older: Option<&[u8]>,
) -> Result<SignedCheckpoint, Flaw> {
    let file = "checkpoint";
    let note = read(file).map_err(|cause| unread(file, &cause))?;
    let signed = SignedCheckpoint::open(&note, verifier)
        .map_err(|cause| Flaw::new(file, None, cause.to_string()))?;
    let older = older
        .map(|note| open_older(note, &signed, verifier))
        .transpose()?;
    let size = signed.checkpoint.size;
    let minimum = pruned(read, size)?.map_or(0, |mark| mark.minimum_index);
    let mut walk = Walk {
        read,
        size,
        minimum,
    };
    walk.tree(&signed.checkpoint.root)?;
    if let Some(older) = older {
        walk.continues(&older)?;
    }
    Ok(signed)
}

/// A file that could not be read.
pub(crate) fn unread(file: &str, cause: &io::Error) -> Flaw {
    match cause.kind() {
        io::ErrorKind::NotFound => Flaw::new(file, None, "is missing"),
        _ => Flaw::new(file, None, format!("could not be read: {cause}")),
    }
}

/// What the folder says was pruned of a log of `size` entries. It is the operator's word: the log
/// proves that the entries were there, not why they are not any more.
///
/// # Errors
/// A [`Flaw`] for a mark that no log of that size can have.
pub fn pruned(
    read: &mut impl FnMut(&str) -> io::Result<Vec<u8>>,
    size: u64,
) -> Result<Option<Pruned>, Flaw> {
    let bytes = match read(PRUNED) {
        Ok(bytes) => bytes,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(unread(PRUNED, &cause)),
    };
    let mark = Pruned::decode(&bytes).map_err(|what| Flaw::new(PRUNED, None, what))?;
    let whole = mark.minimum_index == size;
    if mark.minimum_index > size || !(whole || mark.minimum_index.is_multiple_of(TILE_WIDTH)) {
        let what = format!(
            "says that {} of {size} entries are gone",
            mark.minimum_index
        );
        return Err(Flaw::new(PRUNED, None, what));
    }
    Ok(Some(mark))
}

const OLDER: &str = "older checkpoint";

fn open_older(
    note: &[u8],
    signed: &SignedCheckpoint,
    verifier: &NoteVerifier,
) -> Result<SignedCheckpoint, Flaw> {
    let older = SignedCheckpoint::open(note, verifier)
        .map_err(|cause| Flaw::new(OLDER, None, cause.to_string()))?;
    let (old, size) = (older.checkpoint.size, signed.checkpoint.size);
    if old > size {
        let what = format!("covers {old} entries, the log has {size}: the newest were cut off");
        return Err(Flaw::new("checkpoint", Some(size), what));
    }
    Ok(older)
}

struct Walk<'r, R> {
    read: &'r mut R,
    size: u64,
    /// Entries before this one are gone, as the operator says; their hashes are not.
    minimum: u64,
}

/// A tile that was read.
struct Tile {
    id: TileId,
    level: u32,
    file: String,
    hashes: Vec<Hash>,
}

impl Tile {
    /// The first entry under the `at`th hash.
    fn first_entry(&self, at: u64) -> u64 {
        (self.id.n * TILE_WIDTH + at) << (8 * self.level)
    }
}

impl<R: FnMut(&str) -> io::Result<Vec<u8>>> Walk<'_, R> {
    fn tree(&mut self, root: &Hash) -> Result<(), Flaw> {
        let mut edge = Vec::new();
        for level in 0..LEVELS {
            let n = (self.size >> (8 * level)) / TILE_WIDTH;
            if let Some(id) = TileId::at(Kind::Hashes(level), n, self.size) {
                edge.push(self.tile(level, id)?);
            }
        }
        if edge_root(&edge) != *root {
            return Err(self.edge_flaw(&edge));
        }
        edge.iter().rev().try_for_each(|tile| self.below(tile))
    }

    fn tile(&mut self, level: u32, id: TileId) -> Result<Tile, Flaw> {
        let first = (id.n * TILE_WIDTH) << (8 * level);
        let (file, hashes) =
            read_hashes(self.read, &id).map_err(|error| Flaw::from_entry(error, first))?;
        Ok(Tile {
            id,
            level,
            file,
            hashes,
        })
    }

    /// Everything under a tile whose own hashes are proven.
    fn below(&mut self, tile: &Tile) -> Result<(), Flaw> {
        if tile.level == 0 {
            return self.entries(tile);
        }
        for (at, hash) in (0..).zip(&tile.hashes) {
            let n = tile.id.n * TILE_WIDTH + at;
            let child = self.full(tile.level - 1, n)?;
            if root_of(&child.hashes) != *hash {
                return Err(self.child_flaw(&child, tile));
            }
            self.below(&child)?;
        }
        Ok(())
    }

    fn full(&mut self, level: u32, n: u64) -> Result<Tile, Flaw> {
        self.tile(
            level,
            TileId {
                kind: Kind::Hashes(level),
                n,
                width: TILE_WIDTH,
            },
        )
    }

    /// The bundle of a level 0 tile whose hashes are proven.
    fn entries(&mut self, tile: &Tile) -> Result<(), Flaw> {
        let id = TileId {
            kind: Kind::Entries,
            ..tile.id
        };
        if tile.first_entry(tile.id.width) <= self.minimum {
            return Ok(());
        }
        let named = |error| Flaw::from_entry(error, tile.first_entry(0));
        let (file, bytes) = read_tile(self.read, &id).map_err(named)?;
        let entries = split_entries(&file, &bytes, &id).map_err(named)?;
        let hashes: Vec<Hash> = entries.into_iter().map(leaf_hash).collect();
        match difference(&hashes, &tile.hashes) {
            Some(at) => {
                let index = tile.first_entry(at);
                let what = format!("entry {index} differs from its leaf hash");
                Err(Flaw::new(file, Some(index), what))
            }
            None => Ok(()),
        }
    }

    /// The hashes that what lies under a tile gives, as far as it can be read.
    fn hashes_below(&mut self, tile: &Tile) -> Vec<Hash> {
        if tile.level == 0 {
            let id = TileId {
                kind: Kind::Entries,
                ..tile.id
            };
            return read_entries(self.read, &id)
                .map(|(_, e)| leaf_hashes(&e))
                .unwrap_or_default();
        }
        let children = (0..tile.id.width).map_while(|at| {
            let child = self
                .full(tile.level - 1, tile.id.n * TILE_WIDTH + at)
                .ok()?;
            Some(root_of(&child.hashes))
        });
        children.collect()
    }

    /// A full tile does not give the proven hash that its parent holds for it.
    fn child_flaw(&mut self, child: &Tile, parent: &Tile) -> Flaw {
        let below = self.hashes_below(child);
        let at = difference(&below, &child.hashes).filter(|at| *at < child.id.width);
        let index = child.first_entry(at.unwrap_or(0));
        let what = match at {
            Some(at) => format!("hash {at} (entry {index}) differs from what lies below it"),
            None => format!("differs from the hash that `{}` holds for it", parent.file),
        };
        Flaw::new(child.file.clone(), Some(index), what)
    }

    /// The tiles of the right edge do not give the signed root: the first that what lies below it
    /// contradicts is named, or the checkpoint if none is.
    fn edge_flaw(&mut self, edge: &[Tile]) -> Flaw {
        for tile in edge {
            let below = self.hashes_below(tile);
            if let Some(at) = difference(&below, &tile.hashes) {
                let index = tile.first_entry(at);
                let what = format!("hash {at} (entry {index}) differs from what lies below it");
                return Flaw::new(tile.file.clone(), Some(index), what);
            }
        }
        Flaw::new("checkpoint", None, "its root is not that of the tiles")
    }

    /// The log continues an older checkpoint. The tiles are proven by now.
    fn continues(&mut self, older: &SignedCheckpoint) -> Result<(), Flaw> {
        let (old, size) = (older.checkpoint.size, self.size);
        let root = range_root(0, old, &mut |height, n| node(self.read, size, height, n))?;
        if root != older.checkpoint.root {
            let what = format!("the log's first {old} entries are not those that it signed");
            return Err(Flaw::new(OLDER, None, what));
        }
        Ok(())
    }
}

/// The root that the unfinished tiles of all levels give, lowest level first.
fn edge_root(edge: &[Tile]) -> Hash {
    let mut below = None;
    for tile in edge {
        let row: Vec<Hash> = tile.hashes.iter().copied().chain(below).collect();
        below = Some(root_of(&row));
    }
    below.unwrap_or_else(empty_root)
}

/// The first position where two rows of hashes differ; a missing one differs.
fn difference(left: &[Hash], right: &[Hash]) -> Option<u64> {
    let same = left
        .iter()
        .zip(right)
        .take_while(|(left, right)| left == right)
        .count();
    (same < left.len().max(right.len())).then(|| u64::try_from(same).unwrap_or(u64::MAX))
}
