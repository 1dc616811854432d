//! Manifests as files: made from the archive file they speak of, loaded, and put in place of an
//! earlier one.

use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use burgess_core::digest::Digest;

use super::file::{put_in_place, remove_if_there};
use super::frontier::Frontier;
use super::verify::walk;
use super::{ArchiveError, FORMAT, Manifest, Sealed};

/// Bytes of a manifest at most: a checkpoint with sixteen signatures takes 60 kB.
const BYTES_MAX: u64 = 256 * 1024;

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
        Self::parse(&text).map_err(|cause| ArchiveError::damaged(path, cause))
    }

    /// Writes it, replacing an earlier one. Durable when it answers.
    pub(super) fn store(&self, path: &Path) -> Result<(), ArchiveError> {
        use std::io::Write as _;
        let written = path.with_extension("json.tmp");
        remove_if_there(&written)?;
        let text = self.text();
        let text = text.map_err(|cause| ArchiveError::damaged(path, cause))?;
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
