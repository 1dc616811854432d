//! The gateway's snapshot: what is approved and deployed, exchanged as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use burgess_core::app::{App, Environment};
use burgess_core::credential::CredentialState;
use burgess_core::lifecycle::State;
use burgess_gateway::snapshot::{
    AppSnapshot, Approval, BaseUrl, ConnectorSnapshot, Deployment, Inject, Snapshot,
};
use burgess_store::StoreError;

use crate::config::ConnectorHost;
use crate::http::problem::Problem;
use crate::identity::access::key_id;
use crate::server::Server;

/// Builds a snapshot from the store and hands it to the gateway.
pub async fn refresh(server: &Server) -> Result<(), Problem> {
    let snapshot = build(server).await.map_err(|e| Problem::internal(&e))?;
    server.gateway.swap(snapshot);
    Ok(())
}

/// What is in force before the first snapshot was built: nothing passes.
pub fn empty() -> Snapshot {
    Snapshot {
        built_at: std::time::Duration::ZERO,
        issuer: String::new(),
        keys: BTreeMap::new(),
        policies: Arc::new(burgess_core::policy::PolicySet::none()),
        apps: BTreeMap::new(),
        connectors: BTreeMap::new(),
    }
}

async fn build(server: &Server) -> Result<Snapshot, StoreError> {
    let built_at = server.ambient.monotonic();
    let verifying = server.keys.access.verifying_key();
    let mut apps = BTreeMap::new();
    for app in server
        .store
        .apps(&burgess_store::AppFilter::default())
        .await?
    {
        if let Some(view) = app_view(server, &app).await? {
            apps.insert(app.id.clone(), view);
        }
    }
    Ok(Snapshot {
        built_at,
        issuer: server.config.issuer(),
        keys: BTreeMap::from([(key_id(&verifying), verifying)]),
        policies: Arc::clone(&server.policies.load_full()),
        apps,
        connectors: connectors(server),
    })
}

/// One app with what is live of it; none when nothing is.
async fn app_view(server: &Server, app: &App) -> Result<Option<AppSnapshot>, StoreError> {
    let mut deployments = BTreeMap::new();
    for live in server
        .store
        .deployments_of(&app.id)
        .await?
        .into_iter()
        .map(|it| it.record)
        .filter(|d| d.is_live())
    {
        let Some(approval) = server.store.approval(&live.approval).await? else {
            continue;
        };
        let Some(request) = server.store.request(&approval.record.request).await? else {
            continue;
        };
        let credentials: BTreeSet<_> = server
            .store
            .credentials_of(&app.id, Some(live.environment))
            .await?
            .into_iter()
            .filter(|c| {
                c.record.state == CredentialState::Active && c.record.version == live.version
            })
            .map(|c| c.record.id)
            .collect();
        let in_force = approval.record.voided.is_none();
        let view = Deployment {
            version: live.version.clone(),
            charter: Arc::new(request.charter.clone()),
            charter_digest: live.charter_digest,
            artifact_digest: live.artifact_digest,
            approval: in_force.then(|| Approval {
                id: approval.record.id.clone(),
                expires_at: Some(approval.record.expires_at),
            }),
            credentials,
        };
        deployments.insert(live.environment, view);
    }
    if deployments.is_empty() {
        return Ok(None);
    }
    Ok(Some(AppSnapshot {
        classification: app.classification,
        score: app.score,
        quarantined: matches!(app.state, State::Quarantined | State::Retired),
        deployments,
    }))
}

fn connectors(server: &Server) -> BTreeMap<String, ConnectorSnapshot> {
    server
        .catalogue
        .iter()
        .map(|connector| {
            let view = ConnectorSnapshot {
                revision: 1,
                title: connector.title.clone(),
                kind: connector.kind,
                hosts: connector.hosts.clone(),
                base: bases(&server.config.connectors, &connector.id),
                inject: Inject::Bearer,
                cleared: connector.classes.clone(),
                scopes: connector.scopes.clone(),
            };
            (connector.id.clone(), view)
        })
        .collect()
}

/// Where calls go; addresses were checked when the configuration was read.
fn bases(configured: &[ConnectorHost], id: &str) -> BTreeMap<Environment, BaseUrl> {
    configured
        .iter()
        .filter(|host| host.id == id)
        .filter_map(|host| {
            Some((
                Environment::parse(&host.environment).ok()?,
                BaseUrl::parse(&host.base_url).ok()?,
            ))
        })
        .collect()
}
