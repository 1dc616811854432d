//! The risk score and the route: all 72 combinations, the boundaries, and monotony.

use burgess_core::approval::{Lane, RouteFacts, route};
use burgess_core::charter::Charter;
use burgess_core::connector::Catalogue;
use burgess_core::data::Classification;
use burgess_core::evidence::{ArtifactFacts, Controls, controls};
use burgess_core::risk::{
    Band, Connectivity, Execution, Factors, Rubric, UserBand, band, factors, score,
};
use proptest::prelude::*;

use crate::sample::{SMALL, WHOLE, evidence, golden, now, rubric, small, whole};

/// Controls of an app that has them all.
fn all_controls() -> Controls {
    let controls = controls(
        &small(),
        &evidence(),
        burgess_core::app::Environment::Sandbox,
        now(),
    );
    assert!(controls.all_met());
    controls
}

fn plain(factors: Factors) -> RouteFacts {
    RouteFacts {
        factors,
        production_systems: false,
        production_asked: false,
        files_or_automation: false,
    }
}

fn lane(factors: Factors) -> Lane {
    route(
        &score(&factors, &rubric()),
        &plain(factors),
        &all_controls(),
    )
    .lane
}

const LEAST: Factors = Factors {
    data: Classification::Public,
    users: 1,
    connectivity: Connectivity::None,
    third_party_code: false,
    execution: Execution::Sandboxed,
};

/// The published rubric's own words for its values.
const DATA: [(&str, Classification, u32); 4] = [
    ("public", Classification::Public, 0),
    ("internal", Classification::Internal, 10),
    ("sensitive", Classification::Sensitive, 30),
    ("PII/PHI", Classification::Pii, 50),
];
const USERS: [(&str, u32, u32); 3] = [("<10", 9, 0), ("10-100", 100, 10), (">100", 101, 20)];
const LINKS: [(&str, Connectivity, u32); 3] = [
    ("none", Connectivity::None, 0),
    ("SaaS connector", Connectivity::SaasConnector, 10),
    (
        "external API or third-party code",
        Connectivity::ExternalApi,
        20,
    ),
];
const PLACES: [(&str, Execution, u32); 2] = [
    ("sandboxed", Execution::Sandboxed, 0),
    ("desktop agent", Execution::DesktopAgent, 10),
];

// R31 R138 R139 R140 R141 R142 R143 R144
#[test]
fn all_72_combinations_have_the_published_score_band_and_route() {
    let mut table = String::from("data\tusers\tconnectivity\texecution\tscore\tband\troute\n");
    for (data_name, data, data_points) in DATA {
        for (users_name, users, users_points) in USERS {
            for (link_name, connectivity, link_points) in LINKS {
                for (place_name, execution, place_points) in PLACES {
                    let factors = Factors {
                        data,
                        users,
                        connectivity,
                        third_party_code: false,
                        execution,
                    };
                    let score = score(&factors, &rubric());
                    let sum = data_points + users_points + link_points + place_points;
                    assert_eq!(score.score, sum);
                    let expected = if sum > 50 {
                        Band::High
                    } else if sum >= 30 {
                        Band::Medium
                    } else {
                        Band::Low
                    };
                    assert_eq!(score.band, expected);
                    let route = route(&score, &plain(factors), &all_controls());
                    let automatic = data != Classification::Pii
                        && users < 10
                        && link_points == 0
                        && place_points == 0
                        && sum < 30;
                    assert_eq!(route.lane == Lane::Auto, automatic);
                    table.push_str(&format!(
                        "{data_name}\t{users_name}\t{link_name}\t{place_name}\t{sum}\t{}\t{}\n",
                        score.band,
                        route.lane.as_str()
                    ));
                }
            }
        }
    }
    assert_eq!(table.lines().count(), 73);
    golden("rubric-72.tsv", &table);
}

// R142 R143 R144
#[test]
fn twenty_nine_is_low_thirty_and_fifty_are_medium_and_fifty_one_is_high() {
    for (points, expected) in [
        (0, Band::Low),
        (29, Band::Low),
        (30, Band::Medium),
        (50, Band::Medium),
        (51, Band::High),
        (100, Band::High),
    ] {
        assert_eq!(band(points, &rubric()), expected, "{points}");
    }
}

// R138 R143 R31
#[test]
fn pii_alone_scores_fifty_and_goes_to_review() {
    for data in [Classification::Pii, Classification::Phi] {
        let factors = Factors { data, ..LEAST };
        let score = score(&factors, &rubric());
        assert_eq!((score.score, score.band), (50, Band::Medium));
        assert_eq!(lane(factors), Lane::Review);
    }
}

// R139
#[test]
fn ten_and_a_hundred_people_are_in_the_middle_of_the_three_sizes() {
    for (users, points) in [
        (0, 0),
        (9, 0),
        (10, 10),
        (100, 10),
        (101, 20),
        (u32::MAX, 20),
    ] {
        assert_eq!(
            score(&Factors { users, ..LEAST }, &rubric()).score,
            points,
            "{users}"
        );
    }
    assert_eq!(UserBand::of(9), UserBand::Few);
}

// R140
#[test]
fn third_party_code_counts_like_an_external_api_and_not_on_top_of_it() {
    for connectivity in Connectivity::ALL {
        let factors = Factors {
            connectivity,
            third_party_code: true,
            ..LEAST
        };
        assert_eq!(score(&factors, &rubric()).score, 20, "{connectivity:?}");
        assert_eq!(lane(factors), Lane::Review);
    }
}

// R31
#[test]
fn each_condition_alone_keeps_a_low_score_from_being_approved_by_the_rules() {
    assert_eq!(lane(LEAST), Lane::Auto);
    for factors in [
        Factors { users: 10, ..LEAST },
        Factors {
            connectivity: Connectivity::SaasConnector,
            ..LEAST
        },
        Factors {
            connectivity: Connectivity::ExternalApi,
            ..LEAST
        },
        Factors {
            third_party_code: true,
            ..LEAST
        },
        Factors {
            execution: Execution::DesktopAgent,
            ..LEAST
        },
    ] {
        assert_eq!(score(&factors, &rubric()).band, Band::Low);
        assert_eq!(lane(factors), Lane::Review, "{factors:?}");
    }
}

// R144
#[test]
fn a_missing_control_sends_a_low_score_to_review_and_is_named() {
    for text in [
        "owner = \"olu@example.com\"\n",
        "second_owner = \"mei@example.com\"\n",
        "remediation_sla = \"5d\"\n",
        "[retention]\nlabel = \"sales-3y\"\ndays = 1095\n",
    ] {
        assert!(SMALL.contains(text), "{text}");
        let charter = Charter::parse(&SMALL.replacen(text, "", 1)).unwrap();
        let controls = controls(
            &charter,
            &evidence(),
            burgess_core::app::Environment::Sandbox,
            now(),
        );
        let score = score(&LEAST, &rubric());
        let route = route(&score, &plain(LEAST), &controls);
        assert_eq!(route.lane, Lane::Review, "{text}");
        let title = controls.unmet().next().unwrap().id.title();
        assert!(
            route.reasons.iter().any(|reason| reason.contains(title)),
            "{:?}",
            route.reasons
        );
    }
}

// R28
#[test]
fn a_production_system_personal_data_or_production_alone_asks_for_the_sponsor() {
    let sponsor = |facts: RouteFacts| {
        route(&score(&facts.factors, &rubric()), &facts, &all_controls()).sponsor
    };
    let least = plain(LEAST);
    assert!(!sponsor(least));
    assert!(sponsor(RouteFacts {
        production_systems: true,
        ..least
    }));
    assert!(sponsor(RouteFacts {
        production_asked: true,
        ..least
    }));
    for data in [Classification::Pii, Classification::Phi] {
        assert!(sponsor(plain(Factors { data, ..LEAST })));
    }
    assert!(!sponsor(plain(Factors {
        data: Classification::Sensitive,
        ..LEAST
    })));
}

// R28 R31
#[test]
fn automatic_approval_replaces_the_reviewer_and_never_the_sponsor() {
    let facts = RouteFacts {
        production_systems: true,
        ..plain(LEAST)
    };
    let route = route(&score(&LEAST, &rubric()), &facts, &all_controls());
    assert_eq!((route.lane, route.sponsor), (Lane::Auto, true));
}

// R43
#[test]
fn an_agent_or_local_files_ask_for_a_second_reviewer() {
    for facts in [
        RouteFacts {
            files_or_automation: true,
            ..plain(LEAST)
        },
        plain(Factors {
            execution: Execution::DesktopAgent,
            ..LEAST
        }),
    ] {
        let route = route(&score(&facts.factors, &rubric()), &facts, &all_controls());
        assert_eq!((route.lane, route.second_reviewer), (Lane::Review, true));
    }
}

// R29 R148
#[test]
fn the_published_sample_charter_scores_eighty() {
    let catalogue = Catalogue::built_in().unwrap();
    let factors = factors(&whole(), &catalogue, &ArtifactFacts::default());
    let score = score(&factors, &rubric());
    // PII 50, 45 people 10, a SaaS connector and npm packages 20, no agent 0.
    assert_eq!((score.score, score.band), (80, Band::High));
}

#[test]
fn what_the_form_claims_never_lowers_what_the_artifact_shows() {
    let catalogue = Catalogue::built_in().unwrap();
    let claim = |facts: ArtifactFacts| factors(&small(), &catalogue, &facts);
    let nothing = claim(ArtifactFacts::default());
    assert_eq!(
        (nothing.connectivity, nothing.data),
        (Connectivity::None, Classification::Internal)
    );
    let host = claim(ArtifactFacts {
        external_hosts: vec!["api.unknown.example".to_owned()],
        ..ArtifactFacts::default()
    });
    assert_eq!(host.connectivity, Connectivity::ExternalApi);
    let known = claim(ArtifactFacts {
        external_hosts: vec!["acme.my.salesforce.com".to_owned()],
        ..ArtifactFacts::default()
    });
    assert_eq!(known.connectivity, Connectivity::SaasConnector);
    let connector = claim(ArtifactFacts {
        unknown_connectors: vec!["shared_x".to_owned()],
        ..ArtifactFacts::default()
    });
    assert_eq!(connector.connectivity, Connectivity::ExternalApi);
    let data = claim(ArtifactFacts {
        data: Some(Classification::Phi),
        ..ArtifactFacts::default()
    });
    assert_eq!(data.data, Classification::Phi);
    let public = claim(ArtifactFacts {
        data: Some(Classification::Public),
        ..ArtifactFacts::default()
    });
    assert_eq!(public.data, Classification::Internal);
    let agent = claim(ArtifactFacts {
        agent: true,
        ..ArtifactFacts::default()
    });
    assert_eq!(agent.execution, Execution::DesktopAgent);
    let packages = claim(ArtifactFacts {
        packages: vec!["pkg:npm/x@1.0.0".to_owned()],
        ..ArtifactFacts::default()
    });
    assert!(packages.third_party_code);
}

#[test]
fn a_connector_that_is_not_in_the_catalogue_is_an_external_api_whatever_its_name() {
    let catalogue = Catalogue::built_in().unwrap();
    let text = WHOLE.replacen(
        "id = \"salesforce\"",
        "id = \"salesforce-eu\"\nhosts = { production = [\"x.my.salesforce.com\"] }",
        1,
    );
    let charter = Charter::parse(&text).unwrap();
    assert_eq!(
        factors(&charter, &catalogue, &ArtifactFacts::default()).connectivity,
        Connectivity::ExternalApi
    );
}

#[test]
fn users_that_are_not_said_count_as_over_a_hundred() {
    let charter = Charter::parse(&SMALL.replacen("users = 3\n", "", 1)).unwrap();
    let factors = factors(
        &charter,
        &Catalogue::built_in().unwrap(),
        &ArtifactFacts::default(),
    );
    assert_eq!(UserBand::of(factors.users), UserBand::Many);
}

#[test]
fn a_rubric_that_rewards_risk_or_exceeds_100_is_refused() {
    let published = Rubric::published_toml();
    for (from, to) in [
        ("sensitive = 30", "sensitive = 5"),
        ("over_100 = 20", "over_100 = 60"),
        ("medium_from = 30", "medium_from = 60"),
        ("phi = 50", ""),
        ("phi = 50", "phi = 50\nsecret = 60"),
    ] {
        assert!(published.contains(from), "{from}");
        assert!(
            Rubric::parse(&published.replacen(from, to, 1)).is_err(),
            "{to}"
        );
    }
    let other = Rubric::parse(&published.replacen("internal = 10", "internal = 11", 1)).unwrap();
    assert_ne!(other.digest(), rubric().digest());
}

fn any_factors() -> impl Strategy<Value = Factors> {
    (0usize..5, 0u32..300, 0usize..3, any::<bool>(), 0usize..2).prop_map(
        |(data, users, link, third_party_code, place)| Factors {
            data: Classification::ALL[data],
            users,
            connectivity: Connectivity::ALL[link],
            third_party_code,
            execution: Execution::ALL[place],
        },
    )
}

proptest! {
    // R30
    #[test]
    fn raising_any_factor_never_lowers_the_score(low in any_factors(), high in any_factors()) {
        let rubric = rubric();
        let before = score(&low, &rubric).score;
        for raised in [
            Factors { data: low.data.max(high.data), ..low },
            Factors { users: low.users.max(high.users), ..low },
            Factors { connectivity: low.connectivity.max(high.connectivity), ..low },
            Factors { third_party_code: low.third_party_code || high.third_party_code, ..low },
            Factors { execution: low.execution.max(high.execution), ..low },
        ] {
            prop_assert!(score(&raised, &rubric).score >= before);
        }
    }

    // R145
    #[test]
    fn every_point_has_its_reason_and_the_addends_sum_to_the_score(factors in any_factors()) {
        let score = score(&factors, &rubric());
        prop_assert_eq!(score.addends.iter().map(|addend| addend.points).sum::<u32>(), score.score);
        prop_assert!(score.score <= 100);
        let names: Vec<&str> = score.addends.iter().map(|addend| addend.factor.as_str()).collect();
        prop_assert_eq!(names, ["data", "users", "connectivity", "execution"]);
        prop_assert!(score.addends.iter().all(|addend| !addend.reason.is_empty() && !addend.value.is_empty()));
    }
}
