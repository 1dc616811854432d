//! An opening that is cut short. The process before it has died, or could not sync, so that reading
//! shows what the disk may not have; then the power goes at each operation of the opening in turn.
//! The lock table keeps what it was told, so nothing may be told to it that the power can still take.

use crate::simulator::promise::Broken;
use crate::simulator::{Dice, Simulator};
use crate::support::{ORIGIN, draft, fill, options, signer};
use burgess_ledger::disk::Disk as _;
use burgess_ledger::{Ledger, LockTable, OpenError, Options};
use std::sync::Arc;

/// Fates of what no sync covered, for each operation.
const FATES: u64 = 12;
/// Entries that are published before anything happens.
const PUBLISHED: u64 = 4;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Row {
    Kept,
    /// There is no lock table.
    Absent,
    /// The log is given a lock table that does not know it.
    Begun,
}

fn open(disk: &Simulator, row: Row) -> Result<Ledger, OpenError> {
    let table = || Arc::new(disk.clone()) as Arc<dyn LockTable>;
    let options = Options {
        lock_table: (row != Row::Absent).then(table),
        recovery: row == Row::Begun,
        ..options()
    };
    Ledger::open_on(Arc::new(disk.clone()), ORIGIN, signer(), options)
}

/// Why a group that was written may be in the cache alone.
#[derive(Clone, Copy, Debug)]
enum Unsynced {
    TheProcessDied,
    TheSyncFailed,
}

/// A ledger that has ended with one more acknowledged entry, and one that is in the cache alone.
fn ended(disk: &Simulator, row: Row, unsynced: Unsynced) {
    let ledger = open(disk, row).unwrap();
    fill(&ledger, PUBLISHED);
    let append = || ledger.append_blocking(draft("outbox", None, "app"));
    append().unwrap();
    match unsynced {
        Unsynced::TheProcessDied => disk.power_for(1), // for the write
        Unsynced::TheSyncFailed => disk.fail("sync wal", 1, false),
    }
    append().unwrap_err();
    drop(ledger);
    disk.restart();
}

/// The power goes after so many operations of an opening: the next one has what was acknowledged.
fn opens_after(disk: &Simulator, operations: u64, fate: u64, row: Row) -> Result<(), String> {
    disk.power_for(operations);
    drop(open(disk, row));
    let disk = disk.cut(&mut Dice(fate));
    let ledger = open(&disk, row).map_err(|refusal| refusal.to_string())?;
    let size = ledger.size();
    if size <= PUBLISHED || ledger.entries(0..size).is_err() {
        return Err(format!("it has {size} entries"));
    }
    Ok(())
}

/// How many operations an opening of such a disk takes.
fn operations_of_an_opening(disk: &Simulator, row: Row) -> u64 {
    let before = disk.operations();
    drop(open(disk, row).unwrap());
    disk.operations() - before
}

/// Goes through all of it on disks that break a promise, or none; the error tells where it shows.
pub fn openings(broken: Option<Broken>) -> Result<(), String> {
    for unsynced in [Unsynced::TheProcessDied, Unsynced::TheSyncFailed] {
        let ended_disk = || {
            let disk = broken.map_or_else(Simulator::default, Simulator::breaking);
            ended(&disk, Row::Kept, unsynced);
            disk
        };
        for operations in 0..operations_of_an_opening(&ended_disk(), Row::Kept) {
            for fate in 0..FATES {
                opens_after(&ended_disk(), operations, fate, Row::Kept).map_err(|why| {
                    format!("{unsynced:?}, off after {operations}, fate {fate}: {why}")
                })?;
            }
        }
    }
    Ok(())
}

// R8 R124
#[test]
fn an_opening_tells_the_lock_table_of_nothing_that_the_power_can_still_take() {
    openings(None).unwrap();
}

// R8 R124
#[test]
fn a_state_that_is_in_the_cache_alone_is_written_again_before_a_lock_table_knows_of_it() {
    // The opening in between, without a lock table, dies when it has replaced so many files.
    let replaced_disk = |names| {
        let disk = Simulator::default();
        ended(&disk, Row::Absent, Unsynced::TheProcessDied);
        disk.power_for_names(names);
        drop(open(&disk, Row::Absent));
        disk.restart();
        disk
    };
    for names in 1..=4 {
        for operations in 0..operations_of_an_opening(&replaced_disk(names), Row::Begun) {
            for fate in 0..FATES {
                opens_after(&replaced_disk(names), operations, fate, Row::Begun).unwrap_or_else(
                    |why| panic!("{names} replaced, off after {operations}, fate {fate}: {why}"),
                );
            }
        }
    }
}

#[test]
fn what_openings_write_again_does_not_pile_up() {
    let disk = Simulator::default();
    let mut large = draft("outbox", None, "app");
    large.side = vec![1; 60_000];
    for _ in 0..6 {
        ended(&disk, Row::Kept, Unsynced::TheProcessDied);
        disk.power_for(20); // an opening that gets as far as its own copy
        assert!(open(&disk, Row::Kept).is_err());
        disk.restart();
        let ledger = open(&disk, Row::Kept).unwrap();
        for _ in 0..20 {
            ledger.append_blocking(large.clone()).unwrap(); // 1.2 MB through segments of 1 MiB
            ledger.publish_blocking().unwrap();
        }
    }
    let segments = disk.list("wal").unwrap();
    assert!(segments.len() <= 4, "{segments:?}");
}

// R8
#[test]
fn openings_that_fail_one_after_the_other_leave_one_copy_of_the_newest_group() {
    let disk = Simulator::default();
    ended(&disk, Row::Kept, Unsynced::TheProcessDied);
    let mut segments = Vec::new();
    for _ in 0..4 {
        disk.fail("rename checkpoint", 1, false);
        open(&disk, Row::Kept).unwrap_err();
        disk.restart();
        segments.push(disk.list("wal").unwrap().len());
    }
    assert_eq!(segments, [segments[0]; 4]);
    assert_eq!(open(&disk, Row::Kept).unwrap().size(), PUBLISHED + 2);
}
