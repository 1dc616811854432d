//! What is erased or pruned leaves the index; what is personal was never in it.

use std::path::Path;

use burgess_core::audit::Event;
use burgess_trail::{Query, Subject, Trail, TrailError};

use crate::fixture::*;

/// Everything in the index's folder.
fn bytes(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        bytes.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
    bytes
}

fn holds(bytes: &[u8], canary: &[u8]) -> bool {
    bytes
        .windows(canary.len())
        .any(|window| window.eq_ignore_ascii_case(canary))
}

fn with_canaries() -> Vec<Told> {
    let plain = |event: Event, number: usize| Event {
        actor_id: if number % 3 == 0 {
            "zoe.quagga@example.com".to_owned()
        } else {
            event.actor_id.clone()
        },
        resource_id: format!("xylophone-{number}"),
        ip_address: Some(format!("203.0.113.{number}")),
        user_agent: Some("Wombat/9.9".to_owned()),
        ..event
    };
    let events = trail().into_iter().map(|it| it.event).enumerate();
    number(events.map(|(number, event)| plain(event, number)).collect())
}

async fn count(trail: &Trail, query: Query) -> u64 {
    trail.count(&query).await.unwrap()
}

fn words(text: &str) -> Query {
    Query {
        words: typed(text),
        ..Query::default()
    }
}

#[tokio::test]
async fn no_personal_value_is_ever_in_the_file() {
    let told = with_canaries();
    let (dir, trail) = filled(&told).await;
    for canary in ["quagga", "zoe", "xylophone", "203.0.113.", "wombat"] {
        assert!(!holds(&bytes(dir.path()), canary.as_bytes()), "{canary}");
    }
    // The check can fail: what is open is found.
    trail.forget(&[]).await.unwrap();
    assert!(holds(&bytes(dir.path()), b"customer_record"));
    assert!(count(&trail, words("quagga wombat")).await > 10);
}

#[tokio::test]
async fn a_forgotten_actor_is_found_by_nothing_personal_and_its_events_by_what_is_open() {
    let told = with_canaries();
    let (dir, trail) = filled(&told).await;
    let zoe = token("actor", "zoe.quagga@example.com");
    let by_actor = Query {
        actor: Some(zoe),
        ..Query::default()
    };
    let hers = count(&trail, by_actor.clone()).await;
    assert!(hers > 20);
    let whole = count(&trail, Query::default()).await;
    assert_eq!(count(&trail, words("zoe")).await, hers);
    assert_eq!(count(&trail, words("wombat")).await, whole);
    assert_eq!(trail.forget(&[Subject::Actor(zoe)]).await.unwrap(), hers);
    assert_eq!(count(&trail, by_actor).await, 0);
    assert_eq!(count(&trail, words("zoe")).await, 0);
    assert_eq!(count(&trail, words("zoe.quagga@example.com")).await, 0);
    assert_eq!(
        count(&trail, words("wombat")).await,
        whole - hers,
        "the others' words stay"
    );
    // Her events are there, and so is what they were about.
    assert_eq!(count(&trail, Query::default()).await, whole);
    assert_eq!(count(&trail, words("xylophone-3")).await, 1);
    assert_eq!(
        trail.forget(&[Subject::Actor(zoe)]).await.unwrap(),
        0,
        "again"
    );
    let file = bytes(dir.path());
    assert!(!holds(&file, &zoe_bytes()), "not even the token");
}

fn zoe_bytes() -> Vec<u8> {
    let digest = burgess_core::digest::Digest::of_parts(&[b"actor\n", b"zoe.quagga@example.com"]);
    digest.as_bytes()[..8].to_vec()
}

#[tokio::test]
async fn the_token_of_an_actor_is_in_the_file_until_it_is_forgotten() {
    let told = with_canaries();
    let (dir, trail) = filled(&told).await;
    assert!(holds(&bytes(dir.path()), &zoe_bytes()));
    // Of the words, the index says itself what it holds.
    let terms = async || -> Vec<String> {
        let options =
            sqlx::sqlite::SqliteConnectOptions::new().filename(dir.path().join("trail.db"));
        let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
        let sql = "CREATE VIRTUAL TABLE temp.terms USING fts5vocab(main, blind, 'row')";
        let mut connection = pool.acquire().await.unwrap();
        sqlx::query(sql).execute(&mut *connection).await.unwrap();
        sqlx::query_scalar("SELECT term FROM temp.terms")
            .fetch_all(&mut *connection)
            .await
            .unwrap()
    };
    let before = terms().await;
    trail
        .forget(&[Subject::Actor(token("actor", "zoe.quagga@example.com"))])
        .await
        .unwrap();
    let after = terms().await;
    assert!(after.len() < before.len() && !after.is_empty());
    // Her names, and the addresses that she alone came from.
    let gone = before.len() - after.len();
    assert!(gone >= 2 + told.len() / 3, "{gone} terms are gone");
}

#[tokio::test]
async fn a_forgotten_resource_is_one_of_its_kind_alone() {
    let mut told = with_canaries();
    let resource = |it: &Told| (it.event.resource_type.clone(), it.event.resource_id.clone());
    let (kind, id) = resource(&told[40]);
    let other = told
        .iter()
        .position(|it| it.event.resource_type != kind)
        .unwrap();
    told[other].indexed().blind.resource = Some(token("resource", &id));
    let (_dir, trail) = filled(&told).await;
    let query = Query {
        resource: Some(token("resource", &id)),
        ..Query::default()
    };
    assert_eq!(count(&trail, query.clone()).await, 2);
    let subject = Subject::Resource {
        resource_type: kind,
        token: token("resource", &id),
    };
    assert_eq!(trail.forget(&[subject]).await.unwrap(), 1);
    let left = trail.search(&query).await.unwrap().hits;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].index, told[other].opened.index);
}

#[tokio::test]
async fn pruned_entries_are_gone_and_the_rest_stays_complete() {
    let told = trail();
    let (_dir, trail) = filled(&told).await;
    assert_eq!(trail.prune(SHARD, 30).await.unwrap(), 30);
    assert_eq!(trail.first_kept(SHARD).await.unwrap(), 30);
    assert_eq!(trail.len().await.unwrap(), told.len() as u64 - 30);
    assert!(trail.entry(SHARD, 29).await.unwrap().is_none());
    assert_eq!(trail.complete_trails().await.unwrap().percent(), 100);
    assert_eq!(trail.prune(SHARD, 30).await.unwrap(), 0);
    // An index made anew of what is left says the same.
    let dir = tempfile::tempdir().unwrap();
    let again = Trail::open(&dir.path().join("trail.db")).await.unwrap();
    let left = opened(&told[30..]);
    let gap = again.apply(&left).await;
    assert!(matches!(gap, Err(TrailError::Gap { .. })), "{gap:?}");
    again.prune(SHARD, 30).await.unwrap();
    again.apply(&left).await.unwrap();
    assert_eq!(again.complete_trails().await.unwrap().percent(), 100);
    let query = Query::default();
    assert_eq!(
        again.search(&query).await.unwrap(),
        trail.search(&query).await.unwrap()
    );
}

#[tokio::test]
async fn an_entry_that_is_no_event_takes_its_place_and_is_not_found() {
    let mut told = trail();
    told[0].opened.event = None;
    let (_dir, trail) = filled(&told).await;
    assert_eq!(trail.high_water(SHARD).await.unwrap(), told.len() as u64);
    assert_eq!(trail.len().await.unwrap(), told.len() as u64 - 1);
    assert!(trail.entry(SHARD, 0).await.unwrap().is_none());
    trail.apply(&opened(&told[..5])).await.unwrap();
}
