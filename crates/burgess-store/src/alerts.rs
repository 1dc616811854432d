//! Alerts: what needs a person's eye, until somebody closes it.

use burgess_core::finding::Severity;
use burgess_core::id::AppId;
use burgess_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::change::Versioned;
use crate::error::StoreError;
use crate::row::{RecordRow, all_versioned, json, number, versioned};
use crate::sqlite::Connection;
use crate::store::Store;

/// Where an alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// Nobody has looked.
    Open,
    /// Somebody is on it.
    Acknowledged,
    /// Done.
    Closed,
}

impl AlertState {
    /// The name in tables and events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Closed => "closed",
        }
    }
}

/// One alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Its id; an alert that is raised again while it is open should have the same one.
    pub id: String,
    /// The app it is about; none when it is about the organisation.
    pub app: Option<AppId>,
    /// What sort, as `sla_breach` or `dlp_block`.
    pub kind: String,
    /// How bad.
    pub severity: Severity,
    /// What happened and what to do, in a sentence or two.
    pub message: String,
    /// Where it stands.
    pub state: AlertState,
    /// When it was raised.
    pub raised_at: Timestamp,
    /// Who closed it, and when.
    pub closed: Option<(String, Timestamp)>,
}

pub(crate) async fn put(
    connection: &mut Connection,
    it: &Versioned<Alert>,
) -> Result<(), StoreError> {
    let alert = &it.record;
    sqlx::query(
        "INSERT INTO alerts (id, app, kind, state, raised_at, revision, record)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (id) DO UPDATE SET
             state = excluded.state, raised_at = excluded.raised_at,
             revision = excluded.revision, record = excluded.record",
    )
    .bind(&alert.id)
    .bind(alert.app.as_ref().map(AppId::as_str))
    .bind(&alert.kind)
    .bind(alert.state.as_str())
    .bind(alert.raised_at.as_micros())
    .bind(number(it.revision)?)
    .bind(json("alerts", &alert.id, alert)?)
    .execute(connection)
    .await?;
    Ok(())
}

impl Store {
    /// The alert of that id.
    pub async fn alert(&self, id: &str) -> Result<Option<Versioned<Alert>>, StoreError> {
        let row: Option<RecordRow> =
            sqlx::query_as("SELECT id, revision, record FROM alerts WHERE id = $1")
                .bind(id)
                .fetch_optional(self.readers())
                .await?;
        row.map(|row| versioned("alerts", row)).transpose()
    }

    /// Alerts that are not closed, of one app or of all, the newest first.
    pub async fn open_alerts(
        &self,
        app: Option<&AppId>,
    ) -> Result<Vec<Versioned<Alert>>, StoreError> {
        let rows: Vec<RecordRow> = sqlx::query_as(
            "SELECT id, revision, record FROM alerts
             WHERE state <> 'closed' AND (CAST($1 AS TEXT) IS NULL OR app = $1)
             ORDER BY raised_at DESC, id DESC",
        )
        .bind(app.map(AppId::as_str))
        .fetch_all(self.readers())
        .await?;
        all_versioned("alerts", rows)
    }
}
