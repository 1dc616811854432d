//! The syslog job: the ledger, entry by entry, to each receiver, from where it had come to.
//!
//! At least once and without a gap: a cursor moves on only after the receiver's machine took the
//! bytes. Syslog has no acknowledgement, so that is told from what was sent since, or from a
//! connection that stayed open; what is in doubt is sent again after a reconnect, and index and
//! leaf hash show it to be the same. Only entries under a published checkpoint are sent, and the
//! checkpoint itself follows when enough of them were. Not here: the format.

mod cursor;
mod wire;

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use burgess_core::audit::ActionType;
use burgess_core::digest::Digest;
use burgess_core::id::Email;
use burgess_core::policy::action::{ExportTrail, ReadEntries};
use burgess_core::policy::facts::{NoContext, Organisation, Person, Principal};
use burgess_core::roles::Role;
use burgess_gateway::journal::JournalError;
use burgess_ledger::shards::MAIN;
use burgess_ledger::tree::leaf_hash;
use burgess_ledger::{Ledger, Shard};
use burgess_trail::Row;
use burgess_trail::export::syslog;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::http::problem::Problem;
use crate::operations::{event, may};
use crate::outlets::Syslog;
use crate::server::Server;
use cursor::{Cursor, CursorError};

/// Entries read and sent at a time: what a bundle holds.
const BATCH: u64 = 256;
/// How long a receiver may refuse to take anything before the connection is given up.
const STUCK_TIME_MAX: Duration = Duration::from_secs(60);
/// The longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// How patient the job is.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How often it looks by itself for what is new.
    pub tick: Duration,
    /// How long a connection must have stayed open for what was sent before to count as taken:
    /// longer than the kernel would need to notice that nobody is there.
    pub settled: Duration,
    /// After how much quiet the checkpoint is sent, however few events there were.
    pub quiet: Duration,
    /// The first pause after a failure; it doubles.
    pub pause: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            tick: Duration::from_millis(500),
            settled: Duration::from_secs(5),
            quiet: Duration::from_secs(60),
            pause: Duration::from_secs(1),
        }
    }
}

/// The stream was cut off.
#[derive(Debug, thiserror::Error)]
enum SyslogError {
    #[error("the connection failed: {0}")]
    Wire(#[from] io::Error),
    #[error(transparent)]
    Cursor(#[from] CursorError),
    #[error("the ledger cannot be read: {0}")]
    Ledger(#[from] JournalError),
    #[error("the job ended: {0}")]
    Job(#[from] tokio::task::JoinError),
}

/// Sends to one receiver until the server stops.
pub async fn follow(server: Arc<Server>, receiver: Syslog, pace: Pace) {
    if let Err(problem) = announce(&server, &receiver).await {
        tracing::error!(receiver = %receiver.name, detail = %problem.detail, "an export without its event does not begin");
        return;
    }
    let mut pause = pace.pause;
    loop {
        let begun = server.ambient.monotonic();
        if let Err(cause) = session(&server, &receiver, pace).await {
            tracing::warn!(receiver = %receiver.name, %cause, "the syslog stream stands still");
        }
        let lasted = server.ambient.monotonic().saturating_sub(begun);
        pause = if lasted > PAUSE_MAX {
            pace.pause
        } else {
            pause
        };
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// An export is an event, this one too.
async fn announce(server: &Server, receiver: &Syslog) -> Result<(), Problem> {
    let begun = event::about(&server.ambient, None, server.now()?)
        .map_err(|e| Problem::internal(&e))?
        .by_job("syslog")
        .did(
            ActionType::Export,
            "trail",
            &format!("syslog:{}", receiver.name),
        )
        .context("address", receiver.address.clone())
        .context("personal", receiver.personal && may_open(server));
    server.record(begun.done()).await
}

/// Personal values go to a receiver when policy lets an auditor have and export them.
fn may_open(server: &Server) -> bool {
    let Ok(email) = Email::parse("syslog@localhost.invalid") else {
        return false;
    };
    let auditor = Principal::Person(Person {
        email,
        roles: BTreeSet::from([Role::Auditor]),
        active: true,
    });
    let (whole, now) = (Organisation { revision: 0 }, server.ambient.now());
    may::<ReadEntries>(server, &auditor, &whole, &NoContext, now)
        && may::<ExportTrail>(server, &auditor, &whole, &NoContext, now)
}

/// The shards that are sent, one after the other.
fn line(server: &Server) -> Vec<Shard> {
    let all = server.shards.all().into_iter();
    all.filter(|shard| shard.class == MAIN).collect()
}

/// One connection, for as long as it holds.
async fn session(server: &Server, receiver: &Syslog, pace: Pace) -> Result<(), SyslogError> {
    let file = server
        .config
        .data
        .join("syslog")
        .join(format!("{}.json", receiver.name));
    let line = line(server);
    let first = line
        .first()
        .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    let mut cursor = Cursor::load(&file, first.ledger.origin())?;
    let at = line
        .iter()
        .find(|shard| shard.ledger.origin() == cursor.origin);
    let ledger = at.unwrap_or(first).ledger.clone();
    if at.is_none() {
        cursor = Cursor {
            origin: ledger.origin().to_owned(),
            next: 0,
        };
    }
    // What was pruned before it was sent cannot be sent any more.
    cursor.next = cursor.next.max(ledger.minimum_index());
    let (reading, writing) = tokio::io::split(wire::connect(receiver).await?);
    let mut stream = Stream {
        server,
        receiver,
        pace,
        file,
        next: cursor.next,
        since: 0,
        bytes: 0,
        last: server.ambient.monotonic(),
        doubtful: VecDeque::new(),
        cursor,
        ledger,
        writing,
    };
    tokio::select! {
        // The one that tells of an end comes first: nothing counts as taken after it.
        biased;
        cause = wire::ended(reading) => Err(cause.into()),
        sent = stream.run() => sent,
    }
}

/// Something that was sent and may not have been taken yet.
struct Doubtful {
    next: u64,
    bytes: u64,
    at: Duration,
}

struct Stream<'a, W> {
    server: &'a Server,
    receiver: &'a Syslog,
    pace: Pace,
    file: PathBuf,
    cursor: Cursor,
    /// The shard that is sent.
    ledger: Ledger,
    /// The entry that is sent next.
    next: u64,
    /// Entries since the last checkpoint.
    since: u64,
    /// Bytes sent over this connection.
    bytes: u64,
    /// When something was last sent.
    last: Duration,
    doubtful: VecDeque<Doubtful>,
    writing: W,
}

impl<W: AsyncWrite + Unpin> Stream<'_, W> {
    async fn run(&mut self) -> Result<(), SyslogError> {
        let mut size = self.ledger.watch();
        loop {
            let published = self.ledger.checkpoint();
            let end = published
                .checkpoint
                .size
                .min(self.next.saturating_add(BATCH));
            if self.next < end {
                self.entries(end).await?;
            }
            let caught_up = self.next == published.checkpoint.size;
            let quiet = self.now().saturating_sub(self.last) >= self.pace.quiet;
            let due = self.since >= self.receiver.checkpoint_every || (quiet && self.since > 0);
            if caught_up && due {
                let line = syslog::checkpoint(&published, self.server.ambient.now());
                self.send(syslog::frame(&line)).await?;
                self.since = 0;
            }
            self.settle().await?;
            if caught_up && self.ledger.is_sealed() && self.doubtful.is_empty() {
                if let Some(next) = self.following() {
                    self.go_on_with(next).await?;
                    size = self.ledger.watch();
                    continue;
                }
            }
            if caught_up {
                tokio::select! {
                    _ = size.changed() => {}
                    () = tokio::time::sleep(self.pace.tick) => {}
                }
            }
        }
    }

    /// The shard after the one that is sent.
    fn following(&self) -> Option<Ledger> {
        let line = line(self.server);
        let at = line
            .iter()
            .position(|shard| shard.ledger.origin() == self.ledger.origin())?;
        line.get(at + 1).map(|shard| shard.ledger.clone())
    }

    /// Everything of the shard before was taken.
    async fn go_on_with(&mut self, next: Ledger) -> Result<(), SyslogError> {
        self.cursor = Cursor {
            origin: next.origin().to_owned(),
            next: next.minimum_index(),
        };
        self.next = self.cursor.next;
        self.ledger = next;
        let (cursor, file) = (self.cursor.clone(), self.file.clone());
        tokio::task::spawn_blocking(move || cursor.store(&file)).await??;
        Ok(())
    }

    fn now(&self) -> Duration {
        self.server.ambient.monotonic()
    }

    /// Sends the entries up to `end`.
    async fn entries(&mut self, end: u64) -> Result<(), SyslogError> {
        let open = self.receiver.personal && may_open(self.server);
        let (ledger, range) = (self.ledger.clone(), self.next..end);
        let read = move || {
            let leaves = ledger.entries(range.clone())?;
            let rows = leaves.into_iter().zip(range);
            rows.map(|(leaf, index)| {
                // What is not read cannot leak.
                let side = if open {
                    ledger.side(index)?
                } else {
                    Vec::new()
                };
                Ok((index, leaf, side))
            })
            .collect::<Result<Vec<_>, burgess_ledger::ReadError>>()
        };
        let rows = tokio::task::spawn_blocking(read).await?;
        let mut frames = Vec::new();
        for (index, leaf, side) in rows.map_err(JournalError::from)? {
            let message = self.message(index, &leaf, &side, open).await?;
            frames.extend(syslog::frame(&message));
        }
        self.send(frames).await?;
        self.since = self.since.saturating_add(end - self.next);
        self.next = end;
        self.doubtful.push_back(Doubtful {
            next: end,
            bytes: self.bytes,
            at: self.now(),
        });
        Ok(())
    }

    async fn message(
        &self,
        index: u64,
        leaf: &[u8],
        side: &[u8],
        open: bool,
    ) -> Result<String, JournalError> {
        let (shard, hash) = (self.ledger.origin(), Digest::from_bytes(leaf_hash(leaf)));
        match self.server.journal.open_bytes(index, leaf, side).await {
            Ok(entry) => {
                let row = Row {
                    shard: shard.to_owned(),
                    index,
                    leaf_hash: hash,
                    sequence: entry.sequence,
                    event: entry.event,
                };
                Ok(syslog::event(&row, open))
            }
            // A shard's first leaf is the last checkpoint of the one before.
            Err(JournalError::NotAnEvent { .. }) => Ok(syslog::other(
                shard,
                index,
                &hash,
                self.server.ambient.now(),
            )),
            Err(cause) => Err(cause),
        }
    }

    async fn send(&mut self, bytes: Vec<u8>) -> Result<(), SyslogError> {
        let write = async {
            self.writing.write_all(&bytes).await?;
            self.writing.flush().await
        };
        let written = tokio::time::timeout(STUCK_TIME_MAX, write).await;
        written.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        self.bytes = self
            .bytes
            .saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.last = self.now();
        Ok(())
    }

    /// Moves the cursor over what the receiver has certainly taken.
    async fn settle(&mut self) -> Result<(), SyslogError> {
        // Lets the end of the connection be seen first.
        tokio::task::yield_now().await;
        let now = self.now();
        let taken = |it: &Doubtful| {
            self.bytes.saturating_sub(it.bytes) >= wire::IN_FLIGHT_BYTES_MAX
                || now.saturating_sub(it.at) >= self.pace.settled
        };
        let settled = self.doubtful.iter().take_while(|it| taken(it)).count();
        let Some(last) = self.doubtful.drain(..settled).next_back() else {
            return Ok(());
        };
        self.cursor.next = last.next;
        let (cursor, file) = (self.cursor.clone(), self.file.clone());
        tokio::task::spawn_blocking(move || cursor.store(&file)).await??;
        Ok(())
    }
}
