//! Data classification: how sensitive a dataset is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How sensitive data is, from the least to the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Classification {
    /// Nothing of the kind: only for events that concern no data.
    None,
    /// Anyone may see it.
    Public,
    /// Anyone inside may see it.
    Internal,
    /// Harm if it leaks; secrets and credentials count as this.
    Sensitive,
    /// Personally identifiable information, financial identifiers included.
    Pii,
    /// Protected health information.
    Phi,
}

/// The text is not a classification.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a classification: choose public, internal, sensitive, pii or phi")]
pub struct ClassificationError(String);

impl Classification {
    /// The five a dataset can have.
    pub const ALL: [Self; 5] = [
        Self::Public,
        Self::Internal,
        Self::Sensitive,
        Self::Pii,
        Self::Phi,
    ];

    /// Reads the name, without regard to case.
    pub fn parse(text: &str) -> Result<Self, ClassificationError> {
        match text.to_ascii_lowercase().as_str() {
            "none" => Ok(Self::None),
            "public" => Ok(Self::Public),
            "internal" => Ok(Self::Internal),
            "sensitive" => Ok(Self::Sensitive),
            "pii" => Ok(Self::Pii),
            "phi" => Ok(Self::Phi),
            _ => Err(ClassificationError(text.chars().take(40).collect())),
        }
    }

    /// The name in lowercase, as it stands in a charter.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Sensitive => "sensitive",
            Self::Pii => "pii",
            Self::Phi => "phi",
        }
    }

    /// Whether this is personal data: PII or PHI.
    pub const fn is_personal(self) -> bool {
        matches!(self, Self::Pii | Self::Phi)
    }
}

impl fmt::Display for Classification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TryFrom<String> for Classification {
    type Error = ClassificationError;
    fn try_from(text: String) -> Result<Self, ClassificationError> {
        Self::parse(&text)
    }
}

impl From<Classification> for String {
    fn from(class: Classification) -> Self {
        class.as_str().to_owned()
    }
}

/// What is done to a resource: the six action types of the audit schema (R112).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActionType {
    /// Makes something that was not there.
    Create,
    /// Looks at it.
    Read,
    /// Changes it.
    Update,
    /// Removes it.
    Delete,
    /// Runs it.
    Execute,
    /// Takes it out of where it lives.
    Export,
}

/// The text is not an action type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an action: choose create, read, update, delete, execute or export")]
pub struct ActionTypeError(String);

impl ActionType {
    /// All six, in the order of the audit schema.
    pub const ALL: [Self; 6] = [
        Self::Create,
        Self::Read,
        Self::Update,
        Self::Delete,
        Self::Execute,
        Self::Export,
    ];

    /// The name in events, charters and policies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Execute => "execute",
            Self::Export => "export",
        }
    }

    /// Reads the name in lowercase.
    pub fn parse(text: &str) -> Result<Self, ActionTypeError> {
        Self::ALL
            .into_iter()
            .find(|action| action.as_str() == text)
            .ok_or_else(|| ActionTypeError(text.chars().take(40).collect()))
    }
}

impl fmt::Display for ActionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classifications_are_read_without_regard_to_case() {
        assert_eq!(Classification::parse("PII"), Ok(Classification::Pii));
        assert!(Classification::parse("secret").is_err());
        assert!(Classification::Phi > Classification::Pii && Classification::Pii.is_personal());
    }
}
