//! Opening a ledger, which is always recovery: from the state, over what the write-ahead segments
//! hold beyond it, to a published checkpoint.
//!
//! What contradicts a published checkpoint is never repaired here: the ledger stays shut and says
//! which file is wrong.

use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::disk::Disk;
use crate::group::Group;
use crate::locks::{LockError, Row};
use crate::marks::{self, CLEARING};
use crate::note::{NoteSigner, NoteVerifier};
use crate::publisher::Publisher;
use crate::reserve;
use crate::shard::Options;
use crate::standing::{self, Standing};
use crate::state::{self, Counters};
use crate::tile::{TileError, node};
use crate::tree::{Hash, empty_root, range_root};
use crate::waiting::Shared;
use crate::wal::{self, Replayed, Wal};
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
    /// A shard without the mark `sealed` cannot be opened read-only, nor be followed by another.
    #[error("the shard `{0}` is not sealed, seal it first")]
    NotSealed(String),
    /// Entry 0 does not continue the shard before.
    #[error(
        "the shard `{origin}` does not begin with the last checkpoint of `{previous}`: {what}, restore both folders from one backup"
    )]
    Chain {
        /// The shard.
        origin: String,
        /// The one that it should follow.
        previous: String,
        /// What is wrong.
        what: String,
    },
    /// The lock table could not be used, or another server moved it meanwhile.
    #[error("{0}")]
    LockTable(#[from] LockError),
    /// The lock table does not know the log.
    #[error(
        "the lock table has no checkpoint of this log of {log} entries, restore table and folder from one backup, or open for recovery"
    )]
    LockMissing {
        /// Entries in the folder.
        log: u64,
    },
    /// The lock table is older than the folder.
    #[error(
        "the lock table covers {table} entries but `state` {log}: an older copy of the table was put back, restore the newest, or open for recovery"
    )]
    LockBehind {
        /// Entries that `state` covers.
        log: u64,
        /// Entries that the table covers.
        table: u64,
    },
    /// The folder is older than the lock table.
    #[error(
        "the lock table covers {table} entries but the folder holds {log}: an older copy of the folder was put back, restore the newest"
    )]
    LogBehind {
        /// Entries in the folder.
        log: u64,
        /// Entries that the table covers.
        table: u64,
    },
    /// The lock table and the folder have different histories.
    #[error(
        "the lock table covers {table} entries of another history than this folder, restore the folder that was published last"
    )]
    LockOther {
        /// Entries that the table covers.
        table: u64,
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
    if options.recovery {
        reserve::give_back(&**disk).map_err(io_error(reserve::FILE))?;
    }
    let (vkey, verifier) = (signer.vkey(), signer.verifier());
    let has_vkey = check_vkey(&**disk, &vkey)?;
    let saved = saved_state(&**disk, &verifier)?;
    let size = saved
        .as_ref()
        .map_or(0, |(_, signed)| signed.checkpoint.size);
    let table = options.lock_table.clone();
    let row = table.map(|table| Row::load(table, origin)).transpose()?;
    let locked = row.as_ref().map(|row| locked(row, &verifier)).transpose()?;
    let (counters, signed) = match saved {
        Some((counters, signed)) => (counters, Some(signed)),
        None => (Counters::default(), None),
    };
    let mut publisher =
        Publisher::open(disk.clone(), signer, size, counters, row).map_err(damaged)?;
    if !has_vkey {
        let text = format!("{vkey}\n");
        publisher
            .put("vkey", text.as_bytes())
            .map_err(io_error("vkey"))?;
    }
    let signed = match signed {
        Some(signed) => signed,
        None => begin(&publisher, origin, locked.as_ref().and_then(Option::as_ref))?,
    };
    if publisher.root() != signed.checkpoint.root {
        let what = "its tiles do not give the root that was signed".to_owned();
        return Err(OpenError::Damaged {
            file: "tile".to_owned(),
            what,
        });
    }
    refuse_rollback(&**disk, &signed, &verifier)?;
    let mut names = publisher.counters().names().clone();
    let Replayed {
        groups,
        mut segments,
        again,
    } = wal::recover(&**disk, size, &mut names).map_err(|what| OpenError::Damaged {
        file: "wal".to_owned(),
        what: what.to_string(),
    })?;
    let durable = groups.last().map_or(size, Group::end);
    let standing = match locked {
        Some(locked) => standing::compare(locked, &signed, durable, options.recovery, |older| {
            root_at(&**disk, size, older)
        })?,
        None => Standing::Same,
    };
    // What was read may only be in the cache, where a killed process or a failed sync left it:
    // write it again. First of all, for the row survives the power whatever becomes of the folder.
    publisher.save(&signed).map_err(io_error(state::FILE))?;
    if let Some(newest) = groups.last().filter(|_| options.lock_table.is_some()) {
        let written = wal::write_again(&**disk, newest, &segments).map_err(io_error("wal"))?;
        segments.push(written);
        // Openings that fail one after the other leave one copy, not one each.
        wal::forget(&**disk, &again).map_err(io_error("wal"))?;
        segments.retain(|number| !again.contains(number));
    }
    if standing == Standing::Behind {
        publisher.lock(&signed)?;
    }
    publisher
        .announce(&signed)
        .map_err(io_error("checkpoint"))?;
    let shared = Shared::new(origin, signed, publisher.counters().clone(), groups);
    let work = shared.work();
    if let Standing::Ahead(locked) = standing {
        finish(&mut publisher, &work.groups, &locked)?;
        shared.now_published(locked);
    }
    if shared.size() > shared.published().checkpoint.size {
        let signed = publisher.publish(&work.groups).map_err(io_error("tile"))?;
        shared.now_published(signed);
    }
    // From here on old segments may be written over: nothing but what is published was in them.
    if marks::get(&**disk, CLEARING)
        .map_err(io_error(CLEARING))?
        .is_some()
    {
        wal::clear_all(&**disk, &segments).map_err(io_error("wal"))?;
        disk.remove(CLEARING).map_err(io_error(CLEARING))?;
    }
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

/// The checkpoint in the log's row. One that the log's key did not sign is of no log of ours.
fn locked(row: &Row, verifier: &NoteVerifier) -> Result<Option<SignedCheckpoint>, OpenError> {
    let note = row.held().map(str::as_bytes);
    note.map(|note| SignedCheckpoint::open(note, verifier))
        .transpose()
        .map_err(|cause| OpenError::Key {
            file: "the lock table",
            cause: cause.to_string(),
        })
}

/// The root that the tiles of a log of `size` entries give for its first `older`.
fn root_at(disk: &dyn Disk, size: u64, older: u64) -> Result<Hash, OpenError> {
    let mut read = |name: &str| disk.read(name);
    range_root(0, older, &mut |height, n| node(&mut read, size, height, n)).map_err(damaged)
}

/// Ends a publication that was cut short after the row was moved: the tree is a function of the
/// entries alone, so the same tiles come out, and nothing is signed again.
fn finish(
    publisher: &mut Publisher,
    groups: &[Arc<Group>],
    locked: &SignedCheckpoint,
) -> Result<(), OpenError> {
    let table = locked.checkpoint.size;
    publisher.place(groups, table).map_err(io_error("tile"))?;
    if publisher.root() != locked.checkpoint.root {
        return Err(OpenError::LockOther { table });
    }
    publisher.commit(locked).map_err(io_error("tile"))
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

pub(crate) fn io_error(file: &str) -> impl FnOnce(io::Error) -> OpenError {
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

/// Begins a log: a signed checkpoint over nothing, which the lock table may hold already.
fn begin(
    publisher: &Publisher,
    origin: &str,
    locked: Option<&SignedCheckpoint>,
) -> Result<SignedCheckpoint, OpenError> {
    if let Some(locked) = locked.filter(|locked| locked.checkpoint.size == 0) {
        return Ok(locked.clone());
    }
    let checkpoint = Checkpoint {
        origin: origin.to_owned(),
        size: 0,
        root: empty_root(),
    };
    publisher.sign(checkpoint).map_err(|cause| OpenError::Key {
        file: "checkpoint",
        cause: cause.to_string(),
    })
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
