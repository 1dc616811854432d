//! What surrounds a candidate: the field or column it stands in and the words beside it.
//! Works on a bounded window, so that a stream and a whole body give the same answer.

use super::detector::{Kind, SPEAKS_AGAINST};
use super::text::{before, byte, is_word, part};

/// Bytes before a candidate that its context may read.
pub(crate) const LOOK_BEHIND: usize = 2048;
/// Bytes after a candidate that its context may read.
pub(crate) const LOOK_AHEAD: usize = 48;
/// Words this near before a candidate count.
const NEAR: usize = 72;
/// Longest field name that is read.
const FIELD_MAX: usize = 64;
/// Longest first line that is taken for the head of a table; below `LOOK_BEHIND`, so that the line
/// is still in the window when it ends.
pub(crate) const HEAD_MAX: usize = 1024;

/// The field, column or words that belong to a candidate, in lowercase words.
#[derive(Debug, Default)]
pub(crate) struct Context {
    field: Words,
    near: Words,
    structured: bool,
}

/// Words in lowercase, camelCase and snake_case taken apart.
#[derive(Debug, Default, Clone)]
pub(crate) struct Words(Vec<String>);

impl Words {
    /// Takes a name or a piece of text apart.
    pub(crate) fn of(text: &[u8]) -> Self {
        let mut words: Vec<String> = Vec::new();
        let mut word = String::new();
        let mut last = 0_u8;
        for &byte in text {
            let starts = byte.is_ascii_uppercase() && last.is_ascii_lowercase();
            if (starts || !byte.is_ascii_alphanumeric()) && !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            if byte.is_ascii_alphanumeric() {
                word.push(char::from(byte.to_ascii_lowercase()));
            }
            last = byte;
        }
        if !word.is_empty() {
            words.push(word);
        }
        Self(words)
    }

    /// Whether one of `wanted` is a word, or two or three neighbours written together.
    pub(crate) fn has(&self, wanted: &[&str]) -> bool {
        (1..=3).any(|count| {
            self.0
                .windows(count)
                .any(|run| wanted.contains(&run.concat().as_str()))
        })
    }
}

/// What the context says for or against a kind, in decibans.
pub(crate) struct Weights {
    /// A field or column named for the kind.
    pub field: i32,
    /// A word for the kind close by.
    pub near: i32,
    /// A field or column named for an ordinary number.
    pub other_field: i32,
    /// A word for an ordinary number close by.
    pub other_near: i32,
    /// A field or column whose name says nothing.
    pub unnamed: i32,
}

impl Context {
    /// Reads the context of `start..end` in `text`; `head` is the first line of a table, if the
    /// text has one.
    pub(crate) fn read(text: &[u8], start: usize, end: usize, head: Option<&Head>) -> Self {
        let column = head.and_then(|head| head.column(text, start));
        if let Some(name) = column {
            return Self {
                field: Words::of(name),
                near: Words::default(),
                structured: true,
            };
        }
        let floor = start.saturating_sub(LOOK_BEHIND);
        if let Some(name) = field(text, start, floor) {
            return Self {
                field: Words::of(name),
                near: Words::default(),
                structured: true,
            };
        }
        let open = enclosing(text, start, start.saturating_sub(NEAR * 4));
        let left = open.map_or(start.saturating_sub(NEAR), |(_, quote)| {
            quote.max(start.saturating_sub(NEAR))
        });
        let mut near = Words::of(cut_left(part(text, left, start)));
        near.0
            .extend(Words::of(cut_right(part(text, end, end + LOOK_AHEAD / 2))).0);
        if let Some((name, _)) = open {
            near.0.extend(Words::of(name).0);
        }
        Self {
            field: Words::default(),
            near,
            structured: false,
        }
    }

    /// The weight of the context for `kind`.
    pub(crate) fn weigh(&self, kind: Kind, weights: &Weights) -> i32 {
        let speaks = kind.speaks_for();
        if self.structured {
            if self.field.has(speaks) {
                weights.field
            } else if self.field.has(SPEAKS_AGAINST) {
                weights.other_field
            } else {
                weights.unnamed
            }
        } else if self.near.has(speaks) {
            weights.near
        } else if self.near.has(SPEAKS_AGAINST) {
            weights.other_near
        } else {
            0
        }
    }

    /// Whether field or words contain one of `wanted`.
    pub(crate) fn has(&self, wanted: &[&str]) -> bool {
        self.field.has(wanted) || self.near.has(wanted)
    }
}

/// Words of another sentence, record or string are not this value's context.
fn cut_left(text: &[u8]) -> &[u8] {
    let stop = memchr::memrchr3(b'{', b'}', b';', text).map_or(0, |at| at + 1);
    let text = part(text, stop, text.len());
    let line = memchr::memrchr(b'\n', text);
    let earlier = line.and_then(|at| memchr::memrchr(b'\n', part(text, 0, at)));
    part(text, earlier.map_or(0, |at| at + 1), text.len())
}

fn cut_right(text: &[u8]) -> &[u8] {
    let stop = memchr::memchr3(b'"', b'\n', b'}', text).unwrap_or(text.len());
    part(text, 0, stop)
}

/// The name of the field whose value starts at `start`: `"name": "…`, `name=…`, `<name>…`, or the
/// name of the array that the value is an element of.
pub(crate) fn field(text: &[u8], start: usize, floor: usize) -> Option<&[u8]> {
    let mut at = start;
    while at > floor && matches!(before(text, at), b'"' | b'\'' | b'`') {
        at -= 1;
    }
    at = skip_blank(text, at, floor);
    match before(text, at) {
        b':' | b'=' => name_before(text, at - 1, floor),
        b'>' if byte(text, at.wrapping_sub(2)) == b'=' => name_before(text, at - 2, floor),
        b'>' => tag_before(text, at - 1, floor),
        b',' | b'[' => {
            let open = array_start(text, at, floor)?;
            let colon = skip_blank(text, open, floor);
            matches!(before(text, colon), b':' | b'=').then_some(())?;
            name_before(text, colon - 1, floor)
        }
        _ => None,
    }
}

fn skip_blank(text: &[u8], mut at: usize, floor: usize) -> usize {
    while at > floor && matches!(before(text, at), b' ' | b'\t' | b'\n' | b'\r') {
        at -= 1;
    }
    at
}

/// The name that ends before the sign at `colon`, in quotes or bare.
fn name_before(text: &[u8], colon: usize, floor: usize) -> Option<&[u8]> {
    let end = skip_blank(text, colon, floor);
    let quote = before(text, end);
    let floor = floor.max(end.saturating_sub(FIELD_MAX));
    if matches!(quote, b'"' | b'\'') {
        let inside = part(text, floor, end - 1);
        let open = memchr::memrchr(quote, inside)?;
        return Some(part(inside, open + 1, inside.len()));
    }
    // `Social security number: …` is a label of several words; `time=3 ssn=…` are two names.
    let label = byte(text, colon) == b':';
    let mut at = end;
    while at > floor && of_name(before(text, at), label) {
        at -= 1;
    }
    (at < end).then(|| part(text, at, end))
}

const fn of_name(byte: u8, label: bool) -> bool {
    is_word(byte) || matches!(byte, b'-' | b'.' | b'$' | b'#') || (label && byte == b' ')
}

/// `<name attributes>` that ends before `end`.
fn tag_before(text: &[u8], end: usize, floor: usize) -> Option<&[u8]> {
    let inside = part(text, floor.max(end.saturating_sub(FIELD_MAX)), end);
    let open = memchr::memrchr(b'<', inside)?;
    let tag = part(inside, open + 1, inside.len());
    (!tag.starts_with(b"/") && !tag.is_empty()).then_some(tag)
}

/// The `[` of the array of plain values that holds the value before `at`.
fn array_start(text: &[u8], at: usize, floor: usize) -> Option<usize> {
    let inside = part(text, floor.max(at.saturating_sub(512)), at);
    let open = memchr::memrchr(b'[', inside)?;
    let between = part(inside, open, inside.len());
    let plain = !between
        .iter()
        .any(|byte| matches!(byte, b']' | b'{' | b'}' | b':'));
    plain.then(|| at - (inside.len() - open))
}

/// The name of the field in whose string value `start` lies, and where that string opens.
fn enclosing(text: &[u8], start: usize, floor: usize) -> Option<(&[u8], usize)> {
    let inside = part(text, floor, start);
    let quote = floor + memchr::memrchr(b'"', inside)?;
    let colon = skip_blank(text, quote, floor);
    (before(text, colon) == b':').then_some(())?;
    Some((
        name_before(text, colon - 1, floor.saturating_sub(FIELD_MAX))?,
        quote,
    ))
}

/// The first line of a table in CSV form (RFC 4180), its cells and its separator.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    cells: Vec<Vec<u8>>,
    separator: Option<u8>,
}

impl Head {
    /// Reads a first line; `None` when it does not look like column names.
    pub(crate) fn read(line: &[u8]) -> Option<Self> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let separator = [b',', b';', b'\t', b'|']
            .into_iter()
            .max_by_key(|separator| memchr::memchr_iter(*separator, line).count())
            .filter(|separator| memchr::memchr(*separator, line).is_some());
        let cells: Vec<Vec<u8>> = match separator {
            Some(separator) => line.split(|byte| *byte == separator).map(trim).collect(),
            None => vec![trim(line)],
        };
        cells
            .iter()
            .all(|cell| is_name(cell))
            .then_some(Self { cells, separator })
    }

    /// The name of the column that `at` lies in, when its line starts inside the window.
    fn column(&self, text: &[u8], at: usize) -> Option<&[u8]> {
        let floor = at.saturating_sub(LOOK_BEHIND);
        let line = floor + memchr::memrchr(b'\n', part(text, floor, at))? + 1;
        let Some(separator) = self.separator else {
            let whole = part(text, line, at).iter().all(|byte| *byte == b'"');
            return if whole {
                self.cells.first().map(Vec::as_slice)
            } else {
                None
            };
        };
        let mut quoted = false;
        let mut index = 0;
        for &byte in part(text, line, at) {
            match byte {
                b'"' => quoted = !quoted,
                b'{' | b'[' => return None,
                _ if byte == separator && !quoted => index += 1,
                _ => {}
            }
        }
        self.cells.get(index).map(Vec::as_slice)
    }
}

fn trim(cell: &[u8]) -> Vec<u8> {
    let cell = cell.trim_ascii();
    cell.strip_prefix(b"\"")
        .and_then(|cell| cell.strip_suffix(b"\""))
        .unwrap_or(cell)
        .to_vec()
}

fn is_name(cell: &[u8]) -> bool {
    (1..=FIELD_MAX).contains(&cell.len())
        && cell.first().is_some_and(u8::is_ascii_alphabetic)
        && cell.iter().all(|byte| {
            is_word(*byte) || matches!(byte, b' ' | b'-' | b'.' | b'/' | b'#' | b'(' | b')')
        })
        && cell.iter().filter(|byte| **byte == b' ').count() < 5
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field_of(text: &str, value: &str) -> Option<String> {
        let start = text.find(value)?;
        field(text.as_bytes(), start, 0).map(|name| String::from_utf8_lossy(name).into_owned())
    }

    #[test]
    fn the_field_of_a_value_is_found_in_json_forms_logs_and_tags() {
        for text in [
            r#"{"card_number": "41"}"#,
            r#"{"card_number":41}"#,
            r#"{"card_number": ["40", "41"]}"#,
            "card_number=41",
            "<card_number>41</card_number>",
            "'card_number' => '41'",
        ] {
            assert_eq!(
                field_of(text, "41").as_deref(),
                Some("card_number"),
                "{text}"
            );
        }
        assert_eq!(field_of("my card is 41", "41"), None);
    }

    #[test]
    fn names_are_taken_apart_into_words() {
        assert!(Words::of(b"customerCardNumber").has(&["cardnumber"]));
        assert!(Words::of(b"SOCIAL_SECURITY").has(&["socialsecurity"]));
        assert!(!Words::of(b"discard").has(&["card"]));
    }

    #[test]
    fn a_column_is_named_by_the_first_line() {
        let text = b"name,card_number\nDana,41\n";
        let head = Head::read(b"name,card_number").expect("a head");
        assert_eq!(head.column(text, 22), Some(b"card_number".as_slice()));
        assert!(Head::read(b"4111,17").is_none() && Head::read(br#"{"a": 1,"b": 2}"#).is_none());
    }
}
