//! The listener: HTTP/1.1 connections, each bounded in size, number and time.
//!
//! Not here: what happens to a request (`gateway`).

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use crate::gateway::Gateway;
use crate::limits::{HEAD_BYTES_MAX, HEAD_TIME_MAX, HEADERS_MAX};
use crate::refusal::Refusal;

/// How long calls may go on after the end was announced: a call takes this long at most.
const GRACE: Duration = Duration::from_secs(60);
/// Pause after an error of the listener itself (too many open files), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves `gateway` on `listener` until `shutdown` resolves; then ends the connections, each after
/// its call, and records what is still to be recorded.
///
/// # Errors
/// None at present; a connection that fails ends alone.
pub async fn serve(
    listener: TcpListener,
    gateway: Arc<Gateway>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let room = Arc::new(Semaphore::new(gateway.limits().connections_max));
    let (end, ending) = watch::channel(false);
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        // Beyond the limit, connections wait in the listener's backlog.
        let permit = tokio::select! {
            () = &mut shutdown => break,
            permit = room.clone().acquire_owned() => permit,
        };
        let Ok(permit) = permit else { break };
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer)) => {
                let _ = stream.set_nodelay(true);
                connections.spawn(connection(
                    stream,
                    peer.ip(),
                    gateway.clone(),
                    ending.clone(),
                    permit,
                ));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let _ = end.send(true);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, all_ended).await.is_err() {
        tracing::warn!("connections were cut at the end");
    }
    gateway.close().await;
    Ok(())
}

async fn connection(
    stream: TcpStream,
    peer: IpAddr,
    gateway: Arc<Gateway>,
    mut ending: watch::Receiver<bool>,
    _room: OwnedSemaphorePermit,
) {
    let service = service_fn(move |request| whole(gateway.clone(), request, peer));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .max_headers(HEADERS_MAX)
        .max_header_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    // An error means that the listener is gone, which is an end too.
    let announced = async { drop(ending.wait_for(|end| *end).await) };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = announced => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Runs a call as a task of its own: a client that hangs up must not leave an intent without its
/// outcome.
async fn whole(
    gateway: Arc<Gateway>,
    request: Request<Incoming>,
    peer: IpAddr,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let call = tokio::spawn(async move { gateway.answer(request, peer).await });
    Ok(call.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a call ended without an answer");
        let detail = "something failed on our side. Try again, and tell operations if it stays";
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", detail).into_response()
    }))
}
