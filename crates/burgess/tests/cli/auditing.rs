//! What an auditor takes from a server and checks on a machine of their own, for people and for
//! programs.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use burgess_ledger::proof::TlogProof;
use burgess_ledger::{Draft, Ledger, NoteSigner, NoteVerifier, Options, Piece};
use serde_json::{Value, json};

use crate::calling::{code, parsed, said};
use crate::remote::Demo;

const ORIGIN: &str = "acme.example/main";

fn signer() -> NoteSigner {
    NoteSigner::from_seed(ORIGIN, [7; 32]).unwrap()
}

/// A shard of 300 entries, of which the first 256 were pruned if so wanted.
fn shard(folder: &Path, pruned: bool) {
    let options = Options {
        checkpoint_interval: Duration::from_secs(3_600),
        ..Options::default()
    };
    let ledger = Ledger::open(folder, ORIGIN, signer(), options).unwrap();
    let draft = |number: u32| Draft {
        source: "test".to_owned(),
        source_seq: None,
        stream: "app".to_owned(),
        template: vec![
            Piece::Bytes(format!("{{\"n\":{number},\"sequence\":").into_bytes()),
            Piece::Sequence,
            Piece::Bytes(b",\"source_seq\":".to_vec()),
            Piece::SourceSeq,
            Piece::Bytes(b"}".to_vec()),
        ],
        side: Vec::new(),
    };
    let drafts = (0..300).map(draft).collect();
    ledger.append_all_blocking(drafts).unwrap();
    ledger.publish_blocking().unwrap();
    if pruned {
        ledger.prune(256, "sha256:0123").unwrap();
    }
}

fn verify(dir: &Path, more: &[&str]) -> Output {
    let key = signer().verifier().to_string();
    Command::new(env!("CARGO_BIN_EXE_burgess"))
        .args(["audit", "verify", dir.to_str().unwrap(), "--key", &key])
        .args(more)
        .output()
        .unwrap()
}

// R206
#[test]
fn of_a_pruned_shard_the_verifier_says_from_which_entry_on_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, pruned) = (folder.path().join("whole"), folder.path().join("pruned"));
    shard(&whole, false);
    shard(&pruned, true);
    let good = verify(&whole, &[]);
    assert_eq!(code(&good), 0, "{}", said(&good));
    assert!(said(&good).contains("every entry and every hash"));
    let left = verify(&pruned, &[]);
    assert_eq!(code(&left), 0, "{}", said(&left));
    let text = said(&left);
    assert!(text.contains("every entry from 256 on"), "{text}");
    assert!(!text.contains("every entry and"), "{text}");
    let told = parsed(&verify(&pruned, &["--format", "json"]));
    assert_eq!(
        (&told["verdict"], &told["minimum_index"], &told["size"]),
        (&json!("holds"), &json!(256), &json!(300))
    );
    assert_eq!(told["origin"], ORIGIN);
    assert_eq!(told["witnessed"], false);
    assert!(told["root"].is_string() && told["file"].is_null() && told["index"].is_null());
}

#[test]
fn a_folder_that_is_no_shard_is_called_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("ledger");
    shard(&ledger.join("main"), false);
    shard(&ledger.join("main-2"), false);
    let set = verify(&ledger, &[]);
    let text = said(&set);
    assert_eq!(code(&set), 2, "{text}");
    for word in ["the folder of the shards", "ledger/main-2", "ledger/main"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let none = verify(&empty, &[]);
    assert_eq!(code(&none), 2);
    assert!(
        said(&none).contains("holds no file `checkpoint`"),
        "{}",
        said(&none)
    );
    // A shard whose checkpoint was taken away is a finding, not a wrong call.
    let shard = ledger.join("main");
    std::fs::remove_file(shard.join("checkpoint")).unwrap();
    let cut = verify(&shard, &["--format", "json"]);
    assert_eq!(code(&cut), 1, "{}", said(&cut));
    let told = parsed(&cut);
    assert_eq!(
        (&told["verdict"], &told["file"]),
        (&json!("does_not_hold"), &json!("checkpoint"))
    );
    let bundle = ledger.join("main-2/tile/entries/000");
    let mut bytes = std::fs::read(&bundle).unwrap();
    bytes[20] ^= 1;
    std::fs::write(&bundle, bytes).unwrap();
    let changed = verify(&ledger.join("main-2"), &["--format", "json"]);
    assert_eq!(code(&changed), 1);
    let told = parsed(&changed);
    assert!(told["index"].is_u64() && told["what"].is_string(), "{told}");
    assert!(
        told["file"].as_str().unwrap().starts_with("tile/"),
        "{told}"
    );
}

#[test]
fn what_is_downloaded_is_told_to_programs_and_verifies() {
    let demo = Demo::start();
    demo.login("ana");
    let run = |arguments: &[&str]| demo.run("ana", arguments);
    let page = parsed(&run(&[
        "audit", "search", "--class", "pii", "--format", "json",
    ]));
    let event = page["items"][0]["event"]["event_id"].as_str().unwrap();
    let mut files = Vec::new();
    for form in ["tlog-proof", "entry", "receipt"] {
        let wrote = run(&["audit", "proof", event, "--as", form, "--format", "json"]);
        assert_eq!(code(&wrote), 0, "{}", said(&wrote));
        let told = parsed(&wrote);
        assert_eq!(told["as"], form);
        let name = told["file"].as_str().unwrap();
        assert!(name.starts_with(event), "{name}");
        let bytes = std::fs::read(demo.folder().join(name)).unwrap();
        assert_eq!(told["bytes"], json!(bytes.len()));
        files.push(bytes);
    }
    let key = NoteVerifier::parse(demo.key()).unwrap();
    let proof = TlogProof::parse(std::str::from_utf8(&files[0]).unwrap()).unwrap();
    proof.verify(&files[1], &key).unwrap();
    burgess_ledger::receipt::verify(&files[2], &key).unwrap();
    let text = run(&[
        "audit",
        "proof",
        event,
        "--as",
        "entry",
        "--out",
        "the-entry",
    ]);
    assert!(
        said(&text).contains("--entry the-entry --key VKEY"),
        "{}",
        said(&text)
    );
    assert_eq!(code(&run(&["audit", "proof", event, "--as", "pdf"])), 2);

    let wrote = run(&[
        "audit", "export", "--as", "ocsf", "--out", "o", "--format", "json",
    ]);
    assert_eq!(code(&wrote), 0, "{}", said(&wrote));
    let size = std::fs::metadata(demo.folder().join("o")).unwrap().len();
    assert_eq!(parsed(&wrote), json!({ "file": "o", "bytes": size }));
    let nowhere = run(&["audit", "export", "--format", "json"]);
    assert!(code(&nowhere) == 2 && said(&nowhere).contains("--out FILE"));
    let help = said(&run(&["audit", "export", "--help"]));
    for form in ["csv", "jsonl", "ocsf", "syslog", "case"] {
        assert!(help.contains(&format!("- {form}")), "{form}: {help}");
    }
}

// R127
#[test]
fn an_incident_is_told_on_the_command_line_to_people_and_programs() {
    let demo = Demo::start();
    demo.login("ana");
    demo.login("dana");
    let page = parsed(&demo.run(
        "ana",
        &["audit", "search", "--class", "pii", "--format", "json"],
    ));
    let event = page["items"][0]["event"]["event_id"].as_str().unwrap();
    let call = [
        "audit", "incident", event, "--around", "15", "--format", "json",
    ];
    let told: Value = parsed(&demo.run("ana", &call));
    assert_eq!(told["event"]["event"]["event_id"], json!(event));
    assert_eq!(told["around_minutes"], 15);
    let owner = told["app"]["owner"].as_str().unwrap();
    let text = said(&demo.run("ana", &["audit", "incident", event]));
    for word in [event, owner, "approval", "The same app, near in time"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let no = demo.run("dana", &["audit", "incident", event]);
    assert!(
        code(&no) == 1 && said(&no).contains("POLICY_"),
        "{}",
        said(&no)
    );
}

// R206
#[test]
fn placing_and_releasing_a_hold_is_told_to_programs() {
    let demo = Demo::start();
    demo.login("ana");
    let json = ["--format", "json"];
    let place = ["hold", "place", "shard", "main", "--reason", "case 7"];
    let placed = parsed(&demo.run("ana", &[&place[..], &json].concat()));
    let hold = placed["id"].as_str().unwrap();
    let release = ["hold", "release", hold, "--reason", "closed"];
    let released = parsed(&demo.run("ana", &[&release[..], &json].concat()));
    assert_eq!(released, json!({ "id": hold, "released": true }));
}
