//! Exports: rows as a file, one after another, so that the size of the whole does not matter.
//!
//! Formatters are pure: a row goes in, text comes out. A new format is one arm of [`Format`] and one
//! file. Not here: who may export, and where rows come from.

pub mod csv;
pub mod jsonl;
pub mod ocsf;
pub mod syslog;

use crate::error::TrailError;
use crate::row::Row;
use burgess_core::audit::Event;

/// How an export is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// For spreadsheets.
    Csv,
    /// For programs: exact.
    Jsonl,
    /// For security tools: the Open Cybersecurity Schema Framework, one JSON object per line.
    Ocsf,
    /// For collectors: RFC 5424, one message per line.
    Syslog,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Csv, Self::Jsonl, Self::Ocsf, Self::Syslog];

    /// The name, also the ending of the file's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Ocsf => "ocsf",
            Self::Syslog => "syslog",
        }
    }

    /// Reads the name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }

    /// The media type of the file.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Jsonl | Self::Ocsf => "application/jsonl",
            Self::Syslog => "text/plain; charset=utf-8",
        }
    }

    /// What stands before the first row.
    pub fn head(self) -> String {
        match self {
            Self::Csv => csv::head(),
            Self::Jsonl | Self::Ocsf | Self::Syslog => String::new(),
        }
    }

    /// One row.
    ///
    /// # Errors
    /// [`TrailError::Damaged`] for a row that cannot be written in this format.
    pub fn row(self, row: &Row) -> Result<String, TrailError> {
        match self {
            Self::Csv => Ok(csv::row(row)),
            Self::Jsonl => jsonl::row(row),
            Self::Ocsf => ocsf::row(row),
            Self::Syslog => Ok(format!("{}\n", syslog::event(row, true))),
        }
    }
}

/// What happened, in one sentence that holds no personal value.
fn sentence(event: &Event) -> String {
    let why = event.error_code.as_ref();
    format!(
        "{} {} {} of {} in {}: {}{}",
        event.actor_role,
        event.action_type,
        event.resource_type,
        event.app_id,
        event.environment,
        event.outcome,
        why.map(|code| format!(" ({code})")).unwrap_or_default()
    )
}
