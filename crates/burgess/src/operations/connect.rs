//! Connecting an app: a client credential whose secret is shown once, and access tokens for it.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use burgess_core::app::Environment;
use burgess_core::audit::{ActionType, Place};
use burgess_core::credential::{
    ACCESS_LIFETIME, AccessClaims, ClientCredential, CredentialState, Issue, narrow_scopes,
};
use burgess_core::data::Classification;
use burgess_core::id::{AppId, CredentialId};
use burgess_core::policy::action::{ExchangeCredential, IssueCredential};
use burgess_core::policy::facts::{Client, Destination, InEnvironment, Principal, TokenFacts};
use burgess_core::time::{Span, Timestamp};
use burgess_store::{Change, Dossier, Versioned, Write};

use super::promote::{self, approved_request, dossier, facts, live_in};
use super::{Caller, event, permit};
use crate::http::problem::Problem;
use crate::identity::access;
use crate::server::Server;

/// How long a client credential holds before it must be renewed.
pub const CLIENT_LIFETIME: Span = Span::days(90);
/// The audience of Burgess' own API: events and heartbeats.
pub const OWN_AUDIENCE: &str = "burgess";

/// A new client credential with its secret, shown once.
#[derive(Debug)]
pub struct Issued {
    /// The credential.
    pub credential: ClientCredential,
    /// Its secret; stored nowhere.
    pub secret: String,
}

/// An access token as the token endpoint answers it (RFC 6749 §5.1).
#[derive(Debug)]
pub struct Access {
    /// The compact JWT.
    pub token: String,
    /// Seconds it lives.
    pub expires_in: i64,
    /// Scopes, separated by spaces.
    pub scope: String,
}

/// The scopes that charter and policy grant the app in an environment.
pub fn granted_scopes(
    server: &Server,
    dossier: &Dossier,
    client: &Client,
    now: Timestamp,
) -> BTreeSet<String> {
    let Some(request) = approved_request(dossier) else {
        return BTreeSet::new();
    };
    let charter = &request.charter;
    let policies = server.policies.load();
    let mut granted = BTreeSet::new();
    for declared in &charter.connector {
        let known = server.catalogue.get(&declared.id);
        let destination = Destination {
            connector: declared.id.clone(),
            revision: 1,
            catalogued: known.is_some(),
            external_api: known
                .is_none_or(|c| c.kind == burgess_core::connector::Kind::ExternalApi),
            cleared: known.map(|c| c.classes.clone()).unwrap_or_default(),
        };
        let class = declared
            .flows
            .iter()
            .filter_map(|flow| charter.data(&flow.data))
            .map(|data| data.classification)
            .max()
            .or(charter.classification())
            .unwrap_or(Classification::None);
        let scopes = policies.allowed_scopes(
            client,
            &destination,
            declared.scopes.iter().map(String::as_str),
            class,
            now,
        );
        granted.extend(scopes.granted);
    }
    granted
}

/// Makes a client credential for what is live in `environment`; the one before is revoked.
pub async fn issue(
    server: &Server,
    caller: &Caller,
    id: &AppId,
    environment: Environment,
) -> Result<Issued, Problem> {
    let now = server.now()?;
    let dossier = dossier(server, id).await?;
    let permit = permit::<IssueCredential>(
        server,
        &caller.principal(),
        &facts(&dossier, now),
        &InEnvironment { environment },
        now,
    )?;
    let live = live_in(&dossier, environment).ok_or_else(|| {
        Problem::conflict(format!(
            "nothing is live in {environment}: deploy it there first"
        ))
    })?;
    let credential_id =
        CredentialId::from_uuid(server.ambient.uuid().map_err(|e| Problem::internal(&e))?);
    let secret = server.ambient.secret().map_err(|e| Problem::internal(&e))?;
    let client = Client {
        credential: credential_id.clone(),
        app: id.clone(),
        environment,
        active: true,
    };
    let credential = ClientCredential {
        id: credential_id,
        app: id.clone(),
        environment,
        version: live.version.clone(),
        scopes: granted_scopes(server, &dossier, &client, now),
        secret_digest: ClientCredential::digest_secret(secret.as_bytes()),
        state: CredentialState::Active,
        created_at: now,
        expires_at: now.plus(CLIENT_LIFETIME),
    };
    let start = || {
        let draft = event::about(&server.ambient, Some(&dossier.app), now)
            .map_err(|e| Problem::internal(&e))?;
        Ok(draft
            .by(caller)
            .permitted(&permit)
            .in_place(Place::from(environment))
            .version(&live.version)
            .approval(&live.approval))
    };
    let mut writes = Vec::new();
    for held in dossier.credentials.iter().filter(|it| {
        it.record.state == CredentialState::Active && it.record.environment == environment
    }) {
        writes.push(promote::revoke_write(held, &start)?);
    }
    let event = start()?
        .did(ActionType::Create, "credential", credential.id.as_str())
        .moved(None, CredentialState::Active.as_str())
        .context(
            "scopes",
            credential.scopes.iter().cloned().collect::<Vec<_>>(),
        )
        .done();
    writes.push(Write {
        changes: vec![Change::Credential(Versioned::new(credential.clone()))],
        event,
    });
    server.commit(writes, &permit, now).await?;
    Ok(Issued { credential, secret })
}

/// Turns a client credential into an access token for one audience (RFC 6749 §4.4, RFC 8707).
pub async fn exchange(
    server: &Server,
    client_id: &str,
    secret: &str,
    audience: &str,
    scope: &str,
) -> Result<Access, Problem> {
    let now = server.now()?;
    let credential = check_client(server, client_id, secret, now).await?;
    let dossier = dossier(server, &credential.app).await?;
    let client = Client {
        credential: credential.id.clone(),
        app: credential.app.clone(),
        environment: credential.environment,
        active: credential.is_active(now),
    };
    let live =
        live_in(&dossier, credential.environment).filter(|live| live.version == credential.version);
    let mut policy = granted_scopes(server, &dossier, &client, now);
    let prefix = format!("{audience}/");
    policy.retain(|scope| scope.starts_with(&prefix));
    let requested: BTreeSet<String> = scope
        .split(' ')
        .filter(|s| !s.is_empty())
        .map(str::to_owned)
        .collect();
    let held: BTreeSet<String> = credential.scopes.intersection(&policy).cloned().collect();
    let context = TokenFacts {
        environment: credential.environment,
        deployed: live.is_some(),
        requested: requested.clone(),
        granted: held,
    };
    let principal = Principal::Client(client);
    permit::<ExchangeCredential>(server, &principal, &facts(&dossier, now), &context, now)?;
    let scopes = narrow_scopes(&requested, &credential.scopes, &policy)
        .map_err(|e| Problem::new(StatusCode::FORBIDDEN, e.code(), e.to_string()))?;
    let approval = live
        .map(|live| live.approval)
        .ok_or_else(|| Problem::conflict("the version of this credential is not live any more"))?;
    let jti = format!(
        "tok_{:032x}",
        server.ambient.uuid().map_err(|e| Problem::internal(&e))?
    );
    let issuer = server.config.issuer();
    let issue = Issue {
        issuer: &issuer,
        audience,
        jti: &jti,
        approval: &approval,
        lifetime: ACCESS_LIFETIME,
    };
    let claims = AccessClaims::issue(&credential, &scopes, issue, now);
    let token = access::sign(&server.keys.access, &claims).map_err(|e| Problem::internal(&e))?;
    let event = event::about(&server.ambient, Some(&dossier.app), now)
        .map_err(|e| Problem::internal(&e))?
        .did(ActionType::Execute, "access_token", &jti)
        .in_place(Place::from(credential.environment))
        .version(&credential.version)
        .approval(&approval)
        .context("audience", audience)
        .context("scope", claims.scope.clone())
        .app_acts(&credential.id);
    server.record(event.done()).await?;
    Ok(Access {
        token,
        expires_in: claims.exp.saturating_sub(claims.iat),
        scope: claims.scope,
    })
}

/// The credential, if id and secret are right. Wrong ones are counted, not written one by one.
async fn check_client(
    server: &Server,
    client_id: &str,
    secret: &str,
    now: Timestamp,
) -> Result<ClientCredential, Problem> {
    let wrong = || {
        Problem::new(
            StatusCode::UNAUTHORIZED,
            "CREDENTIAL_WRONG",
            "the client id or its secret is wrong: check both, or issue a new credential on the app's page",
        )
    };
    let id = CredentialId::parse(client_id).map_err(|_| wrong())?;
    let held = server
        .store
        .credential(&id)
        .await
        .map_err(|e| Problem::internal(&e))?
        .ok_or_else(wrong)?;
    held.record
        .check_secret(secret.as_bytes(), now)
        .map_err(|e| Problem::new(StatusCode::UNAUTHORIZED, e.code(), e.to_string()))?;
    Ok(held.record)
}

/// Whether a credential would still be exchanged: what the exit checklist tries (R63).
pub fn would_exchange(
    server: &Server,
    dossier: &Dossier,
    credential: &ClientCredential,
    now: Timestamp,
) -> bool {
    let client = Client {
        credential: credential.id.clone(),
        app: credential.app.clone(),
        environment: credential.environment,
        active: credential.is_active(now),
    };
    let live = live_in(dossier, credential.environment)
        .is_some_and(|live| live.version == credential.version);
    let context = TokenFacts {
        environment: credential.environment,
        deployed: live,
        requested: BTreeSet::new(),
        granted: granted_scopes(server, dossier, &client, now),
    };
    super::may::<ExchangeCredential>(
        server,
        &Principal::Client(client),
        &facts(dossier, now),
        &context,
        now,
    )
}
