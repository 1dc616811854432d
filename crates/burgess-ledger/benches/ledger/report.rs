//! The last line: one JSON object with the figures that were agreed on, and sentences before it.

use serde_json::{Map, Value};

use crate::clock::say;

/// The agreed keys, in their order. A figure that could not be had is `null`, with a sentence.
const KEYS: [&str; 15] = [
    "ingest_vs_floor",
    "ingest_vs_sqlite_chained",
    "ingest_vs_postgres_chained",
    "ingest_vs_postgres_copy",
    "ack_p50_vs_fdatasync",
    "ack_p99_vs_fdatasync",
    "checkpoint_p99_ms",
    "verify_vs_sha256",
    "open_10m_s",
    "ledger_vs_sqlite_bytes",
    "index_vs_sqlite_bytes",
    "archive_vs_sqlite_bytes",
    "rss_mb",
    "cpu_flatness",
    "peers_ok",
];

/// What has been measured so far.
#[derive(Default)]
pub(crate) struct Report {
    figures: Map<String, Value>,
}

impl Report {
    /// Notes a figure, to three decimals.
    pub(crate) fn put(&mut self, key: &str, value: f64) {
        let rounded = (value * 1_000.0).round() / 1_000.0;
        self.figures.insert(key.to_owned(), Value::from(rounded));
    }

    /// Notes a yes or no; what was no once stays so.
    pub(crate) fn hold(&mut self, key: &str, holds: bool) {
        let before = self.figures.get(key).and_then(Value::as_bool);
        let holds = holds && before.unwrap_or(true);
        self.figures.insert(key.to_owned(), Value::from(holds));
    }

    /// Says why figures are missing.
    pub(crate) fn skip(&mut self, keys: &[&str], why: &str) {
        say(&format!("SKIPPED {}: {why}", keys.join(", ")));
        for key in keys {
            self.figures.insert((*key).to_owned(), Value::Null);
        }
    }

    /// The agreed keys first, then what else was measured.
    pub(crate) fn to_line(&self) -> String {
        let agreed = KEYS.iter().map(|key| {
            let value = self.figures.get(*key).cloned().unwrap_or(Value::Null);
            ((*key).to_owned(), value)
        });
        let more = self
            .figures
            .iter()
            .filter(|(key, _)| !KEYS.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), value.clone()));
        let members: Vec<String> = agreed
            .chain(more)
            .map(|(key, value)| format!("\"{key}\":{value}"))
            .collect();
        format!("{{{}}}", members.join(","))
    }
}
