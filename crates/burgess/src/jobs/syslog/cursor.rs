//! How far a receiver has come: one small file per receiver, replaced as a whole.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The place in the ledger that comes next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cursor {
    /// Origin of the shard.
    pub(super) origin: String,
    /// Index there.
    pub(super) next: u64,
}

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{file}` says how far a syslog receiver has come and cannot be used: {cause}; repair it, or delete it to send everything again"
)]
pub struct CursorError {
    file: PathBuf,
    cause: String,
}

impl Cursor {
    /// Reads it; a receiver that has none begins at the first entry of this shard.
    pub(super) fn load(file: &Path, origin: &str) -> Result<Self, CursorError> {
        let start = Self {
            origin: origin.to_owned(),
            next: 0,
        };
        let fail = |cause: &dyn std::fmt::Display| CursorError {
            file: file.to_owned(),
            cause: cause.to_string(),
        };
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(start),
            Err(cause) => return Err(fail(&cause)),
        };
        let cursor: Self = serde_json::from_str(&text).map_err(|e| fail(&e))?;
        Ok(cursor)
    }

    /// Keeps it. Durable when it answers.
    pub(super) fn store(&self, file: &Path) -> Result<(), CursorError> {
        let keep = || {
            let folder = file.parent().unwrap_or(Path::new("."));
            std::fs::create_dir_all(folder)?;
            let written = file.with_extension("tmp");
            let mut out = File::create(&written)?;
            out.write_all(serde_json::to_string(self)?.as_bytes())?;
            out.sync_all()?;
            std::fs::rename(&written, file)?;
            File::open(folder)?.sync_all()
        };
        keep().map_err(|cause: std::io::Error| CursorError {
            file: file.to_owned(),
            cause: cause.to_string(),
        })
    }
}
