//! Apps: the inventory's record of one micro-app, and the environments it lives in.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::charter::Charter;
use crate::data::Classification;
use crate::id::{AppId, ApprovalId, Email};
use crate::lifecycle::State;
use crate::risk::Band;
use crate::time::Timestamp;

/// Where a version runs, in the order in which it gets there (R46).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// First trials, without production data.
    Sandbox,
    /// The dress rehearsal.
    Staging,
    /// The real thing.
    Production,
}

/// The text is not an environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an environment: choose sandbox, staging or production")]
pub struct EnvironmentError(String);

impl Environment {
    /// All three, in order.
    pub const ALL: [Self; 3] = [Self::Sandbox, Self::Staging, Self::Production];

    /// The name in charters, events and policies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }

    /// The one that a version must have been in before.
    pub const fn previous(self) -> Option<Self> {
        match self {
            Self::Sandbox => None,
            Self::Staging => Some(Self::Sandbox),
            Self::Production => Some(Self::Staging),
        }
    }

    /// The one that comes after.
    pub const fn next(self) -> Option<Self> {
        match self {
            Self::Sandbox => Some(Self::Staging),
            Self::Staging => Some(Self::Production),
            Self::Production => None,
        }
    }

    /// Reads the name.
    pub fn parse(text: &str) -> Result<Self, EnvironmentError> {
        Self::ALL
            .into_iter()
            .find(|environment| environment.as_str() == text)
            .ok_or_else(|| EnvironmentError(text.chars().take(40).collect()))
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One micro-app in the inventory. It cannot exist without an owner and a class (R2 to R4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct App {
    /// Its id, given once.
    pub id: AppId,
    /// What people call it.
    pub name: String,
    /// The business unit.
    pub unit: String,
    /// Who builds it.
    pub developer: Email,
    /// Who is accountable.
    pub owner: Email,
    /// Who takes over when the owner leaves.
    pub second_owner: Option<Email>,
    /// Highest classification of its data.
    pub classification: Classification,
    /// Where it stands in its life.
    pub state: State,
    /// Version of the charter last submitted.
    pub version: String,
    /// Score at the last assessment, 0 to 100.
    pub score: u32,
    /// Band of that score.
    pub band: Band,
    /// The approval in force, if any.
    pub approval: Option<ApprovalId>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it last did anything through the gateway; at first when it was registered.
    pub last_used_at: Timestamp,
    /// Counts the changes of this record, from 1; an effect rechecks it.
    pub revision: u64,
}

/// A charter lacks what the inventory cannot do without.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// No owner.
    #[error("the charter of `{0}` names no owner: set app.owner")]
    NoOwner(AppId),
    /// No developer.
    #[error("the charter of `{0}` names no developer: set app.developer")]
    NoDeveloper(AppId),
    /// No data, so no class.
    #[error("the charter of `{0}` names no data: add a [[data]] entry with its classification")]
    NoClassification(AppId),
}

impl App {
    /// Registers the app that `charter` describes, in its first state.
    pub fn register(
        charter: &Charter,
        score: u32,
        band: Band,
        now: Timestamp,
    ) -> Result<Self, RegisterError> {
        let id = &charter.id;
        let owner = charter.app.owner.clone();
        let developer = charter.app.developer.clone();
        Ok(Self {
            id: id.clone(),
            name: charter.app.name.clone(),
            unit: charter.app.unit.clone(),
            developer: developer.ok_or_else(|| RegisterError::NoDeveloper(id.clone()))?,
            owner: owner.ok_or_else(|| RegisterError::NoOwner(id.clone()))?,
            second_owner: charter.app.second_owner.clone(),
            classification: charter
                .classification()
                .ok_or_else(|| RegisterError::NoClassification(id.clone()))?,
            state: State::Requested,
            version: charter.version.clone(),
            score,
            band,
            approval: None,
            created_at: now,
            last_used_at: now,
            revision: 1,
        })
    }
}
