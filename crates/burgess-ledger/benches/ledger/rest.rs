//! Waits until making files is cheap: ext4 without a journal keeps the inodes of files that were
//! deleted in the last minutes, and looks through all of them for each new file. Whoever built or
//! tested right before would measure that.

use std::fs::{self, File};
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::clock::{Watch, figure, say};
use crate::peer::Outcome;

/// Files that are made to see what one costs.
const FILES: u32 = 400;
/// Making a file costs some 10 µs, and hundreds while the file system remembers deleted ones.
const CALM_MICROS: f64 = 40.0;
const PAUSE: Duration = Duration::from_secs(5);

/// Waits for a calm file system under `folder`, `limit` at most.
pub(crate) fn wait(folder: &Path, limit: Duration) -> Outcome<()> {
    let watch = Watch::start();
    for round in 0_u32.. {
        let micros = cost(&folder.join(format!("rest-{round}")))?;
        let calm = micros < CALM_MICROS;
        if calm || watch.elapsed() > limit {
            let now = if calm { "calm" } else { "not calm, we go on" };
            let seconds = watch.seconds();
            say(&format!(
                "making a file takes {micros:.0} µs after {seconds:.0} s of rest: {now}"
            ));
            break;
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}

/// Microseconds that making one file takes.
fn cost(folder: &Path) -> Outcome<f64> {
    fs::create_dir(folder)?;
    let watch = Watch::start();
    for file in 0..FILES {
        File::create_new(folder.join(file.to_string()))?;
    }
    Ok(watch.seconds() * 1e6 / figure(u64::from(FILES)))
}
