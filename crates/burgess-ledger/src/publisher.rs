//! Turns acknowledged entries into bundles, hash tiles and a signed checkpoint, behind the
//! sequencer's back and in this order:
//!
//! 1. tiles, bundles and side files, durable under their names,
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
use crate::disk::Disk;
use crate::edge::Edge;
use crate::group::Group;
use crate::install::Installer;
use crate::locks::{LockError, Row};
use crate::note::{NoteError, NoteSigner};
use crate::rewriting::{SideValues, rewrite};
use crate::state::{self, Counters};
use crate::tile::TileError;
use crate::tree::Hash;
use crate::waiting::Shared;
use crate::wal::Segments;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Entries after which the publisher offers its core to others: a scheduler may let it have the core
/// for milliseconds, while the sequencer waits for that very core.
const ENTRIES_AT_ONCE: u64 = 64;

pub(crate) struct Publisher {
    signer: NoteSigner,
    installer: Installer,
    edge: Edge,
    /// As they stand at the edge.
    counters: Counters,
    /// Entries that the published checkpoint covers.
    published: u64,
    row: Option<Row>,
}

impl Publisher {
    /// Opens on the edge of a log of `size` entries.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        signer: NoteSigner,
        size: u64,
        mut counters: Counters,
        row: Option<Row>,
    ) -> Result<Self, TileError> {
        let installer = Installer::new(disk.clone()).map_err(|cause| TileError::Io {
            file: "tmp".to_owned(),
            cause,
        })?;
        let edge = Edge::read(&*disk, size, &mut counters)?;
        Ok(Self {
            signer,
            installer,
            edge,
            counters,
            published: size,
            row,
        })
    }

    /// The root that the tiles on disk give.
    pub(crate) fn root(&self) -> Hash {
        self.edge.root()
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Works until the sequencer has ended and everything is published, or storage fails.
    pub(crate) fn run(mut self, shared: &Shared, segments: &Segments, interval: Duration) {
        let mut step = 0;
        while let Some(work) = shared.wait_for_work(interval, &mut step) {
            let rewrites = work.rewrites;
            if let Err(cause) = self.turn(work.groups, work.publish, shared, segments) {
                shared.fail("publication", &cause);
                step = 0;
                continue; // who ordered a rewrite sees that no answer comes
            }
            for order in rewrites {
                let done = self.rewrite_sides(&order.values);
                if let Err(cause) = &done {
                    shared.fail("side file", cause);
                }
                drop(order.answer.send(done)); // who ordered it may have stopped waiting
            }
        }
    }

    /// Puts what has come in place, and publishes it when it is time.
    fn turn(
        &mut self,
        groups: Vec<Arc<Group>>,
        publish: bool,
        shared: &Shared,
        segments: &Segments,
    ) -> io::Result<()> {
        self.place(&groups, u64::MAX)?;
        drop(groups); // so that their memory can be used again once they are published
        if publish && self.edge.size > self.published {
            let signed = self.publish(&[])?;
            shared.now_published(signed);
        }
        segments.prepare(self.published)
    }

    /// Replaces side values of published entries.
    fn rewrite_sides(&mut self, values: &SideValues) -> io::Result<u64> {
        let edge = (&mut self.edge, &mut self.counters);
        rewrite(&mut self.installer, values, Some(edge))
    }

    /// Puts the entries in place and publishes the checkpoint that covers them.
    pub(crate) fn publish(&mut self, groups: &[Arc<Group>]) -> io::Result<SignedCheckpoint> {
        self.place(groups, u64::MAX)?;
        let origin = self.signer.name().to_owned();
        let checkpoint = Checkpoint {
            origin,
            size: self.edge.size,
            root: self.edge.root(),
        };
        let signed = self.sign(checkpoint).map_err(io::Error::other)?;
        self.commit(&signed)?;
        Ok(signed)
    }

    /// Adds the entries below index `until` to the tree and writes what they complete.
    pub(crate) fn place(&mut self, groups: &[Arc<Group>], until: u64) -> io::Result<()> {
        for group in groups {
            self.counters.learn(group);
            for entry in group.from(self.edge.size) {
                if self.edge.size >= until {
                    break;
                }
                let (counters, installer) = (&self.counters, &mut self.installer);
                self.edge
                    .push((group, entry), counters, self.published, installer)?;
                self.counters.count_entry(entry, group.stored_bytes(entry));
                if self.edge.size.is_multiple_of(ENTRIES_AT_ONCE) {
                    thread::yield_now();
                }
            }
        }
        Ok(())
    }

    /// Publishes a signed checkpoint over the edge.
    pub(crate) fn commit(&mut self, signed: &SignedCheckpoint) -> io::Result<()> {
        self.edge
            .write_partials(self.published, &mut self.installer)?;
        self.installer.install()?;
        self.lock(signed).map_err(io::Error::other)?;
        self.save(signed)?;
        self.announce(signed)?;
        self.forget_partials()?;
        self.published = self.edge.size;
        Ok(())
    }

    pub(crate) fn sign(&self, checkpoint: Checkpoint) -> Result<SignedCheckpoint, NoteError> {
        checkpoint.sign(&self.signer)
    }

    /// Moves the log's row to a signed checkpoint.
    pub(crate) fn lock(&mut self, signed: &SignedCheckpoint) -> Result<(), LockError> {
        match &mut self.row {
            Some(row) => row.move_to(&signed.note),
            None => Ok(()),
        }
    }

    /// Writes `state`: a signed checkpoint over the edge and the counters there.
    pub(crate) fn save(&mut self, signed: &SignedCheckpoint) -> io::Result<()> {
        self.put(state::FILE, &state::encode(&self.counters, signed))
    }

    /// Writes `checkpoint` from what `state` holds.
    pub(crate) fn announce(&mut self, signed: &SignedCheckpoint) -> io::Result<()> {
        self.put("checkpoint", signed.note.as_bytes())
    }

    /// Puts one file of the ledger's folder in place.
    pub(crate) fn put(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.installer.stage(name, bytes)?;
        self.installer.install()
    }

    /// Removes the partial forms of tiles that have become full: the published checkpoint is
    /// served by the full ones, and a reader of an older checkpoint falls back to them.
    fn forget_partials(&mut self) -> io::Result<()> {
        let mut folders = self.edge.outgrown(self.published);
        folders.try_for_each(|folder| self.installer.remove_folder(&folder))
    }
}
