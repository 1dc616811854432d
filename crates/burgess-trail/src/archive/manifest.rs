//! The small JSON file beside each archive file: what it holds, and its digest.
//!
//! It stays when the archive file has moved to a bucket, so that the folder still knows how far
//! the archive goes.

use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use burgess_core::digest::Digest;
use burgess_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::file::{put_in_place, remove_if_there};
use super::frontier::Frontier;
use super::verify::walk;
use super::{ArchiveError, FORMAT};

/// Bytes of a manifest at most: a checkpoint with sixteen signatures takes 60 kB.
const BYTES_MAX: u64 = 256 * 1024;

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
    /// What there is to say about an archive file that lies there. `before` is the tree before its
    /// first entry; what does not lead from there to the root of its checkpoint is refused.
    pub(super) fn of(path: &Path, sealed: &Sealed, before: Frontier) -> Result<Self, ArchiveError> {
        let (reader, mut tree) = (super::read(path)?, before);
        walk(&reader, path, &mut tree)?;
        let head = reader.head;
        if (head.first, head.last) != (sealed.first, sealed.last) {
            let what = format!(
                "it holds {} to {} by its own account",
                head.first, head.last
            );
            return Err(ArchiveError::damaged(path, what));
        }
        if root_of(&head.checkpoint) != Some(STANDARD.encode(tree.root())) {
            return Err(ArchiveError::Root(path.to_owned()));
        }
        let (bytes, digest) = digest(path)?;
        Ok(Self {
            format: FORMAT.to_owned(),
            file: format!("{}.parquet", sealed.stem()),
            origin: head.origin,
            day: sealed.day.clone(),
            first: head.first,
            last: head.last,
            bytes,
            digest,
            checkpoint: head.checkpoint,
            roots: tree.roots(),
            erased: head.erased,
            recorded: false,
            pruned: false,
            bucket: None,
            copied: None,
            outdated: false,
            kept: None,
            older_version: false,
            erasing: false,
            missed: false,
        })
    }

    pub(super) fn load(path: &Path) -> Result<Self, ArchiveError> {
        let file = std::fs::File::open(path).map_err(ArchiveError::io(path))?;
        let mut text = String::new();
        let read = file.take(BYTES_MAX).read_to_string(&mut text);
        read.map_err(ArchiveError::io(path))?;
        let mut manifest: Self =
            serde_json::from_str(&text).map_err(|cause| ArchiveError::damaged(path, cause))?;
        if manifest.format != FORMAT {
            let what = format!("it is `{}`, not `{FORMAT}`", manifest.format);
            return Err(ArchiveError::damaged(path, what));
        }
        manifest.learn_what_was_copied();
        Ok(manifest)
    }

    /// For a copy that was noted without its digest: a file that no erasure has touched is what was
    /// sent; otherwise the copy may be older, and is looked at again.
    fn learn_what_was_copied(&mut self) {
        if self.bucket.is_none() || self.copied.is_some() {
            return;
        }
        if self.erased == 0 {
            self.copied = Some(self.digest);
        } else {
            self.outdated = true;
        }
    }

    /// Writes it, replacing an earlier one. Durable when it answers.
    pub(super) fn store(&self, path: &Path) -> Result<(), ArchiveError> {
        use std::io::Write as _;
        let written = path.with_extension("json.tmp");
        remove_if_there(&written)?;
        let text = serde_json::to_string_pretty(self)
            .map_err(|cause| ArchiveError::damaged(path, cause))?;
        let mut file = std::fs::File::create_new(&written).map_err(ArchiveError::io(&written))?;
        let put = writeln!(file, "{text}").and_then(|()| file.sync_all());
        put.map_err(ArchiveError::io(&written))?;
        put_in_place(&written, path)
    }
}

/// The third line of a checkpoint.
fn root_of(checkpoint: &str) -> Option<String> {
    checkpoint.lines().nth(2).map(str::to_owned)
}

/// Length and SHA-256 of a file.
pub(super) fn digest(path: &Path) -> Result<(u64, Digest), ArchiveError> {
    use sha2::Digest as _;
    let mut file = std::fs::File::open(path).map_err(ArchiveError::io(path))?;
    let mut hasher = sha2::Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut length = 0u64;
    loop {
        let read = file.read(&mut buffer).map_err(ArchiveError::io(path))?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
            let digest = Digest::from_bytes(hasher.finalize().into());
            return Ok((length, digest));
        };
        hasher.update(bytes);
        length = length.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
    }
}
