//! `scan` and `dlp`: packages and sensitive data.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::calling::{burgess, code, err, example, out, parsed, samples, text, zipped};

fn advisories(folder: &Path) -> PathBuf {
    let record = json!({
        "id": "GHSA-test-0001", "modified": "2026-01-01T00:00:00Z", "aliases": ["CVE-2026-0001"],
        "affected": [{ "package": { "ecosystem": "npm", "name": "left-pad" },
            "ranges": [{ "type": "SEMVER", "events": [{ "introduced": "0" }, { "fixed": "1.3.0" }] }] }],
    });
    let place = folder.join("advisories");
    std::fs::create_dir_all(&place).unwrap();
    std::fs::write(
        place.join("npm.zip"),
        zipped(&[("GHSA-test-0001.json", record.to_string().as_bytes())]),
    )
    .unwrap();
    place
}

fn lock(version: &str) -> Vec<u8> {
    json!({ "name": "app", "lockfileVersion": 3, "packages": {
        "": { "name": "app", "dependencies": { "left-pad": version } },
        "node_modules/left-pad": { "version": version, "resolved": format!("https://packages.example/left-pad/-/left-pad-{version}.tgz") },
    } })
    .to_string()
    .into_bytes()
}

// R41 R92 R149
#[test]
fn a_vulnerable_package_in_an_export_fails_the_pipeline_and_a_mended_one_passes() {
    let folder = tempfile::tempdir().unwrap();
    let place = advisories(folder.path());
    let workflow = std::fs::read(example("sales-quoting/workflow.json")).unwrap();
    let export = folder.path().join("export.zip");
    let scan = |version: &str, format: &str| {
        std::fs::write(
            &export,
            zipped(&[
                ("workflow.json", &workflow),
                ("package-lock.json", &lock(version)),
            ]),
        )
        .unwrap();
        burgess(&[
            "scan",
            text(&export),
            "--advisories",
            text(&place),
            "--format",
            format,
        ])
    };
    let output = scan("1.2.0", "json");
    assert_eq!(code(&output), 1);
    let printed = parsed(&output);
    let found = &printed["vulnerable"][0];
    assert_eq!(
        (&found["ecosystem"], &found["name"], &found["version"]),
        (&json!("npm"), &json!("left-pad"), &json!("1.2.0"))
    );
    assert_eq!(
        (&found["id"], &found["aliases"], &found["fixed"]),
        (
            &json!("GHSA-test-0001"),
            &json!(["CVE-2026-0001"]),
            &json!(["1.3.0"])
        )
    );
    assert_eq!(printed["packages"].as_array().unwrap().len(), 1);
    let sarif = parsed(&scan("1.2.0", "sarif"));
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!(
        (&sarif["version"], &result["ruleId"], &result["level"]),
        (&json!("2.1.0"), &json!("sca.vulnerable"), &json!("error"))
    );
    assert_eq!(
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
        "package-lock.json"
    );
    let rule = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
    assert_eq!(
        sarif["runs"][0]["tool"]["driver"]["rules"][rule]["id"],
        "sca.vulnerable"
    );
    let mended = scan("1.3.0", "text");
    assert_eq!(code(&mended), 0, "{}", out(&mended));
}

// R93
#[test]
fn what_is_not_pinned_or_not_read_is_never_counted_as_clean() {
    let folder = tempfile::tempdir().unwrap();
    let place = advisories(folder.path());
    for (file, content, says) in [
        (
            "requirements.txt",
            "requests>=2\n",
            "requests is not pinned",
        ),
        ("Cargo.lock", "version = 4\n", "this format is not read"),
        ("package.json", "{}", "it pins no versions"),
    ] {
        let app = tempfile::tempdir().unwrap();
        std::fs::write(app.path().join(file), content).unwrap();
        let output = burgess(&["scan", text(app.path()), "--advisories", text(&place)]);
        assert_eq!(code(&output), 1, "{file}");
        assert!(out(&output).contains(says), "{}", out(&output));
    }
    let nothing = tempfile::tempdir().unwrap();
    let output = burgess(&[
        "scan",
        &example("sales-quoting"),
        "--advisories",
        text(nothing.path()),
    ]);
    assert_eq!(code(&output), 2, "no advisories, no answer");
    assert!(err(&output).contains("holds no OSV archive"));
}

// R41 R92 R93
#[test]
fn scan_prints_the_records_of_the_oracle_for_every_labelled_manifest() {
    let (Some(cases), Some(archives)) = (samples("sca"), samples("osv")) else {
        return;
    };
    let mut manifests = 0;
    for case in std::fs::read_dir(cases)
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
    {
        for file in ["requirements.txt", "package-lock.json"]
            .map(|file| case.join(file))
            .into_iter()
            .filter(|file| file.exists())
        {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            let expected: Value = serde_json::from_slice(
                &std::fs::read(case.join(format!("expected-{name}.json"))).unwrap(),
            )
            .unwrap();
            // The small cases read the whole folder, in which an archive of another ecosystem lies too.
            let edge = case
                .file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("edge-");
            let own = archives.join(if name == "requirements.txt" {
                "PyPI.zip"
            } else {
                "npm.zip"
            });
            let output = burgess(&[
                "scan",
                text(&file),
                "--advisories",
                text(if edge { &archives } else { &own }),
                "--format",
                "json",
            ]);
            let printed = parsed(&output);
            compare(&case, &printed, &expected);
            let clean = printed["vulnerable"].as_array().unwrap().is_empty()
                && printed["unpinned"].as_array().unwrap().is_empty();
            let mutable = printed["skipped"]
                .as_array()
                .unwrap()
                .iter()
                .any(|skipped| skipped["mutable"] == true);
            assert_eq!(
                code(&output),
                i32::from(!clean || mutable),
                "{}",
                case.display()
            );
            manifests += 1;
        }
    }
    assert!(manifests >= 10, "only {manifests} manifests");
}

fn compare(case: &Path, printed: &Value, expected: &Value) {
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let packages = |value: &Value| {
        list(&value["packages"])
            .iter()
            .map(|p| (word(&p["name"]), word(&p["version"])))
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(packages(printed), packages(expected), "{}", case.display());
    let wanted: BTreeSet<_> = list(&expected["vulnerable"])
        .iter()
        .map(|v| (word(&v["package"]), word(&v["version"]), word(&v["id"])))
        .collect();
    let mut told = BTreeSet::new();
    for found in list(&printed["vulnerable"]) {
        let key = |id: &Value| (word(&found["name"]), word(&found["version"]), word(id));
        assert!(
            wanted.contains(&key(&found["id"])),
            "{}: {found}",
            case.display()
        );
        told.insert(key(&found["id"]));
        told.extend(list(&found["aliases"]).iter().map(key));
    }
    assert!(
        wanted.is_subset(&told),
        "{}: not told {:?}",
        case.display(),
        wanted.difference(&told).collect::<Vec<_>>()
    );
    assert_eq!(
        list(&printed["unpinned"]),
        list(&expected["unpinned"]),
        "{}",
        case.display()
    );
}

#[test]
fn dlp_scan_prints_one_line_for_each_text_with_offsets_in_characters() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("texts.jsonl");
    std::fs::write(&file, "{\"text\": \"Zürich 🏔: pay with card 4111 1111 1111 1111\"}\n{\"text\": \"nothing here\"}\n").unwrap();
    let output = burgess(&["dlp", "scan", text(&file), "--format", "jsonl"]);
    assert_eq!(code(&output), 1, "a finding is a no");
    let lines: Vec<Value> = out(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    let span = &lines[0]["spans"][0];
    assert_eq!(
        (&span["start"], &span["end"]),
        (&json!(24), &json!(43)),
        "{span}"
    );
    assert_eq!(
        (&span["type"], &span["class"], &span["grade"]),
        (&json!("CREDIT_CARD"), &json!("financial"), &json!("block"))
    );
    assert!(
        span["score"].as_f64().is_some_and(|score| score > 0.9) && span["alternatives"].is_array()
    );
    assert_eq!(lines[1], json!({ "spans": [] }));
    assert!(
        !out(&output).contains("4111"),
        "the value itself is printed"
    );
    let raw = burgess(&["dlp", "scan", "--raw", text(&file)]);
    assert_eq!((code(&raw), out(&raw).lines().count()), (1, 1));
    std::fs::write(&file, "{\"text\": \"nothing here\"}\n").unwrap();
    assert_eq!(code(&burgess(&["dlp", "scan", text(&file)])), 0);
    for wrong in ["plain text\n", "{\"words\": 1}\n", "{\"text\": 1}\n"] {
        std::fs::write(&file, wrong).unwrap();
        let output = burgess(&["dlp", "scan", text(&file)]);
        assert_eq!(code(&output), 2, "{wrong}");
        assert!(err(&output).contains("texts.jsonl:1: "), "{}", err(&output));
    }
    let explained = out(&burgess(&["dlp", "explain"]));
    assert!(
        [
            "CREDIT_CARD",
            "IBAN_CODE",
            "US_SSN",
            "SECRET_PRIVATE_KEY",
            "block"
        ]
        .iter()
        .all(|word| explained.contains(word))
    );
}
