//! The event as submitted: the published sample, its fields, and what is refused.

use std::process::Command;

use burgess_core::app::Environment;
use burgess_core::audit::{
    BATCH_EVENTS_MAX, EVENT_SCHEMA, EventErrors, Known, Outcome, Place, REQUEST_CONTEXT_BYTES_MAX,
    SUBMITTED_KEYS, SubmittedEvent,
};
use burgess_core::data::Classification;
use burgess_core::id::AppId;
use serde_json::{Value, json};

/// The sample of the handbook, character for character.
const SAMPLE: &str = r#"{
"event_id": "evt_20260118_0001",
"timestamp": "2026-01-18T14:22:30Z",
"actor_id": "user-1234",
"actor_role": "citizen_developer",
"app_id": "microapp-sales-quoting",
"version": "1.2.0",
"environment": "production",
"action_type": "export",
"resource_type": "customer_record",
"resource_id": "cust-9876",
"data_classification": "PII",
"outcome": "blocked",
"error_code": "DLP_BLOCK_42",
"ip_address": "198.51.100.22",
"user_agent": "CoworkAgent/1.0",
"risk_score_at_time": 78,
"approval_id": "apr_20260110_55"
}"#;

fn sample() -> Value {
    let mut sample: Value = serde_json::from_str(SAMPLE).unwrap();
    sample["request_context"] = json!({ "path": "/export", "rows": 12 });
    sample
}

fn parse(value: &Value) -> Result<SubmittedEvent, EventErrors> {
    SubmittedEvent::parse(value.to_string().as_bytes())
}

fn with(key: &str, value: Value) -> Value {
    let mut event = sample();
    event[key] = value;
    event
}

fn without(key: &str) -> Value {
    let mut event = sample();
    event.as_object_mut().unwrap().remove(key);
    event
}

#[test]
fn the_event_among_the_examples_is_accepted() {
    let example = include_bytes!("../../../examples/event.json");
    assert!(SubmittedEvent::parse(example).is_ok());
}

// R123
#[test]
fn the_published_sample_is_accepted_verbatim() {
    let event = SubmittedEvent::parse(SAMPLE.as_bytes()).unwrap();
    assert_eq!(event.event_id.as_str(), "evt_20260118_0001");
    assert_eq!(event.timestamp.to_string(), "2026-01-18T14:22:30Z");
    assert_eq!(event.environment, Place::Production);
    assert_eq!(event.data_classification, Classification::Pii);
    assert_eq!(event.outcome, Outcome::Blocked);
    assert_eq!(event.error_code.as_deref(), Some("DLP_BLOCK_42"));
    assert_eq!(event.risk_score_at_time, 78);
    assert_eq!(event.request_context, None);
}

/// Each wrong value is refused at its own place, and so is the key's absence where it is required.
fn field(key: &str, required: bool, wrong: &[Value]) {
    assert!(parse(&sample()).is_ok());
    for value in wrong.iter().chain([&Value::Null]) {
        let EventErrors(errors) = parse(&with(key, value.clone())).unwrap_err();
        let place = format!("/{key}");
        assert!(
            errors.iter().any(|e| e.pointer == place),
            "{key} = {value}: {errors:?}"
        );
    }
    match (required, parse(&without(key))) {
        (false, answer) => assert!(answer.is_ok(), "{key}: {answer:?}"),
        (true, answer) => {
            let EventErrors(errors) = answer.unwrap_err();
            assert_eq!(errors.len(), 1, "{errors:?}");
            assert_eq!(errors[0].pointer, format!("/{key}"));
            assert!(!errors[0].expected.is_empty() && errors[0].found.is_empty());
        }
    }
}

fn long(length: usize) -> Value {
    Value::String("x".repeat(length))
}

// R105
#[test]
fn an_event_needs_its_id() {
    field(
        "event_id",
        true,
        &[json!("20260118"), json!("evt_"), json!("apr_1"), json!(1)],
    );
}

// R106
#[test]
fn an_event_needs_its_time_in_utc() {
    let wrong = [
        json!("2026-01-18T14:22:30"),
        json!("2026-01-18T14:22:30+01:00"),
        json!("2026-02-30T14:22:30Z"),
        json!("2026-01-18 14:22:30Z"),
        json!("2026-01-18T14:22:60Z"),
        json!(1768746150),
    ];
    field("timestamp", true, &wrong);
    assert!(parse(&with("timestamp", json!("2026-01-18T14:22:30.123456Z"))).is_ok());
}

// R107
#[test]
fn an_event_needs_its_actor() {
    field(
        "actor_id",
        true,
        &[json!(""), json!("a\nb"), long(257), json!(7)],
    );
}

// R108
#[test]
fn an_event_needs_the_actors_role() {
    field(
        "actor_role",
        true,
        &[json!("Citizen Developer"), json!(""), long(65)],
    );
}

// R109
#[test]
fn an_event_needs_its_app() {
    field(
        "app_id",
        true,
        &[json!("Sales"), json!("a"), json!("ends-")],
    );
}

// R110
#[test]
fn an_event_needs_the_apps_version() {
    field(
        "version",
        true,
        &[json!(""), json!("1 2"), json!(1.2), long(65)],
    );
}

// R111
#[test]
fn an_event_needs_its_environment() {
    field(
        "environment",
        true,
        &[json!("prod"), json!("Production"), json!("")],
    );
}

// R112
#[test]
fn an_event_needs_one_of_the_six_action_types() {
    field(
        "action_type",
        true,
        &[json!("download"), json!("Export"), json!(["read"])],
    );
    for action in ["create", "read", "update", "delete", "execute", "export"] {
        assert!(
            parse(&with("action_type", json!(action))).is_ok(),
            "{action}"
        );
    }
}

// R113
#[test]
fn an_event_needs_its_kind_of_resource() {
    field(
        "resource_type",
        true,
        &[json!("Customer Record"), json!(""), long(65)],
    );
}

// R114
#[test]
fn an_event_needs_its_resource() {
    field(
        "resource_id",
        true,
        &[json!(""), json!("a\u{0}b"), long(257), json!({})],
    );
}

// R115
#[test]
fn an_event_needs_its_classification_read_without_regard_to_case() {
    field(
        "data_classification",
        true,
        &[json!("secret"), json!(""), json!("PII ")],
    );
    for class in [
        "PII",
        "pii",
        "Phi",
        "NONE",
        "public",
        "Internal",
        "sensitive",
    ] {
        assert!(
            parse(&with("data_classification", json!(class))).is_ok(),
            "{class}"
        );
    }
}

// R116
#[test]
fn an_event_needs_one_of_the_three_outcomes() {
    field(
        "outcome",
        true,
        &[json!("denied"), json!("Success"), json!(true)],
    );
}

// R117
#[test]
fn an_error_code_is_there_exactly_when_the_outcome_is_not_success() {
    field(
        "error_code",
        true,
        &[json!("dlp block"), json!(""), json!(42), long(65)],
    );
    for outcome in ["failure", "blocked"] {
        let mut event = without("error_code");
        event["outcome"] = json!(outcome);
        assert!(parse(&event).is_err(), "{outcome}");
    }
    assert!(parse(&with("outcome", json!("success"))).is_err());
    let mut event = without("error_code");
    event["outcome"] = json!("success");
    assert!(parse(&event).is_ok());
}

// R118
#[test]
fn an_address_is_an_ip_address() {
    field(
        "ip_address",
        false,
        &[json!("localhost"), json!("1.2.3"), json!("198.51.100.022")],
    );
    assert!(parse(&with("ip_address", json!("2001:db8::1"))).is_ok());
}

// R119
#[test]
fn a_user_agent_is_one_line() {
    field(
        "user_agent",
        false,
        &[json!(""), json!("a\r\nb"), long(513)],
    );
}

// R120
#[test]
fn a_request_context_is_an_object_of_bounded_size() {
    let big = json!({ "x": "y".repeat(REQUEST_CONTEXT_BYTES_MAX) });
    let vague = json!({ "id": 9_007_199_254_740_993u64 });
    field(
        "request_context",
        false,
        &[json!("text"), json!([1]), big.clone(), vague],
    );
    let message = parse(&with("request_context", big))
        .unwrap_err()
        .to_string();
    assert!(message.contains("at most 16384 bytes"), "{message}");
}

// R121
#[test]
fn an_event_needs_its_risk_score_between_0_and_100() {
    field(
        "risk_score_at_time",
        true,
        &[json!(101), json!(-1), json!(7.5), json!("78")],
    );
    for score in [json!(0), json!(100), json!(78.0)] {
        assert!(parse(&with("risk_score_at_time", score)).is_ok());
    }
}

// R122
#[test]
fn an_approval_is_named_by_its_id() {
    field(
        "approval_id",
        false,
        &[json!("55"), json!("apr_"), json!(55)],
    );
}

#[test]
fn an_unknown_or_double_key_is_refused_with_the_nearest_spelling() {
    let EventErrors(errors) = parse(&with("actor_rol", json!("x"))).unwrap_err();
    assert_eq!(errors[0].nearest.as_deref(), Some("actor_role"));
    let EventErrors(errors) = parse(&with("outcome", json!("block"))).unwrap_err();
    assert_eq!(errors[0].nearest.as_deref(), Some("blocked"));
    let double = SAMPLE.replace("\"outcome\"", "\"outcome\": \"success\", \"outcome\"");
    let error = SubmittedEvent::parse(double.as_bytes()).unwrap_err();
    assert!(
        error.to_string().contains("`outcome` stands twice"),
        "{error}"
    );
}

#[test]
fn all_errors_of_an_event_are_told_at_once() {
    let EventErrors(errors) = SubmittedEvent::parse(b"{\"colour\": 1}").unwrap_err();
    assert_eq!(errors.len(), 1 + 13, "{errors:?}");
}

#[test]
fn a_batch_is_accepted_whole_or_refused_with_places() {
    let good = json!([sample(), sample()]);
    assert_eq!(
        SubmittedEvent::parse_batch(good.to_string().as_bytes())
            .unwrap()
            .len(),
        2
    );
    assert_eq!(
        SubmittedEvent::parse_batch(SAMPLE.as_bytes())
            .unwrap()
            .len(),
        1
    );
    let bad = json!([sample(), without("outcome")]);
    let EventErrors(errors) = SubmittedEvent::parse_batch(bad.to_string().as_bytes()).unwrap_err();
    assert_eq!(errors[0].pointer, "/1/outcome");
    let many = Value::Array(vec![sample(); BATCH_EVENTS_MAX + 1]);
    assert!(SubmittedEvent::parse_batch(many.to_string().as_bytes()).is_err());
    assert!(SubmittedEvent::parse_batch(b"[]").is_err());
}

#[test]
fn what_the_server_knows_better_overrules_and_is_said() {
    let known = Known {
        app_id: AppId::parse("microapp-other").unwrap(),
        version: Some("1.2.0".to_owned()),
        environment: Some(Environment::Staging.into()),
        risk_score: Some(40),
        approval_id: None,
        ip_address: Some("203.0.113.9".to_owned()),
        user_agent: None,
        source: "store".to_owned(),
        charter_digest: None,
        policy_digest: None,
    };
    let (event, said) = parse(&sample()).unwrap().complete(known);
    let keys: Vec<&str> = said.iter().map(|one| &*one.key).collect();
    assert_eq!(keys, ["app_id", "environment", "risk_score_at_time"]);
    assert_eq!(said[2].submitted, json!(78));
    assert_eq!(event.app_id.as_str(), "microapp-other");
    assert_eq!(event.ip_address.as_deref(), Some("198.51.100.22"));
    assert_eq!(event.approval_id.unwrap().as_str(), "apr_20260110_55");
}

/// The keys that are added at append, which nobody submits.
const ADDED_KEYS: [&str; 9] = [
    "schema",
    "source",
    "source_seq",
    "sequence",
    "charter_digest",
    "policy_digest",
    "decision",
    "previous_state",
    "next_state",
];

/// Events that schema and parser must answer alike.
fn examples() -> Vec<Value> {
    let mut examples = vec![
        sample(),
        serde_json::from_str(SAMPLE).unwrap(),
        json!([]),
        json!(1),
    ];
    for key in SUBMITTED_KEYS {
        examples.push(without(key));
        for value in [
            Value::Null,
            json!(""),
            json!(7),
            json!({}),
            json!("x"),
            json!("Ä"),
            json!("production"),
            json!("success"),
            json!("a\nb"),
            json!("evt_1"),
            json!("apr_1"),
            json!("198.51.100.22"),
            json!("2001:db8::1"),
            json!("2026-01-18T14:22:30.5Z"),
            json!("2026-02-30T14:22:30Z"),
            json!("2026-13-18T14:22:30Z"),
            json!(78.0),
            json!(101),
            long(64),
            long(65),
            long(257),
            long(513),
        ] {
            examples.push(with(key, value));
        }
    }
    examples.push(with("colour", json!("red")));
    for key in ADDED_KEYS {
        for value in [Value::Null, json!("burgess.event/1"), json!(1)] {
            examples.push(with(key, value));
        }
    }
    let mut success = without("error_code");
    success["outcome"] = json!("success");
    examples.push(success);
    examples
}

const VALIDATE: &str = r#"
import json, sys, jsonschema
schema, examples = json.load(sys.stdin)
kind = jsonschema.Draft202012Validator
kind.check_schema(schema)
validator = kind(schema, format_checker=kind.FORMAT_CHECKER)
print(json.dumps([validator.is_valid(example) for example in examples]))
"#;

// R105 R106 R107 R108 R109 R110 R111 R112 R113 R114 R115 R116 R117 R118 R119 R120 R121 R122
#[test]
fn the_published_schema_and_the_parser_accept_the_same_events() {
    let schema: Value = serde_json::from_str(EVENT_SCHEMA).unwrap();
    let keys = schema["properties"].as_object().unwrap();
    let known: Vec<&str> = SUBMITTED_KEYS.into_iter().chain(ADDED_KEYS).collect();
    assert!(known.iter().all(|key| keys.contains_key(*key)) && keys.len() == known.len());
    for (key, value) in keys {
        let added = ADDED_KEYS.contains(&key.as_str());
        assert_eq!(value["readOnly"] == true, added, "{key}");
    }
    let examples = examples();
    let python = std::env::var("BURGESS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let ours: Vec<bool> = examples.iter().map(|one| parse(one).is_ok()).collect();
    let Some(theirs) = validate(&python, &json!([schema, examples])) else {
        let why = "no Python with the package `jsonschema`, set BURGESS_PYTHON";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{why}");
        println!("SKIPPED {why}");
        return;
    };
    for ((example, ours), theirs) in examples.iter().zip(&ours).zip(&theirs) {
        assert_eq!(ours, theirs, "parser, then schema: {example}");
    }
    assert!(ours.iter().filter(|yes| **yes).count() > 20);
}

fn validate(python: &str, input: &Value) -> Option<Vec<bool>> {
    use std::io::Write as _;
    use std::process::Stdio;
    let mut child = Command::new(python)
        .args(["-c", VALIDATE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut stdin = child.stdin.take()?;
    // A Python without the package ends before it reads.
    let _ = stdin.write_all(input.to_string().as_bytes());
    drop(stdin);
    let output = child.wait_with_output().ok()?;
    serde_json::from_slice(&output.stdout).ok()
}
