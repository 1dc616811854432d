//! The trail: searching, opening, exporting, and receipts that verify offline.
//!
//! The index says where, the ledger says what: every event that is shown is read back from there,
//! its leaf hash compared, and its personal values closed for who may not see them. The index is
//! brought up to the ledger before it is asked, so that what was acknowledged is found. Reading the
//! trail is itself an event (`reads`).

mod asked;
pub mod case;
pub mod complete;
pub mod export;
pub mod incident;
pub mod proof;
mod reads;
pub mod tail;

use burgess_core::policy::action::{ReadEntries, ReadTrail};
use burgess_core::policy::facts::{NoContext, Organisation};
use burgess_ledger::{Ledger, ReadError, SignedCheckpoint};
use burgess_trail::{Cursor, Hit, Row};

pub use asked::Asked;
pub use proof::{receipt, verify_line};
pub use reads::Reads;

use super::{Caller, may, permit};
use crate::http::problem::Problem;
use crate::jobs::project::project;
use crate::server::Server;
use proof::receipt_of;
use reads::Shows;

/// What rights on the trail are asked on.
pub const WHOLE: Organisation = Organisation { revision: 0 };

/// One page of an answer.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The events.
    pub rows: Vec<Row>,
    /// Their places, one for each.
    pub cursors: Vec<Cursor>,
    /// Where the next page begins.
    pub next: Option<Cursor>,
}

/// How far the proof of an event reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProofState {
    /// On disk, and under the next checkpoint in a moment.
    Durable,
    /// Under a checkpoint that the operator signed.
    Signed,
    /// Under one that a quorum of witnesses cosigned as well.
    Witnessed,
}

impl ProofState {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Durable => "durable",
            Self::Signed => "signed",
            Self::Witnessed => "witnessed",
        }
    }
}

/// How far the proof of the event at that place reaches now.
pub fn proof_state(server: &Server, row: &Row) -> ProofState {
    let Some(shard) = server.shards.of_origin(&row.shard) else {
        return ProofState::Durable;
    };
    let covers = |signed: &SignedCheckpoint| row.index < signed.checkpoint.size;
    // Under the policy: the file `witnessed` alone may hold no cosignature at all.
    let witnessed = server.witnesses.standing(&shard.ledger);
    if witnessed.is_some_and(|(signed, _)| covers(&signed)) {
        ProofState::Witnessed
    } else if covers(&shard.ledger.checkpoint()) {
        ProofState::Signed
    } else {
        ProofState::Durable
    }
}

/// Searches. Whoever may not read entries sees personal values closed, finds nothing by them,
/// and may not ask about them.
pub async fn search(server: &Server, caller: &Caller, asked: &Asked) -> Result<Page, Problem> {
    let open = may_search(server, caller, asked)?;
    project(server).await?;
    let page = page(server, asked, open).await?;
    reads::searched(server, caller, asked, page.rows.len(), Shows::of(open)).await?;
    Ok(page)
}

/// As [`search`], for what goes on by itself: the reading was recorded when it began.
pub async fn look(server: &Server, caller: &Caller, asked: &Asked) -> Result<Page, Problem> {
    let open = may_search(server, caller, asked)?;
    page(server, asked, open).await
}

/// Asks for the right to search; answers whether personal values are open.
fn may_search(server: &Server, caller: &Caller, asked: &Asked) -> Result<bool, Problem> {
    let now = server.now()?;
    permit::<ReadTrail>(server, &caller.principal(), &WHOLE, &NoContext, now)?;
    if asked.is_personal() {
        permit::<ReadEntries>(server, &caller.principal(), &WHOLE, &NoContext, now)?;
    }
    Ok(may_open(server, caller))
}

/// Events of one app, for whoever may see that app (which the caller has asked); personal
/// values are closed unless they may be opened.
pub async fn of_app(server: &Server, caller: &Caller, asked: &Asked) -> Result<Page, Problem> {
    if asked.app.is_none() {
        return Err(Problem::input(
            "which app? an app's events are asked for by its id",
        ));
    }
    let open = may_open(server, caller);
    project(server).await?;
    let page = page(server, asked, open).await?;
    reads::searched(server, caller, asked, page.rows.len(), Shows::of(open)).await?;
    Ok(page)
}

/// Asks for the right to entry bundles of a shard, and puts their reading on record before the
/// first byte leaves.
pub async fn take_entries(server: &Server, caller: &Caller, shard: &str) -> Result<(), Problem> {
    let now = server.now()?;
    permit::<ReadEntries>(server, &caller.principal(), &WHOLE, &NoContext, now)?;
    reads::took_entries(server, caller, shard).await
}

async fn page(server: &Server, asked: &Asked, open: bool) -> Result<Page, Problem> {
    let query = asked.query(open.then_some(&server.blinder));
    let found = server
        .trail
        .search(&query)
        .await
        .map_err(|e| Problem::internal(&e))?;
    let cursors = found.hits.iter().map(|hit| hit.cursor).collect();
    Ok(Page {
        rows: read_back(server, found.hits, open).await?,
        cursors,
        next: found.next,
    })
}

/// Whether somebody may see personal values.
pub fn may_open(server: &Server, caller: &Caller) -> bool {
    may::<ReadEntries>(
        server,
        &caller.principal(),
        &WHOLE,
        &NoContext,
        server.ambient.now(),
    )
}

/// The shard of that origin.
fn ledger_of(server: &Server, origin: &str) -> Result<Ledger, Problem> {
    let shard = server.shards.of_origin(origin);
    shard
        .map(|shard| shard.ledger)
        .ok_or_else(|| Problem::not_found("ledger shard", origin))
}

/// The events of these hits, read from the ledger.
pub async fn read_back(server: &Server, hits: Vec<Hit>, open: bool) -> Result<Vec<Row>, Problem> {
    let mut places = Vec::with_capacity(hits.len());
    for hit in &hits {
        places.push((ledger_of(server, &hit.shard)?, hit.index));
    }
    let read = move || -> Result<Vec<_>, ReadError> {
        let bytes =
            |(ledger, index): (Ledger, u64)| Ok((ledger.entry(index)?, ledger.side(index)?));
        places.into_iter().map(bytes).collect()
    };
    let bytes = tokio::task::spawn_blocking(read)
        .await
        .map_err(|e| Problem::internal(&e))?
        .map_err(|e| Problem::internal(&e))?;
    let mut rows = Vec::with_capacity(hits.len());
    for (hit, (leaf, side)) in hits.into_iter().zip(bytes) {
        if burgess_ledger::tree::leaf_hash(&leaf) != *hit.leaf_hash.as_bytes() {
            return Err(Problem::internal(&format!(
                "entry {} of `{}` is not the one that the index knows: verify the ledger, then rebuild the index",
                hit.index, hit.shard
            )));
        }
        let side = if open { side } else { Vec::new() };
        let entry = server
            .journal
            .open_bytes(hit.index, &leaf, &side)
            .await
            .map_err(|e| Problem::internal(&e))?;
        rows.push(hit.row(entry.source_seq, entry.event));
    }
    Ok(rows)
}

/// One event, by its id.
pub async fn one(server: &Server, caller: &Caller, id: &str) -> Result<Row, Problem> {
    let now = server.now()?;
    permit::<ReadTrail>(server, &caller.principal(), &WHOLE, &NoContext, now)?;
    let open = may_open(server, caller);
    project(server).await?;
    let row = by_id(server, id, open).await?;
    reads::opened(server, caller, &row, "event", Shows::of(open)).await?;
    Ok(row)
}

async fn by_id(server: &Server, id: &str, open: bool) -> Result<Row, Problem> {
    let hit = server
        .trail
        .by_id(id)
        .await
        .map_err(|e| Problem::internal(&e))?
        .ok_or_else(|| Problem::not_found("event", id))?;
    let rows = read_back(server, vec![hit], open).await?;
    rows.into_iter()
        .next()
        .ok_or_else(|| Problem::not_found("event", id))
}
