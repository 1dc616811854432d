//! What legal holds and erasures must not lose: to an older copy of the database, to what runs beside
//! them, to a name written another way, or to a reason that says too much.

use std::sync::Arc;

use burgess_core::app::Environment;
use burgess_core::audit::{ActionType, Outcome};
use burgess_core::roles::Role;
use burgess_core::time::Span;
use burgess_gateway::journal::{CLOSED, Journal};
use burgess_gateway::ports::Vault as _;
use burgess_store::SubjectKey;

use super::keeping::{CANARY, acts, refused, subject};
use super::world::{ANA, DANA, World, email};
use crate::http::problem::Problem;
use crate::jobs;
use crate::operations::connect;
use crate::operations::erase::{self, Erased};
use crate::operations::event;
use crate::operations::hold::{self, Target};
use crate::operations::people::{self, Invited};
use crate::operations::retention::LedgerClass;
use crate::operations::retention::classes::Period;
use crate::server::Server;

/// Opens the server again over a copy of its database.
pub(super) async fn over_a_copy(world: World, copy: std::path::PathBuf) -> World {
    let data = world.server.config.data.clone();
    let put_back = |config: &mut crate::config::Config| {
        config.recovery = true; // as `burgess recover` opens it
        for name in ["burgess.db-wal", "burgess.db-shm"] {
            drop(std::fs::remove_file(data.join(name)));
        }
        std::fs::rename(&copy, data.join("burgess.db")).unwrap();
    };
    world.again_after(put_back).await
}

async fn placed(world: &World, kind: &str, of: &str) -> String {
    let ana = world.person(ANA).await;
    let target = Target::parse(kind, of).unwrap();
    hold::place(&world.server, &ana, &target, "case 1")
        .await
        .unwrap()
}

// R206
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_from_an_older_copy_learns_of_holds_since_from_the_ledger() {
    let world = World::new().await;
    let ana = world.person(ANA).await;
    acts(&world, CANARY, "4711").await;
    let before = placed(&world, "shard", "main").await;
    let copy = world.server.config.data.with_extension("copy");
    world.server.store.copy_database(&copy).await.unwrap();
    let stands = placed(&world, "subject", CANARY).await;
    let ended = placed(&world, "subject", "customer:4711").await;
    for id in [&before, &ended] {
        hold::release(&world.server, &ana, id, "closed")
            .await
            .unwrap();
    }
    let known = hold::list(&world.server, &ana).await.unwrap();
    let world = over_a_copy(world, copy).await;
    let server = &world.server;
    let told = hold::list(server, &ana).await.unwrap();
    let of = |all: &[burgess_store::Hold], id: &str| {
        all.iter().find(|hold| hold.id == id).cloned().unwrap()
    };
    assert_eq!(told.len(), 3);
    for id in [&before, &stands, &ended] {
        let (known, told) = (of(&known, id), of(&told, id));
        assert_eq!(
            told.state(),
            known.state(),
            "the whole cover, and whether it stands"
        );
        assert_eq!(told.placed_at, known.placed_at);
    }
    let problem = refused(erase::erase(server, &ana, &subject(CANARY), "case 42").await);
    assert!(
        problem
            .unmet
            .iter()
            .any(|unmet| unmet.reason.contains(&stands))
    );
    // It is released like any other, and the trail leads to the store's state.
    hold::release(server, &ana, &stands, "closed")
        .await
        .unwrap();
    erase::erase(server, &ana, &subject(CANARY), "case 42")
        .await
        .unwrap();
}

// R206
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_pruned_that_a_hold_covers_of_which_the_copy_did_not_know() {
    let world = World::open(false, super::keeping::monthly(90)).await;
    acts(&world, CANARY, "4711").await;
    world.after(Span::days(32)).await;
    let copy = world.server.config.data.with_extension("copy");
    world.server.store.copy_database(&copy).await.unwrap();
    placed(&world, "shard", "main").await;
    let world = over_a_copy(world, copy).await;
    world.after(Span::days(91)).await;
    let main = world.server.shards.named("main").unwrap().ledger;
    assert_eq!(main.minimum_index(), 0, "held");
}

/// An event of the control plane about a legal hold, as the ledger may hold it.
async fn told(world: &World, journal: &Journal, number: u64, state: &str) {
    let server = &world.server;
    let event = event::about(&server.ambient, None, server.now().unwrap())
        .unwrap()
        .by_job(ANA)
        .did(ActionType::Create, "legal_hold", "hold_of_before")
        .moved(None, state)
        .done();
    let random = server.ambient.random().unwrap();
    journal
        .record(event, event::CONTROL, Some(number), random)
        .await
        .unwrap();
}

// R206
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_of_which_the_ledger_does_not_say_what_it_covers_stops_everything_until_released() {
    let world = World::open(false, super::keeping::monthly(90)).await;
    acts(&world, CANARY, "4711").await;
    world.after(Span::days(32)).await;
    let copy = world.server.config.data.with_extension("copy");
    world.server.store.copy_database(&copy).await.unwrap();
    let next = world.server.shards.highest(event::CONTROL) + 1;
    told(&world, &world.server.journal, next, "placed").await;
    let world = over_a_copy(world, copy).await;
    world.after(Span::days(91)).await;
    let server = &world.server;
    let main = server.shards.named("main").unwrap().ledger;
    assert_eq!(main.minimum_index(), 0, "held");
    let ana = world.person(ANA).await;
    let problem = refused(erase::erase(server, &ana, &subject(CANARY), "case 42").await);
    assert!(
        problem
            .unmet
            .iter()
            .any(|it| it.reason.contains("everything"))
    );
    let holds = hold::list(server, &ana).await.unwrap();
    hold::release(server, &ana, &holds[0].id, "closed")
        .await
        .unwrap();
    world.after(Span::days(1)).await;
    assert!(main.minimum_index() > 0, "nothing else held it");
}

// R206
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holds_are_learned_of_from_every_class_the_control_plane_was_in_and_in_their_order() {
    let world = World::open(false, |config| {
        config.ledger_classes = vec![LedgerClass {
            name: "audit".to_owned(),
            sources: vec!["another".to_owned()],
            period: Period::Year,
            keep_days: 3_650,
            basis: "a test".to_owned(),
        }];
    })
    .await;
    let copy = world.server.config.data.with_extension("copy");
    world.server.store.copy_database(&copy).await.unwrap();
    let (shards, vault) = (world.server.shards.clone(), world.server.subjects.clone());
    let before = Journal::over(shards, Arc::new(|_| "audit".to_owned()), vault);
    let next = world.server.shards.highest(event::CONTROL) + 1;
    for known in 1..next {
        told(&world, &before, known, "released hold_0").await;
    }
    told(&world, &before, next, "placed hold_1 shard main").await;
    told(&world, &before, next + 1, "placed hold_2 shard main").await;
    let after = &world.server.journal;
    for (ahead, id) in (0..).zip(["hold_0", "hold_0", "hold_1"]) {
        told(&world, after, next + ahead, &format!("released {id}")).await;
    }
    drop(before);
    let world = over_a_copy(world, copy).await;
    let ana = world.person(ANA).await;
    let holds = hold::list(&world.server, &ana).await.unwrap();
    let mut stand: Vec<_> = holds
        .iter()
        .map(|it| (&*it.id, it.released.is_none()))
        .collect();
    stand.sort_unstable();
    assert_eq!(stand, [("hold_1", false), ("hold_2", true)]);
}

// R206
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clock_leaves_an_erasure_alone_that_is_under_way() {
    let world = World::new().await;
    let server = &world.server;
    let ana = world.person(ANA).await;
    acts(&world, CANARY, "4711").await;
    jobs::project::project(server).await.unwrap();
    let who = subject(CANARY);
    let under_way = server.erasing.lock().await;
    erase::destroy_keys(server, &ana, &who, "case 42")
        .await
        .unwrap();
    erase::resume(server).await.unwrap();
    assert_eq!(
        server.store.unswept().await.unwrap().len(),
        1,
        "not the clock's to sweep"
    );
    let record = subject("customer:4711");
    let mut second = std::pin::pin!(erase::erase(server, &ana, &record, "case 43"));
    let early = tokio::time::timeout(std::time::Duration::from_millis(200), &mut second).await;
    assert!(early.is_err(), "one at a time");
    drop(under_way);
    second.await.unwrap();
    erase::resume(server).await.unwrap();
    assert!(server.store.unswept().await.unwrap().is_empty());
}

// R206
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_that_was_asked_for_is_carried_out_though_the_subject_has_acted_since() {
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
    let now = server.now().unwrap();
    let acted_upon = event::about(&server.ambient, None, now)
        .unwrap()
        .by_job("robot")
        .did(ActionType::Update, "person", CANARY);
    server.record(acted_upon.done()).await.unwrap();
    let who = subject(CANARY);
    let asked = erase::erase(server, &ana, &who, "case 42").await.unwrap();
    assert_eq!(asked, Erased::Asked);
    acts(&world, CANARY, "4711").await; // the name that comes first, and is not asked for
    let alone = refused(erase::erase(server, &ana, &who, "case 42").await);
    assert!(
        alone
            .unmet
            .iter()
            .any(|unmet| unmet.control == "two-people-erase")
    );
    let done = erase::erase(server, &ben, &who, "case 42").await.unwrap();
    assert_eq!(
        done,
        Erased::Erased {
            keys: 2,
            entries: 2
        }
    );
}

// R206
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_erased_subject_goes_on_to_do_is_recorded_without_them_and_answered_as_such() {
    let world = World::new().await;
    let server = &world.server;
    let ana = world.person(ANA).await;
    acts(&world, CANARY, "4711").await;
    erase::erase(server, &ana, &subject(CANARY), "case 42")
        .await
        .unwrap();
    let again = |server: &Server| {
        let now = server.now().unwrap();
        let draft = event::about(&server.ambient, None, now).unwrap();
        draft
            .by_job(CANARY)
            .did(ActionType::Read, "customer", "4711")
            .done()
    };
    let size = server.ledger().size();
    let (refused_event, kept_event) = (again(server), again(server));
    let problem = refused(server.record(refused_event.clone()).await);
    assert_eq!(
        (problem.status.as_u16(), problem.code),
        (410, "SUBJECT_ERASED")
    );
    server.record_kept(kept_event.clone()).await.unwrap();
    assert_eq!(server.ledger().size(), size + 2);
    for (index, event, outcome, code) in [
        (
            size,
            refused_event,
            Outcome::Blocked,
            Some("SUBJECT_ERASED"),
        ),
        (size + 1, kept_event, Outcome::Success, None),
    ] {
        let entry = server.journal.open(index).await.unwrap().event;
        assert_eq!((entry.event_id, &*entry.actor_id), (event.event_id, CLOSED));
        assert_eq!(entry.resource_id, "4711", "nobody erased the record");
        assert_eq!(
            (entry.outcome, entry.error_code.as_deref()),
            (outcome, code)
        );
    }
    let key = server
        .store
        .subject_key(subject(CANARY).fingerprint(server))
        .await;
    assert!(
        matches!(key.unwrap(), SubjectKey::Erased { .. }),
        "never made again"
    );
}

// R206
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_is_held_and_erased_however_their_address_is_spelled() {
    let world = World::new().await;
    let server = &world.server;
    let ana = world.person(ANA).await;
    acts(&world, CANARY, "4711").await;
    let spelled = [
        "Canary-7F3A@Example.net",
        "actor: CANARY-7f3a@example.net",
        " person:Canary-7f3a@example.net ",
    ];
    for of in spelled {
        let id = placed(&world, "subject", of).await;
        let problem = refused(erase::erase(server, &ana, &subject(CANARY), "case 42").await);
        assert!(
            problem.unmet.iter().any(|unmet| unmet.reason.contains(&id)),
            "{of}"
        );
        hold::release(server, &ana, &id, "closed").await.unwrap();
    }
    // An app writes it in its own way, and it is the same person, and the same record.
    acts(&world, spelled[0], spelled[0]).await;
    let record = placed(&world, "subject", &format!("customer:{CANARY}")).await;
    for of in [CANARY, spelled[0]] {
        let of = subject(&format!("customer:{of}"));
        let problem = refused(erase::erase(server, &ana, &of, "case 42").await);
        assert!(problem.unmet.iter().any(|it| it.reason.contains(&record)));
    }
    // Entries of before lie under the address as it was written: whoever types that means both.
    let before = format!("actor:{}", spelled[0]);
    server.subjects.to_seal(&[&before]).await.unwrap();
    let done = erase::erase(server, &ana, &subject(spelled[0]), "case 42").await;
    assert_eq!(
        done.unwrap(),
        Erased::Erased {
            keys: 2,
            entries: 2
        }
    );
    // Other ids are what they are: case tells two machines apart.
    acts(&world, "CRM-7", "4711").await;
    placed(&world, "subject", "crm-7").await;
    erase::erase(server, &ana, &subject("CRM-7"), "case 42")
        .await
        .unwrap();
}

// R206
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_reason_of_a_hold_names_whom_it_covers() {
    let world = World::new().await;
    let (server, ana) = (&world.server, world.person(ANA).await);
    let bad = |done: Problem| assert_eq!(done.code, "INPUT_INVALID", "{done:?}");
    let target = Target::parse("subject", DANA).unwrap();
    for reason in [
        "about Dana@Example.com",
        "what Dana Diaz did",
        "Diaz, Dana: case 7",
    ] {
        bad(refused(hold::place(server, &ana, &target, reason).await));
    }
    let record = Target::parse("subject", "customer:4711").unwrap();
    bad(refused(
        hold::place(server, &ana, &record, "about 4711").await,
    ));
    assert!(hold::list(server, &ana).await.unwrap().is_empty());
    let person = hold::place(server, &ana, &target, "case 7, Diana")
        .await
        .unwrap();
    let record = hold::place(server, &ana, &record, "case 8").await.unwrap();
    // At the end only aliases are known: addresses and records are found by them.
    for reason in ["(Dana@example.com) wants it", "dana@example.com's wish"] {
        bad(refused(hold::release(server, &ana, &person, reason).await));
    }
    bad(refused(
        hold::release(server, &ana, &record, "customer:4711 is served").await,
    ));
    hold::release(server, &ana, &person, "case 7 is closed")
        .await
        .unwrap();
    hold::release(server, &ana, &record, "case 8 is closed")
        .await
        .unwrap();
}

// R206
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_app_tells_of_somebody_who_was_erased_is_taken_without_them() {
    let world = World::new().await;
    let server = &world.server;
    let (ana, dana) = (world.person(ANA).await, world.person(DANA).await);
    let app = world.in_sandbox("Lunch poll").await;
    let issued = connect::issue(server, &dana, &app, Environment::Sandbox).await;
    let issued = issued.unwrap();
    world.tell(&app, &issued).await;
    erase::erase(server, &ana, &subject("tester"), "case 42")
        .await
        .unwrap();
    world.tell(&app, &issued).await;
    let last = server.ledger().size() - 1;
    let event = server.journal.open(last).await.unwrap().event;
    assert_eq!(
        (&*event.resource_type, &*event.actor_id),
        ("self_test", CLOSED)
    );
}

// R206
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_job_and_no_record_of_the_server_itself_is_erased() {
    let world = World::new().await;
    let (server, ana) = (&world.server, world.person(ANA).await);
    let id = placed(&world, "shard", "main").await;
    hold::release(server, &ana, &id, "closed").await.unwrap();
    world.after(Span::days(1)).await;
    for own in [
        "machine",
        "actor:clockwork",
        &format!("legal_hold:{id}"),
        "trail:all",
    ] {
        let problem = refused(erase::erase(server, &ana, &subject(own), "case 42").await);
        assert_eq!(
            (problem.status.as_u16(), problem.code),
            (409, "SUBJECT_IS_SERVER"),
            "{own}"
        );
    }
}
