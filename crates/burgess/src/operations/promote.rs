//! Promotion: through the gate into an environment, back again, and to a halt.

use burgess_core::app::{App, Environment};
use burgess_core::audit::{ActionType, Place};
use burgess_core::credential::{ClientCredential, CredentialState};
use burgess_core::deploy::{
    self, Deployment, Ended, EndedWhy, GateInputs, highest_live, live, rollback_target,
};
use burgess_core::evidence::Evidence;
use burgess_core::id::{AppId, DeploymentId};
use burgess_core::intake::Request;
use burgess_core::lifecycle::{self, Action as Step};
use burgess_core::permit::Permit;
use burgess_core::policy::Action;
use burgess_core::policy::action::{
    DeploySandbox, DeployStaging, PromoteProduction, Quarantine, ReleaseQuarantine, Rollback,
};
use burgess_core::policy::facts::{AppFacts, InEnvironment, NoContext};
use burgess_core::time::Timestamp;
use burgess_store::{Change, Dossier, Versioned, Write, deployment_state};

use super::event::{self, Draft};
use super::{Caller, app_facts, evidence, permit, refused};
use crate::http::problem::Problem;
use crate::server::Server;

/// One app with everything about it.
pub async fn dossier(server: &Server, id: &AppId) -> Result<Dossier, Problem> {
    let dossier = server
        .store
        .dossier(id)
        .await
        .map_err(|e| Problem::internal(&e))?;
    dossier.ok_or_else(|| Problem::not_found("app", id.as_str()))
}

/// The facts of the app as policy sees them.
pub fn facts(dossier: &Dossier, now: Timestamp) -> AppFacts {
    let approved = dossier.approvals.iter().any(|it| {
        it.record.is_in_force(now) && Some(&it.record.id) == dossier.app.approval.as_ref()
    });
    let due = dossier
        .retirement
        .as_ref()
        .is_some_and(|it| it.record.cancelled_at.is_none() && it.record.schedule.is_due(now));
    app_facts(&dossier.app, approved, due)
}

/// The request that the app's approval answers: its charter is the one in force.
pub fn approved_request(dossier: &Dossier) -> Option<&Request> {
    let approval = dossier.app.approval.as_ref()?;
    dossier
        .requests
        .iter()
        .find(|request| request.approval.as_ref() == Some(approval))
}

/// What was seen of the artifact that was uploaded last.
pub fn evidence_of(dossier: &Dossier) -> Evidence {
    let digest = dossier
        .artifacts
        .first()
        .map(|it| it.record.reference.normalised);
    evidence::gather(&dossier.evidence, digest)
}

/// Deployments of the app, the newest first.
pub fn deployments(dossier: &Dossier) -> Vec<Deployment> {
    dossier
        .deployments
        .iter()
        .map(|it| it.record.clone())
        .collect()
}

/// Puts the approved version into an environment, if the gate opens.
pub async fn promote(
    server: &Server,
    caller: &Caller,
    id: &AppId,
    target: Environment,
) -> Result<Deployment, Problem> {
    let now = server.now()?;
    let dossier = dossier(server, id).await?;
    let principal = caller.principal();
    let facts = facts(&dossier, now);
    match target {
        Environment::Sandbox => {
            let permit = permit::<DeploySandbox>(server, &principal, &facts, &NoContext, now);
            through(server, caller, &dossier, target, permit, now).await
        }
        Environment::Staging => {
            let permit = permit::<DeployStaging>(server, &principal, &facts, &NoContext, now);
            through(server, caller, &dossier, target, permit, now).await
        }
        Environment::Production => {
            let permit = permit::<PromoteProduction>(server, &principal, &facts, &NoContext, now);
            through(server, caller, &dossier, target, permit, now).await
        }
    }
}

async fn through<A: Action>(
    server: &Server,
    caller: &Caller,
    dossier: &Dossier,
    target: Environment,
    permit: Result<Permit<A>, Problem>,
    now: Timestamp,
) -> Result<Deployment, Problem> {
    let permit = match permit {
        Ok(permit) => permit,
        Err(problem) => {
            note_refusal(server, caller, &dossier.app, target, &problem, now).await?;
            return Err(problem);
        }
    };
    let promotion = match gate(server, dossier, target, now).await? {
        Ok(promotion) => promotion,
        Err(refusal) => {
            let problem = refused(&refusal);
            note_refusal(server, caller, &dossier.app, target, &problem, now).await?;
            return Err(problem);
        }
    };
    let id = DeploymentId::from_uuid(server.ambient.uuid().map_err(|e| Problem::internal(&e))?);
    let deployment = promotion
        .deploy(id, &dossier.app, caller.email().clone(), now)
        .map_err(|e| Problem::conflict(e.to_string()))?;
    let step = Step::deploy(target);
    activate(
        server,
        caller,
        dossier,
        deployment,
        step,
        EndedWhy::Replaced,
        &permit,
        now,
    )
    .await
}

/// Asks the gate; also for showing what is still missing.
pub async fn gate(
    server: &Server,
    dossier: &Dossier,
    target: Environment,
    now: Timestamp,
) -> Result<Result<deploy::Promotion, burgess_core::evidence::Refusal>, Problem> {
    let request = approved_request(dossier).or_else(|| dossier.requests.first());
    let Some(request) = request else {
        return Err(Problem::conflict(
            "the app has no request yet: hand one in first",
        ));
    };
    let artifact = dossier.artifacts.first().map(|it| &it.record.reference);
    let telemetry = match artifact {
        Some(artifact) => server
            .store
            .telemetry(&dossier.app.id, Environment::Sandbox, artifact.normalised)
            .await
            .map_err(|e| Problem::internal(&e))?,
        None => deploy::Telemetry::default(),
    };
    let approval = dossier
        .approvals
        .iter()
        .map(|it| &it.record)
        .find(|a| Some(&a.id) == dossier.app.approval.as_ref());
    let deployments = deployments(dossier);
    let inputs = GateInputs {
        app: &dossier.app,
        charter: &request.charter,
        artifact,
        approval,
        approved_charter: approved_request(dossier).map(|request| &request.charter),
        evidence: &evidence_of(dossier),
        deployments: &deployments,
        telemetry: &telemetry,
        catalogue: &server.catalogue,
        now,
    };
    Ok(deploy::gate(&inputs, target, &server.policies.load()))
}

/// A refused promotion is an event too.
async fn note_refusal(
    server: &Server,
    caller: &Caller,
    app: &App,
    target: Environment,
    problem: &Problem,
    now: Timestamp,
) -> Result<(), Problem> {
    let unmet: Vec<String> = problem.unmet.iter().map(|m| m.control.clone()).collect();
    let event = event::about(&server.ambient, Some(app), now)
        .map_err(|e| Problem::internal(&e))?
        .by(caller)
        .did(ActionType::Execute, "promotion", app.id.as_str())
        .in_place(Place::from(target))
        .blocked(problem.code)
        .context("unmet", unmet)
        .done();
    server.record(event).await
}

/// One deployment takes the place of another: the old one ends, its credentials are
/// revoked, the new one is live, and the app moves on, in one transaction.
#[expect(
    clippy::too_many_arguments,
    reason = "deploying and rolling back share one commit point"
)]
async fn activate<A: Action>(
    server: &Server,
    caller: &Caller,
    dossier: &Dossier,
    deployment: Deployment,
    step: Step,
    why: EndedWhy,
    permit: &Permit<A>,
    now: Timestamp,
) -> Result<Deployment, Problem> {
    let app = &dossier.app;
    let place = Place::from(deployment.environment);
    let start = || draft(server, Some(caller), app, permit, place, now);
    let mut writes = stand_down(dossier, Some(deployment.environment), why, now, &start)?;
    let live_event = start()?
        .did(ActionType::Execute, "deployment", deployment.id.as_str())
        .version(&deployment.version)
        .approval(&deployment.approval)
        .charter(deployment.charter_digest)
        .moved(None, deployment_state(&deployment))
        .context("step", step.as_str())
        .done();
    writes.push(Write {
        changes: vec![Change::Deployment(Versioned::new(deployment.clone()))],
        event: live_event,
    });
    let state = lifecycle::transition(app.state, step, None)
        .map_err(|e| Problem::conflict(e.to_string()))?;
    writes.push(move_app(app, state, &start)?);
    server.commit(writes, permit, now).await?;
    Ok(deployment)
}

fn draft<A: Action>(
    server: &Server,
    caller: Option<&Caller>,
    app: &App,
    permit: &Permit<A>,
    place: Place,
    now: Timestamp,
) -> Result<Draft, Problem> {
    let draft = event::about(&server.ambient, Some(app), now)
        .map_err(|e| Problem::internal(&e))?
        .in_place(place)
        .permitted(permit);
    Ok(match caller {
        Some(caller) => draft.by(caller),
        None => draft.by_job("clockwork"),
    })
}

/// The app in its new state.
pub fn move_app(
    app: &App,
    state: lifecycle::State,
    start: &dyn Fn() -> Result<Draft, Problem>,
) -> Result<Write, Problem> {
    let mut next = app.clone();
    next.state = state;
    next.revision = app.revision.saturating_add(1);
    let event = start()?
        .did(ActionType::Update, "app", app.id.as_str())
        .moved(Some(app.state.as_str()), state.as_str())
        .done();
    Ok(Write {
        changes: vec![Change::App(next)],
        event,
    })
}

/// Ends what is live (in one environment or everywhere) and revokes its credentials.
pub fn stand_down(
    dossier: &Dossier,
    environment: Option<Environment>,
    why: EndedWhy,
    now: Timestamp,
    start: &dyn Fn() -> Result<Draft, Problem>,
) -> Result<Vec<Write>, Problem> {
    let mut writes = Vec::new();
    let here = |e: Environment| environment.is_none_or(|only| only == e);
    for held in dossier
        .deployments
        .iter()
        .filter(|it| it.record.is_live() && here(it.record.environment))
    {
        let mut ended = held.record.clone();
        ended.ended = Some(Ended { at: now, why });
        let event = start()?
            .did(ActionType::Execute, "deployment", ended.id.as_str())
            .in_place(Place::from(ended.environment))
            .version(&ended.version)
            .moved(
                Some(deployment_state(&held.record)),
                deployment_state(&ended),
            )
            .done();
        writes.push(Write {
            changes: vec![Change::Deployment(held.next(ended))],
            event,
        });
    }
    for held in dossier
        .credentials
        .iter()
        .filter(|it| it.record.state == CredentialState::Active && here(it.record.environment))
    {
        writes.push(revoke_write(held, start)?);
    }
    Ok(writes)
}

/// One credential, revoked.
pub fn revoke_write(
    held: &Versioned<ClientCredential>,
    start: &dyn Fn() -> Result<Draft, Problem>,
) -> Result<Write, Problem> {
    let mut revoked = held.record.clone();
    revoked.state = CredentialState::Revoked;
    let event = start()?
        .did(ActionType::Delete, "credential", revoked.id.as_str())
        .in_place(Place::from(revoked.environment))
        .version(&revoked.version)
        .moved(
            Some(CredentialState::Active.as_str()),
            CredentialState::Revoked.as_str(),
        )
        .done();
    Ok(Write {
        changes: vec![Change::Credential(held.next(revoked))],
        event,
    })
}

/// Goes back to the version before, in one action.
pub async fn roll_back(
    server: &Server,
    caller: &Caller,
    id: &AppId,
    environment: Environment,
) -> Result<Deployment, Problem> {
    let now = server.now()?;
    let dossier = dossier(server, id).await?;
    let permit = permit::<Rollback>(
        server,
        &caller.principal(),
        &facts(&dossier, now),
        &InEnvironment { environment },
        now,
    )?;
    let all = deployments(&dossier);
    let in_force = |wanted: &burgess_core::id::ApprovalId| {
        dossier
            .approvals
            .iter()
            .any(|it| it.record.id == *wanted && it.record.is_in_force(now))
    };
    let target = rollback_target(&all, environment, in_force)
        .map_err(|e| Problem::conflict(e.to_string()))?;
    let again = Deployment {
        id: DeploymentId::from_uuid(server.ambient.uuid().map_err(|e| Problem::internal(&e))?),
        by: caller.email().clone(),
        live_since: now,
        ended: None,
        ..target.clone()
    };
    activate(
        server,
        caller,
        &dossier,
        again,
        Step::RollBack,
        EndedWhy::RolledBack,
        &permit,
        now,
    )
    .await
}

/// Stops everything the app does, at once.
pub async fn quarantine(
    server: &Server,
    caller: &Caller,
    id: &AppId,
    reason: &str,
) -> Result<(), Problem> {
    let now = server.now()?;
    let dossier = dossier(server, id).await?;
    let permit = permit::<Quarantine>(
        server,
        &caller.principal(),
        &facts(&dossier, now),
        &NoContext,
        now,
    )?;
    let reason = reason.trim();
    let start = || {
        Ok(draft(
            server,
            Some(caller),
            &dossier.app,
            &permit,
            Place::Control,
            now,
        )?
        .context("reason", reason))
    };
    let mut writes = stand_down(&dossier, None, EndedWhy::Quarantined, now, &start)?;
    let state = lifecycle::transition(dossier.app.state, Step::Quarantine, None)
        .map_err(|e| Problem::conflict(e.to_string()))?;
    writes.push(move_app(&dossier.app, state, &start)?);
    server.commit(writes, &permit, now).await
}

/// Lets a quarantined app go on, from the sandbox.
pub async fn release(server: &Server, caller: &Caller, id: &AppId) -> Result<(), Problem> {
    let now = server.now()?;
    let dossier = dossier(server, id).await?;
    let permit = permit::<ReleaseQuarantine>(
        server,
        &caller.principal(),
        &facts(&dossier, now),
        &NoContext,
        now,
    )?;
    let state = lifecycle::transition(dossier.app.state, Step::Release, None)
        .map_err(|e| Problem::conflict(e.to_string()))?;
    let start = || {
        draft(
            server,
            Some(caller),
            &dossier.app,
            &permit,
            Place::Control,
            now,
        )
    };
    let writes = vec![move_app(&dossier.app, state, &start)?];
    server.commit(writes, &permit, now).await
}

/// What is live in an environment.
pub fn live_in(dossier: &Dossier, environment: Environment) -> Option<Deployment> {
    live(&deployments(dossier), environment).cloned()
}

/// The highest environment in which something is live.
pub fn highest(dossier: &Dossier) -> Option<Environment> {
    highest_live(&deployments(dossier))
}
