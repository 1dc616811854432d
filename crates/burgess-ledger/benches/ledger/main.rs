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
mod ingest;
mod peer;
mod postgres;
mod report;
mod sqlite;

use clock::say;
use floor::Stored;
use peer::Outcome;
use report::Report;

/// What was asked for on the command line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Smaller logs and shorter slices.
    pub(crate) quick: bool,
}

fn main() -> Outcome<()> {
    let plan = Plan {
        quick: std::env::args().any(|argument| argument == "--quick"),
    };
    // Beside the build: the system's temporary folder may be a disk of memory, which syncs nothing.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mut report = Report::default();
    say(&format!(
        "burgess-ledger bench, {}, in {}",
        if plan.quick { "quick" } else { "full" },
        folder.path().display()
    ));
    let pool = events::pool()?;
    let stored: Vec<Stored> = pool
        .iter()
        .map(|sample| Stored {
            leaf: sample.json.clone().into_bytes(),
            side: Vec::new(),
        })
        .collect();
    ingest::measure(plan, folder.path(), &pool, &stored, Vec::new(), &mut report)?;
    say(&report.to_line());
    Ok(())
}
