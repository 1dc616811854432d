//! Retirement: announced, taken back, and carried out with its exit checklist.

use burgess_core::audit::{ActionType, Place};
use burgess_core::deploy::EndedWhy;
use burgess_core::id::AppId;
use burgess_core::lifecycle::{self, Action as Step, State};
use burgess_core::permit::Permit;
use burgess_core::policy::Action;
use burgess_core::policy::action::{CancelRetirement, Retire, ScheduleRetirement};
use burgess_core::policy::facts::{NoContext, Principal};
use burgess_core::retirement::{ArchiveRecord, CredentialProof, ExitDraft, RetirementSchedule};
use burgess_core::time::Timestamp;
use burgess_store::{Change, Dossier, Retirement, Versioned, Write};

use super::event::{self, Draft};
use super::promote::{self, dossier, facts, highest, move_app, stand_down};
use super::{Caller, connect, permit, refused};
use crate::http::problem::Problem;
use crate::server::Server;

/// Who retires: a person, or the clock.
#[derive(Clone, Copy, Debug)]
pub enum By<'a> {
    /// A person.
    Person(&'a Caller),
    /// The clockwork.
    Clock,
}

impl By<'_> {
    fn principal(self) -> Principal {
        match self {
            Self::Person(caller) => caller.principal(),
            Self::Clock => Principal::Job("clockwork"),
        }
    }

    fn sign(self, draft: Draft) -> Draft {
        match self {
            Self::Person(caller) => draft.by(caller),
            Self::Clock => draft.by_job("clockwork"),
        }
    }
}

fn start<A: Action>(
    server: &Server,
    by: By<'_>,
    dossier: &Dossier,
    permit: &Permit<A>,
    now: Timestamp,
) -> Result<Draft, Problem> {
    let draft = event::about(&server.ambient, Some(&dossier.app), now)
        .map_err(|e| Problem::internal(&e))?;
    Ok(by.sign(draft).permitted(permit))
}

/// Announces the retirement of an app; it can be taken back until the notice is over.
pub async fn schedule(
    server: &Server,
    by: By<'_>,
    id: &AppId,
    reason: &str,
) -> Result<(), Problem> {
    let now = server.now()?;
    let dossier = dossier(server, id).await?;
    let permit = permit::<ScheduleRetirement>(
        server,
        &by.principal(),
        &facts(&dossier, now),
        &NoContext,
        now,
    )?;
    let begin = || Ok(start(server, by, &dossier, &permit, now)?.context("reason", reason));
    let state = lifecycle::transition(
        dossier.app.state,
        Step::ScheduleRetirement,
        highest(&dossier),
    )
    .map_err(|e| Problem::conflict(e.to_string()))?;
    let planned = Retirement::scheduled(RetirementSchedule::new(id.clone(), reason, now));
    let writes = vec![
        retirement_write(&dossier, planned, begin()?),
        move_app(&dossier.app, state, &begin)?,
    ];
    server.commit(writes, &permit, now).await
}

fn retirement_write(dossier: &Dossier, next: Retirement, draft: Draft) -> Write {
    let before = dossier.retirement.as_ref();
    let event = draft
        .did(ActionType::Update, "retirement", dossier.app.id.as_str())
        .moved(before.map(|it| it.record.state()), next.state())
        .done();
    let change = before.map_or_else(|| Versioned::new(next.clone()), |it| it.next(next.clone()));
    Write {
        changes: vec![Change::Retirement(Box::new(change))],
        event,
    }
}

/// Keeps an app that was to retire.
pub async fn keep(server: &Server, caller: &Caller, id: &AppId) -> Result<(), Problem> {
    let now = server.now()?;
    let dossier = dossier(server, id).await?;
    let by = By::Person(caller);
    let permit = permit::<CancelRetirement>(
        server,
        &by.principal(),
        &facts(&dossier, now),
        &NoContext,
        now,
    )?;
    let begin = || start(server, by, &dossier, &permit, now);
    let state = lifecycle::transition(dossier.app.state, Step::Keep, highest(&dossier))
        .map_err(|e| Problem::conflict(e.to_string()))?;
    let mut writes = vec![move_app(&dossier.app, state, &begin)?];
    if let Some(held) = &dossier.retirement {
        let mut cancelled = held.record.clone();
        cancelled.cancelled_at = Some(now);
        writes.push(retirement_write(&dossier, cancelled, begin()?));
    }
    server
        .store
        .note_app_used(id, now)
        .await
        .map_err(|e| Problem::internal(&e))?;
    server.commit(writes, &permit, now).await
}

/// Retires an app. First everything it has is taken away; then each credential is tried and must
/// fail; then the record is archived; only the complete checklist retires it.
pub async fn retire(server: &Server, by: By<'_>, id: &AppId, lessons: &str) -> Result<(), Problem> {
    if lessons.trim().is_empty() {
        return Err(Problem::input(
            "lessons learned are missing: two sentences help whoever builds the next one",
        ));
    }
    let first = dossier(server, id).await?;
    if matches!(
        first.app.state,
        State::Approved | State::Sandbox | State::Staging | State::Production
    ) {
        schedule(server, by, id, "retired by a person").await?;
    }
    take_away(server, by, id).await?;
    finish(server, by, id, lessons).await
}

/// Ends deployments and credentials.
async fn take_away(server: &Server, by: By<'_>, id: &AppId) -> Result<(), Problem> {
    let now = server.now()?;
    let dossier = dossier(server, id).await?;
    let permit = permit::<Retire>(
        server,
        &by.principal(),
        &facts(&dossier, now),
        &NoContext,
        now,
    )?;
    let begin = || start(server, by, &dossier, &permit, now);
    let writes = stand_down(&dossier, None, EndedWhy::Retired, now, &begin)?;
    if writes.is_empty() {
        Ok(())
    } else {
        server.commit(writes, &permit, now).await
    }
}

async fn finish(server: &Server, by: By<'_>, id: &AppId, lessons: &str) -> Result<(), Problem> {
    let now = server.now()?;
    let dossier = dossier(server, id).await?;
    let permit = permit::<Retire>(
        server,
        &by.principal(),
        &facts(&dossier, now),
        &NoContext,
        now,
    )?;
    let charter = dossier.requests.first().map(|request| &request.charter);
    let retention = charter.and_then(|charter| charter.retention.clone());
    let archive = archive(server, &dossier, retention.as_ref(), now)?;
    let signed_by = match by {
        By::Person(caller) => caller.email().clone(),
        By::Clock => dossier.app.owner.clone(),
    };
    let draft = ExitDraft {
        app: id.clone(),
        credentials: dossier
            .credentials
            .iter()
            .map(|it| proof(server, &dossier, &it.record, now))
            .collect(),
        live_deployments: u32::try_from(
            dossier
                .deployments
                .iter()
                .filter(|it| it.record.is_live())
                .count(),
        )
        .unwrap_or(u32::MAX),
        archive,
        retention_label: retention.map(|it| it.label),
        lessons_learned: lessons.trim().to_owned(),
        signed_by: Some(signed_by),
    };
    let checklist = draft.complete(now).map_err(|r| refused(&r))?;
    let begin = || Ok(start(server, by, &dossier, &permit, now)?.in_place(Place::Control));
    let planned = dossier.retirement.as_ref().map_or_else(
        || Retirement::scheduled(RetirementSchedule::new(id.clone(), "never ran", now)),
        |it| it.record.clone(),
    );
    let done = planned
        .completed(&checklist)
        .map_err(|e| Problem::internal(&e))?;
    let state = lifecycle::transition(dossier.app.state, Step::Retire, None)
        .map_err(|e| Problem::conflict(e.to_string()))?;
    let writes = vec![
        retirement_write(
            &dossier,
            done,
            begin()?.context("lessons_learned", lessons.trim()),
        ),
        move_app(&dossier.app, state, &begin)?,
    ];
    server.commit(writes, &permit, now).await
}

/// The proof that a credential is dead: it is tried, and must be refused (R63).
fn proof(
    server: &Server,
    dossier: &Dossier,
    credential: &burgess_core::credential::ClientCredential,
    now: Timestamp,
) -> CredentialProof {
    use burgess_core::credential::CredentialState;
    let revoked = credential.state == CredentialState::Revoked;
    let refused = !connect::would_exchange(server, dossier, credential, now);
    CredentialProof {
        credential: credential.id.clone(),
        revoked_at: revoked.then_some(now),
        refused_at: refused.then_some(now),
    }
}

/// The app's whole record as one archive object, under its retention label (R64).
fn archive(
    server: &Server,
    dossier: &Dossier,
    retention: Option<&burgess_core::charter::Retention>,
    now: Timestamp,
) -> Result<Option<ArchiveRecord>, Problem> {
    let Some(retention) = retention else {
        return Ok(None);
    };
    let bytes = serde_json::to_vec_pretty(dossier).map_err(|e| Problem::internal(&e))?;
    let digest = server
        .store
        .blobs()
        .put(&bytes)
        .map_err(|e| Problem::internal(&e))?;
    Ok(Some(ArchiveRecord::new(
        digest,
        &retention.label,
        retention.days,
        now,
    )))
}

/// Whether somebody may retire the app; for the page.
pub fn may_retire(server: &Server, caller: &Caller, dossier: &Dossier, now: Timestamp) -> bool {
    dossier.app.state != State::Retired
        && super::may::<Retire>(
            server,
            &caller.principal(),
            &promote::facts(dossier, now),
            &NoContext,
            now,
        )
}
