//! The incident view (R127): from one event to everything that explains it.
//!
//! The app and who answers for it, the approval and who gave it, the credential that was used, the
//! other half of the call, what happened around it, and what is open about the app. Nothing is
//! decided here.

use burgess_core::approval::Approval;
use burgess_core::audit::Event;
use burgess_core::credential::ClientCredential;
use burgess_core::id::EventId;
use burgess_core::policy::action::ReadTrail;
use burgess_core::policy::facts::NoContext;
use burgess_core::time::Span;
use burgess_gateway::journal::outcome_id;
use burgess_store::{Alert, Dossier};
use burgess_trail::Row;

use super::{Asked, Page, WHOLE, by_id, may_open, page, project, reads};
use crate::http::problem::Problem;
use crate::operations::{Caller, permit};
use crate::server::Server;

/// How far around an event "near" reaches, where nothing else is asked for.
pub const AROUND: Span = Span::hours(1);
/// The choices of a page: minutes.
pub const CHOICES: [i64; 3] = [15, 60, 1_440];
/// Rows of one group that a page shows; all of them are one search away.
const SHOWN: u32 = 6;

/// What happened near an event under one aspect.
pub struct Group {
    /// What they have in common, in words.
    pub title: &'static str,
    /// The search that finds all of them.
    pub asked: Asked,
    /// The newest of them.
    pub rows: Vec<Row>,
    /// How many there are, the event itself among them.
    pub total: u64,
}

impl Group {
    /// What they have in common, as a name for programs.
    pub const fn aspect(&self) -> &'static str {
        let asked = &self.asked;
        if asked.approval.is_some() {
            "approval"
        } else if asked.resource.is_some() {
            "resource"
        } else if asked.actor.is_some() {
            "actor"
        } else {
            "app"
        }
    }
}

/// Everything about one event.
pub struct Incident {
    /// The event.
    pub row: Row,
    /// Whether personal values may be seen.
    pub open: bool,
    /// The app as it is now, with all that belongs to it; none for the organisation itself.
    pub dossier: Option<Dossier>,
    /// The approval that the event names.
    pub approval: Option<Approval>,
    /// The credential with which the app acted.
    pub credential: Option<ClientCredential>,
    /// The outcome of this intent, or the intent of this outcome.
    pub pair: Option<Row>,
    /// What happened around it.
    pub groups: Vec<Group>,
}

impl Incident {
    /// What is open about the app.
    pub fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.dossier
            .iter()
            .flat_map(|it| it.alerts.iter().map(|it| &it.record))
    }
}

/// Collects it; opening an event is a reading.
pub async fn incident(
    server: &Server,
    caller: &Caller,
    id: &str,
    around: Span,
) -> Result<Incident, Problem> {
    let now = server.now()?;
    permit::<ReadTrail>(server, &caller.principal(), &WHOLE, &NoContext, now)?;
    let open = may_open(server, caller);
    project(server).await?;
    let row = by_id(server, id, open).await?;
    reads::opened(server, caller, &row, "event", reads::Shows::of(open)).await?;
    let event = &row.event;
    let dossier = server
        .store
        .dossier(&event.app_id)
        .await
        .map_err(|e| Problem::internal(&e))?;
    let approval = match &event.approval_id {
        None => None,
        Some(id) => server
            .store
            .approval(id)
            .await
            .map_err(|e| Problem::internal(&e))?
            .map(|it| it.record),
    };
    let credential = dossier.as_ref().filter(|_| open).and_then(|it| {
        let mut held = it.credentials.iter().map(|it| &it.record);
        held.find(|it| it.id.as_str() == event.actor_id).cloned()
    });
    let pair = match other_half(event) {
        None => None,
        Some(other) => by_id(server, other.as_str(), open).await.ok(),
    };
    let mut groups = Vec::new();
    for (title, asked) in aspects(event, open, around) {
        groups.push(group(server, title, asked, open).await?);
    }
    Ok(Incident {
        open,
        dossier,
        approval,
        credential,
        pair,
        groups,
        row,
    })
}

/// The id of the other half of a call.
fn other_half(event: &Event) -> Option<EventId> {
    outcome_id(&event.event_id)
        .or_else(|| EventId::parse(&format!("{}_intent", event.event_id)).ok())
}

/// What an event has in common with others: each a search of its own.
pub(super) fn aspects(event: &Event, open: bool, around: Span) -> Vec<(&'static str, Asked)> {
    let near = Asked {
        from: Some(event.timestamp.minus(around)),
        to: Some(event.timestamp.plus(around)),
        limit: SHOWN,
        ..Asked::default()
    };
    let mut aspects = vec![(
        "The same app, near in time",
        Asked {
            app: Some(event.app_id.to_string()),
            ..near.clone()
        },
    )];
    if open {
        aspects.push((
            "The same actor, near in time",
            Asked {
                actor: Some(event.actor_id.clone()),
                ..near.clone()
            },
        ));
        aspects.push((
            "The same resource, whenever",
            Asked {
                resource: Some(event.resource_id.clone()),
                resource_type: Some(event.resource_type.clone()),
                limit: SHOWN,
                ..Asked::default()
            },
        ));
    }
    if let Some(approval) = &event.approval_id {
        aspects.push((
            "The same approval, whenever",
            Asked {
                approval: Some(approval.to_string()),
                limit: SHOWN,
                ..Asked::default()
            },
        ));
    }
    aspects
}

async fn group(
    server: &Server,
    title: &'static str,
    asked: Asked,
    open: bool,
) -> Result<Group, Problem> {
    let Page { rows, .. } = page(server, &asked, open).await?;
    let total = server
        .trail
        .count(&asked.query(open.then_some(&server.blinder)))
        .await
        .map_err(|e| Problem::internal(&e))?;
    Ok(Group {
        title,
        asked,
        rows,
        total,
    })
}
