//! The witnesses of our own ledger: asked for cosignatures, and believed when they have seen more
//! than we have.
//!
//! A round hands the newest checkpoint to every witness of the policy. What a quorum cosigned is
//! kept beside the ledger and goes into receipts. A witness that has cosigned a larger or another
//! ledger under our key shows that this copy is not the newest one; then nothing is written any
//! more, because every further entry would begin a second history. For the same reason the alarm is
//! no event of this ledger: it stands in the trace, in `/readyz`, in `/metrics` and on every page.

mod ask;

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use burgess_ledger::policy::{POLICY_BYTES_MAX, Party};
use burgess_ledger::{Ledger, Policy, SignedCheckpoint, Standing};
use futures_util::future::join_all;

use crate::config::{ConnectorHost, check_base_url};
use ask::{Asker, Trouble};

/// Until a quorum cosigns, the operator's signature is all there is.
pub const NOT_WITNESSED: &str = "not witnessed, the operator could rewrite history";
/// A witness that does not answer is asked again after this long, then after twice as long, …
const PAUSE_FIRST: Duration = Duration::from_secs(1);
/// … and at the latest after this long.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Our witnesses; none where the configuration names no policy.
pub struct Witnesses {
    policy: Option<Policy>,
    asked: Vec<Asked>,
    asker: Asker,
    /// Cosignatures of a checkpoint that is not yet witnessed.
    gathered: Mutex<Gathered>,
    standing: ArcSwap<Standing>,
    alarm: OnceLock<String>,
}

/// One witness, as far as we know it.
struct Asked {
    party: Party,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Default)]
struct State {
    /// Entries that it has cosigned, as far as we know.
    known: u64,
    /// Whether it has cosigned since the server started.
    heard: bool,
    /// How often in a row it did not help.
    failures: u32,
    /// It is not asked before this monotonic time.
    not_before: Duration,
}

#[derive(Default)]
struct Gathered {
    note: String,
    lines: Vec<Option<String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Witnesses {
    /// Reads the policy that the configuration names, and how the ledger stands under it.
    pub fn open(policy: Option<&Path>, ledger: &Ledger) -> Result<Self, String> {
        let policy = policy.map(|path| read(path, ledger)).transpose()?;
        let asked = policy
            .iter()
            .flat_map(Policy::witnesses)
            .map(|party| Asked {
                party: party.clone(),
                state: Mutex::new(State::default()),
            });
        let witnesses = Self {
            asked: asked.collect(),
            policy,
            asker: Asker::new(),
            gathered: Mutex::new(Gathered::default()),
            standing: ArcSwap::from_pointee(Standing::alone()),
            alarm: OnceLock::new(),
        };
        if let (Some(policy), Some(kept)) = (&witnesses.policy, ledger.witnessed()) {
            let standing = policy.standing(kept.note.as_bytes());
            let standing = standing.map_err(|cause| format!("what witnesses cosigned: {cause}"))?;
            witnesses.standing.store(Arc::new(standing));
        }
        Ok(witnesses)
    }

    /// Why nothing is written any more, if a witness has seen another ledger than this one.
    pub fn alarm(&self) -> Option<&str> {
        self.alarm.get().map(String::as_str)
    }

    /// Whether a policy is configured.
    pub fn are_asked(&self) -> bool {
        self.policy.is_some()
    }

    /// The checkpoint that a quorum stands behind, and who does.
    pub fn standing(&self, ledger: &Ledger) -> Option<(Arc<SignedCheckpoint>, Arc<Standing>)> {
        let standing = self.standing.load_full();
        ledger
            .witnessed()
            .filter(|_| standing.witnessed)
            .map(|signed| (signed, standing))
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

    /// Asks every witness that is due for its cosignature of the newest checkpoint.
    /// `now` is monotonic; an answer may take `time_max`.
    pub async fn round(&self, ledger: &Ledger, now: Duration, time_max: Duration) {
        let Some(policy) = &self.policy else { return };
        let signed = &*ledger.checkpoint();
        if self.alarm().is_some() {
            return;
        }
        let waiting = self.waiting(signed, self.covers(ledger, signed), now);
        if waiting.is_empty() {
            return;
        }
        let asking = waiting.iter().filter_map(|at| {
            let asked = self.asked.get(*at)?;
            Some(async move {
                let known = lock(&asked.state).known;
                let asking = self.asker.ask(&asked.party, ledger, signed, known);
                let answer = tokio::time::timeout(time_max, asking).await;
                let late = || Trouble::Silent("it did not answer in time".to_owned());
                (*at, answer.unwrap_or_else(|_| Err(late())))
            })
        });
        for (at, answer) in join_all(asking).await {
            self.take(at, answer, signed, now, ledger);
        }
        if self.alarm().is_none() {
            self.keep(policy, signed, ledger).await;
        }
    }

    /// Whether a quorum stands behind this very checkpoint already.
    fn covers(&self, ledger: &Ledger, signed: &SignedCheckpoint) -> bool {
        self.standing(ledger)
            .is_some_and(|(witnessed, _)| witnessed.checkpoint == signed.checkpoint)
    }

    /// The witnesses to ask about this checkpoint now. One that was not heard yet is asked also about
    /// a checkpoint that is witnessed: what an older copy brings along was witnessed once.
    fn waiting(&self, signed: &SignedCheckpoint, covered: bool, now: Duration) -> Vec<usize> {
        let mut gathered = lock(&self.gathered);
        if gathered.note != signed.note {
            *gathered = Gathered {
                note: signed.note.clone(),
                lines: vec![None; self.asked.len()],
            };
        }
        let open = gathered.lines.iter().zip(&self.asked).enumerate();
        open.filter(|(_, (line, asked))| {
            let state = *lock(&asked.state);
            line.is_none() && state.not_before <= now && !(covered && state.heard)
        })
        .map(|(at, _)| at)
        .collect()
    }

    /// Notes what one witness answered.
    fn take(
        &self,
        at: usize,
        answer: Result<String, Trouble>,
        signed: &SignedCheckpoint,
        now: Duration,
        ledger: &Ledger,
    ) {
        let Some(asked) = self.asked.get(at) else {
            return;
        };
        let name = &asked.party.name;
        let mut state = lock(&asked.state);
        match answer {
            Ok(line) => {
                *state = State {
                    known: signed.checkpoint.size,
                    heard: true,
                    ..State::default()
                };
                if let Some(slot) = lock(&self.gathered).lines.get_mut(at) {
                    *slot = Some(line);
                }
            }
            Err(Trouble::Silent(cause)) => {
                if state.failures == 0 {
                    tracing::warn!(witness = %name, %cause, "a witness does not cosign");
                }
                let pause = PAUSE_FIRST.saturating_mul(1 << state.failures.min(6));
                state.failures = state.failures.saturating_add(1);
                state.not_before = now.saturating_add(pause.min(PAUSE_MAX));
            }
            Err(Trouble::History(cause)) => self.raise(
                &format!(
                    "witness `{name}` {cause}: an older or another copy of the ledger was put in place, and nothing is written to it any more; restore the newest copy and start again"
                ),
                ledger,
            ),
        }
    }

    fn raise(&self, cause: &str, ledger: &Ledger) {
        tracing::error!(%cause, "the ledger is not the one that was witnessed");
        ledger.stop(cause);
        self.alarm.get_or_init(|| cause.to_owned());
    }

    /// Keeps the checkpoint if its cosignatures are a quorum by now.
    async fn keep(&self, policy: &Policy, signed: &SignedCheckpoint, ledger: &Ledger) {
        let note = {
            let gathered = lock(&self.gathered);
            let lines = gathered.lines.iter().flatten().map(String::as_str);
            std::iter::once(signed.note.as_str())
                .chain(lines)
                .collect::<String>()
        };
        match policy.standing(note.as_bytes()) {
            Ok(standing) if standing.witnessed => {
                let ledger = ledger.clone();
                let kept = tokio::task::spawn_blocking(move || ledger.keep_witnessed(&note)).await;
                match kept {
                    Ok(Ok(_)) => self.standing.store(Arc::new(standing)),
                    Ok(Err(cause)) => tracing::error!(%cause, "what was witnessed was not kept"),
                    Err(cause) => tracing::error!(%cause, "what was witnessed was not kept"),
                }
            }
            Ok(_) => {}
            Err(cause) => {
                tracing::error!(%cause, "cosignatures that were good do not hold together")
            }
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
    let ours = |log: &Party| log.verifier.to_string() == ledger.vkey();
    if !policy.logs().is_empty() && !policy.logs().iter().any(ours) {
        return Err(wrong(format!(
            "does not list this ledger, add the line `log {}`",
            ledger.vkey()
        )));
    }
    Ok(policy)
}
