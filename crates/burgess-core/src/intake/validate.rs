//! Whether a charter can be handed in: complete, and in line with the registries.

use serde::{Deserialize, Serialize};

use super::owners::Directory;
use super::registry::{ClassActions, DatasetRegistry, RetentionSchedule};
use crate::charter::{Charter, nearest_name};
use crate::connector::Catalogue;
use crate::id::Email;

/// What one field lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// The field of the charter, as `app.owner` or `data.customer_record`.
    pub field: String,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub remedy: String,
}

/// What intake checks a charter against.
#[derive(Clone, Copy, Debug)]
pub struct Registries<'a> {
    /// Datasets with their classes.
    pub datasets: &'a DatasetRegistry,
    /// Connectors.
    pub catalogue: &'a Catalogue,
    /// Retention labels.
    pub retention: &'a RetentionSchedule,
    /// What may be done with each class.
    pub class_actions: &'a ClassActions,
    /// Who works here.
    pub directory: &'a Directory,
}

/// Everything that stands in the way of handing `charter` in, field by field, all at once;
/// empty when it can be handed in.
pub fn validate(charter: &Charter, registries: &Registries<'_>) -> Vec<FieldError> {
    let mut errors: Vec<FieldError> = charter
        .missing()
        .into_iter()
        .map(|missing| error(missing.field, "this is needed", missing.remedy))
        .collect();
    people(&mut errors, charter, registries.directory);
    data(&mut errors, charter, registries);
    connectors(&mut errors, charter, registries.catalogue);
    if charter.app.users == Some(0) {
        errors.push(error(
            "app.users",
            "nobody is to use it",
            "say how many people will use it",
        ));
    }
    if charter.app.environments.is_empty() {
        errors.push(error(
            "app.environments",
            "it is to run nowhere",
            "choose sandbox at least",
        ));
    }
    retention(&mut errors, charter, registries.retention);
    if let Some(timing) = &charter.timing
        && timing.critical_path.trim().is_empty()
    {
        errors.push(error(
            "timing.critical_path",
            "a timing budget is set for no code path",
            "name the time-critical code path",
        ));
    }
    errors
}

fn error(field: &str, message: impl Into<String>, remedy: impl Into<String>) -> FieldError {
    FieldError {
        field: field.to_owned(),
        message: message.into(),
        remedy: remedy.into(),
    }
}

fn people(errors: &mut Vec<FieldError>, charter: &Charter, directory: &Directory) {
    let app = &charter.app;
    for (field, person) in [
        ("app.developer", &app.developer),
        ("app.owner", &app.owner),
        ("app.second_owner", &app.second_owner),
    ] {
        if let Some(person) = person
            && !directory.is_active(person)
        {
            errors.push(error(
                field,
                format!("`{person}` is not in the directory, or has left"),
                "name somebody who works here",
            ));
        }
    }
    let same = |a: &Option<Email>, b: &Option<Email>| a.is_some() && a == b;
    if same(&app.owner, &app.second_owner) {
        errors.push(error(
            "app.second_owner",
            "the second owner is the owner",
            "name somebody else, who takes over when the owner leaves",
        ));
    }
    if same(&app.owner, &app.developer) {
        errors.push(error(
            "app.owner",
            "the owner is the developer",
            "name somebody else: nobody decides their own request",
        ));
    }
}

fn data(errors: &mut Vec<FieldError>, charter: &Charter, registries: &Registries<'_>) {
    let names: Vec<&str> = registries
        .datasets
        .iter()
        .map(|dataset| dataset.name.as_str())
        .collect();
    for data in &charter.data {
        let field = format!("data.{}", data.name);
        match registries.datasets.get(&data.name) {
            None => errors.push(error(
                &field,
                format!("`{}` is not in the dataset registry", data.name),
                match nearest_name(&data.name, &names) {
                    Some(near) => {
                        format!("did you mean `{near}`? otherwise have it registered first")
                    }
                    None => "choose a registered dataset, or have it registered first".to_owned(),
                },
            )),
            Some(dataset) if data.classification < dataset.classification => errors.push(error(
                &field,
                format!(
                    "it is classified {} here and {} in the registry",
                    data.classification, dataset.classification
                ),
                format!("write {}", dataset.classification),
            )),
            Some(_) => {}
        }
        if data.actions.is_empty() {
            errors.push(error(
                &field,
                "nothing is to be done with it",
                "choose the actions: create, read, update, delete, execute or export",
            ));
        }
        for action in registries.class_actions.excess(data) {
            errors.push(error(
                &field,
                format!("{action} is not allowed on {} data", data.classification),
                format!("leave out {action}, or use data of a lower class"),
            ));
        }
    }
}

fn connectors(errors: &mut Vec<FieldError>, charter: &Charter, catalogue: &Catalogue) {
    let names: Vec<&str> = catalogue.iter().map(|entry| entry.id.as_str()).collect();
    for connector in &charter.connector {
        let field = format!("connector.{}", connector.id);
        match catalogue.get(&connector.id) {
            None if connector.hosts.is_empty() => errors.push(error(
                &field,
                format!(
                    "`{}` is not in the connector catalogue and names no hosts",
                    connector.id
                ),
                match nearest_name(&connector.id, &names) {
                    Some(near) => format!("did you mean `{near}`? otherwise name its hosts"),
                    None => {
                        "name its hosts per environment; it counts as an external API".to_owned()
                    }
                },
            )),
            Some(_) if !connector.hosts.is_empty() => errors.push(error(
                &field,
                format!(
                    "`{}` is in the catalogue, which knows its hosts",
                    connector.id
                ),
                "leave out hosts, or give the connector another id",
            )),
            _ => {}
        }
        if connector.methods.is_empty() {
            errors.push(error(
                &field,
                "it may call nothing without a method",
                "choose the HTTP methods, as GET",
            ));
        }
    }
}

fn retention(errors: &mut Vec<FieldError>, charter: &Charter, schedule: &RetentionSchedule) {
    let Some(retention) = &charter.retention else {
        return;
    };
    let labels: Vec<&str> = schedule.iter().map(|(label, _)| label).collect();
    match schedule.days(&retention.label) {
        None => errors.push(error(
            "retention.label",
            format!("`{}` is not in the retention schedule", retention.label),
            match nearest_name(&retention.label, &labels) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("choose one of {}", labels.join(", ")),
            },
        )),
        Some(days) if days != retention.days => errors.push(error(
            "retention.days",
            format!(
                "`{}` means {days} days, not {}",
                retention.label, retention.days
            ),
            format!("write {days}"),
        )),
        Some(_) => {}
    }
}
