//! The whole journey, from an export to a retired app.

use std::process::Command;

use burgess_ledger::{NoteVerifier, receipt};
use serde_json::{Value, json};

use crate::crm::API_KEYS;
use crate::house::said;
use crate::office::{Credential, Office};
use crate::sample::{self, README, Sample, published_event};
use crate::walk::{self, LEAKED};

// R2 R6 R8 R18 R32 R47 R52 R53 R54 R58 R63 R64 R65 R78 R123 R125 R154 R186 R189 R190 R191 R192 R193 R194 R195
#[tokio::test(flavor = "multi_thread")]
async fn an_app_of_our_own_goes_from_request_to_retirement() {
    let office = Office::open().await;
    journey(&office, &sample::own()).await;
    close(office).await;
}

// R29 R40 R43
#[tokio::test(flavor = "multi_thread")]
async fn every_real_export_goes_the_whole_way_or_stops_at_its_secret() {
    let office = Office::open().await;
    for sample in sample::all() {
        println!("{}", sample.name);
        inspected(&office, &sample).await;
        let secrets = sample.expected["secrets_inline"].as_u64().unwrap();
        if secrets == 0 {
            journey(&office, &sample).await;
        } else if let Some(clean) = stopped_by_its_secret(&office, &sample).await {
            journey(&office, &clean).await;
        }
    }
    close(office).await;
}

/// What the export is, as the server sees it, is what is known of it.
async fn inspected(office: &Office, sample: &Sample) {
    let seen = office
        .post("dana", "/api/v1/inspect", &sample.file())
        .await
        .expect(200);
    for key in [
        "platform",
        "connectors",
        "external_hosts",
        "triggers",
        "secrets_inline",
    ] {
        let same = |value: &Value| {
            value
                .as_array()
                .map_or_else(|| value.to_string(), |rows| rows.len().to_string())
        };
        assert_eq!(
            same(&seen["facts"][key]),
            same(&sample.expected[key]),
            "{} {key}",
            sample.name
        );
    }
    assert!(
        seen["risk"]["score"].is_u64() && !seen["facts"]["facts"].as_array().unwrap().is_empty()
    );
}

/// With a secret inside, the export stops at that control; answers the copy without it.
async fn stopped_by_its_secret(office: &Office, sample: &Sample) -> Option<Sample> {
    let request = walk::submit(office, sample, &sample::charter(sample), README)
        .await
        .expect(201);
    walk::approve(office, &request).await;
    let answer = office.promote("dana", &sample.app(), "sandbox").await;
    assert_eq!(
        (answer.status, answer.unmet()),
        (409, vec!["no-secrets".to_owned()]),
        "{}",
        answer.text()
    );
    let seen = office
        .post("dana", "/api/v1/inspect", &sample.file())
        .await
        .expect(200);
    let text = |it: &Value, key: &str| it[key].as_str().unwrap().to_owned();
    let places: Vec<(String, String)> = seen["secrets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (text(it, "file"), text(it, "pointer")))
        .collect();
    let clean = sample.without(&places);
    println!(
        "{}: {} without its secrets {places:?}",
        sample.name,
        if clean.is_some() {
            "goes on"
        } else {
            "ends here"
        }
    );
    clean
}

/// One sample's whole way.
async fn journey(office: &Office, sample: &Sample) {
    let app = sample.app();
    let charter = sample::charter(sample);
    let request = walk::submit(office, sample, &charter, README)
        .await
        .expect(201);
    routed(&request, sample);
    walk::approve(office, &request).await;
    let (sandbox, production) = walk::to_production(office, &app).await;
    let before = office.crm.seen().len();
    let access = office.access(&sandbox, "crm").await;
    office
        .call(&access, "GET", "/customers", None)
        .await
        .expect(200);
    walk::use_customer_system(office, &production).await;
    let keys: Vec<Option<&str>> = office.crm.seen()[before..]
        .iter()
        .map(|it| it.key)
        .collect();
    assert_eq!(keys[0], Some("sandbox"));
    assert!(
        keys.len() > 4 && keys[1..].iter().all(|key| *key == Some("production")),
        "{keys:?}"
    );
    office.settled().await;
    counted(office, &app, before).await;
    searched(office, &app, &production).await;
    proved(office, &app).await;
    checked(office, &app).await;
    retired(
        office,
        &app,
        &[("sandbox", sandbox), ("production", production)],
    )
    .await;
}

/// Score and route follow from charter and export alone.
fn routed(request: &Value, sample: &Sample) {
    let addends = request["score"]["addends"].as_array().unwrap();
    let sum: i64 = addends
        .iter()
        .map(|it| it["points"].as_i64().unwrap())
        .sum();
    assert_eq!(request["score"]["score"], sum, "{request}");
    assert!(
        sum >= 60,
        "50 for personal data and 10 for 45 people: {request}"
    );
    assert_eq!(request["score"]["band"], "high");
    assert_eq!(request["route"]["lane"], "review");
    assert_eq!(request["route"]["sponsor"], true);
    assert_eq!(request["route"]["second_reviewer"], sample.runs_programs());
}

/// The customer system's own log equals what the trail says reached it, and holds no blocked value.
async fn counted(office: &Office, app: &str, before: usize) {
    let events = office.events(&format!("app={app}")).await;
    let id = |event: &Value| event["event_id"].as_str().unwrap().to_owned();
    let intents: Vec<String> = events
        .iter()
        .map(id)
        .filter_map(|id| id.strip_suffix("_intent").map(str::to_owned))
        .collect();
    let outcomes: Vec<&Value> = events
        .iter()
        .filter(|event| intents.contains(&id(event)))
        .collect();
    assert_eq!(outcomes.len(), intents.len(), "each intent has its outcome");
    let mut reached: Vec<(String, String)> = outcomes
        .iter()
        .filter(|event| event["request_context"].get("found_in_request").is_none())
        .map(|event| {
            (
                event["request_context"]["method"]
                    .as_str()
                    .unwrap()
                    .to_owned(),
                event["resource_id"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    let mut seen: Vec<(String, String)> = office.crm.seen()[before..]
        .iter()
        .map(|it| (it.method.clone(), format!("crm{}", it.path)))
        .collect();
    reached.sort();
    seen.sort();
    assert_eq!(seen, reached);
    assert!(!office.crm.saw(LEAKED.0) && !office.crm.saw(LEAKED.1));
    let ledger_text = format!("{events:?}");
    let never = API_KEYS
        .iter()
        .map(|(_, key)| *key)
        .chain([LEAKED.0, LEAKED.1]);
    never.for_each(|value| assert!(!ledger_text.contains(value), "{value} is on the trail"));
}

/// The trail answers by actor, app, action, outcome, classification, time and text.
async fn searched(office: &Office, app: &str, production: &Credential) {
    let blocked = office
        .events(&format!(
            "app={app}&action=export&outcome=blocked&class=pii&actor={}",
            production.id
        ))
        .await;
    assert_eq!(blocked.len(), 1, "{blocked:?}");
    let event = &blocked[0];
    assert!(
        event["error_code"]
            .as_str()
            .unwrap()
            .starts_with("DLP_BLOCK_")
    );
    assert_eq!(event["environment"], "production");
    for (query, wanted) in [
        (format!("actor={}", production.id), true),
        (format!("app={app}"), true),
        (format!("app={app}&action=export"), true),
        (format!("app={app}&action=delete"), false),
        (format!("app={app}&outcome=blocked"), true),
        (format!("app={app}&outcome=success"), false),
        (format!("app={app}&class=pii"), true),
        (format!("app={app}&class=phi"), false),
        (
            format!("approval={}", event["approval_id"].as_str().unwrap()),
            true,
        ),
        (
            "approval=apr_00000000000000000000000000000000".to_owned(),
            false,
        ),
        (
            format!(
                "app={app}&resource={}",
                event["resource_id"].as_str().unwrap()
            ),
            true,
        ),
        (format!("app={app}&resource=nothing"), false),
        (format!("app={app}&from=2026-01-01"), true),
        (format!("app={app}&to=2026-01-01"), false),
        (
            format!("app={app}&q={}", event["error_code"].as_str().unwrap()),
            true,
        ),
        (format!("app={app}&q=nothinglikeit"), false),
    ] {
        let found = office.events(&query).await;
        assert_eq!(
            found.iter().any(|it| it["event_id"] == event["event_id"]),
            wanted,
            "{query}"
        );
    }
    let told = office.events(&format!("app={app}&q=cust-9876")).await;
    assert_eq!(
        told.len(),
        1,
        "the published event is on the trail, for the app that sent it"
    );
    assert_eq!(told[0]["timestamp"], published_event()["timestamp"]);
}

/// The receipt of the block verifies offline, with the auditor's own binary where it was built.
async fn proved(office: &Office, app: &str) {
    let blocked = office
        .events(&format!(
            "app={app}&action=export&outcome=blocked&environment=production"
        ))
        .await;
    let id = blocked[0]["event_id"].as_str().unwrap().to_owned();
    let file = office
        .get("ana", &format!("/api/v1/events/{id}/receipt"))
        .await;
    file.expect(200);
    let verifier = NoteVerifier::parse(&office.running.vkey).unwrap();
    let verified = receipt::verify(&file.body, &verifier).unwrap();
    assert!(String::from_utf8(verified.leaf).unwrap().contains(&id));
    let binary =
        std::path::Path::new(env!("CARGO_BIN_EXE_burgess")).with_file_name("burgess-verify");
    if binary.exists() {
        let path = office.house.path("receipt.json");
        std::fs::write(&path, &file.body).unwrap();
        let answer = Command::new(binary)
            .arg("proof")
            .arg(&path)
            .args(["--key", &office.running.vkey])
            .output()
            .unwrap();
        assert!(answer.status.success(), "{}", said(&answer));
    }
}

/// The one-page checklist, computed from facts, says yes throughout.
async fn checked(office: &Office, app: &str) {
    let page = office
        .get("ana", &format!("/api/v1/apps/{app}/checklist"))
        .await
        .expect(200);
    let items = page["items"].as_array().unwrap();
    assert_eq!(items.len(), 7);
    for item in items {
        assert_ne!(item["answer"], "no", "{item}");
    }
    assert_eq!(items[1]["answer"], "manual");
    for (item, evidence) in [
        (0, "olu@example.com, README attached"),
        (1, "high risk"),
        (2, "sealed"),
        (3, "release rules"),
        (4, "gapless"),
        (5, "SLA 5d"),
        (6, "mei@example.com, retention sales-3y"),
    ] {
        assert!(
            items[item]["evidence"].as_str().unwrap().contains(evidence),
            "{}",
            items[item]
        );
    }
    let inventory = office
        .get(
            "ana",
            "/api/v1/apps?owner=olu@example.com&class=pii&state=production",
        )
        .await
        .expect(200);
    assert!(
        inventory["items"]
            .as_array()
            .unwrap()
            .iter()
            .any(|it| it["id"] == app),
        "{inventory}"
    );
}

/// After retirement no credential is exchanged and no access token opens anything.
async fn retired(office: &Office, app: &str, credentials: &[(&str, Credential)]) {
    let mut old = Vec::new();
    for (_, credential) in credentials {
        old.push(office.access(credential, "crm").await);
    }
    let before = office.crm.seen().len();
    let silent = office
        .post(
            "priya",
            &format!("/api/v1/apps/{app}/retire"),
            &json!({ "lessons": " " }),
        )
        .await;
    assert_eq!(
        silent.status,
        422,
        "without lessons learned nothing retires: {}",
        silent.text()
    );
    let lessons = json!({ "lessons": "A shared price list would have done it. Ask sales first." });
    let target = format!("/api/v1/apps/{app}/retire");
    assert_eq!(office.post("dana", &target, &lessons).await.status, 403);
    office.post("priya", &target, &lessons).await.expect(204);
    for (environment, credential) in credentials {
        let answer = office.exchange(credential, "crm", "").await;
        assert!(
            [401, 403].contains(&answer.status),
            "{environment}: {}",
            answer.text()
        );
    }
    for access in &old {
        let answer = office.call(access, "GET", "/customers", None).await;
        assert!([401, 403].contains(&answer.status), "{}", answer.text());
    }
    assert_eq!(
        office.crm.seen().len(),
        before,
        "nothing reaches the customer system any more"
    );
    let after = office
        .get("ana", &format!("/api/v1/apps/{app}"))
        .await
        .expect(200);
    assert_eq!(after["app"]["state"], "retired");
    assert!(
        after["credentials"]
            .as_array()
            .unwrap()
            .iter()
            .all(|it| it["state"] == "revoked"),
        "{after}"
    );
    let archive = &after["retirement"]["record"]["checklist"]["archive"];
    let day = |name: &str| {
        archive[name]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .unwrap()
            .as_second()
            / 86_400
    };
    assert_eq!(
        archive["label"], "sales-3y",
        "archived under its retention label: {}",
        after["retirement"]
    );
    assert_eq!(day("expires_at") - day("archived_at"), 1_095);
    let checklist = after["retirement"]["record"]["checklist"].to_string();
    assert!(
        checklist.contains("A shared price list would have done it"),
        "{checklist}"
    );
}

/// Stops the server and verifies its ledger.
async fn close(office: Office) {
    let Office {
        house, mut running, ..
    } = office;
    let vkey = running.vkey.clone();
    running.stop();
    assert!(house.verify_ledger(&vkey) > 30);
}
