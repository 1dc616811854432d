//! `charter draft`, `charter check`, `charter digest`.

use std::fmt::Write as _;
use std::path::Path;

use burgess_core::charter::{Charter, CharterErrors};
use burgess_inspect::draft::{Given, Lookup, charter_draft};
use serde_json::json;

use super::reading::{self, NoCharter};
use super::{World, inspect, say_json, wants_json};
use crate::cli::run::{Outcome, say};
use crate::cli::{CharterVerb, Format};

/// Runs one of the three.
pub(super) fn run(verb: CharterVerb) -> Outcome {
    match verb {
        CharterVerb::Draft { path } => draft(&path),
        CharterVerb::Check { file, printing } => check(&file, printing.format),
        CharterVerb::Digest { file } => {
            say(&format!("{}\n", reading::good_charter(&file)?.digest()));
            Ok(true)
        }
    }
}

fn draft(path: &Path) -> Outcome {
    let world = World::here()?;
    let facts = inspect::facts(&reading::path(path)?)?;
    let by_name = |name: &str| world.catalogue.find(name).map(|c| c.id.clone());
    let by_host = |host: &str| world.catalogue.by_host(host).map(|c| c.id.clone());
    say(&charter_draft(
        &facts,
        &Given::default(),
        &Lookup {
            by_name: &by_name,
            by_host: &by_host,
        },
    ));
    Ok(true)
}

/// A charter with errors is a no; what is no charter at all is a wrong call.
fn check(file: &Path, format: Format) -> Outcome {
    let as_json = wants_json("charter check", format)?;
    match reading::charter(file) {
        Ok(charter) => {
            if as_json {
                let digest = charter.digest();
                say_json(
                    &json!({ "valid": true, "errors": [], "missing": charter.missing(), "digest": digest }),
                )?;
            } else {
                say(&valid(file, &charter));
            }
            Ok(true)
        }
        Err(NoCharter::Wrong(errors)) => {
            if as_json {
                say_json(
                    &json!({ "valid": false, "errors": errors.0, "missing": [], "digest": null }),
                )?;
            } else {
                say(&wrong(file, &errors));
            }
            Ok(false)
        }
        Err(NoCharter::Unreadable(failure)) => Err(failure),
    }
}

fn valid(file: &Path, charter: &Charter) -> String {
    let mut out = format!("{}: valid, digest {}\n", file.display(), charter.digest());
    for missing in charter.missing() {
        let _infallible = writeln!(
            out,
            "  still missing: {}: {}",
            missing.field, missing.remedy
        );
    }
    out
}

fn wrong(file: &Path, errors: &CharterErrors) -> String {
    let mut out = String::new();
    for error in &errors.0 {
        let _infallible = writeln!(
            out,
            "{}: {}",
            file.display(),
            super::shown(&error.to_string())
        );
    }
    out
}
