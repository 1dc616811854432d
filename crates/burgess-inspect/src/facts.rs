//! Facts about an artifact: what it is and what it does, each with the place that shows it.
//!
//! Not here: reading a platform's format (see [`crate::exports`]). A secret's value has
//! no field here, so that it can be neither stored nor printed.

use std::collections::BTreeSet;
use std::fmt;

use burgess_core::data::Classification;
use serde::{Deserialize, Serialize};

/// Most places kept: a hostile export cannot make its own report grow beyond this.
/// The first place of every listed value comes before any second one is dropped.
const FACTS_MAX: usize = 5_000;
/// Most values of one kind.
const VALUES_MAX: usize = 1_000;

/// Which tool wrote an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Platform {
    /// An n8n workflow, or several.
    N8n,
    /// A Power Automate package: one flow with its connections.
    PowerAutomatePackage,
    /// A Power Platform solution: flows and canvas apps.
    PowerPlatformSolution,
    /// A Power Apps canvas app (`.msapp`).
    PowerAppsCanvas,
    /// None that we know.
    Unknown,
}

impl Platform {
    /// The name in facts and in the golden list of volatile fields.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::N8n => "n8n",
            Self::PowerAutomatePackage => "power-automate-package",
            Self::PowerPlatformSolution => "power-platform-solution",
            Self::PowerAppsCanvas => "power-apps-canvas",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What starts an app.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Trigger {
    /// `manual`, `ui`, `webhook`, `form`, `schedule`, `chat`, `event`, `error`, `workflow`, `agent`.
    pub kind: String,
    /// Of a schedule: how often, as `15 Minute`, or `cron …`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub every: Option<String>,
    /// Of a schedule: when, as `Friday 12:00 UTC`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub at: Option<String>,
    /// Of a webhook: the HTTP method, or `http-request` where the platform takes any.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub method: Option<String>,
    /// Of a webhook or form: its path.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub path: Option<String>,
    /// Of an event: whose.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub connector: Option<String>,
    /// Of an event: which.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub what: Option<String>,
}

impl Trigger {
    /// A trigger of this kind without further detail.
    pub fn of(kind: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            ..Self::default()
        }
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        let details = [
            &self.method,
            &self.path,
            &self.connector,
            &self.what,
            &self.every,
            &self.at,
        ];
        for detail in details.into_iter().flatten() {
            write!(f, " {detail}")?;
        }
        Ok(())
    }
}

/// Where a secret stands. Its value is not here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SecretPlace {
    /// What kind, as `client-secret` or `signed-url`.
    pub kind: String,
    /// File inside the artifact.
    pub file: String,
    /// JSON pointer, or `line:column` in a text file.
    pub pointer: String,
}

/// One fact and the place that shows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fact {
    /// Which list the value stands in, as `connectors`.
    pub field: String,
    /// The value.
    pub value: String,
    /// File inside the artifact.
    pub file: String,
    /// JSON pointer (RFC 6901), an element path for XML, or `line:column` for text.
    pub pointer: String,
}

/// What an artifact is and does. Serialises as `inspect --format json` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Which tool wrote it.
    pub platform: Platform,
    /// The name its maker gave it; empty when none.
    pub name: String,
    /// What it reaches through the platform: node types, connector ids.
    pub connectors: Vec<String>,
    /// Hosts it reaches directly, `env:NAME` where the environment says which.
    pub external_hosts: Vec<String>,
    /// How it proves who it is, and what listens without asking (`none:webhook`).
    pub auth: Vec<String>,
    /// What starts it.
    pub triggers: Vec<Trigger>,
    /// Kinds of data that its connectors and schemas speak of.
    pub data_hints: Vec<String>,
    /// Languages of code inside, `shell:CMD` for commands.
    pub code: Vec<String>,
    /// Packages it needs, as purl.
    pub packages: Vec<String>,
    /// What it can do, as `send:email`, `listen:http`, `exec`.
    pub capabilities: Vec<String>,
    /// How many secrets stand in it.
    pub secrets_inline: usize,
    /// Where they stand.
    pub secrets: Vec<SecretPlace>,
    /// Environment variables it reads.
    pub env_refs: Vec<String>,
    /// Every value above with its place.
    pub facts: Vec<Fact>,
    /// What the reader should know about this reading, in sentences.
    pub notes: Vec<String>,
}

/// What the artifact itself shows about risk. A form may claim more, never less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RiskInputs {
    /// The most sensitive data that its hints speak of.
    pub classification: Classification,
    /// How it is connected.
    pub connectivity: Connectivity,
    /// Whether it brings code that somebody else or nobody reviewed.
    pub third_party_code: bool,
    /// Whether it runs commands, touches files or acts as an agent.
    pub agent_or_files: bool,
}

/// How an artifact is connected; later is riskier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Connectivity {
    /// Not at all.
    None,
    /// Through the platform's connectors.
    SaasConnector,
    /// To hosts of its own choice.
    ExternalApi,
}

/// The lists of [`Facts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Platform,
    Name,
    Connectors,
    ExternalHosts,
    Auth,
    Triggers,
    DataHints,
    Code,
    Packages,
    Capabilities,
    Secrets,
    EnvRefs,
    Methods,
}

impl Field {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Name => "name",
            Self::Connectors => "connectors",
            Self::ExternalHosts => "external_hosts",
            Self::Auth => "auth",
            Self::Triggers => "triggers",
            Self::DataHints => "data_hints",
            Self::Code => "code",
            Self::Packages => "packages",
            Self::Capabilities => "capabilities",
            Self::Secrets => "secrets",
            Self::EnvRefs => "env_refs",
            Self::Methods => "methods",
        }
    }
}

/// Collects facts; a value is listed once, at its first place.
pub(crate) struct Collector {
    out: Facts,
    seen: BTreeSet<(&'static str, String)>,
}

impl Collector {
    pub(crate) fn new(platform: Platform, file: &str) -> Self {
        let out = Facts {
            platform,
            name: String::new(),
            connectors: Vec::new(),
            external_hosts: Vec::new(),
            auth: Vec::new(),
            triggers: Vec::new(),
            data_hints: Vec::new(),
            code: Vec::new(),
            packages: Vec::new(),
            capabilities: Vec::new(),
            secrets_inline: 0,
            secrets: Vec::new(),
            env_refs: Vec::new(),
            facts: Vec::new(),
            notes: Vec::new(),
        };
        let mut collector = Self {
            out,
            seen: BTreeSet::new(),
        };
        collector.cite(Field::Platform, platform.as_str(), file, "");
        collector
    }

    /// Lists `value` and cites its place. Empty values and overlong ones say nothing.
    pub(crate) fn add(&mut self, field: Field, value: &str, file: &str, pointer: &str) {
        if value.is_empty() || value.len() > 500 {
            return;
        }
        if !self.seen.insert((field.as_str(), value.to_owned())) {
            return;
        }
        let list = match field {
            Field::Connectors => &mut self.out.connectors,
            Field::ExternalHosts => &mut self.out.external_hosts,
            Field::Auth => &mut self.out.auth,
            Field::DataHints => &mut self.out.data_hints,
            Field::Code => &mut self.out.code,
            Field::Packages => &mut self.out.packages,
            Field::Capabilities => &mut self.out.capabilities,
            Field::EnvRefs => &mut self.out.env_refs,
            Field::Platform | Field::Name | Field::Triggers | Field::Secrets | Field::Methods => {
                return;
            }
        };
        if list.len() >= VALUES_MAX {
            self.note(format!(
                "more than {VALUES_MAX} {}: the rest is not listed",
                field.as_str()
            ));
            return;
        }
        list.push(value.to_owned());
        self.cite(field, value, file, pointer);
    }

    pub(crate) fn name(&mut self, name: &str, file: &str, pointer: &str) {
        if self.out.name.is_empty() && !name.is_empty() {
            self.out.name = name.chars().take(200).collect();
            let name = self.out.name.clone();
            self.cite(Field::Name, &name, file, pointer);
        }
    }

    pub(crate) fn trigger(&mut self, trigger: Trigger, file: &str, pointer: &str) {
        if self.out.triggers.contains(&trigger) || self.out.triggers.len() >= VALUES_MAX {
            return;
        }
        self.cite(Field::Triggers, &trigger.to_string(), file, pointer);
        self.out.triggers.push(trigger);
    }

    /// Counts a secret at its place; one place counts once.
    pub(crate) fn secret(&mut self, kind: &str, file: &str, pointer: &str) {
        let place = SecretPlace {
            kind: kind.to_owned(),
            file: file.to_owned(),
            pointer: pointer.to_owned(),
        };
        let known = self
            .out
            .secrets
            .iter()
            .any(|s| s.file == place.file && s.pointer == place.pointer);
        if known || self.out.secrets.len() >= VALUES_MAX {
            return;
        }
        self.out.secrets.push(place);
        self.out.secrets_inline = self.out.secrets.len();
        self.cite(Field::Secrets, kind, file, pointer);
    }

    /// Cites the HTTP method that a host is called with; it stands in no list.
    pub(crate) fn method(&mut self, method: &str, host: &str, file: &str, pointer: &str) {
        let value = format!("{method} {host}");
        if !method.is_empty() && self.seen.insert((Field::Methods.as_str(), value.clone())) {
            self.cite(Field::Methods, &value, file, pointer);
        }
    }

    pub(crate) fn note(&mut self, note: String) {
        if !self.out.notes.contains(&note) && self.out.notes.len() < VALUES_MAX {
            self.out.notes.push(note);
        }
    }

    pub(crate) fn finish(self) -> Facts {
        self.out
    }

    fn cite(&mut self, field: Field, value: &str, file: &str, pointer: &str) {
        if self.out.facts.len() < FACTS_MAX {
            self.out.facts.push(Fact {
                field: field.as_str().to_owned(),
                value: value.to_owned(),
                file: file.to_owned(),
                pointer: pointer.to_owned(),
            });
        }
    }
}

impl Facts {
    /// The first place that shows `value` in the list `field`.
    pub fn place(&self, field: &str, value: &str) -> Option<&Fact> {
        self.facts
            .iter()
            .find(|fact| fact.field == field && fact.value == value)
    }

    /// What the artifact shows about risk. Unknown data counts as internal, an unknown
    /// platform as external: what cannot be seen is not assumed to be harmless.
    pub fn risk_inputs(&self) -> RiskInputs {
        let mut classification = Classification::Internal;
        for hint in &self.data_hints {
            classification = classification.max(class_of_hint(hint));
        }
        if !self.secrets.is_empty() {
            classification = classification.max(Classification::Sensitive);
        }
        let direct = ["direct-http", "dynamic-url", "exec", "custom-connector"];
        let connectivity = if !self.external_hosts.is_empty()
            || self.platform == Platform::Unknown
            || self
                .capabilities
                .iter()
                .any(|c| direct.contains(&c.as_str()))
        {
            Connectivity::ExternalApi
        } else if self.connectors.is_empty() {
            Connectivity::None
        } else {
            Connectivity::SaasConnector
        };
        let on_the_machine = ["exec", "agent", "read:file", "write:file", "delete:file"];
        RiskInputs {
            classification,
            connectivity,
            third_party_code: self.packages.iter().any(|purl| !comes_with_platform(purl)),
            agent_or_files: self
                .capabilities
                .iter()
                .any(|c| on_the_machine.contains(&c.as_str())),
        }
    }
}

/// Packages that are the platform itself.
pub(crate) fn comes_with_platform(purl: &str) -> bool {
    matches!(
        purl,
        "pkg:npm/n8n-nodes-base" | "pkg:npm/%40n8n/n8n-nodes-langchain"
    )
}

/// The classification that data of this kind has unless its owner says otherwise.
pub(crate) fn class_of_hint(hint: &str) -> Classification {
    match hint {
        "health-records" => Classification::Phi,
        "email" | "directory-users" | "directory-group" | "contacts" | "customer-records"
        | "chat-text" | "form-responses" | "calendar" | "employee-records" | "payments"
        | "orders" | "incidents" | "location" => Classification::Pii,
        "sql-database"
        | "dataverse-records"
        | "files"
        | "spreadsheet"
        | "sharepoint-list"
        | "sales-quotes"
        | "sales-orders"
        | "sales-opportunities" => Classification::Sensitive,
        "social-media-posts" => Classification::Public,
        _ => Classification::Internal,
    }
}
