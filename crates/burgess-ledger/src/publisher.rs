//! Turns acknowledged entries into bundles, hash tiles and a signed checkpoint, behind the
//! sequencer's back and in this order:
//!
//! 1. tiles, bundles and side files, each whole and durable under its name,
//! 2. the log's row in the lock table, if it has one, moved to the signed checkpoint: the commit
//!    point,
//! 3. `state`, which holds the signed checkpoint and the counters at its size: the commit point of
//!    a log without a lock table,
//! 4. `checkpoint`, what the world reads.
//!
//! Everything written before step 2 is a pure function of acknowledged entries, so writing it again
//! after a crash gives the same bytes. A tile that a published checkpoint needs is never written
//! again: only what holds a new entry is.

use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::disk::{Disk, Installer};
use crate::leaf::{Record, put_bytes};
use crate::locks::{LockError, Row};
use crate::note::{NoteError, NoteSigner};
use crate::rewriting::{SideValues, Unfinished, rewrite};
use crate::side;
use crate::state::{self, Counters};
use crate::tile::{Kind, TILE_WIDTH, TileError, TileId, read_entries, read_hashes};
use crate::tree::{Hash, empty_root, root_of};
use crate::waiting::{Shared, Work};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Files of one step at most: a long backlog is put in place piece by piece.
const STEP_FILES_MAX: usize = 256;

pub(crate) struct Publisher {
    disk: Arc<dyn Disk>,
    signer: NoteSigner,
    installer: Installer,
    edge: Edge,
    row: Option<Row>,
}

/// The right edge of the tree: everything that a new entry changes.
struct Edge {
    size: u64,
    /// The unfinished tile of each level.
    levels: Vec<Vec<Hash>>,
    /// The unfinished bundle and its side file.
    bundle: Vec<u8>,
    side: Vec<u8>,
}

impl Publisher {
    /// Opens on the edge of a log of `size` entries.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        signer: NoteSigner,
        size: u64,
        row: Option<Row>,
    ) -> Result<Self, TileError> {
        let installer = Installer::new(disk.clone()).map_err(|cause| TileError::Io {
            file: "tmp".to_owned(),
            cause,
        })?;
        let edge = Edge::read(&*disk, size)?;
        Ok(Self {
            disk,
            signer,
            installer,
            edge,
            row,
        })
    }

    /// The root that the tiles on disk give.
    pub(crate) fn root(&self) -> Hash {
        self.edge.root()
    }

    /// Works until the sequencer has ended and everything is published, or storage fails.
    pub(crate) fn run(mut self, shared: &Shared, interval: Duration) {
        while let Some(work) = shared.wait_for_work(interval) {
            if !work.records.is_empty() {
                match self.publish(&work) {
                    Ok(checkpoint) => shared.now_published(checkpoint),
                    Err(cause) => shared.fail(&format!("publication: {cause}")),
                }
            }
            for order in work.rewrites {
                let done = self.rewrite_sides(&order.values);
                if let Err(cause) = &done {
                    shared.fail(&format!("side file: {cause}"));
                }
                drop(order.answer.send(done)); // who ordered it may have stopped waiting
            }
        }
    }

    /// Replaces side values of published entries.
    fn rewrite_sides(&mut self, values: &SideValues) -> io::Result<u64> {
        let unfinished = Unfinished {
            n: self.edge.size / TILE_WIDTH,
            bytes: &mut self.edge.side,
        };
        rewrite(&mut self.installer, &*self.disk, values, Some(unfinished))
    }

    /// Puts the entries in place and publishes the checkpoint that covers them.
    pub(crate) fn publish(&mut self, work: &Work) -> io::Result<SignedCheckpoint> {
        let before = self.edge.size;
        self.place(&work.records)?;
        let origin = self.signer.name().to_owned();
        let checkpoint = Checkpoint {
            origin,
            size: self.edge.size,
            root: self.edge.root(),
        };
        let signed = self.sign(checkpoint).map_err(io::Error::other)?;
        self.commit(before, &signed, &work.counters)?;
        Ok(signed)
    }

    /// Makes tiles, bundles and side files of the entries durable.
    pub(crate) fn place(&mut self, records: &[Arc<Record>]) -> io::Result<()> {
        let before = self.edge.size;
        let mut files = Vec::new();
        for record in records {
            self.edge.push(record, &mut files);
            if files.len() >= STEP_FILES_MAX {
                self.installer.install(&files)?;
                files.clear();
            }
        }
        self.edge.partials(before, &mut files);
        self.installer.install(&files)
    }

    /// Publishes a signed checkpoint whose tiles are in place, after one of `before` entries.
    pub(crate) fn commit(
        &mut self,
        before: u64,
        signed: &SignedCheckpoint,
        counters: &Counters,
    ) -> io::Result<()> {
        self.lock(signed).map_err(io::Error::other)?;
        let counters = state::encode(counters, signed);
        self.installer
            .install(&[(state::FILE.to_owned(), counters)])?;
        self.announce(signed)?;
        self.forget_partials(before)
    }

    /// Moves the log's row to a signed checkpoint.
    pub(crate) fn lock(&mut self, signed: &SignedCheckpoint) -> Result<(), LockError> {
        match &mut self.row {
            Some(row) => row.move_to(&signed.note),
            None => Ok(()),
        }
    }

    pub(crate) fn sign(&self, checkpoint: Checkpoint) -> Result<SignedCheckpoint, NoteError> {
        checkpoint.sign(&self.signer)
    }

    /// Writes `checkpoint` from what `state` holds.
    pub(crate) fn announce(&mut self, signed: &SignedCheckpoint) -> io::Result<()> {
        let note = signed.note.clone().into_bytes();
        self.installer.install(&[("checkpoint".to_owned(), note)])
    }

    /// Puts one file of the ledger's folder in place.
    pub(crate) fn put(&mut self, name: &str, bytes: Vec<u8>) -> io::Result<()> {
        self.installer.install(&[(name.to_owned(), bytes)])
    }

    /// Removes the partial forms of tiles that have become full: the published checkpoint is
    /// served by the full ones, and a reader of an older checkpoint falls back to them.
    fn forget_partials(&mut self, before: u64) -> io::Result<()> {
        let mut kinds = vec![Kind::Entries];
        kinds.extend((0..8).map(Kind::Hashes));
        for kind in kinds {
            let height = if let Kind::Hashes(level) = kind {
                level * 8
            } else {
                0
            };
            let first = (before >> height) / TILE_WIDTH;
            let full = (self.edge.size >> height) / TILE_WIDTH;
            if first < full {
                // Later ones came into being full, within this publication.
                let id = TileId {
                    kind,
                    n: first,
                    width: TILE_WIDTH,
                };
                self.disk.remove(&id.partial_folder())?;
            }
        }
        Ok(())
    }
}

impl Edge {
    fn read(disk: &dyn Disk, size: u64) -> Result<Self, TileError> {
        let mut read = |name: &str| disk.read(name);
        let mut levels = Vec::new();
        for level in 0..8 {
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
            side: side::begin(),
        };
        let Some(id) = TileId::at(Kind::Entries, n, size) else {
            return Ok(edge);
        };
        let (file, entries) = read_entries(&mut read, &id)?;
        if Some(&crate::tile::leaf_hashes(&entries)) != edge.levels.first() {
            let what = "its entries and the leaf hashes in `tile/0` differ".to_owned();
            return Err(TileError::Malformed {
                file,
                index: None,
                what,
            });
        }
        for entry in &entries {
            push_entry(&mut edge.bundle, entry);
        }
        edge.side = side_prefix(disk, n, entries.len())?;
        Ok(edge)
    }

    /// Adds an entry; a tile or bundle that it completes goes to `files`.
    fn push(&mut self, record: &Record, files: &mut Vec<(String, Vec<u8>)>) {
        push_entry(&mut self.bundle, &record.leaf);
        side::push(&mut self.side, record);
        let n = self.size / TILE_WIDTH;
        self.size += 1;
        if self.size.is_multiple_of(TILE_WIDTH) {
            let id = TileId {
                kind: Kind::Entries,
                n,
                width: TILE_WIDTH,
            };
            files.push((id.path(), std::mem::take(&mut self.bundle)));
            files.push((
                side::path(n),
                std::mem::replace(&mut self.side, side::begin()),
            ));
        }
        let mut hash = record.leaf_hash;
        for (level, tile) in (0..).zip(&mut self.levels) {
            tile.push(hash);
            if tile.len() < 256 {
                return;
            }
            let n = (self.size >> (8 * level)) / TILE_WIDTH - 1;
            let id = TileId {
                kind: Kind::Hashes(level),
                n,
                width: TILE_WIDTH,
            };
            files.push((id.path(), tile.as_flattened().to_vec()));
            hash = root_of(tile);
            tile.clear();
        }
    }

    /// The unfinished tiles that hold something a log of `before` entries did not have.
    fn partials(&self, before: u64, files: &mut Vec<(String, Vec<u8>)>) {
        for (level, tile) in (0..).zip(&self.levels) {
            let items = self.size >> (8 * level);
            let kind = Kind::Hashes(level);
            let id = TileId::at(kind, items / TILE_WIDTH, self.size);
            if let Some(id) = id.filter(|_| before >> (8 * level) < items) {
                files.push((id.path(), tile.as_flattened().to_vec()));
            }
        }
        let n = self.size / TILE_WIDTH;
        let id = TileId::at(Kind::Entries, n, self.size);
        if let Some(id) = id.filter(|_| before < self.size) {
            files.push((id.path(), self.bundle.clone()));
            files.push((side::path(n), self.side.clone()));
        }
    }

    /// Every level's unfinished tile stands to the left of everything below it, which is smaller
    /// than one of its subtrees and therefore the odd one that is carried.
    fn root(&self) -> Hash {
        let mut below: Option<Hash> = None;
        for tile in &self.levels {
            let row: Vec<Hash> = tile.iter().copied().chain(below).collect();
            below = (!row.is_empty()).then(|| root_of(&row));
        }
        below.unwrap_or_else(empty_root)
    }
}

fn push_entry(bundle: &mut Vec<u8>, entry: &[u8]) {
    // The sequencer refused longer entries by name.
    let length = u16::try_from(entry.len()).unwrap_or(u16::MAX);
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
}

/// The first `count` entries of a side file. A file that was deleted leaves blanks, so that the
/// entries after it keep their places; one that is damaged is not written over.
fn side_prefix(disk: &dyn Disk, n: u64, count: usize) -> Result<Vec<u8>, TileError> {
    let name = side::path(n);
    let entries = match disk.read(&name) {
        Ok(bytes) => side::decode(&bytes).filter(|entries| entries.len() >= count),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Some(vec![side::blank(); count]),
        Err(cause) => return Err(TileError::Io { file: name, cause }),
    };
    let entries = entries.ok_or_else(|| TileError::Malformed {
        file: name,
        index: Some(n * TILE_WIDTH),
        what: "is damaged (without it the ledger would open, but its values were lost)".to_owned(),
    })?;
    let mut file = side::begin();
    for (numbering, value) in entries.into_iter().take(count) {
        numbering.encode(&mut file);
        put_bytes(&mut file, &value);
    }
    Ok(file)
}
