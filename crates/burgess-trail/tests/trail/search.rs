//! What a search finds is what reading every event would find.

use burgess_core::audit::Outcome;
use burgess_core::digest::Digest;
use burgess_core::id::ApprovalId;
use burgess_core::time::Span;
use burgess_trail::{Cursor, Hit, Order, Query, Trail, Word, export};

use crate::fixture::*;

/// The indices that a search finds, over all its pages.
async fn found(trail: &Trail, query: Query) -> Vec<u64> {
    let mut query = Query { limit: 7, ..query };
    let mut indices = Vec::new();
    loop {
        let page = trail.search(&query).await.unwrap();
        indices.extend(page.hits.iter().map(|hit| hit.index));
        match page.next {
            None => return indices,
            next => query.after = next,
        }
    }
}

/// The indices of the events that `holds` picks, the newest first.
fn read(entries: &[Told], holds: impl Fn(&burgess_core::audit::Event) -> bool) -> Vec<u64> {
    let picked = entries.iter().rev().filter(|it| holds(&it.event));
    picked.map(|it| it.opened.index).collect()
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
            actor: Some(token("actor", actor)),
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
            resource: Some(token("resource", resource)),
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
            approval_token: Some(token("resource", approval.as_str())),
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
        words: typed("n8n custom"),
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
async fn every_hit_says_where_its_proof_begins() {
    let entries = trail();
    let (_dir, trail) = filled(&entries).await;
    let query = Query {
        order: Order::Oldest,
        ..Query::default()
    };
    let page = trail.search(&query).await.unwrap();
    assert_eq!(page.hits.len(), entries.len());
    for (hit, entry) in page.hits.iter().zip(&entries) {
        assert_eq!(
            (hit.shard.as_str(), hit.index, hit.sequence),
            (SHARD, entry.opened.index, entry.sequence())
        );
        assert_eq!(hit.leaf_hash, Digest::from_bytes(entry.opened.leaf_hash));
    }
    let hit = trail.entry(SHARD, 7).await.unwrap().unwrap();
    assert_eq!(hit, page.hits[7]);
    assert_eq!(trail.entry("elsewhere", 7).await.unwrap(), None);
    for entry in &entries {
        let id = entry.event.event_id.as_str();
        let hit = trail.by_id(id).await.unwrap().unwrap();
        assert_eq!(hit.index, entry.opened.index, "{id}");
    }
    assert_eq!(trail.by_id("evt_none").await.unwrap(), None);
    assert_eq!(trail.by_id("no id").await.unwrap(), None);
}

// R125
#[tokio::test]
async fn open_words_are_found_by_their_beginning_and_personal_ones_whole() {
    let entries = trail();
    let (_dir, trail) = filled(&entries).await;
    let count = async |words: Vec<Word>| {
        let query = Query {
            words,
            ..Query::default()
        };
        found(&trail, query).await.len()
    };
    assert_eq!(count(typed("priya@example.com")).await, 3);
    assert_eq!(count(typed("PRIYA")).await, 3);
    assert_eq!(count(typed("priy")).await, 0, "a token has no beginning");
    assert_eq!(count(typed("UPSTREAM_TIME")).await, 17);
    assert_eq!(count(typed("UPSTREAM_TIMEOUT quoting")).await, 9);
    assert_eq!(count(typed("customers-2 n8n")).await, 18);
    assert_eq!(
        count(typed("evt_quoting_call_4_1")).await,
        2,
        "with its intent"
    );
    assert_eq!(count(typed("nowhere")).await, 0);
    assert_eq!(count(typed("")).await, entries.len());
    assert_eq!(count(Word::open("***")).await, 0);
    // Whoever has no tokens finds open words alone.
    assert_eq!(count(Word::open("PRIYA")).await, 0);
    assert_eq!(count(Word::open("UPSTREAM_TIMEOUT quoting")).await, 9);
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
        for words in [typed(text), Word::open(text)] {
            let query = Query {
                words,
                ..Query::default()
            };
            let page = trail.search(&query).await;
            assert!(page.is_ok(), "`{text}`: {page:?}");
            assert!(trail.count(&query).await.is_ok());
        }
    }
    let long = "a ".repeat(100_000) + &"b".repeat(100_000);
    assert!(
        trail
            .search(&Query {
                words: typed(&long),
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
    let indices = |hits: &[Hit]| hits.iter().map(|hit| hit.index).collect::<Vec<_>>();
    assert_eq!(indices(&page.hits), [newest, newest - 1, newest - 2]);
    let next = page.next.unwrap();
    assert_eq!(Cursor::parse(&next.to_string()), Some(next));
    assert_eq!(next, page.hits[2].cursor);
    let asked = async |cursor: &str, order| {
        let query = Query {
            after: Some(Cursor::parse(cursor).unwrap()),
            limit: 3,
            order,
            ..Query::default()
        };
        trail.search(&query).await.unwrap()
    };
    let last = asked("1.2", Order::Newest).await;
    assert_eq!((indices(&last.hits), last.next), (vec![1, 0], None));
    assert_eq!(indices(&asked("1.2", Order::Oldest).await.hits), [3, 4, 5]);
    // Beyond what there is: everything the one way, nothing the other.
    let beyond = format!("1.{}", u64::MAX);
    assert_eq!(asked(&beyond, Order::Newest).await.hits[0].index, newest);
    assert!(asked(&beyond, Order::Oldest).await.hits.is_empty());
    for text in ["", "1", "1.", ".1", "a.b", "-1.0", "1.0.0"] {
        assert_eq!(Cursor::parse(text), None, "`{text}`");
    }
    assert_eq!(trail.newest().await.unwrap(), Some(page.hits[0].cursor));
    let latest = entries.iter().map(|it| it.event.timestamp).max();
    assert_eq!(trail.newest_time().await.unwrap(), latest);
}

#[tokio::test]
async fn a_row_is_written_in_every_format_with_the_place_of_its_proof() {
    let entries = trail();
    let (_dir, trail) = filled(&entries).await;
    let hit = trail.entry(SHARD, 40).await.unwrap().unwrap();
    let row = hit.row(77, entries[40].event.clone());
    for format in export::Format::ALL {
        assert_eq!(export::Format::parse(format.as_str()), Some(format));
        let text = format.row(&row).unwrap();
        for part in [
            SHARD,
            &row.leaf_hash.to_string(),
            row.event.event_id.as_str(),
        ] {
            assert!(text.contains(part), "{format:?}: {text}");
        }
    }
    let line: serde_json::Value =
        serde_json::from_str(&export::Format::Jsonl.row(&row).unwrap()).unwrap();
    assert_eq!(line["event"]["event_id"], row.event.event_id.as_str());
    assert_eq!(line["index"], 40);
    assert_eq!(
        (&line["origin"], &line["shard"]),
        (&SHARD.into(), &SHARD.into())
    );
    let columns = export::csv::HEADER.len();
    for line in [export::csv::head(), export::csv::row(&row)] {
        assert_eq!(line.matches("\",\"").count(), columns - 1);
        assert!(line.ends_with("\r\n"));
    }
    assert_eq!(export::Format::parse("xml"), None);
}

/// The fields of a CSV line whose values hold no quotes.
fn fields(line: &str) -> Vec<&str> {
    let inner = line.trim_end().trim_matches('"');
    inner.split("\",\"").collect()
}

#[tokio::test]
async fn what_was_added_at_append_stands_in_json_lines_and_in_csv() {
    let entries = trail();
    let (_dir, trail) = filled(&entries).await;
    let hit = trail.entry(SHARD, 40).await.unwrap().unwrap();
    let sequence = hit.sequence;
    let event = burgess_core::audit::Event {
        charter_digest: Some(Digest::of(b"charter")),
        policy_digest: Some(Digest::of(b"policies")),
        decision: Some(burgess_core::audit::DecisionRecord {
            answer: "allow".to_owned(),
            policies: vec!["a-policy".to_owned()],
        }),
        previous_state: Some("submitted".to_owned()),
        next_state: Some("approved".to_owned()),
        ..entries[40].event.clone()
    };
    let row = hit.row(77, event);
    let line: serde_json::Value =
        serde_json::from_str(&export::Format::Jsonl.row(&row).unwrap()).unwrap();
    let (head, written) = (export::csv::head(), export::csv::row(&row));
    let csv: std::collections::BTreeMap<&str, &str> =
        fields(&head).into_iter().zip(fields(&written)).collect();
    let added = [
        ("schema", "burgess.event/1".to_owned()),
        ("source", row.event.source.clone()),
        ("source_seq", "77".to_owned()),
        ("sequence", sequence.to_string()),
        ("charter_digest", Digest::of(b"charter").to_string()),
        ("policy_digest", Digest::of(b"policies").to_string()),
        ("previous_state", "submitted".to_owned()),
        ("next_state", "approved".to_owned()),
    ];
    for (key, value) in &added {
        let told = &line["event"][key];
        let told = told.as_str().map_or(told.to_string(), str::to_owned);
        assert_eq!((&told, csv[key]), (value, value.as_str()), "{key}");
    }
    assert_eq!(line["event"]["decision"]["answer"], "allow");
    assert_eq!((csv["decision"], csv["policies"]), ("allow", "a-policy"));
    assert_eq!((csv["origin"], csv["shard"]), (SHARD, SHARD));
}
