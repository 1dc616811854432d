//! How fast the ledger is, as ratios to what else could be done on the same machine in one run.
//!
//! `cargo bench -p burgess-ledger` takes six minutes after some rest, with `-- --quick` less than
//! three minutes. The last line printed is one JSON object; docs/performance/ledger.md says what
//! its figures mean. Absolute figures are worth nothing here: disks are shared and throttled, so
//! all peers are measured in turns, slice by slice.
//!
//! Not here: what is right and what is wrong. Tests say that, and no test looks at a clock.

mod clock;
mod events;
mod floor;
mod growth;
mod ingest;
mod latency;
mod ours;
mod outlets;
mod peer;
mod plot;
mod postgres;
mod report;
mod rest;
mod sqlite;
mod vault;

use std::path::Path;
use std::time::Duration;

use clock::say;
use ours::Way;
use peer::Outcome;
use report::Report;

/// What was asked for on the command line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Smaller logs and shorter slices.
    pub(crate) quick: bool,
    /// One part alone, for who works on it; its figures are no run that counts.
    pub(crate) only: Option<Part>,
    /// Leaves the files, so that the next run does not suffer from their being deleted.
    pub(crate) keep: bool,
}

/// A part of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Growth,
    Ingest,
    Latency,
}

impl Plan {
    fn of(arguments: &[String]) -> Outcome<Self> {
        let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
        let (quick, keep) = (has("--quick"), has("--keep"));
        let mut rest = arguments
            .iter()
            .skip_while(|argument| *argument != "--only");
        let only = match (rest.next(), rest.next().map(String::as_str)) {
            (None, _) => None,
            (_, Some("growth")) => Some(Part::Growth),
            (_, Some("ingest")) => Some(Part::Ingest),
            (_, Some("latency")) => Some(Part::Latency),
            _ => return Err("after --only comes growth, ingest or latency".into()),
        };
        Ok(Self { quick, only, keep })
    }

    fn has(self, part: Part) -> bool {
        self.only.is_none_or(|only| only == part)
    }
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [grow, folder, entries] = arguments.as_slice()
        && grow == growth::GROW
    {
        return growth::grow(Path::new(folder), entries.parse()?);
    }
    let plan = Plan::of(&arguments)?;
    // Beside the build: the system's temporary folder may be a disk of memory, which syncs nothing.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    say(&format!(
        "burgess-ledger bench, {}, in {}",
        if plan.quick { "quick" } else { "full" },
        folder.path().display()
    ));
    rest::wait(
        folder.path(),
        Duration::from_secs(if plan.quick { 70 } else { 420 }),
    )?;
    let mut report = Report::default();
    // First, and nothing is deleted before the end: for half a minute after many files were deleted
    // ext4 looks for inodes that were not used lately, and making a file costs it a hundred times
    // as much.
    if plan.has(Part::Growth) {
        growth::measure(plan, folder.path(), &mut report)?;
    }
    let pool = events::warm_pool()?;
    let way = Way::open(&folder.path().join("ours"))?;
    let stored = way.stored(&pool)?;
    let rate = if plan.has(Part::Ingest) {
        ingest::measure(plan, folder.path(), &way, &pool, &stored, &mut report)?
    } else {
        ingest::sustained(&way, &pool)?
    };
    if plan.has(Part::Latency) {
        latency::measure(plan, folder.path(), &way, &pool, rate / 2.0, &mut report)?;
    }
    if plan.keep {
        say(&format!("kept in {}", folder.keep().display()));
    }
    say(&report.to_line());
    Ok(())
}
