//! Blobs: files by the SHA-256 of their bytes, under `blobs/ab/<the other 62 digits>`.
//!
//! A blob is there whole or not at all: it is written beside its place, synced, renamed, and
//! the folder is synced. Reading checks the bytes against the name. Not here: what a blob
//! means, which the records that name it say.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use burgess_core::digest::Digest;

use crate::error::StoreError;

/// Bytes of one blob at most. The largest export of a low-code platform seen is some
/// megabytes; ten times that is held in memory a few times over without harm.
pub const BLOB_BYTES_MAX: usize = 64_000_000;

/// The folder of blobs.
#[derive(Debug)]
pub struct Blobs {
    folder: PathBuf,
    /// Tells apart the unfinished files of concurrent writers.
    unfinished: AtomicU64,
}

impl Blobs {
    /// Opens the folder, making it when it is missing, and clears what a crash left unfinished.
    pub(crate) fn open(folder: PathBuf) -> Result<Self, StoreError> {
        let tmp = folder.join("tmp");
        if tmp.exists() {
            fs::remove_dir_all(&tmp).map_err(StoreError::io(&tmp))?;
        }
        fs::create_dir_all(&tmp).map_err(StoreError::io(&tmp))?;
        Ok(Self {
            folder,
            unfinished: AtomicU64::new(0),
        })
    }

    /// Keeps `bytes`; they are on disk when this returns. Keeping the same bytes again is harmless.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        if bytes.len() > BLOB_BYTES_MAX {
            return Err(StoreError::BlobTooLarge {
                size: bytes.len(),
                max: BLOB_BYTES_MAX,
            });
        }
        let digest = Digest::of(bytes);
        let (folder, path) = self.place(&digest);
        if path.exists() {
            return Ok(digest);
        }
        fs::create_dir_all(&folder).map_err(StoreError::io(&folder))?;
        let number = self.unfinished.fetch_add(1, Ordering::Relaxed);
        let tmp = self.folder.join("tmp").join(format!("{digest}.{number}"));
        write_synced(&tmp, bytes).map_err(StoreError::io(&tmp))?;
        fs::rename(&tmp, &path).map_err(StoreError::io(&path))?;
        for folder in [&folder, &self.folder] {
            sync_folder(folder).map_err(StoreError::io(folder))?;
        }
        Ok(digest)
    }

    /// The bytes of that digest; none when they are not here.
    pub fn get(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let (_, path) = self.place(digest);
        match fs::read(&path) {
            Ok(bytes) if Digest::of(&bytes) == *digest => Ok(Some(bytes)),
            Ok(_) => Err(StoreError::BlobDamaged(*digest)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StoreError::Io { path, source }),
        }
    }

    /// Removes the bytes of that digest, as a retention label asks; `false` when they were not here.
    pub fn remove(&self, digest: &Digest) -> Result<bool, StoreError> {
        let (folder, path) = self.place(digest);
        match fs::remove_file(&path) {
            Ok(()) => {
                sync_folder(&folder).map_err(StoreError::io(&folder))?;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(source) => Err(StoreError::Io { path, source }),
        }
    }

    fn place(&self, digest: &Digest) -> (PathBuf, PathBuf) {
        let name = digest.to_string();
        let (shelf, rest) = name.split_at_checked(2).unwrap_or(("", &name));
        let folder = self.folder.join(shelf);
        let path = folder.join(rest);
        (folder, path)
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}
