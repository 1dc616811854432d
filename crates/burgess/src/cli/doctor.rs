//! `burgess doctor`: what is missing or unsafe, each with its fix. It changes nothing, and may be
//! asked beside a running server.

mod archive;
mod erasures;
pub mod ledger;

use std::path::Path;

use serde::Serialize;

use super::run::{Failure, Outcome, config, key, say};
use super::{Format, Place};

/// One thing that is missing or unsafe.
#[derive(Debug, Serialize)]
pub struct Symptom {
    /// What is the matter, and where.
    pub what: String,
    /// What to do.
    pub fix: String,
}

impl Symptom {
    fn new(what: String, fix: &str) -> Self {
        Self {
            what,
            fix: fix.to_owned(),
        }
    }
}

/// What is missing or unsafe, each with its fix.
pub async fn run(place: Place, format: Format) -> Outcome {
    let mut found = Vec::new();
    let mut note = |what: String, fix: &str| found.push(Symptom::new(what, fix));
    match config(&place) {
        Err(Failure(error)) => note(error, "mend the configuration"),
        Ok(config) => {
            if let Err(Failure(error)) = key(&config) {
                note(
                    error,
                    "run `burgess keygen PATH`, then start with `--kek-file PATH`",
                );
            }
            folder_mode(&config.data, &mut note);
            let archives = std::fs::read_dir(config.data.join("advisories"))
                .map(Iterator::count)
                .unwrap_or_default();
            if archives == 0 {
                note(
                    "no advisories are loaded, so no vulnerability can be found".to_owned(),
                    "run `burgess advisories sync --from PyPI.zip npm.zip`",
                );
            }
            if config.connectors.is_empty() {
                note(
                    "no connector has an address, so no call can leave".to_owned(),
                    "add [[connector]] entries to burgess.toml",
                );
            }
            if config.witness_policy.is_none() {
                note(
                    "no witness cosigns the ledger: the operator could rewrite history".to_owned(),
                    "run `burgess witness` on another machine and name it in a policy under [witness], or keep checkpoints elsewhere and verify with `--old`",
                );
            }
            found.extend(ledger::look(&config).await);
        }
    }
    match format {
        Format::Json => say(&format!("{}\n", serde_json::to_string_pretty(&found)?)),
        _ if found.is_empty() => say("nothing is missing or unsafe\n"),
        _ => found
            .iter()
            .for_each(|s| say(&format!("{}\n  fix: {}\n", s.what, s.fix))),
    }
    Ok(found.is_empty())
}

fn folder_mode(data: &Path, note: &mut impl FnMut(String, &str)) {
    use std::os::unix::fs::PermissionsExt as _;
    if let Ok(meta) = std::fs::metadata(data)
        && meta.permissions().mode() & 0o077 != 0
    {
        note(
            format!("`{}` can be read by others", data.display()),
            "run `chmod 700` on it",
        );
    }
}
