//! Side values that are taken away leave no copy in the folder and no proof broken.

use crate::simulator::{Dice, Simulator};
use crate::support::{ORIGIN, draft, fill, open, options, outside_verifier, signer};
use burgess_ledger::disk::Disk;
use burgess_ledger::{Draft, Ledger, SideValues, verify};
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// Fates of what no sync covered, for each operation.
const FATES: u64 = 6;
const CANARY: &[u8] = b"canary-7f3a";

fn with_canary() -> Draft {
    Draft {
        side: CANARY.to_vec(),
        ..draft("outbox", None, "app")
    }
}

fn holds(bytes: &[u8]) -> bool {
    bytes.windows(CANARY.len()).any(|window| window == CANARY)
}

fn files_with_canary(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            files_with_canary(&entry.path(), found);
        } else if holds(&fs::read(entry.path()).unwrap()) {
            found.push(entry.path().display().to_string());
        }
    }
}

fn search(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    files_with_canary(folder, &mut found);
    found
}

fn blanks(indices: &[u64]) -> SideValues {
    indices.iter().map(|index| (*index, Vec::new())).collect()
}

// R8
#[test]
fn a_value_that_was_taken_away_is_in_no_file_of_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    ledger.append_blocking(with_canary()).unwrap();
    fill(&ledger, 300);
    let kept = ledger
        .append_blocking(draft("outbox", None, "kept"))
        .unwrap();
    ledger.append_blocking(with_canary()).unwrap();
    ledger.publish_blocking().unwrap();
    // One that is not published yet.
    let last = ledger.append_blocking(with_canary()).unwrap().index;
    assert!(search(folder.path()).len() >= 2, "side file and segment");
    let before = ledger.tlog_proof(0).unwrap();
    assert_eq!(ledger.replace_sides(blanks(&[0, 302, last])).unwrap(), 3);
    assert_eq!(search(folder.path()), Vec::<String>::new());
    for index in [0, 302, last] {
        assert_eq!(ledger.side(index).unwrap(), b"", "{index}");
    }
    let sides = ledger.sides(0..ledger.size()).unwrap();
    assert_eq!(sides.len(), 304);
    assert_eq!(
        (sides[0].as_slice(), sides[303].as_slice()),
        (&b""[..], &b""[..])
    );
    assert_eq!(sides[301], b"side of kept");
    assert_eq!(ledger.side(kept.index).unwrap(), b"side of kept");
    assert_eq!(ledger.side(1).unwrap(), b"side of app");
    let proof = burgess_ledger::proof::TlogProof::parse(&before).unwrap();
    proof
        .verify(&ledger.entry(0).unwrap(), &signer().verifier())
        .unwrap();
    // The unfinished bundle is written anew with the next entries, and a duplicate is still known.
    fill(&ledger, 10);
    assert_eq!(search(folder.path()), Vec::<String>::new());
    let again = ledger
        .append_blocking(draft("outbox", Some(1), "app"))
        .unwrap();
    assert!(again.duplicate && again.index == 0);
    drop(ledger);
    let ledger = open(folder.path());
    assert_eq!(ledger.size(), 314);
    assert_eq!(ledger.side(last).unwrap(), b"");
    if let Some(outside) = outside_verifier() {
        outside.accepts(folder.path(), ledger.vkey()).unwrap();
    }
}

// R8
#[test]
fn a_value_in_a_segment_that_is_used_again_is_taken_away_too() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    ledger.append_blocking(with_canary()).unwrap();
    let long = |_| Draft {
        side: vec![b'x'; 60_000],
        ..draft("outbox", None, "app")
    };
    for _ in 0..12 {
        ledger
            .append_all_blocking((0..4).map(long).collect())
            .unwrap();
        ledger.publish_blocking().unwrap();
    }
    ledger.replace_sides(blanks(&[0])).unwrap();
    assert_eq!(search(folder.path()), Vec::<String>::new());
}

// R8
#[test]
fn a_sealed_shard_gives_its_values_up_too_and_pruned_entries_have_none() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    ledger.append_blocking(with_canary()).unwrap();
    fill(&ledger, 600);
    ledger.append_blocking(with_canary()).unwrap();
    ledger.seal().unwrap();
    assert_eq!(ledger.replace_sides(blanks(&[601])).unwrap(), 1);
    assert_eq!(ledger.side(601).unwrap(), b"");
    assert_eq!(search(folder.path()).len(), 1);
    ledger.prune(256, "policy").unwrap();
    assert_eq!(search(folder.path()), Vec::<String>::new());
    assert_eq!(ledger.replace_sides(blanks(&[0])).unwrap(), 0);
}

// R8
#[test]
fn taking_away_that_fails_or_fails_but_persists_at_any_write_can_be_done_again() {
    let open_on =
        |disk: &Simulator| Ledger::open_on(Arc::new(disk.clone()), ORIGIN, signer(), options());
    let prepared = |disk: &Simulator| {
        let ledger = open_on(disk).unwrap();
        ledger.append_blocking(with_canary()).unwrap();
        fill(&ledger, 256);
        ledger.append_blocking(with_canary()).unwrap();
        ledger
    };
    let files = |disk: &Simulator| {
        let mut found = Vec::new();
        for folder in ["side", "wal", "tmp", ""] {
            for name in disk.list(folder).unwrap() {
                let name = format!("{folder}/{name}")
                    .trim_start_matches('/')
                    .to_owned();
                if disk.read(&name).is_ok_and(|bytes| holds(&bytes)) {
                    found.push(name);
                }
            }
        }
        found
    };
    let rehearsal = Simulator::default();
    let ledger = prepared(&rehearsal);
    assert!(!files(&rehearsal).is_empty());
    let before = rehearsal.operations();
    ledger.replace_sides(blanks(&[0, 257])).unwrap();
    let operations = rehearsal.operations() - before;
    assert_eq!(files(&rehearsal), Vec::<String>::new());
    for (operation, fate) in (1..=operations).flat_map(|n| (0..FATES).map(move |fate| (n, fate))) {
        for persisted in [false, true] {
            let case = format!("operation {operation}, fate {fate}, persisted {persisted}");
            let disk = Simulator::default();
            let ledger = prepared(&disk);
            disk.fail_at(operation, persisted);
            drop(ledger.replace_sides(blanks(&[0, 257])));
            drop(ledger);
            let disk = disk.cut(&mut Dice(operation * FATES + fate));
            let ledger = open_on(&disk).unwrap_or_else(|cause| panic!("{case}: {cause}"));
            assert_eq!(ledger.size(), 258, "{case}");
            // Who takes away looks for what is still to be found, which is not what segments hold.
            let left = [0, 257].into_iter();
            let left: Vec<u64> = left
                .filter(|index| holds(&ledger.side(*index).unwrap()))
                .collect();
            ledger.replace_sides(blanks(&left)).unwrap();
            assert_eq!(files(&disk), Vec::<String>::new(), "{case}");
            let read = &mut |name: &str| disk.read(name);
            verify::log(read, &signer().verifier(), None)
                .unwrap_or_else(|flaw| panic!("{case}: {flaw}"));
        }
    }
}
