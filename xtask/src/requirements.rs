//! `docs/requirements.tsv`: every requirement with the tests that claim it. The file is generated;
//! whether a row is proven is decided by the tests of this run, never by the file.

use std::collections::{BTreeMap, BTreeSet};

use crate::claims::{LAST_REQUIREMENT, Scan, Test};
use crate::outcome::{Outcome, Verdict};

pub(crate) const FILE: &str = "docs/requirements.tsv";

/// `id`, tab, test names; a row with no test has nothing after its tab.
pub(crate) fn table(scan: &Scan) -> String {
    let mut rows: BTreeMap<u16, BTreeSet<String>> = BTreeMap::new();
    for test in &scan.tests {
        for id in &test.ids {
            rows.entry(*id).or_default().insert(test.label());
        }
    }
    (1..=LAST_REQUIREMENT)
        .map(|id| {
            let tests: Vec<&str> = rows
                .get(&id)
                .into_iter()
                .flatten()
                .map(String::as_str)
                .collect();
            format!("R{id}\t{}\n", tests.join(", "))
        })
        .collect()
}

pub(crate) struct Proof {
    pub(crate) proven: BTreeSet<u16>,
    /// Rows with a test that was skipped: neither proven nor wrong.
    pub(crate) open: BTreeSet<u16>,
    pub(crate) complaints: Vec<String>,
}

/// A row is proven when every test that claims it ran in this run and passed.
pub(crate) fn prove(scan: &Scan, outcomes: &[Outcome]) -> Proof {
    let mut proof = Proof {
        proven: BTreeSet::new(),
        open: BTreeSet::new(),
        complaints: scan.complaints.clone(),
    };
    let mut lost = BTreeSet::new();
    for test in scan.tests.iter().filter(|test| !test.ids.is_empty()) {
        let (known, foreign): (Vec<u16>, Vec<u16>) = test
            .ids
            .iter()
            .partition(|id| (1..=LAST_REQUIREMENT).contains(*id));
        for id in foreign {
            proof
                .complaints
                .push(format!("{}: R{id} is no requirement", place(test)));
        }
        match verdict(test, outcomes) {
            Some(Verdict::Passed) => proof.proven.extend(known),
            Some(Verdict::Skipped) => proof.open.extend(known),
            Some(Verdict::Failed) => {
                proof
                    .complaints
                    .push(format!("{}: failed, so it proves nothing", place(test)));
                lost.extend(known);
            }
            None => {
                proof
                    .complaints
                    .push(format!("{}: claims a row but did not run", place(test)));
                lost.extend(known);
            }
        }
    }
    let held_back = |id: &u16| !lost.contains(id) && !proof.open.contains(id);
    proof.proven = proof.proven.iter().copied().filter(held_back).collect();
    proof
}

fn place(test: &Test) -> String {
    format!("{}: {}", test.file, test.label())
}

/// The worst of the test's runs, or nothing when it did not run.
fn verdict(test: &Test, outcomes: &[Outcome]) -> Option<Verdict> {
    let runs = test.runs(outcomes);
    let any = |verdict| runs.iter().any(|run| run.verdict == verdict);
    [Verdict::Failed, Verdict::Skipped, Verdict::Passed]
        .into_iter()
        .find(|verdict| any(*verdict))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan() -> Scan {
        let mut scan = Scan::default();
        scan.file(
            "crates/a/src/lib.rs",
            "// R1 R2\n#[test]\nfn one() {}\n// R2\n#[test]\nfn two() {}\n// R3\n#[test]\nfn three() {}\n// R209\n#[test]\nfn four() {}\n",
        );
        scan
    }

    fn run(name: &str, verdict: Verdict) -> Outcome {
        Outcome {
            group: "a".to_owned(),
            name: name.to_owned(),
            verdict,
        }
    }

    #[test]
    fn a_row_needs_all_its_tests_to_run_and_pass() {
        let outcomes = [
            run("one", Verdict::Passed),
            run("two", Verdict::Failed),
            run("four", Verdict::Passed),
        ];
        let proof = prove(&scan(), &outcomes);
        assert_eq!(proof.proven, BTreeSet::from([1]));
        assert_eq!(proof.complaints.len(), 3, "{:?}", proof.complaints);
    }

    #[test]
    fn a_skipped_test_leaves_its_row_open() {
        let outcomes = [run("one", Verdict::Skipped), run("two", Verdict::Passed)];
        let proof = prove(&scan(), &outcomes);
        assert_eq!(proof.proven, BTreeSet::new());
        assert_eq!(proof.open, BTreeSet::from([1, 2]));
    }

    #[test]
    fn the_table_lists_every_row_in_order() {
        let table = table(&scan());
        let rows: Vec<&str> = table.lines().collect();
        assert_eq!(rows.len(), 208);
        assert_eq!(rows[1], "R2\ta::one, a::two");
        assert_eq!(rows[207], "R208\t");
    }
}
