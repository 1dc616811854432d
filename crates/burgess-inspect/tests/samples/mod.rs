//! Labelled samples that lie beside the project, when they are there.

use std::path::PathBuf;

/// The folder of samples. `None` prints why; under `CI=true` its absence is a failure.
pub fn folder(name: &str) -> Option<PathBuf> {
    let path =
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")).join(name);
    if path.exists() {
        return Some(path);
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "a test asks whether it runs in CI"
    )]
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!ci, "the samples `{name}` are missing");
    println!("SKIPPED the samples `{name}` are not beside the project");
    None
}
