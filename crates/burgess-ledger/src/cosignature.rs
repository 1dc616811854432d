//! Timestamped signatures over checkpoints, C2SP `tlog-cosignature`: what is signed, and who signs.
//!
//! Two kinds. Ed25519 (type 0x04) signs a header, the time and the whole text of the checkpoint;
//! ML-DSA-44 (type 0x06) signs origin, size and root together with the signer's own name. Both put
//! the time in front of the signature. Not here: when a witness may sign (`witness`).

use crate::checkpoint::Checkpoint;
use crate::key::{NoteVerifier, Public, line};
use crate::note::{NoteError, check_name, check_text};
use ed25519_dalek::{Signer as _, SigningKey};
use ml_dsa::MlDsa44;
use ml_dsa::signature::Keypair as _;

/// Bytes of a name or origin at most: `opaque cosigner_name<1..2^8-1>`.
const NAME_BYTES_MAX: usize = 255;
/// `uint8 label[12]` of what ML-DSA-44 signs.
const LABEL: &[u8; 12] = b"subtree/v1\n\0";

/// The message of type 0x04. <https://c2sp.org/tlog-cosignature#ed25519-signed-message>
pub(crate) fn ed25519_message(text: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

/// The message of type 0x06, `cosigned_message` over the whole tree; `None` where the text is not
/// that of a checkpoint. <https://c2sp.org/tlog-cosignature#ml-dsa-44-signed-message>
pub(crate) fn ml_dsa_message(name: &str, text: &str, time: u64) -> Option<Vec<u8>> {
    let checkpoint = Checkpoint::with_extensions(text)?;
    let mut message = LABEL.to_vec();
    push_short(&mut message, name)?;
    message.extend_from_slice(&time.to_be_bytes());
    push_short(&mut message, &checkpoint.origin)?;
    message.extend_from_slice(&0_u64.to_be_bytes());
    message.extend_from_slice(&checkpoint.size.to_be_bytes());
    message.extend_from_slice(&checkpoint.root);
    Some(message)
}

fn push_short(message: &mut Vec<u8>, text: &str) -> Option<()> {
    let length = u8::try_from(text.len()).ok().filter(|length| *length > 0)?;
    message.push(length);
    message.extend_from_slice(text.as_bytes());
    Some(())
}

/// `timestamped_signature`: the time, which is 2^63 - 1 at most, and the signature.
pub(crate) fn split_time(blob: &[u8]) -> Option<(u64, &[u8])> {
    let (time, signature) = blob.split_first_chunk::<8>()?;
    let time = u64::from_be_bytes(*time);
    i64::try_from(time).is_ok().then_some((time, signature))
}

/// Puts timestamped signatures under checkpoints, with one key under one name.
pub struct Cosigner {
    key: Key,
    verifier: NoteVerifier,
}

enum Key {
    Ed25519(Box<SigningKey>),
    MlDsa44(Box<ml_dsa::SigningKey<MlDsa44>>),
}

impl Cosigner {
    /// Signs with Ed25519, type 0x04. This kind does not bind the name, so the key must not be used
    /// under another.
    ///
    /// # Errors
    /// [`NoteError::Name`].
    pub fn ed25519(name: &str, seed: [u8; 32]) -> Result<Self, NoteError> {
        check_name(name)?;
        let key = SigningKey::from_bytes(&seed);
        let verifier = NoteVerifier::new(name, Public::CosignatureEd25519(key.verifying_key()));
        Ok(Self {
            key: Key::Ed25519(Box::new(key)),
            verifier,
        })
    }

    /// Signs with ML-DSA-44, type 0x06, deterministically (FIPS 204 section 3.4): no randomness can
    /// fail or repeat, and the same checkpoint gives the same bytes.
    ///
    /// # Errors
    /// [`NoteError::Name`], also for a name of more than 255 bytes.
    pub fn ml_dsa_44(name: &str, seed: [u8; 32]) -> Result<Self, NoteError> {
        check_name(name)?;
        if name.len() > NAME_BYTES_MAX {
            return Err(NoteError::Name(name.to_owned()));
        }
        let key = Box::new(ml_dsa::SigningKey::<MlDsa44>::from_seed(&seed.into()));
        let verifier = NoteVerifier::new(name, Public::MlDsa44(Box::new(key.verifying_key())));
        Ok(Self {
            key: Key::MlDsa44(key),
            verifier,
        })
    }

    /// The key that checks what this one signs.
    #[must_use]
    pub fn verifier(&self) -> &NoteVerifier {
        &self.verifier
    }

    /// The signature line for the text of a checkpoint, with its newline. `time` is in seconds since
    /// 1970 and says that the signer has seen no larger tree until then; 0 says nothing about it.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] where the text is not that of a checkpoint.
    pub fn line(&self, text: &str, time: u64) -> Result<String, NoteError> {
        const NOT_ONE: NoteError = NoteError::Malformed("the text to cosign is not a checkpoint");
        check_text(text)?;
        let message = ml_dsa_message(self.verifier.name(), text, time).ok_or(NOT_ONE)?;
        let signature = match &self.key {
            Key::Ed25519(key) => key
                .sign(ed25519_message(text, time).as_bytes())
                .to_bytes()
                .to_vec(),
            Key::MlDsa44(key) => key
                .expanded_key()
                .sign_deterministic(&message, &[])
                .map_err(|_| {
                    NoteError::Malformed("the checkpoint cannot be signed with ML-DSA-44")
                })?
                .encode()
                .to_vec(),
        };
        let timestamped = [time.to_be_bytes().as_slice(), &signature].concat();
        Ok(line(&self.verifier, &timestamped))
    }
}

impl std::fmt::Debug for Cosigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cosigner({})", self.verifier.name())
    }
}
