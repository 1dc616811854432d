//! Every write to the outside, twice: it fails, and it fails but persists. And a disk that is full
//! from any operation on. The ledger turns read-only or stays shut by name, nothing acknowledged
//! is lost, and afterwards it goes on.

use crate::simulator::{Dice, Simulator};
use crate::support::{ORIGIN, counted, draft, golden, signer};
use burgess_ledger::disk::Disk as _;
use burgess_ledger::tree::leaf_hash;
use burgess_ledger::{AppendError, Ledger, LockTable, OpenError, Options, Receipt, verify};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Enough for a segment, for what waits for its checkpoint, and for a few events.
const RESERVE_BYTES: usize = 6 << 20;

fn open_on(disk: &Simulator) -> Result<Ledger, OpenError> {
    open_with(disk, false)
}

fn open_with(disk: &Simulator, recovery: bool) -> Result<Ledger, OpenError> {
    let options = Options {
        reserve_bytes: RESERVE_BYTES,
        recovery,
        checkpoint_interval: Duration::from_secs(3600),
        segment_bytes: 1 << 20,
        lock_table: Some(Arc::new(disk.clone()) as Arc<dyn LockTable>),
        ..Options::default()
    };
    Ledger::open_on(Arc::new(disk.clone()), ORIGIN, signer(), options)
}

/// Opens, appends and publishes: single files and files in bulk, segments made, left and used
/// again.
fn scenario(disk: &Simulator, receipts: &mut Vec<Receipt>) -> Result<Ledger, OpenError> {
    let ledger = open_on(disk)?;
    let mut append = |count: usize, side: usize| {
        let mut draft = draft("outbox", None, "app");
        draft.side = vec![b's'; side];
        if let Ok(more) = ledger.append_all_blocking(vec![draft; count]) {
            receipts.extend(more);
        }
    };
    let publish = || drop(ledger.publish_blocking()); // a failure shows in `is_writable`
    append(3, 10);
    publish();
    for _ in 0..3 {
        append(400, 10);
    }
    publish();
    for _ in 0..4 {
        for _ in 0..4 {
            append(4, 60_000);
        }
        publish();
    }
    Ok(ledger)
}

fn all_there(ledger: &Ledger, receipts: &[Receipt], case: &str) {
    let entries = ledger.entries(0..ledger.size()).unwrap();
    for receipt in receipts {
        let entry = entries.get(usize::try_from(receipt.index).unwrap());
        let entry = entry.unwrap_or_else(|| panic!("{case}: entry {} is lost", receipt.index));
        assert_eq!(leaf_hash(entry), receipt.leaf_hash, "{case}");
    }
    assert_eq!(ledger.sequence("app"), ledger.size(), "{case}");
    assert_eq!(ledger.highest("outbox"), ledger.size(), "{case}");
}

fn works(ledger: &Ledger, disk: &Simulator, case: &str) {
    let receipt = ledger.append_blocking(draft("outbox", None, "app"));
    receipt.unwrap_or_else(|cause| panic!("{case}: {cause}"));
    let published = ledger.publish_blocking();
    published.unwrap_or_else(|cause| panic!("{case}: {cause}"));
    let read = &mut |name: &str| disk.read(name);
    verify::log(read, &signer().verifier(), None).unwrap_or_else(|flaw| panic!("{case}: {flaw}"));
}

fn reopened(disk: &Simulator, receipts: &[Receipt], case: &str) -> Ledger {
    let ledger = open_on(disk).unwrap_or_else(|cause| panic!("{case}: {cause}"));
    all_there(&ledger, receipts, case);
    ledger
}

/// What a ledger did about a failure, once both its threads have ended: the words of the table.
fn answer(opened: &Result<Ledger, OpenError>, receipts: &[Receipt], case: &str) -> &'static str {
    let Ok(ledger) = opened else {
        return "does not open";
    };
    all_there(ledger, receipts, case);
    ledger.close();
    all_there(ledger, receipts, case);
    match ledger.last_error() {
        Some(AppendError::NotWritable { .. }) => "read-only",
        Some(AppendError::StorageFull { .. }) => "full",
        _ => "goes on",
    }
}

// R8 R124
#[test]
fn each_outside_write_that_fails_or_fails_but_persists_loses_nothing() {
    let (text, count) = each_outside_write(0);
    golden("outside-writes.tsv", &text);
    counted("outside_writes", count);
}

#[test]
fn files_that_several_threads_write_fail_in_the_same_way() {
    golden("outside-writes.tsv", &each_outside_write(2).0);
}

/// What becomes of each write, with so many threads that write files; and how many there were.
fn each_outside_write(writers: usize) -> (String, u64) {
    let rehearsal = Simulator::default().with_writers(writers);
    drop(scenario(&rehearsal, &mut Vec::new()));
    let mut table: BTreeMap<String, [BTreeSet<&str>; 2]> = BTreeMap::new();
    let mut count = 0;
    let done = rehearsal.done();
    let each = done
        .iter()
        .flat_map(|(what, times)| (1..=*times).map(move |nth| (what, nth)));
    for (what, nth) in each {
        for persisted in [false, true] {
            let case = format!("{what} {nth}, persisted {persisted}");
            let disk = Simulator::default().with_writers(writers);
            let mut receipts = Vec::new();
            disk.fail(what, nth, persisted);
            let opened = scenario(&disk, &mut receipts);
            let answer = answer(&opened, &receipts, &case);
            drop(opened);
            if disk.done().get(what) < Some(&nth) {
                continue; // which thread makes a segment, and so how many, is a matter of timing
            }
            table.entry(what.clone()).or_default()[usize::from(persisted)].insert(answer);
            // The server starts again, and the cache still shows what the disk may not have.
            drop(reopened(&disk, &receipts, &case));
            // Then the power goes.
            let disk = disk.cut(&mut Dice(nth));
            works(&reopened(&disk, &receipts, &case), &disk, &case);
            count += 1;
        }
    }
    let said = |answers: &BTreeSet<&str>| answers.iter().copied().collect::<Vec<_>>().join(", ");
    let mut text = "outside write\tfailed\tfailed but persisted\n".to_owned();
    for (what, [failed, persisted]) in &table {
        text.push_str(&format!("{what}\t{}\t{}\n", said(failed), said(persisted)));
    }
    (text, count)
}

// R8
#[test]
fn a_disk_that_is_full_from_any_operation_on_is_refused_by_name_and_loses_nothing() {
    let rehearsal = Simulator::default();
    drop(scenario(&rehearsal, &mut Vec::new()));
    let mut recovered = 0;
    for operation in 0..rehearsal.operations() {
        let case = format!("full after operation {operation}");
        let (disk, mut receipts) = (Simulator::default(), Vec::new());
        disk.fill_up_after(operation);
        match scenario(&disk, &mut receipts) {
            Ok(ledger) => {
                let answer = answer(&Ok(ledger), &receipts, &case);
                assert!(["full", "goes on"].contains(&answer), "{case}: {answer}");
            }
            Err(refusal) => assert!(refusal.to_string().contains("no storage space"), "{case}"),
        }
        // Whatever opens while it is full shows everything.
        if let Ok(ledger) = open_on(&disk) {
            all_there(&ledger, &receipts, &case);
        }
        // The reserve, once it was taken, has room for what is to be said about it.
        if disk.size("reserve").ok() == Some(RESERVE_BYTES as u64) {
            let ledger = open_with(&disk, true).unwrap_or_else(|cause| panic!("{case}: {cause}"));
            all_there(&ledger, &receipts, &case);
            works(&ledger, &disk, &case);
            recovered += 1;
        }
        disk.make_space();
        works(&reopened(&disk, &receipts, &case), &disk, &case);
    }
    assert!(recovered > 50, "recovered {recovered} times");
    counted("disk_full", rehearsal.operations());
}
