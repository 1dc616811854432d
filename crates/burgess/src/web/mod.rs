//! The console: server-rendered pages, one file per group. Every form works without JavaScript.

mod apps;
mod connect;
mod docs;
mod form;
mod frame;
mod home;
mod inventory;
mod keeping;
mod requests;
mod runtime;
mod trail;
pub mod view;

use askama::Template;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Redirect, Response};

use crate::http::App;
use crate::http::problem::Problem;
use crate::identity::session;
use frame::Frame;
pub use home::Drafts;

/// All pages.
pub fn router(server: App) -> Router<App> {
    Router::new()
        .merge(home::router(server.config.demo))
        .merge(requests::router())
        .merge(apps::router())
        .merge(connect::router())
        .merge(form::router())
        .merge(inventory::router())
        .merge(runtime::router())
        .merge(trail::router())
        .merge(keeping::router())
        .merge(docs::router())
}

/// Renders a page.
pub fn page(template: &impl Template) -> Result<Response, Problem> {
    template
        .render()
        .map(|text| Html(text).into_response())
        .map_err(|e| Problem::internal(&e))
}

/// After a form was carried out: to the page that shows the result.
pub fn to(path: &str) -> Response {
    Redirect::to(path).into_response()
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    frame: Frame,
    heading: String,
    problem: Problem,
    back: String,
}

/// Turns problems into pages for browsers; programs keep problem+json.
pub async fn problem_pages(State(server): State<App>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let wants_page = !path.starts_with("/api/")
        && request
            .headers()
            .get(header::ACCEPT)
            .and_then(|v| v.to_str().ok())
            .is_some_and(|v| v.contains("text/html"));
    let reading = request.method() == Method::GET;
    let headers = request.headers().clone();
    let response = next.run(request).await;
    let Some(problem) = response
        .extensions()
        .get::<Problem>()
        .cloned()
        .filter(|_| wants_page)
    else {
        return response;
    };
    if problem.status == StatusCode::UNAUTHORIZED && reading {
        return to("/sign-in");
    }
    let frame = match session::caller(&server, &headers, None).await {
        Ok(Some(caller)) => Frame::of(&server, &caller, &path).await,
        _ => Frame::nobody(&server),
    };
    let heading = match problem.status {
        StatusCode::NOT_FOUND => "Not here",
        StatusCode::FORBIDDEN => "Not allowed",
        StatusCode::CONFLICT => "Not yet",
        StatusCode::UNPROCESSABLE_ENTITY => "Please mend this",
        StatusCode::GONE => "This link no longer works",
        StatusCode::SERVICE_UNAVAILABLE => "Not at the moment",
        _ => "That did not work",
    };
    let back = headers
        .get(header::REFERER)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.split_once("://"))
        .and_then(|(_, rest)| rest.find('/').and_then(|at| rest.get(at..)))
        .unwrap_or("/")
        .to_owned();
    let status = problem.status;
    match page(&ProblemPage {
        frame,
        heading: heading.to_owned(),
        problem,
        back,
    }) {
        Ok(page) => (status, page).into_response(),
        Err(problem) => problem.into_response(),
    }
}
