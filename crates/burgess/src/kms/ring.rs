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
}

impl KeyRing {
    /// Reads the keys under `keys`, making those that do not exist yet.
    pub fn open(keys: &Path, kek: Key) -> Result<Self, RingError> {
        fs::create_dir_all(keys).map_err(|cause| RingError::File {
            path: keys.to_owned(),
            cause,
        })?;
        let ledger = Zeroizing::new(load(keys, "ledger", &kek)?);
        let ledger_mldsa = Zeroizing::new(load(keys, "ledger-mldsa", &kek)?);
        let access = SigningKey::from_bytes(&load(keys, "access", &kek)?);
        let alias = Key::new(load(keys, "alias", &kek)?);
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
    if path.exists() {
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
}
