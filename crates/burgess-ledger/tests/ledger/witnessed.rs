//! What a quorum cosigned: kept beside the log, used for receipts, and what an auditor makes of it.

use crate::auditing::{run, text};
use crate::cosigning::both;
use crate::support::{ORIGIN, fill, open, options, outside_verifier, signer};
use burgess_ledger::proof::TlogProof;
use burgess_ledger::{Checkpoint, Cosigner, KeepError, Ledger, NoteSigner, SignedCheckpoint};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn witnesses() -> [Cosigner; 2] {
    [
        Cosigner::ed25519("witness.example/1", [21; 32]).unwrap(),
        Cosigner::ml_dsa_44("witness.example/2", [22; 32]).unwrap(),
    ]
}

/// 2023-11-14T22:13:20Z
const TIME: u64 = 1_700_000_000;

fn cosigned(signed: &SignedCheckpoint, by: usize) -> String {
    let lines = witnesses().into_iter().take(by);
    let lines = lines.map(|key| key.line(&signed.checkpoint.text(), TIME).unwrap());
    signed.note.clone() + &lines.collect::<String>()
}

/// A policy that asks for both witnesses, in a file.
fn policy(folder: &Path) -> PathBuf {
    let [one, two] = witnesses().map(|key| key.verifier().to_string());
    let file = folder.join("policy");
    let text = format!(
        "log {}\nwitness one {one}\nwitness two {two}\ngroup both all one two\nquorum both\n",
        signer().vkey()
    );
    std::fs::write(&file, text).unwrap();
    file
}

fn other_history(size: u64) -> String {
    let checkpoint = Checkpoint {
        origin: ORIGIN.to_owned(),
        size,
        root: [9; 32],
    };
    cosigned(&checkpoint.sign(&signer()).unwrap(), 2)
}

// R8 R124
#[test]
fn a_receipt_refers_to_the_witnessed_checkpoint_where_that_covers_its_entry() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    fill(&ledger, 5);
    assert!(ledger.witnessed().is_none());
    ledger
        .keep_witnessed(&cosigned(&ledger.checkpoint(), 2))
        .unwrap();
    fill(&ledger, 3);
    for (index, size, lines) in [(0, 5, 3), (4, 5, 3), (5, 8, 1), (7, 8, 1)] {
        let proof = TlogProof::parse(&ledger.tlog_proof(index).unwrap()).unwrap();
        let entry = ledger.entry(index).unwrap();
        let signed = proof.verify(&entry, &signer().verifier()).unwrap();
        assert_eq!(signed.checkpoint.size, size, "entry {index}");
        assert_eq!(signed.note.matches('\u{2014}').count(), lines);
    }
    ledger.close();
    drop(ledger);
    let ledger = open(folder.path());
    assert_eq!(ledger.witnessed().unwrap().checkpoint.size, 5);
    if let Some(outside) = outside_verifier() {
        outside.accepts(folder.path(), ledger.vkey()).unwrap();
    }
}

// R124
#[test]
fn only_a_checkpoint_of_this_very_log_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    fill(&ledger, 5);
    let five = cosigned(&ledger.checkpoint(), 2);
    fill(&ledger, 5);
    ledger
        .keep_witnessed(&cosigned(&ledger.checkpoint(), 2))
        .unwrap();
    let kept = ledger.keep_witnessed(&five).unwrap();
    assert_eq!(
        kept.checkpoint.size, 10,
        "an older one does not replace a newer one"
    );
    for size in [10, 11] {
        let refused = ledger.keep_witnessed(&other_history(size)).unwrap_err();
        assert!(
            matches!(refused, KeepError::Foreign(n) if n == size),
            "{refused}"
        );
    }
    let stranger = NoteSigner::from_seed(ORIGIN, [6; 32]).unwrap();
    let forged = ledger
        .checkpoint()
        .checkpoint
        .clone()
        .sign(&stranger)
        .unwrap();
    assert!(matches!(
        ledger.keep_witnessed(&forged.note),
        Err(KeepError::Note(_))
    ));
    assert_eq!(ledger.witnessed().unwrap().checkpoint.size, 10);
}

// R124
#[test]
fn a_log_that_has_less_than_what_was_witnessed_or_something_else_stays_shut() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    fill(&ledger, 5);
    ledger.close();
    drop(ledger);
    let file = folder.path().join("witnessed");
    let refused = |note: &str| {
        std::fs::write(&file, note).unwrap();
        let opened = Ledger::open(folder.path(), ORIGIN, signer(), options());
        opened.unwrap_err().to_string()
    };
    let cut = refused(&other_history(6));
    assert!(
        cut.contains("witnesses cosigned 6 entries of this log but it has 5"),
        "{cut}"
    );
    let forked = refused(&other_history(5));
    assert!(
        forked.contains("are not those that witnesses cosigned"),
        "{forked}"
    );
    assert!(refused("x").contains("`witnessed`"));
    std::fs::remove_file(&file).unwrap();
    assert_eq!(open(folder.path()).size(), 5);
}

// R124
#[test]
fn after_a_stop_nothing_is_appended_or_published_and_reading_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    fill(&ledger, 5);
    ledger.stop("a witness has seen more");
    let refused = ledger.append_blocking(crate::support::draft("outbox", None, "app"));
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("a witness has seen more")
    );
    assert!(!ledger.is_writable());
    assert!(ledger.entry(4).is_ok() && ledger.tlog_proof(4).is_ok());
    ledger.close();
    drop(ledger);
    assert_eq!(open(folder.path()).size(), 5);
}

// R124
#[test]
fn the_verifier_says_how_far_a_log_is_witnessed_and_no_without_a_quorum() {
    let (folder, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let policy = policy(kept.path());
    let ledger = open(folder.path());
    fill(&ledger, 5);
    let five = ledger.checkpoint();
    fill(&ledger, 3);
    let check = |more: &[&str]| {
        let mut arguments = vec!["log", text(folder.path()), "--policy", text(&policy)];
        arguments.extend(more);
        run(&arguments)
    };
    let (status, out, _) = check(&[]);
    assert_eq!(status, 1, "{out}");
    let none = "not witnessed, the operator could rewrite history: 0 of 2 witnesses cosigned, which is no quorum\n";
    assert!(out.ends_with(none), "{out}");
    // One of two is no quorum either, also when it is written into the folder.
    let file = folder.path().join("witnessed");
    std::fs::write(&file, cosigned(&five, 1)).unwrap();
    assert_eq!(check(&[]).0, 1);
    ledger.keep_witnessed(&cosigned(&five, 2)).unwrap();
    let (status, out, _) = check(&["--key", ledger.vkey()]);
    assert_eq!(status, 0, "{out}");
    let sentence =
        "witnessed up to entry 4 by 2 of 2: one, two; cosigned at 2023-11-14T22:13:20Z\n";
    assert!(
        out.contains("size   8\n") && out.ends_with(sentence),
        "{out}"
    );
    let (_, out, _) = check(&["--format", "json"]);
    let out: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&out["ok"], &out["witnessed"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(
        (&out["witnessed_size"], &out["witnessed_by"]),
        (&json!(5), &json!(["one", "two"]))
    );
    // What was cosigned is not this log.
    for (note, why) in [
        (
            other_history(5),
            "the log's first 5 entries are not those that were cosigned",
        ),
        (other_history(9), "the newest were cut off"),
        (
            cosigned(&five, 2).replace("\n5\n", "\n6\n"),
            "does not fit the text",
        ),
    ] {
        std::fs::write(&file, note).unwrap();
        let (status, _, complaint) = check(&[]);
        assert_eq!(status, 1);
        assert!(complaint.contains(why), "{complaint}");
    }
}

// R186
#[test]
fn a_receipt_is_judged_by_the_policy_and_by_every_given_key() {
    let (folder, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let policy = policy(kept.path());
    let ledger = Ledger::open(folder.path(), ORIGIN, both(), options()).unwrap();
    fill(&ledger, 5);
    ledger
        .keep_witnessed(&cosigned(&ledger.checkpoint(), 2))
        .unwrap();
    fill(&ledger, 2);
    let keys = kept.path().join("keys");
    let vkeys: String = ledger
        .vkeys()
        .iter()
        .map(|key| format!("{key}\n"))
        .collect();
    std::fs::write(&keys, vkeys).unwrap();
    let (proof, entry) = (kept.path().join("proof"), kept.path().join("entry"));
    for (index, status) in [(3, 0), (6, 1)] {
        std::fs::write(&proof, ledger.tlog_proof(index).unwrap()).unwrap();
        std::fs::write(&entry, ledger.entry(index).unwrap()).unwrap();
        let arguments = [
            "proof",
            text(&proof),
            "--entry",
            text(&entry),
            "--key",
            text(&keys),
            "--policy",
            text(&policy),
        ];
        let (found, out, complaint) = run(&arguments);
        assert_eq!((found, complaint.as_str()), (status, ""), "{out}");
        assert_eq!(
            out.contains("witnessed up to entry 4 by 2 of 2"),
            status == 0,
            "{out}"
        );
        // Without a policy the signatures of the log are all there is.
        assert_eq!(run(&arguments[..6]).0, 0);
    }
    // A checkpoint that only one of the two keys signed is not enough for who gives both.
    let line = |text: &str| text.rsplit_once('\u{2014}').unwrap().0.to_owned();
    let text_of = ledger.tlog_proof(6).unwrap();
    std::fs::write(&proof, line(&text_of)).unwrap();
    let arguments = [
        "proof",
        text(&proof),
        "--entry",
        text(&entry),
        "--key",
        text(&keys),
    ];
    let (status, _, complaint) = run(&arguments);
    assert_eq!(status, 1);
    assert!(
        complaint.contains("no signature by the given key"),
        "{complaint}"
    );
}

// R186
#[test]
fn a_proof_with_extra_data_is_read_and_the_data_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    fill(&ledger, 5);
    let plain = ledger.tlog_proof(2).unwrap();
    let extra = plain.replacen("index 2\n", "extra aGVsbG8=\nindex 2\n", 1);
    let proof = TlogProof::parse(&extra).unwrap();
    assert_eq!(proof, TlogProof::parse(&plain).unwrap());
    for wrong in [
        extra.replacen("aGVsbG8=", "aGVsbG8", 1),
        extra.replacen("extra aGVsbG8=\n", "extra aGVsbG8=\nextra aGVsbG8=\n", 1),
        plain.replacen("index 2\n", "index 2\nextra aGVsbG8=\n", 1),
    ] {
        assert!(TlogProof::parse(&wrong).is_err(), "{wrong}");
    }
}
