//! Proofs, notes and files against implementations by others: `tlog_tiles` and `signed_note` of
//! Cloudflare's azul, and `ct-merkle`.

use crate::support::{ORIGIN, draft, fill, open, signer};
use burgess_ledger::proof::{verify_consistency, verify_inclusion};
use burgess_ledger::{Ledger, note};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;
use signed_note::{Note, StandardVerifier, VerifierList};
use tlog_tiles::tlog::{
    Error, Hash as TheirHash, HashReader, check_record, check_tree, prove_record, prove_tree,
    record_hash, stored_hashes, tree_hash,
};

/// Their stored hashes, in memory.
#[derive(Default)]
struct Stored(Vec<TheirHash>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<TheirHash>, Error> {
        let hash = |at: &u64| self.0[usize::try_from(*at).unwrap()];
        Ok(indexes.iter().map(hash).collect())
    }
}

/// One log three times: ours on disk, theirs in memory.
struct Logs {
    _folder: tempfile::TempDir,
    ours: Ledger,
    stored: Stored,
    tree: MemoryBackedTree<sha2::Sha256, Vec<u8>>,
}

fn logs(size: u64) -> Logs {
    let folder = tempfile::tempdir().unwrap();
    let ours = open(folder.path());
    fill(&ours, size);
    let (mut stored, mut tree) = (Stored::default(), MemoryBackedTree::new());
    for (n, entry) in (0..).zip(ours.entries(0..size).unwrap()) {
        let more = stored_hashes(n, &entry, &stored).unwrap();
        stored.0.extend(more);
        tree.push(entry);
    }
    Logs {
        _folder: folder,
        ours,
        stored,
        tree,
    }
}

fn flat(hashes: &[TheirHash]) -> Vec<[u8; 32]> {
    hashes.iter().map(|hash| hash.0).collect()
}

/// `ct-merkle` gives a path as its bytes.
fn joined(path: &[[u8; 32]]) -> Vec<u8> {
    path.as_flattened().to_vec()
}

fn check(logs: &Logs, index: u64, old: u64, size: u64) {
    let root = logs.ours.root(size).unwrap();
    let theirs = tree_hash(size, &logs.stored).unwrap();
    assert_eq!(root, theirs.0, "root of {size}");
    let entry = logs.ours.entry(index).unwrap();

    let path = logs.ours.inclusion_proof(index, size).unwrap();
    let their_path = prove_record(size, index, &logs.stored).unwrap();
    assert_eq!(path, flat(&their_path), "inclusion of {index} in {size}");
    let leaf = record_hash(&entry);
    check_record(&their_path, size, theirs, index, leaf).unwrap();
    verify_inclusion(&leaf.0, index, size, &root, &flat(&their_path)).unwrap();

    let proof = logs.ours.consistency_proof(old, size).unwrap();
    let their_proof = prove_tree(size, old, &logs.stored).unwrap();
    assert_eq!(
        proof,
        flat(&their_proof),
        "consistency from {old} to {size}"
    );
    let old_root = tree_hash(old, &logs.stored).unwrap();
    check_tree(&their_proof, size, theirs, old, old_root).unwrap();
    verify_consistency(old, &old_root.0, size, &root, &flat(&their_proof)).unwrap();
}

fn check_whole(logs: &Logs, index: u64, old: u64, size: u64) {
    let root = logs.tree.root();
    let ours = logs.ours.root(size).unwrap();
    assert_eq!(root.as_bytes().as_slice(), ours.as_slice());
    let path = logs.ours.inclusion_proof(index, size).unwrap();
    let at = usize::try_from(index).unwrap();
    assert_eq!(logs.tree.prove_inclusion(at).as_bytes(), joined(&path));
    if old < size {
        let proof = logs.ours.consistency_proof(old, size).unwrap();
        let added = usize::try_from(size - old).unwrap();
        let theirs = logs.tree.prove_consistency(added);
        assert_eq!(theirs.as_bytes(), joined(&proof), "from {old} to {size}");
    }
}

// R8 R186
#[test]
fn proofs_equal_those_of_two_other_implementations_around_every_boundary() {
    for size in [1, 2, 3, 255, 256, 257, 511, 513, 700] {
        let logs = logs(size);
        for index in [0, 1, size / 2, size - 1] {
            let (index, old) = (index.min(size - 1), (size / 3).max(1));
            check(&logs, index, old, size);
            check_whole(&logs, index, old, size);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    // R8 R186
    #[test]
    fn proofs_equal_those_of_two_other_implementations_over_random_trees(
        size in 1u64..1200,
        picks in prop::collection::vec((any::<u64>(), any::<u64>(), any::<u64>()), 12),
    ) {
        let logs = logs(size);
        for (index, old, part) in picks {
            // Any tree size up to the published one can be proven, not only the last.
            let part = 1 + part % size;
            check(&logs, index % part, 1 + old % part, part);
            check_whole(&logs, index % size, 1 + old % size, size);
        }
    }
}

// R124
#[test]
fn another_implementation_of_signed_notes_accepts_our_checkpoints_and_we_its_forms() {
    let folder = tempfile::tempdir().unwrap();
    let both = signer().with_ml_dsa_44([8; 32]).unwrap();
    let ledger = Ledger::open(folder.path(), ORIGIN, both, crate::support::options()).unwrap();
    ledger
        .append_blocking(draft("outbox", None, "app"))
        .unwrap();
    ledger.publish_blocking().unwrap();
    let published = std::fs::read(folder.path().join("checkpoint")).unwrap();
    let note = Note::from_bytes(&published).unwrap();
    let verifier = StandardVerifier::new(ledger.vkey()).unwrap();
    let known = VerifierList::new(vec![Box::new(verifier)]);
    let (verified, unknown) = note.verify(&known).unwrap();
    assert_eq!((verified.len(), unknown.len()), (1, 1));
    let checkpoint = tlog_tiles::checkpoint::Checkpoint::from_bytes(note.text()).unwrap();
    assert_eq!((checkpoint.origin(), checkpoint.size()), (ORIGIN, 1));
    let root = note::encode_base64(&checkpoint.hash().0);
    assert_eq!(root, note::encode_base64(&ledger.root(1).unwrap()));
}
