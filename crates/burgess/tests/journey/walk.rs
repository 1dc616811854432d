//! The steps of the journey, one function each; every test walks the same road.

use serde_json::{Value, json};

use crate::client;
use crate::crm::CUSTOMERS;
use crate::office::{Credential, Office};
use crate::sample::{README, Sample, published_event};

/// Hands a request in.
pub async fn submit(
    office: &Office,
    sample: &Sample,
    charter: &str,
    readme: &str,
) -> client::Answer {
    let body = json!({ "charter": charter, "artifact": sample.file(), "readme": readme });
    office.post("dana", "/api/v1/requests", &body).await
}

/// One decision.
pub async fn decide(office: &Office, who: &str, request: &Value, capacity: &str) -> client::Answer {
    let target = format!(
        "/api/v1/requests/{}/decisions",
        request["id"].as_str().unwrap()
    );
    let body = json!({ "capacity": capacity, "verdict": "approve", "comment": "The flows are declared and the connector is cleared." });
    office.post(who, &target, &body).await
}

/// Everybody whose turn it is says yes.
pub async fn approve(office: &Office, request: &Value) -> Value {
    let mut last = decide(office, "priya", request, "reviewer")
        .await
        .expect(200);
    if request["route"]["second_reviewer"] == true {
        let twice = decide(office, "priya", request, "second_reviewer").await;
        assert!(
            twice
                .unmet()
                .contains(&"second-reviewer-is-another".to_owned()),
            "{}",
            twice.text()
        );
        last = decide(office, "pat", request, "second_reviewer")
            .await
            .expect(200);
    }
    assert_eq!(
        last["turns"],
        json!(["sponsor"]),
        "the sponsor has not decided yet: {last}"
    );
    let own = decide(office, "dana", request, "sponsor").await;
    assert!(
        own.unmet().contains(&"nobody-decides-their-own".to_owned()),
        "{}",
        own.text()
    );
    let last = decide(office, "olu", request, "sponsor").await.expect(200);
    assert_eq!(last["state"], "approved", "{last}");
    last
}

/// Into the sandbox, with a credential there.
pub async fn to_sandbox(office: &Office, app: &str) -> Credential {
    office.promote("dana", app, "sandbox").await.expect(201);
    office.credential("dana", app, "sandbox").await
}

/// A sign of life from the sandbox.
pub async fn heartbeat(office: &Office, credential: &Credential) {
    let access = office.access(credential, "burgess").await;
    let answer = client::send(
        office.running.console,
        "POST",
        "/api/v1/heartbeat",
        Some(&access),
        None,
    )
    .await;
    answer.expect(204);
}

/// The published event, as it stands in print; answers what the server put right.
pub async fn event(office: &Office, credential: &Credential, event: &Value) -> Value {
    let access = office.access(credential, "burgess").await;
    let answer = client::send(
        office.running.console,
        "POST",
        "/api/v1/events",
        Some(&access),
        client::json(event),
    )
    .await;
    answer.expect(201)["accepted"][0].clone()
}

/// A passed result for a test case.
pub async fn passed(office: &Office, app: &str, case: &str) {
    let body = json!({ "case": case, "passed": true, "note": "tried by hand" });
    office
        .post("dana", &format!("/api/v1/apps/{app}/tests"), &body)
        .await
        .expect(204);
}

/// What the gate into `environment` still asks for.
pub async fn unmet(office: &Office, app: &str, environment: &str) -> Vec<String> {
    let answer = office
        .get("dana", &format!("/api/v1/apps/{app}/gate/{environment}"))
        .await;
    answer.expect(200);
    answer.unmet()
}

/// From the approval to production; answers the sandbox's and production's credentials.
pub async fn to_production(office: &Office, app: &str) -> (Credential, Credential) {
    let sandbox = to_sandbox(office, app).await;
    let early = office.promote("dana", app, "staging").await;
    assert_eq!(early.status, 409, "{}", early.text());
    for control in ["heartbeat", "event-emitter", "tests"] {
        assert!(
            early.unmet().contains(&control.to_owned()),
            "{control}: {}",
            early.text()
        );
    }
    heartbeat(office, &sandbox).await;
    event(office, &sandbox, &published_event()).await;
    for case in ["TC-1", "TC-2"] {
        passed(office, app, case).await;
    }
    assert_eq!(unmet(office, app, "staging").await, Vec::<String>::new());
    office.promote("dana", app, "staging").await.expect(201);
    for who in ["dana", "olu", "priya", "alex", "ana"] {
        assert_eq!(
            office.promote(who, app, "production").await.status,
            403,
            "{who} does not promote to production"
        );
        let back = office
            .post(
                who,
                &format!("/api/v1/apps/{app}/rollback"),
                &json!({ "environment": "staging" }),
            )
            .await;
        assert_eq!(back.status, 403, "{who} does not roll back");
    }
    let live = office.promote("sam", app, "production").await.expect(201);
    assert_eq!(live["environment"], "production");
    (sandbox, office.credential("dana", app, "production").await)
}

/// Up to production with nothing missing.
pub async fn whole_way(
    office: &Office,
    sample: &Sample,
    charter: &str,
) -> (Credential, Credential) {
    let request = submit(office, sample, charter, README).await.expect(201);
    approve(office, &request).await;
    to_production(office, &sample.app()).await
}

/// What the app does in production: reads, writes, and two attempts to carry personal data out.
pub async fn use_customer_system(office: &Office, credential: &Credential) {
    let access = office.access(credential, "crm").await;
    office
        .call(&access, "GET", "/customers?limit=3", None)
        .await
        .expect(200);
    let one = office
        .call(&access, "GET", "/customers/cust-1001", None)
        .await
        .expect(200);
    assert_eq!(one["email"], CUSTOMERS[0].1, "a declared flow passes");
    office
        .call(
            &access,
            "POST",
            "/quotes",
            Some(json!({ "customer": "cust-1001", "total_cents": 39_800 })),
        )
        .await
        .expect(201);
    let export = office.call(&access, "GET", "/customers/export", None).await;
    refused_plainly(&export);
    let leak = json!({ "note": "for the mailing list", "email": LEAKED.0, "iban": LEAKED.1 });
    refused_plainly(&office.call(&access, "POST", "/quotes", Some(leak)).await);
    let undeclared = office
        .call(&access, "DELETE", "/customers/cust-1001", None)
        .await;
    assert_eq!(
        (undeclared.status, undeclared.code().as_str()),
        (403, "POLICY_METHOD_UNDECLARED")
    );
}

/// Personal values that an app tries to send out; they are nowhere else.
pub const LEAKED: (&str, &str) = ("farid.fabre@mail.example", "NL91ABNA0417164300");

/// A block that a person understands and that holds no byte of what was blocked.
fn refused_plainly(answer: &client::Answer) {
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert!(answer.code().starts_with("DLP_BLOCK_"), "{}", answer.text());
    let said = answer.json();
    let sentence = said["detail"].as_str().unwrap();
    assert!(
        sentence.contains(' ') && sentence.contains("crm"),
        "{sentence}"
    );
    assert!(
        said["event_id"].as_str().unwrap().starts_with("evt_"),
        "{said}"
    );
    let text = answer.text();
    for value in CUSTOMERS
        .iter()
        .flat_map(|row| [row.1, row.2])
        .chain([LEAKED.0, LEAKED.1])
    {
        assert!(!text.contains(value), "{value} in {text}");
    }
}
