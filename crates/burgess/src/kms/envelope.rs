//! Envelope encryption: XChaCha20-Poly1305 with the purpose as associated data.
//!
//! A box is `nonce (24 bytes) || ciphertext || tag (16 bytes)`
//! (draft-irtf-cfrg-xchacha §2). The nonce is random: with 192 bits, chance
//! collisions are no concern at any number of boxes we can make.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

/// A 256-bit key, wiped from memory when dropped.
#[derive(Clone)]
pub struct Key(Zeroizing<[u8; 32]>);

/// A box could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// Wrong key, wrong purpose, or changed bytes.
    #[error(
        "the sealed value for `{0}` does not open: the key is another one or its bytes were changed"
    )]
    Open(String),
    /// No randomness, or the value is beyond the cipher's limit.
    #[error("the value for `{0}` cannot be sealed")]
    Seal(String),
}

impl Key {
    /// Takes 32 bytes of key.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes; keep them no longer than needed.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Seals `plain` for `purpose`, which must be given again to open it.
    pub fn seal(&self, purpose: &str, plain: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
        let fail = || EnvelopeError::Seal(purpose.to_owned());
        let mut nonce = [0u8; 24];
        getrandom::fill(&mut nonce).map_err(|_| fail())?;
        let cipher = XChaCha20Poly1305::new_from_slice(self.0.as_slice()).map_err(|_| fail())?;
        let payload = Payload {
            msg: plain,
            aad: purpose.as_bytes(),
        };
        let sealed = cipher
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| fail())?;
        Ok([nonce.as_slice(), sealed.as_slice()].concat())
    }

    /// Opens a box that was sealed for `purpose`.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
        let fail = || EnvelopeError::Open(purpose.to_owned());
        let (nonce, body) = sealed.split_first_chunk::<24>().ok_or_else(fail)?;
        let cipher = XChaCha20Poly1305::new_from_slice(self.0.as_slice()).map_err(|_| fail())?;
        let payload = Payload {
            msg: body,
            aad: purpose.as_bytes(),
        };
        cipher
            .decrypt(&XNonce::from(*nonce), payload)
            .map(Zeroizing::new)
            .map_err(|_| fail())
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_opens_only_with_its_key_its_purpose_and_its_bytes() {
        let key = Key::new([7; 32]);
        let sealed = key.seal("connector crm/sandbox", b"secret").unwrap();
        assert_eq!(
            key.open("connector crm/sandbox", &sealed)
                .unwrap()
                .as_slice(),
            b"secret"
        );
        assert!(key.open("connector crm/production", &sealed).is_err());
        assert!(
            Key::new([8; 32])
                .open("connector crm/sandbox", &sealed)
                .is_err()
        );
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(
                key.open("connector crm/sandbox", &changed).is_err(),
                "byte {at}"
            );
        }
    }
}
