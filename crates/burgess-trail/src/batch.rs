//! Writing a batch of entries: checked one by one, inserted many to a statement.
//!
//! A statement costs more than a row, so rows go in by the dozen, and texts become numbers from a
//! dictionary in memory.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, SqliteConnection};

use crate::entry::{Facts, Indexed, Opened};
use crate::error::TrailError;
use crate::event_key::EventKey;
use crate::index::{signed, unsigned};
use crate::text::parts;

/// Rows of one statement: more save little, and what is left over goes in one by one.
const ROWS: usize = 32;
/// Texts kept in memory at most: far more than an organisation has apps, codes and approvals in
/// use, and a few MB.
const KNOWN_MAX: usize = 65_536;
/// Tokens of words of one event and subject at most: a long user agent has about twenty.
const WORDS_MAX: usize = 64;

/// What a text of the dictionary is. The numbers stand in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    App = 0,
    Role = 1,
    Environment = 2,
    Action = 3,
    ResourceType = 4,
    Classification = 5,
    Outcome = 6,
    ErrorCode = 7,
    Approval = 8,
    State = 9,
    Source = 10,
}

/// The codes that are known without asking the file.
#[derive(Debug, Default)]
pub(crate) struct Dictionary(BTreeMap<(Kind, String), i64>);

impl Dictionary {
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The code of `text`, given now if it has none.
    async fn code(
        &mut self,
        tx: &mut SqliteConnection,
        kind: Kind,
        text: &str,
    ) -> Result<i64, TrailError> {
        let key = (kind, text.to_owned());
        if let Some(code) = self.0.get(&key) {
            return Ok(*code);
        }
        let code: i64 = sqlx::query_scalar(
            "INSERT INTO codes (kind, text) VALUES ($1, $2)
             ON CONFLICT (kind, text) DO UPDATE SET text = excluded.text RETURNING code",
        )
        .bind(kind as i64)
        .bind(text)
        .fetch_one(tx)
        .await?;
        if self.0.len() >= KNOWN_MAX {
            self.0.clear();
        }
        self.0.insert(key, code);
        Ok(code)
    }

    async fn optional(
        &mut self,
        tx: &mut SqliteConnection,
        kind: Kind,
        text: Option<&str>,
    ) -> Result<Option<i64>, TrailError> {
        match text {
            Some(text) => self.code(tx, kind, text).await.map(Some),
            None => Ok(None),
        }
    }
}

struct Shard {
    rank: i64,
    next: i64,
}

/// What a batch adds to one stream.
struct Stream {
    first: i64,
    last: i64,
    events: i64,
    gapless: bool,
    newest: i64,
    risk: i64,
    active: Option<i64>,
}

/// Columns of an event's row, in the order of [`COLUMNS`].
struct Row {
    id: i64,
    rank: i64,
    idx: i64,
    leaf_hash: Vec<u8>,
    sequence: i64,
    time: i64,
    key: EventKey,
    codes: [i64; 7],
    optional: [Option<i64>; 4],
    risk: i64,
    source: i64,
    actor: Option<i64>,
    resource: Option<i64>,
}

const COLUMNS: &str = "id, rank, idx, leaf_hash, sequence, time, event, intent,
    app, role, environment, action, resource_type, classification, outcome,
    error_code, approval, previous_state, next_state, risk, source, actor, resource";
const COLUMN_COUNT: usize = 23;

#[derive(Default)]
struct Batch {
    shards: BTreeMap<String, Shard>,
    streams: BTreeMap<(i64, i64), Stream>,
    intents: BTreeMap<(i64, i64), i64>,
    rows: Vec<Row>,
    words: Vec<(i64, String)>,
    blind: Vec<(i64, String)>,
}

/// Writes `entries` within a transaction.
pub(crate) async fn write(
    tx: &mut SqliteConnection,
    dictionary: &mut Dictionary,
    entries: &[Opened],
) -> Result<(), TrailError> {
    let mut batch = Batch::default();
    let mut id: i64 = sqlx::query_scalar("SELECT COALESCE(SUM(next), 0) FROM shards")
        .fetch_one(&mut *tx)
        .await?;
    for entry in entries {
        if !batch.shards.contains_key(&entry.shard) {
            let shard = shard(tx, &entry.shard).await?;
            batch.shards.insert(entry.shard.clone(), shard);
        }
        let Some(shard) = batch.shards.get_mut(&entry.shard) else {
            continue;
        };
        let index = signed(entry.index)?;
        if index > shard.next {
            return Err(TrailError::Gap {
                shard: entry.shard.clone(),
                expected: unsigned(shard.next)?,
                found: entry.index,
            });
        }
        if index < shard.next {
            let rank = shard.rank;
            batch.flush(tx).await?;
            same_leaf(tx, rank, index, entry).await?;
            continue;
        }
        shard.next = shard.next.saturating_add(1);
        id = id.saturating_add(1);
        if let Some(event) = &entry.event {
            let rank = shard.rank;
            batch.add(tx, dictionary, id, rank, entry, event).await?;
        }
    }
    batch.flush(tx).await?;
    batch.finish(tx).await
}

async fn shard(tx: &mut SqliteConnection, name: &str) -> Result<Shard, TrailError> {
    sqlx::query(
        "INSERT INTO shards (rank, name, first, next)
         SELECT COALESCE(MAX(rank), 0) + 1, $1, 0, 0 FROM shards
         WHERE true ON CONFLICT (name) DO NOTHING",
    )
    .bind(name)
    .execute(&mut *tx)
    .await?;
    let (rank, next) = sqlx::query_as("SELECT rank, next FROM shards WHERE name = $1")
        .bind(name)
        .fetch_one(tx)
        .await?;
    Ok(Shard { rank, next })
}

/// An entry that is in already must be the same one. Of what is no event, or was pruned, nothing
/// is kept to compare with.
async fn same_leaf(
    tx: &mut SqliteConnection,
    rank: i64,
    index: i64,
    entry: &Opened,
) -> Result<(), TrailError> {
    let known: Option<Vec<u8>> =
        sqlx::query_scalar("SELECT leaf_hash FROM events WHERE rank = $1 AND idx = $2")
            .bind(rank)
            .bind(index)
            .fetch_optional(tx)
            .await?;
    match known {
        Some(known) if known != entry.leaf_hash => Err(TrailError::OtherLeaf {
            shard: entry.shard.clone(),
            index: entry.index,
        }),
        _ => Ok(()),
    }
}

impl Batch {
    async fn add(
        &mut self,
        tx: &mut SqliteConnection,
        dictionary: &mut Dictionary,
        id: i64,
        rank: i64,
        entry: &Opened,
        event: &Indexed,
    ) -> Result<(), TrailError> {
        let facts = &event.facts;
        let sequence = signed(event.sequence)?;
        let mut codes = [0; 7];
        let coded = [
            (Kind::App, facts.app.as_str()),
            (Kind::Role, facts.role.as_str()),
            (Kind::Environment, facts.environment.as_str()),
            (Kind::Action, facts.action.as_str()),
            (Kind::ResourceType, facts.resource_type.as_str()),
            (Kind::Classification, facts.classification.as_str()),
            (Kind::Outcome, facts.outcome.as_str()),
        ];
        for (slot, (kind, text)) in codes.iter_mut().zip(coded) {
            *slot = dictionary.code(tx, kind, text).await?;
        }
        let mut optional = [None; 4];
        let maybe = [
            (Kind::ErrorCode, facts.error_code.as_deref()),
            (
                Kind::Approval,
                facts.approval.as_ref().map(|id| id.as_str()),
            ),
            (Kind::State, facts.previous_state.as_deref()),
            (Kind::State, facts.next_state.as_deref()),
        ];
        for (slot, (kind, text)) in optional.iter_mut().zip(maybe) {
            *slot = dictionary.optional(tx, kind, text).await?;
        }
        let source = dictionary.code(tx, Kind::Source, &facts.source).await?;
        let [app, ..] = codes;
        self.count(rank, app, id, sequence, facts);
        let key = EventKey::of(&facts.event_id);
        if key.intent {
            let count = self.intents.entry((source, app)).or_default();
            *count = count.saturating_add(1);
        }
        self.rows.push(Row {
            id,
            rank,
            idx: signed(entry.index)?,
            leaf_hash: entry.leaf_hash.to_vec(),
            sequence,
            time: facts.time.as_micros(),
            key,
            codes,
            optional,
            risk: i64::from(facts.risk),
            source,
            actor: event.blind.actor.map(|it| it.number()),
            resource: event.blind.resource.map(|it| it.number()),
        });
        self.words.push((id, open_words(facts)));
        let halves = [&event.blind.actor_words, &event.blind.resource_words];
        for (half, tokens) in (0i64..).zip(halves) {
            if !tokens.is_empty() {
                let words: Vec<String> =
                    tokens.iter().take(WORDS_MAX).map(|it| it.word()).collect();
                let rowid = id.saturating_mul(2).saturating_add(half);
                self.blind.push((rowid, words.join(" ")));
            }
        }
        if self.rows.len() >= ROWS {
            self.flush(tx).await?;
        }
        Ok(())
    }

    fn count(&mut self, rank: i64, app: i64, id: i64, sequence: i64, facts: &Facts) {
        let acted = matches!(facts.role.as_str(), "app" | "agent");
        let active = acted.then(|| facts.time.as_micros());
        let risk = i64::from(facts.risk);
        let stream = self.streams.entry((rank, app)).or_insert(Stream {
            first: sequence,
            last: sequence.saturating_sub(1),
            events: 0,
            gapless: true,
            newest: id,
            risk,
            active,
        });
        stream.gapless &= sequence == stream.last.saturating_add(1);
        stream.last = sequence;
        stream.events = stream.events.saturating_add(1);
        stream.newest = id;
        stream.risk = risk;
        stream.active = stream.active.max(active);
    }

    /// Inserts the rows that wait.
    async fn flush(&mut self, tx: &mut SqliteConnection) -> Result<(), TrailError> {
        for rows in portions(&self.rows) {
            let sql = insert("events", COLUMNS, COLUMN_COUNT, rows.len());
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for row in rows {
                query = query
                    .bind(row.id)
                    .bind(row.rank)
                    .bind(row.idx)
                    .bind(row.leaf_hash.as_slice())
                    .bind(row.sequence)
                    .bind(row.time)
                    .bind(row.key.bytes.as_slice())
                    .bind(i64::from(row.key.intent));
                for code in row.codes {
                    query = query.bind(code);
                }
                for code in row.optional {
                    query = query.bind(code);
                }
                query = query
                    .bind(row.risk)
                    .bind(row.source)
                    .bind(row.actor)
                    .bind(row.resource);
            }
            query.execute(&mut *tx).await?;
        }
        for (table, texts) in [("words", &self.words), ("blind", &self.blind)] {
            for rows in portions(texts) {
                let sql = insert(table, "rowid, text", 2, rows.len());
                let mut query = sqlx::query(AssertSqlSafe(sql));
                for (rowid, text) in rows {
                    query = query.bind(*rowid).bind(text.as_str());
                }
                query.execute(&mut *tx).await?;
            }
        }
        self.rows.clear();
        self.words.clear();
        self.blind.clear();
        Ok(())
    }

    /// What concerns the batch as a whole: high-water marks, streams, answered intents.
    async fn finish(&self, tx: &mut SqliteConnection) -> Result<(), TrailError> {
        for shard in self.shards.values() {
            sqlx::query("UPDATE shards SET next = $2 WHERE rank = $1")
                .bind(shard.rank)
                .bind(shard.next)
                .execute(&mut *tx)
                .await?;
        }
        for ((rank, app), stream) in &self.streams {
            sqlx::query(
                "INSERT INTO streams (rank, app, events, last, gapless, newest, risk, active)
                 SELECT rank, $2, $3, $4, $5 AND ($6 = 1 OR first > 0), $7, $8, $9
                 FROM shards WHERE rank = $1
                 ON CONFLICT (rank, app) DO UPDATE SET
                     events = events + excluded.events, last = excluded.last,
                     gapless = gapless AND last + 1 = $6 AND $5,
                     newest = excluded.newest, risk = excluded.risk,
                     active = MAX(COALESCE(active, excluded.active), COALESCE(excluded.active, active))",
            )
            .bind(rank)
            .bind(app)
            .bind(stream.events)
            .bind(stream.last)
            .bind(stream.gapless)
            .bind(stream.first)
            .bind(stream.newest)
            .bind(stream.risk)
            .bind(stream.active)
            .execute(&mut *tx)
            .await?;
        }
        for ((source, app), count) in &self.intents {
            sqlx::query(
                "INSERT INTO intents (source, app, count) VALUES ($1, $2, $3)
                 ON CONFLICT (source, app) DO UPDATE SET count = count + excluded.count",
            )
            .bind(source)
            .bind(app)
            .bind(count)
            .execute(&mut *tx)
            .await?;
        }
        if !self.streams.is_empty() {
            sqlx::query(
                "UPDATE events SET intent = 2 WHERE intent = 1 AND EXISTS (
                     SELECT 1 FROM events AS done
                     WHERE done.event = events.event AND done.intent = 0 AND done.app = events.app
                 )",
            )
            .execute(tx)
            .await?;
        }
        Ok(())
    }
}

/// Whole portions of [`ROWS`], then one by one: two statements to prepare, whatever the length.
fn portions<T>(rows: &[T]) -> impl Iterator<Item = &[T]> {
    let whole = rows.chunks_exact(ROWS);
    let rest = whole.remainder().chunks(1);
    whole.chain(rest)
}

fn insert(table: &str, columns: &str, column_count: usize, rows: usize) -> String {
    let row = format!("({})", vec!["?"; column_count].join(","));
    format!(
        "INSERT INTO {table} ({columns}) VALUES {}",
        vec![row.as_str(); rows].join(",")
    )
}

/// The open words that an event can be found by; its id is found by the column.
fn open_words(facts: &Facts) -> String {
    let all = [
        facts.role.as_str(),
        facts.app.as_str(),
        facts.version.as_str(),
        facts.environment.as_str(),
        facts.action.as_str(),
        facts.resource_type.as_str(),
        facts.classification.as_str(),
        facts.outcome.as_str(),
    ];
    let optional = [
        facts.error_code.as_deref(),
        facts.approval.as_ref().map(|id| id.as_str()),
        facts.previous_state.as_deref(),
        facts.next_state.as_deref(),
    ];
    let texts = all
        .into_iter()
        .chain(optional.into_iter().flatten())
        .chain(facts.decision.iter().map(String::as_str));
    let mut words: Vec<String> = texts.flat_map(parts).collect();
    words.sort_unstable();
    words.dedup();
    words.join(" ")
}
