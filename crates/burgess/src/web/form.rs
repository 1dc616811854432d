//! The request form: filled in from a draft, scored while one types, handed in with its files.

use std::collections::BTreeMap;

use askama::Template;
use axum::Router;
use axum::extract::{Multipart, Query, RawForm, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use burgess_core::charter::Charter;
use burgess_core::evidence::ArtifactFacts;
use burgess_core::intake::{FORM, FieldError, FieldKind, Required, propose_owners, read_form};
use serde::Deserialize;

use super::frame::Frame;
use super::home::Draft;
use super::view::{self, VerdictView};
use super::{page, to};
use crate::http::problem::Problem;
use crate::http::{App, Signed};
use crate::operations::Caller;
use crate::operations::evidence::Upload;
use crate::operations::intake::{self, Handed, Registered};
use crate::server::Server;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/request/new", get(new))
        .route("/request", post(submit))
        .route("/request/score", post(score))
        .route("/request/score-page", post(score_page))
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

async fn new(
    State(server): State<App>,
    Signed(caller): Signed,
    Query(with): Query<WithDraft>,
) -> Result<Response, Problem> {
    let registered = intake::registered(&server).await?;
    let draft = server.drafts.get(caller.email().as_str(), &with.draft);
    let answers = first_answers(&caller, &registered, draft.as_ref());
    let base = base(&server, &caller, draft.as_ref(), "").await?;
    let facts = draft.map(|d| d.facts).unwrap_or_default();
    form_page(
        &server,
        &caller,
        &registered,
        &answers,
        &base,
        facts,
        Vec::new(),
        with.draft,
    )
    .await
}

/// What the form begins with: the draft's facts, and owners from the directory (R147).
fn first_answers(caller: &Caller, registered: &Registered, draft: Option<&Draft>) -> Answers {
    let mut answers = Answers::new();
    let mut put =
        |name: &str, value: String| answers.entry(name.to_owned()).or_default().push(value);
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
async fn base(
    server: &Server,
    caller: &Caller,
    draft: Option<&Draft>,
    name: &str,
) -> Result<Charter, Problem> {
    let mut charter = match draft {
        Some(draft) => draft.charter.clone(),
        None => Charter::blank(
            intake::new_id(server, if name.is_empty() { "app" } else { name }).await?,
            name,
        ),
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
    answers
        .get(name)
        .and_then(|values| values.first())
        .map(String::as_str)
        .unwrap_or_default()
}

/// The score of what is typed so far; fields that cannot be read are left out of it.
async fn scored(
    server: &Server,
    caller: &Caller,
    answers: &Answers,
    draft: &str,
) -> Result<(Charter, ArtifactFacts, Vec<FieldError>), Problem> {
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
                .filter(|(name, _)| {
                    !FORM
                        .iter()
                        .any(|f| f.name == name.as_str() && names.contains(&f.charter))
                        && !names.contains(&name.as_str())
                })
                .map(|(name, values)| (name.clone(), values.clone()))
                .collect();
            let charter =
                read_form(&readable, base.clone(), &registered.registries(server)).unwrap_or(base);
            Ok((charter, facts, errors))
        }
    }
}

async fn score(
    State(server): State<App>,
    Signed(caller): Signed,
    RawForm(body): RawForm,
) -> Result<Response, Problem> {
    rescored(&server, &caller, &body).await
}

async fn score_page(
    State(server): State<App>,
    Signed(caller): Signed,
    form: Multipart,
) -> Result<Response, Problem> {
    let (pairs, _) = read_multipart(form).await?;
    let (answers, draft) = answers(pairs);
    show_scored(&server, &caller, answers, draft).await
}

async fn rescored(server: &Server, caller: &Caller, body: &[u8]) -> Result<Response, Problem> {
    let pairs: Vec<(String, String)> = url_pairs(body);
    let (answers, draft) = answers(pairs);
    show_scored(server, caller, answers, draft).await
}

async fn show_scored(
    server: &Server,
    caller: &Caller,
    answers: Answers,
    draft: String,
) -> Result<Response, Problem> {
    let registered = intake::registered(server).await?;
    let (charter, facts, _) = scored(server, caller, &answers, &draft).await?;
    form_page(
        server,
        caller,
        &registered,
        &answers,
        &charter,
        facts,
        Vec::new(),
        draft,
    )
    .await
}

/// `application/x-www-form-urlencoded` with repeated names.
fn url_pairs(body: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(body)
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect()
}

async fn read_multipart(
    mut form: Multipart,
) -> Result<(Vec<(String, String)>, Vec<(String, Upload)>), Problem> {
    let mut pairs = Vec::new();
    let mut files = Vec::new();
    while let Some(field) = form
        .next_field()
        .await
        .map_err(|e| Problem::input(e.body_text()))?
    {
        let name = field.name().unwrap_or_default().to_owned();
        match field.file_name().map(str::to_owned) {
            Some(file_name) => {
                let bytes = field
                    .bytes()
                    .await
                    .map_err(|e| Problem::input(e.body_text()))?
                    .to_vec();
                if !bytes.is_empty() {
                    files.push((name, Upload { file_name, bytes }));
                }
            }
            None => pairs.push((
                name,
                field
                    .text()
                    .await
                    .map_err(|e| Problem::input(e.body_text()))?,
            )),
        }
    }
    Ok((pairs, files))
}

async fn submit(
    State(server): State<App>,
    Signed(caller): Signed,
    form: Multipart,
) -> Result<Response, Problem> {
    let (pairs, mut files) = read_multipart(form).await?;
    let (answers, draft) = answers(pairs);
    let registered = intake::registered(&server).await?;
    let (charter, facts, mut errors) = scored(&server, &caller, &answers, &draft).await?;
    if errors.is_empty() {
        errors = burgess_core::intake::validate(&charter, &registered.registries(&server));
    }
    if !errors.is_empty() {
        let shown = form_page(
            &server,
            &caller,
            &registered,
            &answers,
            &charter,
            facts,
            errors,
            draft,
        )
        .await?;
        return Ok((axum::http::StatusCode::UNPROCESSABLE_ENTITY, shown).into_response());
    }
    let mut take = |name: &str| {
        files
            .iter()
            .position(|(n, _)| n == name)
            .map(|at| files.swap_remove(at).1)
    };
    let artifact = take("artifact").or_else(|| {
        server
            .drafts
            .get(caller.email().as_str(), &draft)
            .map(|d| d.upload)
    });
    let readme = take("readme").map(|upload| String::from_utf8_lossy(&upload.bytes).into_owned());
    let request = intake::submit(
        &server,
        &caller,
        Handed {
            charter,
            artifact,
            readme,
        },
    )
    .await?;
    Ok(to(&format!("/apps/{}", request.app)))
}

#[expect(
    clippy::too_many_arguments,
    reason = "the form shows answers, errors, draft and score at once"
)]
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
            field: FORM
                .iter()
                .find(|f| f.charter == e.field || f.name == e.field)
                .map_or("request", |f| f.name)
                .to_owned(),
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

fn groups(
    server: &Server,
    registered: &Registered,
    answers: &Answers,
    errors: &[FieldError],
) -> Vec<Group> {
    let mut needed = Vec::new();
    let mut more = Vec::new();
    for field in FORM {
        let error = errors.iter().find(|e| {
            e.field == field.charter
                || e.field == field.name
                || e.field.starts_with(&format!("{}.", field.charter))
        });
        let view = FieldView {
            name: field.name,
            label: field.label,
            help: field.help,
            required: field.required == Required::Always,
            kind: kind(field.kind),
            value: if field.kind == FieldKind::LongText {
                answers
                    .get(field.name)
                    .map(|v| v.join("\n"))
                    .unwrap_or_default()
            } else {
                first(answers, field.name).to_owned()
            },
            options: options(server, registered, answers, field),
            error: error
                .map(|e| format!("{}: {}", e.message, e.remedy))
                .unwrap_or_default(),
        };
        if field.required == Required::Always || matches!(field.kind, FieldKind::Connectors) {
            needed.push(view)
        } else {
            more.push(view)
        }
    }
    let file = |name, label, help| FieldView {
        name,
        label,
        help,
        required: false,
        kind: "file",
        value: String::new(),
        options: Vec::new(),
        error: String::new(),
    };
    let files = vec![
        file(
            "artifact",
            "The app's export",
            "Without it the app can be approved for the sandbox only. A dropped export is attached already.",
        ),
        file(
            "readme",
            "Its README",
            "Checked at once; the template stands under Forms and schemas.",
        ),
    ];
    vec![
        Group {
            title: "What we need to know",
            fields: needed,
        },
        Group {
            title: "Attachments",
            fields: files,
        },
        Group {
            title: "If it applies",
            fields: more,
        },
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

fn options(
    server: &Server,
    registered: &Registered,
    answers: &Answers,
    field: &burgess_core::intake::Field,
) -> Vec<OptionView> {
    let chosen = |value: &str| {
        answers
            .get(field.name)
            .is_some_and(|values| values.iter().any(|v| v == value))
    };
    let option = |value: &str, label: String| OptionView {
        value: value.to_owned(),
        chosen: chosen(value),
        label,
    };
    match field.kind {
        FieldKind::Several => field
            .options
            .iter()
            .map(|o| option(o, (*o).to_owned()))
            .collect(),
        FieldKind::Datasets => registered
            .datasets
            .iter()
            .map(|d| option(&d.name, format!("{} ({})", d.name, d.classification)))
            .collect(),
        FieldKind::Connectors => server
            .catalogue
            .iter()
            .map(|c| option(&c.id, c.title.clone()))
            .collect(),
        FieldKind::RetentionLabel => std::iter::once(option("", "choose a label".to_owned()))
            .chain(
                server
                    .retention
                    .iter()
                    .map(|(label, days)| option(label, format!("{label} ({days} days)"))),
            )
            .collect(),
        _ => Vec::new(),
    }
}
