//! OAuth 2.0 for programs: client credentials (RFC 6749 §4.4), resource (RFC 8707),
//! metadata (RFC 8414), keys (RFC 7517).

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use base64::Engine as _;
use serde::Deserialize;
use serde_json::{Value, json};

use super::problem::Problem;
use super::{App, Peer};
use crate::identity::access;
use crate::operations::connect;

/// Token endpoint, key set, metadata.
pub fn router() -> Router<App> {
    Router::new()
        .route("/oauth/token", post(token))
        .route("/.well-known/jwks.json", get(keys))
        .route("/.well-known/oauth-authorization-server", get(metadata))
}

/// A request to the token endpoint.
#[derive(Deserialize)]
struct Ask {
    grant_type: String,
    client_id: Option<String>,
    client_secret: Option<String>,
    #[serde(default)]
    scope: String,
    resource: Option<String>,
    audience: Option<String>,
}

/// Why there is no token, in the words of RFC 6749 §5.2.
fn refuse(status: StatusCode, error: &'static str, problem: &Problem) -> Response {
    let body = json!({ "error": error, "error_description": problem.detail, "code": problem.code, "unmet": problem.unmet });
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

async fn token(
    State(server): State<App>,
    peer: Peer,
    headers: HeaderMap,
    Form(ask): Form<Ask>,
) -> Response {
    if ask.grant_type != "client_credentials" {
        let problem = Problem::input("`grant_type` must be client_credentials");
        return refuse(StatusCode::BAD_REQUEST, "unsupported_grant_type", &problem);
    }
    let basic = basic(&headers);
    let (id, secret) = match basic {
        Some(pair) => pair,
        None => (
            ask.client_id.unwrap_or_default(),
            ask.client_secret.unwrap_or_default(),
        ),
    };
    let Some(audience) = ask.resource.or(ask.audience) else {
        let problem = Problem::input(
            "`resource` is missing: name the one connector the token is for, as crm",
        );
        return refuse(StatusCode::BAD_REQUEST, "invalid_target", &problem);
    };
    match connect::exchange(&server, &id, &secret, &audience, &ask.scope).await {
        Ok(access) => {
            let body = json!({ "access_token": access.token, "token_type": "Bearer", "expires_in": access.expires_in, "scope": access.scope });
            (
                StatusCode::OK,
                [(header::CACHE_CONTROL, "no-store")],
                Json(body),
            )
                .into_response()
        }
        Err(problem) if problem.status == StatusCode::UNAUTHORIZED => {
            if let Some(address) = peer.0 {
                server.gateway.refused_client(address, problem.code);
            }
            refuse(StatusCode::UNAUTHORIZED, "invalid_client", &problem)
        }
        Err(problem) if problem.code.starts_with("SCOPE") => {
            refuse(StatusCode::BAD_REQUEST, "invalid_scope", &problem)
        }
        Err(problem) if problem.status == StatusCode::FORBIDDEN => {
            refuse(StatusCode::FORBIDDEN, "access_denied", &problem)
        }
        Err(problem) => problem.into_response(),
    }
}

/// `client_id:client_secret` from HTTP Basic (RFC 6749 §2.3.1).
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .strip_prefix("Basic ")?;
    let text = String::from_utf8(
        base64::engine::general_purpose::STANDARD
            .decode(value)
            .ok()?,
    )
    .ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

async fn keys(State(server): State<App>) -> Json<Value> {
    Json(access::key_set(&server.keys.access.verifying_key()))
}

async fn metadata(State(server): State<App>) -> Json<Value> {
    let base = format!("http://{}", server.config.listen);
    Json(json!({
        "issuer": server.config.issuer(),
        "token_endpoint": format!("{base}/oauth/token"),
        "jwks_uri": format!("{base}/.well-known/jwks.json"),
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "response_types_supported": [],
    }))
}
