//! The vault: one key per data subject, wrapped by the KEK, destroyed on erasure.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use burgess_core::digest::Digest;
use burgess_gateway::ports::{Answer, PortError, Vault};
use burgess_store::{Store, SubjectKey};
use zeroize::Zeroizing;

use super::envelope::Key;
use super::ring::KeyRing;
use crate::ambient::Ambient;

/// Subject keys kept open in memory at most: 4,096 of 100 bytes each are nothing, and an
/// organisation's active people fit.
const OPEN_MAX: usize = 4_096;

/// Seals personal values under a key per subject.
pub struct Subjects {
    store: Arc<Store>,
    keys: Arc<KeyRing>,
    ambient: Arc<Ambient>,
    open: Mutex<BTreeMap<Digest, Key>>,
}

impl Subjects {
    /// A vault over the keys in `store`.
    pub fn new(store: Arc<Store>, keys: Arc<KeyRing>, ambient: Arc<Ambient>) -> Self {
        Self {
            store,
            keys,
            ambient,
            open: Mutex::default(),
        }
    }

    /// The alias of a subject.
    pub fn alias_of(&self, subject: &str) -> Digest {
        self.fingerprint(subject)
    }

    /// Drops the key from memory: what is sealed or opened next asks the store.
    pub fn forget(&self, alias: &Digest) {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(alias);
    }

    /// A keyed digest (nested, as HMAC is): without the alias key nobody can tell whose alias it is.
    fn fingerprint(&self, subject: &str) -> Digest {
        let key = self.keys.alias.expose();
        let inner = Digest::of_parts(&[b"burgess.alias/1\n", key, subject.as_bytes()]);
        Digest::of_parts(&[key, inner.as_bytes()])
    }

    fn cached(&self, alias: &Digest) -> Option<Key> {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(alias)
            .cloned()
    }

    fn keep(&self, alias: Digest, key: &Key) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= OPEN_MAX {
            open.clear();
        }
        open.insert(alias, key.clone());
    }

    fn unwrap_key(&self, alias: Digest, wrapped: &[u8]) -> Result<Key, PortError> {
        let plain = self
            .keys
            .kek
            .open(&purpose(&alias), wrapped)
            .map_err(|e| unavailable(&e))?;
        let bytes: [u8; 32] = plain
            .as_slice()
            .try_into()
            .map_err(|_| unavailable(&"the key has another length"))?;
        let key = Key::new(bytes);
        self.keep(alias, &key);
        Ok(key)
    }

    /// The subject's key, made and stored durably if there was none.
    async fn key_to_seal(&self, alias: Digest) -> Result<Key, PortError> {
        if let Some(key) = self.cached(&alias) {
            return Ok(key);
        }
        let held = match self
            .store
            .subject_key(alias)
            .await
            .map_err(|e| unavailable(&e))?
        {
            SubjectKey::Never => {
                let fresh = Zeroizing::new(self.ambient.random().map_err(|e| unavailable(&e))?);
                let wrapped = self
                    .keys
                    .kek
                    .seal(&purpose(&alias), fresh.as_slice())
                    .map_err(|e| unavailable(&e))?;
                let now = self.ambient.now();
                self.store
                    .ensure_subject_key(alias, &wrapped, now)
                    .await
                    .map_err(|e| unavailable(&e))?
            }
            held => held,
        };
        match held {
            SubjectKey::Active { wrapped, .. } => self.unwrap_key(alias, &wrapped),
            _ => Err(unavailable(
                &"this subject was erased, and an erased key is never made again",
            )),
        }
    }

    async fn key_to_open(&self, alias: Digest) -> Result<Option<Key>, PortError> {
        if let Some(key) = self.cached(&alias) {
            return Ok(Some(key));
        }
        match self
            .store
            .subject_key(alias)
            .await
            .map_err(|e| unavailable(&e))?
        {
            SubjectKey::Active { wrapped, .. } => self.unwrap_key(alias, &wrapped).map(Some),
            _ => Ok(None),
        }
    }
}

fn purpose(alias: &Digest) -> String {
    format!("burgess.subject-key/1 {alias}")
}

fn unavailable(cause: &dyn std::fmt::Display) -> PortError {
    PortError::Unavailable {
        what: "the subject's key",
        cause: cause.to_string(),
    }
}

impl Vault for Subjects {
    fn alias(&self, subject: &str) -> String {
        self.fingerprint(subject).to_string()
    }

    fn seal<'a>(
        &'a self,
        subject: &'a str,
        plain: &'a [u8],
        bound: &'a [u8],
    ) -> Answer<'a, Result<Vec<u8>, PortError>> {
        Box::pin(async move {
            let key = self.key_to_seal(self.fingerprint(subject)).await?;
            key.seal(&String::from_utf8_lossy(bound), plain)
                .map_err(|e| unavailable(&e))
        })
    }

    fn open<'a>(
        &'a self,
        alias: &'a str,
        sealed: &'a [u8],
        bound: &'a [u8],
    ) -> Answer<'a, Result<Option<Zeroizing<Vec<u8>>>, PortError>> {
        Box::pin(async move {
            let alias = Digest::parse(alias).map_err(|e| unavailable(&e))?;
            match self.key_to_open(alias).await? {
                Some(key) => key
                    .open(&String::from_utf8_lossy(bound), sealed)
                    .map(Some)
                    .map_err(|e| unavailable(&e)),
                None => Ok(None),
            }
        })
    }
}
