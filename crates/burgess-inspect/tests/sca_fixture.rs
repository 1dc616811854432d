//! Software composition analysis on our own small manifests and our own advisory archive.

use std::io::{Cursor, Write as _};

use burgess_core::finding::Severity as Gravity;
use burgess_core::time::Timestamp;
use burgess_inspect::advisories::{AdvisoryError, Database, Scan, Severity, scan};
use burgess_inspect::lockfile::{self, Ecosystem, Manifest};
use serde_json::{Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

fn record(id: &str, ecosystem: &str, name: &str, events: &[(&str, &str)]) -> Value {
    let events: Vec<Value> = events
        .iter()
        .map(|(kind, version)| json!({ *kind: version }))
        .collect();
    let kind = if ecosystem == "npm" {
        "SEMVER"
    } else {
        "ECOSYSTEM"
    };
    json!({
        "id": id,
        "modified": "2026-01-02T03:04:05Z",
        "affected": [{
            "package": { "ecosystem": ecosystem, "name": name },
            "ranges": [{ "type": kind, "events": events }],
        }],
    })
}

fn with(mut record: Value, key: &str, value: Value) -> Value {
    record
        .as_object_mut()
        .expect("an object")
        .insert(key.to_owned(), value);
    record
}

fn archive(records: &[Value]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for record in records {
        let name = format!("{}.json", record["id"].as_str().expect("an id"));
        zip.start_file(name, SimpleFileOptions::default())
            .expect("a new entry");
        zip.write_all(record.to_string().as_bytes())
            .expect("written");
    }
    zip.finish().expect("closed").into_inner()
}

fn pypi() -> Vec<Value> {
    vec![
        with(
            record(
                "FIX-1",
                "PyPI",
                "sample-lib",
                &[("introduced", "0"), ("fixed", "1.3.0")],
            ),
            "aliases",
            json!(["CVE-1"]),
        ),
        with(
            with(
                record(
                    "FIX-2",
                    "PyPI",
                    "Sample.Lib",
                    &[("introduced", "1.0"), ("fixed", "1.2.5")],
                ),
                "aliases",
                json!(["CVE-1", "CVE-2"]),
            ),
            "severity",
            json!([{ "type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H" }]),
        ),
        // Shares no name with FIX-1, only with FIX-2: still the same vulnerability.
        with(
            record(
                "FIX-3",
                "PyPI",
                "sample-lib",
                &[("introduced", "1.1"), ("fixed", "1.2.1")],
            ),
            "aliases",
            json!(["CVE-2"]),
        ),
        record("FIX-4", "PyPI", "sample-lib", &[("introduced", "1.3.0")]),
        with(
            record("FIX-5", "PyPI", "other-lib", &[("introduced", "0")]),
            "withdrawn",
            json!("2026-01-01T00:00:00Z"),
        ),
        record("FIX-6", "PyPI", "loose", &[("introduced", "0")]),
    ]
}

fn read(name: &str) -> Manifest {
    let path = format!("{}/tests/fixtures/sca/{name}", env!("CARGO_MANIFEST_DIR"));
    lockfile::read(name, &std::fs::read(path).expect("the fixture")).expect("readable")
}

fn scanned(name: &str, records: &[Value]) -> Scan {
    scan(
        &read(name),
        &Database::from_zip(&archive(records)).expect("an archive"),
    )
}

// R41 R92
#[test]
fn a_package_with_a_known_vulnerability_stops_the_gate_and_names_the_fix() {
    let scan = scanned("requirements.txt", &pypi());
    let found: Vec<_> = scan
        .vulnerable
        .iter()
        .map(|found| (found.name.as_str(), found.id.as_str()))
        .collect();
    assert_eq!(found, [("sample-lib", "FIX-1")]);
    let findings = scan.findings("requirements.txt");
    let finding = findings
        .iter()
        .find(|finding| finding.rule == "sca.vulnerable")
        .expect("a finding");
    assert!(finding.blocks() && finding.severity == Gravity::Critical);
    assert_eq!(
        finding.message,
        "sample-lib 1.2.0 has known vulnerabilities: FIX-1"
    );
    assert_eq!(finding.remedy, "move to 1.2.1 or later");
    assert!(!scan.is_clean());
}

// R41
#[test]
fn records_that_mean_the_same_vulnerability_are_one_finding() {
    let scan = scanned("requirements.txt", &pypi());
    let found = scan.vulnerable.first().expect("one");
    assert_eq!(found.records, ["FIX-1", "FIX-2", "FIX-3"]);
    assert_eq!(found.aliases, ["CVE-1", "CVE-2", "FIX-2", "FIX-3"]);
    assert_eq!(found.severity, Severity::Critical);
    assert_eq!(found.fixed, ["1.2.1", "1.2.5", "1.3.0"]);
}

// R93
#[test]
fn an_unpinned_package_or_a_branch_stops_the_gate() {
    let scan = scanned("requirements.txt", &pypi());
    assert_eq!(scan.manifest.unpinned, ["loose"]);
    let rules: Vec<_> = scan
        .findings("requirements.txt")
        .into_iter()
        .filter(burgess_core::finding::Finding::blocks)
        .map(|finding| finding.rule)
        .collect();
    assert_eq!(
        rules,
        ["sca.vulnerable", "sca.unpinned", "sca.unpinned-reference"]
    );
}

// R92
#[test]
fn a_scan_without_records_is_not_a_clean_scan() {
    let npm = [record(
        "FIX-9",
        "npm",
        "left",
        &[("introduced", "0"), ("fixed", "0.1.0")],
    )];
    let scan = scanned("requirements.txt", &npm);
    assert!(scan.vulnerable.is_empty() && !scan.is_clean());
    let findings = scan.findings("requirements.txt");
    assert!(
        findings
            .iter()
            .any(|finding| finding.rule == "sca.no-advisories" && finding.blocks())
    );
}

#[test]
fn a_package_lock_is_read_with_aliases_nesting_and_what_is_not_from_the_registry() {
    let manifest = read("package-lock.json");
    let packages: Vec<_> = manifest
        .packages
        .iter()
        .map(|package| (package.purl.as_str(), package.dev))
        .collect();
    assert_eq!(
        packages,
        [
            ("pkg:npm/deep@2.0.0", true),
            ("pkg:npm/left@1.0.0", false),
            ("pkg:npm/deep@1.5.0", false),
            ("pkg:npm/%40scope/real@2.1.0-rc.1", false),
        ]
    );
    let left = manifest
        .packages
        .iter()
        .find(|package| package.name == "left")
        .expect("left");
    assert_eq!(left.needs, ["pkg:npm/deep@1.5.0"]);
    assert_eq!(left.licence.as_deref(), Some("MIT"));
    assert!(
        left.hashes
            .iter()
            .all(|hash| hash.algorithm == "SHA-512" && hash.hex.len() == 128)
    );
    assert_eq!(
        manifest.direct,
        [
            "pkg:npm/%40scope/real@2.1.0-rc.1",
            "pkg:npm/deep@2.0.0",
            "pkg:npm/left@1.0.0"
        ]
    );
    let skipped: Vec<_> = manifest
        .skipped
        .iter()
        .map(|skipped| (skipped.what.as_str(), skipped.mutable))
        .collect();
    assert_eq!(skipped.len(), 2);
    assert!(
        skipped
            .iter()
            .all(|(what, mutable)| !mutable && (what.contains("forked") || what.contains("own")))
    );
}

#[test]
fn an_alias_is_looked_up_under_its_real_name_and_a_fork_not_at_all() {
    let records = [
        record(
            "FIX-7",
            "npm",
            "@scope/real",
            &[("introduced", "2.0.0"), ("fixed", "2.1.0")],
        ),
        record("FIX-8", "npm", "nick", &[("introduced", "0")]),
        record("FIX-9", "npm", "forked", &[("introduced", "0")]),
        record(
            "MAL-1",
            "npm",
            "deep",
            &[("introduced", "1.0.0"), ("last_affected", "1.5.0")],
        ),
    ];
    let scan = scanned("package-lock.json", &records);
    let found: Vec<_> = scan
        .vulnerable
        .iter()
        .map(|found| (found.id.as_str(), found.severity))
        .collect();
    assert_eq!(
        found,
        [("MAL-1", Severity::Critical), ("FIX-7", Severity::Unknown)]
    );
}

#[test]
fn the_report_has_the_published_keys_and_the_age_of_the_records() {
    let now = Timestamp::parse("2026-01-12T03:04:05Z").expect("a time");
    let report = scanned("requirements.txt", &pypi()).to_json(now);
    assert_eq!(report["packages"][0]["name"], "sample-lib");
    assert_eq!(report["vulnerable"][0]["ecosystem"], "PyPI");
    assert_eq!(report["vulnerable"][0]["severity"], "critical");
    assert_eq!(report["unpinned"], json!(["loose"]));
    assert_eq!(
        report["skipped"][0]["why"],
        "a source repository, not a registry version"
    );
    assert_eq!(report["advisories"]["age_days"], 10);
    assert_eq!(report["advisories"]["records"], 5);
}

#[test]
fn a_broken_archive_adds_nothing() {
    let mut database = Database::from_zip(&archive(&pypi())).expect("an archive");
    let before = database.source(Ecosystem::PyPI).cloned();
    let mut records = vec![record("NEW-1", "PyPI", "clean", &[("introduced", "0")])];
    records.push(json!({ "id": "NEW-2", "affected": [{ "package": 7 }] }));
    assert!(matches!(
        database.add_zip(&archive(&records)),
        Err(AdvisoryError::Record { .. })
    ));
    assert!(matches!(
        database.add_zip(b"PK no"),
        Err(AdvisoryError::Archive(_))
    ));
    assert!(matches!(
        database.add_zip(&archive(&[])),
        Err(AdvisoryError::Empty)
    ));
    assert_eq!(database.source(Ecosystem::PyPI).cloned(), before);
}

#[test]
fn broken_manifests_are_errors_that_say_where() {
    for (name, text, message) in [
        (
            "requirements.txt",
            "a==1\n!!",
            "requirements.txt:2: expected a requirement such as `name==1.2.3`, found `!!`",
        ),
        (
            "package-lock.json",
            "{\n\"lockfileVersion\": 9}",
            "package-lock.json:1: expected a package-lock.json of lockfileVersion 1, 2 or 3, found `lockfileVersion 9`",
        ),
        (
            "Gemfile.lock",
            "",
            "`Gemfile.lock` is no manifest that is read here: use requirements.txt or package-lock.json",
        ),
    ] {
        let error = lockfile::read(name, text.as_bytes()).expect_err(name);
        assert_eq!(error.to_string(), message);
    }
    let error = lockfile::read("package-lock.json", b"{\n\n!").expect_err("broken");
    assert!(
        error
            .to_string()
            .starts_with("package-lock.json:3: expected"),
        "{error}"
    );
}
