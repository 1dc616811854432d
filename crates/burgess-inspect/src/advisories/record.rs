//! One OSV record (OSV schema 1.7), reduced to what matching and reporting need.

use std::collections::BTreeMap;

use burgess_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cvss;
use crate::lockfile::Ecosystem;

/// How grave a vulnerability is, as CVSS names its bands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nobody has said.
    Unknown,
    /// 0.1 to 3.9, and no impact at all.
    Low,
    /// 4.0 to 6.9.
    Medium,
    /// 7.0 to 8.9.
    High,
    /// 9.0 to 10.0, and every malicious package.
    Critical,
}

/// A vulnerability, without the packages it is in.
#[derive(Debug, Clone)]
pub(super) struct Advisory {
    pub id: String,
    pub aliases: Vec<String>,
    pub severity: Severity,
    pub modified: Option<Timestamp>,
}

/// One package that a record names.
#[derive(Debug, Clone)]
pub(super) struct Affected {
    pub ecosystem: Ecosystem,
    pub name: String,
    pub versions: Vec<String>,
    pub ranges: Vec<Range>,
}

/// Events of one range of versions; ranges over commits are left out.
#[derive(Debug, Clone)]
pub(super) struct Range {
    pub events: Vec<Event>,
}

/// A point where a vulnerability begins or ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// From this version on; `0` is before every version.
    Introduced(String),
    /// Not from this version on.
    Fixed(String),
    /// Up to and with this version.
    LastAffected(String),
    /// Nothing is said from this version on.
    Limit(String),
}

#[derive(Deserialize)]
struct Wire {
    id: String,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    modified: String,
    withdrawn: Option<String>,
    #[serde(default)]
    severity: Vec<WireSeverity>,
    #[serde(default)]
    affected: Vec<WireAffected>,
    #[serde(default)]
    database_specific: Value,
}

#[derive(Deserialize)]
struct WireSeverity {
    score: String,
}

#[derive(Deserialize)]
struct WireAffected {
    package: Option<WirePackage>,
    #[serde(default)]
    versions: Vec<String>,
    #[serde(default)]
    ranges: Vec<WireRange>,
    #[serde(default)]
    severity: Vec<WireSeverity>,
}

#[derive(Deserialize)]
struct WirePackage {
    ecosystem: String,
    name: String,
}

#[derive(Deserialize)]
struct WireRange {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    events: Vec<BTreeMap<String, String>>,
}

/// Reads a record; `None` when it is withdrawn.
pub(super) fn read(json: &[u8]) -> Result<Option<(Advisory, Vec<Affected>)>, String> {
    let wire: Wire = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    if wire.withdrawn.is_some() {
        return Ok(None);
    }
    let severity = severity(&wire);
    let advisory = Advisory {
        id: wire.id,
        aliases: wire.aliases,
        severity,
        modified: Timestamp::parse(&wire.modified).ok(),
    };
    let affected = wire
        .affected
        .into_iter()
        .map(affected)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Some((advisory, affected.into_iter().flatten().collect())))
}

fn affected(wire: WireAffected) -> Result<Option<Affected>, String> {
    let Some(package) = wire.package else {
        return Ok(None);
    };
    // `PyPI:…` would be a suffix of an ecosystem (OSV schema, "affected[].package").
    let base = package.ecosystem.split(':').next().unwrap_or_default();
    let Some(ecosystem) = Ecosystem::parse(base) else {
        return Ok(None);
    };
    let ranges = wire
        .ranges
        .into_iter()
        .filter(|range| range.kind != "GIT")
        .map(|range| {
            let events = range
                .events
                .into_iter()
                .map(event)
                .collect::<Result<Vec<_>, _>>()?;
            Ok(Range { events })
        })
        .collect::<Result<Vec<_>, String>>()?;
    Ok(Some(Affected {
        ecosystem,
        name: ecosystem.normalise(&package.name),
        versions: wire.versions,
        ranges,
    }))
}

fn event(wire: BTreeMap<String, String>) -> Result<Event, String> {
    let mut pairs = wire.into_iter();
    let (Some((name, version)), None) = (pairs.next(), pairs.next()) else {
        return Err("an event must have exactly one key".to_owned());
    };
    match name.as_str() {
        "introduced" => Ok(Event::Introduced(version)),
        "fixed" => Ok(Event::Fixed(version)),
        "last_affected" => Ok(Event::LastAffected(version)),
        "limit" => Ok(Event::Limit(version)),
        _ => Err(format!(
            "an event is introduced, fixed, last_affected or limit, not `{name}`"
        )),
    }
}

fn severity(wire: &Wire) -> Severity {
    if wire.id.starts_with("MAL-") {
        return Severity::Critical;
    }
    let own = wire.severity.iter();
    let of_packages = wire.affected.iter().flat_map(|affected| &affected.severity);
    own.chain(of_packages)
        .filter_map(|severity| cvss::band(&severity.score))
        .max()
        .or_else(|| named(wire.database_specific.get("severity")?.as_str()?))
        .unwrap_or(Severity::Unknown)
}

fn named(name: &str) -> Option<Severity> {
    match name.to_ascii_lowercase().as_str() {
        "low" => Some(Severity::Low),
        "medium" | "moderate" => Some(Severity::Medium),
        "high" => Some(Severity::High),
        "critical" => Some(Severity::Critical),
        _ => None,
    }
}
