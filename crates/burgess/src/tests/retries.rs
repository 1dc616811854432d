//! `Idempotency-Key`: what a retry gets, also of a request that was cut off.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use axum::routing::post;
use axum::{Router, middleware};
use burgess_core::app::Environment;
use burgess_core::time::Span;
use burgess_store::Attempt;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

use super::keeping::{CANARY, acts, anywhere, subject};
use super::world::{ANA, DANA, World, email};
use crate::http::idempotency;
use crate::http::problem::Problem;
use crate::identity::session;
use crate::operations::{connect, erase, hold, people};

const PATH: &str = "/api/v1/holds";
const BODY: &str = r#"{"kind":"shard","of":"main","reason":"case 7"}"#;

fn asks(path: &str, bearer: Option<&str>, key: &str, body: &str) -> Request<Body> {
    let request = Request::post(path)
        .header(header::HOST, "127.0.0.1:8080")
        .header(header::CONTENT_TYPE, "application/json")
        .header("idempotency-key", key);
    let request = match bearer {
        Some(secret) => request.header(header::AUTHORIZATION, format!("Bearer {secret}")),
        None => request,
    };
    request.body(Body::from(body.to_owned())).unwrap()
}

fn place(world: &World, session: &str, key: &str) -> impl Future<Output = Response<Body>> + use<> {
    let (router, request) = (world.router.clone(), asks(PATH, Some(session), key, BODY));
    async move { router.oneshot(request).await.unwrap() }
}

async fn post_to(world: &World, request: Request<Body>) -> (StatusCode, Value) {
    told(world.router.clone().oneshot(request).await.unwrap()).await
}

/// How many keys are taken; afterwards none is.
async fn taken(world: &World) -> u64 {
    let end = world.server.ambient.now().plus(Span::days(2));
    world.server.store.prune_idempotent(end).await.unwrap()
}

/// A resource whose requests count, and end as the path says once there is a permit.
fn counting(world: &World) -> (Router, Arc<AtomicUsize>, Arc<Semaphore>) {
    let (times, may_end) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let count = {
        let times = times.clone();
        move || times.fetch_add(1, Ordering::Relaxed)
    };
    let (fails, waits, panics, early) = (count.clone(), count.clone(), count.clone(), count);
    let permits = may_end.clone();
    let of_ours = |code| Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, "it failed");
    let router = Router::new()
        .route(
            "/late",
            post(move || async move {
                fails();
                of_ours("LEDGER_UNAVAILABLE")
            }),
        )
        .route(
            "/early",
            post(move || async move {
                early();
                of_ours("CLOCK_BEHIND")
            }),
        )
        .route(
            "/panic",
            post(move || async move {
                panics();
                let nothing: Option<StatusCode> = None;
                nothing.expect("a fault of the handler")
            }),
        )
        .route(
            "/waits",
            post(move || async move {
                waits();
                permits.acquire().await.unwrap().forget();
                StatusCode::NO_CONTENT
            }),
        )
        .layer(middleware::from_fn_with_state(
            world.server.clone(),
            idempotency::layer,
        ));
    (router, times, may_end)
}

async fn told(response: Response<Body>) -> (StatusCode, Value) {
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (
        status,
        serde_json::from_slice(&bytes).unwrap_or(Value::Null),
    )
}

/// Takes a key as the first request with it does, or says what became of it.
async fn begin(world: &World, key: &str) -> Attempt {
    let blinder = &world.server.blinder;
    let who = blinder.digest("principal", &[format!("person {ANA}").as_bytes()]);
    let key = blinder.digest("idempotency key", &[key.as_bytes()]);
    let request = format!("POST {PATH}\n{BODY}");
    let request = blinder.digest("request", &[request.as_bytes()]);
    let (store, now) = (&world.server.store, world.server.ambient.now());
    let (who, key) = (who.to_string(), key.to_string());
    let begun = store.begin_idempotent(&who, &key, request, now);
    begun.await.unwrap()
}

async fn holds(world: &World) -> usize {
    let ana = world.person(ANA).await;
    hold::list(&world.server, &ana).await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_died_with_the_process_is_not_carried_out_again_and_says_so() {
    let world = World::new().await;
    let session = world.session(ANA).await;
    assert_eq!(begin(&world, "k1").await, Attempt::First);
    let world = world.again().await;
    for _ in 0..2 {
        let response = place(&world, &session, "k1").await;
        assert_eq!(
            response.headers()[header::CONTENT_TYPE],
            "application/problem+json"
        );
        let (status, problem) = told(response).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::CONFLICT, &"REQUEST_INTERRUPTED".into())
        );
    }
    assert_eq!(holds(&world).await, 0);
    let (status, _) = told(place(&world, &session, "k2").await).await;
    assert_eq!((status, holds(&world).await), (StatusCode::CREATED, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_whose_caller_hangs_up_is_carried_out_and_its_retry_gets_the_answer() {
    let world = World::new().await;
    let session = world.session(ANA).await;
    let waits = world.server.holding.lock().await;
    // Whoever is first hangs up, since it waits; the next is told that it is still running.
    let mut early = None;
    while early.is_none() {
        let one = place(&world, &session, "k1");
        early = tokio::time::timeout(Duration::from_millis(200), one)
            .await
            .ok();
    }
    let early = told(early.unwrap()).await;
    assert_eq!(
        (early.0, &early.1["code"]),
        (StatusCode::CONFLICT, &"CONFLICT".into())
    );
    drop(waits);
    let (mut status, mut answer) = told(place(&world, &session, "k1").await).await;
    for _ in 0..200 {
        if status == StatusCode::CREATED {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        (status, answer) = told(place(&world, &session, "k1").await).await;
    }
    assert_eq!(
        (status, holds(&world).await),
        (StatusCode::CREATED, 1),
        "{answer}"
    );
    let ana = world.person(ANA).await;
    let placed = hold::list(&world.server, &ana).await.unwrap().remove(0);
    assert_eq!(answer["id"], placed.id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_remembered_for_a_day_and_no_longer() {
    let world = World::new().await;
    let session = world.session(ANA).await;
    let (status, _) = told(place(&world, &session, "k1").await).await;
    assert_eq!(status, StatusCode::CREATED);
    world.after(Span::hours(23)).await;
    assert!(matches!(begin(&world, "k1").await, Attempt::Done(_)));
    world.after(Span::hours(2)).await;
    assert_eq!(begin(&world, "k1").await, Attempt::First);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_gives_one_session_whoever_asks_again_under_the_same_key() {
    let world = World::new().await;
    let invited = people::Invited {
        email: email(ANA),
        name: "Ana Ruiz".to_owned(),
        role: burgess_core::roles::Role::Auditor,
        manager: None,
        unit: "audit".to_owned(),
    };
    let link = people::invite(&world.server, invited).await.unwrap();
    let body = json!({ "link": link }).to_string();
    let ask = || post_to(&world, asks("/api/v1/session", None, "k1", &body));
    let (status, answer) = ask().await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let (status, problem) = ask().await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::GONE, &"SIGN_IN_LINK".into())
    );
    assert_eq!(taken(&world).await, 0, "nobody unknown buys a row");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_with_a_secret_is_kept_nowhere_and_its_retry_is_told_so() {
    let world = World::new().await;
    let app = world.in_sandbox("Lunch poll").await;
    let session = world.session(DANA).await;
    let path = format!("/api/v1/apps/{app}/credentials");
    let body = json!({ "environment": "sandbox" }).to_string();
    let ask = || post_to(&world, asks(&path, Some(&session), "k1", &body));
    let (status, answer) = ask().await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    let secret = answer["client_secret"].as_str().unwrap();
    let data = &world.server.config.data;
    assert!(anywhere(data, secret.as_bytes()).is_empty());
    let (status, problem) = ask().await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::CONFLICT, &"ANSWER_NOT_KEPT".into())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_answer_is_for_whoever_got_it_under_any_good_session_or_token_and_no_other() {
    let world = World::new().await;
    let (first, second) = (world.session(ANA).await, world.session(ANA).await);
    let (status, answer) = told(place(&world, &first, "k1").await).await;
    assert_eq!(status, StatusCode::CREATED);
    world
        .server
        .store
        .end_session(session::digest(&first))
        .await
        .unwrap();
    let (status, _) = told(place(&world, &first, "k1").await).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "that session has ended");
    let again = told(place(&world, &second, "k1").await).await;
    assert_eq!(again, (StatusCode::CREATED, answer));
    let dana = world.session(DANA).await;
    let (status, _) = told(place(&world, &dana, "k1").await).await;
    assert_eq!(
        status,
        StatusCode::FORBIDDEN,
        "another's key is another key"
    );

    let app = world.in_sandbox("Lunch poll").await;
    let dana = world.person(DANA).await;
    let issued = connect::issue(&world.server, &dana, &app, Environment::Sandbox)
        .await
        .unwrap();
    let size = world.server.ledger().size();
    for replayed in [false, true] {
        let token = world.exchange(&issued).await.unwrap().token;
        let request = asks("/api/v1/heartbeat", Some(&token), "k1", "");
        let response = world.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        let headers = response.headers();
        assert_eq!(headers.contains_key("idempotent-replayed"), replayed);
    }
    assert_eq!(
        world.server.ledger().size(),
        size + 3,
        "two tokens, one heartbeat"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_failed_on_our_side_runs_again_only_if_it_failed_before_any_change() {
    let world = World::new().await;
    let session = world.session(ANA).await;
    let (router, times, _) = counting(&world);
    for (path, code, runs) in [
        ("/late", "REQUEST_INTERRUPTED", 1),
        ("/panic", "REQUEST_INTERRUPTED", 1),
        ("/early", "CLOCK_BEHIND", 3),
    ] {
        times.store(0, Ordering::Relaxed);
        for nth in 0..3 {
            let request = asks(path, Some(&session), path, "");
            let (_, problem) = told(router.clone().oneshot(request).await.unwrap()).await;
            if nth > 0 {
                assert_eq!(problem["code"], code, "{path}");
            }
        }
        assert_eq!(times.load(Ordering::Relaxed), runs, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_are_under_way_are_bounded_also_when_nobody_waits_for_them() {
    let world = World::new().await;
    let session = world.session(ANA).await;
    let (router, times, may_end) = counting(&world);
    let ask = |n: usize| {
        let request = asks("/waits", Some(&session), &format!("k{n}"), "");
        router.clone().oneshot(request)
    };
    let mut under_way = Vec::new();
    for n in 0..64 {
        let one = tokio::spawn(ask(n));
        while times.load(Ordering::Relaxed) <= n {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        under_way.push(one);
    }
    under_way.iter().for_each(tokio::task::JoinHandle::abort);
    let one_more = tokio::time::timeout(Duration::from_secs(30), ask(64)).await;
    let (status, problem) = told(one_more.expect("it is refused").unwrap()).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"SERVER_BUSY".into())
    );
    may_end.add_permits(65);
    let (status, _) = told(ask(64).await.unwrap()).await;
    assert_eq!(
        (status, times.load(Ordering::Relaxed)),
        (StatusCode::NO_CONTENT, 65)
    );
}

// R206
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_kept_answer_outlives_an_erasure_nor_does_one_that_was_under_way() {
    let world = World::new().await;
    let session = world.session(ANA).await;
    let ana = world.person(ANA).await;
    acts(&world, CANARY, "4711").await;
    let body = json!({ "subject": "customer:4711" }).to_string();
    let ask = || {
        let path = "/api/v1/erasures/preview";
        post_to(&world, asks(path, Some(&session), "k1", &body))
    };
    let (status, answer) = ask().await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let (router, times, may_end) = counting(&world);
    let waits = |router: &Router| {
        let request = asks("/waits", Some(&session), "k2", "");
        router.clone().oneshot(request)
    };
    let under_way = tokio::spawn(waits(&router));
    while times.load(Ordering::Relaxed) == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    erase::erase(&world.server, &ana, &subject(CANARY), "case 42")
        .await
        .unwrap();
    may_end.add_permits(1);
    let first = under_way.await.unwrap().unwrap();
    assert_eq!(first.status(), StatusCode::NO_CONTENT);
    let late = told(waits(&router).await.unwrap()).await;
    for (status, problem) in [ask().await, late] {
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::CONFLICT, &"ANSWER_NOT_KEPT".into())
        );
    }
    // Keys, principals and requests are there as keyed digests alone.
    let (data, kept) = (&world.server.config.data, anywhere);
    let plain = burgess_core::digest::Digest::of(
        format!("POST /api/v1/erasures/preview\n{body}").as_bytes(),
    );
    assert!(kept(data, plain.to_string().as_bytes()).is_empty());
}
