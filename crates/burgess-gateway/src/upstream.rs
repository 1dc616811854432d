//! The way to the connectors: one client with pooled connections, https with the public roots.
//!
//! Redirects are not followed: where a call may go was decided before. Not here: headers, secrets.

use std::error::Error as _;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

/// Idle connections to one host: as many as one app keeps busy.
const IDLE_PER_HOST_MAX: usize = 16;
/// How long an idle connection is kept; shorter than common servers keep theirs.
const IDLE_TIME_MAX: Duration = Duration::from_secs(20);

/// The connector did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UpstreamError {
    /// No connection: nothing was sent.
    Unreachable,
    /// It broke off, or spoke no HTTP.
    Broken,
    /// It took too long.
    TimedOut,
}

#[derive(Clone)]
pub(crate) struct Upstream {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Upstream {
    pub(crate) fn new(connect_time_max: Duration) -> Self {
        let mut http = HttpConnector::new();
        http.set_connect_timeout(Some(connect_time_max));
        http.set_nodelay(true);
        http.enforce_http(false);
        // Plain http is for the loopback alone; `BaseUrl` sees to that.
        let https = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIME_MAX)
            .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
            .build(https);
        Self { client }
    }

    /// Sends one request and waits for the head of the answer.
    pub(crate) async fn send(
        &self,
        method: Method,
        uri: Uri,
        headers: HeaderMap,
        body: Bytes,
        time_max: Duration,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        match tokio::time::timeout(time_max, self.client.request(request)).await {
            Err(_) => Err(UpstreamError::TimedOut),
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => {
                let cause = error.source().map(ToString::to_string).unwrap_or_default();
                tracing::warn!(%error, %cause, "the connector did not answer");
                let unreachable = error.is_connect();
                Err(if unreachable {
                    UpstreamError::Unreachable
                } else {
                    UpstreamError::Broken
                })
            }
        }
    }
}
