//! `cargo xtask mutants`: every patch under `tests/mutants/` is applied to a copy of the tree, and
//! its named test must then fail. A test that stays green does not prove what it says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::claims::{Scan, Test};
use crate::outcome::{Outcome, Verdict, from_libtest};
use crate::patch::Patch;
use crate::tidy;
use crate::tree::Tree;
use crate::workspace::{Workspace, cargo, read, write};

/// At least this many patches are kept.
const PATCHES_MIN: usize = 40;

/// A mutant may make a loop endless; a build and one test take far less than this.
const LIMIT: Duration = Duration::from_secs(600);

const FOLDER: &str = "tests/mutants/";

pub(crate) fn run(workspace: &Workspace, names: &[&str], only_check: bool) -> Result<bool, String> {
    let scan = tidy::scan(&workspace.sources()?);
    let mut chosen = patches(workspace)?;
    chosen.retain(|patch| names.is_empty() || names.iter().any(|name| patch.name.contains(name)));
    if chosen.is_empty() {
        return Err(format!("no patch is named like {names:?}"));
    }
    let complaints: Vec<String> = chosen
        .iter()
        .flat_map(|patch| check(workspace, &scan, patch))
        .collect();
    for complaint in &complaints {
        println!("mutants: {complaint}");
    }
    if only_check || !complaints.is_empty() {
        return Ok(complaints.is_empty());
    }
    let tree = Tree::lay(workspace)?;
    let plan = plan(workspace, &chosen, &scan)?;
    let mut table = Table::default();
    let red = baseline(&tree, &plan, &mut table)?;
    for step in plan.iter().filter(|step| !red.contains(&step.label())) {
        judge(&tree, step, &mut table)?;
    }
    table.print(workspace)
}

/// What can be said of every patch without building anything.
pub(crate) fn check_all(workspace: &Workspace, scan: &Scan) -> Result<Vec<String>, String> {
    let patches = match patches(workspace) {
        Ok(patches) => patches,
        Err(problem) => return Ok(vec![problem]),
    };
    let mut complaints = Vec::new();
    if patches.len() < PATCHES_MIN {
        complaints.push(format!(
            "{} mutants, {PATCHES_MIN} is the floor",
            patches.len()
        ));
    }
    complaints.extend(
        patches
            .iter()
            .flat_map(|patch| check(workspace, scan, patch)),
    );
    Ok(complaints)
}

fn check(workspace: &Workspace, scan: &Scan, patch: &Patch) -> Vec<String> {
    let applied = workspace
        .read(&patch.file)
        .and_then(|text| patch.apply(&text));
    let named = patch.named_test(&scan.tests);
    applied.err().into_iter().chain(named.err()).collect()
}

fn patches(workspace: &Workspace) -> Result<Vec<Patch>, String> {
    workspace
        .files()?
        .iter()
        .filter_map(|path| Some((path, path.strip_prefix(FOLDER)?.strip_suffix(".patch")?)))
        .map(|(path, name)| Patch::parse(name, &workspace.read(path)?))
        .collect()
}

/// A patch with the cargo arguments that build just the binary its test is in.
struct Step<'a> {
    patch: &'a Patch,
    target: Vec<String>,
}

impl Step<'_> {
    fn label(&self) -> String {
        format!("{} {}", self.patch.test.0, self.patch.test.1)
    }
}

/// In an order that rebuilds as little as possible between two patches.
fn plan<'a>(
    workspace: &Workspace,
    patches: &'a [Patch],
    scan: &Scan,
) -> Result<Vec<Step<'a>>, String> {
    let mut steps = Vec::new();
    for patch in patches {
        let test = patch.named_test(&scan.tests)?;
        steps.push(Step {
            patch,
            target: target_of(workspace, test),
        });
    }
    steps.sort_by(|a, b| {
        let key = |step: &Step| (step.patch.file.clone(), step.label());
        key(a).cmp(&key(b))
    });
    Ok(steps)
}

fn target_of(workspace: &Workspace, test: &Test) -> Vec<String> {
    let folder = workspace.root.join("crates").join(&test.room);
    let has_lib = folder.join("src/lib.rs").exists();
    let is_folder_test = |stem: &str| folder.join("tests").join(stem).join("main.rs").exists();
    test.cargo_target(has_lib, is_folder_test)
}

#[derive(Default)]
struct Table {
    killed: Vec<String>,
    survived: Vec<String>,
    broken: Vec<String>,
}

impl Table {
    fn print(&self, workspace: &Workspace) -> Result<bool, String> {
        let summary = json!({
            "killed": self.killed.len(),
            "survived": self.survived,
            "broken": self.broken,
        });
        write(
            &workspace.target.join("mutants.json"),
            &format!("{summary:#}\n"),
        )?;
        println!("{summary}");
        Ok(self.survived.is_empty() && self.broken.is_empty())
    }
}

/// Every named test must be green before anything is changed. Gives the ones that are not.
fn baseline(tree: &Tree, plan: &[Step], table: &mut Table) -> Result<BTreeSet<String>, String> {
    let mut groups: BTreeMap<(&str, &[String]), Vec<&Step>> = BTreeMap::new();
    for step in plan {
        let key = (step.patch.test.0.as_str(), step.target.as_slice());
        groups.entry(key).or_default().push(step);
    }
    let mut red = BTreeSet::new();
    for ((room, target), steps) in groups {
        let functions: BTreeSet<&str> = steps
            .iter()
            .map(|step| step.patch.test.1.as_str())
            .collect();
        println!(
            "before any change: {room} {} ({} tests)",
            target.join(" "),
            functions.len()
        );
        let ran = run_tests(tree, room, target, &functions)?;
        let mut shown = false;
        for step in steps {
            let function = step.patch.test.1.as_str();
            let mut found = verdict(&ran, function);
            if found.is_none() {
                // A test that ended the process took the ones behind it along.
                let alone = run_tests(tree, room, target, &BTreeSet::from([function]))?;
                found = verdict(&alone, function);
            }
            if found != Some(Verdict::Passed) {
                if !std::mem::replace(&mut shown, true) {
                    println!("{}", ran.text);
                }
                println!("BROKEN    {}: not green before the change", step.label());
                red.insert(step.label());
                table.broken.push(step.patch.name.clone());
            }
        }
    }
    Ok(red)
}

fn judge(tree: &Tree, step: &Step, table: &mut Table) -> Result<(), String> {
    let patch = step.patch;
    let file = tree.root.join(&patch.file);
    let text = read(&file)?;
    write(&file, &patch.apply(&text)?)?;
    let started = Instant::now();
    let functions = BTreeSet::from([patch.test.1.as_str()]);
    let ran = run_tests(tree, &patch.test.0, &step.target, &functions);
    write(&file, &text)?;
    let ran = ran?;
    let (word, list) = match verdict(&ran, &patch.test.1) {
        Some(Verdict::Failed) => ("killed", &mut table.killed),
        Some(Verdict::Passed) => ("SURVIVED", &mut table.survived),
        Some(Verdict::Skipped) | None => ("BROKEN", &mut table.broken),
    };
    list.push(patch.name.clone());
    if word == "BROKEN" {
        println!("{}", ran.text);
    }
    println!(
        "{word:<9} {} by {} ({:.0} s)",
        patch.name,
        step.label(),
        started.elapsed().as_secs_f32()
    );
    Ok(())
}

struct Ran {
    outcomes: Vec<Outcome>,
    text: String,
}

fn verdict(ran: &Ran, function: &str) -> Option<Verdict> {
    let mut runs = ran
        .outcomes
        .iter()
        .filter(|outcome| outcome.function() == function);
    runs.next().map(|outcome| outcome.verdict)
}

fn run_tests(
    tree: &Tree,
    room: &str,
    target: &[String],
    functions: &BTreeSet<&str>,
) -> Result<Ran, String> {
    let output = tree.target.with_extension("output");
    let mut command = cargo();
    command
        .current_dir(&tree.root)
        .env("CARGO_TARGET_DIR", &tree.target)
        .args(["test", "--offline", "--no-fail-fast", "-p", room])
        .args(target)
        .args(["--", "--show-output"])
        .args(functions);
    if let Some(python) = &tree.python {
        command.env("BURGESS_PYTHON", python);
    }
    finish(command, &output)?;
    let text = read(&output)?;
    Ok(Ran {
        outcomes: from_libtest(room, &text),
        text,
    })
}

/// Runs with its output in a file, and ends it when it takes longer than the limit.
fn finish(mut command: Command, output: &Path) -> Result<(), String> {
    let cannot = |error: std::io::Error| format!("cannot run the tests: {error}");
    if let Some(folder) = output.parent() {
        std::fs::create_dir_all(folder).map_err(cannot)?;
    }
    let file = File::create(output).map_err(cannot)?;
    let mut child: Child = command
        .stdin(Stdio::null())
        .stdout(file.try_clone().map_err(cannot)?)
        .stderr(file)
        .process_group(0)
        .spawn()
        .map_err(cannot)?;
    let started = Instant::now();
    while child.try_wait().map_err(cannot)?.is_none() {
        if started.elapsed() > LIMIT {
            end_group(child.id());
            child.wait().map_err(cannot)?;
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// cargo and the test it started are one process group; a test that loops must not outlive its run.
fn end_group(leader: u32) {
    let group = format!("-{leader}");
    let ended = Command::new("kill").args(["-KILL", "--", &group]).status();
    if !ended.is_ok_and(|status| status.success()) {
        println!("note: process group {leader} could not be ended");
    }
}
