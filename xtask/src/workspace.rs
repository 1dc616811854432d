//! Where things are: the workspace's root, its target folder, the files git would take, and how a
//! child process is started and heard.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
}

/// A file of the tree: its path from the root, with `/`, and its text.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Workspace {
    pub(crate) fn find() -> Result<Self, String> {
        let mut metadata = cargo();
        metadata.args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ]);
        let json: serde_json::Value = serde_json::from_str(&heard(&mut metadata)?)
            .map_err(|error| format!("cargo metadata: {error}"))?;
        let folder = |key: &str| {
            json.get(key)
                .and_then(serde_json::Value::as_str)
                .map(PathBuf::from)
                .ok_or_else(|| format!("cargo metadata names no `{key}`"))
        };
        Ok(Self {
            root: folder("workspace_root")?,
            target: folder("target_directory")?,
        })
    }

    /// Every file that is committed or would be, as paths from the root; ignored files are not.
    pub(crate) fn files(&self) -> Result<Vec<String>, String> {
        let mut git = Command::new("git");
        git.current_dir(&self.root).args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]);
        let mut files: Vec<String> = heard(&mut git)?
            .split('\0')
            .filter(|path| !path.is_empty() && self.root.join(path).is_file())
            .map(str::to_owned)
            .collect();
        files.sort();
        files.dedup();
        Ok(files)
    }

    /// The text files among them; what is not UTF-8 is left out.
    pub(crate) fn sources(&self) -> Result<Vec<Source>, String> {
        let files = self.files()?;
        Ok(files
            .into_iter()
            .filter_map(|path| {
                let text = std::fs::read_to_string(self.root.join(&path)).ok()?;
                Some(Source { path, text })
            })
            .collect())
    }

    pub(crate) fn read(&self, path: &str) -> Result<String, String> {
        read(&self.root.join(path))
    }

    /// What a failed and a passed test leave behind for `tidy`.
    pub(crate) fn outcomes_file(&self) -> PathBuf {
        self.target.join("tests-passed.json")
    }

    /// What may outlive a clone: `BURGESS_TEST_CACHE`, else the caller's cache folder.
    pub(crate) fn cache(&self) -> PathBuf {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        if let Some(folder) = set("BURGESS_TEST_CACHE") {
            return folder.into();
        }
        if let Some(folder) = set("XDG_CACHE_HOME") {
            return Path::new(&folder).join("burgess-tests");
        }
        match set("HOME") {
            Some(home) => Path::new(&home).join(".cache").join("burgess-tests"),
            None => self.target.join("burgess-tests"),
        }
    }
}

/// In CI a need that cannot be met is a failure, not a skip.
pub(crate) fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false" && value != "0")
}

pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self")
        .map(|metadata| std::os::unix::fs::MetadataExt::uid(&metadata) == 0)
        .unwrap_or(false)
}

pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

pub(crate) fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read `{}`: {error}", path.display()))
}

pub(crate) fn write(path: &Path, text: &str) -> Result<(), String> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .map_err(|error| format!("cannot make `{}`: {error}", folder.display()))?;
    }
    std::fs::write(path, text)
        .map_err(|error| format!("cannot write `{}`: {error}", path.display()))
}

pub(crate) fn words(command: &Command) -> String {
    let shown = std::iter::once(command.get_program()).chain(command.get_args());
    shown
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

/// The program is there and answers `--version`.
pub(crate) fn present(program: impl AsRef<OsStr>, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .output()
        .is_ok_and(|output| output.status.success())
}

/// Runs to the end with the terminal as its output; whether it succeeded.
pub(crate) fn succeeds(command: &mut Command) -> Result<bool, String> {
    println!("$ {}", words(command));
    command
        .stdin(std::process::Stdio::null())
        .status()
        .map(|status| status.success())
        .map_err(|error| format!("cannot start `{}`: {error}", words(command)))
}

/// Runs to the end and gives its standard output.
pub(crate) fn heard(command: &mut Command) -> Result<String, String> {
    let output = command
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(|error| format!("cannot start `{}`: {error}", words(command)))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!(
        "`{}` failed: {}",
        words(command),
        String::from_utf8_lossy(&output.stderr).trim()
    ))
}

/// Installs Debian packages where that is welcome: as root, in CI or when asked to.
pub(crate) fn install(packages: &[&str], asked: bool) -> Result<(), String> {
    let line = format!(
        "apt-get update && apt-get install -y --no-install-recommends {}",
        packages.join(" ")
    );
    if !(is_root() && (asked || in_ci())) {
        return Err(format!("run as root: {line}"));
    }
    if !present("apt-get", &["--version"]) {
        return Err(format!(
            "no apt-get here; install {} another way",
            packages.join(", ")
        ));
    }
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("({line}) >/dev/null")])
        .env("DEBIAN_FRONTEND", "noninteractive");
    match succeeds(&mut shell)? {
        true => Ok(()),
        false => Err(format!("failed: {line}")),
    }
}
