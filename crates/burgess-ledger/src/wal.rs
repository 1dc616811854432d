//! The write-ahead segments: the durable copy of every acknowledged entry that no published
//! checkpoint covers yet.
//!
//! A segment is a zero-filled file of fixed size, so that `fdatasync` has no metadata to write; a
//! segment whose entries are all published is renamed and used again. Entries are written in
//! groups, one group per `fdatasync`. A group is framed as a whole and starts on a block of its
//! own: writing it never touches a block that holds an acknowledged entry.
//!
//! What was torn off by a crash is told from what was damaged later: the writer never starts a
//! group before the previous one is durable, so a bad group with a good one behind it was
//! acknowledged and has been damaged.

use crate::disk::{Disk, DiskFile};
use crate::leaf::{Record, put_bytes, take_bytes};
use std::io;
use std::sync::Arc;

/// Groups start on this boundary: the page of the cache and the block of common disks.
const BLOCK: usize = 4096;
/// Marks the beginning of a group; the digit is the version of the frame.
const MAGIC: &[u8; 8] = b"burgwal1";
/// magic, segment number, first index, entries, payload bytes, CRC-32C.
const HEADER: usize = 8 + 8 + 8 + 4 + 4 + 4;
const FOLDER: &str = "wal";

/// A group of entries read back.
pub(crate) struct Group {
    pub(crate) records: Vec<Record>,
    bytes: usize,
}

/// Why the segments cannot be trusted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WalError {
    #[error("`{file}` is damaged at byte {offset}: acknowledged entries from {index} on follow")]
    Damaged {
        file: String,
        offset: usize,
        index: u64,
    },
    #[error("`{file}` begins at entry {found}, entries from {expected} on are missing")]
    Gap {
        file: String,
        found: u64,
        expected: u64,
    },
    #[error("`{file}`: {cause}")]
    Io { file: String, cause: io::Error },
}

fn segment_name(number: u64) -> String {
    format!("{FOLDER}/{number:016}")
}

/// Frames records as one group, without the padding to the next block.
fn encode_group(segment: u64, records: &[Record]) -> Option<Vec<u8>> {
    let mut payload = Vec::new();
    for record in records {
        record.encode(&mut payload);
    }
    let first = records.first()?.index;
    let count = u32::try_from(records.len()).ok()?;
    let mut covered = Vec::with_capacity(payload.len() + HEADER);
    covered.extend_from_slice(&segment.to_be_bytes());
    covered.extend_from_slice(&first.to_be_bytes());
    covered.extend_from_slice(&count.to_be_bytes());
    put_bytes(&mut covered, &payload);
    let mut group = MAGIC.to_vec();
    group.extend_from_slice(&crc32c::crc32c(&covered).to_be_bytes());
    group.append(&mut covered);
    Some(group)
}

/// Reads the group at the start of `bytes`, if there is a whole and undamaged one of this segment.
fn decode_group(segment: u64, bytes: &[u8]) -> Option<Group> {
    let (magic, rest) = bytes.split_first_chunk::<8>()?;
    let (crc, covered) = rest.split_first_chunk::<4>()?;
    let (number, after) = covered.split_first_chunk::<8>()?;
    if magic != MAGIC || u64::from_be_bytes(*number) != segment {
        return None;
    }
    let (first, after) = after.split_first_chunk::<8>()?;
    let (count, mut after) = after.split_first_chunk::<4>()?;
    let mut payload = take_bytes(&mut after)?;
    let bytes = HEADER + payload.len();
    let covered = covered.get(..bytes - 12)?;
    if crc32c::crc32c(covered) != u32::from_be_bytes(*crc) {
        return None;
    }
    let first = u64::from_be_bytes(*first);
    let mut records = Vec::new();
    for n in 0..u64::from(u32::from_be_bytes(*count)) {
        records.push(Record::decode(first.checked_add(n)?, &mut payload)?);
    }
    payload.is_empty().then_some(Group { records, bytes })
}

/// The next block boundary at or after `offset`.
fn aligned(offset: usize) -> usize {
    offset.next_multiple_of(BLOCK)
}

/// Entries from `size` on, in order, as far as the segments hold them; and the numbers of the
/// segments that are there.
pub(crate) fn recover(disk: &dyn Disk, size: u64) -> Result<(Vec<Record>, Vec<u64>), WalError> {
    let io = |file: String| move |cause| WalError::Io { file, cause };
    let mut numbers: Vec<u64> = disk
        .list(FOLDER)
        .map_err(io(FOLDER.to_owned()))?
        .iter()
        .filter_map(|name| name.parse().ok())
        .collect();
    numbers.sort_unstable();
    let mut records: Vec<Record> = Vec::new();
    let mut expected = size;
    for &number in &numbers {
        let file = segment_name(number);
        let bytes = disk.read(&file).map_err(io(file.clone()))?;
        for record in groups_of(&file, number, &bytes)?
            .into_iter()
            .flat_map(|g| g.records)
        {
            if record.index < size {
                continue; // a published checkpoint covers it
            }
            if record.index != expected {
                return Err(WalError::Gap {
                    file,
                    found: record.index,
                    expected,
                });
            }
            expected += 1;
            records.push(record);
        }
    }
    Ok((records, numbers))
}

/// The groups of one segment up to its torn or unused end.
fn groups_of(file: &str, number: u64, bytes: &[u8]) -> Result<Vec<Group>, WalError> {
    let (mut offset, mut groups) = (0, Vec::new());
    while let Some(group) = bytes
        .get(offset..)
        .and_then(|rest| decode_group(number, rest))
    {
        offset = aligned(offset + group.bytes);
        groups.push(group);
    }
    let mut later = offset + BLOCK;
    while let Some(rest) = bytes.get(later..).filter(|rest| !rest.is_empty()) {
        if let Some(index) = decode_group(number, rest)
            .and_then(|group| group.records.first().map(|record| record.index))
        {
            return Err(WalError::Damaged {
                file: file.to_owned(),
                offset,
                index,
            });
        }
        later += BLOCK;
    }
    Ok(groups)
}

/// The writing end. Owned by the sequencer's thread.
pub(crate) struct Wal {
    disk: Arc<dyn Disk>,
    segment_bytes: usize,
    number: u64,
    file: Box<dyn DiskFile>,
    offset: usize,
    /// Index after the last entry of the current segment.
    end: u64,
    /// Segments that are not written any more, each with the index after its last entry.
    old: Vec<(u64, u64)>,
    /// Calls of `fdatasync` for groups so far.
    pub(crate) syncs: u64,
}

impl Wal {
    /// Starts writing in a fresh segment; `numbers` are the segments of an earlier run, all of whose
    /// entries (below `size`) are published.
    pub(crate) fn start(
        disk: Arc<dyn Disk>,
        segment_bytes: usize,
        numbers: &[u64],
        size: u64,
    ) -> io::Result<Self> {
        disk.make_folder(FOLDER)?;
        disk.sync_folder("")?;
        let mut old: Vec<(u64, u64)> = numbers.iter().map(|&number| (number, size)).collect();
        let number = numbers.last().map_or(1, |last| last + 1);
        let file = next_segment(&*disk, &mut old, number, segment_bytes, size)?;
        Ok(Self {
            disk,
            segment_bytes,
            number,
            file,
            offset: 0,
            end: size,
            old,
            syncs: 0,
        })
    }

    /// Writes records as one group and makes it durable. `published` is the size that the published
    /// checkpoint covers: segments below it may be used again.
    pub(crate) fn append(&mut self, records: &[Record], published: u64) -> io::Result<()> {
        let mut group = self.frame(records)?;
        if self.offset + group.len() > self.segment_bytes {
            self.rotate(published)?;
            group = self.frame(records)?; // the frame names its segment
        }
        let offset = u64::try_from(self.offset).map_err(io::Error::other)?;
        self.file.write_at(offset, &group)?;
        self.file.sync()?;
        self.syncs += 1;
        self.offset = aligned(self.offset + group.len());
        self.end = records.last().map_or(self.end, |record| record.index + 1);
        Ok(())
    }

    /// Begins a fresh segment if `rotate`, and writes zeros over those that are not written any more
    /// and whose entries are published. Answers whether others remain.
    pub(crate) fn clear(&mut self, rotate: bool, published: u64) -> io::Result<bool> {
        if rotate {
            self.old.push((self.number, self.end));
        }
        let done = self.old.iter().filter(|(_, end)| *end <= published);
        done.map(|(number, _)| segment_name(*number))
            .try_for_each(|name| clear(&*self.disk, &name))?;
        if rotate {
            self.next(published)?; // only now: it may be one of them
        }
        Ok(self.old.iter().any(|(_, end)| *end > published))
    }

    fn frame(&self, records: &[Record]) -> io::Result<Vec<u8>> {
        let group = encode_group(self.number, records);
        group
            .filter(|group| group.len() <= self.segment_bytes)
            .ok_or_else(|| io::Error::other("a group is larger than a segment"))
    }

    fn rotate(&mut self, published: u64) -> io::Result<()> {
        self.old.push((self.number, self.end));
        self.next(published)
    }

    fn next(&mut self, published: u64) -> io::Result<()> {
        self.number += 1;
        self.offset = 0;
        let bytes = self.segment_bytes;
        self.file = next_segment(&*self.disk, &mut self.old, self.number, bytes, published)?;
        Ok(())
    }
}

/// Writes zeros over a whole file, in place, so that what it held is gone from the disk's blocks too
/// as far as a file system writes in place.
pub(crate) fn clear(disk: &dyn Disk, name: &str) -> io::Result<()> {
    let bytes = usize::try_from(disk.size(name)?).map_err(io::Error::other)?;
    let file = disk.open(name)?;
    file.write_at(0, &vec![0; bytes])?;
    file.sync()
}

/// A segment to write next: one whose entries are all published under a new number, or a new file.
/// Its name is durable before its first group is.
fn next_segment(
    disk: &dyn Disk,
    old: &mut Vec<(u64, u64)>,
    number: u64,
    bytes: usize,
    published: u64,
) -> io::Result<Box<dyn DiskFile>> {
    let name = segment_name(number);
    let spare = old.iter().position(|(_, end)| *end <= published);
    if let Some((spare, _)) = spare.map(|at| old.remove(at)) {
        let spare = segment_name(spare);
        if usize::try_from(disk.size(&spare)?) == Ok(bytes) {
            disk.rename(&spare, &name)?;
            disk.sync_folder(FOLDER)?;
            return disk.open(&name);
        }
        disk.remove(&spare)?; // made under another size setting, or cut short while being filled
    }
    let file = disk.create(&name)?;
    file.write_at(0, &vec![0; bytes])?; // durable with the first group, before which it says nothing
    disk.sync_folder(FOLDER)?;
    Ok(file)
}

/// What must hold of a segment of any bytes, and of a group with any content.
#[cfg(any(test, fuzzing))]
pub(crate) fn check(bytes: &[u8]) {
    const SEGMENT: u64 = 7;
    drop(groups_of("segment", SEGMENT, bytes));
    let mut covered = SEGMENT.to_be_bytes().to_vec();
    covered.extend_from_slice(bytes.get(..12).unwrap_or_default());
    put_bytes(&mut covered, bytes.get(12..).unwrap_or_default());
    let mut group = MAGIC.to_vec();
    group.extend_from_slice(&crc32c::crc32c(&covered).to_be_bytes());
    group.extend_from_slice(&covered);
    if let Some(found) = decode_group(SEGMENT, &group).filter(|found| !found.records.is_empty()) {
        assert_eq!(found.bytes, group.len());
        assert_eq!(encode_group(SEGMENT, &found.records), Some(group));
    }
}
