//! `Idempotency-Key` on every POST of the API (IETF draft): a retry gets the first answer, for a day.
//! A request that was begun is carried out also when nobody waits for the answer any more, and never
//! twice: where nobody knows how it ended, a retry is told so.
//!
//! A key belongs to whoever is known, an app's credential or a person, under whatever session or
//! token; of anybody else nothing is kept. Answers with a secret are not kept, and none outlives an
//! erasure. Keys, principals and requests stand in the database as keyed digests alone.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use burgess_core::digest::Digest;
use burgess_core::time::Span;
use burgess_store::{Answer, Attempt};
use tokio::sync::{OwnedSemaphorePermit, RwLock, Semaphore};

use super::problem::Problem;
use super::{App, peer};
use crate::identity::session;
use crate::operations::telemetry;
use crate::server::Server;

/// How long a key is remembered: a program that tries again does so within minutes, and a person the
/// next morning. Answers may hold personal values, so no longer.
pub const REMEMBERED: Span = Span::hours(24);
/// Largest body whose retry is recognised: everything the API takes.
const BODY_BYTES_MAX: usize = 52 * 1024 * 1024;
/// Largest answer that is kept.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// Requests that are under way though their callers may be gone. The database has one writer, which
/// ends some hundred a second; each may hold a body of 52 MB, though few do.
const UNDER_WAY_MAX: usize = 64;
/// How long a request waits for its turn among them.
const TURN_TIME_MAX: Duration = Duration::from_secs(2);
/// Failures that are found before anything is changed. All others of ours may have come after it.
const BEFORE_ANY_CHANGE: [&str; 1] = ["CLOCK_BEHIND"];

/// Marks an answer that holds a secret, which must not be kept: it is put into its extensions.
#[derive(Clone, Copy, Debug)]
pub struct HoldsSecret;

/// The requests with a key that are being carried out.
pub struct UnderWay {
    turns: Arc<Semaphore>,
    claims: Mutex<BTreeSet<(Digest, Digest)>>,
    /// Erasures so far. Held for writing while kept answers are blanked.
    erasures: RwLock<u64>,
}

impl Default for UnderWay {
    fn default() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(UNDER_WAY_MAX)),
            claims: Mutex::default(),
            erasures: RwLock::default(),
        }
    }
}

impl UnderWay {
    async fn turn(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let turn = Arc::clone(&self.turns).acquire_owned();
        match tokio::time::timeout(TURN_TIME_MAX, turn).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "SERVER_BUSY",
                "too many requests are under way, so this one was not begun: send it again in a moment, with the same `Idempotency-Key`",
            )),
        }
    }

    /// One at a time carries a key's request out; ends also when it panics.
    fn claim(&self, key: &Claim) -> Option<Claimed<'_>> {
        let key = (key.who, key.key);
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        // Made only where it is claimed: what is dropped gives the claim back.
        claims.insert(key).then(|| Claimed(self, key))
    }
}

struct Claimed<'a>(&'a UnderWay, (Digest, Digest));

impl Drop for Claimed<'_> {
    fn drop(&mut self) {
        let mut claims = self.0.claims.lock().unwrap_or_else(PoisonError::into_inner);
        claims.remove(&self.1);
    }
}

/// Who asks under which key for what, as keyed digests.
#[derive(Clone, Copy)]
struct Claim {
    who: Digest,
    key: Digest,
    request: Digest,
}

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
    let done = once(&server, &key, request, next).await;
    done.unwrap_or_else(IntoResponse::into_response)
}

/// Whom a key belongs to. Sessions and access tokens come and go while somebody tries again.
async fn principal(server: &App, parts: &Parts) -> Result<Option<String>, Problem> {
    if let Ok(claims) = telemetry::sender(server, &parts.headers) {
        return Ok(Some(format!("client {}", claims.client_id)));
    }
    let caller = session::caller(server, &parts.headers, peer(parts)).await?;
    let caller = caller.filter(|it| it.person.active);
    Ok(caller.map(|it| format!("person {}", it.email())))
}

async fn once(server: &App, key: &str, request: Request, next: Next) -> Result<Response, Problem> {
    if key.is_empty() || key.len() > 128 {
        return Err(Problem::input(
            "`Idempotency-Key` is 1 to 128 characters: use a random id",
        ));
    }
    let (parts, body) = request.into_parts();
    let Some(who) = principal(server, &parts).await? else {
        // Nobody unknown may buy a durable row, or be given an answer that was another's.
        return Ok(next.run(Request::from_parts(parts, body)).await);
    };
    let bytes = to_bytes(body, BODY_BYTES_MAX)
        .await
        .map_err(|_| Problem::input("the body is larger than 52 MB: send a smaller export"))?;
    let (method, uri) = (parts.method.as_str(), parts.uri.to_string());
    let asked = [method.as_bytes(), b" ", uri.as_bytes(), b"\n", &bytes];
    let claim = Claim {
        who: server.blinder.digest("principal", &[who.as_bytes()]),
        key: server.blinder.digest("idempotency key", &[key.as_bytes()]),
        request: server.blinder.digest("request", &asked),
    };
    let turn = server.under_way.turn().await?;
    let request = Request::from_parts(parts, Body::from(bytes));
    // A caller that hangs up drops this future; what was begun must still end and be answered.
    let server = App::clone(server);
    let begun = tokio::spawn(async move {
        let _turn = turn;
        carry_out(&server, &claim, request, next).await
    });
    begun.await.map_err(|cause| {
        tracing::error!(%cause, "a request was cut off");
        interrupted()
    })?
}

/// Whatever cuts this short leaves the key taken, and nobody here who carries it out.
async fn carry_out(
    server: &App,
    claim: &Claim,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let internal = |e| Problem::internal(&e);
    let Some(_claimed) = server.under_way.claim(claim) else {
        return Err(Problem::conflict(
            "the first request with this `Idempotency-Key` is still running: try again in a moment",
        ));
    };
    let (who, key) = (claim.who.to_string(), claim.key.to_string());
    let (store, now) = (&server.store, server.ambient.now());
    let attempt = store.begin_idempotent(&who, &key, claim.request, now).await;
    match attempt.map_err(internal)? {
        Attempt::First => {}
        Attempt::Done(answer) => return Ok(replay(answer)),
        Attempt::Running => return replay_of(interrupted()).await,
        Attempt::OtherRequest => {
            return Err(Problem::input(
                "this `Idempotency-Key` was used for another request: use a new one",
            ));
        }
    }
    let before = *server.under_way.erasures.read().await;
    let response = next.run(request).await;
    let problem = response.extensions().get::<Problem>();
    if problem.is_some_and(|it| BEFORE_ANY_CHANGE.contains(&it.code)) {
        store
            .abandon_idempotent(&who, &key)
            .await
            .map_err(internal)?;
        return Ok(response);
    }
    if response.status().is_server_error() {
        return Ok(response);
    }
    let secret = response.extensions().get::<HoldsSecret>().is_some();
    let (answer, response) = read(response).await.map_err(|_| interrupted())?;
    let erasures = server.under_way.erasures.read().await;
    let answer = if secret || *erasures != before {
        not_kept().await?
    } else {
        answer
    };
    // It was carried out: whoever waits gets the answer, whether or not a retry will.
    if let Err(cause) = store.finish_idempotent(&who, &key, &answer).await {
        tracing::error!(%cause, "the answer to a request could not be kept");
    }
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
fn interrupted() -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "REQUEST_INTERRUPTED",
        "the first request with this `Idempotency-Key` was cut off, and whether it was carried out is not known: look, and if not, use a new key",
    )
}

/// What a retry gets of an answer that held a secret, or that an erasure took away.
async fn not_kept() -> Result<Answer, Problem> {
    let problem = Problem::new(
        StatusCode::CONFLICT,
        "ANSWER_NOT_KEPT",
        "the first request with this `Idempotency-Key` was answered, and its answer was not kept, since it held a secret or somebody was erased since: look what came of it, and if you need a secret, have another made under a new key",
    );
    Ok(read(problem.into_response()).await?.0)
}

/// At a start: answers what died with the process before.
pub async fn settle(server: &Server) -> Result<(), Problem> {
    let (answer, _) = read(interrupted().into_response()).await?;
    let settled = server.store.settle_idempotent(&answer).await;
    match settled.map_err(|e| Problem::internal(&e))? {
        0 => {}
        requests => tracing::warn!(requests, "requests were cut off before they were answered"),
    }
    Ok(())
}

/// For an erasure: no kept answer says anything of anybody any more, nor will one to a request that is
/// under way. Which of them spoke of the subject nobody can tell.
pub async fn forget_answers(server: &Server) -> Result<(), Problem> {
    let answer = not_kept().await?;
    let mut erasures = server.under_way.erasures.write().await;
    *erasures = erasures.saturating_add(1);
    let blanked = server.store.blank_idempotent(&answer).await;
    blanked.map(drop).map_err(|e| Problem::internal(&e))
}

async fn replay_of(problem: Problem) -> Result<Response, Problem> {
    let (answer, _) = read(problem.into_response()).await?;
    Ok(replay(answer))
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
