//! The request form as data, and the charter that its answers make.

use std::collections::BTreeMap;

use serde::Serialize;

use super::validate::{FieldError, Registries};
use crate::app::Environment;
use crate::capability::Automation;
use crate::charter::{Charter, ConnectorUse, DataUse, Direction, Flow, Retention, nearest_name};
use crate::connector::Connector;
use crate::data::{ActionType, Classification};
use crate::id::Email;
use crate::time::Span;

/// What one field takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FieldKind {
    /// One line.
    Text,
    /// Some lines.
    LongText,
    /// A whole number.
    Number,
    /// A person of the directory, by e-mail address.
    Person,
    /// Yes or no.
    YesNo,
    /// A span of time, as `5d`.
    Span,
    /// Any of the fixed options.
    Several,
    /// Any of the registered datasets.
    Datasets,
    /// Any of the catalogue's connectors; none is an answer too.
    Connectors,
    /// One label of the retention schedule.
    RetentionLabel,
}

/// When a field has to be filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Required {
    /// Always.
    Always,
    /// Only when an agent, files or automation is declared.
    WithLocalAccess,
    /// Only when connectors are chosen.
    WithConnectors,
    /// Never.
    Never,
}

/// One field of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Its name in the form and the API.
    pub name: &'static str,
    /// The field of the charter that it fills.
    pub charter: &'static str,
    /// Its label.
    pub label: &'static str,
    /// One sentence of help.
    pub help: &'static str,
    /// When it has to be filled in.
    pub required: Required,
    /// What it takes.
    pub kind: FieldKind,
    /// The fixed options, if it has some.
    pub options: &'static [&'static str],
}

const fn field(
    name: &'static str,
    charter: &'static str,
    label: &'static str,
    help: &'static str,
    required: Required,
    kind: FieldKind,
) -> Field {
    Field {
        name,
        charter,
        label,
        help,
        required,
        kind,
        options: &[],
    }
}

/// The form. What is always required is what a low-risk request answers: 12 at most (R13).
pub const FORM: &[Field] = &[
    field(
        "name",
        "app.name",
        "Name of the app",
        "What people call it; its id is made from it.",
        Required::Always,
        FieldKind::Text,
    ),
    field(
        "purpose",
        "app.purpose",
        "What is it for?",
        "One sentence a colleague understands.",
        Required::Always,
        FieldKind::LongText,
    ),
    field(
        "data",
        "data",
        "Which data does it touch?",
        "Choose registered datasets; each has its classification.",
        Required::Always,
        FieldKind::Datasets,
    ),
    Field {
        name: "actions",
        charter: "data.actions",
        label: "What does it do with the data?",
        help: "What is not ticked, the app cannot do.",
        required: Required::Always,
        kind: FieldKind::Several,
        options: &["create", "read", "update", "delete", "execute", "export"],
    },
    field(
        "connectors",
        "connector",
        "Which systems does it connect to?",
        "Leave it empty when it connects to nothing.",
        Required::Never,
        FieldKind::Connectors,
    ),
    field(
        "users",
        "app.users",
        "How many people will use it?",
        "A whole number; an estimate will do.",
        Required::Always,
        FieldKind::Number,
    ),
    field(
        "owner",
        "app.owner",
        "Owner",
        "The business sponsor who answers for it; proposed from the directory.",
        Required::Always,
        FieldKind::Person,
    ),
    field(
        "second_owner",
        "app.second_owner",
        "Second owner",
        "Takes over when the owner leaves.",
        Required::Always,
        FieldKind::Person,
    ),
    field(
        "retention",
        "retention.label",
        "How long is its data kept?",
        "A label of the retention schedule.",
        Required::Always,
        FieldKind::RetentionLabel,
    ),
    field(
        "remediation_sla",
        "support.remediation_sla",
        "How soon are findings mended?",
        "A number and d, h, m or s, as in 5d.",
        Required::Always,
        FieldKind::Span,
    ),
    Field {
        name: "environments",
        charter: "app.environments",
        label: "Where is it to run?",
        help: "The sandbox comes first; production needs the sponsor.",
        required: Required::Always,
        kind: FieldKind::Several,
        options: &["sandbox", "staging", "production"],
    },
    field(
        "production_systems",
        "app.production_systems",
        "Does it reach a production system?",
        "If so, the sponsor decides too.",
        Required::Always,
        FieldKind::YesNo,
    ),
    field(
        "scopes",
        "connector.scopes",
        "Scopes",
        "One per line: the connector and the scope, as in salesforce quotes:read.",
        Required::Never,
        FieldKind::LongText,
    ),
    field(
        "unit",
        "app.unit",
        "Business unit",
        "Taken from the directory when left empty.",
        Required::Never,
        FieldKind::Text,
    ),
    field(
        "agent",
        "capabilities.agent",
        "Is a desktop agent part of it?",
        "An agent that acts on somebody's machine.",
        Required::Never,
        FieldKind::YesNo,
    ),
    Field {
        name: "automation",
        charter: "capabilities.automation",
        label: "What does it drive on the machine?",
        help: "Each asks for a justification and a second reviewer.",
        required: Required::Never,
        kind: FieldKind::Several,
        options: &Automation::NAMES,
    },
    field(
        "justification",
        "capabilities.justification",
        "Why does it need that?",
        "Needed when an agent, files or automation is declared.",
        Required::WithLocalAccess,
        FieldKind::LongText,
    ),
    field(
        "contacts",
        "support.contacts",
        "Where to ask",
        "A channel or an address, one per line.",
        Required::Never,
        FieldKind::LongText,
    ),
];

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
