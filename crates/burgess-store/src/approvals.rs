//! Approvals: what was granted, and whether it is still in force.

use burgess_core::approval::Approval;
use burgess_core::id::{AppId, ApprovalId};
use burgess_core::time::Timestamp;

use crate::change::Versioned;
use crate::error::StoreError;
use crate::row::{RecordRow, all_versioned, json, number, versioned};
use crate::sqlite::Connection;
use crate::store::Store;

/// The state that events name: `in_force` until it is `voided`. Expiry is a matter of time
/// until a job voids it with an event.
pub fn state(approval: &Approval) -> &'static str {
    if approval.voided.is_some() {
        "voided"
    } else {
        "in_force"
    }
}

pub(crate) async fn put(
    connection: &mut Connection,
    it: &Versioned<Approval>,
) -> Result<(), StoreError> {
    let approval = &it.record;
    sqlx::query(
        "INSERT INTO approvals (id, app, request, state, granted_at, expires_at, revision, record)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (id) DO UPDATE SET
             state = excluded.state, granted_at = excluded.granted_at,
             expires_at = excluded.expires_at, revision = excluded.revision,
             record = excluded.record",
    )
    .bind(approval.id.as_str())
    .bind(approval.app.as_str())
    .bind(approval.request.as_str())
    .bind(state(approval))
    .bind(approval.granted_at.as_micros())
    .bind(approval.expires_at.as_micros())
    .bind(number(it.revision)?)
    .bind(json("approvals", approval.id.as_str(), approval)?)
    .execute(connection)
    .await?;
    Ok(())
}

impl Store {
    /// The approval of that id.
    pub async fn approval(
        &self,
        id: &ApprovalId,
    ) -> Result<Option<Versioned<Approval>>, StoreError> {
        let row: Option<RecordRow> =
            sqlx::query_as("SELECT id, revision, record FROM approvals WHERE id = $1")
                .bind(id.as_str())
                .fetch_optional(self.readers())
                .await?;
        row.map(|row| versioned("approvals", row)).transpose()
    }

    /// All approvals of an app, the newest first.
    pub async fn approvals_of(&self, app: &AppId) -> Result<Vec<Versioned<Approval>>, StoreError> {
        let rows: Vec<RecordRow> = sqlx::query_as(
            "SELECT id, revision, record FROM approvals WHERE app = $1
             ORDER BY granted_at DESC, id DESC",
        )
        .bind(app.as_str())
        .fetch_all(self.readers())
        .await?;
        all_versioned("approvals", rows)
    }

    /// Approvals that nothing voided though their time was up at `now`.
    pub async fn approvals_expired(
        &self,
        now: Timestamp,
    ) -> Result<Vec<Versioned<Approval>>, StoreError> {
        let rows: Vec<RecordRow> = sqlx::query_as(
            "SELECT id, revision, record FROM approvals
             WHERE state = 'in_force' AND expires_at <= $1 ORDER BY expires_at, id",
        )
        .bind(now.as_micros())
        .fetch_all(self.readers())
        .await?;
        all_versioned("approvals", rows)
    }

    /// Approvals in force, all apps: what a new policy set or rubric has to look at again.
    pub async fn approvals_in_force(
        &self,
        now: Timestamp,
    ) -> Result<Vec<Versioned<Approval>>, StoreError> {
        let rows: Vec<RecordRow> = sqlx::query_as(
            "SELECT id, revision, record FROM approvals
             WHERE state = 'in_force' AND expires_at > $1 ORDER BY id",
        )
        .bind(now.as_micros())
        .fetch_all(self.readers())
        .await?;
        all_versioned("approvals", rows)
    }
}
