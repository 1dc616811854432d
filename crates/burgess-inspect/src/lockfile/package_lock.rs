//! npm's `package-lock.json` (npm documentation, "package-lock.json"), lockfileVersion 1, 2 and 3.
//! Version 2 carries both shapes; `packages` is read, as npm does.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nodejs_semver::Version;
use serde::Deserialize;
use serde_json::Value;

use super::{Ecosystem, Hash, LockfileError, Manifest, Package};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Lock {
    name: Option<String>,
    lockfile_version: Option<u64>,
    packages: Option<BTreeMap<String, Entry>>,
    dependencies: Option<BTreeMap<String, Nested>>,
}

/// An entry of `packages`, by its path.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Entry {
    name: Option<String>,
    version: Option<String>,
    resolved: Value,
    integrity: Option<String>,
    license: Value,
    link: bool,
    dev: bool,
    dev_optional: bool,
    dependencies: BTreeMap<String, Value>,
    dev_dependencies: BTreeMap<String, Value>,
    optional_dependencies: BTreeMap<String, Value>,
    peer_dependencies: BTreeMap<String, Value>,
}

/// An entry of `dependencies` in version 1.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Nested {
    version: Option<String>,
    integrity: Option<String>,
    dev: bool,
    /// Names to ranges; `true` in very old files.
    requires: Value,
    dependencies: BTreeMap<String, Nested>,
}

const EXPECTED: &str = "a package-lock.json of lockfileVersion 1, 2 or 3";

pub(super) fn read(file: &str, bytes: &[u8]) -> Result<Manifest, LockfileError> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let lock: Lock = serde_json::from_slice(bytes)
        .map_err(|error| LockfileError::syntax(file, error.line(), EXPECTED, &error.to_string()))?;
    let mut manifest = Manifest::new(Ecosystem::Npm);
    manifest.project = lock.name;
    match (lock.packages, lock.dependencies, lock.lockfile_version) {
        (Some(packages), _, Some(2..=3)) => flat(&packages, &mut manifest),
        (None, dependencies, Some(1) | None)
            if dependencies.is_some() || lock.lockfile_version.is_some() =>
        {
            nested(&dependencies.unwrap_or_default(), &mut manifest);
        }
        (_, _, Some(version)) => {
            return Err(LockfileError::syntax(
                file,
                1,
                EXPECTED,
                &format!("lockfileVersion {version}"),
            ));
        }
        _ => {
            return Err(LockfileError::syntax(
                file,
                1,
                EXPECTED,
                "neither packages nor dependencies",
            ));
        }
    }
    Ok(manifest)
}

/// What a version text is: a registry version of a package, or something else.
enum Source {
    Registry { name: String, version: String },
    Other { why: &'static str, mutable: bool },
}

fn source(name: &str, version: &str) -> Source {
    if let Some(alias) = version.strip_prefix("npm:") {
        // `npm:@scope/real@1.2.3`: the last `@` divides, the first may open a scope.
        return match alias.rsplit_once('@') {
            Some((real, version)) if !real.is_empty() => source(real, version),
            _ => Source::Other {
                why: "an alias without a version",
                mutable: true,
            },
        };
    }
    if Version::parse(version).is_ok() {
        return Source::Registry {
            name: name.to_owned(),
            version: version.to_owned(),
        };
    }
    address(version)
}

fn address(address: &str) -> Source {
    let git = [
        "git+",
        "git:",
        "git@",
        "github:",
        "gitlab:",
        "bitbucket:",
        "gist:",
    ]
    .iter()
    .any(|scheme| address.starts_with(scheme));
    if git || address.contains(".git#") {
        let commit = address.rsplit_once('#').is_some_and(|(_, reference)| {
            reference.len() == 40 && reference.bytes().all(|byte| byte.is_ascii_hexdigit())
        });
        return Source::Other {
            why: "a source repository, not a registry version",
            mutable: !commit,
        };
    }
    if address.starts_with("file:") || address.starts_with('.') || address.starts_with('/') {
        return Source::Other {
            why: "a local path, not a registry version",
            mutable: false,
        };
    }
    if address.contains("://") {
        return Source::Other {
            why: "an address, not a registry version",
            mutable: true,
        };
    }
    Source::Other {
        why: "not a version that npm knows",
        mutable: true,
    }
}

/// Versions 2 and 3: a flat map from path to entry.
fn flat(packages: &BTreeMap<String, Entry>, manifest: &mut Manifest) {
    let known: BTreeMap<&str, String> = packages
        .iter()
        .filter_map(|(path, entry)| match entry_source(path, entry)? {
            Source::Registry { name, version } => {
                Some((path.as_str(), Ecosystem::Npm.purl(&name, &version)))
            }
            Source::Other { .. } => None,
        })
        .collect();
    for (path, entry) in packages {
        if !path.contains("node_modules/") {
            // The project itself, or a workspace folder inside it.
            for name in entry
                .dependencies
                .keys()
                .chain(entry.dev_dependencies.keys())
                .chain(entry.optional_dependencies.keys())
            {
                manifest.direct.extend(
                    resolve(packages, path, name)
                        .and_then(|found| known.get(found))
                        .cloned(),
                );
            }
            continue;
        }
        match entry_source(path, entry) {
            Some(Source::Registry { name, version }) => manifest.packages.push(Package {
                purl: Ecosystem::Npm.purl(&name, &version),
                name,
                version,
                dev: entry.dev || entry.dev_optional,
                hashes: integrity(entry.integrity.as_deref()),
                licence: licence(&entry.license),
                needs: needs(packages, &known, path, entry),
            }),
            Some(Source::Other { why, mutable }) => {
                let what = entry
                    .resolved
                    .as_str()
                    .map_or_else(|| path.clone(), |address| format!("{path} {address}"));
                manifest.skip(&what, why, mutable && entry.integrity.is_none());
            }
            None => manifest.skip(path, "an entry without a version", true),
        }
    }
}

/// The name that a path gives: what stands after the last `node_modules/`.
fn name_of(path: &str) -> &str {
    path.rsplit_once("node_modules/")
        .map_or(path, |(_, name)| name)
}

fn entry_source(path: &str, entry: &Entry) -> Option<Source> {
    if entry.link {
        return Some(Source::Other {
            why: "a link to a folder of the project",
            mutable: false,
        });
    }
    if !path.contains("node_modules/") {
        return None;
    }
    // A package from git or a file carries the version of its own package.json: not the registry's.
    let resolved = entry.resolved.as_str().unwrap_or_default();
    let elsewhere = ["git+", "git:", "git@", "github:", "file:"]
        .iter()
        .any(|scheme| resolved.starts_with(scheme));
    if elsewhere || resolved.contains("codeload.github.com") {
        return Some(address(if elsewhere { resolved } else { "https://" }));
    }
    let name = entry.name.as_deref().unwrap_or_else(|| name_of(path));
    Some(source(name, entry.version.as_deref()?))
}

fn needs(
    packages: &BTreeMap<String, Entry>,
    known: &BTreeMap<&str, String>,
    path: &str,
    entry: &Entry,
) -> Vec<String> {
    entry
        .dependencies
        .keys()
        .chain(entry.optional_dependencies.keys())
        .chain(entry.peer_dependencies.keys())
        .filter_map(|name| known.get(resolve(packages, path, name)?).cloned())
        .collect()
}

/// Node's resolution: the nearest `node_modules` folder upwards that has the name.
fn resolve<'a>(packages: &'a BTreeMap<String, Entry>, from: &str, name: &str) -> Option<&'a str> {
    let mut folder = from;
    loop {
        let candidate = match folder {
            "" => format!("node_modules/{name}"),
            _ => format!("{folder}/node_modules/{name}"),
        };
        if let Some((path, _)) = packages.get_key_value(&candidate) {
            return Some(path);
        }
        if folder.is_empty() {
            return None;
        }
        folder = match folder.rfind("/node_modules/") {
            Some(at) => folder.get(..at).unwrap_or_default(),
            None => "",
        };
    }
}

/// Version 1: a tree in which each package holds those that only it sees.
fn nested(tree: &BTreeMap<String, Nested>, manifest: &mut Manifest) {
    let needed: BTreeSet<String> = tree.values().flat_map(all_requires).collect();
    let mut scopes = vec![tree];
    for (name, entry) in tree {
        // Version 1 does not say what the project asks for; what nobody else asks for, it does.
        if let (false, Some(purl)) = (needed.contains(name), nested_purl(name, entry)) {
            manifest.direct.push(purl);
        }
    }
    walk(tree, &mut scopes, manifest);
}

fn all_requires(entry: &Nested) -> Vec<String> {
    let own = entry
        .requires
        .as_object()
        .into_iter()
        .flat_map(|requires| requires.keys().cloned());
    own.chain(entry.dependencies.values().flat_map(all_requires))
        .collect()
}

fn nested_purl(name: &str, entry: &Nested) -> Option<String> {
    match source(name, entry.version.as_deref()?) {
        Source::Registry { name, version } => Some(Ecosystem::Npm.purl(&name, &version)),
        Source::Other { .. } => None,
    }
}

fn walk<'a>(
    tree: &'a BTreeMap<String, Nested>,
    scopes: &mut Vec<&'a BTreeMap<String, Nested>>,
    manifest: &mut Manifest,
) {
    for (name, entry) in tree {
        scopes.push(&entry.dependencies);
        match entry
            .version
            .as_deref()
            .map(|version| (version, source(name, version)))
        {
            Some((_, Source::Registry { name, version })) => {
                let needs = entry
                    .requires
                    .as_object()
                    .into_iter()
                    .flat_map(|requires| requires.keys())
                    .filter_map(|wanted| {
                        let found = scopes.iter().rev().find_map(|scope| scope.get(wanted))?;
                        nested_purl(wanted, found)
                    })
                    .collect();
                manifest.packages.push(Package {
                    purl: Ecosystem::Npm.purl(&name, &version),
                    name,
                    version,
                    dev: entry.dev,
                    hashes: integrity(entry.integrity.as_deref()),
                    licence: None,
                    needs,
                });
            }
            Some((version, Source::Other { why, mutable })) => {
                manifest.skip(
                    &format!("{name} {version}"),
                    why,
                    mutable && entry.integrity.is_none(),
                );
            }
            None => manifest.skip(name, "an entry without a version", true),
        }
        walk(&entry.dependencies, scopes, manifest);
        scopes.pop();
    }
}

/// Subresource integrity (W3C SRI): algorithm, dash, base64, several divided by blanks.
fn integrity(text: Option<&str>) -> Vec<Hash> {
    text.unwrap_or_default()
        .split_whitespace()
        .filter_map(|part| {
            let (name, value) = part.split_once('-')?;
            let algorithm = match name {
                "sha1" => "SHA-1",
                "sha256" => "SHA-256",
                "sha384" => "SHA-384",
                "sha512" => "SHA-512",
                _ => return None,
            };
            let digest = STANDARD.decode(value.split('?').next()?).ok()?;
            let length = match algorithm {
                "SHA-1" => 20,
                "SHA-256" => 32,
                "SHA-384" => 48,
                _ => 64,
            };
            (digest.len() == length).then(|| Hash {
                algorithm,
                hex: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
            })
        })
        .collect()
}

/// `"MIT"`, or in old files `{"type": "MIT"}`.
fn licence(value: &Value) -> Option<String> {
    let text = value.as_str().or_else(|| value.get("type")?.as_str())?;
    (!text.is_empty() && text.len() <= 200).then(|| text.to_owned())
}
