//! Bytes from strangers: every parser answers an error, none panics, none accepts.

use crate::support::{ORIGIN, fill, open, options, signer};
use burgess_ledger::proof::TlogProof;
use burgess_ledger::{Ledger, NoteVerifier, SignedCheckpoint, receipt, verify};
use proptest::prelude::*;
use std::fs;
use std::io;
use std::path::Path;

/// Random bytes, and random changes of what would be right: cut, doubled, replaced.
fn twisted(right: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let changed = right.clone();
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..400),
        (any::<prop::sample::Index>(), any::<prop::sample::Index>()).prop_map(move |(from, to)| {
            let (from, to) = (from.index(right.len()), to.index(right.len()));
            [&right[..from.max(to)], &right[from.min(to)..]].concat()
        }),
        (
            any::<prop::sample::Index>(),
            prop::collection::vec(any::<u8>(), 1..40)
        )
            .prop_map(move |(at, bytes)| {
                let (mut text, at) = (changed.clone(), at.index(changed.len()));
                let end = text.len().min(at + bytes.len());
                text.splice(at..end, bytes);
                text
            }),
    ]
}

fn note() -> Vec<u8> {
    signer()
        .sign(&format!(
            "{ORIGIN}\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
        ))
        .unwrap()
        .into_bytes()
}

fn proof() -> Vec<u8> {
    let note = String::from_utf8(note()).unwrap();
    format!("c2sp.org/tlog-proof@v1\nindex 0\n\n{note}").into_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn twisted_checkpoints_are_refused(bytes in twisted(note())) {
        prop_assume!(bytes != note());
        prop_assert!(SignedCheckpoint::open(&bytes, &signer().verifier()).is_err());
    }

    #[test]
    fn twisted_keys_are_refused(bytes in twisted(signer().vkey().into_bytes())) {
        let Ok(text) = String::from_utf8(bytes) else { return Ok(()) };
        prop_assume!(text != signer().vkey());
        prop_assert!(NoteVerifier::parse(&text).is_err());
    }

    #[test]
    fn twisted_proofs_are_refused(bytes in twisted(proof())) {
        let Ok(text) = String::from_utf8(bytes) else { return Ok(()) };
        if let Ok(proof) = TlogProof::parse(&text) {
            prop_assert!(proof.verify(b"entry", &signer().verifier()).is_err());
        }
        let wrapped = format!("{{\"schema\":\"burgess.receipt/1\",\"leaf\":\"e30=\",\"proof\":{text:?}}}");
        prop_assert!(receipt::verify(wrapped.as_bytes(), &signer().verifier()).is_err());
        prop_assert!(receipt::verify(text.as_bytes(), &signer().verifier()).is_err());
    }

    #[test]
    fn a_ledger_of_random_files_is_refused(files in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..8)) {
        let mut files = files.into_iter();
        let checkpoint = note();
        let mut read = |name: &str| match name {
            "checkpoint" => Ok(checkpoint.clone()),
            _ => files.next().ok_or(io::ErrorKind::NotFound.into()),
        };
        prop_assert!(verify::log(&mut read, &signer().verifier(), None).is_err());
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// Opens a copy of a good ledger after one of its files was twisted. It opens with what was
/// published, or it stays shut; it never panics and never opens with anything else.
fn opens_right_or_not_at_all(file: &str) {
    let good = tempfile::tempdir().unwrap();
    let ledger = open(good.path());
    fill(&ledger, 5);
    let entries = ledger.entries(0..5).unwrap();
    ledger
        .append_blocking(crate::support::draft("outbox", None, "app"))
        .unwrap();
    let unpublished = tempfile::tempdir().unwrap();
    copy(good.path(), unpublished.path());
    let right = fs::read(unpublished.path().join(file)).unwrap();
    let right: Vec<u8> = right.into_iter().take(9000).collect();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(60));
    runner
        .run(&twisted(right), |bytes| {
            let folder = tempfile::tempdir().unwrap();
            copy(unpublished.path(), folder.path());
            fs::write(folder.path().join(file), bytes).unwrap();
            if let Ok(ledger) = Ledger::open(folder.path(), ORIGIN, signer(), options()) {
                prop_assert!(ledger.size() == 5 || ledger.size() == 6);
                prop_assert_eq!(ledger.entries(0..5).unwrap(), entries.clone());
            }
            Ok(())
        })
        .unwrap();
}

// R124
#[test]
fn a_twisted_state_is_refused() {
    opens_right_or_not_at_all("state");
}

// R124
#[test]
fn a_twisted_segment_never_changes_what_was_published() {
    opens_right_or_not_at_all("wal/0000000000000001");
}

// R124
#[test]
fn a_twisted_bundle_or_side_file_never_changes_what_was_published() {
    opens_right_or_not_at_all("tile/entries/000.p/5");
    opens_right_or_not_at_all("side/000");
}
