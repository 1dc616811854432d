//! A real `burgess witness` on a folder of its own.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use burgess_ledger::{KeyKind, NoteVerifier};
use tempfile::TempDir;

/// A witness, running or not.
pub struct Watcher {
    folder: TempDir,
    child: Option<Child>,
    pub address: SocketAddr,
    pub keys: Vec<NoteVerifier>,
}

/// The command that starts a witness on this folder.
pub fn command(folder: &Path, log: &str, listen: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_burgess"));
    command.args(["witness", "--listen", listen, "--log", log, "--state"]);
    command.arg(folder);
    command
}

impl Watcher {
    /// A new witness of this ledger, on a free port.
    pub fn start(log: &str) -> Self {
        let mut watcher = Self {
            folder: tempfile::tempdir().unwrap(),
            child: None,
            address: "127.0.0.1:0".parse().unwrap(),
            keys: Vec::new(),
        };
        watcher.again(log);
        watcher
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Starts it again, at the same address and with the same keys.
    pub fn again(&mut self, log: &str) {
        let mut child = command(&self.state(), log, &self.address.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut next = || lines.next().expect("the witness said too little").unwrap();
        let address = loop {
            if let Some(address) = next().trim().strip_prefix("address") {
                break address
                    .trim()
                    .strip_prefix("http://")
                    .unwrap()
                    .parse()
                    .unwrap();
            }
        };
        let mut keys = Vec::new();
        while keys.len() < 2 {
            if let ["witness", _, key, url] = next().split(' ').collect::<Vec<_>>().as_slice() {
                assert_eq!(*url, format!("http://{address}"));
                keys.push(NoteVerifier::parse(key).unwrap());
            }
        }
        if self.child.replace(child).is_some() {
            assert_eq!((address, &keys), (self.address, &self.keys));
        }
        (self.address, self.keys) = (address, keys);
        std::thread::spawn(move || lines.for_each(drop));
    }

    /// Its line in a policy, with the key of this kind.
    pub fn line(&self, name: &str, kind: KeyKind) -> String {
        let key = self.keys.iter().find(|key| key.kind() == kind).unwrap();
        format!("witness {name} {key} http://{}\n", self.address)
    }

    /// Ends it with SIGKILL, which no program can answer.
    pub fn kill(&mut self) {
        let child = self.child.as_mut().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Asks it to stop, and waits until it has.
    pub fn stop(&mut self) {
        let child = self.child.as_mut().unwrap();
        let asked = Command::new("kill")
            .args(["-TERM", &child.id().to_string()])
            .status();
        assert!(asked.unwrap().success());
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(20) {
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success(), "{status}");
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the witness did not stop within 20 s");
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // A test that failed must not leave its witness behind; one that ended already is gone.
            let _gone = child.kill();
            let _reaped = child.wait();
        }
    }
}

/// Runs a witness that must refuse to start, and answers what it said.
pub fn refuses(mut command: Command) -> String {
    let Output { status, stderr, .. } = command.output().unwrap();
    assert_eq!(status.code(), Some(2));
    String::from_utf8(stderr).unwrap()
}
