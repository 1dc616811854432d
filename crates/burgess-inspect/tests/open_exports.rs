//! Every export of the open samples is read as its expected facts say.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use burgess_inspect::exports;
use burgess_inspect::facts::Facts;
use burgess_inspect::unpack::{self, Tree};
use serde_json::Value;

/// The samples, or nothing (said aloud) when they are not here. In CI they must be.
fn samples() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/lowcode/open");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(
        std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "the open samples are missing"
    );
    println!("SKIPPED the open low-code samples are not here");
    None
}

fn tree(folder: &Path) -> Tree {
    for name in ["workflow.json", "export.zip", "solution.zip", "app.msapp"] {
        if let Ok(bytes) = std::fs::read(folder.join(name)) {
            return unpack::file(name, bytes).unwrap();
        }
    }
    panic!("{} holds no export", folder.display());
}

fn folders(prefixes: &[&str]) -> Vec<PathBuf> {
    let Some(samples) = samples() else {
        return Vec::new();
    };
    let mut out: Vec<PathBuf> = std::fs::read_dir(samples)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    out.retain(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        prefixes.iter().any(|prefix| name.starts_with(prefix))
    });
    out.sort();
    out
}

/// A list without its order; anything else as it is.
fn unordered(value: &Value) -> Value {
    match value {
        Value::Array(items) => {
            let sorted: BTreeSet<String> = items.iter().map(ToString::to_string).collect();
            Value::from(sorted.into_iter().collect::<Vec<_>>())
        }
        other => other.clone(),
    }
}

fn check(prefixes: &[&str], at_least: usize) {
    let folders = folders(prefixes);
    if samples().is_none() {
        return;
    }
    let mut wrong = Vec::new();
    for folder in &folders {
        let expected: Value =
            serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
        let facts = exports::inspect(&tree(folder)).unwrap();
        let seen = serde_json::to_value(&facts).unwrap();
        for (key, value) in expected.as_object().unwrap() {
            if key != "secret_notes" && unordered(value) != unordered(&seen[key]) {
                wrong.push(format!(
                    "{} {key}\n  expected {value}\n  seen     {}",
                    folder.display(),
                    seen[key]
                ));
            }
        }
        cited(&facts, &tree(folder));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(folders.len() >= at_least, "only {} samples", folders.len());
}

/// Every listed value has a fact, and the place of every fact exists.
fn cited(facts: &Facts, tree: &Tree) {
    let lists = [
        ("connectors", &facts.connectors),
        ("external_hosts", &facts.external_hosts),
        ("auth", &facts.auth),
        ("data_hints", &facts.data_hints),
        ("code", &facts.code),
        ("packages", &facts.packages),
        ("capabilities", &facts.capabilities),
        ("env_refs", &facts.env_refs),
    ];
    for (field, values) in lists {
        for value in values {
            assert!(
                facts.place(field, value).is_some(),
                "{field} {value} is not cited"
            );
        }
    }
    for trigger in &facts.triggers {
        assert!(
            facts.place("triggers", &trigger.to_string()).is_some(),
            "{trigger} is not cited"
        );
    }
    for secret in &facts.secrets {
        let cited = facts
            .facts
            .iter()
            .any(|f| f.field == "secrets" && f.file == secret.file && f.pointer == secret.pointer);
        assert!(cited, "a secret is not cited");
    }
    for fact in &facts.facts {
        let bytes = tree
            .files
            .get(&fact.file)
            .unwrap_or_else(|| panic!("no file {}", fact.file));
        if fact.file.ends_with(".json") {
            let value: Value =
                serde_json::from_slice(bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes))
                    .unwrap();
            assert!(
                resolves(&value, &fact.pointer),
                "{}#{} does not exist",
                fact.file,
                fact.pointer
            );
        }
    }
}

/// Follows a pointer, also into JSON that stands in a string.
fn resolves(value: &Value, pointer: &str) -> bool {
    if value.pointer(pointer).is_some() {
        return true;
    }
    let mut cut = pointer.len();
    while let Some(at) = pointer[..cut].rfind('/') {
        if let Some(Value::String(text)) = value.pointer(&pointer[..at]) {
            return serde_json::from_str(text)
                .is_ok_and(|inner: Value| resolves(&inner, &pointer[at..]));
        }
        cut = at;
    }
    false
}

// R14 R149
#[test]
fn every_n8n_sample_is_read_as_expected() {
    check(&["n8-"], 3);
}

// R14 R149
#[test]
fn every_power_automate_sample_is_read_as_expected() {
    check(&["pa-"], 5);
}

// R14 R149
#[test]
fn every_solution_and_canvas_sample_is_read_as_expected() {
    check(&["ps-", "pt-"], 3);
}

// R149
#[test]
fn no_secret_of_a_sample_stands_in_its_facts() {
    for folder in folders(&["n8-", "pa-", "ps-", "pt-"]) {
        let tree = tree(&folder);
        let facts = exports::inspect(&tree).unwrap();
        let text = serde_json::to_string(&facts).unwrap();
        // The samples' secrets were replaced by values that begin so.
        assert!(!text.contains("FAKE"), "{}", folder.display());
        let all: Vec<u8> = tree.files.values().flatten().copied().collect();
        let planted = String::from_utf8_lossy(&all).contains("FAKE");
        assert_eq!(planted, facts.secrets_inline > 0, "{}", folder.display());
    }
}
