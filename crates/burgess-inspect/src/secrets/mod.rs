//! Credentials that stand in an artifact: which kind, in which file, at which place. Never the value.
//!
//! JSON gives a pointer (RFC 6901), every other text `line:column`. JSON that is quoted inside a
//! string is read too; its hits point to that string. What a value is, `value.rs` decides; names and
//! places of assignments in text are found in `text.rs`.

mod text;
mod value;

use burgess_core::finding::{Finding, Severity};
use serde_json::Value;

use crate::dlp::{Config, Kind, Scanner};
pub use value::kind_of;

/// JSON in JSON in JSON: deeper is not a document any more.
const NESTING_MAX: usize = 4;
/// Files above this are read as text, line by line, and not as a JSON tree of many times their size.
const JSON_MAX: usize = 32 * 1024 * 1024;

/// A credential in an artifact. The value is not kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretHit {
    /// `private-key`, `aws-access-key`, `aws-secret-key`, `client-secret`, `password`, `api-key`,
    /// `access-credential`, `authorization-header`, `storage-key` or `signed-url`.
    pub kind: &'static str,
    /// File inside the artifact.
    pub file: String,
    /// JSON pointer, or `line:column` counted from 1 in characters.
    pub pointer: String,
}

impl SecretHit {
    /// The finding for the gate.
    pub fn finding(&self) -> Finding {
        Finding {
            rule: format!("secret.{}", self.kind),
            severity: Severity::Critical,
            file: self.file.clone(),
            pointer: self.pointer.clone(),
            message: format!(
                "a credential stands in plain text: {}",
                self.kind.replace('-', " ")
            ),
            remedy: "revoke it, and let the gateway add the connector's own secret".to_owned(),
        }
    }
}

/// Every credential in the given files, sorted, each place once per kind.
pub fn scan<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Vec<SecretHit> {
    let mut hits = Vec::new();
    let scanner = keys();
    for (file, bytes) in files {
        let mut reader = Reader {
            file,
            scanner: &scanner,
            hits: &mut hits,
        };
        reader.file(bytes);
    }
    hits.sort();
    hits.dedup();
    hits
}

/// The scanner for what needs no name: AWS keys and private keys.
fn keys() -> Scanner {
    Scanner::new(Config {
        kinds: vec![Kind::AwsAccessKey, Kind::AwsSecretKey, Kind::PrivateKey],
        ..Config::default()
    })
}

/// Kinds of the keys in a text, with their places in bytes.
fn keys_in(scanner: &Scanner, text: &str) -> Vec<(&'static str, usize)> {
    scanner
        .scan(text.as_bytes())
        .into_iter()
        .filter(|span| span.grade == crate::dlp::Grade::Block)
        .filter_map(|span| {
            let kind = match Kind::parse(span.kind)? {
                Kind::AwsAccessKey => "aws-access-key",
                Kind::AwsSecretKey => "aws-secret-key",
                Kind::PrivateKey => "private-key",
                _ => return None,
            };
            Some((kind, span.start))
        })
        .collect()
}

struct Reader<'a> {
    file: &'a str,
    scanner: &'a Scanner,
    hits: &'a mut Vec<SecretHit>,
}

impl Reader<'_> {
    fn file(&mut self, bytes: &[u8]) {
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let json = bytes.len() <= JSON_MAX
            && bytes.trim_ascii_start().starts_with(b"{")
                | bytes.trim_ascii_start().starts_with(b"[");
        if let (true, Ok(tree)) = (json, serde_json::from_slice::<Value>(bytes)) {
            self.tree(&tree, "", &mut String::new(), None, 0);
            return;
        }
        let Some(text) = readable(bytes) else { return };
        for hit in self.in_text(&text) {
            let pointer = line_and_column(&text, hit.1);
            self.hit(hit.0, pointer);
        }
    }

    fn hit(&mut self, kind: &'static str, pointer: String) {
        self.hits.push(SecretHit {
            kind,
            file: self.file.to_owned(),
            pointer,
        });
    }

    fn in_text(&self, text: &str) -> Vec<(&'static str, usize)> {
        let mut hits = keys_in(self.scanner, text);
        hits.extend(text::assigned(text));
        hits.extend(value::shapes(text));
        // One value seen in two ways is one credential: the first that says so names it.
        hits.sort_by_key(|(_, at)| *at);
        hits.dedup_by(|later, earlier| later.1.abs_diff(earlier.1) < 8);
        hits
    }

    /// Walks a JSON tree. `fixed` is the pointer of the string that quotes this tree, if one does.
    fn tree(
        &mut self,
        value: &Value,
        key: &str,
        pointer: &mut String,
        fixed: Option<&str>,
        depth: usize,
    ) {
        match value {
            Value::Object(map) => {
                // `{"name": "Authorization", "value": "…"}`: the name is a value itself.
                let named = ["name", "key", "parameter"]
                    .iter()
                    .find_map(|label| map.get(*label)?.as_str())
                    .filter(|_| map.get("value").is_some_and(Value::is_string));
                for (name, value) in map {
                    let key = if name == "value" {
                        named.unwrap_or(name)
                    } else {
                        name
                    };
                    self.below(value, key, &escaped(name), pointer, fixed, depth);
                }
            }
            Value::Array(list) => {
                for (index, value) in list.iter().enumerate() {
                    self.below(value, key, &index.to_string(), pointer, fixed, depth);
                }
            }
            Value::String(text) => {
                let place = fixed.unwrap_or(pointer).to_owned();
                self.string(text, key, &place, depth);
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn below(
        &mut self,
        value: &Value,
        key: &str,
        step: &str,
        pointer: &mut String,
        fixed: Option<&str>,
        depth: usize,
    ) {
        let length = pointer.len();
        pointer.push('/');
        pointer.push_str(step);
        self.tree(value, key, pointer, fixed, depth);
        pointer.truncate(length);
    }

    fn string(&mut self, text: &str, key: &str, pointer: &str, depth: usize) {
        let quoted = depth < NESTING_MAX && text.trim_start().starts_with(['{', '[']);
        if let (true, Ok(tree)) = (quoted, serde_json::from_str::<Value>(text)) {
            self.tree(&tree, key, &mut String::new(), Some(pointer), depth + 1);
            return;
        }
        if let Some(kind) = kind_of(key, text) {
            self.hit(kind, pointer.to_owned());
            return;
        }
        let mut kinds: Vec<&'static str> = keys_in(self.scanner, text)
            .into_iter()
            .map(|(kind, _)| kind)
            .collect();
        if kinds.is_empty() && text::may_assign(text) {
            kinds.extend(text::assigned(text).into_iter().map(|(kind, _)| kind));
        }
        kinds.sort_unstable();
        kinds.dedup();
        for kind in kinds {
            self.hit(kind, pointer.to_owned());
        }
    }
}

/// One step of a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Text in UTF-8, or in UTF-16 with a byte order mark; `None` for everything else.
fn readable(bytes: &[u8]) -> Option<String> {
    let units = |order: fn([u8; 2]) -> u16| {
        bytes
            .chunks_exact(2)
            .skip(1)
            .filter_map(|pair| Some(order(pair.try_into().ok()?)))
            .collect::<Vec<u16>>()
    };
    if bytes.starts_with(b"\xFF\xFE") {
        return Some(String::from_utf16_lossy(&units(u16::from_le_bytes)));
    }
    if bytes.starts_with(b"\xFE\xFF") {
        return Some(String::from_utf16_lossy(&units(u16::from_be_bytes)));
    }
    if bytes.get(..8192).unwrap_or(bytes).contains(&0) {
        return None;
    }
    Some(String::from_utf8_lossy(bytes).into_owned())
}

fn line_and_column(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    format!("{line}:{column}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(file: &str, text: &str) -> Vec<(&'static str, String)> {
        scan([(file, text.as_bytes())])
            .into_iter()
            .map(|hit| (hit.kind, hit.pointer))
            .collect()
    }

    #[test]
    fn json_gives_a_pointer_and_text_a_line_and_a_column() {
        let json = r#"{"a/b": [{"name": "Authorization", "value": "Bearer 8f3kq09xz7Lm21Qa"}]}"#;
        assert_eq!(
            hits("x.json", json),
            [("authorization-header", "/a~1b/0/value".to_owned())]
        );
        let text = "é = 1\nconst apiKey = \"q8Zr41kLmP0s9dXw\";\n";
        assert_eq!(hits("x.js", text), [("api-key", "2:17".to_owned())]);
    }

    #[test]
    fn json_inside_a_string_is_read_and_points_to_the_string() {
        let inner = r#"{"c": {"client_secret": "q8Zr41kLmP0s9dXw"}}"#;
        let outer = serde_json::json!({ "definition": inner }).to_string();
        assert_eq!(
            hits("x.json", &outer),
            [("client-secret", "/definition".to_owned())]
        );
    }

    #[test]
    fn code_inside_a_string_is_read() {
        let outer =
            serde_json::json!({ "jsCode": "const x = 1;\nconst password = 'c0rrect-h0rse';" });
        assert_eq!(
            hits("x.json", &outer.to_string()),
            [("password", "/jsCode".to_owned())]
        );
    }
}
