//! What the sequencer, the publisher and the readers share: the acknowledged entries that wait for
//! their checkpoint, the counters at that point, the published checkpoint, and the first failure.
//!
//! One lock, held only to copy in and out; no storage is touched under it.

use crate::checkpoint::SignedCheckpoint;
use crate::disk::Disk;
use crate::group::Group;
use crate::leaf::Receipt;
use crate::names::NameId;
use crate::rewriting::{Clearing, Rewrite};
use crate::sequencer::AppendError;
use crate::state::Counters;
use crate::tile::{Kind, TILE_WIDTH, TileError, TileId, read_entries};
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// Bytes of entries that may wait for their checkpoint before appends wait for the publisher:
/// a quarter of a second of the fastest ingest that was measured, and together with the queue less
/// than half of the memory that a server may take.
const WAITING_BYTES_MAX: usize = 96 << 20;
/// Bytes of entries from which on the publisher puts them in place without waiting for more, so that
/// a checkpoint does not come with one large burst of writes.
const STEP_BYTES: usize = 4 << 20;
/// Steps of a checkpoint interval at whose ends the publisher puts in place what has come.
const STEPS: u32 = 8;

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
    waiting: VecDeque<Arc<Group>>,
    waiting_bytes: usize,
    /// Groups that are done with, whose memory serves the next ones: fresh memory has to be cleared
    /// by the kernel page by page.
    used: Vec<Group>,
    used_bytes: usize,
    /// Index after the last entry that the publisher has taken.
    taken: u64,
    /// Bytes of entries beyond it.
    untaken_bytes: usize,
    published: Arc<SignedCheckpoint>,
    waiters: Vec<Waiter>,
    /// Orders for the publisher and for the sequencer.
    rewrites: Vec<Rewrite>,
    clearings: Vec<Clearing>,
    failure: Option<AppendError>,
    full: bool,
    /// No more entries will come.
    ended: bool,
    /// The publisher sleeps until there is something to publish.
    idle: bool,
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
    /// Bytes of the queue that are taken by callers whose entries are not durable yet.
    pub queued_bytes: usize,
}

/// What there is for the publisher to do.
pub(crate) struct Work {
    /// Entries that it has not taken yet, oldest first.
    pub(crate) groups: Vec<Arc<Group>>,
    /// Whether it is time for a checkpoint; otherwise complete tiles are put in place.
    pub(crate) publish: bool,
    /// To be done when the entries are published.
    pub(crate) rewrites: Vec<Rewrite>,
}

impl Shared {
    pub(crate) fn new(
        origin: &str,
        published: SignedCheckpoint,
        counters: Counters,
        replayed: Vec<Group>,
    ) -> Self {
        let size = published.checkpoint.size;
        let mut inner = Inner {
            committed: size,
            counters,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            used: Vec::new(),
            used_bytes: 0,
            taken: size,
            untaken_bytes: 0,
            published: Arc::new(published),
            waiters: Vec::new(),
            rewrites: Vec::new(),
            clearings: Vec::new(),
            failure: None,
            full: false,
            ended: false,
            idle: false,
            stats: Stats::default(),
        };
        for group in replayed {
            inner.admit(&Arc::new(group));
        }
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

    pub(crate) fn committed(&self, group: &Arc<Group>, syncs: u64) {
        if group.entries.is_empty() {
            return;
        }
        let mut inner = self.lock();
        inner.stats.entries += u64::try_from(group.entries.len()).unwrap_or(0);
        inner.stats.syncs = syncs;
        inner.admit(group);
        let size = inner.committed;
        // While the publisher is at work it looks by itself.
        let wake = inner.idle || inner.untaken_bytes >= STEP_BYTES;
        drop(inner);
        if wake {
            self.work.notify_all();
        }
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

    /// A group that is done with and whose memory suits one of so many bytes.
    pub(crate) fn used_group(&self, bytes: usize) -> Option<Group> {
        let mut inner = self.lock();
        let at = inner.used.iter().rposition(|group| group.suits(bytes));
        // Where none suits, one makes room for the memory that is taken instead.
        let group = match at {
            Some(at) => inner.used.swap_remove(at),
            None => inner.used.pop()?,
        };
        inner.used_bytes -= group.memory_bytes();
        drop(inner);
        at.map(|_| group)
    }

    pub(crate) fn filled_up(&self, full: bool) {
        self.lock().full = full;
    }

    pub(crate) fn sequencer_ended(&self) {
        self.lock().ended = true;
        self.work.notify_all();
    }

    /// The receipt of an entry that waits, handed over a second time.
    pub(crate) fn find_waiting(&self, source: NameId, source_seq: u64) -> Option<Receipt> {
        let inner = self.lock();
        inner.waiting.iter().rev().find_map(|group| {
            let mut entries = group.entries.iter();
            let at = entries.position(|it| it.source == source && it.source_seq == source_seq)?;
            group.receipt(&self.origin, at, true)
        })
    }

    // The publisher's side.

    /// Waits until there is something to publish, then, unless somebody waits for it, for
    /// `interval` more, so that a checkpoint covers what comes together. What has come by the end
    /// of each step of the interval, or is much, is handed out at once. `None` at the end.
    pub(crate) fn wait_for_work(&self, interval: Duration, step: &mut u32) -> Option<Work> {
        let mut inner = self.lock();
        if *step == 0 {
            inner = self.wait_for_entries(inner)?;
        }
        let (mut inner, _) = self
            .work
            .wait_timeout_while(inner, interval / STEPS, |inner| {
                !inner.is_pressed() && inner.untaken_bytes < STEP_BYTES
            })
            .unwrap_or_else(PoisonError::into_inner);
        *step += 1;
        let publish = *step >= STEPS || inner.is_pressed();
        if publish {
            *step = 0;
        }
        Some(inner.work(publish))
    }

    /// Waits until there is an entry that is not published, or an order; `None` at the end.
    fn wait_for_entries<'a>(
        &'a self,
        mut inner: MutexGuard<'a, Inner>,
    ) -> Option<MutexGuard<'a, Inner>> {
        loop {
            if inner.failure.is_some() {
                inner.refuse_waiters();
            } else if inner.committed > inner.published.checkpoint.size
                || !inner.rewrites.is_empty()
            {
                return Some(inner);
            }
            if inner.ended {
                return None;
            }
            if !inner.used.is_empty() {
                // A log at rest takes little memory. It is freed after the lock is.
                let used = std::mem::take(&mut inner.used);
                inner.used_bytes = 0;
                drop(inner);
                drop(used);
                inner = self.lock();
                continue;
            }
            inner.idle = true;
            inner = self
                .work
                .wait(inner)
                .unwrap_or_else(PoisonError::into_inner);
            inner.idle = false;
        }
    }

    /// What there is to publish right now.
    pub(crate) fn work(&self) -> Work {
        self.lock().work(true)
    }

    pub(crate) fn now_published(&self, checkpoint: SignedCheckpoint) {
        let mut inner = self.lock();
        let size = checkpoint.checkpoint.size;
        let mut done = Vec::new();
        while let Some(group) = inner.waiting.pop_front_if(|group| group.end() <= size) {
            inner.waiting_bytes -= group.memory_bytes();
            done.push(group);
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
        done.into_iter().for_each(|group| self.keep(group));
        let due: Vec<Waiter> = due;
        for (_, waiter) in due {
            drop(waiter.send(Ok(published.clone()))); // the caller may have stopped waiting
        }
    }

    /// Keeps the memory of a group that is done with, if nobody reads it any more, and as much as
    /// may wait at most. What is not kept is freed after the lock is.
    fn keep(&self, group: Arc<Group>) {
        let Ok(group) = Arc::try_unwrap(group) else {
            return;
        };
        let mut inner = self.lock();
        let bytes = inner.waiting_bytes + inner.used_bytes + group.memory_bytes();
        let _freed = if bytes <= WAITING_BYTES_MAX {
            inner.used_bytes += group.memory_bytes();
            inner.used.push(group);
            None
        } else {
            Some(group)
        };
        drop(inner);
    }

    // Failure.

    /// Records that `what` failed, unless something did before; the ledger is read-only from here
    /// on. Answers why.
    pub(crate) fn fail(&self, what: &str, cause: &io::Error) -> AppendError {
        let full = matches!(
            cause.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        );
        let cause = format!("{what}: {cause}");
        let failure = if full {
            AppendError::StorageFull { cause }
        } else {
            AppendError::NotWritable { cause }
        };
        let mut inner = self.lock();
        let failure = inner.failure.get_or_insert(failure).clone();
        inner.refuse_waiters();
        drop(inner);
        self.work.notify_all();
        self.progress.notify_all();
        failure
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

    pub(crate) fn failure(&self) -> Option<AppendError> {
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
        Stats {
            waiting: inner.committed - inner.published.checkpoint.size,
            ..inner.stats
        }
    }

    /// The group of an entry that waits for its checkpoint; then it is not in a bundle yet.
    pub(crate) fn waiting(&self, index: u64) -> Option<Arc<Group>> {
        let inner = self.lock();
        let at = inner.waiting.partition_point(|group| group.end() <= index);
        let group = inner.waiting.get(at).filter(|it| it.first <= index);
        group.cloned()
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
    fn admit(&mut self, group: &Arc<Group>) {
        self.counters.apply(group, group.first);
        self.committed = group.end();
        self.waiting_bytes += group.memory_bytes();
        self.untaken_bytes += group.memory_bytes();
        self.waiting.push_back(group.clone());
    }

    /// Somebody waits for a checkpoint.
    fn is_pressed(&self) -> bool {
        !self.waiters.is_empty() || !self.rewrites.is_empty() || self.ended
    }

    fn work(&mut self, publish: bool) -> Work {
        let rewrites = match publish {
            true => std::mem::take(&mut self.rewrites),
            false => Vec::new(),
        };
        Work {
            groups: self.take(),
            publish,
            rewrites,
        }
    }

    fn take(&mut self) -> Vec<Arc<Group>> {
        let from = self.waiting.partition_point(|it| it.end() <= self.taken);
        self.taken = self.committed;
        self.untaken_bytes = 0;
        self.waiting.iter().skip(from).cloned().collect()
    }

    fn check(&self) -> Result<(), AppendError> {
        self.failure.clone().map_or(Ok(()), Err)
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
