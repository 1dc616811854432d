//! Refusals of callers whom nobody knows: rate limit first, then one event per reason, source
//! prefix and minute, so that anonymous traffic buys no durable writes. Not here: recording.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use burgess_core::audit::{ANONYMOUS, Event, Outcome, Place};
use burgess_core::data::{ActionType, Classification};
use burgess_core::id::{AppId, EventId};
use burgess_core::time::Timestamp;
use serde_json::{Map, Value};

/// Aggregates that are kept at most between two flushes; beyond it they share one prefix. A
/// minute's worth of events that the ledger writes in well under a second.
const AGGREGATES_MAX: usize = 1_000;
/// The prefix of what is beyond that.
const ELSEWHERE: &str = "elsewhere";

/// What was refused to one source prefix for one reason in one minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Aggregate {
    minute: i64,
    reason: &'static str,
    prefix: String,
    count: u64,
    limited: u64,
}

/// What to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// With the reason.
    Refuse,
    /// That there were too many.
    TooMany,
}

#[derive(Debug, Default)]
struct Counts {
    minute: i64,
    by_prefix: BTreeMap<String, u32>,
    open: BTreeMap<(i64, &'static str, String), (u64, u64)>,
}

/// Counts refusals.
#[derive(Debug)]
pub(crate) struct Anonymous {
    counts: Mutex<Counts>,
    per_minute: u32,
}

impl Anonymous {
    pub(crate) fn new(per_minute: u32) -> Self {
        Self {
            counts: Mutex::default(),
            per_minute,
        }
    }

    /// Counts one refusal.
    pub(crate) fn note(&self, source: IpAddr, reason: &'static str, now: Timestamp) -> Answer {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = now.as_seconds().div_euclid(60);
        if minute != counts.minute {
            counts.minute = minute;
            counts.by_prefix.clear();
        }
        let full = counts.open.len() >= AGGREGATES_MAX || counts.by_prefix.len() >= AGGREGATES_MAX;
        let mut prefix = prefix(source);
        if full && !counts.by_prefix.contains_key(&prefix) {
            prefix = ELSEWHERE.to_owned();
        }
        let seen = counts.by_prefix.entry(prefix.clone()).or_default();
        *seen = seen.saturating_add(1);
        let limited = *seen > self.per_minute;
        let one = counts.open.entry((minute, reason, prefix)).or_default();
        one.0 = one.0.saturating_add(1);
        one.1 = one.1.saturating_add(u64::from(limited));
        if limited {
            Answer::TooMany
        } else {
            Answer::Refuse
        }
    }

    /// Takes the aggregates of minutes that are over at `now`; all of them without a time.
    pub(crate) fn take(&self, now: Option<Timestamp>) -> Vec<Aggregate> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let current = now.map_or(i64::MAX, |now| now.as_seconds().div_euclid(60));
        let mut due = Vec::new();
        counts
            .open
            .retain(|(minute, reason, prefix), (count, limited)| {
                if *minute >= current {
                    return true;
                }
                due.push(Aggregate {
                    minute: *minute,
                    reason,
                    prefix: prefix.clone(),
                    count: *count,
                    limited: *limited,
                });
                false
            });
        due
    }

    /// Puts back what could not be recorded.
    pub(crate) fn put_back(&self, aggregate: &Aggregate) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (aggregate.minute, aggregate.reason, aggregate.prefix.clone());
        let one = counts.open.entry(key).or_default();
        one.0 = one.0.saturating_add(aggregate.count);
        one.1 = one.1.saturating_add(aggregate.limited);
    }
}

impl Aggregate {
    /// Its event. `now` is when it is recorded; the minute stands in the context.
    pub(crate) fn event(&self, event_id: EventId, now: Timestamp) -> Event {
        let minute = Timestamp::from_seconds(self.minute.saturating_mul(60));
        let context: Map<String, Value> = [
            ("count", Value::from(self.count)),
            ("rate_limited", Value::from(self.limited)),
            ("minute", Value::from(minute.to_string())),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        Event {
            event_id,
            timestamp: now,
            actor_id: ANONYMOUS.to_owned(),
            actor_role: ANONYMOUS.to_owned(),
            app_id: AppId::organisation(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            environment: Place::Control,
            action_type: ActionType::Execute,
            resource_type: "gateway".to_owned(),
            resource_id: "call".to_owned(),
            data_classification: Classification::None,
            outcome: Outcome::Blocked,
            error_code: Some(self.reason.to_owned()),
            ip_address: Some(self.prefix.clone()),
            user_agent: None,
            request_context: Some(context),
            risk_score_at_time: 0,
            approval_id: None,
            source: String::new(),
            charter_digest: None,
            policy_digest: None,
            decision: None,
            previous_state: None,
            next_state: None,
        }
    }
}

/// The network that an address belongs to: /24 for IPv4, /48 for IPv6.
fn prefix(source: IpAddr) -> String {
    match source.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(ip) => {
            let [a, b, c, ..] = ip.segments();
            format!("{a:x}:{b:x}:{c:x}::/48")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn refusals_of_one_network_and_minute_are_one_aggregate() {
        let anonymous = Anonymous::new(3);
        for host in ["192.0.2.1", "192.0.2.200", "::ffff:192.0.2.7"] {
            assert_eq!(
                anonymous.note(host.parse().unwrap(), "A", at(0)),
                Answer::Refuse
            );
        }
        assert_eq!(
            anonymous.note("192.0.2.9".parse().unwrap(), "A", at(59)),
            Answer::TooMany
        );
        assert_eq!(
            anonymous.note("2001:db8:1:2::9".parse().unwrap(), "A", at(59)),
            Answer::Refuse
        );
        assert_eq!(
            anonymous.note("192.0.2.9".parse().unwrap(), "A", at(60)),
            Answer::Refuse
        );
        assert!(anonymous.take(Some(at(59))).is_empty());
        let due = anonymous.take(Some(at(60)));
        let seen: Vec<_> = due
            .iter()
            .map(|one| (&*one.prefix, one.count, one.limited))
            .collect();
        assert_eq!(seen, [("192.0.2.0/24", 4, 1), ("2001:db8:1::/48", 1, 0)]);
        anonymous.put_back(&due[0]);
        assert_eq!(anonymous.take(None).len(), 2);
    }

    #[test]
    fn a_flood_of_networks_does_not_grow_the_table() {
        let anonymous = Anonymous::new(3);
        for n in 0..5_000_u32 {
            let source = IpAddr::from((0x0A00_0000_u32 + n * 256).to_be_bytes());
            anonymous.note(source, "A", at(0));
        }
        let all = anonymous.take(None);
        assert!(all.len() <= AGGREGATES_MAX + 1);
        assert_eq!(all.iter().map(|one| one.count).sum::<u64>(), 5_000);
    }
}
