//! Reading the trail is an event: who, what was asked, how many rows.
//!
//! One event per person and question within ten minutes, so that turning pages and refreshing do
//! not fill the trail with themselves. A ledger that cannot be written stops no reading; taking the
//! trail out it does stop (`export`).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use burgess_core::audit::ActionType;
use burgess_core::digest::Digest;
use burgess_core::time::{Span, Timestamp};
use burgess_trail::Row;
use serde_json::Value;

use super::Asked;
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
    /// Whether this is a reading of its own; remembers it when it is.
    fn begins(&self, person: &str, what: &str, now: Timestamp) -> bool {
        let key = Digest::of_parts(&[person.as_bytes(), b"\n", what.as_bytes()]);
        let mut reads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if reads.get(&key).is_some_and(|at| now.since(*at) < SAME) {
            return false;
        }
        if reads.len() >= REMEMBERED_MAX {
            reads.retain(|_, at| now.since(*at) < SAME);
        }
        if reads.len() >= REMEMBERED_MAX
            && let Some(oldest) = reads.iter().min_by_key(|(_, at)| **at).map(|(key, _)| *key)
        {
            reads.remove(&oldest);
        }
        reads.insert(key, now);
        true
    }
}

/// Somebody searched.
pub(super) async fn searched(server: &Server, caller: &Caller, asked: &Asked, rows: usize) {
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
    record(server, caller, what).await;
}

/// Somebody follows the trail.
pub(super) async fn followed(server: &Server, caller: &Caller, asked: &Asked) {
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
    record(server, caller, what).await;
}

/// Somebody opened one event, or took its receipt.
pub(super) async fn opened(server: &Server, caller: &Caller, row: &Row, how: &'static str) {
    let what = Read {
        resource_type: how,
        resource_id: row.event.event_id.as_str(),
        what: format!("{how} {}", row.event.event_id),
        context: vec![("rows", 1.into())],
    };
    record(server, caller, what).await;
}

struct Read<'a> {
    resource_type: &'static str,
    resource_id: &'a str,
    what: String,
    context: Vec<(&'static str, Value)>,
}

async fn record(server: &Server, caller: &Caller, read: Read<'_>) {
    let now = server.ambient.now();
    if !server
        .reads
        .begins(caller.email().as_str(), &read.what, now)
    {
        return;
    }
    let draft = match event::about(&server.ambient, None, now) {
        Ok(draft) => draft,
        Err(cause) => {
            tracing::error!(%cause, "a reading of the trail is not on record");
            return;
        }
    };
    let mut draft = draft
        .by(caller)
        .did(ActionType::Read, read.resource_type, read.resource_id);
    for (key, value) in read.context {
        draft = draft.context(key, value);
    }
    if let Err(problem) = server.record_kept(draft.done()).await {
        tracing::error!(detail = %problem.detail, "a reading of the trail is not on record");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_question_within_ten_minutes_is_one_reading() {
        let reads = Reads::default();
        let at = |minutes| Timestamp::from_seconds(1_767_225_600).plus(Span::minutes(minutes));
        assert!(reads.begins("ana@example.com", "q", at(0)));
        assert!(!reads.begins("ana@example.com", "q", at(9)));
        assert!(reads.begins("ana@example.com", "other", at(9)));
        assert!(reads.begins("mei@example.com", "q", at(9)));
        assert!(reads.begins("ana@example.com", "q", at(10)));
    }

    #[test]
    fn what_is_remembered_does_not_grow_without_end() {
        let reads = Reads::default();
        let at = Timestamp::from_seconds(1_767_225_600);
        for number in 0..REMEMBERED_MAX + 100 {
            assert!(reads.begins("ana@example.com", &number.to_string(), at));
        }
        assert_eq!(reads.0.lock().unwrap().len(), REMEMBERED_MAX);
    }
}
