//! What the commit refuses, and who is told.

use burgess_core::app::{App, Environment};
use burgess_core::audit::Outcome;
use burgess_core::digest::Digest;
use burgess_core::id::{AppId, Email};
use burgess_core::intake::RequestState;
use burgess_core::lifecycle::State;
use burgess_core::permit::PERMIT_LIFETIME;
use burgess_core::time::Span;
use burgess_store::{
    AppFilter, Change, CommitError, OutboxLimit, PolicyBundle, RuleKind, Setting, Store,
    StoreError, Versioned, Write,
};

use crate::fixture::*;

async fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), NOW).await.unwrap();
    activate_policy(&store).await;
    (dir, store)
}

/// The app one step on.
fn next(app: &App, state: State) -> App {
    App {
        state,
        revision: app.revision + 1,
        ..app.clone()
    }
}

#[tokio::test]
async fn a_change_of_state_without_its_event_is_refused() {
    let (_dir, store) = store().await;
    let app = register(&store, "alpha").await;
    let change = || Change::App(next(&app, State::Approved));
    let before = store.pending(0, 100).await.unwrap();
    let good = write("e", &app.id, Some("requested"), change());
    let mut wrong = Vec::new();
    for field in 0..5 {
        let mut write = good.clone();
        match field {
            0 => write.event.next_state = Some("production".to_owned()),
            1 => write.event.previous_state = Some("sandbox".to_owned()),
            2 => write.event.resource_id = "microapp-beta".to_owned(),
            3 => write.event.resource_type = "request".to_owned(),
            _ => write.event.outcome = Outcome::Blocked,
        }
        wrong.push(write);
    }
    wrong.push(Write {
        changes: vec![change()],
        event: event("silent", &app.id),
    });
    for write in wrong {
        let refused = store.commit(vec![write], &for_app(&app.id, 1), NOW).await;
        assert!(
            matches!(refused, Err(CommitError::ChangeWithoutEvent { .. })),
            "{refused:?}"
        );
    }
    assert_eq!(store.app(&app.id).await.unwrap(), Some(app.clone()));
    assert_eq!(store.pending(0, 100).await.unwrap(), before);
    store
        .commit(vec![good], &for_app(&app.id, 1), NOW)
        .await
        .unwrap();
    assert_eq!(
        store.app(&app.id).await.unwrap().unwrap().state,
        State::Approved
    );
}

#[tokio::test]
async fn an_event_that_claims_a_change_needs_that_change() {
    let (_dir, store) = store().await;
    let app = register(&store, "alpha").await;
    let mut claim = write(
        "e",
        &app.id,
        Some("requested"),
        Change::App(next(&app, State::Approved)),
    );
    claim.changes.clear();
    let refused = store.commit(vec![claim], &for_app(&app.id, 1), NOW).await;
    assert!(
        matches!(refused, Err(CommitError::EventWithoutChange { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn all_writes_of_a_commit_happen_or_none() {
    let (_dir, store) = store().await;
    let app = register(&store, "alpha").await;
    let good = write(
        "good",
        &app.id,
        Some("requested"),
        Change::App(next(&app, State::Approved)),
    );
    let bad = Write {
        changes: vec![Change::Request(Box::new(request("alpha", 1)))],
        event: event("silent", &app.id),
    };
    let refused = store
        .commit(vec![good, bad], &for_app(&app.id, 1), NOW)
        .await;
    assert!(refused.is_err());
    assert_eq!(store.app(&app.id).await.unwrap(), Some(app));
    assert_eq!(store.outbox_backlog().await.unwrap().last_seq, 2);
}

#[tokio::test]
async fn of_two_reviewers_who_decide_at_once_one_wins_and_the_other_is_told() {
    let (_dir, store) = store().await;
    register(&store, "alpha").await;
    let request = submit(&store, "alpha", 1).await;
    let decide = async |state: RequestState, id: &str| {
        let mut decided = request.clone();
        decided.state = state;
        decided.revision += 1;
        let change = Change::Request(Box::new(decided));
        let write = write(id, &request.app, Some("submitted"), change);
        store.commit(vec![write], &for_request(&request), NOW).await
    };
    let (yes, no) = tokio::join!(
        decide(RequestState::Approved, "yes"),
        decide(RequestState::Rejected, "no")
    );
    assert_ne!(yes.is_ok(), no.is_ok());
    let (won, lost) = match (yes, no) {
        (Ok(_), Err(lost)) => ("approved", lost),
        (_, no) => ("rejected", no.unwrap_err()),
    };
    // The permit names the revision that both had read, so it is the first to notice.
    assert!(
        matches!(lost.code(), "PERMIT_STALE_VERSION" | "CONFLICT"),
        "{lost}"
    );
    let stored = store.request(&request.id).await.unwrap().unwrap();
    assert_eq!((stored.state.as_str(), stored.revision), (won, 2));
}

#[tokio::test]
async fn a_conflict_names_the_state_that_the_other_left() {
    let (_dir, store) = store().await;
    let app = register(&store, "alpha").await;
    let request = submit(&store, "alpha", 1).await;
    let decide = async |state: RequestState, id: &str| {
        let mut decided = request.clone();
        decided.state = state;
        decided.revision += 1;
        let change = Change::Request(Box::new(decided));
        let write = write(id, &request.app, Some("submitted"), change);
        // A permit for the app, which neither of them changes.
        store.commit(vec![write], &for_app(&app.id, 1), NOW).await
    };
    decide(RequestState::Approved, "yes").await.unwrap();
    match decide(RequestState::Rejected, "no").await {
        Err(CommitError::Conflict {
            expected,
            actual,
            state,
            ..
        }) => {
            assert_eq!(
                (expected, actual, state.as_deref()),
                (1, 2, Some("approved"))
            );
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_permit_is_rechecked_when_it_is_used() {
    let (_dir, store) = store().await;
    let app = register(&store, "alpha").await;
    let other = register(&store, "beta").await;
    let write = || {
        write(
            "e",
            &app.id,
            Some("requested"),
            Change::App(next(&app, State::Approved)),
        )
    };
    let code = |result: Result<_, CommitError>| result.map(|_| ()).unwrap_err().code();
    let stale = store.commit(vec![write()], &for_app(&app.id, 7), NOW).await;
    assert_eq!(code(stale), "PERMIT_STALE_VERSION");
    let elsewhere = store
        .commit(vec![write()], &for_app(&other.id, 1), NOW)
        .await;
    assert_eq!(code(elsewhere), "PERMIT_OTHER_RESOURCE");
    let too_wide = store.commit(vec![write()], &for_organisation(1), NOW).await;
    assert_eq!(code(too_wide), "PERMIT_OTHER_RESOURCE");
    let late = NOW.plus(PERMIT_LIFETIME);
    let expired = store
        .commit(vec![write()], &for_app(&app.id, 1), late)
        .await;
    assert_eq!(code(expired), "PERMIT_EXPIRED");
    let in_force = store
        .policy_in_force(RuleKind::Policy)
        .await
        .unwrap()
        .unwrap();
    let stricter = PolicyBundle {
        digest: Digest::of(b"stricter"),
        ..in_force.record.clone()
    };
    let before = in_force.record.digest.to_string();
    let change = Change::Policy(in_force.next(stricter));
    let activate = crate::fixture::write("p", &AppId::organisation(), Some(&before), change);
    store
        .commit(vec![activate], &for_organisation(1), NOW)
        .await
        .unwrap();
    let outdated = store.commit(vec![write()], &for_app(&app.id, 1), NOW).await;
    assert_eq!(code(outdated), "PERMIT_STALE_POLICY");
    assert_eq!(store.app(&app.id).await.unwrap(), Some(app));
    let old = store
        .policy_text(RuleKind::Policy, in_force.record.digest)
        .await
        .unwrap();
    assert_eq!(
        old.as_deref(),
        Some("permit all"),
        "an old text can still be read"
    );
}

#[tokio::test]
async fn without_a_policy_set_nothing_is_written_but_the_first_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), NOW).await.unwrap();
    let app = app("alpha");
    let register = write("e", &app.id, None, Change::App(app.clone()));
    let refused = store
        .commit(vec![register], &for_app(&app.id, 0), NOW)
        .await;
    assert!(matches!(refused, Err(CommitError::NoPolicy)), "{refused:?}");
    assert!(store.apps(&AppFilter::default()).await.unwrap().is_empty());
    activate_policy(&store).await;
    let first = store
        .policy_in_force(RuleKind::Policy)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (first.revision, first.record.digest),
        (1, policies().digest())
    );
}

#[tokio::test]
async fn commits_are_refused_while_the_ledger_is_behind() {
    let (_dir, store) = store().await;
    let store = store.with_outbox_limit(OutboxLimit {
        events_max: 3,
        age_max: Span::minutes(1),
    });
    let setting = |n: u64| {
        let setting = Setting {
            name: format!("s{n}"),
            value: serde_json::json!(n),
        };
        write(
            &format!("s{n}"),
            &AppId::organisation(),
            None,
            Change::Setting(Versioned::new(setting)),
        )
    };
    for n in 0..2 {
        store
            .commit(vec![setting(n)], &for_organisation(0), NOW)
            .await
            .unwrap();
    }
    let full = store
        .commit(vec![setting(2)], &for_organisation(0), NOW)
        .await;
    assert_eq!(full.unwrap_err().code(), "LEDGER_BEHIND");
    store.mark_drained(2).await.unwrap();
    store
        .commit(vec![setting(2)], &for_organisation(0), NOW)
        .await
        .unwrap();
    store.mark_drained(3).await.unwrap();
    let store = store.with_outbox_limit(OutboxLimit {
        events_max: 100,
        age_max: Span::seconds(5),
    });
    let later = NOW.plus(Span::seconds(6));
    let old = store
        .commit(vec![setting(3)], &for_organisation(0), later)
        .await;
    assert_eq!(old.unwrap_err().code(), "LEDGER_BEHIND");
    assert!(store.setting("s3").await.unwrap().is_none(), "reads go on");
}

// R4
#[tokio::test]
async fn an_app_without_an_owner_is_refused_by_the_table_itself() {
    let (dir, store) = store().await;
    // The types have no app without an owner, so the wall behind them is tried directly.
    for (owner, class, accepted) in [
        ("olu@example.com", "pii", true),
        ("", "pii", false),
        ("olu@example.com", "", false),
        ("olu@example.com", "none", false),
        ("olu@example.com", "secret", false),
    ] {
        let outcome = insert_app(&dir, owner, class).await;
        assert_eq!(
            outcome.is_ok(),
            accepted,
            "owner `{owner}`, class `{class}`: {outcome:?}"
        );
    }
    store.close().await;
}

// R3
#[tokio::test]
async fn an_app_without_a_class_is_refused_before_and_by_the_table() {
    let (dir, store) = store().await;
    let mut unclassified = charter("alpha");
    unclassified.data.clear();
    let refused = App::register(&unclassified, 20, burgess_core::risk::Band::Low, NOW);
    assert!(refused.is_err());
    // `none` is for events about no data; an app has data.
    let mut app = app("alpha");
    app.classification = burgess_core::data::Classification::None;
    let register = write("e", &app.id, None, Change::App(app.clone()));
    let refused = store
        .commit(vec![register], &for_app(&app.id, 0), NOW)
        .await;
    assert_eq!(refused.unwrap_err().code(), "RECORD_INCOMPLETE");
    assert!(insert_app(&dir, "olu@example.com", "").await.is_err());
}

async fn insert_app(dir: &tempfile::TempDir, owner: &str, class: &str) -> Result<(), sqlx::Error> {
    use sqlx::Connection as _;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(dir.path().join("burgess.db"));
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await?;
    sqlx::query(
        "INSERT INTO apps (id, name, unit, developer, owner, classification, state, band, score,
                           created_at, revision, record)
         VALUES ('x', 'x', 'x', 'dana@example.com', $1, $2, 'requested', 'low', 1, 0, 1, '{}')",
    )
    .bind(owner)
    .bind(class)
    .execute(&mut connection)
    .await?;
    connection.close().await
}

#[tokio::test]
async fn a_second_server_on_the_same_folder_is_refused_and_told_what_to_do() {
    let (dir, store) = store().await;
    let refused = Store::open(dir.path(), NOW).await.unwrap_err();
    assert!(matches!(refused, StoreError::InUse(_)));
    assert!(
        refused.to_string().contains("another --data folder"),
        "{refused}"
    );
    store.close().await;
    drop(store);
    let again = Store::open(dir.path(), NOW).await.unwrap();
    assert!(
        again
            .policy_in_force(RuleKind::Policy)
            .await
            .unwrap()
            .is_some()
    );
    assert!(again.check_database().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_folder_of_a_newer_program_is_left_alone() {
    let (dir, store) = store().await;
    store.close().await;
    drop(store);
    {
        use sqlx::Connection as _;
        let path = dir.path().join("burgess.db");
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
        let mut connection = sqlx::SqliteConnection::connect_with(&options)
            .await
            .unwrap();
        sqlx::query("INSERT INTO migrations (version, applied_at) VALUES (99, 0)")
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
    }
    let refused = Store::open(dir.path(), NOW).await.unwrap_err();
    assert!(
        matches!(refused, StoreError::NewerSchema { found: 99, .. }),
        "{refused}"
    );
}

#[tokio::test]
async fn a_blob_that_changed_on_disk_is_noticed() {
    let (dir, store) = store().await;
    let digest = store.blobs().put(b"an export").unwrap();
    let name = digest.to_string();
    let path = dir.path().join("blobs").join(&name[..2]).join(&name[2..]);
    std::fs::write(path, b"another export").unwrap();
    let refused = store.blobs().get(&digest);
    assert!(
        matches!(refused, Err(StoreError::BlobDamaged(_))),
        "{refused:?}"
    );
    let large = vec![0u8; burgess_store::BLOB_BYTES_MAX + 1];
    assert!(matches!(
        store.blobs().put(&large),
        Err(StoreError::BlobTooLarge { .. })
    ));
}

#[tokio::test]
async fn a_copy_of_the_database_opens_as_a_store_of_its_own() {
    let (_dir, store) = store().await;
    let app = register(&store, "alpha").await;
    let copy = tempfile::tempdir().unwrap();
    store
        .copy_database(&copy.path().join("burgess.db"))
        .await
        .unwrap();
    let copied = Store::open(copy.path(), NOW).await.unwrap();
    assert_eq!(copied.app(&app.id).await.unwrap(), Some(app));
    assert_eq!(
        copied
            .live_deployments(Some(Environment::Sandbox))
            .await
            .unwrap(),
        []
    );
    assert_eq!(
        copied
            .person(&Email::parse("a@b.example").unwrap())
            .await
            .unwrap(),
        None
    );
}
