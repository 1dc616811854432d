//! The handbook page, the rubric, and the forms and schemas to copy.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Form, Router};
use burgess_core::data::{ActionType, Classification};
use burgess_core::id::Email;
use burgess_core::intake::Dataset;
use burgess_core::policy::action::EditDataset;
use burgess_core::policy::facts::{NoContext, Organisation};
use burgess_core::roles::Role;
use serde::Deserialize;

use super::frame::Frame;
use super::{page, to};
use crate::http::problem::Problem;
use crate::http::{App, Signed};
use crate::operations::{datasets, intake, may};

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/handbook", get(handbook))
        .route("/datasets", post(register))
        .route("/rubric", get(rubric))
        .route("/forms", get(forms))
}

struct RoleRow {
    title: &'static str,
    does: &'static str,
    people: String,
}

struct ClassRow {
    class: &'static str,
    cells: Vec<&'static str>,
}

#[derive(Template)]
#[template(path = "handbook.html")]
struct HandbookPage {
    frame: Frame,
    roles: Vec<RoleRow>,
    gates: Vec<(&'static str, &'static str)>,
    actions: Vec<&'static str>,
    matrix: Vec<ClassRow>,
    policy_digest: String,
    policies: Vec<(String, String)>,
    connectors: Vec<(String, &'static str, String)>,
    datasets: Vec<(String, String, String)>,
    may_register: bool,
    me: String,
}

const fn does(role: Role) -> &'static str {
    match role {
        Role::CitizenDeveloper => "builds and maintains the app, documents it, tests it first",
        Role::Sponsor => "answers for the app's value, approves access to production",
        Role::PlatformSecurity => "sets guardrails and policy, reviews what is not low risk",
        Role::Operations => "promotes to production, rolls back, keeps it running",
        Role::Auditor => {
            "reads everything, alone also entries and personal values; writes findings, legal holds and erasures"
        }
        Role::Administrator => "configures; never approves, never reads payloads",
    }
}

async fn handbook(State(server): State<App>, Signed(caller): Signed) -> Result<Response, Problem> {
    let mut roles = Vec::new();
    for role in Role::ALL {
        let people = server
            .store
            .people_with(role)
            .await
            .map_err(|e| Problem::internal(&e))?;
        let names: Vec<String> = people.into_iter().map(|it| it.record.name).collect();
        roles.push(RoleRow {
            title: role.title(),
            does: does(role),
            people: if names.is_empty() {
                "nobody yet".to_owned()
            } else {
                names.join(", ")
            },
        });
    }
    let registered = intake::registered(&server).await?;
    let policies = server.policies.load();
    let matrix = Classification::ALL
        .iter()
        .map(|class| ClassRow {
            class: class.as_str(),
            cells: ActionType::ALL
                .iter()
                .map(|action| {
                    if registered.class_actions.allows(*class, *action) {
                        "yes"
                    } else {
                        "no"
                    }
                })
                .collect(),
        })
        .collect();
    let may_register = may::<EditDataset>(
        &server,
        &caller.principal(),
        &Organisation { revision: 0 },
        &NoContext,
        server.ambient.now(),
    );
    page(&HandbookPage {
        frame: Frame::of(&server, &caller, "/handbook").await,
        may_register,
        me: caller.email().to_string(),
        roles,
        gates: vec![
            (
                "Request",
                "a short form or a dropped export; score and route at once",
            ),
            (
                "Approve",
                "low risk at once; else a reviewer within 72 hours, the sponsor before production",
            ),
            (
                "Test",
                "in the sandbox; a result for each test case of the README",
            ),
            (
                "Deploy",
                "sandbox, staging, production, through the gate alone",
            ),
            (
                "Monitor",
                "reviews monthly, quarterly or yearly by risk; a reminder after 90 idle days",
            ),
            (
                "Retire",
                "announced after 180 idle days; credentials revoked, record archived, lessons written down",
            ),
        ],
        actions: ActionType::ALL.iter().map(|a| a.as_str()).collect(),
        matrix,
        policy_digest: policies.digest().to_string(),
        policies: policies
            .rules()
            .map(|card| (card.rule.id.clone(), card.rule.reason.clone()))
            .collect(),
        connectors: server
            .catalogue
            .iter()
            .map(|c| {
                (
                    c.title.clone(),
                    c.kind.as_str(),
                    c.classes
                        .iter()
                        .map(|c| c.as_str())
                        .collect::<Vec<_>>()
                        .join(", "),
                )
            })
            .collect(),
        datasets: registered
            .datasets
            .iter()
            .map(|d| {
                (
                    d.name.clone(),
                    d.classification.to_string(),
                    d.owner.to_string(),
                )
            })
            .collect(),
    })
}

#[derive(Deserialize)]
struct NewDataset {
    name: String,
    classification: Classification,
    owner: Email,
    #[serde(default)]
    description: String,
}

async fn register(
    State(server): State<App>,
    Signed(caller): Signed,
    Form(form): Form<NewDataset>,
) -> Result<Response, Problem> {
    let dataset = Dataset {
        name: form.name.trim().to_owned(),
        classification: form.classification,
        owner: form.owner,
        description: form.description,
    };
    datasets::register(&server, &caller, dataset).await?;
    Ok(to("/handbook#datasets"))
}

#[derive(Template)]
#[template(path = "rubric.html")]
struct RubricPage {
    frame: Frame,
    rows: Vec<(&'static str, String, u32)>,
    bands: Vec<String>,
    version: String,
    digest: String,
}

async fn rubric(State(server): State<App>, Signed(caller): Signed) -> Result<Response, Problem> {
    use burgess_core::risk::{Connectivity, Execution, Factors, UserBand, score};
    let rubric = &server.rubric;
    let mut rows = Vec::new();
    let base = Factors {
        data: Classification::Public,
        users: 1,
        connectivity: Connectivity::None,
        third_party_code: false,
        execution: Execution::Sandboxed,
    };
    // The table is drawn from scores, so the page cannot say anything else than the rules do.
    let points = |factors: Factors, factor: usize| {
        score(&factors, rubric)
            .addends
            .get(factor)
            .map_or(0, |a| a.points)
    };
    for data in Classification::ALL {
        rows.push((
            "Data",
            data.as_str().to_owned(),
            points(Factors { data, ..base }, 0),
        ));
    }
    for (band, users) in [
        (UserBand::Few, 1),
        (UserBand::Some, 50),
        (UserBand::Many, 500),
    ] {
        rows.push((
            "People",
            band.as_str().to_owned(),
            points(Factors { users, ..base }, 1),
        ));
    }
    for connectivity in Connectivity::ALL {
        rows.push((
            "External connectivity",
            connectivity.as_str().replace('_', " "),
            points(
                Factors {
                    connectivity,
                    ..base
                },
                2,
            ),
        ));
    }
    rows.push((
        "External connectivity",
        "third-party code".to_owned(),
        points(
            Factors {
                third_party_code: true,
                ..base
            },
            2,
        ),
    ));
    for execution in Execution::ALL {
        rows.push((
            "Where it runs",
            execution.as_str().replace('_', " "),
            points(Factors { execution, ..base }, 3),
        ));
    }
    page(&RubricPage {
        frame: Frame::of(&server, &caller, "/rubric").await,
        rows,
        bands: vec![
            format!(
                "Under {}: low risk, approved automatically if nothing speaks against it and all controls are there.",
                rubric.medium_from
            ),
            format!(
                "{} to {}: medium risk, a reviewer decides.",
                rubric.medium_from, rubric.high_over
            ),
            format!("Over {}: high risk, a reviewer decides.", rubric.high_over),
        ],
        version: rubric.version.to_string(),
        digest: rubric.digest().to_string(),
    })
}

#[derive(Template)]
#[template(path = "forms.html")]
struct FormsPage {
    frame: Frame,
    files: Vec<(&'static str, &'static str, &'static str)>,
}

async fn forms(State(server): State<App>, Signed(caller): Signed) -> Result<Response, Problem> {
    page(&FormsPage {
        frame: Frame::of(&server, &caller, "/forms").await,
        files: vec![
            (
                "/api/forms/intake",
                "Intake form",
                "JSON: every field with label, help and when it is needed",
            ),
            (
                "/api/rubric",
                "Risk rubric",
                "JSON: the table of points in force, with its digest",
            ),
            (
                "/api/schemas/event.json",
                "Audit event schema",
                "JSON Schema 2020-12",
            ),
            (
                "/forms/README.template.md",
                "README template",
                "Markdown with every section that the linter asks for",
            ),
            ("/api/openapi.json", "API description", "OpenAPI 3.1"),
        ],
    })
}
