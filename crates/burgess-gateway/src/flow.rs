//! What a call does to data: its action type, the flows of the charter that it falls under, the
//! scopes that it needs, and how many records a body holds.
//!
//! **When a call counts as an export** (data taken out of where it lives):
//! 1. a segment of its path, or a name or value of its query, is or contains as a word one of
//!    `export`, `exports`, `download`, `downloads`, `dump`, `bulk`, `extract`; or
//! 2. its query asks for a table file (`format`, `type`, `output` or `accept` with csv, tsv, xls,
//!    xlsx, parquet or ndjson); or
//! 3. a body holds more than [`EXPORT_RECORDS_MAX`] records and more than that many personal
//!    values were found in it, whatever the path says.
//!
//! Otherwise the HTTP method decides: GET, HEAD and OPTIONS read, POST creates (but reads when the
//! last segment is `search` or `query`, and executes when it is `run`, `execute`, `invoke` or
//! `graphql`), PUT and PATCH update, DELETE deletes.

use std::collections::BTreeSet;

use burgess_core::charter::{Charter, ConnectorUse, DataUse, Direction};
use burgess_core::data::{ActionType, Classification};
use burgess_core::policy::scope_name;
use http::Method;

use crate::route::Route;

/// Records in one body up to which it is a page that a person looks at; common list pages hold 20
/// or 25.
pub const EXPORT_RECORDS_MAX: u64 = 25;

const EXPORT_WORDS: [&str; 7] = [
    "export",
    "exports",
    "download",
    "downloads",
    "dump",
    "bulk",
    "extract",
];
const TABLE_KEYS: [&str; 4] = ["format", "type", "output", "accept"];
const TABLE_FORMATS: [&str; 6] = ["csv", "tsv", "xls", "xlsx", "parquet", "ndjson"];

/// What a call does, by method and address alone.
pub fn action_type(method: &Method, route: &Route) -> ActionType {
    if names_export(route) {
        return ActionType::Export;
    }
    let segments = route.segments();
    let last = segments.last().map_or("", String::as_str);
    match *method {
        Method::GET | Method::HEAD | Method::OPTIONS => ActionType::Read,
        Method::PUT | Method::PATCH => ActionType::Update,
        Method::DELETE => ActionType::Delete,
        _ => match last {
            "search" | "query" => ActionType::Read,
            "run" | "execute" | "invoke" | "graphql" => ActionType::Execute,
            _ => ActionType::Create,
        },
    }
}

/// What a call turns out to do once a body is known: reading much is an export.
pub fn with_volume(action: ActionType, records: u64, personal: u32) -> ActionType {
    let much = records > EXPORT_RECORDS_MAX && u64::from(personal) > EXPORT_RECORDS_MAX;
    if much && action == ActionType::Read {
        ActionType::Export
    } else {
        action
    }
}

fn names_export(route: &Route) -> bool {
    let speaks = |text: &String| words(text).any(|word| EXPORT_WORDS.contains(&word));
    if route.segments().iter().any(speaks) {
        return true;
    }
    route.query_pairs().iter().any(|(name, value)| {
        let table = TABLE_KEYS.contains(&name.as_str()) && TABLE_FORMATS.contains(&value.as_str());
        table || speaks(name) || speaks(value)
    })
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
}

/// The flows of a charter through one connector in one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// Classes of their data.
    pub classes: BTreeSet<Classification>,
    /// Action types declared for their data.
    pub actions: BTreeSet<ActionType>,
}

/// What `charter` lets flow through `connector` in `direction`.
pub fn declared(charter: &Charter, connector: &ConnectorUse, direction: Direction) -> Declared {
    let mut out = Declared::default();
    for flow in connector
        .flows
        .iter()
        .filter(|flow| flow.direction == direction)
    {
        if let Some(data) = charter.data(&flow.data) {
            out.classes.insert(data.classification);
            out.actions.extend(data.actions.iter().copied());
        }
    }
    out
}

/// The data that a call is about: the most sensitive of what flows through the connector.
pub fn subject<'a>(charter: &'a Charter, connector: &ConnectorUse) -> Option<&'a DataUse> {
    connector
        .flows
        .iter()
        .filter_map(|flow| charter.data(&flow.data))
        .max_by_key(|data| data.classification)
}

/// The scope that a call needs, as it stands in an access token.
///
/// Scopes are read as a resource and a verb, as in `quotes:read`, `Mail.Read` or `chat:write`. Of
/// the scopes that catalogue and charter know, the one counts whose resource is a segment of the
/// path; where none is, those of the charter count by their verb. A scope that would be needed and
/// that nobody knows is named all the same, so that the refusal says what is missing.
pub fn required_scopes(
    connector: &ConnectorUse,
    known: &BTreeSet<String>,
    route: &Route,
    action: ActionType,
    granted: &BTreeSet<String>,
) -> BTreeSet<String> {
    let name = |scope: &str| scope_name(&connector.id, scope);
    let all: BTreeSet<&str> = known
        .iter()
        .map(String::as_str)
        .chain(connector.scopes.iter().map(String::as_str))
        .collect();
    if all.is_empty() {
        return BTreeSet::new();
    }
    let segments = route.segments();
    let by_resource: Vec<Scope<'_>> = all
        .into_iter()
        .filter_map(Scope::read)
        .filter(|scope| {
            segments
                .iter()
                .any(|segment| scope.resource.eq_ignore_ascii_case(segment))
        })
        .collect();
    let declared: Vec<Scope<'_>> = connector
        .scopes
        .iter()
        .filter_map(|scope| Scope::read(scope))
        .collect();
    let (candidates, resource) = match by_resource.first() {
        Some(scope) => (&by_resource, scope.resource),
        None => (&declared, "*"),
    };
    if candidates.is_empty() {
        // Scopes that do not say what they allow: all of them are needed.
        return connector.scopes.iter().map(|scope| name(scope)).collect();
    }
    let fitting: Vec<String> = candidates
        .iter()
        .filter(|scope| scope.fits(action))
        .map(|scope| name(scope.text))
        .collect();
    let chosen = fitting
        .iter()
        .find(|scope| granted.contains(*scope))
        .or_else(|| fitting.first());
    let missing = || name(&format!("{resource}:{}", action.as_str()));
    BTreeSet::from([chosen.cloned().unwrap_or_else(missing)])
}

/// A scope that says what it allows.
struct Scope<'a> {
    text: &'a str,
    resource: &'a str,
    verb: String,
}

impl<'a> Scope<'a> {
    fn read(text: &'a str) -> Option<Self> {
        const SEPARATORS: [char; 3] = [':', '.', '/'];
        let (resource, verb) = text.rsplit_once(SEPARATORS)?;
        // Microsoft Graph appends to whom it applies: `Sites.Read.All`.
        let inner = resource
            .rsplit_once(SEPARATORS)
            .filter(|_| verb.eq_ignore_ascii_case("all"));
        let (resource, verb) = inner.unwrap_or((resource, verb));
        let verb = verb.to_ascii_lowercase();
        // `ReadBasic` reads, `ReadWriteAll` reads and writes.
        let stem = ["readwrite", "read"]
            .into_iter()
            .find(|stem| verb.starts_with(stem));
        let verb = stem.map_or(verb, str::to_owned);
        let known = ActionType::ALL
            .into_iter()
            .any(|action| verbs(action).contains(&verb.as_str()));
        known.then_some(Self {
            text,
            resource,
            verb,
        })
    }

    fn fits(&self, action: ActionType) -> bool {
        verbs(action).contains(&self.verb.as_str())
    }
}

/// Verbs of scopes that allow an action. An export reads; whether it may leave is for policy.
const fn verbs(action: ActionType) -> &'static [&'static str] {
    match action {
        ActionType::Read => &["read", "list", "get", "view", "readwrite", "manage", "all"],
        ActionType::Create => &[
            "create",
            "write",
            "add",
            "post",
            "send",
            "readwrite",
            "manage",
            "all",
        ],
        ActionType::Update => &["update", "write", "edit", "readwrite", "manage", "all"],
        ActionType::Delete => &["delete", "write", "readwrite", "manage", "all"],
        ActionType::Execute => &["execute", "run", "write", "readwrite", "manage", "all"],
        ActionType::Export => &[
            "export",
            "read",
            "list",
            "get",
            "view",
            "readwrite",
            "manage",
            "all",
        ],
    }
}

/// How many records a body holds: the members of its largest JSON array, the objects of its JSON
/// lines, or the lines of a table below their head; 1 for anything else that is not empty.
pub fn records(body: &[u8], media_type: &str) -> u64 {
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    if body.is_empty() {
        return 0;
    }
    if let Ok(value) = serde_json::from_slice::<serde_json::Value>(body) {
        return count(largest_array(&value)).max(1);
    }
    let lines = || {
        body.split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
    };
    let json_lines = || lines().all(|line| line.first() == Some(&b'{'));
    if media_type.contains("csv") || media_type.contains("tab-separated") {
        count(lines().count().saturating_sub(1)).max(1)
    } else if media_type.contains("ndjson") || media_type.contains("jsonl") || json_lines() {
        count(lines().count())
    } else {
        1
    }
}

fn largest_array(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Array(items) => items
            .iter()
            .map(largest_array)
            .max()
            .unwrap_or_default()
            .max(items.len()),
        serde_json::Value::Object(map) => map.values().map(largest_array).max().unwrap_or_default(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(target: &str) -> Route {
        Route::parse(&Method::GET, &target.parse().unwrap()).unwrap()
    }

    fn connector(scopes: &[&str]) -> ConnectorUse {
        ConnectorUse {
            id: "crm".to_owned(),
            methods: vec!["GET".to_owned()],
            scopes: scopes.iter().map(|s| (*s).to_owned()).collect(),
            flows: Vec::new(),
            hosts: std::collections::BTreeMap::new(),
        }
    }

    // R112
    #[test]
    fn method_and_address_say_what_a_call_does() {
        let check = |method: Method, target: &str, wanted: ActionType| {
            assert_eq!(
                action_type(&method, &route(target)),
                wanted,
                "{method} {target}"
            );
        };
        check(Method::GET, "/c/crm/customers/7", ActionType::Read);
        check(Method::POST, "/c/crm/customers", ActionType::Create);
        check(Method::POST, "/c/crm/customers/search", ActionType::Read);
        check(Method::POST, "/c/crm/flows/run", ActionType::Execute);
        check(Method::PATCH, "/c/crm/customers/7", ActionType::Update);
        check(Method::DELETE, "/c/crm/customers/7", ActionType::Delete);
        for export in [
            "/c/crm/customers/export",
            "/c/crm/data-dump",
            "/c/crm/x?format=csv",
            "/c/crm/x?Action=bulk",
            "/c/crm/%65xport",
        ] {
            check(Method::GET, export, ActionType::Export);
            check(Method::POST, export, ActionType::Export);
        }
        check(Method::GET, "/c/crm/exporters", ActionType::Read);
    }

    #[test]
    fn reading_many_personal_records_is_an_export() {
        assert_eq!(with_volume(ActionType::Read, 26, 26), ActionType::Export);
        assert_eq!(with_volume(ActionType::Read, 26, 25), ActionType::Read);
        assert_eq!(with_volume(ActionType::Read, 25, 100), ActionType::Read);
        assert_eq!(
            with_volume(ActionType::Update, 500, 500),
            ActionType::Update
        );
    }

    #[test]
    fn records_are_counted_in_json_lines_and_tables() {
        assert_eq!(records(b"", "application/json"), 0);
        assert_eq!(
            records(br#"{"a":{"rows":[{},{},{}]},"b":[1]}"#, "application/json"),
            3
        );
        assert_eq!(records(b"a,b\n1,2\n3,4\n", "text/csv; charset=utf-8"), 2);
        assert_eq!(records(b"{\"a\":1}\n{\"a\":2}\n", "text/plain"), 2);
        assert_eq!(records(b"hello", "text/plain"), 1);
    }

    // R50
    #[test]
    fn a_call_needs_the_scope_that_names_its_resource_and_its_verb() {
        let check = |scopes: &[&str], target: &str, action: ActionType, wanted: &[&str]| {
            let granted = BTreeSet::new();
            let needed = required_scopes(
                &connector(scopes),
                &BTreeSet::new(),
                &route(target),
                action,
                &granted,
            );
            let wanted: BTreeSet<String> = wanted.iter().map(|s| (*s).to_owned()).collect();
            assert_eq!(needed, wanted, "{target}");
        };
        let scopes = ["quotes:read", "orders:write"];
        check(
            &scopes,
            "/c/crm/quotes/7",
            ActionType::Read,
            &["crm/quotes:read"],
        );
        check(
            &scopes,
            "/c/crm/quotes/7",
            ActionType::Delete,
            &["crm/quotes:delete"],
        );
        check(
            &scopes,
            "/c/crm/orders",
            ActionType::Create,
            &["crm/orders:write"],
        );
        check(
            &scopes,
            "/c/crm/other",
            ActionType::Read,
            &["crm/quotes:read"],
        );
        check(
            &["quotes:read"],
            "/c/crm/other",
            ActionType::Delete,
            &["crm/*:delete"],
        );
        check(
            &["Sites.Read.All"],
            "/c/crm/sites/7",
            ActionType::Read,
            &["crm/Sites.Read.All"],
        );
        check(
            &["Sites.Read.All"],
            "/c/crm/sites/7",
            ActionType::Delete,
            &["crm/Sites:delete"],
        );
        check(
            &["User.ReadBasic.All"],
            "/c/crm/user",
            ActionType::Read,
            &["crm/User.ReadBasic.All"],
        );
        check(&["api"], "/c/crm/other", ActionType::Read, &["crm/api"]);
        check(&[], "/c/crm/other", ActionType::Read, &[]);
    }
}
