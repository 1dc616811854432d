//! `audit search`, `audit proof`, `audit export` against a server, and `audit verify`,
//! which needs none: it checks a ledger's folder as `burgess-verify log` does.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use burgess_ledger::audit::{self, Audited};
use burgess_ledger::policy::POLICY_BYTES_MAX;
use burgess_ledger::{NoteVerifier, Policy, Trust, note};

use super::client::{self, Answer, id};
use super::{show, wants_json};
use crate::cli::run::{Failure, Outcome, say, wait};
use crate::cli::{AuditVerb, Format, Narrow};
use crate::witnesses::NOT_WITNESSED;

/// Bytes of a part of a log at most: one more than a bundle of 256 entries of 65,535 bytes,
/// each with its length.
const PART_BYTES_MAX: u64 = 256 * (2 + 65_535) + 1;
/// Verifier keys are one line each; an ML-DSA-44 key has 1.8 kB.
const KEY_BYTES_MAX: u64 = 64 * 1024;

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
        AuditVerb::Proof { event, out } => wait(proof(event, out)),
        AuditVerb::Export {
            r#as,
            narrow,
            reason,
            event,
            out,
        } => {
            let path = match event {
                None => {
                    let mut pairs = pairs(narrow);
                    pairs.extend([("as", Some(r#as)), ("reason", reason)]);
                    format!("/api/v1/events?{}", query(&pairs))
                }
                Some(event) if r#as == "case" => {
                    let query = query(&[("reason", reason)]);
                    format!("/api/v1/events/{}/case?{query}", id(&event)?)
                }
                Some(_) => {
                    return Err(Failure(
                        "one event and what happened around it is a case: add --as case".to_owned(),
                    ));
                }
            };
            wait(export(path, out))
        }
        AuditVerb::Verify { dir, key, policy } => verify(&dir, &key, policy.as_deref()),
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

async fn proof(event: String, out: Option<PathBuf>) -> Outcome {
    let path = format!("/api/v1/events/{}/receipt", id(&event)?);
    let bytes = match client::signed_in()?.download(&path).await? {
        Ok(bytes) => bytes,
        Err(problem) => return show::refused(&problem, Format::Text),
    };
    let out = out.unwrap_or_else(|| PathBuf::from(format!("{event}.receipt.json")));
    std::fs::write(&out, &bytes)
        .map_err(|e| Failure(format!("`{}` cannot be written: {e}", out.display())))?;
    say(&format!(
        "wrote {0}: check it with `burgess-verify proof {0} --key VKEY`\n",
        out.display()
    ));
    Ok(true)
}

/// Writes what comes while it comes. A file that broke off is taken away: half an export must not
/// look like a whole one.
async fn export(path: String, out: Option<PathBuf>) -> Outcome {
    let client = client::signed_in()?;
    let Some(file) = out else {
        return match client.save(&path, &mut std::io::stdout().lock()).await? {
            Ok(_) => Ok(true),
            Err(problem) => show::refused(&problem, Format::Text),
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
            say(&format!("wrote {}: {bytes} bytes\n", file.display()));
            Ok(true)
        }
        Ok(Err(problem)) => {
            std::fs::remove_file(&part).map_err(cannot)?;
            show::refused(&problem, Format::Text)
        }
        Err(failure) => {
            std::fs::remove_file(&part).map_err(cannot)?;
            Err(failure)
        }
    }
}

/// Checks every entry and every hash of a ledger under keys that come from elsewhere.
pub(super) fn verify(dir: &Path, keys: &[String], policy: Option<&Path>) -> Outcome {
    if !dir.is_dir() {
        return Err(Failure(format!(
            "`{}` is not a folder: name the shard's, as DATA/ledger/main",
            dir.display()
        )));
    }
    let policy = policy.map(|path| policy_of(dir, path)).transpose()?;
    let mut verifiers = Vec::new();
    for key in keys {
        for line in verifier_keys(dir, key)?.lines() {
            verifiers.push(NoteVerifier::parse(line)?);
        }
    }
    let trust = Trust::new(verifiers, policy)?;
    let mut read = |name: &str| part(&dir.join(name));
    match audit::log(&mut read, &trust, None) {
        Ok(audited) => {
            let tree = &audited.signed.checkpoint;
            let root = note::encode_base64(&tree.root);
            say(&format!(
                "the ledger holds: every entry and every hash fits what was signed\norigin {}\nsize   {}\nroot   {root}\n{}\n",
                tree.origin,
                tree.size,
                standing(&audited, &trust)
            ));
            Ok(audited.standing.witnessed || !trust.has_policy())
        }
        Err(flaw) => {
            let place = flaw
                .index
                .map(|index| format!(" (entry {index})"))
                .unwrap_or_default();
            say(&format!(
                "the ledger does not hold: {}{place}: {}\n",
                flaw.file, flaw.what
            ));
            Ok(false)
        }
    }
}

fn standing(audited: &Audited, trust: &Trust) -> String {
    let (by, of) = (audited.standing.by.len(), audited.standing.of);
    let last = audited.best.checkpoint.size.saturating_sub(1);
    if audited.standing.witnessed {
        let names = audited.standing.by.join(", ");
        format!("witnessed up to entry {last} by {by} of {of}: {names}")
    } else if trust.has_policy() {
        format!("{NOT_WITNESSED}: {by} of {of} witnesses cosigned, which is no quorum")
    } else {
        NOT_WITNESSED.to_owned()
    }
}

fn policy_of(dir: &Path, path: &Path) -> Result<Policy, Failure> {
    let mut bytes = Vec::new();
    from_outside(dir, path, "policy")?;
    let limit = u64::try_from(POLICY_BYTES_MAX).unwrap_or(u64::MAX);
    File::open(path)
        .map_err(|cause| Failure(format!("`{}`: {cause}", path.display())))?
        .take(limit + 1)
        .read_to_end(&mut bytes)?;
    Policy::parse(&bytes).map_err(|cause| Failure(format!("`{}`: {cause}", path.display())))
}

/// A key itself, or those in a file outside the folder, one a line.
fn verifier_keys(dir: &Path, key: &str) -> Result<String, Failure> {
    let path = Path::new(key);
    if !path.is_file() {
        return if key.contains('+') {
            Ok(key.to_owned())
        } else {
            Err(Failure(format!(
                "`{key}` is neither a verifier key nor a file that holds one"
            )))
        };
    }
    from_outside(dir, path, "key")?;
    let mut text = String::new();
    File::open(path)?
        .take(KEY_BYTES_MAX)
        .read_to_string(&mut text)?;
    Ok(text)
}

/// What comes from inside the folder proves nothing.
fn from_outside(dir: &Path, path: &Path, what: &str) -> Result<(), Failure> {
    if path.canonicalize()?.starts_with(dir.canonicalize()?) {
        return Err(Failure(format!(
            "the {what} `{}` lies inside the ledger that it is to check, which proves nothing: get it from where the operator published it",
            path.display()
        )));
    }
    Ok(())
}

fn part(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(PART_BYTES_MAX)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}
