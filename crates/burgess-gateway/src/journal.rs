//! The journal: an event becomes a ledger entry with its personal values sealed beside it, and an
//! entry becomes an event again for who may see it.
//!
//! Used for every call here and by the binary's outbox drainer (decision note 1). The leaf holds a
//! salted commitment alone; the side value beside it holds three boxes: the actor's values under
//! the actor's key, the resource's id under the resource's key, and the seed of the salts under
//! both. Forgetting either key leaves nothing from which a guess could be checked.
//! Not here: who may see what, and keys; the vault has them.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use burgess_core::app::Environment;
use burgess_core::audit::{self, DecisionRecord, Event, Opening, Outcome, Place};
use burgess_core::data::{ActionType, Classification};
use burgess_core::digest::Digest;
use burgess_core::id::{AppId, ApprovalId, EventId};
use burgess_core::time::Timestamp;
use burgess_ledger::shards::MAIN;
use burgess_ledger::{AppendError, Draft, Ledger, Piece, ReadError, Receipt, Shards};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::ports::{PortError, Vault};

/// The format of a side value.
const SIDE: &str = "burgess.sealed/1";
/// What stands for a personal value that is closed.
pub const CLOSED: &str = "(closed)";
/// What the id of an intent ends with; the rest is the id of its outcome.
const INTENT: &str = "_intent";
/// The error code of a call whose end nobody saw.
pub const INTERRUPTED: &str = "CALL_INTERRUPTED";

/// Which retention class the events of a source belong to.
pub type ClassOf = dyn Fn(&str) -> String + Send + Sync;

/// Turns events into ledger entries and back. A handle; clones share shards and vault.
#[derive(Clone)]
pub struct Journal {
    shards: Arc<Shards>,
    class_of: Arc<ClassOf>,
    vault: Arc<dyn Vault>,
}

/// An event did not get into the ledger, or not out of it.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It has no leaf.
    #[error(transparent)]
    Leaf(#[from] audit::LeafError),
    /// Its personal values could not be sealed or opened.
    #[error("the personal values cannot be sealed or opened: {0}")]
    Vault(#[from] PortError),
    /// The ledger did not take it.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The ledger does not have it.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What stands there is no event of ours.
    #[error("entry {index} is not an event of this product: {cause}")]
    NotAnEvent {
        /// Its position.
        index: u64,
        /// What is wrong with it.
        cause: String,
    },
}

/// An event that was read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Position in the log.
    pub index: u64,
    /// The event; a closed personal value reads [`CLOSED`], or is absent where it may be.
    pub event: Event,
    /// Number in its app's stream, from 1.
    pub sequence: u64,
    /// Number from its source, from 1.
    pub source_seq: u64,
    /// Everything is open, and is what the leaf commits to.
    pub complete: bool,
    /// The opened personal values, where all are open; what receipts are made of.
    pub opening: Option<Opening>,
}

#[derive(Serialize, Deserialize)]
struct Side {
    schema: String,
    actor: Boxed,
    resource: Boxed,
    seed: Boxed,
}

/// One sealed value: the alias of who it is about, and base64 of nonce and ciphertext.
#[derive(Serialize, Deserialize)]
struct Boxed {
    subject: String,
    sealed: String,
}

#[derive(Serialize, Deserialize)]
struct ActorValues {
    actor_id: String,
    ip_address: Option<String>,
    user_agent: Option<String>,
    request_context: Option<Map<String, Value>>,
}

impl Journal {
    /// A journal over one open ledger.
    pub fn new(ledger: Ledger, vault: Arc<dyn Vault>) -> Self {
        let shards = Arc::new(Shards::of(ledger));
        Self::over(shards, Arc::new(|_| MAIN.to_owned()), vault)
    }

    /// A journal over a set of shards; what class an event's source says, to its open shard it goes.
    pub fn over(shards: Arc<Shards>, class_of: Arc<ClassOf>, vault: Arc<dyn Vault>) -> Self {
        Self {
            shards,
            class_of,
            vault,
        }
    }

    /// The shards that it writes to.
    pub const fn shards(&self) -> &Arc<Shards> {
        &self.shards
    }

    /// Whether something new should be begun, whatever its class.
    pub fn is_writable(&self) -> bool {
        self.shards.last_error().is_none()
    }

    /// Records `event` as number `source_seq` of `source` (`None`: the ledger numbers it). `seed`
    /// is 32 random bytes of this event alone. Durable when it returns: on disk and acknowledged.
    /// Handing the same number over again changes nothing and answers the first receipt.
    ///
    /// # Errors
    /// [`JournalError`]; after [`AppendError::NotWritable`] the entry may be there nevertheless.
    pub async fn record(
        &self,
        event: Event,
        source: &str,
        source_seq: Option<u64>,
        seed: [u8; 32],
    ) -> Result<Receipt, JournalError> {
        let event = Event {
            source: source.to_owned(),
            ..event
        };
        let leaf = audit::leaf(&event, seed)?;
        let side = self.seal(&event, &leaf.opening).await?;
        let draft = Draft {
            source: source.to_owned(),
            source_seq,
            stream: event.app_id.as_str().to_owned(),
            template: vec![
                Piece::Bytes(leaf.head),
                Piece::Sequence,
                Piece::Bytes(leaf.middle),
                Piece::SourceSeq,
                Piece::Bytes(leaf.tail),
            ],
            side,
        };
        let class = (self.class_of)(source);
        let receipts = self.shards.append_all(&class, vec![draft]).await?;
        Ok(receipts.into_iter().next().ok_or(AppendError::Closed)?)
    }

    /// As [`Journal::open_in`], in the open shard of the class `main`.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn open(&self, index: u64) -> Result<Entry, JournalError> {
        let shard = self.shards.current(MAIN).ok_or(AppendError::Closed)?;
        self.open_in(&shard.ledger, index).await
    }

    /// Reads the event at `index` of a shard back. Values whose key is forgotten, or whose side file was
    /// deleted, stay closed.
    ///
    /// # Errors
    /// [`JournalError`]; a forgotten key is none.
    pub async fn open_in(&self, ledger: &Ledger, index: u64) -> Result<Entry, JournalError> {
        let ledger = ledger.clone();
        let read = move || Ok::<_, ReadError>((ledger.entry(index)?, ledger.side(index)?));
        let bad = |cause: String| JournalError::NotAnEvent { index, cause };
        let (leaf, side) = tokio::task::spawn_blocking(read)
            .await
            .map_err(|e| bad(e.to_string()))??;
        self.open_bytes(index, &leaf, &side).await
    }

    /// As [`Journal::open`], for leaf and side bytes that are at hand.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn open_bytes(
        &self,
        index: u64,
        leaf: &[u8],
        side: &[u8],
    ) -> Result<Entry, JournalError> {
        let bad = |cause: String| JournalError::NotAnEvent { index, cause };
        let fields: LeafFields = serde_json::from_slice(leaf).map_err(|e| bad(e.to_string()))?;
        let values = if side.is_empty() {
            Values::default()
        } else {
            self.unseal(&fields.event_id, side).await?
        };
        if let Some(opening) = values.opening() {
            let opened = audit::open(leaf, &opening).map_err(|e| bad(e.to_string()))?;
            return Ok(Entry {
                index,
                event: opened.event,
                sequence: opened.sequence,
                source_seq: opened.source_seq,
                complete: true,
                opening: Some(opening),
            });
        }
        Ok(fields.into_entry(index, values))
    }

    async fn seal(&self, event: &Event, opening: &Opening) -> Result<Vec<u8>, JournalError> {
        let (actor, resource) = (actor_subject(event), resource_subject(event));
        let values = ActorValues {
            actor_id: opening.actor_id.clone(),
            ip_address: opening.ip_address.clone(),
            user_agent: opening.user_agent.clone(),
            request_context: opening.request_context.clone(),
        };
        let values = Zeroizing::new(json(&values)?);
        let id = event.event_id.as_str();
        let inner = self
            .vault
            .seal(&resource, opening.seed.as_bytes(), &bound(id, "seed"))
            .await?;
        let side = Side {
            schema: SIDE.to_owned(),
            actor: self.boxed(&actor, &values, &bound(id, "actor")).await?,
            resource: self
                .boxed(
                    &resource,
                    opening.resource_id.as_bytes(),
                    &bound(id, "resource"),
                )
                .await?,
            seed: self.boxed(&actor, &inner, &bound(id, "seed")).await?,
        };
        json(&side)
    }

    async fn boxed(
        &self,
        subject: &str,
        plain: &[u8],
        bound: &[u8],
    ) -> Result<Boxed, JournalError> {
        let sealed = self.vault.seal(subject, plain, bound).await?;
        Ok(Boxed {
            subject: self.vault.alias(subject),
            sealed: STANDARD_NO_PAD.encode(sealed),
        })
    }

    /// Opens what can be opened. A box that is not readable at all counts as closed: side files
    /// are deletable and prove nothing.
    async fn unseal(&self, event_id: &EventId, side: &[u8]) -> Result<Values, JournalError> {
        let Ok(side) = serde_json::from_slice::<Side>(side) else {
            return Ok(Values::default());
        };
        let id = event_id.as_str();
        let actor = self.unboxed(&side.actor, &bound(id, "actor")).await?;
        let resource = self.unboxed(&side.resource, &bound(id, "resource")).await?;
        let seed = match self.unboxed(&side.seed, &bound(id, "seed")).await? {
            Some(inner) => {
                self.vault
                    .open(&side.resource.subject, &inner, &bound(id, "seed"))
                    .await?
            }
            None => None,
        };
        Ok(Values {
            actor: actor.and_then(|bytes| serde_json::from_slice(&bytes).ok()),
            resource: resource.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok()),
            seed: seed.and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok()),
        })
    }

    async fn unboxed(
        &self,
        one: &Boxed,
        bound: &[u8],
    ) -> Result<Option<Zeroizing<Vec<u8>>>, JournalError> {
        let Ok(sealed) = STANDARD_NO_PAD.decode(&one.sealed) else {
            return Ok(None);
        };
        Ok(self.vault.open(&one.subject, &sealed, bound).await?)
    }
}

/// What could be opened of one entry.
#[derive(Default)]
struct Values {
    actor: Option<ActorValues>,
    resource: Option<String>,
    seed: Option<[u8; 32]>,
}

impl Values {
    fn opening(&self) -> Option<Opening> {
        let actor = self.actor.as_ref()?;
        Some(Opening {
            actor_id: actor.actor_id.clone(),
            ip_address: actor.ip_address.clone(),
            request_context: actor.request_context.clone(),
            resource_id: self.resource.clone()?,
            user_agent: actor.user_agent.clone(),
            seed: Digest::from_bytes(self.seed?),
        })
    }
}

/// Whom the personal values of an event are about: its actor.
pub fn actor_subject(event: &Event) -> String {
    format!("actor:{}", event.actor_id)
}

/// What the resource's id is about: that one resource.
pub fn resource_subject(event: &Event) -> String {
    format!("resource:{}:{}", event.resource_type, event.resource_id)
}

/// The id of the intent that belongs to the outcome `outcome`.
pub(crate) fn intent_id(outcome: &EventId) -> Option<EventId> {
    EventId::parse(&format!("{outcome}{INTENT}")).ok()
}

/// The id of the outcome that an intent waits for; `None` when `id` is not an intent's.
///
/// A call is complete when its intent has an outcome of that id. After a crash the binary walks
/// the ledger's tail, collects the intents whose outcome is missing, and records
/// [`interrupted`] for each before it opens the gateway.
pub fn outcome_id(id: &EventId) -> Option<EventId> {
    EventId::parse(id.as_str().strip_suffix(INTENT)?).ok()
}

/// The outcome of a call that died with the process: a failure with [`INTERRUPTED`]; whether the
/// connector saw the call is not known. `None` when `intent` is not an intent.
pub fn interrupted(intent: &Event, now: Timestamp) -> Option<Event> {
    Some(Event {
        event_id: outcome_id(&intent.event_id)?,
        timestamp: now,
        outcome: Outcome::Failure,
        error_code: Some(INTERRUPTED.to_owned()),
        decision: None,
        ..intent.clone()
    })
}

fn bound(event_id: &str, part: &str) -> Vec<u8> {
    format!("{SIDE}\n{event_id}\n{part}").into_bytes()
}

fn json<T: Serialize>(value: &T) -> Result<Vec<u8>, JournalError> {
    serde_json::to_vec(value)
        .map_err(|e| JournalError::Leaf(audit::LeafError::NotCanonical(e.to_string())))
}

/// The open fields of a leaf, read leniently: an entry whose values are closed is still an event.
#[derive(Deserialize)]
struct LeafFields {
    action_type: ActionType,
    actor_role: String,
    app_id: AppId,
    approval_id: Option<ApprovalId>,
    charter_digest: Option<Digest>,
    data_classification: Classification,
    decision: Option<DecisionRecord>,
    environment: Place,
    error_code: Option<String>,
    event_id: EventId,
    next_state: Option<String>,
    outcome: Outcome,
    policy_digest: Option<Digest>,
    previous_state: Option<String>,
    resource_type: String,
    risk_score_at_time: u8,
    sequence: u64,
    source: String,
    source_seq: u64,
    timestamp: Timestamp,
    version: String,
}

impl LeafFields {
    fn into_entry(self, index: u64, values: Values) -> Entry {
        let actor = values.actor;
        let event = Event {
            event_id: self.event_id,
            timestamp: self.timestamp,
            actor_id: actor
                .as_ref()
                .map_or_else(|| CLOSED.to_owned(), |a| a.actor_id.clone()),
            actor_role: self.actor_role,
            app_id: self.app_id,
            version: self.version,
            environment: self.environment,
            action_type: self.action_type,
            resource_type: self.resource_type,
            resource_id: values.resource.unwrap_or_else(|| CLOSED.to_owned()),
            data_classification: self.data_classification,
            outcome: self.outcome,
            error_code: self.error_code,
            ip_address: actor.as_ref().and_then(|a| a.ip_address.clone()),
            user_agent: actor.as_ref().and_then(|a| a.user_agent.clone()),
            request_context: actor.and_then(|a| a.request_context),
            risk_score_at_time: self.risk_score_at_time,
            approval_id: self.approval_id,
            source: self.source,
            charter_digest: self.charter_digest,
            policy_digest: self.policy_digest,
            decision: self.decision,
            previous_state: self.previous_state,
            next_state: self.next_state,
        };
        Entry {
            index,
            event,
            sequence: self.sequence,
            source_seq: self.source_seq,
            complete: false,
            opening: None,
        }
    }
}

/// The place of an app's event.
pub(crate) fn place(environment: Environment) -> Place {
    Place::from(environment)
}
