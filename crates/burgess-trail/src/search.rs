//! Search: by actor, app, resource, action, outcome, class, approval, time and words, page by page.
//!
//! The order is that in which the index was handed the entries: within a shard that of the ledger,
//! never that of the clock. Open filters are compared as text, personal ones by token: a value that
//! no event has finds nothing. Not here: the events; a hit says where to read one.

use std::fmt;

use burgess_core::digest::Digest;
use burgess_core::time::Timestamp;
use sqlx::{QueryBuilder, Sqlite};

use crate::batch::Kind;
use crate::entry::Token;
use crate::error::TrailError;
use crate::event_key::EventKey;
use crate::index::{Trail, signed, unsigned};
use crate::text::Word;

/// Hits of one page at most: a page of a console shows 50, an export asks again.
pub const PAGE_MAX: u32 = 1_000;

/// Which end comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// For people who look.
    #[default]
    Newest,
    /// For whoever follows or takes everything: as the ledger has it.
    Oldest,
}

/// A place in the index, for going on behind it: the shard's rank and the entry's index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    rank: u32,
    index: u64,
}

impl Cursor {
    /// Reads what [`Cursor`] displays.
    pub fn parse(text: &str) -> Option<Self> {
        let (rank, index) = text.split_once('.')?;
        Some(Self {
            rank: rank.parse().ok()?,
            index: index.parse().ok()?,
        })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.rank, self.index)
    }
}

/// What to look for. Fields that are not set do not narrow; all that are set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Exactly this actor.
    pub actor: Option<Token>,
    /// Exactly this app.
    pub app: Option<String>,
    /// Where: `sandbox`, `staging`, `production` or `control`.
    pub environment: Option<String>,
    /// Kind of resource.
    pub resource_type: Option<String>,
    /// Exactly this resource.
    pub resource: Option<Token>,
    /// What was done, as `export`.
    pub action: Option<String>,
    /// How it ended: `success`, `failure` or `blocked`.
    pub outcome: Option<String>,
    /// Stable code of why not.
    pub error_code: Option<String>,
    /// How sensitive, as `pii`.
    pub classification: Option<String>,
    /// Under this approval, or about it where `approval_token` is set too.
    pub approval: Option<String>,
    /// The token of that approval as a resource.
    pub approval_token: Option<Token>,
    /// At this time or later.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub to: Option<Timestamp>,
    /// Words, all of which must be found: in an open field each as the beginning of a word, in a
    /// personal field each as a whole one.
    pub words: Vec<Word>,
    /// Only what comes behind that hit, in the order asked for.
    pub after: Option<Cursor>,
    /// Only up to that place in the order of the index, itself included.
    pub until: Option<Cursor>,
    /// Hits of the page; 0 or more than [`PAGE_MAX`] means [`PAGE_MAX`].
    pub limit: u32,
    /// Which end comes first.
    pub order: Order,
}

/// Where an event stands, and where its proof begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Origin of the log shard.
    pub shard: String,
    /// Index there, from 0.
    pub index: u64,
    /// RFC 6962 leaf hash.
    pub leaf_hash: Digest,
    /// Number in the app's stream, from 1.
    pub sequence: u64,
    /// For going on behind it.
    pub cursor: Cursor,
}

/// One page of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    /// The hits.
    pub hits: Vec<Hit>,
    /// Where the next page begins; none when this is the last.
    pub next: Option<Cursor>,
}

type Columns = (String, i64, i64, Vec<u8>, i64);

const SELECT: &str =
    "SELECT shards.name, events.rank, events.idx, events.leaf_hash, events.sequence
     FROM events JOIN shards ON shards.rank = events.rank WHERE true";

fn read((shard, rank, index, leaf_hash, sequence): Columns) -> Result<Hit, TrailError> {
    let damaged = |what: &str| TrailError::Damaged(what.to_owned());
    let leaf_hash: [u8; 32] = leaf_hash
        .try_into()
        .map_err(|_| damaged("a leaf hash has another length"))?;
    let index = unsigned(index)?;
    Ok(Hit {
        shard,
        index,
        leaf_hash: Digest::from_bytes(leaf_hash),
        sequence: unsigned(sequence)?,
        cursor: Cursor {
            rank: u32::try_from(rank).map_err(|_| damaged("a rank is out of range"))?,
            index,
        },
    })
}

/// The code of a text; `NULL`, which equals nothing, when it has none.
pub(crate) fn code(kind: Kind, place: &str) -> String {
    let kind = kind as i64;
    format!("(SELECT code FROM codes WHERE kind = {kind} AND text = {place})")
}

impl Query {
    fn page_hits(&self) -> u32 {
        match self.limit {
            0 => PAGE_MAX,
            limit => limit.min(PAGE_MAX),
        }
    }

    /// Adds the conditions; `false` when a word cannot match anything.
    fn narrow(&self, sql: &mut QueryBuilder<Sqlite>) -> bool {
        let coded = [
            ("events.app", Kind::App, &self.app),
            ("events.environment", Kind::Environment, &self.environment),
            (
                "events.resource_type",
                Kind::ResourceType,
                &self.resource_type,
            ),
            ("events.action", Kind::Action, &self.action),
            ("events.outcome", Kind::Outcome, &self.outcome),
            ("events.error_code", Kind::ErrorCode, &self.error_code),
            (
                "events.classification",
                Kind::Classification,
                &self.classification,
            ),
        ];
        for (column, kind, value) in coded {
            if let Some(value) = value {
                sql.push(" AND ").push(column).push(" = ");
                push_code(sql, kind, value);
            }
        }
        if self.outcome.as_deref().is_some_and(|it| it != "success") {
            // The index holds the bad ones alone.
            sql.push(" AND events.outcome <> 1");
        }
        for (column, token) in [
            ("events.actor", self.actor),
            ("events.resource", self.resource),
        ] {
            if let Some(token) = token {
                sql.push(" AND ").push(column).push(" = ");
                sql.push_bind(token.number());
            }
        }
        if let Some(id) = &self.approval {
            sql.push(" AND (events.approval = ");
            push_code(sql, Kind::Approval, id);
            if let Some(token) = self.approval_token {
                sql.push(" OR (events.resource = ")
                    .push_bind(token.number());
                sql.push(" AND events.resource_type = ");
                push_code(sql, Kind::ResourceType, "approval");
                sql.push(")");
            }
            sql.push(")");
        }
        if let Some(from) = self.from {
            sql.push(" AND events.time >= ").push_bind(from.as_micros());
        }
        if let Some(to) = self.to {
            sql.push(" AND events.time < ").push_bind(to.as_micros());
        }
        if let Some(after) = self.after {
            push_after(sql, after, self.order);
        }
        if let Some(until) = self.until {
            sql.push(" AND events.id <= COALESCE((SELECT MAX(id) FROM events WHERE rank = ");
            sql.push_bind(i64::from(until.rank)).push(" AND idx <= ");
            sql.push_bind(i64::try_from(until.index).unwrap_or(i64::MAX));
            sql.push("), 0)");
        }
        self.words.iter().all(|word| push_word(sql, word))
    }
}

fn push_code(sql: &mut QueryBuilder<Sqlite>, kind: Kind, text: &str) {
    sql.push("(SELECT code FROM codes WHERE kind = ")
        .push_bind(kind as i64)
        .push(" AND text = ")
        .push_bind(text.to_owned())
        .push(")");
}

/// Behind a place, whether or not an event still stands there.
fn push_after(sql: &mut QueryBuilder<Sqlite>, after: Cursor, order: Order) {
    let index = i64::try_from(after.index).unwrap_or(i64::MAX);
    let (begin, middle, end) = match order {
        Order::Newest => (
            " AND events.id < COALESCE((SELECT MIN(id) FROM events WHERE rank = ",
            " AND idx >= ",
            "), 9223372036854775807)",
        ),
        Order::Oldest => (
            " AND events.id > COALESCE((SELECT MAX(id) FROM events WHERE rank = ",
            " AND idx <= ",
            "), 0)",
        ),
    };
    sql.push(begin)
        .push_bind(i64::from(after.rank))
        .push(middle)
        .push_bind(index)
        .push(end);
}

/// A word is found in an open field, as an id, or in a personal field. Each way is asked through an
/// index of its own, so that a rare word costs little however many events there are.
fn push_word(sql: &mut QueryBuilder<Sqlite>, word: &Word) -> bool {
    let expression = word.expression();
    if expression.is_none() && word.blind.is_none() {
        return false;
    }
    sql.push(" AND events.id IN (SELECT NULL WHERE false");
    if let Some(expression) = expression {
        sql.push(" UNION ALL SELECT rowid FROM words WHERE words MATCH ");
        sql.push_bind(expression);
    }
    if let Some(id) = word.event_id() {
        sql.push(" UNION ALL SELECT id FROM events WHERE event = ");
        sql.push_bind(EventKey::of(&id).bytes);
    }
    if let Some(blind) = word.blind {
        sql.push(" UNION ALL SELECT id FROM events WHERE actor = ");
        sql.push_bind(blind.actor.number());
        sql.push(" UNION ALL SELECT id FROM events WHERE resource = ");
        sql.push_bind(blind.resource.number());
        sql.push(" UNION ALL SELECT rowid / 2 FROM blind WHERE blind MATCH ");
        sql.push_bind(format!("\"{}\"", blind.word.word()));
    }
    sql.push(")");
    true
}

impl Trail {
    /// One page of what `query` asks for.
    pub async fn search(&self, query: &Query) -> Result<Hits, TrailError> {
        let mut sql = QueryBuilder::new(SELECT);
        if !query.narrow(&mut sql) {
            return Ok(Hits::default());
        }
        let hits_max = query.page_hits();
        sql.push(match query.order {
            Order::Newest => " ORDER BY events.id DESC LIMIT ",
            Order::Oldest => " ORDER BY events.id LIMIT ",
        });
        // One more than the page tells whether there is a next one.
        sql.push_bind(i64::from(hits_max).saturating_add(1));
        let mut rows: Vec<Columns> = sql.build_query_as().fetch_all(self.pool()).await?;
        let hits_max = usize::try_from(hits_max).unwrap_or(usize::MAX);
        let more = rows.len() > hits_max;
        rows.truncate(hits_max);
        let hits: Vec<Hit> = rows.into_iter().map(read).collect::<Result<_, _>>()?;
        let next = hits.last().map(|hit| hit.cursor).filter(|_| more);
        Ok(Hits { hits, next })
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

    /// The origins of the shards in which `query` finds anything, all pages together, in the order of
    /// their first hits.
    pub async fn shards(&self, query: &Query) -> Result<Vec<String>, TrailError> {
        let mut sql = QueryBuilder::new(
            "SELECT shards.name FROM events JOIN shards ON shards.rank = events.rank WHERE true",
        );
        let all = Query {
            after: None,
            ..query.clone()
        };
        if !all.narrow(&mut sql) {
            return Ok(Vec::new());
        }
        sql.push(" GROUP BY shards.name ORDER BY MIN(events.id)");
        Ok(sql.build_query_scalar().fetch_all(self.pool()).await?)
    }

    /// The event at that place of a shard.
    pub async fn entry(&self, shard: &str, index: u64) -> Result<Option<Hit>, TrailError> {
        let mut sql = QueryBuilder::new(SELECT);
        sql.push(" AND shards.name = ").push_bind(shard.to_owned());
        sql.push(" AND events.idx = ").push_bind(signed(index)?);
        let row: Option<Columns> = sql.build_query_as().fetch_optional(self.pool()).await?;
        row.map(read).transpose()
    }

    /// The event of that id; the first one, should an app have submitted an id twice.
    pub async fn by_id(&self, id: &str) -> Result<Option<Hit>, TrailError> {
        let Ok(id) = burgess_core::id::EventId::parse(id) else {
            return Ok(None);
        };
        let key = EventKey::of(&id);
        let mut sql = QueryBuilder::new(SELECT);
        sql.push(" AND events.event = ").push_bind(key.bytes);
        sql.push(" AND (events.intent > 0) = ")
            .push_bind(key.intent);
        sql.push(" ORDER BY events.id LIMIT 1");
        let row: Option<Columns> = sql.build_query_as().fetch_optional(self.pool()).await?;
        row.map(read).transpose()
    }

    /// The place of the newest event; none when nothing is in.
    pub async fn newest(&self) -> Result<Option<Cursor>, TrailError> {
        let query = Query {
            limit: 1,
            ..Query::default()
        };
        let hits = self.search(&query).await?.hits;
        Ok(hits.first().map(|hit| hit.cursor))
    }

    /// The latest time of any event; none when nothing is in. Time goes on from there.
    pub async fn newest_time(&self) -> Result<Option<Timestamp>, TrailError> {
        let micros: Option<i64> = sqlx::query_scalar("SELECT MAX(time) FROM events")
            .fetch_one(self.pool())
            .await?;
        Ok(micros.map(Timestamp::from_micros))
    }
}
