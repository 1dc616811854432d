//! Credentials: the client credentials of apps. Only digests of secrets are here.

use burgess_core::app::Environment;
use burgess_core::credential::{ClientCredential, CredentialState};
use burgess_core::id::{AppId, CredentialId};

use crate::change::Versioned;
use crate::error::StoreError;
use crate::row::{RecordRow, all_versioned, json, number, versioned};
use crate::sqlite::Connection;
use crate::store::Store;

pub(crate) async fn put(
    connection: &mut Connection,
    it: &Versioned<ClientCredential>,
) -> Result<(), StoreError> {
    let credential = &it.record;
    sqlx::query(
        "INSERT INTO credentials (id, app, environment, state, issued_at, revision, record)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (id) DO UPDATE SET
             state = excluded.state, revision = excluded.revision, record = excluded.record",
    )
    .bind(credential.id.as_str())
    .bind(credential.app.as_str())
    .bind(credential.environment.as_str())
    .bind(credential.state.as_str())
    .bind(credential.created_at.as_micros())
    .bind(number(it.revision)?)
    .bind(json("credentials", credential.id.as_str(), credential)?)
    .execute(connection)
    .await?;
    Ok(())
}

impl Store {
    /// The credential of that client id.
    pub async fn credential(
        &self,
        id: &CredentialId,
    ) -> Result<Option<Versioned<ClientCredential>>, StoreError> {
        let row: Option<RecordRow> =
            sqlx::query_as("SELECT id, revision, record FROM credentials WHERE id = $1")
                .bind(id.as_str())
                .fetch_optional(self.readers())
                .await?;
        row.map(|row| versioned("credentials", row)).transpose()
    }

    /// All credentials an app ever had, in one environment or in all, the newest first.
    pub async fn credentials_of(
        &self,
        app: &AppId,
        environment: Option<Environment>,
    ) -> Result<Vec<Versioned<ClientCredential>>, StoreError> {
        let rows: Vec<RecordRow> = sqlx::query_as(
            "SELECT id, revision, record FROM credentials
             WHERE app = $1 AND (CAST($2 AS TEXT) IS NULL OR environment = $2)
             ORDER BY issued_at DESC, id DESC",
        )
        .bind(app.as_str())
        .bind(environment.map(Environment::as_str))
        .fetch_all(self.readers())
        .await?;
        all_versioned("credentials", rows)
    }

    /// All credentials in that state, by id: active ones make the gateway's snapshot, revoked
    /// ones its revocations.
    pub async fn credentials_in(
        &self,
        state: CredentialState,
    ) -> Result<Vec<Versioned<ClientCredential>>, StoreError> {
        let rows: Vec<RecordRow> = sqlx::query_as(
            "SELECT id, revision, record FROM credentials WHERE state = $1 ORDER BY id",
        )
        .bind(state.as_str())
        .fetch_all(self.readers())
        .await?;
        all_versioned("credentials", rows)
    }
}
