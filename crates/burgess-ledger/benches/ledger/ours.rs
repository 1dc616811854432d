//! Ours: the product's own way of an event, from the journal to the acknowledgement.
//!
//! Commitments, encryption under two subjects' keys, numbering, write-ahead segment, `fdatasync`;
//! and, while that goes on, tiles, side files and signed checkpoints.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use burgess_core::audit::Event;
use burgess_core::digest::Digest;
use burgess_gateway::journal::Journal;
use burgess_ledger::{Ledger, NoteSigner, Options};
use tokio::runtime::Runtime;

use crate::clock::{Watch, figure, say};
use crate::events::Sample;
use crate::floor::Stored;
use crate::peer::{Outcome, Peer, Slice};
use crate::vault::BenchVault;

pub(crate) const ORIGIN: &str = "burgess.example/bench";
const SOURCE: &str = "bench";

/// An open ledger with its journal, and threads' way to wait for it.
pub(crate) struct Way {
    pub(crate) ledger: Ledger,
    pub(crate) journal: Journal,
    runtime: Runtime,
    calls: AtomicU64,
    /// CPU time of threads that handed in events and ended.
    pub(crate) ended_nanos: AtomicU64,
}

pub(crate) fn signer() -> Outcome<NoteSigner> {
    Ok(NoteSigner::from_seed(ORIGIN, [7; 32])?.with_ml_dsa_44([8; 32])?)
}

impl Way {
    pub(crate) fn open(folder: &Path) -> Outcome<Self> {
        let ledger = Ledger::open(folder, ORIGIN, signer()?, Options::default())?;
        let journal = Journal::new(ledger.clone(), Arc::new(BenchVault::default()));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .build()?;
        Ok(Self {
            ledger,
            journal,
            runtime,
            calls: AtomicU64::new(0),
            ended_nanos: AtomicU64::new(0),
        })
    }

    /// Records events in one batch and waits until they are durable; answers the first one's index.
    pub(crate) fn record(&self, events: &[(&Event, Option<u64>)]) -> Outcome<u64> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let random = *Digest::of(&call.to_be_bytes()).as_bytes();
        let recorded = self.journal.record_all(events, SOURCE, random);
        let receipts = self.runtime.block_on(recorded)?;
        let first = receipts.first().ok_or("no receipt")?;
        Ok(first.index)
    }

    /// What is stored of each event of the pool: the bytes that the floor writes too.
    pub(crate) fn stored(&self, pool: &[Sample]) -> Outcome<Vec<Stored>> {
        let mut stored = Vec::with_capacity(pool.len());
        for samples in pool.chunks(1_024) {
            let events = handed_in(samples);
            let first = self.record(&events)?;
            for at in (first..).take(samples.len()) {
                stored.push(Stored {
                    leaf: self.ledger.entry(at)?,
                    side: self.ledger.side(at)?,
                });
            }
        }
        Ok(stored)
    }
}

/// Events for the journal, which numbers them.
pub(crate) fn handed_in(samples: &[Sample]) -> Vec<(&Event, Option<u64>)> {
    samples.iter().map(|sample| (&sample.event, None)).collect()
}

/// CPU time of one thread, whose folder under `/proc` it is; 0 when it ended meanwhile.
pub(crate) fn nanos_of(thread: &Path) -> Outcome<u64> {
    let Ok(stat) = fs::read_to_string(thread.join("schedstat")) else {
        return Ok(0);
    };
    Ok(stat
        .split(' ')
        .next()
        .ok_or("an empty schedstat")?
        .parse()?)
}

/// Several threads that hand in a batch each and wait for it.
pub(crate) struct Ours<'a> {
    pub(crate) way: &'a Way,
    pub(crate) pool: &'a [Sample],
    pub(crate) group: usize,
    pub(crate) threads: usize,
}

impl Ours<'_> {
    /// One thread's work: batch after batch until the time is over, or until so many events are
    /// claimed.
    fn work(&self, number: usize, more: impl Fn() -> bool) -> Outcome<u64> {
        let batches: Vec<&[Sample]> = self.pool.chunks_exact(self.group).collect();
        let mut events = 0;
        let mut batches = batches.iter().cycle().skip(number * 3);
        while more() {
            let batch = batches.next().ok_or("no events")?;
            self.way.record(&handed_in(batch))?;
            events += u64::try_from(batch.len())?;
        }
        let nanos = nanos_of(Path::new("/proc/thread-self"))?;
        self.way.ended_nanos.fetch_add(nanos, Ordering::AcqRel);
        Ok(events)
    }

    /// All threads' work.
    pub(crate) fn run(&self, more: impl Fn() -> bool + Sync) -> Outcome<u64> {
        thread::scope(|scope| {
            let more = &more;
            let started: Vec<_> = (0..self.threads)
                .map(|number| scope.spawn(move || self.work(number, more)))
                .collect();
            let mut events = 0;
            for thread in started {
                events += thread.join().map_err(|_| "a thread ended unexpectedly")??;
            }
            Ok(events)
        })
    }
}

impl Peer for Ours<'_> {
    fn name(&self) -> String {
        format!(
            "ours, {} threads with groups of {}",
            self.threads, self.group
        )
    }

    fn slice(&mut self, time: Duration) -> Outcome<Slice> {
        let before = self.way.ledger.stats();
        let watch = Watch::start();
        let events = self.run(|| watch.elapsed() < time)?;
        let seconds = watch.seconds();
        let syncs = self.way.ledger.stats().syncs - before.syncs;
        let per_sync = figure(events) / figure(syncs.max(1));
        say(&format!(
            "    groups of {}: {per_sync:.0} events per fdatasync",
            self.group
        ));
        Ok(Slice { events, seconds })
    }
}
