//! What an auditor brings along: verifier keys from elsewhere and, perhaps, a policy on witnesses.
//!
//! Keys for several logs can be given; a checkpoint is judged under those whose name is its origin,
//! and **all** of them must have signed it: otherwise the older algorithm alone would do, and the
//! second signature would protect nobody. A policy adds who must have cosigned.

use crate::checkpoint::SignedCheckpoint;
use crate::key::{KeyKind, NoteVerifier};
use crate::note::NoteError;
use crate::policy::{Party, Policy, Standing};

/// Keys and policy.
#[derive(Debug, Clone)]
pub struct Trust {
    keys: Vec<NoteVerifier>,
    policy: Option<Policy>,
}

impl Trust {
    /// Keys of logs, and a policy. Without a key the policy's logs stand in.
    ///
    /// # Errors
    /// [`NoteError::VerifierKey`] where there is no key at all, or one of a witness among them.
    pub fn new(keys: Vec<NoteVerifier>, policy: Option<Policy>) -> Result<Self, NoteError> {
        let logs = policy.as_ref().map_or(0, |policy| policy.logs().len());
        if keys.is_empty() && logs == 0 {
            return Err(NoteError::VerifierKey("none is given for a log"));
        }
        let witness = |key: &NoteVerifier| key.kind() == KeyKind::CosignatureEd25519;
        if keys.iter().any(witness) {
            return Err(NoteError::VerifierKey(
                "is that of a witness (0x04), which belongs into a policy",
            ));
        }
        Ok(Self { keys, policy })
    }

    /// Whether witnesses are asked for.
    #[must_use]
    pub fn has_policy(&self) -> bool {
        self.policy.is_some()
    }

    /// The logs that there must be: those of the given keys, or of the policy where they stand in.
    pub fn logs(&self) -> impl Iterator<Item = &str> {
        let policy = self.policy.iter().filter(|_| self.keys.is_empty());
        let logs = policy.flat_map(|policy| policy.logs());
        let keys = self.keys.iter().map(NoteVerifier::name);
        keys.chain(logs.map(|log| log.verifier.name()))
    }

    /// Whether keys were given, and a policy's logs do not stand in.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// The key to read a checkpoint with that claims this origin: the first given one, else that of
    /// the policy's log which signed it. [`Trust::judge`] asks for the others.
    ///
    /// # Errors
    /// [`NoteError::UnknownOrigin`], and what is wrong with the note.
    pub fn key_for(&self, note: &[u8]) -> Result<&NoteVerifier, NoteError> {
        let origin = claimed_origin(note);
        if let Some(key) = self.keys.iter().find(|key| key.name() == origin) {
            return Ok(key);
        }
        let unknown = || NoteError::UnknownOrigin(origin.clone());
        if !self.keys.is_empty() {
            return Err(unknown());
        }
        let mut first = None;
        for log in self.policy_logs(&origin) {
            if log.verifier.signed_at(note)?.is_some() {
                return Ok(&log.verifier);
            }
            first = first.or(Some(&log.verifier));
        }
        first.ok_or_else(unknown)
    }

    /// Opens a checkpoint that anyone may have handed over.
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn open(&self, note: &[u8]) -> Result<(SignedCheckpoint, Standing), NoteError> {
        let signed = SignedCheckpoint::open(note, self.key_for(note)?)?;
        let standing = self.judge(&signed)?;
        Ok((signed, standing))
    }

    /// Checks that every given key of its log, and one log of the policy, signed a checkpoint, and
    /// says how far witnesses stand behind it.
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn judge(&self, signed: &SignedCheckpoint) -> Result<Standing, NoteError> {
        let (origin, note) = (&signed.checkpoint.origin, signed.note.as_bytes());
        for key in self.keys.iter().filter(|key| key.name() == origin) {
            SignedCheckpoint::open(note, key)?;
        }
        let Some(policy) = &self.policy else {
            return Ok(Standing::alone());
        };
        if !policy.logs().is_empty() {
            let mut listed = false;
            for log in self.policy_logs(origin) {
                listed |= log.verifier.signed_at(note)?.is_some();
            }
            if !listed {
                return Err(NoteError::UnknownOrigin(origin.clone()));
            }
        }
        policy.standing(note)
    }

    fn policy_logs(&self, origin: &str) -> impl Iterator<Item = &Party> {
        let logs = self.policy.iter().flat_map(Policy::logs);
        let logs: Vec<&Party> = logs.filter(|log| log.name == origin).collect();
        logs.into_iter()
    }
}

/// The first line, to choose a key by; nothing is believed because of it.
fn claimed_origin(note: &[u8]) -> String {
    let line = note.split(|byte| *byte == b'\n').next().unwrap_or_default();
    String::from_utf8_lossy(line).into_owned()
}
