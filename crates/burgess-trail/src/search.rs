//! Search: by actor, app, resource, action, outcome, class, approval, time and text, the newest
//! first, page by page.
//!
//! The order is that of the ledger (shard, then index), never that of the clock.

use burgess_core::audit::{ActionType, Event, Outcome, Place};
use burgess_core::data::Classification;
use burgess_core::digest::Digest;
use burgess_core::id::{AppId, ApprovalId, EventId};
use burgess_core::time::{Span, Timestamp};
use serde::Serialize;
use sqlx::{QueryBuilder, Sqlite};

use crate::error::TrailError;
use crate::index::{Trail, signed, unsigned};
use crate::text::expression;

/// Rows of one page at most: a page of a console shows 50, an export asks again.
pub const PAGE_MAX: u32 = 1_000;

/// Neighbours of one sort at most: more than that is a search of its own.
const NEIGHBOURS_MAX: u32 = 100;

/// What to look for. Fields that are not set do not narrow; all that are set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Exactly this actor.
    pub actor: Option<String>,
    /// Exactly this app.
    pub app: Option<AppId>,
    /// Where.
    pub environment: Option<Place>,
    /// Kind of resource.
    pub resource_type: Option<String>,
    /// Exactly this resource.
    pub resource: Option<String>,
    /// What was done.
    pub action: Option<ActionType>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Stable code of why not.
    pub error_code: Option<String>,
    /// How sensitive.
    pub classification: Option<Classification>,
    /// Under this approval, or about it.
    pub approval: Option<ApprovalId>,
    /// At this time or later.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub to: Option<Timestamp>,
    /// Words, all of which must be found, each as the beginning of a word.
    pub text: Option<String>,
    /// Only what comes after that row, which is older.
    pub after: Option<Cursor>,
    /// Rows of the page; 0 or more than [`PAGE_MAX`] means [`PAGE_MAX`].
    pub limit: u32,
}

/// A place in the order of the ledger. Its text is opaque to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    rank: i64,
    index: i64,
}

impl Cursor {
    /// Reads what [`std::fmt::Display`] wrote.
    pub fn parse(text: &str) -> Result<Self, TrailError> {
        let bad = || TrailError::Cursor(text.chars().take(80).collect());
        let (rank, index) = text.split_once('.').ok_or_else(bad)?;
        Ok(Self {
            rank: rank.parse().map_err(|_| bad())?,
            index: index.parse().map_err(|_| bad())?,
        })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.rank, self.index)
    }
}

/// One event and where its proof begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hit {
    /// Origin of the log shard.
    pub shard: String,
    /// Index there, from 0.
    pub index: u64,
    /// RFC 6962 leaf hash.
    pub leaf_hash: Digest,
    /// Number in the app's stream, from 1.
    pub sequence: u64,
    /// The event.
    pub event: Event,
}

/// One page of an answer, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The rows.
    pub events: Vec<Hit>,
    /// Where the next page begins; none when this is the last.
    pub next: Option<Cursor>,
}

/// What happened around one event, each the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Neighbours {
    /// The same app, near in time.
    pub same_app: Vec<Hit>,
    /// The same actor, near in time, whatever the app.
    pub same_actor: Vec<Hit>,
    /// The same approval, whenever.
    pub same_approval: Vec<Hit>,
}

type HitRow = (i64, String, i64, String, i64, String);

const SELECT: &str =
    "SELECT events.rank, shards.name, events.idx, events.leaf_hash, events.sequence,
                             events.body
                      FROM events JOIN shards ON shards.rank = events.rank WHERE true";

fn hit((_, shard, index, leaf_hash, sequence, body): HitRow) -> Result<Hit, TrailError> {
    let damaged = |error: &dyn std::fmt::Display| TrailError::Damaged(error.to_string());
    Ok(Hit {
        shard,
        index: unsigned(index)?,
        leaf_hash: Digest::parse(&leaf_hash).map_err(|e| damaged(&e))?,
        sequence: unsigned(sequence)?,
        event: serde_json::from_str(&body).map_err(|e| damaged(&e))?,
    })
}

impl Query {
    fn page_rows(&self) -> u32 {
        match self.limit {
            0 => PAGE_MAX,
            limit => limit.min(PAGE_MAX),
        }
    }

    /// Adds the conditions; `false` when the text cannot match anything.
    fn narrow(&self, sql: &mut QueryBuilder<Sqlite>) -> bool {
        let equals = [
            ("events.actor", self.actor.clone()),
            ("events.app", self.app.as_ref().map(ToString::to_string)),
            (
                "events.environment",
                self.environment.map(|it| it.to_string()),
            ),
            ("events.resource_type", self.resource_type.clone()),
            ("events.resource_id", self.resource.clone()),
            ("events.action", self.action.map(|it| it.to_string())),
            ("events.outcome", self.outcome.map(|it| it.to_string())),
            ("events.error_code", self.error_code.clone()),
            (
                "events.classification",
                self.classification.map(|it| it.to_string()),
            ),
        ];
        for (column, value) in equals {
            if let Some(value) = value {
                sql.push(" AND ").push(column).push(" = ").push_bind(value);
            }
        }
        if let Some(approval) = &self.approval {
            let id = approval.to_string();
            sql.push(" AND (events.approval = ").push_bind(id.clone());
            sql.push(" OR (events.resource_type = 'approval' AND events.resource_id = ");
            sql.push_bind(id).push("))");
        }
        if let Some(from) = self.from {
            sql.push(" AND events.time >= ").push_bind(from.as_micros());
        }
        if let Some(to) = self.to {
            sql.push(" AND events.time < ").push_bind(to.as_micros());
        }
        if let Some(after) = self.after {
            sql.push(" AND (events.rank, events.idx) < (")
                .push_bind(after.rank);
            sql.push(", ").push_bind(after.index).push(")");
        }
        match self.text.as_deref().filter(|text| !text.trim().is_empty()) {
            None => true,
            Some(text) => match expression(text) {
                None => false,
                Some(expression) => {
                    sql.push(" AND events.id IN (SELECT rowid FROM words WHERE words MATCH ");
                    sql.push_bind(expression).push(")");
                    true
                }
            },
        }
    }
}

impl Trail {
    /// One page of what `query` asks for, the newest first.
    pub async fn search(&self, query: &Query) -> Result<Page, TrailError> {
        let mut sql = QueryBuilder::new(SELECT);
        if !query.narrow(&mut sql) {
            return Ok(Page::default());
        }
        let rows_max = query.page_rows();
        sql.push(" ORDER BY events.rank DESC, events.idx DESC LIMIT ");
        // One more than the page tells whether there is a next one.
        sql.push_bind(i64::from(rows_max).saturating_add(1));
        let mut rows: Vec<HitRow> = sql.build_query_as().fetch_all(self.pool()).await?;
        let rows_max = usize::try_from(rows_max).unwrap_or(usize::MAX);
        let more = rows.len() > rows_max;
        rows.truncate(rows_max);
        let last = rows.last().map(|row| Cursor {
            rank: row.0,
            index: row.2,
        });
        Ok(Page {
            events: rows.into_iter().map(hit).collect::<Result<_, _>>()?,
            next: last.filter(|_| more),
        })
    }

    /// How many events `query` asks for, all pages together.
    pub async fn count(&self, query: &Query) -> Result<u64, TrailError> {
        let mut sql = QueryBuilder::new("SELECT COUNT(*) FROM events WHERE true");
        let all = Query {
            after: None,
            ..query.clone()
        };
        if !all.narrow(&mut sql) {
            return Ok(0);
        }
        unsigned(sql.build_query_scalar().fetch_one(self.pool()).await?)
    }

    /// The entry at that place of a shard.
    pub async fn entry(&self, shard: &str, index: u64) -> Result<Option<Hit>, TrailError> {
        let mut sql = QueryBuilder::new(SELECT);
        sql.push(" AND shards.name = ").push_bind(shard.to_owned());
        sql.push(" AND events.idx = ").push_bind(signed(index)?);
        let row: Option<HitRow> = sql.build_query_as().fetch_optional(self.pool()).await?;
        row.map(hit).transpose()
    }

    /// The event of that id; the first one, should an app have submitted an id twice.
    pub async fn event(&self, id: &EventId) -> Result<Option<Hit>, TrailError> {
        let mut sql = QueryBuilder::new(SELECT);
        sql.push(" AND events.event_id = ")
            .push_bind(id.to_string());
        sql.push(" ORDER BY events.rank, events.idx LIMIT 1");
        let row: Option<HitRow> = sql.build_query_as().fetch_optional(self.pool()).await?;
        row.map(hit).transpose()
    }

    /// What happened around `event`: the same app and the same actor within `around` before and
    /// after, and everything under the same approval.
    pub async fn neighbours(&self, event: &Event, around: Span) -> Result<Neighbours, TrailError> {
        let near = Query {
            from: Some(event.timestamp.minus(around)),
            to: Some(event.timestamp.plus(around).plus(Span::seconds(1))),
            limit: NEIGHBOURS_MAX,
            ..Query::default()
        };
        let same_app = Query {
            app: Some(event.app_id.clone()),
            ..near.clone()
        };
        let same_actor = Query {
            actor: Some(event.actor_id.clone()),
            ..near
        };
        let same_approval = match &event.approval_id {
            None => Vec::new(),
            Some(approval) => {
                let query = Query {
                    approval: Some(approval.clone()),
                    limit: NEIGHBOURS_MAX,
                    ..Query::default()
                };
                self.search(&query).await?.events
            }
        };
        Ok(Neighbours {
            same_app: self.search(&same_app).await?.events,
            same_actor: self.search(&same_actor).await?.events,
            same_approval,
        })
    }
}
