//! OCSF: the mapping for reading, and the validator that nobody here wrote.
#![expect(
    clippy::disallowed_methods,
    reason = "a golden test asks the environment whether to write"
)]

use std::fmt::Write as _;

use burgess_core::audit::{ActionType, Event, Outcome};
use burgess_core::data::Classification;
use burgess_trail::export::ocsf::{self, of};
use serde_json::Value;

use crate::events::{self, CLASSES, Dice, event, kinds, row};
use crate::python;

/// Random events of the long run.
const MANY: u64 = 100_000;
const SEED: u64 = 20_260_118;

fn validated(feed: impl FnOnce(&mut dyn std::io::Write) + Send) -> Option<Result<Value, String>> {
    let python = python::with("ocsf_json_schema, jsonschema_rs")?;
    Some(python::run(&python, "ocsf_validate.py", feed))
}

#[test]
fn every_kind_with_every_outcome_and_classification_is_valid_ocsf() {
    let rows = events::all();
    let count = rows.len();
    let said = validated(|out| {
        for row in rows {
            out.write_all(ocsf::row(&row).unwrap().as_bytes()).unwrap();
        }
    });
    let Some(said) = said else { return };
    let said = said.unwrap();
    assert_eq!(said["events"], count);
    assert_eq!(
        said["classes"].to_string(),
        "[2006,3001,3003,3004,3005,6003]"
    );
}

#[test]
fn a_hundred_thousand_random_events_are_valid_ocsf() {
    let said = validated(|out| {
        let mut dice = Dice(SEED);
        for index in 0..MANY {
            let row = row(index, dice.event());
            out.write_all(ocsf::row(&row).unwrap().as_bytes()).unwrap();
        }
    });
    let Some(said) = said else { return };
    assert_eq!(said.unwrap()["events"], MANY);
}

#[test]
fn the_validator_is_awake() {
    let object = ocsf::object(&events::all()[0]);
    let mut broken = Vec::new();
    for (key, value) in [
        ("severity_id", Value::from("high")),
        ("activity_id", Value::from(77)),
        ("invented", Value::from(1)),
    ] {
        let mut one = object.clone();
        one[key] = value;
        broken.push((key, one));
    }
    let mut without = object;
    without.as_object_mut().unwrap().remove("metadata").unwrap();
    broken.push(("metadata", without));
    for (key, one) in broken {
        let said = validated(|out| writeln!(out, "{one}").unwrap());
        let Some(said) = said else { return };
        let complaint = said.unwrap_err();
        assert!(complaint.contains(key), "{key}: {complaint}");
    }
}

#[test]
fn origin_index_and_leaf_hash_go_along_and_the_event_keeps_its_id() {
    let mut dice = Dice(1);
    for index in 0..200 {
        let row = row(index, dice.event());
        let object = ocsf::object(&row);
        assert_eq!(object["metadata"]["uid"], row.event.event_id.as_str());
        assert_eq!(object["metadata"]["sequence"], row.sequence);
        assert_eq!(object["unmapped"]["origin"], row.shard);
        assert_eq!(object["unmapped"]["index"], row.index);
        assert_eq!(object["unmapped"]["leaf_hash"], row.leaf_hash.to_string());
        assert_eq!(object["observables"][0]["value"], row.leaf_hash.to_string());
        let message = object["message"].as_str().unwrap();
        assert!(
            !message.contains(&row.event.actor_id),
            "the sentence is open to everyone"
        );
    }
}

#[test]
fn what_the_server_does_to_its_own_records_is_entity_management_and_reading_is_api_activity() {
    let records = [
        ("erasure", ActionType::Create, 1),
        ("erasure", ActionType::Delete, 4),
        ("ledger_entries", ActionType::Delete, 4),
        ("ledger_recovery", ActionType::Update, 3),
        ("ledger_shard", ActionType::Update, 3),
        ("retention_policy", ActionType::Update, 3),
        ("test_result", ActionType::Create, 1),
    ];
    let calls = [
        ("event", ActionType::Read, 2),
        ("receipt", ActionType::Read, 2),
        ("heartbeat", ActionType::Execute, 99),
        ("customer_record", ActionType::Update, 3),
    ];
    let records = records.map(|it| (3004, it));
    let calls = calls.map(|it| (6003, it));
    for (class, (kind, action, activity)) in records.into_iter().chain(calls) {
        let it = of(&event(kind, action, Outcome::Success, CLASSES[0]));
        assert_eq!((it.class.uid(), it.activity.0), (class, activity), "{kind}");
    }
}

#[test]
fn every_kind_has_one_place() {
    let kinds = kinds();
    let once: std::collections::BTreeSet<&str> = kinds.iter().copied().collect();
    assert_eq!(once.len(), kinds.len());
}

#[test]
fn the_mapping_is_the_one_that_is_written_down() {
    let mut text = "How an event of the trail appears in OCSF 1.8.0. Two tables: what was done to what decides class\nand activity; how it ended and how sensitive it is decides the rest.\n\n".to_owned();
    text.push_str("1. Class and activity\n\nresource             create                    read                      update                    delete                    execute                   export\n");
    for kind in kinds() {
        let class = |action| of(&event(kind, action, Outcome::Success, CLASSES[0]));
        let cells: Vec<String> = ActionType::ALL
            .iter()
            .map(|action| {
                let it = class(*action);
                format!(
                    "{} {:2} {:15}",
                    it.class.uid(),
                    it.activity.0,
                    it.activity.1
                )
            })
            .collect();
        writeln!(text, "{:20} {}", kind, cells.join(" ").trim_end()).unwrap();
    }
    text.push_str("\nA state that is reached says more than the verb (records of class 3004)\n\n");
    for state in [
        "live",
        "in_force",
        "ended",
        "retired",
        "quarantined",
        "voided",
        "revoked",
    ] {
        let moved = Event {
            next_state: Some(state.to_owned()),
            ..event("app", ActionType::Update, Outcome::Success, CLASSES[0])
        };
        let (number, name) = of(&moved).activity;
        writeln!(text, "{state:20} 3004 {number:2} {name}").unwrap();
    }
    let stopped = Event {
        error_code: Some("DLP_BLOCK_PII".to_owned()),
        ..event(
            "customer_record",
            ActionType::Export,
            Outcome::Blocked,
            Classification::Pii,
        )
    };
    let (class, (number, name)) = (of(&stopped).class, of(&stopped).activity);
    writeln!(text, "\nBlocked with a code that begins with DLP_, whatever the resource: {} {number} {name} ({})", class.uid(), class.name()).unwrap();
    text.push_str("\n2. Severity, status, action, disposition\n\noutcome  classification  severity         status     action     disposition\n");
    for outcome in Outcome::ALL {
        for class in CLASSES {
            let it = of(&event("app", ActionType::Read, outcome, class));
            let cell = |(number, name): (u32, &str)| format!("{number} {name}");
            writeln!(
                text,
                "{:8} {:15} {:16} {:10} {:10} {}",
                outcome.as_str(),
                class.as_str(),
                cell(it.severity),
                cell(it.status),
                cell(it.action),
                cell(it.disposition)
            )
            .unwrap();
        }
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/ocsf.txt");
    if std::env::var("BURGESS_UPDATE_GOLDEN").as_deref() == Ok("1") {
        std::fs::write(&path, &text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        text, golden,
        "cargo xtask golden burgess-trail, then read the diff"
    );
}
