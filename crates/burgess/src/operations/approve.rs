//! Decisions on requests: reviewer, second reviewer, sponsor, and the rules alone.

use burgess_core::app::App;
use burgess_core::approval::{
    self, Approval, Capacity, Decision, Progress, Terms, VALID_FOR, Verdict,
};
use burgess_core::audit::ActionType;
use burgess_core::id::{ApprovalId, RequestId};
use burgess_core::intake::Request;
use burgess_core::lifecycle::{self, Action as Step};
use burgess_core::permit::Permit;
use burgess_core::policy::Action;
use burgess_core::policy::action::{
    AutoApprove, DecideAsReviewer, DecideAsSecondReviewer, DecideAsSponsor, WithdrawRequest,
};
use burgess_core::policy::facts::{CaseFacts, NoContext, Principal, Verdict as VerdictFacts};
use burgess_core::time::Timestamp;
use burgess_store::{Change, Versioned, Write};

use super::event::{self, Draft};
use super::{Caller, case_facts, counts_for_rules, missing, permit, refused};
use crate::http::problem::{Missing, Problem};
use crate::server::Server;

/// What somebody decides.
#[derive(Clone, Debug)]
pub struct Deciding {
    /// In which capacity.
    pub capacity: Capacity,
    /// Yes or no.
    pub verdict: Verdict,
    /// Why.
    pub comment: String,
    /// Under which conditions.
    pub conditions: Vec<String>,
    /// The revision that they looked at; another one means that somebody was faster.
    pub revision: Option<u64>,
}

/// Records a decision.
pub async fn decide(
    server: &Server,
    caller: &Caller,
    id: &RequestId,
    deciding: Deciding,
) -> Result<Request, Problem> {
    let now = server.now()?;
    let (request, app) = load(server, id).await?;
    if deciding
        .revision
        .is_some_and(|seen| seen != request.revision)
    {
        return Err(Problem::conflict(
            "somebody decided while you were looking: read the request again, then decide",
        ));
    }
    let principal = caller.principal();
    let facts = case_facts(&request);
    let context = VerdictFacts {
        approves: deciding.verdict == Verdict::Approve,
    };
    let decision = Decision {
        by: caller.email().clone(),
        capacity: deciding.capacity,
        verdict: deciding.verdict,
        at: now,
        comment: deciding.comment.trim().to_owned(),
        conditions: deciding.conditions,
    };
    let with_controls = |problem: Problem| name_controls(problem, &request);
    match deciding.capacity {
        Capacity::Reviewer => {
            let permit = permit::<DecideAsReviewer>(server, &principal, &facts, &context, now)
                .map_err(with_controls)?;
            settle(server, Some(caller), request, app, decision, &permit, now).await
        }
        Capacity::SecondReviewer => {
            let permit =
                permit::<DecideAsSecondReviewer>(server, &principal, &facts, &context, now)
                    .map_err(with_controls)?;
            settle(server, Some(caller), request, app, decision, &permit, now).await
        }
        Capacity::Sponsor => {
            let permit = permit::<DecideAsSponsor>(server, &principal, &facts, &context, now)
                .map_err(with_controls)?;
            settle(server, Some(caller), request, app, decision, &permit, now).await
        }
    }
}

/// A refusal for missing controls says which, each with what would satisfy it.
fn name_controls(mut problem: Problem, request: &Request) -> Problem {
    use burgess_core::evidence::Status;
    if problem
        .unmet
        .iter()
        .any(|missing| missing.control == "approval-needs-its-controls")
    {
        problem.unmet.extend(request.controls.unmet().filter_map(
            |control| match &control.status {
                Status::Unmet { reason, remedy } => Some(Missing {
                    control: control.id.as_str().to_owned(),
                    reason: reason.clone(),
                    remedy: remedy.clone(),
                }),
                _ => None,
            },
        ));
    }
    problem
}

async fn load(server: &Server, id: &RequestId) -> Result<(Request, App), Problem> {
    let request = server
        .store
        .request(id)
        .await
        .map_err(|e| Problem::internal(&e))?;
    let request = request.ok_or_else(|| Problem::not_found("request", id.as_str()))?;
    let app = server
        .store
        .app(&request.app)
        .await
        .map_err(|e| Problem::internal(&e))?;
    let app = app.ok_or_else(|| Problem::not_found("app", request.app.as_str()))?;
    Ok((request, app))
}

fn terms(server: &Server, request: &Request) -> Result<Terms, Problem> {
    let id = match &request.approval {
        Some(id) => id.clone(),
        None => ApprovalId::from_uuid(server.ambient.uuid().map_err(|e| Problem::internal(&e))?),
    };
    Ok(Terms {
        id,
        policy_digest: server.policies.load().digest(),
        valid_for: VALID_FOR,
    })
}

async fn settle<A: Action>(
    server: &Server,
    caller: Option<&Caller>,
    request: Request,
    app: App,
    decision: Decision,
    permit: &Permit<A>,
    now: Timestamp,
) -> Result<Request, Problem> {
    let answer = match decision.verdict {
        Verdict::Approve => "approve",
        Verdict::Reject => "refuse",
    };
    let capacity = decision.capacity.title();
    let comment = decision.comment.clone();
    let progress =
        approval::record(&request, decision, terms(server, &request)?).map_err(|r| refused(&r))?;
    let note = |draft: Draft| {
        draft
            .answered(answer)
            .context("capacity", capacity)
            .context("comment", comment.clone())
    };
    carry_out(server, caller, request, app, progress, permit, now, &note).await
}

/// Approves in the reviewer's place where nothing speaks against it (R31). Called right
/// after a request was handed in; a request that needs people is left as it is.
pub async fn by_rule(server: &Server, id: &RequestId) -> Result<Request, Problem> {
    let now = server.now()?;
    let (request, app) = load(server, id).await?;
    if request.route.lane != approval::Lane::Auto {
        return Ok(request);
    }
    let principal = Principal::Job("rules");
    let open = request.state == burgess_core::intake::RequestState::Submitted;
    let facts = CaseFacts {
        open,
        missing_controls: missing(&request, counts_for_rules),
        ..case_facts(&request)
    };
    let permit = permit::<AutoApprove>(server, &principal, &facts, &NoContext, now)?;
    let progress =
        approval::auto_approve(&request, terms(server, &request)?, now).map_err(|r| refused(&r))?;
    let note = |draft: Draft| draft.answered("approve").context("capacity", "rules");
    carry_out(server, None, request, app, progress, &permit, now, &note).await
}

#[expect(
    clippy::too_many_arguments,
    reason = "one commit point for people and rules; each argument is a different thing"
)]
async fn carry_out<A: Action>(
    server: &Server,
    caller: Option<&Caller>,
    before: Request,
    app: App,
    progress: Progress,
    permit: &Permit<A>,
    now: Timestamp,
    note: &(dyn Fn(Draft) -> Draft + Sync),
) -> Result<Request, Problem> {
    let (request, granted, rejected) = match progress {
        Progress::Waiting { request, .. } => (request, None, false),
        Progress::Granted {
            request, approval, ..
        } => (request, Some(approval), false),
        Progress::Rejected { request } => (request, None, true),
    };
    let start = |app: &App| -> Result<Draft, Problem> {
        let draft =
            event::about(&server.ambient, Some(app), now).map_err(|e| Problem::internal(&e))?;
        let draft = match caller {
            Some(caller) => draft.by(caller),
            None => draft.by_job("rules"),
        };
        Ok(draft.permitted(permit).charter(before.charter_digest))
    };
    let mut writes = Vec::new();
    let decided = note(start(&app)?)
        .did(ActionType::Update, "request", request.id.as_str())
        .moved(Some(before.state.as_str()), request.state.as_str())
        .done();
    writes.push(Write {
        changes: vec![Change::Request(Box::new(request.clone()))],
        event: decided,
    });
    let mut next = app.clone();
    if let Some(approval) = &granted {
        writes.push(approval_write(server, start(&app)?, approval).await?);
        next.approval = Some(approval.id.clone());
    }
    let step = if rejected {
        Some(Step::Reject)
    } else {
        granted.is_some().then_some(Step::Approve)
    };
    if let Some(step) = step {
        let already = app.state != burgess_core::lifecycle::State::Requested;
        let state = if already {
            app.state
        } else {
            lifecycle::transition(app.state, step, None)
                .map_err(|e| Problem::conflict(e.to_string()))?
        };
        next.state = state;
        next.score = request.score.score;
        next.band = request.score.band;
        next.revision = app.revision.saturating_add(1);
        let draft = start(&app)?
            .did(ActionType::Update, "app", app.id.as_str())
            .moved(Some(app.state.as_str()), state.as_str());
        writes.push(Write {
            changes: vec![Change::App(next)],
            event: draft.done(),
        });
    }
    server.commit(writes, permit, now).await?;
    Ok(request)
}

/// A new approval, or one that opens more than before; the app's older approval is superseded by it.
async fn approval_write(
    server: &Server,
    draft: Draft,
    approval: &Approval,
) -> Result<Write, Problem> {
    let before = server
        .store
        .approval(&approval.id)
        .await
        .map_err(|e| Problem::internal(&e))?;
    let state = burgess_store::approval_state(approval);
    let previous = before
        .as_ref()
        .map(|b| burgess_store::approval_state(&b.record));
    let versioned = before.as_ref().map_or_else(
        || Versioned::new(approval.clone()),
        |b| b.next(approval.clone()),
    );
    let action = if before.is_some() {
        ActionType::Update
    } else {
        ActionType::Create
    };
    let event = draft
        .did(action, "approval", approval.id.as_str())
        .approval(&approval.id)
        .moved(previous, state)
        .context("up_to", approval.up_to.as_str())
        .done();
    Ok(Write {
        changes: vec![Change::Approval(Box::new(versioned))],
        event,
    })
}

/// Takes a request back.
pub async fn withdraw(
    server: &Server,
    caller: &Caller,
    id: &RequestId,
) -> Result<Request, Problem> {
    let now = server.now()?;
    let (request, app) = load(server, id).await?;
    let permit = permit::<WithdrawRequest>(
        server,
        &caller.principal(),
        &case_facts(&request),
        &NoContext,
        now,
    )?;
    let mut next = request.clone();
    next.state = burgess_core::intake::RequestState::Withdrawn;
    next.revision = request.revision.saturating_add(1);
    let start = || -> Result<Draft, Problem> {
        let draft =
            event::about(&server.ambient, Some(&app), now).map_err(|e| Problem::internal(&e))?;
        Ok(draft.by(caller).permitted(&permit))
    };
    let event = start()?
        .did(ActionType::Update, "request", request.id.as_str())
        .moved(Some(request.state.as_str()), next.state.as_str())
        .done();
    let mut writes = vec![Write {
        changes: vec![Change::Request(Box::new(next.clone()))],
        event,
    }];
    if app.state == burgess_core::lifecycle::State::Requested {
        let state = lifecycle::transition(app.state, Step::Withdraw, None)
            .map_err(|e| Problem::conflict(e.to_string()))?;
        let mut stopped = app.clone();
        stopped.state = state;
        stopped.revision = app.revision.saturating_add(1);
        let event = start()?
            .did(ActionType::Update, "app", app.id.as_str())
            .moved(Some(app.state.as_str()), state.as_str())
            .done();
        writes.push(Write {
            changes: vec![Change::App(stopped)],
            event,
        });
    }
    server.commit(writes, &permit, now).await?;
    Ok(next)
}
