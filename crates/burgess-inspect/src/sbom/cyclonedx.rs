//! CycloneDX 1.6 in JSON (ECMA-424). Equal inputs give equal bytes.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::licence::licences;
use super::{Bill, Component, SbomError, Service, Subject};

/// The bill of materials of an app. Every package stands in it once, every reference leads to
/// something in it, and what could not be listed is said.
pub fn cyclonedx(subject: &Subject<'_>) -> Result<Value, SbomError> {
    if !is_serial(subject.serial_number) {
        return Err(SbomError::Serial(
            subject.serial_number.chars().take(60).collect(),
        ));
    }
    for (text, what) in [
        (subject.id, "id"),
        (subject.name, "name"),
        (subject.version, "version"),
    ] {
        if text.trim().is_empty() {
            return Err(SbomError::Nameless(what));
        }
    }
    let bill = Bill::gather(subject)?;
    let app = format!("app:{}@{}", subject.id, subject.version);
    let services: BTreeSet<&Service> = subject.services.iter().collect();
    let mut document = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": subject.serial_number,
        "version": 1,
        "metadata": metadata(subject, &app, &bill),
        "components": bill.components.iter().map(|(purl, component)| library(purl, component)).collect::<Vec<_>>(),
        "dependencies": dependencies(&app, &bill, &services),
        "compositions": [{
            "aggregate": if bill.missing.is_empty() { "complete" } else { "incomplete" },
            "assemblies": [app],
        }],
    });
    if let (Some(document), false) = (document.as_object_mut(), services.is_empty()) {
        document.insert(
            "services".to_owned(),
            distinct(&services).iter().map(called).collect(),
        );
    }
    Ok(document)
}

fn is_serial(text: &str) -> bool {
    let Some(uuid) = text.strip_prefix("urn:uuid:") else {
        return false;
    };
    let groups: Vec<&str> = uuid.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups
            .concat()
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn metadata(subject: &Subject<'_>, app: &str, bill: &Bill) -> Value {
    let mut component = Map::new();
    component.insert("type".to_owned(), json!("application"));
    component.insert("bom-ref".to_owned(), json!(app));
    component.insert("name".to_owned(), json!(subject.name));
    component.insert("version".to_owned(), json!(subject.version));
    let mut properties = vec![json!({ "name": "burgess:app-id", "value": subject.id })];
    properties.extend(
        bill.missing
            .iter()
            .map(|missing| json!({ "name": "burgess:not-listed", "value": missing })),
    );
    component.insert("properties".to_owned(), Value::Array(properties));
    json!({
        "timestamp": subject.timestamp.to_string(),
        "tools": { "components": [{
            "type": "application",
            "name": "burgess",
            "version": env!("CARGO_PKG_VERSION"),
        }] },
        "component": component,
    })
}

fn library(purl: &str, component: &Component) -> Value {
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| out.insert(key.to_owned(), value);
    put("type", json!("library"));
    put("bom-ref", json!(purl));
    if let Some(group) = &component.group {
        put("group", json!(group));
    }
    put("name", json!(component.name));
    if let Some(version) = &component.version {
        put("version", json!(version));
    }
    put("purl", json!(purl));
    if component.dev {
        // The CycloneDX property taxonomy has this name for packages that do not ship.
        put(
            "properties",
            json!([{ "name": "cdx:npm:package:development", "value": "true" }]),
        );
    }
    if !component.hashes.is_empty() {
        let hashes = component
            .hashes
            .iter()
            .map(|hash| json!({ "alg": hash.algorithm, "content": hash.hex }));
        put("hashes", hashes.collect());
    }
    if let Some(licence) = &component.licence {
        put("licenses", licences(licence));
    }
    Value::Object(out)
}

fn service_ref(service: &Service) -> String {
    format!("service:{}", service.name)
}

/// One service per name: a name given twice brings its hosts together.
fn distinct(services: &BTreeSet<&Service>) -> Vec<Service> {
    let mut merged: Vec<Service> = Vec::new();
    for service in services {
        match merged.last_mut().filter(|last| last.name == service.name) {
            Some(last) => last.hosts.extend(service.hosts.iter().cloned()),
            None => merged.push((*service).clone()),
        }
    }
    merged
}

fn called(service: &Service) -> Value {
    let endpoints: BTreeSet<String> = service
        .hosts
        .iter()
        .filter(|host| is_host(host))
        .map(|host| format!("https://{host}"))
        .collect();
    let mut out = Map::new();
    out.insert("bom-ref".to_owned(), json!(service_ref(service)));
    out.insert("name".to_owned(), json!(service.name));
    if !endpoints.is_empty() {
        out.insert("endpoints".to_owned(), json!(endpoints));
    }
    out.insert("x-trust-boundary".to_owned(), json!(true));
    Value::Object(out)
}

/// A host name or an IPv4 address, with or without a port.
fn is_host(text: &str) -> bool {
    let (host, port) = text.split_once(':').unwrap_or((text, "443"));
    let labels = host.split('.').all(|label| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    });
    labels && port.parse::<u16>().is_ok()
}

fn dependencies(app: &str, bill: &Bill, services: &BTreeSet<&Service>) -> Vec<Value> {
    let called: BTreeSet<String> = services
        .iter()
        .map(|service| service_ref(service))
        .collect();
    let first: BTreeSet<&String> = bill.direct.iter().chain(&called).collect();
    let mut out = vec![json!({ "ref": app, "dependsOn": first })];
    out.extend(
        bill.components
            .iter()
            .map(|(purl, component)| json!({ "ref": purl, "dependsOn": component.needs })),
    );
    out.extend(
        called
            .iter()
            .map(|service| json!({ "ref": service, "dependsOn": [] })),
    );
    out
}
