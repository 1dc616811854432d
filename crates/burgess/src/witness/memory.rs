//! What the witness has signed: one file per log, replaced as a whole and durable before a
//! signature leaves.
//!
//! A file holds the checkpoint as the log signed it, so a damaged one is told from a good one, and it
//! is evidence of what was seen. Forgetting is the one thing a witness must not do: a file that
//! cannot be read keeps it from starting, and after a write that failed it signs nothing any more.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use burgess_ledger::NoteVerifier;
use burgess_ledger::note::NOTE_BYTES_MAX;
use burgess_ledger::witness::{Accepted, Seen, remembered};
use sha2::{Digest as _, Sha256};

use super::origins::Origins;
use crate::cli::run::Failure;

const SUFFIX: &str = ".checkpoint";

pub(super) struct Memory {
    folder: PathBuf,
    seen: BTreeMap<String, Seen>,
    /// What was ever signed for; it lies beside the keys.
    origins: Origins,
    /// Whether nothing was ever signed from this folder.
    new: bool,
    /// Why nothing is signed any more.
    broken: Option<String>,
    /// Held while the witness runs: two on one folder could sign two histories.
    _lock: File,
}

impl Memory {
    /// Takes the folder and reads what was signed for these logs. `keys` is the file of the keys that
    /// signed.
    pub(super) fn open(state: &Path, keys: &Path, logs: &[NoteVerifier]) -> Result<Self, Failure> {
        let folder = state.join("logs");
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(state.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Failure(format!(
                    "the witness in `{}` is running already, stop that one first",
                    state.display()
                )));
            }
            Err(TryLockError::Error(cause)) => return Err(cause.into()),
        }
        let mut origins = Origins::open(keys)?;
        let (mut new, mut signed) = (true, Vec::new());
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.to_string_lossy().ends_with(SUFFIX) {
                new = false;
                signed.extend(origin_of(&path)?);
            }
        }
        let mut seen = BTreeMap::new();
        for log in logs {
            match last(&folder, log.name(), logs)? {
                Some(last) => drop(seen.insert(log.name().to_owned(), last)),
                None if origins.has(log.name()) => return Err(forgotten(&folder, log.name())),
                None => {}
            }
        }
        // A folder of before has no list.
        origins.add(signed)?;
        Ok(Self {
            folder,
            seen,
            origins,
            new,
            broken: None,
            _lock: lock,
        })
    }

    pub(super) fn is_new(&self) -> bool {
        self.new
    }

    pub(super) fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    /// The last checkpoint that was signed for this log, or that of an empty one.
    pub(super) fn seen(&self, origin: &str) -> Seen {
        self.seen.get(origin).cloned().unwrap_or_default()
    }

    /// Keeps an accepted checkpoint, durably. When this returns, it may be signed.
    pub(super) fn keep(&mut self, accepted: &Accepted, note: &str) -> io::Result<()> {
        if self.seen.get(&accepted.origin) == Some(&accepted.seen) {
            return Ok(());
        }
        let listed = self.origins.add([accepted.origin.clone()]);
        let kept = listed.and_then(|()| replace(&self.folder, &file_name(&accepted.origin), note));
        if let Err(cause) = kept {
            // What is on disk now is unknown, and a sync that failed once promises nothing later.
            self.broken = Some(cause.to_string());
            return Err(cause);
        }
        self.seen
            .insert(accepted.origin.clone(), accepted.seen.clone());
        Ok(())
    }
}

/// What was signed is gone, and the keys that signed it are not.
fn forgotten(folder: &Path, origin: &str) -> Failure {
    Failure(format!(
        "`{}`, what was signed last for `{origin}`, is missing although this witness has signed for it: without it it could sign two histories; put the file back if you have the newest one, or begin a new witness, with new keys, in another folder",
        folder.join(file_name(origin)).display()
    ))
}

/// The origin of the log that a file is about, also of one that is not looked after any more; none
/// where the file does not say it, which is for whoever looks after that log to find.
fn origin_of(path: &Path) -> io::Result<Option<String>> {
    let limit = u64::try_from(NOTE_BYTES_MAX).unwrap_or(u64::MAX);
    let mut note = Vec::new();
    File::open(path)?.take(limit).read_to_end(&mut note)?;
    let note = String::from_utf8_lossy(&note);
    let origin = note.lines().next().unwrap_or_default();
    let named = path.file_name().and_then(|name| name.to_str());
    Ok((named == Some(&*file_name(origin))).then(|| origin.to_owned()))
}

/// Origins are free text, so a file is named by the origin's digest.
fn file_name(origin: &str) -> String {
    let digest = Sha256::digest(origin.as_bytes());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{hex}{SUFFIX}")
}

fn replace(folder: &Path, name: &str, note: &str) -> io::Result<()> {
    let staged = folder.join("new");
    let mut file = File::create(&staged)?;
    file.write_all(note.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&staged, folder.join(name))?;
    File::open(folder)?.sync_all()
}

fn last(folder: &Path, origin: &str, logs: &[NoteVerifier]) -> Result<Option<Seen>, Failure> {
    let path = folder.join(file_name(origin));
    let damaged = |cause: String| {
        Failure(format!(
            "`{}`, what was signed last for `{origin}`: {cause}; without it this witness could sign two histories: restore it, or begin a new witness in another folder",
            path.display()
        ))
    };
    let mut note = String::new();
    match File::open(&path) {
        Ok(file) => {
            let limit = u64::try_from(NOTE_BYTES_MAX).unwrap_or(u64::MAX);
            let read = file.take(limit + 1).read_to_string(&mut note);
            read.map_err(|cause| damaged(cause.to_string()))?;
        }
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(damaged(cause.to_string())),
    }
    let (held, seen) = remembered(&note, logs).map_err(|cause| damaged(cause.to_string()))?;
    if held == origin {
        Ok(Some(seen))
    } else {
        Err(damaged(format!("it is about `{held}`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burgess_ledger::tree::leaf_hash;
    use burgess_ledger::witness::{AddCheckpoint, decide};
    use burgess_ledger::{Checkpoint, NoteSigner};

    const ORIGIN: &str = "burgess/acme";

    fn log() -> NoteSigner {
        NoteSigner::from_seed(ORIGIN, [1; 32]).unwrap()
    }

    fn keys() -> Vec<NoteVerifier> {
        vec![log().verifier()]
    }

    /// A first checkpoint of one entry.
    fn asks(entry: &[u8]) -> AddCheckpoint {
        let checkpoint = Checkpoint {
            origin: ORIGIN.to_owned(),
            size: 1,
            root: leaf_hash(entry),
        };
        AddCheckpoint {
            old: 0,
            proof: Vec::new(),
            note: checkpoint.sign(&log()).unwrap().note,
        }
    }

    fn open(state: &Path) -> Result<Memory, Failure> {
        Memory::open(state, &state.join("key"), &keys())
    }

    fn kept(state: &Path, entry: &[u8]) -> Memory {
        let mut memory = open(state).unwrap();
        let request = asks(entry);
        let accepted = decide(&request, &keys(), &memory.seen(ORIGIN)).unwrap();
        memory.keep(&accepted, &request.note).unwrap();
        memory
    }

    // R124
    #[test]
    fn what_was_kept_binds_also_when_the_answer_never_left() {
        let state = tempfile::tempdir().unwrap();
        // Ends between keeping and signing.
        drop(kept(state.path(), b"one"));
        let memory = open(state.path()).unwrap();
        assert_eq!((memory.seen(ORIGIN).size, memory.is_new()), (1, false));
        let other = asks(b"another");
        let refusal = decide(&other, &keys(), &memory.seen(ORIGIN)).unwrap_err();
        assert_eq!(refusal.status(), 409);
        let mut same = asks(b"one");
        same.old = 1;
        decide(&same, &keys(), &memory.seen(ORIGIN)).unwrap();
    }

    #[test]
    fn a_write_that_was_cut_short_leaves_what_was_there() {
        let state = tempfile::tempdir().unwrap();
        drop(kept(state.path(), b"one"));
        std::fs::write(state.path().join("logs/new"), "half a chec").unwrap();
        let memory = open(state.path()).unwrap();
        assert_eq!(memory.seen(ORIGIN).size, 1);
    }

    // R124
    #[test]
    fn a_damaged_memory_keeps_the_witness_from_starting() {
        let state = tempfile::tempdir().unwrap();
        drop(kept(state.path(), b"one"));
        let file = state.path().join("logs").join(file_name(ORIGIN));
        let good = std::fs::read_to_string(&file).unwrap();
        for bad in [
            "",
            "x",
            &good.replace("\n1\n", "\n0\n"),
            &good[..good.len() - 5],
        ] {
            std::fs::write(&file, bad).unwrap();
            let Err(Failure(why)) = open(state.path()) else {
                panic!("it started with {bad:?}");
            };
            assert!(why.contains("could sign two histories"), "{why}");
        }
        std::fs::write(&file, good).unwrap();
        assert!(open(state.path()).is_ok());
    }

    #[test]
    fn two_witnesses_on_one_folder_are_one_too_many() {
        let state = tempfile::tempdir().unwrap();
        let _first = kept(state.path(), b"one");
        let Err(Failure(why)) = open(state.path()) else {
            panic!("a second one started");
        };
        assert!(why.contains("is running already"), "{why}");
    }

    // R124
    #[test]
    fn after_a_write_that_failed_nothing_is_kept_any_more() {
        let state = tempfile::tempdir().unwrap();
        let mut memory = open(state.path()).unwrap();
        std::fs::create_dir(state.path().join("logs/new")).unwrap();
        let request = asks(b"one");
        let accepted = decide(&request, &keys(), &memory.seen(ORIGIN)).unwrap();
        assert!(memory.keep(&accepted, &request.note).is_err());
        assert!(memory.broken().is_some());
        assert_eq!(memory.seen(ORIGIN).size, 0);
    }

    // R124
    #[test]
    fn a_memory_that_is_gone_while_its_keys_are_there_keeps_the_witness_from_starting() {
        let state = tempfile::tempdir().unwrap();
        drop(kept(state.path(), b"one"));
        let folder = state.path().join("logs");
        let file = folder.join(file_name(ORIGIN));
        let good = std::fs::read_to_string(&file).unwrap();
        let refused = || {
            let Err(Failure(why)) = open(state.path()) else {
                panic!("it starts as if it had seen nothing");
            };
            assert!(why.contains("could sign two histories"), "{why}");
            assert!(why.contains(&file.display().to_string()), "{why}");
            assert!(why.contains("begin a new witness"), "{why}");
        };
        std::fs::remove_file(&file).unwrap();
        refused();
        std::fs::remove_dir_all(&folder).unwrap();
        refused();
        std::fs::write(&file, good).unwrap();
        assert_eq!(open(state.path()).unwrap().seen(ORIGIN).size, 1);
    }

    // R124
    #[test]
    fn a_log_is_listed_before_its_first_checkpoint_is_kept() {
        let state = tempfile::tempdir().unwrap();
        let mut memory = open(state.path()).unwrap();
        // The list cannot be written.
        let in_its_way = state.path().join("key.origins.new");
        std::fs::create_dir(&in_its_way).unwrap();
        let request = asks(b"one");
        let accepted = decide(&request, &keys(), &memory.seen(ORIGIN)).unwrap();
        let error = memory.keep(&accepted, &request.note).unwrap_err();
        assert!(error.to_string().contains("key.origins"), "{error}");
        assert!(memory.broken().is_some(), "nothing is signed");
        assert!(!state.path().join("logs").join(file_name(ORIGIN)).exists());
        drop(memory);
        std::fs::remove_dir(&in_its_way).unwrap();
        drop(kept(state.path(), b"one"));
        let listed = std::fs::read_to_string(state.path().join("key.origins")).unwrap();
        assert_eq!(listed, format!("burgess.witness-origins/1\n{ORIGIN}\n"));
    }

    // R124
    #[test]
    fn a_folder_without_a_list_gets_one_of_all_logs_that_it_remembers() {
        let state = tempfile::tempdir().unwrap();
        drop(kept(state.path(), b"one"));
        let list = state.path().join("key.origins");
        std::fs::remove_file(&list).unwrap();
        // Also of a log that is not looked after any more.
        let other = NoteSigner::from_seed("burgess/other", [2; 32]).unwrap();
        let key = state.path().join("key");
        drop(Memory::open(state.path(), &key, &[other.verifier()]).unwrap());
        let listed = std::fs::read_to_string(&list).unwrap();
        assert_eq!(listed, format!("burgess.witness-origins/1\n{ORIGIN}\n"));
        assert_eq!(open(state.path()).unwrap().seen(ORIGIN).size, 1);
        for bad in ["", "burgess.witness-origins/1", "something else\n"] {
            std::fs::write(&list, bad).unwrap();
            assert!(open(state.path()).is_err(), "{bad:?}");
        }
    }
}
