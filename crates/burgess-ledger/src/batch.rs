//! A batch of entries on its way to the sequencer, in a few large pieces of memory.
//!
//! It is made on the caller's thread, which there are many of, so that the one thread that owns
//! the log has little left to do: names are already told apart, and the leaf hash is computed up
//! to the first number that only the sequencer knows.

use crate::leaf::{Draft, Piece, SIDE_BYTES_MAX, name_is_usable};
use crate::names::{NameId, Names};
use crate::sequencer::AppendError;
use crate::tile::ENTRY_BYTES_MAX;
use crate::tree::LeafHasher;
use std::ops::Range;

/// Digits of `u64::MAX`.
const DIGITS_MAX: usize = 20;
/// What an entry counts in the queue beside its bytes: its bookkeeping here and in the log, so that
/// empty entries are bounded too.
const ENTRY_FIXED_BYTES: usize = 256;

/// A part of a leaf that is still to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// The entry's number in its stream, in decimal.
    Sequence,
    /// The entry's number from its source, in decimal.
    SourceSeq,
}

/// Which number a hole in a leaf waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Number {
    Sequence,
    SourceSeq,
}

/// Entries that are appended together: all of them, in order and in one piece, or none.
#[derive(Default)]
pub struct Batch {
    names: Names,
    /// Of each entry the leaf without its numbers, then the side value.
    bytes: Vec<u8>,
    /// Where numbers go, by offset in the leaf without numbers.
    holes: Vec<(usize, Number)>,
    entries: Vec<Pending>,
    name_bytes: usize,
}

/// One entry of a batch. Ranges are of the batch's memory.
pub(crate) struct Pending {
    pub(crate) source: NameId,
    pub(crate) source_seq: Option<u64>,
    pub(crate) stream: NameId,
    pub(crate) leaf: Range<usize>,
    pub(crate) side: Range<usize>,
    pub(crate) holes: Range<usize>,
    /// The leaf's hash as far as the bytes before the first hole fill whole blocks.
    pub(crate) hashed: LeafHasher,
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Batch({} entries)", self.entries.len())
    }
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty batch with room for so many entries of so many bytes in all.
    #[must_use]
    pub fn with_capacity(entries: usize, bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes),
            holes: Vec::with_capacity(2 * entries),
            entries: Vec::with_capacity(entries),
            ..Self::default()
        }
    }

    /// Entries in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds an entry; the fields are those of [`Draft`], and `leaf` gives its template.
    ///
    /// # Errors
    /// [`AppendError::Name`], [`AppendError::LeafTooLarge`] and [`AppendError::SideTooLarge`]; the
    /// batch is as it was.
    pub fn push(
        &mut self,
        source: &str,
        source_seq: Option<u64>,
        stream: &str,
        leaf: &[Part<'_>],
        side: &[u8],
    ) -> Result<(), AppendError> {
        check(source, stream, leaf, side)?;
        let (leaf_at, hole_at) = (self.bytes.len(), self.holes.len());
        for part in leaf {
            let at = self.bytes.len() - leaf_at;
            match part {
                Part::Bytes(bytes) => self.bytes.extend_from_slice(bytes),
                Part::Sequence => self.holes.push((at, Number::Sequence)),
                Part::SourceSeq => self.holes.push((at, Number::SourceSeq)),
            }
        }
        let leaf = leaf_at..self.bytes.len();
        let known = match self.holes.get(hole_at) {
            Some((at, _)) => leaf_at..leaf_at + at,
            None => leaf.clone(),
        };
        let mut hashed = LeafHasher::new();
        hashed.absorb(self.bytes.get(known).unwrap_or_default());
        self.bytes.extend_from_slice(side);
        self.entries.push(Pending {
            source: intern(&mut self.names, &mut self.name_bytes, source),
            source_seq,
            stream: intern(&mut self.names, &mut self.name_bytes, stream),
            side: leaf.end..self.bytes.len(),
            leaf,
            holes: hole_at..self.holes.len(),
            hashed,
        });
        Ok(())
    }

    /// Adds a draft.
    ///
    /// # Errors
    /// As [`Batch::push`].
    pub fn push_draft(&mut self, draft: &Draft) -> Result<(), AppendError> {
        let parts = draft.template.iter().map(|piece| match piece {
            Piece::Bytes(bytes) => Part::Bytes(bytes),
            Piece::Sequence => Part::Sequence,
            Piece::SourceSeq => Part::SourceSeq,
        });
        let parts: Vec<Part<'_>> = parts.collect();
        self.push(
            &draft.source,
            draft.source_seq,
            &draft.stream,
            &parts,
            &draft.side,
        )
    }

    /// Bytes that the batch takes in the queue and, framed, in a write-ahead segment at most.
    pub(crate) fn cost_bytes(&self) -> usize {
        let digits = self.holes.len() * DIGITS_MAX;
        self.bytes.len() + self.name_bytes + digits + self.entries.len() * ENTRY_FIXED_BYTES
    }

    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    pub(crate) fn entries(&self) -> &[Pending] {
        &self.entries
    }

    pub(crate) fn bytes(&self, range: &Range<usize>) -> &[u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }

    pub(crate) fn holes(&self, entry: &Pending) -> &[(usize, Number)] {
        self.holes.get(entry.holes.clone()).unwrap_or_default()
    }
}

impl TryFrom<&[Draft]> for Batch {
    type Error = AppendError;

    fn try_from(drafts: &[Draft]) -> Result<Self, AppendError> {
        let mut batch = Self::with_capacity(drafts.len(), 0);
        drafts
            .iter()
            .try_for_each(|draft| batch.push_draft(draft))?;
        Ok(batch)
    }
}

fn intern(names: &mut Names, name_bytes: &mut usize, name: &str) -> NameId {
    let before = names.len();
    let id = names.intern(name);
    if names.len() > before {
        *name_bytes += name.len();
    }
    id
}

/// What can be refused before an entry queues up.
fn check(source: &str, stream: &str, leaf: &[Part<'_>], side: &[u8]) -> Result<(), AppendError> {
    for name in [source, stream] {
        if !name_is_usable(name) {
            return Err(AppendError::Name(name.to_owned()));
        }
    }
    if side.len() > SIDE_BYTES_MAX {
        return Err(AppendError::SideTooLarge { bytes: side.len() });
    }
    // Each number has one digit at least.
    let parts = leaf.iter().map(|part| match part {
        Part::Bytes(bytes) => bytes.len(),
        Part::Sequence | Part::SourceSeq => 1,
    });
    let bytes = parts.sum();
    if bytes > ENTRY_BYTES_MAX {
        return Err(AppendError::LeafTooLarge { bytes });
    }
    Ok(())
}
