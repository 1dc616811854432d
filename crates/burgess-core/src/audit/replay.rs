//! Replay: the states of everything, from the trail alone.
//!
//! Every change of state is an event with the state before and after. Whoever reads all events
//! in the order of the ledger arrives at the states of the store; if not, something was changed
//! without its event, or an event is missing.

use std::collections::BTreeMap;

use super::{Event, Outcome};

/// What replaying arrived at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// The last state of each (resource type, resource id).
    pub states: BTreeMap<(String, String), String>,
    /// Events whose state before is not the state that the events before it led to.
    pub breaks: Vec<Break>,
}

/// A place where the trail contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// The event's id.
    pub event_id: String,
    /// Kind and id of the resource.
    pub resource: (String, String),
    /// The state that the events before led to; `None` when there was no event.
    pub expected: Option<String>,
    /// The state that this event says was before.
    pub found: Option<String>,
}

/// Replays `events`, which must come in the order of the ledger. Only successful changes of state
/// count; all other events change nothing.
pub fn replay<'a>(events: impl IntoIterator<Item = &'a Event>) -> Replayed {
    let mut replayed = Replayed::default();
    for event in events {
        let Some(next) = &event.next_state else {
            continue;
        };
        if event.outcome != Outcome::Success {
            continue;
        }
        let resource = (event.resource_type.clone(), event.resource_id.clone());
        let before = replayed.states.insert(resource.clone(), next.clone());
        if before != event.previous_state {
            replayed.breaks.push(Break {
                event_id: event.event_id.as_str().to_owned(),
                resource,
                expected: before,
                found: event.previous_state.clone(),
            });
        }
    }
    replayed
}
