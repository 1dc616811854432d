//! The cheapest path to yes: every smallest set of changes that lowers the band or the route.

use serde::{Deserialize, Serialize};

use super::{Band, Connectivity, Execution, Rubric, Score, UserBand, score};
use crate::approval::{Lane, Route, RouteFacts, route};
use crate::data::Classification;
use crate::evidence::{Control, Controls, Status};

/// One smallest set of changes, and where it leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathStep {
    /// What to change, in words; several changes are joined by `and`.
    pub change: String,
    /// The changes one by one.
    pub changes: Vec<String>,
    /// The score after it.
    pub score_after: u32,
    /// Its band.
    pub band_after: Band,
    /// The route after it.
    pub route_after: Lane,
}

/// One way to change each dimension: how far it goes down, 0 for not at all. Comparing two
/// of these place by place says which change is smaller.
type Steps = [usize; 6];

/// Everything a change can touch.
#[derive(Clone)]
struct Version<'a> {
    facts: RouteFacts,
    controls: &'a Controls,
    words: Vec<String>,
}

/// Every minimal set of changes that leads to a lower band or an easier route than now. A
/// set is minimal when no smaller one leads at least as far. The list is exhaustive and
/// begins with the fewest changes.
pub fn cheapest_path(facts: &RouteFacts, controls: &Controls, rubric: &Rubric) -> Vec<PathStep> {
    let start = Version {
        facts: *facts,
        controls,
        words: Vec::new(),
    };
    let met = all_met(controls);
    let now = assess(&start, rubric);
    let reached: Vec<(Steps, Version, (Score, Route))> = all_versions(&start, &met)
        .into_iter()
        .map(|(steps, version)| {
            let outcome = assess(&version, rubric);
            (steps, version, outcome)
        })
        .filter(|(_, _, outcome)| rank(outcome) != rank(&now) && as_good(rank(outcome), rank(&now)))
        .collect();
    let mut path: Vec<(&Steps, PathStep)> = reached
        .iter()
        .filter(|(steps, _, outcome)| {
            !reached.iter().any(|(other, _, reaches)| {
                smaller(other, steps) && as_good(rank(reaches), rank(outcome))
            })
        })
        .map(|(steps, version, outcome)| (steps, step(version, outcome)))
        .collect();
    path.sort_by_key(|(steps, step)| {
        (
            step.changes.len(),
            steps.iter().sum::<usize>(),
            step.score_after,
        )
    });
    path.into_iter().map(|(_, step)| step).collect()
}

fn assess(version: &Version, rubric: &Rubric) -> (Score, Route) {
    let score = score(&version.facts.factors, rubric);
    let route = route(&score, &version.facts, version.controls);
    (score, route)
}

/// What counts as further: band, lane, and whether a second reviewer is asked.
fn rank((score, route): &(Score, Route)) -> (Band, Lane, bool) {
    (score.band, route.lane, route.second_reviewer)
}

/// Whether `a` is at least as far as `b` in every respect.
fn as_good(a: (Band, Lane, bool), b: (Band, Lane, bool)) -> bool {
    a.0 <= b.0 && a.1 <= b.1 && a.2 <= b.2
}

/// Whether `a` changes no dimension further than `b`, and one less far.
fn smaller(a: &Steps, b: &Steps) -> bool {
    a != b && a.iter().zip(b).all(|(a, b)| a <= b)
}

fn step(version: &Version, (score, route): &(Score, Route)) -> PathStep {
    PathStep {
        change: version.words.join(" and "),
        changes: version.words.clone(),
        score_after: score.score,
        band_after: score.band,
        route_after: route.lane,
    }
}

/// What can be changed in one respect, from the smallest change to the largest.
type Dimension<'f, 'a> = &'f dyn Fn(&Version<'a>) -> Vec<Version<'a>>;

/// Every combination of changes, the empty one included.
fn all_versions<'a>(start: &Version<'a>, met: &'a Controls) -> Vec<(Steps, Version<'a>)> {
    let dimensions: [Dimension<'_, 'a>; 6] = [
        &data,
        &users,
        &connectivity,
        &third_party,
        &machine,
        &|version| missing(version, met),
    ];
    let mut versions = vec![([0; 6], start.clone())];
    for (place, dimension) in dimensions.into_iter().enumerate() {
        let mut more = Vec::new();
        for (steps, version) in &versions {
            for (further, changed) in dimension(version).into_iter().enumerate() {
                let mut steps = *steps;
                if let Some(step) = steps.get_mut(place) {
                    *step = further + 1;
                }
                more.push((steps, changed));
            }
        }
        versions.extend(more);
    }
    versions
}

impl Version<'_> {
    fn with(&self, words: String, change: impl FnOnce(&mut RouteFacts)) -> Self {
        let mut version = self.clone();
        change(&mut version.facts);
        version.words.push(words);
        version
    }
}

fn data<'a>(version: &Version<'a>) -> Vec<Version<'a>> {
    let now = version.facts.factors.data;
    Classification::ALL
        .into_iter()
        .rev()
        .filter(|class| *class < now)
        .map(|class| {
            version.with(
                format!("mask or leave out the {now} data, so that nothing above {class} is left"),
                |facts| facts.factors.data = class,
            )
        })
        .collect()
}

fn users<'a>(version: &Version<'a>) -> Vec<Version<'a>> {
    let band = UserBand::of(version.facts.factors.users);
    [
        (UserBand::Some, 100, "let 100 people at most use it"),
        (UserBand::Few, 9, "let fewer than 10 people use it"),
    ]
    .into_iter()
    .filter(|(lower, _, _)| *lower < band)
    .map(|(_, users, words)| version.with(words.to_owned(), |facts| facts.factors.users = users))
    .collect()
}

fn connectivity<'a>(version: &Version<'a>) -> Vec<Version<'a>> {
    let now = version.facts.factors.connectivity;
    [
        (
            Connectivity::SaasConnector,
            "use SaaS connectors of the catalogue instead of other APIs",
        ),
        (Connectivity::None, "connect to nothing outside"),
    ]
    .into_iter()
    .filter(|(lower, _)| *lower < now)
    .map(|(lower, words)| {
        version.with(words.to_owned(), |facts| facts.factors.connectivity = lower)
    })
    .collect()
}

fn third_party<'a>(version: &Version<'a>) -> Vec<Version<'a>> {
    if !version.facts.factors.third_party_code {
        return Vec::new();
    }
    vec![
        version.with("leave out the third-party code".to_owned(), |facts| {
            facts.factors.third_party_code = false;
        }),
    ]
}

fn machine<'a>(version: &Version<'a>) -> Vec<Version<'a>> {
    let facts = &version.facts;
    let agent = facts.factors.execution == Execution::DesktopAgent;
    let drop_agent = version.with("do without the desktop agent".to_owned(), |facts| {
        facts.factors.execution = Execution::Sandboxed;
    });
    let drop_all = |words: &str| {
        version.with(words.to_owned(), |facts| {
            facts.factors.execution = Execution::Sandboxed;
            facts.files_or_automation = false;
        })
    };
    match (agent, facts.files_or_automation) {
        (false, false) => Vec::new(),
        (true, false) => vec![drop_agent],
        (false, true) => vec![drop_all("do without local files and automation")],
        (true, true) => vec![
            drop_agent,
            drop_all("do without the desktop agent, local files and automation"),
        ],
    }
}

/// All missing controls are one change: fewer of them change neither band nor route.
fn missing<'a>(version: &Version<'a>, met: &'a Controls) -> Vec<Version<'a>> {
    let titles: Vec<&str> = version
        .controls
        .missing_for_approval()
        .map(|control| control.id.title())
        .collect();
    if titles.is_empty() {
        return Vec::new();
    }
    let mut changed = version.clone();
    changed.words.push(format!("add {}", titles.join(", ")));
    changed.controls = met;
    vec![changed]
}

fn all_met(controls: &Controls) -> Controls {
    let mut met = controls.clone();
    for Control { status, .. } in &mut met.0 {
        if matches!(status, Status::Unmet { .. }) {
            *status = Status::Met;
        }
    }
    met
}
