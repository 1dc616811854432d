//! After a restore: a database that is older than the ledger learns from it what it must not have
//! forgotten, before anything is served.
//!
//! The ledger holds every event of the control plane. Among those that the database does not know,
//! erasures are carried out again and legal holds are placed and released again, and its numbers go
//! on after the ledger's: a number that was given once would be taken for a repetition, and its event
//! would be lost. So what cannot be read is not passed over: a hold stands in for everything, and for
//! anything else the server does not start.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use burgess_core::time::Timestamp;
use burgess_ledger::Shard;
use burgess_store::{Covers, Erasure, Hold, Since};
use serde::Deserialize;

use crate::http::problem::Problem;
use crate::operations::event::CONTROL;
use crate::server::Server;

/// Entries read at a time.
const STEP: u64 = 4_096;

/// The open fields that erasures and holds are told by.
#[derive(Deserialize)]
struct Leaf {
    source: String,
    source_seq: u64,
    resource_type: String,
    next_state: Option<String>,
    timestamp: Timestamp,
}

/// Lets the database catch up with the ledger, where the ledger is ahead.
pub async fn catch_up(server: &Server) -> Result<(), Problem> {
    let ledger_seq = server.shards.highest(CONTROL);
    let backlog = server
        .store
        .outbox_backlog()
        .await
        .map_err(|e| Problem::internal(&e))?;
    if ledger_seq <= backlog.last_seq {
        return Ok(());
    }
    tracing::warn!(
        database = backlog.last_seq,
        ledger = ledger_seq,
        "the database is older than the ledger: it was put back from a copy, and erasures and legal holds since are carried out again"
    );
    let shards = server.shards.all();
    let known = backlog.last_seq;
    let found = tokio::task::spawn_blocking(move || told_after(shards, known));
    let since = found.await.map_err(|e| Problem::internal(&e))??;
    server
        .store
        .catch_up(ledger_seq, &since)
        .await
        .map_err(|e| Problem::internal(&e))
}

/// What events with numbers above `known` tell of, in their order. The control plane may have belonged
/// to another class before, so every line is read that holds one of them. Blocks for file access.
fn told_after(shards: Vec<Shard>, known: u64) -> Result<Vec<Since>, Problem> {
    let mut lines: BTreeMap<String, Vec<Shard>> = BTreeMap::new();
    for shard in shards {
        lines.entry(shard.class.clone()).or_default().push(shard);
    }
    let mut told = Vec::new();
    for mut line in lines.into_values() {
        line.sort_by_key(|shard| std::cmp::Reverse(shard.number));
        let highest = line
            .first()
            .map_or(0, |shard| shard.ledger.highest(CONTROL));
        if highest > known {
            newest_first(&line, known, &mut told)?;
        }
    }
    told.sort_by_key(|(source_seq, _)| *source_seq);
    Ok(told.into_iter().map(|(_, since)| since).collect())
}

/// Collects, with its number, what the events of one line tell of.
fn newest_first(line: &[Shard], known: u64, all: &mut Vec<(u64, Since)>) -> Result<(), Problem> {
    for shard in line {
        let mut to = shard.ledger.size();
        let first = shard.ledger.minimum_index().max(shard.first_event());
        while to > first {
            let from = first.max(to.saturating_sub(STEP));
            let leaves = shard
                .ledger
                .entries(from..to)
                .map_err(|e| Problem::internal(&e))?;
            let mut older = false;
            for (index, leaf) in (from..to).zip(&leaves) {
                let leaf: Leaf =
                    serde_json::from_slice(leaf).map_err(|_| unreadable(&shard.name, index))?;
                if leaf.source != CONTROL {
                    continue;
                }
                if leaf.source_seq <= known {
                    older = true;
                } else if let Some(since) =
                    told(&leaf).map_err(|()| unreadable(&shard.name, index))?
                {
                    all.push((leaf.source_seq, since));
                }
            }
            if older {
                return Ok(());
            }
            to = from;
        }
    }
    Ok(())
}

/// Going on would leave it behind for good.
fn unreadable(shard: &str, index: u64) -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "LEDGER_UNREADABLE",
        format!(
            "entry {index} of the shard `{shard}` is newer than the database and cannot be read, and may be an erasure or a legal hold: start the version that wrote it, or put back a newer copy of the database"
        ),
    )
}

/// What one event tells of that must not be forgotten.
fn told(leaf: &Leaf) -> Result<Option<Since>, ()> {
    let at = leaf.timestamp;
    let Some(state) = leaf.next_state.as_deref() else {
        return Ok(None);
    };
    match leaf.resource_type.as_str() {
        // Nobody was erased when somebody asked for it.
        "erasure" if state == "asked" => Ok(None),
        "erasure" => {
            let subject = Erasure::erased_in(state).ok_or(())?;
            Ok(Some(Since::Erased { subject, at }))
        }
        "legal_hold" => Ok(hold_told(state, leaf.source_seq, at)),
        _ => Ok(None),
    }
}

/// Where the event does not say what is held, as those of before did not, everything is held until
/// somebody who knows releases it.
fn hold_told(state: &str, source_seq: u64, at: Timestamp) -> Option<Since> {
    if let Some(id) = Hold::released_in(state) {
        let id = id.to_owned();
        return Some(Since::Released { id, at });
    }
    if state == "released" {
        tracing::warn!(
            source_seq,
            "a legal hold was released, and the ledger does not say which: release it anew if it still stands"
        );
        return None;
    }
    let (id, covers, also) = Hold::placed_in(state).unwrap_or_else(|| {
        let id = state
            .strip_prefix("placed ")
            .and_then(|rest| rest.split(' ').next());
        let id = id.map_or_else(|| format!("hold_unread_{source_seq}"), str::to_owned);
        tracing::error!(
            source_seq,
            id,
            "a legal hold does not say what it covers: everything is held until it is released"
        );
        (id, Covers::Everything, Vec::new())
    });
    Some(Since::Placed {
        id,
        covers,
        also,
        at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_erasure_of_nobody_that_can_be_read_is_not_passed_over() {
        let leaf = |state: &str| Leaf {
            source: CONTROL.to_owned(),
            source_seq: 7,
            resource_type: "erasure".to_owned(),
            next_state: Some(state.to_owned()),
            timestamp: Timestamp::EPOCH,
        };
        assert_eq!(told(&leaf("erased nobody")), Err(()));
        assert_eq!(told(&leaf("asked")), Ok(None));
    }

    #[test]
    fn a_hold_that_does_not_say_what_it_covers_is_taken_for_one_on_everything() {
        let at = Timestamp::EPOCH;
        for (state, id) in [
            ("placed", "hold_unread_7"),
            ("placed hold_1 planet mars", "hold_1"),
            ("placed hold_1 subject nobody", "hold_1"),
            ("suspended", "hold_unread_7"),
        ] {
            let everything = Since::Placed {
                id: id.to_owned(),
                covers: Covers::Everything,
                also: Vec::new(),
                at,
            };
            assert_eq!(hold_told(state, 7, at), Some(everything), "{state}");
        }
        assert_eq!(hold_told("released", 7, at), None);
    }
}
