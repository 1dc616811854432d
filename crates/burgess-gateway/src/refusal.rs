//! Refusals: what a caller sees when the answer is no, as problem+json (RFC 9457).
//!
//! One shape for all: a stable code, a sentence that a person understands, the event that records
//! it, and everything that is unmet. Not here: deciding.

use burgess_core::id::EventId;
use burgess_core::policy::Denial;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde::Serialize;

/// One thing that is missing, and what would satisfy it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unmet {
    /// The control or policy.
    pub control: String,
    /// Why it is not met.
    pub reason: String,
    /// What would satisfy it.
    pub remedy: String,
}

/// A no, with everything that people and programs need to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: StatusCode,
    /// Stable code, as `DLP_BLOCK_PII`.
    pub code: &'static str,
    /// A sentence for people: what happened, and what to do next. Never holds a value found.
    pub detail: String,
    /// All that is unmet.
    pub unmet: Vec<Unmet>,
    /// The event that records it; unauthenticated refusals have none of their own.
    pub event_id: Option<EventId>,
    /// Seconds after which trying again can help.
    pub retry_after: Option<u32>,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<&'a str>,
    unmet: &'a [Unmet],
}

impl Refusal {
    /// A refusal without an event yet.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self {
            status,
            code,
            detail,
            unmet: Vec::new(),
            event_id: None,
            retry_after: None,
        }
    }

    /// The trace cannot be written, so nothing governed happens.
    pub fn ledger_unavailable(detail: &str) -> Self {
        let refusal = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "LEDGER_UNAVAILABLE",
            detail,
        );
        Self {
            retry_after: Some(5),
            ..refusal
        }
    }

    /// Whoever would act, or what it would be done to, was erased.
    pub fn subject_erased() -> Self {
        Self::new(
            StatusCode::GONE,
            "SUBJECT_ERASED",
            "the call was not made: what is known of its actor or its resource was erased for good, so nothing can be recorded of it any more. Ask audit and compliance",
        )
    }

    /// With everything that policy held against it.
    pub fn because(self, denial: &Denial) -> Self {
        let remedy = |text: Option<&String>| {
            text.cloned()
                .unwrap_or_else(|| "change the charter and ask for approval".to_owned())
        };
        let mut unmet: Vec<Unmet> = denial
            .policies
            .iter()
            .map(|rule| Unmet {
                control: rule.id.clone(),
                reason: rule.reason.clone(),
                remedy: remedy(rule.remedy.as_ref()),
            })
            .collect();
        if unmet.is_empty()
            && let Some(nearest) = &denial.nearest
        {
            unmet.push(Unmet {
                control: nearest.rule.id.clone(),
                reason: denial.sentence(),
                remedy: remedy(nearest.rule.remedy.as_ref()),
            });
        }
        Self { unmet, ..self }
    }

    /// The answer on the wire.
    pub fn into_response(self) -> Response<Full<Bytes>> {
        let body = Body {
            r#type: format!(
                "urn:burgess:problem:{}",
                self.code.to_ascii_lowercase().replace('_', "-")
            ),
            title: self.status.canonical_reason().unwrap_or("Refused"),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            event_id: self.event_id.as_ref().map(EventId::as_str),
            unmet: &self.unmet,
        };
        // Strings and numbers alone: this cannot fail, and if it did the status still says no.
        let bytes = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = Response::new(Full::new(Bytes::from(bytes)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, challenge(self.code));
        }
        response
    }
}

/// RFC 6750 §3: without any credential the challenge names no error.
fn challenge(code: &str) -> HeaderValue {
    HeaderValue::from_static(match code {
        "CREDENTIAL_MISSING" => r#"Bearer realm="burgess""#,
        _ => r#"Bearer realm="burgess", error="invalid_token""#,
    })
}
