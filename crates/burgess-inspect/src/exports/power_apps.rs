//! Canvas apps (`.msapp`): connections in `Properties.json` (JSON in a string), data
//! sources, formulas in `Controls/*.json` or `Src/*.pa.yaml`, media with signed links.
//!
//! A pointer goes on inside JSON that stands in a string.

use std::collections::BTreeMap;

use serde_json::Value;

use super::url::{Target, target};
use super::verb::Verb;
use super::{inline_secret, logic_flow, power_connectors};
use crate::error::InspectError;
use crate::facts::{Collector, Facts, Field, Platform, Trigger};
use crate::json::{self, child, text_at};
use crate::unpack::Tree;

/// Reads an app by itself.
pub(super) fn inspect(tree: &Tree, root: &str) -> Result<Facts, InspectError> {
    let file = format!("{root}Properties.json");
    let mut collector = Collector::new(Platform::PowerAppsCanvas, &file);
    let properties = parsed(tree, &file)?;
    collector.name(&app_name(text_at(&properties, "/Name")), &file, "/Name");
    read(&mut collector, tree, root)?;
    Ok(collector.finish())
}

/// Reads the app under `root`, which may lie in a solution.
pub(super) fn read(collector: &mut Collector, tree: &Tree, root: &str) -> Result<(), InspectError> {
    let file = format!("{root}Properties.json");
    let properties = parsed(tree, &file)?;
    collector.trigger(Trigger::of("ui"), &file, "");
    connections(collector, &file, &properties);
    if properties.get("ContainsThirdPartyPcfControls") == Some(&Value::Bool(true)) {
        collector.add(
            Field::Code,
            "pcf-control",
            &file,
            "/ContainsThirdPartyPcfControls",
        );
    }
    let mut sources = BTreeMap::new();
    for (path, bytes) in tree.files.iter().filter(|(path, _)| path.starts_with(root)) {
        let inside = path.strip_prefix(root).unwrap_or(path);
        if inside == "References/DataSources.json" {
            sources = data_sources(collector, path, &parsed(tree, path)?);
        }
        if inside == "References/Resources.json" {
            secrets(collector, path, &parsed(tree, path)?, "");
        }
        if inside.ends_with(".pa.yaml") {
            yaml(collector, path, &String::from_utf8_lossy(bytes), &sources);
        }
    }
    for path in tree.files.keys().filter(|path| path.starts_with(root)) {
        let inside = path.strip_prefix(root).unwrap_or(path);
        let formulas = inside.starts_with("Controls/") || inside.starts_with("Components/");
        if formulas && inside.ends_with(".json") {
            controls(collector, path, &parsed(tree, path)?, &sources);
        }
    }
    Ok(())
}

/// `LocalConnectionReferences` is JSON in a string; its parameters can hold a flow's
/// signed address.
fn connections(collector: &mut Collector, file: &str, properties: &Value) {
    let at = "/LocalConnectionReferences";
    let Some(Value::Object(references)) = json::parse_inner(text_at(properties, at)) else {
        return;
    };
    for (id, reference) in &references {
        let at = child(at, id);
        let name = last(text_at(reference, "/connectionRef/id"));
        logic_flow::connector(collector, name, file, &format!("{at}/connectionRef/id"));
        if let Some(hint) = power_connectors::hint(name) {
            collector.add(
                Field::DataHints,
                hint,
                file,
                &format!("{at}/connectionRef/id"),
            );
        }
        for part in ["connectionParameters", "datasets"] {
            let Some(value) = reference.get(part) else {
                continue;
            };
            let at = child(&at, part);
            json::strings(value, &at, &mut |pointer, _, text| {
                if let Target::Host(host) = target(text) {
                    collector.add(Field::ExternalHosts, &host, file, pointer);
                }
            });
            dataset_hosts(collector, file, value, &at);
            secrets(collector, file, value, &at);
        }
    }
}

/// Data sets are named by their address: `{"https://contoso.sharepoint.com/sites/a": …}`.
fn dataset_hosts(collector: &mut Collector, file: &str, value: &Value, at: &str) {
    for key in value.as_object().into_iter().flatten().map(|(key, _)| key) {
        if let Target::Host(host) = target(key) {
            collector.add(Field::ExternalHosts, &host, file, &child(at, key));
        }
    }
}

/// The app's data sources: name in formulas, and the connector behind it.
fn data_sources(collector: &mut Collector, file: &str, value: &Value) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let list = value
        .get("DataSources")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    for (index, source) in list.enumerate() {
        let at = format!("/DataSources/{index}");
        let native = text_at(source, "/Type") == "NativeCDSDataSourceInfo";
        let api = if native {
            "shared_commondataserviceforapps"
        } else {
            last(text_at(source, "/ApiId"))
        };
        if api.is_empty() {
            continue;
        }
        logic_flow::connector(collector, api, file, &at);
        let table = ["/LogicalName", "/EntitySetName", "/RelatedEntityName"]
            .iter()
            .map(|p| text_at(source, p))
            .find(|t| !t.is_empty());
        let hint = if native {
            Some(power_connectors::table_hint(table.unwrap_or_default()))
        } else {
            power_connectors::hint(api)
        };
        if let Some(hint) = hint {
            collector.add(Field::DataHints, hint, file, &at);
        }
        if native {
            collector.add(Field::Capabilities, "read:dataverse", file, &at);
        }
        if let Target::Host(host) = target(text_at(source, "/DatasetName")) {
            collector.add(
                Field::ExternalHosts,
                &host,
                file,
                &child(&at, "DatasetName"),
            );
        }
        out.insert(text_at(source, "/Name").to_owned(), api.to_owned());
    }
    out
}

/// Formulas stand as `InvariantScript` at every depth of a control.
fn controls(
    collector: &mut Collector,
    file: &str,
    value: &Value,
    sources: &BTreeMap<String, String>,
) {
    json::strings(value, "", &mut |pointer, key, text| {
        if key == "InvariantScript" {
            formula(collector, file, pointer, text, sources);
            inline_secret::report(collector, key, text, file, pointer);
        }
    });
}

fn yaml(collector: &mut Collector, file: &str, text: &str, sources: &BTreeMap<String, String>) {
    for (index, line) in text.lines().enumerate() {
        let column = line
            .len()
            .saturating_sub(line.trim_start().len())
            .saturating_add(1);
        let place = format!("{}:{column}", index.saturating_add(1));
        formula(collector, file, &place, line, sources);
        inline_secret::report(collector, "", line, file, &place);
    }
}

/// Functions that change the data source that is their first argument.
const CHANGING: [(&str, Verb); 7] = [
    ("Patch(", Verb::Write),
    ("Collect(", Verb::Write),
    ("UpdateIf(", Verb::Write),
    ("Update(", Verb::Write),
    ("SubmitForm(", Verb::Write),
    ("Remove(", Verb::Delete),
    ("RemoveIf(", Verb::Delete),
];

fn formula(
    collector: &mut Collector,
    file: &str,
    at: &str,
    text: &str,
    sources: &BTreeMap<String, String>,
) {
    if text.contains("Launch(") {
        collector.add(Field::Capabilities, "launch-url", file, at);
    }
    for (name, api) in sources {
        let quoted = format!("'{name}'");
        for spelled in [name.as_str(), quoted.as_str()] {
            for operation in calls(text, spelled) {
                let shown = power_connectors::operation(api, operation, "");
                if let Some(capability) = shown.capability {
                    collector.add(Field::Capabilities, &capability, file, at);
                }
            }
            let Some(thing) = power_connectors::thing(api) else {
                continue;
            };
            for (function, verb) in CHANGING {
                if changes(text, function, spelled) {
                    collector.add(
                        Field::Capabilities,
                        &format!("{}:{thing}", verb.as_str()),
                        file,
                        at,
                    );
                }
            }
        }
    }
}

/// Operations called on a data source: `Name.Operation(`.
fn calls<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let mark = format!("{name}.");
    text.match_indices(&mark)
        .filter_map(|(at, _)| {
            let rest = text.get(at.saturating_add(mark.len())..)?;
            let operation = rest.split('(').next().filter(|op| op.len() < rest.len())?;
            operation
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '_')
                .then_some(operation)
        })
        .collect()
}

fn changes(text: &str, function: &str, name: &str) -> bool {
    text.match_indices(function).any(|(at, _)| {
        let rest = text
            .get(at.saturating_add(function.len())..)
            .unwrap_or_default()
            .trim_start();
        let after = rest.strip_prefix(name).unwrap_or("x");
        after.starts_with([',', ')', ' ', '\n', '\r'])
    })
}

fn secrets(collector: &mut Collector, file: &str, value: &Value, at: &str) {
    let mut found = Vec::new();
    json::strings(value, at, &mut |pointer, key, text| {
        if let Some(kind) = inline_secret::kind(key, text) {
            found.push((kind, pointer.to_owned()));
        }
    });
    for (kind, pointer) in found {
        if kind == "signed-url" && pointer.contains("/connectionParameters/") {
            collector.add(Field::Auth, "signed-url", file, &pointer);
        }
        collector.secret(kind, file, &pointer);
    }
}

/// The name without its ending; the editor writes blanks as `+`, and `App` for no name.
fn app_name(name: &str) -> String {
    let name = name
        .strip_suffix(".msapp")
        .unwrap_or(name)
        .replace('+', " ");
    if name == "App" {
        String::new()
    } else {
        name.trim().to_owned()
    }
}

fn last(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

fn parsed(tree: &Tree, path: &str) -> Result<Value, InspectError> {
    json::parse(
        path,
        tree.files.get(path).map(Vec::as_slice).unwrap_or_default(),
    )
}
