//! Apps: the inventory, one app's record, its evidence, promotion, credentials and retirement.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use burgess_core::app::{App as Record, Environment};
use burgess_core::id::{AppId, ReviewId};
use burgess_core::review::Outcome;
use burgess_store::{AppFilter, Dossier, EvidenceKind};
use serde::Deserialize;
use serde_json::{Value, json};

use super::requests::File;
use super::{see, visible_apps};
use crate::http::idempotency::HoldsSecret;
use crate::http::problem::Problem;
use crate::http::{App, Signed};
use crate::operations::retire::By;
use crate::operations::{Caller, attach, connect, promote, refused, report, retire, review};
use crate::server::Server;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/api/v1/apps", get(list))
        .route("/api/v1/apps/{id}", get(read))
        .route("/api/v1/apps/{id}/artifact", post(artifact))
        .route("/api/v1/apps/{id}/readme", post(readme))
        .route("/api/v1/apps/{id}/tests", post(test))
        .route("/api/v1/apps/{id}/sbom", get(sbom))
        .route("/api/v1/apps/{id}/gate/{environment}", get(gate))
        .route("/api/v1/apps/{id}/promote", post(promote))
        .route("/api/v1/apps/{id}/rollback", post(roll_back))
        .route("/api/v1/apps/{id}/quarantine", post(quarantine))
        .route("/api/v1/apps/{id}/release", post(release))
        .route("/api/v1/apps/{id}/credentials", post(issue))
        .route("/api/v1/apps/{id}/retire", post(retire_app))
        .route("/api/v1/apps/{id}/keep", post(keep))
        .route("/api/v1/apps/{id}/checklist", get(checklist))
        .route("/api/v1/reviews/{id}/complete", post(complete_review))
}

/// An app of the inventory, as the API shows it.
pub(super) fn view(app: &Record) -> Value {
    json!({
        "id": app.id, "name": app.name, "unit": app.unit, "developer": app.developer, "owner": app.owner,
        "second_owner": app.second_owner, "classification": app.classification, "state": app.state,
        "version": app.version, "score": app.score, "band": app.band, "approval": app.approval,
        "created_at": app.created_at, "last_used_at": app.last_used_at, "revision": app.revision,
    })
}

#[derive(Deserialize)]
struct Filter {
    owner: Option<String>,
    class: Option<String>,
    state: Option<String>,
}

async fn list(
    State(server): State<App>,
    Signed(caller): Signed,
    Query(filter): Query<Filter>,
) -> Result<Json<Value>, Problem> {
    let apps = visible_apps(&server, &caller, &AppFilter::default()).await?;
    let fits = |wanted: &Option<String>, have: &str| {
        wanted
            .as_ref()
            .is_none_or(|w| w.is_empty() || w.eq_ignore_ascii_case(have))
    };
    let items: Vec<Value> = apps
        .iter()
        .filter(|app| fits(&filter.owner, app.owner.as_str()))
        .filter(|app| {
            fits(&filter.class, app.classification.as_str())
                && fits(&filter.state, app.state.as_str())
        })
        .map(view)
        .collect();
    Ok(Json(json!({ "items": items, "next": null })))
}

/// The app with everything about it, if the asker may see it.
pub async fn load(server: &Server, caller: &Caller, id: &str) -> Result<Dossier, Problem> {
    let parsed = AppId::parse(id).map_err(|_| Problem::not_found("app", id))?;
    let dossier = promote::dossier(server, &parsed).await?;
    see(server, caller, &dossier.app)?;
    Ok(dossier)
}

async fn read(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let dossier = load(&server, &caller, &id).await?;
    let requests: Vec<Value> = dossier.requests.iter().map(super::requests::view).collect();
    let credentials: Vec<Value> = dossier
        .credentials
        .iter()
        .map(|it| json!({ "id": it.record.id, "environment": it.record.environment, "version": it.record.version,
            "scopes": it.record.scopes, "state": it.record.state, "created_at": it.record.created_at, "expires_at": it.record.expires_at }))
        .collect();
    Ok(Json(json!({
        "app": view(&dossier.app), "requests": requests, "approvals": dossier.approvals, "artifacts": dossier.artifacts,
        "evidence": promote::evidence_of(&dossier), "deployments": dossier.deployments, "credentials": credentials,
        "reviews": dossier.reviews, "reminders": dossier.reminders, "retirement": dossier.retirement, "alerts": dossier.alerts,
    })))
}

async fn artifact(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
    Json(file): Json<File>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let dossier = load(&server, &caller, &id).await?;
    let request = attach::artifact(&server, &caller, &dossier.app.id, file.upload()?).await?;
    Ok((StatusCode::CREATED, Json(super::requests::view(&request))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    text: String,
}

async fn readme(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
    Json(text): Json<Text>,
) -> Result<Json<Value>, Problem> {
    let dossier = load(&server, &caller, &id).await?;
    attach::readme(&server, &caller, &dossier.app.id, &text.text).await?;
    let fresh = load(&server, &caller, &id).await?;
    Ok(Json(
        json!({ "readme": promote::evidence_of(&fresh).readme }),
    ))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Test {
    case: String,
    passed: bool,
    #[serde(default)]
    note: String,
}

async fn test(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
    Json(test): Json<Test>,
) -> Result<StatusCode, Problem> {
    let dossier = load(&server, &caller, &id).await?;
    attach::test_result(
        &server,
        &caller,
        &dossier.app.id,
        &test.case,
        test.passed,
        &test.note,
    )
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn sbom(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let dossier = load(&server, &caller, &id).await?;
    let digest = dossier
        .evidence
        .iter()
        .filter(|it| it.record.kind == EvidenceKind::Sbom)
        .filter_map(|it| it.record.blob)
        .next();
    let digest = digest.ok_or_else(|| Problem::not_found("SBOM", &id))?;
    let bytes = server
        .store
        .blobs()
        .get(&digest)
        .map_err(|e| Problem::internal(&e))?;
    let bytes = bytes.ok_or_else(|| Problem::not_found("SBOM", &id))?;
    serde_json::from_slice(&bytes)
        .map(Json)
        .map_err(|e| Problem::internal(&e))
}

fn environment(text: &str) -> Result<Environment, Problem> {
    Environment::parse(text).map_err(|e| Problem::input(e.to_string()))
}

/// What the gate would say now, without deploying.
async fn gate(
    State(server): State<App>,
    Signed(caller): Signed,
    Path((id, target)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let dossier = load(&server, &caller, &id).await?;
    let now = server.now()?;
    let answer = promote::gate(&server, &dossier, environment(&target)?, now).await?;
    let unmet = answer
        .err()
        .map(|refusal| refused(&refusal).unmet)
        .unwrap_or_default();
    Ok(Json(json!({ "open": unmet.is_empty(), "unmet": unmet })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Where {
    environment: String,
}

async fn promote(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
    Json(to): Json<Where>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let dossier = load(&server, &caller, &id).await?;
    let deployment = promote::promote(
        &server,
        &caller,
        &dossier.app.id,
        environment(&to.environment)?,
    )
    .await?;
    Ok((StatusCode::CREATED, Json(json!(deployment))))
}

async fn roll_back(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
    Json(at): Json<Where>,
) -> Result<Json<Value>, Problem> {
    let dossier = load(&server, &caller, &id).await?;
    let deployment = promote::roll_back(
        &server,
        &caller,
        &dossier.app.id,
        environment(&at.environment)?,
    )
    .await?;
    Ok(Json(json!(deployment)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    reason: String,
}

async fn quarantine(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
    Json(why): Json<Reason>,
) -> Result<StatusCode, Problem> {
    let dossier = load(&server, &caller, &id).await?;
    promote::quarantine(&server, &caller, &dossier.app.id, &why.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn release(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let dossier = load(&server, &caller, &id).await?;
    promote::release(&server, &caller, &dossier.app.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a client credential; its secret is in this answer and nowhere else.
async fn issue(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
    Json(at): Json<Where>,
) -> Result<(StatusCode, Extension<HoldsSecret>, Json<Value>), Problem> {
    let dossier = load(&server, &caller, &id).await?;
    let issued = connect::issue(
        &server,
        &caller,
        &dossier.app.id,
        environment(&at.environment)?,
    )
    .await?;
    let body = json!({ "client_id": issued.credential.id, "client_secret": issued.secret, "scopes": issued.credential.scopes, "expires_at": issued.credential.expires_at });
    Ok((StatusCode::CREATED, Extension(HoldsSecret), Json(body)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lessons {
    lessons: String,
}

async fn retire_app(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
    Json(it): Json<Lessons>,
) -> Result<StatusCode, Problem> {
    let dossier = load(&server, &caller, &id).await?;
    retire::retire(&server, By::Person(&caller), &dossier.app.id, &it.lessons).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn keep(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let dossier = load(&server, &caller, &id).await?;
    retire::keep(&server, &caller, &dossier.app.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn checklist(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let dossier = load(&server, &caller, &id).await?;
    let now = server.now()?;
    Ok(Json(
        json!({ "items": report::checklist(&server, &dossier, now).await }),
    ))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Completing {
    outcome: Outcome,
    note: String,
}

async fn complete_review(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
    Json(it): Json<Completing>,
) -> Result<StatusCode, Problem> {
    let id = ReviewId::parse(&id).map_err(|_| Problem::not_found("review", &id))?;
    review::complete(&server, &caller, &id, it.outcome, &it.note).await?;
    Ok(StatusCode::NO_CONTENT)
}
