//! The page smoke: the real binary's demo in a real browser, driven by `tests/web/smoke.mjs`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::outcome::{Outcome, load};
use crate::rust_tests::whole_workspace;
use crate::test::Need;
use crate::workspace::{Workspace, install, present, succeeds};

const BROWSERS: [&str; 3] = [
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
];

/// What the smoke needs, found or installed.
pub(crate) struct Ready {
    browser: PathBuf,
}

pub(crate) fn ready(workspace: &Workspace, asked: bool) -> Result<Ready, Need> {
    if !node_is_there() {
        install(&["nodejs", "npm"], asked)
            .map_err(|remedy| Need::new("no Node.js 20 with npm", &remedy))?;
        if !node_is_there() {
            return Err(Need::new(
                "the packaged Node.js is older than 20",
                "install a later one",
            ));
        }
    }
    let browser = match browser() {
        Some(browser) => browser,
        None => {
            install(&["chromium"], asked).map_err(|remedy| Need::new("no Chromium", &remedy))?;
            browser().ok_or_else(|| {
                Need::new("no Chromium after its installation", "set BURGESS_CHROMIUM")
            })?
        }
    };
    let mut packages = Command::new("npm");
    packages
        .current_dir(workspace.root.join("tests/web"))
        .args([
            "ci",
            "--prefer-offline",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ]);
    match succeeds(&mut packages) {
        Ok(true) => Ok(Ready { browser }),
        _ => Err(Need::new(
            "the browser driver could not be installed",
            "check that npm reaches a package registry",
        )),
    }
}

fn node_is_there() -> bool {
    let new_enough = "process.exit(Number(process.versions.node.split('.')[0]) < 20 ? 1 : 0)";
    present("node", &["-e", new_enough]) && present("npm", &["--version"])
}

fn browser() -> Option<PathBuf> {
    std::env::var_os("BURGESS_CHROMIUM")
        .map(PathBuf::from)
        .into_iter()
        .chain(BROWSERS.map(PathBuf::from))
        .find(|path| path.exists())
}

pub(crate) fn run(workspace: &Workspace, ready: &Ready) -> Result<Vec<Outcome>, String> {
    if !succeeds(&mut whole_workspace(workspace, &["build", "--bins"]))? {
        return Err("the binary did not build".to_owned());
    }
    let report = workspace.target.join("page-smoke.json");
    if report.exists() {
        std::fs::remove_file(&report)
            .map_err(|error| format!("cannot remove the last result: {error}"))?;
    }
    let binary = workspace.target.join("debug/burgess");
    let mut smoke = Command::new("node");
    smoke
        .current_dir(&workspace.root)
        .arg(Path::new("tests/web/smoke.mjs"))
        .env("BURGESS_BIN", binary)
        .env(
            "BURGESS_VERIFY_BIN",
            workspace.target.join("debug/burgess-verify"),
        )
        .env("BURGESS_CHROMIUM", &ready.browser)
        .env("BURGESS_SCREENSHOTS", workspace.target.join("screenshots"))
        .env("BURGESS_SMOKE_REPORT", &report);
    let ended_well = succeeds(&mut smoke)?;
    match load(&report) {
        Ok(outcomes) if ended_well || !outcomes.is_empty() => Ok(outcomes),
        _ => Err("the page smoke ended without a result; read its output above".to_owned()),
    }
}
