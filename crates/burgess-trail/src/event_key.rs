//! Event ids in few bytes: our own are a prefix and 32 hexadecimal digits, and an intent has the id
//! of its outcome with an ending.

use burgess_core::id::EventId;

const PREFIX: &str = "evt_";
const INTENT: &str = "_intent";
/// First byte of a key that is 16 bytes of a UUID.
const OURS: u8 = 1;
/// First byte of a key that is the id's own text.
const TEXT: u8 = 0;

/// The key of an id. An intent and its outcome have the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventKey {
    pub(crate) bytes: Vec<u8>,
    pub(crate) intent: bool,
}

impl EventKey {
    pub(crate) fn of(id: &EventId) -> Self {
        let text = id.as_str();
        let outcome = text
            .strip_suffix(INTENT)
            .filter(|outcome| EventId::parse(outcome).is_ok());
        Self {
            bytes: bytes(outcome.unwrap_or(text)),
            intent: outcome.is_some(),
        }
    }
}

fn bytes(text: &str) -> Vec<u8> {
    let digits = text
        .strip_prefix(PREFIX)
        .filter(|it| it.len() == 32 && it.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
    match digits.and_then(|it| u128::from_str_radix(it, 16).ok()) {
        Some(number) => [&[OURS], number.to_be_bytes().as_slice()].concat(),
        None => [&[TEXT], text.as_bytes()].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> EventKey {
        EventKey::of(&EventId::parse(text).unwrap())
    }

    #[test]
    fn an_intent_has_the_key_of_its_outcome_and_no_two_other_ids_share_one() {
        let ours = "evt_0192f0c0a1b27c3d8e4f5a6b7c8d9e0f";
        assert_eq!(key(ours).bytes.len(), 17);
        assert_eq!(key(&format!("{ours}_intent")).bytes, key(ours).bytes);
        assert!(key(&format!("{ours}_intent")).intent && !key(ours).intent);
        // Sixteen bytes of text are not sixteen bytes of a number, and case counts.
        assert_ne!(
            key("evt_0192F0C0A1B27C3D8E4F5A6B7C8D9E0F").bytes,
            key(ours).bytes
        );
        assert_eq!(key("evt_20260118_0001").bytes.len(), 18);
        // An id that is nothing but the ending has no outcome.
        assert!(!key("evt_intent").intent);
    }
}
