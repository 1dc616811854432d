//! Connectors: the catalogue of systems that apps may connect to, and what each is.
//!
//! The catalogue is data (`policies/catalogue.toml`); an organisation adds its own
//! entries and overrides hosts by configuration. Not here: secrets, which the gateway
//! fetches late, and the rules about who may use what, which are policies.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::app::Environment;
use crate::charter::ConnectorUse;
use crate::data::Classification;
use crate::risk::Connectivity;

/// The built-in catalogue.
const BUILT_IN: &str = include_str!("../../../policies/catalogue.toml");

/// What sort of system a connector leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A system of the organisation itself: no external connectivity.
    Internal,
    /// A SaaS service the organisation has a contract with.
    Saas,
    /// Any other API.
    ExternalApi,
}

impl Kind {
    /// The name in the catalogue and in policies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Saas => "saas",
            Self::ExternalApi => "external_api",
        }
    }

    /// How it counts in the score.
    pub const fn connectivity(self) -> Connectivity {
        match self {
            Self::Internal => Connectivity::None,
            Self::Saas => Connectivity::SaasConnector,
            Self::ExternalApi => Connectivity::ExternalApi,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One entry of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connector {
    /// Its id, as charters name it.
    #[serde(default)]
    pub id: String,
    /// What people call it.
    pub title: String,
    /// What sort of system it is.
    pub kind: Kind,
    /// Hosts per environment, `host` or `host:port`; an absent environment cannot be reached.
    #[serde(default)]
    pub hosts: BTreeMap<Environment, Vec<String>>,
    /// Classifications it is cleared for.
    pub classes: BTreeSet<Classification>,
    /// OAuth scopes that may be granted.
    #[serde(default)]
    pub scopes: BTreeSet<String>,
    /// HTTP methods that may be used.
    #[serde(default)]
    pub methods: BTreeSet<String>,
    /// Names under which low-code platforms know it.
    #[serde(default)]
    pub aliases: BTreeSet<String>,
}

/// All connectors, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalogue {
    connectors: BTreeMap<String, Connector>,
}

/// The text is not a catalogue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the connector catalogue cannot be read: {0}")]
pub struct CatalogueError(String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    connector: BTreeMap<String, Connector>,
}

impl Catalogue {
    /// The catalogue that ships with the product.
    pub fn built_in() -> Result<Self, CatalogueError> {
        Self::parse(BUILT_IN)
    }

    /// The built-in catalogue, as text.
    pub const fn built_in_toml() -> &'static str {
        BUILT_IN
    }

    /// Reads a catalogue: one `[connector.<id>]` table per connector.
    pub fn parse(text: &str) -> Result<Self, CatalogueError> {
        let file: File =
            toml::from_str(text).map_err(|error| CatalogueError(error.message().to_owned()))?;
        let mut catalogue = Self::default();
        for (id, connector) in file.connector {
            catalogue.insert(Connector { id, ..connector });
        }
        Ok(catalogue)
    }

    /// Adds a connector, or replaces the one of the same id.
    pub fn insert(&mut self, connector: Connector) {
        self.connectors.insert(connector.id.clone(), connector);
    }

    /// Sets the hosts of a connector in one environment, as configuration does for the
    /// organisation's own instances. Unknown ids change nothing and answer `false`.
    pub fn set_hosts(&mut self, id: &str, environment: Environment, hosts: Vec<String>) -> bool {
        match self.connectors.get_mut(id) {
            Some(connector) => {
                connector.hosts.insert(environment, hosts);
                true
            }
            None => false,
        }
    }

    /// The connector of that id.
    pub fn get(&self, id: &str) -> Option<&Connector> {
        self.connectors.get(id)
    }

    /// The connector that is called `name` here or on a low-code platform, without regard to case.
    pub fn find(&self, name: &str) -> Option<&Connector> {
        let name = name.to_ascii_lowercase();
        self.connectors.get(&name).or_else(|| {
            self.iter()
                .find(|connector| connector.aliases.contains(&name))
        })
    }

    /// The connector that `host` belongs to in any environment; `*.` stands for any subdomain.
    pub fn by_host(&self, host: &str) -> Option<&Connector> {
        self.iter().find(|connector| {
            connector
                .hosts
                .values()
                .flatten()
                .any(|p| host_matches(p, host))
        })
    }

    /// All connectors, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Connector> {
        self.connectors.values()
    }

    /// Where the connection that a charter declares leads. What is not in the catalogue
    /// is an external API, whatever it calls itself.
    pub fn connectivity(&self, declared: &ConnectorUse) -> Connectivity {
        match self.get(&declared.id) {
            // Hosts of its own make it something else than the catalogue's entry.
            Some(_) if !declared.hosts.is_empty() => Connectivity::ExternalApi,
            Some(connector) => connector.kind.connectivity(),
            None => Connectivity::ExternalApi,
        }
    }

    /// Hosts of a declared connector in one environment, from the catalogue or, when it is
    /// not in there, from the charter.
    pub fn hosts<'a>(
        &'a self,
        declared: &'a ConnectorUse,
        environment: Environment,
    ) -> &'a [String] {
        match self.get(&declared.id) {
            Some(connector) => connector.hosts.get(&environment),
            None => declared.hosts.get(&environment),
        }
        .map(Vec::as_slice)
        .unwrap_or_default()
    }
}

/// Whether `host` is `pattern`, or below it when the pattern begins with `*.`; ports must agree.
pub fn host_matches(pattern: &str, host: &str) -> bool {
    let (pattern, host) = (pattern.to_ascii_lowercase(), host.to_ascii_lowercase());
    match pattern.strip_prefix('*') {
        Some(suffix) if suffix.starts_with('.') => {
            host.len() > suffix.len() && host.ends_with(suffix)
        }
        _ => pattern == host,
    }
}
