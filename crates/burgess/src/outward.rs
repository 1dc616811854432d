//! Small requests to other services of the operator's choice: witnesses, a time stamping authority.
//!
//! One client, https with the public roots, plain http to this machine alone; which address that may
//! be was checked when the configuration was read. Not here: connectors, which the gateway calls.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

/// Bytes of an answer at most: a few cosignatures, or a time stamp with its certificates.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What was answered.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) kind: Option<HeaderValue>,
    pub(crate) body: Bytes,
}

/// The client.
pub(crate) struct Outward {
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Outward {
    pub(crate) fn new() -> Self {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        let https = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        Self {
            http: Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .build(https),
        }
    }

    /// Posts one body. The caller bounds the time.
    pub(crate) async fn post(
        &self,
        url: &str,
        kind: &'static str,
        body: Vec<u8>,
    ) -> Result<Reply, String> {
        const KIND: HeaderName = header::CONTENT_TYPE;
        let request = Request::builder()
            .method(Method::POST)
            .uri(url)
            .header(KIND, kind)
            .body(Full::new(Bytes::from(body)))
            .map_err(|cause| cause.to_string())?;
        let answer = self.http.request(request).await;
        let (head, body) = answer.map_err(|cause| cause.to_string())?.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        Ok(Reply {
            status: head.status,
            kind: head.headers.get(KIND).cloned(),
            body: body.map_err(|cause| cause.to_string())?.to_bytes(),
        })
    }
}
