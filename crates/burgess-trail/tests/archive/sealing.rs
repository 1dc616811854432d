//! Days that are sealed, one after another.

use std::collections::BTreeSet;

use burgess_ledger::tree::leaf_hash;
use burgess_trail::archive::{self, Verified};

use crate::world::{CANARY, ORIGIN, World};

#[test]
fn a_file_holds_what_the_ledger_holds_and_ends_where_a_checkpoint_ends() {
    let mut world = World::new();
    world.events(700);
    let mut folder = world.open().unwrap();
    let manifest = world.seal(&mut folder, "2026-01-18").unwrap();
    assert_eq!(
        manifest.file,
        "2026-01-18_000000000000-000000000699.parquet"
    );
    let reader = archive::read(&world.archive().join(&manifest.file)).unwrap();
    assert_eq!(reader.head.origin, ORIGIN);
    assert_eq!(reader.head.checkpoint, world.ledger.checkpoint().note);
    let rows: Vec<_> = reader.groups().flat_map(Result::unwrap).collect();
    for (index, row) in (0..).zip(&rows) {
        assert_eq!(row.index, index);
        assert_eq!(row.leaf, world.ledger.entry(index).unwrap());
        assert_eq!(row.leaf_hash, leaf_hash(&row.leaf));
        assert_eq!(row.sealed, world.ledger.side(index).unwrap());
    }
    assert_eq!(rows.len(), 700);
}

#[test]
fn each_file_begins_where_the_last_one_ended_and_the_folder_proves_itself() {
    let mut world = World::new();
    let mut folder = world.open().unwrap();
    assert_eq!(world.seal(&mut folder, "2026-01-17"), None, "nothing yet");
    for (day, count) in [("2026-01-18", 1), ("2026-01-19", 255), ("2026-01-22", 700)] {
        world.events(count);
        world.seal(&mut folder, day).unwrap();
        assert_eq!(world.seal(&mut folder, day), None, "nothing twice");
    }
    let ranges: Vec<_> = folder
        .files()
        .iter()
        .map(|it| (it.first, it.last))
        .collect();
    assert_eq!(ranges, [(0, 0), (1, 255), (256, 955)]);
    let again = world.open().unwrap();
    assert_eq!(again.files(), folder.files());
    assert_eq!(again.next(), 956);
    assert_eq!(again.last_day(), Some("2026-01-22"));
    let verified = archive::verify_all(&world.archive(), &world.key()).unwrap();
    let Verified {
        files,
        entries,
        sealed,
        ..
    } = verified;
    assert_eq!((files, entries, sealed), (3, 956, 956));
}

#[test]
fn erasure_takes_sealed_values_out_and_every_proof_still_holds() {
    let mut world = World::new();
    let mut folder = world.open().unwrap();
    for day in ["2026-01-18", "2026-01-19"] {
        world.events(300);
        world.seal(&mut folder, day).unwrap();
    }
    let erased = BTreeSet::from([0, 299, 300, 599, 10_000]);
    assert_eq!(folder.blank(&erased).unwrap(), 4);
    assert_eq!(folder.blank(&erased).unwrap(), 0, "again changes nothing");
    let verified = archive::verify_all(&world.archive(), &world.key()).unwrap();
    assert_eq!((verified.entries, verified.sealed), (600, 596));
    let folder = world.open().unwrap();
    assert_eq!(folder.files()[0].erased, 2);
    for manifest in folder.files() {
        let reader = archive::read(&world.archive().join(&manifest.file)).unwrap();
        for row in reader.groups().flat_map(Result::unwrap) {
            assert_eq!(row.sealed.is_empty(), erased.contains(&row.index));
            assert_eq!(row.leaf, world.ledger.entry(row.index).unwrap());
        }
    }
}

#[test]
fn a_copy_made_before_an_erasure_is_known_to_be_outdated_also_when_it_was_on_its_way() {
    let mut world = World::new();
    let mut folder = world.open().unwrap();
    for day in ["2026-01-18", "2026-01-19"] {
        world.events(30);
        world.seal(&mut folder, day).unwrap();
    }
    let digests: Vec<_> = folder.files().iter().map(|file| file.digest).collect();
    folder.uploaded(0, "s3://bucket/a", &digests[0]).unwrap();
    assert_eq!(folder.blank(&BTreeSet::from([100])).unwrap(), 0);
    assert!(!folder.files()[0].outdated, "nothing was taken out");
    assert_eq!(folder.blank(&BTreeSet::from([3, 33])).unwrap(), 2);
    assert!(folder.files()[0].outdated);
    assert!(!folder.files()[1].outdated, "it has no copy");
    folder.uploaded(30, "s3://bucket/b", &digests[1]).unwrap();
    let mut folder = world.open().unwrap();
    assert!(
        folder.files()[1].outdated,
        "the copy is of what lay there before"
    );
    let rewritten = folder.files()[0].digest;
    folder.uploaded(0, "s3://bucket/a", &rewritten).unwrap();
    assert!(!world.open().unwrap().files()[0].outdated);
}

#[test]
fn what_retention_removes_is_gone_and_what_it_leaves_still_proves_itself() {
    let mut world = World::new();
    let mut folder = world.open().unwrap();
    for day in ["2026-01-18", "2026-01-19", "2026-01-20"] {
        world.events(300);
        world.seal(&mut folder, day).unwrap();
    }
    let bytes = folder.files()[0].bytes;
    assert_eq!(folder.prune(300).unwrap(), bytes);
    assert_eq!(folder.prune(599).unwrap(), 0, "entry 599 is to stay");
    assert!(!world.archive().join(&folder.files()[0].file).exists());
    let again = world.open().unwrap();
    assert_eq!(again.next(), 900);
    let verified = archive::verify_all(&world.archive(), &world.key()).unwrap();
    assert_eq!((verified.files, verified.entries), (2, 600));
    world.events(10);
    world.seal(&mut folder, "2026-01-21").unwrap();
    archive::verify_all(&world.archive(), &world.key()).unwrap();

    // Whoever rewrites what the pruned file left behind does not come to the signed root.
    let manifest = world
        .archive()
        .join(&folder.files()[0].file)
        .with_extension("json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let mut said: serde_json::Value = serde_json::from_str(&text).unwrap();
    said["roots"][0][1] = "00".repeat(32).into();
    std::fs::write(&manifest, said.to_string()).unwrap();
    archive::verify_all(&world.archive(), &world.key()).unwrap_err();
}

/// Sizes are those of the events that the product writes: leaves of some 500 bytes, sealed values of
/// some 200.
#[test]
fn an_archived_event_takes_little_more_than_what_cannot_be_compressed() {
    let mut world = World::new();
    world.events(20_000);
    let mut folder = world.open().unwrap();
    let manifest = world.seal(&mut folder, "2026-01-18").unwrap();
    let rows = world.rows(0..20_000).unwrap();
    let leaves: usize = rows.iter().map(|(leaf, _)| leaf.len()).sum();
    let sealed: usize = rows.iter().map(|(_, sealed)| sealed.len()).sum();
    let bytes = usize::try_from(manifest.bytes).unwrap();
    println!(
        "per event: leaf {} sealed {} archived {} without sealed {}",
        leaves / 20_000,
        sealed / 20_000,
        bytes / 20_000,
        (bytes - sealed) / 20_000
    );
    // Beside the sealed value: a hash of 32 bytes, a commitment of 32, and ten random bytes of an
    // id twice. The rest of the leaf nearly vanishes.
    assert!((bytes - sealed) / 20_000 <= 120);
}

/// All that can be read out of a file, decompressed, one row after another.
fn decoded(file: &std::path::Path) -> Vec<u8> {
    let reader = archive::read(file).unwrap();
    let rows = reader.groups().flat_map(Result::unwrap);
    rows.flat_map(|row| [row.leaf, row.sealed].concat())
        .collect()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    let mut windows = bytes.windows(text.len());
    windows.any(|it| it == text.as_bytes())
}

#[test]
fn no_personal_value_is_anywhere_in_the_bytes() {
    let mut world = World::new();
    world.events(500);
    let mut folder = world.open().unwrap();
    let manifest = world.seal(&mut folder, "2026-01-18").unwrap();
    let file = world.archive().join(&manifest.file);
    // The leaves are compressed, so the file's own bytes alone would show nothing.
    let rows = decoded(&file);
    assert!(holds(&rows, "customer_record"), "what is open is found");
    assert!(!holds(&std::fs::read(&file).unwrap(), "customer_record"));
    let raw = std::fs::read(&file).unwrap();
    let said = std::fs::read(file.with_extension("json")).unwrap();
    for personal in [CANARY, "customer-17", "192.0.2.7", "n8n/1.80"] {
        for bytes in [&rows, &raw, &said] {
            assert!(!holds(bytes, personal), "{personal}");
        }
    }
}
