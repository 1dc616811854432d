//! The promotion gate's side of policy: every `forbid` that fires, not just the first.
//!
//! Not here: gathering the facts, and what an open gate leads to (`deploy`).

use std::collections::BTreeSet;

use super::action::{DeclareConnector, GrantScope, PassGate};
use super::cedar::{Kind, Names, Value, flag, number, texts, word};
use super::facts::sealed::{Entity, Record};
use super::facts::{ContextFacts, Destination, Principal, ResourceFacts, ScopeFacts};
use super::{Action, Denial as PolicyDenial, PolicySet};
use crate::deploy::{ConnectorFacts, Denial, GateFacts};
use crate::digest::Digest;
use crate::id::AppId;

/// Who asks at the gate.
const GATE: Principal = Principal::Job("gate");

/// One version of an app before the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The app.
    pub app: AppId,
}

/// What policy says at the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateAnswer {
    /// Everything that forbids it, each thing once, sorted by policy; empty when the gate is open.
    pub denials: Vec<Denial>,
    /// Evaluation errors: never expected, always an alert.
    pub errors: Vec<String>,
    /// Digest of the policy set that answered.
    pub policy_digest: Digest,
}

impl GateAnswer {
    /// Whether nothing stands in the way.
    pub fn is_open(&self) -> bool {
        self.denials.is_empty() && self.errors.is_empty()
    }
}

impl PolicySet {
    /// Asks whether a version may go where `facts` say, with these declared connectors. An
    /// evaluation error, a missing permit and an unloaded set each add a denial of their own.
    pub fn gate(&self, facts: &GateFacts, connectors: &[ConnectorFacts]) -> GateAnswer {
        let candidate = Candidate {
            app: facts.app.clone(),
        };
        let mut answer = GateAnswer {
            denials: Vec::new(),
            errors: Vec::new(),
            policy_digest: self.digest(),
        };
        if let Err(denial) = self.evaluate(PassGate::NAME, &GATE, &candidate, facts) {
            answer.add(denial, None);
        }
        for connector in connectors {
            let asked = self.evaluate(DeclareConnector::NAME, &GATE, &candidate, connector);
            if let Err(denial) = asked {
                answer.add(denial, Some(&connector.connector));
            }
            if !self.is_loaded() {
                break;
            }
            for (scope, denial) in self.scopes_refused(connector) {
                answer.add(denial, Some(&format!("{}/{scope}", connector.connector)));
            }
        }
        answer.denials.sort();
        answer.denials.dedup();
        answer
    }
}

impl PolicySet {
    /// The declared scopes that policy does not grant, asked one by one (R152).
    fn scopes_refused(&self, connector: &ConnectorFacts) -> Vec<(String, PolicyDenial)> {
        let destination = Destination {
            connector: connector.connector.clone(),
            revision: 0,
            catalogued: connector.catalogued,
            external_api: connector.kind == crate::connector::Kind::ExternalApi,
            cleared: match connector.cleared {
                true => [connector.classification].into(),
                false => BTreeSet::new(),
            },
        };
        let refused = |scope: &String| {
            let context = ScopeFacts {
                environment: connector.environment,
                scope: scope.clone(),
                classification: connector.classification,
            };
            let answer = self.evaluate(GrantScope::NAME, &GATE, &destination, &context);
            answer.err().map(|denial| (scope.clone(), denial))
        };
        connector.scopes.iter().filter_map(refused).collect()
    }
}

impl GateAnswer {
    fn add(&mut self, denial: PolicyDenial, connector: Option<&str>) {
        let about = |text: &str| match connector {
            Some(id) => format!("connector `{id}`: {text}"),
            None => text.to_owned(),
        };
        if denial.policies.is_empty() || denial.alerts() {
            self.denials.push(Denial {
                policy: String::new(),
                control: "policy".to_owned(),
                reason: about(&denial.sentence()),
                remedy: "ask platform and security to look at the policy set".to_owned(),
            });
        }
        for rule in denial.policies {
            self.denials.push(Denial {
                control: rule.control.clone().unwrap_or_else(|| rule.id.clone()),
                policy: rule.id,
                reason: about(&rule.reason),
                remedy: rule.remedy.unwrap_or_default(),
            });
        }
        self.errors.extend(denial.errors);
    }
}

impl Entity for Candidate {
    const KIND: Kind = Kind::Candidate;
    fn attributes(&self, _: &Names) -> Vec<(&'static str, Value)> {
        Vec::new()
    }
}

impl ResourceFacts for Candidate {
    fn id(&self) -> &str {
        self.app.as_str()
    }
    fn version(&self) -> u64 {
        0
    }
}

impl Record for GateFacts {
    fn attributes(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("target", word(self.target.as_str())),
            ("classification", word(self.classification.as_str())),
            ("score", number(self.score)),
            ("approved", flag(self.approved)),
            ("approval_unexpired", flag(self.approval_unexpired)),
            ("charter_as_approved", flag(self.charter_as_approved)),
            ("artifact_as_approved", flag(self.artifact_as_approved)),
            ("within_approval", flag(self.within_approval)),
            ("environment_declared", flag(self.environment_declared)),
            ("previous_live", flag(self.previous_live)),
            ("stopped", flag(self.stopped)),
            ("artifact_present", flag(self.artifact_present)),
            ("sponsor_decided", flag(self.sponsor_decided)),
            ("heartbeat_seen", flag(self.heartbeat_seen)),
            ("event_seen", flag(self.event_seen)),
            (
                "unmet_controls",
                texts(self.unmet_controls.iter().map(String::as_str)),
            ),
        ]
    }
}

impl ContextFacts for GateFacts {}

impl Record for ConnectorFacts {
    fn attributes(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("catalogued", flag(self.catalogued)),
            ("kind", word(self.kind.as_str())),
            ("environment", word(self.environment.as_str())),
            ("classification", word(self.classification.as_str())),
            ("cleared", flag(self.cleared)),
            ("host_known", flag(self.host_known)),
            ("scopes", texts(self.scopes.iter().map(String::as_str))),
            (
                "excess_scopes",
                texts(self.excess_scopes.iter().map(String::as_str)),
            ),
            (
                "excess_methods",
                texts(self.excess_methods.iter().map(String::as_str)),
            ),
        ]
    }
}

impl ContextFacts for ConnectorFacts {}
