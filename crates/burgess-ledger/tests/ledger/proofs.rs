//! Proofs, against the definition of RFC 6962 written down a second time.

use crate::support::{draft, fill, open};
use burgess_ledger::Hash;
use burgess_ledger::proof::{TlogProof, verify_consistency, verify_inclusion};
use burgess_ledger::tree::{
    consistency_path, empty_root, inclusion_path, leaf_hash, node_hash, range_root,
};
use proptest::prelude::*;
use std::convert::Infallible;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// RFC 6962 section 2.1, as it is written there.
fn tree_hash(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let k = split(leaves.len());
            node_hash(&tree_hash(&leaves[..k]), &tree_hash(&leaves[k..]))
        }
    }
}

fn split(n: usize) -> usize {
    let mut k = 1;
    while k * 2 < n {
        k *= 2;
    }
    k
}

/// RFC 6962 section 2.1.1.
fn audit_path(m: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut path, sibling) = if m < left.len() {
        (audit_path(m, left), tree_hash(right))
    } else {
        (audit_path(m - left.len(), right), tree_hash(left))
    };
    path.push(sibling);
    path
}

/// RFC 6962 section 2.1.2.
fn subproof(m: usize, leaves: &[Hash], complete: bool) -> Vec<Hash> {
    if m == leaves.len() {
        return if complete {
            Vec::new()
        } else {
            vec![tree_hash(leaves)]
        };
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut path, sibling) = if m <= left.len() {
        (subproof(m, left, complete), tree_hash(right))
    } else {
        (subproof(m - left.len(), right, false), tree_hash(left))
    };
    path.push(sibling);
    path
}

fn leaves(count: usize) -> Vec<Hash> {
    (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
}

/// Perfect subtrees by definition, for walks that need no files.
fn node_of(leaves: &[Hash]) -> impl FnMut(u32, u64) -> Result<Hash, Infallible> {
    move |height, n| {
        let (size, n) = (1 << height, usize::try_from(n).unwrap());
        Ok(tree_hash(&leaves[n * size..(n + 1) * size]))
    }
}

/// The tree of eight entries that the reference implementation of RFC 6962 is tested with.
const REFERENCE: [&[u8]; 8] = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
];

// R8
#[test]
fn roots_are_those_of_the_reference_implementation_of_rfc_6962() {
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    assert_eq!(
        hex(&empty_root()),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    let hashes: Vec<Hash> = REFERENCE.iter().map(|entry| leaf_hash(entry)).collect();
    for (size, root) in (1..=8).zip(roots) {
        let ours = range_root(0, size, &mut node_of(&hashes)).unwrap();
        assert_eq!(hex(&ours), root, "size {size}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    // R186
    #[test]
    fn inclusion_proofs_are_those_of_the_definition_and_verify(size in 1usize..600, at in 0usize..600) {
        let leaves = leaves(size);
        let at = at % size;
        let (index, count) = (at as u64, size as u64);
        let path = inclusion_path(index, count, &mut node_of(&leaves)).unwrap();
        prop_assert_eq!(&path, &audit_path(at, &leaves));
        let root = tree_hash(&leaves);
        prop_assert!(verify_inclusion(&leaves[at], index, count, &root, &path).is_ok());
        let other = leaf_hash(b"another entry");
        prop_assert!(verify_inclusion(&other, index, count, &root, &path).is_err());
        if size > 1 {
            let elsewhere = (index + 1) % count;
            prop_assert!(verify_inclusion(&leaves[at], elsewhere, count, &root, &path).is_err());
            prop_assert!(verify_inclusion(&leaves[at], index, count, &root, &path[1..]).is_err());
        }
        let mut longer = path.clone();
        longer.push(other);
        prop_assert!(verify_inclusion(&leaves[at], index, count, &root, &longer).is_err());
    }

    // R8
    #[test]
    fn consistency_proofs_are_those_of_the_definition_and_verify(old in 1usize..400, more in 0usize..400) {
        let leaves = leaves(old + more);
        let (first, second) = (old as u64, leaves.len() as u64);
        let path = consistency_path(first, second, &mut node_of(&leaves)).unwrap();
        if more > 0 {
            prop_assert_eq!(&path, &subproof(old, &leaves, true));
        }
        let (old_root, root) = (tree_hash(&leaves[..old]), tree_hash(&leaves));
        prop_assert!(verify_consistency(first, &old_root, second, &root, &path).is_ok());
        let rewritten = leaf_hash(b"rewritten");
        prop_assert!(verify_consistency(first, &rewritten, second, &root, &path).is_err());
        prop_assert!(verify_consistency(first, &old_root, second, &rewritten, &path).is_err());
        for at in 0..path.len() {
            let mut flipped = path.clone();
            flipped[at][0] ^= 1;
            prop_assert!(verify_consistency(first, &old_root, second, &root, &flipped).is_err());
        }
    }
}

// R186
#[test]
fn every_entry_has_a_receipt_that_verifies_offline_and_fits_no_other_entry() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    fill(&ledger, 600);
    let verifier = burgess_ledger::NoteVerifier::parse(ledger.vkey()).unwrap();
    for index in [0, 1, 254, 255, 256, 257, 511, 512, 598, 599] {
        let text = ledger.tlog_proof(index).unwrap();
        let proof = TlogProof::parse(&text).unwrap();
        assert_eq!(proof.text(), text);
        let entry = ledger.entry(index).unwrap();
        assert_eq!(
            proof.verify(&entry, &verifier).unwrap().checkpoint.size,
            600
        );
        let other = ledger.entry((index + 1) % 600).unwrap();
        assert!(proof.verify(&other, &verifier).is_err());
    }
}

// R8
#[test]
fn an_open_ledger_proves_that_it_only_grew() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let mut older = vec![ledger.checkpoint()];
    for count in [1, 5, 250, 1, 300] {
        fill(&ledger, count);
        older.push(ledger.checkpoint());
    }
    let (now, root) = (
        ledger.checkpoint().checkpoint.size,
        ledger.checkpoint().checkpoint.root,
    );
    for old in older {
        let (size, old_root) = (old.checkpoint.size, old.checkpoint.root);
        let path = ledger.consistency_proof(size, now).unwrap();
        verify_consistency(size, &old_root, now, &root, &path).unwrap();
        assert_eq!(ledger.root(size).unwrap(), old_root);
    }
}

#[test]
fn a_receipt_before_its_checkpoint_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let receipt = ledger
        .append_blocking(draft("outbox", None, "app"))
        .unwrap();
    let refusal = ledger.tlog_proof(receipt.index).unwrap_err().to_string();
    assert_eq!(
        refusal,
        "the published checkpoint covers 0 entries, not 1, publish first"
    );
    ledger.publish_blocking().unwrap();
    ledger.tlog_proof(receipt.index).unwrap();
    let refusal = ledger.tlog_proof(1).unwrap_err().to_string();
    assert_eq!(refusal, "entry 1 is not in the log of 1 entries");
}

// R186
#[test]
fn proofs_read_from_tiles_equal_those_of_an_independent_implementation() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    fill(&ledger, 700);
    let entries = ledger.entries(0..700).unwrap();
    let joined = |path: Vec<Hash>| path.as_flattened().to_vec();
    let mut dice = crate::simulator::Dice(42);
    let mut sizes: Vec<u64> = vec![1, 2, 3, 255, 256, 257, 511, 512, 513, 699, 700];
    sizes.extend((0..30).map(|_| 1 + dice.roll(700)));
    for size in sizes {
        let mut tree = ct_merkle::mem_backed_tree::MemoryBackedTree::<sha2::Sha256, Vec<u8>>::new();
        let old = 1 + dice.roll(size);
        for entry in &entries[..size as usize] {
            tree.push(entry.clone());
        }
        assert_eq!(
            tree.root().as_bytes().as_slice(),
            ledger.root(size).unwrap()
        );
        for index in [0, size - 1, dice.roll(size), dice.roll(size)] {
            let theirs = tree.prove_inclusion(index as usize);
            let ours = joined(ledger.inclusion_proof(index, size).unwrap());
            assert_eq!(ours, theirs.as_bytes(), "entry {index} of {size}");
        }
        let theirs = tree.prove_consistency((size - old) as usize);
        let ours = joined(ledger.consistency_proof(old, size).unwrap());
        assert_eq!(ours, theirs.as_bytes(), "{old} to {size}");
    }
}
