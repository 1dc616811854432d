//! Catching up with a ledger that is ahead, because this database was put back from an older copy.
//!
//! The ledger tells in the open what must not be forgotten: who was erased, and what is held. Not
//! here: reading the ledger.

use burgess_core::digest::Digest;
use burgess_core::time::Timestamp;

use crate::change::Versioned;
use crate::erasures::{self, Erasure};
use crate::error::StoreError;
use crate::holds::{self, Covers, Hold};
use crate::keys::{SubjectErasure, erase_subject};
use crate::row::{RecordRow, count, number, versioned};
use crate::sqlite::{BEGIN_WRITE, Connection};
use crate::store::Store;

/// Something that the ledger knows and an older database does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Since {
    /// A subject was erased.
    Erased {
        /// Its alias.
        subject: Digest,
        /// When.
        at: Timestamp,
    },
    /// A legal hold was placed.
    Placed {
        /// The hold's id.
        id: String,
        /// What it covers.
        covers: Covers,
        /// What else stands for the subject.
        also: Vec<Digest>,
        /// When.
        at: Timestamp,
    },
    /// A legal hold was released.
    Released {
        /// The hold's id.
        id: String,
        /// When.
        at: Timestamp,
    },
}

/// What is known of a subject: revision of its key and whether there is one; revision of its
/// erasure and whether it is done.
const KNOWN: &str = "SELECT
    COALESCE((SELECT revision FROM subject_keys WHERE id = $1), 0),
    EXISTS (SELECT 1 FROM subject_keys WHERE id = $1 AND state = 'active'),
    COALESCE((SELECT revision FROM erasures WHERE id = $1), 0),
    EXISTS (SELECT 1 FROM erasures WHERE id = $1 AND state <> 'asked')";

/// What stands for what an older copy of the database did not know.
const REPLAYED: &str = "from the ledger";

impl Store {
    /// Carries out what the ledger tells of, in its order, and lets numbers to the ledger go on
    /// after its own. The events of all that are in the ledger already. What is known changes nothing.
    pub async fn catch_up(&self, ledger_seq: u64, since: &[Since]) -> Result<(), StoreError> {
        let mut tx = self.writer().begin_with(BEGIN_WRITE).await?;
        for it in since {
            match it {
                Since::Erased { subject, at } => erase(&mut tx, *subject, *at).await?,
                Since::Placed {
                    id,
                    covers,
                    also,
                    at,
                } => {
                    let hold = Hold {
                        id: id.clone(),
                        covers: covers.clone(),
                        also: also.clone(),
                        reason: REPLAYED.to_owned(),
                        placed_by: REPLAYED.to_owned(),
                        placed_at: *at,
                        released: None,
                    };
                    place(&mut tx, hold).await?;
                }
                Since::Released { id, at } => release(&mut tx, id, *at).await?,
            }
        }
        sqlx::query("UPDATE outbox_head SET last_seq = $1 WHERE one = 1 AND last_seq < $1")
            .bind(number(ledger_seq)?)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }
}

async fn erase(
    connection: &mut Connection,
    subject: Digest,
    at: Timestamp,
) -> Result<(), StoreError> {
    let (key, active, erasure, done): (i64, bool, i64, bool) = sqlx::query_as(KNOWN)
        .bind(subject.to_string())
        .fetch_one(&mut *connection)
        .await?;
    if done && !active {
        return Ok(());
    }
    let key = Versioned {
        revision: count("subject_keys", key)? + 1,
        record: SubjectErasure {
            subject,
            erased_at: at,
        },
    };
    erase_subject(connection, &key).await?;
    let erasure = Versioned {
        revision: count("erasures", erasure)? + 1,
        record: Erasure {
            subject,
            reason: REPLAYED.to_owned(),
            asked_by: REPLAYED.to_owned(),
            asked_at: at,
            erased: Some((REPLAYED.to_owned(), at)),
        },
    };
    erasures::put(connection, &erasure).await
}

async fn place(connection: &mut Connection, hold: Hold) -> Result<(), StoreError> {
    match held(connection, &hold.id).await? {
        Some(_) => Ok(()),
        None => holds::put(connection, &Versioned::new(hold)).await,
    }
}

async fn release(connection: &mut Connection, id: &str, at: Timestamp) -> Result<(), StoreError> {
    let held = held(connection, id).await?;
    let Some(held) = held.filter(|it| it.record.released.is_none()) else {
        return Ok(());
    };
    let mut released = held.record.clone();
    released.released = Some((REPLAYED.to_owned(), at, REPLAYED.to_owned()));
    holds::put(connection, &held.next(released)).await
}

async fn held(
    connection: &mut Connection,
    id: &str,
) -> Result<Option<Versioned<Hold>>, StoreError> {
    let row: Option<RecordRow> =
        sqlx::query_as("SELECT id, revision, record FROM holds WHERE id = $1")
            .bind(id)
            .fetch_optional(connection)
            .await?;
    row.map(|row| versioned("holds", row)).transpose()
}
