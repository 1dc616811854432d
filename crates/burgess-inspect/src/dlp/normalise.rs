//! The plain view of a text: escapes undone, invisible characters dropped, look-alike digits,
//! dashes and blanks made ASCII, so that an encoding does not hide a value. Every byte of the view
//! knows where it came from. Works on a stream: an escape that is cut by a chunk waits for its rest.
//! Not here: compression and base64, which are unpacked before text is scanned.

/// More backslashes than this in a row are not an escape. JSON in JSON in JSON needs seven.
const BACKSLASHES_MAX: usize = 15;
/// Longest escape: the backslashes of two UTF-16 halves and their `uXXXX`.
pub(crate) const ESCAPE_MAX: usize = 2 * (BACKSLASHES_MAX + 5);

/// The view's bytes and their origin.
#[derive(Debug, Default)]
pub(crate) struct View {
    /// The plain text still held.
    pub text: Vec<u8>,
    /// Position in the view of the first byte of `text`.
    pub base: usize,
    pieces: Vec<Piece>,
    raw: Vec<u8>,
    raw_at: usize,
}

/// From `view` on: an unchanged run when `len` is 0, else `len` source bytes that were replaced.
#[derive(Debug, Clone, Copy)]
struct Piece {
    view: usize,
    source: usize,
    len: usize,
}

enum Step {
    Keep,
    Replace(usize, char),
    Drop(usize),
    Wait,
}

impl View {
    /// Takes the next bytes of the source; `last` when none follow.
    pub(crate) fn push(&mut self, chunk: &[u8], last: bool) {
        if self.raw.is_empty() {
            let left = self.take(chunk, last);
            self.raw = chunk.get(chunk.len() - left..).unwrap_or_default().to_vec();
        } else {
            let mut raw = std::mem::take(&mut self.raw);
            raw.extend_from_slice(chunk);
            let left = self.take(&raw, last);
            raw.drain(..raw.len() - left);
            self.raw = raw;
        }
    }

    /// Position after the last byte of the view.
    pub(crate) fn end(&self) -> usize {
        self.base + self.text.len()
    }

    /// Consumes `source` and returns how many bytes at its end must wait.
    fn take(&mut self, source: &[u8], last: bool) -> usize {
        let mut at = 0;
        while at < source.len() {
            let rest = source.get(at..).unwrap_or_default();
            let plain = rest
                .iter()
                .position(|byte| is_special(*byte))
                .unwrap_or(rest.len());
            if plain > 0 {
                self.keep(rest.get(..plain).unwrap_or_default());
                at += plain;
                continue;
            }
            match step(rest, last) {
                Step::Keep => {
                    self.keep(rest.get(..1).unwrap_or_default());
                    at += 1;
                }
                Step::Replace(len, with) => {
                    self.piece(len);
                    let mut utf8 = [0; 4];
                    self.text
                        .extend_from_slice(with.encode_utf8(&mut utf8).as_bytes());
                    self.raw_at += len;
                    at += len;
                }
                Step::Drop(len) => {
                    self.raw_at += len;
                    at += len;
                }
                Step::Wait => return source.len() - at,
            }
        }
        0
    }

    fn keep(&mut self, bytes: &[u8]) {
        let end = self.end();
        let continues = self.pieces.last().is_some_and(|piece| {
            piece.len == 0 && end.wrapping_sub(piece.view) == self.raw_at - piece.source
        });
        if !continues {
            self.piece(0);
        }
        self.text.extend_from_slice(bytes);
        self.raw_at += bytes.len();
    }

    fn piece(&mut self, len: usize) {
        self.pieces.push(Piece {
            view: self.end(),
            source: self.raw_at,
            len,
        });
    }

    fn piece_at(&self, view: usize) -> Option<&Piece> {
        let after = self.pieces.partition_point(|piece| piece.view <= view);
        self.pieces.get(after.checked_sub(1)?)
    }

    /// Where in the source the view's byte at `view` begins.
    pub(crate) fn source_start(&self, view: usize) -> usize {
        match self.piece_at(view) {
            Some(piece) if piece.len == 0 => piece.source + (view - piece.view),
            Some(piece) => piece.source,
            None => view,
        }
    }

    /// Where in the source the view's bytes before `view` end.
    pub(crate) fn source_end(&self, view: usize) -> usize {
        let Some(last) = view.checked_sub(1) else {
            return 0;
        };
        match self.piece_at(last) {
            Some(piece) if piece.len == 0 => piece.source + (last - piece.view) + 1,
            Some(piece) => piece.source + piece.len,
            None => view,
        }
    }

    /// Forgets what lies before `view`.
    pub(crate) fn forget(&mut self, view: usize) {
        let count = view.saturating_sub(self.base).min(self.text.len());
        self.text.drain(..count);
        self.base += count;
        let keep = self
            .pieces
            .partition_point(|piece| piece.view <= self.base)
            .saturating_sub(1);
        self.pieces.drain(..keep);
    }
}

const fn is_special(byte: u8) -> bool {
    matches!(byte, b'\\' | b'%' | b'&' | 0x80..)
}

fn step(rest: &[u8], last: bool) -> Step {
    match rest.first() {
        Some(b'\\') => backslash(rest, last),
        Some(b'%') => percent(rest, last),
        Some(b'&') => entity(rest, last),
        _ => unicode(rest, last),
    }
}

/// JSON string escapes (RFC 8259, section 7), also when a document is quoted inside another one:
/// any number of backslashes counts as one.
fn backslash(rest: &[u8], last: bool) -> Step {
    let run = rest
        .iter()
        .take(BACKSLASHES_MAX + 1)
        .take_while(|byte| **byte == b'\\')
        .count();
    if run > BACKSLASHES_MAX {
        return Step::Keep;
    }
    let Some(letter) = rest.get(run) else {
        return if last { Step::Keep } else { Step::Wait };
    };
    match letter {
        b'n' => Step::Replace(run + 1, '\n'),
        b'r' => Step::Replace(run + 1, '\r'),
        b't' => Step::Replace(run + 1, '\t'),
        b'"' => Step::Replace(run + 1, '"'),
        b'/' => Step::Replace(run + 1, '/'),
        b'u' | b'x' => hex_escape(rest, run, *letter, last),
        _ => Step::Keep,
    }
}

fn hex_escape(rest: &[u8], run: usize, letter: u8, last: bool) -> Step {
    let digits = if letter == b'u' { 4 } else { 2 };
    let len = run + 1 + digits;
    let Some(unit) = rest.get(run + 1..len) else {
        return if last { Step::Keep } else { Step::Wait };
    };
    let Some(unit) = hex(unit) else {
        return Step::Keep;
    };
    if !(0xD800..0xDC00).contains(&unit) {
        return replace(
            len,
            char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER),
        );
    }
    // A UTF-16 pair: the second half follows as an escape of its own.
    let tail = rest.get(len..).unwrap_or_default();
    let second = tail
        .iter()
        .take(BACKSLASHES_MAX)
        .take_while(|byte| **byte == b'\\')
        .count();
    match tail.get(second..second + 5) {
        Some([b'u', low @ ..]) if second > 0 => match hex(low) {
            Some(low @ 0xDC00..0xE000) => {
                let scalar = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
                replace(
                    len + second + 5,
                    char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER),
                )
            }
            _ => Step::Replace(len, char::REPLACEMENT_CHARACTER),
        },
        None if !last => Step::Wait,
        _ => Step::Replace(len, char::REPLACEMENT_CHARACTER),
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| {
        Some(value * 16 + char::from(*digit).to_digit(16)?)
    })
}

/// Percent-encoding (RFC 3986, section 2.1) of printable ASCII.
fn percent(rest: &[u8], last: bool) -> Step {
    match rest.get(1..3) {
        Some(digits) => match hex(digits) {
            Some(value @ 0x20..=0x7E) => Step::Replace(3, char::from_u32(value).unwrap_or(' ')),
            _ => Step::Keep,
        },
        None if last => Step::Keep,
        None => Step::Wait,
    }
}

/// Numeric character references of HTML and XML: `&#64;`, `&#x40;`.
fn entity(rest: &[u8], last: bool) -> Step {
    let head = rest.get(..10).unwrap_or(rest);
    if head.get(1).is_some_and(|byte| *byte != b'#') {
        return Step::Keep;
    }
    let Some(end) = head.iter().position(|byte| *byte == b';') else {
        return if last || head.len() == 10 {
            Step::Keep
        } else {
            Step::Wait
        };
    };
    let body = head.get(2..end).unwrap_or_default();
    let value = match body {
        [b'x' | b'X', digits @ ..] if !digits.is_empty() => hex(digits),
        [] => None,
        digits => digits.iter().try_fold(0_u32, |value, digit| {
            Some(value * 10 + char::from(*digit).to_digit(10)?)
        }),
    };
    match value.and_then(char::from_u32) {
        Some(with) => replace(end + 1, with),
        None => Step::Keep,
    }
}

/// A non-ASCII character: replaced or dropped when it only dresses up ASCII.
fn unicode(rest: &[u8], last: bool) -> Step {
    let head = rest.get(..4).unwrap_or(rest);
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) => match head.get(..error.valid_up_to()) {
            Some(valid) if !valid.is_empty() => std::str::from_utf8(valid).unwrap_or_default(),
            _ if error.error_len().is_none() && !last => return Step::Wait,
            _ => return Step::Keep,
        },
    };
    match text.chars().next() {
        Some(found) => match plain(found) {
            Plain::Same => Step::Replace(found.len_utf8(), found),
            Plain::Gone => Step::Drop(found.len_utf8()),
            Plain::As(with) => Step::Replace(found.len_utf8(), with),
        },
        None => Step::Keep,
    }
}

fn replace(len: usize, found: char) -> Step {
    match plain(found) {
        Plain::Same => Step::Replace(len, found),
        Plain::Gone => Step::Drop(len),
        Plain::As(with) => Step::Replace(len, with),
    }
}

enum Plain {
    Same,
    Gone,
    As(char),
}

/// Default-ignorable characters vanish; blanks, dashes, fullwidth forms and decimal digits of other
/// scripts become ASCII (Unicode 17, `DerivedCoreProperties` and `UnicodeData`, by range).
fn plain(found: char) -> Plain {
    let code = u32::from(found);
    let digit = |zero: u32| Plain::As(char::from_digit((code - zero) % 10, 10).unwrap_or(found));
    match code {
        0xAD
        | 0x34F
        | 0x61C
        | 0x115F..=0x1160
        | 0x17B4..=0x17B5
        | 0x180B..=0x180F
        | 0x200B..=0x200F
        | 0x202A..=0x202E
        | 0x2060..=0x206F
        | 0x3164
        | 0xFE00..=0xFE0F
        | 0xFEFF
        | 0xFFA0
        | 0xE0000..=0xE0FFF => Plain::Gone,
        0xA0 | 0x1680 | 0x2000..=0x200A | 0x202F | 0x205F | 0x3000 => Plain::As(' '),
        0x2010..=0x2015 | 0x2212 | 0xFE58 | 0xFE63 => Plain::As('-'),
        0xFF01..=0xFF5E => Plain::As(char::from_u32(code - 0xFEE0).unwrap_or(found)),
        0x0660..=0x0669 => digit(0x0660),
        0x06F0..=0x06F9 => digit(0x06F0),
        0x0966..=0x096F => digit(0x0966),
        0x09E6..=0x09EF => digit(0x09E6),
        0x1D7CE..=0x1D7FF => digit(0x1D7CE),
        _ => Plain::Same,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(source: &str) -> String {
        let mut view = View::default();
        view.push(source.as_bytes(), true);
        String::from_utf8_lossy(&view.text).into_owned()
    }

    #[test]
    fn escapes_and_disguises_are_undone() {
        assert_eq!(view(r"\u0034\\u0034\x31 a\nb C:\dir"), "441 a\nb C:\\dir");
        assert_eq!(
            view("dana%40example.com 100% &#64;&#x40; &amp;"),
            "dana@example.com 100% @@ &amp;"
        );
        assert_eq!(
            view("4\u{200B}1\u{FF11}1\u{2013}\u{A0}\u{661}é"),
            "4111- 1é"
        );
        assert_eq!(view(r"\ud835\udfd2 \ud83d"), "4 \u{FFFD}");
    }

    #[test]
    fn every_byte_of_the_view_knows_its_source() {
        let source = r"ab\u0034cé\n9";
        let mut view = View::default();
        view.push(source.as_bytes(), true);
        assert_eq!(view.text, "ab4cé\n9".as_bytes());
        assert_eq!((view.source_start(2), view.source_end(3)), (2, 8));
        assert_eq!((view.source_start(3), view.source_end(4)), (8, 9));
        assert_eq!((view.source_start(7), view.source_end(8)), (13, 14));
    }

    #[test]
    fn a_stream_gives_the_same_view_at_every_split() {
        let source = "x\\u0034\\\\u0031é\u{200B}%40&#64;\\ud835\\udfd2&amp\\\\";
        for split in 0..=source.len() {
            let (head, tail) = source.as_bytes().split_at(split);
            let mut parts = View::default();
            parts.push(head, false);
            parts.push(tail, true);
            let mut whole = View::default();
            whole.push(source.as_bytes(), true);
            assert_eq!(parts.text, whole.text, "split at {split}");
            for at in 0..whole.text.len() {
                assert_eq!(parts.source_start(at), whole.source_start(at));
                assert_eq!(parts.source_end(at + 1), whole.source_end(at + 1));
            }
        }
    }
}
