//! The cheapest path to yes, against a search that knows nothing of how it is found.

use burgess_core::approval::{Lane, RouteFacts, route};
use burgess_core::data::Classification;
use burgess_core::evidence::{Controls, Status, controls};
use burgess_core::risk::{Band, Connectivity, Execution, Factors, UserBand, cheapest_path, score};

use crate::sample::{evidence, now, rubric, small};

fn met() -> Controls {
    controls(
        &small(),
        &evidence(),
        burgess_core::app::Environment::Sandbox,
        now(),
    )
}

fn unmet() -> Controls {
    controls(
        &small(),
        &Default::default(),
        burgess_core::app::Environment::Sandbox,
        now(),
    )
}

fn facts(
    data: Classification,
    users: u32,
    connectivity: Connectivity,
    third_party_code: bool,
    execution: Execution,
    local: bool,
) -> RouteFacts {
    RouteFacts {
        factors: Factors {
            data,
            users,
            connectivity,
            third_party_code,
            execution,
        },
        production_systems: false,
        production_asked: false,
        files_or_automation: local,
    }
}

type Reach = (Band, Lane, bool);

fn reach(facts: &RouteFacts, controls: &Controls) -> (u32, Reach) {
    let score = score(&facts.factors, &rubric());
    let route = route(&score, facts, controls);
    (score.score, (score.band, route.lane, route.second_reviewer))
}

fn at_least(a: Reach, b: Reach) -> bool {
    a.0 <= b.0 && a.1 <= b.1 && a.2 <= b.2
}

/// A version as ranks, one per dimension: a version with no higher rank anywhere and a
/// lower one somewhere is reached by a larger change.
fn ranks(facts: &RouteFacts, fixed: bool) -> [usize; 6] {
    let at = |found: Option<usize>| found.unwrap_or(0);
    [
        at(Classification::ALL
            .iter()
            .position(|class| *class == facts.factors.data)),
        UserBand::of(facts.factors.users) as usize,
        at(Connectivity::ALL
            .iter()
            .position(|kind| *kind == facts.factors.connectivity)),
        usize::from(facts.factors.third_party_code),
        usize::from(facts.files_or_automation) * 2
            + usize::from(facts.factors.execution == Execution::DesktopAgent),
        usize::from(!fixed),
    ]
}

/// The outcomes of all minimal versions, found by trying every version there is.
fn brute_force(start: &RouteFacts, controls: &Controls) -> Vec<(u32, Reach)> {
    let (_, now) = reach(start, controls);
    let needs_fix = controls.unmet().next().is_some();
    let mut versions = Vec::new();
    for data in Classification::ALL {
        for users in [9, 100, start.factors.users] {
            for connectivity in Connectivity::ALL {
                for third in [false, true] {
                    for (execution, local) in [
                        (Execution::Sandboxed, false),
                        (Execution::DesktopAgent, false),
                        (Execution::Sandboxed, true),
                        (Execution::DesktopAgent, true),
                    ] {
                        for fixed in [false, true] {
                            let version = facts(data, users, connectivity, third, execution, local);
                            let from = ranks(start, !needs_fix);
                            let to = ranks(&version, fixed || !needs_fix);
                            // Dropping local files while an agent stays is not offered.
                            let odd = version.factors.execution == Execution::DesktopAgent
                                && !local
                                && start.files_or_automation;
                            if to.iter().zip(from).all(|(to, from)| *to <= from) && !odd {
                                let controls = if fixed || !needs_fix {
                                    met()
                                } else {
                                    controls.clone()
                                };
                                versions.push((to, reach(&version, &controls)));
                            }
                        }
                    }
                }
            }
        }
    }
    let better: Vec<_> = versions
        .into_iter()
        .filter(|(_, (_, outcome))| *outcome != now && at_least(*outcome, now))
        .collect();
    let mut minimal: Vec<([usize; 6], (u32, Reach))> = better
        .iter()
        .filter(|(ranks, (_, outcome))| {
            !better.iter().any(|(other, (_, reaches))| {
                other != ranks
                    && other.iter().zip(ranks).all(|(other, mine)| other >= mine)
                    && at_least(*reaches, *outcome)
            })
        })
        .copied()
        .collect();
    minimal.sort();
    minimal.dedup();
    minimal.into_iter().map(|(_, outcome)| outcome).collect()
}

#[test]
fn the_path_is_every_minimal_set_of_changes_and_no_other() {
    for data in Classification::ALL {
        for users in [3, 500] {
            for connectivity in Connectivity::ALL {
                for third in [false, true] {
                    for (execution, local) in [
                        (Execution::Sandboxed, false),
                        (Execution::DesktopAgent, true),
                        (Execution::Sandboxed, true),
                    ] {
                        let start = facts(data, users, connectivity, third, execution, local);
                        check(&start, &met());
                    }
                }
            }
        }
    }
    check(
        &facts(
            Classification::Internal,
            3,
            Connectivity::None,
            false,
            Execution::Sandboxed,
            false,
        ),
        &unmet(),
    );
    check(
        &facts(
            Classification::Pii,
            50,
            Connectivity::ExternalApi,
            true,
            Execution::DesktopAgent,
            true,
        ),
        &unmet(),
    );
}

fn check(start: &RouteFacts, controls: &Controls) {
    let path = cheapest_path(start, controls, &rubric());
    let mut found: Vec<(u32, Band, Lane)> = path
        .iter()
        .map(|step| (step.score_after, step.band_after, step.route_after))
        .collect();
    let mut expected: Vec<(u32, Band, Lane)> = brute_force(start, controls)
        .into_iter()
        .map(|(score, (band, lane, _))| (score, band, lane))
        .collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "{start:?}\n{path:#?}");
}

#[test]
fn masking_personal_data_is_the_way_from_sixty_to_medium() {
    let start = facts(
        Classification::Pii,
        3,
        Connectivity::SaasConnector,
        false,
        Execution::Sandboxed,
        false,
    );
    let path = cheapest_path(&start, &met(), &rubric());
    let first = path.first().unwrap();
    assert!(path.iter().any(|step| step.changes.len() == 1
        && step.change.contains("mask")
        && step.band_after == Band::Medium
        && step.score_after == 40));
    assert_eq!(first.changes.len(), 1);
    assert!(path.iter().any(|step| step.route_after == Lane::Auto));
}

#[test]
fn an_app_that_the_rules_approve_has_nothing_to_change() {
    let start = facts(
        Classification::Public,
        3,
        Connectivity::None,
        false,
        Execution::Sandboxed,
        false,
    );
    assert!(cheapest_path(&start, &met(), &rubric()).is_empty());
    assert!(
        met()
            .0
            .iter()
            .all(|control| !matches!(control.status, Status::Unmet { .. }))
    );
}
