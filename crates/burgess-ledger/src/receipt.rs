//! Receipts as one JSON file, `burgess.receipt/1`: the leaf, its proof, and the personal values
//! that the reader was allowed to see.
//!
//! A leaf does not hold personal values but one commitment to all of them. A receipt opens some by
//! value and salt and gives the others as their own commitments; both together must give what the
//! leaf holds. Nothing else of the leaf is interpreted.

use crate::checkpoint::SignedCheckpoint;
use crate::note::{NoteVerifier, decode_base64};
use crate::proof::{ProofError, TlogProof};
use crate::tree::Hash;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The `schema` of a receipt file.
pub const SCHEMA: &str = "burgess.receipt/1";
/// The personal fields in the order in which the leaf commits to them.
pub const PERSONAL_FIELDS: [&str; 5] = [
    "actor_id",
    "ip_address",
    "request_context",
    "resource_id",
    "user_agent",
];
/// Begins what the commitment over all personal fields is computed from.
const DOMAIN: &str = "burgess.personal/1\n";
/// Bytes of a salt at least: below that a value could be guessed from its commitment.
const SALT_BYTES_MIN: usize = 16;

/// Why a receipt was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// The file is not a receipt.
    #[error("receipt: {0}")]
    Malformed(String),
    /// The proof inside does not hold.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The opened values are not those that the leaf commits to.
    #[error("the opened values are not those that entry {index} commits to")]
    NotCommitted {
        /// Position of the entry.
        index: u64,
    },
}

/// A receipt that holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// Position of the entry.
    pub index: u64,
    /// The leaf's bytes.
    pub leaf: Vec<u8>,
    /// The checkpoint that covers it.
    pub checkpoint: SignedCheckpoint,
    /// Personal fields that the receipt opens, with their values.
    pub opened: Vec<(String, Value)>,
}

/// The commitment to one field: `SHA-256(salt || name || 0x00 || RFC 8785 value)`.
#[must_use]
pub fn field_commitment(salt: &[u8], name: &str, canonical_value: &[u8]) -> Hash {
    Sha256::new()
        .chain_update(salt)
        .chain_update(name)
        .chain_update([0])
        .chain_update(canonical_value)
        .finalize()
        .into()
}

/// The commitment that a leaf holds under `personal`, over the commitments of
/// [`PERSONAL_FIELDS`] in their order.
#[must_use]
pub fn personal_commitment(fields: &[Hash; 5]) -> Hash {
    Sha256::new()
        .chain_update(DOMAIN)
        .chain_update(fields.as_flattened())
        .finalize()
        .into()
}

/// Checks a receipt file under a key from elsewhere.
///
/// # Errors
/// [`ReceiptError`].
pub fn verify(json: &[u8], verifier: &NoteVerifier) -> Result<Verified, ReceiptError> {
    verify_value(&parse(json)?, verifier)
}

/// Reads a receipt file as JSON; checks nothing.
///
/// # Errors
/// [`ReceiptError::Malformed`].
pub fn parse(json: &[u8]) -> Result<Value, ReceiptError> {
    serde_json::from_slice(json)
        .map_err(|cause| ReceiptError::Malformed(format!("is not JSON: {cause}")))
}

/// The note of the checkpoint that a receipt refers to, to choose a key by; nothing is believed.
///
/// # Errors
/// [`ReceiptError`].
pub fn checkpoint_of(receipt: &Value) -> Result<String, ReceiptError> {
    let proof = receipt.get("proof").and_then(Value::as_str);
    let proof = TlogProof::parse(proof.ok_or_else(|| malformed("it has no `proof`"))?)?;
    Ok(proof.checkpoint)
}

/// Checks a receipt that was read already, as a part of another file.
///
/// # Errors
/// [`ReceiptError`].
pub fn verify_value(receipt: &Value, verifier: &NoteVerifier) -> Result<Verified, ReceiptError> {
    if receipt.get("schema").and_then(Value::as_str) != Some(SCHEMA) {
        return Err(malformed("its `schema` is not `burgess.receipt/1`"));
    }
    let leaf = receipt
        .get("leaf")
        .and_then(Value::as_str)
        .and_then(decode_base64);
    let leaf = leaf.ok_or_else(|| malformed("its `leaf` is not canonical base64"))?;
    let proof = receipt.get("proof").and_then(Value::as_str);
    let proof = TlogProof::parse(proof.ok_or_else(|| malformed("it has no `proof`"))?)?;
    let checkpoint = proof.verify(&leaf, verifier)?;
    let opened = match receipt.get("opened") {
        // Nothing is opened, as where the values are gone.
        None | Some(Value::Null) => Vec::new(),
        Some(opened) => open(opened, &leaf, proof.index)?,
    };
    Ok(Verified {
        index: proof.index,
        leaf,
        checkpoint,
        opened,
    })
}

fn malformed(what: &str) -> ReceiptError {
    ReceiptError::Malformed(what.to_owned())
}

fn open(opened: &Value, leaf: &[u8], index: u64) -> Result<Vec<(String, Value)>, ReceiptError> {
    let fields = opened
        .as_array()
        .filter(|fields| fields.len() == PERSONAL_FIELDS.len());
    let fields = fields.ok_or_else(|| malformed("its `opened` does not list the five fields"))?;
    let mut commitments = [Hash::default(); 5];
    let mut values = Vec::new();
    for ((field, name), commitment) in fields.iter().zip(PERSONAL_FIELDS).zip(&mut commitments) {
        if field.get("name").and_then(Value::as_str) != Some(name) {
            return Err(ReceiptError::Malformed(format!(
                "`{name}` is not at its place"
            )));
        }
        *commitment = match field.get("commitment") {
            Some(closed) => hash_of(closed, name)?,
            None => {
                let (value, hash) = open_field(field, name)?;
                values.push((name.to_owned(), value));
                hash
            }
        };
    }
    let leaf: Value = serde_json::from_slice(leaf)
        .map_err(|cause| ReceiptError::Malformed(format!("its leaf is not JSON: {cause}")))?;
    let committed = leaf
        .get("personal")
        .ok_or_else(|| malformed("its leaf has no `personal`"))?;
    if hash_of(committed, "personal")? != personal_commitment(&commitments) {
        return Err(ReceiptError::NotCommitted { index });
    }
    Ok(values)
}

fn open_field(field: &Value, name: &str) -> Result<(Value, Hash), ReceiptError> {
    let bad = |what: &str| ReceiptError::Malformed(format!("`{name}` {what}"));
    let value = field
        .get("value")
        .ok_or_else(|| bad("is neither opened nor closed"))?;
    let salt = field
        .get("salt")
        .and_then(Value::as_str)
        .and_then(decode_hex);
    let salt = salt
        .filter(|salt| salt.len() >= SALT_BYTES_MIN)
        .ok_or_else(|| bad("has no salt of at least 16 bytes in lower-case hex"))?;
    let canonical = serde_json_canonicalizer::to_vec(value)
        .map_err(|cause| bad(&format!("has no canonical form: {cause}")))?;
    Ok((value.clone(), field_commitment(&salt, name, &canonical)))
}

fn hash_of(value: &Value, name: &str) -> Result<Hash, ReceiptError> {
    value
        .as_str()
        .and_then(decode_hex)
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| {
            ReceiptError::Malformed(format!("`{name}` is not 32 bytes of lower-case hex"))
        })
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes = pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    if rest.is_empty() {
        bytes.collect()
    } else {
        None
    }
}
