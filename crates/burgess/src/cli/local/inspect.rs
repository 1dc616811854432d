//! `inspect`: what an export, folder or archive is and does, each fact with its place.

use std::fmt::Write as _;
use std::path::Path;

use burgess_inspect::facts::Facts;
use burgess_inspect::{artifact, exports};
use serde_json::json;

use super::reading::{self, Read};
use super::{say_json, shown, wants_json};
use crate::cli::Format;
use crate::cli::run::{Failure, Outcome, say};

/// Prints what lies at `path`; the answer is yes whatever it is.
pub(super) fn run(path: &Path, format: Format) -> Outcome {
    let as_json = wants_json("inspect", format)?;
    let read = reading::path(path)?;
    let facts = facts(&read)?;
    let digest = artifact::digest(&read.tree, facts.platform);
    if as_json {
        let mut value = serde_json::to_value(&facts)?;
        if let Some(object) = value.as_object_mut() {
            object.insert(
                "digest".to_owned(),
                json!({ "normalised": digest.normalised, "raw": digest.raw }),
            );
        }
        say_json(&value)?;
    } else {
        say(&format!(
            "{}digest        {}\n",
            text(&facts),
            digest.normalised
        ));
    }
    Ok(true)
}

/// The facts, with a note for everything that was left out.
pub(super) fn facts(read: &Read) -> Result<Facts, Failure> {
    let mut facts = exports::inspect(&read.tree)?;
    facts.notes.extend(read.left_out.iter().cloned());
    Ok(facts)
}

/// The facts for people: one line for each kind, then where the secrets stand, then notes.
fn text(facts: &Facts) -> String {
    let triggers: Vec<String> = facts.triggers.iter().map(ToString::to_string).collect();
    let name = if facts.name.is_empty() {
        "(no name)".to_owned()
    } else {
        shown(&facts.name)
    };
    let mut out = format!("{name}\nplatform      {}\n", facts.platform);
    let lists = [
        ("started by", &triggers),
        ("connectors", &facts.connectors),
        ("hosts", &facts.external_hosts),
        ("signs in with", &facts.auth),
        ("data", &facts.data_hints),
        ("can", &facts.capabilities),
        ("code", &facts.code),
        ("packages", &facts.packages),
        ("reads from env", &facts.env_refs),
    ];
    for (title, values) in lists {
        if !values.is_empty() {
            let values: Vec<String> = values.iter().map(|value| shown(value)).collect();
            line(&mut out, title, &values.join(", "));
        }
    }
    line(&mut out, "secrets", &facts.secrets_inline.to_string());
    for secret in &facts.secrets {
        line(
            &mut out,
            "",
            &format!(
                "{} in {} at {}",
                secret.kind,
                shown(&secret.file),
                shown(&secret.pointer)
            ),
        );
    }
    for note in &facts.notes {
        line(&mut out, "note", &shown(note));
    }
    out
}

fn line(out: &mut String, title: &str, text: &str) {
    // Writing to a string cannot fail.
    let _infallible = writeln!(out, "{title:<13} {text}");
}
