//! Every state with every action.

use burgess_core::app::Environment;
use burgess_core::lifecycle::{Action, State, possible, transition};

use crate::sample::golden;

// R9
#[test]
fn every_state_and_action_is_in_the_golden_matrix_and_all_others_are_refused() {
    let mut table = String::from("state\taction\tleads to\n");
    for state in State::ALL {
        for action in Action::ALL {
            let cell = match transition(state, action, None) {
                Ok(next) => next.as_str().to_owned(),
                Err(refused) => {
                    assert_eq!((refused.state, refused.action), (state, action));
                    assert_eq!(refused.possible, possible(state));
                    assert!(!refused.possible.contains(&action));
                    "refused".to_owned()
                }
            };
            table.push_str(&format!("{state}\t{action}\t{cell}\n"));
        }
    }
    assert_eq!(
        table.lines().count(),
        1 + State::ALL.len() * Action::ALL.len()
    );
    golden("lifecycle.tsv", &table);
}

// R9 R46
#[test]
fn production_is_reached_through_approval_sandbox_and_staging_alone() {
    // States from which an action leads into `target` for the first time.
    let into = |target: State| -> Vec<State> {
        State::ALL
            .into_iter()
            .filter(|from| *from != target)
            .filter(|from| {
                Action::ALL
                    .into_iter()
                    .any(|action| transition(*from, action, None) == Ok(target))
            })
            .collect()
    };
    assert_eq!(into(State::Production), [State::Staging]);
    assert_eq!(into(State::Staging), [State::Sandbox]);
    assert_eq!(into(State::Sandbox), [State::Approved]);
    assert_eq!(
        into(State::Approved),
        [
            State::Requested,
            State::Quarantined,
            State::RetirementScheduled
        ]
    );
}

// R9
#[test]
fn nothing_leads_out_of_retirement_and_the_refusal_says_so() {
    assert!(possible(State::Retired).is_empty());
    let refused = transition(State::Retired, Action::Submit, None).unwrap_err();
    assert!(refused.to_string().contains("nothing is possible any more"));
    let refused = transition(State::Approved, Action::DeployProduction, None).unwrap_err();
    assert!(refused.to_string().contains("deploy_sandbox"), "{refused}");
}

#[test]
fn an_app_that_is_kept_goes_on_where_it_is_live() {
    for (live, expected) in [
        (None, State::Approved),
        (Some(Environment::Sandbox), State::Sandbox),
        (Some(Environment::Staging), State::Staging),
        (Some(Environment::Production), State::Production),
    ] {
        assert_eq!(
            transition(State::RetirementScheduled, Action::Keep, live),
            Ok(expected)
        );
    }
    // Keeping is no way around an approval or a quarantine.
    for state in [State::Requested, State::Rejected, State::Quarantined] {
        assert!(transition(state, Action::ScheduleRetirement, None).is_err());
        assert!(transition(state, Action::Keep, None).is_err());
    }
}
