//! What is admitted: connector, method, scope, limits, addresses, and the freshness of it all.

use burgess_core::app::Environment;
use burgess_core::audit::Outcome;
use burgess_core::policy::PolicySet;
use burgess_core::time::Span;
use bytes::Bytes;
use http::{Method, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{CHARTER, Reply, Wish, World, json, key, sign};

fn refused(reply: &Reply, code: &str) {
    let problem = reply.problem();
    assert_eq!(problem["code"], code, "{problem}");
    let words = problem["detail"].as_str().unwrap().split(' ').count();
    assert!(words > 6, "{problem}");
    assert!(
        problem["event_id"].as_str().unwrap().starts_with("evt_"),
        "{problem}"
    );
}

// R5 R50
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_beyond_the_scopes_of_its_credential_is_refused_and_recorded() {
    let world = World::new().await;
    let claims = world.claims(Environment::Production, "crm/quotes:read");
    let narrow = sign(&key(), "k1", &claims);
    let call =
        |target: &'static str| world.send(Method::GET, target, Some(&narrow), &[], Bytes::new());
    assert_eq!(call("/c/crm/quotes").await.status, StatusCode::OK);
    let reply = call("/c/crm/customers/cust-1").await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
    refused(&reply, "SCOPE_MISSING");
    assert_eq!(reply.problem()["unmet"][0]["control"], "call-beyond-scopes");
    let post = world
        .send(
            Method::POST,
            "/c/crm/quotes",
            Some(&narrow),
            &[],
            "{}".into(),
        )
        .await;
    refused(&post, "SCOPE_MISSING");
    assert_eq!(world.production.seen().len(), 1);
    let event = world.last().await.event;
    assert_eq!(
        (event.outcome, event.error_code.as_deref()),
        (Outcome::Blocked, Some("SCOPE_MISSING"))
    );
    assert_eq!(event.decision.unwrap().policies, ["call-beyond-scopes"]);
    assert_eq!(event.request_context.unwrap()["scopes"], "crm/quotes:read");
    assert_eq!(event.event_id.as_str(), post.problem()["event_id"]);
}

// R5
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connector_or_method_that_the_charter_does_not_declare_is_refused() {
    let world = World::new().await;
    let token = world.token();
    let delete = world
        .send(
            Method::DELETE,
            "/c/crm/quotes/7",
            Some(&token),
            &[],
            Bytes::new(),
        )
        .await;
    refused(&delete, "POLICY_METHOD_UNDECLARED");
    let mut claims = world.claims(Environment::Production, "");
    claims.aud = "payroll".to_owned();
    let token = sign(&key(), "k1", &claims);
    let other = world
        .send(
            Method::GET,
            "/c/payroll/salaries",
            Some(&token),
            &[],
            Bytes::new(),
        )
        .await;
    refused(&other, "POLICY_CONNECTOR_UNDECLARED");
    let mut snapshot = world.snapshot();
    let connector = snapshot.connectors.get_mut("crm").unwrap();
    connector
        .hosts
        .insert(Environment::Production, vec!["api.crm.example".to_owned()]);
    world.gateway.swap(snapshot);
    refused(&world.get("/c/crm/quotes").await, "POLICY_HOST_UNDECLARED");
    assert!(world.production.seen().is_empty());
    assert!(
        world
            .entries()
            .await
            .iter()
            .all(|entry| entry.event.outcome == Outcome::Blocked)
    );
}

// R5
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limits_of_the_charter_are_kept() {
    let charter = CHARTER.replace("requests_per_minute = 1000", "requests_per_minute = 2");
    let world = World::with(Wish {
        charter,
        ..Wish::default()
    })
    .await;
    for _ in 0..2 {
        assert_eq!(world.get("/c/crm/quotes").await.status, StatusCode::OK);
    }
    let reply = world.get("/c/crm/quotes").await;
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS);
    refused(&reply, "POLICY_LIMIT_REQUESTS_PER_MINUTE");
    world.clock.advance(Span::seconds(60));
    world.gateway.swap(world.snapshot());
    assert_eq!(world.get("/c/crm/quotes").await.status, StatusCode::OK);
    assert_eq!(world.production.seen().len(), 3);
    let charter = CHARTER.replace("rows_per_day = 5000", "rows_per_day = 29");
    let handler =
        std::sync::Arc::new(|_: &crate::support::Seen| json(format!("[{}1]", "1,".repeat(29))));
    let world = World::with(Wish {
        charter,
        handler,
        ..Wish::default()
    })
    .await;
    let reply = world.get("/c/crm/quotes").await;
    refused(&reply, "POLICY_LIMIT_ROWS_PER_DAY");
    assert_eq!(world.last().await.event.outcome, Outcome::Blocked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_older_than_ten_seconds_decides_nothing() {
    let world = World::new().await;
    let token = world.token();
    let call = || {
        world.send(
            Method::GET,
            "/c/crm/quotes",
            Some(&token),
            &[],
            Bytes::new(),
        )
    };
    world.clock.advance(Span::seconds(10));
    assert_eq!(call().await.status, StatusCode::OK);
    world.clock.advance(Span::seconds(1));
    let reply = call().await;
    assert_eq!(
        (reply.status, &*reply.code()),
        (StatusCode::SERVICE_UNAVAILABLE, "GATEWAY_STALE")
    );
    world.gateway.swap(world.snapshot());
    assert_eq!(call().await.status, StatusCode::OK);
    assert_eq!(world.production.seen().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_policy_set_everything_is_refused() {
    let world = World::with(Wish {
        policies: PolicySet::none(),
        ..Wish::default()
    })
    .await;
    let reply = world.get("/c/crm/quotes").await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
    refused(&reply, "POLICY_NOT_LOADED");
    assert!(world.production.seen().is_empty());
}

async fn raw(world: &World, request: String) -> String {
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let _ = tokio::time::timeout(std::time::Duration::from_secs(20), read).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proxy_requests_and_paths_with_two_readings_are_refused() {
    let world = World::new().await;
    let token = world.token();
    let tail = format!("Host: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n");
    for (line, status, code) in [
        (
            "CONNECT api.example:443 HTTP/1.1",
            "405",
            "EGRESS_NOT_OFFERED",
        ),
        (
            "GET http://api.example/c/crm/quotes HTTP/1.1",
            "403",
            "EGRESS_NOT_OFFERED",
        ),
        ("GET /c/crm/../../admin HTTP/1.1", "400", "ROUTE_REFUSED"),
        ("GET /c/crm/%2e%2e/admin HTTP/1.1", "400", "ROUTE_REFUSED"),
        ("GET /c/crm/a%2f..%2fadmin HTTP/1.1", "400", "ROUTE_REFUSED"),
        ("TRACE /c/crm/quotes HTTP/1.1", "405", "METHOD_REFUSED"),
    ] {
        let answer = raw(&world, format!("{line}\r\n{tail}")).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains(code),
            "{line}: {answer}"
        );
    }
    assert!(world.production.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_with_two_lengths_smuggles_nothing() {
    let world = World::new().await;
    let token = world.token();
    let hidden = "GET /c/crm/customers/export HTTP/1.1\r\nHost: x\r\n\r\n";
    for lengths in [
        "Content-Length: 6\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 6",
    ] {
        let head = format!(
            "POST /c/crm/quotes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{lengths}\r\n\r\n"
        );
        let answer = raw(&world, format!("{head}0\r\n\r\n{hidden}")).await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    }
    for seen in world.production.seen() {
        assert_eq!(seen.target, "/quotes");
        assert!(
            !(seen.headers.contains_key("transfer-encoding")
                && seen.headers.contains_key("content-length"))
        );
    }
    let twice = format!(
        "POST /c/crm/quotes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"
    );
    assert!(raw(&world, twice).await.starts_with("HTTP/1.1 400"));
    let large = format!(
        "GET /c/crm/quotes HTTP/1.1\r\nHost: x\r\nX-Large: {}\r\n\r\n",
        "a".repeat(40_000)
    );
    assert!(raw(&world, large).await.starts_with("HTTP/1.1 431"));
}
