//! Every kind of event, and any number of random ones: all of them such as the product takes.

use burgess_core::audit::{ActionType, DecisionRecord, Event, Outcome, Place};
use burgess_core::data::Classification;
use burgess_core::digest::Digest;
use burgess_core::id::{AppId, ApprovalId, EventId};
use burgess_core::time::Timestamp;
use burgess_trail::Row;
use burgess_trail::export::ocsf::{KINDS, REPORTED};

pub const CLASSES: [Classification; 6] = [
    Classification::None,
    Classification::Public,
    Classification::Internal,
    Classification::Sensitive,
    Classification::Pii,
    Classification::Phi,
];

/// Whatever an event can be about: what the server writes of, what apps report, a dataset of one.
pub fn kinds() -> Vec<&'static str> {
    let known = KINDS.iter().chain(&REPORTED).map(|(name, _)| *name);
    known.chain(["customer_record"]).collect()
}

const STATES: [&str; 8] = [
    "submitted",
    "approved",
    "live",
    "ended",
    "quarantined",
    "voided",
    "retired",
    "in_force",
];

pub fn event(kind: &str, action: ActionType, outcome: Outcome, class: Classification) -> Event {
    Event {
        event_id: EventId::parse("evt_20260118_0001").unwrap(),
        timestamp: Timestamp::from_seconds(1_768_694_400),
        actor_id: "dana@example.com".to_owned(),
        actor_role: "citizen_developer".to_owned(),
        app_id: AppId::parse("microapp-quoting").unwrap(),
        version: "1.2.0".to_owned(),
        environment: Place::Production,
        action_type: action,
        resource_type: kind.to_owned(),
        resource_id: "customer-17".to_owned(),
        data_classification: class,
        outcome,
        error_code: match outcome {
            Outcome::Success => None,
            Outcome::Failure => Some("UPSTREAM_TIMEOUT".to_owned()),
            Outcome::Blocked => Some("POLICY_LIMIT".to_owned()),
        },
        ip_address: Some("192.0.2.7".to_owned()),
        user_agent: Some("n8n/1.80".to_owned()),
        request_context: None,
        risk_score_at_time: 60,
        approval_id: Some(ApprovalId::parse("apr_20260110_55").unwrap()),
        source: "gateway".to_owned(),
        charter_digest: None,
        policy_digest: None,
        decision: None,
        previous_state: None,
        next_state: None,
    }
}

pub fn row(index: u64, event: Event) -> Row {
    Row {
        shard: "burgess/acme".to_owned(),
        index,
        leaf_hash: Digest::of(&index.to_be_bytes()),
        sequence: index + 1,
        source_seq: index + 2,
        event,
    }
}

/// Every kind × action × outcome × classification, with and without a content block.
pub fn all() -> Vec<Row> {
    let mut rows = Vec::new();
    for kind in kinds() {
        for action in ActionType::ALL {
            for outcome in Outcome::ALL {
                for class in CLASSES {
                    let plain = event(kind, action, outcome, class);
                    if outcome == Outcome::Blocked {
                        rows.push(Event {
                            error_code: Some("DLP_BLOCK_PII".to_owned()),
                            ..plain.clone()
                        });
                    }
                    rows.push(plain);
                }
            }
        }
    }
    (0..)
        .zip(rows)
        .map(|(index, event)| row(index, event))
        .collect()
}

/// A small generator with a seed: splitmix64.
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }

    fn maybe<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(2) == 0).then(|| value(self))
    }

    /// Text as people, attackers and broken programs write it; no C0 controls, as the product
    /// takes none.
    pub fn text(&mut self) -> String {
        const ODD: [&str; 20] = [
            "dana@example.com",
            "a@b",
            "@",
            "@@example.com",
            "x@-.-",
            "ä@exämple.com",
            "\"",
            "\\",
            "]",
            "=cmd()",
            "<13>1 - - - - - -",
            "\u{feff}",
            "\u{202e}evil",
            "🙂",
            "\u{85}",
            "\u{2028}",
            "{\"a\":1}",
            "' OR 1=1 --",
            "\u{10ffff}",
            "e\u{301}",
        ];
        let parts = 1 + self.below(4);
        let text: String = (0..parts)
            .map(|_| match self.below(3) {
                0 => {
                    let c = char::from_u32(0x20 + u32::try_from(self.below(0x2_ffd0)).unwrap());
                    c.filter(|c| !c.is_ascii_control())
                        .unwrap_or('?')
                        .to_string()
                }
                1 => format!("{:x}", self.next()),
                _ => (*self.pick(&ODD)).to_owned(),
            })
            .collect();
        text.chars().take(256).collect()
    }

    fn address(&mut self) -> String {
        const ODD: [&str; 8] = [
            "::",
            "::1",
            "::ffff:192.0.2.1",
            "0.0.0.0",
            "255.255.255.255",
            "2001:db8::1",
            "0000:0000:0000:0000:0000:ffff:255.255.255.255",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ];
        match self.below(3) {
            0 => (*self.pick(&ODD)).to_owned(),
            1 => std::net::Ipv4Addr::from(u32::try_from(self.next() >> 32).unwrap()).to_string(),
            _ => {
                let mut bits = u128::from(self.next()) << 64 | u128::from(self.next());
                // Runs of zeroes are what spellings differ in.
                bits &= !(0xffff_ffff_u128 << (16 * self.below(7)));
                std::net::Ipv6Addr::from(bits).to_string()
            }
        }
    }

    pub fn event(&mut self) -> Event {
        let outcome = *self.pick(&Outcome::ALL);
        let kinds = kinds();
        let kind = match self.below(4) {
            0 => format!("k{:x}.x-y_z", self.next() & 0xffff),
            _ => (*self.pick(&kinds)).to_owned(),
        };
        let codes = [
            "DLP_BLOCK_PII",
            "DLP_",
            "POLICY_LIMIT",
            "SCOPE_MISSING",
            "X",
        ];
        let roles = [
            "app",
            "agent",
            "system",
            "anonymous",
            "administrator",
            "auditor",
            "r_2",
        ];
        let intent = ["", "_intent"];
        let id = format!("evt_{:x}{}", self.next(), self.pick(&intent));
        let (action, class) = (*self.pick(&ActionType::ALL), *self.pick(&CLASSES));
        Event {
            event_id: EventId::parse(&id).unwrap(),
            timestamp: Timestamp::from_micros(
                i64::try_from(self.next() >> 13).unwrap() - (1 << 49),
            ),
            actor_id: self.text(),
            actor_role: (*self.pick(&roles)).to_owned(),
            environment: *self.pick(&Place::ALL),
            resource_id: self.text(),
            error_code: (outcome != Outcome::Success).then(|| (*self.pick(&codes)).to_owned()),
            ip_address: self.maybe(Self::address),
            user_agent: self.maybe(Self::text),
            request_context: self.maybe(|dice| {
                let role = dice.text().into();
                let odd = serde_json::json!([dice.text(), null, 1.5, { dice.text(): true }]);
                [("role".to_owned(), role), (dice.text(), odd)]
                    .into_iter()
                    .collect()
            }),
            risk_score_at_time: u8::try_from(self.below(101)).unwrap(),
            approval_id: self
                .maybe(|dice| ApprovalId::parse(&format!("apr_{:x}", dice.next())).unwrap()),
            charter_digest: self.maybe(|dice| Digest::of(&dice.next().to_be_bytes())),
            policy_digest: self.maybe(|dice| Digest::of(&dice.next().to_be_bytes())),
            decision: self.maybe(|dice| DecisionRecord {
                answer: "allow".to_owned(),
                policies: vec![dice.text()],
            }),
            previous_state: self.maybe(|dice| (*dice.pick(&STATES)).to_owned()),
            next_state: self.maybe(|dice| (*dice.pick(&STATES)).to_owned()),
            ..event(&kind, action, outcome, class)
        }
    }
}
