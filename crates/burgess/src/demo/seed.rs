//! The seeded organisation: people, data, a dozen apps in every state, and some months of history.

#[cfg(test)]
use std::collections::BTreeSet;
use std::sync::Arc;

use axum::http::Method;
use base64::Engine as _;
use burgess_core::app::Environment;
use burgess_core::approval::{Capacity, Verdict};
use burgess_core::audit::ActionType;
use burgess_core::charter::{Charter, ConnectorUse, DataUse, Direction, Flow, Retention};
use burgess_core::data::Classification;
use burgess_core::id::{AppId, Email};
use burgess_core::intake::{Dataset, Request};
use burgess_core::policy::action::EditDataset;
use burgess_core::policy::facts::{NoContext, Organisation, Person};
use burgess_core::roles::Role;
use burgess_core::time::Span;
use burgess_store::{Change, Versioned, Write};
use serde_json::{Value, json};

use super::web_client::{Call, send};
use crate::http::problem::Problem;
use crate::operations::approve::{self, Deciding};
use crate::operations::evidence::Upload;
use crate::operations::intake::{self, Handed};
use crate::operations::people::{self, Invited};
use crate::operations::{Caller, attach, clockwork, connect, event, permit, promote, retire, secrets};
use crate::server::Server;

/// A sign-in link to print.
pub struct Link {
    /// For which role.
    pub role: Role,
    /// For whom.
    pub email: Email,
    /// The link's secret.
    pub secret: String,
}

/// What the demo prints.
pub struct Seeded {
    /// One link per role.
    pub links: Vec<Link>,
    /// A live client credential of the sales app in production.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
}

const PEOPLE: [(&str, &str, Role, &str, &str); 9] = [
    ("mei@example.com", "Mei Tan", Role::Sponsor, "", "sales-emea"),
    ("olu@example.com", "Olu Adeyemi", Role::Sponsor, "mei@example.com", "sales-emea"),
    ("dana@example.com", "Dana Diaz", Role::CitizenDeveloper, "olu@example.com", "sales-emea"),
    ("noor@example.com", "Noor Haddad", Role::CitizenDeveloper, "olu@example.com", "finance"),
    ("priya@example.com", "Priya Shah", Role::PlatformSecurity, "", "security"),
    ("pat@example.com", "Pat Lund", Role::PlatformSecurity, "", "security"),
    ("sam@example.com", "Sam Ortiz", Role::Operations, "", "operations"),
    ("ana@example.com", "Ana Ruiz", Role::Auditor, "", "audit"),
    ("alex@example.com", "Alex Kim", Role::Administrator, "", "it"),
];

const DATASETS: [(&str, Classification, &str); 7] = [
    ("product", Classification::Public, "what we sell"),
    ("quote", Classification::Internal, "priced offers"),
    ("desk_plan", Classification::Internal, "who sits where"),
    ("price_list", Classification::Sensitive, "prices before discount"),
    ("travel_expense", Classification::Sensitive, "receipts and amounts"),
    ("customer_record", Classification::Pii, "names, addresses, bank details"),
    ("trade_fair_lead", Classification::Pii, "visitors of our stand"),
];

/// What one app of the seed is like.
struct Plan {
    name: &'static str,
    purpose: &'static str,
    developer: &'static str,
    users: u32,
    data: &'static [(&'static str, &'static [ActionType])],
    connector: Option<(&'static str, &'static [&'static str], &'static [&'static str])>,
    production: bool,
    agent: bool,
}

const READ: &[ActionType] = &[ActionType::Read];
const WRITE: &[ActionType] = &[ActionType::Create, ActionType::Read];

const fn plan(name: &'static str, purpose: &'static str, developer: &'static str, users: u32, data: &'static [(&'static str, &'static [ActionType])]) -> Plan {
    Plan { name, purpose, developer, users, data, connector: None, production: false, agent: false }
}

const SALES: Plan = Plan {
    connector: Some(("crm", &["GET", "POST"], &["customers:read", "quotes:write"])),
    production: true,
    ..plan("Sales quoting", "Turn a basket into a priced quote", "dana@example.com", 45, &[("customer_record", READ), ("quote", &[ActionType::Create])])
};
const ONBOARDING: Plan = Plan {
    connector: Some(("sharepoint", &["GET"], &["Sites.Read.All"])),
    production: true,
    ..plan("Onboarding checklist", "Remind new colleagues of what to read in their first week", "noor@example.com", 40, &[("desk_plan", READ)])
};
const DESKS: Plan = Plan { production: true, ..plan("Desk booking", "Book a desk for tomorrow", "noor@example.com", 120, &[("desk_plan", WRITE)]) };
const LUNCH: Plan = plan("Lunch poll", "Ask the team where to eat", "dana@example.com", 8, &[("product", READ)]);
const LABELS: Plan = plan("Warehouse labels", "Print shelf labels", "noor@example.com", 9, &[("product", READ)]);
const INVOICES: Plan = Plan {
    connector: Some(("office365", &["POST"], &["Mail.Send"])),
    ..plan("Invoice reminder", "Send a friendly reminder before an invoice is due", "noor@example.com", 15, &[("quote", READ)])
};
const EXPENSES: Plan = plan("Travel expenses", "Add up receipts of a trip", "noor@example.com", 30, &[("travel_expense", WRITE)]);
const PARTY: Plan = plan("Summer party sign-up", "Count who comes and what they eat", "dana@example.com", 9, &[("product", READ)]);
const LEADS: Plan = Plan {
    connector: Some(("hubspot", &["POST"], &["crm.objects.contacts.write"])),
    production: true,
    ..plan("Trade fair leads", "Put visitors of our stand into the customer system", "dana@example.com", 12, &[("trade_fair_lead", WRITE)])
};
const CHURN: Plan = Plan {
    connector: Some(("crm", &["GET"], &["customers:read"])),
    ..plan("Churn forecast", "Guess which customers may leave", "noor@example.com", 150, &[("customer_record", READ)])
};
const PRICES: Plan = plan("Price list export", "Mail the whole price list to partners", "dana@example.com", 60, &[("price_list", &[ActionType::Read, ActionType::Export])]);
const TRIAGE: Plan = Plan { agent: true, ..plan("Inbox triage agent", "Sort quote requests in a folder by customer", "dana@example.com", 3, &[("quote", READ)]) };

/// Seeds everything, from the past to now.
pub async fn organisation(server: &Arc<Server>, api_key: &str) -> Result<Seeded, Problem> {
    people(server).await?;
    datasets(server).await?;
    for environment in Environment::ALL {
        secrets::set(server, "crm", environment, api_key.as_bytes()).await?;
    }
    let sales = live_sales(server).await?;
    let party = approved(server, &PARTY, true).await?;
    promote::promote(server, &person(server, "dana@example.com").await?, &party, Environment::Sandbox).await?;
    let desks = approved(server, &DESKS, true).await?;
    to_production(server, &DESKS, &desks).await?;
    ahead(server, 30).await?;
    retire::retire(server, retire::By::Person(&person(server, "priya@example.com").await?), &party, "A shared list did it too. Ask first whether an app is needed.").await?;
    use_crm(server, &sales).await?;
    ahead(server, 35).await?;
    let onboarding = approved(server, &ONBOARDING, true).await?;
    to_production(server, &ONBOARDING, &onboarding).await?;
    let expenses = approved(server, &EXPENSES, true).await?;
    promote::promote(server, &person(server, "noor@example.com").await?, &expenses, Environment::Sandbox).await?;
    let labels = approved(server, &LABELS, true).await?;
    promote::promote(server, &person(server, "noor@example.com").await?, &labels, Environment::Sandbox).await?;
    use_crm(server, &sales).await?;
    ahead(server, 40).await?;
    promote::quarantine(server, &person(server, "priya@example.com").await?, &labels, "it printed labels with staff names; we look into it").await?;
    retire::schedule(server, retire::By::Person(&person(server, "noor@example.com").await?), &expenses, "the finance suite does this now").await?;
    let invoices = approved(server, &INVOICES, true).await?;
    to_staging(server, &INVOICES, &invoices).await?;
    ahead(server, 11).await?;
    let prices = submit(server, &PRICES, true).await?;
    reject(server, &prices).await?;
    let churn = submit(server, &CHURN, true).await?;
    drop(churn);
    ahead(server, 3).await?;
    submit(server, &TRIAGE, true).await?;
    let leads = submit(server, &LEADS, true).await?;
    decide(server, &leads, "priya@example.com", Capacity::Reviewer, Verdict::Approve, "The flow is declared, the connector is cleared for personal data.").await?;
    ahead(server, 1).await?;
    let lunch = approved(server, &LUNCH, true).await?;
    promote::promote(server, &person(server, "dana@example.com").await?, &lunch, Environment::Sandbox).await?;
    let (client_id, client_secret) = fresh_credential(server, &sales).await?;
    use_with(server, &client_id, &client_secret).await?;
    Ok(Seeded { links: links(server).await?, client_id, client_secret })
}

/// Lets days pass, with the clock's work done each week.
async fn ahead(server: &Server, days: i64) -> Result<(), Problem> {
    let mut left = days;
    while left > 0 {
        let step = left.min(7);
        server.ambient.jump(Span::days(step));
        clockwork::pass(server).await?;
        left -= step;
    }
    Ok(())
}

fn email(text: &str) -> Result<Email, Problem> {
    Email::parse(text).map_err(|e| Problem::internal(&e))
}

async fn people(server: &Server) -> Result<(), Problem> {
    for (address, name, role, manager, unit) in PEOPLE {
        let invited = Invited {
            email: email(address)?,
            name: name.to_owned(),
            role,
            manager: if manager.is_empty() { None } else { Some(email(manager)?) },
            unit: unit.to_owned(),
        };
        people::invite(server, invited).await?;
    }
    Ok(())
}

/// One link per role, made last: links expire after a day, and the history is months.
async fn links(server: &Server) -> Result<Vec<Link>, Problem> {
    let mut links: Vec<Link> = Vec::new();
    for role in Role::ALL {
        let Some((address, name, _, _, unit)) = PEOPLE.iter().rfind(|(a, _, r, _, _)| *r == role && *a != "noor@example.com" && *a != "pat@example.com") else { continue };
        let invited = Invited { email: email(address)?, name: (*name).to_owned(), role, manager: None, unit: (*unit).to_owned() };
        links.push(Link { role, secret: people::invite(server, invited).await?, email: email(address)? });
    }
    Ok(links)
}

/// Somebody of the organisation, as if they were signed in.
async fn person(server: &Server, address: &str) -> Result<Caller, Problem> {
    let held = server.store.person(&email(address)?).await.map_err(|e| Problem::internal(&e))?;
    let it = held.ok_or_else(|| Problem::not_found("person", address))?.record;
    Ok(Caller {
        name: it.name,
        role: it.roles.iter().next().copied().unwrap_or(Role::CitizenDeveloper),
        person: Person { email: it.email, roles: it.roles, active: it.active },
        ip_address: Some("127.0.0.1".to_owned()),
        user_agent: Some("demo".to_owned()),
    })
}

async fn datasets(server: &Server) -> Result<(), Problem> {
    let priya = person(server, "priya@example.com").await?;
    for (name, classification, description) in DATASETS {
        let now = server.now()?;
        let permit = permit::<EditDataset>(server, &priya.principal(), &Organisation { revision: 0 }, &NoContext, now)?;
        let dataset = Dataset { name: name.to_owned(), classification, owner: email("mei@example.com")?, description: description.to_owned() };
        let event = event::about(&server.ambient, None, now)
            .map_err(|e| Problem::internal(&e))?
            .by(&priya)
            .permitted(&permit)
            .did(ActionType::Create, "dataset", name)
            .done();
        server.commit(vec![Write { changes: vec![Change::Dataset(Versioned::new(dataset))], event }], &permit, now).await?;
    }
    Ok(())
}

fn charter(plan: &Plan, id: AppId) -> Result<Charter, Problem> {
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
    app.environments = if plan.production { Environment::ALL.to_vec() } else { vec![Environment::Sandbox, Environment::Staging] };
    let classes: Vec<(&str, Classification)> = DATASETS.iter().map(|(n, c, _)| (*n, *c)).collect();
    for (name, actions) in plan.data {
        let class = classes.iter().find(|(n, _)| n == name).map_or(Classification::Internal, |(_, c)| *c);
        charter.data.push(DataUse { name: (*name).to_owned(), classification: class, actions: actions.to_vec(), purpose: plan.purpose.to_owned() });
    }
    if let Some((id, methods, scopes)) = plan.connector {
        let flows = plan
            .data
            .iter()
            .map(|(name, actions)| Flow {
                data: (*name).to_owned(),
                direction: if actions.contains(&ActionType::Create) { Direction::Out } else { Direction::In },
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
        charter.capabilities.files = vec![burgess_core::capability::FileAccess { path: "~/Quotes".to_owned(), access: burgess_core::capability::Access::Read }];
        charter.capabilities.justification = "The requests arrive as files in one folder; nobody has to copy them by hand.".to_owned();
    }
    charter.support.remediation_sla = Some(Span::days(5));
    charter.support.contacts = vec!["#sales-tools".to_owned()];
    charter.support.failure_modes = "The work is done by hand until it is mended.".to_owned();
    charter.retention = Some(Retention { label: "sales-3y".to_owned(), days: 1_095 });
    Ok(charter.normalised())
}

/// A workflow export such as the platform writes it: it starts by hand or by the clock and sets a value.
fn workflow(plan: &Plan) -> Upload {
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
    Upload { file_name: "workflow.json".to_owned(), bytes: text.into_bytes() }
}

fn readme(plan: &Plan) -> String {
    let data: Vec<&str> = plan.data.iter().map(|(name, _)| *name).collect();
    let connector = plan.connector.map_or("None.", |(id, _, _)| id);
    format!(
        "# {name}\n\n## Purpose and owner\n\n{purpose}. Olu Adeyemi answers for it.\n\n## Data flows\n\n- {data} is read, and the result is shown to whoever asked.\n\n## Data sources and classifications\n\n- {data}, as registered.\n\n## External connectors used\n\n{connector}\n\n## Dependencies\n\nThe platform's own nodes. No other packages.\n\n## Test cases\n\n- TC-1: the usual case gives the usual result\n- TC-2: an empty input gives a clear message\n\n## Retention and backup policy\n\nKept for three years under the label `sales-3y`; the export is kept with each version.\n\n## Failure modes\n\n- It does not answer: the work is done by hand.\n\n## Contact list\n\n- #sales-tools\n",
        name = plan.name,
        purpose = plan.purpose,
        data = data.join(", "),
    )
}

async fn submit(server: &Arc<Server>, plan: &Plan, with_artifact: bool) -> Result<Request, Problem> {
    let developer = person(server, plan.developer).await?;
    let id = intake::new_id(server, plan.name).await?;
    let readme = if plan.name == SALES.name { include_str!("../../../../examples/sales-quoting/README.md").to_owned() } else { readme(plan) };
    let handed = Handed { charter: charter(plan, id)?, artifact: with_artifact.then(|| workflow(plan)), readme: Some(readme) };
    intake::submit(server, &developer, handed).await
}

async fn decide(server: &Server, request: &Request, who: &str, capacity: Capacity, verdict: Verdict, comment: &str) -> Result<Request, Problem> {
    let caller = person(server, who).await?;
    let deciding = Deciding { capacity, verdict, comment: comment.to_owned(), conditions: Vec::new(), revision: None };
    approve::decide(server, &caller, &request.id, deciding).await
}

async fn reject(server: &Server, request: &Request) -> Result<(), Problem> {
    let comment = "A whole price list does not go to partners by mail; use the partner portal.";
    decide(server, request, "priya@example.com", Capacity::Reviewer, Verdict::Reject, comment).await.map(drop)
}

/// An app that everybody whose turn it was has approved.
async fn approved(server: &Arc<Server>, plan: &Plan, with_artifact: bool) -> Result<AppId, Problem> {
    let mut request = submit(server, plan, with_artifact).await?;
    for turn in burgess_core::approval::turns(&request) {
        let who = match turn {
            Capacity::Reviewer => "priya@example.com",
            Capacity::SecondReviewer => "pat@example.com",
            Capacity::Sponsor => "olu@example.com",
        };
        request = decide(server, &request, who, turn, Verdict::Approve, "Fine as it is.").await?;
    }
    Ok(request.app)
}

async fn to_staging(server: &Server, plan: &Plan, app: &AppId) -> Result<(), Problem> {
    let developer = person(server, plan.developer).await?;
    promote::promote(server, &developer, app, Environment::Sandbox).await?;
    let issued = connect::issue(server, &developer, app, Environment::Sandbox).await?;
    tell(server, app, issued.credential.id.as_str(), &issued.secret).await?;
    let cases = promote::evidence_of(&promote::dossier(server, app).await?).readme.map(|r| r.test_cases).unwrap_or_default();
    for case in cases {
        attach::test_result(server, &developer, app, &case, true, "tried by hand").await?;
    }
    promote::promote(server, &developer, app, Environment::Staging).await.map(drop)
}

async fn to_production(server: &Server, plan: &Plan, app: &AppId) -> Result<(), Problem> {
    to_staging(server, plan, app).await?;
    let operations = person(server, "sam@example.com").await?;
    promote::promote(server, &operations, app, Environment::Production).await.map(drop)
}

async fn live_sales(server: &Arc<Server>) -> Result<AppId, Problem> {
    let app = approved(server, &SALES, true).await?;
    to_production(server, &SALES, &app).await?;
    Ok(app)
}

async fn fresh_credential(server: &Server, app: &AppId) -> Result<(String, String), Problem> {
    let developer = person(server, "dana@example.com").await?;
    let issued = connect::issue(server, &developer, app, Environment::Production).await?;
    Ok((issued.credential.id.to_string(), issued.secret))
}

fn failed(error: &dyn std::fmt::Display) -> Problem {
    Problem::internal(error)
}

/// An access token, from our own token endpoint.
async fn token(server: &Server, client: &str, secret: &str, resource: &str) -> Result<String, Problem> {
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{client}:{secret}"));
    let body = format!("grant_type=client_credentials&resource={resource}");
    let call = Call { method: Method::POST, target: "/oauth/token", authorization: Some(format!("Basic {basic}")), body: Some(("application/x-www-form-urlencoded", body)) };
    let answer = send(server.config.listen, call).await.map_err(|e| failed(&e))?;
    let body: Value = serde_json::from_slice(&answer.body).map_err(|e| failed(&e))?;
    let token = body.get("access_token").and_then(Value::as_str);
    token.map(str::to_owned).ok_or_else(|| failed(&format!("no access token: {body}")))
}

/// The app says that it is alive and sends an event of its own: staging asks for both.
async fn tell(server: &Server, app: &AppId, client: &str, secret: &str) -> Result<(), Problem> {
    let bearer = format!("Bearer {}", token(server, client, secret, connect::OWN_AUDIENCE).await?);
    let own = json!({
        "event_id": format!("evt_{}_hello", app.as_str().replace('-', "_").chars().take(40).collect::<String>()),
        "timestamp": server.ambient.now().to_string(), "actor_id": "tester", "actor_role": "citizen_developer",
        "app_id": app, "version": "1.0.0", "environment": "sandbox", "action_type": "execute", "resource_type": "self_test",
        "resource_id": "first-run", "data_classification": "none", "outcome": "success", "ip_address": "127.0.0.1",
        "user_agent": "n8n/1.70", "risk_score_at_time": 0
    });
    for (target, body) in [("/api/v1/heartbeat", None), ("/api/v1/events", Some(("application/json", own.to_string())))] {
        let call = Call { method: Method::POST, target, authorization: Some(bearer.clone()), body };
        let answer = send(server.config.listen, call).await.map_err(|e| failed(&e))?;
        if !answer.status.is_success() {
            return Err(failed(&format!("{target}: {} {}", answer.status, String::from_utf8_lossy(&answer.body))));
        }
    }
    Ok(())
}

/// A few calls of the sales app in production, one of them an export that is stopped.
async fn use_crm(server: &Server, app: &AppId) -> Result<(), Problem> {
    let (client, secret) = fresh_credential(server, app).await?;
    use_with(server, &client, &secret).await
}

async fn use_with(server: &Server, client: &str, secret: &str) -> Result<(), Problem> {
    let bearer = format!("Bearer {}", token(server, client, secret, "crm").await?);
    let quote = json!({ "customer": "cust-1004", "total_cents": 39_800 }).to_string();
    let calls = [
        (Method::GET, "/c/crm/customers?limit=5", None),
        (Method::GET, "/c/crm/customers/cust-1004", None),
        (Method::POST, "/c/crm/quotes", Some(("application/json", quote))),
        (Method::GET, "/c/crm/customers/export", None),
    ];
    for (method, target, body) in calls {
        let call = Call { method, target, authorization: Some(bearer.clone()), body };
        send(server.config.gateway, call).await.map_err(|e| failed(&e))?;
    }
    Ok(())
}

/// The roles that the seed gives out, for a test that all are there.
#[cfg(test)]
fn roles() -> BTreeSet<Role> {
    PEOPLE.iter().map(|(_, _, role, _, _)| *role).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_has_somebody_in_the_demo() {
        assert_eq!(roles(), Role::ALL.into_iter().collect());
    }
}
