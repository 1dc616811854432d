//! What `burgess doctor` finds in the ledger and its archive, beside the server that runs.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use burgess_core::time::Span;
use burgess_ledger::LockTable as _;

use crate::cli::doctor::ledger::look;
use crate::config::Config;
use crate::jobs::archive::pass;
use crate::outlets::Bucket;
use crate::tests::world::World;

/// What is the matter, one a line.
async fn found(config: &Config) -> String {
    let found = look(config).await;
    assert!(found.iter().all(|symptom| !symptom.fix.is_empty()));
    let lines = found
        .into_iter()
        .map(|symptom| format!("{}\n", symptom.what));
    lines.collect()
}

/// A world with a sealed and an open shard, and a day that is archived.
async fn world() -> World {
    let world = World::new().await;
    let shards = Arc::clone(&world.server.shards);
    let turned = tokio::task::spawn_blocking(move || shards.turn("main").map(drop));
    turned.await.unwrap().unwrap();
    world.server.ambient.jump(Span::days(1));
    pass(&world.server, None).await.unwrap();
    world.server.ledger().publish().await.unwrap();
    world
}

/// Changes a byte, and answers how to change it back.
fn flip(file: &Path) -> impl FnOnce() {
    let sound = fs::read(file).unwrap();
    let mut bytes = sound.clone();
    bytes[12] ^= 1;
    fs::write(file, bytes).unwrap();
    let file = file.to_owned();
    move || fs::write(file, sound).unwrap()
}

/// The newest file of a folder of tiles.
fn last(folder: &Path) -> std::path::PathBuf {
    let files = fs::read_dir(folder).unwrap();
    files.map(|file| file.unwrap().path()).max().unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_runs_well_has_no_symptom_in_its_ledger() {
    let world = world().await;
    assert_eq!(found(&world.server.config).await, "");
    world.in_sandbox("planner").await;
    assert_eq!(found(&world.server.config).await, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sealed_shard_that_cannot_be_read_is_named() {
    let world = world().await;
    let shard = world.server.config.ledger_folder();
    for file in [
        last(&shard.join("tile/entries/000.p")),
        last(&shard.join("tile/0/000.p")),
        shard.join("checkpoint"),
        shard.join("sealed"),
        shard.join("vkey"),
    ] {
        let mend = flip(&file);
        let said = found(&world.server.config).await;
        let begins = "the sealed shard `main` cannot be read: ";
        assert!(said.starts_with(begins), "{}: {said}", file.display());
        mend();
    }
    assert_eq!(found(&world.server.config).await, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_older_than_the_ledger_is_told_from_a_ledger_that_is_older() {
    let world = world().await;
    let (server, config) = (&world.server, &world.server.config);
    let older = tempfile::tempdir().unwrap();
    copy(&config.ledgers(), &older.path().join("ledger"));
    let origin = server.ledger().origin().to_owned();
    let before = server.ledger().checkpoint().note.clone();
    world.in_sandbox("planner").await;
    let now = server.ledger().publish().await.unwrap().note.clone();
    assert_eq!(found(config).await, "");

    // The ledger of before beside the database of now.
    let database = older.path().join("burgess.db");
    server.store.copy_database(&database).await.unwrap();
    let restored = Config {
        data: older.path().to_owned(),
        ..config.clone()
    };
    let said = found(&restored).await;
    assert!(said.contains("of the open shard `main-2`"), "{said}");
    assert!(
        said.contains("the ledger is an older or another copy"),
        "{said}"
    );

    // The database of before beside the ledger of now.
    let locks = server.store.locks().await.unwrap();
    let swapping = tokio::task::spawn_blocking(move || {
        locks
            .compare_and_swap(&origin, Some(&now), &before)
            .unwrap();
    });
    swapping.await.unwrap();
    let said = found(config).await;
    assert!(said.contains("the database is an older copy"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn archive_files_that_are_missing_or_have_no_copy_are_named() {
    let world = world().await;
    let config = &world.server.config;
    let with_bucket = Config {
        archive: crate::outlets::Archive {
            enabled: true,
            s3: Some(Bucket {
                endpoint: "https://s3.example".to_owned(),
                bucket: "trail".to_owned(),
                region: "eu".to_owned(),
                prefix: String::new(),
                credentials_file: None,
                ca: None,
            }),
        },
        ..config.clone()
    };
    let said = found(&with_bucket).await;
    assert!(said.starts_with("1 archive files of `main"), "{said}");
    let folder = config.archive_folder("main");
    let files = fs::read_dir(&folder).unwrap();
    let mut files = files.map(|file| file.unwrap().path());
    let file = files.find(|file| file.extension().is_some_and(|it| it == "parquet"));
    fs::remove_file(file.unwrap()).unwrap();
    let said = found(config).await;
    assert!(
        said.starts_with("the archive of `main` is not whole: "),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_that_the_database_knows_is_missed_whatever_of_it_is_gone() {
    let world = world().await;
    let config = &world.server.config;
    let aside = tempfile::tempdir().unwrap();
    let (ledgers, main) = (config.ledgers(), config.ledger_folder());
    let gone = "the database knows the shard `main`, and its folder is gone";
    for (path, says) in [
        (
            main.join("checkpoint"),
            "the sealed shard `main` cannot be read: checkpoint: ",
        ),
        (main.clone(), gone),
        (ledgers.clone(), gone),
    ] {
        let kept = aside.path().join("kept");
        fs::rename(&path, &kept).unwrap();
        let said = found(config).await;
        assert!(said.contains(says), "{}: {said}", path.display());
        fs::rename(&kept, &path).unwrap();
    }
    fs::create_dir(ledgers.join("main-3")).unwrap();
    fs::create_dir(ledgers.join("lost+found")).unwrap();
    assert_eq!(found(config).await, "", "nothing was published there");
}
