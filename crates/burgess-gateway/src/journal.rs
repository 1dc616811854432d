//! The journal: an event becomes a ledger entry with its personal values sealed beside it, and an
//! entry becomes an event again for who may see it.
//!
//! Used for every call here and by the binary's outbox drainer (decision note 1). The leaf holds a
//! salted commitment alone; the values lie beside it as [`crate::sealing`] seals them.
//! Not here: who may see what, and keys; the vault has them.

use std::borrow::Cow;
use std::sync::Arc;
use std::thread;

use burgess_core::app::Environment;
use burgess_core::audit::{self, DecisionRecord, Event, Opening, Outcome, Place};
use burgess_core::data::{ActionType, Classification};
use burgess_core::digest::Digest;
use burgess_core::id::{AppId, ApprovalId, Email, EventId};
use burgess_core::time::Timestamp;
use burgess_ledger::shards::MAIN;
use burgess_ledger::{AppendError, Batch, Ledger, Part, ReadError, Receipt, Shards};
use serde::Deserialize;

use crate::ports::{PortError, Vault};
use crate::sealing::{ActorValues, Alias, EntryNonce, Pair, SealError, Sealed, SubjectCipher};

/// What the derivation of a call's nonces begins with.
const NONCE_HEAD: &[u8] = b"entry nonces/3\n";
/// What the derivation of the key begins with that stands in for an erased one, and is dropped.
const DROPPED_HEAD: &[u8] = b"dropped key/1\n";
/// Bytes of a usual leaf and its side value; a batch makes room for so many at once.
const ENTRY_BYTES_USUAL: usize = 896;
/// Entries after which a thread offers its core to others: a scheduler may let it have the core for
/// milliseconds, while what the ledger wrote before waits for that very core to reach the disk.
const ENTRIES_AT_ONCE: usize = 64;
/// Bytes of the usual names of an event's two subjects.
const SUBJECTS_BYTES_USUAL: usize = 96;
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
    /// The keys of its personal values cannot be had.
    #[error("the personal values cannot be sealed or opened: {0}")]
    Vault(#[from] PortError),
    /// Its personal values do not fit the cipher.
    #[error(transparent)]
    Seal(#[from] SealError),
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

    /// Records `event` as number `source_seq` of `source` (`None`: the ledger numbers it). `random`
    /// are 32 random bytes of this call alone. Durable when it returns: on disk and acknowledged.
    /// Handing the same number over again changes nothing and answers the first receipt.
    ///
    /// # Errors
    /// [`JournalError`]; after [`AppendError::NotWritable`] the entry may be there nevertheless.
    pub async fn record(
        &self,
        event: Event,
        source: &str,
        source_seq: Option<u64>,
        random: [u8; 32],
    ) -> Result<Receipt, JournalError> {
        let one = [(&event, source_seq)];
        let receipt = self.record_all(&one, source, random).await?.pop();
        receipt.ok_or(JournalError::Append(AppendError::Closed))
    }

    /// As [`Journal::record`], for events that become durable together: all of them, in this
    /// order, or none. Receipts come in the order of the events.
    ///
    /// # Errors
    /// As [`Journal::record`]; [`AppendError::BatchTooLarge`] asks for fewer at a time.
    pub async fn record_all(
        &self,
        events: &[(&Event, Option<u64>)],
        source: &str,
        random: [u8; 32],
    ) -> Result<Vec<Receipt>, JournalError> {
        let subjects = Subjects::of(events);
        let ciphers = self.vault.to_seal(&subjects.names()).await?;
        let batch = sealed_batch(events, &ciphers, source, &random)?;
        Ok(self.append(source, batch).await?)
    }

    /// As [`Journal::record`], for what must be recorded although its actor or resource may have been
    /// erased meanwhile: then as [`Journal::record_closed`]. Answers whether it is open.
    ///
    /// # Errors
    /// As [`Journal::record`], but never [`PortError::Erased`].
    pub async fn record_kept(
        &self,
        event: &Event,
        source: &str,
        random: [u8; 32],
    ) -> Result<bool, JournalError> {
        let one = [(event, None)];
        match self.record_all(&one, source, random).await {
            Ok(_) => Ok(true),
            Err(JournalError::Vault(PortError::Erased)) => {
                let closed = self.record_closed(event, source, None, random);
                closed.await.map(|_| false)
            }
            Err(cause) => Err(cause),
        }
    }

    /// Records an event that must be recorded although its actor or resource was erased: what is
    /// known of them is committed to, and closed from the start and for good. The other side is
    /// sealed under its own key as ever: who touches an erased record is still on record.
    ///
    /// # Errors
    /// As [`Journal::record`], but never [`PortError::Erased`].
    pub async fn record_closed(
        &self,
        event: &Event,
        source: &str,
        source_seq: Option<u64>,
        random: [u8; 32],
    ) -> Result<Receipt, JournalError> {
        let leaf = audit::leaf(event, source, random)?;
        let actor = self.living(&actor_subject(event)).await?;
        let resource = self.living(&resource_subject(event)).await?;
        let side = half_sealed(event, &leaf, actor, resource, &random)?;
        let mut batch = Batch::new();
        push(&mut batch, event, source, source_seq, &leaf, &side)?;
        let receipt = self.append(source, batch).await?.pop();
        receipt.ok_or(JournalError::Append(AppendError::Closed))
    }

    /// The cipher of a subject; none where it was erased.
    async fn living(&self, subject: &str) -> Result<Option<Arc<SubjectCipher>>, PortError> {
        match self.vault.to_seal(&[subject]).await {
            Ok(mut ciphers) => Ok(ciphers.pop()),
            Err(PortError::Erased) => Ok(None),
            Err(cause) => Err(cause),
        }
    }

    /// Into the open shard of the source's class.
    async fn append(&self, source: &str, batch: Batch) -> Result<Vec<Receipt>, AppendError> {
        let class = (self.class_of)(source);
        self.shards.append_batch(&class, batch).await
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

    /// Opens what can be opened. A box that is not readable at all counts as closed: side files
    /// are deletable and prove nothing.
    async fn unseal(&self, event_id: &EventId, side: &[u8]) -> Result<Values, JournalError> {
        let Some(side) = Sealed::read(side) else {
            return Ok(Values::default());
        };
        let id = event_id.as_str();
        let actor = self.vault.to_open(side.actor).await?;
        let resource = self.vault.to_open(side.resource).await?;
        let pair = actor.as_deref().zip(resource.as_deref());
        Ok(Values {
            seed: pair.map(|(actor, resource)| side.seed(id, Pair { actor, resource })),
            actor: actor.and_then(|cipher| side.open_actor(id, &cipher)),
            resource: resource.and_then(|cipher| side.open_resource(id, &cipher)),
        })
    }
}

/// The subjects of some events, each one's actor and then its resource, in one piece of memory.
struct Subjects {
    text: String,
    ends: Vec<usize>,
}

impl Subjects {
    fn of(events: &[(&Event, Option<u64>)]) -> Self {
        let mut subjects = Self {
            text: String::with_capacity(events.len() * SUBJECTS_BYTES_USUAL),
            ends: Vec::with_capacity(2 * events.len()),
        };
        for (event, _) in events {
            subjects.push(&actor_parts(&folded(&event.actor_id)));
            subjects.push(&resource_parts(event, &folded(&event.resource_id)));
        }
        subjects
    }

    fn push(&mut self, parts: &[&str]) {
        parts.iter().for_each(|part| self.text.push_str(part));
        self.ends.push(self.text.len());
    }

    fn names(&self) -> Vec<&str> {
        let mut from = 0;
        let names = self.ends.iter().map(|end| {
            let name = self.text.get(from..*end).unwrap_or_default();
            from = *end;
            name
        });
        names.collect()
    }
}

/// The entries of `events`; `ciphers` are those of actor and resource of each.
fn sealed_batch(
    events: &[(&Event, Option<u64>)],
    ciphers: &[Arc<SubjectCipher>],
    source: &str,
    random: &[u8; 32],
) -> Result<Batch, JournalError> {
    let mut batch = Batch::with_capacity(events.len(), events.len() * ENTRY_BYTES_USUAL);
    let (mut leaf, mut side) = (audit::Leaf::default(), Vec::new());
    let mut nonces = Nonces::of_call(random);
    let (pairs, _) = ciphers.as_chunks::<2>();
    for (at, ((event, source_seq), [actor, resource])) in events.iter().zip(pairs).enumerate() {
        if at % ENTRIES_AT_ONCE == ENTRIES_AT_ONCE - 1 {
            thread::yield_now();
        }
        let pair = Pair { actor, resource };
        let nonce = nonces.next();
        let seed = pair.seed(event.event_id.as_str(), &nonce);
        leaf.write(event, source, seed)?;
        side.clear();
        pair.seal(event, leaf.context(), nonce, &mut side)?;
        push(&mut batch, event, source, *source_seq, &leaf, &side)?;
    }
    Ok(batch)
}

/// The side value of an event of which a side has no key any more; nothing where neither has one. The
/// missing side is sealed under a key that is dropped here, and taken out again.
fn half_sealed(
    event: &Event,
    leaf: &audit::Leaf,
    actor: Option<Arc<SubjectCipher>>,
    resource: Option<Arc<SubjectCipher>>,
    random: &[u8; 32],
) -> Result<Vec<u8>, SealError> {
    if actor.is_none() && resource.is_none() {
        return Ok(Vec::new());
    }
    let dropped = Digest::of_parts(&[DROPPED_HEAD, random]);
    let nobody = SubjectCipher::new(Alias::of(&dropped), dropped.as_bytes())?;
    let pair = Pair {
        actor: actor.as_deref().unwrap_or(&nobody),
        resource: resource.as_deref().unwrap_or(&nobody),
    };
    let mut side = Vec::new();
    let nonce = Nonces::of_call(random).next();
    pair.seal(event, leaf.context(), nonce, &mut side)?;
    let left = Sealed::read(&side).and_then(|it| it.without(|alias| *alias == nobody.alias()));
    Ok(left.unwrap_or(side))
}

fn push(
    batch: &mut Batch,
    event: &Event,
    source: &str,
    source_seq: Option<u64>,
    leaf: &audit::Leaf,
    side: &[u8],
) -> Result<(), AppendError> {
    let [head, middle, tail] = leaf.pieces().map(Part::Bytes);
    let parts = [head, Part::Sequence, middle, Part::SourceSeq, tail];
    batch.push(source, source_seq, event.app_id.as_str(), &parts, side)
}

/// The nonces of a call: 96 random bits, counted on from entry to entry. Two calls share one only
/// where their random bits are closer together than they have entries, which is as unlikely as that
/// nonces drawn one by one meet.
struct Nonces(u128);

impl Nonces {
    fn of_call(random: &[u8; 32]) -> Self {
        let digest = Digest::of_parts(&[NONCE_HEAD, random]);
        let first = digest.as_bytes().first_chunk().copied();
        Self(u128::from_be_bytes(first.unwrap_or_default()))
    }

    fn next(&mut self) -> EntryNonce {
        self.0 = self.0.wrapping_add(1);
        let low = self.0.to_be_bytes().last_chunk().copied();
        low.unwrap_or_default()
    }
}

/// What could be opened of one entry.
#[derive(Default)]
struct Values {
    actor: Option<ActorValues>,
    resource: Option<String>,
    seed: Option<Digest>,
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
            seed: self.seed?,
        })
    }
}

/// Whom the personal values of an event are about: its actor.
pub fn actor_subject(event: &Event) -> String {
    actor_parts(&folded(&event.actor_id)).concat()
}

/// What the resource's id is about: that one resource.
pub fn resource_subject(event: &Event) -> String {
    resource_parts(event, &folded(&event.resource_id)).concat()
}

/// An id as it names its subject. An e-mail address is one subject however an app spells it, or a hold
/// on one spelling would miss the other; what else tells two ids apart is theirs.
pub fn folded(id: &str) -> Cow<'_, str> {
    let as_it_is = |byte: u8| byte.is_ascii_graphic() && !byte.is_ascii_uppercase();
    if !id.contains('@') || id.bytes().all(as_it_is) {
        return Cow::Borrowed(id);
    }
    Email::parse(id).map_or(Cow::Borrowed(id), |email| {
        Cow::Owned(email.as_str().to_owned())
    })
}

fn actor_parts(id: &str) -> [&str; 2] {
    ["actor:", id]
}

fn resource_parts<'a>(event: &'a Event, id: &'a str) -> [&'a str; 4] {
    ["resource:", &event.resource_type, ":", id]
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
