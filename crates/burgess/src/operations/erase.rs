//! Erasing a subject: the key goes with one commit, and with it every value sealed under it, here,
//! in archives and in backups. Then what the key opened is gone through and taken away: side values
//! in every shard, write-ahead segments, the index. Proofs stay as they are.
//!
//! The commit is the point of no return. What follows it can be cut short anywhere and is done
//! again at the next start, before anything is served: see [`sweep`].

pub mod sweep;

use std::collections::{BTreeMap, BTreeSet};

use axum::http::StatusCode;
use burgess_core::audit::ActionType;
use burgess_core::digest::Digest;
use burgess_core::id::Email;
use burgess_core::permit::Permit;
use burgess_core::policy::action::{AskErasure, EraseSubject, ReadEntries, ReadTrail};
use burgess_core::policy::facts::{ErasureFacts, NoContext, Organisation};
use burgess_core::time::Timestamp;
use burgess_gateway::journal;
use burgess_gateway::ports::Vault as _;
use burgess_gateway::sealing::Alias;
use burgess_store::{Change, Covers, Erasure, Hold, SubjectErasure, SubjectKey, Versioned, Write};
use serde::{Deserialize, Serialize};

use super::hold::{self, reason_of, words};
use super::{Caller, event, permit};
use crate::http::problem::{Missing, Problem};
use crate::server::{CHANGE_PENDING, Server};
pub use sweep::{is_archived, is_in, resume};

/// Characters of a subject's id at most: what an event's field may hold.
const SUBJECT_CHARS_MAX: usize = 512;

/// Whom personal values are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Somebody or something that acted: an e-mail address, or another actor id.
    Actor(String),
    /// A record, by type and id.
    Resource(String, String),
}

impl Subject {
    /// Reads `dana@example.com`, `actor:ID` or `TYPE:ID`.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let wrong = || {
            Problem::input(
                "whom to erase? give an actor's id, as `dana@example.com` or `actor:crm-7`, or a record as `customer:4711`",
            )
        };
        let text = text.trim();
        if text.is_empty()
            || text.chars().count() > SUBJECT_CHARS_MAX
            || text.contains(char::is_control)
        {
            return Err(wrong());
        }
        let parts = text.split_once(':');
        match parts.map(|(kind, id)| (kind.trim(), id.trim())) {
            Some(("", _) | (_, "")) => Err(wrong()),
            // A person is one subject, whether they act or are acted upon.
            Some(("actor" | "person", id)) => Ok(Self::Actor(id.to_owned())),
            Some((kind, id)) => Ok(Self::Resource(kind.to_owned(), id.to_owned())),
            None => Ok(Self::Actor(text.to_owned())),
        }
    }

    /// The id, as it was given.
    pub(super) fn id(&self) -> &str {
        let (Self::Actor(id) | Self::Resource(_, id)) = self;
        id
    }

    /// Their address, where it may be a person's.
    pub(super) fn email(&self) -> Option<Email> {
        match self {
            Self::Actor(id) => Email::parse(id).ok(),
            Self::Resource(..) => None,
        }
    }

    /// The names under which the journal seals. Somebody who acts may also be acted upon, as the
    /// person that was invited. An e-mail address is sealed in small letters; before, it was as an app
    /// had written it, which whoever knows that spelling still finds.
    fn sealed_under(&self) -> Vec<String> {
        let folded = journal::folded(self.id());
        let as_given = Some(self.id()).filter(|id| *id != folded);
        let ids = [&*folded].into_iter().chain(as_given);
        ids.flat_map(|id| match self {
            Self::Actor(_) => vec![format!("actor:{id}"), format!("resource:person:{id}")],
            Self::Resource(kind, _) => vec![format!("resource:{kind}:{id}")],
        })
        .collect()
    }

    fn aliases(&self, server: &Server) -> Vec<Alias> {
        let names = self.sealed_under();
        names
            .iter()
            .map(|name| server.subjects.alias(name))
            .collect()
    }

    /// The names under which the store keeps keys and erasures; the first stands for the subject.
    pub fn fingerprints(&self, server: &Server) -> Vec<Digest> {
        let aliases = self.aliases(server);
        aliases.iter().map(Alias::fingerprint).collect()
    }

    /// As the index knows it.
    fn indexed(&self, server: &Server) -> Vec<burgess_trail::Subject> {
        use burgess_trail::Subject as Indexed;
        let record = |kind: &str, id: &str| Indexed::Resource {
            resource_type: kind.to_owned(),
            token: server.blinder.resource(id),
        };
        match self {
            Self::Actor(id) => vec![
                Indexed::Actor(server.blinder.actor(id)),
                record("person", id),
            ],
            Self::Resource(kind, id) => vec![record(kind, id)],
        }
    }

    /// What stands for the subject in holds.
    pub fn fingerprint(&self, server: &Server) -> Digest {
        let first = self.sealed_under().into_iter().next().unwrap_or_default();
        server.subjects.alias(&first).fingerprint()
    }
}

/// What would go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// Entries with values of the subject, by shard.
    pub entries: BTreeMap<String, u64>,
    /// Apps that these entries belong to.
    pub apps: BTreeSet<String>,
    /// The names that these values are sealed under.
    #[serde(skip)]
    aliases: BTreeSet<Digest>,
    /// Keys that are there to be destroyed.
    pub keys: usize,
    /// What stands against it, in words.
    pub held_by: Vec<String>,
    /// Somebody has asked for it, and another has to carry it out.
    pub asked: bool,
}

/// What an erasure came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Erased {
    /// It is asked for; another person has to carry it out.
    Asked,
    /// It is done.
    Erased {
        /// Keys destroyed; also those counted that a restored database never had.
        keys: usize,
        /// Entries whose values are gone.
        entries: u64,
    },
}

/// Looks through the ledger for what an erasure would take away.
pub async fn preview(
    server: &Server,
    caller: &Caller,
    subject: &Subject,
) -> Result<Preview, Problem> {
    let now = server.now()?;
    let whole = Organisation { revision: 0 };
    permit::<ReadEntries>(server, &caller.principal(), &whole, &NoContext, now)?;
    look(server, subject).await
}

/// All erasures, for whoever may read the trail. They do not say whom they are about.
pub async fn list(server: &Server, caller: &Caller) -> Result<Vec<Erasure>, Problem> {
    let now = server.now()?;
    let whole = Organisation { revision: 0 };
    permit::<ReadTrail>(server, &caller.principal(), &whole, &NoContext, now)?;
    let all = server
        .store
        .erasures()
        .await
        .map_err(|e| Problem::internal(&e))?;
    Ok(all.into_iter().map(|it| it.record).collect())
}

async fn look(server: &Server, subject: &Subject) -> Result<Preview, Problem> {
    let internal = |e: burgess_store::StoreError| Problem::internal(&e);
    let aliases = subject.fingerprints(server);
    let mut preview = Preview::default();
    for alias in &aliases {
        let key = server.store.subject_key(*alias).await.map_err(internal)?;
        preview.keys += usize::from(matches!(key, SubjectKey::Active { .. }));
        let erasure = server.store.erasure(*alias).await.map_err(internal)?;
        preview.asked |= erasure.is_some_and(|it| it.record.erased.is_none());
    }
    for shard in server.shards.all() {
        let aliases = aliases.clone();
        let found = tokio::task::spawn_blocking(move || {
            sweep::find(&shard, &aliases).map(|it| (shard, it))
        });
        let (shard, found) = found.await.map_err(|e| Problem::internal(&e))??;
        if found.entries > 0 {
            preview.entries.insert(shard.name, found.entries);
            preview.apps.extend(found.apps);
            preview.aliases.extend(found.aliases);
        }
    }
    let holds = hold::in_force(server, |hold| covered(hold, &aliases, &preview)).await?;
    preview.held_by = holds.iter().map(reason_words).collect();
    Ok(preview)
}

fn reason_words(hold: &Hold) -> String {
    format!(
        "hold {} on {}: {}",
        hold.id,
        words(&hold.covers),
        hold.reason
    )
}

fn covered(hold: &Hold, aliases: &[Digest], found: &Preview) -> bool {
    match &hold.covers {
        Covers::App(app) => found.apps.contains(app.as_str()),
        Covers::Shard(shard) => found.entries.contains_key(shard),
        Covers::Subject(_) => hold.aliases().any(|alias| aliases.contains(alias)),
        Covers::Everything => true,
    }
}

/// Erases a subject for good, or, where two people are wanted and nobody has asked yet, asks.
pub async fn erase(
    server: &Server,
    caller: &Caller,
    subject: &Subject,
    reason: &str,
) -> Result<Erased, Problem> {
    // What is committed and not swept yet is this call's to sweep, not the clock's.
    let mut swept = server.erasing.lock().await;
    let gone = match destroy_keys(server, caller, subject, reason).await {
        Ok(Some(gone)) => gone,
        Ok(None) => return Ok(Erased::Asked),
        Err(problem) if problem.code == CHANGE_PENDING => return Err(unfinished(&problem)),
        Err(problem) => return Err(problem),
    };
    let (mut entries, mut failed) = (0, None);
    for alias in &gone {
        match sweep::sweep(server, &mut swept, *alias, &subject.indexed(server)).await {
            Ok(found) => entries += found,
            // One that fails does not stop the others.
            Err(problem) => failed = failed.or(Some(problem)),
        }
    }
    match failed {
        Some(problem) => Err(unfinished(&problem)),
        None => Ok(Erased::Erased {
            keys: gone.len(),
            entries,
        }),
    }
}

/// Past the point of no return nobody is told that nothing was done, nor to ask again.
fn unfinished(cause: &Problem) -> Problem {
    let cause = match cause.code {
        "INTERNAL" => "something failed on our side, which the trace names",
        _ => &cause.detail,
    };
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "ERASURE_UNFINISHED",
        format!(
            "the key is destroyed, and what it sealed is closed for good; taking the traces away goes on by itself every minute, so do not ask again. In its way stands: {cause}; `burgess doctor` names this erasure until it is finished"
        ),
    )
}

/// What can be erased of a subject, first what was asked for: alias, revision of the key (0 where
/// there is none), and the erasure that was asked for.
type Open = (Digest, u64, Option<Versioned<Erasure>>);

async fn active(server: &Server, subject: &Subject, found: &Preview) -> Result<Vec<Open>, Problem> {
    let internal = |e: burgess_store::StoreError| Problem::internal(&e);
    let mut open = Vec::new();
    for alias in subject.fingerprints(server) {
        let key = server.store.subject_key(alias).await.map_err(internal)?;
        let revision = match key {
            SubjectKey::Active { revision, .. } => revision,
            // A database from an older copy never had the key of what was sealed since. What lies
            // there is closed already, and goes; and the subject never gets a key again.
            SubjectKey::Never if found.aliases.contains(&alias) => 0,
            SubjectKey::Never | SubjectKey::Erased { .. } => continue,
        };
        let asked = server.store.erasure(alias).await.map_err(internal)?;
        open.push((alias, revision, asked));
    }
    // An alias may have come after the asking. What was asked for goes first, since a permit of the
    // organisation is for the revision of the first change.
    open.sort_by_key(|(_, _, asked)| asked.is_none());
    Ok(open)
}

/// The point of no return: the keys go, and the events that say so are in the ledger. Answers the
/// aliases, or nothing where it was only asked for.
pub(crate) async fn destroy_keys(
    server: &Server,
    caller: &Caller,
    subject: &Subject,
    reason: &str,
) -> Result<Option<Vec<Digest>>, Problem> {
    // A hold that is placed from here on has to wait until the keys are gone or the answer is no.
    let _holds_stand = server.holding.lock().await;
    let now = server.now()?;
    let reason = reason_of(reason)?;
    hold::refuse_names(server, subject, &reason).await?;
    refuse_server(subject)?;
    refuse_active(server, subject).await?;
    let found = look(server, subject).await?;
    let open = active(server, subject, &found).await?;
    let two_persons = server.config.erasure_by_two;
    let first = open.iter().find_map(|(_, _, asked)| asked.as_ref());
    if two_persons && first.is_none() && !open.is_empty() {
        let aliases = open.iter().map(|it| it.0);
        ask(server, caller, aliases, &reason, now).await?;
        return Ok(None);
    }
    let facts = ErasureFacts {
        held: !found.held_by.is_empty(),
        two_persons,
        asked_by_another: first.is_some_and(|it| it.record.asked_by != caller.email().as_str()),
    };
    let revision = first.map_or(0, |it| it.revision);
    let whole = Organisation { revision };
    let permit = permit::<EraseSubject>(server, &caller.principal(), &whole, &facts, now)
        .map_err(|problem| name_holds(problem, &found.held_by))?;
    if open.is_empty() {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            "SUBJECT_UNKNOWN",
            "nothing is sealed under that subject's key: it never acted here, or was erased before",
        ));
    }
    let writes = open
        .iter()
        .map(|it| write(server, caller, it, &reason, &permit, now))
        .collect::<Result<_, _>>()?;
    server.commit(writes, &permit, now).await?;
    Ok(Some(open.into_iter().map(|(alias, ..)| alias).collect()))
}

/// One key's end, with its event.
fn write(
    server: &Server,
    caller: &Caller,
    (alias, key, asked): &Open,
    reason: &str,
    permit: &Permit<EraseSubject>,
    now: Timestamp,
) -> Result<Write, Problem> {
    let me = caller.email().as_str();
    let erased = |asked_by: &str, asked_at| Erasure {
        subject: *alias,
        reason: reason.to_owned(),
        asked_by: asked_by.to_owned(),
        asked_at,
        erased: Some((me.to_owned(), now)),
    };
    let change = match asked {
        Some(it) => it.next(erased(&it.record.asked_by, it.record.asked_at)),
        None => Versioned::new(erased(me, now)),
    };
    let event = event::about(&server.ambient, None, now)
        .map_err(|e| Problem::internal(&e))?
        .by(caller)
        .permitted(permit)
        .did(ActionType::Delete, "erasure", &alias.to_string())
        .moved(asked.as_ref().map(|_| "asked"), &change.record.state())
        .context("reason", reason)
        .done();
    let key = Versioned {
        revision: key.saturating_add(1),
        record: SubjectErasure {
            subject: *alias,
            erased_at: now,
        },
    };
    let changes = vec![Change::Erasure(change), Change::SubjectErasure(key)];
    Ok(Write { changes, event })
}

/// Notes that an erasure is asked for.
async fn ask(
    server: &Server,
    caller: &Caller,
    aliases: impl Iterator<Item = Digest>,
    reason: &str,
    now: Timestamp,
) -> Result<(), Problem> {
    let whole = Organisation { revision: 0 };
    let permit = permit::<AskErasure>(server, &caller.principal(), &whole, &NoContext, now)?;
    let mut writes = Vec::new();
    for alias in aliases {
        let asked = Erasure {
            subject: alias,
            reason: reason.to_owned(),
            asked_by: caller.email().as_str().to_owned(),
            asked_at: now,
            erased: None,
        };
        let event = event::about(&server.ambient, None, now)
            .map_err(|e| Problem::internal(&e))?
            .by(caller)
            .permitted(&permit)
            .did(ActionType::Create, "erasure", &alias.to_string())
            .moved(None, &asked.state())
            .context("reason", reason)
            .done();
        let changes = vec![Change::Erasure(Versioned::new(asked))];
        writes.push(Write { changes, event });
    }
    server.commit(writes, &permit, now).await
}

/// A refusal because of a hold says which.
fn name_holds(mut problem: Problem, holds: &[String]) -> Problem {
    for hold in holds {
        problem.unmet.push(Missing {
            control: "legal_hold".to_owned(),
            reason: hold.clone(),
            remedy: "have it released, if its reason is gone".to_owned(),
        });
    }
    problem
}

/// Whoever works here leaves traces every day; without a key nothing of theirs could be recorded.
async fn refuse_active(server: &Server, subject: &Subject) -> Result<(), Problem> {
    let Some(email) = subject.email() else {
        return Ok(());
    };
    let person = server
        .store
        .person(&email)
        .await
        .map_err(|e| Problem::internal(&e))?;
    if person.is_some_and(|it| it.record.active) {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "SUBJECT_ACTIVE",
            "this person still has a role here, and what they do has to be recorded: if they leave, take their roles away with `burgess dismiss` on the machine itself, then ask again",
        ));
    }
    Ok(())
}

/// What the server itself does, and to its own records, is about nobody. Without those keys jobs would
/// stop, and nobody could tell who placed a hold.
fn refuse_server(subject: &Subject) -> Result<(), Problem> {
    let own = match subject {
        Subject::Actor(id) => event::ACTORS.contains(&id.as_str()),
        Subject::Resource(kind, _) => event::RECORDS.contains(&kind.as_str()),
    };
    if own {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "SUBJECT_IS_SERVER",
            "that is a job or a record of the server itself and about no person, so it cannot be erased: give the person or the record that an app holds",
        ));
    }
    Ok(())
}
