//! What a call leaves behind: secret, intent, outcome, counts.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use burgess_core::app::Environment;
use burgess_core::audit::{Outcome, Place};
use burgess_core::data::{ActionType, Classification};
use burgess_core::id::AppId;
use burgess_gateway::journal::outcome_id;
use burgess_gateway::snapshot::Inject;
use http::{HeaderName, StatusCode};

use crate::support::{APP, SECRET, Seen, Wish, World, credential, json, key, sign};

// R8 R105 R107 R111 R112 R115 R116 R121 R122
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_allowed_call_reaches_the_connector_and_leaves_an_intent_and_an_outcome() {
    let world = World::new().await;
    let reply = world.get("/c/crm/quotes?limit=5").await;
    assert_eq!(
        (reply.status, reply.text()),
        (
            StatusCode::OK,
            r#"{"quotes":[{"sku":"DESK-01","price":349}]}"#.to_owned()
        )
    );
    let seen = world.production.seen();
    assert_eq!((seen.len(), &*seen[0].target), (1, "/quotes?limit=5"));
    let entries = world.entries().await;
    let [intent, outcome] = entries.as_slice() else {
        panic!("{entries:#?}")
    };
    assert_eq!(
        outcome_id(&intent.event.event_id).as_ref(),
        Some(&outcome.event.event_id)
    );
    assert_eq!(intent.event.decision.as_ref().unwrap().answer, "admit");
    let event = &outcome.event;
    assert_eq!(
        (event.actor_id.as_str(), event.actor_role.as_str()),
        ("crd_production", "app")
    );
    assert_eq!(
        (event.app_id.as_str(), event.version.as_str()),
        (APP, "1.2.0")
    );
    assert_eq!(
        (event.environment, event.action_type),
        (Place::Production, ActionType::Read)
    );
    assert_eq!(
        (event.outcome, event.data_classification),
        (Outcome::Success, Classification::Pii)
    );
    assert_eq!(
        (event.resource_type.as_str(), event.resource_id.as_str()),
        ("customer_record", "crm/quotes")
    );
    assert_eq!(
        (event.risk_score_at_time, event.ip_address.as_deref()),
        (78, Some("127.0.0.1"))
    );
    assert_eq!(event.approval_id.as_ref().unwrap().as_str(), "apr_1");
    assert!(event.charter_digest.is_some() && event.policy_digest.is_some());
    assert_eq!((intent.sequence, outcome.sequence), (1, 2));
    assert_eq!(reply.headers["burgess-event"], event.event_id.as_str());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_connector_gets_its_secret_and_the_app_never_sees_it() {
    let world = World::new().await;
    assert_eq!(world.get("/c/crm/quotes").await.status, StatusCode::OK);
    let seen = world.production.seen();
    assert_eq!(seen[0].headers["authorization"], format!("Bearer {SECRET}"));
    assert!(
        !world.production.everything().contains(&world.token()),
        "the app's credential was forwarded"
    );
    let echo = world.get("/c/crm/echo").await;
    assert_eq!(
        (echo.status, &*echo.code()),
        (StatusCode::FORBIDDEN, "DLP_BLOCK_SECRET")
    );
    assert!(!echo.text().contains(SECRET) && !format!("{:?}", echo.headers).contains(SECRET));
    assert!(!world.whole_trail().await.contains(SECRET));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_of_the_apps_own_never_takes_the_place_of_the_secret() {
    let name = HeaderName::from_static("x-api-key");
    let world = World::with(Wish {
        inject: Inject::Header(name),
        ..Wish::default()
    })
    .await;
    let headers = [
        ("x-api-key", "mine"),
        ("x-http-method-override", "DELETE"),
        ("cookie", "a=b"),
    ];
    let token = world.token();
    let reply = world
        .send(
            http::Method::GET,
            "/c/crm/quotes",
            Some(&token),
            &headers,
            bytes::Bytes::new(),
        )
        .await;
    assert_eq!(reply.status, StatusCode::OK);
    let seen = &world.production.seen()[0].headers;
    assert_eq!(
        seen.get_all("x-api-key").iter().collect::<Vec<_>>(),
        [SECRET]
    );
    for absent in ["authorization", "cookie", "x-http-method-override"] {
        assert!(!seen.contains_key(absent), "{absent}");
    }
}

// R8
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_the_connector_counts_what_the_ledger_counts() {
    let world = Arc::new(World::new().await);
    let calls: Vec<_> = (0..200)
        .map(|n| {
            let world = world.clone();
            tokio::spawn(async move {
                match n % 4 {
                    0 => world.get("/c/crm/customers/export").await.status,
                    1 => world.get("/c/crm/missing").await.status,
                    _ => world.get("/c/crm/quotes").await.status,
                }
            })
        })
        .collect();
    let mut statuses = Vec::new();
    for call in calls {
        statuses.push(call.await.unwrap());
    }
    let count = |wanted: StatusCode| statuses.iter().filter(|status| **status == wanted).count();
    assert_eq!(
        (
            count(StatusCode::OK),
            count(StatusCode::FORBIDDEN),
            count(StatusCode::NOT_FOUND)
        ),
        (100, 50, 50)
    );
    let entries = world.entries().await;
    let outcomes = entries
        .iter()
        .filter(|e| outcome_id(&e.event.event_id).is_none());
    let reached = outcomes
        .filter(|e| {
            e.event
                .request_context
                .as_ref()
                .unwrap()
                .contains_key("upstream_status")
        })
        .count();
    assert_eq!((world.production.seen().len(), reached), (200, 200));
    assert_eq!(entries.len(), 400);
    let app = AppId::parse(APP).unwrap();
    assert_eq!(
        (
            world.gateway.usage().admitted(&app),
            world.gateway.usage().reached(&app)
        ),
        (200, 200)
    );
    let mut sequences: Vec<u64> = entries.iter().map(|entry| entry.sequence).collect();
    sequences.sort_unstable();
    assert!(
        sequences.iter().copied().eq(1..=400),
        "the app's stream has a gap"
    );
    for entry in &entries {
        if let Some(id) = outcome_id(&entry.event.event_id) {
            assert_eq!(
                entries
                    .iter()
                    .filter(|other| other.event.event_id == id)
                    .count(),
                1,
                "{id}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_writable_ledger_no_call_is_made_and_reading_goes_on() {
    let world = World::new().await;
    assert_eq!(world.get("/c/crm/quotes").await.status, StatusCode::OK);
    world.ledger.close();
    let reply = world.get("/c/crm/quotes").await;
    assert_eq!(
        (reply.status, &*reply.code()),
        (StatusCode::SERVICE_UNAVAILABLE, "LEDGER_UNAVAILABLE")
    );
    assert_eq!(world.production.seen().len(), 1);
    assert_eq!(world.secrets.fetched.load(Ordering::SeqCst), 1);
    assert_eq!(world.entries().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_whose_outcome_cannot_be_recorded_is_withheld() {
    let slot: Arc<std::sync::OnceLock<burgess_ledger::Ledger>> = Arc::default();
    let ledger = slot.clone();
    let handler = Arc::new(move |_: &Seen| {
        ledger.get().unwrap().close();
        json(r#"{"price":349}"#)
    });
    let world = World::with(Wish {
        handler,
        ..Wish::default()
    })
    .await;
    slot.set(world.ledger.clone()).ok().unwrap();
    let reply = world.get("/c/crm/quotes").await;
    assert_eq!(
        (reply.status, &*reply.code()),
        (StatusCode::SERVICE_UNAVAILABLE, "LEDGER_UNAVAILABLE")
    );
    assert!(!reply.text().contains("349"));
    let entries = world.entries().await;
    let intent = &entries[0].event;
    let ended = burgess_gateway::journal::interrupted(intent, world.clock.now()).unwrap();
    assert_eq!(
        (entries.len(), ended.outcome, ended.error_code.as_deref()),
        (1, Outcome::Failure, Some("CALL_INTERRUPTED"))
    );
    assert_eq!(outcome_id(&intent.event_id), Some(ended.event_id));
}

// R116 R117
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connector_that_fails_is_an_outcome_failure_with_its_code() {
    let world = World::new().await;
    assert_eq!(
        world.get("/c/crm/broken").await.status,
        StatusCode::INTERNAL_SERVER_ERROR
    );
    let event = world.last().await.event;
    assert_eq!(
        (event.outcome, event.error_code.as_deref()),
        (Outcome::Failure, Some("UPSTREAM_5XX"))
    );
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let mut snapshot = world.snapshot();
    let connector = snapshot.connectors.get_mut("crm").unwrap();
    let base = burgess_gateway::snapshot::BaseUrl::parse(&format!("http://{gone}")).unwrap();
    connector.base.insert(Environment::Production, base);
    connector
        .hosts
        .insert(Environment::Production, vec![gone.to_string()]);
    world.gateway.swap(snapshot);
    let reply = world.get("/c/crm/quotes").await;
    assert_eq!(
        (reply.status, &*reply.code()),
        (StatusCode::BAD_GATEWAY, "UPSTREAM_UNREACHABLE")
    );
    let event = world.last().await.event;
    assert_eq!(
        (event.outcome, event.error_code.as_deref()),
        (Outcome::Failure, Some("UPSTREAM_UNREACHABLE"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_secret_stops_the_call_before_the_connector() {
    // The sandbox has everything but a secret.
    let world = World::new().await;
    let mut snapshot = world.snapshot();
    let app = snapshot.apps.values_mut().next().unwrap();
    let mut sandbox = app.deployments[&Environment::Production].clone();
    sandbox.credentials = [credential(Environment::Sandbox)].into();
    app.deployments.insert(Environment::Sandbox, sandbox);
    let connector = snapshot.connectors.get_mut("crm").unwrap();
    connector.hosts.insert(
        Environment::Sandbox,
        connector.hosts[&Environment::Production].clone(),
    );
    connector.base.insert(
        Environment::Sandbox,
        connector.base[&Environment::Production].clone(),
    );
    world.gateway.swap(snapshot);
    let claims = world.claims(Environment::Sandbox, "crm/quotes:read");
    let token = sign(&key(), "k1", &claims);
    let reply = world
        .send(
            http::Method::GET,
            "/c/crm/quotes",
            Some(&token),
            &[],
            bytes::Bytes::new(),
        )
        .await;
    assert_eq!(
        (reply.status, &*reply.code()),
        (StatusCode::SERVICE_UNAVAILABLE, "SECRET_UNAVAILABLE")
    );
    assert!(world.production.seen().is_empty());
    assert_eq!(world.last().await.event.outcome, Outcome::Failure);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_hangs_up_leaves_no_intent_without_its_outcome() {
    use tokio::io::AsyncWriteExt as _;
    let handler = Arc::new(|_: &Seen| {
        std::thread::sleep(Duration::from_millis(300));
        json(r#"{"price":349}"#)
    });
    let world = World::with(Wish {
        handler,
        ..Wish::default()
    })
    .await;
    let mut stream = tokio::net::TcpStream::connect(world.address).await.unwrap();
    let request = format!(
        "GET /c/crm/quotes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n",
        world.token()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut size = world.ledger.watch();
    size.wait_for(|size| *size == 1).await.unwrap();
    drop(stream);
    let outcome = async { size.wait_for(|size| *size == 2).await.map(|size| *size) };
    assert_eq!(
        tokio::time::timeout(Duration::from_secs(20), outcome)
            .await
            .unwrap()
            .unwrap(),
        2
    );
    assert_eq!(world.last().await.event.outcome, Outcome::Success);
}

// R71
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_during_a_slow_upload_stops_the_call() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let world = World::new().await;
    let mut stream = tokio::net::TcpStream::connect(world.address).await.unwrap();
    let head = format!(
        "POST /c/crm/quotes HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\nAuthorization: Bearer {}\r\n\r\nab",
        world.token()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    world
        .ledger
        .watch()
        .wait_for(|size| *size == 1)
        .await
        .unwrap();
    world.revocations.revoke("crd_production");
    stream.write_all(b"cd").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 403") && answer.contains("CREDENTIAL_REVOKED"),
        "{answer}"
    );
    assert!(world.production.seen().is_empty());
    assert_eq!(world.last().await.event.outcome, Outcome::Blocked);
}
