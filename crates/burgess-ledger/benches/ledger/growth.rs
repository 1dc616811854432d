//! A log that grows: what an event costs as the log becomes long, how much memory that takes, how
//! fast the log opens again, how fast it is verified, and how many bytes it has on disk.
//!
//! The growing happens in a process of its own, so that nothing but the ledger and its callers
//! counts.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;

use burgess_ledger::tree::{leaf_hash, node_hash};
use burgess_ledger::{Ledger, Options, verify};

use crate::Plan;
use crate::clock::{Watch, figure, median, say};
use crate::events::{self, Sample};
use crate::ours::{self, ORIGIN, Ours, Way, signer};
use crate::outlets;
use crate::peer::Outcome;
use crate::plot;
use crate::report::Report;
use crate::sqlite::Table;

/// What makes this program the one that grows a log.
pub(crate) const GROW: &str = "--grow";
/// Events between two readings of CPU time.
const STEP: u64 = 100_000;
/// Events with which a process and the kernel's lists of free memory get warm.
const WARMING: u64 = 2_000_000;
/// Logs that are measured between these entries, with one checkpoint each, where each is for some
/// 100 ms alone.
const SHORT_LOGS: u32 = 9;
const SHORT_FROM: u64 = 10_000;
const SHORT_TO: u64 = 40_000;
const GROUP: usize = 1_024;
const THREADS: usize = 3;

/// In the process of its own: grows some short logs and a log in `folder`, prints sizes and the
/// nanoseconds of CPU that an event cost up to there, and at the end the most memory that it had.
pub(crate) fn grow(folder: &Path, entries: u64) -> Outcome<()> {
    let pool = events::pool()?;
    // What a process needs once, however long its log is, is spent on another log.
    let warming = Way::open(&folder.with_extension("warming"))?;
    callers(&warming, &pool).run(|| warming.ledger.size() < WARMING)?;
    warming.ledger.publish_blocking()?;
    drop(warming);
    for n in 0..SHORT_LOGS {
        let way = Way::open(&folder.with_extension(format!("short-{n}")))?;
        let mut meter = Meter::start(&way)?;
        callers(&way, &pool).run(|| way.ledger.size() < SHORT_FROM)?;
        way.ledger.publish_blocking()?;
        meter.read()?;
        callers(&way, &pool).run(|| way.ledger.size() < SHORT_TO)?;
        way.ledger.publish_blocking()?;
        say_cost(&way, meter.read()?);
    }
    // The most memory from here on (proc(5), clear_refs): that of this log, and what the others left.
    fs::write("/proc/self/clear_refs", "5")?;
    let way = Way::open(folder)?;
    let mut meter = Meter::start(&way)?;
    for mark in (1..=entries / STEP).map(|n| n * STEP) {
        callers(&way, &pool).run(|| way.ledger.size() < mark)?;
        say_cost(&way, meter.read()?);
    }
    way.ledger.publish_blocking()?;
    say(&format!("rss_kb {}", peak_kb()?));
    Ok(())
}

fn say_cost(way: &Way, cost: f64) {
    say(&format!("{} {cost:.0}", way.ledger.size()));
}

/// CPU time of this process per event of a log.
struct Meter<'a> {
    way: &'a Way,
    size: u64,
    nanos: u64,
}

impl<'a> Meter<'a> {
    fn start(way: &'a Way) -> Outcome<Self> {
        let (size, nanos) = (way.ledger.size(), cpu_nanos(way)?);
        Ok(Self { way, size, nanos })
    }

    /// Nanoseconds per event since the last reading.
    fn read(&mut self) -> Outcome<f64> {
        let before = std::mem::replace(self, Self::start(self.way)?);
        let events = (self.size - before.size).max(1);
        Ok(figure(self.nanos - before.nanos) / figure(events))
    }
}

fn callers<'a>(way: &'a Way, pool: &'a [Sample]) -> Ours<'a> {
    Ours {
        way,
        pool,
        group: GROUP,
        threads: THREADS,
    }
}

/// CPU time so far, of the threads that are there and of those that handed in events and ended.
fn cpu_nanos(way: &Way) -> Outcome<u64> {
    let mut nanos = way.ended_nanos.load(Ordering::Acquire);
    for thread in fs::read_dir("/proc/self/task")? {
        nanos += ours::nanos_of(&thread?.path())?;
    }
    Ok(nanos)
}

/// The most memory that this process had, in kilobytes.
fn peak_kb() -> Outcome<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or("no VmHWM")?.parse()?)
}

pub(crate) fn measure(plan: Plan, folder: &Path, report: &mut Report) -> Outcome<()> {
    let entries = if plan.quick { 1_000_000 } else { 10_000_000 };
    let log = folder.join("grown");
    let (costs, rss_kb) = grown(&log, entries)?;
    report.put("rss_mb", figure(rss_kb) / 1_024.0);
    flatness(plan, &costs, report)?;
    open_again(plan, &log, report)?;
    let bytes = bytes_per_event(&log)?;
    compare_bytes(plan, folder, &bytes, report)?;
    verify_against_sha256(&log, report)?;
    Ok(())
}

/// Sizes and the nanoseconds of CPU that an event cost up to there.
type Costs = Vec<(f64, f64)>;

fn grown(log: &Path, entries: u64) -> Outcome<(Costs, u64)> {
    let watch = Watch::start();
    let output = Command::new(std::env::current_exe()?)
        .arg(GROW)
        .arg(log)
        .arg(entries.to_string())
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let text = String::from_utf8(output.stdout)?;
    let (mut costs, mut rss_kb) = (Vec::new(), 0);
    for line in text.lines() {
        let (name, value) = line.split_once(' ').ok_or("an odd reading")?;
        match name.parse() {
            Ok(size) => costs.push((size, value.parse()?)),
            Err(_) => rss_kb = value.parse()?,
        }
    }
    let seconds = watch.seconds();
    say(&format!(
        "a log of {entries} entries grew in {seconds:.0} s; the process had {} MB at most",
        rss_kb / 1_024
    ));
    Ok((costs, rss_kb))
}

/// The cost near each power of ten: the median of the steps there.
fn flatness(plan: Plan, costs: &Costs, report: &mut Report) -> Outcome<()> {
    let mut near = Vec::new();
    for power in [1e4, 1e5, 1e6, 1e7] {
        let within = |from: f64, to: f64| -> Vec<f64> {
            let inside = costs.iter().filter(|(size, _)| (from..to).contains(size));
            inside.map(|(_, cost)| *cost).collect()
        };
        // From there to four times as far, or where the log ends, just before it.
        let mut nearby = within(power * 1.1, power * 4.5);
        if nearby.is_empty() {
            nearby = within(power * 0.85, power * 1.1);
        }
        if !nearby.is_empty() {
            say(&format!(
                "  CPU near {power:>9} entries: {:.0} ns per event",
                median(&nearby)
            ));
            near.push(median(&nearby));
        }
    }
    let least = near.iter().copied().fold(f64::INFINITY, f64::min);
    let most = near.iter().copied().fold(0.0, f64::max);
    report.put("cpu_flatness", most / least);
    report.put("cpu_ns_per_event", median(&near));
    if !plan.quick {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/performance");
        let long = costs
            .iter()
            .filter(|(size, _)| *size > figure(SHORT_TO) * 2.0);
        let short = near.first().map(|cost| (figure(SHORT_TO), *cost));
        let points: Costs = short.into_iter().chain(long.copied()).collect();
        fs::write(docs.join("cpu-per-event.svg"), plot::svg(&points))?;
    }
    Ok(())
}

fn open_again(plan: Plan, log: &Path, report: &mut Report) -> Outcome<()> {
    let watch = Watch::start();
    let ledger = Ledger::open(log, ORIGIN, signer()?, Options::default())?;
    let seconds = watch.seconds();
    say(&format!(
        "opening {} entries took {seconds:.3} s",
        ledger.size()
    ));
    if plan.quick {
        report.skip(
            &["open_10m_s"],
            "only the full run makes a log of 10 million",
        );
        report.put("open_1m_s", seconds);
    } else {
        report.put("open_10m_s", seconds);
    }
    Ok(())
}

/// Bytes per event of tiles, entries and side files.
struct Bytes {
    tiles: f64,
    entries: f64,
    side: f64,
}

fn bytes_per_event(log: &Path) -> Outcome<Bytes> {
    let verifier = signer()?.verifier();
    let size = verify::log(&mut |name| fs::read(log.join(name)), &verifier, None)?;
    let events = figure(size.checkpoint.size);
    let entries = figure(folder_bytes(&log.join("tile/entries"))?) / events;
    let bytes = Bytes {
        tiles: figure(folder_bytes(&log.join("tile"))?) / events - entries,
        entries,
        side: figure(folder_bytes(&log.join("side"))?) / events,
    };
    say(&format!(
        "bytes per event: hash tiles {:.1}, entries {:.1}, side files {:.1}",
        bytes.tiles, bytes.entries, bytes.side
    ));
    Ok(bytes)
}

pub(crate) fn folder_bytes(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() {
            folder_bytes(&entry.path())?
        } else {
            entry.metadata()?.len()
        };
    }
    Ok(bytes)
}

/// The same number of other events in the table that most would build.
fn compare_bytes(plan: Plan, folder: &Path, ours: &Bytes, report: &mut Report) -> Outcome<()> {
    let rows = if plan.quick { 100_000 } else { 1_000_000 };
    let mut table = Table::create(&folder.join("bytes.sqlite"))?;
    for from in (0..rows).step_by(1_000) {
        let samples: Vec<_> = (from..from + 1_000)
            .map(events::sample)
            .collect::<Outcome<_>>()?;
        table.add(samples.iter().map(|s| (&s.event, s.json.as_str())))?;
    }
    let (with, alone) = table.bytes()?;
    let (with, alone) = (figure(with) / figure(rows), figure(alone) / figure(rows));
    say(&format!(
        "bytes per event: SQLite table {alone:.1}, with its two indexes {with:.1}"
    ));
    let ledger = ours.tiles + ours.entries + ours.side;
    report.put("ledger_vs_sqlite_bytes", ledger / with);
    report.put("ledger_vs_sqlite_table_bytes", ledger / alone);
    outlets::measure(rows, folder, with, report)
}

/// Verifying a log against hashing the same bytes once, both on one thread and from the page
/// cache.
fn verify_against_sha256(log: &Path, report: &mut Report) -> Outcome<()> {
    let verifier = signer()?.verifier();
    let mut ratios = Vec::new();
    for _ in 0..3 {
        let watch = Watch::start();
        let size = verify::log(&mut |name| fs::read(log.join(name)), &verifier, None)?;
        let verified = watch.seconds();
        let bound = sha256_bound(log, size.checkpoint.size)?;
        say(&format!(
            "verifying took {verified:.2} s, its hashing alone takes {bound:.2} s"
        ));
        ratios.push(bound / verified);
    }
    report.put("verify_vs_sha256", median(&ratios));
    Ok(())
}

/// Seconds to hash every entry and as many nodes, of a bundle that is in memory already.
fn sha256_bound(log: &Path, size: u64) -> Outcome<f64> {
    let bundle = fs::read(log.join("tile/entries/000"))?;
    let mut entries = Vec::new();
    let mut rest = bundle.as_slice();
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, after) = after.split_at_checked(length).ok_or("a cut entry")?;
        entries.push(entry);
        rest = after;
    }
    let watch = Watch::start();
    let mut node = [0; 32];
    for (_, entry) in (0..size).zip(entries.iter().cycle()) {
        node = node_hash(&node, &leaf_hash(entry));
    }
    let seconds = watch.seconds();
    if std::hint::black_box(node) == [0; 32] {
        return Err("no hash".into());
    }
    Ok(seconds)
}
