//! Calls of somebody, or about something, that is erased before or while they are made.

use std::sync::{Arc, OnceLock};

use burgess_core::audit::Outcome;
use burgess_gateway::journal::{CLOSED, outcome_id};
use http::StatusCode;

use crate::support::{Seen, TestVault, Wish, World, json};

const ACTOR: &str = "actor:crd_production";

// R206
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_whose_actor_is_erased_meanwhile_has_its_outcome_without_the_person() {
    let slot: Arc<OnceLock<Arc<TestVault>>> = Arc::default();
    let vault = slot.clone();
    let handler = Arc::new(move |_: &Seen| {
        vault.get().unwrap().forget(ACTOR);
        json(r#"{"price":349}"#)
    });
    let world = World::with(Wish {
        handler,
        ..Wish::default()
    })
    .await;
    slot.set(world.vault.clone()).ok().unwrap();
    let reply = world.get("/c/crm/quotes").await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    let entries = world.entries().await;
    let [intent, outcome] = entries.as_slice() else {
        panic!("{entries:#?}")
    };
    assert_eq!(
        outcome_id(&intent.event.event_id).as_ref(),
        Some(&outcome.event.event_id)
    );
    let event = &outcome.event;
    assert_eq!(
        (&*event.actor_id, event.outcome),
        (CLOSED, Outcome::Success)
    );
    assert_eq!((&event.request_context, &event.ip_address), (&None, &None));
}

// R206
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_whom_was_erased_no_call_begins_and_that_is_on_record_without_them() {
    let world = World::new().await;
    assert_eq!(world.get("/c/crm/quotes").await.status, StatusCode::OK);
    world.vault.forget(ACTOR);
    let reply = world.get("/c/crm/quotes").await;
    assert_eq!(
        (reply.status, &*reply.code()),
        (StatusCode::GONE, "SUBJECT_ERASED")
    );
    assert_eq!(world.production.seen().len(), 1, "nothing was sent");
    let last = world.last().await.event;
    assert_eq!(
        (&*last.actor_id, last.outcome, last.error_code.as_deref()),
        (CLOSED, Outcome::Blocked, Some("SUBJECT_ERASED"))
    );
    assert_eq!(reply.problem()["event_id"], last.event_id.as_str());
    assert_eq!(outcome_id(&last.event_id), None);
}
