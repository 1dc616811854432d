//! Whether the trail is complete, app by app (R135): the numbers run without a gap, every intent has
//! its outcome, the gateway has counted as many admitted actions as there are leaves, and nothing
//! waits in the outbox.

use std::collections::BTreeMap;
use std::time::Duration;

use burgess_core::id::AppId;
use burgess_trail::AppCompleteness;

use crate::http::problem::Problem;
use crate::jobs::project::GATEWAY;
use crate::server::Server;

/// A call between its leaf and its count is under way for microseconds; it is asked again so often.
const TRIES: u32 = 3;
/// And after so long.
const PAUSE: Duration = Duration::from_millis(20);

/// The trail of one app in one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppTrail {
    /// What the events tell.
    pub told: AppCompleteness,
    /// Actions that the gateway counted since the server started.
    pub admitted: u64,
    /// Intents that the ledger has got since then.
    pub leaves: u64,
}

impl AppTrail {
    /// Whether nothing is missing.
    pub const fn is_complete(&self) -> bool {
        self.told.is_complete() && self.admitted == self.leaves
    }
}

/// All of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complete {
    /// By app.
    pub apps: Vec<AppTrail>,
    /// Events that the store holds and the ledger has not yet got.
    pub waiting: u64,
}

impl Complete {
    /// Apps, each counted once; the organisation itself apart.
    pub fn total(&self) -> usize {
        self.by_app().len()
    }

    /// Those whose trails are complete. While something waits nobody can say whose it is, and
    /// none is.
    pub fn complete(&self) -> usize {
        match self.waiting {
            0 => self.by_app().values().filter(|it| **it).count(),
            _ => 0,
        }
    }

    /// Complete ones in per cent, rounded down; 100 where there is no app.
    pub fn percent(&self) -> usize {
        match self.total() {
            0 => 100,
            total => self.complete().saturating_mul(100) / total,
        }
    }

    fn by_app(&self) -> BTreeMap<&str, bool> {
        let mut apps = BTreeMap::new();
        let ours = |it: &&AppTrail| it.told.app != AppId::ORGANISATION;
        for it in self.apps.iter().filter(ours) {
            let complete = apps.entry(it.told.app.as_str()).or_insert(true);
            *complete &= it.is_complete();
        }
        apps
    }
}

/// How many intents of the gateway the ledger held when this gateway began to count. Called once,
/// before it opens.
pub async fn begin_counting(server: &Server) -> Result<(), Problem> {
    let held = server
        .trail
        .intents(GATEWAY)
        .await
        .map_err(|e| Problem::internal(&e))?;
    // Set twice it would be the same: nothing passed the gateway in between.
    let _held_already = server.counted_from.set(held);
    Ok(())
}

/// Compares everything now.
pub async fn complete(server: &Server) -> Result<Complete, Problem> {
    let mut found = compare(server).await?;
    for _ in 1..TRIES {
        if found.complete() == found.total() {
            break;
        }
        tokio::time::sleep(PAUSE).await;
        found = compare(server).await?;
    }
    Ok(found)
}

async fn compare(server: &Server) -> Result<Complete, Problem> {
    crate::jobs::project::project(server).await?;
    let told = server
        .trail
        .complete_trails()
        .await
        .map_err(|e| Problem::internal(&e))?;
    let now = server
        .trail
        .intents(GATEWAY)
        .await
        .map_err(|e| Problem::internal(&e))?;
    let none = BTreeMap::new();
    let before = server.counted_from.get().unwrap_or(&none);
    let backlog = server
        .store
        .outbox_backlog()
        .await
        .map_err(|e| Problem::internal(&e))?;
    let usage = server.gateway.usage();
    let apps = told.apps.into_iter().map(|told| {
        let count = |counts: &BTreeMap<String, u64>| counts.get(&told.app).copied().unwrap_or(0);
        let leaves = count(&now).saturating_sub(count(before));
        let app = AppId::parse(&told.app);
        let admitted = app.map_or(0, |app| usage.admitted(&app));
        AppTrail {
            told,
            admitted,
            leaves,
        }
    });
    Ok(Complete {
        apps: apps.collect(),
        waiting: backlog.events,
    })
}
