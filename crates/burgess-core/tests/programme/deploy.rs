//! The promotion gate with the shipped policies, control by control.

use std::sync::LazyLock;

use burgess_core::app::{App, Environment};
use burgess_core::approval::{Approval, Capacity, Decision, Lapse, Progress, Verdict, record};
use burgess_core::charter::Charter;
use burgess_core::connector::Catalogue;
use burgess_core::deploy::{
    Deployment, Ended, EndedWhy, GateInputs, Promotion, RollbackError, StalePromotion, Telemetry,
    gate, rollback_target,
};
use burgess_core::digest::Digest;
use burgess_core::evidence::{Evidence, Refusal};
use burgess_core::id::{ApprovalId, DeploymentId};
use burgess_core::intake::ArtifactRef;
use burgess_core::lifecycle::State;
use burgess_core::policy::{PolicySet, default_set};
use burgess_core::time::{Span, Timestamp};

use crate::sample::{self, WHOLE, artifact, evidence, mail, now, request, terms};

/// The shipped policies, prepared once for all tests.
static SHIPPED: LazyLock<PolicySet> = LazyLock::new(|| default_set().unwrap());

/// Everything a promotion stands on; a test takes one piece away.
struct Case {
    app: App,
    charter: Charter,
    approved: Charter,
    artifact: Option<ArtifactRef>,
    approval: Option<Approval>,
    evidence: Evidence,
    deployments: Vec<Deployment>,
    telemetry: Telemetry,
    catalogue: Catalogue,
    now: Timestamp,
}

fn id(name: &str) -> DeploymentId {
    DeploymentId::parse(&format!("dpl_{name}")).unwrap()
}

fn live_in(charter: &Charter, environment: Environment, digest: Digest) -> Deployment {
    Deployment {
        id: id(environment.as_str()),
        app: charter.id.clone(),
        environment,
        version: charter.version.clone(),
        charter_digest: charter.digest(),
        artifact: Some(artifact().id),
        artifact_digest: Some(digest),
        approval: terms().id,
        by: mail("ops"),
        live_since: now(),
        ended: None,
    }
}

impl Case {
    /// The published sample, approved by all, live in sandbox and staging.
    fn ready() -> Self {
        let text = WHOLE.replacen(
            "justification = \"\"",
            "justification = \"it files quotes\"",
            1,
        );
        let charter = Charter::parse(&text).unwrap();
        let mut request = request(&charter, Some(artifact()), &evidence());
        let mut approval = None;
        for (who, capacity) in [
            ("rey", Capacity::Reviewer),
            ("sol", Capacity::SecondReviewer),
            ("olu", Capacity::Sponsor),
        ] {
            let decision = Decision {
                by: mail(who),
                capacity,
                verdict: Verdict::Approve,
                at: now(),
                comment: String::new(),
                conditions: Vec::new(),
            };
            request = match record(&request, decision, terms()).unwrap() {
                Progress::Waiting { request, .. } => request,
                Progress::Granted {
                    request,
                    approval: given,
                    ..
                } => {
                    approval = Some(given);
                    request
                }
                Progress::Rejected { .. } => panic!("rejected"),
            };
        }
        let digest = artifact().normalised;
        let mut app = sample::app(&charter);
        app.state = State::Staging;
        Self {
            app,
            approved: charter.clone(),
            artifact: Some(artifact()),
            approval,
            evidence: evidence(),
            deployments: vec![
                live_in(&charter, Environment::Sandbox, digest),
                live_in(&charter, Environment::Staging, digest),
            ],
            telemetry: Telemetry {
                artifact: Some(digest),
                heartbeat_at: Some(now()),
                event_at: Some(now()),
            },
            catalogue: Catalogue::built_in().unwrap(),
            charter,
            now: now().plus(Span::hours(1)),
        }
    }

    fn gate(&self, target: Environment) -> Result<Promotion, Refusal> {
        self.gate_with(target, &SHIPPED)
    }

    fn gate_with(&self, target: Environment, policies: &PolicySet) -> Result<Promotion, Refusal> {
        let inputs = GateInputs {
            app: &self.app,
            charter: &self.charter,
            artifact: self.artifact.as_ref(),
            approval: self.approval.as_ref(),
            approved_charter: Some(&self.approved),
            evidence: &self.evidence,
            deployments: &self.deployments,
            telemetry: &self.telemetry,
            catalogue: &self.catalogue,
            now: self.now,
        };
        gate(&inputs, target, policies)
    }
}

/// A ready case changed by `change` is refused in `target`, and `control` is named.
fn refused(target: Environment, control: &str, change: impl FnOnce(&mut Case)) -> Refusal {
    let mut case = Case::ready();
    change(&mut case);
    let refusal = case.gate(target).unwrap_err();
    assert!(refusal.names(control), "{control}: {refusal:#?}");
    assert!(
        refusal
            .unmet
            .iter()
            .all(|unmet| !unmet.remedy.is_empty() && !unmet.reason.is_empty()),
        "{refusal:#?}"
    );
    refusal
}

use Environment::{Production, Sandbox, Staging};

#[test]
fn a_version_with_everything_may_go_to_each_environment() {
    let case = Case::ready();
    for target in Environment::ALL {
        let promotion = case.gate(target).unwrap();
        assert_eq!(
            (promotion.target(), promotion.charter_digest()),
            (target, case.charter.digest())
        );
    }
}

// R1
#[test]
fn nothing_is_deployed_without_an_approval_in_force() {
    for target in Environment::ALL {
        refused(target, "approval", |case| case.approval = None);
        refused(target, "approval", |case| {
            case.approval = case
                .approval
                .take()
                .map(|a| a.voided(Lapse::Rejected, now()));
        });
        refused(target, "approval-expired", |case| {
            case.now = now().plus(Span::days(365))
        });
        refused(target, "charter-as-approved", |case| {
            case.charter.connector[0].scopes.clear()
        });
        refused(target, "charter-as-approved", |case| {
            case.charter.app.users = Some(1_000);
            case.approved = case.charter.clone();
        });
        refused(target, "artifact-as-approved", |case| {
            case.artifact.as_mut().unwrap().normalised = Digest::of(b"another artifact");
        });
    }
    let mut contact = Case::ready();
    contact.charter.support.contacts.clear();
    assert!(contact.gate(Production).is_ok());
}

// R46
#[test]
fn the_order_is_sandbox_staging_production_with_this_very_artifact() {
    refused(Staging, "environment-order", |case| {
        case.deployments.clear()
    });
    refused(Production, "environment-order", |case| {
        case.deployments.truncate(1)
    });
    refused(Production, "environment-order", |case| {
        case.deployments[1].artifact_digest = Some(Digest::of(b"the version before"));
    });
    refused(Production, "environment-order", |case| {
        case.deployments[1].ended = Some(Ended {
            at: now(),
            why: EndedWhy::RolledBack,
        });
    });
    let mut first = Case::ready();
    first.deployments.clear();
    assert!(first.gate(Sandbox).is_ok());
}

// R52
#[test]
fn staging_needs_a_heartbeat_of_this_artifact_from_the_sandbox() {
    refused(Staging, "heartbeat", |case| {
        case.telemetry.heartbeat_at = None
    });
    refused(Staging, "heartbeat", |case| {
        case.telemetry.artifact = Some(Digest::of(b"the version before"))
    });
}

// R53
#[test]
fn staging_needs_an_event_of_this_artifact_from_the_sandbox() {
    refused(Staging, "event-emitter", |case| {
        case.telemetry.event_at = None
    });
    let mut first = Case::ready();
    first.telemetry = Telemetry::default();
    assert!(first.gate(Sandbox).is_ok());
}

// R16 R28
#[test]
fn production_needs_the_sponsors_yes() {
    let refusal = refused(Production, "sponsor-decision", |case| {
        case.approval
            .as_mut()
            .unwrap()
            .decisions
            .retain(|decision| decision.capacity != Capacity::Sponsor);
    });
    assert!(
        refusal
            .unmet
            .iter()
            .all(|unmet| unmet.policy != String::new())
    );
    refused(Production, "within-approval", |case| {
        case.approval.as_mut().unwrap().up_to = Sandbox
    });
}

// R95 R96
#[test]
fn the_gate_stops_without_an_sbom() {
    refused(Staging, "sbom", |case| case.evidence.sbom = None);
    refused(Production, "sbom", |case| case.evidence.sbom = None);
}

// R204
#[test]
fn promotion_stops_without_test_results_for_this_artifact() {
    refused(Staging, "tests", |case| case.evidence.tests.clear());
}

// R205
#[test]
fn an_overdue_finding_stops_promotion() {
    refused(Production, "remediation-in-time", |case| {
        case.evidence
            .open_findings
            .push(burgess_core::evidence::OpenFinding {
                finding: burgess_core::finding::Finding {
                    rule: "csv.injection".to_owned(),
                    severity: burgess_core::finding::Severity::Error,
                    file: String::new(),
                    pointer: String::new(),
                    message: "formulas are passed on".to_owned(),
                    remedy: "escape them".to_owned(),
                },
                found_at: now().minus(Span::days(30)),
                mended_at: None,
            });
    });
}

#[test]
fn readme_and_secrets_stop_promotion_with_the_place_they_stand_in() {
    let refusal = refused(Staging, "readme", |case| {
        case.evidence.readme.as_mut().unwrap().missing_sections = vec!["Data flows".to_owned()];
    });
    assert!(refusal.to_string().contains("Data flows"), "{refusal}");
    refused(Staging, "no-secrets", |case| {
        case.evidence.secrets_searched = false
    });
}

// R151
#[test]
fn a_forbidden_connector_stops_the_deployment() {
    let refusal = refused(Staging, "connector", |case| {
        case.charter.connector[0].id = "dropbox".to_owned();
    });
    assert!(refusal.to_string().contains("dropbox"), "{refusal}");
}

// R152
#[test]
fn an_excess_scope_stops_the_deployment() {
    let refusal = refused(Staging, "scopes", |case| {
        case.charter.connector[0]
            .scopes
            .push("admin:everything".to_owned());
    });
    assert!(refusal.to_string().contains("salesforce"), "{refusal}");
}

#[test]
fn a_stopped_app_goes_nowhere() {
    for state in [
        State::Quarantined,
        State::RetirementScheduled,
        State::Retired,
    ] {
        refused(Sandbox, "lifecycle", |case| case.app.state = state);
    }
}

#[test]
fn a_refusal_lists_everything_at_once() {
    let refusal = refused(Production, "sbom", |case| {
        case.evidence = Evidence {
            artifact: case.evidence.artifact,
            ..Evidence::default()
        };
        case.telemetry = Telemetry::default();
        case.deployments.clear();
    });
    for control in [
        "readme",
        "tests",
        "no-secrets",
        "pinned",
        "heartbeat",
        "event-emitter",
        "environment-order",
    ] {
        assert!(refusal.names(control), "{control}: {refusal:#?}");
    }
}

#[test]
fn without_policies_nothing_is_deployed() {
    let refusal = Case::ready()
        .gate_with(Sandbox, &PolicySet::none())
        .unwrap_err();
    assert!(!refusal.unmet.is_empty());
}

#[test]
fn a_promotion_expires_and_does_not_outlive_a_change_of_the_app() {
    let case = Case::ready();
    let promotion = || case.gate(Production).unwrap();
    let deployed = promotion()
        .deploy(id("new"), &case.app, mail("ops"), case.now)
        .unwrap();
    assert!(deployed.is_live() && deployed.environment == Production);
    let late = case.now.plus(Span::minutes(15));
    assert_eq!(
        promotion().deploy(id("new"), &case.app, mail("ops"), late),
        Err(StalePromotion::Expired)
    );
    let mut changed = case.app.clone();
    changed.revision += 1;
    assert_eq!(
        promotion().deploy(id("new"), &changed, mail("ops"), case.now),
        Err(StalePromotion::AppChanged)
    );
}

#[test]
fn rolling_back_returns_to_the_last_replaced_version_whose_approval_holds() {
    let charter = Case::ready().charter;
    let before = Deployment {
        id: id("before"),
        approval: ApprovalId::parse("apr_before").unwrap(),
        live_since: now().minus(Span::days(9)),
        ended: Some(Ended {
            at: now(),
            why: EndedWhy::Replaced,
        }),
        ..live_in(&charter, Production, Digest::of(b"the version before"))
    };
    let bad = Deployment {
        id: id("bad"),
        live_since: now().minus(Span::days(2)),
        ended: Some(Ended {
            at: now(),
            why: EndedWhy::RolledBack,
        }),
        ..live_in(&charter, Production, Digest::of(b"a bad version"))
    };
    let current = live_in(&charter, Production, artifact().normalised);
    let all = [before.clone(), bad, current];
    let target = rollback_target(&all, Production, |_| true).unwrap();
    assert_eq!(target.id, before.id);
    let again = target.again(id("again"), mail("ops"), now());
    assert!(again.is_live() && again.artifact_digest == before.artifact_digest);
    let lapsed = rollback_target(&all, Production, |approval| *approval != before.approval);
    assert_eq!(
        lapsed,
        Err(RollbackError::NotInForce(before.approval.clone()))
    );
    assert_eq!(
        rollback_target(&all[2..], Production, |_| true),
        Err(RollbackError::NoEarlier(Production))
    );
    assert_eq!(
        rollback_target(&all, Staging, |_| true),
        Err(RollbackError::NothingLive(Staging))
    );
}
