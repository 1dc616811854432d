//! Which way a request goes: automatic or to a reviewer, with or without the sponsor.

use super::{Lane, Route};
use crate::app::Environment;
use crate::charter::Charter;
use crate::data::Classification;
use crate::evidence::{ArtifactFacts, Controls};
use crate::risk::{Band, Connectivity, Execution, Factors, Score, UserBand};

/// What the route depends on besides the score and the controls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteFacts {
    /// What the score was made from.
    pub factors: Factors,
    /// Whether the app reaches a production system.
    pub production_systems: bool,
    /// Whether it is to run in production.
    pub production_asked: bool,
    /// Whether it touches local files or drives the machine.
    pub files_or_automation: bool,
}

impl RouteFacts {
    /// Gathers them; what the artifact shows counts as if it was declared.
    pub fn of(charter: &Charter, factors: Factors, facts: &ArtifactFacts) -> Self {
        Self {
            factors,
            production_systems: charter.app.production_systems,
            production_asked: charter.app.environments.contains(&Environment::Production),
            files_or_automation: !charter.capabilities.files.is_empty()
                || !charter.capabilities.automation.is_empty()
                || facts.shows_local_access(),
        }
    }

    /// Whether it reaches into somebody's machine, by an agent or by itself.
    pub fn local_access(&self) -> bool {
        self.files_or_automation || self.factors.execution == Execution::DesktopAgent
    }
}

/// The way a request with that score goes, and why.
///
/// Automatic only when all of this holds: low band, no PII or PHI, fewer than 10 people, no
/// external connectivity, no desktop agent, no local access, and every control present
/// (R31, R144). It replaces the reviewer, never the sponsor.
pub fn route(score: &Score, facts: &RouteFacts, controls: &Controls) -> Route {
    let against = against_automatic(score, facts, controls);
    let lane = if against.is_empty() {
        Lane::Auto
    } else {
        Lane::Review
    };
    let mut reasons = against;
    if lane == Lane::Auto {
        reasons.push("low risk and all controls are present, so the rules approve it".to_owned());
    }
    if facts.local_access() {
        reasons.push(
            "an agent, local files or automation is part of it, so a second reviewer decides too"
                .to_owned(),
        );
    }
    let sponsor = sponsor_reasons(facts);
    let needs_sponsor = !sponsor.is_empty();
    reasons.extend(sponsor);
    Route {
        lane,
        second_reviewer: facts.local_access(),
        sponsor: needs_sponsor,
        reasons,
    }
}

fn against_automatic(score: &Score, facts: &RouteFacts, controls: &Controls) -> Vec<String> {
    let factors = &facts.factors;
    let mut against = Vec::new();
    if score.band != Band::Low {
        against.push(format!(
            "the score of {} is {}, not low",
            score.score, score.band
        ));
    }
    if factors.data.is_personal() {
        against.push(format!("it handles {} data", class_in_words(factors.data)));
    }
    if UserBand::of(factors.users) != UserBand::Few {
        against.push(format!(
            "{} people use it, not fewer than 10",
            factors.users
        ));
    }
    if factors.connectivity != Connectivity::None {
        against.push("it connects to something outside".to_owned());
    }
    if factors.third_party_code {
        against.push("third-party code is part of it".to_owned());
    }
    if factors.execution == Execution::DesktopAgent {
        against.push("a desktop agent is part of it".to_owned());
    }
    if facts.files_or_automation {
        against.push("it touches local files or automation".to_owned());
    }
    for control in controls.missing_for_approval() {
        against.push(format!("a control is missing: {}", control.id.title()));
    }
    against
}

/// Why the sponsor decides too; each reason alone is enough (R28).
fn sponsor_reasons(facts: &RouteFacts) -> Vec<String> {
    let mut reasons = Vec::new();
    if facts.production_systems {
        reasons.push("it reaches a production system, so the sponsor decides too".to_owned());
    }
    if facts.factors.data.is_personal() {
        reasons.push(format!(
            "it handles {} data, so the sponsor decides too",
            class_in_words(facts.factors.data)
        ));
    }
    if facts.production_asked {
        reasons.push("it is to run in production, so the sponsor decides too".to_owned());
    }
    reasons
}

fn class_in_words(class: Classification) -> String {
    class.as_str().to_uppercase()
}
