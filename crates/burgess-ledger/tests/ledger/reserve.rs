//! The disk reserve, and what happens when storage says that it is full.

use crate::support::{ORIGIN, draft, fill, options, signer};
use burgess_ledger::{AppendError, Ledger, Options};
use std::fs;
use std::path::Path;

fn open(folder: &Path, reserve_bytes: usize, recovery: bool) -> Ledger {
    let options = Options {
        reserve_bytes,
        recovery,
        ..options()
    };
    Ledger::open(folder, ORIGIN, signer(), options).unwrap()
}

fn reserved(folder: &Path) -> Option<Vec<u8>> {
    fs::read(folder.join("reserve")).ok()
}

#[test]
fn the_reserve_is_held_given_back_for_recovery_and_taken_again() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path(), 0, false));
    assert_eq!(reserved(folder.path()), None);
    drop(open(folder.path(), 3 << 20, false));
    assert_eq!(reserved(folder.path()), Some(vec![0; 3 << 20]));
    let ledger = open(folder.path(), 3 << 20, true);
    assert_eq!(reserved(folder.path()), None);
    fill(&ledger, 3);
    drop(ledger);
    drop(open(folder.path(), 1 << 20, false));
    assert_eq!(reserved(folder.path()), Some(vec![0; 1 << 20]));
    drop(open(folder.path(), 0, false));
    assert_eq!(reserved(folder.path()), None);
}

// R8
#[test]
fn where_there_is_no_room_for_the_reserve_nothing_is_appended_and_reading_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    fill(&open(folder.path(), 0, false), 3);
    // Whatever is in the way of the file is as good as a full disk.
    fs::create_dir(folder.path().join("reserve")).unwrap();
    let ledger = open(folder.path(), 1 << 20, false);
    let refusal = ledger
        .append_blocking(draft("outbox", None, "app"))
        .unwrap_err();
    assert!(refusal.to_string().contains("disk reserve"), "{refusal}");
    assert!(matches!(refusal, AppendError::NotWritable { .. }));
    assert!(!ledger.is_writable());
    assert_eq!(ledger.entries(0..3).unwrap().len(), 3);
    ledger.tlog_proof(2).unwrap();
}
