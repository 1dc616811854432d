//! Exports: rows as a file, one after another, so that the size of the whole does not matter.
//!
//! Formatters are pure: a row goes in, text comes out. A new format is one arm of [`Format`] and one
//! file. Not here: who may export, and where rows come from.

pub mod csv;
pub mod jsonl;

use crate::error::TrailError;
use crate::search::Row;

/// How an export is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// For spreadsheets.
    Csv,
    /// For programs: exact.
    Jsonl,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Csv, Self::Jsonl];

    /// The name, also the ending of the file's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
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
            Self::Jsonl => "application/jsonl",
        }
    }

    /// What stands before the first row.
    pub fn head(self) -> String {
        match self {
            Self::Csv => csv::head(),
            Self::Jsonl => String::new(),
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
        }
    }
}
