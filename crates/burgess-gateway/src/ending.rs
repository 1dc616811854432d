//! How calls end: released, blocked, failed; each with its outcome, its code and its words.
//!
//! Not here: recording it.

use burgess_core::app::Environment;
use burgess_core::audit::{DecisionRecord, Outcome};
use burgess_core::data::{ActionType, Classification};
use burgess_core::policy::Denial;
use burgess_core::policy::facts::Way;
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use serde_json::{Map, Value};

use crate::inspection::Inspected;
use crate::refusal::Refusal;
use crate::sentence;
use crate::spool::SpoolError;
use crate::upstream::UpstreamError;

/// How a call ended, before that is recorded.
pub(crate) struct Ending {
    pub(crate) outcome: Outcome,
    pub(crate) code: Option<&'static str>,
    pub(crate) decision: DecisionRecord,
    pub(crate) action: Option<ActionType>,
    pub(crate) class: Option<Classification>,
    pub(crate) context: Map<String, Value>,
    pub(crate) reply: Result<Response<Full<Bytes>>, Refusal>,
}
/// A body that may go on, and the decision that lets it.
pub(crate) struct Released {
    pub(crate) bytes: Bytes,
    pub(crate) decision: DecisionRecord,
}

/// What was answered, by which policies.
pub(crate) fn answered(answer: &str, policies: &[String]) -> DecisionRecord {
    DecisionRecord {
        answer: answer.to_owned(),
        policies: policies.to_vec(),
    }
}

impl Ending {
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.context.insert(name.to_owned(), value.into());
        self
    }

    /// Which kinds were found and how many of each; never a value.
    fn with_findings(self, way: Way, inspected: &Inspected) -> Self {
        let kinds = inspected.kinds();
        if kinds.is_empty() && inspected.opaque.is_none() {
            return self;
        }
        let counts = inspected
            .summary
            .kinds
            .iter()
            .filter(|(name, _)| kinds.contains(*name));
        let found: Map<String, Value> = counts
            .map(|(name, count)| ((*name).to_owned(), count.block.into()))
            .collect();
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
pub(crate) fn blocked(refusal: Refusal, policies: Vec<String>) -> Ending {
    Ending {
        outcome: Outcome::Blocked,
        code: Some(refusal.code),
        decision: answered("block", &policies),
        action: None,
        class: None,
        context: Map::new(),
        reply: Err(refusal),
    }
}

/// The ending of a call that went wrong.
pub(crate) fn failure(code: &'static str, status: StatusCode, detail: &str) -> Ending {
    Ending {
        outcome: Outcome::Failure,
        code: Some(code),
        decision: answered("fail", &[]),
        action: None,
        class: None,
        context: Map::new(),
        reply: Err(Refusal::new(status, code, detail)),
    }
}

pub(crate) fn unanswered(error: UpstreamError, connector: &str) -> Ending {
    let (code, status, what) = match error {
        UpstreamError::Unreachable => (
            "UPSTREAM_UNREACHABLE",
            StatusCode::BAD_GATEWAY,
            "cannot be reached",
        ),
        UpstreamError::Broken => (
            "UPSTREAM_BROKEN",
            StatusCode::BAD_GATEWAY,
            "broke off its answer",
        ),
        UpstreamError::TimedOut => (
            "UPSTREAM_TIMED_OUT",
            StatusCode::GATEWAY_TIMEOUT,
            "took too long to answer",
        ),
    };
    failure(
        code,
        status,
        &format!("`{connector}` {what}. Try again; tell operations if it stays"),
    )
}

pub(crate) fn no_secret(connector: &str, environment: Environment) -> Ending {
    let detail = format!(
        "the secret of `{connector}` for {environment} is not there, so the call was not made. Ask platform and security to store it"
    );
    failure(
        "SECRET_UNAVAILABLE",
        StatusCode::SERVICE_UNAVAILABLE,
        &detail,
    )
}

pub(crate) fn echoed(connector: &str) -> Ending {
    let detail = format!(
        "The answer of `{connector}` was stopped before it reached the app: it repeats the secret that the gateway keeps for it. Call another address, or tell platform and security"
    );
    blocked(
        Refusal::new(StatusCode::FORBIDDEN, "DLP_BLOCK_SECRET", detail),
        Vec::new(),
    )
    .with("bytes_released", 0)
}

/// The ending of a call whose answer goes on to the app. An error of the connector's own is a
/// failure, and the app sees the connector's words.
pub(crate) fn arrived(
    status: StatusCode,
    released: &Released,
    inspected: &Inspected,
    action: ActionType,
) -> Ending {
    let code = if status.is_server_error() {
        Some("UPSTREAM_5XX")
    } else if status.is_client_error() {
        Some("UPSTREAM_4XX")
    } else {
        None
    };
    let ending = Ending {
        outcome: if code.is_some() {
            Outcome::Failure
        } else {
            Outcome::Success
        },
        code,
        decision: released.decision.clone(),
        action: Some(action),
        class: inspected.classification(),
        context: Map::new(),
        // Overwritten by the caller, who has the headers.
        reply: Ok(Response::new(Full::new(Bytes::new()))),
    };
    let bytes = u64::try_from(released.bytes.len()).unwrap_or(u64::MAX);
    ending
        .with("upstream_status", status.as_u16())
        .with("records", inspected.records)
        .with("bytes_released", bytes)
        .with_findings(Way::In, inspected)
}

/// The ending of a call whose body may not pass.
pub(crate) fn stopped(
    connector: &str,
    way: Way,
    inspected: &Inspected,
    action: ActionType,
    denial: &Denial,
) -> Ending {
    let detail = sentence::blocked(inspected, way, connector, denial);
    let refusal =
        Refusal::new(StatusCode::FORBIDDEN, sentence::code(inspected), detail).because(denial);
    let mut ending = blocked(refusal, denial.policy_ids());
    ending.action = Some(action);
    ending.class = inspected.classification();
    ending
        .with_findings(way, inspected)
        .with("bytes_released", 0)
}

/// The ending of a call whose body could not be taken in.
pub(crate) fn not_spooled(connector: &str, most: usize, way: Way, error: SpoolError) -> Ending {
    match (error, way) {
        (SpoolError::TooLarge, Way::Out) => blocked(
            Refusal::new(
                StatusCode::FORBIDDEN,
                "DLP_BLOCK_TOO_LARGE",
                format!(
                    "The call was stopped before it reached `{connector}`: its body is larger than {most} bytes and cannot be checked whole. Send it in parts"
                ),
            ),
            Vec::new(),
        ),
        (SpoolError::TooLarge, Way::In) => blocked(
            Refusal::new(
                StatusCode::FORBIDDEN,
                "DLP_BLOCK_TOO_LARGE",
                format!(
                    "The answer of `{connector}` was stopped before it reached the app: it is larger than {most} bytes and cannot be checked whole. Ask for fewer records"
                ),
            ),
            Vec::new(),
        ),
        (SpoolError::NoRoom, _) => {
            let mut busy = failure(
                "GATEWAY_BUSY",
                StatusCode::SERVICE_UNAVAILABLE,
                "too many bodies wait to be checked. Try again shortly",
            );
            busy.reply = busy.reply.map_err(|refusal| Refusal {
                retry_after: Some(2),
                ..refusal
            });
            busy
        }
        (SpoolError::Broken, Way::Out) => failure(
            "REQUEST_BROKEN",
            StatusCode::BAD_REQUEST,
            "the body did not arrive whole. Send it again",
        ),
        (SpoolError::TimedOut, Way::Out) => failure(
            "REQUEST_TIMED_OUT",
            StatusCode::REQUEST_TIMEOUT,
            "the body took too long to arrive. Send it again",
        ),
        (SpoolError::Broken, Way::In) => unanswered(UpstreamError::Broken, connector),
        (SpoolError::TimedOut, Way::In) => unanswered(UpstreamError::TimedOut, connector),
    }
}
