//! `cargo xtask soak`: the fault tests of the ledger in their long forms, in slices that can be run
//! one after the other for days: what is done is kept under `target/soak`, and the figures go to
//! `docs/reliability/ledger.json`. The tests are those of `cargo xtask test`, with larger ranges.
//!
//! Progress belongs to one state of the ledger's sources; when they change it begins anew.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::fuzz;
use crate::python;
use crate::rust_tests::spoken;
use crate::workspace::{Workspace, cargo, heard, read, write};

/// A fault test with a range to go through, or one that runs once.
struct Piece {
    name: &'static str,
    test: &'static str,
    /// What its range is called in `BURGESS_SOAK_<RANGE>`; empty where it has none.
    range: &'static str,
    to: u64,
    /// How much of the range one slice takes: a minute or two.
    step: u64,
}

/// Three cuts a seed; the other figures are those of the promise: 500 kills, 100 images.
const PIECES: [Piece; 8] = [
    Piece {
        name: "power_cuts",
        test: "power_cuts::nothing_acknowledged_is_lost_and_every_checkpoint_holds_over_many_power_cuts",
        range: "power_cuts",
        to: 3334,
        step: 334,
    },
    Piece {
        name: "broken_promises",
        test: "power_cuts::leaving_out_any_one_sync_and_publishing_early_are_noticed",
        range: "",
        to: 1,
        step: 1,
    },
    Piece {
        name: "outside_writes",
        test: "outside_writes::each_outside_write_that_fails_or_fails_but_persists_loses_nothing",
        range: "",
        to: 1,
        step: 1,
    },
    Piece {
        name: "disk_full",
        test: "outside_writes::a_disk_that_is_full_from_any_operation_on_is_refused_by_name_and_loses_nothing",
        range: "",
        to: 1,
        step: 1,
    },
    Piece {
        name: "full_images",
        test: "images::a_real_file_system_that_is_full_is_refused_by_name_and_goes_on_once_there_is_space",
        range: "",
        to: 1,
        step: 1,
    },
    Piece {
        name: "bits",
        test: "tampering::flipping_bits_of_a_ledger_with_two_levels_is_found_and_the_file_named",
        range: "bits_apart",
        to: 1,
        step: 1,
    },
    Piece {
        name: "kills",
        test: "killing::kill_9_under_load_loses_nothing_doubles_nothing_and_the_folder_verifies_as_it_lies",
        range: "kills",
        to: 500,
        step: 20,
    },
    Piece {
        name: "images",
        test: "images::power_cuts_under_a_real_file_system_lose_nothing_that_was_acknowledged",
        range: "images",
        to: 100,
        step: 10,
    },
];

/// The first seed of every piece.
const SEED: u64 = 0;
const FUZZ: &str = "fuzz";
const FIGURES: &str = "docs/reliability/ledger.json";

/// What has been done so far, as it lies in its file.
pub(crate) struct Progress {
    file: PathBuf,
    json: Map<String, Value>,
}

impl Progress {
    /// Goes on where the last run over the same sources ended.
    fn open(workspace: &Workspace, tree: &str) -> Self {
        let file = workspace.target.join("soak/progress.json");
        let kept = read(&file).ok();
        let kept = kept.and_then(|text| serde_json::from_str::<Map<String, Value>>(&text).ok());
        let json = kept.filter(|json| json.get("tree").and_then(Value::as_str) == Some(tree));
        let json = json.unwrap_or_else(|| {
            println!("soak: begins at nothing, for the ledger's sources {tree}");
            let mut json = Map::new();
            json.insert("tree".to_owned(), json!(tree));
            json
        });
        Self { file, json }
    }

    pub(crate) fn number(&self, key: &str) -> u64 {
        self.json.get(key).and_then(Value::as_u64).unwrap_or(0)
    }

    pub(crate) fn set(&mut self, key: &str, number: u64) -> Result<(), String> {
        self.json.insert(key.to_owned(), json!(number));
        self.save()
    }

    pub(crate) fn add(&mut self, key: &str, number: u64) -> Result<(), String> {
        self.set(key, self.number(key) + number)
    }

    /// Notes under `list` what went wrong or was left out.
    pub(crate) fn note(&mut self, list: &str, what: &str) -> Result<(), String> {
        println!("soak: {list}: {what}");
        let notes = self.json.entry(list).or_insert_with(|| json!([]));
        if let Some(notes) = notes.as_array_mut() {
            notes.push(json!(what));
        }
        self.save()
    }

    fn notes(&self, list: &str) -> Value {
        self.json.get(list).cloned().unwrap_or_else(|| json!([]))
    }

    fn save(&self) -> Result<(), String> {
        write(&self.file, &format!("{:#}\n", json!(self.json)))
    }
}

pub(crate) fn run(
    workspace: &Workspace,
    only: Option<&str>,
    minutes: Option<u64>,
) -> Result<bool, String> {
    let known = PIECES.iter().map(|piece| piece.name).chain([FUZZ]);
    if let Some(name) = only.filter(|name| !known.clone().any(|known| known == *name)) {
        let known: Vec<&str> = known.collect();
        return Err(format!("no piece `{name}`, there are {}", known.join(", ")));
    }
    let chosen = |name: &str| only.is_none_or(|only| only == name);
    let end = minutes.map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    let in_time = || end.is_none_or(|end| Instant::now() < end);
    let mut progress = Progress::open(workspace, &tree(workspace)?);
    if PIECES.iter().any(|piece| chosen(piece.name)) {
        let tests = Tests::build(workspace)?;
        for piece in PIECES.iter().filter(|piece| chosen(piece.name)) {
            while in_time() && done(&progress, piece) < piece.to {
                tests.slice(piece, &mut progress)?;
            }
        }
    }
    if chosen(FUZZ) && in_time() {
        fuzz::run(workspace, &mut progress, &in_time)?;
    }
    figures(workspace, &progress)
}

/// The ledger's sources and tests as git names their content: what a figure is about. A bench that
/// changes changes none; neither it nor a fuzzer may be left uncommitted.
fn tree(workspace: &Workspace) -> Result<String, String> {
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        heard(git.current_dir(&workspace.root).args(arguments))
    };
    let (ledger, fuzzers) = ("crates/burgess-ledger", "fuzz/fuzz_targets");
    let changed = git(&["status", "--porcelain", "--", ledger, fuzzers])?;
    if !changed.is_empty() {
        return Err(format!(
            "figures are kept per commit, commit first:\n{changed}"
        ));
    }
    let parts = ["src", "tests"].map(|part| format!("HEAD:{ledger}/{part}"));
    let named = git(&["rev-parse", &parts[0], &parts[1]])?;
    Ok(named.split_whitespace().collect::<Vec<_>>().join("+"))
}

fn done(progress: &Progress, piece: &Piece) -> u64 {
    progress.number(&format!("done {}", piece.name))
}

/// The test binary of the ledger.
struct Tests {
    binary: PathBuf,
    folder: PathBuf,
    python: Option<PathBuf>,
}

impl Tests {
    fn build(workspace: &Workspace) -> Result<Self, String> {
        let mut build = cargo();
        build.current_dir(&workspace.root).args([
            "test",
            "-p",
            "burgess-ledger",
            "--test",
            "ledger",
            "--no-run",
            "--message-format=json-render-diagnostics",
        ]);
        let messages = heard(&mut build)?;
        let mut messages = messages
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        // The crate's own program is built along with its tests, and named first.
        let is_test =
            |message: &Value| message.pointer("/profile/test") == Some(&Value::Bool(true));
        let binary = messages
            .find_map(|message| {
                let executable = message.get("executable")?.as_str()?.into();
                is_test(&message).then_some(executable)
            })
            .ok_or("cargo names no test binary")?;
        Ok(Self {
            binary,
            folder: workspace.root.join("crates/burgess-ledger"),
            python: python::at_hand(workspace),
        })
    }

    /// The next part of a piece. A failure is noted, and the piece goes on behind it.
    fn slice(&self, piece: &Piece, progress: &mut Progress) -> Result<(), String> {
        let from = done(progress, piece);
        let to = piece.to.min(from + piece.step);
        let mut command = Command::new(&self.binary);
        command.current_dir(&self.folder).args([
            "--exact",
            piece.test,
            "--nocapture",
            "--test-threads=1",
        ]);
        if !piece.range.is_empty() {
            let variable = format!("BURGESS_SOAK_{}", piece.range.to_uppercase());
            command.env(variable, format!("{from}..{to}"));
        }
        if let Some(python) = &self.python {
            command.env("BURGESS_PYTHON", python);
        }
        println!("soak: {} {from}..{to}", piece.name);
        let (said, ended_well) = spoken(&mut command)?;
        let counted = counted(&said);
        if let Some(why) = said.split("SKIPPED ").nth(1).filter(|_| counted.is_empty()) {
            let why = why.lines().next().unwrap_or_default();
            progress.note("skipped", &format!("{}: {why}", piece.name))?;
            return progress.set(&format!("done {}", piece.name), piece.to);
        }
        for (what, count) in counted {
            progress.add(&format!("count {what}"), count)?;
        }
        if !ended_well {
            let why = said.lines().filter(|line| line.contains("panicked at"));
            let why: Vec<&str> = why.collect();
            let name = piece.name;
            progress.note("failures", &format!("{name} {from}..{to}: {why:?}"))?;
        }
        progress.set(&format!("done {}", piece.name), to)
    }
}

/// What a test says that it has done. Where one test runs at a time, libtest has put its name on
/// the same line.
fn counted(said: &str) -> Vec<(String, u64)> {
    said.lines()
        .filter_map(|line| line.split_once("COUNTED "))
        .filter_map(|(_, rest)| rest.split_once(' '))
        .filter_map(|(what, count)| Some((what.to_owned(), count.trim().parse().ok()?)))
        .collect()
}

/// Writes the figures; whether everything was done and nothing failed.
fn figures(workspace: &Workspace, progress: &Progress) -> Result<bool, String> {
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        heard(git.current_dir(&workspace.root).args(arguments)).map(|text| text.trim().to_owned())
    };
    let mut pieces = Map::new();
    let mut complete = true;
    for piece in &PIECES {
        let done = done(progress, piece);
        complete &= done == piece.to;
        let mut row = Map::new();
        row.insert(
            "count".to_owned(),
            json!(progress.number(&format!("count {}", piece.name))),
        );
        if !piece.range.is_empty() {
            row.insert("seeds".to_owned(), json!(format!("{SEED}..{done}")));
        }
        row.insert("complete".to_owned(), json!(done == piece.to));
        pieces.insert(piece.name.to_owned(), Value::Object(row));
    }
    let (fuzzers, fuzzed) = fuzz::figures(workspace, progress)?;
    complete &= fuzzed;
    pieces.insert(FUZZ.to_owned(), fuzzers);
    let failures = progress.notes("failures");
    let clean = failures.as_array().is_some_and(Vec::is_empty);
    let figures = json!({
        "schema": "burgess.reliability/1",
        "commit": git(&["rev-parse", "HEAD"])?,
        "commit_date": git(&["show", "-s", "--format=%cI", "HEAD"])?,
        "ledger_sources": tree(workspace)?,
        "seed": SEED,
        "complete": complete,
        "failures": failures,
        "skipped": progress.notes("skipped"),
        "pieces": pieces,
    });
    let file: &Path = &workspace.root.join(FIGURES);
    write(file, &format!("{figures:#}\n"))?;
    println!(
        "soak: {} in {FIGURES}",
        if complete { "complete" } else { "so far" }
    );
    Ok(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_test_counted_is_read_also_behind_its_name() {
        let said = "running 1 test\ntest a::b ... COUNTED kills 20\nCOUNTED bits 7\nok\n";
        let expected = [("kills".to_owned(), 20), ("bits".to_owned(), 7)];
        assert_eq!(counted(said), expected);
    }
}
