//! Syslog, read by a parser that others wrote.

use burgess_core::audit::{ActionType, Event, Outcome};
use burgess_core::data::Classification;
use burgess_core::time::Timestamp;
use burgess_ledger::{Checkpoint, NoteSigner};
use burgess_trail::export::syslog;
use serde_json::Value;

use crate::events::{Dice, event, row};
use crate::python;

fn parsed(messages: &[String]) -> Option<Vec<Value>> {
    let python = python::with("hat.syslog.encoder")?;
    let said = python::run(&python, "syslog_parse.py", |out| {
        for message in messages {
            out.write_all(&syslog::frame(message)).unwrap();
        }
    });
    Some(said.unwrap().as_array().unwrap().clone())
}

#[test]
fn every_value_comes_out_of_anothers_parser_as_it_went_in() {
    let mut dice = Dice(5);
    let rows: Vec<_> = (0..300).map(|index| row(index, dice.event())).collect();
    let messages: Vec<String> = rows.iter().map(|row| syslog::event(row, true)).collect();
    let Some(parsed) = parsed(&messages) else {
        return;
    };
    // What the product never takes is all that is replaced.
    let clean = |text: &str| text.replace(char::is_control, "\u{fffd}");
    for (row, said) in rows.iter().zip(&parsed) {
        let open = &said["elements"]["burgess@32473"];
        assert_eq!(open["origin"], row.shard);
        assert_eq!(open["index"], row.index.to_string());
        assert_eq!(open["leafHash"], row.leaf_hash.to_string());
        assert_eq!(open["eventId"], row.event.event_id.as_str());
        let personal = &said["elements"]["personal@32473"];
        assert_eq!(personal["actorId"], clean(&row.event.actor_id));
        assert_eq!(personal["resourceId"], clean(&row.event.resource_id));
        match &row.event.user_agent {
            Some(agent) => assert_eq!(personal["userAgent"], clean(agent)),
            None => assert_eq!(personal["userAgent"], Value::Null),
        }
    }
}

#[test]
fn the_priority_tells_the_outcome_and_the_facility_is_that_of_audits() {
    let of = |outcome| {
        let event = event("app", ActionType::Read, outcome, Classification::Pii);
        let message = syslog::event(&row(0, event), false);
        message.split_once('>').unwrap().0.to_owned()
    };
    assert_eq!(of(Outcome::Success), "<110");
    assert_eq!(of(Outcome::Failure), "<109");
    assert_eq!(of(Outcome::Blocked), "<108");
}

#[test]
fn personal_values_go_along_only_when_asked_for() {
    let mut dice = Dice(7);
    for index in 0..300 {
        let event = Event {
            actor_id: "canary-actor".to_owned(),
            resource_id: "canary-resource".to_owned(),
            user_agent: Some("canary-agent".to_owned()),
            ip_address: Some("203.0.113.99".to_owned()),
            ..dice.event()
        };
        let row = row(index, event);
        let message = syslog::event(&row, false);
        for personal in ["canary", "203.0.113.99", "personal@"] {
            assert!(!message.contains(personal), "{message}");
        }
        assert!(syslog::event(&row, true).contains("canary-actor"));
    }
}

#[test]
fn a_checkpoint_line_carries_the_note_as_it_was_signed() {
    let signer = NoteSigner::from_seed("burgess/acme", [7; 32]).unwrap();
    let checkpoint = Checkpoint {
        origin: "burgess/acme".to_owned(),
        size: 17,
        root: [9; 32],
    };
    let signed = checkpoint.sign(&signer).unwrap();
    let line = syslog::checkpoint(&signed, Timestamp::from_seconds(1_768_694_400));
    let Some(parsed) = parsed(std::slice::from_ref(&line)) else {
        return;
    };
    let said = &parsed[0];
    assert_eq!(said["id"], "checkpoint");
    assert_eq!(said["time"], "2026-01-18T00:00:00.000000Z");
    assert_eq!(said["elements"]["checkpoint@32473"]["size"], "17");
    use base64::Engine as _;
    let note = said["elements"]["checkpoint@32473"]["note"]
        .as_str()
        .unwrap();
    let note = base64::engine::general_purpose::STANDARD
        .decode(note)
        .unwrap();
    assert_eq!(note, signed.note.as_bytes());
}

#[test]
fn frames_count_octets_and_a_time_that_cannot_be_written_is_nil() {
    assert_eq!(syslog::frame("ä"), "2 ä".as_bytes());
    let mut odd = event(
        "app",
        ActionType::Read,
        Outcome::Success,
        Classification::None,
    );
    odd.timestamp = Timestamp::from_seconds(-100_000_000_000);
    assert!(syslog::event(&row(0, odd), false).starts_with("<110>1 - - burgess - read ["));
}
