//! Reading an open ledger: entries, side values, roots and proofs.
//!
//! What waits for its checkpoint comes from memory, everything else from the same files that the
//! outside reads. All of it blocks for file access.

use crate::proof::TlogProof;
use crate::shard::Ledger;
use crate::side;
use crate::tile::{Kind, TILE_WIDTH, TileError, TileId, node, read_entries};
use crate::tree::{Hash, consistency_path, inclusion_path, range_root};
use crate::witnessed::for_receipt;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such entry yet.
    #[error("entry {index} is not in the log of {size} entries")]
    Beyond {
        /// The entry asked for.
        index: u64,
        /// Entries that there are.
        size: u64,
    },
    /// The entry was pruned.
    #[error("entry {index} was pruned, the log begins at entry {minimum}")]
    Pruned {
        /// The entry asked for.
        index: u64,
        /// The first entry that is there.
        minimum: u64,
    },
    /// The published checkpoint does not cover it yet.
    #[error("the published checkpoint covers {published} entries, not {wanted}, publish first")]
    NotPublished {
        /// The size asked for.
        wanted: u64,
        /// The size that is published.
        published: u64,
    },
    /// A tile, bundle or side file could not be used.
    #[error(transparent)]
    Tile(#[from] TileError),
}

/// Reading. Blocks for file access.
impl Ledger {
    /// The bytes of the leaf at `index`, durable or published.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn entry(&self, index: u64) -> Result<Vec<u8>, ReadError> {
        let mut entries = self.entries(index..index.saturating_add(1))?;
        entries.pop().ok_or(ReadError::Beyond {
            index,
            size: self.size(),
        })
    }

    /// The bytes of the leaves in `range`, which ends at [`Ledger::size`] at most.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn entries(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, ReadError> {
        let mut entries = Vec::new();
        let mut index = range.start;
        while index < range.end {
            if let Some(group) = self.core.shared.waiting(index) {
                let end = group.end().min(range.end);
                let wanted = usize::try_from(end - index).unwrap_or(usize::MAX);
                let leaves = group.from(index).take(wanted);
                entries.extend(leaves.map(|entry| group.leaf(entry).to_vec()));
                index = end;
                continue;
            }
            self.kept(index)?;
            let (first, bundle) = self.bundle(index)?;
            let end = range.end.min(first + TILE_WIDTH);
            let skipped = usize::try_from(index - first).unwrap_or(usize::MAX);
            let wanted = usize::try_from(end - index).unwrap_or(usize::MAX);
            let before = entries.len();
            entries.extend(bundle.into_iter().skip(skipped).take(wanted));
            index += u64::try_from(entries.len() - before).unwrap_or(0);
        }
        Ok(entries)
    }

    /// The bytes of a tile or bundle under its name in the standard, `tile/…`. One that the published
    /// checkpoint does not cover is missing, whatever lies under its name: it may be half written.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn tile(&self, name: &str) -> Result<Vec<u8>, ReadError> {
        let file = || name.to_owned();
        let published = self.checkpoint().checkpoint.size;
        let id = TileId::parse(name).filter(|id| id.is_covered(published));
        let id = id.ok_or_else(|| TileError::Missing { file: file() })?;
        let read = self.core.disk.read(&id.path());
        Ok(read.map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound => TileError::Missing { file: file() },
            _ => TileError::Io {
                file: file(),
                cause,
            },
        })?)
    }

    fn kept(&self, index: u64) -> Result<(), ReadError> {
        let minimum = self.minimum_index();
        if index < minimum {
            return Err(ReadError::Pruned { index, minimum });
        }
        Ok(())
    }

    /// The published part of the bundle that holds `index`, and the index of its first entry.
    fn bundle(&self, index: u64) -> Result<(u64, Vec<Vec<u8>>), ReadError> {
        let published = self.checkpoint().checkpoint.size;
        let n = index / TILE_WIDTH;
        let id = TileId::at(Kind::Entries, n, published).filter(|_| index < published);
        let id = id.ok_or_else(|| ReadError::Beyond {
            index,
            size: self.size(),
        })?;
        let (_, entries) = read_entries(&mut |name| self.core.disk.read(name), &id)?;
        Ok((n * TILE_WIDTH, entries))
    }

    /// The side value of the leaf at `index`; empty where it was given none or it was deleted.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn side(&self, index: u64) -> Result<Vec<u8>, ReadError> {
        if let Some(group) = self.core.shared.waiting(index) {
            let side = group.entry(index).map(|entry| group.side(entry).to_vec());
            return Ok(side.unwrap_or_default());
        }
        let published = self.checkpoint().checkpoint.size;
        if index >= published {
            return Err(ReadError::Beyond {
                index,
                size: self.size(),
            });
        }
        let file = side::path(index / TILE_WIDTH);
        let bytes = match self.core.disk.read(&file) {
            Ok(bytes) => bytes,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(cause) => return Err(TileError::Io { file, cause }.into()),
        };
        let mut values = side::decode(&bytes).ok_or_else(|| TileError::Malformed {
            file,
            index: Some(index),
            what: "is damaged".to_owned(),
        })?;
        let at = usize::try_from(index % TILE_WIDTH).unwrap_or(usize::MAX);
        Ok(if at < values.len() {
            values.swap_remove(at).value
        } else {
            Vec::new()
        })
    }

    /// The side values of the leaves in `range`, which ends at [`Ledger::size`] at most; each file
    /// is read once. Empty where there is none.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn sides(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, ReadError> {
        let mut sides = Vec::new();
        let mut index = range.start;
        while index < range.end {
            if self.core.shared.waiting(index).is_some() {
                sides.push(self.side(index)?);
                index += 1;
                continue;
            }
            let end = range.end.min((index / TILE_WIDTH + 1) * TILE_WIDTH);
            let end = end.min(self.checkpoint().checkpoint.size);
            if end <= index {
                let size = self.size();
                return Err(ReadError::Beyond { index, size });
            }
            let file = side::path(index / TILE_WIDTH);
            let mut values = match self.core.disk.read(&file) {
                Ok(bytes) => side::decode(&bytes).ok_or_else(|| TileError::Malformed {
                    file,
                    index: Some(index),
                    what: "is damaged".to_owned(),
                })?,
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => Vec::new(),
                Err(cause) => return Err(TileError::Io { file, cause }.into()),
            }
            .into_iter()
            .map(|entry| entry.value)
            .skip(usize::try_from(index % TILE_WIDTH).unwrap_or(usize::MAX));
            sides.extend((index..end).map(|_| values.next().unwrap_or_default()));
            index = end;
        }
        Ok(sides)
    }

    /// RFC 6962 audit path of entry `index` in the tree of `size` published entries.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn inclusion_proof(&self, index: u64, size: u64) -> Result<Vec<Hash>, ReadError> {
        let published = self.covered(size)?;
        if index >= size {
            return Err(ReadError::Beyond { index, size });
        }
        Ok(inclusion_path(index, size, &mut self.nodes(published))?)
    }

    /// RFC 6962 consistency proof between two published sizes.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn consistency_proof(&self, old: u64, new: u64) -> Result<Vec<Hash>, ReadError> {
        let published = self.covered(old.max(new))?;
        Ok(consistency_path(old, new, &mut self.nodes(published))?)
    }

    /// The root over the first `size` published entries.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn root(&self, size: u64) -> Result<Hash, ReadError> {
        let published = self.covered(size)?;
        Ok(range_root(0, size, &mut self.nodes(published))?)
    }

    /// The receipt that verifies offline: `c2sp.org/tlog-proof@v1` with the witnessed checkpoint if it
    /// covers the entry, else with the published one.
    ///
    /// # Errors
    /// [`ReadError::NotPublished`] where that checkpoint does not cover the entry yet.
    pub fn tlog_proof(&self, index: u64) -> Result<String, ReadError> {
        let signed = for_receipt(self, index);
        let size = signed.checkpoint.size;
        if index >= size {
            let durable = self.size();
            return Err(if index < durable {
                ReadError::NotPublished {
                    wanted: index + 1,
                    published: size,
                }
            } else {
                ReadError::Beyond {
                    index,
                    size: durable,
                }
            });
        }
        let path = self.inclusion_proof(index, size)?;
        Ok(TlogProof {
            index,
            path,
            checkpoint: signed.note.clone(),
        }
        .text())
    }

    fn covered(&self, wanted: u64) -> Result<u64, ReadError> {
        let published = self.checkpoint().checkpoint.size;
        if wanted > published {
            return Err(ReadError::NotPublished { wanted, published });
        }
        Ok(published)
    }

    /// Hashes of perfect subtrees in a log of `size` entries. A proof takes several from one tile,
    /// which is read once.
    fn nodes(&self, size: u64) -> impl FnMut(u32, u64) -> Result<Hash, TileError> {
        let mut tiles: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        move |height, n| {
            let mut read = |name: &str| match tiles.get(name) {
                Some(bytes) => Ok(bytes.clone()),
                None => {
                    let bytes = self.core.disk.read(name)?;
                    tiles.insert(name.to_owned(), bytes.clone());
                    Ok(bytes)
                }
            };
            node(&mut read, size, height, n)
        }
    }
}
