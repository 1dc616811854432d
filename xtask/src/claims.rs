//! Which test claims which requirement. The form is strict, so that a claim cannot be made by
//! accident: a comment of ids alone (`// R31 R144`) above `#[test]`, other attributes and comments
//! may stand between; in the page smoke above `check("name", …)`.

use crate::outcome::Outcome;

/// Requirement ids run from R1 to this.
pub(crate) const LAST_REQUIREMENT: u16 = 208;

/// A test as it stands in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Test {
    /// The crate, or `web`.
    pub(crate) room: String,
    /// Path from the root.
    pub(crate) file: String,
    pub(crate) function: String,
    pub(crate) ids: Vec<u16>,
}

impl Test {
    /// As it is written in `docs/requirements.tsv`.
    pub(crate) fn label(&self) -> String {
        format!("{}::{}", self.room, self.function)
    }

    /// The path inside the crate's `src` or `tests` folder, without `.rs`, in parts.
    fn parts(&self) -> (bool, Vec<&str>) {
        let inside = self
            .file
            .split_once(&format!("{}/", self.room))
            .map_or("", |(_, rest)| rest);
        let integration = inside.starts_with("tests/");
        let path = inside.split_once('/').map_or("", |(_, rest)| rest);
        let parts = path
            .trim_end_matches(".rs")
            .split('/')
            .filter(|part| !matches!(*part, "mod" | "lib" | "main"))
            .collect();
        (integration, parts)
    }

    /// The runs of this test among `outcomes`: the same crate, the same kind of binary and the same
    /// function; where several modules have one of that name, those of this file's module.
    pub(crate) fn runs<'a>(&self, outcomes: &'a [Outcome]) -> Vec<&'a Outcome> {
        let (integration, parts) = self.parts();
        let same_room = |group: &str| match group.strip_prefix(self.room.as_str()) {
            Some("") => !integration,
            Some(binary) if binary.starts_with("::bin/") => !integration,
            Some(binary) if binary.starts_with("::") => integration,
            _ => false,
        };
        let found: Vec<&Outcome> = outcomes
            .iter()
            .filter(|outcome| same_room(&outcome.group) && outcome.function() == self.function)
            .collect();
        if found.len() < 2 {
            return found;
        }
        let near: Vec<&Outcome> = found
            .iter()
            .copied()
            .filter(|outcome| match (integration, parts.first()) {
                (true, Some(stem)) => outcome.group.ends_with(&format!("::{stem}")),
                _ => outcome.name.starts_with(&format!("{}::", parts.join("::"))),
            })
            .collect();
        if near.is_empty() { found } else { near }
    }

    /// The arguments that make cargo build only the binary this test is in; `has_lib` tells whether
    /// the crate has a library.
    pub(crate) fn cargo_target(
        &self,
        has_lib: bool,
        is_folder_test: impl Fn(&str) -> bool,
    ) -> Vec<String> {
        let (integration, parts) = self.parts();
        match (integration, parts.as_slice()) {
            (true, [stem]) => vec!["--test".to_owned(), (*stem).to_owned()],
            (true, [stem, ..]) if is_folder_test(stem) => {
                vec!["--test".to_owned(), (*stem).to_owned()]
            }
            (true, _) => vec!["--tests".to_owned()],
            (false, ["bin", name, ..]) => vec!["--bin".to_owned(), (*name).to_owned()],
            (false, _) if has_lib => vec!["--lib".to_owned()],
            (false, _) => vec!["--bins".to_owned()],
        }
    }
}

/// Every test of the tree, and what is wrong with the way claims are written.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Scan {
    pub(crate) tests: Vec<Test>,
    pub(crate) complaints: Vec<String>,
}

impl Scan {
    /// Reads one file if tests may stand in it.
    pub(crate) fn file(&mut self, path: &str, text: &str) {
        if let Some(rest) = path.strip_prefix("crates/") {
            if let (Some((room, _)), true) = (rest.split_once('/'), path.ends_with(".rs")) {
                self.lines(room, path, text, Language::Rust);
            }
        } else if path.starts_with("tests/web/") && path.ends_with(".mjs") {
            self.lines("web", path, text, Language::Script);
        }
    }

    fn lines(&mut self, room: &str, path: &str, text: &str, language: Language) {
        let mut above = Above::default();
        // In product code a comment of ids says why something is there; it claims nothing.
        let mut among_tests = !path.contains("/src/");
        for (number, line) in text.lines().map(str::trim).enumerate() {
            let place = format!("{path}:{}", number + 1);
            among_tests |= line.starts_with("#[cfg(test)]");
            match language.read(line, &mut above) {
                Line::Ids(ids) => {
                    above.ids.extend(&ids);
                    above.place = place;
                }
                Line::NearlyIds => above.nearly = Some(place),
                Line::Between => {}
                Line::TestAttribute => above.is_test = true,
                Line::Name(function) if above.is_test || language == Language::Script => {
                    if let Some(nearly) = above.nearly.take() {
                        self.complaints.push(format!(
                            "{nearly}: write the ids alone on their line, as `// R31 R144`"
                        ));
                    }
                    let ids = std::mem::take(&mut above).ids;
                    self.tests.push(Test {
                        room: room.to_owned(),
                        file: path.to_owned(),
                        function,
                        ids,
                    });
                }
                Line::Name(_) | Line::Other => {
                    if among_tests && !above.ids.is_empty() {
                        self.complaints.push(format!(
                            "{}: requirement ids stand above no test",
                            above.place
                        ));
                    }
                    above = Above::default();
                }
            }
        }
    }
}

/// What was read above the test that may follow.
#[derive(Default)]
struct Above {
    ids: Vec<u16>,
    place: String,
    nearly: Option<String>,
    is_test: bool,
    in_attribute: bool,
}

enum Line {
    Ids(Vec<u16>),
    NearlyIds,
    Between,
    TestAttribute,
    Name(String),
    Other,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Language {
    Rust,
    Script,
}

impl Language {
    fn read(self, line: &str, above: &mut Above) -> Line {
        if let Some(comment) = line.strip_prefix("//") {
            return comment_line(comment);
        }
        match self {
            Self::Rust => rust_line(line, above),
            Self::Script => script_line(line),
        }
    }
}

fn comment_line(comment: &str) -> Line {
    let words: Vec<&str> = comment.split_whitespace().collect();
    let ids: Option<Vec<u16>> = words.iter().map(|word| requirement_id(word)).collect();
    match (ids, words.first()) {
        (Some(ids), Some(_)) => Line::Ids(ids),
        (None, Some(first))
            if requirement_id(first.trim_end_matches([',', ':', ';'])).is_some() =>
        {
            Line::NearlyIds
        }
        _ => Line::Between,
    }
}

fn rust_line(line: &str, above: &mut Above) -> Line {
    if above.in_attribute {
        above.in_attribute = !line.ends_with(']');
        return Line::Between;
    }
    if line.starts_with("#[") {
        above.in_attribute = !line.ends_with(']');
        return match line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            true => Line::TestAttribute,
            false => Line::Between,
        };
    }
    let before_body = line.split(['(', '<']).next().unwrap_or("");
    match before_body.rsplit_once("fn ") {
        Some((_, name)) if is_word(name.trim()) => Line::Name(name.trim().to_owned()),
        _ => Line::Other,
    }
}

fn script_line(line: &str) -> Line {
    let call = line.strip_prefix("await ").unwrap_or(line);
    let name = call
        .strip_prefix("check(\"")
        .and_then(|rest| rest.split_once('"'))
        .map(|(name, _)| name.to_owned());
    name.map_or(Line::Other, Line::Name)
}

fn is_word(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// `R31` is 31; what is not a number after `R` is not an id. Range is the caller's business.
fn requirement_id(word: &str) -> Option<u16> {
    let digits = word.strip_prefix('R')?;
    if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Verdict;

    fn scan(path: &str, text: &str) -> Scan {
        let mut scan = Scan::default();
        scan.file(path, text);
        scan
    }

    fn ids(scan: &Scan) -> Vec<(&str, &[u16])> {
        scan.tests
            .iter()
            .map(|test| (test.function.as_str(), test.ids.as_slice()))
            .collect()
    }

    #[test]
    fn ids_above_a_test_are_its_claims() {
        let found = scan(
            "crates/burgess-core/src/risk.rs",
            "// R31 R144\n#[test]\nfn one() {}\n\n#[test]\nfn two() {}\n\n// why\n// R30\n// R29\n\
             #[tokio::test(flavor = \"multi_thread\")]\n#[cfg(unix)]\nasync fn three() {}\n",
        );
        assert_eq!(
            ids(&found),
            [
                ("one", [31, 144].as_slice()),
                ("two", &[]),
                ("three", &[30, 29])
            ]
        );
        assert_eq!(found.complaints, [""; 0]);
    }

    #[test]
    fn ids_above_no_test_and_ids_with_prose_are_complained_about() {
        let found = scan(
            "crates/a/tests/all.rs",
            "// R31\nfn product() {}\n\n// R30: never falls\n#[test]\nfn one() {}\n// R99\n\n#[test]\nfn two() {}\n",
        );
        assert_eq!(found.complaints.len(), 3);
        assert_eq!(ids(&found), [("one", [].as_slice()), ("two", &[])]);
    }

    #[test]
    fn prose_that_names_a_row_in_product_code_is_no_claim() {
        let found = scan(
            "crates/a/src/lib.rs",
            "// R31 says that four things must hold\nfn f() {}\n// R31\nfn g() {}\n",
        );
        assert_eq!(found, Scan::default());
    }

    #[test]
    fn property_tests_and_page_checks_are_seen() {
        let found = scan(
            "crates/a/tests/p.rs",
            "proptest! {\n    // R30\n    #[test]\n    fn rises(a in 0..3) {\n    }\n}\n",
        );
        assert_eq!(ids(&found), [("rises", [30].as_slice())]);
        let page = scan(
            "tests/web/smoke.mjs",
            "// R199\nawait check(\"pages_are_read\", async () => {\n",
        );
        assert_eq!(ids(&page), [("pages_are_read", [199].as_slice())]);
    }

    #[test]
    fn a_test_finds_its_own_run_among_namesakes() {
        let test = |file: &str| Test {
            room: "burgess-core".to_owned(),
            file: file.to_owned(),
            function: "one".to_owned(),
            ids: vec![],
        };
        let run = |group: &str, name: &str| Outcome {
            group: group.to_owned(),
            name: name.to_owned(),
            verdict: Verdict::Passed,
        };
        let outcomes = [
            run("burgess-core", "risk::tests::one"),
            run("burgess-core", "approval::tests::one"),
            run("burgess-core::golden", "one"),
            run("burgess", "risk::tests::one"),
        ];
        let names = |file: &str| -> Vec<String> {
            let found = test(file);
            let runs = found.runs(&outcomes);
            runs.iter()
                .map(|run| format!("{} {}", run.group, run.name))
                .collect()
        };
        assert_eq!(
            names("crates/burgess-core/src/risk.rs"),
            ["burgess-core risk::tests::one"]
        );
        assert_eq!(
            names("crates/burgess-core/tests/golden.rs"),
            ["burgess-core::golden one"]
        );
        assert_eq!(
            test("crates/burgess-core/tests/golden.rs").label(),
            "burgess-core::one"
        );
    }
}
