//! A small organisation on a throwaway folder, and short ways to act in it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request as HttpRequest, Response, StatusCode, header};
use burgess_core::app::Environment;
use burgess_core::approval::{Capacity, Verdict, turns};
use burgess_core::audit::ActionType;
use burgess_core::charter::{Charter, ConnectorUse, DataUse, Direction, Flow, Retention};
use burgess_core::data::Classification;
use burgess_core::id::{AppId, Email};
use burgess_core::intake::{Dataset, Request};
use burgess_core::policy::facts::Person;
use burgess_core::roles::Role;
use burgess_core::time::Span;
use http_body_util::BodyExt as _;
use serde_json::json;
use tempfile::TempDir;
use tower::ServiceExt as _;

use crate::config::Config;
use crate::http::problem::Problem;
use crate::identity::session;
use crate::kms::envelope::Key;
use crate::operations::approve::{self, Deciding};
use crate::operations::clockwork::{self, Pass};
use crate::operations::connect::{self, Issued};
use crate::operations::evidence::Upload;
use crate::operations::intake::{self, Handed};
use crate::operations::people::{self, Invited};
use crate::operations::telemetry::{self, Sender};
use crate::operations::{Caller, attach, datasets, promote};
use crate::serve;
use crate::server::Server;

pub(super) const DANA: &str = "dana@example.com";
pub(super) const OLU: &str = "olu@example.com";
pub(super) const MEI: &str = "mei@example.com";
pub(super) const PRIYA: &str = "priya@example.com";
pub(super) const PAT: &str = "pat@example.com";
pub(super) const SAM: &str = "sam@example.com";
pub(super) const ANA: &str = "ana@example.com";
pub(super) const ALEX: &str = "alex@example.com";

/// Everybody: address, name, role, manager, unit.
const PEOPLE: [(&str, &str, Role, Option<&str>, &str); 8] = [
    (MEI, "Mei Tan", Role::Sponsor, None, "sales"),
    (OLU, "Olu Adeyemi", Role::Sponsor, Some(MEI), "sales"),
    (
        DANA,
        "Dana Diaz",
        Role::CitizenDeveloper,
        Some(OLU),
        "sales",
    ),
    (
        PRIYA,
        "Priya Shah",
        Role::PlatformSecurity,
        None,
        "security",
    ),
    (PAT, "Pat Lund", Role::PlatformSecurity, None, "security"),
    (SAM, "Sam Ortiz", Role::Operations, None, "operations"),
    (ANA, "Ana Ruiz", Role::Auditor, None, "audit"),
    (ALEX, "Alex Kim", Role::Administrator, None, "it"),
];

/// One person of each role, in the order of the golden tables.
pub(super) const ROLES: [(&str, &str); 6] = [
    ("citizen_developer", DANA),
    ("sponsor", OLU),
    ("platform_security", PRIYA),
    ("operations", SAM),
    ("auditor", ANA),
    ("administrator", ALEX),
];

const DATASETS: [(&str, Classification); 4] = [
    ("product", Classification::Public),
    ("desk_plan", Classification::Internal),
    ("price_list", Classification::Sensitive),
    ("customer_record", Classification::Pii),
];

pub(super) const README: &str = "# App\n\n## Purpose and owner\n\nShows what there is. Olu Adeyemi answers for it.\n\n## Data flows\n\n- product is read and shown to whoever asked.\n\n## Data sources and classifications\n\n- product, as registered.\n\n## External connectors used\n\nNone.\n\n## Dependencies\n\nThe platform's own nodes. No other packages.\n\n## Test cases\n\n- TC-1: the usual case gives the usual result\n- TC-2: an empty input gives a clear message\n\n## Retention and backup policy\n\nKept for three years under the label `sales-3y`.\n\n## Failure modes\n\n- It does not answer: the work is done by hand.\n\n## Contact list\n\n- #sales-tools\n";

/// The running parts, and the folder they live in.
pub(super) struct World {
    pub(super) server: Arc<Server>,
    pub(super) router: Router,
    folder: TempDir,
}

/// An e-mail address.
pub(super) fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

fn config(folder: &TempDir, demo: bool) -> Config {
    Config {
        data: folder.path().join("data"),
        listen: "127.0.0.1:8080".parse().unwrap(),
        gateway: "127.0.0.1:8081".parse().unwrap(),
        organisation: "acme".to_owned(),
        kek_file: (!demo).then(|| folder.path().join("kek")),
        connectors: Vec::new(),
        ledger_bytes_max: None,
        ledger_classes: Vec::new(),
        erasure_by_two: false,
        witness_policy: None,
        archive: crate::outlets::Archive::default(),
        syslog: Vec::new(),
        timestamp_url: None,
        demo,
        recovery: false,
    }
}

impl World {
    /// A server with people and datasets, as `burgess up` runs it.
    pub(super) async fn new() -> Self {
        Self::open(false, |_| {}).await
    }

    /// The same with a configuration of one's own.
    pub(super) async fn open(demo: bool, change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(&folder, demo);
        change(&mut config);
        let server = serve::open(config, Key::new([7; 32]), Span::days(0))
            .await
            .unwrap();
        let router = crate::http::router(Arc::clone(&server));
        let world = Self {
            server,
            router,
            folder,
        };
        world.people().await;
        world.datasets().await;
        world
    }

    /// Closes the server and opens it again on the same folder.
    pub(super) async fn again(self) -> Self {
        self.again_after(|_| {}).await
    }

    /// The same, with something done to the folder meanwhile.
    pub(super) async fn again_after(self, meanwhile: impl FnOnce(&mut Config)) -> Self {
        let Self {
            server,
            router,
            folder,
        } = self;
        drop(router);
        server.gateway.close().await;
        server.shards.close();
        server.trail.close().await;
        server.store.close().await;
        let (mut config, now) = (server.config.clone(), server.ambient.now());
        drop(server);
        // Threads close the last connections, and would take what is put in their place for theirs.
        let database = config.data.join("burgess.db");
        for _ in 0..1_000 {
            if !is_open(&database) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        meanwhile(&mut config);
        let server = serve::open(config, Key::new([7; 32]), Span::days(0))
            .await
            .unwrap();
        let ahead = now.since(server.ambient.now());
        if ahead > Span::days(0) {
            server.ambient.jump(ahead);
        }
        let router = crate::http::router(Arc::clone(&server));
        Self {
            server,
            router,
            folder,
        }
    }

    async fn people(&self) {
        for (address, name, role, manager, unit) in PEOPLE {
            let manager = manager.map(email);
            let invited = Invited {
                email: email(address),
                name: name.to_owned(),
                role,
                manager,
                unit: unit.to_owned(),
            };
            people::invite(&self.server, invited).await.unwrap();
        }
    }

    async fn datasets(&self) {
        let priya = self.person(PRIYA).await;
        for (name, classification) in DATASETS {
            let dataset = Dataset {
                name: name.to_owned(),
                classification,
                owner: email(MEI),
                description: name.to_owned(),
            };
            datasets::register(&self.server, &priya, dataset)
                .await
                .unwrap();
        }
    }

    /// Somebody, as if they were signed in.
    pub(super) async fn person(&self, address: &str) -> Caller {
        let it = self
            .server
            .store
            .person(&email(address))
            .await
            .unwrap()
            .unwrap()
            .record;
        Caller {
            name: it.name,
            role: it.roles.iter().next_back().copied().unwrap(),
            person: Person {
                email: it.email,
                roles: it.roles,
                active: it.active,
            },
            ip_address: Some("127.0.0.1".to_owned()),
            user_agent: Some("test".to_owned()),
        }
    }

    /// A fresh session of somebody.
    pub(super) async fn session(&self, address: &str) -> String {
        let (_, name, role, _, unit) = PEOPLE.into_iter().find(|(a, ..)| *a == address).unwrap();
        let invited = Invited {
            email: email(address),
            name: name.to_owned(),
            role,
            manager: None,
            unit: unit.to_owned(),
        };
        let link = people::invite(&self.server, invited).await.unwrap();
        session::redeem(&self.server, &link).await.unwrap()
    }

    /// Lets time pass, then does what the clock does.
    pub(super) async fn after(&self, span: Span) -> Pass {
        self.server.ambient.jump(span);
        clockwork::pass(&self.server).await.unwrap()
    }

    /// A charter that the rules approve alone.
    pub(super) async fn charter(&self, name: &str) -> Charter {
        let id = intake::new_id(&self.server, name).await.unwrap();
        let mut charter = Charter::blank(id, name);
        charter.version = "1.0.0".to_owned();
        charter.app.purpose = "Show what there is".to_owned();
        charter.app.unit = "sales".to_owned();
        charter.app.developer = Some(email(DANA));
        charter.app.owner = Some(email(OLU));
        charter.app.second_owner = Some(email(MEI));
        charter.app.users = Some(8);
        charter.app.environments = vec![Environment::Sandbox, Environment::Staging];
        charter.data = vec![data("product", Classification::Public)];
        charter.support.remediation_sla = Some(Span::days(5));
        charter.support.contacts = vec!["#sales-tools".to_owned()];
        charter.support.failure_modes = "The work is done by hand until it is mended.".to_owned();
        charter.retention = Some(Retention {
            label: "sales-3y".to_owned(),
            days: 1_095,
        });
        charter
    }

    /// Hands a charter in as Dana, with an export and a README.
    pub(super) async fn submit(&self, charter: Charter) -> Result<Request, Problem> {
        let handed = Handed {
            charter,
            artifact: Some(workflow("Prepare")),
            readme: Some(README.to_owned()),
        };
        intake::submit(&self.server, &self.person(DANA).await, handed).await
    }

    /// Somebody decides.
    pub(super) async fn decide(
        &self,
        request: &Request,
        who: &str,
        capacity: Capacity,
        verdict: Verdict,
    ) -> Result<Request, Problem> {
        let deciding = Deciding {
            capacity,
            verdict,
            comment: "Looked at it.".to_owned(),
            conditions: Vec::new(),
            revision: None,
        };
        approve::decide(&self.server, &self.person(who).await, &request.id, deciding).await
    }

    /// Everybody whose turn it is says yes.
    pub(super) async fn agree(&self, mut request: Request) -> Request {
        for turn in turns(&request) {
            let who = match turn {
                Capacity::Reviewer => PRIYA,
                Capacity::SecondReviewer => PAT,
                Capacity::Sponsor => OLU,
            };
            request = self
                .decide(&request, who, turn, Verdict::Approve)
                .await
                .unwrap();
        }
        request
    }

    /// An approved app.
    pub(super) async fn approved(&self, charter: Charter) -> AppId {
        let request = self.submit(charter).await.unwrap();
        self.agree(request).await.app
    }

    /// An approved app that is live in the sandbox.
    pub(super) async fn in_sandbox(&self, name: &str) -> AppId {
        let app = self.approved(self.charter(name).await).await;
        promote::promote(
            &self.server,
            &self.person(DANA).await,
            &app,
            Environment::Sandbox,
        )
        .await
        .unwrap();
        app
    }

    /// The same app, live in staging: its artifact was heard of and its test cases passed.
    pub(super) async fn on_to_staging(&self, app: &AppId) {
        let dana = self.person(DANA).await;
        let issued = connect::issue(&self.server, &dana, app, Environment::Sandbox)
            .await
            .unwrap();
        self.tell(app, &issued).await;
        for case in ["TC-1", "TC-2"] {
            attach::test_result(&self.server, &dana, app, case, true, "")
                .await
                .unwrap();
        }
        promote::promote(&self.server, &dana, app, Environment::Staging)
            .await
            .unwrap();
    }

    /// The app sends a heartbeat and an event of its own.
    pub(super) async fn tell(&self, app: &AppId, issued: &Issued) {
        let sender = self.sender(issued).await;
        telemetry::heartbeat(&self.server, &sender).await.unwrap();
        let number = self.server.ambient.uuid().unwrap();
        let own = json!({
            "event_id": format!("evt_{number:032x}"), "timestamp": self.server.ambient.now().to_string(), "actor_id": "tester",
            "actor_role": "citizen_developer", "app_id": app, "version": "1.0.0", "environment": "sandbox", "action_type": "execute",
            "resource_type": "self_test", "resource_id": "first-run", "data_classification": "none", "outcome": "success",
            "ip_address": "127.0.0.1", "user_agent": "n8n/1.70", "risk_score_at_time": 0
        });
        telemetry::submit(&self.server, &sender, own.to_string().as_bytes())
            .await
            .unwrap();
    }

    async fn sender(&self, issued: &Issued) -> Sender {
        let access = self.exchange(issued).await.unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(
            header::AUTHORIZATION,
            format!("Bearer {}", access.token).parse().unwrap(),
        );
        let claims = telemetry::sender(&self.server, &headers).unwrap();
        Sender {
            claims,
            ip_address: Some("127.0.0.1".to_owned()),
            user_agent: None,
        }
    }

    /// Tries a client credential.
    pub(super) async fn exchange(&self, issued: &Issued) -> Result<connect::Access, Problem> {
        connect::exchange(
            &self.server,
            issued.credential.id.as_str(),
            &issued.secret,
            connect::OWN_AUDIENCE,
            "",
        )
        .await
    }

    /// Sends one request to the console and answers without reading the body.
    pub(super) async fn send(
        &self,
        session: Option<&str>,
        method: Method,
        target: &str,
        body: Option<(&str, Vec<u8>)>,
        html: bool,
    ) -> Response<Body> {
        let mut request = HttpRequest::builder()
            .method(method)
            .uri(target)
            .header(header::HOST, "127.0.0.1:8080");
        if let Some(session) = session {
            request = request.header(header::COOKIE, format!("{}={session}", session::COOKIE));
        }
        if html {
            request = request.header(header::ACCEPT, "text/html");
        }
        let bytes = match body {
            Some((kind, bytes)) => {
                request = request.header(header::CONTENT_TYPE, kind);
                bytes
            }
            None => Vec::new(),
        };
        self.router
            .clone()
            .oneshot(request.body(Body::from(bytes)).unwrap())
            .await
            .unwrap()
    }

    /// Fetches a page or document.
    pub(super) async fn get(
        &self,
        session: Option<&str>,
        target: &str,
    ) -> (StatusCode, HeaderMap, String) {
        let response = self.send(session, Method::GET, target, None, true).await;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, headers, String::from_utf8_lossy(&body).into_owned())
    }
}

/// One dataset that is read.
pub(super) fn data(name: &str, classification: Classification) -> DataUse {
    DataUse {
        name: name.to_owned(),
        classification,
        actions: vec![ActionType::Read],
        purpose: "To show it".to_owned(),
    }
}

/// A catalogued connector through which `data` comes in.
pub(super) fn connector(id: &str, scope: &str, data: &str) -> ConnectorUse {
    ConnectorUse {
        id: id.to_owned(),
        methods: vec!["GET".to_owned()],
        scopes: vec![scope.to_owned()],
        flows: vec![Flow {
            data: data.to_owned(),
            direction: Direction::In,
        }],
        hosts: std::collections::BTreeMap::new(),
    }
}

/// Medium risk: internal data and more than 100 users.
pub(super) fn medium(charter: &mut Charter) {
    charter.data = vec![data("desk_plan", Classification::Internal)];
    charter.app.users = Some(120);
}

/// High risk: personal data and 10 to 100 users.
pub(super) fn high(charter: &mut Charter) {
    charter.data = vec![data("customer_record", Classification::Pii)];
    charter.app.users = Some(45);
}

/// A workflow export whose second step is called `step`.
pub(super) fn workflow(step: &str) -> Upload {
    let text = json!({
        "name": "App",
        "nodes": [
            { "id": "n1", "name": "Start", "type": "n8n-nodes-base.manualTrigger", "typeVersion": 1, "position": [0, 0], "parameters": {} },
            { "id": "n2", "name": step, "type": "n8n-nodes-base.set", "typeVersion": 3, "position": [200, 0], "parameters": { "values": {} } }
        ],
        "connections": { "Start": { "main": [[{ "node": step, "type": "main", "index": 0 }]] } }
    });
    Upload {
        file_name: "workflow.json".to_owned(),
        bytes: text.to_string().into_bytes(),
    }
}

/// Owner and platform team of every app here.
pub(super) fn owner_and_platform_team() -> BTreeSet<String> {
    [OLU, PRIYA, PAT].into_iter().map(str::to_owned).collect()
}

/// Whether this process has a file open.
fn is_open(path: &Path) -> bool {
    let files = std::fs::read_dir("/proc/self/fd").unwrap();
    let mut targets = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    targets.any(|target| target == path)
}
