//! Batches and groups: what is written into few pieces of memory reads as if each entry stood alone.

use crate::simulator::Simulator;
use crate::support::{ORIGIN, draft, open, options, signer};
use burgess_ledger::tile::{Kind, TileId};
use burgess_ledger::tree::leaf_hash;
use burgess_ledger::{AppendError, Batch, Draft, Ledger, Part, Piece};
use proptest::prelude::*;
use std::sync::Arc;

const SEQ: Part<'static> = Part::Sequence;

#[test]
fn a_batch_says_what_its_drafts_would() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (one, other) = (open(one.path()), open(other.path()));
    let drafts: Vec<Draft> = (0..300)
        .map(|n| {
            draft(
                &format!("source {}", n % 3),
                None,
                &format!("app {}", n % 7),
            )
        })
        .collect();
    let mut batch = Batch::with_capacity(300, 30_000);
    for it in &drafts {
        batch.push_draft(it).unwrap();
    }
    assert_eq!((batch.len(), batch.is_empty()), (300, false));
    let receipts = one.append_batch_blocking(batch).unwrap();
    assert_eq!(receipts, other.append_all_blocking(drafts).unwrap());
    assert_eq!(one.entries(0..300).unwrap(), other.entries(0..300).unwrap());
    for receipt in &receipts {
        let leaf = one.entry(receipt.index).unwrap();
        assert_eq!(leaf_hash(&leaf), receipt.leaf_hash);
    }
    let root = one.publish_blocking().unwrap().checkpoint.root;
    assert_eq!(root, other.publish_blocking().unwrap().checkpoint.root);
    assert_eq!(one.append_batch_blocking(Batch::new()).unwrap(), []);
}

#[test]
fn an_entry_that_is_refused_leaves_its_batch_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let mut batch = Batch::new();
    let mut push = |source: &str, stream: &str, leaf: &[Part<'_>], side: &[u8]| {
        batch.push(source, None, stream, leaf, side)
    };
    push("outbox", "app", &[Part::Bytes(b"one "), SEQ], b"side 1").unwrap();
    let long = vec![b'x'; 65_535];
    let refused = [
        push("", "app", &[SEQ], b""),
        push("outbox", "two\nlines", &[SEQ], b""),
        push("outbox", "app", &[Part::Bytes(&long), SEQ], b""),
        push("outbox", "app", &[SEQ], &[0; 65_536]),
    ];
    assert_eq!(refused[0], Err(AppendError::Name(String::new())));
    assert_eq!(refused[2], Err(AppendError::LeafTooLarge { bytes: 65_536 }));
    assert!(refused.iter().all(Result::is_err));
    push("outbox", "app", &[Part::Bytes(b"two "), SEQ], b"side 2").unwrap();
    let receipts = ledger.append_batch_blocking(batch).unwrap();
    assert_eq!(receipts.len(), 2);
    assert_eq!(ledger.entry(0).unwrap(), b"one 1");
    assert_eq!(ledger.entry(1).unwrap(), b"two 2");
    assert_eq!(ledger.side(1).unwrap(), b"side 2");
}

// R8
#[test]
fn ten_thousand_streams_are_numbered_each_for_itself_also_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let append_round = |ledger: &Ledger, round: u64| {
        for part in 0..20 {
            let mut batch = Batch::new();
            for stream in (part * 500)..(part + 1) * 500 {
                let name = format!("app {stream}");
                batch
                    .push(
                        "outbox",
                        None,
                        &name,
                        &[SEQ, Part::Bytes(b" "), Part::SourceSeq],
                        b"",
                    )
                    .unwrap();
            }
            for receipt in ledger.append_batch_blocking(batch).unwrap() {
                assert_eq!(receipt.sequence, round);
                assert_eq!(receipt.source_seq, receipt.index + 1);
            }
        }
    };
    append_round(&open(folder.path()), 1);
    let ledger = open(folder.path());
    append_round(&ledger, 2);
    drop(ledger);
    let ledger = open(folder.path());
    append_round(&ledger, 3);
    assert_eq!(ledger.entry(29_999).unwrap(), b"3 30000");
    assert_eq!(
        (ledger.sequence("app 0"), ledger.sequence("app 9999")),
        (3, 3)
    );
}

#[test]
fn numbering_takes_eight_bytes_an_entry_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    for _ in 0..4 {
        let mut batch = Batch::new();
        for n in 0..640 {
            let stream = format!("microapp-number-{}", n % 23);
            batch
                .push("gateway/local", None, &stream, &[SEQ], &[7; 100])
                .unwrap();
        }
        ledger.append_batch_blocking(batch).unwrap();
    }
    ledger.publish_blocking().unwrap();
    let side = folder.path().join("side");
    let bytes: u64 = std::fs::read_dir(side)
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    let numbering = bytes - 2560 * 100;
    assert!(numbering <= 2560 * 8, "{numbering} bytes for 2560 entries");
}

#[test]
fn queued_bytes_come_back_when_entries_are_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    assert_eq!(ledger.stats().queued_bytes, 0);
    let queued = ledger.append_all(vec![draft("outbox", None, "app"); 100]);
    wait_for(queued).unwrap();
    // The sequencer answers first and gives the room back at once after.
    while ledger.stats().queued_bytes > 0 {
        std::thread::yield_now();
    }
    assert_eq!(ledger.stats().waiting, 100);
    ledger.publish_blocking().unwrap();
    assert_eq!(ledger.stats().waiting, 0);
}

fn wait_for<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

/// A leaf's parts, for [`Draft`] and for what it is to become.
fn parts() -> impl Strategy<Value = Vec<Piece>> {
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200).prop_map(Piece::Bytes),
        Just(Piece::Sequence),
        Just(Piece::SourceSeq),
    ];
    prop::collection::vec(piece, 0..7)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn whatever_a_leaf_is_made_of_its_hash_and_bytes_are_those_of_its_parts_joined(
        leaves in prop::collection::vec((parts(), 0..3u8, prop::collection::vec(any::<u8>(), 0..50)), 1..40),
        publish in any::<bool>(),
    ) {
        let disk = Simulator::default();
        let ledger = Ledger::open_on(Arc::new(disk.clone()), ORIGIN, signer(), options()).unwrap();
        let mut counts = [0; 3];
        let (mut drafts, mut expected) = (Vec::new(), Vec::new());
        for (source_seq, (template, stream, side)) in (1u64..).zip(leaves) {
            let count = &mut counts[usize::from(stream)];
            *count += 1;
            let written: Vec<u8> = template.iter().flat_map(|piece| match piece {
                Piece::Bytes(bytes) => bytes.clone(),
                Piece::Sequence => format!("{count}").into_bytes(),
                Piece::SourceSeq => format!("{source_seq}").into_bytes(),
            }).collect();
            expected.push((written, side.clone()));
            drafts.push(Draft {
                source: "outbox".to_owned(),
                source_seq: None,
                stream: format!("app {stream}"),
                template,
                side,
            });
        }
        let receipts = ledger.append_all_blocking(drafts).unwrap();
        if publish {
            ledger.publish_blocking().unwrap();
        }
        drop(ledger);
        let ledger = Ledger::open_on(Arc::new(disk), ORIGIN, signer(), options()).unwrap();
        for (receipt, (leaf, side)) in receipts.iter().zip(&expected) {
            prop_assert_eq!(&ledger.entry(receipt.index).unwrap(), leaf);
            prop_assert_eq!(&ledger.side(receipt.index).unwrap(), side);
            prop_assert_eq!(receipt.leaf_hash, leaf_hash(leaf));
        }
    }
}

// R124
#[test]
fn a_tile_is_handed_out_only_as_far_as_a_checkpoint_covers_it() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    crate::support::fill(&ledger, 300);
    for name in [
        "tile/0/000",
        "tile/0/001.p/44",
        "tile/1/000.p/1",
        "tile/entries/000",
    ] {
        let file = std::fs::read(folder.path().join(name)).unwrap();
        assert_eq!(ledger.tile(name).unwrap(), file, "{name}");
    }
    // As a crash or a writer in the middle leaves it.
    std::fs::write(folder.path().join("tile/0/001"), "half").unwrap();
    std::fs::write(folder.path().join("tile/0/001.p/45"), "half").unwrap();
    for name in [
        "tile/0/001",
        "tile/0/001.p/45",
        "tile/0/002.p/1",
        "tile/0/0",
        "tile/0/x000/000",
        "tile/0/001.p/044",
        "tile/0/001.p/0",
        "tile/00/000",
        "tile/8/000",
        "tile/0/../0/000",
        "checkpoint",
        "state",
        "",
    ] {
        let refusal = ledger.tile(name).unwrap_err().to_string();
        assert!(refusal.contains("is missing"), "{name}: {refusal}");
    }
    crate::support::fill(&ledger, 300);
    assert_eq!(ledger.tile("tile/0/001").unwrap().len(), 256 * 32);
}

proptest! {
    #[test]
    fn the_name_of_every_tile_reads_back(level in 0..9u32, n in 0..3_000_000_000u64, width in 1..=256u64) {
        let kind = if level == 8 { Kind::Entries } else { Kind::Hashes(level) };
        let id = TileId { kind, n, width };
        prop_assert_eq!(TileId::parse(&id.path()), Some(id));
    }
}
