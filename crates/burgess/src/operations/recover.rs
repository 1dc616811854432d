//! Recovery of the ledger, on the machine itself: what was opened for repair is put on record.
//!
//! The repair is the opening: the ledger gives its disk reserve back, and the lock table is moved to
//! where the log stands if the log continues what it held. Here it becomes an event, written in the
//! room that the reserve left.

use burgess_core::audit::ActionType;
use burgess_core::policy::action::Configure;
use burgess_core::policy::facts::{NoContext, Organisation};

use super::people::machine;
use super::{event, permit};
use crate::http::problem::Problem;
use crate::server::Server;

/// Records that the ledger was opened for recovery; answers the entries that it holds.
pub async fn record(server: &Server) -> Result<u64, Problem> {
    let now = server.now()?;
    let organisation = Organisation { revision: 0 };
    let permit = permit::<Configure>(server, &machine(), &organisation, &NoContext, now)?;
    let event = event::about(&server.ambient, None, now)
        .map_err(|e| Problem::internal(&e))?
        .by_job("machine")
        .permitted(&permit)
        .did(
            ActionType::Update,
            "ledger_recovery",
            &server.config.origin(),
        )
        .done();
    server.record(event).await?;
    Ok(server.ledger().size())
}
