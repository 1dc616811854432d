//! The power goes, at any operation, again and again: nothing acknowledged is lost, nothing is
//! doubled, and what the world sees verifies before anything is repaired.

use crate::simulator::{Broken, Dice, Simulator};
use crate::support::{ORIGIN, signer};
use burgess_ledger::disk::Disk as _;
use burgess_ledger::tree::leaf_hash;
use burgess_ledger::{Draft, Hash, Ledger, Options, Piece, verify};
use std::sync::Arc;
use std::time::Duration;

fn options() -> Options {
    Options {
        checkpoint_interval: Duration::from_millis(1),
        segment_bytes: 1 << 20,
        ..Options::default()
    }
}

fn reopen(disk: &Simulator) -> Result<Ledger, String> {
    let disk = Arc::new(disk.clone());
    Ledger::open_on(disk, ORIGIN, signer(), options()).map_err(|cause| cause.to_string())
}

/// What the outside was promised.
#[derive(Default)]
struct Promised {
    /// Leaf hashes by index; `None` where the answer was never heard.
    leaves: Vec<Option<Hash>>,
    published: u64,
}

/// Appends until the power goes or `batches` are through.
fn work(ledger: &Ledger, dice: &mut Dice, promised: &mut Promised, batches: u64) {
    for _ in 0..batches {
        let first = ledger.highest("outbox") + 1;
        let (count, bytes_max) = match dice.roll(12) {
            0 => (600, 10), // enough for bundles and tiles by the dozen
            1 => (3, 60_000),
            _ => (1 + dice.roll(8), 600),
        };
        let drafts = (0..count).map(|n| {
            let bytes = dice.roll(bytes_max);
            let body = format!(
                "{first} {n} {}",
                "x".repeat(usize::try_from(bytes).unwrap())
            );
            Draft {
                source: "outbox".to_owned(),
                source_seq: Some(first + n),
                stream: "app".to_owned(),
                template: vec![Piece::SourceSeq, Piece::Bytes(body.into_bytes())],
                side: b"side".to_vec(),
            }
        });
        let drafts: Vec<Draft> = drafts.collect();
        let Ok(receipts) = ledger.append_all_blocking(drafts) else {
            break;
        };
        for receipt in receipts {
            let index = usize::try_from(receipt.index).unwrap();
            if promised.leaves.len() <= index {
                promised.leaves.resize(index + 1, None);
            }
            promised.leaves[index] = Some(receipt.leaf_hash);
        }
        if dice.roll(4) == 0 && ledger.publish_blocking().is_err() {
            break;
        }
    }
    promised.published = promised.published.max(ledger.checkpoint().checkpoint.size);
}

/// The view of an auditor who looks at the folder as it is.
fn audit(disk: &Simulator, promised: &Promised) -> Result<(), String> {
    if disk.read("checkpoint").is_err() {
        return if promised.published == 0 {
            Ok(())
        } else {
            Err("the checkpoint is gone".to_owned())
        };
    }
    let signed = verify::log(&mut |name| disk.read(name), &signer().verifier(), None)
        .map_err(|flaw| format!("the auditor: {flaw}"))?;
    if signed.checkpoint.size < promised.published {
        let (size, published) = (signed.checkpoint.size, promised.published);
        return Err(format!(
            "the checkpoint went back from {published} to {size}"
        ));
    }
    Ok(())
}

fn recover(disk: &Simulator, promised: &Promised) -> Result<(), String> {
    let ledger = reopen(disk)?;
    let entries = ledger
        .entries(0..ledger.size())
        .map_err(|cause| cause.to_string())?;
    for (index, hash) in promised.leaves.iter().enumerate() {
        let kept = entries.get(index).map(|entry| leaf_hash(entry));
        if hash.is_some() && kept != *hash {
            return Err(format!("acknowledged entry {index} is lost"));
        }
    }
    for (number, entry) in (1..).zip(&entries) {
        if !entry.starts_with(format!("{number}").as_bytes()) {
            return Err(format!("number {number} is doubled or left out"));
        }
    }
    let size = ledger.size();
    if (ledger.highest("outbox"), ledger.sequence("app")) != (size, size) {
        return Err(format!("the counters differ from the {size} entries"));
    }
    drop(ledger);
    audit(
        disk,
        &Promised {
            leaves: Vec::new(),
            published: size.max(promised.published),
        },
    )
}

/// A few lives of one ledger; the error tells the broken promise.
fn lives(seed: u64, disk: Simulator) -> Result<(), String> {
    let mut dice = Dice(seed);
    let (mut disk, mut promised) = (disk, Promised::default());
    for _ in 0..3 {
        disk.power_for(1 + dice.roll(250));
        match reopen(&disk) {
            Ok(ledger) => {
                let batches = 1 + dice.roll(30);
                work(&ledger, &mut dice, &mut promised, batches);
            }
            Err(_) if disk.is_off() => {}
            Err(refusal) => return Err(refusal),
        }
        disk = disk.cut(&mut dice);
        audit(&disk, &promised)?;
        recover(&disk, &promised)?;
        promised.published = promised.published.max(promised.leaves.len() as u64);
    }
    Ok(())
}

// R8 R124
#[test]
fn nothing_acknowledged_is_lost_and_every_checkpoint_holds_over_many_power_cuts() {
    let seeds = if cfg!(debug_assertions) { 25 } else { 167 }; // three cuts each
    for seed in 0..seeds {
        lives(seed, Simulator::default()).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
    }
}

/// The simulator would be worthless if it did not notice a missing sync.
fn finds(broken: Broken) {
    let found = (0..300).find_map(|seed| lives(seed, Simulator::breaking(broken)).err());
    assert!(found.is_some(), "{broken:?} was not noticed");
}

#[test]
fn a_segment_that_is_not_synced_is_noticed() {
    finds(Broken::SegmentSync);
}

#[test]
fn a_file_that_is_named_before_it_is_synced_is_noticed() {
    finds(Broken::StagedSync);
}

#[test]
fn many_files_that_are_named_before_they_are_synced_are_noticed() {
    finds(Broken::BulkSync);
}

#[test]
fn a_checkpoint_whose_name_is_not_synced_is_noticed() {
    finds(Broken::RootFolderSync);
}

#[test]
fn a_tile_whose_name_is_not_synced_is_noticed() {
    finds(Broken::TileFolderSync);
}
