//! Reading, writing and digesting charters.

use burgess_core::charter::{Charter, CharterErrors, SCHEMA};
use burgess_core::digest::Digest;
use burgess_core::limits::CHARTER_BYTES_MAX;
use proptest::prelude::*;

use crate::sample::{SMALL, WHOLE, golden, small, whole};

fn errors(text: &str) -> CharterErrors {
    Charter::parse(text).unwrap_err()
}

/// Replaces `from` in the whole sample and checks the one error that follows.
fn check(from: &str, to: &str, place: (usize, usize), key: &str, nearest: Option<&str>) {
    assert!(WHOLE.contains(from), "{from}");
    let found = errors(&WHOLE.replacen(from, to, 1)).0;
    assert_eq!(found.len(), 1, "{found:#?}");
    let found = found.first().unwrap();
    assert_eq!((found.line, found.column), place, "{found}");
    assert_eq!(found.key, key, "{found}");
    assert_eq!(found.nearest.as_deref(), nearest, "{found}");
}

fn line_of(text: &str) -> usize {
    WHOLE.lines().position(|line| line.contains(text)).unwrap() + 1
}

#[test]
fn the_published_charter_reads_as_it_stands() {
    let charter = whole();
    assert_eq!(charter.id.as_str(), "microapp-sales-quoting");
    assert_eq!(charter.app.users, Some(45));
    assert_eq!(charter.connector.len(), 1);
    assert_eq!(charter.limits.bytes_per_day.as_bytes(), 50_000_000);
    assert!(charter.missing().iter().all(|missing| {
        // The published example declares files and leaves the justification empty.
        missing.field == "capabilities.justification"
    }));
}

#[test]
fn an_unknown_key_is_an_error_with_its_place_and_the_nearest_spelling() {
    check(
        "purpose = \"Turn",
        "porpose = \"Turn",
        (line_of("purpose = \"Turn"), 1),
        "app.porpose",
        Some("purpose"),
    );
    check(
        "[limits]",
        "[limit]",
        (line_of("[limits]"), 2),
        "limit",
        Some("limits"),
    );
}

// R24
#[test]
fn a_class_that_is_none_of_the_five_is_an_error_with_the_nearest_one() {
    let line = line_of("classification = ");
    check(
        "\"pii\"  ",
        "\"pi\"  ",
        (line, 18),
        "data[0].classification",
        Some("pii"),
    );
    assert!(Charter::parse(&WHOLE.replacen("\"pii\"", "\"PII\"", 1)).is_ok());
    assert!(Charter::parse(&WHOLE.replacen("\"pii\"", "\"none\"", 1)).is_err());
}

// R3
#[test]
fn data_without_a_class_cannot_be_read() {
    let text = SMALL.replace("classification = \"internal\"\n", "");
    let found = errors(&text);
    assert!(
        found.to_string().contains("data[0].classification"),
        "{found}"
    );
}

#[test]
fn all_errors_are_reported_at_once_in_the_order_of_the_file() {
    let text = WHOLE
        .replacen("version = \"1.2.0\"", "version = 12", 1)
        .replacen("users = 45", "users = -45", 1)
        .replacen("methods = [\"GET\"]", "methods = [\"FETCH\"]", 1)
        .replacen("budget = \"200ms\"", "budget = \"soon\"", 1)
        .replacen("[retention]", "[retentions]", 1);
    let found = errors(&text).0;
    assert_eq!(found.len(), 5, "{found:#?}");
    assert!(found.is_sorted_by_key(|error| error.line));
}

#[test]
fn broken_toml_and_bytes_that_are_no_text_are_errors_with_line_and_column() {
    let found = errors("schema = \"burgess.charter/1\"\nid = \n").0;
    assert_eq!(found.first().unwrap().line, 2);
    let mut bytes = b"schema = \"burgess.charter/1\"\nid = \"".to_vec();
    bytes.extend([0xff, 0xfe]);
    let found = Charter::parse_bytes(&bytes).unwrap_err().0;
    let first = found.first().unwrap();
    assert_eq!((first.line, first.column), (2, 7), "{first}");
}

#[test]
fn a_charter_of_ten_megabytes_is_refused_without_reading_it() {
    let text = "#".repeat(10_000_000);
    let found = errors(&text).to_string();
    assert!(found.contains("10000000 bytes"), "{found}");
    let text = format!(
        "{SMALL}#{}",
        " ".repeat(CHARTER_BYTES_MAX - SMALL.len() - 1)
    );
    assert!(Charter::parse(&text).is_ok());
}

#[test]
fn hostile_nesting_and_endless_lists_end_in_errors() {
    assert!(Charter::parse(&format!("id = {}", "[".repeat(100_000))).is_err());
    assert!(Charter::parse(&format!("a{} = 1", ".a".repeat(100_000))).is_err());
    let hosts = "\"a\",".repeat(2_000);
    let text = WHOLE.replacen(
        "scopes = [\"quotes:read\"]",
        &format!("scopes = [{hosts}]"),
        1,
    );
    assert!(errors(&text).to_string().contains("too many"));
}

#[test]
fn a_hundred_errors_are_kept_of_a_file_that_has_many_more() {
    let wrong: String = (0..5_000).map(|n| format!("key{n} = {n}\n")).collect();
    assert_eq!(errors(&wrong).0.len(), 100);
    let broken = "= 1\n".repeat(5_000);
    assert_eq!(errors(&broken).0.len(), 100);
}

#[test]
fn a_flow_names_data_that_is_declared() {
    let text = WHOLE.replacen(
        "data = \"customer_record\", direction",
        "data = \"customer_records\", direction",
        1,
    );
    let found = errors(&text).0;
    assert_eq!(
        found.first().unwrap().nearest.as_deref(),
        Some("customer_record")
    );
}

// R86 R87 R88
#[test]
fn the_manifest_takes_only_files_hosts_and_automation_of_a_known_shape() {
    for (from, to) in [
        ("path = \"~/Quotes\"", "path = \"~/Quotes/../.ssh\""),
        ("path = \"~/Quotes\"", "path = \"Quotes\""),
        ("access = \"read\"", "access = \"all\""),
        ("automation = []", "automation = [\"everything\"]"),
        (
            "automation = []",
            "automation = [\"mcp:files/read@latest\"]",
        ),
        (
            "scopes = [\"quotes:read\"]",
            "hosts = { production = [\"*\"] }",
        ),
        (
            "scopes = [\"quotes:read\"]",
            "hosts = { production = [\"https://api.example\"] }",
        ),
        (
            "scopes = [\"quotes:read\"]",
            "hosts = { everywhere = [\"api.example\"] }",
        ),
    ] {
        assert!(WHOLE.contains(from), "{from}");
        assert!(
            Charter::parse(&WHOLE.replacen(from, to, 1)).is_err(),
            "{to}"
        );
    }
    let mcp = format!("automation = [\"mcp:files/read@{}\"]", Digest::of(b"tool"));
    let charter = Charter::parse(&WHOLE.replacen("automation = []", &mcp, 1)).unwrap();
    assert_eq!(charter.capabilities.automation.len(), 1);
}

// R97 R99
#[test]
fn a_timing_budget_and_its_critical_path_are_fields_of_the_charter() {
    let timing = whole().timing.unwrap();
    assert_eq!(timing.budget.as_nanoseconds(), 200_000_000);
    assert_eq!(timing.critical_path, "quote()");
    assert!(Charter::parse(&WHOLE.replacen("budget = \"200ms\"", "", 1)).is_err());
    assert!(Charter::parse(&WHOLE.replacen("exceedance = 1e-6", "exceedance = 1.5", 1)).is_err());
}

#[test]
fn the_digest_covers_the_schema_line_and_the_canonical_json() {
    let charter = whole();
    golden(
        "charter-canonical.json",
        &format!("{}\n", charter.canonical()),
    );
    let bytes = format!("{SCHEMA}\n{}", charter.canonical());
    assert_eq!(charter.digest(), Digest::of(bytes.as_bytes()));
}

#[test]
fn neither_order_nor_defaults_written_out_change_the_digest() {
    let text = SMALL
        .replace(
            "environments = [\"sandbox\"]",
            "production_systems = false\nenvironments = [\"sandbox\", \"sandbox\"]",
        )
        .replace(
            "[support]",
            "[limits]\nrequests_per_minute = 60\nmemory = \"256MB\"\n[support]\ncontacts = []",
        );
    assert_eq!(Charter::parse(&text).unwrap().digest(), small().digest());
    let (head, tables) = SMALL.split_once("\n[app]").unwrap();
    let (app, rest) = tables.split_once("\n[[data]]").unwrap();
    let turned = format!("{head}\n[[data]]{rest}\n[app]{app}");
    assert_eq!(Charter::parse(&turned).unwrap().digest(), small().digest());
}

#[test]
fn a_stored_charter_reads_back_from_json() {
    let charter = whole();
    let json = serde_json::to_string(&charter).unwrap();
    assert_eq!(serde_json::from_str::<Charter>(&json).unwrap(), charter);
}

/// Charters in their TOML form, made of parts that may or may not be there.
fn any_charter() -> impl Strategy<Value = Charter> {
    let text = "[ -~äß€\n\t]{0,20}";
    let part = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (
        text,
        text,
        any::<u32>(),
        part,
        proptest::sample::subsequence(vec!["read", "create", "export", "delete"], 0..4),
        1u64..u64::MAX / 2,
    )
        .prop_map(
            |(purpose, modes, users, (timing, production, agent, keep), actions, budget)| {
                let mut charter = whole();
                charter.app.purpose = purpose;
                charter.app.users = Some(users);
                charter.app.production_systems = production;
                charter.support.failure_modes = modes;
                charter.capabilities.agent = agent;
                if let Some(data) = charter.data.first_mut() {
                    data.actions = actions
                        .into_iter()
                        .map(|a| burgess_core::data::ActionType::parse(a).unwrap())
                        .collect();
                }
                match &mut charter.timing {
                    Some(set) if timing => {
                        set.budget = burgess_core::charter::Budget::nanoseconds(budget)
                    }
                    place => *place = None,
                }
                if !keep {
                    charter.retention = None;
                }
                charter
            },
        )
}

proptest! {
    #[test]
    fn what_is_written_as_toml_reads_back_as_the_same_charter(charter in any_charter()) {
        let text = charter.to_toml();
        let back = Charter::parse(&text).map_err(|e| TestCaseError::fail(format!("{e}\n{text}")))?;
        prop_assert_eq!(&back, &charter);
        prop_assert_eq!(back.digest(), charter.digest());
    }

    #[test]
    fn the_order_of_sets_does_not_change_the_digest(
        turned in Just(vec!["a:read", "b:read", "c:write", "d"]).prop_shuffle(),
        contacts in Just(vec!["#a", "#b", "#c"]).prop_shuffle(),
    ) {
        let with = |scopes: &[&str], contacts: &[&str]| {
            let mut charter = whole();
            if let Some(connector) = charter.connector.first_mut() {
                connector.scopes = scopes.iter().map(|s| (*s).to_owned()).collect();
            }
            charter.support.contacts = contacts.iter().map(|s| (*s).to_owned()).collect();
            charter.digest()
        };
        prop_assert_eq!(with(&turned, &contacts), with(&["a:read", "b:read", "c:write", "d"], &["#a", "#b", "#c"]));
    }

    #[test]
    fn random_bytes_never_crash_and_every_error_has_a_place(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Err(errors) = Charter::parse_bytes(&bytes) {
            prop_assert!(!errors.0.is_empty());
            prop_assert!(errors.0.iter().all(|error| error.line >= 1 && error.column >= 1));
        }
    }

    #[test]
    fn a_damaged_charter_never_crashes(at in 0usize..2_000, byte in any::<u8>()) {
        let mut bytes = WHOLE.as_bytes().to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = Charter::parse_bytes(&bytes).map(|charter| charter.digest());
    }
}
