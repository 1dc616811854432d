//! "Connect your app": client id, secret shown once, and a paste-ready step per platform.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Form, Router};
use burgess_core::app::Environment;
use burgess_core::policy::action::IssueCredential;
use burgess_core::policy::facts::InEnvironment;
use serde::Deserialize;

use super::frame::Frame;
use super::page;
use crate::http::api;
use crate::http::problem::Problem;
use crate::http::{App, Signed};
use crate::operations::{Caller, connect, may, promote};
use crate::server::Server;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/apps/{id}/connect", get(connect_page))
        .route("/apps/{id}/credential", post(issue))
}

struct Recipe {
    title: &'static str,
    intro: &'static str,
    text: String,
}

struct EnvironmentView {
    name: &'static str,
    live: bool,
    client_id: String,
    button: String,
    why_not: String,
    recipes: Vec<Recipe>,
}

#[derive(Template)]
#[template(path = "connect.html")]
struct ConnectPage {
    frame: Frame,
    id: String,
    name: String,
    client_id: String,
    secret: String,
    token_url: String,
    gateway: String,
    may_issue: bool,
    environments: Vec<EnvironmentView>,
}

async fn connect_page(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    show_connect(&server, &caller, &id, None).await
}

async fn show_connect(
    server: &Server,
    caller: &Caller,
    id: &str,
    issued: Option<connect::Issued>,
) -> Result<Response, Problem> {
    let dossier = api::apps::load(server, caller, id).await?;
    let now = server.now()?;
    let facts = promote::facts(&dossier, now);
    let token_url = format!("http://{}/oauth/token", server.config.listen);
    let gateway = format!("http://{}", server.config.gateway);
    let connector = promote::approved_request(&dossier)
        .and_then(|r| r.charter.connector.first().map(|c| c.id.clone()))
        .unwrap_or_else(|| connect::OWN_AUDIENCE.to_owned());
    let environments = Environment::ALL
        .iter()
        .map(|environment| {
            let live = promote::live_in(&dossier, *environment).is_some();
            let held = dossier
                .credentials
                .iter()
                .find(|it| it.record.environment == *environment && it.record.is_active(now));
            let client = held.map(|it| it.record.id.to_string());
            EnvironmentView {
                name: environment.as_str(),
                live,
                button: if held.is_some() {
                    "Make a new secret (the old one stops working)".to_owned()
                } else {
                    "Make client id and secret".to_owned()
                },
                why_not: format!("Nothing is live in {environment} yet."),
                recipes: recipes(
                    &token_url,
                    &gateway,
                    &connector,
                    client.as_deref().unwrap_or("CLIENT_ID"),
                ),
                client_id: client.unwrap_or_else(|| "none yet".to_owned()),
            }
        })
        .collect();
    page(&ConnectPage {
        frame: Frame::of(server, caller, "/apps").await,
        id: id.to_owned(),
        name: dossier.app.name.clone(),
        client_id: issued
            .as_ref()
            .map(|i| i.credential.id.to_string())
            .unwrap_or_default(),
        secret: issued.map(|i| i.secret).unwrap_or_default(),
        token_url,
        gateway,
        may_issue: may::<IssueCredential>(
            server,
            &caller.principal(),
            &facts,
            &InEnvironment {
                environment: Environment::Sandbox,
            },
            now,
        ),
        environments,
    })
}

fn recipes(token_url: &str, gateway: &str, connector: &str, client: &str) -> Vec<Recipe> {
    let n8n = serde_json::json!({
        "nodes": [{
            "name": "Through Burgess", "type": "n8n-nodes-base.httpRequest", "typeVersion": 4.2, "position": [0, 0],
            "parameters": { "url": format!("{gateway}/c/{connector}/PATH"), "authentication": "genericCredentialType", "genericAuthType": "oAuth2Api" }
        }], "connections": {}
    });
    let n8n = serde_json::to_string_pretty(&n8n).unwrap_or_default();
    let power = format!(
        "1. HTTP action: POST {token_url}\n   Headers: Content-Type: application/x-www-form-urlencoded\n   Body: grant_type=client_credentials&resource={connector}&client_id={client}&client_secret=(from Azure Key Vault)\n2. Parse JSON, schema: {{\"type\":\"object\",\"properties\":{{\"access_token\":{{\"type\":\"string\"}}}}}}\n3. HTTP action: GET {gateway}/c/{connector}/PATH\n   Headers: Authorization: Bearer @{{body('Parse_JSON')?['access_token']}}"
    );
    let curl = format!(
        "TOKEN=$(curl -s -u {client}:\"$SECRET\" {token_url} -d grant_type=client_credentials -d resource={connector} | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')\ncurl -s -H \"Authorization: Bearer $TOKEN\" {gateway}/c/{connector}/PATH\n\n# heartbeat and an event of the app's own: staging asks for both\nTOKEN=$(curl -s -u {client}:\"$SECRET\" {token_url} -d grant_type=client_credentials -d resource=burgess | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')\ncurl -s -X POST -H \"Authorization: Bearer $TOKEN\" http://{console}/api/v1/heartbeat\ncurl -s -X POST -H \"Authorization: Bearer $TOKEN\" http://{console}/api/v1/events -d @examples/event.json",
        console = token_url
            .trim_start_matches("http://")
            .trim_end_matches("/oauth/token"),
    );
    vec![
        Recipe {
            title: "n8n",
            intro: "Paste this node into your workflow. Its credential is an OAuth2 API: client credentials, with the token endpoint, client id and secret above; put resource and the connector's name into the extra body.",
            text: n8n,
        },
        Recipe {
            title: "Power Automate",
            intro: "Three steps in front of your first call.",
            text: power,
        },
        Recipe {
            title: "curl",
            intro: "To try it from a terminal; put the secret into the variable SECRET first.",
            text: curl,
        },
    ]
}

#[derive(Deserialize)]
struct Where {
    environment: String,
}

async fn issue(
    State(server): State<App>,
    Signed(caller): Signed,
    Path(id): Path<String>,
    Form(at): Form<Where>,
) -> Result<Response, Problem> {
    let dossier = api::apps::load(&server, &caller, &id).await?;
    let environment =
        Environment::parse(&at.environment).map_err(|e| Problem::input(e.to_string()))?;
    let issued = connect::issue(&server, &caller, &dossier.app.id, environment).await?;
    show_connect(&server, &caller, &id, Some(issued)).await
}
