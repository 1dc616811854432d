//! The trail as people use it: reading is on record, cases verify elsewhere, an incident explains
//! itself, the tail leaves no gap, and nothing personal is in the index.

use std::time::Duration;

use burgess_core::app::Environment;
use burgess_core::audit::{ActionType, Event, Outcome};
use burgess_core::id::AppId;
use burgess_core::time::Span;
use burgess_gateway::journal::{CLOSED, INTERRUPTED};
use burgess_ledger::{NoteVerifier, Trust, pack};
use burgess_trail::Cursor;
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use super::world::{ALEX, ANA, DANA, MEI, OLU, PRIYA, SAM, World, medium};
use crate::jobs::{self, project::GATEWAY};
use crate::operations::trail::complete::complete;
use crate::operations::trail::tail::follow;
use crate::operations::trail::{self, Asked};
use crate::operations::{connect, promote};

/// An app in the sandbox that said something itself.
pub(super) async fn used(world: &World) -> AppId {
    let mut charter = world.charter("Desk booking").await;
    medium(&mut charter);
    let app = world.approved(charter).await;
    let dana = world.person(DANA).await;
    promote::promote(&world.server, &dana, &app, Environment::Sandbox)
        .await
        .unwrap();
    let issued = connect::issue(&world.server, &dana, &app, Environment::Sandbox)
        .await
        .unwrap();
    world.tell(&app, &issued).await;
    jobs::project::project(&world.server).await.unwrap();
    app
}

pub(super) async fn since(world: &World, size: u64) -> Vec<Event> {
    let mut events = Vec::new();
    for index in size..world.server.ledger().size() {
        events.push(world.server.journal.open(index).await.unwrap().event);
    }
    events
}

fn of_app(app: &AppId) -> Asked {
    Asked {
        app: Some(app.to_string()),
        limit: 100,
        ..Asked::default()
    }
}

#[tokio::test]
async fn reading_the_trail_is_an_event_once_for_each_person_and_question() {
    let world = World::new().await;
    let app = used(&world).await;
    let (ana, alex) = (world.person(ANA).await, world.person(ALEX).await);
    let size = world.server.ledger().size();
    let asked = Asked {
        actor: Some(DANA.to_owned()),
        ..of_app(&app)
    };
    let found = trail::search(&world.server, &ana, &asked).await.unwrap();
    let rows = found.rows.len();
    assert!(rows > 2);
    for _ in 0..5 {
        trail::search(&world.server, &ana, &asked).await.unwrap();
    }
    let events = since(&world, size).await;
    assert_eq!(events.len(), 1, "{events:?}");
    let event = &events[0];
    assert_eq!(
        (
            event.action_type,
            event.resource_type.as_str(),
            event.actor_id.as_str()
        ),
        (ActionType::Read, "trail", ANA)
    );
    let context = event.request_context.as_ref().unwrap();
    assert_eq!(context["rows"], rows);
    assert_eq!(context["query"]["app"], app.as_str());
    // Erasing Dana must not mean looking into what Ana asked.
    assert!(!format!("{event:?}").contains(DANA));
    // Another person, another question, another way of reading, and later: each on record.
    trail::search(&world.server, &alex, &of_app(&app))
        .await
        .unwrap();
    trail::search(&world.server, &ana, &of_app(&app))
        .await
        .unwrap();
    let id = found.rows[0].event.event_id.as_str();
    trail::one(&world.server, &ana, id).await.unwrap();
    trail::receipt(&world.server, &ana, id).await.unwrap();
    world.server.ambient.jump(Span::minutes(11));
    trail::search(&world.server, &ana, &asked).await.unwrap();
    let kinds: Vec<(String, String)> = since(&world, size + 1)
        .await
        .into_iter()
        .map(|it| (it.actor_id, it.resource_type))
        .collect();
    let kind = |who: &str, what: &str| (who.to_owned(), what.to_owned());
    assert_eq!(
        kinds,
        [
            kind(ALEX, "trail"),
            kind(ANA, "trail"),
            kind(ANA, "event"),
            kind(ANA, "receipt"),
            kind(ANA, "trail"),
        ]
    );
}

// R19 R202
#[tokio::test]
async fn the_auditors_role_is_not_the_administrators() {
    let world = World::new().await;
    let app = used(&world).await;
    let asked = of_app(&app);
    let id = {
        let ana = world.person(ANA).await;
        let found = trail::search(&world.server, &ana, &asked).await.unwrap();
        found.rows[0].event.event_id.to_string()
    };
    for who in [ALEX, SAM, PRIYA] {
        let session = world.session(who).await;
        let caller = world.person(who).await;
        let found = trail::search(&world.server, &caller, &asked).await.unwrap();
        assert!(found.rows.iter().all(|it| it.event.actor_id == CLOSED));
        let (_, _, page) = world.get(Some(&session), &format!("/trail/{id}")).await;
        assert!(
            page.contains(CLOSED) && !page.contains("Case file"),
            "{page}"
        );
        assert!(!page.contains(&format!("by {DANA}")));
        let reviews = who == PRIYA;
        assert_eq!(page.contains("href=\"/requests/"), reviews, "{who}");
        assert!(page.contains("audit and compliance open them"), "{page}");
        let (_, _, page) = world.get(Some(&session), "/trail").await;
        for field in ["name=\"actor\"", "name=\"resource\"", "/trail.case"] {
            assert!(!page.contains(field), "{who} {field}");
        }
        for target in [
            "/trail.case?reason=x".to_owned(),
            "/api/v1/events?as=case&reason=x".to_owned(),
            format!("/trail/{id}/case?reason=x"),
            format!("/api/v1/events/{id}/case?reason=x"),
        ] {
            let (status, _, _) = world.get(Some(&session), &target).await;
            assert_eq!(status.as_u16(), 403, "{who} {target}");
        }
    }
}

/// How many events a case proves to who has the key alone.
fn verified(world: &World, case: &str) -> usize {
    let key = NoteVerifier::parse(world.server.ledger().vkey()).unwrap();
    let trust = Trust::new(vec![key], None).unwrap();
    pack::verify(case.as_bytes(), &trust).unwrap().events
}

// R202
#[tokio::test]
async fn a_case_holds_events_receipts_and_the_checkpoint_and_needs_a_reason() {
    let world = World::new().await;
    let app = used(&world).await;
    let session = world.session(ANA).await;
    for target in ["/trail.case", "/api/v1/events?as=case&reason=%20"] {
        let (status, _, text) = world.get(Some(&session), target).await;
        assert_eq!(status.as_u16(), 422, "{text}");
    }
    let size = world.server.ledger().size();
    let target = format!("/api/v1/events?as=case&app={app}&reason=incident+7");
    let (status, headers, text) = world.get(Some(&session), &target).await;
    assert_eq!(status.as_u16(), 200, "{text}");
    assert!(
        headers["content-disposition"]
            .to_str()
            .unwrap()
            .contains("case.json")
    );
    let case: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(case["schema"], "burgess.case/1");
    assert_eq!(
        (&case["case"]["reason"], &case["case"]["made_by"]),
        (&json!("incident 7"), &json!(ANA))
    );
    assert_eq!(case["case"]["query"], json!({ "app": app.as_str() }));
    let origin = &case["origins"][0];
    assert_eq!(origin["origin"], world.server.ledger().origin());
    assert!(origin["checkpoint"].as_str().unwrap().contains("\u{2014} "));
    let count = verified(&world, &text);
    // One changed letter of what is shown is found.
    let forged = text.replacen(DANA, "dora@example.com", 1);
    let key = NoteVerifier::parse(world.server.ledger().vkey()).unwrap();
    let trust = Trust::new(vec![key], None).unwrap();
    assert!(forged != text && pack::verify(forged.as_bytes(), &trust).is_err());
    assert!(count > 5, "{count} events");
    let indices: Vec<u64> = case["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["index"].as_u64().unwrap())
        .collect();
    assert!(indices.is_sorted(), "in the order of the ledger");
    // On record with its id, its reason and how much it held, before it left.
    let event = since(&world, size).await.remove(0);
    assert_eq!(event.action_type, ActionType::Export);
    let context = event.request_context.unwrap();
    assert_eq!(context["case"], case["case"]["id"]);
    assert_eq!(
        (&context["reason"], &context["events"]),
        (&json!("incident 7"), &json!(count))
    );
}

// R127 R202
#[tokio::test]
async fn from_one_event_to_app_approval_data_credential_and_neighbours() {
    let world = World::new().await;
    let app = used(&world).await;
    let ana = world.person(ANA).await;
    let session = world.session(ANA).await;
    let own = Asked {
        resource_type: Some("self_test".to_owned()),
        ..of_app(&app)
    };
    let found = trail::search(&world.server, &ana, &own).await.unwrap();
    let id = found.rows[0].event.event_id.to_string();
    let (status, _, page) = world.get(Some(&session), &format!("/trail/{id}")).await;
    assert_eq!(status.as_u16(), 200);
    let dossier = promote::dossier(&world.server, &app).await.unwrap();
    let approval = &dossier.approvals[0].record;
    for said in [
        OLU,
        MEI,
        DANA,
        approval.id.as_str(),
        approval.request.as_str(),
        "as reviewer: yes",
        PRIYA,
        "self_test first-run",
        "The same app, near in time",
        "The same approval, whenever",
        "Case file",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    // Each number leads to what it counts.
    let link = format!("/trail?approval={}", approval.id);
    assert!(page.contains(&link), "{page}");
    let asked = Asked {
        approval: Some(approval.id.to_string()),
        limit: 500,
        ..Asked::default()
    };
    let under = trail::search(&world.server, &ana, &asked).await.unwrap();
    let shown = format!(">{}</a></h3>", under.rows.len());
    assert!(page.contains(&shown), "{shown}: {page}");
    // The credential is that of the app's own event.
    let heartbeat = Asked {
        actor: Some(dossier.credentials[0].record.id.to_string()),
        ..of_app(&app)
    };
    let acted = trail::search(&world.server, &ana, &heartbeat)
        .await
        .unwrap();
    let target = format!("/trail/{}", acted.rows[0].event.event_id);
    let (_, _, page) = world.get(Some(&session), &target).await;
    assert!(
        page.contains("The credential") && page.contains("Issued for version"),
        "{page}"
    );
    // And the case of it verifies.
    let target = format!("/trail/{id}/case?around=60&reason=look");
    let (status, _, text) = world.get(Some(&session), &target).await;
    assert_eq!(status.as_u16(), 200, "{text}");
    assert!(verified(&world, &text) > 5);
    let (status, _, _) = world
        .get(Some(&session), &format!("/trail/{id}?around=0"))
        .await;
    assert_eq!(status.as_u16(), 422);
}

#[tokio::test]
async fn the_tail_resumes_without_a_gap_and_does_not_feed_itself() {
    let world = World::new().await;
    let app = used(&world).await;
    let ana = world.person(ANA).await;
    let whole = Asked {
        limit: 500,
        ..Asked::default()
    };
    let page = trail::look(&world.server, &ana, &whole).await.unwrap();
    // From the very beginning: everything that is there, in its order.
    let asked = Asked {
        after: Cursor::parse("1.0"),
        ..Asked::default()
    };
    let stream = follow(&world.server, ana.clone(), asked).await.unwrap();
    tokio::pin!(stream);
    let mut seen: Vec<u64> = Vec::new();
    let mut last = None;
    while seen.len() < page.rows.len() - 1 {
        let (cursor, row) = stream.next().await.unwrap();
        seen.push(row.index);
        last = Some(cursor);
    }
    let newest = page.rows[0].index;
    assert_eq!(seen, (1..=newest).collect::<Vec<_>>());
    // What comes now comes through, and reading it makes nothing new.
    jobs::project::project(&world.server).await.unwrap();
    let (_, follows) = stream.next().await.unwrap();
    assert_eq!(
        follows.event.resource_id, "tail",
        "that somebody follows is on record"
    );
    let quiet = tokio::time::timeout(Duration::from_millis(300), stream.next()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    let size = world.server.ledger().size();
    promote::quarantine(&world.server, &world.person(PRIYA).await, &app, "we look")
        .await
        .unwrap();
    jobs::project::project(&world.server).await.unwrap();
    let (_, row) = stream.next().await.unwrap();
    assert_eq!(row.index, size);
    // Broken off and taken up again behind the last one that was seen, by who sees less.
    let again = Asked {
        after: last,
        ..Asked::default()
    };
    let stream = follow(&world.server, world.person(SAM).await, again)
        .await
        .unwrap();
    tokio::pin!(stream);
    for expected in newest + 1..world.server.ledger().size() - 1 {
        let (_, row) = stream.next().await.unwrap();
        assert_eq!((row.index, row.event.actor_id.as_str()), (expected, CLOSED));
    }
}

/// An intent of the gateway, as it would record it.
async fn intend(world: &World, app: &AppId, number: u32) -> Event {
    let page = trail::look(&world.server, &world.person(ANA).await, &of_app(app))
        .await
        .unwrap();
    let event = Event {
        event_id: burgess_core::id::EventId::parse(&format!("evt_call_{number}_intent")).unwrap(),
        ..page.rows[0].event.clone()
    };
    record(world, event.clone()).await;
    event
}

async fn record(world: &World, event: Event) {
    let seed = world.server.ambient.random().unwrap();
    world
        .server
        .journal
        .record(event, GATEWAY, None, seed)
        .await
        .unwrap();
}

// R135
#[tokio::test]
async fn a_trail_is_complete_when_counters_and_leaves_agree_and_nothing_waits() {
    let world = World::new().await;
    let app = used(&world).await;
    let session = world.session(ANA).await;
    let found = complete(&world.server).await.unwrap();
    assert_eq!((found.total(), found.percent(), found.waiting), (1, 100, 0));
    let (_, _, page) = world.get(Some(&session), "/trail").await;
    assert!(page.contains("100 % of the trails are complete"), "{page}");
    // A leaf that the gateway does not know of, and a call that nobody ended.
    let intent = intend(&world, &app, 1).await;
    let found = complete(&world.server).await.unwrap();
    let it = found
        .apps
        .iter()
        .find(|it| it.told.app == app.as_str())
        .unwrap();
    assert_eq!((it.told.open_intents, it.admitted, it.leaves), (1, 0, 1));
    assert_eq!(found.percent(), 0);
    let (_, _, page) = world.get(Some(&session), "/trail/completeness").await;
    assert!(page.contains("0 % of the trails are complete") && page.contains(app.as_str()));
    let ended = burgess_gateway::journal::interrupted(&intent, intent.timestamp).unwrap();
    assert_eq!(ended.error_code.as_deref(), Some(INTERRUPTED));
    assert_eq!(ended.outcome, Outcome::Failure);
    record(&world, ended).await;
    let found = complete(&world.server).await.unwrap();
    let it = found
        .apps
        .iter()
        .find(|it| it.told.app == app.as_str())
        .unwrap();
    assert_eq!(it.told.open_intents, 0);
    assert!(!it.is_complete(), "the gateway did not count it");
    // After a start the counters begin anew, and so does the comparison.
    let world = world.again().await;
    let found = complete(&world.server).await.unwrap();
    assert_eq!(found.percent(), 100);
    let (_, _, json) = world
        .get(Some(&session), "/api/v1/trail/completeness")
        .await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["percent"], &json["total"]), (&json!(100), &json!(1)));
}

// R125
#[tokio::test]
async fn results_show_how_far_their_proof_reaches() {
    let world = World::new().await;
    let app = used(&world).await;
    world.server.ledger().publish().await.unwrap();
    let session = world.session(ANA).await;
    let target = format!("/api/v1/events?app={app}");
    let (_, _, text) = world.get(Some(&session), &target).await;
    let page: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(page["items"][0]["proof"], "signed");
    let (_, _, page) = world.get(Some(&session), "/trail").await;
    assert!(page.contains("data-cell=\"proof\">signed<"), "{page}");
}

#[tokio::test]
async fn no_personal_value_is_in_the_search_index() {
    let world = World::new().await;
    used(&world).await;
    let folder = world.server.config.data.clone();
    world.server.trail.forget(&[]).await.unwrap();
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("trail.db")
        {
            bytes.extend(std::fs::read(path).unwrap());
        }
    }
    let holds = |canary: &str| {
        bytes
            .windows(canary.len())
            .any(|window| window.eq_ignore_ascii_case(canary.as_bytes()))
    };
    assert!(holds("self_test"), "what is open is there");
    for canary in [
        "dana",
        "priya",
        "example.com",
        "first-run",
        "127.0.0.1",
        "n8n",
    ] {
        assert!(!holds(canary), "{canary}");
    }
}
