//! The risk score: four factors, added up by a published table, each point with its reason.
//!
//! The table is data (`policies/rubric.toml`), so an organisation can change the
//! numbers and every score still says which table it was made with. Not here: what
//! the score leads to, which is `approval::route`.

mod cheapest;
mod factors;
mod rubric;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::data::Classification;

pub use cheapest::{PathStep, cheapest_path};
pub use factors::{factors, users_for_scoring};
pub use rubric::{Rubric, RubricError};

/// Where an app's connections lead. `kind` comes from the connector catalogue; an
/// undeclared host is an external API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Connectivity {
    /// Nowhere.
    None,
    /// To a SaaS service of the catalogue.
    SaasConnector,
    /// To an API that the catalogue does not vouch for.
    ExternalApi,
}

/// Where an app runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Execution {
    /// Inside a sandbox or a managed platform.
    Sandboxed,
    /// With a desktop agent, on somebody's machine.
    DesktopAgent,
}

/// What the score is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Factors {
    /// Highest classification of the app's data.
    pub data: Classification,
    /// Expected number of people using it.
    pub users: u32,
    /// Where its connections lead.
    pub connectivity: Connectivity,
    /// Whether third-party code is part of it.
    pub third_party_code: bool,
    /// Where it runs.
    pub execution: Execution,
}

/// The rubric's three sizes of audience (R139).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserBand {
    /// Fewer than 10.
    Few,
    /// 10 to 100.
    Some,
    /// Over 100.
    Many,
}

/// How high a score is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Band {
    /// Under 30 (R144).
    Low,
    /// 30 to 50 (R143).
    Medium,
    /// Over 50 (R142).
    High,
}

/// Points for one factor, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addend {
    /// `data`, `users`, `connectivity` or `execution`.
    pub factor: String,
    /// What the factor's value is, as `pii` or `45`.
    pub value: String,
    /// Points, 0 to 50.
    pub points: u32,
    /// Why, in a sentence for people.
    pub reason: String,
}

/// A score with everything that explains it: the addends sum to it (R145).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// 0 to 100.
    pub score: u32,
    /// Its band.
    pub band: Band,
    /// One addend for each of the four factors, in the order of the rubric.
    pub addends: Vec<Addend>,
}

impl Connectivity {
    /// All three, from the least to the most.
    pub const ALL: [Self; 3] = [Self::None, Self::SaasConnector, Self::ExternalApi];

    /// The name in results.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::SaasConnector => "saas_connector",
            Self::ExternalApi => "external_api",
        }
    }
}

impl Execution {
    /// Both, from the least to the most.
    pub const ALL: [Self; 2] = [Self::Sandboxed, Self::DesktopAgent];

    /// The name in results.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sandboxed => "sandboxed",
            Self::DesktopAgent => "desktop_agent",
        }
    }
}

impl UserBand {
    /// All three, from the fewest.
    pub const ALL: [Self; 3] = [Self::Few, Self::Some, Self::Many];

    /// The band of that many people.
    pub const fn of(users: u32) -> Self {
        match users {
            0..=9 => Self::Few,
            10..=100 => Self::Some,
            _ => Self::Many,
        }
    }

    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Few => "fewer than 10",
            Self::Some => "10 to 100",
            Self::Many => "over 100",
        }
    }
}

impl Band {
    /// All three, from the lowest.
    pub const ALL: [Self; 3] = [Self::Low, Self::Medium, Self::High];

    /// The name in results, events and policies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

impl fmt::Display for Band {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Adds up the points of `factors` by `rubric`.
pub fn score(factors: &Factors, rubric: &Rubric) -> Score {
    let addends = vec![
        rubric.data_addend(factors.data),
        rubric.users_addend(factors.users),
        rubric.connectivity_addend(factors.connectivity, factors.third_party_code),
        rubric.execution_addend(factors.execution),
    ];
    let score = addends.iter().map(|addend| addend.points).sum();
    Score {
        score,
        band: band(score, rubric),
        addends,
    }
}

/// The band of a score by `rubric`: as published, under 30 low, 30 to 50 medium, over 50 high.
pub fn band(score: u32, rubric: &Rubric) -> Band {
    if score > rubric.high_over {
        Band::High
    } else if score >= rubric.medium_from {
        Band::Medium
    } else {
        Band::Low
    }
}
