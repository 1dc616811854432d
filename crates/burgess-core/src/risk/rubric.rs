//! The rubric as data: read from TOML, checked so that a score can never fall when a factor rises.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Addend, Connectivity, Execution, UserBand};
use crate::data::Classification;
use crate::digest::Digest;

/// The published rubric.
const PUBLISHED: &str = include_str!("../../../../policies/rubric.toml");

/// Points per value of each factor, and where the bands lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rubric {
    /// Version of the table.
    pub version: String,
    data: [u32; 5],
    users: [u32; 3],
    connectivity: [u32; 3],
    third_party_code: u32,
    execution: [u32; 2],
    /// Scores from here on are at least medium.
    pub medium_from: u32,
    /// Scores over this are high.
    pub high_over: u32,
}

/// The text is not a rubric.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RubricError {
    /// Not the shape of a rubric.
    #[error("the rubric cannot be read: {0}")]
    Shape(String),
    /// A riskier value has fewer points than a safer one.
    #[error("the rubric gives fewer points to a riskier value in `{0}`: points must not fall")]
    Falling(&'static str),
    /// More than 100 points can be reached.
    #[error("the rubric reaches {0} points: 100 at most")]
    Over100(u32),
    /// The bands overlap.
    #[error("the rubric's bands overlap: medium_from must be 1 or more and not over high_over")]
    Bands,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: String,
    data: BTreeMap<Classification, u32>,
    users: Users,
    connectivity: Connections,
    execution: Executions,
    bands: Bands,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Users {
    under_10: u32,
    from_10_to_100: u32,
    over_100: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Connections {
    none: u32,
    saas_connector: u32,
    external_api: u32,
    third_party_code: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Executions {
    sandboxed: u32,
    desktop_agent: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bands {
    medium_from: u32,
    high_over: u32,
}

impl Rubric {
    /// The published table, as text.
    pub const fn published_toml() -> &'static str {
        PUBLISHED
    }

    /// The published table.
    pub fn published() -> Result<Self, RubricError> {
        Self::parse(PUBLISHED)
    }

    /// Reads a table and refuses one that is not monotone or reaches more than 100.
    pub fn parse(text: &str) -> Result<Self, RubricError> {
        let file: File =
            toml::from_str(text).map_err(|error| RubricError::Shape(error.message().to_owned()))?;
        let mut data = [0; 5];
        for (slot, class) in data.iter_mut().zip(Classification::ALL) {
            *slot = *file
                .data
                .get(&class)
                .ok_or_else(|| RubricError::Shape(format!("data.{class} is missing")))?;
        }
        let rubric = Self {
            version: file.version,
            data,
            users: [
                file.users.under_10,
                file.users.from_10_to_100,
                file.users.over_100,
            ],
            connectivity: [
                file.connectivity.none,
                file.connectivity.saas_connector,
                file.connectivity.external_api,
            ],
            third_party_code: file.connectivity.third_party_code,
            execution: [file.execution.sandboxed, file.execution.desktop_agent],
            medium_from: file.bands.medium_from,
            high_over: file.bands.high_over,
        };
        rubric.checked()
    }

    fn checked(self) -> Result<Self, RubricError> {
        for (name, points) in [
            ("data", self.data.as_slice()),
            ("users", &self.users),
            ("connectivity", &self.connectivity),
            ("execution", &self.execution),
        ] {
            if !points.is_sorted() {
                return Err(RubricError::Falling(name));
            }
        }
        let most = [
            self.data.last(),
            self.users.last(),
            self.connectivity.last().max(Some(&self.third_party_code)),
            self.execution.last(),
        ]
        .into_iter()
        .flatten()
        .fold(0u32, |sum, points| sum.saturating_add(*points));
        if most > 100 {
            return Err(RubricError::Over100(most));
        }
        if self.medium_from == 0 || self.medium_from > self.high_over {
            return Err(RubricError::Bands);
        }
        Ok(self)
    }

    /// SHA-256 of the table's JSON: what an approval names.
    pub fn digest(&self) -> Digest {
        let json = serde_json_canonicalizer::to_vec(self).unwrap_or_default();
        Digest::of_parts(&[b"burgess.rubric/1\n", &json])
    }

    pub(super) fn data_addend(&self, class: Classification) -> Addend {
        let [public, internal, sensitive, pii, phi] = self.data;
        let (points, reason) = match class {
            Classification::None => (0, "the app touches no data"),
            Classification::Public => (public, "its data is public"),
            Classification::Internal => (internal, "its data is internal"),
            Classification::Sensitive => (sensitive, "its data is sensitive"),
            Classification::Pii => (pii, "its data identifies persons (PII)"),
            Classification::Phi => (phi, "its data is about persons' health (PHI)"),
        };
        addend("data", class.as_str().to_owned(), points, reason)
    }

    pub(super) fn users_addend(&self, users: u32) -> Addend {
        let [few, some, many] = self.users;
        let (points, reason) = match UserBand::of(users) {
            UserBand::Few => (few, "fewer than 10 people use it"),
            UserBand::Some => (some, "10 to 100 people use it"),
            UserBand::Many => (many, "over 100 people use it"),
        };
        addend("users", users.to_string(), points, reason)
    }

    /// One factor, as published: an external API or third-party code, not the sum of both.
    pub(super) fn connectivity_addend(&self, kind: Connectivity, third_party: bool) -> Addend {
        let [none, saas, external] = self.connectivity;
        let (points, reason) = match kind {
            Connectivity::None => (none, "it connects to nothing"),
            Connectivity::SaasConnector => (saas, "it connects to a SaaS service"),
            Connectivity::ExternalApi => (external, "it calls an external API"),
        };
        if third_party && self.third_party_code >= points {
            let (value, reason) = match kind {
                Connectivity::ExternalApi => (
                    "external_api+third_party_code",
                    "it calls an external API and third-party code is part of it",
                ),
                _ => ("third_party_code", "third-party code is part of it"),
            };
            return addend(
                "connectivity",
                value.to_owned(),
                self.third_party_code,
                reason,
            );
        }
        addend("connectivity", kind.as_str().to_owned(), points, reason)
    }

    pub(super) fn execution_addend(&self, execution: Execution) -> Addend {
        let [sandboxed, agent] = self.execution;
        let (points, reason) = match execution {
            Execution::Sandboxed => (sandboxed, "it runs in a sandbox"),
            Execution::DesktopAgent => (agent, "a desktop agent is part of it"),
        };
        addend("execution", execution.as_str().to_owned(), points, reason)
    }
}

fn addend(factor: &str, value: String, points: u32, reason: &str) -> Addend {
    Addend {
        factor: factor.to_owned(),
        value,
        points,
        reason: reason.to_owned(),
    }
}
