//! `dlp scan` and `dlp explain`: sensitive data and secrets in files.
//!
//! Values are never printed, only where they stand and what they are.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use burgess_inspect::dlp::{Config, Kind, Scanner, cli_spans};
use serde_json::Value;

use super::{no_format, reading};
use crate::cli::run::{Failure, Outcome, say};
use crate::cli::{DlpVerb, Format};

/// Longest line of a JSON lines file: one document with room to spare.
const LINE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Largest file read as one text: what fits into memory several times.
const RAW_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Printed lines are gathered up to this many bytes: few large writes, not many small.
const OUT_BYTES: usize = 64 * 1024;

/// Runs one of the two.
pub(super) fn run(verb: DlpVerb) -> Outcome {
    match verb {
        DlpVerb::Scan { files, raw, format } => scan(&files, raw, format),
        DlpVerb::Explain => {
            say(&explain());
            Ok(true)
        }
    }
}

/// Where results go: the scanner, the form, and what waits to be printed.
struct Printer {
    scanner: Scanner,
    as_text: bool,
    out: String,
    found: bool,
}

/// No when anything was found.
fn scan(files: &[PathBuf], raw: bool, format: Format) -> Outcome {
    let as_text = match format {
        Format::Jsonl => false,
        Format::Text => true,
        other => return Err(no_format("dlp scan", other, "jsonl or text")),
    };
    let mut printer = Printer {
        scanner: Scanner::default(),
        as_text,
        out: String::new(),
        found: false,
    };
    for path in files {
        if raw {
            let bytes = reading::bytes(path, RAW_BYTES_MAX)?;
            printer.one(
                &path.display().to_string(),
                &String::from_utf8_lossy(&bytes),
            )?;
        } else {
            lines(path, &mut printer)?;
        }
    }
    say(&printer.out);
    Ok(!printer.found)
}

fn lines(path: &Path, printer: &mut Printer) -> Result<(), Failure> {
    let failed = |e: std::io::Error| Failure(format!("`{}` cannot be read: {e}", path.display()));
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(Failure(format!("`{}` is not a file", path.display())));
    }
    let mut reader = BufReader::new(File::open(path).map_err(failed)?);
    let mut number = 0u64;
    loop {
        let mut line = Vec::new();
        let length = reader
            .by_ref()
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut line)
            .map_err(failed)?;
        if length == 0 {
            return Ok(());
        }
        number = number.saturating_add(1);
        let place = format!("{}:{number}", path.display());
        if u64::try_from(length).unwrap_or(u64::MAX) >= LINE_BYTES_MAX {
            return Err(Failure(format!(
                "{place}: the line is longer than {LINE_BYTES_MAX} bytes: scan the file with --raw"
            )));
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        printer.flush();
        let whole = |error: String| {
            Failure(format!(
                "{place}: {error}: write one JSON object with a `text` key on each line, or use --raw"
            ))
        };
        let value: Value =
            serde_json::from_slice(&line).map_err(|e| whole(format!("not JSON ({e})")))?;
        let text = value
            .get("text")
            .and_then(Value::as_str)
            .ok_or_else(|| whole("no `text` key with a string".to_owned()))?;
        printer.one(&place, text)?;
    }
}

impl Printer {
    fn one(&mut self, place: &str, text: &str) -> Result<(), Failure> {
        let result = cli_spans(&self.scanner, text);
        let spans = result
            .get("spans")
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        self.found = self.found || !spans.is_empty();
        if !self.as_text {
            writeln!(self.out, "{result}")?;
            return Ok(());
        }
        for span in spans {
            let field = |key: &str| {
                span.get(key)
                    .map(Value::to_string)
                    .unwrap_or_default()
                    .replace('"', "")
            };
            let (start, end) = (field("start"), field("end"));
            writeln!(
                self.out,
                "{place}: {start}..{end} {} ({}, {}, score {})",
                field("type"),
                field("class"),
                field("grade"),
                field("score")
            )?;
        }
        Ok(())
    }

    fn flush(&mut self) {
        if self.out.len() >= OUT_BYTES {
            say(&self.out);
            self.out.clear();
        }
    }
}

fn explain() -> String {
    let config = Config::default();
    let mut out = String::from("What is looked for\n");
    for kind in Kind::ALL {
        let (name, class) = (kind.name(), kind.class());
        let _infallible = writeln!(
            out,
            "  {name:<24} {:<10} {}; counts as {} in a charter",
            class.as_str(),
            kind.plural(),
            class.classification()
        );
    }
    let _infallible = write!(
        out,
        "\nHow it is judged\n  Each candidate is weighed in decibans (10 is ten to one): its form, its check digits, and the words,\n  \
         field names and column heads around it. From {} on it is a note, which is shown; from {} on it is of grade\n  \
         block, and a policy may stop a call for it. The score is the same weight as a probability.\n  \
         Offsets count Unicode scalar values. Values are never printed or stored.\n",
        config.note_at, config.block_at
    );
    out
}
