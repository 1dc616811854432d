//! Policies on witnesses: what a file may say, and which cosignatures are a quorum.

use crate::support::{ORIGIN, signer};
use burgess_ledger::tree::leaf_hash;
use burgess_ledger::{Checkpoint, Cosigner, NoteError, Policy, Standing, Trust};

fn witness(n: u8) -> Cosigner {
    let name = format!("witness.example/{n}");
    if n % 2 == 0 {
        Cosigner::ml_dsa_44(&name, [n; 32]).unwrap()
    } else {
        Cosigner::ed25519(&name, [n; 32]).unwrap()
    }
}

fn key(n: u8) -> String {
    witness(n).verifier().to_string()
}

/// A checkpoint that these witnesses cosigned, at the times `1000 + n`.
fn note(by: &[u8]) -> String {
    let checkpoint = Checkpoint {
        origin: ORIGIN.to_owned(),
        size: 9,
        root: leaf_hash(b"nine"),
    };
    let text = checkpoint.text();
    let signed = checkpoint.sign(&signer()).unwrap();
    let lines = by
        .iter()
        .map(|n| witness(*n).line(&text, 1000 + u64::from(*n)));
    signed.note + &lines.map(Result::unwrap).collect::<String>()
}

fn standing(policy: &str, by: &[u8]) -> Standing {
    let policy = Policy::parse(policy.as_bytes()).unwrap();
    policy.standing(note(by).as_bytes()).unwrap()
}

/// The policy of the standard's text: two of three here and one of three there.
fn two_organisations() -> String {
    let mut text = format!("# who watches\nlog {}\n\n", signer().vkey());
    for n in 1..=6 {
        let name = if n <= 3 { "X" } else { "Y" };
        text.push_str(&format!(
            " witness {name}{n}\t{} https://w{n}.example/\n",
            key(n)
        ));
    }
    text.push_str("group X-witnesses 2 X1 X2 X3\ngroup Y-witnesses any Y4 Y5 Y6\n");
    text.push_str("group X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n");
    text
}

// R124
#[test]
fn the_standards_policy_asks_for_two_of_one_organisation_and_one_of_the_other() {
    let policy = two_organisations();
    for (by, quorum) in [
        (&[1, 2, 4][..], true),
        (&[1, 3, 6], true),
        (&[1, 2, 3, 4, 5, 6], true),
        (&[1, 2, 3], false),
        (&[1, 4, 5, 6], false),
        (&[], false),
        (&[7, 8, 9], false),
    ] {
        assert_eq!(standing(&policy, by).witnessed, quorum, "{by:?}");
    }
    let standing = standing(&policy, &[4, 1, 2]);
    assert_eq!(standing.by, ["X1", "X2", "Y4"]);
    assert_eq!((standing.of, standing.since), (6, 1001));
    let parsed = Policy::parse(policy.as_bytes()).unwrap();
    assert_eq!(parsed.logs()[0].name, ORIGIN);
    assert_eq!(
        parsed.witnesses()[1].url.as_deref(),
        Some("https://w2.example/")
    );
}

#[test]
fn one_witness_can_be_the_quorum_and_none_is_never_called_witnessed() {
    let one = format!("witness w {}\nquorum w\n", key(1));
    assert!(standing(&one, &[1]).witnessed);
    assert!(!standing(&one, &[2]).witnessed);
    let none = format!("witness w {}\nquorum none\n", key(1));
    assert!(!standing(&none, &[]).witnessed);
    assert!(!standing(&none, &[1]).witnessed);
    assert_eq!(standing(&none, &[1]).by, ["w"]);
}

#[test]
fn a_witness_counts_once_however_often_it_signed() {
    let policy = format!(
        "witness a {}\nwitness b {}\ngroup g 2 a b\nquorum g\n",
        key(1),
        key(3)
    );
    assert!(!standing(&policy, &[1, 1, 1]).witnessed);
    assert!(standing(&policy, &[1, 3]).witnessed);
}

// R124
#[test]
fn a_bad_line_by_a_known_witness_spoils_the_note_and_one_by_a_stranger_does_not() {
    let policy = Policy::parse(format!("witness w {}\nquorum w\n", key(1)).as_bytes()).unwrap();
    let other = Checkpoint {
        origin: ORIGIN.to_owned(),
        size: 8,
        root: leaf_hash(b"eight"),
    };
    let bad = witness(1).line(&other.text(), 7).unwrap();
    let note = note(&[1]) + &bad;
    assert!(matches!(
        policy.standing(note.as_bytes()),
        Err(NoteError::BadSignature(_))
    ));
    let stranger = witness(3).line(&other.text(), 7).unwrap();
    let note = self::note(&[1]) + &stranger;
    assert!(policy.standing(note.as_bytes()).unwrap().witnessed);
}

#[test]
fn a_policy_that_cannot_be_meant_is_refused_with_its_line() {
    let (log, a, b) = (signer().vkey(), key(1), key(2));
    let two = format!("witness a {a}\nwitness b {b}\n");
    let refused = [
        (String::new(), "policy: has no `quorum` line"),
        (two.clone(), "policy: has no `quorum` line"),
        (
            "quorum none".to_owned(),
            "policy: does not end with a newline",
        ),
        (
            "quorum none\nquorum none\n".to_owned(),
            "line 2: is a second `quorum` line",
        ),
        (format!("{two}quorum c\n"), "line 3: `c` is not defined"),
        (format!("quorum a\n{two}"), "line 1: `a` is not defined"),
        (
            format!("{two}group g any\nquorum g\n"),
            "line 3: 1 of 0 members",
        ),
        (
            format!("{two}group g 3 a b\nquorum g\n"),
            "line 3: 3 of 2 members",
        ),
        (
            format!("{two}group g 0 a b\nquorum g\n"),
            "line 3: 0 of 2 members",
        ),
        (
            format!("{two}group g 02 a b\nquorum g\n"),
            "line 3: `02` is not `all`",
        ),
        (
            format!("{two}group g any none\nquorum g\n"),
            "line 3: `none` is not defined",
        ),
        (
            format!("{two}group g all a a\nquorum g\n"),
            "line 3: `a` is in a group already",
        ),
        (
            format!("{two}group g any a\ngroup h all a b\nquorum h\n"),
            "line 4: `a` is in a group already",
        ),
        (
            format!("{two}group g any g\nquorum g\n"),
            "line 3: `g` is not defined",
        ),
        (
            format!("{two}group a any b\nquorum a\n"),
            "line 3: `a` is defined already",
        ),
        (
            format!("witness none {a}\nquorum none\n"),
            "line 1: the name `none` is reserved",
        ),
        (
            format!("witness a {a}\nwitness b {a}\nquorum none\n"),
            "line 2: has the key of a line before",
        ),
        (
            format!("witness a {log}\nquorum none\n"),
            "line 1: a witness's key is Ed25519 (0x04)",
        ),
        (
            format!("log {a}\nquorum none\n"),
            "line 1: a log's key is Ed25519 (0x01)",
        ),
        (
            format!("log {log}\nlog {log}\nquorum none\n"),
            "line 2: has the key of a line before",
        ),
        (
            format!("log {log} http://x y\nquorum none\n"),
            "line 1: has more than a key",
        ),
        (
            format!("witness a {}\nquorum none\n", &a[..a.len() - 4]),
            "line 1: verifier key",
        ),
        ("qourum none\n".to_owned(), "line 1: `qourum` is not"),
        (
            "quorum none\r\n".to_owned(),
            "line 1: contains a control character",
        ),
    ];
    for (text, why) in refused {
        let refusal = Policy::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(refusal.contains(why), "{text:?}: {refusal}");
    }
    let large = "#\n".repeat(200_000);
    assert!(Policy::parse(large.as_bytes()).is_err());
}

#[test]
fn names_and_comments_are_bytes_and_thirty_two_of_each_are_read() {
    let mut text = b"# \xff\xfe\n".to_vec();
    let mut members = Vec::new();
    for n in 1..=32 {
        let name = [b'w', 0x80 + n].as_slice().to_vec();
        text.extend_from_slice(
            &[b"witness ", name.as_slice(), b" ", key(n).as_bytes(), b"\n"].concat(),
        );
        text.extend_from_slice(
            &[
                b"group g",
                name.as_slice(),
                b" any ",
                name.as_slice(),
                b"\n",
            ]
            .concat(),
        );
        members.extend_from_slice(&[b" g", name.as_slice()].concat());
    }
    text.extend_from_slice(&[b"group all 31", members.as_slice(), b"\nquorum all\n"].concat());
    // One group too many for 32, which is the least that must be read.
    let policy = Policy::parse(&text).unwrap();
    let by: Vec<u8> = (1..=31).collect();
    assert!(policy.standing(note(&by).as_bytes()).unwrap().witnessed);
    assert!(
        !policy
            .standing(note(&by[1..]).as_bytes())
            .unwrap()
            .witnessed
    );
}

#[test]
fn a_policy_brings_its_logs_keys_and_accepts_no_other_log() {
    let policy = Policy::parse(two_organisations().as_bytes()).unwrap();
    let trust = Trust::new(Vec::new(), Some(policy.clone())).unwrap();
    let (signed, standing) = trust.open(note(&[1, 2, 4]).as_bytes()).unwrap();
    assert_eq!((signed.checkpoint.size, standing.witnessed), (9, true));
    let stranger = burgess_ledger::NoteSigner::from_seed(ORIGIN, [66; 32]).unwrap();
    let forged = signed.checkpoint.clone().sign(&stranger).unwrap().note;
    assert!(trust.open(forged.as_bytes()).is_err());
    // A key that was given does not overrule the policy.
    let trust = Trust::new(vec![stranger.verifier()], Some(policy)).unwrap();
    assert!(matches!(
        trust.open(forged.as_bytes()),
        Err(NoteError::UnknownOrigin(_))
    ));
}
