//! Tiles and entry bundles of C2SP `tlog-tiles`: their names, their bytes, and how a node of the
//! tree is read from them.
//!
//! Nothing here writes: `publisher` does. A reader is a function from a name relative to the
//! ledger's folder to bytes, so the same code serves files, a web client and a test.

use crate::tree::{Hash, leaf_hash, root_of};
use std::io;

/// Hashes per full tile and entries per full bundle.
/// <https://c2sp.org/tlog-tiles#merkle-tree>
pub const TILE_WIDTH: u64 = 256;
/// Bytes of an entry at most: bundles frame entries with a 16-bit length.
/// <https://c2sp.org/tlog-tiles#log-entries>
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// Why a named part of the ledger could not be used.
#[derive(Debug, thiserror::Error)]
pub enum TileError {
    /// Neither the partial nor the full form is there.
    #[error("`{file}` is missing, restore it from a backup or a mirror")]
    Missing {
        /// Name relative to the ledger's folder.
        file: String,
    },
    /// It is there and does not have the shape it must have.
    #[error("`{file}`: {what}")]
    Malformed {
        /// Name relative to the ledger's folder.
        file: String,
        /// Entry or hash inside the whole log where reading failed, if it got that far.
        index: Option<u64>,
        /// What is wrong with it.
        what: String,
    },
    /// Reading it failed.
    #[error("`{file}` could not be read: {cause}")]
    Io {
        /// Name relative to the ledger's folder.
        file: String,
        /// The operating system's answer.
        cause: io::Error,
    },
}

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Hashes of the given level; level 0 are leaf hashes.
    Hashes(u32),
    /// The entries themselves.
    Entries,
}

/// One tile or bundle: kind, position and number of items in it (1 to 256).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TileId {
    /// Hash tile or entry bundle.
    pub kind: Kind,
    /// Position within its level.
    pub n: u64,
    /// Items in it; 256 is a full one.
    pub width: u64,
}

impl TileId {
    /// The `n`th tile of `kind` as far as a log of `size` entries fills it; `None` if not at all.
    #[must_use]
    pub fn at(kind: Kind, n: u64, size: u64) -> Option<Self> {
        let height = match kind {
            Kind::Hashes(level) => level.checked_mul(8)?,
            Kind::Entries => 0,
        };
        let items = size.checked_shr(height).unwrap_or(0);
        let width = items
            .saturating_sub(n.checked_mul(TILE_WIDTH)?)
            .min(TILE_WIDTH);
        (width > 0).then_some(Self { kind, n, width })
    }

    /// Reads the one way to write the name of a tile.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (kind, rest) = name.strip_prefix("tile/")?.split_once('/')?;
        let kind = match kind {
            "entries" => Kind::Entries,
            level => Kind::Hashes(level.parse().ok().filter(|level| *level < 8)?),
        };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, width.parse().ok()?),
            None => (rest, TILE_WIDTH),
        };
        let mut n = 0u64;
        for group in number.split('/') {
            let digits: u64 = group.strip_prefix('x').unwrap_or(group).parse().ok()?;
            n = n.checked_mul(1000)?.checked_add(digits)?;
        }
        let id = Self { kind, n, width };
        (id.width > 0 && id.path() == name).then_some(id)
    }

    /// Whether a log of `size` entries has everything that is in the tile.
    #[must_use]
    pub fn is_covered(&self, size: u64) -> bool {
        Self::at(self.kind, self.n, size).is_some_and(|whole| self.width <= whole.width)
    }

    /// The name of C2SP `tlog-tiles`: `tile/0/x001/x234/067` or `tile/entries/000.p/12`.
    #[must_use]
    pub fn path(&self) -> String {
        let mut path = match self.kind {
            Kind::Hashes(level) => format!("tile/{level}/"),
            Kind::Entries => "tile/entries/".to_owned(),
        };
        path.push_str(&grouped(self.n));
        if self.width < TILE_WIDTH {
            path.push_str(&format!(".p/{}", self.width));
        }
        path
    }

    /// The folder of this tile's partial forms.
    #[must_use]
    pub fn partial_folder(&self) -> String {
        let mut path = Self {
            width: TILE_WIDTH,
            ..*self
        }
        .path();
        path.push_str(".p");
        path
    }
}

/// `1234067` is `x001/x234/067`.
#[must_use]
pub fn grouped(n: u64) -> String {
    let mut name = format!("{:03}", n % 1000);
    let mut rest = n / 1000;
    while rest > 0 {
        name = format!("x{:03}/{name}", rest % 1000);
        rest /= 1000;
    }
    name
}

/// Reads a tile, or the full one where the partial one has been superseded; answers the name that
/// was read and its bytes.
///
/// # Errors
/// [`TileError::Missing`] and [`TileError::Io`].
pub fn read_tile(
    read: &mut impl FnMut(&str) -> io::Result<Vec<u8>>,
    id: &TileId,
) -> Result<(String, Vec<u8>), TileError> {
    let wanted = id.path();
    for width in [id.width, TILE_WIDTH] {
        let file = TileId { width, ..*id }.path();
        match read(&file) {
            Ok(bytes) => return Ok((file, bytes)),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
            Err(cause) => return Err(TileError::Io { file, cause }),
        }
    }
    Err(TileError::Missing { file: wanted })
}

/// The hashes of a tile: exactly `id.width` of them, whatever form was found.
///
/// # Errors
/// As [`read_tile`], and [`TileError::Malformed`] where the length is not that of the name.
pub fn read_hashes(
    read: &mut impl FnMut(&str) -> io::Result<Vec<u8>>,
    id: &TileId,
) -> Result<(String, Vec<Hash>), TileError> {
    let (file, bytes) = read_tile(read, id)?;
    let partial = file == id.path();
    let named = if partial { id.width } else { TILE_WIDTH };
    let (hashes, rest) = bytes.as_chunks::<32>();
    if !rest.is_empty() || u64::try_from(hashes.len()) != Ok(named) {
        let what = format!("holds {} bytes instead of {}", bytes.len(), named * 32);
        return Err(TileError::Malformed {
            file,
            index: None,
            what,
        });
    }
    let width = usize::try_from(id.width).unwrap_or(usize::MAX);
    Ok((file, hashes.iter().take(width).copied().collect()))
}

/// The entries of a bundle: exactly `id.width` of them, whatever form was found.
///
/// # Errors
/// As [`read_tile`], and [`TileError::Malformed`] for a cut entry or bytes after the last.
pub fn read_entries(
    read: &mut impl FnMut(&str) -> io::Result<Vec<u8>>,
    id: &TileId,
) -> Result<(String, Vec<Vec<u8>>), TileError> {
    let (file, bytes) = read_tile(read, id)?;
    let entries = split_entries(&file, &bytes, id)?;
    let entries = entries.into_iter().map(<[u8]>::to_vec).collect();
    Ok((file, entries))
}

/// The entries in the bytes of a bundle that was read as `file`: exactly `id.width` of them.
///
/// # Errors
/// [`TileError::Malformed`] for a cut entry or bytes after the last.
pub(crate) fn split_entries<'a>(
    file: &str,
    bytes: &'a [u8],
    id: &TileId,
) -> Result<Vec<&'a [u8]>, TileError> {
    let malformed = |index, what| TileError::Malformed {
        file: file.to_owned(),
        index,
        what,
    };
    let named = if file == id.path() {
        id.width
    } else {
        TILE_WIDTH
    };
    let mut entries = Vec::with_capacity(256);
    let mut rest = bytes;
    for n in 0..named {
        let Some((entry, after)) = split_entry(rest) else {
            let index = id.n * TILE_WIDTH + n;
            return Err(malformed(Some(index), format!("entry {index} is cut off")));
        };
        entries.push(entry);
        rest = after;
    }
    if !rest.is_empty() {
        let last = id.n * TILE_WIDTH + named - 1;
        let what = format!("{} bytes follow entry {last}, its last", rest.len());
        return Err(malformed(Some(last), what));
    }
    entries.truncate(usize::try_from(id.width).unwrap_or(usize::MAX));
    Ok(entries)
}

fn split_entry(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

/// The hash of the `n`th perfect subtree of `2^height` leaves in a log of `size` entries, read
/// from its tile.
///
/// # Errors
/// As [`read_hashes`].
pub fn node(
    read: &mut impl FnMut(&str) -> io::Result<Vec<u8>>,
    size: u64,
    height: u32,
    n: u64,
) -> Result<Hash, TileError> {
    let (level, inner) = (height / 8, height % 8);
    let first = n << inner;
    let kind = Kind::Hashes(level);
    let id = TileId::at(kind, first / TILE_WIDTH, size).ok_or_else(|| TileError::Missing {
        file: TileId {
            kind,
            n: first / TILE_WIDTH,
            width: TILE_WIDTH,
        }
        .path(),
    })?;
    let (file, hashes) = read_hashes(read, &id)?;
    let from = usize::try_from(first % TILE_WIDTH).unwrap_or(usize::MAX);
    let wanted = hashes.get(from..).and_then(|rest| rest.get(..1 << inner));
    match wanted {
        Some(hashes) => Ok(root_of(hashes)),
        None => Err(TileError::Malformed {
            file,
            index: None,
            what: "is too short".to_owned(),
        }),
    }
}

/// The leaf hashes of a bundle's entries.
#[must_use]
pub fn leaf_hashes(entries: &[Vec<u8>]) -> Vec<Hash> {
    entries.iter().map(|entry| leaf_hash(entry)).collect()
}
