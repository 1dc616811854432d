//! Known vulnerabilities: OSV records in memory, and which packages of a manifest they name.
//!
//! Records come as OSV archives (one `<ID>.json` per record, as osv.dev publishes them per
//! ecosystem). No network, and no clock: how old the records are is asked with a time.
//! Withdrawn records count for nothing.

mod cvss;
mod record;
mod report;
mod version;

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};

use burgess_core::time::{Span, Timestamp};
use zip::ZipArchive;

use crate::lockfile::Ecosystem;
pub use record::Severity;
use record::{Advisory, Affected, Range};
pub use report::{Scan, Source, Vulnerability, scan};

/// Largest record that is read; the largest known ones list some 20,000 versions in 1 MB.
const RECORD_MAX: u64 = 8 * 1024 * 1024;
/// Most records per archive: twice what the largest ecosystem (npm with malicious packages) has.
const RECORDS_MAX: usize = 600_000;
/// Most bytes unpacked per archive.
const UNPACKED_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// Records by ecosystem and package name.
#[derive(Debug, Default, Clone)]
pub struct Database {
    advisories: Vec<Advisory>,
    index: BTreeMap<(Ecosystem, String), Vec<Entry>>,
    sources: BTreeMap<Ecosystem, Source>,
}

/// One record's word on one package.
#[derive(Debug, Clone)]
struct Entry {
    advisory: usize,
    versions: Vec<String>,
    ranges: Vec<Range>,
}

/// An archive of records could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdvisoryError {
    /// Not a zip archive, or a broken one.
    #[error("the advisory archive cannot be opened: {0}: download it again")]
    Archive(String),
    /// More than the limits allow.
    #[error("the advisory archive holds more than {limit} {unit}: use one archive per ecosystem")]
    TooLarge {
        /// The limit.
        limit: u64,
        /// Of what.
        unit: &'static str,
    },
    /// An entry is not an OSV record.
    #[error("`{entry}` is not an OSV record: {why}")]
    Record {
        /// Name in the archive.
        entry: String,
        /// What is wrong.
        why: String,
    },
    /// Nothing in it.
    #[error(
        "the advisory archive holds no record for PyPI or npm: choose `PyPI/all.zip` or `npm/all.zip` of osv.dev"
    )]
    Empty,
}

impl Database {
    /// Reads an OSV archive (`all.zip`).
    pub fn from_zip(bytes: &[u8]) -> Result<Self, AdvisoryError> {
        let mut database = Self::default();
        database.add_zip(bytes)?;
        Ok(database)
    }

    /// Adds the records of an OSV archive; returns how many it took. Either all records are taken
    /// or none: half an archive would pass for a clean bill.
    pub fn add_zip(&mut self, bytes: &[u8]) -> Result<usize, AdvisoryError> {
        let broken = |error: &dyn std::fmt::Display| AdvisoryError::Archive(error.to_string());
        let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| broken(&error))?;
        if archive.len() > RECORDS_MAX {
            return Err(too_large(
                RECORDS_MAX.try_into().unwrap_or(u64::MAX),
                "records",
            ));
        }
        let mut left = UNPACKED_MAX;
        let mut fresh = Self::default();
        let mut count = 0;
        for index in 0..archive.len() {
            let file = archive.by_index(index).map_err(|error| broken(&error))?;
            let entry = file.name().map_err(|error| broken(&error))?.into_owned();
            if file.is_dir() || !entry.ends_with(".json") {
                continue;
            }
            let mut record = Vec::new();
            let budget = RECORD_MAX.min(left);
            file.take(budget + 1)
                .read_to_end(&mut record)
                .map_err(|error| broken(&error))?;
            let size = u64::try_from(record.len()).unwrap_or(u64::MAX);
            if size > budget {
                return Err(too_large(budget, "bytes in a record"));
            }
            left -= size;
            count += usize::from(fresh.add_record(&entry, &record)?);
        }
        if count == 0 {
            return Err(AdvisoryError::Empty);
        }
        self.merge(fresh);
        Ok(count)
    }

    /// Adds one OSV record; `false` when it says nothing about PyPI or npm or is withdrawn.
    pub fn add_record(&mut self, entry: &str, json: &[u8]) -> Result<bool, AdvisoryError> {
        let Some((advisory, affected)) =
            record::read(json).map_err(|why| AdvisoryError::Record {
                entry: entry.chars().take(120).collect(),
                why,
            })?
        else {
            return Ok(false);
        };
        let place = self.advisories.len();
        let modified = advisory.modified;
        let mut seen: Vec<Ecosystem> = Vec::new();
        for Affected {
            ecosystem,
            name,
            versions,
            ranges,
        } in affected
        {
            let entries = self.index.entry((ecosystem, name)).or_default();
            entries.push(Entry {
                advisory: place,
                versions,
                ranges,
            });
            if !seen.contains(&ecosystem) {
                seen.push(ecosystem);
            }
        }
        for ecosystem in &seen {
            let source = self.sources.entry(*ecosystem).or_default();
            source.records += 1;
            source.newest = source.newest.max(modified);
        }
        self.advisories.push(advisory);
        Ok(!seen.is_empty())
    }

    fn merge(&mut self, other: Self) {
        let shift = self.advisories.len();
        self.advisories.extend(other.advisories);
        for (key, entries) in other.index {
            let entries = entries.into_iter().map(|entry| Entry {
                advisory: entry.advisory + shift,
                ..entry
            });
            self.index.entry(key).or_default().extend(entries);
        }
        for (ecosystem, source) in other.sources {
            let known = self.sources.entry(ecosystem).or_default();
            known.records += source.records;
            known.newest = known.newest.max(source.newest);
        }
    }

    /// What the database holds about an ecosystem; `None` when nothing.
    pub fn source(&self, ecosystem: Ecosystem) -> Option<&Source> {
        self.sources.get(&ecosystem)
    }

    /// How long before `now` the newest record of an ecosystem was changed.
    pub fn age(&self, ecosystem: Ecosystem, now: Timestamp) -> Option<Span> {
        Some(now.since(self.source(ecosystem)?.newest?))
    }

    fn entries(&self, ecosystem: Ecosystem, name: &str) -> &[Entry] {
        self.index
            .get(&(ecosystem, name.to_owned()))
            .map_or(&[], Vec::as_slice)
    }
}

fn too_large(limit: u64, unit: &'static str) -> AdvisoryError {
    AdvisoryError::TooLarge { limit, unit }
}
