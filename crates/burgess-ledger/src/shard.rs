//! One shard of the log: a folder with one writer, opened as a [`Ledger`].
//!
//! A `Ledger` is a handle; clones share the sequencer's thread, the publisher's thread and the
//! folder's lock. Opening is recovery: there is no other way in.

use crate::batch::Batch;
use crate::checkpoint::SignedCheckpoint;
use crate::disk::{Directory, Disk};
use crate::group::Framing;
use crate::leaf::{Draft, Receipt};
use crate::locks::LockTable;
use crate::marks::{self, SEALED};
use crate::note::{NoteSigner, NoteVerifier};
use crate::pruning;
use crate::recovery::{OpenError, Recovered, io_error, recover};
use crate::reserve;
use crate::sequencer::{self, Answer, AppendError, Job, Sequencer};
use crate::state::Counters;
use crate::waiting::{Shared, Stats};
use crate::witnessed::Witnessed;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{Semaphore, TryAcquireError, mpsc, watch};

/// Bytes of a write-ahead segment at least: a group of a few largest entries must fit a part of it.
const SEGMENT_BYTES_MIN: usize = 1 << 20;

/// How a ledger works; the defaults suit a server.
#[derive(Debug, Clone)]
pub struct Options {
    /// Time from an append until its checkpoint, at most, when nobody asks for one earlier.
    pub checkpoint_interval: Duration,
    /// Bytes of drafts that may wait to be written. Each counts at least 256, so this bounds their
    /// number too. Callers beyond it wait.
    pub queue_bytes: usize,
    /// Bytes of one write-ahead segment, at least 1 MiB. A batch may take a quarter of it. The
    /// default is what the fastest ingest fills in a tenth of a second, in which the publisher finds
    /// the time to make the next one ready.
    pub segment_bytes: usize,
    /// Bytes that tiles, bundles and side files may grow to; appends beyond it are refused with
    /// [`AppendError::Full`], and [`Ledger::is_writable`] says no a little earlier. `None` leaves it
    /// to the disk.
    pub bytes_max: Option<u64>,
    /// Where the log remembers its newest checkpoint outside its folder; without one, `state` alone
    /// says where the log stands, and a folder put back to an older copy opens.
    pub lock_table: Option<Arc<dyn LockTable>>,
    /// Bytes of disk that are held so that recovery events can be written when it is full; 0 holds
    /// none.
    pub reserve_bytes: usize,
    /// Opens to repair. The reserve is given back before anything is written. Where the lock table is missing or behind the log, which continues what it
    /// holds, the table is moved to where the log stands instead of keeping the log shut.
    pub recovery: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            checkpoint_interval: Duration::from_millis(100),
            queue_bytes: 16 << 20,
            segment_bytes: 16 << 20,
            bytes_max: None,
            lock_table: None,
            reserve_bytes: 0,
            recovery: false,
        }
    }
}

/// A handle on an open ledger.
#[derive(Clone)]
pub struct Ledger {
    pub(crate) core: Arc<Core>,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ledger({}, {} entries)", self.origin(), self.size())
    }
}

pub(crate) struct Core {
    pub(crate) shared: Arc<Shared>,
    pub(crate) disk: Arc<dyn Disk>,
    room: Arc<Semaphore>,
    options: Options,
    jobs: Mutex<Option<mpsc::UnboundedSender<Job>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    vkey: String,
    vkeys: Vec<NoteVerifier>,
    pub(crate) witnessed: Witnessed,
    /// The first entry that was not pruned.
    pub(crate) minimum: AtomicU64,
    sealed: AtomicBool,
    /// One at a time writes to the folder of a sealed shard.
    folder_turn: Mutex<()>,
}

impl Ledger {
    /// Opens the ledger in `folder`, beginning it where there is none, and recovers what a crash
    /// left. `signer` must be named after `origin`. Blocks for file access.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        folder: &Path,
        origin: &str,
        signer: NoteSigner,
        options: Options,
    ) -> Result<Self, OpenError> {
        let directory = Directory::taken(folder)?;
        Self::open_on(Arc::new(directory), origin, signer, options)
    }

    /// Opens a ledger on other storage than a folder. The caller sees to it that nobody else
    /// writes there.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_on(
        disk: Arc<dyn Disk>,
        origin: &str,
        signer: NoteSigner,
        options: Options,
    ) -> Result<Self, OpenError> {
        if options.segment_bytes < SEGMENT_BYTES_MIN {
            return Err(OpenError::Option {
                option: "segment_bytes",
                min: SEGMENT_BYTES_MIN,
            });
        }
        if options.queue_bytes < options.segment_bytes / 4 {
            let min = options.segment_bytes / 4;
            return Err(OpenError::Option {
                option: "queue_bytes",
                min,
            });
        }
        if signer.name() != origin {
            let cause = format!(
                "the key is named `{}`, the origin is `{origin}`",
                signer.name()
            );
            return Err(OpenError::Key {
                file: "vkey",
                cause,
            });
        }
        if marks::get(&*disk, SEALED)
            .map_err(io_error(SEALED))?
            .is_some()
        {
            return Self::open_sealed_on(disk, &signer.verifier());
        }
        let vkey = signer.vkey();
        let vkeys = signer.verifiers();
        let Recovered {
            shared,
            publisher,
            wal,
        } = recover(&disk, origin, signer, &options)?;
        let published = shared.published().checkpoint.size;
        let minimum = pruning::finish(&*disk, published).map_err(io_error(marks::PRUNED))?;
        if !options.recovery
            && let Err(cause) = reserve::hold(&*disk, options.reserve_bytes)
        {
            shared.fail("disk reserve", &cause); // reading goes on
        }
        let shared = Arc::new(shared);
        let segments = wal.segments();
        let (jobs, receiver) = mpsc::unbounded_channel();
        let (answers, due) = std::sync::mpsc::channel();
        let sequencer = Sequencer {
            shared: shared.clone(),
            disk: disk.clone(),
            wal,
            counters: shared.counters(Counters::clone),
            framing: Framing::new(),
            next_index: shared.size(),
            group_bytes: options.segment_bytes / 4,
            bytes_max: options.bytes_max,
            answers,
        };
        let interval = options.checkpoint_interval;
        let core = Arc::new(Core {
            shared: shared.clone(),
            disk,
            room: Arc::new(Semaphore::new(options.queue_bytes)),
            options,
            jobs: Mutex::new(Some(jobs)),
            threads: Mutex::new(Vec::new()),
            vkey,
            vkeys,
            witnessed: Witnessed::default(),
            minimum: AtomicU64::new(minimum),
            sealed: AtomicBool::new(false),
            folder_turn: Mutex::new(()),
        });
        core.spawn("ledger-answers", move || sequencer::answer_all(&due))?;
        core.spawn("ledger-sequencer", move || sequencer.run(receiver))?;
        core.spawn("ledger-publisher", move || {
            publisher.run(&shared, &segments, interval);
        })?;
        let ledger = Self { core };
        ledger.read_witnessed()?;
        Ok(ledger)
    }

    /// A handle without threads: reading alone.
    pub(crate) fn read_only(
        disk: Arc<dyn Disk>,
        verifier: &NoteVerifier,
        counters: Counters,
        signed: SignedCheckpoint,
        minimum: u64,
    ) -> Self {
        let shared = Shared::new(verifier.name(), signed, counters, Vec::new());
        Self {
            core: Arc::new(Core {
                shared: Arc::new(shared),
                disk,
                room: Arc::new(Semaphore::new(0)),
                options: Options::default(),
                jobs: Mutex::new(None),
                threads: Mutex::new(Vec::new()),
                vkey: verifier.to_string(),
                vkeys: vec![verifier.clone()],
                witnessed: Witnessed::default(),
                minimum: AtomicU64::new(minimum),
                sealed: AtomicBool::new(true),
                folder_turn: Mutex::new(()),
            }),
        }
    }

    /// Whether the shard is sealed: read-only for good.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.core.sealed.load(Ordering::Acquire)
    }

    /// Appends one entry. Resolves when it is durable. Waits while the queue is full. Once polled to
    /// the point of being queued, the entry is appended even if the future is dropped.
    pub fn append(
        &self,
        draft: Draft,
    ) -> impl Future<Output = Result<Receipt, AppendError>> + Send + use<> {
        let batch = self.append_all(vec![draft]);
        async move { batch.await?.pop().ok_or(AppendError::Closed) }
    }

    /// Appends a batch: all of it, in order and in one piece, or nothing. Receipts come in the
    /// order of the drafts; duplicates are answered in place.
    pub fn append_all(
        &self,
        drafts: Vec<Draft>,
    ) -> impl Future<Output = Result<Vec<Receipt>, AppendError>> + Send + use<> {
        let ledger = self.clone();
        async move {
            let batch = Batch::try_from(drafts.as_slice())?;
            drop(drafts);
            let appended = ledger.append_batch(batch);
            drop(ledger);
            appended.await
        }
    }

    /// As [`Ledger::append_all`], for entries that were written into a batch.
    pub fn append_batch(
        &self,
        batch: Batch,
    ) -> impl Future<Output = Result<Vec<Receipt>, AppendError>> + Send + use<> {
        let core = self.core.clone();
        async move {
            core.sender().ok_or_else(|| core.ended())?;
            let cost = core.cost(&batch)?;
            let room = core.room.clone().acquire_many_owned(cost).await;
            let queued = core.enqueue(batch, room.map_err(|_| AppendError::Closed)?)?;
            let shared = core.shared.clone();
            drop(core);
            receipts(queued, &shared).await
        }
    }

    /// As [`Ledger::append_batch`], for threads that are not part of an async runtime.
    ///
    /// # Errors
    /// [`AppendError`].
    pub fn append_batch_blocking(&self, batch: Batch) -> Result<Vec<Receipt>, AppendError> {
        crate::blocking::wait_for(self.append_batch(batch))
    }

    /// As [`Ledger::append`], for threads that are not part of an async runtime.
    ///
    /// # Errors
    /// [`AppendError`].
    pub fn append_blocking(&self, draft: Draft) -> Result<Receipt, AppendError> {
        self.append_all_blocking(vec![draft])?
            .pop()
            .ok_or(AppendError::Closed)
    }

    /// As [`Ledger::append_all`], for threads that are not part of an async runtime.
    ///
    /// # Errors
    /// [`AppendError`].
    pub fn append_all_blocking(&self, drafts: Vec<Draft>) -> Result<Vec<Receipt>, AppendError> {
        crate::blocking::wait_for(self.append_all(drafts))
    }

    /// As [`Ledger::append`], but refused with [`AppendError::QueueFull`] instead of waiting for
    /// room in the queue.
    pub fn try_append(
        &self,
        draft: Draft,
    ) -> impl Future<Output = Result<Receipt, AppendError>> + Send + use<> {
        let queued = self.core.try_enqueue(&draft);
        let shared = self.core.shared.clone();
        async move {
            let receipts = receipts(queued?, &shared).await?;
            receipts.into_iter().next().ok_or(AppendError::Closed)
        }
    }

    /// The highest number that `source` has handed over durably; 0 before the first.
    #[must_use]
    pub fn highest(&self, source: &str) -> u64 {
        self.core
            .shared
            .counters(|counters| counters.source(source))
    }

    /// The number of the last durable entry of `stream`; 0 before the first.
    #[must_use]
    pub fn sequence(&self, stream: &str) -> u64 {
        self.core
            .shared
            .counters(|counters| counters.stream(stream))
    }

    /// Durable entries, published or not.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.core.shared.size()
    }

    /// Follows [`Ledger::size`]: changes whenever entries have become durable.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.core.shared.watch()
    }

    /// The published checkpoint.
    #[must_use]
    pub fn checkpoint(&self) -> Arc<SignedCheckpoint> {
        self.core.shared.published()
    }

    /// Publishes a checkpoint that covers everything durable so far, at once.
    ///
    /// The returned future fails with [`AppendError::NotWritable`] where storage has failed.
    pub fn publish(
        &self,
    ) -> impl Future<Output = Result<Arc<SignedCheckpoint>, AppendError>> + Send + use<> {
        let receiver = self.core.shared.publication();
        async move { receiver.await.unwrap_or(Err(AppendError::Closed)) }
    }

    /// As [`Ledger::publish`], for threads that are not part of an async runtime.
    ///
    /// # Errors
    /// [`AppendError::NotWritable`].
    pub fn publish_blocking(&self) -> Result<Arc<SignedCheckpoint>, AppendError> {
        crate::blocking::wait_for(self.publish())
    }

    /// The origin of the log.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.core.shared.origin
    }

    /// The verifier key of the log, as text for whoever will check it.
    #[must_use]
    pub fn vkey(&self) -> &str {
        &self.core.vkey
    }

    /// Every key that signs this log's checkpoints: Ed25519, then ML-DSA-44 where there is one.
    #[must_use]
    pub fn vkeys(&self) -> &[NoteVerifier] {
        &self.core.vkeys
    }

    /// Whether something new should be begun: nothing stands in the way of the next append, and
    /// there is room for what ends it.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.last_error().is_none()
    }

    /// Why nothing new should be begun. Near the size limit this answers [`AppendError::Full`]
    /// while appends are still taken: the last sixteenth is kept for the entries that end what has
    /// begun, such as outcomes and what waits in an outbox.
    #[must_use]
    pub fn last_error(&self) -> Option<AppendError> {
        if let Some(failure) = self.core.shared.failure() {
            return Some(failure);
        }
        if self.core.sender().is_none() {
            return Some(self.core.ended());
        }
        let limit = self.core.options.bytes_max?;
        let stored = self.core.shared.counters(|counters| counters.stored_bytes);
        let full = stored >= limit - limit / 16 || self.core.shared.is_full();
        full.then_some(AppendError::Full { limit })
    }

    /// Counts since the ledger was opened.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            queued_bytes: self.core.options.queue_bytes - self.core.room.available_permits(),
            ..self.core.shared.stats()
        }
    }

    /// Ends writing: what is queued is written, acknowledged and published; later appends are
    /// refused. Reading goes on, and the folder stays locked until the last handle is dropped.
    /// Blocks for file access.
    pub fn close(&self) {
        self.core.end();
    }
}

impl Core {
    fn spawn(
        &self,
        name: &'static str,
        work: impl FnOnce() + Send + 'static,
    ) -> Result<(), OpenError> {
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(work)
            .map_err(|cause| OpenError::Io {
                file: format!("thread {name}"),
                cause,
            })?;
        self.threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(thread);
        Ok(())
    }

    /// Why there is no sequencer any more.
    fn ended(&self) -> AppendError {
        if self.sealed.load(Ordering::Acquire) {
            AppendError::Sealed(self.shared.origin.clone())
        } else {
            AppendError::Closed
        }
    }

    pub(crate) fn now_sealed(&self) {
        self.sealed.store(true, Ordering::Release);
    }

    /// Who replaces side values, prunes or seals holds it: a file that goes must not be written anew.
    pub(crate) fn folder_turn(&self) -> MutexGuard<'_, ()> {
        self.folder_turn
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn sender(&self) -> Option<mpsc::UnboundedSender<Job>> {
        self.jobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What the batch takes in the queue, unless it can never fit.
    fn cost(&self, batch: &Batch) -> Result<u32, AppendError> {
        let bytes = batch.cost_bytes();
        let limit = self.options.segment_bytes / 4;
        let cost = u32::try_from(bytes).ok().filter(|_| bytes <= limit);
        cost.ok_or(AppendError::BatchTooLarge { bytes, limit })
    }

    fn enqueue(
        &self,
        batch: Batch,
        room: tokio::sync::OwnedSemaphorePermit,
    ) -> Result<Queued, AppendError> {
        let (answer, queued) = tokio::sync::oneshot::channel();
        let sender = self.sender().ok_or_else(|| self.ended())?;
        let job = Job {
            batch,
            answer,
            room,
        };
        sender.send(job).map_err(|_| AppendError::Closed)?;
        Ok(queued)
    }

    fn try_enqueue(&self, draft: &Draft) -> Result<Queued, AppendError> {
        let batch = Batch::try_from(std::slice::from_ref(draft))?;
        let room = self.room.clone().try_acquire_many_owned(self.cost(&batch)?);
        let room = room.map_err(|why| match why {
            TryAcquireError::NoPermits => AppendError::QueueFull,
            TryAcquireError::Closed => AppendError::Closed,
        })?;
        self.enqueue(batch, room)
    }

    fn end(&self) {
        drop(
            self.jobs
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            if thread.join().is_err() {
                let cause = io::Error::other("ended unexpectedly");
                self.shared.fail("a thread of the ledger", &cause);
            }
        }
    }
}

type Queued = tokio::sync::oneshot::Receiver<Result<Answer, AppendError>>;

async fn receipts(queued: Queued, shared: &Shared) -> Result<Vec<Receipt>, AppendError> {
    // Nothing is left unanswered unless a thread died, and then nobody knows what became of it.
    let answer = queued.await.unwrap_or_else(|_| {
        let cause = "a thread of the ledger ended unexpectedly".to_owned();
        Err(AppendError::NotWritable { cause })
    })?;
    answer.receipts(&shared.origin).ok_or(AppendError::Closed)
}

impl Drop for Core {
    fn drop(&mut self) {
        self.end();
    }
}
