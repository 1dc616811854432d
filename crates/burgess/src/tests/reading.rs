//! Reading the trail over HTTP: what is on record before it is shown, what is asked for by name,
//! what is found right after it was acknowledged, and what proves it elsewhere.

use axum::http::{HeaderMap, Method, StatusCode};
use burgess_core::audit::ActionType;
use burgess_core::id::AppId;
use burgess_core::time::Span;
use burgess_gateway::journal::CLOSED;
use burgess_ledger::NoteVerifier;
use burgess_ledger::proof::TlogProof;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::trail::{since, used};
use super::world::{ALEX, ANA, DANA, MEI, OLU, PRIYA, SAM, World};
use crate::jobs;
use crate::operations::promote;

/// What a program gets.
async fn fetch(world: &World, session: &str, target: &str) -> (StatusCode, HeaderMap, Vec<u8>) {
    let response = world
        .send(Some(session), Method::GET, target, None, false)
        .await;
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, headers, body.to_vec())
}

async fn json_of(world: &World, session: &str, target: &str) -> (u16, Value) {
    let (status, _, body) = fetch(world, session, target).await;
    let value = serde_json::from_slice(&body);
    (status.as_u16(), value.unwrap_or(Value::Null))
}

/// The app's own event, by its id.
async fn own_event(world: &World, app: &AppId) -> String {
    let found = json_of(
        world,
        &world.session(ANA).await,
        &format!("/api/v1/events?app={app}&resource_type=self_test"),
    )
    .await;
    let id = found.1["items"][0]["event"]["event_id"].as_str().unwrap();
    id.to_owned()
}

/// The bundle that holds the newest entries under the checkpoint.
fn bundle(world: &World) -> String {
    let width = world.server.ledger().checkpoint().checkpoint.size;
    assert!((1..256).contains(&width), "one bundle");
    format!("/ledger/main/tile/entries/000.p/{width}")
}

// R202
#[tokio::test]
async fn what_cannot_be_recorded_as_read_is_not_shown_to_who_sees_personal_values() {
    let world = World::new().await;
    let app = used(&world).await;
    let (ana, sam) = (world.session(ANA).await, world.session(SAM).await);
    let id = own_event(&world, &app).await;
    world.server.ledger().publish().await.unwrap();
    let bundle = bundle(&world);
    jobs::project::project(&world.server).await.unwrap();
    world.server.shards.close();
    let closed = [
        format!("/api/v1/events?app={app}"),
        format!("/api/v1/events/{id}"),
        format!("/api/v1/events/{id}/incident"),
        "/api/v1/events/tail".to_owned(),
        format!("/trail/{id}"),
    ];
    let taken_out = [
        format!("/api/v1/events/{id}/receipt"),
        format!("/api/v1/events/{id}/receipt?as=tlog-proof"),
        format!("/trail/{id}/receipt"),
    ];
    let auditors = [
        format!("/api/v1/events/{id}/receipt?as=entry"),
        "/api/v1/events?as=jsonl".to_owned(),
        "/trail.csv".to_owned(),
        bundle,
    ];
    for target in closed.iter().chain(&taken_out).chain(&auditors) {
        let (status, answer) = json_of(&world, &ana, target).await;
        assert_eq!(
            (status, &answer["code"]),
            (503, &json!("LEDGER_UNAVAILABLE")),
            "{target}: {answer}"
        );
    }
    let (status, _, page) = world.get(Some(&ana), &format!("/apps/{app}")).await;
    assert_eq!(status, StatusCode::OK, "the app itself may be seen");
    assert!(page.contains("LEDGER_UNAVAILABLE") && !page.contains("class=\"timeline\""));
    // Who sees closed values alone reads on, and takes nothing out.
    for target in closed.iter().filter(|it| !it.contains("tail")) {
        let (status, _, body) = fetch(&world, &sam, target).await;
        assert_eq!(status, StatusCode::OK, "{target}");
        assert!(String::from_utf8_lossy(&body).contains(CLOSED), "{target}");
    }
    for target in &taken_out {
        let (status, answer) = json_of(&world, &sam, target).await;
        assert_eq!(status, 503, "{target}: {answer}");
    }
}

// R202
#[tokio::test]
async fn taking_entry_bundles_and_looking_at_an_apps_events_is_on_record() {
    let world = World::new().await;
    let app = used(&world).await;
    let (ana, dana) = (world.session(ANA).await, world.session(DANA).await);
    world.server.ledger().publish().await.unwrap();
    let (bundle, size) = (bundle(&world), world.server.ledger().size());
    for _ in 0..3 {
        let (status, _, body) = fetch(&world, &ana, &bundle).await;
        assert!(status == StatusCode::OK && !body.is_empty(), "{status}");
    }
    for _ in 0..3 {
        let (status, _, page) = world.get(Some(&dana), &format!("/apps/{app}")).await;
        assert!(status == StatusCode::OK && page.contains("class=\"timeline\""));
    }
    world.server.ambient.jump(Span::minutes(11));
    fetch(&world, &ana, &bundle).await;
    let events = since(&world, size).await;
    let seen: Vec<(&str, &str, &str)> = events
        .iter()
        .map(|it| {
            assert_eq!(it.action_type, ActionType::Read);
            let (who, kind) = (it.actor_id.as_str(), it.resource_type.as_str());
            (who, kind, it.resource_id.as_str())
        })
        .collect();
    assert_eq!(
        seen,
        [
            (ANA, "ledger_entries", "main"),
            (DANA, "trail", "search"),
            (ANA, "ledger_entries", "main"),
        ]
    );
    let context = events[1].request_context.as_ref().unwrap();
    assert_eq!(context["query"], json!({ "app": app.as_str() }));
    // Hash tiles are public, and nobody reads anything in them.
    let size = world.server.ledger().size();
    let tile = bundle.replace("entries", "0");
    let (status, ..) = fetch(&world, &dana, &tile).await;
    assert_eq!(
        (status, world.server.ledger().size()),
        (StatusCode::OK, size)
    );
}

// R125
#[tokio::test]
async fn a_parameter_that_nobody_knows_is_refused_and_finds_nothing() {
    let world = World::new().await;
    let app = used(&world).await;
    let id = own_event(&world, &app).await;
    let ana = world.session(ANA).await;
    let size = world.server.ledger().size();
    for (target, near) in [
        ("/api/v1/events?clas=pii".to_owned(), "class"),
        (
            "/api/v1/events?as=csv&clasification=pii".to_owned(),
            "classification",
        ),
        (
            "/api/v1/events?as=case&reason=x&aproval=y".to_owned(),
            "approval",
        ),
        ("/api/v1/events/tail?outcom=blocked".to_owned(), "outcome"),
        ("/trail?actr=x".to_owned(), "actor"),
        ("/trail.csv?class_=pii".to_owned(), "class"),
        ("/trail.jsonl?sinc=2026-01-01".to_owned(), ""),
        ("/trail.case?reasn=x".to_owned(), "reason"),
        ("/trail/tail?ap=x".to_owned(), "app"),
        (format!("/trail/{id}?arround=60"), "around"),
        (format!("/trail/{id}/case?arround=60&reason=x"), "around"),
        (format!("/api/v1/events/{id}/case?app=x&reason=x"), ""),
        (format!("/api/v1/events/{id}/incident?arround=60"), "around"),
        (format!("/api/v1/events/{id}/receipt?a=entry"), "as"),
        ("/api/v1/events?app=x&app_id=y".to_owned(), ""),
        ("/api/v1/events?limit=many".to_owned(), ""),
    ] {
        let (status, answer) = json_of(&world, &ana, &target).await;
        assert_eq!(
            (status, &answer["code"]),
            (400, &json!("INPUT_INVALID")),
            "{target}: {answer}"
        );
        let said = answer["detail"].as_str().unwrap();
        assert!(
            near.is_empty() || said.contains(&format!("`{near}`?")),
            "{said}"
        );
    }
    assert_eq!(world.server.ledger().size(), size, "nothing was read");
    // What an event calls its fields finds the same.
    let approval = {
        let dossier = promote::dossier(&world.server, &app).await.unwrap();
        dossier.approvals[0].record.id.to_string()
    };
    for (alias, name, value) in [
        ("app_id", "app", app.as_str()),
        ("actor_id", "actor", DANA),
        ("resource_id", "resource", "first-run"),
        ("action_type", "action", "execute"),
        ("classification", "class", "internal"),
        ("data_classification", "class", "internal"),
        ("approval_id", "approval", approval.as_str()),
    ] {
        let count = async |name: &str| {
            let target = format!("/api/v1/events?limit=500&{name}={value}");
            let (status, page) = json_of(&world, &ana, &target).await;
            assert_eq!(status, 200, "{target}: {page}");
            page["items"].as_array().unwrap().len()
        };
        let all = json_of(&world, &ana, "/api/v1/events?limit=500").await.1;
        let all = all["items"].as_array().unwrap().len();
        let (by_alias, by_name) = (count(alias).await, count(name).await);
        assert!(
            by_alias == by_name && (1..all).contains(&by_alias),
            "{alias}"
        );
    }
}

// R69
#[tokio::test]
async fn the_openapi_document_lists_what_a_search_may_be_asked_with() {
    let world = World::new().await;
    let (_, _, text) = world.get(None, "/api/openapi.json").await;
    let document: Value = serde_json::from_str(&text).unwrap();
    let parameters = |path: &str| -> Vec<String> {
        let all = document["paths"][path]["get"]["parameters"].as_array();
        let queries = all.unwrap().iter().filter(|it| it["in"] == "query");
        queries
            .map(|it| it["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let search = parameters("/api/v1/events");
    for name in [
        "q", "app", "actor", "class", "after", "limit", "as", "reason",
    ] {
        assert!(search.iter().any(|it| it == name), "{name}: {search:?}");
    }
    assert_eq!(parameters("/api/v1/events/{id}/incident"), ["around"]);
    assert_eq!(parameters("/api/v1/events/{id}/receipt"), ["as"]);
}

// R125
#[tokio::test]
async fn an_event_that_was_acknowledged_is_found_at_once() {
    let world = World::new().await;
    let app = used(&world).await;
    let ana = world.session(ANA).await;
    let asked = [
        "/api/v1/events/{id}",
        "/api/v1/events/{id}/receipt",
        "/api/v1/events/{id}/incident",
        "/api/v1/events/{id}/receipt?as=tlog-proof",
        "/api/v1/events",
    ];
    for (number, target) in asked.into_iter().enumerate() {
        let size = world.server.ledger().size();
        let priya = world.person(PRIYA).await;
        if number % 2 == 0 {
            promote::quarantine(&world.server, &priya, &app, "we look")
                .await
                .unwrap();
        } else {
            promote::release(&world.server, &priya, &app).await.unwrap();
        }
        let id = since(&world, size).await[0].event_id.to_string();
        let (status, answer) = json_of(&world, &ana, &target.replace("{id}", &id)).await;
        assert_eq!(status, 200, "{target}: {answer}");
        if let Some(items) = answer["items"].as_array() {
            let found = items.iter().any(|it| it["event"]["event_id"] == json!(id));
            assert!(found, "{answer}");
        }
    }
}

// R202
#[tokio::test]
async fn a_tlog_proof_and_the_entry_verify_under_the_shards_key_alone() {
    let world = World::new().await;
    let app = used(&world).await;
    let id = own_event(&world, &app).await;
    let (ana, sam) = (world.session(ANA).await, world.session(SAM).await);
    let target = format!("/api/v1/events/{id}/receipt");
    let (status, headers, proof) = fetch(&world, &ana, &format!("{target}?as=tlog-proof")).await;
    assert_eq!(status, StatusCode::OK);
    let header = |headers: &HeaderMap, name: &str| headers[name].to_str().unwrap().to_owned();
    assert!(header(&headers, "content-type").starts_with("text/plain"));
    let named = format!("filename=\"{id}.tlog-proof\"");
    assert!(header(&headers, "content-disposition").contains(&named));
    let (status, headers, mut entry) = fetch(&world, &ana, &format!("{target}?as=entry")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(header(&headers, "content-type"), "application/octet-stream");
    let proof = TlogProof::parse(std::str::from_utf8(&proof).unwrap()).unwrap();
    let (_, _, vkey) = world.get(None, "/ledger/main/vkey").await;
    let key = NoteVerifier::parse(vkey.trim()).unwrap();
    let signed = proof.verify(&entry, &key).unwrap();
    assert_eq!(signed.checkpoint.origin, world.server.ledger().origin());
    let leaf: Value = serde_json::from_slice(&entry).unwrap();
    assert_eq!(leaf["event_id"], json!(id));
    entry[10] ^= 1;
    proof.verify(&entry, &key).unwrap_err();
    // The proof holds nothing personal; the entry takes the right to read entries.
    let (status, ..) = fetch(&world, &sam, &format!("{target}?as=tlog-proof")).await;
    assert_eq!(status, StatusCode::OK);
    let (status, answer) = json_of(&world, &sam, &format!("{target}?as=entry")).await;
    assert_eq!(status, 403, "{answer}");
    let (status, answer) = json_of(&world, &ana, &format!("{target}?as=pdf")).await;
    let said = answer["detail"].as_str().unwrap();
    assert!(
        status == 422 && said.contains("receipt, tlog-proof, entry"),
        "{said}"
    );
    let (_, receipt) = json_of(&world, &ana, &target).await;
    assert_eq!(receipt["schema"], "burgess.receipt/1");
    // Each form is a reading of its own.
    let events = since(&world, 0).await;
    for kind in ["proof", "entry", "receipt"] {
        let mine = |it: &&burgess_core::audit::Event| {
            it.actor_id == ANA && it.resource_type == kind && it.resource_id == id
        };
        assert_eq!(events.iter().filter(mine).count(), 1, "{kind}");
    }
}

// R127 R202
#[tokio::test]
async fn an_incident_is_told_to_programs_as_the_page_tells_it() {
    let world = World::new().await;
    let app = used(&world).await;
    let (ana, sam) = (world.session(ANA).await, world.session(SAM).await);
    let id = own_event(&world, &app).await;
    let size = world.server.ledger().size();
    let target = format!("/api/v1/events/{id}/incident");
    let (status, found) = json_of(&world, &ana, &target).await;
    assert_eq!(status, 200, "{found}");
    let dossier = promote::dossier(&world.server, &app).await.unwrap();
    let approval = &dossier.approvals[0].record;
    assert_eq!(found["event"]["event"]["event_id"], json!(id));
    assert_eq!(
        (&found["app"]["owner"], &found["app"]["second_owner"]),
        (&json!(OLU), &json!(MEI))
    );
    assert_eq!(found["approval"]["id"], json!(approval.id));
    assert_eq!(found["approval"]["decisions"][0]["by"], json!(PRIYA));
    assert_eq!(found["data"]["resource_id"], "first-run");
    assert_eq!(found["personal_values"], "open");
    let aspects: Vec<&str> = found["neighbours"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            assert!(it["total"].as_u64() >= it["items"].as_array().map(|it| it.len() as u64));
            it["aspect"].as_str().unwrap()
        })
        .collect();
    assert_eq!(aspects, ["app", "actor", "resource", "approval"]);
    let read = since(&world, size).await;
    assert_eq!(
        (
            read.len(),
            read[0].resource_type.as_str(),
            read[0].actor_id.as_str()
        ),
        (1, "event", ANA)
    );
    // The credential is that of what the app itself did.
    let credential = dossier.credentials[0].record.id.as_str();
    let acted = json_of(&world, &ana, &format!("/api/v1/events?actor={credential}")).await;
    let acted = acted.1["items"][0]["event"]["event_id"].clone();
    let other = format!("/api/v1/events/{}/incident", acted.as_str().unwrap());
    let (_, used) = json_of(&world, &ana, &other).await;
    assert_eq!(used["credential"]["id"], credential);
    assert!(!used.to_string().contains("secret_digest"));
    // Closed for who may not open, and nothing for who may not read the trail.
    let (status, closed) = json_of(&world, &sam, &other).await;
    assert_eq!(
        (status, &closed["personal_values"]),
        (200, &json!("closed"))
    );
    assert_eq!(closed["event"]["event"]["actor_id"], CLOSED);
    assert!(closed["credential"].is_null() && !closed.to_string().contains(credential));
    let (status, answer) = json_of(&world, &world.session(DANA).await, &target).await;
    assert_eq!(status, 403, "{answer}");
    let (status, _) = json_of(&world, &world.session(ALEX).await, &target).await;
    assert_eq!(status, 200);
}
