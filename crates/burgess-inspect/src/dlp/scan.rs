//! The scanner: one pass over the bytes for trigger bytes, a shape check at each, evidence summed
//! up, overlaps resolved. A whole body is a stream of one chunk, so both give the same spans.
//! The shapes themselves are in `shape/`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::context::{HEAD_MAX, Head, LOOK_BEHIND};
use super::detector::{Class, Grade, Kind};
use super::normalise::{ESCAPE_MAX, View};
use super::shape::{self, Found, Tally};
use super::text::{before, byte};

/// Bytes after a trigger that its shape and context may read: the longest are an e-mail domain
/// (255) and the distance between an AWS key's name and its value.
const HORIZON: usize = 512;
/// Bytes before a trigger that its span may start: an e-mail's local part of 64 characters.
const REACH: usize = 320;
/// Longest private key that is looked for; an RSA key of 16384 bits takes 12.5 kB.
pub(crate) const PEM_MAX: usize = 16 * 1024;
/// The view is trimmed when it holds this much more than it needs: few large moves, not many small.
const SLACK: usize = 64 * 1024;

/// What to look for and how sure to be.
#[derive(Clone, Debug)]
pub struct Config {
    /// Kinds to look for.
    pub kinds: Vec<Kind>,
    /// Decibans from which a candidate is a note; 0 is even odds.
    pub note_at: i32,
    /// Decibans from which a candidate can block; 10 is ten to one.
    pub block_at: i32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            kinds: Kind::ALL.to_vec(),
            note_at: 0,
            block_at: 10,
        }
    }
}

/// One thing found. The value itself is not kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// First byte in the source.
    pub start: usize,
    /// Byte after the last in the source.
    pub end: usize,
    /// Entity name, as `EMAIL_ADDRESS`.
    pub kind: &'static str,
    /// Probability between 0 and 1, three decimals.
    pub score: f64,
    /// Class of the kind.
    pub class: Class,
    /// Whether a policy may stop a call for it.
    pub grade: Grade,
    /// Other kinds that the same bytes could be, most likely first.
    pub alternatives: Vec<&'static str>,
}

/// Finds sensitive data in bytes.
#[derive(Clone, Debug)]
pub struct Scanner {
    config: Config,
}

impl Scanner {
    /// A scanner for the given kinds and thresholds.
    pub const fn new(config: Config) -> Self {
        Self { config }
    }

    /// The spans of a whole text, in order, without overlaps. Offsets count bytes.
    pub fn scan(&self, bytes: &[u8]) -> Vec<Span> {
        let mut stream = self.stream();
        stream.take(bytes, true)
    }

    /// A scanner for text that comes in chunks.
    pub fn stream(&self) -> Stream {
        Stream {
            config: self.config.clone(),
            view: View::default(),
            next: 0,
            head: HeadState::Open,
            tally: Tally::default(),
            pending: Vec::new(),
        }
    }
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new(Config::default())
    }
}

/// A scan that gets its text in chunks. Chunk borders do not matter: at every split the spans of all
/// calls together are those of the whole.
#[derive(Debug)]
pub struct Stream {
    config: Config,
    view: View,
    /// Position in the view of the next byte to look at.
    next: usize,
    head: HeadState,
    tally: Tally,
    pending: Vec<Found>,
}

#[derive(Debug)]
enum HeadState {
    Open,
    Closed(Option<Head>),
}

impl Stream {
    /// Takes the next chunk; returns the spans that became certain. Offsets count from the start of
    /// the stream.
    pub fn push(&mut self, chunk: &[u8]) -> Vec<Span> {
        self.take(chunk, false)
    }

    /// Ends the stream; returns the spans that were still open.
    pub fn finish(mut self) -> Vec<Span> {
        self.take(&[], true)
    }

    /// Bytes from the start of the stream about which everything is said: no later span begins
    /// before this offset, so they may be let through.
    pub fn cleared(&self) -> usize {
        let open = self
            .pending
            .iter()
            .map(|found| found.start)
            .min()
            .unwrap_or(self.next);
        let view = open
            .min(self.next.saturating_sub(REACH))
            .max(self.view.base);
        self.view.source_start(view)
    }

    fn take(&mut self, chunk: &[u8], last: bool) -> Vec<Span> {
        self.view.push(chunk, last);
        self.look(last);
        let certain = if last {
            usize::MAX
        } else {
            self.next.saturating_sub(REACH)
        };
        let spans = self.settle(certain);
        let keep = self
            .pending
            .iter()
            .map(|found| found.start)
            .min()
            .unwrap_or(self.next)
            .min(self.next)
            .saturating_sub(LOOK_BEHIND + REACH);
        if keep > self.view.base + SLACK {
            self.view.forget(keep);
        }
        spans
    }

    /// Looks at every trigger that has enough text after it.
    fn look(&mut self, last: bool) {
        self.read_head(last);
        let end = self.view.end();
        let limit = if last {
            end
        } else {
            end.saturating_sub(HORIZON + ESCAPE_MAX)
        };
        let base = self.view.base;
        while self.next < limit {
            let text = self.view.text.as_slice();
            let from = self.next - base;
            let Some(ahead) = text
                .get(from..limit - base)
                .and_then(|rest| rest.iter().position(|byte| is_trigger(*byte)))
            else {
                self.next = limit;
                return;
            };
            let at = from + ahead;
            self.next = base + at;
            if !last && end - self.next < PEM_MAX + HORIZON && shape::opens_long(text, at) {
                // A private key may go on; wait for all that could belong to it.
                return;
            }
            let head = match &self.head {
                HeadState::Closed(head) => head.as_ref(),
                HeadState::Open => None,
            };
            let found = shape::at(text, at, head, &mut self.tally);
            let keep = found.into_iter().filter(|found| {
                found.weight >= self.config.note_at && self.config.kinds.contains(&found.kind)
            });
            self.pending.extend(keep.map(|found| found.shifted(base)));
            self.next += 1;
        }
    }

    /// The first line may be the head of a table. Nothing before its end needs it.
    fn read_head(&mut self, last: bool) {
        if !matches!(self.head, HeadState::Open) || self.view.base != 0 {
            return;
        }
        let first = self.view.text.get(..HEAD_MAX).unwrap_or(&self.view.text);
        if let Some(end) = memchr::memchr(b'\n', first) {
            self.head = HeadState::Closed(Head::read(first.get(..end).unwrap_or_default()));
        } else if last || self.view.text.len() >= HEAD_MAX {
            self.head = HeadState::Closed(None);
        }
    }

    /// Resolves overlaps among candidates that end before `certain` and touch no later one.
    fn settle(&mut self, certain: usize) -> Vec<Span> {
        self.pending
            .sort_by_key(|found| (found.start, found.end, found.kind));
        let mut spans = Vec::new();
        let mut from = 0;
        while from < self.pending.len() {
            let mut to = from;
            let mut end = 0;
            while let Some(found) = self
                .pending
                .get(to)
                .filter(|found| to == from || found.start < end)
            {
                end = end.max(found.end);
                to += 1;
            }
            if end > certain {
                break;
            }
            let group = self.pending.get(from..to).unwrap_or_default();
            spans.extend(
                resolve(group)
                    .into_iter()
                    .map(|(found, others)| self.span(found, others)),
            );
            from = to;
        }
        self.pending.drain(..from);
        spans
    }

    fn span(&self, found: &Found, alternatives: Vec<&'static str>) -> Span {
        Span {
            start: self.view.source_start(found.start),
            end: self.view.source_end(found.end),
            kind: found.kind.name(),
            score: score(found.weight),
            class: found.kind.class(),
            grade: if found.weight >= self.config.block_at {
                Grade::Block
            } else {
                Grade::Note
            },
            alternatives,
        }
    }
}

/// The heaviest candidate of a group of overlapping ones wins, then the heaviest of what it leaves;
/// the kinds that lose to it are its alternatives.
fn resolve(group: &[Found]) -> Vec<(&Found, Vec<&'static str>)> {
    let mut order: Vec<&Found> = group.iter().collect();
    order.sort_by_key(|found| {
        (
            std::cmp::Reverse((found.weight, found.end - found.start)),
            found.start,
        )
    });
    // By start, and without overlaps among themselves: the last that starts before a candidate ends is
    // the only one that needs a look, so a long chain of overlaps stays cheap.
    let mut chosen: BTreeMap<usize, (&Found, Vec<&'static str>)> = BTreeMap::new();
    for found in order {
        let winner = chosen
            .range_mut(..found.end)
            .next_back()
            .map(|(_, winner)| winner)
            .filter(|(taken, _)| found.start < taken.end);
        match winner {
            None => {
                chosen.insert(found.start, (found, Vec::new()));
            }
            Some((taken, others)) => {
                let name = found.kind.name();
                if found.kind != taken.kind && !others.contains(&name) {
                    others.push(name);
                }
            }
        }
    }
    chosen.into_values().collect()
}

/// Decibans to a probability with three decimals.
fn score(weight: i32) -> f64 {
    let odds = 10_f64.powf(f64::from(weight) / 10.0);
    (odds / (1.0 + odds) * 1000.0).round() / 1000.0
}

const fn is_trigger(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'@' | b'A' | b'-' | b'L' | b's' | b'S')
}

/// Whether the digit at `at` begins a run of digits.
pub(crate) fn begins_digits(text: &[u8], at: usize) -> bool {
    byte(text, at).is_ascii_digit() && !before(text, at).is_ascii_digit()
}

/// One line of `burgess dlp scan --format jsonl`: `{"spans": [{start, end, type, score, class,
/// grade, alternatives}]}`, offsets counted in Unicode scalar values.
pub fn cli_spans(scanner: &Scanner, text: &str) -> Value {
    let mut scalars = text.char_indices().map(|(at, _)| at).enumerate().peekable();
    let mut seen = 0;
    let mut scalar_at = |byte: usize| {
        while let Some((index, _)) = scalars.next_if(|(_, at)| *at < byte) {
            seen = index + 1;
        }
        seen
    };
    let spans: Vec<Value> = scanner
        .scan(text.as_bytes())
        .into_iter()
        .map(|span| {
            json!({
                "start": scalar_at(span.start),
                "end": scalar_at(span.end),
                "type": span.kind,
                "score": span.score,
                "class": span.class.as_str(),
                "grade": span.grade.as_str(),
                "alternatives": span.alternatives,
            })
        })
        .collect();
    json!({ "spans": spans })
}
