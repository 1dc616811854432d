//! A disk that forgets. What was not synced may, when the power goes, be kept, lost, torn at a
//! prefix, or keep any part of its bytes; a file may have grown without its content; names come
//! and go apart from files. A sync that fails loses what it should have written although reading
//! still shows it, as Linux does.

use burgess_ledger::disk::{Disk, DiskFile};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

/// SplitMix64: a seed is all a run depends on, apart from how its threads interleave.
#[derive(Clone)]
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

/// A promise that the simulator can be told to break, to see that the tests notice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Broken {
    /// Syncing a write-ahead segment does nothing.
    SegmentSync,
    /// Syncing a file before it gets its name does nothing.
    StagedSync,
    /// Syncing everything at once does nothing.
    BulkSync,
    /// Syncing the ledger's own folder does nothing.
    RootFolderSync,
    /// Syncing a folder under `tile` does nothing.
    TileFolderSync,
}

#[derive(Clone)]
enum Node {
    File(usize),
    Folder,
}

#[derive(Clone, Default)]
struct Inode {
    durable: Vec<u8>,
    current: Vec<u8>,
    unsynced: Vec<(usize, Vec<u8>)>,
}

impl Inode {
    fn make_durable(&mut self, writes: Vec<(usize, Vec<u8>)>) {
        for (offset, bytes) in writes {
            write_into(&mut self.durable, offset, &bytes);
        }
    }
}

#[derive(Default)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<String, Node>,
    durable_names: BTreeMap<String, Node>,
    /// Changes of names that no folder sync covers yet.
    pending: Vec<(String, Option<Node>)>,
    operations: u64,
    power_until: Option<u64>,
    /// The operation that fails, and whether it has its effect nevertheless.
    fault: Option<(u64, bool)>,
    broken: Option<Broken>,
}

/// A handle on the disk; clones share it.
#[derive(Clone, Default)]
pub struct Simulator {
    state: Arc<Mutex<State>>,
}

fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn write_into(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset..end].copy_from_slice(bytes);
}

enum Effect {
    Normal,
    /// It fails, but has its effect.
    FailButPersist,
    Fail,
}

impl State {
    /// Counts an operation that changes something.
    fn operation(&mut self) -> io::Result<Effect> {
        self.powered()?;
        self.operations += 1;
        match self.fault {
            Some((at, true)) if at == self.operations => Ok(Effect::FailButPersist),
            Some((at, false)) if at == self.operations => Ok(Effect::Fail),
            _ => Ok(Effect::Normal),
        }
    }

    fn powered(&self) -> io::Result<()> {
        match self.power_until {
            Some(until) if self.operations >= until => Err(io::Error::other("the power is off")),
            _ => Ok(()),
        }
    }

    fn rename_node(&mut self, name: &str, node: Option<Node>) {
        match &node {
            Some(node) => self.names.insert(name.to_owned(), node.clone()),
            None => self.names.remove(name),
        };
        self.pending.push((name.to_owned(), node));
    }

    fn inode(&self, name: &str) -> io::Result<usize> {
        match self.names.get(name) {
            Some(Node::File(inode)) => Ok(*inode),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

fn eio() -> io::Error {
    io::Error::other("input/output error")
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

    /// A second disk with what this one shows now.
    pub fn copy(&self) -> Self {
        let state = self.lock();
        let mut copy = State {
            inodes: state.inodes.clone(),
            names: state.names.clone(),
            durable_names: state.names.clone(),
            ..State::default()
        };
        for inode in &mut copy.inodes {
            inode.durable.clone_from(&inode.current);
            inode.unsynced.clear();
        }
        Self {
            state: Arc::new(Mutex::new(copy)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// The power goes after so many more operations.
    pub fn power_for(&self, operations: u64) {
        let mut state = self.lock();
        state.power_until = Some(state.operations + operations);
    }

    pub fn is_off(&self) -> bool {
        self.lock().powered().is_err()
    }

    /// The given operation from now fails once, with or without its effect.
    pub fn fail(&self, operation: u64, persisted: bool) {
        let mut state = self.lock();
        state.fault = Some((state.operations + operation, persisted));
    }

    /// What is left when the power comes back.
    pub fn cut(&self, dice: &mut Dice) -> Self {
        let state = self.lock();
        let mut names = state.durable_names.clone();
        for (name, node) in &state.pending {
            if dice.roll(2) == 0 {
                match node {
                    Some(node) => names.insert(name.clone(), node.clone()),
                    None => names.remove(name),
                };
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
        let inodes = state
            .inodes
            .iter()
            .map(|inode| {
                let content = survive(inode, dice);
                Inode {
                    durable: content.clone(),
                    current: content,
                    unsynced: Vec::new(),
                }
            })
            .collect();
        let after = State {
            inodes,
            durable_names: names.clone(),
            names,
            broken: state.broken,
            ..State::default()
        };
        Self {
            state: Arc::new(Mutex::new(after)),
        }
    }
}

fn survive(inode: &Inode, dice: &mut Dice) -> Vec<u8> {
    let mut content = inode.durable.clone();
    for (offset, bytes) in &inode.unsynced {
        if dice.roll(2) == 0 {
            let end = content.len().max(offset + bytes.len());
            content.resize(end, 0); // grown, whatever became of the content
        }
        match dice.roll(4) {
            0 => {}
            1 => write_into(&mut content, *offset, bytes),
            2 => {
                let kept = usize::try_from(dice.roll(bytes.len() as u64 + 1)).unwrap();
                write_into(&mut content, *offset, &bytes[..kept]);
            }
            _ => {
                let grain = if bytes.len() <= 4096 { 1 } else { 512 };
                for (n, chunk) in bytes.chunks(grain).enumerate() {
                    if dice.roll(2) == 0 {
                        write_into(&mut content, offset + n * grain, chunk);
                    }
                }
            }
        }
    }
    content
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
        let effect = state.operation()?;
        let inode = &mut state.inodes[self.inode];
        apply(&effect, || {
            write_into(&mut inode.current, offset, bytes);
            inode.unsynced.push((offset, bytes.to_vec()));
        })
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.lock();
        let effect = state.operation()?;
        let broken = match state.broken {
            Some(Broken::SegmentSync) => self.name.starts_with("wal/"),
            Some(Broken::StagedSync) => !self.name.starts_with("wal/"),
            _ => false,
        };
        if broken {
            return Ok(());
        }
        let inode = &mut state.inodes[self.inode];
        let unsynced = std::mem::take(&mut inode.unsynced);
        apply(&effect, || inode.make_durable(unsynced))
    }
}

impl Disk for Simulator {
    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let state = self.lock();
        state.powered()?;
        Ok(state.inodes[state.inode(name)?].current.clone())
    }

    fn size(&self, name: &str) -> io::Result<u64> {
        Ok(self.read(name)?.len() as u64)
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
        let effect = state.operation()?;
        let inode = state.inodes.len();
        apply(&effect, || {
            state.inodes.push(Inode::default());
            state.rename_node(name, Some(Node::File(inode)));
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
        let effect = state.operation()?;
        apply(&effect, || {
            state.rename_node(to, Some(Node::File(inode)));
            state.rename_node(from, None);
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.lock();
        let effect = state.operation()?;
        let inside = format!("{name}/");
        let gone: Vec<String> = state
            .names
            .keys()
            .filter(|other| *other == name || other.starts_with(&inside))
            .cloned()
            .collect();
        apply(&effect, || {
            gone.iter().for_each(|name| state.rename_node(name, None))
        })
    }

    fn make_folder(&self, name: &str) -> io::Result<()> {
        let mut state = self.lock();
        let effect = state.operation()?;
        if state.names.contains_key(name) {
            return Ok(());
        }
        apply(&effect, || state.rename_node(name, Some(Node::Folder)))
    }

    /// Of what is allowed, the least: the files that are being put in place.
    fn sync_everything(&self) -> io::Result<()> {
        let mut state = self.lock();
        let effect = state.operation()?;
        if state.broken == Some(Broken::BulkSync) {
            return Ok(());
        }
        let put: Vec<usize> = state
            .names
            .iter()
            .filter_map(|(name, node)| match node {
                Node::File(inode) if !name.starts_with("wal/") => Some(*inode),
                _ => None,
            })
            .collect();
        for inode in put {
            let inode = &mut state.inodes[inode];
            let unsynced = std::mem::take(&mut inode.unsynced);
            drop(apply(&effect, || inode.make_durable(unsynced)));
        }
        apply(&effect, || ())
    }

    fn sync_folder(&self, name: &str) -> io::Result<()> {
        let mut state = self.lock();
        let effect = state.operation()?;
        let broken = match state.broken {
            Some(Broken::RootFolderSync) => name.is_empty(),
            Some(Broken::TileFolderSync) => name.starts_with("tile"),
            _ => false,
        };
        if broken {
            return Ok(());
        }
        // Unlike content, names stay in the journal's hands when syncing them fails.
        apply(&effect, || {
            let pending = std::mem::take(&mut state.pending);
            for (other, node) in pending {
                match node {
                    _ if parent(&other) != name => state.pending.push((other, node)),
                    Some(node) => drop(state.durable_names.insert(other, node)),
                    None => drop(state.durable_names.remove(&other)),
                }
            }
        })
    }
}
