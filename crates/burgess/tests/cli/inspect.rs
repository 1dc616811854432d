//! `inspect` over real exports and hostile ones.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::calling::{burgess, code, err, example, out, parsed, samples, text, zipped};

fn strings(value: &Value) -> BTreeSet<String> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect()
}

// R14
#[test]
fn inspect_prints_what_every_open_export_is_and_does() {
    let Some(folder) = samples("lowcode/open") else {
        return;
    };
    let mut seen = 0;
    for sample in std::fs::read_dir(folder).unwrap().flatten() {
        let name = sample.file_name().to_string_lossy().into_owned();
        if !["n8-", "pa-", "ps-", "pt-"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
        {
            continue;
        }
        let file = ["workflow.json", "export.zip", "solution.zip", "app.msapp"]
            .map(|file| sample.path().join(file))
            .into_iter()
            .find(|file| file.exists());
        let output = burgess(&["inspect", text(&file.unwrap()), "--format", "json"]);
        assert_eq!(code(&output), 0, "{name}: {}", err(&output));
        assert!(
            !out(&output).contains("FAKE"),
            "a secret of {name} is printed"
        );
        let facts = parsed(&output);
        let expected: Value =
            serde_json::from_slice(&std::fs::read(sample.path().join("expected.json")).unwrap())
                .unwrap();
        for (key, value) in expected
            .as_object()
            .unwrap()
            .iter()
            .filter(|(key, _)| *key != "secret_notes")
        {
            let same = if value.is_array() {
                strings(value) == strings(&facts[key])
            } else {
                *value == facts[key]
            };
            assert!(
                same,
                "{name} {key}: expected {value}, printed {}",
                facts[key]
            );
        }
        seen += 1;
    }
    assert!(seen >= 10, "only {seen} samples");
}

#[test]
fn inspect_has_every_key_of_the_contract_and_names_the_place_of_each_fact() {
    let facts = parsed(&burgess(&[
        "inspect",
        &example("sales-quoting/workflow.json"),
        "--format",
        "json",
    ]));
    for key in [
        "platform",
        "name",
        "connectors",
        "external_hosts",
        "auth",
        "triggers",
        "data_hints",
        "code",
        "packages",
        "capabilities",
        "secrets_inline",
        "secrets",
        "env_refs",
        "facts",
    ] {
        assert!(facts.get(key).is_some(), "{key}");
    }
    assert_eq!(facts["platform"], "n8n");
    for fact in facts["facts"].as_array().unwrap() {
        assert_eq!(fact["file"], "workflow.json");
        assert!(
            fact["pointer"].is_string() && fact["field"].is_string() && fact["value"].is_string(),
            "{fact}"
        );
    }
    let people = out(&burgess(&["inspect", &example("quote-approval/export")]));
    assert!(
        people.starts_with("Quote approval\n") && people.contains("power-automate-package"),
        "{people}"
    );
}

#[test]
fn an_archive_that_explodes_or_escapes_is_refused_and_nothing_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let bomb = zipped(&[("workflow.json", &vec![b' '; 60_000_000])]);
    assert!(bomb.len() < 200_000);
    let cases = [
        ("bomb.zip", bomb, "decompression bomb"),
        (
            "outside.zip",
            zipped(&[("../../outside.json", b"{}")]),
            "file name",
        ),
        (
            "none.zip",
            b"PK is not enough".to_vec(),
            "named like a zip archive",
        ),
        ("noise.json", vec![0xFF, 0xFE, 0, 1, 2], "is not JSON"),
    ];
    for (name, bytes, says) in cases {
        let file = folder.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        for verb in ["inspect", "sbom", "check"] {
            let output = burgess(&[verb, text(&file)]);
            assert_eq!(
                (code(&output), out(&output).as_str()),
                (2, ""),
                "{verb} {name}"
            );
            assert!(err(&output).contains(says), "{verb}: {}", err(&output));
        }
    }
}

#[test]
fn links_are_not_followed_and_installed_packages_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(
        outside.path().join("secret.txt"),
        "https://outside.example.com/x",
    )
    .unwrap();
    std::fs::write(
        folder.path().join("app.js"),
        "fetch('https://inside.example.com/x')",
    )
    .unwrap();
    std::os::unix::fs::symlink(
        outside.path().join("secret.txt"),
        folder.path().join("link.txt"),
    )
    .unwrap();
    std::os::unix::fs::symlink(folder.path(), folder.path().join("loop")).unwrap();
    std::fs::create_dir_all(folder.path().join("node_modules/dep")).unwrap();
    std::fs::write(
        folder.path().join("node_modules/dep/index.js"),
        "'https://dep.example.com/'",
    )
    .unwrap();
    let facts = parsed(&burgess(&[
        "inspect",
        text(folder.path()),
        "--format",
        "json",
    ]));
    assert_eq!(facts["external_hosts"], json!(["inside.example.com"]));
    let notes = facts["notes"].to_string();
    assert!(
        [
            "`link.txt` is a link",
            "`loop` is a link",
            "`node_modules` was left out"
        ]
        .iter()
        .all(|said| notes.contains(said)),
        "{notes}"
    );
}
