//! The composition root: opens the folder, puts the parts together, serves, and stops in order.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use burgess_core::connector::Catalogue;
use burgess_core::intake::{RetentionLabel, RetentionSchedule};
use burgess_core::policy::{default_files, default_set};
use burgess_core::risk::Rubric;
use burgess_core::time::Span;
use burgess_gateway::journal::Journal;
use burgess_gateway::limits::GatewayLimits;
use burgess_gateway::ports::{self, Vault};
use burgess_gateway::{Gateway, Parts};
use burgess_inspect::advisories::Database;
use burgess_inspect::dlp;
use burgess_ledger::shards::{MAIN, ShardsError};
use burgess_ledger::{LockTable, NoteSigner, OpenError, Options, Shards};
use burgess_store::{Change, PolicyBundle, RuleKind, Store, Versioned, Write};
use burgess_trail::Trail;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Notify, watch};

use crate::ambient::Ambient;
use crate::config::Config;
use crate::http;
use crate::identity::revoked::Revoked;
use crate::jobs;
use crate::kms::blind::Blinder;
use crate::kms::connector_secrets::ConnectorSecrets;
use crate::kms::envelope::Key;
use crate::kms::ring::KeyRing;
use crate::kms::subjects::Subjects;
use crate::operations::retention::{self, Classes};
use crate::operations::trail::{Reads, complete};
use crate::operations::{erase, event};
use crate::server::Server;
use crate::witnesses::Witnesses;

/// Largest advisory archive that is read: the npm archive of OSV is some 60 MB.
const ADVISORY_BYTES_MAX: u64 = 300_000_000;

/// Disk that the ledger holds for recovery: room for some ten thousand events, and for the database
/// to end what it is writing.
const LEDGER_RESERVE_BYTES: usize = 16 << 20;
/// How long the start waits for witnesses; one that is away must not keep the server down.
const WITNESS_TIME_MAX: Duration = Duration::from_secs(3);

/// The server could not start. Each cause says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Something could not be opened.
    #[error("{0}")]
    Open(String),
    /// An address could not be bound.
    #[error(
        "`{address}` cannot be listened on: {cause}; stop what uses it, or choose another with {flag}"
    )]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        cause: std::io::Error,
        /// The flag that changes it.
        flag: &'static str,
    },
}

fn open_error(error: impl std::fmt::Display) -> StartError {
    StartError::Open(error.to_string())
}

/// Opens the data folder and puts the parts together; serves nothing yet.
pub async fn open(
    config: Config,
    kek: Key,
    offset_behind: Span,
) -> Result<Arc<Server>, StartError> {
    make_folder(&config.data)?;
    let ambient = Arc::new(Ambient::behind(offset_behind));
    let store = Arc::new(
        Store::open(&config.data, ambient.now())
            .await
            .map_err(open_error)?,
    );
    let keys = Arc::new(KeyRing::open(&config.data.join("keys"), kek).map_err(open_error)?);
    let classes = Classes::of(&config).map_err(open_error)?;
    let locks = Arc::new(store.locks().await.map_err(open_error)?);
    let shards = open_shards(&config, &keys, &classes, locks).await?;
    let shards = Arc::new(shards);
    let main = shards
        .current(MAIN)
        .ok_or_else(|| open_error("the ledger has no shard"))?;
    let witnesses =
        Witnesses::open(config.witness_policy.as_deref(), &main.ledger).map_err(open_error)?;
    // Before anything is appended: on an older copy, an entry would begin a second history.
    witnesses
        .round(&shards, ambient.monotonic(), WITNESS_TIME_MAX)
        .await;
    let subjects = Arc::new(Subjects::new(
        Arc::clone(&store),
        Arc::clone(&keys),
        Arc::clone(&ambient),
    ));
    let class_of = {
        let classes = classes.clone();
        move |source: &str| classes.of_source(source).to_owned()
    };
    let vault = Arc::clone(&subjects) as Arc<dyn Vault>;
    let journal = Journal::over(Arc::clone(&shards), Arc::new(class_of), vault);
    let trail = Arc::new(
        Trail::open(&config.data.join("trail.db"))
            .await
            .map_err(open_error)?,
    );
    let revoked = Arc::new(Revoked::default());
    let policies = Arc::new(default_set().map_err(open_error)?);
    let catalogue = catalogue(&config)?;
    let gateway = Gateway::new(Parts {
        journal: journal.clone(),
        snapshot: jobs::snapshot::empty(),
        secrets: Arc::new(ConnectorSecrets::new(Arc::clone(&store), Arc::clone(&keys))),
        revocations: Arc::clone(&revoked) as Arc<dyn ports::Revocations>,
        ambient: ambient_port(&ambient),
        scanner: dlp::Scanner::new(dlp::Config::default()),
        limits: GatewayLimits::default(),
        source: jobs::project::GATEWAY.to_owned(),
    });
    let server = Arc::new(Server {
        advisories: ArcSwap::from_pointee(advisories(&config.data.join("advisories"))?),
        rubric: Rubric::published().map_err(open_error)?,
        retention: retention()?,
        catalogue,
        config,
        ambient,
        blinder: Blinder::new(&keys.blind),
        reads: Reads::default(),
        keys,
        store,
        shards,
        classes,
        subjects,
        witnesses,
        journal: Arc::new(journal),
        trail,
        policies: ArcSwap::new(policies),
        revoked,
        gateway,
        counted_from: OnceLock::new(),
        under_way: http::idempotency::UnderWay::default(),
        drafts: crate::web::Drafts::default(),
        draining: Mutex::new(()),
        archiving: Mutex::new(()),
        copying: Mutex::new(()),
        stamping: Mutex::new(()),
        holding: Mutex::new(()),
        erasing: Mutex::default(),
        projecting: Mutex::new(()),
        projected: Notify::new(),
    });
    recover(&server).await?;
    Ok(server)
}

/// What was committed before a crash goes into the ledger now: the normal path, run at start.
async fn recover(server: &Server) -> Result<(), StartError> {
    // Before anything else: a database from an older copy must not seal for whom was erased since,
    // nor give numbers to the ledger that it gave before.
    jobs::replay::catch_up(server)
        .await
        .map_err(|p| StartError::Open(p.detail))?;
    match jobs::drain::drain(server).await {
        Err(problem) if server.witnesses.alarm().is_none() => {
            return Err(StartError::Open(problem.detail));
        }
        // An older copy is opened to be read; what waits stays in its outbox.
        _ => {}
    }
    // A crash between append and mark leaves rows that are in the ledger and still look as if they waited.
    server
        .store
        .mark_drained(server.shards.highest(event::CONTROL))
        .await
        .map_err(open_error)?;
    jobs::project::project(server)
        .await
        .map_err(|p| StartError::Open(p.detail))?;
    complete::begin_counting(server)
        .await
        .map_err(|p| StartError::Open(p.detail))?;
    if let Some(newest) = server.trail.newest_time().await.map_err(open_error)? {
        server.ambient.observe(newest);
    }
    if let Err(problem) = jobs::interrupted::close(server).await {
        // Reading must go on, also over a ledger that cannot be written.
        tracing::error!(detail = %problem.detail, "calls that a crash interrupted have no outcome yet");
    }
    activate_policy(server).await?;
    http::idempotency::settle(server)
        .await
        .map_err(|p| StartError::Open(p.detail))?;
    for done in [
        erase::resume(server).await,
        retention::write_down(server).await,
    ] {
        if let Err(problem) = done {
            // Keys are gone in any case; what is left is tried again by the clock.
            tracing::error!(detail = %problem.detail, "what is kept is not as it should be yet");
        }
    }
    server.load_revoked().await.map_err(open_error)?;
    jobs::snapshot::refresh(server)
        .await
        .map_err(|p| StartError::Open(p.detail))
}

/// The policy set that this binary carries comes into force, as an event.
async fn activate_policy(server: &Server) -> Result<(), StartError> {
    use burgess_core::audit::ActionType;
    use burgess_core::policy::action::Configure;
    use burgess_core::policy::facts::{NoContext, Organisation};
    let policies = server.policies.load_full();
    let digest = policies.digest();
    let before = server
        .store
        .policy_in_force(RuleKind::Policy)
        .await
        .map_err(open_error)?;
    if before.as_ref().is_some_and(|it| it.record.digest == digest) {
        return Ok(());
    }
    let now = server.ambient.now();
    let revision = before.as_ref().map_or(0, |it| it.revision);
    let problem = |p: crate::http::problem::Problem| StartError::Open(p.detail);
    let machine = crate::operations::people::machine();
    let permit = crate::operations::permit::<Configure>(
        server,
        &machine,
        &Organisation { revision },
        &NoContext,
        now,
    )
    .map_err(problem)?;
    let bundle = PolicyBundle {
        kind: RuleKind::Policy,
        digest,
        text: default_files()
            .iter()
            .map(|(name, text)| format!("// {name}\n{text}\n"))
            .collect(),
        activated_by: "machine".to_owned(),
        activated_at: now,
    };
    let previous = before.as_ref().map(|it| it.record.digest.to_string());
    let event = event::about(&server.ambient, None, now)
        .map_err(open_error)?
        .by_job("machine")
        .permitted(&permit)
        .did(ActionType::Update, "policy", RuleKind::Policy.as_str())
        .moved(previous.as_deref(), &digest.to_string())
        .done();
    let change = before.map_or_else(
        || Versioned::new(bundle.clone()),
        |it| it.next(bundle.clone()),
    );
    server
        .commit(
            vec![Write {
                changes: vec![Change::Policy(change)],
                event,
            }],
            &permit,
            now,
        )
        .await
        .map_err(problem)
}

fn make_folder(data: &Path) -> Result<(), StartError> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .map_err(|e| StartError::Open(format!("`{}` cannot be made: {e}", data.display())))
}

async fn open_shards(
    config: &Config,
    keys: &Arc<KeyRing>,
    classes: &Classes,
    locks: Arc<dyn LockTable>,
) -> Result<Shards, StartError> {
    let (folder, origin) = (config.ledgers(), config.origin());
    make_folder(&folder)?;
    refuse_other_origin(config, &config.ledger_folder())?;
    let options = Options {
        bytes_max: config.ledger_bytes_max,
        lock_table: Some(locks),
        reserve_bytes: LEDGER_RESERVE_BYTES,
        recovery: config.recovery,
        ..Options::default()
    };
    let ring = Arc::clone(keys);
    let signer = move |shard: &str, origin: &str| {
        let (seed, ml_dsa) = ring.of_shard(shard).map_err(|e| e.to_string())?;
        NoteSigner::from_seed(origin, *seed)
            .and_then(|signer| signer.with_ml_dsa_44(*ml_dsa))
            .map_err(|e| e.to_string())
    };
    let names: Vec<String> = classes.names().map(str::to_owned).collect();
    // Opening reads files and asks the lock table, so it may not hold up the runtime.
    let open = move || {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Shards::open(&folder, &origin, &names, options, Arc::new(signer)).map_err(ledger_error)
    };
    tokio::task::spawn_blocking(open)
        .await
        .map_err(open_error)?
}

/// What can be repaired names the verb that does it.
fn ledger_error(error: ShardsError) -> StartError {
    match &error {
        ShardsError::Open {
            cause: OpenError::LockMissing { .. } | OpenError::LockBehind { .. },
            ..
        } => StartError::Open(format!(
            "{error}: if you have just restored a backup, run `burgess recover`"
        )),
        _ => open_error(error),
    }
}

/// A demo's folder is no server's folder, and the other way round: the origin says which it is.
fn refuse_other_origin(config: &Config, folder: &Path) -> Result<(), StartError> {
    let Ok(vkey) = std::fs::read_to_string(folder.join("vkey")) else {
        return Ok(());
    };
    let origin = vkey.split('+').next().unwrap_or_default().to_owned();
    if origin == config.origin() {
        return Ok(());
    }
    Err(StartError::Open(format!(
        "`{}` holds the ledger of `{origin}`, not of `{}`: choose another --data folder",
        config.data.display(),
        config.origin()
    )))
}

fn catalogue(config: &Config) -> Result<Catalogue, StartError> {
    let mut catalogue = Catalogue::built_in().map_err(open_error)?;
    for host in &config.connectors {
        let environment =
            burgess_core::app::Environment::parse(&host.environment).map_err(open_error)?;
        let base = burgess_gateway::snapshot::BaseUrl::parse(&host.base_url).map_err(open_error)?;
        if !catalogue.set_hosts(&host.id, environment, vec![base.host().to_owned()]) {
            return Err(StartError::Open(format!(
                "the catalogue has no connector `{}`: use one of its ids in the configuration",
                host.id
            )));
        }
    }
    Ok(catalogue)
}

/// The retention labels that ship with the product.
const RETENTION: &str = include_str!("../../../policies/retention.toml");

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Labels {
    retention: Vec<RetentionLabel>,
}

fn retention() -> Result<RetentionSchedule, StartError> {
    let labels: Labels = toml::from_str(RETENTION).map_err(open_error)?;
    let mut schedule = RetentionSchedule::default();
    for label in labels.retention {
        schedule.insert(label).map_err(open_error)?;
    }
    Ok(schedule)
}

/// OSV archives in the folder, merged; none is an empty database, and scans then say so.
fn advisories(folder: &Path) -> Result<Database, StartError> {
    let mut database = Database::default();
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Ok(database);
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "zip"))
        .collect();
    paths.sort();
    for path in paths {
        if std::fs::metadata(&path).map_err(open_error)?.len() > ADVISORY_BYTES_MAX {
            return Err(StartError::Open(format!(
                "`{}` is larger than 300 MB: use an OSV archive of one ecosystem",
                path.display()
            )));
        }
        let bytes = std::fs::read(&path).map_err(open_error)?;
        database
            .add_zip(&bytes)
            .map_err(|e| StartError::Open(format!("`{}`: {e}", path.display())))?;
    }
    Ok(database)
}

fn ambient_port(ambient: &Arc<Ambient>) -> ports::Ambient {
    let fail = |e: crate::ambient::AmbientError| ports::AmbientError(e.to_string());
    let (now, monotonic, random, uuid) = (
        Arc::clone(ambient),
        Arc::clone(ambient),
        Arc::clone(ambient),
        Arc::clone(ambient),
    );
    ports::Ambient {
        now: Arc::new(move || now.event_time().map_err(fail)),
        monotonic: Arc::new(move || monotonic.monotonic()),
        random: Arc::new(move || random.random().map_err(fail)),
        uuid: Arc::new(move || uuid.uuid().map_err(fail)),
    }
}

/// The two open doors.
pub struct Doors {
    console: TcpListener,
    gateway: TcpListener,
}

/// Binds both addresses, before anything is opened, so that a busy port costs nothing.
pub async fn bind(config: &mut Config) -> Result<Doors, StartError> {
    let console = TcpListener::bind(config.listen)
        .await
        .map_err(|cause| StartError::Bind {
            address: config.listen,
            cause,
            flag: "--listen",
        })?;
    let gateway = TcpListener::bind(config.gateway)
        .await
        .map_err(|cause| StartError::Bind {
            address: config.gateway,
            cause,
            flag: "--gateway",
        })?;
    config.listen = console.local_addr().map_err(open_error)?;
    config.gateway = gateway.local_addr().map_err(open_error)?;
    Ok(Doors { console, gateway })
}

/// Serves until asked to stop; then lets running calls end and closes the ledger last.
pub async fn run(
    server: Arc<Server>,
    doors: Doors,
    stop: watch::Receiver<bool>,
) -> Result<(), StartError> {
    let mut jobs = vec![
        tokio::spawn(jobs::ticker::snapshots(Arc::clone(&server))),
        tokio::spawn(jobs::ticker::clockwork(Arc::clone(&server))),
        tokio::spawn(jobs::ticker::outbox(Arc::clone(&server))),
        tokio::spawn(jobs::witness::follow(Arc::clone(&server))),
        tokio::spawn(jobs::archive::follow(
            Arc::clone(&server),
            jobs::archive::EVERY,
        )),
        tokio::spawn(jobs::timestamp::follow(Arc::clone(&server))),
        tokio::spawn({
            let server = Arc::clone(&server);
            async move { jobs::project::follow(&server).await }
        }),
    ];
    for receiver in server.config.syslog.clone() {
        let (server, pace) = (Arc::clone(&server), jobs::syslog::Pace::default());
        jobs.push(tokio::spawn(jobs::syslog::follow(server, receiver, pace)));
    }
    let app = http::router(Arc::clone(&server)).into_make_service_with_connect_info::<SocketAddr>();
    let console = axum::serve(doors.console, app).with_graceful_shutdown(stopped(stop.clone()));
    let gateway = burgess_gateway::serve(
        doors.gateway,
        Arc::clone(&server.gateway),
        stopped(stop.clone()),
    );
    let cut = async {
        stopped(stop).await;
        // Open event streams never end by themselves; calls get a moment to.
        tokio::time::sleep(Duration::from_secs(3)).await;
    };
    tokio::select! {
        ended = async { tokio::try_join!(async { console.await }, gateway) } => { ended.map_err(open_error)?; }
        () = cut => {}
    }
    for job in jobs {
        job.abort();
    }
    server.gateway.close().await;
    server.shards.close();
    server.trail.close().await;
    server.store.close().await;
    Ok(())
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    while !*stop.borrow_and_update() {
        if stop.changed().await.is_err() {
            return;
        }
    }
}

/// Resolves the given channel on the first interrupt or termination signal.
pub fn stop_on_signals() -> watch::Receiver<bool> {
    use tokio::signal::unix::{SignalKind, signal};
    let (tell, stop) = watch::channel(false);
    // Before this answers: whoever is told that the server is up may end it at once.
    let signals = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    );
    tokio::spawn(async move {
        let (Ok(mut interrupt), Ok(mut terminate)) = signals else {
            return;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if tell.send(true).is_err() {
            tracing::debug!("nobody waits for the signal any more");
        }
    });
    stop
}
