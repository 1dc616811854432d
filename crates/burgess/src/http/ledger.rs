//! The ledger over HTTP (C2SP tlog-tiles): checkpoint and hash tiles are public and
//! cacheable; entries need the auditor's right to read them.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use burgess_core::policy::action::ReadEntries;
use burgess_core::policy::facts::{NoContext, Organisation};

use super::problem::Problem;
use super::{App, Peer};
use crate::identity::session;
use crate::operations::permit;

/// `/ledger/main/…`
pub fn router() -> Router<App> {
    Router::new()
        .route("/ledger/main/checkpoint", get(checkpoint))
        .route("/ledger/main/vkey", get(vkey))
        .route("/ledger/main/vkeys", get(vkeys))
        .route("/ledger/main/witnessed", get(witnessed))
        .route("/ledger/main/tile/{*path}", get(tile))
}

async fn checkpoint(State(server): State<App>) -> Response {
    note(server.ledger.checkpoint().note.clone())
}

/// The newest checkpoint that a quorum of witnesses cosigned.
async fn witnessed(State(server): State<App>) -> Result<Response, Problem> {
    let witnessed = server.witnesses.standing(&server.ledger);
    let (signed, _) =
        witnessed.ok_or_else(|| Problem::not_found("witnessed checkpoint", "witnessed"))?;
    Ok(note(signed.note.clone()))
}

fn note(text: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, text).into_response()
}

/// Every key that signs checkpoints, one a line.
async fn vkeys(State(server): State<App>) -> String {
    let keys = server.ledger.vkeys();
    keys.iter().map(|key| format!("{key}\n")).collect()
}

async fn vkey(State(server): State<App>) -> String {
    format!("{}\n", server.ledger.vkey())
}

async fn tile(
    State(server): State<App>,
    Path(path): Path<String>,
    peer: Peer,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let entries = path.starts_with("entries/");
    if entries {
        let caller = session::caller(&server, &headers, peer.0).await?;
        let caller = caller.ok_or_else(|| {
            Problem::new(
                axum::http::StatusCode::UNAUTHORIZED,
                "SESSION_MISSING",
                "entries need a session with the right to read them",
            )
        })?;
        let now = server.now()?;
        permit::<ReadEntries>(
            &server,
            &caller.principal(),
            &Organisation { revision: 0 },
            &NoContext,
            now,
        )?;
    }
    let (ledger, name) = (server.ledger.clone(), format!("tile/{path}"));
    let bytes = tokio::task::spawn_blocking(move || ledger.tile(&name))
        .await
        .map_err(|e| Problem::internal(&e))?
        .map_err(|_| Problem::not_found("tile", &path))?;
    let cache = if entries {
        "private, no-store"
    } else {
        "public, max-age=31536000, immutable"
    };
    Ok((
        [
            (header::CONTENT_TYPE, "application/octet-stream"),
            (header::CACHE_CONTROL, cache),
        ],
        bytes,
    )
        .into_response())
}
