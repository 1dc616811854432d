//! Checking an archive with nothing but its own files and a key from elsewhere.
//!
//! Each leaf is hashed again and the hashes are carried from file to file, so that the root of
//! each file's checkpoint covers everything before it too.

use std::path::Path;

use burgess_ledger::tree::leaf_hash;
use burgess_ledger::{NoteVerifier, SignedCheckpoint};

use super::file::Reader;
use super::frontier::Frontier;
use super::{ArchiveError, Entry, Folder, Head, read};

/// What was found to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Files.
    pub files: u64,
    /// Entries in them.
    pub entries: u64,
    /// Entries whose sealed value is there.
    pub sealed: u64,
    /// The last file's head; none when there is no file.
    pub head: Option<Head>,
}

/// Checks one file by itself: that its entries follow one another and have the hashes that stand
/// beside them. Whether they are those that were signed takes the files before it:
/// [`verify_all`]. Blocks for file access.
///
/// # Errors
/// [`ArchiveError`] names the first bad entry.
pub fn verify(path: &Path) -> Result<Verified, ArchiveError> {
    let reader = read(path)?;
    let mut tree = Frontier::default();
    let (entries, sealed) = walk(&reader, path, &mut tree)?;
    Ok(Verified {
        files: 1,
        entries,
        sealed,
        head: Some(reader.head),
    })
}

/// Checks all files of a shard that retention has left: digests, order, leaf hashes, and that each
/// file's checkpoint is signed by `key` over exactly these leaves. Blocks for file access.
///
/// # Errors
/// [`ArchiveError`] names the first bad file and entry.
pub fn verify_all(path: &Path, key: &NoteVerifier) -> Result<Verified, ArchiveError> {
    let folder = Folder::open(path)?;
    let mut tree = Frontier::default();
    let mut verified = Verified {
        files: 0,
        entries: 0,
        sealed: 0,
        head: None,
    };
    for manifest in folder.files() {
        let file = path.join(&manifest.file);
        if manifest.pruned {
            // Taken on trust only until the next root, which it has to lead to.
            tree = Frontier::of(&manifest.roots);
            continue;
        }
        if !file.exists() {
            // It lies in a bucket: fetch it to check it.
            return Err(ArchiveError::Missing(file));
        }
        manifest.check(path)?;
        let reader = read(&file)?;
        let (entries, sealed) = walk(&reader, &file, &mut tree)?;
        let signed = SignedCheckpoint::open(reader.head.checkpoint.as_bytes(), key);
        let signed = signed.map_err(|cause| ArchiveError::Checkpoint {
            file: file.clone(),
            cause,
        })?;
        let covered = signed.checkpoint.size == reader.head.last.saturating_add(1);
        if !covered || signed.checkpoint.root != tree.root() {
            return Err(ArchiveError::Root(file));
        }
        verified = Verified {
            files: verified.files + 1,
            entries: verified.entries + entries,
            sealed: verified.sealed + sealed,
            head: Some(reader.head),
        };
    }
    Ok(verified)
}

/// Hashes every leaf; answers how many there are and how many have a sealed value.
pub(super) fn walk(
    reader: &Reader,
    path: &Path,
    tree: &mut Frontier,
) -> Result<(u64, u64), ArchiveError> {
    let head = &reader.head;
    let (mut expected, mut sealed) = (head.first, 0);
    for group in reader.groups() {
        for entry in group? {
            if entry.index != expected || expected > head.last {
                return Err(ArchiveError::Order {
                    file: path.to_owned(),
                    expected,
                    found: entry.index,
                });
            }
            check_leaf(&entry).map_err(|index| ArchiveError::Leaf {
                file: path.to_owned(),
                index,
            })?;
            tree.push(entry.leaf_hash);
            sealed += u64::from(!entry.sealed.is_empty());
            expected += 1;
        }
    }
    if expected != head.last.saturating_add(1) {
        let what = format!("it ends before entry {expected}");
        return Err(ArchiveError::damaged(path, what));
    }
    Ok((expected - head.first, sealed))
}

/// Whether a leaf has the hash that stands beside it; its index, where it has not.
fn check_leaf(entry: &Entry) -> Result<(), u64> {
    if leaf_hash(&entry.leaf) != entry.leaf_hash {
        return Err(entry.index);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_that_is_not_what_its_hash_says_is_named() {
        let mut entry = Entry {
            index: 7,
            leaf_hash: leaf_hash(b"leaf"),
            leaf: b"leaf".to_vec(),
            sealed: Vec::new(),
        };
        assert_eq!(check_leaf(&entry), Ok(()));
        entry.leaf[0] ^= 1;
        assert_eq!(check_leaf(&entry), Err(7));
    }
}
