//! What an artifact's digest covers: its normalised content, so that an unchanged app
//! exported twice has one digest, and any change to what it does has another.
//!
//! Normalised means: sorted paths, JSON with sorted keys, XML without its layout, and
//! without the fields of [`VOLATILE`], which the platforms write anew with each export.
//! Not here: whether a changed digest voids an approval (that is a rule of the programme).

mod canonical;

use std::collections::BTreeMap;

use burgess_core::digest::Digest;
use serde_json::Value;

use crate::exports::detect;
use crate::facts::Platform;
use crate::json;
use crate::unpack::Tree;

/// The digests of an artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArtifactDigest {
    /// Over the normalised content: what an approval names.
    pub normalised: Digest,
    /// Over the bytes as they were handed in.
    pub raw: Digest,
}

/// What happens to a volatile field before it is digested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is left out.
    Drop,
    /// Of a URL, what follows `?` is left out.
    DropQuery,
    /// Its order does not count.
    Sort,
}

impl Change {
    /// The word in the golden list.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::DropQuery => "drop query",
            Self::Sort => "sort",
        }
    }
}

/// One field that a platform writes anew although the app did not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Volatile {
    /// Whose exports; `None` for all.
    pub platform: Option<Platform>,
    /// Path inside the export; `*` stands for one part of it.
    pub file: &'static str,
    /// JSON pointer with `*` for any key or index, an element path in XML (`@` before an
    /// attribute), or empty for the whole file.
    pub pointer: &'static str,
    /// What is done to it.
    pub change: Change,
    /// Why it does not count.
    pub why: &'static str,
}

const fn row(
    platform: Platform,
    file: &'static str,
    pointer: &'static str,
    change: Change,
    why: &'static str,
) -> Volatile {
    Volatile {
        platform: Some(platform),
        file,
        pointer,
        change,
        why,
    }
}

use Change::{Drop, DropQuery, Sort};
use Platform::{
    N8n, PowerAppsCanvas as Canvas, PowerAutomatePackage as Package,
    PowerPlatformSolution as Solution,
};

/// The golden list; `tests/golden/volatile.tsv` shows it to people.
pub const VOLATILE: &[Volatile] = &[
    Volatile {
        platform: None,
        file: "README.md",
        pointer: "",
        change: Drop,
        why: "evidence of its own, linted and kept by itself",
    },
    Volatile {
        platform: None,
        file: "charter.toml",
        pointer: "",
        change: Drop,
        why: "the charter has its own digest",
    },
    row(
        N8n,
        "*.json",
        "/id",
        Drop,
        "number of the workflow in one n8n instance",
    ),
    row(
        N8n,
        "*.json",
        "/active",
        Drop,
        "whether it is switched on, not what it does",
    ),
    row(N8n, "*.json", "/createdAt", Drop, "time of the first save"),
    row(N8n, "*.json", "/updatedAt", Drop, "time of the last save"),
    row(
        N8n,
        "*.json",
        "/versionId",
        Drop,
        "written anew with each save",
    ),
    row(
        N8n,
        "*.json",
        "/activeVersionId",
        Drop,
        "written anew when it is switched on",
    ),
    row(N8n, "*.json", "/versionCounter", Drop, "counts saves"),
    row(
        N8n,
        "*.json",
        "/triggerCount",
        Drop,
        "counted by the instance",
    ),
    row(
        N8n,
        "*.json",
        "/staticData",
        Drop,
        "where polling stopped, kept by the instance while it runs",
    ),
    row(
        N8n,
        "*.json",
        "/meta",
        Drop,
        "the instance that exported it and the editor's hints",
    ),
    row(N8n, "*.json", "/tags", Drop, "folders of the editor"),
    row(N8n, "*.json", "/shared", Drop, "who sees it in the editor"),
    row(N8n, "*.json", "/homeProject", Drop, "folders of the editor"),
    row(N8n, "*.json", "/isArchived", Drop, "folders of the editor"),
    row(
        Package,
        "manifest.json",
        "/details/createdTime",
        Drop,
        "time of the export",
    ),
    row(
        Package,
        "manifest.json",
        "/details/packageTelemetryId",
        Drop,
        "written anew with each export",
    ),
    row(
        Package,
        "manifest.json",
        "/details/creator",
        Drop,
        "who exported it",
    ),
    row(
        Package,
        "manifest.json",
        "/details/sourceEnvironment",
        Drop,
        "where it was exported",
    ),
    row(
        Package,
        "manifest.json",
        "/resources/*/details/iconUri",
        Drop,
        "release number of the connector's picture",
    ),
    row(
        Package,
        "manifest.json",
        "/resources/*/dependsOn",
        Sort,
        "a set; its order follows the ids, which are new with each export",
    ),
    row(
        Package,
        "manifest.json",
        "/resources/*/suggestedCreationType",
        Drop,
        "a choice in the export dialogue",
    ),
    row(
        Package,
        "Microsoft.Flow/flows/*/definition.json",
        "/name",
        Drop,
        "id of the flow in one environment",
    ),
    row(
        Package,
        "Microsoft.Flow/flows/*/definition.json",
        "/id",
        Drop,
        "id of the flow in one environment",
    ),
    row(
        Package,
        "Microsoft.Flow/flows/*/definition.json",
        "/properties/definition/metadata",
        Drop,
        "creator, times and hints of the editor",
    ),
    row(
        Package,
        "Microsoft.Flow/flows/*/definition.json",
        "/properties/createdTime",
        Drop,
        "time of the first save",
    ),
    row(
        Package,
        "Microsoft.Flow/flows/*/definition.json",
        "/properties/lastModifiedTime",
        Drop,
        "time of the last save",
    ),
    row(
        Package,
        "Microsoft.Flow/flows/*/definition.json",
        "/properties/connectionReferences/*/iconUri",
        Drop,
        "release number of the connector's picture",
    ),
    row(
        Solution,
        "solution.xml",
        "/ImportExportXml/@version",
        Drop,
        "version of the platform that exported it",
    ),
    row(
        Solution,
        "solution.xml",
        "/ImportExportXml/@generatedBy",
        Drop,
        "program that exported it",
    ),
    row(
        Solution,
        "solution.xml",
        "/ImportExportXml/@SolutionPackageVersion",
        Drop,
        "version of the platform that exported it",
    ),
    row(
        Solution,
        "solution.xml",
        "/ImportExportXml/SolutionManifest/Version",
        Drop,
        "the export dialogue counts it up",
    ),
    row(
        Solution,
        "customizations.xml",
        "/ImportExportXml/CanvasApps/CanvasApp/AppVersion",
        Drop,
        "time of the last save",
    ),
    row(
        Solution,
        "customizations.xml",
        "/ImportExportXml/CanvasApps/CanvasApp/CreatedByClientVersion",
        Drop,
        "version of the editor",
    ),
    row(
        Solution,
        "customizations.xml",
        "/ImportExportXml/CanvasApps/CanvasApp/MinClientVersion",
        Drop,
        "version of the editor",
    ),
    row(
        Canvas,
        "Header.json",
        "/LastSavedDateTimeUTC",
        Drop,
        "time of the last save",
    ),
    row(
        Canvas,
        "Properties.json",
        "/AnalysisLoadTime",
        Drop,
        "how long the editor took to load it",
    ),
    row(
        Canvas,
        "Properties.json",
        "/FileID",
        Drop,
        "written anew with each save",
    ),
    row(
        Canvas,
        "Properties.json",
        "/Id",
        Drop,
        "id of the app in one environment",
    ),
    row(
        Canvas,
        "checksum.json",
        "",
        Drop,
        "digests of the files as they were saved, volatile fields included",
    ),
    row(
        Canvas,
        "AppCheckerResult.sarif",
        "",
        Drop,
        "findings of the platform's checker, with its time",
    ),
    row(
        Canvas,
        "Entropy.json",
        "",
        Drop,
        "order in which the editor wrote lists",
    ),
    row(
        Canvas,
        "References/Resources.json",
        "/Resources/*/RootPath",
        DropQuery,
        "signature of a link that the platform signs anew with each save",
    ),
];

/// Digests a tree that `platform` wrote.
pub fn digest(tree: &Tree, platform: Platform) -> ArtifactDigest {
    let names = Names::of(tree, platform);
    let mut files: BTreeMap<String, Digest> = BTreeMap::new();
    for (path, bytes) in &tree.files {
        let path = names.path(path);
        if let Some(content) = names.content(&path, bytes) {
            files.insert(path, content);
        }
    }
    let mut listing = format!("burgess.artifact/1\n{platform}\n");
    for (path, content) in files {
        listing.push_str(&format!("{content} {path:?}\n"));
    }
    ArtifactDigest {
        normalised: Digest::of(listing.as_bytes()),
        raw: tree.raw,
    }
}

/// The names that an artifact's files and resources keep from export to export.
struct Names {
    platform: Platform,
    root: String,
    /// The only workflow of an n8n export: its file is called as the download was.
    only: Option<String>,
    /// Ids that a package gets anew with each export, and the names that stay.
    stable: BTreeMap<String, String>,
}

impl Names {
    fn of(tree: &Tree, platform: Platform) -> Self {
        let found = detect::detect(tree)
            .ok()
            .filter(|found| found.platform == platform);
        let (root, files) = found.map_or_else(Default::default, |found| (found.root, found.files));
        let only = match files.as_slice() {
            [only] => Some(only.clone()),
            _ => None,
        };
        let manifest = tree.files.get(&format!("{root}manifest.json"));
        let stable = match (platform, manifest) {
            (Package, Some(bytes)) => stable_names(bytes),
            _ => BTreeMap::new(),
        };
        Self {
            platform,
            root,
            only,
            stable,
        }
    }

    fn path(&self, path: &str) -> String {
        if self.only.as_deref() == Some(path) {
            return "workflow.json".to_owned();
        }
        let inside = match path.strip_prefix(&self.root) {
            Some(inside) => inside.to_owned(),
            None => format!("outside/{path}"),
        };
        let parts = inside
            .split('/')
            .map(|part| self.stable.get(part).map_or(part, String::as_str));
        parts.collect::<Vec<_>>().join("/")
    }

    fn content(&self, path: &str, bytes: &[u8]) -> Option<Digest> {
        let rules: Vec<canonical::Rule> = VOLATILE
            .iter()
            .filter(|row| {
                row.platform
                    .is_none_or(|p| p == self.platform || self.holds(p))
                    && file_matches(row, path, self.holds(Canvas))
            })
            .map(|row| canonical::Rule {
                parts: row.pointer.split('/').skip(1).collect(),
                change: row.change,
            })
            .collect();
        if rules.iter().any(|rule| rule.parts.is_empty()) {
            return None;
        }
        let folded = path.to_ascii_lowercase();
        let text = if folded.ends_with(".xml") {
            canonical::xml(bytes, &rules)
        } else if folded.ends_with(".json") || self.only.is_some() && path == "workflow.json" {
            canonical::json(path, bytes, &rules, &self.stable)
        } else {
            None
        };
        Some(text.map_or_else(|| Digest::of(bytes), |text| Digest::of(text.as_bytes())))
    }

    /// A solution holds canvas apps, whose rules count inside.
    fn holds(&self, platform: Platform) -> bool {
        self.platform == Solution && platform == Canvas
    }
}

/// Whether a row of the golden list is about this file. Canvas apps lie deeper in a solution.
fn file_matches(row: &Volatile, path: &str, nested: bool) -> bool {
    let pattern: Vec<&str> = row.file.split('/').collect();
    let parts: Vec<&str> = path.split('/').collect();
    let deeper = nested && row.platform == Some(Canvas);
    let Some(start) = parts.len().checked_sub(pattern.len()) else {
        return false;
    };
    if start > 0 && !deeper {
        return false;
    }
    parts
        .iter()
        .skip(start)
        .zip(&pattern)
        .all(|(part, pattern)| match pattern.strip_prefix('*') {
            Some(ending) => part.ends_with(ending),
            None => part == pattern,
        })
}

/// The ids of a package's resources are new with each export. What stays is their type,
/// name and details, in this order; equal ones are numbered.
fn stable_names(manifest: &[u8]) -> BTreeMap<String, String> {
    let Ok(value) = json::parse("manifest.json", manifest) else {
        return BTreeMap::new();
    };
    let Some(resources) = value.get("resources").and_then(Value::as_object) else {
        return BTreeMap::new();
    };
    let mut named: Vec<(String, &String)> = resources
        .iter()
        .map(|(id, resource)| {
            let text = |pointer| json::text_at(resource, pointer);
            let name = Some(text("/name"))
                .filter(|name| !name.is_empty())
                .unwrap_or(text("/details/displayName"));
            (format!("{}:{name}", text("/type")), id)
        })
        .collect();
    named.sort();
    let mut out = BTreeMap::new();
    for (index, (label, id)) in named.into_iter().enumerate() {
        out.insert(
            id.clone(),
            format!("resource {index} {}", label.replace('/', ".")),
        );
    }
    out
}
