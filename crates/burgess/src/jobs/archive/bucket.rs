//! Copies of archive files in an S3-compatible bucket.
//!
//! `If-None-Match: *` makes it impossible to overwrite what is not known, and an object that is
//! there already is ours if it carries our digest. The one object that is replaced is an older copy
//! of the same file, from before an erasure; `If-Match` holds it to the one that was looked at. One
//! PUT a file, so 5 GB at most. Requests are signed by `rusty-s3`, which does no I/O; sent by the
//! client that everything else uses.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use burgess_core::digest::Digest;
use burgess_core::time::Timestamp;
use burgess_trail::archive::Manifest;
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
/// How long a signature holds, and a request may take: a slow line sends 5 GB in an hour.
const SIGNED_FOR: Duration = Duration::from_secs(3_600);
/// Bytes read from the file at a time.
const CHUNK: usize = 1 << 17;
/// How long a bucket may take nothing and say nothing: stores pause for seconds, not for a minute.
const PATIENCE: Duration = Duration::from_secs(60);
/// The digest goes along under this name, …
const DIGEST: &str = "x-amz-meta-sha256";
/// … that of the checkpoint, which tells what the file is a copy of, …
const CHECKPOINT: &str = "x-amz-meta-checkpoint-sha256";
/// … and how many sealed values were erased from it, which tells the newer copy from the older.
const ERASED: &str = "x-amz-meta-erased";

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
    /// It hangs.
    #[error(
        "the bucket took nothing and said nothing for {} s; it is asked again, check its address and its network",
        .0.as_secs()
    )]
    Silent(Duration),
    /// It took all the time there is.
    #[error(
        "the bucket did not take the file within {} s: it is sent anew by the next pass, over a line that is fast enough for it",
        .0.as_secs()
    )]
    Slow(Duration),
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
    /// An older copy may not be replaced.
    #[error(
        "the bucket forbids replacing `{0}` ({1}), a copy with sealed values that were erased: it is asked again in a day; let the key put objects over that one, or delete it"
    )]
    Kept(String, StatusCode),
}

impl BucketError {
    /// Whether it would be no better with the next file.
    pub const fn is_away(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Silent(_) | Self::Slow(_))
    }

    /// Its stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Config(_) => "ARCHIVE_BUCKET_CONFIG",
            Self::File { .. } => "ARCHIVE_FILE_UNREADABLE",
            Self::Unreachable(_) => "ARCHIVE_BUCKET_UNREACHABLE",
            Self::Silent(_) => "ARCHIVE_BUCKET_SILENT",
            Self::Slow(_) => "ARCHIVE_BUCKET_SLOW",
            Self::Refused { .. } => "ARCHIVE_BUCKET_REFUSED",
            Self::Taken(_) => "ARCHIVE_BUCKET_NAME_TAKEN",
            Self::Kept(..) => "ARCHIVE_BUCKET_KEEPS_OLDER",
        }
    }
}

/// A copy that lies where it should.
#[derive(Debug, PartialEq, Eq)]
pub struct Copied {
    /// Its address.
    pub there: String,
    /// Whether the bucket also keeps a version of before an erasure.
    pub older_version: bool,
}

/// What lies under a name.
enum There {
    Nothing,
    /// What we would put.
    Ours {
        versioned: bool,
    },
    /// A copy of the same file that still holds values which were erased since.
    Older {
        tag: String,
        versioned: bool,
    },
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
    patience: Duration,
    /// How long a request may take in all.
    time_max: Duration,
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
            patience: PATIENCE,
            time_max: SIGNED_FOR,
        })
    }

    /// The same with less patience.
    #[cfg(test)]
    pub fn patient(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The same with less time in all.
    #[cfg(test)]
    pub fn hurried(self, time_max: Duration) -> Self {
        Self { time_max, ..self }
    }

    /// The object's key.
    fn key(&self, name: &str) -> String {
        match self.prefix.as_str() {
            "" => name.to_owned(),
            prefix => format!("{prefix}/{name}"),
        }
    }

    fn address(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket.name())
    }

    /// Puts a file there under `name`, unless it is there already, and answers where it lies. Only
    /// an older copy of the same file is replaced.
    pub async fn put(
        &self,
        name: &str,
        file: &Path,
        said: &Manifest,
        now: Timestamp,
    ) -> Result<Copied, BucketError> {
        let key = self.key(name);
        let there = self.address(&key);
        let mut found = There::Nothing;
        if said.outdated {
            found = self.look(&key, said, now).await?;
        }
        let copied = |older_version| {
            Ok(Copied {
                there: there.clone(),
                older_version,
            })
        };
        // A second time for what was found under a name that was thought to be free.
        for _ in 0..2 {
            let (older, versioned) = match &found {
                // Perhaps it has taken an older one's place, and the answer was lost.
                There::Ours { versioned } => return copied(*versioned && said.outdated),
                There::Older { tag, versioned } => (Some(tag.as_str()), *versioned),
                There::Nothing => (None, false),
            };
            let answer = self.put_once(&key, file, said, older, now).await?;
            match answer.status() {
                status if status.is_success() => {
                    let versioned = versioned || is_version(&answer);
                    return copied(older.is_some() && versioned);
                }
                StatusCode::PRECONDITION_FAILED | StatusCode::CONFLICT => {
                    found = self.look(&key, said, now).await?;
                }
                // Not the clock, the key or its secret: it has just answered under the same ones.
                status if older.is_some() && forbids(status) => {
                    return Err(BucketError::Kept(key, status));
                }
                _ => return Err(refused(key, answer, self.patience).await),
            }
        }
        match found {
            There::Ours { versioned } => copied(versioned && said.outdated),
            There::Nothing | There::Older { .. } => Err(BucketError::Taken(key)),
        }
    }

    /// Sends the file, to be taken only where nothing lies, or where `older` does.
    async fn put_once(
        &self,
        key: &str,
        file: &Path,
        said: &Manifest,
        older: Option<&str>,
        now: Timestamp,
    ) -> Result<Response<Incoming>, BucketError> {
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
        let condition = older.map_or(("if-none-match", "*"), |tag| ("if-match", tag));
        let headers = [
            (condition.0, condition.1.to_owned()),
            (
                "x-amz-checksum-sha256",
                STANDARD.encode(said.digest.as_bytes()),
            ),
            (DIGEST, said.digest.to_string()),
            (CHECKPOINT, checkpoint(said)),
            (ERASED, said.erased.to_string()),
        ];
        let mut action = PutObject::new(&self.bucket, Some(&self.credentials), key);
        for (name, value) in &headers {
            action.headers_mut().insert(*name, value.as_str());
        }
        let url = action.sign_with_time(SIGNED_FOR, &signed_at(now)?);
        let mut request = Request::put(url.as_str()).header(header::CONTENT_LENGTH, length);
        for (name, value) in &headers {
            request = request.header(*name, value);
        }
        let sent = Arc::new(AtomicU64::new(0));
        let body = StreamBody::new(chunks(open, Arc::clone(&sent)));
        self.send(request.body(Either::Left(body)), &sent).await
    }

    /// What lies there: perhaps an earlier attempt whose answer was lost, perhaps from before an
    /// erasure.
    async fn look(&self, key: &str, said: &Manifest, now: Timestamp) -> Result<There, BucketError> {
        let action = HeadObject::new(&self.bucket, Some(&self.credentials), key);
        let url = action.sign_with_time(SIGNED_FOR, &signed_at(now)?);
        let request = Request::head(url.as_str()).body(Either::Right(Empty::new()));
        let answer = self.send(request, &AtomicU64::new(0)).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(There::Nothing);
        }
        if !answer.status().is_success() {
            return Err(refused(key.to_owned(), answer, self.patience).await);
        }
        let versioned = is_version(&answer);
        let held = |name: &str| answer.headers().get(name).and_then(|it| it.to_str().ok());
        let is = |name: &str, value: String| held(name) == Some(value.as_str());
        if is(DIGEST, said.digest.to_string()) && is("content-length", said.bytes.to_string()) {
            return Ok(There::Ours { versioned });
        }
        let erased = held(ERASED).and_then(|it| it.parse::<u64>().ok());
        let noted = said.copied.is_some_and(|it| is(DIGEST, it.to_string()));
        // The first copies named nothing but their digest, and their manifests not even that.
        let unnoted = said.copied.is_none()
            && said.bucket.as_ref() == Some(&self.address(key))
            && held(DIGEST).is_some()
            && held(CHECKPOINT).is_none();
        let ours = is(CHECKPOINT, checkpoint(said)) && erased.is_some() || noted || unnoted;
        // The copy that the manifest knows of is the older one whatever its count: the local file was
        // that one, until an erasure. Another that lost more than the local file is not.
        let older = noted || ours && erased.unwrap_or_default() < said.erased;
        match held("etag") {
            Some(tag) if older => Ok(There::Older {
                tag: tag.to_owned(),
                versioned,
            }),
            _ => Err(BucketError::Taken(key.to_owned())),
        }
    }

    /// Sends a request, for as long as `sent` grows or an answer comes.
    async fn send(
        &self,
        request: Result<Request<Body>, http::Error>,
        sent: &AtomicU64,
    ) -> Result<Response<Incoming>, BucketError> {
        let request = request.map_err(|e| BucketError::Config(e.to_string()))?;
        let unreachable =
            |cause: &dyn std::fmt::Display| BucketError::Unreachable(cause.to_string());
        let patience = self.patience;
        let asking = async {
            let mut asking = std::pin::pin!(self.client.request(request));
            let mut before = 0;
            loop {
                match tokio::time::timeout(patience, &mut asking).await {
                    Ok(answer) => return answer.map_err(|e| unreachable(&e)),
                    Err(_) if sent.load(Ordering::Relaxed) == before => {
                        return Err(BucketError::Silent(patience));
                    }
                    Err(_) => before = sent.load(Ordering::Relaxed),
                }
            }
        };
        let answer = tokio::time::timeout(self.time_max, asking).await;
        answer.map_err(|_| BucketError::Slow(self.time_max))?
    }
}

/// Whether what an answer is about is one version of several: a bucket with versions, as Object Lock
/// needs them, takes a PUT and keeps what lay there before.
fn is_version(answer: &Response<Incoming>) -> bool {
    let version = answer.headers().get("x-amz-version-id");
    version.is_some_and(|version| version != "null")
}

/// Whether a bucket does not let us change what it has.
fn forbids(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::FORBIDDEN | StatusCode::METHOD_NOT_ALLOWED
    )
}

/// What tells a file's content but for its sealed values.
fn checkpoint(said: &Manifest) -> String {
    Digest::of(said.checkpoint.as_bytes()).to_string()
}

/// The time as the signer takes it, whose own version of the time crate is not ours.
fn signed_at<T: std::str::FromStr<Err: std::fmt::Display>>(
    now: Timestamp,
) -> Result<T, BucketError> {
    let time = now.to_string().parse();
    time.map_err(|e: T::Err| BucketError::Config(e.to_string()))
}

/// What was refused, with the beginning of what was said about it.
async fn refused(key: String, answer: Response<Incoming>, patience: Duration) -> BucketError {
    const SAID_MAX: usize = 2_000;
    let status = answer.status();
    let said = http_body_util::Limited::new(answer.into_body(), SAID_MAX).collect();
    let said = tokio::time::timeout(patience, said).await;
    let said = said.ok().and_then(Result::ok);
    let said = said.map(|said| said.to_bytes()).unwrap_or_default();
    BucketError::Refused {
        status,
        key,
        said: String::from_utf8_lossy(&said).chars().take(300).collect(),
    }
}

/// The file, piece by piece; `sent` counts what was asked for.
fn chunks(file: tokio::fs::File, sent: Arc<AtomicU64>) -> Stream {
    Box::pin(stream::try_unfold(file, move |mut file| {
        let sent = Arc::clone(&sent);
        async move {
            let mut chunk = vec![0; CHUNK];
            let read = file.read(&mut chunk).await?;
            chunk.truncate(read);
            sent.fetch_add(u64::try_from(read).unwrap_or(u64::MAX), Ordering::Relaxed);
            Ok((read > 0).then(|| (Frame::data(Bytes::from(chunk)), file)))
        }
    }))
}
