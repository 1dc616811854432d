//! Access tokens: signing them, and publishing the key that checks them.
//!
//! The claims and the strict compact form are core's (RFC 9068, RFC 7515); here is
//! only the signature (Ed25519, RFC 8037) and the key set (RFC 7517).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use burgess_core::credential::{AccessClaims, JwtError, signing_input};
use burgess_core::digest::Digest;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use serde_json::{Value, json};

/// The key id: the first 16 hexadecimal digits of the public key's digest.
pub fn key_id(key: &VerifyingKey) -> String {
    Digest::of(key.as_bytes())
        .to_string()
        .chars()
        .take(16)
        .collect()
}

/// Signs `claims` as a compact JWT.
pub fn sign(key: &SigningKey, claims: &AccessClaims) -> Result<String, JwtError> {
    let input = signing_input(&key_id(&key.verifying_key()), claims)?;
    let signature = key.sign(input.as_bytes());
    Ok(format!(
        "{input}.{}",
        URL_SAFE_NO_PAD.encode(signature.to_bytes())
    ))
}

/// The JSON Web Key Set with the one public key (RFC 8037 §2).
pub fn key_set(key: &VerifyingKey) -> Value {
    json!({ "keys": [{
        "kty": "OKP",
        "crv": "Ed25519",
        "use": "sig",
        "alg": "EdDSA",
        "kid": key_id(key),
        "x": URL_SAFE_NO_PAD.encode(key.as_bytes()),
    }] })
}
