//! Every route without a session and with each of the six roles, against one golden table.
//!
//! `BURGESS_UPDATE_GOLDEN=1` writes the table anew. Each call that changes something gets
//! an app, a request or a review of its own, so that every role meets the same state.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use axum::http::Method;
use base64::Engine as _;
use burgess_core::audit::ActionType;
use burgess_core::id::{AppId, ReviewId};
use burgess_core::intake::Request;
use burgess_core::policy::action::OpenReview;
use burgess_core::policy::facts::{NoContext, Principal};
use burgess_core::review::Review;
use burgess_store::{Change, Versioned, Write, review_state};
use burgess_trail::Query;
use serde_json::json;

use super::world::{DANA, MEI, PAT, PRIYA, README, ROLES, World, email, medium, workflow};
use crate::http::openapi::OPERATIONS;
use crate::jobs;
use crate::operations::promote::facts;
use crate::operations::retire::By;
use crate::operations::{event, permit, promote, retire, trail};

/// A method and a path with its parameters in braces.
type Route = (String, String);

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// What the source text says: every `.route("path", get(…).post(…))` below `folder`.
fn routes_in(folder: &Path) -> BTreeSet<Route> {
    let mut routes = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            routes.extend(routes_in(&path));
        } else if path.extension().is_some_and(|it| it == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            for call in text.split(".route(").skip(1) {
                routes.extend(of_call(call));
            }
        }
    }
    routes
}

/// The routes of one call, from what follows `.route(`.
fn of_call(call: &str) -> Vec<Route> {
    let literal = call
        .trim_start()
        .strip_prefix('"')
        .expect("a route's path is a literal");
    let (path, rest) = literal.split_once('"').unwrap();
    let mut depth = 1;
    let end = rest.find(|c| {
        depth += match c {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        depth == 0
    });
    let handlers = &rest[..end.unwrap()];
    let methods = ["get", "post", "put", "patch", "delete"];
    let found: Vec<Route> = methods
        .into_iter()
        .filter(|method| {
            handlers
                .split(|c: char| !c.is_alphanumeric() && c != '(' && c != '_')
                .any(|word| word.starts_with(&format!("{method}(")))
        })
        .map(|method| (method.to_owned(), path.replace("{*", "{")))
        .collect();
    assert!(!found.is_empty(), "{path}");
    found
}

// R69
#[test]
fn the_openapi_document_lists_exactly_the_routes_of_the_api() {
    let documented: BTreeSet<Route> = OPERATIONS
        .iter()
        .map(|it| (it.method.to_owned(), it.path.to_owned()))
        .collect();
    assert_eq!(documented.len(), OPERATIONS.len(), "no operation twice");
    let mut served = routes_in(&source().join("http"));
    // Files that belong to pages: the style sheet and the script, and a template to download.
    served.retain(|(_, path)| !path.starts_with("/assets/") && !path.starts_with("/forms/"));
    assert_eq!(documented, served);
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/routes.tsv")
}

// R69
#[test]
fn what_the_document_calls_open_answers_anybody_and_all_else_asks_who_it_is() {
    let table = std::fs::read_to_string(golden()).unwrap();
    let anonymous: BTreeMap<Route, &str> = table
        .lines()
        .map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            ((cells[0].to_owned(), cells[1].to_owned()), cells[2])
        })
        .collect();
    for it in OPERATIONS {
        let status = anonymous[&(it.method.to_owned(), it.path.to_owned())];
        let asked = status == "401";
        assert_eq!(
            asked,
            !it.auth.is_empty(),
            "{} {}: {status}",
            it.method,
            it.path
        );
    }
}

/// What the paths' parameters stand for, for one caller and one call.
struct Fixture {
    app: AppId,
    request: Request,
    event: String,
    review: Option<ReviewId>,
    tile: String,
}

impl Fixture {
    fn target(&self, path: &str) -> String {
        let id = match path {
            _ if path.contains("/requests/") => self.request.id.to_string(),
            _ if path.contains("/reviews/") => self
                .review
                .as_ref()
                .map_or_else(|| "none".to_owned(), ToString::to_string),
            _ if path.contains("/trail/") || path.contains("/events/") => self.event.clone(),
            _ => self.app.to_string(),
        };
        path.replace("{id}", &id)
            .replace("{environment}", "sandbox")
            .replace("{shard}", "main")
            .replace("{hold}", "hold_unknown")
            .replace("{secret}", "unknown")
            .replace("{name}", "burgess.css")
            .replace("{path}", &self.tile)
    }
}

/// What a call needs to be there before it.
async fn prepare(
    world: &World,
    method: &str,
    path: &str,
    base: &Fixture,
    number: usize,
) -> Fixture {
    let mut fixture = Fixture {
        app: base.app.clone(),
        request: base.request.clone(),
        event: base.event.clone(),
        review: None,
        tile: base.tile.clone(),
    };
    if method == "get" {
        return fixture;
    }
    let name = format!("App {number}");
    if path.contains("/requests/{id}") {
        fixture.request = pending(world, &name).await;
    } else if path.contains("{id}") {
        fixture.app = world.in_sandbox(&name).await;
    }
    if path.ends_with("/{id}/release") {
        promote::quarantine(
            &world.server,
            &world.person(PRIYA).await,
            &fixture.app,
            "we look into it",
        )
        .await
        .unwrap();
    } else if path.ends_with("/keep") {
        retire::schedule(
            &world.server,
            By::Person(&world.person(DANA).await),
            &fixture.app,
            "nobody needs it",
        )
        .await
        .unwrap();
    } else if path.contains("/reviews/") {
        fixture.review = Some(open_review(world, &fixture.app).await);
    }
    fixture
}

/// A request that waits for a reviewer.
async fn pending(world: &World, name: &str) -> Request {
    let mut charter = world.charter(name).await;
    medium(&mut charter);
    world.submit(charter).await.unwrap()
}

/// The review that the clock would open later.
async fn open_review(world: &World, app: &AppId) -> ReviewId {
    let server = &world.server;
    let now = server.now().unwrap();
    let dossier = promote::dossier(server, app).await.unwrap();
    let permit = permit::<OpenReview>(
        server,
        &Principal::Job("clockwork"),
        &facts(&dossier, now),
        &NoContext,
        now,
    )
    .unwrap();
    let review = Review::open(
        ReviewId::from_uuid(server.ambient.uuid().unwrap()),
        app.clone(),
        dossier.app.band,
        now,
        now,
    );
    let event = event::about(&server.ambient, Some(&dossier.app), now)
        .unwrap()
        .by_job("clockwork")
        .permitted(&permit)
        .did(ActionType::Create, "review", review.id.as_str())
        .moved(None, review_state(&review))
        .done();
    let id = review.id.clone();
    server
        .commit(
            vec![Write {
                changes: vec![Change::Review(Versioned::new(review))],
                event,
            }],
            &permit,
            now,
        )
        .await
        .unwrap();
    id
}

async fn base(world: &World) -> Fixture {
    let app = world.in_sandbox("Lunch poll").await;
    let request = pending(world, "Desk booking").await;
    jobs::project::project(&world.server).await.unwrap();
    world.server.ledger().publish().await.unwrap();
    let query = Query {
        app: Some(app.to_string()),
        limit: 1,
        ..Query::default()
    };
    let hits = world.server.trail.search(&query).await.unwrap().hits;
    let rows = trail::read_back(&world.server, hits, true).await.unwrap();
    let event = rows[0].event.event_id.to_string();
    Fixture {
        app,
        request,
        event,
        review: None,
        tile: tile(world, "0"),
    }
}

/// Some tile of that level that is there.
fn tile(world: &World, level: &str) -> String {
    let root = world.server.config.ledger_folder().join("tile");
    let mut folder = root.join(level);
    while folder.is_dir() {
        let mut entries: Vec<PathBuf> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|it| it.unwrap().path())
            .collect();
        entries.sort();
        folder = entries.pop().expect("a published ledger has tiles");
    }
    folder.strip_prefix(&root).unwrap().display().to_string()
}

const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data; boundary=XX";

fn multipart(field: &str, file: Option<&str>, text: &[u8]) -> Vec<u8> {
    let file = file
        .map(|name| format!("; filename=\"{name}\""))
        .unwrap_or_default();
    let mut body =
        format!("--XX\r\ncontent-disposition: form-data; name=\"{field}\"{file}\r\n\r\n")
            .into_bytes();
    body.extend_from_slice(text);
    body.extend_from_slice(b"\r\n--XX--\r\n");
    body
}

/// A charter of an app that nobody has asked for yet, to be built by whoever hands it in.
fn fresh_charter(fixture: &Fixture) -> String {
    let mut charter = fixture.request.charter.clone();
    charter.id = AppId::parse("made-up").unwrap();
    charter.app.developer = None;
    charter.app.owner = Some(email(MEI));
    charter.app.second_owner = Some(email(PAT));
    charter.to_toml()
}

/// A body that the call accepts, as far as the caller may make it.
fn body(path: &str, fixture: &Fixture) -> (&'static str, Vec<u8>) {
    let upload = workflow("Another step").bytes;
    let base64 = base64::engine::general_purpose::STANDARD.encode(&upload);
    if path.starts_with("/api/") {
        let value = match path.rsplit('/').next().unwrap() {
            "artifact" | "inspect" => json!({ "file_name": "workflow.json", "base64": base64 }),
            "readme" => json!({ "text": README }),
            "tests" => json!({ "case": "TC-1", "passed": true }),
            "promote" | "rollback" | "credentials" => json!({ "environment": "sandbox" }),
            "quarantine" => json!({ "reason": "we look into it" }),
            "retire" => json!({ "lessons": "A shared list did it too." }),
            "complete" => json!({ "outcome": "continue", "note": "Looked at it." }),
            "decisions" => {
                json!({ "capacity": "reviewer", "verdict": "approve", "comment": "Fine." })
            }
            "score" | "requests" => json!({ "charter": fresh_charter(fixture) }),
            "holds" => json!({ "kind": "shard", "of": "main", "reason": "case 1" }),
            "release" if path.contains("{hold}") => json!({ "reason": "closed" }),
            "preview" => json!({ "subject": "nobody@example.net" }),
            "erasures" => json!({ "subject": "nobody@example.net", "reason": "case 1" }),
            "session" => json!({ "link": "unknown" }),
            "datasets" => {
                json!({ "name": "made_up", "classification": "internal", "description": "made up", "owner": "mei@example.com" })
            }
            _ => json!({}),
        };
        return ("application/json", value.to_string().into_bytes());
    }
    let form = match path.rsplit('/').next().unwrap() {
        "artifact" | "inspect" => {
            return (
                MULTIPART,
                multipart("artifact", Some("workflow.json"), &upload),
            );
        }
        "readme" => {
            return (
                MULTIPART,
                multipart("readme", Some("README.md"), README.as_bytes()),
            );
        }
        "request" | "score-page" => return (MULTIPART, multipart("name", None, b"Made up")),
        "tests" => "case=TC-1&passed=yes".to_owned(),
        "promote" | "rollback" | "credential" => "environment=sandbox".to_owned(),
        "quarantine" => "reason=we+look+into+it".to_owned(),
        "holds" => "kind=shard&of=main&reason=case+1".to_owned(),
        "release" if path.contains("{hold}") => "reason=closed".to_owned(),
        "preview" | "erase" => "subject=nobody%40example.net&reason=case+1".to_owned(),
        "retire" => "lessons=A+shared+list+did+it+too.".to_owned(),
        "complete" => "outcome=continue&note=Looked+at+it.".to_owned(),
        "decide" => format!(
            "seat=reviewer&verdict=approve&comment=Fine.&revision={}",
            fixture.request.revision
        ),
        "token" => {
            "grant_type=client_credentials&resource=burgess&client_id=unknown&client_secret=unknown"
                .to_owned()
        }
        "datasets" => {
            "name=made_up&classification=internal&description=made+up&owner=mei%40example.com"
                .to_owned()
        }
        _ => String::new(),
    };
    (FORM, form.into_bytes())
}

/// All routes in the order of the sweep: what only reads first, what ends the session or moves the clock last.
fn sweep_order() -> Vec<Route> {
    let mut all: Vec<Route> = routes_in(&source().join("http"))
        .union(&routes_in(&source().join("web")))
        .cloned()
        .collect();
    all.sort_by_key(|(method, path)| {
        (
            path == "/sign-out",
            path == "/demo/jump",
            method != "get",
            path.clone(),
        )
    });
    all
}

/// The status of every route for one caller, in a world of their own.
async fn sweep(caller: Option<&'static str>) -> BTreeMap<Route, u16> {
    let world = World::open(true, |_| {}).await;
    let base = base(&world).await;
    let session = match caller {
        Some(address) => Some(world.session(address).await),
        None => None,
    };
    let mut seen = BTreeMap::new();
    seen.insert(
        (
            "get".to_owned(),
            "/ledger/{shard}/tile/entries/…".to_owned(),
        ),
        {
            let target = format!("/ledger/main/tile/{}", tile(&world, "entries"));
            world
                .send(session.as_deref(), Method::GET, &target, None, false)
                .await
                .status()
                .as_u16()
        },
    );
    for (number, (method, path)) in sweep_order().into_iter().enumerate() {
        let fixture = match caller {
            Some(_) => prepare(&world, &method, &path, &base, number).await,
            None => prepare(&world, "get", &path, &base, number).await,
        };
        let (verb, body) = match method.as_str() {
            "get" => (Method::GET, None),
            "post" => (Method::POST, Some(body(&path, &fixture))),
            other => panic!("the sweep knows no {other}: teach it a body"),
        };
        let response = world
            .send(
                session.as_deref(),
                verb,
                &fixture.target(&path),
                body,
                false,
            )
            .await;
        seen.insert((method, path), response.status().as_u16());
    }
    seen
}

// R69 R19
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_answers_each_role_as_the_golden_table_says() {
    let callers: Vec<Option<&'static str>> = std::iter::once(None)
        .chain(ROLES.into_iter().map(|(_, address)| Some(address)))
        .collect();
    let tasks: Vec<_> = callers
        .into_iter()
        .map(|caller| tokio::spawn(sweep(caller)))
        .collect();
    let mut columns = Vec::new();
    for task in tasks {
        columns.push(task.await.unwrap());
    }
    let mut table = format!(
        "method\troute\tanonymous\t{}\n",
        ROLES.map(|(role, _)| role).join("\t")
    );
    let mut routes: Vec<&Route> = columns[0].keys().collect();
    routes.sort_by_key(|(method, path)| (path.clone(), method.clone()));
    for route in routes {
        let cells: Vec<String> = columns
            .iter()
            .map(|column| column[route].to_string())
            .collect();
        assert!(
            cells
                .iter()
                .all(|status| !status.starts_with("50") || route.1 == "/readyz"),
            "{route:?}: {cells:?}"
        );
        table.push_str(&format!("{}\t{}\t{}\n", route.0, route.1, cells.join("\t")));
    }
    let golden = golden();
    if std::env::var_os("BURGESS_UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, &table).unwrap();
    }
    let kept = std::fs::read_to_string(&golden).unwrap_or_default();
    let changed: Vec<&str> = table
        .lines()
        .filter(|line| !kept.lines().any(|it| it == *line))
        .collect();
    assert!(
        table == kept,
        "these lines differ from {}, or lines are missing: {changed:#?}",
        golden.display()
    );
}
