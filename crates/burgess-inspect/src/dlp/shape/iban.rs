//! International bank account numbers (ISO 13616).

use super::super::context::{Context, Head, Weights};
use super::super::detector::Kind;
use super::super::text::{before, byte, is_word, part};
use super::super::validator::{iban_length, mod97};
use super::Found;

/// Two letters for the country stand before the digits at `digits`.
pub(super) fn iban(text: &[u8], digits: usize, head: Option<&Head>) -> Option<Found> {
    let gap = usize::from(matches!(before(text, digits), b' ' | b'-'));
    let start = digits.checked_sub(2 + gap)?;
    let country = part(text, start, start + 2);
    if !country.iter().all(u8::is_ascii_alphabetic) || is_word(before(text, start)) {
        return None;
    }
    let length = iban_length(&country.to_ascii_uppercase())?;
    let (value, end, separators) = iban_value(text, start, length)?;
    if is_word(byte(text, end)) || !mod97(&value) {
        return None;
    }
    let case = match (
        value.iter().any(u8::is_ascii_uppercase),
        value.iter().any(u8::is_ascii_lowercase),
    ) {
        (true, true) => return None,
        (false, true) => -6,
        _ => 0,
    };
    let grouped = separators
        .iter()
        .enumerate()
        .all(|(index, place)| *place == 4 * (index + 1));
    let grouping = match (separators.is_empty(), grouped) {
        (true, _) => 0,
        (false, true) => 8,
        (false, false) => -4,
    };
    let empty = value.iter().skip(4).all(|byte| *byte == b'0');
    let context = Context::read(text, start, end, head);
    let weights = Weights {
        field: 20,
        near: 10,
        other_field: -10,
        other_near: -4,
        unnamed: 0,
    };
    let weight = -6 + 20 + grouping + case + context.weigh(Kind::Iban, &weights)
        - if empty { 20 } else { 0 };
    Some(Found {
        start,
        end,
        kind: Kind::Iban,
        weight,
    })
}

/// `length` letters and digits from `start`, single separators left out: the value, the position
/// after it, and after how many characters each separator stood.
fn iban_value(text: &[u8], start: usize, length: usize) -> Option<(Vec<u8>, usize, Vec<usize>)> {
    let mut value = Vec::with_capacity(length);
    let mut separators = Vec::new();
    let mut at = start;
    while value.len() < length {
        let found = byte(text, at);
        if found.is_ascii_alphanumeric() {
            value.push(found);
        } else if matches!(found, b' ' | b'-' | b'.') && byte(text, at + 1).is_ascii_alphanumeric()
        {
            separators.push(value.len());
        } else {
            return None;
        }
        at += 1;
    }
    Some((value, at, separators))
}
