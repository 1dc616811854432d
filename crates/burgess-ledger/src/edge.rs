//! The right edge of the tree: everything that a new entry changes.
//!
//! Pure but for reading it back when a log is opened; the publisher puts in place what comes out.

use crate::disk::Disk;
use crate::group::{Entry, Group};
use crate::install::Installer;
use crate::side::{self, Named, SideFile};
use crate::state::Counters;
use crate::tile::{Kind, TILE_WIDTH, TileError, TileId, leaf_hashes, read_entries, read_hashes};
use crate::tree::{Hash, empty_root, root_of};
use std::io;

/// Levels of a tree of 2^64 entries in tiles of 2^8.
const LEVELS: u32 = 8;

pub(crate) struct Edge {
    pub(crate) size: u64,
    /// The unfinished tile of each level.
    levels: Vec<Vec<Hash>>,
    /// The unfinished bundle and its side file.
    bundle: Vec<u8>,
    side: SideFile,
}

impl Edge {
    /// The edge of a log of `size` entries, whose names are known to `counters`.
    pub(crate) fn read(
        disk: &dyn Disk,
        size: u64,
        counters: &mut Counters,
    ) -> Result<Self, TileError> {
        let mut read = |name: &str| disk.read(name);
        let mut levels = Vec::new();
        for level in 0..LEVELS {
            let items = size >> (8 * level);
            let id = TileId::at(Kind::Hashes(level), items / TILE_WIDTH, size);
            levels.push(match id {
                Some(id) => read_hashes(&mut read, &id)?.1,
                None => Vec::new(),
            });
        }
        let n = size / TILE_WIDTH;
        let mut edge = Self {
            size,
            levels,
            bundle: Vec::new(),
            side: SideFile::new(),
        };
        let Some(id) = TileId::at(Kind::Entries, n, size) else {
            return Ok(edge);
        };
        let (file, entries) = read_entries(&mut read, &id)?;
        if Some(&leaf_hashes(&entries)) != edge.levels.first() {
            let what = "its entries and the leaf hashes in `tile/0` differ".to_owned();
            return Err(TileError::Malformed {
                file,
                index: None,
                what,
            });
        }
        for entry in &entries {
            crate::group::put_short(&mut edge.bundle, entry);
        }
        read_side(disk, n, entries.len(), counters, &mut edge.side)?;
        Ok(edge)
    }

    /// Adds an entry and writes the tile or bundle that it completes; `before` entries are covered
    /// by the published checkpoint.
    pub(crate) fn push(
        &mut self,
        (group, entry): (&Group, &Entry),
        counters: &Counters,
        before: u64,
        installer: &mut Installer,
    ) -> io::Result<()> {
        self.bundle.extend_from_slice(group.framed_leaf(entry));
        let named = |id, number| Named {
            id,
            name: counters.names().get(id),
            number,
        };
        self.side.push(
            named(entry.source, entry.source_seq),
            named(entry.stream, entry.sequence),
            group.side(entry),
        );
        self.size += 1;
        if self.size.is_multiple_of(TILE_WIDTH) {
            let n = self.size / TILE_WIDTH - 1;
            installer.hand_over(&full(Kind::Entries, n).path(), &mut self.bundle)?;
            if n * TILE_WIDTH < before {
                self.write_side(n, before, installer)?;
            } else {
                installer.hand_over(&side::path(n), self.side.bytes_mut())?;
            }
            self.side.clear();
        }
        self.push_hash(entry.hash, installer)
    }

    fn push_hash(&mut self, mut hash: Hash, installer: &mut Installer) -> io::Result<()> {
        for (level, tile) in (0..).zip(&mut self.levels) {
            tile.push(hash);
            if tile.len() < 256 {
                break;
            }
            let n = (self.size >> (8 * level)) / TILE_WIDTH - 1;
            installer.write(&full(Kind::Hashes(level), n).path(), tile.as_flattened())?;
            hash = root_of(tile);
            tile.clear();
        }
        Ok(())
    }

    /// A side file that holds values of published entries is replaced as a whole.
    fn write_side(&self, n: u64, before: u64, installer: &mut Installer) -> io::Result<()> {
        let (name, bytes) = (side::path(n), self.side.bytes());
        if n * TILE_WIDTH < before {
            installer.stage(&name, bytes)
        } else {
            installer.write(&name, bytes)
        }
    }

    /// Writes the unfinished tiles that hold something a log of `before` entries did not have.
    pub(crate) fn write_partials(&self, before: u64, installer: &mut Installer) -> io::Result<()> {
        for (level, tile) in (0..).zip(&self.levels) {
            let items = self.size >> (8 * level);
            let kind = Kind::Hashes(level);
            let id = TileId::at(kind, items / TILE_WIDTH, self.size);
            if let Some(id) = id.filter(|_| before >> (8 * level) < items) {
                installer.write(&id.path(), tile.as_flattened())?;
            }
        }
        let n = self.size / TILE_WIDTH;
        let id = TileId::at(Kind::Entries, n, self.size);
        if let Some(id) = id.filter(|_| before < self.size) {
            installer.write(&id.path(), &self.bundle)?;
            self.write_side(n, before, installer)?;
        }
        Ok(())
    }

    /// The unfinished side file and its number.
    pub(crate) fn side(&mut self) -> (u64, &mut SideFile) {
        (self.size / TILE_WIDTH, &mut self.side)
    }

    /// Folders of the partial tiles of a log of `before` entries that are full by now.
    pub(crate) fn outgrown(&self, before: u64) -> impl Iterator<Item = String> {
        let size = self.size;
        let levels = (0..LEVELS).map(|level| (Kind::Hashes(level), 8 * level));
        let kinds = std::iter::once((Kind::Entries, 0)).chain(levels);
        kinds.filter_map(move |(kind, height)| {
            // Later ones came into being full, since then.
            let first = (before >> height) / TILE_WIDTH;
            let partial = !(before >> height).is_multiple_of(TILE_WIDTH);
            let outgrown = partial && first < (size >> height) / TILE_WIDTH;
            outgrown.then(|| full(kind, first).partial_folder())
        })
    }

    /// Every level's unfinished tile stands to the left of everything below it, which is smaller
    /// than one of its subtrees and therefore the odd one that is carried.
    pub(crate) fn root(&self) -> Hash {
        let mut below: Option<Hash> = None;
        for tile in &self.levels {
            let row: Vec<Hash> = tile.iter().copied().chain(below).collect();
            below = (!row.is_empty()).then(|| root_of(&row));
        }
        below.unwrap_or_else(empty_root)
    }
}

fn full(kind: Kind, n: u64) -> TileId {
    let width = TILE_WIDTH;
    TileId { kind, n, width }
}

/// Reads the first `count` entries of a side file into one that goes on. A file that was deleted
/// leaves blanks, so that the entries after it keep their places; one that is damaged is not
/// written over.
fn read_side(
    disk: &dyn Disk,
    n: u64,
    count: usize,
    counters: &mut Counters,
    file: &mut SideFile,
) -> Result<(), TileError> {
    let name = side::path(n);
    let entries = match disk.read(&name) {
        Ok(bytes) => side::decode(&bytes).filter(|entries| entries.len() >= count),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            (0..count).for_each(|_| file.push_unnumbered(&[]));
            return Ok(());
        }
        Err(cause) => return Err(TileError::Io { file: name, cause }),
    };
    let entries = entries.ok_or_else(|| TileError::Malformed {
        file: name,
        index: Some(n * TILE_WIDTH),
        what: "is damaged (without it the ledger would open, but its values were lost)".to_owned(),
    })?;
    *file = side::encode(entries.get(..count).unwrap_or_default(), |name| {
        counters.intern(name)
    });
    Ok(())
}
