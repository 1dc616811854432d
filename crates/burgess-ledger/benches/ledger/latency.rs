//! Open loop: events fall due at fixed times, whether or not the ledger keeps up, and each one's
//! wait is counted from when it was due. Nothing is left out because we were busy.
//!
//! In turns with a raw 4 KiB `fdatasync` on the same disk, which is the least that anything
//! durable can take.

use std::fs::File;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use burgess_core::audit::Event;

use crate::Plan;
use crate::clock::{Watch, figure, quantile, say};
use crate::events::Sample;
use crate::ours::Way;
use crate::peer::Outcome;
use crate::report::Report;

/// Threads that hand in what is due.
const THREADS: usize = 6;
/// Events that one thread hands in at once at most.
const CLAIM_MAX: u64 = 1_024;
/// Between two looks at the clock.
const PAUSE: Duration = Duration::from_micros(20);
const BLOCK: usize = 4_096;
const FILE_BYTES: u64 = 16 << 20;

/// How often the published checkpoint is looked at.
const LOOK: Duration = Duration::from_millis(1);

#[derive(Default)]
struct Waits {
    /// From due to durable, of every event, in milliseconds.
    acknowledged: Mutex<Vec<f64>>,
    /// When which index was due; of the first event of each batch, which waits longest.
    due: Mutex<Vec<(Duration, u64)>>,
    /// When a checkpoint of which size was first seen.
    seen: Mutex<Vec<(Duration, u64)>>,
}

pub(crate) fn measure(
    plan: Plan,
    folder: &Path,
    way: &Way,
    pool: &[Sample],
    rate: f64,
    report: &mut Report,
) -> Outcome<()> {
    let (rounds, slice) = if plan.quick { (4, 1) } else { (10, 2) };
    let slice = Duration::from_secs(slice);
    let raw = Raw::new(folder)?;
    let (mut syncs, mut acknowledged, mut signed) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        syncs.extend(raw.slice(slice / 2)?);
        let waits = open_loop(way, pool, rate, slice)?;
        signed.extend(until_signed(&waits)?);
        acknowledged.extend(unlocked(waits.acknowledged)?);
    }
    say(&format!(
        "open loop at {rate:.0} events per second, milliseconds:"
    ));
    for (name, figures) in [
        ("raw 4 KiB fdatasync", &syncs),
        ("due to acknowledged", &acknowledged),
        ("due to signed checkpoint", &signed),
    ] {
        say(&format!(
            "  {name:<26} p50 {:>8.3}  p99 {:>8.3}  p99.9 {:>8.3}  of {}",
            quantile(figures, 50, 100),
            quantile(figures, 99, 100),
            quantile(figures, 999, 1_000),
            figures.len()
        ));
    }
    for (key, part) in [("ack_p50_vs_fdatasync", 50), ("ack_p99_vs_fdatasync", 99)] {
        let ratio = quantile(&acknowledged, part, 100) / quantile(&syncs, part, 100);
        report.put(key, ratio);
    }
    report.put("checkpoint_p99_ms", quantile(&signed, 99, 100));
    Ok(())
}

/// A raw durable write, as fast as the disk takes them.
struct Raw(File);

impl Raw {
    fn new(folder: &Path) -> Outcome<Self> {
        let path = folder.join("raw");
        let file = File::options().create_new(true).write(true).open(path)?;
        file.write_all_at(&vec![0; usize::try_from(FILE_BYTES)?], 0)?;
        file.sync_all()?;
        Ok(Self(file))
    }

    fn slice(&self, time: Duration) -> Outcome<Vec<f64>> {
        let (watch, block) = (Watch::start(), vec![1; BLOCK]);
        let mut waits = Vec::new();
        for at in (0..FILE_BYTES).step_by(BLOCK).cycle() {
            if watch.elapsed() > time {
                break;
            }
            let one = Watch::start();
            self.0.write_all_at(&block, at)?;
            self.0.sync_data()?;
            waits.push(one.seconds() * 1e3);
        }
        Ok(waits)
    }
}

fn open_loop(way: &Way, pool: &[Sample], rate: f64, time: Duration) -> Outcome<Waits> {
    let waits = Waits::default();
    let (claimed, ended) = (Mutex::new(0), AtomicBool::new(false));
    let watch = Watch::start();
    thread::scope(|scope| -> Outcome<()> {
        let (claimed, waits, ended) = (&claimed, &waits, &ended);
        let looking = scope.spawn(move || look(way, watch, waits, ended));
        let handing: Vec<_> = (0..THREADS)
            .map(|_| scope.spawn(move || hand_in(way, pool, rate, time, watch, claimed, waits)))
            .collect();
        for thread in handing {
            thread.join().map_err(|_| "a thread ended unexpectedly")??;
        }
        way.ledger.publish_blocking()?;
        ended.store(true, Ordering::Release);
        looking.join().map_err(|_| "a thread ended unexpectedly")?
    })?;
    Ok(waits)
}

/// One thread: claims what is due, hands it in, waits for it.
fn hand_in(
    way: &Way,
    pool: &[Sample],
    rate: f64,
    time: Duration,
    watch: Watch,
    claimed: &Mutex<u64>,
    waits: &Waits,
) -> Outcome<()> {
    // An event that falls due while we sleep must not wait for the system's leisure on top.
    rustix::thread::set_current_timer_slack(NonZeroU64::new(1))?;
    let mut samples = pool.iter().cycle();
    let (mut acknowledged, mut due_first) = (Vec::new(), Vec::new());
    while let Some((from, count)) = claim(claimed, rate, time, watch)? {
        let events: Vec<(&Event, Option<u64>)> = samples
            .by_ref()
            .take(usize::try_from(count)?)
            .map(|sample| (&sample.event, None))
            .collect();
        let index = way.record(&events)?;
        let now = watch.seconds();
        let due = |n: u64| figure(n) / rate;
        acknowledged.extend((from..from + count).map(|n| (now - due(n)) * 1e3));
        due_first.push((Duration::from_secs_f64(due(from)), index));
    }
    locked(&waits.acknowledged)?.append(&mut acknowledged);
    locked(&waits.due)?.append(&mut due_first);
    Ok(())
}

/// Waits until something is due, and claims it: the first one's number and how many there are. One
/// thread looks at the clock at a time, for looking takes from the cores that are measured.
fn claim(
    claimed: &Mutex<u64>,
    rate: f64,
    time: Duration,
    watch: Watch,
) -> Outcome<Option<(u64, u64)>> {
    let mut claimed = locked(claimed)?;
    loop {
        let now = watch.elapsed();
        let due = due_by(now.min(time), rate);
        if due > *claimed {
            let (from, count) = (*claimed, CLAIM_MAX.min(due - *claimed));
            *claimed += count;
            return Ok(Some((from, count)));
        }
        if now >= time {
            return Ok(None); // nothing that fell due is left
        }
        thread::sleep(PAUSE);
    }
}

/// Events that have fallen due in `time`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive count far below 2^53"
)]
fn due_by(time: Duration, rate: f64) -> u64 {
    (time.as_secs_f64() * rate) as u64
}

/// Notes when which checkpoint is first seen.
fn look(way: &Way, watch: Watch, waits: &Waits, ended: &AtomicBool) -> Outcome<()> {
    let mut last = 0;
    loop {
        let done = ended.load(Ordering::Acquire);
        let size = way.ledger.checkpoint().checkpoint.size;
        if size > last {
            last = size;
            locked(&waits.seen)?.push((watch.elapsed(), size));
        }
        if done {
            return Ok(());
        }
        thread::sleep(LOOK);
    }
}

/// From due to the first checkpoint that covers the event, in milliseconds.
fn until_signed(waits: &Waits) -> Outcome<Vec<f64>> {
    let seen = locked(&waits.seen)?;
    let due = locked(&waits.due)?;
    let signed = due.iter().filter_map(|(due, index)| {
        let at = seen.partition_point(|(_, size)| size <= index);
        let (when, _) = seen.get(at)?;
        Some(when.saturating_sub(*due).as_secs_f64() * 1e3)
    });
    Ok(signed.collect())
}

fn locked<T>(figures: &Mutex<T>) -> Outcome<std::sync::MutexGuard<'_, T>> {
    figures
        .lock()
        .map_err(|_| "a thread ended unexpectedly".into())
}

fn unlocked<T>(figures: Mutex<T>) -> Outcome<T> {
    figures
        .into_inner()
        .map_err(|_| "a thread ended unexpectedly".into())
}
