//! What is handed in: real exports from beside the project, and charter and README of our own.

use std::io::{Cursor, Read as _, Write as _};
use std::path::PathBuf;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::house::skipped;

/// An export with what it is known to be.
#[derive(Clone, Debug)]
pub struct Sample {
    pub name: String,
    pub file_name: String,
    pub bytes: Vec<u8>,
    pub expected: Value,
}

/// The real exports of n8n and of Power Automate; empty, loudly, where they are not beside the project.
pub fn all() -> Vec<Sample> {
    let folder =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/lowcode/open");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        skipped("the sample exports are not beside the project");
        return Vec::new();
    };
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    folders
        .into_iter()
        .filter(|path| name(path).starts_with("n8-") || name(path).starts_with("pa-"))
        .map(|path| {
            let export = std::fs::read_dir(&path)
                .unwrap()
                .map(|e| e.unwrap().path())
                .find(|p| !p.ends_with("expected.json"))
                .unwrap();
            let expected = std::fs::read(path.join("expected.json")).unwrap();
            Sample {
                name: name(&path),
                file_name: name(&export),
                bytes: std::fs::read(&export).unwrap(),
                expected: serde_json::from_slice(&expected).unwrap(),
            }
        })
        .collect()
}

/// A workflow of our own, as n8n exports it: it starts by hand and reads a customer.
pub fn own() -> Sample {
    let nodes = json!([
        { "id": "n1", "name": "Start", "type": "n8n-nodes-base.manualTrigger", "typeVersion": 1, "position": [0, 0], "parameters": {} },
        { "id": "n2", "name": "Prepare", "type": "n8n-nodes-base.set", "typeVersion": 3, "position": [200, 0], "parameters": {} }
    ]);
    let workflow = json!({ "name": "Quoting", "nodes": nodes, "connections": { "Start": { "main": [[{ "node": "Prepare", "type": "main", "index": 0 }]] } } });
    Sample {
        name: "own-quoting".to_owned(),
        file_name: "workflow.json".to_owned(),
        bytes: workflow.to_string().into_bytes(),
        expected: json!({ "platform": "n8n", "capabilities": [], "secrets_inline": 0 }),
    }
}

impl Sample {
    /// As the API takes files.
    pub fn file(&self) -> Value {
        json!({ "file_name": self.file_name, "base64": base64::engine::general_purpose::STANDARD.encode(&self.bytes) })
    }

    /// Whether it runs programs of the machine.
    pub fn runs_programs(&self) -> bool {
        self.expected["capabilities"]
            .as_array()
            .unwrap()
            .contains(&json!("exec"))
    }

    pub fn app(&self) -> String {
        format!("microapp-{}", self.name)
    }

    /// The same archive with one more file.
    pub fn with_file(&self, name: &str, text: &str) -> Self {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default();
        for (path, bytes) in [
            (self.file_name.as_str(), self.bytes.as_slice()),
            (name, text.as_bytes()),
        ] {
            zip.start_file(path, options).unwrap();
            zip.write_all(bytes).unwrap();
        }
        Self {
            file_name: "app.zip".to_owned(),
            bytes: zip.finish().unwrap().into_inner(),
            ..self.clone()
        }
    }

    /// The same archive without the strings at these places; `None` where one is not a string of a
    /// JSON file directly inside it.
    pub fn without(&self, secrets: &[(String, String)]) -> Option<Self> {
        let mut old = zip::ZipArchive::new(Cursor::new(self.bytes.clone())).ok()?;
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let mut removed = 0;
        for index in 0..old.len() {
            let mut file = old.by_index(index).ok()?;
            let name = file.name().ok()?.into_owned();
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).ok()?;
            for (_, pointer) in secrets
                .iter()
                .filter(|(path, _)| *path == name.replace('\\', "/"))
            {
                let mut value: Value =
                    serde_json::from_slice(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes))
                        .ok()?;
                removed += 1;
                // A place inside a text that is emptied as a whole is gone with it.
                if secrets
                    .iter()
                    .any(|(_, outer)| pointer.starts_with(&format!("{outer}/")))
                {
                    continue;
                }
                *value.pointer_mut(pointer).filter(|it| it.is_string())? = json!("{}");
                bytes = value.to_string().into_bytes();
            }
            zip.start_file(name, zip::write::SimpleFileOptions::default())
                .ok()?;
            zip.write_all(&bytes).ok()?;
        }
        let bytes = zip.finish().ok()?.into_inner();
        (removed == secrets.len()).then(|| Self {
            bytes,
            ..self.clone()
        })
    }
}

/// A charter for `sample`: it reads customers from the customer system and writes quotes to it.
pub fn charter(sample: &Sample) -> String {
    let capabilities = if sample.runs_programs() {
        "[capabilities]\nautomation = [\"shell\"]\njustification = \"it calls one program of the server to print a label\"\n"
    } else {
        ""
    };
    format!(
        r##"schema = "burgess.charter/1"
id = "{id}"
version = "1.2.0"

[app]
name = "Journey {name}"
purpose = "Turn a basket into a priced quote"
unit = "sales-emea"
developer = "dana@example.com"
owner = "olu@example.com"
second_owner = "mei@example.com"
users = 45
environments = ["sandbox", "staging", "production"]
production_systems = true

[[data]]
name = "customer_record"
classification = "pii"
actions = ["read"]
purpose = "address the quote"

[[data]]
name = "quote"
classification = "internal"
actions = ["create"]
purpose = "the result"

[[connector]]
id = "crm"
methods = ["GET", "POST"]
scopes = ["customers:read", "quotes:write"]
flows = [{{ data = "customer_record", direction = "in" }}, {{ data = "quote", direction = "out" }}]

{capabilities}
[limits]
requests_per_minute = 6000
rows_per_day = 50000
bytes_per_day = "500MB"
memory = "256MB"

[support]
remediation_sla = "5d"
contacts = ["#sales-tools"]
failure_modes = "the work is done by hand"

[retention]
label = "sales-3y"
days = 1095
"##,
        id = sample.app(),
        name = sample.name,
    )
}

/// The README that goes with it.
pub const README: &str = "# Quoting

## Purpose and owner

Turns a basket into a priced quote. Olu Adeyemi answers for it; Mei Tan takes over.

## Data flows

- The app reads one customer from the customer system and posts one quote to it.

## Data sources and classifications

- customer_record: PII
- quote: internal

## External connectors used

The customer system, through the gateway.

## Dependencies

The platform's own nodes. No other packages.

## Test cases

- TC-1: a basket of one item gives a quote of its price
- TC-2: an unknown customer gives an error and no quote

## Retention and backup policy

Quotes are kept for three years under the label `sales-3y`; the export is kept with each version.

## Failure modes

- The customer system does not answer: the price list is used by hand.

## Contact list

- `#sales-tools` in chat
";

/// The sample event that the programme publishes, every key as it stands there.
pub fn published_event() -> Value {
    json!({
        "event_id": "evt_20260118_0001",
        "timestamp": "2026-01-18T14:22:30Z",
        "actor_id": "user-1234",
        "actor_role": "citizen_developer",
        "app_id": "microapp-sales-quoting",
        "version": "1.2.0",
        "environment": "production",
        "action_type": "export",
        "resource_type": "customer_record",
        "resource_id": "cust-9876",
        "data_classification": "PII",
        "outcome": "blocked",
        "error_code": "DLP_BLOCK_42",
        "ip_address": "198.51.100.22",
        "user_agent": "CoworkAgent/1.0",
        "risk_score_at_time": 78,
        "approval_id": "apr_20260110_55"
    })
}
