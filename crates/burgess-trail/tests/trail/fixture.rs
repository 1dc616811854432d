//! A trail of some weeks: three apps, their people, blocks and calls.

use burgess_core::audit::{ActionType, Event, Outcome, Place};
use burgess_core::data::Classification;
use burgess_core::digest::Digest;
use burgess_core::id::{AppId, ApprovalId, EventId};
use burgess_core::time::{Span, Timestamp};
use burgess_trail::{Blind, Facts, Indexed, Opened, Token, Trail, Word, WordTokens, parts};

pub const START: Timestamp = Timestamp::from_seconds(1_767_225_600); // 2026-01-01T00:00:00Z
pub const SHARD: &str = "demo/acme";

pub fn app(name: &str) -> AppId {
    AppId::parse(&format!("microapp-{name}")).unwrap()
}

pub fn blank(id: &str, app: &AppId, at: Timestamp) -> Event {
    Event {
        event_id: EventId::parse(&format!("evt_{id}")).unwrap(),
        timestamp: at,
        actor_id: "dana@example.com".to_owned(),
        actor_role: "citizen_developer".to_owned(),
        app_id: app.clone(),
        version: "1.0.0".to_owned(),
        environment: Place::Control,
        action_type: ActionType::Update,
        resource_type: "app".to_owned(),
        resource_id: app.to_string(),
        data_classification: Classification::Internal,
        outcome: Outcome::Success,
        error_code: None,
        ip_address: None,
        user_agent: None,
        request_context: None,
        risk_score_at_time: 20,
        approval_id: None,
        source: "console".to_owned(),
        charter_digest: None,
        policy_digest: None,
        decision: None,
        previous_state: None,
        next_state: None,
    }
}

fn moved(
    id: &str,
    app: &AppId,
    at: Timestamp,
    kind: &str,
    resource: &str,
    from: Option<&str>,
    to: &str,
) -> Event {
    Event {
        resource_type: kind.to_owned(),
        resource_id: resource.to_owned(),
        previous_state: from.map(str::to_owned),
        next_state: Some(to.to_owned()),
        ..blank(id, app, at)
    }
}

/// The life of one app: request, approval, deployment, daily calls, some blocks.
fn life(n: u32, name: &str, score: u8, weeks: i64, end: &str) -> Vec<Event> {
    let app = app(name);
    let day = |days: i64| {
        START
            .plus(Span::days(days))
            .plus(Span::minutes(i64::from(n)))
    };
    let request = format!("req_{name}");
    let approval = ApprovalId::parse(&format!("apr_{name}")).unwrap();
    let wait = Span::hours(i64::from(n) * 10 + 3);
    let mut events = vec![
        moved(
            &format!("{name}_reg"),
            &app,
            day(0),
            "app",
            app.as_str(),
            None,
            "requested",
        ),
        moved(
            &format!("{name}_sub"),
            &app,
            day(0),
            "request",
            &request,
            None,
            "submitted",
        ),
        moved(
            &format!("{name}_apr"),
            &app,
            day(0).plus(wait),
            "request",
            &request,
            Some("submitted"),
            "approved",
        ),
        Event {
            actor_id: "priya@example.com".to_owned(),
            approval_id: Some(approval.clone()),
            ..moved(
                &format!("{name}_grant"),
                &app,
                day(0).plus(wait),
                "approval",
                approval.as_str(),
                None,
                "in_force",
            )
        },
        Event {
            environment: Place::Sandbox,
            ..moved(
                &format!("{name}_dpl"),
                &app,
                day(4),
                "deployment",
                &format!("dpl_{name}"),
                None,
                "live",
            )
        },
        moved(
            &format!("{name}_live"),
            &app,
            day(4),
            "app",
            app.as_str(),
            Some("requested"),
            "sandbox",
        ),
    ];
    for week in 0..weeks {
        for (call, outcome) in [Outcome::Success, Outcome::Blocked, Outcome::Failure]
            .into_iter()
            .enumerate()
        {
            let at = day(5 + week * 7).plus(Span::minutes(call as i64));
            let id = format!("{name}_call_{week}_{call}");
            let done = Event {
                actor_id: format!("crd_{name}"),
                actor_role: "app".to_owned(),
                environment: Place::Sandbox,
                action_type: ActionType::Export,
                resource_type: "customer_record".to_owned(),
                resource_id: format!("customers-{week}"),
                data_classification: Classification::Pii,
                outcome,
                error_code: match outcome {
                    Outcome::Success => None,
                    Outcome::Failure => Some("UPSTREAM_TIMEOUT".to_owned()),
                    Outcome::Blocked => Some("DLP_BLOCK_PII".to_owned()),
                },
                risk_score_at_time: score,
                approval_id: Some(approval.clone()),
                user_agent: Some("n8n/1.80".to_owned()),
                ..blank(&id, &app, at)
            };
            let intent = Event {
                event_id: EventId::parse(&format!("evt_{id}_intent")).unwrap(),
                outcome: Outcome::Success,
                error_code: None,
                ..done.clone()
            };
            events.extend([intent, done]);
        }
    }
    if end != "sandbox" {
        events.push(Event {
            risk_score_at_time: score,
            ..moved(
                &format!("{name}_end"),
                &app,
                day(200),
                "app",
                app.as_str(),
                Some("sandbox"),
                end,
            )
        });
    }
    events
}

/// One event and what the index is handed of it.
#[derive(Clone, Debug)]
pub struct Told {
    pub event: Event,
    pub opened: Opened,
}

impl Told {
    /// The index's own part.
    pub fn indexed(&mut self) -> &mut Indexed {
        self.opened.event.as_mut().unwrap()
    }

    pub fn sequence(&self) -> u64 {
        self.opened.event.as_ref().unwrap().sequence
    }
}

/// All events in the order of the ledger, numbered per app.
pub fn trail() -> Vec<Told> {
    let lives = [
        life(1, "quoting", 60, 9, "sandbox"),
        life(2, "invoices", 30, 5, "production"),
        life(3, "planner", 80, 3, "retired"),
    ];
    let mut events: Vec<Event> = lives.into_iter().flatten().collect();
    events.sort_by_key(|event| event.timestamp);
    number(events)
}

pub fn number(events: Vec<Event>) -> Vec<Told> {
    let mut sequences = std::collections::BTreeMap::new();
    (0u64..)
        .zip(events)
        .map(|(index, event)| {
            let sequence = sequences.entry(event.app_id.to_string()).or_insert(0u64);
            *sequence += 1;
            let opened = Opened {
                shard: SHARD.to_owned(),
                index,
                leaf_hash: *Digest::of(event.event_id.as_str().as_bytes()).as_bytes(),
                event: Some(Indexed {
                    sequence: *sequence,
                    facts: Facts::of(&event),
                    blind: blind(&event),
                }),
            };
            Told { event, opened }
        })
        .collect()
}

pub fn opened(told: &[Told]) -> Vec<Opened> {
    told.iter().map(|it| it.opened.clone()).collect()
}

/// As the binary makes them, with a digest in place of a keyed one.
pub fn token(field: &str, value: &str) -> Token {
    let digest = Digest::of_parts(&[field.as_bytes(), b"\n", value.to_lowercase().as_bytes()]);
    Token::from_bytes(digest.as_bytes()[..8].try_into().unwrap())
}

fn blind(event: &Event) -> Blind {
    let words = |text: &str| parts(text).map(|it| token("word", &it)).collect::<Vec<_>>();
    let mut actor_words = words(&event.actor_id);
    actor_words.extend(event.user_agent.iter().flat_map(|it| words(it)));
    actor_words.extend(event.ip_address.iter().map(|it| token("word", it)));
    Blind {
        actor: Some(token("actor", &event.actor_id)),
        actor_words,
        resource: Some(token("resource", &event.resource_id)),
        resource_words: words(&event.resource_id),
    }
}

/// What somebody who may look into personal fields typed.
pub fn typed(text: &str) -> Vec<Word> {
    let tokens = |word: Word| Word {
        blind: Some(WordTokens {
            actor: token("actor", &word.typed),
            resource: token("resource", &word.typed),
            word: token("word", &word.typed),
        }),
        ..word
    };
    Word::open(text).into_iter().map(tokens).collect()
}

pub async fn filled(told: &[Told]) -> (tempfile::TempDir, Trail) {
    let dir = tempfile::tempdir().unwrap();
    let trail = Trail::open(&dir.path().join("trail.db")).await.unwrap();
    trail.apply(&opened(told)).await.unwrap();
    (dir, trail)
}
