//! Rows: how records become columns and come back.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::change::Versioned;
use crate::error::StoreError;

/// What most reads select: id, revision and the record as JSON.
pub(crate) type RecordRow = (String, i64, String);

/// A counter as the database keeps it.
pub(crate) fn number(value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::OutOfRange(value))
}

/// A counter as it comes back.
pub(crate) fn count(table: &'static str, value: i64) -> Result<u64, StoreError> {
    u64::try_from(value)
        .map_err(|_| StoreError::damaged(table, &value.to_string(), "a counter is negative"))
}

/// The JSON of a record.
pub(crate) fn json<T: Serialize>(
    table: &'static str,
    id: &str,
    record: &T,
) -> Result<String, StoreError> {
    serde_json::to_string(record).map_err(|error| StoreError::damaged(table, id, error))
}

/// The record of a JSON text.
pub(crate) fn record<T: DeserializeOwned>(
    table: &'static str,
    id: &str,
    text: &str,
) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::damaged(table, id, error))
}

/// A record with its revision.
pub(crate) fn versioned<T: DeserializeOwned>(
    table: &'static str,
    (id, revision, text): RecordRow,
) -> Result<Versioned<T>, StoreError> {
    Ok(Versioned {
        revision: count(table, revision)?,
        record: record(table, &id, &text)?,
    })
}

/// Many of them.
pub(crate) fn all_versioned<T: DeserializeOwned>(
    table: &'static str,
    rows: Vec<RecordRow>,
) -> Result<Vec<Versioned<T>>, StoreError> {
    rows.into_iter().map(|row| versioned(table, row)).collect()
}

/// A value that has its text form checked when it is read.
pub(crate) fn parsed<T, E: std::fmt::Display>(
    table: &'static str,
    text: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, StoreError> {
    parse(text).map_err(|error| StoreError::damaged(table, text, error))
}
