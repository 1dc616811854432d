//! The promotion gate: gathers facts, asks the policies, and seals the answer.

use std::collections::BTreeSet;

use super::{
    ConnectorFacts, Deployment, GateFacts, GateInputs, PROMOTION_VALID_FOR, Promotion, live,
    unmet_ids,
};
use crate::app::Environment;
use crate::charter::{ConnectorUse, material_diff};
use crate::connector::Kind;
use crate::data::Classification;
use crate::digest::Digest;
use crate::evidence::{Controls, Refusal, Status, Unmet, controls};
use crate::lifecycle::State;
use crate::policy::PolicySet;

/// Asks whether the version in `inputs` may go live in `target`. The refusal lists every
/// unmet control at once, each with the policy that asks for it and what would satisfy it.
pub fn gate(
    inputs: &GateInputs<'_>,
    target: Environment,
    policies: &PolicySet,
) -> Result<Promotion, Refusal> {
    let controls = controls(inputs.charter, inputs.evidence, target, inputs.now);
    let (facts, connectors) = gate_facts(inputs, target, &controls);
    let answer = policies.gate(&facts, &connectors);
    let unmet = answer
        .denials
        .into_iter()
        .map(|denial| with_details(denial.into(), &controls))
        .collect();
    Refusal::unless_empty(unmet)?;
    // No policy can open the gate without an approval: a promotion names the one it goes by.
    let Some(approval) = inputs.approval else {
        return Err(Refusal::because(
            "approval",
            "an app goes live only by an approval",
            "there is no approval".to_owned(),
            "hand in a request for this version",
        ));
    };
    Ok(Promotion {
        app: inputs.app.id.clone(),
        app_revision: inputs.app.revision,
        target,
        version: inputs.charter.version.clone(),
        charter_digest: inputs.charter.digest(),
        artifact: inputs.artifact.map(|artifact| artifact.id.clone()),
        artifact_digest: inputs.artifact.map(|artifact| artifact.normalised),
        approval: approval.id.clone(),
        policy_digest: answer.policy_digest,
        granted_at: inputs.now,
        expires_at: inputs.now.plus(PROMOTION_VALID_FOR),
    })
}

/// Puts the control's own reason and remedy in place of the policy's general ones.
fn with_details(mut unmet: Unmet, controls: &Controls) -> Unmet {
    let control = controls
        .unmet()
        .find(|control| control.id.as_str() == unmet.control);
    if let Some(control) = control
        && let Status::Unmet { reason, remedy } = &control.status
    {
        unmet.reason.clone_from(reason);
        unmet.remedy.clone_from(remedy);
    }
    unmet
}

/// Everything that the promotion and connector policies decide on.
pub fn gate_facts(
    inputs: &GateInputs<'_>,
    target: Environment,
    controls: &Controls,
) -> (GateFacts, Vec<ConnectorFacts>) {
    let charter = inputs.charter;
    let artifact = inputs.artifact.map(|artifact| artifact.normalised);
    let approval = inputs
        .approval
        .filter(|approval| approval.app == inputs.app.id);
    let seen = telemetry_of(inputs, artifact);
    let facts = GateFacts {
        app: inputs.app.id.clone(),
        target,
        classification: charter.classification().unwrap_or(Classification::None),
        score: approval.map_or(100, |approval| approval.score),
        approved: approval.is_some_and(|approval| approval.voided.is_none()),
        approval_unexpired: approval.is_some_and(|approval| inputs.now < approval.expires_at),
        charter_as_approved: charter_as_approved(inputs),
        artifact_as_approved: approval.is_some_and(|approval| match approval.artifact {
            Some(approved) => artifact == Some(approved),
            None => target == Environment::Sandbox,
        }),
        within_approval: approval.is_some_and(|approval| target <= approval.up_to),
        environment_declared: charter.app.environments.contains(&target),
        previous_live: previous_live(inputs.deployments, target, artifact),
        stopped: matches!(
            inputs.app.state,
            State::Quarantined | State::RetirementScheduled | State::Retired
        ),
        artifact_present: artifact.is_some(),
        sponsor_decided: approval.is_some_and(|approval| approval.has_sponsor()),
        heartbeat_seen: seen && inputs.telemetry.heartbeat_at.is_some(),
        event_seen: seen && inputs.telemetry.event_at.is_some(),
        unmet_controls: unmet_ids(controls),
    };
    let connectors = charter
        .connector
        .iter()
        .map(|declared| connector_facts(inputs, declared, target))
        .collect();
    (facts, connectors)
}

/// Whether the approval covers this charter: the same digest, or no material difference.
fn charter_as_approved(inputs: &GateInputs<'_>) -> bool {
    let (Some(approval), Some(approved)) = (inputs.approval, inputs.approved_charter) else {
        return false;
    };
    // The charter at hand must be the one that the approval names, whoever handed it in.
    approved.digest() == approval.charter_digest
        && !material_diff(approved, inputs.charter)
            .iter()
            .any(|change| change.material)
}

/// Telemetry counts when this artifact sent it.
fn telemetry_of(inputs: &GateInputs<'_>, artifact: Option<Digest>) -> bool {
    artifact.is_some() && inputs.telemetry.artifact == artifact
}

fn previous_live(
    deployments: &[Deployment],
    target: Environment,
    artifact: Option<Digest>,
) -> bool {
    match target.previous() {
        None => true,
        Some(previous) => live(deployments, previous)
            .is_some_and(|deployment| artifact.is_some() && deployment.artifact_digest == artifact),
    }
}

fn connector_facts(
    inputs: &GateInputs<'_>,
    declared: &ConnectorUse,
    environment: Environment,
) -> ConnectorFacts {
    let entry = inputs.catalogue.get(&declared.id);
    let charter = inputs.charter;
    let mut classes: BTreeSet<Classification> = declared
        .flows
        .iter()
        .filter_map(|flow| Some(charter.data(&flow.data)?.classification))
        .collect();
    if classes.is_empty() {
        // Without declared flows anything may go through it.
        classes.extend(charter.classification());
    }
    let excess = |asked: &[String], allowed: Option<&BTreeSet<String>>| -> BTreeSet<String> {
        asked
            .iter()
            .filter(|name| allowed.is_some_and(|allowed| !allowed.contains(*name)))
            .cloned()
            .collect()
    };
    ConnectorFacts {
        connector: declared.id.clone(),
        catalogued: entry.is_some() && declared.hosts.is_empty(),
        kind: match entry {
            Some(entry) if declared.hosts.is_empty() => entry.kind,
            _ => Kind::ExternalApi,
        },
        environment,
        classification: classes.last().copied().unwrap_or(Classification::None),
        cleared: match entry {
            Some(entry) => classes.is_subset(&entry.classes),
            None => classes.iter().all(|class| *class <= Classification::Public),
        },
        host_known: !inputs.catalogue.hosts(declared, environment).is_empty(),
        scopes: declared.scopes.iter().cloned().collect(),
        excess_scopes: excess(&declared.scopes, entry.map(|entry| &entry.scopes)),
        excess_methods: excess(&declared.methods, entry.map(|entry| &entry.methods)),
    }
}
