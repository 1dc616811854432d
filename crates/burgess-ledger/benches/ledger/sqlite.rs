//! What most would build: a table in SQLite, each row with the hash of the one before it.

use std::path::Path;
use std::time::Duration;

use burgess_core::audit::Event;
use burgess_core::digest::Digest;
use rusqlite::{Connection, params};

use crate::clock::Watch;
use crate::events::Sample;
use crate::peer::{Outcome, Peer, Slice};

/// Rows of a transaction.
const GROUP: usize = 1_024;

const TABLE: &str = "CREATE TABLE events (
    seq INTEGER PRIMARY KEY, timestamp INTEGER NOT NULL, app_id TEXT NOT NULL,
    actor_id TEXT NOT NULL, body TEXT NOT NULL, hash BLOB NOT NULL)";
const INDEXES: &str = "CREATE INDEX by_actor ON events (actor_id);
    CREATE INDEX by_app_and_time ON events (app_id, timestamp)";
const INSERT: &str = "INSERT INTO events (timestamp, app_id, actor_id, body, hash)
    VALUES (?1, ?2, ?3, ?4, ?5)";

/// The table: WAL, `synchronous=FULL`, two indexes.
pub(crate) struct Table {
    connection: Connection,
    last: Digest,
}

impl Table {
    pub(crate) fn create(file: &Path) -> Outcome<Self> {
        let connection = Connection::open(file)?;
        connection.execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL")?;
        connection.execute_batch(TABLE)?;
        connection.execute_batch(INDEXES)?;
        Ok(Self {
            connection,
            last: Digest::of(b""),
        })
    }

    /// Adds rows in one transaction.
    pub(crate) fn add<'a>(
        &mut self,
        rows: impl IntoIterator<Item = (&'a Event, &'a str)>,
    ) -> Outcome<()> {
        let transaction = self.connection.transaction()?;
        {
            let mut insert = transaction.prepare(INSERT)?;
            for (event, json) in rows {
                self.last = Digest::of_parts(&[self.last.as_bytes(), json.as_bytes()]);
                insert.execute(params![
                    event.timestamp.as_micros(),
                    event.app_id.as_str(),
                    event.actor_id,
                    json,
                    self.last.as_bytes().as_slice(),
                ])?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    /// Bytes with indexes, and without them, once the write-ahead log is folded in.
    pub(crate) fn bytes(self) -> Outcome<(u64, u64)> {
        let with = self.size()?;
        let drop_indexes = "DROP INDEX by_actor; DROP INDEX by_app_and_time; VACUUM";
        self.connection.execute_batch(drop_indexes)?;
        Ok((with, self.size()?))
    }

    fn size(&self) -> Outcome<u64> {
        self.connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        let pragma = |name: &str| {
            let read = format!("PRAGMA {name}");
            self.connection
                .query_row(&read, [], |row| row.get::<_, i64>(0))
        };
        Ok(u64::try_from(pragma("page_count")? * pragma("page_size")?)?)
    }
}

pub(crate) struct Chained<'a> {
    table: Table,
    pool: &'a [Sample],
    next: usize,
}

impl<'a> Chained<'a> {
    pub(crate) fn new(folder: &Path, pool: &'a [Sample]) -> Outcome<Self> {
        Ok(Self {
            table: Table::create(&folder.join("peer.sqlite"))?,
            pool,
            next: 0,
        })
    }
}

impl Peer for Chained<'_> {
    fn name(&self) -> String {
        format!("SQLite, hash-chained, transactions of {GROUP}")
    }

    fn slice(&mut self, time: Duration) -> Outcome<Slice> {
        let (watch, mut events) = (Watch::start(), 0);
        while watch.elapsed() < time {
            let rows = self.pool.iter().cycle().skip(self.next).take(GROUP);
            self.table
                .add(rows.map(|sample| (&sample.event, sample.json.as_str())))?;
            self.next = (self.next + GROUP) % self.pool.len();
            events += u64::try_from(GROUP)?;
        }
        Ok(Slice {
            events,
            seconds: watch.seconds(),
        })
    }
}
