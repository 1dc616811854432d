//! JWT access tokens on the wire (RFC 7515, RFC 9068), strictly: one algorithm, one type, no
//! extensions, no duplicate keys, canonical base64url. Not here: the signature itself; the caller
//! signs the signing input and checks the signature bytes, both with Ed25519 (RFC 8037).

use serde::{Deserialize, Serialize};

use super::AccessClaims;
use crate::json::parse_strict;

/// Bytes of an access token at most: room for 100 scopes of 40 characters, base64 included.
pub const ACCESS_BYTES_MAX: usize = 8_192;

/// Bytes of an Ed25519 signature (RFC 8032).
const SIGNATURE_BYTES: usize = 64;

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The JOSE header (RFC 9068, section 2.1). Other members, `crit` among them, are refused.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    kid: String,
    typ: String,
}

/// An access token taken apart. Nothing in it may be believed before the signature is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedAccess {
    /// Which key is said to have signed it.
    pub key_id: String,
    /// What it says.
    pub claims: AccessClaims,
    /// The bytes that were signed.
    pub signing_input: Vec<u8>,
    /// The signature.
    pub signature: [u8; 64],
}

/// The text is not an access token of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// Too long.
    #[error("the credential has {0} bytes, {ACCESS_BYTES_MAX} at most: get a new one")]
    TooLarge(usize),
    /// Not three parts.
    #[error("the credential is not a signed JWT: it must have three parts with dots between them")]
    Parts,
    /// Not base64url.
    #[error("the {0} of the credential is not base64url without padding: get a new one")]
    Base64(&'static str),
    /// Another algorithm.
    #[error("the credential's algorithm is `{0}`: only `EdDSA` is accepted")]
    Algorithm(String),
    /// Another type.
    #[error("the credential's type is `{0}`: only `at+jwt` is accepted")]
    Type(String),
    /// A header or payload that cannot be read.
    #[error("the {part} of the credential cannot be read: {cause}")]
    Json {
        /// `header` or `payload`.
        part: &'static str,
        /// What is wrong.
        cause: String,
    },
    /// The signature has another length.
    #[error("the signature has {0} bytes, an Ed25519 signature has 64: get a new credential")]
    Signature(usize),
}

impl JwtError {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Algorithm(_) => "CREDENTIAL_ALGORITHM",
            Self::Type(_) => "CREDENTIAL_TYPE",
            Self::TooLarge(_)
            | Self::Parts
            | Self::Base64(_)
            | Self::Json { .. }
            | Self::Signature(_) => "CREDENTIAL_MALFORMED",
        }
    }
}

/// The bytes to sign: header and payload. The token is these, a dot, and
/// [`encode_base64url`] of the signature.
pub fn signing_input(key_id: &str, claims: &AccessClaims) -> Result<String, JwtError> {
    let header = Header {
        alg: "EdDSA".to_owned(),
        kid: key_id.to_owned(),
        typ: "at+jwt".to_owned(),
    };
    let part = |part: &'static str, bytes: Result<Vec<u8>, serde_json::Error>| {
        bytes
            .map(|bytes| encode_base64url(&bytes))
            .map_err(|e| JwtError::Json {
                part,
                cause: e.to_string(),
            })
    };
    let header = part("header", serde_json::to_vec(&header))?;
    let payload = part("payload", serde_json::to_vec(claims))?;
    Ok(format!("{header}.{payload}"))
}

/// Takes an access token apart and refuses whatever is not exactly of our kind.
pub fn decode_access(text: &str) -> Result<DecodedAccess, JwtError> {
    if text.len() > ACCESS_BYTES_MAX {
        return Err(JwtError::TooLarge(text.len()));
    }
    let (input, signature) = text.rsplit_once('.').ok_or(JwtError::Parts)?;
    let (header, payload) = input.split_once('.').ok_or(JwtError::Parts)?;
    if payload.contains('.') {
        return Err(JwtError::Parts);
    }
    let header = read_header(&decode_base64url(header).ok_or(JwtError::Base64("header"))?)?;
    let payload = decode_base64url(payload).ok_or(JwtError::Base64("payload"))?;
    let claims = parse_strict(&payload)
        .and_then(serde_json::from_value)
        .map_err(|e| JwtError::Json {
            part: "payload",
            cause: e.to_string(),
        })?;
    let signature = decode_base64url(signature).ok_or(JwtError::Base64("signature"))?;
    let length = signature.len();
    let signature: [u8; SIGNATURE_BYTES] = signature
        .try_into()
        .map_err(|_| JwtError::Signature(length))?;
    Ok(DecodedAccess {
        key_id: header.kid,
        claims,
        signing_input: input.as_bytes().to_vec(),
        signature,
    })
}

fn read_header(bytes: &[u8]) -> Result<Header, JwtError> {
    let unreadable = |e: serde_json::Error| JwtError::Json {
        part: "header",
        cause: e.to_string(),
    };
    let value = parse_strict(bytes).map_err(unreadable)?;
    // The algorithm first: `none` deserves its own answer, whatever else the header says.
    let member = |name: &str| value.get(name).and_then(serde_json::Value::as_str);
    let cut = |text: &str| text.chars().take(40).collect::<String>();
    match member("alg") {
        Some("EdDSA") => {}
        other => return Err(JwtError::Algorithm(cut(other.unwrap_or_default()))),
    }
    match member("typ") {
        Some("at+jwt") => {}
        other => return Err(JwtError::Type(cut(other.unwrap_or_default()))),
    }
    serde_json::from_value(value).map_err(unreadable)
}

/// Base64url without padding (RFC 4648, section 5).
pub fn encode_base64url(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut three = [0u8; 3];
        for (to, from) in three.iter_mut().zip(chunk) {
            *to = *from;
        }
        let [a, b, c] = three;
        let six = [
            a >> 2,
            (a & 3) << 4 | b >> 4,
            (b & 15) << 2 | c >> 6,
            c & 63,
        ];
        for digit in six.iter().take(chunk.len() + 1) {
            text.push(
                DIGITS
                    .get(usize::from(*digit))
                    .map_or('A', |d| char::from(*d)),
            );
        }
    }
    text
}

/// Reads base64url without padding; only the one canonical text of each value is accepted.
pub fn decode_base64url(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for chunk in text.as_bytes().chunks(4) {
        let mut six = [0u8; 4];
        for (to, digit) in six.iter_mut().zip(chunk) {
            *to = match digit {
                b'A'..=b'Z' => digit - b'A',
                b'a'..=b'z' => digit - b'a' + 26,
                b'0'..=b'9' => digit - b'0' + 52,
                b'-' => 62,
                b'_' => 63,
                _ => return None,
            };
        }
        let [a, b, c, d] = six;
        let three = [a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d];
        // Bits that no byte takes must be zero, or two texts would mean the same.
        let (take, spare) = match chunk.len() {
            4 => (3, 0),
            3 => (2, c & 3),
            2 => (1, b & 15),
            _ => return None,
        };
        if spare != 0 {
            return None;
        }
        bytes.extend(three.iter().take(take));
    }
    Some(bytes)
}
