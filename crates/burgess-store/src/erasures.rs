//! Erasures: whose personal values are gone for good, and how far the work on them has come.
//!
//! The key goes with the commit; side files, index and archive are gone through afterwards, which
//! [`Store::note_swept`] notes. What is not swept at a start is gone through again.

use std::path::Path;

use burgess_core::digest::Digest;
use burgess_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::change::Versioned;
use crate::error::StoreError;
use crate::row::{RecordRow, all_versioned, json, number, versioned};
use crate::sqlite::{self, Connection};
use crate::store::{DATABASE, Store};

/// The erasure of one subject. It does not say in the clear whom it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// The subject's alias.
    pub subject: Digest,
    /// What it rests on, as the number of a case; no names.
    pub reason: String,
    /// Who asked for it.
    pub asked_by: String,
    /// When.
    pub asked_at: Timestamp,
    /// Who carried it out, and when.
    pub erased: Option<(String, Timestamp)>,
}

impl Erasure {
    /// The state that events name: `asked`, or `erased` and the alias. The alias stands in the open
    /// part of the entry, so that a store put back from an older copy learns of it from the ledger.
    pub fn state(&self) -> String {
        if self.erased.is_some() {
            format!("{ERASED}{}", self.subject)
        } else {
            "asked".to_owned()
        }
    }

    /// The alias in the state that an event of an erasure names.
    pub fn erased_in(state: &str) -> Option<Digest> {
        Digest::parse(state.strip_prefix(ERASED)?).ok()
    }
}

/// What the state of a done erasure begins with.
const ERASED: &str = "erased ";

pub(crate) async fn put(
    connection: &mut Connection,
    it: &Versioned<Erasure>,
) -> Result<(), StoreError> {
    let erasure = &it.record;
    let id = erasure.subject.to_string();
    sqlx::query(
        "INSERT INTO erasures (id, state, asked_at, swept, revision, record)
         VALUES ($1, $2, $3, 0, $4, $5)
         ON CONFLICT (id) DO UPDATE SET
             state = excluded.state, revision = excluded.revision, record = excluded.record",
    )
    .bind(&id)
    .bind(erasure.state())
    .bind(erasure.asked_at.as_micros())
    .bind(number(it.revision)?)
    .bind(json("erasures", &id, erasure)?)
    .execute(connection)
    .await?;
    Ok(())
}

const UNSWEPT: &str =
    "SELECT id, revision, record FROM erasures WHERE swept = 0 AND state <> 'asked'
     ORDER BY asked_at, id";

/// Erasures in the database of a folder whose traces have not all been gone through. Nothing is
/// locked or changed, so it may be asked beside a running server.
pub async fn unfinished_erasures(dir: &Path) -> Result<Vec<Erasure>, StoreError> {
    let database = dir.join(DATABASE);
    if !database.exists() {
        return Ok(Vec::new());
    }
    let mut connection = sqlite::look(&database).await?;
    let rows: Vec<RecordRow> = sqlx::query_as(UNSWEPT).fetch_all(&mut connection).await?;
    let all: Vec<Versioned<Erasure>> = all_versioned("erasures", rows)?;
    Ok(all.into_iter().map(|it| it.record).collect())
}

impl Store {
    /// The erasure of that subject.
    pub async fn erasure(&self, subject: Digest) -> Result<Option<Versioned<Erasure>>, StoreError> {
        let row: Option<RecordRow> =
            sqlx::query_as("SELECT id, revision, record FROM erasures WHERE id = $1")
                .bind(subject.to_string())
                .fetch_optional(self.readers())
                .await?;
        row.map(|row| versioned("erasures", row)).transpose()
    }

    /// All erasures, the newest first.
    pub async fn erasures(&self) -> Result<Vec<Versioned<Erasure>>, StoreError> {
        let rows: Vec<RecordRow> = sqlx::query_as(
            "SELECT id, revision, record FROM erasures ORDER BY asked_at DESC, id DESC",
        )
        .fetch_all(self.readers())
        .await?;
        all_versioned("erasures", rows)
    }

    /// Subjects whose key is gone and whose traces have not all been gone through.
    pub async fn unswept(&self) -> Result<Vec<Digest>, StoreError> {
        let rows: Vec<RecordRow> = sqlx::query_as(UNSWEPT).fetch_all(self.readers()).await?;
        let all: Vec<Versioned<Erasure>> = all_versioned("erasures", rows)?;
        Ok(all.into_iter().map(|it| it.record.subject).collect())
    }

    /// Notes that everything of that subject has been gone through.
    pub async fn note_swept(&self, subject: Digest) -> Result<(), StoreError> {
        sqlx::query("UPDATE erasures SET swept = 1 WHERE id = $1 AND state <> 'asked'")
            .bind(subject.to_string())
            .execute(self.writer())
            .await?;
        Ok(())
    }

    /// Takes freed pages out of the write-ahead file as well: a key that was overwritten in the
    /// database may still stand there.
    pub async fn forget_freed_pages(&self) -> Result<(), StoreError> {
        let (busy, _, _): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)")
            .fetch_one(self.writer())
            .await?;
        if busy == 0 {
            return Ok(());
        }
        Err(StoreError::Busy)
    }
}
