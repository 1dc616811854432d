//! Connectors: what the organisation adds to the built-in catalogue, and their sealed secrets.
//!
//! A secret comes and goes sealed; the key that opens it is never here.

use burgess_core::app::Environment;
use burgess_core::connector::Connector;
use burgess_core::time::Timestamp;

use crate::change::Versioned;
use crate::error::StoreError;
use crate::row::{RecordRow, all_versioned, count, json, number, parsed, versioned};
use crate::sqlite::Connection;
use crate::store::Store;

/// The sealed secret of one connector in one environment.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectorSecret {
    /// The connector.
    pub connector: String,
    /// The environment; each has a secret of its own (R151).
    pub environment: Environment,
    /// The secret, sealed by the caller.
    pub sealed: Vec<u8>,
    /// Which key sealed it.
    pub key_id: String,
    /// Who set it.
    pub set_by: String,
    /// When.
    pub set_at: Timestamp,
}

impl std::fmt::Debug for ConnectorSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectorSecret")
            .field("connector", &self.connector)
            .field("environment", &self.environment)
            .field("key_id", &self.key_id)
            .field("set_at", &self.set_at)
            .finish_non_exhaustive()
    }
}

impl ConnectorSecret {
    /// The record's id.
    pub fn id(&self) -> String {
        secret_id(&self.connector, self.environment)
    }
}

fn secret_id(connector: &str, environment: Environment) -> String {
    format!("{connector}/{environment}")
}

pub(crate) async fn put(
    connection: &mut Connection,
    it: &Versioned<Connector>,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO connectors (id, revision, record) VALUES ($1, $2, $3)
         ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, record = excluded.record",
    )
    .bind(&it.record.id)
    .bind(number(it.revision)?)
    .bind(json("connectors", &it.record.id, &it.record)?)
    .execute(connection)
    .await?;
    Ok(())
}

pub(crate) async fn put_secret(
    connection: &mut Connection,
    it: &Versioned<ConnectorSecret>,
) -> Result<(), StoreError> {
    let secret = &it.record;
    sqlx::query(
        "INSERT INTO connector_secrets (id, connector, environment, sealed, key_id, set_by, set_at,
                                        revision)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (id) DO UPDATE SET
             sealed = excluded.sealed, key_id = excluded.key_id, set_by = excluded.set_by,
             set_at = excluded.set_at, revision = excluded.revision",
    )
    .bind(secret.id())
    .bind(&secret.connector)
    .bind(secret.environment.as_str())
    .bind(&secret.sealed)
    .bind(&secret.key_id)
    .bind(&secret.set_by)
    .bind(secret.set_at.as_micros())
    .bind(number(it.revision)?)
    .execute(connection)
    .await?;
    Ok(())
}

type SecretRow = (String, String, Vec<u8>, String, String, i64, i64);

fn secret(row: SecretRow) -> Result<Versioned<ConnectorSecret>, StoreError> {
    let (connector, environment, sealed, key_id, set_by, set_at, revision) = row;
    Ok(Versioned {
        revision: count("connector_secrets", revision)?,
        record: ConnectorSecret {
            connector,
            environment: parsed("connector_secrets", &environment, Environment::parse)?,
            sealed,
            key_id,
            set_by,
            set_at: Timestamp::from_micros(set_at),
        },
    })
}

impl Store {
    /// The organisation's own entry for a connector, if it has one.
    pub async fn connector(&self, id: &str) -> Result<Option<Versioned<Connector>>, StoreError> {
        let row: Option<RecordRow> =
            sqlx::query_as("SELECT id, revision, record FROM connectors WHERE id = $1")
                .bind(id)
                .fetch_optional(self.readers())
                .await?;
        row.map(|row| versioned("connectors", row)).transpose()
    }

    /// All entries of the organisation's own, by id: put them over the built-in catalogue.
    pub async fn connectors(&self) -> Result<Vec<Versioned<Connector>>, StoreError> {
        let rows: Vec<RecordRow> =
            sqlx::query_as("SELECT id, revision, record FROM connectors ORDER BY id")
                .fetch_all(self.readers())
                .await?;
        all_versioned("connectors", rows)
    }

    /// The sealed secret of a connector in one environment.
    pub async fn connector_secret(
        &self,
        connector: &str,
        environment: Environment,
    ) -> Result<Option<Versioned<ConnectorSecret>>, StoreError> {
        let row: Option<SecretRow> = sqlx::query_as(
            "SELECT connector, environment, sealed, key_id, set_by, set_at, revision
             FROM connector_secrets WHERE id = $1",
        )
        .bind(secret_id(connector, environment))
        .fetch_optional(self.readers())
        .await?;
        row.map(secret).transpose()
    }

    /// For which connectors and environments there is a secret, and since when; no secrets.
    pub async fn connector_secrets_set(
        &self,
    ) -> Result<Vec<(String, Environment, Timestamp)>, StoreError> {
        let rows: Vec<(String, String, i64)> = sqlx::query_as(
            "SELECT connector, environment, set_at FROM connector_secrets
             ORDER BY connector, environment",
        )
        .fetch_all(self.readers())
        .await?;
        rows.into_iter()
            .map(|(connector, environment, set_at)| {
                let environment = parsed("connector_secrets", &environment, Environment::parse)?;
                Ok((connector, environment, Timestamp::from_micros(set_at)))
            })
            .collect()
    }
}
