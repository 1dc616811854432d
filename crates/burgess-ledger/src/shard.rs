//! One shard of the log: a folder with one writer, opened as a [`Ledger`].
//!
//! A `Ledger` is a handle; clones share the sequencer's thread, the publisher's thread and the
//! folder's lock. Opening is recovery: there is no other way in.

use crate::checkpoint::SignedCheckpoint;
use crate::disk::{Directory, Disk};
use crate::leaf::{Draft, Receipt};
use crate::note::{NoteSigner, NoteVerifier};
use crate::recovery::{OpenError, Recovered, recover};
use crate::sequencer::{AppendError, Job, Sequencer, check_draft};
use crate::state::Counters;
use crate::waiting::{Shared, Stats};
use crate::witnessed::Witnessed;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
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
    /// Bytes of one write-ahead segment, at least 1 MiB. A batch may take a quarter of it.
    pub segment_bytes: usize,
    /// Bytes that tiles, bundles and side files may grow to; appends beyond it are refused with
    /// [`AppendError::Full`], and [`Ledger::is_writable`] says no a little earlier. `None` leaves it
    /// to the disk.
    pub bytes_max: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            checkpoint_interval: Duration::from_millis(100),
            queue_bytes: 16 << 20,
            segment_bytes: 8 << 20,
            bytes_max: None,
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
        let directory = Directory::take(folder).map_err(|cause| match cause.kind() {
            io::ErrorKind::WouldBlock => OpenError::InUse(folder.display().to_string()),
            _ => OpenError::Io {
                file: folder.display().to_string(),
                cause,
            },
        })?;
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
        let vkey = signer.vkey();
        let vkeys = signer.verifiers();
        let Recovered {
            shared,
            publisher,
            wal,
        } = recover(&disk, origin, signer, &options)?;
        let shared = Arc::new(shared);
        let (jobs, receiver) = mpsc::unbounded_channel();
        let sequencer = Sequencer {
            shared: shared.clone(),
            disk: disk.clone(),
            wal,
            counters: shared.counters(Counters::clone),
            next_index: shared.size(),
            group_bytes: options.segment_bytes / 4,
            bytes_max: options.bytes_max,
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
        });
        core.spawn("ledger-sequencer", move || sequencer.run(receiver))?;
        core.spawn("ledger-publisher", move || publisher.run(&shared, interval))?;
        let ledger = Self { core };
        ledger.read_witnessed()?;
        Ok(ledger)
    }

    /// Appends one entry. Resolves when it is durable. Waits while the queue is full. Once polled to
    /// the point of being queued, the entry is appended even if the future is dropped.
    pub fn append(
        &self,
        draft: Draft,
    ) -> impl Future<Output = Result<Receipt, AppendError>> + Send + 'static {
        let batch = self.append_all(vec![draft]);
        async move { batch.await?.pop().ok_or(AppendError::Closed) }
    }

    /// Appends a batch: all of it, in order and in one piece, or nothing. Receipts come in the
    /// order of the drafts; duplicates are answered in place.
    pub fn append_all(
        &self,
        drafts: Vec<Draft>,
    ) -> impl Future<Output = Result<Vec<Receipt>, AppendError>> + Send + 'static {
        let core = self.core.clone();
        async move {
            let cost = core.check(&drafts)?;
            let room = core.room.clone().acquire_many_owned(cost).await;
            let receiver = core.enqueue(drafts, room.map_err(|_| AppendError::Closed)?)?;
            drop(core);
            receiver.await.unwrap_or(Err(AppendError::Closed))
        }
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
    ) -> impl Future<Output = Result<Receipt, AppendError>> + Send + 'static {
        let queued = self.core.try_enqueue(vec![draft]);
        async move {
            let receipts = queued?.await.unwrap_or(Err(AppendError::Closed))?;
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
    ) -> impl Future<Output = Result<Arc<SignedCheckpoint>, AppendError>> + Send + 'static {
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
        if let Some(cause) = self.core.shared.failure() {
            return Some(AppendError::NotWritable { cause });
        }
        if self.core.sender().is_none() {
            return Some(AppendError::Closed);
        }
        let limit = self.core.options.bytes_max?;
        let stored = self.core.shared.counters(|counters| counters.stored_bytes);
        let full = stored >= limit - limit / 16 || self.core.shared.is_full();
        full.then_some(AppendError::Full { limit })
    }

    /// Counts since the ledger was opened.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.core.shared.stats()
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

    fn sender(&self) -> Option<mpsc::UnboundedSender<Job>> {
        self.jobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Refuses what can be refused at once; answers what the batch takes in the queue.
    fn check(&self, drafts: &[Draft]) -> Result<u32, AppendError> {
        drafts.iter().try_for_each(check_draft)?;
        let bytes = drafts.iter().map(Draft::cost_bytes).sum();
        let limit = self.options.segment_bytes / 4;
        let cost = u32::try_from(bytes).ok().filter(|_| bytes <= limit);
        cost.ok_or(AppendError::BatchTooLarge { bytes, limit })
    }

    fn enqueue(
        &self,
        drafts: Vec<Draft>,
        room: tokio::sync::OwnedSemaphorePermit,
    ) -> Result<Answer, AppendError> {
        let (answer, receiver) = tokio::sync::oneshot::channel();
        let sender = self.sender().ok_or(AppendError::Closed)?;
        sender
            .send(Job {
                drafts,
                answer,
                room,
            })
            .map_err(|_| AppendError::Closed)?;
        Ok(receiver)
    }

    fn try_enqueue(&self, drafts: Vec<Draft>) -> Result<Answer, AppendError> {
        let cost = self.check(&drafts)?;
        let room = self
            .room
            .clone()
            .try_acquire_many_owned(cost)
            .map_err(|why| match why {
                TryAcquireError::NoPermits => AppendError::QueueFull,
                TryAcquireError::Closed => AppendError::Closed,
            })?;
        self.enqueue(drafts, room)
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
                self.shared.fail("a ledger thread ended unexpectedly");
            }
        }
    }
}

type Answer = tokio::sync::oneshot::Receiver<Result<Vec<Receipt>, AppendError>>;

impl Drop for Core {
    fn drop(&mut self) {
        self.end();
    }
}
