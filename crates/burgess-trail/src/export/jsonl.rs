//! JSON lines: one object per event, exact, with the place where its proof begins.

use std::io::Write;

use crate::Trail;
use crate::error::TrailError;
use crate::search::{PAGE_MAX, Query};

/// Writes all events that `query` asks for, one JSON object per line with the keys `shard`,
/// `index`, `leaf_hash`, `sequence` and `event`, and answers how many. Its cursor and limit are
/// ignored.
pub async fn jsonl(
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
        for hit in &page.events {
            let line =
                serde_json::to_string(hit).map_err(|e| TrailError::Damaged(e.to_string()))?;
            writeln!(out, "{line}")?;
            rows = rows.saturating_add(1);
        }
        match page.next {
            None => return Ok(rows),
            next => query.after = next,
        }
    }
}
