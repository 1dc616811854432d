//! SHA-256 digests, written as lowercase hexadecimal.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::block_api::compress256;
use sha2::{Digest as _, Sha256};

/// The hash value that SHA-256 begins with (FIPS 180-4, section 5.3.3).
const BEGIN: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];
/// Bytes of a block of SHA-256, and of the mark and the length that end a message.
const BLOCK: usize = 64;
const END: usize = 1 + 8;
/// Blocks of a message that is put together on the stack.
const BLOCKS_SHORT: usize = 4;

/// A SHA-256 digest (FIPS 180-4), shown and parsed as 64 lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

/// The text is not 64 lowercase hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a SHA-256 digest: write 64 lowercase hexadecimal digits")]
pub struct DigestError(String);

/// One byte as two lowercase hexadecimal digits.
pub(crate) const fn hex(byte: u8) -> [u8; 2] {
    const fn digit(value: u8) -> u8 {
        if value < 10 {
            b'0' + value
        } else {
            b'a' + value - 10
        }
    }
    [digit(byte >> 4), digit(byte & 15)]
}

impl Digest {
    /// Digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self::of_parts(&[bytes])
    }

    /// Digest of the concatenation of `parts`.
    ///
    /// Every event takes some twenty digests of short messages, so these are padded where they are
    /// put together and compressed at once, without the bookkeeping of a message of any length.
    pub fn of_parts(parts: &[&[u8]]) -> Self {
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        if length + END <= BLOCK * BLOCKS_SHORT {
            return Self::of_short(parts, length);
        }
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }

    fn of_short(parts: &[&[u8]], length: usize) -> Self {
        let mut blocks = [[0; BLOCK]; BLOCKS_SHORT];
        let (message, mut at) = (blocks.as_flattened_mut(), 0);
        for part in parts {
            let end = at + part.len();
            if let Some(place) = message.get_mut(at..end) {
                place.copy_from_slice(part);
            }
            at = end;
        }
        pad(&mut blocks, length)
    }

    /// Digest of the message in `buffer`, which is padded in place to whole blocks.
    pub(crate) fn of_buffer(buffer: &mut Vec<u8>) -> Self {
        let bits = bits(buffer.len());
        let whole = (buffer.len() + END).next_multiple_of(BLOCK);
        buffer.push(0x80);
        buffer.resize(whole - bits.len(), 0);
        buffer.extend_from_slice(&bits);
        compressed(buffer.as_chunks().0)
    }

    /// Takes 32 bytes that are already a digest.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 64 digits, as ASCII.
    pub fn hex(&self) -> [u8; 64] {
        let mut out = [0; 64];
        let (pairs, _) = out.as_chunks_mut::<2>();
        for (pair, byte) in pairs.iter_mut().zip(self.0) {
            *pair = hex(byte);
        }
        out
    }

    /// Reads 64 lowercase hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        let bad = || DigestError(text.chars().take(80).collect());
        if text.len() != 64 {
            return Err(bad());
        }
        let mut out = [0u8; 32];
        for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let mut value = 0u8;
            for digit in pair {
                let digit = match digit {
                    b'0'..=b'9' => digit - b'0',
                    b'a'..=b'f' => digit - b'a' + 10,
                    _ => return Err(bad()),
                };
                value = value << 4 | digit;
            }
            *byte = value;
        }
        Ok(Self(out))
    }
}

/// Ends the message of `length` bytes in zeroed blocks (FIPS 180-4, section 5.1.1), and compresses
/// the blocks that it takes.
fn pad(blocks: &mut [[u8; BLOCK]; BLOCKS_SHORT], length: usize) -> Digest {
    let taken = (length + END).div_ceil(BLOCK);
    if let Some(mark) = blocks.as_flattened_mut().get_mut(length) {
        *mark = 0x80;
    }
    let taken = blocks.get_mut(..taken).unwrap_or_default();
    if let Some(end) = taken.last_mut().and_then(|last| last.last_chunk_mut()) {
        *end = bits(length);
    }
    compressed(taken)
}

/// The length of a message as it ends one: in bits, big-endian.
fn bits(bytes: usize) -> [u8; 8] {
    u64::try_from(bytes)
        .unwrap_or(u64::MAX)
        .wrapping_mul(8)
        .to_be_bytes()
}

fn compressed(blocks: &[[u8; BLOCK]]) -> Digest {
    let mut state = BEGIN;
    compress256(&mut state, blocks);
    let mut bytes = [0; 32];
    let (words, _) = bytes.as_chunks_mut();
    for (word, value) in words.iter_mut().zip(state) {
        *word = value.to_be_bytes();
    }
    Digest(bytes)
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = self.hex();
        f.write_str(std::str::from_utf8(&hex).unwrap_or_default())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestError;
    fn try_from(text: String) -> Result<Self, DigestError> {
        Self::parse(&text)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_every_length_have_the_digest_that_the_standard_gives_them() {
        for length in 0..600 {
            let bytes: Vec<u8> = (0..length)
                .map(|n| u8::try_from(n % 251).unwrap())
                .collect();
            let expected = Digest(Sha256::digest(&bytes).into());
            assert_eq!(Digest::of(&bytes), expected, "{length} bytes");
            assert_eq!(
                Digest::of_buffer(&mut bytes.clone()),
                expected,
                "{length} bytes"
            );
            let (one, rest) = bytes.split_at(length / 3);
            let (other, last) = rest.split_at(length / 5);
            assert_eq!(
                Digest::of_parts(&[one, other, &[], last]),
                expected,
                "{length} bytes"
            );
        }
    }

    #[test]
    fn a_digest_reads_back_what_it_prints_and_refuses_capitals() {
        let digest = Digest::of(b"abc");
        assert!(digest.to_string().starts_with("ba7816bf"));
        assert_eq!(Digest::parse(&digest.to_string()), Ok(digest));
        assert!(Digest::parse(&digest.to_string().to_uppercase()).is_err());
        assert_eq!(Digest::of_parts(&[b"a", b"bc"]), digest);
    }
}
