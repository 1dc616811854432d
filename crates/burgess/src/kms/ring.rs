//! The server's own keys, each for one purpose, wrapped by the KEK under `DATA/keys/`.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use burgess_ledger::shards::MAIN;
use ed25519_dalek::SigningKey;
use zeroize::Zeroizing;

use super::envelope::{EnvelopeError, Key};

/// The server's keys in memory.
pub struct KeyRing {
    /// Signs checkpoints of the ledger.
    pub ledger: Zeroizing<[u8; 32]>,
    /// Signs checkpoints of the ledger a second time, with ML-DSA-44.
    pub ledger_mldsa: Zeroizing<[u8; 32]>,
    /// Signs access tokens (RFC 9068).
    pub access: SigningKey,
    /// Makes aliases of data subjects.
    pub alias: Key,
    /// Makes the search index's tokens of personal values.
    pub blind: Key,
    /// Wraps subject keys and connector secrets.
    pub kek: Key,
    folder: PathBuf,
}

/// The Ed25519 and the ML-DSA key of one shard.
pub type ShardKeys = (Zeroizing<[u8; 32]>, Zeroizing<[u8; 32]>);

/// A key could not be read or made.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// File trouble.
    #[error("`{path}` cannot be read or written: {cause}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// Another KEK, or changed bytes.
    #[error("`{path}`: {cause}: start with the key-encryption key that made this data folder")]
    Wrapped {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: EnvelopeError,
    },
    /// The alias key is gone and others are there. A new one would not do: no alias that it makes
    /// matches what holds, erasures and sealed values stand under.
    #[error(
        "`{path}` is missing, though `{beside}` is there: with another alias key no legal hold and no erasure would find its subject any more; put `keys/` back from the backup, and start again"
    )]
    AliasLost {
        /// The file that is gone.
        path: PathBuf,
        /// A key that was made with it.
        beside: PathBuf,
    },
}

impl KeyRing {
    /// Reads the keys under `keys`, making those that do not exist yet.
    pub fn open(keys: &Path, kek: Key) -> Result<Self, RingError> {
        fs::create_dir_all(keys).map_err(|cause| RingError::File {
            path: keys.to_owned(),
            cause,
        })?;
        refuse_without_alias(keys)?;
        // The first of all: a crash in the middle of a first start must not look like its loss.
        let alias = Key::new(load(keys, "alias", &kek)?);
        let ledger = Zeroizing::new(load(keys, "ledger", &kek)?);
        let ledger_mldsa = Zeroizing::new(load(keys, "ledger-mldsa", &kek)?);
        let access = SigningKey::from_bytes(&load(keys, "access", &kek)?);
        let blind = Key::new(load(keys, "blind", &kek)?);
        Ok(Self {
            ledger,
            ledger_mldsa,
            access,
            alias,
            blind,
            kek,
            folder: keys.to_owned(),
        })
    }

    /// The two keys that sign checkpoints of that shard: each shard has its own, made when they are
    /// first asked for. The first shard's are `ledger` and `ledger-mldsa`.
    pub fn of_shard(&self, shard: &str) -> Result<ShardKeys, RingError> {
        if shard == MAIN {
            return Ok((self.ledger.clone(), self.ledger_mldsa.clone()));
        }
        let key = |name: String| load(&self.folder, &name, &self.kek).map(Zeroizing::new);
        Ok((
            key(format!("ledger-{shard}"))?,
            key(format!("ledger-{shard}-mldsa"))?,
        ))
    }
}

/// Whether something is there; what cannot be looked at is not taken for missing.
fn is_there(path: &Path) -> Result<bool, RingError> {
    path.try_exists().map_err(|cause| RingError::File {
        path: path.to_owned(),
        cause,
    })
}

/// A folder with a key of the ledger was in use, so its alias key was too.
fn refuse_without_alias(keys: &Path) -> Result<(), RingError> {
    let path = keys.join("alias.wrapped");
    if is_there(&path)? {
        return Ok(());
    }
    let file = |cause| RingError::File {
        path: keys.to_owned(),
        cause,
    };
    for entry in fs::read_dir(keys).map_err(file)? {
        let beside = entry.map_err(file)?.path();
        let name = beside.file_name().and_then(|name| name.to_str());
        let of_ledger = |name: &str| name.starts_with("ledger") && name.ends_with(".wrapped");
        if name.is_some_and(of_ledger) {
            return Err(RingError::AliasLost { path, beside });
        }
    }
    Ok(())
}

/// Reads one wrapped key, or makes, wraps and stores it durably before it is used.
fn load(keys: &Path, name: &str, kek: &Key) -> Result<[u8; 32], RingError> {
    let path = keys.join(format!("{name}.wrapped"));
    let file = |cause| RingError::File {
        path: path.clone(),
        cause,
    };
    let wrapped = |cause| RingError::Wrapped {
        path: path.clone(),
        cause,
    };
    let purpose = format!("burgess.key/1 {name}");
    if is_there(&path)? {
        let sealed = fs::read(&path).map_err(file)?;
        let plain = kek.open(&purpose, &sealed).map_err(wrapped)?;
        return plain
            .as_slice()
            .try_into()
            .map_err(|_| wrapped(EnvelopeError::Open(purpose.clone())));
    }
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(|e| file(std::io::Error::other(e.to_string())))?;
    let sealed = kek.seal(&purpose, &bytes).map_err(wrapped)?;
    let new = path.with_extension("new");
    let mut out = fs::File::create(&new).map_err(file)?;
    out.write_all(&sealed)
        .and_then(|()| out.sync_all())
        .map_err(file)?;
    fs::rename(&new, &path).map_err(file)?;
    fs::File::open(keys)
        .and_then(|folder| folder.sync_all())
        .map_err(file)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_with_the_same_kek_and_not_with_another() {
        let folder = tempfile::tempdir().unwrap();
        let first = KeyRing::open(folder.path(), Key::new([1; 32])).unwrap();
        let again = KeyRing::open(folder.path(), Key::new([1; 32])).unwrap();
        assert_eq!(*first.ledger, *again.ledger);
        assert_ne!(*first.ledger, *first.ledger_mldsa);
        assert_ne!(
            first.access.to_bytes(),
            *first.ledger,
            "each purpose has its own key"
        );
        assert!(KeyRing::open(folder.path(), Key::new([2; 32])).is_err());
        for entry in fs::read_dir(folder.path()).unwrap() {
            let bytes = fs::read(entry.unwrap().path()).unwrap();
            assert!(!bytes.windows(32).any(|w| w == first.ledger.as_slice()));
        }
    }

    // R206
    #[test]
    fn an_alias_key_that_is_gone_is_not_made_anew_beside_a_key_of_the_ledger() {
        let folder = tempfile::tempdir().unwrap();
        let open = || KeyRing::open(folder.path(), Key::new([1; 32])).map(drop);
        let ring = KeyRing::open(folder.path(), Key::new([1; 32])).unwrap();
        ring.of_shard("main-2").unwrap();
        let alias = folder.path().join("alias.wrapped");
        let kept = fs::read(&alias).unwrap();
        fs::remove_file(&alias).unwrap();
        // Then those of later shards alone.
        for left in [&["ledger", "ledger-mldsa"][..], &[]] {
            let error = open().unwrap_err();
            let said = error.to_string();
            assert!(
                matches!(&error, RingError::AliasLost { path, .. } if *path == alias),
                "{said}"
            );
            assert!(said.contains("put `keys/` back from the backup"), "{said}");
            assert!(!alias.exists(), "nothing was made");
            for name in left {
                fs::remove_file(folder.path().join(format!("{name}.wrapped"))).unwrap();
            }
        }
        fs::write(&alias, kept).unwrap();
        open().unwrap();
    }

    #[test]
    fn a_first_start_that_was_cut_off_after_any_key_is_finished() {
        let whole = tempfile::tempdir().unwrap();
        KeyRing::open(whole.path(), Key::new([1; 32])).unwrap();
        let made = ["alias", "ledger", "ledger-mldsa", "access", "blind"];
        for count in 0..=made.len() {
            let folder = tempfile::tempdir().unwrap();
            for name in &made[..count] {
                let file = format!("{name}.wrapped");
                fs::copy(whole.path().join(&file), folder.path().join(&file)).unwrap();
            }
            KeyRing::open(folder.path(), Key::new([1; 32])).unwrap();
        }
    }

    #[test]
    fn a_key_that_cannot_be_looked_at_is_not_taken_for_missing() {
        let folder = tempfile::tempdir().unwrap();
        let alias = folder.path().join("alias.wrapped");
        // A loop of links: nobody can say whether the file is there.
        std::os::unix::fs::symlink(&alias, &alias).unwrap();
        let error = KeyRing::open(folder.path(), Key::new([1; 32]))
            .map(drop)
            .unwrap_err();
        assert!(
            matches!(&error, RingError::File { path, .. } if *path == alias),
            "{error}"
        );
    }
}
