//! What `burgess doctor` sees of the ledger and its archive: that each shard's edge is there and
//! signed, that the database has not seen more or less of an open one, that archive files and their
//! copies are there, and that erasures are finished. Without a lock, without a change, and without reading every entry, which
//! is for `burgess-verify log`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use burgess_core::time::Span;
use burgess_ledger::shards::MAIN;
use burgess_ledger::tile::{
    Kind, TILE_WIDTH, TileId, leaf_hashes, node, read_entries, read_hashes,
};
use burgess_ledger::tree::range_root;
use burgess_ledger::{Checkpoint, NoteVerifier, Policy, SignedCheckpoint, line, verify};

use super::{Symptom, archive, erasures};
use crate::ambient::Ambient;
use crate::config::Config;
use crate::witnesses::NOT_WITNESSED;

/// Bytes of a part of a log at most: one more than a bundle of 256 entries of 65,535 bytes, each
/// with its length.
const PART_BYTES_MAX: u64 = 256 * (2 + 65_535) + 1;
/// A server that publishes meanwhile may move a shard's edge under our eyes, or change an archive
/// file, but not each time.
const LOOKS: u32 = 4;
const BETWEEN_LOOKS: Duration = Duration::from_millis(150);

const RESTORE: &str = "check the folder with `burgess-verify log`, and restore it from a backup";
const RECOVER: &str = "if you have just restored a backup, run `burgess recover`; otherwise restore the database and `ledger/` as they were at one time";
const NEWEST: &str =
    "put the newest copy of `ledger/` back; on an older one, entries would begin a second history";

/// Everything that is the matter.
pub async fn look(config: &Config) -> Vec<Symptom> {
    let mut found = Vec::new();
    let names = shards(config).await;
    let order = line::order(&names);
    for name in &order {
        let folder = config.ledgers().join(name);
        let mut seen = shard(config, name, &folder).await;
        for _ in 1..LOOKS {
            if seen.is_none() {
                break;
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
            seen = shard(config, name, &folder).await;
        }
        found.extend(seen);
    }
    found.extend(unlisted(config, &order));
    for name in &order {
        let mut seen = archive::look(config, name);
        for _ in 1..LOOKS {
            if seen.is_empty() {
                break;
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
            seen = archive::look(config, name);
        }
        found.extend(seen);
    }
    let now = Ambient::behind(Span::ZERO).now();
    let mut seen = erasures::look(config, &order, now).await;
    for _ in 1..LOOKS {
        if seen.is_empty() {
            break;
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
        seen = erasures::look(config, &order, now).await;
    }
    found.extend(seen);
    found
}

/// The shards that have a folder, and those that the database knows: what is gone is missed, too. A
/// folder in which nothing was published is one that was just begun.
async fn shards(config: &Config) -> Vec<String> {
    let ledgers = config.ledgers();
    let entries = std::fs::read_dir(&ledgers).into_iter().flatten();
    let mut names: BTreeSet<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| {
            let has = |file: &str| ledgers.join(name).join(file).exists();
            has("checkpoint") || has("tile")
        })
        .collect();
    // A database that cannot be read is told of with the first open shard.
    let rows = burgess_store::newest_checkpoints(&config.data).await;
    let main = config.origin();
    for origin in rows.unwrap_or_default().into_keys() {
        let name = origin.strip_prefix(&main).map(|rest| match rest {
            "" => MAIN,
            rest => rest.trim_start_matches('/'),
        });
        names.extend(name.map(str::to_owned));
    }
    names.into_iter().collect()
}

/// Open shards about which no witness is asked, because the policy lists others.
fn unlisted(config: &Config, names: &[&str]) -> Vec<Symptom> {
    let policy = config.witness_policy.as_ref().map(std::fs::read);
    // A policy that cannot be read keeps the server from starting, which says why.
    let policy = policy.and_then(|bytes| Policy::parse(&bytes.ok()?).ok());
    let Some(policy) = policy.filter(|policy| !policy.logs().is_empty()) else {
        return Vec::new();
    };
    let lists = |key: &str| {
        let mut logs = policy.logs().iter();
        logs.any(|log| log.verifier.to_string() == key)
    };
    let open = names.iter().filter_map(|name| {
        let folder = config.ledgers().join(name);
        let key = part(&folder, "vkey").ok()?;
        let key = String::from_utf8(key).ok()?.trim_end().to_owned();
        (!folder.join("sealed").exists() && !lists(&key)).then(|| {
            let what = format!(
                "the witness policy does not list the open shard `{name}`: it is {NOT_WITNESSED}"
            );
            Symptom::new(
                what,
                &format!("add the line `log {key}`, give that key to every witness, and restart"),
            )
        })
    });
    open.collect()
}

/// What is the matter with a shard.
async fn shard(config: &Config, name: &str, folder: &Path) -> Option<Symptom> {
    if !folder.is_dir() {
        let what = format!("the database knows the shard `{name}`, and its folder is gone");
        return Some(Symptom::new(what, NEWEST));
    }
    let open = !folder.join("sealed").exists();
    let kind = if open { "open" } else { "sealed" };
    let unreadable = |cause: String| {
        let what = format!("the {kind} shard `{name}` cannot be read: {cause}");
        Symptom::new(what, RESTORE)
    };
    // Before the database's row: that one is moved first, so it is never the older of the two.
    let (verifier, tree) = match edge(folder) {
        Ok(edge) => edge,
        Err(cause) => return Some(unreadable(cause)),
    };
    if !open {
        return None;
    }
    let rows = match burgess_store::newest_checkpoints(&config.data).await {
        Ok(rows) => rows,
        Err(cause) => {
            let what = format!("the database cannot be read: {cause}");
            return Some(Symptom::new(what, "restore it from a backup"));
        }
    };
    agrees(name, folder, &verifier, &tree, &rows)
}

/// Whether the lock table's row of an open shard is where the shard is.
fn agrees(
    name: &str,
    folder: &Path,
    verifier: &NoteVerifier,
    tree: &Checkpoint,
    rows: &BTreeMap<String, String>,
) -> Option<Symptom> {
    let Some(row) = rows.get(&tree.origin) else {
        let what = format!("the database knows no checkpoint of the open shard `{name}`");
        return Some(Symptom::new(what, RECOVER));
    };
    let row = match SignedCheckpoint::open(row.as_bytes(), verifier) {
        Ok(row) => row.checkpoint,
        Err(cause) => {
            let what = format!(
                "what the database knows of the open shard `{name}` is not signed by its key: {cause}"
            );
            return Some(Symptom::new(what, RECOVER));
        }
    };
    let sizes = format!(
        "the database knows {} entries of the open shard `{name}`, its folder has {}",
        row.size, tree.size
    );
    if row.size < tree.size {
        let what = format!("{sizes}: the database is an older copy");
        return Some(Symptom::new(what, RECOVER));
    }
    // A crash may have come between the row and the folder's checkpoint: then the tiles are there.
    let there = root(folder, row.size);
    if there.is_ok_and(|root| root == row.root) {
        return None;
    }
    let what = format!("{sizes}: the ledger is an older or another copy");
    Some(Symptom::new(what, NEWEST))
}

/// A shard's key and what it signed last, after a look at what that leads to: the tiles of the
/// right edge, and the last entries.
fn edge(folder: &Path) -> Result<(NoteVerifier, Checkpoint), String> {
    let mut read = |name: &str| part(folder, name);
    let have = |name: &str| read(name).map_err(|cause| format!("{name}: {cause}"));
    let key = String::from_utf8(have("vkey")?).map_err(|cause| format!("vkey: {cause}"))?;
    let key = NoteVerifier::parse(key.trim_end()).map_err(|cause| format!("vkey: {cause}"))?;
    let note = have("checkpoint")?;
    let signed = SignedCheckpoint::open(&note, &key);
    let tree = signed
        .map_err(|cause| format!("checkpoint: {cause}"))?
        .checkpoint;
    match have("sealed") {
        Ok(mark) if mark != note => {
            return Err("checkpoint: it is not the one with which the shard was sealed".to_owned());
        }
        _ => {}
    }
    if root(folder, tree.size)? != tree.root {
        return Err("checkpoint: its root is not that of the tiles".to_owned());
    }
    let pruned = verify::pruned(&mut read, tree.size).map_err(|flaw| flaw.to_string())?;
    let gone = pruned.is_some_and(|mark| mark.minimum_index == tree.size);
    let last = tree.size.saturating_sub(1) / TILE_WIDTH;
    let (entries, hashes) = (
        TileId::at(Kind::Entries, last, tree.size),
        TileId::at(Kind::Hashes(0), last, tree.size),
    );
    if let (Some(entries), Some(hashes), false) = (entries, hashes, gone) {
        let (file, entries) = read_entries(&mut read, &entries).map_err(|e| e.to_string())?;
        let (_, hashes) = read_hashes(&mut read, &hashes).map_err(|e| e.to_string())?;
        if leaf_hashes(&entries) != hashes {
            return Err(format!("{file}: its entries do not have their leaf hashes"));
        }
    }
    Ok((key, tree))
}

/// The root that the tiles give for a size.
fn root(folder: &Path, size: u64) -> Result<burgess_ledger::Hash, String> {
    let mut read = |name: &str| part(folder, name);
    range_root(0, size, &mut |height, n| node(&mut read, size, height, n))
        .map_err(|cause| cause.to_string())
}

fn part(folder: &Path, name: &str) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(folder.join(name))?
        .take(PART_BYTES_MAX)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}
