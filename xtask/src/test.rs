//! `cargo xtask test`: every tier in order. A failed tier does not stop the next one, so that one
//! run names everything that is wrong.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::outcome::{Outcome, Tally, Verdict, save};
use crate::rust_tests::{doc_tests, whole_workspace};
use crate::workspace::{Workspace, cargo, in_ci, succeeds};
use crate::{page, python, rust_tests, tidy};

/// What a tier lacks, and the command that gets it.
pub(crate) struct Need {
    reason: String,
    remedy: String,
}

impl Need {
    pub(crate) fn new(reason: &str, remedy: &str) -> Self {
        Self {
            reason: reason.to_owned(),
            remedy: remedy.to_owned(),
        }
    }
}

/// How a tier ended. A tier with no tests of its own counts as one.
enum End {
    Checked(bool),
    Ran(Vec<Outcome>),
    Broken(String),
    Lacking(Need, Vec<Outcome>),
}

struct Line {
    name: &'static str,
    word: &'static str,
    time: Duration,
    why: String,
}

#[derive(Default)]
struct Report {
    lines: Vec<Line>,
    outcomes: Vec<Outcome>,
    tally: Tally,
}

pub(crate) fn run(workspace: &Workspace, quick: bool, asked: bool) -> Result<bool, String> {
    let outcomes_file = workspace.outcomes_file();
    if outcomes_file.exists() {
        std::fs::remove_file(&outcomes_file)
            .map_err(|error| format!("cannot remove the last result: {error}"))?;
    }
    let mut report = Report::default();
    report.tier("formatting", || formatting(workspace));
    report.tier("lints", || lints(workspace));
    let python = match quick {
        true => python::at_hand(workspace),
        false => validators(workspace, asked, &mut report),
    };
    if !quick {
        report.tier("documentation", || documentation(workspace));
    }
    report.tier("rust tests", || {
        ran(rust_tests::run(workspace, python.as_deref()))
    });
    if !quick {
        report.tier("doc tests", || ran(doc_tests(workspace)));
        report.tier("page smoke", || page_smoke(workspace, asked));
    }
    save(&outcomes_file, &report.outcomes)?;
    if !quick {
        report.tier("tidy", || match tidy::run(workspace, false) {
            Ok(clean) => End::Checked(clean),
            Err(problem) => End::Broken(problem),
        });
    }
    Ok(report.close())
}

fn formatting(workspace: &Workspace) -> End {
    let mut fmt = cargo();
    fmt.current_dir(&workspace.root)
        .args(["fmt", "--all", "--check"]);
    checked(succeeds(&mut fmt))
}

/// Tests may unwrap and index, so lints are enforced on what ships.
fn lints(workspace: &Workspace) -> End {
    let mut clippy = whole_workspace(workspace, &["clippy", "--lib", "--bins"]);
    clippy.args(["--", "-D", "warnings"]);
    checked(succeeds(&mut clippy))
}

fn documentation(workspace: &Workspace) -> End {
    let mut doc = whole_workspace(workspace, &["doc", "--no-deps"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    checked(succeeds(&mut doc))
}

/// Runs before the Rust tests because they call the validators.
fn validators(workspace: &Workspace, asked: bool, report: &mut Report) -> Option<PathBuf> {
    let mut python = None;
    report.tier("outside validators", || {
        match python::ready(workspace, asked) {
            Ok(found) => {
                println!("BURGESS_PYTHON={}", found.display());
                python = Some(found);
                End::Checked(true)
            }
            Err(need) => End::Lacking(need, vec![]),
        }
    });
    python
}

fn page_smoke(workspace: &Workspace, asked: bool) -> End {
    match page::ready(workspace, asked) {
        Ok(ready) => ran(page::run(workspace, &ready)),
        Err(need) => End::Lacking(need, page_tests_skipped(workspace)),
    }
}

/// A skipped page test must not look like one that was forgotten.
fn page_tests_skipped(workspace: &Workspace) -> Vec<Outcome> {
    let tests = workspace
        .sources()
        .map(|sources| tidy::scan(&sources).tests);
    tests
        .unwrap_or_default()
        .into_iter()
        .filter(|test| test.room == "web")
        .map(|test| Outcome {
            group: test.room,
            name: test.function,
            verdict: Verdict::Skipped,
        })
        .collect()
}

fn checked(result: Result<bool, String>) -> End {
    match result {
        Ok(clean) => End::Checked(clean),
        Err(problem) => End::Broken(problem),
    }
}

fn ran(result: Result<Vec<Outcome>, String>) -> End {
    match result {
        Ok(outcomes) => End::Ran(outcomes),
        Err(problem) => End::Broken(problem),
    }
}

impl Report {
    fn tier(&mut self, name: &'static str, run: impl FnOnce() -> End) {
        println!("\n━━━ {name} ━━━");
        let started = Instant::now();
        let end = run();
        let (word, why) = self.count(end);
        let time = started.elapsed();
        println!("━━━ {name}: {word} ({:.1} s) {why}", time.as_secs_f32());
        self.lines.push(Line {
            name,
            word,
            time,
            why,
        });
    }

    fn count(&mut self, end: End) -> (&'static str, String) {
        let one = |verdict: Verdict| Tally {
            passed: usize::from(verdict == Verdict::Passed),
            failed: usize::from(verdict == Verdict::Failed),
            skipped: usize::from(verdict == Verdict::Skipped),
        };
        match end {
            End::Checked(true) => {
                self.tally.add(one(Verdict::Passed));
                ("passed", String::new())
            }
            End::Checked(false) => {
                self.tally.add(one(Verdict::Failed));
                ("FAILED", String::new())
            }
            End::Broken(problem) => {
                self.tally.add(one(Verdict::Failed));
                ("FAILED", problem)
            }
            End::Ran(outcomes) => {
                let tally = Tally::of(&outcomes);
                self.tally.add(tally);
                let why = said(&outcomes, tally);
                self.outcomes.extend(outcomes);
                (if tally.failed > 0 { "FAILED" } else { "passed" }, why)
            }
            End::Lacking(need, outcomes) => {
                let why = format!("{}; to get it: {}", need.reason, need.remedy);
                println!("\nSKIPPED: {why}\n");
                self.outcomes.extend(outcomes);
                match in_ci() {
                    true => {
                        self.tally.add(one(Verdict::Failed));
                        ("FAILED", why)
                    }
                    false => {
                        self.tally.add(one(Verdict::Skipped));
                        ("SKIPPED", why)
                    }
                }
            }
        }
    }

    /// Prints all that failed, then the one line that programs read. Whether all is well.
    fn close(&self) -> bool {
        println!("\n━━━ summary ━━━");
        for line in &self.lines {
            println!(
                "{:<8} {:<20} {:>7.1} s  {}",
                line.word,
                line.name,
                line.time.as_secs_f32(),
                line.why
            );
        }
        for outcome in self
            .outcomes
            .iter()
            .filter(|outcome| outcome.verdict != Verdict::Passed)
        {
            let word = if outcome.verdict == Verdict::Failed {
                "FAILED"
            } else {
                "skipped"
            };
            println!("  {word} {} {}", outcome.group, outcome.name);
        }
        println!(
            "{} passed, {} failed, {} skipped",
            self.tally.passed, self.tally.failed, self.tally.skipped
        );
        self.tally.failed == 0
    }
}

fn said(outcomes: &[Outcome], tally: Tally) -> String {
    if outcomes.is_empty() {
        return "no test".to_owned();
    }
    format!(
        "{} passed, {} failed, {} skipped",
        tally.passed, tally.failed, tally.skipped
    )
}
