//! Canonical JSON (RFC 8785), written straight into a buffer.
//!
//! Every governed action becomes a leaf before it may happen, so this is on the hot path: nothing
//! is built up only to be written out. Numbers that are no plain integers are left to the general
//! canonicalizer, and a test holds all the rest against it.

use std::io::Write as _;

use serde_json::{Map, Number, Value};

use super::leaf::LeafError;

/// Largest whole number that a double holds together with all below it (RFC 7493, section 2.2).
const INTEGER_MAX: u64 = 9_007_199_254_740_991;

/// Appends a string with its quotes (RFC 8785, section 3.2.2.2).
pub(super) fn string(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    out.push(b'"');
    // Folded without a way out, so that the compiler checks many bytes at a time.
    if bytes
        .iter()
        .fold(false, |any, byte| any | is_escaped(*byte))
    {
        bytes.iter().for_each(|byte| escaped(out, *byte));
    } else {
        out.extend_from_slice(bytes);
    }
    out.push(b'"');
}

const fn is_escaped(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

fn escaped(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        0..0x20 => {
            out.extend_from_slice(b"\\u00");
            return out.extend_from_slice(&crate::digest::hex(byte));
        }
        _ => return out.push(byte),
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// Appends any value.
pub(super) fn value(out: &mut Vec<u8>, value: &Value) -> Result<(), LeafError> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => return self::number(out, number),
        Value::String(text) => string(out, text),
        Value::Array(items) => return array(out, items),
        Value::Object(members) => return object(out, members),
    }
    Ok(())
}

/// Appends an object with its members sorted by the UTF-16 form of their names (section 3.2.3).
pub(super) fn object(out: &mut Vec<u8>, members: &Map<String, Value>) -> Result<(), LeafError> {
    let names = || members.keys();
    if names().all(|name| name.is_ascii()) && names().is_sorted() {
        return in_order(out, members.iter());
    }
    let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
    sorted.sort_by(|(one, _), (other, _)| one.encode_utf16().cmp(other.encode_utf16()));
    in_order(out, sorted.into_iter())
}

fn in_order<'a>(
    out: &mut Vec<u8>,
    members: impl Iterator<Item = (&'a String, &'a Value)>,
) -> Result<(), LeafError> {
    out.push(b'{');
    for (at, (name, member)) in members.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        string(out, name);
        out.push(b':');
        value(out, member)?;
    }
    out.push(b'}');
    Ok(())
}

fn array(out: &mut Vec<u8>, items: &[Value]) -> Result<(), LeafError> {
    out.push(b'[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        value(out, item)?;
    }
    out.push(b']');
    Ok(())
}

fn number(out: &mut Vec<u8>, number: &Number) -> Result<(), LeafError> {
    let magnitude = number
        .as_u64()
        .or_else(|| number.as_i64().map(i64::unsigned_abs));
    let bad = |cause: String| LeafError::NotCanonical(cause);
    if magnitude.is_some_and(|magnitude| magnitude <= INTEGER_MAX) {
        return write!(out, "{number}").map_err(|e| bad(e.to_string()));
    }
    let text = serde_json_canonicalizer::to_vec(number).map_err(|e| bad(e.to_string()))?;
    out.extend_from_slice(&text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Any JSON, with hostile strings: controls, quotes, and characters beyond the first plane.
    fn json() -> impl Strategy<Value = Value> {
        let text = "[\\PC\\x00-\\x1f\"\\\\\u{e000}\u{ffff}\u{10000}\u{10ffff}]{0,12}";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-1_000_i64..1_000).prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            text.prop_map(Value::String),
        ];
        leaf.prop_recursive(4, 48, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
                prop::collection::btree_map(text, inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_value_is_written_as_the_general_canonicalizer_writes_it(any in json()) {
            let mut ours = Vec::new();
            value(&mut ours, &any).unwrap();
            let general = serde_json_canonicalizer::to_vec(&any).unwrap();
            prop_assert_eq!(String::from_utf8(ours), String::from_utf8(general));
        }
    }

    #[test]
    fn names_are_sorted_by_utf16_and_not_by_utf8() {
        let members = [("\u{e000}", 1), ("\u{10000}", 2), ("a", 3)];
        let members = members.map(|(name, n)| (name.to_owned(), Value::from(n)));
        let mut out = Vec::new();
        object(&mut out, &members.into_iter().collect()).unwrap();
        let expected = "{\"a\":3,\"\u{10000}\":2,\"\u{e000}\":1}";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
