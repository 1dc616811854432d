//! One mutant: a small change to the product that must turn one named test red. Written as a patch
//! without line numbers or context, so that unrelated edits do not break it:
//!
//! ```text
//! # why: personal data scores fifty
//! # file: crates/burgess-core/src/risk.rs
//! # test: burgess-core pii_alone_scores_fifty_and_goes_to_review
//! # in: fn points
//! -Classification::Pii => 50,
//! +Classification::Pii => 30,
//! ```
//!
//! The `-` lines stand together in the file, compared without their indentation, and exactly once
//! (after the line that contains the text of `# in:`, where that is given: the first such place).

use crate::claims::Test;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Patch {
    pub(crate) name: String,
    pub(crate) file: String,
    /// Crate and function of the test that must turn red.
    pub(crate) test: (String, String),
    inside: Option<String>,
    old: Vec<String>,
    new: Vec<String>,
}

impl Patch {
    pub(crate) fn parse(name: &str, text: &str) -> Result<Self, String> {
        let mut patch = Self {
            name: name.to_owned(),
            file: String::new(),
            test: Default::default(),
            inside: None,
            old: vec![],
            new: vec![],
        };
        let mut why = false;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            if let Some(header) = line.strip_prefix('#') {
                let (key, value) = header
                    .split_once(':')
                    .map(|(key, value)| (key.trim(), value.trim()))
                    .ok_or_else(|| format!("{name}: a header without `:`: `{line}`"))?;
                match key {
                    "why" => why = !value.is_empty(),
                    "file" => patch.file = value.to_owned(),
                    "in" => patch.inside = Some(value.to_owned()),
                    "test" => {
                        let (room, function) = value
                            .split_once(' ')
                            .ok_or_else(|| format!("{name}: `# test:` takes a crate and a test"))?;
                        patch.test = (room.to_owned(), function.trim().to_owned());
                    }
                    other => return Err(format!("{name}: unknown header `{other}`")),
                }
            } else if let Some(old) = line.strip_prefix('-') {
                patch.old.push(old.trim().to_owned());
            } else if let Some(new) = line.strip_prefix('+') {
                patch.new.push(new.trim().to_owned());
            } else {
                return Err(format!(
                    "{name}: a line must begin with `#`, `-` or `+`: `{line}`"
                ));
            }
        }
        let complete =
            why && !patch.file.is_empty() && !patch.test.0.is_empty() && !patch.old.is_empty();
        match complete && patch.old != patch.new {
            true => Ok(patch),
            false => Err(format!(
                "{name}: needs `# why:`, `# file:`, `# test:` and a change"
            )),
        }
    }

    /// The changed text, or why the patch does not apply.
    pub(crate) fn apply(&self, text: &str) -> Result<String, String> {
        let lines: Vec<&str> = text.lines().collect();
        let start = match &self.inside {
            None => 0,
            Some(inside) => lines
                .iter()
                .position(|line| line.contains(inside.as_str()))
                .ok_or_else(|| format!("{}: `{inside}` is not in {}", self.name, self.file))?,
        };
        let mut places = lines
            .windows(self.old.len())
            .enumerate()
            .skip(start)
            .filter(|(_, window)| {
                window
                    .iter()
                    .zip(&self.old)
                    .all(|(line, old)| line.trim() == old)
            })
            .map(|(at, _)| at);
        let at = places.next().ok_or_else(|| {
            format!(
                "{}: `{}` is not in {}",
                self.name,
                self.old.join(" / "),
                self.file
            )
        })?;
        if self.inside.is_none() && places.next().is_some() {
            return Err(format!(
                "{}: `{}` stands more than once in {}; say where with `# in:`",
                self.name,
                self.old.join(" / "),
                self.file
            ));
        }
        let (before, rest) = lines.split_at_checked(at).unwrap_or((&lines, &[]));
        let indent: String = rest
            .first()
            .map(|line| line.chars().take_while(|c| c.is_whitespace()).collect())
            .unwrap_or_default();
        let changed = self.new.iter().map(|line| format!("{indent}{line}"));
        let whole: Vec<String> = before
            .iter()
            .map(|line| (*line).to_owned())
            .chain(changed)
            .chain(
                rest.iter()
                    .skip(self.old.len())
                    .map(|line| (*line).to_owned()),
            )
            .collect();
        Ok(whole.join("\n") + "\n")
    }

    /// The one test it names.
    pub(crate) fn named_test<'a>(&self, tests: &'a [Test]) -> Result<&'a Test, String> {
        let (room, function) = &self.test;
        let mut found = tests
            .iter()
            .filter(|test| &test.room == room && &test.function == function);
        let first = found
            .next()
            .ok_or_else(|| format!("{}: no test `{function}` in {room}", self.name))?;
        match found.next() {
            None => Ok(first),
            Some(_) => Err(format!(
                "{}: more than one test `{function}` in {room}",
                self.name
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# why: it matters\n# file: a.rs\n# test: a one\n-x = 1;\n+x = 2;\n";

    #[test]
    fn a_patch_replaces_its_one_place_and_keeps_the_indentation() {
        let patch = Patch::parse("p", TEXT).unwrap();
        assert_eq!(
            patch.apply("{\n    x = 1;\n}\n").unwrap(),
            "{\n    x = 2;\n}\n"
        );
        assert!(patch.apply("{\n}\n").is_err());
        assert!(patch.apply("x = 1;\nx = 1;\n").is_err());
    }

    #[test]
    fn a_place_can_be_named_and_lines_removed() {
        let text = "# why: y\n# file: a.rs\n# test: a one\n# in: fn b\n-x;\n-y;\n";
        let patch = Patch::parse("p", text).unwrap();
        let source = "fn a\n  x;\n  y;\nfn b\n  x;\n  y;\n  z;\n";
        assert_eq!(
            patch.apply(source).unwrap(),
            "fn a\n  x;\n  y;\nfn b\n  z;\n"
        );
    }

    #[test]
    fn an_incomplete_patch_is_refused() {
        for text in ["", "-a\n+b\n", "# why: y\n# file: f\n-a\n+b\n", "context\n"] {
            assert!(Patch::parse("p", text).is_err(), "{text}");
        }
        assert!(Patch::parse("p", &TEXT.replace("x = 2", "x = 1")).is_err());
    }
}
