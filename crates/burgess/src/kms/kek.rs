//! Where the key-encryption key comes from: `--kek-file`, or `burgess-kek` in
//! `$CREDENTIALS_DIRECTORY` (systemd credentials). Never from beside the data.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::envelope::Key;

/// There is no usable key-encryption key.
#[derive(Debug, thiserror::Error)]
pub enum KekError {
    /// None configured.
    #[error(
        "no key-encryption key: make one with `burgess keygen PATH` outside the data folder, then start with `--kek-file PATH`"
    )]
    None,
    /// It lies where a thief of the data would find it.
    #[error(
        "the key-encryption key `{0}` lies inside the data folder: move it out, since a copy of the folder would then open itself"
    )]
    BesideData(PathBuf),
    /// Others may read it.
    #[error("the key-encryption key `{0}` can be read by others: run `chmod 600` on it")]
    Open(PathBuf),
    /// Not readable.
    #[error("the key-encryption key `{path}` cannot be read: {cause}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// Not a key.
    #[error(
        "`{0}` is not a key-encryption key: it holds 32 bytes in base64, as `burgess keygen` writes them"
    )]
    Shape(PathBuf),
    /// A file is there already.
    #[error("`{0}` exists already and is not overwritten: choose another path")]
    Exists(PathBuf),
}

/// Reads the key from `path`, which must not lie inside `data`.
pub fn read(path: &Path, data: &Path) -> Result<Key, KekError> {
    let failed = |cause| KekError::Read {
        path: path.to_owned(),
        cause,
    };
    let place = fs::canonicalize(path).map_err(failed)?;
    let folder = fs::canonicalize(data).map_err(failed)?;
    if place.starts_with(&folder) {
        return Err(KekError::BesideData(path.to_owned()));
    }
    check_mode(path)?;
    let text = Zeroizing::new(fs::read_to_string(path).map_err(failed)?);
    let bytes = Zeroizing::new(
        STANDARD
            .decode(text.trim())
            .map_err(|_| KekError::Shape(path.to_owned()))?,
    );
    let bytes: [u8; 32] = bytes
        .as_slice()
        .try_into()
        .map_err(|_| KekError::Shape(path.to_owned()))?;
    Ok(Key::new(bytes))
}

/// Writes a new random key to `path`, readable by its owner alone.
pub fn generate(path: &Path) -> Result<(), KekError> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let failed = |cause: std::io::Error| KekError::Read {
        path: path.to_owned(),
        cause,
    };
    let mut bytes = Zeroizing::new([0u8; 32]);
    getrandom::fill(bytes.as_mut_slice())
        .map_err(|e| failed(std::io::Error::other(e.to_string())))?;
    let text = Zeroizing::new(format!("{}\n", STANDARD.encode(bytes.as_slice())));
    let mut file = match fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(KekError::Exists(path.to_owned()));
        }
        other => other.map_err(failed)?,
    };
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(failed)
}

fn check_mode(path: &Path) -> Result<(), KekError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(path)
        .map_err(|cause| KekError::Read {
            path: path.to_owned(),
            cause,
        })?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        Err(KekError::Open(path.to_owned()))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_beside_the_data_or_open_to_others_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        let good = folder.path().join("kek");
        generate(&good).unwrap();
        assert!(read(&good, &data).is_ok());
        assert!(matches!(generate(&good), Err(KekError::Exists(_))));
        let beside = data.join("kek");
        generate(&beside).unwrap();
        assert!(matches!(read(&beside, &data), Err(KekError::BesideData(_))));
        fs::set_permissions(&good, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(read(&good, &data), Err(KekError::Open(_))));
    }
}
