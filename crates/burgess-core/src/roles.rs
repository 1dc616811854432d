//! Roles: who takes part in the programme.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The five roles of the governance handbook, and an administrator who
/// configures but never approves and never reads payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Creates and maintains an app, documents it, tests it first (R15).
    CitizenDeveloper,
    /// App owner or business sponsor: accountable, approves production access (R16).
    Sponsor,
    /// Platform and security: guardrails, policy, review of medium- and high-risk apps (R17).
    PlatformSecurity,
    /// Operations: runtime health, production promotion, rollback (R18).
    Operations,
    /// Audit and compliance: reads everything, writes nothing but findings (R19).
    Auditor,
    /// Configures; never approves, never reads payloads.
    Administrator,
}

/// The text is not a role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a role: choose citizen_developer, sponsor, platform_security, operations, auditor or administrator"
)]
pub struct RoleError(String);

impl Role {
    /// All roles, in the order of the handbook.
    pub const ALL: [Self; 6] = [
        Self::CitizenDeveloper,
        Self::Sponsor,
        Self::PlatformSecurity,
        Self::Operations,
        Self::Auditor,
        Self::Administrator,
    ];

    /// The name in events, tokens and policies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CitizenDeveloper => "citizen_developer",
            Self::Sponsor => "sponsor",
            Self::PlatformSecurity => "platform_security",
            Self::Operations => "operations",
            Self::Auditor => "auditor",
            Self::Administrator => "administrator",
        }
    }

    /// The name on a page.
    pub const fn title(self) -> &'static str {
        match self {
            Self::CitizenDeveloper => "Citizen developer",
            Self::Sponsor => "App owner or sponsor",
            Self::PlatformSecurity => "Platform and security",
            Self::Operations => "Operations",
            Self::Auditor => "Audit and compliance",
            Self::Administrator => "Administrator",
        }
    }

    /// Reads the name; `-` and `_` are alike.
    pub fn parse(text: &str) -> Result<Self, RoleError> {
        let name = text.to_ascii_lowercase().replace('-', "_");
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == name)
            .ok_or_else(|| RoleError(text.chars().take(40).collect()))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
