//! The lock table: a log that was put back does not open, and a swap is decided by the database.

use std::path::Path;
use std::sync::Arc;

use burgess_ledger::{Draft, Ledger, LockError, LockTable, NoteSigner, OpenError, Options, Piece};
use burgess_store::{Locks, Store};

use crate::fixture::NOW;

const ORIGIN: &str = "burgess.example/ledger/test";

async fn locks(folder: &Path) -> (Store, Arc<Locks>) {
    let store = Store::open(folder, NOW).await.unwrap();
    let locks = Arc::new(store.locks().await.unwrap());
    (store, locks)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

// R124
#[tokio::test]
async fn a_row_moves_from_what_it_holds_alone_and_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let (store, table) = locks(folder.path()).await;
    blocking(move || {
        assert_eq!(table.load(ORIGIN), Ok(None));
        let swap = |old, new| table.compare_and_swap(ORIGIN, old, new);
        assert_eq!(swap(Some("a"), "b"), Err(LockError::Moved));
        assert_eq!(swap(None, "a"), Ok(()));
        assert_eq!(swap(None, "b"), Err(LockError::Moved));
        assert_eq!(swap(Some("b"), "c"), Err(LockError::Moved));
        assert_eq!(swap(Some("a"), "b"), Ok(()));
        assert_eq!(table.compare_and_swap("another", None, "z"), Ok(()));
    })
    .await;
    store.close().await;
    drop(store);
    let (_store, table) = locks(folder.path()).await;
    let (here, there) = blocking(move || (table.load(ORIGIN), table.load("another"))).await;
    assert_eq!(here, Ok(Some("b".to_owned())));
    assert_eq!(there, Ok(Some("z".to_owned())));
}

fn open(folder: &Path, table: &Arc<Locks>) -> Result<Ledger, OpenError> {
    let options = Options {
        lock_table: Some(table.clone()),
        ..Options::default()
    };
    let signer = NoteSigner::from_seed(ORIGIN, [7; 32]).unwrap();
    Ledger::open(folder, ORIGIN, signer, options)
}

fn append(ledger: &Ledger) {
    let draft = Draft {
        source: "outbox".to_owned(),
        source_seq: None,
        stream: "app".to_owned(),
        template: vec![Piece::Bytes(b"entry ".to_vec()), Piece::Sequence],
        side: Vec::new(),
    };
    ledger.append_blocking(draft).unwrap();
    ledger.publish_blocking().unwrap();
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

// R124
#[tokio::test]
async fn a_ledger_folder_that_was_put_back_does_not_open_beside_the_database() {
    let (data, ledgers) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (_store, table) = locks(data.path()).await;
    blocking(move || {
        let (now, older) = (ledgers.path().join("now"), ledgers.path().join("older"));
        append(&open(&now, &table).unwrap());
        copy(&now, &older);
        append(&open(&now, &table).unwrap());
        let refusal = open(&older, &table).unwrap_err();
        assert!(
            matches!(refusal, OpenError::LogBehind { log: 1, table: 2 }),
            "{refusal}"
        );
        append(&open(&now, &table).unwrap());
    })
    .await;
}

// R124
#[tokio::test]
async fn a_checkpoint_is_published_while_a_transaction_of_the_store_waits_for_its_turn() {
    let (data, ledgers) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (store, table) = locks(data.path()).await;
    let ledger = blocking(move || {
        let ledger = open(ledgers.path(), &table).unwrap();
        append(&ledger);
        (ledger, ledgers)
    });
    let (ledger, _ledgers) = ledger.await;
    // The runtime of this test has one thread: closing must not need it.
    append_and_close(&ledger);
    assert_eq!(ledger.checkpoint().checkpoint.size, 2);
    store.close().await;
}

fn append_and_close(ledger: &Ledger) {
    append(ledger);
    ledger.close();
}
