//! Erasure in the archive: sealed values leave the local files.
//!
//! What cannot be gone through, a damaged file or a folder that is not whole, holds up nothing else
//! and is left for the next time. Not here: copies in the bucket, which follow the local files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use burgess_ledger::Shard;
use burgess_trail::archive::{self, ArchiveError, Entry, Folder};

use super::{blocking, unarchived};
use crate::http::problem::Problem;
use crate::server::Server;

/// What of the archive is still to be gone through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Left {
    /// All of it.
    #[default]
    All,
    /// These files, and these folders of shards.
    These(BTreeSet<PathBuf>),
}

impl Left {
    /// Whether something in that folder is.
    fn in_folder(&self, folder: &Path) -> bool {
        match self {
            Self::All => true,
            Self::These(paths) => paths.iter().any(|path| path.starts_with(folder)),
        }
    }

    /// Whether that file in that folder is.
    fn is_file(&self, folder: &Path, file: &Path) -> bool {
        match self {
            Self::All => true,
            Self::These(paths) => paths.contains(folder) || paths.contains(file),
        }
    }
}

/// Takes sealed values that `theirs` says yes to out of all local files that are left; answers what
/// is left now, and the first failure.
pub async fn blank(
    server: &Server,
    theirs: impl Fn(&[u8]) -> bool + Send + Sync + 'static,
    left: Left,
) -> (Left, Result<(), Problem>) {
    let _turn = server.archiving.lock().await;
    let folders = folders(server);
    let before = left.clone();
    let work = move || {
        let (mut still, mut failed) = (BTreeSet::new(), None);
        for folder in folders.into_iter().filter(|path| left.in_folder(path)) {
            let stays = blank_folder(&folder, &theirs, &left);
            for (path, cause) in stays {
                still.insert(path);
                failed.get_or_insert(cause);
            }
        }
        (Left::These(still), failed)
    };
    match tokio::task::spawn_blocking(work).await {
        Ok((left, failed)) => (left, failed.map_or(Ok(()), |cause| Err(unarchived(&cause)))),
        Err(cause) => (before, Err(Problem::internal(&cause))),
    }
}

/// Where archives of shards lie; where one cannot be looked at, opening it says why.
fn folders(server: &Server) -> Vec<PathBuf> {
    let all = server.shards.all().into_iter();
    all.map(|shard| server.config.archive_folder(&shard.name))
        .filter(|path| path.try_exists().unwrap_or(true))
        .collect()
}

/// Goes through one folder; answers what it could not go through, and why.
fn blank_folder(
    path: &Path,
    theirs: &dyn Fn(&[u8]) -> bool,
    left: &Left,
) -> Vec<(PathBuf, ArchiveError)> {
    let mut folder = match Folder::open(path) {
        Ok(folder) => folder,
        Err(cause) => return vec![(path.to_owned(), cause)],
    };
    let files = folder.files().iter();
    let files: Vec<(u64, PathBuf)> = files
        .map(|file| (file.first, path.join(&file.file)))
        .filter(|(_, file)| left.is_file(path, file))
        .collect();
    let mut stays = Vec::new();
    for (first, file) in files {
        if let Err(cause) = folder.blank_file(first, &|entry: &Entry| theirs(&entry.sealed)) {
            stays.push((file, cause));
        }
    }
    stays
}

/// Goes through files that are here again after an erasure had gone by without them: put back by
/// the digest in their manifests, they bring back what was erased. `theirs` says yes to the values
/// of whoever was ever erased.
pub async fn catch_up(
    server: &Server,
    theirs: impl Fn(&[u8]) -> bool + Send + Sync + 'static,
) -> Result<(), Problem> {
    let _turn = server.archiving.lock().await;
    let folders = folders(server);
    let work = move || {
        let mut failed = None;
        for path in folders {
            // A folder that is not whole is told of by whoever seals, and by the doctor.
            let Ok(files) = Folder::look(&path) else {
                continue;
            };
            if files.iter().any(|file| file.missed)
                && let Err(cause) = catch_up_in(&path, &theirs)
            {
                failed.get_or_insert(cause);
            }
        }
        failed.map_or(Ok(()), Err)
    };
    blocking(work).await
}

fn catch_up_in(path: &Path, theirs: &dyn Fn(&[u8]) -> bool) -> Result<(), ArchiveError> {
    let mut folder = Folder::open(path)?;
    for first in folder.back().collect::<Vec<_>>() {
        folder.blank_file(first, &|entry| theirs(&entry.sealed))?;
        folder.caught_up(first)?;
    }
    Ok(())
}

/// Whether a local archive file of that shard has a sealed value that `theirs` says yes to.
pub async fn any(
    server: &Server,
    shard: &Shard,
    theirs: impl Fn(&[u8]) -> bool + Send + 'static,
) -> Result<bool, Problem> {
    let _turn = server.archiving.lock().await;
    let path = server.config.archive_folder(&shard.name);
    let work = move || {
        if !path.try_exists().unwrap_or(true) {
            return Ok(false);
        }
        for said in Folder::open(&path)?.files() {
            let file = path.join(&said.file);
            if !file.exists() {
                continue;
            }
            for group in archive::read(&file)?.groups() {
                if group?.iter().any(|entry| theirs(&entry.sealed)) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    };
    blocking(work).await
}
