//! Low-code exports: which platform wrote a tree of files, and what the app in it does.
//!
//! One file per platform. The rules are tables (node type or connector → connector,
//! capability, kind of data), not guesses about single apps.
//! Not here: unpacking (see [`crate::unpack`]), packages in lockfiles, sensitive data in texts.

pub mod detect;
mod generic;
mod inline_secret;
mod n8n;
mod n8n_nodes;
mod url;
mod verb;

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
    match found.platform {
        Platform::N8n => n8n::inspect(tree, &found.files),

        _ => Ok(generic::inspect(tree)),
    }
}
