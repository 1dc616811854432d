//! The one-page checklist, computed from facts (R189 to R195).

use burgess_core::approval::Lane;
use burgess_core::credential::ACCESS_LIFETIME_MAX;
use burgess_core::time::Timestamp;
use burgess_store::Dossier;

use super::promote::{approved_request, evidence_of};
use crate::server::Server;

/// One item of the checklist.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Item {
    /// What is asked.
    pub title: &'static str,
    /// yes, no, auto or manual.
    pub answer: &'static str,
    /// Colour.
    pub tone: &'static str,
    /// From which facts.
    pub evidence: String,
}

fn item(title: &'static str, met: bool, evidence: String) -> Item {
    Item {
        title,
        answer: if met { "yes" } else { "no" },
        tone: if met { "good" } else { "bad" },
        evidence,
    }
}

/// The checklist of one app.
pub async fn checklist(server: &Server, dossier: &Dossier, now: Timestamp) -> Vec<Item> {
    let request = approved_request(dossier).or_else(|| dossier.requests.first());
    let seen = evidence_of(dossier);
    vec![
        intake(dossier, seen.readme.is_some()),
        score(request),
        secrets(server, dossier),
        dlp(server),
        audit(server, dossier).await,
        monitoring(dossier, now),
        retirement(dossier, request),
    ]
}

// R189
fn intake(dossier: &Dossier, readme: bool) -> Item {
    let requests = dossier.requests.len();
    let sponsor = dossier.app.owner.to_string();
    let said = if readme { "attached" } else { "missing" };
    item(
        "Intake submitted with sponsor and README",
        requests > 0 && readme,
        format!("{requests} request(s), sponsor {sponsor}, README {said}"),
    )
}

// R190
fn score(request: Option<&burgess_core::intake::Request>) -> Item {
    match request {
        Some(request) => {
            let auto = request.route.lane == Lane::Auto;
            Item {
                title: "Risk score computed and approval type confirmed",
                answer: if auto { "auto" } else { "manual" },
                tone: "good",
                evidence: format!(
                    "{} points, {} risk, {}",
                    request.score.score,
                    request.score.band,
                    request.state.as_str()
                ),
            }
        }
        None => item(
            "Risk score computed and approval type confirmed",
            false,
            "no request".to_owned(),
        ),
    }
}

// R191
fn secrets(server: &Server, dossier: &Dossier) -> Item {
    let kek = server.config.demo || server.config.kek_file.is_some();
    item(
        "Secrets and tokens are short-lived and managed by a KMS",
        kek,
        format!(
            "access tokens live {} at most; connector secrets and keys are sealed under a key outside the data folder; {} credential(s), secrets never stored",
            ACCESS_LIFETIME_MAX,
            dossier.credentials.len()
        ),
    )
}

// R192
fn dlp(server: &Server) -> Item {
    let policies = server.policies.load();
    let rules = policies
        .rules()
        .filter(|card| card.rule.id.starts_with("release-"))
        .count();
    item(
        "DLP rules applied, sensitive exports blocked",
        rules > 0,
        format!(
            "{rules} release rules in force, policy digest {}",
            policies.digest()
        ),
    )
}

// R193
async fn audit(server: &Server, dossier: &Dossier) -> Item {
    let complete = server
        .trail
        .completeness(dossier.app.id.as_str())
        .await
        .ok();
    let (met, said) = match complete {
        Some(it) => (
            it.gapless && it.events > 0,
            format!(
                "{} events, sequence {}",
                it.events,
                if it.gapless { "gapless" } else { "with gaps" }
            ),
        ),
        None => (false, "the index cannot be read".to_owned()),
    };
    item(
        "Audit events enabled and stored immutably",
        met,
        format!("{said}; ledger {}", server.ledger().origin()),
    )
}

// R194
fn monitoring(dossier: &Dossier, now: Timestamp) -> Item {
    let sla = dossier
        .requests
        .first()
        .and_then(|request| request.charter.support.remediation_sla);
    let overdue = dossier
        .reviews
        .iter()
        .filter(|it| it.record.is_overdue(now))
        .count();
    item(
        "Monitoring and alerting configured with SLAs",
        sla.is_some(),
        format!(
            "remediation SLA {}, {} open alert(s), {overdue} overdue review(s)",
            sla.map_or_else(|| "missing".to_owned(), |span| span.to_string()),
            dossier.alerts.len()
        ),
    )
}

// R195
fn retirement(dossier: &Dossier, request: Option<&burgess_core::intake::Request>) -> Item {
    let label = request
        .and_then(|request| request.charter.retention.as_ref())
        .map(|r| r.label.clone());
    let second = dossier.app.second_owner.is_some();
    item(
        "Retirement policy and owner assigned",
        label.is_some() && second,
        format!(
            "owner {}, second owner {}, retention {}",
            dossier.app.owner,
            dossier
                .app
                .second_owner
                .as_ref()
                .map_or("missing", |e| e.as_str()),
            label.unwrap_or_else(|| "missing".to_owned())
        ),
    )
}
