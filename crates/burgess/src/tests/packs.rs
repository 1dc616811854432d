//! Cases of our own events, as an auditor's tool sees them: it knows no event, only leaves.

use std::collections::BTreeSet;

use burgess_ledger::{NoteVerifier, Trust, pack};
use serde_json::{Value, json};

use super::keeping::{CANARY, acts};
use super::world::{ALEX, ANA, DANA, World};
use crate::operations::people;
use crate::operations::retention::classes::Period;
use crate::operations::retention::{self, LedgerClass};

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

/// The key of a shard, by its folder's name.
fn key(world: &World, name: &str) -> NoteVerifier {
    let shard = world.server.shards.named(name).unwrap();
    NoteVerifier::parse(shard.ledger.vkey()).unwrap()
}

fn verify_under(case: &str, keys: Vec<NoteVerifier>) -> Result<usize, String> {
    let trust = Trust::new(keys, None).unwrap();
    pack::verify(case.as_bytes(), &trust)
        .map(|pack| pack.events)
        .map_err(|cause| cause.to_string())
}

/// The logs that a case has checkpoints of. They are those of its events, no more and no fewer.
fn origins(case: &str) -> Vec<String> {
    let case: Value = serde_json::from_str(case).unwrap();
    let told = |list: &str, name: &str| -> Vec<String> {
        let list = case[list].as_array().unwrap().iter();
        list.map(|it| it[name].as_str().unwrap().to_owned())
            .collect()
    };
    let origins = told("origins", "origin");
    let once: BTreeSet<String> = origins.iter().cloned().collect();
    assert_eq!(once.len(), origins.len(), "each once: {origins:?}");
    let of_events: BTreeSet<String> = told("events", "shard").into_iter().collect();
    assert_eq!(once, of_events);
    origins
}

// R202
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_has_checkpoints_of_the_logs_that_its_events_are_in_and_their_keys_are_enough() {
    let world = World::open(false, |config| {
        config.ledger_classes = vec![LedgerClass {
            name: "traffic".to_owned(),
            sources: vec!["console".to_owned()],
            period: Period::Quarter,
            keep_days: 400,
            basis: "a test".to_owned(),
        }];
    })
    .await;
    retention::turn(&world.server, &people::machine(), "main")
        .await
        .unwrap();
    let app = world.in_sandbox("Price list").await;
    let acted = acts(&world, CANARY, "4711").await;
    crate::jobs::project::project(&world.server).await.unwrap();
    let session = world.session(ANA).await;
    let taken = async |target: String| -> String {
        let (status, _, text) = world.get(Some(&session), &target).await;
        assert_eq!(status, 200, "{target}: {text}");
        text
    };
    // All in the newest shard: its key is enough, although two other logs are there.
    let of_app = taken(format!(
        "/api/v1/events?as=case&app={app}&resource_type=request&reason=x"
    ))
    .await;
    assert_eq!(origins(&of_app), ["burgess/acme/main-2"]);
    let newest = || vec![key(&world, "main-2")];
    assert!(verify_under(&of_app, newest()).unwrap() > 0);
    // One event and what happened around it, likewise in a class of its own.
    let target = format!("/api/v1/events/{}/case?reason=x&around=1", acted.event_id);
    let incident = taken(target).await;
    let needed: Vec<NoteVerifier> = origins(&incident)
        .iter()
        .map(|origin| {
            let shard = world.server.shards.of_origin(origin).unwrap();
            NoteVerifier::parse(shard.ledger.vkey()).unwrap()
        })
        .collect();
    assert!(verify_under(&incident, needed).unwrap() > 0);
    // What is in several logs needs the key of each.
    let all = taken("/api/v1/events?as=case&reason=x".to_owned()).await;
    assert_eq!(origins(&all).len(), 3);
    let refused = verify_under(&all, newest()).unwrap_err();
    assert!(refused.contains("no key was given"), "{refused}");
    let keys = ["main", "main-2", "traffic"].map(|name| key(&world, name));
    assert!(verify_under(&all, keys.to_vec()).unwrap() > 10);
    // What has no event has nothing to prove.
    let nothing = taken("/api/v1/events?as=case&q=nosuchword&reason=x".to_owned()).await;
    assert!(origins(&nothing).is_empty());
    assert_eq!(verify_under(&nothing, newest()), Ok(0));
}
