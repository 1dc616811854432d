//! Syslog of RFC 5424: one message per event, and signed checkpoints between them.
//!
//! Every message carries origin, index and leaf hash as structured data, and now and then comes the
//! log's signed checkpoint: whoever keeps the stream can show what was deleted, changed or moved in
//! it. Personal values stand in an element of their own, which is there only when asked for. Not
//! here: connections, and how far a receiver has come.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use burgess_core::audit::{Event, Outcome};
use burgess_core::digest::Digest;
use burgess_core::time::Timestamp;
use burgess_ledger::SignedCheckpoint;
use serde_json::Value;

use super::sentence;
use crate::row::Row;

/// The enterprise number in the names of our elements: the one that RFC 5612 sets aside for
/// documentation, because we have none of our own.
const ENTERPRISE: &str = "32473";

/// RFC 5424, section 6.2.1: log audit.
const FACILITY: u8 = 13;

/// The byte order mark that says the text is UTF-8 (section 6.4).
const BOM: char = '\u{feff}';

/// One event. `personal` says whether its personal values go along.
pub fn event(row: &Row, personal: bool) -> String {
    let event = &row.event;
    let severity = match event.outcome {
        Outcome::Success => 6, // informational
        Outcome::Failure => 5, // notice
        Outcome::Blocked => 4, // warning
    };
    let mut message = head(severity, event.timestamp, event.action_type.as_str());
    message.push_str(&element("burgess", &open(row)));
    if personal {
        message.push_str(&element("personal", &closed(event)));
    }
    message.push_str(&text(&sentence(event)));
    message
}

/// An entry that is no event: where it stands, so that nothing is missing from the stream.
pub fn other(origin: &str, index: u64, leaf_hash: &Digest, now: Timestamp) -> String {
    let params = [
        ("origin", Some(origin.to_owned())),
        ("index", Some(index.to_string())),
        ("leafHash", Some(leaf_hash.to_string())),
    ];
    let mut message = head(6, now, "entry");
    message.push_str(&element("burgess", &params));
    message.push_str(&text("an entry that is no event"));
    message
}

/// A signed checkpoint over everything that was sent before it.
pub fn checkpoint(signed: &SignedCheckpoint, now: Timestamp) -> String {
    let checkpoint = &signed.checkpoint;
    let params = [
        ("origin", Some(checkpoint.origin.clone())),
        ("size", Some(checkpoint.size.to_string())),
        ("root", Some(STANDARD.encode(checkpoint.root))),
        ("note", Some(STANDARD.encode(&signed.note))),
    ];
    let mut message = head(6, now, "checkpoint");
    message.push_str(&element("checkpoint", &params));
    let size = checkpoint.size;
    message.push_str(&text(&format!("signed checkpoint over {size} entries")));
    message
}

/// Octet counting (RFC 6587, section 3.4.1; RFC 5425, section 4.3): the length, a space, the
/// message.
pub fn frame(message: &str) -> Vec<u8> {
    format!("{} {message}", message.len()).into_bytes()
}

/// The header. A host name is the receiver's to add: it knows where the stream came from.
fn head(severity: u8, time: Timestamp, id: &str) -> String {
    let priority = FACILITY * 8 + severity;
    format!("<{priority}>1 {} - burgess - {id} ", stamp(time))
}

/// The time with its six decimals, which some receivers insist on, or the nil value for one that
/// RFC 3339 cannot write.
fn stamp(time: Timestamp) -> String {
    let text = time.to_string();
    let year = text.split_once('-').map(|(year, _)| year);
    let usual = year.is_some_and(|it| it.len() == 4 && it.bytes().all(|b| b.is_ascii_digit()));
    match text.strip_suffix('Z') {
        Some(text) if usual => {
            let (second, decimals) = text.split_once('.').unwrap_or((text, ""));
            format!("{second}.{decimals:0<6}Z")
        }
        _ => "-".to_owned(),
    }
}

type Param = (&'static str, Option<String>);

fn open(row: &Row) -> Vec<Param> {
    let event = &row.event;
    let some = |text: &str| Some(text.to_owned());
    vec![
        ("origin", some(&row.shard)),
        ("index", Some(row.index.to_string())),
        ("leafHash", Some(row.leaf_hash.to_string())),
        ("sequence", Some(row.sequence.to_string())),
        ("eventId", some(event.event_id.as_str())),
        ("appId", some(event.app_id.as_str())),
        ("version", some(&event.version)),
        ("environment", some(event.environment.as_str())),
        ("actorRole", some(&event.actor_role)),
        ("action", some(event.action_type.as_str())),
        ("resourceType", some(&event.resource_type)),
        ("classification", some(event.data_classification.as_str())),
        ("outcome", some(event.outcome.as_str())),
        ("errorCode", event.error_code.clone()),
        ("riskScore", Some(event.risk_score_at_time.to_string())),
        (
            "approvalId",
            event.approval_id.as_ref().map(ToString::to_string),
        ),
        (
            "policyDigest",
            event.policy_digest.as_ref().map(ToString::to_string),
        ),
        ("previousState", event.previous_state.clone()),
        ("nextState", event.next_state.clone()),
    ]
}

fn closed(event: &Event) -> Vec<Param> {
    let context = event.request_context.clone();
    vec![
        ("actorId", Some(event.actor_id.clone())),
        ("resourceId", Some(event.resource_id.clone())),
        ("ipAddress", event.ip_address.clone()),
        ("userAgent", event.user_agent.clone()),
        ("context", context.map(|it| Value::Object(it).to_string())),
    ]
}

/// One element; parameters without a value are left out.
fn element(name: &str, params: &[Param]) -> String {
    let mut element = format!("[{name}@{ENTERPRISE}");
    for (name, value) in params {
        if let Some(value) = value {
            // Writing into a string cannot fail.
            let _ = write!(element, " {name}=\"{}\"", escaped(value));
        }
    }
    element.push(']');
    element
}

/// Section 6.3.3: quote, backslash and bracket are escaped. Control characters are against the
/// advice of section 8.2 and end a line at receivers that count lines.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '"' | '\\' | ']' => out.extend(['\\', c]),
            c if c.is_control() => out.push(char::REPLACEMENT_CHARACTER),
            c => out.push(c),
        }
    }
    out
}

fn text(sentence: &str) -> String {
    format!(" {BOM}{sentence}")
}
