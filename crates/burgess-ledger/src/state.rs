//! The state that a ledger opens from: the last signed checkpoint and the counters as they stood
//! at its size, in one file that is replaced as a whole.
//!
//! This file is the commit point of a publication. `checkpoint` follows it and is written again
//! from it; everything after its size is replayed from the write-ahead segments.

use crate::checkpoint::SignedCheckpoint;
use crate::leaf::{Record, name_is_usable};
use crate::note::NoteVerifier;
use std::collections::BTreeMap;

/// Name of the file.
pub(crate) const FILE: &str = "state";
const HEAD: &str = "burgess.ledger-state/1";

/// How far each source and each stream has been numbered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) sources: BTreeMap<String, u64>,
    pub(crate) streams: BTreeMap<String, u64>,
    /// Bytes of all entries in tiles, bundles and side files.
    pub(crate) stored_bytes: u64,
}

impl Counters {
    /// Counts an entry that is in the log.
    pub(crate) fn apply(&mut self, record: &Record) {
        raise(&mut self.sources, &record.source, record.source_seq);
        raise(&mut self.streams, &record.stream, record.sequence);
        self.stored_bytes = self.stored_bytes.saturating_add(record.stored_bytes());
    }

    pub(crate) fn source(&self, name: &str) -> u64 {
        self.sources.get(name).copied().unwrap_or(0)
    }

    pub(crate) fn stream(&self, name: &str) -> u64 {
        self.streams.get(name).copied().unwrap_or(0)
    }
}

fn raise(counts: &mut BTreeMap<String, u64>, name: &str, value: u64) {
    match counts.get_mut(name) {
        Some(count) => *count = value,
        None => {
            counts.insert(name.to_owned(), value);
        }
    }
}

/// The file's bytes.
pub(crate) fn encode(counters: &Counters, checkpoint: &SignedCheckpoint) -> Vec<u8> {
    let mut body = format!("stored_bytes {}\n", counters.stored_bytes);
    for (name, count) in &counters.sources {
        body.push_str(&format!("source {count} {name}\n"));
    }
    for (name, count) in &counters.streams {
        body.push_str(&format!("stream {count} {name}\n"));
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
        let bad = || format!("has the line `{line}`");
        let (kind, rest) = line.split_once(' ').ok_or_else(bad)?;
        let (count, name) = rest.split_once(' ').unwrap_or((rest, ""));
        let count: u64 = count.parse().map_err(|_| bad())?;
        match kind {
            "stored_bytes" => counters.stored_bytes = count,
            "source" if name_is_usable(name) => raise(&mut counters.sources, name, count),
            "stream" if name_is_usable(name) => raise(&mut counters.streams, name, count),
            _ => return Err(bad()),
        }
    }
    let checkpoint =
        SignedCheckpoint::open(note.as_bytes(), verifier).map_err(|cause| cause.to_string())?;
    Ok((counters, checkpoint))
}

/// A state of this body under the right checksum.
#[cfg(any(test, fuzzing))]
pub(crate) fn with_sum(body: &[u8]) -> Vec<u8> {
    let head = format!("{HEAD} {:08x}\n", crc32c::crc32c(body));
    [head.as_bytes(), body].concat()
}
