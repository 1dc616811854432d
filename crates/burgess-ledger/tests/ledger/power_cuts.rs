//! The power goes, at any operation, again and again: nothing acknowledged is lost, nothing is
//! doubled, and what the world sees verifies before anything is repaired. And the proof that these
//! tests would notice: with any one promise of the engine broken they fail.

use crate::lives::{CUTS, lives};
use crate::openings::openings;
use crate::simulator::Simulator;
use crate::simulator::promise::{ALL, Broken, Sync};
use crate::support::{counted, slice};

// R8 R124
#[test]
fn nothing_acknowledged_is_lost_and_every_checkpoint_holds_over_many_power_cuts() {
    let seeds = slice("power_cuts", 0..167);
    let count = seeds.end - seeds.start;
    for seed in seeds {
        // One thread writes files, or two or three do at the same time.
        let writers = usize::try_from(seed % 3).unwrap();
        let disk = Simulator::default().with_writers(writers);
        lives(seed, disk).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
    }
    counted("power_cuts", CUTS * count);
}

/// Seeds within which a broken promise must show.
const SEEDS: u64 = 1000;

/// How a broken promise shows.
fn noticed(broken: Broken) -> Option<String> {
    if broken == Broken::Skipped(Sync::GroupAgain) {
        return openings(Some(broken)).err(); // one life in thousands dies there
    }
    (0..SEEDS).find_map(|seed| {
        let why = lives(seed, Simulator::breaking(broken)).err()?;
        Some(format!("seed {seed}: {why}"))
    })
}

#[test]
fn leaving_out_any_one_sync_and_publishing_early_are_noticed() {
    let mut unnoticed = Vec::new();
    for broken in ALL {
        match noticed(broken) {
            Some(why) => println!("{broken:?}: {why}"),
            None => unnoticed.push(broken),
        }
    }
    assert_eq!(unnoticed, []);
    counted("broken_promises", ALL.len() as u64);
}

#[test]
fn the_sync_of_a_new_segments_zeros_is_for_speed_alone() {
    for seed in 0..60 {
        let disk = Simulator::breaking(Broken::Skipped(Sync::ZeroFill));
        lives(seed, disk).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
    }
}

#[test]
fn the_engine_asks_for_every_sync_that_the_simulator_can_leave_out() {
    let mut missing: Vec<Broken> = ALL.to_vec();
    for seed in 0..40 {
        let disk = lives(seed, Simulator::default()).unwrap();
        missing.retain(|broken| match broken {
            Broken::Skipped(sync) => !disk.synced().contains(sync),
            _ => false,
        });
    }
    assert_eq!(missing, []);
}
