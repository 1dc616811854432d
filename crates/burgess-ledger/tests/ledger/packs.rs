//! Case exports: what is shown must be what is proven, and the first event that is not is named.

use crate::auditing::{SALT, hex, receipt, run, text, values};
use crate::support::{ORIGIN, signer};
use burgess_ledger::receipt::field_commitment;
use burgess_ledger::tree::leaf_hash;
use serde_json::{Value, json};

/// A case of one event that shows its actor, and of another whose actor stays closed.
fn case() -> Value {
    let (_folder, open) = receipt(&values());
    let mut closed = open.clone();
    let commitment = field_commitment(&SALT, "actor_id", b"\"dana@example.com\"");
    closed["opened"][0] = json!({"name": "actor_id", "commitment": hex(&commitment)});
    let leaf = base64(open["leaf"].as_str().unwrap());
    let shown = json!({
        "event_id": "evt_1",
        "actor_id": "dana@example.com",
        "request_context": {"method": "GET", "bytes": 1000.0, "path": "/ü"},
        "resource_id": "quote-7",
        "user_agent": "curl/8",
        "error_code": null,
    });
    let mut hidden = shown.clone();
    hidden["actor_id"] = json!("(closed)");
    let event = |shown: &Value, receipt: &Value| {
        json!({
            "shard": ORIGIN, "index": 0, "leaf_hash": hex(&leaf_hash(&leaf)),
            "event": shown, "receipt": receipt,
        })
    };
    let proof = open["proof"].as_str().unwrap();
    json!({
        "schema": "burgess.case/1",
        "case": {"id": "cas_1", "reason": "a question", "made_by": "ana@example.com"},
        "origins": [{"origin": ORIGIN, "checkpoint": proof.split_once("\n\n").unwrap().1}],
        "events": [event(&shown, &open), event(&hidden, &closed)],
    })
}

fn base64(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap()
}

fn verify(case: &Value, more: &[&str]) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("case.json");
    std::fs::write(&file, serde_json::to_vec_pretty(case).unwrap()).unwrap();
    let key = signer().vkey();
    let mut arguments = vec!["pack", text(&file), "--key", &key];
    arguments.extend(more);
    run(&arguments)
}

// R186 R202
#[test]
fn a_case_holds_when_each_event_is_what_its_receipt_proves() {
    let (status, out, complaint) = verify(&case(), &[]);
    assert_eq!((status, complaint.as_str()), (0, ""));
    assert!(
        out.starts_with("the case holds: each of its 2 events is what its receipt proves\n"),
        "{out}"
    );
    assert!(
        out.ends_with("not witnessed, the operator could rewrite history\n"),
        "{out}"
    );
    let (_, out, _) = verify(&case(), &["--format", "json"]);
    let out: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&out["ok"], &out["events"]), (&json!(true), &json!(2)));
    assert_eq!(out["origins"][0]["origin"], ORIGIN);
}

// R124 R202
#[test]
fn a_case_that_shows_something_else_than_was_proven_is_refused_at_that_event() {
    let changes: [(&str, Value, &str); 16] = [
        (
            "/schema",
            json!("burgess.case/2"),
            "case: its `schema` is not",
        ),
        ("/origins", json!({}), "case: it has no list `origins`"),
        (
            "/origins",
            json!([]),
            "event 1 (evt_1): the case has no checkpoint of",
        ),
        (
            "/origins/0/origin",
            json!("other"),
            "case: the checkpoint of `other`: is that of",
        ),
        (
            "/origins/0/checkpoint",
            json!("x"),
            "case: the checkpoint of",
        ),
        (
            "/events/1/index",
            json!(1),
            "event 2 (evt_1): its `index` is not 0",
        ),
        (
            "/events/1/shard",
            json!("other"),
            "event 2 (evt_1): its `shard` is not",
        ),
        (
            "/events/0/leaf_hash",
            json!("00"),
            "event 1 (evt_1): its `leaf_hash` is not",
        ),
        ("/events/0/receipt", Value::Null, "event 1 (evt_1): "),
        (
            "/events/0/event",
            Value::Null,
            "event 1 (without an id): it shows no event",
        ),
        (
            "/events/0/event/event_id",
            json!("evt_2"),
            "event 1 (evt_2): its `event_id` is not what",
        ),
        (
            "/events/0/event/error_code",
            json!("NONE"),
            "event 1 (evt_1): its `error_code` is not what the leaf says",
        ),
        (
            "/events/0/event/actor_id",
            json!("eve@example.com"),
            "event 1 (evt_1): its `actor_id` is not the value that the leaf commits to",
        ),
        (
            "/events/0/event/actor_id",
            json!("(closed)"),
            "event 1 (evt_1): its `actor_id` is not the value",
        ),
        (
            "/events/1/event/actor_id",
            json!("dana@example.com"),
            "event 2 (evt_1): its `actor_id` is shown but not opened",
        ),
        (
            "/events/1/receipt/opened/3/value",
            json!("quote-8"),
            "event 2 (evt_1): the opened values are not those",
        ),
    ];
    for (pointer, value, complaint) in changes {
        let mut changed = case();
        *changed.pointer_mut(pointer).unwrap() = value;
        let (status, _, said) = verify(&changed, &[]);
        assert_eq!(status, 1, "{pointer}");
        assert!(said.contains(complaint), "{pointer}: {said}");
    }
    let mut hiding = case();
    let event = hiding["events"][0]["event"].as_object_mut().unwrap();
    event.remove("event_id");
    let (status, _, said) = verify(&hiding, &[]);
    assert_eq!(status, 1);
    assert!(
        said.contains("it leaves out `event_id`, which the leaf has"),
        "{said}"
    );
}

// R202
#[test]
fn a_receipt_that_opens_nothing_keeps_every_personal_value_closed() {
    let mut case = case();
    for opened in [Value::Null, json!(null)] {
        case["events"][1]["receipt"]["opened"] = opened;
        let event = case["events"][1]["event"].as_object_mut().unwrap();
        for name in ["actor_id", "resource_id"] {
            event.insert(name.to_owned(), json!("(closed)"));
        }
        for name in ["request_context", "user_agent"] {
            event.remove(name);
        }
        assert_eq!(verify(&case, &[]).0, 0);
    }
    case["events"][1]["event"]["user_agent"] = json!("curl/8");
    assert_eq!(verify(&case, &[]).0, 1);
}
