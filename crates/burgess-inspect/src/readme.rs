//! Whether a README has what reviewers and on-call people need.
//!
//! A section is a heading that the table below knows, with something under it; an empty
//! section counts as missing. Test cases get stable ids, so that each can have a result.
//! Not here: whether what it says is true (facts against claims are the reviewer's page).

mod template;

use burgess_core::finding::{Finding, Severity};
use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

pub use template::{TEMPLATE, skeleton};

/// Longest README that is read: some hundred pages.
pub const README_BYTES_MAX: usize = 1_000_000;
/// Most test cases that are listed.
pub const TEST_CASES_MAX: usize = 1_000;

/// What a README must say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// Purpose and owner (R161).
    Purpose,
    /// Data flows (R37).
    DataFlows,
    /// Data sources and classifications (R162).
    DataSources,
    /// External connectors used (R163).
    Connectors,
    /// Dependencies (R38).
    Dependencies,
    /// Test cases (R39).
    TestCases,
    /// Retention and backup policy (R164).
    Retention,
    /// Failure modes (R165, R104).
    FailureModes,
    /// Contact list (R165).
    Contacts,
    /// Acceptable latency, where timing is declared (R103).
    Latency,
}

/// One section with the headings that count for it.
pub struct SectionRow {
    /// The section.
    pub section: Section,
    /// Its part of a finding's rule, as `data-flows`.
    pub id: &'static str,
    /// Its heading in the template.
    pub heading: &'static str,
    /// Groups of words: a heading counts when it has, for some group, all of its words.
    /// Words are compared in lowercase and by their beginning.
    pub synonyms: &'static [&'static [&'static str]],
    /// What belongs under it, for the remedy.
    pub content: &'static str,
}

/// The sections and the headings that count for each.
pub const SECTIONS: &[SectionRow] = &[
    SectionRow {
        section: Section::Purpose,
        id: "purpose-and-owner",
        heading: "Purpose and owner",
        synonyms: &[
            &["purpose"],
            &["overview"],
            &["what", "does"],
            &["owner"],
            &["about"],
            &["goal"],
        ],
        content: "what the app is for, and who answers for it",
    },
    SectionRow {
        section: Section::DataFlows,
        id: "data-flows",
        heading: "Data flows",
        synonyms: &[
            &["data", "flow"],
            &["dataflow"],
            &["flow", "of", "data"],
            &["data", "movement"],
        ],
        content: "what data goes from where to where",
    },
    SectionRow {
        section: Section::DataSources,
        id: "data-sources",
        heading: "Data sources and classifications",
        synonyms: &[
            &["data", "source"],
            &["data", "classif"],
            &["datasets"],
            &["data", "used"],
            &["classification"],
        ],
        content: "each data source with its classification (public, internal, sensitive, PII, PHI)",
    },
    SectionRow {
        section: Section::Connectors,
        id: "external-connectors",
        heading: "External connectors used",
        synonyms: &[
            &["connector"],
            &["integration"],
            &["external", "service"],
            &["external", "system"],
            &["external", "api"],
        ],
        content: "every service the app reaches, or `none`",
    },
    SectionRow {
        section: Section::Dependencies,
        id: "dependencies",
        heading: "Dependencies",
        synonyms: &[
            &["dependenc"],
            &["requirements"],
            &["packages"],
            &["third", "party"],
        ],
        content: "packages, flows and people it needs, or `none`",
    },
    SectionRow {
        section: Section::TestCases,
        id: "test-cases",
        heading: "Test cases",
        synonyms: &[&["test"], &["acceptance", "criteria"]],
        content: "one list item, table row or sub-heading per test case, as `- TC-1: an empty basket gives an empty quote`",
    },
    SectionRow {
        section: Section::Retention,
        id: "retention-and-backup",
        heading: "Retention and backup policy",
        synonyms: &[&["retention"], &["backup"]],
        content: "how long data is kept, and how it is backed up",
    },
    SectionRow {
        section: Section::FailureModes,
        id: "failure-modes",
        heading: "Failure modes",
        synonyms: &[
            &["failure"],
            &["failing"],
            &["fallback"],
            &["what", "can", "go", "wrong"],
            &["error", "handling"],
        ],
        content: "what can go wrong, and what happens then",
    },
    SectionRow {
        section: Section::Contacts,
        id: "contacts",
        heading: "Contact list",
        synonyms: &[
            &["contact"],
            &["support"],
            &["escalation"],
            &["who", "to", "call"],
        ],
        content: "who is called when it fails, with an address",
    },
    SectionRow {
        section: Section::Latency,
        id: "acceptable-latency",
        heading: "Acceptable latency",
        synonyms: &[
            &["latency"],
            &["response", "time"],
            &["timing"],
            &["performance"],
        ],
        content: "how long an answer may take, as in the charter's timing budget",
    },
];

/// A section that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundSection {
    /// Which.
    pub section: Section,
    /// Line of its heading, from 1.
    pub line: usize,
}

/// One test case of the README, to which a result can be attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestCase {
    /// The id it was given (`TC-1`), or a slug of its title.
    pub id: String,
    /// Its text.
    pub title: String,
    /// Its line, from 1.
    pub line: usize,
}

/// What the lint saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadmeReport {
    /// Sections with content.
    pub sections: Vec<FoundSection>,
    /// Sections that are required and missing or empty.
    pub missing: Vec<Section>,
    /// The test cases, with ids that do not repeat.
    pub test_cases: Vec<TestCase>,
    /// The same for people; all of severity error.
    pub findings: Vec<Finding>,
}

/// Lints a README. `timing_declared` says whether the charter has a timing budget, which
/// makes acceptable latency required.
pub fn lint(markdown: &str, timing_declared: bool) -> ReadmeReport {
    if markdown.len() > README_BYTES_MAX {
        return too_long();
    }
    let headings = headings(markdown);
    let mut report = ReadmeReport {
        sections: Vec::new(),
        missing: Vec::new(),
        test_cases: Vec::new(),
        findings: Vec::new(),
    };
    report.test_cases = test_cases(markdown, &headings);
    for row in SECTIONS {
        let required = row.section != Section::Latency || timing_declared;
        let matching: Vec<&Heading> = headings
            .iter()
            .filter(|heading| counts_for(row, &heading.title))
            .collect();
        if let Some(heading) = matching.iter().find(|heading| {
            // Sub-headings alone are a body where each is a test case.
            heading.filled || (row.section == Section::TestCases && !report.test_cases.is_empty())
        }) {
            report.sections.push(FoundSection {
                section: row.section,
                line: heading.line,
            });
        } else if required {
            report.missing.push(row.section);
            report
                .findings
                .push(missing(row, matching.first().copied()));
        }
    }
    let tests_missing = report.missing.contains(&Section::TestCases);
    if report.test_cases.is_empty() && !tests_missing {
        report.findings.push(no_test_case(&report));
    }
    report
}

/// A heading with what stands under it.
struct Heading {
    title: String,
    level: HeadingLevel,
    line: usize,
    /// Where its body begins and ends, sub-headings included.
    start: usize,
    end: usize,
    filled: bool,
}

fn parser(markdown: &str) -> pulldown_cmark::OffsetIter<'_> {
    Parser::new_ext(markdown, Options::ENABLE_TABLES | Options::ENABLE_TASKLISTS).into_offset_iter()
}

fn headings(markdown: &str) -> Vec<Heading> {
    let lines = Lines::of(markdown);
    let mut out: Vec<Heading> = Vec::new();
    let mut in_heading = false;
    let mut in_table_head = false;
    let mut block = String::new();
    for (event, range) in parser(markdown) {
        match event {
            Event::Start(Tag::Heading { level, .. }) => {
                fill(&mut out, &mut block);
                for earlier in out
                    .iter_mut()
                    .filter(|h| h.end == usize::MAX && h.level >= level)
                {
                    earlier.end = range.start;
                }
                in_heading = true;
                let line = lines.line(range.start);
                out.push(Heading {
                    title: String::new(),
                    level,
                    line,
                    start: range.end,
                    end: usize::MAX,
                    filled: false,
                });
            }
            Event::End(TagEnd::Heading(_)) => in_heading = false,
            Event::Start(Tag::TableHead) => in_table_head = true,
            Event::End(TagEnd::TableHead) => in_table_head = false,
            Event::Start(Tag::Item)
            | Event::End(
                TagEnd::Paragraph | TagEnd::Item | TagEnd::TableCell | TagEnd::CodeBlock,
            ) => {
                fill(&mut out, &mut block);
            }
            Event::Text(text) | Event::Code(text) if in_heading => {
                if let Some(heading) = out.last_mut() {
                    heading.title.push_str(&text);
                }
            }
            Event::Text(text) | Event::Code(text) if !in_table_head => block.push_str(&text),
            _ => {}
        }
    }
    fill(&mut out, &mut block);
    for heading in out.iter_mut().filter(|h| h.end == usize::MAX) {
        heading.end = markdown.len();
    }
    // The document's title is no section, or its whole text would stand under it.
    let titles = out.iter().filter(|h| h.level == HeadingLevel::H1).count();
    if titles == 1 && out.first().is_some_and(|h| h.level == HeadingLevel::H1) {
        out.remove(0);
    }
    out
}

/// The block of text fills every open heading, unless it says nothing.
fn fill(headings: &mut [Heading], block: &mut String) {
    if block.chars().any(char::is_alphanumeric) && !is_unfilled(block) {
        for heading in headings.iter_mut().filter(|h| h.end == usize::MAX) {
            heading.filled = true;
        }
    }
    block.clear();
}

/// What the template leaves to be filled in says nothing yet.
fn is_unfilled(text: &str) -> bool {
    let text = text.trim().to_ascii_lowercase();
    text.starts_with("todo") || text.starts_with("tbd") || text.starts_with("fill in:")
}

fn counts_for(row: &SectionRow, title: &str) -> bool {
    let title = title.to_lowercase();
    let words: Vec<&str> = title
        .split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty())
        .collect();
    row.synonyms.iter().any(|group| {
        group
            .iter()
            .all(|part| words.iter().any(|word| word.starts_with(part)))
    })
}

fn missing(row: &SectionRow, empty: Option<&Heading>) -> Finding {
    let (pointer, message, remedy) = match empty {
        Some(heading) => (
            format!("{}:1", heading.line),
            format!(
                "The section “{}” has nothing under it.",
                heading.title.trim()
            ),
            format!(
                "Write under it: {}. A heading with an empty body counts as missing.",
                row.content
            ),
        ),
        None => (
            String::new(),
            format!("The README has no section “{}”.", row.heading),
            format!(
                "Add a heading “{}” and write under it: {}.",
                row.heading, row.content
            ),
        ),
    };
    Finding {
        rule: format!("readme.section.{}", row.id),
        severity: Severity::Error,
        file: "README.md".to_owned(),
        pointer,
        message,
        remedy,
    }
}

fn no_test_case(report: &ReadmeReport) -> Finding {
    let line = report
        .sections
        .iter()
        .find(|s| s.section == Section::TestCases)
        .map_or(1, |s| s.line);
    Finding {
        rule: "readme.test-cases.none".to_owned(),
        severity: Severity::Error,
        file: "README.md".to_owned(),
        pointer: format!("{line}:1"),
        message: "The section on test cases lists none.".to_owned(),
        remedy: "Write one list item, table row or sub-heading per test case, as “- TC-1: an empty basket gives an empty quote”.".to_owned(),
    }
}

fn too_long() -> ReadmeReport {
    let finding = Finding {
        rule: "readme.too-long".to_owned(),
        severity: Severity::Error,
        file: "README.md".to_owned(),
        pointer: String::new(),
        message: format!("The README is longer than {README_BYTES_MAX} bytes and was not read."),
        remedy: "Keep what reviewers need, and link the rest.".to_owned(),
    };
    ReadmeReport {
        sections: Vec::new(),
        missing: SECTIONS.iter().map(|row| row.section).collect(),
        test_cases: Vec::new(),
        findings: vec![finding],
    }
}

/// What a test case was written as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Item,
    Row,
    SubHeading,
}

/// List items, table rows and sub-headings under the sections on test cases.
fn test_cases(markdown: &str, headings: &[Heading]) -> Vec<TestCase> {
    let row = SECTIONS
        .iter()
        .find(|row| row.section == Section::TestCases);
    let under: Vec<&Heading> = headings
        .iter()
        .filter(|h| row.is_some_and(|row| counts_for(row, &h.title)))
        .collect();
    let lines = Lines::of(markdown);
    let mut seen: Vec<(Form, String, usize)> = Vec::new();
    let mut title = String::new();
    let mut depth = 0u32;
    let mut started = 0usize;
    let inside = |at: usize| under.iter().any(|h| at >= h.start && at < h.end);
    for (event, range) in parser(markdown) {
        match event {
            Event::Start(Tag::Item | Tag::TableRow | Tag::Heading { .. })
                if inside(range.start) =>
            {
                if depth == 0 {
                    title.clear();
                    started = range.start;
                }
                depth = depth.saturating_add(1);
            }
            Event::End(end @ (TagEnd::Item | TagEnd::TableRow | TagEnd::Heading(_)))
                if inside(range.start) =>
            {
                depth = depth.saturating_sub(1);
                if depth == 0 && seen.len() < TEST_CASES_MAX {
                    let form = match end {
                        TagEnd::Item => Form::Item,
                        TagEnd::TableRow => Form::Row,
                        _ => Form::SubHeading,
                    };
                    seen.push((form, title.clone(), lines.line(started)));
                }
            }
            Event::Text(text) | Event::Code(text) if depth > 0 => title.push_str(&text),
            Event::SoftBreak | Event::HardBreak | Event::End(TagEnd::TableCell) if depth > 0 => {
                title.push(' ')
            }
            _ => {}
        }
    }
    let mut out = Vec::new();
    let form = chosen(&seen);
    for (_, title, line) in seen
        .into_iter()
        .filter(|(f, ..)| (*f == Form::SubHeading) == (form == Form::SubHeading))
    {
        push_case(&mut out, &title, line);
    }
    out
}

/// Sub-headings with ids are the test cases, and the lists under them their steps.
/// Otherwise sub-headings only group, unless there is nothing else.
fn chosen(seen: &[(Form, String, usize)]) -> Form {
    let sub_headings: Vec<_> = seen
        .iter()
        .filter(|(form, ..)| *form == Form::SubHeading)
        .collect();
    let numbered = sub_headings
        .iter()
        .any(|(_, title, _)| explicit_id(title.trim()).is_some());
    if numbered || sub_headings.len() == seen.len() {
        Form::SubHeading
    } else {
        Form::Item
    }
}

fn push_case(out: &mut Vec<TestCase>, title: &str, line: usize) {
    let title: String = title
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(300)
        .collect();
    if !title.chars().any(char::is_alphanumeric) || is_unfilled(&title) {
        return;
    }
    let wanted = explicit_id(&title).unwrap_or_else(|| slug(&title));
    let mut id = wanted.clone();
    let mut number = 2u32;
    while out.iter().any(|case| case.id == id) {
        id = format!("{wanted}-{number}");
        number = number.saturating_add(1);
    }
    out.push(TestCase { id, title, line });
}

/// An id that the author gave: `TC-1`, `T1`, `TEST-07` and the like before the text.
fn explicit_id(title: &str) -> Option<String> {
    let first = title.split([' ', ':', '.', ')']).next()?;
    let letters = first.bytes().take_while(u8::is_ascii_alphabetic).count();
    let rest = first.get(letters..)?.trim_start_matches(['-', '_', '#']);
    let numbered = !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit());
    ((1..=5).contains(&letters) && numbered).then(|| first.to_ascii_uppercase())
}

/// The title in lowercase letters, digits and `-`, 48 of them at most.
fn slug(title: &str) -> String {
    let mut out = String::new();
    for word in title
        .to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty())
    {
        if out.chars().count().saturating_add(word.chars().count()) > 48 && !out.is_empty() {
            break;
        }
        if !out.is_empty() {
            out.push('-');
        }
        out.extend(word.chars().take(48));
    }
    out
}

/// Where lines begin, to turn byte offsets into line numbers.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    fn line(&self, offset: usize) -> usize {
        self.0
            .partition_point(|end| *end < offset)
            .saturating_add(1)
    }
}
