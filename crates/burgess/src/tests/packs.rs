//! Cases of our own events, as an auditor's tool sees them: it knows no event, only leaves.

use burgess_ledger::{Trust, pack};
use serde_json::{Value, json};

use super::world::{ALEX, ANA, DANA, World};

async fn json_at(world: &World, session: &str, target: &str) -> Value {
    let (status, _, text) = world.get(Some(session), target).await;
    assert_eq!(status, 200, "{target}: {text}");
    serde_json::from_str(&text).unwrap()
}

/// A case of everything that this reader finds, as the API shows it, with the receipts.
async fn case(world: &World, who: &str) -> Value {
    let session = world.session(who).await;
    crate::jobs::project::project(&world.server).await.unwrap();
    let found = json_at(world, &session, "/api/v1/events").await;
    let mut events = Vec::new();
    for item in found["items"].as_array().unwrap() {
        let id = item["event"]["event_id"].as_str().unwrap();
        let target = format!("/api/v1/events/{id}/receipt");
        let mut event = item.clone();
        event["receipt"] = json_at(world, &session, &target).await;
        events.push(event);
    }
    let checkpoint = world.server.ledger().checkpoint();
    json!({
        "schema": "burgess.case/1",
        "case": { "id": "cas_1", "reason": "a test" },
        "origins": [{ "origin": checkpoint.checkpoint.origin, "checkpoint": checkpoint.note }],
        "events": events,
    })
}

fn verify(world: &World, case: &Value) -> Result<usize, String> {
    let trust = Trust::new(world.server.ledger().vkeys().to_vec(), None).unwrap();
    pack::verify(case.to_string().as_bytes(), &trust)
        .map(|pack| pack.events)
        .map_err(|cause| cause.to_string())
}

// R202
#[tokio::test]
async fn every_event_of_ours_is_shown_as_its_leaf_says_to_who_may_see_and_who_may_not() {
    let world = World::new().await;
    let app = world.in_sandbox("Price list").await;
    world.on_to_staging(&app).await;
    let open = case(&world, ANA).await;
    let events = open["events"].as_array().unwrap().len();
    assert!(events > 10, "{events}");
    assert_eq!(verify(&world, &open), Ok(events));
    assert!(open.to_string().contains(DANA));
    let closed = case(&world, ALEX).await;
    assert!(verify(&world, &closed).is_ok());
    assert!(!closed.to_string().contains(DANA));
    // What is shown of any event cannot be changed, whichever field it is.
    let shown = open["events"][3]["event"].as_object().unwrap();
    for name in shown.keys() {
        let mut changed = open.clone();
        changed["events"][3]["event"][name] = json!("something else");
        let refused = verify(&world, &changed).unwrap_err();
        assert!(
            refused.contains(&format!("its `{name}`")),
            "{name}: {refused}"
        );
    }
}
