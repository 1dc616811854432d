//! The inventory: every app by owner, class and state, and the same as CSV.

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use burgess_core::app::App as Record;
use burgess_core::data::Classification;
use burgess_core::lifecycle::State as Life;
use burgess_store::AppFilter;
use serde::Deserialize;

use super::frame::Frame;
use super::{page, view};
use crate::http::api;
use crate::http::problem::Problem;
use crate::http::{App, Signed};

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/apps", get(list))
        .route("/apps.csv", get(list_csv))
}

struct OptionView {
    value: &'static str,
    label: &'static str,
    chosen: bool,
}

struct Row {
    id: String,
    name: String,
    owner: String,
    unit: String,
    class: &'static str,
    score: u32,
    state: &'static str,
    tone: &'static str,
    last_used: String,
}

#[derive(Template)]
#[template(path = "apps.html")]
struct AppsPage {
    frame: Frame,
    q: String,
    owner: String,
    classes: Vec<OptionView>,
    states: Vec<OptionView>,
    apps: Vec<Row>,
    hidden: usize,
    query: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Filter {
    q: String,
    owner: String,
    class: String,
    state: String,
}

impl Filter {
    fn query(&self) -> String {
        let mut out = form_urlencoded::Serializer::new(String::new());
        for (name, value) in [
            ("q", &self.q),
            ("owner", &self.owner),
            ("class", &self.class),
            ("state", &self.state),
        ] {
            out.append_pair(name, value);
        }
        out.finish()
    }

    fn fits(&self, app: &Record) -> bool {
        let has = |wanted: &str, have: &str| {
            wanted.trim().is_empty() || have.to_lowercase().contains(&wanted.trim().to_lowercase())
        };
        (has(&self.q, &app.name) || has(&self.q, app.id.as_str()))
            && has(&self.owner, app.owner.as_str())
            && (self.class.is_empty() || self.class == app.classification.as_str())
            && (self.state.is_empty() || self.state == app.state.as_str())
    }
}

fn row(app: &Record) -> Row {
    Row {
        id: app.id.to_string(),
        name: app.name.clone(),
        owner: app.owner.to_string(),
        unit: app.unit.clone(),
        class: app.classification.as_str(),
        score: app.score,
        state: view::state_words(app.state),
        tone: view::state_tone(app.state),
        last_used: app.last_used_at.date(),
    }
}

async fn list(
    State(server): State<App>,
    Signed(caller): Signed,
    Query(filter): Query<Filter>,
) -> Result<Response, Problem> {
    let all = api::visible_apps(&server, &caller, &AppFilter::default()).await?;
    let total = all.len();
    let apps: Vec<Row> = all.iter().filter(|app| filter.fits(app)).map(row).collect();
    let template = AppsPage {
        frame: Frame::of(&server, &caller, "/apps").await,
        classes: Classification::ALL
            .iter()
            .map(|c| OptionView {
                value: c.as_str(),
                label: c.as_str(),
                chosen: filter.class == c.as_str(),
            })
            .collect(),
        states: Life::ALL
            .iter()
            .map(|s| OptionView {
                value: s.as_str(),
                label: view::state_words(*s),
                chosen: filter.state == s.as_str(),
            })
            .collect(),
        hidden: total.saturating_sub(apps.len()),
        query: filter.query(),
        apps,
        q: filter.q,
        owner: filter.owner,
    };
    page(&template)
}

/// The filtered list as CSV (RFC 4180); a leading `=`, `+`, `-` or `@` is disarmed for spreadsheets.
async fn list_csv(
    State(server): State<App>,
    Signed(caller): Signed,
    Query(filter): Query<Filter>,
) -> Result<Response, Problem> {
    let all = api::visible_apps(&server, &caller, &AppFilter::default()).await?;
    let mut text = String::from("id,name,owner,unit,class,score,state,last_used\r\n");
    for app in all.iter().filter(|app| filter.fits(app)).map(row) {
        let cells = [
            app.id,
            app.name,
            app.owner,
            app.unit,
            app.class.to_owned(),
            app.score.to_string(),
            app.state.to_owned(),
            app.last_used,
        ];
        let cells: Vec<String> = cells.iter().map(|cell| csv_cell(cell)).collect();
        text.push_str(&cells.join(","));
        text.push_str("\r\n");
    }
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"apps.csv\"",
        ),
    ];
    Ok((headers, text).into_response())
}

fn csv_cell(cell: &str) -> String {
    let armed = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    format!(
        "\"{}{}\"",
        if armed { "'" } else { "" },
        cell.replace('"', "\"\"")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_that_a_spreadsheet_would_run_is_disarmed() {
        assert_eq!(csv_cell("=1+1"), "\"'=1+1\"");
        assert_eq!(csv_cell("a \"b\", c"), "\"a \"\"b\"\", c\"");
    }
}
