//! The seeded organisation: people, data, a dozen apps in every state, and some months of history.

#[cfg(test)]
use std::collections::BTreeSet;
use std::sync::Arc;

use axum::http::Method;
use base64::Engine as _;
use burgess_core::app::Environment;
use burgess_core::approval::{Capacity, Verdict};
use burgess_core::id::{AppId, Email};
use burgess_core::intake::{Dataset, Request};
use burgess_core::policy::facts::Person;
use burgess_core::roles::Role;
use burgess_core::time::Span;
use serde_json::{Value, json};

use super::plans::{
    CHURN, DATASETS, DESKS, EXPENSES, INVOICES, LABELS, LEADS, LUNCH, ONBOARDING, PARTY, PEOPLE,
    PRICES, Plan, SALES, TRIAGE, charter, email, readme, workflow,
};
use super::web_client::{Call, send};
use crate::http::problem::Problem;
use crate::operations::approve::{self, Deciding};
use crate::operations::intake::{self, Handed};
use crate::operations::people::{self, Invited};
use crate::operations::{Caller, attach, clockwork, connect, datasets, promote, retire, secrets};
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

/// Seeds everything, from the past to now.
pub async fn organisation(server: &Arc<Server>, api_key: &str) -> Result<Seeded, Problem> {
    people(server).await?;
    registry(server).await?;
    for environment in Environment::ALL {
        secrets::set(server, "crm", environment, api_key.as_bytes()).await?;
    }
    let sales = live_sales(server).await?;
    let party = approved(server, &PARTY, true).await?;
    promote::promote(
        server,
        &person(server, "dana@example.com").await?,
        &party,
        Environment::Sandbox,
    )
    .await?;
    let desks = approved(server, &DESKS, true).await?;
    to_production(server, &DESKS, &desks).await?;
    ahead(server, 30).await?;
    retire::retire(
        server,
        retire::By::Person(&person(server, "priya@example.com").await?),
        &party,
        "A shared list did it too. Ask first whether an app is needed.",
    )
    .await?;
    use_crm(server, &sales).await?;
    ahead(server, 35).await?;
    let onboarding = approved(server, &ONBOARDING, true).await?;
    to_production(server, &ONBOARDING, &onboarding).await?;
    let expenses = approved(server, &EXPENSES, true).await?;
    promote::promote(
        server,
        &person(server, "noor@example.com").await?,
        &expenses,
        Environment::Sandbox,
    )
    .await?;
    let labels = approved(server, &LABELS, true).await?;
    promote::promote(
        server,
        &person(server, "noor@example.com").await?,
        &labels,
        Environment::Sandbox,
    )
    .await?;
    use_crm(server, &sales).await?;
    ahead(server, 40).await?;
    promote::quarantine(
        server,
        &person(server, "priya@example.com").await?,
        &labels,
        "it printed labels with staff names; we look into it",
    )
    .await?;
    retire::schedule(
        server,
        retire::By::Person(&person(server, "noor@example.com").await?),
        &expenses,
        "the finance suite does this now",
    )
    .await?;
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
    decide(
        server,
        &leads,
        "priya@example.com",
        Capacity::Reviewer,
        Verdict::Approve,
        "The flow is declared, the connector is cleared for personal data.",
    )
    .await?;
    ahead(server, 1).await?;
    let lunch = approved(server, &LUNCH, true).await?;
    promote::promote(
        server,
        &person(server, "dana@example.com").await?,
        &lunch,
        Environment::Sandbox,
    )
    .await?;
    let (client_id, client_secret) = fresh_credential(server, &sales).await?;
    use_with(server, &client_id, &client_secret).await?;
    Ok(Seeded {
        links: links(server).await?,
        client_id,
        client_secret,
    })
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

async fn people(server: &Server) -> Result<(), Problem> {
    for (address, name, role, manager, unit) in PEOPLE {
        let invited = Invited {
            email: email(address)?,
            name: name.to_owned(),
            role,
            manager: if manager.is_empty() {
                None
            } else {
                Some(email(manager)?)
            },
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
        let Some((address, name, _, _, unit)) = PEOPLE.iter().rfind(|(a, _, r, _, _)| {
            *r == role && *a != "noor@example.com" && *a != "pat@example.com"
        }) else {
            continue;
        };
        let invited = Invited {
            email: email(address)?,
            name: (*name).to_owned(),
            role,
            manager: None,
            unit: (*unit).to_owned(),
        };
        links.push(Link {
            role,
            secret: people::invite(server, invited).await?,
            email: email(address)?,
        });
    }
    Ok(links)
}

/// Somebody of the organisation, as if they were signed in.
async fn person(server: &Server, address: &str) -> Result<Caller, Problem> {
    let held = server
        .store
        .person(&email(address)?)
        .await
        .map_err(|e| Problem::internal(&e))?;
    let it = held
        .ok_or_else(|| Problem::not_found("person", address))?
        .record;
    Ok(Caller {
        name: it.name,
        role: it
            .roles
            .iter()
            .next()
            .copied()
            .unwrap_or(Role::CitizenDeveloper),
        person: Person {
            email: it.email,
            roles: it.roles,
            active: it.active,
        },
        ip_address: Some("127.0.0.1".to_owned()),
        user_agent: Some("demo".to_owned()),
    })
}

async fn registry(server: &Server) -> Result<(), Problem> {
    let priya = person(server, "priya@example.com").await?;
    for (name, classification, description) in DATASETS {
        let owner = email("mei@example.com")?;
        let dataset = Dataset {
            name: name.to_owned(),
            classification,
            owner,
            description: description.to_owned(),
        };
        datasets::register(server, &priya, dataset).await?;
    }
    Ok(())
}

async fn submit(
    server: &Arc<Server>,
    plan: &Plan,
    with_artifact: bool,
) -> Result<Request, Problem> {
    let developer = person(server, plan.developer).await?;
    let id = intake::new_id(server, plan.name).await?;
    let readme = if plan.name == SALES.name {
        include_str!("../../../../examples/sales-quoting/README.md").to_owned()
    } else {
        readme(plan)
    };
    let handed = Handed {
        charter: charter(plan, id)?,
        artifact: with_artifact.then(|| workflow(plan)),
        readme: Some(readme),
    };
    intake::submit(server, &developer, handed).await
}

async fn decide(
    server: &Server,
    request: &Request,
    who: &str,
    capacity: Capacity,
    verdict: Verdict,
    comment: &str,
) -> Result<Request, Problem> {
    let caller = person(server, who).await?;
    let deciding = Deciding {
        capacity,
        verdict,
        comment: comment.to_owned(),
        conditions: Vec::new(),
        revision: None,
    };
    approve::decide(server, &caller, &request.id, deciding).await
}

async fn reject(server: &Server, request: &Request) -> Result<(), Problem> {
    let comment = "A whole price list does not go to partners by mail; use the partner portal.";
    decide(
        server,
        request,
        "priya@example.com",
        Capacity::Reviewer,
        Verdict::Reject,
        comment,
    )
    .await
    .map(drop)
}

/// An app that everybody whose turn it was has approved.
async fn approved(
    server: &Arc<Server>,
    plan: &Plan,
    with_artifact: bool,
) -> Result<AppId, Problem> {
    let mut request = submit(server, plan, with_artifact).await?;
    for turn in burgess_core::approval::turns(&request) {
        let who = match turn {
            Capacity::Reviewer => "priya@example.com",
            Capacity::SecondReviewer => "pat@example.com",
            Capacity::Sponsor => "olu@example.com",
        };
        request = decide(
            server,
            &request,
            who,
            turn,
            Verdict::Approve,
            "Fine as it is.",
        )
        .await?;
    }
    Ok(request.app)
}

async fn to_staging(server: &Server, plan: &Plan, app: &AppId) -> Result<(), Problem> {
    let developer = person(server, plan.developer).await?;
    promote::promote(server, &developer, app, Environment::Sandbox).await?;
    let issued = connect::issue(server, &developer, app, Environment::Sandbox).await?;
    tell(server, app, issued.credential.id.as_str(), &issued.secret).await?;
    let cases = promote::evidence_of(&promote::dossier(server, app).await?)
        .readme
        .map(|r| r.test_cases)
        .unwrap_or_default();
    for case in cases {
        attach::test_result(server, &developer, app, &case, true, "tried by hand").await?;
    }
    promote::promote(server, &developer, app, Environment::Staging)
        .await
        .map(drop)
}

async fn to_production(server: &Server, plan: &Plan, app: &AppId) -> Result<(), Problem> {
    to_staging(server, plan, app).await?;
    let operations = person(server, "sam@example.com").await?;
    promote::promote(server, &operations, app, Environment::Production)
        .await
        .map(drop)
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
async fn token(
    server: &Server,
    client: &str,
    secret: &str,
    resource: &str,
) -> Result<String, Problem> {
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{client}:{secret}"));
    let body = format!("grant_type=client_credentials&resource={resource}");
    let call = Call {
        method: Method::POST,
        target: "/oauth/token",
        authorization: Some(format!("Basic {basic}")),
        body: Some(("application/x-www-form-urlencoded", body)),
    };
    let answer = send(server.config.listen, call)
        .await
        .map_err(|e| failed(&e))?;
    let body: Value = serde_json::from_slice(&answer.body).map_err(|e| failed(&e))?;
    let token = body.get("access_token").and_then(Value::as_str);
    token
        .map(str::to_owned)
        .ok_or_else(|| failed(&format!("no access token: {body}")))
}

/// The app says that it is alive and sends an event of its own: staging asks for both.
async fn tell(server: &Server, app: &AppId, client: &str, secret: &str) -> Result<(), Problem> {
    let bearer = format!(
        "Bearer {}",
        token(server, client, secret, connect::OWN_AUDIENCE).await?
    );
    let own = json!({
        "event_id": format!("evt_{}_hello", app.as_str().replace('-', "_").chars().take(40).collect::<String>()),
        "timestamp": server.ambient.now().to_string(), "actor_id": "tester", "actor_role": "citizen_developer",
        "app_id": app, "version": "1.0.0", "environment": "sandbox", "action_type": "execute", "resource_type": "self_test",
        "resource_id": "first-run", "data_classification": "none", "outcome": "success", "ip_address": "127.0.0.1",
        "user_agent": "n8n/1.70", "risk_score_at_time": 0
    });
    for (target, body) in [
        ("/api/v1/heartbeat", None),
        (
            "/api/v1/events",
            Some(("application/json", own.to_string())),
        ),
    ] {
        let call = Call {
            method: Method::POST,
            target,
            authorization: Some(bearer.clone()),
            body,
        };
        let answer = send(server.config.listen, call)
            .await
            .map_err(|e| failed(&e))?;
        if !answer.status.is_success() {
            return Err(failed(&format!(
                "{target}: {} {}",
                answer.status,
                String::from_utf8_lossy(&answer.body)
            )));
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
        (
            Method::POST,
            "/c/crm/quotes",
            Some(("application/json", quote)),
        ),
        (Method::GET, "/c/crm/customers/export", None),
    ];
    for (method, target, body) in calls {
        let call = Call {
            method,
            target,
            authorization: Some(bearer.clone()),
            body,
        };
        send(server.config.gateway, call)
            .await
            .map_err(|e| failed(&e))?;
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
