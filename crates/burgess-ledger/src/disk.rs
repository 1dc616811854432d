//! The port to the storage under a ledger, and the folder that is its usual other side.
//!
//! Names are relative to the ledger's folder and use `/`. The contract is that of POSIX: nothing is
//! durable before the `sync` that covers it, and a `sync` that failed promises nothing ever after.
//! The second implementation is the storage simulator of the tests, which loses, keeps and tears
//! whatever was not synced.

use crate::recovery::OpenError;
use rustix::fs::{Advice, FlockOperation, OFlags, fadvise, flock, syncfs};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// An open file of a [`Disk`].
pub trait DiskFile: Send {
    /// Writes all of `bytes` at `offset`; not durable.
    ///
    /// # Errors
    /// The storage's answer; how much was written is then unknown.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes the file's content durable (`fdatasync`). Never retried by the ledger: after an error
    /// the kernel may have dropped what it could not write.
    ///
    /// # Errors
    /// The storage's answer.
    fn sync(&self) -> io::Result<()>;

    /// Nothing more will be written to the file, and nobody will read it soon: writing it out can
    /// begin before a sync waits for it, and once it is written out it need not be kept in memory.
    /// A hint that may be given again: nothing is promised.
    fn complete(&self) {}
}

/// Storage of one ledger. A name appears or disappears durably only with [`Disk::sync_folder`] of
/// the folder that holds it; a rename is atomic.
pub trait Disk: Send + Sync + 'static {
    /// Threads that should write files at the same time; 0 for one after the other, in the order in
    /// which they are handed in.
    fn writers(&self) -> usize {
        0
    }
    /// The whole content of a file.
    ///
    /// # Errors
    /// `NotFound` where there is none.
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;
    /// Bytes of a file.
    ///
    /// # Errors
    /// `NotFound` where there is none.
    fn size(&self, name: &str) -> io::Result<u64>;
    /// Names in a folder, without order; a missing folder has none.
    ///
    /// # Errors
    /// The storage's answer.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;
    /// Creates or empties a file.
    ///
    /// # Errors
    /// The storage's answer.
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;
    /// Opens an existing file for writing.
    ///
    /// # Errors
    /// `NotFound` where there is none.
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;
    /// As [`Disk::create`], for a file that is written in whole blocks, again and again, and read
    /// when a log is opened alone: its bytes need not be kept in memory.
    ///
    /// # Errors
    /// The storage's answer.
    fn create_in_blocks(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.create(name)
    }
    /// As [`Disk::open`], for such a file.
    ///
    /// # Errors
    /// `NotFound` where there is none.
    fn open_in_blocks(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.open(name)
    }
    /// Renames, replacing what is there.
    ///
    /// # Errors
    /// The storage's answer.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file, or a folder with its files; nothing there is no error.
    ///
    /// # Errors
    /// The storage's answer.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Creates one folder; one that is there is no error.
    ///
    /// # Errors
    /// The storage's answer.
    fn make_folder(&self, name: &str) -> io::Result<()>;
    /// Makes the content of every file durable that was written so far, and perhaps more.
    ///
    /// # Errors
    /// The storage's answer, also for content that it tried to write earlier and lost.
    fn sync_everything(&self) -> io::Result<()>;
    /// Makes the names in a folder durable. The ledger's own folder is the empty name.
    ///
    /// # Errors
    /// The storage's answer.
    fn sync_folder(&self, name: &str) -> io::Result<()>;
}

/// A folder of the file system, held by one process alone.
#[derive(Debug)]
pub struct Directory {
    root: PathBuf,
    /// Keeps the `flock`; released when the last handle of the ledger is dropped.
    lock: File,
}

impl Directory {
    /// Takes the folder, creating it if need be.
    ///
    /// # Errors
    /// `WouldBlock` where another process holds it, otherwise the operating system's answer.
    pub fn take(root: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(root)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(root.join("lock"))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self {
            root: root.to_owned(),
            lock,
        })
    }

    /// As [`Directory::take`], with the errors of opening a ledger.
    pub(crate) fn taken(root: &Path) -> Result<Self, OpenError> {
        Self::take(root).map_err(|cause| match cause.kind() {
            io::ErrorKind::WouldBlock => OpenError::InUse(root.display().to_string()),
            _ => OpenError::Io {
                file: root.display().to_string(),
                cause,
            },
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() {
            self.root.clone()
        } else {
            self.root.join(name)
        }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Closing is not enough: a process that is just being started may hold a copy of the
        // descriptor, and the lock with it, until it has replaced itself. Nothing can be done
        // about an error here, and the lock ends with the process at the latest.
        let _unlocked = flock(&self.lock, FlockOperation::Unlock);
    }
}

impl DiskFile for File {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn complete(&self) {
        // Linux begins to write back what it is told will not be needed, and lets go of what it has
        // written back. A refusal changes nothing.
        let _hinted = fadvise(self, 0, None, Advice::DontNeed);
    }
}

/// Pages of memory, and a multiple of the blocks of common disks.
const BLOCK_BYTES: usize = 4_096;

/// A file that is written past the page cache, where the file system can: to find memory that was
/// not in use costs a machine more than to write, and nobody reads these bytes again soon.
struct Blocks {
    direct: File,
    /// For what cannot go past the cache.
    plain: File,
    /// Memory that begins somewhere before a page.
    memory: Mutex<Vec<u8>>,
}

impl Blocks {
    fn open(path: &Path, options: &mut OpenOptions) -> io::Result<Box<dyn DiskFile>> {
        let plain = options.write(true).open(path)?;
        let direct = i32::try_from(OFlags::DIRECT.bits()).map_err(io::Error::other)?;
        let direct = File::options().write(true).custom_flags(direct).open(path);
        let Ok(direct) = direct else {
            return Ok(Box::new(plain)); // a file system without that
        };
        let memory = Mutex::default();
        Ok(Box::new(Self {
            direct,
            plain,
            memory,
        }))
    }

    /// Writes whole blocks out of memory that begins with a page.
    fn write_blocks(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.len() < bytes.len() + BLOCK_BYTES {
            memory.resize(bytes.len() + BLOCK_BYTES, 0);
        }
        let page = memory.as_ptr().align_offset(BLOCK_BYTES);
        let rest = memory.get_mut(page..).unwrap_or_default();
        let Some(place) = rest.get_mut(..bytes.len()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        place.copy_from_slice(bytes);
        self.direct.write_all_at(place, offset)
    }
}

impl DiskFile for Blocks {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let block = u64::try_from(BLOCK_BYTES).map_err(io::Error::other)?;
        if offset.is_multiple_of(block) && bytes.len().is_multiple_of(BLOCK_BYTES) {
            match self.write_blocks(offset, bytes) {
                // The file system wants other blocks; nothing was written.
                Err(cause) if cause.kind() == io::ErrorKind::InvalidInput => {}
                other => return other,
            }
        }
        self.plain.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.direct.sync_data()
    }
}

impl Disk for Directory {
    fn writers(&self) -> usize {
        2
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        std::fs::read(self.path(name))
    }

    fn size(&self, name: &str) -> io::Result<u64> {
        Ok(std::fs::metadata(self.path(name))?.len())
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let entries = match std::fs::read_dir(self.path(folder)) {
            Ok(entries) => entries,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(cause) => return Err(cause),
        };
        entries
            .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(File::create(self.path(name))?))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(
            OpenOptions::new().write(true).open(self.path(name))?,
        ))
    }

    fn create_in_blocks(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Blocks::open(
            &self.path(name),
            File::options().create(true).truncate(true),
        )
    }

    fn open_in_blocks(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Blocks::open(&self.path(name), &mut File::options())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let path = self.path(name);
        let result = if path.is_dir() {
            std::fs::remove_dir_all(path)
        } else {
            std::fs::remove_file(path)
        };
        match result {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn make_folder(&self, name: &str) -> io::Result<()> {
        match std::fs::create_dir(self.path(name)) {
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }

    fn sync_everything(&self) -> io::Result<()> {
        // The lock has been open since before anything was written, so that no error is missed.
        Ok(syncfs(&self.lock)?)
    }

    fn sync_folder(&self, name: &str) -> io::Result<()> {
        File::open(self.path(name))?.sync_all()
    }
}

/// Fills a new file with zeros, in pieces, so that a large one takes no memory of its size.
pub(crate) fn fill_with_zeros(file: &dyn DiskFile, bytes: usize) -> io::Result<()> {
    const PIECE: usize = 1 << 20;
    let zeros = vec![0; PIECE.min(bytes)];
    let mut at = 0;
    while at < bytes {
        let piece = zeros.get(..PIECE.min(bytes - at)).unwrap_or_default();
        file.write_at(u64::try_from(at).map_err(io::Error::other)?, piece)?;
        at += piece.len();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_in_blocks_is_read_back_wherever_it_begins_and_ends() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Directory::take(folder.path()).unwrap();
        let mut expected = vec![0; 5 * BLOCK_BYTES];
        let file = disk.create_in_blocks("file").unwrap();
        file.write_at(0, &expected).unwrap();
        let parts = [
            (0, BLOCK_BYTES),
            (BLOCK_BYTES, 3 * BLOCK_BYTES),
            (7, 2 * BLOCK_BYTES),
            (2 * BLOCK_BYTES, 9),
            (BLOCK_BYTES - 1, 2),
            (4 * BLOCK_BYTES, BLOCK_BYTES),
        ];
        for (byte, (at, length)) in (1..).zip(parts) {
            let bytes = vec![byte; length];
            file.write_at(u64::try_from(at).unwrap(), &bytes).unwrap();
            expected[at..at + length].copy_from_slice(&bytes);
            file.sync().unwrap();
            assert_eq!(disk.read("file").unwrap(), expected, "part {byte}");
        }
        drop(file);
        let file = disk.open_in_blocks("file").unwrap();
        file.write_at(0, &vec![9; BLOCK_BYTES]).unwrap();
        expected[..BLOCK_BYTES].fill(9);
        assert_eq!(disk.read("file").unwrap(), expected);
        let missing = disk.open_in_blocks("nothing").map(drop).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}
