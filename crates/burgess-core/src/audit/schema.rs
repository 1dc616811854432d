//! The published JSON Schema of a submitted event (draft 2020-12).
//!
//! It says what `field` reads. What JSON Schema cannot say is in its description: the size of
//! `request_context`, duplicate keys, and numbers too large for a double.

/// The schema, served at `/api/schemas/event.json` and downloadable (R199).
pub const EVENT_SCHEMA: &str = include_str!("event.schema.json");
