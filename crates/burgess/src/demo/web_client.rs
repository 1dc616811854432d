//! A small HTTP/1.1 client to our own doors on loopback: the demo's apps use it.

use axum::http::{Method, Request, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// Body.
    pub body: Bytes,
}

/// What to send.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// HTTP method.
    pub method: Method,
    /// Path and query.
    pub target: &'a str,
    /// `Authorization`.
    pub authorization: Option<String>,
    /// `Content-Type` and body.
    pub body: Option<(&'static str, String)>,
}

/// Sends one request on a connection of its own.
pub async fn send(
    address: std::net::SocketAddr,
    call: Call<'_>,
) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let mut request = Request::builder()
        .method(call.method)
        .uri(call.target)
        .header(header::HOST, address.to_string())
        .header(header::USER_AGENT, "n8n/1.70");
    if let Some(authorization) = call.authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    let body = match call.body {
        Some((kind, text)) => {
            request = request.header(header::CONTENT_TYPE, kind);
            text
        }
        None => String::new(),
    };
    let response = sender
        .send_request(request.body(Full::new(Bytes::from(body)))?)
        .await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    drop(sender);
    driver.abort();
    Ok(Answer { status, body })
}
