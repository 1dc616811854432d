//! The binary as people and pipelines call it: what it prints, and its exit codes
//! (0 yes, 1 no, 2 the call or its input was wrong).
//!
//! Not here: verbs against a server, which are in `cli_remote.rs`.

use std::collections::BTreeSet;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

fn burgess(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_burgess")).args(arguments).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn parsed(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {} {}", out(output), err(output)))
}

fn example(name: &str) -> String {
    format!("{}/../../examples/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Samples beside the project. `None` says why; in CI they must be there.
fn samples(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
    if path.is_dir() {
        return Some(path);
    }
    #[expect(clippy::disallowed_methods, reason = "a test asks whether it runs in CI")]
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!ci, "the samples `{name}` are missing");
    println!("SKIPPED the samples `{name}` are not beside the project");
    None
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn strings(value: &Value) -> BTreeSet<String> {
    value.as_array().unwrap().iter().map(ToString::to_string).collect()
}

// R14
#[test]
fn inspect_prints_what_every_open_export_is_and_does() {
    let Some(folder) = samples("lowcode/open") else { return };
    let mut seen = 0;
    for sample in std::fs::read_dir(folder).unwrap().flatten() {
        let name = sample.file_name().to_string_lossy().into_owned();
        if !["n8-", "pa-", "ps-", "pt-"].iter().any(|prefix| name.starts_with(prefix)) {
            continue;
        }
        let file = ["workflow.json", "export.zip", "solution.zip", "app.msapp"].map(|file| sample.path().join(file)).into_iter().find(|file| file.exists());
        let output = burgess(&["inspect", text(&file.unwrap()), "--format", "json"]);
        assert_eq!(code(&output), 0, "{name}: {}", err(&output));
        assert!(!out(&output).contains("FAKE"), "a secret of {name} is printed");
        let facts = parsed(&output);
        let expected: Value = serde_json::from_slice(&std::fs::read(sample.path().join("expected.json")).unwrap()).unwrap();
        for (key, value) in expected.as_object().unwrap().iter().filter(|(key, _)| *key != "secret_notes") {
            let same = if value.is_array() { strings(value) == strings(&facts[key]) } else { *value == facts[key] };
            assert!(same, "{name} {key}: expected {value}, printed {}", facts[key]);
        }
        seen += 1;
    }
    assert!(seen >= 10, "only {seen} samples");
}

#[test]
fn inspect_has_every_key_of_the_contract_and_names_the_place_of_each_fact() {
    let facts = parsed(&burgess(&["inspect", &example("sales-quoting/workflow.json"), "--format", "json"]));
    for key in ["platform", "name", "connectors", "external_hosts", "auth", "triggers", "data_hints", "code", "packages", "capabilities", "secrets_inline", "secrets", "env_refs", "facts"] {
        assert!(facts.get(key).is_some(), "{key}");
    }
    assert_eq!(facts["platform"], "n8n");
    for fact in facts["facts"].as_array().unwrap() {
        assert_eq!(fact["file"], "workflow.json");
        assert!(fact["pointer"].is_string() && fact["field"].is_string() && fact["value"].is_string(), "{fact}");
    }
    let people = out(&burgess(&["inspect", &example("quote-approval/export")]));
    assert!(people.starts_with("Quote approval\n") && people.contains("power-automate-package"), "{people}");
}

/// The example's charter with some lines replaced.
fn charter(changes: &[(&str, &str)]) -> String {
    let mut charter = std::fs::read_to_string(example("sales-quoting/charter.toml")).unwrap();
    for (from, to) in changes {
        assert!(charter.contains(from), "{from}");
        charter = charter.replace(from, to);
    }
    charter
}

fn risk_of(charter: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("charter.toml");
    std::fs::write(&file, charter).unwrap();
    let output = burgess(&["risk", text(&file), "--format", "json"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    parsed(&output)
}

// R145
#[test]
fn the_addends_that_risk_prints_sum_to_the_score_and_each_has_its_reason() {
    for (users, band) in [("5", "medium"), ("45", "high"), ("450", "high")] {
        let risk = risk_of(&charter(&[("users = 45", &format!("users = {users}"))]));
        let addends = risk["addends"].as_array().unwrap();
        let sum: u64 = addends.iter().map(|addend| addend["points"].as_u64().unwrap()).sum();
        assert_eq!(risk["score"].as_u64().unwrap(), sum);
        assert_eq!(addends.len(), 4);
        assert!(addends.iter().all(|addend| addend["reason"].as_str().is_some_and(|reason| reason.len() > 8)));
        assert_eq!((&risk["band"], &risk["route"]), (&json!(band), &json!("review")));
        let path = risk["cheapest_path"].as_array().unwrap();
        assert!(!path.is_empty() && path.iter().all(|step| step["change"].is_string() && step["score_after"].is_u64() && step["route_after"].is_string()));
        assert!(risk["missing_controls"].as_array().unwrap().iter().any(|control| control["id"] == "readme"));
    }
}

// R30
#[test]
fn the_printed_score_never_falls_when_the_charter_asks_for_more() {
    let score = |changes: &[(&str, &str)]| risk_of(&charter(changes))["score"].as_u64().unwrap();
    let class = "classification = \"pii\"";
    let classes = ["public", "internal", "sensitive", "pii", "phi"].map(|word| score(&[(class, &format!("classification = \"{word}\""))]));
    let users = ["1", "9", "10", "100", "101"].map(|count| score(&[("users = 45", &format!("users = {count}"))]));
    let desktop = ("[limits]", "[capabilities]\nagent = true\njustification = \"reads the basket\"\n\n[limits]");
    let machine = [score(&[]), score(&[desktop])];
    let hosts = ("id = \"crm\"", "id = \"elsewhere\"\nhosts = { production = [\"api.example.com\"] }");
    let connected = [score(&[]), score(&[hosts])];
    for rising in [classes.as_slice(), &users, &machine, &connected] {
        assert!(rising.is_sorted() && rising.first() < rising.last(), "{rising:?}");
    }
}

#[test]
fn an_unknown_key_is_named_with_line_column_and_the_nearest_spelling() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("charter.toml");
    std::fs::write(&file, charter(&[("users = 45", "usrs = 45")])).unwrap();
    let output = burgess(&["charter", "check", text(&file)]);
    assert_eq!(code(&output), 1);
    assert!(out(&output).contains("line 12, column 1") && out(&output).contains("did you mean `users`?"), "{}", out(&output));
    let printed = parsed(&burgess(&["charter", "check", text(&file), "--format", "json"]));
    assert_eq!(printed["valid"], false);
    assert_eq!((&printed["errors"][0]["line"], &printed["errors"][0]["column"], &printed["errors"][0]["nearest"]), (&json!(12), &json!(1), &json!("users")));
    let output = burgess(&["risk", text(&file)]);
    assert_eq!((code(&output), out(&output).as_str()), (2, ""));
    assert!(err(&output).contains("did you mean `users`?"));
}

#[test]
fn what_is_no_charter_at_all_is_a_wrong_call_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let mut noise = vec![0u8; 100_000];
    let mut state = 1u32;
    for byte in &mut noise {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = state.to_be_bytes()[0];
    }
    let large = format!("{}# {}", charter(&[]), "x".repeat(10_000_000));
    for (name, bytes, says) in [("large", large.as_bytes(), "4000000 are the most"), ("noise", &noise, "is not UTF-8 text")] {
        let file = folder.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        for verb in [vec!["charter", "check"], vec!["charter", "digest"], vec!["risk"]] {
            let output = burgess(&[verb.as_slice(), &[text(&file)]].concat());
            assert_eq!(code(&output), 2, "{verb:?} {name}");
            assert!(err(&output).contains(says) && err(&output).lines().count() == 1, "{}", err(&output));
        }
    }
    assert_eq!(code(&burgess(&["risk", text(folder.path())])), 2, "a folder is no charter");
    assert_eq!(code(&burgess(&["risk", "/nowhere/charter.toml"])), 2);
}

#[test]
fn a_charter_has_one_digest_however_it_is_spaced() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("charter.toml");
    std::fs::write(&file, charter(&[("users = 45", "# people\nusers  =  45")])).unwrap();
    let digest = |file: &str| out(&burgess(&["charter", "digest", file]));
    let first = digest(&example("sales-quoting/charter.toml"));
    assert_eq!(first.trim().len(), 64);
    assert_eq!(first, digest(text(&file)));
    std::fs::write(&file, charter(&[("users = 45", "users = 46")])).unwrap();
    assert_ne!(first, digest(text(&file)));
}

// R14
#[test]
fn the_draft_of_an_export_is_a_valid_charter_with_its_questions() {
    let folder = tempfile::tempdir().unwrap();
    for app in ["sales-quoting/workflow.json", "quote-approval/export"] {
        let draft = burgess(&["charter", "draft", &example(app)]);
        assert_eq!(code(&draft), 0, "{}", err(&draft));
        assert!(out(&draft).contains("# ? owner = "));
        let file = folder.path().join("charter.toml");
        std::fs::write(&file, &draft.stdout).unwrap();
        let check = parsed(&burgess(&["charter", "check", text(&file), "--format", "json"]));
        assert_eq!(check["valid"], true, "{check}");
        assert!(check["missing"].as_array().unwrap().iter().any(|missing| missing["field"] == "app.owner"));
    }
}

#[test]
fn an_archive_that_explodes_or_escapes_is_refused_and_nothing_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let bomb = zipped(&[("workflow.json", &vec![b' '; 60_000_000])]);
    assert!(bomb.len() < 200_000);
    let cases = [
        ("bomb.zip", bomb, "decompression bomb"),
        ("outside.zip", zipped(&[("../../outside.json", b"{}")]), "file name"),
        ("none.zip", b"PK is not enough".to_vec(), "named like a zip archive"),
        ("noise.json", vec![0xFF, 0xFE, 0, 1, 2], "is not JSON"),
    ];
    for (name, bytes, says) in cases {
        let file = folder.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        for verb in ["inspect", "sbom", "check"] {
            let output = burgess(&[verb, text(&file)]);
            assert_eq!((code(&output), out(&output).as_str()), (2, ""), "{verb} {name}");
            assert!(err(&output).contains(says), "{verb}: {}", err(&output));
        }
    }
}

#[test]
fn links_are_not_followed_and_installed_packages_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret.txt"), "https://outside.example.com/x").unwrap();
    std::fs::write(folder.path().join("app.js"), "fetch('https://inside.example.com/x')").unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret.txt"), folder.path().join("link.txt")).unwrap();
    std::os::unix::fs::symlink(folder.path(), folder.path().join("loop")).unwrap();
    std::fs::create_dir_all(folder.path().join("node_modules/dep")).unwrap();
    std::fs::write(folder.path().join("node_modules/dep/index.js"), "'https://dep.example.com/'").unwrap();
    let facts = parsed(&burgess(&["inspect", text(folder.path()), "--format", "json"]));
    assert_eq!(facts["external_hosts"], json!(["inside.example.com"]));
    let notes = facts["notes"].to_string();
    assert!(["`link.txt` is a link", "`loop` is a link", "`node_modules` was left out"].iter().all(|said| notes.contains(said)), "{notes}");
}

fn advisories(folder: &Path) -> PathBuf {
    let record = json!({
        "id": "GHSA-test-0001", "modified": "2026-01-01T00:00:00Z", "aliases": ["CVE-2026-0001"],
        "affected": [{ "package": { "ecosystem": "npm", "name": "left-pad" },
            "ranges": [{ "type": "SEMVER", "events": [{ "introduced": "0" }, { "fixed": "1.3.0" }] }] }],
    });
    let place = folder.join("advisories");
    std::fs::create_dir_all(&place).unwrap();
    std::fs::write(place.join("npm.zip"), zipped(&[("GHSA-test-0001.json", record.to_string().as_bytes())])).unwrap();
    place
}

fn lock(version: &str) -> Vec<u8> {
    json!({ "name": "app", "lockfileVersion": 3, "packages": {
        "": { "name": "app", "dependencies": { "left-pad": version } },
        "node_modules/left-pad": { "version": version, "resolved": format!("https://registry.npmjs.org/left-pad/-/left-pad-{version}.tgz") },
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
        std::fs::write(&export, zipped(&[("workflow.json", &workflow), ("package-lock.json", &lock(version))])).unwrap();
        burgess(&["scan", text(&export), "--advisories", text(&place), "--format", format])
    };
    let output = scan("1.2.0", "json");
    assert_eq!(code(&output), 1);
    let printed = parsed(&output);
    let found = &printed["vulnerable"][0];
    assert_eq!((&found["ecosystem"], &found["name"], &found["version"]), (&json!("npm"), &json!("left-pad"), &json!("1.2.0")));
    assert_eq!((&found["id"], &found["aliases"], &found["fixed"]), (&json!("GHSA-test-0001"), &json!(["CVE-2026-0001"]), &json!(["1.3.0"])));
    assert_eq!(printed["packages"].as_array().unwrap().len(), 1);
    let sarif = parsed(&scan("1.2.0", "sarif"));
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!((&sarif["version"], &result["ruleId"], &result["level"]), (&json!("2.1.0"), &json!("sca.vulnerable"), &json!("error")));
    assert_eq!(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "package-lock.json");
    let rule = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
    assert_eq!(sarif["runs"][0]["tool"]["driver"]["rules"][rule]["id"], "sca.vulnerable");
    let mended = scan("1.3.0", "text");
    assert_eq!(code(&mended), 0, "{}", out(&mended));
}

// R93
#[test]
fn what_is_not_pinned_or_not_read_is_never_counted_as_clean() {
    let folder = tempfile::tempdir().unwrap();
    let place = advisories(folder.path());
    for (file, content, says) in [
        ("requirements.txt", "requests>=2\n", "requests is not pinned"),
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
    let output = burgess(&["scan", &example("sales-quoting"), "--advisories", text(nothing.path())]);
    assert_eq!(code(&output), 2, "no advisories, no answer");
    assert!(err(&output).contains("holds no OSV archive"));
}

// R41 R92 R93
#[test]
fn scan_prints_the_records_of_the_oracle_for_every_labelled_manifest() {
    let (Some(cases), Some(archives)) = (samples("sca"), samples("osv")) else { return };
    let mut manifests = 0;
    for case in std::fs::read_dir(cases).unwrap().flatten().map(|entry| entry.path()) {
        for file in ["requirements.txt", "package-lock.json"].map(|file| case.join(file)).into_iter().filter(|file| file.exists()) {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            let expected: Value = serde_json::from_slice(&std::fs::read(case.join(format!("expected-{name}.json"))).unwrap()).unwrap();
            let output = burgess(&["scan", text(&file), "--advisories", text(&archives), "--format", "json"]);
            let printed = parsed(&output);
            compare(&case, &printed, &expected);
            let clean = printed["vulnerable"].as_array().unwrap().is_empty() && printed["unpinned"].as_array().unwrap().is_empty();
            let mutable = printed["skipped"].as_array().unwrap().iter().any(|skipped| skipped["mutable"] == true);
            assert_eq!(code(&output), i32::from(!clean || mutable), "{}", case.display());
            manifests += 1;
        }
    }
    assert!(manifests >= 10, "only {manifests} manifests");
}

fn compare(case: &Path, printed: &Value, expected: &Value) {
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let packages = |value: &Value| list(&value["packages"]).iter().map(|p| (word(&p["name"]), word(&p["version"]))).collect::<BTreeSet<_>>();
    assert_eq!(packages(printed), packages(expected), "{}", case.display());
    let wanted: BTreeSet<_> = list(&expected["vulnerable"]).iter().map(|v| (word(&v["package"]), word(&v["version"]), word(&v["id"]))).collect();
    let mut told = BTreeSet::new();
    for found in list(&printed["vulnerable"]) {
        let key = |id: &Value| (word(&found["name"]), word(&found["version"]), word(id));
        assert!(wanted.contains(&key(&found["id"])), "{}: {found}", case.display());
        told.insert(key(&found["id"]));
        told.extend(list(&found["aliases"]).iter().map(key));
    }
    assert!(wanted.is_subset(&told), "{}: not told {:?}", case.display(), wanted.difference(&told).collect::<Vec<_>>());
    assert_eq!(list(&printed["unpinned"]), list(&expected["unpinned"]), "{}", case.display());
}

#[test]
fn dlp_scan_prints_one_line_for_each_text_with_offsets_in_characters() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("texts.jsonl");
    std::fs::write(&file, "{\"text\": \"Zürich 🏔: pay with card 4111 1111 1111 1111\"}\n{\"text\": \"nothing here\"}\n").unwrap();
    let output = burgess(&["dlp", "scan", text(&file), "--format", "jsonl"]);
    assert_eq!(code(&output), 1, "a finding is a no");
    let lines: Vec<Value> = out(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    let span = &lines[0]["spans"][0];
    assert_eq!((&span["start"], &span["end"]), (&json!(24), &json!(43)), "{span}");
    assert_eq!((&span["type"], &span["class"], &span["grade"]), (&json!("CREDIT_CARD"), &json!("financial"), &json!("block")));
    assert!(span["score"].as_f64().is_some_and(|score| score > 0.9) && span["alternatives"].is_array());
    assert_eq!(lines[1], json!({ "spans": [] }));
    assert!(!out(&output).contains("4111"), "the value itself is printed");
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
    assert!(["CREDIT_CARD", "IBAN_CODE", "US_SSN", "SECRET_PRIVATE_KEY", "block"].iter().all(|word| explained.contains(word)));
}
