//! Sealing: a shard gets its last checkpoint and is read-only from then on, also when it is opened
//! again. Its last checkpoint becomes entry 0 of the shard that follows, so that whoever trusts the
//! newest key can walk back to the first entry.
//!
//! The mark `sealed` is the commit point: before it the shard is an ordinary one, after it nothing
//! is ever appended. Not here: which shard follows which (`shards`), and why one is sealed.

use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::disk::{Directory, Disk};
use crate::install::Installer;
use crate::leaf::{Draft, Piece};
use crate::marks::{self, CLEARING, SEALED};
use crate::note::{NoteSigner, NoteVerifier};
use crate::pruning;
use crate::recovery::{OpenError, io_error};
use crate::sequencer::AppendError;
use crate::shard::{Ledger, Options};
use crate::state::{self, Counters};
use crate::tile::node;
use crate::tree::{empty_root, leaf_hash, range_root};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The source and the stream of entry 0 of a shard that follows another. No app and no outbox can
/// have that name: ids have no colon.
pub const CHAIN: &str = "ledger:chain";

impl Ledger {
    /// Seals the shard: what is queued is written and published, the last checkpoint becomes the
    /// mark `sealed`, and from then on appends are refused with [`AppendError::Sealed`]. Idempotent.
    /// Blocks for file access.
    ///
    /// # Errors
    /// [`AppendError::NotWritable`] where storage failed; the shard is then as it was, or sealed
    /// already, which opening it again tells.
    pub fn seal(&self) -> Result<Arc<SignedCheckpoint>, AppendError> {
        let _turn = self.core.folder_turn();
        if self.is_sealed() {
            return Ok(self.checkpoint());
        }
        self.close();
        if let Some(failure) = self.core.shared.failure() {
            return Err(failure);
        }
        let last = self.checkpoint();
        let disk = &*self.core.disk;
        let mark = last.note.as_bytes();
        marks::put(disk, SEALED, mark).map_err(|cause| AppendError::NotWritable {
            cause: format!("`{SEALED}`: {cause}"),
        })?;
        self.core.now_sealed();
        if let Err(cause) = forget_segments(disk) {
            // They hold nothing that is not published; opening the sealed shard removes them.
            self.core.shared.fail("write-ahead segments", &cause);
        }
        Ok(last)
    }

    /// Opens a sealed shard, read-only. Blocks for file access.
    ///
    /// # Errors
    /// [`OpenError`]; [`OpenError::NotSealed`] where the shard has no such mark.
    pub fn open_sealed(folder: &Path, verifier: &NoteVerifier) -> Result<Self, OpenError> {
        Self::open_sealed_on(Arc::new(Directory::taken(folder)?), verifier)
    }

    /// As [`Ledger::open_sealed`], on other storage than a folder.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_sealed_on(disk: Arc<dyn Disk>, verifier: &NoteVerifier) -> Result<Self, OpenError> {
        let Some(mark) = marks::get(&*disk, SEALED).map_err(io_error(SEALED))? else {
            return Err(OpenError::NotSealed(verifier.name().to_owned()));
        };
        let (counters, signed) = sealed_state(&*disk, verifier, &mark)?;
        forget_segments(&*disk).map_err(io_error("wal"))?;
        let size = signed.checkpoint.size;
        let minimum = pruning::finish(&*disk, size).map_err(io_error(marks::PRUNED))?;
        let shard = Self::read_only(disk, verifier, counters, signed, minimum);
        shard.read_witnessed()?;
        Ok(shard)
    }

    /// Begins, or goes on with, the shard that follows `previous`, which must be sealed: the numbers
    /// of sources go on, streams start at 1, and entry 0 is the last checkpoint of `previous`, byte
    /// for byte. Blocks for file access.
    ///
    /// # Errors
    /// [`OpenError`]; [`OpenError::Chain`] where entry 0 is something else.
    pub fn open_after(
        folder: &Path,
        origin: &str,
        signer: NoteSigner,
        options: Options,
        previous: &Self,
    ) -> Result<Self, OpenError> {
        let disk: Arc<dyn Disk> = Arc::new(Directory::taken(folder)?);
        Self::open_after_on(disk, origin, signer, options, previous)
    }

    /// As [`Ledger::open_after`], on other storage than a folder.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_after_on(
        disk: Arc<dyn Disk>,
        origin: &str,
        signer: NoteSigner,
        options: Options,
        previous: &Self,
    ) -> Result<Self, OpenError> {
        if !previous.is_sealed() {
            return Err(OpenError::NotSealed(previous.origin().to_owned()));
        }
        let last = previous.checkpoint();
        carry_over(&disk, origin, &signer, previous)?;
        let ledger = Self::open_on(disk, origin, signer, options)?;
        if ledger.size() == 0 {
            let link = Draft {
                source: CHAIN.to_owned(),
                source_seq: None,
                stream: CHAIN.to_owned(),
                template: vec![Piece::Bytes(last.note.clone().into_bytes())],
                side: Vec::new(),
            };
            let appended = ledger
                .append_blocking(link)
                .and_then(|_| ledger.publish_blocking());
            appended.map_err(|cause| OpenError::Chain {
                origin: origin.to_owned(),
                previous: previous.origin().to_owned(),
                what: cause.to_string(),
            })?;
        }
        check_link(&ledger, previous)?;
        Ok(ledger)
    }
}

/// Checks that entry 0 of a shard is the last checkpoint of the one before, by its leaf hash: the
/// entry itself may be pruned.
pub(crate) fn check_link(ledger: &Ledger, previous: &Ledger) -> Result<(), OpenError> {
    let chain = |what: String| OpenError::Chain {
        origin: ledger.origin().to_owned(),
        previous: previous.origin().to_owned(),
        what,
    };
    let size = ledger.checkpoint().checkpoint.size;
    let read = &mut |name: &str| ledger.core.disk.read(name);
    let first = node(read, size, 0, 0).map_err(|cause| chain(cause.to_string()))?;
    if first != leaf_hash(previous.checkpoint().note.as_bytes()) {
        return Err(chain("its entry 0 is another text".to_owned()));
    }
    Ok(())
}

/// Writes the state that the next shard opens from, unless it has begun already.
fn carry_over(
    disk: &Arc<dyn Disk>,
    origin: &str,
    signer: &NoteSigner,
    previous: &Ledger,
) -> Result<(), OpenError> {
    if marks::get(&**disk, state::FILE)
        .map_err(io_error(state::FILE))?
        .is_some()
    {
        return Ok(());
    }
    let nothing = Checkpoint {
        origin: origin.to_owned(),
        size: 0,
        root: empty_root(),
    };
    let signed = nothing.sign(signer).map_err(|cause| OpenError::Key {
        file: "checkpoint",
        cause: cause.to_string(),
    })?;
    let counters = previous.core.shared.counters(Counters::of_the_next_shard);
    let bytes = state::encode(&counters, &signed);
    let mut installer = Installer::new(disk.clone()).map_err(io_error("tmp"))?;
    installer
        .stage(state::FILE, &bytes)
        .and_then(|()| installer.install())
        .map_err(io_error(state::FILE))
}

/// The state of a sealed shard, checked against its mark, its `checkpoint` and its tiles.
fn sealed_state(
    disk: &dyn Disk,
    verifier: &NoteVerifier,
    mark: &[u8],
) -> Result<(Counters, SignedCheckpoint), OpenError> {
    let damaged = |file: &str, what: String| OpenError::Damaged {
        file: file.to_owned(),
        what,
    };
    let bytes = disk.read(state::FILE).map_err(io_error(state::FILE))?;
    let (counters, signed) =
        state::decode(&bytes, verifier).map_err(|what| damaged(state::FILE, what))?;
    for (file, bytes) in [
        (SEALED, mark.to_vec()),
        (
            "checkpoint",
            disk.read("checkpoint").map_err(io_error("checkpoint"))?,
        ),
    ] {
        if bytes != signed.note.as_bytes() {
            return Err(damaged(
                file,
                "is not the last checkpoint of `state`".to_owned(),
            ));
        }
    }
    let size = signed.checkpoint.size;
    let mut read = |name: &str| disk.read(name);
    let root = range_root(0, size, &mut |height, n| node(&mut read, size, height, n));
    let root = root.map_err(|cause| damaged("tile", cause.to_string()))?;
    if root != signed.checkpoint.root {
        return Err(damaged(
            "tile",
            "does not give the root that was signed".to_owned(),
        ));
    }
    Ok((counters, signed))
}

/// Write-ahead segments of a sealed shard hold only what is published. They are written over, since
/// they hold side values, and removed.
pub(crate) fn forget_segments(disk: &dyn Disk) -> io::Result<()> {
    for name in disk.list("wal")? {
        let name = format!("wal/{name}");
        crate::wal::clear(disk, &name)?;
    }
    disk.remove("wal")?;
    disk.remove("tmp")?;
    disk.remove(CLEARING)?;
    disk.sync_folder("")
}
