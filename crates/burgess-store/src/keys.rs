//! Keys: wrapped ones only. What unwraps them is never here, nor in a backup of this folder.
//!
//! A subject key opens the personal values of one person in the ledger's side files. It is
//! made when the first event names the person, which is bookkeeping; erasing it is a governed
//! change and for good: the subject never gets another key.

use burgess_core::digest::Digest;
use burgess_core::time::Timestamp;

use crate::change::Versioned;
use crate::error::StoreError;
use crate::row::{count, number};
use crate::sqlite::{BEGIN_WRITE, Connection};
use crate::store::Store;

/// What is known of a subject's key.
#[derive(Clone, PartialEq, Eq)]
pub enum SubjectKey {
    /// No event ever named the subject.
    Never,
    /// The wrapped key.
    Active {
        /// The key, wrapped by the caller.
        wrapped: Vec<u8>,
        /// When it was made.
        created_at: Timestamp,
        /// The record's revision; erasing it builds on this one.
        revision: u64,
    },
    /// It was erased.
    Erased {
        /// When.
        at: Timestamp,
    },
}

impl std::fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Never => "Never",
            Self::Active { .. } => "Active",
            Self::Erased { .. } => "Erased",
        })
    }
}

/// The order to erase a subject's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectErasure {
    /// Fingerprint of the subject (`burgess_core::id::fingerprint`).
    pub subject: Digest,
    /// When.
    pub erased_at: Timestamp,
}

/// Whether a key of the server is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// In use.
    Active,
    /// Rotated out; kept to open or verify what it made.
    Retired,
}

impl KeyState {
    /// The name in tables and events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Retired => "retired",
        }
    }
}

/// A wrapped key of the server itself: of the log, of access tokens, of sealing.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// Its id, as in `kid`.
    pub id: String,
    /// What it is for; keys of different purposes are different keys.
    pub purpose: String,
    /// Whether it is in use.
    pub state: KeyState,
    /// The key, wrapped by the caller.
    pub wrapped: Vec<u8>,
    /// Its public half in text; empty when it has none.
    pub public: String,
    /// When it was made.
    pub created_at: Timestamp,
}

impl std::fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WrappedKey")
            .field("id", &self.id)
            .field("purpose", &self.purpose)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

pub(crate) async fn erase_subject(
    connection: &mut Connection,
    it: &Versioned<SubjectErasure>,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO subject_keys (id, state, wrapped, created_at, erased_at, revision)
         VALUES ($1, 'erased', NULL, $2, $2, $3)
         ON CONFLICT (id) DO UPDATE SET
             state = 'erased', wrapped = NULL, erased_at = excluded.erased_at,
             revision = excluded.revision",
    )
    .bind(it.record.subject.to_string())
    .bind(it.record.erased_at.as_micros())
    .bind(number(it.revision)?)
    .execute(connection)
    .await?;
    Ok(())
}

pub(crate) async fn put(
    connection: &mut Connection,
    it: &Versioned<WrappedKey>,
) -> Result<(), StoreError> {
    let key = &it.record;
    sqlx::query(
        "INSERT INTO wrapped_keys (id, purpose, state, wrapped, public, created_at, revision)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (id) DO UPDATE SET
             state = excluded.state, wrapped = excluded.wrapped, revision = excluded.revision",
    )
    .bind(&key.id)
    .bind(&key.purpose)
    .bind(key.state.as_str())
    .bind(&key.wrapped)
    .bind(&key.public)
    .bind(key.created_at.as_micros())
    .bind(number(it.revision)?)
    .execute(connection)
    .await?;
    Ok(())
}

type SubjectRow = (Option<Vec<u8>>, i64, Option<i64>, i64);

fn subject(row: Option<SubjectRow>) -> Result<SubjectKey, StoreError> {
    Ok(match row {
        None => SubjectKey::Never,
        Some((Some(wrapped), created_at, _, revision)) => SubjectKey::Active {
            wrapped,
            created_at: Timestamp::from_micros(created_at),
            revision: count("subject_keys", revision)?,
        },
        Some((None, created_at, erased_at, _)) => SubjectKey::Erased {
            at: Timestamp::from_micros(erased_at.unwrap_or(created_at)),
        },
    })
}

const SUBJECT: &str =
    "SELECT wrapped, created_at, erased_at, revision FROM subject_keys WHERE id = $1";

type KeyRow = (String, String, String, Vec<u8>, String, i64, i64);

impl Store {
    /// The key of that subject.
    pub async fn subject_key(&self, fingerprint: Digest) -> Result<SubjectKey, StoreError> {
        let row: Option<SubjectRow> = sqlx::query_as(SUBJECT)
            .bind(fingerprint.to_string())
            .fetch_optional(self.readers())
            .await?;
        subject(row)
    }

    /// Keeps `wrapped` as the key of a subject that has none yet, and answers what holds now:
    /// the one of whoever came first, or that the subject was erased.
    pub async fn ensure_subject_key(
        &self,
        fingerprint: Digest,
        wrapped: &[u8],
        now: Timestamp,
    ) -> Result<SubjectKey, StoreError> {
        let key = [(fingerprint, wrapped.to_vec())];
        let held = self.ensure_subject_keys(&key, now).await?.pop();
        Ok(held.unwrap_or(SubjectKey::Never))
    }

    /// As [`Store::ensure_subject_key`], for many subjects in one transaction; answers in their
    /// order.
    pub async fn ensure_subject_keys(
        &self,
        keys: &[(Digest, Vec<u8>)],
        now: Timestamp,
    ) -> Result<Vec<SubjectKey>, StoreError> {
        let mut held = Vec::with_capacity(keys.len());
        let mut tx = self.writer().begin_with(BEGIN_WRITE).await?;
        for (fingerprint, wrapped) in keys {
            sqlx::query(
                "INSERT INTO subject_keys (id, state, wrapped, created_at, erased_at, revision)
                 VALUES ($1, 'active', $2, $3, NULL, 1) ON CONFLICT (id) DO NOTHING",
            )
            .bind(fingerprint.to_string())
            .bind(wrapped)
            .bind(now.as_micros())
            .execute(&mut *tx)
            .await?;
            let row: Option<SubjectRow> = sqlx::query_as(SUBJECT)
                .bind(fingerprint.to_string())
                .fetch_optional(&mut *tx)
                .await?;
            held.push(subject(row)?);
        }
        tx.commit().await?;
        Ok(held)
    }

    /// Keeps the first key for its purpose, at the first start, before there is a policy that could
    /// permit anything; `false` when there is one for that purpose. Rotation is a governed change.
    pub async fn bootstrap_key(&self, key: &WrappedKey) -> Result<bool, StoreError> {
        let mut tx = self.writer().begin_with(BEGIN_WRITE).await?;
        let found: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM wrapped_keys WHERE purpose = $1")
            .bind(&key.purpose)
            .fetch_one(&mut *tx)
            .await?;
        if found > 0 {
            return Ok(false);
        }
        put(&mut tx, &Versioned::new(key.clone())).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// All keys of the server for that purpose, the newest first.
    pub async fn wrapped_keys(
        &self,
        purpose: &str,
    ) -> Result<Vec<Versioned<WrappedKey>>, StoreError> {
        let rows: Vec<KeyRow> = sqlx::query_as(
            "SELECT id, purpose, state, wrapped, public, created_at, revision FROM wrapped_keys
             WHERE purpose = $1 ORDER BY created_at DESC, id DESC",
        )
        .bind(purpose)
        .fetch_all(self.readers())
        .await?;
        rows.into_iter().map(key).collect()
    }
}

fn key(row: KeyRow) -> Result<Versioned<WrappedKey>, StoreError> {
    let (id, purpose, state, wrapped, public, created_at, revision) = row;
    let state = if state == KeyState::Active.as_str() {
        KeyState::Active
    } else {
        KeyState::Retired
    };
    Ok(Versioned {
        revision: count("wrapped_keys", revision)?,
        record: WrappedKey {
            id,
            purpose,
            state,
            wrapped,
            public,
            created_at: Timestamp::from_micros(created_at),
        },
    })
}
