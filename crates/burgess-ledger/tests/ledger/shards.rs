//! One log in several shards: sealing, the chain, and what a crash between the two leaves.

use crate::simulator::{Dice, Simulator};
use crate::support::{ORIGIN, draft, fill, options, outside_verifier};
use burgess_ledger::chain::{continues, previous_origin};
use burgess_ledger::disk::Disk;
use burgess_ledger::shards::{Keys, MAIN, ShardsError};
use burgess_ledger::{
    AppendError, CHAIN, Ledger, NoteSigner, NoteVerifier, OpenError, Shard, Shards, verify,
};
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// A key per shard, made from its name.
fn seed(name: &str) -> [u8; 32] {
    let mut seed = [9; 32];
    for (at, byte) in name.bytes().enumerate() {
        seed[at] = byte;
    }
    seed
}

fn keys() -> Arc<Keys> {
    Arc::new(|name, origin| {
        NoteSigner::from_seed(origin, seed(name)).map_err(|cause| cause.to_string())
    })
}

fn open(folder: &Path) -> Result<Shards, ShardsError> {
    Shards::open(folder, ORIGIN, &["traffic"], options(), keys())
}

fn append(shards: &Shards, class: &str, stream: &str) -> Result<u64, AppendError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let drafts = vec![draft("outbox", None, stream)];
    let receipts = runtime.block_on(shards.append_all(class, drafts))?;
    Ok(receipts[0].index)
}

fn current(shards: &Shards, class: &str) -> Shard {
    shards.current(class).unwrap()
}

// R8
#[test]
fn a_set_has_one_open_shard_per_class_each_with_its_own_origin_and_key() {
    let folder = tempfile::tempdir().unwrap();
    let shards = open(folder.path()).unwrap();
    let names: Vec<String> = shards.all().into_iter().map(|shard| shard.name).collect();
    assert_eq!(names, ["main", "traffic"]);
    assert_eq!(current(&shards, MAIN).ledger.origin(), ORIGIN);
    let traffic = current(&shards, "traffic").ledger;
    assert_eq!(traffic.origin(), format!("{ORIGIN}/traffic"));
    assert_ne!(traffic.vkey(), current(&shards, MAIN).ledger.vkey());
    append(&shards, "traffic", "app").unwrap();
    append(&shards, "no such class", "app").unwrap();
    assert_eq!(traffic.size(), 1);
    assert_eq!(
        current(&shards, MAIN).ledger.size(),
        1,
        "what has no class is kept longest"
    );
}

// R8 R186
#[test]
fn a_sealed_shard_refuses_by_name_and_the_next_begins_with_its_last_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let shards = open(folder.path()).unwrap();
    fill(&current(&shards, MAIN).ledger, 300);
    let sealed = shards.turn(MAIN).unwrap();
    assert!(sealed.ledger.is_sealed());
    let refusal = sealed.ledger.append_blocking(draft("outbox", None, "app"));
    assert_eq!(refusal, Err(AppendError::Sealed(ORIGIN.to_owned())));
    assert_eq!(
        sealed.ledger.last_error().unwrap().to_string(),
        format!("the shard `{ORIGIN}` is sealed, append to the one that follows it")
    );
    let next = current(&shards, MAIN);
    assert_eq!(
        (next.name.as_str(), next.number, next.first_event()),
        ("main-2", 2, 1)
    );
    let last = fs::read(folder.path().join("main/checkpoint")).unwrap();
    assert_eq!(next.ledger.entry(0).unwrap(), last, "byte for byte");
    assert_eq!(previous_origin(&last), Some(ORIGIN));
    let verifier = NoteVerifier::parse(sealed.ledger.vkey()).unwrap();
    assert!(continues(&next.ledger.entry(0).unwrap(), &last, &verifier).is_ok());
    assert_eq!(
        next.ledger.highest("outbox"),
        300,
        "an outbox goes on where it was"
    );
    assert_eq!(
        next.ledger.sequence("app"),
        0,
        "a stream begins at 1 in each origin"
    );
    assert_eq!(append(&shards, MAIN, "app").unwrap(), 1);
    assert_eq!(next.ledger.highest("outbox"), 301);
    assert_eq!(next.ledger.sequence("app"), 1);
    assert_eq!(next.ledger.sequence(CHAIN), 1);
    next.ledger.publish_blocking().unwrap();
    let Some(outside) = outside_verifier() else {
        return;
    };
    for shard in shards.all() {
        let folder = folder.path().join(&shard.name);
        outside.accepts(&folder, shard.ledger.vkey()).unwrap();
    }
}

// R8
#[test]
fn a_set_opens_again_as_it_was_and_sealed_shards_stay_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let shards = open(folder.path()).unwrap();
    fill(&current(&shards, MAIN).ledger, 3);
    shards.turn(MAIN).unwrap();
    append(&shards, MAIN, "app").unwrap();
    shards.turn(MAIN).unwrap();
    shards.turn("traffic").unwrap();
    drop(shards);
    let shards = open(folder.path()).unwrap();
    let all: Vec<(String, bool, u64)> = shards
        .all()
        .into_iter()
        .map(|shard| (shard.name, shard.ledger.is_sealed(), shard.ledger.size()))
        .collect();
    let expected = [
        ("main", true, 3),
        ("main-2", true, 2),
        ("main-3", false, 1),
        ("traffic", true, 0),
        ("traffic-2", false, 1),
    ];
    let expected = expected.map(|(name, sealed, size)| (name.to_owned(), sealed, size));
    assert_eq!(all, expected);
    assert_eq!(shards.highest("outbox"), 4);
    assert!(
        !folder.path().join("main/wal").exists(),
        "a sealed shard needs no segments"
    );
    let alone = Ledger::open(
        &folder.path().join("nowhere"),
        ORIGIN,
        NoteSigner::from_seed(ORIGIN, seed(MAIN)).unwrap(),
        options(),
    );
    drop(alone.unwrap());
    let verifier = NoteVerifier::parse(shards.all()[0].ledger.vkey()).unwrap();
    let not = Ledger::open_sealed(&folder.path().join("nowhere"), &verifier);
    assert!(matches!(not, Err(OpenError::NotSealed(_))));
}

// R8
#[test]
fn a_turn_that_a_crash_cut_short_is_finished_by_opening() {
    let folder = tempfile::tempdir().unwrap();
    let shards = open(folder.path()).unwrap();
    fill(&current(&shards, MAIN).ledger, 3);
    current(&shards, MAIN).ledger.seal().unwrap();
    drop(shards);
    fs::create_dir(folder.path().join("main-2")).unwrap(); // as far as it came
    let shards = open(folder.path()).unwrap();
    let next = current(&shards, MAIN);
    assert_eq!((next.name.as_str(), next.ledger.size()), ("main-2", 1));
    assert_eq!(append(&shards, MAIN, "app").unwrap(), 1);
}

// R8
#[test]
fn a_set_whose_parts_do_not_fit_stays_shut_and_names_the_part() {
    let folder = tempfile::tempdir().unwrap();
    let shards = open(folder.path()).unwrap();
    fill(&current(&shards, MAIN).ledger, 3);
    shards.turn(MAIN).unwrap();
    shards.turn(MAIN).unwrap();
    drop(shards);
    let at = |name: &str| folder.path().join(name);
    // A shard that is missing in the middle.
    fs::rename(at("main-2"), at("else.where")).unwrap();
    assert!(matches!(open(folder.path()), Err(ShardsError::Missing(name)) if name == "main-2"));
    fs::rename(at("else.where"), at("main-2")).unwrap();
    // A mark that was taken away.
    fs::rename(at("main/sealed"), at("mark")).unwrap();
    assert!(matches!(open(folder.path()), Err(ShardsError::Unsealed(name)) if name == "main"));
    fs::rename(at("mark"), at("main/sealed")).unwrap();
    // A shard of another history under the same key.
    fs::rename(at("main"), at("else.where")).unwrap();
    let other = Ledger::open(
        &at("main"),
        ORIGIN,
        NoteSigner::from_seed(ORIGIN, seed(MAIN)).unwrap(),
        options(),
    )
    .unwrap();
    fill(&other, 3);
    append_other(&other);
    other.seal().unwrap();
    drop(other);
    match open(folder.path()) {
        Err(ShardsError::Open { shard, cause }) => {
            assert_eq!(shard, "main-2");
            assert!(matches!(cause, OpenError::Chain { .. }), "{cause}");
        }
        other => panic!("{other:?}"),
    }
    fs::remove_dir_all(at("main")).unwrap();
    fs::rename(at("else.where"), at("main")).unwrap();
    open(folder.path()).unwrap();
}

fn append_other(ledger: &Ledger) {
    ledger
        .append_blocking(draft("outbox", None, "another"))
        .unwrap();
    ledger.publish_blocking().unwrap();
}

// R8
#[test]
fn appends_while_a_line_is_turned_wait_and_none_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let shards = Arc::new(open(folder.path()).unwrap());
    let writers: Vec<_> = (0..3)
        .map(|_| {
            let shards = shards.clone();
            std::thread::spawn(move || {
                for _ in 0..60 {
                    append(&shards, MAIN, "app").unwrap();
                }
            })
        })
        .collect();
    for _ in 0..3 {
        shards.turn(MAIN).unwrap();
    }
    for writer in writers {
        writer.join().unwrap();
    }
    let events: u64 = shards
        .all()
        .iter()
        .map(|shard| shard.ledger.size().saturating_sub(shard.first_event()))
        .sum();
    assert_eq!(events, 180);
    assert_eq!(
        shards.highest("outbox"),
        180,
        "numbers go on through all shards"
    );
}

const NEXT: &str = "burgess.example/ledger/test/main-2";

fn signer(origin: &str) -> NoteSigner {
    NoteSigner::from_seed(origin, [7; 32]).unwrap()
}

fn open_on(disk: &Simulator) -> Result<Ledger, OpenError> {
    Ledger::open_on(Arc::new(disk.clone()), ORIGIN, signer(ORIGIN), options())
}

fn open_next(disk: &Simulator, previous: &Ledger) -> Result<Ledger, OpenError> {
    let disk = Arc::new(disk.clone());
    Ledger::open_after_on(disk, NEXT, signer(NEXT), options(), previous)
}

// R8
#[test]
fn sealing_that_fails_or_fails_but_persists_at_any_write_can_be_done_again() {
    let prepared = |disk: &Simulator| {
        let ledger = open_on(disk).unwrap();
        fill(&ledger, 3);
        ledger
            .append_blocking(draft("outbox", None, "app"))
            .unwrap();
        ledger
    };
    let rehearsal = Simulator::default();
    let ledger = prepared(&rehearsal);
    let before = rehearsal.operations();
    ledger.seal().unwrap();
    let operations = rehearsal.operations() - before;
    assert!(operations > 8, "{operations}");
    for operation in 1..=operations {
        for persisted in [false, true] {
            for power in [false, true] {
                let case = format!("operation {operation}, persisted {persisted}, power {power}");
                let disk = Simulator::default();
                let ledger = prepared(&disk);
                disk.fail_at(operation, persisted);
                drop(ledger.seal());
                drop(ledger);
                let disk = if power {
                    disk.cut(&mut Dice(operation))
                } else {
                    disk
                };
                let ledger = open_on(&disk).unwrap_or_else(|cause| panic!("{case}: {cause}"));
                ledger
                    .seal()
                    .unwrap_or_else(|cause| panic!("{case}: {cause}"));
                assert_eq!(ledger.size(), 4, "{case}");
                let read = &mut |name: &str| disk.read(name);
                let signed = verify::log(read, &signer(ORIGIN).verifier(), None).unwrap();
                assert_eq!(signed.checkpoint.size, 4, "{case}");
            }
        }
    }
}

// R8
#[test]
fn beginning_the_next_shard_can_be_cut_short_anywhere_and_begins_once() {
    let old = Simulator::default();
    let previous = open_on(&old).unwrap();
    fill(&previous, 5);
    previous.seal().unwrap();
    let rehearsal = Simulator::default();
    drop(open_next(&rehearsal, &previous).unwrap());
    let operations = rehearsal.operations();
    for operation in 1..=operations {
        for persisted in [false, true] {
            let case = format!("operation {operation}, persisted {persisted}");
            let disk = Simulator::default();
            disk.fail_at(operation, persisted);
            drop(open_next(&disk, &previous));
            let disk = disk.cut(&mut Dice(operation));
            let next =
                open_next(&disk, &previous).unwrap_or_else(|cause| panic!("{case}: {cause}"));
            assert_eq!(next.size(), 1, "{case}");
            assert_eq!(next.highest("outbox"), 5, "{case}");
            let link = previous.checkpoint().note.clone().into_bytes();
            assert_eq!(next.entry(0).unwrap(), link, "{case}");
        }
    }
}
