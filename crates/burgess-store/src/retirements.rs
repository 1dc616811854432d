//! Retirements: which apps go, when, and the checklist that let them go (R63 to R67).

use burgess_core::id::AppId;
use burgess_core::retirement::{ExitChecklist, ExitDraft, RetirementSchedule};
use burgess_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::change::Versioned;
use crate::error::StoreError;
use crate::row::{RecordRow, all_versioned, json, number, versioned};
use crate::sqlite::Connection;
use crate::store::Store;

/// The retirement of one app; there is one per app, rescheduled if need be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retirement {
    /// When it goes, and why.
    pub schedule: RetirementSchedule,
    /// When somebody took it back.
    pub cancelled_at: Option<Timestamp>,
    /// The checklist as far as it is filled in.
    pub draft: Option<ExitDraft>,
    /// The complete checklist, as JSON; only a complete one has this form.
    checklist: Option<serde_json::Value>,
}

impl Retirement {
    /// A new schedule.
    pub const fn scheduled(schedule: RetirementSchedule) -> Self {
        Self {
            schedule,
            cancelled_at: None,
            draft: None,
            checklist: None,
        }
    }

    /// The same retirement, done.
    pub fn completed(mut self, checklist: &ExitChecklist) -> Result<Self, StoreError> {
        let value = serde_json::to_value(checklist).map_err(|error| {
            StoreError::damaged("retirements", self.schedule.app.as_str(), error)
        })?;
        self.checklist = Some(value);
        Ok(self)
    }

    /// The complete checklist, as JSON.
    pub const fn checklist(&self) -> Option<&serde_json::Value> {
        self.checklist.as_ref()
    }

    /// The state that events name: `scheduled`, `cancelled` or `completed`.
    pub const fn state(&self) -> &'static str {
        match (&self.checklist, &self.cancelled_at) {
            (Some(_), _) => "completed",
            (None, Some(_)) => "cancelled",
            (None, None) => "scheduled",
        }
    }
}

pub(crate) async fn put(
    connection: &mut Connection,
    it: &Versioned<Retirement>,
) -> Result<(), StoreError> {
    let retirement = &it.record;
    let app = retirement.schedule.app.as_str();
    sqlx::query(
        "INSERT INTO retirements (id, app, state, scheduled_for, revision, record)
         VALUES ($1, $1, $2, $3, $4, $5)
         ON CONFLICT (id) DO UPDATE SET
             state = excluded.state, scheduled_for = excluded.scheduled_for,
             revision = excluded.revision, record = excluded.record",
    )
    .bind(app)
    .bind(retirement.state())
    .bind(retirement.schedule.retire_at.as_micros())
    .bind(number(it.revision)?)
    .bind(json("retirements", app, retirement)?)
    .execute(connection)
    .await?;
    Ok(())
}

impl Store {
    /// The retirement of an app, if one was ever scheduled.
    pub async fn retirement(
        &self,
        app: &AppId,
    ) -> Result<Option<Versioned<Retirement>>, StoreError> {
        let row: Option<RecordRow> =
            sqlx::query_as("SELECT id, revision, record FROM retirements WHERE id = $1")
                .bind(app.as_str())
                .fetch_optional(self.readers())
                .await?;
        row.map(|row| versioned("retirements", row)).transpose()
    }

    /// Retirements that are scheduled and whose day has come at `now`; with `None` all that are
    /// scheduled. The nearest first.
    pub async fn retirements_scheduled(
        &self,
        now: Option<Timestamp>,
    ) -> Result<Vec<Versioned<Retirement>>, StoreError> {
        let rows: Vec<RecordRow> = sqlx::query_as(
            "SELECT id, revision, record FROM retirements
             WHERE state = 'scheduled'
               AND (CAST($1 AS INTEGER) IS NULL OR scheduled_for <= $1)
             ORDER BY scheduled_for, id",
        )
        .bind(now.map(Timestamp::as_micros))
        .fetch_all(self.readers())
        .await?;
        all_versioned("retirements", rows)
    }
}
