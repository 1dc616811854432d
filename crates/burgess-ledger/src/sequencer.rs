//! The one thread that owns the log: it numbers entries, writes them ahead and acknowledges them.
//!
//! There is no timer. Whoever waits when the previous group is durable forms the next group, so a
//! lone caller pays one `fdatasync` and a thousand callers share one. Tiles, checkpoints and
//! everything else that may be late is the publisher's.

use crate::batch::{Batch, Number, Pending};
use crate::disk::Disk;
use crate::group::{Framing, Group};
use crate::leaf::{Receipt, stored_bytes};
use crate::names::{NameId, place};
use crate::side;
use crate::state::Counters;
use crate::tile::{ENTRY_BYTES_MAX, TILE_WIDTH};
use crate::tree::{Hash, leaf_hash};
use crate::waiting::Shared;
use crate::wal::Wal;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SendError, Sender};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

/// Why an entry was not acknowledged. Only after [`AppendError::NotWritable`] and
/// [`AppendError::StorageFull`] may it be in the log nevertheless; a caller that numbers its entries
/// finds out by handing it over again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The leaf does not fit an entry bundle.
    #[error("the leaf has {bytes} bytes, at most 65535 are allowed, shorten the event")]
    LeafTooLarge {
        /// Its length.
        bytes: usize,
    },
    /// The side value is longer than a leaf may be.
    #[error("the side value has {bytes} bytes, at most 65535 are allowed, shorten its fields")]
    SideTooLarge {
        /// Its length.
        bytes: usize,
    },
    /// A batch that can never fit.
    #[error("the batch takes {bytes} bytes, at most {limit} are allowed, split it")]
    BatchTooLarge {
        /// Its length.
        bytes: usize,
        /// What the options allow.
        limit: usize,
    },
    /// The name cannot be kept.
    #[error("`{0}` cannot name a source or stream, use 1 to 512 bytes without control characters")]
    Name(String),
    /// Numbers from this source were left out.
    #[error("source `{source_name}` hands over {got}, next is {expected}, resume from there")]
    SourceGap {
        /// The source.
        source_name: String,
        /// The number in the draft.
        got: u64,
        /// The number that is next.
        expected: u64,
    },
    /// A duplicate whose first form is no longer indexed.
    #[error("source `{source_name}` handed over {source_seq} before, its receipt was deleted")]
    AlreadyStored {
        /// The source.
        source_name: String,
        /// The number in the draft.
        source_seq: u64,
    },
    /// The queue is full and the caller did not want to wait.
    #[error("the queue of the ledger is full, try again shortly")]
    QueueFull,
    /// The ledger has grown to the size it may have.
    #[error("the ledger has reached its limit of {limit} bytes, raise the limit")]
    Full {
        /// The limit.
        limit: u64,
    },
    /// Storage failed once; nothing is written until the ledger is opened again.
    #[error("the ledger is not writable: {cause}, check the disk and restart")]
    NotWritable {
        /// What failed first.
        cause: String,
    },
    /// The shard is sealed.
    #[error("the shard `{0}` is sealed, append to the one that follows it")]
    Sealed(String),
    /// Storage had no room once; nothing is written until the ledger is opened again.
    #[error("the storage of the ledger is full: {cause}, free space and restart")]
    StorageFull {
        /// What found no room first.
        cause: String,
    },
    /// The ledger was closed.
    #[error("the ledger is closed")]
    Closed,
}

/// A batch on its way: appended whole or not at all.
pub(crate) struct Job {
    pub(crate) batch: Batch,
    pub(crate) answer: oneshot::Sender<Result<Answer, AppendError>>,
    /// Room in the queue, given back when the job has been answered.
    pub(crate) room: OwnedSemaphorePermit,
}

/// What became of a batch. Receipts are written out of it by the caller, on the caller's thread.
pub(crate) struct Answer {
    group: Arc<Group>,
    places: Vec<Place>,
}

/// A place in an answer: entries of this group, or a receipt from before it.
enum Place {
    /// So many consecutive entries from this one on.
    New(usize, usize),
    /// Handed over a second time within the group.
    Again(usize),
    Duplicate(Receipt),
}

impl Answer {
    pub(crate) fn receipts(self, shard: &str) -> Option<Vec<Receipt>> {
        let group = &self.group;
        let mut receipts = Vec::new();
        for place in self.places {
            match place {
                Place::New(first, count) => {
                    for at in first..first + count {
                        receipts.push(group.receipt(shard, at, false)?);
                    }
                }
                Place::Again(at) => receipts.push(group.receipt(shard, at, true)?),
                Place::Duplicate(receipt) => receipts.push(receipt),
            }
        }
        Some(receipts)
    }
}

/// A group that is durable, or failed to be, and who waits for it.
pub(crate) struct Due {
    group: Arc<Group>,
    outcome: Result<(), AppendError>,
    waiting: Vec<Waiting>,
}

/// A batch: where its entries are, whom to tell, and its room in the queue.
struct Waiting {
    places: Result<Vec<Place>, AppendError>,
    answer: oneshot::Sender<Result<Answer, AppendError>>,
    room: OwnedSemaphorePermit,
}

impl Due {
    fn answer(self) {
        for waiting in self.waiting {
            let result = waiting.places.and_then(|places| {
                self.outcome.clone()?;
                let group = self.group.clone();
                Ok(Answer { group, places })
            });
            drop(waiting.answer.send(result)); // the caller may have stopped waiting; the entry stands
            drop(waiting.room);
        }
    }
}

/// Answers group after group until the sequencer has ended: to wake callers takes as long as half a
/// write, and whoever waits behind them need not wait for that.
pub(crate) fn answer_all(due: &Receiver<Due>) {
    due.iter().for_each(Due::answer);
}

pub(crate) struct Sequencer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) wal: Wal,
    /// What the next entries are numbered from; runs ahead of the shared ones within a group.
    pub(crate) counters: Counters,
    pub(crate) framing: Framing,
    pub(crate) next_index: u64,
    pub(crate) group_bytes: usize,
    pub(crate) bytes_max: Option<u64>,
    /// Who answers while the next group is on its way.
    pub(crate) answers: Sender<Due>,
}

impl Sequencer {
    /// Works until every sender is gone.
    pub(crate) fn run(mut self, mut jobs: mpsc::UnboundedReceiver<Job>) {
        while let Some(first) = jobs.blocking_recv() {
            let mut bytes = first.room.num_permits();
            let mut entries = first.batch.len();
            let mut waiting = vec![first];
            while bytes < self.group_bytes {
                let Ok(job) = jobs.try_recv() else { break };
                bytes += job.room.num_permits();
                entries += job.batch.len();
                waiting.push(job);
            }
            let used = self.shared.used_group(bytes);
            self.framing.begin(self.next_index, entries, bytes, used);
            let due = self.commit(waiting);
            self.answer(due, !jobs.is_empty());
            self.clear_segments();
        }
        self.shared.sequencer_ended();
    }

    /// Does what was ordered between two groups.
    fn clear_segments(&mut self) {
        for order in self.shared.take_clearings() {
            let published = self.shared.published().checkpoint.size;
            let done = self.wal.clear(order.rotate, published);
            if let Err(cause) = &done {
                self.shared.fail("write-ahead segment", cause);
            }
            drop(order.answer.send(done)); // who ordered it may have stopped waiting
        }
    }

    /// A lone caller is answered at once: another thread would only have to be woken first.
    fn answer(&self, due: Due, others_wait: bool) {
        if !others_wait {
            due.answer();
        } else if let Err(SendError(due)) = self.answers.send(due) {
            due.answer(); // that thread has ended
        }
    }

    /// Numbers a group and makes it durable.
    fn commit(&mut self, jobs: Vec<Job>) -> Due {
        let known = self.counters.names().len();
        let mut waiting = Vec::with_capacity(jobs.len());
        for job in jobs {
            let places = self.place(&job.batch);
            let (answer, room) = (job.answer, job.room);
            waiting.push(Waiting {
                places,
                answer,
                room,
            });
        }
        let names = self.counters.names().iter().skip(known).cloned().collect();
        let mut group = self.framing.take(names);
        let outcome = self.write(&mut group);
        let group = Arc::new(group);
        if outcome.is_ok() {
            self.shared.committed(&group, self.wal.syncs);
        }
        Due {
            group,
            outcome,
            waiting,
        }
    }

    /// The commit point of an append: after this returns the entries are on disk.
    fn write(&mut self, group: &mut Group) -> Result<(), AppendError> {
        self.shared.check_writable()?;
        if group.entries.is_empty() {
            return Ok(());
        }
        let published = self.shared.wait_for_room()?;
        self.wal
            .append(group, published)
            .map_err(|cause| self.shared.fail("write-ahead segment", &cause))
    }

    /// Numbers the entries of one batch and adds them to the group; on refusal nothing has changed.
    fn place(&mut self, batch: &Batch) -> Result<Vec<Place>, AppendError> {
        let names = batch.names().iter();
        let names: Vec<NameId> = names.map(|name| self.counters.intern(name)).collect();
        let (mark, index, stored) = (
            self.framing.mark(),
            self.next_index,
            self.counters.stored_bytes,
        );
        let mut places = Vec::new();
        for entry in batch.entries() {
            match self.place_one(batch, entry, &names, &mut places) {
                Ok(()) => {}
                Err(refusal) => {
                    for entry in self.framing.undo(&mark) {
                        self.counters.uncount_entry(&entry);
                    }
                    self.next_index = index;
                    self.counters.stored_bytes = stored;
                    return Err(refusal);
                }
            }
        }
        Ok(places)
    }

    fn place_one(
        &mut self,
        batch: &Batch,
        pending: &Pending,
        names: &[NameId],
        places: &mut Vec<Place>,
    ) -> Result<(), AppendError> {
        let name = |id| names.get(place(id)).copied().unwrap_or(NameId::MAX);
        let (source, stream) = (name(pending.source), name(pending.stream));
        let expected = self.counters.count(source).source + 1;
        let source_seq = pending.source_seq.unwrap_or(expected);
        if source_seq > expected || source_seq == 0 {
            return Err(AppendError::SourceGap {
                source_name: self.counters.names().get(source).to_owned(),
                got: source_seq,
                expected,
            });
        }
        if source_seq < expected {
            places.push(self.duplicate(source, source_seq)?);
            return Ok(());
        }
        let sequence = self.counters.count(stream).stream + 1;
        let numbers = (Decimal::new(sequence), Decimal::new(source_seq));
        let side = batch.bytes(&pending.side);
        let leaf_bytes = leaf_bytes(batch, pending, &numbers);
        if leaf_bytes > ENTRY_BYTES_MAX {
            return Err(AppendError::LeafTooLarge { bytes: leaf_bytes });
        }
        let stored = stored_bytes(leaf_bytes, side.len());
        self.check_limit(stored)?;
        self.framing.push(
            self.counters.names(),
            (source, source_seq),
            (stream, sequence),
            side,
            |frame| write_leaf(batch, pending, &numbers, frame),
        );
        if let Some(entry) = self.framing.group().entries.last() {
            self.counters.count_entry(entry, stored);
        }
        self.next_index += 1;
        let at = self.framing.group().entries.len() - 1;
        match places.last_mut() {
            Some(Place::New(first, count)) if *first + *count == at => *count += 1,
            _ => places.push(Place::New(at, 1)),
        }
        Ok(())
    }

    fn check_limit(&self, stored: u64) -> Result<(), AppendError> {
        let Some(limit) = self.bytes_max else {
            return Ok(());
        };
        let full = self.counters.stored_bytes + stored > limit;
        self.shared.filled_up(full);
        if full {
            Err(AppendError::Full { limit })
        } else {
            Ok(())
        }
    }

    /// The receipt that the number got when it was first handed over.
    fn duplicate(&self, source: NameId, source_seq: u64) -> Result<Place, AppendError> {
        let mut entries = self.framing.group().entries.iter();
        let same = entries.position(|it| it.source == source && it.source_seq == source_seq);
        if let Some(at) = same {
            return Ok(Place::Again(at));
        }
        let name = self.counters.names().get(source);
        self.shared
            .find_waiting(source, source_seq)
            .or_else(|| self.find_stored(name, source_seq))
            .map(Place::Duplicate)
            .ok_or_else(|| AppendError::AlreadyStored {
                source_name: name.to_owned(),
                source_seq,
            })
    }

    /// Searches the side files from the newest backwards: duplicates come after a crash, and what
    /// is handed over again then is among the last entries.
    fn find_stored(&self, source: &str, source_seq: u64) -> Option<Receipt> {
        let size = self.shared.published().checkpoint.size;
        for n in (0..size.div_ceil(TILE_WIDTH)).rev() {
            let entries = side::decode(&self.disk.read(&side::path(n)).ok()?)?;
            let of_source = entries.iter().enumerate().rev();
            for (at, entry) in of_source.filter(|(_, it)| it.source == source) {
                if entry.source_seq < source_seq {
                    return None;
                }
                if entry.source_seq == source_seq {
                    let index = n * TILE_WIDTH + u64::try_from(at).ok()?;
                    let leaf = self.shared.stored_leaf(&*self.disk, index).ok()?;
                    return Some(Receipt {
                        shard: self.shared.origin.clone(),
                        index,
                        leaf_hash: leaf_hash(&leaf),
                        sequence: entry.sequence,
                        source_seq,
                        duplicate: true,
                    });
                }
            }
        }
        None
    }
}

/// A number as it is written into a leaf.
struct Decimal {
    digits: [u8; 20],
    first: usize,
}

impl Decimal {
    fn new(mut number: u64) -> Self {
        let (mut digits, mut first) = ([b'0'; 20], 20);
        for (at, digit) in digits.iter_mut().enumerate().rev() {
            *digit += u8::try_from(number % 10).unwrap_or(0);
            first = at;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        Self { digits, first }
    }

    fn bytes(&self) -> &[u8] {
        self.digits.get(self.first..).unwrap_or_default()
    }
}

/// The numbers of an entry: in its stream, and from its source.
type Numbers = (Decimal, Decimal);

fn digits((sequence, source_seq): &Numbers, number: Number) -> &[u8] {
    match number {
        Number::Sequence => sequence.bytes(),
        Number::SourceSeq => source_seq.bytes(),
    }
}

fn leaf_bytes(batch: &Batch, entry: &Pending, numbers: &Numbers) -> usize {
    let holes = batch.holes(entry).iter();
    let in_holes: usize = holes.map(|(_, hole)| digits(numbers, *hole).len()).sum();
    entry.leaf.len() + in_holes
}

/// Writes a leaf with its numbers in place; answers its hash, of which the caller's thread has
/// computed the part before the first number.
fn write_leaf(batch: &Batch, entry: &Pending, numbers: &Numbers, frame: &mut Vec<u8>) -> Hash {
    let start = frame.len();
    let (leaf, holes) = (batch.bytes(&entry.leaf), batch.holes(entry));
    let mut written = 0;
    for (at, hole) in holes {
        frame.extend_from_slice(leaf.get(written..*at).unwrap_or_default());
        frame.extend_from_slice(digits(numbers, *hole));
        written = *at;
    }
    frame.extend_from_slice(leaf.get(written..).unwrap_or_default());
    entry.hashed.finish(frame.get(start..).unwrap_or_default())
}
