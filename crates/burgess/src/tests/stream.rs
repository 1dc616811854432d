//! The syslog job and a receiver: what arrives, after cuts and restarts, over TCP and TLS.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use burgess_core::time::Span;
use burgess_ledger::tree::root_of;
use burgess_ledger::{NoteVerifier, SignedCheckpoint};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;

use crate::jobs::syslog::{Pace, follow};
use crate::outlets::Syslog;
use crate::tests::world::World;

const PACE: Pace = Pace {
    tick: Duration::from_millis(20),
    settled: Duration::from_millis(300),
    quiet: Duration::from_millis(100),
    pause: Duration::from_millis(20),
};
/// Far longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a receiver has, message by message.
type Heard = Arc<Mutex<Vec<String>>>;

/// A receiver that hangs up after so many messages on each connection.
async fn receiver(tls: Option<TlsAcceptor>, hang_up_after: usize) -> (String, Heard) {
    let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = door.local_addr().unwrap();
    let heard = Heard::default();
    let kept = Arc::clone(&heard);
    tokio::spawn(async move {
        loop {
            let (tcp, _) = door.accept().await.unwrap();
            match &tls {
                None => hear(tcp, &kept, hang_up_after).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(tcp).await {
                        hear(stream, &kept, hang_up_after).await;
                    }
                }
            }
        }
    });
    (format!("127.0.0.1:{}", address.port()), heard)
}

/// Reads octet-counted messages.
async fn hear(mut stream: impl AsyncRead + Unpin, heard: &Heard, most: usize) {
    for _ in 0..most {
        let mut length = 0usize;
        loop {
            match stream.read_u8().await {
                Ok(b' ') => break,
                Ok(digit) => length = length * 10 + usize::from(digit - b'0'),
                Err(_) => return,
            }
        }
        let mut message = vec![0; length];
        if stream.read_exact(&mut message).await.is_err() {
            return;
        }
        heard
            .lock()
            .unwrap()
            .push(String::from_utf8(message).unwrap());
    }
}

fn value(message: &str, name: &str) -> Option<String> {
    let (_, rest) = message.split_once(&format!(" {name}=\""))?;
    Some(rest.split_once('"')?.0.to_owned())
}

/// The entries that arrived, by index; the same one twice must be the same.
fn entries(heard: &Heard) -> BTreeMap<u64, String> {
    let mut entries = BTreeMap::new();
    for message in heard
        .lock()
        .unwrap()
        .iter()
        .filter(|it| it.contains("[burgess@"))
    {
        let index = value(message, "index").unwrap().parse().unwrap();
        let hash = value(message, "leafHash").unwrap();
        let before = entries.insert(index, hash.clone());
        assert!(before.is_none_or(|before| before == hash));
    }
    entries
}

/// The sizes of the checkpoints whose roots are those of the entries that arrived.
fn proved(heard: &Heard, key: &NoteVerifier) -> Vec<u64> {
    use base64::Engine as _;
    // As of one moment: more arrives meanwhile.
    let heard = Arc::new(Mutex::new(heard.lock().unwrap().clone()));
    let hashes: Vec<[u8; 32]> = entries(&heard)
        .values()
        .map(|hash| {
            *burgess_core::digest::Digest::parse(hash)
                .unwrap()
                .as_bytes()
        })
        .collect();
    let heard = heard.lock().unwrap();
    let lines = heard.iter().filter(|it| it.contains("[checkpoint@"));
    lines
        .map(|line| {
            let note = value(line, "note").unwrap();
            let note = base64::engine::general_purpose::STANDARD
                .decode(note)
                .unwrap();
            let checkpoint = SignedCheckpoint::open(&note, key).unwrap().checkpoint;
            let size = usize::try_from(checkpoint.size).unwrap();
            assert_eq!(root_of(&hashes[..size]), checkpoint.root);
            checkpoint.size
        })
        .collect()
}

async fn until(what: impl Fn() -> bool) {
    let waiting = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
}

fn config(address: &str, ca: Option<&Path>, personal: bool) -> Syslog {
    Syslog {
        name: "siem".to_owned(),
        address: address.to_owned(),
        ca: ca.map(Path::to_owned),
        personal,
        checkpoint_every: 10,
    }
}

fn start(world: &World, config: &Syslog) -> tokio::task::JoinHandle<()> {
    tokio::spawn(follow(Arc::clone(&world.server), config.clone(), PACE))
}

fn key(world: &World) -> NoteVerifier {
    NoteVerifier::parse(world.server.ledger().vkey()).unwrap()
}

fn cursor(world: &World) -> Option<u64> {
    let file = world.server.config.data.join("syslog/siem.json");
    let text = std::fs::read_to_string(file).ok()?;
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    json[world.server.ledger().origin()].as_u64()
}

/// Everything in the ledger has arrived, a checkpoint proves it, and the cursor says so. The
/// export's own event may come at any moment.
async fn complete(world: &World, heard: &Heard) {
    world.server.ledger().publish().await.unwrap();
    let size = world.server.ledger().size();
    until(|| entries(heard).len() as u64 >= size).await;
    let key = key(world);
    until(|| proved(heard, &key).last() >= Some(&size)).await;
    until(|| cursor(world) >= Some(size)).await;
    let arrived = entries(heard);
    let without_gap = arrived.keys().copied().eq(0..arrived.len() as u64);
    assert!(without_gap, "without a gap");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_hangs_up_again_and_again_misses_nothing() {
    let world = World::new().await;
    let (address, heard) = receiver(None, 9).await;
    let config = config(&address, None, false);
    let job = start(&world, &config);
    let size = world.server.ledger().size();
    // Nine a connection, and what is in doubt comes again: the job never believes too early.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(cursor(&world).is_none_or(|next| next <= size));
    job.abort();
    // The receiver is repaired; the server is another process by now.
    let (address, later) = receiver(None, usize::MAX).await;
    let config = Syslog { address, ..config };
    let before = cursor(&world).unwrap_or_default();
    let job = start(&world, &config);
    until(|| !later.lock().unwrap().is_empty()).await;
    let first = *entries(&later).keys().next().unwrap();
    assert_eq!(first, before, "where the cursor stood");
    let both = Heard::default();
    for part in [&heard, &later] {
        until(|| !part.lock().unwrap().is_empty()).await;
    }
    world.server.ledger().publish().await.unwrap();
    let size = world.server.ledger().size();
    until(|| entries(&later).keys().next_back() == Some(&(size - 1))).await;
    both.lock()
        .unwrap()
        .extend(heard.lock().unwrap().iter().cloned());
    both.lock()
        .unwrap()
        .extend(later.lock().unwrap().iter().cloned());
    assert!(entries(&both).keys().copied().eq(0..size), "without a gap");
    job.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_recorded_later_follows_and_checkpoints_prove_the_stream() {
    let world = World::new().await;
    let (address, heard) = receiver(None, usize::MAX).await;
    let job = start(&world, &config(&address, None, false));
    complete(&world, &heard).await;
    let before = world.server.ledger().size();
    world.in_sandbox("planner").await;
    assert!(world.server.ledger().size() > before);
    complete(&world, &heard).await;

    // A message that is deleted from the stream shows.
    let key = key(&world);
    let cut = Heard::default();
    let kept = heard
        .lock()
        .unwrap()
        .iter()
        .filter(|it| !it.contains(" index=\"3\""))
        .cloned()
        .collect();
    *cut.lock().unwrap() = kept;
    let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| proved(&cut, &key)));
    assert!(found.is_err(), "the root is another one");
    job.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_receiver_gets_what_is_left_of_a_trail_of_which_a_shard_was_pruned() {
    let world = World::new().await;
    let shards = Arc::clone(&world.server.shards);
    let pruned = tokio::task::spawn_blocking(move || {
        let sealed = shards.turn("main").unwrap();
        sealed
            .ledger
            .prune(sealed.ledger.size(), "a policy")
            .unwrap();
    });
    pruned.await.unwrap();
    world.in_sandbox("planner").await;
    let (address, heard) = receiver(None, usize::MAX).await;
    let job = start(&world, &config(&address, None, false));
    complete(&world, &heard).await;
    job.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn personal_values_stay_here_unless_they_are_asked_for_and_policy_allows() {
    let world = World::new().await;
    for (personal, expected) in [(false, false), (true, true)] {
        let (address, heard) = receiver(None, usize::MAX).await;
        let sink = Syslog {
            name: format!("siem-{personal}"),
            ..config(&address, None, personal)
        };
        let job = start(&world, &sink);
        world.server.ledger().publish().await.unwrap();
        let size = world.server.ledger().size();
        until(|| entries(&heard).len() as u64 >= size).await;
        let all = heard.lock().unwrap().join("\n");
        assert_eq!(
            all.contains("@example.com"),
            expected,
            "personal = {personal}"
        );
        assert_eq!(all.contains("[personal@"), expected);
        job.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_whose_event_cannot_be_recorded_begins_as_soon_as_it_can() {
    let world = World::new().await;
    let (address, heard) = receiver(None, usize::MAX).await;
    // A clock far behind what is on record: nothing can be recorded.
    let ambient = &world.server.ambient;
    ambient.observe(ambient.now().plus(Span::seconds(3_600)));
    let job = start(&world, &config(&address, None, false));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(heard.lock().unwrap().is_empty(), "not without its event");
    ambient.jump(Span::seconds(3_600));
    complete(&world, &heard).await;
    job.abort();
}

/// A receiver with a certificate of its own, and the file with its root.
fn identity(folder: &Path) -> (TlsAcceptor, std::path::PathBuf) {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let roots = folder.join("roots.pem");
    std::fs::write(&roots, made.cert.pem()).unwrap();
    let key = rustls_pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), roots)
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_carries_the_stream_to_whom_the_roots_name_and_to_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new().await;
    let (acceptor, roots) = identity(folder.path());
    let (address, heard) = receiver(Some(acceptor), usize::MAX).await;
    let job = start(&world, &config(&address, Some(&roots), false));
    complete(&world, &heard).await;
    job.abort();

    let elsewhere = tempfile::tempdir().unwrap();
    let (impostor, _) = identity(elsewhere.path());
    let (address, heard) = receiver(Some(impostor), usize::MAX).await;
    let stranger = Syslog {
        name: "stranger".to_owned(),
        ..config(&address, Some(&roots), false)
    };
    let job = start(&world, &stranger);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(
        heard.lock().unwrap().is_empty(),
        "nothing was said to a stranger"
    );
    job.abort();
}
