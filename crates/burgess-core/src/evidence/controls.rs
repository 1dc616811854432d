//! Which controls one version meets.

use super::{ArtifactFacts, Control, ControlId, Controls, Evidence, Status};
use crate::app::Environment;
use crate::charter::Charter;
use crate::time::Timestamp;

impl Controls {
    /// The controls that are not met, in order.
    pub fn unmet(&self) -> impl Iterator<Item = &Control> {
        self.0
            .iter()
            .filter(|control| matches!(control.status, Status::Unmet { .. }))
    }

    /// The controls that automatic approval asks for and that are not met, in order.
    pub fn missing_for_approval(&self) -> impl Iterator<Item = &Control> {
        self.unmet()
            .filter(|control| control.id.counts_for_approval())
    }

    /// The status of one control.
    pub fn status(&self, id: ControlId) -> Option<&Status> {
        self.0
            .iter()
            .find(|control| control.id == id)
            .map(|control| &control.status)
    }

    /// Whether everything that applies is met.
    pub fn all_met(&self) -> bool {
        self.unmet().next().is_none()
    }
}

impl ArtifactFacts {
    /// Whether the artifact itself uses files, automation or programs of the machine.
    pub fn shows_local_access(&self) -> bool {
        self.undeclared_needs().next().is_some()
    }

    /// Its capabilities that a manifest has to declare, with what declares each.
    fn undeclared_needs(&self) -> impl Iterator<Item = (&str, Need)> {
        self.capabilities
            .iter()
            .filter_map(|name| Some((name.as_str(), need(name)?)))
    }
}

/// What a manifest must declare for a capability that an artifact shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Shell,
    Files,
    Browser,
    Clipboard,
    Ui,
}

/// Capabilities as the inspector names them: the word before a `:` or `-` says what it is.
fn need(name: &str) -> Option<Need> {
    let head = name.split([':', '-', '_', '.']).next().unwrap_or_default();
    match head {
        "exec" | "shell" | "command" => Some(Need::Shell),
        "file" | "files" | "fs" | "filesystem" => Some(Need::Files),
        "browser" => Some(Need::Browser),
        "clipboard" => Some(Need::Clipboard),
        "ui" | "desktop" => Some(Need::Ui),
        _ => None,
    }
}

/// Every control of the version that `charter` and `evidence` describe, for going to
/// `target`. For a request, `target` is the highest environment asked for.
pub fn controls(
    charter: &Charter,
    evidence: &Evidence,
    target: Environment,
    now: Timestamp,
) -> Controls {
    let status = |id| match id {
        ControlId::Owner => owner(charter),
        ControlId::SecondOwner => second_owner(charter),
        ControlId::RemediationSla => present(
            charter.support.remediation_sla.is_some(),
            "the charter sets no remediation SLA",
            "set support.remediation_sla, as in 5d",
        ),
        ControlId::RetentionLabel => present(
            charter.retention.is_some(),
            "the charter chooses no retention label",
            "choose a label of the retention schedule in [retention]",
        ),
        ControlId::Readme => readme(evidence),
        ControlId::Tests => tests(evidence, target),
        ControlId::StaticChecks => static_checks(evidence, target),
        ControlId::NoSecrets => no_secrets(evidence, target),
        ControlId::Pinned => pinned(charter, evidence),
        ControlId::NotVulnerable => not_vulnerable(charter, evidence),
        ControlId::Sbom => sbom(charter, evidence, target),
        ControlId::Manifest => manifest(charter, evidence),
        ControlId::Justification => justification(charter),
        ControlId::TimingDocumented => timing_documented(charter, evidence),
        ControlId::TimingReport => timing_report(charter, evidence),
        ControlId::RemediationInTime => remediation_in_time(charter, evidence, now),
    };
    Controls(
        ControlId::ALL
            .into_iter()
            .map(|id| Control {
                id,
                status: status(id),
            })
            .collect(),
    )
}

fn unmet(reason: impl Into<String>, remedy: &str) -> Status {
    Status::Unmet {
        reason: reason.into(),
        remedy: remedy.to_owned(),
    }
}

fn present(there: bool, reason: &str, remedy: &str) -> Status {
    if there {
        Status::Met
    } else {
        unmet(reason, remedy)
    }
}

fn owner(charter: &Charter) -> Status {
    present(
        charter.app.owner.is_some(),
        "the charter names no owner",
        "set app.owner to the accountable person's e-mail address",
    )
}

fn second_owner(charter: &Charter) -> Status {
    match (&charter.app.owner, &charter.app.second_owner) {
        (_, None) => unmet(
            "the charter names no second owner",
            "set app.second_owner to who takes over when the owner leaves",
        ),
        (Some(owner), Some(second)) if owner == second => unmet(
            "the second owner is the owner",
            "set app.second_owner to somebody else",
        ),
        _ => Status::Met,
    }
}

fn readme(evidence: &Evidence) -> Status {
    match &evidence.readme {
        None => unmet(
            "no README is attached",
            "attach a README.md; a template can be downloaded",
        ),
        Some(readme) if !readme.missing_sections.is_empty() => unmet(
            format!("the README lacks {}", readme.missing_sections.join(", ")),
            "write these sections",
        ),
        Some(_) => Status::Met,
    }
}

/// A result counts for the artifact that it was run on, and the last one counts (R204).
/// Testing happens in the sandbox, so it is asked for after it.
fn tests(evidence: &Evidence, target: Environment) -> Status {
    if target == Environment::Sandbox {
        return Status::NotApplicable;
    }
    let (Some(readme), Some(artifact)) = (&evidence.readme, evidence.artifact) else {
        return unmet(
            "without README and artifact there are no test results",
            "attach both, then record a result per test case",
        );
    };
    if readme.test_cases.is_empty() {
        return unmet(
            "the README names no test case",
            "list the test cases in the README",
        );
    }
    let last = |case: &str| {
        evidence
            .tests
            .iter()
            .filter(|result| result.case == case && result.artifact == artifact)
            .max_by_key(|result| result.at)
    };
    let open: Vec<String> = readme
        .test_cases
        .iter()
        .filter_map(|case| match last(case) {
            None => Some(format!("`{case}` has no result for this artifact")),
            Some(result) if !result.passed => Some(format!("`{case}` failed")),
            Some(_) => None,
        })
        .collect();
    present(
        open.is_empty(),
        &open.join("; "),
        "run these test cases on this artifact and record that they passed",
    )
}

/// The sandbox opens before there is anything to check.
fn nothing_yet(evidence: &Evidence, target: Environment) -> bool {
    evidence.artifact.is_none() && target == Environment::Sandbox
}

fn static_checks(evidence: &Evidence, target: Environment) -> Status {
    if nothing_yet(evidence, target) {
        return Status::NotApplicable;
    }
    if evidence.artifact.is_none() {
        return unmet(
            "without an artifact nothing can be checked",
            "attach the app's export",
        );
    }
    let open: Vec<&str> = evidence
        .findings
        .iter()
        .filter(|finding| finding.blocks())
        .map(|finding| finding.message.as_str())
        .collect();
    present(
        open.is_empty(),
        &open.join("; "),
        "mend what was found and attach the new export",
    )
}

fn no_secrets(evidence: &Evidence, target: Environment) -> Status {
    if nothing_yet(evidence, target) {
        return Status::NotApplicable;
    }
    if evidence.artifact.is_none() || !evidence.secrets_searched {
        return unmet(
            "no artifact was searched for secrets",
            "attach the app's export",
        );
    }
    let places: Vec<String> = evidence
        .secrets
        .iter()
        .map(|finding| {
            format!("{} {}", finding.file, finding.pointer)
                .trim()
                .to_owned()
        })
        .collect();
    present(
        places.is_empty(),
        &format!("a secret stands in {}", places.join(", ")),
        "take it out, change it where it is used, and let the gateway hold it",
    )
}

/// Whether packages or other third-party code have to be looked at.
fn has_packages(charter: &Charter, evidence: &Evidence) -> bool {
    !charter.third_party.is_empty()
        || evidence.facts.third_party_code
        || !evidence.facts.packages.is_empty()
}

fn pinned(charter: &Charter, evidence: &Evidence) -> Status {
    match &evidence.packages {
        Some(scan) => present(
            scan.unpinned.is_empty(),
            &format!("no exact version is given for {}", scan.unpinned.join(", ")),
            "pin each package to one version, best with a lockfile",
        ),
        None => unscanned(charter, evidence),
    }
}

fn not_vulnerable(charter: &Charter, evidence: &Evidence) -> Status {
    match &evidence.packages {
        Some(scan) => {
            let known: Vec<&str> = scan
                .vulnerable
                .iter()
                .filter(|finding| finding.blocks())
                .map(|finding| finding.message.as_str())
                .collect();
            present(known.is_empty(), &known.join("; "), "go to a fixed version")
        }
        None => unscanned(charter, evidence),
    }
}

fn unscanned(charter: &Charter, evidence: &Evidence) -> Status {
    if has_packages(charter, evidence) {
        unmet(
            "third-party code is part of it and was not scanned",
            "attach its lockfile, so that its packages can be looked up",
        )
    } else {
        Status::NotApplicable
    }
}

/// Asked for by external services (R95) and by the managed environments, staging and
/// production (R96).
fn sbom(charter: &Charter, evidence: &Evidence, target: Environment) -> Status {
    let external = !charter.connector.is_empty()
        || !evidence.facts.external_hosts.is_empty()
        || !evidence.facts.connectors.is_empty()
        || !evidence.facts.unknown_connectors.is_empty();
    if evidence.sbom.is_some() {
        Status::Met
    } else if nothing_yet(evidence, target) {
        Status::NotApplicable
    } else if external {
        unmet(
            "it integrates with external services and has no software bill of materials",
            "attach the app's export; the SBOM is made from it",
        )
    } else if target > Environment::Sandbox {
        unmet(
            format!("{target} is a managed environment and it has no software bill of materials"),
            "attach the app's export; the SBOM is made from it",
        )
    } else {
        Status::NotApplicable
    }
}

/// What the artifact does on a machine must be declared (R86 to R88, R183).
fn manifest(charter: &Charter, evidence: &Evidence) -> Status {
    use crate::capability::Automation as A;
    let declared = &charter.capabilities;
    let covers = |need| match need {
        Need::Files => !declared.files.is_empty(),
        Need::Shell => declared.automation.contains(&A::Shell),
        Need::Browser => declared.automation.contains(&A::Browser),
        Need::Clipboard => declared.automation.contains(&A::Clipboard),
        Need::Ui => declared.automation.contains(&A::Ui),
    };
    let mut missing: Vec<&str> = evidence
        .facts
        .undeclared_needs()
        .filter(|(_, need)| !covers(*need))
        .map(|(name, _)| name)
        .collect();
    if evidence.facts.agent && !declared.agent {
        missing.push("a desktop agent");
    }
    if !missing.is_empty() {
        return unmet(
            format!(
                "the artifact uses {}, which [capabilities] does not declare",
                missing.join(", ")
            ),
            "declare it in [capabilities], or take it out of the app",
        );
    }
    if declared.is_empty() {
        Status::NotApplicable
    } else {
        Status::Met
    }
}

fn justification(charter: &Charter) -> Status {
    if !charter.capabilities.needs_justification() {
        return Status::NotApplicable;
    }
    present(
        !charter.capabilities.lacks_justification(),
        "an agent, files or automation is declared without a justification",
        "say in capabilities.justification why the app needs it",
    )
}

fn timing_documented(charter: &Charter, evidence: &Evidence) -> Status {
    let Some(timing) = &charter.timing else {
        return Status::NotApplicable;
    };
    let readme = evidence.readme.as_ref();
    let missing: Vec<&str> = [
        (
            timing.critical_path.trim().is_empty(),
            "timing.critical_path in the charter",
        ),
        (
            !readme.is_some_and(|readme| readme.states_latency),
            "the acceptable latency in the README",
        ),
        (
            !readme.is_some_and(|readme| readme.states_failure_modes),
            "the failure modes in the README",
        ),
    ]
    .into_iter()
    .filter_map(|(absent, what)| absent.then_some(what))
    .collect();
    present(
        missing.is_empty(),
        &format!(
            "somebody waits in real time, and it lacks {}",
            missing.join(", ")
        ),
        "write them down",
    )
}

fn timing_report(charter: &Charter, evidence: &Evidence) -> Status {
    if charter.timing.is_none() {
        return Status::NotApplicable;
    }
    match &evidence.timing {
        None => unmet(
            "somebody waits in real time, and there is no timing report",
            "measure the critical path and attach the report",
        ),
        Some(report) => present(
            report.within_budget,
            "the timing report does not show that the budget holds",
            "make the critical path faster or agree on a larger budget",
        ),
    }
}

fn remediation_in_time(charter: &Charter, evidence: &Evidence, now: Timestamp) -> Status {
    let Some(sla) = charter.support.remediation_sla else {
        // Without an SLA nothing has a due day; that it is missing is a control of its own.
        return Status::NotApplicable;
    };
    let overdue: Vec<String> = evidence
        .open_findings
        .iter()
        .filter(|open| open.is_overdue(sla, now))
        .map(|open| {
            format!(
                "`{}` was due on {}",
                open.finding.rule,
                open.due_at(sla).date()
            )
        })
        .collect();
    present(
        overdue.is_empty(),
        &overdue.join("; "),
        "mend it, then promote",
    )
}
