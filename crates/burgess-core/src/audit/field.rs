//! The fields of a submitted event: one reader each, saying what it expects.
//!
//! `schema` says the same in JSON Schema; a test holds the two against each other.

use std::net::IpAddr;

use serde_json::{Map, Value};

use super::leaf::canonical;
use super::submitted::REQUEST_CONTEXT_BYTES_MAX;
use super::{Outcome, Place};
use crate::data::{ActionType, Classification};
use crate::id::{AppId, ApprovalId, EventId};
use crate::time::Timestamp;

/// Largest whole number that every JSON reader agrees on (RFC 7493, section 2.2).
const INTEGER_MAX: u64 = 9_007_199_254_740_991;

/// What is wrong with a field.
pub struct Field {
    pub expected: String,
    pub found: String,
    pub nearest: Option<String>,
}

impl Field {
    pub fn new(expected: impl Into<String>, found: String) -> Self {
        Self {
            expected: expected.into(),
            found,
            nearest: None,
        }
    }
}

type Read<T> = Result<T, Field>;

/// A value, shortened for an error.
pub fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.chars().take(80).collect(),
        other => other.to_string().chars().take(80).collect(),
    }
}

/// The candidate that `text` probably means.
pub fn nearest(text: &str, candidates: &[&str]) -> Option<String> {
    let text = text.to_ascii_lowercase();
    candidates
        .iter()
        .map(|candidate| (strsim::jaro_winkler(&text, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| (*candidate).to_owned())
}

fn string<'a>(value: &'a Value, expected: &str) -> Read<&'a str> {
    value
        .as_str()
        .ok_or_else(|| Field::new(expected, shown(value)))
}

/// A string that `parse` understands.
fn parsed<T>(value: &Value, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Read<T> {
    let text = string(value, expected)?;
    parse(text).ok_or_else(|| Field::new(expected, shown(value)))
}

/// One of a few words.
fn word<T>(value: &Value, words: &[&str], parse: impl Fn(&str) -> Option<T>) -> Read<T> {
    let expected = match words.split_last() {
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    };
    parsed(value, &expected, parse).map_err(|field| Field {
        nearest: nearest(&field.found, words),
        ..field
    })
}

pub fn event_id(value: &Value) -> Read<EventId> {
    parsed(
        value,
        "an id as evt_20260118_0001, 64 characters at most",
        |text| EventId::parse(text).ok(),
    )
}

pub fn approval_id(value: &Value) -> Read<ApprovalId> {
    parsed(
        value,
        "an id as apr_20260110_55, 64 characters at most",
        |text| ApprovalId::parse(text).ok(),
    )
}

pub fn app_id(value: &Value) -> Read<AppId> {
    parsed(value, "an app id as microapp-sales-quoting", |text| {
        AppId::parse(text).ok()
    })
}

/// UTC, written with a `Z`; up to nine decimals, of which six are kept.
pub fn timestamp(value: &Value) -> Read<Timestamp> {
    let expected = "a time in UTC as 2026-01-18T14:22:30Z";
    parsed(value, expected, |text| {
        is_utc_time(text).then(|| Timestamp::parse(text).ok())?
    })
}

/// `dddd-dd-ddTdd:dd:dd`, perhaps a point and one to nine digits, `Z`; no leap second.
fn is_utc_time(text: &str) -> bool {
    let Some((main, rest)) = text.split_at_checked(19) else {
        return false;
    };
    let shape = main
        .bytes()
        .zip(b"0000-00-00T00:00:00")
        .all(|(byte, like)| match like {
            b'0' => byte.is_ascii_digit(),
            other => byte == *other,
        });
    let decimals = match rest.strip_suffix('Z') {
        Some("") => true,
        Some(tail) => tail.strip_prefix('.').is_some_and(|digits| {
            (1..=9).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
        }),
        None => false,
    };
    shape && decimals && !main.ends_with(":60")
}

/// A line of text of 1 to `MAX` characters, without control characters.
pub fn text<const MAX: usize>(value: &Value) -> Read<String> {
    let expected = format!("text of 1 to {MAX} characters without control characters");
    parsed(value, &expected, |text| {
        let fits = (1..=MAX).contains(&text.chars().count());
        (fits && !text.chars().any(is_control)).then(|| text.to_owned())
    })
}

/// C0 controls and DEL, as the schema says too.
fn is_control(c: char) -> bool {
    c.is_ascii_control()
}

/// A name that begins with a character of the first kind and goes on with 63 of the second at most.
fn name(
    value: &Value,
    expected: &str,
    first: impl Fn(u8) -> bool,
    more: impl Fn(u8) -> bool,
) -> Read<String> {
    parsed(value, expected, |text| {
        let (head, tail) = text.as_bytes().split_first()?;
        let fits = first(*head) && tail.len() <= 63 && tail.iter().all(|byte| more(*byte));
        fits.then(|| text.to_owned())
    })
}

pub fn role(value: &Value) -> Read<String> {
    let more = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    name(
        value,
        "a role as citizen_developer: a-z, 0-9 and _",
        |b| b.is_ascii_lowercase(),
        more,
    )
}

pub fn resource_type(value: &Value) -> Read<String> {
    let more =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.' | b'-');
    name(
        value,
        "a kind of thing as customer_record: a-z, 0-9, _, . and -",
        |b| b.is_ascii_lowercase(),
        more,
    )
}

pub fn version(value: &Value) -> Read<String> {
    let more = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'_' | b'-');
    name(
        value,
        "a version as 1.2.0",
        |b| b.is_ascii_alphanumeric(),
        more,
    )
}

pub fn error_code(value: &Value) -> Read<String> {
    let more = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    name(
        value,
        "an error code as DLP_BLOCK_42: A-Z, 0-9 and _",
        |b| b.is_ascii_uppercase(),
        more,
    )
}

pub fn place(value: &Value) -> Read<Place> {
    word(value, &Place::ALL.map(Place::as_str), Place::parse)
}

pub fn action_type(value: &Value) -> Read<ActionType> {
    let words = ActionType::ALL.map(ActionType::as_str);
    word(value, &words, |text| ActionType::parse(text).ok())
}

pub fn outcome(value: &Value) -> Read<Outcome> {
    word(value, &Outcome::ALL.map(Outcome::as_str), Outcome::parse)
}

/// Read without regard to case.
pub fn classification(value: &Value) -> Read<Classification> {
    let words = ["none", "public", "internal", "sensitive", "pii", "phi"];
    word(value, &words, |text| Classification::parse(text).ok())
}

pub fn ip_address(value: &Value) -> Read<String> {
    parsed(value, "an IPv4 or IPv6 address", |text| {
        text.parse::<IpAddr>().ok().map(|_| text.to_owned())
    })
}

pub fn score(value: &Value) -> Read<u8> {
    // A whole number may be written as 78.0; JSON knows one kind of number.
    let read = value
        .as_f64()
        .and_then(|number| (0..=100u8).find(|whole| f64::from(*whole) == number));
    read.ok_or_else(|| Field::new("a whole number from 0 to 100", shown(value)))
}

pub fn request_context(value: &Value) -> Read<Map<String, Value>> {
    let Value::Object(members) = value else {
        return Err(Field::new("a JSON object", shown(value)));
    };
    if !numbers_are_exact(value) {
        let expected = format!("whole numbers up to {INTEGER_MAX}: write larger ones as strings");
        return Err(Field::new(expected, shown(value)));
    }
    match canonical(value) {
        Ok(text) if text.len() <= REQUEST_CONTEXT_BYTES_MAX => Ok(members.clone()),
        Ok(text) => Err(Field::new(
            format!(
                "at most {REQUEST_CONTEXT_BYTES_MAX} bytes of JSON: leave out what nobody will ask for"
            ),
            format!("{} bytes", text.len()),
        )),
        Err(error) => Err(Field::new("JSON with a canonical form", error.to_string())),
    }
}

/// A whole number that a double cannot hold would have two readings under one commitment.
fn numbers_are_exact(value: &Value) -> bool {
    match value {
        Value::Number(number) => {
            let magnitude = number
                .as_u64()
                .or_else(|| number.as_i64().map(i64::unsigned_abs));
            magnitude.is_none_or(|magnitude| magnitude <= INTEGER_MAX)
        }
        Value::Array(items) => items.iter().all(numbers_are_exact),
        Value::Object(members) => members.values().all(numbers_are_exact),
        _ => true,
    }
}
