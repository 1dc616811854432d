//! The request form with its live score, the review queue, and the decision page.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Multipart, Path, Query, RawForm, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use burgess_core::approval::{Capacity, Verdict, turns};
use burgess_core::charter::Charter;
use burgess_core::evidence::ArtifactFacts;
use burgess_core::intake::{FORM, FieldError, FieldKind, Request, Required, propose_owners, read_form};
use burgess_core::policy::action::{DecideAsReviewer, DecideAsSecondReviewer, DecideAsSponsor, ReadQueue, WithdrawRequest};
use burgess_core::policy::facts::{NoContext, Organisation, Verdict as VerdictFacts};
use serde::Deserialize;

use super::frame::Frame;
use super::home::Draft;
use super::view::{self, ControlView, VerdictView};
use super::{page, to};
use crate::http::api;
use crate::http::problem::Problem;
use crate::http::{App, Signed};
use crate::operations::approve::{self, Deciding};
use crate::operations::evidence::Upload;
use crate::operations::intake::{self, Handed, Registered};
use crate::operations::{Caller, case_facts, may};
use crate::server::Server;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/request/new", get(new))
        .route("/request", post(submit))
        .route("/request/score", post(score))
        .route("/request/score-page", post(score_page))
        .route("/queue", get(queue))
        .route("/requests/{id}", get(one))
        .route("/requests/{id}/decide", post(decide))
        .route("/requests/{id}/withdraw", post(withdraw))
}

type Answers = BTreeMap<String, Vec<String>>;

struct OptionView {
    value: String,
    label: String,
    chosen: bool,
}

struct FieldView {
    name: &'static str,
    label: &'static str,
    help: &'static str,
    required: bool,
    kind: &'static str,
    value: String,
    options: Vec<OptionView>,
    error: String,
}

struct Group {
    title: &'static str,
    fields: Vec<FieldView>,
}

struct ErrorView {
    field: String,
    message: String,
}

#[derive(Template)]
#[template(path = "request_new.html")]
struct NewPage {
    frame: Frame,
    groups: Vec<Group>,
    errors: Vec<ErrorView>,
    draft: String,
    verdict: VerdictView,
}

#[derive(Deserialize)]
struct WithDraft {
    #[serde(default)]
    draft: String,
}

async fn new(State(server): State<App>, Signed(caller): Signed, Query(with): Query<WithDraft>) -> Result<Response, Problem> {
    let registered = intake::registered(&server).await?;
    let draft = server.drafts.get(caller.email().as_str(), &with.draft);
    let answers = first_answers(&caller, &registered, draft.as_ref());
    let base = base(&server, &caller, draft.as_ref(), "").await?;
    let facts = draft.map(|d| d.facts).unwrap_or_default();
    form_page(&server, &caller, &registered, &answers, &base, facts, Vec::new(), with.draft).await
}

/// What the form begins with: the draft's facts, and owners from the directory (R147).
fn first_answers(caller: &Caller, registered: &Registered, draft: Option<&Draft>) -> Answers {
    let mut answers = Answers::new();
    let mut put = |name: &str, value: String| answers.entry(name.to_owned()).or_default().push(value);
    let owners = propose_owners(&registered.directory, caller.email());
    if let Some(owner) = owners.owner {
        put("owner", owner.to_string());
    }
    if let Some(second) = owners.second_owner {
        put("second_owner", second.to_string());
    }
    put("environments", "sandbox".to_owned());
    if let Some(draft) = draft {
        put("name", draft.charter.app.name.clone());
        for connector in &draft.charter.connector {
            put("connectors", connector.id.clone());
        }
    }
    answers
}

/// The charter that the form's answers are put into.
async fn base(server: &Server, caller: &Caller, draft: Option<&Draft>, name: &str) -> Result<Charter, Problem> {
    let mut charter = match draft {
        Some(draft) => draft.charter.clone(),
        None => Charter::blank(intake::new_id(server, if name.is_empty() { "app" } else { name }).await?, name),
    };
    if !name.is_empty() && name != charter.app.name {
        charter.id = intake::new_id(server, name).await?;
    }
    charter.app.developer = Some(caller.email().clone());
    Ok(charter)
}

fn answers(pairs: impl IntoIterator<Item = (String, String)>) -> (Answers, String) {
    let mut answers = Answers::new();
    let mut draft = String::new();
    for (name, value) in pairs {
        if name == "draft" {
            draft = value;
        } else if FORM.iter().any(|field| field.name == name) && !value.trim().is_empty() {
            answers.entry(name).or_default().push(value);
        }
    }
    (answers, draft)
}

fn first<'a>(answers: &'a Answers, name: &str) -> &'a str {
    answers.get(name).and_then(|values| values.first()).map(String::as_str).unwrap_or_default()
}

/// The score of what is typed so far; fields that cannot be read are left out of it.
async fn scored(server: &Server, caller: &Caller, answers: &Answers, draft: &str) -> Result<(Charter, ArtifactFacts, Vec<FieldError>), Problem> {
    let registered = intake::registered(server).await?;
    let held = server.drafts.get(caller.email().as_str(), draft);
    let base = base(server, caller, held.as_ref(), first(answers, "name")).await?;
    let facts = held.map(|d| d.facts).unwrap_or_default();
    match read_form(answers, base.clone(), &registered.registries(server)) {
        Ok(charter) => Ok((charter, facts, Vec::new())),
        Err(errors) => {
            let names: Vec<&str> = errors.iter().map(|e| e.field.as_str()).collect();
            let readable: Answers = answers
                .iter()
                .filter(|(name, _)| !FORM.iter().any(|f| f.name == name.as_str() && names.contains(&f.charter)) && !names.contains(&name.as_str()))
                .map(|(name, values)| (name.clone(), values.clone()))
                .collect();
            let charter = read_form(&readable, base.clone(), &registered.registries(server)).unwrap_or(base);
            Ok((charter, facts, errors))
        }
    }
}

async fn score(State(server): State<App>, Signed(caller): Signed, RawForm(body): RawForm) -> Result<Response, Problem> {
    rescored(&server, &caller, &body).await
}

async fn score_page(State(server): State<App>, Signed(caller): Signed, form: Multipart) -> Result<Response, Problem> {
    let (pairs, _) = read_multipart(form).await?;
    let (answers, draft) = answers(pairs);
    show_scored(&server, &caller, answers, draft).await
}

async fn rescored(server: &Server, caller: &Caller, body: &[u8]) -> Result<Response, Problem> {
    let pairs: Vec<(String, String)> = url_pairs(body);
    let (answers, draft) = answers(pairs);
    show_scored(server, caller, answers, draft).await
}

async fn show_scored(server: &Server, caller: &Caller, answers: Answers, draft: String) -> Result<Response, Problem> {
    let registered = intake::registered(server).await?;
    let (charter, facts, _) = scored(server, caller, &answers, &draft).await?;
    form_page(server, caller, &registered, &answers, &charter, facts, Vec::new(), draft).await
}

/// `application/x-www-form-urlencoded` with repeated names.
fn url_pairs(body: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(body).map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

async fn read_multipart(mut form: Multipart) -> Result<(Vec<(String, String)>, Vec<(String, Upload)>), Problem> {
    let mut pairs = Vec::new();
    let mut files = Vec::new();
    while let Some(field) = form.next_field().await.map_err(|e| Problem::input(e.body_text()))? {
        let name = field.name().unwrap_or_default().to_owned();
        match field.file_name().map(str::to_owned) {
            Some(file_name) => {
                let bytes = field.bytes().await.map_err(|e| Problem::input(e.body_text()))?.to_vec();
                if !bytes.is_empty() {
                    files.push((name, Upload { file_name, bytes }));
                }
            }
            None => pairs.push((name, field.text().await.map_err(|e| Problem::input(e.body_text()))?)),
        }
    }
    Ok((pairs, files))
}

async fn submit(State(server): State<App>, Signed(caller): Signed, form: Multipart) -> Result<Response, Problem> {
    let (pairs, mut files) = read_multipart(form).await?;
    let (answers, draft) = answers(pairs);
    let registered = intake::registered(&server).await?;
    let (charter, facts, mut errors) = scored(&server, &caller, &answers, &draft).await?;
    if errors.is_empty() {
        errors = burgess_core::intake::validate(&charter, &registered.registries(&server));
    }
    if !errors.is_empty() {
        let shown = form_page(&server, &caller, &registered, &answers, &charter, facts, errors, draft).await?;
        return Ok((axum::http::StatusCode::UNPROCESSABLE_ENTITY, shown).into_response());
    }
    let mut take = |name: &str| files.iter().position(|(n, _)| n == name).map(|at| files.swap_remove(at).1);
    let artifact = take("artifact").or_else(|| server.drafts.get(caller.email().as_str(), &draft).map(|d| d.upload));
    let readme = take("readme").map(|upload| String::from_utf8_lossy(&upload.bytes).into_owned());
    let request = intake::submit(&server, &caller, Handed { charter, artifact, readme }).await?;
    Ok(to(&format!("/apps/{}", request.app)))
}

#[expect(clippy::too_many_arguments, reason = "the form shows answers, errors, draft and score at once")]
async fn form_page(
    server: &Server,
    caller: &Caller,
    registered: &Registered,
    answers: &Answers,
    charter: &Charter,
    facts: ArtifactFacts,
    errors: Vec<FieldError>,
    draft: String,
) -> Result<Response, Problem> {
    let now = server.ambient.now();
    let it = intake::assess_alone(server, charter, facts, now);
    let groups = groups(server, registered, answers, &errors);
    let errors = errors
        .into_iter()
        .map(|e| ErrorView {
            field: FORM.iter().find(|f| f.charter == e.field || f.name == e.field).map_or("request", |f| f.name).to_owned(),
            message: format!("{}: {}; {}", e.field, e.message, e.remedy),
        })
        .collect();
    page(&NewPage {
        frame: Frame::of(server, caller, "/request/new").await,
        groups,
        errors,
        draft,
        verdict: view::verdict(&it.score, &it.route, &it.path, Vec::new()),
    })
}

fn groups(server: &Server, registered: &Registered, answers: &Answers, errors: &[FieldError]) -> Vec<Group> {
    let mut needed = Vec::new();
    let mut more = Vec::new();
    for field in FORM {
        let error = errors.iter().find(|e| e.field == field.charter || e.field == field.name || e.field.starts_with(&format!("{}.", field.charter)));
        let view = FieldView {
            name: field.name,
            label: field.label,
            help: field.help,
            required: field.required == Required::Always,
            kind: kind(field.kind),
            value: if field.kind == FieldKind::LongText { answers.get(field.name).map(|v| v.join("\n")).unwrap_or_default() } else { first(answers, field.name).to_owned() },
            options: options(server, registered, answers, field),
            error: error.map(|e| format!("{}: {}", e.message, e.remedy)).unwrap_or_default(),
        };
        if field.required == Required::Always || matches!(field.kind, FieldKind::Connectors) { needed.push(view) } else { more.push(view) }
    }
    let file = |name, label, help| FieldView { name, label, help, required: false, kind: "file", value: String::new(), options: Vec::new(), error: String::new() };
    let files = vec![
        file("artifact", "The app's export", "Without it the app can be approved for the sandbox only. A dropped export is attached already."),
        file("readme", "Its README", "Checked at once; the template stands under Forms and schemas."),
    ];
    vec![
        Group { title: "What we need to know", fields: needed },
        Group { title: "Attachments", fields: files },
        Group { title: "If it applies", fields: more },
    ]
}

const fn kind(kind: FieldKind) -> &'static str {
    match kind {
        FieldKind::Text | FieldKind::Span => "text",
        FieldKind::Person => "email",
        FieldKind::LongText => "text_area",
        FieldKind::Number => "number",
        FieldKind::YesNo => "checkbox",
        FieldKind::Several | FieldKind::Datasets | FieldKind::Connectors => "choices",
        FieldKind::RetentionLabel => "select",
    }
}

fn options(server: &Server, registered: &Registered, answers: &Answers, field: &burgess_core::intake::Field) -> Vec<OptionView> {
    let chosen = |value: &str| answers.get(field.name).is_some_and(|values| values.iter().any(|v| v == value));
    let option = |value: &str, label: String| OptionView { value: value.to_owned(), chosen: chosen(value), label };
    match field.kind {
        FieldKind::Several => field.options.iter().map(|o| option(o, (*o).to_owned())).collect(),
        FieldKind::Datasets => registered.datasets.iter().map(|d| option(&d.name, format!("{} ({})", d.name, d.classification))).collect(),
        FieldKind::Connectors => server.catalogue.iter().map(|c| option(&c.id, c.title.clone())).collect(),
        FieldKind::RetentionLabel => server.retention.iter().map(|(label, days)| option(label, format!("{label} ({days} days)"))).collect(),
        _ => Vec::new(),
    }
}

struct CaseView {
    id: String,
    app: String,
    name: String,
    submitter: String,
    score: u32,
    band: &'static str,
    band_tone: &'static str,
    what: String,
    data: String,
    turn: String,
    mine: bool,
    left: String,
    clock_tone: &'static str,
}

#[derive(Template)]
#[template(path = "queue.html")]
struct QueuePage {
    frame: Frame,
    cases: Vec<CaseView>,
}

fn case_view(server: &Server, caller: &Caller, request: &Request) -> CaseView {
    let now = server.ambient.now();
    let (left, clock_tone) = view::clock(request, now);
    let what = match request.changes.len() {
        0 if request.previous_approval.is_none() => "first request".to_owned(),
        0 => "another artifact".to_owned(),
        n => format!("{n} field{} changed", if n == 1 { "" } else { "s" }),
    };
    CaseView {
        id: request.id.to_string(),
        app: request.app.to_string(),
        name: request.charter.app.name.clone(),
        submitter: request.submitted_by.to_string(),
        score: request.score.score,
        band: request.score.band.as_str(),
        band_tone: view::band_tone(request.score.band),
        what,
        data: request.charter.data.iter().map(|d| format!("{} ({})", d.name, d.classification)).collect::<Vec<_>>().join(", "),
        turn: view::turn(request),
        mine: !seats(server, caller, request).is_empty(),
        left,
        clock_tone,
    }
}

async fn queue(State(server): State<App>, Signed(caller): Signed) -> Result<Response, Problem> {
    let mut requests = server.store.queue().await.map_err(|e| Problem::internal(&e))?;
    requests.retain(|request| api::may_see_request(&server, &caller, request));
    requests.sort_by_key(|request| request.sla.map(|sla| sla.due_at));
    let cases = requests.iter().map(|request| case_view(&server, &caller, request)).collect();
    page(&QueuePage { frame: Frame::of(&server, &caller, "/queue").await, cases })
}

struct Compared {
    what: &'static str,
    claim: String,
    fact: String,
    differs: bool,
}

struct ChangeView {
    field: String,
    before: String,
    after: String,
}

struct DecisionView {
    verdict: &'static str,
    by: String,
    role: &'static str,
    at: String,
    comment: String,
    conditions: String,
}

struct Seat {
    value: &'static str,
    title: &'static str,
}

#[derive(Template)]
#[template(path = "request.html")]
struct RequestPage {
    frame: Frame,
    case: CaseView,
    purpose: String,
    state: &'static str,
    comparison: Vec<Compared>,
    changes: Vec<ChangeView>,
    no_changes: &'static str,
    controls: Vec<ControlView>,
    decisions: Vec<DecisionView>,
    seats: Vec<Seat>,
    revision: u64,
    why_not: String,
    may_withdraw: bool,
    verdict: VerdictView,
    facts: Vec<(&'static str, String)>,
}

/// The capacities in which somebody may decide this request now.
fn seats(server: &Server, caller: &Caller, request: &Request) -> Vec<Seat> {
    let now = server.ambient.now();
    let principal = caller.principal();
    let facts = case_facts(request);
    let context = VerdictFacts { approves: false };
    turns(request)
        .into_iter()
        .filter(|turn| match turn {
            Capacity::Reviewer => may::<DecideAsReviewer>(server, &principal, &facts, &context, now),
            Capacity::SecondReviewer => may::<DecideAsSecondReviewer>(server, &principal, &facts, &context, now),
            Capacity::Sponsor => may::<DecideAsSponsor>(server, &principal, &facts, &context, now),
        })
        .map(|turn| Seat { value: capacity_name(turn), title: turn.title() })
        .collect()
}

const fn capacity_name(capacity: Capacity) -> &'static str {
    match capacity {
        Capacity::Reviewer => "reviewer",
        Capacity::SecondReviewer => "second_reviewer",
        Capacity::Sponsor => "sponsor",
    }
}

async fn one(State(server): State<App>, Signed(caller): Signed, Path(id): Path<String>) -> Result<Response, Problem> {
    let request = api::requests::load(&server, &caller, &id).await?;
    let now = server.ambient.now();
    let seats = seats(&server, &caller, &request);
    let whole = Organisation { revision: 0 };
    let reviewer = may::<ReadQueue>(&server, &caller.principal(), &whole, &NoContext, now);
    let why_not = match (request.is_open(), reviewer) {
        (false, _) => "This request is decided.".to_owned(),
        (true, _) => format!("You cannot decide this one: it is the turn of {}, and nobody decides what they wrote or build.", view::turn(&request)),
    };
    let may_withdraw = may::<WithdrawRequest>(&server, &caller.principal(), &case_facts(&request), &NoContext, now);
    let decisions = request
        .decisions
        .iter()
        .map(|d| DecisionView {
            verdict: if d.verdict == Verdict::Approve { "Approved" } else { "Refused" },
            by: d.by.to_string(),
            role: d.capacity.title(),
            at: view::time(d.at),
            comment: d.comment.clone(),
            conditions: d.conditions.join("; "),
        })
        .collect();
    let template = RequestPage {
        frame: Frame::of(&server, &caller, "/queue").await,
        case: case_view(&server, &caller, &request),
        purpose: request.charter.app.purpose.clone(),
        state: request.state.as_str(),
        comparison: compared(&request),
        changes: request.changes.iter().map(|c| ChangeView { field: c.field.clone(), before: c.before.to_string(), after: c.after.to_string() }).collect(),
        no_changes: if request.previous_approval.is_some() { "Nothing in the charter; the artifact is another one." } else { "This is the first request for this app." },
        controls: view::controls(&request.controls),
        decisions,
        seats,
        revision: request.revision,
        why_not,
        may_withdraw,
        verdict: view::verdict(&request.score, &request.route, &[], Vec::new()),
        facts: facts(&request),
    };
    page(&template)
}

fn facts(request: &Request) -> Vec<(&'static str, String)> {
    let app = &request.charter.app;
    let person = |email: &Option<burgess_core::id::Email>| email.as_ref().map_or_else(|| "missing".to_owned(), ToString::to_string);
    vec![
        ("Developer", person(&app.developer)),
        ("Owner", person(&app.owner)),
        ("Second owner", person(&app.second_owner)),
        ("Users", app.users.map_or_else(|| "not said".to_owned(), |n| n.to_string())),
        ("Environments", app.environments.iter().map(|e| e.as_str()).collect::<Vec<_>>().join(", ")),
        ("Retention", request.charter.retention.as_ref().map_or_else(|| "missing".to_owned(), |r| format!("{}, {} days", r.label, r.days))),
        ("Remediation", request.charter.support.remediation_sla.map_or_else(|| "missing".to_owned(), |s| s.to_string())),
        ("Justification", if request.charter.capabilities.justification.is_empty() { "none needed".to_owned() } else { request.charter.capabilities.justification.clone() }),
        ("Artifact", request.artifact.as_ref().map_or_else(|| "none: sandbox only".to_owned(), |a| a.file_name.clone())),
    ]
}

/// What the form claims beside what the artifact shows.
fn compared(request: &Request) -> Vec<Compared> {
    let none = || "none".to_owned();
    let list = |items: Vec<String>| if items.is_empty() { none() } else { items.join(", ") };
    let facts = &request.facts;
    let claimed: Vec<String> = request.charter.connector.iter().map(|c| c.id.clone()).collect();
    let mut found = facts.connectors.clone();
    found.extend(facts.unknown_connectors.iter().cloned());
    let undeclared = found.iter().any(|c| !claimed.contains(c));
    let hosts_declared: Vec<String> = request.charter.connector.iter().flat_map(|c| c.hosts.values().flatten().cloned()).collect();
    let class = request.charter.classification();
    vec![
        Compared { what: "Connectors", claim: list(claimed), fact: list(found), differs: undeclared },
        Compared {
            what: "Hosts called directly",
            claim: list(hosts_declared.clone()),
            differs: facts.external_hosts.iter().any(|h| !hosts_declared.contains(h)),
            fact: list(facts.external_hosts.clone()),
        },
        Compared {
            what: "Highest class of data",
            claim: class.map_or_else(none, |c| c.to_string()),
            fact: facts.data.map_or_else(none, |c| c.to_string()),
            differs: facts.data > class,
        },
        Compared {
            what: "Third-party code",
            claim: list(request.charter.third_party.iter().map(|t| t.kind.clone()).collect()),
            fact: list(facts.packages.clone()),
            differs: facts.third_party_code && request.charter.third_party.is_empty(),
        },
        Compared {
            what: "Capabilities",
            claim: list(request.charter.capabilities.automation.iter().map(|a| String::from(a.clone())).collect()),
            fact: list(facts.capabilities.clone()),
            differs: facts.shows_local_access() && request.charter.capabilities.is_empty(),
        },
    ]
}

#[derive(Deserialize)]
struct DecideForm {
    seat: Capacity,
    verdict: Verdict,
    #[serde(default)]
    comment: String,
    #[serde(default)]
    conditions: String,
    revision: u64,
}

async fn decide(State(server): State<App>, Signed(caller): Signed, Path(id): Path<String>, Form(form): Form<DecideForm>) -> Result<Response, Problem> {
    let request = api::requests::load(&server, &caller, &id).await?;
    let deciding = Deciding {
        capacity: form.seat,
        verdict: form.verdict,
        comment: form.comment,
        conditions: form.conditions.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect(),
        revision: Some(form.revision),
    };
    approve::decide(&server, &caller, &request.id, deciding).await?;
    Ok(to(&format!("/requests/{id}")))
}

async fn withdraw(State(server): State<App>, Signed(caller): Signed, Path(id): Path<String>) -> Result<Response, Problem> {
    let request = api::requests::load(&server, &caller, &id).await?;
    approve::withdraw(&server, &caller, &request.id).await?;
    Ok(to(&format!("/apps/{}", request.app)))
}
