//! Evidence: what the checks saw, and which controls it meets.
//!
//! The checks themselves read hostile bytes and live elsewhere; what they found comes in
//! as plain values. Whether an unmet control stops anything is decided by policies over
//! these facts, never here.

mod control_id;
mod controls;

use serde::{Deserialize, Serialize};

use crate::data::Classification;
use crate::digest::Digest;
use crate::finding::Finding;
use crate::id::Email;
use crate::time::{Span, Timestamp};

pub use controls::controls;

/// What an artifact shows, whatever its charter claims. The default shows nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ArtifactFacts {
    /// Platform that made it, as `n8n`; empty when unknown.
    pub platform: String,
    /// Catalogue ids of connectors it uses.
    pub connectors: Vec<String>,
    /// Connectors of the platform that the catalogue does not know.
    pub unknown_connectors: Vec<String>,
    /// Hosts it calls directly; `env:NAME` when the host comes from its environment.
    pub external_hosts: Vec<String>,
    /// Highest classification that its content shows, if any.
    pub data: Option<Classification>,
    /// Whether third-party code or packages are part of it.
    pub third_party_code: bool,
    /// Packages, as purl.
    pub packages: Vec<String>,
    /// Whether a desktop agent is part of it.
    pub agent: bool,
    /// Capabilities it uses, as the inspector names them (`exec:shell`, `files`, `listen:http` …).
    pub capabilities: Vec<String>,
}

/// What the README's linter saw.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadmeEvidence {
    /// Digest of the README as attached.
    pub digest: Option<Digest>,
    /// Required sections that it lacks or leaves empty, by their titles.
    pub missing_sections: Vec<String>,
    /// Names of its test cases.
    pub test_cases: Vec<String>,
    /// Whether it states an acceptable latency (R103).
    pub states_latency: bool,
    /// Whether it states failure modes (R104).
    pub states_failure_modes: bool,
}

/// How one test case of the README went, on one artifact (R204).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestResult {
    /// The test case, as the README names it.
    pub case: String,
    /// Normalised digest of the artifact it was run on.
    pub artifact: Digest,
    /// Whether it passed.
    pub passed: bool,
    /// What was seen, in the developer's words.
    pub note: String,
    /// Who ran it.
    pub by: Email,
    /// When.
    pub at: Timestamp,
}

/// What the scan of third-party packages saw (R41, R92, R93).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageScan {
    /// How many packages were looked up.
    pub packages: u32,
    /// Packages without an exact version.
    pub unpinned: Vec<String>,
    /// Known vulnerabilities, one finding each.
    pub vulnerable: Vec<Finding>,
    /// What could not be looked at, and why.
    pub skipped: Vec<String>,
}

/// A timing report (R44): how long the critical path takes, measured or bounded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimingReport {
    /// Digest of the report.
    pub digest: Digest,
    /// Whether it says that the budget holds.
    pub within_budget: bool,
}

/// A finding that is being mended, with the day it is due (R205).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenFinding {
    /// What was found.
    pub finding: Finding,
    /// When it was found.
    pub found_at: Timestamp,
    /// When it was mended.
    pub mended_at: Option<Timestamp>,
}

impl OpenFinding {
    /// The day it is due by the charter's remediation SLA.
    pub fn due_at(&self, remediation_sla: Span) -> Timestamp {
        self.found_at.plus(remediation_sla)
    }

    /// Whether it is still open after it was due.
    pub fn is_overdue(&self, remediation_sla: Span, now: Timestamp) -> bool {
        self.mended_at.is_none() && now > self.due_at(remediation_sla)
    }
}

/// Everything that was seen of one version. The default is nothing at all, which meets
/// no control.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// Normalised digest of the artifact; none when there is no artifact yet.
    pub artifact: Option<Digest>,
    /// What the artifact shows.
    pub facts: ArtifactFacts,
    /// The README; none when none is attached.
    pub readme: Option<ReadmeEvidence>,
    /// Results of the README's test cases, on whatever artifact.
    pub tests: Vec<TestResult>,
    /// Whether the artifact was searched for secrets.
    pub secrets_searched: bool,
    /// Secrets found in it, never their values.
    pub secrets: Vec<Finding>,
    /// The package scan; none when it was not scanned.
    pub packages: Option<PackageScan>,
    /// Digest of the software bill of materials.
    pub sbom: Option<Digest>,
    /// Other findings of the static checks (R40).
    pub findings: Vec<Finding>,
    /// The timing report.
    pub timing: Option<TimingReport>,
    /// Findings that are being mended.
    pub open_findings: Vec<OpenFinding>,
}

/// A control of the programme, in the order in which people meet them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ControlId {
    /// An accountable owner is named.
    Owner,
    /// A second owner is named, and is somebody else.
    SecondOwner,
    /// The remediation SLA is set.
    RemediationSla,
    /// A labelled retention policy is chosen.
    RetentionLabel,
    /// The README is attached and has all required sections.
    Readme,
    /// Every test case of the README passed on this artifact.
    Tests,
    /// The static checks ran and found nothing that stops a gate.
    StaticChecks,
    /// No secret is in the artifact.
    NoSecrets,
    /// Every package has an exact version.
    Pinned,
    /// No package has a known vulnerability.
    NotVulnerable,
    /// A software bill of materials is attached.
    Sbom,
    /// The capability manifest covers what the artifact uses.
    Manifest,
    /// The capability manifest is justified.
    Justification,
    /// The README states acceptable latency and failure modes, and the critical path is named.
    TimingDocumented,
    /// A timing report says that the budget holds.
    TimingReport,
    /// No finding is open after its due day.
    RemediationInTime,
}

/// Whether a control is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Status {
    /// It is there.
    Met,
    /// It is not.
    Unmet {
        /// Why not, in a sentence for people.
        reason: String,
        /// What would satisfy it.
        remedy: String,
    },
    /// This app does not need it.
    NotApplicable,
}

/// One control and whether it is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// Which one.
    pub id: ControlId,
    /// Whether it is there.
    #[serde(flatten)]
    pub status: Status,
}

/// All controls of one version, each once, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Controls(pub Vec<Control>);

/// Something that stands in the way, and what would satisfy it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Unmet {
    /// Stable id of the control, as `sbom` or `sponsor-decision`.
    pub control: String,
    /// What is asked for, in a sentence for people.
    pub requirement: String,
    /// Why it is not met.
    pub reason: String,
    /// What would satisfy it.
    pub remedy: String,
    /// Id of the policy that asks for it; empty when no policy can waive it.
    pub policy: String,
}

/// No, with everything that stands in the way at once; never empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("refused: {}", .unmet.iter().map(|unmet| unmet.reason.as_str()).collect::<Vec<_>>().join("; "))]
pub struct Refusal {
    /// Everything that stands in the way.
    pub unmet: Vec<Unmet>,
}

impl Refusal {
    /// A refusal for one reason.
    pub fn because(control: &str, requirement: &str, reason: String, remedy: &str) -> Self {
        Self {
            unmet: vec![Unmet {
                control: control.to_owned(),
                requirement: requirement.to_owned(),
                reason,
                remedy: remedy.to_owned(),
                policy: String::new(),
            }],
        }
    }

    /// `Err` when anything stands in the way, each thing once.
    pub fn unless_empty(mut unmet: Vec<Unmet>) -> Result<(), Self> {
        unmet.dedup();
        if unmet.is_empty() {
            Ok(())
        } else {
            Err(Self { unmet })
        }
    }

    /// Whether that control stands in the way.
    pub fn names(&self, control: &str) -> bool {
        self.unmet.iter().any(|unmet| unmet.control == control)
    }
}
