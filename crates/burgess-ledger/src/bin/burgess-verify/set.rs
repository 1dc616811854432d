//! `log` over a folder of shards: each of them, and the chain between them.

use std::path::Path;

use burgess_ledger::{Trust, line, note};
use serde_json::json;

use crate::report::{self, Finding};
use crate::request::Request;
use crate::{Failure, read_part, refused};

/// The folders in it that are named like shards, whole or not; empty where it is one log itself.
/// What is both would let whoever wrote it choose what is checked.
pub(crate) fn shards(folder: &Path) -> Result<Vec<String>, Failure> {
    let unreadable = |cause| Failure::Usage(format!("`{}`: {cause}", folder.display()));
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if entry.file_type().map_err(unreadable)?.is_dir() {
            names.extend(entry.file_name().into_string());
        }
    }
    let names: Vec<String> = line::order(&names).into_iter().map(str::to_owned).collect();
    let has_one = |name: &String| folder.join(name).join("checkpoint").exists();
    let Some(shard) = names.iter().find(|name| has_one(name)) else {
        return Ok(Vec::new());
    };
    if folder.join("checkpoint").exists() {
        let what =
            format!("is beside the shard `{shard}`: a folder is one ledger or a folder of shards");
        return Err(Failure::Refused {
            file: "checkpoint".to_owned(),
            index: None,
            what,
        });
    }
    Ok(names)
}

pub(crate) fn check(
    request: &Request,
    trust: &Trust,
    shards: &[String],
) -> Result<Finding, Failure> {
    if request.old.is_some() {
        let what = "`--old` is a checkpoint of one ledger: name that shard's folder";
        return Err(Failure::Usage(what.to_owned()));
    }
    let folder = &request.target;
    let mut read = |shard: &str, file: &str| read_part(&folder.join(shard).join(file));
    let held = line::all(shards, &mut read, trust).map_err(refused)?;
    let shards = match held.len() {
        1 => "its one shard".to_owned(),
        many => format!("{many} shards"),
    };
    let mut sentences = vec![format!(
        "the ledger holds in {shards}: every entry that is left and every hash fits what was signed"
    )];
    // Whoever cosigned the newest shard of a line cosigned what it continues.
    let newest = || held.iter().filter(|shard| !shard.continued);
    let witnessed = newest().all(|shard| shard.audited.standing.witnessed);
    let mut json = Vec::new();
    for shard in &held {
        let (tree, standing) = (&shard.audited.signed.checkpoint, &shard.audited.standing);
        let root = note::encode_base64(&tree.root);
        sentences.push(format!(
            "{}\n  origin {}\n  size   {}\n  root   {root}",
            shard.name, tree.origin, tree.size
        ));
        let gone = shard.pruned.as_ref().map_or(0, |it| it.minimum_index);
        if let Some(mark) = &shard.pruned {
            let (last, policy) = (gone.saturating_sub(1), &mark.policy);
            sentences.push(format!(
                "  entries 0 to {last} were pruned, the operator says under policy {policy}"
            ));
        }
        if let Some(before) = &shard.continues {
            sentences.push(format!("  it continues {before}"));
        }
        json.push(json!({
            "name": shard.name,
            "origin": tree.origin,
            "size": tree.size,
            "root": root,
            "minimum_index": gone,
            "pruned_under": shard.pruned.as_ref().map(|mark| &mark.policy),
            "continues": shard.continues,
            "witnessed": standing.witnessed,
        }));
        if !shard.continued && trust.has_policy() {
            sentences.push(format!(
                "  {} of {} witnesses cosigned",
                standing.by.len(),
                standing.of
            ));
        }
    }
    if !witnessed {
        sentences.push(report::NOT_WITNESSED.to_owned());
    }
    Ok(Finding {
        sentences,
        json: vec![("shards", json!(json)), ("witnessed", json!(witnessed))],
        holds: witnessed || !trust.has_policy(),
    })
}
