//! `kill -9` under load, on a real folder, again and again.

use crate::support::{ORIGIN, draft, open, outside_verifier, signer};
use burgess_ledger::tree::leaf_hash;
use burgess_ledger::{Hash, Ledger, Options, verify};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const FOLDER: &str = "BURGESS_LEDGER_KILL_FOLDER";

/// Appends from four threads and prints each receipt, until it is killed.
#[test]
#[ignore = "the process that the test below kills"]
#[expect(
    clippy::disallowed_methods,
    reason = "its folder comes from its parent"
)]
fn append_until_killed() {
    let folder = std::env::var(FOLDER).expect("only the test below runs this");
    let options = Options {
        checkpoint_interval: Duration::from_millis(2),
        segment_bytes: 1 << 20,
        ..Options::default()
    };
    let ledger = Ledger::open(Path::new(&folder), ORIGIN, signer(), options).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let ledger = ledger.clone();
            scope.spawn(move || append_for_ever(&ledger, &format!("thread {thread}")));
        }
    });
}

fn append_for_ever(ledger: &Ledger, source: &str) {
    for seq in ledger.highest(source) + 1.. {
        let receipt = ledger
            .append_blocking(draft(source, Some(seq), "app"))
            .unwrap();
        assert!(!receipt.duplicate);
        let hash: String = receipt
            .leaf_hash
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let line = format!("ack {} {hash} {seq} {source}\n", receipt.index);
        std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
    }
}

/// What a killed process had acknowledged: leaf hash by index, and the last number by source.
#[derive(Default)]
struct Acknowledged {
    leaves: BTreeMap<u64, String>,
    sources: BTreeMap<String, u64>,
}

fn run_and_kill(folder: &Path, lines: usize, acknowledged: &mut Acknowledged) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "killing::append_until_killed",
            "--ignored",
            "--nocapture",
        ])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut take = |line: String| {
        let mut words = line.strip_prefix("ack ")?.splitn(4, ' ');
        let index = words.next()?.parse().ok()?;
        let hash = words.next()?.to_owned();
        let seq = words.next()?.parse().ok()?;
        assert!(
            acknowledged.leaves.insert(index, hash).is_none(),
            "index {index} twice"
        );
        acknowledged.sources.insert(words.next()?.to_owned(), seq);
        Some(())
    };
    let mut seen = 0;
    while seen < lines {
        seen += usize::from(take(output.next().unwrap().unwrap()).is_some());
    }
    child.kill().unwrap(); // SIGKILL
    for line in output.map_while(Result::ok) {
        take(line); // acknowledged before the kill, read after it
    }
    child.wait().unwrap();
}

fn hex(hash: &Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

// R8 R124
#[test]
fn kill_9_under_load_loses_nothing_doubles_nothing_and_the_folder_verifies_as_it_lies() {
    let folder = tempfile::tempdir().unwrap();
    let outside = outside_verifier();
    let mut acknowledged = Acknowledged::default();
    for round in 0..12 {
        run_and_kill(folder.path(), 60 + 97 * round, &mut acknowledged);
        let mut read = |name: &str| std::fs::read(folder.path().join(name));
        verify::log(&mut read, &signer().verifier(), None).unwrap();
        if let Some(outside) = &outside {
            outside.accepts(folder.path(), &signer().vkey()).unwrap();
        }
        let ledger = open(folder.path());
        let entries = ledger.entries(0..ledger.size()).unwrap();
        for (index, hash) in &acknowledged.leaves {
            let entry = entries
                .get(usize::try_from(*index).unwrap())
                .expect("an entry is lost");
            assert_eq!(
                &hex(&leaf_hash(entry)),
                hash,
                "round {round}, entry {index}"
            );
        }
        assert_eq!(ledger.sequence("app"), ledger.size());
        for (number, entry) in (1..).zip(&entries) {
            let start = format!("{{\"app\":\"app\",\"sequence\":{number},");
            assert!(
                entry.starts_with(start.as_bytes()),
                "round {round}, entry {number}"
            );
        }
        let mut handed_over = 0;
        for (source, seq) in &acknowledged.sources {
            assert!(ledger.highest(source) >= *seq, "round {round}, {source}");
            handed_over += ledger.highest(source);
        }
        assert_eq!(
            handed_over,
            ledger.size(),
            "round {round}: every number stands for one entry"
        );
    }
}
