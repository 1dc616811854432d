//! Whom an auditor or a log trusts to have looked: C2SP `tlog-policy`.
//!
//! A policy file names logs, witnesses and the quorum of witnesses that must have cosigned a
//! checkpoint. Reading it is strict and names the line; judging a checkpoint is a pure function of
//! its note. Not here: asking witnesses, and what follows from an answer.

use crate::key::{KeyKind, NoteVerifier};
use crate::note::NoteError;
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of a policy file at most: a hundred ML-DSA-44 keys take 180 kB.
pub const POLICY_BYTES_MAX: usize = 256 << 10;
/// Logs, witnesses and groups at most, each; the standard asks for at least 32. Two lines by each of
/// 48 witnesses still fit into a note.
const EACH_MAX: usize = 48;

/// Why a policy file was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The file as a whole.
    #[error("policy: {0}")]
    File(&'static str),
    /// One line of it.
    #[error("policy, line {line}: {what}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
}

/// A log or a witness of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// Its name in the policy; for a log, its origin.
    pub name: String,
    /// Its key.
    pub verifier: NoteVerifier,
    /// Where it is reached.
    pub url: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    Witness(usize),
    Group(usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    needed: usize,
    members: Vec<Member>,
}

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<Party>,
    witnesses: Vec<Party>,
    groups: Vec<Group>,
    /// `None` is `quorum none`.
    quorum: Option<Member>,
}

/// How far witnesses stand behind a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Names of the witnesses that cosigned, in the policy's order.
    pub by: Vec<String>,
    /// Witnesses that the policy names.
    pub of: usize,
    /// Whether those that cosigned are a quorum. Never without a witness, also under `quorum none`.
    pub witnessed: bool,
    /// The earliest time among their cosignatures, in seconds since 1970; 0 where one has none.
    pub since: u64,
}

impl Standing {
    /// The standing of a checkpoint that nobody was asked about.
    #[must_use]
    pub fn alone() -> Self {
        Self {
            by: Vec::new(),
            of: 0,
            witnessed: false,
            since: 0,
        }
    }
}

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    /// [`PolicyError`], which names the line.
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        if bytes.len() > POLICY_BYTES_MAX {
            return Err(PolicyError::File("is larger than 256 KiB"));
        }
        if !bytes.is_empty() && !bytes.ends_with(b"\n") {
            return Err(PolicyError::File("does not end with a newline"));
        }
        let mut reading = Reading::default();
        for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
            reading
                .line(line)
                .map_err(|what| PolicyError::Line { line: number, what })?;
        }
        let quorum = reading.quorum.ok_or(PolicyError::File(
            "has no `quorum` line, add `quorum none` or the name of a witness or group",
        ))?;
        Ok(Self {
            logs: reading.logs,
            witnesses: reading.witnesses,
            groups: reading.groups,
            quorum,
        })
    }

    /// The logs that it accepts; none means any.
    #[must_use]
    pub fn logs(&self) -> &[Party] {
        &self.logs
    }

    /// The witnesses that it knows.
    #[must_use]
    pub fn witnesses(&self) -> &[Party] {
        &self.witnesses
    }

    /// Who cosigned a note, and whether that is enough. The log's own signature is not looked at.
    ///
    /// # Errors
    /// [`NoteError`]: malformed, or a known witness's line does not verify.
    pub fn standing(&self, note: &[u8]) -> Result<Standing, NoteError> {
        let (mut cosigned, mut by, mut since) = (BTreeSet::new(), Vec::new(), None);
        for (at, witness) in self.witnesses.iter().enumerate() {
            if let Some(time) = witness.verifier.signed_at(note)? {
                cosigned.insert(at);
                by.push(witness.name.clone());
                since = Some(since.map_or(time, |since: u64| since.min(time)));
            }
        }
        Ok(Standing {
            by,
            of: self.witnesses.len(),
            witnessed: self.is_quorum(&cosigned),
            since: since.unwrap_or(0),
        })
    }

    /// Groups only name what stands before them, so one pass decides them all.
    fn is_quorum(&self, cosigned: &BTreeSet<usize>) -> bool {
        let mut groups: Vec<bool> = Vec::new();
        let stands = |member: &Member, groups: &[bool]| match member {
            Member::Witness(at) => cosigned.contains(at),
            Member::Group(at) => groups.get(*at).copied().unwrap_or(false),
        };
        for group in &self.groups {
            let standing = group.members.iter().filter(|it| stands(it, &groups));
            groups.push(standing.count() >= group.needed);
        }
        self.quorum.is_some_and(|member| stands(&member, &groups))
    }
}

/// A policy while its lines are read.
#[derive(Default)]
struct Reading {
    logs: Vec<Party>,
    witnesses: Vec<Party>,
    groups: Vec<Group>,
    quorum: Option<Option<Member>>,
    /// Names are opaque bytes to the standard.
    names: BTreeMap<Vec<u8>, Member>,
    /// Names that are a member of a group already.
    taken: BTreeSet<Vec<u8>>,
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Reading {
    fn line(&mut self, line: &[u8]) -> Result<(), String> {
        if line
            .iter()
            .any(|byte| *byte < b' ' && *byte != b'\t' || *byte == 0x7f)
        {
            return Err("contains a control character".to_owned());
        }
        let words: Vec<&[u8]> = line
            .split(|byte| matches!(byte, b' ' | b'\t'))
            .filter(|word| !word.is_empty())
            .collect();
        match words.as_slice() {
            [] => Ok(()),
            [first, ..] if first.starts_with(b"#") => Ok(()),
            [b"log", key, rest @ ..] => self.log(key, rest),
            [b"witness", name, key, rest @ ..] => self.witness(name, key, rest),
            [b"group", name, needed, members @ ..] => self.group(name, needed, members),
            [b"quorum", name] => self.quorum(name),
            [first, ..] => Err(format!(
                "`{}` is not `log VKEY [URL]`, `witness NAME VKEY [URL]`, `group NAME all|any|N NAME…` or `quorum NAME|none`",
                shown(first)
            )),
        }
    }

    fn log(&mut self, key: &[u8], rest: &[&[u8]]) -> Result<(), String> {
        let verifier = verifier(key)?;
        if verifier.kind() == KeyKind::CosignatureEd25519 {
            return Err("a log's key is Ed25519 (0x01) or ML-DSA-44 (0x06)".to_owned());
        }
        let name = verifier.name().to_owned();
        add(&mut self.logs, name, verifier, rest)
    }

    fn witness(&mut self, name: &[u8], key: &[u8], rest: &[&[u8]]) -> Result<(), String> {
        let verifier = verifier(key)?;
        if verifier.kind() == KeyKind::Ed25519 {
            return Err("a witness's key is Ed25519 (0x04) or ML-DSA-44 (0x06)".to_owned());
        }
        self.define(name, Member::Witness(self.witnesses.len()))?;
        add(&mut self.witnesses, shown(name), verifier, rest)
    }

    fn group(&mut self, name: &[u8], needed: &[u8], members: &[&[u8]]) -> Result<(), String> {
        let mut group = Group {
            needed: 0,
            members: Vec::new(),
        };
        for member in members {
            group.members.push(self.known(member)?);
            if !self.taken.insert(member.to_vec()) {
                return Err(format!("`{}` is in a group already", shown(member)));
            }
        }
        let count = group.members.len();
        group.needed = match needed {
            b"any" => 1,
            b"all" => count,
            digits => std::str::from_utf8(digits)
                .ok()
                .and_then(|digits| {
                    digits
                        .parse()
                        .ok()
                        .filter(|n: &usize| n.to_string() == digits)
                })
                .ok_or_else(|| format!("`{}` is not `all`, `any` or a number", shown(digits)))?,
        };
        if group.needed == 0 || group.needed > count {
            return Err(format!(
                "{} of {count} members cannot be asked for",
                group.needed
            ));
        }
        if self.groups.len() >= EACH_MAX {
            return Err(format!("has more than {EACH_MAX} groups"));
        }
        self.define(name, Member::Group(self.groups.len()))?;
        self.groups.push(group);
        Ok(())
    }

    fn quorum(&mut self, name: &[u8]) -> Result<(), String> {
        let quorum = match name {
            b"none" => None,
            name => Some(self.known(name)?),
        };
        match self.quorum.replace(quorum) {
            Some(_) => Err("is a second `quorum` line".to_owned()),
            None => Ok(()),
        }
    }

    fn define(&mut self, name: &[u8], member: Member) -> Result<(), String> {
        if name == b"none" {
            return Err("the name `none` is reserved".to_owned());
        }
        match self.names.insert(name.to_vec(), member) {
            Some(_) => Err(format!("`{}` is defined already", shown(name))),
            None => Ok(()),
        }
    }

    fn known(&self, name: &[u8]) -> Result<Member, String> {
        let found = self.names.get(name).copied();
        found.ok_or_else(|| format!("`{}` is not defined on a line before", shown(name)))
    }
}

fn verifier(key: &[u8]) -> Result<NoteVerifier, String> {
    let key = std::str::from_utf8(key).map_err(|_| "the key is not UTF-8".to_owned())?;
    NoteVerifier::parse(key).map_err(|cause| cause.to_string())
}

fn add(
    parties: &mut Vec<Party>,
    name: String,
    verifier: NoteVerifier,
    rest: &[&[u8]],
) -> Result<(), String> {
    let url = match rest {
        [] => None,
        [url] => Some(shown(url)),
        _ => return Err("has more than a key and an address".to_owned()),
    };
    if parties.len() >= EACH_MAX {
        return Err(format!("is more than {EACH_MAX} of a kind"));
    }
    let twice = |party: &Party| party.verifier.public() == verifier.public();
    if parties.iter().any(twice) {
        return Err("has the key of a line before".to_owned());
    }
    parties.push(Party {
        name,
        verifier,
        url,
    });
    Ok(())
}
