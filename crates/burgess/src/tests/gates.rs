//! Promotion through the running server: what the gate asks for, who may ask it, and that
//! a refusal lists everything at once and is an event.

use std::collections::BTreeSet;

use burgess_core::app::Environment;
use burgess_core::approval::{Capacity, Verdict};
use burgess_core::audit::Outcome;
use burgess_core::charter::Charter;
use burgess_core::data::Classification;
use burgess_core::id::AppId;

use super::world::{DANA, OLU, PAT, PRIYA, README, SAM, World, connector, data, workflow};
use crate::operations::evidence::Upload;
use crate::operations::intake::{self, Handed};
use crate::operations::{attach, connect, promote};

/// The controls for which a promotion is refused; each comes with what would satisfy it.
async fn unmet(world: &World, who: &str, app: &AppId, target: Environment) -> BTreeSet<String> {
    let before = world.server.ledger().size();
    let who = world.person(who).await;
    let refused = promote::promote(&world.server, &who, app, target)
        .await
        .unwrap_err();
    let event = world.server.journal.open(before).await.unwrap().event;
    assert_eq!(event.outcome, Outcome::Blocked, "the refusal is an event");
    assert!(
        refused.unmet.iter().all(|it| !it.reason.is_empty()),
        "{refused:?}"
    );
    refused.unmet.into_iter().map(|it| it.control).collect()
}

fn has(unmet: &BTreeSet<String>, control: &str) -> bool {
    unmet.contains(control)
}

// R52 R53 R204
#[tokio::test]
async fn staging_waits_for_a_heartbeat_an_event_and_a_result_of_each_test_case_of_this_artifact() {
    let world = World::new().await;
    let app = world.in_sandbox("Lunch poll").await;
    let dana = world.person(DANA).await;
    let first = unmet(&world, DANA, &app, Environment::Staging).await;
    for control in ["heartbeat", "event-emitter", "tests"] {
        assert!(has(&first, control), "{control}: {first:?}");
    }
    let issued = connect::issue(&world.server, &dana, &app, Environment::Sandbox)
        .await
        .unwrap();
    world.tell(&app, &issued).await;
    let told = unmet(&world, DANA, &app, Environment::Staging).await;
    assert_eq!(told, BTreeSet::from(["tests".to_owned()]));
    attach::test_result(&world.server, &dana, &app, "TC-1", true, "")
        .await
        .unwrap();
    attach::test_result(&world.server, &dana, &app, "TC-2", false, "wrong message")
        .await
        .unwrap();
    let failed = unmet(&world, DANA, &app, Environment::Staging).await;
    assert_eq!(failed, BTreeSet::from(["tests".to_owned()]), "one failed");
    attach::test_result(&world.server, &dana, &app, "TC-2", true, "mended")
        .await
        .unwrap();
    promote::promote(&world.server, &dana, &app, Environment::Staging)
        .await
        .unwrap();
}

// R53 R204
#[tokio::test]
async fn what_one_artifact_showed_does_not_count_for_the_next() {
    let world = World::new().await;
    let app = world.in_sandbox("Lunch poll").await;
    world.on_to_staging(&app).await;
    let dana = world.person(DANA).await;
    let request = attach::artifact(&world.server, &dana, &app, workflow("Another step"))
        .await
        .unwrap();
    world.agree(request).await;
    promote::promote(&world.server, &dana, &app, Environment::Sandbox)
        .await
        .unwrap();
    let again = unmet(&world, DANA, &app, Environment::Staging).await;
    for control in ["heartbeat", "event-emitter", "tests"] {
        assert!(has(&again, control), "{control}: {again:?}");
    }
}

// R46 R18 R16
#[tokio::test]
async fn production_comes_after_staging_and_by_operations_alone() {
    let world = World::new().await;
    let mut charter = world.charter("Desk booking").await;
    charter.app.environments = Environment::ALL.to_vec();
    let request = world.submit(charter).await.unwrap();
    let app = request.app.clone();
    let dana = world.person(DANA).await;
    promote::promote(&world.server, &dana, &app, Environment::Sandbox)
        .await
        .unwrap();
    let early = unmet(&world, SAM, &app, Environment::Production).await;
    assert!(has(&early, "environment-order"), "{early:?}");
    assert!(
        has(&early, "within-approval"),
        "the sponsor has not said yes: {early:?}"
    );
    world
        .decide(&request, OLU, Capacity::Sponsor, Verdict::Approve)
        .await
        .unwrap();
    let skipped = unmet(&world, SAM, &app, Environment::Production).await;
    assert!(has(&skipped, "environment-order"), "{skipped:?}");
    assert!(!has(&skipped, "within-approval"), "{skipped:?}");
    world.on_to_staging(&app).await;
    for who in [DANA, OLU, PRIYA, PAT] {
        let who = world.person(who).await;
        let refused = promote::promote(&world.server, &who, &app, Environment::Production)
            .await
            .unwrap_err();
        assert_eq!(refused.status.as_u16(), 403, "{refused:?}");
    }
    let sam = world.person(SAM).await;
    promote::promote(&world.server, &sam, &app, Environment::Production)
        .await
        .unwrap();
}

/// What stops an app with this change in the sandbox already.
async fn stopped(world: &World, name: &str, change: impl FnOnce(&mut Charter)) -> BTreeSet<String> {
    let mut charter = world.charter(name).await;
    change(&mut charter);
    let app = world.approved(charter).await;
    unmet(world, DANA, &app, Environment::Sandbox).await
}

// R151 R152
#[tokio::test]
async fn a_forbidden_connector_or_an_excess_scope_stops_even_an_approved_app() {
    let world = World::new().await;
    let not_cleared = stopped(&world, "Desk finder", |c| {
        c.data = vec![data("customer_record", Classification::Pii)];
        c.connector = vec![connector("onedrive", "Files.Read", "customer_record")];
    })
    .await;
    assert!(has(&not_cleared, "connector"), "{not_cleared:?}");
    let excess = stopped(&world, "Reading list", |c| {
        c.connector = vec![connector("sharepoint", "Sites.FullControl.All", "product")];
    })
    .await;
    assert!(has(&excess, "scopes"), "{excess:?}");
    let mut charter = world.charter("Another list").await;
    charter.connector = vec![connector("sharepoint", "Sites.Read.All", "product")];
    let app = world.approved(charter).await;
    promote::promote(
        &world.server,
        &world.person(DANA).await,
        &app,
        Environment::Sandbox,
    )
    .await
    .unwrap();
}

// R40 R93
#[tokio::test]
async fn a_secret_in_the_artifact_or_a_package_without_a_version_stops_promotion() {
    let world = World::new().await;
    let dana = world.person(DANA).await;
    let key = ["AKIA", "Q3EGRIBV", "TS5MZ7WK"].concat();
    let leaky = String::from_utf8(workflow("Prepare").bytes)
        .unwrap()
        .replace(
            "\"values\":{}",
            &format!("\"values\":{{\"aws\":\"{key}\"}}"),
        );
    assert!(leaky.contains(&key));
    let loose = archive(&[
        ("workflow.json", &workflow("Prepare").bytes),
        ("requirements.txt", b"requests>=2.0\n"),
    ]);
    let cases = [
        ("Leaky", "no-secrets", ("workflow.json", leaky.into_bytes())),
        ("Loose", "pinned", ("app.zip", loose)),
    ];
    for (name, control, (file_name, bytes)) in cases {
        let upload = Upload {
            file_name: file_name.to_owned(),
            bytes,
        };
        let handed = Handed {
            charter: world.charter(name).await,
            artifact: Some(upload),
            readme: Some(README.to_owned()),
        };
        let request = intake::submit(&world.server, &dana, handed).await.unwrap();
        let request = world.agree(request).await;
        let refused = unmet(&world, DANA, &request.app, Environment::Staging).await;
        assert!(has(&refused, control), "{name}: {refused:?}");
    }
}

/// A zip archive of these files.
fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    use std::io::Write as _;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default())
            .unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

// R154
#[tokio::test]
async fn quarantine_revokes_every_credential_and_release_starts_again_from_the_sandbox() {
    let world = World::new().await;
    let app = world.in_sandbox("Lunch poll").await;
    let dana = world.person(DANA).await;
    let issued = connect::issue(&world.server, &dana, &app, Environment::Sandbox)
        .await
        .unwrap();
    assert!(world.exchange(&issued).await.is_ok());
    let priya = world.person(PRIYA).await;
    promote::quarantine(&world.server, &priya, &app, "we look into it")
        .await
        .unwrap();
    let refused = world.exchange(&issued).await.unwrap_err();
    assert!(matches!(refused.status.as_u16(), 401 | 403), "{refused:?}");
    promote::release(&world.server, &priya, &app).await.unwrap();
    assert!(
        world.exchange(&issued).await.is_err(),
        "the old credential stays dead"
    );
    promote::promote(&world.server, &dana, &app, Environment::Sandbox)
        .await
        .unwrap();
}
