//! How far a receiver has come: one small file per receiver, replaced as a whole.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The index that comes next in each shard, by origin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Cursor(BTreeMap<String, u64>);

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
    /// Reads it; a receiver that has none begins with the first entries.
    pub(super) fn load(file: &Path) -> Result<Self, CursorError> {
        let fail = |cause: &dyn std::fmt::Display| CursorError {
            file: file.to_owned(),
            cause: cause.to_string(),
        };
        match std::fs::read_to_string(file) {
            Ok(text) => serde_json::from_str(&text).map_err(|e| fail(&e)),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(cause) => Err(fail(&cause)),
        }
    }

    /// The index that comes next in a shard.
    pub(super) fn next(&self, origin: &str) -> u64 {
        self.0.get(origin).copied().unwrap_or_default()
    }

    /// Moves on in a shard.
    pub(super) fn advance(&mut self, origin: String, next: u64) {
        self.0.insert(origin, next);
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
