//! The right edge of the tree: all that it takes to go on from one file to the next.

use burgess_core::digest::Digest;
use burgess_ledger::Hash;
use burgess_ledger::tree::{empty_root, node_hash};

/// The roots of the perfect subtrees at the right edge, the largest first: they give the root of
/// RFC 6962 at this size, and at every later one with the leaves after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Frontier(Vec<(u32, Hash)>);

impl Frontier {
    /// As a manifest has it: height and hash.
    pub(super) fn of(roots: &[(u32, Digest)]) -> Self {
        let roots = roots
            .iter()
            .map(|(height, hash)| (*height, *hash.as_bytes()));
        Self(roots.collect())
    }

    pub(super) fn roots(&self) -> Vec<(u32, Digest)> {
        let roots = self.0.iter();
        roots
            .map(|(height, hash)| (*height, Digest::from_bytes(*hash)))
            .collect()
    }

    pub(super) fn push(&mut self, leaf: Hash) {
        let (mut height, mut hash) = (0, leaf);
        while let Some((_, left)) = self.0.pop_if(|(like, _)| *like == height) {
            hash = node_hash(&left, &hash);
            height += 1;
        }
        self.0.push((height, hash));
    }

    pub(super) fn root(&self) -> Hash {
        let mut roots = self.0.iter().rev().map(|(_, hash)| *hash);
        let smallest = roots.next().unwrap_or_else(empty_root);
        roots.fold(smallest, |right, left| node_hash(&left, &right))
    }
}
