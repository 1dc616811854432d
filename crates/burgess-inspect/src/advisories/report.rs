//! The scan of a manifest, its JSON of `contract.md`, and its findings for a gate.

use std::collections::{BTreeMap, BTreeSet};

use burgess_core::finding::{Finding, Severity as Gravity};
use burgess_core::time::Timestamp;
use serde_json::{Value, json};

use super::record::Severity;
use super::version::{self, Version};
use super::{Database, Entry};
use crate::lockfile::{Manifest, Skipped};

/// What the database holds about one ecosystem.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// How many records.
    pub records: usize,
    /// When the newest of them was changed.
    pub newest: Option<Timestamp>,
}

/// One known vulnerability in one package; records that mean the same one are merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vulnerability {
    /// Normalised package name.
    pub name: String,
    /// The version in the manifest.
    pub version: String,
    /// Id of the first record.
    pub id: String,
    /// Ids of all records of the database that say so, `id` among them, sorted.
    pub records: Vec<String>,
    /// Every other name of the vulnerability, sorted.
    pub aliases: Vec<String>,
    /// The highest that a record says.
    pub severity: Severity,
    /// Versions above this one that a record calls fixed, lowest first.
    pub fixed: Vec<String>,
    /// Only needed for development, as the manifest says.
    pub dev: bool,
}

/// The result of looking a manifest up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// What was looked up.
    pub manifest: Manifest,
    /// What was found.
    pub vulnerable: Vec<Vulnerability>,
    /// What could not be looked up, the manifest's own list first.
    pub skipped: Vec<Skipped>,
    /// What the database holds for this ecosystem; `None` when nothing, and then the scan says nothing.
    pub source: Option<Source>,
}

/// Looks every package of a manifest up.
pub fn scan(manifest: &Manifest, database: &Database) -> Scan {
    let mut skipped = manifest.skipped.clone();
    let mut vulnerable = Vec::new();
    for package in &manifest.packages {
        let entries = database.entries(manifest.ecosystem, &package.name);
        let parsed = Version::parse(manifest.ecosystem, &package.version);
        if parsed.is_none() {
            skipped.push(Skipped {
                what: format!("{} {}", package.name, package.version),
                why: "the version cannot be compared; only exact listings were looked up"
                    .to_owned(),
                mutable: false,
            });
        }
        let hits: Vec<&Entry> = entries
            .iter()
            .filter(|entry| {
                let in_range = |version: &Version| {
                    entry
                        .ranges
                        .iter()
                        .any(|range| version::contains(manifest.ecosystem, version, range))
                };
                parsed.as_ref().is_some_and(in_range)
                    || version::enumerated(manifest.ecosystem, &package.version, &entry.versions)
            })
            .collect();
        vulnerable.extend(merge(&hits, database).into_iter().map(|group| {
            let ranges: Vec<_> = group
                .iter()
                .flat_map(|entry| entry.ranges.iter().cloned())
                .collect();
            Vulnerability {
                name: package.name.clone(),
                version: package.version.clone(),
                fixed: version::fixes(manifest.ecosystem, parsed.as_ref(), &ranges),
                dev: package.dev,
                ..names(&group, database)
            }
        }));
    }
    Scan {
        manifest: manifest.clone(),
        vulnerable,
        skipped,
        source: database.source(manifest.ecosystem).cloned(),
    }
}

/// Groups the entries whose records share an id or an alias, directly or over others.
fn merge<'a>(hits: &[&'a Entry], database: &Database) -> Vec<Vec<&'a Entry>> {
    let mut groups: Vec<(BTreeSet<&str>, Vec<&Entry>)> = Vec::new();
    for &entry in hits {
        let Some(advisory) = database.advisories.get(entry.advisory) else {
            continue;
        };
        let mut names: BTreeSet<&str> = advisory.aliases.iter().map(String::as_str).collect();
        names.insert(&advisory.id);
        let (same, apart): (Vec<_>, Vec<_>) = groups
            .into_iter()
            .partition(|(known, _)| !known.is_disjoint(&names));
        let mut members = Vec::new();
        for (known, entries) in same {
            names.extend(known);
            members.extend(entries);
        }
        members.push(entry);
        groups = apart;
        groups.push((names, members));
    }
    let mut groups: Vec<Vec<&Entry>> = groups.into_iter().map(|(_, entries)| entries).collect();
    groups.sort_by_key(|group| first_id(group, database));
    groups
}

fn first_id(group: &[&Entry], database: &Database) -> Option<String> {
    group
        .iter()
        .filter_map(|entry| database.advisories.get(entry.advisory))
        .map(|advisory| advisory.id.clone())
        .min()
}

fn names(group: &[&Entry], database: &Database) -> Vulnerability {
    let advisories: Vec<_> = group
        .iter()
        .filter_map(|entry| database.advisories.get(entry.advisory))
        .collect();
    let records: BTreeSet<String> = advisories
        .iter()
        .map(|advisory| advisory.id.clone())
        .collect();
    let id = records.first().cloned().unwrap_or_default();
    let mut aliases: BTreeSet<String> = advisories
        .iter()
        .flat_map(|advisory| advisory.aliases.clone())
        .collect();
    aliases.extend(records.iter().cloned());
    aliases.remove(&id);
    Vulnerability {
        name: String::new(),
        version: String::new(),
        id,
        records: records.into_iter().collect(),
        aliases: aliases.into_iter().collect(),
        severity: advisories
            .iter()
            .map(|advisory| advisory.severity)
            .max()
            .unwrap_or(Severity::Unknown),
        fixed: Vec::new(),
        dev: false,
    }
}

impl Scan {
    /// Whether the scan found nothing and could look at everything.
    pub fn is_clean(&self) -> bool {
        self.source.is_some()
            && self.vulnerable.is_empty()
            && self.manifest.unpinned.is_empty()
            && self.skipped.iter().all(|skipped| !skipped.mutable)
    }

    /// `scan --format json`: `{packages[], vulnerable[], unpinned[], skipped[], advisories}`.
    /// `now` tells how old the records are.
    pub fn to_json(&self, now: Timestamp) -> Value {
        let ecosystem = self.manifest.ecosystem.as_str();
        let packages: Vec<Value> = self
            .manifest
            .packages
            .iter()
            .map(|package| {
                json!({
                    "ecosystem": ecosystem,
                    "name": package.name,
                    "version": package.version,
                    "purl": package.purl,
                    "dev": package.dev,
                })
            })
            .collect();
        let vulnerable: Vec<Value> = self
            .vulnerable
            .iter()
            .map(|found| {
                json!({
                    "ecosystem": ecosystem,
                    "name": found.name,
                    "version": found.version,
                    "id": found.id,
                    "aliases": found.aliases,
                    "severity": found.severity,
                    "fixed": found.fixed,
                    "dev": found.dev,
                })
            })
            .collect();
        let newest = self.source.as_ref().and_then(|source| source.newest);
        json!({
            "packages": packages,
            "vulnerable": vulnerable,
            "unpinned": self.manifest.unpinned,
            "skipped": self.skipped,
            "advisories": {
                "ecosystem": ecosystem,
                "records": self.source.as_ref().map_or(0, |source| source.records),
                "newest": newest.map(|newest| newest.to_string()),
                "age_days": newest.map(|newest| now.since(newest).as_days()),
            },
        })
    }

    /// Findings for the gate: each vulnerable package, each unpinned one, each mutable reference,
    /// and that nothing was looked up when there are no records. `file` is the manifest.
    pub fn findings(&self, file: &str) -> Vec<Finding> {
        let finding = |rule: &str, severity, message: String, remedy: String| Finding {
            rule: rule.to_owned(),
            severity,
            file: file.to_owned(),
            pointer: String::new(),
            message,
            remedy,
        };
        let mut findings = Vec::new();
        if self.source.is_none() {
            let ecosystem = self.manifest.ecosystem.as_str();
            findings.push(finding(
                "sca.no-advisories",
                Gravity::Error,
                format!(
                    "no {ecosystem} package was looked up: there are no {ecosystem} advisories"
                ),
                "load the OSV archive with `burgess advisories sync`".to_owned(),
            ));
        }
        findings.extend(self.by_package().into_iter().map(|((name, version), found)| {
            let ids: Vec<&str> = found.iter().map(|found| found.id.as_str()).collect();
            let worst = found.iter().map(|found| found.severity).max();
            // Each flaw has a first version without it; the highest of these is without all.
            let firsts = found.iter().filter_map(|found| found.fixed.first()).map(String::as_str);
            let fixed = version::highest(self.manifest.ecosystem, firsts);
            finding(
                "sca.vulnerable",
                if worst == Some(Severity::Critical) { Gravity::Critical } else { Gravity::Error },
                format!("{name} {version} has known vulnerabilities: {}", ids.join(", ")),
                fixed.map_or_else(
                    || "no fixed version is known: use another package, or ask for an exception".to_owned(),
                    |fixed| format!("move to {fixed} or later"),
                ),
            )
        }));
        findings.extend(self.manifest.unpinned.iter().map(|name| {
            finding(
                "sca.unpinned",
                Gravity::Error,
                format!("{name} is not pinned to one version"),
                format!("write the exact version, as `{name}==1.2.3`"),
            )
        }));
        findings.extend(self.skipped.iter().map(|skipped| {
            let (rule, gravity, remedy) = if skipped.mutable {
                (
                    "sca.unpinned-reference",
                    Gravity::Error,
                    "use a released version, or pin a commit or a hash",
                )
            } else {
                ("sca.not-looked-up", Gravity::Note, "review it by hand")
            };
            finding(
                rule,
                gravity,
                format!("{} was not looked up: {}", skipped.what, skipped.why),
                remedy.to_owned(),
            )
        }));
        findings
    }

    fn by_package(&self) -> BTreeMap<(&str, &str), Vec<&Vulnerability>> {
        let mut packages: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for found in &self.vulnerable {
            packages
                .entry((found.name.as_str(), found.version.as_str()))
                .or_default()
                .push(found);
        }
        packages
    }
}
