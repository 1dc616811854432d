//! A folder of shards, as an auditor checks it: every shard as [`audit::log`] does, and that each
//! continues the one before.
//!
//! Pure, as `audit` is. A line is walked from its newest shard back, because trust goes that way:
//! the newest is under a key from outside, and its entry 0 is the last checkpoint of the shard
//! before, byte for byte. So that one may be read with the key in its own folder, and so on.

use crate::audit::{self, Audited};
use crate::chain;
use crate::checkpoint::SignedCheckpoint;
use crate::marks::Pruned;
use crate::note::NoteVerifier;
use crate::shards::{self, MAIN};
use crate::tile::{Kind, TileId, node, read_entries};
use crate::tree::leaf_hash;
use crate::trust::Trust;
use crate::verify::{self, Flaw};
use std::collections::BTreeMap;
use std::io;

/// A shard that holds.
#[derive(Debug, Clone)]
pub struct Held {
    /// Its folder's name.
    pub name: String,
    /// What an auditor finds in it alone.
    pub audited: Audited,
    /// What was pruned of it.
    pub pruned: Option<Pruned>,
    /// The shard that it continues, where that one is there too.
    pub continues: Option<String>,
    /// Whether a shard that is there continues it, which vouches for all of it.
    pub continued: bool,
}

/// The names that can be shards of one set, in the order in which they are checked and told: `main`
/// first, then the other classes by name, each from its newest shard back.
#[must_use]
pub fn order(names: &[String]) -> Vec<&str> {
    let mut found: Vec<((bool, &str, u32), &str)> = names
        .iter()
        .filter_map(|name| {
            let (class, number) = shards::parse(name)?;
            let backwards = u32::MAX.saturating_sub(number);
            Some(((class != MAIN, class, backwards), name.as_str()))
        })
        .collect();
    found.sort_unstable();
    found.into_iter().map(|(_, name)| name).collect()
}

/// Checks all shards that `names` lists, and the chain between neighbours. `read` answers a file of
/// a shard, or `NotFound`. Keys of shards that another continues need not be given. Whoever can
/// leave a shard out hides what was in it, so a gap in a line is a flaw, and so is a key whose shard
/// is not there.
///
/// # Errors
/// The first [`Flaw`]; its file begins with the shard's name.
pub fn all(
    names: &[String],
    read: &mut impl FnMut(&str, &str) -> io::Result<Vec<u8>>,
    trust: &Trust,
) -> Result<Vec<Held>, Flaw> {
    let mut held: BTreeMap<(&str, u32), usize> = BTreeMap::new();
    let mut found: Vec<Held> = Vec::new();
    for name in order(names) {
        let Some((class, number)) = shards::parse(name) else {
            continue;
        };
        let next = held.get(&(class, number.saturating_add(1))).copied();
        let next = next.and_then(|at| found.get_mut(at));
        // An empty shard was begun and has no entry 0 yet.
        let next = next.filter(|next| next.audited.signed.checkpoint.size > 0);
        let one = match next {
            None => shard(name, read, trust)?,
            Some(next) => {
                let (key, last) = linked(name, next, read, trust)?;
                next.continues = Some(name.to_owned());
                let one = match key {
                    None => shard(name, read, trust)?,
                    Some(key) => {
                        let own = Trust::new(vec![key], None);
                        let own = own.map_err(|cause| flaw(name, "vkey", None, &cause))?;
                        shard(name, read, &own)?
                    }
                };
                if one.audited.signed.note.as_bytes() != last {
                    let what = "changed while it was read, check again";
                    return Err(flaw(name, "checkpoint", None, &what));
                }
                Held {
                    continued: true,
                    ..one
                }
            }
        };
        held.insert((class, number), found.len());
        found.push(one);
    }
    without_gaps(&held)?;
    check_origins(&found, trust)?;
    Ok(found)
}

/// That the shard before each one is there.
fn without_gaps(held: &BTreeMap<(&str, u32), usize>) -> Result<(), Flaw> {
    for (class, number) in held.keys() {
        let before = number.saturating_sub(1);
        if before > 0 && !held.contains_key(&(*class, before)) {
            let (name, next) = (shards::name(class, before), shards::name(class, *number));
            let what = format!(
                "is missing, though `{next}` continues it (to check that one alone, name its folder)"
            );
            return Err(flaw(&name, "checkpoint", None, &what));
        }
    }
    Ok(())
}

/// That each shard is the one that its folder is named for, all of one ledger, and that none is
/// missing for which there is a key.
fn check_origins(found: &[Held], trust: &Trust) -> Result<(), Flaw> {
    let mut first = None;
    for shard in found {
        let origin = origin(shard);
        let ledger = match shard.name.as_str() {
            MAIN => Some(origin),
            name => origin
                .strip_suffix(name)
                .and_then(|origin| origin.strip_suffix('/')),
        };
        if ledger.is_none() || ledger != *first.get_or_insert(ledger) {
            let what = format!("is that of `{origin}`, which is not the shard of this folder");
            return Err(flaw(&shard.name, "checkpoint", None, &what));
        }
    }
    let origins: Vec<&str> = found.iter().map(origin).collect();
    let ledger = first.flatten().unwrap_or_default();
    all_there(&origins, Some(ledger), trust)
}

fn origin(shard: &Held) -> &str {
    &shard.audited.signed.checkpoint.origin
}

/// That every log for which there is a key is among those that were found, under these origins. A
/// policy may be about other ledgers as well; of it those count that are shards of `ledger`.
///
/// # Errors
/// A [`Flaw`] whose file is the first one's name.
pub fn all_there(origins: &[&str], ledger: Option<&str>, trust: &Trust) -> Result<(), Flaw> {
    let ours = |name: &&str| {
        let rest = ledger.and_then(|ledger| name.strip_prefix(ledger));
        trust.has_keys() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let mut missing = trust.logs().filter(ours);
    match missing.find(|name| !origins.contains(name)) {
        None => Ok(()),
        Some(name) => Err(Flaw {
            file: name.to_owned(),
            index: None,
            what: "is not here, though there is a key for it".to_owned(),
        }),
    }
}

/// The origin of the shard that a log of `size` entries continues, if its entry 0 is there and says
/// so.
///
/// # Errors
/// A [`Flaw`] of the bundle.
pub fn continued(
    read: &mut impl FnMut(&str) -> io::Result<Vec<u8>>,
    size: u64,
    minimum_index: u64,
) -> Result<Option<String>, Flaw> {
    let id = TileId::at(Kind::Entries, 0, size).filter(|_| minimum_index == 0);
    let Some(id) = id else {
        return Ok(None);
    };
    let (_, entries) = read_entries(read, &id)?;
    let first = entries.first().map(Vec::as_slice).unwrap_or_default();
    Ok(chain::previous_origin(first).map(str::to_owned))
}

fn flaw(shard: &str, file: &str, index: Option<u64>, what: &dyn std::fmt::Display) -> Flaw {
    Flaw {
        file: format!("{shard}/{file}"),
        index,
        what: what.to_string(),
    }
}

/// A shard by itself.
fn shard(
    name: &str,
    read: &mut impl FnMut(&str, &str) -> io::Result<Vec<u8>>,
    trust: &Trust,
) -> Result<Held, Flaw> {
    let mut read = |file: &str| read(name, file);
    let named = |it: Flaw| flaw(name, &it.file, it.index, &it.what);
    let audited = audit::log(&mut read, trust, None).map_err(named)?;
    let size = audited.signed.checkpoint.size;
    let pruned = verify::pruned(&mut read, size).map_err(named)?;
    if shards::parse(name).is_some_and(|(_, number)| number == 1) {
        let gone = pruned.as_ref().map_or(0, |it| it.minimum_index);
        if let Some(before) = continued(&mut read, size, gone).map_err(named)? {
            let what = format!("continues `{before}`, and cannot be the first of its line");
            return Err(flaw(name, "checkpoint", None, &what));
        }
    }
    Ok(Held {
        name: name.to_owned(),
        audited,
        pruned,
        continues: None,
        continued: false,
    })
}

/// The key from a shard's own folder, where none came from outside, and its last checkpoint.
type Link = (Option<NoteVerifier>, Vec<u8>);

/// Checks that `next`, which holds, continues the shard of that name.
fn linked(
    name: &str,
    next: &Held,
    read: &mut impl FnMut(&str, &str) -> io::Result<Vec<u8>>,
    trust: &Trust,
) -> Result<Link, Flaw> {
    let (own, last) = ("vkey", "checkpoint");
    let previous = read(name, last).map_err(|cause| flaw(name, last, None, &cause))?;
    let key = match trust.key_for(&previous) {
        Ok(_) => None,
        Err(_) => {
            let bytes = read(name, own).map_err(|cause| flaw(name, own, None, &cause))?;
            let text = String::from_utf8_lossy(&bytes);
            let key = NoteVerifier::parse(text.trim_end());
            Some(key.map_err(|cause| flaw(name, own, None, &cause))?)
        }
    };
    let verifier = match &key {
        Some(key) => key,
        None => trust
            .key_for(&previous)
            .map_err(|cause| flaw(name, last, None, &cause))?,
    };
    let size = next.audited.signed.checkpoint.size;
    let gone = next.pruned.as_ref().is_some_and(|it| it.minimum_index > 0);
    let mut part = |file: &str| read(&next.name, file);
    let id = TileId::at(Kind::Entries, 0, size).filter(|_| !gone);
    let Some(id) = id else {
        // The entry is gone, its hash is not.
        let hash = node(&mut part, size, 0, 0);
        let hash = hash.map_err(|cause| named(next, cause.into()))?;
        let signed = SignedCheckpoint::open(&previous, verifier);
        signed.map_err(|cause| flaw(name, last, None, &cause))?;
        if hash == leaf_hash(&previous) {
            return Ok((key, previous));
        }
        let what = format!("entry 0 was not the last checkpoint of `{name}`");
        let id = TileId::at(Kind::Hashes(0), 0, size);
        let file = id.map(|id| id.path()).unwrap_or_default();
        return Err(flaw(&next.name, &file, Some(0), &what));
    };
    let (file, entries) =
        read_entries(&mut part, &id).map_err(|cause| named(next, cause.into()))?;
    let entry = entries.first().map(Vec::as_slice).unwrap_or_default();
    match chain::continues(entry, &previous, verifier) {
        Ok(_) => Ok((key, previous)),
        Err(chain::ChainError::Previous(what)) => Err(flaw(name, last, None, &what)),
        Err(cause) => Err(flaw(&next.name, &file, Some(0), &cause)),
    }
}

fn named(shard: &Held, it: Flaw) -> Flaw {
    flaw(&shard.name, &it.file, it.index, &it.what)
}
