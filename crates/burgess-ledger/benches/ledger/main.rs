//! How fast the ledger is, as ratios to what else could be done on the same machine in one run.
//!
//! `cargo bench -p burgess-ledger` takes about a quarter of an hour, with `-- --quick` less than
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
mod sqlite;
mod vault;

use std::path::Path;

use clock::say;
use ours::Way;
use peer::Outcome;
use report::Report;

/// What was asked for on the command line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Smaller logs and shorter slices.
    pub(crate) quick: bool,
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [grow, folder, entries] = arguments.as_slice()
        && grow == growth::GROW
    {
        return growth::grow(Path::new(folder), entries.parse()?);
    }
    let plan = Plan {
        quick: arguments.iter().any(|argument| argument == "--quick"),
    };
    // Beside the build: the system's temporary folder may be a disk of memory, which syncs nothing.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    say(&format!(
        "burgess-ledger bench, {}, in {}",
        if plan.quick { "quick" } else { "full" },
        folder.path().display()
    ));
    let mut report = Report::default();
    // First, and nothing is deleted before the end: for half a minute after many files were deleted
    // ext4 looks for inodes that were not used lately, and making a file costs it a hundred times
    // as much.
    growth::measure(plan, folder.path(), &mut report)?;
    let pool = events::pool()?;
    let way = Way::open(&folder.path().join("ours"))?;
    let stored = way.stored(&pool)?;
    let rate = ingest::measure(plan, folder.path(), &way, &pool, &stored, &mut report)?;
    latency::measure(plan, folder.path(), &way, &pool, rate / 2.0, &mut report)?;
    say(&report.to_line());
    Ok(())
}
