//! What `burgess doctor` sees of erasures: whether their traces are gone, and what stands in the way.

use burgess_core::time::{Span, Timestamp};
use burgess_store::Erasure;
use burgess_trail::archive::{ArchiveError, Folder};

use super::Symptom;
use super::archive::PUT_BACK;
use crate::config::Config;

/// How long an erasure takes at most where nothing is in its way: a large index is built anew in
/// minutes.
const UNDER_WAY: Span = Span::minutes(10);
const GO_ON: &str = "a running server goes on with it every minute: start it, or look in its trace for `an erasure`";

/// Erasures that are not finished, with what is in their way.
pub(super) async fn look(config: &Config, shards: &[&str], now: Timestamp) -> Vec<Symptom> {
    // A database that cannot be read is told of with the first open shard.
    let unfinished = burgess_store::unfinished_erasures(&config.data).await;
    let unfinished = unfinished.unwrap_or_default();
    let at = |erasure: &Erasure| erasure.erased.as_ref().map(|(_, at)| *at);
    let Some(first) = unfinished.iter().filter_map(at).min() else {
        return Vec::new();
    };
    let what = format!(
        "{} erasures are not finished, the first of {}",
        unfinished.len(),
        first.date()
    );
    let in_the_way = shards.iter().flat_map(|shard| in_the_way(config, shard));
    let found: Vec<Symptom> = in_the_way
        .map(|cause| Symptom::new(format!("{what}: {cause}"), PUT_BACK))
        .collect();
    if found.is_empty() && now.since(first) > UNDER_WAY {
        return vec![Symptom::new(what, GO_ON)];
    }
    found
}

/// What of a shard's archive an erasure cannot go through.
fn in_the_way(config: &Config, shard: &str) -> Vec<ArchiveError> {
    let path = config.archive_folder(shard);
    if !path.try_exists().unwrap_or(true) {
        return Vec::new();
    }
    let files = match Folder::look(&path) {
        Ok(files) => files,
        Err(cause) => return vec![cause],
    };
    let here = files
        .iter()
        .filter(|file| !file.erasing && path.join(&file.file).exists());
    here.filter_map(|file| file.check(&path).err()).collect()
}
