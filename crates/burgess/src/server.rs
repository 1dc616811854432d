//! The running server: its parts, and the one path by which governed state changes.
//!
//! Not here: what is decided (`operations`) and who may ask (`http`, `web`).

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use axum::http::StatusCode;
use burgess_core::audit::{DecisionRecord, Event, Outcome};
use burgess_core::connector::Catalogue;
use burgess_core::intake::RetentionSchedule;
use burgess_core::permit::Permit;
use burgess_core::policy::{Action, PolicySet};
use burgess_core::risk::Rubric;
use burgess_core::time::Timestamp;
use burgess_gateway::journal::{Journal, JournalError};
use burgess_gateway::ports::PortError;
use burgess_inspect::advisories::Database;
use burgess_ledger::shards::MAIN;
use burgess_ledger::{Ledger, Shards};
use burgess_store::{Change, CommitError, Store, Write};
use burgess_trail::Trail;
use tokio::sync::{Mutex, Notify};

use crate::ambient::Ambient;
use crate::config::Config;
use crate::http::idempotency::UnderWay;
use crate::http::problem::Problem;
use crate::identity::revoked::Revoked;
use crate::kms::blind::Blinder;
use crate::kms::ring::KeyRing;
use crate::kms::subjects::Subjects;
use crate::operations::erase::sweep::Sweeps;
use crate::operations::retention::Classes;
use crate::operations::trail::Reads;
use crate::witnesses::Witnesses;

/// The source of events that change no state and so pass no outbox.
const DIRECT: &str = "console";

/// All parts of the running server; one for the life of the process.
pub struct Server {
    /// What it was told.
    pub config: Config,
    /// Clocks and randomness.
    pub ambient: Arc<Ambient>,
    /// Its keys.
    pub keys: Arc<KeyRing>,
    /// The state.
    pub store: Arc<Store>,
    /// The trail's truth, in shards.
    pub shards: Arc<Shards>,
    /// Which events go to which class of shards, and how long each is kept.
    pub classes: Classes,
    /// Keys of data subjects.
    pub subjects: Arc<Subjects>,
    /// Who cosigns the shards.
    pub witnesses: Witnesses,
    /// Events into the ledger and back.
    pub journal: Arc<Journal>,
    /// The searchable projection.
    pub trail: Arc<Trail>,
    /// Tokens of personal values for it.
    pub blinder: Blinder,
    /// Requests with an `Idempotency-Key` that are being carried out.
    pub under_way: UnderWay,
    /// Who read what of the trail a moment ago.
    pub reads: Reads,
    /// The policy set in force.
    pub policies: ArcSwap<PolicySet>,
    /// The rubric in force.
    pub rubric: Rubric,
    /// The connector catalogue, with this installation's hosts.
    pub catalogue: Catalogue,
    /// Retention labels.
    pub retention: RetentionSchedule,
    /// Known vulnerabilities.
    pub advisories: ArcSwap<Database>,
    /// What has been revoked.
    pub revoked: Arc<Revoked>,
    /// The gateway's snapshot is exchanged through this.
    pub gateway: Arc<burgess_gateway::Gateway>,
    /// The gateway's intents that the ledger held when this gateway began to count, by app.
    pub counted_from: OnceLock<BTreeMap<String, u64>>,
    /// Drafts between a verdict and its form.
    pub drafts: crate::web::Drafts,
    /// One drainer at a time.
    pub draining: Mutex<()>,
    /// One at a time changes archive files. Never held over the network.
    pub archiving: Mutex<()>,
    /// One at a time sends copies of them; nobody else waits for it.
    pub copying: Mutex<()>,
    /// One at a time asks for time stamps.
    pub stamping: Mutex<()>,
    /// Taken from looking for legal holds until what they do not cover is gone, and to place one.
    pub holding: Mutex<()>,
    /// One erasure at a time, from before its key goes until its traces are gone. Taken before
    /// `holding`. What it holds is how far those that are not finished have come.
    pub erasing: Mutex<Sweeps>,
    /// One projector at a time.
    pub projecting: Mutex<()>,
    /// Told when events were projected: wakes open trail pages.
    pub projected: Notify,
}

impl Server {
    /// The open shard of the class `main`: the control plane's.
    #[expect(
        clippy::expect_used,
        reason = "a set of shards is never without that class"
    )]
    pub fn ledger(&self) -> Ledger {
        self.shards
            .current(MAIN)
            .expect("the class is there")
            .ledger
    }

    /// The time for a governed action; refused when the clock cannot be trusted.
    pub fn now(&self) -> Result<Timestamp, Problem> {
        self.ambient.event_time().map_err(|e| {
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "CLOCK_BEHIND",
                e.to_string(),
            )
        })
    }

    /// Changes governed state: rows and events in one transaction, the events into the ledger,
    /// and only then whatever acts on the state. When it answers, the events are durable.
    pub async fn commit<A: Action>(
        &self,
        writes: Vec<Write>,
        permit: &Permit<A>,
        now: Timestamp,
    ) -> Result<(), Problem> {
        if self.shards.last_error().is_some() {
            return Err(unwritable());
        }
        let revoked: Vec<Change> = writes
            .iter()
            .flat_map(|write| write.changes.iter().cloned())
            .collect();
        self.store
            .commit(writes, permit, now)
            .await
            .map_err(|e| commit_problem(&e))?;
        for change in &revoked {
            if let Change::SubjectErasure(it) = change {
                self.subjects.forget(&it.record.subject);
            }
        }
        // From here on nobody may be told that nothing was done.
        let recorded = crate::jobs::drain::drain(self).await;
        recorded.map_err(|cause| pending(&cause, UNRECORDED))?;
        self.revoke(&revoked);
        let told = crate::jobs::snapshot::refresh(self).await;
        told.map_err(|cause| pending(&cause, UNTOLD))
    }

    /// Records an event that changes no state, before what it tells of is done. Durable when it
    /// answers. Where its actor or resource was erased meanwhile the answer is no, and that is on
    /// record as blocked, without them.
    pub async fn record(&self, event: Event) -> Result<(), Problem> {
        let random = self.ambient.random().map_err(|e| Problem::internal(&e))?;
        let one = [(&event, None)];
        match self.journal.record_all(&one, DIRECT, random).await {
            Ok(_) => return Ok(()),
            Err(JournalError::Vault(PortError::Erased)) => {}
            Err(cause) => return Err(unrecorded(&cause)),
        }
        let refusal = subject_erased();
        self.record_kept(stopped(event, refusal.code)).await?;
        Err(refusal)
    }

    /// Records what has happened already. Of whom was erased meanwhile, without the person.
    pub async fn record_kept(&self, event: Event) -> Result<(), Problem> {
        let random = self.ambient.random().map_err(|e| Problem::internal(&e))?;
        let kept = self.journal.record_kept(&event, DIRECT, random).await;
        kept.map(drop).map_err(|cause| unrecorded(&cause))
    }

    /// What was revoked before the start.
    pub async fn load_revoked(&self) -> Result<(), burgess_store::StoreError> {
        use burgess_core::credential::CredentialState;
        use burgess_core::lifecycle::State;
        for held in self.store.credentials_in(CredentialState::Revoked).await? {
            self.revoked.credential(held.record.id);
        }
        for app in self
            .store
            .apps(&burgess_store::AppFilter::default())
            .await?
        {
            if matches!(app.state, State::Quarantined | State::Retired) {
                self.revoked.app(app.id);
            }
        }
        Ok(())
    }

    /// Tells the gateway at once what a commit has ended.
    fn revoke(&self, changes: &[Change]) {
        use burgess_core::credential::CredentialState;
        use burgess_core::lifecycle::State;
        for change in changes {
            match change {
                Change::Credential(it) if it.record.state == CredentialState::Revoked => {
                    self.revoked.credential(it.record.id.clone());
                }
                Change::App(app) if matches!(app.state, State::Quarantined | State::Retired) => {
                    self.revoked.app(app.id.clone());
                }
                Change::App(app) => self.revoked.release(&app.id),
                Change::Approval(it) if it.record.voided.is_some() => {
                    self.revoked.approval(it.record.id.clone());
                }
                _ => {}
            }
        }
    }
}

fn unrecorded(cause: &JournalError) -> Problem {
    tracing::error!(%cause, "an event could not be recorded");
    unwritable()
}

fn subject_erased() -> Problem {
    Problem::new(
        StatusCode::GONE,
        "SUBJECT_ERASED",
        "what is known of whoever does this, or of what it is done to, was erased for good meanwhile, so nothing more is done: ask audit and compliance",
    )
}

/// The same event, of something that was not done; what was stopped for another reason keeps it.
fn stopped(event: Event, code: &str) -> Event {
    if event.outcome == Outcome::Blocked {
        return event;
    }
    let answered = DecisionRecord {
        answer: "block".to_owned(),
        policies: Vec::new(),
    };
    Event {
        outcome: Outcome::Blocked,
        error_code: Some(code.to_owned()),
        decision: Some(answered),
        previous_state: None,
        next_state: None,
        ..event
    }
}

/// What was committed and is not in force yet.
pub const CHANGE_PENDING: &str = "CHANGE_PENDING";
const UNRECORDED: &str = "it waits for its place in the ledger, which cannot be written: free disk space or repair the disk, then restart";
const UNTOLD: &str = "it is on record, and the gateway learns of it within seconds; if it does not, look into the trace and restart";

/// The store has committed, and what follows has not come about: it is done by itself later.
fn pending(cause: &Problem, what: &str) -> Problem {
    tracing::error!(code = cause.code, detail = %cause.detail, "a change is committed and not in force yet");
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        CHANGE_PENDING,
        format!(
            "what you asked for is stored and will come into force, so do not ask again; {what}"
        ),
    )
}

/// The ledger cannot be written: nothing governed happens, and nothing that has to be on record is
/// shown. Other reading goes on.
pub fn unwritable() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "LEDGER_UNAVAILABLE",
        "the ledger cannot be written, so nothing that it would have to prove is done or shown: free disk space or repair the disk, then restart; reading without personal values goes on",
    )
}

fn commit_problem(error: &CommitError) -> Problem {
    match error {
        CommitError::Conflict { .. } => Problem::conflict(error.to_string()),
        CommitError::Permit(_) => {
            Problem::new(StatusCode::CONFLICT, "PERMIT_STALE", error.to_string())
        }
        other => Problem::internal(other),
    }
}
