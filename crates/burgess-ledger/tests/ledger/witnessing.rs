//! The rules of a witness, over logs that really grow, fork and shrink.

use crate::support::{ORIGIN, signer};
use burgess_ledger::tree::{Hash, consistency_path, empty_root, leaf_hash, range_root};
use burgess_ledger::witness::{AddCheckpoint, Refusal, Seen, decide};
use burgess_ledger::{Checkpoint, Cosigner, NoteSigner, NoteVerifier};
use proptest::prelude::*;
use std::convert::Infallible;

/// A log in memory.
#[derive(Clone)]
struct Log(Vec<Hash>);

impl Log {
    fn of(count: u64) -> Self {
        Self((0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect())
    }

    fn node(&self) -> impl FnMut(u32, u64) -> Result<Hash, Infallible> + '_ {
        |height, n| {
            let (size, n) = (1 << height, usize::try_from(n).unwrap());
            Ok(burgess_ledger::tree::root_of(
                &self.0[n * size..(n + 1) * size],
            ))
        }
    }

    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn root(&self) -> Hash {
        range_root(0, self.size(), &mut self.node()).unwrap()
    }

    fn asks(&self, old: u64) -> AddCheckpoint {
        let checkpoint = Checkpoint {
            origin: ORIGIN.to_owned(),
            size: self.size(),
            root: self.root(),
        };
        let proof = if old <= self.size() {
            consistency_path(old, self.size(), &mut self.node()).unwrap()
        } else {
            Vec::new()
        };
        AddCheckpoint {
            old,
            proof,
            note: checkpoint.sign(&signer()).unwrap().note,
        }
    }

    fn seen(&self) -> Seen {
        Seen {
            size: self.size(),
            root: self.root(),
        }
    }
}

fn keys() -> Vec<NoteVerifier> {
    vec![signer().verifier()]
}

fn refusal(request: &AddCheckpoint, seen: &Seen) -> Refusal {
    decide(request, &keys(), seen).unwrap_err()
}

// R124
#[test]
fn a_log_that_grows_is_signed_from_the_first_checkpoint_on() {
    let mut seen = Seen::default();
    for size in [0, 1, 5, 5, 300] {
        let log = Log::of(size);
        let accepted = decide(&log.asks(seen.size), &keys(), &seen).unwrap();
        assert_eq!(
            (accepted.origin.as_str(), &accepted.seen),
            (ORIGIN, &log.seen())
        );
        seen = accepted.seen;
    }
}

// R124
#[test]
fn a_log_whose_newest_entries_were_cut_off_is_refused() {
    let seen = Log::of(10).seen();
    let cut = Log::of(7);
    assert_eq!(refusal(&cut.asks(7), &seen), Refusal::OtherSize(10));
    assert_eq!(refusal(&cut.asks(0), &seen), Refusal::OtherSize(10));
    let said = cut.asks(10);
    assert_eq!(
        refusal(&said, &seen).status(),
        400,
        "it cannot even be asked"
    );
}

// R124
#[test]
fn a_log_that_shows_another_history_is_refused_at_the_same_size_and_beyond() {
    let seen = Log::of(10).seen();
    let mut other = Log::of(10);
    other.0[3] = leaf_hash(b"rewritten");
    assert_eq!(refusal(&other.asks(10), &seen), Refusal::OtherRoot(10));
    other.0.push(leaf_hash(b"more"));
    assert_eq!(
        refusal(&other.asks(10), &seen),
        Refusal::NotConsistent { old: 10 }
    );
    // Neither does a proof that fits the old size but belongs to the true log help it.
    let mut borrowed = other.asks(10);
    borrowed.proof = Log::of(11).asks(10).proof;
    assert_eq!(refusal(&borrowed, &seen).status(), 422);
}

#[test]
fn refusals_carry_the_statuses_of_the_standard() {
    let (log, seen) = (Log::of(10), Log::of(5).seen());
    let asked = log.asks(5);
    decide(&asked, &keys(), &seen).unwrap();
    let check = |request: &AddCheckpoint, keys: &[NoteVerifier], status| {
        assert_eq!(decide(request, keys, &seen).unwrap_err().status(), status);
    };
    check(&asked, &[], 404);
    let stranger = NoteSigner::from_seed(ORIGIN, [1; 32]).unwrap();
    check(&asked, &[stranger.verifier()], 403);
    let mut bad = asked.clone();
    bad.note = bad.note.replace("\n10\n", "\n11\n");
    check(&bad, &keys(), 403);
    check(
        &AddCheckpoint {
            old: 11,
            ..asked.clone()
        },
        &keys(),
        400,
    );
    check(
        &AddCheckpoint {
            old: 4,
            ..asked.clone()
        },
        &keys(),
        409,
    );
    let mut short = asked.clone();
    short.proof.pop();
    check(&short, &keys(), 422);
    let mut long = asked.clone();
    long.proof.push(empty_root());
    check(&long, &keys(), 422);
    // From nothing on, the proof must be empty.
    let mut first = log.asks(0);
    first.proof.push(empty_root());
    let refusal = decide(&first, &keys(), &Seen::default()).unwrap_err();
    assert_eq!(refusal.status(), 422);
}

#[test]
fn an_empty_log_has_one_root() {
    let checkpoint = Checkpoint {
        origin: ORIGIN.to_owned(),
        size: 0,
        root: leaf_hash(b"not empty"),
    };
    let request = AddCheckpoint {
        old: 0,
        proof: Vec::new(),
        note: checkpoint.sign(&signer()).unwrap().note,
    };
    assert_eq!(refusal(&request, &Seen::default()), Refusal::OtherRoot(0));
}

#[test]
fn a_log_with_two_keys_may_be_signed_by_either_but_not_wrongly_by_one() {
    let both = signer().with_ml_dsa_44([8; 32]).unwrap();
    let keys = both.verifiers();
    let log = Log::of(3);
    let mut request = log.asks(0);
    decide(&request, &keys, &Seen::default()).unwrap();
    let other = Log::of(4);
    let text = |log: &Log| Checkpoint {
        origin: ORIGIN.to_owned(),
        size: log.size(),
        root: log.root(),
    };
    let wrong = text(&other).sign(&both).unwrap().note;
    let line = wrong.lines().next_back().unwrap();
    request.note = format!("{}{line}\n", request.note);
    assert_eq!(
        decide(&request, &keys, &Seen::default())
            .unwrap_err()
            .status(),
        403
    );
}

#[test]
fn extension_lines_of_other_logs_are_signed_along() {
    let log = Log::of(3);
    let text = format!(
        "{}an extension\n",
        Checkpoint {
            origin: ORIGIN.to_owned(),
            size: 3,
            root: log.root(),
        }
        .text()
    );
    let request = AddCheckpoint {
        old: 0,
        proof: Vec::new(),
        note: signer().sign(&text).unwrap(),
    };
    let accepted = decide(&request, &keys(), &Seen::default()).unwrap();
    let witness = Cosigner::ed25519("witness.example/w", [9; 32]).unwrap();
    let key = witness.verifier().clone();
    let line = accepted.cosign(&[witness], 1).unwrap();
    let note = format!("{}{line}", request.note);
    assert_eq!(key.signed_at(note.as_bytes()), Ok(Some(1)));
    let without = note.replace("an extension\n", "");
    assert!(key.signed_at(without.as_bytes()).is_err());
}

#[test]
fn a_request_is_read_back_as_it_was_written_and_other_spellings_are_refused() {
    let asked = Log::of(300).asks(7);
    let text = asked.text();
    assert_eq!(AddCheckpoint::parse(text.as_bytes()), Ok(asked.clone()));
    let hash = "lkltbKb5yAd0M4YkY26aU9xVqPFA6rN6lSMe1bdPlm8=\n";
    let head = text.split_once("\n\n").unwrap().0;
    let wrong = [
        String::new(),
        text.replacen("old 7", "old 07", 1),
        text.replacen("old 7", "old +7", 1),
        text.replacen("old 7", "old  7", 1),
        text.replacen("old 7", "Old 7", 1),
        text.replacen("old 7\n", "", 1),
        text.replacen("old 7\n", "old 7\r\n", 1),
        text.replacen("old 7\n", "old 18446744073709551616\n", 1),
        text.replacen("old 7\n", &format!("old 7\n{}", &hash[1..]), 1),
        text.replacen("old 7\n", &format!("old 7\n{}", hash.repeat(64)), 1),
        head.to_owned(),
    ];
    for text in wrong {
        assert!(AddCheckpoint::parse(text.as_bytes()).is_err(), "{text}");
    }
    let most = text.replacen(head, &format!("old 7\n{}", hash.repeat(63)).trim_end(), 1);
    assert_eq!(
        AddCheckpoint::parse(most.as_bytes()).unwrap().proof.len(),
        63
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever a log asks for, and in whatever order: what was signed is always one history.
    // R124
    #[test]
    fn whatever_is_asked_the_signed_checkpoints_are_one_history(
        steps in prop::collection::vec((0u64..40, 0u64..40, any::<bool>()), 1..40),
    ) {
        let (mut seen, mut signed) = (Seen::default(), Vec::new());
        let truth = Log::of(40);
        for (size, old, forked) in steps {
            let mut log = Log(truth.0[..usize::try_from(size).unwrap()].to_vec());
            if forked && let Some(last) = log.0.last_mut() {
                *last = leaf_hash(b"fork");
            }
            if let Ok(accepted) = decide(&log.asks(old), &keys(), &seen) {
                seen = accepted.seen;
                signed.push(log);
            }
        }
        for pair in signed.windows(2) {
            let (before, after) = (&pair[0].0, &pair[1].0);
            prop_assert!(after.starts_with(before));
        }
    }

    #[test]
    fn no_bytes_make_a_request_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _refused = AddCheckpoint::parse(&bytes);
        let mut text = b"old 0\n\n".to_vec();
        text.extend_from_slice(&bytes);
        if let Ok(request) = AddCheckpoint::parse(&text) {
            prop_assert!(decide(&request, &keys(), &Seen::default()).is_err());
        }
    }
}
