//! Taking side values away for good: the files that hold them are replaced, and the write-ahead
//! segments that held them are written over with zeros.
//!
//! Side values are not bound by the log, so nothing here touches a proof. Everything can be run
//! again: after a crash the caller hands over what it still finds in side files; the segments were
//! marked before the first file was replaced, and are cleared when the ledger is opened.

use crate::edge::Edge;
use crate::install::Installer;
use crate::marks::{self, CLEARING};
use crate::names::Names;
use crate::sealing::forget_segments;
use crate::sequencer::AppendError;
use crate::shard::Ledger;
use crate::side::{self, SideEntry};
use crate::state::Counters;
use crate::tile::TILE_WIDTH;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use tokio::sync::oneshot;

/// New side values by the index of their entry.
pub type SideValues = BTreeMap<u64, Vec<u8>>;

/// An order to the publisher's thread, which alone writes side files of an open shard.
pub(crate) struct Rewrite {
    pub(crate) values: Arc<SideValues>,
    pub(crate) answer: oneshot::Sender<io::Result<u64>>,
}

/// An order to the sequencer's thread, which alone writes segments: begin a fresh one if `rotate`,
/// then write zeros over all whose entries are published. Answers whether others remain.
pub(crate) struct Clearing {
    pub(crate) rotate: bool,
    pub(crate) answer: oneshot::Sender<io::Result<bool>>,
}

impl Ledger {
    /// Replaces the side values of published and unpublished entries, durably, and leaves no copy
    /// of the old ones in the folder. Entries that were pruned are passed over. Answers the number
    /// of values that were replaced. Blocks for file access.
    ///
    /// # Errors
    /// [`AppendError`]; hand the same values over again then.
    pub fn replace_sides(&self, values: SideValues) -> Result<u64, AppendError> {
        let _turn = self.core.folder_turn();
        let minimum = self.minimum_index();
        let values: SideValues = values.into_iter().filter(|(n, _)| *n >= minimum).collect();
        if values.is_empty() {
            return Ok(0);
        }
        if self.is_sealed() {
            let disk = &self.core.disk;
            if !disk.list("wal").map_err(failed)?.is_empty() {
                forget_segments(&**disk).map_err(failed)?; // sealing could not
            }
            let mut installer = Installer::new(disk.clone()).map_err(failed)?;
            return rewrite(&mut installer, &values, None).map_err(failed);
        }
        self.publish_blocking()?;
        self.mark_segments()?;
        let (answer, done) = oneshot::channel();
        let values = Arc::new(values);
        self.core.shared.rewrite(Rewrite { values, answer });
        let replaced = crate::blocking::wait_for(done)
            .map_err(|_| self.last_error().unwrap_or(AppendError::Closed))?
            .map_err(failed)?;
        self.clear_segments()?;
        Ok(replaced)
    }

    /// Notes that segments hold what must go, before it goes from the files: whatever happens
    /// from here on, opening the ledger clears them.
    pub(crate) fn mark_segments(&self) -> Result<(), AppendError> {
        marks::put(&*self.core.disk, CLEARING, b"").map_err(failed)
    }

    /// Writes zeros over everything in write-ahead segments that is published by now.
    pub(crate) fn clear_segments(&self) -> Result<(), AppendError> {
        let mut rotate = true;
        loop {
            self.publish_blocking()?;
            let (answer, done) = oneshot::channel();
            self.core.shared.clear(Clearing { rotate, answer });
            self.append_all_blocking(Vec::new())?; // wakes the sequencer
            let remain = crate::blocking::wait_for(done)
                .map_err(|_| self.last_error().unwrap_or(AppendError::Closed))?
                .map_err(failed)?;
            if !remain {
                // Not made durable: to clear once more is no harm.
                return self.core.disk.remove(CLEARING).map_err(failed);
            }
            rotate = false;
        }
    }
}

fn failed(cause: io::Error) -> AppendError {
    AppendError::NotWritable {
        cause: format!("side file: {cause}"),
    }
}

/// Replaces values in the side files, whole files at a time. A file that is not there has nothing
/// to replace. `edge` has the unfinished file in memory.
pub(crate) fn rewrite(
    installer: &mut Installer,
    values: &SideValues,
    mut edge: Option<(&mut Edge, &mut Counters)>,
) -> io::Result<u64> {
    let mut by_file: BTreeMap<u64, Vec<(usize, &[u8])>> = BTreeMap::new();
    for (index, value) in values {
        let at = usize::try_from(index % TILE_WIDTH).map_err(io::Error::other)?;
        let file = by_file.entry(index / TILE_WIDTH).or_default();
        file.push((at, value));
    }
    let mut replaced = 0;
    for (n, values) in by_file {
        let damaged = || {
            let what = format!("`{}` is damaged", side::path(n));
            io::Error::new(io::ErrorKind::InvalidData, what)
        };
        if let Some((edge, counters)) = &mut edge {
            let (unfinished, file) = edge.side();
            if unfinished == n {
                let (entries, count) = replace(file.bytes(), &values).ok_or_else(damaged)?;
                *file = side::encode(&entries, |name| counters.intern(name));
                installer.stage(&side::path(n), file.bytes())?;
                replaced += count;
                continue;
            }
        }
        let bytes = match installer.disk().read(&side::path(n)) {
            Ok(bytes) => bytes,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => continue,
            Err(cause) => return Err(cause),
        };
        let (entries, count) = replace(&bytes, &values).ok_or_else(damaged)?;
        let mut names = Names::default();
        let file = side::encode(&entries, |name| names.intern(name));
        installer.stage(&side::path(n), file.bytes())?;
        replaced += count;
    }
    installer.install()?;
    Ok(replaced)
}

/// The entries of a side file with some of its values replaced, and how many; `None` where it is
/// damaged.
fn replace(bytes: &[u8], values: &[(usize, &[u8])]) -> Option<(Vec<SideEntry>, u64)> {
    let mut entries = side::decode(bytes)?;
    let mut replaced = 0;
    for (at, value) in values {
        if let Some(entry) = entries.get_mut(*at) {
            entry.value = value.to_vec();
            replaced += 1;
        }
    }
    Some((entries, replaced))
}
