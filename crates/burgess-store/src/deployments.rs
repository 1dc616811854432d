//! Deployments: which version is live in which environment, and which ones were.

use burgess_core::app::Environment;
use burgess_core::deploy::Deployment;
use burgess_core::id::{AppId, DeploymentId};

use crate::change::Versioned;
use crate::error::StoreError;
use crate::row::{RecordRow, all_versioned, json, number, versioned};
use crate::sqlite::Connection;
use crate::store::Store;

/// The state that events name: `live` until it is `ended`.
pub fn state(deployment: &Deployment) -> &'static str {
    if deployment.is_live() {
        "live"
    } else {
        "ended"
    }
}

pub(crate) async fn put(
    connection: &mut Connection,
    it: &Versioned<Deployment>,
) -> Result<(), StoreError> {
    let deployment = &it.record;
    sqlx::query(
        "INSERT INTO deployments (id, app, environment, state, deployed_at, revision, record)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (id) DO UPDATE SET
             state = excluded.state, revision = excluded.revision, record = excluded.record",
    )
    .bind(deployment.id.as_str())
    .bind(deployment.app.as_str())
    .bind(deployment.environment.as_str())
    .bind(state(deployment))
    .bind(deployment.live_since.as_micros())
    .bind(number(it.revision)?)
    .bind(json("deployments", deployment.id.as_str(), deployment)?)
    .execute(connection)
    .await?;
    Ok(())
}

impl Store {
    /// The deployment of that id.
    pub async fn deployment(
        &self,
        id: &DeploymentId,
    ) -> Result<Option<Versioned<Deployment>>, StoreError> {
        let row: Option<RecordRow> =
            sqlx::query_as("SELECT id, revision, record FROM deployments WHERE id = $1")
                .bind(id.as_str())
                .fetch_optional(self.readers())
                .await?;
        row.map(|row| versioned("deployments", row)).transpose()
    }

    /// All deployments of an app, the newest first.
    pub async fn deployments_of(
        &self,
        app: &AppId,
    ) -> Result<Vec<Versioned<Deployment>>, StoreError> {
        let rows: Vec<RecordRow> = sqlx::query_as(
            "SELECT id, revision, record FROM deployments WHERE app = $1
             ORDER BY deployed_at DESC, id DESC",
        )
        .bind(app.as_str())
        .fetch_all(self.readers())
        .await?;
        all_versioned("deployments", rows)
    }

    /// What is live, in one environment or in all, by app.
    pub async fn live_deployments(
        &self,
        environment: Option<Environment>,
    ) -> Result<Vec<Versioned<Deployment>>, StoreError> {
        let rows: Vec<RecordRow> = sqlx::query_as(
            "SELECT id, revision, record FROM deployments
             WHERE state = 'live' AND (CAST($1 AS TEXT) IS NULL OR environment = $1)
             ORDER BY app, environment, id",
        )
        .bind(environment.map(Environment::as_str))
        .fetch_all(self.readers())
        .await?;
        all_versioned("deployments", rows)
    }
}
