//! n8n: workflows as JSON. Credentials are there by name only; a node's type tells its
//! package and what it does; parameters that have their default value are not written.

use serde_json::Value;

use super::n8n_code as code;
use super::n8n_nodes::{Effect, Node, Role, known};
use super::url::{Target, target};
use super::verb::{self, Verb};
use super::{detect, inline_secret, n8n_schedule, url};
use crate::error::InspectError;
use crate::facts::{Collector, Facts, Field, Platform, Trigger};
use crate::json::{self, child, text_at};
use crate::unpack::Tree;

/// Parameters that hold where a call goes.
const URL_KEYS: [&str; 16] = [
    "url",
    "uri",
    "baseurl",
    "host",
    "hostname",
    "endpoint",
    "endpointurl",
    "webhookurl",
    "webhookuri",
    "feedurl",
    "serverurl",
    "apiurl",
    "sseendpoint",
    "endpointuri",
    "instanceurl",
    "domain",
];

/// Parameters that hold program text, for the nodes that run some.
const CODE_KEYS: [&str; 6] = [
    "jscode",
    "pythoncode",
    "functioncode",
    "code",
    "command",
    "query",
];

/// Reads all workflows of an export into one set of facts.
pub(super) fn inspect(tree: &Tree, files: &[String]) -> Result<Facts, InspectError> {
    let first = files.first().map(String::as_str).unwrap_or_default();
    let mut collector = Collector::new(Platform::N8n, first);
    for file in files {
        let bytes = tree.files.get(file).map(Vec::as_slice).unwrap_or_default();
        let value = json::parse(file, bytes)?;
        for (pointer, workflow) in detect::workflows_in(&value) {
            let mut reader = Reader {
                collector: &mut collector,
                file,
            };
            reader.workflow(workflow, &pointer);
        }
    }
    if files.len() > 1 {
        collector.note(format!("{} workflows are read as one app", files.len()));
    }
    Ok(collector.finish())
}

struct Reader<'a> {
    collector: &'a mut Collector,
    file: &'a str,
}

/// One node with what is known of its type.
struct Seen<'a> {
    node: &'a Value,
    kind: &'a str,
    short: &'a str,
    known: Node,
    at: String,
}

impl Reader<'_> {
    fn workflow(&mut self, workflow: &Value, pointer: &str) {
        self.collector.name(
            text_at(workflow, "/name"),
            self.file,
            &child(pointer, "name"),
        );
        let nodes = workflow
            .get("nodes")
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        for (index, node) in nodes.iter().enumerate() {
            let at = child(&child(pointer, "nodes"), &index.to_string());
            let kind = text_at(node, "/type");
            let (package, short) = kind.rsplit_once('.').unwrap_or(("", kind));
            let seen = Seen {
                node,
                kind,
                short,
                known: known(package, short),
                at,
            };
            if seen.known.role == Role::Note {
                continue;
            }
            self.node(&seen, package);
        }
        // Data pinned for tests and static data travel with the export and may hold secrets.
        for part in ["pinData", "staticData", "settings"] {
            if let Some(value) = workflow.get(part) {
                self.secrets(value, &child(pointer, part));
            }
        }
    }

    fn node(&mut self, seen: &Seen<'_>, package: &str) {
        let type_at = child(&seen.at, "type");
        self.add(Field::Packages, &code::purl(package), &type_at);
        if seen.known.role.is_connector() {
            self.add(Field::Connectors, seen.kind, &type_at);
        }
        for hint in &seen.known.hints {
            self.add(Field::DataHints, hint, &type_at);
        }
        for capability in &seen.known.capabilities {
            self.add(Field::Capabilities, capability, &type_at);
        }
        self.credentials(seen);
        self.trigger(seen);
        self.code(seen);
        self.effect(seen);
        if let Some(parameters) = seen.node.get("parameters") {
            let at = child(&seen.at, "parameters");
            self.targets(seen, parameters, &at);
            self.secrets(parameters, &at);
        }
    }

    fn add(&mut self, field: Field, value: &str, pointer: &str) {
        self.collector.add(field, value, self.file, pointer);
    }

    fn credentials(&mut self, seen: &Seen<'_>) {
        let at = child(&seen.at, "credentials");
        if let Some(Value::Object(entries)) = seen.node.get("credentials") {
            for name in entries.keys() {
                self.add(
                    Field::Auth,
                    &format!("credential:{name}"),
                    &child(&at, name),
                );
            }
        }
    }

    fn trigger(&mut self, seen: &Seen<'_>) {
        let kind = match seen.known.role {
            Role::Trigger(kind) => kind,
            Role::ServiceTrigger => "event",
            Role::Connector | Role::Inner | Role::Note => return,
        };
        let parameters = |name: &str| text_at(seen.node, &format!("/parameters/{name}")).to_owned();
        let at = seen.at.clone();
        match kind {
            "webhook" => {
                let method = Some(parameters("httpMethod")).filter(|m| !m.is_empty());
                let trigger = Trigger {
                    method: Some(method.unwrap_or_else(|| "GET".to_owned())),
                    path: Some(parameters("path")).filter(|path| !path.is_empty()),
                    ..Trigger::of(kind)
                };
                self.collector.trigger(trigger, self.file, &at);
                self.listens(seen);
            }
            "form" => {
                let path = Some(parameters("path")).filter(|path| !path.is_empty());
                self.collector.trigger(
                    Trigger {
                        path,
                        ..Trigger::of(kind)
                    },
                    self.file,
                    &at,
                );
                self.listens(seen);
            }
            "schedule" => {
                for (trigger, pointer) in n8n_schedule::schedules(seen.node, seen.short, &seen.at) {
                    self.collector.trigger(trigger, self.file, &pointer);
                }
            }
            "event" => {
                let what = ["event", "triggerOn", "events", "updates"]
                    .iter()
                    .find_map(|name| seen.node.get("parameters")?.get(*name))
                    .map(listed);
                let trigger = Trigger {
                    connector: Some(seen.kind.to_owned()),
                    what,
                    ..Trigger::of(kind)
                };
                self.collector.trigger(trigger, self.file, &at);
            }
            _ => self.collector.trigger(Trigger::of(kind), self.file, &at),
        }
        let public = seen.node.pointer("/parameters/public") == Some(&Value::Bool(true));
        if kind == "chat" && public {
            self.add(
                Field::Capabilities,
                "listen:http",
                &child(&seen.at, "parameters/public"),
            );
        }
    }

    /// A webhook without a check of who calls is reachable by everybody.
    fn listens(&mut self, seen: &Seen<'_>) {
        let kind = text_at(seen.node, "/parameters/authentication");
        if kind.is_empty() || kind == "none" {
            let Role::Trigger(name) = seen.known.role else {
                return;
            };
            self.add(Field::Auth, &format!("none:{name}"), &seen.at);
        }
    }

    fn code(&mut self, seen: &Seen<'_>) {
        let at = |name: &str| format!("{}/parameters/{name}", seen.at);
        let text = |name: &str| text_at(seen.node, &format!("/parameters/{name}"));
        match seen.known.effect {
            Effect::Script => {
                let python = text("language").to_ascii_lowercase().starts_with("python");
                let language = if python { "python" } else { "javascript" };
                self.add(
                    Field::Code,
                    language,
                    &first_present(
                        seen,
                        &["jsCode", "pythonCode", "functionCode", "code", "language"],
                    ),
                );
            }
            Effect::Shell => {
                let command = text("command");
                self.add(
                    Field::Code,
                    &format!("shell:{}", code::first_word(command)),
                    &at("command"),
                );
            }
            Effect::Sql => {
                let query = text("query");
                let operation = text("operation");
                if !query.is_empty()
                    && matches!(operation, "" | "executeQuery" | "execute" | "query")
                {
                    self.add(Field::Code, "sql", &at("query"));
                    if query.contains("{{") {
                        self.add(Field::Capabilities, "sql-interpolation", &at("query"));
                    }
                    self.sql(query, &at("query"));
                }
            }
            Effect::Plain => {}
        }
        if seen.known.effect == Effect::Script {
            for name in ["jsCode", "functionCode", "code"] {
                self.modules(text(name), &at(name));
                self.calls_in_code(text(name), &at(name));
            }
            self.calls_in_code(text("pythonCode"), &at("pythonCode"));
        }
    }

    /// Statements that change a database.
    fn sql(&mut self, query: &str, at: &str) {
        let (writes, deletes) = code::sql_changes(query);
        if writes {
            self.add(Field::Capabilities, "write:sql-database", at);
        }
        if deletes {
            self.add(Field::Capabilities, "delete:sql-database", at);
        }
    }

    /// Modules that a script loads and that are not part of Node.
    fn modules(&mut self, text: &str, at: &str) {
        for mark in ["require(", " from ", "import("] {
            for (position, _) in text.match_indices(mark) {
                let rest = text
                    .get(position.saturating_add(mark.len())..)
                    .unwrap_or_default()
                    .trim_start();
                let Some(quote) = rest
                    .chars()
                    .next()
                    .filter(|c| matches!(c, '"' | '\'' | '`'))
                else {
                    continue;
                };
                let name = rest.split(quote).nth(1).unwrap_or_default();
                if let Some(purl) = code::npm_purl(name) {
                    self.add(Field::Packages, &purl, at);
                }
                if matches!(name.trim_start_matches("node:"), "child_process") {
                    self.add(Field::Capabilities, "exec", at);
                }
                if matches!(name.trim_start_matches("node:"), "fs" | "fs/promises") {
                    self.add(Field::Capabilities, "write:file", at);
                }
            }
        }
    }

    /// Hosts that a script calls: literal URLs outside comments, where the script calls at all.
    fn calls_in_code(&mut self, text: &str, at: &str) {
        const CALLS: [&str; 8] = [
            "fetch(",
            "httpRequest",
            "axios",
            "helpers.request",
            "http.get",
            "https.get",
            "requests.",
            "urllib",
        ];
        let code = code::without_comments(text);
        if !CALLS.iter().any(|call| code.contains(call)) {
            return;
        }
        self.add(Field::Capabilities, "direct-http", at);
        for host in url::literal_urls(&code) {
            self.add(Field::ExternalHosts, &host, at);
        }
    }

    /// What a node's operation does to what.
    fn effect(&mut self, seen: &Seen<'_>) {
        let Some((thing, default)) = seen.known.thing else {
            return;
        };
        let given = text_at(seen.node, "/parameters/operation");
        let operation = if given.is_empty() { default } else { given };
        // What a query does is read from the query.
        if seen.known.effect == Effect::Sql && operation == "executeQuery" {
            return;
        }
        let resource = text_at(seen.node, "/parameters/resource");
        let at = if given.is_empty() {
            child(&seen.at, "type")
        } else {
            format!("{}/parameters/operation", seen.at)
        };
        let sends = [
            "message",
            "messages",
            "email",
            "mail",
            "sms",
            "chatMessage",
            "channelMessage",
        ];
        let says = matches!(thing, "email" | "chat-message" | "sms")
            && (resource.is_empty() || sends.contains(&resource));
        let verb = match verb::of(operation) {
            Verb::Write if says && matches!(operation, "post" | "create") => Verb::Send,
            other => other,
        };
        let object = if resource.is_empty() || says {
            thing.to_owned()
        } else {
            object_of(thing, resource)
        };
        if verb != Verb::Read {
            self.add(
                Field::Capabilities,
                &format!("{}:{object}", verb.as_str()),
                &at,
            );
        }
    }

    fn targets(&mut self, seen: &Seen<'_>, parameters: &Value, at: &str) {
        let connector = seen.known.role.is_connector();
        let mut found = Vec::new();
        json::strings(parameters, at, &mut |pointer, key, text| {
            found.push((
                pointer.to_owned(),
                key.to_ascii_lowercase(),
                text.to_owned(),
            ));
        });
        for (pointer, key, text) in found {
            inline_secret::env_refs(self.collector, &text, self.file, &pointer);
            if !connector || CODE_KEYS.contains(&key.as_str()) || !URL_KEYS.contains(&key.as_str())
            {
                continue;
            }
            match target(&text) {
                Target::Host(host) => self.host(seen, &host, &pointer),
                Target::Env(name) => self.host(seen, &format!("env:{name}"), &pointer),
                Target::Dynamic => self.add(Field::Capabilities, "dynamic-url", &pointer),
                Target::Nowhere => {}
            }
        }
    }

    /// A host, and the method of an HTTP request node (GET when none is written).
    fn host(&mut self, seen: &Seen<'_>, host: &str, pointer: &str) {
        self.add(Field::ExternalHosts, host, pointer);
        if seen.short.to_ascii_lowercase().contains("httprequest") {
            let method = ["method", "requestMethod"]
                .iter()
                .map(|name| text_at(seen.node, &format!("/parameters/{name}")))
                .find(|method| !method.is_empty())
                .unwrap_or("GET");
            self.collector.method(method, host, self.file, pointer);
        }
    }

    fn secrets(&mut self, value: &Value, at: &str) {
        let mut found = Vec::new();
        json::strings(value, at, &mut |pointer, key, text| {
            if let Some(kind) = inline_secret::kind(key, text) {
                found.push((kind, pointer.to_owned()));
            }
            // Headers and query parameters as JSON in a string.
            if let Some(Value::Object(inner)) = json::parse_inner(text)
                && inner.iter().any(|(k, v)| {
                    v.as_str()
                        .is_some_and(|v| inline_secret::kind(k, v).is_some())
                })
            {
                found.push(("authorization-header", pointer.to_owned()));
            }
        });
        for (kind, pointer) in named_values(value, at) {
            found.push((kind, pointer));
        }
        for (kind, pointer) in found {
            self.collector.secret(kind, self.file, &pointer);
        }
    }
}

/// Secrets in lists of `{name: "Authorization", value: "Bearer …"}`.
fn named_values(value: &Value, at: &str) -> Vec<(&'static str, String)> {
    let mut out = Vec::new();
    match value {
        Value::Object(entries) => {
            if let (Some(Value::String(name)), Some(Value::String(text))) =
                (entries.get("name"), entries.get("value"))
                && let Some(kind) = inline_secret::kind(name, text)
            {
                out.push((kind, child(at, "value")));
            }
            for (name, item) in entries {
                out.extend(named_values(item, &child(at, name)));
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                out.extend(named_values(item, &child(at, &index.to_string())));
            }
        }
        _ => {}
    }
    out
}

fn first_present(seen: &Seen<'_>, names: &[&str]) -> String {
    names
        .iter()
        .find(|name| {
            seen.node
                .get("parameters")
                .is_some_and(|p| p.get(**name).is_some())
        })
        .map_or_else(
            || child(&seen.at, "type"),
            |name| format!("{}/parameters/{name}", seen.at),
        )
}

/// A string, or the strings of a list, with `, ` between them.
fn listed(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join(", "),
        _ => String::new(),
    }
}

/// What an operation acts on, where a service has several kinds.
fn object_of(thing: &'static str, resource: &str) -> String {
    match resource {
        "event" | "calendar" => "calendar-event".to_owned(),
        "contact" => "contact".to_owned(),
        "file" | "folder" => "file".to_owned(),
        "draft" | "label" | "thread" if thing == "email" => thing.to_owned(),
        "sheet" | "spreadsheet" => "spreadsheet".to_owned(),
        "message" | "messages" => thing.to_owned(),
        other if thing == "record" => verb::words(other).join("-"),
        _ => thing.to_owned(),
    }
}
