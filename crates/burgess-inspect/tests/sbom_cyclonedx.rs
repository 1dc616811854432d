//! The bill of materials: judged by a validator that is not ours, and by checks that it lacks.

mod samples;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use burgess_core::time::Timestamp;
use burgess_inspect::lockfile::{self, Manifest};
use burgess_inspect::sbom::{SbomError, Service, Subject, cyclonedx};
use serde_json::Value;

const SERIAL: &str = "urn:uuid:01a2b3c4-d5e6-4f70-8192-a3b4c5d6e7f8";

fn subject<'a>(
    manifests: &'a [Manifest],
    packages: &'a [String],
    services: &'a [Service],
) -> Subject<'a> {
    Subject {
        id: "microapp-sample",
        name: "Sample",
        version: "1.0.0",
        manifests,
        packages,
        services,
        serial_number: SERIAL,
        timestamp: Timestamp::parse("2026-01-18T14:22:30Z").expect("a time"),
    }
}

fn fixture(name: &str) -> Manifest {
    let path = format!("{}/tests/fixtures/sca/{name}", env!("CARGO_MANIFEST_DIR"));
    lockfile::read(name, &std::fs::read(path).expect("the fixture")).expect("readable")
}

/// An export of a low-code tool: packages without versions, connectors, hosts that are not all hosts.
fn low_code() -> Value {
    let packages = [
        "pkg:npm/n8n-nodes-base".to_owned(),
        "pkg:npm/%40n8n/n8n-nodes-langchain".to_owned(),
    ];
    let service = |name: &str, hosts: &[&str]| Service {
        name: name.to_owned(),
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
    };
    let services = [
        service(
            "n8n-nodes-base.httpRequest",
            &["api.crm.example", "localhost:1880", "env:BASE_URL", "a b"],
        ),
        service("n8n-nodes-base.mySql", &[]),
        service("n8n-nodes-base.mySql", &["db.example"]),
    ];
    cyclonedx(&subject(&[], &packages, &services)).expect("a document")
}

fn from_manifests() -> Value {
    let manifests = [fixture("requirements.txt"), fixture("package-lock.json")];
    cyclonedx(&subject(&manifests, &[], &[])).expect("a document")
}

fn strings<'a>(list: &'a Value, key: &str) -> Vec<&'a str> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(|entry| entry[key].as_str())
        .collect()
}

/// What the schema does not ask: package URLs read by the rules of their type, references that lead
/// somewhere, nothing twice.
fn check_closed(document: &Value) {
    let refs: Vec<&str> = [
        strings(&document["components"], "bom-ref"),
        strings(&document["services"], "bom-ref"),
        vec![
            document["metadata"]["component"]["bom-ref"]
                .as_str()
                .expect("a reference"),
        ],
    ]
    .concat();
    let known: BTreeSet<&str> = refs.iter().copied().collect();
    assert_eq!(known.len(), refs.len(), "a reference stands twice");
    let listed = strings(&document["dependencies"], "ref");
    let nodes: BTreeSet<&str> = listed.iter().copied().collect();
    assert_eq!(nodes.len(), listed.len(), "a dependency entry stands twice");
    assert_eq!(nodes, known, "the graph does not name every component");
    for entry in document["dependencies"].as_array().expect("a list") {
        let needs: Vec<&str> = entry["dependsOn"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let distinct: BTreeSet<&str> = needs.iter().copied().collect();
        assert_eq!(distinct.len(), needs.len());
        assert!(
            distinct.is_subset(&known) && !distinct.contains(entry["ref"].as_str().expect("text"))
        );
    }
    for assembly in document["compositions"][0]["assemblies"]
        .as_array()
        .expect("a list")
    {
        assert!(known.contains(assembly.as_str().expect("text")));
    }
}

const JUDGE: &str = r#"
import json, sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
try:
    from packageurl import PackageURL
except ImportError:
    PackageURL = None
validator = JsonStrictValidator(SchemaVersion.V1_6)
for line in sys.stdin:
    error = validator.validate_str(line)
    for component in json.loads(line).get("components", []):
        if error is None and PackageURL is not None:
            read = PackageURL.from_string(component["purl"])
            if (read.to_string(), read.name, read.version) != (component["purl"], component["name"], component.get("version")):
                error = "the package URL %s does not say what its component says" % component["purl"]
    print("accepted" if error is None else "refused: %s" % str(error).splitlines()[0])
"#;

/// The interpreter that has the validator; `None` after saying why there is none.
fn interpreter() -> Option<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the test runner names the interpreter"
    )]
    let (named, ci) = (std::env::var("BURGESS_PYTHON"), std::env::var("CI"));
    let python = named.unwrap_or_else(|_| "python3".to_owned());
    let has = Command::new(&python)
        .args(["-c", "import cyclonedx.validation.json"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if has {
        return Some(python);
    }
    assert!(
        !ci.is_ok_and(|ci| ci == "true"),
        "`{python}` has no cyclonedx-python-lib[validation]"
    );
    println!("SKIPPED `{python}` has no cyclonedx-python-lib[validation]");
    None
}

/// What the validator says of each document: nothing, or why it refuses it.
fn judge(python: &str, documents: &[Value]) -> Vec<String> {
    let mut child = Command::new(python)
        .args(["-c", JUDGE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("an interpreter");
    let lines: String = documents
        .iter()
        .map(|document| format!("{document}\n"))
        .collect();
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(lines.as_bytes())
        .expect("written");
    let output = child.wait_with_output().expect("ended");
    assert!(output.status.success(), "the validator broke");
    let verdicts: Vec<String> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .collect();
    assert_eq!(verdicts.len(), documents.len());
    verdicts
}

// R150
#[test]
fn an_outside_validator_accepts_the_bill_of_a_low_code_export_and_of_manifests() {
    let Some(python) = interpreter() else { return };
    let mut broken = low_code();
    broken["components"][0]["type"] = Value::from("thing");
    let verdicts = judge(&python, &[low_code(), from_manifests(), broken]);
    assert_eq!(
        verdicts.get(..2),
        Some(["accepted".to_owned(), "accepted".to_owned()].as_slice())
    );
    assert!(
        verdicts.last().expect("three").starts_with("refused"),
        "the judge accepts anything"
    );
}

#[test]
fn an_outside_validator_accepts_the_bill_of_every_labelled_manifest() {
    let (Some(cases), Some(python)) = (samples::folder("sca"), interpreter()) else {
        return;
    };
    let mut documents = Vec::new();
    for case in std::fs::read_dir(cases).expect("a folder").flatten() {
        for file in ["requirements.txt", "package-lock.json"] {
            let Ok(bytes) = std::fs::read(case.path().join(file)) else {
                continue;
            };
            let manifests = [lockfile::read(file, &bytes).expect("readable")];
            let document = cyclonedx(&subject(&manifests, &[], &[])).expect("a document");
            check_closed(&document);
            documents.push(document);
        }
    }
    let verdicts = judge(&python, &documents);
    println!("{} bills: {verdicts:?}", verdicts.len());
    assert!(verdicts.len() >= 10 && verdicts.iter().all(|verdict| verdict == "accepted"));
}

// R150
#[test]
fn a_bill_lists_each_package_once_and_its_references_are_closed() {
    for document in [low_code(), from_manifests()] {
        check_closed(&document);
        assert_eq!(document["specVersion"], "1.6");
        assert_eq!(document["serialNumber"], SERIAL);
        assert_eq!(document["metadata"]["component"]["name"], "Sample");
    }
}

// R11
#[test]
fn a_bill_knows_hashes_licences_and_who_needs_whom() {
    let document = from_manifests();
    let components = document["components"].as_array().expect("a list");
    let left = components
        .iter()
        .find(|component| component["name"] == "left")
        .expect("left");
    assert_eq!(left["hashes"][0]["alg"], "SHA-512");
    assert_eq!(left["licenses"][0]["license"]["id"], "MIT");
    let graph = document["dependencies"].as_array().expect("a list");
    let of = |name: &str| {
        graph.iter().find(|entry| entry["ref"] == name).expect(name)["dependsOn"].clone()
    };
    assert_eq!(
        of("pkg:npm/left@1.0.0"),
        serde_json::json!(["pkg:npm/deep@1.5.0"])
    );
    assert_eq!(
        of("pkg:npm/deep@1.5.0"),
        serde_json::json!(["pkg:npm/%40scope/real@2.1.0-rc.1"])
    );
    assert_eq!(
        strings(&document["components"], "purl").len(),
        components.len()
    );
}

// R150
#[test]
fn a_bill_says_what_it_could_not_list() {
    let document = from_manifests();
    assert_eq!(document["compositions"][0]["aggregate"], "incomplete");
    let properties = &document["metadata"]["component"]["properties"];
    let missing: Vec<&str> = properties
        .as_array()
        .expect("a list")
        .iter()
        .filter(|property| property["name"] == "burgess:not-listed")
        .filter_map(|property| property["value"].as_str())
        .collect();
    assert!(
        missing.contains(&"pkg:pypi/loose: no version is pinned"),
        "{missing:?}"
    );
    assert!(
        missing
            .iter()
            .any(|missing| missing.contains("git.example/x.git"))
    );
    let whole = [fixture("requirements.txt")].map(|mut manifest| {
        manifest.unpinned.clear();
        manifest.skipped.clear();
        manifest
    });
    let document = cyclonedx(&subject(&whole, &[], &[])).expect("a document");
    assert_eq!(document["compositions"][0]["aggregate"], "complete");
}

#[test]
fn a_bill_shows_what_the_app_calls() {
    let document = low_code();
    assert_eq!(
        document["services"][0]["endpoints"],
        serde_json::json!(["https://api.crm.example", "https://localhost:1880"])
    );
    assert_eq!(document["services"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        document["services"][1]["endpoints"],
        serde_json::json!(["https://db.example"])
    );
}

#[test]
fn equal_inputs_give_equal_bytes_and_wrong_ones_an_error() {
    assert_eq!(from_manifests().to_string(), from_manifests().to_string());
    let bad = ["npm:x".to_owned()];
    assert!(matches!(
        cyclonedx(&subject(&[], &bad, &[])),
        Err(SbomError::Purl(_))
    ));
    let serial = Subject {
        serial_number: "urn:uuid:1",
        ..subject(&[], &[], &[])
    };
    assert!(matches!(cyclonedx(&serial), Err(SbomError::Serial(_))));
    let nameless = Subject {
        name: " ",
        ..subject(&[], &[], &[])
    };
    assert_eq!(cyclonedx(&nameless), Err(SbomError::Nameless("name")));
}
