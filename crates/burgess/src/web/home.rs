//! The first page, sign-in, the verdict on a dropped export, and the demo's jump in time.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use askama::Template;
use axum::Router;
use axum::extract::{Multipart, Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use burgess_core::approval::{Capacity, turns};
use burgess_core::charter::Charter;
use burgess_core::evidence::ArtifactFacts;
use burgess_core::roles::Role;
use burgess_core::time::Span;
use burgess_store::AppFilter;

use super::frame::Frame;
use super::view::{self, VerdictView};
use super::{page, to};
use crate::http::problem::Problem;
use crate::http::{App, Signed};
use crate::identity::session;
use crate::operations::evidence::Upload;
use crate::operations::verdict;
use crate::server::Server;

pub(super) fn router(demo: bool) -> Router<App> {
    let router = Router::new()
        .route("/", get(home))
        .route("/sign-in", get(sign_in))
        .route("/sign-in/{secret}", get(redeem))
        .route("/sign-out", post(sign_out))
        .route("/inspect", post(inspect));
    if demo {
        router.route("/demo/jump", post(jump))
    } else {
        router
    }
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    frame: Frame,
}

async fn sign_in(State(server): State<App>) -> Result<Response, Problem> {
    page(&SignInPage {
        frame: Frame::nobody(&server),
    })
}

async fn redeem(
    State(server): State<App>,
    Path(secret): Path<String>,
) -> Result<Response, Problem> {
    let session = session::redeem(&server, &secret).await?;
    Ok(([(header::SET_COOKIE, session::cookie(&session))], to("/")).into_response())
}

async fn sign_out(
    State(server): State<App>,
    headers: axum::http::HeaderMap,
) -> Result<Response, Problem> {
    if let Some(secret) = session::secret_in(&headers) {
        server
            .store
            .end_session(session::digest(&secret))
            .await
            .map_err(|e| Problem::internal(&e))?;
    }
    Ok(([(header::SET_COOKIE, session::no_cookie())], to("/sign-in")).into_response())
}

struct Todo {
    href: String,
    title: String,
    when: String,
    tone: &'static str,
    why: String,
}

struct AppRow {
    id: String,
    name: String,
    class: String,
    state: &'static str,
    tone: &'static str,
    score: u32,
    next: String,
}

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    frame: Frame,
    first_name: String,
    todo: Vec<Todo>,
    apps: Vec<AppRow>,
}

async fn home(State(server): State<App>, Signed(caller): Signed) -> Result<Response, Problem> {
    let now = server.ambient.now();
    let frame = Frame::of(&server, &caller, "/").await;
    let mut todo = Vec::new();
    for request in server
        .store
        .queue()
        .await
        .map_err(|e| Problem::internal(&e))?
    {
        let app = &request.charter.app;
        let mine = turns(&request).into_iter().any(|turn| match turn {
            Capacity::Reviewer | Capacity::SecondReviewer => {
                caller.has(Role::PlatformSecurity) && request.submitted_by != *caller.email()
            }
            Capacity::Sponsor => {
                app.owner.as_ref() == Some(caller.email())
                    || app.second_owner.as_ref() == Some(caller.email())
            }
        });
        if mine {
            let (when, tone) = view::clock(&request, now);
            todo.push(Todo {
                href: format!("/requests/{}", request.id),
                title: app.name.clone(),
                when,
                tone,
                why: format!(
                    "waits for {}; {} points",
                    view::turn(&request),
                    request.score.score
                ),
            });
        }
    }
    let mut apps = Vec::new();
    for app in server
        .store
        .apps(&AppFilter::default())
        .await
        .map_err(|e| Problem::internal(&e))?
    {
        let people = [
            Some(&app.developer),
            Some(&app.owner),
            app.second_owner.as_ref(),
        ];
        if !people
            .into_iter()
            .flatten()
            .any(|email| email == caller.email())
        {
            continue;
        }
        let requests = server
            .store
            .requests_of(&app.id)
            .await
            .map_err(|e| Problem::internal(&e))?;
        apps.push(AppRow {
            next: view::next_step(&app, requests.first(), now),
            id: app.id.to_string(),
            name: app.name,
            class: app.classification.to_string(),
            state: view::state_words(app.state),
            tone: view::state_tone(app.state),
            score: app.score,
        });
    }
    let first_name = caller.name.split(' ').next().unwrap_or_default().to_owned();
    page(&HomePage {
        frame,
        first_name,
        todo,
        apps,
    })
}

/// A draft that waits for its form: what the export showed, so that the form begins filled in.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The charter as far as the export tells.
    pub charter: Charter,
    /// What the artifact shows.
    pub facts: ArtifactFacts,
    /// The export itself, handed in with the form.
    pub upload: Upload,
}

/// Drafts kept at most; the oldest makes way. Each may hold an export of 50 MB, so few.
const DRAFTS_MAX: usize = 8;

/// The last number given, and the drafts by number, each with its owner.
type Held = (u64, BTreeMap<u64, (String, Draft)>);

/// Drafts between the verdict and the form, in memory: losing one costs a second drop.
#[derive(Debug, Default)]
pub struct Drafts {
    held: Mutex<Held>,
}

impl Drafts {
    /// Keeps a draft of `owner` and answers its number.
    pub fn keep(&self, owner: &str, draft: Draft) -> u64 {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.0 = held.0.saturating_add(1);
        let number = held.0;
        held.1.insert(number, (owner.to_owned(), draft));
        while held.1.len() > DRAFTS_MAX {
            held.1.pop_first();
        }
        number
    }

    /// The draft of that number, if it is `owner`'s.
    pub fn get(&self, owner: &str, number: &str) -> Option<Draft> {
        let number = number.parse().ok()?;
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.1
            .get(&number)
            .filter(|(whose, _)| whose == owner)
            .map(|(_, draft)| draft.clone())
    }
}

struct FactRow {
    field: String,
    value: String,
    place: String,
}

#[derive(Template)]
#[template(path = "verdict.html")]
struct VerdictPage {
    frame: Frame,
    name: String,
    platform: String,
    elapsed_ms: u128,
    secrets: usize,
    facts: Vec<FactRow>,
    charter: String,
    draft: String,
    verdict: VerdictView,
}

/// The one file of a form.
pub async fn one_file(mut form: Multipart, name: &str) -> Result<Upload, Problem> {
    while let Some(field) = form
        .next_field()
        .await
        .map_err(|e| Problem::input(e.body_text()))?
    {
        if field.name() == Some(name) {
            let file_name = field.file_name().unwrap_or("upload").to_owned();
            let bytes = field
                .bytes()
                .await
                .map_err(|e| Problem::input(e.body_text()))?
                .to_vec();
            if bytes.is_empty() {
                break;
            }
            return Ok(Upload { file_name, bytes });
        }
    }
    Err(Problem::input("choose a file first"))
}

async fn inspect(
    State(server): State<App>,
    Signed(caller): Signed,
    form: Multipart,
) -> Result<Response, Problem> {
    let started = server.ambient.monotonic();
    let upload = one_file(form, "artifact").await?;
    let verdict = verdict::on(&server, upload.clone()).await?;
    let reading = verdict.reading;
    let facts = reading
        .facts
        .facts
        .iter()
        .filter(|fact| !matches!(fact.field.as_str(), "platform" | "name"))
        .map(|fact| FactRow {
            field: fact.field.replace('_', " "),
            value: fact.value.clone(),
            place: if fact.pointer.is_empty() {
                fact.file.clone()
            } else {
                format!("{}#{}", fact.file, fact.pointer)
            },
        })
        .collect();
    let it = &verdict.assessment;
    let shown = view::verdict(&it.score, &it.route, &it.path, view::missing(&it.controls));
    let draft = Draft {
        charter: verdict.charter.clone(),
        facts: reading.shown.clone(),
        upload,
    };
    let number = server.drafts.keep(caller.email().as_str(), draft);
    let template = VerdictPage {
        frame: Frame::of(&server, &caller, "/inspect").await,
        name: verdict.charter.app.name.clone(),
        platform: reading.facts.platform.as_str().to_owned(),
        elapsed_ms: server
            .ambient
            .monotonic()
            .saturating_sub(started)
            .as_millis(),
        secrets: reading.secrets.len(),
        facts,
        charter: verdict.draft,
        draft: number.to_string(),
        verdict: shown,
    };
    page(&template)
}

/// The demo's clock goes 90 days ahead, a week at a time, so that everything due on the way happens.
async fn jump(State(server): State<App>, Signed(_): Signed) -> Result<Response, Problem> {
    jump_ahead(&server).await?;
    Ok(to("/alerts"))
}

/// See [`jump`].
pub async fn jump_ahead(server: &Server) -> Result<(), Problem> {
    for days in [7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 6] {
        server.ambient.jump(Span::days(days));
        crate::operations::clockwork::pass(server).await?;
    }
    Ok(())
}
