//! The published policy set, as golden tables, and the rules about policy sets themselves.

mod gates;
mod loading;
mod scenes;
mod table;

use burgess_core::app::Environment;
use burgess_core::policy::{ClassRow, PolicySet, RightsRow, SUBJECTS, class_matrix, role_matrix};

use loading::default_set_once;
use table::golden;

fn rights(set: &PolicySet) -> String {
    let mut text = format!("action\t{}\n", SUBJECTS.join("\t"));
    for RightsRow { action, allowed } in role_matrix(set).unwrap() {
        let cells = allowed.map(|yes| if yes { "yes" } else { "-" });
        text.push_str(&format!("{action}\t{}\n", cells.join("\t")));
    }
    text
}

fn classes(set: &PolicySet) -> String {
    let names = Environment::ALL.map(Environment::as_str);
    let mut text = format!("class\taction\t{}\n", names.join("\t"));
    for ClassRow {
        class,
        action,
        allowed,
    } in class_matrix(set).unwrap()
    {
        let cells = allowed.map(|yes| if yes { "yes" } else { "-" });
        text.push_str(&format!("{class}\t{action}\t{}\n", cells.join("\t")));
    }
    text
}

// R15 R16 R17 R18 R19 R69
#[test]
fn the_rights_of_every_role_are_the_published_ones() {
    golden("rights.tsv", &rights(default_set_once()));
}

// R75
#[test]
fn the_actions_on_every_class_are_the_published_ones() {
    golden("class-environments.tsv", &classes(default_set_once()));
}

// R73
#[test]
fn every_attribute_changes_the_decision_it_is_there_for() {
    golden("circumstances.tsv", &scenes::all(default_set_once()).text());
}

// R46 R52 R53 R151 R152 R183
#[test]
fn every_missing_control_stops_its_gate_by_name() {
    golden("gates.tsv", &gates::all(default_set_once()).text());
}

#[test]
fn without_any_one_rule_some_golden_row_changes() {
    let set = default_set_once();
    let (scenes, gates) = (scenes::all(set).text(), gates::all(set).text());
    let (rights, classes) = (rights(set), classes(set));
    let mut idle = Vec::new();
    for card in set.rules() {
        let without = set.without(&[&card.rule.id]).unwrap();
        // The gate's rules show in the gate's table, which is asked first for them.
        let gate_first = card.file == "gates.cedar" || card.rule.id.starts_with("connector-");
        let changes = gate_first && self::gates::all(&without).text() != gates
            || self::scenes::all(&without).text() != scenes
            || self::gates::all(&without).text() != gates
            || self::rights(&without) != rights
            || self::classes(&without) != classes;
        if !changes {
            idle.push(card.rule.id.clone());
        }
    }
    assert_eq!(idle, Vec::<String>::new(), "rules that no golden row needs");
}

#[test]
fn no_policy_errs_under_any_circumstance() {
    let set = default_set_once();
    for row in &scenes::all(set).rows {
        assert!(!row[2].starts_with("error"), "{row:?}");
    }
}
