//! Verbs against a running server: its API and nothing beside it, so that whatever is
//! done here is decided, permitted and recorded there.
//!
//! `login` keeps a session; the other verbs use it. What the server refuses is printed
//! with every unmet control and its remedy, and answers 1.

mod client;
mod keeping;
mod session;
mod show;
mod trail;
mod verify;

use std::path::Path;

use base64::Engine as _;
use serde_json::{Value, json};

use super::run::{Failure, Outcome, say, wait};
use super::{Format, Verb};
use client::{Answer, Client, id};

/// Largest charter or README that is sent: what the server reads of a charter.
const TEXT_BYTES_MAX: u64 = 4_000_000;
/// Largest export that is sent: what the server takes.
const UPLOAD_BYTES_MAX: u64 = 50_000_000;

/// Runs one of them.
pub fn run(verb: Verb) -> Outcome {
    match verb {
        Verb::Login { link } => wait(login(link)),
        Verb::Request {
            charter,
            artifact,
            readme,
            printing,
        } => {
            let body = request(&charter, artifact.as_deref(), readme.as_deref())?;
            post(
                "/api/v1/requests".to_owned(),
                body,
                printing.format,
                show::request,
            )
        }
        Verb::Status { app, printing } => status(app, printing.format),
        Verb::Approve {
            request,
            reject,
            comment,
        } => wait(approve(request, reject, comment)),
        Verb::Deploy { app, to } => {
            let said = format!("`{app}` is promoted to {to}\n");
            post(
                format!("/api/v1/apps/{}/promote", id(&app)?),
                json!({ "environment": to }),
                Format::Text,
                move |_| said.clone(),
            )
        }
        Verb::Rollback { app, environment } => {
            let path = format!("/api/v1/apps/{}/rollback", id(&app)?);
            post(
                path,
                json!({ "environment": environment }),
                Format::Text,
                show::deployment,
            )
        }
        Verb::Retire { app, lessons } => {
            let said = format!("`{app}` is retired: every item of its exit checklist is done\n");
            post(
                format!("/api/v1/apps/{}/retire", id(&app)?),
                json!({ "lessons": lessons }),
                Format::Text,
                move |_| said.clone(),
            )
        }
        Verb::Erase {
            subject,
            reason,
            preview,
            printing,
        } => keeping::erase(&subject, &reason, preview, printing.format),
        Verb::Hold(verb) => keeping::hold(verb),
        Verb::Ledger(verb) => keeping::ledger(verb),
        Verb::Audit(verb) => trail::run(verb),
        _ => Err(Failure("this verb needs no server".to_owned())),
    }
}

/// Redeems a one-time link and keeps the session.
async fn login(link: String) -> Outcome {
    let server = client::server_of(&link)?;
    let client = Client::to(&server, None)?;
    let answer = match client
        .post("/api/v1/session", &json!({ "link": link }), None)
        .await?
    {
        Answer::Yes(value) => value,
        Answer::No(problem) => return show::refused(&problem, Format::Text),
    };
    let secret = answer
        .get("session")
        .and_then(Value::as_str)
        .ok_or("the server gave no session")?;
    let path = session::keep(&session::Session {
        server: server.clone(),
        session: secret.to_owned(),
    })?;
    let me = match Client::to(&server, Some(secret.to_owned()))?
        .get("/api/v1/me")
        .await?
    {
        Answer::Yes(me) => me,
        Answer::No(problem) => return show::refused(&problem, Format::Text),
    };
    let (email, role) = (show::text(&me, "/email"), show::text(&me, "/role"));
    say(&format!(
        "signed in as {email} ({role}) at {server}; the session lies in {}\n",
        path.display()
    ));
    Ok(true)
}

fn request(
    charter: &Path,
    artifact: Option<&Path>,
    readme: Option<&Path>,
) -> Result<Value, Failure> {
    let mut body = json!({ "charter": text(charter)? });
    let Some(object) = body.as_object_mut() else {
        return Ok(body);
    };
    if let Some(path) = artifact {
        object.insert("artifact".to_owned(), upload(path)?);
    }
    if let Some(path) = readme {
        object.insert("readme".to_owned(), json!(text(path)?));
    }
    Ok(body)
}

fn upload(path: &Path) -> Result<Value, Failure> {
    if path.is_dir() {
        return Err(Failure(format!(
            "`{}` is a folder: hand in its export, or a zip archive of it",
            path.display()
        )));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(
        json!({ "file_name": name, "base64": base64::engine::general_purpose::STANDARD.encode(bytes(path, UPLOAD_BYTES_MAX)?) }),
    )
}

fn text(path: &Path) -> Result<String, Failure> {
    String::from_utf8(bytes(path, TEXT_BYTES_MAX)?)
        .map_err(|_| Failure(format!("`{}` is not UTF-8 text", path.display())))
}

fn bytes(path: &Path, most: u64) -> Result<Vec<u8>, Failure> {
    let failed = |e: std::io::Error| Failure(format!("`{}` cannot be read: {e}", path.display()));
    let meta = std::fs::metadata(path).map_err(failed)?;
    if !meta.is_file() || meta.len() > most {
        return Err(Failure(format!(
            "`{}` is not a file of {most} bytes at most",
            path.display()
        )));
    }
    std::fs::read(path).map_err(failed)
}

/// Posts under the kept session and prints the answer.
fn post(path: String, body: Value, format: Format, text: impl Fn(&Value) -> String) -> Outcome {
    let as_json = wants_json(format)?;
    wait(async move {
        match client::signed_in()?.post(&path, &body, None).await? {
            Answer::Yes(value) => show::answer(&value, as_json, text),
            Answer::No(problem) => show::refused(&problem, format),
        }
    })
}

/// Whether to print JSON; other formats are not for these verbs.
pub(super) fn wants_json(format: Format) -> Result<bool, Failure> {
    match format {
        Format::Text => Ok(false),
        Format::Json => Ok(true),
        _ => Err(Failure("this verb prints text or json".to_owned())),
    }
}

fn status(app: Option<String>, format: Format) -> Outcome {
    let as_json = wants_json(format)?;
    let path = match &app {
        Some(app) => format!("/api/v1/apps/{}", id(app)?),
        None => "/api/v1/apps".to_owned(),
    };
    wait(async move {
        match client::signed_in()?.get(&path).await? {
            Answer::Yes(value) => show::answer(
                &value,
                as_json,
                if app.is_some() { show::app } else { show::apps },
            ),
            Answer::No(problem) => show::refused(&problem, format),
        }
    })
}

/// Decides in the capacity whose turn it is and that the caller's role has; the server
/// says no to any other.
async fn approve(request: String, reject: bool, comment: String) -> Outcome {
    let client = client::signed_in()?;
    let path = format!("/api/v1/requests/{}", id(&request)?);
    let (it, me) = match (client.get(&path).await?, client.get("/api/v1/me").await?) {
        (Answer::Yes(it), Answer::Yes(me)) => (it, me),
        (Answer::No(problem), _) | (_, Answer::No(problem)) => {
            return show::refused(&problem, Format::Text);
        }
    };
    let turns: Vec<&str> = it
        .get("turns")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let roles: Vec<&str> = me
        .get("roles")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mine = |turn: &&&str| match **turn {
        "sponsor" => roles.contains(&"sponsor"),
        _ => roles.contains(&"platform_security"),
    };
    let Some(turn) = turns.iter().find(mine).or(turns.first()) else {
        say(&format!(
            "`{request}` waits for nobody: it is {}\n",
            show::text(&it, "/state")
        ));
        return Ok(false);
    };
    let verdict = if reject { "reject" } else { "approve" };
    let body =
        json!({ "capacity": turn.replace(' ', "_"), "verdict": verdict, "comment": comment });
    let seen = it.get("revision").and_then(Value::as_u64);
    match client
        .post(&format!("{path}/decisions"), &body, seen)
        .await?
    {
        Answer::Yes(value) => show::answer(&value, false, show::request),
        Answer::No(problem) => show::refused(&problem, Format::Text),
    }
}
