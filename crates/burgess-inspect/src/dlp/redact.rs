//! Replacing what was found, and counting it without keeping it. No value leaves this file.

use std::collections::{BTreeMap, BTreeSet};

use burgess_core::data::Classification;
use burgess_core::finding::{Finding, Severity};

use super::detector::{Class, Grade, Kind};
use super::scan::Span;

/// The text with every span replaced by its kind in square brackets, as `[EMAIL_ADDRESS]`.
/// Valid JSON stays valid when the spans lie inside strings.
pub fn redact(text: &[u8], spans: &[Span]) -> Vec<u8> {
    let mut ordered: Vec<&Span> = spans.iter().collect();
    ordered.sort_by_key(|span| (span.start, span.end));
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    for span in ordered {
        if span.start < at || span.end > text.len() || span.end <= span.start {
            continue;
        }
        out.extend_from_slice(text.get(at..span.start).unwrap_or_default());
        out.extend_from_slice(format!("[{}]", span.kind).as_bytes());
        at = span.end;
    }
    out.extend_from_slice(text.get(at..).unwrap_or_default());
    out
}

/// How much of what was found: counts alone, fit for an event and for a person to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Per entity name: its class and how many spans of each grade.
    pub kinds: BTreeMap<&'static str, Count>,
}

/// How many spans of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// The class of the kind.
    pub class: Class,
    /// Spans of grade block.
    pub block: u64,
    /// Spans of grade note.
    pub note: u64,
}

impl Summary {
    /// Counts spans.
    pub fn of(spans: &[Span]) -> Self {
        let mut summary = Self::default();
        summary.add(spans);
        summary
    }

    /// Counts more spans, as a stream yields them.
    pub fn add(&mut self, spans: &[Span]) {
        for span in spans {
            let count = self.kinds.entry(span.kind).or_insert(Count {
                class: span.class,
                block: 0,
                note: 0,
            });
            match span.grade {
                Grade::Block => count.block += 1,
                Grade::Note => count.note += 1,
            }
        }
    }

    /// How many spans of grade block there are.
    pub fn blocking(&self) -> u64 {
        self.kinds.values().map(|count| count.block).sum()
    }

    /// Classes with at least one span of grade block.
    pub fn classes(&self) -> BTreeSet<Class> {
        self.kinds
            .values()
            .filter(|count| count.block > 0)
            .map(|count| count.class)
            .collect()
    }

    /// The highest classification among spans of grade block.
    pub fn classification(&self) -> Option<Classification> {
        self.classes().into_iter().map(Class::classification).max()
    }

    /// `error_code` of a block: `DLP_BLOCK_SECRET`, `DLP_BLOCK_PHI`, `DLP_BLOCK_FINANCIAL` or
    /// `DLP_BLOCK_PII`, the gravest class deciding.
    pub fn error_code(&self) -> Option<&'static str> {
        let classes = self.classes();
        [
            (Class::Secret, "DLP_BLOCK_SECRET"),
            (Class::Phi, "DLP_BLOCK_PHI"),
            (Class::Financial, "DLP_BLOCK_FINANCIAL"),
            (Class::Pii, "DLP_BLOCK_PII"),
        ]
        .into_iter()
        .find_map(|(class, code)| classes.contains(&class).then_some(code))
    }

    /// What was found, for people: `12 e-mail addresses and 3 payment card numbers`.
    pub fn sentence(&self) -> String {
        let mut parts: Vec<String> = self
            .kinds
            .iter()
            .filter(|(_, count)| count.block > 0)
            .map(|(name, count)| {
                let plural = Kind::parse(name).map_or(*name, Kind::plural);
                format!("{} {plural}", count.block)
            })
            .collect();
        let last = parts.pop().unwrap_or_else(|| "nothing".to_owned());
        if parts.is_empty() {
            last
        } else {
            format!("{} and {last}", parts.join(", "))
        }
    }

    /// Findings for a file of an artifact, one per kind of grade block.
    pub fn findings(&self, file: &str) -> Vec<Finding> {
        self.kinds
            .iter()
            .filter(|(_, count)| count.block > 0)
            .map(|(name, count)| Finding {
                rule: format!("dlp.{}", name.to_ascii_lowercase().replace('_', "-")),
                severity: if count.class == Class::Secret {
                    Severity::Error
                } else {
                    Severity::Warning
                },
                file: file.to_owned(),
                pointer: String::new(),
                message: format!(
                    "{} {} found",
                    count.block,
                    Kind::parse(name).map_or(*name, Kind::plural)
                ),
                remedy: "remove the values, or read them at run time through a declared connector"
                    .to_owned(),
            })
            .collect()
    }
}
