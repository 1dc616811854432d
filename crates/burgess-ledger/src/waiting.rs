//! What the sequencer, the publisher and the readers share: the acknowledged entries that wait for
//! their checkpoint, the counters at that point, the published checkpoint, and the first failure.
//!
//! One lock, held only to copy in and out; no storage is touched under it.

use crate::checkpoint::SignedCheckpoint;
use crate::disk::Disk;
use crate::leaf::Record;
use crate::rewriting::{Clearing, Rewrite};
use crate::sequencer::AppendError;
use crate::state::Counters;
use crate::tile::{Kind, TILE_WIDTH, TileError, TileId, read_entries};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// Bytes of entries that may wait for their checkpoint before appends wait for the publisher:
/// half a second of the fastest ingest that was measured, and a small part of a small machine.
const WAITING_BYTES_MAX: u64 = 64 << 20;

/// A caller of `publish` and the size it waits for.
type Waiter = (
    u64,
    oneshot::Sender<Result<Arc<SignedCheckpoint>, AppendError>>,
);

pub(crate) struct Shared {
    pub(crate) origin: String,
    inner: Mutex<Inner>,
    /// Something to publish, somebody waiting for it, or the end.
    work: Condvar,
    /// The publisher made progress, or failed.
    progress: Condvar,
    size: watch::Sender<u64>,
}

struct Inner {
    /// Entries acknowledged.
    committed: u64,
    counters: Counters,
    /// Acknowledged entries beyond the published checkpoint, oldest first.
    waiting: VecDeque<Arc<Record>>,
    waiting_bytes: u64,
    published: Arc<SignedCheckpoint>,
    waiters: Vec<Waiter>,
    /// Orders for the publisher and for the sequencer.
    rewrites: Vec<Rewrite>,
    clearings: Vec<Clearing>,
    failure: Option<String>,
    full: bool,
    /// No more entries will come.
    ended: bool,
    stats: Stats,
}

/// Counts since the ledger was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Entries acknowledged.
    pub entries: u64,
    /// Calls of `fdatasync` that acknowledged them.
    pub syncs: u64,
    /// Checkpoints published.
    pub checkpoints: u64,
    /// Entries acknowledged that no published checkpoint covers yet.
    pub waiting: u64,
}

/// What there is to publish.
pub(crate) struct Work {
    pub(crate) records: Vec<Arc<Record>>,
    pub(crate) counters: Counters,
    /// To be done when the records are published.
    pub(crate) rewrites: Vec<Rewrite>,
}

impl Shared {
    pub(crate) fn new(
        origin: &str,
        published: SignedCheckpoint,
        counters: Counters,
        replayed: Vec<Record>,
    ) -> Self {
        let size = published.checkpoint.size;
        let mut inner = Inner {
            committed: size,
            counters,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            published: Arc::new(published),
            waiters: Vec::new(),
            rewrites: Vec::new(),
            clearings: Vec::new(),
            failure: None,
            full: false,
            ended: false,
            stats: Stats::default(),
        };
        inner.admit(replayed);
        let size = watch::Sender::new(inner.committed);
        let (work, progress) = (Condvar::new(), Condvar::new());
        Self {
            origin: origin.to_owned(),
            inner: Mutex::new(inner),
            work,
            progress,
            size,
        }
    }

    /// No code panics while it holds the lock, so a poisoned one is still consistent.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // The sequencer's side.

    pub(crate) fn committed(&self, records: Vec<Record>, syncs: u64) {
        if records.is_empty() {
            return;
        }
        let mut inner = self.lock();
        inner.stats.entries += u64::try_from(records.len()).unwrap_or(0);
        inner.stats.syncs = syncs;
        inner.admit(records);
        let size = inner.committed;
        drop(inner);
        self.work.notify_all();
        self.size.send_replace(size);
    }

    /// Waits until the publisher has caught up enough; answers the published size.
    pub(crate) fn wait_for_room(&self) -> Result<u64, AppendError> {
        let mut inner = self.lock();
        while inner.waiting_bytes > WAITING_BYTES_MAX && inner.failure.is_none() {
            inner = self
                .progress
                .wait(inner)
                .unwrap_or_else(PoisonError::into_inner);
        }
        inner.check()?;
        Ok(inner.published.checkpoint.size)
    }

    pub(crate) fn filled_up(&self, full: bool) {
        self.lock().full = full;
    }

    pub(crate) fn sequencer_ended(&self) {
        self.lock().ended = true;
        self.work.notify_all();
    }

    pub(crate) fn find_waiting(&self, source: &str, source_seq: u64) -> Option<Arc<Record>> {
        let inner = self.lock();
        let same = |r: &&Arc<Record>| r.source == source && r.source_seq == source_seq;
        inner.waiting.iter().rev().find(same).cloned()
    }

    // The publisher's side.

    /// Waits until there is something to publish, then, unless somebody waits for it, for
    /// `interval` more, so that a checkpoint covers what comes together. `None` at the end.
    pub(crate) fn wait_for_work(&self, interval: Duration) -> Option<Work> {
        let mut inner = self.lock();
        loop {
            if inner.failure.is_some() {
                inner.refuse_waiters();
            }
            let something = !inner.waiting.is_empty() || !inner.rewrites.is_empty();
            if something && inner.failure.is_none() {
                break;
            }
            if inner.ended {
                return None;
            }
            inner = self
                .work
                .wait(inner)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let (mut inner, _) = self
            .work
            .wait_timeout_while(inner, interval, |inner| {
                inner.waiters.is_empty() && inner.rewrites.is_empty() && !inner.ended
            })
            .unwrap_or_else(PoisonError::into_inner);
        Some(inner.work())
    }

    /// What there is to publish right now.
    pub(crate) fn work(&self) -> Work {
        self.lock().work()
    }

    pub(crate) fn now_published(&self, checkpoint: SignedCheckpoint) {
        let mut inner = self.lock();
        let size = checkpoint.checkpoint.size;
        while let Some(record) = inner.waiting.pop_front_if(|record| record.index < size) {
            inner.waiting_bytes -= record.stored_bytes();
        }
        inner.published = Arc::new(checkpoint);
        inner.stats.checkpoints += 1;
        let published = inner.published.clone();
        let (due, later) = inner
            .waiters
            .drain(..)
            .partition(|(wanted, _)| *wanted <= size);
        inner.waiters = later;
        drop(inner);
        self.progress.notify_all();
        let due: Vec<Waiter> = due;
        for (_, waiter) in due {
            drop(waiter.send(Ok(published.clone()))); // the caller may have stopped waiting
        }
    }

    // Failure.

    /// Records the first failure; the ledger is read-only from here on.
    pub(crate) fn fail(&self, cause: &str) {
        let mut inner = self.lock();
        inner.failure.get_or_insert_with(|| cause.to_owned());
        inner.refuse_waiters();
        drop(inner);
        self.work.notify_all();
        self.progress.notify_all();
    }

    pub(crate) fn check_writable(&self) -> Result<(), AppendError> {
        self.lock().check()
    }

    // Orders.

    /// Orders side values to be replaced, by the publisher.
    pub(crate) fn rewrite(&self, order: Rewrite) {
        let mut inner = self.lock();
        if inner.failure.is_none() && !inner.ended {
            inner.rewrites.push(order);
        }
        drop(inner);
        self.work.notify_all();
    }

    /// Orders segments to be cleared, by the sequencer when it next wakes.
    pub(crate) fn clear(&self, order: Clearing) {
        let mut inner = self.lock();
        if inner.failure.is_none() && !inner.ended {
            inner.clearings.push(order);
        }
    }

    pub(crate) fn take_clearings(&self) -> Vec<Clearing> {
        std::mem::take(&mut self.lock().clearings)
    }

    // The readers' side.

    pub(crate) fn failure(&self) -> Option<String> {
        self.lock().failure.clone()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.lock().full
    }

    pub(crate) fn size(&self) -> u64 {
        self.lock().committed
    }

    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.size.subscribe()
    }

    pub(crate) fn published(&self) -> Arc<SignedCheckpoint> {
        self.lock().published.clone()
    }

    pub(crate) fn counters<T>(&self, read: impl FnOnce(&Counters) -> T) -> T {
        read(&self.lock().counters)
    }

    pub(crate) fn stats(&self) -> Stats {
        let inner = self.lock();
        let waiting = u64::try_from(inner.waiting.len()).unwrap_or(u64::MAX);
        Stats {
            waiting,
            ..inner.stats
        }
    }

    /// The entry if it waits for its checkpoint; then it is not in a bundle yet.
    pub(crate) fn waiting(&self, index: u64) -> Option<Arc<Record>> {
        let inner = self.lock();
        let first = inner.waiting.front()?.index;
        inner
            .waiting
            .get(usize::try_from(index.checked_sub(first)?).ok()?)
            .cloned()
    }

    /// The bytes of an entry that a published checkpoint covers.
    pub(crate) fn stored_leaf(&self, disk: &dyn Disk, index: u64) -> Result<Vec<u8>, TileError> {
        let size = self.published().checkpoint.size;
        let n = index / TILE_WIDTH;
        let missing = |index: u64| {
            let file = TileId {
                kind: Kind::Entries,
                n: index / TILE_WIDTH,
                width: 256,
            }
            .path();
            TileError::Missing { file }
        };
        let id = TileId::at(Kind::Entries, n, size).ok_or_else(|| missing(index))?;
        let (_, mut entries) = read_entries(&mut |name| disk.read(name), &id)?;
        let at = usize::try_from(index % TILE_WIDTH).unwrap_or(usize::MAX);
        if at < entries.len() {
            Ok(entries.swap_remove(at))
        } else {
            Err(missing(index))
        }
    }

    /// Registers a wait for a checkpoint that covers everything acknowledged so far.
    pub(crate) fn publication(
        &self,
    ) -> oneshot::Receiver<Result<Arc<SignedCheckpoint>, AppendError>> {
        let (sender, receiver) = oneshot::channel();
        let mut inner = self.lock();
        let answer = match inner.check() {
            _ if inner.published.checkpoint.size >= inner.committed => Ok(inner.published.clone()),
            Err(refusal) => Err(refusal),
            Ok(()) => {
                let wanted = inner.committed;
                inner.waiters.push((wanted, sender));
                drop(inner);
                self.work.notify_all();
                return receiver;
            }
        };
        drop(sender.send(answer)); // the receiver is still ours
        receiver
    }
}

impl Inner {
    fn admit(&mut self, records: Vec<Record>) {
        for record in records {
            self.counters.apply(&record);
            self.committed = record.index + 1;
            self.waiting_bytes += record.stored_bytes();
            self.waiting.push_back(Arc::new(record));
        }
    }

    fn work(&mut self) -> Work {
        Work {
            records: self.waiting.iter().cloned().collect(),
            counters: self.counters.clone(),
            rewrites: std::mem::take(&mut self.rewrites),
        }
    }

    fn check(&self) -> Result<(), AppendError> {
        match &self.failure {
            Some(cause) => Err(AppendError::NotWritable {
                cause: cause.clone(),
            }),
            None => Ok(()),
        }
    }

    fn refuse_waiters(&mut self) {
        if let Err(refusal) = self.check() {
            for (_, waiter) in self.waiters.drain(..) {
                drop(waiter.send(Err(refusal.clone()))); // the caller may have stopped waiting
            }
            self.rewrites.clear(); // whoever waits for an answer sees that none comes
            self.clearings.clear();
        }
    }
}
