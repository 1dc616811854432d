//! Idempotency: the answer to a POST is kept under its `Idempotency-Key`, so that a retry gets
//! the same answer and changes nothing (draft-ietf-httpapi-idempotency-key-header).

use burgess_core::digest::Digest;
use burgess_core::time::Timestamp;

use crate::error::StoreError;
use crate::row::{json, parsed, record};
use crate::sqlite::BEGIN_WRITE;
use crate::store::Store;

/// An answer that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Header fields that belong to the answer, name and value.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What is known about a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// It is new, and now taken: carry the request out, then call `finish_idempotent`.
    First,
    /// It was carried out: give this answer again.
    Done(Answer),
    /// It is being carried out: 409.
    Running,
    /// The key was used for another request: 422.
    OtherRequest,
}

type AttemptRow = (String, Option<i64>, Option<String>, Option<Vec<u8>>);

fn attempt(row: AttemptRow, request: Digest) -> Result<Attempt, StoreError> {
    const TABLE: &str = "idempotency";
    let (digest, status, headers, body) = row;
    if parsed(TABLE, &digest, Digest::parse)? != request {
        return Ok(Attempt::OtherRequest);
    }
    let Some(status) = status else {
        return Ok(Attempt::Running);
    };
    let headers = match headers {
        Some(text) => record(TABLE, &digest, &text)?,
        None => Vec::new(),
    };
    Ok(Attempt::Done(Answer {
        status: u16::try_from(status)
            .map_err(|_| StoreError::damaged(TABLE, &digest, "the status is out of range"))?,
        headers,
        body: body.unwrap_or_default(),
    }))
}

impl Store {
    /// Takes the key for one principal, or says what became of it. `request` is the digest of
    /// method, path and body. All three stand in the database as they are given: give keyed digests.
    pub async fn begin_idempotent(
        &self,
        principal: &str,
        key: &str,
        request: Digest,
        now: Timestamp,
    ) -> Result<Attempt, StoreError> {
        let mut tx = self.writer().begin_with(BEGIN_WRITE).await?;
        let row: Option<AttemptRow> = sqlx::query_as(
            "SELECT request_digest, status, headers, body FROM idempotency
             WHERE principal = $1 AND key = $2",
        )
        .bind(principal)
        .bind(key)
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(row) = row {
            return attempt(row, request);
        }
        sqlx::query(
            "INSERT INTO idempotency (principal, key, request_digest, created_at)
             VALUES ($1, $2, $3, $4)",
        )
        .bind(principal)
        .bind(key)
        .bind(request.to_string())
        .bind(now.as_micros())
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Attempt::First)
    }

    /// Keeps the answer. Do not keep answers that a retry should not get, as 5xx: call
    /// [`Store::abandon_idempotent`] instead.
    pub async fn finish_idempotent(
        &self,
        principal: &str,
        key: &str,
        answer: &Answer,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE idempotency SET status = $3, headers = $4, body = $5
             WHERE principal = $1 AND key = $2",
        )
        .bind(principal)
        .bind(key)
        .bind(i64::from(answer.status))
        .bind(json("idempotency", key, &answer.headers)?)
        .bind(&answer.body)
        .execute(self.writer())
        .await?;
        Ok(())
    }

    /// Gives the key back, so that a retry carries the request out.
    pub async fn abandon_idempotent(&self, principal: &str, key: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM idempotency WHERE principal = $1 AND key = $2 AND status IS NULL")
            .bind(principal)
            .bind(key)
            .execute(self.writer())
            .await?;
        Ok(())
    }

    /// Gives this answer to all that is being carried out; answers how many. For a start alone: whoever
    /// carried it out is dead, and what became of it nobody knows.
    pub async fn settle_idempotent(&self, answer: &Answer) -> Result<u64, StoreError> {
        let done = sqlx::query(
            "UPDATE idempotency SET status = $1, headers = $2, body = $3 WHERE status IS NULL",
        )
        .bind(i64::from(answer.status))
        .bind(json("idempotency", "unanswered", &answer.headers)?)
        .bind(&answer.body)
        .execute(self.writer())
        .await?;
        Ok(done.rows_affected())
    }

    /// Puts this answer in the place of all that are kept, so that nothing of them is left; answers how
    /// many.
    pub async fn blank_idempotent(&self, answer: &Answer) -> Result<u64, StoreError> {
        let done = sqlx::query(
            "UPDATE idempotency SET status = $1, headers = $2, body = $3 WHERE status IS NOT NULL",
        )
        .bind(i64::from(answer.status))
        .bind(json("idempotency", "answered", &answer.headers)?)
        .bind(&answer.body)
        .execute(self.writer())
        .await?;
        Ok(done.rows_affected())
    }

    /// Removes keys taken before `before`; answers how many.
    pub async fn prune_idempotent(&self, before: Timestamp) -> Result<u64, StoreError> {
        let done = sqlx::query("DELETE FROM idempotency WHERE created_at < $1")
            .bind(before.as_micros())
            .execute(self.writer())
            .await?;
        Ok(done.rows_affected())
    }
}
