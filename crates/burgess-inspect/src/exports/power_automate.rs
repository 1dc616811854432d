//! Power Automate packages (one flow and its connections) and Power Platform solutions
//! (flows, canvas apps, environment variables).

use serde_json::Value;

use super::xml_text::{self, Text};
use super::{logic_flow, power_apps, url};
use crate::error::InspectError;
use crate::facts::{Collector, Facts, Field, Platform};
use crate::json::{self, child, text_at};
use crate::unpack::Tree;

/// Reads a package: `manifest.json` and `Microsoft.Flow/flows/*/definition.json`.
pub(super) fn package(tree: &Tree, root: &str) -> Result<Facts, InspectError> {
    let manifest = format!("{root}manifest.json");
    let mut collector = Collector::new(Platform::PowerAutomatePackage, &manifest);
    let folder = format!("{root}Microsoft.Flow/flows/");
    let flows: Vec<&String> = tree
        .files
        .keys()
        .filter(|path| path.starts_with(&folder) && path.ends_with("/definition.json"))
        .collect();
    if flows.is_empty() {
        return Err(InspectError::Incomplete {
            place: folder,
            expected: "a flow's `definition.json`",
        });
    }
    for path in flows {
        let value = parsed(tree, path)?;
        let properties = value
            .get("properties")
            .filter(|p| p.pointer("/definition/triggers").is_some());
        let properties = properties.ok_or_else(|| InspectError::Incomplete {
            place: path.clone(),
            expected: "`/properties/definition/triggers`",
        })?;
        collector.name(
            text_at(properties, "/displayName"),
            path,
            "/properties/displayName",
        );
        logic_flow::read(&mut collector, path, properties, "/properties");
    }
    if tree.files.contains_key(&manifest) {
        resources(&mut collector, &manifest, &parsed(tree, &manifest)?);
    }
    Ok(collector.finish())
}

/// The connectors that a package's manifest names; one without an id is the
/// organisation's own.
fn resources(collector: &mut Collector, file: &str, manifest: &Value) {
    for (id, resource) in manifest
        .get("resources")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let at = child("/resources", id);
        if text_at(resource, "/type") == "Microsoft.PowerApps/apis" {
            logic_flow::connector(collector, text_at(resource, "/name"), file, &at);
            if text_at(resource, "/id").is_empty() {
                collector.add(Field::Capabilities, "custom-connector", file, &at);
            }
        }
    }
    collector.name(
        text_at(manifest, "/details/displayName"),
        file,
        "/details/displayName",
    );
}

/// Reads a solution: `solution.xml`, `customizations.xml`, `Workflows/*.json`,
/// `CanvasApps/*.msapp`, environment variables, custom connectors, code.
pub(super) fn solution(tree: &Tree, root: &str) -> Result<Facts, InspectError> {
    let file = format!("{root}solution.xml");
    let mut collector = Collector::new(Platform::PowerPlatformSolution, &file);
    for Text { path, text } in xml_text::texts(&file, bytes(tree, &file))? {
        if path == "/ImportExportXml/SolutionManifest/UniqueName" {
            collector.name(&text, &file, &path);
        }
    }
    customizations(&mut collector, tree, &format!("{root}customizations.xml"))?;
    for path in tree.files.keys().filter(|path| path.starts_with(root)) {
        let inside = path.strip_prefix(root).unwrap_or(path);
        part(&mut collector, tree, path, &inside.to_ascii_lowercase())?;
    }
    for prefix in canvas_apps(tree, root) {
        power_apps::read(&mut collector, tree, &prefix)?;
    }
    Ok(collector.finish())
}

fn part(
    collector: &mut Collector,
    tree: &Tree,
    path: &str,
    inside: &str,
) -> Result<(), InspectError> {
    if inside.starts_with("workflows/") && inside.ends_with(".json") {
        let value = parsed(tree, path)?;
        if let Some(properties) = value.get("properties") {
            logic_flow::read(collector, path, properties, "/properties");
        }
    } else if inside.starts_with("environmentvariabledefinitions/") && inside.ends_with(".xml") {
        for Text { path: at, text } in xml_text::texts(path, bytes(tree, path))? {
            if at.ends_with("/@schemaname") {
                collector.add(Field::EnvRefs, &text, path, &at);
            }
        }
    } else if inside.starts_with("connector/") || inside.starts_with("connectors/") {
        collector.add(Field::Capabilities, "custom-connector", path, "");
        if let Ok(value) = json::parse(path, bytes(tree, path)) {
            let host = text_at(&value, "/host");
            for host in url::literal_urls(&format!("https://{host}/")) {
                collector.add(Field::ExternalHosts, &host, path, "/host");
            }
        }
    } else if inside.starts_with("webresources/")
        && (inside.ends_with(".js") || inside.contains("_js"))
    {
        collector.add(Field::Code, "javascript", path, "");
    } else if inside.starts_with("pluginassemblies/") {
        collector.add(Field::Code, "dotnet", path, "");
    } else if inside.starts_with("workflows/") && inside.ends_with(".xaml") {
        collector.note(format!("`{path}` is a classic workflow, which is not read"));
    }
    Ok(())
}

/// Connection references: elements for flows, JSON in an element for canvas apps.
fn customizations(collector: &mut Collector, tree: &Tree, file: &str) -> Result<(), InspectError> {
    if !tree.files.contains_key(file) {
        return Err(InspectError::Incomplete {
            place: file.to_owned(),
            expected: "the solution's `customizations.xml`",
        });
    }
    for Text { path, text } in xml_text::texts(file, bytes(tree, file))? {
        if path.ends_with("/connectionreference/connectorid") {
            logic_flow::connector(collector, last(&text), file, &path);
        }
        if path.ends_with("/CanvasApp/ConnectionReferences")
            && let Some(Value::Object(references)) = json::parse_inner(&text)
        {
            for reference in references.values() {
                logic_flow::connector(collector, last(text_at(reference, "/id")), file, &path);
            }
        }
    }
    Ok(())
}

fn canvas_apps(tree: &Tree, root: &str) -> Vec<String> {
    tree.files
        .keys()
        .filter_map(|path| path.strip_suffix("Properties.json"))
        .filter(|prefix| prefix.starts_with(root) && prefix.ends_with(".msapp/"))
        .map(str::to_owned)
        .collect()
}

fn last(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

fn bytes<'a>(tree: &'a Tree, path: &str) -> &'a [u8] {
    tree.files.get(path).map(Vec::as_slice).unwrap_or_default()
}

fn parsed(tree: &Tree, path: &str) -> Result<Value, InspectError> {
    json::parse(path, bytes(tree, path))
}
