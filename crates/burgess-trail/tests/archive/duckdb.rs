//! Somebody else's database over the files where they lie: DuckDB from Python.
#![expect(
    clippy::disallowed_methods,
    reason = "tests find the outside database by the environment"
)]

use std::path::Path;
use std::process::Command;

use crate::world::{CANARY, World};

/// A Python with DuckDB, or none and the reason said aloud.
fn python() -> Option<String> {
    let python = std::env::var("BURGESS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let found = Command::new(&python).args(["-c", "import duckdb"]).output();
    if found.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    let reason = "no Python with the package `duckdb`, set BURGESS_PYTHON";
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{reason}");
    println!("SKIPPED {reason}");
    None
}

fn query(python: &str, archive: &Path, canary: &str) -> Result<String, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/python/archive_duckdb.py");
    let output = Command::new(python)
        .arg(script)
        .arg(archive)
        .arg(canary)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    }
}

#[test]
fn duckdb_queries_the_files_where_they_lie_and_recomputes_every_leaf_hash() {
    let Some(python) = python() else { return };
    let mut world = World::new();
    let mut folder = world.open().unwrap();
    for (day, count) in [
        ("2026-01-18", 3_000),
        ("2026-01-19", 1),
        ("2026-01-20", 2_500),
    ] {
        world.events(count);
        world.seal(&mut folder, day).unwrap();
    }
    let said = query(&python, &world.archive(), CANARY).unwrap();
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(report["entries"], 5_501);
    assert_eq!(report["files"], 3);
    assert_eq!(report["checkpoint_size"], 5_501);
    assert_eq!(report["outcomes"]["blocked"], 550);
    assert_eq!(report["apps"]["microapp-quoting"], 2_751);
    assert_eq!(report["root_recomputed"], true);

    // The script would see it: a value that stands in compressed leaves alone.
    let complaint = query(&python, &world.archive(), "customer_record").unwrap_err();
    assert!(
        complaint.contains("a personal value stands in entry"),
        "{complaint}"
    );

    // And a gap in the middle.
    std::fs::remove_file(world.archive().join(&folder.files()[1].file)).unwrap();
    let complaint = query(&python, &world.archive(), CANARY).unwrap_err();
    assert!(complaint.contains("gap"), "{complaint}");
}
