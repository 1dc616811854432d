//! Charter drafts: what is known with its source, what is unknown as a question.

use std::path::Path;

use burgess_core::charter::Charter;
use burgess_core::connector::Catalogue;
use burgess_core::data::Classification;
use burgess_inspect::draft::{Given, Lookup, artifact_facts, charter_draft};
use burgess_inspect::facts::{Connectivity, Facts};
use burgess_inspect::{exports, unpack};
use serde_json::{Value, json};

fn facts(value: &Value) -> Facts {
    exports::inspect(&unpack::file("workflow.json", value.to_string().into_bytes()).unwrap())
        .unwrap()
}

fn example() -> Facts {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/sales-quoting/workflow.json");
    exports::inspect(&unpack::file("workflow.json", std::fs::read(path).unwrap()).unwrap()).unwrap()
}

/// A catalogue with one service.
fn slack(name: &str) -> Option<String> {
    (name == "n8n-nodes-base.slack").then(|| "slack".to_owned())
}

const LOOKUP: Lookup<'static> = Lookup {
    by_name: &slack,
    by_host: &|_| None,
};

fn node(kind: &str, parameters: Value) -> Value {
    json!({"type": kind, "parameters": parameters})
}

fn workflow(nodes: Vec<Value>) -> Value {
    json!({"name": "Hostile \"name\"\n[app]", "nodes": nodes, "connections": {}})
}

// R14
#[test]
fn a_draft_fills_in_what_the_export_shows_and_says_where() {
    let text = charter_draft(&example(), &Given::default(), &Lookup::EMPTY);
    let draft: toml::Table = text.parse().unwrap();
    assert_eq!(draft["schema"].as_str(), Some("burgess.charter/1"));
    assert_eq!(draft["id"].as_str(), Some("microapp-sales-quoting"));
    assert_eq!(draft["app"]["name"].as_str(), Some("Sales quoting"));
    assert!(
        text.contains("name = \"Sales quoting\"  # from workflow.json#/name"),
        "{text}"
    );
    assert!(
        text.contains("id = \"crm-url\"  # from workflow.json#/nodes/1/parameters/url"),
        "{text}"
    );
    assert_eq!(
        draft["connector"][0]["methods"].as_array().unwrap().len(),
        2,
        "GET and POST are seen"
    );
    for question in [
        "purpose",
        "unit",
        "owner",
        "second_owner",
        "users",
        "hosts",
        "label",
        "remediation_sla",
    ] {
        assert!(
            text.contains(&format!("# ? {question} = ")),
            "{question} is not asked: {text}"
        );
    }
}

// R14
#[test]
fn a_draft_is_a_charter_before_and_after_its_questions_are_answered() {
    let text = charter_draft(&example(), &Given::default(), &Lookup::EMPTY);
    let draft = Charter::parse(&text).unwrap();
    assert!(!draft.missing().is_empty());
    let text = text
        .replace("# ? ", "")
        .replace("purpose = \"\"", "purpose = \"quotes\"");
    let answered =
        Charter::parse(&text.replace("justification = \"\"", "justification = \"none\"")).unwrap();
    assert_eq!(answered.retention.unwrap().days, 1095);
}

#[test]
fn services_of_the_catalogue_are_named_by_its_ids_and_hosts_become_connectors() {
    let facts = facts(&workflow(vec![
        node("n8n-nodes-base.slack", json!({})),
        node(
            "n8n-nodes-base.httpRequest",
            json!({"url": "https://api.example.com:8443/x", "method": "PUT"}),
        ),
        node("n8n-nodes-base.executeCommand", json!({"command": "ls"})),
    ]));
    let draft: toml::Table = charter_draft(&facts, &Given::default(), &LOOKUP)
        .parse()
        .unwrap();
    let ids: Vec<_> = draft["connector"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["api.example.com-8443", "slack"]);
    assert_eq!(
        draft["connector"][0]["hosts"]["production"][0].as_str(),
        Some("api.example.com:8443")
    );
    assert_eq!(draft["connector"][0]["methods"][0].as_str(), Some("PUT"));
    assert_eq!(
        draft["capabilities"]["automation"][0].as_str(),
        Some("shell")
    );
}

#[test]
fn hostile_names_stay_inside_their_strings() {
    let facts = facts(&workflow(vec![node(
        "n8n-nodes-base.x\n\"]y",
        json!({"url": "https://a.example/\n"}),
    )]));
    let given = Given {
        purpose: Some("a\"\n[app]\nname = 1\u{7f}".to_owned()),
        ..Given::default()
    };
    let draft: toml::Table = charter_draft(&facts, &given, &Lookup::EMPTY)
        .parse()
        .unwrap();
    assert_eq!(
        draft["app"]["name"].as_str(),
        Some("Hostile \"name\" [app]")
    );
}

// R14
#[test]
fn what_the_artifact_shows_counts_for_risk() {
    let shown = example().risk_inputs();
    assert_eq!(
        (
            shown.connectivity,
            shown.third_party_code,
            shown.agent_or_files
        ),
        (Connectivity::ExternalApi, false, false)
    );
    let command = facts(&workflow(vec![node(
        "n8n-nodes-base.executeCommand",
        json!({"command": "ls"}),
    )]))
    .risk_inputs();
    assert!(command.agent_or_files);
    let foreign = facts(&workflow(vec![node("n8n-nodes-acme.thing", json!({}))])).risk_inputs();
    assert!(foreign.third_party_code && foreign.connectivity == Connectivity::SaasConnector);
    let nothing = facts(&workflow(vec![node("n8n-nodes-base.set", json!({}))])).risk_inputs();
    assert_eq!(nothing.connectivity, Connectivity::None);
    let mail = facts(&workflow(vec![node("n8n-nodes-base.gmail", json!({}))])).risk_inputs();
    assert!(mail.classification.is_personal());
}

#[test]
fn evidence_names_connectors_as_the_catalogue_does_and_counts_no_platform_package() {
    let catalogue = Catalogue::built_in().unwrap();
    let by_name = |name: &str| catalogue.find(name).map(|connector| connector.id.clone());
    let by_host = |host: &str| {
        catalogue
            .by_host(host)
            .map(|connector| connector.id.clone())
    };
    let lookup = Lookup {
        by_name: &by_name,
        by_host: &by_host,
    };
    let facts = facts(&workflow(vec![
        node("n8n-nodes-base.gmailTrigger", json!({})),
        node("n8n-nodes-base.slack", json!({})),
        node("n8n-nodes-base.unheardOf", json!({})),
        node("n8n-nodes-base.executeCommand", json!({"command": "ls"})),
    ]));
    let seen = artifact_facts(&facts, &lookup);
    assert_eq!(seen.connectors, ["gmail", "slack"]);
    assert_eq!(seen.unknown_connectors, ["n8n-nodes-base.unheardOf"]);
    assert_eq!(
        (seen.data, seen.third_party_code, seen.packages.len()),
        (Some(Classification::Pii), false, 0)
    );
    assert_eq!(
        seen.external_hosts,
        ["unknown-host"],
        "a command can reach anything"
    );
    // Every catalogue connector that the draft names is one of the catalogue.
    let draft = Charter::parse(&charter_draft(&facts, &Given::default(), &lookup)).unwrap();
    assert!(draft.connector("gmail").is_some() && draft.connector("slack").is_some());
}
