//! What several test files need: a key, drafts, and the outside verifier.
#![expect(
    clippy::disallowed_methods,
    reason = "tests find the outside verifier by the environment"
)]

use burgess_ledger::{Draft, Ledger, NoteSigner, Options, Piece};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub const ORIGIN: &str = "burgess.example/ledger/test";

pub fn signer() -> NoteSigner {
    NoteSigner::from_seed(ORIGIN, [7; 32]).unwrap()
}

/// Small segments, and checkpoints only when a test asks for one.
pub fn options() -> Options {
    Options {
        checkpoint_interval: Duration::from_secs(3600),
        segment_bytes: 1 << 20,
        ..Options::default()
    }
}

pub fn open(folder: &Path) -> Ledger {
    Ledger::open(folder, ORIGIN, signer(), options()).unwrap()
}

pub fn draft(source: &str, source_seq: Option<u64>, stream: &str) -> Draft {
    Draft {
        source: source.to_owned(),
        source_seq,
        stream: stream.to_owned(),
        template: vec![
            Piece::Bytes(format!("{{\"app\":\"{stream}\",\"sequence\":").into_bytes()),
            Piece::Sequence,
            Piece::Bytes(b",\"source_seq\":".to_vec()),
            Piece::SourceSeq,
            Piece::Bytes(b"}".to_vec()),
        ],
        side: format!("side of {stream}").into_bytes(),
    }
}

/// The part of a long test that this run does: `cargo xtask soak` sets `BURGESS_SOAK_<WHAT>` to
/// `from..to`; the short form stands in the test.
pub fn slice(what: &str, short: Range<u64>) -> Range<u64> {
    let Ok(text) = std::env::var(format!("BURGESS_SOAK_{}", what.to_uppercase())) else {
        return short;
    };
    let (from, to) = text.split_once("..").expect("from..to");
    from.parse().expect("a number")..to.parse().expect("a number")
}

/// A program and the right to run it, for tests that only run where root is at hand.
pub fn as_root(programs: &[&str]) -> bool {
    let root = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0;
    let there = |program: &&str| Command::new(program).arg("-V").output().is_ok();
    let ready = root && programs.iter().all(|program| there(program));
    if !ready {
        println!("SKIPPED it takes root and {}", programs.join(", "));
    }
    ready
}

/// Tells the soak what has been done; it adds up what it reads.
pub fn counted(what: &str, count: u64) {
    println!("COUNTED {what} {count}");
}

/// Compares with the golden table `name`, or writes it when `BURGESS_UPDATE_GOLDEN` is set.
pub fn golden(name: &str, text: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    if std::env::var_os("BURGESS_UPDATE_GOLDEN").is_some() {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let expected = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
    assert_eq!(text, expected, "tests/golden/{name}");
}

/// Appends `count` entries in batches and publishes.
pub fn fill(ledger: &Ledger, count: u64) {
    let mut left = count;
    while left > 0 {
        let batch = left.min(400);
        let drafts = (0..batch).map(|_| draft("outbox", None, "app")).collect();
        ledger.append_all_blocking(drafts).unwrap();
        left -= batch;
    }
    ledger.publish_blocking().unwrap();
}

/// A Python in which this statement runs: `BURGESS_PYTHON`, or `python3`. Without one the caller
/// skips, loudly; under `CI=true` it fails.
pub fn python_with(statement: &str) -> Option<String> {
    let python = std::env::var("BURGESS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let tried = Command::new(&python).args(["-c", statement]).output();
    if tried.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    let reason = format!("no Python in which `{statement}` runs, set BURGESS_PYTHON");
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{reason}");
    println!("SKIPPED {reason}");
    None
}

/// A Python that can run the outside verifier: `BURGESS_PYTHON`, or `python3` if it has the package
/// `cryptography`. Without one the caller skips, loudly; under `CI=true` it fails.
pub fn outside_verifier() -> Option<OutsideVerifier> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/tools/tlog_verify.py");
    let python = std::env::var("BURGESS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let usable = Command::new(&python)
        .args(["-c", "import cryptography"])
        .output();
    let reason = if !script.is_file() {
        "the outside verifier is not beside the project"
    } else if !usable.is_ok_and(|output| output.status.success()) {
        "no Python with the package `cryptography`, set BURGESS_PYTHON"
    } else {
        return Some(OutsideVerifier { python, script });
    };
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{reason}");
    println!("SKIPPED {reason}");
    None
}

pub struct OutsideVerifier {
    python: String,
    script: PathBuf,
}

impl OutsideVerifier {
    pub fn accepts(&self, folder: &Path, vkey: &str) -> Result<String, String> {
        let output = Command::new(&self.python)
            .arg(&self.script)
            .arg(folder)
            .arg(vkey)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            Ok(said)
        } else {
            Err(complaint)
        }
    }
}
