//! People: bound to roles, invited with one-time links, and dismissed. Only on the machine itself.

use std::collections::BTreeSet;

use burgess_core::audit::ActionType;
use burgess_core::id::{AppId, Email};
use burgess_core::permit::Permit;
use burgess_core::policy::Action;
use burgess_core::policy::action::ManagePeople;
use burgess_core::policy::facts::{NoContext, Organisation, Person, Principal};
use burgess_core::roles::Role;
use burgess_core::time::Timestamp;
use burgess_store::{AppFilter, Change, Invite, PersonRecord, Versioned, Write};

use super::{event, permit};
use crate::http::problem::Problem;
use crate::identity::session::{LINK_LIFETIME, digest};
use crate::server::Server;

/// Who is invited.
#[derive(Clone, Debug)]
pub struct Invited {
    /// Their address.
    pub email: Email,
    /// Their name.
    pub name: String,
    /// The role they get, beside those they have.
    pub role: Role,
    /// Their manager.
    pub manager: Option<Email>,
    /// Their unit.
    pub unit: String,
}

/// Whoever runs a command on the machine itself acts as its administrator: they own the
/// folder and the key, so no check of ours could stop them; it is recorded as what it is.
pub fn machine() -> Principal {
    let email = Email::parse("machine@localhost.invalid").ok();
    match email {
        Some(email) => Principal::Person(Person {
            email,
            roles: BTreeSet::from([Role::Administrator]),
            active: true,
        }),
        None => Principal::Job("machine"),
    }
}

/// Binds the role and makes a one-time link; answers the link's secret, which is stored nowhere.
pub async fn invite(server: &Server, invited: Invited) -> Result<String, Problem> {
    let now = server.now()?;
    let secret = server.ambient.secret().map_err(|e| Problem::internal(&e))?;
    let held = server
        .store
        .person(&invited.email)
        .await
        .map_err(|e| Problem::internal(&e))?;
    let revision = held.as_ref().map_or(0, |it| it.revision);
    let permit = permit::<ManagePeople>(
        server,
        &machine(),
        &Organisation { revision },
        &NoContext,
        now,
    )?;
    let mut person = held.as_ref().map_or_else(
        || PersonRecord {
            email: invited.email.clone(),
            name: invited.name.clone(),
            manager: None,
            unit: String::new(),
            roles: BTreeSet::new(),
            active: true,
        },
        |it| it.record.clone(),
    );
    person.roles.insert(invited.role);
    person.active = true;
    if invited.manager.is_some() {
        person.manager = invited.manager;
    }
    if !invited.unit.is_empty() {
        person.unit = invited.unit;
    }
    let previous = held.as_ref().map(|it| {
        if it.record.active {
            "active"
        } else {
            "inactive"
        }
    });
    let change = held.as_ref().map_or_else(
        || Versioned::new(person.clone()),
        |it| it.next(person.clone()),
    );
    let mut bound = start(server, &permit, now)?
        .did(ActionType::Update, "person", person.email.as_str())
        .context("role", invited.role.as_str());
    if previous != Some("active") {
        bound = bound.moved(previous, "active");
    }
    let link = Invite {
        secret_digest: digest(&secret),
        person: invited.email,
        created_at: now,
        expires_at: now.plus(LINK_LIFETIME),
        used_at: None,
    };
    let made = start(server, &permit, now)?.did(
        ActionType::Create,
        "invite",
        &link.secret_digest.to_string(),
    );
    let writes = vec![
        Write {
            changes: vec![Change::Person(change)],
            event: bound.done(),
        },
        Write {
            changes: vec![Change::Invite(Versioned::new(link))],
            event: made.done(),
        },
    ];
    server.commit(writes, &permit, now).await?;
    Ok(secret)
}

/// What became of somebody who leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dismissed {
    /// The roles that were taken away; none where they had left before.
    pub roles: Vec<Role>,
    /// Apps that still name them as developer, owner or second owner.
    pub apps: Vec<AppId>,
}

/// Takes all roles away from somebody, whose sessions end with that and whose links serve no more.
/// Idempotent. They can be invited again.
pub async fn dismiss(server: &Server, email: &Email) -> Result<Dismissed, Problem> {
    let now = server.now()?;
    let held = server
        .store
        .person(email)
        .await
        .map_err(|e| Problem::internal(&e))?
        .ok_or_else(|| Problem::not_found("person", email.as_str()))?;
    let facts = Organisation {
        revision: held.revision,
    };
    let permit = permit::<ManagePeople>(server, &machine(), &facts, &NoContext, now)?;
    let mut left = held.record.clone();
    let roles: Vec<Role> = std::mem::take(&mut left.roles).into_iter().collect();
    if held.record.active {
        left.active = false;
        let taken = roles.iter().map(|role| role.as_str());
        let event = start(server, &permit, now)?
            .did(ActionType::Update, "person", email.as_str())
            .context("roles_taken", taken.collect::<Vec<_>>())
            .moved(Some("active"), "inactive");
        let write = Write {
            changes: vec![Change::Person(held.next(left))],
            event: event.done(),
        };
        server.commit(vec![write], &permit, now).await?;
    }
    let named = AppFilter {
        person: Some(email.clone()),
        ..AppFilter::default()
    };
    let apps = server.store.apps(&named).await;
    let apps = apps.map_err(|e| Problem::internal(&e))?;
    Ok(Dismissed {
        roles,
        apps: apps.into_iter().map(|app| app.id).collect(),
    })
}

fn start<A: Action>(
    server: &Server,
    permit: &Permit<A>,
    now: Timestamp,
) -> Result<event::Draft, Problem> {
    Ok(event::about(&server.ambient, None, now)
        .map_err(|e| Problem::internal(&e))?
        .by_job("machine")
        .permitted(permit))
}
