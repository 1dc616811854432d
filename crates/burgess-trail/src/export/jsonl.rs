//! JSON lines: one object per event, exact, with the place where its proof begins.

use std::io::Write;

use crate::Trail;
use crate::error::TrailError;
use crate::search::{PAGE_MAX, Query, Row};

/// The rows, one JSON object per line with the keys `shard`, `index`, `leaf_hash`, `sequence` and
/// `event`.
pub fn write(rows: &[Row]) -> Result<String, TrailError> {
    rows.iter().map(line).collect()
}

fn line(row: &Row) -> Result<String, TrailError> {
    let json = serde_json::to_string(row).map_err(|e| TrailError::Damaged(e.to_string()))?;
    Ok(format!("{json}\n"))
}

/// Writes all events that `query` asks for, as [`write()`] does, and answers how many. Its position
/// and limit are ignored.
pub async fn all(
    trail: &Trail,
    query: &Query,
    out: &mut (impl Write + Send),
) -> Result<u64, TrailError> {
    let mut query = Query {
        after: None,
        limit: PAGE_MAX,
        ..query.clone()
    };
    let mut rows = 0u64;
    loop {
        let page = trail.search(&query).await?;
        for row in &page.rows {
            out.write_all(line(row)?.as_bytes())?;
            rows = rows.saturating_add(1);
        }
        match page.next {
            None => return Ok(rows),
            next => query.after = next,
        }
    }
}
