//! What the program is asked: its command line.

use std::path::PathBuf;

/// What is to be checked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    Log,
    Proof,
    Pack,
}

/// A whole request.
pub(crate) struct Request {
    pub(crate) command: Command,
    pub(crate) target: PathBuf,
    pub(crate) keys: Vec<String>,
    pub(crate) policy: Option<PathBuf>,
    pub(crate) old: Option<PathBuf>,
    pub(crate) entry: Option<PathBuf>,
    pub(crate) json: bool,
}

/// Reads the arguments; the error says what is wrong with them.
pub(crate) fn parse(arguments: Vec<String>) -> Result<Request, String> {
    const COMMANDS: &str = "try `log`, `proof` or `pack`";
    let mut arguments = arguments.into_iter();
    let command = match arguments.next().as_deref() {
        Some("log") => Command::Log,
        Some("proof") => Command::Proof,
        Some("pack") => Command::Pack,
        Some(other) => return Err(format!("`{other}` is not a command, {COMMANDS}")),
        None => return Err(format!("what is to be checked? {COMMANDS}")),
    };
    let (mut target, mut keys, mut policy) = (None, Vec::new(), None);
    let (mut old, mut entry, mut json) = (None, None, false);
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
            ("--key", _) => keys.push(value),
            ("--policy", _) => set(&mut policy, option, value.into())?,
            ("--old", Command::Log) => set(&mut old, option, value.into())?,
            ("--entry", Command::Proof) => set(&mut entry, option, value.into())?,
            ("--format", _) => json = format_is_json(&value)?,
            _ => return Err(format!("`{option}` is not an option here")),
        }
    }
    Ok(Request {
        command,
        target: target.ok_or("the file or folder to check is missing")?,
        keys,
        policy,
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
