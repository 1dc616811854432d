//! Verbs that need no server: what a developer can know before asking. One file per verb.
//!
//! Nothing here writes a file or opens a connection. The rules and the rubric are the
//! published ones, as they ship with the binary.

mod charter;
mod check;
mod dlp;
mod inspect;
mod policy;
mod reading;
mod risk;
mod sarif;
mod sbom;
mod scan;

use burgess_core::connector::Catalogue;
use burgess_core::risk::Rubric;
use burgess_core::time::{Span, Timestamp};
use serde_json::Value;

use super::run::{Failure, Outcome, say};
use super::{Format, Verb};
use crate::ambient::Ambient;

/// Runs one of them.
pub fn run(verb: Verb) -> Outcome {
    match verb {
        Verb::Inspect { path, printing } => inspect::run(&path, printing.format),
        Verb::Charter(verb) => charter::run(verb),
        Verb::Risk { file, printing } => risk::run(&file, printing.format),
        Verb::Check {
            path,
            advisories,
            printing,
        } => check::run(&path, advisories.as_deref(), printing.format),
        Verb::Scan {
            path,
            advisories,
            printing,
        } => scan::run(&path, &advisories, printing.format),
        Verb::Sbom { path, format } => sbom::run(&path, format),
        Verb::Dlp(verb) => dlp::run(verb),
        Verb::Policy(verb) => policy::run(verb),
        _ => Err(Failure("this verb needs a server".to_owned())),
    }
}

/// What a local verb knows of the world: the published rules, the time, and a fresh id.
struct World {
    catalogue: Catalogue,
    rubric: Rubric,
    now: Timestamp,
    serial: u128,
}

impl World {
    fn here() -> Result<Self, Failure> {
        let ambient = Ambient::behind(Span::ZERO);
        Ok(Self {
            catalogue: Catalogue::built_in()?,
            rubric: Rubric::published()?,
            now: ambient.now(),
            serial: ambient.uuid()?,
        })
    }
}

/// Whether a verb that prints text or JSON is to print JSON; any other format is refused.
fn wants_json(verb: &str, format: Format) -> Result<bool, Failure> {
    match format {
        Format::Text => Ok(false),
        Format::Json => Ok(true),
        other => Err(no_format(verb, other, "text or json")),
    }
}

fn no_format(verb: &str, format: Format, choices: &str) -> Failure {
    use clap::ValueEnum as _;
    let name = format
        .to_possible_value()
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default();
    Failure(format!(
        "`{name}` is not a format of `{verb}`: choose {choices}"
    ))
}

fn say_json(value: &Value) -> Result<(), Failure> {
    say(&format!("{}\n", serde_json::to_string_pretty(value)?));
    Ok(())
}

/// Hostile text on a terminal: control characters made visible.
fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            out.extend(c.escape_default())
        } else {
            out.push(c)
        }
    }
    out
}
