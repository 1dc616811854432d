//! `audit verify`: a shard's folder, checked as `burgess-verify log` does. It needs no server.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use burgess_ledger::audit::{self, Audited};
use burgess_ledger::policy::POLICY_BYTES_MAX;
use burgess_ledger::verify::{self, Flaw};
use burgess_ledger::{NoteVerifier, Policy, Pruned, Trust, line, note};
use serde_json::{Value, json};

use super::{show, wants_json};
use crate::cli::Format;
use crate::cli::run::{Failure, Outcome};
use crate::witnesses::NOT_WITNESSED;

/// Bytes of a part of a log at most: one more than a bundle of 256 entries of 65,535 bytes,
/// each with its length.
const PART_BYTES_MAX: u64 = 256 * (2 + 65_535) + 1;
/// Verifier keys are one line each; an ML-DSA-44 key has 1.8 kB.
const KEY_BYTES_MAX: u64 = 64 * 1024;

/// Checks every entry and every hash of a ledger under keys that come from elsewhere.
pub(super) fn run(dir: &Path, keys: &[String], policy: Option<&Path>, format: Format) -> Outcome {
    let as_json = wants_json(format)?;
    is_a_shard(dir)?;
    let policy = policy.map(|path| policy_of(dir, path)).transpose()?;
    let mut verifiers = Vec::new();
    for key in keys {
        for line in verifier_keys(dir, key)?.lines() {
            verifiers.push(NoteVerifier::parse(line)?);
        }
    }
    let trust = Trust::new(verifiers, policy)?;
    let mut read = |name: &str| part(&dir.join(name));
    let found = audit::log(&mut read, &trust, None).and_then(|audited| {
        let pruned = verify::pruned(&mut read, audited.signed.checkpoint.size)?;
        Ok((audited, pruned))
    });
    let (holds, value, text) = match found {
        Ok((audited, pruned)) => held(&audited, pruned.as_ref(), &trust),
        Err(flaw) => broken(&flaw),
    };
    show::answer(&value, as_json, |_| text.clone())?;
    Ok(holds)
}

fn held(audited: &Audited, pruned: Option<&Pruned>, trust: &Trust) -> (bool, Value, String) {
    let tree = &audited.signed.checkpoint;
    let root = note::encode_base64(&tree.root);
    let witnessed = audited.standing.witnessed;
    let holds = witnessed || !trust.has_policy();
    let what = match pruned {
        None => "the ledger holds: every entry and every hash fits what was signed".to_owned(),
        Some(mark) if mark.minimum_index == tree.size => format!(
            "the ledger holds: every hash fits what was signed; all {} entries were pruned, the operator says under policy {}",
            tree.size, mark.policy
        ),
        Some(mark) => format!(
            "the ledger holds: every entry from {} on and every hash fits what was signed; entries 0 to {} were pruned, the operator says under policy {}",
            mark.minimum_index,
            mark.minimum_index.saturating_sub(1),
            mark.policy
        ),
    };
    let standing = standing(audited, trust);
    let text = format!(
        "{what}\norigin {}\nsize   {}\nroot   {root}\n{standing}\n",
        tree.origin, tree.size
    );
    let value = json!({
        "verdict": if holds { "holds" } else { "not_witnessed" },
        "origin": tree.origin, "size": tree.size, "root": root,
        "minimum_index": pruned.map_or(0, |mark| mark.minimum_index),
        "witnessed": witnessed, "file": null, "index": null, "what": format!("{what}; {standing}"),
    });
    (holds, value, text)
}

fn broken(flaw: &Flaw) -> (bool, Value, String) {
    let place = flaw
        .index
        .map(|index| format!(" (entry {index})"))
        .unwrap_or_default();
    let text = format!(
        "the ledger does not hold: {}{place}: {}\n",
        flaw.file, flaw.what
    );
    let value = json!({
        "verdict": "does_not_hold", "origin": null, "size": null, "root": null, "minimum_index": null,
        "witnessed": false, "file": flaw.file, "index": flaw.index, "what": flaw.what,
    });
    (false, value, text)
}

/// Whether the folder is that of one shard. One that lost its checkpoint still is: that is a finding
/// about the ledger, not about the call.
fn is_a_shard(dir: &Path) -> Result<(), Failure> {
    let shown = dir.display();
    if !dir.is_dir() {
        return Err(Failure(format!(
            "`{shown}` is not a folder: name the shard's, as DATA/ledger/main"
        )));
    }
    let shards = shards_in(dir)?;
    if !shards.is_empty() {
        let all: Vec<String> = shards
            .iter()
            .map(|name| dir.join(name).display().to_string())
            .collect();
        return Err(Failure(format!(
            "`{shown}` is the folder of the shards, not one of them: name {}; `burgess-verify log {shown}` checks all of them and that each continues the one before",
            all.join(" or ")
        )));
    }
    if !dir.join("checkpoint").exists() && !dir.join("tile").is_dir() {
        return Err(Failure(format!(
            "`{shown}` holds no file `checkpoint`, so it is no ledger shard: name the shard's folder, as DATA/ledger/main"
        )));
    }
    Ok(())
}

/// The folders in it that are shards, `main` first.
fn shards_in(dir: &Path) -> Result<Vec<String>, Failure> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.path().join("checkpoint").is_file() {
            names.extend(entry.file_name().into_string());
        }
    }
    Ok(line::order(&names).into_iter().map(str::to_owned).collect())
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
