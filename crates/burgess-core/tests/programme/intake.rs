//! The form, its registries, and what stands in the way of handing a charter in.

use std::collections::BTreeMap;

use burgess_core::charter::Charter;
use burgess_core::data::{ActionType, Classification};
use burgess_core::intake::{
    Answers, ClassActions, FORM, FieldError, Required, RetentionLabel, propose_owners, read_form,
    validate,
};

use crate::sample::{World, golden, mail, small, whole};

fn answers(pairs: &[(&str, &[&str])]) -> Answers {
    pairs
        .iter()
        .map(|(name, values)| {
            (
                (*name).to_owned(),
                values.iter().map(|v| (*v).to_owned()).collect(),
            )
        })
        .collect::<BTreeMap<_, _>>()
}

fn low_risk() -> Answers {
    answers(&[
        ("name", &["Price finder"]),
        ("purpose", &["Find a price in the list"]),
        ("data", &["price_list"]),
        ("actions", &["read"]),
        ("connectors", &[]),
        ("users", &["3"]),
        ("owner", &["olu@example.com"]),
        ("second_owner", &["mei@example.com"]),
        ("retention", &["sales-3y"]),
        ("remediation_sla", &["5d"]),
        ("environments", &["sandbox"]),
        ("production_systems", &["no"]),
        ("unit", &["sales-emea"]),
    ])
}

fn blank() -> Charter {
    let mut charter = Charter::blank(small().id, "");
    charter.version = "1.0.0".to_owned();
    charter.app.developer = Some(mail("dana"));
    charter
}

fn fields(errors: &[FieldError]) -> Vec<&str> {
    errors.iter().map(|error| error.field.as_str()).collect()
}

/// The form without one answer lacks `field`.
fn needs(name: &str, field: &str) {
    let world = World::new();
    let mut answers = low_risk();
    assert!(answers.remove(name).is_some());
    let charter = read_form(&answers, blank(), &world.registries()).unwrap();
    let errors = validate(&charter, &world.registries());
    assert!(fields(&errors).contains(&field), "{errors:#?}");
    assert!(errors.iter().all(|error| !error.remedy.is_empty()));
}

#[test]
fn a_low_risk_form_makes_the_whole_charter() {
    let world = World::new();
    let charter = read_form(&low_risk(), blank(), &world.registries()).unwrap();
    assert_eq!(charter.digest(), small().digest());
    assert_eq!(validate(&charter, &world.registries()), []);
}

#[test]
fn a_low_risk_request_takes_twelve_answers_at_most() {
    let always = FORM
        .iter()
        .filter(|field| field.required == Required::Always)
        .count();
    assert!(always <= 12, "{always}");
    for field in FORM {
        assert!(
            !field.label.is_empty() && !field.help.is_empty(),
            "{}",
            field.name
        );
    }
}

// R23
#[test]
fn the_form_asks_for_the_purpose() {
    needs("purpose", "app.purpose");
}

// R24
#[test]
fn the_form_asks_for_the_data_and_takes_its_class_from_the_registry() {
    needs("data", "data");
    let world = World::new();
    let mut answers = low_risk();
    answers.insert("data".to_owned(), vec!["customer_record".to_owned()]);
    let charter = read_form(&answers, blank(), &world.registries()).unwrap();
    assert_eq!(charter.classification(), Some(Classification::Pii));
}

// R25
#[test]
fn the_form_asks_for_integrations_and_takes_none_for_an_answer() {
    assert!(FORM.iter().any(|field| field.charter == "connector"));
    let world = World::new();
    let mut answers = low_risk();
    answers.insert("connectors".to_owned(), vec!["salesforce".to_owned()]);
    answers.insert(
        "scopes".to_owned(),
        vec!["salesforce quotes:read".to_owned()],
    );
    let charter = read_form(&answers, blank(), &world.registries()).unwrap();
    let connector = charter.connector("salesforce").unwrap();
    assert_eq!(connector.scopes, ["quotes:read"]);
    assert_eq!(connector.methods, ["GET"]);
    answers.insert("scopes".to_owned(), vec!["hubspot deals".to_owned()]);
    assert_eq!(
        fields(&read_form(&answers, blank(), &world.registries()).unwrap_err()),
        ["scopes"]
    );
    answers.remove("scopes");
    answers.insert("connectors".to_owned(), vec!["salesfroce".to_owned()]);
    let charter = read_form(&answers, blank(), &world.registries()).unwrap();
    let errors = validate(&charter, &world.registries());
    assert!(
        errors
            .iter()
            .any(|error| error.remedy.contains("`salesforce`")),
        "{errors:#?}"
    );
}

// R26
#[test]
fn the_form_asks_for_the_number_of_users() {
    needs("users", "app.users");
    let world = World::new();
    let mut answers = low_risk();
    answers.insert("users".to_owned(), vec!["some".to_owned()]);
    assert_eq!(
        fields(&read_form(&answers, blank(), &world.registries()).unwrap_err()),
        ["users"]
    );
}

// R27 R36
#[test]
fn the_form_asks_for_a_label_of_the_retention_schedule() {
    needs("retention", "retention.label");
    let mut charter = small();
    charter.retention.as_mut().unwrap().days = 7;
    let world = World::new();
    assert_eq!(
        fields(&validate(&charter, &world.registries())),
        ["retention.days"]
    );
    charter.retention.as_mut().unwrap().label = "sales-4y".to_owned();
    assert_eq!(
        fields(&validate(&charter, &world.registries())),
        ["retention.label"]
    );
}

// R34 R35
#[test]
fn the_form_asks_for_owners_and_a_remediation_sla() {
    needs("owner", "app.owner");
    needs("second_owner", "app.second_owner");
    needs("remediation_sla", "support.remediation_sla");
}

// R42
#[test]
fn the_form_asks_for_a_justification_when_an_agent_is_declared() {
    let world = World::new();
    let mut answers = low_risk();
    answers.insert("agent".to_owned(), vec!["yes".to_owned()]);
    let charter = read_form(&answers, blank(), &world.registries()).unwrap();
    assert_eq!(
        fields(&validate(&charter, &world.registries())),
        ["capabilities.justification"]
    );
    answers.insert(
        "justification".to_owned(),
        vec!["it files quotes".to_owned()],
    );
    let charter = read_form(&answers, blank(), &world.registries()).unwrap();
    assert_eq!(validate(&charter, &world.registries()), []);
}

// R74
#[test]
fn a_dataset_is_registered_and_never_classified_lower_than_in_the_registry() {
    let world = World::new();
    let mut charter = whole();
    charter.capabilities.justification = "it files quotes".to_owned();
    assert_eq!(validate(&charter, &world.registries()), []);
    charter.data[0].classification = Classification::Internal;
    assert_eq!(
        fields(&validate(&charter, &world.registries())),
        ["data.customer_record"]
    );
    charter.data[0].classification = Classification::Phi;
    assert_eq!(validate(&charter, &world.registries()), []);
    charter.data[0].name = "customer_records".to_owned();
    let errors = validate(&charter, &world.registries());
    assert!(
        errors.first().unwrap().remedy.contains("`customer_record`"),
        "{errors:#?}"
    );
}

// R75
#[test]
fn what_a_class_does_not_allow_is_refused() {
    let matrix = ClassActions::default_matrix().unwrap();
    let mut table = String::from("class");
    for action in ActionType::ALL {
        table.push_str(&format!("\t{action}"));
    }
    for class in Classification::ALL {
        table.push_str(&format!("\n{class}"));
        for action in ActionType::ALL {
            table.push_str(if matrix.allows(class, action) {
                "\tyes"
            } else {
                "\tno"
            });
        }
    }
    golden("class-actions.tsv", &format!("{table}\n"));
    assert!(!matrix.allows(Classification::None, ActionType::Read));
    let world = World::new();
    let mut charter = small();
    charter.data[0].classification = Classification::Phi;
    charter.data[0].actions = vec![ActionType::Read, ActionType::Export];
    let errors = validate(&charter, &world.registries());
    assert_eq!(errors.len(), 1);
    assert!(
        errors
            .first()
            .unwrap()
            .message
            .contains("export is not allowed on phi data")
    );
}

#[test]
fn owners_are_active_people_and_neither_the_developer_nor_each_other() {
    let world = World::new();
    let mut charter = small();
    charter.app.second_owner = Some(mail("ghost"));
    assert_eq!(
        fields(&validate(&charter, &world.registries())),
        ["app.second_owner"]
    );
    charter.app.second_owner = Some(mail("olu"));
    assert_eq!(
        fields(&validate(&charter, &world.registries())),
        ["app.second_owner"]
    );
    charter = small();
    charter.app.owner = Some(mail("dana"));
    assert_eq!(
        fields(&validate(&charter, &world.registries())),
        ["app.owner"]
    );
}

// R147
#[test]
fn owners_are_proposed_from_the_chain_of_managers() {
    let mut world = World::new();
    let proposal = propose_owners(&world.directory, &mail("dana"));
    assert_eq!(
        (proposal.owner, proposal.second_owner),
        (Some(mail("olu")), Some(mail("mei")))
    );
    let mut gone = world.directory.get(&mail("olu")).unwrap().clone();
    gone.active = false;
    world.directory.insert(gone);
    let proposal = propose_owners(&world.directory, &mail("dana"));
    assert_eq!(
        (proposal.owner, proposal.second_owner),
        (Some(mail("mei")), Some(mail("zoe")))
    );
    // At the top of the chain colleagues of the unit take the place; a circle ends.
    let proposal = propose_owners(&world.directory, &mail("zoe"));
    assert_eq!(proposal.owner, Some(mail("dana")));
    let nobody = propose_owners(&Default::default(), &mail("dana"));
    assert_eq!((nobody.owner, nobody.second_owner), (None, None));
}

#[test]
fn an_unknown_field_is_reported_with_the_nearest_one() {
    let world = World::new();
    let mut answers = low_risk();
    answers.insert("purpos".to_owned(), vec!["x".to_owned()]);
    let errors = read_form(&answers, blank(), &world.registries()).unwrap_err();
    assert!(errors.first().unwrap().remedy.contains("`purpose`"));
}

#[test]
fn what_a_retention_label_means_does_not_change() {
    let mut world = World::new();
    let other = RetentionLabel {
        label: "sales-3y".to_owned(),
        days: 1,
    };
    assert!(world.retention.insert(other).is_err());
    assert_eq!(world.retention.days("sales-3y"), Some(1_095));
}
