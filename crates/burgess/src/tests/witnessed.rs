//! Our witnesses and the shards: each is a log of its own to them. The witness here is a small one
//! that remembers sizes; the real ones are in the journey.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use burgess_core::audit::ActionType;
use burgess_ledger::witness::{AddCheckpoint, claimed_origin};
use burgess_ledger::{Cosigner, Ledger};
use burgess_trail::Query;

use crate::config::Config;
use crate::jobs::project::project;
use crate::operations::event;
use crate::operations::retention::LedgerClass;
use crate::operations::retention::classes::Period;
use crate::operations::trail::{ProofState, proof_state};
use crate::tests::world::World;

const PATIENCE: Duration = Duration::from_secs(30);

/// What it has cosigned, by origin.
type Seen = Arc<Mutex<BTreeMap<String, u64>>>;

fn cosigner() -> Cosigner {
    Cosigner::ed25519("witness.example", [5; 32]).unwrap()
}

/// A witness that takes its time over the origin under which it has seen this many entries.
const SLOWLY: u64 = 2_000;

async fn add(State(seen): State<Seen>, body: Bytes) -> (StatusCode, String) {
    let asked = AddCheckpoint::parse(&body).unwrap();
    let origin = claimed_origin(&asked).unwrap().to_owned();
    let slowly = seen.lock().unwrap().get(&origin) == Some(&SLOWLY);
    if slowly {
        seen.lock().unwrap().insert("asked".to_owned(), 1);
        while !seen.lock().unwrap().contains_key("answer") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    let mut seen = seen.lock().unwrap();
    let known = seen.get(&origin).copied().unwrap_or_default();
    if asked.old != known {
        return (StatusCode::CONFLICT, format!("{known}\n"));
    }
    let size = asked.note.lines().nth(1).unwrap().parse().unwrap();
    seen.insert(origin, size);
    let text = asked.note.split_once("\n\n").unwrap().0;
    let line = cosigner().line(&format!("{text}\n"), 1_800_000_000);
    (StatusCode::OK, line.unwrap())
}

/// A world with a second class, whose ledger the witness looks after.
async fn world(seen: &Seen, folder: &tempfile::TempDir) -> World {
    world_with(seen, folder, |_| {}).await
}

async fn world_with(
    seen: &Seen,
    folder: &tempfile::TempDir,
    change: impl FnOnce(&mut Config),
) -> World {
    let door = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = door.local_addr().unwrap();
    let app = Router::new().route("/add-checkpoint", post(add));
    let app = app.with_state(Arc::clone(seen));
    tokio::spawn(async move { axum::serve(door, app).await });
    let policy = folder.path().join("policy");
    let key = cosigner().verifier().to_string();
    let text = format!("witness w {key} http://{address}\nquorum w\n");
    std::fs::write(&policy, text).unwrap();
    World::open(false, |config| {
        change(config);
        config.witness_policy = Some(policy);
        config.ledger_classes = vec![LedgerClass {
            name: "traffic".to_owned(),
            sources: vec!["console".to_owned()],
            period: Period::Quarter,
            keep_days: 400,
            basis: "a test".to_owned(),
        }];
    })
    .await
}

/// Something happens in the class `traffic`.
async fn happens(world: &World) -> Result<(), crate::http::problem::Problem> {
    let server = &world.server;
    let event = event::about(&server.ambient, None, server.now().unwrap()).unwrap();
    let event = event.by_job("test").did(ActionType::Read, "trail", "all");
    server.record(event.done()).await
}

async fn round(world: &World) {
    // Later than whatever pause a witness has earned.
    let now = world.server.ambient.monotonic() + Duration::from_secs(3_600);
    let round = world
        .server
        .witnesses
        .round(&world.server.shards, now, PATIENCE);
    round.await;
}

fn shard(world: &World, name: &str) -> Ledger {
    world.server.shards.named(name).unwrap().ledger
}

/// Entries under the checkpoint that a quorum cosigned.
fn witnessed(world: &World, name: &str) -> Option<u64> {
    let standing = world.server.witnesses.standing(&shard(world, name));
    standing.map(|(signed, _)| signed.checkpoint.size)
}

async fn turn(world: &World, class: &'static str) {
    let shards = Arc::clone(&world.server.shards);
    let turned = tokio::task::spawn_blocking(move || shards.turn(class).map(drop));
    turned.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_open_shard_of_every_class_is_witnessed_and_the_end_of_every_sealed_one() {
    let (seen, folder) = (Seen::default(), tempfile::tempdir().unwrap());
    let world = world(&seen, &folder).await;
    happens(&world).await.unwrap();
    for name in ["main", "traffic"] {
        shard(&world, name).publish().await.unwrap();
    }
    round(&world).await;
    for name in ["main", "traffic"] {
        let size = shard(&world, name).size();
        assert!(size > 0, "{name}");
        assert_eq!(witnessed(&world, name), Some(size), "{name}");
    }
    happens(&world).await.unwrap();
    turn(&world, "traffic").await;
    assert_eq!(witnessed(&world, "traffic"), Some(1), "not its end");
    round(&world).await;
    assert_eq!(witnessed(&world, "traffic"), Some(2));
    assert_eq!(witnessed(&world, "traffic-2"), Some(1));
    let world = world.again().await;
    assert_eq!(witnessed(&world, "traffic"), Some(2), "it is kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_witness_that_has_seen_more_of_one_shard_stops_all_of_them() {
    let (seen, folder) = (Seen::default(), tempfile::tempdir().unwrap());
    let world = world(&seen, &folder).await;
    happens(&world).await.unwrap();
    let origin = shard(&world, "traffic").origin().to_owned();
    seen.lock().unwrap().insert(origin.clone(), 1_000);
    shard(&world, "traffic").publish().await.unwrap();
    round(&world).await;
    let alarm = world.server.witnesses.alarm().unwrap();
    assert!(alarm.contains("has cosigned 1000 entries"), "{alarm}");
    assert!(alarm.contains(&origin), "{alarm}");
    for name in ["main", "traffic"] {
        assert!(shard(&world, name).last_error().is_some(), "{name}");
    }
    happens(&world).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_stamp_is_asked_for_on_every_shard_although_one_is_refused() {
    let (seen, folder) = (Seen::default(), tempfile::tempdir().unwrap());
    let door = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = door.local_addr().unwrap();
    let asked = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&asked);
    let refuse = move || {
        counted.fetch_add(1, Ordering::Relaxed);
        async { StatusCode::SERVICE_UNAVAILABLE }
    };
    let app = Router::new().route("/tsa", post(refuse));
    tokio::spawn(async move { axum::serve(door, app).await });
    let world = world_with(&seen, &folder, |config| {
        config.timestamp_url = Some(format!("http://{address}/tsa"));
    })
    .await;
    happens(&world).await.unwrap();
    turn(&world, "traffic").await;
    for name in ["main", "traffic-2"] {
        shard(&world, name).publish().await.unwrap();
    }
    let refused = crate::jobs::timestamp::stamp(&world.server).await;
    let refused = refused.map(drop).unwrap_err();
    assert!(refused.contains("without a time stamp"), "{refused}");
    assert_eq!(asked.load(Ordering::Relaxed), 3, "two open, one sealed");
}

/// How far the proof of the first event of a shard reaches.
async fn proof(world: &World, name: &str) -> ProofState {
    let server = &world.server;
    project(server).await.unwrap();
    let origin = shard(world, name).origin().to_owned();
    let hits = server.trail.search(&Query::default()).await.unwrap().hits;
    let hits = hits.into_iter().filter(|hit| hit.shard == origin);
    let hit = hits.min_by_key(|hit| hit.index).unwrap();
    let event = event::about(&server.ambient, None, server.now().unwrap()).unwrap();
    let event = event.by_job("test").did(ActionType::Read, "trail", "all");
    proof_state(server, &hit.row(1, event.done()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_that_the_policy_no_longer_lists_is_not_called_witnessed() {
    let (seen, folder) = (Seen::default(), tempfile::tempdir().unwrap());
    let world = world(&seen, &folder).await;
    happens(&world).await.unwrap();
    for name in ["main", "traffic"] {
        shard(&world, name).publish().await.unwrap();
    }
    round(&world).await;
    assert_eq!(proof(&world, "traffic").await, ProofState::Witnessed);
    let (main, traffic) = (shard(&world, "main"), shard(&world, "traffic"));
    let policy = folder.path().join("policy");
    let text = std::fs::read_to_string(&policy).unwrap();
    std::fs::write(&policy, format!("log {}\n{text}", main.vkey())).unwrap();
    let key = traffic.vkey().to_owned();
    drop((main, traffic));
    let world = world.again().await;
    assert!(witnessed(&world, "main").is_some());
    assert_eq!(witnessed(&world, "traffic"), None);
    assert_eq!(proof(&world, "traffic").await, ProofState::Signed);
    let symptoms = crate::cli::doctor::ledger::look(&world.server.config).await;
    let symptom = symptoms
        .iter()
        .find(|it| it.what.contains("does not list the open shard `traffic`"));
    assert!(symptom.unwrap().fix.contains(&format!("`log {key}`")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_that_only_the_log_signed_is_not_called_witnessed() {
    let world = World::new().await;
    world.server.ledger().publish().await.unwrap();
    let main = world.server.config.ledger_folder();
    std::fs::copy(main.join("checkpoint"), main.join("witnessed")).unwrap();
    let world = world.again().await;
    assert!(world.server.ledger().witnessed().is_some());
    world.server.ledger().publish().await.unwrap();
    assert_eq!(proof(&world, "main").await, ProofState::Signed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alarm_also_stops_a_shard_that_was_begun_while_the_witness_answered() {
    let (seen, folder) = (Seen::default(), tempfile::tempdir().unwrap());
    let world = world(&seen, &folder).await;
    happens(&world).await.unwrap();
    let origin = shard(&world, "main").origin().to_owned();
    seen.lock().unwrap().insert(origin, SLOWLY);
    shard(&world, "main").publish().await.unwrap();
    let turning = async {
        while !seen.lock().unwrap().contains_key("asked") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        turn(&world, "traffic").await;
        seen.lock().unwrap().insert("answer".to_owned(), 1);
    };
    tokio::join!(round(&world), turning);
    assert!(world.server.witnesses.alarm().is_some());
    assert!(shard(&world, "traffic-2").last_error().is_some());
    happens(&world).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_for_time_stamps_at_the_same_time_asks_in_turn() {
    let (seen, folder) = (Seen::default(), tempfile::tempdir().unwrap());
    let door = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = door.local_addr().unwrap();
    let (inside, most) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let counted = Arc::clone(&most);
    let refuse = move || {
        let now = inside.fetch_add(1, Ordering::SeqCst) + 1;
        counted.fetch_max(now, Ordering::SeqCst);
        let inside = Arc::clone(&inside);
        async move {
            tokio::time::sleep(Duration::from_millis(200)).await;
            inside.fetch_sub(1, Ordering::SeqCst);
            StatusCode::SERVICE_UNAVAILABLE
        }
    };
    let app = Router::new().route("/tsa", post(refuse));
    tokio::spawn(async move { axum::serve(door, app).await });
    let world = world_with(&seen, &folder, |config| {
        config.timestamp_url = Some(format!("http://{address}/tsa"));
    })
    .await;
    world.server.ledger().publish().await.unwrap();
    let stamp = || crate::jobs::timestamp::stamp(&world.server);
    let (first, second) = tokio::join!(stamp(), stamp());
    assert!(first.is_err() && second.is_err());
    assert_eq!(most.load(Ordering::SeqCst), 1);
}
