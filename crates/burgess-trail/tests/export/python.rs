//! A Python with somebody else's validators, fed line by line.
#![expect(
    clippy::disallowed_methods,
    reason = "tests find the outside validators by the environment"
)]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// A Python that has these packages, or none and the reason said aloud.
pub fn with(packages: &str) -> Option<String> {
    let python = std::env::var("BURGESS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let import = format!("import {packages}");
    let found = Command::new(&python).args(["-c", &import]).output();
    if found.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    let reason = format!("no Python with `{packages}`, set BURGESS_PYTHON");
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{reason}");
    println!("SKIPPED {reason}");
    None
}

/// Runs a script of `tests/python` over what `feed` writes.
pub fn run(
    python: &str,
    script: &str,
    feed: impl FnOnce(&mut dyn std::io::Write) + Send,
) -> Result<serde_json::Value, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/python");
    let mut child = Command::new(python)
        .arg(folder.join(script))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = std::io::BufWriter::new(child.stdin.take().unwrap());
    let output = std::thread::scope(|scope| {
        scope.spawn(move || {
            feed(&mut pipe);
            // A validator that found enough does not read to the end.
            drop(pipe.flush());
        });
        child.wait_with_output().unwrap()
    });
    if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}
