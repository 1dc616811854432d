//! OCSF 1.8.0: one JSON object per event, for a SIEM that speaks the Open Cybersecurity Schema.
//!
//! `metadata.uid` is the event's id. Origin, index and leaf hash always go along, under
//! `unmapped`, so that what is deleted or changed in the SIEM can be shown to be. A value that the
//! schema would refuse (an address that is none) is left to `unmapped` alone: nothing is lost, and
//! nothing is invented. Not here: who may export, and where rows come from.

mod mapping;

use std::net::IpAddr;

use burgess_core::audit::Event;
use serde_json::{Map, Value, json};

use super::sentence;
use crate::error::TrailError;
use crate::row::Row;
pub use mapping::{Activity, Class, KINDS, Mapping, REPORTED, Sort, of, sort};

/// The version of the schema.
pub const VERSION: &str = "1.8.0";

/// One row, as a line.
///
/// # Errors
/// [`TrailError::Damaged`] for a row that has no JSON form.
pub fn row(row: &Row) -> Result<String, TrailError> {
    let object = object(row);
    let json = serde_json::to_string(&object).map_err(|e| TrailError::Damaged(e.to_string()))?;
    Ok(format!("{json}\n"))
}

/// One row, as an object.
pub fn object(row: &Row) -> Value {
    let event = &row.event;
    let mapping = mapping::of(event);
    let mut object = base(row, &mapping);
    let more = match mapping.class {
        Class::DataSecurityFinding => finding(event),
        Class::AccountChange => json!({ "user": subject(event), "actor": actor(event) }),
        Class::AuthorizeSession => json!({
            "user": user(event),
            "actor": actor(event),
            "privileges": [format!("{} in {}", event.app_id, event.environment)],
        }),
        Class::EntityManagement => json!({
            "actor": actor(event),
            "entity": {
                "uid": event.resource_id,
                "type": event.resource_type,
                "type_id": if event.resource_type == "policy" { 5 } else { 99 },
                "version": event.version,
            },
            "comment": transition(event),
        }),
        Class::UserAccess => json!({
            "user": subject(event),
            "actor": actor(event),
            "privileges": [role(event)],
        }),
        Class::ApiActivity => json!({
            "actor": actor(event),
            "api": {
                "operation": format!("{} {}", event.action_type, event.resource_type),
                "service": { "name": event.app_id.as_str(), "version": event.version },
            },
            "resources": [resource(event)],
        }),
    };
    extend(&mut object, more);
    Value::Object(object)
}

/// What every class has.
fn base(row: &Row, mapping: &Mapping) -> Map<String, Value> {
    let event = &row.event;
    let (class, (activity, activity_name)) = (mapping.class, mapping.activity);
    let base = json!({
        "activity_id": activity,
        "activity_name": activity_name,
        "category_uid": class.uid() / 1000,
        "category_name": class.category(),
        "class_uid": class.uid(),
        "class_name": class.name(),
        "type_uid": class.uid() * 100 + activity,
        "type_name": format!("{}: {}", class.name(), if activity == 99 { "Other" } else { activity_name }),
        "severity_id": mapping.severity.0,
        "severity": mapping.severity.1,
        "status_id": mapping.status.0,
        "status": mapping.status.1,
        "status_code": event.error_code,
        "action_id": mapping.action.0,
        "action": mapping.action.1,
        "disposition_id": mapping.disposition.0,
        "disposition": mapping.disposition.1,
        "is_alert": mapping.action.0 == 2,
        "risk_score": event.risk_score_at_time,
        "time": event.timestamp.as_micros().div_euclid(1_000),
        "message": sentence(event),
        "metadata": metadata(row),
        "src_endpoint": endpoint(event),
        "http_request": event.user_agent.as_ref().map(|it| json!({ "user_agent": it })),
        "observables": [
            { "name": "unmapped.leaf_hash", "type": "Hash", "type_id": 8, "value": row.leaf_hash },
        ],
        "unmapped": unmapped(row),
    });
    let mut object = Map::new();
    extend(&mut object, base);
    if class == Class::DataSecurityFinding {
        // A finding has no request of its own.
        object.remove("http_request");
    }
    object
}

/// Adds the members of `more`; those that are `null` are absent.
fn extend(object: &mut Map<String, Value>, more: Value) {
    if let Value::Object(members) = more {
        object.extend(members.into_iter().filter(|(_, value)| !value.is_null()));
    }
}

fn metadata(row: &Row) -> Value {
    let id = row.event.event_id.as_str();
    json!({
        "version": VERSION,
        "profiles": ["security_control"],
        "product": {
            "name": "Burgess",
            "vendor_name": "Burgess",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "uid": id,
        // An intent and its outcome are one call.
        "correlation_uid": id.strip_suffix("_intent").unwrap_or(id),
        "log_name": row.shard,
        "log_provider": row.event.source,
        "original_time": row.event.timestamp.to_string(),
        "sequence": row.sequence,
    })
}

/// What the schema has no place for, and where the proof begins.
fn unmapped(row: &Row) -> Value {
    let event = &row.event;
    let all = json!({
        "origin": row.shard,
        "index": row.index,
        "leaf_hash": row.leaf_hash,
        "app_id": event.app_id.as_str(),
        "version": event.version,
        "environment": event.environment.as_str(),
        "actor_id": event.actor_id,
        "actor_role": event.actor_role,
        "action_type": event.action_type.as_str(),
        "resource_type": event.resource_type,
        "resource_id": event.resource_id,
        "data_classification": event.data_classification.as_str(),
        "outcome": event.outcome.as_str(),
        "ip_address": event.ip_address,
        "request_context": event.request_context,
        "approval_id": event.approval_id.as_ref().map(|id| id.as_str()),
        "charter_digest": event.charter_digest,
        "policy_digest": event.policy_digest,
        "decision": event.decision,
        "previous_state": event.previous_state,
        "next_state": event.next_state,
    });
    let mut kept = Map::new();
    extend(&mut kept, all);
    Value::Object(kept)
}

fn transition(event: &Event) -> Option<String> {
    let next = event.next_state.as_ref()?;
    let previous = event.previous_state.as_deref().unwrap_or("nothing");
    Some(format!("from {previous} to {next}"))
}

fn actor(event: &Event) -> Value {
    json!({ "user": user(event), "app_name": event.app_id.as_str() })
}

/// Who acted.
fn user(event: &Event) -> Value {
    let (type_id, kind) = match event.actor_role.as_str() {
        "system" => (3, "System"),
        "app" | "agent" => (4, "Service"),
        "administrator" => (2, "Admin"),
        "anonymous" => (0, "Unknown"),
        _ => (1, "User"),
    };
    person(&event.actor_id, type_id, kind)
}

/// Whom it was done to: the account that the event is about.
fn subject(event: &Event) -> Value {
    match event.resource_type.as_str() {
        "credential" => person(&event.resource_id, 4, "Service"),
        _ => person(&event.resource_id, 1, "User"),
    }
}

fn person(id: &str, type_id: u32, kind: &str) -> Value {
    let mut user = Map::new();
    extend(
        &mut user,
        json!({
            "uid": id,
            "name": id,
            "type_id": type_id,
            "type": kind,
            "email_addr": is_email(id).then_some(id),
        }),
    );
    Value::Object(user)
}

/// Whether the schema takes it for an e-mail address: a stricter test than its own, so that what
/// passes here passes there.
fn is_email(text: &str) -> bool {
    let label = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let local = |b: u8| b.is_ascii_alphanumeric() || b".!#$%&'*+-/=?^_`{|}~".contains(&b);
    text.split_once('@').is_some_and(|(name, domain)| {
        !name.is_empty()
            && name.bytes().all(local)
            && domain.contains('.')
            && domain.split('.').all(label)
    })
}

fn role(event: &Event) -> String {
    let context = event.request_context.as_ref();
    let role = context
        .and_then(|it| it.get("role"))
        .and_then(Value::as_str);
    role.unwrap_or("not said").to_owned()
}

/// Where it came from: the address where one is known, the app in any case.
fn endpoint(event: &Event) -> Value {
    let mut endpoint = Map::new();
    // Written anew, because the schema takes 40 characters and knows no spelling but the short one.
    let ip = event.ip_address.as_ref().and_then(|it| it.parse().ok());
    let ip = ip.map(|ip: IpAddr| ip.to_string());
    extend(
        &mut endpoint,
        json!({ "svc_name": event.app_id.as_str(), "ip": ip }),
    );
    Value::Object(endpoint)
}

fn resource(event: &Event) -> Value {
    json!({
        "uid": event.resource_id,
        "type": event.resource_type,
        "role_id": 1,
        "role": "Target",
        "labels": [event.data_classification.as_str()],
    })
}

fn finding(event: &Event) -> Value {
    let code = event.error_code.as_deref().unwrap_or_default();
    json!({
        "actor": actor(event),
        "resources": [resource(event)],
        "finding_info": {
            "uid": event.event_id.as_str(),
            "title": format!("{code}: data was stopped on its way"),
            "types": [code],
            "created_time": event.timestamp.as_micros().div_euclid(1_000),
        },
        "data_security": {
            "detection_system_id": 10,
            "detection_system": "Application-Level DLP",
            "data_lifecycle_state_id": 2,
            "data_lifecycle_state": "Data in-Transit",
            "category": event.data_classification.as_str(),
        },
    })
}
