//! Ciphers of subjects, kept ready: making one anew for every event would cost more than sealing.
//!
//! Two generations bound the memory: when the newer one is full the older one goes, and what is
//! used moves into the newer. Forgetting a subject reaches both, and whatever was fetched before
//! it and arrives after it.
//! Not here: where keys come from.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use burgess_core::digest::Digest;

use crate::sealing::{Alias, SubjectCipher};

/// Ciphers in one generation at most: about a kilobyte each with its name, so 16 MB in two.
const GENERATION_MAX: usize = 8_192;

/// When a cipher was asked for, in erasures: what was fetched before an erasure is not kept after
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked(u64);

/// Ciphers by subject and by alias.
#[derive(Default)]
pub struct Ciphers(RwLock<Inner>);

#[derive(Default)]
struct Inner {
    recent: Generation,
    older: Generation,
    erasures: u64,
}

#[expect(
    clippy::disallowed_types,
    reason = "only looked up in, never walked in an order that anybody sees"
)]
type Index<K> = std::collections::HashMap<K, Arc<SubjectCipher>>;

#[derive(Default)]
struct Generation {
    by_subject: Index<String>,
    by_alias: Index<Alias>,
}

impl Ciphers {
    /// The ciphers of these subjects, as far as they are at hand.
    pub fn of_subjects(&self, subjects: &[&str]) -> (Vec<Option<Arc<SubjectCipher>>>, Asked) {
        let inner = self.read();
        let recent = |subject: &&str| inner.recent.by_subject.get(*subject).cloned();
        let mut found: Vec<_> = subjects.iter().map(recent).collect();
        let asked = Asked(inner.erasures);
        drop(inner);
        if found.iter().any(Option::is_none) {
            let mut inner = self.write();
            let missing = found
                .iter_mut()
                .zip(subjects)
                .filter(|(it, _)| it.is_none());
            missing.for_each(|(it, subject)| *it = inner.of_subject(subject));
        }
        (found, asked)
    }

    /// The cipher of that alias, if it is at hand.
    pub fn of_alias(&self, alias: &Alias) -> (Option<Arc<SubjectCipher>>, Asked) {
        let inner = self.read();
        let indexes = [&inner.recent.by_alias, &inner.older.by_alias];
        let found = indexes.into_iter().find_map(|index| index.get(alias));
        (found.cloned(), Asked(inner.erasures))
    }

    /// Keeps a cipher, unless a subject was erased since it was asked for: perhaps this one.
    pub fn keep(&self, subject: Option<&str>, cipher: &Arc<SubjectCipher>, asked: Asked) {
        let mut inner = self.write();
        if asked == Asked(inner.erasures) {
            inner.insert(subject, cipher);
        }
    }

    /// Lets go of the cipher of the subject whose key was erased under this fingerprint.
    pub fn forget(&self, fingerprint: &Digest) {
        let mut inner = self.write();
        inner.erasures += 1;
        inner.recent.forget(fingerprint);
        inner.older.forget(fingerprint);
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn of_subject(&mut self, subject: &str) -> Option<Arc<SubjectCipher>> {
        if let Some(cipher) = self.recent.by_subject.get(subject) {
            return Some(cipher.clone());
        }
        let cipher = self.older.by_subject.get(subject)?.clone();
        self.insert(Some(subject), &cipher);
        Some(cipher)
    }

    fn insert(&mut self, subject: Option<&str>, cipher: &Arc<SubjectCipher>) {
        if self.recent.by_alias.len() >= GENERATION_MAX {
            self.older = std::mem::take(&mut self.recent);
        }
        if let Some(subject) = subject {
            let subject = subject.to_owned();
            self.recent.by_subject.insert(subject, cipher.clone());
        }
        self.recent.by_alias.insert(cipher.alias(), cipher.clone());
    }
}

impl Generation {
    fn forget(&mut self, fingerprint: &Digest) {
        self.by_alias
            .retain(|alias, _| alias.fingerprint() != *fingerprint);
        self.by_subject
            .retain(|_, cipher| cipher.alias().fingerprint() != *fingerprint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cipher(n: usize) -> Arc<SubjectCipher> {
        let alias = Alias::of(&Digest::of(&n.to_be_bytes()));
        Arc::new(SubjectCipher::new(alias, &[7; 32]).unwrap())
    }

    fn at_hand(ciphers: &Ciphers, n: usize) -> (bool, bool) {
        let by_subject = ciphers.of_subjects(&[&format!("actor:{n}")]).0;
        let by_alias = ciphers.of_alias(&cipher(n).alias()).0;
        (by_subject[0].is_some(), by_alias.is_some())
    }

    fn keep(ciphers: &Ciphers, n: usize) {
        let (_, asked) = ciphers.of_subjects(&[]);
        ciphers.keep(Some(&format!("actor:{n}")), &cipher(n), asked);
    }

    #[test]
    fn a_forgotten_subject_is_found_neither_by_name_nor_by_alias() {
        let ciphers = Ciphers::default();
        keep(&ciphers, 1);
        keep(&ciphers, 2);
        assert_eq!(at_hand(&ciphers, 1), (true, true));
        ciphers.forget(&cipher(1).alias().fingerprint());
        assert_eq!(at_hand(&ciphers, 1), (false, false));
        assert_eq!(at_hand(&ciphers, 2), (true, true));
    }

    #[test]
    fn what_was_fetched_before_an_erasure_is_not_kept_after_it() {
        let ciphers = Ciphers::default();
        let (_, asked) = ciphers.of_alias(&cipher(1).alias());
        ciphers.forget(&cipher(1).alias().fingerprint());
        ciphers.keep(Some("actor:1"), &cipher(1), asked);
        assert_eq!(at_hand(&ciphers, 1), (false, false));
    }

    #[test]
    fn what_is_used_stays_and_the_rest_makes_room() {
        let ciphers = Ciphers::default();
        keep(&ciphers, 0);
        for n in 1..=3 * GENERATION_MAX {
            keep(&ciphers, n);
            if n % 1_000 == 0 {
                assert_eq!(at_hand(&ciphers, 0), (true, true), "after {n}");
            }
        }
        assert_eq!(at_hand(&ciphers, 1), (false, false));
        let inner = ciphers.read();
        assert!(inner.recent.by_alias.len() <= GENERATION_MAX);
        assert!(inner.older.by_alias.len() <= GENERATION_MAX);
    }
}
