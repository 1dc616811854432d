//! The kept inputs of the fuzzer over manifests are manifests that a folder wrote.
#![expect(
    clippy::disallowed_methods,
    reason = "a golden test asks the environment whether to write"
)]

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value};

use crate::world::{START, World};

/// The manifest of the folder's first file, as it lies there.
fn first(world: &World) -> String {
    let mut files: Vec<_> = std::fs::read_dir(world.archive())
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "json"))
        .collect();
    files.sort();
    std::fs::read_to_string(&files[0]).unwrap()
}

fn keys(text: &str) -> BTreeSet<String> {
    let object: Map<String, Value> = serde_json::from_str(text).unwrap();
    object.into_iter().map(|(key, _)| key).collect()
}

#[test]
fn the_kept_inputs_of_the_manifest_fuzzer_are_what_a_folder_writes() {
    let mut world = World::new();
    let mut folder = world.open().unwrap();
    for day in ["2026-01-18", "2026-01-19"] {
        world.events(300);
        world.seal(&mut folder, day).unwrap();
    }
    let mut written = vec![("right", first(&world))];
    folder.recorded(0).unwrap();
    let digest = folder.files()[0].digest;
    folder.uploaded(0, "s3://bucket/a", &digest).unwrap();
    written.push(("copied", first(&world)));
    folder.blank(&BTreeSet::from([3])).unwrap();
    folder.forbidden(0, START).unwrap();
    folder.older_version_stays(0).unwrap();
    written.push(("erased", first(&world)));
    folder.prune(300).unwrap();
    written.push(("pruned", first(&world)));
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/manifest");
    for (name, text) in written {
        let file = corpus.join(name);
        if std::env::var("BURGESS_UPDATE_GOLDEN").as_deref() == Ok("1") {
            std::fs::create_dir_all(&corpus).unwrap();
            std::fs::write(&file, &text).unwrap();
        }
        let kept = std::fs::read_to_string(&file).unwrap();
        assert_eq!(
            keys(&kept),
            keys(&text),
            "cargo xtask golden burgess-trail writes {name} anew"
        );
    }
}
