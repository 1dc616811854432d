//! The index is small beside a table of the same events.

use std::path::Path;

use burgess_core::audit::{ActionType, Event, Outcome, Place};
use burgess_core::data::Classification;
use burgess_core::digest::Digest;
use burgess_core::id::{ApprovalId, EventId};
use burgess_core::time::Span;
use burgess_trail::Trail;

use crate::fixture::*;

/// Bytes of an event as an app hands it in.
const BYTES: usize = 500;

/// An event as an app hands it in: what is absent or added later is not there.
fn submitted(event: &Event) -> String {
    let mut value = serde_json::to_value(event).unwrap();
    let members = value.as_object_mut().unwrap();
    members.retain(|key, value| !value.is_null() && key != "source");
    value.to_string()
}

/// Events as they come in: 1,000 people, 50 apps, every second one an outcome with its intent.
fn events(count: u64) -> Vec<Event> {
    (0..count)
        .map(|number| {
            let call = number / 2;
            let digest = Digest::of(&call.to_be_bytes()).to_string();
            let hex = &digest[digest.len() - 32..];
            let app = app(&format!("work-{}", call % 50));
            let intent = if number % 2 == 0 { "_intent" } else { "" };
            let blocked = number % 2 == 1 && call % 20 == 0;
            let event = Event {
                event_id: EventId::parse(&format!("evt_{hex}{intent}")).unwrap(),
                actor_id: format!("person.{}@example.com", call * 7919 % 1_000),
                actor_role: "app".to_owned(),
                environment: Place::Production,
                action_type: ActionType::Read,
                resource_type: "customer_record".to_owned(),
                resource_id: format!("customer-{}", call * 104_729 % 100_000),
                data_classification: Classification::Pii,
                outcome: if blocked {
                    Outcome::Blocked
                } else {
                    Outcome::Success
                },
                error_code: blocked.then(|| "DLP_BLOCK_PII".to_owned()),
                ip_address: Some(format!("192.0.2.{}", call % 250)),
                user_agent: Some("n8n/1.80".to_owned()),
                approval_id: Some(ApprovalId::parse(&format!("apr_{}", call % 50)).unwrap()),
                ..blank(
                    "x",
                    &app,
                    START.plus(Span::seconds(i64::try_from(number).unwrap())),
                )
            };
            let mut context = serde_json::Map::new();
            let rest = (BYTES - 31).saturating_sub(submitted(&event).len());
            context.insert("note".to_owned(), "q".repeat(rest.max(1)).into());
            Event {
                request_context: Some(context),
                ..event
            }
        })
        .collect()
}

fn folder_bytes(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).unwrap();
    files.map(|it| it.unwrap().metadata().unwrap().len()).sum()
}

/// The plain way: the event as JSON, hash-chained, with two indexes.
async fn table_bytes(events: &[Event]) -> u64 {
    let dir = tempfile::tempdir().unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(dir.path().join("table.db"))
        .create_if_missing(true);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let tables = "CREATE TABLE events (id INTEGER PRIMARY KEY, time INTEGER, app TEXT, actor TEXT, body TEXT, hash BLOB);
                  CREATE INDEX by_app ON events (app, time); CREATE INDEX by_actor ON events (actor, time);";
    sqlx::raw_sql(tables).execute(&pool).await.unwrap();
    let mut tx = pool.begin().await.unwrap();
    for event in events {
        let body = submitted(event);
        let hash = Digest::of(body.as_bytes());
        sqlx::query(
            "INSERT INTO events (time, app, actor, body, hash) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(event.timestamp.as_micros())
        .bind(event.app_id.as_str())
        .bind(&event.actor_id)
        .bind(body)
        .bind(hash.as_bytes().as_slice())
        .execute(&mut *tx)
        .await
        .unwrap();
    }
    tx.commit().await.unwrap();
    pool.close().await;
    folder_bytes(dir.path())
}

#[tokio::test]
async fn the_index_takes_less_than_half_of_a_table_with_two_indexes() {
    let count = 20_000;
    let events = events(count);
    let length: usize = events.iter().map(|it| submitted(it).len()).sum();
    let mean = length as u64 / count;
    assert!((490..=510).contains(&mean), "{mean} bytes an event");
    let table = table_bytes(&events).await;
    let dir = tempfile::tempdir().unwrap();
    let trail = Trail::open(&dir.path().join("trail.db")).await.unwrap();
    let told = number(events);
    for portion in opened(&told).chunks(512) {
        trail.apply(portion).await.unwrap();
    }
    assert_eq!(trail.complete_trails().await.unwrap().percent(), 100);
    trail.close().await;
    let index = folder_bytes(dir.path());
    println!(
        "index {} B an event, table {} B",
        index / count,
        table / count
    );
    assert!(index * 2 <= table, "{index} beside {table} bytes");
}
