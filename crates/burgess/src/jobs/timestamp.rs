//! Has the newest checkpoint stamped once a day, and when it is asked to (RFC 3161).
//!
//! `DATA/timestamps/SIZE.checkpoint` is what was stamped, `SIZE.tsr` the answer; both are made whole
//! or not at all, and are checked with
//! `openssl ts -verify -data SIZE.checkpoint -in SIZE.tsr -CAfile AUTHORITY.pem`.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::outward::Outward;
use crate::server::Server;
use crate::timestamp::Question;

/// Once a day.
const EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// Witnesses get a moment first, and an authority that is away is asked again later.
const FIRST_AFTER: Duration = Duration::from_secs(30);
const AGAIN_AFTER: Duration = Duration::from_secs(10 * 60);
/// How long an authority may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(20);
const QUERY: &str = "application/timestamp-query";
const REPLY: &str = "application/timestamp-reply";

/// What was stamped.
pub struct Stamped {
    size: u64,
    time: String,
    file: PathBuf,
}

impl std::fmt::Display for Stamped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the checkpoint of {} entries is stamped {}: {}",
            self.size,
            self.time,
            self.file.display()
        )
    }
}

/// Stamps while the server runs.
pub async fn follow(server: Arc<Server>) {
    if server.config.timestamp_url.is_none() {
        return;
    }
    let mut pause = FIRST_AFTER;
    loop {
        tokio::time::sleep(pause).await;
        pause = match stamp(&server).await {
            Ok(stamped) => {
                tracing::info!(%stamped, "time stamp");
                EVERY
            }
            Err(cause) => {
                tracing::warn!(%cause, "no new time stamp");
                AGAIN_AFTER
            }
        };
    }
}

/// Has the newest checkpoint stamped: the witnessed one where there is one.
pub async fn stamp(server: &Server) -> Result<Stamped, String> {
    let url = server.config.timestamp_url.as_deref();
    let url =
        url.ok_or("no time stamping authority is configured: add [timestamp] with its url")?;
    let witnessed = server.witnesses.standing(&server.ledger());
    let signed = witnessed.map_or_else(|| server.ledger().checkpoint(), |(signed, _)| signed);
    let size = signed.checkpoint.size;
    let folder = server.config.data.join("timestamps");
    let (note, file) = (
        folder.join(format!("{size}.checkpoint")),
        folder.join(format!("{size}.tsr")),
    );
    if file.exists() {
        return Err(format!(
            "the checkpoint of {size} entries is stamped already: {}",
            file.display()
        ));
    }
    let random = server.ambient.random().map_err(|cause| cause.to_string())?;
    let question = Question::about(signed.note.as_bytes(), random);
    let client = Outward::new();
    let asking = client.post(url, QUERY, question.der());
    let reply = tokio::time::timeout(ANSWER_TIME_MAX, asking)
        .await
        .map_err(|_| format!("`{url}` did not answer within 20 s"))?
        .map_err(|cause| format!("`{url}`: {cause}"))?;
    let is_reply = reply.kind.is_some_and(|kind| kind == REPLY);
    if !reply.status.is_success() || !is_reply {
        return Err(format!(
            "`{url}` answered {} without a time stamp: is it the address of a time stamping authority?",
            reply.status
        ));
    }
    let time = question.answered_by(&reply.body);
    let time = time.map_err(|cause| format!("`{url}`: {cause}"))?;
    let kept = [
        (note, signed.note.clone().into_bytes()),
        (file.clone(), reply.body.to_vec()),
    ];
    let keeping = tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(&folder)?;
        kept.iter().try_for_each(|(path, bytes)| put(path, bytes))?;
        File::open(&folder)?.sync_all()
    });
    keeping
        .await
        .map_err(|cause| cause.to_string())?
        .map_err(|cause| format!("`{}`: {cause}", file.display()))?;
    Ok(Stamped { size, time, file })
}

fn put(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&new, path)
}
