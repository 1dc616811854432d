//! `burgess-verify`: the auditor's own binary. It reads files, checks bytes, digests and
//! signatures, and answers 0, 1 (does not hold) or 2 (was not asked properly).
//!
//! No network, no configuration, no clock, and nothing of the product but this crate.
#![expect(clippy::print_stdout, reason = "its findings are its output")]
#![expect(clippy::print_stderr, reason = "its complaints go to standard error")]

mod report;
mod request;
mod set;

use burgess_ledger::pack::PackError;
use burgess_ledger::proof::TlogProof;
use burgess_ledger::{NoteVerifier, Policy, SignedCheckpoint, Standing, Trust};
use burgess_ledger::{audit, line, pack, receipt, verify};
use report::{Finding, checkpoint_json};
use request::{Command, Request};
use serde_json::{Value, json};
use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

const HELP: &str = "\
Checks a ledger, the receipt of one entry, or a case export, under keys that you got from elsewhere.

  burgess-verify log DIR --key VKEY [--policy FILE] [--old CHECKPOINT]
                    DIR is one ledger, or a folder of shards: then all of them are checked, and that
                    each continues the one before. The key of the newest of each line is enough
  burgess-verify proof FILE --key VKEY [--policy FILE] [--entry FILE]
  burgess-verify pack FILE --key VKEY [--policy FILE]

  --key VKEY        a verifier key (`name+keyid+base64`), or a file with one a line; never one from
                    inside the ledger's folder, which proves nothing. May be given again: every key
                    that is named after a ledger must have signed it
  --policy FILE     the witnesses that you trust (C2SP tlog-policy); without their quorum the answer
                    is no. Its `log` lines stand in for --key
  --old CHECKPOINT  a checkpoint of the same ledger that you kept from earlier: shows that nothing
                    was taken away or rewritten since
  --entry FILE      the bytes of the entry that a `.tlog-proof` is about; a `.receipt.json` holds
                    them already
  --format json     one JSON object instead of sentences
  --help            this text

Exit status: 0 it holds, 1 it does not (the first bad file and entry are named), 2 wrong usage.
";

/// Bytes of a proof, receipt, key or entry file at most; the largest receipt is far below it.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// Bytes of a case export at most: some ten thousand events with their receipts.
const PACK_BYTES_MAX: u64 = 512 << 20;
/// Bytes of a part of a log at most: one more than a bundle of 256 entries of 65,535 bytes, each
/// with its length.
const PART_BYTES_MAX: u64 = 256 * (2 + 65_535) + 1;

/// How the program ends other than well.
enum Failure {
    /// What was to be checked does not hold.
    Refused {
        file: String,
        index: Option<u64>,
        what: String,
    },
    /// The request makes no sense.
    Usage(String),
}

fn main() -> ExitCode {
    let arguments: Result<Vec<String>, _> = std::env::args_os()
        .skip(1)
        .map(std::ffi::OsString::into_string)
        .collect();
    let arguments = match arguments {
        Ok(arguments) => arguments,
        Err(argument) => {
            return misused(&format!("argument `{}` is not UTF-8", argument.display()));
        }
    };
    if arguments
        .iter()
        .any(|argument| argument == "--help" || argument == "-h")
    {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let request = match request::parse(arguments) {
        Ok(request) => request,
        Err(what) => return misused(&what),
    };
    match check(&request) {
        Ok(finding) => report::found(&finding, request.json),
        Err(Failure::Usage(what)) => misused(&what),
        Err(Failure::Refused { file, index, what }) => {
            report::refused(&file, index, &what, request.json)
        }
    }
}

fn misused(what: &str) -> ExitCode {
    eprintln!("{what}\n\n{HELP}");
    ExitCode::from(2)
}

fn check(request: &Request) -> Result<Finding, Failure> {
    let trust = trust(request)?;
    match request.command {
        Command::Log => check_log(request, &trust),
        Command::Proof => check_proof(request, &trust),
        Command::Pack => check_pack(request, &trust),
    }
}

fn trust(request: &Request) -> Result<Trust, Failure> {
    let policy = match &request.policy {
        Some(path) => {
            from_outside(path, &request.target, "policy")?;
            let policy = Policy::parse(&read_file(path, FILE_BYTES_MAX)?);
            let usage = |cause| Failure::Usage(format!("`{}`: {cause}", path.display()));
            Some(policy.map_err(usage)?)
        }
        None => None,
    };
    let no_logs = policy
        .as_ref()
        .is_none_or(|policy| policy.logs().is_empty());
    if request.keys.is_empty() && no_logs {
        let what = "`--key` is missing: the key comes from outside what is checked";
        return Err(Failure::Usage(what.to_owned()));
    }
    let mut keys = Vec::new();
    for text in &request.keys {
        keys.extend(read_keys(text, &request.target)?);
    }
    Trust::new(keys, policy).map_err(|cause| Failure::Usage(cause.to_string()))
}

/// Verifier keys: one as text, or a file that holds one a line.
fn read_keys(text: &str, target: &Path) -> Result<Vec<NoteVerifier>, Failure> {
    let path = Path::new(text);
    if !path.is_file() {
        if !text.contains('+') {
            let what = format!("`{text}` is neither a verifier key nor a file that holds one");
            return Err(Failure::Usage(what));
        }
        let key = NoteVerifier::parse(text).map_err(|cause| Failure::Usage(cause.to_string()))?;
        return Ok(vec![key]);
    }
    from_outside(path, target, "key")?;
    let bytes = read_file(path, FILE_BYTES_MAX)?;
    let held = String::from_utf8(bytes)
        .map_err(|_| Failure::Usage(format!("`{text}` does not hold a verifier key")))?;
    let keys = held.strip_suffix('\n').unwrap_or(&held).split('\n');
    keys.map(NoteVerifier::parse)
        .collect::<Result<_, _>>()
        .map_err(|cause| Failure::Usage(format!("`{text}`: {cause}")))
}

fn from_outside(path: &Path, target: &Path, what: &str) -> Result<(), Failure> {
    let inside = |folder: std::path::PathBuf| {
        path.canonicalize()
            .is_ok_and(|path| path.starts_with(folder))
    };
    if target.is_dir() && target.canonicalize().is_ok_and(inside) {
        return Err(Failure::Usage(format!(
            "the {what} `{}` lies inside the ledger that it is to check, which proves nothing: \
             get it from where the operator published it",
            path.display()
        )));
    }
    Ok(())
}

fn read_file(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let unreadable = |cause| Failure::Usage(format!("`{}`: {cause}", path.display()));
    let length = std::fs::metadata(path).map_err(unreadable)?.len();
    if length > bytes_max {
        return Err(Failure::Usage(format!(
            "`{}` is larger than {} MiB",
            path.display(),
            bytes_max >> 20
        )));
    }
    std::fs::read(path).map_err(unreadable)
}

/// A part of a log. What is longer than any part can be is cut here and refused as malformed.
fn read_part(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?
        .take(PART_BYTES_MAX)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn refused(flaw: verify::Flaw) -> Failure {
    Failure::Refused {
        file: flaw.file,
        index: flaw.index,
        what: flaw.what,
    }
}

fn check_log(request: &Request, trust: &Trust) -> Result<Finding, Failure> {
    let folder = &request.target;
    if !folder.is_dir() {
        return Err(Failure::Usage(format!(
            "`{}` is not a folder",
            folder.display()
        )));
    }
    let shards = set::shards(folder)?;
    if !shards.is_empty() {
        return set::check(request, trust, &shards);
    }
    let old = request.old.as_deref();
    let old = old.map(|old| read_file(old, FILE_BYTES_MAX)).transpose()?;
    let mut read = |name: &str| read_part(&folder.join(name));
    let audited = audit::log(&mut read, trust, old.as_deref()).map_err(refused)?;
    let mut sentences =
        vec!["the ledger holds: every entry and every hash fits what was signed".to_owned()];
    let tree = &audited.signed.checkpoint;
    line::all_there(&[&tree.origin], None, trust).map_err(refused)?;
    let pruned = verify::pruned(&mut read, tree.size).ok().flatten();
    let minimum = pruned.as_ref().map_or(0, |mark| mark.minimum_index);
    let before = line::continued(&mut read, tree.size, minimum).map_err(refused)?;
    if let Some(mark) = &pruned {
        let (last, policy) = (mark.minimum_index.saturating_sub(1), &mark.policy);
        sentences = vec![
            "the ledger holds: every entry that is left and every hash fits what was signed"
                .to_owned(),
            format!("entries 0 to {last} were pruned, the operator says under policy {policy}"),
        ];
    }
    if old.is_some() {
        sentences.push("it continues the older checkpoint".to_owned());
    }
    if let Some(before) = &before {
        sentences.push(format!(
            "it continues the shard `{before}`, which was not checked: name the folder of both"
        ));
    }
    let mut finding = Finding::about(&audited.signed, &audited.best, audited.standing, trust);
    finding.sentences.splice(0..0, sentences);
    finding.json.push(("continues_old", json!(old.is_some())));
    finding.json.push(("continues_shard", json!(before)));
    finding.json.push(("minimum_index", json!(minimum)));
    let policy = pruned.map(|mark| mark.policy);
    finding.json.push(("pruned_under", json!(policy)));
    Ok(finding)
}

fn check_proof(request: &Request, trust: &Trust) -> Result<Finding, Failure> {
    let bytes = read_file(&request.target, FILE_BYTES_MAX)?;
    let refused = |index, what: String| Failure::Refused {
        file: request.target.display().to_string(),
        index,
        what,
    };
    if let Some(entry) = &request.entry {
        let text =
            String::from_utf8(bytes).map_err(|_| refused(None, "is not UTF-8".to_owned()))?;
        let proof = TlogProof::parse(&text).map_err(|cause| refused(None, cause.to_string()))?;
        let entry = read_file(entry, FILE_BYTES_MAX)?;
        let bad = |what: String| refused(Some(proof.index), what);
        let key = trust
            .key_for(proof.checkpoint.as_bytes())
            .map_err(|cause| bad(format!("proof: {cause}")))?;
        let signed = proof.verify(&entry, key);
        let signed = signed.map_err(|cause| bad(cause.to_string()))?;
        let standing = trust.judge(&signed);
        let standing = standing.map_err(|cause| bad(format!("proof: {cause}")))?;
        return Ok(included(&signed, standing, trust, proof.index, &[]));
    }
    if !bytes.trim_ascii_start().starts_with(b"{") {
        let what = "`--entry` is missing: a `.tlog-proof` says where an entry is, not what it is";
        return Err(Failure::Usage(what.to_owned()));
    }
    let bad = |cause: &dyn std::fmt::Display| refused(None, cause.to_string());
    let json = receipt::parse(&bytes).map_err(|cause| bad(&cause))?;
    let note = receipt::checkpoint_of(&json).map_err(|cause| bad(&cause))?;
    let key = trust
        .key_for(note.as_bytes())
        .map_err(|cause| bad(&cause))?;
    let held = receipt::verify_value(&json, key).map_err(|cause| bad(&cause))?;
    let standing = trust.judge(&held.checkpoint).map_err(|cause| bad(&cause))?;
    Ok(included(
        &held.checkpoint,
        standing,
        trust,
        held.index,
        &held.opened,
    ))
}

fn included(
    signed: &SignedCheckpoint,
    standing: Standing,
    trust: &Trust,
    index: u64,
    opened: &[(String, Value)],
) -> Finding {
    let mut sentences = vec![format!("the receipt holds: this is entry {index}")];
    for (name, value) in opened {
        sentences.push(format!("{name} is {value}"));
    }
    let opened: serde_json::Map<String, Value> = opened.iter().cloned().collect();
    let mut finding = Finding::about(signed, signed, standing, trust);
    finding.sentences.splice(0..0, sentences);
    finding.json.push(("index", json!(index)));
    finding.json.push(("opened", json!(opened)));
    finding
}

fn check_pack(request: &Request, trust: &Trust) -> Result<Finding, Failure> {
    let bytes = read_file(&request.target, PACK_BYTES_MAX)?;
    let pack = pack::verify(&bytes, trust).map_err(|cause| Failure::Refused {
        file: request.target.display().to_string(),
        index: match &cause {
            PackError::Event { index, .. } => *index,
            PackError::Malformed(_) | PackError::Origin { .. } => None,
        },
        what: cause.to_string(),
    })?;
    let mut sentences = vec![format!(
        "the case holds: each of its {} events is what its receipt proves",
        pack.events
    )];
    let mut origins = Vec::new();
    for (signed, _) in &pack.origins {
        let tree = &signed.checkpoint;
        sentences.push(format!("origin {}\nsize   {}", tree.origin, tree.size));
        origins.push(checkpoint_json(signed));
    }
    let witnessed = pack.events > 0 && pack.events_witnessed == pack.events;
    if trust.has_policy() {
        sentences.push(format!(
            "{} of {} events are under a checkpoint that a quorum cosigned",
            pack.events_witnessed, pack.events
        ));
    }
    if !witnessed {
        sentences.push(report::NOT_WITNESSED.to_owned());
    }
    Ok(Finding {
        sentences,
        json: vec![
            ("events", json!(pack.events)),
            ("events_witnessed", json!(pack.events_witnessed)),
            ("origins", json!(origins)),
            ("witnessed", json!(witnessed)),
        ],
        holds: witnessed || !trust.has_policy(),
    })
}
