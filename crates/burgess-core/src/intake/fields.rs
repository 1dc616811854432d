//! The fields of the request form, as data.

use serde::Serialize;

use crate::capability::Automation;

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
