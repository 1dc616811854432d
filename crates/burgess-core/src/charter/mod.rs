//! The charter: what an app declares, what people approve, and what every wall enforces.
//!
//! Here are its types and its digest. Reading TOML is in `read`, writing it in
//! `write`, and what a change means for an approval in `diff`. Not here: whether a
//! charter is good enough to be approved, which `intake` and `evidence` say.

mod defaults;
pub mod diff;
mod error;
mod read;
mod table;
mod words;
mod write;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::app::Environment;
use crate::capability::Capabilities;
use crate::data::{ActionType, Classification};
use crate::digest::Digest;
use crate::id::{AppId, Email};
use crate::limits::Limits;
use crate::time::Span;

pub use defaults::Budget;
pub use diff::{FieldChange, material_diff};
pub use error::{CharterError, CharterErrors};
pub use table::nearest as nearest_name;

/// The version of the charter's format, and the first line of what its digest covers.
pub const SCHEMA: &str = "burgess.charter/1";

/// What one app declares. Everything that can be missing from a draft is optional;
/// [`Charter::missing`] lists what still is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Charter {
    /// Format of this charter.
    pub schema: Schema,
    /// The app's id, given once by intake.
    pub id: AppId,
    /// The version that this charter describes, as `1.2.0`.
    pub version: String,
    /// Who and what for.
    pub app: AppSection,
    /// The data it touches, a set by name.
    pub data: Vec<DataUse>,
    /// What it connects to, a set by id.
    pub connector: Vec<ConnectorUse>,
    /// Third-party code that is part of it, a set.
    pub third_party: Vec<ThirdParty>,
    /// What it may touch on a machine.
    pub capabilities: Capabilities,
    /// What it may use at most.
    pub limits: Limits,
    /// Only when someone waits in real time (R97).
    pub timing: Option<Timing>,
    /// Who helps, and how fast.
    pub support: Support,
    /// How long its data is kept.
    pub retention: Option<Retention>,
}

/// The one schema there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Schema {
    /// `burgess.charter/1`.
    #[default]
    #[serde(rename = "burgess.charter/1")]
    V1,
}

/// Who and what for: the `[app]` table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppSection {
    /// What people call it.
    pub name: String,
    /// What it is for (R23); empty in a draft.
    pub purpose: String,
    /// The business unit; empty when not said.
    pub unit: String,
    /// Who builds it.
    pub developer: Option<Email>,
    /// The accountable business sponsor (R34).
    pub owner: Option<Email>,
    /// Takes over when the owner leaves.
    pub second_owner: Option<Email>,
    /// How many people will use it (R26); a draft that does not say counts as over 100.
    pub users: Option<u32>,
    /// Where it is to run, a set; at least the sandbox.
    pub environments: Vec<Environment>,
    /// Whether it reaches a production system (R28).
    pub production_systems: bool,
}

/// One dataset the app touches: a `[[data]]` entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DataUse {
    /// Name in the dataset registry.
    pub name: String,
    /// How sensitive it is (R3).
    pub classification: Classification,
    /// What the app does with it, a set.
    pub actions: Vec<ActionType>,
    /// What for; empty when not said.
    pub purpose: String,
}

/// One system the app connects to: a `[[connector]]` entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectorUse {
    /// Id in the connector catalogue, or a name of its own with `hosts`.
    pub id: String,
    /// HTTP methods in capitals, a set.
    pub methods: Vec<String>,
    /// OAuth scopes, a set (R50).
    pub scopes: Vec<String>,
    /// Which data goes which way, a set.
    pub flows: Vec<Flow>,
    /// Hosts per environment of a connector that is not in the catalogue.
    pub hosts: BTreeMap<Environment, Vec<String>>,
}

/// Which data goes through a connector, and which way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Flow {
    /// Name of a `[[data]]` entry.
    pub data: String,
    /// Which way it goes.
    pub direction: Direction,
}

/// Which way data goes, seen from the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// To the app.
    In,
    /// To the connector.
    Out,
}

/// Third-party code that is part of the app: a `[[third_party]]` entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ThirdParty {
    /// What sort of code: npm, pypi, cargo, script, model and others.
    pub kind: String,
    /// The file in the artifact that names the versions; empty when there is none.
    pub manifest: String,
}

/// How long something may take, when someone waits in real time: the `[timing]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// The acceptable latency (R97).
    pub budget: Budget,
    /// How often the budget may be exceeded at most, as a probability between 0 and 1.
    pub exceedance: f64,
    /// The time-critical code path (R99); empty when not said.
    pub critical_path: String,
}

/// Who helps, and how fast: the `[support]` table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Support {
    /// How soon findings are mended (R35).
    pub remediation_sla: Option<Span>,
    /// Where to ask, a set. Changing them voids nothing.
    pub contacts: Vec<String>,
    /// What happens when it fails; empty when not said.
    pub failure_modes: String,
}

/// How long data is kept: the `[retention]` table (R27, R36).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// Label of the retention schedule.
    pub label: String,
    /// Days that it means.
    pub days: u32,
}

/// Something a charter does not say yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// The key, as `app.owner`.
    pub field: &'static str,
    /// What to write there.
    pub remedy: &'static str,
}

impl Charter {
    /// Reads `charter.toml`. All errors are collected, each with line, column, what was
    /// expected and the nearest valid spelling.
    pub fn parse(text: &str) -> Result<Self, CharterErrors> {
        read::charter(text)
    }

    /// Reads bytes that should be `charter.toml`; what is not UTF-8 is an error with its place.
    pub fn parse_bytes(bytes: &[u8]) -> Result<Self, CharterErrors> {
        read::charter_bytes(bytes)
    }

    /// An empty charter of that id and name, with every default.
    pub fn blank(id: AppId, name: &str) -> Self {
        defaults::blank(id, name)
    }

    /// Writes `charter.toml`. What it writes reads back as the same charter.
    pub fn to_toml(&self) -> String {
        write::charter(self)
    }

    /// The same charter with its sets sorted and without doubles.
    pub fn normalised(&self) -> Self {
        defaults::normalised(self)
    }

    /// The canonical JSON (RFC 8785), defaults filled in and sets sorted.
    pub fn canonical(&self) -> String {
        write::canonical(self)
    }

    /// SHA-256 of the schema's line and the canonical JSON.
    pub fn digest(&self) -> Digest {
        Digest::of_parts(&[SCHEMA.as_bytes(), b"\n", self.canonical().as_bytes()])
    }

    /// The highest classification among its data; none when it names no data.
    pub fn classification(&self) -> Option<Classification> {
        self.data.iter().map(|data| data.classification).max()
    }

    /// The connector of that id.
    pub fn connector(&self, id: &str) -> Option<&ConnectorUse> {
        self.connector.iter().find(|connector| connector.id == id)
    }

    /// The data of that name.
    pub fn data(&self, name: &str) -> Option<&DataUse> {
        self.data.iter().find(|data| data.name == name)
    }

    /// What a complete charter says and this one does not, in the order of the form.
    pub fn missing(&self) -> Vec<Missing> {
        defaults::missing(self)
    }
}
