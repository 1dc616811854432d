//! Has the newest checkpoint of every shard stamped once a day, and when it is asked to (RFC 3161).
//!
//! `DATA/timestamps/SHARD/SIZE.checkpoint` is what was stamped, `SIZE.tsr` the answer; both are made whole
//! or not at all, and are checked with
//! `openssl ts -verify -data SIZE.checkpoint -in SIZE.tsr -CAfile AUTHORITY.pem`.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use burgess_ledger::SignedCheckpoint;
use serde::Serialize;

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
#[derive(Serialize)]
pub struct Stamped {
    shard: String,
    size: u64,
    time: String,
    file: PathBuf,
}

impl std::fmt::Display for Stamped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the checkpoint of {} entries of {} is stamped {}: {}",
            self.size,
            self.shard,
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
                for stamped in stamped {
                    tracing::info!(%stamped, "time stamp");
                }
                EVERY
            }
            Err(cause) => {
                tracing::warn!(%cause, "no new time stamp");
                AGAIN_AFTER
            }
        };
    }
}

/// Has the newest checkpoint of every open shard stamped, and the last one of every sealed shard: the
/// witnessed one where there is one. What fails for one shard holds up no other; the first cause is
/// answered.
pub async fn stamp(server: &Server) -> Result<Vec<Stamped>, String> {
    let url = server.config.timestamp_url.as_deref();
    let url =
        url.ok_or("no time stamping authority is configured: add [timestamp] with its url")?;
    // Whoever comes second finds the stamp, and asks for no other.
    let _turn = server.stamping.lock().await;
    let (mut stamped, mut failed, mut already) = (Vec::new(), None, Vec::new());
    for shard in server.shards.all() {
        let witnessed = server.witnesses.standing(&shard.ledger);
        let sealed = shard.ledger.is_sealed();
        // A sealed shard is stamped once, under the checkpoint that seals it; and what was
        // witnessed while it was empty says nothing.
        let witnessed = witnessed.filter(|(signed, _)| {
            let tree = &signed.checkpoint;
            tree.size > 0 && (!sealed || *tree == shard.ledger.checkpoint().checkpoint)
        });
        let signed = witnessed.map_or_else(|| shard.ledger.checkpoint(), |(signed, _)| signed);
        let place = Place::of(server, &shard.name, signed.checkpoint.size);
        if signed.checkpoint.size == 0 {
            continue;
        }
        if place.answer.exists() {
            already.push((sealed, place));
            continue;
        }
        match one(server, url, &shard.name, &signed, place).await {
            Ok(done) => stamped.push(done),
            Err(cause) => {
                tracing::warn!(shard = shard.name, %cause, "no new time stamp");
                failed.get_or_insert(cause);
            }
        }
    }
    if let Some(cause) = failed {
        return Err(cause);
    }
    let newest = already.into_iter().find(|(sealed, _)| !sealed);
    match newest {
        Some((_, place)) if stamped.is_empty() => Err(format!(
            "the checkpoint of {} entries is stamped already: {}",
            place.size,
            place.answer.display()
        )),
        _ => Ok(stamped),
    }
}

/// Where a stamp lies.
struct Place {
    size: u64,
    folder: PathBuf,
    note: PathBuf,
    answer: PathBuf,
}

impl Place {
    fn of(server: &Server, shard: &str, size: u64) -> Self {
        let folder = server.config.data.join("timestamps").join(shard);
        Self {
            size,
            note: folder.join(format!("{size}.checkpoint")),
            answer: folder.join(format!("{size}.tsr")),
            folder,
        }
    }
}

async fn one(
    server: &Server,
    url: &str,
    shard: &str,
    signed: &SignedCheckpoint,
    place: Place,
) -> Result<Stamped, String> {
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
    let Place {
        size,
        folder,
        note,
        answer: file,
    } = place;
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
    Ok(Stamped {
        shard: shard.to_owned(),
        size,
        time,
        file,
    })
}

fn put(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&new, path)
}
