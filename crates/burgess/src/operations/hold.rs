//! Legal holds: what they cover is neither pruned nor erased nor destroyed until they are released.

use std::collections::BTreeSet;

use burgess_core::audit::ActionType;
use burgess_core::digest::Digest;
use burgess_core::id::AppId;
use burgess_core::permit::Permit;
use burgess_core::policy::Action;
use burgess_core::policy::action::{PlaceHold, ReadTrail, ReleaseHold};
use burgess_core::policy::facts::{NoContext, Organisation};
use burgess_core::time::Timestamp;
use burgess_store::{Change, Covers, Hold, Versioned, Write};

use super::erase::Subject;
use super::{Caller, event, permit};
use crate::http::problem::Problem;
use crate::server::Server;

/// Characters of a reason: a case number and a few words.
const REASON_CHARS_MAX: usize = 500;

/// What a hold is to cover, as people write it: `app ID`, `shard NAME` or `subject SUBJECT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// An app.
    App(AppId),
    /// A shard of the ledger.
    Shard(String),
    /// A person or a record.
    Subject(Subject),
}

impl Target {
    /// Reads the two words.
    pub fn parse(kind: &str, of: &str) -> Result<Self, Problem> {
        match kind {
            "app" => AppId::parse(of)
                .map(Self::App)
                .map_err(|e| Problem::input(e.to_string())),
            "shard" => Ok(Self::Shard(of.to_owned())),
            "subject" => Subject::parse(of).map(Self::Subject),
            _ => Err(Problem::input(format!(
                "`{kind}` cannot be held: choose app, shard or subject"
            ))),
        }
    }
}

/// Places a hold; answers its id.
pub async fn place(
    server: &Server,
    caller: &Caller,
    target: &Target,
    reason: &str,
) -> Result<String, Problem> {
    // Whoever takes something away has looked for holds, and is through before this one counts.
    let _nothing_goes = server.holding.lock().await;
    let now = server.now()?;
    let reason = reason_of(reason)?;
    let whole = Organisation { revision: 0 };
    let permit = permit::<PlaceHold>(server, &caller.principal(), &whole, &NoContext, now)?;
    let covers = covers(server, target).await?;
    let also = match target {
        Target::Subject(subject) => {
            refuse_names(server, subject, &reason).await?;
            let all = subject.fingerprints(server).into_iter();
            all.skip(1).collect()
        }
        _ => Vec::new(),
    };
    let uuid = server.ambient.uuid().map_err(|e| Problem::internal(&e))?;
    let hold = Hold {
        id: format!(
            "hold_{}",
            Digest::of(&uuid.to_be_bytes()).to_string().split_at(16).0
        ),
        covers,
        also,
        reason,
        placed_by: caller.email().as_str().to_owned(),
        placed_at: now,
        released: None,
    };
    let id = hold.id.clone();
    commit(server, caller, Versioned::new(hold), None, &permit, now).await?;
    Ok(id)
}

/// Releases a hold.
pub async fn release(
    server: &Server,
    caller: &Caller,
    id: &str,
    reason: &str,
) -> Result<(), Problem> {
    let now = server.now()?;
    let reason = reason_of(reason)?;
    let held = server
        .store
        .hold(id)
        .await
        .map_err(|e| Problem::internal(&e))?;
    let revision = held.as_ref().map_or(0, |it| it.revision);
    let whole = Organisation { revision };
    let permit = permit::<ReleaseHold>(server, &caller.principal(), &whole, &NoContext, now)?;
    let held = held.ok_or_else(|| Problem::not_found("hold", id))?;
    if held.record.released.is_some() {
        return Err(Problem::conflict(format!(
            "the hold `{id}` was released before"
        )));
    }
    refuse_held(server, &held.record, &reason)?;
    let mut released = held.record.clone();
    released.released = Some((caller.email().as_str().to_owned(), now, reason));
    let before = held.record.state();
    let released = held.next(released);
    commit(server, caller, released, Some(&before), &permit, now).await
}

/// All holds, for whoever may read the trail.
pub async fn list(server: &Server, caller: &Caller) -> Result<Vec<Hold>, Problem> {
    let now = server.now()?;
    let whole = Organisation { revision: 0 };
    permit::<ReadTrail>(server, &caller.principal(), &whole, &NoContext, now)?;
    let all = server
        .store
        .holds(false)
        .await
        .map_err(|e| Problem::internal(&e))?;
    Ok(all.into_iter().map(|it| it.record).collect())
}

/// Holds in force that `covers` says yes to.
pub async fn in_force(
    server: &Server,
    covers: impl Fn(&Hold) -> bool,
) -> Result<Vec<Hold>, Problem> {
    let all = server
        .store
        .holds(true)
        .await
        .map_err(|e| Problem::internal(&e))?;
    let all = all.into_iter().map(|it| it.record);
    Ok(all.filter(|hold| covers(hold)).collect())
}

/// What a hold covers, in words.
pub fn words(covers: &Covers) -> String {
    match covers {
        Covers::App(app) => format!("app {app}"),
        Covers::Shard(shard) => format!("ledger shard {shard}"),
        Covers::Subject(alias) => format!("subject with alias {}", short(alias)),
        Covers::Everything => "everything".to_owned(),
    }
}

/// Enough of an alias to tell two apart.
pub fn short(alias: &Digest) -> String {
    alias.to_string().chars().take(12).collect()
}

/// A reason for a hold or an erasure: there, short, and on one line.
pub(super) fn reason_of(text: &str) -> Result<String, Problem> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > REASON_CHARS_MAX || text.contains(char::is_control)
    {
        return Err(Problem::input(format!(
            "a reason of 1 to {REASON_CHARS_MAX} characters on one line is needed: the number of the case, without names"
        )));
    }
    Ok(text.to_owned())
}

/// A reason stands in the list of holds and erasures and is sealed under the key of whoever gives it,
/// so it outlives the subject: it must not name them, by id or as the directory does.
pub(super) async fn refuse_names(
    server: &Server,
    subject: &Subject,
    reason: &str,
) -> Result<(), Problem> {
    if reason.to_lowercase().contains(&subject.id().to_lowercase()) {
        return Err(names_somebody());
    }
    let Some(email) = subject.email() else {
        return Ok(());
    };
    let person = server.store.person(&email).await;
    let Some(person) = person.map_err(|e| Problem::internal(&e))? else {
        return Ok(());
    };
    let said: BTreeSet<String> = parts(reason).collect();
    let mut name = parts(&person.record.name).peekable();
    if name.peek().is_some() && name.all(|part| said.contains(&part)) {
        return Err(names_somebody());
    }
    Ok(())
}

/// The same where only aliases are known of the subject: each word is tried.
fn refuse_held(server: &Server, hold: &Hold, reason: &str) -> Result<(), Problem> {
    let held: BTreeSet<&Digest> = hold.aliases().collect();
    if held.is_empty() {
        return Ok(());
    }
    let words = reason.split_whitespace().map(|word| {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric());
        Subject::parse(word.strip_suffix("'s").unwrap_or(word))
    });
    for subject in words.flatten() {
        if subject
            .fingerprints(server)
            .iter()
            .any(|it| held.contains(it))
        {
            return Err(names_somebody());
        }
    }
    Ok(())
}

/// The words of a name or a text, without case.
fn parts(text: &str) -> impl Iterator<Item = String> {
    let parts = text.split(|c: char| !c.is_alphanumeric());
    parts.filter(|part| !part.is_empty()).map(str::to_lowercase)
}

fn names_somebody() -> Problem {
    Problem::input(
        "the reason names the subject and would outlive the erasure: give the number of the case",
    )
}

async fn covers(server: &Server, target: &Target) -> Result<Covers, Problem> {
    Ok(match target {
        Target::App(id) => {
            let app = server
                .store
                .app(id)
                .await
                .map_err(|e| Problem::internal(&e))?;
            app.ok_or_else(|| Problem::not_found("app", id.as_str()))?;
            Covers::App(id.clone())
        }
        Target::Shard(name) => {
            let known = server.shards.named(name).is_some();
            if !known {
                return Err(Problem::not_found("shard", name));
            }
            Covers::Shard(name.clone())
        }
        Target::Subject(subject) => Covers::Subject(subject.fingerprint(server)),
    })
}

async fn commit<A: Action>(
    server: &Server,
    caller: &Caller,
    change: Versioned<Hold>,
    before: Option<&str>,
    permit: &Permit<A>,
    now: Timestamp,
) -> Result<(), Problem> {
    let hold = &change.record;
    let action = if before.is_some() {
        ActionType::Update
    } else {
        ActionType::Create
    };
    let event = event::about(&server.ambient, None, now)
        .map_err(|e| Problem::internal(&e))?
        .by(caller)
        .permitted(permit)
        .did(action, "legal_hold", &hold.id)
        .moved(before, &hold.state())
        .context("covers", words(&hold.covers))
        .context("reason", hold.reason.as_str())
        .done();
    let changes = vec![Change::Hold(change)];
    server
        .commit(vec![Write { changes, event }], permit, now)
        .await
}
