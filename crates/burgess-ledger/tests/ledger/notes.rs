//! Signed notes, keys and checkpoints: the standard's own vector, and what strictness refuses.

use crate::support::{ORIGIN, signer};
use burgess_ledger::tree::leaf_hash;
use burgess_ledger::{Checkpoint, NoteSigner, NoteVerifier, SignedCheckpoint};

/// The example of the signed-note standard, <https://c2sp.org/signed-note>.
const SPEC_KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const SPEC_NOTE: &str = "This is an example message.\n\n\u{2014} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

/// The example of the format's first implementation, <https://pkg.go.dev/golang.org/x/mod/sumdb/note>:
/// its secret key, its verifier key, its note.
#[rustfmt::skip]
const GO_SEED: [u8; 32] = [
    0x81, 0x0a, 0x14, 0x02, 0xd5, 0x14, 0x6c, 0x8d, 0x84, 0xf2, 0x44, 0x33, 0x30, 0xf5, 0x40, 0x80,
    0xeb, 0xf9, 0x8e, 0xe1, 0x7d, 0x9c, 0x74, 0xf6, 0x25, 0x2f, 0xc5, 0xd5, 0xc7, 0x28, 0x31, 0x73,
];
const GO_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const GO_TEXT: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const GO_SIGNATURE: &str = "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

#[test]
fn a_key_comes_back_from_its_text_also_when_its_base64_contains_a_plus() {
    let mut with_plus = 0;
    for seed in 0..64 {
        let signer = NoteSigner::from_seed(ORIGIN, [seed; 32]).unwrap();
        let vkey = signer.vkey();
        with_plus += u32::from(vkey.matches('+').count() > 2);
        assert_eq!(NoteVerifier::parse(&vkey).unwrap().to_string(), vkey);
    }
    assert!(with_plus > 0);
}

#[test]
fn a_key_with_another_id_name_or_spelling_is_refused() {
    let vkey = signer().vkey();
    let (rest, blob) = vkey.rsplit_once('+').unwrap();
    let wrong = [
        vkey.replacen("test", "tesu", 1),
        format!("{rest}+{blob}="),
        format!("{rest}+{blob}\n"),
        format!("{rest}+{}", blob.replacen('A', "B", 1)),
        vkey.to_uppercase(),
        rest.to_owned(),
        String::new(),
    ];
    for vkey in wrong {
        assert!(NoteVerifier::parse(&vkey).is_err(), "{vkey}");
    }
    assert!(NoteSigner::from_seed("two words", [0; 32]).is_err());
    assert!(NoteSigner::from_seed("a+b", [0; 32]).is_err());
    assert!(NoteSigner::from_seed("", [0; 32]).is_err());
}

#[test]
fn a_signed_text_opens_under_its_key_and_under_no_other() {
    let text = "one\ntwo\n\nthree\n";
    let note = signer().sign(text).unwrap();
    assert_eq!(signer().verifier().open(note.as_bytes()), Ok(text));
    let stranger = NoteSigner::from_seed(ORIGIN, [8; 32]).unwrap();
    assert!(stranger.verifier().open(note.as_bytes()).is_err());
    let namesake = NoteSigner::from_seed("burgess.example/other", [7; 32]).unwrap();
    assert!(namesake.verifier().open(note.as_bytes()).is_err());
}

#[test]
fn lines_by_unknown_keys_are_ignored_but_must_be_well_formed() {
    let witness = NoteSigner::from_seed("witness.example", [9; 32]).unwrap();
    let text = "text\n";
    let ours = signer().sign(text).unwrap();
    let theirs = witness.sign(text).unwrap();
    let line = theirs.rsplit_once("\n\n").unwrap().1;
    let both = format!("{ours}{line}");
    assert_eq!(signer().verifier().open(both.as_bytes()), Ok(text));
    assert_eq!(witness.verifier().open(both.as_bytes()), Ok(text));
    let broken = format!(
        "{ours}{}",
        line.replace("witness.example ", "witness.example  ")
    );
    assert!(signer().verifier().open(broken.as_bytes()).is_err());
}

#[test]
fn a_second_line_by_the_given_key_that_does_not_verify_spoils_the_note() {
    let good = signer().sign("text\n").unwrap();
    let other = signer().sign("other\n").unwrap();
    let line = other.rsplit_once("\n\n").unwrap().1;
    let note = format!("{good}{line}");
    assert!(signer().verifier().open(note.as_bytes()).is_err());
}

// R124
#[test]
fn other_spellings_of_a_signed_note_are_refused() {
    let note = signer().sign("text\n").unwrap();
    let verifier = signer().verifier();
    verifier.open(note.as_bytes()).unwrap();
    let wrong = [
        note.replace('\n', "\r\n"),
        note.trim_end().to_owned(),
        format!("{note}\n"),
        format!("\u{feff}{note}"),
        note.replace('\u{2014}', "--"),
        note.replace("= \n", "\n"),
        note.replace("==\n", "\n"),
        note.replace(" \u{2014}", "\u{2014}"),
        format!("{note} "),
    ];
    for spelling in wrong.iter().filter(|spelling| **spelling != note) {
        assert!(verifier.open(spelling.as_bytes()).is_err(), "{spelling:?}");
    }
}

#[test]
fn a_checkpoint_is_accepted_only_under_the_key_of_its_origin() {
    let root = leaf_hash(b"x");
    let checkpoint = Checkpoint {
        origin: "burgess.example/other".to_owned(),
        size: 1,
        root,
    };
    assert!(checkpoint.clone().sign(&signer()).is_err());
    let note = signer().sign(&checkpoint.text()).unwrap();
    let refusal = SignedCheckpoint::open(note.as_bytes(), &signer().verifier()).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "signed note: the checkpoint's origin is not the key's name"
    );
}

#[test]
fn a_checkpoint_with_another_form_is_refused_even_if_it_is_signed() {
    let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
    let open = |text: String| {
        let note = signer().sign(&text).unwrap();
        SignedCheckpoint::open(note.as_bytes(), &signer().verifier())
    };
    open(format!("{ORIGIN}\n5\n{root}\n")).unwrap();
    for text in [
        format!("{ORIGIN}\n05\n{root}\n"),
        format!("{ORIGIN}\n+5\n{root}\n"),
        format!("{ORIGIN}\n-5\n{root}\n"),
        format!("{ORIGIN}\n5\n{root}\nextension\n"),
        format!("{ORIGIN}\n5\n{}\n", root.trim_end_matches('=')),
        format!("{ORIGIN}\n5\nAAAA\n"),
        format!("{ORIGIN}\n18446744073709551616\n{root}\n"),
        format!("{ORIGIN}\n5\n"),
    ] {
        assert!(open(text.clone()).is_err(), "{text}");
    }
}

#[test]
fn the_examples_of_the_standard_and_of_its_first_implementation_hold() {
    let spec = NoteVerifier::parse(SPEC_KEY).unwrap();
    assert_eq!(spec.to_string(), SPEC_KEY);
    assert_eq!(
        spec.open(SPEC_NOTE.as_bytes()),
        Ok("This is an example message.\n")
    );
    let signer = NoteSigner::from_seed("PeterNeumann", GO_SEED).unwrap();
    assert_eq!(signer.vkey(), GO_KEY);
    assert_eq!(
        signer.sign(GO_TEXT).unwrap(),
        format!("{GO_TEXT}\n{GO_SIGNATURE}")
    );
}
