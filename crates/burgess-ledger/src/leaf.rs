//! What goes into the ledger and what comes back: drafts, pieces, receipts, and the record that
//! one entry is while it waits to become part of a bundle.
//!
//! The ledger does not look into a leaf: its bytes are the caller's canonical event. The only
//! thing it fills in are the two numbers that only the sequencer can know.

use crate::tile::ENTRY_BYTES_MAX;
use crate::tree::{Hash, leaf_hash};

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

/// An entry that asks for its place in the log.
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

impl Draft {
    /// Bytes that the draft occupies while it waits: its pieces, its side value, and a fixed share
    /// for names, numbers and bookkeeping, so that empty entries are bounded too.
    pub(crate) fn cost_bytes(&self) -> usize {
        const FIXED: usize = 256;
        let names = self.source.len() + self.stream.len();
        self.template.iter().map(Piece::bytes_max).sum::<usize>() + self.side.len() + names + FIXED
    }

    /// Bytes of the leaf if its numbers had one digit each.
    pub(crate) fn leaf_bytes_min(&self) -> usize {
        let bytes = self.template.iter().map(|piece| match piece {
            Piece::Bytes(bytes) => bytes.len(),
            Piece::Sequence | Piece::SourceSeq => 1,
        });
        bytes.sum()
    }

    /// The leaf with its two numbers in place.
    pub(crate) fn leaf(&self, sequence: u64, source_seq: u64) -> Vec<u8> {
        let mut leaf = Vec::with_capacity(self.template.iter().map(Piece::bytes_max).sum());
        for piece in &self.template {
            match piece {
                Piece::Bytes(bytes) => leaf.extend_from_slice(bytes),
                Piece::Sequence => leaf.extend_from_slice(sequence.to_string().as_bytes()),
                Piece::SourceSeq => leaf.extend_from_slice(source_seq.to_string().as_bytes()),
            }
        }
        leaf
    }
}

impl Piece {
    fn bytes_max(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Sequence | Self::SourceSeq => 20, // digits of u64::MAX
        }
    }
}

/// One entry with everything the ledger knows about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) index: u64,
    pub(crate) source: String,
    pub(crate) source_seq: u64,
    pub(crate) stream: String,
    pub(crate) sequence: u64,
    pub(crate) leaf: Vec<u8>,
    pub(crate) leaf_hash: Hash,
    pub(crate) side: Vec<u8>,
}

impl Record {
    pub(crate) fn receipt(&self, shard: &str, duplicate: bool) -> Receipt {
        Receipt {
            shard: shard.to_owned(),
            index: self.index,
            leaf_hash: self.leaf_hash,
            sequence: self.sequence,
            source_seq: self.source_seq,
            duplicate,
        }
    }

    /// Bytes that the entry adds to tiles, bundle and side file.
    pub(crate) fn stored_bytes(&self) -> u64 {
        const HASHES_AND_FRAMES: usize = 34 + 32;
        let bytes = self.leaf.len() + self.side.len() + self.source.len() + self.stream.len();
        u64::try_from(bytes + HASHES_AND_FRAMES).unwrap_or(u64::MAX)
    }

    /// Appends the framed form of the write-ahead segments: what [`Record::decode`] reads.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        self.numbering().encode(out);
        put_bytes(out, &self.leaf);
        put_bytes(out, &self.side);
    }

    /// Reads one record off the front of `bytes`.
    pub(crate) fn decode(index: u64, bytes: &mut &[u8]) -> Option<Self> {
        let numbering = Numbering::decode(bytes)?;
        let leaf = take_bytes(bytes)?.to_vec();
        let side = take_bytes(bytes)?.to_vec();
        Some(Self {
            index,
            source: numbering.source,
            source_seq: numbering.source_seq,
            stream: numbering.stream,
            sequence: numbering.sequence,
            leaf_hash: leaf_hash(&leaf),
            leaf,
            side,
        })
    }

    pub(crate) fn numbering(&self) -> Numbering {
        Numbering {
            source: self.source.clone(),
            source_seq: self.source_seq,
            stream: self.stream.clone(),
            sequence: self.sequence,
        }
    }
}

/// Where an entry stands in its source and in its stream; kept with the side value, because the
/// ledger does not look into leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Numbering {
    pub(crate) source: String,
    pub(crate) source_seq: u64,
    pub(crate) stream: String,
    pub(crate) sequence: u64,
}

impl Numbering {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(out, self.source.as_bytes());
        out.extend_from_slice(&self.source_seq.to_be_bytes());
        put_bytes(out, self.stream.as_bytes());
        out.extend_from_slice(&self.sequence.to_be_bytes());
    }

    pub(crate) fn decode(bytes: &mut &[u8]) -> Option<Self> {
        Some(Self {
            source: take_name(bytes)?,
            source_seq: take_u64(bytes)?,
            stream: take_name(bytes)?,
            sequence: take_u64(bytes)?,
        })
    }
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

pub(crate) fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (taken, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

fn take_name(bytes: &mut &[u8]) -> Option<String> {
    String::from_utf8(take_bytes(bytes)?.to_vec()).ok()
}

fn take_u64(bytes: &mut &[u8]) -> Option<u64> {
    let (value, rest) = bytes.split_first_chunk::<8>()?;
    *bytes = rest;
    Some(u64::from_be_bytes(*value))
}
