//! `audit search`, `audit incident`, `audit proof` and `audit export` against a server.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::client::{self, Answer, id};
use super::{show, verify, wants_json};
use crate::cli::audit::{ExportForm, Narrow};
use crate::cli::run::{Failure, Outcome, wait};
use crate::cli::{AuditVerb, Format};
use crate::operations::trail::proof::Form;

/// Runs one of them.
pub(super) fn run(verb: AuditVerb) -> Outcome {
    match verb {
        AuditVerb::Search {
            narrow,
            after,
            limit,
            printing,
        } => {
            let mut pairs = pairs(narrow);
            pairs.push(("after", after));
            pairs.push(("limit", limit.map(|limit| limit.to_string())));
            let query = query(&pairs);
            let as_json = wants_json(printing.format)?;
            wait(async move {
                match client::signed_in()?
                    .get(&format!("/api/v1/events?{query}"))
                    .await?
                {
                    Answer::Yes(page) => show::answer(&page, as_json, show::events),
                    Answer::No(problem) => show::refused(&problem, printing.format),
                }
            })
        }
        AuditVerb::Incident {
            event,
            around,
            printing,
        } => {
            let query = query(&[("around", around.map(|it| it.to_string()))]);
            let path = format!("/api/v1/events/{}/incident?{query}", id(&event)?);
            let as_json = wants_json(printing.format)?;
            wait(async move {
                match client::signed_in()?.get(&path).await? {
                    Answer::Yes(found) => show::answer(&found, as_json, show::incident),
                    Answer::No(problem) => show::refused(&problem, printing.format),
                }
            })
        }
        AuditVerb::Proof {
            event,
            r#as,
            out,
            printing,
        } => {
            wants_json(printing.format)?;
            wait(proof(event, r#as, out, printing.format))
        }
        AuditVerb::Export {
            r#as,
            narrow,
            reason,
            event,
            out,
            printing,
        } => {
            if wants_json(printing.format)? && out.is_none() {
                return Err(Failure(
                    "with --format json the events go into a file: add --out FILE".to_owned(),
                ));
            }
            let path = match event {
                None => {
                    let mut pairs = pairs(narrow);
                    let form = Some(r#as.as_str().to_owned());
                    pairs.extend([("as", form), ("reason", reason)]);
                    format!("/api/v1/events?{}", query(&pairs))
                }
                Some(event) if r#as == ExportForm::Case => {
                    let query = query(&[("reason", reason)]);
                    format!("/api/v1/events/{}/case?{query}", id(&event)?)
                }
                Some(_) => {
                    return Err(Failure(
                        "one event and what happened around it is a case: add --as case".to_owned(),
                    ));
                }
            };
            wait(export(path, out, printing.format))
        }
        AuditVerb::Verify {
            dir,
            key,
            policy,
            printing,
        } => verify::run(&dir, &key, policy.as_deref(), printing.format),
        AuditVerb::Archive { .. } => Err(Failure("this verb needs no server".to_owned())),
    }
}

fn pairs(narrow: Narrow) -> Vec<(&'static str, Option<String>)> {
    vec![
        ("q", narrow.text),
        ("app", narrow.app),
        ("actor", narrow.actor),
        ("resource", narrow.resource),
        ("resource_type", narrow.resource_type),
        ("action", narrow.action),
        ("outcome", narrow.outcome),
        ("error_code", narrow.error_code),
        ("class", narrow.class),
        ("approval", narrow.approval),
        ("environment", narrow.environment),
        ("from", narrow.from),
        ("to", narrow.to),
    ]
}

fn query(pairs: &[(&str, Option<String>)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    query.finish()
}

async fn proof(event: String, form: Form, out: Option<PathBuf>, format: Format) -> Outcome {
    let query = query(&[("as", Some(form.as_str().to_owned()))]);
    let path = format!("/api/v1/events/{}/receipt?{query}", id(&event)?);
    let bytes = match client::signed_in()?.download(&path).await? {
        Ok(bytes) => bytes,
        Err(problem) => return show::refused(&problem, format),
    };
    let out = out.unwrap_or_else(|| PathBuf::from(format!("{event}.{}", form.extension())));
    std::fs::write(&out, &bytes)
        .map_err(|e| Failure(format!("`{}` cannot be written: {e}", out.display())))?;
    let wrote = json!({ "file": out, "bytes": bytes.len(), "as": form.as_str() });
    show::answer(&wrote, format == Format::Json, |_| {
        wrote_proof(&event, form, &out)
    })
}

/// What was written, and how it is checked.
fn wrote_proof(event: &str, form: Form, out: &Path) -> String {
    let out = out.display();
    let with = match form {
        Form::Receipt => format!("`burgess-verify proof {out} --key VKEY`"),
        Form::TlogProof => format!(
            "`burgess-verify proof {out} --entry {event}.entry --key VKEY`; --as entry writes the entry"
        ),
        Form::Entry => format!(
            "`burgess-verify proof {event}.tlog-proof --entry {out} --key VKEY`; --as tlog-proof writes the proof"
        ),
    };
    format!("wrote {out}: check it with {with}\n")
}

/// Writes what comes while it comes. A file that broke off is taken away: half an export must not
/// look like a whole one.
async fn export(path: String, out: Option<PathBuf>, format: Format) -> Outcome {
    let client = client::signed_in()?;
    let Some(file) = out else {
        return match client.save(&path, &mut std::io::stdout().lock()).await? {
            Ok(_) => Ok(true),
            Err(problem) => show::refused(&problem, format),
        };
    };
    let cannot =
        |e: std::io::Error| Failure(format!("`{}` cannot be written: {e}", file.display()));
    let mut part = file.clone().into_os_string();
    part.push(".part");
    let part = PathBuf::from(part);
    let saved = client
        .save(&path, &mut File::create(&part).map_err(cannot)?)
        .await;
    match saved {
        Ok(Ok(bytes)) => {
            std::fs::rename(&part, &file).map_err(cannot)?;
            let wrote = json!({ "file": file, "bytes": bytes });
            show::answer(&wrote, format == Format::Json, |_| {
                format!("wrote {}: {bytes} bytes\n", file.display())
            })
        }
        Ok(Err(problem)) => {
            std::fs::remove_file(&part).map_err(cannot)?;
            show::refused(&problem, format)
        }
        Err(failure) => {
            std::fs::remove_file(&part).map_err(cannot)?;
            Err(failure)
        }
    }
}
