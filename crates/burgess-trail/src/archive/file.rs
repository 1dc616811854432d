//! One archive file: written in one go, read row group by row group.
//!
//! Nothing here decides what belongs into a file; [`super::Folder`] does.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::file::metadata::KeyValue;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;

use super::columns::{self, SCHEMA, broken};
use super::{ArchiveError, Entry, FORMAT, Head};

/// Rows of one row group at most; with leaves of the usual size some 60 MB before compression.
pub(super) const GROUP_ROWS_MAX: usize = 65_536;
/// Bytes of leaves and sealed values of one row group: what is held in memory at a time.
pub(super) const GROUP_BYTES_MAX: usize = 64 << 20;

/// How many sealed values were erased, so that a manifest that is made again knows it too.
const ERASED: &str = "burgess.erased";

/// Rows on their way into a file: a row group is written when enough of them wait.
pub(super) struct Writer {
    file: SerializedFileWriter<File>,
    origin: String,
    waiting: Vec<Entry>,
    waiting_bytes: usize,
}

impl Writer {
    /// Begins a file, which must not exist.
    pub(super) fn create(path: &Path, head: &Head) -> Result<Self, ArchiveError> {
        let file = File::create_new(path).map_err(ArchiveError::io(path))?;
        let schema = SCHEMA.clone().ok_or_else(|| broken("the schema"));
        let writer = schema.and_then(|schema| {
            let properties = Arc::new(columns::properties(metadata(head))?);
            SerializedFileWriter::new(file, schema, properties)
        });
        Ok(Self {
            file: writer.map_err(|cause| ArchiveError::damaged(path, cause))?,
            origin: head.origin.clone(),
            waiting: Vec::new(),
            waiting_bytes: 0,
        })
    }

    pub(super) fn push(&mut self, entry: Entry) -> Result<(), parquet::errors::ParquetError> {
        self.waiting_bytes += entry.leaf.len() + entry.sealed.len();
        self.waiting.push(entry);
        if self.waiting.len() >= GROUP_ROWS_MAX || self.waiting_bytes >= GROUP_BYTES_MAX {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), parquet::errors::ParquetError> {
        if !self.waiting.is_empty() {
            columns::write(&mut self.file, &self.origin, &self.waiting)?;
            self.waiting.clear();
            self.waiting_bytes = 0;
        }
        Ok(())
    }

    /// Says in the file how many sealed values were taken out of it.
    fn erased(&mut self, count: u64) {
        let pair = KeyValue::new(ERASED.to_owned(), count.to_string());
        self.file.append_key_value_metadata(pair);
    }

    /// Ends the file; it is on disk when this answers.
    pub(super) fn finish(mut self, path: &Path) -> Result<(), ArchiveError> {
        let ended = self.flush().and_then(|()| self.file.into_inner());
        let file = ended.map_err(|cause| ArchiveError::damaged(path, cause))?;
        file.sync_all().map_err(ArchiveError::io(path))
    }
}

fn metadata(head: &Head) -> Vec<KeyValue> {
    [
        ("burgess.format", FORMAT.to_owned()),
        ("burgess.origin", head.origin.clone()),
        ("burgess.first", head.first.to_string()),
        ("burgess.last", head.last.to_string()),
        ("burgess.checkpoint", head.checkpoint.clone()),
    ]
    .map(|(key, value)| KeyValue::new(key.to_owned(), value))
    .to_vec()
}

/// An open file.
pub struct Reader {
    /// What it says of itself.
    pub head: Head,
    file: std::path::PathBuf,
    reader: SerializedFileReader<File>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reader({})", self.file.display())
    }
}

/// Opens a file. Blocks for file access.
///
/// # Errors
/// [`ArchiveError::Damaged`] where it is not an archive file of this format.
pub fn read(path: &Path) -> Result<Reader, ArchiveError> {
    let file = File::open(path).map_err(ArchiveError::io(path))?;
    let damaged = |what: &dyn std::fmt::Display| ArchiveError::damaged(path, what);
    let reader = SerializedFileReader::new(file).map_err(|cause| damaged(&cause))?;
    let metadata = reader.metadata().file_metadata();
    if SCHEMA.as_deref() != Some(metadata.schema()) {
        return Err(damaged(&"its columns are not those of an archive file"));
    }
    let maybe = |key: &str| {
        let pairs = metadata.key_value_metadata();
        let found = pairs.and_then(|pairs| pairs.iter().find(|pair| pair.key == key));
        found.and_then(|pair| pair.value.clone())
    };
    let text =
        |key: &str| maybe(key).ok_or_else(|| damaged(&format!("its metadata has no `{key}`")));
    let parsed = |key: &str, text: String| {
        text.parse::<u64>()
            .map_err(|_| damaged(&format!("its `{key}` is `{text}`")))
    };
    let number = |key: &str| parsed(key, text(key)?);
    let format = text("burgess.format")?;
    if format != FORMAT {
        return Err(damaged(&format!("it is `{format}`, not `{FORMAT}`")));
    }
    let head = Head {
        origin: text("burgess.origin")?,
        first: number("burgess.first")?,
        last: number("burgess.last")?,
        checkpoint: text("burgess.checkpoint")?,
        // Files of before do not say it.
        erased: maybe(ERASED).map_or(Ok(0), |text| parsed(ERASED, text))?,
    };
    Ok(Reader {
        head,
        file: path.to_owned(),
        reader,
    })
}

impl Reader {
    /// The rows, one row group at a time.
    pub fn groups(&self) -> impl Iterator<Item = Result<Vec<Entry>, ArchiveError>> + '_ {
        (0..self.reader.num_row_groups()).map(|place| {
            let group = self.reader.get_row_group(place);
            group
                .and_then(|group| columns::read(group.as_ref()))
                .map_err(|cause| ArchiveError::damaged(&self.file, cause))
        })
    }
}

/// Writes the file anew without the sealed values of the entries given, and answers how many it
/// had. All else stays, byte for byte in its columns, so every proof holds. Blocks for file access.
///
/// The old file is replaced as a whole. A copy elsewhere keeps the sealed values: there, as in a
/// bucket that forbids changes, it is the destroyed key that erases.
///
/// # Errors
/// [`ArchiveError`]; the old file is then still there.
pub fn blank(path: &Path, indices: &BTreeSet<u64>) -> Result<u64, ArchiveError> {
    blank_after(path, indices, 0)
}

/// The same, where the manifest knows how many were taken out before: a file of an earlier version
/// does not say it.
pub(super) fn blank_after(
    path: &Path,
    indices: &BTreeSet<u64>,
    before: u64,
) -> Result<u64, ArchiveError> {
    let reader = read(path)?;
    let written = path.with_extension("parquet.tmp");
    remove_if_there(&written)?;
    let mut writer = Writer::create(&written, &reader.head)?;
    let mut blanked = 0;
    for group in reader.groups() {
        for mut entry in group? {
            if indices.contains(&entry.index) && !entry.sealed.is_empty() {
                entry.sealed = Vec::new();
                blanked += 1;
            }
            let pushed = writer.push(entry);
            pushed.map_err(|cause| ArchiveError::damaged(&written, cause))?;
        }
    }
    writer.erased(reader.head.erased.max(before).saturating_add(blanked));
    writer.finish(&written)?;
    if blanked == 0 {
        remove_if_there(&written)?;
        return Ok(0);
    }
    put_in_place(&written, path)?;
    Ok(blanked)
}

/// Gives a finished file its name. It is durable when this answers.
pub(super) fn put_in_place(written: &Path, path: &Path) -> Result<(), ArchiveError> {
    std::fs::rename(written, path).map_err(ArchiveError::io(path))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(ArchiveError::io(folder))
}

pub(super) fn remove_if_there(path: &Path) -> Result<(), ArchiveError> {
    match std::fs::remove_file(path) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
            Err(ArchiveError::io(path)(cause))
        }
        _ => Ok(()),
    }
}
