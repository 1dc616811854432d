//! Hands new checkpoints to the witnesses, and gathers their cosignatures.

use std::sync::Arc;
use std::time::Duration;

use crate::server::Server;

/// A checkpoint waits this long at most to be handed over.
const EVERY: Duration = Duration::from_secs(1);
/// How long a witness may take to answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);

/// Asks while the server runs.
pub async fn follow(server: Arc<Server>) {
    if !server.witnesses.are_asked() {
        return;
    }
    let mut tick = tokio::time::interval(EVERY);
    loop {
        tick.tick().await;
        let now = server.ambient.monotonic();
        server
            .witnesses
            .round(&server.shards, now, ANSWER_TIME_MAX)
            .await;
    }
}
