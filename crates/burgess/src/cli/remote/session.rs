//! The kept session: `burgess/session.json` in the configuration folder of the person,
//! which nobody else can read.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cli::run::Failure;
use crate::config::environment;

/// Where the server is, and the session's secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Session {
    /// `http://127.0.0.1:8080`
    pub server: String,
    /// The secret that `POST /api/v1/session` gave.
    pub session: String,
}

fn folder() -> Result<PathBuf, Failure> {
    let configured = environment("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let home = || environment("HOME").map(|home| Path::new(&home).join(".config"));
    let place = configured.or_else(home).ok_or(
        "neither XDG_CONFIG_HOME nor HOME is set: set one, so that the session can be kept",
    )?;
    Ok(place.join("burgess"))
}

/// Keeps a session; the one before is gone. The file is complete or not there.
pub(super) fn keep(session: &Session) -> Result<PathBuf, Failure> {
    keep_in(&folder()?, session)
}

fn keep_in(folder: &Path, session: &Session) -> Result<PathBuf, Failure> {
    let failed = |e: std::io::Error| {
        Failure(format!(
            "the session cannot be kept in `{}`: {e}",
            folder.display()
        ))
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(failed)?;
    let (path, new) = (folder.join("session.json"), folder.join("session.json.new"));
    if new.exists() {
        // What a broken-off login left may have any mode.
        std::fs::remove_file(&new).map_err(failed)?;
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)
        .map_err(failed)?;
    file.write_all(&serde_json::to_vec(session)?)
        .map_err(failed)?;
    file.sync_all().map_err(failed)?;
    std::fs::rename(&new, &path).map_err(failed)?;
    Ok(path)
}

/// The kept session.
pub(super) fn kept() -> Result<Session, Failure> {
    kept_in(&folder()?)
}

fn kept_in(folder: &Path) -> Result<Session, Failure> {
    let path = folder.join("session.json");
    let none = |_| {
        Failure(
            "nobody is signed in: get a link with `burgess invite`, then `burgess login LINK`"
                .to_owned(),
        )
    };
    let bytes = std::fs::read(&path).map_err(none)?;
    serde_json::from_slice(&bytes).map_err(|_| {
        Failure(format!(
            "`{}` holds no session: sign in again with `burgess login LINK`",
            path.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_kept_session_is_read_back_and_only_its_owner_can_read_it() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("burgess");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("session.json.new"), "left over").unwrap();
        for secret in ["one", "two"] {
            let session = Session {
                server: "http://127.0.0.1:8080".into(),
                session: secret.into(),
            };
            let path = keep_in(&folder, &session).ok().unwrap();
            assert_eq!(
                std::fs::metadata(path).unwrap().permissions().mode() & 0o777,
                0o600
            );
            assert!(kept_in(&folder).ok().unwrap() == session);
        }
        std::fs::write(folder.join("session.json"), "{").unwrap();
        assert!(kept_in(&folder).is_err());
    }
}
