//! The Rust tests of the whole workspace, by nextest where it is installed and by cargo otherwise.
//! Either way the result names every test: a requirement is proven by name.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::outcome::{Outcome, from_junit, from_libtest};
use crate::workspace::{Workspace, cargo, heard, in_ci, present, read, succeeds, words};

pub(crate) fn run(workspace: &Workspace, python: Option<&Path>) -> Result<Vec<Outcome>, String> {
    match present("cargo", &["nextest", "--version"]) {
        true => by_nextest(workspace, python),
        false => by_cargo(workspace, python),
    }
}

/// Doc tests are run by rustdoc alone; they claim no requirement.
pub(crate) fn doc_tests(workspace: &Workspace) -> Result<Vec<Outcome>, String> {
    let mut command = whole_workspace(workspace, &["test", "--doc"]);
    command.arg("--no-fail-fast");
    let (text, ended_well) = spoken(&mut command)?;
    let outcomes = from_libtest("doc", &text);
    match ended_well || !outcomes.is_empty() {
        true => Ok(outcomes),
        false => Err("the doc tests did not run".to_owned()),
    }
}

/// `cargo …` over every crate, with the lock file as it is where nobody could commit a change.
pub(crate) fn whole_workspace(workspace: &Workspace, arguments: &[&str]) -> Command {
    let mut command = cargo();
    command
        .current_dir(&workspace.root)
        .args(arguments)
        .arg("--workspace");
    if in_ci() {
        command.arg("--locked");
    }
    command
}

fn by_nextest(workspace: &Workspace, python: Option<&Path>) -> Result<Vec<Outcome>, String> {
    // Where `.config/nextest.toml` says, which is not moved by CARGO_TARGET_DIR.
    let junit = workspace.root.join("target/nextest/tiers/junit.xml");
    if junit.exists() {
        std::fs::remove_file(&junit)
            .map_err(|error| format!("cannot remove the last result: {error}"))?;
    }
    let mut command = whole_workspace(workspace, &["nextest", "run", "--profile", "tiers"]);
    point_at_python(&mut command, python);
    let ended_well = succeeds(&mut command)?;
    let outcomes = match read(&junit) {
        Ok(xml) => from_junit(&xml),
        Err(_) => return Err("the tests did not build".to_owned()),
    };
    let none_failed = outcomes
        .iter()
        .all(|outcome| outcome.verdict != crate::outcome::Verdict::Failed);
    match !ended_well && none_failed {
        true => Err("nextest failed, but no test did; read its output above".to_owned()),
        false => Ok(outcomes),
    }
}

/// Builds the test binaries once and runs each as cargo would: in its crate's folder.
fn by_cargo(workspace: &Workspace, python: Option<&Path>) -> Result<Vec<Outcome>, String> {
    let mut build = whole_workspace(
        workspace,
        &["test", "--lib", "--bins", "--tests", "--no-run"],
    );
    build
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit());
    let messages = heard(&mut build).map_err(|_| "the tests did not build".to_owned())?;
    let mut outcomes = Vec::new();
    for binary in messages.lines().filter_map(test_binary) {
        println!("running {}", binary.group);
        let mut command = Command::new(&binary.executable);
        command
            .arg("--show-output")
            .current_dir(&binary.folder)
            .env("CARGO_MANIFEST_DIR", &binary.folder)
            .env("CARGO_PKG_NAME", &binary.room);
        point_at_python(&mut command, python);
        let (text, ended_well) = spoken(&mut command)?;
        let ran = from_libtest(&binary.group, &text);
        if !ended_well && ran.is_empty() {
            return Err(format!("{} ended without a result", binary.group));
        }
        outcomes.extend(ran);
    }
    Ok(outcomes)
}

struct TestBinary {
    room: String,
    group: String,
    folder: PathBuf,
    executable: PathBuf,
}

/// Reads one message of `cargo --message-format=json`; the group is named as nextest names it.
fn test_binary(line: &str) -> Option<TestBinary> {
    let message: Value = serde_json::from_str(line).ok()?;
    if !message.pointer("/profile/test")?.as_bool()? {
        return None;
    }
    let folder = Path::new(message.get("manifest_path")?.as_str()?)
        .parent()?
        .to_path_buf();
    let room = folder.file_name()?.to_string_lossy().into_owned();
    let name = message.pointer("/target/name")?.as_str()?;
    let group = match message.pointer("/target/kind/0")?.as_str()? {
        "lib" => room.clone(),
        "bin" => format!("{room}::bin/{name}"),
        _ => format!("{room}::{name}"),
    };
    Some(TestBinary {
        room,
        group,
        folder,
        executable: message.get("executable")?.as_str()?.into(),
    })
}

fn point_at_python(command: &mut Command, python: Option<&Path>) {
    match python {
        Some(python) => command.env("BURGESS_PYTHON", python),
        None => command.env_remove("BURGESS_PYTHON"),
    };
}

/// Runs to the end, shows what it says and keeps it; whether it succeeded.
pub(crate) fn spoken(command: &mut Command) -> Result<(String, bool), String> {
    let cannot = |error: std::io::Error| format!("cannot run `{}`: {error}", words(command));
    let (mut reader, writer) = std::io::pipe().map_err(cannot)?;
    let errors = writer.try_clone().map_err(cannot)?;
    println!("$ {}", words(command));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(errors)
        .spawn()
        .map_err(|error| format!("cannot start a test: {error}"))?;
    // The command keeps its ends of the pipe open until they are replaced, and reading would not end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut bytes = Vec::new();
    reader
        .read_to_end(&mut bytes)
        .map_err(|error| format!("cannot read a test's output: {error}"))?;
    let status = child
        .wait()
        .map_err(|error| format!("cannot wait for a test: {error}"))?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    for line in text.lines().filter(|line| !line.ends_with(" ... ok")) {
        println!("{line}");
    }
    Ok((text, status.success()))
}
