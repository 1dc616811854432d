//! The same journey with one control removed: it stops at that control's gate, which names it.

use serde_json::json;

use crate::client;
use crate::office::Office;
use crate::sample::{self, README, Sample, published_event};
use crate::walk;

/// Our own sample under another name, so that each journey is an app of its own.
fn named(name: &str) -> Sample {
    Sample {
        name: name.to_owned(),
        ..sample::own()
    }
}

fn without(text: &str, part: &str) -> String {
    assert!(text.contains(part), "{part}");
    text.replacen(part, "", 1)
}

// R34 R35 R36 R42
#[tokio::test(flavor = "multi_thread")]
async fn each_control_removed_stops_at_intake_and_is_named() {
    let office = Office::open().await;
    let sample = named("intake");
    let whole = sample::charter(&sample);
    let retention = "[retention]\nlabel = \"sales-3y\"\ndays = 1095\n";
    let agent = "\n[capabilities]\nagent = true\n";
    for (charter, control) in [
        (
            without(&whole, "owner = \"olu@example.com\"\n"),
            "app.owner",
        ),
        (
            without(&whole, "second_owner = \"mei@example.com\"\n"),
            "app.second_owner",
        ),
        (
            without(&whole, "remediation_sla = \"5d\"\n"),
            "support.remediation_sla",
        ),
        (without(&whole, retention), "retention.label"),
        (format!("{whole}{agent}"), "capabilities.justification"),
        (
            whole
                .replace("name = \"quote\"", "name = \"salaries\"")
                .replace("data = \"quote\"", "data = \"salaries\""),
            "data.salaries",
        ),
    ] {
        let answer = walk::submit(&office, &sample, &charter, README).await;
        assert_eq!(answer.status, 422, "{control}: {}", answer.text());
        assert_eq!(answer.unmet(), [control], "{}", answer.text());
    }
    let none = office.get("dana", "/api/v1/apps").await.expect(200);
    assert_eq!(none["items"], json!([]), "nothing was taken");
    walk::submit(&office, &sample, &whole, README)
        .await
        .expect(201);
}

/// Asks for promotion, which must be refused for exactly these controls.
async fn stops(office: &Office, who: &str, sample: &Sample, environment: &str, controls: &[&str]) {
    let answer = office.promote(who, &sample.app(), environment).await;
    assert!(
        [403, 409].contains(&answer.status),
        "{}: {}",
        sample.name,
        answer.text()
    );
    assert_eq!(
        answer.unmet(),
        controls,
        "{}: {}",
        sample.name,
        answer.text()
    );
    office.settled().await;
    let audited = office
        .events(&format!("app={}&outcome=blocked", sample.app()))
        .await;
    assert!(
        !audited.is_empty(),
        "{}: the refusal is on the trail",
        sample.name
    );
}

/// Handed in and approved by everybody whose turn it is.
async fn approved(office: &Office, sample: &Sample, charter: &str, readme: &str) {
    let request = walk::submit(office, sample, charter, readme)
        .await
        .expect(201);
    walk::approve(office, &request).await;
}

// R1 R40 R93 R151 R152
#[tokio::test(flavor = "multi_thread")]
async fn each_control_removed_stops_before_the_sandbox() {
    let office = Office::open().await;
    let it = named("no-approval");
    walk::submit(&office, &it, &sample::charter(&it), README)
        .await
        .expect(201);
    stops(
        &office,
        "dana",
        &it,
        "sandbox",
        &["no-approval-no-deployment"],
    )
    .await;
    let target = format!("/api/v1/apps/{}/credentials", it.app());
    let issued = office
        .post("dana", &target, &json!({ "environment": "production" }))
        .await;
    assert_eq!(
        (issued.status, issued.unmet()),
        (403, vec!["no-approval-no-deployment".to_owned()])
    );

    let it = Sample {
        bytes: String::from_utf8(named("x").bytes)
            .unwrap()
            .replace("\"typeVersion\":3", &key_inline())
            .into_bytes(),
        ..named("secret-inline")
    };
    approved(&office, &it, &sample::charter(&it), README).await;
    stops(&office, "dana", &it, "sandbox", &["no-secrets"]).await;

    let it = named("unpinned").with_file("requirements.txt", "requests\n");
    approved(&office, &it, &sample::charter(&it), README).await;
    stops(
        &office,
        "dana",
        &it,
        "sandbox",
        &["not-vulnerable", "pinned"],
    )
    .await;

    let it = named("excess-scope");
    let charter = sample::charter(&it).replace(
        "\"quotes:write\"]",
        "\"quotes:write\", \"customers:purge\"]",
    );
    approved(&office, &it, &charter, README).await;
    stops(&office, "dana", &it, "sandbox", &["scopes"]).await;

    let it = named("forbidden-connector");
    let more = "[[connector]]\nid = \"teams\"\nmethods = [\"POST\"]\nscopes = [\"ChannelMessage.Send\"]\nflows = [{ data = \"customer_record\", direction = \"out\" }]\n\n[limits]";
    approved(
        &office,
        &it,
        &sample::charter(&it).replace("[limits]", more),
        README,
    )
    .await;
    stops(&office, "dana", &it, "sandbox", &["connector"]).await;
}

/// An access key in a parameter; put together here, so that no scanner stumbles over this file.
fn key_inline() -> String {
    format!(
        "\"typeVersion\":3,\"notes\":\"{}{}\"",
        "AKIA", "Q3EGRIDYW7NTX5PC"
    )
}

// R16 R28 R37 R46 R52 R53 R204
#[tokio::test(flavor = "multi_thread")]
async fn each_control_removed_stops_before_staging_and_production() {
    let office = Office::open().await;
    for (name, control) in [
        ("no-heartbeat", "heartbeat"),
        ("no-event", "event-emitter"),
        ("no-test", "tests"),
        ("no-section", "readme"),
    ] {
        let it = named(name);
        let section = "## Data flows\n\n- The app reads one customer from the customer system and posts one quote to it.\n\n";
        let readme = if name == "no-section" {
            without(README, section)
        } else {
            README.to_owned()
        };
        approved(&office, &it, &sample::charter(&it), &readme).await;
        let credential = walk::to_sandbox(&office, &it.app()).await;
        if name != "no-heartbeat" {
            walk::heartbeat(&office, &credential).await;
        }
        if name != "no-event" {
            walk::event(&office, &credential, &published_event()).await;
        }
        walk::passed(&office, &it.app(), "TC-1").await;
        if name != "no-test" {
            walk::passed(&office, &it.app(), "TC-2").await;
        }
        stops(&office, "dana", &it, "staging", &[control]).await;
    }
    let it = named("no-sponsor");
    let request = walk::submit(&office, &it, &sample::charter(&it), README)
        .await
        .expect(201);
    walk::decide(&office, "priya", &request, "reviewer")
        .await
        .expect(200);
    ready(&office, &it).await;
    let answer = office.promote("dana", &it.app(), "staging").await;
    assert_eq!(
        (answer.status, answer.unmet()),
        (409, vec!["within-approval".to_owned()]),
        "{}",
        answer.text()
    );
    let answer = office.promote("sam", &it.app(), "production").await;
    assert!(
        answer.unmet().contains(&"sponsor-decision".to_owned()),
        "{}",
        answer.text()
    );
    let other = walk::decide(&office, "pat", &request, "sponsor").await;
    assert_eq!(
        other.status,
        403,
        "only the sponsor decides for the sponsor: {}",
        other.text()
    );

    let it = named("staging-skipped");
    approved(&office, &it, &sample::charter(&it), README).await;
    ready(&office, &it).await;
    stops(&office, "sam", &it, "production", &["environment-order"]).await;
}

/// Live in the sandbox with everything that staging asks of the app itself.
async fn ready(office: &Office, sample: &Sample) {
    let credential = walk::to_sandbox(office, &sample.app()).await;
    walk::heartbeat(office, &credential).await;
    walk::event(office, &credential, &published_event()).await;
    for case in ["TC-1", "TC-2"] {
        walk::passed(office, &sample.app(), case).await;
    }
}

// R5 R50
#[tokio::test(flavor = "multi_thread")]
async fn a_scope_that_the_charter_does_not_declare_is_neither_granted_nor_usable() {
    let office = Office::open().await;
    let it = named("narrow");
    let charter = sample::charter(&it).replace(
        "[\"customers:read\", \"quotes:write\"]",
        "[\"customers:read\"]",
    );
    let (_, production) = walk::whole_way(&office, &it, &charter).await;
    let asked = office
        .exchange(&production, "crm", "crm/quotes:write")
        .await;
    assert_eq!(asked.status, 403, "{}", asked.text());
    assert_eq!(asked.unmet(), ["access-within-scopes"]);
    let access = office.access(&production, "crm").await;
    let before = office.crm.seen().len();
    let answer: client::Answer = office
        .call(
            &access,
            "POST",
            "/quotes",
            Some(json!({ "total_cents": 1 })),
        )
        .await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (403, "SCOPE_MISSING"),
        "{}",
        answer.text()
    );
    assert_eq!(office.crm.seen().len(), before);
}
