//! `cargo xtask tidy`: what no compiler checks. Requirements are counted from the tests that ran;
//! the rest are habits of the tree that would otherwise be repeated in every review.

use std::path::Path;

use crate::claims::{LAST_REQUIREMENT, Scan};
use crate::outcome::load;
use crate::requirements::{self, prove};
use crate::workspace::{Source, Workspace, write};
use crate::{mutants, workspace};

/// The count of proven rows never falls below this; raise it with every stretch of work.
const PROVEN_ROWS_MIN: usize = 110;

/// Longer files are split along a noun; from the first number on there is a warning.
const LINES_WARN: usize = 500;
const LINES_MAX: usize = 600;
const ARCHITECTURE_LINES_MAX: usize = 300;

const EXPECTED: [&str; 8] = [
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "LICENSE",
    "docs/threat-model.md",
    "docs/decisions",
];

pub(crate) fn run(workspace: &Workspace, update: bool) -> Result<bool, String> {
    let sources = workspace.sources()?;
    let scan = scan(&sources);
    let mut complaints = habits(&sources);
    complaints.extend(
        EXPECTED
            .iter()
            .filter(|path| !workspace.root.join(path).exists())
            .map(|path| format!("{path}: missing")),
    );
    complaints.extend(mutants::check_all(workspace, &scan)?);
    complaints.extend(table_matches(workspace, &scan, update)?);

    let proof = match load(&workspace.outcomes_file()) {
        Ok(outcomes) => prove(&scan, &outcomes),
        Err(why) => {
            complaints.push(format!(
                "no test run to count from ({why}); run `cargo xtask test`"
            ));
            complaints.extend(scan.complaints.iter().cloned());
            prove(&Scan::default(), &[])
        }
    };
    complaints.extend(proof.complaints);
    if proof.proven.len() < PROVEN_ROWS_MIN {
        complaints.push(format!(
            "{} rows proven, {PROVEN_ROWS_MIN} is the floor",
            proof.proven.len()
        ));
    }

    for complaint in &complaints {
        println!("tidy: {complaint}");
    }
    if !proof.open.is_empty() {
        let rows: Vec<String> = proof.open.iter().map(|id| format!("R{id}")).collect();
        println!("left open by skipped tests: {}", rows.join(" "));
    }
    println!(
        "requirements proven: {} of {LAST_REQUIREMENT}",
        proof.proven.len()
    );
    Ok(complaints.is_empty())
}

pub(crate) fn scan(sources: &[Source]) -> Scan {
    let mut scan = Scan::default();
    for source in sources {
        scan.file(&source.path, &source.text);
    }
    scan
}

fn table_matches(
    workspace: &Workspace,
    scan: &Scan,
    update: bool,
) -> Result<Option<String>, String> {
    let wanted = requirements::table(scan);
    let path = workspace.root.join(requirements::FILE);
    if workspace::read(&path).is_ok_and(|found| found == wanted) {
        return Ok(None);
    }
    if update {
        write(&path, &wanted)?;
        println!("{} written", requirements::FILE);
        return Ok(None);
    }
    Ok(Some(format!(
        "{}: not what the tests claim; run `cargo xtask tidy --update`",
        requirements::FILE
    )))
}

fn habits(sources: &[Source]) -> Vec<String> {
    sources.iter().flat_map(complaints).collect()
}

fn complaints(source: &Source) -> Vec<String> {
    let path = source.path.as_str();
    let mut found = Vec::new();
    if path != "Cargo.lock" && path != "LICENSE" {
        found.extend(in_lines(source, &everywhere()));
    }
    if has_extension(path, "rs") {
        found.extend(in_lines(source, &in_rust()));
        found.extend(rust_file(source));
    }
    if has_extension(path, "html") {
        found.extend(template(source));
    }
    if path == "ARCHITECTURE.md" && source.text.lines().count() > ARCHITECTURE_LINES_MAX {
        found.push(format!(
            "{path}: over {ARCHITECTURE_LINES_MAX} lines; say less"
        ));
    }
    found
}

/// What a line must not contain, and why. The needles are put together from halves because this
/// file is searched too.
type Ban = (String, &'static str);

fn everywhere() -> Vec<Ban> {
    let machine = "a path of one machine";
    let registry = "a registry's host; clients know their registries";
    vec![
        (["/wo", "rk/"].concat(), machine),
        (["/ro", "ot/"].concat(), machine),
        (["/tmp/", "t-"].concat(), machine),
        (["TO", "DO"].concat(), "do it, or file an issue"),
        (["FIX", "ME"].concat(), "fix it, or file an issue"),
        (["registry.npm", "js.org"].concat(), registry),
        (["pypi", ".org"].concat(), registry),
        (["python", "hosted.org"].concat(), registry),
        (["index.crates", ".io"].concat(), registry),
        (["static.crates", ".io"].concat(), registry),
        (["deb.debian", ".org"].concat(), registry),
    ]
}

fn in_rust() -> Vec<Ban> {
    let allowed = "use `#[expect(…, reason = \"…\")]`";
    vec![
        (
            ["#[", "ignore"].concat(),
            "a test that does not run proves nothing",
        ),
        (["#[", "allow("].concat(), allowed),
        (["#![", "allow("].concat(), allowed),
    ]
}

/// A test may start itself as its own child process, which alone is left out of a usual run.
const CHILD_PROCESS: &str = "ignore = \"the process that";

fn in_lines(source: &Source, bans: &[Ban]) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in source.text.lines().enumerate() {
        for (needle, why) in bans {
            if line.contains(needle.as_str()) && !line.contains(CHILD_PROCESS) {
                found.push(format!("{}:{}: `{needle}`: {why}", source.path, number + 1));
            }
        }
    }
    found
}

fn rust_file(source: &Source) -> Vec<String> {
    let path = source.path.as_str();
    let is_product = path.starts_with("crates/") && path.contains("/src/");
    if !is_product {
        return Vec::new();
    }
    let mut found = Vec::new();
    if !source.text.starts_with("//!") {
        found.push(format!(
            "{path}: must begin with `//!`: what it is for, what is not here"
        ));
    }
    let lines = source.text.lines().count();
    if lines > LINES_MAX {
        found.push(format!(
            "{path}: {lines} lines, {LINES_MAX} is the limit; split it along a noun"
        ));
    } else if lines > LINES_WARN {
        println!("note: {path}: {lines} lines, soon too long");
    }
    found
}

/// A strict content security policy refuses these in the browser; here they are found earlier.
fn template(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in source.text.lines().enumerate() {
        let mut complain = |what: &str| {
            found.push(format!("{}:{}: {what}", source.path, number + 1));
        };
        for tag in tags(line) {
            if tag.starts_with("<script") && !tag.contains("src=") {
                complain("a script without `src`");
            }
            if tag.contains("javascript:") {
                complain("a `javascript:` address");
            }
            for name in attribute_names(tag) {
                if name == "style" || name.starts_with("on") || name.starts_with("hx-on") {
                    complain(&format!("inline `{name}=`"));
                }
            }
        }
    }
    found
}

/// The tags that begin on this line, up to the next one.
fn tags(line: &str) -> impl Iterator<Item = &str> {
    let begins = line.match_indices('<').map(|(at, _)| at);
    begins.filter_map(|at| line.get(at..)).map(|rest| {
        let end = rest
            .match_indices(['<', '>'])
            .map(|(at, _)| at)
            .find(|at| *at > 0);
        end.and_then(|end| rest.get(..end)).unwrap_or(rest)
    })
}

fn attribute_names(tag: &str) -> impl Iterator<Item = &str> {
    tag.split_whitespace()
        .skip(1)
        .filter_map(|word| word.split_once('=').map(|(name, _)| name))
}

fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path)
        .extension()
        .is_some_and(|found| found == extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        complaints(&Source {
            path: path.to_owned(),
            text: text.to_owned(),
        })
    }

    #[test]
    fn a_clean_file_has_no_complaints() {
        assert_eq!(
            found("crates/a/src/lib.rs", "//! Things.\nfn f() {}\n"),
            [""; 0]
        );
        let page = "<p class=\"one\">on = off</p><script src=\"/a.js\" type=\"module\"></script>";
        assert_eq!(found("crates/burgess/templates/a.html", page), [""; 0]);
    }

    #[test]
    fn each_habit_is_found() {
        let check = |path: &str, text: &str, expected: usize| {
            assert_eq!(found(path, text).len(), expected, "{path}: {text}");
        };
        check("crates/a/src/lib.rs", "fn f() {}\n", 1);
        check(
            "crates/a/src/lib.rs",
            &format!("//! Long.\n{}", "\n".repeat(LINES_MAX)),
            1,
        );
        check("crates/a/tests/t.rs", &["#[", "ignore]\n"].concat(), 1);
        check(
            "crates/a/tests/t.rs",
            &["#[", "allow(dead_code)]\n"].concat(),
            1,
        );
        check("README.md", &["see /wo", "rk/main\n"].concat(), 1);
        check("README.md", &["TO", "DO: write\n"].concat(), 1);
        check("Cargo.lock", &["index.crates", ".io\n"].concat(), 0);
        check(
            "ARCHITECTURE.md",
            &"line\n".repeat(ARCHITECTURE_LINES_MAX + 1),
            1,
        );
    }

    #[test]
    fn a_template_with_inline_code_is_found() {
        let check = |text: &str, expected: usize| {
            let complaints = found("crates/burgess/templates/a.html", text);
            assert_eq!(complaints.len(), expected, "{text}: {complaints:?}");
        };
        check("<p style=\"color: red\">", 1);
        check("<b>x</b><a href=\"#\" onclick=\"f()\">", 1);
        check("<div hx-on:click=\"f()\">", 1);
        check("<script>f()</script>", 1);
        check("<a href=\"javascript:f()\">", 1);
    }
}
