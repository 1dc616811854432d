//! Manifests of third-party packages: what is pinned to which version, and what is not.
//!
//! One file per format. A range is never read as a version, and a line that cannot be understood is
//! an error, because a package that nobody sees is worse than a package with a flaw.
//! Not here: whether a package has a known vulnerability (`advisories.rs`).

mod package_lock;
mod requirements;

use std::collections::BTreeMap;

use serde::Serialize;

/// Largest manifest that is read: ten times the lock of a project with 5,000 packages.
const BYTES_MAX: usize = 32 * 1024 * 1024;
/// Most packages in one manifest.
const PACKAGES_MAX: usize = 100_000;

/// Where packages come from, as the OSV schema names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Ecosystem {
    /// The Python package index.
    PyPI,
    /// The npm registry.
    #[serde(rename = "npm")]
    Npm,
}

impl Ecosystem {
    /// The OSV name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PyPI => "PyPI",
            Self::Npm => "npm",
        }
    }

    /// Reads the OSV name.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "PyPI" => Some(Self::PyPI),
            "npm" => Some(Self::Npm),
            _ => None,
        }
    }

    /// The name under which the registry knows a package: PEP 503 for PyPI; npm names are exact.
    pub fn normalise(self, name: &str) -> String {
        match self {
            Self::PyPI => {
                let lower = name.to_ascii_lowercase();
                let parts: Vec<&str> = lower
                    .split(['-', '_', '.'])
                    .filter(|part| !part.is_empty())
                    .collect();
                parts.join("-")
            }
            Self::Npm => name.to_owned(),
        }
    }

    /// The package URL (purl specification; types `pypi` and `npm`).
    pub fn purl(self, name: &str, version: &str) -> String {
        let name = match (self, name.split_once('/')) {
            (Self::Npm, Some((scope, name))) => format!("{}/{}", encode(scope), encode(name)),
            _ => encode(name),
        };
        let kind = match self {
            Self::PyPI => "pypi",
            Self::Npm => "npm",
        };
        format!("pkg:{kind}/{name}@{}", encode(version))
    }
}

/// Percent-encoding as the purl specification asks: everything but letters, digits and `.-_~`.
fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'.' | b'-' | b'_' | b'~' => char::from(byte).to_string(),
            _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// A digest of a package file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Hash {
    /// As CycloneDX writes it: `SHA-256`, `SHA-384`, `SHA-512` or `SHA-1`.
    pub algorithm: &'static str,
    /// Lowercase hexadecimal.
    pub hex: String,
}

/// A package of one exact version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Package {
    /// Normalised name.
    pub name: String,
    /// Version as the manifest writes it.
    pub version: String,
    /// Package URL; names the package uniquely within the manifest.
    pub purl: String,
    /// Only for development, as the manifest says.
    pub dev: bool,
    /// Digests that the manifest pins.
    pub hashes: Vec<Hash>,
    /// Licence expression that the manifest states.
    pub licence: Option<String>,
    /// Package URLs that this one needs, sorted, where the manifest says so.
    pub needs: Vec<String>,
}

/// Something in a manifest that cannot be looked up, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Skipped {
    /// What, as the manifest writes it.
    pub what: String,
    /// Why it is not looked up.
    pub why: String,
    /// Whether it can bring other code tomorrow than today: a branch, a tag, a bare URL.
    pub mutable: bool,
}

/// What a manifest says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Manifest {
    /// Which registry the names belong to.
    pub ecosystem: Ecosystem,
    /// Name of the project itself, where the manifest has one.
    pub project: Option<String>,
    /// Pinned packages, in the order of the manifest, each once.
    pub packages: Vec<Package>,
    /// Normalised names without an exact version, sorted.
    pub unpinned: Vec<String>,
    /// Package URLs that the project needs itself, sorted, where the manifest says so.
    pub direct: Vec<String>,
    /// What could not be looked up.
    pub skipped: Vec<Skipped>,
}

impl Manifest {
    fn new(ecosystem: Ecosystem) -> Self {
        Self {
            ecosystem,
            project: None,
            packages: Vec::new(),
            unpinned: Vec::new(),
            direct: Vec::new(),
            skipped: Vec::new(),
        }
    }

    fn skip(&mut self, what: &str, why: &str, mutable: bool) {
        self.skipped.push(Skipped {
            what: what.chars().take(200).collect(),
            why: why.to_owned(),
            mutable,
        });
    }

    /// Each package once; lists in order.
    fn tidy(mut self) -> Self {
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        let mut packages: Vec<Package> = Vec::new();
        for package in self.packages {
            let place = places.get(&package.purl).copied();
            match place.and_then(|place| packages.get_mut(place)) {
                Some(known) => {
                    known.dev &= package.dev;
                    known.hashes.extend(package.hashes);
                    known.needs.extend(package.needs);
                }
                None => {
                    places.insert(package.purl.clone(), packages.len());
                    packages.push(package);
                }
            }
        }
        for package in &mut packages {
            package.hashes.sort();
            package.hashes.dedup();
            package.needs.sort();
            package.needs.dedup();
        }
        self.packages = packages;
        for list in [&mut self.unpinned, &mut self.direct] {
            list.sort();
            list.dedup();
        }
        self.skipped.sort();
        self.skipped.dedup();
        self
    }
}

/// A manifest could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LockfileError {
    /// The name of the file is not that of a known manifest.
    #[error("`{file}` is no manifest that is read here: use requirements.txt or package-lock.json")]
    Unknown {
        /// The file.
        file: String,
    },
    /// Larger than the limit.
    #[error(
        "`{file}` is larger than {limit} {unit}: split the project or remove generated entries"
    )]
    TooLarge {
        /// The file.
        file: String,
        /// The limit.
        limit: usize,
        /// Of what.
        unit: &'static str,
    },
    /// A line that cannot be understood.
    #[error("{file}:{line}: expected {expected}, found `{found}`")]
    Syntax {
        /// The file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// What should stand there.
        expected: String,
        /// What stands there, shortened.
        found: String,
    },
}

impl LockfileError {
    fn syntax(file: &str, line: usize, expected: &str, found: &str) -> Self {
        Self::Syntax {
            file: file.to_owned(),
            line,
            expected: expected.to_owned(),
            found: found.chars().take(80).collect(),
        }
    }
}

/// A format of manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// pip's requirements file format.
    Requirements,
    /// npm's `package-lock.json` and `npm-shrinkwrap.json`, lockfileVersion 1 to 3.
    PackageLock,
}

/// The format of a file, from the last part of its path. Locks inside `node_modules` belong to
/// others and are none.
pub fn format(path: &str) -> Option<Format> {
    let path = path.replace('\\', "/");
    let mut parts = path.rsplit('/');
    let name = parts.next()?.to_ascii_lowercase();
    if parts.any(|part| part == "node_modules") {
        return None;
    }
    if name == "package-lock.json" || name == "npm-shrinkwrap.json" {
        return Some(Format::PackageLock);
    }
    let text = name.strip_suffix(".txt")?;
    let requirements = text.starts_with("requirements") || text.ends_with("requirements");
    requirements.then_some(Format::Requirements)
}

/// Reads a manifest; `path` names it in messages and tells its format.
pub fn read(path: &str, bytes: &[u8]) -> Result<Manifest, LockfileError> {
    let format = format(path).ok_or_else(|| LockfileError::Unknown {
        file: path.to_owned(),
    })?;
    if bytes.len() > BYTES_MAX {
        return Err(too_large(path, BYTES_MAX, "bytes"));
    }
    let manifest = match format {
        Format::Requirements => requirements::read(path, bytes)?,
        Format::PackageLock => package_lock::read(path, bytes)?,
    };
    if manifest.packages.len() > PACKAGES_MAX {
        return Err(too_large(path, PACKAGES_MAX, "packages"));
    }
    Ok(manifest.tidy())
}

fn too_large(file: &str, limit: usize, unit: &'static str) -> LockfileError {
    LockfileError::TooLarge {
        file: file.to_owned(),
        limit,
        unit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_package_urls_follow_their_registry() {
        assert_eq!(
            Ecosystem::PyPI.normalise("Zope.Interface__x"),
            "zope-interface-x"
        );
        assert_eq!(
            Ecosystem::Npm.purl("@sco/pkg", "1.0.0"),
            "pkg:npm/%40sco/pkg@1.0.0"
        );
        assert_eq!(
            Ecosystem::PyPI.purl("cryptography", "3.3.1+local.1"),
            "pkg:pypi/cryptography@3.3.1%2Blocal.1"
        );
    }

    #[test]
    fn manifests_are_known_by_name_but_not_inside_node_modules() {
        assert_eq!(format("a/requirements-dev.txt"), Some(Format::Requirements));
        assert_eq!(format(r"a\Package-Lock.json"), Some(Format::PackageLock));
        assert_eq!(format("node_modules/x/package-lock.json"), None);
        assert_eq!(format("notes.txt"), None);
    }
}
