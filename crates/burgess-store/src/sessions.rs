//! Sessions: one-time sign-in links, and what a browser gets for one.
//!
//! Only SHA-256 of the secrets is kept: they have 256 random bits each, so they need no slow
//! hash, and a stolen database opens no door. Making a link is a governed change; redeeming one
//! and being seen are bookkeeping, with an event of their own that the caller commits.

use burgess_core::digest::Digest;
use burgess_core::id::Email;
use burgess_core::time::{Span, Timestamp};
use serde::{Deserialize, Serialize};

use crate::change::Versioned;
use crate::error::StoreError;
use crate::row::{json, number, parsed, record};
use crate::sqlite::{BEGIN_WRITE, Connection};
use crate::store::Store;

/// A one-time sign-in link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// SHA-256 of the secret in the link.
    pub secret_digest: Digest,
    /// Whom it signs in.
    pub person: Email,
    /// When it was made.
    pub created_at: Timestamp,
    /// From this moment on it is no good.
    pub expires_at: Timestamp,
    /// When it was redeemed.
    pub used_at: Option<Timestamp>,
}

impl Invite {
    /// The state that events name.
    pub const fn state(&self) -> &'static str {
        match self.used_at {
            Some(_) => "used",
            None => "open",
        }
    }
}

/// A browser that is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// SHA-256 of the secret in the cookie.
    pub secret_digest: Digest,
    /// Who.
    pub person: Email,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was last seen.
    pub last_seen_at: Timestamp,
    /// It ends when it was not seen for that long.
    pub idle: Span,
    /// It ends then, however busy.
    pub ends_at: Timestamp,
}

impl Session {
    /// Whether it is good at `now`.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        now < self.ends_at && now < self.last_seen_at.plus(self.idle)
    }
}

/// What redeeming a link came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redeemed {
    /// The session has begun.
    Session(Session),
    /// There is no such link.
    Unknown,
    /// It was used before, at this time.
    Used(Timestamp),
    /// It expired at this time.
    Expired(Timestamp),
    /// The person's account is not in use.
    Inactive(Email),
}

/// How long a new session holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTerms {
    /// Without being seen.
    pub idle: Span,
    /// At most.
    pub absolute: Span,
}

impl Default for SessionTerms {
    /// A coffee break and a working day.
    fn default() -> Self {
        Self {
            idle: Span::minutes(30),
            absolute: Span::hours(12),
        }
    }
}

type SessionRow = (String, String, i64, i64, i64, i64);

const MICROS: i64 = 1_000_000;

fn session(row: SessionRow) -> Result<Session, StoreError> {
    let (id, person, started_at, last_seen_at, idle, ends_at) = row;
    Ok(Session {
        secret_digest: parsed("sessions", &id, Digest::parse)?,
        person: parsed("sessions", &person, Email::parse)?,
        started_at: Timestamp::from_micros(started_at),
        last_seen_at: Timestamp::from_micros(last_seen_at),
        idle: Span::seconds(idle / MICROS),
        ends_at: Timestamp::from_micros(ends_at),
    })
}

pub(crate) async fn put(
    connection: &mut Connection,
    it: &Versioned<Invite>,
) -> Result<(), StoreError> {
    let invite = &it.record;
    let id = invite.secret_digest.to_string();
    sqlx::query(
        "INSERT INTO invites (id, person, state, expires_at, revision, record)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (id) DO UPDATE SET
             state = excluded.state, expires_at = excluded.expires_at,
             revision = excluded.revision, record = excluded.record",
    )
    .bind(&id)
    .bind(invite.person.as_str())
    .bind(invite.state())
    .bind(invite.expires_at.as_micros())
    .bind(number(it.revision)?)
    .bind(json("invites", &id, invite)?)
    .execute(connection)
    .await?;
    Ok(())
}

impl Store {
    /// Redeems a one-time link for a session, both or neither: of two who try at once one gets
    /// the session and the other [`Redeemed::Used`].
    pub async fn redeem_invite(
        &self,
        invite_digest: Digest,
        session_digest: Digest,
        terms: SessionTerms,
        now: Timestamp,
    ) -> Result<Redeemed, StoreError> {
        let mut tx = self.writer().begin_with(BEGIN_WRITE).await?;
        let row: Option<(String, String, String)> = sqlx::query_as(
            "SELECT invites.id, invites.record, people.state
             FROM invites JOIN people ON people.id = invites.person WHERE invites.id = $1",
        )
        .bind(invite_digest.to_string())
        .fetch_optional(&mut *tx)
        .await?;
        let Some((id, text, person_state)) = row else {
            return Ok(Redeemed::Unknown);
        };
        let mut invite: Invite = record("invites", &id, &text)?;
        if let Some(used_at) = invite.used_at {
            return Ok(Redeemed::Used(used_at));
        }
        if now >= invite.expires_at {
            return Ok(Redeemed::Expired(invite.expires_at));
        }
        if person_state != "active" {
            return Ok(Redeemed::Inactive(invite.person));
        }
        invite.used_at = Some(now);
        sqlx::query(
            "UPDATE invites SET state = 'used', record = $2, revision = revision + 1 WHERE id = $1",
        )
        .bind(&id)
        .bind(json("invites", &id, &invite)?)
        .execute(&mut *tx)
        .await?;
        let session = Session {
            secret_digest: session_digest,
            person: invite.person,
            started_at: now,
            last_seen_at: now,
            idle: terms.idle,
            ends_at: now.plus(terms.absolute),
        };
        insert(&mut tx, &session).await?;
        tx.commit().await?;
        Ok(Redeemed::Session(session))
    }

    /// The session of that secret's digest, if it is good at `now` and its person is active.
    pub async fn session(
        &self,
        secret_digest: Digest,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        let row: Option<SessionRow> = sqlx::query_as(
            "SELECT sessions.id, person, started_at, last_seen_at, idle_micros, ends_at
             FROM sessions JOIN people ON people.id = sessions.person
             WHERE sessions.id = $1 AND people.state = 'active'",
        )
        .bind(secret_digest.to_string())
        .fetch_optional(self.readers())
        .await?;
        let session = row.map(session).transpose()?;
        Ok(session.filter(|session| session.is_valid(now)))
    }

    /// Notes that the session was seen at `now`. A session that is over does not come back.
    pub async fn touch_session(
        &self,
        secret_digest: Digest,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE sessions SET last_seen_at = $2
             WHERE id = $1 AND last_seen_at < $2
               AND last_seen_at + idle_micros > $2 AND ends_at > $2",
        )
        .bind(secret_digest.to_string())
        .bind(now.as_micros())
        .execute(self.writer())
        .await?;
        Ok(())
    }

    /// Ends a session; `false` when there was none.
    pub async fn end_session(&self, secret_digest: Digest) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM sessions WHERE id = $1")
            .bind(secret_digest.to_string())
            .execute(self.writer())
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Removes sessions that are over at `now`; answers how many.
    pub async fn prune_sessions(&self, now: Timestamp) -> Result<u64, StoreError> {
        let done = sqlx::query(
            "DELETE FROM sessions WHERE ends_at <= $1 OR last_seen_at + idle_micros <= $1",
        )
        .bind(now.as_micros())
        .execute(self.writer())
        .await?;
        Ok(done.rows_affected())
    }
}

async fn insert(connection: &mut Connection, session: &Session) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO sessions (id, person, started_at, last_seen_at, idle_micros, ends_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(session.secret_digest.to_string())
    .bind(session.person.as_str())
    .bind(session.started_at.as_micros())
    .bind(session.last_seen_at.as_micros())
    .bind(session.idle.as_seconds().saturating_mul(MICROS))
    .bind(session.ends_at.as_micros())
    .execute(connection)
    .await?;
    Ok(())
}
