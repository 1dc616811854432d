//! The write-ahead segments: the durable copy of every acknowledged entry that no published
//! checkpoint covers yet.
//!
//! A segment is a zero-filled file of fixed size, so that `fdatasync` has no metadata to write; a
//! segment whose entries are all published is renamed and used again. Entries are written in
//! groups, one group per `fdatasync`. A group is framed as a whole, starts on a block of its own
//! and fills its last one: writing it never touches a block that holds an acknowledged entry, and
//! never reads one.
//!
//! What was torn off by a crash is told from what was damaged later: the writer never starts a
//! group before the previous one is durable, so a bad group with a good one behind it was
//! acknowledged and has been damaged.
//!
//! For the same reason only the newest group that an opening reads may be in the cache alone. It is
//! written again before anything outside the folder stands on it, see [`write_again`], so that the
//! newest group may be there more than once.

use crate::disk::{Disk, DiskFile, fill_with_zeros};
use crate::group::{Framed, Group};
use crate::names::Names;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Groups start on this boundary: the page of the cache and the block of common disks.
const BLOCK: usize = 4096;
const FOLDER: &str = "wal";

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
    #[error("`{file}` holds a group at byte {offset} that cannot be read")]
    Unreadable { file: String, offset: usize },
    #[error("`{file}`: {cause}")]
    Io { file: String, cause: io::Error },
}

fn segment_name(number: u64) -> String {
    format!("{FOLDER}/{number:016}")
}

/// The next block boundary at or after `offset`.
fn aligned(offset: usize) -> usize {
    offset.next_multiple_of(BLOCK)
}

/// What the segments of an earlier run hold.
pub(crate) struct Replayed {
    /// Entries beyond the published checkpoint, in order.
    pub(crate) groups: Vec<Group>,
    /// The numbers of the segments that are there, in order.
    pub(crate) segments: Vec<u64>,
    /// Those of them in which an earlier opening wrote the newest group again.
    pub(crate) again: Vec<u64>,
}

/// Entries from `size` on, as far as the segments hold them. New names are numbered in `names`.
pub(crate) fn recover(disk: &dyn Disk, size: u64, names: &mut Names) -> Result<Replayed, WalError> {
    let io = |file: String| move |cause| WalError::Io { file, cause };
    let mut segments: Vec<u64> = disk
        .list(FOLDER)
        .map_err(io(FOLDER.to_owned()))?
        .iter()
        .filter_map(|name| name.parse().ok())
        .collect();
    segments.sort_unstable();
    let (mut groups, mut again): (Vec<Group>, _) = (Vec::new(), Vec::new());
    let mut expected = size;
    for &number in &segments {
        let file = segment_name(number);
        let bytes = disk.read(&file).map_err(io(file.clone()))?;
        for (offset, framed) in groups_of(&file, number, &bytes, size)? {
            if framed.end() <= size {
                continue; // a published checkpoint covers it
            }
            if groups.last().is_some_and(|newest| framed.repeats(newest)) {
                again.push(number);
                continue;
            }
            if framed.first.max(size) != expected {
                return Err(WalError::Gap {
                    file,
                    found: framed.first,
                    expected,
                });
            }
            let Some(group) = framed.read(size, names) else {
                return Err(WalError::Unreadable { file, offset });
            };
            expected = group.end();
            groups.push(group);
            again.clear();
        }
    }
    Ok(Replayed {
        groups,
        segments,
        again,
    })
}

/// Writes the newest group that was read once more, durably, into a segment of its own. Answers that
/// segment's number.
///
/// Reading shows what a process wrote that died before its sync, and what a sync that failed has
/// lost: the power may still take it. Never in place, where the group may be the only copy of what
/// was acknowledged.
pub(crate) fn write_again(disk: &dyn Disk, newest: &Group, numbers: &[u64]) -> io::Result<u64> {
    let number = number_after(numbers);
    let file = disk.create(&segment_name(number))?;
    file.write_at(0, &newest.framed_for(number))?;
    file.sync()?;
    disk.sync_folder(FOLDER)?;
    Ok(number)
}

/// Removes segments whose groups stand in others too, from the disk's blocks as well.
pub(crate) fn forget(disk: &dyn Disk, numbers: &[u64]) -> io::Result<()> {
    clear_all(disk, numbers)?;
    let mut names = numbers.iter().map(|number| segment_name(*number));
    names.try_for_each(|name| disk.remove(&name))
}

/// Writes zeros over the segments of an earlier run, all of whose entries are published.
pub(crate) fn clear_all(disk: &dyn Disk, numbers: &[u64]) -> io::Result<()> {
    let mut names = numbers.iter().map(|number| segment_name(*number));
    names.try_for_each(|name| clear(disk, &name))
}

/// The number of the next segment; `numbers` are those that are there, in order.
fn number_after(numbers: &[u64]) -> u64 {
    numbers.last().map_or(1, |last| last + 1)
}

/// The groups of one segment up to its torn or unused end, each with its offset. What a published
/// checkpoint of `size` entries covers may be gone: a segment that was being cleared looks so.
fn groups_of<'a>(
    file: &str,
    number: u64,
    bytes: &'a [u8],
    size: u64,
) -> Result<Vec<(usize, Framed<'a>)>, WalError> {
    let (mut offset, mut groups) = (0, Vec::new());
    while let Some(framed) = bytes
        .get(offset..)
        .and_then(|rest| Framed::at(number, rest))
    {
        let end = aligned(offset + framed.bytes());
        groups.push((offset, framed));
        offset = end;
    }
    let mut later = offset + BLOCK;
    while let Some(rest) = bytes.get(later..).filter(|rest| !rest.is_empty()) {
        let framed = Framed::at(number, rest).filter(|framed| framed.end() > size);
        if let Some(framed) = framed {
            return Err(WalError::Damaged {
                file: file.to_owned(),
                offset,
                index: framed.first,
            });
        }
        later += BLOCK;
    }
    Ok(groups)
}

/// The segments that are not being written: those that wait for their entries to be published, and
/// the next one, which the publisher makes ready so that the sequencer need not wait for it.
pub(crate) struct Segments {
    disk: Arc<dyn Disk>,
    bytes: usize,
    /// The current segment is half full.
    wanted: AtomicBool,
    inner: Mutex<Spares>,
}

struct Spares {
    /// In the order in which they were written.
    old: Vec<Old>,
    /// The number that the next segment gets.
    next: u64,
    ready: Option<(u64, Box<dyn DiskFile>)>,
}

/// A segment that is not written any more.
struct Old {
    number: u64,
    /// Index after its last entry.
    end: u64,
    /// It holds something that must go from the disk's blocks.
    stale: bool,
}

impl Spares {
    /// Takes a segment out whose entries are all published.
    fn free(&mut self, published: u64) -> Option<Old> {
        let at = self.old.iter().position(|old| old.end <= published)?;
        Some(self.old.remove(at))
    }

    fn retire(&mut self, number: u64, end: u64) {
        let stale = false;
        self.old.push(Old { number, end, stale });
    }
}

impl Segments {
    /// Makes the next segment ready if it will be wanted soon. Only one whose entries the published
    /// checkpoint, of `published` entries, covers is used again.
    pub(crate) fn prepare(&self, published: u64) -> io::Result<()> {
        if !self.wanted.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let mut spares = self.lock();
        if spares.ready.is_none() {
            let segment = self.next(&mut spares, published)?;
            spares.ready = Some(segment);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Spares> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Retires the segment that was written last, whose entries end there; from here on none is used
    /// again as it is. The one that is ready may have been used before.
    fn all_stale(&self, last: u64, end: u64) -> io::Result<()> {
        let mut spares = self.lock();
        spares.retire(last, end);
        spares.old.iter_mut().for_each(|old| old.stale = true);
        match &spares.ready {
            Some((number, _)) => clear(&*self.disk, &segment_name(*number)),
            None => Ok(()),
        }
    }

    /// Writes zeros over stale segments whose entries are published. Answers whether others remain.
    fn clear(&self, published: u64) -> io::Result<bool> {
        let mut spares = self.lock();
        for old in spares.old.iter_mut().filter(|old| old.stale) {
            if old.end <= published {
                clear(&*self.disk, &segment_name(old.number))?;
                old.stale = false;
            }
        }
        Ok(spares.old.iter().any(|old| old.stale))
    }

    fn take(&self, published: u64) -> io::Result<(u64, Box<dyn DiskFile>)> {
        let mut spares = self.lock();
        match spares.ready.take() {
            Some(ready) => Ok(ready),
            None => self.next(&mut spares, published),
        }
    }

    /// A segment to write next: one whose entries are all published under a new number, or a new
    /// file. Its name is durable before its first group is.
    fn next(&self, spares: &mut Spares, published: u64) -> io::Result<(u64, Box<dyn DiskFile>)> {
        let next = spares.next;
        let name = segment_name(next);
        spares.next += 1;
        while let Some(Old { number, stale, .. }) = spares.free(published) {
            let free = segment_name(number);
            if stale {
                clear(&*self.disk, &free)?;
            }
            if usize::try_from(self.disk.size(&free)?) == Ok(self.bytes) {
                self.disk.rename(&free, &name)?;
                self.disk.sync_folder(FOLDER)?;
                return Ok((next, self.disk.open_in_blocks(&name)?));
            }
            // Made under another size setting, cut short while being filled, or holds a group that was
            // written again: that goes from the disk's blocks too, as when a segment is cleared.
            clear(&*self.disk, &free)?;
            self.disk.remove(&free)?;
        }
        let file = self.disk.create_in_blocks(&name)?;
        fill_with_zeros(&*file, self.bytes)?;
        file.sync()?;
        self.disk.sync_folder(FOLDER)?;
        Ok((next, file))
    }
}

/// The writing end. Owned by the sequencer's thread.
pub(crate) struct Wal {
    segments: Arc<Segments>,
    number: u64,
    file: Box<dyn DiskFile>,
    offset: usize,
    /// Index after the last entry of the current segment.
    end: u64,
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
        let mut spares = Spares {
            old: Vec::new(),
            next: number_after(numbers),
            ready: None,
        };
        numbers
            .iter()
            .for_each(|number| spares.retire(*number, size));
        let segments = Segments {
            disk,
            bytes: segment_bytes,
            wanted: AtomicBool::new(false),
            inner: Mutex::new(spares),
        };
        let (number, file) = segments.take(size)?;
        Ok(Self {
            segments: Arc::new(segments),
            number,
            file,
            offset: 0,
            end: size,
            syncs: 0,
        })
    }

    pub(crate) fn segments(&self) -> Arc<Segments> {
        self.segments.clone()
    }

    /// Begins a fresh segment if `rotate`, and writes zeros over those that are not written any more
    /// and whose entries are published. Answers whether others remain.
    pub(crate) fn clear(&mut self, rotate: bool, published: u64) -> io::Result<bool> {
        let segments = self.segments.clone();
        if rotate {
            segments.all_stale(self.number, self.end)?;
        }
        let remain = segments.clear(published)?;
        if rotate {
            self.begin(segments.take(published)?); // only now: it may be one of them
        }
        Ok(remain)
    }

    /// Writes a group and makes it durable. `published` is the size that the published checkpoint
    /// covers: segments below it may be used again.
    pub(crate) fn append(&mut self, group: &mut Group, published: u64) -> io::Result<()> {
        let bytes = aligned(group.frame_bytes());
        if bytes > self.segments.bytes {
            return Err(io::Error::other("a group is larger than a segment"));
        }
        if self.offset + bytes > self.segments.bytes {
            self.rotate(published)?;
        }
        group.seal(self.number);
        let offset = u64::try_from(self.offset).map_err(io::Error::other)?;
        self.file.write_at(offset, group.pad(BLOCK))?;
        self.file.sync()?;
        self.syncs += 1;
        let half = self.segments.bytes / 2;
        if self.offset < half && self.offset + bytes >= half {
            self.segments.wanted.store(true, Ordering::Relaxed);
        }
        self.offset += bytes;
        self.end = group.end();
        Ok(())
    }

    fn rotate(&mut self, published: u64) -> io::Result<()> {
        let next = self.segments.take(published)?;
        self.segments.lock().retire(self.number, self.end);
        self.begin(next);
        Ok(())
    }

    fn begin(&mut self, (number, file): (u64, Box<dyn DiskFile>)) {
        self.number = number;
        self.file = file;
        self.offset = 0;
    }
}

/// Writes zeros over a whole file, in place, so that what it held is gone from the disk's blocks too
/// as far as a file system writes in place.
pub(crate) fn clear(disk: &dyn Disk, name: &str) -> io::Result<()> {
    let bytes = usize::try_from(disk.size(name)?).map_err(io::Error::other)?;
    let file = disk.open(name)?;
    fill_with_zeros(&*file, bytes)?;
    file.sync()
}

/// What must hold of a segment of any bytes: what is read of it lies in it, in order.
#[cfg(any(test, fuzzing))]
pub(crate) fn check(number: u64, bytes: &[u8]) {
    let Ok(groups) = groups_of("segment", number, bytes, 0) else {
        return;
    };
    let mut end = 0;
    for (offset, framed) in groups {
        assert!(offset >= end && offset.is_multiple_of(BLOCK));
        end = offset + framed.bytes();
        assert!(end <= bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Directory;
    use crate::group::Framing;
    use crate::tree::leaf_hash;

    const CANARY: &[u8] = b"canary-7f3a";

    fn holds_canary(disk: &Directory) -> bool {
        let names = disk.list(FOLDER).unwrap();
        let bytes = |name: &String| disk.read(&format!("{FOLDER}/{name}")).unwrap();
        let holds = |bytes: Vec<u8>| bytes.windows(CANARY.len()).any(|part| part == CANARY);
        names.iter().map(bytes).any(holds)
    }

    // R8
    #[test]
    fn a_segment_that_waits_to_be_cleared_is_cleared_before_it_is_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(Directory::take(folder.path()).unwrap());
        let mut wal = Wal::start(disk.clone(), 1 << 16, &[], 0).unwrap();
        let mut names = Names::default();
        let name = names.intern("outbox");
        let mut framing = Framing::new();
        framing.begin(0, 1, 0, None);
        framing.push(&names, (name, 1), (name, 1), CANARY, |frame| {
            frame.extend_from_slice(b"leaf");
            leaf_hash(b"leaf")
        });
        wal.append(&mut framing.take(Vec::new()), 0).unwrap();
        assert!(wal.clear(true, 0).unwrap(), "its entry is not published");
        assert!(holds_canary(&disk));
        // Now it is, and before the order comes again the next segment is made ready.
        wal.segments.wanted.store(true, Ordering::Relaxed);
        wal.segments.prepare(1).unwrap();
        assert!(!holds_canary(&disk));
        assert!(!wal.clear(false, 1).unwrap());
    }
}
