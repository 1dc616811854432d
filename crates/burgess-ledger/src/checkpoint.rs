//! Checkpoints of C2SP `tlog-checkpoint`: origin, size and root of a log, as a signed note.
//!
//! A checkpoint is accepted only under a key whose name is the origin, so that a key for one log
//! cannot speak for another. Extension lines are refused: this log writes none, and the standard
//! does not recommend them.

use crate::note::{NoteError, NoteSigner, NoteVerifier, decode_base64, encode_base64};
use crate::tree::Hash;

/// The text of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's unique name.
    pub origin: String,
    /// Entries in the log.
    pub size: u64,
    /// RFC 6962 root over them.
    pub root: Hash,
}

/// A checkpoint together with the note that it was signed as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// What was signed.
    pub checkpoint: Checkpoint,
    /// The whole note, byte for byte as published.
    pub note: String,
}

impl Checkpoint {
    /// The three lines of the standard.
    #[must_use]
    pub fn text(&self) -> String {
        format!(
            "{}\n{}\n{}\n",
            self.origin,
            self.size,
            encode_base64(&self.root)
        )
    }

    /// Signs it with every key of the signer.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] where the signer's name is not the origin.
    pub fn sign(self, signer: &NoteSigner) -> Result<SignedCheckpoint, NoteError> {
        if signer.name() != self.origin {
            return Err(NoteError::Malformed(
                "the signer's name is not the checkpoint's origin",
            ));
        }
        let note = signer.sign_checkpoint(&self.text())?;
        Ok(SignedCheckpoint {
            checkpoint: self,
            note,
        })
    }

    /// The three lines alone.
    fn parse(text: &str) -> Option<Self> {
        Self::with_extensions(text).filter(|checkpoint| checkpoint.text() == text)
    }

    /// The first three lines of a checkpoint that may have extension lines, as other logs write them.
    pub(crate) fn with_extensions(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        if origin.is_empty() || lines.any(str::is_empty) {
            return None;
        }
        let number: u64 = size.parse().ok()?;
        let root: Hash = decode_base64(root)?.try_into().ok()?;
        (number.to_string() == size).then(|| Self {
            origin: origin.to_owned(),
            size: number,
            root,
        })
    }
}

impl SignedCheckpoint {
    /// Checks a published checkpoint under a key from elsewhere.
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn open(note: &[u8], verifier: &NoteVerifier) -> Result<Self, NoteError> {
        let text = verifier.open(note)?;
        let checkpoint = Checkpoint::parse(text).ok_or(NoteError::Malformed(
            "the checkpoint is not origin, size and root alone",
        ))?;
        if checkpoint.origin != verifier.name() {
            return Err(NoteError::Malformed(
                "the checkpoint's origin is not the key's name",
            ));
        }
        let note = std::str::from_utf8(note).map_err(|_| NoteError::Malformed("is not UTF-8"))?;
        Ok(Self {
            checkpoint,
            note: note.to_owned(),
        })
    }
}
