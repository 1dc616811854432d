//! Sealing: how personal values are encrypted, so that losing one key closes them for good.
//!
//! Beside each leaf lies a side value, `burgess.sealed/2`: the actor's values in one box under the
//! actor's key, the resource's id in another under the resource's key. The seed of the salts is
//! stored nowhere: it is derived from both keys, so that erasing either leaves nothing from which
//! a guess could be checked. Pure; a benchmark and the binary use the same code.
//!
//! Not here: where keys are kept and who may open what (decision note 5).

use std::fmt;

use burgess_core::audit::Event;
use burgess_core::digest::Digest;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, Tag, UnboundKey};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// Bytes of an alias: 128 bits of a keyed digest, so that two subjects never share one.
pub const ALIAS_BYTES: usize = 16;
/// The format of a side value, as its first byte.
const VERSION: u8 = 2;
/// What every derivation of this format begins with, each with an ending of its own.
const AEAD_HEAD: &[u8] = b"burgess.sealed/2 aead\n";
const SALT_KEY_HEAD: &[u8] = b"burgess.sealed/2 salts\n";
/// What is authenticated with each box, before the event's id. Keys of this format seal nothing
/// else, so that a byte is enough.
const ACTOR: u8 = b'a';
const RESOURCE: u8 = b'r';
const TAG_BYTES: usize = 16;

/// A number of 96 bits of one entry alone: random for a call, and counted on within it. It keeps apart
/// two entries that were handed in under one event id.
pub type EntryNonce = [u8; NONCE_LEN];

/// Stands for a subject: only who has the vault's key can tell of whom it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Alias([u8; ALIAS_BYTES]);

/// A value could not be sealed: the cipher takes no more than 64 GiB under one nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the personal values are too long to be sealed: shorten them")]
pub struct SealError;

/// What is derived of one subject's key, ready for use.
pub struct SubjectCipher {
    alias: Alias,
    aead: LessSafeKey,
    salts: Zeroizing<[u8; 32]>,
}

/// The two ciphers of an entry.
#[derive(Clone, Copy)]
pub struct Pair<'a> {
    /// Of whom the actor's values are.
    pub actor: &'a SubjectCipher,
    /// Of what the resource's id is.
    pub resource: &'a SubjectCipher,
}

/// A side value, taken apart.
#[derive(Clone, Copy)]
pub struct Sealed<'a> {
    nonce: EntryNonce,
    /// Whose key opens the actor's values.
    pub actor: Alias,
    /// Whose key opens the resource's id.
    pub resource: Alias,
    actor_box: &'a [u8],
    resource_box: &'a [u8],
}

/// The actor's values, opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActorValues {
    /// Who acted.
    pub actor_id: String,
    /// From which address.
    pub ip_address: Option<String>,
    /// With which program.
    pub user_agent: Option<String>,
    /// Under which circumstances.
    pub request_context: Option<Map<String, Value>>,
}

impl Alias {
    /// The alias with this digest, of which it keeps the first half.
    pub fn of(digest: &Digest) -> Self {
        let (halves, _) = digest.as_bytes().as_chunks::<ALIAS_BYTES>();
        Self(halves.first().copied().unwrap_or_default())
    }

    /// The name under which a store keeps the subject's key.
    pub fn fingerprint(&self) -> Digest {
        Digest::of_parts(&[b"burgess.alias-fingerprint/1\n", &self.0])
    }
}

impl fmt::Display for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Debug for SubjectCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SubjectCipher({})", self.alias)
    }
}

impl SubjectCipher {
    /// What follows from a subject's 32 random bytes of key.
    ///
    /// # Errors
    /// Never with a key of this length; the cipher does not say so in its types.
    pub fn new(alias: Alias, key: &[u8; 32]) -> Result<Self, SealError> {
        let aead = Zeroizing::new(*Digest::of_parts(&[AEAD_HEAD, key]).as_bytes());
        let aead = UnboundKey::new(&AES_256_GCM, aead.as_slice()).map_err(|_| SealError)?;
        Ok(Self {
            alias,
            aead: LessSafeKey::new(aead),
            salts: Zeroizing::new(*Digest::of_parts(&[SALT_KEY_HEAD, key]).as_bytes()),
        })
    }

    /// The subject's alias.
    pub const fn alias(&self) -> Alias {
        self.alias
    }

    /// Encrypts what stands in `out` from `from` on, and appends the tag.
    fn seal(
        &self,
        nonce: EntryNonce,
        bound: &Bound,
        out: &mut Vec<u8>,
        from: usize,
    ) -> Result<(), SealError> {
        let plain = out.get_mut(from..).ok_or(SealError)?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self
            .aead
            .seal_in_place_separate_tag(nonce, Aad::from(bound.as_slice()), plain)
            .map_err(|_| SealError)?;
        out.extend_from_slice(tag.as_ref());
        Ok(())
    }

    /// `None` when key, entry or bytes are others.
    fn open(&self, nonce: EntryNonce, bound: &Bound, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (body, tag) = sealed.split_last_chunk::<TAG_BYTES>()?;
        let mut plain = Zeroizing::new(body.to_vec());
        let nonce = Nonce::assume_unique_for_key(nonce);
        let (aad, tag) = (Aad::from(bound.as_slice()), Tag::from(*tag));
        self.aead
            .open_in_place_separate_tag(nonce, aad, tag, &mut plain, 0..)
            .ok()?;
        Some(plain)
    }
}

/// What a box is bound to: which box of which event it is. An id has 64 bytes at most
/// ([`burgess_core::id`]); of a longer one, which no event has, the first bytes count.
struct Bound {
    bytes: [u8; 1 + 64],
    length: usize,
}

impl Bound {
    fn new(part: u8, event_id: &str) -> Self {
        let mut bytes = [part; 1 + 64];
        let id = bytes.iter_mut().skip(1).zip(event_id.bytes());
        id.for_each(|(place, byte)| *place = byte);
        let length = 1 + event_id.len().min(64);
        Self { bytes, length }
    }

    /// The other box of the same event.
    fn part(mut self, part: u8) -> Self {
        self.bytes[0] = part;
        self
    }

    fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl Pair<'_> {
    /// The seed of the salts of one entry. Both keys are for this alone and of fixed length, so
    /// nothing needs to stand before them; with a usual id it all fits two blocks of SHA-256.
    pub fn seed(&self, event_id: &str, nonce: &EntryNonce) -> [u8; 32] {
        *Digest::of_parts(&[
            self.actor.salts.as_slice(),
            self.resource.salts.as_slice(),
            nonce,
            event_id.as_bytes(),
        ])
        .as_bytes()
    }

    /// Appends the side value of `event` to `out`; `context` is its `request_context` as canonical
    /// JSON.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn seal(
        &self,
        event: &Event,
        context: Option<&[u8]>,
        nonce: EntryNonce,
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        let id = event.event_id.as_str();
        out.push(VERSION);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&self.actor.alias.0);
        out.extend_from_slice(&self.resource.alias.0);
        put_length(out, event.resource_id.len());
        let from = out.len();
        out.extend_from_slice(event.resource_id.as_bytes());
        let bound = Bound::new(RESOURCE, id);
        self.resource.seal(nonce, &bound, out, from)?;
        let from = out.len();
        put_text(out, &event.actor_id);
        put_maybe(out, event.ip_address.as_deref());
        put_maybe(out, event.user_agent.as_deref());
        out.extend_from_slice(context.unwrap_or_default());
        self.actor.seal(nonce, &bound.part(ACTOR), out, from)
    }
}

impl<'a> Sealed<'a> {
    /// Takes a side value apart; `None` where it is none of this format. Side values are deletable
    /// and prove nothing, so one that cannot be read is as good as none.
    pub fn read(side: &'a [u8]) -> Option<Self> {
        let rest = side.strip_prefix(&[VERSION])?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE_LEN>()?;
        let (actor, rest) = rest.split_first_chunk::<ALIAS_BYTES>()?;
        let (resource, mut rest) = rest.split_first_chunk::<ALIAS_BYTES>()?;
        let length = take_length(&mut rest)?.checked_add(TAG_BYTES)?;
        let (resource_box, actor_box) = rest.split_at_checked(length)?;
        Some(Self {
            nonce: *nonce,
            actor: Alias(*actor),
            resource: Alias(*resource),
            actor_box,
            resource_box,
        })
    }

    /// The side value without what is sealed for subjects that `gone` says yes to, and without their
    /// aliases; `None` where it holds nothing of theirs. No key is needed to forget.
    pub fn without(&self, gone: impl Fn(&Alias) -> bool) -> Option<Vec<u8>> {
        const NOBODY: Alias = Alias([0; ALIAS_BYTES]);
        let forget = |alias: Alias| alias != NOBODY && gone(&alias);
        let (actor, resource) = (forget(self.actor), forget(self.resource));
        if !actor && !resource {
            return None;
        }
        let keep = |gone: bool, alias: Alias| if gone { NOBODY } else { alias };
        let mut out = vec![VERSION];
        out.extend_from_slice(&self.nonce);
        out.extend_from_slice(&keep(actor, self.actor).0);
        out.extend_from_slice(&keep(resource, self.resource).0);
        let blank = [0; TAG_BYTES];
        let resource_box = if resource { &blank } else { self.resource_box };
        put_length(&mut out, resource_box.len().saturating_sub(TAG_BYTES));
        out.extend_from_slice(resource_box);
        if !actor {
            out.extend_from_slice(self.actor_box);
        }
        Some(out)
    }

    /// The actor's values of the event of that id.
    pub fn open_actor(&self, event_id: &str, cipher: &SubjectCipher) -> Option<ActorValues> {
        let bound = Bound::new(ACTOR, event_id);
        let plain = cipher.open(self.nonce, &bound, self.actor_box)?;
        let mut rest = plain.as_slice();
        let actor_id = take_text(&mut rest)?;
        let ip_address = take_maybe(&mut rest)?;
        let user_agent = take_maybe(&mut rest)?;
        let request_context = match rest {
            [] => None,
            json => Some(serde_json::from_slice(json).ok()?),
        };
        Some(ActorValues {
            actor_id,
            ip_address,
            user_agent,
            request_context,
        })
    }

    /// The resource's id of the event of that id.
    pub fn open_resource(&self, event_id: &str, cipher: &SubjectCipher) -> Option<String> {
        let bound = Bound::new(RESOURCE, event_id);
        let plain = cipher.open(self.nonce, &bound, self.resource_box)?;
        String::from_utf8(plain.to_vec()).ok()
    }

    /// The seed of the entry's salts.
    pub fn seed(&self, event_id: &str, pair: Pair<'_>) -> Digest {
        Digest::from_bytes(pair.seed(event_id, &self.nonce))
    }
}

/// Seven bits per byte, the lowest first; the top bit says that more follow.
fn put_length(out: &mut Vec<u8>, length: usize) {
    let mut rest = length;
    loop {
        let low = u8::try_from(rest & 0x7f).unwrap_or(0);
        rest >>= 7;
        if rest == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

fn take_length(bytes: &mut &[u8]) -> Option<usize> {
    let mut length = 0;
    for shift in [0, 7, 14] {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(length);
        }
    }
    None // no side value is longer than 2^21 bytes
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_length(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

fn take_text(bytes: &mut &[u8]) -> Option<String> {
    let length = take_length(bytes)?;
    take(bytes, length)
}

/// 0 stands for none, else the length and one more.
fn put_maybe(out: &mut Vec<u8>, text: Option<&str>) {
    put_length(out, text.map_or(0, |text| text.len() + 1));
    out.extend_from_slice(text.unwrap_or_default().as_bytes());
}

fn take_maybe(bytes: &mut &[u8]) -> Option<Option<String>> {
    match take_length(bytes)?.checked_sub(1) {
        None => Some(None),
        Some(length) => take(bytes, length).map(Some),
    }
}

fn take(bytes: &mut &[u8], length: usize) -> Option<String> {
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    String::from_utf8(text.to_vec()).ok()
}

/// What must hold of a side value of any bytes: nobody's key opens it, and what is left of it after
/// both subjects are forgotten is read back and holds nothing more to forget.
#[cfg(any(test, fuzzing))]
pub fn check(bytes: &[u8]) {
    let Some(read) = Sealed::read(bytes) else {
        return;
    };
    if let Ok(cipher) = SubjectCipher::new(read.actor, &[1; 32]) {
        assert_eq!(read.open_actor("evt_1", &cipher), None);
        assert_eq!(read.open_resource("evt_1", &cipher), None);
    }
    if let Some(left) = read.without(|_| true) {
        let again = Sealed::read(&left);
        assert!(again.is_some_and(|again| again.without(|_| true).is_none()));
    }
}

#[cfg(test)]
#[path = "sealing/tests.rs"]
mod tests;
