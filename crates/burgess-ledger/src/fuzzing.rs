//! The door for hostile bytes: each parser of this crate behind one function of bytes, with what
//! must hold of whatever it accepts. Compiled for tests, which replay the kept inputs of
//! `fuzz/corpus`, and for the fuzzers in `fuzz/`; it is in no build that ships.
//!
//! Checksums and signatures stop a fuzzer at the first byte, so they are made right for it where
//! the parser behind them is what matters.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a broken invariant is to end the fuzzer"
)]

use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::key::{NoteSigner, NoteVerifier};
use crate::note;
use crate::policy::Policy;
use crate::proof::TlogProof;
use crate::tile::{Kind, TILE_WIDTH, TileId, read_entries, read_hashes};
use crate::witness::{AddCheckpoint, Seen, decide};
use crate::{group, receipt, side, state, verify, wal};
use std::io;
use std::sync::LazyLock;

/// Every target: the name of its fuzzer and of its corpus, and what it does with an input.
pub const TARGETS: &[(&str, fn(&[u8]))] = &[
    ("bundle", bundle),
    ("checkpoint", checkpoint),
    ("log", log),
    ("note", note),
    ("policy", policy),
    ("proof", proof),
    ("receipt", receipt),
    ("segment", segment),
    ("side", side),
    ("state", state),
    ("tile", tile),
    ("vkey", vkey),
    ("witness", witness),
];

/// The origin of the log that signed the kept inputs.
pub const ORIGIN: &str = "burgess.example/ledger/test";

/// The key that signed them.
static SIGNER: LazyLock<NoteSigner> =
    LazyLock::new(|| NoteSigner::from_seed(ORIGIN, [7; 32]).unwrap());
static VERIFIER: LazyLock<NoteVerifier> = LazyLock::new(|| SIGNER.verifier());

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// A signed note as it comes, and a text that is signed first.
pub fn note(bytes: &[u8]) {
    if let Ok((text, lines)) = note::split(bytes) {
        assert!(text.ends_with('\n'));
        for line in lines {
            drop(note::signature_line(line));
        }
    }
    if let Ok(opened) = VERIFIER.open(bytes) {
        assert!(bytes.starts_with(opened.as_bytes()));
    }
    let Some(text) = text(bytes) else { return };
    if let Ok(signed) = SIGNER.sign(text) {
        assert_eq!(VERIFIER.open(signed.as_bytes()), Ok(text));
    }
}

/// A verifier key has one spelling.
pub fn vkey(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Ok(key) = NoteVerifier::parse(text) {
        assert_eq!(key.to_string(), text);
    }
}

/// The text of a checkpoint, signed first so that it is read at all.
pub fn checkpoint(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    drop(Checkpoint::with_extensions(text));
    let Ok(signed) = SIGNER.sign(text) else {
        return;
    };
    if let Ok(opened) = SignedCheckpoint::open(signed.as_bytes(), &VERIFIER) {
        assert_eq!(opened.checkpoint.text(), text);
        assert_eq!(opened.checkpoint.origin, ORIGIN);
    }
}

/// A `.tlog-proof` says the same after it was written out again.
pub fn proof(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let Ok(proof) = TlogProof::parse(text) else {
        return;
    };
    assert_eq!(TlogProof::parse(&proof.text()), Ok(proof.clone()));
    drop(proof.verify(b"entry", &VERIFIER));
}

/// A receipt file.
pub fn receipt(bytes: &[u8]) {
    drop(receipt::verify(bytes, &VERIFIER));
}

/// An entry bundle of as many entries as its first byte says, less one.
pub fn bundle(bytes: &[u8]) {
    let Some((width, file)) = bytes.split_first() else {
        return;
    };
    let id = TileId {
        kind: Kind::Entries,
        n: 0,
        width: u64::from(*width) + 1,
    };
    if let Ok((_, entries)) = read_entries(&mut |_| Ok(file.to_vec()), &id) {
        assert_eq!(entries.len(), usize::from(*width) + 1);
        let framed = entries.iter().flat_map(|entry| {
            let length = u16::try_from(entry.len()).unwrap().to_be_bytes();
            [length.as_slice(), entry].concat()
        });
        assert!(framed.eq(file.iter().copied()), "another bundle");
    }
}

/// A hash tile of as many hashes as its first byte says, less one.
pub fn tile(bytes: &[u8]) {
    let Some((width, file)) = bytes.split_first() else {
        return;
    };
    let id = TileId {
        kind: Kind::Hashes(0),
        n: 0,
        width: u64::from(*width) + 1,
    };
    if let Ok((_, hashes)) = read_hashes(&mut |_| Ok(file.to_vec()), &id) {
        assert_eq!(hashes.as_flattened(), file);
    }
}

/// A whole log of hostile files under a checkpoint that is signed: size, root, then files of which
/// each begins with its length.
pub fn log(bytes: &[u8]) {
    let Some((size, rest)) = bytes.split_first_chunk::<8>() else {
        return;
    };
    let Some((root, mut rest)) = rest.split_first_chunk::<32>() else {
        return;
    };
    let checkpoint = Checkpoint {
        origin: ORIGIN.to_owned(),
        size: u64::from_be_bytes(*size),
        root: *root,
    };
    let note = checkpoint.sign(&SIGNER).unwrap().note;
    let mut read = |name: &str| {
        if name == "checkpoint" {
            return Ok(note.clone().into_bytes());
        }
        let (length, after) = rest
            .split_first_chunk::<2>()
            .ok_or(io::ErrorKind::NotFound)?;
        let length = usize::from(u16::from_be_bytes(*length)).min(after.len());
        let (file, after) = after.split_at(length);
        rest = after;
        Ok(file.to_vec())
    };
    if let Ok(signed) = verify::log(&mut read, &VERIFIER, None) {
        assert!(signed.checkpoint.size <= TILE_WIDTH * 256, "out of nothing");
    }
}

/// A side file says the same after it was written out again.
pub fn side(bytes: &[u8]) {
    side::check(bytes);
}

/// A write-ahead segment as it comes, and a group whose sum is made right.
pub fn segment(bytes: &[u8]) {
    wal::check(SEGMENT, bytes);
    group::check(SEGMENT, bytes);
}

/// The number of the segment that is looked at.
const SEGMENT: u64 = 7;

/// The state, with its checksum made right.
pub fn state(bytes: &[u8]) {
    let verifier = &*VERIFIER;
    let Ok((counters, signed)) = state::decode(&state::with_sum(bytes), verifier) else {
        return;
    };
    let written = state::encode(&counters, &signed);
    let (again, checkpoint) = state::decode(&written, verifier).unwrap();
    assert_eq!(checkpoint, signed);
    assert_eq!(state::encode(&again, &checkpoint), written);
}

/// A request to a witness that looks after the log of the kept inputs.
pub fn witness(bytes: &[u8]) {
    let Ok(request) = AddCheckpoint::parse(bytes) else {
        return;
    };
    assert_eq!(request.text().as_bytes(), bytes);
    let seen = Seen::default();
    if let Ok(accepted) = decide(&request, std::slice::from_ref(&*VERIFIER), &seen) {
        assert_eq!(accepted.origin, ORIGIN);
    }
}

/// A policy file.
pub fn policy(bytes: &[u8]) {
    if let Ok(policy) = Policy::parse(bytes) {
        let note = SIGNER.sign(&format!("{ORIGIN}\n")).unwrap();
        assert!(!policy.standing(note.as_bytes()).unwrap().witnessed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cosignature::Cosigner;
    use crate::tree::{leaf_hash, node_hash};
    use std::path::{Path, PathBuf};

    fn corpus(target: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../fuzz/corpus")
            .join(target)
    }

    /// The inputs that a fuzzer found worth keeping, and those that once broke something.
    #[test]
    fn every_kept_input_of_every_parser_holds() {
        for (target, run) in TARGETS {
            for file in std::fs::read_dir(corpus(target)).unwrap() {
                run(&std::fs::read(file.unwrap().path()).unwrap());
            }
        }
    }

    const ENTRIES: [&[u8]; 2] = [b"{\"n\":1}", b"{\"n\":22}"];

    fn checkpoint_of_two() -> Checkpoint {
        let [one, two] = ENTRIES.map(leaf_hash);
        Checkpoint {
            origin: ORIGIN.to_owned(),
            size: 2,
            root: node_hash(&one, &two),
        }
    }

    fn bundle_of_two() -> Vec<u8> {
        let mut file = Vec::new();
        ENTRIES
            .iter()
            .for_each(|entry| group::put_short(&mut file, entry));
        file
    }

    fn proof_of_the_first(note: &str) -> TlogProof {
        TlogProof {
            index: 0,
            path: vec![leaf_hash(ENTRIES[1])],
            checkpoint: note.to_owned(),
        }
    }

    /// One right input of every target, from which a fuzzer starts.
    fn right(target: &str) -> Vec<u8> {
        let checkpoint = checkpoint_of_two();
        let note = checkpoint.clone().sign(&SIGNER).unwrap().note;
        let hashes = ENTRIES.map(leaf_hash).concat();
        match target {
            "bundle" => [vec![1], bundle_of_two()].concat(),
            "checkpoint" => checkpoint.text().into_bytes(),
            "log" => {
                let mut input = 2_u64.to_be_bytes().to_vec();
                input.extend_from_slice(&checkpoint.root);
                group::put_short(&mut input, &hashes);
                group::put_short(&mut input, &bundle_of_two());
                input
            }
            "note" => note.into_bytes(),
            "policy" => {
                let witness = Cosigner::ed25519("witness.example/w", [1; 32]).unwrap();
                let (log, witness) = (SIGNER.vkey(), witness.verifier());
                format!("log {log}\nwitness w {witness}\ngroup g any w\nquorum g\n").into_bytes()
            }
            "proof" => proof_of_the_first(&note).text().into_bytes(),
            "receipt" => {
                let leaf = note::encode_base64(ENTRIES[0]);
                let proof = proof_of_the_first(&note).text();
                format!(
                    "{{\"schema\":\"burgess.receipt/1\",\"leaf\":{leaf:?},\"proof\":{proof:?}}}"
                )
                .into_bytes()
            }
            "segment" => group::right(&ENTRIES),
            "side" => side::right(),
            "state" => {
                format!("stored_bytes 9\nsource 2 outbox\nstream 2 app\n\n{note}").into_bytes()
            }
            "tile" => [vec![1], hashes].concat(),
            "vkey" => SIGNER.vkey().into_bytes(),
            "witness" => AddCheckpoint {
                old: 0,
                proof: Vec::new(),
                note,
            }
            .text()
            .into_bytes(),
            other => panic!("no right input of `{other}`"),
        }
    }

    /// They are kept as `fuzz/corpus/<target>/right`; `BURGESS_UPDATE_GOLDEN` writes them anew.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "tests are told to update by it")]
    fn the_right_input_of_every_parser_is_kept_as_it_is_written_today() {
        for (target, run) in TARGETS {
            let (input, file) = (right(target), corpus(target).join("right"));
            run(&input);
            if std::env::var_os("BURGESS_UPDATE_GOLDEN").is_some() {
                std::fs::create_dir_all(corpus(target)).unwrap();
                std::fs::write(&file, &input).unwrap();
            }
            assert_eq!(std::fs::read(&file).ok(), Some(input), "{}", file.display());
        }
    }

    #[test]
    fn the_right_inputs_are_accepted() {
        let accepted = |target| right(target);
        let verifier = &*VERIFIER;
        assert!(SignedCheckpoint::open(&accepted("note"), verifier).is_ok());
        assert!(Policy::parse(&accepted("policy")).is_ok());
        let proof = String::from_utf8(accepted("proof")).unwrap();
        assert!(
            TlogProof::parse(&proof)
                .unwrap()
                .verify(ENTRIES[0], verifier)
                .is_ok()
        );
        assert!(receipt::verify(&accepted("receipt"), verifier).is_ok());
        assert!(state::decode(&state::with_sum(&accepted("state")), verifier).is_ok());
        assert_eq!(
            side::decode(&accepted("side")).map(|side| side.len()),
            Some(2)
        );
        let request = AddCheckpoint::parse(&accepted("witness")).unwrap();
        assert!(decide(&request, std::slice::from_ref(verifier), &Seen::default()).is_ok());
        let frame = group::with_sum(7, &accepted("segment"));
        assert!(group::Framed::at(7, &frame).is_some_and(|framed| framed.end() == 2));
    }
}
