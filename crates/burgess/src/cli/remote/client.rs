//! The way to a running server: plain HTTP to this machine, JSON both ways.
//!
//! Each POST carries a random `Idempotency-Key`, so that sending it again after a broken
//! connection cannot do it twice.

use std::io::Write;
use std::net::IpAddr;
use std::time::Duration;

use burgess_core::time::Span;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::session;
use crate::ambient::Ambient;
use crate::cli::run::Failure;

/// How long an answer may take: an export of 50 MB is read in a few seconds.
const TIME_MAX: Duration = Duration::from_secs(120);
/// Largest answer: an export of the whole trail of a small server.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;

/// What the server said.
#[derive(Debug)]
pub(super) enum Answer {
    /// Done, with its body (null when it has none).
    Yes(Value),
    /// Refused, with its problem document.
    No(Value),
}

/// One server, and the session to use with it.
#[derive(Debug)]
pub(super) struct Client {
    server: String,
    session: Option<String>,
    http: legacy::Client<HttpConnector, Full<Bytes>>,
}

/// The server of a sign-in link. Plain HTTP reaches this machine alone.
pub(super) fn server_of(link: &str) -> Result<String, Failure> {
    let uri: Uri = link.trim().parse().map_err(|_| {
        Failure(format!(
            "`{link}` is not a sign-in link: paste what `burgess invite` printed"
        ))
    })?;
    let host = uri.host().unwrap_or_default();
    let here = host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.is_loopback());
    match (uri.scheme_str(), uri.authority()) {
        (Some("http"), Some(authority)) if here => Ok(format!("http://{authority}")),
        (Some("http" | "https"), Some(_)) => Err(Failure(format!(
            "`{host}` is another machine: sign in on the machine where the server runs"
        ))),
        _ => Err(Failure(
            "this is not a sign-in link: paste what `burgess invite` printed, http:// included"
                .to_owned(),
        )),
    }
}

/// A client with the session that `login` kept.
pub(super) fn signed_in() -> Result<Client, Failure> {
    let kept = session::kept()?;
    Client::to(&server_of(&kept.server)?, Some(kept.session))
}

/// An id as part of a path: nothing that would lead to another path.
pub(super) fn id(text: &str) -> Result<&str, Failure> {
    let plain = !text.is_empty()
        && text.len() <= 128
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        && !text.starts_with('.');
    if plain {
        Ok(text)
    } else {
        Err(Failure(format!("`{}` is not an id", text.escape_debug())))
    }
}

impl Client {
    /// A client for this server.
    pub(super) fn to(server: &str, session: Option<String>) -> Result<Self, Failure> {
        Ok(Self {
            server: server.to_owned(),
            session,
            http: legacy::Client::builder(TokioExecutor::new()).build_http(),
        })
    }

    /// Reads a resource.
    pub(super) async fn get(&self, path: &str) -> Result<Answer, Failure> {
        let (status, bytes) = self.send(Method::GET, path, Vec::new(), &[]).await?;
        answer(status, &bytes)
    }

    /// Reads a resource as it is.
    pub(super) async fn download(&self, path: &str) -> Result<Result<Bytes, Value>, Failure> {
        let (status, bytes) = self.send(Method::GET, path, Vec::new(), &[]).await?;
        if status.is_success() {
            return Ok(Ok(bytes));
        }
        match answer(status, &bytes)? {
            Answer::Yes(value) | Answer::No(value) => Ok(Err(value)),
        }
    }

    /// Reads a resource of any size into `out`, and answers its bytes.
    pub(super) async fn save(
        &self,
        path: &str,
        out: &mut impl Write,
    ) -> Result<Result<u64, Value>, Failure> {
        let response = self.ask(Method::GET, path, Vec::new(), &[]).await?;
        let status = response.status();
        let mut body = response.into_body();
        if !status.is_success() {
            let bytes = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
            let bytes = bytes.map_err(|e| self.broke_off(&e))?.to_bytes();
            return match answer(status, &bytes)? {
                Answer::Yes(value) | Answer::No(value) => Ok(Err(value)),
            };
        }
        let mut written = 0u64;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|e| self.broke_off(&e))?;
            if let Some(data) = frame.data_ref() {
                out.write_all(data)?;
                written = written.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
            }
        }
        out.flush()?;
        Ok(Ok(written))
    }

    fn broke_off(&self, cause: &dyn std::fmt::Display) -> Failure {
        Failure(format!("the answer of {} broke off: {cause}", self.server))
    }

    /// Asks for a change; `seen` is the revision that it is based on.
    pub(super) async fn post(
        &self,
        path: &str,
        body: &Value,
        seen: Option<u64>,
    ) -> Result<Answer, Failure> {
        let key = uuid::Uuid::from_u128(Ambient::behind(Span::ZERO).uuid()?).to_string();
        let mut headers = vec![
            ("idempotency-key", key),
            ("content-type", "application/json".to_owned()),
        ];
        headers.extend(seen.map(|revision| ("if-match", format!("\"{revision}\""))));
        let (status, bytes) = self
            .send(Method::POST, path, serde_json::to_vec(body)?, &headers)
            .await?;
        answer(status, &bytes)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        headers: &[(&str, String)],
    ) -> Result<(StatusCode, Bytes), Failure> {
        let exchange = async {
            let response = self.ask(method, path, body, headers).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
                .collect()
                .await;
            let body = body.map_err(|e| self.broke_off(&e))?;
            Ok((status, body.to_bytes()))
        };
        let late = |_| {
            Failure(format!(
                "{} took more than {} s",
                self.server,
                TIME_MAX.as_secs()
            ))
        };
        tokio::time::timeout(TIME_MAX, exchange)
            .await
            .map_err(late)?
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        headers: &[(&str, String)],
    ) -> Result<Response<Incoming>, Failure> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.server))
            .header(
                header::ACCEPT,
                "application/json, application/problem+json, */*;q=0.1",
            )
            .header(
                header::USER_AGENT,
                concat!("burgess/", env!("CARGO_PKG_VERSION")),
            );
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if let Some(session) = &self.session {
            request = request.header(header::AUTHORIZATION, format!("Bearer {session}"));
        }
        let request = request.body(Full::new(Bytes::from(body)))?;
        self.http.request(request).await.map_err(|e| {
            Failure(format!(
                "{} does not answer ({e}): is `burgess up` running?",
                self.server
            ))
        })
    }
}

/// Sorts an answer: done, refused (403, 409, 410, 412, and 422 with what is unmet), or a wrong call.
fn answer(status: StatusCode, bytes: &[u8]) -> Result<Answer, Failure> {
    let value = if bytes.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(bytes).unwrap_or(Value::Null)
    };
    if status.is_success() {
        return Ok(Answer::Yes(value));
    }
    let unmet = value
        .get("unmet")
        .and_then(Value::as_array)
        .is_some_and(|unmet| !unmet.is_empty());
    let refused = match status {
        StatusCode::FORBIDDEN
        | StatusCode::CONFLICT
        | StatusCode::GONE
        | StatusCode::PRECONDITION_FAILED => true,
        StatusCode::UNPROCESSABLE_ENTITY => unmet,
        _ => false,
    };
    if refused && value.is_object() {
        return Ok(Answer::No(value));
    }
    let text = |key: &str| {
        value
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let (code, detail) = (text("code"), text("detail"));
    Err(Failure(match status {
        StatusCode::UNAUTHORIZED => "the server does not know this session: get a link with `burgess invite`, then `burgess login LINK`".to_owned(),
        _ if detail.is_empty() => format!("the server answered {status}"),
        _ => format!("{code}: {detail}"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_a_no_and_a_wrong_call_is_a_failure() {
        let refusal = br#"{"code":"CONTROLS_UNMET","detail":"x","unmet":[{"control":"owner","reason":"r","remedy":"m"}]}"#;
        assert!(matches!(
            answer(StatusCode::FORBIDDEN, refusal),
            Ok(Answer::No(_))
        ));
        assert!(matches!(
            answer(StatusCode::UNPROCESSABLE_ENTITY, refusal),
            Ok(Answer::No(_))
        ));
        let wrong = br#"{"code":"INPUT_INVALID","detail":"`x` is not an environment"}"#;
        let Err(Failure(text)) = answer(StatusCode::UNPROCESSABLE_ENTITY, wrong) else {
            panic!("not a failure")
        };
        assert_eq!(text, "INPUT_INVALID: `x` is not an environment");
        assert!(matches!(
            answer(StatusCode::NO_CONTENT, b""),
            Ok(Answer::Yes(Value::Null))
        ));
        let Err(Failure(text)) = answer(StatusCode::UNAUTHORIZED, wrong) else {
            panic!("not a failure")
        };
        assert!(text.contains("burgess login"));
    }

    // R80
    #[test]
    fn a_session_is_sent_in_plain_http_to_this_machine_alone() {
        assert_eq!(
            server_of("http://127.0.0.1:8080/sign-in/abc").unwrap(),
            "http://127.0.0.1:8080"
        );
        assert_eq!(
            server_of("http://[::1]:9/sign-in/abc").unwrap(),
            "http://[::1]:9"
        );
        for link in [
            "http://burgess.example/sign-in/x",
            "https://127.0.0.1.example/x",
            "http://127.0.0.1@evil.example/x",
            "abc",
            "",
        ] {
            assert!(server_of(link).is_err(), "{link}");
        }
    }

    #[test]
    fn an_id_cannot_lead_to_another_path() {
        assert!(id("microapp-sales-quoting").is_ok());
        for bad in ["", "..", "a/b", "a?b", "a%2fb", "a b", ".a"] {
            assert!(id(bad).is_err(), "{bad}");
        }
    }
}
