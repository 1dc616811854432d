//! Proofs that an entry is in the log and that the log only grew, and the `.tlog-proof` receipt.
//!
//! Verification follows the algorithms of RFC 9162 section 2.1.3.2 and 2.1.4.2, which do not share
//! code with the walks of `tree` that make proofs.

use crate::checkpoint::SignedCheckpoint;
use crate::note::{NoteError, NoteVerifier, decode_base64, encode_base64};
use crate::tree::{Hash, empty_root, leaf_hash, node_hash};

/// Hashes of a path at most: a tree of 2^64 entries has 64 levels; consistency may add one.
const PATH_MAX: usize = 65;
/// First line of a receipt. <https://c2sp.org/tlog-proof>
const HEAD: &str = "c2sp.org/tlog-proof@v1";

/// Why a proof was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The text is not a receipt of the standard's form.
    #[error("proof: {0}")]
    Malformed(&'static str),
    /// The checkpoint inside is not good under the given key.
    #[error("proof: {0}")]
    Checkpoint(#[from] NoteError),
    /// The path does not lead from the entry to the signed root.
    #[error("entry {index} is not in the log of {size} entries that was signed")]
    NotIncluded {
        /// Position that the receipt claims.
        index: u64,
        /// Size of the signed tree.
        size: u64,
    },
    /// The old tree is not a prefix of the new one.
    #[error("the log of {new} entries does not continue the log of {old} entries")]
    NotConsistent {
        /// Size of the older tree.
        old: u64,
        /// Size of the newer tree.
        new: u64,
    },
}

/// Checks that the leaf with this hash is entry `index` of the tree (RFC 9162 section 2.1.3.2).
///
/// # Errors
/// [`ProofError::NotIncluded`].
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    root: &Hash,
    path: &[Hash],
) -> Result<(), ProofError> {
    let refused = ProofError::NotIncluded { index, size };
    if index >= size {
        return Err(refused);
    }
    let (mut position, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in path {
        if last == 0 {
            return Err(refused);
        }
        if position & 1 == 1 || position == last {
            hash = node_hash(sibling, &hash);
            while position & 1 == 0 && position != 0 {
                position >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        position >>= 1;
        last >>= 1;
    }
    if last == 0 && hash == *root {
        Ok(())
    } else {
        Err(refused)
    }
}

/// Checks that the tree of `new` entries continues the tree of `old` entries
/// (RFC 9162 section 2.1.4.2). The empty tree is continued by every tree.
///
/// # Errors
/// [`ProofError::NotConsistent`].
pub fn verify_consistency(
    old: u64,
    old_root: &Hash,
    new: u64,
    new_root: &Hash,
    path: &[Hash],
) -> Result<(), ProofError> {
    let refused = ProofError::NotConsistent { old, new };
    let holds = match old {
        0 => path.is_empty() && *old_root == empty_root(),
        _ if old > new => false,
        _ if old == new => path.is_empty() && old_root == new_root,
        _ => consistency_holds(old, old_root, new, new_root, path),
    };
    if holds { Ok(()) } else { Err(refused) }
}

fn consistency_holds(old: u64, old_root: &Hash, new: u64, new_root: &Hash, path: &[Hash]) -> bool {
    let mut path = path.iter();
    let seed = if old.is_power_of_two() {
        Some(old_root)
    } else {
        path.next()
    };
    let Some(seed) = seed else { return false };
    let shift = (old - 1).trailing_ones();
    let (mut position, mut last) = ((old - 1) >> shift, (new - 1) >> shift);
    let (mut old_hash, mut new_hash) = (*seed, *seed);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if position & 1 == 1 || position == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            while position & 1 == 0 && position != 0 {
                position >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        position >>= 1;
        last >>= 1;
    }
    last == 0 && old_hash == *old_root && new_hash == *new_root
}

/// A receipt that verifies offline: `c2sp.org/tlog-proof@v1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    /// Position of the entry in the log.
    pub index: u64,
    /// Path from the leaf's sibling to the root's child.
    pub path: Vec<Hash>,
    /// The checkpoint that the path leads to, as published.
    pub checkpoint: String,
}

impl TlogProof {
    /// The text of the standard.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{HEAD}\nindex {}\n", self.index);
        for hash in &self.path {
            text.push_str(&encode_base64(hash));
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.checkpoint);
        text
    }

    /// Reads a receipt. The optional `extra` line is accepted and ignored: nothing authenticates it.
    ///
    /// # Errors
    /// [`ProofError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, ProofError> {
        let (head, checkpoint) = text.split_once("\n\n").ok_or(ProofError::Malformed(
            "has no blank line before the checkpoint",
        ))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEAD) {
            return Err(ProofError::Malformed(
                "does not begin with `c2sp.org/tlog-proof@v1`",
            ));
        }
        if let Some(extra) = lines.next_if(|line| line.starts_with("extra ")) {
            let blob = extra.strip_prefix("extra ").and_then(decode_base64);
            blob.ok_or(ProofError::Malformed(
                "its extra data is not canonical base64",
            ))?;
        }
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .and_then(|digits| {
                digits
                    .parse::<u64>()
                    .ok()
                    .filter(|n| n.to_string() == digits)
            })
            .ok_or(ProofError::Malformed("has no line `index N`"))?;
        let path = lines
            .map(|line| decode_base64(line).and_then(|hash| hash.try_into().ok()))
            .collect::<Option<Vec<Hash>>>()
            .ok_or(ProofError::Malformed(
                "a path line is not the base64 of 32 bytes",
            ))?;
        if path.len() > PATH_MAX {
            return Err(ProofError::Malformed(
                "its path is longer than any tree is high",
            ));
        }
        Ok(Self {
            index,
            path,
            checkpoint: checkpoint.to_owned(),
        })
    }

    /// Checks that `entry` is in the log which the given key signed, and answers the checkpoint.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn verify(
        &self,
        entry: &[u8],
        verifier: &NoteVerifier,
    ) -> Result<SignedCheckpoint, ProofError> {
        let signed = SignedCheckpoint::open(self.checkpoint.as_bytes(), verifier)?;
        let tree = &signed.checkpoint;
        verify_inclusion(
            &leaf_hash(entry),
            self.index,
            tree.size,
            &tree.root,
            &self.path,
        )?;
        Ok(signed)
    }
}
