//! The dataset registry: which data there is, how sensitive it is, and who answers for it.

use burgess_core::audit::ActionType;
use burgess_core::intake::Dataset;
use burgess_core::policy::action::EditDataset;
use burgess_core::policy::facts::{NoContext, Organisation};
use burgess_store::{Change, Versioned, Write};

use super::{Caller, event, permit};
use crate::http::problem::Problem;
use crate::server::Server;

/// Registers a dataset, or replaces the entry of the same name.
pub async fn register(server: &Server, caller: &Caller, dataset: Dataset) -> Result<(), Problem> {
    let now = server.now()?;
    let named = (2..=64).contains(&dataset.name.len())
        && dataset
            .name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !named {
        return Err(Problem::input(format!(
            "`{}` is not a dataset's name: use 2 to 64 of a-z, 0-9 and _, as customer_record",
            dataset.name.chars().take(80).collect::<String>()
        )));
    }
    let held = server
        .store
        .dataset(&dataset.name)
        .await
        .map_err(|e| Problem::internal(&e))?;
    let revision = held.as_ref().map_or(0, |it| it.revision);
    let permit = permit::<EditDataset>(
        server,
        &caller.principal(),
        &Organisation { revision },
        &NoContext,
        now,
    )?;
    let action = if held.is_some() {
        ActionType::Update
    } else {
        ActionType::Create
    };
    let event = event::about(&server.ambient, None, now)
        .map_err(|e| Problem::internal(&e))?
        .by(caller)
        .permitted(&permit)
        .did(action, "dataset", &dataset.name)
        .context("classification", dataset.classification.as_str())
        .done();
    let change = held.map_or_else(
        || Versioned::new(dataset.clone()),
        |it| it.next(dataset.clone()),
    );
    server
        .commit(
            vec![Write {
                changes: vec![Change::Dataset(change)],
                event,
            }],
            &permit,
            now,
        )
        .await
}
