//! What a search of the trail is narrowed by, and how far around an event "near" reaches: the
//! queries of the API and of the trail's pages alike.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use burgess_core::time::{Span, Timestamp};
use burgess_trail::{Cursor, Order};

use crate::http::problem::Problem;
use crate::http::query::{Parameter, read};
use crate::operations::trail::{Asked, incident};

/// What a search may be asked with.
pub const SEARCH: &[Parameter] = &[
    Parameter::text("q", "words"),
    Parameter::named("app", &["app_id"], "exactly this app's id"),
    Parameter::named(
        "actor",
        &["actor_id"],
        "exactly this actor; needs the right to read entries",
    ),
    Parameter::named(
        "resource",
        &["resource_id"],
        "exactly this resource; needs the right to read entries",
    ),
    Parameter::text("resource_type", "kind of resource"),
    Parameter::named(
        "action",
        &["action_type"],
        "create, read, update, delete, execute or export",
    ),
    Parameter::text("outcome", "success, failure or blocked"),
    Parameter::text("error_code", "stable code of why not"),
    Parameter::named(
        "class",
        &["classification", "data_classification"],
        "none, public, internal, sensitive, pii or phi",
    ),
    Parameter::named("approval", &["approval_id"], "exactly this approval's id"),
    Parameter::text("environment", "sandbox, staging, production or control"),
    Parameter::text("from", "from this time on: RFC 3339, or a date in UTC"),
    Parameter::text("to", "before this time"),
    Parameter::text("after", "cursor: `next` of the page before"),
    Parameter::number("limit", "events at most, 1 to 500"),
    Parameter::text("as", "an export: csv, jsonl, ocsf, syslog or case"),
    Parameter::text("reason", "why; a case needs it"),
];

const AROUND: Parameter = Parameter::number(
    "around",
    "how many minutes before and after the event are near, 1 to 10080",
);

/// What an incident may be asked with.
pub const NEAR: &[Parameter] = &[AROUND];

/// What a case of an incident may be asked with.
pub const NEAR_CASE: &[Parameter] = &[AROUND, Parameter::text("reason", "why; a case needs it")];

/// What a search is narrowed by; also the query of the trail page.
#[derive(Clone, Debug, Default)]
pub struct Narrow {
    /// Words.
    pub q: Option<String>,
    /// App id.
    pub app: Option<String>,
    /// Actor.
    pub actor: Option<String>,
    /// Action type.
    pub action: Option<String>,
    /// Outcome.
    pub outcome: Option<String>,
    /// Classification.
    pub class: Option<String>,
    /// Approval id.
    pub approval: Option<String>,
    /// Resource id.
    pub resource: Option<String>,
    /// Kind of resource.
    pub resource_type: Option<String>,
    /// Environment, or `control`.
    pub environment: Option<String>,
    /// Stable code of why not.
    pub error_code: Option<String>,
    /// From this time on.
    pub from: Option<String>,
    /// Until this time.
    pub to: Option<String>,
    /// Cursor: where to go on, as `next` of a page says it.
    pub after: Option<String>,
    /// Rows at most.
    pub limit: Option<u32>,
    /// For exports: csv, jsonl, ocsf, syslog or case.
    pub r#as: Option<String>,
    /// For case exports: why.
    pub reason: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Narrow {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut given = read(parts.uri.query().unwrap_or_default(), SEARCH)?;
        Ok(Self {
            limit: given.number("limit")?,
            q: given.text("q"),
            app: given.text("app"),
            actor: given.text("actor"),
            action: given.text("action"),
            outcome: given.text("outcome"),
            class: given.text("class"),
            approval: given.text("approval"),
            resource: given.text("resource"),
            resource_type: given.text("resource_type"),
            environment: given.text("environment"),
            error_code: given.text("error_code"),
            from: given.text("from"),
            to: given.text("to"),
            after: given.text("after"),
            r#as: given.text("as"),
            reason: given.text("reason"),
        })
    }
}

impl Narrow {
    /// As the trail is asked; dates without a time are taken as midnight.
    pub fn asked(&self) -> Result<Asked, Problem> {
        let text = |field: &Option<String>| {
            field
                .as_deref()
                .map(str::trim)
                .filter(|v| !v.is_empty())
                .map(str::to_owned)
        };
        let time = |field: &Option<String>| -> Result<Option<Timestamp>, Problem> {
            let Some(given) = text(field) else {
                return Ok(None);
            };
            let full = if given.contains('T') {
                given
            } else {
                format!("{given}T00:00:00Z")
            };
            Timestamp::parse(&full)
                .map(Some)
                .map_err(|e| Problem::input(e.to_string()))
        };
        let after = match text(&self.after) {
            None => None,
            Some(given) => Some(Cursor::parse(&given).ok_or_else(|| {
                Problem::input(format!(
                    "`{given}` is not a cursor: give `next` of a page as it is"
                ))
            })?),
        };
        Ok(Asked {
            text: text(&self.q),
            app: text(&self.app),
            actor: text(&self.actor),
            action: text(&self.action),
            outcome: text(&self.outcome),
            classification: text(&self.class).map(|c| c.to_lowercase()),
            approval: text(&self.approval),
            resource: text(&self.resource),
            resource_type: text(&self.resource_type),
            environment: text(&self.environment),
            error_code: text(&self.error_code),
            from: time(&self.from)?,
            to: time(&self.to)?,
            after,
            until: None,
            limit: self.limit.unwrap_or(50).clamp(1, 500),
            order: Order::Newest,
        })
    }
}

/// The longest time around an event that counts as near, in minutes.
const AROUND_MAX: i64 = 7 * 24 * 60;

/// How far around an event "near" reaches.
#[derive(Clone, Copy, Debug)]
pub struct Near(pub Span);

impl<S: Send + Sync> FromRequestParts<S> for Near {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut given = read(parts.uri.query().unwrap_or_default(), NEAR)?;
        around(given.number("around")?).map(Self)
    }
}

/// The same for a case, with its reason.
#[derive(Clone, Debug)]
pub struct NearCase {
    /// How far around the event.
    pub around: Span,
    /// Why; without one there is no case.
    pub reason: String,
}

impl<S: Send + Sync> FromRequestParts<S> for NearCase {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut given = read(parts.uri.query().unwrap_or_default(), NEAR_CASE)?;
        Ok(Self {
            around: around(given.number("around")?)?,
            reason: given.text("reason").unwrap_or_default(),
        })
    }
}

fn around(minutes: Option<i64>) -> Result<Span, Problem> {
    match minutes {
        None => Ok(incident::AROUND),
        Some(minutes) if (1..=AROUND_MAX).contains(&minutes) => Ok(Span::minutes(minutes)),
        Some(minutes) => Err(Problem::input(format!(
            "`{minutes}` minutes are not a time around an event: choose 1 to {AROUND_MAX}"
        ))),
    }
}
