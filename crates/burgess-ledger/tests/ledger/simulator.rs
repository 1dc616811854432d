//! A disk that forgets. What was not synced may, when the power goes, be kept, lost, torn at a
//! prefix, or keep any subset of its bytes; a file may have grown without its content; names come
//! and go apart from files. A sync that fails loses what it should have written although reading
//! still shows it, as Linux does. It can fail at any operation, fail and persist nevertheless, be
//! full, and break one of the engine's promises on purpose.

mod dice;
mod inode;
pub mod promise;

use burgess_ledger::disk::{Disk, DiskFile};
pub use dice::Dice;
use inode::Inode;
use promise::{Broken, Sync};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

#[derive(Clone, Copy)]
enum Node {
    File(usize),
    Folder,
}

/// A change of names that no folder sync covers yet. A rename within one folder is one change.
#[derive(Clone)]
struct Change {
    name: String,
    node: Option<Node>,
    /// The old name of a rename within the folder.
    from: Option<String>,
}

#[derive(Default)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<String, Node>,
    durable_names: BTreeMap<String, Node>,
    pending: Vec<Change>,
    operations: u64,
    power_until: Option<u64>,
    /// The operation that fails, and whether it has its effect nevertheless.
    fault: Option<(u64, bool)>,
    /// What the operation that failed was.
    failed: Option<String>,
    /// From this operation on nothing may be made or grow.
    full_from: Option<u64>,
    broken: Option<Broken>,
    late: Late,
    synced: BTreeSet<Sync>,
}

/// What a broken order of publication holds back: made durable at the operation after the one that
/// it should have preceded.
#[derive(Default)]
struct Late {
    files: Vec<usize>,
    folders: BTreeSet<String>,
    due: bool,
}

/// A handle on the disk; clones share it.
#[derive(Clone, Default)]
pub struct Simulator {
    state: Arc<Mutex<State>>,
}

fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(parent, _)| parent)
}

enum Effect {
    Normal,
    /// It fails, but has its effect.
    FailButPersist,
    Fail,
}

fn eio() -> io::Error {
    io::Error::other("input/output error")
}

impl State {
    /// Counts an operation that changes something.
    fn operation(&mut self, what: impl FnOnce() -> String) -> io::Result<Effect> {
        self.powered()?;
        self.operations += 1;
        if std::mem::take(&mut self.late.due) {
            self.make_up_for_lateness();
        }
        match self.fault {
            Some((at, persisted)) if at == self.operations => {
                self.failed = Some(what());
                Ok(if persisted {
                    Effect::FailButPersist
                } else {
                    Effect::Fail
                })
            }
            _ => Ok(Effect::Normal),
        }
    }

    fn powered(&self) -> io::Result<()> {
        match self.power_until {
            Some(until) if self.operations >= until => Err(io::Error::other("the power is off")),
            _ => Ok(()),
        }
    }

    fn is_full(&self) -> bool {
        self.full_from.is_some_and(|from| self.operations >= from)
    }

    fn room(&self) -> io::Result<()> {
        if self.is_full() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn change(&mut self, name: &str, node: Option<Node>, from: Option<&str>) {
        let name = name.to_owned();
        let from = from.map(str::to_owned);
        put(&mut self.names, &name, node, from.as_deref());
        self.pending.push(Change { name, node, from });
    }

    fn inode(&self, name: &str) -> io::Result<usize> {
        match self.names.get(name) {
            Some(Node::File(inode)) => Ok(*inode),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn skips(&mut self, sync: Option<Sync>) -> bool {
        self.synced.extend(sync);
        sync.is_some_and(|sync| self.broken == Some(Broken::Skipped(sync)))
    }

    /// Why a folder is synced: the newest change in it tells.
    fn reason(&self, folder: &str) -> Option<Sync> {
        let mut changes = self.pending.iter().rev();
        let newest = changes.find(|change| parent(&change.name) == folder)?;
        match (newest.name.as_str(), newest.node?) {
            ("wal", _) => Some(Sync::WalFolder),
            (_, Node::Folder) => Some(Sync::FolderName),
            ("state", _) => Some(Sync::State),
            ("checkpoint", _) => Some(Sync::Checkpoint),
            (name, _) if name.starts_with("wal/") => Some(match newest.from {
                Some(_) => Sync::RenamedSegment,
                None => Sync::NewSegment,
            }),
            (name, _) if name.starts_with("tile/") => Some(Sync::TileNames),
            (name, _) if name.starts_with("side/") => Some(Sync::SideNames),
            _ => None,
        }
    }

    fn sync_names(&mut self, folder: &str, but: Option<&str>) {
        let (covered, pending) =
            std::mem::take(&mut self.pending)
                .into_iter()
                .partition(|change| {
                    parent(&change.name) == folder && Some(change.name.as_str()) != but
                });
        self.pending = pending;
        let covered: Vec<Change> = covered;
        for change in covered {
            put(
                &mut self.durable_names,
                &change.name,
                change.node,
                change.from.as_deref(),
            );
        }
    }

    fn make_up_for_lateness(&mut self) {
        for inode in std::mem::take(&mut self.late.files) {
            self.inodes[inode].sync();
        }
        for folder in std::mem::take(&mut self.late.folders) {
            self.sync_names(&folder, None);
        }
    }

    fn sync_staged(&mut self, inode: usize) {
        if self.broken == Some(Broken::TilesLate) {
            self.late.files.push(inode); // unless it turns out to be no tile
        } else {
            self.inodes[inode].sync();
        }
    }
}

fn put(names: &mut BTreeMap<String, Node>, name: &str, node: Option<Node>, from: Option<&str>) {
    if let Some(from) = from {
        names.remove(from);
    }
    match node {
        Some(node) => names.insert(name.to_owned(), node),
        None => names.remove(name),
    };
}

/// Runs `change` unless the operation fails without effect.
fn apply<T>(effect: &Effect, change: impl FnOnce() -> T) -> io::Result<T> {
    match effect {
        Effect::Normal => Ok(change()),
        Effect::FailButPersist => {
            change();
            Err(eio())
        }
        Effect::Fail => Err(eio()),
    }
}

impl Simulator {
    pub fn breaking(broken: Broken) -> Self {
        let simulator = Self::default();
        simulator.lock().broken = Some(broken);
        simulator
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// The syncs that the engine has asked for so far.
    pub fn synced(&self) -> BTreeSet<Sync> {
        self.lock().synced.clone()
    }

    /// The power goes after so many more operations.
    pub fn power_for(&self, operations: u64) {
        let mut state = self.lock();
        state.power_until = Some(state.operations + operations);
    }

    pub fn is_off(&self) -> bool {
        self.lock().powered().is_err()
    }

    /// The process died, the machine did not: a new one finds everything as it was written.
    pub fn restart(&self) {
        self.lock().power_until = None;
    }

    /// The given operation from now fails once, with or without its effect.
    pub fn fail(&self, operation: u64, persisted: bool) {
        let mut state = self.lock();
        state.fault = Some((state.operations + operation, persisted));
    }

    /// What failed, as `write tile`.
    pub fn failed(&self) -> Option<String> {
        self.lock().failed.clone()
    }

    /// After so many more operations nothing may be made or grow.
    pub fn fill_up_after(&self, operations: u64) {
        let mut state = self.lock();
        state.full_from = Some(state.operations + operations + 1);
    }

    /// There is space again.
    pub fn make_space(&self) {
        self.lock().full_from = None;
    }

    /// What is left when the power comes back.
    pub fn cut(&self, dice: &mut Dice) -> Self {
        let state = self.lock();
        let mut names = state.durable_names.clone();
        for change in &state.pending {
            if dice.roll(2) == 0 {
                put(
                    &mut names,
                    &change.name,
                    change.node,
                    change.from.as_deref(),
                );
            }
        }
        let folders = names.clone();
        names.retain(|name, _| {
            let mut folder = parent(name);
            while !folder.is_empty() {
                if !matches!(folders.get(folder), Some(Node::Folder)) {
                    return false;
                }
                folder = parent(folder);
            }
            true
        });
        let mut inodes = Vec::new();
        for node in names.values_mut() {
            if let Node::File(inode) = node {
                inodes.push(state.inodes[*inode].survivor(dice));
                *inode = inodes.len() - 1;
            }
        }
        let after = State {
            inodes,
            durable_names: names.clone(),
            names,
            broken: state.broken,
            synced: state.synced.clone(),
            ..State::default()
        };
        Self {
            state: Arc::new(Mutex::new(after)),
        }
    }
}

/// `tile/0/001` is spoken of as `tile`.
fn kind(name: &str) -> &str {
    match name.split_once('/') {
        Some((kind, _)) => kind,
        None if name.is_empty() => "the ledger's folder",
        None => name,
    }
}

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
        let full = state.is_full();
        let inode = &mut state.inodes[self.inode];
        let there = inode.current.len().saturating_sub(offset);
        if full && there < bytes.len() {
            inode.write(offset, &bytes[..there]); // as far as the file has its blocks
            return Err(io::ErrorKind::StorageFull.into());
        }
        apply(&effect, || inode.write(offset, bytes))
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.lock();
        let effect = state.operation(|| format!("sync {}", kind(&self.name)))?;
        let staged = self.name.starts_with("tmp/");
        let reason = if staged { Sync::Staged } else { Sync::Group };
        if state.skips(Some(reason)) {
            return Ok(());
        }
        match effect {
            Effect::Fail => state.inodes[self.inode].lose(),
            _ if staged => state.sync_staged(self.inode),
            _ => state.inodes[self.inode].sync(),
        }
        apply(&effect, || ())
    }
}

impl Disk for Simulator {
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
        state.room()?;
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
            let within = parent(from) == parent(to);
            state.change(to, Some(Node::File(inode)), within.then_some(from));
            if !within {
                state.change(from, None, None);
            }
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
        apply(&effect, || {
            gone.iter().for_each(|name| state.change(name, None, None))
        })
    }

    fn make_folder(&self, name: &str) -> io::Result<()> {
        let mut state = self.lock();
        let effect = state.operation(|| format!("make folder {}", kind(name)))?;
        if state.names.contains_key(name) {
            return Ok(());
        }
        state.room()?;
        apply(&effect, || state.change(name, Some(Node::Folder), None))
    }

    /// Of what is allowed, the least: the files that are being staged.
    fn sync_everything(&self) -> io::Result<()> {
        let mut state = self.lock();
        let effect = state.operation(|| "sync everything".to_owned())?;
        if state.skips(Some(Sync::Bulk)) {
            return Ok(());
        }
        let staged: Vec<usize> = state
            .names
            .iter()
            .filter_map(|(name, node)| match node {
                Node::File(inode) if name.starts_with("tmp/") => Some(*inode),
                _ => None,
            })
            .collect();
        for inode in staged {
            match effect {
                Effect::Fail => state.inodes[inode].lose(),
                _ => state.sync_staged(inode),
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
