//! Low-code exports: which platform wrote a tree of files, and what the app in it does.
//!
//! One file per platform. The rules are tables (node type or connector → connector,
//! capability, kind of data), not guesses about single apps.
//! Not here: unpacking (see [`crate::unpack`]), packages in lockfiles, sensitive data in texts.

pub mod detect;
mod generic;
mod inline_secret;
mod logic_flow;
mod n8n;
mod n8n_code;
mod n8n_nodes;
mod n8n_schedule;
mod power_apps;
mod power_automate;
mod power_connectors;
mod url;
mod verb;
mod xml_text;

use crate::error::InspectError;
use crate::facts::{Facts, Platform};
use crate::unpack::Tree;

/// Reads what the app in `tree` is and does. A platform that we do not know is no error:
/// its facts are the hosts and secrets that can be seen, with a note.
///
/// # Errors
/// An `EXPORT_…` error of [`InspectError`] when a known platform's export is damaged.
pub fn inspect(tree: &Tree) -> Result<Facts, InspectError> {
    let found = detect::detect(tree)?;
    let root = found.root.as_str();
    match found.platform {
        Platform::N8n => n8n::inspect(tree, &found.files),
        Platform::PowerAutomatePackage => power_automate::package(tree, root),
        Platform::PowerPlatformSolution => power_automate::solution(tree, root),
        Platform::PowerAppsCanvas => power_apps::inspect(tree, root),
        Platform::Unknown => Ok(generic::inspect(tree)),
    }
}
