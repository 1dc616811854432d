//! `burgess-verify`: the auditor's own binary. It reads files, checks bytes, digests and
//! signatures, and answers 0, 1 (does not hold) or 2 (was not asked properly).
//!
//! No network, no configuration, no clock, and nothing of the product but this crate.
#![expect(clippy::print_stdout, reason = "its findings are its output")]
#![expect(clippy::print_stderr, reason = "its complaints go to standard error")]

use burgess_ledger::proof::TlogProof;
use burgess_ledger::{NoteVerifier, SignedCheckpoint, note, receipt, verify};
use serde_json::{Value, json};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const HELP: &str = "\
Checks a ledger, or the receipt of one entry, under a key that you got from elsewhere.

  burgess-verify log DIR --key VKEY [--old CHECKPOINT]
  burgess-verify proof FILE --key VKEY [--entry FILE]

  --key VKEY        the verifier key (`name+keyid+base64`), or a file that holds it; never one from
                    inside the ledger's folder, which proves nothing
  --old CHECKPOINT  a checkpoint of the same ledger that you kept from earlier: shows that nothing
                    was taken away or rewritten since
  --entry FILE      the bytes of the entry that a `.tlog-proof` is about; a `.receipt.json` holds
                    them already
  --format json     one JSON object instead of sentences
  --help            this text

Exit status: 0 it holds, 1 it does not (the first bad file and entry are named), 2 wrong usage.
";

/// Until witnesses cosign, the operator's signature is all there is.
const NOT_WITNESSED: &str = "not witnessed, the operator could rewrite history";

/// Bytes of a proof, receipt or entry file at most; the largest receipt is far below it.
const FILE_BYTES_MAX: u64 = 16 << 20;

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

/// What was found to hold.
struct Finding {
    signed: SignedCheckpoint,
    sentences: Vec<String>,
    json: Vec<(&'static str, Value)>,
}

struct Request {
    command: Command,
    target: PathBuf,
    key: String,
    old: Option<PathBuf>,
    entry: Option<PathBuf>,
    json: bool,
}

#[derive(Clone, Copy)]
enum Command {
    Log,
    Proof,
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
    let request = match parse(arguments) {
        Ok(request) => request,
        Err(what) => return misused(&what),
    };
    match check(&request) {
        Ok(finding) => report(&finding, request.json),
        Err(Failure::Usage(what)) => misused(&what),
        Err(Failure::Refused { file, index, what }) => refuse(&file, index, &what, request.json),
    }
}

fn misused(what: &str) -> ExitCode {
    eprintln!("{what}\n\n{HELP}");
    ExitCode::from(2)
}

fn report(finding: &Finding, as_json: bool) -> ExitCode {
    let tree = &finding.signed.checkpoint;
    let root = note::encode_base64(&tree.root);
    if as_json {
        let mut object = json!({
            "ok": true, "origin": tree.origin, "size": tree.size, "root": root,
            "witnessed": false, "note": NOT_WITNESSED,
        });
        if let Some(object) = object.as_object_mut() {
            let more = finding
                .json
                .iter()
                .map(|(key, value)| ((*key).to_owned(), value.clone()));
            object.extend(more);
        }
        println!("{object}");
        return ExitCode::SUCCESS;
    }
    for sentence in &finding.sentences {
        println!("{sentence}");
    }
    println!(
        "origin {}\nsize   {}\nroot   {root}\n{NOT_WITNESSED}",
        tree.origin, tree.size
    );
    ExitCode::SUCCESS
}

fn refuse(file: &str, index: Option<u64>, what: &str, as_json: bool) -> ExitCode {
    if as_json {
        println!(
            "{}",
            json!({ "ok": false, "file": file, "index": index, "what": what })
        );
    } else {
        eprintln!("{file}: {what}");
    }
    ExitCode::FAILURE
}

fn parse(arguments: Vec<String>) -> Result<Request, String> {
    let mut arguments = arguments.into_iter();
    let command = match arguments.next().as_deref() {
        Some("log") => Command::Log,
        Some("proof") => Command::Proof,
        Some(other) => return Err(format!("`{other}` is not a command, try `log` or `proof`")),
        None => return Err("what is to be checked? try `log` or `proof`".to_owned()),
    };
    let (mut target, mut key, mut old, mut entry, mut json) = (None, None, None, None, false);
    while let Some(argument) = arguments.next() {
        let (option, inline) = match argument.split_once('=') {
            Some((option, value)) if option.starts_with("--") => (option, Some(value.to_owned())),
            _ => (argument.as_str(), None),
        };
        if !option.starts_with("--") {
            set(&mut target, "the file or folder", PathBuf::from(&argument))?;
            continue;
        }
        let value = inline.or_else(|| arguments.next());
        let value = value.ok_or_else(|| format!("`{option}` needs a value"))?;
        match (option, command) {
            ("--key", _) => set(&mut key, option, value)?,
            ("--old", Command::Log) => set(&mut old, option, value.into())?,
            ("--entry", Command::Proof) => set(&mut entry, option, value.into())?,
            ("--format", _) => json = format_is_json(&value)?,
            _ => return Err(format!("`{option}` is not an option here")),
        }
    }
    Ok(Request {
        command,
        target: target.ok_or("the file or folder to check is missing")?,
        key: key.ok_or("`--key` is missing: the key comes from outside what is checked")?,
        old,
        entry,
        json,
    })
}

fn set<T>(slot: &mut Option<T>, what: &str, value: T) -> Result<(), String> {
    match slot.replace(value) {
        Some(_) => Err(format!("{what} is given twice")),
        None => Ok(()),
    }
}

fn format_is_json(value: &str) -> Result<bool, String> {
    match value {
        "json" => Ok(true),
        "text" => Ok(false),
        _ => Err(format!("`{value}` is not a format, try `text` or `json`")),
    }
}

fn check(request: &Request) -> Result<Finding, Failure> {
    let verifier = key(&request.key, &request.target)?;
    match request.command {
        Command::Log => check_log(request, &verifier),
        Command::Proof => check_proof(request, &verifier),
    }
}

/// The verifier key: itself, or the file that holds it and one newline.
fn key(text: &str, target: &Path) -> Result<NoteVerifier, Failure> {
    let path = Path::new(text);
    if !path.is_file() {
        if !text.contains('+') {
            let what = format!("`{text}` is neither a verifier key nor a file that holds one");
            return Err(Failure::Usage(what));
        }
        return NoteVerifier::parse(text).map_err(|cause| Failure::Usage(cause.to_string()));
    }
    let inside = |folder: PathBuf| path.canonicalize().is_ok_and(|key| key.starts_with(folder));
    if target.is_dir() && target.canonicalize().is_ok_and(inside) {
        return Err(Failure::Usage(format!(
            "the key `{text}` lies inside the ledger that it is to check, which proves nothing: \
             get it from where the operator published it"
        )));
    }
    let vkey = read_file(path)?;
    let vkey = String::from_utf8(vkey)
        .map_err(|_| Failure::Usage(format!("`{text}` does not hold a verifier key")))?;
    let vkey = vkey.strip_suffix('\n').unwrap_or(&vkey);
    NoteVerifier::parse(vkey).map_err(|cause| Failure::Usage(format!("`{text}`: {cause}")))
}

fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |cause| Failure::Usage(format!("`{}`: {cause}", path.display()));
    let length = std::fs::metadata(path).map_err(unreadable)?.len();
    if length > FILE_BYTES_MAX {
        return Err(Failure::Usage(format!(
            "`{}` is larger than 16 MiB",
            path.display()
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

fn check_log(request: &Request, verifier: &NoteVerifier) -> Result<Finding, Failure> {
    let folder = &request.target;
    if !folder.is_dir() {
        return Err(Failure::Usage(format!(
            "`{}` is not a folder",
            folder.display()
        )));
    }
    let old = request.old.as_deref().map(read_file).transpose()?;
    let mut read = |name: &str| read_part(&folder.join(name));
    let signed =
        verify::log(&mut read, verifier, old.as_deref()).map_err(|flaw| Failure::Refused {
            file: flaw.file,
            index: flaw.index,
            what: flaw.what,
        })?;
    let mut sentences =
        vec!["the ledger holds: every entry and every hash fits what was signed".to_owned()];
    let pruned = verify::pruned(&mut read, signed.checkpoint.size);
    let pruned = pruned.ok().flatten();
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
    Ok(Finding {
        signed,
        sentences,
        json: vec![
            ("continues_old", json!(old.is_some())),
            (
                "minimum_index",
                json!(pruned.as_ref().map_or(0, |mark| mark.minimum_index)),
            ),
            ("pruned_under", json!(pruned.map(|mark| mark.policy))),
        ],
    })
}

fn check_proof(request: &Request, verifier: &NoteVerifier) -> Result<Finding, Failure> {
    let bytes = read_file(&request.target)?;
    let refused = |index, what: String| Failure::Refused {
        file: request.target.display().to_string(),
        index,
        what,
    };
    if let Some(entry) = &request.entry {
        let text =
            String::from_utf8(bytes).map_err(|_| refused(None, "is not UTF-8".to_owned()))?;
        let proof = TlogProof::parse(&text).map_err(|cause| refused(None, cause.to_string()))?;
        let signed = proof.verify(&read_file(entry)?, verifier);
        let signed = signed.map_err(|cause| refused(Some(proof.index), cause.to_string()))?;
        return Ok(included(signed, proof.index, &[]));
    }
    if !bytes.trim_ascii_start().starts_with(b"{") {
        let what = "`--entry` is missing: a `.tlog-proof` says where an entry is, not what it is";
        return Err(Failure::Usage(what.to_owned()));
    }
    let held =
        receipt::verify(&bytes, verifier).map_err(|cause| refused(None, cause.to_string()))?;
    Ok(included(held.checkpoint, held.index, &held.opened))
}

fn included(signed: SignedCheckpoint, index: u64, opened: &[(String, Value)]) -> Finding {
    let mut sentences = vec![format!("the receipt holds: this is entry {index}")];
    for (name, value) in opened {
        sentences.push(format!("{name} is {value}"));
    }
    let opened: serde_json::Map<String, Value> = opened.iter().cloned().collect();
    Finding {
        signed,
        sentences,
        json: vec![("index", json!(index)), ("opened", json!(opened))],
    }
}
