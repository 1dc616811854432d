//! The one thread that owns the log: it numbers entries, writes them ahead and acknowledges them.
//!
//! There is no timer. Whoever waits when the previous group is durable forms the next group, so a
//! lone caller pays one `fdatasync` and a thousand callers share one. Tiles, checkpoints and
//! everything else that may be late is the publisher's.

use crate::disk::Disk;
use crate::leaf::{Draft, Receipt, Record, SIDE_BYTES_MAX, name_is_usable};
use crate::side;
use crate::state::Counters;
use crate::tile::{ENTRY_BYTES_MAX, TILE_WIDTH};
use crate::tree::leaf_hash;
use crate::waiting::Shared;
use crate::wal::Wal;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

/// Why an entry was not acknowledged. Only after [`AppendError::NotWritable`] may it be in the log
/// nevertheless; a caller that numbers its entries finds out by handing it over again.
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
    /// The ledger was closed.
    #[error("the ledger is closed")]
    Closed,
}

/// A batch on its way: appended whole or not at all.
pub(crate) struct Job {
    pub(crate) drafts: Vec<Draft>,
    pub(crate) answer: oneshot::Sender<Result<Vec<Receipt>, AppendError>>,
    /// Room in the queue, given back when the job has been answered.
    pub(crate) room: OwnedSemaphorePermit,
}

/// A place in an answer: a new record of this group, or a receipt from before it.
enum Place {
    New(usize),
    /// Handed over a second time within the group.
    Again(usize),
    Duplicate(Receipt),
}

pub(crate) struct Sequencer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) wal: Wal,
    /// What the next entries are numbered from; runs ahead of the shared ones within a group.
    pub(crate) counters: Counters,
    pub(crate) next_index: u64,
    pub(crate) group_bytes: usize,
    pub(crate) bytes_max: Option<u64>,
}

impl Sequencer {
    /// Works until every sender is gone.
    pub(crate) fn run(mut self, mut jobs: mpsc::UnboundedReceiver<Job>) {
        while let Some(first) = jobs.blocking_recv() {
            let mut bytes = first.room.num_permits();
            let mut group = vec![first];
            while bytes < self.group_bytes {
                let Ok(job) = jobs.try_recv() else { break };
                bytes += job.room.num_permits();
                group.push(job);
            }
            self.commit(group);
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
                self.shared.fail(&format!("write-ahead segment: {cause}"));
            }
            drop(order.answer.send(done)); // who ordered it may have stopped waiting
        }
    }

    /// Numbers a group, makes it durable, and answers it.
    fn commit(&mut self, group: Vec<Job>) {
        let mut records = Vec::new();
        let mut answers = Vec::new();
        for job in group {
            let places = self.place(job.drafts, &mut records);
            answers.push((places, job.answer, job.room));
        }
        let outcome = self.write(&records);
        let shard = self.shared.origin.clone();
        let receipts: Vec<Receipt> = records.iter().map(|r| r.receipt(&shard, false)).collect();
        if outcome.is_ok() {
            self.shared.committed(records, self.wal.syncs);
        }
        for (places, answer, room) in answers {
            let result = places.and_then(|places| {
                outcome.clone()?;
                places
                    .into_iter()
                    .map(|place| settle(place, &receipts))
                    .collect()
            });
            drop(answer.send(result)); // the caller may have stopped waiting; the entry stands
            drop(room);
        }
    }

    /// The commit point of an append: after this returns the entries are on disk.
    fn write(&mut self, records: &[Record]) -> Result<(), AppendError> {
        self.shared.check_writable()?;
        if records.is_empty() {
            return Ok(());
        }
        let published = self.shared.wait_for_room()?;
        self.wal.append(records, published).map_err(|cause| {
            let cause = format!("write-ahead segment: {cause}");
            self.shared.fail(&cause);
            AppendError::NotWritable { cause }
        })
    }

    /// Numbers the drafts of one batch and adds their records; on refusal nothing has changed.
    fn place(
        &mut self,
        drafts: Vec<Draft>,
        records: &mut Vec<Record>,
    ) -> Result<Vec<Place>, AppendError> {
        let (before, first_record) = (self.touched(&drafts), records.len());
        let mut places = Vec::with_capacity(drafts.len());
        for draft in drafts {
            match self.place_one(draft, records) {
                Ok(place) => places.push(place),
                Err(refusal) => {
                    let undone = records.len() - first_record;
                    self.next_index -= u64::try_from(undone).unwrap_or(0);
                    records.truncate(first_record);
                    self.restore(before);
                    return Err(refusal);
                }
            }
        }
        Ok(places)
    }

    fn place_one(&mut self, draft: Draft, records: &mut Vec<Record>) -> Result<Place, AppendError> {
        let expected = self.counters.source(&draft.source) + 1;
        let source_seq = draft.source_seq.unwrap_or(expected);
        if source_seq > expected || source_seq == 0 {
            return Err(AppendError::SourceGap {
                source_name: draft.source,
                got: source_seq,
                expected,
            });
        }
        if source_seq < expected {
            return self.duplicate(&draft.source, source_seq, records);
        }
        let sequence = self.counters.stream(&draft.stream) + 1;
        let leaf = draft.leaf(sequence, source_seq);
        if leaf.len() > ENTRY_BYTES_MAX {
            return Err(AppendError::LeafTooLarge { bytes: leaf.len() });
        }
        let record = Record {
            index: self.next_index,
            source: draft.source,
            source_seq,
            stream: draft.stream,
            sequence,
            leaf_hash: leaf_hash(&leaf),
            leaf,
            side: draft.side,
        };
        self.check_limit(&record)?;
        self.counters.apply(&record);
        self.next_index += 1;
        records.push(record);
        Ok(Place::New(records.len() - 1))
    }

    fn check_limit(&self, record: &Record) -> Result<(), AppendError> {
        let Some(limit) = self.bytes_max else {
            return Ok(());
        };
        let full = self.counters.stored_bytes + record.stored_bytes() > limit;
        self.shared.filled_up(full);
        if full {
            Err(AppendError::Full { limit })
        } else {
            Ok(())
        }
    }

    /// The receipt that the number got when it was first handed over.
    fn duplicate(
        &self,
        source: &str,
        source_seq: u64,
        records: &[Record],
    ) -> Result<Place, AppendError> {
        let same = |record: &&Record| record.source == source && record.source_seq == source_seq;
        if let Some(at) = records.iter().position(|record| same(&record)) {
            return Ok(Place::Again(at));
        }
        let origin = &self.shared.origin;
        let found = self
            .shared
            .find_waiting(source, source_seq)
            .map(|record| record.receipt(origin, true))
            .or_else(|| self.find_stored(source, source_seq));
        found
            .map(Place::Duplicate)
            .ok_or_else(|| AppendError::AlreadyStored {
                source_name: source.to_owned(),
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
            for (at, (numbering, _)) in of_source.filter(|(_, (n, _))| n.source == source) {
                if numbering.source_seq < source_seq {
                    return None;
                }
                if numbering.source_seq == source_seq {
                    let index = n * TILE_WIDTH + u64::try_from(at).ok()?;
                    let leaf = self.shared.stored_leaf(&*self.disk, index).ok()?;
                    return Some(Receipt {
                        shard: self.shared.origin.clone(),
                        index,
                        leaf_hash: leaf_hash(&leaf),
                        sequence: numbering.sequence,
                        source_seq,
                        duplicate: true,
                    });
                }
            }
        }
        None
    }

    /// The counters that a batch may move, as they are now.
    fn touched(&self, drafts: &[Draft]) -> Counters {
        let pick = |names: &mut dyn Iterator<Item = &String>, from: &BTreeMap<String, u64>| {
            names
                .map(|name| (name.clone(), from.get(name).copied().unwrap_or(0)))
                .collect()
        };
        Counters {
            sources: pick(
                &mut drafts.iter().map(|d| &d.source),
                &self.counters.sources,
            ),
            streams: pick(
                &mut drafts.iter().map(|d| &d.stream),
                &self.counters.streams,
            ),
            stored_bytes: self.counters.stored_bytes,
        }
    }

    fn restore(&mut self, before: Counters) {
        self.counters.sources.extend(before.sources);
        self.counters.streams.extend(before.streams);
        self.counters.stored_bytes = before.stored_bytes;
    }
}

fn settle(place: Place, receipts: &[Receipt]) -> Result<Receipt, AppendError> {
    match place {
        Place::New(at) => receipts.get(at).cloned().ok_or(AppendError::Closed),
        Place::Again(at) => {
            let first = receipts.get(at).cloned().ok_or(AppendError::Closed)?;
            Ok(Receipt {
                duplicate: true,
                ..first
            })
        }
        Place::Duplicate(receipt) => Ok(receipt),
    }
}

/// What can be refused before an entry queues up.
pub(crate) fn check_draft(draft: &Draft) -> Result<(), AppendError> {
    for name in [&draft.source, &draft.stream] {
        if !name_is_usable(name) {
            return Err(AppendError::Name(name.clone()));
        }
    }
    if draft.side.len() > SIDE_BYTES_MAX {
        return Err(AppendError::SideTooLarge {
            bytes: draft.side.len(),
        });
    }
    let bytes = draft.leaf_bytes_min();
    if bytes > ENTRY_BYTES_MAX {
        return Err(AppendError::LeafTooLarge { bytes });
    }
    Ok(())
}
