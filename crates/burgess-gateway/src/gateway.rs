//! The gateway: one call from credential to reply, in the order of the house.
//!
//! credential → facts → *admit* → durable *intent* → request body inspected → secret fetched, used →
//! answer inspected → *release* → durable *outcome* → reply. The outcome is the commit point: no
//! byte of an answer leaves before it is on disk. An intent without its outcome is a call that died
//! with the process; [`journal::outcome_id`](crate::journal::outcome_id) tells how to find it.
//! Here is the way to admission; the rest of it is in `carry`. Not here: sockets (`relay`).

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use burgess_core::audit::{DecisionRecord, Event, Outcome};
use burgess_core::id::EventId;
use burgess_core::policy::Denial;
use burgess_core::time::Timestamp;
use burgess_inspect::dlp::Scanner;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;

use crate::admit::{Case, NotAdmitted};
use crate::anonymous::{Anonymous, Answer};
use crate::call::{Call, Wish};
use crate::credential::Caller;
use crate::ending::answered;
use crate::journal::{Journal, JournalError};
use crate::limits::{GatewayLimits, SNAPSHOT_AGE_MAX, Usage};
use crate::ports::{Ambient, PortError, Revocations, Secrets};
use crate::refusal::Refusal;
use crate::route::Route;
use crate::snapshot::Snapshot;
use crate::spool::Spool;
use crate::upstream::Upstream;

/// What a gateway is made of.
pub struct Parts {
    /// Where events go.
    pub journal: Journal,
    /// The first snapshot.
    pub snapshot: Snapshot,
    /// Secrets of connectors.
    pub secrets: Arc<dyn Secrets>,
    /// What has been revoked.
    pub revocations: Arc<dyn Revocations>,
    /// Time, randomness, ids.
    pub ambient: Ambient,
    /// What finds sensitive data.
    pub scanner: Scanner,
    /// The gateway's own limits.
    pub limits: GatewayLimits,
    /// The name under which its events are numbered, as `gateway`. The ledger numbers them.
    pub source: String,
}

/// The data path for apps. Shared by all connections.
pub struct Gateway {
    pub(crate) journal: Journal,
    pub(crate) snapshot: ArcSwap<Snapshot>,
    pub(crate) secrets: Arc<dyn Secrets>,
    pub(crate) revocations: Arc<dyn Revocations>,
    pub(crate) ambient: Ambient,
    pub(crate) scanner: Arc<Scanner>,
    pub(crate) limits: GatewayLimits,
    pub(crate) source: String,
    pub(crate) usage: Usage,
    pub(crate) anonymous: Anonymous,
    pub(crate) spool: Spool,
    pub(crate) upstream: Upstream,
}
impl Gateway {
    /// A gateway; it serves nothing yet.
    pub fn new(parts: Parts) -> Arc<Self> {
        let limits = parts.limits;
        Arc::new(Self {
            journal: parts.journal,
            snapshot: ArcSwap::from_pointee(parts.snapshot),
            secrets: parts.secrets,
            revocations: parts.revocations,
            ambient: parts.ambient,
            scanner: Arc::new(parts.scanner),
            source: parts.source,
            usage: Usage::default(),
            anonymous: Anonymous::new(limits.anonymous_per_minute),
            spool: Spool::new(limits.spool_bytes_max, limits.body_bytes_max),
            upstream: Upstream::new(limits.connect_time_max),
            limits,
        })
    }

    /// Puts a new snapshot in force at once, for calls that begin from now on.
    pub fn swap(&self, snapshot: Snapshot) {
        self.snapshot.store(Arc::new(snapshot));
    }

    /// The snapshot in force.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// What each app has used, and how many of its actions were admitted.
    pub const fn usage(&self) -> &Usage {
        &self.usage
    }

    /// The gateway's own limits.
    pub const fn limits(&self) -> &GatewayLimits {
        &self.limits
    }

    /// Records the refusals of unknown callers of the minutes that are over. Call it every few
    /// seconds; what cannot be recorded is kept for the next time.
    pub async fn tick(&self) {
        if let Ok(now) = (self.ambient.now)() {
            self.flush(Some(now), now).await;
        }
    }

    /// Records what is still open: the last thing before the ledger is closed.
    pub async fn close(&self) {
        if let Ok(now) = (self.ambient.now)() {
            self.flush(None, now).await;
        }
    }

    /// Counts a program that the binary's own doors refused, as the gateway counts its own: one
    /// event per reason, source prefix and minute.
    pub fn refused_client(&self, peer: IpAddr, reason: &'static str) {
        if let Ok(now) = (self.ambient.now)() {
            self.anonymous.note(peer, reason, now);
        }
    }

    async fn flush(&self, until: Option<Timestamp>, now: Timestamp) {
        for aggregate in self.anonymous.take(until) {
            let recorded = match self.event_id() {
                Ok(id) => self.record(aggregate.event(id, now)).await,
                Err(refusal) => Err(refusal),
            };
            if let Err(refusal) = recorded {
                tracing::warn!(detail = %refusal.detail, "refusals of unknown callers wait to be recorded");
                self.anonymous.put_back(&aggregate);
            }
        }
    }

    /// Answers one request from `peer`. Whoever drops the future drops the call, so the relay runs
    /// it as a task of its own.
    pub async fn answer(&self, request: Request<Incoming>, peer: IpAddr) -> Response<Full<Bytes>> {
        // A request with Transfer-Encoding may carry a Content-Length that was overruled; nothing
        // after it on this connection is trusted (RFC 9112 §6.1).
        let close = request.headers().contains_key(header::TRANSFER_ENCODING);
        let mut response = match self.call(request, peer).await {
            Ok(response) => response,
            Err(refusal) => refusal.into_response(),
        };
        if close {
            response
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    async fn call(
        &self,
        request: Request<Incoming>,
        peer: IpAddr,
    ) -> Result<Response<Full<Bytes>>, Refusal> {
        let now = (self.ambient.now)().map_err(|error| {
            let detail = format!("no governed action is possible: {error}");
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "CLOCK_UNTRUSTED", detail)
        })?;
        let (request, body) = request.into_parts();
        let route = Route::parse(&request.method, &request.uri).map_err(|e| {
            self.unknown(peer, now, Refusal::new(e.status(), e.code(), e.to_string()))
        })?;
        let snapshot = self.snapshot();
        self.check_age(&snapshot)
            .map_err(|refusal| self.unknown(peer, now, refusal))?;
        let caller = Caller::authenticate(
            &request.headers,
            &route.connector,
            &snapshot,
            &*self.revocations,
            now,
        )
        .map_err(|error| {
            let refusal = Refusal::new(StatusCode::UNAUTHORIZED, error.code(), error.to_string());
            self.unknown(peer, now, refusal)
        })?;
        let mut case = Case::gather(&snapshot, &caller, &request.method, &route, now);
        let id = self.event_id()?;
        let over = self
            .usage
            .take(caller.app(), &case.limits, (self.ambient.monotonic)(), now);
        let (permit, base) = match case.admit(&caller, over, &snapshot.policies, now) {
            Ok(admitted) => admitted,
            Err(refused) => {
                let NotAdmitted { refusal, denial } = *refused;
                let wish = Wish {
                    id,
                    now,
                    peer,
                    caller: &caller,
                    case: &case,
                    route: &route,
                    request: &request,
                };
                return Err(self.deny(wish, refusal, &denial).await);
            }
        };
        let call = Call {
            id,
            now,
            peer,
            caller,
            case,
            route,
            request,
            base,
            permit,
        };
        self.carry_out(call, body).await
    }

    fn check_age(&self, snapshot: &Snapshot) -> Result<(), Refusal> {
        let age = (self.ambient.monotonic)().saturating_sub(snapshot.built_at);
        if age <= SNAPSHOT_AGE_MAX {
            return Ok(());
        }
        let detail = format!(
            "the gateway has not heard of approvals, policies and revocations for {} s, so everything is refused. Try again shortly; tell operations if it stays",
            age.as_secs()
        );
        let refusal = Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "GATEWAY_STALE", detail);
        Err(Refusal {
            retry_after: Some(2),
            ..refusal
        })
    }

    /// Counts the refusal of a caller whom nobody knows.
    fn unknown(&self, peer: IpAddr, now: Timestamp, refusal: Refusal) -> Refusal {
        match self.anonymous.note(peer, refusal.code, now) {
            Answer::Refuse => refusal,
            Answer::TooMany => {
                let detail = "too many calls without a valid credential came from this network. Wait a minute";
                let limited = Refusal::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", detail);
                Refusal {
                    retry_after: Some(60),
                    ..limited
                }
            }
        }
    }

    /// Records that a known caller was not admitted.
    async fn deny(&self, wish: Wish<'_>, refusal: Refusal, denial: &Denial) -> Refusal {
        let event = Event {
            outcome: Outcome::Blocked,
            error_code: Some(refusal.code.to_owned()),
            decision: Some(DecisionRecord {
                answer: "deny".to_owned(),
                policies: denial.policy_ids(),
            }),
            policy_digest: Some(denial.policy_digest),
            ..wish.event(&self.scanner, &self.source)
        };
        if denial.alerts() {
            tracing::error!(errors = ?denial.errors, "a policy could not be evaluated");
        }
        match self.record(event).await {
            Ok(()) => Refusal {
                event_id: Some(wish.id),
                ..refusal
            },
            Err(unavailable) => unavailable,
        }
    }

    /// Records what has happened; of whom was erased meanwhile, without the person.
    pub(crate) async fn record(&self, event: Event) -> Result<(), Refusal> {
        let random = self.random()?;
        let kept = self.journal.record_kept(&event, &self.source, random);
        kept.await.map(drop).map_err(unrecorded)
    }

    /// Records an intent. With whom was erased nothing new begins, and that goes on record as the
    /// blocked call `id`, without the person.
    pub(crate) async fn record_intent(&self, intent: Event, id: &EventId) -> Result<(), Refusal> {
        let random = self.random()?;
        let one = [(&intent, None)];
        match self.journal.record_all(&one, &self.source, random).await {
            Ok(_) => return Ok(()),
            Err(JournalError::Vault(PortError::Erased)) => {}
            Err(error) => return Err(unrecorded(error)),
        }
        let refusal = Refusal::subject_erased();
        let stopped = Event {
            event_id: id.clone(),
            outcome: Outcome::Blocked,
            error_code: Some(refusal.code.to_owned()),
            decision: Some(answered("block", &[])),
            ..intent
        };
        self.record(stopped).await?;
        Err(Refusal {
            event_id: Some(id.clone()),
            ..refusal
        })
    }

    fn random(&self) -> Result<[u8; 32], Refusal> {
        (self.ambient.random)().map_err(|error| {
            tracing::error!(%error, "no random bytes");
            Refusal::ledger_unavailable(
                "the trail cannot be written, so nothing governed can happen. Tell operations",
            )
        })
    }

    fn event_id(&self) -> Result<EventId, Refusal> {
        (self.ambient.uuid)()
            .map(EventId::from_uuid)
            .map_err(|error| {
                tracing::error!(%error, "no event id");
                Refusal::ledger_unavailable(
                    "the trail cannot be written, so nothing governed can happen. Tell operations",
                )
            })
    }
}

/// What did not get into the ledger does not happen.
fn unrecorded(error: JournalError) -> Refusal {
    tracing::error!(%error, "the event could not be recorded");
    Refusal::ledger_unavailable(
        "the trail cannot be written, so nothing governed can happen. Try again shortly; tell operations if it stays",
    )
}
