//! One event with everything that explains it, its proof, and the case file.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use burgess_core::approval::{Capacity, Verdict};
use burgess_core::finding::Severity;
use burgess_core::time::Timestamp;
use burgess_trail::Row;

use super::super::frame::Frame;
use super::super::{page, view};
use super::{EventRow, event_row, link, may_export};
use crate::http::api;
use crate::http::api::narrow::{Near, NearCase};
use crate::http::problem::Problem;
use crate::http::{App, Signed};
use crate::operations::Caller;
use crate::operations::trail::incident::{self, Incident};
use crate::operations::trail::{self, ProofState, proof_state};
use crate::server::Server;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/trail/{id}", get(one))
        .route("/trail/{id}/case", get(case))
}

/// A fact, and where it leads.
struct Fact {
    name: &'static str,
    value: String,
    href: String,
}

struct GroupView {
    title: &'static str,
    href: String,
    total: u64,
    rows: Vec<EventRow>,
}

struct Choice {
    minutes: i64,
    words: String,
    chosen: bool,
}

struct AlertRow {
    tone: &'static str,
    kind: String,
    message: String,
    time: String,
}

#[derive(Template)]
#[template(path = "event.html")]
struct EventPage {
    frame: Frame,
    id: String,
    headline: String,
    tone: &'static str,
    outcome: &'static str,
    time: String,
    facts: Vec<Fact>,
    app: Vec<Fact>,
    approval: Vec<Fact>,
    decisions: Vec<String>,
    credential: Vec<Fact>,
    pair: Option<EventRow>,
    pair_words: &'static str,
    groups: Vec<GroupView>,
    around: Vec<Choice>,
    minutes: i64,
    alerts: Vec<AlertRow>,
    may_export: bool,
    proof_line: String,
    verify: String,
    vkey: String,
}

async fn one(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
    Near(around): Near,
) -> Result<Response, Problem> {
    let found = incident::incident(&server, &caller, &id, around).await?;
    let now = server.ambient.now();
    let row = &found.row;
    let line = event_row(&server, row);
    let minutes = around.as_seconds() / 60;
    let request_opens = request_opens(&server, &caller, &found).await?;
    let shard = server.shards.of_origin(&row.shard);
    let vkey = shard.map_or_else(String::new, |shard| shard.ledger.vkey().to_owned());
    let view = EventPage {
        frame: Frame::of(&server, &caller, "/trail").await,
        headline: format!("{} by {}", line.did, line.actor),
        tone: line.tone,
        outcome: line.outcome,
        time: row.event.timestamp.to_string(),
        facts: facts(&found),
        app: app_facts(&found),
        approval: approval_facts(&found, request_opens, now),
        decisions: decisions(&found),
        credential: credential_facts(&found, now),
        pair: found.pair.as_ref().map(|row| event_row(&server, row)),
        pair_words: pair_words(row, found.pair.is_some()),
        groups: found
            .groups
            .iter()
            .map(|group| GroupView {
                title: group.title,
                href: link(&group.asked),
                total: group.total,
                rows: group
                    .rows
                    .iter()
                    .map(|row| event_row(&server, row))
                    .collect(),
            })
            .collect(),
        around: choices(minutes),
        minutes,
        alerts: found
            .alerts()
            .map(|alert| AlertRow {
                tone: if alert.severity >= Severity::Error {
                    "bad"
                } else {
                    "warn"
                },
                kind: alert.kind.replace('_', " "),
                message: alert.message.clone(),
                time: view::time(alert.raised_at),
            })
            .collect(),
        may_export: may_export(&server, &caller),
        proof_line: proof_line(&server, row),
        verify: trail::verify_line(&vkey, &id),
        vkey,
        id,
    };
    page(&view)
}

async fn case(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
    near: NearCase,
) -> Result<Response, Problem> {
    api::incident::case_file(&server, &caller, &near, &id).await
}

fn choices(minutes: i64) -> Vec<Choice> {
    let words = |minutes: i64| match minutes {
        60 => "an hour".to_owned(),
        1_440 => "a day".to_owned(),
        other => format!("{other} minutes"),
    };
    incident::CHOICES
        .into_iter()
        .map(|choice| Choice {
            minutes: choice,
            words: words(choice),
            chosen: choice == minutes,
        })
        .collect()
}

fn proof_line(server: &Server, row: &Row) -> String {
    let state = match proof_state(server, row) {
        ProofState::Witnessed => "under a checkpoint that witnesses cosigned",
        ProofState::Signed => "under the signed checkpoint",
        ProofState::Durable => "durable, and under the next checkpoint in a moment",
    };
    format!(
        "Leaf {} of {}, {state}; {}.",
        row.index,
        row.shard,
        server.witnesses.sentence(&server.ledger())
    )
}

const fn pair_words(row: &Row, found: bool) -> &'static str {
    match (found, row.event.decision.is_some()) {
        (true, _) => "The other half of this call",
        (false, _) => "",
    }
}

fn fact(name: &'static str, value: impl Into<String>) -> Fact {
    Fact {
        name,
        value: value.into(),
        href: String::new(),
    }
}

fn linked(name: &'static str, value: impl Into<String>, href: String) -> Fact {
    Fact {
        href,
        ..fact(name, value)
    }
}

/// A search for everything with this value.
fn all_with(name: &'static str, key: &str, value: &str, shown: String) -> Fact {
    let query: String = form_urlencoded::Serializer::new(String::new())
        .append_pair(key, value)
        .finish();
    linked(name, shown, format!("/trail?{query}"))
}

/// What the event itself says.
fn facts(found: &Incident) -> Vec<Fact> {
    let event = &found.row.event;
    let who = format!("{} ({})", event.actor_id, event.actor_role);
    let what = format!("{} {}", event.resource_type, event.resource_id);
    let mut facts = vec![fact("Event", event.event_id.to_string())];
    if found.open {
        facts.push(all_with("Actor", "actor", &event.actor_id, who));
        facts.push(all_with("Resource", "resource", &event.resource_id, what));
    } else {
        facts.push(fact("Actor", who));
        facts.push(fact("Resource", what));
        let closed = "closed for your role; audit and compliance open them";
        facts.push(fact("Personal values", closed));
    }
    facts.push(fact("Class", event.data_classification.to_string()));
    facts.push(fact("Environment", event.environment.as_str()));
    if let Some(code) = &event.error_code {
        facts.push(all_with("Error code", "error_code", code, code.clone()));
    }
    if let Some(state) = &event.next_state {
        let before = event.previous_state.as_deref().unwrap_or("new");
        facts.push(fact("State", format!("{before} → {state}")));
    }
    if let Some(decision) = &event.decision {
        let rules = decision.policies.join(", ");
        facts.push(fact("Decision", format!("{}: {rules}", decision.answer)));
    }
    facts.push(fact(
        "Risk score then",
        event.risk_score_at_time.to_string(),
    ));
    if let Some(digest) = event.policy_digest {
        facts.push(fact("Policy digest", digest.to_string()));
    }
    if let Some(digest) = event.charter_digest {
        facts.push(fact("Charter digest", digest.to_string()));
    }
    let closed = [
        ("Address", event.ip_address.clone()),
        ("Program", event.user_agent.clone()),
        (
            "Circumstances",
            event
                .request_context
                .as_ref()
                .map(|it| serde_json::to_string(it).unwrap_or_default()),
        ),
    ];
    for (name, value) in closed {
        facts.extend(value.map(|value| fact(name, value)));
    }
    facts.push(fact(
        "Sequence",
        format!("{} in this app's stream", found.row.sequence),
    ));
    facts.push(fact("Leaf hash", found.row.leaf_hash.to_string()));
    facts
}

/// The app as it is now, and who answers for it.
fn app_facts(found: &Incident) -> Vec<Fact> {
    let event = &found.row.event;
    let Some(dossier) = &found.dossier else {
        return Vec::new();
    };
    let app = &dossier.app;
    let mut facts = vec![
        linked("App", app.name.clone(), format!("/apps/{}", app.id)),
        fact("Version then", event.version.clone()),
        fact("State now", view::state_words(app.state)),
        fact("Owner", app.owner.to_string()),
    ];
    if let Some(second) = &app.second_owner {
        facts.push(fact("Second owner", second.to_string()));
    }
    facts.push(fact("Developer", app.developer.to_string()));
    let then = event.charter_digest;
    if let Some(approved) = &found.approval
        && then.is_some_and(|then| then != approved.charter_digest)
    {
        facts.push(fact(
            "Charter",
            "another one than the approval names: look at both digests",
        ));
    }
    facts
}

/// Whether the request behind the approval may be looked at: a link that is refused is none.
async fn request_opens(
    server: &Server,
    caller: &Caller,
    found: &Incident,
) -> Result<bool, Problem> {
    let Some(approval) = &found.approval else {
        return Ok(false);
    };
    let request = server
        .store
        .request(&approval.request)
        .await
        .map_err(|e| Problem::internal(&e))?;
    Ok(request.is_some_and(|request| api::may_see_request(server, caller, &request)))
}

/// The approval as it is now.
fn approval_facts(found: &Incident, request_opens: bool, now: Timestamp) -> Vec<Fact> {
    let Some(approval) = &found.approval else {
        return Vec::new();
    };
    let id = approval.id.as_str();
    let state = match &approval.voided {
        Some(voided) => format!("voided {}", view::time(voided.at)),
        None if approval.expires_at <= now => {
            format!("ran out {}", view::time(approval.expires_at))
        }
        None => format!("in force until {}", view::time(approval.expires_at)),
    };
    let mut facts = vec![
        all_with("Approval", "approval", id, id.to_owned()),
        match request_opens {
            true => linked(
                "Request",
                approval.request.to_string(),
                format!("/requests/{}", approval.request),
            ),
            false => fact("Request", approval.request.to_string()),
        },
        fact("State", state),
        fact("Given", view::time(approval.granted_at)),
        fact("Up to", approval.up_to.as_str()),
        fact("Score", format!("{} points", approval.score)),
        fact("Charter digest", approval.charter_digest.to_string()),
        fact("Policy digest", approval.policy_digest.to_string()),
    ];
    for condition in &approval.conditions {
        facts.push(fact("Condition", condition.clone()));
    }
    facts
}

/// Who decided, and what.
fn decisions(found: &Incident) -> Vec<String> {
    let Some(approval) = &found.approval else {
        return Vec::new();
    };
    if approval.decisions.is_empty() {
        return vec!["the rules decided alone".to_owned()];
    }
    let capacity = |it: Capacity| match it {
        Capacity::Reviewer => "reviewer",
        Capacity::SecondReviewer => "second reviewer",
        Capacity::Sponsor => "sponsor",
    };
    approval
        .decisions
        .iter()
        .map(|it| {
            format!(
                "{} as {}: {}, {}",
                it.by,
                capacity(it.capacity),
                match it.verdict {
                    Verdict::Approve => "yes",
                    Verdict::Reject => "no",
                },
                view::time(it.at)
            )
        })
        .collect()
}

/// The credential with which the app acted.
fn credential_facts(found: &Incident, now: Timestamp) -> Vec<Fact> {
    let Some(held) = &found.credential else {
        return Vec::new();
    };
    let state = if held.is_active(now) {
        "active"
    } else {
        "no longer usable"
    };
    let scopes: Vec<&str> = held.scopes.iter().map(String::as_str).collect();
    vec![
        all_with("Credential", "actor", held.id.as_str(), held.id.to_string()),
        fact("State now", state),
        fact("Environment", held.environment.as_str()),
        fact("Issued for version", held.version.clone()),
        fact("Issued", view::time(held.created_at)),
        fact("Scopes", scopes.join(" ")),
    ]
}
