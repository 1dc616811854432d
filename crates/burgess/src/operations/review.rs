//! Periodic reviews: opened by the clock, completed by people.

use burgess_core::audit::ActionType;
use burgess_core::id::ReviewId;
use burgess_core::policy::action::CompleteReview;
use burgess_core::policy::facts::NoContext;
use burgess_core::review::{Completed, Outcome};
use burgess_store::{Change, Write, review_state};

use super::promote::{dossier, facts};
use super::{Caller, event, permit};
use crate::http::problem::Problem;
use crate::server::Server;

/// Completes a review.
pub async fn complete(
    server: &Server,
    caller: &Caller,
    id: &ReviewId,
    outcome: Outcome,
    note: &str,
) -> Result<(), Problem> {
    let now = server.now()?;
    let held = server
        .store
        .review(id)
        .await
        .map_err(|e| Problem::internal(&e))?;
    let held = held.ok_or_else(|| Problem::not_found("review", id.as_str()))?;
    let dossier = dossier(server, &held.record.app).await?;
    let permit = permit::<CompleteReview>(
        server,
        &caller.principal(),
        &facts(&dossier, now),
        &NoContext,
        now,
    )?;
    let completed = Completed {
        outcome,
        by: caller.email().clone(),
        at: now,
        note: note.trim().to_owned(),
    };
    let done = held
        .record
        .clone()
        .complete(completed)
        .map_err(|e| Problem::input(e.to_string()))?;
    let event = event::about(&server.ambient, Some(&dossier.app), now)
        .map_err(|e| Problem::internal(&e))?
        .by(caller)
        .permitted(&permit)
        .did(ActionType::Update, "review", id.as_str())
        .moved(Some(review_state(&held.record)), review_state(&done))
        .context("outcome", outcome.as_str())
        .done();
    server
        .commit(
            vec![Write {
                changes: vec![Change::Review(held.next(done))],
                event,
            }],
            &permit,
            now,
        )
        .await
}
