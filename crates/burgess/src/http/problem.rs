//! The one translation of failures to what a client sees: problem+json (RFC 9457)
//! with a stable `code`, and for a refusal every unmet control at once.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// One thing that is missing, and what would satisfy it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// The control's or policy's id.
    pub control: String,
    /// Why it is not met.
    pub reason: String,
    /// What would satisfy it.
    pub remedy: String,
}

/// A failure with everything that people and programs need to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// HTTP status.
    pub status: StatusCode,
    /// Stable code, as `NOT_FOUND`.
    pub code: &'static str,
    /// A sentence for people.
    pub detail: String,
    /// All unmet controls of a refusal.
    pub unmet: Vec<Missing>,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    unmet: &'a [Missing],
}

impl Problem {
    /// A problem without unmet controls.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            unmet: Vec::new(),
        }
    }

    /// The input is wrong.
    pub fn input(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "INPUT_INVALID", detail)
    }

    /// There is no such thing, or the asker may not know of it.
    pub fn not_found(what: &str, id: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "NOT_FOUND",
            format!("there is no {what} `{id}` that you may see"),
        )
    }

    /// A refusal with what is unmet.
    pub fn refused(code: &'static str, detail: impl Into<String>, unmet: Vec<Missing>) -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            code,
            detail: detail.into(),
            unmet,
        }
    }

    /// Somebody else was faster.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "CONFLICT", detail)
    }

    /// Something of ours failed; the cause goes to the trace, not to the client.
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "internal failure");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL",
            "something failed on our side and nothing was changed: try again, and tell operations if it stays",
        )
    }

    /// A short name of the status.
    pub fn title(&self) -> &'static str {
        self.status.canonical_reason().unwrap_or("Problem")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Body {
            r#type: format!("/docs/errors#{}", self.code),
            title: self.title(),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            unmet: &self.unmet,
        };
        let mut response = (self.status, Json(body)).into_response();
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        // For browsers a page is made of it, by `web::problem_pages`.
        response.extensions_mut().insert(self);
        response
    }
}
