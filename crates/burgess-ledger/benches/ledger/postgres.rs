//! PostgreSQL beside us: Debian's, as a private cluster in a temporary folder that ends with us.
//!
//! It listens on a socket in that folder and nowhere else. The server refuses to run as root, so
//! root runs it as user `postgres` or `nobody`.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use postgres::{Client, NoTls};

use crate::clock::Watch;
use crate::events::Sample;
use crate::peer::{Outcome, Peer, Slice};

/// Where Debian puts each version.
const VERSIONS: &str = "/usr/lib/postgresql";
/// Connections that hand in events at the same time.
const CLIENTS: usize = 8;
/// Rows of one COPY.
const COPY: usize = 1_000;
/// How long the server may take to start.
const START: Duration = Duration::from_secs(30);

const TABLES: &str = "
    CREATE TABLE chained (
        seq BIGINT PRIMARY KEY, timestamp BIGINT NOT NULL, app_id TEXT NOT NULL,
        actor_id TEXT NOT NULL, body TEXT NOT NULL, hash BYTEA NOT NULL);
    CREATE TABLE copied (
        seq BIGSERIAL PRIMARY KEY, timestamp BIGINT NOT NULL, app_id TEXT NOT NULL,
        actor_id TEXT NOT NULL, body TEXT NOT NULL);
    CREATE FUNCTION chain(at BIGINT, app TEXT, actor TEXT, event TEXT) RETURNS BIGINT
    LANGUAGE plpgsql AS $$
    DECLARE last BIGINT; before BYTEA;
    BEGIN
        PERFORM pg_advisory_xact_lock(1);
        SELECT seq, hash INTO last, before FROM chained ORDER BY seq DESC LIMIT 1;
        INSERT INTO chained VALUES (coalesce(last, 0) + 1, at, app, actor, event,
            sha256(coalesce(before, ''::bytea) || convert_to(event, 'UTF8')));
        RETURN coalesce(last, 0) + 1;
    END $$;";

/// A running server. Dropping it ends it; its files go with the bench's folder, at the end.
pub(crate) struct Cluster {
    server: Child,
    folder: PathBuf,
}

impl Cluster {
    /// Starts one, with its data in `folder`.
    pub(crate) fn start(folder: &Path) -> Outcome<Self> {
        let programs = programs().ok_or("PostgreSQL is not installed (apt install postgresql)")?;
        let folder = folder.join("postgres");
        fs::create_dir(&folder)?;
        let user = owner(&folder)?;
        let data = folder.join("data");
        let made = run_as(user, &programs.join("initdb"))
            .args([
                "--no-locale",
                "--encoding=UTF8",
                "--auth=trust",
                "--username=bench",
                "-D",
            ])
            .arg(&data)
            .current_dir(&folder)
            .output()?;
        if !made.status.success() {
            return Err(format!("initdb: {}", String::from_utf8_lossy(&made.stderr)).into());
        }
        let server = run_as(user, &programs.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args(["-c", "listen_addresses=", "-c", "shared_buffers=512MB"])
            .args(["-c", "fsync=on", "-c", "synchronous_commit=on"])
            .arg("-c")
            .arg(format!("unix_socket_directories={}", folder.display()))
            .current_dir(&folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let cluster = Self { server, folder };
        cluster.client()?.batch_execute(TABLES)?;
        Ok(cluster)
    }

    fn client(&self) -> Outcome<Client> {
        let watch = Watch::start();
        let mut how = postgres::Config::new();
        how.host_path(&self.folder).user("bench").dbname("postgres");
        loop {
            match how.connect(NoTls) {
                Ok(client) => return Ok(client),
                Err(cause) if watch.elapsed() > START => return Err(cause.into()),
                Err(_) => thread::sleep(Duration::from_millis(50)),
            }
        }
    }
}

impl Drop for Cluster {
    /// Asks the server to end, by its own process number, and waits for it.
    fn drop(&mut self) {
        let asked = Command::new("kill")
            .args(["-INT", &self.server.id().to_string()])
            .status();
        if !asked.is_ok_and(|status| status.success()) {
            drop(self.server.kill());
        }
        drop(self.server.wait());
    }
}

/// The newest version's programs.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir(VERSIONS).ok()?.flatten();
    let numbered = versions.filter_map(|entry| {
        let number: u32 = entry.file_name().to_str()?.parse().ok()?;
        let programs = entry.path().join("bin");
        programs
            .join("initdb")
            .exists()
            .then_some((number, programs))
    });
    numbered.max().map(|(_, programs)| programs)
}

/// As whom the server runs when we, who made the folder, are root; it gets the folder.
fn owner(folder: &Path) -> Outcome<Option<&'static str>> {
    if fs::metadata(folder)?.uid() != 0 {
        return Ok(None);
    }
    for user in ["postgres", "nobody"] {
        let given = Command::new("chown").arg(user).arg(folder).status()?;
        if given.success() {
            return Ok(Some(user));
        }
    }
    Err("there is no user `postgres` or `nobody` to run PostgreSQL as".into())
}

/// `setpriv` becomes the program, so that the process number is the server's own.
fn run_as(user: Option<&str>, program: &Path) -> Command {
    match user {
        None => Command::new(program),
        Some(user) => {
            let mut command = Command::new("setpriv");
            command
                .args(["--reuid", user, "--regid"])
                .arg(if user == "nobody" { "nogroup" } else { user })
                .arg("--clear-groups")
                .arg(program);
            command
        }
    }
}

/// One event per transaction, each chained to the one before under a lock, from several clients.
pub(crate) struct Chained<'a> {
    clients: Vec<Client>,
    pool: &'a [Sample],
}

impl<'a> Chained<'a> {
    pub(crate) fn new(cluster: &Cluster, pool: &'a [Sample]) -> Outcome<Self> {
        let clients = (0..CLIENTS).map(|_| cluster.client());
        Ok(Self {
            clients: clients.collect::<Outcome<_>>()?,
            pool,
        })
    }
}

impl Peer for Chained<'_> {
    fn name(&self) -> String {
        format!("PostgreSQL, hash-chained, {CLIENTS} clients")
    }

    fn slice(&mut self, time: Duration) -> Outcome<Slice> {
        let (pool, watch) = (self.pool, Watch::start());
        let work = |client: &mut Client| -> Outcome<u64> {
            let chain = client.prepare("SELECT chain($1, $2, $3, $4)")?;
            let (mut events, mut samples) = (0, pool.iter().cycle());
            while watch.elapsed() < time {
                let sample = samples.next().ok_or("no events")?;
                let event = &sample.event;
                client.query_one(
                    &chain,
                    &[
                        &event.timestamp.as_micros(),
                        &event.app_id.as_str(),
                        &event.actor_id,
                        &sample.json,
                    ],
                )?;
                events += 1;
            }
            Ok(events)
        };
        let events = thread::scope(|scope| -> Outcome<u64> {
            let started: Vec<_> = self
                .clients
                .iter_mut()
                .map(|client| scope.spawn(move || work(client)))
                .collect();
            let mut events = 0;
            for client in started {
                events += client.join().map_err(|_| "a client ended unexpectedly")??;
            }
            Ok(events)
        })?;
        Ok(Slice {
            events,
            seconds: watch.seconds(),
        })
    }
}

/// COPY of 1,000 rows per transaction: no chain, no proof, the fastest that PostgreSQL takes rows.
pub(crate) struct Copied<'a> {
    client: Client,
    pool: &'a [Sample],
    next: usize,
}

impl<'a> Copied<'a> {
    pub(crate) fn new(cluster: &Cluster, pool: &'a [Sample]) -> Outcome<Self> {
        Ok(Self {
            client: cluster.client()?,
            pool,
            next: 0,
        })
    }
}

impl Peer for Copied<'_> {
    fn name(&self) -> String {
        format!("PostgreSQL, COPY of {COPY}")
    }

    fn slice(&mut self, time: Duration) -> Outcome<Slice> {
        let (watch, mut events) = (Watch::start(), 0);
        while watch.elapsed() < time {
            let mut rows = String::with_capacity(COPY * 600);
            for sample in self.pool.iter().cycle().skip(self.next).take(COPY) {
                let event = &sample.event;
                let (micros, app) = (event.timestamp.as_micros(), event.app_id.as_str());
                let (actor, body) = (&event.actor_id, &sample.json);
                rows.push_str(&format!("{micros}\t{app}\t{actor}\t{body}\n"));
            }
            let copy = "COPY copied (timestamp, app_id, actor_id, body) FROM STDIN";
            let mut writer = self.client.copy_in(copy)?;
            writer.write_all(rows.as_bytes())?;
            events += writer.finish()?;
            self.next = (self.next + COPY) % self.pool.len();
        }
        Ok(Slice {
            events,
            seconds: watch.seconds(),
        })
    }
}
