//! Erasures beside what they cannot go through at once: the archive, damaged or away; a ledger that
//! cannot be written; a database that never had the key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use burgess_core::digest::Digest;
use burgess_core::time::Span;
use burgess_ledger::NoteVerifier;
use burgess_store::{Attempt, SubjectKey};
use burgess_trail::archive::{Entry, Folder, read, verify_all};

use super::holding::over_a_copy;
use super::keeping::{CANARY, acts, anywhere, monthly, refused, subject};
use super::world::{ANA, World};
use crate::cli::doctor::ledger::look;
use crate::jobs::archive::pass;
use crate::operations::erase::{self, Erased, Subject, sweep};
use crate::operations::hold::{self, Target};
use crate::server::Server;

/// The archive files of a shard.
fn files(server: &Server, shard: &str) -> Vec<PathBuf> {
    let path = server.config.archive_folder(shard);
    let folder = Folder::open(&path).unwrap();
    let files = folder.files().iter();
    files.map(|file| path.join(&file.file)).collect()
}

/// The rows of a file, decoded.
fn rows(file: &Path) -> BTreeMap<u64, Entry> {
    let reader = read(file).unwrap();
    let rows = reader.groups().flat_map(Result::unwrap);
    rows.map(|row| (row.index, row)).collect()
}

fn is_theirs(server: &Server, who: &Subject, row: &Entry) -> bool {
    sweep::without(&row.sealed, &who.fingerprints(server)).is_some()
}

/// A world in which somebody acted in two shards, and both are archived.
async fn archived() -> World {
    let world = World::new().await;
    acts(&world, CANARY, "4711").await;
    acts(&world, "somebody else", "4711").await;
    let shards = Arc::clone(&world.server.shards);
    let turned = tokio::task::spawn_blocking(move || shards.turn("main").map(drop));
    turned.await.unwrap().unwrap();
    acts(&world, CANARY, "4712").await;
    world.server.ambient.jump(Span::days(1));
    pass(&world.server, None).await.unwrap();
    world
}

/// Changes a byte of somebody's sealed values, so that the file can be read and has its length.
fn rot(server: &Server, who: &Subject, file: &Path) -> Vec<u8> {
    let sound = std::fs::read(file).unwrap();
    let rows = rows(file);
    let theirs = rows.values().find(|row| is_theirs(server, who, row));
    let sealed = &theirs.unwrap().sealed;
    let at = sound.windows(sealed.len()).position(|it| it == sealed);
    let mut rotten = sound.clone();
    // Behind version, nonce and aliases.
    rotten[at.unwrap() + sealed.len() - 1] ^= 1;
    std::fs::write(file, rotten).unwrap();
    sound
}

// R206
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_takes_the_subject_out_of_the_archive_and_leaves_every_other_row() {
    let world = archived().await;
    let (server, ana) = (&world.server, world.person(ANA).await);
    let who = subject(CANARY);
    let all = || -> Vec<PathBuf> {
        let shards = ["main", "main-2"];
        shards.iter().flat_map(|name| files(server, name)).collect()
    };
    let before: Vec<_> = all().iter().map(|file| rows(file)).collect();
    let theirs = before.iter().flat_map(BTreeMap::values);
    let theirs: Vec<Entry> = theirs
        .filter(|row| is_theirs(server, &who, row))
        .cloned()
        .collect();
    assert_eq!(theirs.len(), 2, "one in each shard");
    let done = erase::erase(server, &ana, &who, "case 42").await.unwrap();
    assert_eq!(
        done,
        Erased::Erased {
            keys: 1,
            entries: 2
        }
    );
    let mut gone = 0;
    for (before, file) in before.iter().zip(all()) {
        let after = rows(&file);
        assert_eq!(before.len(), after.len());
        for (before, after) in before.values().zip(after.values()) {
            assert_eq!(
                (&before.leaf, before.leaf_hash),
                (&after.leaf, after.leaf_hash)
            );
            if theirs.contains(before) {
                assert!(!is_theirs(server, &who, after));
                gone += 1;
            } else {
                assert_eq!(before.sealed, after.sealed, "another's stays");
            }
        }
    }
    assert_eq!(gone, 2);
    // Sealed values are not compressed, so the bytes show them too.
    for row in &theirs {
        let tail = &row.sealed[row.sealed.len() - 40..];
        assert_eq!(anywhere(&server.config.data, tail), Vec::<String>::new());
    }
    for shard in server.shards.all() {
        let key = NoteVerifier::parse(shard.ledger.vkey()).unwrap();
        verify_all(&server.config.archive_folder(&shard.name), &key).unwrap();
    }
}

fn request() -> Digest {
    Digest::of(b"a request")
}

/// Keeps an answer for a retry, as a request does that has just been answered.
async fn keep_answer(server: &Server) {
    let now = server.ambient.now();
    let store = &server.store;
    let begun = store.begin_idempotent("p", "k", request(), now).await;
    assert_eq!(begun.unwrap(), Attempt::First);
    let answer = burgess_store::Answer {
        status: 200,
        headers: Vec::new(),
        body: b"kept".to_vec(),
    };
    store.finish_idempotent("p", "k", &answer).await.unwrap();
}

// R206
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_archive_file_is_left_alone_named_and_gone_through_when_it_is_mended() {
    let world = archived().await;
    let (server, ana) = (&world.server, world.person(ANA).await);
    let who = subject(CANARY);
    let (first, second) = (
        files(server, "main").remove(0),
        files(server, "main-2").remove(0),
    );
    let sound = rot(server, &who, &first);
    let rotten = std::fs::read(&first).unwrap();
    let problem = refused(erase::erase(server, &ana, &who, "case 42").await);
    assert_eq!(problem.code, "ERASURE_UNFINISHED");
    for part in [
        "the key is destroyed",
        "goes on by itself",
        &first.display().to_string(),
        "put the file with that SHA-256 in its place",
    ] {
        assert!(problem.detail.contains(part), "{part}: {}", problem.detail);
    }
    let key = server.store.subject_key(who.fingerprint(server)).await;
    assert!(matches!(key.unwrap(), SubjectKey::Erased { .. }));
    let untouched = || assert_eq!(std::fs::read(&first).unwrap(), rotten);
    untouched();
    let theirs = |file: &Path| {
        let rows = rows(file).into_values();
        rows.filter(|row| is_theirs(server, &who, row)).count()
    };
    assert_eq!(theirs(&second), 0, "the other shard is gone through");
    // The clock comes back to that file alone: it takes nothing away from others again.
    keep_answer(server).await;
    for _ in 0..2 {
        let told = erase::resume(server).await.unwrap_err();
        assert_eq!(told.code, "ARCHIVE_DAMAGED");
        untouched();
    }
    let now = server.ambient.now();
    let kept = server
        .store
        .begin_idempotent("p", "k", request(), now)
        .await;
    assert!(
        matches!(kept.unwrap(), Attempt::Done(kept) if kept.body == b"kept"),
        "the answer is gone"
    );
    assert_eq!(server.store.unswept().await.unwrap().len(), 1);
    let symptoms = look(&server.config).await;
    let named = symptoms.iter().find(|it| it.what.contains("not finished"));
    let named = named.expect("the doctor names it");
    assert!(
        named.what.contains(&first.display().to_string()),
        "{}",
        named.what
    );
    assert!(named.fix.contains("put back the file"), "{}", named.fix);

    std::fs::write(&first, sound).unwrap();
    erase::resume(server).await.unwrap();
    assert_eq!(theirs(&first), 0);
    assert!(server.store.unswept().await.unwrap().is_empty());
    let symptoms = look(&server.config).await;
    assert!(symptoms.iter().all(|it| !it.what.contains("not finished")));
}

// R206
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_file_that_was_away_during_an_erasure_is_gone_through_when_it_is_back() {
    let world = archived().await;
    let (server, ana) = (&world.server, world.person(ANA).await);
    let who = subject(CANARY);
    let path = server.config.archive_folder("main");
    let mut folder = Folder::open(&path).unwrap();
    let said = folder.files()[0].clone();
    folder.uploaded(0, "s3://bucket/x", &said.digest).unwrap();
    let (file, away) = (path.join(&said.file), server.config.data.join("away"));
    std::fs::rename(&file, &away).unwrap();
    erase::erase(server, &ana, &who, "case 42").await.unwrap();
    assert!(Folder::look(&path).unwrap()[0].missed);
    let named = |symptoms: &[crate::cli::doctor::Symptom]| {
        let what = "lay in the bucket alone when a subject was erased";
        symptoms.iter().any(|it| it.what.contains(what))
    };
    assert!(named(&look(&server.config).await));
    // Its digest is the one in the manifest, so it is taken back.
    std::fs::rename(&away, &file).unwrap();
    erase::resume(server).await.unwrap();
    let rows = rows(&file);
    assert!(rows.values().all(|row| !is_theirs(server, &who, row)));
    let after = Folder::look(&path).unwrap().remove(0);
    assert!(
        !after.missed && after.outdated,
        "its copy is to be replaced"
    );
    assert!(!named(&look(&server.config).await));
}

// R206
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_whose_key_a_restored_database_never_had_can_be_erased() {
    let world = World::new().await;
    let copy = world.server.config.data.with_extension("copy");
    world.server.store.copy_database(&copy).await.unwrap();
    acts(&world, CANARY, "4711").await;
    let world = over_a_copy(world, copy).await;
    let (server, ana) = (&world.server, world.person(ANA).await);
    let who = subject(CANARY);
    let alias = who.fingerprint(server);
    let key = server.store.subject_key(alias).await.unwrap();
    assert_eq!(key, SubjectKey::Never);
    let main = server.shards.named("main").unwrap();
    assert!(erase::is_in(&main, vec![alias]).await.unwrap());
    let done = erase::erase(server, &ana, &who, "case 42").await.unwrap();
    assert!(
        matches!(done, Erased::Erased { entries: 1, .. }),
        "{done:?}"
    );
    assert!(!erase::is_in(&main, vec![alias]).await.unwrap());
    let key = server.store.subject_key(alias).await.unwrap();
    assert!(matches!(key, SubjectKey::Erased { .. }), "never made again");
    let stranger = subject("nobody-at-all@example.net");
    let unknown = refused(erase::erase(server, &ana, &stranger, "case 42").await);
    assert_eq!(unknown.code, "SUBJECT_UNKNOWN");
}

// R206
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_committed_and_not_on_record_yet_is_never_called_undone() {
    for (erases, code) in [(false, "CHANGE_PENDING"), (true, "ERASURE_UNFINISHED")] {
        let world = World::new().await;
        let ana = world.person(ANA).await;
        acts(&world, CANARY, "4711").await;
        let server = Arc::clone(&world.server);
        // The ledger ends between the store's commit and the drain.
        let turn = world.server.draining.lock().await;
        let asked = tokio::spawn(async move {
            if erases {
                let done = erase::erase(&server, &ana, &subject(CANARY), "case 42").await;
                return done.map(drop);
            }
            let target = Target::parse("shard", "main").unwrap();
            hold::place(&server, &ana, &target, "case 1")
                .await
                .map(drop)
        });
        let store = &world.server.store;
        while store.outbox_backlog().await.unwrap().events == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        world.server.shards.close();
        drop(turn);
        let problem = refused(asked.await.unwrap());
        assert_eq!(problem.code, code, "{}", problem.detail);
        for part in ["do not ask again", "free disk space"] {
            assert!(problem.detail.contains(part), "{}", problem.detail);
        }
        assert!(!problem.detail.contains("nothing"), "{}", problem.detail);
        assert_eq!(store.outbox_backlog().await.unwrap().events, 1, "stored");
    }
}

// R206
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_keeps_archive_files_whose_entries_the_ledger_has_pruned_already() {
    for (kind, of, keeps) in [
        ("shard", "main", true),
        ("subject", CANARY, true),
        ("subject", "customer:0815", false),
    ] {
        let world = World::open(false, monthly(90)).await;
        acts(&world, CANARY, "4711").await;
        world.after(Span::days(32)).await;
        let (server, ana) = (&world.server, world.person(ANA).await);
        pass(server, None).await.unwrap();
        let file = files(server, "main").remove(0);
        // As a crash leaves it between the ledger and the archive.
        let main = server.shards.named("main").unwrap().ledger;
        let policy = "a policy";
        let pruning =
            tokio::task::spawn_blocking(move || main.prune(main.size(), policy).map(drop));
        pruning.await.unwrap().unwrap();
        acts(&world, "somebody else", "0815").await;
        let target = Target::parse(kind, of).unwrap();
        let id = hold::place(server, &ana, &target, "case 1").await.unwrap();
        world.after(Span::minutes(1)).await;
        assert_eq!(file.exists(), keeps, "{kind} {of}");
        hold::release(server, &ana, &id, "closed").await.unwrap();
        world.after(Span::minutes(1)).await;
        assert!(!file.exists(), "nothing holds it any more");
    }
}
