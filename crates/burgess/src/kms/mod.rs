//! Keys: the key-encryption key, the keys it wraps, and envelope encryption.
//!
//! The key-encryption key (KEK) comes from outside the data folder. What lies under
//! `DATA/keys/` is wrapped by it. Which key serves what stands in `SECURITY.md`.

pub mod blind;
pub mod connector_secrets;
pub mod envelope;
pub mod kek;
pub mod ring;
pub mod subjects;
