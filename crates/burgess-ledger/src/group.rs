//! A group of entries: what one `fdatasync` makes durable, in the one piece of memory that is
//! written ahead, waits for its checkpoint, and is copied from into bundles and side files.
//!
//! In a write-ahead segment a group is framed as a whole:
//!
//! ```text
//! magic, CRC-32C over the rest, segment number, first index, entries, payload bytes
//! per entry: source, number from it, stream, number in it, leaf, side value
//! ```
//!
//! Numbers are big-endian; leaf and side value have a 16-bit length before them, as in a bundle. A
//! name is a 32-bit number counted from 0 within the group; where it comes up first, its length
//! and bytes follow.

use crate::leaf::{Receipt, name_is_usable, stored_bytes};
use crate::names::{NameId, Names, place};
use crate::tree::{Hash, leaf_hash};
use std::sync::Arc;

/// Marks the beginning of a group; the digit is the version of the frame.
const MAGIC: &[u8; 8] = b"burgwal2";
/// magic, CRC-32C, segment number, first index, entries, payload bytes.
const HEADER: usize = 8 + 4 + 8 + 8 + 4 + 4;
/// Where the bytes begin that the CRC covers.
const COVERED: usize = 8 + 4;
/// Where the bytes begin that are the same in every segment.
const ANYWHERE: usize = COVERED + 8;

/// One entry of a group with everything the ledger knows about it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) source: NameId,
    pub(crate) source_seq: u64,
    pub(crate) stream: NameId,
    pub(crate) sequence: u64,
    pub(crate) hash: Hash,
    /// Offset of the leaf's length in the frame.
    leaf: usize,
    /// Offset of the side value's length in the frame.
    side: usize,
}

/// Consecutive entries.
#[derive(Debug)]
pub(crate) struct Group {
    /// Index of the first entry.
    pub(crate) first: u64,
    /// Names that the log had not seen before, in the order of their numbers.
    pub(crate) new_names: Vec<Arc<str>>,
    pub(crate) entries: Vec<Entry>,
    frame: Vec<u8>,
}

impl Group {
    /// Index after the last entry.
    pub(crate) fn end(&self) -> u64 {
        self.first + count(&self.entries)
    }

    /// Bytes of memory it holds.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.frame.capacity() + self.entries.capacity() * size_of::<Entry>()
    }

    /// Whether its memory suits a group of so many bytes: large enough, and not so large that little
    /// waits for a checkpoint in much memory.
    pub(crate) fn suits(&self, bytes: usize) -> bool {
        (bytes..=bytes.saturating_mul(4)).contains(&self.frame.capacity())
    }

    /// The entries with their indexes, from `from` on.
    pub(crate) fn from(&self, from: u64) -> impl Iterator<Item = &Entry> {
        let skipped = from.saturating_sub(self.first);
        self.entries
            .iter()
            .skip(usize::try_from(skipped).unwrap_or(usize::MAX))
    }

    pub(crate) fn entry(&self, index: u64) -> Option<&Entry> {
        let at = usize::try_from(index.checked_sub(self.first)?).ok()?;
        self.entries.get(at)
    }

    /// The leaf with its length before it, as a bundle holds it.
    pub(crate) fn framed_leaf(&self, entry: &Entry) -> &[u8] {
        let leaf = self
            .frame
            .get(entry.leaf..entry.leaf + 2 + self.leaf(entry).len());
        leaf.unwrap_or_default()
    }

    pub(crate) fn leaf(&self, entry: &Entry) -> &[u8] {
        short_bytes(&self.frame, entry.leaf)
    }

    pub(crate) fn side(&self, entry: &Entry) -> &[u8] {
        short_bytes(&self.frame, entry.side)
    }

    pub(crate) fn stored_bytes(&self, entry: &Entry) -> u64 {
        stored_bytes(self.leaf(entry).len(), self.side(entry).len())
    }

    pub(crate) fn receipt(&self, shard: &str, at: usize, duplicate: bool) -> Option<Receipt> {
        let entry = self.entries.get(at)?;
        Some(Receipt {
            shard: shard.to_owned(),
            index: self.first + u64::try_from(at).ok()?,
            leaf_hash: entry.hash,
            sequence: entry.sequence,
            source_seq: entry.source_seq,
            duplicate,
        })
    }

    /// Completes the frame for a segment and answers it.
    pub(crate) fn seal(&mut self, segment: u64) -> &[u8] {
        let payload = self.frame.len().saturating_sub(HEADER);
        let mut covered = Vec::with_capacity(HEADER - COVERED);
        covered.extend_from_slice(&segment.to_be_bytes());
        covered.extend_from_slice(&self.first.to_be_bytes());
        covered.extend_from_slice(&small(self.entries.len()).to_be_bytes());
        covered.extend_from_slice(&small(payload).to_be_bytes());
        put(&mut self.frame, 0, MAGIC);
        put(&mut self.frame, COVERED, &covered);
        let sum = crc32c::crc32c(self.frame.get(COVERED..).unwrap_or_default());
        put(&mut self.frame, MAGIC.len(), &sum.to_be_bytes());
        &self.frame
    }

    /// The frame of a group that was read, as it is framed in another segment.
    pub(crate) fn framed_for(&self, segment: u64) -> Vec<u8> {
        let mut frame = self.frame.clone();
        put(&mut frame, COVERED, &segment.to_be_bytes());
        let sum = crc32c::crc32c(frame.get(COVERED..).unwrap_or_default());
        put(&mut frame, MAGIC.len(), &sum.to_be_bytes());
        frame
    }

    /// Bytes of the frame.
    pub(crate) fn frame_bytes(&self) -> usize {
        self.frame.len()
    }

    /// Fills the frame up with zeros to a multiple of `block`, so that writing it never has to read
    /// what stood there. The sum does not cover them.
    pub(crate) fn pad(&mut self, block: usize) -> &[u8] {
        self.frame
            .resize(self.frame.len().next_multiple_of(block), 0);
        &self.frame
    }
}

fn count(entries: &[Entry]) -> u64 {
    u64::try_from(entries.len()).unwrap_or(u64::MAX)
}

fn small(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX) // a group is smaller than a segment
}

fn put(frame: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = frame.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

fn short_bytes(frame: &[u8], at: usize) -> &[u8] {
    let mut rest = frame.get(at..).unwrap_or_default();
    take_short(&mut rest).unwrap_or_default()
}

/// The memory of a group: of its list and of its frame.
type Memory = (Vec<Entry>, Vec<u8>);

/// Builds groups, one after the other.
pub(crate) struct Framing {
    group: Group,
    /// Numbers of names within the group, by their numbers in the log.
    local: Vec<Option<u32>>,
    /// The names of the group in the order of their numbers within it.
    defined: Vec<NameId>,
}

/// A point in a group to which it can go back.
pub(crate) struct Mark {
    entries: usize,
    frame: usize,
    defined: usize,
}

impl Framing {
    pub(crate) fn new() -> Self {
        Self {
            group: Self::empty(0, Memory::default()),
            local: Vec::new(),
            defined: Vec::new(),
        }
    }

    fn empty(first: u64, memory: Memory) -> Group {
        let (mut entries, mut frame) = memory;
        entries.clear();
        frame.clear();
        frame.resize(HEADER, 0);
        Group {
            first,
            new_names: Vec::new(),
            entries,
            frame,
        }
    }

    /// Begins a group at `first` with room for so many entries and bytes, if it can in the memory
    /// of a group that is done with.
    pub(crate) fn begin(&mut self, first: u64, entries: usize, bytes: usize, used: Option<Group>) {
        for name in self.defined.drain(..) {
            if let Some(local) = self.local.get_mut(place(name)) {
                *local = None;
            }
        }
        let used = used.map(|group| (group.entries, group.frame));
        self.group = Self::empty(first, used.unwrap_or_default());
        self.group.entries.reserve(entries);
        self.group.frame.reserve(bytes);
    }

    pub(crate) fn group(&self) -> &Group {
        &self.group
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark {
            entries: self.group.entries.len(),
            frame: self.group.frame.len(),
            defined: self.defined.len(),
        }
    }

    /// Takes back what was added after `mark`, newest first.
    pub(crate) fn undo(&mut self, mark: &Mark) -> impl Iterator<Item = Entry> {
        self.group.frame.truncate(mark.frame);
        for name in self.defined.drain(mark.defined..) {
            if let Some(local) = self.local.get_mut(place(name)) {
                *local = None;
            }
        }
        self.group.entries.drain(mark.entries..).rev()
    }

    /// Adds an entry. `leaf` writes the leaf's bytes to the end of the frame and answers their hash.
    pub(crate) fn push(
        &mut self,
        names: &Names,
        (source, source_seq): (NameId, u64),
        (stream, sequence): (NameId, u64),
        side: &[u8],
        leaf: impl FnOnce(&mut Vec<u8>) -> Hash,
    ) {
        self.name(names, source);
        self.group
            .frame
            .extend_from_slice(&source_seq.to_be_bytes());
        self.name(names, stream);
        let frame = &mut self.group.frame;
        frame.extend_from_slice(&sequence.to_be_bytes());
        let leaf_at = frame.len();
        frame.extend_from_slice(&[0, 0]);
        let hash = leaf(frame);
        // The sequencer and the batch refused longer ones by name.
        let length = u16::try_from(frame.len() - leaf_at - 2).unwrap_or(u16::MAX);
        put(frame, leaf_at, &length.to_be_bytes());
        let side_at = frame.len();
        put_short(frame, side);
        self.group.entries.push(Entry {
            source,
            source_seq,
            stream,
            sequence,
            hash,
            leaf: leaf_at,
            side: side_at,
        });
    }

    fn name(&mut self, names: &Names, name: NameId) {
        if self.local.len() < names.len() {
            self.local.resize(names.len(), None);
        }
        let Some(local) = self.local.get_mut(place(name)) else {
            return;
        };
        if let Some(local) = local {
            self.group.frame.extend_from_slice(&local.to_be_bytes());
            return;
        }
        let next = small(self.defined.len());
        *local = Some(next);
        self.defined.push(name);
        self.group.frame.extend_from_slice(&next.to_be_bytes());
        put_short(&mut self.group.frame, names.get(name).as_bytes());
    }

    /// The finished group; `new_names` are those that the log had not seen before it.
    pub(crate) fn take(&mut self, new_names: Vec<Arc<str>>) -> Group {
        let group = std::mem::replace(&mut self.group, Self::empty(0, Memory::default()));
        Group { new_names, ..group }
    }
}

/// A group as it lies in a segment, its sum checked, its entries not yet read.
pub(crate) struct Framed<'a> {
    pub(crate) first: u64,
    pub(crate) count: u32,
    frame: &'a [u8],
}

impl<'a> Framed<'a> {
    /// Finds the group at the start of `bytes`, if there is a whole and undamaged one of this
    /// segment.
    pub(crate) fn at(segment: u64, bytes: &'a [u8]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk::<8>()?;
        let (sum, rest) = rest.split_first_chunk::<4>()?;
        let (number, rest) = rest.split_first_chunk::<8>()?;
        if magic != MAGIC || u64::from_be_bytes(*number) != segment {
            return None;
        }
        let (first, rest) = rest.split_first_chunk::<8>()?;
        let (count, rest) = rest.split_first_chunk::<4>()?;
        let (payload, _) = rest.split_first_chunk::<4>()?;
        let payload = usize::try_from(u32::from_be_bytes(*payload)).ok()?;
        let frame = bytes.get(..HEADER.checked_add(payload)?)?;
        let first = u64::from_be_bytes(*first);
        let count = u32::from_be_bytes(*count);
        first.checked_add(u64::from(count))?;
        let intact = crc32c::crc32c(frame.get(COVERED..)?) == u32::from_be_bytes(*sum);
        (intact && count > 0).then_some(Self {
            first,
            count,
            frame,
        })
    }

    /// Index after the last entry.
    pub(crate) fn end(&self) -> u64 {
        self.first + u64::from(self.count)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.frame.len()
    }

    /// Whether it is the same group in another segment.
    pub(crate) fn repeats(&self, group: &Group) -> bool {
        self.frame.get(ANYWHERE..) == group.frame.get(ANYWHERE..)
    }

    /// Reads its entries from index `from` on, which is below its end; names are numbered in
    /// `names`.
    pub(crate) fn read(&self, from: u64, names: &mut Names) -> Option<Group> {
        let mut rest = self.frame.get(HEADER..)?;
        let (mut local, mut entries) = (Vec::new(), Vec::new());
        let known = names.len();
        for index in self.first..self.end() {
            let source = take_name(&mut rest, &mut local, names)?;
            let source_seq = take_u64(&mut rest)?;
            let stream = take_name(&mut rest, &mut local, names)?;
            let sequence = take_u64(&mut rest)?;
            let leaf = self.frame.len() - rest.len();
            let hash = leaf_hash(take_short(&mut rest)?);
            let side = self.frame.len() - rest.len();
            take_short(&mut rest)?;
            if index >= from {
                entries.push(Entry {
                    source,
                    source_seq,
                    stream,
                    sequence,
                    hash,
                    leaf,
                    side,
                });
            }
        }
        rest.is_empty().then(|| Group {
            first: self.first.max(from),
            new_names: names.iter().skip(known).cloned().collect(),
            entries,
            frame: self.frame.to_vec(),
        })
    }
}

fn take_name(rest: &mut &[u8], local: &mut Vec<NameId>, names: &mut Names) -> Option<NameId> {
    let (number, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    let number = place(u32::from_be_bytes(*number));
    if number == local.len() {
        let name = std::str::from_utf8(take_short(rest)?).ok()?;
        if !name_is_usable(name) {
            return None;
        }
        local.push(names.intern(name));
    }
    local.get(number).copied()
}

/// Writes bytes with a 16-bit length before them.
pub(crate) fn put_short(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX); // longer ones were refused by name
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

fn take_short<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk::<2>()?;
    let (taken, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    *rest = after;
    Some(taken)
}

fn take_u64(rest: &mut &[u8]) -> Option<u64> {
    let (value, after) = rest.split_first_chunk::<8>()?;
    *rest = after;
    Some(u64::from_be_bytes(*value))
}

/// A group of this segment with the header's numbers and the payload of `bytes`, and the right sum.
#[cfg(any(test, fuzzing))]
pub(crate) fn with_sum(segment: u64, bytes: &[u8]) -> Vec<u8> {
    let (numbers, payload) = bytes.split_at(bytes.len().min(12));
    let mut covered = segment.to_be_bytes().to_vec();
    covered.extend_from_slice(numbers);
    covered.resize(20, 0);
    covered.extend_from_slice(&small(payload.len()).to_be_bytes());
    covered.extend_from_slice(payload);
    let sum = crc32c::crc32c(&covered).to_be_bytes();
    [MAGIC.as_slice(), &sum, &covered].concat()
}

/// What must hold of a group of any content: framed again it says the same.
#[cfg(any(test, fuzzing))]
pub(crate) fn check(segment: u64, bytes: &[u8]) {
    let frame = with_sum(segment, bytes);
    let mut names = Names::default();
    let group = Framed::at(segment, &frame).and_then(|framed| framed.read(0, &mut names));
    let Some(group) = group else { return };
    let mut framing = Framing::new();
    framing.begin(group.first, group.entries.len(), frame.len(), None);
    for entry in &group.entries {
        let (source, stream) = (
            (entry.source, entry.source_seq),
            (entry.stream, entry.sequence),
        );
        framing.push(&names, source, stream, group.side(entry), |frame| {
            frame.extend_from_slice(group.leaf(entry));
            entry.hash
        });
    }
    let mut again = framing.take(Vec::new());
    let framed = again.seal(segment).to_vec();
    let again = Framed::at(segment, &framed).and_then(|framed| framed.read(0, &mut names));
    let told = |group: &Group| -> Vec<_> {
        let entries = group.entries.iter();
        entries
            .map(|entry| (entry.hash, group.side(entry).to_vec(), entry.sequence))
            .collect()
    };
    assert_eq!(again.as_ref().map(told), Some(told(&group)));
}

/// Header numbers and payload of a group of these leaves.
#[cfg(test)]
pub(crate) fn right(leaves: &[&[u8]]) -> Vec<u8> {
    let mut names = Names::default();
    let (source, stream) = (names.intern("outbox"), names.intern("app"));
    let mut framing = Framing::new();
    framing.begin(0, leaves.len(), 0, None);
    for (number, leaf) in (1..).zip(leaves) {
        framing.push(
            &names,
            (source, number),
            (stream, number),
            b"side",
            |frame| {
                frame.extend_from_slice(leaf);
                leaf_hash(leaf)
            },
        );
    }
    let mut group = framing.take(Vec::new());
    let frame = group.seal(7);
    [&frame[COVERED + 8..COVERED + 20], &frame[HEADER..]].concat()
}
