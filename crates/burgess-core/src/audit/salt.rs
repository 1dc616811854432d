//! Salts: what keeps a personal value from being guessed from its commitment.
//!
//! All five of an event are drawn from one seed. Who has the seed can open everything, who has a
//! salt only the one value.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::leaf::PERSONAL_FIELDS;
use crate::digest::{Digest, hex};

/// Bytes of a salt: 128 bits, which nobody can try out.
pub const SALT_BYTES: usize = 16;
/// What each block of the expansion begins with. With the seed and the counter it fills one block
/// of SHA-256.
const HEAD: &[u8] = b"burgess.salts/1\n";

/// The salt of one value, written as 32 lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Salt([u8; SALT_BYTES]);

impl Salt {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; SALT_BYTES] {
        &self.0
    }
}

/// The salts of all personal fields, in their order: `SHA-256(head || seed || 0)`, `… || 1` and
/// `… || 2` joined and cut into pieces.
pub(super) fn salts(seed: &Digest) -> [Salt; PERSONAL_FIELDS.len()] {
    let block = |counter: u8| *Digest::of_parts(&[HEAD, seed.as_bytes(), &[counter]]).as_bytes();
    let blocks = [block(0), block(1), block(2)];
    let (pieces, _) = blocks.as_flattened().as_chunks::<SALT_BYTES>();
    let mut salts = [Salt([0; SALT_BYTES]); PERSONAL_FIELDS.len()];
    for (salt, piece) in salts.iter_mut().zip(pieces) {
        *salt = Salt(*piece);
    }
    salts
}

impl fmt::Display for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.map(hex);
        f.write_str(std::str::from_utf8(digits.as_flattened()).unwrap_or_default())
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(…)")
    }
}

impl From<Salt> for String {
    fn from(salt: Salt) -> Self {
        salt.to_string()
    }
}

/// The text is no salt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a salt has 32 lowercase hexadecimal digits")]
pub struct SaltError;

impl TryFrom<String> for Salt {
    type Error = SaltError;
    fn try_from(text: String) -> Result<Self, SaltError> {
        // A salt is half as long as a digest and read in the same way.
        let digest = Digest::parse(&[text.as_str(), text.as_str()].concat());
        let digest = digest.map_err(|_| SaltError)?;
        let first = digest.as_bytes().first_chunk::<SALT_BYTES>();
        first.map(|bytes| Self(*bytes)).ok_or(SaltError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_salts_of_a_seed_differ_and_read_back_what_they_print() {
        let salts = salts(&Digest::of(b"seed"));
        for (at, salt) in salts.iter().enumerate() {
            assert_eq!(Salt::try_from(salt.to_string()).as_ref(), Ok(salt));
            assert!(!salts[..at].contains(salt), "salt {at}");
        }
        assert!(Salt::try_from("ab".repeat(15)).is_err());
        assert!(Salt::try_from("AB".repeat(16)).is_err());
    }
}
