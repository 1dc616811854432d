//! Settings: single values that the server keeps, as how far a demo's clock was moved.

use crate::change::Versioned;
use crate::error::StoreError;
use crate::row::{count, json, number, record};
use crate::sqlite::Connection;
use crate::store::Store;

/// One setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: serde_json::Value,
}

pub(crate) async fn put(
    connection: &mut Connection,
    it: &Versioned<Setting>,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO settings (id, value, revision) VALUES ($1, $2, $3)
         ON CONFLICT (id) DO UPDATE SET value = excluded.value, revision = excluded.revision",
    )
    .bind(&it.record.name)
    .bind(json("settings", &it.record.name, &it.record.value)?)
    .bind(number(it.revision)?)
    .execute(connection)
    .await?;
    Ok(())
}

impl Store {
    /// The setting of that name.
    pub async fn setting(&self, name: &str) -> Result<Option<Versioned<Setting>>, StoreError> {
        let row: Option<(String, i64)> =
            sqlx::query_as("SELECT value, revision FROM settings WHERE id = $1")
                .bind(name)
                .fetch_optional(self.readers())
                .await?;
        row.map(|(text, revision)| {
            Ok(Versioned {
                revision: count("settings", revision)?,
                record: Setting {
                    name: name.to_owned(),
                    value: record("settings", name, &text)?,
                },
            })
        })
        .transpose()
    }
}
