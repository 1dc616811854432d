//! A disk that forgets. What was not synced may, when the power goes, be kept, lost, torn at a
//! prefix, or keep any subset of its bytes; a file may have grown without its content; names come
//! and go apart from files. A sync that fails loses what it should have written although reading
//! still shows it, as Linux does. It can fail at any operation, fail and persist nevertheless, be
//! full, and break one of the engine's promises on purpose.

mod dice;
mod inode;
pub mod promise;
mod storage;
mod table;

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
    /// The power goes right after so many more renames within the ledger's own folder.
    renames_left: Option<u64>,
    /// Operations so far by what they were, as `write tile`.
    done: BTreeMap<String, u64>,
    fault: Option<Fault>,
    /// From this operation on nothing may be made or grow, but for what is removed.
    full_from: Option<u64>,
    /// Bytes that removing files gave back to a full disk.
    freed: usize,
    /// The log's row in the lock table beside the disk.
    row: Option<String>,
    durable_row: Option<String>,
    broken: Option<Broken>,
    late: Late,
    synced: BTreeSet<Sync>,
}

/// Stands for an operation of any kind.
const ANY: &str = "";

/// The one operation that fails.
struct Fault {
    what: String,
    nth: u64,
    /// It has its effect nevertheless.
    persisted: bool,
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
    /// Threads that write files at the same time.
    writers: usize,
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
        let what = what();
        let nth = self.done.entry(what.clone()).or_default();
        *nth += 1;
        let (nth, any) = (*nth, self.operations);
        let is_due = |fault: &&Fault| match fault.what.as_str() {
            ANY => fault.nth == any,
            kind => kind == what && fault.nth == nth,
        };
        match self.fault.as_ref().filter(is_due) {
            Some(fault) => Ok(match fault.persisted {
                true => Effect::FailButPersist,
                false => Effect::Fail,
            }),
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

    /// Takes so many bytes of the disk, as far as it has them.
    fn take(&mut self, bytes: usize) -> io::Result<()> {
        if self.is_full() {
            let left = self.freed.checked_sub(bytes);
            self.freed = left.ok_or(io::ErrorKind::StorageFull)?;
        }
        Ok(())
    }

    /// A file goes; a full disk has its bytes back.
    fn forget(&mut self, name: &str) {
        if let Ok(inode) = self.inode(name) {
            self.freed += self.inodes[inode].current.len();
        }
        self.change(name, None, None);
    }

    fn change(&mut self, name: &str, node: Option<Node>, from: Option<&str>) {
        let name = name.to_owned();
        let from = from.map(str::to_owned);
        put(&mut self.names, &name, node, from.as_deref());
        self.pending.push(Change { name, node, from });
    }

    /// A file has its name; that may be the moment when the power goes.
    fn named(&mut self, name: &str) {
        if !parent(name).is_empty() {
            return;
        }
        match self.renames_left {
            Some(0 | 1) => self.power_until = Some(self.operations),
            Some(left) => self.renames_left = Some(left - 1),
            None => {}
        }
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
        self.durable_row.clone_from(&self.row);
    }

    fn sync_file(&mut self, inode: usize) {
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

    /// The same disk, written by so many threads.
    pub fn with_writers(self, writers: usize) -> Self {
        Self { writers, ..self }
    }

    /// A second disk with what this one shows now.
    pub fn copy(&self) -> Self {
        let state = self.lock();
        let copy = State {
            inodes: state.inodes.iter().map(Inode::shown).collect(),
            names: state.names.clone(),
            durable_names: state.names.clone(),
            ..State::default()
        };
        Self {
            state: Arc::new(Mutex::new(copy)),
            writers: self.writers,
        }
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

    /// The power goes right after so many more files of the ledger's own folder have their names,
    /// before anything can make those durable.
    pub fn power_for_names(&self, names: u64) {
        self.lock().renames_left = Some(names);
    }

    pub fn is_off(&self) -> bool {
        self.lock().powered().is_err()
    }

    /// The process died, the machine did not: a new one finds everything as it was written.
    pub fn restart(&self) {
        let mut state = self.lock();
        state.power_until = None;
        state.renames_left = None;
    }

    /// The `nth` operation from now fails, whatever it is, with or without its effect.
    pub fn fail_at(&self, nth: u64, persisted: bool) {
        let mut state = self.lock();
        let nth = nth + state.operations;
        let what = ANY.to_owned();
        state.fault = Some(Fault {
            what,
            nth,
            persisted,
        });
    }

    /// The `nth` operation from now that is `what` fails, with or without its effect.
    pub fn fail(&self, what: &str, nth: u64, persisted: bool) {
        let mut state = self.lock();
        let nth = nth + state.done.get(what).copied().unwrap_or(0);
        let what = what.to_owned();
        state.fault = Some(Fault {
            what,
            nth,
            persisted,
        });
    }

    /// How many operations of each kind there were, as `write tile`.
    pub fn done(&self) -> BTreeMap<String, u64> {
        self.lock().done.clone()
    }

    /// After so many more operations nothing may be made or grow, but for what is removed.
    pub fn fill_up_after(&self, operations: u64) {
        let mut state = self.lock();
        state.full_from = Some(state.operations + operations + 1);
        state.freed = 0;
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
            row: state.durable_row.clone(),
            durable_row: state.durable_row.clone(),
            broken: state.broken,
            synced: state.synced.clone(),
            ..State::default()
        };
        Self {
            state: Arc::new(Mutex::new(after)),
            writers: self.writers,
        }
    }
}
