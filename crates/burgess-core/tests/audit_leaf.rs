//! The leaf: what of an event is bound by the ledger, and how it is opened.

use burgess_core::audit::{
    ActionType, DecisionRecord, Event, LeafError, OpenError, Opened, Opening, Outcome,
    PERSONAL_FIELDS, PartialOpening, PartialValue, Place, leaf, open, open_partial, replay,
};
use burgess_core::data::Classification;
use burgess_core::digest::Digest;
use burgess_core::id::{AppId, ApprovalId, EventId};
use burgess_core::time::{Span, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

const SEED: [u8; 32] = [7; 32];

fn event() -> Event {
    let Value::Object(context) = json!({ "path": "/export", "rows": 12 }) else {
        unreachable!()
    };
    Event {
        event_id: EventId::parse("evt_20260118_0001").unwrap(),
        timestamp: Timestamp::parse("2026-01-18T14:22:30Z").unwrap(),
        actor_id: "user-1234".to_owned(),
        actor_role: "citizen_developer".to_owned(),
        app_id: AppId::parse("microapp-sales-quoting").unwrap(),
        version: "1.2.0".to_owned(),
        environment: Place::Production,
        action_type: ActionType::Export,
        resource_type: "customer_record".to_owned(),
        resource_id: "cust-9876".to_owned(),
        data_classification: Classification::Pii,
        outcome: Outcome::Blocked,
        error_code: Some("DLP_BLOCK_42".to_owned()),
        ip_address: Some("198.51.100.22".to_owned()),
        user_agent: Some("CoworkAgent/1.0".to_owned()),
        request_context: Some(context),
        risk_score_at_time: 78,
        approval_id: Some(ApprovalId::parse("apr_20260110_55").unwrap()),
        source: "store".to_owned(),
        charter_digest: Some(Digest::of(b"charter")),
        policy_digest: Some(Digest::of(b"policy")),
        decision: Some(DecisionRecord {
            answer: "deny".to_owned(),
            policies: vec!["release-bulk-export".to_owned()],
        }),
        previous_state: Some("sandbox".to_owned()),
        next_state: Some("staging".to_owned()),
    }
}

fn bytes(event: &Event) -> Vec<u8> {
    leaf(event, &event.source, SEED).unwrap().bytes(3, 4)
}

#[test]
fn a_leaf_is_canonical_json_with_its_two_numbers_in_place() {
    let bytes = bytes(&event());
    let value: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(serde_json_canonicalizer::to_vec(&value).unwrap(), bytes);
    assert_eq!(
        (&value["sequence"], &value["source_seq"]),
        (&json!(3), &json!(4))
    );
    assert_eq!(value["schema"], json!("burgess.event/1"));
}

#[test]
fn no_personal_value_stands_in_a_leaf() {
    let text = String::from_utf8(bytes(&event())).unwrap();
    for value in [
        "user-1234",
        "cust-9876",
        "198.51.100.22",
        "CoworkAgent",
        "/export",
    ] {
        assert!(!text.contains(value), "{value} in {text}");
    }
    let leaf: Value = serde_json::from_str(&text).unwrap();
    assert!(PERSONAL_FIELDS.iter().all(|name| leaf.get(name).is_none()));
}

/// Changing the field changes the leaf.
fn covered(change: impl Fn(&mut Event)) {
    let mut changed = event();
    change(&mut changed);
    assert_ne!(changed, event());
    assert_ne!(bytes(&changed), bytes(&event()));
    // And the values of the one do not open the leaf of the other.
    let opening = Opening::of(&changed, SEED);
    assert_ne!(
        open(&bytes(&event()), &opening).ok().map(|o| o.event),
        Some(changed)
    );
}

// R105
#[test]
fn the_leaf_binds_event_id() {
    covered(|e| e.event_id = EventId::parse("evt_2").unwrap());
}

// R106
#[test]
fn the_leaf_binds_timestamp() {
    covered(|e| e.timestamp = Timestamp::from_micros(e.timestamp.as_micros() + 1));
    covered(|e| e.timestamp = e.timestamp.plus(Span::seconds(1)));
}

// R107
#[test]
fn the_leaf_binds_actor_id() {
    covered(|e| e.actor_id.push('x'));
}

// R108
#[test]
fn the_leaf_binds_actor_role() {
    covered(|e| e.actor_role.push('x'));
}

// R109
#[test]
fn the_leaf_binds_app_id() {
    covered(|e| e.app_id = AppId::organisation());
}

// R110
#[test]
fn the_leaf_binds_version() {
    covered(|e| e.version.push('1'));
}

// R111
#[test]
fn the_leaf_binds_environment() {
    covered(|e| e.environment = Place::Staging);
}

// R112
#[test]
fn the_leaf_binds_action_type() {
    covered(|e| e.action_type = ActionType::Read);
}

// R113
#[test]
fn the_leaf_binds_resource_type() {
    covered(|e| e.resource_type.push('s'));
}

// R114
#[test]
fn the_leaf_binds_resource_id() {
    covered(|e| e.resource_id.push('1'));
}

// R115
#[test]
fn the_leaf_binds_data_classification() {
    covered(|e| e.data_classification = Classification::Internal);
}

// R116
#[test]
fn the_leaf_binds_outcome() {
    covered(|e| e.outcome = Outcome::Failure);
}

// R117
#[test]
fn the_leaf_binds_error_code() {
    covered(|e| e.error_code = Some("DLP_BLOCK_43".to_owned()));
    covered(|e| e.error_code = None);
}

// R118
#[test]
fn the_leaf_binds_ip_address() {
    covered(|e| e.ip_address = Some("198.51.100.23".to_owned()));
    covered(|e| e.ip_address = None);
}

// R119
#[test]
fn the_leaf_binds_user_agent() {
    covered(|e| e.user_agent = Some("CoworkAgent/1.1".to_owned()));
    covered(|e| e.user_agent = None);
}

// R120
#[test]
fn the_leaf_binds_request_context() {
    covered(|e| {
        e.request_context
            .as_mut()
            .unwrap()
            .insert("rows".to_owned(), json!(13));
    });
    covered(|e| e.request_context = None);
}

// R121
#[test]
fn the_leaf_binds_risk_score_at_time() {
    covered(|e| e.risk_score_at_time = 77);
}

// R122
#[test]
fn the_leaf_binds_approval_id() {
    covered(|e| e.approval_id = Some(ApprovalId::parse("apr_2").unwrap()));
    covered(|e| e.approval_id = None);
}

#[test]
fn the_leaf_binds_what_the_server_added() {
    covered(|e| e.source = "gateway".to_owned());
    covered(|e| e.charter_digest = None);
    covered(|e| e.policy_digest = Some(Digest::of(b"other")));
    covered(|e| e.decision.as_mut().unwrap().policies.clear());
    covered(|e| e.previous_state = None);
    covered(|e| e.next_state = Some("production".to_owned()));
}

#[test]
fn an_opened_leaf_is_the_event_again() {
    let opened = open(&bytes(&event()), &Opening::of(&event(), SEED)).unwrap();
    let expected = Opened {
        event: event(),
        sequence: 3,
        source_seq: 4,
    };
    assert_eq!(opened, expected);
    let mut bare = event();
    (bare.ip_address, bare.user_agent, bare.request_context) = (None, None, None);
    (bare.decision, bare.previous_state, bare.next_state) = (None, None, None);
    let opened = open(&bytes(&bare), &Opening::of(&bare, SEED));
    assert_eq!(opened.unwrap().event, bare);
}

#[test]
fn other_values_another_seed_or_another_layout_do_not_open_a_leaf() {
    let (bytes, opening) = (bytes(&event()), Opening::of(&event(), SEED));
    let mut other = opening.clone();
    other.actor_id = "user-9999".to_owned();
    assert_eq!(open(&bytes, &other), Err(OpenError::OtherValues));
    let mut other = opening.clone();
    other.seed = Digest::from_bytes([8; 32]);
    assert_eq!(open(&bytes, &other), Err(OpenError::OtherValues));
    let spaced = String::from_utf8(bytes.clone())
        .unwrap()
        .replacen(':', ": ", 1);
    assert_eq!(
        open(spaced.as_bytes(), &opening),
        Err(OpenError::NotCanonical)
    );
    assert!(matches!(
        open(b"{}", &opening),
        Err(OpenError::NotAnEvent(_))
    ));
}

#[test]
fn the_commitment_is_the_published_formula() {
    use burgess_core::digest::Digest as D;
    let values = [
        json!("user-1234"),
        json!("198.51.100.22"),
        json!({ "path": "/export", "rows": 12 }),
        json!("cust-9876"),
        json!("CoworkAgent/1.0"),
    ];
    let blocks = [0, 1, 2].map(|n| *D::of_parts(&[b"burgess.salts/1\n", &SEED, &[n]]).as_bytes());
    let salts = blocks.as_flattened().chunks(16);
    let mut all = b"burgess.personal/1\n".to_vec();
    for ((name, value), salt) in PERSONAL_FIELDS.iter().zip(&values).zip(salts) {
        let value = serde_json_canonicalizer::to_vec(value).unwrap();
        let one = D::of_parts(&[salt, name.as_bytes(), b"\0", &value]);
        all.extend_from_slice(one.as_bytes());
    }
    let leaf: Value = serde_json::from_slice(&bytes(&event())).unwrap();
    assert_eq!(leaf["personal"], json!(D::of(&all).to_string()));
}

#[test]
fn a_receipt_opens_what_its_reader_may_see_and_proves_the_rest_unchanged() {
    let (bytes, opening) = (bytes(&event()), Opening::of(&event(), SEED));
    let partial = opening.partial(|name| name == "resource_id").unwrap();
    let text = serde_json::to_string(&partial).unwrap();
    assert!(!text.contains("user-1234") && !text.contains(&opening.seed.to_string()));
    let again: PartialOpening = serde_json::from_str(&text).unwrap();
    let opened = open_partial(&bytes, &again).unwrap();
    assert_eq!(opened, [("resource_id".to_owned(), json!("cust-9876"))]);
    let mut forged = again.clone();
    for value in &mut forged.0 {
        if let PartialValue::Open { value, .. } = value {
            *value = json!("cust-1");
        }
    }
    assert_eq!(open_partial(&bytes, &forged), Err(OpenError::OtherValues));
    forged.0.pop();
    assert!(matches!(
        open_partial(&bytes, &forged),
        Err(OpenError::Fields { .. })
    ));
}

#[test]
fn an_event_too_large_for_a_leaf_is_refused() {
    let mut large = event();
    large.version = "1".repeat(70_000);
    assert!(matches!(
        leaf(&large, "store", SEED),
        Err(LeafError::TooLarge(_))
    ));
}

#[test]
fn replaying_the_trail_leads_to_the_states_and_shows_where_it_breaks() {
    let change = |id: &str, before: Option<&str>, after: &str| {
        let mut one = event();
        one.event_id = EventId::parse(&format!("evt_{id}")).unwrap();
        one.resource_type = "app".to_owned();
        one.resource_id = "microapp-sales-quoting".to_owned();
        (one.outcome, one.error_code) = (Outcome::Success, None);
        one.previous_state = before.map(str::to_owned);
        one.next_state = Some(after.to_owned());
        one
    };
    let mut refused = change("3", Some("approved"), "production");
    refused.outcome = Outcome::Blocked;
    let events = [
        change("1", None, "requested"),
        change("2", Some("requested"), "approved"),
        refused,
        change("4", Some("approved"), "sandbox"),
    ];
    let replayed = replay(&events);
    let app = ("app".to_owned(), "microapp-sales-quoting".to_owned());
    assert_eq!(replayed.states.get(&app).unwrap(), "sandbox");
    assert!(replayed.breaks.is_empty());
    let gap = replay(events.iter().filter(|e| e.event_id.as_str() != "evt_2"));
    assert_eq!(gap.breaks.len(), 1);
    assert_eq!(gap.breaks[0].event_id, "evt_4");
    assert_eq!(gap.breaks[0].expected.as_deref(), Some("requested"));
}

/// Text that a careless writer gets wrong.
fn hostile() -> impl Strategy<Value = String> {
    "[\\PC\\x00-\\x1f\"\\\\\u{e000}\u{10ffff}]{0,24}"
}

prop_compose! {
    /// Any event: its fields need not be valid, only canonical once they are written.
    fn any_event()(
        texts in prop::array::uniform8(hostile()),
        maybe in prop::array::uniform5(prop::option::of(hostile())),
        policies in prop::collection::vec(hostile(), 0..3),
        decided in any::<bool>(),
        digest in prop::option::of(any::<[u8; 32]>()),
        micros in 0_i64..4_000_000_000_000_000,
        number in any::<f64>(),
        score in any::<u8>(),
    ) -> Event {
        let [role, version, kind, resource, actor, answer, key, text] = texts;
        let [error, ip, agent, previous, next] = maybe;
        let context = json!({ key: [number, micros], "text": text });
        Event {
            timestamp: Timestamp::from_micros(micros),
            actor_id: actor,
            actor_role: role,
            version,
            resource_type: kind,
            resource_id: resource,
            error_code: error,
            ip_address: ip,
            user_agent: agent,
            request_context: context.as_object().cloned().filter(|_| decided),
            risk_score_at_time: score,
            approval_id: None,
            charter_digest: digest.map(Digest::from_bytes),
            policy_digest: digest.map(Digest::from_bytes),
            decision: decided.then_some(DecisionRecord { answer, policies }),
            previous_state: previous,
            next_state: next,
            ..event()
        }
    }
}

proptest! {
    #[test]
    fn the_leaf_of_any_event_is_what_the_general_canonicalizer_writes(
        event in any_event(), sequence in 0_u64..1 << 53, source_seq in 0_u64..1 << 53,
    ) {
        let bytes = leaf(&event, "store", SEED).unwrap().bytes(sequence, source_seq);
        let value: Value = serde_json::from_slice(&bytes).unwrap();
        let general = serde_json_canonicalizer::to_vec(&value).unwrap();
        prop_assert_eq!(String::from_utf8(bytes.clone()), String::from_utf8(general));
        let opened = open(&bytes, &Opening::of(&event, SEED)).unwrap();
        prop_assert_eq!(opened.event, event);
        prop_assert_eq!((opened.sequence, opened.source_seq), (sequence, source_seq));
    }
}
