//! The published JSON Schema of an event (draft 2020-12), as it is submitted and as it stands in the
//! trail: what has the key `schema` is judged as the latter.
//!
//! Of what is submitted it says what `field` reads. What JSON Schema cannot say is in its description: the size of
//! `request_context`, duplicate keys, and numbers too large for a double.

/// The schema, served at `/api/schemas/event.json` and downloadable (R199).
pub const EVENT_SCHEMA: &str = include_str!("event.schema.json");
