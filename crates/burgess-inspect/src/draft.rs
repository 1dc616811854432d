//! Drafts `charter.toml` from facts: every known field with the place that shows it,
//! every unknown one as a question.
//!
//! Not here: reading a charter, and deciding on it (see `burgess_core::charter`).

mod catalogue;

use std::collections::{BTreeMap, BTreeSet};

use burgess_core::data::Classification;
use burgess_core::evidence::ArtifactFacts;
use burgess_core::id::AppId;

pub use catalogue::{Known, Lookup, known};

use crate::error::shown;
use crate::facts::{Connectivity, Facts, class_of_hint, comes_with_platform};

/// What is known before the export is read: from the form, the command line or the
/// signed-in developer. It is taken over as it is; `charter check` judges it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// The app's id, when intake gave it one.
    pub id: Option<AppId>,
    /// The version that the charter describes.
    pub version: Option<String>,
    /// What people call it; the export's name otherwise.
    pub name: Option<String>,
    /// What it is for.
    pub purpose: Option<String>,
    /// The business unit.
    pub unit: Option<String>,
    /// Who builds it.
    pub developer: Option<String>,
    /// The accountable sponsor.
    pub owner: Option<String>,
    /// Who takes over.
    pub second_owner: Option<String>,
    /// How many people will use it.
    pub users: Option<u32>,
}

/// Writes the draft. It parses as a charter as soon as `id` and `name` are right; lines
/// that begin with `# ?` are questions, answered by removing these three characters and
/// filling in the value.
pub fn charter_draft(facts: &Facts, given: &Given, lookup: &Lookup<'_>) -> String {
    let mut draft = Draft {
        facts,
        lookup,
        out: String::new(),
    };
    draft.head(given);
    draft.app(given);
    draft.data();
    draft.connectors();
    draft.third_party();
    draft.capabilities();
    draft.rest();
    draft.out
}

/// What the artifact shows, as the evidence of the programme has it. Connectors are named
/// by the catalogue; packages that are the platform itself are not third-party code.
pub fn artifact_facts(facts: &Facts, lookup: &Lookup<'_>) -> ArtifactFacts {
    let shown = facts.risk_inputs();
    let mut out = ArtifactFacts {
        platform: facts.platform.as_str().to_owned(),
        external_hosts: facts.external_hosts.clone(),
        data: (!facts.data_hints.is_empty() || !facts.secrets.is_empty())
            .then_some(shown.classification),
        third_party_code: shown.third_party_code,
        capabilities: facts.capabilities.clone(),
        ..ArtifactFacts::default()
    };
    out.packages = facts
        .packages
        .iter()
        .filter(|purl| !comes_with_platform(purl))
        .cloned()
        .collect();
    for connector in &facts.connectors {
        match known(connector, lookup) {
            Known::Service(id) => out.connectors.push(id),
            Known::Unknown => out.unknown_connectors.push(connector.clone()),
            Known::NotAService => {}
        }
    }
    // What is reachable from outside, or calls where nobody can see, is an external connection.
    if out.external_hosts.is_empty() && shown.connectivity == Connectivity::ExternalApi {
        out.external_hosts.push(UNSEEN_HOST.to_owned());
    }
    out.connectors.sort();
    out.connectors.dedup();
    out
}

/// Stands for a host that the artifact does not name.
pub const UNSEEN_HOST: &str = "unknown-host";

struct Draft<'a> {
    facts: &'a Facts,
    lookup: &'a Lookup<'a>,
    out: String,
}

impl Draft<'_> {
    fn line(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn known(&mut self, key: &str, value: &str, source: &str) {
        let comment = if source.is_empty() {
            String::new()
        } else {
            format!("  # {source}")
        };
        self.line(&format!("{key} = {value}{comment}"));
    }

    /// A question: the key with an example, commented out.
    fn ask(&mut self, key: &str, example: &str, question: &str) {
        self.line(&format!("# ? {key} = {example}  # {question}"));
    }

    fn given(&mut self, key: &str, given: Option<&String>, example: &str, question: &str) {
        match given {
            Some(value) => self.known(key, &quoted(value), ""),
            None => self.ask(key, &quoted(example), question),
        }
    }

    /// `from FILE#POINTER` for a value.
    fn source(&self, field: &str, value: &str) -> String {
        match self.facts.place(field, value) {
            Some(fact) => format!("from {}#{}", shown(&fact.file), shown(&fact.pointer)),
            None => String::new(),
        }
    }

    fn head(&mut self, given: &Given) {
        self.line(&format!(
            "# Draft of a charter, from what the {} export shows.",
            self.facts.platform
        ));
        self.line("# Lines that begin with \"# ?\" are questions: remove these three characters and fill in the answer.");
        for note in &self.facts.notes {
            self.out.push_str(&format!("# Note: {}\n", shown(note)));
        }
        self.line("");
        self.known("schema", &quoted("burgess.charter/1"), "");
        match &given.id {
            Some(id) => self.known("id", &quoted(id.as_str()), ""),
            None => {
                let name = given.name.as_deref().unwrap_or(&self.facts.name);
                let id = AppId::from_name(if name.is_empty() { "draft" } else { name }, |_| false);
                self.known(
                    "id",
                    &quoted(id.as_str()),
                    "a proposal: intake gives the id",
                );
            }
        }
        let version = given.version.as_deref().unwrap_or("0.1.0");
        self.known("version", &quoted(version), "");
    }

    fn app(&mut self, given: &Given) {
        self.line("\n[app]");
        let seen = app_name(&self.facts.name);
        match (&given.name, seen.is_empty()) {
            (Some(name), _) => self.known("name", &quoted(name), ""),
            (None, false) => {
                let source = self.source("name", &self.facts.name);
                self.known("name", &quoted(&seen), &source);
            }
            (None, true) => self.known(
                "name",
                &quoted("Unnamed app"),
                "check: the export has no name: what do people call it",
            ),
        }
        self.given(
            "purpose",
            given.purpose.as_ref(),
            "",
            "what is it for, in one sentence",
        );
        self.given(
            "unit",
            given.unit.as_ref(),
            "sales-emea",
            "which business unit",
        );
        self.given(
            "developer",
            given.developer.as_ref(),
            "you@example.com",
            "who builds it",
        );
        self.given(
            "owner",
            given.owner.as_ref(),
            "owner@example.com",
            "which business sponsor is accountable",
        );
        self.given(
            "second_owner",
            given.second_owner.as_ref(),
            "second@example.com",
            "who takes over when the owner leaves",
        );
        match given.users {
            Some(users) => self.known("users", &users.to_string(), ""),
            None => self.ask("users", "10", "how many people will use it"),
        }
        self.ask(
            "environments",
            "[\"sandbox\", \"staging\", \"production\"]",
            "where is it to run; sandbox alone otherwise",
        );
        self.ask(
            "production_systems",
            "true",
            "does it reach a production system",
        );
    }

    fn data(&mut self) {
        let hints = self.facts.data_hints.clone();
        if hints.is_empty() {
            self.line("\n# Which data does it touch? The export shows none. For each kind:");
            self.line("# ? [[data]]");
            self.ask("name", "\"price_list\"", "its name in the dataset registry");
            self.ask(
                "classification",
                "\"internal\"",
                "public, internal, sensitive, pii or phi",
            );
            self.ask(
                "actions",
                "[\"read\"]",
                "create, read, update, delete, execute, export",
            );
            self.ask("purpose", "\"\"", "what it is needed for");
            return;
        }
        for hint in &hints {
            self.line("\n[[data]]");
            let source = self.source("data_hints", hint);
            self.known("name", &quoted(&hint.replace('-', "_")), &source);
            let class = class_of_hint(hint).max(Classification::Internal);
            let class = if class_of_hint(hint) == Classification::Public {
                Classification::Public
            } else {
                class
            };
            self.known(
                "classification",
                &quoted(class.as_str()),
                "check: usual for this kind of data: what does its owner say",
            );
            let (actions, source) = self.actions(hint);
            self.known("actions", &array(&actions), &source);
            self.ask("purpose", "\"\"", "what it is needed for");
        }
    }

    /// What the app's capabilities do with this kind of data; reading always.
    fn actions(&self, hint: &str) -> (Vec<String>, String) {
        let mut actions = vec!["read".to_owned()];
        let mut source = String::new();
        for capability in &self.facts.capabilities {
            let Some((verb, thing)) = capability.split_once(':') else {
                continue;
            };
            let same = hint.starts_with(thing)
                || thing.starts_with(hint)
                || (thing == "dataverse" && hint != "email");
            let more: &[&str] = match verb {
                "write" => &["create", "update"],
                "delete" => &["delete"],
                "send" => &["export"],
                _ => continue,
            };
            if same {
                actions.extend(more.iter().map(|action| (*action).to_owned()));
                source = self.source("capabilities", capability);
            }
        }
        (actions, source)
    }

    fn connectors(&mut self) {
        let entries = self.entries();
        if entries.is_empty() {
            self.line("\n# What does it connect to? The export shows nothing. For each: [[connector]] with id, methods, scopes and flows.");
        }
        for (id, entry) in entries {
            self.line("\n[[connector]]");
            self.known("id", &quoted(&id), &entry.source);
            self.known(
                "methods",
                &array(&entry.methods),
                "check: all that it calls with",
            );
            self.ask("scopes", "[\"quotes:read\"]", "which scopes it needs there");
            let flows: Vec<String> = self
                .facts
                .data_hints
                .iter()
                .map(|hint| {
                    format!(
                        "{{ data = {}, direction = \"in\" }}",
                        quoted(&hint.replace('-', "_"))
                    )
                })
                .collect();
            self.ask(
                "flows",
                &format!("[{}]", flows.join(", ")),
                "which data goes in (to the app) and out (to the connector)",
            );
            match entry.host {
                Host::Catalogue => {}
                Host::Seen(host) => {
                    let list = array(&[host]);
                    let hosts =
                        format!("{{ sandbox = {list}, staging = {list}, production = {list} }}");
                    self.known(
                        "hosts",
                        &hosts,
                        "check: the export names one host: is there another for each environment",
                    );
                }
                Host::Asked(why) => {
                    self.ask(
                        "hosts",
                        "{ sandbox = [\"api.sbx.example\"], production = [\"api.example\"] }",
                        why,
                    );
                }
            }
        }
    }

    /// One entry per catalogue connector, per unknown connector and per host.
    fn entries(&self) -> BTreeMap<String, Entry> {
        let mut out = BTreeMap::new();
        for connector in &self.facts.connectors {
            let source = self.source("connectors", connector);
            match known(connector, self.lookup) {
                Known::Service(id) => {
                    out.entry(id).or_insert(Entry {
                        source,
                        methods: get_only(),
                        host: Host::Catalogue,
                    });
                }
                Known::NotAService => {}
                Known::Unknown => {
                    let why = "which hosts it reaches; the catalogue does not know this connector, so it counts as external";
                    out.entry(slug(connector)).or_insert(Entry {
                        source,
                        methods: get_only(),
                        host: Host::Asked(why),
                    });
                }
            }
        }
        for host in &self.facts.external_hosts {
            let source = self.source("external_hosts", host);
            if let Some(id) = (self.lookup.by_host)(host) {
                let methods = self.methods(host);
                let host = Host::Catalogue;
                out.insert(
                    id,
                    Entry {
                        source,
                        methods,
                        host,
                    },
                );
                continue;
            }
            let (host_entry, id) = match host.split_once(':') {
                Some(("env" | "computed", name)) => {
                    let why = "which hosts stand in this variable, for each environment";
                    (Host::Asked(why), slug(name))
                }
                _ if is_plain_host(host) => (Host::Seen(host.clone()), slug(host)),
                _ => (Host::Asked("which host this is"), slug(host)),
            };
            out.insert(
                id,
                Entry {
                    source,
                    methods: self.methods(host),
                    host: host_entry,
                },
            );
        }
        out
    }

    /// The methods that the export shows for a host.
    fn methods(&self, host: &str) -> Vec<String> {
        let seen: BTreeSet<String> = self
            .facts
            .facts
            .iter()
            .filter(|fact| fact.field == "methods")
            .filter_map(|fact| fact.value.split_once(' '))
            .filter(|(_, target)| *target == host)
            .map(|(method, _)| method.to_owned())
            .collect();
        if seen.is_empty() {
            get_only()
        } else {
            seen.into_iter().collect()
        }
    }

    fn third_party(&mut self) {
        for purl in &self.facts.packages.clone() {
            if comes_with_platform(purl) {
                continue;
            }
            let kind = purl
                .strip_prefix("pkg:")
                .and_then(|rest| rest.split('/').next())
                .unwrap_or("script");
            self.line("\n[[third_party]]");
            let source = self.source("packages", purl);
            self.known("kind", &quoted(kind), &format!("{} {source}", shown(purl)));
            self.ask(
                "manifest",
                "\"package-lock.json\"",
                "which file of the artifact pins its version",
            );
        }
        if self.facts.capabilities.iter().any(|c| c == "ai-model") {
            let source = self.source("capabilities", "ai-model");
            self.line(&format!("\n# ? [[third_party]]  # a model takes part, {source}: is it one that somebody else provides"));
            self.ask("kind", "\"model\"", "then keep these two lines");
        }
    }

    fn capabilities(&mut self) {
        let seen = |name: &str| self.facts.capabilities.iter().any(|c| c == name);
        let (shell, reads, writes) = (
            seen("exec"),
            seen("read:file"),
            seen("write:file") || seen("delete:file"),
        );
        self.line("\n[capabilities]");
        if shell {
            let source = self.source("capabilities", "exec");
            self.known("automation", "[\"shell\"]", &source);
        } else {
            self.known(
                "automation",
                "[]",
                "check: shell, browser, clipboard, ui, or tools of an agent",
            );
        }
        if reads || writes {
            let name = if writes { "write:file" } else { "read:file" };
            let source = self.source("capabilities", name);
            let access = if writes { "write" } else { "read" };
            self.ask(
                "files",
                &format!("[{{ path = \"~/Quotes\", access = \"{access}\" }}]"),
                &format!("which files and folders, {source}"),
            );
        }
        self.ask("agent", "true", "is a desktop agent part of it");
        if shell || reads || writes {
            self.ask("justification", "\"\"", "why it needs them; required");
        }
    }

    fn rest(&mut self) {
        self.line("\n# ? [limits]");
        self.ask("requests_per_minute", "120", "how many calls at most");
        self.ask("rows_per_day", "5000", "how many records at most");
        self.line("\n# ? [timing]  # only when someone waits in real time");
        self.ask("budget", "\"200ms\"", "how long an answer may take");
        self.line("\n# ? [support]");
        self.ask("remediation_sla", "\"5d\"", "how soon findings are mended");
        self.ask("contacts", "[\"#sales-tools\"]", "where to ask");
        self.ask("failure_modes", "\"\"", "what happens when it fails");
        self.line("\n# ? [retention]");
        self.ask(
            "label",
            "\"sales-3y\"",
            "which label of the retention schedule",
        );
        self.ask("days", "1095", "how many days it means");
    }
}

struct Entry {
    source: String,
    methods: Vec<String>,
    host: Host,
}

enum Host {
    /// The catalogue knows.
    Catalogue,
    /// The export shows it.
    Seen(String),
    /// Only the developer knows; the question.
    Asked(&'static str),
}

fn get_only() -> Vec<String> {
    vec!["GET".to_owned()]
}

/// A TOML basic string (TOML 1.0, "String"); JSON escapes are a subset, but for DEL.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text)
        .to_string()
        .replace('\u{7f}', "\\u007F")
}

fn array(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| quoted(item)).collect();
    format!("[{}]", items.join(", "))
}

/// A name as a charter takes it: one line, 80 characters.
fn app_name(name: &str) -> String {
    let one_line: String = name
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    one_line
        .trim()
        .chars()
        .take(80)
        .collect::<String>()
        .trim()
        .to_owned()
}

/// A connector id: 1 to 80 of a-z, 0-9, `-` and `.`.
fn slug(text: &str) -> String {
    let last = text.strip_prefix("shared_").unwrap_or(text);
    let last = last.strip_prefix("n8n-nodes-base.").unwrap_or(last);
    let mut out = String::new();
    for c in last.chars().take(80) {
        let c = c.to_ascii_lowercase();
        if c.is_ascii_alphanumeric() || (c == '.' && !out.is_empty()) {
            out.push(c);
        } else if !out.ends_with('-') && !out.is_empty() {
            out.push('-');
        }
    }
    let out = out.trim_end_matches(['-', '.']);
    if out.is_empty() {
        "unnamed".to_owned()
    } else {
        out.to_owned()
    }
}

/// Whether a charter takes the text as a host, with or without a port.
fn is_plain_host(text: &str) -> bool {
    let name = text.rsplit_once(':').map_or(text, |(name, _)| name);
    let label = |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
    let port = text
        .rsplit_once(':')
        .is_none_or(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0));
    port && name.split('.').all(label)
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
}
