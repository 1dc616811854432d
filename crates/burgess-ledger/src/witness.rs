//! The rules of a witness, C2SP `tlog-witness`: what `add-checkpoint` asks, and whether it may be
//! signed.
//!
//! A witness signs a checkpoint only if it continues the last one that it signed for that log. So
//! two histories can never both be signed, and neither can a log that lost its newest entries.
//! Pure: the caller keeps [`Seen`], durably and before it hands out a signature, and decides and
//! keeps under one lock. Not here: HTTP, files and clocks.

use crate::checkpoint::Checkpoint;
use crate::cosignature::Cosigner;
use crate::key::NoteVerifier;
use crate::note::{NOTE_BYTES_MAX, NoteError, decode_base64, encode_base64};
use crate::proof::verify_consistency;
use crate::tree::{Hash, empty_root};

/// Hashes of a consistency proof at most. <https://c2sp.org/tlog-witness#add-checkpoint>
pub const PROOF_HASHES_MAX: usize = 63;
/// Bytes of a request at most: the size line, the proof, and a note.
pub const REQUEST_BYTES_MAX: usize = 32 + PROOF_HASHES_MAX * 45 + NOTE_BYTES_MAX;

/// What `add-checkpoint` asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size that the log believes the witness has signed last.
    pub old: u64,
    /// The consistency proof from there to the checkpoint.
    pub proof: Vec<Hash>,
    /// The checkpoint, as the log signed it.
    pub note: String,
}

/// What a witness remembers of one log: the last checkpoint that it signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Entries in the log.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
}

impl Default for Seen {
    /// Nothing signed yet: the empty log.
    fn default() -> Self {
        Self {
            size: 0,
            root: empty_root(),
        }
    }
}

/// Why a witness does not sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The request does not have the standard's form.
    #[error("add-checkpoint: {0}")]
    Malformed(&'static str),
    /// No key of such a log is known here.
    #[error("the log `{0}` is not known to this witness, start it with `--log` and the log's key")]
    UnknownLog(String),
    /// No known key signed the checkpoint, or one did wrongly.
    #[error("the checkpoint is not signed by the log: {0}")]
    NotSigned(NoteError),
    /// Another checkpoint was signed last than the log believes.
    #[error("the last checkpoint signed here has size {0}")]
    OtherSize(u64),
    /// The same size was signed with another root: the log shows two histories.
    #[error("another log of {0} entries was signed here: the log shows two histories")]
    OtherRoot(u64),
    /// The proof does not lead from the last signed checkpoint to this one.
    #[error("the log does not continue the {old} entries that were signed here")]
    NotConsistent {
        /// Entries that were signed.
        old: u64,
    },
}

impl Refusal {
    /// The HTTP status of the standard.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::UnknownLog(_) => 404,
            Self::NotSigned(_) => 403,
            Self::OtherSize(_) | Self::OtherRoot(_) => 409,
            Self::NotConsistent { .. } => 422,
        }
    }
}

impl AddCheckpoint {
    /// The body of the request.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("old {}\n", self.old);
        for hash in &self.proof {
            text.push_str(&encode_base64(hash));
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.note);
        text
    }

    /// Reads the body of a request.
    ///
    /// # Errors
    /// [`Refusal::Malformed`].
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        if body.len() > REQUEST_BYTES_MAX {
            return Err(Refusal::Malformed("is larger than any request can be"));
        }
        let text = std::str::from_utf8(body).map_err(|_| Refusal::Malformed("is not UTF-8"))?;
        let (head, note) = text.split_once("\n\n").ok_or(Refusal::Malformed(
            "has no empty line before the checkpoint",
        ))?;
        let mut lines = head.split('\n');
        let old = lines
            .next()
            .and_then(|line| line.strip_prefix("old "))
            .and_then(|digits| {
                let number = digits.parse::<u64>().ok()?;
                (number.to_string() == digits).then_some(number)
            })
            .ok_or(Refusal::Malformed("does not begin with `old SIZE`"))?;
        let mut proof = Vec::new();
        for line in lines {
            if proof.len() == PROOF_HASHES_MAX {
                return Err(Refusal::Malformed("has more than 63 hashes in its proof"));
            }
            let hash = decode_base64(line).and_then(|hash| hash.try_into().ok());
            proof.push(hash.ok_or(Refusal::Malformed(
                "a line of its proof is not the base64 of 32 bytes",
            ))?);
        }
        Ok(Self {
            old,
            proof,
            note: note.to_owned(),
        })
    }
}

/// A checkpoint that may be signed, once it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The log's origin.
    pub origin: String,
    /// What to remember, durably, before signing.
    pub seen: Seen,
    text: String,
}

impl Accepted {
    /// The signature lines, to be handed out only after [`Accepted::seen`] is durable.
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn cosign(&self, cosigners: &[Cosigner], time: u64) -> Result<String, NoteError> {
        let lines = cosigners.iter().map(|key| key.line(&self.text, time));
        lines.collect()
    }
}

/// The origin that a request claims to be about, to find what was seen of it.
///
/// # Errors
/// [`Refusal::Malformed`].
pub fn claimed_origin(request: &AddCheckpoint) -> Result<&str, Refusal> {
    let line = request.note.split('\n').next().unwrap_or_default();
    if line.is_empty() {
        return Err(Refusal::Malformed("its checkpoint has no origin"));
    }
    Ok(line)
}

/// What a witness remembers, from the note of the last checkpoint that it signed.
///
/// # Errors
/// [`Refusal`]: not a checkpoint, or not by one of these logs.
pub fn remembered(note: &str, logs: &[NoteVerifier]) -> Result<(String, Seen), Refusal> {
    let request = AddCheckpoint {
        old: 0,
        proof: Vec::new(),
        note: note.to_owned(),
    };
    let (_, checkpoint) = signed_by_log(&request, logs, claimed_origin(&request)?)?;
    let seen = Seen {
        size: checkpoint.size,
        root: checkpoint.root,
    };
    Ok((checkpoint.origin, seen))
}

/// Decides on a request. `logs` are the keys of the logs that this witness looks after, `seen` is
/// what it remembers of this one.
///
/// # Errors
/// [`Refusal`].
pub fn decide(
    request: &AddCheckpoint,
    logs: &[NoteVerifier],
    seen: &Seen,
) -> Result<Accepted, Refusal> {
    let origin = claimed_origin(request)?;
    let (text, checkpoint) = signed_by_log(request, logs, origin)?;
    if request.old > checkpoint.size {
        return Err(Refusal::Malformed(
            "its old size is larger than its checkpoint",
        ));
    }
    if request.old != seen.size {
        return Err(Refusal::OtherSize(seen.size));
    }
    if checkpoint.size == seen.size && checkpoint.root != seen.root {
        return Err(Refusal::OtherRoot(seen.size));
    }
    verify_consistency(
        seen.size,
        &seen.root,
        checkpoint.size,
        &checkpoint.root,
        &request.proof,
    )
    .map_err(|_| Refusal::NotConsistent { old: seen.size })?;
    Ok(Accepted {
        origin: checkpoint.origin,
        seen: Seen {
            size: checkpoint.size,
            root: checkpoint.root,
        },
        text: text.to_owned(),
    })
}

/// The text of the note, if a known key of its origin signed it and none did wrongly.
fn signed_by_log<'r>(
    request: &'r AddCheckpoint,
    logs: &[NoteVerifier],
    origin: &str,
) -> Result<(&'r str, Checkpoint), Refusal> {
    let keys: Vec<&NoteVerifier> = logs.iter().filter(|key| key.name() == origin).collect();
    if keys.is_empty() {
        return Err(Refusal::UnknownLog(origin.to_owned()));
    }
    let mut signed = None;
    for key in keys {
        match key.open(request.note.as_bytes()) {
            Ok(text) => signed = Some(text),
            Err(NoteError::NoSignature(_)) => {}
            Err(NoteError::Malformed(what)) => return Err(Refusal::Malformed(what)),
            Err(cause) => return Err(Refusal::NotSigned(cause)),
        }
    }
    let text =
        signed.ok_or_else(|| Refusal::NotSigned(NoteError::NoSignature(origin.to_owned())))?;
    let checkpoint = Checkpoint::with_extensions(text)
        .ok_or(Refusal::Malformed("its note is not a checkpoint"))?;
    Ok((text, checkpoint))
}
