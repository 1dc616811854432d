//! The verbs against a server, on a real one: the demo's seeded organisation on a
//! throwaway folder, each person with a session of their own.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::calling::{code, example, parsed, said};

/// A running demo; it ends with the test.
pub struct Demo {
    child: Child,
    folder: tempfile::TempDir,
    links: Vec<(String, String)>,
    key: String,
}

impl Drop for Demo {
    fn drop(&mut self) {
        // A demo that is gone already needs no end.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Demo {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_burgess"))
            .args([
                "demo",
                "--listen",
                "127.0.0.1:0",
                "--gateway",
                "127.0.0.1:0",
                "--data",
            ])
            .arg(folder.path().join("data"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut demo_lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (mut links, mut key) = (Vec::new(), String::new());
        for line in demo_lines.by_ref() {
            let line = line.unwrap();
            if let [_, person, link] = line.split_whitespace().collect::<Vec<_>>().as_slice()
                && link.contains("/sign-in/")
            {
                links.push(((*person).to_owned(), (*link).to_owned()));
            }
            if let Some((_, rest)) = line.split_once("--key '") {
                key = rest.split('\'').next().unwrap().to_owned();
            }
            if line.starts_with("Press Ctrl-C") {
                break;
            }
        }
        // What it prints later must not block it.
        std::thread::spawn(move || demo_lines.for_each(drop));
        assert!(
            links.len() >= 6 && !key.is_empty(),
            "the demo printed {links:?} and `{key}`"
        );
        Self {
            child,
            folder,
            links,
            key,
        }
    }

    fn config(&self, person: &str) -> PathBuf {
        self.folder.path().join("people").join(person)
    }

    /// Where its people call from.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The verifier key that it printed.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Calls the binary as this person.
    pub fn run(&self, person: &str, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_burgess"))
            .args(arguments)
            .env("XDG_CONFIG_HOME", self.config(person))
            .current_dir(self.folder.path())
            .output()
            .unwrap()
    }

    pub fn login(&self, person: &str) {
        let (_, link) = self
            .links
            .iter()
            .find(|(email, _)| email.split('@').next() == Some(person))
            .unwrap();
        let output = self.run(person, &["login", link]);
        assert_eq!(code(&output), 0, "{}", said(&output));
        assert!(
            said(&output).contains(&format!("{person}@example.com")),
            "{}",
            said(&output)
        );
    }

    fn ledger(&self) -> PathBuf {
        self.folder.path().join("data/ledger/main")
    }
}

/// The example's charter under another name, so that it is a new app.
fn charter(folder: &Path) -> String {
    let text = std::fs::read_to_string(example("sales-quoting/charter.toml")).unwrap();
    let path = folder.join("charter.toml");
    std::fs::write(
        &path,
        text.replace("microapp-sales-quoting", "microapp-second-quoting")
            .replace("Sales quoting", "Second quoting"),
    )
    .unwrap();
    path.to_str().unwrap().to_owned()
}

/// Hands the second quoting app in; answers the request.
fn hand_in(demo: &Demo) -> Value {
    let charter = charter(demo.folder.path());
    let artifact = example("sales-quoting/workflow.json");
    let readme = example("sales-quoting/README.md");
    let output = demo.run(
        "dana",
        &[
            "request",
            "--charter",
            &charter,
            "--artifact",
            &artifact,
            "--readme",
            &readme,
            "--format",
            "json",
        ],
    );
    assert_eq!(code(&output), 0, "{}", said(&output));
    parsed(&output)
}

fn no(output: &Output, says: &[&str]) {
    assert_eq!(code(output), 1, "{}", said(output));
    for word in says {
        assert!(
            said(output).contains(word),
            "`{word}` is not in {}",
            said(output)
        );
    }
}

// R1 R28 R29
#[test]
fn an_app_goes_from_request_to_retirement_by_the_command_line_and_every_no_says_why() {
    let demo = Demo::start();
    for person in ["dana", "olu", "priya", "sam", "ana"] {
        demo.login(person);
    }
    let request = hand_in(&demo);
    let (id, app) = (
        request["id"].as_str().unwrap(),
        request["app"].as_str().unwrap(),
    );
    assert!(
        request["score"]["score"]
            .as_u64()
            .is_some_and(|score| score > 50),
        "{request}"
    );
    no(
        &demo.run("sam", &["deploy", app, "--to", "production"]),
        &["no-approval-no-deployment"],
    );
    no(
        &demo.run("dana", &["approve", id]),
        &["nobody-decides-their-own"],
    );
    let reviewed = demo.run("priya", &["approve", id, "--comment", "looked at it"]);
    assert!(
        code(&reviewed) == 0 && said(&reviewed).contains("waits for  sponsor"),
        "{}",
        said(&reviewed)
    );
    no(
        &demo.run("sam", &["deploy", app, "--to", "production"]),
        &["sponsor-decision"],
    );
    let decided = demo.run("olu", &["approve", id]);
    assert!(
        code(&decided) == 0 && said(&decided).contains("approved"),
        "{}",
        said(&decided)
    );
    no(&demo.run("olu", &["approve", id]), &["waits for nobody"]);
    let live = demo.run("dana", &["deploy", app, "--to", "sandbox"]);
    assert_eq!(code(&live), 0, "{}", said(&live));
    no(
        &demo.run("sam", &["deploy", app, "--to", "production"]),
        &["tests", "TC-1", "environment-order"],
    );
    no(
        &demo.run("sam", &["rollback", app, "--environment", "sandbox"]),
        &["CONFLICT"],
    );
    let status = parsed(&demo.run("dana", &["status", app, "--format", "json"]));
    assert_eq!(status["app"]["state"], "sandbox");
    let retired = demo.run("olu", &["retire", app, "--lessons", "The form was enough."]);
    assert_eq!(code(&retired), 0, "{}", said(&retired));
    let blocked = parsed(&demo.run(
        "ana",
        &[
            "audit",
            "search",
            "--app",
            app,
            "--outcome",
            "blocked",
            "--format",
            "json",
        ],
    ));
    assert!(
        !blocked["items"].as_array().unwrap().is_empty(),
        "the refused promotions are in the trail"
    );
    assert!(said(&demo.run("dana", &["status"])).contains("microapp-second-quoting"));
}

#[test]
fn the_trail_is_searched_exported_proved_and_verified_and_a_changed_byte_is_found() {
    let mut demo = Demo::start();
    demo.login("ana");
    demo.login("dana");
    no(&demo.run("dana", &["audit", "search"]), &["POLICY_"]);
    let page = parsed(&demo.run("ana", &["audit", "search", "--format", "json"]));
    let event = page["items"][0]["event"]["event_id"].as_str().unwrap();
    let proof = demo.run("ana", &["audit", "proof", event]);
    assert_eq!(code(&proof), 0, "{}", said(&proof));
    let receipt: Value = serde_json::from_slice(
        &std::fs::read(demo.folder.path().join(format!("{event}.receipt.json"))).unwrap(),
    )
    .unwrap();
    assert!(receipt.is_object());
    let search = |more: &[&str]| {
        let all = [
            &["audit", "search", "--limit", "2", "--format", "json"],
            more,
        ]
        .concat();
        parsed(&demo.run("ana", &all))
    };
    let first = search(&["--class", "pii"]);
    let next = first["next"].as_str().unwrap();
    let second = search(&["--class", "pii", "--after", next]);
    let index = |page: &Value, row: usize| page["items"][row]["index"].as_u64().unwrap();
    assert!(index(&second, 0) < index(&first, 1));
    assert_eq!(first["items"][0]["event"]["data_classification"], "pii");
    let case = demo.folder.path().join("case.json");
    let out = case.to_str().unwrap();
    let export = |more: &[&str]| {
        let all = [&["audit", "export", "--as", "case", "--out", out], more].concat();
        demo.run("ana", &all)
    };
    assert_eq!(code(&export(&[])), 2, "without a reason");
    assert!(!case.exists(), "nothing that looks like a case is left");
    let made = export(&["--class", "pii", "--reason", "we look into it"]);
    assert_eq!(code(&made), 0, "{}", said(&made));
    let text = std::fs::read_to_string(&case).unwrap();
    let key = burgess_ledger::NoteVerifier::parse(&demo.key).unwrap();
    let trust = burgess_ledger::Trust::new(vec![key], None).unwrap();
    let pack = burgess_ledger::pack::verify(text.as_bytes(), &trust).unwrap();
    assert!(pack.events > 5, "{} events", pack.events);
    let csv = demo.run("ana", &["audit", "export", "--as", "csv"]);
    let rows = String::from_utf8_lossy(&csv.stdout).lines().count();
    assert!(code(&csv) == 0 && rows > 20, "{rows} rows");
    assert_eq!(
        code(&demo.run("ana", &["audit", "export", "--as", "xml"])),
        2
    );

    let (ledger, copy) = (demo.ledger(), demo.folder.path().join("copy"));
    let dir = ledger.to_str().unwrap();
    let good = demo.run("ana", &["audit", "verify", dir, "--key", &demo.key]);
    assert!(
        code(&good) == 0
            && said(&good).contains("the ledger holds")
            && said(&good).contains("not witnessed"),
        "{}",
        said(&good)
    );
    let inside = demo.run(
        "ana",
        &[
            "audit",
            "verify",
            dir,
            "--key",
            ledger.join("vkey").to_str().unwrap(),
        ],
    );
    assert!(
        code(&inside) == 2 && said(&inside).contains("proves nothing"),
        "{}",
        said(&inside)
    );
    // A copy of a living folder may miss what the checkpoint, copied last, already names.
    demo.child.kill().unwrap();
    demo.child.wait().unwrap();
    assert!(
        Command::new("cp")
            .arg("-r")
            .arg(&ledger)
            .arg(&copy)
            .status()
            .unwrap()
            .success()
    );
    let bundle = newest_bundle(&copy);
    let mut bytes = std::fs::read(&bundle).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    std::fs::write(&bundle, bytes).unwrap();
    no(
        &demo.run(
            "ana",
            &[
                "audit",
                "verify",
                copy.to_str().unwrap(),
                "--key",
                &demo.key,
            ],
        ),
        &["does not hold", "tile/entries"],
    );
}

/// The bundle with the newest entries that the checkpoint signs (C2SP tlog-tiles): others
/// may be left from before, or be written already.
fn newest_bundle(ledger: &Path) -> PathBuf {
    let checkpoint = std::fs::read_to_string(ledger.join("checkpoint")).unwrap();
    let size: u64 = checkpoint.lines().nth(1).unwrap().parse().unwrap();
    let (tile, width) = ((size - 1) / 256, size % 256);
    let partial = if width == 0 {
        String::new()
    } else {
        format!(".p/{width}")
    };
    ledger.join(format!("tile/entries/{tile:03}{partial}"))
}

#[test]
fn without_a_session_and_for_what_is_not_there_the_call_is_wrong() {
    let demo = Demo::start();
    let unknown = demo.run("nobody", &["status"]);
    assert!(
        code(&unknown) == 2 && said(&unknown).contains("burgess login"),
        "{}",
        said(&unknown)
    );
    demo.login("dana");
    let (_, used) = &demo.links[0];
    no(&demo.run("dana", &["login", used]), &["SIGN_IN_LINK"]);
    for call in [
        vec!["status", "microapp-nowhere"],
        vec!["status", "../me"],
        vec!["deploy", "microapp-sales-quoting", "--to", "moon"],
        vec!["approve", "req_nowhere"],
        vec!["request", "--charter", "/nowhere"],
    ] {
        assert_eq!(code(&demo.run("dana", &call)), 2, "{call:?}");
    }
    let session = demo.config("dana").join("burgess/session.json");
    let mut kept: Value = serde_json::from_slice(&std::fs::read(&session).unwrap()).unwrap();
    kept["session"] = "not-a-session".into();
    std::fs::write(&session, kept.to_string()).unwrap();
    let stale = demo.run("dana", &["status"]);
    assert!(
        code(&stale) == 2 && said(&stale).contains("does not know this session"),
        "{}",
        said(&stale)
    );
    std::fs::write(&session, r#"{"server":"http://127.0.0.1:1","session":"x"}"#).unwrap();
    let down = demo.run("dana", &["status"]);
    assert!(
        code(&down) == 2 && said(&down).contains("does not answer"),
        "{}",
        said(&down)
    );
}
