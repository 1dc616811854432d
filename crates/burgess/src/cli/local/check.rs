//! `check`: everything a developer can know before asking, in one answer.
//!
//! Charter, README, secrets, packages, bill of materials, connectors and capabilities,
//! score and controls. What can only come later, at the gates, is listed apart.

use std::fmt::Write as _;
use std::path::Path;

use burgess_core::charter::Charter;
use burgess_core::digest::Digest;
use burgess_core::evidence::{Control, Evidence, ReadmeEvidence, Status};
use burgess_core::finding::{Finding, Severity};
use burgess_inspect::advisories::Database;
use burgess_inspect::readme;
use serde_json::{Value, json};

use super::reading::{self, Read};
use super::{World, risk, say_json, scan, wants_json};
use crate::cli::Format;
use crate::cli::run::{Failure, Outcome, say};
use crate::http::api::requests::assessment_json;
use crate::operations::evidence::{self, Reading, timing_declared};
use crate::operations::intake::Assessment;

/// Its name in the folder.
const CHARTER: &str = "charter.toml";
/// Its name in the folder, without regard to case.
const README: &str = "README.md";

/// Everything that was seen.
struct Checked {
    charter: Option<Charter>,
    readme: Option<ReadmeEvidence>,
    reading: Reading,
    assessment: Option<Assessment>,
    findings: Vec<Finding>,
    left_out: Vec<String>,
}

/// Prints everything; no when anything has to be mended before asking.
pub(super) fn run(path: &Path, advisories: Option<&Path>, format: Format) -> Outcome {
    let as_json = wants_json("check", format)?;
    let world = World::here()?;
    let database = advisories
        .map(scan::database)
        .transpose()?
        .unwrap_or_default();
    let checked = check(&world, reading::path(path)?, &database)?;
    let good = checked.is_good();
    if as_json {
        say_json(&checked.to_json(good))?
    } else {
        say(&checked.text(good))
    }
    Ok(good)
}

fn check(world: &World, read: Read, database: &Database) -> Result<Checked, Failure> {
    let packages = package_findings(&scan::scan(&read, database));
    let Read {
        tree,
        name,
        left_out,
    } = read;
    let reading = evidence::read_tree(
        tree,
        &name,
        &world.catalogue,
        database,
        world.serial,
        world.now,
    )?;
    let (charter, mut findings) = charter(&reading);
    let (readme, more) = read_me(&reading, charter.as_ref().is_some_and(timing_declared));
    findings.extend(more);
    findings.extend(reading.secrets.iter().cloned());
    findings.extend(packages);
    let mut assessment = None;
    if let Some(charter) = &charter {
        findings.extend(undeclared(charter, &reading, world));
        let seen = seen(&reading, readme.clone())?;
        let it = risk::assess(world, charter, &seen);
        findings.extend(controls(&it));
        assessment = Some(it);
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Ok(Checked {
        charter,
        readme,
        reading,
        assessment,
        findings,
        left_out,
    })
}

/// What the rules would see of this folder if it was handed in.
fn seen(reading: &Reading, readme: Option<ReadmeEvidence>) -> Result<Evidence, Failure> {
    let has_app = reading
        .tree
        .files
        .keys()
        .any(|path| path != CHARTER && !path.eq_ignore_ascii_case(README));
    let sbom = Digest::of(&serde_json::to_vec(&reading.sbom)?);
    Ok(Evidence {
        artifact: has_app.then_some(reading.digest.normalised),
        facts: reading.shown.clone(),
        readme,
        secrets_searched: true,
        secrets: reading.secrets.clone(),
        packages: Some(reading.packages.clone()),
        sbom: Some(sbom),
        ..Evidence::default()
    })
}

/// The findings of the scan; what was not looked up can be, with an option of this verb.
fn package_findings(scanned: &scan::Scanned) -> Vec<Finding> {
    let mut findings = scanned.findings();
    for finding in findings
        .iter_mut()
        .filter(|finding| finding.rule == "sca.no-advisories")
    {
        finding.remedy =
            "check again with `--advisories` and a folder of OSV archives (osv.dev)".to_owned();
    }
    findings
}

fn finding(
    rule: &str,
    severity: Severity,
    file: &str,
    message: impl Into<String>,
    remedy: impl Into<String>,
) -> Finding {
    Finding {
        rule: rule.to_owned(),
        severity,
        file: file.to_owned(),
        pointer: String::new(),
        message: message.into(),
        remedy: remedy.into(),
    }
}

fn charter(reading: &Reading) -> (Option<Charter>, Vec<Finding>) {
    let Some(bytes) = reading.tree.files.get(CHARTER) else {
        let remedy = "draft one with `burgess charter draft` and fill in its questions";
        return (
            None,
            vec![finding(
                "charter.none",
                Severity::Error,
                CHARTER,
                "the folder has no charter",
                remedy,
            )],
        );
    };
    match Charter::parse_bytes(bytes) {
        Ok(charter) => {
            let missing = charter.missing();
            let missing = missing.iter().map(|it| {
                finding(
                    "charter.missing",
                    Severity::Warning,
                    CHARTER,
                    format!("the charter does not say `{}`", it.field),
                    it.remedy,
                )
            });
            let missing = missing.collect();
            (Some(charter), missing)
        }
        Err(errors) => {
            let wrong = errors.0.iter().map(|error| Finding {
                pointer: format!("{}:{}", error.line, error.column),
                ..finding(
                    "charter.invalid",
                    Severity::Error,
                    CHARTER,
                    error.to_string(),
                    "mend it, then check again",
                )
            });
            (None, wrong.collect())
        }
    }
}

fn read_me(reading: &Reading, timing_declared: bool) -> (Option<ReadmeEvidence>, Vec<Finding>) {
    let found = reading
        .tree
        .files
        .iter()
        .find(|(path, _)| path.eq_ignore_ascii_case(README));
    let Some((path, bytes)) = found else {
        let remedy = "write one with the sections of the template, which the console offers at /forms/README.template.md";
        return (
            None,
            vec![finding(
                "readme.none",
                Severity::Error,
                README,
                "the folder has no README",
                remedy,
            )],
        );
    };
    let Ok(text) = std::str::from_utf8(bytes) else {
        return (
            None,
            vec![finding(
                "readme.not-text",
                Severity::Error,
                path,
                "the README is not UTF-8 text",
                "save it as UTF-8",
            )],
        );
    };
    let mut findings = readme::lint(text, timing_declared).findings;
    for finding in findings
        .iter_mut()
        .filter(|finding| finding.file.is_empty())
    {
        finding.file.clone_from(path);
    }
    (Some(evidence::readme(text, timing_declared)), findings)
}

/// What the app uses and the charter does not declare: the gateway would refuse it.
fn undeclared(charter: &Charter, reading: &Reading, world: &World) -> Vec<Finding> {
    let mut findings = Vec::new();
    let shown = &reading.shown;
    for id in shown
        .connectors
        .iter()
        .filter(|id| charter.connector(id).is_none())
    {
        let message =
            format!("the app uses the connector `{id}`, which the charter does not declare");
        let remedy =
            format!("add a [[connector]] with id = \"{id}\", its methods, scopes and flows");
        findings.push(finding(
            "charter.undeclared-connector",
            Severity::Error,
            CHARTER,
            message,
            remedy,
        ));
    }
    for host in &shown.external_hosts {
        // `env:NAME` and the like: which host it is shows at run time, and the gateway looks then.
        let named =
            host.contains('.') && !host.starts_with("env:") && !host.starts_with("computed:");
        if named && !declares_host(charter, world, host) {
            let message =
                format!("the app calls `{host}`, which no connector of the charter covers");
            let remedy = "declare the connector it belongs to, with its hosts for each environment";
            findings.push(finding(
                "charter.undeclared-host",
                Severity::Error,
                CHARTER,
                message,
                remedy,
            ));
        }
    }
    if let Some(data) = shown.data.filter(|data| {
        charter
            .classification()
            .is_none_or(|claimed| claimed < *data)
    }) {
        let message = format!(
            "the app shows data that is usually {data}; the charter claims less, and the higher counts"
        );
        let remedy = format!("declare the {data} data in [[data]], or take it out of the app");
        findings.push(finding(
            "charter.understated-data",
            Severity::Note,
            CHARTER,
            message,
            remedy,
        ));
    }
    findings
}

fn declares_host(charter: &Charter, world: &World, host: &str) -> bool {
    let catalogued = world
        .catalogue
        .by_host(host)
        .is_some_and(|connector| charter.connector(&connector.id).is_some());
    let mut own = charter
        .connector
        .iter()
        .flat_map(|connector| connector.hosts.values().flatten());
    catalogued || own.any(|pattern| burgess_core::connector::host_matches(pattern, host))
}

/// Controls that count before approval and are missing; secrets, packages and README have findings of their own.
fn controls(it: &Assessment) -> Vec<Finding> {
    let told = ["no-secrets", "pinned", "not-vulnerable", "readme"];
    it.controls
        .missing_for_approval()
        .filter(|control| !told.contains(&control.id.as_str()))
        .filter_map(|control| {
            let Status::Unmet { reason, remedy } = &control.status else {
                return None;
            };
            Some(finding(
                &format!("control.{}", control.id.as_str()),
                Severity::Error,
                CHARTER,
                reason,
                remedy,
            ))
        })
        .collect()
}

impl Checked {
    fn is_good(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.severity < Severity::Warning)
    }

    /// Unmet controls that are asked for at a gate, not before asking.
    fn later(&self) -> Vec<&Control> {
        let controls = self.assessment.iter().flat_map(|it| it.controls.unmet());
        controls
            .filter(|control| !control.id.counts_for_approval())
            .collect()
    }

    fn to_json(&self, good: bool) -> Value {
        let facts = &self.reading.facts;
        json!({
            "ok": good,
            "findings": self.findings,
            "later": self.later(),
            "charter": self.charter.as_ref().map(|charter| json!({ "id": charter.id, "version": charter.version, "digest": charter.digest() })),
            "readme": self.readme,
            "risk": self.assessment.as_ref().map(assessment_json),
            "controls": self.assessment.as_ref().map(|it| &it.controls),
            "platform": facts.platform,
            "capabilities": facts.capabilities,
            "connectors": self.reading.shown.connectors,
            "external_hosts": facts.external_hosts,
            "packages": self.reading.packages,
            "sbom": { "possible": true, "components": self.components() },
            "artifact": { "normalised": self.reading.digest.normalised, "raw": self.reading.digest.raw },
            "left_out": self.left_out,
        })
    }

    fn components(&self) -> usize {
        self.reading
            .sbom
            .get("components")
            .and_then(Value::as_array)
            .map_or(0, Vec::len)
    }

    fn text(&self, good: bool) -> String {
        let facts = &self.reading.facts;
        let mut out = String::new();
        if let Some(charter) = &self.charter {
            let _infallible = writeln!(out, "{} {}", charter.id.as_str(), charter.version);
        }
        let _infallible = writeln!(
            out,
            "platform {}, can {}",
            facts.platform,
            if facts.capabilities.is_empty() {
                "nothing of note".to_owned()
            } else {
                super::shown(&facts.capabilities.join(", "))
            }
        );
        let _infallible = writeln!(out, "bill of materials: {} components", self.components());
        if let Some(it) = &self.assessment {
            let _infallible = writeln!(
                out,
                "score {}, {} risk, route {}",
                it.score.score,
                it.score.band,
                it.route.lane.as_str()
            );
        }
        self.left_out
            .iter()
            .for_each(|note| out.push_str(&format!("note: {}\n", super::shown(note))));
        if !self.findings.is_empty() {
            let _infallible = write!(out, "\nfindings\n{}", scan::list(&self.findings));
        }
        let later = self.later();
        if !later.is_empty() {
            out.push_str("\nlater, at the gates\n");
        }
        for control in later {
            if let Status::Unmet { reason, remedy } = &control.status {
                let _infallible = writeln!(out, "  {reason}\n           {remedy}");
            }
        }
        out.push_str(if good {
            "\nnothing to mend before asking\n"
        } else {
            "\nmend these before asking\n"
        });
        out
    }
}
