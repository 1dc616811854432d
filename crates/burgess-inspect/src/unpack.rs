//! Reads hostile bytes into a tree of files in memory, within budgets.
//!
//! A tree comes from a zip archive (also an `.msapp`, whose names have backslashes),
//! from the files of a folder, or from one file. Archives inside archives are opened
//! where they lie, so that nothing hides in them.
//! Not here: any input or output. Bytes come in, a tree or an error comes out.

mod zip;

use std::collections::{BTreeMap, BTreeSet};

use burgess_core::digest::Digest;

use crate::error::{InspectError, shown};

/// Most bytes of one upload. The largest canvas apps that the platform itself accepts
/// for import are 50 MB without their media.
pub const UPLOAD_BYTES_MAX: u64 = 50_000_000;
/// Most bytes after unpacking, nested archives included: four times the upload, and
/// what a small server (1 GB) can hold twice.
pub const UNPACKED_BYTES_MAX: u64 = 200_000_000;
/// Most files and folders, nested archives included. The largest exports that we know
/// have some hundreds.
pub const ENTRIES_MAX: u64 = 10_000;
/// Most times that an entry, or all of them together, may expand. Text in JSON reaches
/// 20 to 50 times, deflate's own limit is 1,032.
pub const RATIO_MAX: u64 = 200;
/// Below this many bytes the ratio says nothing: a page of blanks exceeds it.
pub const RATIO_FREE_BYTES: u64 = 1_000_000;
/// Deepest archive in archive: an `.msapp` in a solution is 2.
pub const DEPTH_MAX: u32 = 2;
/// Longest name in bytes: four times what the platforms' own file systems take.
pub const NAME_BYTES_MAX: usize = 1_024;
/// Most folders in a name.
pub const NAME_PARTS_MAX: usize = 32;

/// Office documents are zip archives too; they are data, and are left closed.
const LEFT_CLOSED: [&str; 9] = [
    ".docx", ".xlsx", ".xlsm", ".pptx", ".dotx", ".xltx", ".potx", ".odt", ".ods",
];

/// Files in memory by their path, with `/` between its parts. What lay in an archive
/// inside has that archive's path before its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// The files. Paths are relative, without `.` and `..`.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Digest of what was handed in: the archive's or file's own bytes (what `sha256sum`
    /// says), or of a folder's sorted paths and bytes.
    pub raw: Digest,
}

/// What is left of the limits while a tree is read.
struct Budget {
    bytes: u64,
    entries: u64,
}

/// Reads one uploaded file: an archive is opened, anything else is a tree of one file.
///
/// # Errors
/// Any of the `ARCHIVE_…` errors of [`InspectError`].
pub fn file(name: &str, bytes: Vec<u8>) -> Result<Tree, InspectError> {
    let name = file_name(name)?;
    within_upload(&name, byte_count(&bytes))?;
    let raw = Digest::of(&bytes);
    let mut reader = Reader::new();
    if zip::looks_like(&bytes) && !left_closed(&name) {
        reader.archive("", &name, &bytes, 1)?;
    } else if named_like_archive(&name) {
        return Err(InspectError::NotZip { place: name });
    } else {
        reader.spend(&name, byte_count(&bytes))?;
        reader.add(name.clone(), bytes)?;
    }
    reader.finish(&name, raw)
}

/// Reads the files of a folder, given by relative path and bytes. The caller has not
/// followed links.
///
/// # Errors
/// Any of the `ARCHIVE_…` errors of [`InspectError`].
pub fn folder(files: Vec<(String, Vec<u8>)>) -> Result<Tree, InspectError> {
    let total = files.iter().map(|(_, bytes)| byte_count(bytes)).sum();
    within_upload("the folder", total)?;
    let raw = raw_of(&files);
    let mut reader = Reader::new();
    for (name, bytes) in files {
        reader.entry("the folder")?;
        let path = zip::safe_path(&name)?;
        reader.spend(&path, byte_count(&bytes))?;
        reader.place(path, bytes, 0)?;
    }
    reader.finish("the folder", raw)
}

struct Reader {
    budget: Budget,
    files: BTreeMap<String, Vec<u8>>,
    folded: BTreeSet<String>,
}

impl Reader {
    fn new() -> Self {
        Self {
            budget: Budget {
                bytes: UNPACKED_BYTES_MAX,
                entries: ENTRIES_MAX,
            },
            files: BTreeMap::new(),
            folded: BTreeSet::new(),
        }
    }

    /// Opens the archive `bytes` called `place`; its entries are put under `prefix`.
    fn archive(
        &mut self,
        prefix: &str,
        place: &str,
        bytes: &[u8],
        depth: u32,
    ) -> Result<(), InspectError> {
        let mut inflated_total = 0u64;
        for entry in zip::entries(place, bytes)? {
            self.entry(place)?;
            if entry.is_folder() {
                continue;
            }
            let path = format!("{prefix}{}", entry.path);
            let content = zip::inflate(&path, &entry, bytes, self.budget.bytes)?;
            self.spend(&path, byte_count(&content))?;
            inflated_total = inflated_total.saturating_add(byte_count(&content));
            if zip::is_bomb(inflated_total, byte_count(bytes)) {
                return Err(InspectError::Bomb {
                    place: place.to_owned(),
                    ratio: RATIO_MAX,
                });
            }
            self.place(path, content, depth)?;
        }
        Ok(())
    }

    /// Puts a file into the tree, or opens it when it is an archive.
    fn place(&mut self, path: String, bytes: Vec<u8>, depth: u32) -> Result<(), InspectError> {
        if !zip::looks_like(&bytes) || left_closed(&path) {
            return self.add(path, bytes);
        }
        if depth >= DEPTH_MAX {
            return Err(InspectError::NestedTooDeep { place: path, depth });
        }
        // The archive's own name is taken as well: a file of that name beside it would hide one of the two.
        self.claim(&path)?;
        self.archive(&format!("{path}/"), &path, &bytes, depth.saturating_add(1))
    }

    fn add(&mut self, path: String, bytes: Vec<u8>) -> Result<(), InspectError> {
        self.claim(&path)?;
        self.files.insert(path, bytes);
        Ok(())
    }

    /// Refuses a second entry whose name a file system without capitals takes for the first.
    fn claim(&mut self, path: &str) -> Result<(), InspectError> {
        if self.folded.insert(path.to_lowercase()) {
            Ok(())
        } else {
            Err(InspectError::Duplicate {
                place: path.to_owned(),
            })
        }
    }

    fn entry(&mut self, place: &str) -> Result<(), InspectError> {
        self.budget.entries =
            self.budget
                .entries
                .checked_sub(1)
                .ok_or_else(|| InspectError::TooManyEntries {
                    place: place.to_owned(),
                    entries: ENTRIES_MAX.saturating_add(1),
                    limit: ENTRIES_MAX,
                })?;
        Ok(())
    }

    fn spend(&mut self, place: &str, bytes: u64) -> Result<(), InspectError> {
        self.budget.bytes =
            self.budget
                .bytes
                .checked_sub(bytes)
                .ok_or_else(|| InspectError::UnpacksTooLarge {
                    place: place.to_owned(),
                    limit: UNPACKED_BYTES_MAX,
                })?;
        Ok(())
    }

    fn finish(self, place: &str, raw: Digest) -> Result<Tree, InspectError> {
        if self.files.is_empty() {
            return Err(InspectError::Empty {
                place: place.to_owned(),
            });
        }
        Ok(Tree {
            files: self.files,
            raw,
        })
    }
}

/// The last part of an uploaded file's name; the folders on the sender's machine are no
/// business of ours.
fn file_name(name: &str) -> Result<String, InspectError> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    if last.is_empty() {
        return Err(InspectError::Path {
            place: shown(name),
            why: "is empty",
        });
    }
    zip::safe_path(last)
}

fn within_upload(place: &str, bytes: u64) -> Result<(), InspectError> {
    if bytes > UPLOAD_BYTES_MAX {
        return Err(InspectError::TooLarge {
            place: place.to_owned(),
            bytes,
            limit: UPLOAD_BYTES_MAX,
        });
    }
    Ok(())
}

fn raw_of(files: &[(String, Vec<u8>)]) -> Digest {
    let mut sorted: Vec<_> = files
        .iter()
        .map(|(path, bytes)| (path, Digest::of(bytes)))
        .collect();
    sorted.sort();
    let mut listing = String::from("burgess.folder/1\n");
    for (path, digest) in sorted {
        listing.push_str(&format!("{digest} {path:?}\n"));
    }
    Digest::of(listing.as_bytes())
}

fn left_closed(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    LEFT_CLOSED.iter().any(|ending| path.ends_with(ending))
}

fn named_like_archive(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    path.ends_with(".zip") || path.ends_with(".msapp")
}

/// `usize` is never wider than 64 bits on the platforms we build for.
pub(crate) fn byte_count(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
