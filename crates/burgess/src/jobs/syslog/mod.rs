//! The syslog job: the ledger, entry by entry, to each receiver, from where it had come to.
//!
//! At least once and without a gap: a cursor moves on only after the receiver's machine took the
//! bytes. Syslog has no acknowledgement, so that is told from what was sent since, or from a
//! connection that stayed open; what is in doubt is sent again after a reconnect, and index and
//! leaf hash show it to be the same. Only entries under a published checkpoint are sent, and the
//! checkpoint itself follows when enough of them were. Not here: the format.

mod cursor;
mod wire;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::ops::Range;
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
use burgess_ledger::Ledger;
use burgess_ledger::tree::leaf_hash;
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
    let mut pause = pace.pause;
    // A ledger that cannot be written now, or a clock that is wrong, is mended without a restart.
    while let Err(problem) = announce(&server, &receiver).await {
        tracing::error!(receiver = %receiver.name, code = problem.code, detail = %problem.detail, "an export without its event does not begin yet");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
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

/// The shards, in the order in which they are sent.
fn shards(server: &Server) -> Vec<Ledger> {
    let all = server.shards.all().into_iter();
    all.map(|shard| shard.ledger).collect()
}

/// One connection, for as long as it holds.
async fn session(server: &Server, receiver: &Syslog, pace: Pace) -> Result<(), SyslogError> {
    let folder = server.config.data.join("syslog");
    let file = folder.join(format!("{}.json", receiver.name));
    let cursor = Cursor::load(&file)?;
    let (reading, writing) = tokio::io::split(wire::connect(receiver).await?);
    let mut stream = Stream {
        server,
        receiver,
        pace,
        file,
        sent: cursor.clone(),
        since: BTreeMap::new(),
        bytes: 0,
        last: server.ambient.monotonic(),
        doubtful: VecDeque::new(),
        cursor,
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
    origin: String,
    next: u64,
    bytes: u64,
    at: Duration,
}

struct Stream<'a, W> {
    server: &'a Server,
    receiver: &'a Syslog,
    pace: Pace,
    file: PathBuf,
    /// What certainly was taken.
    cursor: Cursor,
    /// What was sent.
    sent: Cursor,
    /// Entries since the last checkpoint, by origin.
    since: BTreeMap<String, u64>,
    /// Bytes sent over this connection.
    bytes: u64,
    /// When something was last sent.
    last: Duration,
    doubtful: VecDeque<Doubtful>,
    writing: W,
}

impl<W: AsyncWrite + Unpin> Stream<'_, W> {
    async fn run(&mut self) -> Result<(), SyslogError> {
        let mut size = self.server.ledger().watch();
        loop {
            let mut caught_up = true;
            for ledger in shards(self.server) {
                caught_up &= self.shard(&ledger).await?;
            }
            self.settle().await?;
            if caught_up {
                tokio::select! {
                    _ = size.changed() => {}
                    () = tokio::time::sleep(self.pace.tick) => {}
                }
            }
        }
    }

    /// Sends the next entries of a shard, and the checkpoint where it is due; answers whether the
    /// receiver has all that is published.
    async fn shard(&mut self, ledger: &Ledger) -> Result<bool, SyslogError> {
        let published = ledger.checkpoint();
        // What was pruned cannot be sent any more; the event that says so is sent in its turn.
        let next = self.sent.next(ledger.origin()).max(ledger.minimum_index());
        let end = published.checkpoint.size.min(next.saturating_add(BATCH));
        if next < end {
            self.entries(ledger, next..end).await?;
        }
        let caught_up = end >= published.checkpoint.size;
        let since = self.since.get(ledger.origin()).copied().unwrap_or_default();
        let quiet = self.now().saturating_sub(self.last) >= self.pace.quiet;
        let due = since >= self.receiver.checkpoint_every || (quiet && since > 0);
        if caught_up && due {
            let line = syslog::checkpoint(&published, self.server.ambient.now());
            self.send(syslog::frame(&line)).await?;
            self.since.remove(ledger.origin());
        }
        Ok(caught_up)
    }

    fn now(&self) -> Duration {
        self.server.ambient.monotonic()
    }

    async fn entries(&mut self, ledger: &Ledger, range: Range<u64>) -> Result<(), SyslogError> {
        let open = self.receiver.personal && may_open(self.server);
        let (reading, wanted) = (ledger.clone(), range.clone());
        let read = move || {
            let leaves = reading.entries(wanted.clone())?;
            let rows = leaves.into_iter().zip(wanted);
            rows.map(|(leaf, index)| {
                // What is not read cannot leak.
                let side = if open {
                    reading.side(index)?
                } else {
                    Vec::new()
                };
                Ok((index, leaf, side))
            })
            .collect::<Result<Vec<_>, burgess_ledger::ReadError>>()
        };
        let rows = tokio::task::spawn_blocking(read).await?;
        let origin = ledger.origin();
        let mut frames = Vec::new();
        for (index, leaf, side) in rows.map_err(JournalError::from)? {
            let message = self.message(origin, index, &leaf, &side, open).await?;
            frames.extend(syslog::frame(&message));
        }
        self.send(frames).await?;
        *self.since.entry(origin.to_owned()).or_default() += range.end - range.start;
        self.sent.advance(origin.to_owned(), range.end);
        self.doubtful.push_back(Doubtful {
            origin: origin.to_owned(),
            next: range.end,
            bytes: self.bytes,
            at: self.now(),
        });
        Ok(())
    }

    async fn message(
        &self,
        shard: &str,
        index: u64,
        leaf: &[u8],
        side: &[u8],
        open: bool,
    ) -> Result<String, JournalError> {
        let hash = Digest::from_bytes(leaf_hash(leaf));
        match self.server.journal.open_bytes(index, leaf, side).await {
            Ok(entry) => {
                let row = Row {
                    shard: shard.to_owned(),
                    index,
                    leaf_hash: hash,
                    sequence: entry.sequence,
                    source_seq: entry.source_seq,
                    event: entry.event,
                };
                Ok(syslog::event(&row, open))
            }
            // A shard's first leaf is the last checkpoint of the one before.
            Err(JournalError::NotAnEvent { .. }) => {
                let now = self.server.ambient.now();
                Ok(syslog::other(shard, index, &hash, now))
            }
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
        if settled == 0 {
            return Ok(());
        }
        for taken in self.doubtful.drain(..settled) {
            self.cursor.advance(taken.origin, taken.next);
        }
        let (cursor, file) = (self.cursor.clone(), self.file.clone());
        tokio::task::spawn_blocking(move || cursor.store(&file)).await??;
        Ok(())
    }
}
