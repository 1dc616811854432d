//! Puts whole files in place so that each is durable on return, and what replaces another is either
//! absent or complete.
//!
//! A tile that no published checkpoint needs yet is written under its own name as soon as its content
//! is known: whatever a crash leaves of it is written again before it is needed. A file that takes
//! the place of one that is needed is staged under another name first.

use crate::disk::{Disk, DiskFile};
use crate::writers::{self, Writers};
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

/// Where files are written before they take the place of others.
const STAGING: &str = "tmp";
/// Beyond this many files, one sync of the file system is cheaper than one of each. Below it, others
/// may write to the same file system, and their bytes are none of our business.
const FILES_SYNCED_ONE_BY_ONE: usize = 12;

pub(crate) struct Installer {
    disk: Arc<dyn Disk>,
    /// Files that are not durable yet, unless there are so many that everything will be synced.
    files: Vec<Box<dyn DiskFile>>,
    /// How many they are.
    count: usize,
    /// Who writes what are more than that.
    writers: Writers,
    /// Names to come, in the order of the staging names.
    staged: Vec<String>,
    /// Folders with names that are not durable yet.
    folders: BTreeSet<String>,
    /// Folders whose own names are durable, or will be with the next install.
    made_folders: BTreeSet<String>,
}

fn staging_name(n: usize) -> String {
    format!("{STAGING}/{n}")
}

fn folder_of(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}

impl Installer {
    pub(crate) fn new(disk: Arc<dyn Disk>) -> io::Result<Self> {
        disk.remove(STAGING)?;
        disk.make_folder(STAGING)?;
        let writers = Writers::start(&disk, disk.writers())?;
        Ok(Self {
            disk,
            files: Vec::new(),
            count: 0,
            writers,
            staged: Vec::new(),
            folders: BTreeSet::new(),
            made_folders: BTreeSet::new(),
        })
    }

    pub(crate) fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    /// Writes a file that nothing needs before the next [`Installer::install`].
    pub(crate) fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.make_folders(folder_of(name))?;
        self.note_folder(name);
        self.fill(name, bytes)
    }

    /// As [`Installer::write`], for bytes that are not needed any more; they are empty afterwards.
    pub(crate) fn hand_over(&mut self, name: &str, bytes: &mut Vec<u8>) -> io::Result<()> {
        if !self.are_many() {
            let written = self.write(name, bytes);
            bytes.clear();
            return written;
        }
        self.make_folders(folder_of(name))?;
        self.note_folder(name);
        let bytes = std::mem::replace(bytes, self.writers.spare());
        self.queue(name, bytes);
        Ok(())
    }

    /// Writes a file that takes the place of another with the next [`Installer::install`].
    pub(crate) fn stage(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.make_folders(folder_of(name))?;
        self.note_folder(name);
        let staging = staging_name(self.staged.len());
        self.fill(&staging, bytes)?;
        self.staged.push(name.to_owned()); // only now: what is cut short takes nobody's place
        Ok(())
    }

    fn fill(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        if self.are_many() {
            let mut copy = self.writers.spare();
            copy.extend_from_slice(bytes);
            self.queue(name, copy);
            return Ok(());
        }
        let file = writers::write(&*self.disk, name, bytes)?;
        self.count += 1;
        if self.count <= FILES_SYNCED_ONE_BY_ONE {
            self.files.push(file);
        } else {
            self.files.clear();
        }
        Ok(())
    }

    /// Whether everything will be synced anyhow, so that threads may write what else comes.
    fn are_many(&self) -> bool {
        self.count >= FILES_SYNCED_ONE_BY_ONE && self.writers.are_there()
    }

    fn queue(&mut self, name: &str, bytes: Vec<u8>) {
        self.writers.write(name, bytes);
        self.count += 1;
        self.files.clear();
    }

    /// Syncs the content of every file written or staged, then gives the staged ones their names,
    /// then syncs the folders: after a crash a staged name stands for the old content or the new.
    pub(crate) fn install(&mut self) -> io::Result<()> {
        let staged = std::mem::take(&mut self.staged);
        let files = std::mem::take(&mut self.files);
        if std::mem::take(&mut self.count) > FILES_SYNCED_ONE_BY_ONE {
            self.writers.wait()?;
            self.disk.sync_everything()?;
            self.writers.release();
        } else {
            files.iter().try_for_each(|file| file.sync())?;
        }
        for (n, name) in staged.iter().enumerate() {
            self.disk.rename(&staging_name(n), name)?;
        }
        let folders = std::mem::take(&mut self.folders);
        folders
            .iter()
            .try_for_each(|folder| self.disk.sync_folder(folder))
    }

    fn note_folder(&mut self, name: &str) {
        let folder = folder_of(name);
        if !self.folders.contains(folder) {
            self.folders.insert(folder.to_owned());
        }
    }

    /// Removes a folder that nothing needs any more.
    pub(crate) fn remove_folder(&mut self, folder: &str) -> io::Result<()> {
        self.made_folders.remove(folder);
        self.disk.remove(folder)
    }

    /// A folder that a crashed process made may not be durable yet, so each folder's parent is
    /// synced once per process even where the folder is already there: with the files in it.
    fn make_folders(&mut self, folder: &str) -> io::Result<()> {
        if folder.is_empty() || self.made_folders.contains(folder) {
            return Ok(());
        }
        self.make_folders(folder_of(folder))?;
        self.disk.make_folder(folder)?;
        self.note_folder(folder);
        self.made_folders.insert(folder.to_owned());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Directory;
    use std::fs;

    #[test]
    fn a_file_that_could_not_be_staged_takes_nobodys_place_with_the_next_install() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(Directory::take(folder.path()).unwrap());
        let mut installer = Installer::new(disk).unwrap();
        installer.write("one", b"as it was").unwrap();
        installer.install().unwrap();
        let staging = folder.path().join(staging_name(0));
        fs::create_dir(&staging).unwrap(); // where no file can be made
        assert!(installer.stage("one", b"cut short").is_err());
        fs::remove_dir(&staging).unwrap();
        installer.stage("other", b"whole").unwrap();
        installer.install().unwrap();
        let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
        assert_eq!(
            (read("one"), read("other")),
            (b"as it was".to_vec(), b"whole".to_vec())
        );
    }
}
