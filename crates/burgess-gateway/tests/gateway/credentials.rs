//! Who is let in: every way for a credential to be wrong, and what refusals leave behind.

use burgess_core::app::Environment;
use burgess_core::audit::Outcome;
use burgess_core::credential::AccessClaims;
use burgess_core::id::AppId;
use burgess_core::time::Span;
use burgess_gateway::limits::GatewayLimits;
use bytes::Bytes;
use ed25519_dalek::SigningKey;
use http::{Method, StatusCode};

use crate::support::{Reply, STAGING_SECRET, Wish, World, key, sign};

async fn show(world: &World, token: Option<&str>) -> Reply {
    world
        .send(Method::GET, "/c/crm/quotes", token, &[], Bytes::new())
        .await
}

async fn check(world: &World, what: &str, token: Option<&str>, code: &str) {
    let reply = show(world, token).await;
    assert_eq!(
        (reply.status, &*reply.code()),
        (StatusCode::UNAUTHORIZED, code),
        "{what}"
    );
    let challenge = reply.headers["www-authenticate"].to_str().unwrap();
    assert!(challenge.starts_with("Bearer"), "{what}: {challenge}");
    assert_eq!(
        challenge.contains("invalid_token"),
        token.is_some(),
        "{what}"
    );
}

fn unsigned(claims: &AccessClaims, header: &str) -> String {
    use base64::Engine as _;
    let encode = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    format!(
        "{}.{}.",
        encode(header.as_bytes()),
        encode(&serde_json::to_vec(claims).unwrap())
    )
}

// R49 R71
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_that_is_wrong_in_any_way_opens_nothing() {
    let world = World::new().await;
    let good = world.claims(Environment::Production, "crm/quotes:read");
    let with = |change: &dyn Fn(&mut AccessClaims)| {
        let mut claims = good.clone();
        change(&mut claims);
        sign(&key(), "k1", &claims)
    };
    assert_eq!(
        show(&world, Some(&with(&|_| ()))).await.status,
        StatusCode::OK
    );
    let now = world.clock.now().as_seconds();
    check(&world, "none at all", None, "CREDENTIAL_MISSING").await;
    check(&world, "no JWT", Some("abc"), "CREDENTIAL_MALFORMED").await;
    check(
        &world,
        "expired this second",
        Some(&with(&|c| (c.iat, c.exp) = (now - 600, now))),
        "CREDENTIAL_EXPIRED",
    )
    .await;
    check(
        &world,
        "lives an hour",
        Some(&with(&|c| c.exp = now + 3_600)),
        "CREDENTIAL_TOO_LONG",
    )
    .await;
    check(
        &world,
        "from the future",
        Some(&with(&|c| (c.iat, c.exp) = (now + 60, now + 120))),
        "CREDENTIAL_NOT_YET",
    )
    .await;
    check(
        &world,
        "foreign audience",
        Some(&with(&|c| c.aud.push('x'))),
        "CREDENTIAL_AUDIENCE",
    )
    .await;
    check(
        &world,
        "foreign issuer",
        Some(&with(&|c| c.iss.push('x'))),
        "CREDENTIAL_ISSUER",
    )
    .await;
    check(
        &world,
        "another subject",
        Some(&with(&|c| c.sub = "crd_x".to_owned())),
        "CREDENTIAL_SUBJECT",
    )
    .await;
    check(
        &world,
        "unknown key",
        Some(&sign(&key(), "k2", &good)),
        "CREDENTIAL_UNKNOWN_KEY",
    )
    .await;
    let stranger = SigningKey::from_bytes(&[8; 32]);
    check(
        &world,
        "a stranger's key",
        Some(&sign(&stranger, "k1", &good)),
        "CREDENTIAL_SIGNATURE",
    )
    .await;
    let none = unsigned(&good, r#"{"alg":"none","kid":"k1","typ":"at+jwt"}"#);
    check(&world, "alg=none", Some(&none), "CREDENTIAL_ALGORITHM").await;
    let id_token = unsigned(&good, r#"{"alg":"EdDSA","kid":"k1","typ":"JWT"}"#);
    check(&world, "an id token", Some(&id_token), "CREDENTIAL_TYPE").await;
    let whole = with(&|_| ());
    let (head, rest) = whole.split_at(60);
    let flipped = format!("{head}{}", rest.replacen(|c: char| c == 'a', "b", 1));
    assert_eq!(
        show(&world, Some(&flipped)).await.status,
        StatusCode::UNAUTHORIZED,
        "a changed byte"
    );
    assert_eq!(world.production.seen().len(), 1);
}

// R71
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_revoked_opens_nothing_from_that_moment_on() {
    for id in ["crd_production", "jti-1", "microapp-sales-quoting", "apr_1"] {
        let world = World::new().await;
        let token = world.token();
        assert_eq!(show(&world, Some(&token)).await.status, StatusCode::OK);
        world.revocations.revoke(id);
        check(&world, id, Some(&token), "CREDENTIAL_REVOKED").await;
        assert_eq!(world.production.seen().len(), 1, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_expires_while_time_goes_on() {
    let world = World::new().await;
    let token = world.token();
    world.clock.advance(Span::seconds(599));
    world.gateway.swap(world.snapshot());
    assert_eq!(show(&world, Some(&token)).await.status, StatusCode::OK);
    world.clock.advance(Span::seconds(1));
    check(
        &world,
        "ten minutes later",
        Some(&token),
        "CREDENTIAL_EXPIRED",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_of_unknown_callers_are_one_event_per_reason_and_minute() {
    let world = World::new().await;
    for _ in 0..5 {
        show(&world, None).await;
    }
    show(&world, Some("abc")).await;
    assert_eq!(
        world.ledger.size(),
        0,
        "nothing durable before the minute is over"
    );
    world.clock.advance(Span::seconds(60));
    world.gateway.tick().await;
    let entries = world.entries().await;
    let codes: Vec<_> = entries
        .iter()
        .map(|e| e.event.error_code.as_deref().unwrap())
        .collect();
    assert_eq!(codes, ["CREDENTIAL_MALFORMED", "CREDENTIAL_MISSING"]);
    let event = &entries[1].event;
    assert_eq!(event.request_context.as_ref().unwrap()["count"], 5);
    assert_eq!(
        (event.outcome, event.app_id.as_str()),
        (Outcome::Blocked, AppId::ORGANISATION)
    );
    assert_eq!(
        (event.actor_id.as_str(), event.ip_address.as_deref()),
        ("anonymous", Some("127.0.0.0/24"))
    );
    world.gateway.tick().await;
    assert_eq!(world.ledger.size(), 2);
    show(&world, None).await;
    world.gateway.close().await;
    assert_eq!(world.ledger.size(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_unknown_callers_is_limited_and_known_ones_are_served() {
    let limits = GatewayLimits {
        anonymous_per_minute: 3,
        ..GatewayLimits::default()
    };
    let world = World::with(Wish {
        limits,
        ..Wish::default()
    })
    .await;
    for _ in 0..3 {
        assert_eq!(show(&world, None).await.status, StatusCode::UNAUTHORIZED);
    }
    let reply = show(&world, None).await;
    assert_eq!(
        (reply.status, &*reply.code()),
        (StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED")
    );
    assert_eq!(reply.headers["retry-after"], "60");
    assert_eq!(world.get("/c/crm/quotes").await.status, StatusCode::OK);
}

// R48
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_staging_credential_reaches_the_staging_host_and_no_other() {
    let world = World::new().await;
    let claims = world.claims(Environment::Staging, "crm/quotes:read");
    let staging = sign(&key(), "k1", &claims);
    assert_eq!(show(&world, Some(&staging)).await.status, StatusCode::OK);
    assert_eq!(
        (world.staging.seen().len(), world.production.seen().len()),
        (1, 0)
    );
    assert_eq!(
        world.staging.seen()[0].headers["authorization"],
        format!("Bearer {STAGING_SECRET}")
    );
    let mut snapshot = world.snapshot();
    snapshot
        .connectors
        .get_mut("crm")
        .unwrap()
        .base
        .remove(&Environment::Staging);
    world.gateway.swap(snapshot);
    let reply = show(&world, Some(&staging)).await;
    assert_eq!(
        (reply.status, &*reply.code()),
        (StatusCode::FORBIDDEN, "POLICY_HOST_UNDECLARED")
    );
    // A staging client that claims to be production belongs to no deployment there.
    let mut forged = world.claims(Environment::Staging, "crm/quotes:read");
    forged.burgess_env = Environment::Production;
    let reply = show(&world, Some(&sign(&key(), "k1", &forged))).await;
    assert_eq!(
        (reply.status, &*reply.code()),
        (StatusCode::FORBIDDEN, "POLICY_NOT_DEPLOYED")
    );
    assert!(world.production.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_that_ran_out_and_an_old_version_open_nothing() {
    let world = World::new().await;
    let mut snapshot = world.snapshot();
    let app = snapshot.apps.values_mut().next().unwrap();
    let deployment = app.deployments.get_mut(&Environment::Production).unwrap();
    deployment.approval.as_mut().unwrap().expires_at = Some(world.clock.now());
    world.gateway.swap(snapshot);
    assert_eq!(
        world.get("/c/crm/quotes").await.code(),
        "POLICY_NOT_APPROVED"
    );
    let mut snapshot = world.snapshot();
    let app = snapshot.apps.values_mut().next().unwrap();
    app.deployments
        .get_mut(&Environment::Production)
        .unwrap()
        .version = "1.3.0".to_owned();
    world.gateway.swap(snapshot);
    assert_eq!(
        world.get("/c/crm/quotes").await.code(),
        "POLICY_NOT_DEPLOYED"
    );
    let mut snapshot = world.snapshot();
    snapshot.apps.values_mut().next().unwrap().quarantined = true;
    world.gateway.swap(snapshot);
    assert_eq!(
        world.get("/c/crm/quotes").await.code(),
        "POLICY_QUARANTINED"
    );
    world.gateway.swap(burgess_gateway::snapshot::Snapshot {
        apps: [].into(),
        ..world.snapshot()
    });
    assert_eq!(
        world.get("/c/crm/quotes").await.status,
        StatusCode::FORBIDDEN
    );
    assert!(world.production.seen().is_empty());
}
