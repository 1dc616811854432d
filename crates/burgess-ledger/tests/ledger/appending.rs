//! Appending: numbers, duplicates, limits, and who shares an `fdatasync`.

use crate::support::{ORIGIN, draft, open, options, signer};
use burgess_ledger::leaf::SIDE_BYTES_MAX;
use burgess_ledger::tree::leaf_hash;
use burgess_ledger::{AppendError, Draft, Ledger, Options, Piece};
use std::collections::BTreeMap;
use std::time::Duration;

fn text(ledger: &Ledger, index: u64) -> String {
    String::from_utf8(ledger.entry(index).unwrap()).unwrap()
}

// R8
#[test]
fn each_stream_and_each_source_is_numbered_without_gaps_from_one() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    for (n, (source, stream)) in [
        ("outbox", "a"),
        ("gateway", "a"),
        ("outbox", "b"),
        ("outbox", "a"),
    ]
    .iter()
    .enumerate()
    {
        let receipt = ledger.append_blocking(draft(source, None, stream)).unwrap();
        assert_eq!(receipt.index, n as u64);
        assert_eq!(
            receipt.leaf_hash,
            leaf_hash(&ledger.entry(receipt.index).unwrap())
        );
        assert_eq!((receipt.shard.as_str(), receipt.duplicate), (ORIGIN, false));
    }
    assert_eq!(
        text(&ledger, 3),
        r#"{"app":"a","sequence":3,"source_seq":3}"#
    );
    assert_eq!(
        (
            ledger.sequence("a"),
            ledger.sequence("b"),
            ledger.sequence("c")
        ),
        (3, 1, 0)
    );
    assert_eq!(
        (ledger.highest("outbox"), ledger.highest("gateway")),
        (3, 1)
    );
    assert_eq!(ledger.size(), 4);
}

// R8
#[test]
fn numbers_go_on_after_closing_whether_published_or_not() {
    let folder = tempfile::tempdir().unwrap();
    for round in 1..=4 {
        let ledger = open(folder.path());
        for _ in 0..3 {
            ledger
                .append_blocking(draft("outbox", None, "app"))
                .unwrap();
        }
        if round % 2 == 0 {
            ledger.publish_blocking().unwrap();
        }
        assert_eq!(
            (ledger.highest("outbox"), ledger.sequence("app")),
            (round * 3, round * 3)
        );
    }
    let ledger = open(folder.path());
    assert_eq!(
        text(&ledger, 11),
        r#"{"app":"app","sequence":12,"source_seq":12}"#
    );
    assert_eq!(ledger.side(11).unwrap(), b"side of app");
}

#[test]
fn a_number_handed_over_twice_is_answered_with_its_first_receipt() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let first = ledger
        .append_blocking(draft("outbox", Some(1), "app"))
        .unwrap();
    let batch = (0..300).map(|_| draft("other", None, "app")).collect();
    ledger.append_all_blocking(batch).unwrap();
    let check = |ledger: &Ledger| {
        let size = ledger.size();
        let again = ledger
            .append_blocking(draft("outbox", Some(1), "another"))
            .unwrap();
        assert!(again.duplicate);
        assert_eq!(
            (again.index, again.leaf_hash),
            (first.index, first.leaf_hash)
        );
        assert_eq!(
            (again.sequence, again.source_seq),
            (first.sequence, first.source_seq)
        );
        assert_eq!(ledger.size(), size);
    };
    check(&ledger);
    ledger.publish_blocking().unwrap();
    check(&ledger);
    drop(ledger);
    check(&open(folder.path()));
}

#[test]
fn a_number_handed_over_twice_in_one_batch_is_appended_once() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let batch = vec![
        draft("outbox", Some(1), "app"),
        draft("outbox", Some(1), "app"),
    ];
    let receipts = ledger.append_all_blocking(batch).unwrap();
    assert_eq!(
        (receipts[0].duplicate, receipts[1].duplicate),
        (false, true)
    );
    assert_eq!(
        (receipts[0].index, receipts[1].index, ledger.size()),
        (0, 0, 1)
    );
}

#[test]
fn a_number_that_leaves_one_out_is_refused_and_names_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    ledger
        .append_blocking(draft("outbox", Some(1), "app"))
        .unwrap();
    for got in [0, 3] {
        let refusal = ledger
            .append_blocking(draft("outbox", Some(got), "app"))
            .unwrap_err();
        let source_name = "outbox".to_owned();
        assert_eq!(
            refusal,
            AppendError::SourceGap {
                source_name,
                got,
                expected: 2
            }
        );
    }
    ledger
        .append_blocking(draft("outbox", Some(2), "app"))
        .unwrap();
}

#[test]
fn a_batch_is_appended_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let numbers = |numbers: &[u64]| {
        numbers
            .iter()
            .map(|n| draft("outbox", Some(*n), "app"))
            .collect()
    };
    let refused: Vec<Draft> = numbers(&[1, 2, 4]);
    assert!(ledger.append_all_blocking(refused).is_err());
    assert_eq!(
        (
            ledger.size(),
            ledger.highest("outbox"),
            ledger.sequence("app")
        ),
        (0, 0, 0)
    );
    let receipts = ledger.append_all_blocking(numbers(&[1, 2, 3])).unwrap();
    assert_eq!(
        receipts.iter().map(|r| r.index).collect::<Vec<_>>(),
        [0, 1, 2]
    );
    let receipts = ledger.append_all_blocking(numbers(&[2, 3, 4])).unwrap();
    assert_eq!(
        receipts.iter().map(|r| r.duplicate).collect::<Vec<_>>(),
        [true, true, false]
    );
    assert_eq!(
        receipts.iter().map(|r| r.index).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    assert_eq!(ledger.append_all_blocking(Vec::new()).unwrap(), []);
}

#[test]
fn a_leaf_of_65535_bytes_is_kept_and_one_byte_more_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let sized = |bytes: usize| Draft {
        template: vec![Piece::Bytes(vec![b'x'; bytes]), Piece::Sequence],
        ..draft("outbox", None, "app")
    };
    let receipt = ledger.append_blocking(sized(65_534)).unwrap();
    assert_eq!(ledger.entry(receipt.index).unwrap().len(), 65_535);
    let refusal = ledger.append_blocking(sized(65_535)).unwrap_err();
    assert_eq!(refusal, AppendError::LeafTooLarge { bytes: 65_536 });
    assert_eq!(
        refusal.to_string(),
        "the leaf has 65536 bytes, at most 65535 are allowed, shorten the event"
    );
    let side = vec![0; SIDE_BYTES_MAX + 1];
    let refusal = ledger
        .append_blocking(Draft { side, ..sized(1) })
        .unwrap_err();
    assert_eq!(
        refusal,
        AppendError::SideTooLarge {
            bytes: SIDE_BYTES_MAX + 1
        }
    );
    ledger.publish_blocking().unwrap();
    assert_eq!(ledger.entry(0).unwrap().len(), 65_535);
}

#[test]
fn the_tenth_number_is_one_byte_longer_and_is_still_counted_against_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let exact = Draft {
        template: vec![Piece::Bytes(vec![b'x'; 65_534]), Piece::Sequence],
        ..draft("outbox", None, "app")
    };
    for _ in 0..9 {
        ledger.append_blocking(exact.clone()).unwrap();
    }
    let refusal = ledger.append_blocking(exact).unwrap_err();
    assert_eq!(refusal, AppendError::LeafTooLarge { bytes: 65_536 });
    assert_eq!(
        (
            ledger.size(),
            ledger.sequence("app"),
            ledger.highest("outbox")
        ),
        (9, 9, 9)
    );
    ledger
        .append_blocking(draft("outbox", Some(10), "app"))
        .unwrap();
}

#[test]
fn names_that_could_not_be_kept_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    for name in ["", "two\nlines", "nul\0", &"x".repeat(513)] {
        let refusal = ledger
            .append_blocking(draft(name, None, "app"))
            .unwrap_err();
        assert_eq!(refusal, AppendError::Name(name.to_owned()));
        assert!(ledger.append_blocking(draft("outbox", None, name)).is_err());
    }
    ledger
        .append_blocking(draft("a source with spaces, 100 % gültig", None, "app"))
        .unwrap();
    drop(ledger);
    assert_eq!(
        open(folder.path()).highest("a source with spaces, 100 % gültig"),
        1
    );
}

#[test]
fn a_batch_that_can_never_fit_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let drafts = (0..2000).map(|_| draft("outbox", None, "app")).collect();
    let refusal = ledger.append_all_blocking(drafts).unwrap_err();
    assert!(
        matches!(refusal, AppendError::BatchTooLarge { limit: 262_144, .. }),
        "{refusal}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_wait_together_share_one_fdatasync_and_none_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let tasks: Vec<_> = (0..2000)
        .map(|n| {
            let ledger = ledger.clone();
            tokio::spawn(async move {
                ledger
                    .append(draft(&format!("source {}", n % 7), None, "app"))
                    .await
            })
        })
        .collect();
    let mut receipts = BTreeMap::new();
    for task in tasks {
        let receipt = task.await.unwrap().unwrap();
        assert!(receipts.insert(receipt.index, receipt).is_none());
    }
    assert_eq!(
        receipts.keys().copied().collect::<Vec<_>>(),
        (0..2000).collect::<Vec<_>>()
    );
    for (index, receipt) in &receipts {
        assert_eq!(receipt.sequence, index + 1);
    }
    let stats = ledger.stats();
    assert_eq!((stats.entries, ledger.sequence("app")), (2000, 2000));
    assert!(stats.syncs <= 1000, "{} syncs", stats.syncs);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_lets_callers_wait_and_refuses_those_that_do_not_want_to() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        queue_bytes: 1 << 18,
        ..options()
    };
    let ledger = Ledger::open(folder.path(), ORIGIN, signer(), options).unwrap();
    let large = || Draft {
        side: vec![0; 60_000],
        ..draft("outbox", None, "app")
    };
    // The queue holds four of these. Each of the bounded tries either gets in or is refused.
    let tries: Vec<_> = (0..400).map(|_| ledger.try_append(large())).collect();
    let mut refused = 0;
    let mut appended = 0;
    for attempt in tries {
        match attempt.await {
            Ok(_) => appended += 1,
            Err(AppendError::QueueFull) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(
        refused > 0 && appended >= 4,
        "{appended} appended, {refused} refused"
    );
    let waiting: Vec<_> = (0..100)
        .map(|_| tokio::spawn(ledger.append(large())))
        .collect();
    for task in waiting {
        task.await.unwrap().unwrap();
    }
    assert_eq!(ledger.size(), appended + 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_follows_on_its_own_within_the_interval() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        checkpoint_interval: Duration::from_millis(20),
        ..options()
    };
    let ledger = Ledger::open(folder.path(), ORIGIN, signer(), options).unwrap();
    assert_eq!(ledger.checkpoint().checkpoint.size, 0);
    let mut size = ledger.watch();
    ledger.append(draft("outbox", None, "app")).await.unwrap();
    size.changed().await.unwrap();
    assert_eq!(*size.borrow(), 1);
    let published = async {
        while ledger.checkpoint().checkpoint.size < 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), published)
        .await
        .unwrap();
    let on_disk = std::fs::read_to_string(folder.path().join("checkpoint")).unwrap();
    assert_eq!(on_disk, ledger.checkpoint().note);
}

#[test]
fn an_entry_reads_the_same_before_and_after_its_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let batch: Vec<Draft> = (0..300).map(|_| draft("outbox", None, "app")).collect();
    ledger.append_all_blocking(batch).unwrap();
    let (entries, side) = (ledger.entries(0..300).unwrap(), ledger.side(299).unwrap());
    ledger.publish_blocking().unwrap();
    ledger
        .append_blocking(draft("outbox", None, "app"))
        .unwrap();
    assert_eq!(ledger.entries(0..300).unwrap(), entries);
    assert_eq!(ledger.entries(250..260).unwrap(), entries[250..260]);
    assert_eq!(ledger.entries(290..301).unwrap().len(), 11);
    assert_eq!(ledger.side(299).unwrap(), side);
    assert!(ledger.entries(290..302).is_err());
    assert!(ledger.entry(301).is_err());
    assert!(ledger.side(301).is_err());
}

// R8
#[test]
fn a_deleted_side_file_leaves_entries_proofs_and_later_side_values_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    crate::support::fill(&ledger, 300);
    drop(ledger);
    std::fs::remove_dir_all(folder.path().join("side")).unwrap();
    let ledger = open(folder.path());
    assert_eq!(ledger.side(3).unwrap(), b"");
    assert_eq!(ledger.side(299).unwrap(), b"");
    ledger
        .append_blocking(draft("outbox", None, "later"))
        .unwrap();
    ledger.publish_blocking().unwrap();
    assert_eq!(ledger.side(300).unwrap(), b"side of later");
    let proof = burgess_ledger::proof::TlogProof::parse(&ledger.tlog_proof(3).unwrap()).unwrap();
    proof
        .verify(&ledger.entry(3).unwrap(), &signer().verifier())
        .unwrap();
    let refusal = ledger
        .append_blocking(draft("outbox", Some(4), "app"))
        .unwrap_err();
    let source_name = "outbox".to_owned();
    assert_eq!(
        refusal,
        AppendError::AlreadyStored {
            source_name,
            source_seq: 4
        }
    );
}
