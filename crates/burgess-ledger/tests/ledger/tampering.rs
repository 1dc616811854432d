//! Every bit of a small ledger, flipped.

use crate::support::{counted, fill, open, outside_verifier, signer, slice};
use burgess_ledger::verify::{self, Flaw};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

type Files = BTreeMap<String, Vec<u8>>;

/// The published files of a folder by name.
fn published(folder: &Path) -> Files {
    fn walk(root: &Path, folder: &Path, files: &mut Files) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, files);
            } else {
                let name = path
                    .strip_prefix(root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                files.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    let mut files = Files::new();
    walk(folder, &folder.join("tile"), &mut files);
    files.insert(
        "checkpoint".to_owned(),
        std::fs::read(folder.join("checkpoint")).unwrap(),
    );
    files
}

fn check(files: &Files) -> Result<u64, Flaw> {
    let mut read = |name: &str| {
        files
            .get(name)
            .cloned()
            .ok_or(io::ErrorKind::NotFound.into())
    };
    verify::log(&mut read, &signer().verifier(), None).map(|signed| signed.checkpoint.size)
}

fn log_of(size: u64) -> (tempfile::TempDir, Files) {
    let folder = tempfile::tempdir().unwrap();
    fill(&open(folder.path()), size);
    let files = published(folder.path());
    assert_eq!(check(&files), Ok(size));
    (folder, files)
}

/// Flips bits, one at a time, of all files that the checkpoint needs: only the newest partial tiles
/// are left in these logs. Of the bits of a bundle every `step`th.
fn flip_bits(files: &Files, step: usize) -> u64 {
    let mut flipped = 0;
    for (name, bytes) in files {
        let step = if name.contains("entries") { step } else { 1 };
        let mut changed = files.clone();
        for bit in (0..8 * bytes.len()).step_by(step) {
            let (at, mask) = (bit / 8, 1 << (bit % 8));
            changed.get_mut(name).unwrap()[at] ^= mask;
            let flaw = check(&changed).expect_err(&format!("{name} byte {at} mask {mask}"));
            assert_eq!(&flaw.file, name, "byte {at} mask {mask}: {flaw}");
            changed.get_mut(name).unwrap()[at] ^= mask;
            flipped += 1;
        }
    }
    flipped
}

// R124
#[test]
fn flipping_any_bit_of_a_small_ledger_is_found_and_the_file_named() {
    let flipped: u64 = [1, 6]
        .map(|size| flip_bits(&log_of(size).1, 1))
        .iter()
        .sum();
    counted("bits", flipped);
}

// R124
#[test]
fn flipping_bits_of_a_ledger_with_two_levels_is_found_and_the_file_named() {
    let (_folder, files) = log_of(259);
    assert!(files.contains_key("tile/1/000.p/1") && files.contains_key("tile/0/001.p/3"));
    // The short form takes every 211th bit of the bundles.
    let step = usize::try_from(slice("bits_apart", 0..211).end).unwrap();
    counted("bits", flip_bits(&files, step));
}

// R124
#[test]
fn flipping_bits_of_a_side_file_breaks_no_proof_and_reading_it_never_panics() {
    let folder = tempfile::tempdir().unwrap();
    fill(&open(folder.path()), 300);
    let (side, other) = (
        folder.path().join("side/000"),
        folder.path().join("side/001"),
    );
    let right = std::fs::read(&side).unwrap();
    let vkey = signer().vkey();
    let mut damaged = 0;
    for bit in (0..8 * right.len()).step_by(501) {
        let mut changed = right.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&side, &changed).unwrap();
        assert_eq!(check(&published(folder.path())), Ok(300));
        let ledger = open(folder.path());
        ledger.tlog_proof(7).unwrap();
        damaged += u64::from(ledger.side(7).is_err());
        assert!(ledger.side(299).is_ok(), "the other file is whole");
    }
    assert!(damaged > 0, "no flip was seen as damage");
    if let Some(verifier) = outside_verifier() {
        std::fs::remove_file(&side).unwrap();
        std::fs::write(&other, b"nonsense").unwrap();
        verifier.accepts(folder.path(), &vkey).unwrap();
    }
}

// R124
#[test]
fn a_changed_entry_is_named_by_file_and_index() {
    let (_folder, mut files) = log_of(12);
    let bundle = files.get_mut("tile/entries/000.p/12").unwrap();
    let entry = bundle.len() / 12 * 7 + 10;
    bundle[entry] ^= 1;
    assert_eq!(
        check(&files).unwrap_err().to_string(),
        "tile/entries/000.p/12: entry 7 differs from its leaf hash"
    );
    assert_eq!(check(&files).unwrap_err().index, Some(7));
}

// R124
#[test]
fn a_changed_hash_of_a_full_tile_is_named_by_file_and_index() {
    let (_folder, mut files) = log_of(600);
    files.get_mut("tile/0/001").unwrap()[32 * 5] ^= 1;
    let flaw = check(&files).unwrap_err();
    assert_eq!((flaw.file.as_str(), flaw.index), ("tile/0/001", Some(261)));
}

// R124
#[test]
fn missing_cut_and_lengthened_files_are_found() {
    let (_folder, files) = log_of(300);
    for (name, bytes) in &files {
        let mut changed = files.clone();
        changed.remove(name);
        // Nobody can tell from which entry on an unreadable checkpoint matters.
        let first = (name != "checkpoint").then_some(if name.contains("/001") { 256 } else { 0 });
        let flaw = check(&changed).unwrap_err();
        assert_eq!(flaw.to_string(), format!("{name}: is missing"));
        assert_eq!(flaw.index, first, "{name}");
        for other in [
            &bytes[..bytes.len() - 1],
            &[bytes.as_slice(), b"\n"].concat(),
            b"",
        ] {
            changed.insert(name.clone(), other.to_vec());
            let flaw = check(&changed).unwrap_err();
            assert_eq!(&flaw.file, name);
            assert!(flaw.index >= first, "{name}: {:?}", flaw.index);
        }
    }
}

// R124
#[test]
fn a_cut_bundle_is_named_with_the_entry_that_is_cut_counted_from_the_logs_first() {
    let (_folder, mut files) = log_of(259);
    let bundle = files.get_mut("tile/entries/001.p/3").unwrap();
    bundle.push(0);
    let flaw = check(&files).unwrap_err();
    assert_eq!(flaw.what, "1 bytes follow entry 258, its last");
    assert_eq!(flaw.index, Some(258));
    let bundle = files.get_mut("tile/entries/001.p/3").unwrap();
    bundle.truncate(bundle.len() - 2);
    let flaw = check(&files).unwrap_err();
    assert_eq!(
        (flaw.what.as_str(), flaw.index),
        ("entry 258 is cut off", Some(258))
    );
}

// R124
#[test]
fn a_ledger_rewritten_and_signed_anew_is_found_with_an_older_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    fill(&ledger, 5);
    let older = ledger.checkpoint().note.clone();
    fill(&ledger, 5);
    let files = published(folder.path());
    let continues = |files: &Files| {
        let mut read = |name: &str| {
            files
                .get(name)
                .cloned()
                .ok_or(io::ErrorKind::NotFound.into())
        };
        verify::log(&mut read, &signer().verifier(), Some(older.as_bytes()))
    };
    continues(&files).unwrap();
    // The operator begins the log anew with other entries, under the same key.
    let other = tempfile::tempdir().unwrap();
    let rewritten = open(other.path());
    for _ in 0..10 {
        rewritten
            .append_blocking(crate::support::draft("outbox", None, "another"))
            .unwrap();
    }
    rewritten.publish_blocking().unwrap();
    let rewritten = published(other.path());
    check(&rewritten).unwrap();
    assert_eq!(
        continues(&rewritten).unwrap_err().to_string(),
        "older checkpoint: the log's first 5 entries are not those that it signed"
    );
    // Or cuts off the newest ones.
    let (_folder, shorter) = log_of(4);
    assert_eq!(
        continues(&shorter).unwrap_err().to_string(),
        "checkpoint: covers 5 entries, the log has 4: the newest were cut off"
    );
}

// R124
#[test]
fn the_outside_verifier_refuses_flipped_bits_too() {
    let Some(verifier) = outside_verifier() else {
        return;
    };
    let (folder, files) = log_of(12);
    let vkey = signer().vkey();
    verifier.accepts(folder.path(), &vkey).unwrap();
    for (name, bytes) in &files {
        for (at, mask) in [(0, 1), (bytes.len() / 3, 64), (bytes.len() - 1, 8)] {
            let mut changed = bytes.clone();
            changed[at] ^= mask;
            std::fs::write(folder.path().join(name), &changed).unwrap();
            assert!(
                verifier.accepts(folder.path(), &vkey).is_err(),
                "{name} byte {at}"
            );
        }
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    verifier.accepts(folder.path(), &vkey).unwrap();
}
