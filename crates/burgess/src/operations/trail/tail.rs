//! The live tail: each event as it comes, to whoever may search, closed or open as their rights say.
//!
//! It resumes behind the last place that its reader saw, from the index, so that a broken connection
//! leaves no gap. Beginning to follow is a reading, what then comes by itself is none: a tail that
//! wrote an event for each event would never end.

use std::sync::Arc;
use std::time::Duration;

use burgess_core::policy::action::{ReadEntries, ReadTrail};
use burgess_core::policy::facts::NoContext;
use burgess_trail::{Cursor, Order, Row};
use futures_util::{Stream, stream};

use super::{Asked, WHOLE, look, may_open, reads};
use crate::http::problem::Problem;
use crate::operations::{Caller, permit};
use crate::server::Server;

/// Rows read ahead of a slow reader at most; the rest waits in the index.
const AHEAD: u32 = 50;
/// After this long the reader has to come again, and show that the session still holds.
const LIFE: Duration = Duration::from_secs(15 * 60);

/// One event and its place.
pub type Seen = (Cursor, Row);

struct Follow {
    server: Arc<Server>,
    caller: Caller,
    asked: Asked,
    ahead: std::collections::VecDeque<Seen>,
    ends: Duration,
}

/// Follows what `asked` asks for, from behind `asked.after`, or from now on.
pub async fn follow(
    server: &Arc<Server>,
    caller: Caller,
    mut asked: Asked,
) -> Result<impl Stream<Item = Seen> + use<>, Problem> {
    let now = server.now()?;
    permit::<ReadTrail>(server, &caller.principal(), &WHOLE, &NoContext, now)?;
    if asked.is_personal() {
        permit::<ReadEntries>(server, &caller.principal(), &WHOLE, &NoContext, now)?;
    }
    let shows = reads::Shows::of(may_open(server, &caller));
    reads::followed(server, &caller, &asked, shows).await?;
    if asked.after.is_none() {
        asked.after = server
            .trail
            .newest()
            .await
            .map_err(|e| Problem::internal(&e))?;
    }
    asked.limit = AHEAD;
    asked.order = Order::Oldest;
    let follow = Follow {
        ends: server.ambient.monotonic().saturating_add(LIFE),
        server: Arc::clone(server),
        caller,
        asked,
        ahead: std::collections::VecDeque::new(),
    };
    Ok(stream::unfold(follow, |mut follow| async move {
        let seen = follow.next().await?;
        Some((seen, follow))
    }))
}

impl Follow {
    /// The next event; none when the stream is over.
    async fn next(&mut self) -> Option<Seen> {
        loop {
            if let Some(seen) = self.ahead.pop_front() {
                return Some(seen);
            }
            let left = self.ends.checked_sub(self.server.ambient.monotonic())?;
            // Registered before the index is asked, so that nothing comes unseen in between.
            let told = self.server.projected.notified();
            tokio::pin!(told);
            told.as_mut().enable();
            // Rights are asked for again each time: a policy may have changed.
            let page = look(&self.server, &self.caller, &self.asked).await.ok()?;
            if page.rows.is_empty() {
                tokio::time::timeout(left, told).await.ok()?;
                continue;
            }
            self.asked.after = page.cursors.last().copied();
            self.ahead.extend(page.cursors.into_iter().zip(page.rows));
        }
    }
}
