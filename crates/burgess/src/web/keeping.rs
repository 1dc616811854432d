//! What is kept: the ledger's shards and keys, the written retention policies, legal holds, and the
//! form that erases somebody, with a look at what would go before.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Form, Router};
use burgess_core::policy::action::{EraseSubject, PlaceHold, ReadEntries};
use burgess_core::policy::facts::{ErasureFacts, NoContext, Organisation};
use serde::Deserialize;

use super::frame::Frame;
use super::{page, to};
use crate::http::problem::Problem;
use crate::http::{App, Signed};
use crate::operations::erase::{self, Erased, Subject};
use crate::operations::hold::{self, Target, words};
use crate::operations::retention::{self, Policy, ShardView};
use crate::operations::{Caller, may};
use crate::server::Server;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/keeping", get(overview))
        .route("/keeping/holds", post(place))
        .route("/keeping/holds/{hold}/release", post(release))
        .route("/keeping/erase", get(erase_form).post(carry_out))
        .route("/keeping/erase/preview", post(preview))
}

struct HoldView {
    id: String,
    covers: String,
    reason: String,
    placed: String,
    in_force: bool,
    released: String,
}

struct PolicyView {
    class: String,
    sources: String,
    period: String,
    days: u32,
    basis: String,
    digest: String,
}

struct ErasureView {
    alias: String,
    state: &'static str,
    when: String,
    reason: String,
}

#[derive(Template)]
#[template(path = "keeping.html")]
struct KeepingPage {
    frame: Frame,
    shards: Vec<ShardView>,
    policies: Vec<PolicyView>,
    disposal: String,
    holds: Vec<HoldView>,
    may_hold: bool,
    erasures: Vec<ErasureView>,
    may_erase: bool,
}

#[derive(Template)]
#[template(path = "erase.html")]
struct ErasePage {
    frame: Frame,
    may_erase: bool,
    by_two: bool,
    subject: String,
    reason: String,
    looked: bool,
    keys: usize,
    entries: Vec<(String, u64)>,
    apps: Vec<String>,
    held_by: Vec<String>,
    asked: bool,
    done: String,
}

fn may_erase(server: &Server, caller: &Caller) -> bool {
    let whole = Organisation { revision: 0 };
    let facts = ErasureFacts {
        held: false,
        two_persons: false,
        asked_by_another: false,
    };
    let (me, now) = (caller.principal(), server.ambient.now());
    may::<EraseSubject>(server, &me, &whole, &facts, now)
        && may::<ReadEntries>(server, &me, &whole, &NoContext, now)
}

async fn overview(State(server): State<App>, Signed(caller): Signed) -> Result<Response, Problem> {
    let shards = retention::shards(&server, &caller).await?;
    let policies = retention::policies(&server.config).map_err(|e| Problem::internal(&e))?;
    let disposal = policies
        .first()
        .map(|policy| policy.disposal.clone())
        .unwrap_or_default();
    let holds = hold::list(&server, &caller)
        .await?
        .into_iter()
        .map(|hold| HoldView {
            covers: words(&hold.covers),
            reason: hold.reason,
            placed: format!("{} by {}", hold.placed_at.date(), hold.placed_by),
            in_force: hold.released.is_none(),
            released: hold
                .released
                .map(|(by, at, why)| format!("{} by {by}: {why}", at.date()))
                .unwrap_or_default(),
            id: hold.id,
        });
    let erasures = erase::list(&server, &caller)
        .await?
        .into_iter()
        .map(|it| ErasureView {
            alias: hold::short(&it.subject),
            state: if it.erased.is_some() {
                "erased"
            } else {
                "asked for"
            },
            when: it.erased.as_ref().map_or(it.asked_at, |(_, at)| *at).date(),
            reason: it.reason,
        });
    let whole = Organisation { revision: 0 };
    let now = server.ambient.now();
    page(&KeepingPage {
        frame: Frame::of(&server, &caller, "/keeping").await,
        shards,
        policies: policies.iter().map(policy_view).collect::<Result<_, _>>()?,
        disposal,
        holds: holds.collect(),
        may_hold: may::<PlaceHold>(&server, &caller.principal(), &whole, &NoContext, now),
        erasures: erasures.collect(),
        may_erase: may_erase(&server, &caller),
    })
}

fn policy_view(policy: &Policy) -> Result<PolicyView, Problem> {
    let class = &policy.class;
    Ok(PolicyView {
        class: class.name.clone(),
        sources: if class.sources.is_empty() {
            "everything else".to_owned()
        } else {
            class.sources.join(", ")
        },
        period: format!("{:?}", class.period).to_lowercase(),
        days: class.keep_days,
        basis: class.basis.clone(),
        digest: policy.digest()?,
    })
}

#[derive(Deserialize)]
struct Placing {
    kind: String,
    of: String,
    reason: String,
}

async fn place(
    State(server): State<App>,
    Signed(caller): Signed,
    Form(it): Form<Placing>,
) -> Result<Response, Problem> {
    let target = Target::parse(&it.kind, it.of.trim())?;
    hold::place(&server, &caller, &target, &it.reason).await?;
    Ok(to("/keeping"))
}

#[derive(Deserialize)]
struct Because {
    reason: String,
}

async fn release(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
    Form(why): Form<Because>,
) -> Result<Response, Problem> {
    hold::release(&server, &caller, &id, &why.reason).await?;
    Ok(to("/keeping"))
}

async fn blank(server: &Server, caller: &Caller) -> ErasePage {
    ErasePage {
        frame: Frame::of(server, caller, "/keeping").await,
        may_erase: may_erase(server, caller),
        by_two: server.config.erasure_by_two,
        subject: String::new(),
        reason: String::new(),
        looked: false,
        keys: 0,
        entries: Vec::new(),
        apps: Vec::new(),
        held_by: Vec::new(),
        asked: false,
        done: String::new(),
    }
}

async fn erase_form(
    State(server): State<App>,
    Signed(caller): Signed,
) -> Result<Response, Problem> {
    page(&blank(&server, &caller).await)
}

#[derive(Deserialize)]
struct Erasing {
    subject: String,
    reason: String,
}

async fn preview(
    State(server): State<App>,
    Signed(caller): Signed,
    Form(it): Form<Erasing>,
) -> Result<Response, Problem> {
    let subject = Subject::parse(&it.subject)?;
    let found = erase::preview(&server, &caller, &subject).await?;
    page(&ErasePage {
        subject: it.subject,
        reason: it.reason,
        looked: true,
        keys: found.keys,
        entries: found.entries.into_iter().collect(),
        apps: found.apps.into_iter().collect(),
        held_by: found.held_by,
        asked: found.asked,
        ..blank(&server, &caller).await
    })
}

async fn carry_out(
    State(server): State<App>,
    Signed(caller): Signed,
    Form(it): Form<Erasing>,
) -> Result<Response, Problem> {
    let subject = Subject::parse(&it.subject)?;
    let done = match erase::erase(&server, &caller, &subject, &it.reason).await? {
        Erased::Asked => {
            "Asked for. Another member of audit and compliance carries it out.".to_owned()
        }
        Erased::Erased { keys, entries } => format!(
            "Erased for good: {keys} keys destroyed, values taken out of {entries} entries. Every proof stays as it was."
        ),
    };
    page(&ErasePage {
        done,
        ..blank(&server, &caller).await
    })
}
