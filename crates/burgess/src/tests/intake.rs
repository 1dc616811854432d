//! What intake asks for, checks against the registries, and fills in by itself.

use std::time::{Duration, Instant};

use burgess_core::charter::Charter;
use burgess_core::data::Classification;
use burgess_core::evidence::ArtifactFacts;
use burgess_core::intake::propose_owners;

use super::world::{DANA, MEI, OLU, World, connector, data, email, high};
use crate::operations::intake;

/// Fields that a request with this change is refused for.
async fn refused_for(world: &World, change: impl FnOnce(&mut Charter)) -> Vec<String> {
    let mut charter = world.charter("Lunch poll").await;
    change(&mut charter);
    let refused = world.submit(charter).await.unwrap_err();
    assert_eq!(refused.code, "INTAKE_INCOMPLETE", "{refused:?}");
    assert!(
        refused.unmet.iter().all(|it| !it.remedy.is_empty()),
        "each says what would satisfy it"
    );
    refused.unmet.into_iter().map(|it| it.control).collect()
}

fn names(fields: &[String], part: &str) -> bool {
    fields.iter().any(|field| field.contains(part))
}

// R23 R24 R26 R27 R34 R35 R36
#[tokio::test]
async fn purpose_data_users_retention_owner_and_remediation_time_are_each_required() {
    let world = World::new().await;
    assert!(names(
        &refused_for(&world, |c| c.app.purpose = String::new()).await,
        "purpose"
    ));
    assert!(names(
        &refused_for(&world, |c| c.data = Vec::new()).await,
        "data"
    ));
    assert!(names(
        &refused_for(&world, |c| c.app.users = None).await,
        "users"
    ));
    assert!(names(
        &refused_for(&world, |c| c.app.users = Some(0)).await,
        "users"
    ));
    assert!(names(
        &refused_for(&world, |c| c.retention = None).await,
        "retention"
    ));
    assert!(names(
        &refused_for(&world, |c| c.app.owner = None).await,
        "owner"
    ));
    assert!(names(
        &refused_for(&world, |c| c.app.second_owner = None).await,
        "second_owner"
    ));
    assert!(names(
        &refused_for(&world, |c| c.support.remediation_sla = None).await,
        "remediation_sla"
    ));
    assert!(
        world
            .server
            .store
            .apps(&burgess_store::AppFilter::default())
            .await
            .unwrap()
            .is_empty(),
        "nothing was kept"
    );
}

// R23 R34
#[tokio::test]
async fn everything_that_is_missing_is_told_at_once() {
    let world = World::new().await;
    let fields = refused_for(&world, |c| {
        c.app.purpose = String::new();
        c.app.owner = None;
        c.retention = None;
    })
    .await;
    assert!(
        ["purpose", "owner", "retention"]
            .into_iter()
            .all(|part| names(&fields, part)),
        "{fields:?}"
    );
}

// R74 R24
#[tokio::test]
async fn data_comes_from_the_registry_and_is_never_declared_below_its_class() {
    let world = World::new().await;
    let unknown = refused_for(&world, |c| {
        c.data = vec![data("customer_recrod", Classification::Pii)]
    })
    .await;
    assert_eq!(unknown, ["data.customer_recrod"]);
    let lowered = refused_for(&world, |c| {
        c.data = vec![data("customer_record", Classification::Public)]
    })
    .await;
    assert_eq!(lowered, ["data.customer_record"]);
    let mut charter = world.charter("Customer finder").await;
    charter.data = vec![data("customer_record", Classification::Pii)];
    assert!(world.submit(charter).await.is_ok());
}

// R25
#[tokio::test]
async fn integrations_come_from_the_connector_catalogue_and_may_be_none() {
    let world = World::new().await;
    let unknown = refused_for(&world, |c| {
        c.connector = vec![connector("sharepint", "Sites.Read.All", "product")]
    })
    .await;
    assert_eq!(unknown, ["connector.sharepint"]);
    let mut charter = world.charter("Reading list").await;
    charter.connector = vec![connector("sharepoint", "Sites.Read.All", "product")];
    assert!(world.submit(charter).await.is_ok());
    assert!(
        world
            .submit(world.charter("Lunch poll").await)
            .await
            .is_ok(),
        "none at all"
    );
}

// R36 R27
#[tokio::test]
async fn a_retention_label_comes_from_the_schedule_and_means_what_it_means() {
    let world = World::new().await;
    let unknown = refused_for(&world, |c| {
        c.retention.as_mut().unwrap().label = "for-ever".to_owned()
    })
    .await;
    assert_eq!(unknown, ["retention.label"]);
    let other = refused_for(&world, |c| c.retention.as_mut().unwrap().days = 30).await;
    assert_eq!(other, ["retention.days"]);
}

// R34
#[tokio::test]
async fn owners_work_here_and_are_not_the_developer() {
    let world = World::new().await;
    assert!(names(
        &refused_for(&world, |c| c.app.owner = Some(email("gone@example.com"))).await,
        "app.owner"
    ));
    assert!(names(
        &refused_for(&world, |c| c.app.owner = Some(email(DANA))).await,
        "app.owner"
    ));
    assert!(names(
        &refused_for(&world, |c| c.app.second_owner = c.app.owner.clone()).await,
        "app.second_owner"
    ));
}

// R146
#[tokio::test]
async fn an_app_id_is_made_from_its_name_and_no_two_apps_share_one() {
    let world = World::new().await;
    let first = world
        .submit(world.charter("Sales: quoting (EMEA)").await)
        .await
        .unwrap()
        .app;
    let second = world
        .submit(world.charter("Sales: quoting (EMEA)").await)
        .await
        .unwrap()
        .app;
    assert!(first.as_str().contains("sales-quoting-emea"), "{first}");
    assert!(second.as_str().contains("sales-quoting-emea"), "{second}");
    assert_ne!(first, second);
}

// R147
#[tokio::test]
async fn owner_and_second_owner_are_proposed_from_the_directory() {
    let world = World::new().await;
    let registered = intake::registered(&world.server).await.unwrap();
    let proposed = propose_owners(&registered.directory, &email(DANA));
    assert_eq!(
        (proposed.owner, proposed.second_owner),
        (Some(email(OLU)), Some(email(MEI)))
    );
    let session = world.session(DANA).await;
    let (status, _, form) = world.get(Some(&session), "/request/new").await;
    assert_eq!(status.as_u16(), 200);
    assert!(
        form.contains(OLU) && form.contains(MEI),
        "the form begins with both"
    );
}

// R29 R148
#[tokio::test]
async fn the_score_is_there_when_the_request_is_in_and_takes_less_than_a_second() {
    let world = World::new().await;
    let mut charter = world.charter("Customer finder").await;
    high(&mut charter);
    let started = Instant::now();
    let alone = intake::assess_alone(
        &world.server,
        &charter,
        ArtifactFacts::default(),
        world.server.ambient.now(),
    );
    assert!(started.elapsed() < Duration::from_secs(1));
    let request = world.submit(charter).await.unwrap();
    assert_eq!(request.score.score, 60, "personal data 50 and 45 users 10");
    assert_eq!(request.score.score, alone.score.score);
    assert_eq!(
        request
            .score
            .addends
            .iter()
            .map(|it| it.points)
            .sum::<u32>(),
        request.score.score,
        "every point has its reason"
    );
    let app = world.server.store.app(&request.app).await.unwrap().unwrap();
    assert_eq!((app.score, app.band), (60, request.score.band));
}
