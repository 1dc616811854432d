//! `kill -9` under load, on a real folder, again and again.

use crate::support::{ORIGIN, counted, draft, open, outside_verifier, signer, slice};
use burgess_ledger::tree::leaf_hash;
use burgess_ledger::{Hash, Ledger, Options, verify};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
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

/// Stands for a sealed value: of many lengths, so that groups and segments end anywhere.
fn side_of(source: &str, seq: u64) -> Vec<u8> {
    let length = usize::try_from(seq * 97 % 3000).unwrap();
    let mut side = format!("{source} {seq} ").into_bytes();
    side.resize(side.len() + length, b'~');
    side
}

fn append_for_ever(ledger: &Ledger, source: &str) {
    for seq in ledger.highest(source) + 1.. {
        let mut draft = draft(source, Some(seq), "app");
        draft.side = side_of(source, seq);
        let receipt = ledger.append_blocking(draft).unwrap();
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

/// What killed processes had acknowledged.
#[derive(Default)]
pub struct Acknowledged {
    leaves: BTreeMap<u64, Entry>,
    sources: BTreeMap<String, u64>,
}

struct Entry {
    hash: String,
    source: String,
    seq: u64,
}

impl Acknowledged {
    /// Reads one line of the child; other lines are libtest's.
    pub fn take(&mut self, line: &str) -> Option<()> {
        let mut words = line.strip_prefix("ack ")?.splitn(4, ' ');
        let index: u64 = words.next()?.parse().ok()?;
        let entry = Entry {
            hash: words.next()?.to_owned(),
            seq: words.next()?.parse().ok()?,
            source: words.next()?.to_owned(),
        };
        self.sources.insert(entry.source.clone(), entry.seq);
        let before = self.leaves.insert(index, entry);
        assert!(before.is_none(), "index {index} twice");
        Some(())
    }

    pub fn all_in(&self, ledger: &Ledger, round: u64) {
        let entries = ledger.entries(0..ledger.size()).unwrap();
        for (index, told) in &self.leaves {
            let entry = entries
                .get(usize::try_from(*index).unwrap())
                .unwrap_or_else(|| panic!("round {round}: entry {index} is lost"));
            assert_eq!(hex(&leaf_hash(entry)), told.hash, "round {round}, {index}");
        }
        // Side files hold 256 entries each: the last of each tells of the whole.
        for (index, told) in self.leaves.iter().filter(|(index, _)| *index % 128 == 127) {
            let right = side_of(&told.source, told.seq);
            assert_eq!(
                ledger.side(*index).unwrap(),
                right,
                "round {round}, {index}"
            );
        }
        let numbered = (1..).zip(&entries).all(|(number, entry)| {
            entry.starts_with(format!("{{\"app\":\"app\",\"sequence\":{number},").as_bytes())
        });
        assert!(numbered, "round {round}: a number is doubled or left out");
        assert_eq!(ledger.sequence("app"), ledger.size());
        for (source, seq) in &self.sources {
            assert!(ledger.highest(source) >= *seq, "round {round}, {source}");
        }
        // Also of a thread that was killed before it said anything.
        let threads = (0..4).map(|thread| ledger.highest(&format!("thread {thread}")));
        let handed_over: u64 = threads.sum();
        assert_eq!(
            handed_over,
            ledger.size(),
            "round {round}: every number stands for one entry"
        );
    }
}

/// Starts a process that appends to the ledger in `folder` until it is killed.
pub fn writer(folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "killing::append_until_killed",
            "--ignored",
            "--nocapture",
        ])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn run_and_kill(folder: &Path, lines: u64, acknowledged: &mut Acknowledged) {
    let mut child = writer(folder);
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut seen = 0;
    while seen < lines {
        let line = output.next().unwrap().unwrap();
        seen += u64::from(acknowledged.take(&line).is_some());
    }
    child.kill().unwrap(); // SIGKILL
    for line in output.map_while(Result::ok) {
        acknowledged.take(&line); // acknowledged before the kill, read after it
    }
    child.wait().unwrap();
}

fn hex(hash: &Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Rounds on one folder, after which the next begins: the soak would otherwise read more and more.
const ROUNDS_ON_A_FOLDER: u64 = 20;

// R8 R124
#[test]
fn kill_9_under_load_loses_nothing_doubles_nothing_and_the_folder_verifies_as_it_lies() {
    let outside = outside_verifier();
    let rounds = slice("kills", 0..ROUNDS_ON_A_FOLDER);
    let count = rounds.end - rounds.start;
    let mut folder = tempfile::tempdir().unwrap();
    let mut acknowledged = Acknowledged::default();
    for round in rounds {
        if round % ROUNDS_ON_A_FOLDER == 0 {
            folder = tempfile::tempdir().unwrap();
            acknowledged = Acknowledged::default();
        }
        run_and_kill(folder.path(), 40 + round * 97 % 900, &mut acknowledged);
        let mut read = |name: &str| std::fs::read(folder.path().join(name));
        verify::log(&mut read, &signer().verifier(), None).unwrap();
        if let Some(outside) = &outside {
            outside.accepts(folder.path(), &signer().vkey()).unwrap();
        }
        acknowledged.all_in(&open(folder.path()), round);
    }
    counted("kills", count);
}
