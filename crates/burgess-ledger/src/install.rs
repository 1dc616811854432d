//! Puts whole files in place so that each is either absent or complete, and durable on return.
//!
//! A file is written under a staging name as soon as its content is known; a number of them is
//! then made durable together and gets its names.

use crate::disk::{Disk, DiskFile};
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

/// Where files are written before they get their name.
const STAGING: &str = "tmp";
/// Files staged at most: a long backlog is put in place piece by piece.
const STAGED_MAX: usize = 96;
/// Beyond this many files, one sync of the file system is cheaper than one of each. Below it, others
/// may write to the same file system, and their bytes are none of our business.
const FILES_SYNCED_ONE_BY_ONE: usize = 12;

pub(crate) struct Installer {
    disk: Arc<dyn Disk>,
    /// Names to come, each with its file.
    staged: Vec<(String, Box<dyn DiskFile>)>,
    /// Folders whose own names are known to be durable.
    durable_folders: BTreeSet<String>,
}

fn staging_name(n: usize) -> String {
    format!("{STAGING}/{n}")
}

impl Installer {
    pub(crate) fn new(disk: Arc<dyn Disk>) -> io::Result<Self> {
        disk.remove(STAGING)?;
        disk.make_folder(STAGING)?;
        Ok(Self {
            disk,
            staged: Vec::new(),
            durable_folders: BTreeSet::new(),
        })
    }

    /// Writes a file under a staging name. It gets its name with the next [`Installer::install`].
    pub(crate) fn stage(&mut self, name: String, bytes: &[u8]) -> io::Result<()> {
        let file = self.disk.create(&staging_name(self.staged.len()))?;
        file.write_at(0, bytes)?;
        self.staged.push((name, file));
        if self.staged.len() >= STAGED_MAX {
            self.install()?;
        }
        Ok(())
    }

    /// Syncs every staged file, then renames them all, then syncs the folders: after a crash a name
    /// is missing or stands for the whole content.
    pub(crate) fn install(&mut self) -> io::Result<()> {
        let staged = std::mem::take(&mut self.staged);
        if staged.len() > FILES_SYNCED_ONE_BY_ONE {
            self.disk.sync_everything()?;
        } else {
            staged.iter().try_for_each(|(_, file)| file.sync())?;
        }
        let mut folders = BTreeSet::new();
        for (n, (name, _)) in staged.iter().enumerate() {
            let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
            self.make_folders(folder)?;
            self.disk.rename(&staging_name(n), name)?;
            folders.insert(folder);
        }
        folders
            .into_iter()
            .try_for_each(|folder| self.disk.sync_folder(folder))
    }

    /// A folder that a crashed process made may not be durable yet, so each folder's parent is
    /// synced once per process even where the folder is already there.
    fn make_folders(&mut self, folder: &str) -> io::Result<()> {
        if folder.is_empty() || self.durable_folders.contains(folder) {
            return Ok(());
        }
        let parent = folder.rsplit_once('/').map_or("", |(parent, _)| parent);
        self.make_folders(parent)?;
        self.disk.make_folder(folder)?;
        self.disk.sync_folder(parent)?;
        self.durable_folders.insert(folder.to_owned());
        Ok(())
    }
}
