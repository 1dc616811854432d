//! `kill -9` while commits are under way: what was acknowledged is there, once, with its event.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use burgess_core::app::App;
use burgess_core::audit::replay;
use burgess_core::lifecycle::State;
use burgess_store::{Change, OutboxLimit, Store};

use crate::fixture::*;

/// Names the folder that the child works on.
const FOLDER: &str = "BURGESS_TEST_CRASH_FOLDER";
/// How often a process is killed.
const ROUNDS: usize = 4;

/// The child: moves one app on and on, and says so after each commit.
#[tokio::test]
async fn child_that_commits_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let store = Store::open(std::path::Path::new(&folder), NOW)
        .await
        .unwrap();
    let limit = OutboxLimit {
        events_max: u64::MAX,
        ..OutboxLimit::default()
    };
    let store = store.with_outbox_limit(limit);
    let mut app = store.app(&app_id("alpha")).await.unwrap().unwrap();
    loop {
        let state = match app.state {
            State::Sandbox => State::Staging,
            _ => State::Sandbox,
        };
        let next = App {
            state,
            revision: app.revision + 1,
            ..app.clone()
        };
        let id = format!("step{}", next.revision);
        let write = write(
            &id,
            &app.id,
            Some(app.state.as_str()),
            Change::App(next.clone()),
        );
        store
            .commit(vec![write], &for_app(&app.id, app.revision), NOW)
            .await
            .unwrap();
        println!("acknowledged {}", next.revision);
        app = next;
    }
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_half_written_after_a_kill() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    runtime.block_on(async {
        let store = Store::open(dir.path(), NOW).await.unwrap();
        activate_policy(&store).await;
        register(&store, "alpha").await;
        store.close().await;
    });
    for round in 0..ROUNDS {
        let acknowledged = kill_after(dir.path(), 5 + 7 * round);
        runtime.block_on(check(dir.path(), acknowledged));
    }
}

/// Runs the child, kills it after that many acknowledgements, and answers the last one seen.
fn kill_after(folder: &std::path::Path, acknowledgements: usize) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "crash::child_that_commits_until_it_is_killed",
            "--exact",
            "--nocapture",
        ])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut seen = 0;
    let mut last = 0;
    let number = |line: &str| {
        line.rsplit_once("acknowledged ")?
            .1
            .trim()
            .parse::<u64>()
            .ok()
    };
    for line in lines {
        if let Some(revision) = number(&line.unwrap()) {
            last = revision;
            seen += 1;
            if seen == acknowledgements {
                child.kill().unwrap();
                // What it still managed to say counts as acknowledged, so reading goes on.
            }
        }
    }
    child.wait().unwrap();
    assert!(
        seen >= acknowledgements,
        "the child stopped by itself after {seen}"
    );
    last
}

async fn check(folder: &std::path::Path, acknowledged: u64) {
    let store = Store::open(folder, NOW).await.unwrap();
    let app = store.app(&app_id("alpha")).await.unwrap().unwrap();
    assert!(
        app.revision >= acknowledged,
        "{} < {acknowledged}",
        app.revision
    );
    let pending = store.pending(0, 1_000_000).await.unwrap();
    let numbers: Vec<u64> = pending.iter().map(|it| it.source_seq).collect();
    assert_eq!(
        numbers,
        (1..=app.revision + 1).collect::<Vec<_>>(),
        "dense, none doubled"
    );
    let replayed = replay(pending.iter().map(|it| &it.event));
    assert_eq!(replayed.breaks, []);
    let key = ("app".to_owned(), app.id.to_string());
    assert_eq!(replayed.states[&key], app.state.as_str());
    assert!(store.check_database().await.unwrap().is_empty());
    store.close().await;
}
