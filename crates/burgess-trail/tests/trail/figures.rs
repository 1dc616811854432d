//! Each figure against another computation of its published definition, over the events alone.

use std::collections::{BTreeMap, BTreeSet};

use burgess_core::audit::{Event, Outcome, replay};
use burgess_core::time::{Span, Timestamp};
use burgess_trail::DEFINITIONS;

use crate::fixture::*;

fn events(entries: &[Told]) -> impl Iterator<Item = &Event> {
    entries.iter().map(|it| &it.event)
}

fn published(id: &str) {
    assert!(
        DEFINITIONS
            .iter()
            .any(|it| it.id == id && !it.text.is_empty()),
        "{id}"
    );
}

/// The last state of each app, by the core's own replay.
fn states(entries: &[Told]) -> BTreeMap<String, String> {
    let replayed = replay(events(entries));
    let apps = replayed
        .states
        .into_iter()
        .filter(|((kind, _), _)| kind == "app");
    apps.map(|((_, id), state)| (id, state)).collect()
}

// R128
#[tokio::test]
async fn active_apps_are_those_that_replay_leaves_running() {
    published("active-apps");
    let entries = trail();
    for end in [1, 10, 30, entries.len()] {
        let (_dir, trail) = filled(&entries[..end]).await;
        let running = ["sandbox", "staging", "production"];
        let expected: Vec<String> = states(&entries[..end])
            .into_iter()
            .filter(|(_, state)| running.contains(&state.as_str()))
            .map(|(app, _)| app)
            .collect();
        assert_eq!(trail.active_apps().await.unwrap(), expected);
    }
    let (_dir, trail) = filled(&entries).await;
    assert_eq!(
        trail.active_apps().await.unwrap(),
        ["microapp-invoices", "microapp-quoting"]
    );
}

// R129
#[tokio::test]
async fn deployments_are_the_events_that_went_live_in_the_period() {
    published("deployments");
    let entries = trail();
    let (_dir, trail) = filled(&entries).await;
    let count = async |from, to| -> u64 {
        trail
            .deployments(from, to)
            .await
            .unwrap()
            .iter()
            .map(|it| it.count)
            .sum()
    };
    let day = |n| START.plus(Span::days(n));
    for (from, to) in [(0, 4), (0, 5), (4, 5), (5, 100)] {
        let expected = events(&entries)
            .filter(|it| {
                it.resource_type == "deployment" && it.next_state.as_deref() == Some("live")
            })
            .filter(|it| it.timestamp >= day(from) && it.timestamp < day(to))
            .count();
        assert_eq!(count(day(from), day(to)).await, expected as u64);
    }
    assert_eq!(count(day(0), day(100)).await, 3);
}

// R130
#[tokio::test]
async fn time_to_approve_runs_from_submitted_to_approved() {
    published("time-to-approve");
    let entries = trail();
    let (_dir, trail) = filled(&entries).await;
    let mut submitted = BTreeMap::new();
    let mut spans = Vec::new();
    for event in events(&entries).filter(|it| it.resource_type == "request") {
        match event.next_state.as_deref() {
            Some("submitted") => {
                submitted
                    .entry(event.resource_id.clone())
                    .or_insert(event.timestamp);
            }
            Some("approved") => spans.push(event.timestamp.since(submitted[&event.resource_id])),
            _ => {}
        }
    }
    spans.sort();
    let figure = trail
        .time_to_approve(START, START.plus(Span::days(30)))
        .await
        .unwrap();
    assert_eq!(figure.requests, spans.len() as u64);
    assert_eq!(
        (figure.median, figure.longest),
        (Some(spans[1]), Some(spans[2]))
    );
    assert_eq!(spans, [Span::hours(13), Span::hours(23), Span::hours(33)]);
    let none = trail
        .time_to_approve(START.plus(Span::days(30)), START.plus(Span::days(60)))
        .await
        .unwrap();
    assert_eq!((none.requests, none.median), (0, None));
}

// R132
#[tokio::test]
async fn dlp_blocks_are_counted_by_month() {
    published("dlp-blocks-per-month");
    let entries = trail();
    let (_dir, trail) = filled(&entries).await;
    let mut expected = BTreeMap::new();
    for event in events(&entries) {
        let code = event.error_code.as_deref().unwrap_or_default();
        if event.outcome == Outcome::Blocked && code.starts_with("DLP_") {
            let month: String = event.timestamp.date().chars().take(7).collect();
            *expected.entry(month).or_insert(0u64) += 1;
        }
    }
    let figure: Vec<(String, u64)> = trail
        .dlp_blocks_per_month()
        .await
        .unwrap()
        .into_iter()
        .map(|it| (it.month, it.count))
        .collect();
    assert_eq!(figure, expected.into_iter().collect::<Vec<_>>());
    assert!(
        figure.len() > 1 && figure.iter().map(|it| it.1).sum::<u64>() == 17,
        "{figure:?}"
    );
}

// R133
#[tokio::test]
async fn high_risk_apps_are_scored_above_medium_and_not_retired() {
    published("high-risk-apps");
    let entries = trail();
    for end in [20, 40, entries.len()] {
        let (_dir, trail) = filled(&entries[..end]).await;
        let mut scores = BTreeMap::new();
        for event in events(&entries[..end]) {
            scores.insert(event.app_id.to_string(), event.risk_score_at_time);
        }
        let states = states(&entries[..end]);
        let expected: Vec<String> = scores
            .into_iter()
            .filter(|(app, score)| *score > 50 && states.get(app).is_none_or(|it| it != "retired"))
            .map(|(app, _)| app)
            .collect();
        assert_eq!(trail.high_risk_apps(50).await.unwrap(), expected);
    }
    let (_dir, trail) = filled(&entries).await;
    // The planner scores 80 and is retired.
    assert_eq!(
        trail.high_risk_apps(50).await.unwrap(),
        ["microapp-quoting"]
    );
}

// R135
#[tokio::test]
async fn a_trail_is_complete_when_it_is_gapless_and_every_intent_has_an_outcome() {
    published("complete-trails");
    let entries = trail();
    let (_dir, whole) = filled(&entries).await;
    let figure = whole.complete_trails().await.unwrap();
    assert_eq!(
        (figure.total(), figure.complete(), figure.percent()),
        (3, 3, 100)
    );
    let quoting = whole.completeness("microapp-quoting").await.unwrap();
    assert!(quoting.is_complete() && quoting.events == 60, "{quoting:?}");
    // Take any one event out: the app that it belongs to is not complete any more.
    for missing in [0, 17, 25, 60, entries.len() - 1] {
        let mut kept = entries.clone();
        let gone = kept.remove(missing);
        for (index, entry) in (0u64..).zip(&mut kept) {
            entry.opened.index = index;
        }
        let (_dir, trail) = filled(&kept).await;
        let figure = trail.complete_trails().await.unwrap();
        assert_eq!(
            by_hand(&kept),
            figure
                .apps
                .iter()
                .map(|it| (it.app.clone(), it.is_complete()))
                .collect()
        );
        let last_of_app = !kept
            .iter()
            .any(|it| it.event.app_id == gone.event.app_id && it.sequence() > gone.sequence());
        let intent_stays =
            !gone.event.event_id.as_str().ends_with("_intent") && gone.event.actor_role == "app";
        if !last_of_app || intent_stays {
            assert_eq!(
                (figure.total(), figure.complete(), figure.percent()),
                (3, 2, 66),
                "{missing}"
            );
        }
    }
}

// R135
#[tokio::test]
async fn intents_are_counted_by_source_and_app() {
    let entries = trail();
    let (_dir, trail) = filled(&entries).await;
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    for event in events(&entries).filter(|it| it.event_id.as_str().ends_with("_intent")) {
        *expected.entry(event.app_id.to_string()).or_default() += 1;
    }
    assert_eq!(expected.values().sum::<u64>(), 51);
    assert_eq!(trail.intents("console").await.unwrap(), expected);
    assert!(trail.intents("gateway").await.unwrap().is_empty());
}

/// Completeness by reading, one event after another.
fn by_hand(entries: &[Told]) -> BTreeMap<String, bool> {
    let ids: BTreeSet<&str> = events(entries).map(|it| it.event_id.as_str()).collect();
    let mut next: BTreeMap<String, u64> = BTreeMap::new();
    let mut complete = BTreeMap::new();
    for entry in entries {
        let app = entry.event.app_id.to_string();
        let expected = next.entry(app.clone()).or_insert(1);
        let in_order = entry.sequence() == *expected;
        *expected = entry.sequence() + 1;
        let id = entry.event.event_id.as_str();
        let answered = id
            .strip_suffix("_intent")
            .is_none_or(|outcome| ids.contains(outcome));
        *complete.entry(app).or_insert(true) &= in_order && answered;
    }
    complete
}

#[tokio::test]
async fn last_activity_counts_what_the_app_itself_did() {
    published("last-activity");
    let entries = trail();
    let (_dir, trail) = filled(&entries).await;
    let mut expected: BTreeMap<String, Timestamp> = BTreeMap::new();
    for event in events(&entries).filter(|it| it.actor_role == "app") {
        let last = expected
            .entry(event.app_id.to_string())
            .or_insert(event.timestamp);
        *last = (*last).max(event.timestamp);
    }
    assert_eq!(trail.last_activity().await.unwrap(), expected);
    assert_eq!(expected.len(), 3);
}

#[tokio::test]
async fn outcomes_add_up_to_the_events_of_the_period() {
    published("outcomes");
    let entries = trail();
    let (_dir, trail) = filled(&entries).await;
    let counts = trail
        .outcomes(START, START.plus(Span::days(1000)))
        .await
        .unwrap();
    for it in &counts {
        let expected = events(&entries)
            .filter(|event| event.outcome == it.outcome)
            .count();
        assert_eq!(it.count, expected as u64);
    }
    assert_eq!(
        counts.iter().map(|it| it.count).sum::<u64>(),
        entries.len() as u64
    );
}
