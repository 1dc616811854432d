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
#[must_use]
pub fn signer() -> NoteSigner {
    NoteSigner::from_seed(ORIGIN, [7; 32]).unwrap()
}

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
    if let Ok(opened) = signer().verifier().open(bytes) {
        assert!(bytes.starts_with(opened.as_bytes()));
    }
    let Some(text) = text(bytes) else { return };
    if let Ok(signed) = signer().sign(text) {
        assert_eq!(signer().verifier().open(signed.as_bytes()), Ok(text));
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
    let Ok(signed) = signer().sign(text) else {
        return;
    };
    if let Ok(opened) = SignedCheckpoint::open(signed.as_bytes(), &signer().verifier()) {
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
    drop(proof.verify(b"entry", &signer().verifier()));
}

/// A receipt file.
pub fn receipt(bytes: &[u8]) {
    drop(receipt::verify(bytes, &signer().verifier()));
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
    let note = checkpoint.sign(&signer()).unwrap().note;
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
    if let Ok(signed) = verify::log(&mut read, &signer().verifier(), None) {
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
    let verifier = signer().verifier();
    let Ok((counters, signed)) = state::decode(&state::with_sum(bytes), &verifier) else {
        return;
    };
    let written = state::encode(&counters, &signed);
    let (again, checkpoint) = state::decode(&written, &verifier).unwrap();
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
    if let Ok(accepted) = decide(&request, &[signer().verifier()], &seen) {
        assert_eq!(accepted.origin, ORIGIN);
    }
}

/// A policy file.
pub fn policy(bytes: &[u8]) {
    if let Ok(policy) = Policy::parse(bytes) {
        let note = signer().sign(&format!("{ORIGIN}\n")).unwrap();
        assert!(!policy.standing(note.as_bytes()).unwrap().witnessed);
    }
}

#[cfg(test)]
mod tests {
    use super::TARGETS;
    use std::path::Path;

    /// The inputs that a fuzzer found worth keeping, and those that once broke something.
    #[test]
    fn every_kept_input_of_every_parser_holds() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
        for (target, run) in TARGETS {
            let kept = std::fs::read_dir(corpus.join(target));
            let kept = kept.unwrap_or_else(|cause| panic!("fuzz/corpus/{target}: {cause}"));
            let mut count = 0;
            for file in kept {
                run(&std::fs::read(file.unwrap().path()).unwrap());
                count += 1;
            }
            assert!(count > 0, "fuzz/corpus/{target} is empty");
        }
    }
}
