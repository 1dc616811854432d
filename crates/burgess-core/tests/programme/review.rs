//! Reviews, idleness and the exit checklist, on a clock that only the tests turn.

use burgess_core::digest::Digest;
use burgess_core::id::{AppId, CredentialId, ReviewId};
use burgess_core::lifecycle::State;
use burgess_core::retirement::{
    ArchiveRecord, CredentialProof, ExitDraft, Idleness, RetirementSchedule, idleness,
};
use burgess_core::review::{Cadence, Completed, Outcome, Review, ReviewError};
use burgess_core::risk::Band;
use burgess_core::time::{Span, Timestamp};

use crate::sample::{mail, now};

fn app() -> AppId {
    AppId::parse("microapp-sales-quoting").unwrap()
}

/// Days from approval on which an app of that band is reviewed in a year.
fn days_of_a_year(band: Band) -> Vec<i64> {
    let cadence = Cadence::default();
    let mut last = now();
    let mut days = Vec::new();
    while cadence.next_due(band, last) <= now().plus(Span::days(365)) {
        last = cadence.next_due(band, last);
        days.push(last.since(now()).as_days());
    }
    days
}

// R61
#[test]
fn a_medium_app_is_reviewed_every_quarter() {
    assert_eq!(days_of_a_year(Band::Medium), [90, 180, 270, 360]);
}

// R62
#[test]
fn a_high_app_is_reviewed_every_month() {
    let days = days_of_a_year(Band::High);
    assert_eq!((days.len(), days.first()), (12, Some(&30)));
}

#[test]
fn a_low_app_is_reviewed_once_a_year() {
    assert_eq!(days_of_a_year(Band::Low), [365]);
}

#[test]
fn a_review_is_completed_once_and_with_a_note() {
    let due = now().plus(Span::days(30));
    let review = Review::open(
        ReviewId::parse("rev_1").unwrap(),
        app(),
        Band::High,
        due,
        now(),
    );
    assert!(!review.is_overdue(due));
    assert!(review.is_overdue(due.plus(Span::seconds(1))));
    let done = |note: &str| Completed {
        outcome: Outcome::Continue,
        by: mail("rey"),
        at: now(),
        note: note.to_owned(),
    };
    assert_eq!(
        review.clone().complete(done("  ")),
        Err(ReviewError::NoNote)
    );
    let review = review.complete(done("looked at its calls")).unwrap();
    assert!(!review.is_overdue(due.plus(Span::days(9))));
    assert_eq!(review.complete(done("again")), Err(ReviewError::Completed));
}

fn after(days: i64, less_seconds: i64) -> Idleness {
    let then = now();
    let at = Timestamp::from_seconds(then.as_seconds() + days * 86_400 - less_seconds);
    idleness(State::Production, then, at)
}

// R66
#[test]
fn ninety_idle_days_remind_the_owner_and_not_a_second_earlier() {
    assert_eq!(after(90, 1), Idleness::InUse);
    assert_eq!(after(90, 0), Idleness::Remind);
    assert_eq!(after(180, 1), Idleness::Remind);
}

// R67
#[test]
fn a_hundred_and_eighty_idle_days_schedule_the_retirement() {
    assert_eq!(after(180, 0), Idleness::Schedule);
    for state in [
        State::Requested,
        State::Rejected,
        State::Quarantined,
        State::RetirementScheduled,
        State::Retired,
    ] {
        assert_eq!(
            idleness(state, Timestamp::EPOCH, now()),
            Idleness::InUse,
            "{state}"
        );
    }
    let schedule = RetirementSchedule::new(app(), "unused for 180 days", now());
    assert!(!schedule.is_due(now().plus(Span::days(29))));
    assert!(schedule.is_due(now().plus(Span::days(30))));
}

fn complete() -> ExitDraft {
    ExitDraft {
        app: app(),
        credentials: vec![CredentialProof {
            credential: CredentialId::parse("crd_1").unwrap(),
            revoked_at: Some(now()),
            refused_at: Some(now().plus(Span::seconds(2))),
        }],
        live_deployments: 0,
        archive: Some(ArchiveRecord::new(
            Digest::of(b"archive"),
            "sales-3y",
            1_095,
            now(),
        )),
        retention_label: Some("sales-3y".to_owned()),
        lessons_learned: "the price list now has a search of its own".to_owned(),
        signed_by: Some(mail("olu")),
    }
}

fn refused(draft: ExitDraft, control: &str) {
    let refusal = draft.complete(now()).unwrap_err();
    assert!(refusal.names(control), "{refusal}");
    assert_eq!(refusal.unmet.len(), 1, "{refusal}");
}

// R63
#[test]
fn nothing_retires_while_a_credential_still_works_or_was_not_tried() {
    assert!(complete().complete(now()).is_ok());
    for (revoked_at, refused_at) in [
        (None, None),
        (None, Some(now())),
        (Some(now()), None),
        (Some(now()), Some(Timestamp::EPOCH)),
    ] {
        let mut draft = complete();
        draft.credentials[0].revoked_at = revoked_at;
        draft.credentials[0].refused_at = refused_at;
        refused(draft, "credentials-revoked");
    }
    refused(
        ExitDraft {
            live_deployments: 1,
            ..complete()
        },
        "deployments-ended",
    );
}

// R64
#[test]
fn nothing_retires_without_an_archive_under_the_label_with_its_expiry() {
    refused(
        ExitDraft {
            archive: None,
            ..complete()
        },
        "data-archived",
    );
    refused(
        ExitDraft {
            retention_label: Some("legal-10y".to_owned()),
            ..complete()
        },
        "data-archived",
    );
    let checklist = complete().complete(now()).unwrap();
    assert_eq!(checklist.archive().label, "sales-3y");
    assert_eq!(
        checklist.archive().expires_at,
        now().plus(Span::days(1_095))
    );
}

// R65
#[test]
fn nothing_retires_without_lessons_learned() {
    for text in ["", " \n\t "] {
        refused(
            ExitDraft {
                lessons_learned: text.to_owned(),
                ..complete()
            },
            "lessons-learned",
        );
    }
}

#[test]
fn an_incomplete_checklist_names_everything_at_once() {
    let draft = ExitDraft {
        archive: None,
        lessons_learned: String::new(),
        signed_by: None,
        live_deployments: 2,
        ..complete()
    };
    assert_eq!(draft.complete(now()).unwrap_err().unmet.len(), 4);
}
