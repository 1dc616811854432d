//! `Idempotency-Key` on every POST of the API (IETF draft): a retry gets the first answer, for a day.
//! A request that was begun is carried out and answered also when nobody waits for the answer any
//! more; one that died with the process is answered at the next start, and never carried out twice.

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use burgess_core::digest::Digest;
use burgess_core::time::Span;
use burgess_store::{Answer, Attempt};

use super::App;
use super::problem::Problem;
use crate::identity::session;
use crate::server::Server;

/// How long a key is remembered: a program that tries again does so within minutes, and a person the
/// next morning. Answers may hold personal values, so no longer.
pub const REMEMBERED: Span = Span::hours(24);
/// Largest body whose retry is recognised: everything the API takes.
const BODY_BYTES_MAX: usize = 52 * 1024 * 1024;
/// Largest answer that is kept.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Runs a POST with an `Idempotency-Key` once; without the header it just runs.
pub async fn layer(State(server): State<App>, request: Request, next: Next) -> Response {
    let key = request
        .headers()
        .get("idempotency-key")
        .and_then(|v| v.to_str().ok())
        .map(str::to_owned);
    let Some(key) = key.filter(|_| request.method() == Method::POST) else {
        return next.run(request).await;
    };
    match once(&server, key, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn once(
    server: &App,
    key: String,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if key.is_empty() || key.len() > 128 {
        return Err(Problem::input(
            "`Idempotency-Key` is 1 to 128 characters: use a random id",
        ));
    }
    let who = session::secret_in(request.headers()).map_or_else(
        || "anonymous".to_owned(),
        |s| session::digest(&s).to_string(),
    );
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, BODY_BYTES_MAX)
        .await
        .map_err(|_| Problem::input("the body is larger than 52 MB: send a smaller export"))?;
    let digest = Digest::of_parts(&[
        parts.method.as_str().as_bytes(),
        b" ",
        parts.uri.to_string().as_bytes(),
        b"\n",
        &bytes,
    ]);
    let now = server.ambient.now();
    match server
        .store
        .begin_idempotent(&who, &key, digest, now)
        .await
        .map_err(|e| Problem::internal(&e))?
    {
        Attempt::First => {}
        Attempt::Done(answer) => return Ok(replay(answer)),
        Attempt::Running => {
            return Err(Problem::conflict(
                "the first request with this `Idempotency-Key` is still running: try again in a moment",
            ));
        }
        Attempt::OtherRequest => {
            return Err(Problem::input(
                "this `Idempotency-Key` was used for another request: use a new one",
            ));
        }
    }
    let request = Request::from_parts(parts, Body::from(bytes));
    // A caller that hangs up drops this future; what was begun must still end and be answered.
    let carried_out = tokio::spawn({
        let (server, who, key) = (App::clone(server), who.clone(), key.clone());
        async move { carry_out(&server, &who, &key, next.run(request).await).await }
    });
    match carried_out.await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(problem)) => {
            cut_off(server, &who, &key).await?;
            Err(problem)
        }
        Err(cause) => {
            cut_off(server, &who, &key).await?;
            Err(Problem::internal(&cause))
        }
    }
}

/// Keeps the answer, or gives the key back where a retry should not get it.
async fn carry_out(
    server: &App,
    who: &str,
    key: &str,
    response: Response,
) -> Result<Response, Problem> {
    if response.status().is_server_error() {
        server
            .store
            .abandon_idempotent(who, key)
            .await
            .map_err(|e| Problem::internal(&e))?;
        return Ok(response);
    }
    let (answer, response) = read(response).await?;
    server
        .store
        .finish_idempotent(who, key, &answer)
        .await
        .map_err(|e| Problem::internal(&e))?;
    Ok(response)
}

/// An answer as it is kept, and once more to be given.
async fn read(response: Response) -> Result<(Answer, Response), Problem> {
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, ANSWER_BYTES_MAX)
        .await
        .map_err(|e| Problem::internal(&e))?;
    let kept = ["content-type", "location", "etag"];
    let headers = kept.iter().filter_map(|name| {
        let value = parts.headers.get(*name)?.to_str().ok()?;
        Some(((*name).to_owned(), value.to_owned()))
    });
    let answer = Answer {
        status: parts.status.as_u16(),
        headers: headers.collect(),
        body: bytes.to_vec(),
    };
    Ok((answer, Response::from_parts(parts, Body::from(bytes))))
}

/// What a retry gets of a request of which nobody knows how it ended.
async fn interrupted() -> Result<Answer, Problem> {
    let problem = Problem::new(
        StatusCode::CONFLICT,
        "REQUEST_INTERRUPTED",
        "the first request with this `Idempotency-Key` was cut off, and whether it was carried out is not known: look, and if not, use a new key",
    );
    read(problem.into_response())
        .await
        .map(|(answer, _)| answer)
}

/// The request may have been carried out, so its key must not carry it out again.
async fn cut_off(server: &App, who: &str, key: &str) -> Result<(), Problem> {
    let answer = interrupted().await?;
    let finished = server.store.finish_idempotent(who, key, &answer).await;
    finished.map_err(|e| Problem::internal(&e))
}

/// At a start: answers what died with the process before.
pub async fn settle(server: &Server) -> Result<(), Problem> {
    let answer = interrupted().await?;
    let settled = server.store.settle_idempotent(&answer).await;
    match settled.map_err(|e| Problem::internal(&e))? {
        0 => {}
        requests => tracing::warn!(requests, "requests were cut off before they were answered"),
    }
    Ok(())
}

fn replay(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
        .headers_mut()
        .insert("idempotent-replayed", HeaderValue::from_static("true"));
    response
}
