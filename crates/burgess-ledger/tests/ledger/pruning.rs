//! What was pruned is gone; what was signed over it still verifies.

use crate::simulator::{Dice, Simulator};
use crate::support::{ORIGIN, draft, fill, open, options, signer};
use burgess_ledger::disk::Disk;
use burgess_ledger::proof::TlogProof;
use burgess_ledger::{Ledger, PruneError, ReadError, verify};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

const POLICY: &str = "sha256:0123";

/// Bytes of all files under a folder.
fn bytes_of(folder: &Path) -> u64 {
    let mut bytes = 0;
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let data = entry.metadata().unwrap();
        bytes += if data.is_dir() {
            bytes_of(&entry.path())
        } else {
            data.len()
        };
    }
    bytes
}

fn verified(folder: &Path) -> Result<u64, verify::Flaw> {
    let read = &mut |name: &str| fs::read(folder.join(name));
    verify::log(read, &signer().verifier(), None).map(|signed| signed.checkpoint.size)
}

// R206
#[test]
fn a_pruned_prefix_frees_its_bytes_and_old_receipts_still_verify() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    fill(&ledger, 1_000);
    let entry = ledger.entry(5).unwrap();
    let receipt = ledger.tlog_proof(5).unwrap();
    let before = bytes_of(folder.path());
    let freed = ledger.prune(512, POLICY).unwrap();
    let after = bytes_of(folder.path());
    assert!(freed.bytes > 30_000, "{freed:?}");
    let mark = fs::metadata(folder.path().join("pruned")).unwrap().len();
    // Segments keep their size: they are written over.
    let tiles = bytes_of(&folder.path().join("tile")) + bytes_of(&folder.path().join("side"));
    assert_eq!(
        before - after,
        freed.bytes - mark - added(folder.path()),
        "{tiles}"
    );
    assert!(matches!(
        ledger.entry(511),
        Err(ReadError::Pruned {
            index: 511,
            minimum: 512
        })
    ));
    assert_eq!(ledger.side(511).unwrap(), b"");
    ledger.entry(512).unwrap();
    assert_eq!(verified(folder.path()).unwrap(), 1_000);
    let proof = TlogProof::parse(&receipt).unwrap();
    proof.verify(&entry, &signer().verifier()).unwrap();
    // It goes on, and opens again.
    fill(&ledger, 300);
    drop(ledger);
    let ledger = open(folder.path());
    assert_eq!((ledger.minimum_index(), ledger.size()), (512, 1_300));
    assert_eq!(ledger.root(1_000).unwrap(), {
        let held = TlogProof::parse(&receipt).unwrap();
        held.verify(&entry, &signer().verifier())
            .unwrap()
            .checkpoint
            .root
    });
    ledger.consistency_proof(512, 1_300).unwrap();
    assert_eq!(verified(folder.path()).unwrap(), 1_300);
}

/// Bytes of segments beyond the one that a new ledger has.
fn added(folder: &Path) -> u64 {
    let segments = fs::read_dir(folder.join("wal")).unwrap().count();
    u64::try_from(segments - 1).unwrap() << 20
}

// R206
#[test]
fn a_whole_shard_goes_only_when_it_is_sealed_and_its_checkpoint_stays() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    fill(&ledger, 300);
    for wrong in [1, 255, 300, 301, 512] {
        let refused = ledger.prune(wrong, POLICY);
        assert!(matches!(refused, Err(PruneError::Place { .. })), "{wrong}");
    }
    for wrong in ["", "a\nb"] {
        assert!(matches!(
            ledger.prune(256, wrong),
            Err(PruneError::Policy(_))
        ));
    }
    let receipt = ledger.tlog_proof(299).unwrap();
    let entry = ledger.entry(299).unwrap();
    ledger.seal().unwrap();
    let freed = ledger.prune(300, POLICY).unwrap();
    assert_eq!(freed.minimum_index, 300);
    assert_eq!(ledger.prune(300, POLICY).unwrap().bytes, 0, "done once");
    let left = |name: &str| fs::read_dir(folder.path().join(name)).unwrap().count();
    assert_eq!((left("tile/entries"), left("side")), (0, 0));
    assert_eq!(verified(folder.path()).unwrap(), 300);
    let proof = TlogProof::parse(&receipt).unwrap();
    proof.verify(&entry, &signer().verifier()).unwrap();
    drop(ledger);
    let ledger = open(folder.path());
    assert_eq!((ledger.minimum_index(), ledger.is_sealed()), (300, true));
    assert_eq!(ledger.pruned().unwrap().unwrap().policy, POLICY);
}

// R206
#[test]
fn the_verifier_says_what_is_gone_and_finds_what_is_missing_beyond_it() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    fill(&ledger, 600);
    ledger.prune(256, POLICY).unwrap();
    drop(ledger);
    let said = Command::new(env!("CARGO_BIN_EXE_burgess-verify"))
        .args([
            "log",
            folder.path().to_str().unwrap(),
            "--key",
            &signer().vkey(),
        ])
        .output()
        .unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(
        said.contains("entries 0 to 255 were pruned, the operator says under policy sha256:0123"),
        "{said}"
    );
    fs::remove_file(folder.path().join("tile/entries/001")).unwrap();
    let flaw = verified(folder.path()).unwrap_err();
    assert_eq!(flaw.file, "tile/entries/001");
    // A mark that says more than can be.
    for mark in [
        "minimum_index 601\npolicy p",
        "minimum_index 300\npolicy p",
        "x",
    ] {
        fs::write(
            folder.path().join("pruned"),
            format!("burgess.pruned/1\n{mark}\n"),
        )
        .unwrap();
        assert_eq!(
            verified(folder.path()).unwrap_err().file,
            "pruned",
            "{mark}"
        );
    }
}

// R206
#[test]
fn pruning_that_fails_or_fails_but_persists_at_any_write_is_finished_by_opening() {
    let open_on =
        |disk: &Simulator| Ledger::open_on(Arc::new(disk.clone()), ORIGIN, signer(), options());
    let prepared = |disk: &Simulator| {
        let ledger = open_on(disk).unwrap();
        fill(&ledger, 600);
        ledger
    };
    let rehearsal = Simulator::default();
    let ledger = prepared(&rehearsal);
    let before = rehearsal.operations();
    ledger.prune(512, POLICY).unwrap();
    let operations = rehearsal.operations() - before;
    assert!(operations > 10, "{operations}");
    for operation in 1..=operations {
        for persisted in [false, true] {
            let case = format!("operation {operation}, persisted {persisted}");
            let disk = Simulator::default();
            let ledger = prepared(&disk);
            disk.fail_at(operation, persisted);
            drop(ledger.prune(512, POLICY));
            drop(ledger);
            for seed in 0..6 {
                let disk = disk.cut(&mut Dice(seed));
                let ledger = open_on(&disk).unwrap_or_else(|cause| panic!("{case}: {cause}"));
                let minimum = ledger.minimum_index();
                assert!(minimum == 0 || minimum == 512, "{case}: {minimum}");
                if minimum == 512 {
                    for file in [
                        "tile/entries/000",
                        "tile/entries/001",
                        "side/000",
                        "side/001",
                    ] {
                        assert!(disk.read(file).is_err(), "{case}: {file}");
                    }
                }
                ledger.prune(512, POLICY).unwrap();
                ledger
                    .append_blocking(draft("outbox", None, "app"))
                    .unwrap();
                ledger.publish_blocking().unwrap();
                let read = &mut |name: &str| disk.read(name);
                verify::log(read, &signer().verifier(), None)
                    .unwrap_or_else(|flaw| panic!("{case}: {flaw}"));
            }
        }
    }
}

// R206
#[test]
fn pruning_that_failed_after_its_mark_is_finished_by_asking_again() {
    let files = [
        "tile/entries/000",
        "tile/entries/001",
        "side/000",
        "side/001",
    ];
    let prepared = |disk: &Simulator| {
        let ledger = Ledger::open_on(Arc::new(disk.clone()), ORIGIN, signer(), options()).unwrap();
        fill(&ledger, 600);
        ledger
    };
    let rehearsal = Simulator::default();
    let ledger = prepared(&rehearsal);
    let before = rehearsal.operations();
    ledger.prune(512, POLICY).unwrap();
    let operations = rehearsal.operations() - before;
    let mut finished = 0;
    for operation in 1..=operations {
        let disk = Simulator::default();
        let ledger = prepared(&disk);
        disk.fail_at(operation, false);
        let failed = ledger.prune(512, POLICY).is_err();
        if !failed || ledger.minimum_index() == 0 {
            continue;
        }
        let left = || files.iter().any(|file| disk.read(file).is_ok());
        let were_left = left();
        let freed = ledger.prune(512, POLICY).unwrap();
        assert!(!left(), "operation {operation}");
        assert_eq!(freed.bytes > 0, were_left, "operation {operation}");
        finished += usize::from(were_left);
    }
    assert!(finished > 2, "{finished}");
}
