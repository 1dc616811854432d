//! `Idempotency-Key`: what a retry gets, also of a request that was cut off.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use burgess_core::digest::Digest;
use burgess_core::time::Span;
use burgess_store::Attempt;
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

use super::world::{ANA, World};
use crate::identity::session;
use crate::operations::hold;

const PATH: &str = "/api/v1/holds";
const BODY: &str = r#"{"kind":"shard","of":"main","reason":"case 7"}"#;

fn place(world: &World, session: &str, key: &str) -> impl Future<Output = Response<Body>> + use<> {
    let request = Request::post(PATH)
        .header(header::HOST, "127.0.0.1:8080")
        .header(header::COOKIE, format!("{}={session}", session::COOKIE))
        .header(header::CONTENT_TYPE, "application/json")
        .header("idempotency-key", key)
        .body(Body::from(BODY))
        .unwrap();
    let router = world.router.clone();
    async move { router.oneshot(request).await.unwrap() }
}

async fn told(response: Response<Body>) -> (StatusCode, Value) {
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap())
}

/// Takes a key as the first request with it does, or says what became of it.
async fn begin(world: &World, session: &str, key: &str) -> Attempt {
    let who = session::digest(session).to_string();
    let request = format!("POST {PATH}\n{BODY}");
    let (store, now) = (&world.server.store, world.server.ambient.now());
    let begun = store.begin_idempotent(&who, key, Digest::of(request.as_bytes()), now);
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
    assert_eq!(begin(&world, &session, "k1").await, Attempt::First);
    let (status, problem) = told(place(&world, &session, "k1").await).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::CONFLICT, &"CONFLICT".into())
    );
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
    let first = place(&world, &session, "k1");
    let hung_up = tokio::time::timeout(Duration::from_millis(200), first).await;
    assert!(hung_up.is_err());
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
    assert!(matches!(
        begin(&world, &session, "k1").await,
        Attempt::Done(_)
    ));
    world.after(Span::hours(2)).await;
    assert_eq!(begin(&world, &session, "k1").await, Attempt::First);
}
