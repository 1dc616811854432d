//! The README template, and a skeleton of it with what the export shows.

use super::SECTIONS;
use crate::facts::Facts;

/// The template. Each “Fill in” is replaced by the author; until then the lint counts
/// the section as missing.
pub const TEMPLATE: &str = "\
# Name of the app

## Purpose and owner

Fill in: what the app is for, in two sentences, and who answers for it (owner and second owner).

## Data flows

Fill in: what data goes from where to where, one line each.

## Data sources and classifications

Fill in: each data source with its classification (public, internal, sensitive, PII, PHI).

## External connectors used

Fill in: every service the app reaches and why, or “none”.

## Dependencies

Fill in: packages, other flows and people it needs, or “none”.

## Test cases

- Fill in: one line per test case, beginning with its id, as “TC-1: an empty basket gives an empty quote”.

## Retention and backup policy

Fill in: how long data is kept, where, and how it is backed up.

## Failure modes

Fill in: what can go wrong, what happens then, and how people notice.

## Contact list

Fill in: who is called when it fails, with an address.

## Acceptable latency

Fill in: how long an answer may take (only when someone waits for it).
";

/// The template with what the facts show already written down. What only people know
/// stays to be filled in.
pub fn skeleton(facts: &Facts) -> String {
    let name = if facts.name.is_empty() {
        "Name of the app"
    } else {
        &facts.name
    };
    let mut out = String::new();
    for line in TEMPLATE.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            out.push_str(line);
            out.push('\n');
            let seen = shown_under(heading, facts);
            if !seen.is_empty() {
                out.push('\n');
                out.push_str(&seen);
            }
        } else if line.starts_with("# ") {
            out.push_str(&format!("# {}\n", plain(name)));
        } else {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

fn shown_under(heading: &str, facts: &Facts) -> String {
    let row = SECTIONS.iter().find(|row| row.heading == heading);
    let triggers: Vec<String> = facts.triggers.iter().map(ToString::to_string).collect();
    let lists: Vec<(&str, &[String])> = match row.map(|row| row.id) {
        Some("data-flows") => vec![("started by", &triggers), ("does", &facts.capabilities)],
        Some("data-sources") => vec![("kind of data", &facts.data_hints)],
        Some("external-connectors") => vec![
            ("connector", &facts.connectors),
            ("host", &facts.external_hosts),
        ],
        Some("dependencies") => vec![
            ("package", &facts.packages),
            ("code", &facts.code),
            ("environment variable", &facts.env_refs),
        ],
        _ => Vec::new(),
    };
    let mut out = String::new();
    for (label, values) in lists {
        for value in values {
            // A comment, so that what the export shows does not stand for what its author says.
            out.push_str(&format!(
                "<!-- the export shows {label}: {} -->\n",
                plain(value)
            ));
        }
    }
    out
}

/// Text of an export on one line, without what Markdown or HTML would take for markup.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() || matches!(c, '<' | '>' | '`') {
                ' '
            } else {
                c
            }
        })
        .collect::<String>()
        .replace("--", "- -")
        .trim()
        .to_owned()
}
