//! The list of logs that these keys have signed for, beside the keys: where the memory of one is gone
//! and the keys are not, the witness knows that it has forgotten.
//!
//! A log is listed durably before its first signature, and never leaves the list.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::cli::run::Failure;

const HEAD: &str = "burgess.witness-origins/1";
/// Some ten thousand origins; one witness looks after a handful of ledgers with some shards each.
const FILE_BYTES_MAX: u64 = 1 << 20;

pub(super) struct Origins {
    path: PathBuf,
    listed: BTreeSet<String>,
}

impl Origins {
    /// Reads the list that belongs to that file of keys; empty where there is none, as in a folder
    /// of before.
    pub(super) fn open(keys: &Path) -> Result<Self, Failure> {
        let path = beside(keys, ".origins");
        let bad = |cause: &str| {
            Failure(format!(
                "`{}`, the list of logs that this witness has signed for: {cause}; put it back, or begin a new witness, with new keys, in another folder",
                path.display()
            ))
        };
        let mut text = String::new();
        match File::open(&path) {
            Ok(file) => {
                let read = file.take(FILE_BYTES_MAX).read_to_string(&mut text);
                read.map_err(|cause| bad(&cause.to_string()))?;
            }
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                let listed = BTreeSet::new();
                return Ok(Self { path, listed });
            }
            Err(cause) => return Err(bad(&cause.to_string())),
        }
        let whole = text
            .strip_suffix('\n')
            .ok_or_else(|| bad("it is cut off"))?;
        let mut lines = whole.split('\n');
        if lines.next() != Some(HEAD) {
            return Err(bad(&format!("it does not begin with `{HEAD}`")));
        }
        let listed = lines.map(str::to_owned).collect();
        Ok(Self { path, listed })
    }

    pub(super) fn has(&self, origin: &str) -> bool {
        self.listed.contains(origin)
    }

    /// Lists these logs, durably. When this returns, they may be signed for.
    pub(super) fn add(&mut self, origins: impl IntoIterator<Item = String>) -> io::Result<()> {
        let mut listed = self.listed.clone();
        listed.extend(origins);
        if listed == self.listed {
            return Ok(());
        }
        let mut text = format!("{HEAD}\n");
        for origin in &listed {
            text.push_str(origin);
            text.push('\n');
        }
        self.replace(&text).map_err(|cause| {
            let what = format!(
                "`{}` cannot be written: {cause}; the folder of the witness's keys has to be writable",
                self.path.display()
            );
            io::Error::new(cause.kind(), what)
        })?;
        self.listed = listed;
        Ok(())
    }

    fn replace(&self, text: &str) -> io::Result<()> {
        let folder = self.path.parent().filter(|it| !it.as_os_str().is_empty());
        let staged = beside(&self.path, ".new");
        let mut file = File::create(&staged)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&staged, &self.path)?;
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
