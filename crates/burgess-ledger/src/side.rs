//! The deletable files beside the bundles: for each entry its numbering and its side value.
//!
//! Not part of the standard and not bound by the log: what is deleted here breaks no proof. A file
//! is replaced as a whole while its bundle fills up and may run ahead of the checkpoint.

use crate::leaf::{Numbering, Record, put_bytes, take_bytes};
use crate::tile::grouped;

const HEAD: &[u8] = b"burgess.side/1\n";

/// The file of the `n`th bundle.
pub(crate) fn path(n: u64) -> String {
    format!("side/{}", grouped(n))
}

/// An empty file, to which [`push`] adds.
pub(crate) fn begin() -> Vec<u8> {
    HEAD.to_vec()
}

/// Adds the next entry.
pub(crate) fn push(file: &mut Vec<u8>, record: &Record) {
    record.numbering().encode(file);
    put_bytes(file, &record.side);
}

/// The entries of a file in the bundle's order; `None` where it is damaged.
pub(crate) fn decode(bytes: &[u8]) -> Option<Vec<(Numbering, Vec<u8>)>> {
    let mut rest = bytes.strip_prefix(HEAD)?;
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let numbering = Numbering::decode(&mut rest)?;
        entries.push((numbering, take_bytes(&mut rest)?.to_vec()));
    }
    Some(entries)
}

/// What stands for an entry whose file was deleted.
pub(crate) fn blank() -> (Numbering, Vec<u8>) {
    let (source, stream) = (String::new(), String::new());
    (
        Numbering {
            source,
            source_seq: 0,
            stream,
            sequence: 0,
        },
        Vec::new(),
    )
}

/// What must hold of a side file of any bytes.
#[cfg(any(test, fuzzing))]
pub(crate) fn check(bytes: &[u8]) {
    let Some(entries) = decode(bytes) else { return };
    let mut file = begin();
    for (numbering, value) in entries {
        numbering.encode(&mut file);
        put_bytes(&mut file, &value);
    }
    assert_eq!(file, bytes);
}
