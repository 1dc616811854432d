//! The floor: the least that a ledger of this kind must do, and nothing else.
//!
//! One thread hashes leaves and nodes as RFC 6962 says, copies the same bytes that ours stores
//! into a buffer, writes the buffer into a zero-filled file and calls `fdatasync`, group by group.
//! No recovery, no tiles, no checkpoint, no encryption, no callers.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

use burgess_ledger::Hash;
use burgess_ledger::tree::{leaf_hash, node_hash};

use crate::clock::Watch;
use crate::peer::{Outcome, Peer, Slice};

/// Bytes of the file; writing begins again at its start when it is full.
const FILE_BYTES: u64 = 256 << 20;

/// What ours stores of one event.
pub(crate) struct Stored {
    pub(crate) leaf: Vec<u8>,
    pub(crate) side: Vec<u8>,
}

pub(crate) struct Floor<'a> {
    stored: &'a [Stored],
    group: usize,
    file: File,
    offset: u64,
    next: usize,
    /// The right edge of the tree: one hash per height that has an odd node.
    edge: Vec<Option<Hash>>,
    buffer: Vec<u8>,
}

impl<'a> Floor<'a> {
    pub(crate) fn new(folder: &Path, stored: &'a [Stored], group: usize) -> Outcome<Self> {
        let path = folder.join(format!("floor-{group}"));
        let file = File::options().create_new(true).write(true).open(path)?;
        let zeroes = vec![0; 1 << 20];
        for at in (0..FILE_BYTES).step_by(1 << 20) {
            file.write_all_at(&zeroes, at)?;
        }
        file.sync_all()?;
        Ok(Self {
            stored,
            group,
            file,
            offset: 0,
            next: 0,
            edge: Vec::new(),
            buffer: Vec::new(),
        })
    }

    fn commit(&mut self) -> Outcome<()> {
        self.buffer.clear();
        for _ in 0..self.group {
            let Some(one) = self.stored.get(self.next) else {
                return Err("no events".into());
            };
            self.next = (self.next + 1) % self.stored.len();
            push(&mut self.edge, leaf_hash(&one.leaf));
            self.buffer.extend_from_slice(&one.leaf);
            self.buffer.extend_from_slice(&one.side);
        }
        let length = u64::try_from(self.buffer.len())?;
        if self.offset + length > FILE_BYTES {
            self.offset = 0;
        }
        self.file.write_all_at(&self.buffer, self.offset)?;
        self.file.sync_data()?;
        self.offset = (self.offset + length).next_multiple_of(4_096);
        Ok(())
    }
}

/// Adds a leaf: one node hash per leaf on average.
fn push(edge: &mut Vec<Option<Hash>>, leaf: Hash) {
    let mut hash = leaf;
    for slot in edge.iter_mut() {
        match slot.take() {
            Some(left) => hash = node_hash(&left, &hash),
            None => {
                *slot = Some(hash);
                return;
            }
        }
    }
    edge.push(Some(hash));
}

impl Peer for Floor<'_> {
    fn name(&self) -> String {
        format!("floor, groups of {}", self.group)
    }

    fn slice(&mut self, time: Duration) -> Outcome<Slice> {
        let (watch, mut events) = (Watch::start(), 0);
        while watch.elapsed() < time {
            self.commit()?;
            events += u64::try_from(self.group)?;
        }
        Ok(Slice {
            events,
            seconds: watch.seconds(),
        })
    }
}
