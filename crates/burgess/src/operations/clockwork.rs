//! What the clock does by itself: late decisions, expiring approvals, reviews, idle apps, retirement.
//!
//! One pass looks at everything and does what is due; a pass that is repeated does nothing twice.

use burgess_core::app::App;
use burgess_core::approval::Lapse;
use burgess_core::audit::ActionType;
use burgess_core::deploy::EndedWhy;
use burgess_core::finding::Severity;
use burgess_core::id::ReviewId;
use burgess_core::intake::{Request, SlaStatus};
use burgess_core::lifecycle::State;
use burgess_core::policy::action::{EscalateReview, ExpireApproval, OpenReview, SendReminder};
use burgess_core::policy::facts::{NoContext, Principal};
use burgess_core::retirement::{Idleness, idleness};
use burgess_core::review::{Cadence, Review};
use burgess_core::roles::Role;
use burgess_core::time::Timestamp;
use burgess_store::{
    Alert, AlertState, AppFilter, Change, Reminder, Versioned, Write, approval_state, review_state,
};

use super::promote::{dossier, facts, stand_down};
use super::retire::{self, By};
use super::{case_facts, event, permit};
use crate::http::idempotency::REMEMBERED;
use crate::http::problem::Problem;
use crate::server::Server;

/// The name under which the clock acts.
pub const CLOCKWORK: &str = "clockwork";

/// What one pass did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pass {
    /// Warnings and breaches of decision times.
    pub escalated: u32,
    /// Approvals that ended.
    pub expired: u32,
    /// Reviews opened.
    pub reviews: u32,
    /// Owners reminded.
    pub reminded: u32,
    /// Retirements announced.
    pub scheduled: u32,
    /// Apps retired.
    pub retired: u32,
}

/// Does everything that is due now. One failing app does not stop the others.
pub async fn pass(server: &Server) -> Result<Pass, Problem> {
    // Whoever used an app a moment ago must not be called idle.
    crate::jobs::project::project(server).await?;
    let mut pass = Pass::default();
    for request in server
        .store
        .queue()
        .await
        .map_err(|e| Problem::internal(&e))?
    {
        count(
            &mut pass.escalated,
            escalate(server, &request).await,
            request.app.as_str(),
        );
    }
    for app in server
        .store
        .apps(&AppFilter::default())
        .await
        .map_err(|e| Problem::internal(&e))?
    {
        if matches!(
            app.state,
            State::Retired | State::Rejected | State::Requested
        ) {
            continue;
        }
        let id = app.id.as_str();
        count(&mut pass.expired, expire(server, &app).await, id);
        count(&mut pass.reviews, open_review(server, &app).await, id);
        count(&mut pass.reminded, remind(server, &app).await, id);
        count(&mut pass.scheduled, schedule(server, &app).await, id);
        count(&mut pass.retired, retire_due(server, &app).await, id);
    }
    super::retention::tell("keys of requests", forget_requests(server).await);
    super::retention::tell("an erasure", super::erase::resume(server).await);
    super::retention::pass(server).await?;
    Ok(pass)
}

/// Answers under an `Idempotency-Key` that nobody asks for again.
async fn forget_requests(server: &Server) -> Result<(), Problem> {
    let before = server.ambient.now().minus(REMEMBERED);
    let pruned = server.store.prune_idempotent(before).await;
    pruned.map(drop).map_err(|e| Problem::internal(&e))
}

fn count(number: &mut u32, done: Result<bool, Problem>, app: &str) {
    match done {
        Ok(true) => *number = number.saturating_add(1),
        Ok(false) => {}
        Err(problem) => {
            tracing::error!(app, code = problem.code, detail = %problem.detail, "the clockwork could not do its part")
        }
    }
}

fn job() -> Principal {
    Principal::Job(CLOCKWORK)
}

/// Warns at 48 hours and escalates at 72 (R33), once each.
async fn escalate(server: &Server, request: &Request) -> Result<bool, Problem> {
    let now = server.now()?;
    let Some(sla) = request.sla.filter(|_| request.is_open()) else {
        return Ok(false);
    };
    let (kind, message, severity) = match sla.status(now) {
        SlaStatus::InTime => return Ok(false),
        SlaStatus::Warned => (
            "sla_warning",
            "the decision is due within 24 hours",
            Severity::Warning,
        ),
        SlaStatus::Breached => (
            "sla_breach",
            "the decision is late: 72 hours are over",
            Severity::Error,
        ),
    };
    let app = server
        .store
        .app(&request.app)
        .await
        .map_err(|e| Problem::internal(&e))?;
    let app = app.ok_or_else(|| Problem::not_found("app", request.app.as_str()))?;
    let reminder = Reminder {
        app: app.id.clone(),
        kind: kind.to_owned(),
        about: request.id.to_string(),
        to: recipients(server, &app).await?,
        sent_at: now,
    };
    if server
        .store
        .reminder_sent(&reminder.id())
        .await
        .map_err(|e| Problem::internal(&e))?
    {
        return Ok(false);
    }
    let permit = permit::<EscalateReview>(server, &job(), &case_facts(request), &NoContext, now)?;
    let alert = alert(
        &app,
        kind,
        &reminder.about,
        severity,
        &format!("{}: {message}", app.name),
        now,
    );
    let event = begin(server, &app, now)?
        .permitted(&permit)
        .did(ActionType::Create, "reminder", &reminder.id())
        .context("kind", kind)
        .done();
    let raised = begin(server, &app, now)?
        .permitted(&permit)
        .did(ActionType::Create, "alert", &alert.id)
        .moved(None, alert.state.as_str())
        .done();
    let writes = vec![
        Write {
            changes: vec![Change::Reminder(Versioned::new(reminder))],
            event,
        },
        Write {
            changes: vec![Change::Alert(Versioned::new(alert))],
            event: raised,
        },
    ];
    server.commit(writes, &permit, now).await?;
    Ok(true)
}

/// Owner and platform team: who hears of what is critical (R57).
async fn recipients(server: &Server, app: &App) -> Result<Vec<String>, Problem> {
    let team = server
        .store
        .people_with(Role::PlatformSecurity)
        .await
        .map_err(|e| Problem::internal(&e))?;
    let mut to = vec![app.owner.to_string()];
    to.extend(team.into_iter().map(|it| it.record.email.to_string()));
    Ok(to)
}

fn alert(
    app: &App,
    kind: &str,
    about: &str,
    severity: Severity,
    message: &str,
    now: Timestamp,
) -> Alert {
    Alert {
        id: format!(
            "alr_{}",
            &burgess_core::id::fingerprint(kind, &format!("{}\n{about}", app.id))
                .to_string()
                .chars()
                .take(32)
                .collect::<String>()
        ),
        app: Some(app.id.clone()),
        kind: kind.to_owned(),
        severity,
        message: message.to_owned(),
        state: AlertState::Open,
        raised_at: now,
        closed: None,
    }
}

fn begin(server: &Server, app: &App, now: Timestamp) -> Result<event::Draft, Problem> {
    Ok(event::about(&server.ambient, Some(app), now)
        .map_err(|e| Problem::internal(&e))?
        .by_job(CLOCKWORK))
}

/// Ends an approval whose time is up, and with it what is live under it.
async fn expire(server: &Server, app: &App) -> Result<bool, Problem> {
    let now = server.now()?;
    let dossier = dossier(server, &app.id).await?;
    let held = dossier
        .approvals
        .iter()
        .find(|it| Some(&it.record.id) == app.approval.as_ref());
    let Some(held) = held.filter(|it| it.record.voided.is_none() && now >= it.record.expires_at)
    else {
        return Ok(false);
    };
    let permit = permit::<ExpireApproval>(server, &job(), &facts(&dossier, now), &NoContext, now)?;
    let start = || Ok(begin(server, app, now)?.permitted(&permit));
    let mut writes = stand_down(&dossier, None, EndedWhy::ApprovalLapsed, now, &start)?;
    let voided = held.record.clone().voided(Lapse::Expired, now);
    let event = start()?
        .did(ActionType::Update, "approval", voided.id.as_str())
        .moved(Some(approval_state(&held.record)), approval_state(&voided))
        .done();
    writes.push(Write {
        changes: vec![Change::Approval(Box::new(held.next(voided)))],
        event,
    });
    server.commit(writes, &permit, now).await?;
    Ok(true)
}

/// Opens the periodic review that is due (R61, R62).
async fn open_review(server: &Server, app: &App) -> Result<bool, Problem> {
    let now = server.now()?;
    let reviews = server
        .store
        .reviews_of(&app.id)
        .await
        .map_err(|e| Problem::internal(&e))?;
    if app.approval.is_none() || reviews.iter().any(|it| it.record.completed.is_none()) {
        return Ok(false);
    }
    let last = reviews
        .iter()
        .filter_map(|it| it.record.completed.as_ref().map(|c| c.at))
        .max();
    let last = match last {
        Some(last) => last,
        None => approved_at(server, app).await?.unwrap_or(app.created_at),
    };
    let due_at = Cadence::default().next_due(app.band, last);
    if now < due_at {
        return Ok(false);
    }
    let dossier = dossier(server, &app.id).await?;
    let permit = permit::<OpenReview>(server, &job(), &facts(&dossier, now), &NoContext, now)?;
    let id = ReviewId::from_uuid(server.ambient.uuid().map_err(|e| Problem::internal(&e))?);
    let review = Review::open(id, app.id.clone(), app.band, due_at, now);
    let alert = alert(
        app,
        "review_due",
        review.id.as_str(),
        Severity::Warning,
        &format!("{}: the periodic review is due", app.name),
        now,
    );
    let event = begin(server, app, now)?
        .permitted(&permit)
        .did(ActionType::Create, "review", review.id.as_str())
        .moved(None, review_state(&review))
        .context("band", app.band.as_str())
        .done();
    let raised = begin(server, app, now)?
        .permitted(&permit)
        .did(ActionType::Create, "alert", &alert.id)
        .moved(None, alert.state.as_str())
        .done();
    let writes = vec![
        Write {
            changes: vec![Change::Review(Versioned::new(review))],
            event,
        },
        Write {
            changes: vec![Change::Alert(Versioned::new(alert))],
            event: raised,
        },
    ];
    server.commit(writes, &permit, now).await?;
    Ok(true)
}

async fn approved_at(server: &Server, app: &App) -> Result<Option<Timestamp>, Problem> {
    let Some(id) = &app.approval else {
        return Ok(None);
    };
    let held = server
        .store
        .approval(id)
        .await
        .map_err(|e| Problem::internal(&e))?;
    Ok(held.map(|it| it.record.granted_at))
}

/// Reminds the owner of an app that was idle for 90 days (R66), once per idle stretch.
async fn remind(server: &Server, app: &App) -> Result<bool, Problem> {
    let now = server.now()?;
    if idleness(app.state, app.last_used_at, now) == Idleness::InUse {
        return Ok(false);
    }
    let reminder = Reminder {
        app: app.id.clone(),
        kind: "idle".to_owned(),
        about: app.last_used_at.date(),
        to: recipients(server, app).await?,
        sent_at: now,
    };
    if server
        .store
        .reminder_sent(&reminder.id())
        .await
        .map_err(|e| Problem::internal(&e))?
    {
        return Ok(false);
    }
    let dossier = dossier(server, &app.id).await?;
    let permit = permit::<SendReminder>(server, &job(), &facts(&dossier, now), &NoContext, now)?;
    let days = now.since(app.last_used_at).as_days();
    let message = format!(
        "{}: not used for {days} days; retire it, or use it",
        app.name
    );
    let alert = alert(
        app,
        "idle",
        &reminder.about,
        Severity::Warning,
        &message,
        now,
    );
    let event = begin(server, app, now)?
        .permitted(&permit)
        .did(ActionType::Create, "reminder", &reminder.id())
        .context("idle_days", days)
        .done();
    let raised = begin(server, app, now)?
        .permitted(&permit)
        .did(ActionType::Create, "alert", &alert.id)
        .moved(None, alert.state.as_str())
        .done();
    let writes = vec![
        Write {
            changes: vec![Change::Reminder(Versioned::new(reminder))],
            event,
        },
        Write {
            changes: vec![Change::Alert(Versioned::new(alert))],
            event: raised,
        },
    ];
    server.commit(writes, &permit, now).await?;
    Ok(true)
}

/// Announces the retirement of an app that was idle for 180 days (R67).
async fn schedule(server: &Server, app: &App) -> Result<bool, Problem> {
    let now = server.now()?;
    if idleness(app.state, app.last_used_at, now) != Idleness::Schedule {
        return Ok(false);
    }
    retire::schedule(server, By::Clock, &app.id, "not used for 180 days").await?;
    Ok(true)
}

/// Retires an app whose notice is over (R153).
async fn retire_due(server: &Server, app: &App) -> Result<bool, Problem> {
    let now = server.now()?;
    if app.state != State::RetirementScheduled {
        return Ok(false);
    }
    let held = server
        .store
        .retirement(&app.id)
        .await
        .map_err(|e| Problem::internal(&e))?;
    let due =
        held.is_some_and(|it| it.record.cancelled_at.is_none() && it.record.schedule.is_due(now));
    if !due {
        return Ok(false);
    }
    retire::retire(
        server,
        By::Clock,
        &app.id,
        "Retired by the clock after its notice; nobody said what was learned.",
    )
    .await?;
    Ok(true)
}
