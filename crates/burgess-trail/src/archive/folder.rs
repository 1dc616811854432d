//! The archive of one shard: a folder of files that follow one another without a gap.
//!
//! The commit point is the rename of the Parquet file. A file without its manifest was cut off
//! right after it, and gets one when the folder is opened; what has not been renamed is begun anew.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use burgess_core::digest::Digest;
use burgess_core::time::Timestamp;
use burgess_ledger::SignedCheckpoint;
use burgess_ledger::tree::leaf_hash;

use super::file::{self, Writer, put_in_place, remove_if_there};
use super::frontier::Frontier;
use super::manifest::{Manifest, Sealed, is_day};
use super::manifest_file;
use super::{ArchiveError, Entry, Head};

/// Entries asked for at a time: some bundles, some hundred kilobytes.
const BATCH: u64 = 1_024;

/// Where entries come from: leaves and sealed values of a range, in order, or why not.
pub type Source<'a> = dyn FnMut(Range<u64>) -> Result<Vec<(Vec<u8>, Vec<u8>)>, String> + 'a;

/// An open folder. One at a time writes there; the caller sees to it.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    files: Vec<Manifest>,
}

impl Folder {
    /// Opens the folder, makes it where it is missing, finishes what a crash left, and checks that
    /// the files are all there and follow one another. Their contents are for
    /// [`super::verify_all`]. Blocks for file access.
    ///
    /// # Errors
    /// [`ArchiveError`] names the first file that is missing, damaged or out of place.
    pub fn open(path: &Path) -> Result<Self, ArchiveError> {
        std::fs::create_dir_all(path).map_err(ArchiveError::io(path))?;
        let mut folder = Self {
            path: path.to_owned(),
            files: Vec::new(),
        };
        for sealed in folder.list()? {
            let manifest = folder.recover(&sealed)?;
            let expected = folder.next();
            if manifest.first != expected {
                return Err(ArchiveError::Gap {
                    file: folder.archive(&sealed),
                    expected,
                    found: manifest.first,
                });
            }
            folder.files.push(manifest);
        }
        Ok(folder)
    }

    /// What the manifests say, in order, after the same checks; but nothing is changed, finished or
    /// removed, so it may be asked while somebody else writes there. Blocks for file access.
    ///
    /// # Errors
    /// [`ArchiveError`] names the first file that is missing, damaged or out of place.
    pub fn look(path: &Path) -> Result<Vec<Manifest>, ArchiveError> {
        let mut stems = BTreeMap::new();
        for entry in std::fs::read_dir(path).map_err(ArchiveError::io(path))? {
            let file = entry.map_err(ArchiveError::io(path))?.path();
            let is_manifest = file.extension().is_some_and(|it| it == "json");
            let stem = file.file_stem().and_then(|it| it.to_str());
            if let Some(sealed) = stem.and_then(Sealed::parse).filter(|_| is_manifest) {
                stems.insert((sealed.first, sealed.last), file);
            }
        }
        let (mut files, mut expected) = (Vec::new(), 0);
        for ((first, last), file) in stems {
            let said = Manifest::load(&file)?;
            let archive = path.join(&said.file);
            if first != expected {
                return Err(ArchiveError::Gap {
                    file: archive,
                    expected,
                    found: first,
                });
            }
            match std::fs::metadata(&archive) {
                Ok(there) if said.pruned || said.erasing || there.len() == said.bytes => {}
                Ok(there) => return Err(of_another_time(&archive, there.len(), &said)),
                Err(_) if said.pruned || said.bucket.is_some() => {}
                Err(_) => return Err(ArchiveError::Missing(archive)),
            }
            expected = last.saturating_add(1);
            files.push(said);
        }
        Ok(files)
    }

    /// The files by their names, in the order of their entries; leftovers are removed.
    fn list(&self) -> Result<Vec<Sealed>, ArchiveError> {
        let mut found = BTreeMap::new();
        let entries = std::fs::read_dir(&self.path).map_err(ArchiveError::io(&self.path))?;
        for entry in entries {
            let path = entry.map_err(ArchiveError::io(&self.path))?.path();
            let extension = path.extension().and_then(|it| it.to_str());
            let stem = path.file_stem().and_then(|it| it.to_str());
            match (extension, stem.and_then(Sealed::parse)) {
                (Some("tmp"), _) => remove_if_there(&path)?,
                (Some("parquet" | "json"), Some(sealed)) => {
                    found.insert((sealed.first, sealed.last), sealed);
                }
                _ => {}
            }
        }
        Ok(found.into_values().collect())
    }

    /// The manifest of a file, which is written now if a crash came before it.
    fn recover(&self, sealed: &Sealed) -> Result<Manifest, ArchiveError> {
        let (archive, manifest) = (self.archive(sealed), self.manifest(sealed));
        let there = std::fs::metadata(&archive);
        if !manifest.exists() {
            let found = Manifest::of(&archive, sealed, self.edge())?;
            found.store(&manifest)?;
            return Ok(found);
        }
        let said = Manifest::load(&manifest)?;
        if (&said.day, said.first, said.last) != (&sealed.day, sealed.first, sealed.last) {
            return Err(ArchiveError::damaged(&manifest, "it is of another file"));
        }
        match there {
            Err(_) if said.pruned || said.bucket.is_some() => Ok(said),
            // A prune was cut off between its note and the file.
            Ok(_) if said.pruned => remove_if_there(&archive).map(|()| said),
            Err(_) => Err(ArchiveError::Missing(archive)),
            Ok(_) if said.erasing => finish_erasure(&archive, &manifest, said),
            Ok(there) if there.len() == said.bytes => Ok(said),
            Ok(there) => Err(of_another_time(&archive, there.len(), &said)),
        }
    }

    /// Where the archive file of that name lies.
    #[must_use]
    pub fn archive(&self, sealed: &Sealed) -> PathBuf {
        self.path.join(format!("{}.parquet", sealed.stem()))
    }

    fn manifest(&self, sealed: &Sealed) -> PathBuf {
        self.path.join(format!("{}.json", sealed.stem()))
    }

    /// The index that comes next.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.files
            .last()
            .map_or(0, |last| last.last.saturating_add(1))
    }

    /// The tree over everything that is archived.
    fn edge(&self) -> Frontier {
        let last = self.files.last();
        last.map_or_else(Frontier::default, |last| Frontier::of(&last.roots))
    }

    /// The last day that was sealed.
    #[must_use]
    pub fn last_day(&self) -> Option<&str> {
        self.files.last().map(|last| last.day.as_str())
    }

    /// All files, in order.
    #[must_use]
    pub fn files(&self) -> &[Manifest] {
        &self.files
    }

    /// Writes everything from [`Folder::next`] up to the checkpoint as the file of `day`; none when
    /// there is nothing. Durable when it
    /// answers. Blocks for file access.
    ///
    /// # Errors
    /// [`ArchiveError`]; asking again is then safe.
    pub fn seal(
        &mut self,
        day: &str,
        checkpoint: &SignedCheckpoint,
        entries: &mut Source<'_>,
    ) -> Result<Option<&Manifest>, ArchiveError> {
        let first = self.next();
        let Some(last) = checkpoint.checkpoint.size.checked_sub(1) else {
            return Ok(None);
        };
        if first > last {
            return Ok(None);
        }
        if !is_day(day) {
            return Err(ArchiveError::Source(format!(
                "`{day}` is not a day as 2026-01-18"
            )));
        }
        let head = Head {
            origin: checkpoint.checkpoint.origin.clone(),
            first,
            last,
            checkpoint: checkpoint.note.clone(),
            erased: 0,
        };
        let sealed = Sealed {
            day: day.to_owned(),
            first,
            last,
        };
        let archive = self.archive(&sealed);
        let written = archive.with_extension("parquet.tmp");
        remove_if_there(&written)?;
        fill(&written, &head, entries)?;
        // Read back and compared with the signed root before it counts.
        let manifest = Manifest::of(&written, &sealed, self.edge())?;
        put_in_place(&written, &archive)?;
        manifest.store(&self.manifest(&sealed))?;
        self.files.push(manifest);
        Ok(self.files.last())
    }

    /// Notes where a copy of the file lies, and of which bytes it was made: an erasure may have
    /// rewritten the file while it was on its way.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn uploaded(
        &mut self,
        first: u64,
        bucket: &str,
        digest: &Digest,
    ) -> Result<(), ArchiveError> {
        self.change(first, |manifest| {
            manifest.bucket = Some(bucket.to_owned());
            manifest.copied = Some(*digest);
            manifest.outdated = manifest.digest != *digest;
            manifest.kept = None;
            Ok(())
        })
    }

    /// Notes that the bucket has kept a version of the copy that was replaced.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn older_version_stays(&mut self, first: u64) -> Result<(), ArchiveError> {
        self.change(first, |manifest| {
            manifest.older_version = true;
            Ok(())
        })
    }

    /// Notes that the bucket forbade to replace its outdated copy of the file.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn forbidden(&mut self, first: u64, at: Timestamp) -> Result<(), ArchiveError> {
        self.change(first, |manifest| {
            manifest.kept = Some(at);
            Ok(())
        })
    }

    /// Notes that the file's event is in the ledger.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn recorded(&mut self, first: u64) -> Result<(), ArchiveError> {
        self.change(first, |manifest| {
            manifest.recorded = true;
            Ok(())
        })
    }

    /// Takes the sealed values of the entries given out of the local files, and answers how many
    /// they had. Blocks for file access.
    ///
    /// # Errors
    /// [`ArchiveError`]; asking again is then safe.
    pub fn blank(&mut self, indices: &BTreeSet<u64>) -> Result<u64, ArchiveError> {
        let concerned: Vec<u64> = self
            .files
            .iter()
            .filter(|file| indices.range(file.first..=file.last).next().is_some())
            .map(|file| file.first)
            .collect();
        let mut blanked = 0u64;
        for first in concerned {
            let taken = self.blank_file(first, &|entry| indices.contains(&entry.index))?;
            blanked = blanked.saturating_add(taken);
        }
        Ok(blanked)
    }

    /// Takes the sealed values that `theirs` says yes to out of the file that begins there, and
    /// answers how many. Of one that is not here it is noted that this did not come about. Blocks
    /// for file access.
    ///
    /// # Errors
    /// [`ArchiveError`]; the file is then as it was, and asking again is safe.
    /// [`ArchiveError::Rotten`] where it is not the file that its manifest was written for: rewritten,
    /// it would look sound and take the place of the sound copy.
    pub fn blank_file(
        &mut self,
        first: u64,
        theirs: &dyn Fn(&Entry) -> bool,
    ) -> Result<u64, ArchiveError> {
        let Some(said) = self.files.iter().find(|file| file.first == first) else {
            return Ok(0);
        };
        let archive = self.path.join(&said.file);
        if !archive.try_exists().map_err(ArchiveError::io(&archive))? {
            if said.bucket.is_some() && !said.missed {
                self.note_missed(first, true)?;
            }
            return Ok(0);
        }
        said.check(&self.path)?;
        let mut indices = BTreeSet::new();
        for group in file::read(&archive)?.groups() {
            let group = group?.into_iter();
            let found = group.filter(|entry| !entry.sealed.is_empty() && theirs(entry));
            indices.extend(found.map(|entry| entry.index));
        }
        if indices.is_empty() {
            return Ok(0);
        }
        // Only under this mark may the file be another one than its manifest says.
        self.change(first, |manifest| {
            manifest.erasing = true;
            Ok(())
        })?;
        let mut blanked = 0;
        self.change(first, |manifest| {
            blanked = file::blank_after(&archive, &indices, manifest.erased)?;
            (manifest.bytes, manifest.digest) = manifest_file::digest(&archive)?;
            manifest.erased = manifest.erased.saturating_add(blanked);
            manifest.outdated |= blanked > 0 && manifest.bucket.is_some();
            manifest.erasing = false;
            Ok(())
        })?;
        Ok(blanked)
    }

    /// The first entries of files that an erasure missed because they were not here, and that are
    /// here again.
    pub fn back(&self) -> impl Iterator<Item = u64> + '_ {
        let back = |file: &&Manifest| file.missed && self.path.join(&file.file).exists();
        self.files.iter().filter(back).map(|file| file.first)
    }

    /// Notes that a file which is here again has been gone through for every erasure.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn caught_up(&mut self, first: u64) -> Result<(), ArchiveError> {
        self.note_missed(first, false)
    }

    fn note_missed(&mut self, first: u64, missed: bool) -> Result<(), ArchiveError> {
        self.change(first, |manifest| {
            manifest.missed = missed;
            Ok(())
        })
    }

    /// Removes the local files that hold nothing but entries before `minimum`, and answers how many
    /// bytes that freed. Their manifests stay: they prove the files after them. A copy in a bucket
    /// is the bucket's own to expire. Blocks for file access.
    ///
    /// # Errors
    /// [`ArchiveError`]; asking again is then safe.
    pub fn prune(&mut self, minimum: u64) -> Result<u64, ArchiveError> {
        let mut freed = 0u64;
        let due = self
            .files
            .iter()
            .filter(|file| file.last < minimum && !file.pruned);
        for (first, name) in due
            .map(|file| (file.first, file.file.clone()))
            .collect::<Vec<_>>()
        {
            let archive = self.path.join(name);
            self.change(first, |manifest| {
                manifest.pruned = true;
                Ok(())
            })?;
            freed = freed.saturating_add(std::fs::metadata(&archive).map_or(0, |it| it.len()));
            remove_if_there(&archive)?;
        }
        Ok(freed)
    }

    fn change(
        &mut self,
        first: u64,
        change: impl FnOnce(&mut Manifest) -> Result<(), ArchiveError>,
    ) -> Result<(), ArchiveError> {
        let path = self.path.clone();
        let Some(manifest) = self.files.iter_mut().find(|file| file.first == first) else {
            return Ok(());
        };
        change(manifest)?;
        let stem = manifest.file.trim_end_matches(".parquet");
        manifest.store(&path.join(format!("{stem}.json")))
    }
}

/// Ends an erasure that was cut off between its mark and its manifest: either file may lie there.
fn finish_erasure(
    archive: &Path,
    manifest: &Path,
    said: Manifest,
) -> Result<Manifest, ArchiveError> {
    let (bytes, digest) = manifest_file::digest(archive)?;
    let rewritten = (bytes, digest) != (said.bytes, said.digest);
    let mut erased = said.erased;
    if rewritten {
        let counted = sound_all_the_same(archive, &said).ok_or_else(|| {
            ArchiveError::damaged(
                archive,
                "an erasure was rewriting it, and it is neither the file from before nor one from after",
            )
        })?;
        // One at least: it is what tells this file from a copy made before.
        erased = counted.max(erased.saturating_add(1));
    }
    let said = Manifest {
        bytes,
        digest,
        erased,
        outdated: said.outdated || rewritten && said.bucket.is_some(),
        erasing: false,
        ..said
    };
    said.store(manifest)?;
    Ok(said)
}

/// What lies there is not what the manifest was written for, though it may be sound: a file from
/// before an erasure, put back from a backup, would bring back what was erased.
fn of_another_time(archive: &Path, length: u64, said: &Manifest) -> ArchiveError {
    ArchiveError::OtherFile {
        file: archive.to_owned(),
        length,
        said: said.bytes,
    }
}

/// How many values were erased from the file, if it is sound as far as it says and only its length
/// and digest are others. One that counts must have lost more than the manifest knows of.
fn sound_all_the_same(archive: &Path, said: &Manifest) -> Option<u64> {
    let head = file::read(archive).ok()?.head;
    let same =
        (head.first, head.last, &head.checkpoint) == (said.first, said.last, &said.checkpoint);
    let newer = head.erased == 0 || head.erased > said.erased;
    (same && newer && super::verify(archive).is_ok()).then_some(head.erased)
}

fn fill(path: &Path, head: &Head, entries: &mut Source<'_>) -> Result<(), ArchiveError> {
    let mut writer = Writer::create(path, head)?;
    let end = head.last.saturating_add(1);
    let mut index = head.first;
    while index < end {
        let upto = end.min(index.saturating_add(BATCH));
        let batch = entries(index..upto).map_err(ArchiveError::Source)?;
        if u64::try_from(batch.len()) != Ok(upto - index) {
            let text = format!("{} came for {index} to {upto}", batch.len());
            return Err(ArchiveError::Source(text));
        }
        for (leaf, sealed) in batch {
            let entry = Entry {
                index,
                leaf_hash: leaf_hash(&leaf),
                leaf,
                sealed,
            };
            let pushed = writer.push(entry);
            pushed.map_err(|cause| ArchiveError::damaged(path, cause))?;
            index += 1;
        }
    }
    writer.finish(path)
}

impl Manifest {
    /// Whether the bytes that lie there are those that the manifest was written for.
    ///
    /// # Errors
    /// [`ArchiveError::Rotten`] where they are not.
    pub fn check(&self, folder: &Path) -> Result<(), ArchiveError> {
        let path = folder.join(&self.file);
        let (bytes, digest): (u64, Digest) = manifest_file::digest(&path)?;
        if (bytes, digest) == (self.bytes, self.digest) {
            return Ok(());
        }
        Err(ArchiveError::Rotten(path))
    }
}
