//! A small customer system on loopback: something real for the demo's apps to call.
//!
//! It knows one API key (which only the gateway holds), answers with made-up customers,
//! products and quotes, and keeps its own record of every request it saw.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;

/// How many requests the record keeps: a day of demonstrations at one a second.
const RECORD_MAX: usize = 86_400;
const FIRST: [&str; 10] = [
    "Ada", "Ben", "Chloe", "Dev", "Emma", "Farid", "Grete", "Hana", "Ivan", "Joana",
];
const LAST: [&str; 10] = [
    "Albers", "Brandt", "Costa", "Dietz", "Eriksen", "Fabre", "Greco", "Hoang", "Ionescu", "Jansen",
];
const CITIES: [&str; 5] = ["Lisbon", "Leeds", "Lyon", "Linz", "Lund"];

/// One request as the customer system saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// HTTP method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Whether the API key was right.
    pub authorised: bool,
}

/// The running system's state.
#[derive(Clone)]
pub struct Crm {
    key: Arc<str>,
    seen: Arc<Mutex<Vec<Seen>>>,
    quotes: Arc<Mutex<Vec<Value>>>,
}

#[derive(Deserialize)]
struct Slice {
    limit: Option<usize>,
}

impl Crm {
    /// A system that accepts `key` alone.
    pub fn new(key: &str) -> Self {
        Self {
            key: key.into(),
            seen: Arc::default(),
            quotes: Arc::default(),
        }
    }

    /// Its routes.
    pub fn router(self) -> Router {
        Router::new()
            .route("/customers", get(customers))
            .route("/customers/export", get(export))
            .route("/customers/{id}", get(one_customer))
            .route("/products", get(products))
            .route("/quotes", get(quotes).post(new_quote))
            .route("/_requests", get(requests))
            .layer(middleware::from_fn_with_state(self.clone(), guard))
            .with_state(self)
    }
}

async fn guard(State(crm): State<Crm>, request: Request, next: Next) -> Response {
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.strip_prefix("Bearer "))
        .unwrap_or_default();
    let authorised: bool = given.as_bytes().ct_eq(crm.key.as_bytes()).into();
    let entry = Seen {
        method: request.method().to_string(),
        target: request.uri().to_string(),
        authorised,
    };
    {
        let mut seen = crm.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() < RECORD_MAX {
            seen.push(entry);
        }
    }
    if authorised {
        next.run(request).await
    } else {
        (
            StatusCode::UNAUTHORIZED,
            Json(json!({ "error": "this API key is not known" })),
        )
            .into_response()
    }
}

/// A made-up customer; the numbers are valid in form and belong to nobody.
pub fn customer(number: usize) -> Value {
    let first = FIRST.get(number % 10).copied().unwrap_or("Ada");
    let last = LAST.get(number / 10 % 10).copied().unwrap_or("Albers");
    let city = CITIES.get(number % 5).copied().unwrap_or("Linz");
    json!({
        "id": format!("cust-{:04}", 1000 + number),
        "name": format!("{first} {last}"),
        "email": format!("{}.{}{}@mail.example", first.to_lowercase(), last.to_lowercase(), number),
        "city": city,
        "iban": iban(number),
        "segment": if number.is_multiple_of(3) { "key account" } else { "standard" },
    })
}

/// A German IBAN with right check digits (ISO 13616) for an account that does not exist.
fn iban(number: usize) -> String {
    let account = format!("99999999{:010}", 4_400_000 + number);
    let remainder = format!("{account}131400")
        .bytes()
        .fold(0u64, |r, b| (r * 10 + u64::from(b - b'0')) % 97);
    format!("DE{:02}{account}", 98 - remainder)
}

async fn customers(Query(slice): Query<Slice>) -> Json<Value> {
    let limit = slice.limit.unwrap_or(10).min(100);
    let rows: Vec<Value> = (0..limit)
        .map(|n| {
            let all = customer(n);
            json!({ "id": all.get("id"), "segment": all.get("segment"), "city": all.get("city") })
        })
        .collect();
    Json(json!({ "customers": rows }))
}

async fn export(Query(slice): Query<Slice>) -> Json<Value> {
    let limit = slice.limit.unwrap_or(100).min(100);
    Json(json!({ "customers": (0..limit).map(customer).collect::<Vec<_>>() }))
}

async fn one_customer(Path(id): Path<String>) -> Response {
    let number = id
        .strip_prefix("cust-")
        .and_then(|n| n.parse::<usize>().ok())
        .and_then(|n| n.checked_sub(1000));
    match number.filter(|n| *n < 100) {
        Some(number) => Json(customer(number)).into_response(),
        None => (
            StatusCode::NOT_FOUND,
            Json(json!({ "error": "no such customer" })),
        )
            .into_response(),
    }
}

async fn products() -> Json<Value> {
    Json(json!({ "products": [
        { "sku": "DESK-01", "title": "Desk", "price_cents": 34_900 },
        { "sku": "LAMP-07", "title": "Lamp", "price_cents": 4_900 },
        { "sku": "CHAIR-3", "title": "Chair", "price_cents": 18_900 },
    ] }))
}

/// Its own record of what it was asked, to compare with the trail.
async fn requests(State(crm): State<Crm>) -> Json<Vec<Seen>> {
    Json(
        crm.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone(),
    )
}

async fn quotes(State(crm): State<Crm>) -> Json<Value> {
    let quotes = crm.quotes.lock().unwrap_or_else(PoisonError::into_inner);
    Json(json!({ "quotes": *quotes }))
}

async fn new_quote(State(crm): State<Crm>, Json(mut quote): Json<Value>) -> Response {
    let mut quotes = crm.quotes.lock().unwrap_or_else(PoisonError::into_inner);
    if quotes.len() >= 1_000 {
        return (
            StatusCode::INSUFFICIENT_STORAGE,
            Json(json!({ "error": "1,000 quotes are enough for a demonstration" })),
        )
            .into_response();
    }
    if let Some(quote) = quote.as_object_mut() {
        quote.insert(
            "id".to_owned(),
            json!(format!("quote-{:04}", quotes.len() + 1)),
        );
    }
    quotes.push(quote.clone());
    (StatusCode::CREATED, Json(quote)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_ibans_have_right_check_digits() {
        for number in 0..100 {
            let iban = iban(number);
            let moved = format!("{}1314{}", &iban[4..], &iban[2..4]);
            assert_eq!(
                moved
                    .bytes()
                    .fold(0u64, |r, b| (r * 10 + u64::from(b - b'0')) % 97),
                1
            );
        }
    }
}
