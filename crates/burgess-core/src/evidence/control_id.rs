//! Names of the controls: their ids in results and policies, and their titles.

use super::ControlId;

impl ControlId {
    /// All controls, in the order in which people meet them.
    pub const ALL: [Self; 16] = [
        Self::Owner,
        Self::SecondOwner,
        Self::RemediationSla,
        Self::RetentionLabel,
        Self::Readme,
        Self::Tests,
        Self::StaticChecks,
        Self::NoSecrets,
        Self::Pinned,
        Self::NotVulnerable,
        Self::Sbom,
        Self::Manifest,
        Self::Justification,
        Self::TimingDocumented,
        Self::TimingReport,
        Self::RemediationInTime,
    ];

    /// Stable id in results and policies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::SecondOwner => "second-owner",
            Self::RemediationSla => "remediation-sla",
            Self::RetentionLabel => "retention-label",
            Self::Readme => "readme",
            Self::Tests => "tests",
            Self::StaticChecks => "static-checks",
            Self::NoSecrets => "no-secrets",
            Self::Pinned => "pinned",
            Self::NotVulnerable => "not-vulnerable",
            Self::Sbom => "sbom",
            Self::Manifest => "manifest",
            Self::Justification => "justification",
            Self::TimingDocumented => "timing-documented",
            Self::TimingReport => "timing-report",
            Self::RemediationInTime => "remediation-in-time",
        }
    }

    /// Whether automatic approval asks for it. Tests, timing and remediation come later,
    /// at the gates.
    pub const fn counts_for_approval(self) -> bool {
        !matches!(
            self,
            Self::Tests
                | Self::StaticChecks
                | Self::TimingDocumented
                | Self::TimingReport
                | Self::RemediationInTime
        )
    }

    /// What is asked for, in words.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Owner => "an accountable owner",
            Self::SecondOwner => "a second owner",
            Self::RemediationSla => "a remediation SLA",
            Self::RetentionLabel => "a labelled retention policy",
            Self::Readme => "a README with all sections",
            Self::Tests => "a passed result for every test case of the README",
            Self::StaticChecks => "static checks without findings that stop a gate",
            Self::NoSecrets => "no secret in the artifact",
            Self::Pinned => "an exact version for every package",
            Self::NotVulnerable => "no package with a known vulnerability",
            Self::Sbom => "a software bill of materials",
            Self::Manifest => "a capability manifest that covers what the artifact does",
            Self::Justification => "a justification for agent, files and automation",
            Self::TimingDocumented => "acceptable latency, failure modes and critical path",
            Self::TimingReport => "a timing report within the budget",
            Self::RemediationInTime => "no finding open after its due day",
        }
    }
}
