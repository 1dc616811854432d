//! The OpenAPI 3.1 document, drawn from one table of routes.

use serde_json::{Map, Value, json};

use super::api::events::PROOF;
use super::api::narrow::{NEAR, NEAR_CASE, SEARCH};
use super::query::Parameter;

/// One operation: method, path, what it does, whether it needs a session, and its body's fields.
pub struct Operation {
    /// get or post.
    pub method: &'static str,
    /// Path with its parameters in braces.
    pub path: &'static str,
    /// What it does.
    pub summary: &'static str,
    /// `session`, `access` (an app's access token), `client` or nothing.
    pub auth: &'static str,
    /// Required fields of the JSON body, each with its JSON type.
    pub body: &'static [(&'static str, &'static str)],
    /// What its query may say.
    pub query: &'static [Parameter],
}

const fn get(path: &'static str, summary: &'static str) -> Operation {
    Operation {
        method: "get",
        path,
        summary,
        auth: "session",
        body: &[],
        query: &[],
    }
}

const fn open(path: &'static str, summary: &'static str) -> Operation {
    Operation {
        method: "get",
        path,
        summary,
        auth: "",
        body: &[],
        query: &[],
    }
}

const fn post(
    path: &'static str,
    summary: &'static str,
    body: &'static [(&'static str, &'static str)],
) -> Operation {
    Operation {
        method: "post",
        path,
        summary,
        auth: "session",
        body,
        query: &[],
    }
}

/// As [`get`], with what its query may say.
const fn search(
    path: &'static str,
    summary: &'static str,
    query: &'static [Parameter],
) -> Operation {
    Operation {
        query,
        ..get(path, summary)
    }
}

/// Every route of the API; a test compares it with the router.
pub const OPERATIONS: &[Operation] = &[
    open("/healthz", "whether the process answers"),
    open("/readyz", "whether it may do governed work"),
    open("/metrics", "figures in the Prometheus text format"),
    open("/api/openapi.json", "this document"),
    open("/api/schemas/event.json", "JSON Schema of an event"),
    open("/api/forms/intake", "the intake form as data"),
    open("/api/rubric", "the risk rubric in force"),
    open("/.well-known/jwks.json", "keys that check access tokens"),
    open(
        "/.well-known/oauth-authorization-server",
        "OAuth 2.0 metadata",
    ),
    Operation {
        method: "post",
        path: "/oauth/token",
        summary: "an access token for a client credential",
        auth: "client",
        body: &[],
        query: &[],
    },
    Operation {
        method: "post",
        path: "/api/v1/session",
        summary: "a session for a one-time link",
        auth: "",
        body: &[("link", "string")],
        query: &[],
    },
    get("/api/v1/me", "who is signed in"),
    post(
        "/api/v1/inspect",
        "what an export is and does",
        &[("file_name", "string"), ("base64", "string")],
    ),
    post(
        "/api/v1/score",
        "score, route and cheapest path of a charter",
        &[("charter", "string")],
    ),
    get("/api/v1/requests", "requests that wait"),
    post(
        "/api/v1/requests",
        "hand in a request",
        &[("charter", "string")],
    ),
    get("/api/v1/requests/{id}", "one request"),
    post(
        "/api/v1/requests/{id}/decisions",
        "decide a request",
        &[("capacity", "string"), ("verdict", "string")],
    ),
    post("/api/v1/requests/{id}/withdraw", "take a request back", &[]),
    get("/api/v1/apps", "the inventory"),
    get("/api/v1/apps/{id}", "one app with everything about it"),
    post(
        "/api/v1/apps/{id}/artifact",
        "attach the app's export",
        &[("file_name", "string"), ("base64", "string")],
    ),
    post(
        "/api/v1/apps/{id}/readme",
        "attach the README",
        &[("text", "string")],
    ),
    post(
        "/api/v1/apps/{id}/tests",
        "record how a test case went",
        &[("case", "string"), ("passed", "boolean")],
    ),
    get("/api/v1/apps/{id}/sbom", "the CycloneDX bill of materials"),
    get(
        "/api/v1/apps/{id}/gate/{environment}",
        "what the gate would say",
    ),
    post(
        "/api/v1/apps/{id}/promote",
        "promote into an environment",
        &[("environment", "string")],
    ),
    post(
        "/api/v1/apps/{id}/rollback",
        "go back to the version before",
        &[("environment", "string")],
    ),
    post(
        "/api/v1/apps/{id}/quarantine",
        "stop everything the app does",
        &[("reason", "string")],
    ),
    post(
        "/api/v1/apps/{id}/release",
        "let a quarantined app go on",
        &[],
    ),
    post(
        "/api/v1/apps/{id}/credentials",
        "make a client credential",
        &[("environment", "string")],
    ),
    post(
        "/api/v1/apps/{id}/retire",
        "retire with the exit checklist",
        &[("lessons", "string")],
    ),
    post(
        "/api/v1/apps/{id}/keep",
        "keep an app that was to retire",
        &[],
    ),
    get("/api/v1/apps/{id}/checklist", "the one-page checklist"),
    post(
        "/api/v1/reviews/{id}/complete",
        "complete a periodic review",
        &[("outcome", "string"), ("note", "string")],
    ),
    get(
        "/api/v1/ledger/shards",
        "shards of the ledger with their keys",
    ),
    get(
        "/api/v1/ledger/retention-policy",
        "the written retention policies, as json or md",
    ),
    get("/api/v1/holds", "legal holds"),
    post(
        "/api/v1/holds",
        "place a legal hold on an app, a shard or a subject",
        &[("kind", "string"), ("of", "string"), ("reason", "string")],
    ),
    post(
        "/api/v1/holds/{hold}/release",
        "release a legal hold",
        &[("reason", "string")],
    ),
    get("/api/v1/erasures", "erasures, by alias"),
    post(
        "/api/v1/erasures",
        "erase a subject's personal values for good, or ask for it",
        &[("subject", "string"), ("reason", "string")],
    ),
    post(
        "/api/v1/erasures/preview",
        "what an erasure would take away",
        &[("subject", "string")],
    ),
    get("/api/v1/datasets", "the dataset registry"),
    post(
        "/api/v1/datasets",
        "register a dataset",
        &[
            ("name", "string"),
            ("classification", "string"),
            ("owner", "string"),
        ],
    ),
    search(
        "/api/v1/events",
        "search the trail, or export what is found",
        SEARCH,
    ),
    search(
        "/api/v1/events/tail",
        "follow the trail (server-sent events)",
        SEARCH,
    ),
    search(
        "/api/v1/events/{id}/incident",
        "one event with its app, approval, data, credential and neighbours",
        NEAR,
    ),
    search(
        "/api/v1/events/{id}/case",
        "a case export of an incident",
        NEAR_CASE,
    ),
    get(
        "/api/v1/trail/completeness",
        "whether the trail of each app is complete",
    ),
    Operation {
        method: "post",
        path: "/api/v1/events",
        summary: "hand in one event or an array",
        auth: "access",
        body: &[],
        query: &[],
    },
    get("/api/v1/events/{id}", "one event"),
    search(
        "/api/v1/events/{id}/receipt",
        "a receipt that verifies offline, or a tlog-proof and the entry's bytes",
        PROOF,
    ),
    Operation {
        method: "post",
        path: "/api/v1/heartbeat",
        summary: "the app is alive",
        auth: "access",
        body: &[],
        query: &[],
    },
    open(
        "/ledger/{shard}/checkpoint",
        "the signed checkpoint (C2SP tlog-checkpoint)",
    ),
    open("/ledger/{shard}/vkey", "the ledger's Ed25519 verifier key"),
    open(
        "/ledger/{shard}/vkeys",
        "every verifier key of the ledger, one a line",
    ),
    open(
        "/ledger/{shard}/witnessed",
        "the newest checkpoint that a quorum of witnesses cosigned",
    ),
    open(
        "/ledger/{shard}/tile/{path}",
        "a tile (C2SP tlog-tiles); bundles of entries need a session with the right to read them",
    ),
];

/// The document.
pub fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for operation in OPERATIONS {
        let entry = paths
            .entry(operation.path.to_owned())
            .or_insert_with(|| json!({}));
        if let Some(entry) = entry.as_object_mut() {
            entry.insert(operation.method.to_owned(), one(operation));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Burgess", "version": env!("CARGO_PKG_VERSION"), "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" } },
        "paths": paths,
        "components": {
            "securitySchemes": {
                "session": { "type": "apiKey", "in": "cookie", "name": "burgess_session" },
                "sessionBearer": { "type": "http", "scheme": "bearer", "description": "a session as `burgess login` keeps it" },
                "access": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "an access token for the resource `burgess`" },
                "client": { "type": "http", "scheme": "basic", "description": "client id and secret" }
            },
            "schemas": { "Problem": problem_schema() }
        }
    })
}

fn one(operation: &Operation) -> Value {
    let in_path = operation
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
    let in_query = operation.query.iter().map(in_query);
    let parameters: Vec<Value> = in_path.chain(in_query).collect();
    let mut it = json!({
        "summary": operation.summary,
        "operationId": operation_id(operation),
        "parameters": parameters,
        "responses": {
            "2XX": { "description": "done" },
            "4XX": { "description": "refused", "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } } },
            "5XX": { "description": "failed", "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } } }
        }
    });
    let security = match operation.auth {
        "session" => json!([{ "session": [] }, { "sessionBearer": [] }]),
        "access" => json!([{ "access": [] }]),
        "client" => json!([{ "client": [] }]),
        _ => json!([]),
    };
    if let Some(object) = it.as_object_mut() {
        object.insert("security".to_owned(), security);
        if !operation.body.is_empty() {
            let properties: Map<String, Value> = operation
                .body
                .iter()
                .map(|(name, kind)| ((*name).to_owned(), json!({ "type": kind })))
                .collect();
            let required: Vec<&str> = operation.body.iter().map(|(name, _)| *name).collect();
            let schema =
                json!({ "type": "object", "properties": properties, "required": required });
            object.insert("requestBody".to_owned(), json!({ "required": true, "content": { "application/json": { "schema": schema } } }));
        }
    }
    it
}

/// Other names are told in words: as parameters of their own they would seem to narrow twice.
fn in_query(parameter: &Parameter) -> Value {
    let about = if parameter.aliases.is_empty() {
        parameter.about.to_owned()
    } else {
        let names = parameter.aliases.join("` or `");
        format!("{}; also as `{names}`", parameter.about)
    };
    json!({ "name": parameter.name, "in": "query", "required": false, "description": about,
        "schema": { "type": parameter.kind } })
}

fn operation_id(operation: &Operation) -> String {
    let words: Vec<String> = operation
        .path
        .split(['/', '.', '-'])
        .filter(|part| !part.is_empty() && *part != "api" && *part != "v1")
        .map(|part| part.trim_matches(['{', '}']).to_owned())
        .collect();
    format!("{}_{}", operation.method, words.join("_"))
}

fn problem_schema() -> Value {
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail", "code"],
        "properties": {
            "type": { "type": "string" }, "title": { "type": "string" }, "status": { "type": "integer" },
            "detail": { "type": "string" }, "code": { "type": "string" },
            "unmet": { "type": "array", "items": { "type": "object", "properties": {
                "control": { "type": "string" }, "reason": { "type": "string" }, "remedy": { "type": "string" } } } }
        }
    })
}
