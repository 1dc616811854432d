//! The gateway: one call from credential to reply, in the order of the house.
//!
//! credential → facts → *admit* → durable *intent* → request body inspected → secret fetched, used →
//! answer inspected → *release* → durable *outcome* → reply. The outcome is the commit point: no
//! byte of an answer leaves before it is on disk. An intent without its outcome is a call that died
//! with the process; [`journal::outcome_id`](crate::journal::outcome_id) tells how to find it.
//! Not here: sockets (`relay`) and what each step decides.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use burgess_core::audit::{DecisionRecord, Event, Outcome};
use burgess_core::charter::Direction;
use burgess_core::data::{ActionType, Classification};
use burgess_core::id::EventId;
use burgess_core::permit::Permit;
use burgess_core::policy::action::CallConnector;
use burgess_core::policy::facts::{ReleaseFacts, Way};
use burgess_core::policy::{Denial, Obligation, Release};
use burgess_core::time::Timestamp;
use burgess_inspect::dlp::Scanner;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, request};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::{Map, Value};

use crate::admit::{Case, limit_code};
use crate::anonymous::{Anonymous, Answer};
use crate::credential::Caller;
use crate::flow;
use crate::headers;
use crate::inspection::{self, Inspected, Message};
use crate::journal::{self, Journal};
use crate::limits::{GatewayLimits, SNAPSHOT_AGE_MAX, Usage};
use crate::ports::{Ambient, PortError, Revocable, Revocations, Secret, SecretWanted, Secrets};
use crate::refusal::Refusal;
use crate::route::Route;
use crate::sentence;
use crate::snapshot::{BaseUrl, Inject, Snapshot};
use crate::spool::{Spool, SpoolError, Waiting};
use crate::upstream::{Upstream, UpstreamError};

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
    journal: Journal,
    snapshot: ArcSwap<Snapshot>,
    secrets: Arc<dyn Secrets>,
    revocations: Arc<dyn Revocations>,
    ambient: Ambient,
    scanner: Arc<Scanner>,
    limits: GatewayLimits,
    source: String,
    usage: Usage,
    anonymous: Anonymous,
    spool: Spool,
    upstream: Upstream,
}

/// One call on its way.
struct Call {
    id: EventId,
    now: Timestamp,
    peer: IpAddr,
    caller: Caller,
    case: Case,
    route: Route,
    request: request::Parts,
    base: BaseUrl,
    permit: Permit<CallConnector>,
}

/// How a call ended, before that is recorded.
struct Ending {
    outcome: Outcome,
    code: Option<&'static str>,
    decision: DecisionRecord,
    action: Option<ActionType>,
    class: Option<Classification>,
    context: Map<String, Value>,
    reply: Result<Response<Full<Bytes>>, Refusal>,
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
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
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
        let route = Route::parse(&request.method, &request.uri)
            .map_err(|e| self.unknown(peer, now, Refusal::new(e.status(), e.code(), e.to_string())))?;
        let snapshot = self.snapshot();
        self.check_age(&snapshot).map_err(|refusal| self.unknown(peer, now, refusal))?;
        let audience = snapshot.audience(&route.connector);
        let caller =
            Caller::authenticate(&request.headers, &audience, &snapshot, &*self.revocations, now)
                .map_err(|error| {
                    let refusal = Refusal::new(StatusCode::UNAUTHORIZED, error.code(), error.to_string());
                    self.unknown(peer, now, refusal)
                })?;
        let mut case = Case::gather(&snapshot, &caller, &request.method, &route, now);
        let id = self.event_id()?;
        let over = self.usage.take(caller.app(), &case.limits, (self.ambient.monotonic)(), now);
        let (permit, base) = match case.admit(&caller, over, &snapshot.policies, now) {
            Ok(admitted) => admitted,
            Err((refusal, denial)) => {
                let wish = Wish { id, now, peer, caller: &caller, case: &case, route: &route, request: &request };
                return Err(self.deny(wish, refusal, &denial).await);
            }
        };
        let call = Call { id, now, peer, caller, case, route, request, base, permit };
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
        Err(Refusal { retry_after: Some(2), ..refusal })
    }

    /// Counts the refusal of a caller whom nobody knows.
    fn unknown(&self, peer: IpAddr, now: Timestamp, refusal: Refusal) -> Refusal {
        match self.anonymous.note(peer, refusal.code, now) {
            Answer::Refuse => refusal,
            Answer::TooMany => {
                let detail = "too many calls without a valid credential came from this network. Wait a minute";
                let limited = Refusal::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", detail);
                Refusal { retry_after: Some(60), ..limited }
            }
        }
    }

    /// Records that a known caller was not admitted.
    async fn deny(&self, wish: Wish<'_>, refusal: Refusal, denial: &Denial) -> Refusal {
        let event = Event {
            outcome: Outcome::Blocked,
            error_code: Some(refusal.code.to_owned()),
            decision: Some(DecisionRecord { answer: "deny".to_owned(), policies: denial.policy_ids() }),
            policy_digest: Some(denial.policy_digest),
            ..self.event(&wish)
        };
        if denial.alerts() {
            tracing::error!(errors = ?denial.errors, "a policy could not be evaluated");
        }
        match self.record(event).await {
            Ok(()) => Refusal { event_id: Some(wish.id), ..refusal },
            Err(unavailable) => unavailable,
        }
    }

    /// Intent, the call itself, outcome.
    async fn carry_out(&self, call: Call, body: Incoming) -> Result<Response<Full<Bytes>>, Refusal> {
        let intent_id = journal::intent_id(&call.id).unwrap_or_else(|| call.id.clone());
        let admitted = DecisionRecord {
            answer: "admit".to_owned(),
            policies: call.permit.determining().to_vec(),
        };
        let intent = Event {
            event_id: intent_id,
            decision: Some(admitted),
            policy_digest: Some(call.permit.policy_digest()),
            ..self.event(&call.wish())
        };
        // From here on the action is on record; without the record it does not happen.
        self.record(intent).await?;
        self.usage.count_admitted(call.caller.app());
        let ending = match self.relay(&call, body).await {
            Ok(ending) | Err(ending) => *ending,
        };
        let mut context = call.context();
        context.extend(ending.context);
        let outcome = Event {
            timestamp: (self.ambient.now)().unwrap_or(call.now),
            action_type: ending.action.unwrap_or(call.case.facts.action_type),
            data_classification: ending.class.unwrap_or(call.case.facts.classification).max(call.case.facts.classification),
            outcome: ending.outcome,
            error_code: ending.code.map(str::to_owned),
            decision: Some(ending.decision),
            policy_digest: Some(call.permit.policy_digest()),
            request_context: Some(context),
            ..self.event(&call.wish())
        };
        // The commit point: the reply leaves only after its outcome is durable.
        self.record(outcome).await?;
        ending.reply.map_err(|refusal| Refusal { event_id: Some(call.id), ..refusal })
    }

    /// Request, answer and both verdicts. Either way it ended.
    async fn relay(&self, call: &Call, body: Incoming) -> Result<Box<Ending>, Box<Ending>> {
        let waiting = self
            .spool
            .take(body, self.limits.request_time_max)
            .await
            .map_err(|error| Box::new(self.not_spooled(call, Way::Out, error)))?;
        let injected = injected(&call.case.inject);
        let upward = headers::upward(&call.request.headers, injected.as_ref());
        let message = request_message(call, &upward, &waiting);
        let inspected = self.inspect(message).await;
        let sent = self.release(call, Way::Out, &inspected, call.case.facts.action_type)?;
        let (secret, response) = self.send(call, upward, sent, &inspected).await?;
        self.usage.count_reached(call.caller.app());
        drop((inspected, waiting));
        self.take_answer(call, response, secret).await
    }

    /// Fetches the secret, sends the call with it, and keeps it only to recognise its echo.
    async fn send(
        &self,
        call: &Call,
        mut upward: HeaderMap,
        body: Bytes,
        inspected: &Inspected,
    ) -> Result<(Option<Secret>, Response<Incoming>), Box<Ending>> {
        self.still_allowed(call)?;
        if inspected.opaque.is_some() && let Some(encoding) = call.request.headers.get(header::CONTENT_ENCODING) {
            upward.insert(header::CONTENT_ENCODING, encoding.clone());
        }
        upward.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, deflate"));
        let uri = call
            .base
            .join(&call.route.path, call.route.query.as_deref())
            .map_err(|_| Box::new(failure("ROUTE_REFUSED", StatusCode::BAD_REQUEST, "the address cannot be sent on. Write it plainly")))?;
        let secret = self.secret(call).await?;
        if let Some(secret) = &secret {
            present(&mut upward, &call.case.inject, secret).map_err(|_| Box::new(no_secret(call)))?;
        }
        if body.is_empty() && !carries_body(&call.request.method) {
            upward.remove(header::CONTENT_TYPE);
        }
        upward.insert(header::HOST, host(&call.base).map_err(|_| Box::new(no_secret(call)))?);
        let method = call.request.method.clone();
        let sent = self.upstream.send(method, uri, upward, body, self.limits.upstream_time_max);
        match sent.await {
            Ok(response) => Ok((secret, response)),
            Err(error) => Err(Box::new(unanswered(error, &call.route.connector))),
        }
    }

    /// Asks again what may have changed since the call was admitted: a slow upload must not outlive
    /// a revocation or a new policy.
    fn still_allowed(&self, call: &Call) -> Result<(), Box<Ending>> {
        let claims = &call.caller.claims;
        let revoked = [
            Revocable::AccessToken(&claims.jti),
            Revocable::Credential(&claims.client_id),
            Revocable::App(&claims.burgess_app),
            Revocable::Approval(&claims.burgess_approval),
        ];
        if revoked.into_iter().any(|what| self.revocations.is_revoked(what)) {
            let detail = "the credential was revoked while the call was under way. Ask for a new one on the app's page";
            let refusal = Refusal::new(StatusCode::FORBIDDEN, "CREDENTIAL_REVOKED", detail);
            return Err(Box::new(blocked(refusal, Vec::new())));
        }
        let snapshot = self.snapshot();
        let destination = &call.case.destination;
        let revision = snapshot.connectors.get(&destination.connector).map_or(0, |known| known.revision);
        let now = (self.ambient.now)().unwrap_or(call.now);
        let policy = snapshot.policies.digest();
        match call.permit.recheck(&destination.connector, revision, policy, now) {
            Ok(()) => Ok(()),
            Err(error) => {
                let refusal = Refusal::new(StatusCode::CONFLICT, error.code(), error.to_string());
                Err(Box::new(blocked(refusal, Vec::new())))
            }
        }
    }

    async fn secret(&self, call: &Call) -> Result<Option<Secret>, Box<Ending>> {
        if call.case.inject == Inject::None {
            return Ok(None);
        }
        let wanted = SecretWanted {
            app: call.caller.app(),
            connector: &call.route.connector,
            environment: call.caller.environment(),
        };
        match self.secrets.fetch(wanted).await {
            Ok(secret) => Ok(Some(secret)),
            Err(error) => {
                let connector = &call.route.connector;
                match error {
                    PortError::Missing(_) => tracing::warn!(%connector, "no secret is stored"),
                    PortError::Unavailable { what, cause } => tracing::error!(%connector, what, %cause, "secret"),
                }
                Err(Box::new(no_secret(call)))
            }
        }
    }

    /// Takes the answer in, inspects it, and decides on its release.
    async fn take_answer(
        &self,
        call: &Call,
        response: Response<Incoming>,
        secret: Option<Secret>,
    ) -> Result<Box<Ending>, Box<Ending>> {
        let (answer, body) = response.into_parts();
        let status = answer.status;
        let noted = |ending: Ending| Box::new(ending.with("upstream_status", status.as_u16()));
        let waiting = self
            .spool
            .take(body, self.limits.upstream_time_max)
            .await
            .map_err(|error| noted(self.not_spooled(call, Way::In, error)))?;
        let downward = headers::downward(&answer.headers, &call.route.connector, &call.base);
        let message = Message {
            head: headers::as_text(&downward),
            encoding: text(&answer.headers, header::CONTENT_ENCODING),
            media_type: text(&answer.headers, header::CONTENT_TYPE),
            body: waiting.bytes.clone(),
        };
        let encoding = message.encoding.clone();
        let head = message.head.clone();
        let inspected = self.inspect(message).await;
        if secret.is_some_and(|secret| inspection::echoes(secret.expose(), &head, &inspected.plain)) {
            return Err(noted(echoed(&call.route.connector)));
        }
        let action = flow::with_volume(call.case.facts.action_type, inspected.records, inspected.found.personal());
        let released = self.release(call, Way::In, &inspected, action).map_err(|ending| noted(*ending))?;
        let moved = waiting.bytes.len().saturating_add(released.len());
        self.charge(call, &inspected, moved).map_err(noted)?;
        let mut ending = arrived(status, &released, &inspected, action);
        let mut reply = Response::new(Full::new(released));
        *reply.status_mut() = status;
        *reply.headers_mut() = downward;
        if inspected.opaque.is_some() && let Ok(encoding) = HeaderValue::from_str(&encoding) && !encoding.is_empty() {
            reply.headers_mut().insert(header::CONTENT_ENCODING, encoding);
        }
        if let Ok(id) = HeaderValue::from_str(call.id.as_str()) {
            reply.headers_mut().insert("burgess-event", id);
        }
        ending.reply = Ok(reply);
        Ok(Box::new(ending))
    }

    /// Counts what would leave against the limits of the day.
    fn charge(&self, call: &Call, inspected: &Inspected, bytes: usize) -> Result<(), Ending> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let (app, limits) = (call.caller.app(), &call.case.limits);
        match self.usage.add(app, limits, inspected.records, bytes, call.now) {
            None => Ok(()),
            Some(over) => {
                let detail = format!(
                    "the answer would exceed {} of the charter of `{app}`. Ask for less, or ask for a higher limit",
                    over.key()
                );
                Err(blocked(Refusal::new(StatusCode::FORBIDDEN, limit_code(over), detail), Vec::new()))
            }
        }
    }

    async fn inspect(&self, message: Message) -> Inspected {
        let budget = self.spool.body_bytes_max();
        if message.body.len() < inspection::INLINE_BYTES_MAX {
            return inspection::inspect(&self.scanner, &message, budget);
        }
        let (scanner, copy) = (self.scanner.clone(), message.clone());
        let inspected = tokio::task::spawn_blocking(move || inspection::inspect(&scanner, &copy, budget)).await;
        // The task ends early only when the runtime goes down; then it is done here.
        inspected.unwrap_or_else(|_| inspection::inspect(&self.scanner, &message, budget))
    }

    /// Asks the ladder of rungs, and answers the bytes that may go on.
    fn release(
        &self,
        call: &Call,
        way: Way,
        inspected: &Inspected,
        action: ActionType,
    ) -> Result<Bytes, Box<Ending>> {
        let direction = match way {
            Way::In => Direction::In,
            Way::Out => Direction::Out,
        };
        let flows = match (&call.case.charter, &call.case.declared) {
            (Some(charter), Some(declared)) => flow::declared(charter, declared, direction),
            _ => flow::Declared::default(),
        };
        let facts = ReleaseFacts {
            environment: call.caller.environment(),
            way,
            action_type: action,
            found: inspected.found,
            declared: flows.classes,
            declared_actions: flows.actions,
            redactable: inspected.redacted.is_some(),
            opaque: inspected.opaque.is_some(),
        };
        let snapshot = self.snapshot();
        let now = (self.ambient.now)().unwrap_or(call.now);
        let principal = call.caller.principal();
        match Release::decide(&principal, &call.case.destination, &facts, &snapshot.policies, now) {
            Release::Pass(Obligation::AsIs(_)) => Ok(inspected.plain.clone()),
            Release::Pass(Obligation::Redacted(_)) => match &inspected.redacted {
                Some(redacted) => Ok(redacted.clone()),
                // Policy asked for what cannot be done: fail closed.
                None => Err(Box::new(self.stopped(call, way, inspected, action, None))),
            },
            Release::Blocked(denial) => {
                if denial.alerts() {
                    tracing::error!(errors = ?denial.errors, "a policy could not be evaluated");
                }
                Err(Box::new(self.stopped(call, way, inspected, action, Some(&denial))))
            }
        }
    }

    /// The ending of a call whose body may not pass.
    fn stopped(
        &self,
        call: &Call,
        way: Way,
        inspected: &Inspected,
        action: ActionType,
        denial: Option<&Denial>,
    ) -> Ending {
        let nobody = Denial {
            action: "release_redacted".to_owned(),
            policies: Vec::new(),
            nearest: None,
            errors: Vec::new(),
            nothing_loaded: false,
            policy_digest: call.permit.policy_digest(),
        };
        let denial = denial.unwrap_or(&nobody);
        let detail = sentence::blocked(inspected, way, &call.route.connector, denial);
        let refusal = Refusal::new(StatusCode::FORBIDDEN, sentence::code(inspected), detail).because(denial);
        let mut ending = blocked(refusal, denial.policy_ids());
        ending.action = Some(action);
        ending.class = inspected.classification();
        ending.with_findings(way, inspected).with("bytes_released", 0)
    }

    /// The ending of a call whose body could not be taken in.
    fn not_spooled(&self, call: &Call, way: Way, error: SpoolError) -> Ending {
        let most = self.spool.body_bytes_max();
        let connector = &call.route.connector;
        match (error, way) {
            (SpoolError::TooLarge, Way::Out) => blocked(
                Refusal::new(
                    StatusCode::FORBIDDEN,
                    "DLP_BLOCK_TOO_LARGE",
                    format!("The call was stopped before it reached `{connector}`: its body is larger than {most} bytes and cannot be checked whole. Send it in parts"),
                ),
                Vec::new(),
            ),
            (SpoolError::TooLarge, Way::In) => blocked(
                Refusal::new(
                    StatusCode::FORBIDDEN,
                    "DLP_BLOCK_TOO_LARGE",
                    format!("The answer of `{connector}` was stopped before it reached the app: it is larger than {most} bytes and cannot be checked whole. Ask for fewer records"),
                ),
                Vec::new(),
            ),
            (SpoolError::NoRoom, _) => {
                let mut busy = failure("GATEWAY_BUSY", StatusCode::SERVICE_UNAVAILABLE, "too many bodies wait to be checked. Try again shortly");
                busy.reply = busy.reply.map_err(|refusal| Refusal { retry_after: Some(2), ..refusal });
                busy
            }
            (SpoolError::Broken, Way::Out) => failure("REQUEST_BROKEN", StatusCode::BAD_REQUEST, "the body did not arrive whole. Send it again"),
            (SpoolError::TimedOut, Way::Out) => failure("REQUEST_TIMED_OUT", StatusCode::REQUEST_TIMEOUT, "the body took too long to arrive. Send it again"),
            (SpoolError::Broken, Way::In) => unanswered(UpstreamError::Broken, connector),
            (SpoolError::TimedOut, Way::In) => unanswered(UpstreamError::TimedOut, connector),
        }
    }

    async fn record(&self, event: Event) -> Result<(), Refusal> {
        let seed = (self.ambient.random)().map_err(|error| {
            tracing::error!(%error, "no random bytes");
            Refusal::ledger_unavailable("the trail cannot be written, so nothing governed can happen. Tell operations")
        })?;
        match self.journal.record(event, &self.source, None, seed).await {
            Ok(_) => Ok(()),
            Err(error) => {
                tracing::error!(%error, "the event could not be recorded");
                Err(Refusal::ledger_unavailable(
                    "the trail cannot be written, so nothing governed can happen. Try again shortly; tell operations if it stays",
                ))
            }
        }
    }

    fn event_id(&self) -> Result<EventId, Refusal> {
        (self.ambient.uuid)().map(EventId::from_uuid).map_err(|error| {
            tracing::error!(%error, "no event id");
            Refusal::ledger_unavailable("the trail cannot be written, so nothing governed can happen. Tell operations")
        })
    }

    /// The event of a call, as far as its beginning tells.
    fn event(&self, wish: &Wish<'_>) -> Event {
        let (caller, case) = (wish.caller, wish.case);
        let data = case.data.as_ref();
        let clean = |text: &str| inspection::clean(&self.scanner, text);
        let user_agent = wish.request.headers.get(header::USER_AGENT);
        Event {
            event_id: wish.id.clone(),
            timestamp: wish.now,
            actor_id: caller.credential().as_str().to_owned(),
            actor_role: "app".to_owned(),
            app_id: caller.app().clone(),
            version: case.version.clone(),
            environment: journal::place(caller.environment()),
            action_type: case.facts.action_type,
            resource_type: data.map_or_else(|| "connector".to_owned(), |data| data.name.clone()),
            resource_id: clean(&format!("{}{}", wish.route.connector, wish.route.path)),
            data_classification: case.facts.classification,
            outcome: Outcome::Success,
            error_code: None,
            ip_address: Some(wish.peer.to_string()),
            user_agent: user_agent.and_then(|value| value.to_str().ok()).map(clean),
            request_context: Some(context(wish)),
            risk_score_at_time: case.score,
            approval_id: case.approval.clone(),
            source: self.source.clone(),
            charter_digest: case.charter_digest,
            policy_digest: None,
            decision: None,
            previous_state: None,
            next_state: None,
        }
    }
}

/// What is known of a call before it is admitted.
struct Wish<'a> {
    id: EventId,
    now: Timestamp,
    peer: IpAddr,
    caller: &'a Caller,
    case: &'a Case,
    route: &'a Route,
    request: &'a request::Parts,
}

impl Call {
    fn wish(&self) -> Wish<'_> {
        Wish {
            id: self.id.clone(),
            now: self.now,
            peer: self.peer,
            caller: &self.caller,
            case: &self.case,
            route: &self.route,
            request: &self.request,
        }
    }

    fn context(&self) -> Map<String, Value> {
        context(&self.wish())
    }
}

fn context(wish: &Wish<'_>) -> Map<String, Value> {
    let mut context = Map::new();
    context.insert("connector".to_owned(), wish.route.connector.clone().into());
    context.insert("method".to_owned(), wish.request.method.as_str().into());
    context.insert("access_token".to_owned(), wish.caller.claims.jti.clone().into());
    context
}

impl Ending {
    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.context.insert(name.to_owned(), value.into());
        self
    }

    /// Which kinds were found and how many of each; never a value.
    fn with_findings(self, way: Way, inspected: &Inspected) -> Self {
        let kinds = inspected.kinds();
        if kinds.is_empty() && inspected.opaque.is_none() {
            return self;
        }
        let counts = inspected.summary.kinds.iter().filter(|(name, _)| kinds.contains(*name));
        let found: Map<String, Value> =
            counts.map(|(name, count)| ((*name).to_owned(), count.block.into())).collect();
        let name = match way {
            Way::In => "found_in_answer",
            Way::Out => "found_in_request",
        };
        let opaque = inspected.opaque.map(|reason| reason.to_string());
        let ending = self.with(name, found).with("records", inspected.records);
        match opaque {
            Some(reason) => ending.with("opaque", reason),
            None => ending,
        }
    }
}

/// The ending of a call that policy or a limit stopped.
fn blocked(refusal: Refusal, policies: Vec<String>) -> Ending {
    Ending {
        outcome: Outcome::Blocked,
        code: Some(refusal.code),
        decision: DecisionRecord { answer: "block".to_owned(), policies },
        action: None,
        class: None,
        context: Map::new(),
        reply: Err(refusal),
    }
}

/// The ending of a call that went wrong.
fn failure(code: &'static str, status: StatusCode, detail: &str) -> Ending {
    Ending {
        outcome: Outcome::Failure,
        code: Some(code),
        decision: DecisionRecord { answer: "fail".to_owned(), policies: Vec::new() },
        action: None,
        class: None,
        context: Map::new(),
        reply: Err(Refusal::new(status, code, detail)),
    }
}

fn unanswered(error: UpstreamError, connector: &str) -> Ending {
    let (code, status, what) = match error {
        UpstreamError::Unreachable => ("UPSTREAM_UNREACHABLE", StatusCode::BAD_GATEWAY, "cannot be reached"),
        UpstreamError::Broken => ("UPSTREAM_BROKEN", StatusCode::BAD_GATEWAY, "broke off its answer"),
        UpstreamError::TimedOut => ("UPSTREAM_TIMED_OUT", StatusCode::GATEWAY_TIMEOUT, "took too long to answer"),
    };
    failure(code, status, &format!("`{connector}` {what}. Try again; tell operations if it stays"))
}

fn no_secret(call: &Call) -> Ending {
    let detail = format!(
        "the secret of `{}` for {} is not there, so the call was not made. Ask platform and security to store it",
        call.route.connector,
        call.caller.environment()
    );
    failure("SECRET_UNAVAILABLE", StatusCode::SERVICE_UNAVAILABLE, &detail)
}

fn echoed(connector: &str) -> Ending {
    let detail = format!(
        "The answer of `{connector}` was stopped before it reached the app: it repeats the secret that the gateway keeps for it. Call another address, or tell platform and security"
    );
    blocked(Refusal::new(StatusCode::FORBIDDEN, "DLP_BLOCK_SECRET", detail), Vec::new())
        .with("bytes_released", 0)
}

/// The ending of a call whose answer goes on to the app. An error of the connector's own is a
/// failure, and the app sees the connector's words.
fn arrived(status: StatusCode, released: &Bytes, inspected: &Inspected, action: ActionType) -> Ending {
    let redacted = inspected.redacted.as_ref().is_some_and(|bytes| bytes == released);
    let code = if status.is_server_error() {
        Some("UPSTREAM_5XX")
    } else if status.is_client_error() {
        Some("UPSTREAM_4XX")
    } else {
        None
    };
    let ending = Ending {
        outcome: if code.is_some() { Outcome::Failure } else { Outcome::Success },
        code,
        decision: DecisionRecord {
            answer: if redacted { "redact" } else { "release" }.to_owned(),
            policies: Vec::new(),
        },
        action: Some(action),
        class: inspected.classification(),
        context: Map::new(),
        // Overwritten by the caller, who has the headers.
        reply: Ok(Response::new(Full::new(Bytes::new()))),
    };
    let bytes = u64::try_from(released.len()).unwrap_or(u64::MAX);
    ending
        .with("upstream_status", status.as_u16())
        .with("records", inspected.records)
        .with("bytes_released", bytes)
        .with_findings(Way::In, inspected)
}

/// The header that the gateway alone may set.
fn injected(inject: &Inject) -> Option<http::HeaderName> {
    match inject {
        Inject::None => None,
        Inject::Bearer | Inject::Basic => Some(header::AUTHORIZATION),
        Inject::Header(name) => Some(name.clone()),
    }
}

/// Puts the secret in its place, marked so that nothing prints it.
fn present(headers: &mut HeaderMap, inject: &Inject, secret: &Secret) -> Result<(), header::InvalidHeaderValue> {
    use base64::Engine as _;
    let base64 = || base64::engine::general_purpose::STANDARD.encode(secret.expose());
    let (name, value) = match inject {
        Inject::None => return Ok(()),
        Inject::Bearer => (header::AUTHORIZATION, [b"Bearer ".as_slice(), secret.expose()].concat()),
        Inject::Basic => (header::AUTHORIZATION, format!("Basic {}", base64()).into_bytes()),
        Inject::Header(name) => (name.clone(), secret.expose().to_vec()),
    };
    let value = zeroize::Zeroizing::new(value);
    let mut value = HeaderValue::from_bytes(&value)?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}

fn host(base: &BaseUrl) -> Result<HeaderValue, header::InvalidHeaderValue> {
    HeaderValue::from_str(base.authority().as_str())
}

const fn carries_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> String {
    let all: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    all.join(", ").to_ascii_lowercase()
}

/// What an app wants to send, as text: address, headers, body.
fn request_message(call: &Call, upward: &HeaderMap, waiting: &Waiting) -> Message {
    let mut head = call.route.path.clone().into_bytes();
    if let Some(query) = &call.route.query {
        head.push(b'?');
        head.extend_from_slice(query.as_bytes());
    }
    head.push(b'\n');
    head.extend_from_slice(&headers::as_text(upward));
    Message {
        head,
        body: waiting.bytes.clone(),
        encoding: text(&call.request.headers, header::CONTENT_ENCODING),
        media_type: text(&call.request.headers, header::CONTENT_TYPE),
    }
}
