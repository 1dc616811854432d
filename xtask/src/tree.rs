//! A scratch copy of the workspace for mutants, with a target folder of its own that stays warm.
//! Only files that differ are written, so that cargo rebuilds only what changed.

use std::path::{Path, PathBuf};

use crate::python;
use crate::workspace::Workspace;

pub(crate) struct Tree {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    /// The outside validators, if they were installed by a test run.
    pub(crate) python: Option<PathBuf>,
}

impl Tree {
    /// Copies what git would take, and removes what it no longer has.
    pub(crate) fn lay(workspace: &Workspace) -> Result<Self, String> {
        let base = workspace.target.join("mutants");
        let tree = Self {
            root: base.join("tree"),
            target: base.join("target"),
            python: python::at_hand(workspace),
        };
        let files = workspace.files()?;
        for file in &files {
            copy_if_different(&workspace.root.join(file), &tree.root.join(file))
                .map_err(|error| format!("cannot copy `{file}`: {error}"))?;
        }
        for stale in present(&tree.root, &tree.root) {
            if files.binary_search(&stale).is_err() {
                std::fs::remove_file(tree.root.join(&stale))
                    .map_err(|error| format!("cannot remove `{stale}`: {error}"))?;
            }
        }
        link_samples(workspace, &base);
        Ok(tree)
    }
}

fn copy_if_different(from: &Path, to: &Path) -> std::io::Result<()> {
    let bytes = std::fs::read(from)?;
    if std::fs::read(to).is_ok_and(|found| found == bytes) {
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(to, bytes)?;
    std::fs::set_permissions(to, std::fs::metadata(from)?.permissions())
}

/// Every file under `folder`, as a path from `root`.
fn present(root: &Path, folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.is_dir() {
            found.extend(present(root, &path));
        } else if let Ok(inside) = path.strip_prefix(root) {
            found.push(inside.to_string_lossy().into_owned());
        }
    }
    found
}

/// Tests over the samples beside the project find them from the copy as well. Where there are none,
/// the tests say so themselves.
fn link_samples(workspace: &Workspace, base: &Path) {
    let Some(samples) = workspace.root.parent().map(|parent| parent.join("shared")) else {
        return;
    };
    let link = base.join("shared");
    if samples.is_dir()
        && !link.exists()
        && let Err(error) = std::os::unix::fs::symlink(&samples, &link)
    {
        println!("note: no samples beside the copy: {error}");
    }
}
