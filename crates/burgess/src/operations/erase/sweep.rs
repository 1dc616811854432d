//! What follows the destroyed key: taking away all that it opened.
//!
//! Each part can be done again. What one part fails at stops no other; the clock comes back to it
//! every minute, and what is done is not done again, since some of it costs the living something:
//! kept answers go, and the index is built anew. After a restart all parts are done once more.

use std::collections::{BTreeMap, BTreeSet};

use burgess_core::digest::Digest;
use burgess_gateway::sealing::Sealed;
use burgess_ledger::{Shard, SideValues};
use serde::Deserialize;

use crate::http::problem::Problem;
use crate::jobs::archive::{self, Left};
use crate::server::Server;

/// Entries looked through at a time.
const STEP: u64 = 4_096;
/// Side values replaced at a time: 65,536 of some hundred bytes.
const REPLACED_MAX: usize = 65_536;

/// How far the erasures that are not finished have come.
pub type Sweeps = BTreeMap<Digest, Progress>;

/// What is left to do of one.
#[derive(Debug, Default)]
pub struct Progress {
    answers: bool,
    pages: bool,
    sides: bool,
    index: bool,
    archive: Left,
}

/// The first failure of several is answered.
#[derive(Default)]
struct First(Option<Problem>);

impl First {
    /// Whether it went well.
    fn note<T>(&mut self, done: Result<T, Problem>) -> Option<T> {
        done.map_err(|problem| self.0.get_or_insert(problem).code)
            .ok()
    }
}

/// Goes through everything that the subject's key opened and takes it away. Idempotent.
pub(super) async fn sweep(
    server: &Server,
    sweeps: &mut Sweeps,
    alias: Digest,
    indexed: &[burgess_trail::Subject],
) -> Result<u64, Problem> {
    let internal = |e: burgess_store::StoreError| Problem::internal(&e);
    let progress = sweeps.entry(alias).or_default();
    let (mut failed, mut entries) = (First::default(), 0);
    if !progress.answers {
        let gone = crate::http::idempotency::forget_answers(server).await;
        progress.answers = failed.note(gone).is_some();
    }
    if !progress.pages {
        let gone = server.store.forget_freed_pages().await.map_err(internal);
        progress.pages = failed.note(gone).is_some();
    }
    if !progress.sides {
        let cleared = clear_all(server, alias, &mut entries).await;
        progress.sides = failed.note(cleared).is_some();
        // A day that was sealed meanwhile may hold what was still there.
        progress.archive = Left::All;
    }
    if !progress.index {
        let gone = crate::jobs::project::forget(server, indexed).await;
        progress.index = failed.note(gone).is_some();
    }
    let theirs = move |sealed: &[u8]| without(sealed, &[alias]).is_some();
    let (left, blanked) =
        archive::blank(server, theirs, std::mem::take(&mut progress.archive)).await;
    progress.archive = left;
    failed.note(blanked);
    if let Some(problem) = failed.0 {
        return Err(problem);
    }
    server.store.note_swept(alias).await.map_err(internal)?;
    sweeps.remove(&alias);
    Ok(entries)
}

/// Takes the subject's side values out of every shard; adds up in how many entries there were any.
async fn clear_all(server: &Server, alias: Digest, entries: &mut u64) -> Result<(), Problem> {
    let mut failed = First::default();
    // The second time for what was sealed before the key went and appended after the first look.
    for _ in 0..2 {
        for shard in server.shards.all() {
            let done = tokio::task::spawn_blocking(move || clear(&shard, alias)).await;
            let done = done.map_err(|e| Problem::internal(&e)).flatten();
            *entries += failed.note(done).unwrap_or_default();
        }
    }
    failed.0.map_or(Ok(()), Err)
}

/// What an erasure that was cut short has left to do, and archive files that were not here when one
/// went by. While one is under way nothing is done: it sweeps by itself, and knowing the name it need
/// not build the index anew.
pub async fn resume(server: &Server) -> Result<(), Problem> {
    let Ok(mut sweeps) = server.erasing.try_lock() else {
        return Ok(());
    };
    let internal = |e: burgess_store::StoreError| Problem::internal(&e);
    let left = server.store.unswept().await.map_err(internal)?;
    let mut first = First::default();
    for alias in left {
        let swept = sweep(server, &mut sweeps, alias, &[]).await;
        first.note(swept); // one that fails does not stop the others
    }
    let all = server.store.erasures().await.map_err(internal)?;
    let all = all.into_iter().map(|it| it.record);
    let gone: Vec<Digest> = all
        .filter(|it| it.erased.is_some())
        .map(|it| it.subject)
        .collect();
    let theirs = move |sealed: &[u8]| without(sealed, &gone).is_some();
    first.note(archive::catch_up(server, theirs).await);
    first.0.map_or(Ok(()), Err)
}

/// Whether a shard holds values of that subject.
pub async fn is_in(shard: &Shard, aliases: Vec<Digest>) -> Result<bool, Problem> {
    let shard = shard.clone();
    let found = tokio::task::spawn_blocking(move || find(&shard, &aliases)).await;
    Ok(found.map_err(|e| Problem::internal(&e))??.entries > 0)
}

/// Whether a local archive file of a shard holds values of that subject.
pub async fn is_archived(
    server: &Server,
    shard: &Shard,
    aliases: Vec<Digest>,
) -> Result<bool, Problem> {
    let theirs = move |sealed: &[u8]| without(sealed, &aliases).is_some();
    archive::any(server, shard, theirs).await
}

/// What was found of a subject in one shard.
#[derive(Default)]
pub(super) struct Found {
    /// Entries with values of theirs.
    pub(super) entries: u64,
    /// The apps that these belong to.
    pub(super) apps: BTreeSet<String>,
    /// Which of the aliases asked for they lie under.
    pub(super) aliases: BTreeSet<Digest>,
}

#[derive(Deserialize)]
struct Leaf {
    app_id: String,
}

/// A side value without what is sealed for these subjects; nothing where nothing is.
pub(crate) fn without(side: &[u8], gone: &[Digest]) -> Option<Vec<u8>> {
    Sealed::read(side)?.without(|alias| gone.contains(&alias.fingerprint()))
}

/// Looks for values of these subjects. Blocks for file access.
pub(super) fn find(shard: &Shard, aliases: &[Digest]) -> Result<Found, Problem> {
    let mut found = Found::default();
    each_side(shard, |index, side| {
        if without(side, aliases).is_some() {
            found.entries += 1;
            let under = |alias: &&Digest| without(side, &[**alias]).is_some();
            found.aliases.extend(aliases.iter().filter(under));
            let leaf = shard
                .ledger
                .entry(index)
                .map_err(|e| Problem::internal(&e))?;
            if let Ok(leaf) = serde_json::from_slice::<Leaf>(&leaf) {
                found.apps.insert(leaf.app_id);
            }
        }
        Ok(())
    })?;
    Ok(found)
}

/// Takes the values of one subject away; answers in how many entries. Blocks for file access.
fn clear(shard: &Shard, alias: Digest) -> Result<u64, Problem> {
    let (mut values, mut entries) = (SideValues::new(), 0);
    let mut replace = |values: &mut SideValues| {
        let taken = std::mem::take(values);
        let done = shard.ledger.replace_sides(taken);
        entries += done.map_err(|e| Problem::internal(&e))?;
        Ok::<_, Problem>(())
    };
    each_side(shard, |index, side| {
        if let Some(rest) = without(side, &[alias]) {
            values.insert(index, rest);
        }
        if values.len() >= REPLACED_MAX {
            replace(&mut values)?;
        }
        Ok(())
    })?;
    replace(&mut values)?;
    Ok(entries)
}

fn each_side(
    shard: &Shard,
    mut see: impl FnMut(u64, &[u8]) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let (mut from, size) = (shard.ledger.minimum_index(), shard.ledger.size());
    while from < size {
        let to = size.min(from.saturating_add(STEP));
        let sides = shard
            .ledger
            .sides(from..to)
            .map_err(|e| Problem::internal(&e))?;
        for (index, side) in (from..to).zip(&sides) {
            see(index, side)?;
        }
        from = to;
    }
    Ok(())
}
