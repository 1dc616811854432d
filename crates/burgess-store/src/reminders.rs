//! Reminders: which ones were sent, so that a job that runs twice reminds once.

use burgess_core::id::AppId;
use burgess_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::change::Versioned;
use crate::error::StoreError;
use crate::row::{RecordRow, all_versioned, json, number};
use crate::sqlite::Connection;
use crate::store::Store;

/// One reminder that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reminder {
    /// The app it is about.
    pub app: AppId,
    /// What about: `idle`, `sla_warning`, `sla_breach`, `review_due` and the like.
    pub kind: String,
    /// What makes it the same reminder: the request it warns of, the day the idling began.
    pub about: String,
    /// To whom, e-mail addresses.
    pub to: Vec<String>,
    /// When.
    pub sent_at: Timestamp,
}

impl Reminder {
    /// The record's id. Sending the same one again is a conflict.
    pub fn id(&self) -> String {
        format!("{}/{}/{}", self.app, self.kind, self.about)
    }
}

pub(crate) async fn put(
    connection: &mut Connection,
    it: &Versioned<Reminder>,
) -> Result<(), StoreError> {
    let reminder = &it.record;
    let id = reminder.id();
    sqlx::query(
        "INSERT INTO reminders (id, app, kind, sent_at, revision, record)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (id) DO UPDATE SET
             sent_at = excluded.sent_at, revision = excluded.revision, record = excluded.record",
    )
    .bind(&id)
    .bind(reminder.app.as_str())
    .bind(&reminder.kind)
    .bind(reminder.sent_at.as_micros())
    .bind(number(it.revision)?)
    .bind(json("reminders", &id, reminder)?)
    .execute(connection)
    .await?;
    Ok(())
}

impl Store {
    /// Reminders about an app, the newest first.
    pub async fn reminders_of(&self, app: &AppId) -> Result<Vec<Versioned<Reminder>>, StoreError> {
        let rows: Vec<RecordRow> = sqlx::query_as(
            "SELECT id, revision, record FROM reminders WHERE app = $1
             ORDER BY sent_at DESC, id DESC",
        )
        .bind(app.as_str())
        .fetch_all(self.readers())
        .await?;
        all_versioned("reminders", rows)
    }

    /// Whether the reminder of that id was sent.
    pub async fn reminder_sent(&self, id: &str) -> Result<bool, StoreError> {
        let found: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM reminders WHERE id = $1")
            .bind(id)
            .fetch_one(self.readers())
            .await?;
        Ok(found > 0)
    }
}
