//! Requests: the cases that reviewers see, and the queue with its clocks (R33).

use burgess_core::id::{AppId, RequestId};
use burgess_core::intake::{Request, RequestState};
use burgess_core::time::Timestamp;

use crate::error::StoreError;
use crate::row::{json, number, record};
use crate::sqlite::Connection;
use crate::store::Store;

type RequestRow = (String, String);

pub(crate) async fn put(connection: &mut Connection, request: &Request) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO requests (id, app, state, submitted_by, submitted_at, warn_at, due_at,
                               revision, record)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (id) DO UPDATE SET
             state = excluded.state, submitted_by = excluded.submitted_by,
             submitted_at = excluded.submitted_at, warn_at = excluded.warn_at,
             due_at = excluded.due_at, revision = excluded.revision, record = excluded.record",
    )
    .bind(request.id.as_str())
    .bind(request.app.as_str())
    .bind(request.state.as_str())
    .bind(request.submitted_by.as_str())
    .bind(request.submitted_at.as_micros())
    .bind(request.sla.map(|sla| sla.warn_at.as_micros()))
    .bind(request.sla.map(|sla| sla.due_at.as_micros()))
    .bind(number(request.revision)?)
    .bind(json("requests", request.id.as_str(), request)?)
    .execute(connection)
    .await?;
    Ok(())
}

fn read((id, text): RequestRow) -> Result<Request, StoreError> {
    record("requests", &id, &text)
}

fn read_all(rows: Vec<RequestRow>) -> Result<Vec<Request>, StoreError> {
    rows.into_iter().map(read).collect()
}

impl Store {
    /// The request of that id.
    pub async fn request(&self, id: &RequestId) -> Result<Option<Request>, StoreError> {
        let row: Option<RequestRow> =
            sqlx::query_as("SELECT id, record FROM requests WHERE id = $1")
                .bind(id.as_str())
                .fetch_optional(self.readers())
                .await?;
        row.map(read).transpose()
    }

    /// All requests of an app, the newest first.
    pub async fn requests_of(&self, app: &AppId) -> Result<Vec<Request>, StoreError> {
        let rows: Vec<RequestRow> = sqlx::query_as(
            "SELECT id, record FROM requests WHERE app = $1 ORDER BY submitted_at DESC, id DESC",
        )
        .bind(app.as_str())
        .fetch_all(self.readers())
        .await?;
        read_all(rows)
    }

    /// The queue: handed in and not decided to the end, the most urgent first; those without a
    /// clock last.
    pub async fn queue(&self) -> Result<Vec<Request>, StoreError> {
        let rows: Vec<RequestRow> = sqlx::query_as(
            "SELECT id, record FROM requests
             WHERE state IN ($1, $2)
             ORDER BY due_at IS NULL, due_at, submitted_at, id",
        )
        .bind(RequestState::Submitted.as_str())
        .bind(RequestState::InReview.as_str())
        .fetch_all(self.readers())
        .await?;
        read_all(rows)
    }

    /// Requests in that state, the newest first.
    pub async fn requests_in(&self, state: RequestState) -> Result<Vec<Request>, StoreError> {
        let rows: Vec<RequestRow> = sqlx::query_as(
            "SELECT id, record FROM requests WHERE state = $1 ORDER BY submitted_at DESC, id DESC",
        )
        .bind(state.as_str())
        .fetch_all(self.readers())
        .await?;
        read_all(rows)
    }

    /// Requests in the queue whose warning (R33) is reached at `now`, the most urgent first.
    pub async fn requests_warned(&self, now: Timestamp) -> Result<Vec<Request>, StoreError> {
        let mut requests = self.queue().await?;
        requests.retain(|request| request.sla.is_some_and(|sla| now >= sla.warn_at));
        Ok(requests)
    }
}
