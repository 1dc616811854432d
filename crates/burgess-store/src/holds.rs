//! Legal holds: what must neither be pruned nor erased nor destroyed, and why.

use burgess_core::digest::Digest;
use burgess_core::id::AppId;
use burgess_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::change::Versioned;
use crate::error::StoreError;
use crate::row::{RecordRow, all_versioned, json, number, versioned};
use crate::sqlite::Connection;
use crate::store::Store;

/// What a hold covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "of", rename_all = "snake_case")]
pub enum Covers {
    /// Everything about one app: its archive, and every shard, since any may hold its entries.
    App(AppId),
    /// One shard of the ledger, by its name.
    Shard(String),
    /// One subject, by its alias: a hold must not say in the clear whom it is about.
    Subject(Digest),
    /// Everything: what stands in for a hold of which the ledger tells, and not what it covers.
    Everything,
}

/// One hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Its id.
    pub id: String,
    /// What it covers.
    pub covers: Covers,
    /// What else stands for the subject: somebody who acts is also acted upon, under another alias.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Digest>,
    /// Why, as the number of a case; no names.
    pub reason: String,
    /// Who placed it.
    pub placed_by: String,
    /// When.
    pub placed_at: Timestamp,
    /// Who released it, when and why.
    pub released: Option<(String, Timestamp, String)>,
}

impl Hold {
    /// The aliases of the subject that it covers.
    pub fn aliases(&self) -> impl Iterator<Item = &Digest> {
        let first = match &self.covers {
            Covers::Subject(alias) => Some(alias),
            _ => None,
        };
        first.into_iter().chain(&self.also)
    }

    /// The state that events name. It stands in the open part of their entries, with what is covered
    /// as aliases and names, so that a store put back from an older copy learns of it from the ledger.
    pub fn state(&self) -> String {
        let id = &self.id;
        if self.released.is_some() {
            return format!("{RELEASED}{id}");
        }
        let covered = match &self.covers {
            Covers::App(app) => format!("app {app}"),
            Covers::Shard(shard) => format!("shard {shard}"),
            Covers::Subject(alias) => format!("subject {alias}"),
            Covers::Everything => EVERYTHING.to_owned(),
        };
        let also = self.also.iter().map(|alias| format!(" {alias}"));
        format!("{PLACED}{id} {covered}{}", also.collect::<String>())
    }

    /// Id and cover of the hold in the state that an event of its placing names.
    pub fn placed_in(state: &str) -> Option<(String, Covers, Vec<Digest>)> {
        let mut words = state.strip_prefix(PLACED)?.split(' ');
        let (id, kind) = (words.next()?, words.next()?);
        let covers = match (kind, words.next()) {
            ("app", Some(of)) => Covers::App(AppId::parse(of).ok()?),
            ("shard", Some(of)) => Covers::Shard(of.to_owned()),
            ("subject", Some(of)) => Covers::Subject(Digest::parse(of).ok()?),
            (EVERYTHING, None) => Covers::Everything,
            _ => return None,
        };
        let also: Result<Vec<Digest>, _> = words.map(Digest::parse).collect();
        Some((id.to_owned(), covers, also.ok()?))
    }

    /// The id of the hold in the state that an event of its release names.
    pub fn released_in(state: &str) -> Option<&str> {
        state.strip_prefix(RELEASED)
    }
}

/// What the state of a hold in force begins with.
const PLACED: &str = "placed ";
/// What stands there for what a hold on everything covers.
const EVERYTHING: &str = "everything";
/// What the state of a released hold begins with.
const RELEASED: &str = "released ";

pub(crate) async fn put(
    connection: &mut Connection,
    it: &Versioned<Hold>,
) -> Result<(), StoreError> {
    let hold = &it.record;
    sqlx::query(
        "INSERT INTO holds (id, state, placed_at, revision, record) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (id) DO UPDATE SET
             state = excluded.state, revision = excluded.revision, record = excluded.record",
    )
    .bind(&hold.id)
    .bind(hold.state())
    .bind(hold.placed_at.as_micros())
    .bind(number(it.revision)?)
    .bind(json("holds", &hold.id, hold)?)
    .execute(connection)
    .await?;
    Ok(())
}

impl Store {
    /// The hold of that id.
    pub async fn hold(&self, id: &str) -> Result<Option<Versioned<Hold>>, StoreError> {
        let row: Option<RecordRow> =
            sqlx::query_as("SELECT id, revision, record FROM holds WHERE id = $1")
                .bind(id)
                .fetch_optional(self.readers())
                .await?;
        row.map(|row| versioned("holds", row)).transpose()
    }

    /// All holds, the newest first; those in force alone if asked.
    pub async fn holds(&self, in_force: bool) -> Result<Vec<Versioned<Hold>>, StoreError> {
        let rows: Vec<RecordRow> = sqlx::query_as(
            "SELECT id, revision, record FROM holds WHERE substr(state, 1, 7) = 'placed ' OR NOT $1
             ORDER BY placed_at DESC, id DESC",
        )
        .bind(in_force)
        .fetch_all(self.readers())
        .await?;
        all_versioned("holds", rows)
    }
}
