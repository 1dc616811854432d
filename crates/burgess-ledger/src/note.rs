//! Signed notes of C2SP `signed-note`: the form of a text with its signature lines.
//!
//! Parsing is strict: there is one way to write a note, and any other spelling of the same bytes
//! (spare base64 bits, carriage returns, a missing final newline) is refused. Lines by keys that
//! were not asked for are ignored, as the standard demands. Keys and algorithms live in `key`.

pub use crate::key::{KeyKind, NoteSigner, NoteVerifier};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

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
    /// No key was given for the log that the note is by.
    #[error("no key was given for the log `{0}`, get it from where the operator published it")]
    UnknownOrigin(String),
    /// A line by the given key does not verify.
    #[error("the signature by the given key `{0}` does not fit the text")]
    BadSignature(String),
}

pub(crate) fn check_name(name: &str) -> Result<(), NoteError> {
    let bad = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    if name.is_empty() || name.chars().any(bad) {
        return Err(NoteError::Name(name.to_owned()));
    }
    Ok(())
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

pub(crate) fn check_text(text: &str) -> Result<(), NoteError> {
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
pub(crate) fn split(note: &[u8]) -> Result<(&str, Vec<&str>), NoteError> {
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

pub(crate) fn signature_line(line: &str) -> Result<(&str, Vec<u8>), NoteError> {
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
