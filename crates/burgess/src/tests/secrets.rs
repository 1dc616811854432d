//! Connectors' secrets: one for each environment, sealed, and replaced one at a time.

use std::sync::Arc;

use burgess_core::app::Environment;
use burgess_core::id::AppId;
use burgess_gateway::ports::{SecretWanted, Secrets as _};

use super::world::World;
use crate::kms::connector_secrets::ConnectorSecrets;
use crate::operations::secrets;

// R47
#[tokio::test]
async fn a_connectors_secret_is_another_one_in_each_environment_and_is_replaced_alone() {
    let world = World::new().await;
    let app = AppId::parse("lunch-poll").unwrap();
    let keeper = ConnectorSecrets::new(
        Arc::clone(&world.server.store),
        Arc::clone(&world.server.keys),
    );
    let fetch = async |environment: Environment| {
        keeper
            .fetch(SecretWanted {
                app: &app,
                connector: "crm",
                environment,
            })
            .await
            .map(|it| it.expose().to_vec())
    };
    secrets::set(&world.server, "crm", Environment::Sandbox, b"sandbox-1")
        .await
        .unwrap();
    secrets::set(
        &world.server,
        "crm",
        Environment::Production,
        b"production-1",
    )
    .await
    .unwrap();
    assert!(
        fetch(Environment::Staging).await.is_err(),
        "none was set: no other one is taken in its place"
    );
    secrets::set(
        &world.server,
        "crm",
        Environment::Production,
        b"production-2",
    )
    .await
    .unwrap();
    assert_eq!(
        fetch(Environment::Production).await.unwrap(),
        b"production-2"
    );
    assert_eq!(fetch(Environment::Sandbox).await.unwrap(), b"sandbox-1");
    let held = world
        .server
        .store
        .connector_secret("crm", Environment::Production)
        .await
        .unwrap()
        .unwrap();
    assert!(
        !held
            .record
            .sealed
            .windows(10)
            .any(|part| part == b"production"),
        "only sealed"
    );
    let mut moved = held.record.clone();
    moved.environment = Environment::Staging;
    assert!(
        world
            .server
            .keys
            .kek
            .open("burgess.connector-secret/1 crm staging", &moved.sealed)
            .is_err(),
        "what was sealed for one does not open for another"
    );
}
