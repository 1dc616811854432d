//! Scopes: what a credential may ask of a connector, charter and policy together.
//!
//! Least privilege (R5, R152): what is granted is a subset of what the charter declares and of
//! what policy lets the connector have; everything else is refused by name.

use std::collections::BTreeSet;

use super::action::GrantScope;
use super::facts::{Client, Destination, Principal, ScopeFacts};
use super::{Decision, Denial, PolicySet, Request, decide};
use crate::app::Environment;
use crate::data::Classification;
use crate::time::Timestamp;

/// The scopes of one connector for one app in one environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrantedScopes {
    /// Granted, as they stand in an access token: `salesforce/quotes:read`.
    pub granted: BTreeSet<String>,
    /// Refused, each with its reason.
    pub refused: Vec<RefusedScope>,
}

/// A declared scope that policy does not grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedScope {
    /// The connector.
    pub connector: String,
    /// The connector's own name of the scope.
    pub scope: String,
    /// Why.
    pub denial: Denial,
}

/// A scope as it stands in an access token: `connector/scope`.
pub fn scope_name(connector: &str, scope: &str) -> String {
    format!("{connector}/{scope}")
}

impl PolicySet {
    /// Which of the scopes that a charter declares for `destination` policy grants to `client`.
    /// `class` is the highest class of the data that flows there.
    pub fn allowed_scopes<'a>(
        &self,
        client: &Client,
        destination: &Destination,
        declared: impl IntoIterator<Item = &'a str>,
        class: Classification,
        now: Timestamp,
    ) -> GrantedScopes {
        let environment: Environment = client.environment;
        let principal = Principal::Client(client.clone());
        let mut scopes = GrantedScopes::default();
        for scope in declared {
            let context = ScopeFacts {
                environment,
                scope: scope.to_owned(),
                classification: class,
            };
            let request = Request::<GrantScope> {
                principal: &principal,
                resource: destination,
                context: &context,
            };
            match decide(&request, self, now) {
                Decision::Allow(_) => {
                    scopes
                        .granted
                        .insert(scope_name(&destination.connector, scope));
                }
                Decision::Deny(denial) => scopes.refused.push(RefusedScope {
                    connector: destination.connector.clone(),
                    scope: scope.to_owned(),
                    denial,
                }),
            }
        }
        scopes
    }
}
