//! Apps: the inventory (R2 to R4).
//!
//! When an app was last used is noted on every call and is no governed change, so it lies in a
//! table of its own and is put into the record when it is read.

use burgess_core::app::App;
use burgess_core::data::Classification;
use burgess_core::id::{AppId, Email};
use burgess_core::lifecycle::State;
use burgess_core::time::Timestamp;

use crate::error::StoreError;
use crate::row::{json, number, record};
use crate::sqlite::Connection;
use crate::store::Store;

/// Which apps to list; `None` does not narrow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppFilter {
    /// Owner, second owner or developer.
    pub person: Option<Email>,
    /// Accountable owner.
    pub owner: Option<Email>,
    /// Class.
    pub classification: Option<Classification>,
    /// State.
    pub state: Option<State>,
    /// Business unit.
    pub unit: Option<String>,
}

type AppRow = (String, String, Option<i64>);

pub(crate) async fn put(connection: &mut Connection, app: &App) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO apps (id, name, unit, developer, owner, second_owner, classification, state,
                           band, score, created_at, revision, record)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         ON CONFLICT (id) DO UPDATE SET
             name = excluded.name, unit = excluded.unit, developer = excluded.developer,
             owner = excluded.owner, second_owner = excluded.second_owner,
             classification = excluded.classification, state = excluded.state,
             band = excluded.band, score = excluded.score, revision = excluded.revision,
             record = excluded.record",
    )
    .bind(app.id.as_str())
    .bind(&app.name)
    .bind(&app.unit)
    .bind(app.developer.as_str())
    .bind(app.owner.as_str())
    .bind(app.second_owner.as_ref().map(Email::as_str))
    .bind(app.classification.as_str())
    .bind(app.state.as_str())
    .bind(app.band.as_str())
    .bind(i64::from(app.score))
    .bind(app.created_at.as_micros())
    .bind(number(app.revision)?)
    .bind(json("apps", app.id.as_str(), app)?)
    .execute(connection)
    .await?;
    Ok(())
}

fn read((id, text, last_used_at): AppRow) -> Result<App, StoreError> {
    let mut app: App = record("apps", &id, &text)?;
    if let Some(micros) = last_used_at {
        app.last_used_at = app.last_used_at.max(Timestamp::from_micros(micros));
    }
    Ok(app)
}

impl Store {
    /// The app of that id.
    pub async fn app(&self, id: &AppId) -> Result<Option<App>, StoreError> {
        let row: Option<AppRow> = sqlx::query_as(
            "SELECT apps.id, apps.record, app_activity.last_used_at
             FROM apps LEFT JOIN app_activity ON app_activity.app = apps.id
             WHERE apps.id = $1",
        )
        .bind(id.as_str())
        .fetch_optional(self.readers())
        .await?;
        row.map(read).transpose()
    }

    /// The inventory, by id.
    pub async fn apps(&self, filter: &AppFilter) -> Result<Vec<App>, StoreError> {
        let rows: Vec<AppRow> = sqlx::query_as(
            "SELECT apps.id, apps.record, app_activity.last_used_at
             FROM apps LEFT JOIN app_activity ON app_activity.app = apps.id
             WHERE (CAST($1 AS TEXT) IS NULL OR $1 IN (owner, second_owner, developer))
               AND (CAST($2 AS TEXT) IS NULL OR owner = $2)
               AND (CAST($3 AS TEXT) IS NULL OR classification = $3)
               AND (CAST($4 AS TEXT) IS NULL OR state = $4)
               AND (CAST($5 AS TEXT) IS NULL OR unit = $5)
             ORDER BY apps.id",
        )
        .bind(filter.person.as_ref().map(Email::as_str))
        .bind(filter.owner.as_ref().map(Email::as_str))
        .bind(filter.classification.map(Classification::as_str))
        .bind(filter.state.map(State::as_str))
        .bind(filter.unit.as_deref())
        .fetch_all(self.readers())
        .await?;
        rows.into_iter().map(read).collect()
    }

    /// Whether that id is taken.
    pub async fn app_exists(&self, id: &str) -> Result<bool, StoreError> {
        let found: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM apps WHERE id = $1")
            .bind(id)
            .fetch_one(self.readers())
            .await?;
        Ok(found > 0)
    }

    /// Notes that the app was used at `at`; an earlier time than the noted one changes nothing.
    pub async fn note_app_used(&self, id: &AppId, at: Timestamp) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO app_activity (app, last_used_at) VALUES ($1, $2)
             ON CONFLICT (app) DO UPDATE SET last_used_at = excluded.last_used_at
             WHERE app_activity.last_used_at < excluded.last_used_at",
        )
        .bind(id.as_str())
        .bind(at.as_micros())
        .execute(self.writer())
        .await?;
        Ok(())
    }
}
