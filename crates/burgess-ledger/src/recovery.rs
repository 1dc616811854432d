//! Opening a ledger, which is always recovery: from the state, over what the write-ahead segments
//! hold beyond it, to a published checkpoint.
//!
//! What contradicts a published checkpoint is never repaired here: the ledger stays shut and says
//! which file is wrong.

use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::disk::Disk;
use crate::note::{NoteSigner, NoteVerifier};
use crate::publisher::Publisher;
use crate::shard::Options;
use crate::state::{self, Counters};
use crate::tile::TileError;
use crate::tree::empty_root;
use crate::waiting::Shared;
use crate::wal::{self, Wal};
use std::io;
use std::sync::Arc;

/// Why a ledger was not opened. Nothing was changed that the published checkpoint needs.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds the folder.
    #[error("the ledger in `{0}` is in use by another process, stop that one first")]
    InUse(String),
    /// The folder could not be used.
    #[error("`{file}`: {cause}")]
    Io {
        /// Name relative to the ledger's folder.
        file: String,
        /// The operating system's answer.
        cause: io::Error,
    },
    /// The signer is not the one that this log began with.
    #[error("`{file}`: {cause}, open the ledger with the key and origin that it was begun with")]
    Key {
        /// Name relative to the ledger's folder.
        file: &'static str,
        /// What differs.
        cause: String,
    },
    /// A part of the log is not what the published checkpoint says.
    #[error("the ledger is damaged: `{file}`: {what}, restore the folder from a backup")]
    Damaged {
        /// Name relative to the ledger's folder.
        file: String,
        /// What is wrong.
        what: String,
    },
    /// The published checkpoint is ahead of the state: an older copy was put back in part.
    #[error(
        "`state` covers {state} entries but `checkpoint` {published}: a part of the folder is older than what was published, restore the whole folder"
    )]
    RolledBack {
        /// Entries that `state` covers.
        state: u64,
        /// Entries that `checkpoint` covers.
        published: u64,
    },
    /// Witnesses cosigned more entries than there are: the newest were cut off, or an older copy of
    /// the folder was put back.
    #[error(
        "witnesses cosigned {witnessed} entries of this log but it has {published}: the newest were cut off, restore the whole folder from a newer copy"
    )]
    CutOff {
        /// Entries that were cosigned.
        witnessed: u64,
        /// Entries that the log has.
        published: u64,
    },
    /// An option that cannot work.
    #[error("option `{option}` must be at least {min}")]
    Option {
        /// Its name.
        option: &'static str,
        /// Its least value.
        min: usize,
    },
}

/// Everything that an open ledger works with.
pub(crate) struct Recovered {
    pub(crate) shared: Shared,
    pub(crate) publisher: Publisher,
    pub(crate) wal: Wal,
}

/// Opens from the state, replays the write-ahead segments on top, publishes the result, and starts
/// a fresh segment. Every step can be cut short and run again.
pub(crate) fn recover(
    disk: &Arc<dyn Disk>,
    origin: &str,
    signer: NoteSigner,
    options: &Options,
) -> Result<Recovered, OpenError> {
    let (vkey, verifier) = (signer.vkey(), signer.verifier());
    let has_vkey = check_vkey(&**disk, &vkey)?;
    let saved = saved_state(&**disk, &verifier)?;
    let size = saved
        .as_ref()
        .map_or(0, |(_, signed)| signed.checkpoint.size);
    let mut publisher = Publisher::open(disk.clone(), signer, size).map_err(damaged)?;
    if !has_vkey {
        let text = format!("{vkey}\n").into_bytes();
        publisher.put("vkey", text).map_err(io_error("vkey"))?;
    }
    let (counters, signed) = match saved {
        Some(saved) => saved,
        None => begin(&publisher, origin)?,
    };
    if publisher.root() != signed.checkpoint.root {
        let what = "its tiles do not give the root that was signed".to_owned();
        return Err(OpenError::Damaged {
            file: "tile".to_owned(),
            what,
        });
    }
    refuse_rollback(&**disk, &signed, &verifier)?;
    // What was read may only be in the cache, where a failed sync left it: write it again.
    let bytes = state::encode(&counters, &signed);
    publisher
        .put(state::FILE, bytes)
        .map_err(io_error(state::FILE))?;
    publisher
        .announce(&signed)
        .map_err(io_error("checkpoint"))?;
    let (records, segments) = wal::recover(&**disk, size).map_err(|what| OpenError::Damaged {
        file: "wal".to_owned(),
        what: what.to_string(),
    })?;
    let shared = Shared::new(origin, signed, counters, records);
    let work = shared.work();
    if !work.records.is_empty() {
        let signed = publisher.publish(&work).map_err(io_error("tile"))?;
        shared.now_published(signed);
    }
    // From here on old segments may be written over: nothing but what is published was in them.
    let wal = Wal::start(
        disk.clone(),
        options.segment_bytes,
        &segments,
        shared.size(),
    )
    .map_err(io_error("wal"))?;
    Ok(Recovered {
        shared,
        publisher,
        wal,
    })
}

/// The state that an earlier run saved; `None` where the log is to begin.
fn saved_state(
    disk: &dyn Disk,
    verifier: &NoteVerifier,
) -> Result<Option<(Counters, SignedCheckpoint)>, OpenError> {
    match disk.read(state::FILE) {
        Ok(bytes) => state::decode(&bytes, verifier)
            .map(Some)
            .map_err(|what| OpenError::Damaged {
                file: state::FILE.to_owned(),
                what,
            }),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            refuse_leftovers(disk)?;
            Ok(None)
        }
        Err(cause) => Err(OpenError::Io {
            file: state::FILE.to_owned(),
            cause,
        }),
    }
}

/// Refuses a `checkpoint` that is ahead of the state or of another history. One that is behind it
/// is what a crash between the two leaves.
fn refuse_rollback(
    disk: &dyn Disk,
    signed: &SignedCheckpoint,
    verifier: &NoteVerifier,
) -> Result<(), OpenError> {
    let state = signed.checkpoint.size;
    match announced(disk, verifier)? {
        Some(found) if found != *signed && found.checkpoint.size >= state => {
            Err(OpenError::RolledBack {
                state,
                published: found.checkpoint.size,
            })
        }
        _ => Ok(()),
    }
}

fn io_error(file: &str) -> impl FnOnce(io::Error) -> OpenError {
    let file = file.to_owned();
    move |cause| OpenError::Io { file, cause }
}

fn damaged(cause: TileError) -> OpenError {
    match cause {
        TileError::Missing { file } => OpenError::Damaged {
            file,
            what: "is missing".to_owned(),
        },
        TileError::Malformed { file, what, .. } => OpenError::Damaged { file, what },
        TileError::Io { file, cause } => OpenError::Io { file, cause },
    }
}

/// Begins a log: a signed checkpoint over nothing.
fn begin(publisher: &Publisher, origin: &str) -> Result<(Counters, SignedCheckpoint), OpenError> {
    let checkpoint = Checkpoint {
        origin: origin.to_owned(),
        size: 0,
        root: empty_root(),
    };
    let signed = publisher.sign(checkpoint).map_err(|cause| OpenError::Key {
        file: "checkpoint",
        cause: cause.to_string(),
    })?;
    Ok((Counters::default(), signed))
}

/// Whether the folder has its copy of the key; one that differs is another log's.
fn check_vkey(disk: &dyn Disk, vkey: &str) -> Result<bool, OpenError> {
    match disk.read("vkey") {
        Ok(bytes) if bytes == format!("{vkey}\n").as_bytes() => Ok(true),
        Ok(_) => Err(OpenError::Key {
            file: "vkey",
            cause: format!("it is not `{vkey}`"),
        }),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(cause) => Err(OpenError::Io {
            file: "vkey".to_owned(),
            cause,
        }),
    }
}

/// A log without its state is not begun anew over what is left of it.
fn refuse_leftovers(disk: &dyn Disk) -> Result<(), OpenError> {
    let names = disk.list("").map_err(io_error("."))?;
    for file in ["checkpoint", "tile", "wal"] {
        if names.iter().any(|name| name == file) {
            let what = format!("is missing although `{file}` is there");
            return Err(OpenError::Damaged {
                file: state::FILE.to_owned(),
                what,
            });
        }
    }
    Ok(())
}

/// What the `checkpoint` file says, if there is one.
fn announced(
    disk: &dyn Disk,
    verifier: &NoteVerifier,
) -> Result<Option<SignedCheckpoint>, OpenError> {
    let file = || "checkpoint".to_owned();
    match disk.read("checkpoint") {
        Ok(bytes) => SignedCheckpoint::open(&bytes, verifier)
            .map(Some)
            .map_err(|cause| OpenError::Damaged {
                file: file(),
                what: cause.to_string(),
            }),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(OpenError::Io {
            file: file(),
            cause,
        }),
    }
}
