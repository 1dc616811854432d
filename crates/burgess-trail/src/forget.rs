//! Forgetting: an erased subject's tokens leave the index, and so do entries that were pruned.
//!
//! The rows of an erased subject stay and are found by what is open in them. Not here: the erasure
//! itself; whoever destroys the key calls this, and may call it again.

use crate::entry::Token;
use crate::error::TrailError;
use crate::index::{Trail, signed, unsigned};

/// Who is erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// An actor, with everything that is sealed under the actor's key.
    Actor(Token),
    /// One resource.
    Resource {
        /// Its kind.
        resource_type: String,
        /// The token of its id.
        token: Token,
    },
}

impl Trail {
    /// Drops the tokens of `subjects` everywhere and answers in how many entries they stood. When
    /// it answers, no page of the file holds them: `secure_delete` overwrites rows, and the words'
    /// index is written anew without them (its deletions are marks until then).
    pub async fn forget(&self, subjects: &[Subject]) -> Result<u64, TrailError> {
        let _turn = self.writing.lock().await;
        let mut tx = self.pool().begin_with("BEGIN IMMEDIATE").await?;
        let mut entries = 0u64;
        for subject in subjects {
            let (words, columns, bound) = match subject {
                Subject::Actor(token) => (
                    "DELETE FROM blind WHERE rowid IN (SELECT id * 2 FROM events WHERE actor = $1)",
                    "UPDATE events SET actor = NULL WHERE actor = $1",
                    (token, None),
                ),
                Subject::Resource {
                    resource_type,
                    token,
                } => (
                    "DELETE FROM blind WHERE rowid IN (SELECT id * 2 + 1 FROM events
                     WHERE resource = $1 AND resource_type =
                           (SELECT code FROM codes WHERE kind = 4 AND text = $2))",
                    "UPDATE events SET resource = NULL WHERE resource = $1 AND resource_type =
                           (SELECT code FROM codes WHERE kind = 4 AND text = $2)",
                    (token, Some(resource_type)),
                ),
            };
            for sql in [words, columns] {
                let mut query = sqlx::query(sql).bind(bound.0.number());
                if let Some(resource_type) = bound.1 {
                    query = query.bind(resource_type);
                }
                let changed = query.execute(&mut *tx).await?.rows_affected();
                if sql == columns {
                    entries = entries.saturating_add(changed);
                }
            }
        }
        if entries > 0 {
            sqlx::query("INSERT INTO blind (blind) VALUES ('optimize')")
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        // The write-ahead file still holds the pages as they were.
        self.fold().await?;
        Ok(entries)
    }

    /// Drops the entries of a shard below `index`, which its log has pruned, and answers how many.
    /// Entries up to there need not be handed over any more.
    pub async fn prune(&self, shard: &str, index: u64) -> Result<u64, TrailError> {
        let _turn = self.writing.lock().await;
        let mut tx = self.pool().begin_with("BEGIN IMMEDIATE").await?;
        let index = signed(index)?;
        sqlx::query(
            "INSERT INTO shards (rank, name, first, next)
             SELECT COALESCE(MAX(rank), 0) + 1, $1, $2, $2 FROM shards WHERE true
             ON CONFLICT (name) DO UPDATE SET first = MAX(first, excluded.first),
                                              next = MAX(next, excluded.next)",
        )
        .bind(shard)
        .bind(index)
        .execute(&mut *tx)
        .await?;
        const GONE: &str = "rank = (SELECT rank FROM shards WHERE name = $1) AND idx < $2";
        for half in ["id * 2", "id * 2 + 1"] {
            let sql = format!(
                "DELETE FROM blind WHERE rowid IN (SELECT {half} FROM events WHERE {GONE})"
            );
            sqlx::query(sqlx::AssertSqlSafe(sql))
                .bind(shard)
                .bind(index)
                .execute(&mut *tx)
                .await?;
        }
        let sql = format!("DELETE FROM events WHERE {GONE}");
        let gone = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(shard)
            .bind(index)
            .execute(&mut *tx)
            .await?
            .rows_affected();
        tx.commit().await?;
        Ok(gone)
    }

    /// The first entry of a shard that was not pruned.
    pub async fn first_kept(&self, shard: &str) -> Result<u64, TrailError> {
        let first: Option<i64> = sqlx::query_scalar("SELECT first FROM shards WHERE name = $1")
            .bind(shard)
            .fetch_optional(self.pool())
            .await?;
        unsigned(first.unwrap_or_default())
    }

    /// Moves everything out of the write-ahead file and cuts it to nothing.
    async fn fold(&self) -> Result<(), TrailError> {
        let (busy, _, _): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)")
            .fetch_one(self.pool())
            .await?;
        match busy {
            0 => Ok(()),
            _ => Err(TrailError::Held),
        }
    }
}
