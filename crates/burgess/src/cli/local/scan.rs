//! `scan`: known vulnerabilities in manifests, and in the packages that an export names.
//!
//! What was not looked up is said, and is never counted as clean.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use burgess_core::finding::{Finding, Severity};
use burgess_core::time::Timestamp;
use burgess_inspect::advisories::{self, AdvisoryError, Database, Scan};
use burgess_inspect::draft::{Lookup, artifact_facts};
use burgess_inspect::exports;
use burgess_inspect::facts::Platform;
use burgess_inspect::lockfile::{self, Ecosystem, LockfileError, Manifest, Package};
use serde_json::{Value, json};

use super::reading::{self, Read};
use super::{World, no_format, sarif, say_json, shown};
use crate::cli::Format;
use crate::cli::run::{Failure, Outcome, say};

/// Largest advisory archive: the largest ecosystem's has some 200 MB.
const ARCHIVE_BYTES_MAX: u64 = 300_000_000;

/// Files that say which packages an app needs and that are not read here, in lowercase.
const OTHER_LOCKS: [&str; 13] = [
    "bun.lock",
    "cargo.lock",
    "composer.lock",
    "environment.yml",
    "gemfile.lock",
    "go.sum",
    "gradle.lockfile",
    "packages.lock.json",
    "pipfile.lock",
    "pnpm-lock.yaml",
    "poetry.lock",
    "uv.lock",
    "yarn.lock",
];
/// Files that ask for packages without saying which version was taken, in lowercase.
const WISHES: [&str; 4] = ["package.json", "pipfile", "pyproject.toml", "setup.py"];

/// What the packages at a path are, and what is known about them.
pub(super) struct Scanned {
    /// One for each manifest, by its file.
    pub reports: Vec<(String, Scan)>,
    /// Files with packages that were not looked up, and why.
    pub unread: Vec<(String, String)>,
}

/// Prints what is known; no when anything was found or was not looked up.
pub(super) fn run(path: &Path, advisories: &Path, format: Format) -> Outcome {
    if !matches!(format, Format::Text | Format::Json | Format::Sarif) {
        return Err(no_format("scan", format, "text, json or sarif"));
    }
    let world = World::here()?;
    let database = database(advisories)?;
    let read = reading::path(path)?;
    must_hold_packages(path, &read)?;
    let scanned = scan(&read, &database);
    let findings = scanned.findings();
    match format {
        Format::Json => say_json(&scanned.to_json(world.now))?,
        Format::Sarif => say_json(&sarif::of(&findings))?,
        _ => say(&scanned.text(&findings)),
    }
    Ok(!findings.iter().any(Finding::blocks))
}

/// OSV archives: one file, or every `*.zip` of a folder. Archives about other ecosystems
/// are passed over, but one must be about PyPI or npm.
pub(super) fn database(place: &Path) -> Result<Database, Failure> {
    let mut database = Database::default();
    let mut taken = 0usize;
    for path in archives(place)? {
        match database.add_zip(&reading::bytes(&path, ARCHIVE_BYTES_MAX)?) {
            Ok(_) => taken = taken.saturating_add(1),
            Err(AdvisoryError::Empty) => {}
            Err(error) => return Err(Failure(format!("`{}`: {error}", path.display()))),
        }
    }
    if taken == 0 {
        let place = place.display();
        return Err(Failure(format!(
            "`{place}` holds no OSV archive for PyPI or npm: download `PyPI/all.zip` or `npm/all.zip` of osv.dev"
        )));
    }
    Ok(database)
}

fn archives(place: &Path) -> Result<Vec<PathBuf>, Failure> {
    if place.is_file() {
        return Ok(vec![place.to_owned()]);
    }
    let entries = std::fs::read_dir(place)
        .map_err(|e| Failure(format!("`{}` cannot be read: {e}", place.display())))?;
    let zip = |path: &PathBuf| {
        path.extension()
            .is_some_and(|ending| ending.eq_ignore_ascii_case("zip"))
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(zip)
        .collect();
    paths.sort();
    Ok(paths)
}

/// One file that is neither a manifest nor an export was named by mistake.
fn must_hold_packages(path: &Path, read: &Read) -> Result<(), Failure> {
    let Some((name, content)) = read.tree.files.first_key_value() else {
        return Ok(());
    };
    if read.tree.files.len() > 1 || path.is_dir() {
        return Ok(());
    }
    if lockfile::format(name).is_some() {
        lockfile::read(name, content)?;
    } else if exports::inspect(&read.tree)?.platform == Platform::Unknown {
        return Err(LockfileError::Unknown {
            file: read.name.clone(),
        }
        .into());
    }
    Ok(())
}

/// Looks up every package of every manifest, and those that an export names.
pub(super) fn scan(read: &Read, database: &Database) -> Scanned {
    let mut scanned = Scanned {
        reports: Vec::new(),
        unread: Vec::new(),
    };
    let mut answered: BTreeSet<&str> = BTreeSet::new();
    for (path, bytes) in read
        .tree
        .files
        .iter()
        .filter(|(path, _)| lockfile::format(path).is_some())
    {
        answered.insert(folder(path));
        match lockfile::read(path, bytes) {
            Ok(manifest) => scanned
                .reports
                .push((path.clone(), advisories::scan(&manifest, database))),
            Err(error) => scanned.unread.push((path.clone(), error.to_string())),
        }
    }
    for path in read.tree.files.keys() {
        let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
        if OTHER_LOCKS.contains(&name.as_str()) {
            scanned.unread.push((path.clone(), "this format is not read: add a requirements.txt or package-lock.json of the same packages".to_owned()));
        } else if WISHES.contains(&name.as_str()) && !answered.contains(folder(path)) {
            scanned.unread.push((
                path.clone(),
                "it pins no versions: add the requirements.txt or package-lock.json beside it"
                    .to_owned(),
            ));
        }
    }
    match exports::inspect(&read.tree) {
        Ok(facts) => {
            let named = artifact_facts(&facts, &Lookup::EMPTY).packages;
            for manifest in manifests_of(&named) {
                scanned
                    .reports
                    .push((read.name.clone(), advisories::scan(&manifest, database)));
            }
        }
        Err(error) => scanned.unread.push((read.name.clone(), error.to_string())),
    }
    scanned
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The packages that an export names itself, by ecosystem: `pkg:npm/name@1.2.3`.
fn manifests_of(purls: &[String]) -> Vec<Manifest> {
    let mut out: BTreeMap<Ecosystem, Manifest> = BTreeMap::new();
    for purl in purls {
        let plain = purl.split(['?', '#']).next().unwrap_or(purl);
        let Some((kind, name)) = plain
            .strip_prefix("pkg:")
            .and_then(|rest| rest.split_once('/'))
        else {
            continue;
        };
        let ecosystem = match kind {
            "npm" => Ecosystem::Npm,
            "pypi" => Ecosystem::PyPI,
            _ => continue,
        };
        let manifest = out.entry(ecosystem).or_insert_with(|| Manifest {
            ecosystem,
            project: None,
            packages: Vec::new(),
            unpinned: Vec::new(),
            direct: Vec::new(),
            skipped: Vec::new(),
        });
        let decoded = |text: &str| {
            text.replace("%40", "@")
                .replace("%2F", "/")
                .replace("%2B", "+")
        };
        match name.rsplit_once('@') {
            Some((name, version)) => manifest.packages.push(Package {
                name: ecosystem.normalise(&decoded(name)),
                version: decoded(version),
                purl: purl.clone(),
                dev: false,
                hashes: Vec::new(),
                licence: None,
                needs: Vec::new(),
            }),
            None => manifest.unpinned.push(ecosystem.normalise(&decoded(name))),
        }
    }
    out.into_values().collect()
}

impl Scanned {
    /// Everything that stands in the way, and notes.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut findings: Vec<Finding> = self
            .reports
            .iter()
            .flat_map(|(file, report)| report.findings(file))
            .collect();
        findings.extend(self.unread.iter().map(|(file, why)| Finding {
            rule: "sca.not-read".to_owned(),
            severity: Severity::Error,
            file: file.clone(),
            pointer: String::new(),
            message: format!("the packages of `{file}` were not looked up"),
            remedy: why.clone(),
        }));
        findings
    }

    /// The shape of the contract; each entry says in which file it stands.
    fn to_json(&self, now: Timestamp) -> Value {
        let mut lists: [Vec<Value>; 3] = Default::default();
        let mut unpinned = BTreeSet::new();
        let mut sources = BTreeMap::new();
        for (file, report) in &self.reports {
            let one = report.to_json(now);
            for (list, key) in lists.iter_mut().zip(["packages", "vulnerable", "skipped"]) {
                let entries = one.get(key).and_then(Value::as_array).into_iter().flatten();
                list.extend(entries.map(|entry| with_file(entry, file)));
            }
            unpinned.extend(report.manifest.unpinned.iter().cloned());
            sources.insert(
                report.manifest.ecosystem.as_str(),
                one.get("advisories").cloned(),
            );
        }
        let [packages, vulnerable, mut skipped] = lists;
        skipped.extend(self.unread.iter().map(
            |(file, why)| json!({ "what": file, "why": why, "mutable": false, "file": file }),
        ));
        let sources: Vec<Value> = sources.into_values().flatten().collect();
        json!({ "packages": packages, "vulnerable": vulnerable, "unpinned": unpinned, "skipped": skipped, "advisories": sources })
    }

    fn text(&self, findings: &[Finding]) -> String {
        let mut out = String::new();
        for (file, report) in &self.reports {
            let newest = report
                .source
                .as_ref()
                .and_then(|source| source.newest)
                .map_or_else(|| "none".to_owned(), |newest| newest.date());
            let (count, ecosystem) = (
                report.manifest.packages.len(),
                report.manifest.ecosystem.as_str(),
            );
            let _infallible = writeln!(
                out,
                "{}: {count} {ecosystem} packages, newest advisory {newest}",
                shown(file)
            );
        }
        if self.reports.is_empty() && self.unread.is_empty() {
            out.push_str("no requirements.txt, no package-lock.json and no package of its own: nothing to look up\n");
        }
        out.push_str(&list(findings));
        let count = findings.iter().filter(|finding| finding.blocks()).count();
        let _infallible = writeln!(
            out,
            "{count} finding{} to mend",
            if count == 1 { "" } else { "s" }
        );
        out
    }
}

fn with_file(entry: &Value, file: &str) -> Value {
    let mut entry = entry.clone();
    if let Some(object) = entry.as_object_mut() {
        object.insert("file".to_owned(), json!(file));
    }
    entry
}

/// Findings for people, each with its place and what to do.
pub(super) fn list(findings: &[Finding]) -> String {
    let mut out = String::new();
    for finding in findings {
        let severity = match finding.severity {
            Severity::Critical => "critical",
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        let place = match (finding.file.is_empty(), finding.pointer.is_empty()) {
            (true, _) => String::new(),
            (false, true) => format!("{}: ", shown(&finding.file)),
            (false, false) => format!("{} {}: ", shown(&finding.file), shown(&finding.pointer)),
        };
        let _infallible = writeln!(
            out,
            "  {severity:<8} {place}{}\n           {}",
            shown(&finding.message),
            shown(&finding.remedy)
        );
    }
    out
}
