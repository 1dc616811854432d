//! What changed between two charters, and which changes void an approval.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Charter;
use crate::risk::UserBand;

/// One field that differs between two charters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// The field, as `connector.salesforce.scopes`.
    pub field: String,
    /// What it was, as JSON; empty when it was not there.
    pub before: String,
    /// What it is, as JSON; empty when it is gone.
    pub after: String,
    /// Whether the change voids an approval.
    pub material: bool,
}

/// Fields whose change voids no approval: contacts and wording, and the version, which
/// follows from the others. Everything else is material, so that a field added later
/// voids approvals until somebody decides that it does not.
const IMMATERIAL: [&str; 7] = [
    "app.name",
    "app.unit",
    "app.developer",
    "app.owner",
    "app.second_owner",
    "support",
    "version",
];

/// What differs between `old` and `new`, in the order of the field names.
pub fn material_diff(old: &Charter, new: &Charter) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    let (old, new) = (flat(old), flat(new));
    let mut fields: Vec<&String> = old.keys().chain(new.keys()).collect();
    fields.sort();
    fields.dedup();
    for field in fields {
        let before = old.get(field);
        let after = new.get(field);
        if before == after {
            continue;
        }
        changes.push(FieldChange {
            field: field.clone(),
            before: before.map(Value::to_string).unwrap_or_default(),
            after: after.map(Value::to_string).unwrap_or_default(),
            material: is_material(field) && !same_user_band(field, before, after),
        });
    }
    changes
}

/// Whether a change of `field` voids an approval. `field` is dotted, as in [`FieldChange`].
pub fn is_material(field: &str) -> bool {
    !IMMATERIAL.iter().any(|pattern| covers(pattern, field))
}

/// A few people more or less are immaterial while the rubric sees the same band of them.
fn same_user_band(field: &str, before: Option<&Value>, after: Option<&Value>) -> bool {
    let band = |value: Option<&Value>| {
        let users = value.and_then(Value::as_u64)?;
        Some(UserBand::of(u32::try_from(users).unwrap_or(u32::MAX)))
    };
    field == "app.users" && band(before).is_some() && band(before) == band(after)
}

/// Whether the dotted `pattern` names `field` or something above it; `*` stands for one part.
fn covers(pattern: &str, field: &str) -> bool {
    let mut parts = field.split('.');
    pattern
        .split('.')
        .all(|want| parts.next().is_some_and(|part| want == "*" || want == part))
}

type Flat = std::collections::BTreeMap<String, Value>;

/// Every field of the charter under its dotted name. Entries of the lists of tables are
/// named by what identifies them, so that adding one does not rename the rest.
fn flat(charter: &Charter) -> Flat {
    let value = serde_json::to_value(charter.normalised()).unwrap_or(Value::Null);
    let mut fields = Flat::new();
    walk(&mut fields, String::new(), &value);
    fields
}

fn walk(fields: &mut Flat, name: String, value: &Value) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                let name = if name.is_empty() {
                    part(key)
                } else {
                    format!("{name}.{}", part(key))
                };
                walk(fields, name, value);
            }
        }
        Value::Array(entries) if matches!(name.as_str(), "data" | "connector" | "third_party") => {
            for entry in entries {
                let key = entry_name(entry);
                walk(fields, format!("{name}.{key}"), entry);
            }
        }
        _ => {
            fields.insert(name, value.clone());
        }
    }
}

/// What identifies an entry: its name, its id, or its kind and manifest together.
fn entry_name(entry: &Value) -> String {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
    match (text("name"), text("id")) {
        ("", "") => part(&format!("{} {}", text("kind"), text("manifest"))),
        ("", id) => part(id),
        (name, _) => part(name),
    }
}

/// A name as one part of a dotted name; its own dots are escaped so that no two names meet.
fn part(name: &str) -> String {
    name.replace('~', "~0").replace('.', "~1")
}
