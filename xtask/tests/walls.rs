//! The walls between the crates, read from `cargo metadata` and the sources and compared with
//! literal tables. A new arrow, a new outside dependency behind a wall or a new licence turns one of
//! these red: change the table only together with a decision note.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Which of our crates each may import in what ships.
const ARROWS: [(&str, &[&str]); 8] = [
    (
        "burgess",
        &[
            "burgess-core",
            "burgess-gateway",
            "burgess-inspect",
            "burgess-ledger",
            "burgess-store",
            "burgess-trail",
        ],
    ),
    ("burgess-core", &[]),
    (
        "burgess-gateway",
        &["burgess-core", "burgess-inspect", "burgess-ledger"],
    ),
    ("burgess-inspect", &["burgess-core"]),
    ("burgess-ledger", &[]),
    ("burgess-store", &["burgess-core", "burgess-ledger"]),
    ("burgess-trail", &["burgess-core", "burgess-ledger"]),
    ("xtask", &[]),
];

/// What each crate must not reach, by however many steps.
const NEVER_REACHED: [(&str, &[&str]); 7] = [
    // Every rule is testable without a world.
    (
        "burgess-core",
        &[
            "axum", "hyper", "mio", "rand", "rustix", "socket2", "sqlx", "tempfile", "tokio",
        ],
    ),
    // It reads hostile bytes: nothing it could be talked into using.
    (
        "burgess-inspect",
        &[
            "axum", "hyper", "mio", "reqwest", "rustix", "socket2", "sqlx", "tempfile", "tokio",
        ],
    ),
    // An auditor builds it alone: bytes, digests and signatures, no rules.
    (
        "burgess-ledger",
        &[
            "axum",
            "burgess-core",
            "cedar-policy",
            "http",
            "hyper",
            "mio",
            "socket2",
            "sqlx",
        ],
    ),
    // The hot path cannot reach a database.
    (
        "burgess-gateway",
        &[
            "askama",
            "axum",
            "burgess-store",
            "burgess-trail",
            "libsqlite3-sys",
            "sqlx",
        ],
    ),
    (
        "burgess-store",
        &["askama", "axum", "burgess-inspect", "http", "hyper"],
    ),
    (
        "burgess-trail",
        &["askama", "axum", "burgess-store", "http", "hyper"],
    ),
    ("xtask", &["axum", "hyper", "sqlx", "tokio"]),
];

/// Outside crates that only these of ours may name in their manifest.
const WRAPPERS: [(&str, &[&str]); 9] = [
    ("sqlx", &["burgess-store", "burgess-trail"]),
    ("axum", &["burgess"]),
    ("askama", &["burgess"]),
    ("cedar-policy", &["burgess-core"]),
    ("hyper-rustls", &["burgess", "burgess-gateway"]),
    ("parquet", &["burgess-trail"]),
    ("rusty-s3", &["burgess"]),
    ("tokio-rustls", &["burgess"]),
    ("zip", &["burgess-inspect"]),
];

/// Licences that ask for nothing but notice.
const PERMISSIVE: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Licences that one package alone may have, with the reason.
const LICENCE_EXCEPTIONS: [(&str, &str, &str); 1] = [(
    "webpki-roots",
    "CDLA-Permissive-2.0",
    "a list of public certificates, as data; the licence asks for its text only",
)];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

struct Graph {
    packages: Vec<Value>,
    names: BTreeMap<String, String>,
    ours: BTreeSet<String>,
    /// Normal dependencies: what is in the binary.
    edges: BTreeMap<String, BTreeSet<String>>,
    /// Those and what builds them; only what tests alone use is left out.
    building: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    /// For this platform only: others' crates need not have been downloaded.
    fn read() -> Self {
        let version = Command::new("rustc").arg("-vV").output().unwrap().stdout;
        let version = String::from_utf8(version).unwrap();
        let host = version
            .lines()
            .find_map(|line| line.strip_prefix("host: "))
            .unwrap();
        let output = Command::new(env!("CARGO"))
            .current_dir(root())
            .args([
                "metadata",
                "--format-version",
                "1",
                "--offline",
                "--filter-platform",
                host,
            ])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        let packages = json["packages"].as_array().unwrap().clone();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let names: BTreeMap<String, String> = packages
            .iter()
            .map(|package| (text(&package["id"]), text(&package["name"])))
            .collect();
        let ours = json["workspace_members"]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| names[id.as_str().unwrap()].clone())
            .collect();
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut building = edges.clone();
        for node in json["resolve"]["nodes"].as_array().unwrap() {
            let from = &names[node["id"].as_str().unwrap()];
            for map in [&mut edges, &mut building] {
                map.entry(from.clone()).or_default();
            }
            for dependency in node["deps"].as_array().unwrap() {
                let to = &names[dependency["pkg"].as_str().unwrap()];
                for kind in dependency["dep_kinds"].as_array().unwrap() {
                    match kind["kind"].as_str() {
                        None => drop(edges.get_mut(from).unwrap().insert(to.clone())),
                        Some("dev") => continue,
                        Some(_) => {}
                    }
                    building.get_mut(from).unwrap().insert(to.clone());
                }
            }
        }
        Self {
            packages,
            names,
            ours,
            edges,
            building,
        }
    }
}

/// Everything that can be come to from `from`, by however many steps.
fn reached(edges: &BTreeMap<String, BTreeSet<String>>, from: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from.to_owned()];
    while let Some(name) = open.pop() {
        for next in &edges[&name] {
            if reached.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    reached
}

#[test]
fn our_crates_import_each_other_only_along_the_arrows() {
    let graph = Graph::read();
    let found: BTreeMap<&str, BTreeSet<&str>> = graph
        .ours
        .iter()
        .map(|name| {
            let imported = graph.edges[name]
                .iter()
                .filter(|to| graph.ours.contains(*to));
            (name.as_str(), imported.map(String::as_str).collect())
        })
        .collect();
    let permitted: BTreeMap<&str, BTreeSet<&str>> = ARROWS
        .iter()
        .map(|(name, imported)| (*name, imported.iter().copied().collect()))
        .collect();
    assert_eq!(
        found.keys().collect::<Vec<_>>(),
        permitted.keys().collect::<Vec<_>>(),
        "the crates of the workspace"
    );
    for (name, imported) in &found {
        let extra: Vec<&&str> = imported.difference(&permitted[name]).collect();
        assert!(
            extra.is_empty(),
            "{name} imports {extra:?}, for which there is no arrow"
        );
    }
}

#[test]
fn no_crate_reaches_what_its_wall_keeps_out() {
    for (name, banned) in NEVER_REACHED {
        let built = built_alone(name);
        assert!(built.contains(name), "{name} is in its own tree");
        let found: Vec<&&str> = banned.iter().filter(|ban| built.contains(**ban)).collect();
        assert!(found.is_empty(), "{name} reaches {found:?}");
    }
}

/// The packages in the binary when this crate is built by itself, with the features that it asks
/// for; `cargo metadata` would show those that any crate of the workspace asks for.
fn built_alone(name: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .current_dir(root())
        .args([
            "tree",
            "--offline",
            "-p",
            name,
            "-e",
            "normal",
            "--prefix",
            "none",
        ])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let names = text.lines().filter_map(|line| line.split(' ').next());
    names.map(str::to_owned).collect()
}

#[test]
fn outside_crates_behind_a_wall_are_named_by_their_wrapper_alone() {
    let graph = Graph::read();
    for (outside, wrappers) in WRAPPERS {
        let users: Vec<&String> = graph
            .ours
            .iter()
            .filter(|name| graph.edges[*name].contains(outside))
            .filter(|name| !wrappers.contains(&name.as_str()))
            .collect();
        assert!(
            users.is_empty(),
            "{users:?} use {outside}, which is for {wrappers:?}"
        );
    }
}

#[test]
fn every_crate_lives_in_a_folder_of_its_name_and_takes_the_workspace_lints() {
    for package in Graph::read().packages {
        if package["source"].is_null() {
            let manifest = Path::new(package["manifest_path"].as_str().unwrap());
            let folder = manifest.parent().unwrap().file_name().unwrap();
            assert_eq!(folder.to_str(), package["name"].as_str());
            let text = std::fs::read_to_string(manifest).unwrap();
            assert!(
                text.contains("[lints]\nworkspace = true"),
                "{}",
                manifest.display()
            );
        }
    }
}

#[test]
fn every_dependency_has_a_permissive_licence() {
    let graph = Graph::read();
    let used: BTreeSet<String> = graph
        .ours
        .iter()
        .flat_map(|name| reached(&graph.building, name))
        .collect();
    let mut unused_exceptions: BTreeSet<&str> =
        LICENCE_EXCEPTIONS.iter().map(|row| row.0).collect();
    for package in &graph.packages {
        let name = graph.names[package["id"].as_str().unwrap()].as_str();
        if !used.contains(name) {
            continue;
        }
        let licence = package["license"].as_str().unwrap_or("none");
        let excepted = LICENCE_EXCEPTIONS
            .iter()
            .any(|(who, what, _)| *who == name && *what == licence);
        if excepted {
            unused_exceptions.remove(name);
        }
        assert!(
            excepted || permits(licence),
            "{name} has the licence `{licence}`"
        );
    }
    assert_eq!(unused_exceptions, BTreeSet::new(), "exceptions for nothing");
}

#[test]
fn a_licence_expression_is_read_as_it_is_meant() {
    let check = |expression: &str, expected: bool| {
        assert_eq!(permits(expression), expected, "{expression}")
    };
    check("MIT", true);
    check("GPL-3.0", false);
    check("GPL-3.0 OR MIT", true);
    check("MIT AND GPL-3.0", false);
    check("(GPL-3.0 OR MIT) AND Unicode-3.0", true);
    check("(GPL-3.0 OR LGPL-2.1) AND MIT", false);
    check("MIT/Apache-2.0", true);
    check("Apache-2.0 WITH LLVM-exception", true);
    check("none", false);
}

/// An SPDX expression over the permissive set: `OR` (or the old `/`) of `AND`s, with brackets.
fn permits(expression: &str) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let verdict = either(&mut words);
    verdict && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn either(words: &mut Words) -> bool {
    let mut verdict = both(words);
    while words.next_if_eq(&"OR").is_some() {
        verdict |= both(words);
    }
    verdict
}

fn both(words: &mut Words) -> bool {
    let mut verdict = one(words);
    while words.next_if_eq(&"AND").is_some() {
        verdict &= one(words);
    }
    verdict
}

fn one(words: &mut Words) -> bool {
    if words.next_if_eq(&"(").is_some() {
        let verdict = either(words);
        return words.next() == Some(")") && verdict;
    }
    let mut licence = words.next().unwrap_or_default().to_owned();
    while words.next_if_eq(&"WITH").is_some() {
        licence = format!("{licence} WITH {}", words.next().unwrap_or_default());
    }
    PERMISSIVE.contains(&licence.as_str())
}

/// Product lines of a crate, without comments and without what stands under `#[cfg(test)]` at the
/// end of a file, each with its place.
fn product_lines(room: &str) -> Vec<(String, String)> {
    let mut open = vec![root().join("crates").join(room).join("src")];
    let mut lines = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(
                std::fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            for (number, line) in text.lines().enumerate() {
                if line.starts_with("#[cfg(test)]") {
                    break;
                }
                let code = line.split("//").next().unwrap_or_default().to_owned();
                lines.push((format!("{}:{}", path.display(), number + 1), code));
            }
        }
    }
    assert!(!lines.is_empty(), "no sources of {room}");
    lines
}

#[test]
fn there_is_no_unsafe_outside_the_sandbox() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(
        manifest.contains("unsafe_code = \"deny\""),
        "the compiler checks it first"
    );
    for (room, _) in ARROWS.iter().filter(|(room, _)| *room != "xtask") {
        for (place, code) in product_lines(room) {
            let lifted = code.contains("unsafe_code");
            let used = code.split_once("unsafe").is_some_and(|(_, rest)| {
                let rest = rest.trim_start();
                ["{", "fn ", "impl ", "trait ", "extern ", "("]
                    .iter()
                    .any(|form| rest.starts_with(form))
            });
            assert!(!lifted && !used, "{place}: {code}");
        }
    }
}

#[test]
fn rules_read_no_clock_no_environment_and_no_randomness() {
    let banned = [
        "SystemTime::now",
        "Instant::now",
        "Timestamp::now",
        "Zoned::now",
        "env::var",
        "getrandom",
        "OsRng",
    ];
    for room in [
        "burgess-core",
        "burgess-ledger",
        "burgess-inspect",
        "burgess-gateway",
    ] {
        for (place, code) in product_lines(room) {
            for ban in banned {
                assert!(
                    !code.contains(ban),
                    "{place}: `{ban}`: pass it in as an argument"
                );
            }
        }
    }
}
