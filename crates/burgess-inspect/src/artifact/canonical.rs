//! One text for one meaning: JSON with sorted keys, XML without layout.

use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde_json::Value;

use super::Change;
use crate::json;

/// A row of the golden list, as it applies to one file.
pub(super) struct Rule {
    pub(super) parts: Vec<&'static str>,
    pub(super) change: Change,
}

impl Rule {
    fn matches(&self, path: &[String]) -> bool {
        self.parts.len() == path.len()
            && self
                .parts
                .iter()
                .zip(path)
                .all(|(rule, part)| *rule == "*" || rule == part)
    }
}

/// Canonical JSON; `None` for what is no JSON, or has a key twice so that readers may
/// disagree about it.
pub(super) fn json(
    path: &str,
    bytes: &[u8],
    rules: &[Rule],
    stable: &BTreeMap<String, String>,
) -> Option<String> {
    if json::has_duplicate_keys(bytes) {
        return None;
    }
    let value = json::parse(path, bytes).ok()?;
    let mut writer = Writer {
        rules,
        stable,
        path: Vec::new(),
    };
    Some(writer.value(&value))
}

struct Writer<'a> {
    rules: &'a [Rule],
    stable: &'a BTreeMap<String, String>,
    path: Vec<String>,
}

impl Writer<'_> {
    fn rule(&self) -> Option<Change> {
        self.rules
            .iter()
            .find(|rule| rule.matches(&self.path))
            .map(|rule| rule.change)
    }

    fn value(&mut self, value: &Value) -> String {
        match value {
            Value::String(text) => self.string(text),
            Value::Array(items) => {
                let sort = self.rule() == Some(Change::Sort);
                let mut out = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    self.path.push(index.to_string());
                    if self.rule() != Some(Change::Drop) {
                        out.push(self.value(item));
                    }
                    self.path.pop();
                }
                if sort {
                    out.sort();
                }
                format!("[{}]", out.join(","))
            }
            Value::Object(entries) => {
                let mut out = BTreeMap::new();
                for (key, item) in entries {
                    self.path.push(key.clone());
                    if self.rule() != Some(Change::Drop) {
                        out.insert(self.named(key), self.value(item));
                    }
                    self.path.pop();
                }
                let pairs: Vec<String> = out
                    .iter()
                    .map(|(key, item)| format!("{}:{item}", quoted(key)))
                    .collect();
                format!("{{{}}}", pairs.join(","))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
        }
    }

    fn string(&self, text: &str) -> String {
        let text = self.named(text);
        match self.rule() {
            Some(Change::DropQuery) => quoted(text.split('?').next().unwrap_or(&text)),
            _ => quoted(&text),
        }
    }

    fn named(&self, text: &str) -> String {
        self.stable
            .get(text)
            .cloned()
            .unwrap_or_else(|| text.to_owned())
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// Canonical XML: elements, sorted attributes and text, each on its line; no layout, no
/// comments. `None` for what is no XML.
pub(super) fn xml(bytes: &[u8], rules: &[Rule]) -> Option<String> {
    let text = std::str::from_utf8(bytes)
        .ok()?
        .trim_start_matches('\u{feff}');
    let mut reader = Reader::from_str(text);
    let mut path: Vec<String> = Vec::new();
    let mut out = String::new();
    let mut dropped_from: Option<usize> = None;
    loop {
        match reader.read_event().ok()? {
            Event::Eof => break,
            Event::Start(tag) => {
                path.push(name_of(&tag));
                open(&tag, &mut path, rules, &mut dropped_from, &mut out)?;
            }
            Event::Empty(tag) => {
                path.push(name_of(&tag));
                open(&tag, &mut path, rules, &mut dropped_from, &mut out)?;
                close(&mut path, &mut dropped_from, &mut out);
            }
            Event::End(_) => close(&mut path, &mut dropped_from, &mut out),
            Event::Text(text) if dropped_from.is_none() => line(&mut out, "text", text.trim()),
            Event::CData(text) if dropped_from.is_none() => line(&mut out, "cdata", &text),
            Event::GeneralRef(name) if dropped_from.is_none() => line(&mut out, "ref", &name),
            _ => {}
        }
    }
    path.is_empty().then_some(out)
}

fn open(
    tag: &BytesStart<'_>,
    path: &mut Vec<String>,
    rules: &[Rule],
    dropped_from: &mut Option<usize>,
    out: &mut String,
) -> Option<()> {
    if dropped_from.is_some() {
        return Some(());
    }
    if rules.iter().any(|rule| rule.matches(path)) {
        *dropped_from = Some(path.len());
        return Some(());
    }
    line(
        out,
        "open",
        path.last().map(String::as_str).unwrap_or_default(),
    );
    let mut attributes = BTreeMap::new();
    for attribute in tag.attributes() {
        let attribute = attribute.ok()?;
        let name = attribute.key.as_ref().to_owned();
        path.push(format!("@{name}"));
        if !rules.iter().any(|rule| rule.matches(path)) {
            attributes.insert(name, attribute.value.to_string());
        }
        path.pop();
    }
    for (name, value) in attributes {
        line(out, &name, &value);
    }
    Some(())
}

fn close(path: &mut Vec<String>, dropped_from: &mut Option<usize>, out: &mut String) {
    if dropped_from.is_none() {
        line(out, "close", "");
    } else if *dropped_from == Some(path.len()) {
        *dropped_from = None;
    }
    path.pop();
}

fn line(out: &mut String, kind: &str, text: &str) {
    if kind != "text" || !text.is_empty() {
        out.push_str(&format!("{kind} {text:?}\n"));
    }
}

fn name_of(tag: &BytesStart<'_>) -> String {
    tag.name().as_ref().to_owned()
}
