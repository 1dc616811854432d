//! Reads JSON out of exports, and walks it with RFC 6901 pointers.
//!
//! Depth is limited by the parser (128), so that hostile nesting is an error and not a
//! stack overflow.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::error::InspectError;

/// Parses `bytes`; a byte order mark before them is skipped.
///
/// # Errors
/// [`InspectError::Json`] with line and column, both from 1.
pub fn parse(file: &str, bytes: &[u8]) -> Result<Value, InspectError> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    serde_json::from_slice(bytes).map_err(|error| broken(file, &error))
}

fn broken(file: &str, error: &serde_json::Error) -> InspectError {
    let text = error.to_string();
    let why = text
        .split(" at line ")
        .next()
        .unwrap_or_default()
        .to_owned();
    InspectError::Json {
        place: file.to_owned(),
        line: error.line().max(1),
        column: error.column().max(1),
        why,
    }
}

/// Parses text that stands as a string inside other JSON; `None` when it is none.
pub(crate) fn parse_inner(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

/// Whether some object in `bytes` has a key twice. Parsers disagree about which of the
/// two counts, so such a file is never normalised.
pub fn has_duplicate_keys(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let mut twice = false;
    let mut parser = serde_json::Deserializer::from_slice(bytes);
    let read = KeysOnce { twice: &mut twice }.deserialize(&mut parser);
    read.is_ok() && twice
}

struct KeysOnce<'a> {
    twice: &'a mut bool,
}

impl<'de> DeserializeSeed<'de> for KeysOnce<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for KeysOnce<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items
            .next_element_seed(KeysOnce { twice: self.twice })?
            .is_some()
        {}
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(key) = entries.next_key_seed(KeyText)? {
            if !seen.insert(key) {
                *self.twice = true;
            }
            entries.next_value_seed(KeysOnce { twice: self.twice })?;
        }
        Ok(())
    }
}

struct KeyText;

impl<'de> DeserializeSeed<'de> for KeyText {
    type Value = String;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        String::deserialize(deserializer)
    }
}

/// A pointer with one more part (RFC 6901, section 3: `~` is `~0`, `/` is `~1`).
pub fn child(pointer: &str, part: &str) -> String {
    let mut out = String::with_capacity(pointer.len().saturating_add(part.len()).saturating_add(1));
    out.push_str(pointer);
    out.push('/');
    out.push_str(&part.replace('~', "~0").replace('/', "~1"));
    out
}

/// Visits every string under `value` with its pointer and the nearest object key above it.
pub fn strings(value: &Value, pointer: &str, visit: &mut dyn FnMut(&str, &str, &str)) {
    walk(value, pointer, "", visit);
}

fn walk(value: &Value, pointer: &str, key: &str, visit: &mut dyn FnMut(&str, &str, &str)) {
    match value {
        Value::String(text) => visit(pointer, key, text),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(item, &child(pointer, &index.to_string()), key, visit);
            }
        }
        Value::Object(entries) => {
            for (name, item) in entries {
                walk(item, &child(pointer, name), name, visit);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The string at a pointer, empty when there is none.
pub fn text_at<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_json_names_file_line_and_column() {
        let error = parse("a.json", b"{\n  \"a\": ,\n}").unwrap_err();
        assert_eq!(
            error,
            InspectError::Json {
                place: "a.json".into(),
                line: 2,
                column: 8,
                why: "expected value".into()
            }
        );
        assert_eq!(error.code(), "EXPORT_JSON");
        assert!(parse("a.json", b"\xEF\xBB\xBF{}").is_ok());
    }

    #[test]
    fn a_key_that_stands_twice_is_seen_at_any_depth() {
        assert!(has_duplicate_keys(br#"{"a":[{"b":1,"\u0062":2}]}"#));
        assert!(!has_duplicate_keys(br#"{"a":{"b":1},"c":{"b":1}}"#));
    }

    #[test]
    fn pointers_escape_slash_and_tilde() {
        let value: Value = serde_json::from_str(r#"{"a/b~c":["x"]}"#).unwrap();
        let mut seen = Vec::new();
        strings(&value, "", &mut |pointer, key, text| {
            seen.push(format!("{pointer} {key} {text}"))
        });
        assert_eq!(seen, ["/a~1b~0c/0 a/b~c x"]);
        assert_eq!(text_at(&value, "/a~1b~0c/0"), "x");
    }
}
