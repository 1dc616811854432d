//! Each control, met by complete evidence and unmet when its piece is taken away.

use burgess_core::app::Environment;
use burgess_core::charter::Charter;
use burgess_core::digest::Digest;
use burgess_core::evidence::{ControlId, Evidence, OpenFinding, Status, TestResult, controls};
use burgess_core::finding::{Finding, Severity};
use burgess_core::time::Span;

use crate::sample::{SMALL, WHOLE, artifact, evidence, mail, now, small, whole};

fn finding(severity: Severity) -> Finding {
    Finding {
        rule: "rule".to_owned(),
        severity,
        file: "workflow.json".to_owned(),
        pointer: "/nodes/3".to_owned(),
        message: "something was found".to_owned(),
        remedy: "mend it".to_owned(),
    }
}

fn justified() -> Charter {
    Charter::parse(&WHOLE.replacen(
        "justification = \"\"",
        "justification = \"it files quotes\"",
        1,
    ))
    .unwrap()
}

fn unmet(charter: &Charter, evidence: &Evidence, target: Environment) -> Vec<&'static str> {
    controls(charter, evidence, target, now())
        .unmet()
        .map(|control| control.id.as_str())
        .collect()
}

/// Complete evidence changed by `change` lacks exactly `id`, for production.
fn lacks(id: &str, change: impl FnOnce(&mut Evidence)) {
    let mut evidence = evidence();
    change(&mut evidence);
    assert_eq!(
        unmet(&justified(), &evidence, Environment::Production),
        [id]
    );
}

#[test]
fn complete_evidence_meets_every_control() {
    let controls = controls(&justified(), &evidence(), Environment::Production, now());
    assert!(controls.all_met(), "{controls:#?}");
    assert_eq!(controls.0.len(), ControlId::ALL.len());
}

#[test]
fn no_evidence_at_all_meets_no_control_that_needs_some() {
    let found = unmet(&justified(), &Evidence::default(), Environment::Production);
    assert_eq!(
        found,
        [
            "readme",
            "tests",
            "static-checks",
            "no-secrets",
            "pinned",
            "not-vulnerable",
            "sbom",
            "timing-documented",
            "timing-report"
        ]
    );
}

#[test]
fn what_stands_in_readme_artifact_and_packages_counts() {
    lacks("readme", |e| {
        e.readme
            .as_mut()
            .unwrap()
            .missing_sections
            .push("Data flows".to_owned())
    });
    lacks("no-secrets", |e| e.secrets.push(finding(Severity::Note)));
    lacks("no-secrets", |e| e.secrets_searched = false);
    lacks("static-checks", |e| {
        e.findings.push(finding(Severity::Error))
    });
    lacks("pinned", |e| {
        e.packages
            .as_mut()
            .unwrap()
            .unpinned
            .push("left-pad".to_owned())
    });
    lacks("not-vulnerable", |e| {
        e.packages
            .as_mut()
            .unwrap()
            .vulnerable
            .push(finding(Severity::Critical))
    });
    lacks("manifest", |e| {
        e.facts.capabilities.push("exec:shell".to_owned())
    });
    lacks("manifest", |e| e.facts.agent = true);
    let mut warned = evidence();
    warned.findings.push(finding(Severity::Warning));
    assert!(unmet(&justified(), &warned, Environment::Production).is_empty());
}

#[test]
fn third_party_code_that_was_not_scanned_is_unmet_and_an_app_without_any_needs_no_scan() {
    let bare = Evidence {
        packages: None,
        ..evidence()
    };
    assert_eq!(
        unmet(&justified(), &bare, Environment::Production),
        ["pinned", "not-vulnerable"]
    );
    let small = controls(&small(), &bare, Environment::Sandbox, now());
    assert_eq!(
        small.status(ControlId::Pinned),
        Some(&Status::NotApplicable)
    );
}

// R204
#[test]
fn each_test_case_of_the_readme_has_passed_on_this_very_artifact() {
    lacks("tests", |e| e.tests.clear());
    lacks("tests", |e| e.tests[0].passed = false);
    lacks("tests", |e| {
        e.tests[0].artifact = Digest::of(b"an older export")
    });
    lacks("tests", |e| {
        e.readme
            .as_mut()
            .unwrap()
            .test_cases
            .push("refuses an empty basket".to_owned())
    });
    lacks("tests", |e| e.readme.as_mut().unwrap().test_cases.clear());
    // The last result counts.
    let again = |passed, hours| TestResult {
        passed,
        at: now().plus(Span::hours(hours)),
        ..evidence().tests[0].clone()
    };
    lacks("tests", |e| e.tests = vec![again(false, 2), again(true, 1)]);
    let mut mended = evidence();
    mended.tests = vec![again(true, 2), again(false, 1)];
    assert!(unmet(&justified(), &mended, Environment::Production).is_empty());
}

// R95
#[test]
fn an_sbom_is_required_when_the_app_integrates_with_external_services() {
    let without = Evidence {
        sbom: None,
        ..evidence()
    };
    for target in Environment::ALL {
        assert!(
            unmet(&justified(), &without, target).contains(&"sbom"),
            "{target}"
        );
    }
    assert!(!unmet(&small(), &without, Environment::Sandbox).contains(&"sbom"));
    let mut calls = without;
    calls.facts.external_hosts.push("api.example".to_owned());
    assert!(unmet(&small(), &calls, Environment::Sandbox).contains(&"sbom"));
}

// R96
#[test]
fn an_sbom_is_required_in_staging_and_production_even_without_connections() {
    let without = Evidence {
        sbom: None,
        ..evidence()
    };
    for (target, required) in [
        (Environment::Sandbox, false),
        (Environment::Staging, true),
        (Environment::Production, true),
    ] {
        assert_eq!(
            unmet(&small(), &without, target).contains(&"sbom"),
            required,
            "{target}"
        );
    }
}

// R42
#[test]
fn an_agent_files_or_automation_need_a_justification() {
    let all = unmet(&whole(), &evidence(), Environment::Production);
    assert_eq!(all, ["justification"]);
    for declared in [
        "agent = true",
        "automation = [\"shell\"]",
        "files = [{ path = \"/srv\", access = \"write\" }]",
    ] {
        let text = format!("{SMALL}\n[capabilities]\n{declared}\n");
        let charter = Charter::parse(&text).unwrap();
        assert_eq!(
            unmet(&charter, &evidence(), Environment::Sandbox),
            ["justification"],
            "{declared}"
        );
        let charter = Charter::parse(&format!("{text}justification = \"why\"\n")).unwrap();
        assert!(unmet(&charter, &evidence(), Environment::Sandbox).is_empty());
    }
}

// R44 R99
#[test]
fn a_timing_budget_asks_for_report_critical_path_latency_and_failure_modes() {
    lacks("timing-report", |e| e.timing = None);
    lacks("timing-report", |e| {
        e.timing.as_mut().unwrap().within_budget = false
    });
    lacks("timing-documented", |e| {
        e.readme.as_mut().unwrap().states_latency = false
    });
    lacks("timing-documented", |e| {
        e.readme.as_mut().unwrap().states_failure_modes = false
    });
    let mut charter = justified();
    charter.timing.as_mut().unwrap().critical_path.clear();
    assert_eq!(
        unmet(&charter, &evidence(), Environment::Production),
        ["timing-documented"]
    );
    charter.timing = None;
    let bare = Evidence {
        timing: None,
        ..evidence()
    };
    assert!(unmet(&charter, &bare, Environment::Production).is_empty());
}

// R205
#[test]
fn a_finding_that_is_open_after_its_sla_is_overdue() {
    let open = |days, mended_at| OpenFinding {
        finding: finding(Severity::Error),
        found_at: now().minus(Span::days(days)),
        mended_at,
    };
    // The charter promises five days.
    lacks("remediation-in-time", |e| {
        e.open_findings = vec![open(6, None)]
    });
    for in_time in [open(5, None), open(6, Some(now()))] {
        let evidence = Evidence {
            open_findings: vec![in_time],
            ..evidence()
        };
        assert!(unmet(&justified(), &evidence, Environment::Production).is_empty());
    }
}

#[test]
fn a_second_owner_is_somebody_else() {
    let charter = Charter::parse(&SMALL.replacen("mei@", "olu@", 1)).unwrap();
    assert_eq!(
        unmet(&charter, &evidence(), Environment::Sandbox),
        ["second-owner"]
    );
}

#[test]
fn every_unmet_control_says_what_would_satisfy_it() {
    for control in controls(
        &Charter::blank(small().id, "x"),
        &Evidence::default(),
        Environment::Production,
        now(),
    )
    .unmet()
    {
        let Status::Unmet { reason, remedy } = &control.status else {
            panic!("not unmet")
        };
        assert!(!reason.is_empty() && !remedy.is_empty(), "{:?}", control.id);
    }
    assert_eq!(mail("dana"), evidence().tests[0].by);
    assert_eq!(evidence().artifact, Some(artifact().normalised));
}
