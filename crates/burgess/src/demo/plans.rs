//! Who and what the demo's organisation consists of: people, datasets, apps.

use burgess_core::app::Environment;
use burgess_core::audit::ActionType;
use burgess_core::charter::{Charter, ConnectorUse, DataUse, Direction, Flow, Retention};
use burgess_core::data::Classification;
use burgess_core::id::{AppId, Email};
use burgess_core::roles::Role;
use burgess_core::time::Span;
use serde_json::json;

use crate::http::problem::Problem;
use crate::operations::evidence::Upload;

pub(super) const PEOPLE: [(&str, &str, Role, &str, &str); 9] = [
    (
        "mei@example.com",
        "Mei Tan",
        Role::Sponsor,
        "",
        "sales-emea",
    ),
    (
        "olu@example.com",
        "Olu Adeyemi",
        Role::Sponsor,
        "mei@example.com",
        "sales-emea",
    ),
    (
        "dana@example.com",
        "Dana Diaz",
        Role::CitizenDeveloper,
        "olu@example.com",
        "sales-emea",
    ),
    (
        "noor@example.com",
        "Noor Haddad",
        Role::CitizenDeveloper,
        "olu@example.com",
        "finance",
    ),
    (
        "priya@example.com",
        "Priya Shah",
        Role::PlatformSecurity,
        "",
        "security",
    ),
    (
        "pat@example.com",
        "Pat Lund",
        Role::PlatformSecurity,
        "",
        "security",
    ),
    (
        "sam@example.com",
        "Sam Ortiz",
        Role::Operations,
        "",
        "operations",
    ),
    ("ana@example.com", "Ana Ruiz", Role::Auditor, "", "audit"),
    (
        "alex@example.com",
        "Alex Kim",
        Role::Administrator,
        "",
        "it",
    ),
];

pub(super) const DATASETS: [(&str, Classification, &str); 7] = [
    ("product", Classification::Public, "what we sell"),
    ("quote", Classification::Internal, "priced offers"),
    ("desk_plan", Classification::Internal, "who sits where"),
    (
        "price_list",
        Classification::Sensitive,
        "prices before discount",
    ),
    (
        "travel_expense",
        Classification::Sensitive,
        "receipts and amounts",
    ),
    (
        "customer_record",
        Classification::Pii,
        "names, addresses, bank details",
    ),
    (
        "trade_fair_lead",
        Classification::Pii,
        "visitors of our stand",
    ),
];

/// What one app of the seed is like.
pub(super) struct Plan {
    pub(super) name: &'static str,
    pub(super) purpose: &'static str,
    pub(super) developer: &'static str,
    pub(super) users: u32,
    pub(super) data: &'static [(&'static str, &'static [ActionType])],
    pub(super) connector: Option<(
        &'static str,
        &'static [&'static str],
        &'static [&'static str],
    )>,
    pub(super) production: bool,
    pub(super) agent: bool,
}

pub(super) const READ: &[ActionType] = &[ActionType::Read];
pub(super) const WRITE: &[ActionType] = &[ActionType::Create, ActionType::Read];

pub(super) const fn plan(
    name: &'static str,
    purpose: &'static str,
    developer: &'static str,
    users: u32,
    data: &'static [(&'static str, &'static [ActionType])],
) -> Plan {
    Plan {
        name,
        purpose,
        developer,
        users,
        data,
        connector: None,
        production: false,
        agent: false,
    }
}

pub(super) const SALES: Plan = Plan {
    connector: Some(("crm", &["GET", "POST"], &["customers:read", "quotes:write"])),
    production: true,
    ..plan(
        "Sales quoting",
        "Turn a basket into a priced quote",
        "dana@example.com",
        45,
        &[("customer_record", READ), ("quote", &[ActionType::Create])],
    )
};
pub(super) const ONBOARDING: Plan = Plan {
    connector: Some(("sharepoint", &["GET"], &["Sites.Read.All"])),
    production: true,
    ..plan(
        "Onboarding checklist",
        "Remind new colleagues of what to read in their first week",
        "noor@example.com",
        40,
        &[("desk_plan", READ)],
    )
};
pub(super) const DESKS: Plan = Plan {
    production: true,
    ..plan(
        "Desk booking",
        "Book a desk for tomorrow",
        "noor@example.com",
        120,
        &[("desk_plan", WRITE)],
    )
};
pub(super) const LUNCH: Plan = plan(
    "Lunch poll",
    "Ask the team where to eat",
    "dana@example.com",
    8,
    &[("product", READ)],
);
pub(super) const LABELS: Plan = plan(
    "Warehouse labels",
    "Print shelf labels",
    "noor@example.com",
    9,
    &[("product", READ)],
);
pub(super) const INVOICES: Plan = Plan {
    connector: Some(("office365", &["POST"], &["Mail.Send"])),
    ..plan(
        "Invoice reminder",
        "Send a friendly reminder before an invoice is due",
        "noor@example.com",
        15,
        &[("quote", READ)],
    )
};
pub(super) const EXPENSES: Plan = plan(
    "Travel expenses",
    "Add up receipts of a trip",
    "noor@example.com",
    30,
    &[("travel_expense", WRITE)],
);
pub(super) const PARTY: Plan = plan(
    "Summer party sign-up",
    "Count who comes and what they eat",
    "dana@example.com",
    9,
    &[("product", READ)],
);
pub(super) const LEADS: Plan = Plan {
    connector: Some(("hubspot", &["POST"], &["crm.objects.contacts.write"])),
    production: true,
    ..plan(
        "Trade fair leads",
        "Put visitors of our stand into the customer system",
        "dana@example.com",
        12,
        &[("trade_fair_lead", WRITE)],
    )
};
pub(super) const CHURN: Plan = Plan {
    connector: Some(("crm", &["GET"], &["customers:read"])),
    ..plan(
        "Churn forecast",
        "Guess which customers may leave",
        "noor@example.com",
        150,
        &[("customer_record", READ)],
    )
};
pub(super) const PRICES: Plan = plan(
    "Price list export",
    "Mail the whole price list to partners",
    "dana@example.com",
    60,
    &[("price_list", &[ActionType::Read, ActionType::Export])],
);
pub(super) const TRIAGE: Plan = Plan {
    agent: true,
    ..plan(
        "Inbox triage agent",
        "Sort quote requests in a folder by customer",
        "dana@example.com",
        3,
        &[("quote", READ)],
    )
};

/// Reads an address of the seed.
pub(super) fn email(text: &str) -> Result<Email, Problem> {
    Email::parse(text).map_err(|e| Problem::internal(&e))
}

pub(super) fn charter(plan: &Plan, id: AppId) -> Result<Charter, Problem> {
    let mut charter = Charter::blank(id, plan.name);
    charter.version = "1.0.0".to_owned();
    let app = &mut charter.app;
    app.purpose = plan.purpose.to_owned();
    app.unit = "sales-emea".to_owned();
    app.developer = Some(email(plan.developer)?);
    app.owner = Some(email("olu@example.com")?);
    app.second_owner = Some(email("mei@example.com")?);
    app.users = Some(plan.users);
    app.production_systems = plan.production;
    app.environments = if plan.production {
        Environment::ALL.to_vec()
    } else {
        vec![Environment::Sandbox, Environment::Staging]
    };
    let classes: Vec<(&str, Classification)> = DATASETS.iter().map(|(n, c, _)| (*n, *c)).collect();
    for (name, actions) in plan.data {
        let class = classes
            .iter()
            .find(|(n, _)| n == name)
            .map_or(Classification::Internal, |(_, c)| *c);
        charter.data.push(DataUse {
            name: (*name).to_owned(),
            classification: class,
            actions: actions.to_vec(),
            purpose: plan.purpose.to_owned(),
        });
    }
    if let Some((id, methods, scopes)) = plan.connector {
        let flows = plan
            .data
            .iter()
            .map(|(name, actions)| Flow {
                data: (*name).to_owned(),
                direction: if actions.contains(&ActionType::Create) {
                    Direction::Out
                } else {
                    Direction::In
                },
            })
            .collect();
        charter.connector.push(ConnectorUse {
            id: id.to_owned(),
            methods: methods.iter().map(|m| (*m).to_owned()).collect(),
            scopes: scopes.iter().map(|s| (*s).to_owned()).collect(),
            flows,
            hosts: std::collections::BTreeMap::new(),
        });
    }
    if plan.agent {
        charter.capabilities.agent = true;
        charter.capabilities.files = vec![burgess_core::capability::FileAccess {
            path: "~/Quotes".to_owned(),
            access: burgess_core::capability::Access::Read,
        }];
        charter.capabilities.justification =
            "The requests arrive as files in one folder; nobody has to copy them by hand."
                .to_owned();
    }
    charter.support.remediation_sla = Some(Span::days(5));
    charter.support.contacts = vec!["#sales-tools".to_owned()];
    charter.support.failure_modes = "The work is done by hand until it is mended.".to_owned();
    charter.retention = Some(Retention {
        label: "sales-3y".to_owned(),
        days: 1_095,
    });
    Ok(charter.normalised())
}

/// A workflow export such as the platform writes it: it starts by hand or by the clock and sets a value.
pub(super) fn workflow(plan: &Plan) -> Upload {
    let text = if plan.name == SALES.name {
        include_str!("../../../../examples/sales-quoting/workflow.json").to_owned()
    } else {
        json!({
            "name": plan.name,
            "nodes": [
                { "id": "n1", "name": "Start", "type": "n8n-nodes-base.manualTrigger", "typeVersion": 1, "position": [0, 0], "parameters": {} },
                { "id": "n2", "name": "Prepare", "type": "n8n-nodes-base.set", "typeVersion": 3, "position": [200, 0], "parameters": { "values": {} } }
            ],
            "connections": { "Start": { "main": [[{ "node": "Prepare", "type": "main", "index": 0 }]] } }
        })
        .to_string()
    };
    Upload {
        file_name: "workflow.json".to_owned(),
        bytes: text.into_bytes(),
    }
}

pub(super) fn readme(plan: &Plan) -> String {
    let data: Vec<&str> = plan.data.iter().map(|(name, _)| *name).collect();
    let connector = plan.connector.map_or("None.", |(id, _, _)| id);
    format!(
        "# {name}\n\n## Purpose and owner\n\n{purpose}. Olu Adeyemi answers for it.\n\n## Data flows\n\n- {data} is read, and the result is shown to whoever asked.\n\n## Data sources and classifications\n\n- {data}, as registered.\n\n## External connectors used\n\n{connector}\n\n## Dependencies\n\nThe platform's own nodes. No other packages.\n\n## Test cases\n\n- TC-1: the usual case gives the usual result\n- TC-2: an empty input gives a clear message\n\n## Retention and backup policy\n\nKept for three years under the label `sales-3y`; the export is kept with each version.\n\n## Failure modes\n\n- It does not answer: the work is done by hand.\n\n## Contact list\n\n- #sales-tools\n",
        name = plan.name,
        purpose = plan.purpose,
        data = data.join(", "),
    )
}
