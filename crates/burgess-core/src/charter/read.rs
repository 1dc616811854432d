//! Reading `charter.toml`, table by table, in the order of the format.

use std::collections::{BTreeMap, BTreeSet};

use toml::de::DeTable;

use super::defaults::{Budget, EXCEEDANCE, VERSION, blank};
use super::error::{CharterError, CharterErrors};
use super::table::{Reader, Table, shown};
use super::words::{
    CLASSES, METHODS, access, classification, connector_id, direction, environment, host, kind,
    method, name, path, scope, span, version,
};
use super::{
    AppSection, Charter, ConnectorUse, DataUse, Flow, Retention, SCHEMA, Schema, Support,
    ThirdParty, Timing,
};
use crate::app::Environment;
use crate::capability::{Automation, Capabilities, FileAccess};
use crate::data::ActionType;
use crate::id::{AppId, Email};
use crate::limits::{ByteSize, CHARTER_BYTES_MAX, Limits};

const KEYS: [&str; 12] = [
    "schema",
    "id",
    "version",
    "app",
    "data",
    "connector",
    "third_party",
    "capabilities",
    "limits",
    "timing",
    "support",
    "retention",
];

const ACTIONS: [&str; 6] = ["create", "read", "update", "delete", "execute", "export"];
const ENVIRONMENTS: [&str; 3] = ["sandbox", "staging", "production"];

/// Reads bytes; what is too long or not UTF-8 is an error with its place.
pub(super) fn charter_bytes(bytes: &[u8]) -> Result<Charter, CharterErrors> {
    too_long(bytes.len())?;
    match std::str::from_utf8(bytes) {
        Ok(text) => charter(text),
        Err(error) => {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let valid = String::from_utf8_lossy(valid);
            let mut reader = Reader::new(&valid);
            let message = "the file is not UTF-8 text from here on".to_owned();
            reader.full_error(
                valid.len(),
                "",
                message,
                "a text file in UTF-8".to_owned(),
                None,
            );
            reader.finish(None)
        }
    }
}

/// Reads text.
pub(super) fn charter(text: &str) -> Result<Charter, CharterErrors> {
    too_long(text.len())?;
    let mut reader = Reader::new(text);
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        for error in errors {
            let at = error.span().map(|span| span.start).unwrap_or_default();
            reader.error(at, "", error.message().to_owned());
        }
        return reader.finish(None);
    }
    let table = Table::root(root.span(), root.get_ref());
    let charter = whole(&mut reader, &table);
    reader.finish(charter)
}

fn too_long(bytes: usize) -> Result<(), CharterErrors> {
    if bytes <= CHARTER_BYTES_MAX {
        return Ok(());
    }
    Err(CharterErrors(vec![CharterError {
        line: 1,
        column: 1,
        key: String::new(),
        message: format!("the file has {bytes} bytes: {CHARTER_BYTES_MAX} at most are read"),
        expected: "a charter, which is some kilobytes of text".to_owned(),
        nearest: None,
    }]))
}

fn whole(reader: &mut Reader<'_>, root: &Table<'_, '_>) -> Option<Charter> {
    root.only(reader, &KEYS);
    schema(reader, root);
    let id = root
        .need(reader, "id", "an app id, as \"microapp-sales-quoting\"")
        .and_then(|value| value.parsed(reader, &[], AppId::parse));
    let version = match root.get("version") {
        Some(value) => value.parsed(reader, &[], version),
        None => Some(VERSION.to_owned()),
    };
    let app = root
        .need(reader, "app", "a table [app] with the app's name")
        .and_then(|value| value.table(reader))
        .and_then(|table| app(reader, &table));
    let mut names = BTreeSet::new();
    let data = data(reader, root, &mut names);
    let connector = connectors(reader, root, &names);
    let third_party = third_party(reader, root);
    let capabilities = root
        .table(reader, "capabilities")
        .map(|table| capabilities(reader, &table))
        .unwrap_or_default();
    let limits = root
        .table(reader, "limits")
        .map(|table| limits(reader, &table))
        .unwrap_or_default();
    let timing = root
        .table(reader, "timing")
        .and_then(|table| timing(reader, &table));
    let support = root
        .table(reader, "support")
        .map(|table| support(reader, &table))
        .unwrap_or_default();
    let retention = root
        .table(reader, "retention")
        .and_then(|table| retention(reader, &table));
    Some(Charter {
        version: version?,
        app: app?,
        data,
        connector,
        third_party,
        capabilities,
        limits,
        timing,
        support,
        retention,
        ..blank(id?, "")
    })
}

fn schema(reader: &mut Reader<'_>, root: &Table<'_, '_>) -> Option<Schema> {
    let expected = format!("`{SCHEMA}`");
    root.need(reader, "schema", &expected)?
        .parsed(reader, &[SCHEMA], |text| {
            if text == SCHEMA {
                Ok(Schema::V1)
            } else {
                Err(format!(
                    "`{}` is not a schema: write `{SCHEMA}`",
                    shown(text)
                ))
            }
        })
}

fn app(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> Option<AppSection> {
    table.only(
        reader,
        &[
            "name",
            "purpose",
            "unit",
            "developer",
            "owner",
            "second_owner",
            "users",
            "environments",
            "production_systems",
        ],
    );
    let environments = match table.get("environments") {
        Some(_) => table.parsed_list(reader, "environments", &ENVIRONMENTS, environment),
        None => vec![Environment::Sandbox],
    };
    let users = table.number(reader, "users", 0, u64::from(u32::MAX));
    let section = AppSection {
        name: table
            .need(reader, "name", "what people call the app")
            .and_then(|value| value.parsed(reader, &[], name))
            .unwrap_or_default(),
        purpose: table.text(reader, "purpose"),
        unit: table.text(reader, "unit"),
        developer: table.parsed(reader, "developer", Email::parse),
        owner: table.parsed(reader, "owner", Email::parse),
        second_owner: table.parsed(reader, "second_owner", Email::parse),
        users: users.and_then(|users| u32::try_from(users).ok()),
        environments,
        production_systems: table.boolean(reader, "production_systems"),
    };
    (!section.name.is_empty()).then_some(section)
}

/// Reads the data entries. `names` takes every name, also of an entry that has other
/// errors, so that what refers to it is not reported on top.
fn data(
    reader: &mut Reader<'_>,
    root: &Table<'_, '_>,
    names: &mut BTreeSet<String>,
) -> Vec<DataUse> {
    let tables = root.tables(reader, "data");
    tables
        .iter()
        .filter_map(|table| {
            table.only(reader, &["name", "classification", "actions", "purpose"]);
            let name = table
                .need(reader, "name", "the dataset's name in the registry")
                .and_then(|value| value.parsed(reader, &[], name));
            let classification = table
                .need(reader, "classification", &CLASSES.join(", "))
                .and_then(|value| value.parsed(reader, &CLASSES, classification));
            let actions = table.parsed_list(reader, "actions", &ACTIONS, ActionType::parse);
            let purpose = table.text(reader, "purpose");
            once(reader, names, table, name.as_deref());
            Some(DataUse {
                name: name?,
                classification: classification?,
                actions,
                purpose,
            })
        })
        .collect()
}

/// Reports a name that another entry has already.
fn once(
    reader: &mut Reader<'_>,
    seen: &mut BTreeSet<String>,
    table: &Table<'_, '_>,
    name: Option<&str>,
) {
    if let Some(name) = name
        && !seen.insert(name.to_owned())
    {
        let message = format!("`{}` stands here twice: keep one entry", shown(name));
        reader.error(table.start(), table.path(), message);
    }
}

fn connectors(
    reader: &mut Reader<'_>,
    root: &Table<'_, '_>,
    data: &BTreeSet<String>,
) -> Vec<ConnectorUse> {
    let mut seen = BTreeSet::new();
    let tables = root.tables(reader, "connector");
    tables
        .iter()
        .filter_map(|table| {
            table.only(reader, &["id", "methods", "scopes", "flows", "hosts"]);
            let id = table
                .need(reader, "id", "the connector's id in the catalogue")
                .and_then(|value| value.parsed(reader, &[], connector_id));
            once(reader, &mut seen, table, id.as_deref());
            let methods = table.parsed_list(reader, "methods", &METHODS, method);
            let scopes = table.parsed_list(reader, "scopes", &[], scope);
            let flows = flows(reader, table, data);
            let hosts = hosts(reader, table);
            Some(ConnectorUse {
                id: id?,
                methods,
                scopes,
                flows,
                hosts,
            })
        })
        .collect()
}

fn flows(reader: &mut Reader<'_>, table: &Table<'_, '_>, data: &BTreeSet<String>) -> Vec<Flow> {
    let names: Vec<&str> = data.iter().map(String::as_str).collect();
    let tables = table.tables(reader, "flows");
    tables
        .iter()
        .filter_map(|table| {
            table.only(reader, &["data", "direction"]);
            let data = table
                .need(reader, "data", "the name of a [[data]] entry")
                .and_then(|value| {
                    value.parsed(reader, &names, |text| {
                        if names.contains(&text) {
                            Ok(text.to_owned())
                        } else {
                            Err(format!(
                                "`{}` is not among the [[data]] entries: add it there first",
                                shown(text)
                            ))
                        }
                    })
                });
            let direction = table
                .need(reader, "direction", "in or out")
                .and_then(|value| value.parsed(reader, &["in", "out"], direction));
            Some(Flow {
                data: data?,
                direction: direction?,
            })
        })
        .collect()
}

fn hosts(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> BTreeMap<Environment, Vec<String>> {
    let Some(table) = table.table(reader, "hosts") else {
        return BTreeMap::new();
    };
    table.only(reader, &ENVIRONMENTS);
    table
        .entries()
        .filter_map(|(key, _)| {
            let environment = Environment::parse(key).ok()?;
            Some((environment, table.parsed_list(reader, key, &[], host)))
        })
        .collect()
}

fn third_party(reader: &mut Reader<'_>, root: &Table<'_, '_>) -> Vec<ThirdParty> {
    let tables = root.tables(reader, "third_party");
    tables
        .iter()
        .filter_map(|table| {
            table.only(reader, &["kind", "manifest"]);
            let kind = table
                .need(
                    reader,
                    "kind",
                    "npm, pypi, cargo, script, model or another word",
                )
                .and_then(|value| value.parsed(reader, &[], kind));
            let manifest = table.text(reader, "manifest");
            Some(ThirdParty {
                kind: kind?,
                manifest,
            })
        })
        .collect()
}

fn capabilities(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> Capabilities {
    table.only(reader, &["files", "automation", "agent", "justification"]);
    let files = table.tables(reader, "files");
    let files = files
        .iter()
        .filter_map(|table| {
            table.only(reader, &["path", "access"]);
            let path = table
                .need(reader, "path", "a path, as \"~/Quotes\"")
                .and_then(|value| value.parsed(reader, &[], path));
            let access = table
                .need(reader, "access", "read or write")
                .and_then(|value| value.parsed(reader, &["read", "write"], access));
            Some(FileAccess {
                path: path?,
                access: access?,
            })
        })
        .collect();
    Capabilities {
        files,
        automation: table.parsed_list(reader, "automation", &Automation::NAMES, Automation::parse),
        agent: table.boolean(reader, "agent"),
        justification: table.text(reader, "justification"),
    }
}

fn limits(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> Limits {
    table.only(
        reader,
        &[
            "requests_per_minute",
            "rows_per_day",
            "bytes_per_day",
            "memory",
        ],
    );
    let usual = Limits::default();
    let requests = table.number(reader, "requests_per_minute", 0, u64::from(u32::MAX));
    // TOML's whole numbers end at 2^63 - 1; JSON's exact ones at 2^53.
    let rows = table.number(reader, "rows_per_day", 0, (1 << 53) - 1);
    Limits {
        requests_per_minute: requests
            .and_then(|number| u32::try_from(number).ok())
            .unwrap_or(usual.requests_per_minute),
        rows_per_day: rows.unwrap_or(usual.rows_per_day),
        bytes_per_day: table
            .parsed(reader, "bytes_per_day", ByteSize::parse)
            .unwrap_or(usual.bytes_per_day),
        memory: table
            .parsed(reader, "memory", ByteSize::parse)
            .unwrap_or(usual.memory),
    }
}

fn timing(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> Option<Timing> {
    table.only(reader, &["budget", "exceedance", "critical_path"]);
    let budget = table
        .need(reader, "budget", "the acceptable latency, as \"200ms\"")
        .and_then(|value| value.parsed(reader, &[], Budget::parse));
    let exceedance = match table.get("exceedance") {
        Some(value) => value.probability(reader),
        None => Some(EXCEEDANCE),
    };
    let critical_path = table.text(reader, "critical_path");
    Some(Timing {
        budget: budget?,
        exceedance: exceedance?,
        critical_path,
    })
}

fn support(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> Support {
    table.only(reader, &["remediation_sla", "contacts", "failure_modes"]);
    Support {
        remediation_sla: table.parsed(reader, "remediation_sla", span),
        contacts: table.parsed_list(reader, "contacts", &[], name),
        failure_modes: table.text(reader, "failure_modes"),
    }
}

fn retention(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> Option<Retention> {
    table.only(reader, &["label", "days"]);
    let label = table
        .need(reader, "label", "a label of the retention schedule")
        .and_then(|value| value.parsed(reader, &[], name));
    // A hundred years: longer than any retention rule there is.
    let days = table
        .need(reader, "days", "the number of days the label means")
        .and_then(|value| value.number(reader, 1, 36_500));
    Some(Retention {
        label: label?,
        days: u32::try_from(days?).ok()?,
    })
}
