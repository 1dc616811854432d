//! `policy check`: whether a folder of Cedar policies could come into force.

use std::path::{Path, PathBuf};

use burgess_core::policy::{DEFAULT_SCHEMA, PolicySet};

use super::reading;
use crate::cli::PolicyVerb;
use crate::cli::run::{Failure, Outcome, say};

/// Most bytes of one file: what the rules take in all (`burgess_core::policy`).
const POLICY_BYTES_MAX: u64 = 4_000_000;
/// Most files in a policy folder: one per team of a large organisation.
const FILES_MAX: usize = 1_000;

/// Runs it.
pub(super) fn run(verb: PolicyVerb) -> Outcome {
    let PolicyVerb::Check { dir } = verb;
    let mut policies = Vec::new();
    let mut schemas = Vec::new();
    for path in files(&dir)? {
        let list = match path.extension().and_then(|ending| ending.to_str()) {
            Some("cedar") => &mut policies,
            Some("cedarschema") => &mut schemas,
            _ => continue,
        };
        list.push(text(&path)?);
    }
    if policies.is_empty() {
        return Err(Failure(format!(
            "`{}` holds no *.cedar file",
            dir.display()
        )));
    }
    let schema = match schemas.as_slice() {
        [] => DEFAULT_SCHEMA,
        [(_, one)] => one.as_str(),
        more => {
            return Err(Failure(format!(
                "`{}` holds {} schemas: keep one",
                dir.display(),
                more.len()
            )));
        }
    };
    let named: Vec<(&str, &str)> = policies
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    match PolicySet::load(&named, schema) {
        Ok(set) => {
            say(&format!(
                "{} policies in {} files fit the schema\ndigest {}\n",
                set.rules().count(),
                named.len(),
                set.digest()
            ));
            Ok(true)
        }
        Err(error) => {
            say(&format!("{error}\n"));
            Ok(false)
        }
    }
}

fn files(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = std::fs::read_dir(dir)
        .map_err(|e| Failure(format!("`{}` cannot be read: {e}", dir.display())))?;
    let mut out = Vec::new();
    for entry in entries {
        if out.len() >= FILES_MAX {
            return Err(Failure(format!(
                "`{}` holds more than {FILES_MAX} files: it should hold policies alone",
                dir.display()
            )));
        }
        out.push(entry?.path());
    }
    out.sort();
    Ok(out)
}

fn text(path: &Path) -> Result<(String, String), Failure> {
    let bytes = reading::bytes(path, POLICY_BYTES_MAX)?;
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure(format!("`{}` is not UTF-8 text", path.display())))?;
    Ok((name, text))
}
