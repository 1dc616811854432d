//! A few lives of one ledger on a disk that forgets: it works until its process dies or the power
//! goes, an auditor looks at what lies there, and it opens again.

use crate::simulator::Dice;
use crate::simulator::Simulator;
use crate::support::{ORIGIN, signer};
use burgess_ledger::disk::Disk as _;
use burgess_ledger::tree::leaf_hash;
use burgess_ledger::{Draft, Hash, Ledger, LockTable, Options, Piece, verify};
use std::sync::Arc;
use std::time::Duration;

/// Times that the power goes in one run.
pub const CUTS: u64 = 3;

fn reopen(disk: &Simulator, locked: bool) -> Result<Ledger, String> {
    let options = Options {
        checkpoint_interval: Duration::from_millis(1),
        segment_bytes: 1 << 20,
        lock_table: locked.then(|| Arc::new(disk.clone()) as Arc<dyn LockTable>),
        ..Options::default()
    };
    Ledger::open_on(Arc::new(disk.clone()), ORIGIN, signer(), options)
        .map_err(|cause| cause.to_string())
}

/// What the outside was promised.
#[derive(Default)]
struct Promised {
    /// Leaf hashes by index; `None` where the answer was never heard.
    leaves: Vec<Option<Hash>>,
    published: u64,
    /// The log has a row in a lock table; otherwise its state decides where it stands.
    locked: bool,
}

fn side_of(number: u64) -> Vec<u8> {
    format!("opened value of {number}").into_bytes()
}

fn drafts(first: u64, heavy: bool, dice: &mut Dice) -> Vec<Draft> {
    let (count, bytes_max) = match dice.roll(12) {
        _ if heavy => (4, 60_000), // a new segment every few groups
        0 => (600, 10),            // enough for bundles and tiles by the dozen
        1 => (3, 60_000),
        _ => (1 + dice.roll(8), 600),
    };
    (first..first + count)
        .map(|number| {
            let bytes = match heavy {
                true => bytes_max,
                false => dice.roll(bytes_max),
            };
            let body = format!(" {}", "x".repeat(usize::try_from(bytes).unwrap()));
            Draft {
                source: "outbox".to_owned(),
                source_seq: Some(number),
                stream: "app".to_owned(),
                template: vec![Piece::SourceSeq, Piece::Bytes(body.into_bytes())],
                side: side_of(number),
            }
        })
        .collect()
}

/// Appends until the power goes or `batches` are through.
fn work(ledger: &Ledger, dice: &mut Dice, promised: &mut Promised) {
    let heavy = dice.roll(4) == 0;
    for _ in 0..1 + dice.roll(30) {
        let drafts = drafts(ledger.highest("outbox") + 1, heavy, dice);
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

/// One process, from its start until it dies, ends, or the power goes.
fn live(disk: &Simulator, dice: &mut Dice, promised: &mut Promised) -> Result<(), String> {
    match dice.roll(4) {
        0 => disk.power_for_names(1 + dice.roll(16)),
        1 => disk.power_for(1 + dice.roll(40)), // a beginning
        _ => disk.power_for(1 + dice.roll(250)),
    }
    match reopen(disk, promised.locked) {
        Ok(ledger) => {
            work(&ledger, dice, promised);
            Ok(())
        }
        Err(_) if disk.is_off() => Ok(()),
        Err(refusal) => Err(format!("it stays shut: {refusal}")),
    }
}

/// The view of an auditor who looks at the folder as it is.
fn audit(disk: &Simulator, published: u64) -> Result<(), String> {
    if disk.read("checkpoint").is_err() {
        return match published {
            0 => Ok(()),
            _ => Err("the checkpoint is gone".to_owned()),
        };
    }
    let signed = verify::log(&mut |name| disk.read(name), &signer().verifier(), None)
        .map_err(|flaw| format!("the auditor: {flaw}"))?;
    let size = signed.checkpoint.size;
    if size < published {
        return Err(format!(
            "the checkpoint went back from {published} to {size}"
        ));
    }
    Ok(())
}

/// Opens once more, with the power on, and compares everything with what was promised.
fn recover(disk: &Simulator, promised: &Promised) -> Result<u64, String> {
    let ledger =
        reopen(disk, promised.locked).map_err(|refusal| format!("it stays shut: {refusal}"))?;
    let size = ledger.size();
    let entries = ledger.entries(0..size).map_err(|cause| cause.to_string())?;
    for (index, hash) in promised.leaves.iter().enumerate() {
        let kept = entries.get(index).map(|entry| leaf_hash(entry));
        if hash.is_some() && kept != *hash {
            return Err(format!("acknowledged entry {index} is lost"));
        }
    }
    for (number, entry) in (1..).zip(&entries) {
        if !entry.starts_with(format!("{number} ").as_bytes()) {
            return Err(format!("number {number} is doubled or left out"));
        }
    }
    // A side file is kept or lost as a whole, or is one of an earlier length.
    let ends = (0..size).filter(|index| index % 256 == 0 || index % 256 == 255);
    for index in ends.chain(size.checked_sub(1)) {
        let side = ledger.side(index).map_err(|cause| cause.to_string())?;
        if side != side_of(index + 1) {
            return Err(format!("the side value of entry {index} is lost"));
        }
    }
    if (ledger.highest("outbox"), ledger.sequence("app")) != (size, size) {
        return Err(format!("the counters differ from the {size} entries"));
    }
    drop(ledger);
    audit(disk, size.max(promised.published))?;
    Ok(size)
}

/// Three lives, each ended by the power; the error tells the broken promise.
pub fn lives(seed: u64, mut disk: Simulator) -> Result<Simulator, String> {
    let mut dice = Dice(seed);
    let mut promised = Promised {
        locked: dice.roll(2) == 0,
        ..Promised::default()
    };
    for _ in 0..CUTS {
        live(&disk, &mut dice, &mut promised)?;
        if dice.roll(3) == 0 {
            disk.restart(); // only the process died
            live(&disk, &mut dice, &mut promised)?;
        }
        disk = disk.cut(&mut dice);
        audit(&disk, promised.published)?;
        promised.published = recover(&disk, &promised)?;
    }
    Ok(disk)
}
