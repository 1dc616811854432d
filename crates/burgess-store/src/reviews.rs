//! Reviews: the periodic ones (R61, R62).

use burgess_core::id::{AppId, ReviewId};
use burgess_core::review::Review;

use crate::change::Versioned;
use crate::error::StoreError;
use crate::row::{RecordRow, all_versioned, json, number, versioned};
use crate::sqlite::Connection;
use crate::store::Store;

/// The state that events name: `open` until it is `completed`.
pub fn state(review: &Review) -> &'static str {
    if review.completed.is_some() {
        "completed"
    } else {
        "open"
    }
}

pub(crate) async fn put(
    connection: &mut Connection,
    it: &Versioned<Review>,
) -> Result<(), StoreError> {
    let review = &it.record;
    sqlx::query(
        "INSERT INTO reviews (id, app, state, due_at, revision, record)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (id) DO UPDATE SET
             state = excluded.state, due_at = excluded.due_at, revision = excluded.revision,
             record = excluded.record",
    )
    .bind(review.id.as_str())
    .bind(review.app.as_str())
    .bind(state(review))
    .bind(review.due_at.as_micros())
    .bind(number(it.revision)?)
    .bind(json("reviews", review.id.as_str(), review)?)
    .execute(connection)
    .await?;
    Ok(())
}

impl Store {
    /// The review of that id.
    pub async fn review(&self, id: &ReviewId) -> Result<Option<Versioned<Review>>, StoreError> {
        let row: Option<RecordRow> =
            sqlx::query_as("SELECT id, revision, record FROM reviews WHERE id = $1")
                .bind(id.as_str())
                .fetch_optional(self.readers())
                .await?;
        row.map(|row| versioned("reviews", row)).transpose()
    }

    /// All reviews of an app, the newest first.
    pub async fn reviews_of(&self, app: &AppId) -> Result<Vec<Versioned<Review>>, StoreError> {
        let rows: Vec<RecordRow> = sqlx::query_as(
            "SELECT id, revision, record FROM reviews WHERE app = $1 ORDER BY due_at DESC, id DESC",
        )
        .bind(app.as_str())
        .fetch_all(self.readers())
        .await?;
        all_versioned("reviews", rows)
    }

    /// All open reviews, the one due first first.
    pub async fn open_reviews(&self) -> Result<Vec<Versioned<Review>>, StoreError> {
        let rows: Vec<RecordRow> = sqlx::query_as(
            "SELECT id, revision, record FROM reviews WHERE state = 'open' ORDER BY due_at, id",
        )
        .fetch_all(self.readers())
        .await?;
        all_versioned("reviews", rows)
    }
}
