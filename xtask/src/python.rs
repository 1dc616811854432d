//! The outside validators: a Python environment with every package pinned by hash, which Rust tests
//! call through `BURGESS_PYTHON`. It is kept outside the clone and made anew when the pins change.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::test::Need;
use crate::workspace::{Workspace, heard, install, present, succeeds, write};

const REQUIREMENTS: &str = "tests/python/requirements.txt";

/// The validators that tests rely on; importing them shows that the environment is whole.
const PROBE: &str =
    "import cryptography, jsonschema, cyclonedx.validation.json, openapi_spec_validator";

/// The interpreter of the environment for these pins and this machine's Python.
pub(crate) fn ready(workspace: &Workspace, asked: bool) -> Result<PathBuf, Need> {
    let base = base_python(asked)?;
    let folder = folder(workspace, &base)?;
    let python = folder.join("bin/python");
    if folder.join("complete").exists() && present(&python, &["-c", PROBE]) {
        return Ok(python);
    }
    make(workspace, &base, &folder, asked)?;
    if !present(&python, &["-c", PROBE]) {
        return Err(Need::new(
            "the validators do not import",
            &format!("rm -r {}", folder.display()),
        ));
    }
    write(&folder.join("complete"), "").map_err(|why| Need::new(&why, "free the disk"))?;
    Ok(python)
}

/// The environment if it is there already; nothing is made.
pub(crate) fn at_hand(workspace: &Workspace) -> Option<PathBuf> {
    let folder = folder(workspace, "python3").ok()?;
    folder
        .join("complete")
        .exists()
        .then(|| folder.join("bin/python"))
}

fn base_python(asked: bool) -> Result<String, Need> {
    let new_enough = ["-c", "import sys; sys.exit(sys.version_info < (3, 11))"];
    if present("python3", &new_enough) {
        return Ok("python3".to_owned());
    }
    install(&["python3", "python3-venv"], asked)
        .map_err(|remedy| Need::new("no Python 3.11 or later", &remedy))?;
    Ok("/usr/bin/python3".to_owned())
}

fn folder(workspace: &Workspace, base: &str) -> Result<PathBuf, Need> {
    let pins = workspace
        .read(REQUIREMENTS)
        .map_err(|why| Need::new(&why, "git checkout tests/python"))?;
    let mut version = Command::new(base);
    version.args(["-c", "import sys; print(sys.version, sys.base_prefix)"]);
    let version = heard(&mut version).map_err(|why| Need::new(&why, "mend python3"))?;
    let mut hasher = DefaultHasher::new();
    (pins, version).hash(&mut hasher);
    Ok(workspace
        .cache()
        .join(format!("python-{:016x}", hasher.finish())))
}

fn make(workspace: &Workspace, base: &str, folder: &Path, asked: bool) -> Result<(), Need> {
    let place = folder.to_string_lossy().into_owned();
    let venv = |python: &str| {
        succeeds(Command::new(python).args(["-m", "venv", "--clear", &place])).unwrap_or(false)
    };
    if !venv(base) {
        install(&["python3", "python3-venv"], asked)
            .map_err(|remedy| Need::new("python3 cannot make an environment", &remedy))?;
        if !venv("/usr/bin/python3") {
            return Err(Need::new(
                "python3 cannot make an environment",
                "apt-get install python3-venv",
            ));
        }
    }
    let mut pip = Command::new(folder.join("bin/python"));
    pip.current_dir(&workspace.root).args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--only-binary=:all:",
        "--require-hashes",
        "-r",
        REQUIREMENTS,
    ]);
    match succeeds(&mut pip) {
        Ok(true) => Ok(()),
        _ => Err(Need::new(
            "the pinned validators could not be installed",
            "check that pip reaches a package registry",
        )),
    }
}
