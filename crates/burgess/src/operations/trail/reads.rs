//! Reading the trail is an event: who, what was asked, how many rows.
//!
//! One event per person and question within ten minutes, so that turning pages and refreshing do
//! not fill the trail with themselves. A question counts as asked once its event is durable.
//!
//! Where the reading cannot be recorded, what needs the auditor's role is not shown: personal
//! values, entries, and whatever is taken out (receipts, proofs, bundles; exports in `export`). Who
//! sees closed values alone reads on: nothing that is kept from anybody comes out, and the day on
//! which the ledger cannot be written is the day on which operations need to look into it. That
//! such a reading is missing stands in the trace.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use burgess_core::audit::ActionType;
use burgess_core::digest::Digest;
use burgess_core::time::{Span, Timestamp};
use burgess_trail::Row;
use serde_json::Value;

use super::Asked;
use crate::http::problem::Problem;
use crate::operations::{Caller, event};
use crate::server::Server;

/// Within this time the same question by the same person is the same reading.
const SAME: Span = Span::minutes(10);
/// Readings remembered at most: a hundred people who each ask forty questions in ten minutes. When
/// it is full the oldest is forgotten, and its question would be an event again.
const REMEMBERED_MAX: usize = 4_096;

/// What was read a moment ago, by a digest of who and what.
#[derive(Debug, Default)]
pub struct Reads(Mutex<BTreeMap<Digest, Timestamp>>);

impl Reads {
    /// The reading under which this would be remembered, unless it is on record already.
    fn missing(&self, person: &str, what: &str, now: Timestamp) -> Option<Digest> {
        let key = Digest::of_parts(&[person.as_bytes(), b"\n", what.as_bytes()]);
        let reads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = reads.get(&key).is_some_and(|at| now.since(*at) < SAME);
        (!recent).then_some(key)
    }

    /// It is on record now.
    fn recorded(&self, key: Digest, now: Timestamp) {
        let mut reads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if reads.len() >= REMEMBERED_MAX {
            reads.retain(|_, at| now.since(*at) < SAME);
        }
        if reads.len() >= REMEMBERED_MAX
            && let Some(oldest) = reads.iter().min_by_key(|(_, at)| **at).map(|(key, _)| *key)
        {
            reads.remove(&oldest);
        }
        reads.insert(key, now);
    }
}

/// What is shown of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shows {
    /// Events with their personal values closed.
    Closed,
    /// What only the auditor's role opens, or what leaves the house: nothing without its event.
    Open,
}

impl Shows {
    /// Of who may open personal values, or may not.
    pub(super) const fn of(open: bool) -> Self {
        if open { Self::Open } else { Self::Closed }
    }
}

/// Somebody searched.
pub(super) async fn searched(
    server: &Server,
    caller: &Caller,
    asked: &Asked,
    rows: usize,
    shows: Shows,
) -> Result<(), Problem> {
    let query = asked.digest(&server.blinder).to_string();
    let what = Read {
        resource_type: "trail",
        resource_id: "search",
        what: query.clone(),
        context: vec![
            ("query", Value::Object(asked.said(&server.blinder))),
            ("query_digest", query.into()),
            ("rows", rows.into()),
        ],
    };
    record(server, caller, what, shows).await
}

/// Somebody follows the trail.
pub(super) async fn followed(
    server: &Server,
    caller: &Caller,
    asked: &Asked,
    shows: Shows,
) -> Result<(), Problem> {
    let query = asked.digest(&server.blinder).to_string();
    let what = Read {
        resource_type: "trail",
        resource_id: "tail",
        what: format!("tail {query}"),
        context: vec![
            ("query", Value::Object(asked.said(&server.blinder))),
            ("query_digest", query.into()),
        ],
    };
    record(server, caller, what, shows).await
}

/// Somebody opened one event, or took its receipt, its proof or its entry.
pub(super) async fn opened(
    server: &Server,
    caller: &Caller,
    row: &Row,
    how: &'static str,
    shows: Shows,
) -> Result<(), Problem> {
    let what = Read {
        resource_type: how,
        resource_id: row.event.event_id.as_str(),
        what: format!("{how} {}", row.event.event_id),
        context: vec![("rows", 1.into())],
    };
    record(server, caller, what, shows).await
}

/// Somebody takes entry bundles of a shard: one event for all that is taken within the time.
pub(super) async fn took_entries(
    server: &Server,
    caller: &Caller,
    shard: &str,
) -> Result<(), Problem> {
    let what = Read {
        resource_type: "ledger_entries",
        resource_id: shard,
        what: format!("entries {shard}"),
        context: vec![("shard", shard.into())],
    };
    record(server, caller, what, Shows::Open).await
}

struct Read<'a> {
    resource_type: &'static str,
    resource_id: &'a str,
    what: String,
    context: Vec<(&'static str, Value)>,
}

async fn record(
    server: &Server,
    caller: &Caller,
    read: Read<'_>,
    shows: Shows,
) -> Result<(), Problem> {
    let now = server.ambient.now();
    let open = shows == Shows::Open;
    // Seeing more than the last time is another reading.
    let what = format!("{open} {}", read.what);
    let Some(key) = server.reads.missing(caller.email().as_str(), &what, now) else {
        return Ok(());
    };
    match put(server, caller, read, now).await {
        Ok(()) => {
            server.reads.recorded(key, now);
            Ok(())
        }
        Err(problem) => {
            tracing::error!(
                code = problem.code,
                "a reading of the trail is not on record"
            );
            if open { Err(problem) } else { Ok(()) }
        }
    }
}

async fn put(
    server: &Server,
    caller: &Caller,
    read: Read<'_>,
    now: Timestamp,
) -> Result<(), Problem> {
    let mut draft = event::about(&server.ambient, None, now)
        .map_err(|e| Problem::internal(&e))?
        .by(caller)
        .did(ActionType::Read, read.resource_type, read.resource_id);
    for (key, value) in read.context {
        draft = draft.context(key, value);
    }
    server.record_kept(draft.done()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_question_within_ten_minutes_is_one_reading() {
        let reads = Reads::default();
        let at = |minutes| Timestamp::from_seconds(1_767_225_600).plus(Span::minutes(minutes));
        let key = reads.missing("ana@example.com", "q", at(0)).unwrap();
        // Not on record yet, so that it is still missing.
        assert!(reads.missing("ana@example.com", "q", at(0)).is_some());
        reads.recorded(key, at(0));
        assert!(reads.missing("ana@example.com", "q", at(9)).is_none());
        assert!(reads.missing("ana@example.com", "other", at(9)).is_some());
        assert!(reads.missing("mei@example.com", "q", at(9)).is_some());
        assert!(reads.missing("ana@example.com", "q", at(10)).is_some());
    }

    #[test]
    fn what_is_remembered_does_not_grow_without_end() {
        let reads = Reads::default();
        let at = Timestamp::from_seconds(1_767_225_600);
        for number in 0..REMEMBERED_MAX + 100 {
            let key = reads.missing("ana@example.com", &number.to_string(), at);
            reads.recorded(key.unwrap(), at);
        }
        assert_eq!(reads.0.lock().unwrap().len(), REMEMBERED_MAX);
    }
}
