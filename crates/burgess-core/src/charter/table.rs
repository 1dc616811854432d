//! A reader of TOML tables that keeps every error with its place and goes on.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{CharterError, CharterErrors};
use crate::limits::{CHARTER_ERRORS_MAX, CHARTER_LIST_MAX, CHARTER_TEXT_MAX};

/// Characters of a wrong key or value that are shown and compared. Longer ones are nobody's typing error.
const SHOWN: usize = 60;

/// Collects errors while a charter is read.
pub(super) struct Reader<'t> {
    text: &'t str,
    line_starts: Vec<usize>,
    errors: Vec<CharterError>,
}

/// One table and where it stands.
pub(super) struct Table<'a, 'i> {
    path: String,
    span: Range<usize>,
    entries: &'a DeTable<'i>,
}

/// One value and where it stands.
pub(super) struct Value<'a, 'i> {
    pub(super) path: String,
    value: &'a Spanned<DeValue<'i>>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let line_starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        Self {
            text,
            line_starts,
            errors: Vec::new(),
        }
    }

    /// Line and column, both from 1; the column counts characters.
    pub(super) fn place(&self, offset: usize) -> (usize, usize) {
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = line
            .checked_sub(1)
            .and_then(|at| self.line_starts.get(at))
            .copied()
            .unwrap_or(0);
        let before = self.text.get(start..offset).unwrap_or_default();
        (line.max(1), before.chars().count() + 1)
    }

    /// Whether no more errors are kept.
    pub(super) fn is_full(&self) -> bool {
        self.errors.len() >= CHARTER_ERRORS_MAX
    }

    pub(super) fn error(&mut self, offset: usize, key: &str, message: String) {
        self.full_error(offset, key, message, String::new(), None);
    }

    pub(super) fn full_error(
        &mut self,
        offset: usize,
        key: &str,
        message: String,
        expected: String,
        nearest: Option<String>,
    ) {
        if self.is_full() {
            return;
        }
        let (line, column) = self.place(offset);
        self.errors.push(CharterError {
            line,
            column,
            key: key.to_owned(),
            message,
            expected,
            nearest,
        });
    }

    /// `Ok` when nothing was wrong; otherwise the errors in the order of the file.
    pub(super) fn finish<T>(mut self, value: Option<T>) -> Result<T, CharterErrors> {
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => {
                self.errors.sort_by_key(|error| (error.line, error.column));
                Err(CharterErrors(self.errors))
            }
        }
    }
}

impl<'a, 'i> Table<'a, 'i> {
    pub(super) fn root(span: Range<usize>, entries: &'a DeTable<'i>) -> Self {
        Self {
            path: String::new(),
            span,
            entries,
        }
    }

    fn name(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    pub(super) fn start(&self) -> usize {
        self.span.start
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// All keys with their values, in the order of their names.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a str, Value<'a, 'i>)> {
        self.entries.iter().map(|(key, value)| {
            let path = self.name(&shown(key.get_ref()));
            (key.get_ref().as_ref(), Value { path, value })
        })
    }

    /// Reports every key that is not one of `known`.
    pub(super) fn only(&self, reader: &mut Reader<'_>, known: &[&str]) {
        for key in self.entries.keys() {
            let text = key.get_ref();
            if known.contains(&text.as_ref()) {
                continue;
            }
            // A file of nothing but wrong keys must not be compared to the end.
            if reader.is_full() {
                return;
            }
            reader.full_error(
                key.span().start,
                &self.name(&shown(text)),
                "unknown key".to_owned(),
                format!("one of {}", known.join(", ")),
                nearest(text, known),
            );
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<Value<'a, 'i>> {
        let (_, value) = self
            .entries
            .iter()
            .find(|(name, _)| name.get_ref().as_ref() == key)?;
        Some(Value {
            path: self.name(key),
            value,
        })
    }

    /// The value of `key`, or an error at the table that says what is missing.
    pub(super) fn need(
        &self,
        reader: &mut Reader<'_>,
        key: &str,
        expected: &str,
    ) -> Option<Value<'a, 'i>> {
        let found = self.get(key);
        if found.is_none() {
            reader.full_error(
                self.span.start,
                &self.name(key),
                "missing key".to_owned(),
                expected.to_owned(),
                None,
            );
        }
        found
    }

    /// The table under `key`.
    pub(super) fn table(&self, reader: &mut Reader<'_>, key: &str) -> Option<Table<'a, 'i>> {
        self.get(key)?.table(reader)
    }

    /// The tables under `key`; none when the key is absent.
    pub(super) fn tables(&self, reader: &mut Reader<'_>, key: &str) -> Vec<Table<'a, 'i>> {
        let Some(value) = self.get(key) else {
            return Vec::new();
        };
        value
            .list(reader)
            .into_iter()
            .filter_map(|value| value.table(reader))
            .collect()
    }

    /// The text under `key`; empty when the key is absent.
    pub(super) fn text(&self, reader: &mut Reader<'_>, key: &str) -> String {
        self.get(key)
            .and_then(|value| value.text(reader))
            .unwrap_or_default()
    }

    /// What `parse` makes of the text under `key`.
    pub(super) fn parsed<T, E: std::fmt::Display>(
        &self,
        reader: &mut Reader<'_>,
        key: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.get(key)?.parsed(reader, &[], parse)
    }

    /// The list under `key`, each entry read by `parse`; empty when the key is absent.
    pub(super) fn parsed_list<T, E: std::fmt::Display>(
        &self,
        reader: &mut Reader<'_>,
        key: &str,
        names: &[&str],
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Vec<T> {
        let Some(value) = self.get(key) else {
            return Vec::new();
        };
        value
            .list(reader)
            .into_iter()
            .filter_map(|value| value.parsed(reader, names, &parse))
            .collect()
    }

    /// The whole number under `key`, between `least` and `most`.
    pub(super) fn number(
        &self,
        reader: &mut Reader<'_>,
        key: &str,
        least: u64,
        most: u64,
    ) -> Option<u64> {
        self.get(key)?.number(reader, least, most)
    }

    /// The truth value under `key`; false when the key is absent.
    pub(super) fn boolean(&self, reader: &mut Reader<'_>, key: &str) -> bool {
        self.get(key)
            .and_then(|value| match value.value.get_ref() {
                DeValue::Boolean(truth) => Some(*truth),
                _ => value.wrong(reader, "true or false"),
            })
            .unwrap_or(false)
    }
}

impl<'a, 'i> Value<'a, 'i> {
    pub(super) fn start(&self) -> usize {
        self.value.span().start
    }

    /// Reports that something else was expected here.
    pub(super) fn wrong<T>(&self, reader: &mut Reader<'_>, expected: &str) -> Option<T> {
        let found = match self.value.get_ref() {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        reader.full_error(
            self.start(),
            &self.path,
            format!("{found} stands here"),
            expected.to_owned(),
            None,
        );
        None
    }

    pub(super) fn table(&self, reader: &mut Reader<'_>) -> Option<Table<'a, 'i>> {
        match self.value.get_ref() {
            DeValue::Table(entries) => Some(Table {
                path: self.path.clone(),
                span: self.value.span(),
                entries,
            }),
            _ => self.wrong(reader, "a table"),
        }
    }

    pub(super) fn list(&self, reader: &mut Reader<'_>) -> Vec<Value<'a, 'i>> {
        let DeValue::Array(entries) = self.value.get_ref() else {
            self.wrong::<()>(reader, "a list");
            return Vec::new();
        };
        if entries.len() > CHARTER_LIST_MAX {
            reader.error(
                self.start(),
                &self.path,
                format!(
                    "{} entries are too many: {CHARTER_LIST_MAX} at most",
                    entries.len()
                ),
            );
            return Vec::new();
        }
        entries
            .iter()
            .enumerate()
            .map(|(position, value)| Value {
                path: format!("{}[{position}]", self.path),
                value,
            })
            .collect()
    }

    pub(super) fn text(&self, reader: &mut Reader<'_>) -> Option<String> {
        let DeValue::String(text) = self.value.get_ref() else {
            return self.wrong(reader, "a text in quotes");
        };
        if text.chars().count() > CHARTER_TEXT_MAX {
            reader.error(
                self.start(),
                &self.path,
                format!("the text is too long: {CHARTER_TEXT_MAX} characters at most"),
            );
            return None;
        }
        Some(text.to_string())
    }

    /// What `parse` makes of the text. `names` are the valid spellings, if they can be listed.
    pub(super) fn parsed<T, E: std::fmt::Display>(
        &self,
        reader: &mut Reader<'_>,
        names: &[&str],
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(reader)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(error) => {
                reader.full_error(
                    self.start(),
                    &self.path,
                    error.to_string(),
                    String::new(),
                    nearest(&text, names),
                );
                None
            }
        }
    }

    pub(super) fn number(&self, reader: &mut Reader<'_>, least: u64, most: u64) -> Option<u64> {
        let expected = format!("a whole number from {least} to {most}");
        let DeValue::Integer(number) = self.value.get_ref() else {
            return self.wrong(reader, &expected);
        };
        let value = u64::from_str_radix(number.as_str(), number.radix()).ok();
        match value.filter(|value| (least..=most).contains(value)) {
            Some(value) => Some(value),
            None => {
                let message = format!("`{}` is out of range", shown(&number.to_string()));
                reader.full_error(self.start(), &self.path, message, expected, None);
                None
            }
        }
    }

    /// A probability: over 0 and below 1.
    pub(super) fn probability(&self, reader: &mut Reader<'_>) -> Option<f64> {
        let expected = "a number over 0 and below 1, as 1e-6";
        let DeValue::Float(number) = self.value.get_ref() else {
            return self.wrong(reader, expected);
        };
        let value: Option<f64> = number.as_str().parse().ok();
        match value.filter(|value| *value > 0.0 && *value < 1.0) {
            Some(value) => Some(value),
            None => {
                let message = format!("`{}` is out of range", shown(number.as_str()));
                reader.full_error(self.start(), &self.path, message, expected.to_owned(), None);
                None
            }
        }
    }
}

/// The beginning of a wrong key or value.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

/// The spelling among `names` nearest to `text`, if one is near.
pub fn nearest(text: &str, names: &[&str]) -> Option<String> {
    let text = shown(text).to_lowercase();
    names
        .iter()
        .map(|name| (strsim::normalized_damerau_levenshtein(&text, name), *name))
        .filter(|(similarity, _)| *similarity >= 0.5)
        // Of two equally near ones, the one that begins alike.
        .max_by(|a, b| {
            let alike = |name| strsim::jaro_winkler(&text, name);
            a.0.total_cmp(&b.0)
                .then_with(|| alike(a.1).total_cmp(&alike(b.1)))
        })
        .map(|(_, name)| name.to_owned())
}
