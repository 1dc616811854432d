//! What happens to records over time: holds, erasures, and a database put back from an older copy.

use std::fs;
use std::path::Path;

use burgess_core::digest::Digest;
use burgess_core::id::AppId;
use burgess_store::{
    Answer, Attempt, Change, CommitError, Covers, Erasure, Hold, Since, Store, SubjectErasure,
    SubjectKey, Versioned, Write,
};

use crate::fixture::{NOW, activate_policy, app_id, for_organisation, write};

const WRAPPED: &[u8] = b"wrapped-canary-51";

fn anywhere(folder: &Path, wanted: &[u8]) -> bool {
    fs::read_dir(folder)
        .unwrap()
        .map(Result::unwrap)
        .any(|entry| {
            if entry.file_type().unwrap().is_dir() {
                return anywhere(&entry.path(), wanted);
            }
            let bytes = fs::read(entry.path()).unwrap();
            bytes.windows(wanted.len()).any(|window| window == wanted)
        })
}

fn hold(id: &str, covers: Covers) -> Hold {
    Hold {
        id: id.to_owned(),
        covers,
        also: Vec::new(),
        reason: "case 7".to_owned(),
        placed_by: "ana@example.com".to_owned(),
        placed_at: NOW,
        released: None,
    }
}

fn erasure(subject: Digest, done: bool) -> Erasure {
    Erasure {
        subject,
        reason: "case 8".to_owned(),
        asked_by: "ana@example.com".to_owned(),
        asked_at: NOW,
        erased: done.then(|| ("ana@example.com".to_owned(), NOW)),
    }
}

fn erase(subject: Digest, key: u64, record: u64, asked: bool) -> Write {
    let it = Versioned {
        revision: record,
        record: erasure(subject, true),
    };
    let next = it.record.state();
    let mut write = write(
        "erase",
        &AppId::organisation(),
        asked.then_some("asked"),
        Change::Erasure(it),
    );
    assert_eq!(write.event.next_state.as_deref(), Some(next.as_str()));
    write.changes.push(Change::SubjectErasure(Versioned {
        revision: key,
        record: SubjectErasure {
            subject,
            erased_at: NOW,
        },
    }));
    write
}

// R206
#[tokio::test]
async fn a_hold_is_in_force_until_it_is_released() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), NOW).await.unwrap();
    activate_policy(&store).await;
    let (app, org) = (Covers::App(app_id("quotes")), AppId::organisation());
    for (revision, id, covers) in [
        (0, "hold_1", app),
        (0, "hold_2", Covers::Shard("main".into())),
    ] {
        let placed = Versioned::new(hold(id, covers));
        let write = write(id, &org, None, Change::Hold(placed));
        store
            .commit(vec![write], &for_organisation(revision), NOW)
            .await
            .unwrap();
    }
    assert_eq!(store.holds(true).await.unwrap().len(), 2);
    let held = store.hold("hold_1").await.unwrap().unwrap();
    let mut released = held.record.clone();
    released.released = Some(("ana@example.com".to_owned(), NOW, "closed".to_owned()));
    let next = held.next(released);
    let before = held.record.state();
    let release = write("release", &org, Some(&before), Change::Hold(next.clone()));
    store
        .commit(vec![release.clone()], &for_organisation(1), NOW)
        .await
        .unwrap();
    let in_force = store.holds(true).await.unwrap();
    assert_eq!(in_force.len(), 1);
    assert_eq!(in_force[0].record.covers, Covers::Shard("main".to_owned()));
    assert_eq!(store.holds(false).await.unwrap().len(), 2);
    let twice = store.commit(vec![release], &for_organisation(1), NOW).await;
    assert!(matches!(
        twice,
        Err(CommitError::Permit(_) | CommitError::Conflict { .. })
    ));
}

#[tokio::test]
async fn an_erasure_takes_the_key_out_of_every_file_and_is_unswept_until_noted() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), NOW).await.unwrap();
    activate_policy(&store).await;
    let subject = Digest::of(b"dana");
    store
        .ensure_subject_key(subject, WRAPPED, NOW)
        .await
        .unwrap();
    let asked = write(
        "ask",
        &AppId::organisation(),
        None,
        Change::Erasure(Versioned::new(erasure(subject, false))),
    );
    store
        .commit(vec![asked], &for_organisation(0), NOW)
        .await
        .unwrap();
    assert_eq!(store.unswept().await.unwrap(), []);
    let write = erase(subject, 2, 2, true);
    store
        .commit(vec![write.clone()], &for_organisation(1), NOW)
        .await
        .unwrap();
    store.forget_freed_pages().await.unwrap();
    assert!(!anywhere(dir.path(), WRAPPED), "while the store is open");
    assert_eq!(store.unswept().await.unwrap(), [subject]);
    store.note_swept(subject).await.unwrap();
    assert_eq!(store.unswept().await.unwrap(), []);
    let again = store
        .ensure_subject_key(subject, WRAPPED, NOW)
        .await
        .unwrap();
    assert_eq!(again, SubjectKey::Erased { at: NOW });
    assert!(!anywhere(dir.path(), WRAPPED));
    let twice = store.commit(vec![write], &for_organisation(1), NOW).await;
    assert!(twice.is_err(), "never twice");
}

#[tokio::test]
async fn a_database_put_back_from_an_older_copy_catches_up_with_the_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), NOW).await.unwrap();
    activate_policy(&store).await;
    let (known, later, never) = (Digest::of(b"a"), Digest::of(b"b"), Digest::of(b"c"));
    for subject in [known, later] {
        store
            .ensure_subject_key(subject, WRAPPED, NOW)
            .await
            .unwrap();
    }
    let write = erase(known, 2, 1, false);
    store
        .commit(vec![write], &for_organisation(0), NOW)
        .await
        .unwrap();
    store.note_swept(known).await.unwrap();
    let before = store.outbox_backlog().await.unwrap().last_seq;
    let erased = [known, later, never].map(|subject| Since::Erased { subject, at: NOW });
    for _ in 0..2 {
        store.catch_up(before + 40, &erased).await.unwrap();
        assert_eq!(store.outbox_backlog().await.unwrap().last_seq, before + 40);
        for subject in [known, later, never] {
            let key = store.subject_key(subject).await.unwrap();
            assert_eq!(key, SubjectKey::Erased { at: NOW });
        }
        let unswept = store.unswept().await.unwrap();
        assert!(!unswept.contains(&known) && unswept.contains(&later) && unswept.contains(&never));
    }
    store.catch_up(3, &[]).await.unwrap();
    assert_eq!(
        store.outbox_backlog().await.unwrap().last_seq,
        before + 40,
        "never back"
    );
    let state = Erasure::erased_in(&erasure(later, true).state());
    assert_eq!(state, Some(later));
    assert_eq!(Erasure::erased_in("asked"), None);
}

// R206
#[tokio::test]
async fn holds_of_which_an_older_copy_does_not_know_are_placed_and_released_as_the_ledger_tells() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), NOW).await.unwrap();
    activate_policy(&store).await;
    let known = Versioned::new(hold("hold_1", Covers::Shard("main".into())));
    let org = AppId::organisation();
    let write = write("place", &org, None, Change::Hold(known));
    let permit = for_organisation(0);
    store.commit(vec![write], &permit, NOW).await.unwrap();
    let placed = |id: &str, covers: Covers| Since::Placed {
        id: id.to_owned(),
        covers,
        also: vec![Digest::of(b"b")],
        at: NOW,
    };
    let released = |id: &str| Since::Released {
        id: id.to_owned(),
        at: NOW,
    };
    let subject = Covers::Subject(Digest::of(b"a"));
    let since = [
        placed("hold_2", subject.clone()),
        placed("hold_3", Covers::App(app_id("quotes"))),
        released("hold_1"),
        released("hold_3"),
        released("hold_4"),
    ];
    for _ in 0..2 {
        store.catch_up(40, &since).await.unwrap();
        assert_eq!(store.holds(false).await.unwrap().len(), 3);
        let in_force = store.holds(true).await.unwrap();
        assert_eq!(in_force.len(), 1);
        let stands = &in_force[0].record;
        assert_eq!((&*stands.id, &stands.covers), ("hold_2", &subject));
        assert_eq!(stands.also, [Digest::of(b"b")]);
    }
}

// R206
#[test]
fn the_state_of_a_hold_says_what_it_covers_and_is_read_back() {
    let also = vec![Digest::of(b"b"), Digest::of(b"c")];
    let all = [
        (Covers::App(app_id("quotes")), Vec::new()),
        (Covers::Shard("main-2".to_owned()), Vec::new()),
        (Covers::Subject(Digest::of(b"a")), also),
    ];
    for (covers, also) in all {
        let mut placed = hold("hold_1", covers.clone());
        placed.also = also.clone();
        let state = placed.state();
        let read = Hold::placed_in(&state);
        assert_eq!(read, Some(("hold_1".to_owned(), covers, also)), "{state}");
        assert_eq!(Hold::released_in(&state), None);
        placed.released = Some(("ana@example.com".to_owned(), NOW, "closed".to_owned()));
        assert_eq!(Hold::released_in(&placed.state()), Some("hold_1"));
    }
    for other in [
        "placed",
        "placed hold_1",
        "placed hold_1 app",
        "placed hold_1 folder x",
        "asked",
    ] {
        assert_eq!(Hold::placed_in(other), None, "{other}");
    }
}

#[tokio::test]
async fn a_copy_of_the_database_holds_no_answers_that_were_kept_for_retries() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = Store::open(dir.path(), NOW).await.unwrap();
    let request = Digest::of(b"request");
    let begun = store.begin_idempotent("who", "k1", request, NOW);
    assert_eq!(begun.await.unwrap(), Attempt::First);
    let answer = Answer {
        status: 200,
        headers: Vec::new(),
        body: b"canary-answer-77".to_vec(),
    };
    store.finish_idempotent("who", "k1", &answer).await.unwrap();
    assert!(anywhere(dir.path(), &answer.body));
    store
        .copy_database(&other.path().join("burgess.db"))
        .await
        .unwrap();
    assert!(!anywhere(other.path(), &answer.body));
    let copy = Store::open(other.path(), NOW).await.unwrap();
    let begun = copy.begin_idempotent("who", "k1", request, NOW);
    assert_eq!(begun.await.unwrap(), Attempt::First);
}
