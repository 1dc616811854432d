//! Retention: how long the ledger's entries and the archives of retired apps are kept, by written
//! policies, and what the clock does when their time is over.
//!
//! A class has a line of shards. Its line turns when its period is over; a sealed shard goes as a
//! whole when its last entry is older than the class keeps, unless a legal hold covers it. The
//! policy of each class lies as a document in its shards' folders, and its digest is an event.

pub mod classes;

pub use classes::{Classes, LedgerClass, Policy, markdown, policies};

use std::path::Path;

use burgess_core::app::App;
use burgess_core::audit::ActionType;
use burgess_core::lifecycle::State;
use burgess_core::policy::action::{Configure, Dispose, ReadTrail, TurnLedger};
use burgess_core::policy::facts::{DisposalFacts, NoContext, Organisation, Principal};
use burgess_core::retirement::ArchiveRecord;
use burgess_core::time::{Span, Timestamp};
use burgess_ledger::{Ledger, Shard, note};
use burgess_store::{AppFilter, Change, Covers, Setting, Versioned, Write};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::clockwork::CLOCKWORK;
use super::people::machine;
use super::{Caller, erase, event, hold, permit};
use crate::http::problem::Problem;
use crate::server::Server;

/// Name of the document in a shard's folder.
const DOCUMENT: &str = "retention.json";
/// The setting that remembers which document each class had last.
const SETTING: &str = "ledger_retention";

/// One shard, for people and programs.
#[derive(Clone, Debug, Serialize)]
pub struct ShardView {
    /// Its name.
    pub name: String,
    /// Its class.
    pub class: String,
    /// Its origin.
    pub origin: String,
    /// The key that checks it.
    pub vkey: String,
    /// Entries.
    pub size: u64,
    /// `open`, `sealed` or `pruned`.
    pub state: &'static str,
    /// The first entry that is there.
    pub minimum_index: u64,
    /// The day from which on its entries may go; none while it is open.
    pub due: Option<String>,
}

/// All shards, for whoever may read the trail.
pub async fn shards(server: &Server, caller: &Caller) -> Result<Vec<ShardView>, Problem> {
    let now = server.now()?;
    let whole = Organisation { revision: 0 };
    permit::<ReadTrail>(server, &caller.principal(), &whole, &NoContext, now)?;
    Ok(server
        .shards
        .all()
        .iter()
        .map(|shard| view(server, shard))
        .collect())
}

fn view(server: &Server, shard: &Shard) -> ShardView {
    let ledger = &shard.ledger;
    let state = match (ledger.is_sealed(), ledger.minimum_index()) {
        (false, _) => "open",
        (true, 0) => "sealed",
        (true, _) => "pruned",
    };
    let kept = |last: Timestamp| {
        let class = server.classes.get(&shard.class)?;
        Some(last.plus(Span::days(i64::from(class.keep_days))).date())
    };
    ShardView {
        name: shard.name.clone(),
        class: shard.class.clone(),
        origin: ledger.origin().to_owned(),
        vkey: ledger.vkey().to_owned(),
        size: ledger.size(),
        state,
        minimum_index: ledger.minimum_index(),
        due: (state == "sealed")
            .then(|| last_time(shard).and_then(kept))
            .flatten(),
    }
}

#[derive(Deserialize)]
struct Leaf {
    timestamp: Timestamp,
}

fn time_of(ledger: &Ledger, index: u64) -> Option<Timestamp> {
    let leaf = ledger.entry(index).ok()?;
    serde_json::from_slice::<Leaf>(&leaf)
        .ok()
        .map(|leaf| leaf.timestamp)
}

/// The time of a shard's last event; none where it has none, or it is gone.
fn last_time(shard: &Shard) -> Option<Timestamp> {
    let last = shard.ledger.size().checked_sub(1)?;
    (last >= shard.first_event())
        .then(|| time_of(&shard.ledger, last))
        .flatten()
}

/// Puts the policies into the shards' folders, and records as events those that are new.
pub async fn write_down(server: &Server) -> Result<(), Problem> {
    let held = server
        .store
        .setting(SETTING)
        .await
        .map_err(|e| Problem::internal(&e))?;
    let mut known = held
        .as_ref()
        .map_or_else(|| json!({}), |it| it.record.value.clone());
    let mut events = Vec::new();
    let now = server.now()?;
    let revision = held.as_ref().map_or(0, |it| it.revision);
    let whole = Organisation { revision };
    let permit = permit::<Configure>(server, &machine(), &whole, &NoContext, now)?;
    for class in server.classes.all() {
        let policy = Policy::of(&server.config, class);
        let (text, digest) = (policy.text()?, policy.digest()?);
        for shard in server
            .shards
            .all()
            .iter()
            .filter(|shard| shard.class == class.name)
        {
            put(&server.shards.folder_of(&shard.name), &text).map_err(|e| Problem::internal(&e))?;
        }
        if known.get(&class.name).and_then(|it| it.as_str()) == Some(digest.as_str()) {
            continue;
        }
        let event = event::about(&server.ambient, None, now)
            .map_err(|e| Problem::internal(&e))?
            .by_job("machine")
            .permitted(&permit)
            .did(ActionType::Update, "retention_policy", &class.name)
            .context("digest", digest.as_str())
            .context("keep_days", class.keep_days);
        events.push(event.done());
        if let Some(known) = known.as_object_mut() {
            known.insert(class.name.clone(), json!(digest));
        }
    }
    if events.is_empty() {
        return Ok(());
    }
    let setting = Setting {
        name: SETTING.to_owned(),
        value: known,
    };
    let change = held.map_or_else(
        || Versioned::new(setting.clone()),
        |it| it.next(setting.clone()),
    );
    let mut writes: Vec<Write> = events
        .into_iter()
        .map(|event| Write {
            changes: Vec::new(),
            event,
        })
        .collect();
    if let Some(first) = writes.first_mut() {
        first.changes.push(Change::Setting(change));
    }
    server.commit(writes, &permit, now).await
}

fn put(folder: &Path, text: &str) -> std::io::Result<()> {
    let path = folder.join(DOCUMENT);
    if std::fs::read(&path).is_ok_and(|held| held == text.as_bytes()) {
        return Ok(());
    }
    let new = path.with_extension("new");
    let file = std::fs::File::create(&new)?;
    std::io::Write::write_all(&mut &file, text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, &path)?;
    std::fs::File::open(folder)?.sync_all()
}

/// Does what is due now: turns lines, prunes shards, destroys archives. One that fails does not
/// stop the others.
pub async fn pass(server: &Server) -> Result<(), Problem> {
    let now = server.now()?;
    for class in server.classes.all() {
        let told = turn_due(server, class, now).await;
        tell(&class.name, told);
    }
    match prune_all(server).await {
        Ok(gone) => gone
            .into_iter()
            .for_each(|(shard, freed)| tell(&shard, freed.map(drop))),
        Err(problem) => tell("the retention policy", Err(problem)),
    }
    let retired = AppFilter::default();
    let apps = server
        .store
        .apps(&retired)
        .await
        .map_err(|e| Problem::internal(&e))?;
    for app in apps.iter().filter(|app| app.state == State::Retired) {
        tell(app.id.as_str(), destroy_due(server, app, now).await);
    }
    Ok(())
}

/// Prunes every shard whose time is over; answers of each the bytes that are free now. One that fails
/// does not stop the others.
pub async fn prune_all(server: &Server) -> Result<Vec<(String, Result<u64, Problem>)>, Problem> {
    let now = server.now()?;
    // Nothing goes under a policy that nobody can read.
    write_down(server).await?;
    let mut gone = Vec::new();
    for shard in server.shards.all() {
        let freed = prune_due(server, &shard, now).await;
        gone.push((shard.name, freed));
    }
    Ok(gone)
}

pub(super) fn tell(what: &str, done: Result<(), Problem>) {
    if let Err(problem) = done {
        tracing::error!(what, code = problem.code, detail = %problem.detail, "the clockwork could not do its part");
    }
}

async fn turn_due(server: &Server, class: &LedgerClass, now: Timestamp) -> Result<(), Problem> {
    let Some(shard) = server.shards.current(&class.name) else {
        return Ok(());
    };
    let first = shard.first_event();
    let began = (shard.ledger.size() > first)
        .then(|| time_of(&shard.ledger, first))
        .flatten();
    match began {
        Some(began) if class.period.of(began) < class.period.of(now) => {
            turn(server, &Principal::Job(CLOCKWORK), &class.name)
                .await
                .map(|_| ())
        }
        _ => Ok(()),
    }
}

/// Seals the open shard of a class and begins the next, under a new key. Answers the new shard.
pub async fn turn(server: &Server, who: &Principal, class: &str) -> Result<ShardView, Problem> {
    let now = server.now()?;
    if server.classes.get(class).is_none() {
        return Err(Problem::not_found("retention class", class));
    }
    let whole = Organisation { revision: 0 };
    let permit = permit::<TurnLedger>(server, who, &whole, &NoContext, now)?;
    let (shards, name) = (server.shards.clone(), class.to_owned());
    let turned = tokio::task::spawn_blocking(move || shards.turn(&name)).await;
    let sealed = turned
        .map_err(|e| Problem::internal(&e))?
        .map_err(|e| Problem::internal(&e))?;
    let next = server
        .shards
        .current(class)
        .ok_or_else(|| Problem::not_found("shard", class))?;
    let last = sealed.ledger.checkpoint();
    let event = event::about(&server.ambient, None, now)
        .map_err(|e| Problem::internal(&e))?
        .by_job(who.id())
        .permitted(&permit)
        .did(ActionType::Update, "ledger_shard", &sealed.name)
        .moved(None, "sealed")
        .context("entries", last.checkpoint.size)
        .context("root", note::encode_base64(&last.checkpoint.root))
        .context("next", next.name.as_str())
        .context("next_key", next.ledger.vkey());
    server.record_kept(event.done()).await?;
    write_down(server).await?;
    Ok(view(server, &next))
}

/// Prunes a sealed shard whose time is over; answers the bytes that are free now.
async fn prune_due(server: &Server, shard: &Shard, now: Timestamp) -> Result<u64, Problem> {
    let ledger = &shard.ledger;
    let size = ledger.size();
    let Some(class) = server.classes.get(&shard.class) else {
        return Ok(0); // a class without a policy is kept
    };
    if !ledger.is_sealed() || size == 0 {
        return Ok(0);
    }
    if ledger.minimum_index() == size {
        return prune_archive(server, shard, size).await;
    }
    let kept = Span::days(i64::from(class.keep_days));
    let due = last_time(shard).is_some_and(|last| last.plus(kept) <= now);
    if !due {
        return Ok(0);
    }
    // A hold that is placed from here on has to wait until the entries are gone.
    let _holds_stand = server.holding.lock().await;
    let held = holds_on(server, shard).await?;
    let facts = DisposalFacts {
        held: !held.is_empty(),
        due,
    };
    let whole = Organisation { revision: 0 };
    let permit = match permit::<Dispose>(server, &Principal::Job(CLOCKWORK), &whole, &facts, now) {
        Ok(permit) => permit,
        Err(problem) => {
            tracing::info!(shard = shard.name, holds = ?held, detail = %problem.detail, "entries that are due stay");
            return Ok(0);
        }
    };
    let digest = Policy::of(&server.config, class).digest()?;
    let last = ledger.checkpoint();
    // The certificate first: a crash then leaves one too many, never one too few.
    let event = event::about(&server.ambient, None, now)
        .map_err(|e| Problem::internal(&e))?
        .by_job(CLOCKWORK)
        .permitted(&permit)
        .did(ActionType::Delete, "ledger_entries", &shard.name)
        .context("entries", format!("{}..{size}", ledger.minimum_index()))
        .context("root", note::encode_base64(&last.checkpoint.root))
        .context("bytes", bytes_of(&server.shards.folder_of(&shard.name)))
        .context("policy", digest.as_str());
    server.record(event.done()).await?;
    let ledger = ledger.clone();
    let pruned = tokio::task::spawn_blocking(move || ledger.prune(size, &digest)).await;
    let freed = pruned
        .map_err(|e| Problem::internal(&e))?
        .map_err(|e| Problem::internal(&e))?;
    let archived = crate::jobs::archive::prune(server, shard, size).await?;
    tracing::info!(
        shard = shard.name,
        bytes = freed.bytes,
        archived,
        "entries whose time was over are gone"
    );
    crate::jobs::project::project(server).await?;
    Ok(freed.bytes.saturating_add(archived))
}

/// What a crash or a failure between the ledger and the archive has left. A hold that was placed since
/// keeps it.
async fn prune_archive(server: &Server, shard: &Shard, size: u64) -> Result<u64, Problem> {
    let _holds_stand = server.holding.lock().await;
    let held = holds_on(server, shard).await?;
    if held.is_empty() {
        return crate::jobs::archive::prune(server, shard, size).await;
    }
    tracing::info!(shard = shard.name, holds = ?held, "archive files that are due stay");
    Ok(0)
}

/// Bytes of the entries and side values of a shard.
fn bytes_of(folder: &Path) -> u64 {
    fn sum(path: &Path) -> u64 {
        let Ok(entries) = std::fs::read_dir(path) else {
            return 0;
        };
        let sizes = entries
            .filter_map(Result::ok)
            .map(|entry| match entry.metadata() {
                Ok(data) if data.is_dir() => sum(&entry.path()),
                Ok(data) => data.len(),
                Err(_) => 0,
            });
        sizes.fold(0, u64::saturating_add)
    }
    sum(&folder.join("tile/entries")).saturating_add(sum(&folder.join("side")))
}

/// Holds that cover entries of a shard, in words.
async fn holds_on(server: &Server, shard: &Shard) -> Result<Vec<String>, Problem> {
    let mut found = Vec::new();
    for hold in hold::in_force(server, |_| true).await? {
        let covered = match &hold.covers {
            Covers::Shard(name) => *name == shard.name,
            Covers::App(app) => shard.ledger.sequence(app.as_str()) > 0,
            Covers::Subject(_) => {
                let aliases: Vec<_> = hold.aliases().copied().collect();
                // What the ledger has pruned may still lie in the archive.
                let gone = shard.ledger.minimum_index() > 0;
                erase::is_in(shard, aliases.clone()).await?
                    || gone && erase::is_archived(server, shard, aliases).await?
            }
            Covers::Everything => true,
        };
        if covered {
            found.push(format!("{} ({})", hold.id, hold.reason));
        }
    }
    Ok(found)
}

/// Destroys the archive of a retired app on its day.
async fn destroy_due(server: &Server, app: &App, now: Timestamp) -> Result<(), Problem> {
    let held = server
        .store
        .retirement(&app.id)
        .await
        .map_err(|e| Problem::internal(&e))?;
    let archive = held
        .as_ref()
        .and_then(|it| it.record.checklist())
        .and_then(|checklist| checklist.get("archive"))
        .and_then(|archive| serde_json::from_value::<ArchiveRecord>(archive.clone()).ok());
    let blobs = server.store.blobs();
    let Some(archive) = archive.filter(|archive| archive.expires_at <= now) else {
        return Ok(());
    };
    if blobs
        .get(&archive.digest)
        .map_err(|e| Problem::internal(&e))?
        .is_none()
    {
        return Ok(());
    }
    let _holds_stand = server.holding.lock().await;
    let holds = hold::in_force(server, |hold| match &hold.covers {
        Covers::App(id) => *id == app.id,
        Covers::Everything => true,
        Covers::Shard(_) | Covers::Subject(_) => false,
    })
    .await?;
    let facts = DisposalFacts {
        held: !holds.is_empty(),
        due: true,
    };
    let whole = Organisation { revision: 0 };
    let permit = match permit::<Dispose>(server, &Principal::Job(CLOCKWORK), &whole, &facts, now) {
        Ok(permit) => permit,
        Err(problem) => {
            tracing::info!(app = app.id.as_str(), detail = %problem.detail, "an archive that is due stays");
            return Ok(());
        }
    };
    let event = event::about(&server.ambient, Some(app), now)
        .map_err(|e| Problem::internal(&e))?
        .by_job(CLOCKWORK)
        .permitted(&permit)
        .did(ActionType::Delete, "archive", &archive.digest.to_string())
        .context("label", archive.label.as_str())
        .context("archived_at", archive.archived_at.to_string());
    server.record(event.done()).await?;
    blobs
        .remove(&archive.digest)
        .map(|_| ())
        .map_err(|e| Problem::internal(&e))
}
