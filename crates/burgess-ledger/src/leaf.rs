//! What goes into the ledger and what comes back: drafts, pieces, receipts.
//!
//! The ledger does not look into a leaf: its bytes are the caller's canonical event. The only
//! thing it fills in are the two numbers that only the sequencer can know.

use crate::tile::ENTRY_BYTES_MAX;
use crate::tree::Hash;

/// Bytes of the side value of one leaf at most. A side value holds the opened form of what the
/// leaf commits to, so it gets the room of a leaf.
pub const SIDE_BYTES_MAX: usize = ENTRY_BYTES_MAX;
/// Bytes of the name of a source or stream at most: room for an origin and an app id.
pub const NAME_BYTES_MAX: usize = 512;

/// A part of a leaf that is still to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The entry's number in its stream, in decimal.
    Sequence,
    /// The entry's number from its source, in decimal.
    SourceSeq,
}

/// An entry that asks for its place in the log. Who hands over many at a time writes them into a
/// [`crate::Batch`] instead, which needs no memory of its own for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Who hands the entry over: one outbox, one gateway.
    pub source: String,
    /// The source's own dense number, from 1. Handing the same number over again appends nothing.
    /// `None` lets the ledger number the entry.
    pub source_seq: Option<u64>,
    /// What the entry is counted in, gapless from 1: the app within its origin.
    pub stream: String,
    /// The leaf; its bytes are the pieces joined.
    pub template: Vec<Piece>,
    /// Deletable bytes kept beside the leaf, not bound by the log. Encrypted by the caller.
    pub side: Vec<u8>,
}

/// The promise that an entry is on disk: given only after `fdatasync` returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The origin of the log shard that holds it.
    pub shard: String,
    /// Position in the log, from 0.
    pub index: u64,
    /// RFC 6962 leaf hash.
    pub leaf_hash: Hash,
    /// Number in the stream, from 1.
    pub sequence: u64,
    /// Number from the source, from 1.
    pub source_seq: u64,
    /// The source had handed this number over before; nothing was appended.
    pub duplicate: bool,
}

/// Why a name cannot stand for a source or a stream.
pub(crate) fn name_is_usable(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.chars().any(char::is_control)
}

/// Bytes that a leaf and its side value add to tiles, bundle and side file: both lengths, the leaf
/// hash with its share of the hashes above it, and the numbering.
pub(crate) fn stored_bytes(leaf: usize, side: usize) -> u64 {
    const HASHES_AND_FRAMES: usize = 4 + 33 + 8;
    u64::try_from(leaf + side + HASHES_AND_FRAMES).unwrap_or(u64::MAX)
}
