//! Bad days: killed under load, a full ledger, two servers, forged credentials, two at once.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::client;
use crate::house::said;
use crate::office::Office;
use crate::sample::{self, README};
use crate::walk;

const LOAD: Duration = Duration::from_millis(1500);

/// Workers that call and register until the server is gone; each answers what was acknowledged.
fn load(office: &Office, access: &str) -> Vec<tokio::task::JoinHandle<Vec<String>>> {
    let (console, gateway) = (office.running.console, office.running.gateway);
    let worker = |worker: u32, access: String, session: String| async move {
        let mut acknowledged = Vec::new();
        for number in 0.. {
            let name = format!("load_{worker}_{number}");
            let answer = if worker == 0 {
                let dataset = json!({ "name": name, "classification": "internal", "owner": "mei@example.com" });
                client::try_send(
                    console,
                    "POST",
                    "/api/v1/datasets",
                    Some(&session),
                    client::json(&dataset),
                )
                .await
            } else {
                client::try_send(
                    gateway,
                    "GET",
                    &format!("/c/crm/customers/{name}"),
                    Some(&access),
                    None,
                )
                .await
            };
            match answer {
                Ok(answer) if (200..300).contains(&answer.status) => acknowledged.push(name),
                Ok(answer) => assert_eq!(answer.status, 503, "{}", answer.text()),
                Err(_) => break,
            }
        }
        acknowledged
    };
    (0..6)
        .map(|it| tokio::spawn(worker(it, access.to_owned(), office.session("priya"))))
        .collect()
}

// R8
#[tokio::test(flavor = "multi_thread")]
async fn killed_under_load_nothing_acknowledged_is_lost_and_nothing_is_doubled() {
    let mut office = Office::open().await;
    let it = sample::own();
    let (_, production) = walk::whole_way(&office, &it, &sample::charter(&it)).await;
    let access = office.access(&production, "crm").await;
    let (console, gateway) = (
        office.running.console.to_string(),
        office.running.gateway.to_string(),
    );
    let vkey = office.running.vkey.clone();
    let mut acknowledged: BTreeSet<String> = BTreeSet::new();
    let workers = load(&office, &access);
    tokio::time::sleep(LOAD).await;
    assert!(
        office.house.verify_ledger(&vkey) > 0,
        "the folder verifies while it is written"
    );
    office.running.kill();
    for worker in workers {
        acknowledged.extend(worker.await.unwrap());
    }
    assert!(
        office.house.verify_ledger(&vkey) > 0,
        "the folder verifies after the kill"
    );
    office.running = office.house.start_at(&console, &gateway);
    assert_eq!(office.running.vkey, vkey);
    assert!(
        acknowledged.iter().any(|name| name.starts_with("load_0")) && acknowledged.len() > 20,
        "{acknowledged:?}"
    );
    let events = office.all_events("").await;
    drained(&office).await;
    told_once(&office, &events, &acknowledged);
    office
        .call(&access, "GET", "/customers/cust-1001", None)
        .await
        .expect(200);
    office.running.stop();
    office.house.verify_ledger(&vkey);
}

/// The outbox is empty; what the clockwork just committed may take a moment.
async fn drained(office: &Office) {
    for _ in 0..50 {
        if office.figure("burgess_outbox_pending").await == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("events wait in the outbox 1 s after the start");
}

/// Each acknowledged action has one outcome; each intent has one; ids and numbers are unique.
fn told_once(office: &Office, events: &[Value], acknowledged: &BTreeSet<String>) {
    let id = |event: &Value| event["event_id"].as_str().unwrap().to_owned();
    let ids: BTreeSet<String> = events.iter().map(id).collect();
    assert_eq!(ids.len(), events.len(), "no event is there twice");
    let numbers: BTreeSet<(String, u64)> = events
        .iter()
        .map(|it| (it["app_id"].to_string(), it["sequence"].as_u64().unwrap()))
        .collect();
    assert_eq!(
        numbers.len(),
        events.len(),
        "no number of an app is there twice"
    );
    for (app, number) in &numbers {
        assert!(
            *number == 1 || numbers.contains(&(app.clone(), number - 1)),
            "{app} has no event {}",
            number - 1
        );
    }
    let intents: Vec<String> = ids
        .iter()
        .filter_map(|id| id.strip_suffix("_intent").map(str::to_owned))
        .collect();
    assert!(
        intents.iter().all(|id| ids.contains(id)),
        "each intent has its outcome, also those that the kill interrupted"
    );
    for name in acknowledged {
        let about = |event: &&Value| {
            let resource = event["resource_id"].as_str().unwrap();
            resource == name || resource == format!("crm/customers/{name}")
        };
        let outcomes: Vec<&Value> = events
            .iter()
            .filter(about)
            .filter(|event| !id(event).ends_with("_intent"))
            .collect();
        assert_eq!(outcomes.len(), 1, "{name}: {outcomes:?}");
        assert_eq!(outcomes[0]["outcome"], "success", "{name}");
    }
    let reached = office.crm.seen().len();
    assert!(
        reached <= intents.len(),
        "{reached} requests at the customer system, {} intents",
        intents.len()
    );
}

// R8
#[tokio::test(flavor = "multi_thread")]
async fn with_a_full_ledger_governed_actions_are_refused_and_reading_goes_on() {
    let mut office = Office::open().await;
    let it = sample::own();
    let app = it.app();
    let (_, production) = walk::whole_way(&office, &it, &sample::charter(&it)).await;
    let (console, gateway) = (
        office.running.console.to_string(),
        office.running.gateway.to_string(),
    );
    let access = office.access(&production, "crm").await;
    office.running.stop();
    let ledger = office.house.ledger();
    let stored = largest_file(&ledger.join("tile/entries")) + largest_file(&ledger.join("side"));
    office.house.configure(
        office.crm.address,
        &format!("ledger_bytes_max = {}", stored + 20_000),
    );
    office.running = office.house.start_at(&console, &gateway);
    let mut last = office.call(&access, "GET", "/customers", None).await;
    for _ in 0..400 {
        if last.status != 200 {
            break;
        }
        last = office.call(&access, "GET", "/customers", None).await;
    }
    assert_eq!(
        (last.status, last.code().as_str()),
        (503, "LEDGER_UNAVAILABLE"),
        "{}",
        last.text()
    );
    let reached = office.crm.seen().len();
    let again = office.call(&access, "GET", "/customers", None).await;
    assert_eq!(
        (again.status, office.crm.seen().len()),
        (503, reached),
        "nothing happens that could not be proved"
    );
    let state = json!({ "reason": "the ledger is full" });
    let changed = office
        .post("priya", &format!("/api/v1/apps/{app}/quarantine"), &state)
        .await;
    assert_eq!(
        (changed.status, changed.code().as_str()),
        (503, "LEDGER_UNAVAILABLE"),
        "{}",
        changed.text()
    );
    let read = office
        .get("ana", &format!("/api/v1/apps/{app}"))
        .await
        .expect(200);
    assert_eq!(read["app"]["state"], "production");
    // Closed values are read on, whether or not the reading itself still fits.
    let target = format!("/api/v1/events?app={app}");
    let found = office.get("sam", &target).await.expect(200);
    assert!(!found["items"].as_array().unwrap().is_empty());
    let ready = client::send(office.running.console, "GET", "/readyz", None, None).await;
    assert_eq!(
        (ready.status, ready.json()["ledger_writable"].clone()),
        (503, json!(false))
    );
}

/// The newest bundle holds all entries while there are fewer than 256.
fn largest_file(path: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
    let sizes = entries.map(|entry| {
        let meta = entry.metadata().unwrap();
        if meta.is_dir() {
            largest_file(&entry.path())
        } else {
            meta.len()
        }
    });
    sizes.max().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_the_same_folder_refuses_to_start() {
    let office = Office::open().await;
    let answer = office
        .house
        .verb("up")
        .args(["--listen", "127.0.0.1:0", "--gateway", "127.0.0.1:0"])
        .output()
        .unwrap();
    assert_eq!(answer.status.code(), Some(2), "{}", said(&answer));
    assert!(
        said(&answer).contains(
            "is in use by another server: stop it, or start this one with another --data folder"
        ),
        "{}",
        said(&answer)
    );
    office.get("ana", "/api/v1/apps").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_foreign_and_unsigned_access_tokens_open_nothing() {
    let mut office = Office::open().await;
    let it = sample::own();
    let (sandbox, production) = walk::whole_way(&office, &it, &sample::charter(&it)).await;
    let good = office.access(&production, "crm").await;
    let parts: Vec<&str> = good.strip_prefix("Bearer ").unwrap().split('.').collect();
    let encode =
        |value: &Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
    let none = encode(&json!({ "alg": "none", "typ": "at+jwt" }));
    let symmetric = encode(&json!({ "alg": "HS256", "typ": "at+jwt" }));
    let other = office.access(&sandbox, "crm").await;
    let other: Vec<&str> = other.split('.').collect();
    let before = office.crm.seen().len();
    for (what, access) in [
        (
            "for another audience",
            office.access(&production, "burgess").await,
        ),
        ("unsigned", format!("Bearer {none}.{}.", parts[1])),
        (
            "unsigned, with a signature",
            format!("Bearer {none}.{}.{}", parts[1], parts[2]),
        ),
        (
            "another algorithm",
            format!("Bearer {symmetric}.{}.{}", parts[1], parts[2]),
        ),
        (
            "another's claims",
            format!("Bearer {}.{}.{}", parts[0], other[1], parts[2]),
        ),
        ("no signature", format!("Bearer {}.{}.", parts[0], parts[1])),
        (
            "the client's secret",
            format!("Bearer {}", production.secret),
        ),
        ("nothing", "Bearer ".to_owned()),
        ("a session of a person", office.session("priya")),
    ] {
        let answer = office.call(&access, "GET", "/customers", None).await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.text());
        assert!(
            answer.code().starts_with("CREDENTIAL_"),
            "{what}: {}",
            answer.text()
        );
    }
    let mut guessed = production.clone();
    guessed.secret.pop();
    assert_eq!(office.exchange(&guessed, "crm", "").await.status, 401);
    assert_eq!(
        office.crm.seen().len(),
        before,
        "nothing reached the customer system"
    );
    office
        .call(&good, "GET", "/customers", None)
        .await
        .expect(200);
    let (console, gateway) = (
        office.running.console.to_string(),
        office.running.gateway.to_string(),
    );
    office.running.stop();
    office.running = office.house.start_at(&console, &gateway);
    let told = office.all_events("outcome=blocked&actor=anonymous").await;
    assert!(
        !told.is_empty() && told.len() < 9,
        "refusals are told together, by reason: {told:?}"
    );
}

// R32
#[tokio::test(flavor = "multi_thread")]
async fn of_two_reviewers_who_decide_at_once_one_wins_and_the_other_is_told() {
    let office = Office::open().await;
    for round in 0..3 {
        let it = sample::Sample {
            name: format!("race-{round}"),
            ..sample::own()
        };
        let request = walk::submit(&office, &it, &sample::charter(&it), README)
            .await
            .expect(201);
        let (one, two) = tokio::join!(
            walk::decide(&office, "priya", &request, "reviewer"),
            walk::decide(&office, "pat", &request, "reviewer")
        );
        let mut statuses = [one.status, two.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409], "{} {}", one.text(), two.text());
        let target = format!("/api/v1/requests/{}", request["id"].as_str().unwrap());
        let now = office.get("ana", &target).await.expect(200);
        assert_eq!(now["decisions"].as_array().unwrap().len(), 1, "{now}");
    }
}
