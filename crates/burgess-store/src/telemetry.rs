//! Telemetry: when an artifact last said that it is alive, and last sent an event (R52, R53).
//!
//! Bookkeeping beside the ledger, which has the events themselves: the promotion gate asks here.

use burgess_core::app::Environment;
use burgess_core::deploy::Telemetry;
use burgess_core::digest::Digest;
use burgess_core::id::AppId;
use burgess_core::time::Timestamp;

use crate::error::StoreError;
use crate::store::Store;

impl Store {
    /// Notes a heartbeat of that artifact at `at`.
    pub async fn note_heartbeat(
        &self,
        app: &AppId,
        environment: Environment,
        artifact: Digest,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO telemetry (app, environment, artifact, heartbeat_at)
             VALUES ($1, $2, $3, $4)
             ON CONFLICT (app, environment, artifact) DO UPDATE SET
                 heartbeat_at = excluded.heartbeat_at
             WHERE COALESCE(telemetry.heartbeat_at, 0) < excluded.heartbeat_at",
        )
        .bind(app.as_str())
        .bind(environment.as_str())
        .bind(artifact.to_string())
        .bind(at.as_micros())
        .execute(self.writer())
        .await?;
        Ok(())
    }

    /// Notes an event of that artifact's own at `at`.
    pub async fn note_event(
        &self,
        app: &AppId,
        environment: Environment,
        artifact: Digest,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO telemetry (app, environment, artifact, event_at)
             VALUES ($1, $2, $3, $4)
             ON CONFLICT (app, environment, artifact) DO UPDATE SET event_at = excluded.event_at
             WHERE COALESCE(telemetry.event_at, 0) < excluded.event_at",
        )
        .bind(app.as_str())
        .bind(environment.as_str())
        .bind(artifact.to_string())
        .bind(at.as_micros())
        .execute(self.writer())
        .await?;
        Ok(())
    }

    /// What that artifact has sent from that environment; empty when nothing.
    pub async fn telemetry(
        &self,
        app: &AppId,
        environment: Environment,
        artifact: Digest,
    ) -> Result<Telemetry, StoreError> {
        let row: Option<(Option<i64>, Option<i64>)> = sqlx::query_as(
            "SELECT heartbeat_at, event_at FROM telemetry
             WHERE app = $1 AND environment = $2 AND artifact = $3",
        )
        .bind(app.as_str())
        .bind(environment.as_str())
        .bind(artifact.to_string())
        .fetch_optional(self.readers())
        .await?;
        Ok(
            row.map_or_else(Telemetry::default, |(heartbeat_at, event_at)| Telemetry {
                artifact: Some(artifact),
                heartbeat_at: heartbeat_at.map(Timestamp::from_micros),
                event_at: event_at.map(Timestamp::from_micros),
            }),
        )
    }
}
