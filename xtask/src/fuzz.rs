//! The fuzzers under `fuzz/`, as a piece of the soak: libFuzzer over every parser of hostile bytes,
//! built by the compiler of the tree. It needs no nightly compiler and no tool of its own: the
//! coverage that libFuzzer steers by is a pass of the code generator.

use std::path::Path;
use std::process::Command;
use std::thread;

use serde_json::{Map, Value, json};

use crate::rust_tests::spoken;
use crate::soak::Progress;
use crate::workspace::{Workspace, cargo, heard, succeeds};

/// What `cargo fuzz` passes, without the sanitizer: there is no unsafe code to watch.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";

/// Processor time for all targets together.
const SECONDS: u64 = 60 * 60;
/// Of one slice of one target.
const SLICE_SECONDS: u64 = 60;

/// Every target: each has a file in `fuzz/fuzz_targets`.
fn targets(workspace: &Workspace) -> Result<Vec<String>, String> {
    let folder = "fuzz/fuzz_targets/";
    let files = workspace.files()?;
    let names = files
        .iter()
        .filter_map(|file| file.strip_prefix(folder)?.strip_suffix(".rs"));
    Ok(names.map(str::to_owned).collect())
}

fn host() -> Result<String, String> {
    let said = heard(Command::new("rustc").arg("-vV"))?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned)
        .ok_or_else(|| "rustc names no host".to_owned())
}

fn key(target: &str) -> String {
    format!("fuzz seconds {target}")
}

/// Gives every target its share, slice by slice, so that all have had some when time is up.
pub(crate) fn run(
    workspace: &Workspace,
    progress: &mut Progress,
    in_time: &dyn Fn() -> bool,
) -> Result<(), String> {
    let (host, targets) = (host()?, targets(workspace)?);
    let mut build = cargo();
    build
        .current_dir(workspace.root.join("fuzz"))
        .args(["build", "--release", "--target", &host])
        .env("CARGO_TARGET_DIR", workspace.target.join("fuzz"))
        .env("RUSTFLAGS", FLAGS);
    if !succeeds(&mut build)? {
        return Err("the fuzzers did not build, they need a C++ compiler".to_owned());
    }
    let programs = workspace.target.join("fuzz").join(host).join("release");
    let share = share(targets.len());
    let at_once = thread::available_parallelism().map_or(1, usize::from);
    while in_time() {
        let mut behind: Vec<&String> = targets
            .iter()
            .filter(|target| progress.number(&key(target)) < share)
            .collect();
        behind.sort_by_key(|target| progress.number(&key(target)));
        behind.truncate(at_once);
        if behind.is_empty() {
            break;
        }
        let heard: Vec<_> = thread::scope(|scope| {
            let running: Vec<_> = behind
                .iter()
                .map(|target| {
                    let program = programs.join(target);
                    scope.spawn(move || slice(workspace, &program, target))
                })
                .collect();
            running
                .into_iter()
                .map(thread::ScopedJoinHandle::join)
                .collect()
        });
        for (target, heard) in behind.into_iter().zip(heard) {
            let heard = heard.map_err(|_| format!("fuzz {target}: its thread ended"))?;
            note(target, heard?, progress)?;
        }
    }
    Ok(())
}

fn share(targets: usize) -> u64 {
    SECONDS.div_ceil(u64::try_from(targets).unwrap_or(1).max(1))
}

/// Runs one target for a while; answers what it said, and whether it ended well. New inputs grow a
/// corpus under `target`; the kept one is read and never written.
fn slice(workspace: &Workspace, program: &Path, target: &str) -> Result<(String, bool), String> {
    let soak = workspace.target.join("soak");
    let (corpus, found) = (soak.join("corpus").join(target), soak.join("found"));
    for folder in [&corpus, &found] {
        std::fs::create_dir_all(folder)
            .map_err(|error| format!("cannot make `{}`: {error}", folder.display()))?;
    }
    println!("soak: fuzz {target}");
    let mut command = Command::new("sh");
    // The shell's `times` tells the processor time of its child, whatever else the machine does.
    command
        .args(["-c", "\"$@\" 2>&1; code=$?; times; exit $code", "sh"])
        .arg(program)
        .arg(format!("-max_total_time={SLICE_SECONDS}"))
        .arg(format!("-artifact_prefix={}/{target}-", found.display()))
        .args(["-print_final_stats=1", "-max_len=8192", "-verbosity=0"])
        .arg(corpus)
        .arg(workspace.root.join("fuzz/corpus").join(target));
    spoken(&mut command)
}

fn note(
    target: &str,
    (said, ended_well): (String, bool),
    progress: &mut Progress,
) -> Result<(), String> {
    progress.add(&key(target), processor_seconds(&said).max(1))?;
    progress.add(&format!("fuzz runs {target}"), runs(&said))?;
    if !ended_well {
        let why = format!("fuzz {target}: see target/soak/found");
        progress.note("failures", &why)?;
    }
    Ok(())
}

/// The last line of `times`: user and system time of the children, as `1m2.345s`.
fn processor_seconds(said: &str) -> u64 {
    let last = said.lines().last().unwrap_or_default();
    let seconds = |time: &str| -> Option<u64> {
        let (minutes, rest) = time.strip_suffix('s')?.split_once('m')?;
        let whole: u64 = rest.split('.').next()?.parse().ok()?;
        Some(minutes.parse::<u64>().ok()? * 60 + whole)
    };
    last.split_whitespace().filter_map(seconds).sum()
}

fn runs(said: &str) -> u64 {
    said.lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))
        .and_then(|number| number.trim().parse().ok())
        .unwrap_or(0)
}

/// Processor time and runs of every target; whether each has had its share.
pub(crate) fn figures(workspace: &Workspace, progress: &Progress) -> Result<(Value, bool), String> {
    let targets = targets(workspace)?;
    let share = share(targets.len());
    let (mut rows, mut complete, mut seconds) = (Map::new(), true, 0);
    for target in targets {
        let had = progress.number(&key(&target));
        complete &= had >= share;
        seconds += had;
        let runs = progress.number(&format!("fuzz runs {target}"));
        rows.insert(target, json!({"cpu_seconds": had, "runs": runs}));
    }
    let figures = json!({"complete": complete, "cpu_seconds": seconds, "targets": rows});
    Ok((figures, complete))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_and_runs_are_read_from_what_the_shell_and_the_fuzzer_say() {
        let said = "stat::number_of_executed_units: 1234\n0m0.010s 0m0.000s\n1m2.345s 0m3.999s\n";
        assert_eq!((processor_seconds(said), runs(said)), (65, 1234));
        assert_eq!((processor_seconds(""), runs("")), (0, 0));
    }
}
