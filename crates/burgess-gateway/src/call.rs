//! One call: what is known of it, and the event that it begins with.
//!
//! Not here: how it ends (`ending`).

use std::net::IpAddr;

use burgess_core::audit::{Event, Outcome};
use burgess_core::id::EventId;
use burgess_core::permit::Permit;
use burgess_core::policy::action::CallConnector;
use burgess_core::time::Timestamp;
use burgess_inspect::dlp::Scanner;
use http::{HeaderMap, header, request};
use serde_json::{Map, Value};

use crate::admit::Case;
use crate::credential::Caller;
use crate::headers;
use crate::inspection::{self, Message};
use crate::journal;
use crate::route::Route;
use crate::snapshot::BaseUrl;
use crate::spool::Waiting;

/// One call on its way.
pub(crate) struct Call {
    pub(crate) id: EventId,
    pub(crate) now: Timestamp,
    pub(crate) peer: IpAddr,
    pub(crate) caller: Caller,
    pub(crate) case: Case,
    pub(crate) route: Route,
    pub(crate) request: request::Parts,
    pub(crate) base: BaseUrl,
    pub(crate) permit: Permit<CallConnector>,
}
/// What is known of a call before it is admitted.
pub(crate) struct Wish<'a> {
    pub(crate) id: EventId,
    pub(crate) now: Timestamp,
    pub(crate) peer: IpAddr,
    pub(crate) caller: &'a Caller,
    pub(crate) case: &'a Case,
    pub(crate) route: &'a Route,
    pub(crate) request: &'a request::Parts,
}

impl Call {
    pub(crate) fn wish(&self) -> Wish<'_> {
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
}

impl Wish<'_> {
    /// The event of a call, as far as its beginning tells.
    pub(crate) fn event(&self, scanner: &Scanner, source: &str) -> Event {
        let (caller, case) = (self.caller, self.case);
        let data = case.data.as_ref();
        let clean = |text: &str| inspection::clean(scanner, text);
        let user_agent = self.request.headers.get(header::USER_AGENT);
        Event {
            event_id: self.id.clone(),
            timestamp: self.now,
            actor_id: caller.credential().as_str().to_owned(),
            actor_role: "app".to_owned(),
            app_id: caller.app().clone(),
            version: case.version.clone(),
            environment: journal::place(caller.environment()),
            action_type: case.facts.action_type,
            resource_type: data.map_or_else(|| "connector".to_owned(), |data| data.name.clone()),
            resource_id: clean(&format!("{}{}", self.route.connector, self.route.path)),
            data_classification: case.facts.classification,
            outcome: Outcome::Success,
            error_code: None,
            ip_address: Some(self.peer.to_string()),
            user_agent: user_agent.and_then(|value| value.to_str().ok()).map(clean),
            request_context: Some(self.context()),
            risk_score_at_time: case.score,
            approval_id: case.approval.clone(),
            source: source.to_owned(),
            charter_digest: case.charter_digest,
            policy_digest: None,
            decision: None,
            previous_state: None,
            next_state: None,
        }
    }

    /// Under which circumstances; sealed with the personal values.
    pub(crate) fn context(&self) -> Map<String, Value> {
        let mut context = Map::new();
        context.insert("connector".to_owned(), self.route.connector.clone().into());
        context.insert("method".to_owned(), self.request.method.as_str().into());
        context.insert(
            "access_token".to_owned(),
            self.caller.claims.jti.clone().into(),
        );
        context.insert("scopes".to_owned(), self.caller.claims.scope.clone().into());
        context
    }
}

/// What an app wants to send, as text: address, headers, body.
pub(crate) fn request_message(call: &Call, upward: &HeaderMap, waiting: &Waiting) -> Message {
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
        encoding: headers::text(&call.request.headers, header::CONTENT_ENCODING),
        media_type: headers::text(&call.request.headers, header::CONTENT_TYPE),
    }
}
