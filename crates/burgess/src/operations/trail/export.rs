//! Taking the trail out: everything that matches, in the order of the ledger, as a stream.
//!
//! The export is an event before its first byte leaves; without that event nothing does. Not here:
//! the formats (`burgess_trail::export`).

use std::sync::Arc;

use burgess_core::audit::ActionType;
use burgess_core::policy::action::ExportTrail;
use burgess_core::policy::facts::NoContext;
use burgess_core::time::Timestamp;
use burgess_trail::Order;
use burgess_trail::export::Format;
use futures_util::{Stream, TryStreamExt as _, stream};
use serde_json::Value;

use super::{Asked, Page, WHOLE, may_open, page};
use crate::http::problem::Problem;
use crate::operations::{Caller, event, permit};
use crate::server::Server;

/// Rows read at a time: some hundred kilobytes.
const ROWS: u32 = 200;

/// Everything that `asked` asks for, written in `format`.
pub async fn export(
    server: &Arc<Server>,
    caller: &Caller,
    asked: &Asked,
    format: Format,
) -> Result<impl Stream<Item = Result<String, Problem>> + use<>, Problem> {
    let asked = begin(server, caller, asked, format.as_str(), Vec::new()).await?;
    let open = may_open(server, caller);
    let head = stream::once(async move { Ok(format.head()) });
    let pages = pages(server, asked, open).and_then(move |page| async move {
        let rows = page.rows.iter().map(|row| format.row(row));
        rows.collect::<Result<String, _>>()
            .map_err(|e| Problem::internal(&e))
    });
    Ok(stream::StreamExt::chain(head, pages))
}

/// Asks for the right, fixes what the export will hold, and records it. Entries that come later
/// are not in it.
pub(super) async fn begin(
    server: &Server,
    caller: &Caller,
    asked: &Asked,
    format: &str,
    more: Vec<(&'static str, Value)>,
) -> Result<Asked, Problem> {
    let now = server.now()?;
    permit::<ExportTrail>(server, &caller.principal(), &WHOLE, &NoContext, now)?;
    crate::jobs::project::project(server).await?;
    let until = server
        .trail
        .newest()
        .await
        .map_err(|e| Problem::internal(&e))?;
    let asked = Asked {
        after: None,
        until,
        limit: ROWS,
        order: Order::Oldest,
        ..asked.clone()
    };
    let query = asked.query(may_open(server, caller).then_some(&server.blinder));
    let events = server
        .trail
        .count(&query)
        .await
        .map_err(|e| Problem::internal(&e))?;
    let mut context = vec![
        ("format", format.into()),
        ("query", asked.said(&server.blinder).into()),
        (
            "query_digest",
            asked.digest(&server.blinder).to_string().into(),
        ),
        ("events", events.into()),
    ];
    context.extend(more);
    record(server, caller, now, context).await?;
    Ok(asked)
}

/// Puts the export on record; without that it does not begin.
pub(super) async fn record(
    server: &Server,
    caller: &Caller,
    now: Timestamp,
    context: Vec<(&'static str, Value)>,
) -> Result<(), Problem> {
    let mut exported = event::about(&server.ambient, None, now)
        .map_err(|e| Problem::internal(&e))?
        .by(caller)
        .did(ActionType::Export, "trail", "trail");
    for (key, value) in context {
        exported = exported.context(key, value);
    }
    server.record(exported.done()).await
}

/// The pages of an answer as it was when it began.
pub(super) fn pages(
    server: &Arc<Server>,
    asked: Asked,
    open: bool,
) -> impl Stream<Item = Result<Page, Problem>> + use<> {
    let server = Arc::clone(server);
    stream::try_unfold(Some(asked), move |asked| {
        let server = Arc::clone(&server);
        async move {
            let Some(asked) = asked else {
                return Ok(None);
            };
            let page = page(&server, &asked, open).await?;
            let next = page.next.map(|next| Asked {
                after: Some(next),
                ..asked
            });
            Ok(Some((page, next)))
        }
    })
}
