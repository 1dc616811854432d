//! Puts whole files in place so that each is durable on return, and what replaces another is either
//! absent or complete.
//!
//! A tile that no published checkpoint needs yet is written under its own name as soon as its content
//! is known: whatever a crash leaves of it is written again before it is needed. A file that takes
//! the place of one that is needed is staged under another name first.

use crate::disk::{Disk, DiskFile};
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;
use std::thread;

/// Where files are written before they take the place of others.
const STAGING: &str = "tmp";
/// Beyond this many files, one sync of the file system is cheaper than one of each. Below it, others
/// may write to the same file system, and their bytes are none of our business.
const FILES_SYNCED_ONE_BY_ONE: usize = 12;
/// Files that are kept open while they are written out. Then their memory can be had for the next
/// ones: to find memory that was not in use costs more than writing.
const FILES_OPEN: usize = 64;

pub(crate) struct Installer {
    disk: Arc<dyn Disk>,
    /// The files written last that are not durable yet.
    files: VecDeque<Box<dyn DiskFile>>,
    /// How many are not durable yet, those included that are not open any more.
    count: usize,
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
        Ok(Self {
            disk,
            files: VecDeque::new(),
            count: 0,
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

    /// Writes a file that takes the place of another with the next [`Installer::install`].
    pub(crate) fn stage(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.make_folders(folder_of(name))?;
        self.note_folder(name);
        let staging = staging_name(self.staged.len());
        self.staged.push(name.to_owned());
        self.fill(&staging, bytes)
    }

    fn fill(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let file = self.disk.create(name)?;
        file.write_at(0, bytes)?;
        // Many files come at once, and a scheduler lets them have a core for milliseconds while the
        // sequencer waits for that very core.
        thread::yield_now();
        file.complete();
        thread::yield_now();
        self.files.push_back(file);
        self.count += 1;
        if let Some(written) = self.files.pop_front_if(|_| self.count > FILES_OPEN) {
            written.complete();
        }
        Ok(())
    }

    /// Syncs the content of every file written or staged, then gives the staged ones their names,
    /// then syncs the folders: after a crash a staged name stands for the old content or the new.
    pub(crate) fn install(&mut self) -> io::Result<()> {
        let staged = std::mem::take(&mut self.staged);
        let files = std::mem::take(&mut self.files);
        if std::mem::take(&mut self.count) > FILES_SYNCED_ONE_BY_ONE {
            self.disk.sync_everything()?;
            files.iter().for_each(|file| file.complete());
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
