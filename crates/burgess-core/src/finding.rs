//! Findings: what a check saw, where, and what to do about it.

use serde::{Deserialize, Serialize};

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; stops nothing.
    Note,
    /// Should be mended; stops nothing by itself.
    Warning,
    /// Stops a gate until it is mended.
    Error,
    /// Stops a gate, and alerts.
    Critical,
}

/// What a check saw in an artifact, a README or a charter. Never carries a secret's value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// Stable id of the rule, as `readme.section.data-flows` or `secret.aws-access-key`.
    pub rule: String,
    /// How grave it is.
    pub severity: Severity,
    /// File inside the artifact, with `/` between its parts; empty when none applies.
    pub file: String,
    /// JSON pointer (RFC 6901) or `line:column` in that file; empty when none applies.
    pub pointer: String,
    /// What was seen, in a sentence for people.
    pub message: String,
    /// What to do next, in a sentence for people.
    pub remedy: String,
}

impl Finding {
    /// Whether this finding stops a gate.
    pub fn blocks(&self) -> bool {
        self.severity >= Severity::Error
    }
}
