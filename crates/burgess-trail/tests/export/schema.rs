//! What leaves as JSON is what the published schema of an event says, checked by an outside validator.

use burgess_core::audit::{EVENT_SCHEMA, Event};
use burgess_trail::Row;
use burgess_trail::export::jsonl;
use serde_json::Value;

use crate::events::{self, Dice, row};
use crate::python;

const SEED: u64 = 20_260_119;
/// Random events: every optional key is there and is not, in some thousand ways.
const MANY: u64 = 5_000;

/// The event of a row, as JSON lines and the API have it.
fn event(row: &Row) -> Value {
    let mut line: Value = serde_json::from_str(&jsonl::row(row).unwrap()).unwrap();
    line["event"].take()
}

fn validated(events: impl Iterator<Item = Value> + Send) -> Option<Result<Value, String>> {
    let python = python::with("jsonschema_rs")?;
    let schema: Value = serde_json::from_str(EVENT_SCHEMA).unwrap();
    Some(python::run(&python, "event_validate.py", move |out| {
        for line in std::iter::once(schema).chain(events) {
            // A validator that found enough does not read to the end.
            if writeln!(out, "{line}").is_err() {
                break;
            }
        }
    }))
}

// R199
#[test]
fn an_event_of_any_kind_that_leaves_as_json_is_what_the_published_schema_says() {
    let mut dice = Dice(SEED);
    let mut rows = events::all();
    rows.extend((0..MANY).map(|index| row(index, dice.event())));
    // Many refusals of a network are one event.
    for network in ["192.0.2.0/24", "2001:db8::/48"] {
        let mut many = rows[0].clone();
        many.event.ip_address = Some(network.to_owned());
        rows.push(many);
    }
    let count = rows.len();
    let Some(said) = validated(rows.iter().map(event)) else {
        return;
    };
    assert_eq!(said.unwrap()["events"], count);
}

#[test]
fn the_schema_tells_a_broken_event() {
    let sound = row(0, Dice(1).event());
    let blocked = Row {
        event: Event {
            outcome: burgess_core::audit::Outcome::Blocked,
            error_code: None,
            ..sound.event.clone()
        },
        ..sound.clone()
    };
    let mut broken = vec![event(&blocked)];
    for (key, value) in [
        ("sequence", Value::from(0)),
        ("source", Value::Null),
        ("charter_digest", Value::from("abc")),
        ("ip_address", Value::from("somewhere")),
        ("decision", Value::from("allow")),
        ("invented", Value::from(1)),
    ] {
        let mut one = event(&sound);
        one[key] = value;
        broken.push(one);
    }
    for key in ["source_seq", "actor_id", "schema"] {
        let mut one = event(&sound);
        one.as_object_mut().unwrap().remove(key).unwrap();
        broken.push(one);
    }
    for one in broken {
        let shown = one.to_string();
        let Some(said) = validated(std::iter::once(one)) else {
            return;
        };
        assert!(said.is_err(), "{shown}");
    }
}
