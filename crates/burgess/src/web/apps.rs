//! One app's page, what is attached to it, and its checklist.

use askama::Template;
use axum::extract::{Multipart, Path, Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Form, Router};
use burgess_core::app::Environment;
use burgess_core::policy::action::{
    AttachArtifact, DeploySandbox, DeployStaging, IssueCredential, PromoteProduction, ReadTrail,
    Rollback,
};
use burgess_core::policy::facts::{InEnvironment, NoContext, Organisation};
use burgess_store::Dossier;
use serde::Deserialize;

use super::frame::Frame;
use super::home::one_file;
use super::trail::{EventRow, event_row};
use super::view::{self, Act, ControlView, LifeStep, VerdictView};
use super::{page, to};
use crate::http::api;
use crate::http::problem::Problem;
use crate::http::{App, Signed};
use crate::operations::report::{self, Item};
use crate::operations::{Caller, attach, may, promote, retire, trail};
use crate::server::Server;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/apps/{id}", get(one))
        .route("/apps/{id}/checklist", get(checklist))
        .route("/apps/{id}/artifact", post(artifact))
        .route("/apps/{id}/readme", post(readme))
        .route("/apps/{id}/tests", post(test))
        .route("/apps/{id}/retire", post(retire_app))
        .route("/apps/{id}/keep", post(keep))
}

struct TestView {
    id: String,
    title: String,
    result: &'static str,
    tone: &'static str,
}

/// One environment's row: on the app's page and on the deployments page.
pub(super) struct DeployRow {
    pub(super) app: String,
    pub(super) name: String,
    pub(super) environment: &'static str,
    pub(super) version: String,
    pub(super) state: String,
    pub(super) tone: &'static str,
    pub(super) since: String,
    pub(super) acts: Vec<Act>,
    pub(super) why_not: String,
}

struct CredentialRow {
    id: String,
    environment: &'static str,
    scopes: String,
    state: &'static str,
    tone: &'static str,
}

#[derive(Template)]
#[template(path = "app.html")]
struct AppPage {
    frame: Frame,
    id: String,
    name: String,
    purpose: String,
    state: &'static str,
    tone: &'static str,
    class: &'static str,
    steps: Vec<LifeStep>,
    flash: String,
    next: String,
    controls: Vec<ControlView>,
    may_attach: bool,
    artifact_line: String,
    readme_line: String,
    tests: Vec<TestView>,
    deployments: Vec<DeployRow>,
    credentials: Vec<CredentialRow>,
    may_connect: bool,
    events: Vec<EventRow>,
    no_events: String,
    may_trail: bool,
    charter: String,
    version: String,
    charter_digest: String,
    may_retire: bool,
    verdict: VerdictView,
    people: Vec<(&'static str, String)>,
    request: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Flash {
    done: String,
}

async fn one(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
    Query(flash): Query<Flash>,
) -> Result<Response, Problem> {
    let dossier = api::apps::load(&server, &caller, &id).await?;
    let now = server.now()?;
    let app = &dossier.app;
    let request = promote::approved_request(&dossier).or_else(|| dossier.requests.first());
    let newest = dossier.requests.first();
    let seen = promote::evidence_of(&dossier);
    let assessed = newest
        .map(|request| crate::operations::intake::assess(&server, &request.charter, &seen, now));
    let facts = promote::facts(&dossier, now);
    let query = trail::Asked {
        app: Some(id.clone()),
        limit: 30,
        ..trail::Asked::default()
    };
    let may_trail = may::<ReadTrail>(
        &server,
        &caller.principal(),
        &Organisation { revision: 0 },
        &NoContext,
        now,
    );
    let (events, no_events) = match trail::of_app(&server, &caller, &query).await {
        Ok(page) => {
            let rows = page.rows.iter().map(|row| event_row(&server, row));
            (rows.collect(), String::new())
        }
        // The app itself may be seen all the same, and why its events may not.
        Err(problem) => (Vec::new(), format!("{} ({})", problem.detail, problem.code)),
    };
    let principal = caller.principal();
    let may_attach = may::<AttachArtifact>(&server, &principal, &facts, &NoContext, now);
    let template = AppPage {
        frame: Frame::of(&server, &caller, "/apps").await,
        id: app.id.to_string(),
        name: app.name.clone(),
        purpose: request
            .map(|r| r.charter.app.purpose.clone())
            .unwrap_or_default(),
        state: view::state_words(app.state),
        tone: view::state_tone(app.state),
        class: app.classification.as_str(),
        steps: view::life(app.state),
        flash: flash_words(&flash.done).to_owned(),
        next: view::next_step(app, newest, now),
        controls: assessed
            .as_ref()
            .map(|a| view::controls(&a.controls))
            .unwrap_or_default(),
        may_attach,
        artifact_line: dossier.artifacts.first().map_or_else(
            || "None yet: sandbox only.".to_owned(),
            |a| {
                format!(
                    "{}, {} bytes",
                    a.record.reference.file_name, a.record.reference.size
                )
            },
        ),
        readme_line: seen.readme.as_ref().map_or_else(
            || "None yet.".to_owned(),
            |r| {
                if r.missing_sections.is_empty() {
                    "All sections are there.".to_owned()
                } else {
                    format!("Missing: {}.", r.missing_sections.join(", "))
                }
            },
        ),
        tests: tests(&seen),
        deployments: Environment::ALL
            .iter()
            .map(|e| deploy_row(&server, &caller, &dossier, *e))
            .collect(),
        credentials: dossier
            .credentials
            .iter()
            .map(|it| {
                let active = it.record.is_active(now);
                CredentialRow {
                    id: it.record.id.to_string(),
                    environment: it.record.environment.as_str(),
                    scopes: it
                        .record
                        .scopes
                        .iter()
                        .cloned()
                        .collect::<Vec<_>>()
                        .join(" "),
                    state: if active {
                        "active"
                    } else {
                        "revoked or expired"
                    },
                    tone: if active { "good" } else { "" },
                }
            })
            .collect(),
        may_connect: may::<IssueCredential>(
            &server,
            &principal,
            &facts,
            &InEnvironment {
                environment: Environment::Sandbox,
            },
            now,
        ),
        events,
        no_events,
        may_trail,
        charter: newest.map(|r| r.charter.to_toml()).unwrap_or_default(),
        version: app.version.clone(),
        charter_digest: newest
            .map(|r| r.charter_digest.to_string())
            .unwrap_or_default(),
        may_retire: retire::may_retire(&server, &caller, &dossier, now),
        verdict: assessed.map_or_else(view::no_verdict, |a| {
            view::verdict(&a.score, &a.route, &a.path, Vec::new())
        }),
        people: vec![
            ("Developer", app.developer.to_string()),
            ("Owner", app.owner.to_string()),
            (
                "Second owner",
                app.second_owner
                    .as_ref()
                    .map_or_else(|| "missing".to_owned(), ToString::to_string),
            ),
            ("Unit", app.unit.clone()),
        ],
        request: newest
            .filter(|r| api::may_see_request(&server, &caller, r))
            .map(|r| r.id.to_string())
            .unwrap_or_default(),
    };
    page(&template)
}

const fn flash_words(done: &str) -> &str {
    match done.as_bytes() {
        b"artifact" => "The export was read, and the request asked anew with it.",
        b"readme" => "The README was checked.",
        b"test" => "The result is recorded, bound to this artifact.",
        b"deployed" => "Deployed.",
        b"retired" => "Retired: every credential was revoked and tried, the record is archived.",
        _ => "",
    }
}

fn tests(seen: &burgess_core::evidence::Evidence) -> Vec<TestView> {
    let cases = seen
        .readme
        .as_ref()
        .map(|r| r.test_cases.clone())
        .unwrap_or_default();
    cases
        .into_iter()
        .map(|case| {
            let mine = seen
                .tests
                .iter()
                .filter(|t| t.case == case && Some(t.artifact) == seen.artifact)
                .max_by_key(|t| t.at);
            let (result, tone) = match mine {
                Some(it) if it.passed => ("passed", "good"),
                Some(_) => ("failed", "bad"),
                None => ("no result for this artifact", ""),
            };
            TestView {
                title: case.replace('-', " "),
                id: case,
                result,
                tone,
            }
        })
        .collect()
}

/// What is live in an environment, and what the caller may do about it.
pub(super) fn deploy_row(
    server: &Server,
    caller: &Caller,
    dossier: &Dossier,
    environment: Environment,
) -> DeployRow {
    let now = server.ambient.now();
    let app = &dossier.app;
    let live = promote::live_in(dossier, environment);
    let facts = promote::facts(dossier, now);
    let principal = caller.principal();
    let allowed = match environment {
        Environment::Sandbox => may::<DeploySandbox>(server, &principal, &facts, &NoContext, now),
        Environment::Staging => may::<DeployStaging>(server, &principal, &facts, &NoContext, now),
        Environment::Production => {
            may::<PromoteProduction>(server, &principal, &facts, &NoContext, now)
        }
    };
    let name = environment.as_str();
    let mut acts = Vec::new();
    if allowed {
        let label = if live.is_some() {
            "Deploy the newest here"
        } else {
            "Promote to here"
        };
        acts.push(Act::new(
            format!("/deployments/{}/promote", app.id),
            label,
            "",
            &[("environment", name)],
        ));
    }
    if live.is_some()
        && may::<Rollback>(
            server,
            &principal,
            &facts,
            &InEnvironment { environment },
            now,
        )
    {
        acts.push(Act::new(
            format!("/deployments/{}/rollback", app.id),
            "Roll back",
            "second",
            &[("environment", name)],
        ));
    }
    let why_not = if acts.is_empty() {
        "not yours to change, or not approved".to_owned()
    } else {
        String::new()
    };
    DeployRow {
        app: app.id.to_string(),
        name: app.name.clone(),
        environment: name,
        version: live
            .as_ref()
            .map_or_else(|| "–".to_owned(), |l| l.version.clone()),
        state: if live.is_some() {
            "live".to_owned()
        } else {
            "nothing live".to_owned()
        },
        tone: if live.is_some() { "good" } else { "" },
        since: live
            .map(|l| format!("since {} by {}", view::time(l.live_since), l.by))
            .unwrap_or_default(),
        acts,
        why_not,
    }
}

#[derive(Template)]
#[template(path = "checklist.html")]
struct ChecklistPage {
    frame: Frame,
    id: String,
    name: String,
    version: String,
    items: Vec<Item>,
    proof_line: String,
}

async fn checklist(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let dossier = api::apps::load(&server, &caller, &id).await?;
    let now = server.now()?;
    let ledger = server.ledger();
    let checkpoint = ledger.checkpoint();
    page(&ChecklistPage {
        frame: Frame::of(&server, &caller, "/apps").await,
        id,
        name: dossier.app.name.clone(),
        version: dossier.app.version.clone(),
        items: report::checklist(&server, &dossier, now).await,
        proof_line: format!(
            "Ledger {}, {} events under the signed checkpoint; {}.",
            ledger.origin(),
            checkpoint.checkpoint.size,
            server.witnesses.sentence(&ledger)
        ),
    })
}

async fn artifact(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
    form: Multipart,
) -> Result<Response, Problem> {
    let dossier = api::apps::load(&server, &caller, &id).await?;
    let upload = one_file(form, "artifact").await?;
    attach::artifact(&server, &caller, &dossier.app.id, upload).await?;
    Ok(to(&format!("/apps/{id}?done=artifact")))
}

async fn readme(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
    form: Multipart,
) -> Result<Response, Problem> {
    let dossier = api::apps::load(&server, &caller, &id).await?;
    let upload = one_file(form, "readme").await?;
    let text = String::from_utf8(upload.bytes).map_err(|_| {
        Problem::input("the README is not text in UTF-8: save it as plain Markdown")
    })?;
    attach::readme(&server, &caller, &dossier.app.id, &text).await?;
    Ok(to(&format!("/apps/{id}?done=readme#evidence")))
}

#[derive(Deserialize)]
struct TestForm {
    case: String,
    passed: String,
}

async fn test(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
    Form(form): Form<TestForm>,
) -> Result<Response, Problem> {
    let dossier = api::apps::load(&server, &caller, &id).await?;
    attach::test_result(
        &server,
        &caller,
        &dossier.app.id,
        &form.case,
        form.passed == "yes",
        "",
    )
    .await?;
    Ok(to(&format!("/apps/{id}?done=test#evidence")))
}

#[derive(Deserialize)]
struct Lessons {
    lessons: String,
}

async fn retire_app(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
    Form(form): Form<Lessons>,
) -> Result<Response, Problem> {
    let dossier = api::apps::load(&server, &caller, &id).await?;
    retire::retire(
        &server,
        retire::By::Person(&caller),
        &dossier.app.id,
        &form.lessons,
    )
    .await?;
    Ok(to(&format!("/apps/{id}?done=retired")))
}

async fn keep(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let dossier = api::apps::load(&server, &caller, &id).await?;
    retire::keep(&server, &caller, &dossier.app.id).await?;
    Ok(to(&format!("/apps/{id}")))
}
