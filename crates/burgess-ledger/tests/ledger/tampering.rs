//! Every byte of a small ledger, flipped.

use crate::support::{fill, open, outside_verifier, signer};
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

/// The files that the checkpoint needs: only the newest partial tiles are left in these logs.
fn flip_every_byte(files: &Files, step: usize) {
    for (name, bytes) in files {
        for at in (0..bytes.len()).step_by(step) {
            let mask = 1 << (at % 8);
            let mut changed = files.clone();
            changed.get_mut(name).unwrap()[at] ^= mask;
            let flaw = check(&changed).expect_err(&format!("{name} byte {at} mask {mask}"));
            let culprit = &flaw.file;
            assert_eq!(culprit, name, "byte {at} mask {mask}: {flaw}");
        }
    }
}

// R124
#[test]
fn flipping_any_byte_of_a_small_ledger_is_found_and_the_file_named() {
    for size in [1, 6] {
        let (_folder, files) = log_of(size);
        flip_every_byte(&files, 1);
    }
}

// R124
#[test]
fn flipping_bytes_of_a_ledger_with_two_levels_is_found_and_the_file_named() {
    let (_folder, files) = log_of(259);
    assert!(files.contains_key("tile/1/000.p/1") && files.contains_key("tile/0/001.p/3"));
    flip_every_byte(&files, 401);
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
        assert_eq!(
            check(&changed).unwrap_err().to_string(),
            format!("{name}: is missing")
        );
        for other in [
            &bytes[..bytes.len() - 1],
            &[bytes.as_slice(), b"\n"].concat(),
            b"",
        ] {
            changed.insert(name.clone(), other.to_vec());
            assert_eq!(&check(&changed).unwrap_err().file, name);
        }
    }
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
fn the_outside_verifier_refuses_flipped_bytes_too() {
    let Some(verifier) = outside_verifier() else {
        return;
    };
    let (folder, files) = log_of(12);
    let vkey = signer().vkey();
    verifier.accepts(folder.path(), &vkey).unwrap();
    for (name, bytes) in &files {
        for at in [0, bytes.len() / 3, bytes.len() - 1] {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
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
