//! `check`, `sbom`, `policy check` and wrong calls: what a developer can know before
//! asking, and how the binary says that it was asked wrongly.

use std::path::Path;

use serde_json::{Value, json};

use crate::calling::{burgess, code, err, out, parsed, place, text};

/// A small app that connects to nothing, with everything that is asked for.
const CHARTER: &str = r##"schema = "burgess.charter/1"
id = "microapp-lunch-poll"
version = "1.0.0"

[app]
name = "Lunch poll"
purpose = "Ask the team where to eat"
unit = "facilities"
developer = "dana@example.com"
owner = "olu@example.com"
second_owner = "mei@example.com"
users = 9
environments = ["sandbox"]

[[data]]
name = "lunch_places"
classification = "public"
actions = ["read"]
purpose = "the choice"

[support]
remediation_sla = "10d"
contacts = ["#facilities"]

[retention]
label = "transient-30d"
days = 30
"##;

const WORKFLOW: &str = r#"{"name":"Lunch poll","nodes":[
 {"parameters":{},"id":"1","name":"Start","type":"n8n-nodes-base.manualTrigger","typeVersion":1,"position":[0,0]},
 {"parameters":{},"id":"2","name":"Set","type":"n8n-nodes-base.set","typeVersion":1,"position":[1,0]}],
 "connections":{"Start":{"main":[[{"node":"Set","type":"main","index":0}]]}}}"#;

fn app(folder: &Path, charter: &str, workflow: &str) {
    std::fs::write(folder.join("charter.toml"), charter).unwrap();
    std::fs::write(folder.join("workflow.json"), workflow).unwrap();
    std::fs::copy(
        place("examples/sales-quoting/README.md"),
        folder.join("README.md"),
    )
    .unwrap();
}

fn check(folder: &Path) -> (i32, Value) {
    let output = burgess(&["check", text(folder), "--format", "json"]);
    (code(&output), parsed(&output))
}

fn rules(checked: &Value) -> Vec<String> {
    checked["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["rule"].as_str().unwrap().to_owned())
        .collect()
}

// R31 R144
#[test]
fn a_small_app_with_all_controls_is_told_that_it_will_be_approved_automatically() {
    let folder = tempfile::tempdir().unwrap();
    app(folder.path(), CHARTER, WORKFLOW);
    let (code, checked) = check(folder.path());
    assert_eq!(
        (code, &checked["risk"]["route"], &checked["risk"]["band"]),
        (0, &json!("auto"), &json!("low")),
        "{checked}"
    );
    for (from, to) in [
        ("users = 9", "users = 10"),
        ("classification = \"public\"", "classification = \"pii\""),
        ("second_owner = \"mei@example.com\"\n", ""),
    ] {
        app(folder.path(), &CHARTER.replace(from, to), WORKFLOW);
        assert_eq!(check(folder.path()).1["risk"]["route"], "review", "{to}");
    }
    app(
        folder.path(),
        CHARTER,
        &WORKFLOW.replace("n8n-nodes-base.set", "n8n-nodes-base.executeCommand"),
    );
    assert_eq!(
        check(folder.path()).1["risk"]["route"],
        "review",
        "what the app shows counts, whatever its charter says"
    );
}

// R34 R35 R36
#[test]
fn check_names_every_control_that_is_missing_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let bare = CHARTER
        .replace(
            "owner = \"olu@example.com\"\nsecond_owner = \"mei@example.com\"\n",
            "",
        )
        .replace("remediation_sla = \"10d\"\n", "")
        .replace("[retention]\nlabel = \"transient-30d\"\ndays = 30\n", "");
    app(folder.path(), &bare, WORKFLOW);
    let (code, checked) = check(folder.path());
    assert_eq!(code, 1);
    let rules = rules(&checked);
    for control in [
        "control.owner",
        "control.second-owner",
        "control.remediation-sla",
        "control.retention-label",
    ] {
        assert!(
            rules.iter().any(|rule| rule == control),
            "{control} is not among {rules:?}"
        );
    }
}

#[test]
fn the_example_has_nothing_to_mend_and_the_bad_readme_has() {
    let good = burgess(&["check", &place("examples/sales-quoting")]);
    assert_eq!(code(&good), 0, "{}", out(&good));
    assert!(
        out(&good).contains("nothing to mend before asking")
            && out(&good).contains("later, at the gates"),
        "{}",
        out(&good)
    );
    let bad = burgess(&["check", &place("examples/bad-readme"), "--format", "json"]);
    let rules = rules(&parsed(&bad));
    assert_eq!(code(&bad), 1);
    assert!(
        rules.iter().any(|rule| rule == "charter.none")
            && rules
                .iter()
                .filter(|rule| rule.starts_with("readme."))
                .count()
                >= 5,
        "{rules:?}"
    );
}

#[test]
fn check_finds_a_secret_an_undeclared_host_a_wrong_charter_and_packages_that_nobody_looked_up() {
    let folder = tempfile::tempdir().unwrap();
    let call = WORKFLOW.replace(
        r#"{"parameters":{},"id":"2","name":"Set","type":"n8n-nodes-base.set""#,
        r#"{"parameters":{"url":"https://api.elsewhere.example.com/v1"},"id":"2","name":"Set","type":"n8n-nodes-base.httpRequest""#,
    );
    app(folder.path(), CHARTER, &call);
    let key = "AKIAIOSFODNN7EXAMPLE";
    std::fs::write(folder.path().join("notes.txt"), format!("aws_access_key_id = {key}\naws_secret_access_key = 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\n")).unwrap();
    std::fs::write(folder.path().join("requirements.txt"), "requests==2.0.0\n").unwrap();
    let output = burgess(&["check", text(folder.path()), "--format", "json"]);
    let found = rules(&parsed(&output));
    assert_eq!(code(&output), 1);
    assert!(
        !out(&output).contains("wJalrXUtnFEMI"),
        "the secret is printed"
    );
    for rule in ["charter.undeclared-host", "sca.no-advisories"] {
        assert!(
            found.iter().any(|found| found == rule),
            "{rule} is not among {found:?}"
        );
    }
    assert!(
        found.iter().any(|rule| rule.starts_with("secret.")),
        "{found:?}"
    );
    app(
        folder.path(),
        &CHARTER.replace("users = 9", "users = \"nine\""),
        WORKFLOW,
    );
    let (code, checked) = check(folder.path());
    let wrong = checked["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["rule"] == "charter.invalid")
        .unwrap();
    assert_eq!((code, &wrong["pointer"]), (1, &json!("12:9")), "{wrong}");
}

#[test]
fn sbom_lists_packages_and_what_the_app_calls_and_other_formats_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    app(folder.path(), CHARTER, WORKFLOW);
    std::fs::write(folder.path().join("requirements.txt"), "requests==2.32.3\n").unwrap();
    let bill = parsed(&burgess(&[
        "sbom",
        text(folder.path()),
        "--format",
        "cyclonedx",
    ]));
    assert_eq!(
        (&bill["bomFormat"], &bill["specVersion"]),
        (&json!("CycloneDX"), &json!("1.6"))
    );
    let components = bill["components"].as_array().unwrap();
    assert!(
        components
            .iter()
            .any(|component| component["purl"] == "pkg:pypi/requests@2.32.3"),
        "{bill}"
    );
    for format in ["json", "sarif", "spdx"] {
        let output = burgess(&["sbom", text(folder.path()), "--format", format]);
        assert_eq!((code(&output), out(&output).as_str()), (2, ""), "{format}");
        assert!(err(&output).contains("cyclonedx"));
    }
}

#[test]
fn policy_check_accepts_the_published_set_and_names_what_does_not_fit() {
    let good = burgess(&["policy", "check", &place("policies")]);
    assert_eq!(code(&good), 0, "{}", out(&good));
    assert!(out(&good).contains("digest "));
    let folder = tempfile::tempdir().unwrap();
    let dir = text(folder.path());
    assert_eq!(
        code(&burgess(&["policy", "check", dir])),
        2,
        "an empty folder is a wrong call"
    );
    for (policy, says) in [
        ("permit(principal, action, resource);", "@id"),
        (
            "@id(\"x\") @reason(\"y\") permit(principal, action == Action::\"noSuchAction\", resource);",
            "noSuchAction",
        ),
        ("permit(principal, action, resource", "cannot be read"),
    ] {
        std::fs::write(folder.path().join("own.cedar"), policy).unwrap();
        let output = burgess(&["policy", "check", dir]);
        assert_eq!(code(&output), 1, "{policy}");
        assert!(out(&output).contains(says), "{}", out(&output));
    }
}

#[test]
fn a_wrong_call_is_told_from_a_no_by_its_exit_code() {
    for call in [
        vec![],
        vec!["fly"],
        vec!["inspect"],
        vec!["inspect", "/nowhere"],
        vec!["inspect", "/dev/null"],
        vec!["risk", "charter.toml", "--format", "yaml"],
        vec!["inspect", "Cargo.toml", "--format", "sarif"],
        vec!["scan", ".", "--advisories", "/nowhere"],
        vec!["dlp", "scan"],
        vec!["audit", "verify", "/nowhere", "--key", "x+y+z"],
        vec!["login", "https://burgess.example/sign-in/x"],
    ] {
        let output = burgess(&call);
        assert_eq!((code(&output), out(&output).as_str()), (2, ""), "{call:?}");
        assert!(!output.stderr.is_empty(), "{call:?}");
    }
}

#[test]
fn every_verb_has_help() {
    for verb in [
        "demo",
        "up",
        "invite",
        "recover",
        "doctor",
        "inspect",
        "charter",
        "risk",
        "check",
        "scan",
        "advisories",
        "sbom",
        "dlp",
        "policy",
        "login",
        "request",
        "status",
        "approve",
        "deploy",
        "rollback",
        "retire",
        "audit",
        "completions",
        "man",
    ] {
        let output = burgess(&[verb, "--help"]);
        assert_eq!(code(&output), 0, "{verb}");
        assert!(out(&output).contains("Usage: burgess"), "{verb}");
    }
}
