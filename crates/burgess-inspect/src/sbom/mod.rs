//! Software bill of materials: what an app is made of and what it talks to, gathered from manifests
//! and from the facts of a low-code export. One file per output format; the gathering is here.

mod cyclonedx;
mod licence;

use std::collections::{BTreeMap, BTreeSet};

use burgess_core::time::Timestamp;

use crate::lockfile::{Hash, Manifest};
pub use cyclonedx::cyclonedx;

/// What a bill of materials is made from.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// Id of the app, as `microapp-sales-quoting`.
    pub id: &'a str,
    /// Its name for people.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// Manifests found in the artifact.
    pub manifests: &'a [Manifest],
    /// Package URLs that the export itself names, with or without a version.
    pub packages: &'a [String],
    /// Connectors and hosts that the app calls.
    pub services: &'a [Service],
    /// A random UUID (RFC 9562), `urn:uuid:` before it; a new one for every document.
    pub serial_number: &'a str,
    /// When the document is made.
    pub timestamp: Timestamp,
}

/// Something the app calls.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Service {
    /// Connector id or host.
    pub name: String,
    /// Hosts, with or without a port; what is no host (`env:NAME`) is left out.
    pub hosts: Vec<String>,
}

/// A bill of materials could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SbomError {
    /// Not a package URL.
    #[error("`{0}` is not a package URL: write it as pkg:npm/name@1.2.3")]
    Purl(String),
    /// Not a serial number.
    #[error("`{0}` is not a serial number: write urn:uuid: and a UUID in lowercase")]
    Serial(String),
    /// The app has no name.
    #[error("the app has no {0}: fill it in in the charter")]
    Nameless(&'static str),
}

/// A package of the bill, once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Component {
    name: String,
    group: Option<String>,
    version: Option<String>,
    hashes: BTreeSet<Hash>,
    licence: Option<String>,
    dev: bool,
    needs: BTreeSet<String>,
}

/// Everything gathered, by package URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Bill {
    components: BTreeMap<String, Component>,
    direct: BTreeSet<String>,
    /// What is part of the app and could not be listed, and why.
    missing: BTreeSet<String>,
}

impl Bill {
    fn gather(subject: &Subject<'_>) -> Result<Self, SbomError> {
        let mut bill = Self::default();
        for manifest in subject.manifests {
            bill.add_manifest(manifest)?;
        }
        for purl in subject.packages {
            let component = component(purl)?;
            if component.version.is_none() {
                bill.missing.insert(format!("{purl}: no version is stated"));
            }
            // A manifest may name the same package with its version; both stand, as both are said.
            bill.components.entry(purl.clone()).or_insert(component);
            bill.direct.insert(purl.clone());
        }
        let known: BTreeSet<String> = bill.components.keys().cloned().collect();
        for (purl, component) in &mut bill.components {
            component
                .needs
                .retain(|needed| known.contains(needed) && needed != purl);
        }
        bill.direct.retain(|purl| known.contains(purl));
        Ok(bill)
    }

    fn add_manifest(&mut self, manifest: &Manifest) -> Result<(), SbomError> {
        for package in &manifest.packages {
            let fresh = Component {
                dev: true,
                ..component(&package.purl)?
            };
            let known = self.components.entry(package.purl.clone()).or_insert(fresh);
            known.hashes.extend(package.hashes.iter().cloned());
            known.needs.extend(package.needs.iter().cloned());
            known.dev &= package.dev;
            known.licence = known.licence.take().or_else(|| package.licence.clone());
        }
        for name in &manifest.unpinned {
            let purl = manifest.ecosystem.purl(name, "");
            let purl = purl.trim_end_matches('@').to_owned();
            self.missing.insert(format!("{purl}: no version is pinned"));
            self.components
                .entry(purl.clone())
                .or_insert(component(&purl)?);
            self.direct.insert(purl);
        }
        for skipped in &manifest.skipped {
            self.missing
                .insert(format!("{}: {}", skipped.what, skipped.why));
        }
        // A format that does not say what the project itself asks for: all of it.
        if manifest.direct.is_empty() {
            self.direct
                .extend(manifest.packages.iter().map(|package| package.purl.clone()));
        }
        self.direct.extend(manifest.direct.iter().cloned());
        Ok(())
    }
}

/// Reads a package URL of the form `pkg:type/namespace/name@version`.
fn component(purl: &str) -> Result<Component, SbomError> {
    let bad = || SbomError::Purl(purl.chars().take(120).collect());
    let rest = purl.strip_prefix("pkg:").ok_or_else(bad)?;
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (path, version) = match rest.rsplit_once('@') {
        Some((path, version)) if !version.is_empty() => (path, Some(version)),
        Some(_) => return Err(bad()),
        None => (rest, None),
    };
    let (kind, path) = path.split_once('/').ok_or_else(bad)?;
    let (group, name) = match path.rsplit_once('/') {
        Some((group, name)) => (Some(group), name),
        None => (None, path),
    };
    let plain = |text: &str| {
        text.bytes().all(|byte| {
            byte.is_ascii_alphanumeric()
                || matches!(byte, b'.' | b'-' | b'_' | b'~' | b'%' | b'+' | b':' | b'/')
        })
    };
    let typed = !kind.is_empty()
        && kind
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if !typed || name.is_empty() || group == Some("") || !plain(path) || !version.is_none_or(plain)
    {
        return Err(bad());
    }
    let decoded = |text: &str| decode(text).ok_or_else(bad);
    Ok(Component {
        name: decoded(name)?,
        group: group.map(decoded).transpose()?,
        version: version.map(decoded).transpose()?,
        ..Component::default()
    })
}

/// Undoes percent-encoding; `None` when it is broken or not UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_urls_are_taken_apart_and_broken_ones_refused() {
        let scoped = component("pkg:npm/%40scope/real@2.1.0-rc.1").expect("a purl");
        assert_eq!(
            (
                scoped.group.as_deref(),
                scoped.name.as_str(),
                scoped.version.as_deref()
            ),
            (Some("@scope"), "real", Some("2.1.0-rc.1"))
        );
        for broken in [
            "npm/x",
            "pkg:npm",
            "pkg:npm/",
            "pkg:npm/x@",
            "pkg:NPM/x",
            "pkg:npm//x",
            "pkg:npm/a b",
            "pkg:npm/%4",
        ] {
            assert!(component(broken).is_err(), "{broken}");
        }
    }
}
