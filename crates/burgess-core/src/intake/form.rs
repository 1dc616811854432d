//! The answers to the form, and the charter that they make.

use std::collections::BTreeMap;

use super::fields::FORM;
use super::validate::{FieldError, Registries};
use crate::app::Environment;
use crate::capability::Automation;
use crate::charter::{Charter, ConnectorUse, DataUse, Direction, Flow, Retention, nearest_name};
use crate::connector::Connector;
use crate::data::{ActionType, Classification};
use crate::id::Email;
use crate::time::Span;

/// The answers to a form: every value given for each name.
pub type Answers = BTreeMap<String, Vec<String>>;

/// Puts the answers into `charter`, which may come from a draft and keeps what the form
/// does not ask. All fields that cannot be read are reported at once; whether the charter
/// is complete is asked afterwards, with [`super::validate`].
pub fn read_form(
    answers: &Answers,
    charter: Charter,
    registries: &Registries<'_>,
) -> Result<Charter, Vec<FieldError>> {
    let mut form = Form {
        answers,
        errors: Vec::new(),
    };
    let mut charter = charter;
    form.unknown();
    form.app(&mut charter);
    form.data(&mut charter, registries);
    form.connectors(&mut charter, registries);
    form.rest(&mut charter, registries);
    if form.errors.is_empty() {
        Ok(charter)
    } else {
        Err(form.errors)
    }
}

struct Form<'a> {
    answers: &'a Answers,
    errors: Vec<FieldError>,
}

impl Form<'_> {
    fn error(&mut self, field: &str, message: impl Into<String>, remedy: impl Into<String>) {
        self.errors.push(FieldError {
            field: field.to_owned(),
            message: message.into(),
            remedy: remedy.into(),
        });
    }

    /// What was typed in one field, without spaces around; none when it was not sent.
    fn one(&self, name: &str) -> Option<&str> {
        Some(self.answers.get(name)?.last()?.trim())
    }

    /// What was chosen or listed line by line; none when the field was not sent.
    fn many(&self, name: &str) -> Option<Vec<&str>> {
        let values = self.answers.get(name)?;
        let lines = values.iter().flat_map(|value| value.lines()).map(str::trim);
        Some(lines.filter(|line| !line.is_empty()).collect())
    }

    fn unknown(&mut self) {
        let known: Vec<&str> = FORM.iter().map(|field| field.name).collect();
        for name in self.answers.keys() {
            if !known.contains(&name.as_str()) {
                let remedy = match nearest_name(name, &known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the form has {}", known.join(", ")),
                };
                let shown: String = name.chars().take(60).collect();
                self.error(&shown, "the form has no such field", remedy);
            }
        }
    }

    fn parsed<T, E: ToString>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, E>,
        remedy: &str,
    ) -> Option<T> {
        let text = self.one(name).filter(|text| !text.is_empty())?.to_owned();
        match parse(&text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.error(name, error.to_string(), remedy);
                None
            }
        }
    }

    fn parsed_many<T, E: ToString>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, E>,
        remedy: &str,
    ) -> Option<Vec<T>> {
        let values: Vec<String> = self.many(name)?.into_iter().map(str::to_owned).collect();
        let mut read = Vec::new();
        for value in values {
            match parse(&value) {
                Ok(value) => read.push(value),
                Err(error) => self.error(name, error.to_string(), remedy),
            }
        }
        Some(read)
    }

    fn yes(&mut self, name: &str) -> Option<bool> {
        let read = |text: &str| match text {
            "yes" | "true" | "on" => Ok(true),
            "no" | "false" => Ok(false),
            _ => Err("this is neither yes nor no"),
        };
        self.parsed(name, read, "choose yes or no")
    }

    fn app(&mut self, charter: &mut Charter) {
        let app = &mut charter.app;
        for (name, place) in [
            ("name", &mut app.name),
            ("purpose", &mut app.purpose),
            ("unit", &mut app.unit),
        ] {
            if let Some(text) = self.one(name) {
                text.clone_into(place);
            }
        }
        for (name, place) in [
            ("owner", &mut app.owner),
            ("second_owner", &mut app.second_owner),
        ] {
            if let Some(person) = self.parsed(name, Email::parse, "name a person of the directory")
            {
                *place = Some(person);
            }
        }
        if let Some(users) =
            self.parsed("users", |text| text.parse::<u32>(), "write a whole number")
        {
            app.users = Some(users);
        }
        let remedy = "choose sandbox, staging or production";
        if let Some(chosen) = self.parsed_many("environments", Environment::parse, remedy) {
            app.environments = chosen;
        }
        if let Some(reaches) = self.yes("production_systems") {
            app.production_systems = reaches;
        }
    }

    fn data(&mut self, charter: &mut Charter, registries: &Registries<'_>) {
        let remedy = "choose create, read, update, delete, execute or export";
        let actions = self.parsed_many("actions", ActionType::parse, remedy);
        if let Some(chosen) = self.many("data") {
            let chosen: Vec<String> = chosen.into_iter().map(str::to_owned).collect();
            charter.data = chosen
                .into_iter()
                .map(|name| DataUse {
                    // What is not registered is reported by validation; until then it counts
                    // as the most sensitive there is.
                    classification: registries
                        .datasets
                        .get(&name)
                        .map_or(Classification::Phi, |dataset| dataset.classification),
                    actions: Vec::new(),
                    purpose: charter
                        .data(&name)
                        .map(|data| data.purpose.clone())
                        .unwrap_or_default(),
                    name,
                })
                .collect();
        }
        if let Some(actions) = actions {
            for data in &mut charter.data {
                data.actions.clone_from(&actions);
            }
        }
    }

    fn connectors(&mut self, charter: &mut Charter, registries: &Registries<'_>) {
        if let Some(chosen) = self.many("connectors") {
            charter.connector = chosen
                .into_iter()
                .map(|id| match charter.connector(id) {
                    Some(kept) => kept.clone(),
                    None => connector_use(id, registries.catalogue.get(id), charter),
                })
                .collect();
        }
        let lines: Vec<String> = self
            .many("scopes")
            .unwrap_or_default()
            .into_iter()
            .map(str::to_owned)
            .collect();
        for line in lines {
            let found = line
                .split_once(char::is_whitespace)
                .and_then(|(id, scope)| {
                    let connector = charter.connector.iter_mut().find(|entry| entry.id == id)?;
                    Some((connector, scope.trim().to_owned()))
                });
            match found {
                Some((connector, scope)) if !connector.scopes.contains(&scope) => {
                    connector.scopes.push(scope);
                }
                Some(_) => {}
                None => self.error(
                    "scopes",
                    format!("`{line}` does not begin with a chosen connector"),
                    "write the connector and the scope, as in salesforce quotes:read",
                ),
            }
        }
    }

    fn rest(&mut self, charter: &mut Charter, registries: &Registries<'_>) {
        if let Some(span) = self.parsed("remediation_sla", Span::parse, "write it as 5d") {
            charter.support.remediation_sla = Some(span);
        }
        if let Some(label) = self.one("retention").filter(|label| !label.is_empty()) {
            match registries.retention.days(label) {
                Some(days) => {
                    charter.retention = Some(Retention {
                        label: label.to_owned(),
                        days,
                    });
                }
                None => {
                    let message = format!("`{label}` is not in the retention schedule");
                    self.error("retention", message, "choose a label of the schedule");
                }
            }
        }
        if let Some(agent) = self.yes("agent") {
            charter.capabilities.agent = agent;
        }
        let remedy = "choose shell, browser, clipboard or ui";
        if let Some(chosen) = self.parsed_many("automation", Automation::parse, remedy) {
            charter.capabilities.automation = chosen;
        }
        if let Some(text) = self.one("justification") {
            text.clone_into(&mut charter.capabilities.justification);
        }
        if let Some(contacts) = self.many("contacts") {
            charter.support.contacts = contacts.into_iter().map(str::to_owned).collect();
        }
    }
}

/// A connector as the form declares it: the methods and directions that the data's actions
/// need, as far as the catalogue allows them.
fn connector_use(id: &str, entry: Option<&Connector>, charter: &Charter) -> ConnectorUse {
    let mut methods = Vec::new();
    let mut flows = Vec::new();
    for data in &charter.data {
        for action in &data.actions {
            let (method, direction) = match action {
                ActionType::Read => ("GET", Direction::In),
                ActionType::Create | ActionType::Execute | ActionType::Export => {
                    ("POST", Direction::Out)
                }
                ActionType::Update => ("PATCH", Direction::Out),
                ActionType::Delete => ("DELETE", Direction::Out),
            };
            methods.push(method.to_owned());
            flows.push(Flow {
                data: data.name.clone(),
                direction,
            });
        }
    }
    methods.retain(|method| entry.is_none_or(|entry| entry.methods.contains(method)));
    methods.sort();
    methods.dedup();
    flows.sort();
    flows.dedup();
    ConnectorUse {
        id: id.to_owned(),
        methods,
        scopes: Vec::new(),
        flows,
        hosts: BTreeMap::new(),
    }
}
