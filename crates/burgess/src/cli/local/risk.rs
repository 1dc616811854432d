//! `risk`: score, band, route, addends, and the cheapest path to yes.
//!
//! The same functions as the server's, on the charter alone: what an artifact shows can
//! only raise the score. `check` takes the artifact in.

use std::fmt::Write as _;
use std::path::Path;

use burgess_core::app::Environment;
use burgess_core::approval::{self, RouteFacts};
use burgess_core::charter::Charter;
use burgess_core::evidence::{Evidence, Status, controls};
use burgess_core::risk::{self, cheapest_path, factors};

use super::{World, reading, say_json, wants_json};
use crate::cli::Format;
use crate::cli::run::{Outcome, say};
use crate::http::api::requests::assessment_json;
use crate::operations::intake::Assessment;

/// Prints the assessment of a charter; the answer is yes whatever it is.
pub(super) fn run(file: &Path, format: Format) -> Outcome {
    let as_json = wants_json("risk", format)?;
    let charter = reading::good_charter(file)?;
    let it = assess(&World::here()?, &charter, &Evidence::default());
    if as_json {
        say_json(&assessment_json(&it))?;
    } else {
        say(&text(&it));
    }
    Ok(true)
}

/// Scores and routes a charter with what is known of its artifact.
pub(super) fn assess(world: &World, charter: &Charter, seen: &Evidence) -> Assessment {
    let factors = factors(charter, &world.catalogue, &seen.facts);
    let score = risk::score(&factors, &world.rubric);
    let target = if seen.artifact.is_some() {
        approval::ceiling(charter, true)
    } else {
        Environment::Sandbox
    };
    let controls = controls(charter, seen, target, world.now);
    let facts = RouteFacts::of(charter, factors, &seen.facts);
    let route = approval::route(&score, &facts, &controls);
    let path = cheapest_path(&facts, &controls, &world.rubric);
    Assessment {
        factors,
        score,
        route,
        controls,
        path,
    }
}

/// The assessment for people: the sum first, then what it is made of, then the way down.
pub(super) fn text(it: &Assessment) -> String {
    let mut out = format!(
        "score {}, {} risk, route {}\n",
        it.score.score,
        it.score.band,
        it.route.lane.as_str()
    );
    for addend in &it.score.addends {
        let _infallible = writeln!(
            out,
            "  {:>3}  {}: {}",
            addend.points, addend.factor, addend.reason
        );
    }
    for reason in &it.route.reasons {
        let _infallible = writeln!(out, "  {reason}");
    }
    let missing: Vec<String> = it
        .controls
        .unmet()
        .filter_map(|control| match &control.status {
            Status::Unmet { reason, remedy } => Some(format!(
                "  {}: {reason}\n    {remedy}\n",
                control.id.as_str()
            )),
            Status::Met | Status::NotApplicable => None,
        })
        .collect();
    if !missing.is_empty() {
        out.push_str("missing controls\n");
        out.push_str(&missing.concat());
    }
    if !it.path.is_empty() {
        out.push_str("cheapest path to yes\n");
    }
    for step in &it.path {
        let _infallible = writeln!(
            out,
            "  {}: score {}, route {}",
            step.change,
            step.score_after,
            step.route_after.as_str()
        );
    }
    out
}
