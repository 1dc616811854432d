//! What `burgess doctor` sees of a shard's archive: that its files and their copies are there.

use std::io::ErrorKind;

use burgess_trail::archive::{Folder, Manifest};

use super::Symptom;
use crate::config::Config;

pub(super) const PUT_BACK: &str = "put back the file whose SHA-256 is the `digest` in the `.json` beside it: from the bucket, or from a backup made after the last erasure";
const COPY: &str = "a new file has its copy within minutes; otherwise look in the trace for `ARCHIVE_BUCKET_`, and try with `burgess audit archive`";
const ALLOW: &str = "the bucket is asked once a day: let its key put objects over these, or delete them there; until then only the destroyed key erases";
const DELETE: &str = "delete these copies in the bucket, and then set `outdated` to false in their `.json` files; until then only the destroyed key erases";
const VERSIONS: &str = "delete the older versions there, or let the bucket's rules expire them, and then take `older_version` out of these `.json` files; until then only the destroyed key erases";

const GO_THROUGH: &str = "put these files back from the bucket, each by the `digest` in its `.json`: a running server then goes through them within a minute and replaces the copies; until then only the destroyed key erases";
const DELETE_MISSED: &str = "delete these copies in the bucket, or let its rules expire them, and then take `missed` out of their `.json` files; until then only the destroyed key erases";

/// What is the matter with a shard's archive files and their copies.
pub(super) fn look(config: &Config, name: &str) -> Vec<Symptom> {
    let path = config.archive_folder(name);
    match std::fs::metadata(&path) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Vec::new(),
        _ => {}
    }
    let files = match Folder::look(&path) {
        Ok(files) => files,
        Err(cause) => {
            let what = format!("the archive of `{name}` is not whole: {cause}");
            return vec![Symptom::new(what, PUT_BACK)];
        }
    };
    let mut found = missed(&files, name);
    if config.archive.s3.is_none() {
        return found;
    }
    let gone = |file: &Manifest| file.outdated && (file.pruned || !path.join(&file.file).exists());
    let kept = |file: &Manifest| file.outdated && !gone(file) && file.kept.is_some();
    let waits = |file: &Manifest| {
        let due = file.outdated || file.bucket.is_none() && !file.pruned;
        due && !gone(file) && !kept(file)
    };
    let copies = [
        some(&files, waits, COPY, |count, day| {
            format!(
                "{count} archive files of `{name}`, from {day} on, have no copy of what they hold in the bucket"
            )
        }),
        some(&files, kept, ALLOW, |count, day| {
            format!(
                "the bucket forbids replacing {count} archive files of `{name}`, from {day} on: its copies hold sealed values that were erased"
            )
        }),
        some(
            &files,
            |file| file.older_version,
            VERSIONS,
            |count, day| {
                format!(
                    "the bucket keeps older versions of {count} archive files of `{name}`, from {day} on, with sealed values that were erased"
                )
            },
        ),
        some(&files, gone, DELETE, |count, day| {
            format!(
                "copies of {count} archive files of `{name}`, from {day} on, may hold sealed values that were erased, and the files to replace them with are gone from here"
            )
        }),
    ];
    found.extend(copies.into_iter().flatten());
    found
}

/// Files that were not here when an erasure went by.
fn missed(files: &[Manifest], name: &str) -> Vec<Symptom> {
    let what = |count: usize, day: &str| {
        format!(
            "{count} archive files of `{name}`, from {day} on, lay in the bucket alone when a subject was erased, and their copies may hold sealed values of theirs"
        )
    };
    let away = some(files, |file| file.missed && !file.pruned, GO_THROUGH, what);
    let pruned = some(
        files,
        |file| file.missed && file.pruned,
        DELETE_MISSED,
        what,
    );
    away.into_iter().chain(pruned).collect()
}

/// The symptom of the files that it is true of, by their number and the day of the first.
fn some(
    files: &[Manifest],
    is: impl Fn(&Manifest) -> bool,
    fix: &str,
    what: impl FnOnce(usize, &str) -> String,
) -> Option<Symptom> {
    let first = files.iter().find(|file| is(file))?;
    let count = files.iter().filter(|file| is(file)).count();
    Some(Symptom::new(what(count, &first.day), fix))
}
