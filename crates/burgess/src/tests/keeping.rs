//! What happens to records over time: erasures, legal holds, shards that turn and are pruned, and a
//! database put back from an older copy.

use std::path::Path;

use burgess_core::audit::{ActionType, Event};
use burgess_core::roles::Role;
use burgess_core::time::Span;
use burgess_gateway::journal::CLOSED;
use burgess_ledger::{NoteVerifier, receipt, verify};
use burgess_store::SubjectKey;

use super::world::{ALEX, ANA, PRIYA, World, email};
use crate::http::problem::Problem;
use crate::jobs;
use crate::operations::erase::{self, Erased, Subject};
use crate::operations::event;
use crate::operations::hold::{self, Target};
use crate::operations::people::{self, Invited};
use crate::operations::retention::classes::Period;
use crate::operations::retention::{self, LedgerClass};
use crate::operations::trail::{self, Asked};

/// Somebody who acted here and has no role any more.
pub(super) const CANARY: &str = "canary-7f3a@example.net";

pub(super) async fn acts(world: &World, actor: &str, resource: &str) -> Event {
    let server = &world.server;
    let event = event::about(&server.ambient, None, server.now().unwrap())
        .unwrap()
        .by_job(actor)
        .did(ActionType::Read, "customer", resource)
        .context("note", "seen by the canary")
        .done();
    server.record(event.clone()).await.unwrap();
    event
}

pub(super) fn subject(text: &str) -> Subject {
    Subject::parse(text).unwrap()
}

/// Whether `wanted` lies in any file of the folder.
pub(super) fn anywhere(folder: &Path, wanted: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(anywhere(&entry.path(), wanted));
        } else if let Ok(bytes) = std::fs::read(entry.path())
            && bytes.windows(wanted.len()).any(|window| window == wanted)
        {
            found.push(entry.path().display().to_string());
        }
    }
    found
}

/// Every shard's folder verifies under its own key.
fn all_verify(world: &World) {
    for shard in world.server.shards.all() {
        shard.ledger.publish_blocking().unwrap();
        let folder = world.server.shards.folder_of(&shard.name);
        let key = NoteVerifier::parse(shard.ledger.vkey()).unwrap();
        let read = &mut |name: &str| std::fs::read(folder.join(name));
        verify::log(read, &key, None).unwrap();
    }
}

pub(super) fn refused(done: Result<impl std::fmt::Debug, Problem>) -> Problem {
    done.expect_err("this must be refused")
}

/// The side values and the wrapped key of somebody: what must be nowhere afterwards.
async fn traces(world: &World, who: &Subject) -> Vec<Vec<u8>> {
    let server = &world.server;
    let mut traces = Vec::new();
    let alias = who.fingerprint(server);
    if let SubjectKey::Active { wrapped, .. } = server.store.subject_key(alias).await.unwrap() {
        traces.push(wrapped);
    }
    let ledger = server.ledger();
    for side in ledger.sides(0..ledger.size()).unwrap() {
        if let Some(rest) = erase::sweep::without(&side, &[alias]) {
            // The actor's values stand at the end and are not in the rest.
            assert!(rest.len() < side.len());
            traces.push(side[side.len() - 40..].to_vec());
        }
    }
    traces
}

// R206
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erased_person_is_in_no_file_and_every_proof_holds() {
    let world = World::new().await;
    let server = &world.server;
    let ana = world.person(ANA).await;
    let event = acts(&world, CANARY, "4711").await;
    acts(&world, "somebody else", "4711").await;
    jobs::project::project(server).await.unwrap();
    let id = event.event_id.as_str();
    let before = trail::receipt(server, &ana, id).await.unwrap();
    let who = subject(CANARY);
    let traces = traces(&world, &who).await;
    assert!(traces.len() >= 2, "a key and a value");
    let data = &server.config.data;
    assert!(traces.iter().all(|trace| !anywhere(data, trace).is_empty()));
    let asked = Asked {
        actor: Some(CANARY.to_owned()),
        ..Asked::default()
    };
    assert_eq!(
        trail::search(server, &ana, &asked)
            .await
            .unwrap()
            .rows
            .len(),
        1
    );
    let preview = erase::preview(server, &ana, &who).await.unwrap();
    assert_eq!((preview.keys, preview.entries["main"]), (1, 1));
    // Their name stands in what was searched for since: that reading is about the reader.
    let done = erase::erase(server, &ana, &who, "case 42").await.unwrap();
    assert_eq!(
        done,
        Erased::Erased {
            keys: 1,
            entries: 1
        }
    );
    for trace in &traces {
        assert_eq!(anywhere(data, trace), Vec::<String>::new());
    }
    assert_eq!(anywhere(data, CANARY.as_bytes()), Vec::<String>::new());
    // The event stays, without them.
    let row = trail::one(server, &ana, id).await.unwrap();
    assert_eq!(row.event.actor_id, CLOSED);
    assert_eq!(row.event.request_context, None);
    assert_eq!(row.event.resource_type, "customer");
    assert_eq!(
        row.event.resource_id, "4711",
        "another subject's value stays"
    );
    assert!(
        trail::search(server, &ana, &asked)
            .await
            .unwrap()
            .rows
            .is_empty()
    );
    // Old receipts and the log verify.
    let key = NoteVerifier::parse(server.ledger().vkey()).unwrap();
    receipt::verify(before.to_string().as_bytes(), &key).unwrap();
    all_verify(&world);
    // It is itself an event, and says only an alias.
    let alias = who.fingerprint(server).to_string();
    let told = Asked {
        text: Some("erasure".to_owned()),
        ..Asked::default()
    };
    jobs::project::project(server).await.unwrap();
    let told = trail::search(server, &ana, &told).await.unwrap().rows;
    let state = format!("erased {alias}");
    assert!(
        told.iter()
            .any(|row| row.event.next_state.as_deref() == Some(state.as_str()))
    );
    // Never twice, and an append cannot bring the key back.
    let twice = refused(erase::erase(server, &ana, &who, "case 42").await);
    assert_eq!(twice.code, "SUBJECT_UNKNOWN");
    let now = server.now().unwrap();
    let again = event::about(&server.ambient, None, now)
        .unwrap()
        .by_job(CANARY)
        .done();
    assert!(server.record(again).await.is_err());
    let world = world.again().await;
    let key = world
        .server
        .store
        .subject_key(who.fingerprint(&world.server))
        .await
        .unwrap();
    assert!(matches!(key, SubjectKey::Erased { .. }));
    all_verify(&world);
}

// R206
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_that_was_cut_short_after_its_commit_is_finished_at_the_next_start() {
    let world = World::new().await;
    let ana = world.person(ANA).await;
    acts(&world, CANARY, "4711").await;
    jobs::project::project(&world.server).await.unwrap();
    let who = subject(CANARY);
    let traces = traces(&world, &who).await;
    let gone = erase::destroy_keys(&world.server, &ana, &who, "case 42")
        .await
        .unwrap();
    assert_eq!(gone.unwrap().len(), 1);
    assert!(!anywhere(&world.server.config.data, traces.last().unwrap()).is_empty());
    let world = world.again().await;
    for trace in &traces {
        assert_eq!(
            anywhere(&world.server.config.data, trace),
            Vec::<String>::new()
        );
    }
    assert!(world.server.store.unswept().await.unwrap().is_empty());
    all_verify(&world);
}

// R206
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_from_an_older_copy_carries_erasures_out_again_before_anything_is_served() {
    let world = World::new().await;
    let ana = world.person(ANA).await;
    acts(&world, CANARY, "4711").await;
    let who = subject(CANARY);
    let copy = world.server.config.data.with_extension("copy");
    world.server.store.copy_database(&copy).await.unwrap();
    erase::erase(&world.server, &ana, &who, "case 42")
        .await
        .unwrap();
    let highest = world.server.shards.highest(event::CONTROL);
    let data = world.server.config.data.clone();
    let world = world
        .again_after(|config| {
            config.recovery = true; // as `burgess recover` opens it
            for name in ["burgess.db-wal", "burgess.db-shm"] {
                drop(std::fs::remove_file(data.join(name)));
            }
            std::fs::rename(&copy, data.join("burgess.db")).unwrap();
        })
        .await;
    let server = &world.server;
    let key = server
        .store
        .subject_key(who.fingerprint(server))
        .await
        .unwrap();
    assert!(matches!(key, SubjectKey::Erased { .. }));
    assert!(server.store.unswept().await.unwrap().is_empty());
    // Numbers go on: what happens next is recorded, not taken for a repetition.
    let backlog = server.store.outbox_backlog().await.unwrap();
    assert!(backlog.last_seq >= highest);
    let size = server.ledger().size();
    let ana = world.person(ANA).await;
    hold::place(
        server,
        &ana,
        &Target::parse("shard", "main").unwrap(),
        "case 43",
    )
    .await
    .unwrap();
    assert_eq!(server.ledger().size(), size + 1);
    assert_eq!(server.shards.highest(event::CONTROL), backlog.last_seq + 1);
}

// R206
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_legal_hold_stops_an_erasure_by_name_and_only_audit_may_place_or_release_it() {
    let world = World::new().await;
    let server = &world.server;
    let (ana, alex, priya) = (
        world.person(ANA).await,
        world.person(ALEX).await,
        world.person(PRIYA).await,
    );
    acts(&world, CANARY, "4711").await;
    let who = subject(CANARY);
    let targets = [
        ("shard", "main"),
        ("subject", CANARY),
        ("subject", "customer:4711"),
    ];
    for (kind, of) in targets {
        let target = Target::parse(kind, of).unwrap();
        for other in [&alex, &priya] {
            assert_eq!(
                refused(hold::place(server, other, &target, "case 1").await).status,
                403
            );
        }
        let id = hold::place(server, &ana, &target, "case 1").await.unwrap();
        let held = erase::erase(server, &ana, &who, "case 42").await;
        if of == "customer:4711" {
            // The record's values are not this person's.
            assert!(held.is_ok());
            let record = subject("customer:4711");
            let problem = refused(erase::erase(server, &ana, &record, "case 42").await);
            assert!(problem.unmet.iter().any(|unmet| unmet.reason.contains(&id)));
        } else {
            let problem = refused(held);
            assert!(
                problem
                    .unmet
                    .iter()
                    .any(|unmet| unmet.control == "held-is-not-erased")
            );
            assert!(
                problem.unmet.iter().any(|unmet| unmet.reason.contains(&id)),
                "{problem:?}"
            );
        }
        assert_eq!(
            refused(hold::release(server, &alex, &id, "why").await).status,
            403
        );
        hold::release(server, &ana, &id, "the case is closed")
            .await
            .unwrap();
        assert_eq!(
            refused(hold::release(server, &ana, &id, "again").await).code,
            "CONFLICT"
        );
    }
    let record = subject("customer:4711");
    assert_eq!(
        refused(erase::erase(server, &alex, &record, "case 42").await).status,
        403
    );
    erase::erase(server, &ana, &record, "case 42")
        .await
        .unwrap();
}

// R206
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_on_a_person_also_covers_what_others_did_to_them_by_whatever_name_they_are_given() {
    let world = World::new().await;
    let server = &world.server;
    let ana = world.person(ANA).await;
    let about = event::about(&server.ambient, None, server.now().unwrap())
        .unwrap()
        .by_job("robot")
        .did(ActionType::Update, "person", CANARY)
        .done();
    server.record(about).await.unwrap();
    let target = Target::parse("subject", CANARY).unwrap();
    let id = hold::place(server, &ana, &target, "case 1").await.unwrap();
    for name in [
        CANARY.to_owned(),
        format!("actor:{CANARY}"),
        format!("person:{CANARY}"),
    ] {
        let problem = refused(erase::erase(server, &ana, &subject(&name), "case 42").await);
        assert!(
            problem.unmet.iter().any(|unmet| unmet.reason.contains(&id)),
            "{name}"
        );
    }
    let hold = hold::list(server, &ana).await.unwrap().remove(0);
    let main = server.shards.named("main").unwrap();
    let covered = erase::is_in(&main, hold.aliases().copied().collect()).await;
    assert!(
        covered.unwrap(),
        "a shard with events about the person alone is held too"
    );
}

// R206
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_is_not_acknowledged_while_something_is_being_taken_away() {
    let world = World::new().await;
    let ana = world.person(ANA).await;
    let target = Target::parse("shard", "main").unwrap();
    let going = world.server.holding.lock().await;
    let mut placed = std::pin::pin!(hold::place(&world.server, &ana, &target, "case 1"));
    let early = tokio::time::timeout(std::time::Duration::from_millis(200), &mut placed).await;
    assert!(early.is_err());
    assert!(hold::list(&world.server, &ana).await.unwrap().is_empty());
    drop(going);
    placed.await.unwrap();
}

// R206
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_two_people_are_wanted_one_asks_and_another_erases() {
    let world = World::open(false, |config| config.erasure_by_two = true).await;
    let server = &world.server;
    let second = Invited {
        email: email("ben@example.com"),
        name: "Ben".to_owned(),
        role: Role::Auditor,
        manager: None,
        unit: "audit".to_owned(),
    };
    people::invite(server, second).await.unwrap();
    let (ana, ben) = (
        world.person(ANA).await,
        world.person("ben@example.com").await,
    );
    acts(&world, CANARY, "4711").await;
    let who = subject(CANARY);
    assert_eq!(
        erase::erase(server, &ana, &who, "case 42").await.unwrap(),
        Erased::Asked
    );
    let alone = refused(erase::erase(server, &ana, &who, "case 42").await);
    assert!(
        alone
            .unmet
            .iter()
            .any(|unmet| unmet.control == "two-people-erase"),
        "{alone:?}"
    );
    let done = erase::erase(server, &ben, &who, "case 42").await.unwrap();
    assert!(matches!(done, Erased::Erased { keys: 1, .. }));
}

// R206
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_works_here_is_not_erased_and_a_reason_names_nobody() {
    let world = World::new().await;
    let (server, ana) = (&world.server, world.person(ANA).await);
    let active = refused(erase::erase(server, &ana, &subject(ALEX), "case 42").await);
    assert_eq!(active.code, "SUBJECT_ACTIVE");
    assert!(active.detail.contains("burgess dismiss"), "{active:?}");
    acts(&world, CANARY, "4711").await;
    for reason in ["", "about Canary-7f3a@example.net", "two\nlines"] {
        let bad = refused(erase::erase(server, &ana, &subject(CANARY), reason).await);
        assert_eq!(bad.code, "INPUT_INVALID", "{reason}");
    }
    for text in ["", ":", "customer:", "a\nb"] {
        assert!(Subject::parse(text).is_err(), "{text:?}");
    }
}

pub(super) fn monthly(keep_days: u32) -> impl FnOnce(&mut crate::config::Config) {
    move |config| {
        config.ledger_classes = vec![LedgerClass {
            name: "main".to_owned(),
            sources: Vec::new(),
            period: Period::Month,
            keep_days,
            basis: "a test".to_owned(),
        }];
    }
}

// R206
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_turns_with_its_period_and_goes_on_its_day_unless_held() {
    let world = World::open(false, monthly(90)).await;
    let ana = world.person(ANA).await;
    let event = acts(&world, CANARY, "4711").await;
    jobs::project::project(&world.server).await.unwrap();
    let receipt = trail::receipt(&world.server, &ana, event.event_id.as_str())
        .await
        .unwrap();
    let key = NoteVerifier::parse(world.server.ledger().vkey()).unwrap();
    world.after(Span::days(32)).await;
    let names = |world: &World| -> Vec<String> {
        world
            .server
            .shards
            .all()
            .into_iter()
            .map(|shard| shard.name)
            .collect()
    };
    assert_eq!(names(&world), ["main", "main-2"]);
    let main = world.server.shards.named("main").unwrap().ledger;
    assert!(main.is_sealed());
    let policy = world
        .server
        .shards
        .folder_of("main-2")
        .join("retention.json");
    assert!(
        std::fs::read_to_string(policy)
            .unwrap()
            .contains("\"keep_days\": 90")
    );
    let origin = main.origin().to_owned();
    drop(main);
    // What lies in the sealed shard is found and proven as before.
    let row = trail::one(&world.server, &ana, event.event_id.as_str())
        .await
        .unwrap();
    assert_eq!(
        (row.shard.as_str(), row.event.actor_id.as_str()),
        (origin.as_str(), CANARY)
    );
    trail::receipt(&world.server, &ana, event.event_id.as_str())
        .await
        .unwrap();
    let target = Target::parse("shard", "main").unwrap();
    let hold = hold::place(&world.server, &ana, &target, "case 1")
        .await
        .unwrap();
    world.after(Span::days(91)).await;
    let main = |world: &World| world.server.shards.named("main").unwrap().ledger;
    assert_eq!(main(&world).minimum_index(), 0, "held");
    hold::release(&world.server, &ana, &hold, "closed")
        .await
        .unwrap();
    let folder = world.server.shards.folder_of("main");
    assert!(folder.join("side/000").exists());
    jobs::archive::pass(&world.server, None).await.unwrap();
    let archived = |world: &World| {
        let files = std::fs::read_dir(world.server.config.archive_folder("main")).unwrap();
        files
            .filter(|file| {
                file.as_ref()
                    .unwrap()
                    .path()
                    .extension()
                    .is_some_and(|it| it == "parquet")
            })
            .count()
    };
    assert!(archived(&world) > 0);
    world.after(Span::days(1)).await;
    assert_eq!(main(&world).minimum_index(), main(&world).size(), "gone");
    assert!(!folder.join("side/000").exists() && folder.join("tile/0").exists());
    assert_eq!(archived(&world), 0);
    // The certificate lies in the log that goes on, and old receipts verify.
    let asked = Asked {
        text: Some("ledger_entries".to_owned()),
        ..Asked::default()
    };
    let ana = world.person(ANA).await;
    let told = trail::search(&world.server, &ana, &asked)
        .await
        .unwrap()
        .rows;
    let certificate = |row: &&burgess_trail::Row| {
        row.event.resource_type == "ledger_entries" && row.event.resource_id == "main"
    };
    let told: Vec<_> = told.iter().filter(certificate).collect();
    assert_eq!(told.len(), 1);
    let context = told[0].event.request_context.as_ref().unwrap();
    assert_eq!(
        context["policy"],
        main(&world).pruned().unwrap().unwrap().policy.as_str()
    );
    receipt::verify(receipt.to_string().as_bytes(), &key).unwrap();
    all_verify(&world);
    let gone = refused(trail::one(&world.server, &ana, event.event_id.as_str()).await);
    assert_eq!(gone.code, "NOT_FOUND");
    let world = world.again().await;
    all_verify(&world);
    assert!(names(&world).len() >= 3);
}

// R206
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_with_a_class_of_its_own_leaves_the_control_plane_whole() {
    let world = World::open(false, |config| {
        config.ledger_classes = vec![LedgerClass {
            name: "traffic".to_owned(),
            sources: vec!["console".to_owned()],
            period: Period::Quarter,
            keep_days: 400,
            basis: "a test".to_owned(),
        }];
    })
    .await;
    let (server, ana) = (&world.server, world.person(ANA).await);
    let event = acts(&world, CANARY, "4711").await;
    jobs::project::project(server).await.unwrap();
    let row = trail::one(server, &ana, event.event_id.as_str())
        .await
        .unwrap();
    assert_eq!(row.shard, "burgess/acme/traffic");
    let main = server.ledger();
    assert_eq!(
        main.highest(event::CONTROL),
        main.size(),
        "nothing else is there"
    );
    drop(main);
    let done = erase::erase(server, &ana, &subject(CANARY), "case 42")
        .await
        .unwrap();
    assert_eq!(
        done,
        Erased::Erased {
            keys: 1,
            entries: 1
        }
    );
    let views = retention::shards(server, &ana).await.unwrap();
    assert_eq!(views.len(), 2);
    let machine = people::machine();
    let next = retention::turn(server, &machine, "traffic").await.unwrap();
    assert_eq!(next.name, "traffic-2");
    acts(&world, "somebody", "1").await;
    all_verify(&world);
    let world = world.again().await;
    all_verify(&world);
}
