//! The one-page checklist: every item comes from a fact, and flips when the fact is gone.

use burgess_core::policy::PolicySet;
use burgess_store::Dossier;
use std::sync::Arc;

use super::world::{DANA, PRIYA, World, medium, workflow};
use crate::jobs;
use crate::operations::intake::{self, Handed};
use crate::operations::promote;
use crate::operations::report::{Item, checklist};

async fn dossier(world: &World) -> Dossier {
    let app = world.in_sandbox("Lunch poll").await;
    jobs::project::project(&world.server).await.unwrap();
    promote::dossier(&world.server, &app).await.unwrap()
}

async fn items(world: &World, dossier: &Dossier) -> Vec<Item> {
    checklist(&world.server, dossier, world.server.ambient.now()).await
}

async fn answer(world: &World, dossier: &Dossier, start: &str) -> &'static str {
    let items = items(world, dossier).await;
    items
        .iter()
        .find(|item| item.title.starts_with(start))
        .unwrap_or_else(|| panic!("{start}: {items:?}"))
        .answer
}

// R189 R195
#[tokio::test]
async fn each_item_about_the_app_says_no_when_its_fact_is_gone() {
    let world = World::new().await;
    let whole = dossier(&world).await;
    assert_eq!(items(&world, &whole).await.len(), 7);
    assert_eq!(answer(&world, &whole, "Intake submitted").await, "yes");
    assert_eq!(answer(&world, &whole, "Retirement policy").await, "yes");

    let mut no_readme = whole.clone();
    no_readme
        .evidence
        .retain(|it| it.record.kind != burgess_store::EvidenceKind::Readme);
    assert_eq!(answer(&world, &no_readme, "Intake submitted").await, "no");
    let mut no_request = whole.clone();
    no_request.requests.clear();
    assert_eq!(answer(&world, &no_request, "Intake submitted").await, "no");

    let mut no_second = whole.clone();
    no_second.app.second_owner = None;
    assert_eq!(answer(&world, &no_second, "Retirement policy").await, "no");
    let mut no_label = whole;
    no_label.requests[0].charter.retention = None;
    assert_eq!(answer(&world, &no_label, "Retirement policy").await, "no");
}

// R190
#[tokio::test]
async fn the_checklist_says_whether_the_rules_or_people_approved_and_no_when_nothing_was_scored() {
    let world = World::new().await;
    let low = dossier(&world).await;
    assert_eq!(answer(&world, &low, "Risk score").await, "auto");
    let mut charter = world.charter("Desk booking").await;
    medium(&mut charter);
    let app = world.approved(charter).await;
    let reviewed = promote::dossier(&world.server, &app).await.unwrap();
    assert_eq!(answer(&world, &reviewed, "Risk score").await, "manual");
    let shown = items(&world, &reviewed).await;
    assert!(shown[1].evidence.contains("30 points"), "{:?}", shown[1]);
    let mut nothing = low;
    nothing.requests.clear();
    assert_eq!(answer(&world, &nothing, "Risk score").await, "no");
}

// R191
#[tokio::test]
async fn secrets_are_managed_only_with_a_key_from_outside_the_data_folder() {
    let with = World::new().await;
    let held = dossier(&with).await;
    assert_eq!(answer(&with, &held, "Secrets and tokens").await, "yes");
    let without = World::open(false, |config| config.kek_file = None).await;
    let held = dossier(&without).await;
    assert_eq!(answer(&without, &held, "Secrets and tokens").await, "no");
}

// R192
#[tokio::test]
async fn dlp_rules_count_only_while_policy_holds_them() {
    let world = World::new().await;
    let held = dossier(&world).await;
    assert_eq!(answer(&world, &held, "DLP rules").await, "yes");
    world.server.policies.store(Arc::new(PolicySet::none()));
    assert_eq!(answer(&world, &held, "DLP rules").await, "no");
}

// R193
#[tokio::test]
async fn audit_counts_only_while_the_index_shows_a_gapless_sequence() {
    let world = World::new().await;
    let held = dossier(&world).await;
    assert_eq!(answer(&world, &held, "Audit events").await, "yes");
    world.server.trail.clear().await.unwrap();
    assert_eq!(
        answer(&world, &held, "Audit events").await,
        "no",
        "no event of the app is found"
    );
    jobs::project::project(&world.server).await.unwrap();
    assert_eq!(answer(&world, &held, "Audit events").await, "yes");
}

// R194
#[tokio::test]
async fn monitoring_needs_a_remediation_time() {
    let world = World::new().await;
    let mut held = dossier(&world).await;
    assert_eq!(answer(&world, &held, "Monitoring").await, "yes");
    held.requests[0].charter.support.remediation_sla = None;
    assert_eq!(answer(&world, &held, "Monitoring").await, "no");
}

// R189
#[tokio::test]
async fn the_printable_page_shows_every_item_with_its_answer() {
    let world = World::new().await;
    let app = world.in_sandbox("Lunch poll").await;
    jobs::project::project(&world.server).await.unwrap();
    let held = promote::dossier(&world.server, &app).await.unwrap();
    let session = world.session(PRIYA).await;
    let (status, _, text) = world
        .get(Some(&session), &format!("/apps/{app}/checklist"))
        .await;
    assert_eq!(status.as_u16(), 200);
    for item in items(&world, &held).await {
        assert!(text.contains(item.title), "{}", item.title);
    }
}

#[tokio::test]
async fn a_request_without_a_readme_leaves_the_first_item_open() {
    let world = World::new().await;
    let charter = world.charter("Desk booking").await;
    let handed = Handed {
        charter,
        artifact: Some(workflow("Prepare")),
        readme: None,
    };
    let request = intake::submit(&world.server, &world.person(DANA).await, handed)
        .await
        .unwrap();
    let held = promote::dossier(&world.server, &request.app).await.unwrap();
    assert_eq!(answer(&world, &held, "Intake submitted").await, "no");
}
