//! A folder of shards as an auditor checks it with `burgess-verify log`.

use crate::auditing::{run, text};
use crate::support::{ORIGIN, draft, fill, options};
use burgess_ledger::shards::{Keys, MAIN};
use burgess_ledger::{NoteSigner, Shards};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::sync::Arc;

fn signer(name: &str, origin: &str) -> Result<NoteSigner, String> {
    let mut seed = [7; 32];
    seed.iter_mut()
        .zip(name.bytes())
        .for_each(|(at, b)| *at = b);
    NoteSigner::from_seed(origin, seed).map_err(|cause| cause.to_string())
}

/// Three shards of `main` and one of `traffic`; `entries` tells one history from another.
fn set(folder: &Path, entries: u64) -> Shards {
    let keys: Arc<Keys> = Arc::new(signer);
    let shards = Shards::open(folder, ORIGIN, &["traffic"], options(), keys).unwrap();
    for _ in 0..2 {
        fill(&shards.current(MAIN).unwrap().ledger, entries);
        shards.turn(MAIN).unwrap();
    }
    for shard in [MAIN, "traffic"] {
        let ledger = shards.current(shard).unwrap().ledger;
        ledger
            .append_blocking(draft("outbox", None, "app"))
            .unwrap();
        ledger.publish_blocking().unwrap();
    }
    shards
}

fn vkey(name: &str) -> String {
    let origin = match name {
        MAIN => ORIGIN.to_owned(),
        name => format!("{ORIGIN}/{name}"),
    };
    signer(name, &origin).unwrap().vkey()
}

/// Runs the program over the folder, under the keys of these shards.
fn log(folder: &Path, shards: &[&str]) -> (i32, String, String) {
    let mut arguments = vec!["log".to_owned(), text(folder).to_owned()];
    for shard in shards {
        arguments.extend(["--key".to_owned(), vkey(shard)]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    run(&arguments)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Puts a shard of another history, signed by the same key, in the place of this one's.
fn replace(folder: &Path, shard: &str) {
    let other = tempfile::tempdir().unwrap();
    set(other.path(), 9).close();
    fs::remove_dir_all(folder.join(shard)).unwrap();
    copy(&other.path().join(shard), &folder.join(shard));
}

// R124
#[test]
fn the_key_of_the_newest_shard_of_each_line_is_enough_for_all_of_them() {
    let folder = tempfile::tempdir().unwrap();
    set(folder.path(), 300).close();
    let (status, out, complaint) = log(folder.path(), &["main-3", "traffic"]);
    assert_eq!((status, complaint.as_str()), (0, ""));
    assert!(
        out.starts_with("the ledger holds in 4 shards: every entry"),
        "{out}"
    );
    assert!(out.contains("  it continues main-2\n"), "{out}");
    assert!(out.contains("  it continues main\n"), "{out}");
    let keys = [vkey("main-3"), vkey("traffic")];
    let arguments = [
        "log",
        text(folder.path()),
        "--key",
        &keys[0],
        "--key",
        &keys[1],
        "--format",
        "json",
    ];
    let (_, out, _) = run(&arguments);
    let out: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&out["ok"], &out["witnessed"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(out["shards"][0]["name"], "main-3");
    assert_eq!(out["shards"][1]["continues"], "main");
    assert_eq!(out["shards"][2]["continues"], Value::Null);
}

// R124
#[test]
fn a_shard_of_another_history_is_named_although_it_is_signed_and_whole() {
    for shard in ["main", "main-2"] {
        let folder = tempfile::tempdir().unwrap();
        set(folder.path(), 300).close();
        replace(folder.path(), shard);
        let all = ["main", "main-2", "main-3", "traffic"];
        let (status, out, complaint) = log(folder.path(), &all);
        assert_eq!((status, out.as_str()), (1, ""), "{shard}");
        let next = if shard == "main" { "main-2" } else { "main-3" };
        let expected = format!("{next}/tile/entries/000");
        assert!(complaint.starts_with(&expected), "{complaint}");
        assert!(
            complaint.contains("entry 0 is not the last checkpoint of"),
            "{complaint}"
        );
    }
}

// R124
#[test]
fn a_changed_byte_in_an_older_shard_is_named_with_its_shard() {
    let folder = tempfile::tempdir().unwrap();
    set(folder.path(), 12).close();
    let bundle = folder.path().join("main/tile/entries/000.p/12");
    let mut bytes = fs::read(&bundle).unwrap();
    bytes[12] ^= 1;
    fs::write(&bundle, bytes).unwrap();
    let (status, _, complaint) = log(folder.path(), &["main-3", "traffic"]);
    assert_eq!(status, 1);
    assert_eq!(
        complaint,
        "main/tile/entries/000.p/12: entry 0 differs from its leaf hash\n"
    );
}

// R124
#[test]
fn the_chain_holds_or_breaks_also_where_the_entry_that_links_was_pruned() {
    let folder = tempfile::tempdir().unwrap();
    let shards = set(folder.path(), 300);
    let middle = shards.named("main-2").unwrap().ledger;
    middle.prune(middle.size(), "a policy").unwrap();
    shards.close();
    let (status, out, complaint) = log(folder.path(), &["main-3", "traffic"]);
    assert_eq!((status, complaint.as_str()), (0, ""));
    assert!(out.contains("  it continues main\n"), "{out}");
    assert!(out.contains("entries 0 to 300 were pruned"), "{out}");
    replace(folder.path(), "main");
    let (status, _, complaint) = log(folder.path(), &["main", "main-3", "traffic"]);
    assert_eq!(status, 1);
    assert_eq!(
        complaint,
        "main-2/tile/0/000: entry 0 was not the last checkpoint of `main`\n"
    );
}

// R124
#[test]
fn a_line_with_a_gap_is_refused_whatever_keys_there_are() {
    let folder = tempfile::tempdir().unwrap();
    set(folder.path(), 3).close();
    fs::remove_dir_all(folder.path().join("main-2")).unwrap();
    let expected = "main-2/checkpoint: is missing, though `main-3` continues it \
                    (to check that one alone, name its folder)\n";
    for keys in [&["main", "main-3", "traffic"][..], &["main-3", "traffic"]] {
        let (status, out, complaint) = log(folder.path(), keys);
        assert_eq!((status, out.as_str()), (1, ""));
        if keys.contains(&"main") {
            assert_eq!(complaint, expected);
        } else {
            assert!(complaint.starts_with("main/checkpoint: "), "{complaint}");
        }
    }
    let (status, ..) = log(&folder.path().join("main-3"), &["main-3"]);
    assert_eq!(status, 0);
}

// R124
#[test]
fn a_shard_that_is_not_whole_or_not_there_is_missed() {
    let keys = ["main-3", "traffic"];
    for shard in ["main-2", "main-3", "traffic"] {
        let folder = tempfile::tempdir().unwrap();
        set(folder.path(), 3).close();
        fs::remove_file(folder.path().join(shard).join("checkpoint")).unwrap();
        let (status, _, complaint) = log(folder.path(), &keys);
        assert_eq!(status, 1, "{shard}");
        let expected = format!("{shard}/checkpoint: ");
        assert!(complaint.starts_with(&expected), "{complaint}");
    }
    let folder = tempfile::tempdir().unwrap();
    set(folder.path(), 3).close();
    fs::remove_dir_all(folder.path().join("traffic")).unwrap();
    let (status, _, complaint) = log(folder.path(), &keys);
    let expected = format!("{ORIGIN}/traffic: is not here, though there is a key for it\n");
    assert_eq!((status, complaint), (1, expected));
}

// R124
#[test]
fn a_shard_under_the_name_of_another_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    set(folder.path(), 3).close();
    let at = |name: &str| folder.path().join(name);
    fs::remove_dir_all(at("traffic")).unwrap();
    copy(&at("main"), &at("traffic"));
    let (status, _, complaint) = log(folder.path(), &["main", "main-3"]);
    let expected = format!(
        "traffic/checkpoint: is that of `{ORIGIN}`, which is not the shard of this folder\n"
    );
    assert_eq!((status, complaint), (1, expected));
}

// R124
#[test]
fn a_checkpoint_beside_the_shards_does_not_choose_what_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    set(folder.path(), 3).close();
    copy(&folder.path().join("main"), folder.path());
    let (status, _, complaint) = log(folder.path(), &["main", "main-3", "traffic"]);
    assert_eq!(status, 1);
    assert_eq!(
        complaint,
        "checkpoint: is beside the shard `main-3`: a folder is one ledger or a folder of shards\n"
    );
}

// R124
#[test]
fn a_later_shard_under_the_name_of_the_first_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    set(folder.path(), 3).close();
    let at = |name: &str| folder.path().join(name);
    for gone in ["main", "main-2", "traffic"] {
        fs::remove_dir_all(at(gone)).unwrap();
    }
    fs::rename(at("main-3"), at("main")).unwrap();
    let (status, _, complaint) = log(folder.path(), &["main-3"]);
    let expected = format!(
        "main/checkpoint: continues `{ORIGIN}/main-2`, and cannot be the first of its line\n"
    );
    assert_eq!((status, complaint), (1, expected));
}

// R124
#[test]
fn one_shard_in_place_of_all_is_told_from_the_whole_and_its_keys_are_missed() {
    let folder = tempfile::tempdir().unwrap();
    set(folder.path(), 3).close();
    let alone = folder.path().join("main-3");
    let (status, _, complaint) = log(&alone, &["main-3", "traffic"]);
    let expected = format!("{ORIGIN}/traffic: is not here, though there is a key for it\n");
    assert_eq!((status, complaint), (1, expected));
    let (status, out, _) = log(&alone, &["main-3"]);
    assert_eq!(status, 0);
    let told = format!("it continues the shard `{ORIGIN}/main-2`, which was not checked");
    assert!(out.contains(&told), "{out}");
}

// R124
#[test]
fn a_policy_that_stands_in_for_keys_misses_the_shards_that_it_names() {
    let folder = tempfile::tempdir().unwrap();
    set(folder.path(), 3).close();
    let policy = tempfile::NamedTempFile::new().unwrap();
    let mut lines = String::new();
    for shard in ["main", "main-2", "main-3", "traffic"] {
        lines += &format!("log {}\n", vkey(shard));
    }
    fs::write(policy.path(), lines + "quorum none\n").unwrap();
    let arguments = ["log", text(folder.path()), "--policy", text(policy.path())];
    let (_, out, complaint) = run(&arguments);
    assert!(out.starts_with("the ledger holds in 4 shards"), "{out}");
    assert_eq!(complaint, "");
    fs::remove_dir_all(folder.path().join("traffic")).unwrap();
    let (status, _, complaint) = run(&arguments);
    let expected = format!("{ORIGIN}/traffic: is not here, though there is a key for it\n");
    assert_eq!((status, complaint), (1, expected));
}

// R124
#[test]
fn an_older_checkpoint_belongs_to_one_shard() {
    let folder = tempfile::tempdir().unwrap();
    set(folder.path(), 3).close();
    let key = vkey("main-3");
    let old = folder.path().join("main-3/checkpoint");
    let arguments = [
        "log",
        text(folder.path()),
        "--key",
        &key,
        "--old",
        text(&old),
    ];
    let (status, _, complaint) = run(&arguments);
    assert_eq!(status, 2);
    assert!(
        complaint.starts_with("`--old` is a checkpoint of one ledger"),
        "{complaint}"
    );
}
