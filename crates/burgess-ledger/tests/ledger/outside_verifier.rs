//! The folder as an auditor's own tool sees it.

use crate::support::{fill, open, outside_verifier};

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
