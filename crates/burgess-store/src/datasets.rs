//! Datasets: the registry that intake chooses from (R24).

use burgess_core::intake::Dataset;

use crate::change::Versioned;
use crate::error::StoreError;
use crate::row::{RecordRow, all_versioned, json, number, versioned};
use crate::sqlite::Connection;
use crate::store::Store;

pub(crate) async fn put(
    connection: &mut Connection,
    it: &Versioned<Dataset>,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO datasets (id, revision, record) VALUES ($1, $2, $3)
         ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, record = excluded.record",
    )
    .bind(&it.record.name)
    .bind(number(it.revision)?)
    .bind(json("datasets", &it.record.name, &it.record)?)
    .execute(connection)
    .await?;
    Ok(())
}

impl Store {
    /// The dataset of that name.
    pub async fn dataset(&self, name: &str) -> Result<Option<Versioned<Dataset>>, StoreError> {
        let row: Option<RecordRow> =
            sqlx::query_as("SELECT id, revision, record FROM datasets WHERE id = $1")
                .bind(name)
                .fetch_optional(self.readers())
                .await?;
        row.map(|row| versioned("datasets", row)).transpose()
    }

    /// All datasets, by name.
    pub async fn datasets(&self) -> Result<Vec<Versioned<Dataset>>, StoreError> {
        let rows: Vec<RecordRow> =
            sqlx::query_as("SELECT id, revision, record FROM datasets ORDER BY id")
                .fetch_all(self.readers())
                .await?;
        all_versioned("datasets", rows)
    }
}
