//! JSON lines: one object per event, exact, with the place where its proof begins.

use crate::error::TrailError;
use crate::row::Row;

/// One event, as an object with the keys `origin`, `shard`, `index`, `leaf_hash`, `sequence` and
/// `event`; the event is as `/api/schemas/event.json` has it.
///
/// # Errors
/// [`TrailError::Damaged`] when it is no JSON, which no event is.
pub fn row(row: &Row) -> Result<String, TrailError> {
    let json = serde_json::to_string(row).map_err(|e| TrailError::Damaged(e.to_string()))?;
    Ok(format!("{json}\n"))
}
