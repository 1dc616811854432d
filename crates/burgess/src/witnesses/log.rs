//! One log, which is one shard, as far as its witnesses and we know of each other.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use burgess_ledger::policy::Party;
use burgess_ledger::{Ledger, Policy, SignedCheckpoint, Standing};
use futures_util::future::join_all;

use super::ask::{Asker, Trouble};
use super::{PAUSE_FIRST, PAUSE_MAX, lock};

pub(super) struct Log {
    /// Whether the policy lets witnesses be asked about it: it lists no log at all, or this one.
    listed: bool,
    asked: Vec<Asked>,
    /// Cosignatures of a checkpoint that is not yet witnessed.
    gathered: Mutex<Gathered>,
    standing: ArcSwap<Standing>,
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

impl Log {
    /// What is kept of it from an earlier run stands as the policy says now.
    pub(super) fn open(policy: &Policy, ledger: &Ledger) -> Result<Self, String> {
        let kept = ledger.witnessed();
        let standing = kept.map(|kept| policy.standing(kept.note.as_bytes()));
        let standing = standing
            .transpose()
            .map_err(|cause| format!("what witnesses cosigned: {cause}"))?;
        Ok(Self::standing_at(
            policy,
            ledger,
            standing.unwrap_or_else(Standing::alone),
        ))
    }

    /// As one that nobody has cosigned.
    pub(super) fn alone(policy: &Policy, ledger: &Ledger) -> Self {
        Self::standing_at(policy, ledger, Standing::alone())
    }

    fn standing_at(policy: &Policy, ledger: &Ledger, standing: Standing) -> Self {
        let asked = policy.witnesses().iter().map(|party| Asked {
            party: party.clone(),
            state: Mutex::new(State::default()),
        });
        Self {
            listed: lists(policy, ledger),
            asked: asked.collect(),
            gathered: Mutex::new(Gathered::default()),
            standing: ArcSwap::from_pointee(standing),
        }
    }

    /// The checkpoint that a quorum stands behind, and who does. None of a log that the policy does
    /// not list: what was cosigned before it was dropped counts no more.
    pub(super) fn standing(
        &self,
        ledger: &Ledger,
    ) -> Option<(Arc<SignedCheckpoint>, Arc<Standing>)> {
        let standing = self.standing.load_full();
        ledger
            .witnessed()
            .filter(|_| self.listed && standing.witnessed)
            .map(|signed| (signed, standing))
    }

    /// Whether a quorum stands behind this very checkpoint already.
    fn covers(&self, ledger: &Ledger, signed: &SignedCheckpoint) -> bool {
        self.standing(ledger)
            .is_some_and(|(witnessed, _)| witnessed.checkpoint == signed.checkpoint)
    }

    /// Whether there is anything to ask: a sealed shard is done with its last checkpoint.
    pub(super) fn is_followed(&self, ledger: &Ledger) -> bool {
        let done = || self.covers(ledger, &ledger.checkpoint()) || ledger.size() == 0;
        self.listed && !(ledger.is_sealed() && done())
    }

    /// Asks every witness that is due for its cosignature of the newest checkpoint. Answers why this
    /// is not the newest ledger, if one of them says so.
    pub(super) async fn round(
        &self,
        asker: &Asker,
        policy: &Policy,
        ledger: &Ledger,
        now: Duration,
        time_max: Duration,
    ) -> Option<String> {
        let signed = &*ledger.checkpoint();
        let waiting = self.waiting(signed, self.covers(ledger, signed), now);
        if waiting.is_empty() {
            return None;
        }
        let asking = waiting.iter().filter_map(|at| {
            let asked = self.asked.get(*at)?;
            Some(async move {
                let known = lock(&asked.state).known;
                let asking = asker.ask(&asked.party, ledger, signed, known);
                let answer = tokio::time::timeout(time_max, asking).await;
                let late = || Trouble::Silent("it did not answer in time".to_owned());
                (*at, answer.unwrap_or_else(|_| Err(late())))
            })
        });
        let mut alarm = None;
        for (at, answer) in join_all(asking).await {
            alarm = alarm.or(self.take(at, answer, signed, now));
        }
        if alarm.is_none() {
            self.keep(policy, signed, ledger).await;
        }
        alarm
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

    /// Notes what one witness answered; answers what it holds against this ledger.
    fn take(
        &self,
        at: usize,
        answer: Result<String, Trouble>,
        signed: &SignedCheckpoint,
        now: Duration,
    ) -> Option<String> {
        let asked = self.asked.get(at)?;
        let (name, origin) = (&asked.party.name, &signed.checkpoint.origin);
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
                None
            }
            Err(Trouble::Silent(cause)) => {
                if state.failures == 0 {
                    tracing::warn!(witness = %name, %origin, %cause, "a witness does not cosign");
                }
                let pause = PAUSE_FIRST.saturating_mul(1 << state.failures.min(6));
                state.failures = state.failures.saturating_add(1);
                state.not_before = now.saturating_add(pause.min(PAUSE_MAX));
                None
            }
            Err(Trouble::History(cause)) => Some(format!(
                "witness `{name}` {cause}, `{origin}`: an older or another copy of the ledger was put in place, and nothing is written to it any more; restore the newest copy and start again"
            )),
        }
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

/// Whether a policy lets a log be judged: it lists it, or none at all.
pub(super) fn lists(policy: &Policy, ledger: &Ledger) -> bool {
    let ours = |log: &Party| log.verifier.to_string() == ledger.vkey();
    policy.logs().is_empty() || policy.logs().iter().any(ours)
}
