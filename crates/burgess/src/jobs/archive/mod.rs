//! The archive job: after midnight UTC the day that ended is sealed as a Parquet file, recorded as
//! an event, and copied to the bucket where there is one.
//!
//! Each step is safe to repeat, and what an earlier run left undone is done by the next: a file
//! without its event gets it, a file without its copy is sent. So an event may stand twice after a
//! crash, never not at all.

mod bucket;

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use burgess_core::audit::ActionType;
use burgess_core::time::{Span, Timestamp};
use burgess_ledger::{Ledger, Shard};
use burgess_trail::archive::{self, ArchiveError, Folder, Manifest};
use serde::Deserialize;

use crate::http::problem::Problem;
use crate::operations::event;
use crate::server::Server;
pub use bucket::{Bucket, BucketError};

/// How often it is looked whether a day has ended: a minute after midnight is soon enough.
const EVERY: Duration = Duration::from_secs(60);
/// Entries at the beginning of what is to be archived that may be no events: a shard's first leaf
/// is the last checkpoint of the one before.
const HEAD_MAX: u64 = 4;

/// Seals what is due until the server stops.
pub async fn follow(server: Arc<Server>) {
    let start = tokio::time::Instant::now() + EVERY;
    let mut tick = tokio::time::interval_at(start, EVERY);
    loop {
        tick.tick().await;
        if let Err(problem) = pass(&server, None).await {
            tracing::error!(detail = %problem.detail, "the archive stands still");
        }
    }
}

/// Seals what belongs to days up to `until` (yesterday, when nothing is said), and answers the
/// file, if there was anything.
pub async fn pass(server: &Server, until: Option<&str>) -> Result<Option<Manifest>, Problem> {
    if !server.config.archive.enabled {
        return Ok(None);
    }
    let _turn = server.archiving.lock().await;
    let now = server.ambient.now();
    let yesterday = now.minus(Span::days(1)).date();
    let day = match until {
        None => yesterday,
        Some(day)
            if *day <= *yesterday && Timestamp::parse(&format!("{day}T00:00:00Z")).is_ok() =>
        {
            day.to_owned()
        }
        Some(day) => {
            return Err(Problem::input(format!(
                "`{day}` is not a day that has ended: the last one is {yesterday}"
            )));
        }
    };
    let mut newest = None;
    for shard in server.shards.all() {
        if shard.ledger.minimum_index() > 0 {
            continue; // its entries went after they had been archived
        }
        let (path, day) = (server.config.archives().join(&shard.name), day.clone());
        let shard_name = shard.name.clone();
        let work = move || seal(&path, &shard.ledger, &day);
        let (mut folder, sealed) = blocking(work).await?;
        record(server, &mut folder).await?;
        if let Some(config) = &server.config.archive.s3 {
            let bucket = Bucket::open(config).map_err(|e| Problem::internal(&e))?;
            copy(server, &mut folder, &bucket, &shard_name).await?;
        }
        let sealed = sealed.and_then(|first| folder.files().iter().find(|it| it.first == first));
        newest = sealed.cloned().or(newest);
    }
    Ok(newest)
}

/// Whether all entries of a shard are in the archive, where there is one.
pub async fn is_complete(server: &Server, shard: &Shard) -> Result<bool, Problem> {
    if !server.config.archive.enabled {
        return Ok(true);
    }
    let _turn = server.archiving.lock().await;
    let (path, size) = (
        server.config.archives().join(&shard.name),
        shard.ledger.size(),
    );
    blocking(move || Ok(Folder::open(&path)?.next() >= size)).await
}

/// Takes sealed values that `theirs` says yes to out of all local files.
pub async fn blank(
    server: &Server,
    theirs: impl Fn(&[u8]) -> bool + Send + Sync + 'static,
) -> Result<u64, Problem> {
    let _turn = server.archiving.lock().await;
    let root = server.config.archives();
    let folders: Vec<PathBuf> = server
        .shards
        .all()
        .iter()
        .map(|shard| root.join(&shard.name))
        .filter(|path| path.is_dir())
        .collect();
    let work = move || {
        let mut blanked = 0u64;
        for path in folders {
            let mut folder = Folder::open(&path)?;
            let mut concerned = BTreeSet::new();
            for file in folder.files() {
                let file = path.join(&file.file);
                if !file.exists() {
                    continue; // its only copy is in the bucket
                }
                for group in archive::read(&file)?.groups() {
                    let found = group?.into_iter().filter(|entry| theirs(&entry.sealed));
                    concerned.extend(found.map(|entry| entry.index));
                }
            }
            blanked = blanked.saturating_add(folder.blank(&concerned)?);
        }
        Ok(blanked)
    };
    blocking(work).await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ArchiveError> + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|e| Problem::internal(&e))?
        .map_err(|e| Problem::internal(&e))
}

/// Opens the folder and seals the day, if something of it waits; answers the file's first index.
fn seal(path: &Path, ledger: &Ledger, day: &str) -> Result<(Folder, Option<u64>), ArchiveError> {
    let source = |cause: &dyn std::fmt::Display| ArchiveError::Source(cause.to_string());
    let mut folder = Folder::open(path)?;
    let oldest = oldest_day(ledger, folder.next()).map_err(|e| source(&e))?;
    if oldest.is_none_or(|oldest| *oldest > *day) {
        return Ok((folder, None));
    }
    let checkpoint = ledger.publish_blocking().map_err(|e| source(&e))?;
    let mut rows = |range: Range<u64>| rows(ledger, range).map_err(|e| e.to_string());
    let first = folder
        .seal(day, &checkpoint, &mut rows)?
        .map(|sealed| sealed.first);
    Ok((folder, first))
}

/// Leaves with what is sealed beside them.
fn rows(
    ledger: &Ledger,
    range: Range<u64>,
) -> Result<Vec<(Vec<u8>, Vec<u8>)>, burgess_ledger::ReadError> {
    let leaves = ledger.entries(range.clone())?;
    let rows = leaves.into_iter().zip(range);
    rows.map(|(leaf, index)| Ok((leaf, ledger.side(index)?)))
        .collect()
}

/// The day of the first event from `next` on; none when there is none.
fn oldest_day(ledger: &Ledger, next: u64) -> Result<Option<String>, burgess_ledger::ReadError> {
    #[derive(Deserialize)]
    struct Dated {
        timestamp: Timestamp,
    }
    let end = ledger.size().min(next.saturating_add(HEAD_MAX));
    let leaves = ledger.entries(next..end.max(next))?;
    let mut dated = leaves
        .iter()
        .filter_map(|leaf| serde_json::from_slice::<Dated>(leaf).ok());
    Ok(dated.next().map(|leaf| leaf.timestamp.date()))
}

/// Gives every file its event: name, digest and range.
async fn record(server: &Server, folder: &mut Folder) -> Result<(), Problem> {
    let waiting: Vec<Manifest> = folder
        .files()
        .iter()
        .filter(|file| !file.recorded)
        .cloned()
        .collect();
    for file in waiting {
        let sealed = event::about(&server.ambient, None, server.now()?)
            .map_err(|e| Problem::internal(&e))?
            .by_job("archive")
            .did(ActionType::Create, "archive", &file.file)
            // The digest stands in the open part of the leaf.
            .moved(None, &file.digest.to_string())
            .context("day", file.day.clone())
            .context("first", file.first)
            .context("last", file.last);
        server.record(sealed.done()).await?;
        folder
            .recorded(file.first)
            .map_err(|e| Problem::internal(&e))?;
    }
    Ok(())
}

/// Sends every file that has no copy yet.
async fn copy(
    server: &Server,
    folder: &mut Folder,
    bucket: &Bucket,
    shard: &str,
) -> Result<(), Problem> {
    let path = server.config.archives().join(shard);
    let waiting: Vec<Manifest> = folder
        .files()
        .iter()
        .filter(|file| file.bucket.is_none())
        .cloned()
        .collect();
    for file in waiting {
        let name = format!("{shard}/{}", file.file);
        let local = path.join(&file.file);
        let there = send(server, bucket, &name, &local, &file).await;
        let there = there.map_err(|e| Problem::internal(&e))?;
        folder
            .uploaded(file.first, &there)
            .map_err(|e| Problem::internal(&e))?;
        tracing::info!(file = %file.file, %there, "an archive file has its copy");
    }
    Ok(())
}

/// Tries a few times, each time later; the next pass tries again.
async fn send(
    server: &Server,
    bucket: &Bucket,
    name: &str,
    local: &Path,
    file: &Manifest,
) -> Result<String, BucketError> {
    let mut wait = Duration::from_secs(1);
    loop {
        match bucket
            .put(name, local, &file.digest, server.ambient.now())
            .await
        {
            Err(BucketError::Unreachable(cause)) if wait < Duration::from_secs(8) => {
                tracing::warn!(%cause, "the bucket does not answer");
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
            done => return done,
        }
    }
}
