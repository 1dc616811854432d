//! n8n rules over small workflows: triggers, code, capabilities, hosts, secrets.

use burgess_inspect::facts::Facts;
use burgess_inspect::{exports, unpack};
use serde_json::{Value, json};

fn facts(nodes: Value) -> Facts {
    let value = json!({"name": "w", "nodes": nodes, "connections": {}});
    exports::inspect(&unpack::file("w.json", value.to_string().into_bytes()).unwrap()).unwrap()
}

fn one(kind: &str, parameters: Value) -> Facts {
    facts(json!([{"type": kind, "parameters": parameters}]))
}

#[test]
fn triggers_are_told_by_kind_time_and_path() {
    for (kind, parameters, expected) in [
        ("manualTrigger", json!({}), json!([{"kind": "manual"}])),
        (
            "webhook",
            json!({"path": "a"}),
            json!([{"kind": "webhook", "method": "GET", "path": "a"}]),
        ),
        (
            "formTrigger",
            json!({"path": "f"}),
            json!([{"kind": "form", "path": "f"}]),
        ),
        ("errorTrigger", json!({}), json!([{"kind": "error"}])),
        (
            "scheduleTrigger",
            json!({"rule": {"interval": [{"field": "minutes", "minutesInterval": 15}]}}),
            json!([{"kind": "schedule", "every": "15 Minute"}]),
        ),
        (
            "scheduleTrigger",
            json!({"rule": {"interval": [{"triggerAtHour": 6}]}}),
            json!([{"kind": "schedule", "every": "1 Day", "at": "06:00"}]),
        ),
        (
            "scheduleTrigger",
            json!({"rule": {"interval": [{"field": "weeks", "triggerAtDay": [1], "triggerAtHour": 8, "triggerAtMinute": 30}]}}),
            json!([{"kind": "schedule", "every": "1 Week", "at": "Monday 08:30"}]),
        ),
        (
            "scheduleTrigger",
            json!({"rule": {"interval": [{"field": "cronExpression", "expression": "0 9 * * *"}]}}),
            json!([{"kind": "schedule", "every": "cron 0 9 * * *"}]),
        ),
        (
            "cron",
            json!({"triggerTimes": {"item": [{"mode": "everyHour"}]}}),
            json!([{"kind": "schedule", "every": "1 Hour"}]),
        ),
        (
            "interval",
            json!({"interval": 10, "unit": "minutes"}),
            json!([{"kind": "schedule", "every": "10 Minute"}]),
        ),
        (
            "githubTrigger",
            json!({"events": ["push", "release"]}),
            json!([{"kind": "event", "connector": "n8n-nodes-base.githubTrigger", "what": "push, release"}]),
        ),
    ] {
        let seen =
            serde_json::to_value(one(&format!("n8n-nodes-base.{kind}"), parameters).triggers)
                .unwrap();
        assert_eq!(seen, expected, "{kind}");
    }
}

#[test]
fn nodes_show_their_code_capabilities_and_kinds_of_data() {
    for (kind, parameters, code, capabilities, hints) in [
        (
            "n8n-nodes-base.executeCommand",
            json!({"command": "/usr/bin/curl -s x"}),
            "shell:curl",
            "exec",
            "",
        ),
        (
            "n8n-nodes-base.ssh",
            json!({"command": "uptime"}),
            "shell:uptime",
            "exec",
            "",
        ),
        (
            "n8n-nodes-base.code",
            json!({"language": "python", "pythonCode": "return []"}),
            "python",
            "",
            "",
        ),
        (
            "n8n-nodes-base.code",
            json!({"jsCode": "return []"}),
            "javascript",
            "",
            "",
        ),
        (
            "n8n-nodes-base.postgres",
            json!({"operation": "executeQuery", "query": "select 1"}),
            "sql",
            "",
            "sql-database",
        ),
        (
            "n8n-nodes-base.postgres",
            json!({"operation": "executeQuery", "query": "=delete from t where a = '{{ $json.a }}'"}),
            "sql",
            "sql-interpolation delete:sql-database",
            "sql-database",
        ),
        (
            "n8n-nodes-base.mySql",
            json!({"operation": "update"}),
            "",
            "write:sql-database",
            "sql-database",
        ),
        ("n8n-nodes-base.gmail", json!({}), "", "send:email", "email"),
        (
            "n8n-nodes-base.gmail",
            json!({"operation": "getAll"}),
            "",
            "",
            "email",
        ),
        (
            "n8n-nodes-base.emailSend",
            json!({}),
            "",
            "send:email",
            "email",
        ),
        (
            "n8n-nodes-base.slack",
            json!({}),
            "",
            "send:chat-message",
            "chat-text",
        ),
        (
            "n8n-nodes-base.telegram",
            json!({}),
            "",
            "send:chat-message",
            "chat-text",
        ),
        (
            "n8n-nodes-base.googleSheets",
            json!({"operation": "append"}),
            "",
            "write:spreadsheet",
            "spreadsheet",
        ),
        (
            "n8n-nodes-base.googleSheets",
            json!({}),
            "",
            "",
            "spreadsheet",
        ),
        (
            "n8n-nodes-base.googleDrive",
            json!({"operation": "deleteFile"}),
            "",
            "delete:file",
            "files",
        ),
        (
            "n8n-nodes-base.readWriteFile",
            json!({"operation": "write"}),
            "",
            "read:file write:file",
            "files",
        ),
        (
            "n8n-nodes-base.salesforce",
            json!({"resource": "lead", "operation": "upsert"}),
            "",
            "write:lead",
            "customer-records",
        ),
        (
            "@n8n/n8n-nodes-langchain.agent",
            json!({}),
            "",
            "ai-model",
            "",
        ),
        (
            "@n8n/n8n-nodes-langchain.lmChatOpenAi",
            json!({}),
            "",
            "ai-model",
            "",
        ),
    ] {
        let seen = one(kind, parameters.clone());
        assert_eq!(seen.code.join(" "), code, "{kind} {parameters}");
        assert_eq!(
            seen.capabilities.join(" "),
            capabilities,
            "{kind} {parameters}"
        );
        assert_eq!(seen.data_hints.join(" "), hints, "{kind} {parameters}");
    }
}

#[test]
fn hosts_come_from_addresses_and_from_what_scripts_call_but_not_from_comments() {
    let seen = facts(json!([
        {"type": "n8n-nodes-base.httpRequest", "parameters": {"url": "=https://api.example.com/{{ $json.id }}"}},
        {"type": "n8n-nodes-base.httpRequest", "parameters": {"url": "={{ $json.next }}"}},
        {"type": "n8n-nodes-base.code", "parameters": {"jsCode": "// https://docs.example.org\nconst a = await fetch('https://b.example/x');\nconst l = require('lodash');"}},
        {"type": "n8n-nodes-base.set", "parameters": {"url": "https://only-data.example"}},
        {"type": "n8n-nodes-base.stickyNote", "parameters": {"content": "https://note.example"}},
    ]));
    assert_eq!(seen.external_hosts, ["api.example.com", "b.example"]);
    assert!(seen.capabilities.contains(&"dynamic-url".to_owned()));
    assert!(seen.packages.contains(&"pkg:npm/lodash".to_owned()));
}

#[test]
fn secrets_are_counted_at_their_place_and_never_shown() {
    let seen = facts(json!([
        {"type": "n8n-nodes-base.httpRequest", "parameters": {"url": "https://a.example", "headerParameters": {"parameters": [
            {"name": "Authorization", "value": "Bearer 0123456789abcdef"}, {"name": "Accept", "value": "application/json"}]}}},
        {"type": "n8n-nodes-base.httpRequest", "parameters": {"url": "https://a.example", "headerParametersJson": "{\"x-api-key\": \"abcdef0123456789\"}"}},
        {"type": "n8n-nodes-base.code", "parameters": {"jsCode": "const key = 'AKIAIOSFODNN7EXAMPLE';"}},
    ]));
    let places: Vec<_> = seen
        .secrets
        .iter()
        .map(|secret| secret.pointer.as_str())
        .collect();
    assert_eq!(
        places,
        [
            "/nodes/0/parameters/headerParameters/parameters/0/value",
            "/nodes/1/parameters/headerParametersJson",
            "/nodes/2/parameters/jsCode"
        ]
    );
    let text = serde_json::to_string(&seen).unwrap();
    assert!(
        !text.contains("0123456789") && !text.contains("AKIA"),
        "{text}"
    );
}

#[test]
fn a_webhook_without_a_check_of_its_caller_is_said_so() {
    assert_eq!(
        one("n8n-nodes-base.webhook", json!({"path": "a"})).auth,
        ["none:webhook"]
    );
    let checked = facts(
        json!([{"type": "n8n-nodes-base.webhook", "parameters": {"authentication": "headerAuth"}, "credentials": {"httpHeaderAuth": {"id": "1"}}}]),
    );
    assert_eq!(checked.auth, ["credential:httpHeaderAuth"]);
    assert_eq!(checked.capabilities, ["listen:http"]);
}
