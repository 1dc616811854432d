//! Every PyPI requirements file and npm lock of the labelled samples, against independent oracles.

mod samples;

use std::collections::BTreeSet;
use std::path::Path;

use burgess_inspect::advisories::{Database, Scan, scan};
use burgess_inspect::lockfile;
use samples::folder;
use serde_json::Value;

fn pairs(list: &Value, first: &str) -> BTreeSet<(String, String)> {
    list.as_array()
        .expect("a list")
        .iter()
        .map(|entry| (text(&entry[first]), text(&entry["version"])))
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn found(scan: &Scan) -> BTreeSet<(String, String, String)> {
    scan.vulnerable
        .iter()
        .flat_map(|found| {
            found
                .records
                .iter()
                .map(|id| (found.name.clone(), found.version.clone(), id.clone()))
        })
        .collect()
}

fn compare(case: &Path, file: &str, database: &Database) -> usize {
    let expected =
        std::fs::read(case.join(format!("expected-{file}.json"))).expect("the expectation");
    let expected: Value = serde_json::from_slice(&expected).expect("JSON");
    let bytes = std::fs::read(case.join(file)).expect("the manifest");
    let manifest = lockfile::read(file, &bytes).expect("readable");
    let scan = scan(&manifest, database);
    let packages: BTreeSet<_> = manifest
        .packages
        .iter()
        .map(|package| (package.name.clone(), package.version.clone()))
        .collect();
    assert_eq!(
        packages,
        pairs(&expected["packages"], "name"),
        "packages of {}",
        case.display()
    );
    let wanted: BTreeSet<_> = expected["vulnerable"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| {
            (
                text(&entry["package"]),
                text(&entry["version"]),
                text(&entry["id"]),
            )
        })
        .collect();
    assert_eq!(
        found(&scan),
        wanted,
        "vulnerabilities of {}",
        case.display()
    );
    let list = |key: &str| expected[key].as_array().cloned().unwrap_or_default();
    assert_eq!(
        manifest.unpinned,
        list("unpinned").iter().map(text).collect::<Vec<_>>()
    );
    let elsewhere = list("direct_references").len() + list("non_registry").len();
    assert_eq!(
        scan.skipped.len(),
        elsewhere,
        "skipped of {}: {:?}",
        case.display(),
        scan.skipped
    );
    for package in manifest.packages.iter().filter(|package| package.dev) {
        let dev = list("dev_only");
        assert!(dev.is_empty() || dev.iter().any(|name| text(name) == package.name));
    }
    println!(
        "{}: {} packages, {} records",
        case.display(),
        packages.len(),
        wanted.len()
    );
    wanted.len()
}

// R41 R92 R93
#[test]
fn every_labelled_manifest_gives_exactly_the_records_of_its_oracle() {
    let (Some(cases), Some(archives)) = (folder("sca"), folder("osv")) else {
        return;
    };
    let mut database = Database::default();
    for archive in ["PyPI.zip", "npm.zip"] {
        let count = database
            .add_zip(&std::fs::read(archives.join(archive)).expect("readable"))
            .expect("OSV");
        println!("{archive}: {count} records");
    }
    let mut manifests = 0;
    let mut records = 0;
    for case in std::fs::read_dir(cases).expect("a folder").flatten() {
        for file in ["requirements.txt", "package-lock.json"] {
            if case.path().join(file).exists() {
                manifests += 1;
                records += compare(&case.path(), file, &database);
            }
        }
    }
    println!("{manifests} manifests, {records} records");
    assert!(manifests >= 10 && records >= 150);
}
