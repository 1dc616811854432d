//! The vault: one key per data subject, wrapped by the KEK, destroyed on erasure.

use std::collections::BTreeMap;
use std::sync::Arc;

use burgess_core::digest::Digest;
use burgess_gateway::ciphers::{Asked, Ciphers};
use burgess_gateway::ports::{Answer, PortError, Vault};
use burgess_gateway::sealing::{Alias, SubjectCipher};
use burgess_store::{Store, SubjectKey};
use zeroize::Zeroizing;

use super::ring::KeyRing;
use crate::ambient::Ambient;

/// Hands out ciphers for personal values under a key per subject.
pub struct Subjects {
    store: Arc<Store>,
    keys: Arc<KeyRing>,
    ambient: Arc<Ambient>,
    open: Ciphers,
}

impl Subjects {
    /// A vault over the keys in `store`.
    pub fn new(store: Arc<Store>, keys: Arc<KeyRing>, ambient: Arc<Ambient>) -> Self {
        Self {
            store,
            keys,
            ambient,
            open: Ciphers::default(),
        }
    }

    /// Lets go of the key of an erased subject. Call it after its erasure is committed: until then
    /// the key may be fetched anew.
    pub fn forget(&self, fingerprint: &Digest) {
        self.open.forget(fingerprint);
    }

    /// The ciphers of subjects that are not at hand; their keys are made and stored durably, in
    /// one transaction, where there were none.
    async fn fetch(
        &self,
        subjects: &[&str],
        asked: Asked,
    ) -> Result<Vec<Arc<SubjectCipher>>, PortError> {
        let aliases: Vec<Alias> = subjects.iter().map(|subject| self.alias(subject)).collect();
        let mut held = Vec::with_capacity(aliases.len());
        let mut fresh = Vec::new();
        for alias in &aliases {
            let found = self.store.subject_key(alias.fingerprint()).await;
            let found = found.map_err(|e| unavailable(&e))?;
            if found == SubjectKey::Never {
                fresh.push((alias.fingerprint(), self.fresh_key(alias)?));
            }
            held.push(found);
        }
        if !fresh.is_empty() {
            let now = self.ambient.now();
            let made = self.store.ensure_subject_keys(&fresh, now).await;
            let mut made = made.map_err(|e| unavailable(&e))?.into_iter();
            let never = held.iter_mut().filter(|held| **held == SubjectKey::Never);
            for (held, made) in never.zip(&mut made) {
                *held = made;
            }
        }
        let all = subjects.iter().zip(aliases).zip(held);
        all.map(|((subject, alias), held)| match held {
            SubjectKey::Active { wrapped, .. } => {
                let cipher = self.cipher(alias, &wrapped)?;
                self.open.keep(Some(subject), &cipher, asked);
                Ok(cipher)
            }
            SubjectKey::Erased { .. } => Err(PortError::Erased),
            SubjectKey::Never => Err(unavailable(&"it was made and is not there")),
        })
        .collect()
    }

    fn fresh_key(&self, alias: &Alias) -> Result<Vec<u8>, PortError> {
        let fresh = Zeroizing::new(self.ambient.random().map_err(|e| unavailable(&e))?);
        let wrapped = self.keys.kek.seal(&purpose(alias), fresh.as_slice());
        wrapped.map_err(|e| unavailable(&e))
    }

    fn cipher(&self, alias: Alias, wrapped: &[u8]) -> Result<Arc<SubjectCipher>, PortError> {
        let plain = self.keys.kek.open(&purpose(&alias), wrapped);
        let plain = plain.map_err(|e| unavailable(&e))?;
        let bytes: &[u8; 32] = plain
            .as_slice()
            .try_into()
            .map_err(|_| unavailable(&"the key has another length"))?;
        let cipher = SubjectCipher::new(alias, bytes).map_err(|e| unavailable(&e))?;
        Ok(Arc::new(cipher))
    }
}

fn purpose(alias: &Alias) -> String {
    format!("burgess.subject-key/2 {alias}")
}

fn unavailable(cause: &dyn std::fmt::Display) -> PortError {
    PortError::Unavailable {
        what: "the subject's key",
        cause: cause.to_string(),
    }
}

impl Vault for Subjects {
    /// A keyed digest (nested, as HMAC is): without the alias key nobody can tell whose alias it is.
    fn alias(&self, subject: &str) -> Alias {
        let key = self.keys.alias.expose();
        let inner = Digest::of_parts(&[b"burgess.alias/1\n", key, subject.as_bytes()]);
        Alias::of(&Digest::of_parts(&[key, inner.as_bytes()]))
    }

    fn to_seal<'a>(
        &'a self,
        subjects: &'a [&'a str],
    ) -> Answer<'a, Result<Vec<Arc<SubjectCipher>>, PortError>> {
        Box::pin(async move {
            let (at_hand, asked) = self.open.of_subjects(subjects);
            let named = subjects.iter().zip(&at_hand);
            let mut missing: Vec<&str> = named
                .filter(|(_, cipher)| cipher.is_none())
                .map(|(subject, _)| *subject)
                .collect();
            missing.sort_unstable();
            missing.dedup();
            let fetched = self.fetch(&missing, asked).await?;
            let fetched: BTreeMap<&str, Arc<SubjectCipher>> =
                missing.into_iter().zip(fetched).collect();
            let all = subjects.iter().zip(at_hand);
            all.map(|(subject, cipher)| {
                cipher
                    .or_else(|| fetched.get(subject).cloned())
                    .ok_or_else(|| unavailable(&"it was fetched and is not there"))
            })
            .collect()
        })
    }

    fn to_open<'a>(
        &'a self,
        alias: Alias,
    ) -> Answer<'a, Result<Option<Arc<SubjectCipher>>, PortError>> {
        Box::pin(async move {
            let (at_hand, asked) = self.open.of_alias(&alias);
            if at_hand.is_some() {
                return Ok(at_hand);
            }
            let held = self.store.subject_key(alias.fingerprint()).await;
            match held.map_err(|e| unavailable(&e))? {
                SubjectKey::Active { wrapped, .. } => {
                    let cipher = self.cipher(alias, &wrapped)?;
                    self.open.keep(None, &cipher, asked);
                    Ok(Some(cipher))
                }
                SubjectKey::Never | SubjectKey::Erased { .. } => Ok(None),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kms::envelope::Key;
    use burgess_core::time::Span;
    use std::path::Path;

    async fn vault(data: &Path) -> Subjects {
        let ambient = Arc::new(Ambient::behind(Span::ZERO));
        let store = Store::open(data, ambient.now()).await.unwrap();
        let keys = KeyRing::open(&data.join("keys"), Key::new([1; 32])).unwrap();
        Subjects::new(Arc::new(store), Arc::new(keys), ambient)
    }

    #[tokio::test]
    async fn keys_are_made_once_for_a_whole_batch_and_are_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let vault = vault(folder.path()).await;
        let names = ["actor:dana", "resource:quote:7", "actor:dana"];
        let ciphers = vault.to_seal(&names).await.unwrap();
        assert!(Arc::ptr_eq(&ciphers[0], &ciphers[2]));
        for (name, cipher) in names.iter().zip(&ciphers) {
            assert_eq!(cipher.alias(), vault.alias(name));
        }
        vault.forget(&ciphers[0].alias().fingerprint());
        let again = vault.to_open(ciphers[0].alias()).await.unwrap().unwrap();
        assert!(!Arc::ptr_eq(&ciphers[0], &again), "fetched from the store");
        let unknown = vault.alias("actor:nobody");
        assert!(vault.to_open(unknown).await.unwrap().is_none());
        drop(vault);

        let restarted = self::vault(folder.path()).await;
        let pair = |actor, resource| burgess_gateway::sealing::Pair { actor, resource };
        let seed = pair(&*ciphers[0], &*ciphers[1]).seed("evt_1", &[0; 12]);
        let ciphers = restarted.to_seal(&names).await.unwrap();
        assert_eq!(
            pair(&*ciphers[0], &*ciphers[1]).seed("evt_1", &[0; 12]),
            seed
        );
    }
}
