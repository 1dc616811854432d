//! The witnesses of our own ledger: asked for cosignatures, and believed when they have seen more
//! than we have.
//!
//! A round hands the newest checkpoint of every open shard, and the last one of every sealed shard, to
//! every witness of the policy. What a quorum cosigned is
//! kept beside the ledger and goes into receipts. A witness that has cosigned a larger or another
//! ledger under our key shows that this copy is not the newest one; then nothing is written any
//! more, because every further entry would begin a second history. For the same reason the alarm is
//! no event of this ledger: it stands in the trace, in `/readyz`, in `/metrics` and on every page.

mod ask;
mod log;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use burgess_ledger::policy::POLICY_BYTES_MAX;
use burgess_ledger::{Ledger, Policy, Shards, SignedCheckpoint, Standing};
use futures_util::future::join_all;

use crate::config::{ConnectorHost, check_base_url};
use ask::Asker;
use log::{Log, lists};

/// Until a quorum cosigns, the operator's signature is all there is.
pub const NOT_WITNESSED: &str = "not witnessed, the operator could rewrite history";
/// A witness that does not answer is asked again after this long, then after twice as long, …
const PAUSE_FIRST: Duration = Duration::from_secs(1);
/// … and at the latest after this long.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Our witnesses; none where the configuration names no policy.
pub struct Witnesses {
    policy: Option<Policy>,
    asker: Asker,
    /// By origin: each shard is a log of its own to a witness.
    logs: Mutex<BTreeMap<String, Arc<Log>>>,
    alarm: OnceLock<String>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Witnesses {
    /// Reads the policy that the configuration names, and how the ledger stands under it.
    pub fn open(policy: Option<&Path>, ledger: &Ledger) -> Result<Self, String> {
        let policy = policy.map(|path| read(path, ledger)).transpose()?;
        let mut logs = BTreeMap::new();
        if let Some(policy) = &policy {
            let log = Log::open(policy, ledger)?;
            logs.insert(ledger.origin().to_owned(), Arc::new(log));
        }
        Ok(Self {
            policy,
            asker: Asker::new(),
            logs: Mutex::new(logs),
            alarm: OnceLock::new(),
        })
    }

    /// What is known of one shard.
    fn log(&self, policy: &Policy, ledger: &Ledger) -> Arc<Log> {
        let mut logs = lock(&self.logs);
        if let Some(log) = logs.get(ledger.origin()) {
            return Arc::clone(log);
        }
        let origin = ledger.origin();
        if !lists(policy, ledger) {
            tracing::warn!(%origin, vkey = ledger.vkey(), "the policy does not list this shard, so no witness is asked about it");
        }
        let log = Log::open(policy, ledger).unwrap_or_else(|cause| {
            tracing::error!(%origin, %cause, "what was cosigned earlier does not count");
            Log::alone(policy, ledger)
        });
        let log = Arc::new(log);
        logs.insert(origin.to_owned(), Arc::clone(&log));
        log
    }

    /// Why nothing is written any more, if a witness has seen another ledger than this one.
    pub fn alarm(&self) -> Option<&str> {
        self.alarm.get().map(String::as_str)
    }

    /// Whether a policy is configured.
    pub fn are_asked(&self) -> bool {
        self.policy.is_some()
    }

    /// The checkpoint of a shard that a quorum stands behind, and who does.
    pub fn standing(&self, ledger: &Ledger) -> Option<(Arc<SignedCheckpoint>, Arc<Standing>)> {
        let policy = self.policy.as_ref()?;
        self.log(policy, ledger).standing(ledger)
    }

    /// How far the ledger is witnessed, in a sentence without its full stop.
    pub fn sentence(&self, ledger: &Ledger) -> String {
        match self.standing(ledger) {
            Some((signed, standing)) if signed.checkpoint.size > 0 => format!(
                "witnessed up to entry {} by {} of {}",
                signed.checkpoint.size - 1,
                standing.by.len(),
                standing.of
            ),
            _ => NOT_WITNESSED.to_owned(),
        }
    }

    /// Asks, about every open shard and every sealed one whose last checkpoint is not witnessed yet,
    /// each witness that is due. `now` is monotonic; an answer may take `time_max`.
    pub async fn round(&self, shards: &Shards, now: Duration, time_max: Duration) {
        let Some(policy) = &self.policy else { return };
        if let Some(cause) = self.alarm() {
            return stop(cause, shards);
        }
        let all = shards.all().into_iter().map(|shard| shard.ledger);
        let asking = all.filter_map(|ledger| {
            let log = self.log(policy, &ledger);
            log.is_followed(&ledger).then_some(async move {
                let alarm = log.round(&self.asker, policy, &ledger, now, time_max).await;
                if let Some(cause) = alarm {
                    self.raise(&cause, shards);
                }
            })
        });
        join_all(asking).await;
    }

    /// One shard that was put back means that the others were, or will not fit to it: all stop.
    fn raise(&self, cause: &str, shards: &Shards) {
        tracing::error!(%cause, "the ledger is not the one that was witnessed");
        self.alarm.get_or_init(|| cause.to_owned());
        stop(cause, shards);
    }
}

/// Stops the shards that are open now: a line may have turned while a witness was asked, and may do
/// so once more before it stands still, so every round of an alarm does it again.
fn stop(cause: &str, shards: &Shards) {
    for shard in shards.all() {
        if !shard.ledger.is_sealed() {
            shard.ledger.stop(cause);
        }
    }
}

/// Reads a policy file, whose witnesses all have an address, and whose logs include this one.
fn read(path: &Path, ledger: &Ledger) -> Result<Policy, String> {
    let wrong = |cause: String| format!("`{}`: {cause}", path.display());
    let size = std::fs::metadata(path)
        .map_err(|cause| wrong(cause.to_string()))?
        .len();
    if usize::try_from(size).is_ok_and(|size| size > POLICY_BYTES_MAX) {
        return Err(wrong(
            "is larger than 256 KiB, which no policy is".to_owned(),
        ));
    }
    let bytes = std::fs::read(path).map_err(|cause| wrong(cause.to_string()))?;
    let policy = Policy::parse(&bytes).map_err(|cause| wrong(cause.to_string()))?;
    for witness in policy.witnesses() {
        let Some(url) = &witness.url else {
            return Err(wrong(format!(
                "the witness `{}` has no address, add it after its key",
                witness.name
            )));
        };
        let host = ConnectorHost {
            id: witness.name.clone(),
            environment: String::new(),
            base_url: url.clone(),
        };
        check_base_url(&host).map_err(|_| {
            wrong(format!(
                "the address of witness `{}` must begin with https://, or with http:// to 127.0.0.1",
                witness.name
            ))
        })?;
    }
    if !lists(&policy, ledger) {
        return Err(wrong(format!(
            "does not list this ledger, add the line `log {}`",
            ledger.vkey()
        )));
    }
    Ok(policy)
}
