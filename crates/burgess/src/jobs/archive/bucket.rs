//! Copies of archive files in an S3-compatible bucket.
//!
//! A name is written once: `If-None-Match: *` makes an overwrite impossible, and an object that is
//! there already is ours if it carries our digest. One PUT a file, so 5 GB at most. Requests are
//! signed by `rusty-s3`, which does no I/O; sent by the client that everything else uses.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use burgess_core::digest::Digest;
use burgess_core::time::Timestamp;
use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Either, Empty, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rusty_s3::actions::{HeadObject, PutObject};
use rusty_s3::{Credentials, S3Action, UrlStyle};
use tokio::io::AsyncReadExt as _;

use crate::outlets;

/// The largest object of one PUT.
const BYTES_MAX: u64 = 5_000_000_000;
/// How long a signature holds: a slow line sends 5 GB in an hour.
const SIGNED_FOR: Duration = Duration::from_secs(3_600);
/// Bytes read from the file at a time.
const CHUNK: usize = 1 << 17;
/// The digest goes along under this name.
const DIGEST: &str = "x-amz-meta-sha256";

/// A copy did not come about.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// The configuration cannot be used.
    #[error("the bucket cannot be used: {0}; check [archive] s3 in the configuration")]
    Config(String),
    /// The file cannot be read.
    #[error("`{file}` cannot be sent: {cause}")]
    File {
        /// Which.
        file: String,
        /// Why.
        cause: String,
    },
    /// No answer.
    #[error("the bucket does not answer: {0}; it is asked again")]
    Unreachable(String),
    /// A refusal.
    #[error("the bucket answered {status} for `{key}`: {said}; check its rights and its region")]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// The object.
        key: String,
        /// The beginning of its answer.
        said: String,
    },
    /// The name is taken.
    #[error(
        "the bucket has another object under `{0}`: nothing is overwritten; choose another prefix, or find out who wrote it"
    )]
    Taken(String),
}

type Stream = std::pin::Pin<
    Box<dyn futures_util::Stream<Item = Result<Frame<Bytes>, std::io::Error>> + Send>,
>;
type Body = Either<StreamBody<Stream>, Empty<Bytes>>;

/// An open bucket.
pub struct Bucket {
    bucket: rusty_s3::Bucket,
    credentials: Credentials,
    prefix: String,
    client: Client<HttpsConnector<HttpConnector>, Body>,
}

impl Bucket {
    /// Reads the credentials; connects to nothing yet.
    pub fn open(config: &outlets::Bucket) -> Result<Self, BucketError> {
        let bad = |cause: &dyn std::fmt::Display| BucketError::Config(cause.to_string());
        let (key, secret) = config.credentials().map_err(|e| bad(&e))?;
        let endpoint = config.endpoint.parse().map_err(|e| bad(&e))?;
        // The bucket in the path: the style that every S3-compatible store speaks.
        let bucket = rusty_s3::Bucket::new(
            endpoint,
            UrlStyle::Path,
            config.bucket.clone(),
            config.region.clone(),
        );
        let mut http = HttpConnector::new();
        http.set_connect_timeout(Some(Duration::from_secs(10)));
        http.enforce_http(false);
        let tls = match &config.ca {
            Some(roots) => HttpsConnectorBuilder::new()
                .with_tls_config(crate::tls::trusting(roots).map_err(|e| bad(&e))?),
            None => HttpsConnectorBuilder::new().with_webpki_roots(),
        };
        // Plain http is for the loopback alone; `outlets::check` sees to that.
        let https = tls.https_or_http().enable_http1().wrap_connector(http);
        Ok(Self {
            bucket: bucket.map_err(|e| bad(&e))?,
            credentials: Credentials::new(key, secret),
            prefix: config.prefix.trim_matches('/').to_owned(),
            client: Client::builder(TokioExecutor::new()).build(https),
        })
    }

    /// The object's key.
    fn key(&self, name: &str) -> String {
        match self.prefix.as_str() {
            "" => name.to_owned(),
            prefix => format!("{prefix}/{name}"),
        }
    }

    /// Puts a file there under `name`, unless it is there already, and answers where it lies.
    pub async fn put(
        &self,
        name: &str,
        file: &Path,
        digest: &Digest,
        now: Timestamp,
    ) -> Result<String, BucketError> {
        let unreadable = |cause: &dyn std::fmt::Display| BucketError::File {
            file: file.display().to_string(),
            cause: cause.to_string(),
        };
        let open = tokio::fs::File::open(file)
            .await
            .map_err(|e| unreadable(&e))?;
        let length = open.metadata().await.map_err(|e| unreadable(&e))?.len();
        if length > BYTES_MAX {
            return Err(unreadable(
                &"it is larger than 5 GB, which one request takes",
            ));
        }
        let key = self.key(name);
        let checksum = STANDARD.encode(digest.as_bytes());
        let hex = digest.to_string();
        let headers = [
            ("if-none-match", "*"),
            ("x-amz-checksum-sha256", checksum.as_str()),
            (DIGEST, hex.as_str()),
        ];
        let mut action = PutObject::new(&self.bucket, Some(&self.credentials), &key);
        for (name, value) in headers {
            action.headers_mut().insert(name, value);
        }
        let url = action.sign_with_time(SIGNED_FOR, &signed_at(now)?);
        let mut request = Request::put(url.as_str()).header(header::CONTENT_LENGTH, length);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(Either::Left(StreamBody::new(chunks(open))));
        let answer = self.send(request).await?;
        let there = format!("s3://{}/{key}", self.bucket.name());
        match answer.status() {
            status if status.is_success() => Ok(there),
            StatusCode::PRECONDITION_FAILED | StatusCode::CONFLICT => {
                self.is_ours(&key, &hex, length, now).await?;
                Ok(there)
            }
            _ => Err(refused(key, answer).await),
        }
    }

    /// Whether what lies there is what we would have put: an earlier attempt whose answer was lost.
    async fn is_ours(
        &self,
        key: &str,
        digest: &str,
        length: u64,
        now: Timestamp,
    ) -> Result<(), BucketError> {
        let action = HeadObject::new(&self.bucket, Some(&self.credentials), key);
        let url = action.sign_with_time(SIGNED_FOR, &signed_at(now)?);
        let request = Request::head(url.as_str()).body(Either::Right(Empty::new()));
        let answer = self.send(request).await?;
        if !answer.status().is_success() {
            return Err(refused(key.to_owned(), answer).await);
        }
        let said = |name: &str| answer.headers().get(name).and_then(|it| it.to_str().ok());
        let length = length.to_string();
        let same = said(DIGEST) == Some(digest) && said("content-length") == Some(&length);
        same.then_some(())
            .ok_or_else(|| BucketError::Taken(key.to_owned()))
    }

    async fn send(
        &self,
        request: Result<Request<Body>, http::Error>,
    ) -> Result<Response<Incoming>, BucketError> {
        let request = request.map_err(|e| BucketError::Config(e.to_string()))?;
        let answer = tokio::time::timeout(SIGNED_FOR, self.client.request(request)).await;
        let unreachable =
            |cause: &dyn std::fmt::Display| BucketError::Unreachable(cause.to_string());
        answer
            .map_err(|e| unreachable(&e))?
            .map_err(|e| unreachable(&e))
    }
}

/// The time as the signer takes it, whose own version of the time crate is not ours.
fn signed_at<T: std::str::FromStr<Err: std::fmt::Display>>(
    now: Timestamp,
) -> Result<T, BucketError> {
    let time = now.to_string().parse();
    time.map_err(|e: T::Err| BucketError::Config(e.to_string()))
}

/// What was refused, with the beginning of what was said about it.
async fn refused(key: String, answer: Response<Incoming>) -> BucketError {
    const SAID_MAX: usize = 2_000;
    let status = answer.status();
    let said = http_body_util::Limited::new(answer.into_body(), SAID_MAX)
        .collect()
        .await;
    let said = said.map(|said| said.to_bytes()).unwrap_or_default();
    BucketError::Refused {
        status,
        key,
        said: String::from_utf8_lossy(&said).chars().take(300).collect(),
    }
}

/// The file, piece by piece.
fn chunks(file: tokio::fs::File) -> Stream {
    Box::pin(stream::try_unfold(file, |mut file| async move {
        let mut chunk = vec![0; CHUNK];
        let read = file.read(&mut chunk).await?;
        chunk.truncate(read);
        Ok((read > 0).then(|| (Frame::data(Bytes::from(chunk)), file)))
    }))
}
