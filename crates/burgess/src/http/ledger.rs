//! The ledger over HTTP (C2SP tlog-tiles): checkpoint and hash tiles are public and
//! cacheable; entries need the auditor's right to read them, and taking them is on record.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use burgess_ledger::Shard;

use super::problem::Problem;
use super::{App, Peer};
use crate::identity::session;
use crate::operations::trail;

/// `/ledger/SHARD/…`, for every shard.
pub fn router() -> Router<App> {
    Router::new()
        .route("/ledger/{shard}/checkpoint", get(checkpoint))
        .route("/ledger/{shard}/vkey", get(vkey))
        .route("/ledger/{shard}/vkeys", get(vkeys))
        .route("/ledger/{shard}/witnessed", get(witnessed))
        .route("/ledger/{shard}/tile/{*path}", get(tile))
}

fn shard_of(server: &App, name: &str) -> Result<Shard, Problem> {
    let shard = server.shards.named(name);
    shard.ok_or_else(|| Problem::not_found("ledger shard", name))
}

async fn checkpoint(
    State(server): State<App>,
    Path(shard): Path<String>,
) -> Result<Response, Problem> {
    let shard = shard_of(&server, &shard)?;
    Ok(note(shard.ledger.checkpoint().note.clone()))
}

/// The newest checkpoint that a quorum of witnesses cosigned.
async fn witnessed(
    State(server): State<App>,
    Path(shard): Path<String>,
) -> Result<Response, Problem> {
    let witnessed = server
        .witnesses
        .standing(&shard_of(&server, &shard)?.ledger);
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
async fn vkeys(State(server): State<App>, Path(shard): Path<String>) -> Result<String, Problem> {
    let shard = shard_of(&server, &shard)?;
    let keys = shard.ledger.vkeys();
    Ok(keys.iter().map(|key| format!("{key}\n")).collect())
}

async fn vkey(State(server): State<App>, Path(shard): Path<String>) -> Result<String, Problem> {
    Ok(format!("{}\n", shard_of(&server, &shard)?.ledger.vkey()))
}

async fn tile(
    State(server): State<App>,
    Path((shard, path)): Path<(String, String)>,
    peer: Peer,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let shard = shard_of(&server, &shard)?;
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
        trail::take_entries(&server, &caller, &shard.name).await?;
    }
    let (ledger, name) = (shard.ledger, format!("tile/{path}"));
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
