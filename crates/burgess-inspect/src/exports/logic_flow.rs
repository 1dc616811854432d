//! A flow as Power Automate and Logic Apps define it (workflow definition language,
//! schema 2016-06-01): triggers, actions nested in scopes, connection references.
//!
//! Both ways of writing a connector's action are read: `OpenApiConnection` (host with
//! apiId and operationId) and the older `ApiConnection` (method and path).

use serde_json::{Map, Value};

use super::url::{Target, target};
use super::{inline_secret, power_connectors, verb};
use crate::facts::{Collector, Field, Trigger};
use crate::json::{self, child, text_at};

/// Deepest scope in scope; the editor allows eight.
const SCOPES_MAX: u32 = 64;

/// Reads the `properties` of a flow that stand at `pointer` of `file`.
pub(super) fn read(collector: &mut Collector, file: &str, properties: &Value, pointer: &str) {
    let mut flow = Flow {
        collector,
        file,
        properties,
    };
    flow.references(&child(pointer, "connectionReferences"));
    let definition = child(pointer, "definition");
    flow.parameters(&child(&definition, "parameters"));
    let triggers = properties
        .pointer("/definition/triggers")
        .and_then(Value::as_object);
    for (name, trigger) in triggers.into_iter().flatten() {
        flow.trigger(trigger, &child(&child(&definition, "triggers"), name));
    }
    if let Some(Value::Object(actions)) = properties.pointer("/definition/actions") {
        flow.actions(actions, &child(&definition, "actions"), 0);
    }
    if let Some(value) = properties.get("definition") {
        flow.secrets(value, &definition);
    }
}

struct Flow<'a> {
    collector: &'a mut Collector,
    file: &'a str,
    properties: &'a Value,
}

impl Flow<'_> {
    fn add(&mut self, field: Field, value: &str, pointer: &str) {
        self.collector.add(field, value, self.file, pointer);
    }

    fn references(&mut self, at: &str) {
        let references = self
            .properties
            .get("connectionReferences")
            .and_then(Value::as_object);
        for (key, reference) in references.into_iter().flatten() {
            let name = reference_name(key, reference);
            connector(self.collector, &name, self.file, &child(at, key));
        }
    }

    /// Parameters besides the platform's own are environment variables.
    fn parameters(&mut self, at: &str) {
        let parameters = self
            .properties
            .pointer("/definition/parameters")
            .and_then(Value::as_object);
        for (name, parameter) in parameters.into_iter().flatten() {
            if !name.starts_with('$') {
                let schema = text_at(parameter, "/metadata/schemaName");
                self.add(
                    Field::EnvRefs,
                    if schema.is_empty() { name } else { schema },
                    &child(at, name),
                );
            }
        }
    }

    fn trigger(&mut self, trigger: &Value, at: &str) {
        let kind = text_at(trigger, "/type");
        match kind.to_ascii_lowercase().as_str() {
            "recurrence" | "slidingwindow" => {
                let trigger = schedule(trigger.get("recurrence").unwrap_or(trigger));
                self.collector.trigger(trigger, self.file, at);
            }
            "request" => self.request(trigger, at),
            "http" | "httpwebhook" => {
                self.http(trigger, at);
                self.collector.trigger(
                    Trigger {
                        connector: Some("http".to_owned()),
                        ..Trigger::of("event")
                    },
                    self.file,
                    at,
                );
            }
            "manual" => self.collector.trigger(Trigger::of("manual"), self.file, at),
            _ => {
                let (connector, operation) = self.connection(trigger, at);
                let what = Some(event_words(&operation)).filter(|what| !what.is_empty());
                let event = Trigger {
                    connector: Some(connector).filter(|c| !c.is_empty()),
                    what,
                    ..Trigger::of("event")
                };
                self.collector.trigger(event, self.file, at);
            }
        }
    }

    fn request(&mut self, trigger: &Value, at: &str) {
        let kind = match text_at(trigger, "/kind").to_ascii_lowercase().as_str() {
            "button" => Trigger::of("manual"),
            "powerapp" | "powerappv2" => Trigger::of("ui"),
            "skills" | "virtualagent" => Trigger::of("chat"),
            _ => Trigger {
                method: Some("http-request".to_owned()),
                ..Trigger::of("webhook")
            },
        };
        if text_at(trigger, "/inputs/triggerAuthenticationType").eq_ignore_ascii_case("All") {
            self.add(
                Field::Auth,
                "signed-url",
                &format!("{at}/inputs/triggerAuthenticationType"),
            );
        }
        self.collector.trigger(kind, self.file, at);
    }

    fn actions(&mut self, actions: &Map<String, Value>, at: &str, depth: u32) {
        if depth > SCOPES_MAX {
            return;
        }
        for (name, action) in actions {
            let at = child(at, name);
            self.action(action, &at);
            for inner in ["actions", "else/actions", "default/actions"] {
                if let Some(Value::Object(inside)) = action.pointer(&format!("/{inner}")) {
                    self.actions(inside, &format!("{at}/{inner}"), depth.saturating_add(1));
                }
            }
            for (case, body) in action
                .get("cases")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
            {
                if let Some(Value::Object(inside)) = body.get("actions") {
                    let at = child(&child(&child(&at, "cases"), case), "actions");
                    self.actions(inside, &at, depth.saturating_add(1));
                }
            }
        }
    }

    fn action(&mut self, action: &Value, at: &str) {
        match text_at(action, "/type").to_ascii_lowercase().as_str() {
            "http" | "httpwebhook" => self.http(action, at),
            "workflow" | "function" => self.add(Field::Capabilities, "calls-flow", at),
            "javascriptcode" => self.add(Field::Code, "javascript", at),
            "csharpscriptcode" => self.add(Field::Code, "csharp", at),
            "powershellcode" => self.add(Field::Code, "powershell", at),
            "pythoncode" => self.add(Field::Code, "python", at),
            "parsejson" => self.schema(action, at),
            "openapiconnection"
            | "openapiconnectionwebhook"
            | "openapiconnectionnotification"
            | "apiconnection"
            | "apiconnectionwebhook"
            | "apiconnectionnotification" => {
                self.connection(action, at);
            }
            _ => {}
        }
    }

    /// An action or trigger of a connector; gives the connector and the operation.
    fn connection(&mut self, step: &Value, at: &str) -> (String, String) {
        let name = self.connector_of(step);
        let operation = operation_of(step);
        let host = format!("{at}/inputs/host");
        connector(self.collector, &name, self.file, &host);
        let table = [
            "/inputs/parameters/entityName",
            "/inputs/parameters/subscriptionRequest~1entityname",
        ]
        .iter()
        .map(|pointer| text_at(step, pointer))
        .find(|table| !table.is_empty())
        .unwrap_or_default();
        let shown = power_connectors::operation(&name, &operation, table);
        if let Some(hint) = shown.hint {
            self.add(Field::DataHints, hint, &host);
        }
        let folded = operation.to_lowercase();
        if let Some(capability) = shown.capability {
            self.add(Field::Capabilities, &capability, &host);
        }
        if folded.contains("nativequery") || folded.contains("passthrough") {
            self.add(Field::Code, "sql", &host);
            if text_at(step, "/inputs/parameters/query~1query").contains("@{") {
                self.add(Field::Capabilities, "sql-interpolation", &host);
            }
        }
        if folded.contains("runscript") {
            self.add(Field::Code, "office-script", &host);
        }
        (name, operation)
    }

    /// The connector of a step: by its apiId, by its connection's name, or by the
    /// expression of the older form.
    fn connector_of(&self, step: &Value) -> String {
        let api = text_at(step, "/inputs/host/apiId");
        if let Some(name) = api.rsplit('/').next().filter(|name| !name.is_empty()) {
            return name.to_owned();
        }
        let named = text_at(step, "/inputs/host/connectionName");
        let expression = text_at(step, "/inputs/host/connection/name");
        let key = if named.is_empty() {
            expression
                .split("['")
                .nth(1)
                .and_then(|rest| rest.split("']").next())
        } else {
            Some(named)
        };
        let key = key
            .or_else(|| {
                step.pointer("/inputs/host/connection/referenceName")
                    .and_then(Value::as_str)
            })
            .unwrap_or_default();
        match self
            .properties
            .get("connectionReferences")
            .and_then(|references| references.get(key))
        {
            Some(reference) => reference_name(key, reference),
            None => without_number(key).to_owned(),
        }
    }

    fn http(&mut self, step: &Value, at: &str) {
        let uri_at = format!("{at}/inputs/uri");
        self.add(Field::Connectors, "http", &child(at, "type"));
        self.add(Field::Capabilities, "direct-http", &child(at, "type"));
        let uri = text_at(step, "/inputs/uri");
        let uri = if uri.is_empty() {
            text_at(step, "/inputs/subscribe/uri")
        } else {
            uri
        };
        let host = match target(uri) {
            Target::Host(host) => Some((host, uri_at)),
            Target::Env(name) => Some((format!("env:{name}"), uri_at)),
            Target::Dynamic | Target::Nowhere => self.audience(step, at, &uri_at, uri),
        };
        if let Some((host, pointer)) = host {
            self.add(Field::ExternalHosts, &host, &pointer);
            let method = text_at(step, "/inputs/method").to_uppercase();
            self.collector
                .method(&method, &host, self.file, &format!("{at}/inputs/method"));
            self.graph(&host, uri, &pointer);
        }
        self.authentication(step, at);
    }

    /// Where only an expression says the address, an environment variable in it or the
    /// audience of the credential tells the host.
    fn audience(
        &mut self,
        step: &Value,
        at: &str,
        uri_at: &str,
        uri: &str,
    ) -> Option<(String, String)> {
        if let Some(name) = environment_name(uri) {
            return Some((format!("env:{name}"), uri_at.to_owned()));
        }
        match target(text_at(step, "/inputs/authentication/audience")) {
            Target::Host(host) => Some((host, format!("{at}/inputs/authentication/audience"))),
            _ => {
                self.add(Field::Capabilities, "dynamic-url", uri_at);
                None
            }
        }
    }

    /// What a path of Microsoft Graph is about.
    fn graph(&mut self, host: &str, uri: &str, at: &str) {
        if host != "graph.microsoft.com" {
            return;
        }
        let path = uri.to_lowercase();
        for (part, hint) in [
            ("/messages", "email"),
            ("/sendmail", "email"),
            ("/mailfolders", "email"),
            ("/events", "calendar"),
            ("/calendar", "calendar"),
            ("/contacts", "contacts"),
            ("/groups", "directory-group"),
            ("/chats", "chat-text"),
            ("/lists", "sharepoint-list"),
            ("/drive", "files"),
        ] {
            if path.contains(part) {
                self.add(Field::DataHints, hint, at);
                return;
            }
        }
        if path.contains("/users") || path.contains("/me") {
            self.add(Field::DataHints, "directory-users", at);
        }
    }

    fn authentication(&mut self, step: &Value, at: &str) {
        let authentication = step.pointer("/inputs/authentication");
        let has = |name: &str| authentication.and_then(|a| a.get(name)).is_some();
        let kind = authentication
            .map(|a| text_at(a, "/type"))
            .unwrap_or_default();
        let auth = match kind.to_ascii_lowercase().as_str() {
            "activedirectoryoauth" if has("pfx") => "entra-oauth-certificate",
            "activedirectoryoauth" => "entra-oauth-client-secret",
            "basic" => "http-basic",
            "clientcertificate" => "client-certificate",
            "managedserviceidentity" => "managed-identity",
            "raw" => "http-header",
            _ => return,
        };
        self.add(Field::Auth, auth, &format!("{at}/inputs/authentication"));
    }

    /// Property names in a schema tell the kind of data that comes in.
    fn schema(&mut self, action: &Value, at: &str) {
        let mut found = Vec::new();
        if let Some(schema) = action.pointer("/inputs/schema") {
            properties(schema, &format!("{at}/inputs/schema"), 0, &mut found);
        }
        for (name, pointer) in found {
            let hint = match name.to_ascii_lowercase().as_str() {
                "userprincipalname" => "directory-users",
                "patientid" | "diagnosis" | "medicalrecordnumber" => "health-records",
                "accountnumber" | "iban" | "cardnumber" => "payments",
                _ => continue,
            };
            self.add(Field::DataHints, hint, &pointer);
        }
    }

    fn secrets(&mut self, value: &Value, at: &str) {
        let mut found = Vec::new();
        json::strings(value, at, &mut |pointer, key, text| {
            if let Some(kind) = inline_secret::kind(key, text) {
                found.push((kind, pointer.to_owned()));
            }
        });
        for (kind, pointer) in found {
            self.collector.secret(kind, self.file, &pointer);
        }
    }
}

/// Lists a connector and what using it shows.
pub(super) fn connector(collector: &mut Collector, name: &str, file: &str, pointer: &str) {
    if name.is_empty() {
        return;
    }
    collector.add(Field::Connectors, name, file, pointer);
    collector.add(Field::Auth, "connection-reference", file, pointer);
    if power_connectors::is_custom(name) {
        collector.add(Field::Capabilities, "custom-connector", file, pointer);
    }
    let (hint, capability) = power_connectors::always(name);
    if let Some(hint) = hint {
        collector.add(Field::DataHints, hint, file, pointer);
    }
    if let Some(capability) = capability {
        collector.add(Field::Capabilities, capability, file, pointer);
    }
}

fn properties(schema: &Value, at: &str, depth: u32, out: &mut Vec<(String, String)>) {
    if depth > SCOPES_MAX {
        return;
    }
    for (name, property) in schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let at = child(&child(at, "properties"), name);
        out.push((name.clone(), at.clone()));
        properties(property, &at, depth.saturating_add(1), out);
    }
    if let Some(items) = schema.get("items") {
        properties(items, &child(at, "items"), depth.saturating_add(1), out);
    }
}

/// The connector that a connection reference stands for.
fn reference_name(key: &str, reference: &Value) -> String {
    let id = ["/id", "/api/id"]
        .iter()
        .map(|pointer| text_at(reference, pointer))
        .find(|id| !id.is_empty());
    if let Some(name) = id
        .and_then(|id| id.rsplit('/').next())
        .filter(|name| !name.is_empty())
    {
        return name.to_owned();
    }
    let name = text_at(reference, "/api/name");
    if name.is_empty() {
        without_number(key).to_owned()
    } else {
        name.to_owned()
    }
}

/// A second connection to one connector is called `shared_planner_1`.
fn without_number(key: &str) -> &str {
    match key.rsplit_once('_') {
        Some((name, number))
            if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) =>
        {
            name
        }
        _ => key,
    }
}

/// The operation's id; older flows have it in their metadata, or only method and path.
fn operation_of(step: &Value) -> String {
    let known = [
        "/inputs/host/operationId",
        "/metadata/flowSystemMetadata/swaggerOperationId",
    ];
    if let Some(id) = known
        .iter()
        .map(|pointer| text_at(step, pointer))
        .find(|id| !id.is_empty())
    {
        return id.to_owned();
    }
    format!(
        "{} {}",
        text_at(step, "/inputs/method"),
        text_at(step, "/inputs/path")
    )
}

/// An environment variable in an expression: `@parameters('Base URL (cr1_BaseUrl)')`.
fn environment_name(expression: &str) -> Option<&str> {
    let inside = expression
        .split("parameters('")
        .nth(1)?
        .split("')")
        .next()?;
    let name = inside
        .rsplit_once('(')
        .map_or(inside, |(_, name)| name.trim_end_matches(')'));
    (!name.starts_with('$') && !name.is_empty()).then_some(name)
}

/// An event in words: `OnFlaggedEmailV3` is `email flagged`, `GetOnNewItems` is `new items`.
fn event_words(operation: &str) -> String {
    const AFTER: [&str; 9] = [
        "flagged",
        "created",
        "updated",
        "deleted",
        "modified",
        "added",
        "removed",
        "submitted",
        "mentioned",
    ];
    let words = verb::words(operation);
    let version = |word: &str| {
        word.strip_prefix('v')
            .unwrap_or(word)
            .bytes()
            .all(|b| b.is_ascii_digit())
    };
    let words: Vec<String> = words
        .into_iter()
        .map(|word| {
            word.trim_end_matches(|c: char| c.is_ascii_digit())
                .to_owned()
        })
        .filter(|word| {
            !word.is_empty()
                && !version(word)
                && !matches!(
                    word.as_str(),
                    "on" | "get" | "when" | "a" | "an" | "the" | "v" | "trigger"
                )
        })
        .collect();
    let (after, before): (Vec<String>, Vec<String>) = words
        .into_iter()
        .partition(|word| AFTER.contains(&word.as_str()));
    before
        .into_iter()
        .chain(after)
        .map(|word| word.trim_end_matches('v').to_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

/// A recurrence: how often, on which days, at what time in which zone.
fn schedule(recurrence: &Value) -> Trigger {
    let interval = recurrence
        .get("interval")
        .and_then(Value::as_u64)
        .unwrap_or(1);
    let frequency = text_at(recurrence, "/frequency");
    let zone = Some(text_at(recurrence, "/timeZone"))
        .filter(|zone| !zone.is_empty())
        .unwrap_or("UTC");
    let days = recurrence
        .pointer("/schedule/weekDays")
        .map(list)
        .unwrap_or_default();
    let times = times_of_day(recurrence);
    let start = text_at(recurrence, "/startTime");
    let from_start = start
        .split_once('T')
        .and_then(|(_, time)| time.get(..5))
        .map(str::to_owned);
    let daily = matches!(
        frequency.to_ascii_lowercase().as_str(),
        "day" | "week" | "month" | "year"
    );
    let time = if times.is_empty() {
        from_start.filter(|_| daily).into_iter().collect()
    } else {
        times
    };
    let at = match (days.is_empty(), time.is_empty()) {
        (true, true) => None,
        (false, true) => Some(days.join(", ")),
        (true, false) => Some(format!("{} {zone}", time.join(", "))),
        (false, false) => Some(format!("{} {} {zone}", days.join(", "), time.join(", "))),
    };
    Trigger {
        every: Some(format!("{interval} {frequency}")),
        at,
        ..Trigger::of("schedule")
    }
}

fn times_of_day(recurrence: &Value) -> Vec<String> {
    let hours = recurrence
        .pointer("/schedule/hours")
        .map(list)
        .unwrap_or_default();
    let minutes = recurrence
        .pointer("/schedule/minutes")
        .map(list)
        .unwrap_or_default();
    let minutes = if minutes.is_empty() {
        vec!["0".to_owned()]
    } else {
        minutes
    };
    let pairs = hours.iter().flat_map(|hour| {
        minutes
            .iter()
            .map(move |minute| format!("{hour:0>2}:{minute:0>2}"))
    });
    pairs.take(48).collect()
}

fn list(value: &Value) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    match value {
        Value::Array(items) => items.iter().filter_map(text).take(31).collect(),
        one => text(one).into_iter().collect(),
    }
}
