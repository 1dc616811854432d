//! Findings as SARIF 2.1.0 (OASIS), as code hosts and build pipelines read them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use burgess_core::finding::{Finding, Severity};
use serde_json::{Value, json};

/// One run of one tool with these findings.
pub(super) fn of(findings: &[Finding]) -> Value {
    let mut rules: BTreeMap<&str, &Finding> = BTreeMap::new();
    for finding in findings {
        rules.entry(&finding.rule).or_insert(finding);
    }
    let names: Vec<&str> = rules.keys().copied().collect();
    let described: Vec<Value> = rules
        .iter()
        .map(|(id, first)| json!({ "id": id, "name": pascal(id), "shortDescription": { "text": sentence(id) }, "help": { "text": first.remedy } }))
        .collect();
    let results: Vec<Value> = findings
        .iter()
        .map(|finding| result(finding, &names))
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "Burgess", "semanticVersion": env!("CARGO_PKG_VERSION"), "rules": described } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn result(finding: &Finding, rules: &[&str]) -> Value {
    let mut place = json!({ "artifactLocation": { "uri": uri(&finding.file) } });
    let region = finding.pointer.split_once(':').and_then(|(line, column)| {
        let (line, column): (u32, u32) = (line.parse().ok()?, column.parse().ok()?);
        Some(json!({ "startLine": line, "startColumn": column }))
    });
    if let (Some(region), Some(place)) = (region, place.as_object_mut()) {
        place.insert("region".to_owned(), region);
    }
    json!({
        "ruleId": finding.rule,
        "ruleIndex": rules.iter().position(|rule| *rule == finding.rule),
        "level": match finding.severity {
            Severity::Critical | Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        },
        "message": { "text": format!("{}: {}", finding.message, finding.remedy) },
        "locations": [{ "physicalLocation": place }],
    })
}

/// `sca.no-advisories` as `ScaNoAdvisories`, which SARIF wants for names (§3.49.7).
fn pascal(rule: &str) -> String {
    let mut out = String::new();
    for word in rule.split(['.', '-']) {
        let mut letters = word.chars();
        out.extend(letters.next().map(|c| c.to_ascii_uppercase()));
        out.push_str(letters.as_str());
    }
    out
}

fn sentence(rule: &str) -> &'static str {
    match rule {
        "sca.vulnerable" => "a package has a known vulnerability",
        "sca.unpinned" => "a package has no exact version",
        "sca.unpinned-reference" => "a reference can bring other code tomorrow than today",
        "sca.no-advisories" => "packages were not looked up",
        "sca.not-read" => "a manifest was not read",
        "sca.not-looked-up" => "a package was not looked up",
        _ => "a finding of the static checks",
    }
}

/// A relative reference (RFC 3986): `/` stays, other reserved bytes are encoded.
fn uri(path: &str) -> String {
    let mut out = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _infallible = write!(out, "%{byte:02X}");
        }
    }
    out
}
