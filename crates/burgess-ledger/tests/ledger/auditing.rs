//! `burgess-verify` as an auditor runs it.

use crate::support::{ORIGIN, fill, open, signer};
use burgess_ledger::receipt::{PERSONAL_FIELDS, field_commitment, personal_commitment};
use burgess_ledger::{Draft, Piece, note};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// Exit status, standard output, standard error.
pub fn run(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_burgess-verify"))
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

// R8 R124
#[test]
fn a_ledger_that_holds_is_reported_with_size_and_root_and_that_nobody_witnessed_it() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    fill(&ledger, 300);
    let root = note::encode_base64(&ledger.checkpoint().checkpoint.root);
    let (status, out, complaint) = run(&["log", text(folder.path()), "--key", ledger.vkey()]);
    assert_eq!((status, complaint.as_str()), (0, ""));
    assert!(out.contains("size   300\n"), "{out}");
    assert!(out.contains(&format!("root   {root}\n")), "{out}");
    assert!(
        out.ends_with("not witnessed, the operator could rewrite history\n"),
        "{out}"
    );
    let key = format!("--key={}", ledger.vkey());
    let (status, out, _) = run(&["log", "--format", "json", text(folder.path()), &key]);
    let out: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (status, &out["ok"], &out["size"]),
        (0, &json!(true), &json!(300))
    );
    assert_eq!(
        (&out["root"], &out["witnessed"]),
        (&json!(root), &json!(false))
    );
}

// R124
#[test]
fn a_folder_without_a_checkpoint_is_told_so_and_a_missing_bundle_with_its_first_entry() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    fill(&ledger, 300);
    let said = || {
        let (status, _, complaint) = run(&["log", text(folder.path()), "--key", ledger.vkey()]);
        assert_eq!(status, 1);
        complaint
    };
    std::fs::remove_file(folder.path().join("tile/entries/001.p/44")).unwrap();
    assert_eq!(said(), "tile/entries/001.p/44 (entry 256): is missing\n");
    std::fs::remove_file(folder.path().join("checkpoint")).unwrap();
    assert_eq!(said(), "checkpoint: is missing\n");
}

// R124
#[test]
fn a_changed_byte_is_reported_with_file_and_index() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    fill(&ledger, 12);
    let bundle = folder.path().join("tile/entries/000.p/12");
    let mut bytes = std::fs::read(&bundle).unwrap();
    bytes[12] ^= 1;
    std::fs::write(&bundle, bytes).unwrap();
    let (status, out, complaint) = run(&["log", text(folder.path()), "--key", ledger.vkey()]);
    assert_eq!((status, out.as_str()), (1, ""));
    assert_eq!(
        complaint,
        "tile/entries/000.p/12: entry 0 differs from its leaf hash\n"
    );
    let arguments = [
        "log",
        text(folder.path()),
        "--key",
        ledger.vkey(),
        "--format",
        "json",
    ];
    let (status, out, _) = run(&arguments);
    let out: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (status, &out["ok"], &out["index"]),
        (1, &json!(false), &json!(0))
    );
    assert_eq!(out["file"], "tile/entries/000.p/12");
}

// R124
#[test]
fn an_older_checkpoint_shows_that_the_ledger_only_grew() {
    let (folder, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ledger = open(folder.path());
    fill(&ledger, 5);
    let old = kept.path().join("checkpoint");
    std::fs::copy(folder.path().join("checkpoint"), &old).unwrap();
    fill(&ledger, 5);
    let arguments = [
        "log",
        text(folder.path()),
        "--key",
        ledger.vkey(),
        "--old",
        text(&old),
    ];
    let (status, out, _) = run(&arguments);
    assert_eq!(status, 0);
    assert!(out.contains("it continues the older checkpoint\n"), "{out}");
    let other = tempfile::tempdir().unwrap();
    fill(&open(other.path()), 3);
    let arguments = [
        "log",
        text(other.path()),
        "--key",
        ledger.vkey(),
        "--old",
        text(&old),
    ];
    let (status, _, complaint) = run(&arguments);
    assert_eq!(status, 1);
    assert!(complaint.contains("the newest were cut off"), "{complaint}");
}

#[test]
fn a_key_from_inside_the_ledger_is_refused_and_one_from_a_file_elsewhere_is_taken() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fill(&open(folder.path()), 1);
    let inside = folder.path().join("vkey");
    let (status, _, complaint) = run(&["log", text(folder.path()), "--key", text(&inside)]);
    assert_eq!(status, 2);
    assert!(complaint.contains("which proves nothing"), "{complaint}");
    let outside = elsewhere.path().join("key");
    std::fs::copy(&inside, &outside).unwrap();
    let (status, _, complaint) = run(&["log", text(folder.path()), "--key", text(&outside)]);
    assert_eq!((status, complaint.as_str()), (0, ""));
}

#[test]
fn wrong_usage_says_what_is_wrong_and_ends_with_two() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, key) = (text(folder.path()), signer().vkey());
    for (arguments, complaint) in [
        (vec![], "what is to be checked?"),
        (vec!["peck"], "`peck` is not a command"),
        (vec!["log", folder], "`--key` is missing"),
        (
            vec!["log", "--key", &key],
            "the file or folder to check is missing",
        ),
        (
            vec!["log", folder, "--key", "nonsense"],
            "`nonsense` is neither a verifier key",
        ),
        (
            vec!["log", folder, "--key", "a+b"],
            "verifier key: is not of the form",
        ),
        (vec!["log", folder, "--key"], "`--key` needs a value"),
        (
            vec!["log", folder, "--policy", "x", "--policy", "x"],
            "--policy is given twice",
        ),
        (
            vec!["log", folder, "--policy", "/nowhere/at/all"],
            "`/nowhere/at/all`: ",
        ),
        (
            vec!["log", folder, "--key", &key, "--entry", "x"],
            "`--entry` is not an option here",
        ),
        (
            vec!["log", folder, "--key", &key, "--format", "xml"],
            "`xml` is not a format",
        ),
        (
            vec!["log", "/nowhere/at/all", "--key", &key],
            "`/nowhere/at/all` is not a folder",
        ),
        (
            vec!["proof", "/nowhere/at/all", "--key", &key],
            "`/nowhere/at/all`: ",
        ),
    ] {
        let (status, out, said) = run(&arguments);
        assert_eq!((status, out.as_str()), (2, ""), "{arguments:?}");
        assert!(said.starts_with(complaint), "{arguments:?}: {said}");
    }
    let (status, out, _) = run(&["--help"]);
    assert_eq!(status, 0);
    assert!(out.contains("Exit status"));
}

// R186
#[test]
fn a_proof_file_with_its_entry_verifies_offline() {
    let (folder, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ledger = open(folder.path());
    fill(&ledger, 300);
    let (proof, entry) = (kept.path().join("7.tlog-proof"), kept.path().join("7.json"));
    std::fs::write(&proof, ledger.tlog_proof(7).unwrap()).unwrap();
    std::fs::write(&entry, ledger.entry(7).unwrap()).unwrap();
    let arguments = [
        "proof",
        text(&proof),
        "--entry",
        text(&entry),
        "--key",
        ledger.vkey(),
    ];
    let (status, out, complaint) = run(&arguments);
    assert_eq!((status, complaint.as_str()), (0, ""));
    assert!(
        out.starts_with("the receipt holds: this is entry 7\n"),
        "{out}"
    );
    std::fs::write(&entry, ledger.entry(8).unwrap()).unwrap();
    let (status, _, complaint) = run(&arguments);
    assert_eq!(status, 1);
    assert!(complaint.contains("entry 7 is not in the log of 300 entries that was signed"));
    let (status, _, complaint) = run(&["proof", text(&proof), "--key", ledger.vkey()]);
    assert_eq!(status, 2);
    assert!(complaint.starts_with("`--entry` is missing"), "{complaint}");
}

pub const SALT: [u8; 32] = [5; 32];

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A ledger with one entry that commits to these personal values, and its receipt.
pub fn receipt(values: &[Value; 5]) -> (tempfile::TempDir, Value) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let mut commitments = [[0; 32]; 5];
    for ((name, value), commitment) in PERSONAL_FIELDS.iter().zip(values).zip(&mut commitments) {
        let canonical = serde_json_canonicalizer::to_vec(value).unwrap();
        *commitment = field_commitment(&SALT, name, &canonical);
    }
    let leaf = json!({"event_id": "evt_1", "personal": hex(&personal_commitment(&commitments))});
    let draft = Draft {
        source: "outbox".to_owned(),
        source_seq: None,
        stream: "app".to_owned(),
        template: vec![Piece::Bytes(
            serde_json_canonicalizer::to_vec(&leaf).unwrap(),
        )],
        side: Vec::new(),
    };
    ledger.append_blocking(draft).unwrap();
    ledger.publish_blocking().unwrap();
    let opened: Vec<Value> = PERSONAL_FIELDS
        .iter()
        .zip(values)
        .map(|(name, value)| json!({"name": name, "value": value, "salt": hex(&SALT)}))
        .collect();
    let receipt = json!({
        "schema": "burgess.receipt/1",
        "leaf": note::encode_base64(&ledger.entry(0).unwrap()),
        "proof": ledger.tlog_proof(0).unwrap(),
        "opened": opened,
        "hint": "burgess-verify proof FILE --key VKEY",
    });
    (folder, receipt)
}

pub fn values() -> [Value; 5] {
    [
        json!("dana@example.com"),
        Value::Null,
        json!({"method": "GET", "bytes": 1.0e3, "path": "/ü"}),
        json!("quote-7"),
        json!("curl/8"),
    ]
}

fn verify(receipt: &Value) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("evt_1.receipt.json");
    std::fs::write(&file, serde_json::to_vec_pretty(receipt).unwrap()).unwrap();
    run(&["proof", text(&file), "--key", &signer().vkey()])
}

// R8 R186
#[test]
fn a_receipt_opens_what_its_reader_may_see_and_keeps_the_rest_closed() {
    let (_folder, mut receipt) = receipt(&values());
    let (status, out, complaint) = verify(&receipt);
    assert_eq!((status, complaint.as_str()), (0, ""));
    assert!(out.contains("actor_id is \"dana@example.com\"\n"), "{out}");
    assert!(out.contains("ip_address is null\n"), "{out}");
    let closed = hex(&field_commitment(
        &SALT,
        "actor_id",
        b"\"dana@example.com\"",
    ));
    receipt["opened"][0] = json!({"name": "actor_id", "commitment": closed});
    let (status, out, complaint) = verify(&receipt);
    assert_eq!((status, complaint.as_str()), (0, ""));
    assert!(!out.contains("dana"), "{out}");
    receipt.as_object_mut().unwrap().remove("opened");
    assert_eq!(verify(&receipt).0, 0);
}

// R124 R186
#[test]
fn a_receipt_with_another_value_salt_order_leaf_or_proof_is_refused() {
    let (_folder, good) = receipt(&values());
    let not_committed = "the opened values are not those that entry 0 commits to";
    let changes: [(&str, Value, &str); 9] = [
        ("/opened/0/value", json!("eve@example.com"), not_committed),
        ("/opened/1/value", json!(""), not_committed),
        ("/opened/4/salt", json!(hex(&[6; 32])), not_committed),
        (
            "/opened/4/salt",
            json!("00"),
            "receipt: `user_agent` has no salt of at least 16 bytes",
        ),
        (
            "/opened/3/name",
            json!("actor_id"),
            "receipt: `resource_id` is not at its place",
        ),
        (
            "/opened",
            json!([]),
            "receipt: its `opened` does not list the five fields",
        ),
        (
            "/leaf",
            json!("e30="),
            "entry 0 is not in the log of 1 entries that was signed",
        ),
        (
            "/proof",
            json!("x"),
            "proof: has no blank line before the checkpoint",
        ),
        (
            "/schema",
            json!("burgess.receipt/2"),
            "receipt: its `schema` is not",
        ),
    ];
    for (pointer, value, complaint) in changes {
        let mut changed = good.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        let (status, _, said) = verify(&changed);
        assert_eq!(status, 1, "{pointer}");
        assert!(said.contains(complaint), "{pointer}: {said}");
    }
    let mut other = good.clone();
    let proof = other["proof"]
        .as_str()
        .unwrap()
        .replace(ORIGIN, "burgess.example/other");
    other["proof"] = json!(proof);
    assert_eq!(verify(&other).0, 1);
}
