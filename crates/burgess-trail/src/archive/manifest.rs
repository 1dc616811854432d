//! The small JSON file beside each archive file: what it holds, and its digest.
//!
//! It stays when the archive file has moved to a bucket, so that the folder still knows how far
//! the archive goes. Whoever can write into the folder can write a manifest, so what it says is read
//! strictly. Not here: files (`manifest_file`), and whether the archive is what it says.

use burgess_core::digest::Digest;
use burgess_core::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What a file and its manifest say they are.
pub const FORMAT: &str = "burgess.archive/1";

/// A text is no manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ManifestError {
    /// Not JSON, or without what a manifest says.
    #[error("{0}")]
    Json(String),
    /// Something else.
    #[error("it is `{0}`, not `{FORMAT}`")]
    Format(String),
    /// It speaks of a file that cannot be the one beside it.
    #[error("its file is `{file}`, not `{wanted}` after its day and its entries")]
    Name {
        /// What it says.
        file: String,
        /// What it would have to say.
        wanted: String,
    },
}

/// What a manifest says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// Name of the archive file.
    pub file: String,
    /// Origin of the log shard.
    pub origin: String,
    /// The day that was sealed, UTC. Entries that came between midnight and the checkpoint are in
    /// the file too: the order is the index, never the time.
    pub day: String,
    /// Index of the first entry.
    pub first: u64,
    /// Index of the last entry.
    pub last: u64,
    /// Bytes of the archive file.
    pub bytes: u64,
    /// SHA-256 over them.
    pub digest: Digest,
    /// The signed checkpoint that ends right after the last entry.
    pub checkpoint: String,
    /// The right edge of the tree after the last entry: height and hash of its perfect subtrees.
    pub roots: Vec<(u32, Digest)>,
    /// Sealed values that were taken out since, by erasure.
    pub erased: u64,
    /// Whether its event is in the ledger.
    #[serde(default)]
    pub recorded: bool,
    /// Whether retention has removed the file; what stands here lets the files after it be proved.
    #[serde(default)]
    pub pruned: bool,
    /// Where a copy lies; none while there is only the local file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// SHA-256 of what that copy holds; none also where it was noted before this was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copied: Option<Digest>,
    /// Whether an erasure has rewritten the local file since that copy was made.
    #[serde(default)]
    pub outdated: bool,
    /// When the bucket last forbade replacing that copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Timestamp>,
    /// Whether a bucket with versions kept one of before an erasure when that copy was replaced.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub older_version: bool,
    /// Whether an erasure is rewriting the file, so that its length and digest may be others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub erasing: bool,
    /// Whether an erasure went by while the file was not here, so that its only copy, in the bucket,
    /// may hold values that were erased.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub missed: bool,
}

/// What names a file: a day and the entries in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// As `2026-01-18`.
    pub day: String,
    /// Index of the first entry.
    pub first: u64,
    /// Index of the last entry.
    pub last: u64,
}

impl Sealed {
    /// `<day>_<first>-<last>`, which the archive file and its manifest share. Numbers have twelve
    /// digits at least, so that a listing is in order.
    #[must_use]
    pub fn stem(&self) -> String {
        format!("{}_{:012}-{:012}", self.day, self.first, self.last)
    }

    /// Reads a stem.
    #[must_use]
    pub fn parse(stem: &str) -> Option<Self> {
        let (day, range) = stem.split_once('_')?;
        let (first, last) = range.split_once('-')?;
        let sealed = Self {
            day: day.to_owned(),
            first: first.parse().ok()?,
            last: last.parse().ok()?,
        };
        let sound = is_day(day) && sealed.first <= sealed.last && sealed.stem() == stem;
        sound.then_some(sealed)
    }
}

/// Whether the text has the form of a day.
pub(super) fn is_day(text: &str) -> bool {
    let like = b"0000-00-00";
    text.len() == like.len()
        && text.bytes().zip(like).all(|(byte, like)| match like {
            b'0' => byte.is_ascii_digit(),
            other => byte == *other,
        })
}

impl Manifest {
    /// Reads what [`Manifest::text`] wrote.
    pub(super) fn parse(text: &str) -> Result<Self, ManifestError> {
        let manifest: Self =
            serde_json::from_str(text).map_err(|cause| ManifestError::Json(cause.to_string()))?;
        if manifest.format != FORMAT {
            return Err(ManifestError::Format(manifest.format));
        }
        let stem = manifest.sealed().stem();
        let wanted = format!("{stem}.parquet");
        // A path in it would lead out of the folder.
        if manifest.file != wanted || Sealed::parse(&stem).is_none() {
            let file = manifest.file;
            return Err(ManifestError::Name { file, wanted });
        }
        Ok(manifest.learn_what_was_copied())
    }

    /// As it stands in its file.
    pub(super) fn text(&self) -> Result<String, ManifestError> {
        let text = serde_json::to_string_pretty(self);
        text.map_err(|cause| ManifestError::Json(cause.to_string()))
    }

    /// What names its file.
    fn sealed(&self) -> Sealed {
        Sealed {
            day: self.day.clone(),
            first: self.first,
            last: self.last,
        }
    }

    /// For a copy that was noted without its digest: a file that no erasure has touched is what was
    /// sent; otherwise the copy may be older, and is looked at again.
    fn learn_what_was_copied(mut self) -> Self {
        if self.bucket.is_none() || self.copied.is_some() {
            return self;
        }
        if self.erased == 0 {
            self.copied = Some(self.digest);
        } else {
            self.outdated = true;
        }
        self
    }
}

/// What must hold of a manifest of any bytes: it names a file of its own folder, and what is written
/// of it again is read as the same.
#[cfg(any(test, fuzzing))]
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(read) = Manifest::parse(text) else {
        return;
    };
    let stem = read.file.strip_suffix(".parquet");
    assert_eq!(stem.and_then(Sealed::parse), Some(read.sealed()));
    assert!(!read.file.contains(['/', '\\']));
    let again = read.text().and_then(|text| Manifest::parse(&text));
    assert_eq!(again, Ok(read));
}

#[cfg(test)]
mod tests {
    use super::*;

    const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/manifest");

    fn kept() -> Vec<Vec<u8>> {
        let files = std::fs::read_dir(CORPUS).unwrap();
        files
            .map(|file| std::fs::read(file.unwrap().path()).unwrap())
            .collect()
    }

    #[test]
    fn every_kept_input_of_the_reader_of_manifests_holds() {
        let kept = kept();
        assert!(kept.len() > 3, "fuzz/corpus/manifest is all but empty");
        for bytes in kept {
            check(&bytes);
        }
    }

    #[test]
    fn every_kept_manifest_cut_short_or_with_one_byte_changed_is_read_without_harm() {
        for bytes in kept() {
            for at in 0..bytes.len() {
                check(&bytes[..at]);
                let mut changed = bytes.clone();
                changed[at] ^= 1;
                check(&changed);
            }
        }
    }

    #[test]
    fn a_manifest_that_speaks_of_another_file_is_refused() {
        let text = std::fs::read_to_string(format!("{CORPUS}/right")).unwrap();
        let right = Manifest::parse(&text).unwrap();
        for file in [
            "/etc/passwd.parquet",
            "../other.parquet",
            "2026-01-18_000000000000-000000000001.parquet",
            "",
        ] {
            let other = Manifest {
                file: file.to_owned(),
                ..right.clone()
            };
            let refused = Manifest::parse(&other.text().unwrap());
            assert!(
                matches!(refused, Err(ManifestError::Name { .. })),
                "{file}: {refused:?}"
            );
        }
        let backwards = Manifest {
            first: right.last + 1,
            ..right.clone()
        };
        assert!(Manifest::parse(&backwards.text().unwrap()).is_err());
        let other = Manifest {
            format: "burgess.archive/2".to_owned(),
            ..right
        };
        let refused = Manifest::parse(&other.text().unwrap());
        assert!(matches!(refused, Err(ManifestError::Format(_))));
    }
}
