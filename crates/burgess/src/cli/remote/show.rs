//! Answers of the server for people: requests, apps, events, and refusals.

use std::fmt::Write as _;

use serde_json::Value;

use crate::cli::Format;
use crate::cli::run::{Outcome, say};

/// Prints an answer; yes.
pub(super) fn answer(value: &Value, as_json: bool, text: impl Fn(&Value) -> String) -> Outcome {
    if as_json {
        say(&format!("{}\n", serde_json::to_string_pretty(value)?));
    } else {
        say(&text(value));
    }
    Ok(true)
}

/// Prints a refusal: its code, its sentence, and every unmet control with its remedy; no.
pub(super) fn refused(problem: &Value, format: Format) -> Outcome {
    if format == Format::Json {
        say(&format!("{}\n", serde_json::to_string_pretty(problem)?));
        return Ok(false);
    }
    let mut out = format!(
        "no: {} ({})\n",
        text(problem, "/detail"),
        text(problem, "/code")
    );
    for unmet in list(problem, "/unmet") {
        let _infallible = writeln!(
            out,
            "  {}: {}\n    {}",
            text(unmet, "/control"),
            text(unmet, "/reason"),
            text(unmet, "/remedy")
        );
    }
    say(&out);
    Ok(false)
}

/// The text at a pointer, control characters made visible; `-` when there is none.
pub(super) fn text(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        Some(Value::String(text)) => text
            .chars()
            .flat_map(|c| {
                if c.is_control() {
                    c.escape_default().collect::<Vec<_>>()
                } else {
                    vec![c]
                }
            })
            .collect(),
        Some(Value::Null) | None => "-".to_owned(),
        Some(other) => other.to_string(),
    }
}

fn list<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn words(value: &Value, pointer: &str) -> String {
    list(value, pointer)
        .filter_map(Value::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}

/// A request: where it stands, its score, whose turn it is, and which controls are missing.
pub(super) fn request(value: &Value) -> String {
    let mut out = format!("request {}\n", text(value, "/id"));
    let mut line = |title: &str, text: String| {
        let _infallible = writeln!(out, "  {title:<10} {text}");
    };
    line(
        "app",
        format!("{} {}", text(value, "/app"), text(value, "/version")),
    );
    line("state", text(value, "/state"));
    line(
        "score",
        format!(
            "{} ({}), route {}",
            text(value, "/score/score"),
            text(value, "/score/band"),
            text(value, "/route/lane")
        ),
    );
    let turns = words(value, "/turns");
    if !turns.is_empty() {
        line("waits for", turns);
    }
    if let Some(approval) = value.get("approval").and_then(Value::as_str) {
        line("approval", approval.to_owned());
    }
    for control in list(value, "/controls").filter(|control| text(control, "/status") == "unmet") {
        line(
            "missing",
            format!("{}: {}", text(control, "/reason"), text(control, "/remedy")),
        );
    }
    out
}

/// One line for each app.
pub(super) fn apps(value: &Value) -> String {
    let mut out = String::new();
    for app in list(value, "/items") {
        let (id, state, version) = (text(app, "/id"), text(app, "/state"), text(app, "/version"));
        let (score, class, owner) = (
            text(app, "/score"),
            text(app, "/classification"),
            text(app, "/owner"),
        );
        let _infallible = writeln!(
            out,
            "{id:<40} {state:<14} {version:<10} {score:>3} {class:<10} {owner}"
        );
    }
    if out.is_empty() {
        out.push_str("no app yet: ask with `burgess request --charter charter.toml`\n");
    }
    out
}

/// One app: its state, its requests and where it runs.
pub(super) fn app(value: &Value) -> String {
    let mut out = format!("{}\n", text(value, "/app/id"));
    for (title, pointer) in [
        ("state", "/app/state"),
        ("version", "/app/version"),
        ("score", "/app/score"),
        ("owner", "/app/owner"),
        ("approval", "/app/approval"),
    ] {
        let _infallible = writeln!(out, "  {title:<10} {}", text(value, pointer));
    }
    for deployment in list(value, "/deployments") {
        let record = deployment.get("record").unwrap_or(deployment);
        let _infallible = writeln!(
            out,
            "  {:<10} {}",
            text(record, "/environment"),
            text(record, "/version")
        );
    }
    for one in list(value, "/requests") {
        out.push_str(&request(one));
    }
    out
}

/// A deployment that is now live.
pub(super) fn deployment(value: &Value) -> String {
    let record = value.get("record").unwrap_or(value);
    format!(
        "version {} is live in {}\n",
        text(record, "/version"),
        text(record, "/environment")
    )
}

/// One event in a line.
fn event_line(row: &Value) -> String {
    let field = |name: &str| text(row, &format!("/event/{name}"));
    let (time, outcome, action, app) = (
        field("timestamp"),
        field("outcome"),
        field("action_type"),
        field("app_id"),
    );
    format!(
        "{time} {outcome:<8} {action:<8} {app:<32} {} {} by {} {} ({})",
        field("resource_type"),
        field("resource_id"),
        field("actor_id"),
        field("event_id"),
        text(row, "/proof")
    )
}

/// One line for each event of a page, and how to go on.
pub(super) fn events(value: &Value) -> String {
    let mut out = String::new();
    for row in list(value, "/items") {
        let _infallible = writeln!(out, "{}", event_line(row));
    }
    if out.is_empty() {
        out.push_str("no event matches\n");
    }
    if let Some(next) = value.get("next").and_then(Value::as_str) {
        let _infallible = writeln!(
            out,
            "there are more: add --after {next}, narrow the search, or use `burgess audit export`"
        );
    }
    out
}

/// One event and what explains it: what it was, whose app, under which approval, and what is near.
pub(super) fn incident(value: &Value) -> String {
    let mut out = String::new();
    let mut line = |title: &str, text: String| {
        let _infallible = writeln!(out, "{title:<12} {text}");
    };
    let event = |name: &str| text(value, &format!("/event/event/{name}"));
    line("event", event("event_id"));
    line("when", event("timestamp"));
    line(
        "what",
        format!(
            "{} {} {}: {}",
            event("action_type"),
            event("resource_type"),
            event("resource_id"),
            event("outcome")
        ),
    );
    line(
        "who",
        format!("{} ({})", event("actor_id"), event("actor_role")),
    );
    line("data", text(value, "/data/classification"));
    line("values", text(value, "/personal_values"));
    line(
        "app",
        format!(
            "{} ({}), owner {}",
            event("app_id"),
            text(value, "/app/state"),
            text(value, "/app/owner")
        ),
    );
    line(
        "approval",
        format!(
            "{} given {}",
            text(value, "/approval/id"),
            text(value, "/approval/granted_at")
        ),
    );
    line(
        "credential",
        format!(
            "{} ({})",
            text(value, "/credential/id"),
            text(value, "/credential/state")
        ),
    );
    line("other half", text(value, "/other_half/event/event_id"));
    line("proof", text(value, "/event/proof"));
    for group in list(value, "/neighbours") {
        line(
            &text(group, "/aspect"),
            format!("{} ({})", text(group, "/title"), text(group, "/total")),
        );
    }
    for group in list(value, "/neighbours") {
        let _infallible = writeln!(out, "\n{}", text(group, "/title"));
        for row in list(group, "/items") {
            let _infallible = writeln!(out, "  {}", event_line(row));
        }
    }
    for alert in list(value, "/alerts") {
        let _infallible = writeln!(
            out,
            "open alert   {}: {}",
            text(alert, "/kind"),
            text(alert, "/message")
        );
    }
    out
}
