//! What a test did, as nextest's JUnit file, libtest's output and the page smoke tell it, and the
//! file in which a run leaves it for `tidy`.

use std::path::Path;

use serde_json::{Value, json};

use crate::workspace::{read, write};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passed,
    Failed,
    Skipped,
}

/// `group` is nextest's binary id (`burgess-core`, `burgess-core::golden`, `burgess::bin/burgess`)
/// or `web`; `name` is the path of the test in it (`risk::tests::…`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) group: String,
    pub(crate) name: String,
    pub(crate) verdict: Verdict,
}

impl Outcome {
    pub(crate) fn function(&self) -> &str {
        self.name.rsplit("::").next().unwrap_or(&self.name)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl Tally {
    pub(crate) fn of(outcomes: &[Outcome]) -> Self {
        let count = |verdict| {
            outcomes
                .iter()
                .filter(|outcome| outcome.verdict == verdict)
                .count()
        };
        Self {
            passed: count(Verdict::Passed),
            failed: count(Verdict::Failed),
            skipped: count(Verdict::Skipped),
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// A test that could not meet its need says so on a line of its own and returns. On one core
/// libtest has put `test NAME ... ` before it.
pub(crate) fn says_skipped(output: &str) -> bool {
    output.lines().any(|line| {
        let said = match line.strip_prefix("test ") {
            Some(rest) => rest.split_once(" ... ").map_or(rest, |(_, said)| said),
            None => line,
        };
        said.trim_start().starts_with("SKIPPED")
    })
}

/// Reads nextest's JUnit file. Text in it is escaped, so tags can be told by their brackets.
pub(crate) fn from_junit(xml: &str) -> Vec<Outcome> {
    xml.split("<testcase ")
        .skip(1)
        .filter_map(|piece| {
            let (attributes, rest) = piece.split_once('>')?;
            let body = match attributes.ends_with('/') {
                true => "",
                false => rest
                    .split_once("</testcase>")
                    .map_or(rest, |(body, _)| body),
            };
            let verdict = if body.contains("<failure") || body.contains("<error") {
                Verdict::Failed
            } else if body.contains("<skipped") || says_skipped(&body.replace('>', ">\n")) {
                Verdict::Skipped
            } else {
                Verdict::Passed
            };
            Some(Outcome {
                group: attribute(attributes, "classname")?,
                name: attribute(attributes, "name")?,
                verdict,
            })
        })
        .collect()
}

fn attribute(attributes: &str, key: &str) -> Option<String> {
    let opening = format!("{key}=\"");
    let (_, rest) = attributes
        .split_once(&format!(" {opening}"))
        .or_else(|| attributes.strip_prefix(&opening).map(|rest| ("", rest)))?;
    let (value, _) = rest.split_once('"')?;
    Some(
        value
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&apos;", "'")
            .replace("&amp;", "&"),
    )
}

/// Reads libtest's human output, run with `--show-output`.
pub(crate) fn from_libtest(group: &str, output: &str) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = output
        .lines()
        .filter_map(|line| {
            let (name, result) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
            let verdict = match result.split([' ', ',']).next()? {
                "ok" => Verdict::Passed,
                "FAILED" => Verdict::Failed,
                "ignored" => Verdict::Skipped,
                _ => return None,
            };
            let name = name.trim_end_matches(" - should panic");
            Some(Outcome {
                group: group.to_owned(),
                name: name.to_owned(),
                verdict,
            })
        })
        .collect();
    for outcome in &mut outcomes {
        let heading = format!("---- {} stdout ----", outcome.name);
        let said = output
            .split_once(&heading)
            .map(|(_, rest)| rest.split("\n---- ").next().unwrap_or(rest))
            .map(|block| block.split("\nsuccesses:").next().unwrap_or(block));
        if outcome.verdict == Verdict::Passed && said.is_some_and(says_skipped) {
            outcome.verdict = Verdict::Skipped;
        }
    }
    outcomes
}

pub(crate) fn to_json(outcomes: &[Outcome]) -> Value {
    outcomes
        .iter()
        .map(|outcome| {
            let verdict = match outcome.verdict {
                Verdict::Passed => "passed",
                Verdict::Failed => "failed",
                Verdict::Skipped => "skipped",
            };
            json!({"group": outcome.group, "name": outcome.name, "outcome": verdict})
        })
        .collect()
}

/// Reads an array of `{group, name, outcome}`; other keys are left alone.
pub(crate) fn from_json(text: &str) -> Result<Vec<Outcome>, String> {
    let rows: Vec<Value> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    rows.iter()
        .map(|row| {
            let field = |key: &str| {
                row.get(key)
                    .and_then(Value::as_str)
                    .map(str::to_owned)
                    .ok_or_else(|| format!("an outcome without `{key}`"))
            };
            let verdict = match field("outcome")?.as_str() {
                "passed" => Verdict::Passed,
                "failed" => Verdict::Failed,
                "skipped" => Verdict::Skipped,
                other => return Err(format!("unknown outcome `{other}`")),
            };
            Ok(Outcome {
                group: field("group")?,
                name: field("name")?,
                verdict,
            })
        })
        .collect()
}

pub(crate) fn save(path: &Path, outcomes: &[Outcome]) -> Result<(), String> {
    write(path, &format!("{:#}\n", to_json(outcomes)))
}

pub(crate) fn load(path: &Path) -> Result<Vec<Outcome>, String> {
    from_json(&read(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(group: &str, name: &str, verdict: Verdict) -> Outcome {
        Outcome {
            group: group.to_owned(),
            name: name.to_owned(),
            verdict,
        }
    }

    #[test]
    fn a_junit_file_tells_passed_failed_and_skipped_apart() {
        let xml = r#"<testsuites><testsuite name="a::bin/b" tests="4">
            <testcase name="m::one" classname="a" time="0.1"/>
            <testcase name="m::two" classname="a" time="0.1"><failure type="x">a &gt; b SKIPPED</failure></testcase>
            <testcase name="m::three" classname="a::t"><system-out>
running 1 test
SKIPPED no samples
</system-out></testcase>
            <testcase name="&lt;four&gt;" classname="a"><system-out>nothing SKIPPED here</system-out></testcase>
        </testsuite></testsuites>"#;
        assert_eq!(
            from_junit(xml),
            [
                row("a", "m::one", Verdict::Passed),
                row("a", "m::two", Verdict::Failed),
                row("a::t", "m::three", Verdict::Skipped),
                row("a", "<four>", Verdict::Passed),
            ]
        );
    }

    #[test]
    fn libtest_output_tells_the_same() {
        let output = "running 4 tests\ntest m::one ... ok\ntest m::two ... FAILED\n\
            test m::three - should panic ... ok\ntest m::four ... ok\n\nsuccesses:\n\n\
            ---- m::four stdout ----\nSKIPPED no samples\n\n\nsuccesses:\n    m::one\n";
        assert_eq!(
            from_libtest("a", output),
            [
                row("a", "m::one", Verdict::Passed),
                row("a", "m::two", Verdict::Failed),
                row("a", "m::three", Verdict::Passed),
                row("a", "m::four", Verdict::Skipped),
            ]
        );
    }

    #[test]
    fn outcomes_survive_their_file() {
        let rows = [
            row("a::b", "c::d", Verdict::Passed),
            row("web", "e", Verdict::Failed),
            row("a", "f", Verdict::Skipped),
        ];
        assert_eq!(from_json(&to_json(&rows).to_string()).unwrap(), rows);
    }
}
