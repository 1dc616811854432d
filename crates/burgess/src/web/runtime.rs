//! What runs, and what needs attention: deployments, alerts, periodic reviews.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Form, Router};
use burgess_core::app::Environment;
use burgess_core::finding::Severity;
use burgess_core::id::ReviewId;
use burgess_core::lifecycle::State as Life;
use burgess_core::policy::action::{
    CancelRetirement, CompleteReview, Quarantine, ReleaseQuarantine,
};
use burgess_core::policy::facts::NoContext;
use burgess_core::review::Outcome;
use burgess_store::AppFilter;
use serde::Deserialize;

use super::apps::{DeployRow, deploy_row};
use super::frame::Frame;
use super::view::{self, Act};
use super::{page, to};
use crate::http::api;
use crate::http::problem::Problem;
use crate::http::{App, Signed};
use crate::operations::{may, promote, review};

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/deployments", get(deployments))
        .route("/deployments/{id}/promote", post(promote_app))
        .route("/deployments/{id}/rollback", post(roll_back))
        .route("/deployments/{id}/quarantine", post(quarantine))
        .route("/deployments/{id}/release", post(release))
        .route("/alerts", get(alerts))
        .route("/reviews/{id}/complete", post(complete))
}

#[derive(Template)]
#[template(path = "deployments.html")]
struct DeploymentsPage {
    frame: Frame,
    rows: Vec<DeployRow>,
}

async fn deployments(
    State(server): State<App>,
    Signed(caller): Signed,
) -> Result<Response, Problem> {
    let now = server.now()?;
    let mut rows = Vec::new();
    for app in api::visible_apps(&server, &caller, &AppFilter::default()).await? {
        if matches!(app.state, Life::Requested | Life::Rejected | Life::Retired) {
            continue;
        }
        let dossier = promote::dossier(&server, &app.id).await?;
        let facts = promote::facts(&dossier, now);
        let highest = promote::highest(&dossier);
        let target = highest
            .and_then(Environment::next)
            .or(highest)
            .unwrap_or(Environment::Sandbox);
        let mut shown: Vec<Environment> = Environment::ALL
            .into_iter()
            .filter(|e| promote::live_in(&dossier, *e).is_some() || *e == target)
            .collect();
        shown.dedup();
        for environment in shown {
            let mut row = deploy_row(&server, &caller, &dossier, environment);
            if Some(environment) == highest
                && may::<Quarantine>(&server, &caller.principal(), &facts, &NoContext, now)
            {
                row.acts.push(Act::new(
                    format!("/deployments/{}/quarantine", app.id),
                    "Quarantine",
                    "danger",
                    &[("reason", "stopped from the deployments page")],
                ));
            }
            if app.state == Life::Quarantined && environment == target {
                row.state = "quarantined".to_owned();
                row.tone = "bad";
                if may::<ReleaseQuarantine>(&server, &caller.principal(), &facts, &NoContext, now) {
                    row.acts.push(Act::new(
                        format!("/deployments/{}/release", app.id),
                        "Let it go on",
                        "second",
                        &[],
                    ));
                }
            }
            if !row.acts.is_empty() {
                row.why_not.clear();
            }
            rows.push(row);
        }
    }
    page(&DeploymentsPage {
        frame: Frame::of(&server, &caller, "/deployments").await,
        rows,
    })
}

#[derive(Deserialize)]
struct Where {
    environment: String,
}

fn environment(text: &str) -> Result<Environment, Problem> {
    Environment::parse(text).map_err(|e| Problem::input(e.to_string()))
}

async fn promote_app(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
    Form(at): Form<Where>,
) -> Result<Response, Problem> {
    let dossier = api::apps::load(&server, &caller, &id).await?;
    promote::promote(
        &server,
        &caller,
        &dossier.app.id,
        environment(&at.environment)?,
    )
    .await?;
    Ok(to(&format!("/apps/{id}?done=deployed#deployments")))
}

async fn roll_back(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
    Form(at): Form<Where>,
) -> Result<Response, Problem> {
    let dossier = api::apps::load(&server, &caller, &id).await?;
    promote::roll_back(
        &server,
        &caller,
        &dossier.app.id,
        environment(&at.environment)?,
    )
    .await?;
    Ok(to(&format!("/apps/{id}?done=deployed#deployments")))
}

#[derive(Deserialize)]
struct Reason {
    reason: String,
}

async fn quarantine(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
    Form(why): Form<Reason>,
) -> Result<Response, Problem> {
    let dossier = api::apps::load(&server, &caller, &id).await?;
    promote::quarantine(&server, &caller, &dossier.app.id, &why.reason).await?;
    Ok(to("/deployments"))
}

async fn release(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let dossier = api::apps::load(&server, &caller, &id).await?;
    promote::release(&server, &caller, &dossier.app.id).await?;
    Ok(to("/deployments"))
}

struct AlertView {
    time: String,
    tone: &'static str,
    kind: String,
    message: String,
    app: String,
    recipients: String,
    acts: Vec<Act>,
}

#[derive(Template)]
#[template(path = "alerts.html")]
struct AlertsPage {
    frame: Frame,
    alerts: Vec<AlertView>,
}

async fn alerts(State(server): State<App>, Signed(caller): Signed) -> Result<Response, Problem> {
    let now = server.now()?;
    let mut shown = Vec::new();
    let visible = api::visible_apps(&server, &caller, &AppFilter::default()).await?;
    for app in &visible {
        let dossier = promote::dossier(&server, &app.id).await?;
        let facts = promote::facts(&dossier, now);
        for alert in &dossier.alerts {
            let mut acts = Vec::new();
            let open = dossier
                .reviews
                .iter()
                .find(|it| it.record.completed.is_none());
            if let Some(open) = open.filter(|_| alert.record.kind == "review_due")
                && may::<CompleteReview>(&server, &caller.principal(), &facts, &NoContext, now)
            {
                let href = format!("/reviews/{}/complete", open.record.id);
                acts.push(Act::new(
                    href,
                    "All is well",
                    "second",
                    &[
                        ("outcome", "continue"),
                        ("note", "looked at from the alerts page"),
                    ],
                ));
            }
            shown.push((
                alert.record.raised_at,
                AlertView {
                    time: view::time(alert.record.raised_at),
                    tone: if alert.record.severity >= Severity::Error {
                        "bad"
                    } else {
                        "warn"
                    },
                    kind: alert.record.kind.replace('_', " "),
                    message: alert.record.message.clone(),
                    app: app.id.to_string(),
                    recipients: format!("{}, platform and security", app.owner),
                    acts,
                },
            ));
        }
        if let Some(planned) = dossier
            .retirement
            .as_ref()
            .filter(|_| app.state == Life::RetirementScheduled)
        {
            let mut acts = Vec::new();
            if may::<CancelRetirement>(&server, &caller.principal(), &facts, &NoContext, now) {
                acts.push(Act::new(
                    format!("/apps/{}/keep", app.id),
                    "Keep the app",
                    "second",
                    &[],
                ));
            }
            shown.push((
                planned.record.schedule.scheduled_at,
                AlertView {
                    time: view::time(planned.record.schedule.scheduled_at),
                    tone: "warn",
                    kind: "retirement".to_owned(),
                    message: format!(
                        "retires on {}: {}",
                        planned.record.schedule.retire_at.date(),
                        planned.record.schedule.reason
                    ),
                    app: app.id.to_string(),
                    recipients: format!("{}, platform and security", app.owner),
                    acts,
                },
            ));
        }
    }
    shown.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    let alerts = shown.into_iter().map(|(_, alert)| alert).collect();
    page(&AlertsPage {
        frame: Frame::of(&server, &caller, "/alerts").await,
        alerts,
    })
}

#[derive(Deserialize)]
struct Completing {
    outcome: Outcome,
    note: String,
}

async fn complete(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
    Form(form): Form<Completing>,
) -> Result<Response, Problem> {
    let id = ReviewId::parse(&id).map_err(|_| Problem::not_found("review", &id))?;
    review::complete(&server, &caller, &id, form.outcome, &form.note).await?;
    Ok(to("/alerts"))
}
