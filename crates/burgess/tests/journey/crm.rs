//! The customer system behind the gateway: it knows one API key and keeps its own request log.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What only the customer system and the gateway know; each environment has a key of its own.
pub const API_KEYS: [(&str, &str); 3] = [
    ("sandbox", "crm-sandbox-7Qx2mVw9LkTz4BnH6RdJ8sYc"),
    ("staging", "crm-staging-Zk3pWq8NvXr5TcJ2LmYb7HsD"),
    ("production", "crm-production-4GfUe9RaKiPo6SxCj1Vt"),
];
/// Personal values of the customers: made up, valid in form.
pub const CUSTOMERS: [(&str, &str, &str); 3] = [
    (
        "cust-1001",
        "ada.albers@mail.example",
        "DE89370400440532013000",
    ),
    (
        "cust-1002",
        "ben.brandt@mail.example",
        "GB82WEST12345698765432",
    ),
    (
        "cust-1003",
        "chloe.costa@mail.example",
        "FR1420041010050500013M02606",
    ),
];

/// One request as the customer system saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    /// The environment whose key it carried.
    pub key: Option<&'static str>,
    pub headers: String,
    pub body: Vec<u8>,
}

#[derive(Clone)]
pub struct Crm {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Crm {
    /// Opens it on a free port of the loopback.
    pub async fn open() -> Self {
        let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let crm = Self {
            address: door.local_addr().unwrap(),
            seen: Arc::default(),
        };
        let router = Router::new().fallback(answer).with_state(crm.clone());
        tokio::spawn(async move { axum::serve(door, router).await });
        crm
    }

    /// Its own log.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Whether any request, in any part, carried this text.
    pub fn saw(&self, text: &str) -> bool {
        let holds = |bytes: &[u8]| {
            bytes
                .windows(text.len())
                .any(|window| window == text.as_bytes())
        };
        self.seen()
            .iter()
            .any(|it| holds(&it.body) || it.path.contains(text) || it.headers.contains(text))
    }
}

fn customer(row: &(&str, &str, &str)) -> Value {
    json!({ "id": row.0, "email": row.1, "iban": row.2 })
}

async fn answer(State(crm): State<Crm>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body: Bytes = to_bytes(body, 10_000_000).await.unwrap_or_default();
    let given = parts
        .headers
        .get("authorization")
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let key = API_KEYS
        .iter()
        .find(|(_, key)| given == format!("Bearer {key}"))
        .map(|(environment, _)| *environment);
    crm.seen.lock().unwrap().push(Seen {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        key,
        headers: format!("{:?}", parts.headers),
        body: body.to_vec(),
    });
    if key.is_none() {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let path = parts.uri.path();
    let answer = match (parts.method.as_str(), path) {
        ("GET", "/customers") => {
            json!({ "customers": CUSTOMERS.iter().map(|row| json!({ "id": row.0 })).collect::<Vec<_>>() })
        }
        ("GET", "/customers/export") => {
            json!({ "customers": CUSTOMERS.iter().map(customer).collect::<Vec<_>>() })
        }
        ("GET", _) if path.starts_with("/customers/load_") => json!({ "id": path }),
        ("POST", "/quotes") => {
            return (StatusCode::CREATED, axum::Json(json!({ "id": "quote-1" }))).into_response();
        }
        ("GET", _) => match path
            .strip_prefix("/customers/")
            .and_then(|id| CUSTOMERS.iter().find(|row| row.0 == id))
        {
            Some(row) => customer(row),
            None => return StatusCode::NOT_FOUND.into_response(),
        },
        _ => return StatusCode::METHOD_NOT_ALLOWED.into_response(),
    };
    axum::Json(answer).into_response()
}
