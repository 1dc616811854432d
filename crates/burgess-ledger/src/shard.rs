//! One shard of the log: a folder with one writer, opened as a [`Ledger`].
//!
//! A `Ledger` is a handle; clones share the sequencer's thread, the publisher's thread and the
//! folder's lock. Opening is recovery: there is no other way in.

use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::disk::{Directory, Disk};
use crate::leaf::{Draft, Receipt};
use crate::note::{NoteError, NoteSigner};
use crate::proof::TlogProof;
use crate::publisher::Publisher;
use crate::sequencer::{AppendError, Job, Sequencer, check_draft};
use crate::side;
use crate::state::{self, Counters};
use crate::tile::{Kind, TILE_WIDTH, TileError, TileId, node, read_entries};
use crate::tree::{Hash, consistency_path, empty_root, inclusion_path, range_root};
use crate::waiting::{Shared, Stats};
use crate::wal::{self, Wal};
use std::io;
use std::ops::Range;
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
    /// [`AppendError::Full`]. `None` leaves it to the disk.
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

/// Why a ledger was not opened. Nothing was changed that the published checkpoint needs.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds the folder.
    #[error("the ledger in `{0}` is in use by another process, stop that one first")]
    InUse(String),
    /// The folder could not be used.
    #[error("`{file}`: {cause}")]
    Io {
        /// Name relative to the ledger's folder.
        file: String,
        /// The operating system's answer.
        cause: io::Error,
    },
    /// The signer is not the one that this log began with.
    #[error("`{file}`: {cause}, open the ledger with the key and origin that it was begun with")]
    Key {
        /// Name relative to the ledger's folder.
        file: &'static str,
        /// What differs.
        cause: String,
    },
    /// A part of the log is not what the published checkpoint says.
    #[error("the ledger is damaged: `{file}`: {what}, restore the folder from a backup")]
    Damaged {
        /// Name relative to the ledger's folder.
        file: String,
        /// What is wrong.
        what: String,
    },
    /// The published checkpoint is ahead of the state: an older copy was put back in part.
    #[error(
        "`state` covers {state} entries but `checkpoint` {published}: a part of the folder is older than what was published, restore the whole folder"
    )]
    RolledBack {
        /// Entries that `state` covers.
        state: u64,
        /// Entries that `checkpoint` covers.
        published: u64,
    },
    /// An option that cannot work.
    #[error("option `{option}` must be at least {min}")]
    Option {
        /// Its name.
        option: &'static str,
        /// Its least value.
        min: usize,
    },
}

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such entry yet.
    #[error("entry {index} is not in the log of {size} entries")]
    Beyond {
        /// The entry asked for.
        index: u64,
        /// Entries that there are.
        size: u64,
    },
    /// The published checkpoint does not cover it yet.
    #[error("the published checkpoint covers {published} entries, not {wanted}, publish first")]
    NotPublished {
        /// The size asked for.
        wanted: u64,
        /// The size that is published.
        published: u64,
    },
    /// A tile, bundle or side file could not be used.
    #[error(transparent)]
    Tile(#[from] TileError),
}

/// A handle on an open ledger.
#[derive(Clone)]
pub struct Ledger {
    core: Arc<Core>,
}

struct Core {
    shared: Arc<Shared>,
    disk: Arc<dyn Disk>,
    room: Arc<Semaphore>,
    options: Options,
    jobs: Mutex<Option<mpsc::UnboundedSender<Job>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    vkey: String,
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
        });
        core.spawn("ledger-sequencer", move || sequencer.run(receiver))?;
        core.spawn("ledger-publisher", move || publisher.run(&shared, interval))?;
        Ok(Self { core })
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

    /// Whether the next append can be expected to succeed.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.last_error().is_none()
    }

    /// What stands in the way of the next append.
    #[must_use]
    pub fn last_error(&self) -> Option<AppendError> {
        if let Some(cause) = self.core.shared.failure() {
            return Some(AppendError::NotWritable { cause });
        }
        if self.core.sender().is_none() {
            return Some(AppendError::Closed);
        }
        let limit = self.core.options.bytes_max?;
        self.core
            .shared
            .is_full()
            .then_some(AppendError::Full { limit })
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

/// Reading. Blocks for file access.
impl Ledger {
    /// The bytes of the leaf at `index`, durable or published.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn entry(&self, index: u64) -> Result<Vec<u8>, ReadError> {
        let mut entries = self.entries(index..index.saturating_add(1))?;
        entries.pop().ok_or(ReadError::Beyond {
            index,
            size: self.size(),
        })
    }

    /// The bytes of the leaves in `range`, which ends at [`Ledger::size`] at most.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn entries(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, ReadError> {
        let mut entries = Vec::new();
        let mut index = range.start;
        while index < range.end {
            if let Some(record) = self.core.shared.waiting(index) {
                entries.push(record.leaf.clone());
                index += 1;
                continue;
            }
            let (first, bundle) = self.bundle(index)?;
            let end = range.end.min(first + TILE_WIDTH);
            let skipped = usize::try_from(index - first).unwrap_or(usize::MAX);
            let wanted = usize::try_from(end - index).unwrap_or(usize::MAX);
            let before = entries.len();
            entries.extend(bundle.into_iter().skip(skipped).take(wanted));
            index += u64::try_from(entries.len() - before).unwrap_or(0);
        }
        Ok(entries)
    }

    /// The published part of the bundle that holds `index`, and the index of its first entry.
    fn bundle(&self, index: u64) -> Result<(u64, Vec<Vec<u8>>), ReadError> {
        let published = self.checkpoint().checkpoint.size;
        let n = index / TILE_WIDTH;
        let id = TileId::at(Kind::Entries, n, published).filter(|_| index < published);
        let id = id.ok_or_else(|| ReadError::Beyond {
            index,
            size: self.size(),
        })?;
        let (_, entries) = read_entries(&mut |name| self.core.disk.read(name), &id)?;
        Ok((n * TILE_WIDTH, entries))
    }

    /// The side value of the leaf at `index`; empty where it was given none or it was deleted.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn side(&self, index: u64) -> Result<Vec<u8>, ReadError> {
        if let Some(record) = self.core.shared.waiting(index) {
            return Ok(record.side.clone());
        }
        let published = self.checkpoint().checkpoint.size;
        if index >= published {
            return Err(ReadError::Beyond {
                index,
                size: self.size(),
            });
        }
        let file = side::path(index / TILE_WIDTH);
        let bytes = match self.core.disk.read(&file) {
            Ok(bytes) => bytes,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(cause) => return Err(TileError::Io { file, cause }.into()),
        };
        let mut values = side::decode(&bytes).ok_or_else(|| TileError::Malformed {
            file,
            index: Some(index),
            what: "is damaged".to_owned(),
        })?;
        let at = usize::try_from(index % TILE_WIDTH).unwrap_or(usize::MAX);
        Ok(if at < values.len() {
            values.swap_remove(at).1
        } else {
            Vec::new()
        })
    }

    /// RFC 6962 audit path of entry `index` in the tree of `size` published entries.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn inclusion_proof(&self, index: u64, size: u64) -> Result<Vec<Hash>, ReadError> {
        let published = self.covered(size)?;
        if index >= size {
            return Err(ReadError::Beyond { index, size });
        }
        Ok(inclusion_path(index, size, &mut |height, n| {
            self.node(published, height, n)
        })?)
    }

    /// RFC 6962 consistency proof between two published sizes.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn consistency_proof(&self, old: u64, new: u64) -> Result<Vec<Hash>, ReadError> {
        let published = self.covered(old.max(new))?;
        Ok(consistency_path(old, new, &mut |height, n| {
            self.node(published, height, n)
        })?)
    }

    /// The root over the first `size` published entries.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn root(&self, size: u64) -> Result<Hash, ReadError> {
        let published = self.covered(size)?;
        Ok(range_root(0, size, &mut |height, n| {
            self.node(published, height, n)
        })?)
    }

    /// The receipt that verifies offline: `c2sp.org/tlog-proof@v1` with the published checkpoint.
    ///
    /// # Errors
    /// [`ReadError::NotPublished`] where that checkpoint does not cover the entry yet.
    pub fn tlog_proof(&self, index: u64) -> Result<String, ReadError> {
        let signed = self.checkpoint();
        let size = signed.checkpoint.size;
        if index >= size {
            let durable = self.size();
            return Err(if index < durable {
                ReadError::NotPublished {
                    wanted: index + 1,
                    published: size,
                }
            } else {
                ReadError::Beyond {
                    index,
                    size: durable,
                }
            });
        }
        let path = self.inclusion_proof(index, size)?;
        Ok(TlogProof {
            index,
            path,
            checkpoint: signed.note.clone(),
        }
        .text())
    }

    fn covered(&self, wanted: u64) -> Result<u64, ReadError> {
        let published = self.checkpoint().checkpoint.size;
        if wanted > published {
            return Err(ReadError::NotPublished { wanted, published });
        }
        Ok(published)
    }

    fn node(&self, size: u64, height: u32, n: u64) -> Result<Hash, TileError> {
        node(&mut |name| self.core.disk.read(name), size, height, n)
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

struct Recovered {
    shared: Shared,
    publisher: Publisher,
    wal: Wal,
}

/// Opens from the state, replays the write-ahead segments on top, publishes the result, and starts
/// a fresh segment. Every step can be cut short and run again.
fn recover(
    disk: &Arc<dyn Disk>,
    origin: &str,
    signer: NoteSigner,
    options: &Options,
) -> Result<Recovered, OpenError> {
    let vkey = signer.vkey();
    let verifier = signer.verifier();
    let state = match disk.read(state::FILE) {
        Ok(bytes) => Some(
            state::decode(&bytes, &verifier).map_err(|what| OpenError::Damaged {
                file: state::FILE.to_owned(),
                what,
            }),
        ),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => None,
        Err(cause) => {
            return Err(OpenError::Io {
                file: state::FILE.to_owned(),
                cause,
            });
        }
    };
    check_vkey(&**disk, &vkey)?;
    let size = match &state {
        Some(Ok((_, signed))) => signed.checkpoint.size,
        _ => 0,
    };
    let fresh = state.is_none();
    if fresh {
        refuse_leftovers(&**disk)?;
    }
    let begun = match state {
        Some(state) => Some(state?),
        None => None,
    };
    let mut publisher = Publisher::open(disk.clone(), signer, size).map_err(damaged)?;
    let (counters, signed) = match begun {
        Some(begun) => begun,
        None => begin(&mut publisher, origin, &vkey)?,
    };
    if publisher.root() != signed.checkpoint.root {
        let what = "its tiles do not give the root that was signed".to_owned();
        return Err(OpenError::Damaged {
            file: "tile".to_owned(),
            what,
        });
    }
    let announced = announced_size(&**disk, &verifier)?;
    match announced {
        Some((published, note))
            if published > size || (published == size && note != signed.note) =>
        {
            return Err(OpenError::RolledBack {
                state: size,
                published,
            });
        }
        Some((published, _)) if published == size => {}
        _ => publisher
            .announce(&signed)
            .map_err(io_error("checkpoint"))?,
    }
    let (records, segments) = wal::recover(&**disk, size).map_err(|what| OpenError::Damaged {
        file: "wal".to_owned(),
        what: what.to_string(),
    })?;
    let shared = Shared::new(origin, signed, counters, records);
    let work = shared.work();
    if !work.records.is_empty() {
        let signed = publisher.publish(&work).map_err(io_error("tile"))?;
        shared.now_published(signed);
    }
    let wal = Wal::start(
        disk.clone(),
        options.segment_bytes,
        &segments,
        shared.size(),
    )
    .map_err(io_error("wal"))?;
    Ok(Recovered {
        shared,
        publisher,
        wal,
    })
}

fn io_error(file: &str) -> impl FnOnce(io::Error) -> OpenError {
    let file = file.to_owned();
    move |cause| OpenError::Io { file, cause }
}

fn damaged(cause: TileError) -> OpenError {
    match cause {
        TileError::Missing { file } => OpenError::Damaged {
            file,
            what: "is missing".to_owned(),
        },
        TileError::Malformed { file, what, .. } => OpenError::Damaged { file, what },
        TileError::Io { file, cause } => OpenError::Io { file, cause },
    }
}

/// Begins a log: the key and a signed checkpoint over nothing.
fn begin(
    publisher: &mut Publisher,
    origin: &str,
    vkey: &str,
) -> Result<(Counters, SignedCheckpoint), OpenError> {
    publisher
        .put("vkey", format!("{vkey}\n").into_bytes())
        .map_err(io_error("vkey"))?;
    let checkpoint = Checkpoint {
        origin: origin.to_owned(),
        size: 0,
        root: empty_root(),
    };
    let signed = publisher
        .sign(checkpoint)
        .map_err(|cause: NoteError| OpenError::Key {
            file: "checkpoint",
            cause: cause.to_string(),
        })?;
    let counters = Counters::default();
    publisher
        .put(state::FILE, state::encode(&counters, &signed))
        .map_err(io_error("state"))?;
    Ok((counters, signed))
}

fn check_vkey(disk: &dyn Disk, vkey: &str) -> Result<(), OpenError> {
    match disk.read("vkey") {
        Ok(bytes) if bytes == format!("{vkey}\n").as_bytes() => Ok(()),
        Ok(_) => {
            let cause = format!("it is not `{vkey}`");
            Err(OpenError::Key {
                file: "vkey",
                cause,
            })
        }
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(OpenError::Io {
            file: "vkey".to_owned(),
            cause,
        }),
    }
}

/// A log without its state is not begun anew over what is left of it.
fn refuse_leftovers(disk: &dyn Disk) -> Result<(), OpenError> {
    let names = disk.list("").map_err(io_error("."))?;
    for file in ["checkpoint", "tile", "wal"] {
        if names.iter().any(|name| name == file) {
            let what = format!("is missing although `{file}` is there");
            return Err(OpenError::Damaged {
                file: state::FILE.to_owned(),
                what,
            });
        }
    }
    Ok(())
}

/// Size and note of the `checkpoint` file, if there is one.
fn announced_size(
    disk: &dyn Disk,
    verifier: &crate::note::NoteVerifier,
) -> Result<Option<(u64, String)>, OpenError> {
    let bytes = match disk.read("checkpoint") {
        Ok(bytes) => bytes,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => {
            return Err(OpenError::Io {
                file: "checkpoint".to_owned(),
                cause,
            });
        }
    };
    let signed = SignedCheckpoint::open(&bytes, verifier).map_err(|cause| OpenError::Damaged {
        file: "checkpoint".to_owned(),
        what: cause.to_string(),
    })?;
    Ok(Some((signed.checkpoint.size, signed.note)))
}
