//! The review queue and the decision page: facts against claims, and whose turn it is.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Form, Router};
use burgess_core::approval::{Capacity, Verdict, turns};
use burgess_core::intake::Request;
use burgess_core::policy::action::{
    DecideAsReviewer, DecideAsSecondReviewer, DecideAsSponsor, ReadQueue, WithdrawRequest,
};
use burgess_core::policy::facts::{NoContext, Organisation, Verdict as VerdictFacts};
use serde::Deserialize;

use super::frame::Frame;
use super::view::{self, ControlView, VerdictView};
use super::{page, to};
use crate::http::api;
use crate::http::problem::Problem;
use crate::http::{App, Signed};
use crate::operations::approve::{self, Deciding};
use crate::operations::{Caller, case_facts, may};
use crate::server::Server;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/queue", get(queue))
        .route("/requests/{id}", get(one))
        .route("/requests/{id}/decide", post(decide))
        .route("/requests/{id}/withdraw", post(withdraw))
}

struct CaseView {
    id: String,
    app: String,
    name: String,
    submitter: String,
    score: u32,
    band: &'static str,
    band_tone: &'static str,
    what: String,
    data: String,
    turn: String,
    mine: bool,
    left: String,
    clock_tone: &'static str,
}

#[derive(Template)]
#[template(path = "queue.html")]
struct QueuePage {
    frame: Frame,
    cases: Vec<CaseView>,
}

fn case_view(server: &Server, caller: &Caller, request: &Request) -> CaseView {
    let now = server.ambient.now();
    let (left, clock_tone) = view::clock(request, now);
    let what = match request.changes.len() {
        0 if request.previous_approval.is_none() => "first request".to_owned(),
        0 => "another artifact".to_owned(),
        n => format!("{n} field{} changed", if n == 1 { "" } else { "s" }),
    };
    CaseView {
        id: request.id.to_string(),
        app: request.app.to_string(),
        name: request.charter.app.name.clone(),
        submitter: request.submitted_by.to_string(),
        score: request.score.score,
        band: request.score.band.as_str(),
        band_tone: view::band_tone(request.score.band),
        what,
        data: request
            .charter
            .data
            .iter()
            .map(|d| format!("{} ({})", d.name, d.classification))
            .collect::<Vec<_>>()
            .join(", "),
        turn: view::turn(request),
        mine: !seats(server, caller, request).is_empty(),
        left,
        clock_tone,
    }
}

async fn queue(State(server): State<App>, Signed(caller): Signed) -> Result<Response, Problem> {
    let mut requests = server
        .store
        .queue()
        .await
        .map_err(|e| Problem::internal(&e))?;
    requests.retain(|request| api::may_see_request(&server, &caller, request));
    requests.sort_by_key(|request| request.sla.map(|sla| sla.due_at));
    let cases = requests
        .iter()
        .map(|request| case_view(&server, &caller, request))
        .collect();
    page(&QueuePage {
        frame: Frame::of(&server, &caller, "/queue").await,
        cases,
    })
}

struct Compared {
    what: &'static str,
    claim: String,
    fact: String,
    differs: bool,
}

struct ChangeView {
    field: String,
    before: String,
    after: String,
}

struct DecisionView {
    verdict: &'static str,
    by: String,
    role: &'static str,
    at: String,
    comment: String,
    conditions: String,
}

struct Seat {
    value: &'static str,
    title: &'static str,
}

#[derive(Template)]
#[template(path = "request.html")]
struct RequestPage {
    frame: Frame,
    case: CaseView,
    purpose: String,
    state: &'static str,
    comparison: Vec<Compared>,
    changes: Vec<ChangeView>,
    no_changes: &'static str,
    controls: Vec<ControlView>,
    decisions: Vec<DecisionView>,
    seats: Vec<Seat>,
    revision: u64,
    why_not: String,
    may_withdraw: bool,
    verdict: VerdictView,
    facts: Vec<(&'static str, String)>,
}

/// The capacities in which somebody may decide this request now.
fn seats(server: &Server, caller: &Caller, request: &Request) -> Vec<Seat> {
    let now = server.ambient.now();
    let principal = caller.principal();
    let facts = case_facts(request);
    let context = VerdictFacts { approves: false };
    turns(request)
        .into_iter()
        .filter(|turn| match turn {
            Capacity::Reviewer => {
                may::<DecideAsReviewer>(server, &principal, &facts, &context, now)
            }
            Capacity::SecondReviewer => {
                may::<DecideAsSecondReviewer>(server, &principal, &facts, &context, now)
            }
            Capacity::Sponsor => may::<DecideAsSponsor>(server, &principal, &facts, &context, now),
        })
        .map(|turn| Seat {
            value: capacity_name(turn),
            title: turn.title(),
        })
        .collect()
}

const fn capacity_name(capacity: Capacity) -> &'static str {
    match capacity {
        Capacity::Reviewer => "reviewer",
        Capacity::SecondReviewer => "second_reviewer",
        Capacity::Sponsor => "sponsor",
    }
}

async fn one(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let request = api::requests::load(&server, &caller, &id).await?;
    let now = server.ambient.now();
    let seats = seats(&server, &caller, &request);
    let whole = Organisation { revision: 0 };
    let reviewer = may::<ReadQueue>(&server, &caller.principal(), &whole, &NoContext, now);
    let why_not = match (request.is_open(), reviewer) {
        (false, _) => "This request is decided.".to_owned(),
        (true, _) => format!(
            "You cannot decide this one: it is the turn of {}, and nobody decides what they wrote or build.",
            view::turn(&request)
        ),
    };
    let may_withdraw = may::<WithdrawRequest>(
        &server,
        &caller.principal(),
        &case_facts(&request),
        &NoContext,
        now,
    );
    let decisions = request
        .decisions
        .iter()
        .map(|d| DecisionView {
            verdict: if d.verdict == Verdict::Approve {
                "Approved"
            } else {
                "Refused"
            },
            by: d.by.to_string(),
            role: d.capacity.title(),
            at: view::time(d.at),
            comment: d.comment.clone(),
            conditions: d.conditions.join("; "),
        })
        .collect();
    let template = RequestPage {
        frame: Frame::of(&server, &caller, "/queue").await,
        case: case_view(&server, &caller, &request),
        purpose: request.charter.app.purpose.clone(),
        state: request.state.as_str(),
        comparison: compared(&request),
        changes: request
            .changes
            .iter()
            .map(|c| ChangeView {
                field: c.field.clone(),
                before: c.before.to_string(),
                after: c.after.to_string(),
            })
            .collect(),
        no_changes: if request.previous_approval.is_some() {
            "Nothing in the charter; the artifact is another one."
        } else {
            "This is the first request for this app."
        },
        controls: view::controls(&request.controls),
        decisions,
        seats,
        revision: request.revision,
        why_not,
        may_withdraw,
        verdict: view::verdict(&request.score, &request.route, &[], Vec::new()),
        facts: facts(&request),
    };
    page(&template)
}

fn facts(request: &Request) -> Vec<(&'static str, String)> {
    let app = &request.charter.app;
    let person = |email: &Option<burgess_core::id::Email>| {
        email
            .as_ref()
            .map_or_else(|| "missing".to_owned(), ToString::to_string)
    };
    vec![
        ("Developer", person(&app.developer)),
        ("Owner", person(&app.owner)),
        ("Second owner", person(&app.second_owner)),
        (
            "Users",
            app.users
                .map_or_else(|| "not said".to_owned(), |n| n.to_string()),
        ),
        (
            "Environments",
            app.environments
                .iter()
                .map(|e| e.as_str())
                .collect::<Vec<_>>()
                .join(", "),
        ),
        (
            "Retention",
            request.charter.retention.as_ref().map_or_else(
                || "missing".to_owned(),
                |r| format!("{}, {} days", r.label, r.days),
            ),
        ),
        (
            "Remediation",
            request
                .charter
                .support
                .remediation_sla
                .map_or_else(|| "missing".to_owned(), |s| s.to_string()),
        ),
        (
            "Justification",
            if request.charter.capabilities.justification.is_empty() {
                "none needed".to_owned()
            } else {
                request.charter.capabilities.justification.clone()
            },
        ),
        (
            "Artifact",
            request
                .artifact
                .as_ref()
                .map_or_else(|| "none: sandbox only".to_owned(), |a| a.file_name.clone()),
        ),
    ]
}

/// What the form claims beside what the artifact shows.
fn compared(request: &Request) -> Vec<Compared> {
    let none = || "none".to_owned();
    let list = |items: Vec<String>| {
        if items.is_empty() {
            none()
        } else {
            items.join(", ")
        }
    };
    let facts = &request.facts;
    let claimed: Vec<String> = request
        .charter
        .connector
        .iter()
        .map(|c| c.id.clone())
        .collect();
    let mut found = facts.connectors.clone();
    found.extend(facts.unknown_connectors.iter().cloned());
    let undeclared = found.iter().any(|c| !claimed.contains(c));
    let hosts_declared: Vec<String> = request
        .charter
        .connector
        .iter()
        .flat_map(|c| c.hosts.values().flatten().cloned())
        .collect();
    let class = request.charter.classification();
    vec![
        Compared {
            what: "Connectors",
            claim: list(claimed),
            fact: list(found),
            differs: undeclared,
        },
        Compared {
            what: "Hosts called directly",
            claim: list(hosts_declared.clone()),
            differs: facts
                .external_hosts
                .iter()
                .any(|h| !hosts_declared.contains(h)),
            fact: list(facts.external_hosts.clone()),
        },
        Compared {
            what: "Highest class of data",
            claim: class.map_or_else(none, |c| c.to_string()),
            fact: facts.data.map_or_else(none, |c| c.to_string()),
            differs: facts.data > class,
        },
        Compared {
            what: "Third-party code",
            claim: list(
                request
                    .charter
                    .third_party
                    .iter()
                    .map(|t| t.kind.clone())
                    .collect(),
            ),
            fact: list(facts.packages.clone()),
            differs: facts.third_party_code && request.charter.third_party.is_empty(),
        },
        Compared {
            what: "Capabilities",
            claim: list(
                request
                    .charter
                    .capabilities
                    .automation
                    .iter()
                    .map(|a| String::from(a.clone()))
                    .collect(),
            ),
            fact: list(facts.capabilities.clone()),
            differs: facts.shows_local_access() && request.charter.capabilities.is_empty(),
        },
    ]
}

#[derive(Deserialize)]
struct DecideForm {
    seat: Capacity,
    verdict: Verdict,
    #[serde(default)]
    comment: String,
    #[serde(default)]
    conditions: String,
    revision: u64,
}

async fn decide(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
    Form(form): Form<DecideForm>,
) -> Result<Response, Problem> {
    let request = api::requests::load(&server, &caller, &id).await?;
    let deciding = Deciding {
        capacity: form.seat,
        verdict: form.verdict,
        comment: form.comment,
        conditions: form
            .conditions
            .lines()
            .map(str::trim)
            .filter(|l| !l.is_empty())
            .map(str::to_owned)
            .collect(),
        revision: Some(form.revision),
    };
    approve::decide(&server, &caller, &request.id, deciding).await?;
    Ok(to(&format!("/requests/{id}")))
}

async fn withdraw(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let request = api::requests::load(&server, &caller, &id).await?;
    approve::withdraw(&server, &caller, &request.id).await?;
    Ok(to(&format!("/apps/{}", request.app)))
}
