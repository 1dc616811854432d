//! Which platform wrote an export, and where in the tree it lies.

use serde_json::Value;

use crate::error::InspectError;
use crate::facts::Platform;
use crate::json;
use crate::unpack::Tree;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detected {
    /// The platform.
    pub platform: Platform,
    /// Folder of the export inside the tree, empty or ending in `/`.
    pub root: String,
    /// For n8n: the workflow files.
    pub files: Vec<String>,
}

/// The files that tell a platform, in the order in which they are looked for. A solution
/// holds canvas apps, so it comes first.
const MARKS: [(&str, Platform); 3] = [
    ("solution.xml", Platform::PowerPlatformSolution),
    (
        "Microsoft.Flow/flows/manifest.json",
        Platform::PowerAutomatePackage,
    ),
    ("Properties.json", Platform::PowerAppsCanvas),
];

/// Finds the platform. The mark nearest to the top of the tree counts.
///
/// # Errors
/// [`InspectError::Json`] when the only file is named like JSON and is none.
pub fn detect(tree: &Tree) -> Result<Detected, InspectError> {
    for (mark, platform) in MARKS {
        if let Some(root) = nearest(tree, mark, platform) {
            return Ok(Detected {
                platform,
                root,
                files: Vec::new(),
            });
        }
    }
    let files = workflows(tree)?;
    let platform = if files.is_empty() {
        Platform::Unknown
    } else {
        Platform::N8n
    };
    Ok(Detected {
        platform,
        root: String::new(),
        files,
    })
}

fn nearest(tree: &Tree, mark: &str, platform: Platform) -> Option<String> {
    tree.files
        .keys()
        .filter_map(|path| {
            let root = path.strip_suffix(mark)?;
            (root.is_empty() || root.ends_with('/')).then(|| root.to_owned())
        })
        .filter(|root| match platform {
            // `Properties.json` alone is a common name.
            Platform::PowerAppsCanvas => tree.files.contains_key(&format!("{root}Header.json")),
            _ => true,
        })
        .min_by_key(|root| (root.matches('/').count(), root.clone()))
}

/// The JSON files that are n8n workflows.
fn workflows(tree: &Tree) -> Result<Vec<String>, InspectError> {
    let mut out = Vec::new();
    for (path, bytes) in &tree.files {
        let named_json = path.to_ascii_lowercase().ends_with(".json");
        if !named_json && tree.files.len() > 1 {
            continue;
        }
        match json::parse(path, bytes) {
            Ok(value) if !workflows_in(&value).is_empty() => out.push(path.clone()),
            Err(error) if named_json && tree.files.len() == 1 => return Err(error),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(out)
}

/// The workflows in a document with their pointers: the document itself, the items of an
/// array (as the command-line export writes), or a `workflow` inside a wrapper.
pub(crate) fn workflows_in(value: &Value) -> Vec<(String, &Value)> {
    if let Value::Array(items) = value {
        let inner = items
            .iter()
            .enumerate()
            .filter(|(_, item)| is_workflow(item));
        return inner
            .map(|(index, item)| (format!("/{index}"), item))
            .collect();
    }
    if is_workflow(value) {
        return vec![(String::new(), value)];
    }
    match value.get("workflow") {
        Some(inner) if is_workflow(inner) => vec![("/workflow".to_owned(), inner)],
        _ => Vec::new(),
    }
}

/// An n8n workflow is an object with `nodes`, each with a `type` that has a package
/// before its last dot, and `connections`.
fn is_workflow(value: &Value) -> bool {
    let Some(nodes) = value.get("nodes").and_then(Value::as_array) else {
        return false;
    };
    let typed = |node: &Value| json::text_at(node, "/type").contains('.');
    value.get("connections").is_some_and(Value::is_object) && nodes.iter().all(typed)
}
