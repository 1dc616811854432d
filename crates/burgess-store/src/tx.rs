//! The commit: the only way in which governed state changes.
//!
//! Every change goes in with the event that tells of it and under a permit that still covers
//! it, all in one transaction: both are there afterwards, or neither. Nothing acts on the new
//! state before its event has a place in the ledger; that is the caller's to wait for.

use burgess_core::audit::{Event, Outcome};
use burgess_core::digest::Digest;
use burgess_core::id::{AppId, RequestId};
use burgess_core::permit::{Permit, PermitError};
use burgess_core::policy::Action;
use burgess_core::time::{Span, Timestamp};

use crate::change::{Change, Head};
use crate::error::StoreError;
use crate::outbox::{self, OutboxLimit};
use crate::policies::{self, RuleKind};
use crate::row::count;
use crate::sqlite::{BEGIN_WRITE, Connection};
use crate::store::Store;
use crate::{
    alerts, approvals, apps, artifacts, connectors, credentials, datasets, deployments, erasures,
    holds, keys, people, reminders, requests, retirements, reviews, sessions, settings,
};

/// One event and the changes that it tells of. An event without changes is one, too.
///
/// An event tells of one change of state at most, so a change of state each needs a write of
/// its own; changes that leave the state alone may go along with any event.
#[derive(Clone, Debug)]
pub struct Write {
    /// What changes.
    pub changes: Vec<Change>,
    /// The event that tells of it.
    pub event: Event,
}

/// What a commit gave its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The events' numbers in the outbox, in the order of the writes. The commit may be acted on
    /// when the ledger has the last one.
    pub source_seqs: Vec<u64>,
}

impl Committed {
    /// The number of the last event.
    pub fn last_seq(&self) -> u64 {
        self.source_seqs.last().copied().unwrap_or_default()
    }
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The permit does not hold any more.
    #[error(transparent)]
    Permit(#[from] PermitError),
    /// The permit is about something else than a change.
    #[error(
        "the permit for `{permitted}` does not cover the {resource_type} `{resource_id}`: decide on that one"
    )]
    NotCovered {
        /// What the permit is for.
        permitted: String,
        /// Kind of the change that it does not cover.
        resource_type: &'static str,
        /// Its id.
        resource_id: String,
    },
    /// No policy set is in force.
    #[error("no policy set is in force, so nothing may be changed: activate one")]
    NoPolicy,
    /// Somebody else was faster.
    #[error(
        "somebody else changed the {resource_type} `{resource_id}` in the meantime, it is now {}: look at it again and decide anew",
        .state.as_deref().unwrap_or("changed")
    )]
    Conflict {
        /// Kind of the record.
        resource_type: &'static str,
        /// Its id.
        resource_id: String,
        /// The revision that the change builds on; 0 for a new record.
        expected: u64,
        /// The revision now; 0 when there is none.
        actual: u64,
        /// Its state now, if it has one.
        state: Option<String>,
    },
    /// A state would change without an event that says so.
    #[error(
        "the {resource_type} `{resource_id}` would go from `{from}` to `{to}` without an event that says so: put both into one write"
    )]
    ChangeWithoutEvent {
        /// Kind of the record.
        resource_type: &'static str,
        /// Its id.
        resource_id: String,
        /// Its state; empty for a new record.
        from: String,
        /// The state that it would have.
        to: String,
    },
    /// An event says that a state changed, and no change does that.
    #[error(
        "the event `{event_id}` says that the {resource_type} `{resource_id}` is now `{to}`, but no change does that: put both into one write"
    )]
    EventWithoutChange {
        /// The event.
        event_id: String,
        /// Kind of the record.
        resource_type: String,
        /// Its id.
        resource_id: String,
        /// The state that the event names.
        to: String,
    },
    /// The ledger does not keep up.
    #[error(
        "{events} events wait for the ledger, the oldest for {age}: nothing is changed until they are written, so check the ledger's disk"
    )]
    LedgerBehind {
        /// Events waiting.
        events: u64,
        /// Age of the oldest.
        age: Span,
    },
    /// There is nothing to write.
    #[error("there is nothing to commit: give at least one event")]
    Empty,
    /// The record breaks a rule that the tables themselves keep.
    #[error("the record is refused by the database: {0}; complete it")]
    Incomplete(String),
    /// The state could not be read or written.
    #[error(transparent)]
    Store(StoreError),
}

impl CommitError {
    /// The stable code of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Permit(error) => error.code(),
            Self::NotCovered { .. } => "PERMIT_OTHER_RESOURCE",
            Self::NoPolicy => "POLICY_NONE_IN_FORCE",
            Self::Conflict { .. } => "CONFLICT",
            Self::ChangeWithoutEvent { .. } => "CHANGE_WITHOUT_EVENT",
            Self::EventWithoutChange { .. } => "EVENT_WITHOUT_CHANGE",
            Self::LedgerBehind { .. } => "LEDGER_BEHIND",
            Self::Empty => "NOTHING_TO_COMMIT",
            Self::Incomplete(_) => "RECORD_INCOMPLETE",
            Self::Store(_) => "STORE_UNAVAILABLE",
        }
    }
}

impl From<StoreError> for CommitError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Database(sqlx::Error::Database(refused))
                if !matches!(refused.kind(), sqlx::error::ErrorKind::Other) =>
            {
                Self::Incomplete(refused.message().to_owned())
            }
            error => Self::Store(error),
        }
    }
}

impl From<sqlx::Error> for CommitError {
    fn from(error: sqlx::Error) -> Self {
        StoreError::from(error).into()
    }
}

impl Store {
    /// Writes all of `writes` or nothing. When this returns `Ok`, state and events are on disk.
    ///
    /// The permit must be for the app or request that the changes belong to, or for the
    /// organisation where they belong to no app, in the version that is stored now, under the
    /// policy set in force, and not expired at `now`. Where no policy set is in force yet, the
    /// only commit that is taken is the one that activates the set which permitted it.
    pub async fn commit<A: Action>(
        &self,
        writes: Vec<Write>,
        permit: &Permit<A>,
        now: Timestamp,
    ) -> Result<Committed, CommitError> {
        if writes.is_empty() {
            return Err(CommitError::Empty);
        }
        let mut tx = self.writer().begin_with(BEGIN_WRITE).await?;
        check_backlog(&mut tx, self.outbox_limit(), now).await?;
        check_permit(&mut tx, &writes, permit, now).await?;
        let mut source_seqs = Vec::with_capacity(writes.len());
        for write in &writes {
            apply(&mut tx, write).await?;
            source_seqs.push(outbox::append(&mut tx, &write.event, now).await?);
        }
        // The commit point: before it nothing has happened, after it everything has.
        tx.commit().await?;
        self.filled().notify_one();
        Ok(Committed { source_seqs })
    }
}

async fn check_backlog(
    connection: &mut Connection,
    limit: OutboxLimit,
    now: Timestamp,
) -> Result<(), CommitError> {
    let backlog = outbox::backlog(connection).await?;
    let age = backlog
        .oldest
        .map_or(Span::ZERO, |oldest| now.since(oldest));
    if backlog.events >= limit.events_max || age > limit.age_max {
        return Err(CommitError::LedgerBehind {
            events: backlog.events,
            age,
        });
    }
    Ok(())
}

/// Whether the permit covers every change, and is still good.
async fn check_permit<A: Action>(
    connection: &mut Connection,
    writes: &[Write],
    permit: &Permit<A>,
    now: Timestamp,
) -> Result<(), CommitError> {
    let policy = match policies::in_force(connection).await? {
        Some(digest) => digest,
        None => activated(writes).ok_or(CommitError::NoPolicy)?,
    };
    let changes = || writes.iter().flat_map(|write| &write.changes);
    let resource = permit.resource();
    let (app, version) = if resource == AppId::ORGANISATION {
        // The organisation has no record of its own: the version is that of what is changed.
        let first = changes().next().map(|change| change.head().revision);
        let version = first.map_or(permit.version(), |new| new.saturating_sub(1));
        (None, version)
    } else {
        let kind = if RequestId::parse(resource).is_ok() {
            "request"
        } else {
            "app"
        };
        let stored = stored_head(connection, kind, resource).await?;
        let new = || {
            let head = changes()
                .map(Change::head)
                .find(|head| head.kind == kind && head.id == resource);
            head.and_then(|head| head.app)
        };
        match stored {
            Some(stored) => (stored.app, stored.revision),
            None => (Some(new().unwrap_or_else(|| resource.to_owned())), 0),
        }
    };
    permit.recheck(resource, version, policy, now)?;
    for head in changes().map(Change::head) {
        if head.app != app {
            return Err(CommitError::NotCovered {
                permitted: resource.to_owned(),
                resource_type: head.kind,
                resource_id: head.id,
            });
        }
    }
    Ok(())
}

/// The policy set that `writes` bring into force.
fn activated(writes: &[Write]) -> Option<Digest> {
    writes
        .iter()
        .flat_map(|write| &write.changes)
        .find_map(|change| match change {
            Change::Policy(it) if it.record.kind == RuleKind::Policy => Some(it.record.digest),
            _ => None,
        })
}

/// A governed record as it is stored.
struct Stored {
    app: Option<String>,
    state: Option<String>,
    revision: u64,
}

async fn stored_head(
    connection: &mut Connection,
    kind: &str,
    id: &str,
) -> Result<Option<Stored>, StoreError> {
    let row: Option<(Option<String>, Option<String>, i64)> =
        sqlx::query_as("SELECT app, state, revision FROM heads WHERE kind = $1 AND id = $2")
            .bind(kind)
            .bind(id)
            .fetch_optional(connection)
            .await?;
    row.map(|(app, state, revision)| {
        Ok(Stored {
            app,
            state,
            revision: count("heads", revision)?,
        })
    })
    .transpose()
}

async fn apply(connection: &mut Connection, write: &Write) -> Result<(), CommitError> {
    let mut told = next_state(&write.event).is_none();
    for change in &write.changes {
        let head = change.head();
        let stored = stored_head(connection, head.kind, &head.id).await?;
        let (revision, state) = stored.map_or((0, None), |it| (it.revision, it.state));
        if head.revision.checked_sub(1) != Some(revision) {
            return Err(CommitError::Conflict {
                resource_type: head.kind,
                resource_id: head.id,
                expected: head.revision.saturating_sub(1),
                actual: revision,
                state,
            });
        }
        let tells = tells(&write.event, &head, state.as_deref());
        if state != head.state && !tells {
            return Err(CommitError::ChangeWithoutEvent {
                resource_type: head.kind,
                resource_id: head.id,
                from: state.unwrap_or_default(),
                to: head.state.unwrap_or_default(),
            });
        }
        told |= tells;
        put(connection, change).await?;
    }
    if !told {
        return Err(CommitError::EventWithoutChange {
            event_id: write.event.event_id.to_string(),
            resource_type: write.event.resource_type.clone(),
            resource_id: write.event.resource_id.clone(),
            to: write.event.next_state.clone().unwrap_or_default(),
        });
    }
    Ok(())
}

/// The state that the event says something has now; only a success changes a state.
fn next_state(event: &Event) -> Option<&str> {
    match event.outcome {
        Outcome::Success => event.next_state.as_deref(),
        Outcome::Failure | Outcome::Blocked => None,
    }
}

/// Whether the event says that this record went from `before` to the state in `head`.
fn tells(event: &Event, head: &Head, before: Option<&str>) -> bool {
    head.state.is_some()
        && event.resource_type == head.kind
        && event.resource_id == head.id
        && event.previous_state.as_deref() == before
        && next_state(event) == head.state.as_deref()
}

async fn put(connection: &mut Connection, change: &Change) -> Result<(), StoreError> {
    match change {
        Change::App(app) => apps::put(connection, app).await,
        Change::Request(request) => requests::put(connection, request).await,
        Change::Approval(it) => approvals::put(connection, it).await,
        Change::Artifact(it) => artifacts::put(connection, it).await,
        Change::Evidence(it) => artifacts::put_evidence(connection, it).await,
        Change::Deployment(it) => deployments::put(connection, it).await,
        Change::Credential(it) => credentials::put(connection, it).await,
        Change::Review(it) => reviews::put(connection, it).await,
        Change::Reminder(it) => reminders::put(connection, it).await,
        Change::Retirement(it) => retirements::put(connection, it).await,
        Change::Alert(it) => alerts::put(connection, it).await,
        Change::Person(it) => people::put(connection, it).await,
        Change::Invite(it) => sessions::put(connection, it).await,
        Change::Connector(it) => connectors::put(connection, it).await,
        Change::ConnectorSecret(it) => connectors::put_secret(connection, it).await,
        Change::Dataset(it) => datasets::put(connection, it).await,
        Change::Policy(it) => policies::put(connection, it).await,
        Change::SubjectErasure(it) => keys::erase_subject(connection, it).await,
        Change::Erasure(it) => erasures::put(connection, it).await,
        Change::Hold(it) => holds::put(connection, it).await,
        Change::Key(it) => keys::put(connection, it).await,
        Change::Setting(it) => settings::put(connection, it).await,
    }
}
