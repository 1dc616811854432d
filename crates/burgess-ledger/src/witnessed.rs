//! The newest checkpoint that a quorum of witnesses cosigned: kept beside the published one, used
//! for receipts, and evidence of its own.
//!
//! The file `witnessed` never makes anything true: what was cosigned is a checkpoint that this log
//! published before. So one that is ahead of the log, or differs from it, shows that an older or
//! another copy of the log was put in place, and keeps it shut.

use crate::checkpoint::SignedCheckpoint;
use crate::key::NoteVerifier;
use crate::note::NoteError;
use crate::reading::ReadError;
use crate::recovery::OpenError;
use crate::shard::Ledger;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// Name of the file.
pub(crate) const FILE: &str = "witnessed";
/// Where it is written before it gets its name. Not in the publisher's staging folder.
const STAGED: &str = "witnessed.new";

/// Why a cosigned checkpoint was not kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// It is not signed by this log.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// It is not a checkpoint of this log as it is now.
    #[error("the cosigned checkpoint of {0} entries is not one of this ledger")]
    Foreign(u64),
    /// The ledger could not be read to compare.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It could not be stored.
    #[error("`{FILE}`: {0}")]
    Io(#[from] io::Error),
}

/// The checkpoint in memory; the file is read when the ledger opens.
#[derive(Default)]
pub(crate) struct Witnessed(Mutex<Option<Arc<SignedCheckpoint>>>);

impl Witnessed {
    fn get(&self) -> Option<Arc<SignedCheckpoint>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, signed: SignedCheckpoint) -> Arc<SignedCheckpoint> {
        let signed = Arc::new(signed);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(signed.clone());
        signed
    }
}

impl Ledger {
    /// The newest checkpoint that a quorum cosigned, with its cosignatures.
    #[must_use]
    pub fn witnessed(&self) -> Option<Arc<SignedCheckpoint>> {
        self.core.witnessed.get()
    }

    /// Keeps a checkpoint that a quorum cosigned, in place of an older one. Whether it is a quorum is
    /// the caller's to know. Blocks for file access; one caller at a time.
    ///
    /// # Errors
    /// [`KeepError`].
    pub fn keep_witnessed(&self, note: &str) -> Result<Arc<SignedCheckpoint>, KeepError> {
        let signed = SignedCheckpoint::open(note.as_bytes(), &self.verifier()?)?;
        let (size, root) = (signed.checkpoint.size, signed.checkpoint.root);
        if size > self.checkpoint().checkpoint.size || self.root(size)? != root {
            return Err(KeepError::Foreign(size));
        }
        if let Some(kept) = self.witnessed()
            && kept.checkpoint.size > size
        {
            return Ok(kept);
        }
        let disk = &self.core.disk;
        let file = disk.create(STAGED)?;
        file.write_at(0, note.as_bytes())?;
        file.sync()?;
        disk.rename(STAGED, FILE)?;
        disk.sync_folder("")?;
        Ok(self.core.witnessed.set(signed))
    }

    /// Ends writing for good, with the cause that appends are refused with from now on; reading goes
    /// on. For when this copy of the log turns out not to be the newest, so that every further entry
    /// would begin a second history.
    pub fn stop(&self, cause: &str) {
        drop(
            self.core
                .shared
                .fail("witnesses", &io::Error::other(cause.to_owned())),
        );
    }

    /// The log's own Ed25519 key.
    fn verifier(&self) -> Result<NoteVerifier, NoteError> {
        NoteVerifier::parse(self.vkey())
    }

    /// Reads the file of an earlier run, and compares it with the log.
    pub(crate) fn read_witnessed(&self) -> Result<(), OpenError> {
        let damaged = |what: String| OpenError::Damaged {
            file: FILE.to_owned(),
            what,
        };
        let note = match self.core.disk.read(FILE) {
            Ok(note) => note,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(cause) => {
                let file = FILE.to_owned();
                return Err(OpenError::Io { file, cause });
            }
        };
        let open = |key: NoteVerifier| SignedCheckpoint::open(&note, &key);
        let signed = self
            .verifier()
            .and_then(open)
            .map_err(|cause| damaged(cause.to_string()))?;
        let published = self.checkpoint().checkpoint.size;
        let (size, root) = (signed.checkpoint.size, signed.checkpoint.root);
        if size > published {
            return Err(OpenError::CutOff {
                witnessed: size,
                published,
            });
        }
        let ours = self
            .root(size)
            .map_err(|cause| damaged(cause.to_string()))?;
        if ours != root {
            return Err(damaged(format!(
                "the first {size} entries are not those that witnesses cosigned"
            )));
        }
        self.core.witnessed.set(signed);
        Ok(())
    }
}

/// The checkpoint that a receipt for this entry refers to: the witnessed one if it covers the entry.
pub(crate) fn for_receipt(ledger: &Ledger, index: u64) -> Arc<SignedCheckpoint> {
    ledger
        .witnessed()
        .filter(|witnessed| index < witnessed.checkpoint.size)
        .unwrap_or_else(|| ledger.checkpoint())
}
