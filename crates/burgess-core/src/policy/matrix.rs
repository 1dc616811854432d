//! The matrices: role × action, and class × action, as the policy set in force answers them.
//!
//! Drawn by asking, never written down twice: a golden file of each is what people read and what
//! a changed policy has to change.

use super::action::{self, Action, CallConnector, Visitor};
use super::facts::{CallFacts, Client, Destination, Principal};
use super::plain::{self, Plain};
use super::{Decision, PolicySet, Request, decide};
use crate::app::Environment;
use crate::data::{ActionType, Classification};
use crate::id::IdError;
use crate::roles::Role;
use crate::time::Timestamp;

/// Who asks, in the order of the columns: the six roles, an app, a job of the server.
pub const SUBJECTS: [&str; 8] = [
    "citizen_developer",
    "sponsor",
    "platform_security",
    "operations",
    "auditor",
    "administrator",
    "app",
    "job",
];

/// One action, and who may do it under plain circumstances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RightsRow {
    /// The action.
    pub action: &'static str,
    /// One answer per subject, in the order of [`SUBJECTS`].
    pub allowed: [bool; 8],
}

/// One class and action type, and in which environments an app may do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassRow {
    /// The class of the data.
    pub class: Classification,
    /// What is done to it.
    pub action: ActionType,
    /// One answer per environment, in the order of [`Environment::ALL`].
    pub allowed: [bool; 3],
}

/// Role × action under plain circumstances.
pub fn role_matrix(policies: &PolicySet) -> Result<Vec<RightsRow>, IdError> {
    let mut table = Table {
        policies,
        subjects: subjects()?,
        rows: Vec::new(),
        error: None,
    };
    action::each(&mut table);
    match table.error {
        Some(error) => Err(error),
        None => Ok(table.rows),
    }
}

fn subjects() -> Result<[Principal; 8], IdError> {
    let [a, b, c, d, e, f] = Role::ALL;
    Ok([
        plain::person(a)?,
        plain::person(b)?,
        plain::person(c)?,
        plain::person(d)?,
        plain::person(e)?,
        plain::person(f)?,
        plain::client()?,
        Principal::Job("clockwork"),
    ])
}

struct Table<'a> {
    policies: &'a PolicySet,
    subjects: [Principal; 8],
    rows: Vec<RightsRow>,
    error: Option<IdError>,
}

impl Visitor for Table<'_> {
    fn visit<A: Action>(&mut self) {
        let facts = A::Resource::plain().and_then(|resource| Ok((resource, A::Context::plain()?)));
        let (resource, context) = match facts {
            Ok(facts) => facts,
            Err(error) => {
                self.error = Some(error);
                return;
            }
        };
        let allowed = self.subjects.each_ref().map(|principal| {
            let request = Request::<A> {
                principal,
                resource: &resource,
                context: &context,
            };
            decide(&request, self.policies, Timestamp::EPOCH).is_allowed()
        });
        let action = A::NAME;
        self.rows.push(RightsRow { action, allowed });
    }
}

/// Class × action × environment: a declared call through a connector cleared for the class (R75).
pub fn class_matrix(policies: &PolicySet) -> Result<Vec<ClassRow>, IdError> {
    let destination = Destination::plain()?;
    let mut rows = Vec::new();
    let classes = std::iter::once(Classification::None).chain(Classification::ALL);
    for class in classes {
        for action in ActionType::ALL {
            let mut allowed = [false; 3];
            for (answer, environment) in allowed.iter_mut().zip(Environment::ALL) {
                let mut context = CallFacts::plain()?;
                context.classification = class;
                context.action_type = action;
                context.environment = environment;
                let principal = in_environment(plain::client()?, environment);
                let request = Request::<CallConnector> {
                    principal: &principal,
                    resource: &destination,
                    context: &context,
                };
                let decision = decide(&request, policies, Timestamp::EPOCH);
                *answer = matches!(decision, Decision::Allow(_));
            }
            rows.push(ClassRow {
                class,
                action,
                allowed,
            });
        }
    }
    Ok(rows)
}

fn in_environment(principal: Principal, environment: Environment) -> Principal {
    match principal {
        Principal::Client(client) => Principal::Client(Client {
            environment,
            ..client
        }),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::default_set;

    /// Facts are not checked against the schema on every call, so every kind is checked here.
    struct Conformity {
        set: PolicySet,
        failures: Vec<String>,
    }

    impl Visitor for Conformity {
        fn visit<A: Action>(&mut self) {
            let machine = self.set.machine().unwrap();
            let action = machine.names.action(A::NAME);
            let resource = A::Resource::plain().unwrap();
            let context = A::Context::plain().unwrap();
            let answers: Vec<Result<_, String>> = subjects()
                .unwrap()
                .iter()
                .map(|principal| {
                    machine
                        .names
                        .question(
                            &action,
                            principal,
                            &resource,
                            &context,
                            Some(&machine.schema),
                        )
                        .map(|_| ())
                })
                .collect();
            if answers.iter().all(Result::is_err) {
                self.failures.push(format!("{}: {answers:?}", A::NAME));
            }
        }
    }

    #[test]
    fn the_facts_of_every_action_conform_to_the_schema() {
        let mut conformity = Conformity {
            set: default_set().unwrap(),
            failures: Vec::new(),
        };
        action::each(&mut conformity);
        assert_eq!(conformity.failures, Vec::<String>::new());
    }
}
