//! Search: by actor, app, resource, action, outcome, class, approval, time and text, the newest
//! first, page by page.
//!
//! The order is that of the ledger, never that of the clock. Filters are compared as text: a value
//! that no event has finds nothing.

use burgess_core::audit::Event;
use burgess_core::digest::Digest;
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
    pub app: Option<String>,
    /// Where: `sandbox`, `staging`, `production` or `control`.
    pub environment: Option<String>,
    /// Kind of resource.
    pub resource_type: Option<String>,
    /// Exactly this resource.
    pub resource: Option<String>,
    /// What was done, as `export`.
    pub action: Option<String>,
    /// How it ended: `success`, `failure` or `blocked`.
    pub outcome: Option<String>,
    /// Stable code of why not.
    pub error_code: Option<String>,
    /// How sensitive, as `pii`.
    pub classification: Option<String>,
    /// Under this approval, or about it.
    pub approval: Option<String>,
    /// At this time or later.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub to: Option<Timestamp>,
    /// Words, all of which must be found, each as the beginning of a word.
    pub text: Option<String>,
    /// Only what is older than that position, as `next` of a page gives it. While there is one
    /// shard, an event's position is its index.
    pub after: Option<u64>,
    /// Rows of the page; 0 or more than [`PAGE_MAX`] means [`PAGE_MAX`].
    pub limit: u32,
}

/// One event and where its proof begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
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
    pub rows: Vec<Row>,
    /// Where the next page begins; none when this is the last.
    pub next: Option<u64>,
}

/// What happened around one event, each the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Neighbours {
    /// The same app, near in time.
    pub same_app: Vec<Row>,
    /// The same actor, near in time, whatever the app.
    pub same_actor: Vec<Row>,
    /// The same approval, whenever.
    pub same_approval: Vec<Row>,
}

type Columns = (i64, String, i64, String, i64, String);

const SELECT: &str = "SELECT events.id, shards.name, events.idx, events.leaf_hash, events.sequence,
                             events.body
                      FROM events JOIN shards ON shards.rank = events.rank WHERE true";

fn read((_, shard, index, leaf_hash, sequence, body): Columns) -> Result<Row, TrailError> {
    let damaged = |error: &dyn std::fmt::Display| TrailError::Damaged(error.to_string());
    Ok(Row {
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
            ("events.actor", &self.actor),
            ("events.app", &self.app),
            ("events.environment", &self.environment),
            ("events.resource_type", &self.resource_type),
            ("events.resource_id", &self.resource),
            ("events.action", &self.action),
            ("events.outcome", &self.outcome),
            ("events.error_code", &self.error_code),
            ("events.classification", &self.classification),
        ];
        for (column, value) in equals {
            if let Some(value) = value {
                sql.push(" AND ")
                    .push(column)
                    .push(" = ")
                    .push_bind(value.clone());
            }
        }
        if let Some(id) = &self.approval {
            sql.push(" AND (events.approval = ").push_bind(id.clone());
            sql.push(" OR (events.resource_type = 'approval' AND events.resource_id = ");
            sql.push_bind(id.clone()).push("))");
        }
        if let Some(from) = self.from {
            sql.push(" AND events.time >= ").push_bind(from.as_micros());
        }
        if let Some(to) = self.to {
            sql.push(" AND events.time < ").push_bind(to.as_micros());
        }
        if let Some(after) = self.after {
            // Positions count from 0, the table's ids from 1; beyond the largest there is all.
            let position = i64::try_from(after).unwrap_or(i64::MAX);
            sql.push(" AND events.id <= ").push_bind(position);
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
        sql.push(" ORDER BY events.id DESC LIMIT ");
        // One more than the page tells whether there is a next one.
        sql.push_bind(i64::from(rows_max).saturating_add(1));
        let mut rows: Vec<Columns> = sql.build_query_as().fetch_all(self.pool()).await?;
        let rows_max = usize::try_from(rows_max).unwrap_or(usize::MAX);
        let more = rows.len() > rows_max;
        rows.truncate(rows_max);
        let last = rows.last().map(|row| row.0.saturating_sub(1));
        Ok(Page {
            rows: rows.into_iter().map(read).collect::<Result<_, _>>()?,
            next: last.filter(|_| more).map(unsigned).transpose()?,
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
    pub async fn entry(&self, shard: &str, index: u64) -> Result<Option<Row>, TrailError> {
        let mut sql = QueryBuilder::new(SELECT);
        sql.push(" AND shards.name = ").push_bind(shard.to_owned());
        sql.push(" AND events.idx = ").push_bind(signed(index)?);
        let row: Option<Columns> = sql.build_query_as().fetch_optional(self.pool()).await?;
        row.map(read).transpose()
    }

    /// The event of that id; the first one, should an app have submitted an id twice.
    pub async fn by_id(&self, id: &str) -> Result<Option<Row>, TrailError> {
        let mut sql = QueryBuilder::new(SELECT);
        sql.push(" AND events.event_id = ").push_bind(id.to_owned());
        sql.push(" ORDER BY events.id LIMIT 1");
        let row: Option<Columns> = sql.build_query_as().fetch_optional(self.pool()).await?;
        row.map(read).transpose()
    }

    /// The latest time of any event; none when nothing is in. Time goes on from there.
    pub async fn newest_time(&self) -> Result<Option<Timestamp>, TrailError> {
        let micros: Option<i64> = sqlx::query_scalar("SELECT MAX(time) FROM events")
            .fetch_one(self.pool())
            .await?;
        Ok(micros.map(Timestamp::from_micros))
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
            app: Some(event.app_id.to_string()),
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
                    approval: Some(approval.to_string()),
                    limit: NEIGHBOURS_MAX,
                    ..Query::default()
                };
                self.search(&query).await?.rows
            }
        };
        Ok(Neighbours {
            same_app: self.search(&same_app).await?.rows,
            same_actor: self.search(&same_actor).await?.rows,
            same_approval,
        })
    }
}
