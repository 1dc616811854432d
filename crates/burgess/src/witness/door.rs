//! The witness over HTTP: `POST /add-checkpoint`, and its own keys.
//!
//! Anybody may ask: what counts is the log's signature in the request and the witness's in the
//! answer, so no credential and no TLS of its own. Requests are bounded in bytes, time and number.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use burgess_ledger::witness::{REQUEST_BYTES_MAX, Refusal};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use super::{NotSigned, Witness};

/// How long a request may take to arrive.
const BODY_TIME_MAX: Duration = Duration::from_secs(10);
/// Requests at work at once: they take turns on one lock, so more would only wait and hold memory.
const REQUESTS_MAX: usize = 32;
/// The size of the last signed checkpoint. <https://c2sp.org/tlog-witness#add-checkpoint>
const SIZE_TYPE: &str = "text/x.tlog.size";

#[derive(Clone)]
struct Door {
    witness: Arc<Witness>,
    room: Arc<Semaphore>,
}

pub(super) async fn serve(
    witness: Arc<Witness>,
    listener: TcpListener,
    mut stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let stopped = async move {
        while !*stop.borrow_and_update() {
            if stop.changed().await.is_err() {
                return;
            }
        }
    };
    axum::serve(listener, router(witness))
        .with_graceful_shutdown(stopped)
        .await
}

fn router(witness: Arc<Witness>) -> Router {
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/vkeys", get(vkeys))
        .route("/healthz", get(async || "ok\n"))
        .with_state(Door {
            witness,
            room: Arc::new(Semaphore::new(REQUESTS_MAX)),
        })
}

async fn vkeys(State(door): State<Door>) -> String {
    let keys = door.witness.vkeys();
    keys.iter().map(|key| format!("{key}\n")).collect()
}

async fn add_checkpoint(State(door): State<Door>, body: Body) -> Response {
    let Ok(_turn) = door.room.try_acquire() else {
        return say(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many requests at once, try again",
        );
    };
    let body = axum::body::to_bytes(body, REQUEST_BYTES_MAX);
    let body = match tokio::time::timeout(BODY_TIME_MAX, body).await {
        Err(_) => {
            return say(
                StatusCode::REQUEST_TIMEOUT,
                "the request did not arrive in 10 s",
            );
        }
        Ok(Err(_)) => {
            return say(
                StatusCode::PAYLOAD_TOO_LARGE,
                "the request is too large or broke off",
            );
        }
        Ok(Ok(body)) => body,
    };
    let witness = Arc::clone(&door.witness);
    let answer = tokio::task::spawn_blocking(move || witness.add(&body)).await;
    match answer {
        Ok(Ok(lines)) => say(StatusCode::OK, &lines),
        Ok(Err(NotSigned::Refused(refusal))) => refused(&refusal),
        Ok(Err(broken @ NotSigned::Broken(_))) => {
            tracing::error!(%broken, "nothing is signed any more");
            say(StatusCode::INTERNAL_SERVER_ERROR, &broken.to_string())
        }
        Err(cause) => say(StatusCode::INTERNAL_SERVER_ERROR, &cause.to_string()),
    }
}

fn refused(refusal: &Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
    match refusal {
        Refusal::OtherSize(size) | Refusal::OtherRoot(size) => (
            status,
            [(header::CONTENT_TYPE, SIZE_TYPE)],
            format!("{size}\n"),
        )
            .into_response(),
        _ => say(status, &format!("{refusal}\n")),
    }
}

fn say(status: StatusCode, text: &str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, text.to_owned()).into_response()
}
