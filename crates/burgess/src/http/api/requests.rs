//! Requests for approval: handing in, reading, deciding, taking back; and the score alone.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use burgess_core::approval::{Capacity, Verdict, turns};
use burgess_core::charter::{Charter, CharterErrors};
use burgess_core::id::RequestId;
use burgess_core::intake::Request;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{etag, if_match, may_see_request};
use crate::http::problem::{Missing, Problem};
use crate::http::{App, Signed};
use crate::operations::approve::{self, Deciding};
use crate::operations::evidence::Upload;
use crate::operations::intake::{self, Assessment, Handed};
use crate::operations::verdict;
use crate::server::Server;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/api/v1/requests", get(list).post(submit))
        .route("/api/v1/requests/{id}", get(read))
        .route("/api/v1/requests/{id}/decisions", post(decide))
        .route("/api/v1/requests/{id}/withdraw", post(withdraw))
        .route("/api/v1/score", post(score))
        .route("/api/v1/inspect", post(inspect))
}

/// A file inside JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// Its name.
    pub file_name: String,
    /// Its bytes.
    pub base64: String,
}

impl File {
    /// The file's bytes.
    pub fn upload(self) -> Result<Upload, Problem> {
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(self.base64.trim())
            .map_err(|_| Problem::input("`base64` is not base64 (RFC 4648 §4)"))?;
        Ok(Upload {
            file_name: self.file_name,
            bytes,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    charter: String,
    artifact: Option<File>,
    readme: Option<String>,
}

/// A charter's errors, each with its place.
pub fn charter_problem(errors: &CharterErrors) -> Problem {
    let count = errors.0.len();
    let mut problem = Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "CHARTER_INVALID",
        format!(
            "{count} thing{} in the charter must be mended: {errors}",
            if count == 1 { "" } else { "s" }
        ),
    );
    problem.unmet = errors
        .0
        .iter()
        .map(|e| Missing {
            control: format!("{}:{}", e.line, e.column),
            reason: e.to_string(),
            remedy: e.expected.clone(),
        })
        .collect();
    problem
}

async fn submit(
    State(server): State<App>,
    Signed(caller): Signed,
    Json(ask): Json<Ask>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let charter = Charter::parse(&ask.charter).map_err(|e| charter_problem(&e))?;
    let artifact = ask.artifact.map(File::upload).transpose()?;
    let request = intake::submit(
        &server,
        &caller,
        Handed {
            charter,
            artifact,
            readme: ask.readme,
        },
    )
    .await?;
    Ok((StatusCode::CREATED, Json(view(&request))))
}

/// A request, as the API shows it.
pub fn view(request: &Request) -> Value {
    let turns: Vec<&str> = turns(request).into_iter().map(Capacity::title).collect();
    json!({
        "id": request.id, "app": request.app, "version": request.charter.version, "state": request.state,
        "submitted_by": request.submitted_by, "submitted_at": request.submitted_at, "sla": request.sla,
        "charter_digest": request.charter_digest, "artifact": request.artifact, "score": request.score,
        "route": request.route, "controls": request.controls, "turns": turns, "decisions": request.decisions,
        "approval": request.approval, "previous_approval": request.previous_approval, "changes": request.changes,
        "facts": request.facts, "revision": request.revision,
    })
}

async fn list(State(server): State<App>, Signed(caller): Signed) -> Result<Json<Value>, Problem> {
    let queue = server
        .store
        .queue()
        .await
        .map_err(|e| Problem::internal(&e))?;
    let items: Vec<Value> = queue
        .iter()
        .filter(|r| may_see_request(&server, &caller, r))
        .map(view)
        .collect();
    Ok(Json(json!({ "items": items, "next": null })))
}

/// The request, if the asker may see it.
pub async fn load(
    server: &Server,
    caller: &crate::operations::Caller,
    id: &str,
) -> Result<Request, Problem> {
    let missing = || Problem::not_found("request", id);
    let parsed = RequestId::parse(id).map_err(|_| missing())?;
    let request = server
        .store
        .request(&parsed)
        .await
        .map_err(|e| Problem::internal(&e))?
        .ok_or_else(missing)?;
    if may_see_request(server, caller, &request) {
        Ok(request)
    } else {
        Err(missing())
    }
}

async fn read(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
) -> Result<(HeaderMap, Json<Value>), Problem> {
    let request = load(&server, &caller, &id).await?;
    Ok((etag(request.revision), Json(view(&request))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decide {
    capacity: Capacity,
    verdict: Verdict,
    #[serde(default)]
    comment: String,
    #[serde(default)]
    conditions: Vec<String>,
}

async fn decide(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(decide): Json<Decide>,
) -> Result<Json<Value>, Problem> {
    let request = load(&server, &caller, &id).await?;
    let deciding = Deciding {
        capacity: decide.capacity,
        verdict: decide.verdict,
        comment: decide.comment,
        conditions: decide.conditions,
        revision: if_match(&headers)?,
    };
    Ok(Json(view(
        &approve::decide(&server, &caller, &request.id, deciding).await?,
    )))
}

async fn withdraw(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let request = load(&server, &caller, &id).await?;
    Ok(Json(view(
        &approve::withdraw(&server, &caller, &request.id).await?,
    )))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScoreAsk {
    charter: String,
}

/// An assessment, in the contract's shape of `risk --format json`.
pub fn assessment_json(it: &Assessment) -> Value {
    let missing: Vec<Value> = it.controls.unmet().map(|control| json!(control)).collect();
    json!({
        "score": it.score.score, "band": it.score.band, "route": it.route.lane, "second_reviewer": it.route.second_reviewer,
        "sponsor": it.route.sponsor, "reasons": it.route.reasons, "addends": it.score.addends,
        "missing_controls": missing, "cheapest_path": it.path,
    })
}

async fn score(
    State(server): State<App>,
    Signed(_): Signed,
    Json(ask): Json<ScoreAsk>,
) -> Result<Json<Value>, Problem> {
    let charter = Charter::parse(&ask.charter).map_err(|e| charter_problem(&e))?;
    let now = server.now()?;
    let it = intake::assess_alone(
        &server,
        &charter,
        burgess_core::evidence::ArtifactFacts::default(),
        now,
    );
    Ok(Json(assessment_json(&it)))
}

async fn inspect(
    State(server): State<App>,
    Signed(_): Signed,
    Json(file): Json<File>,
) -> Result<Json<Value>, Problem> {
    let verdict = verdict::on(&server, file.upload()?).await?;
    Ok(Json(json!({
        "facts": verdict.reading.facts, "risk": assessment_json(&verdict.assessment), "charter": verdict.draft,
        "digest": { "normalised": verdict.reading.digest.normalised, "raw": verdict.reading.digest.raw },
        "secrets": verdict.reading.secrets, "packages": verdict.reading.packages,
    })))
}
