//! `Idempotency-Key` on every POST of the API (IETF draft): a retry gets the first answer.

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use burgess_core::digest::Digest;
use burgess_store::{Answer, Attempt};

use super::App;
use super::problem::Problem;
use crate::identity::session;

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
    let response = next
        .run(Request::from_parts(parts, Body::from(bytes)))
        .await;
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, ANSWER_BYTES_MAX)
        .await
        .map_err(|e| Problem::internal(&e))?;
    if parts.status.is_server_error() {
        server
            .store
            .abandon_idempotent(&who, &key)
            .await
            .map_err(|e| Problem::internal(&e))?;
    } else {
        let kept = ["content-type", "location", "etag"];
        let headers = kept
            .iter()
            .filter_map(|name| {
                Some((
                    (*name).to_owned(),
                    parts.headers.get(*name)?.to_str().ok()?.to_owned(),
                ))
            })
            .collect();
        let answer = Answer {
            status: parts.status.as_u16(),
            headers,
            body: bytes.to_vec(),
        };
        server
            .store
            .finish_idempotent(&who, &key, &answer)
            .await
            .map_err(|e| Problem::internal(&e))?;
    }
    Ok(Response::from_parts(parts, Body::from(bytes)))
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
