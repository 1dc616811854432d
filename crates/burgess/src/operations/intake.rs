//! Intake: a charter becomes a request, scored and routed, with its evidence attached.

use std::sync::Arc;

use burgess_core::app::{App, Environment};
use burgess_core::approval::{self, Delta, RouteFacts};
use burgess_core::audit::ActionType;
use burgess_core::charter::Charter;
use burgess_core::evidence::{ArtifactFacts, Controls, Evidence, controls};
use burgess_core::id::{AppId, RequestId};
use burgess_core::intake::{
    ArtifactRef, ClassActions, DatasetRegistry, Directory, FieldError, Person, Registries, Request,
    RequestState, Sla, validate,
};
use burgess_core::lifecycle::{self, Action as Step, State};
use burgess_core::policy::action::SubmitRequest;
use burgess_core::policy::facts::NoContext;
use burgess_core::risk::{self, Factors, PathStep, Score, cheapest_path, factors};
use burgess_core::time::Timestamp;
use burgess_store::{Artifact, Change, EvidenceItem, EvidenceKind, Versioned, Write};

use super::evidence::{self, Upload};
use super::{Caller, approve, case_facts, event, permit};
use crate::http::problem::{Missing, Problem};
use crate::server::Server;

/// Everything that is handed in.
#[derive(Debug)]
pub struct Handed {
    /// The charter; its id counts only if the app exists already or the id is free.
    pub charter: Charter,
    /// The app's export.
    pub artifact: Option<Upload>,
    /// Its README.
    pub readme: Option<String>,
}

/// A charter with its score, route and cheapest path: what the form shows while one types.
#[derive(Clone, Debug)]
pub struct Assessment {
    /// What the score is made from.
    pub factors: Factors,
    /// The score.
    pub score: Score,
    /// Which way it goes.
    pub route: approval::Route,
    /// The controls.
    pub controls: Controls,
    /// The smallest changes that get a better answer.
    pub path: Vec<PathStep>,
}

/// The registries that a form chooses from, as they are now.
pub struct Registered {
    /// Datasets.
    pub datasets: DatasetRegistry,
    /// What each class of data may be used for.
    pub class_actions: ClassActions,
    /// People.
    pub directory: Directory,
}

impl Registered {
    /// As intake checks a charter against them.
    pub fn registries<'a>(&'a self, server: &'a Server) -> Registries<'a> {
        Registries {
            datasets: &self.datasets,
            catalogue: &server.catalogue,
            retention: &server.retention,
            class_actions: &self.class_actions,
            directory: &self.directory,
        }
    }
}

/// Loads the registries.
pub async fn registered(server: &Server) -> Result<Registered, Problem> {
    let mut datasets = DatasetRegistry::default();
    for dataset in server
        .store
        .datasets()
        .await
        .map_err(|e| Problem::internal(&e))?
    {
        datasets
            .insert(dataset.record)
            .map_err(|e| Problem::internal(&e))?;
    }
    let mut directory = Directory::default();
    for person in server
        .store
        .people()
        .await
        .map_err(|e| Problem::internal(&e))?
    {
        let it = person.record;
        directory.insert(Person {
            email: it.email,
            name: it.name,
            unit: it.unit,
            manager: it.manager,
            active: it.active,
        });
    }
    let class_actions = ClassActions::default_matrix().map_err(|e| Problem::internal(&e))?;
    Ok(Registered {
        datasets,
        class_actions,
        directory,
    })
}

/// Scores and routes a charter with what is known of its artifact. Pure but for the catalogue.
pub fn assess(server: &Server, charter: &Charter, seen: &Evidence, now: Timestamp) -> Assessment {
    let factors = factors(charter, &server.catalogue, &seen.facts);
    let score = risk::score(&factors, &server.rubric);
    let target = if seen.artifact.is_some() {
        approval::ceiling(charter, true)
    } else {
        Environment::Sandbox
    };
    let controls = controls(charter, seen, target, now);
    let facts = RouteFacts::of(charter, factors, &seen.facts);
    let route = approval::route(&score, &facts, &controls);
    let path = cheapest_path(&facts, &controls, &server.rubric);
    Assessment {
        factors,
        score,
        route,
        controls,
        path,
    }
}

/// What a form's errors look like outside.
pub fn form_problem(errors: &[FieldError]) -> Problem {
    let mut problem = Problem::new(
        axum::http::StatusCode::UNPROCESSABLE_ENTITY,
        "INTAKE_INCOMPLETE",
        format!(
            "{} thing{} in the request must be mended",
            errors.len(),
            if errors.len() == 1 { "" } else { "s" }
        ),
    );
    problem.unmet = errors
        .iter()
        .map(|error| Missing {
            control: error.field.clone(),
            reason: error.message.clone(),
            remedy: error.remedy.clone(),
        })
        .collect();
    problem
}

/// Hands a request in: gives a new app its id, keeps artifact and README, scores, routes,
/// and lets the rules approve what needs no people.
pub async fn submit(
    server: &Arc<Server>,
    caller: &Caller,
    handed: Handed,
) -> Result<Request, Problem> {
    let now = server.now()?;
    let mut charter = handed.charter.normalised();
    let existing = existing(server, caller, &mut charter).await?;
    charter
        .app
        .developer
        .get_or_insert_with(|| caller.email().clone());
    if charter.app.developer.as_ref() != Some(caller.email()) {
        return Err(Problem::input(format!(
            "the charter names another developer than you: set app.developer to `{}`",
            caller.email()
        )));
    }
    let registered = registered(server).await?;
    let errors = validate(&charter, &registered.registries(server));
    if !errors.is_empty() {
        return Err(form_problem(&errors));
    }
    let prepared = prepare(
        server,
        caller,
        charter,
        existing,
        handed.artifact,
        handed.readme,
        now,
    )
    .await?;
    let id = prepared.request.id.clone();
    let permit = permit::<SubmitRequest>(
        server,
        &caller.principal(),
        &fresh_facts(&prepared.request),
        &NoContext,
        now,
    )?;
    let writes = prepared.writes(server, caller, &permit, now)?;
    server.commit(writes, &permit, now).await?;
    approve::by_rule(server, &id).await
}

/// The facts of a request that is not stored yet: revision 0, and open.
fn fresh_facts(request: &Request) -> burgess_core::policy::facts::CaseFacts {
    burgess_core::policy::facts::CaseFacts {
        revision: 0,
        open: true,
        ..case_facts(request)
    }
}

/// The app that the charter is about, if it exists; gives a new one its id (R146).
async fn existing(
    server: &Server,
    caller: &Caller,
    charter: &mut Charter,
) -> Result<Option<App>, Problem> {
    let known = server
        .store
        .app(&charter.id)
        .await
        .map_err(|e| Problem::internal(&e))?;
    let Some(app) = known else { return Ok(None) };
    if app.developer != *caller.email() {
        return Err(Problem::conflict(format!(
            "`{}` is the id of somebody else's app: give yours another name",
            app.id
        )));
    }
    if app.state == State::Retired {
        return Err(Problem::conflict(format!(
            "`{}` is retired: ask with another name",
            app.id
        )));
    }
    let open = server
        .store
        .requests_of(&app.id)
        .await
        .map_err(|e| Problem::internal(&e))?;
    if let Some(open) = open
        .iter()
        .find(|request| request.is_open() && request.approval.is_none())
    {
        return Err(Problem::conflict(format!(
            "request `{}` for this app still waits: take it back first, or wait for the decision",
            open.id
        )));
    }
    Ok(Some(app))
}

/// An id for a new app, made from its name.
pub async fn new_id(server: &Server, name: &str) -> Result<AppId, Problem> {
    let taken: std::collections::BTreeSet<String> = server
        .store
        .apps(&burgess_store::AppFilter::default())
        .await
        .map_err(|e| Problem::internal(&e))?
        .into_iter()
        .map(|app| app.id.to_string())
        .collect();
    Ok(AppId::from_name(name, |id| taken.contains(id)))
}

struct Prepared {
    request: Request,
    before: Option<App>,
    app: App,
    artifact: Option<Versioned<Artifact>>,
    evidence: Vec<Change>,
}

async fn prepare(
    server: &Arc<Server>,
    caller: &Caller,
    charter: Charter,
    before: Option<App>,
    upload: Option<Upload>,
    readme: Option<String>,
    now: Timestamp,
) -> Result<Prepared, Problem> {
    let id = charter.id.clone();
    let known = server
        .store
        .evidence_of(&id)
        .await
        .map_err(|e| Problem::internal(&e))?;
    let mut items = known.clone();
    let mut evidence = Vec::new();
    let mut artifact: Option<Versioned<Artifact>> = None;
    let mut reference: Option<ArtifactRef> = latest_artifact(server, &id).await?;
    if let Some(upload) = upload {
        let bytes = upload.bytes.clone();
        let (reading, fresh) = evidence::reading(server, upload).await?;
        server
            .store
            .blobs()
            .put(&bytes)
            .map_err(|e| Problem::internal(&e))?;
        evidence.extend(
            evidence::of_reading(server, &id, &reading, &known, caller.email().as_str(), now)
                .await?,
        );
        artifact = Some(Versioned::new(Artifact {
            reference: fresh.clone(),
            app: id.clone(),
            uploaded_by: caller.email().to_string(),
            uploaded_at: now,
        }));
        reference = Some(fresh);
    }
    if let Some(text) = readme {
        evidence.push(readme_change(server, &charter, &known, &text, caller, now)?);
    }
    for change in &evidence {
        if let Change::Evidence(it) = change {
            items.retain(|old| old.record.id() != it.record.id());
            items.push(it.clone());
        }
    }
    let digest = reference.as_ref().map(|r| r.normalised);
    let seen = evidence::gather(&items, digest);
    let assessed = assess(server, &charter, &seen, now);
    let delta = delta(server, before.as_ref(), &charter, digest, &assessed.score).await?;
    let request = request(
        server, caller, &charter, reference, &seen, assessed, delta, now,
    )?;
    let app = app_of(before.as_ref(), &charter, &request, now)?;
    Ok(Prepared {
        request,
        before,
        app,
        artifact,
        evidence,
    })
}

/// The artifact that was uploaded last.
pub async fn latest_artifact(server: &Server, app: &AppId) -> Result<Option<ArtifactRef>, Problem> {
    let all = server
        .store
        .artifacts_of(app)
        .await
        .map_err(|e| Problem::internal(&e))?;
    Ok(all.into_iter().next().map(|it| it.record.reference))
}

/// The README as evidence; it belongs to the app, not to one artifact.
pub fn readme_change(
    server: &Server,
    charter: &Charter,
    known: &[Versioned<EvidenceItem>],
    text: &str,
    caller: &Caller,
    now: Timestamp,
) -> Result<Change, Problem> {
    if text.len() > burgess_inspect::readme::README_BYTES_MAX {
        return Err(Problem::input(
            "the README is longer than 1 MB: keep it to what reviewers need",
        ));
    }
    let seen = evidence::readme(text, evidence::timing_declared(charter));
    let blob = server
        .store
        .blobs()
        .put(text.as_bytes())
        .map_err(|e| Problem::internal(&e))?;
    let mut item = evidence::item(
        &charter.id,
        None,
        EvidenceKind::Readme,
        "",
        &seen,
        caller.email().as_str(),
        now,
    );
    item.blob = Some(blob);
    Ok(evidence::record(known, item))
}

/// What changed since the last approval: that alone goes back to review.
async fn delta(
    server: &Server,
    before: Option<&App>,
    charter: &Charter,
    artifact: Option<burgess_core::digest::Digest>,
    score: &Score,
) -> Result<Option<(burgess_core::id::ApprovalId, Delta)>, Problem> {
    let Some(id) = before.and_then(|app| app.approval.as_ref()) else {
        return Ok(None);
    };
    let Some(approval) = server
        .store
        .approval(id)
        .await
        .map_err(|e| Problem::internal(&e))?
    else {
        return Ok(None);
    };
    let approved = server
        .store
        .request(&approval.record.request)
        .await
        .map_err(|e| Problem::internal(&e))?;
    let Some(approved) = approved else {
        return Ok(None);
    };
    let delta = approval::delta_for_review(
        &approval.record,
        &approved.charter,
        charter,
        artifact,
        score,
    );
    Ok(Some((id.clone(), delta)))
}

#[expect(
    clippy::too_many_arguments,
    reason = "a request names everything that it stands on"
)]
fn request(
    server: &Server,
    caller: &Caller,
    charter: &Charter,
    artifact: Option<ArtifactRef>,
    seen: &Evidence,
    assessed: Assessment,
    delta: Option<(burgess_core::id::ApprovalId, Delta)>,
    now: Timestamp,
) -> Result<Request, Problem> {
    let waits = assessed.route.lane == approval::Lane::Review
        || assessed.route.second_reviewer
        || assessed.route.sponsor;
    let (previous, changes) =
        delta.map_or((None, Vec::new()), |(id, delta)| (Some(id), delta.changes));
    Ok(Request {
        id: RequestId::from_uuid(server.ambient.uuid().map_err(|e| Problem::internal(&e))?),
        app: charter.id.clone(),
        charter_digest: charter.digest(),
        charter: charter.clone(),
        artifact,
        readme: seen.readme.as_ref().and_then(|readme| readme.digest),
        facts: seen.facts.clone(),
        factors: assessed.factors,
        score: assessed.score,
        route: assessed.route,
        controls: assessed.controls,
        rubric_digest: server.rubric.digest(),
        state: RequestState::Submitted,
        submitted_by: caller.email().clone(),
        submitted_at: now,
        sla: waits.then(|| Sla::from(now)),
        decisions: Vec::new(),
        previous_approval: previous,
        approval: None,
        granted_at: None,
        changes,
        revision: 1,
    })
}

fn app_of(
    before: Option<&App>,
    charter: &Charter,
    request: &Request,
    now: Timestamp,
) -> Result<App, Problem> {
    let fresh = App::register(charter, request.score.score, request.score.band, now)
        .map_err(|e| Problem::input(e.to_string()))?;
    let Some(before) = before else {
        return Ok(fresh);
    };
    let state = lifecycle::transition(before.state, Step::Submit, None)
        .map_err(|e| Problem::conflict(e.to_string()))?;
    Ok(App {
        state,
        approval: before.approval.clone(),
        created_at: before.created_at,
        last_used_at: before.last_used_at,
        revision: before.revision.saturating_add(1),
        ..fresh
    })
}

impl Prepared {
    /// The request, the app, and the evidence that is new: one transaction.
    fn writes<A: burgess_core::policy::Action>(
        self,
        server: &Server,
        caller: &Caller,
        permit: &burgess_core::permit::Permit<A>,
        now: Timestamp,
    ) -> Result<Vec<Write>, Problem> {
        let start = || -> Result<event::Draft, Problem> {
            let draft = event::about(&server.ambient, Some(&self.app), now)
                .map_err(|e| Problem::internal(&e))?;
            Ok(draft
                .by(caller)
                .permitted(permit)
                .charter(self.request.charter_digest))
        };
        let app_action = if self.before.is_some() {
            ActionType::Update
        } else {
            ActionType::Create
        };
        let app_event = start()?
            .did(app_action, "app", self.app.id.as_str())
            .moved(
                self.before.as_ref().map(|app| app.state.as_str()),
                self.app.state.as_str(),
            )
            .done();
        let route = if self.request.route.lane == approval::Lane::Auto {
            "auto"
        } else {
            "review"
        };
        let request_event = start()?
            .did(ActionType::Create, "request", self.request.id.as_str())
            .moved(None, self.request.state.as_str())
            .context("score", self.request.score.score)
            .context("route", route)
            .done();
        let mut writes = vec![
            Write {
                changes: vec![Change::App(self.app.clone())],
                event: app_event,
            },
            Write {
                changes: vec![Change::Request(Box::new(self.request.clone()))],
                event: request_event,
            },
        ];
        if let Some(artifact) = &self.artifact {
            let reference = &artifact.record.reference;
            let event = start()?
                .did(ActionType::Create, "artifact", reference.id.as_str())
                .context("normalised", reference.normalised.to_string())
                .context("raw", reference.raw.to_string())
                .done();
            writes.push(Write {
                changes: vec![Change::Artifact(artifact.clone())],
                event,
            });
        }
        if !self.evidence.is_empty() {
            let event = start()?
                .did(ActionType::Create, "evidence", self.app.id.as_str())
                .context("kinds", self.evidence.len())
                .done();
            writes.push(Write {
                changes: self.evidence,
                event,
            });
        }
        Ok(writes)
    }
}

/// Scores a charter of which nothing was uploaded yet.
pub fn assess_alone(
    server: &Server,
    charter: &Charter,
    facts: ArtifactFacts,
    now: Timestamp,
) -> Assessment {
    assess(
        server,
        charter,
        &Evidence {
            facts,
            ..Evidence::default()
        },
        now,
    )
}
