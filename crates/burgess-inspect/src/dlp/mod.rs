//! Sensitive data in hostile bytes: where it is, what it is, and how sure that is.
//!
//! Structured identifiers alone: payment cards, IBAN, e-mail addresses, US social security numbers,
//! AWS keys, private keys. A pattern and a passed check digit are evidence, and so are the field a
//! value stands in and the words beside it; the sum in decibans (ten per factor of ten in the odds)
//! becomes a score between 0 and 1. Values are never kept.
//! Not here: names and addresses, unpacking of archives and compression.

mod context;
mod detector;
mod normalise;
mod redact;
mod scan;
mod shape;
mod text;
mod validator;

pub use detector::{Class, Grade, Kind};
pub use redact::{Count, Summary, redact};
pub use scan::{Config, Scanner, Span, Stream, cli_spans};
pub use validator::{Brand, card_brand, iban_length, luhn, mod97, ssn};
