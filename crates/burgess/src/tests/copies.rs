//! Copies of archive files in a bucket that misbehaves, or that holds what was erased since. The
//! bucket is a small one of our own; that we speak S3 as others do is `archive`'s to show.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use burgess_core::audit::ActionType;
use burgess_core::digest::Digest;
use burgess_core::time::Span;
use burgess_trail::archive::{Folder, Manifest};

use crate::cli::doctor::ledger::look;
use crate::cli::host::{self, Ask, Invitations};
use crate::config::Config;
use crate::http::problem::Problem;
use crate::jobs::archive::{self, Bucket, BucketError, Left, follow, pass, prune, send};
use crate::operations::event;
use crate::operations::retention::LedgerClass;
use crate::operations::retention::classes::Period;
use crate::outlets;
use crate::server::Server;
use crate::tests::world::World;

/// Far longer than anything here takes on a busy machine, far shorter than a bucket is waited for.
const SOON: Duration = Duration::from_secs(30);

/// An object: its bytes, and the headers that came with them.
struct Object {
    bytes: Bytes,
    headers: HeaderMap,
}

/// What the bucket holds and how it behaves; paths are `/trail/…`.
#[derive(Default)]
struct Held {
    objects: BTreeMap<String, Object>,
    asked: u64,
    hangs: bool,
    forbids_changes: bool,
    has_versions: bool,
    refuses: Option<&'static str>,
}

#[derive(Clone, Default)]
struct Store(Arc<Mutex<Held>>);

impl Store {
    fn change(&self, change: impl FnOnce(&mut Held)) {
        change(&mut self.0.lock().unwrap());
    }

    fn asked(&self) -> u64 {
        self.0.lock().unwrap().asked
    }

    /// The digest of the object under a name.
    fn digest(&self, name: &str) -> Option<Digest> {
        let held = self.0.lock().unwrap();
        let object = held.objects.get(&format!("/trail/{name}"))?;
        Some(Digest::of(&object.bytes))
    }

    /// Begins to listen; answers the bucket as the configuration names it.
    async fn listen(&self, folder: &tempfile::TempDir) -> outlets::Bucket {
        let credentials = folder.path().join("s3");
        std::fs::write(&credentials, "KEY\nSECRET\n").unwrap();
        let door = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", door.local_addr().unwrap());
        let app = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async move { axum::serve(door, app).await });
        outlets::Bucket {
            endpoint,
            bucket: "trail".to_owned(),
            region: "us-east-1".to_owned(),
            prefix: String::new(),
            credentials_file: Some(credentials),
            ca: None,
        }
    }
}

async fn answer(
    State(store): State<Store>,
    method: Method,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response {
    let name = uri.path().to_owned();
    let hangs = {
        let mut held = store.0.lock().unwrap();
        held.asked += 1;
        held.hangs
    };
    if hangs {
        std::future::pending::<()>().await;
    }
    let mut held = store.0.lock().unwrap();
    if held.refuses.is_some_and(|part| name.contains(part)) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let version = |mut answer: Response, versions: bool| {
        if versions {
            let id = HeaderValue::from_static("3sL4kqtJlcpXroDTDmJ");
            answer.headers_mut().insert("x-amz-version-id", id);
        }
        answer
    };
    let tag = |object: &Object| format!("\"{}\"", Digest::of(&object.bytes));
    let there = held.objects.get(&name);
    if method == Method::HEAD {
        let Some(object) = there else {
            return StatusCode::NOT_FOUND.into_response();
        };
        let mut answer = object.bytes.clone().into_response();
        for (name, value) in object
            .headers
            .iter()
            .filter(|(name, _)| name.as_str().starts_with("x-amz-meta-"))
        {
            answer.headers_mut().insert(name, value.clone());
        }
        let tag = tag(object).parse().unwrap();
        answer.headers_mut().insert("etag", tag);
        return version(answer, held.has_versions);
    }
    if let Some(object) = there {
        let matches = headers
            .get("if-match")
            .is_some_and(|it| *it.as_bytes() == *tag(object).as_bytes());
        if headers.contains_key("if-none-match") || !matches {
            return StatusCode::PRECONDITION_FAILED.into_response();
        }
        if held.forbids_changes {
            return StatusCode::FORBIDDEN.into_response();
        }
    }
    held.objects.insert(name, Object { bytes, headers });
    version(StatusCode::OK.into_response(), held.has_versions)
}

/// A world whose archive is copied to the bucket, a day later.
async fn world(store: &Store, folder: &tempfile::TempDir) -> World {
    world_with(store, folder, |_| {}).await
}

async fn world_with(
    store: &Store,
    folder: &tempfile::TempDir,
    change: impl FnOnce(&mut Config),
) -> World {
    let bucket = store.listen(folder).await;
    let world = World::open(false, |config| {
        config.archive.s3 = Some(bucket);
        change(config);
        config.ledger_classes = vec![LedgerClass {
            name: "traffic".to_owned(),
            sources: vec!["console".to_owned()],
            period: Period::Quarter,
            keep_days: 400,
            basis: "a test".to_owned(),
        }];
    })
    .await;
    let server = &world.server;
    let event = event::about(&server.ambient, None, server.now().unwrap()).unwrap();
    let event = event.by_job("test").did(ActionType::Read, "trail", "all");
    server.record(event.done()).await.unwrap();
    server.ambient.jump(Span::days(1));
    world
}

fn first_of(world: &World, shard: &str) -> (PathBuf, Manifest) {
    let path = world.server.config.archive_folder(shard);
    let file = Folder::open(&path).unwrap().files()[0].clone();
    (path.join(&file.file), file)
}

/// Erases from all local files; answers how many values they have lost so far.
async fn blank(
    server: &Server,
    theirs: impl Fn(&[u8]) -> bool + Send + Sync + 'static,
) -> Result<u64, Problem> {
    let (left, blanked) = archive::blank(server, theirs, Left::All).await;
    blanked?;
    assert_eq!(left, Left::These([].into()));
    let shards = server.shards.all().into_iter();
    let folders = shards.map(|shard| server.config.archive_folder(&shard.name));
    let files = folders.flat_map(|path| Folder::look(&path).unwrap_or_default());
    Ok(files.map(|file| file.erased).sum())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_pruning_nor_an_erasure_waits_for_a_bucket_that_hangs() {
    let (store, folder) = (Store::default(), tempfile::tempdir().unwrap());
    store.change(|held| held.hangs = true);
    let world = world(&store, &folder).await;
    let server = Arc::clone(&world.server);
    let copying = tokio::spawn(async move { pass(&server, None).await });
    while store.asked() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let erasing = blank(&world.server, |sealed| !sealed.is_empty());
    let erased = tokio::time::timeout(SOON, erasing).await;
    assert!(erased.expect("it waited").unwrap() > 0);
    let shard = world.server.shards.named("main").unwrap();
    let pruning = prune(&world.server, &shard, u64::MAX);
    let freed = tokio::time::timeout(SOON, pruning).await;
    assert!(freed.expect("it waited").unwrap() > 0);
    assert!(!copying.is_finished());
    copying.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_archives_by_hand_over_a_bucket_that_hangs_holds_up_no_other_question() {
    let (store, folder) = (Store::default(), tempfile::tempdir().unwrap());
    store.change(|held| held.hangs = true);
    let world = world(&store, &folder).await;
    let config = world.server.config.clone();
    let door = Invitations::open(&config);
    let listening = tokio::spawn(door.listen(Arc::clone(&world.server)));
    let archive = Ask::Archive { until: None };
    let asking = {
        let config = config.clone();
        tokio::spawn(async move { host::ask(&config, archive).await })
    };
    while store.asked() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let again = pass(&world.server, None);
    let busy = tokio::time::timeout(SOON, again).await.expect("it waited");
    assert_eq!(busy.unwrap_err().code, "ARCHIVE_COPYING");
    let other = tokio::time::timeout(SOON, host::ask(&config, Ask::Timestamp)).await;
    let said = other.expect("it waited").unwrap_err().0;
    assert!(said.contains("no time stamping authority"), "{said}");
    assert!(!asking.is_finished());
    asking.abort();
    listening.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_says_nothing_is_given_up_with_an_error_that_says_so() {
    let (store, folder) = (Store::default(), tempfile::tempdir().unwrap());
    let world = world(&store, &folder).await;
    pass(&world.server, None).await.unwrap();
    let (file, said) = first_of(&world, "main");
    store.change(|held| held.hangs = true);
    let config = world.server.config.archive.s3.as_ref().unwrap();
    let bucket = Bucket::open(config).unwrap();
    let bucket = bucket.patient(Duration::from_millis(100));
    let now = world.server.ambient.now();
    let putting = bucket.put("main/other", &file, &said, now);
    let cause = tokio::time::timeout(SOON, putting)
        .await
        .expect("it waited")
        .unwrap_err();
    assert!(matches!(cause, BucketError::Silent(_)), "{cause}");
    assert_eq!(cause.code(), "ARCHIVE_BUCKET_SILENT");
    assert!(cause.to_string().contains("asked again"), "{cause}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_in_one_shard_holds_up_no_other() {
    let (store, folder) = (Store::default(), tempfile::tempdir().unwrap());
    store.change(|held| held.refuses = Some("/main/"));
    let world = world(&store, &folder).await;
    let refused = pass(&world.server, None).await.unwrap_err();
    assert_eq!(refused.code, "ARCHIVE_BUCKET_REFUSED");
    assert!(refused.detail.contains("main/"), "{}", refused.detail);
    assert_eq!(first_of(&world, "main").1.bucket, None);
    let (_, traffic) = first_of(&world, "traffic");
    assert!(traffic.bucket.is_some());
    let name = format!("traffic/{}", traffic.file);
    assert_eq!(store.digest(&name), Some(traffic.digest));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_that_is_damaged_in_one_shard_holds_up_no_other() {
    let (store, folder) = (Store::default(), tempfile::tempdir().unwrap());
    let world = world(&store, &folder).await;
    let path = world.server.config.archive_folder("main");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "a file where the folder belongs").unwrap();
    let told = pass(&world.server, None).await.unwrap_err();
    assert_eq!(told.code, "ARCHIVE_IO");
    assert!(first_of(&world, "traffic").1.bucket.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_an_erasure_rewrote_takes_the_place_of_the_old_one() {
    let (store, folder) = (Store::default(), tempfile::tempdir().unwrap());
    let world = world(&store, &folder).await;
    pass(&world.server, None).await.unwrap();
    let before = first_of(&world, "main").1;
    let name = format!("main/{}", before.file);
    assert_eq!(store.digest(&name), Some(before.digest));
    let erased = blank(&world.server, |sealed| !sealed.is_empty()).await;
    assert!(erased.unwrap() > 0);
    pass(&world.server, None).await.unwrap();
    let after = first_of(&world, "main").1;
    assert_ne!(after.digest, before.digest);
    assert_eq!(store.digest(&name), Some(after.digest));
    assert!(!after.outdated);
    let asked = store.asked();
    pass(&world.server, None).await.unwrap();
    assert_eq!(store.asked(), asked, "what is there is not sent again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_an_older_copy_of_the_same_file_is_replaced() {
    let (store, folder) = (Store::default(), tempfile::tempdir().unwrap());
    let world = world(&store, &folder).await;
    store.change(|held| held.refuses = Some("/main/"));
    pass(&world.server, None).await.unwrap_err();
    store.change(|held| held.refuses = None);
    let (file, before) = first_of(&world, "main");
    let config = world.server.config.archive.s3.as_ref().unwrap();
    let bucket = Bucket::open(config).unwrap();
    let (name, now) = (format!("main/{}", before.file), world.server.ambient.now());
    // It arrives, the answer does not, and an erasure comes in between.
    bucket.put(&name, &file, &before, now).await.unwrap();
    let kept = folder.path().join("before");
    std::fs::copy(&file, &kept).unwrap();
    let erased = blank(&world.server, |sealed| !sealed.is_empty()).await;
    assert!(erased.unwrap() > 0);
    pass(&world.server, None).await.unwrap();
    let after = first_of(&world, "main").1;
    assert_eq!(store.digest(&name), Some(after.digest));
    // What was put back from a backup does not bring values back that the bucket has lost.
    let taken = bucket.put(&name, &kept, &before, now).await.unwrap_err();
    assert_eq!(taken.code(), "ARCHIVE_BUCKET_NAME_TAKEN");
    assert_eq!(store.digest(&name), Some(after.digest));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_is_replaced_also_where_the_manifest_was_lost_and_made_again_since() {
    // By this version, whose files say how many values they lost, and by one before, whose do not.
    for says in [true, false] {
        let (store, folder) = (Store::default(), tempfile::tempdir().unwrap());
        let world = world(&store, &folder).await;
        pass(&world.server, None).await.unwrap();
        let (file, _) = first_of(&world, "main");
        let values: Vec<Vec<u8>> = burgess_trail::archive::read(&file)
            .unwrap()
            .groups()
            .flat_map(Result::unwrap)
            .map(|entry| entry.sealed)
            .filter(|sealed| !sealed.is_empty())
            .collect();
        let last = values.last().unwrap().clone();
        let kept = last.clone();
        blank(&world.server, move |sealed| sealed != kept)
            .await
            .unwrap();
        pass(&world.server, None).await.unwrap();
        let manifest = file.with_extension("json");
        std::fs::remove_file(&manifest).unwrap();
        let again = first_of(&world, "main").1;
        assert!(again.erased > 1, "the file says it");
        if !says {
            let text = std::fs::read_to_string(&manifest).unwrap();
            let mut said: serde_json::Value = serde_json::from_str(&text).unwrap();
            said["erased"] = 0.into();
            std::fs::write(&manifest, said.to_string()).unwrap();
            pass(&world.server, None).await.unwrap();
        }
        blank(&world.server, move |sealed| sealed == last)
            .await
            .unwrap();
        pass(&world.server, None).await.unwrap();
        let after = first_of(&world, "main").1;
        let name = format!("main/{}", after.file);
        assert_eq!(store.digest(&name), Some(after.digest), "{says}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_forbids_changes_keeps_its_copy_is_asked_once_a_day_and_stays_a_symptom() {
    let (store, folder) = (Store::default(), tempfile::tempdir().unwrap());
    let world = world(&store, &folder).await;
    let server = &world.server;
    pass(server, None).await.unwrap();
    let before = first_of(&world, "main").1;
    let erased = blank(server, |sealed| !sealed.is_empty()).await;
    assert!(erased.unwrap() > 0);
    store.change(|held| held.forbids_changes = true);
    let kept = pass(server, None).await.unwrap_err();
    assert_eq!(kept.code, "ARCHIVE_BUCKET_KEEPS_OLDER");
    let name = format!("main/{}", before.file);
    assert_eq!(store.digest(&name), Some(before.digest));
    let symptoms = look(&server.config).await;
    let named = |part: &str| symptoms.iter().any(|it| it.what.contains(part));
    assert!(named("forbids replacing 1 archive files of `main`"));
    let asked = store.asked();
    pass(server, None).await.unwrap();
    assert_eq!(store.asked(), asked, "once a day");
    // A day later, by when the bucket's rules were changed.
    store.change(|held| held.forbids_changes = false);
    server.ambient.jump(Span::days(1));
    pass(server, None).await.unwrap();
    let after = first_of(&world, "main").1;
    assert_eq!(store.digest(&name), Some(after.digest));
    assert_eq!((after.outdated, after.kept), (false, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_that_passes_does_not_end_the_replacing_of_copies() {
    let (store, folder) = (Store::default(), tempfile::tempdir().unwrap());
    let world = world(&store, &folder).await;
    pass(&world.server, None).await.unwrap();
    let erased = blank(&world.server, |sealed| !sealed.is_empty()).await;
    assert!(erased.unwrap() > 0);
    // As with a secret that was exchanged, or a clock that is wrong.
    store.change(|held| held.refuses = Some("/main/"));
    let refused = pass(&world.server, None).await.unwrap_err();
    assert_eq!(refused.code, "ARCHIVE_BUCKET_REFUSED");
    let waits = first_of(&world, "main").1;
    assert_eq!((waits.outdated, waits.kept), (true, None));
    store.change(|held| held.refuses = None);
    pass(&world.server, None).await.unwrap();
    let name = format!("main/{}", waits.file);
    assert_eq!(store.digest(&name), Some(waits.digest));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_with_versions_keeps_an_older_one_and_that_stays_a_symptom() {
    let (store, folder) = (Store::default(), tempfile::tempdir().unwrap());
    store.change(|held| held.has_versions = true);
    let world = world(&store, &folder).await;
    pass(&world.server, None).await.unwrap();
    assert!(
        !first_of(&world, "main").1.older_version,
        "there is none yet"
    );
    let erased = blank(&world.server, |sealed| !sealed.is_empty()).await;
    assert!(erased.unwrap() > 0);
    pass(&world.server, None).await.unwrap();
    let after = first_of(&world, "main").1;
    assert_eq!((after.outdated, after.older_version), (false, true));
    let symptoms = look(&world.server.config).await;
    let named = |part: &str| symptoms.iter().any(|it| it.what.contains(part));
    assert!(named("keeps older versions of 1 archive files of `main`"));
}

/// Makes a copy and its manifest what they were before copies named more than their digest.
fn age(world: &World, store: &Store) {
    store.change(|held| {
        for object in held.objects.values_mut() {
            object.headers.remove("x-amz-meta-checkpoint-sha256");
            object.headers.remove("x-amz-meta-erased");
        }
    });
    let manifest = first_of(world, "main").0.with_extension("json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let mut said: serde_json::Value = serde_json::from_str(&text).unwrap();
    for later in ["copied", "outdated"] {
        said.as_object_mut().unwrap().remove(later);
    }
    std::fs::write(&manifest, said.to_string()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_names_only_its_digest_is_replaced_whether_the_erasure_comes_later_or_came_before()
 {
    for later in [true, false] {
        let (store, folder) = (Store::default(), tempfile::tempdir().unwrap());
        let world = world(&store, &folder).await;
        pass(&world.server, None).await.unwrap();
        if later {
            age(&world, &store);
        }
        let erased = blank(&world.server, |sealed| !sealed.is_empty()).await;
        assert!(erased.unwrap() > 0);
        if !later {
            age(&world, &store);
        }
        assert!(first_of(&world, "main").1.outdated, "later: {later}");
        pass(&world.server, None).await.unwrap();
        let after = first_of(&world, "main").1;
        let name = format!("main/{}", after.file);
        assert_eq!(store.digest(&name), Some(after.digest), "later: {later}");
        assert_eq!((after.copied, after.outdated), (Some(after.digest), false));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_is_too_slow_for_a_file_is_given_up_and_not_asked_again_in_the_same_pass() {
    let (store, folder) = (Store::default(), tempfile::tempdir().unwrap());
    let world = world(&store, &folder).await;
    pass(&world.server, None).await.unwrap();
    let (file, said) = first_of(&world, "main");
    store.change(|held| held.hangs = true);
    let config = world.server.config.archive.s3.as_ref().unwrap();
    let bucket = Bucket::open(config).unwrap();
    let bucket = bucket.hurried(Duration::from_millis(100));
    let asked = store.asked();
    let sending = send(&world.server, &bucket, "main/other", &file, &said);
    let cause = tokio::time::timeout(SOON, sending)
        .await
        .expect("it waited");
    let cause = cause.unwrap_err();
    assert_eq!(cause.code(), "ARCHIVE_BUCKET_SLOW");
    assert!(cause.is_away(), "nor is the next file sent");
    assert_eq!(store.asked(), asked + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_archives_by_hand_is_told_of_copies_also_where_nothing_was_sealed() {
    let (store, folder) = (Store::default(), tempfile::tempdir().unwrap());
    store.change(|held| held.refuses = Some("/main/"));
    let world = world(&store, &folder).await;
    pass(&world.server, None).await.unwrap_err();
    store.change(|held| held.refuses = None);
    let passed = pass(&world.server, None).await.unwrap();
    let name = first_of(&world, "main").1.file;
    assert_eq!(passed.sealed, []);
    assert_eq!(passed.copied, [format!("s3://trail/main/{name}")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outdated_copy_whose_file_retention_removes_stays_a_symptom() {
    let (store, folder) = (Store::default(), tempfile::tempdir().unwrap());
    let world = world(&store, &folder).await;
    pass(&world.server, None).await.unwrap();
    let erased = blank(&world.server, |sealed| !sealed.is_empty()).await;
    assert!(erased.unwrap() > 0);
    let shard = world.server.shards.named("main").unwrap();
    prune(&world.server, &shard, u64::MAX).await.unwrap();
    let symptoms = look(&world.server.config).await;
    let named = |part: &str| symptoms.iter().any(|it| it.what.contains(part));
    assert!(named("copies of 1 archive files of `main`"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_are_replaced_also_where_days_are_sealed_by_hand_alone() {
    let (store, folder) = (Store::default(), tempfile::tempdir().unwrap());
    let world = world_with(&store, &folder, |config| config.archive.enabled = false).await;
    pass(&world.server, None).await.unwrap();
    let erased = blank(&world.server, |sealed| !sealed.is_empty()).await;
    assert!(erased.unwrap() > 0);
    let (_, after) = first_of(&world, "main");
    let name = format!("main/{}", after.file);
    assert_ne!(store.digest(&name), Some(after.digest));
    world.server.ambient.jump(Span::days(1));
    let following = tokio::spawn(follow(Arc::clone(&world.server), Duration::from_millis(50)));
    let replaced = async {
        while first_of(&world, "main").1.outdated {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, replaced)
        .await
        .expect("it was not replaced");
    assert_eq!(store.digest(&name), Some(after.digest));
    let path = world.server.config.archive_folder("main");
    assert_eq!(Folder::look(&path).unwrap().len(), 1, "nothing is sealed");
    following.abort();
}
