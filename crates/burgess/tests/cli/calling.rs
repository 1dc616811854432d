//! Calling the binary, and the samples beside the project.

use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

pub fn burgess(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_burgess"))
        .args(arguments)
        .output()
        .unwrap()
}

pub fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

pub fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Both, for messages of failed tests and for what may stand in either.
pub fn said(output: &Output) -> String {
    format!("{}{}", out(output), err(output))
}

pub fn parsed(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", said(output)))
}

/// A file of the project.
pub fn place(name: &str) -> String {
    format!("{}/../../{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A file of the examples.
pub fn example(name: &str) -> String {
    place(&format!("examples/{name}"))
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Samples beside the project. `None` says why; in CI they must be there.
pub fn samples(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data")
        .join(name);
    if path.is_dir() {
        return Some(path);
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "a test asks whether it runs in CI"
    )]
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!ci, "the samples `{name}` are missing");
    println!("SKIPPED the samples `{name}` are not beside the project");
    None
}

pub fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        writer
            .start_file(*name, zip::write::SimpleFileOptions::default())
            .unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}
