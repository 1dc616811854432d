//! Which changes of a charter void an approval: the golden list, field by field.

use burgess_core::charter::{Charter, material_diff};
use burgess_core::digest::Digest;

use crate::sample::{WHOLE, golden, whole};

/// One change per field of the charter, as replacement in the published sample.
const CHANGES: &[(&str, &str, &str)] = &[
    ("app.name", "name = \"Sales quoting\"", "name = \"Quotes\""),
    ("app.purpose", "Turn a basket", "Turn two baskets"),
    ("app.unit", "sales-emea", "sales-apac"),
    ("app.developer", "dana@", "dora@"),
    ("app.owner", "olu@", "ola@"),
    ("app.second_owner", "mei@", "may@"),
    ("app.users (same band)", "users = 45", "users = 46"),
    ("app.users (other band)", "users = 45", "users = 101"),
    (
        "app.environments",
        ", \"staging\", \"production\"]",
        ", \"staging\"]",
    ),
    (
        "app.production_systems",
        "production_systems = true",
        "production_systems = false",
    ),
    (
        "data.classification",
        "classification = \"pii\"",
        "classification = \"phi\"",
    ),
    (
        "data.actions",
        "actions = [\"read\"]",
        "actions = [\"read\", \"export\"]",
    ),
    ("data.purpose", "address the quote", "address the letter"),
    (
        "data (one more)",
        "[[connector]]",
        "[[data]]\nname = \"more\"\nclassification = \"public\"\n[[connector]]",
    ),
    ("connector.id", "id = \"salesforce\"", "id = \"hubspot\""),
    ("connector.methods", "[\"GET\"]", "[\"GET\", \"POST\"]"),
    ("connector.scopes", "quotes:read", "quotes:write"),
    (
        "connector.flows",
        "direction = \"in\"",
        "direction = \"out\"",
    ),
    (
        "connector.hosts",
        "scopes = [\"quotes:read\"]",
        "scopes = [\"quotes:read\"]\nhosts = { production = [\"api.example\"] }",
    ),
    ("third_party.kind", "kind = \"npm\"", "kind = \"pypi\""),
    ("third_party.manifest", "package-lock.json", "yarn.lock"),
    (
        "capabilities.files",
        "access = \"read\"",
        "access = \"write\"",
    ),
    (
        "capabilities.automation",
        "automation = []",
        "automation = [\"shell\"]",
    ),
    ("capabilities.agent", "agent = false", "agent = true"),
    (
        "capabilities.justification",
        "justification = \"\"",
        "justification = \"it writes quotes\"",
    ),
    (
        "limits.requests_per_minute",
        "requests_per_minute = 120",
        "requests_per_minute = 121",
    ),
    (
        "limits.rows_per_day",
        "rows_per_day = 5000",
        "rows_per_day = 5001",
    ),
    ("limits.bytes_per_day", "50MB", "51MB"),
    ("limits.memory", "256MB", "257MB"),
    ("timing.budget", "200ms", "201ms"),
    ("timing.exceedance", "1e-6", "1e-5"),
    ("timing.critical_path", "quote()", "price()"),
    ("support.remediation_sla", "\"5d\"", "\"6d\""),
    ("support.contacts", "#sales-tools", "#sales-help"),
    ("support.failure_modes", "up to 1 h", "up to 2 h"),
    ("retention.label", "sales-3y", "sales-4y"),
    ("retention.days", "days = 1095", "days = 1096"),
    ("version", "version = \"1.2.0\"", "version = \"1.2.1\""),
];

fn changed(from: &str, to: &str) -> Charter {
    assert!(WHOLE.contains(from), "{from}");
    Charter::parse(&WHOLE.replacen(from, to, 1)).unwrap()
}

#[test]
fn the_list_of_material_fields_is_what_it_is() {
    let mut table = String::from("field\tvoids an approval\n");
    for (field, from, to) in CHANGES {
        let changes = material_diff(&whole(), &changed(from, to));
        assert!(!changes.is_empty(), "{field}");
        let material = changes.iter().any(|change| change.material);
        table.push_str(&format!(
            "{field}\t{}\n",
            if material { "yes" } else { "no" }
        ));
    }
    golden("material-fields.tsv", &table);
}

#[test]
fn every_change_of_a_charter_changes_its_digest() {
    let mut digests = vec![whole().digest()];
    for (field, from, to) in CHANGES {
        let digest: Digest = changed(from, to).digest();
        assert!(!digests.contains(&digest), "{field}");
        digests.push(digest);
    }
}

#[test]
fn a_change_says_what_it_was_and_what_it_is() {
    let changes = material_diff(&whole(), &changed("quotes:read", "quotes:write"));
    assert_eq!(changes.len(), 1);
    let change = changes.first().unwrap();
    assert_eq!(change.field, "connector.salesforce.scopes");
    assert_eq!(
        (change.before.as_str(), change.after.as_str()),
        ("[\"quotes:read\"]", "[\"quotes:write\"]")
    );
}

#[test]
fn names_with_dots_do_not_hide_a_change() {
    let base = "[[data]]\nname = \"a.b\"\nclassification = \"public\"\n[[data]]\nname = \"a~1b\"\nclassification = \"public\"\n[[connector]]";
    let old = changed("[[connector]]", base);
    let new = changed("[[connector]]", &base.replacen("public", "phi", 1));
    let changes = material_diff(&old, &new);
    assert_eq!(changes.len(), 1, "{changes:#?}");
}
