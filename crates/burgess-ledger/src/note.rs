//! Signed notes of C2SP `signed-note` with Ed25519 keys (signature type 0x01).
//!
//! Parsing is strict: there is one way to write a note, and any other spelling of the same bytes
//! (spare base64 bits, carriage returns, a missing final newline) is refused. Cosignatures and
//! post-quantum signatures are not here yet; lines by keys that were not asked for are ignored, as
//! the standard demands.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

/// Signature type of plain Ed25519. <https://c2sp.org/signed-note#signature-types>
const ED25519: u8 = 0x01;
/// Bytes of a note at most: a checkpoint with a hundred cosignatures stays far below it.
pub const NOTE_BYTES_MAX: usize = 1 << 20;
/// Signature lines of a note at most; the standard asks for at least 16.
pub const SIGNATURES_MAX: usize = 100;

/// Why a note or a key was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The name cannot stand in a note.
    #[error("key name `{0}` is not usable, choose one without spaces, control characters and `+`")]
    Name(String),
    /// The verifier key is not of the form `name+keyid+base64`.
    #[error("verifier key: {0}, copy it whole from where the operator published it")]
    VerifierKey(&'static str),
    /// The note does not have the standard's form.
    #[error("signed note: {0}")]
    Malformed(&'static str),
    /// No line is by the given key.
    #[error("no signature by the given key `{0}`")]
    NoSignature(String),
    /// A line by the given key does not verify.
    #[error("the signature by the given key `{0}` does not fit the text")]
    BadSignature(String),
}

fn check_name(name: &str) -> Result<(), NoteError> {
    let bad = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    if name.is_empty() || name.chars().any(bad) {
        return Err(NoteError::Name(name.to_owned()));
    }
    Ok(())
}

/// `SHA-256(name || 0x0A || type || public key)[:4]`. <https://c2sp.org/signed-note#signatures>
fn key_id(name: &str, public: &[u8; 32]) -> [u8; 4] {
    let digest = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n', ED25519])
        .chain_update(public)
        .finalize();
    let digest: [u8; 32] = digest.into();
    let [a, b, c, d, ..] = digest;
    [a, b, c, d]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Base64 of RFC 4648 section 4 in its only canonical spelling.
pub(crate) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let bytes = STANDARD.decode(text).ok()?;
    (STANDARD.encode(&bytes) == text).then_some(bytes)
}

/// Base64 of RFC 4648 section 4.
#[must_use]
pub fn encode_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Signs notes under one name.
pub struct NoteSigner {
    name: String,
    key: SigningKey,
}

impl NoteSigner {
    /// A signer from the 32 secret bytes of an Ed25519 key (RFC 8032 section 5.1.5). For a log the
    /// name is its origin.
    ///
    /// # Errors
    /// [`NoteError::Name`].
    pub fn from_seed(name: &str, seed: [u8; 32]) -> Result<Self, NoteError> {
        check_name(name)?;
        Ok(Self {
            name: name.to_owned(),
            key: SigningKey::from_bytes(&seed),
        })
    }

    /// The name that signature lines carry.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key that checks what this one signs.
    #[must_use]
    pub fn verifier(&self) -> NoteVerifier {
        let key = self.key.verifying_key();
        NoteVerifier {
            name: self.name.clone(),
            id: key_id(&self.name, key.as_bytes()),
            key,
        }
    }

    /// The verifier key as text: `name+keyid+base64`.
    #[must_use]
    pub fn vkey(&self) -> String {
        self.verifier().to_string()
    }

    /// Signs `text`, which ends with a newline, and answers the whole note.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] where the text cannot be the text of a note.
    pub fn sign(&self, text: &str) -> Result<String, NoteError> {
        check_text(text)?;
        let mut blob = self.verifier().id.to_vec();
        blob.extend_from_slice(&self.key.sign(text.as_bytes()).to_bytes());
        Ok(format!(
            "{text}\n\u{2014} {} {}\n",
            self.name,
            encode_base64(&blob)
        ))
    }
}

impl std::fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NoteSigner({})", self.name)
    }
}

/// Checks notes signed under one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteVerifier {
    name: String,
    id: [u8; 4],
    key: VerifyingKey,
}

impl std::fmt::Display for NoteVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut blob = vec![ED25519];
        blob.extend_from_slice(self.key.as_bytes());
        write!(
            f,
            "{}+{}+{}",
            self.name,
            hex(&self.id),
            encode_base64(&blob)
        )
    }
}

impl NoteVerifier {
    /// Reads `name+keyid+base64`; the base64 may itself contain `+`.
    ///
    /// # Errors
    /// [`NoteError::VerifierKey`] and [`NoteError::Name`].
    pub fn parse(vkey: &str) -> Result<Self, NoteError> {
        let mut parts = vkey.splitn(3, '+');
        let (Some(name), Some(id), Some(blob)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::VerifierKey(
                "is not of the form `name+keyid+base64`",
            ));
        };
        check_name(name)?;
        let blob =
            decode_base64(blob).ok_or(NoteError::VerifierKey("its base64 is not canonical"))?;
        let [ED25519, public @ ..] = blob.as_slice() else {
            return Err(NoteError::VerifierKey("is not an Ed25519 key (type 0x01)"));
        };
        let public: [u8; 32] = public
            .try_into()
            .map_err(|_| NoteError::VerifierKey("an Ed25519 public key has 32 bytes"))?;
        let key = VerifyingKey::from_bytes(&public)
            .map_err(|_| NoteError::VerifierKey("is not a point on the curve"))?;
        let computed = key_id(name, &public);
        if hex(&computed) != id {
            return Err(NoteError::VerifierKey(
                "its key id does not fit its name and key",
            ));
        }
        Ok(Self {
            name: name.to_owned(),
            id: computed,
            key,
        })
    }

    /// The name that signature lines carry.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Checks a note and answers its text, final newline included.
    ///
    /// # Errors
    /// [`NoteError`]: a note that is malformed, not signed by this key, or signed wrongly.
    pub fn open<'a>(&self, note: &'a [u8]) -> Result<&'a str, NoteError> {
        let (text, lines) = split(note)?;
        let mut verified = false;
        for line in lines {
            let (name, blob) = signature_line(line)?;
            let (id, signature) = blob
                .split_first_chunk::<4>()
                .ok_or(NoteError::Malformed("a signature is too short"))?;
            if name != self.name || *id != self.id {
                continue;
            }
            let bad = || NoteError::BadSignature(self.name.clone());
            let signature = Signature::from_slice(signature).map_err(|_| bad())?;
            self.key
                .verify_strict(text.as_bytes(), &signature)
                .map_err(|_| bad())?;
            verified = true;
        }
        if verified {
            Ok(text)
        } else {
            Err(NoteError::NoSignature(self.name.clone()))
        }
    }
}

fn check_text(text: &str) -> Result<(), NoteError> {
    if !text.ends_with('\n') {
        return Err(NoteError::Malformed("the text does not end with a newline"));
    }
    if text.chars().any(|c| c.is_control() && c != '\n') {
        return Err(NoteError::Malformed(
            "the text contains a control character",
        ));
    }
    Ok(())
}

/// Splits a note into its text (with the final newline) and its signature lines.
fn split(note: &[u8]) -> Result<(&str, Vec<&str>), NoteError> {
    if note.len() > NOTE_BYTES_MAX {
        return Err(NoteError::Malformed("is longer than 1 MiB"));
    }
    let note = std::str::from_utf8(note).map_err(|_| NoteError::Malformed("is not UTF-8"))?;
    let (text, signatures) = note
        .rsplit_once("\n\n")
        .ok_or(NoteError::Malformed("has no blank line before signatures"))?;
    // `text` lost its final newline to the separator; it belongs to the signed text.
    let text = note
        .get(..text.len() + 1)
        .ok_or(NoteError::Malformed("has no blank line before signatures"))?;
    check_text(text)?;
    let signatures = signatures
        .strip_suffix('\n')
        .ok_or(NoteError::Malformed("does not end with a newline"))?;
    let lines: Vec<&str> = signatures.split('\n').collect();
    if lines.len() > SIGNATURES_MAX {
        return Err(NoteError::Malformed("has more than 100 signatures"));
    }
    Ok((text, lines))
}

fn signature_line(line: &str) -> Result<(&str, Vec<u8>), NoteError> {
    let malformed = NoteError::Malformed("a signature line is not `\u{2014} name base64`");
    let Some((name, blob)) = line
        .strip_prefix("\u{2014} ")
        .and_then(|rest| rest.split_once(' '))
    else {
        return Err(malformed);
    };
    check_name(name).map_err(|_| malformed.clone())?;
    let blob = decode_base64(blob).ok_or(malformed)?;
    Ok((name, blob))
}
