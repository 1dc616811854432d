//! Merkle tree hashing of RFC 6962 section 2.1, and the walks over it that proofs are made of.
//!
//! Pure: a walk asks its caller for the hash of a perfect subtree and never knows where that
//! hash is stored. Verification of proofs lives in `proof`; storage of hashes in `tile`.

use sha2::{Digest, Sha256};

/// A SHA-256 value: a leaf hash, a node hash or a root.
pub type Hash = [u8; 32];

/// RFC 6962 section 2.1: `SHA-256(0x00 || entry)`.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Sha256::new()
        .chain_update([0])
        .chain_update(entry)
        .finalize()
        .into()
}

/// RFC 6962 section 2.1: `SHA-256(0x01 || left || right)`.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new()
        .chain_update([1])
        .chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
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
