//! A small HTTP/1.1 client: one request, one connection.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Bytes,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// The answer's JSON, if it has the wanted status.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        if self.body.is_empty() {
            Value::Null
        } else {
            self.json()
        }
    }

    /// Ids of the controls or policies that a refusal names.
    pub fn unmet(&self) -> Vec<String> {
        let unmet = self.json()["unmet"].clone();
        let rows = unmet.as_array().cloned().unwrap_or_default();
        rows.iter()
            .map(|row| row["control"].as_str().unwrap().to_owned())
            .collect()
    }

    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// A body with its media type.
pub type Body = Option<(&'static str, Vec<u8>)>;

pub fn json(value: &Value) -> Body {
    Some(("application/json", value.to_string().into_bytes()))
}

/// Sends one request; an error is a broken connection.
pub async fn try_send(
    to: SocketAddr,
    method: &str,
    target: &str,
    authorization: Option<&str>,
    body: Body,
) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(to).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let mut request = Request::builder()
        .method(method)
        .uri(target)
        .header("host", to.to_string())
        .header("user-agent", "CoworkAgent/1.0");
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    if let Some((kind, _)) = &body {
        request = request.header("content-type", *kind);
    }
    let bytes = body.map(|(_, bytes)| bytes).unwrap_or_default();
    let response = sender
        .send_request(request.body(Full::new(Bytes::from(bytes)))?)
        .await?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await?.to_bytes();
    driver.abort();
    Ok(Answer { status, body })
}

/// Sends one request, which must be answered.
pub async fn send(
    to: SocketAddr,
    method: &str,
    target: &str,
    authorization: Option<&str>,
    body: Body,
) -> Answer {
    try_send(to, method, target, authorization, body)
        .await
        .unwrap()
}
