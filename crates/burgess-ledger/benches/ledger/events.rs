//! The events that every peer is fed: 500 bytes of JSON as an app hands them in.
//!
//! 1,000 people, 50 apps, 5,000 records, ever different times, ids and circumstances; the same
//! number always gives the same event.

use burgess_core::audit::{ActionType, Event, Outcome as Ending, Place};
use burgess_core::data::Classification;
use burgess_core::id::{AppId, EventId};
use burgess_core::time::Timestamp;
use serde_json::{Map, Value, json};

use crate::peer::Outcome;

/// Bytes of an event as it is handed in.
pub(crate) const EVENT_BYTES: usize = 500;
/// Events that are made before the measuring begins and handed in over and over.
const POOL: u64 = 8_192;
/// As few as stay in the caches of a core: an event that is handed in was made a moment ago. The
/// peers are fed the same.
const WARM_POOL: u64 = 1_024;

const PEOPLE: u64 = 1_000;
const APPS: u64 = 50;
const RECORDS: u64 = 5_000;

/// One event, in the forms that the peers want.
pub(crate) struct Sample {
    pub(crate) event: Event,
    /// The submitted keys as JSON, [`EVENT_BYTES`] long.
    pub(crate) json: String,
}

/// The events of the pool.
pub(crate) fn pool() -> Outcome<Vec<Sample>> {
    (0..POOL).map(sample).collect()
}

/// The events for what is measured in turns.
pub(crate) fn warm_pool() -> Outcome<Vec<Sample>> {
    (0..WARM_POOL).map(sample).collect()
}

/// The `n`th event.
pub(crate) fn sample(n: u64) -> Outcome<Sample> {
    let mut event = bare(n)?;
    let length = submitted(&event).to_string().len();
    let missing = EVENT_BYTES
        .checked_sub(length)
        .ok_or_else(|| format!("event {n} has {length} bytes before it is filled up"))?;
    let trace = digits(mixed(n, 9), missing);
    if let Some(context) = &mut event.request_context {
        context.insert("trace".to_owned(), Value::String(trace));
    }
    let json = submitted(&event).to_string();
    Ok(Sample { event, json })
}

fn bare(n: u64) -> Outcome<Event> {
    let person = mixed(n, 1) % PEOPLE;
    let app = mixed(n, 2) % APPS;
    let record = mixed(n, 3) % RECORDS;
    let action = pick(
        &[ActionType::Read, ActionType::Update, ActionType::Export],
        mixed(n, 4),
    )?;
    let micros = 1_768_700_000_000_000 + n * 1_700 + mixed(n, 5) % 1_000;
    Ok(Event {
        event_id: EventId::parse(&format!("evt_{micros:013x}{:016x}", mixed(n, 6)))?,
        timestamp: Timestamp::from_micros(i64::try_from(micros)?),
        actor_id: format!("person-{person:04}@example.com"),
        actor_role: "citizen_developer".to_owned(),
        app_id: AppId::parse(&format!("microapp-unit-{app:02}"))?,
        version: "1.2.0".to_owned(),
        environment: Place::Production,
        action_type: action,
        resource_type: "customer_record".to_owned(),
        resource_id: format!("cust-{record:06}"),
        data_classification: Classification::Internal,
        outcome: Ending::Success,
        error_code: None,
        ip_address: Some(format!("10.20.{}.{}", person / 250, person % 250)),
        user_agent: Some("client/1.4".to_owned()),
        request_context: Some(context(n)),
        risk_score_at_time: u8::try_from(mixed(n, 7) % 100)?,
        approval_id: None,
        source: String::new(),
        charter_digest: None,
        policy_digest: None,
        decision: None,
        previous_state: None,
        next_state: None,
    })
}

fn context(n: u64) -> Map<String, Value> {
    let mut context = Map::new();
    context.insert("rows".to_owned(), json!(mixed(n, 8) % 400));
    context.insert("trace".to_owned(), json!(""));
    context
}

/// The keys that an app hands in (contract: the event).
fn submitted(event: &Event) -> Value {
    json!({
        "event_id": event.event_id,
        "timestamp": event.timestamp,
        "actor_id": event.actor_id,
        "actor_role": event.actor_role,
        "app_id": event.app_id,
        "version": event.version,
        "environment": event.environment,
        "action_type": event.action_type,
        "resource_type": event.resource_type,
        "resource_id": event.resource_id,
        "data_classification": event.data_classification,
        "outcome": event.outcome,
        "ip_address": event.ip_address,
        "user_agent": event.user_agent,
        "request_context": event.request_context,
        "risk_score_at_time": event.risk_score_at_time,
    })
}

fn pick<T: Copy>(among: &[T], by: u64) -> Outcome<T> {
    let at = usize::try_from(by)? % among.len();
    among
        .get(at)
        .copied()
        .ok_or_else(|| "nothing to pick from".into())
}

/// As many hexadecimal digits, from one number.
fn digits(from: u64, count: usize) -> String {
    let mut text = String::with_capacity(count + 16);
    let mut state = from;
    while text.len() < count {
        state = mixed(state, 0);
        text.push_str(&format!("{state:016x}"));
    }
    text.truncate(count);
    text
}

/// SplitMix64: scatters numbers, always the same way.
fn mixed(n: u64, stream: u64) -> u64 {
    let mut z = n
        .wrapping_add(stream.wrapping_mul(0xd134_2543_de82_ef95))
        .wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
