//! What apps tell of themselves: heartbeats and events, with their own access token.

use axum::http::HeaderMap;
use burgess_core::app::App;
use burgess_core::audit::{ActionType, Known, Outcome, Overruled, Place, SubmittedEvent};
use burgess_core::credential::AccessClaims;
use burgess_core::policy::action::{Heartbeat, SubmitEvent};
use burgess_core::policy::facts::{Client, InEnvironment, Principal};
use burgess_store::Dossier;

use super::connect::OWN_AUDIENCE;
use super::promote::{self, facts, live_in};
use super::{event, permit};
use crate::http::problem::{Missing, Problem};
use crate::server::Server;

/// An app that showed a good access token.
#[derive(Debug)]
pub struct Sender {
    /// What the token says.
    pub claims: AccessClaims,
    /// Its address.
    pub ip_address: Option<String>,
    /// Its program.
    pub user_agent: Option<String>,
}

/// One accepted event, and what the server put right in it.
#[derive(Debug)]
pub struct Accepted {
    /// The event's id.
    pub event_id: String,
    /// What was filled in or overruled.
    pub overruled: Vec<Overruled>,
}

impl Sender {
    fn principal(&self) -> Principal {
        Principal::Client(Client {
            credential: self.claims.client_id.clone(),
            app: self.claims.burgess_app.clone(),
            environment: self.claims.burgess_env,
            active: true,
        })
    }
}

/// Checks the access token of a program that talks to Burgess itself.
pub fn sender(server: &Server, headers: &HeaderMap) -> Result<AccessClaims, Problem> {
    let now = server.now()?;
    burgess_gateway::credential::Caller::authenticate(
        headers,
        OWN_AUDIENCE,
        &server.gateway.snapshot(),
        &*server.revoked,
        now,
    )
    .map(|caller| caller.claims)
    .map_err(|e| {
        Problem::new(
            axum::http::StatusCode::UNAUTHORIZED,
            e.code(),
            e.to_string(),
        )
    })
}

/// Takes events; all of them or none.
pub async fn submit(
    server: &Server,
    sender: &Sender,
    body: &[u8],
) -> Result<Vec<Accepted>, Problem> {
    let now = server.now()?;
    let events = SubmittedEvent::parse_batch(body).map_err(|errors| {
        let mut problem = Problem::new(
            axum::http::StatusCode::UNPROCESSABLE_ENTITY,
            "EVENT_INVALID",
            format!(
                "{} thing{} in the submission must be mended; nothing was taken",
                errors.0.len(),
                if errors.0.len() == 1 { "" } else { "s" }
            ),
        );
        problem.unmet = errors
            .0
            .iter()
            .map(|e| Missing {
                control: e.pointer.clone(),
                reason: format!("found `{}`", e.found),
                remedy: format!("expected {}", e.expected),
            })
            .collect();
        problem
    })?;
    let dossier = promote::dossier(server, &sender.claims.burgess_app).await?;
    let context = InEnvironment {
        environment: sender.claims.burgess_env,
    };
    permit::<SubmitEvent>(
        server,
        &sender.principal(),
        &facts(&dossier, now),
        &context,
        now,
    )?;
    let mut accepted = Vec::new();
    for submitted in events {
        let (event, overruled) = submitted.complete(known(server, sender, &dossier));
        let event_id = event.event_id.to_string();
        // It has happened, and a batch must not be taken by half.
        server.record_kept(event).await?;
        accepted.push(Accepted {
            event_id,
            overruled,
        });
    }
    note(server, sender, &dossier, false).await?;
    Ok(accepted)
}

/// Takes a heartbeat: the artifact that is live in the sender's environment is alive (R52).
pub async fn heartbeat(server: &Server, sender: &Sender) -> Result<(), Problem> {
    let now = server.now()?;
    let dossier = promote::dossier(server, &sender.claims.burgess_app).await?;
    let context = InEnvironment {
        environment: sender.claims.burgess_env,
    };
    permit::<Heartbeat>(
        server,
        &sender.principal(),
        &facts(&dossier, now),
        &context,
        now,
    )?;
    let event = event::about(&server.ambient, Some(&dossier.app), now)
        .map_err(|e| Problem::internal(&e))?
        .did(
            ActionType::Execute,
            "heartbeat",
            sender.claims.burgess_app.as_str(),
        )
        .in_place(Place::from(sender.claims.burgess_env))
        .version(&sender.claims.burgess_version)
        .app_acts(&sender.claims.client_id)
        .done();
    debug_assert_eq!(event.outcome, Outcome::Success);
    server.record(event).await?;
    note(server, sender, &dossier, true).await
}

/// What the server knows better than the app.
fn known(server: &Server, sender: &Sender, dossier: &Dossier) -> Known {
    let app: &App = &dossier.app;
    Known {
        app_id: app.id.clone(),
        version: Some(sender.claims.burgess_version.clone()),
        environment: Some(Place::from(sender.claims.burgess_env)),
        risk_score: Some(u8::try_from(app.score).unwrap_or(u8::MAX)),
        approval_id: Some(sender.claims.burgess_approval.clone()),
        ip_address: sender.ip_address.clone(),
        user_agent: sender.user_agent.clone(),
        source: "console".to_owned(),
        charter_digest: live_in(dossier, sender.claims.burgess_env).map(|live| live.charter_digest),
        policy_digest: Some(server.policies.load().digest()),
    }
}

/// Notes that this artifact was heard of from this environment: what the gate asks for.
async fn note(
    server: &Server,
    sender: &Sender,
    dossier: &Dossier,
    heartbeat: bool,
) -> Result<(), Problem> {
    let now = server.ambient.now();
    let environment = sender.claims.burgess_env;
    server
        .store
        .note_app_used(&dossier.app.id, now)
        .await
        .map_err(|e| Problem::internal(&e))?;
    let Some(artifact) = live_in(dossier, environment).and_then(|live| live.artifact_digest) else {
        return Ok(());
    };
    let noted = if heartbeat {
        server
            .store
            .note_heartbeat(&dossier.app.id, environment, artifact, now)
            .await
    } else {
        server
            .store
            .note_event(&dossier.app.id, environment, artifact, now)
            .await
    };
    noted.map_err(|e| Problem::internal(&e))
}
