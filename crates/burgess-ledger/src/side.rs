//! The deletable files beside the bundles: for each entry its numbering and its side value.
//!
//! Not part of the standard and not bound by the log: what is deleted here breaks no proof. A file
//! is replaced as a whole while its bundle fills up and may run ahead of the checkpoint.
//!
//! ```text
//! burgess.side/2
//! per entry: source, stream, length of the side value, side value
//! ```
//!
//! Numbers are LEB128. A source or stream is a number from 1, counted within the file and its
//! role; where it comes up first, the length of its name, the name, and the entry's number under it
//! follow. Every later entry has the next number, because a log leaves none out. 0 stands for the
//! source and the stream of an entry whose numbering was deleted.

use crate::leaf::{NAME_BYTES_MAX, SIDE_BYTES_MAX};
use crate::names::NameId;
#[cfg(any(test, fuzzing))]
use crate::names::Names;
use crate::tile::grouped;

const HEAD: &[u8] = b"burgess.side/2\n";

/// The file of the `n`th bundle.
pub(crate) fn path(n: u64) -> String {
    format!("side/{}", grouped(n))
}

/// Where an entry stands in its source and in its stream, and its side value; kept here because
/// the ledger does not look into leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SideEntry {
    /// Empty where the numbering was deleted; then the stream is empty too.
    pub(crate) source: String,
    pub(crate) source_seq: u64,
    pub(crate) stream: String,
    pub(crate) sequence: u64,
    pub(crate) value: Vec<u8>,
}

/// A name in one of its roles, and the entry's number under it.
pub(crate) struct Named<'a> {
    pub(crate) id: NameId,
    pub(crate) name: &'a str,
    pub(crate) number: u64,
}

/// A file that is being written.
pub(crate) struct SideFile {
    bytes: Vec<u8>,
    sources: Vec<NameId>,
    streams: Vec<NameId>,
}

impl SideFile {
    pub(crate) fn new() -> Self {
        Self {
            bytes: HEAD.to_vec(),
            sources: Vec::new(),
            streams: Vec::new(),
        }
    }

    /// Begins the next file in the same memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.extend_from_slice(HEAD);
        self.sources.clear();
        self.streams.clear();
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// For who takes them; then the file has to be cleared.
    pub(crate) fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Adds the next entry.
    pub(crate) fn push(&mut self, source: Named<'_>, stream: Named<'_>, value: &[u8]) {
        put_name(&mut self.bytes, &mut self.sources, source);
        put_name(&mut self.bytes, &mut self.streams, stream);
        put_value(&mut self.bytes, value);
    }

    /// Adds an entry without its numbering.
    pub(crate) fn push_unnumbered(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(&[0, 0]);
        put_value(&mut self.bytes, value);
    }
}

fn put_name(bytes: &mut Vec<u8>, known: &mut Vec<NameId>, named: Named<'_>) {
    if let Some(at) = known.iter().position(|id| *id == named.id) {
        put_number(bytes, length(at + 1));
        return;
    }
    known.push(named.id);
    put_number(bytes, length(known.len()));
    put_number(bytes, length(named.name.len()));
    bytes.extend_from_slice(named.name.as_bytes());
    put_number(bytes, named.number);
}

fn put_value(bytes: &mut Vec<u8>, value: &[u8]) {
    put_number(bytes, length(value.len()));
    bytes.extend_from_slice(value);
}

fn length(of: usize) -> u64 {
    u64::try_from(of).unwrap_or(u64::MAX)
}

/// LEB128: seven bits a byte, the lowest first.
fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or(0);
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

/// The entries of a file in the bundle's order; `None` where it is damaged.
pub(crate) fn decode(bytes: &[u8]) -> Option<Vec<SideEntry>> {
    let mut rest = bytes.strip_prefix(HEAD)?;
    let (mut sources, mut streams) = (Vec::new(), Vec::new());
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let (source, source_seq) = take_name(&mut rest, &mut sources)?;
        let (stream, sequence) = take_name(&mut rest, &mut streams)?;
        if source.is_empty() != stream.is_empty() {
            return None;
        }
        entries.push(SideEntry {
            source,
            source_seq,
            stream,
            sequence,
            value: take_bytes(&mut rest, SIDE_BYTES_MAX)?.to_vec(),
        });
    }
    Some(entries)
}

fn take_name(rest: &mut &[u8], known: &mut Vec<(String, u64)>) -> Option<(String, u64)> {
    let number = usize::try_from(take_number(rest)?).ok()?;
    let Some(at) = number.checked_sub(1) else {
        return Some((String::new(), 0));
    };
    if at == known.len() {
        let name = take_bytes(rest, NAME_BYTES_MAX).filter(|name| !name.is_empty())?;
        let name = String::from_utf8(name.to_vec()).ok()?;
        known.push((name, take_number(rest)?));
    } else {
        let (_, last) = known.get_mut(at)?;
        *last = last.checked_add(1)?;
    }
    known.get(at).cloned()
}

fn take_bytes<'a>(rest: &mut &'a [u8], most: usize) -> Option<&'a [u8]> {
    let length = usize::try_from(take_number(rest)?).ok()?;
    let (taken, after) = rest.split_at_checked(length.min(most + 1))?;
    *rest = after;
    (length <= most).then_some(taken)
}

fn take_number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        let low = u64::from(byte & 0x7f);
        if low << shift >> shift != low {
            return None;
        }
        number |= low << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// A file that holds these entries. `intern` numbers the names.
pub(crate) fn encode(entries: &[SideEntry], mut intern: impl FnMut(&str) -> NameId) -> SideFile {
    let mut file = SideFile::new();
    for entry in entries {
        if entry.source.is_empty() {
            file.push_unnumbered(&entry.value);
            continue;
        }
        let mut named = |name, number| Named {
            id: intern(name),
            name,
            number,
        };
        let source = named(&entry.source, entry.source_seq);
        let stream = named(&entry.stream, entry.sequence);
        file.push(source, stream, &entry.value);
    }
    file
}

/// What must hold of a side file of any bytes: written out again it says the same. One in which a
/// name comes up twice, or out of order, is none that was written.
#[cfg(any(test, fuzzing))]
pub(crate) fn check(bytes: &[u8]) {
    let Some(entries) = decode(bytes) else { return };
    let mut names = Names::default();
    let file = encode(&entries, |name| names.intern(name));
    let again = decode(file.bytes());
    let same = again.as_ref().is_some_and(|again| {
        let values = again.iter().map(|entry| &entry.value);
        values.eq(entries.iter().map(|entry| &entry.value))
    });
    assert!(same || again.is_none(), "another side file");
    if bytes == file.bytes() {
        assert_eq!(again, Some(entries));
    }
}

/// A file of two entries.
#[cfg(test)]
pub(crate) fn right() -> Vec<u8> {
    let mut file = SideFile::new();
    for number in [1, 2] {
        let named = |id, name| Named { id, name, number };
        file.push(named(0, "outbox"), named(1, "app"), b"side");
    }
    file.bytes().to_vec()
}
