//! What a crash, a disk or a person does to an archive, and how it is named.

use std::path::{Path, PathBuf};

use burgess_ledger::{NoteSigner, NoteVerifier};
use burgess_trail::archive::{self, ArchiveError, Folder};

use crate::world::{ORIGIN, World};

/// Three days, each in a file.
fn three() -> (World, Vec<PathBuf>) {
    let mut world = World::new();
    let mut folder = world.open().unwrap();
    for day in ["2026-01-18", "2026-01-19", "2026-01-20"] {
        world.events(40);
        world.seal(&mut folder, day).unwrap();
    }
    let files = folder
        .files()
        .iter()
        .map(|it| world.archive().join(&it.file));
    let files = files.collect();
    (world, files)
}

#[test]
fn a_crash_before_the_rename_leaves_nothing_and_one_before_the_manifest_is_finished() {
    let (world, files) = three();
    let manifest = files[2].with_extension("json");
    let said = std::fs::read(&manifest).unwrap();
    std::fs::remove_file(&manifest).unwrap();
    std::fs::write(world.archive().join("x.parquet.tmp"), "half of a file").unwrap();
    std::fs::write(world.archive().join("y.json.tmp"), "{").unwrap();
    let folder = world.open().unwrap();
    assert_eq!(folder.next(), 120);
    assert_eq!(
        std::fs::read(&manifest).unwrap(),
        said,
        "as if nothing had been"
    );
    assert_eq!(std::fs::read_dir(world.archive()).unwrap().count(), 6);
}

/// As an erasure does before it touches the file.
fn mark(file: &Path) {
    let manifest = file.with_extension("json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let mut said: serde_json::Value = serde_json::from_str(&text).unwrap();
    said["erasing"] = true.into();
    std::fs::write(&manifest, said.to_string()).unwrap();
}

#[test]
fn an_erasure_that_was_cut_off_is_finished_and_a_damaged_file_is_not_taken_for_one() {
    let (world, files) = three();
    mark(&files[1]);
    let folder = world.open().unwrap();
    assert_eq!(
        folder.files()[1].erased,
        0,
        "it was cut off before the file"
    );
    mark(&files[1]);
    archive::blank(&files[1], &[50].into()).unwrap();
    assert_eq!(Folder::look(&world.archive()).unwrap().len(), 3);
    let folder = world.open().unwrap();
    folder.files()[1].check(&world.archive()).unwrap();
    assert_eq!(
        (folder.files()[1].erased, folder.files()[1].erasing),
        (1, false)
    );
    archive::verify_all(&world.archive(), &world.key()).unwrap();
    mark(&files[1]);
    let bytes = std::fs::read(&files[1]).unwrap();
    std::fs::write(&files[1], &bytes[..bytes.len() - 1]).unwrap();
    let error = world.open().unwrap_err();
    assert!(
        matches!(&error, ArchiveError::Damaged { file, .. } if *file == files[1]),
        "{error}"
    );
}

#[test]
fn a_file_from_before_an_erasure_that_is_put_back_is_refused() {
    let (world, files) = three();
    let before = std::fs::read(&files[1]).unwrap();
    let mut folder = world.open().unwrap();
    assert_eq!(folder.blank(&[50].into()).unwrap(), 1);
    let said = world.open().unwrap().files()[1].clone();
    let after = std::fs::read(&files[1]).unwrap();
    std::fs::write(&files[1], before).unwrap();
    for error in [
        world.open().map(drop),
        Folder::look(&world.archive()).map(drop),
    ] {
        let error = error.unwrap_err();
        assert!(
            matches!(&error, ArchiveError::OtherFile { file, .. } if *file == files[1]),
            "{error}"
        );
    }
    std::fs::write(&files[1], after).unwrap();
    assert_eq!(world.open().unwrap().files()[1], said, "nothing was noted");
}

// R206
#[test]
fn an_erasure_does_not_touch_a_damaged_file_and_names_it() {
    let (world, files) = three();
    let sound = std::fs::read(&files[1]).unwrap();
    let mut rotten = sound.clone();
    // In the middle of what is sealed: the file can be read, and its length is as it was.
    let sealed = archive::read(&files[1]).unwrap();
    let sealed = sealed.groups().next().unwrap().unwrap()[10].sealed.clone();
    let at = sound
        .windows(sealed.len())
        .position(|it| it == sealed.as_slice());
    rotten[at.unwrap()] ^= 1;
    std::fs::write(&files[1], &rotten).unwrap();
    archive::verify(&files[1]).unwrap();
    let manifest = files[1].with_extension("json");
    let said = std::fs::read(&manifest).unwrap();
    let mut folder = world.open().unwrap();
    let error = folder.blank(&[50].into()).unwrap_err();
    assert!(
        matches!(&error, ArchiveError::Rotten(file) if *file == files[1]),
        "{error}"
    );
    assert_eq!(std::fs::read(&files[1]).unwrap(), rotten, "not rewritten");
    assert_eq!(std::fs::read(&manifest).unwrap(), said, "not under a mark");
    world.open().unwrap();
    std::fs::write(&files[1], &sound).unwrap();
    assert_eq!(folder.blank(&[50].into()).unwrap(), 1);
    archive::verify_all(&world.archive(), &world.key()).unwrap();
}

// R206
#[test]
fn a_file_that_an_erasure_missed_says_so_until_it_is_back_and_gone_through() {
    let (world, files) = three();
    let mut folder = world.open().unwrap();
    let digest = folder.files()[1].digest;
    folder.uploaded(40, "s3://bucket/main/x", &digest).unwrap();
    let away = files[1].with_extension("away");
    std::fs::rename(&files[1], &away).unwrap();
    assert_eq!(folder.blank(&[10, 50].into()).unwrap(), 1);
    let missed =
        |folder: &Folder| -> Vec<bool> { folder.files().iter().map(|file| file.missed).collect() };
    assert_eq!(missed(&folder), [false, true, false]);
    assert_eq!(folder.back().count(), 0, "it is not here");
    std::fs::rename(&away, &files[1]).unwrap();
    let mut folder = world.open().unwrap();
    assert_eq!(folder.back().collect::<Vec<_>>(), [40]);
    let taken = folder.blank_file(40, &|entry| entry.index == 50).unwrap();
    assert_eq!(
        (taken, missed(&folder)[1]),
        (1, true),
        "the caller knows when"
    );
    assert!(folder.files()[1].outdated, "its copy is to be replaced");
    folder.caught_up(40).unwrap();
    assert_eq!(missed(&world.open().unwrap()), [false; 3]);
}

// R206
#[test]
fn a_manifest_that_is_made_again_knows_how_many_values_were_erased() {
    let (world, files) = three();
    let mut folder = world.open().unwrap();
    assert_eq!(folder.blank(&[50, 51].into()).unwrap(), 2);
    assert_eq!(folder.blank(&[52].into()).unwrap(), 1);
    std::fs::remove_file(files[1].with_extension("json")).unwrap();
    let mut folder = world.open().unwrap();
    assert_eq!(folder.files()[1].erased, 3);
    assert_eq!(folder.blank(&[53].into()).unwrap(), 1);
    assert_eq!(folder.files()[1].erased, 4, "more than any copy lost");
}

#[test]
fn a_missing_file_is_named_and_one_that_a_bucket_has_is_not_missed() {
    let (world, files) = three();
    std::fs::remove_file(&files[0]).unwrap();
    let error = world.open().unwrap_err();
    assert!(
        matches!(&error, ArchiveError::Missing(file) if *file == files[0]),
        "{error}"
    );

    let (world, files) = three();
    let mut folder = world.open().unwrap();
    let digest = folder.files()[0].digest;
    folder.uploaded(0, "s3://bucket/main/x", &digest).unwrap();
    std::fs::remove_file(&files[0]).unwrap();
    let folder = world.open().unwrap();
    assert_eq!(folder.next(), 120);
    assert_eq!(
        folder.files()[0].bucket.as_deref(),
        Some("s3://bucket/main/x")
    );

    let (world, files) = three();
    for gone in [files[1].clone(), files[1].with_extension("json")] {
        std::fs::remove_file(gone).unwrap();
    }
    let error = world.open().unwrap_err();
    assert!(
        matches!(&error, ArchiveError::Gap { file, expected: 40, found: 80 } if *file == files[2]),
        "{error}"
    );
}

#[test]
fn a_flipped_bit_anywhere_is_found() {
    let (world, files) = three();
    let sound = std::fs::read(&files[1]).unwrap();
    // A prime step meets every part of the file; the digest does not care which bit it is.
    for at in (0..sound.len()).step_by(151) {
        let mut bytes = sound.clone();
        bytes[at] ^= 1 << (at % 8);
        std::fs::write(&files[1], bytes).unwrap();
        let found = archive::verify_all(&world.archive(), &world.key());
        assert!(found.is_err(), "byte {at}");
    }
    std::fs::write(&files[1], sound).unwrap();
    archive::verify_all(&world.archive(), &world.key()).unwrap();
}

/// Bytes from elsewhere are an error, never a crash.
#[test]
fn a_file_without_a_manifest_to_compare_with_is_read_or_refused() {
    let (_world, files) = three();
    let sound = std::fs::read(&files[0]).unwrap();
    let read = || archive::verify(&files[0]);
    for at in (0..sound.len()).step_by(61) {
        let mut bytes = sound.clone();
        bytes[at] ^= 0xff;
        std::fs::write(&files[0], bytes).unwrap();
        drop(read());
        std::fs::write(&files[0], &sound[..at]).unwrap();
        assert!(read().is_err(), "cut at {at}");
    }
    for hostile in [b"".as_slice(), b"PAR1", b"PAR1\xff\xff\xff\xffPAR1", b"{}"] {
        std::fs::write(&files[0], hostile).unwrap();
        assert!(read().is_err());
    }
}

/// A disk that answers other leaves, or somebody who would deceive.
#[test]
fn other_leaves_than_those_signed_are_not_archived() {
    let mut world = World::new();
    world.events(40);
    let mut folder = world.open().unwrap();
    let checkpoint = world.checkpoint();
    let sealed = folder.seal("2026-01-18", &checkpoint, &mut |range| {
        let mut rows = world.rows(range)?;
        rows.swap(3, 4);
        Ok(rows)
    });
    let error = sealed.unwrap_err();
    assert!(matches!(&error, ArchiveError::Root(_)), "{error}");
    let again = world.open().unwrap();
    assert_eq!(again.next(), 0, "and not taken for one later");
    let left = std::fs::read_dir(world.archive()).unwrap();
    assert_eq!(left.count(), 0, "nothing of it stays");
}

#[test]
fn other_leaves_than_those_signed_are_refused_even_when_all_hashes_fit() {
    let (world, files) = three();
    // The file of another ledger whose first entries differ, with its own manifest beside it.
    let mut other = World::new();
    other.skip(1_000);
    other.events(40);
    let mut folder = other.open().unwrap();
    other.seal(&mut folder, "2026-01-18").unwrap();
    for name in ["parquet", "json"] {
        let from = other.archive().join(files[0].file_name().unwrap());
        std::fs::copy(from.with_extension(name), files[0].with_extension(name)).unwrap();
    }
    let error = archive::verify_all(&world.archive(), &world.key()).unwrap_err();
    assert!(
        matches!(
            &error,
            ArchiveError::Checkpoint { .. } | ArchiveError::Root(_)
        ),
        "{error}"
    );
}

#[test]
fn a_checkpoint_of_another_key_is_not_believed() {
    let (world, files) = three();
    let other = NoteSigner::from_seed(ORIGIN, [8; 32]).unwrap();
    let other = NoteVerifier::parse(&other.vkey()).unwrap();
    let error = archive::verify_all(&world.archive(), &other).unwrap_err();
    assert!(
        matches!(&error, ArchiveError::Checkpoint { file, .. } if *file == files[0]),
        "{error}"
    );
}
