//! The README lint: required sections, test cases, template.

use std::path::Path;

use burgess_inspect::readme::{self, SECTIONS, Section, TEMPLATE};
use burgess_inspect::{exports, unpack};

fn example(name: &str) -> String {
    std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../examples")
            .join(name),
    )
    .unwrap()
}

/// The README of the example without the section under `heading`.
fn without(heading: &str) -> String {
    let text = example("sales-quoting/README.md");
    let start = text.find(&format!("## {heading}")).unwrap();
    let end = text[start + 3..]
        .find("\n## ")
        .map_or(text.len(), |at| start + 3 + at + 1);
    format!("{}{}", &text[..start], &text[end..])
}

/// Taking a section away, or its body, makes exactly that section missing.
fn required(section: Section, heading: &str) {
    assert_eq!(
        readme::lint(&example("sales-quoting/README.md"), false).missing,
        []
    );
    assert_eq!(readme::lint(&without(heading), false).missing, [section]);
    let empty = format!("{}\n## {heading}\n", without(heading));
    let report = readme::lint(&empty, false);
    assert_eq!(report.missing, [section]);
    assert!(
        report
            .findings
            .iter()
            .all(|finding| finding.blocks() && !finding.remedy.is_empty())
    );
    assert!(
        report.findings[0]
            .remedy
            .contains("empty body counts as missing"),
        "{:?}",
        report.findings
    );
}

// R37
#[test]
fn a_readme_without_data_flows_is_refused() {
    required(Section::DataFlows, "Data flows");
}

// R38
#[test]
fn a_readme_without_dependencies_is_refused() {
    required(Section::Dependencies, "Dependencies");
}

// R39
#[test]
fn a_readme_without_test_cases_is_refused() {
    required(Section::TestCases, "Test cases");
    let none = example("sales-quoting/README.md").replace("- TC-", "TC-");
    let report = readme::lint(&none, false);
    assert_eq!(report.findings[0].rule, "readme.test-cases.none");
}

// R161
#[test]
fn a_readme_without_purpose_and_owner_is_refused() {
    required(Section::Purpose, "Purpose and owner");
}

// R162
#[test]
fn a_readme_without_data_sources_and_classifications_is_refused() {
    required(Section::DataSources, "Data sources and classifications");
}

// R163
#[test]
fn a_readme_without_external_connectors_is_refused() {
    required(Section::Connectors, "External connectors used");
}

// R164
#[test]
fn a_readme_without_retention_and_backup_is_refused() {
    required(Section::Retention, "Retention and backup policy");
}

// R165 R104
#[test]
fn a_readme_without_failure_modes_or_contacts_is_refused() {
    required(Section::FailureModes, "Failure modes");
    required(Section::Contacts, "Contact list");
}

// R103
#[test]
fn acceptable_latency_is_required_only_where_timing_is_declared() {
    let text = example("sales-quoting/README.md");
    assert_eq!(readme::lint(&text, true).missing, [Section::Latency]);
    let with = format!("{text}\n## Response time\n\nA quote within 200 ms.\n");
    assert_eq!(readme::lint(&with, true).missing, []);
}

#[test]
fn every_synonym_of_a_section_counts_and_other_words_do_not() {
    for (heading, section) in [
        ("Overview", Section::Purpose),
        ("What this app does", Section::Purpose),
        ("Flow of data", Section::DataFlows),
        ("Data classification", Section::DataSources),
        ("Integrations", Section::Connectors),
        ("Third-party packages", Section::Dependencies),
        ("Testing", Section::TestCases),
        ("Backups", Section::Retention),
        ("Fallbacks", Section::FailureModes),
        ("Who to call", Section::Contacts),
        ("Performance", Section::Latency),
    ] {
        let report = readme::lint(&format!("## {heading}\n\n- TC-1: some text\n"), true);
        assert!(
            report
                .sections
                .iter()
                .any(|found| found.section == section && found.line == 1),
            "{heading}"
        );
    }
    let report = readme::lint(
        "# Connector test data flow overview\n\ntext\n\n## Latest news\n\ntext\n",
        false,
    );
    assert_eq!(report.sections, []);
}

// R39
#[test]
fn test_cases_are_list_items_rows_or_sub_headings_with_stable_ids() {
    let ids = |text: &str| -> Vec<(String, usize)> {
        readme::lint(text, false)
            .test_cases
            .into_iter()
            .map(|case| (case.id, case.line))
            .collect()
    };
    let case = |id: &str, line| (id.to_owned(), line);
    assert_eq!(
        ids(
            "## Test cases\n\n- tc-1: one\n- An empty basket gives an empty quote\n- tc-1: again\n"
        ),
        [
            case("TC-1", 3),
            case("an-empty-basket-gives-an-empty-quote", 4),
            case("TC-1-2", 5)
        ]
    );
    assert_eq!(
        ids(
            "## Tests\n\n| id | what |\n|---|---|\n| T1 | one |\n| T2 | two |\n\n## Other\n\n- no case\n"
        ),
        [case("T1", 5), case("T2", 6)]
    );
    assert_eq!(
        ids("## Tests\n\n### TC-1: works\n\n1. do this\n2. see that\n\n### TC-2: fails\n\ntext\n"),
        [case("TC-1", 3), case("TC-2", 8)]
    );
    assert_eq!(
        ids("## Tests\n\n### Good days\n\n- TC-1: a\n  - a step\n\n### Bad days\n\n- TC-2: b\n"),
        [case("TC-1", 5), case("TC-2", 10)]
    );
}

// R161 R162 R163 R164 R165
#[test]
fn the_template_passes_when_it_is_filled_in_and_not_before() {
    let report = readme::lint(TEMPLATE, true);
    assert_eq!(report.missing.len(), SECTIONS.len());
    let filled = TEMPLATE.replace("Fill in: ", "Here is ");
    let report = readme::lint(&filled, true);
    assert_eq!(
        (report.missing, report.findings, report.test_cases.len()),
        (vec![], vec![], 1)
    );
}

#[test]
fn the_skeleton_shows_what_the_export_shows_and_is_not_yet_a_readme() {
    let tree = unpack::file(
        "workflow.json",
        example("sales-quoting/workflow.json").into_bytes(),
    )
    .unwrap();
    let text = readme::skeleton(&exports::inspect(&tree).unwrap());
    assert!(text.starts_with("# Sales quoting\n"), "{text}");
    assert!(
        text.contains("the export shows host: env:CRM_URL"),
        "{text}"
    );
    assert_eq!(readme::lint(&text, true).missing.len(), SECTIONS.len());
}

#[test]
fn the_example_of_a_bad_readme_is_refused_with_each_reason() {
    let report = readme::lint(&example("bad-readme/README.md"), false);
    assert_eq!(report.missing.len(), 8, "{:?}", report.missing);
    assert_eq!(report.findings.len(), 9);
    let empty = report
        .findings
        .iter()
        .find(|finding| finding.rule == "readme.section.data-flows")
        .unwrap();
    assert_eq!(empty.pointer, "5:1");
}
