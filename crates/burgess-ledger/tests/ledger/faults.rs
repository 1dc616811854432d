//! A disk that fails, a folder that is not what it was, and a second server.

use crate::simulator::Simulator;
use crate::support::{ORIGIN, draft, fill, open, options, signer};
use burgess_ledger::{AppendError, Ledger, NoteSigner, OpenError, Options};
use std::fs;
use std::sync::Arc;

fn open_on(disk: &Simulator) -> Result<Ledger, OpenError> {
    Ledger::open_on(Arc::new(disk.clone()), ORIGIN, signer(), options())
}

// R8
#[test]
fn after_the_first_failure_appends_are_refused_with_the_cause_and_reads_go_on() {
    let disk = Simulator::default();
    let ledger = open_on(&disk).unwrap();
    fill(&ledger, 3);
    assert!(ledger.is_writable());
    disk.fail("sync wal", 1, false); // the write of the next group succeeds, its sync does not
    let refusal = ledger
        .append_blocking(draft("outbox", None, "app"))
        .unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "the ledger is not writable: write-ahead segment: input/output error, check the disk and restart"
    );
    assert!(!ledger.is_writable());
    assert_eq!(ledger.last_error(), Some(refusal.clone()));
    assert_eq!(
        ledger.append_blocking(draft("outbox", None, "app")),
        Err(refusal.clone())
    );
    ledger.publish_blocking().unwrap(); // what is durable is published already
    assert_eq!(ledger.entries(0..3).unwrap().len(), 3);
    ledger.tlog_proof(2).unwrap();
    assert_eq!(ledger.size(), 3);
}

#[test]
fn near_the_size_limit_nothing_new_begins_at_it_appends_are_refused_and_a_larger_one_lets_them_in()
{
    let folder = tempfile::tempdir().unwrap();
    let limited = |bytes| {
        let options = Options {
            bytes_max: Some(bytes),
            ..options()
        };
        Ledger::open(folder.path(), ORIGIN, signer(), options).unwrap()
    };
    let full = AppendError::Full { limit: 20_000 };
    let ledger = limited(20_000);
    let append = |ledger: &Ledger| ledger.append_blocking(draft("outbox", None, "app"));
    while ledger.is_writable() {
        append(&ledger).unwrap();
    }
    assert_eq!(ledger.last_error(), Some(full.clone()));
    let begun = ledger.size();
    // What has begun can still end: the last sixteenth takes a few more.
    while append(&ledger).is_ok() {}
    let size = ledger.size();
    assert!(
        (5..20).contains(&(size - begun)),
        "{begun}, then {size} entries"
    );
    assert_eq!(append(&ledger), Err(full.clone()));
    assert_eq!(ledger.entries(0..size).unwrap().len() as u64, size);
    ledger.publish_blocking().unwrap();
    drop(ledger);
    let ledger = limited(20_000);
    assert_eq!((ledger.is_writable(), append(&ledger)), (false, Err(full)));
    drop(ledger);
    let receipt = limited(40_000)
        .append_blocking(draft("outbox", None, "app"))
        .unwrap();
    assert_eq!((receipt.index, receipt.sequence), (size, size + 1));
}

#[test]
fn a_second_opening_of_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let refusal = Ledger::open(folder.path(), ORIGIN, signer(), options())
        .err()
        .unwrap();
    assert!(matches!(refusal, OpenError::InUse(_)), "{refusal}");
    assert!(refusal.to_string().contains("is in use by another process"));
    let other = ledger.clone();
    drop(ledger);
    assert!(Ledger::open(folder.path(), ORIGIN, signer(), options()).is_err());
    drop(other);
    open(folder.path());
}

#[test]
fn a_folder_is_free_once_its_ledger_is_dropped_even_while_processes_are_started() {
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                std::process::Command::new("true").status().unwrap();
            }
        });
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..60 {
            let opened = Ledger::open(folder.path(), ORIGIN, signer(), options());
            if opened.is_err() {
                stop.store(true, std::sync::atomic::Ordering::Relaxed);
            }
            drop(opened.unwrap());
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn a_closed_ledger_has_published_everything_refuses_appends_and_still_reads() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    ledger
        .append_blocking(draft("outbox", None, "app"))
        .unwrap();
    ledger.close();
    assert_eq!(ledger.checkpoint().checkpoint.size, 1);
    let refusal = ledger.append_blocking(draft("outbox", None, "app"));
    assert_eq!(refusal, Err(AppendError::Closed));
    assert_eq!(ledger.last_error(), Some(AppendError::Closed));
    ledger.tlog_proof(0).unwrap();
    ledger.close();
}

#[test]
fn another_key_or_origin_cannot_open_the_ledger() {
    let folder = tempfile::tempdir().unwrap();
    fill(&open(folder.path()), 1);
    let stranger = NoteSigner::from_seed(ORIGIN, [8; 32]).unwrap();
    let refusal = Ledger::open(folder.path(), ORIGIN, stranger, options())
        .err()
        .unwrap();
    assert!(
        matches!(refusal, OpenError::Key { file: "vkey", .. }),
        "{refusal}"
    );
    let refusal = Ledger::open(folder.path(), "other", signer(), options())
        .err()
        .unwrap();
    assert!(matches!(refusal, OpenError::Key { .. }), "{refusal}");
    fs::remove_file(folder.path().join("vkey")).unwrap();
    let stranger = NoteSigner::from_seed(ORIGIN, [8; 32]).unwrap();
    assert!(Ledger::open(folder.path(), ORIGIN, stranger, options()).is_err());
    open(folder.path());
    assert!(folder.path().join("vkey").is_file());
}

// R124
#[test]
fn a_damaged_or_partly_restored_folder_stays_shut_and_names_the_file() {
    let refusal_after = |change: &dyn Fn(&std::path::Path)| {
        let folder = tempfile::tempdir().unwrap();
        let ledger = open(folder.path());
        fill(&ledger, 300);
        fs::copy(folder.path().join("state"), folder.path().join("older")).unwrap();
        fill(&ledger, 3);
        drop(ledger);
        change(folder.path());
        let refusal = Ledger::open(folder.path(), ORIGIN, signer(), options()).err();
        refusal.expect("it opened").to_string()
    };
    let flip = |file: &'static str| {
        move |folder: &std::path::Path| {
            let mut bytes = fs::read(folder.join(file)).unwrap();
            let at = bytes.len() - 10;
            bytes[at] ^= 1;
            fs::write(folder.join(file), bytes).unwrap();
        }
    };
    for (file, what) in [
        ("state", "`state`: is damaged or of another version"),
        ("checkpoint", "`checkpoint`: "),
        (
            "tile/0/001.p/47",
            "`tile/entries/001.p/47`: its entries and the leaf hashes in `tile/0` differ",
        ),
        (
            "tile/1/000.p/1",
            "its tiles do not give the root that was signed",
        ),
        ("tile/entries/001.p/47", "`tile/entries/001.p/47`: "),
    ] {
        let refusal = refusal_after(&flip(file));
        assert!(refusal.contains(what), "{file}: {refusal}");
    }
    let refusal =
        refusal_after(&|folder| fs::rename(folder.join("older"), folder.join("state")).unwrap());
    assert!(
        refusal.contains("`state` covers 300 entries but `checkpoint` 303"),
        "{refusal}"
    );
    let refusal = refusal_after(&|folder| fs::remove_file(folder.join("state")).unwrap());
    assert!(
        refusal.contains("is missing although `checkpoint` is there"),
        "{refusal}"
    );
    let refusal = refusal_after(&|folder| fs::write(folder.join("side/001"), "cut").unwrap());
    assert!(refusal.contains("`side/001`: is damaged"), "{refusal}");
}

/// The only segment of a ledger that has not published since it was opened.
fn segment(folder: &std::path::Path) -> std::path::PathBuf {
    let mut segments: Vec<_> = fs::read_dir(folder.join("wal"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    segments.sort();
    segments.pop().unwrap()
}

/// A folder with three acknowledged groups that no checkpoint covers, as `kill -9` leaves it.
fn unpublished() -> tempfile::TempDir {
    let (folder, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ledger = open(folder.path());
    for _ in 0..3 {
        ledger
            .append_blocking(draft("outbox", None, "app"))
            .unwrap();
    }
    fs::create_dir(copy.path().join("wal")).unwrap();
    for file in ["state", "checkpoint", "vkey"] {
        fs::copy(folder.path().join(file), copy.path().join(file)).unwrap();
    }
    let from = segment(folder.path());
    fs::copy(
        &from,
        copy.path().join("wal").join(from.file_name().unwrap()),
    )
    .unwrap();
    copy
}

fn damage(folder: &std::path::Path, block: usize) {
    let segment = segment(folder);
    let mut bytes = fs::read(&segment).unwrap();
    bytes[block * 4096 + 60] ^= 1;
    fs::write(segment, bytes).unwrap();
}

// R8
#[test]
fn what_was_acknowledged_but_not_published_is_replayed() {
    let folder = unpublished();
    let ledger = open(folder.path());
    assert_eq!((ledger.size(), ledger.checkpoint().checkpoint.size), (3, 3));
    assert_eq!((ledger.highest("outbox"), ledger.sequence("app")), (3, 3));
}

#[test]
fn a_torn_end_of_the_segment_is_dropped_and_its_number_given_again() {
    let folder = unpublished();
    damage(folder.path(), 2);
    let ledger = open(folder.path());
    assert_eq!((ledger.size(), ledger.highest("outbox")), (2, 2));
    let receipt = ledger
        .append_blocking(draft("outbox", Some(3), "app"))
        .unwrap();
    assert_eq!((receipt.index, receipt.duplicate), (2, false));
}

// R124
#[test]
fn a_damaged_group_with_a_good_one_behind_it_was_acknowledged_and_keeps_the_ledger_shut() {
    for block in [0, 1] {
        let folder = unpublished();
        damage(folder.path(), block);
        let refusal = Ledger::open(folder.path(), ORIGIN, signer(), options())
            .err()
            .unwrap();
        let refusal = refusal.to_string();
        assert!(refusal.contains("acknowledged entries from"), "{refusal}");
        assert!(
            refusal.contains(&format!("is damaged at byte {}", block * 4096)),
            "{refusal}"
        );
    }
}

#[test]
fn segments_are_used_again_so_that_their_number_stays_small() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let mut large = draft("outbox", None, "app");
    large.side = vec![1; 60_000];
    for _ in 0..100 {
        ledger.append_blocking(large.clone()).unwrap(); // 6 MB through segments of 1 MiB
        ledger.publish_blocking().unwrap();
    }
    let segments = fs::read_dir(folder.path().join("wal")).unwrap().count();
    assert!(segments <= 2, "{segments} segments");
    drop(ledger);
    let ledger = open(folder.path());
    assert_eq!(
        (ledger.size(), ledger.side(99).unwrap().len()),
        (100, 60_000)
    );
}
