//! Connectors' secrets: set on the machine itself, sealed before they are stored.

use burgess_core::app::Environment;
use burgess_core::audit::ActionType;
use burgess_core::policy::action::Configure;
use burgess_core::policy::facts::{NoContext, Organisation};
use burgess_store::{Change, ConnectorSecret, Versioned, Write};

use super::people::machine;
use super::{event, permit};
use crate::http::problem::Problem;
use crate::kms::connector_secrets::seal;
use crate::server::Server;

/// Seals and stores a connector's secret for one environment.
pub async fn set(
    server: &Server,
    connector: &str,
    environment: Environment,
    secret: &[u8],
) -> Result<(), Problem> {
    let now = server.now()?;
    if server.catalogue.get(connector).is_none() {
        return Err(Problem::input(format!(
            "the catalogue has no connector `{connector}`: the handbook page lists them"
        )));
    }
    let held = server
        .store
        .connector_secret(connector, environment)
        .await
        .map_err(|e| Problem::internal(&e))?;
    let revision = held.as_ref().map_or(0, |it| it.revision);
    let permit = permit::<Configure>(
        server,
        &machine(),
        &Organisation { revision },
        &NoContext,
        now,
    )?;
    let record = ConnectorSecret {
        connector: connector.to_owned(),
        environment,
        sealed: seal(&server.keys.kek, connector, environment, secret)
            .map_err(|e| Problem::internal(&e))?,
        key_id: "kek".to_owned(),
        set_by: "machine".to_owned(),
        set_at: now,
    };
    let event = event::about(&server.ambient, None, now)
        .map_err(|e| Problem::internal(&e))?
        .by_job("machine")
        .permitted(&permit)
        .did(ActionType::Update, "connector_secret", &record.id())
        .done();
    let change = held.map_or_else(
        || Versioned::new(record.clone()),
        |it| it.next(record.clone()),
    );
    server
        .commit(
            vec![Write {
                changes: vec![Change::ConnectorSecret(change)],
                event,
            }],
            &permit,
            now,
        )
        .await
}
