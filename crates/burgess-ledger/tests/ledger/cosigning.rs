//! The three kinds of signature: what they bind, what is refused, and what others make of them.

use crate::support::{ORIGIN, fill, options, python_with, signer};
use burgess_ledger::tree::leaf_hash;
use burgess_ledger::{
    Checkpoint, Cosigner, KeyKind, Ledger, NoteError, NoteSigner, NoteVerifier, SignedCheckpoint,
    Trust,
};
use std::process::Command;

/// The cosigned checkpoint of the standard's text, <https://c2sp.org/tlog-cosignature>; it gives no
/// keys, so only the form can be checked.
const SPEC_NOTE: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\u{2014} witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";

pub fn both() -> NoteSigner {
    signer().with_ml_dsa_44([8; 32]).unwrap()
}

fn checkpoint(size: u64) -> Checkpoint {
    Checkpoint {
        origin: ORIGIN.to_owned(),
        size,
        root: leaf_hash(&size.to_be_bytes()),
    }
}

fn cosigners() -> [Cosigner; 2] {
    [
        Cosigner::ed25519("witness.example/w", [9; 32]).unwrap(),
        Cosigner::ml_dsa_44("witness.example/w", [10; 32]).unwrap(),
    ]
}

fn cosigned(size: u64, time: u64) -> String {
    let signed = checkpoint(size).sign(&both()).unwrap();
    let lines = cosigners().map(|key| key.line(&signed.checkpoint.text(), time).unwrap());
    format!("{}{}", signed.note, lines.concat())
}

#[test]
fn a_verifier_key_of_each_kind_comes_back_from_its_text() {
    let [timed, lattice] = cosigners();
    let keys = [
        (signer().verifier(), KeyKind::Ed25519, 32),
        (timed.verifier().clone(), KeyKind::CosignatureEd25519, 32),
        (lattice.verifier().clone(), KeyKind::MlDsa44, 1312),
    ];
    for (key, kind, bytes) in keys {
        let again = NoteVerifier::parse(&key.to_string()).unwrap();
        assert_eq!(again, key);
        assert_eq!((again.kind(), again.public().len()), (kind, bytes));
    }
}

#[test]
fn a_key_of_an_unknown_kind_or_a_wrong_length_is_refused_by_name() {
    let refused = [
        (
            "ecdsa.example+3d6a33a2+AgEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB",
            "is of another kind",
        ),
        (
            "short.example+00000000+AQE=",
            "an Ed25519 public key has 32 bytes",
        ),
        (
            "short.example+00000000+BgE=",
            "an ML-DSA-44 public key has 1,312 bytes",
        ),
        ("empty.example+00000000+", "its base64 is empty"),
    ];
    for (key, why) in refused {
        let refusal = NoteVerifier::parse(key).unwrap_err().to_string();
        assert!(refusal.contains(why), "{key}: {refusal}");
    }
}

// R8
#[test]
fn a_checkpoint_carries_both_signatures_of_its_log_and_opens_under_either_key() {
    let signed = checkpoint(5).sign(&both()).unwrap();
    let [first, second] = both().verifiers().try_into().unwrap();
    assert_eq!(
        (first.kind(), second.kind()),
        (KeyKind::Ed25519, KeyKind::MlDsa44)
    );
    for key in [&first, &second] {
        let opened = SignedCheckpoint::open(signed.note.as_bytes(), key).unwrap();
        assert_eq!(opened, signed);
    }
    let again = checkpoint(5).sign(&both()).unwrap();
    assert_eq!(again.note, signed.note, "the same log gives the same bytes");
}

#[test]
fn a_cosignature_binds_text_time_and_key() {
    let note = cosigned(5, 1_700_000_000);
    let keys = cosigners().map(|key| key.verifier().clone());
    for key in &keys {
        assert_eq!(key.signed_at(note.as_bytes()), Ok(Some(1_700_000_000)));
        let text = checkpoint(5).text();
        let other = note.replace(&text, &checkpoint(6).text());
        assert!(matches!(
            key.signed_at(other.as_bytes()),
            Err(NoteError::BadSignature(_))
        ));
        let other_origin = note.replacen(ORIGIN, "burgess.example/other", 1);
        assert!(key.signed_at(other_origin.as_bytes()).is_err());
    }
    let stranger = Cosigner::ed25519("witness.example/w", [11; 32]).unwrap();
    assert_eq!(stranger.verifier().signed_at(note.as_bytes()), Ok(None));
}

#[test]
fn any_changed_byte_of_a_signature_by_a_known_key_spoils_the_whole_note() {
    let note = cosigned(5, 1_700_000_000);
    let start = note.rfind("\n\n").unwrap() + 2;
    let keys: Vec<NoteVerifier> = both()
        .verifiers()
        .into_iter()
        .chain(cosigners().map(|key| key.verifier().clone()))
        .collect();
    for (key, line) in keys.iter().zip(note[start..].lines()) {
        let (rest, blob) = line.rsplit_once(' ').unwrap();
        let good = burgess_base64(blob);
        // The first four bytes are the key id: changed, the line is a stranger's.
        for at in (4..good.len())
            .step_by(good.len() / 40 + 1)
            .chain([good.len() - 1])
        {
            let mut bad = good.clone();
            bad[at] ^= 1;
            let twisted = format!("{rest} {}", burgess_ledger::note::encode_base64(&bad));
            let twisted = note.replace(line, &twisted);
            let looked = key.signed_at(twisted.as_bytes());
            assert!(
                matches!(looked, Err(NoteError::BadSignature(_))),
                "{rest} {at}"
            );
        }
    }
}

fn burgess_base64(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap()
}

#[test]
fn a_time_beyond_what_the_standard_allows_is_no_signature() {
    let [timed, _] = cosigners();
    let signed = checkpoint(5).sign(&both()).unwrap();
    for (time, holds) in [(i64::MAX as u64, true), (1 << 63, false)] {
        let line = timed.line(&signed.checkpoint.text(), time).unwrap();
        let note = format!("{}{line}", signed.note);
        assert_eq!(timed.verifier().signed_at(note.as_bytes()).is_ok(), holds);
    }
}

#[test]
fn a_note_with_lines_by_a_hundred_keys_is_read_and_one_more_is_not() {
    let text = checkpoint(5).text();
    let mut note = both().sign(&text).unwrap();
    for seed in 1..100_u8 {
        let witness = Cosigner::ed25519("witness.example/many", [seed; 32]).unwrap();
        note.push_str(&witness.line(&text, 1).unwrap());
    }
    assert!(signer().verifier().open(note.as_bytes()).is_ok());
    let again = note.lines().next_back().unwrap();
    let more = format!("{note}{again}\n");
    assert!(signer().verifier().open(more.as_bytes()).is_err());
}

#[test]
fn the_standards_cosigned_example_has_the_form_that_is_read_here() {
    assert_eq!(
        signer().verifier().signed_at(SPEC_NOTE.as_bytes()),
        Ok(None)
    );
}

#[test]
fn only_checkpoints_are_cosigned_and_names_fit_into_a_byte() {
    for key in cosigners() {
        assert!(key.line("hello\n", 1).is_err());
        assert!(key.line(checkpoint(5).text().trim_end(), 1).is_err());
    }
    let long = "w".repeat(256);
    assert!(Cosigner::ml_dsa_44(&long, [1; 32]).is_err());
    assert!(Cosigner::ml_dsa_44(&long[1..], [1; 32]).is_ok());
    assert!(Cosigner::ml_dsa_44("two words", [1; 32]).is_err());
}

// R124
#[test]
fn an_auditor_with_both_keys_is_not_content_with_the_older_signature_alone() {
    let trust = Trust::new(both().verifiers(), None).unwrap();
    let signed = checkpoint(5).sign(&both()).unwrap();
    assert!(trust.open(signed.note.as_bytes()).is_ok());
    let alone = checkpoint(5).sign(&signer()).unwrap();
    assert_eq!(
        trust.open(alone.note.as_bytes()).unwrap_err(),
        NoteError::NoSignature(ORIGIN.to_owned())
    );
    let elsewhere = Checkpoint {
        origin: "burgess.example/elsewhere".to_owned(),
        ..checkpoint(5)
    };
    let other = NoteSigner::from_seed(&elsewhere.origin, [3; 32]).unwrap();
    let note = elsewhere.sign(&other).unwrap().note;
    assert!(matches!(
        trust.open(note.as_bytes()),
        Err(NoteError::UnknownOrigin(_))
    ));
    assert!(Trust::new(Vec::new(), None).is_err());
    assert!(Trust::new(vec![cosigners()[0].verifier().clone()], None).is_err());
}

// R8 R124
#[test]
fn a_program_written_from_the_standard_alone_accepts_every_kind_of_signature() {
    let Some(python) = python_with("from cryptography.hazmat.primitives.asymmetric import mldsa")
    else {
        return;
    };
    let script =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ledger/cosignature_verify.py");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("note");
    let keys = both()
        .verifiers()
        .into_iter()
        .chain(cosigners().map(|key| key.verifier().clone()));
    let keys: Vec<String> = keys.map(|key| key.to_string()).collect();
    let run = |note: &str| {
        std::fs::write(&file, note).unwrap();
        let output = Command::new(&python)
            .arg(&script)
            .arg(&file)
            .args(&keys)
            .output();
        output.unwrap()
    };
    let good = run(&cosigned(300, 1_700_000_000));
    let said = String::from_utf8(good.stdout).unwrap();
    assert_eq!(
        said,
        format!(
            "0 {ORIGIN} 1\n0 {ORIGIN} 6\n1700000000 witness.example/w 4\n1700000000 witness.example/w 6\n"
        ),
        "{}",
        String::from_utf8_lossy(&good.stderr)
    );
    let twisted = cosigned(300, 1_700_000_000).replace("\n300\n", "\n301\n");
    assert!(!run(&twisted).status.success());
}

// R124
#[test]
fn a_ledger_with_two_keys_opens_again_and_one_begun_with_one_key_gains_the_second() {
    let folder = tempfile::tempdir().unwrap();
    let open = |signer| Ledger::open(folder.path(), ORIGIN, signer, options()).unwrap();
    let ledger = open(signer());
    fill(&ledger, 3);
    ledger.close();
    drop(ledger);
    let ledger = open(both());
    fill(&ledger, 3);
    let trust = Trust::new(both().verifiers(), None).unwrap();
    assert!(trust.open(ledger.checkpoint().note.as_bytes()).is_ok());
    ledger.close();
    drop(ledger);
    let ledger = open(both());
    assert_eq!(ledger.checkpoint().checkpoint.size, 6);
    let published = std::fs::read(folder.path().join("checkpoint")).unwrap();
    assert!(trust.open(&published).is_ok());
}
