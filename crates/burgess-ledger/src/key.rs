//! The keys of notes and checkpoints: who signs, who checks, and how a public key is written down.
//!
//! Three kinds of signature, a closed set: Ed25519 over a note (type 0x01), and the two timestamped
//! kinds over a checkpoint, Ed25519 (0x04) and ML-DSA-44 (0x06). What exactly the timestamped kinds
//! sign stands in `cosignature`. A log signs with 0x01 and, where it was given a second key, with
//! 0x06; a witness with 0x04 and 0x06. Other kinds are refused by name, never guessed.

use crate::cosignature::{Cosigner, ed25519_message, ml_dsa_message, split_time};
use crate::note::{
    NoteError, check_name, check_text, decode_base64, encode_base64, signature_line, split,
};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use ml_dsa::MlDsa44;
use sha2::{Digest, Sha256};

/// What a key signs and with which algorithm. <https://c2sp.org/signed-note#signature-types>
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyKind {
    /// Ed25519 over the text of a note, type 0x01.
    Ed25519,
    /// Timestamped Ed25519 over a checkpoint, type 0x04.
    CosignatureEd25519,
    /// Timestamped ML-DSA-44 (FIPS 204) over a checkpoint, type 0x06.
    MlDsa44,
}

impl KeyKind {
    /// The byte that stands for it in key ids and verifier keys.
    #[must_use]
    pub fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::CosignatureEd25519 => 0x04,
            Self::MlDsa44 => 0x06,
        }
    }

    fn of(byte: u8) -> Option<Self> {
        [Self::Ed25519, Self::CosignatureEd25519, Self::MlDsa44]
            .into_iter()
            .find(|kind| kind.byte() == byte)
    }
}

/// `SHA-256(name || 0x0A || type || public key)[:4]`. <https://c2sp.org/signed-note#signatures>
fn key_id(name: &str, kind: KeyKind, public: &[u8]) -> [u8; 4] {
    let digest = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n', kind.byte()])
        .chain_update(public)
        .finalize();
    let digest: [u8; 32] = digest.into();
    let [a, b, c, d, ..] = digest;
    [a, b, c, d]
}

/// `— name base64(id || signature)` with its newline.
pub(crate) fn line(verifier: &NoteVerifier, signature: &[u8]) -> String {
    let blob = [verifier.id.as_slice(), signature].concat();
    format!("\u{2014} {} {}\n", verifier.name, encode_base64(&blob))
}

/// Signs notes under one name, for a log its origin.
pub struct NoteSigner {
    name: String,
    key: SigningKey,
    second: Option<Cosigner>,
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
            second: None,
        })
    }

    /// Signs every checkpoint with ML-DSA-44 as well, so that it stays good when Ed25519 falls to a
    /// quantum computer. The 32 bytes are the seed of FIPS 204 section 6.1, of this key alone.
    ///
    /// # Errors
    /// [`NoteError::Name`] where the name is too long for this kind of signature.
    pub fn with_ml_dsa_44(mut self, seed: [u8; 32]) -> Result<Self, NoteError> {
        self.second = Some(Cosigner::ml_dsa_44(&self.name, seed)?);
        Ok(self)
    }

    /// The name that signature lines carry.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The Ed25519 key that checks what this one signs.
    #[must_use]
    pub fn verifier(&self) -> NoteVerifier {
        let key = self.key.verifying_key();
        NoteVerifier::new(&self.name, Public::Ed25519(key))
    }

    /// Every key that signs checkpoints: Ed25519, then ML-DSA-44 where there is one.
    #[must_use]
    pub fn verifiers(&self) -> Vec<NoteVerifier> {
        let second = self.second.iter().map(|key| key.verifier().clone());
        std::iter::once(self.verifier()).chain(second).collect()
    }

    /// The Ed25519 verifier key as text: `name+keyid+base64`.
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
        let signature = self.key.sign(text.as_bytes()).to_bytes();
        Ok(format!("{text}\n{}", line(&self.verifier(), &signature)))
    }

    /// Signs the text of a checkpoint with every key. The ML-DSA-44 signature carries no time: the
    /// log says what it holds, not that nobody has seen more, and the note stays a function of the
    /// log's content.
    pub(crate) fn sign_checkpoint(&self, text: &str) -> Result<String, NoteError> {
        let mut note = self.sign(text)?;
        if let Some(second) = &self.second {
            note.push_str(&second.line(text, 0)?);
        }
        Ok(note)
    }
}

impl std::fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NoteSigner({})", self.name)
    }
}

#[derive(Clone)]
pub(crate) enum Public {
    Ed25519(VerifyingKey),
    CosignatureEd25519(VerifyingKey),
    MlDsa44(Box<ml_dsa::VerifyingKey<MlDsa44>>),
}

impl Public {
    fn kind(&self) -> KeyKind {
        match self {
            Self::Ed25519(_) => KeyKind::Ed25519,
            Self::CosignatureEd25519(_) => KeyKind::CosignatureEd25519,
            Self::MlDsa44(_) => KeyKind::MlDsa44,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Ed25519(key) | Self::CosignatureEd25519(key) => key.as_bytes().to_vec(),
            Self::MlDsa44(key) => key.encode().to_vec(),
        }
    }

    fn read(kind: KeyKind, bytes: &[u8]) -> Result<Self, NoteError> {
        let bad = |what| NoteError::VerifierKey(what);
        if kind == KeyKind::MlDsa44 {
            let bytes = ml_dsa::EncodedVerifyingKey::<MlDsa44>::try_from(bytes)
                .map_err(|_| bad("an ML-DSA-44 public key has 1,312 bytes"))?;
            return Ok(Self::MlDsa44(Box::new(ml_dsa::VerifyingKey::decode(
                &bytes,
            ))));
        }
        let bytes: [u8; 32] = bytes
            .try_into()
            .map_err(|_| bad("an Ed25519 public key has 32 bytes"))?;
        let key =
            VerifyingKey::from_bytes(&bytes).map_err(|_| bad("is not a point on the curve"))?;
        Ok(match kind {
            KeyKind::CosignatureEd25519 => Self::CosignatureEd25519(key),
            _ => Self::Ed25519(key),
        })
    }
}

/// Checks what was signed under one name with one key.
#[derive(Clone)]
pub struct NoteVerifier {
    name: String,
    id: [u8; 4],
    key: Public,
}

impl std::fmt::Debug for NoteVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NoteVerifier({}, {:?})", self.name, self.kind())
    }
}

impl PartialEq for NoteVerifier {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.kind() == other.kind() && self.public() == other.public()
    }
}

impl Eq for NoteVerifier {}

impl std::fmt::Display for NoteVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut blob = vec![self.kind().byte()];
        blob.extend_from_slice(&self.public());
        let id: String = self.id.iter().map(|byte| format!("{byte:02x}")).collect();
        write!(f, "{}+{id}+{}", self.name, encode_base64(&blob))
    }
}

impl NoteVerifier {
    pub(crate) fn new(name: &str, key: Public) -> Self {
        Self {
            name: name.to_owned(),
            id: key_id(name, key.kind(), &key.bytes()),
            key,
        }
    }

    /// Reads `name+keyid+base64`; the base64 may itself contain `+`.
    ///
    /// # Errors
    /// [`NoteError::VerifierKey`] and [`NoteError::Name`].
    pub fn parse(vkey: &str) -> Result<Self, NoteError> {
        let bad = NoteError::VerifierKey;
        let mut parts = vkey.splitn(3, '+');
        let (Some(name), Some(id), Some(blob)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(bad("is not of the form `name+keyid+base64`"));
        };
        check_name(name)?;
        let blob = decode_base64(blob).ok_or(bad("its base64 is not canonical"))?;
        let (byte, public) = blob.split_first().ok_or(bad("its base64 is empty"))?;
        let kind = KeyKind::of(*byte).ok_or(bad(
            "is of another kind than Ed25519 (0x01), timestamped Ed25519 (0x04) and ML-DSA-44 (0x06)",
        ))?;
        let verifier = Self::new(name, Public::read(kind, public)?);
        let computed: String = verifier.id.iter().map(|b| format!("{b:02x}")).collect();
        if computed == id {
            Ok(verifier)
        } else {
            Err(bad("its key id does not fit its name and key"))
        }
    }

    /// The name that signature lines carry.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it checks.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        self.key.kind()
    }

    /// The bytes of the public key alone, which are the same under every name.
    #[must_use]
    pub fn public(&self) -> Vec<u8> {
        self.key.bytes()
    }

    /// Checks a note and answers its text, final newline included.
    ///
    /// # Errors
    /// [`NoteError`]: a note that is malformed, not signed by this key, or signed wrongly.
    pub fn open<'a>(&self, note: &'a [u8]) -> Result<&'a str, NoteError> {
        match self.look(note)? {
            (text, Some(_)) => Ok(text),
            (_, None) => Err(NoteError::NoSignature(self.name.clone())),
        }
    }

    /// When this key signed the note, in seconds since 1970; 0 for a signature without a time.
    /// `None` where it did not sign.
    ///
    /// # Errors
    /// [`NoteError`]: a note that is malformed, or signed wrongly by this key.
    pub fn signed_at(&self, note: &[u8]) -> Result<Option<u64>, NoteError> {
        Ok(self.look(note)?.1)
    }

    /// The text, and the latest time of this key's signatures. One bad line spoils the note.
    fn look<'a>(&self, note: &'a [u8]) -> Result<(&'a str, Option<u64>), NoteError> {
        let (text, lines) = split(note)?;
        let mut latest = None;
        for line in lines {
            let (name, blob) = signature_line(line)?;
            let (id, signature) = blob
                .split_first_chunk::<4>()
                .ok_or(NoteError::Malformed("a signature is too short"))?;
            if name != self.name || *id != self.id {
                continue;
            }
            let time = self
                .verify(text, signature)
                .ok_or_else(|| NoteError::BadSignature(self.name.clone()))?;
            latest = latest.max(Some(time));
        }
        Ok((text, latest))
    }

    /// The time that the signature carries, if it is good.
    fn verify(&self, text: &str, signature: &[u8]) -> Option<u64> {
        match &self.key {
            Public::Ed25519(key) => verify_ed25519(key, text.as_bytes(), signature).then_some(0),
            Public::CosignatureEd25519(key) => {
                let (time, signature) = split_time(signature)?;
                let message = ed25519_message(text, time);
                verify_ed25519(key, message.as_bytes(), signature).then_some(time)
            }
            Public::MlDsa44(key) => {
                let (time, signature) = split_time(signature)?;
                let message = ml_dsa_message(&self.name, text, time)?;
                let signature = ml_dsa::Signature::<MlDsa44>::try_from(signature).ok()?;
                key.verify_with_context(&message, &[], &signature)
                    .then_some(time)
            }
        }
    }
}

fn verify_ed25519(key: &VerifyingKey, message: &[u8], signature: &[u8]) -> bool {
    Signature::from_slice(signature)
        .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok())
}
