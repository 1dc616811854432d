//! What pages show: plain text and numbers, made from the domain's types.
//!
//! Not here: who may see or do it, which the page's handler asks of policy.

use burgess_core::app::App;
use burgess_core::approval::{Capacity, Lane, Route, turns};
use burgess_core::evidence::{Control, Controls, Status};
use burgess_core::intake::{Request, SlaStatus};
use burgess_core::lifecycle::State;
use burgess_core::risk::{Band, PathStep, Score};
use burgess_core::time::{Span, Timestamp};

use crate::http::problem::Missing;

/// The colour of a chip.
pub type Tone = &'static str;

/// One addend of the score.
#[derive(Clone, Debug)]
pub struct AddendView {
    /// Why.
    pub reason: String,
    /// How many points.
    pub points: u32,
    /// How wide its bar is, 0 to 100.
    pub width: u32,
}

/// One step of the cheapest path to yes.
#[derive(Clone, Debug)]
pub struct StepView {
    /// What to change.
    pub change: String,
    /// The score then.
    pub score_after: u32,
    /// The route then.
    pub route_after: String,
}

/// The score with everything that explains it.
#[derive(Clone, Debug)]
pub struct VerdictView {
    /// 0 to 100.
    pub score: u32,
    /// low, medium or high.
    pub band: &'static str,
    /// Colour of the band.
    pub tone: Tone,
    /// Which way it goes, in a sentence.
    pub route: String,
    /// The four addends.
    pub addends: Vec<AddendView>,
    /// The cheapest path to yes.
    pub path: Vec<StepView>,
    /// What is still missing.
    pub missing: Vec<Missing>,
}

/// One control.
#[derive(Clone, Debug)]
pub struct ControlView {
    /// Its name.
    pub title: String,
    /// met, not met, not needed.
    pub state: &'static str,
    /// Colour.
    pub tone: Tone,
    /// Why not.
    pub reason: String,
    /// What would satisfy it.
    pub remedy: String,
}

/// One step of an app's life.
#[derive(Clone, Debug)]
pub struct LifeStep {
    /// Its name.
    pub label: &'static str,
    /// done, now, stopped or empty.
    pub class: &'static str,
}

/// A button that posts a form.
#[derive(Clone, Debug)]
pub struct Act {
    /// Where it posts.
    pub href: String,
    /// What stands on it.
    pub label: String,
    /// Its look.
    pub class: &'static str,
    /// Hidden fields.
    pub hidden: Vec<(String, String)>,
}

impl Act {
    /// A button.
    pub fn new(
        href: String,
        label: impl Into<String>,
        class: &'static str,
        hidden: &[(&str, &str)],
    ) -> Self {
        let hidden = hidden
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        Self {
            href,
            label: label.into(),
            class,
            hidden,
        }
    }
}

/// Colour of a band.
pub const fn band_tone(band: Band) -> Tone {
    match band {
        Band::Low => "good",
        Band::Medium => "warn",
        Band::High => "bad",
    }
}

/// Colour of a state.
pub const fn state_tone(state: State) -> Tone {
    match state {
        State::Production => "good",
        State::Quarantined | State::Rejected => "bad",
        State::RetirementScheduled => "warn",
        _ => "",
    }
}

/// A state in words.
pub const fn state_words(state: State) -> &'static str {
    match state {
        State::Requested => "waiting for approval",
        State::Rejected => "refused",
        State::Approved => "approved",
        State::Sandbox => "in the sandbox",
        State::Staging => "in staging",
        State::Production => "in production",
        State::Quarantined => "quarantined",
        State::RetirementScheduled => "will retire",
        State::Retired => "retired",
    }
}

/// A route in a sentence.
pub fn route_words(route: &Route) -> String {
    let mut who = Vec::new();
    match route.lane {
        Lane::Auto => who.push("approved automatically"),
        Lane::Review => who.push("a reviewer decides within 72 hours"),
    }
    if route.second_reviewer {
        who.push("a second, different reviewer too");
    }
    if route.sponsor {
        who.push("the sponsor signs before production");
    }
    let mut words = who.join("; ");
    if let Some(first) = words.get_mut(0..1) {
        first.make_ascii_uppercase();
    }
    format!("{words}.")
}

/// The verdict on one charter.
pub fn verdict(
    score: &Score,
    route: &Route,
    path: &[PathStep],
    missing: Vec<Missing>,
) -> VerdictView {
    VerdictView {
        score: score.score,
        band: score.band.as_str(),
        tone: band_tone(score.band),
        route: route_words(route),
        addends: score
            .addends
            .iter()
            .map(|a| AddendView {
                reason: a.reason.clone(),
                points: a.points,
                width: a.points.saturating_mul(2).min(100),
            })
            .collect(),
        path: path
            .iter()
            .map(|step| StepView {
                change: step.change.clone(),
                score_after: step.score_after,
                route_after: match step.route_after {
                    Lane::Auto => "approved automatically".to_owned(),
                    Lane::Review => "a reviewer decides".to_owned(),
                },
            })
            .collect(),
        missing,
    }
}

/// One control, in words.
pub fn control(control: &Control) -> ControlView {
    let (state, tone, reason, remedy) = match &control.status {
        Status::Met => ("met", "good", String::new(), String::new()),
        Status::NotApplicable => ("not needed", "", String::new(), String::new()),
        Status::Unmet { reason, remedy } => ("not met", "bad", reason.clone(), remedy.clone()),
    };
    ControlView {
        title: control.id.title().to_owned(),
        state,
        tone,
        reason,
        remedy,
    }
}

/// All controls, the unmet first.
pub fn controls(controls: &Controls) -> Vec<ControlView> {
    let (mut first, rest): (Vec<_>, Vec<_>) = controls
        .0
        .iter()
        .map(control)
        .partition(|c| c.state == "not met");
    first.extend(rest);
    first
}

/// What is missing, as problems list it.
pub fn missing(controls: &Controls) -> Vec<Missing> {
    controls
        .unmet()
        .filter_map(|control| match &control.status {
            Status::Unmet { reason, remedy } => Some(Missing {
                control: control.id.as_str().to_owned(),
                reason: reason.clone(),
                remedy: remedy.clone(),
            }),
            _ => None,
        })
        .collect()
}

/// Where an app stands in its life.
pub fn life(state: State) -> Vec<LifeStep> {
    const LABELS: [&str; 6] = [
        "Request",
        "Approve",
        "Test in the sandbox",
        "Deploy",
        "Monitor",
        "Retire",
    ];
    let (at, stopped) = match state {
        State::Requested => (1, false),
        State::Rejected => (1, true),
        State::Approved => (2, false),
        State::Sandbox => (2, false),
        State::Staging => (3, false),
        State::Production => (4, false),
        State::Quarantined => (4, true),
        State::RetirementScheduled => (5, false),
        State::Retired => (6, false),
    };
    LABELS
        .into_iter()
        .enumerate()
        .map(|(number, label)| LifeStep {
            label,
            class: match number {
                n if n < at => "done",
                n if n == at && stopped => "stopped",
                n if n == at => "now",
                _ => "",
            },
        })
        .collect()
}

/// A span in words, the greatest unit alone.
pub fn span_words(span: Span) -> String {
    let seconds = span.as_seconds();
    let (number, unit) = match seconds {
        s if s >= 2 * 86_400 => (s / 86_400, "day"),
        s if s >= 3_600 => (s / 3_600, "hour"),
        s if s >= 60 => (s / 60, "minute"),
        s => (s, "second"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

/// A time on a page.
pub fn time(at: Timestamp) -> String {
    let text = at.to_string();
    match text.split_once('T') {
        Some((date, clock)) => format!("{date} {}", clock.chars().take(5).collect::<String>()),
        None => text,
    }
}

/// Time left of a request, with its colour.
pub fn clock(request: &Request, now: Timestamp) -> (String, Tone) {
    let Some(sla) = &request.sla else {
        return ("no clock".to_owned(), "");
    };
    if !request.is_open() {
        return ("decided".to_owned(), "");
    }
    match sla.status(now) {
        SlaStatus::InTime => (
            format!("{} left", span_words(sla.due_at.since(now))),
            "good",
        ),
        SlaStatus::Warned => (
            format!("{} left", span_words(sla.due_at.since(now))),
            "warn",
        ),
        SlaStatus::Breached => (format!("{} late", span_words(now.since(sla.due_at))), "bad"),
    }
}

/// Whose turn it is.
pub fn turn(request: &Request) -> String {
    let turns: Vec<&str> = turns(request).into_iter().map(Capacity::title).collect();
    if turns.is_empty() {
        "nobody's".to_owned()
    } else {
        format!("the {}", turns.join(" and the "))
    }
}

/// What comes next for an app, in a sentence.
pub fn next_step(app: &App, request: Option<&Request>, now: Timestamp) -> String {
    if let Some(request) = request.filter(|r| r.is_open()) {
        let (left, _) = clock(request, now);
        return format!("it is the turn of {} ({left}).", turn(request));
    }
    match app.state {
        State::Requested => "hand in a request for approval.",
        State::Rejected => "mend what the reviewers said, and ask again.",
        State::Approved => "deploy it to the sandbox; that opens at once.",
        State::Sandbox => {
            "connect it, run its test cases, send a heartbeat and an event; then ask for staging."
        }
        State::Staging => "operations can promote it to production.",
        State::Production => "nothing: it runs and is watched.",
        State::Quarantined => "platform and security look into it.",
        State::RetirementScheduled => "retire it with the exit checklist, or keep it.",
        State::Retired => "nothing: only its trail and archive are left.",
    }
    .to_owned()
}

/// What stands in the score's place before there is a request.
pub fn no_verdict() -> VerdictView {
    VerdictView {
        score: 0,
        band: "no",
        tone: "",
        route: "No request yet.".to_owned(),
        addends: Vec::new(),
        path: Vec::new(),
        missing: Vec::new(),
    }
}
