//! Merkle tree hashing of RFC 6962 section 2.1, and the walks over it that proofs are made of.
//!
//! Pure: a walk asks its caller for the hash of a perfect subtree and never knows where that
//! hash is stored. Verification of proofs lives in `proof`; storage of hashes in `tile`.

use sha2::block_api::compress256;
use sha2::{Digest, Sha256};

/// A SHA-256 value: a leaf hash, a node hash or a root.
pub type Hash = [u8; 32];

/// The hash value that SHA-256 begins with (FIPS 180-4, section 5.3.3).
const BEGIN: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];
/// Bytes of a block of SHA-256.
const BLOCK: usize = 64;

/// RFC 6962 section 2.1: `SHA-256(0x00 || entry)`.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Hash {
    LeafHasher::new().finish(entry)
}

/// RFC 6962 section 2.1: `SHA-256(0x01 || left || right)`. The message has always the same length,
/// so its two blocks are written down as they are.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    const BITS: u16 = 8 * (1 + 32 + 32);
    let mut message = [0; 2 * BLOCK];
    message[0] = 1;
    message[1..33].copy_from_slice(left);
    message[33..65].copy_from_slice(right);
    message[65] = 0x80;
    message[126..].copy_from_slice(&BITS.to_be_bytes());
    let mut state = BEGIN;
    compress256(&mut state, message.as_chunks().0);
    finished(state)
}

/// A leaf hash in the making: the whole blocks of `0x00 || entry` that were known so far. It keeps no
/// bytes; whoever goes on brings the entry along.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LeafHasher {
    state: [u32; 8],
    blocks: usize,
}

impl LeafHasher {
    pub(crate) const fn new() -> Self {
        Self {
            state: BEGIN,
            blocks: 0,
        }
    }

    /// Takes in what of the entry is known: what was known before, and more.
    pub(crate) fn absorb(&mut self, known: &[u8]) {
        if self.blocks == 0 {
            let Some(first) = known.first_chunk::<{ BLOCK - 1 }>() else {
                return;
            };
            let mut block = [0; BLOCK];
            block[1..].copy_from_slice(first);
            compress256(&mut self.state, &[block]);
            self.blocks = 1;
        }
        let (blocks, _) = self.rest(known).as_chunks();
        compress256(&mut self.state, blocks);
        self.blocks += blocks.len();
    }

    /// The hash of the whole entry.
    pub(crate) fn finish(mut self, entry: &[u8]) -> Hash {
        self.absorb(entry);
        let mut message = [[0; BLOCK]; 2];
        let bytes = message.as_flattened_mut();
        // Less than a block is left; of an entry that is shorter than one, its domain too.
        let from = usize::from(self.blocks == 0);
        let rest = self.rest(entry);
        let end = from + rest.len();
        if let Some(place) = bytes.get_mut(from..end) {
            place.copy_from_slice(rest);
        }
        if let Some(mark) = bytes.get_mut(end) {
            *mark = 0x80;
        }
        let length = u64::try_from(entry.len()).unwrap_or(u64::MAX);
        let bits = length.wrapping_add(1).wrapping_mul(8).to_be_bytes();
        let [first, second] = &mut message;
        if end < BLOCK - bits.len() {
            first[BLOCK - 8..].copy_from_slice(&bits);
            compress256(&mut self.state, std::slice::from_ref(first));
        } else {
            second[BLOCK - 8..].copy_from_slice(&bits);
            compress256(&mut self.state, &message);
        }
        finished(self.state)
    }

    /// What follows the blocks that were taken in; their first byte is the domain.
    fn rest<'a>(&self, entry: &'a [u8]) -> &'a [u8] {
        let taken = (self.blocks * BLOCK).saturating_sub(1);
        entry.get(taken..).unwrap_or_default()
    }
}

fn finished(state: [u32; 8]) -> Hash {
    let mut hash = Hash::default();
    let (words, _) = hash.as_chunks_mut();
    for (word, value) in words.iter_mut().zip(state) {
        *word = value.to_be_bytes();
    }
    hash
}

/// The root of the tree without entries: the SHA-256 of nothing.
#[must_use]
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// The root over leaf (or subtree) hashes, computed bottom up; an odd last hash is carried.
#[must_use]
pub fn root_of(hashes: &[Hash]) -> Hash {
    let mut level = hashes.to_vec();
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => node_hash(left, right),
                [odd] => *odd,
                _ => empty_root(),
            })
            .collect();
    }
    level.first().copied().unwrap_or_else(empty_root)
}

/// The largest power of two smaller than `size`, the split point of RFC 6962. `size` is at least 2.
fn split(size: u64) -> u64 {
    1 << (63 - (size - 1).leading_zeros())
}

/// The hash over the entries `[low, low + size)`, where `low` is a multiple of the next power of
/// two at or above `size`. `node(height, n)` answers the hash of the `n`th perfect subtree of
/// `2^height` leaves.
///
/// # Errors
/// Whatever `node` answers.
pub fn range_root<E>(
    low: u64,
    size: u64,
    node: &mut impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Hash, E> {
    if size == 0 {
        return Ok(empty_root());
    }
    if size.is_power_of_two() {
        return node(size.trailing_zeros(), low / size);
    }
    let left = split(size);
    let left_hash = range_root(low, left, node)?;
    let right_hash = range_root(low + left, size - left, node)?;
    Ok(node_hash(&left_hash, &right_hash))
}

/// The audit path of RFC 6962 section 2.1.1 for entry `index` in the tree of `size` entries, from
/// the leaf's sibling up to the root's child. `index` is below `size`.
///
/// # Errors
/// Whatever `node` answers.
pub fn inclusion_path<E>(
    index: u64,
    size: u64,
    node: &mut impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    let (mut low, mut size, mut path) = (0, size, Vec::new());
    while size > 1 {
        let left = split(size);
        if index < low + left {
            path.push(range_root(low + left, size - left, node)?);
            size = left;
        } else {
            path.push(range_root(low, left, node)?);
            low += left;
            size -= left;
        }
    }
    path.reverse();
    Ok(path)
}

/// The consistency proof of RFC 6962 section 2.1.2 between the trees of `old` and `new` entries.
/// Empty when `old` is zero or equals `new`.
///
/// # Errors
/// Whatever `node` answers.
pub fn consistency_path<E>(
    old: u64,
    new: u64,
    node: &mut impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    if old == 0 || old >= new {
        return Ok(Vec::new());
    }
    let (mut low, mut size, mut whole, mut path) = (0, new, true, Vec::new());
    loop {
        if old == low + size {
            if !whole {
                path.push(range_root(low, size, node)?);
            }
            path.reverse();
            return Ok(path);
        }
        let left = split(size);
        if old <= low + left {
            path.push(range_root(low + left, size - left, node)?);
            size = left;
        } else {
            path.push(range_root(low, left, node)?);
            low += left;
            size -= left;
            whole = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_of_every_length_have_the_hash_that_the_standard_gives_them_however_they_come() {
        for length in 0..400 {
            let entry: Vec<u8> = (0..length)
                .map(|n| u8::try_from(n % 251).unwrap())
                .collect();
            let expected: Hash = Sha256::new()
                .chain_update([0])
                .chain_update(&entry)
                .finalize()
                .into();
            assert_eq!(leaf_hash(&entry), expected, "{length} bytes");
            for known in [1, 62, 63, 64, 126, 127, 128, 300] {
                let mut hasher = LeafHasher::new();
                hasher.absorb(entry.get(..known).unwrap_or(&entry));
                assert_eq!(hasher.finish(&entry), expected, "{known} of {length} bytes");
            }
        }
    }

    #[test]
    fn nodes_have_the_hash_that_the_standard_gives_them() {
        let (left, right) = ([0xab; 32], [0xcd; 32]);
        let expected: Hash = Sha256::new()
            .chain_update([1])
            .chain_update(left)
            .chain_update(right)
            .finalize()
            .into();
        assert_eq!(node_hash(&left, &right), expected);
    }
}
