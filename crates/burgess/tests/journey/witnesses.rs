//! Witnesses over the real binaries: a server that is witnessed, a ledger whose newest events were
//! cut off, a ledger with two histories, and a witness that is killed.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use burgess_ledger::tree::{Hash, consistency_path, leaf_hash, range_root, root_of};
use burgess_ledger::witness::AddCheckpoint;
use burgess_ledger::{
    Checkpoint, KeyKind, NoteSigner, NoteVerifier, Policy, SignedCheckpoint, Trust,
};

use crate::client;
use crate::house::{House, Running};
use crate::watcher::{self, Watcher};

/// Nothing is called here; the address only has to be one.
fn nowhere() -> SocketAddr {
    "127.0.0.1:9".parse().unwrap()
}

/// A server whose ledger two witnesses look after; both must cosign.
struct Watched {
    house: House,
    witnesses: [Watcher; 2],
    policy: Policy,
    vkey: String,
}

impl Watched {
    fn build() -> (Self, Running) {
        let house = House::build(nowhere(), "");
        let mut first = house.start();
        let vkey = first.vkey.clone();
        first.stop();
        let witnesses = [Watcher::start(&vkey), Watcher::start(&vkey)];
        let policy = format!(
            "log {vkey}\n{}{}group both all w1 w2\nquorum both\n",
            witnesses[0].line("w1", KeyKind::MlDsa44),
            witnesses[1].line("w2", KeyKind::CosignatureEd25519),
        );
        std::fs::write(house.path("policy"), &policy).unwrap();
        house.configure(nowhere(), "[witness]\npolicy = \"policy\"\n");
        let running = house.start();
        let watched = Self {
            house,
            witnesses,
            policy: Policy::parse(policy.as_bytes()).unwrap(),
            vkey,
        };
        (watched, running)
    }

    fn trust(&self) -> Trust {
        Trust::new(
            vec![NoteVerifier::parse(&self.vkey).unwrap()],
            Some(self.policy.clone()),
        )
        .unwrap()
    }

    fn published(&self) -> SignedCheckpoint {
        let note = std::fs::read(self.house.ledger().join("checkpoint")).unwrap();
        self.trust().open(&note).unwrap().0
    }
}

async fn text(at: SocketAddr, target: &str) -> (u16, String) {
    let answer = client::send(at, "GET", target, None, None).await;
    (answer.status, answer.text())
}

fn figure(metrics: &str, name: &str) -> Option<u64> {
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line?.parse().ok()
}

/// Waits until everything published is witnessed; answers how many entries that are.
async fn witnessed(running: &Running) -> u64 {
    let begun = Instant::now();
    loop {
        let metrics = text(running.console, "/metrics").await.1;
        let all = figure(&metrics, "burgess_ledger_entries").unwrap();
        if figure(&metrics, "burgess_witnessed_size") == Some(all) {
            return all;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{metrics}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn alarmed(running: &Running) -> String {
    let begun = Instant::now();
    loop {
        let (status, said) = text(running.console, "/readyz").await;
        if status == 503 && said.contains("witness `") {
            return said;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{said}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            copy(&path, &to);
        } else if kind.is_file() {
            std::fs::copy(&path, &to).unwrap();
        }
    }
}

fn restore(house: &House, from: &str) {
    std::fs::remove_dir_all(house.path("data")).unwrap();
    copy(&house.path(from), &house.path("data"));
}

// R8 R124
#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_is_witnessed_within_seconds_and_its_checkpoint_satisfies_the_policy() {
    let (mut watched, mut running) = Watched::build();
    watched.house.invite("ana@example.com", "auditor");
    let entries = witnessed(&running).await;
    assert!(entries > 0);
    let (status, note) = text(running.console, "/ledger/main/witnessed").await;
    assert_eq!(status, 200);
    let (signed, standing) = watched.trust().open(note.as_bytes()).unwrap();
    assert_eq!(signed.checkpoint.size, entries);
    assert_eq!(
        (standing.witnessed, standing.by.len(), standing.of),
        (true, 2, 2)
    );
    // Both of the log's own keys signed it, and the folder holds the same bytes.
    let (_, keys) = text(running.console, "/ledger/main/vkeys").await;
    let keys: Vec<NoteVerifier> = keys
        .lines()
        .map(|key| NoteVerifier::parse(key).unwrap())
        .collect();
    assert_eq!(keys.len(), 2);
    Trust::new(keys, None)
        .unwrap()
        .open(note.as_bytes())
        .unwrap();
    let kept = std::fs::read_to_string(watched.house.ledger().join("witnessed")).unwrap();
    assert_eq!(kept, note);
    watched.house.verify_ledger(&watched.vkey);
    let (_, page) = text(running.console, "/sign-in").await;
    let sentence = format!("witnessed up to entry {} by 2 of 2", entries - 1);
    assert!(page.contains(&sentence), "{page}");
    // One witness away: nothing new is witnessed, nothing stops.
    watched.witnesses[1].stop();
    watched.house.invite("bob@example.com", "auditor");
    tokio::time::sleep(Duration::from_secs(3)).await;
    let metrics = text(running.console, "/metrics").await.1;
    assert!(figure(&metrics, "burgess_witness_lag_entries").unwrap() > 0);
    assert_eq!(text(running.console, "/readyz").await.0, 200);
    watched.witnesses[1].again(&watched.vkey);
    assert!(witnessed(&running).await > entries);
    running.stop();
}

// R124
#[tokio::test(flavor = "multi_thread")]
async fn newest_events_cut_off_by_an_older_copy_are_detected_at_the_start() {
    let (watched, mut running) = Watched::build();
    witnessed(&running).await;
    running.stop();
    copy(&watched.house.path("data"), &watched.house.path("older"));
    let mut running = watched.house.start();
    watched.house.invite("ana@example.com", "auditor");
    let newest = witnessed(&running).await;
    running.stop();
    restore(&watched.house, "older");
    let older = watched.published();
    assert!(older.checkpoint.size < newest);
    let mut running = watched.house.start();
    let said = alarmed(&running).await;
    assert!(
        said.contains(&format!("has cosigned {newest} entries")),
        "{said}"
    );
    let (_, page) = text(running.console, "/sign-in").await;
    assert!(
        page.contains("This is not the newest copy of the ledger"),
        "{page}"
    );
    let refused = watched
        .house
        .verb("invite")
        .args(["eve@example.com", "--role", "auditor"])
        .output();
    assert_ne!(refused.unwrap().status.code(), Some(0));
    assert_eq!(watched.published(), older, "no second history was begun");
    let metrics = text(running.console, "/metrics").await.1;
    assert_eq!(figure(&metrics, "burgess_witness_alarm"), Some(1));
    running.stop();
}

// R124
#[tokio::test(flavor = "multi_thread")]
async fn a_second_history_is_refused_by_the_witnesses_and_never_witnessed() {
    let (mut watched, mut running) = Watched::build();
    witnessed(&running).await;
    running.stop();
    copy(&watched.house.path("data"), &watched.house.path("older"));
    let mut running = watched.house.start();
    watched.house.invite("ana@example.com", "auditor");
    witnessed(&running).await;
    let (_, truth) = text(running.console, "/ledger/main/witnessed").await;
    let (truth, _) = watched.trust().open(truth.as_bytes()).unwrap();
    running.stop();
    // The second history begins while no witness is there to object, and outgrows the first.
    for witness in &mut watched.witnesses {
        witness.stop();
    }
    restore(&watched.house, "older");
    let mut running = watched.house.start();
    for n in 0..6 {
        watched
            .house
            .invite(&format!("eve{n}@example.com"), "auditor");
    }
    for witness in &mut watched.witnesses {
        witness.again(&watched.vkey);
    }
    let said = alarmed(&running).await;
    assert!(
        said.contains("that this ledger does not continue"),
        "{said}"
    );
    let fork = watched.published();
    assert!(fork.checkpoint.size > truth.checkpoint.size);
    let standing = watched.trust().judge(&fork).unwrap();
    assert!(!standing.witnessed && standing.by.is_empty());
    let kept = std::fs::read(watched.house.ledger().join("witnessed")).unwrap();
    let (kept, _) = watched.trust().open(&kept).unwrap();
    assert!(
        kept.checkpoint.size < truth.checkpoint.size,
        "it is the older copy's"
    );
    running.stop();
    // With what was cosigned put beside it, the fork does not even open.
    std::fs::write(watched.house.ledger().join("witnessed"), &truth.note).unwrap();
    let start = watched
        .house
        .verb("up")
        .args(["--listen", "127.0.0.1:0", "--gateway", "127.0.0.1:0"])
        .output();
    let start = start.unwrap();
    assert_eq!(start.status.code(), Some(2));
    let said = String::from_utf8(start.stderr).unwrap();
    assert!(
        said.contains("are not those that witnesses cosigned"),
        "{said}"
    );
}

/// A log in memory that can be forked, and asks a witness.
struct Log(Vec<Hash>);

const ORIGIN: &str = "burgess.example/log";

fn log_key() -> NoteSigner {
    NoteSigner::from_seed(ORIGIN, [1; 32]).unwrap()
}

impl Log {
    fn node(&self, height: u32, n: u64) -> Result<Hash, std::convert::Infallible> {
        let (size, n) = (1 << height, usize::try_from(n).unwrap());
        Ok(root_of(&self.0[n * size..(n + 1) * size]))
    }

    fn asks(&self, old: u64) -> Vec<u8> {
        let size = self.0.len() as u64;
        let mut node = |height, n| self.node(height, n);
        let checkpoint = Checkpoint {
            origin: ORIGIN.to_owned(),
            size,
            root: range_root(0, size, &mut node).unwrap(),
        };
        let request = AddCheckpoint {
            old,
            proof: consistency_path(old, size, &mut node).unwrap(),
            note: checkpoint.sign(&log_key()).unwrap().note,
        };
        request.text().into_bytes()
    }
}

async fn add(at: SocketAddr, body: Vec<u8>) -> Option<(u16, String)> {
    let body = Some(("text/plain", body));
    let answer = client::try_send(at, "POST", "/add-checkpoint", None, body)
        .await
        .ok()?;
    Some((answer.status, answer.text()))
}

// R124
#[tokio::test(flavor = "multi_thread")]
async fn a_witness_killed_again_and_again_never_signs_two_histories() {
    let mut witness = Watcher::start(&log_key().vkey());
    let key = witness.keys[0].clone();
    // What was cosigned, by size: the root that the witness stands behind.
    let mut signed: std::collections::BTreeMap<u64, String> = std::collections::BTreeMap::new();
    let mut log = Log(Vec::new());
    let mut known = 0;
    for round in 0..8_u64 {
        let address = witness.address;
        let answered = Arc::new(AtomicU64::new(0));
        let killer = tokio::task::spawn_blocking({
            let answered = Arc::clone(&answered);
            move || {
                // Once it works, at another moment of its work each time.
                let begun = Instant::now();
                while answered.load(Ordering::Acquire) < 3 && begun.elapsed().as_secs() < 30 {
                    std::thread::sleep(Duration::from_millis(1));
                }
                std::thread::sleep(Duration::from_micros(700 * round));
                witness.kill();
                witness
            }
        });
        while !killer.is_finished() {
            let mut fork = Log(log.0.clone());
            log.0.push(leaf_hash(b"true"));
            fork.0.push(leaf_hash(b"false"));
            // Both histories at once, and a step back.
            let (size, back) = (log.0.len() as u64, Log(log.0[..log.0.len() / 2].to_vec()));
            let (one, other, third) = tokio::join!(
                add(address, log.asks(known)),
                add(address, fork.asks(known)),
                add(address, back.asks(back.0.len() as u64)),
            );
            let backwards = third.is_some_and(|(status, _)| status == 200);
            assert!(!backwards || back.0.len() as u64 == known, "it went back");
            let (mut good, mut next) = (0, None);
            for (which, answer) in [(&log, one), (&fork, other)] {
                let Some((200, lines)) = answer else { continue };
                good += 1;
                let text = AddCheckpoint::parse(&which.asks(known)).unwrap().note;
                let note = format!("{text}{lines}");
                assert!(key.signed_at(note.as_bytes()).unwrap().is_some());
                let root = text.lines().nth(2).unwrap().to_owned();
                let before = signed.insert(size, root.clone());
                assert!(
                    before.is_none_or(|before| before == root),
                    "two roots of {size}"
                );
                known = size;
                answered.fetch_add(1, Ordering::AcqRel);
                next = Some(which.0.clone());
            }
            log.0 = next.unwrap_or(log.0);
            assert!(good <= 1, "two histories of {size} entries were signed");
            if good == 0 {
                log.0.pop();
                break;
            }
        }
        witness = killer.await.unwrap();
        witness.again(&log_key().vkey());
        known = last_size(witness.address, &mut log, known).await;
    }
    assert!(signed.len() >= 16, "{}", signed.len());
    witness.stop();
}

/// What the witness remembers after a restart: never less than what it signed. An answer that was
/// lost on the way may have been for either history; the log then goes on with the one remembered.
async fn last_size(at: SocketAddr, log: &mut Log, known: u64) -> u64 {
    let ask = Log(vec![leaf_hash(b"true"); log.0.len() + 2]);
    let (status, said) = add(at, ask.asks(ask.0.len() as u64)).await.unwrap();
    assert_eq!(status, 409, "{said}");
    let size: u64 = said.trim().parse().unwrap();
    assert!(size >= known, "it forgot {known}, it remembers {size}");
    if size > log.0.len() as u64 {
        for last in [&b"true"[..], b"false"] {
            log.0.push(leaf_hash(last));
            if add(at, log.asks(size)).await.unwrap().0 == 200 {
                return size;
            }
            log.0.pop();
        }
        panic!("it remembers a history that was never asked for");
    }
    size
}

#[test]
fn a_witness_keeps_its_keys_to_itself_and_refuses_what_it_cannot_keep() {
    use std::os::unix::fs::PermissionsExt as _;
    let vkey = log_key().vkey();
    let mut witness = Watcher::start(&vkey);
    let key = witness.state().join("key");
    let mode = std::fs::metadata(&key).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let command = || watcher::command(&witness.state(), &vkey, "127.0.0.1:0");
    assert!(watcher::refuses(command()).contains("is running already"));
    witness.stop();
    witness.again(&vkey);
    witness.stop();
    let command = || watcher::command(&witness.state(), &vkey, "127.0.0.1:0");
    let mut named = command();
    named.args(["--name", "another.example"]);
    assert!(watcher::refuses(named).contains("leave --name out"));
    let mut elsewhere = command();
    elsewhere.args(["--key-file", "/nowhere/at/all"]);
    assert!(watcher::refuses(elsewhere).contains("is not there"));
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(watcher::refuses(command()).contains("others can read it"));
    let stranger = watcher::command(&witness.state(), "nonsense", "127.0.0.1:0");
    assert!(watcher::refuses(stranger).contains("--log: verifier key"));
    let cosigner = witness.keys[0].to_string();
    let other = watcher::command(&witness.state(), &cosigner, "127.0.0.1:0");
    assert!(watcher::refuses(other).contains("is a witness's"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_answers_with_the_statuses_of_the_standard_and_bounds_what_it_reads() {
    let witness = Watcher::start(&log_key().vkey());
    let at = witness.address;
    let log = Log(vec![leaf_hash(b"true"); 3]);
    let status = async |body: Vec<u8>| add(at, body).await.unwrap();
    assert_eq!(status(b"old 0\n".to_vec()).await.0, 400);
    let (code, said) = status(log.asks(0)).await;
    assert_eq!(code, 200, "{said}");
    assert_eq!(said.lines().count(), 2);
    let answer = client::send(
        at,
        "POST",
        "/add-checkpoint",
        None,
        Some(("text/plain", log.asks(0))),
    )
    .await;
    assert_eq!((answer.status, answer.text().as_str()), (409, "3\n"));
    let unknown = String::from_utf8(log.asks(3))
        .unwrap()
        .replace(ORIGIN, "other.example/log");
    assert_eq!(status(unknown.into_bytes()).await.0, 404);
    let unsigned = String::from_utf8(log.asks(3))
        .unwrap()
        .replace("\n3\n", "\n4\n");
    assert_eq!(status(unsigned.into_bytes()).await.0, 403);
    let mut fork = Log(vec![leaf_hash(b"false"); 4]);
    assert_eq!(status(fork.asks(3)).await.0, 422);
    fork.0.pop();
    assert_eq!(status(fork.asks(3)).await, (409, "3\n".to_owned()));
    assert_eq!(status(vec![b'x'; 2 << 20]).await.0, 413);
    assert_eq!(text(at, "/vkeys").await.1.lines().count(), 2);
    assert_eq!(text(at, "/add-checkpoint").await.0, 405);
}
