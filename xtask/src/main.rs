//! `cargo xtask`: everything that is done to Burgess rather than by it: test tiers, tidy checks,
//! mutants, golden updates. One file per subcommand; nothing here ships.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a development tool speaks on the terminal"
)]

mod claims;
mod fuzz;
mod golden;
mod mutants;
mod outcome;
mod page;
mod patch;
mod python;
mod requirements;
mod rust_tests;
mod soak;
mod test;
mod tidy;
mod tree;
mod workspace;

use std::process::ExitCode;

use workspace::Workspace;

const USAGE: &str = "\
usage: cargo xtask <command>

  test [--quick] [--install]   every tier: formatting, lints, docs, Rust tests, page smoke, tidy
                               --quick     formatting, lints and Rust tests only
                               --install   install what a tier needs (as root, Debian)
  tidy [--update]              what no compiler checks; --update rewrites docs/requirements.tsv
  mutants [--check] [NAME…]    each patch under tests/mutants must turn its named test red
                               --check     only that each patch applies and its test exists
  soak [--only NAME] [--minutes N]
                               the fault tests of the ledger in their long forms, resumable:
                               goes on where it was stopped, writes docs/reliability/ledger.json
  golden [CRATE…]              run the tests with BURGESS_UPDATE_GOLDEN=1
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match dispatch(&words) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(problem) => {
            eprintln!("xtask: {problem}");
            ExitCode::from(2)
        }
    }
}

/// `Ok(false)` when something was found wrong, an error when the call itself was.
fn dispatch(words: &[&str]) -> Result<bool, String> {
    let Some((command, rest)) = words.split_first() else {
        return Err(format!("no command\n\n{USAGE}"));
    };
    if matches!(*command, "help" | "--help" | "-h") {
        print!("{USAGE}");
        return Ok(true);
    }
    let workspace = Workspace::find()?;
    match *command {
        "test" => {
            let flags = known_flags(rest, &["--quick", "--install"])?;
            test::run(
                &workspace,
                flags.contains(&"--quick"),
                flags.contains(&"--install"),
            )
        }
        "tidy" => {
            let flags = known_flags(rest, &["--update"])?;
            tidy::run(&workspace, flags.contains(&"--update"))
        }
        "mutants" => {
            let (flags, names): (Vec<&str>, Vec<&str>) =
                rest.iter().partition(|word| word.starts_with("--"));
            let flags = known_flags(&flags, &["--check"])?;
            mutants::run(&workspace, &names, flags.contains(&"--check"))
        }
        "soak" => {
            let (only, minutes) = soak_arguments(rest)?;
            soak::run(&workspace, only, minutes)
        }
        "golden" => golden::run(&workspace, rest),
        other => Err(format!("unknown command `{other}`\n\n{USAGE}")),
    }
}

fn soak_arguments<'a>(mut words: &[&'a str]) -> Result<(Option<&'a str>, Option<u64>), String> {
    let (mut only, mut minutes) = (None, None);
    while let [flag, value, rest @ ..] = words {
        match *flag {
            "--only" => only = Some(*value),
            "--minutes" => {
                let number = value.parse();
                minutes = Some(number.map_err(|_| format!("`{value}` is no number of minutes"))?);
            }
            other => return Err(format!("unknown argument `{other}`\n\n{USAGE}")),
        }
        words = rest;
    }
    match words {
        [] => Ok((only, minutes)),
        [word, ..] => Err(format!("`{word}` lacks its value\n\n{USAGE}")),
    }
}

fn known_flags<'a>(words: &[&'a str], known: &[&str]) -> Result<Vec<&'a str>, String> {
    match words.iter().find(|word| !known.contains(word)) {
        Some(word) => Err(format!("unknown argument `{word}`\n\n{USAGE}")),
        None => Ok(words.to_vec()),
    }
}
