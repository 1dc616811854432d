//! The lock table: who decides where a log stands, whatever its folder says.

use crate::simulator::Simulator;
use crate::support::{ORIGIN, draft, fill, options, signer};
use burgess_ledger::tree::leaf_hash;
use burgess_ledger::{Ledger, LockError, LockTable, OpenError, Options, SignedCheckpoint};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// A table in memory. The next swap may be told to fail, with or without its effect.
#[derive(Debug, Default)]
pub struct MemoryTable {
    rows: Mutex<BTreeMap<String, String>>,
    fault: Mutex<Option<bool>>,
}

impl MemoryTable {
    fn row(&self) -> Option<SignedCheckpoint> {
        let note = self.load(ORIGIN).unwrap()?;
        Some(SignedCheckpoint::open(note.as_bytes(), &signer().verifier()).unwrap())
    }

    fn set(&self, note: Option<String>) {
        let mut rows = self.rows.lock().unwrap();
        rows.remove(ORIGIN);
        note.map(|note| rows.insert(ORIGIN.to_owned(), note));
    }
}

impl LockTable for MemoryTable {
    fn load(&self, origin: &str) -> Result<Option<String>, LockError> {
        Ok(self.rows.lock().unwrap().get(origin).cloned())
    }

    fn compare_and_swap(
        &self,
        origin: &str,
        old: Option<&str>,
        new: &str,
    ) -> Result<(), LockError> {
        let fault = self.fault.lock().unwrap().take();
        let mut rows = self.rows.lock().unwrap();
        if rows.get(origin).map(String::as_str) != old {
            return Err(LockError::Moved);
        }
        if fault != Some(false) {
            rows.insert(origin.to_owned(), new.to_owned());
        }
        match fault {
            Some(_) => Err(LockError::Failed("input/output error".to_owned())),
            None => Ok(()),
        }
    }
}

fn open_with(
    disk: &Simulator,
    table: &Arc<MemoryTable>,
    recovery: bool,
) -> Result<Ledger, OpenError> {
    let options = Options {
        lock_table: Some(table.clone()),
        recovery,
        ..options()
    };
    Ledger::open_on(Arc::new(disk.clone()), ORIGIN, signer(), options)
}

fn open(disk: &Simulator, table: &Arc<MemoryTable>) -> Result<Ledger, OpenError> {
    open_with(disk, table, false)
}

fn size(signed: Option<SignedCheckpoint>) -> Option<u64> {
    signed.map(|signed| signed.checkpoint.size)
}

// R124
#[test]
fn the_row_is_moved_with_every_checkpoint_and_an_opening_finds_it_there() {
    let (disk, table) = (Simulator::default(), Arc::new(MemoryTable::default()));
    let ledger = open(&disk, &table).unwrap();
    assert_eq!(size(table.row()), Some(0));
    fill(&ledger, 300);
    assert_eq!(table.row().as_ref(), Some(&*ledger.checkpoint()));
    drop(ledger);
    let ledger = open(&disk, &table).unwrap();
    fill(&ledger, 3);
    assert_eq!(size(table.row()), Some(303));
}

// R124
#[test]
fn a_swap_that_fails_ends_writing_and_the_next_opening_finishes_it_either_way() {
    for persisted in [false, true] {
        let (disk, table) = (Simulator::default(), Arc::new(MemoryTable::default()));
        let ledger = open(&disk, &table).unwrap();
        fill(&ledger, 5);
        *table.fault.lock().unwrap() = Some(persisted);
        let receipt = ledger
            .append_blocking(draft("outbox", None, "app"))
            .unwrap();
        let refusal = ledger.publish_blocking().unwrap_err().to_string();
        assert!(refusal.contains("the lock table failed"), "{refusal}");
        assert!(
            ledger
                .append_blocking(draft("outbox", None, "app"))
                .is_err()
        );
        assert_eq!(ledger.checkpoint().checkpoint.size, 5);
        drop(ledger);
        assert_eq!(size(table.row()), Some(if persisted { 6 } else { 5 }));
        let locked = table.row();
        let ledger = open(&disk, &table).unwrap();
        assert_eq!(leaf_hash(&ledger.entry(5).unwrap()), receipt.leaf_hash);
        assert_eq!((ledger.size(), ledger.sequence("app")), (6, 6));
        assert_eq!(size(table.row()), Some(6));
        if persisted {
            assert_eq!(locked.as_ref(), Some(&*ledger.checkpoint()), "signed once");
        }
        fill(&ledger, 3);
    }
}

// R124
#[test]
fn another_server_that_moved_the_row_stops_this_one() {
    let (disk, table) = (Simulator::default(), Arc::new(MemoryTable::default()));
    let ledger = open(&disk, &table).unwrap();
    fill(&ledger, 2);
    let copy = disk.copy();
    let other = open(&copy, &table).unwrap();
    fill(&other, 1);
    ledger
        .append_blocking(draft("outbox", None, "other"))
        .unwrap();
    let refusal = ledger.publish_blocking().unwrap_err().to_string();
    assert!(refusal.contains("stop the other server"), "{refusal}");
    assert_eq!(ledger.checkpoint().checkpoint.size, 2);
}

// R124
#[test]
fn a_folder_that_was_put_back_stays_shut_even_when_it_is_whole() {
    let (disk, table) = (Simulator::default(), Arc::new(MemoryTable::default()));
    fill(&open(&disk, &table).unwrap(), 300);
    let older = disk.copy();
    fill(&open(&disk, &table).unwrap(), 7);
    for recovery in [false, true] {
        let refusal = open_with(&older, &table, recovery).unwrap_err();
        let expected = matches!(
            refusal,
            OpenError::LogBehind {
                log: 300,
                table: 307
            }
        );
        assert!(expected, "{refusal}");
    }
    let refusal = open(&Simulator::default(), &table).unwrap_err();
    assert!(
        matches!(refusal, OpenError::LogBehind { log: 0, .. }),
        "{refusal}"
    );
    open(&disk, &table).unwrap();
}

// R124
#[test]
fn a_table_that_is_missing_or_older_keeps_the_log_shut_until_it_is_opened_for_recovery() {
    let (disk, table) = (Simulator::default(), Arc::new(MemoryTable::default()));
    fill(&open(&disk, &table).unwrap(), 300);
    let older = table.load(ORIGIN).unwrap();
    fill(&open(&disk, &table).unwrap(), 7);
    table.set(None);
    let refusal = open(&disk, &table).unwrap_err();
    assert!(
        matches!(refusal, OpenError::LockMissing { log: 307 }),
        "{refusal}"
    );
    drop(open_with(&disk, &table, true).unwrap());
    assert_eq!(size(table.row()), Some(307));
    table.set(older);
    let refusal = open(&disk, &table).unwrap_err();
    assert!(
        matches!(
            refusal,
            OpenError::LockBehind {
                log: 307,
                table: 300
            }
        ),
        "{refusal}"
    );
    drop(open_with(&disk, &table, true).unwrap());
    assert_eq!(size(table.row()), Some(307));
    fill(&open(&disk, &table).unwrap(), 1);
}

// R124
#[test]
fn a_table_of_another_history_keeps_the_log_shut_even_for_recovery() {
    for (there, here) in [(300, 300), (300, 310), (300, 290)] {
        let (disk, table) = (Simulator::default(), Arc::new(MemoryTable::default()));
        let ledger = open(&disk, &table).unwrap();
        fill(&ledger, there);
        drop(ledger);
        let other = Simulator::default();
        let apart = Arc::new(MemoryTable::default());
        let ledger = open(&other, &apart).unwrap();
        ledger
            .append_blocking(draft("outbox", None, "another"))
            .unwrap();
        fill(&ledger, here - 1);
        drop(ledger);
        for recovery in [false, true] {
            let refusal = open_with(&other, &table, recovery).unwrap_err();
            let expected = matches!(
                refusal,
                OpenError::LockOther { table: 300 } | OpenError::LogBehind { table: 300, .. }
            );
            assert!(expected, "{there} {here}: {refusal}");
        }
        let foreign = burgess_ledger::NoteSigner::from_seed(ORIGIN, [9; 32]).unwrap();
        let note = foreign.sign(&ledger_text(&table)).unwrap();
        table.set(Some(note));
        let refusal = open(&disk, &table).unwrap_err();
        assert!(
            matches!(
                refusal,
                OpenError::Key {
                    file: "the lock table",
                    ..
                }
            ),
            "{refusal}"
        );
    }
}

fn ledger_text(table: &MemoryTable) -> String {
    table.row().unwrap().checkpoint.text()
}
