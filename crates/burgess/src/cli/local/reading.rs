//! Reads files and folders of the developer's machine into memory, within the limits of
//! an upload.
//!
//! Links are not followed and special files are refused: what is read is what lies there.
//! Folders of version control and of installed packages are left out, and said to be.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use burgess_core::charter::{Charter, CharterErrors};
use burgess_core::limits::CHARTER_BYTES_MAX;
use burgess_inspect::error::InspectError;
use burgess_inspect::unpack::{self, ENTRIES_MAX, NAME_PARTS_MAX, Tree, UPLOAD_BYTES_MAX};

use crate::cli::run::Failure;

/// Folders that hold history or other people's packages, not the app.
const LEFT_OUT: [&str; 9] = [
    ".git",
    ".hg",
    ".jj",
    ".svn",
    ".tox",
    ".venv",
    "__pycache__",
    "node_modules",
    "venv",
];

/// A file or folder in memory.
#[derive(Debug)]
pub(super) struct Read {
    /// Its files; archives are opened.
    pub tree: Tree,
    /// Its own name.
    pub name: String,
    /// What was left out, in sentences.
    pub left_out: Vec<String>,
}

/// Reads a file (an archive is opened) or a folder.
pub(super) fn path(path: &Path) -> Result<Read, Failure> {
    let meta = fs::metadata(path).map_err(|e| unreadable(path, &e))?;
    let name = name_of(path);
    if !meta.is_dir() {
        let tree = unpack::file(&name, bytes(path, UPLOAD_BYTES_MAX)?)?;
        return Ok(Read {
            tree,
            name,
            left_out: Vec::new(),
        });
    }
    let mut walk = Walk {
        files: Vec::new(),
        left_out: Vec::new(),
        bytes: 0,
        entries: 0,
        place: path.display().to_string(),
    };
    walk.folder(path, "", 0)?;
    let tree = unpack::folder(walk.files)?;
    Ok(Read {
        tree,
        name,
        left_out: walk.left_out,
    })
}

/// The last part of a path, also of `.`.
fn name_of(path: &Path) -> String {
    let own = path.file_name().map(ToOwned::to_owned);
    let resolved = || {
        fs::canonicalize(path)
            .ok()?
            .file_name()
            .map(ToOwned::to_owned)
    };
    own.or_else(resolved).map_or_else(
        || "app".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

struct Walk {
    files: Vec<(String, Vec<u8>)>,
    left_out: Vec<String>,
    bytes: u64,
    entries: u64,
    place: String,
}

impl Walk {
    fn folder(&mut self, path: &Path, prefix: &str, depth: usize) -> Result<(), Failure> {
        if depth > NAME_PARTS_MAX {
            return Err(Failure(format!(
                "`{prefix}` lies more than {NAME_PARTS_MAX} folders deep: hand in the app's own folder"
            )));
        }
        let mut entries: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(path).map_err(|e| unreadable(path, &e))? {
            self.entries = self.entries.saturating_add(1);
            if self.entries > ENTRIES_MAX {
                return Err(InspectError::TooManyEntries {
                    place: self.place.clone(),
                    entries: self.entries,
                    limit: ENTRIES_MAX,
                }
                .into());
            }
            entries.push(entry.map_err(|e| unreadable(path, &e))?.path());
        }
        entries.sort();
        entries
            .into_iter()
            .try_for_each(|entry| self.entry(&entry, prefix, depth))
    }

    fn entry(&mut self, path: &Path, prefix: &str, depth: usize) -> Result<(), Failure> {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| {
            Failure(format!(
                "`{}` is not a UTF-8 name: rename it",
                path.display()
            ))
        })?;
        let inside = format!("{prefix}{name}");
        let kind = fs::symlink_metadata(path).map_err(|e| unreadable(path, &e))?;
        if kind.is_symlink() {
            self.left_out
                .push(format!("`{inside}` is a link and was not followed"));
        } else if kind.is_dir() && LEFT_OUT.contains(&name) {
            self.left_out.push(format!(
                "the folder `{inside}` was left out: it is history or other people's packages"
            ));
        } else if kind.is_dir() {
            self.folder(path, &format!("{inside}/"), depth.saturating_add(1))?;
        } else if kind.is_file() {
            let left = UPLOAD_BYTES_MAX.saturating_sub(self.bytes);
            if kind.len() > left {
                let total = self.bytes.saturating_add(kind.len());
                return Err(InspectError::TooLarge {
                    place: self.place.clone(),
                    bytes: total,
                    limit: UPLOAD_BYTES_MAX,
                }
                .into());
            }
            let content = bytes(path, left)?;
            self.bytes = self
                .bytes
                .saturating_add(u64::try_from(content.len()).unwrap_or(u64::MAX));
            self.files.push((inside, content));
        } else {
            self.left_out.push(format!(
                "`{inside}` is neither a file nor a folder and was left out"
            ));
        }
        Ok(())
    }
}

/// The bytes of a file, `most` of them at most.
pub(super) fn bytes(path: &Path, most: u64) -> Result<Vec<u8>, Failure> {
    let meta = fs::metadata(path).map_err(|e| unreadable(path, &e))?;
    // Opening a pipe would wait for somebody to write to it.
    if !meta.is_file() {
        return Err(Failure(format!("`{}` is not a file", path.display())));
    }
    let mut content = Vec::new();
    let file = File::open(path).map_err(|e| unreadable(path, &e))?;
    file.take(most.saturating_add(1))
        .read_to_end(&mut content)
        .map_err(|e| unreadable(path, &e))?;
    if u64::try_from(content.len()).unwrap_or(u64::MAX) > most {
        return Err(Failure(format!(
            "`{}` has {} bytes, {most} are the most that is read",
            path.display(),
            meta.len()
        )));
    }
    Ok(content)
}

/// Why a charter file gives no charter.
#[derive(Debug)]
pub(super) enum NoCharter {
    /// It is not a text of a charter's size.
    Unreadable(Failure),
    /// It can be read, and is wrong.
    Wrong(CharterErrors),
}

/// Reads a charter file.
pub(super) fn charter(path: &Path) -> Result<Charter, NoCharter> {
    let most = u64::try_from(CHARTER_BYTES_MAX).unwrap_or(u64::MAX);
    let content = bytes(path, most).map_err(NoCharter::Unreadable)?;
    if let Err(error) = std::str::from_utf8(&content) {
        let at = error.valid_up_to();
        return Err(NoCharter::Unreadable(Failure(format!(
            "`{}` is not a charter: byte {at} is not UTF-8 text",
            path.display()
        ))));
    }
    Charter::parse_bytes(&content).map_err(NoCharter::Wrong)
}

/// Reads a charter file that must be right.
pub(super) fn good_charter(path: &Path) -> Result<Charter, Failure> {
    charter(path).map_err(|error| match error {
        NoCharter::Unreadable(failure) => failure,
        NoCharter::Wrong(errors) => Failure(format!(
            "`{}` is not a valid charter:\n{errors}",
            path.display()
        )),
    })
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure(format!("`{}` cannot be read: {error}", path.display()))
}
