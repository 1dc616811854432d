//! The timers: what is repeated while the server runs.

use std::sync::Arc;
use std::time::Duration;

use crate::operations::clockwork;
use crate::server::Server;

/// A snapshot may be 10 s old at most; a third of that leaves room for a slow disk.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(3);
/// Decisions are counted in hours, so a minute is soon enough.
const CLOCKWORK_EVERY: Duration = Duration::from_secs(60);
/// What a failed drain left behind is tried again.
const OUTBOX_EVERY: Duration = Duration::from_secs(2);

/// Keeps the gateway's snapshot fresh.
pub async fn snapshots(server: Arc<Server>) {
    let mut tick = tokio::time::interval(SNAPSHOT_EVERY);
    loop {
        tick.tick().await;
        if let Err(problem) = super::snapshot::refresh(&server).await {
            tracing::error!(detail = %problem.detail, "the gateway's snapshot grows old");
        }
        server.gateway.tick().await;
    }
}

/// Lets the clock do what is due.
pub async fn clockwork(server: Arc<Server>) {
    let mut tick = tokio::time::interval(CLOCKWORK_EVERY);
    loop {
        tick.tick().await;
        if let Err(problem) = clockwork::pass(&server).await {
            tracing::error!(detail = %problem.detail, "the clockwork stands still");
        }
    }
}

/// Drains what an earlier attempt left in the outbox.
pub async fn outbox(server: Arc<Server>) {
    let mut tick = tokio::time::interval(OUTBOX_EVERY);
    loop {
        tick.tick().await;
        if let Err(problem) = super::drain::drain(&server).await {
            tracing::warn!(detail = %problem.detail, "events wait in the outbox");
        }
    }
}
