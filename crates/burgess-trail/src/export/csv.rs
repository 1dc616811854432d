//! CSV (RFC 4180) for spreadsheets: one row per event, CRLF, every field quoted.
//!
//! A spreadsheet runs what begins with `=`, `+`, `-` or `@`, and anybody can put such a value into
//! an event; those get an apostrophe in front (OWASP, CSV injection). JSON lines are exact.

use burgess_core::audit::EVENT_SCHEMA_ID;
use burgess_core::digest::Digest;

use crate::row::Row;

/// The columns, in order. Spreadsheets know them by their place: what is added comes last. `shard`
/// and `origin` are the same, the log's origin.
pub const HEADER: [&str; 32] = [
    "shard",
    "index",
    "leaf_hash",
    "sequence",
    "event_id",
    "timestamp",
    "actor_id",
    "actor_role",
    "app_id",
    "version",
    "environment",
    "action_type",
    "resource_type",
    "resource_id",
    "data_classification",
    "outcome",
    "error_code",
    "ip_address",
    "user_agent",
    "request_context",
    "risk_score_at_time",
    "approval_id",
    "decision",
    "policies",
    "previous_state",
    "next_state",
    "origin",
    "schema",
    "source",
    "source_seq",
    "charter_digest",
    "policy_digest",
];

/// The header.
pub fn head() -> String {
    line(HEADER.iter().map(|name| (*name).to_owned()))
}

/// One event.
pub fn row(row: &Row) -> String {
    line(fields(row).into_iter())
}

fn fields(row: &Row) -> [String; 32] {
    let event = &row.event;
    let or_empty = |value: &Option<String>| value.clone().unwrap_or_default();
    let hex = |digest: Option<Digest>| digest.map(|it| it.to_string()).unwrap_or_default();
    let (answer, policies) = event
        .decision
        .as_ref()
        .map(|it| (it.answer.clone(), it.policies.join(" ")))
        .unwrap_or_default();
    let context = event.request_context.clone();
    [
        row.shard.clone(),
        row.index.to_string(),
        row.leaf_hash.to_string(),
        row.sequence.to_string(),
        event.event_id.to_string(),
        event.timestamp.to_string(),
        event.actor_id.clone(),
        event.actor_role.clone(),
        event.app_id.to_string(),
        event.version.clone(),
        event.environment.to_string(),
        event.action_type.to_string(),
        event.resource_type.clone(),
        event.resource_id.clone(),
        event.data_classification.to_string(),
        event.outcome.to_string(),
        or_empty(&event.error_code),
        or_empty(&event.ip_address),
        or_empty(&event.user_agent),
        context.map_or_else(String::new, |it| serde_json::Value::Object(it).to_string()),
        event.risk_score_at_time.to_string(),
        event
            .approval_id
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        answer,
        policies,
        or_empty(&event.previous_state),
        or_empty(&event.next_state),
        row.shard.clone(),
        EVENT_SCHEMA_ID.to_owned(),
        event.source.clone(),
        row.source_seq.to_string(),
        hex(event.charter_digest),
        hex(event.policy_digest),
    ]
}

fn line(fields: impl Iterator<Item = String>) -> String {
    let quoted: Vec<String> = fields.map(|field| quoted(&field)).collect();
    format!("{}\r\n", quoted.join(","))
}

fn quoted(field: &str) -> String {
    let guard = if field.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        "'"
    } else {
        ""
    };
    format!("\"{guard}{}\"", field.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_spreadsheet_runs_nothing_and_quotes_stay_inside_their_field() {
        assert_eq!(quoted("=cmd()"), "\"'=cmd()\"");
        assert_eq!(quoted("@x"), "\"'@x\"");
        assert_eq!(quoted("a\"b,c\n"), "\"a\"\"b,c\n\"");
        assert_eq!(quoted("plain"), "\"plain\"");
    }
}
