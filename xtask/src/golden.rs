//! `cargo xtask golden`: lets every golden test write what it would have compared. What changed is
//! then read in the diff, by a person, before it is committed.

use std::process::Command;

use crate::workspace::{Workspace, cargo, succeeds};

pub(crate) fn run(workspace: &Workspace, crates: &[&str]) -> Result<bool, String> {
    let mut tests = cargo();
    tests
        .current_dir(&workspace.root)
        .args(["test", "--no-fail-fast", "--lib", "--bins", "--tests"])
        .env("BURGESS_UPDATE_GOLDEN", "1");
    if crates.is_empty() {
        tests.args(["--workspace", "--exclude", "xtask"]);
    }
    for name in crates {
        tests.args(["-p", name]);
    }
    let green = succeeds(&mut tests)?;
    let mut changed = Command::new("git");
    changed
        .current_dir(&workspace.root)
        .args(["status", "--short", "--", "*golden*"]);
    println!("golden files that differ from the last commit:");
    succeeds(&mut changed)?;
    Ok(green)
}
