//! The state that a ledger opens from: the last signed checkpoint and the counters as they stood
//! at its size, in one file that is replaced as a whole.
//!
//! This file is the commit point of a publication where no lock table is. `checkpoint` follows it
//! and is written again from it; everything after its size is replayed from the write-ahead
//! segments.

use crate::checkpoint::SignedCheckpoint;
use crate::group::{Entry, Group};
use crate::leaf::name_is_usable;
use crate::names::{NameId, Names, place};
use crate::note::NoteVerifier;
use std::sync::Arc;

/// Name of the file.
pub(crate) const FILE: &str = "state";
const HEAD: &str = "burgess.ledger-state/1";

/// How far each source and each stream has been numbered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counters {
    names: Names,
    counts: Vec<Count>,
    /// Bytes of all entries in tiles, bundles and side files.
    pub(crate) stored_bytes: u64,
}

/// The numbers given last under one name, in either role; 0 before the first.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Count {
    pub(crate) source: u64,
    pub(crate) stream: u64,
}

impl Counters {
    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    /// The number of a name, with a place to count in.
    pub(crate) fn intern(&mut self, name: &str) -> NameId {
        let id = self.names.intern(name);
        self.counts.resize(self.names.len(), Count::default());
        id
    }

    pub(crate) fn count(&self, id: NameId) -> Count {
        self.counts.get(place(id)).copied().unwrap_or_default()
    }

    /// Counts the entries of a group that is in the log, from index `from` on.
    pub(crate) fn apply(&mut self, group: &Group, from: u64) {
        self.learn(group);
        for entry in group.from(from) {
            self.count_entry(entry, group.stored_bytes(entry));
        }
    }

    /// Takes in the names that the log has seen first with a group.
    pub(crate) fn learn(&mut self, group: &Group) {
        for name in &group.new_names {
            self.intern(name);
        }
        self.counts.resize(self.names.len(), Count::default());
    }

    pub(crate) fn count_entry(&mut self, entry: &Entry, stored_bytes: u64) {
        self.set(entry, entry.source_seq, entry.sequence);
        self.stored_bytes = self.stored_bytes.saturating_add(stored_bytes);
    }

    /// Takes back the newest entry, which is not in the log after all.
    pub(crate) fn uncount_entry(&mut self, entry: &Entry) {
        self.set(entry, entry.source_seq - 1, entry.sequence - 1);
    }

    fn set(&mut self, entry: &Entry, source_seq: u64, sequence: u64) {
        if let Some(count) = self.counts.get_mut(place(entry.source)) {
            count.source = source_seq;
        }
        if let Some(count) = self.counts.get_mut(place(entry.stream)) {
            count.stream = sequence;
        }
    }

    /// Where the shard after this one begins: sources go on, streams start anew.
    pub(crate) fn of_the_next_shard(&self) -> Self {
        let mut next = Self::default();
        for (name, count) in self.iter().filter(|(_, count)| count.source > 0) {
            let id = next.intern(name);
            if let Some(begun) = next.counts.get_mut(place(id)) {
                begun.source = count.source;
            }
        }
        next
    }

    pub(crate) fn source(&self, name: &str) -> u64 {
        self.names.find(name).map_or(0, |id| self.count(id).source)
    }

    pub(crate) fn stream(&self, name: &str) -> u64 {
        self.names.find(name).map_or(0, |id| self.count(id).stream)
    }

    fn iter(&self) -> impl Iterator<Item = (&Arc<str>, Count)> {
        self.names.iter().zip(self.counts.iter().copied())
    }
}

/// The file's bytes.
pub(crate) fn encode(counters: &Counters, checkpoint: &SignedCheckpoint) -> Vec<u8> {
    let mut body = format!("stored_bytes {}\n", counters.stored_bytes);
    for (name, count) in counters.iter() {
        for (kind, count) in [("source ", count.source), ("stream ", count.stream)] {
            if count > 0 {
                body.push_str(kind);
                body.push_str(&count.to_string());
                body.push(' ');
                body.push_str(name);
                body.push('\n');
            }
        }
    }
    body.push('\n');
    body.push_str(&checkpoint.note);
    format!("{HEAD} {:08x}\n{body}", crc32c::crc32c(body.as_bytes())).into_bytes()
}

/// Reads the file back; the error says what is wrong with it.
pub(crate) fn decode(
    bytes: &[u8],
    verifier: &NoteVerifier,
) -> Result<(Counters, SignedCheckpoint), String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "is not UTF-8")?;
    let (head, body) = text.split_once('\n').ok_or("is cut off")?;
    if head != format!("{HEAD} {:08x}", crc32c::crc32c(body.as_bytes())) {
        return Err("is damaged or of another version".to_owned());
    }
    let (counts, note) = body.split_once("\n\n").ok_or("is cut off")?;
    let mut counters = Counters::default();
    for line in counts.split('\n') {
        decode_line(line, &mut counters).ok_or_else(|| format!("has the line `{line}`"))?;
    }
    let checkpoint =
        SignedCheckpoint::open(note.as_bytes(), verifier).map_err(|cause| cause.to_string())?;
    Ok((counters, checkpoint))
}

fn decode_line(line: &str, counters: &mut Counters) -> Option<()> {
    let (kind, rest) = line.split_once(' ')?;
    let (number, name) = rest.split_once(' ').unwrap_or((rest, ""));
    let number: u64 = number.parse().ok()?;
    if kind == "stored_bytes" {
        counters.stored_bytes = number;
        return Some(());
    }
    if !name_is_usable(name) {
        return None;
    }
    let id = counters.intern(name);
    let count = counters.counts.get_mut(place(id))?;
    match kind {
        "source" => count.source = number,
        "stream" => count.stream = number,
        _ => return None,
    }
    Some(())
}

/// A state of this body under the right checksum.
#[cfg(any(test, fuzzing))]
pub(crate) fn with_sum(body: &[u8]) -> Vec<u8> {
    let head = format!("{HEAD} {:08x}\n", crc32c::crc32c(body));
    [head.as_bytes(), body].concat()
}
