//! Recording decisions: who must not be the same person, whose turn it is, what is granted.

use super::{Approval, Capacity, Decision, Lane, Progress, Terms, Verdict, ceiling};
use crate::app::Environment;
use crate::evidence::{ControlId, Refusal, Status, Unmet};
use crate::intake::{Request, RequestState};
use crate::limits::COMMENT_MAX;
use crate::time::Timestamp;

/// Controls without which nobody can approve anything (R34, R35, R36, R42).
pub const REQUIRED: [ControlId; 5] = [
    ControlId::Owner,
    ControlId::SecondOwner,
    ControlId::RemediationSla,
    ControlId::RetentionLabel,
    ControlId::Justification,
];

/// Whose decision the request still waits for, in the order of the handbook. They may
/// decide in any order; none when the case is closed.
pub fn turns(request: &Request) -> Vec<Capacity> {
    if !matches!(
        request.state,
        RequestState::Submitted | RequestState::InReview
    ) {
        return Vec::new();
    }
    let route = &request.route;
    let asked = [
        (Capacity::Reviewer, route.lane == Lane::Review),
        (Capacity::SecondReviewer, route.second_reviewer),
        (Capacity::Sponsor, route.sponsor),
    ];
    asked
        .into_iter()
        .filter(|(capacity, asked)| *asked && !decided(request, *capacity))
        .map(|(capacity, _)| capacity)
        .collect()
}

fn decided(request: &Request, capacity: Capacity) -> bool {
    request
        .decisions
        .iter()
        .any(|decision| decision.capacity == capacity)
}

/// Lets the rules approve a request that was just handed in, in the reviewer's place (R31).
/// Where the sponsor is asked, only the sandbox opens until then.
pub fn auto_approve(request: &Request, terms: Terms, now: Timestamp) -> Result<Progress, Refusal> {
    let mut unmet = required_controls(request);
    if request.state != RequestState::Submitted {
        unmet.push(closed(request));
    }
    if request.route.lane != Lane::Auto || request.route.second_reviewer {
        unmet.push(rule(
            "reviewer-decision",
            "platform and security decide what is not low risk",
            request.route.reasons.join("; "),
            "wait for the reviewer, or follow the cheapest path to yes",
        ));
    }
    Refusal::unless_empty(unmet)?;
    Ok(advance(request.clone(), terms, now))
}

/// Records one person's decision on `request` and says what it led to.
///
/// The refusal lists everything that speaks against it: the case is closed, nobody asked
/// for a decision in that capacity, the person would decide their own request or decide
/// twice, or a control is missing without which nobody can approve. After
/// [`Progress::Rejected`] an approval that had opened the sandbox is void.
pub fn record(request: &Request, decision: Decision, terms: Terms) -> Result<Progress, Refusal> {
    let mut unmet = Vec::new();
    let open = turns(request);
    if open.is_empty() {
        unmet.push(closed(request));
    } else if !open.contains(&decision.capacity) {
        let waits: Vec<&str> = open.iter().map(|capacity| capacity.title()).collect();
        unmet.push(rule(
            decision.capacity.control(),
            "only those decide whose turn it is",
            format!(
                "the request waits for no decision of a {}: it waits for the {}",
                decision.capacity.title(),
                waits.join(" and the ")
            ),
            "leave it to those whose turn it is",
        ));
    }
    unmet.extend(separation(request, &decision));
    unmet.extend(words(&decision));
    if decision.verdict == Verdict::Approve {
        unmet.extend(required_controls(request));
    }
    Refusal::unless_empty(unmet)?;

    let mut request = request.clone();
    let (verdict, at) = (decision.verdict, decision.at);
    request.decisions.push(decision);
    if verdict == Verdict::Reject {
        request.state = RequestState::Rejected;
        request.revision = request.revision.saturating_add(1);
        return Ok(Progress::Rejected { request });
    }
    Ok(advance(request, terms, at))
}

/// Moves the request on after a yes. This is the only place where an approval comes from.
fn advance(mut request: Request, terms: Terms, now: Timestamp) -> Progress {
    request.state = RequestState::InReview;
    request.revision = request.revision.saturating_add(1);
    let turns = turns(&request);
    // The sponsor opens production; the sandbox waits for the reviewers alone.
    if turns.iter().any(|capacity| *capacity != Capacity::Sponsor)
        || reviewers_outstanding(&request)
    {
        return Progress::Waiting { request, turns };
    }
    let id = request.approval.clone().unwrap_or(terms.id);
    let granted_at = request.granted_at.unwrap_or(now);
    request.approval = Some(id.clone());
    request.granted_at = Some(granted_at);
    let up_to = if turns.is_empty() {
        request.state = RequestState::Approved;
        ceiling(&request.charter, request.artifact.is_some())
    } else {
        Environment::Sandbox
    };
    let approval = Approval {
        id,
        request: request.id.clone(),
        app: request.app.clone(),
        version: request.charter.version.clone(),
        charter_digest: request.charter_digest,
        artifact: request.artifact_digest(),
        score: request.score.score,
        band: request.score.band,
        addends: request.score.addends.clone(),
        route: request.route.clone(),
        rubric_digest: request.rubric_digest,
        policy_digest: terms.policy_digest,
        conditions: request
            .decisions
            .iter()
            .flat_map(|decision| decision.conditions.iter().cloned())
            .collect(),
        up_to,
        granted_at,
        expires_at: granted_at.plus(terms.valid_for),
        decisions: request.decisions.clone(),
        voided: None,
    };
    Progress::Granted {
        request,
        approval,
        turns,
    }
}

/// Whether a reviewer that the route asks for has not said yes.
fn reviewers_outstanding(request: &Request) -> bool {
    let yes = |capacity| {
        request
            .decisions
            .iter()
            .any(|decision| decision.capacity == capacity && decision.verdict == Verdict::Approve)
    };
    (request.route.lane == Lane::Review && !yes(Capacity::Reviewer))
        || (request.route.second_reviewer && !yes(Capacity::SecondReviewer))
}

/// Keeps apart the people who must not be the same person.
fn separation(request: &Request, decision: &Decision) -> Vec<Unmet> {
    let app = &request.charter.app;
    let mut unmet = Vec::new();
    if app.developer.as_ref() == Some(&decision.by) || request.submitted_by == decision.by {
        unmet.push(rule(
            "separation-of-duties",
            "nobody decides their own request",
            format!("`{}` builds the app or handed the request in", decision.by),
            "let somebody else decide",
        ));
    }
    let before = request
        .decisions
        .iter()
        .find(|earlier| earlier.by == decision.by);
    if let Some(earlier) = before {
        unmet.push(rule(
            "distinct-people",
            "each decision is somebody else's",
            format!(
                "`{}` decided already, as {}",
                decision.by,
                earlier.capacity.title()
            ),
            "let somebody else decide",
        ));
    }
    let owns = [&app.owner, &app.second_owner]
        .into_iter()
        .any(|owner| owner.as_ref() == Some(&decision.by));
    if decision.capacity == Capacity::Sponsor && !owns {
        unmet.push(rule(
            "sponsor-decision",
            "the sponsor is the app's owner or second owner",
            format!("`{}` is neither", decision.by),
            "let the owner or the second owner decide",
        ));
    }
    unmet
}

fn words(decision: &Decision) -> Vec<Unmet> {
    let mut unmet = Vec::new();
    if decision.verdict == Verdict::Reject && decision.comment.trim().is_empty() {
        unmet.push(rule(
            "comment",
            "a refusal says why",
            "the refusal has no comment".to_owned(),
            "write why, and what would change it",
        ));
    }
    let length: usize = std::iter::once(&decision.comment)
        .chain(&decision.conditions)
        .map(|text| text.chars().count())
        .sum();
    if length > COMMENT_MAX {
        unmet.push(rule(
            "comment",
            "comment and conditions fit on two pages",
            format!("they have {length} characters: {COMMENT_MAX} at most"),
            "shorten them",
        ));
    }
    unmet
}

/// The controls of [`REQUIRED`] that the request does not meet.
fn required_controls(request: &Request) -> Vec<Unmet> {
    REQUIRED
        .into_iter()
        .filter_map(|id| match request.controls.status(id) {
            Some(Status::Unmet { reason, remedy }) => {
                Some(rule(id.as_str(), id.title(), reason.clone(), remedy))
            }
            Some(_) => None,
            None => Some(rule(
                id.as_str(),
                id.title(),
                "it was never looked at".to_owned(),
                "hand the request in again",
            )),
        })
        .collect()
}

fn closed(request: &Request) -> Unmet {
    rule(
        "request-open",
        "only an open request can be decided",
        format!(
            "the request is {}",
            request.state.as_str().replace('_', " ")
        ),
        "hand in a new request",
    )
}

fn rule(control: &str, requirement: &str, reason: String, remedy: &str) -> Unmet {
    Unmet {
        control: control.to_owned(),
        requirement: requirement.to_owned(),
        reason,
        remedy: remedy.to_owned(),
        policy: String::new(),
    }
}
