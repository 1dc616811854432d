//! Writing a charter: as TOML for people, as canonical JSON for its digest.

use std::fmt::Write as _;

use super::{Charter, ConnectorUse, SCHEMA};

/// The canonical JSON (RFC 8785) of the normalised charter.
pub(super) fn canonical(charter: &Charter) -> String {
    // Every value of a charter has a JSON form: its one float is finite and its keys are texts.
    serde_json_canonicalizer::to_string(&charter.normalised()).unwrap_or_default()
}

/// The charter as `charter.toml`. Optional keys that say nothing are left out.
pub(super) fn charter(charter: &Charter) -> String {
    let mut out = String::new();
    pair(&mut out, "schema", &text(SCHEMA));
    pair(&mut out, "id", &text(charter.id.as_str()));
    pair(&mut out, "version", &text(&charter.version));
    app(&mut out, charter);
    for data in &charter.data {
        out.push_str("\n[[data]]\n");
        pair(&mut out, "name", &text(&data.name));
        pair(
            &mut out,
            "classification",
            &text(data.classification.as_str()),
        );
        pair(&mut out, "actions", &list(data.actions.iter()));
        said(&mut out, "purpose", &data.purpose);
    }
    for entry in &charter.connector {
        connector(&mut out, entry);
    }
    for third_party in &charter.third_party {
        out.push_str("\n[[third_party]]\n");
        pair(&mut out, "kind", &text(&third_party.kind));
        said(&mut out, "manifest", &third_party.manifest);
    }
    capabilities(&mut out, charter);
    let limits = &charter.limits;
    out.push_str("\n[limits]\n");
    pair(
        &mut out,
        "requests_per_minute",
        &limits.requests_per_minute.to_string(),
    );
    pair(&mut out, "rows_per_day", &limits.rows_per_day.to_string());
    pair(&mut out, "bytes_per_day", &text(limits.bytes_per_day));
    pair(&mut out, "memory", &text(limits.memory));
    if let Some(timing) = &charter.timing {
        out.push_str("\n[timing]\n");
        pair(&mut out, "budget", &text(timing.budget));
        pair(&mut out, "exceedance", &float(timing.exceedance));
        said(&mut out, "critical_path", &timing.critical_path);
    }
    rest(&mut out, charter);
    out
}

fn app(out: &mut String, charter: &Charter) {
    let app = &charter.app;
    out.push_str("\n[app]\n");
    pair(out, "name", &text(&app.name));
    said(out, "purpose", &app.purpose);
    said(out, "unit", &app.unit);
    for (key, person) in [
        ("developer", &app.developer),
        ("owner", &app.owner),
        ("second_owner", &app.second_owner),
    ] {
        if let Some(person) = person {
            pair(out, key, &text(person));
        }
    }
    if let Some(users) = app.users {
        pair(out, "users", &users.to_string());
    }
    pair(out, "environments", &list(app.environments.iter()));
    pair(
        out,
        "production_systems",
        &app.production_systems.to_string(),
    );
}

fn connector(out: &mut String, connector: &ConnectorUse) {
    out.push_str("\n[[connector]]\n");
    pair(out, "id", &text(&connector.id));
    pair(out, "methods", &list(connector.methods.iter()));
    pair(out, "scopes", &list(connector.scopes.iter()));
    let flows: Vec<String> = connector
        .flows
        .iter()
        .map(|flow| {
            let direction = match flow.direction {
                super::Direction::In => "in",
                super::Direction::Out => "out",
            };
            format!(
                "{{ data = {}, direction = {} }}",
                text(&flow.data),
                text(direction)
            )
        })
        .collect();
    pair(out, "flows", &format!("[{}]", flows.join(", ")));
    if !connector.hosts.is_empty() {
        let hosts: Vec<String> = connector
            .hosts
            .iter()
            .map(|(environment, hosts)| format!("{environment} = {}", list(hosts.iter())))
            .collect();
        pair(out, "hosts", &format!("{{ {} }}", hosts.join(", ")));
    }
}

fn capabilities(out: &mut String, charter: &Charter) {
    let capabilities = &charter.capabilities;
    if capabilities.is_empty() && capabilities.justification.is_empty() {
        return;
    }
    out.push_str("\n[capabilities]\n");
    let files: Vec<String> = capabilities
        .files
        .iter()
        .map(|file| {
            format!(
                "{{ path = {}, access = {} }}",
                text(&file.path),
                text(file.access.as_str())
            )
        })
        .collect();
    pair(out, "files", &format!("[{}]", files.join(", ")));
    pair(out, "automation", &list(capabilities.automation.iter()));
    pair(out, "agent", &capabilities.agent.to_string());
    pair(out, "justification", &text(&capabilities.justification));
}

fn rest(out: &mut String, charter: &Charter) {
    let support = &charter.support;
    if *support != super::Support::default() {
        out.push_str("\n[support]\n");
        if let Some(span) = support.remediation_sla {
            pair(out, "remediation_sla", &text(span));
        }
        pair(out, "contacts", &list(support.contacts.iter()));
        said(out, "failure_modes", &support.failure_modes);
    }
    if let Some(retention) = &charter.retention {
        out.push_str("\n[retention]\n");
        pair(out, "label", &text(&retention.label));
        pair(out, "days", &retention.days.to_string());
    }
}

fn pair(out: &mut String, key: &str, value: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{key} = {value}");
}

/// A text that is left out when it is empty.
fn said(out: &mut String, key: &str, value: &str) {
    if !value.is_empty() {
        pair(out, key, &text(value));
    }
}

/// A TOML string with everything escaped that needs it.
fn text(value: impl ToString) -> String {
    toml::Value::String(value.to_string()).to_string()
}

fn list<T: ToString>(values: impl Iterator<Item = T>) -> String {
    let values: Vec<String> = values.map(text).collect();
    format!("[{}]", values.join(", "))
}

/// A TOML float; its shortest form that reads back as the same number.
fn float(value: f64) -> String {
    toml::Value::Float(value).to_string()
}
