//! The port to the storage, over the simulated disk.

use super::promise::{Broken, Sync};
use super::{Effect, Inode, Node, Simulator, apply, parent};
use burgess_ledger::disk::{Disk, DiskFile};
use std::io;

/// `tile/0/001` is spoken of as `tile`.
fn kind(name: &str) -> &str {
    match name.split_once('/') {
        Some((kind, _)) => kind,
        None if name.is_empty() => "the ledger's folder",
        None => name,
    }
}

/// What a new name takes of a disk that is nearly full.
const NAME_BYTES: usize = 256;

struct Handle {
    disk: Simulator,
    inode: usize,
    name: String,
}

impl DiskFile for Handle {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        let mut state = self.disk.lock();
        let effect = state.operation(|| format!("write {}", kind(&self.name)))?;
        let there = state.inodes[self.inode].current.len();
        let taken = state.take((offset + bytes.len()).saturating_sub(there));
        let inode = &mut state.inodes[self.inode];
        if let Err(full) = taken {
            let kept = there.saturating_sub(offset).min(bytes.len());
            inode.write(offset, &bytes[..kept]); // as far as the file has its blocks
            return Err(full);
        }
        apply(&effect, || inode.write(offset, bytes))
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.lock();
        let effect = state.operation(|| format!("sync {}", kind(&self.name)))?;
        let again = state.inodes[self.inode].asked_before();
        let segment = self.name.starts_with("wal/");
        let reason = match self.name.starts_with("tmp/") {
            _ if segment && again => Sync::Group,
            _ if segment && !state.inodes[self.inode].is_zeros() => Sync::GroupAgain,
            _ if segment => Sync::ZeroFill,
            true => Sync::Staged,
            false => Sync::Placed,
        };
        if state.skips(Some(reason)) {
            return Ok(());
        }
        match effect {
            Effect::Fail => state.inodes[self.inode].lose(),
            _ if segment => state.inodes[self.inode].sync(),
            _ => state.sync_file(self.inode),
        }
        apply(&effect, || ())
    }
}

impl Disk for Simulator {
    fn writers(&self) -> usize {
        self.writers
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let state = self.lock();
        state.powered()?;
        Ok(state.inodes[state.inode(name)?].current.clone())
    }

    fn size(&self, name: &str) -> io::Result<u64> {
        let state = self.lock();
        state.powered()?;
        Ok(state.inodes[state.inode(name)?].current.len() as u64)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let state = self.lock();
        state.powered()?;
        let inside = state.names.keys().filter(|name| parent(name) == folder);
        Ok(inside
            .map(|name| name.rsplit('/').next().unwrap().to_owned())
            .collect())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.lock();
        if !parent(name).is_empty() && !state.names.contains_key(parent(name)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let effect = state.operation(|| format!("create {}", kind(name)))?;
        state.take(NAME_BYTES)?;
        let inode = state.inodes.len();
        apply(&effect, || {
            state.inodes.push(Inode::default());
            state.change(name, Some(Node::File(inode)), None);
        })?;
        Ok(Box::new(Handle {
            disk: self.clone(),
            inode,
            name: name.to_owned(),
        }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let state = self.lock();
        state.powered()?;
        let inode = state.inode(name)?;
        Ok(Box::new(Handle {
            disk: self.clone(),
            inode,
            name: name.to_owned(),
        }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.lock();
        let inode = state.inode(from)?;
        let effect = state.operation(|| format!("rename {}", kind(to)))?;
        let tile = to.starts_with("tile/") || to.starts_with("side/");
        if !tile && state.late.files.contains(&inode) {
            state.late.files.retain(|late| *late != inode);
            state.inodes[inode].sync();
        }
        apply(&effect, || {
            if let Ok(replaced) = state.inode(to) {
                state.freed += state.inodes[replaced].current.len();
            }
            let within = parent(from) == parent(to);
            state.change(to, Some(Node::File(inode)), within.then_some(from));
            if !within {
                state.change(from, None, None);
            }
            state.named(to);
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.lock();
        let effect = state.operation(|| format!("remove {}", kind(name)))?;
        let inside = format!("{name}/");
        let gone: Vec<String> = state
            .names
            .keys()
            .filter(|other| *other == name || other.starts_with(&inside))
            .cloned()
            .collect();
        apply(&effect, || gone.iter().for_each(|name| state.forget(name)))
    }

    fn make_folder(&self, name: &str) -> io::Result<()> {
        let mut state = self.lock();
        let effect = state.operation(|| format!("make folder {}", kind(name)))?;
        if state.names.contains_key(name) {
            return Ok(());
        }
        state.take(NAME_BYTES)?;
        apply(&effect, || state.change(name, Some(Node::Folder), None))
    }

    /// Of what is allowed, the least: the files that are being put in place.
    fn sync_everything(&self) -> io::Result<()> {
        let mut state = self.lock();
        let effect = state.operation(|| "sync everything".to_owned())?;
        if state.skips(Some(Sync::Bulk)) {
            return Ok(());
        }
        let placed: Vec<usize> = state
            .names
            .iter()
            .filter_map(|(name, node)| match node {
                Node::File(inode) if !name.starts_with("wal/") => Some(*inode),
                _ => None,
            })
            .collect();
        for inode in placed {
            match effect {
                Effect::Fail => state.inodes[inode].lose(),
                _ => state.sync_file(inode),
            }
        }
        apply(&effect, || ())
    }

    fn sync_folder(&self, name: &str) -> io::Result<()> {
        let mut state = self.lock();
        let effect = state.operation(|| format!("sync folder {}", kind(name)))?;
        let reason = state.reason(name);
        if state.skips(reason) {
            return Ok(());
        }
        // Unlike content, names stay in the journal's hands when syncing them fails.
        let last = reason == Some(Sync::Checkpoint);
        let of_tiles = name.starts_with("tile") || name.starts_with("side");
        match state.broken {
            Some(Broken::TilesLate) if of_tiles => {
                state.late.folders.insert(name.to_owned());
                return Ok(());
            }
            Some(Broken::StateLate) if name.is_empty() => {
                state.sync_names(name, Some("state"));
                state.late.folders.insert(name.to_owned());
            }
            _ => apply(&effect, || state.sync_names(name, None))?,
        }
        state.late.due |= last;
        Ok(())
    }
}
