//! The index can be thrown away.

use burgess_core::time::{Span, Timestamp};
use burgess_trail::{Hit, Order, Query, Trail, TrailError};

use crate::fixture::*;

/// Everything that the index answers, as text.
async fn answers(trail: &Trail) -> String {
    let mut hits: Vec<Hit> = Vec::new();
    for (words, order) in [
        ("", Order::Newest),
        ("", Order::Oldest),
        ("n8n", Order::Newest),
        ("priya", Order::Newest),
        ("blocked", Order::Oldest),
    ] {
        let query = Query {
            words: typed(words),
            order,
            ..Query::default()
        };
        hits.extend(trail.search(&query).await.unwrap().hits);
    }
    let (from, to) = (Timestamp::EPOCH, START.plus(Span::days(1000)));
    let figures = serde_json::json!([
        trail.active_apps().await.unwrap(),
        trail.deployments(from, to).await.unwrap(),
        trail.time_to_approve(from, to).await.unwrap(),
        trail.dlp_blocks_per_month().await.unwrap(),
        trail.high_risk_apps(50).await.unwrap(),
        trail.complete_trails().await.unwrap(),
        trail.last_activity().await.unwrap(),
        trail.outcomes(from, to).await.unwrap(),
    ]);
    format!("{hits:?} {figures}")
}

#[tokio::test]
async fn a_deleted_and_rebuilt_index_gives_equal_answers() {
    let entries = trail();
    let (dir, trail) = filled(&entries).await;
    let before = answers(&trail).await;
    assert!(before.len() > 10_000);
    trail.rebuild(&opened(&entries)).await.unwrap();
    assert_eq!(answers(&trail).await, before);
    trail.close().await;
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    // Handed over in other portions, from an empty file.
    let again = Trail::open(&dir.path().join("trail.db")).await.unwrap();
    assert_eq!(again.high_water(SHARD).await.unwrap(), 0);
    for portion in opened(&entries).chunks(13) {
        again.apply(portion).await.unwrap();
    }
    assert_eq!(answers(&again).await, before);
}

#[tokio::test]
async fn entries_go_in_once_in_order_and_without_gaps() {
    let told = trail();
    let entries = opened(&told);
    let (_dir, trail) = filled(&told[..20]).await;
    assert_eq!(trail.high_water(SHARD).await.unwrap(), 20);
    trail.apply(&entries[5..25]).await.unwrap();
    assert_eq!(
        (
            trail.high_water(SHARD).await.unwrap(),
            trail.len().await.unwrap()
        ),
        (25, 25)
    );
    let gap = trail.apply(&entries[26..30]).await;
    assert!(
        matches!(
            gap,
            Err(TrailError::Gap {
                expected: 25,
                found: 26,
                ..
            })
        ),
        "{gap:?}"
    );
    let mut other = entries[3].clone();
    other.leaf_hash = [7; 32];
    let contradiction = trail.apply(&[entries[25].clone(), other]).await;
    assert!(matches!(
        contradiction,
        Err(TrailError::OtherLeaf { index: 3, .. })
    ));
    assert_eq!(
        trail.high_water(SHARD).await.unwrap(),
        25,
        "all of a batch or nothing"
    );
    // The next shard begins at 0 again.
    let mut next = entries[0].clone();
    next.shard = "demo/acme/2".to_owned();
    trail.apply(&[next]).await.unwrap();
    assert_eq!(trail.high_water("demo/acme/2").await.unwrap(), 1);
    assert_eq!(trail.high_water(SHARD).await.unwrap(), 25);
    trail.clear().await.unwrap();
    assert!(trail.is_empty().await.unwrap());
}

#[tokio::test]
async fn an_index_file_that_is_garbage_is_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("trail.db");
    std::fs::write(&path, vec![0x5a; 8192]).unwrap();
    let trail = Trail::open(&path).await.unwrap();
    trail.apply(&trail_of_three()).await.unwrap();
    trail.close().await;
    let again = Trail::open(&path).await.unwrap();
    assert_eq!(
        again.high_water(SHARD).await.unwrap(),
        3,
        "what is in stays in"
    );
}

fn trail_of_three() -> Vec<burgess_trail::Opened> {
    opened(&trail()).into_iter().take(3).collect()
}
