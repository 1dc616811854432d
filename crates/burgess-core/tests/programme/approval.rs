//! Who decides, what opens when, and what voids an approval.

use burgess_core::app::Environment;
use burgess_core::approval::{
    Approval, Capacity, Decision, Lane, Lapse, Progress, Verdict, auto_approve, delta_for_review,
    lapse, record, reopens, turns,
};
use burgess_core::charter::Charter;
use burgess_core::digest::Digest;
use burgess_core::evidence::Refusal;
use burgess_core::intake::{Request, RequestState, SlaStatus};
use burgess_core::time::Span;

use crate::sample::{SMALL, WHOLE, artifact, evidence, mail, now, request, small, terms, whole};

fn decision(who: &str, capacity: Capacity, verdict: Verdict) -> Decision {
    Decision {
        by: mail(who),
        capacity,
        verdict,
        at: now().plus(Span::hours(1)),
        comment: "looked at everything".to_owned(),
        conditions: Vec::new(),
    }
}

fn yes(request: &Request, who: &str, capacity: Capacity) -> Result<Progress, Refusal> {
    record(request, decision(who, capacity, Verdict::Approve), terms())
}

/// The published sample, with an agent or without, handed in.
fn quoting(agent: bool) -> Request {
    let text = WHOLE.replacen(
        "justification = \"\"",
        "justification = \"it files the quotes\"",
        1,
    );
    let text = if agent {
        text
    } else {
        text.replacen(
            "files = [{ path = \"~/Quotes\", access = \"read\" }]",
            "files = []",
            1,
        )
    };
    let charter = Charter::parse(&text).unwrap();
    request(&charter, Some(artifact()), &evidence())
}

fn granted(progress: Progress) -> (Request, Approval, Vec<Capacity>) {
    match progress {
        Progress::Granted {
            request,
            approval,
            turns,
        } => (request, approval, turns),
        other => panic!("not granted: {other:#?}"),
    }
}

fn refused(progress: Result<Progress, Refusal>, control: &str) {
    let refusal = progress.unwrap_err();
    assert!(refusal.names(control), "{refusal}");
    assert!(refusal.unmet.iter().all(|unmet| !unmet.remedy.is_empty()));
}

// R31
#[test]
fn the_rules_approve_a_low_risk_request_at_once() {
    let request = request(&small(), Some(artifact()), &evidence());
    assert_eq!(request.route.lane, Lane::Auto);
    let (request, approval, turns) = granted(auto_approve(&request, terms(), now()).unwrap());
    assert!(turns.is_empty());
    assert_eq!(request.state, RequestState::Approved);
    assert_eq!(
        (approval.up_to, approval.decisions.len()),
        (Environment::Sandbox, 0)
    );
    assert_eq!(approval.expires_at, now().plus(Span::days(365)));
    refused(
        auto_approve(&quoting(false), terms(), now()),
        "reviewer-decision",
    );
    refused(auto_approve(&request, terms(), now()), "request-open");
}

// R32
#[test]
fn a_high_risk_request_waits_for_the_reviewer() {
    let request = quoting(false);
    assert_eq!(request.route.lane, Lane::Review);
    assert_eq!(turns(&request), [Capacity::Reviewer, Capacity::Sponsor]);
    match yes(&request, "olu", Capacity::Sponsor).unwrap() {
        Progress::Waiting { turns, .. } => assert_eq!(turns, [Capacity::Reviewer]),
        other => panic!("{other:#?}"),
    }
}

// R16 R28
#[test]
fn the_sandbox_opens_after_the_reviewer_and_production_after_the_sponsor() {
    let (request, first, turns) = granted(yes(&quoting(false), "rey", Capacity::Reviewer).unwrap());
    assert_eq!(
        (first.up_to, turns),
        (Environment::Sandbox, vec![Capacity::Sponsor])
    );
    assert_eq!(request.state, RequestState::InReview);
    let (request, second, turns) = granted(yes(&request, "olu", Capacity::Sponsor).unwrap());
    assert_eq!((second.up_to, turns.len()), (Environment::Production, 0));
    assert_eq!(
        (&second.id, second.granted_at),
        (&first.id, first.granted_at)
    );
    assert!(second.has_sponsor() && !first.has_sponsor());
    assert_eq!(request.state, RequestState::Approved);
    assert_eq!(second.charter_digest, request.charter.digest());
    assert_eq!(second.artifact, Some(artifact().normalised));
}

// R43
#[test]
fn local_files_need_a_second_distinct_reviewer() {
    let request = quoting(true);
    assert!(request.route.second_reviewer);
    let request = match yes(&request, "rey", Capacity::Reviewer).unwrap() {
        Progress::Waiting { request, turns } => {
            assert_eq!(turns, [Capacity::SecondReviewer, Capacity::Sponsor]);
            request
        }
        other => panic!("opened without the second reviewer: {other:#?}"),
    };
    refused(
        yes(&request, "rey", Capacity::SecondReviewer),
        "distinct-people",
    );
    let (_, approval, _) = granted(yes(&request, "sol", Capacity::SecondReviewer).unwrap());
    assert_eq!(approval.up_to, Environment::Sandbox);
}

#[test]
fn nobody_decides_their_own_request() {
    let mut request = quoting(false);
    request.submitted_by = mail("sam");
    for who in ["dana", "sam"] {
        for capacity in [Capacity::Reviewer, Capacity::Sponsor] {
            refused(yes(&request, who, capacity), "separation-of-duties");
        }
        let no = decision(who, Capacity::Reviewer, Verdict::Reject);
        refused(record(&request, no, terms()), "separation-of-duties");
    }
}

// R16
#[test]
fn only_the_owner_or_the_second_owner_decides_as_sponsor() {
    let request = quoting(false);
    refused(yes(&request, "rey", Capacity::Sponsor), "sponsor-decision");
    for who in ["olu", "mei"] {
        assert!(yes(&request, who, Capacity::Sponsor).is_ok(), "{who}");
    }
    let (request, _, _) = granted(yes(&request, "olu", Capacity::Reviewer).unwrap());
    refused(yes(&request, "olu", Capacity::Sponsor), "distinct-people");
}

#[test]
fn a_no_ends_the_case_and_says_why() {
    let request = quoting(false);
    let mut no = decision("rey", Capacity::Reviewer, Verdict::Reject);
    let Progress::Rejected { request: ended } = record(&request, no.clone(), terms()).unwrap()
    else {
        panic!("not rejected");
    };
    assert_eq!(ended.state, RequestState::Rejected);
    refused(yes(&ended, "olu", Capacity::Sponsor), "request-open");
    no.comment = "  ".to_owned();
    refused(record(&request, no, terms()), "comment");
}

#[test]
fn two_decisions_in_one_capacity_are_one_too_many() {
    let (request, _, _) = granted(yes(&quoting(false), "rey", Capacity::Reviewer).unwrap());
    refused(
        yes(&request, "sol", Capacity::Reviewer),
        "reviewer-decision",
    );
    assert_eq!(request.revision, 2);
}

fn without(text: &str, control: &str) {
    assert!(SMALL.contains(text), "{text}");
    let charter = Charter::parse(&SMALL.replacen(text, "", 1)).unwrap();
    let request = request(&charter, Some(artifact()), &evidence());
    refused(yes(&request, "rey", Capacity::Reviewer), control);
    refused(auto_approve(&request, terms(), now()), control);
    // Saying no is possible all the same.
    assert!(
        record(
            &request,
            decision("rey", Capacity::Reviewer, Verdict::Reject),
            terms()
        )
        .is_ok()
    );
}

// R34
#[test]
fn nobody_approves_an_app_without_an_owner() {
    without("owner = \"olu@example.com\"\n", "owner");
    without("second_owner = \"mei@example.com\"\n", "second-owner");
}

// R35
#[test]
fn nobody_approves_an_app_without_a_remediation_sla() {
    without("[support]\nremediation_sla = \"5d\"\n", "remediation-sla");
}

// R36
#[test]
fn nobody_approves_an_app_without_a_labelled_retention_policy() {
    without(
        "[retention]\nlabel = \"sales-3y\"\ndays = 1095\n",
        "retention-label",
    );
}

// R42
#[test]
fn nobody_approves_local_files_without_a_justification() {
    let request = request(&whole(), Some(artifact()), &evidence());
    refused(yes(&request, "rey", Capacity::Reviewer), "justification");
}

#[test]
fn a_refusal_lists_everything_that_is_missing_at_once() {
    let text = SMALL
        .replace("remediation_sla = \"5d\"\n", "")
        .replace("second_owner = \"mei@example.com\"\n", "");
    let request = request(
        &Charter::parse(&text).unwrap(),
        Some(artifact()),
        &evidence(),
    );
    let refusal = yes(&request, "dana", Capacity::Reviewer).unwrap_err();
    for control in ["second-owner", "remediation-sla", "separation-of-duties"] {
        assert!(refusal.names(control), "{control} is not in {refusal}");
    }
}

#[test]
fn without_an_artifact_only_the_sandbox_opens() {
    let mut charter = whole();
    charter.capabilities = Default::default();
    let request = request(&charter, None, &evidence());
    let (request, _, _) = granted(yes(&request, "rey", Capacity::Reviewer).unwrap());
    let (_, approval, turns) = granted(yes(&request, "olu", Capacity::Sponsor).unwrap());
    assert_eq!(
        (approval.up_to, approval.artifact, turns.len()),
        (Environment::Sandbox, None, 0)
    );
}

#[test]
fn conditions_of_all_who_decide_stand_in_the_approval() {
    let mut with = decision("rey", Capacity::Reviewer, Verdict::Approve);
    with.conditions = vec!["read-only".to_owned()];
    let (request, _, _) = granted(record(&quoting(false), with, terms()).unwrap());
    let mut with = decision("olu", Capacity::Sponsor, Verdict::Approve);
    with.conditions = vec!["until the fair".to_owned()];
    let (_, approval, _) = granted(record(&request, with, terms()).unwrap());
    assert_eq!(approval.conditions, ["read-only", "until the fair"]);
}

// R33
#[test]
fn a_review_warns_after_48_hours_and_is_late_after_72() {
    let sla = quoting(false).sla.unwrap();
    for (hours, expected) in [
        (0, SlaStatus::InTime),
        (47, SlaStatus::InTime),
        (48, SlaStatus::Warned),
        (71, SlaStatus::Warned),
        (72, SlaStatus::Breached),
    ] {
        assert_eq!(
            sla.status(now().plus(Span::hours(hours))),
            expected,
            "{hours} h"
        );
    }
}

fn approved() -> (Approval, Charter) {
    let request = quoting(false);
    let (request, _, _) = granted(yes(&request, "rey", Capacity::Reviewer).unwrap());
    let (request, mut approval, _) = granted(yes(&request, "olu", Capacity::Sponsor).unwrap());
    approval.conditions.push("read-only".to_owned());
    (approval, request.charter)
}

#[test]
fn an_approval_lapses_by_material_change_artifact_condition_or_time_and_by_nothing_else() {
    let (approval, charter) = approved();
    let same = Some(artifact().normalised);
    let later = now().plus(Span::days(1));
    assert_eq!(lapse(&approval, &charter, &charter, same, &[], later), None);
    let mut contact = charter.clone();
    contact.support.contacts.push("#more".to_owned());
    contact.app.name = "Quotes".to_owned();
    assert_eq!(lapse(&approval, &charter, &contact, same, &[], later), None);
    assert_eq!(lapse(&approval, &charter, &charter, None, &[], later), None);
    let mut scope = charter.clone();
    scope.connector[0].scopes.push("quotes:write".to_owned());
    let changed = lapse(&approval, &charter, &scope, same, &[], later);
    assert_eq!(
        changed,
        Some(Lapse::CharterChanged {
            fields: vec!["connector.salesforce.scopes".to_owned()]
        })
    );
    let other = Some(Digest::of(b"another artifact"));
    assert_eq!(
        lapse(&approval, &charter, &charter, other, &[], later),
        Some(Lapse::ArtifactChanged)
    );
    let failed = ["read-only".to_owned()];
    assert!(matches!(
        lapse(&approval, &charter, &charter, same, &failed, later),
        Some(Lapse::ConditionFailed { .. })
    ));
    assert_eq!(
        lapse(
            &approval,
            &charter,
            &charter,
            same,
            &["not a condition".to_owned()],
            later
        ),
        None
    );
    // Valid for 365 days from the reviewer's decision, an hour after it was handed in.
    let end = now().plus(Span::hours(1)).plus(Span::days(365));
    assert_eq!(
        lapse(&approval, &charter, &charter, same, &[], end),
        Some(Lapse::Expired)
    );
    assert!(approval.is_in_force(end.minus(Span::seconds(1))) && !approval.is_in_force(end));
    let voided = approval.voided(Lapse::Rejected, later);
    assert_eq!(
        lapse(&voided, &charter, &charter, same, &[], later),
        Some(Lapse::Rejected)
    );
}

#[test]
fn a_new_rubric_reopens_review_only_when_it_is_stricter() {
    let (approval, _) = approved();
    let mut route = approval.route.clone();
    assert_eq!(reopens(&approval, &route, now()), None);
    route.second_reviewer = true;
    assert_eq!(
        reopens(&approval, &route, now()),
        Some(now().plus(Span::days(14)))
    );
    route.second_reviewer = false;
    route.sponsor = false;
    assert_eq!(reopens(&approval, &route, now()), None);
}

#[test]
fn only_the_difference_returns_to_review() {
    let (approval, charter) = approved();
    let mut next = charter.clone();
    next.connector[0].scopes.push("quotes:write".to_owned());
    let score = quoting(false).score;
    let delta = delta_for_review(&approval, &charter, &next, approval.artifact, &score);
    assert_eq!(delta.changes.len(), 1);
    assert!(delta.risk_unchanged() && !delta.artifact_changed && !delta.is_immaterial());
    let same = delta_for_review(&approval, &charter, &charter, approval.artifact, &score);
    assert!(same.is_immaterial());
}
