//! What sealing promises: opened by its own keys alone, closed for good when one is gone.

use super::*;
use burgess_core::audit::{ActionType, Outcome, Place, leaf};
use burgess_core::data::Classification;
use burgess_core::id::{AppId, EventId};
use burgess_core::time::Timestamp;
use proptest::prelude::*;
use serde_json::json;

const NONCE: EntryNonce = [5; NONCE_LEN];

fn cipher(name: &str, key: u8) -> SubjectCipher {
    SubjectCipher::new(Alias::of(&Digest::of(name.as_bytes())), &[key; 32]).unwrap()
}

fn event() -> Event {
    Event {
        event_id: EventId::parse("evt_20260118_0001").unwrap(),
        timestamp: Timestamp::EPOCH,
        actor_id: "dana@example.com".to_owned(),
        actor_role: "citizen_developer".to_owned(),
        app_id: AppId::parse("microapp-sales-quoting").unwrap(),
        version: "1.2.0".to_owned(),
        environment: Place::Production,
        action_type: ActionType::Read,
        resource_type: "customer_record".to_owned(),
        resource_id: "cust-9876".to_owned(),
        data_classification: Classification::Pii,
        outcome: Outcome::Success,
        error_code: None,
        ip_address: Some("198.51.100.22".to_owned()),
        user_agent: Some("CoworkAgent/1.0".to_owned()),
        request_context: json!({ "rows": 12 }).as_object().cloned(),
        risk_score_at_time: 78,
        approval_id: None,
        source: "gateway".to_owned(),
        charter_digest: None,
        policy_digest: None,
        decision: None,
        previous_state: None,
        next_state: None,
    }
}

fn sealed(event: &Event, pair: Pair<'_>, nonce: EntryNonce) -> Vec<u8> {
    let made = leaf(
        event,
        &event.source,
        pair.seed(event.event_id.as_str(), &nonce),
    )
    .unwrap();
    let mut side = Vec::new();
    pair.seal(event, made.context(), nonce, &mut side).unwrap();
    side
}

fn values(event: &Event) -> ActorValues {
    ActorValues {
        actor_id: event.actor_id.clone(),
        ip_address: event.ip_address.clone(),
        user_agent: event.user_agent.clone(),
        request_context: event.request_context.clone(),
    }
}

#[test]
fn each_box_opens_under_its_own_key_alone() {
    let (actor, resource) = (cipher("actor", 1), cipher("resource", 2));
    let pair = Pair {
        actor: &actor,
        resource: &resource,
    };
    let event = event();
    let side = sealed(&event, pair, NONCE);
    let read = Sealed::read(&side).unwrap();
    let id = event.event_id.as_str();
    assert_eq!(
        (read.actor, read.resource),
        (actor.alias(), resource.alias())
    );
    assert_eq!(read.open_actor(id, &actor), Some(values(&event)));
    assert_eq!(
        read.open_resource(id, &resource),
        Some(event.resource_id.clone())
    );
    assert_eq!(read.open_actor(id, &resource), None);
    assert_eq!(read.open_resource(id, &actor), None);
    assert_eq!(read.open_actor("evt_2", &actor), None, "bound to its event");
    assert_eq!(read.seed(id, pair).as_bytes(), &pair.seed(id, &NONCE));
}

#[test]
fn a_side_value_adds_no_more_than_82_bytes() {
    let (actor, resource) = (cipher("actor", 1), cipher("resource", 2));
    let pair = Pair {
        actor: &actor,
        resource: &resource,
    };
    let event = event();
    let side = sealed(&event, pair, NONCE);
    let texts = [&event.actor_id, &event.resource_id];
    let maybe = [&event.ip_address, &event.user_agent];
    let context = json!(event.request_context).to_string();
    let values = texts.iter().map(|text| text.len()).sum::<usize>()
        + maybe
            .iter()
            .filter_map(|text| text.as_ref())
            .map(String::len)
            .sum::<usize>()
        + context.len();
    assert!(side.len() <= values + 82, "{} for {values}", side.len());
    for hidden in ["dana", "cust-", "198.51", "CoworkAgent", "rows"] {
        let found = side.windows(hidden.len()).any(|w| w == hidden.as_bytes());
        assert!(!found, "{hidden}");
    }
}

#[test]
fn the_seed_needs_both_keys_the_nonce_and_the_event() {
    let (actor, resource) = (cipher("actor", 1), cipher("resource", 2));
    let (other_actor, other_resource) = (cipher("actor", 3), cipher("resource", 4));
    let of = |actor, resource, id: &str, nonce| Pair { actor, resource }.seed(id, &nonce);
    let seed = of(&actor, &resource, "evt_1", NONCE);
    assert_ne!(seed, of(&other_actor, &resource, "evt_1", NONCE));
    assert_ne!(seed, of(&actor, &other_resource, "evt_1", NONCE));
    assert_ne!(seed, of(&actor, &resource, "evt_2", NONCE));
    assert_ne!(seed, of(&actor, &resource, "evt_1", [6; NONCE_LEN]));
}

#[test]
fn one_event_id_handed_in_twice_repeats_neither_ciphertext_nor_salts() {
    let (actor, resource) = (cipher("actor", 1), cipher("resource", 2));
    let pair = Pair {
        actor: &actor,
        resource: &resource,
    };
    let (first, second) = (
        sealed(&event(), pair, NONCE),
        sealed(&event(), pair, [6; NONCE_LEN]),
    );
    let boxes = |side: &[u8]| side[45..].to_vec();
    assert_ne!(boxes(&first), boxes(&second));
}

#[test]
fn a_changed_byte_closes_its_box_and_never_opens_other_values() {
    let (actor, resource) = (cipher("actor", 1), cipher("resource", 2));
    let pair = Pair {
        actor: &actor,
        resource: &resource,
    };
    let event = event();
    let side = sealed(&event, pair, NONCE);
    let id = event.event_id.as_str();
    let both = (Some(values(&event)), Some(event.resource_id.clone()));
    for at in 0..side.len() {
        let mut changed = side.clone();
        changed[at] ^= 1;
        let Some(read) = Sealed::read(&changed) else {
            continue;
        };
        let opened = (
            read.open_actor(id, &actor),
            read.open_resource(id, &resource),
        );
        let in_an_alias = (13..45).contains(&at); // says only which key to fetch
        assert_eq!(opened == both, in_an_alias, "byte {at}");
        assert!(opened.0.is_none_or(|opened| opened == values(&event)));
        assert!(opened.1.is_none_or(|opened| opened == event.resource_id));
    }
}

proptest! {
    #[test]
    fn any_values_come_back_as_they_were(
        actor_id in ".{0,300}", resource_id in ".{0,300}",
        ip in prop::option::of(".{0,20}"), agent in prop::option::of(".{0,200}"),
        rows in prop::option::of(any::<u32>()),
    ) {
        let (actor, resource) = (cipher("actor", 1), cipher("resource", 2));
        let pair = Pair { actor: &actor, resource: &resource };
        let event = Event {
            actor_id, resource_id, ip_address: ip, user_agent: agent,
            request_context: rows.and_then(|rows| json!({ "rows": rows }).as_object().cloned()),
            ..event()
        };
        let side = sealed(&event, pair, NONCE);
        let read = Sealed::read(&side).unwrap();
        let id = event.event_id.as_str();
        prop_assert_eq!(read.open_actor(id, &actor), Some(values(&event)));
        prop_assert_eq!(read.open_resource(id, &resource), Some(event.resource_id));
    }

    #[test]
    fn hostile_side_values_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&bytes);
    }
}

#[test]
fn every_kept_input_of_the_reader_of_side_values_holds() {
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/sealed");
    let kept: Vec<_> = std::fs::read_dir(kept).unwrap().collect();
    assert!(kept.len() > 2, "fuzz/corpus/sealed is all but empty");
    for file in kept {
        check(&std::fs::read(file.unwrap().path()).unwrap());
    }
}
