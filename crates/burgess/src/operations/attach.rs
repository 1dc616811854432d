//! Attaching to an app: a new artifact, the README, results of its test cases.
//!
//! A new artifact is a new version to approve: it goes back to review through intake,
//! with only the difference to look at.

use std::sync::Arc;

use burgess_core::audit::ActionType;
use burgess_core::evidence::TestResult;
use burgess_core::id::AppId;
use burgess_core::intake::Request;
use burgess_core::policy::action::{AttachArtifact, AttachReadme, RecordTestResult};
use burgess_core::policy::facts::NoContext;
use burgess_store::{Change, EvidenceKind, Write};

use super::evidence::{self, Upload};
use super::intake::{self, Handed};
use super::promote::{self, facts};
use super::{Caller, event, permit};
use crate::http::problem::Problem;
use crate::server::Server;

/// Attaches an artifact: the request that is asked anew with it.
pub async fn artifact(
    server: &Arc<Server>,
    caller: &Caller,
    id: &AppId,
    upload: Upload,
) -> Result<Request, Problem> {
    let now = server.now()?;
    let dossier = promote::dossier(server, id).await?;
    let _permit = permit::<AttachArtifact>(
        server,
        &caller.principal(),
        &facts(&dossier, now),
        &NoContext,
        now,
    )?;
    let charter = dossier
        .requests
        .first()
        .map(|request| request.charter.clone())
        .ok_or_else(|| Problem::conflict("the app has no request yet: hand one in first"))?;
    let open = dossier
        .requests
        .iter()
        .find(|r| r.is_open() && r.approval.is_none())
        .map(|r| r.id.clone());
    if let Some(open) = open {
        super::approve::withdraw(server, caller, &open).await?;
    }
    intake::submit(
        server,
        caller,
        Handed {
            charter,
            artifact: Some(upload),
            readme: None,
        },
    )
    .await
}

/// Attaches the README; it is linted at once and voids nothing.
pub async fn readme(
    server: &Server,
    caller: &Caller,
    id: &AppId,
    text: &str,
) -> Result<(), Problem> {
    let now = server.now()?;
    let dossier = promote::dossier(server, id).await?;
    let permit = permit::<AttachReadme>(
        server,
        &caller.principal(),
        &facts(&dossier, now),
        &NoContext,
        now,
    )?;
    let charter = dossier.requests.first().map(|request| &request.charter);
    let charter = charter
        .ok_or_else(|| Problem::conflict("the app has no request yet: hand one in first"))?;
    let change = intake::readme_change(server, charter, &dossier.evidence, text, caller, now)?;
    commit(server, caller, &dossier, change, "readme", &permit, now).await
}

/// Records how a test case of the README went on the artifact that was uploaded last (R204).
pub async fn test_result(
    server: &Server,
    caller: &Caller,
    id: &AppId,
    case: &str,
    passed: bool,
    note: &str,
) -> Result<(), Problem> {
    let now = server.now()?;
    let dossier = promote::dossier(server, id).await?;
    let permit = permit::<RecordTestResult>(
        server,
        &caller.principal(),
        &facts(&dossier, now),
        &NoContext,
        now,
    )?;
    let seen = promote::evidence_of(&dossier);
    let cases = seen
        .readme
        .map(|readme| readme.test_cases)
        .unwrap_or_default();
    if !cases.iter().any(|known| known == case) {
        return Err(Problem::input(format!(
            "the README has no test case `{case}`: it has {}",
            cases.join(", ")
        )));
    }
    let artifact = seen.artifact.ok_or_else(|| {
        Problem::conflict("there is no artifact to test yet: upload the app's export first")
    })?;
    let result = TestResult {
        case: case.to_owned(),
        artifact,
        passed,
        note: note.trim().to_owned(),
        by: caller.email().clone(),
        at: now,
    };
    let item = evidence::item(
        id,
        Some(artifact),
        EvidenceKind::TestResult,
        case,
        &result,
        caller.email().as_str(),
        now,
    );
    let change = evidence::record(&dossier.evidence, item);
    commit(
        server,
        caller,
        &dossier,
        change,
        "test_result",
        &permit,
        now,
    )
    .await
}

async fn commit<A: burgess_core::policy::Action>(
    server: &Server,
    caller: &Caller,
    dossier: &burgess_store::Dossier,
    change: Change,
    what: &str,
    permit: &burgess_core::permit::Permit<A>,
    now: burgess_core::time::Timestamp,
) -> Result<(), Problem> {
    let event = event::about(&server.ambient, Some(&dossier.app), now)
        .map_err(|e| Problem::internal(&e))?
        .by(caller)
        .permitted(permit)
        .did(ActionType::Create, what, &change.resource_id())
        .done();
    server
        .commit(
            vec![Write {
                changes: vec![change],
                event,
            }],
            permit,
            now,
        )
        .await
}
