//! A gateway with everything around it: connector, credentials, clock, ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use burgess_core::app::Environment;
use burgess_core::charter::Charter;
use burgess_core::connector::Kind;
use burgess_core::credential::{AccessClaims, signing_input};
use burgess_core::data::Classification;
use burgess_core::digest::Digest;
use burgess_core::id::{AppId, ApprovalId, CredentialId};
use burgess_core::policy::{PolicySet, default_set};
use burgess_core::time::{Span, Timestamp};
use burgess_gateway::journal::{Entry, Journal};
use burgess_gateway::limits::GatewayLimits;
use burgess_gateway::ports::{
    Ambient, AmbientError, Answer, PortError, Revocable, Revocations, Secret, SecretWanted,
    Secrets, Vault,
};
use burgess_gateway::sealing::{Alias, SubjectCipher};
use burgess_gateway::snapshot::{
    AppSnapshot, Approval, BaseUrl, ConnectorSnapshot, Deployment, Inject, Snapshot,
};
use burgess_gateway::{Gateway, Parts, serve};
use burgess_inspect::dlp::Scanner;
use burgess_ledger::{Ledger, NoteSigner, Options};
use bytes::Bytes;
use ed25519_dalek::{Signer as _, SigningKey};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub const APP: &str = "microapp-sales-quoting";
pub const SECRET: &str = "crm-secret-0123456789";
pub const STAGING_SECRET: &str = "crm-staging-secret-42";
pub const ISSUER: &str = "http://127.0.0.1:8080";

pub const CHARTER: &str = r#"
schema = "burgess.charter/1"
id = "microapp-sales-quoting"
version = "1.2.0"

[app]
name = "Sales quoting"
purpose = "Turn a basket into a priced quote"
unit = "sales-emea"
developer = "dana@example.com"
owner = "olu@example.com"
second_owner = "mei@example.com"
users = 45
environments = ["sandbox", "staging", "production"]
production_systems = true

[[data]]
name = "customer_record"
classification = "pii"
actions = ["read"]
purpose = "address the quote"

[[data]]
name = "quote"
classification = "internal"
actions = ["read", "create"]
purpose = "write the quote"

[[connector]]
id = "crm"
methods = ["GET", "POST"]
scopes = ["quotes:read", "quotes:write", "customers:read"]
flows = [
  { data = "customer_record", direction = "in" },
  { data = "quote", direction = "in" },
  { data = "quote", direction = "out" },
]

[limits]
requests_per_minute = 1000
rows_per_day = 5000
bytes_per_day = "50MB"
memory = "256MB"
"#;

/// One request as the connector saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    pub target: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// What the connector answers, by path.
pub type Handler = Arc<dyn Fn(&Seen) -> Response<Full<Bytes>> + Send + Sync>;

/// A connector on loopback with its own record.
#[derive(Clone)]
pub struct Upstream {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Upstream {
    pub async fn start(handler: Handler) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let record = seen.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (record, handler) = (record.clone(), handler.clone());
                let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                    let (record, handler) = (record.clone(), handler.clone());
                    async move {
                        let (parts, body) = request.into_parts();
                        let body = body.collect().await?.to_bytes();
                        let seen = Seen {
                            method: parts.method,
                            target: parts.uri.to_string(),
                            headers: parts.headers,
                            body,
                        };
                        record.lock().unwrap().push(seen.clone());
                        Ok::<_, hyper::Error>(handler(&seen))
                    }
                });
                tokio::spawn(async move {
                    let io = TokioIo::new(stream);
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(io, service)
                        .await;
                });
            }
        });
        Self { address, seen }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Everything that reached it, as one text.
    pub fn everything(&self) -> String {
        format!("{:?}", self.seen())
    }
}

pub fn json(text: impl Into<String>) -> Response<Full<Bytes>> {
    with_type("application/json", text.into().into_bytes())
}

pub fn with_type(media_type: &str, body: Vec<u8>) -> Response<Full<Bytes>> {
    Response::builder()
        .header("content-type", media_type)
        .body(Full::new(body.into()))
        .unwrap()
}

/// A made-up customer with an e-mail address and a social security number.
pub fn customer(n: u32) -> String {
    format!(
        r#"{{"id":"cust-{n}","email":"ada.brandt{n}@corp.example.org","ssn":"123-45-{:04}"}}"#,
        6_000 + n
    )
}

pub fn customers(count: u32) -> String {
    let all: Vec<String> = (1..=count).map(customer).collect();
    format!(r#"{{"customers":[{}]}}"#, all.join(","))
}

/// The usual answers.
pub fn crm() -> Handler {
    Arc::new(|seen: &Seen| {
        let path = seen.target.split('?').next().unwrap_or_default();
        match path {
            "/quotes" => json(r#"{"quotes":[{"sku":"DESK-01","price":349}]}"#),
            "/customers/export" => json(customers(40)),
            "/customers" => json(customers(30)),
            "/customers/cust-1" => json(customer(1)),
            "/echo" => json(format!("{:?}", seen.headers)),
            "/broken" => Response::builder()
                .status(500)
                .body(Full::new("no".into()))
                .unwrap(),
            _ => Response::builder()
                .status(404)
                .body(Full::new("no such thing".into()))
                .unwrap(),
        }
    })
}

/// Keys that follow from the subject's name, until it is erased.
#[derive(Default)]
pub struct TestVault {
    /// `None` stands for an erased key.
    keys: Mutex<BTreeMap<Alias, Option<[u8; 32]>>>,
}

impl TestVault {
    pub fn forget(&self, subject: &str) {
        let before = self.keys.lock().unwrap().insert(self.alias(subject), None);
        assert!(before.flatten().is_some(), "no key for {subject}");
    }

    fn cipher(&self, subject: &str) -> Result<Arc<SubjectCipher>, PortError> {
        let alias = self.alias(subject);
        let fresh = *Digest::of_parts(&[b"key", subject.as_bytes()]).as_bytes();
        let key = *self
            .keys
            .lock()
            .unwrap()
            .entry(alias)
            .or_insert(Some(fresh));
        let key = key.ok_or(PortError::Erased)?;
        Ok(Arc::new(SubjectCipher::new(alias, &key).unwrap()))
    }
}

impl Vault for TestVault {
    fn alias(&self, subject: &str) -> Alias {
        Alias::of(&Digest::of_parts(&[b"alias key", subject.as_bytes()]))
    }

    fn to_seal<'a>(
        &'a self,
        subjects: &'a [&'a str],
    ) -> Answer<'a, Result<Vec<Arc<SubjectCipher>>, PortError>> {
        let ciphers = subjects.iter().map(|subject| self.cipher(subject));
        let ciphers = ciphers.collect();
        Box::pin(async move { ciphers })
    }

    fn to_open<'a>(
        &'a self,
        alias: Alias,
    ) -> Answer<'a, Result<Option<Arc<SubjectCipher>>, PortError>> {
        let key = self.keys.lock().unwrap().get(&alias).copied().flatten();
        let cipher = key.map(|key| Arc::new(SubjectCipher::new(alias, &key).unwrap()));
        Box::pin(async move { Ok(cipher) })
    }
}

/// Secrets per connector and environment, and how often they were fetched.
#[derive(Default)]
pub struct TestSecrets {
    pub held: BTreeMap<(String, Environment), String>,
    pub fetched: AtomicU64,
}

impl Secrets for TestSecrets {
    fn fetch<'a>(&'a self, wanted: SecretWanted<'a>) -> Answer<'a, Result<Secret, PortError>> {
        self.fetched.fetch_add(1, Ordering::SeqCst);
        let key = (wanted.connector.to_owned(), wanted.environment);
        let held = self
            .held
            .get(&key)
            .map(|secret| Secret::new(secret.clone().into_bytes()));
        Box::pin(async move { held.ok_or_else(|| PortError::Missing("secret".to_owned())) })
    }
}

#[derive(Default)]
pub struct TestRevocations(pub Mutex<BTreeSet<String>>);

impl TestRevocations {
    pub fn revoke(&self, id: &str) {
        self.0.lock().unwrap().insert(id.to_owned());
    }
}

impl Revocations for TestRevocations {
    fn is_revoked(&self, what: Revocable<'_>) -> bool {
        let id = match what {
            Revocable::Credential(id) => id.as_str(),
            Revocable::AccessToken(jti) => jti,
            Revocable::App(id) => id.as_str(),
            Revocable::Approval(id) => id.as_str(),
        };
        self.0.lock().unwrap().contains(id)
    }
}

/// Clocks that stand still until they are moved.
pub struct Clock {
    wall: AtomicI64,
    monotonic: AtomicU64,
    count: AtomicU64,
}

impl Clock {
    fn new() -> Arc<Self> {
        let start = Timestamp::parse("2026-01-18T14:22:30Z").unwrap();
        Arc::new(Self {
            wall: AtomicI64::new(start.as_micros()),
            monotonic: AtomicU64::new(1_000_000),
            count: AtomicU64::new(0),
        })
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.wall.load(Ordering::SeqCst))
    }

    pub fn monotonic(&self) -> Duration {
        Duration::from_micros(self.monotonic.load(Ordering::SeqCst))
    }

    pub fn advance(&self, span: Span) {
        let micros = span.as_seconds() * 1_000_000;
        self.wall.fetch_add(micros, Ordering::SeqCst);
        self.monotonic
            .fetch_add(u64::try_from(micros).unwrap(), Ordering::SeqCst);
    }

    fn ambient(self: &Arc<Self>) -> Ambient {
        let (wall, monotonic, random, uuid) =
            (self.clone(), self.clone(), self.clone(), self.clone());
        Ambient {
            now: Arc::new(move || Ok::<_, AmbientError>(wall.now())),
            monotonic: Arc::new(move || monotonic.monotonic()),
            random: Arc::new(move || {
                let n = random.count.fetch_add(1, Ordering::SeqCst);
                Ok(*Digest::of(&n.to_be_bytes()).as_bytes())
            }),
            uuid: Arc::new(move || {
                Ok(0x0190_u128 << 112 | u128::from(uuid.count.fetch_add(1, Ordering::SeqCst)))
            }),
        }
    }
}

/// The published policies, read once: validating them takes half a second without optimisation.
fn published() -> &'static PolicySet {
    static SET: OnceLock<PolicySet> = OnceLock::new();
    SET.get_or_init(|| default_set().unwrap())
}

/// What a test wants different from the usual.
pub struct Wish {
    pub handler: Handler,
    pub charter: String,
    pub policies: PolicySet,
    pub limits: GatewayLimits,
    pub inject: Inject,
    pub kind: Kind,
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            handler: crm(),
            charter: CHARTER.to_owned(),
            policies: published().clone(),
            limits: GatewayLimits::default(),
            inject: Inject::Bearer,
            kind: Kind::Internal,
        }
    }
}

/// Everything together.
pub struct World {
    pub gateway: Arc<Gateway>,
    pub address: SocketAddr,
    pub production: Upstream,
    pub staging: Upstream,
    pub ledger: Ledger,
    pub journal: Journal,
    pub vault: Arc<TestVault>,
    pub secrets: Arc<TestSecrets>,
    pub revocations: Arc<TestRevocations>,
    pub clock: Arc<Clock>,
    _folder: tempfile::TempDir,
    policies: PolicySet,
    charter: Arc<Charter>,
    inject: Inject,
    kind: Kind,
    _end: oneshot::Sender<()>,
}

/// What a caller got.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn problem(&self) -> Value {
        assert_eq!(
            self.headers["content-type"],
            "application/problem+json",
            "{}",
            self.text()
        );
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn code(&self) -> String {
        self.problem()["code"].as_str().unwrap().to_owned()
    }
}

pub fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

pub fn credential(environment: Environment) -> CredentialId {
    CredentialId::parse(&format!("crd_{environment}")).unwrap()
}

impl World {
    pub async fn new() -> Self {
        Self::with(Wish::default()).await
    }

    pub async fn with(wish: Wish) -> Self {
        let production = Upstream::start(wish.handler.clone()).await;
        let staging = Upstream::start(wish.handler.clone()).await;
        let folder = tempfile::tempdir().unwrap();
        let signer = NoteSigner::from_seed("test.example/log", [3; 32]).unwrap();
        let ledger = Ledger::open(
            folder.path(),
            "test.example/log",
            signer,
            Options {
                segment_bytes: 1 << 20,
                ..Options::default()
            },
        )
        .unwrap();
        let vault = Arc::new(TestVault::default());
        let journal = Journal::new(ledger.clone(), vault.clone());
        let held = BTreeMap::from([
            (
                ("crm".to_owned(), Environment::Production),
                SECRET.to_owned(),
            ),
            (
                ("crm".to_owned(), Environment::Staging),
                STAGING_SECRET.to_owned(),
            ),
        ]);
        let secrets = Arc::new(TestSecrets {
            held,
            fetched: AtomicU64::new(0),
        });
        let revocations = Arc::new(TestRevocations::default());
        let clock = Clock::new();
        let charter = Arc::new(Charter::parse(&wish.charter).unwrap());
        let mut world = WorldParts {
            production: production.address,
            staging: staging.address,
            policies: wish.policies.clone(),
            charter: charter.clone(),
            inject: wish.inject.clone(),
            kind: wish.kind,
        };
        let gateway = Gateway::new(Parts {
            journal: journal.clone(),
            snapshot: world.snapshot(clock.monotonic()),
            secrets: secrets.clone(),
            revocations: revocations.clone(),
            ambient: clock.ambient(),
            scanner: Scanner::default(),
            limits: wish.limits,
            source: "gateway".to_owned(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (end, ended) = oneshot::channel::<()>();
        let served = gateway.clone();
        tokio::spawn(async move {
            serve(listener, served, async { drop(ended.await) })
                .await
                .unwrap();
        });
        Self {
            gateway,
            address,
            production,
            staging,
            ledger,
            journal,
            vault,
            secrets,
            revocations,
            clock,
            _folder: folder,
            policies: std::mem::replace(&mut world.policies, PolicySet::none()),
            charter,
            inject: wish.inject,
            kind: wish.kind,
            _end: end,
        }
    }

    /// A snapshot as of now, to be changed and put in force.
    pub fn snapshot(&self) -> Snapshot {
        WorldParts {
            production: self.production.address,
            staging: self.staging.address,
            policies: self.policies.clone(),
            charter: self.charter.clone(),
            inject: self.inject.clone(),
            kind: self.kind,
        }
        .snapshot(self.clock.monotonic())
    }

    pub fn claims(&self, environment: Environment, scope: &str) -> AccessClaims {
        let client = credential(environment);
        let now = self.clock.now();
        AccessClaims {
            iss: ISSUER.to_owned(),
            sub: client.as_str().to_owned(),
            aud: "crm".to_owned(),
            client_id: client,
            scope: scope.to_owned(),
            iat: now.as_seconds(),
            exp: now.plus(Span::minutes(10)).as_seconds(),
            jti: "jti-1".to_owned(),
            burgess_app: AppId::parse(APP).unwrap(),
            burgess_env: environment,
            burgess_approval: ApprovalId::parse("apr_1").unwrap(),
            burgess_version: "1.2.0".to_owned(),
        }
    }

    /// A production credential with every declared scope.
    pub fn token(&self) -> String {
        let scope = "crm/quotes:read crm/quotes:write crm/customers:read";
        sign(&key(), "k1", &self.claims(Environment::Production, scope))
    }

    pub async fn get(&self, target: &str) -> Reply {
        self.send(Method::GET, target, Some(&self.token()), &[], Bytes::new())
            .await
    }

    pub async fn post(&self, target: &str, media_type: &str, body: impl Into<Bytes>) -> Reply {
        self.send(
            Method::POST,
            target,
            Some(&self.token()),
            &[("content-type", media_type)],
            body.into(),
        )
        .await
    }

    pub async fn send(
        &self,
        method: Method,
        target: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Reply {
        let client: Client<HttpConnector, Full<Bytes>> =
            Client::builder(TokioExecutor::new()).build_http();
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{target}", self.address));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = client
            .request(request.body(Full::new(body)).unwrap())
            .await
            .unwrap();
        let (parts, body) = response.into_parts();
        Reply {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    /// Everything on record, in order.
    pub async fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for index in 0..self.ledger.size() {
            entries.push(self.journal.open(index).await.unwrap());
        }
        entries
    }

    /// The last entry on record.
    pub async fn last(&self) -> Entry {
        self.journal.open(self.ledger.size() - 1).await.unwrap()
    }

    /// All bytes of the ledger's folder, opened values included.
    pub async fn whole_trail(&self) -> String {
        let mut text = String::new();
        for entry in self.entries().await {
            text.push_str(&String::from_utf8_lossy(
                &self.ledger.entry(entry.index).unwrap(),
            ));
            text.push_str(&format!("{:?}", entry.event));
        }
        text
    }
}

struct WorldParts {
    production: SocketAddr,
    staging: SocketAddr,
    policies: PolicySet,
    charter: Arc<Charter>,
    inject: Inject,
    kind: Kind,
}

impl WorldParts {
    fn snapshot(&self, built_at: Duration) -> Snapshot {
        let deployment = |environment: Environment| Deployment {
            version: "1.2.0".to_owned(),
            charter: self.charter.clone(),
            charter_digest: self.charter.digest(),
            artifact_digest: None,
            approval: Some(Approval {
                id: ApprovalId::parse("apr_1").unwrap(),
                expires_at: None,
            }),
            credentials: BTreeSet::from([credential(environment)]),
        };
        let environments = [Environment::Staging, Environment::Production];
        let app = AppSnapshot {
            classification: Classification::Pii,
            score: 78,
            quarantined: false,
            deployments: environments
                .into_iter()
                .map(|e| (e, deployment(e)))
                .collect(),
        };
        let address = |environment| match environment {
            Environment::Staging => self.staging,
            _ => self.production,
        };
        let base = |e| {
            (
                e,
                BaseUrl::parse(&format!("http://{}", address(e))).unwrap(),
            )
        };
        let connector = ConnectorSnapshot {
            revision: 1,
            title: "Customer system".to_owned(),
            kind: self.kind,
            hosts: environments
                .into_iter()
                .map(|e| (e, vec![address(e).to_string()]))
                .collect(),
            base: environments.into_iter().map(base).collect(),
            inject: self.inject.clone(),
            cleared: [
                Classification::Public,
                Classification::Internal,
                Classification::Sensitive,
                Classification::Pii,
            ]
            .into(),
            scopes: ["quotes:read", "quotes:write", "customers:read"]
                .map(str::to_owned)
                .into(),
        };
        Snapshot {
            built_at,
            issuer: ISSUER.to_owned(),
            keys: BTreeMap::from([("k1".to_owned(), key().verifying_key())]),
            policies: Arc::new(self.policies.clone()),
            apps: BTreeMap::from([(AppId::parse(APP).unwrap(), app)]),
            connectors: BTreeMap::from([("crm".to_owned(), connector)]),
        }
    }
}

pub fn sign(key: &SigningKey, kid: &str, claims: &AccessClaims) -> String {
    use base64::Engine as _;
    let input = signing_input(kid, claims).unwrap();
    let signature = key.sign(input.as_bytes()).to_bytes();
    format!(
        "{input}.{}",
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(signature)
    )
}
