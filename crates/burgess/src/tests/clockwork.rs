//! What the clock does by itself, on a clock that is moved by hand.

use std::collections::BTreeSet;

use burgess_core::app::Environment;
use burgess_core::approval::{Capacity, Verdict};
use burgess_core::credential::CredentialState;
use burgess_core::id::AppId;
use burgess_core::lifecycle::State;
use burgess_core::review::Outcome;
use burgess_core::time::{Span, Timestamp};
use serde_json::Value;

use super::world::{DANA, OLU, PRIYA, World, high, medium, owner_and_platform_team};
use crate::operations::retire::By;
use crate::operations::{connect, promote, retire, review};

/// Kinds of the reminders about an app, the oldest first, each with whom it went to.
async fn reminders(world: &World, app: &AppId) -> Vec<(String, BTreeSet<String>)> {
    let mut sent = world.server.store.reminders_of(app).await.unwrap();
    sent.sort_by_key(|it| it.record.sent_at);
    sent.into_iter()
        .map(|it| (it.record.kind, it.record.to.into_iter().collect()))
        .collect()
}

async fn alert_kinds(world: &World, app: &AppId) -> BTreeSet<String> {
    world
        .server
        .store
        .open_alerts(Some(app))
        .await
        .unwrap()
        .into_iter()
        .map(|it| it.record.kind)
        .collect()
}

// R33 R57
#[tokio::test]
async fn a_decision_is_warned_of_at_48_hours_and_late_at_72_once_each_and_owner_and_platform_team_hear_of_it()
 {
    let world = World::new().await;
    let mut charter = world.charter("Desk booking").await;
    medium(&mut charter);
    let request = world.submit(charter).await.unwrap();
    let sla = request.sla.unwrap();
    assert_eq!(sla.due_at.since(request.submitted_at), Span::hours(72));
    assert_eq!(world.after(Span::hours(47)).await.escalated, 0);
    assert_eq!(world.after(Span::hours(1)).await.escalated, 1, "48 hours");
    assert_eq!(
        world.after(Span::hours(23)).await.escalated,
        0,
        "warned once"
    );
    assert_eq!(world.after(Span::hours(1)).await.escalated, 1, "72 hours");
    assert_eq!(
        world.after(Span::hours(100)).await.escalated,
        0,
        "late once"
    );
    let to = owner_and_platform_team();
    assert_eq!(
        reminders(&world, &request.app).await,
        [
            ("sla_warning".to_owned(), to.clone()),
            ("sla_breach".to_owned(), to)
        ]
    );
    assert_eq!(
        alert_kinds(&world, &request.app).await,
        BTreeSet::from(["sla_breach".to_owned(), "sla_warning".to_owned()])
    );
}

// R33
#[tokio::test]
async fn a_request_that_was_decided_in_time_is_never_called_late() {
    let world = World::new().await;
    let mut charter = world.charter("Desk booking").await;
    medium(&mut charter);
    let request = world.submit(charter).await.unwrap();
    world.after(Span::hours(40)).await;
    world
        .decide(&request, PRIYA, Capacity::Reviewer, Verdict::Approve)
        .await
        .unwrap();
    assert_eq!(world.after(Span::hours(40)).await.escalated, 0);
    assert!(reminders(&world, &request.app).await.is_empty());
}

/// Completes the open review of an app.
async fn complete_review(world: &World, app: &AppId) {
    let reviews = world.server.store.reviews_of(app).await.unwrap();
    let open: Vec<_> = reviews
        .into_iter()
        .filter(|it| it.record.completed.is_none())
        .collect();
    assert_eq!(open.len(), 1, "one review is open at a time");
    let priya = world.person(PRIYA).await;
    review::complete(
        &world.server,
        &priya,
        &open[0].record.id,
        Outcome::Continue,
        "Looked at calls and owner.",
    )
    .await
    .unwrap();
}

// R61
#[tokio::test]
async fn a_high_risk_app_is_reviewed_every_month() {
    let world = World::new().await;
    let mut charter = world.charter("Customer finder").await;
    high(&mut charter);
    let app = world.approved(charter).await;
    assert_eq!(world.after(Span::days(29)).await.reviews, 0);
    assert_eq!(world.after(Span::days(1)).await.reviews, 1, "day 30");
    assert_eq!(
        world.after(Span::days(5)).await.reviews,
        0,
        "not a second one while the first is open"
    );
    assert!(alert_kinds(&world, &app).await.contains("review_due"));
    complete_review(&world, &app).await;
    assert_eq!(world.after(Span::days(29)).await.reviews, 0);
    assert_eq!(
        world.after(Span::days(1)).await.reviews,
        1,
        "a month after the last one"
    );
}

// R62
#[tokio::test]
async fn a_medium_risk_app_is_reviewed_every_quarter() {
    let world = World::new().await;
    let mut charter = world.charter("Desk booking").await;
    medium(&mut charter);
    let app = world.approved(charter).await;
    assert_eq!(world.after(Span::days(89)).await.reviews, 0);
    assert_eq!(world.after(Span::days(1)).await.reviews, 1, "day 90");
    complete_review(&world, &app).await;
    assert_eq!(world.after(Span::days(89)).await.reviews, 0);
    assert_eq!(
        world.after(Span::days(1)).await.reviews,
        1,
        "a quarter after the last one"
    );
}

async fn state(world: &World, app: &AppId) -> State {
    world.server.store.app(app).await.unwrap().unwrap().state
}

// R66 R67 R57
#[tokio::test]
async fn an_idle_app_is_reminded_of_at_90_days_once_and_scheduled_to_retire_at_180() {
    let world = World::new().await;
    let app = world.in_sandbox("Lunch poll").await;
    assert_eq!(world.after(Span::days(89)).await.reminded, 0);
    assert_eq!(world.after(Span::days(1)).await.reminded, 1, "day 90");
    let later = world.after(Span::days(89)).await;
    assert_eq!(
        (later.reminded, later.scheduled),
        (0, 0),
        "reminded once, and not scheduled on day 179"
    );
    assert_eq!(world.after(Span::days(1)).await.scheduled, 1, "day 180");
    assert_eq!(state(&world, &app).await, State::RetirementScheduled);
    assert_eq!(
        reminders(&world, &app).await,
        [("idle".to_owned(), owner_and_platform_team())]
    );
}

// R66
#[tokio::test]
async fn an_app_that_is_used_is_not_idle_and_a_new_idle_stretch_reminds_anew() {
    let world = World::new().await;
    let app = world.in_sandbox("Lunch poll").await;
    world.after(Span::days(80)).await;
    let issued = connect::issue(
        &world.server,
        &world.person(DANA).await,
        &app,
        Environment::Sandbox,
    )
    .await
    .unwrap();
    world.tell(&app, &issued).await;
    assert_eq!(
        world.after(Span::days(80)).await.reminded,
        0,
        "used 80 days ago"
    );
    assert_eq!(world.after(Span::days(10)).await.reminded, 1);
    let issued = connect::issue(
        &world.server,
        &world.person(DANA).await,
        &app,
        Environment::Sandbox,
    )
    .await
    .unwrap();
    world.tell(&app, &issued).await;
    assert_eq!(world.after(Span::days(90)).await.reminded, 1, "idle again");
}

// R66
#[tokio::test]
async fn a_call_through_the_gateway_counts_as_use_and_an_intent_alone_does_not() {
    use crate::operations::event::about;
    let world = World::new().await;
    let id = world.in_sandbox("Lunch poll").await;
    world.after(Span::days(80)).await;
    let app = world.server.store.app(&id).await.unwrap().unwrap();
    let call = |name: &str| {
        let now = world.server.ambient.now();
        let mut event = about(&world.server.ambient, Some(&app), now)
            .unwrap()
            .done();
        event.event_id = burgess_core::id::EventId::parse(name).unwrap();
        event
    };
    let journal = &world.server.journal;
    let intent = call("evt_call_intent");
    journal
        .record(intent, "gateway", None, [1; 32])
        .await
        .unwrap();
    assert_eq!(
        world.after(Span::days(10)).await.reminded,
        1,
        "an intent is no use"
    );
    let outcome = call("evt_call");
    journal
        .record(outcome, "gateway", None, [2; 32])
        .await
        .unwrap();
    assert_eq!(
        world.after(Span::days(89)).await.reminded,
        0,
        "used 89 days ago"
    );
    assert_eq!(world.after(Span::days(1)).await.reminded, 1, "idle again");
}

fn time(value: &Value) -> Timestamp {
    Timestamp::parse(value.as_str().unwrap()).unwrap()
}

// R153 R154 R63 R64 R65
#[tokio::test]
async fn when_its_notice_is_over_an_app_retires_with_every_credential_revoked_and_tried_and_its_record_archived()
 {
    let world = World::new().await;
    let app = world.in_sandbox("Lunch poll").await;
    let dana = world.person(DANA).await;
    world.after(Span::days(179)).await;
    let first = connect::issue(&world.server, &dana, &app, Environment::Sandbox)
        .await
        .unwrap();
    let second = connect::issue(&world.server, &dana, &app, Environment::Sandbox)
        .await
        .unwrap();
    assert!(
        world.exchange(&first).await.is_err(),
        "the second took its place"
    );
    assert_eq!(world.after(Span::days(1)).await.scheduled, 1);
    assert_eq!(world.after(Span::days(29)).await.retired, 0);
    assert!(
        world.exchange(&second).await.is_ok(),
        "it works until the notice is over"
    );
    assert_eq!(world.after(Span::days(1)).await.retired, 1);

    assert_eq!(state(&world, &app).await, State::Retired);
    for credential in [&first, &second] {
        let refused = world.exchange(credential).await.unwrap_err();
        assert!(matches!(refused.status.as_u16(), 401 | 403), "{refused:?}");
    }
    let dossier = promote::dossier(&world.server, &app).await.unwrap();
    assert!(
        dossier
            .credentials
            .iter()
            .all(|it| it.record.state == CredentialState::Revoked)
    );
    assert!(dossier.deployments.iter().all(|it| !it.record.is_live()));

    let retirement = dossier.retirement.unwrap().record;
    let checklist = retirement.checklist().unwrap();
    let proofs = checklist["credentials"].as_array().unwrap();
    assert_eq!(proofs.len(), 2);
    assert!(
        proofs
            .iter()
            .all(|it| it["revoked_at"].is_string() && it["refused_at"].is_string()),
        "{proofs:?}"
    );
    assert!(!checklist["lessons_learned"].as_str().unwrap().is_empty());
    let archive = &checklist["archive"];
    assert_eq!(archive["label"], "sales-3y");
    assert_eq!(
        time(&archive["expires_at"]).since(time(&archive["archived_at"])),
        Span::days(1_095)
    );
    let digest = serde_json::from_value(archive["digest"].clone()).unwrap();
    let kept = world
        .server
        .store
        .blobs()
        .get(&digest)
        .unwrap()
        .expect("the archive object is there");
    let kept: Value = serde_json::from_slice(&kept).unwrap();
    assert_eq!(kept["app"]["id"], app.as_str());
    assert_eq!(kept["deployments"].as_array().unwrap().len(), 1);
}

// R65
#[tokio::test]
async fn nobody_retires_an_app_without_writing_down_what_was_learned() {
    let world = World::new().await;
    let app = world.in_sandbox("Lunch poll").await;
    let priya = world.person(PRIYA).await;
    let refused = retire::retire(&world.server, By::Person(&priya), &app, " \n ")
        .await
        .unwrap_err();
    assert!(refused.detail.contains("lessons"), "{refused:?}");
    assert_eq!(
        state(&world, &app).await,
        State::Sandbox,
        "nothing was changed"
    );
    retire::retire(
        &world.server,
        By::Person(&priya),
        &app,
        "A shared list did it too.",
    )
    .await
    .unwrap();
    let held = world
        .server
        .store
        .retirement(&app)
        .await
        .unwrap()
        .unwrap()
        .record;
    assert_eq!(
        held.checklist().unwrap()["lessons_learned"],
        "A shared list did it too."
    );
}

#[tokio::test]
async fn the_owner_can_keep_an_app_that_was_to_retire() {
    let world = World::new().await;
    let app = world.in_sandbox("Lunch poll").await;
    assert_eq!(world.after(Span::days(180)).await.scheduled, 1);
    retire::keep(&world.server, &world.person(OLU).await, &app)
        .await
        .unwrap();
    assert_eq!(state(&world, &app).await, State::Sandbox);
    let later = world.after(Span::days(60)).await;
    assert_eq!(
        (later.scheduled, later.retired),
        (0, 0),
        "keeping counts as use"
    );
}

#[tokio::test]
async fn an_approval_ends_by_itself_after_a_year_and_what_is_live_under_it_stops() {
    let world = World::new().await;
    let app = world.in_sandbox("Lunch poll").await;
    for _ in 0..4 {
        world.after(Span::days(80)).await;
        let issued = connect::issue(
            &world.server,
            &world.person(DANA).await,
            &app,
            Environment::Sandbox,
        )
        .await
        .unwrap();
        world.tell(&app, &issued).await;
    }
    assert_eq!(world.after(Span::days(44)).await.expired, 0, "day 364");
    let issued = connect::issue(
        &world.server,
        &world.person(DANA).await,
        &app,
        Environment::Sandbox,
    )
    .await
    .unwrap();
    assert_eq!(world.after(Span::days(1)).await.expired, 1, "day 365");
    assert!(world.exchange(&issued).await.is_err());
    let dossier = promote::dossier(&world.server, &app).await.unwrap();
    assert!(dossier.deployments.iter().all(|it| !it.record.is_live()));
    assert_eq!(world.after(Span::days(1)).await.expired, 0, "once");
}
