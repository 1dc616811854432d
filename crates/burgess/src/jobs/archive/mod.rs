//! The archive job: after midnight UTC the day that ended is sealed as a Parquet file, recorded as
//! an event, and copied to the bucket where there is one.
//!
//! Each step is safe to repeat, and what an earlier run left undone is done by the next: a file
//! without its event gets it, a file without its copy is sent, and so is one that an erasure has
//! rewritten since. So an event may stand twice after a crash, never not at all. Nobody waits for
//! the bucket: files are sent while erasure and pruning change them and days are sealed, and the next
//! pass sends what was changed on its way. What fails in one shard holds up no other.

mod bucket;
mod erasing;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use burgess_core::audit::ActionType;
use burgess_core::time::{Span, Timestamp};
use burgess_ledger::{Ledger, Shard};
use burgess_trail::archive::{ArchiveError, Folder, Manifest};
use serde::Deserialize;
use tokio::sync::MutexGuard;

use crate::http::problem::Problem;
use crate::operations::event;
use crate::server::Server;
pub use bucket::{Bucket, BucketError, Copied};
pub use erasing::{Left, any, blank, catch_up};

/// How often it is looked whether a day has ended: a minute after midnight is soon enough.
pub const EVERY: Duration = Duration::from_secs(60);
/// How often a bucket that forbids replacing a copy is asked again: its rules are changed by people.
const FORBIDDEN_FOR: Span = Span::days(1);
/// Entries at the beginning of what is to be archived that may be no events: a shard's first leaf
/// is the last checkpoint of the one before.
const HEAD_MAX: u64 = 4;

/// Seals what is due, and copies what waits, until the server stops. Side by side: no day waits to
/// be sealed until a slow bucket has taken a file. Copies are kept up also where days are sealed by
/// hand alone.
pub async fn follow(server: Arc<Server>, every: Duration) {
    let archive = &server.config.archive;
    let sealing = async {
        if !archive.enabled {
            return;
        }
        let mut tick = ticks(every);
        loop {
            tick.tick().await;
            // What fails is told where it fails, and done by a later round.
            if let Ok(days) = days(server.ambient.now(), None) {
                seal_all(&server, &days, &mut Failures::default()).await;
            }
        }
    };
    let copying = async {
        if archive.s3.is_none() {
            return;
        }
        let mut tick = ticks(every);
        loop {
            tick.tick().await;
            let mut failures = Failures::default();
            let waiting = waiting(&server, &mut failures).await;
            if let Ok(turn) = server.copying.try_lock() {
                copies(&server, turn, &waiting, &mut failures).await;
            }
        }
    };
    tokio::join!(sealing, copying);
}

fn ticks(every: Duration) -> tokio::time::Interval {
    tokio::time::interval_at(tokio::time::Instant::now() + every, every)
}

/// The shards, each under the name of its folder. A pruned one is gone here too.
fn shards(server: &Server) -> Vec<(String, Ledger)> {
    let all = server.shards.all().into_iter();
    all.filter(|shard| shard.ledger.minimum_index() == 0)
        .map(|shard| (shard.name, shard.ledger))
        .collect()
}

/// Removes the local files of a shard whose entries went; answers their bytes.
pub async fn prune(server: &Server, shard: &Shard, minimum: u64) -> Result<u64, Problem> {
    let _turn = server.archiving.lock().await;
    let path = server.config.archive_folder(&shard.name);
    if !path.is_dir() {
        return Ok(0);
    }
    blocking(move || Folder::open(&path)?.prune(minimum)).await
}

/// What did not come about: all of it is told, and the first is answered.
#[derive(Default)]
struct Failures(Option<Problem>);

impl Failures {
    fn tell(&mut self, shard: &str, problem: Problem) {
        tracing::error!(shard, code = problem.code, detail = %problem.detail, "the archive of a shard stands still");
        self.note(problem);
    }

    fn note(&mut self, problem: Problem) {
        self.0.get_or_insert(problem);
    }
}

/// What a pass has done.
#[derive(Debug, Default)]
pub struct Passed {
    /// The files that came of it.
    pub sealed: Vec<Manifest>,
    /// Where copies lie that it made of these and of others.
    pub copied: Vec<String>,
}

/// Seals every shard in which something of `until` (yesterday, when nothing is said) or of a day
/// before waits, and makes what copies are missing. A file ends where the newest checkpoint does,
/// since nothing shorter is signed, and has the name of the last day that has ended.
pub async fn pass(server: &Server, until: Option<&str>) -> Result<Passed, Problem> {
    let days = days(server.ambient.now(), until)?;
    let mut failures = Failures::default();
    let mut sealed = seal_all(server, &days, &mut failures).await;
    let waiting = waiting(server, &mut failures).await;
    let mut copied = BTreeMap::new();
    match server.copying.try_lock() {
        Ok(turn) => copied = copies(server, turn, &waiting, &mut failures).await,
        // Whoever asks does not wait for a bucket that another waits for already.
        Err(_) if !waiting.is_empty() => failures.note(busy(sealed.len())),
        Err(_) => {}
    }
    for file in &mut sealed {
        let there = copied.get(&(file.origin.clone(), file.first));
        file.bucket = there.cloned();
    }
    let copied = copied.into_values().collect();
    failures.0.map_or(Ok(Passed { sealed, copied }), Err)
}

fn busy(sealed: usize) -> Problem {
    let detail = format!(
        "{sealed} files were sealed; copies are being made already, and what waits follows: look with `burgess doctor`"
    );
    Problem::new(StatusCode::CONFLICT, "ARCHIVE_COPYING", detail)
}

async fn seal_all(server: &Server, days: &Days, failures: &mut Failures) -> Vec<Manifest> {
    let mut sealed = Vec::new();
    for (name, ledger) in shards(server) {
        match shard(server, &name, ledger, days).await {
            Ok(file) => sealed.extend(file),
            Err(problem) => failures.tell(&name, problem),
        }
    }
    sealed
}

/// Seals what is due of a shard, and gives every file its event.
async fn shard(
    server: &Server,
    name: &str,
    ledger: Ledger,
    days: &Days,
) -> Result<Option<Manifest>, Problem> {
    let _turn = server.archiving.lock().await;
    let (path, days) = (server.config.archive_folder(name), days.clone());
    let sealing = move || seal(&path, &ledger, &days);
    let (mut folder, first) = tokio::task::spawn_blocking(sealing)
        .await
        .map_err(|e| Problem::internal(&e))?
        .map_err(|e| unarchived(&e))?;
    record(server, &mut folder, name).await?;
    let mut files = folder.files().iter();
    Ok(files.find(|file| Some(file.first) == first).cloned())
}

/// The files without a copy of what they hold, by shard; none where no bucket is configured.
async fn waiting(server: &Server, failures: &mut Failures) -> Vec<(String, Vec<Manifest>)> {
    let mut waiting = Vec::new();
    let all = shards(server).into_iter();
    for (name, _) in all.filter(|_| server.config.archive.s3.is_some()) {
        let (path, now) = (server.config.archive_folder(&name), server.ambient.now());
        if !path.exists() {
            continue;
        }
        let _turn = server.archiving.lock().await;
        let look = move || {
            let files = Folder::look(&path)?.into_iter();
            // What is not here any more cannot be sent.
            let due = files.filter(|file| waits(file, now) && path.join(&file.file).exists());
            Ok(due.collect::<Vec<_>>())
        };
        match tokio::task::spawn_blocking(look).await {
            Ok(Ok(due)) if due.is_empty() => {}
            Ok(Ok(due)) => waiting.push((name, due)),
            Ok(Err(cause)) => failures.tell(&name, unarchived(&cause)),
            Err(cause) => failures.tell(&name, Problem::internal(&cause)),
        }
    }
    waiting
}

/// Whether a file is to be sent.
fn waits(file: &Manifest, now: Timestamp) -> bool {
    let forbidden = |at: Timestamp| now.since(at) < FORBIDDEN_FOR;
    (file.bucket.is_none() || file.outdated) && !file.pruned && !file.kept.is_some_and(forbidden)
}

/// A failure that is the operator's to mend, so it says which.
fn unarchived(cause: &ArchiveError) -> Problem {
    let code = match cause {
        ArchiveError::Io { .. } => "ARCHIVE_IO",
        ArchiveError::Source(_) => "ARCHIVE_SOURCE",
        ArchiveError::Missing(_) | ArchiveError::Gap { .. } => "ARCHIVE_INCOMPLETE",
        ArchiveError::OtherFile { .. } => "ARCHIVE_OTHER_FILE",
        _ => "ARCHIVE_DAMAGED",
    };
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, code, cause.to_string())
}

/// Days as `2026-01-18`.
#[derive(Clone)]
struct Days {
    /// What is of this day or of one before is due.
    until: String,
    /// The last day that has ended.
    ended: String,
}

/// Only a day that has ended can be sealed.
fn days(now: Timestamp, until: Option<&str>) -> Result<Days, Problem> {
    let ended = now.minus(Span::days(1)).date();
    let until = until.unwrap_or(&ended).to_owned();
    let is_day = Timestamp::parse(&format!("{until}T00:00:00Z")).is_ok_and(|at| at.date() == until);
    if !is_day {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "DAY_MALFORMED",
            format!("`{until}` is not a day: write it as {ended}"),
        ));
    }
    if until > ended {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "DAY_NOT_ENDED",
            format!("`{until}` is not a day that has ended: the last one is {ended}"),
        ));
    }
    Ok(Days { until, ended })
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ArchiveError> + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|e| Problem::internal(&e))?
        .map_err(|e| unarchived(&e))
}

/// Opens the folder and seals what waits, if any of it is due; answers the file's first index.
fn seal(path: &Path, ledger: &Ledger, days: &Days) -> Result<(Folder, Option<u64>), ArchiveError> {
    let source = |cause: &dyn std::fmt::Display| ArchiveError::Source(cause.to_string());
    let mut folder = Folder::open(path)?;
    let oldest = oldest_day(ledger, folder.next()).map_err(|e| source(&e))?;
    if oldest.is_none_or(|oldest| oldest > days.until) {
        return Ok((folder, None));
    }
    let checkpoint = ledger.publish_blocking().map_err(|e| source(&e))?;
    let mut rows = |range: Range<u64>| rows(ledger, range).map_err(|e| e.to_string());
    let first = folder
        .seal(&days.ended, &checkpoint, &mut rows)?
        .map(|sealed| sealed.first);
    Ok((folder, first))
}

/// A leaf, and what is sealed beside it.
type Row = (Vec<u8>, Vec<u8>);

/// What a range of entries holds.
fn rows(ledger: &Ledger, range: Range<u64>) -> Result<Vec<Row>, burgess_ledger::ReadError> {
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
async fn record(server: &Server, folder: &mut Folder, shard: &str) -> Result<(), Problem> {
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
            .context("shard", shard)
            .context("day", file.day.clone())
            .context("first", file.first)
            .context("last", file.last);
        server.record_kept(sealed.done()).await?;
        folder
            .recorded(file.first)
            .map_err(|e| Problem::internal(&e))?;
    }
    Ok(())
}

/// Sends what waits, and answers where each file lies now, by origin and first index.
async fn copies(
    server: &Server,
    _turn: MutexGuard<'_, ()>,
    waiting: &[(String, Vec<Manifest>)],
    failures: &mut Failures,
) -> BTreeMap<(String, u64), String> {
    let mut copied = BTreeMap::new();
    let Some(config) = &server.config.archive.s3 else {
        return copied;
    };
    for (shard, files) in waiting {
        let bucket = match Bucket::open(config) {
            Ok(bucket) => bucket,
            Err(cause) => {
                failures.tell(shard, uncopied(&cause));
                break; // the configuration is the same for all
            }
        };
        for file in files {
            match copy(server, &bucket, shard, file).await {
                Ok(there) => drop(copied.insert((file.origin.clone(), file.first), there)),
                Err(Uncopied { problem, away }) => {
                    failures.tell(shard, problem);
                    if away {
                        break; // not each of a year's files waits for it in turn
                    }
                }
            }
        }
    }
    copied
}

fn uncopied(cause: &BucketError) -> Problem {
    Problem::new(StatusCode::BAD_GATEWAY, cause.code(), cause.to_string())
}

/// Why a file has no copy yet.
struct Uncopied {
    problem: Problem,
    /// Whether the bucket does not answer at all.
    away: bool,
}

/// Sends a file and notes where its copy lies.
async fn copy(
    server: &Server,
    bucket: &Bucket,
    shard: &str,
    file: &Manifest,
) -> Result<String, Uncopied> {
    let path = server.config.archive_folder(shard);
    let name = format!("{shard}/{}", file.file);
    let (first, digest) = (file.first, file.digest);
    let unnoted = |problem| Uncopied {
        problem,
        away: false,
    };
    let sent = send(server, bucket, &name, &path.join(&file.file), file).await;
    if let Err(BucketError::Kept(..)) = &sent {
        let at = server.ambient.now();
        let noted = note(server, path.clone(), move |folder| {
            folder.forbidden(first, at)
        })
        .await;
        noted.map_err(unnoted)?;
    }
    let Copied {
        there,
        older_version,
    } = sent.map_err(|cause| Uncopied {
        away: cause.is_away(),
        problem: uncopied(&cause),
    })?;
    let address = there.clone();
    let copied = move |folder: &mut Folder| {
        if older_version {
            folder.older_version_stays(first)?;
        }
        folder.uploaded(first, &address, &digest)
    };
    note(server, path, copied).await.map_err(unnoted)?;
    tracing::info!(file = %file.file, %there, "an archive file has its copy");
    if older_version {
        tracing::warn!(%there, code = "ARCHIVE_BUCKET_OLDER_VERSION", "the bucket keeps a version of the copy with sealed values that were erased, and whose key is destroyed");
    }
    Ok(there)
}

/// Opens the folder anew: it may have changed while the file was on its way.
async fn note(
    server: &Server,
    path: PathBuf,
    change: impl FnOnce(&mut Folder) -> Result<(), ArchiveError> + Send + 'static,
) -> Result<(), Problem> {
    let _turn = server.archiving.lock().await;
    blocking(move || change(&mut Folder::open(&path)?)).await
}

/// Tries a few times, each time later; the next pass tries again.
pub async fn send(
    server: &Server,
    bucket: &Bucket,
    name: &str,
    local: &Path,
    file: &Manifest,
) -> Result<Copied, BucketError> {
    let mut wait = Duration::from_secs(1);
    loop {
        match bucket.put(name, local, file, server.ambient.now()).await {
            Err(BucketError::Unreachable(cause)) if wait < Duration::from_secs(8) => {
                tracing::warn!(%cause, "the bucket does not answer");
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
            done => return done,
        }
    }
}
