//! The folder as an auditor's own tool sees it.

use crate::support::{ORIGIN, draft, fill, open, options, outside_verifier, signer};
use burgess_ledger::{Ledger, Options};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

// R8 R186
#[test]
fn the_outside_verifier_accepts_every_size_around_a_tile_boundary() {
    let Some(verifier) = outside_verifier() else {
        return;
    };
    for size in [0, 1, 2, 255, 256, 257, 511, 513, 1000] {
        let folder = tempfile::tempdir().unwrap();
        let ledger = open(folder.path());
        fill(&ledger, size);
        let said = verifier.accepts(folder.path(), ledger.vkey()).unwrap();
        assert!(said.starts_with(&format!("OK size={size} ")), "{said}");
        drop(ledger);
        let ledger = open(folder.path());
        assert_eq!(ledger.size(), size);
        fill(&ledger, 3);
        let said = verifier.accepts(folder.path(), ledger.vkey()).unwrap();
        assert!(
            said.starts_with(&format!("OK size={} ", size + 3)),
            "{said}"
        );
    }
}

// R8 R186
#[test]
fn the_outside_verifier_accepts_a_ledger_while_it_is_being_written() {
    let Some(verifier) = outside_verifier() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        checkpoint_interval: Duration::from_millis(1),
        ..options()
    };
    let ledger = Ledger::open(folder.path(), ORIGIN, signer(), options).unwrap();
    let running = AtomicBool::new(true);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while running.load(Ordering::Relaxed) {
                let batch = (0..5).map(|_| draft("outbox", None, "app")).collect();
                ledger.append_all_blocking(batch).unwrap();
            }
        });
        for _ in 0..10 {
            verifier.accepts(folder.path(), ledger.vkey()).unwrap();
        }
        running.store(false, Ordering::Relaxed);
    });
}

// R8 R186
#[test]
fn the_outside_verifier_accepts_a_ledger_around_the_third_level() {
    let Some(verifier) = outside_verifier() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    for (more, size) in [(65_535, 65_535), (1, 65_536), (4464, 70_000)] {
        fill(&ledger, more);
        let said = verifier.accepts(folder.path(), ledger.vkey()).unwrap();
        assert!(said.starts_with(&format!("OK size={size} ")), "{said}");
    }
}
