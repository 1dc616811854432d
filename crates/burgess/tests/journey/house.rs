//! The real binary on a folder of its own: configured, started, asked, stopped, killed.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use burgess_ledger::{NoteVerifier, SignedCheckpoint, verify};
use tempfile::TempDir;

/// Where one server lives.
pub struct House {
    pub folder: TempDir,
}

/// A running server.
pub struct Running {
    child: Child,
    pub console: SocketAddr,
    pub gateway: SocketAddr,
    pub vkey: String,
}

impl House {
    /// A folder with a key-encryption key and a configuration whose connector `crm` is at `crm`.
    pub fn build(crm: SocketAddr, more: &str) -> Self {
        let house = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let made = house
            .command("keygen")
            .arg(house.path("kek"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", said(&made));
        house.configure(crm, more);
        house
    }

    /// Writes `burgess.toml`.
    pub fn configure(&self, crm: SocketAddr, more: &str) {
        let mut text = format!("organisation = \"acme\"\n{more}\n");
        for environment in ["sandbox", "staging", "production"] {
            text.push_str(&format!("[[connector]]\nid = \"crm\"\nenvironment = \"{environment}\"\nbase_url = \"http://{crm}\"\n"));
        }
        std::fs::write(self.path("burgess.toml"), text).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn ledger(&self) -> PathBuf {
        self.path("data").join("ledger").join("main")
    }

    pub fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_burgess"));
        command.arg(verb).current_dir(self.folder.path());
        command
    }

    /// A verb with the place of this server.
    pub fn verb(&self, verb: &str) -> Command {
        let mut command = self.command(verb);
        command.args([
            "--config",
            "burgess.toml",
            "--data",
            "data",
            "--kek-file",
            "kek",
        ]);
        command
    }

    /// Starts the server on free ports.
    pub fn start(&self) -> Running {
        self.start_at("127.0.0.1:0", "127.0.0.1:0")
    }

    /// Starts the server on these addresses.
    pub fn start_at(&self, console: &str, gateway: &str) -> Running {
        let trace = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.path("trace"))
            .unwrap();
        let mut child = self
            .verb("up")
            .args(["--listen", console, "--gateway", gateway])
            .stdout(Stdio::piped())
            .stderr(trace)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut value = |name: &str| -> String {
            for line in lines.by_ref() {
                let line = line.unwrap();
                if let Some(rest) = line.trim().strip_prefix(name) {
                    return rest.trim().to_owned();
                }
            }
            panic!(
                "the server said no `{name}`: {}",
                std::fs::read_to_string(self.path("trace")).unwrap()
            );
        };
        let address = |text: String| text.strip_prefix("http://").unwrap().parse().unwrap();
        let console = address(value("console"));
        let gateway = address(value("gateway"));
        let vkey = value("ledger");
        // What the server says later must find a reader, or its last words fail.
        std::thread::spawn(move || lines.for_each(drop));
        Running {
            child,
            console,
            gateway,
            vkey,
        }
    }

    /// A one-time link for somebody.
    pub fn invite(&self, email: &str, role: &str) -> String {
        let made = self
            .verb("invite")
            .args([email, "--role", role])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", said(&made));
        let line = String::from_utf8(made.stdout).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[..2], [role, email]);
        words[2].to_owned()
    }

    /// Stores a connector's secret, over standard input.
    pub fn secret(&self, connector: &str, environment: &str, secret: &str) {
        let mut child = self
            .verb("secret")
            .args([connector, "--environment", environment])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(secret.as_bytes())
            .unwrap();
        assert!(child.wait().unwrap().success());
    }

    /// Verifies the ledger's folder with our verifier and with the outside one; answers its size.
    pub fn verify_ledger(&self, vkey: &str) -> u64 {
        let folder = self.ledger();
        let verifier = NoteVerifier::parse(vkey).unwrap();
        let mut read = |name: &str| std::fs::read(folder.join(name));
        let signed: SignedCheckpoint =
            verify::log(&mut read, &verifier, None).unwrap_or_else(|flaw| panic!("{flaw:?}"));
        outside_verifier_accepts(&folder, vkey);
        signed.checkpoint.size
    }
}

/// Asks the auditor's own tool, where there is a Python for it.
fn outside_verifier_accepts(folder: &Path, vkey: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/tools/tlog_verify.py");
    let python = std::env::var("BURGESS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let usable = Command::new(&python)
        .args(["-c", "import cryptography"])
        .output()
        .is_ok_and(|it| it.status.success());
    if !usable || !script.is_file() {
        skipped(
            "the outside verifier needs its script beside the project and BURGESS_PYTHON with `cryptography`",
        );
        return;
    }
    let answer = Command::new(python)
        .arg(script)
        .arg(folder)
        .arg(vkey)
        .output()
        .unwrap();
    assert!(answer.status.success(), "{}", said(&answer));
}

/// Says loudly that something was not tested; fails where everything must be.
pub fn skipped(reason: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{reason}");
    println!("SKIPPED {reason}");
}

/// Everything that a command said.
pub fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

impl Running {
    /// Asks it to stop, and waits until it has.
    pub fn stop(&mut self) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(20) {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "{status}");
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the server did not stop within 20 s");
    }

    /// Ends it with SIGKILL, which no program can answer.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test that failed must not leave its server behind; one that ended already is gone.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
