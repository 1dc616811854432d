//! Figures: what the programme counts, each by a definition that is published with it and that
//! anybody can compute again from the ledger's events.
//!
//! Not here: figures that need more than the trail holds. What a figure cannot know it does not
//! guess.

use std::collections::BTreeMap;

use burgess_core::audit::Outcome;
use burgess_core::id::AppId;
use burgess_core::time::{Span, Timestamp};
use serde::Serialize;
use sqlx::AssertSqlSafe;

use crate::batch::Kind;
use crate::error::TrailError;
use crate::index::{Trail, unsigned};
use crate::search::code;

/// One figure and what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Definition {
    /// Stable id.
    pub id: &'static str,
    /// What a page calls it.
    pub title: &'static str,
    /// How it is computed, in words that somebody can follow with the events alone.
    pub text: &'static str,
}

/// All figures. "Last" and "first" follow the order of the ledger; times are UTC.
pub const DEFINITIONS: [Definition; 8] = [
    Definition {
        id: "active-apps",
        title: "Active micro-apps",
        text: "apps whose last successful event with resource_type app and a next_state has next_state sandbox, staging or production",
    },
    Definition {
        id: "deployments",
        title: "Deployments",
        text: "successful events with resource_type deployment and next_state live in the period, by environment",
    },
    Definition {
        id: "time-to-approve",
        title: "Time to approve",
        text: "of each request approved in the period: the time between its first successful event with next_state submitted and its first with next_state approved; the median is the lower one of an even number",
    },
    Definition {
        id: "dlp-blocks-per-month",
        title: "DLP blocks per month",
        text: "events with outcome blocked and an error_code that begins with DLP_, by calendar month of their timestamp",
    },
    Definition {
        id: "high-risk-apps",
        title: "High-risk apps",
        text: "apps whose last state is not retired and whose last event has a risk_score_at_time above the rubric's upper bound of medium",
    },
    Definition {
        id: "complete-trails",
        title: "Apps with complete trails",
        text: "apps whose events carry the sequence numbers from 1 to their count, each once, and whose every event with an id ending in _intent has an event of the same id without that ending",
    },
    Definition {
        id: "last-activity",
        title: "Last activity",
        text: "of each app the latest timestamp among its events with actor_role app or agent",
    },
    Definition {
        id: "outcomes",
        title: "Events by outcome",
        text: "events in the period, by outcome",
    },
];

/// How many deployments went live in one environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Deployments {
    /// The environment that the events name.
    pub environment: String,
    /// How many.
    pub count: u64,
}

/// How long approvals took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TimeToApprove {
    /// Requests approved in the period.
    pub requests: u64,
    /// The middle one; none when there is none.
    pub median: Option<Span>,
    /// The longest.
    pub longest: Option<Span>,
}

/// A count in one calendar month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MonthCount {
    /// As `2026-01`.
    pub month: String,
    /// How many.
    pub count: u64,
}

/// A count of one outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct OutcomeCount {
    /// The outcome.
    pub outcome: Outcome,
    /// How many.
    pub count: u64,
}

/// Whether the trail of one app is complete, as far as the events can tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AppCompleteness {
    /// The app.
    pub app: String,
    /// Origin of the shard.
    pub shard: String,
    /// Events.
    pub events: u64,
    /// Their numbers run from 1 without a gap or a double.
    pub gapless: bool,
    /// Intents that have no outcome: calls under way, or calls that died.
    pub open_intents: u64,
}

impl AppCompleteness {
    /// Whether nothing is missing.
    pub const fn is_complete(&self) -> bool {
        self.gapless && self.open_intents == 0
    }
}

/// Whether the trails of all apps are complete (R135).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Completeness {
    /// Each app in each shard, the organisation itself included, by app.
    pub apps: Vec<AppCompleteness>,
}

impl Completeness {
    /// Apps, each counted once however many shards it is in; the organisation itself apart.
    pub fn total(&self) -> u64 {
        count(self.by_app().len())
    }

    /// Those whose trails are complete in every shard.
    pub fn complete(&self) -> u64 {
        count(self.by_app().values().filter(|complete| **complete).count())
    }

    /// Complete ones in per cent, rounded down; 100 where there is no app.
    pub fn percent(&self) -> u64 {
        match self.total() {
            0 => 100,
            total => self.complete().saturating_mul(100) / total,
        }
    }

    fn by_app(&self) -> BTreeMap<&str, bool> {
        let mut apps = BTreeMap::new();
        for row in self
            .apps
            .iter()
            .filter(|row| row.app != AppId::ORGANISATION)
        {
            let complete = apps.entry(row.app.as_str()).or_insert(true);
            *complete &= row.is_complete();
        }
        apps
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// The last successful change of state of each app.
fn last_states() -> AssertSqlSafe<String> {
    let (kind, success) = (
        code(Kind::ResourceType, "'app'"),
        code(Kind::Outcome, "'success'"),
    );
    AssertSqlSafe(format!(
        "SELECT apps.text, states.text FROM (
             SELECT app, next_state,
                    ROW_NUMBER() OVER (PARTITION BY app ORDER BY id DESC) AS place
             FROM events
             WHERE resource_type = {kind} AND next_state IS NOT NULL AND outcome = {success}
         ) AS last
         JOIN codes AS apps ON apps.code = last.app
         JOIN codes AS states ON states.code = last.next_state
         WHERE place = 1 ORDER BY apps.text"
    ))
}

impl Trail {
    /// `active-apps`: their ids.
    pub async fn active_apps(&self) -> Result<Vec<String>, TrailError> {
        let rows: Vec<(String, String)> =
            sqlx::query_as(last_states()).fetch_all(self.pool()).await?;
        let live = ["sandbox", "staging", "production"];
        Ok(rows
            .into_iter()
            .filter(|(_, state)| live.contains(&state.as_str()))
            .map(|(app, _)| app)
            .collect())
    }

    /// `deployments` from `from` on and before `to`.
    pub async fn deployments(
        &self,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Deployments>, TrailError> {
        let sql = format!(
            "SELECT codes.text, COUNT(*) FROM events JOIN codes ON codes.code = events.environment
             WHERE resource_type = {} AND next_state = {} AND outcome = {}
               AND time >= $1 AND time < $2
             GROUP BY codes.text ORDER BY codes.text",
            code(Kind::ResourceType, "'deployment'"),
            code(Kind::State, "'live'"),
            code(Kind::Outcome, "'success'"),
        );
        let rows: Vec<(String, i64)> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(from.as_micros())
            .bind(to.as_micros())
            .fetch_all(self.pool())
            .await?;
        rows.into_iter()
            .map(|(environment, count)| {
                let count = unsigned(count)?;
                Ok(Deployments { environment, count })
            })
            .collect()
    }

    /// `time-to-approve` of requests approved from `from` on and before `to`. An erased request
    /// is no longer one that can be told from others, and is left out.
    pub async fn time_to_approve(
        &self,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<TimeToApprove, TrailError> {
        let (submitted, approved) = (
            code(Kind::State, "'submitted'"),
            code(Kind::State, "'approved'"),
        );
        let sql = format!(
            "SELECT submitted, approved FROM (
                 SELECT app, resource,
                        MIN(CASE WHEN next_state = {submitted} THEN time END) AS submitted,
                        MIN(CASE WHEN next_state = {approved} THEN time END) AS approved
                 FROM events
                 WHERE resource_type = {} AND outcome = {} AND resource IS NOT NULL
                   AND next_state IN ({submitted}, {approved})
                 GROUP BY app, resource
             ) WHERE submitted IS NOT NULL AND approved >= $1 AND approved < $2",
            code(Kind::ResourceType, "'request'"),
            code(Kind::Outcome, "'success'"),
        );
        let rows: Vec<(i64, i64)> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(from.as_micros())
            .bind(to.as_micros())
            .fetch_all(self.pool())
            .await?;
        let mut spans: Vec<Span> = rows
            .into_iter()
            .map(|(submitted, approved)| {
                Timestamp::from_micros(approved).since(Timestamp::from_micros(submitted))
            })
            .collect();
        spans.sort_unstable();
        let middle = spans.len().saturating_sub(1) / 2;
        Ok(TimeToApprove {
            requests: count(spans.len()),
            median: spans.get(middle).copied(),
            longest: spans.last().copied(),
        })
    }

    /// `dlp-blocks-per-month`, the earliest month first; months without any are left out.
    pub async fn dlp_blocks_per_month(&self) -> Result<Vec<MonthCount>, TrailError> {
        let sql = format!(
            "SELECT strftime('%Y-%m', time / 1000000, 'unixepoch') AS month, COUNT(*)
             FROM events JOIN codes ON codes.code = events.error_code
             WHERE outcome = {} AND outcome <> 1 AND substr(codes.text, 1, 4) = 'DLP_'
             GROUP BY month ORDER BY month",
            code(Kind::Outcome, "'blocked'"),
        );
        let rows: Vec<(String, i64)> = sqlx::query_as(AssertSqlSafe(sql))
            .fetch_all(self.pool())
            .await?;
        rows.into_iter()
            .map(|(month, count)| {
                let count = unsigned(count)?;
                Ok(MonthCount { month, count })
            })
            .collect()
    }

    /// `high-risk-apps`: their ids. `medium_max` is the rubric's upper bound of medium.
    pub async fn high_risk_apps(&self, medium_max: u32) -> Result<Vec<String>, TrailError> {
        let states: Vec<(String, String)> =
            sqlx::query_as(last_states()).fetch_all(self.pool()).await?;
        let retired: Vec<String> = states
            .into_iter()
            .filter(|(_, state)| state == "retired")
            .map(|(app, _)| app)
            .collect();
        let rows: Vec<(String,)> = sqlx::query_as(
            "SELECT codes.text FROM (
                 SELECT app, risk,
                        ROW_NUMBER() OVER (PARTITION BY app ORDER BY newest DESC) AS place
                 FROM streams
             ) AS last JOIN codes ON codes.code = last.app
             WHERE place = 1 AND risk > $2 AND codes.text <> $1 ORDER BY codes.text",
        )
        .bind(AppId::ORGANISATION)
        .bind(i64::from(medium_max))
        .fetch_all(self.pool())
        .await?;
        Ok(rows
            .into_iter()
            .map(|(app,)| app)
            .filter(|app| !retired.contains(app))
            .collect())
    }

    /// `complete-trails`, app by app (R135). What the events cannot tell is the caller's to add:
    /// whether the outbox is empty, and whether the gateway's counters agree.
    pub async fn complete_trails(&self) -> Result<Completeness, TrailError> {
        // An intent is open wherever it is answered, so shards count their own.
        let rows: Vec<(String, String, i64, bool, i64)> = sqlx::query_as(
            "SELECT codes.text, shards.name, streams.events, streams.gapless,
                    (SELECT COUNT(*) FROM events INDEXED BY events_open WHERE events.app = streams.app
                        AND events.rank = streams.rank AND events.intent = 1)
             FROM streams JOIN shards ON shards.rank = streams.rank
                          JOIN codes ON codes.code = streams.app
             ORDER BY codes.text, streams.rank",
        )
        .fetch_all(self.pool())
        .await?;
        let apps = rows
            .into_iter()
            .map(|(app, shard, events, gapless, open)| {
                Ok(AppCompleteness {
                    app,
                    shard,
                    events: unsigned(events)?,
                    gapless,
                    open_intents: unsigned(open)?,
                })
            })
            .collect::<Result<_, TrailError>>()?;
        Ok(Completeness { apps })
    }

    /// How many intents `source` has handed in, by app: a gateway that counts what it admits must
    /// have counted as many since it began.
    pub async fn intents(&self, source: &str) -> Result<BTreeMap<String, u64>, TrailError> {
        let sql = format!(
            "SELECT codes.text, intents.count FROM intents JOIN codes ON codes.code = intents.app
             WHERE intents.source = {}",
            code(Kind::Source, "$1"),
        );
        let rows: Vec<(String, i64)> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(source)
            .fetch_all(self.pool())
            .await?;
        rows.into_iter()
            .map(|(app, count)| Ok((app, unsigned(count)?)))
            .collect()
    }

    /// `complete-trails` for one app, all shards together.
    pub async fn completeness(&self, app: &str) -> Result<AppCompleteness, TrailError> {
        let all = self.complete_trails().await?;
        let mut shards = all.apps.into_iter().filter(|row| row.app == app);
        let first = shards.next().unwrap_or_else(|| AppCompleteness {
            app: app.to_owned(),
            shard: String::new(),
            events: 0,
            gapless: true,
            open_intents: 0,
        });
        Ok(shards.fold(first, |sum, shard| AppCompleteness {
            events: sum.events.saturating_add(shard.events),
            gapless: sum.gapless && shard.gapless,
            open_intents: sum.open_intents.saturating_add(shard.open_intents),
            ..shard
        }))
    }

    /// `last-activity`, by app: what idleness is reckoned from.
    pub async fn last_activity(&self) -> Result<BTreeMap<String, Timestamp>, TrailError> {
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "SELECT codes.text, MAX(active) FROM streams JOIN codes ON codes.code = streams.app
             WHERE active IS NOT NULL GROUP BY codes.text",
        )
        .fetch_all(self.pool())
        .await?;
        Ok(rows
            .into_iter()
            .map(|(app, micros)| (app, Timestamp::from_micros(micros)))
            .collect())
    }

    /// `outcomes` from `from` on and before `to`; all three, zeroes too.
    pub async fn outcomes(
        &self,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<OutcomeCount>, TrailError> {
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "SELECT codes.text, COUNT(*) FROM events JOIN codes ON codes.code = events.outcome
             WHERE time >= $1 AND time < $2 GROUP BY codes.text",
        )
        .bind(from.as_micros())
        .bind(to.as_micros())
        .fetch_all(self.pool())
        .await?;
        let counts: BTreeMap<String, i64> = rows.into_iter().collect();
        Outcome::ALL
            .into_iter()
            .map(|outcome| {
                let count = unsigned(counts.get(outcome.as_str()).copied().unwrap_or_default())?;
                Ok(OutcomeCount { outcome, count })
            })
            .collect()
    }
}
