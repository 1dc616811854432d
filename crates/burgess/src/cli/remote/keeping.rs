//! `erase`, `hold` and `ledger shards` against a server.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::client::{self, Answer, id};
use super::{post, show, wants_json};
use crate::cli::run::{Failure, Outcome, wait};
use crate::cli::{Format, HoldVerb, LedgerVerb};

/// Erases a subject, or says what would go.
pub(super) fn erase(subject: &str, reason: &str, preview: bool, format: Format) -> Outcome {
    if preview {
        let body = json!({ "subject": subject });
        return post(
            "/api/v1/erasures/preview".to_owned(),
            body,
            format,
            previewed,
        );
    }
    let body = json!({ "subject": subject, "reason": reason });
    post("/api/v1/erasures".to_owned(), body, format, erased)
}

fn previewed(value: &Value) -> String {
    let mut out = format!("keys to destroy  {}\n", show::text(value, "/keys"));
    for (shard, entries) in value
        .get("entries")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let _infallible = writeln!(out, "values in        {entries} entries of {shard}");
    }
    for hold in value
        .get("held_by")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let _infallible = writeln!(out, "stopped by       {}", show::text(hold, ""));
    }
    out
}

fn erased(value: &Value) -> String {
    match value.get("state").and_then(Value::as_str) {
        Some("asked") => {
            "asked for: another member of audit and compliance carries it out with the same call\n"
                .to_owned()
        }
        _ => format!(
            "erased for good: {} keys destroyed, values taken out of {} entries; every proof stays as it was\n",
            show::text(value, "/keys"),
            show::text(value, "/entries")
        ),
    }
}

/// Places, releases and lists legal holds.
pub(super) fn hold(verb: HoldVerb) -> Outcome {
    match verb {
        HoldVerb::Place {
            kind,
            of,
            reason,
            printing,
        } => {
            let body = json!({ "kind": kind, "of": of, "reason": reason });
            let said = |value: &Value| format!("placed {}\n", show::text(value, "/id"));
            post("/api/v1/holds".to_owned(), body, printing.format, said)
        }
        HoldVerb::Release {
            hold,
            reason,
            printing,
        } => release(hold, reason, printing.format),
        HoldVerb::List { printing } => list("/api/v1/holds", printing.format, |hold| {
            let state = if hold.get("released").is_some_and(Value::is_array) {
                "released"
            } else {
                "in force"
            };
            let covers = (
                show::text(hold, "/covers/kind"),
                show::text(hold, "/covers/of"),
            );
            let why = show::text(hold, "/reason");
            format!(
                "{} {state} {} {} ({why})",
                show::text(hold, "/id"),
                covers.0,
                covers.1
            )
        }),
    }
}

/// The server answers a release with nothing; a program is told which hold it was.
fn release(hold: String, reason: String, format: Format) -> Outcome {
    let as_json = wants_json(format)?;
    let path = format!("/api/v1/holds/{}/release", id(&hold)?);
    wait(async move {
        let body = json!({ "reason": reason });
        match client::signed_in()?.post(&path, &body, None).await? {
            Answer::Yes(_) => {
                let done = json!({ "id": hold, "released": true });
                show::answer(&done, as_json, |_| format!("released {hold}\n"))
            }
            Answer::No(problem) => show::refused(&problem, format),
        }
    })
}

/// Lists shards.
pub(super) fn ledger(verb: LedgerVerb) -> Outcome {
    match verb {
        LedgerVerb::Shards { printing } => {
            list("/api/v1/ledger/shards", printing.format, |shard| {
                let name = show::text(shard, "/name");
                let state = (show::text(shard, "/state"), show::text(shard, "/size"));
                format!(
                    "{name} {} {} entries\n  {}",
                    state.0,
                    state.1,
                    show::text(shard, "/vkey")
                )
            })
        }
        _ => Err(Failure("this verb needs no server".to_owned())),
    }
}

fn list(path: &'static str, format: Format, line: impl Fn(&Value) -> String) -> Outcome {
    let as_json = wants_json(format)?;
    wait(async move {
        match client::signed_in()?.get(path).await? {
            Answer::Yes(page) => show::answer(&page, as_json, |page| {
                let items = page.get("items").and_then(Value::as_array);
                let lines = items.into_iter().flatten().map(&line);
                lines.map(|line| format!("{line}\n")).collect()
            }),
            Answer::No(problem) => show::refused(&problem, format),
        }
    })
}
