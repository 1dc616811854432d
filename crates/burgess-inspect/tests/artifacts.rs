//! An unchanged app exported twice has one digest; a changed one has another.

use std::io::Write as _;
use std::path::Path;

use burgess_core::digest::Digest;
use burgess_inspect::artifact::{self, VOLATILE};
use burgess_inspect::facts::Platform;
use burgess_inspect::{exports, unpack};
use proptest::prelude::*;
use serde_json::{Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

fn example(name: &str) -> Vec<u8> {
    std::fs::read(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../examples")
            .join(name),
    )
    .unwrap()
}

fn normalised(name: &str, bytes: Vec<u8>) -> Digest {
    let tree = unpack::file(name, bytes).unwrap();
    let platform = exports::inspect(&tree).unwrap().platform;
    artifact::digest(&tree, platform).normalised
}

fn workflow() -> Value {
    serde_json::from_slice(&example("sales-quoting/workflow.json")).unwrap()
}

fn of(value: &Value) -> Digest {
    normalised("workflow.json", value.to_string().into_bytes())
}

/// The package of the example, its resources called by `rename`.
fn package(rename: impl Fn(&str) -> String, reverse: bool) -> Vec<u8> {
    let folder = "quote-approval/export";
    let id = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
    let mut files = vec![
        "manifest.json".to_owned(),
        "Microsoft.Flow/flows/manifest.json".to_owned(),
    ];
    for name in ["definition.json", "apisMap.json", "connectionsMap.json"] {
        files.push(format!("Microsoft.Flow/flows/{id}/{name}"));
    }
    if reverse {
        files.reverse();
    }
    let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for file in files {
        let text = String::from_utf8(example(&format!("{folder}/{file}"))).unwrap();
        writer
            .start_file(rename(&file), SimpleFileOptions::default())
            .unwrap();
        writer.write_all(rename(&text).as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

// R149
#[test]
fn an_unchanged_workflow_exported_twice_has_one_digest() {
    let first = of(&workflow());
    let mut again = workflow();
    again["versionId"] = json!("other");
    again["updatedAt"] = json!("2026-02-02T00:00:00Z");
    again["active"] = json!(true);
    again["meta"] = json!({"instanceId": "elsewhere"});
    again["id"] = json!("Abc123");
    assert_eq!(of(&again), first);
    // Layout, order of keys and the name of the download do not count.
    let pretty = serde_json::to_vec_pretty(&again).unwrap();
    assert_eq!(normalised("Sales quoting (1).json", pretty), first);
    let original = example("sales-quoting/workflow.json");
    assert_eq!(normalised("workflow.json", original.clone()), first);
    let tree = unpack::file("workflow.json", original.clone()).unwrap();
    assert_eq!(
        artifact::digest(&tree, Platform::N8n).raw,
        Digest::of(&original)
    );
}

#[test]
fn a_package_exported_twice_has_one_digest_although_its_ids_are_new() {
    let first = normalised("a.zip", package(str::to_owned, false));
    assert_eq!(normalised("b.zip", package(str::to_owned, true)), first);
    let renamed = |text: &str| {
        text.replace(
            "7c9e6679-7425-40de-944b-e07fc1f90ae7",
            "00000000-aaaa-4aaa-8aaa-000000000001",
        )
        .replace(
            "1d0c2b3a-4f5e-4a6b-8c7d-9e0f1a2b3c4d",
            "ffffffff-bbbb-4bbb-8bbb-000000000002",
        )
        .replace("2026-01-10T09:00:00", "2026-03-10T09:00:00")
        .replace("2026-01-10T08:55:00", "2026-03-10T08:55:00")
    };
    assert_eq!(normalised("c.zip", package(renamed, false)), first);
    let changed = |text: &str| text.replace("PatchItem", "DeleteItem");
    assert_ne!(normalised("d.zip", package(changed, false)), first);
    let other_site =
        |text: &str| text.replace("example.sharepoint.com", "elsewhere.sharepoint.com");
    assert_ne!(normalised("e.zip", package(other_site, false)), first);
}

#[test]
fn a_file_with_a_key_twice_is_digested_as_it_is() {
    let first = of(&workflow());
    let text = workflow().to_string();
    let doubled = text.replacen('{', "{\"name\":\"other\",", 1);
    let tripled = text.replacen('{', "{\"name\":\"another\",", 1);
    let (a, b) = (
        normalised("w.json", doubled.into_bytes()),
        normalised("w.json", tripled.into_bytes()),
    );
    assert!(a != first && b != first && a != b);
}

#[test]
fn the_golden_list_of_volatile_fields_is_the_one_in_force() {
    let mut table = String::from("platform\tfile\tpointer\twhat is done\twhy\n");
    for row in VOLATILE {
        let platform = row.platform.map_or("all", Platform::as_str);
        let pointer = if row.pointer.is_empty() {
            "(the whole file)"
        } else {
            row.pointer
        };
        table.push_str(&format!(
            "{platform}\t{}\t{pointer}\t{}\t{}\n",
            row.file,
            row.change.as_str(),
            row.why
        ));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/volatile.tsv");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &table).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(&path).unwrap_or_default(),
        table,
        "run again with UPDATE_GOLDEN=1 and look at the difference"
    );
}

/// All pointers to values without values inside, outside the volatile fields.
fn leaves(value: &Value, at: &str, out: &mut Vec<String>) {
    let volatile = VOLATILE
        .iter()
        .any(|row| row.platform == Some(Platform::N8n) && row.pointer == at && !at.is_empty());
    match value {
        _ if volatile => {}
        Value::Object(entries) if !entries.is_empty() => {
            for (key, item) in entries {
                leaves(item, &burgess_inspect::json::child(at, key), out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                leaves(item, &format!("{at}/{index}"), out);
            }
        }
        _ => out.push(at.to_owned()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_other_change_gives_another_digest(pick in any::<prop::sample::Index>(), text in "[a-z]{1,12}") {
        let mut value = workflow();
        let first = of(&value);
        let mut all = Vec::new();
        leaves(&value, "", &mut all);
        let at = &all[pick.index(all.len())];
        let changed = json!(format!("changed {text}"));
        if let Some(leaf) = value.pointer_mut(at) {
            // A node's type keeps a package, or it would be no workflow any more.
            *leaf = if at.ends_with("/type") { json!(format!("other.{text}")) } else { changed };
        }
        prop_assert_ne!(of(&value), first, "{}", at);
    }
}
