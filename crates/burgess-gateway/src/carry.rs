//! Carrying an admitted call out: intent, request body, secret, answer, release, outcome.
//!
//! Everything that can end a call early ends it as an [`Ending`], so that each call has one
//! outcome on record. Not here: who may call (`gateway`, `admit`).

use burgess_core::audit::Event;
use burgess_core::charter::Direction;
use burgess_core::data::ActionType;
use burgess_core::policy::facts::{ReleaseFacts, Way};
use burgess_core::policy::{Obligation, Release};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;

use crate::admit::{self, limit_code};
use crate::call::{Call, request_message};
use crate::ending::{
    Ending, Released, answered, arrived, blocked, echoed, failure, no_secret, not_spooled, stopped,
    unanswered,
};
use crate::flow;
use crate::gateway::Gateway;
use crate::headers;
use crate::inject;
use crate::inspection::{self, Inspected, Message};
use crate::journal;
use crate::ports::{PortError, Revocable, Secret, SecretWanted};
use crate::refusal::Refusal;
use crate::snapshot::Inject;
use crate::spool::SpoolError;

impl Gateway {
    /// Intent, the call itself, outcome.
    pub(crate) async fn carry_out(
        &self,
        call: Call,
        body: Incoming,
    ) -> Result<Response<Full<Bytes>>, Refusal> {
        let intent_id = journal::intent_id(&call.id).unwrap_or_else(|| call.id.clone());
        let admitted = answered("admit", call.permit.determining());
        let intent = Event {
            event_id: intent_id,
            decision: Some(admitted),
            policy_digest: Some(call.permit.policy_digest()),
            ..call.wish().event(&self.scanner, &self.source)
        };
        // Near its limit the ledger keeps its last room for outcomes: nothing new begins.
        if !self.journal.is_writable() {
            return Err(Refusal::ledger_unavailable(
                "the trail cannot be written, so nothing governed can happen. Tell operations",
            ));
        }
        // From here on the action is on record; without the record it does not happen.
        self.record_intent(intent, &call.id).await?;
        self.usage.count_admitted(call.caller.app());
        let ending = match self.relay(&call, body).await {
            Ok(ending) | Err(ending) => *ending,
        };
        let mut context = call.wish().context();
        context.extend(ending.context);
        let outcome = Event {
            timestamp: (self.ambient.now)().unwrap_or(call.now),
            action_type: ending.action.unwrap_or(call.case.facts.action_type),
            data_classification: ending
                .class
                .unwrap_or(call.case.facts.classification)
                .max(call.case.facts.classification),
            outcome: ending.outcome,
            error_code: ending.code.map(str::to_owned),
            decision: Some(ending.decision),
            policy_digest: Some(call.permit.policy_digest()),
            request_context: Some(context),
            ..call.wish().event(&self.scanner, &self.source)
        };
        // The commit point: the reply leaves only after its outcome is durable.
        self.record(outcome).await?;
        ending.reply.map_err(|refusal| Refusal {
            event_id: Some(call.id),
            ..refusal
        })
    }

    /// Request, answer and both verdicts. Either way it ended.
    async fn relay(&self, call: &Call, body: Incoming) -> Result<Box<Ending>, Box<Ending>> {
        let waiting = self
            .spool
            .take(body, self.limits.request_time_max)
            .await
            .map_err(|error| Box::new(self.not_spooled(call, Way::Out, error)))?;
        let injected = inject::header_of(&call.case.inject);
        let upward = headers::upward(&call.request.headers, injected.as_ref());
        let message = request_message(call, &upward, &waiting);
        let inspected = self.inspect(message).await;
        let sent = self.release(call, Way::Out, &inspected, call.case.facts.action_type)?;
        let (secret, response) = self.send(call, upward, sent.bytes, &inspected).await?;
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
        if inspected.opaque.is_some()
            && let Some(encoding) = call.request.headers.get(header::CONTENT_ENCODING)
        {
            upward.insert(header::CONTENT_ENCODING, encoding.clone());
        }
        upward.insert(
            header::ACCEPT_ENCODING,
            HeaderValue::from_static("gzip, deflate"),
        );
        let uri = call
            .base
            .join(&call.route.path, call.route.query.as_deref())
            .map_err(|_| {
                Box::new(failure(
                    "ROUTE_REFUSED",
                    StatusCode::BAD_REQUEST,
                    "the address cannot be sent on. Write it plainly",
                ))
            })?;
        let secret = self.secret(call).await?;
        if let Some(secret) = &secret {
            inject::present(&mut upward, &call.case.inject, secret).map_err(|_| {
                Box::new(no_secret(&call.route.connector, call.caller.environment()))
            })?;
        }
        let method = call.request.method.clone();
        let sent = self
            .upstream
            .send(method, uri, upward, body, self.limits.upstream_time_max);
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
        if revoked
            .into_iter()
            .any(|what| self.revocations.is_revoked(what))
        {
            let detail = "the credential was revoked while the call was under way. Ask for a new one on the app's page";
            let refusal = Refusal::new(StatusCode::FORBIDDEN, "CREDENTIAL_REVOKED", detail);
            return Err(Box::new(blocked(refusal, Vec::new())));
        }
        let snapshot = self.snapshot();
        let destination = &call.case.destination;
        let revision = snapshot
            .connectors
            .get(&destination.connector)
            .map_or(0, |known| known.revision);
        let now = (self.ambient.now)().unwrap_or(call.now);
        let policy = snapshot.policies.digest();
        match call
            .permit
            .recheck(&destination.connector, revision, policy, now)
        {
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
                    other => tracing::error!(%connector, cause = %other, "secret"),
                }
                Err(Box::new(no_secret(connector, call.caller.environment())))
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
            encoding: headers::text(&answer.headers, header::CONTENT_ENCODING),
            media_type: headers::text(&answer.headers, header::CONTENT_TYPE),
            body: waiting.bytes.clone(),
        };
        let encoding = message.encoding.clone();
        let head = message.head.clone();
        let inspected = self.inspect(message).await;
        if secret.is_some_and(|secret| inspection::echoes(secret.expose(), &head, &inspected.plain))
        {
            return Err(noted(echoed(&call.route.connector)));
        }
        let action = flow::with_volume(
            call.case.facts.action_type,
            inspected.records,
            inspected.found.personal(),
        );
        let released = self
            .release(call, Way::In, &inspected, action)
            .map_err(|ending| noted(*ending))?;
        let moved = waiting.bytes.len().saturating_add(released.bytes.len());
        self.charge(call, &inspected, moved)
            .map_err(|ending| noted(*ending))?;
        let mut ending = arrived(status, &released, &inspected, action);
        let mut reply = Response::new(Full::new(released.bytes));
        *reply.status_mut() = status;
        *reply.headers_mut() = downward;
        if inspected.opaque.is_some()
            && let Ok(encoding) = HeaderValue::from_str(&encoding)
            && !encoding.is_empty()
        {
            reply
                .headers_mut()
                .insert(header::CONTENT_ENCODING, encoding);
        }
        if let Ok(id) = HeaderValue::from_str(call.id.as_str()) {
            reply.headers_mut().insert("burgess-event", id);
        }
        ending.reply = Ok(reply);
        Ok(Box::new(ending))
    }

    /// Counts what would leave against the limits of the day.
    fn charge(&self, call: &Call, inspected: &Inspected, bytes: usize) -> Result<(), Box<Ending>> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let (app, limits) = (call.caller.app(), &call.case.limits);
        match self
            .usage
            .add(app, limits, inspected.records, bytes, call.now)
        {
            None => Ok(()),
            Some(over) => {
                let detail = format!(
                    "the answer would exceed {} of the charter of `{app}`. Ask for less, or ask for a higher limit",
                    over.key()
                );
                let refusal = Refusal::new(StatusCode::FORBIDDEN, limit_code(over), detail);
                Err(Box::new(blocked(refusal, Vec::new())))
            }
        }
    }

    async fn inspect(&self, message: Message) -> Inspected {
        let budget = self.spool.body_bytes_max();
        if message.body.len() < inspection::INLINE_BYTES_MAX {
            return inspection::inspect(&self.scanner, &message, budget);
        }
        let (scanner, copy) = (self.scanner.clone(), message.clone());
        let inspected =
            tokio::task::spawn_blocking(move || inspection::inspect(&scanner, &copy, budget)).await;
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
    ) -> Result<Released, Box<Ending>> {
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
        let connector = &call.route.connector;
        let principal = call.caller.principal();
        match Release::decide(
            &principal,
            &call.case.destination,
            &facts,
            &snapshot.policies,
            now,
        ) {
            Release::Pass(Obligation::AsIs(permit)) => {
                let decision = answered("release", permit.determining());
                Ok(Released {
                    bytes: inspected.plain.clone(),
                    decision,
                })
            }
            Release::Pass(Obligation::Redacted(permit)) => match &inspected.redacted {
                Some(redacted) => {
                    let decision = answered("redact", permit.determining());
                    Ok(Released {
                        bytes: redacted.clone(),
                        decision,
                    })
                }
                // Policy asked for what cannot be done: fail closed.
                None => {
                    let denial = admit::no_permit("release_redacted", &snapshot.policies);
                    Err(Box::new(stopped(
                        connector, way, inspected, action, &denial,
                    )))
                }
            },
            Release::Blocked(denial) => {
                if denial.alerts() {
                    tracing::error!(errors = ?denial.errors, "a policy could not be evaluated");
                }
                Err(Box::new(stopped(
                    connector, way, inspected, action, &denial,
                )))
            }
        }
    }

    fn not_spooled(&self, call: &Call, way: Way, error: SpoolError) -> Ending {
        not_spooled(
            &call.route.connector,
            self.spool.body_bytes_max(),
            way,
            error,
        )
    }
}
