//! Walls made of types: what nobody outside this crate can build.
//!
//! Each file of `tests/ui` is given to the compiler with the crate as it was built for this test;
//! its first line says in which words it must be refused. One file must compile, which shows
//! that the others are refused for what they do. No dependency is built a second time.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Compiles one file against `library`, up to its metadata.
fn compile(file: &Path, library: &Path) -> Output {
    let out = std::env::temp_dir().join(format!("burgess-ui-{}", std::process::id()));
    std::fs::create_dir_all(&out).unwrap();
    Command::new("rustc")
        .args([
            "--edition",
            "2024",
            "--crate-type",
            "bin",
            "--emit",
            "metadata",
        ])
        .arg("--out-dir")
        .arg(&out)
        .arg("-L")
        .arg(format!(
            "dependency={}",
            library.parent().unwrap().display()
        ))
        .arg("--extern")
        .arg(format!("burgess_core={}", library.display()))
        .arg(file)
        .output()
        .unwrap()
}

/// The builds of the crate beside this test, the newest first.
fn libraries() -> Vec<PathBuf> {
    let test = std::env::current_exe().unwrap();
    let mut found: Vec<PathBuf> = std::fs::read_dir(test.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with("libburgess_core-") && name.ends_with(".rlib")
        })
        .collect();
    found.sort_by_key(|path| std::cmp::Reverse(path.metadata().unwrap().modified().unwrap()));
    found
}

#[test]
fn a_permit_and_a_promotion_cannot_be_built_outside_core() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui");
    let control = folder.join("permit_is_read.rs");
    let library = libraries()
        .into_iter()
        .find(|library| compile(&control, library).status.success())
        .expect("the file that uses permits properly compiles");
    let mut refused = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let file = entry.unwrap().path();
        let text = std::fs::read_to_string(&file).unwrap();
        let Some(words) = text.lines().next().unwrap().strip_prefix("// refused: ") else {
            continue;
        };
        let output = compile(&file, &library);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{} compiles", file.display());
        assert!(said.contains(words), "{}: {said}", file.display());
        refused += 1;
    }
    assert_eq!(refused, 6);
}
