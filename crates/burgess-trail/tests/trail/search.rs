//! What a search finds is what reading every event would find.

use burgess_core::audit::Outcome;
use burgess_core::digest::Digest;
use burgess_core::id::ApprovalId;
use burgess_core::time::Span;
use burgess_trail::{Opened, Query, Trail, export};

use crate::fixture::*;

/// The event ids that a search finds, over all its pages.
async fn found(trail: &Trail, query: Query) -> Vec<String> {
    let mut query = Query { limit: 7, ..query };
    let mut ids = Vec::new();
    loop {
        let page = trail.search(&query).await.unwrap();
        ids.extend(page.rows.iter().map(|row| row.event.event_id.to_string()));
        match page.next {
            None => return ids,
            next => query.after = next,
        }
    }
}

/// The ids of the events that `holds` picks, the newest first.
fn read(entries: &[Opened], holds: impl Fn(&burgess_core::audit::Event) -> bool) -> Vec<String> {
    let picked = entries.iter().rev().filter(|it| holds(&it.event));
    picked.map(|it| it.event.event_id.to_string()).collect()
}

// R125
#[tokio::test]
async fn forensics_find_by_actor_app_resource_time_and_approval() {
    let entries = trail();
    let (_dir, trail) = filled(&entries).await;
    let check = async |query: Query, holds: &dyn Fn(&burgess_core::audit::Event) -> bool| {
        let expected = read(&entries, holds);
        assert!(
            !expected.is_empty() && expected.len() < entries.len(),
            "{query:?} proves nothing"
        );
        assert_eq!(trail.count(&query).await.unwrap(), expected.len() as u64);
        assert_eq!(found(&trail, query).await, expected);
    };
    let all = Query::default;
    let actor = "crd_quoting";
    check(
        Query {
            actor: Some(actor.to_owned()),
            ..all()
        },
        &|it| it.actor_id == actor,
    )
    .await;
    let quoting = app("quoting");
    check(
        Query {
            app: Some(quoting.to_string()),
            ..all()
        },
        &|it| it.app_id == quoting,
    )
    .await;
    let resource = "customers-2";
    check(
        Query {
            resource: Some(resource.to_owned()),
            ..all()
        },
        &|it| it.resource_id == resource,
    )
    .await;
    let (from, to) = (START.plus(Span::days(10)), START.plus(Span::days(20)));
    check(
        Query {
            from: Some(from),
            to: Some(to),
            ..all()
        },
        &|it| it.timestamp >= from && it.timestamp < to,
    )
    .await;
    let approval = ApprovalId::parse("apr_invoices").unwrap();
    check(
        Query {
            approval: Some(approval.to_string()),
            ..all()
        },
        &|it| it.approval_id.as_ref() == Some(&approval) || it.resource_id == approval.as_str(),
    )
    .await;
}

#[tokio::test]
async fn all_conditions_of_a_search_must_hold() {
    let entries = trail();
    let (_dir, trail) = filled(&entries).await;
    let query = Query {
        app: Some(app("quoting").to_string()),
        outcome: Some("blocked".to_owned()),
        action: Some("export".to_owned()),
        classification: Some("pii".to_owned()),
        environment: Some("sandbox".to_owned()),
        error_code: Some("DLP_BLOCK_PII".to_owned()),
        resource_type: Some("customer_record".to_owned()),
        text: Some("n8n custom".to_owned()),
        ..Query::default()
    };
    let expected = read(&entries, |it| {
        it.app_id == app("quoting") && it.outcome == Outcome::Blocked
    });
    assert_eq!(expected.len(), 9);
    assert_eq!(found(&trail, query.clone()).await, expected);
    let none = Query {
        classification: Some("phi".to_owned()),
        ..query
    };
    assert!(found(&trail, none).await.is_empty());
}

#[tokio::test]
async fn every_row_says_where_its_proof_begins() {
    let entries = trail();
    let (_dir, trail) = filled(&entries).await;
    let page = trail
        .search(&Query {
            limit: 1000,
            ..Query::default()
        })
        .await
        .unwrap();
    assert_eq!(page.rows.len(), entries.len());
    for (row, entry) in page.rows.iter().rev().zip(&entries) {
        assert_eq!(
            (row.shard.as_str(), row.index, row.sequence),
            (SHARD, entry.index, entry.sequence)
        );
        assert_eq!(row.leaf_hash, Digest::from_bytes(entry.leaf_hash));
        assert_eq!(row.event, entry.event);
    }
    let row = trail.entry(SHARD, 7).await.unwrap().unwrap();
    assert_eq!(row.event, entries[7].event);
    assert_eq!(trail.entry("elsewhere", 7).await.unwrap(), None);
    assert_eq!(
        trail
            .by_id(entries[7].event.event_id.as_str())
            .await
            .unwrap(),
        Some(row)
    );
    assert_eq!(trail.by_id("evt_none").await.unwrap(), None);
}

#[tokio::test]
async fn words_are_found_wherever_they_stand_and_by_their_beginning() {
    let entries = trail();
    let (_dir, trail) = filled(&entries).await;
    let text = async |text: &str| {
        found(
            &trail,
            Query {
                text: Some(text.to_owned()),
                ..Query::default()
            },
        )
        .await
        .len()
    };
    assert_eq!(text("priya@example.com").await, 3);
    assert_eq!(text("PRIYA").await, 3);
    assert_eq!(text("UPSTREAM_TIME").await, 17);
    assert_eq!(text("UPSTREAM_TIMEOUT quoting").await, 9);
    assert_eq!(text("nowhere").await, 0);
    assert_eq!(text("").await, entries.len());
    assert_eq!(text("***").await, 0);
}

#[tokio::test]
async fn hostile_text_never_errs() {
    let entries = trail();
    let (_dir, trail) = filled(&entries[..40]).await;
    let hostile = [
        "\"",
        "\"\"",
        "a\"b",
        "NEAR(a b)",
        "a OR b",
        "NOT",
        "AND",
        "a AND",
        "col:x",
        "^a",
        "a*",
        "-a",
        "(",
        ")",
        "a\0b",
        "\0",
        "{x y}: z",
        "'; DROP TABLE events; --",
        "%",
        "_",
        "\u{301}",
        "日本",
        "a + b",
        "a\\",
        "\u{ffff}",
        "🦀",
        "x\u{200b}y",
    ];
    for text in hostile {
        let query = Query {
            text: Some(text.to_owned()),
            ..Query::default()
        };
        let page = trail.search(&query).await;
        assert!(page.is_ok(), "`{text}`: {page:?}");
        assert!(trail.count(&query).await.is_ok());
    }
    let long = "a ".repeat(100_000) + &"b".repeat(100_000);
    assert!(
        trail
            .search(&Query {
                text: Some(long),
                ..Query::default()
            })
            .await
            .is_ok()
    );
    assert_eq!(trail.len().await.unwrap(), 40);
}

#[tokio::test]
async fn a_page_goes_on_where_the_one_before_ended() {
    let entries = trail();
    let (_dir, trail) = filled(&entries).await;
    let page = trail
        .search(&Query {
            limit: 3,
            ..Query::default()
        })
        .await
        .unwrap();
    let newest = entries.len() as u64 - 1;
    assert_eq!(
        page.rows.iter().map(|row| row.index).collect::<Vec<_>>(),
        [newest, newest - 1, newest - 2]
    );
    assert_eq!(page.next, Some(newest - 2));
    let last = trail
        .search(&Query {
            after: Some(2),
            limit: 3,
            ..Query::default()
        })
        .await
        .unwrap();
    assert_eq!(
        last.rows.iter().map(|row| row.index).collect::<Vec<_>>(),
        [1, 0]
    );
    assert_eq!(last.next, None);
    let beyond = Query {
        after: Some(u64::MAX),
        limit: 1,
        ..Query::default()
    };
    assert_eq!(trail.search(&beyond).await.unwrap().rows[0].index, newest);
    let latest = entries.iter().map(|it| it.event.timestamp).max();
    assert_eq!(trail.newest_time().await.unwrap(), latest);
}

#[tokio::test]
async fn neighbours_are_near_in_time_or_under_the_same_approval() {
    let entries = trail();
    let (_dir, trail) = filled(&entries).await;
    let event = trail
        .by_id("evt_quoting_call_4_1")
        .await
        .unwrap()
        .unwrap()
        .event;
    let around = trail.neighbours(&event, Span::minutes(5)).await.unwrap();
    let ids: Vec<&str> = around
        .same_app
        .iter()
        .map(|it| it.event.event_id.as_str())
        .collect();
    assert_eq!(
        ids,
        [
            "evt_quoting_call_4_2",
            "evt_quoting_call_4_2_intent",
            "evt_quoting_call_4_1",
            "evt_quoting_call_4_1_intent",
            "evt_quoting_call_4_0",
            "evt_quoting_call_4_0_intent",
        ]
    );
    assert_eq!(around.same_actor, around.same_app);
    let approval = event.approval_id.clone();
    let expected = read(&entries, |it| it.approval_id == approval);
    assert_eq!(around.same_approval.len(), expected.len());
}

#[tokio::test]
async fn exports_hold_the_whole_filtered_set() {
    let entries = trail();
    let (_dir, trail) = filled(&entries).await;
    let query = Query {
        app: Some(app("invoices").to_string()),
        limit: 2,
        ..Query::default()
    };
    let expected = read(&entries, |it| it.app_id == app("invoices"));
    let mut lines = Vec::new();
    assert_eq!(
        export::jsonl::all(&trail, &query, &mut lines)
            .await
            .unwrap(),
        expected.len() as u64
    );
    let text = String::from_utf8(lines).unwrap();
    let ids: Vec<String> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|value| value["event"]["event_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids, expected);
    let mut table = Vec::new();
    assert_eq!(
        export::csv::all(&trail, &query, &mut table).await.unwrap(),
        expected.len() as u64
    );
    let text = String::from_utf8(table).unwrap();
    let page = trail.search(&Query { limit: 0, ..query }).await.unwrap();
    assert_eq!(export::csv::write(&page.rows), text);
    let rows: Vec<&str> = text.trim_end().split("\r\n").collect();
    assert_eq!(rows.len(), expected.len() + 1);
    for (row, id) in rows[1..].iter().zip(&expected) {
        assert_eq!(row.matches("\",\"").count(), export::csv::HEADER.len() - 1);
        assert!(row.contains(&format!("\"{id}\"")));
    }
}
