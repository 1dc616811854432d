//! What every back end has to do. Nothing here knows which one it is.

use std::future::Future;
use std::pin::Pin;

use burgess_core::app::Environment;
use burgess_core::credential::CredentialState;
use burgess_core::data::Classification;
use burgess_core::digest::Digest;
use burgess_core::finding::Severity;
use burgess_core::id::AppId;
use burgess_core::retirement::RetirementSchedule;
use burgess_core::roles::Role;
use burgess_core::time::Span;
use burgess_store::{
    Alert, AlertState, Answer, AppFilter, Attempt, Change, ConnectorSecret, EvidenceItem,
    EvidenceKind, Invite, KeyState, Redeemed, Reminder, Retirement, SessionTerms, Setting, Store,
    SubjectErasure, SubjectKey, Versioned, WrappedKey, Write,
};

use crate::fixture::*;

type Case = fn(Store) -> Pin<Box<dyn Future<Output = ()> + Send>>;

macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        const CASES: &[(&str, Case)] = &[$((stringify!($name), |store| Box::pin($name(store)))),*];
    };
}

cases!(
    the_inventory_lists_every_app_by_owner_class_and_state,
    the_queue_is_ordered_by_its_clocks,
    versions_credentials_and_evidence_read_back_as_written,
    an_invite_opens_one_session_and_both_expire,
    a_leaver_is_signed_out_and_loses_no_record,
    a_retry_gets_the_first_answer_again,
    a_subject_key_is_made_once_and_erased_for_good,
    telemetry_belongs_to_one_artifact,
    the_outbox_numbers_are_dense_and_drain_in_order,
    secrets_settings_alerts_and_reminders_read_back_as_written,
    blobs_are_found_by_their_bytes,
);

#[tokio::test]
async fn every_case_holds_on_sqlite() {
    for (name, case) in CASES {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), NOW).await.unwrap();
        activate_policy(&store).await;
        println!("{name}");
        case(store).await;
    }
}

// R2
#[tokio::test]
async fn the_inventory_shows_id_owner_class_and_state_of_every_app() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), NOW).await.unwrap();
    activate_policy(&store).await;
    the_inventory_lists_every_app_by_owner_class_and_state(store).await;
}

async fn the_inventory_lists_every_app_by_owner_class_and_state(store: Store) {
    for name in ["alpha", "beta", "gamma"] {
        register(&store, name).await;
    }
    let all = store.apps(&AppFilter::default()).await.unwrap();
    let seen: Vec<(&str, &str, &str, &str)> = all
        .iter()
        .map(|it| {
            (
                it.id.as_str(),
                it.owner.as_str(),
                it.classification.as_str(),
                it.state.as_str(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("microapp-alpha", "olu@example.com", "pii", "requested"),
            ("microapp-beta", "olu@example.com", "pii", "requested"),
            ("microapp-gamma", "olu@example.com", "pii", "requested"),
        ]
    );
    let count = async |filter: AppFilter| store.apps(&filter).await.unwrap().len();
    let owner = |address| AppFilter {
        owner: Some(email(address)),
        ..AppFilter::default()
    };
    assert_eq!(count(owner("olu@example.com")).await, 3);
    assert_eq!(count(owner("dana@example.com")).await, 0);
    let person = AppFilter {
        person: Some(email("dana@example.com")),
        ..AppFilter::default()
    };
    assert_eq!(count(person).await, 3);
    let class = |class| AppFilter {
        classification: Some(class),
        ..AppFilter::default()
    };
    assert_eq!(count(class(Classification::Pii)).await, 3);
    assert_eq!(count(class(Classification::Public)).await, 0);
    // Use is noted beside the record and never goes back.
    let id = app_id("alpha");
    let later = NOW.plus(Span::days(3));
    store.note_app_used(&id, later).await.unwrap();
    store.note_app_used(&id, NOW).await.unwrap();
    let app = store.app(&id).await.unwrap().unwrap();
    assert_eq!((app.last_used_at, app.revision), (later, 1));
    assert!(store.app_exists("microapp-alpha").await.unwrap());
    assert!(!store.app_exists("microapp-delta").await.unwrap());
}

async fn the_queue_is_ordered_by_its_clocks(store: Store) {
    let app = register(&store, "alpha").await;
    let mut late = request("alpha", 1);
    let mut urgent = request("alpha", 2);
    late.sla = late.sla.map(|mut sla| {
        sla.due_at = sla.due_at.plus(Span::hours(5));
        sla
    });
    let mut unclocked = request("alpha", 3);
    unclocked.sla = None;
    urgent.submitted_at = NOW.plus(Span::hours(1));
    for (n, request) in [&late, &urgent, &unclocked].into_iter().enumerate() {
        let change = Change::Request(Box::new(request.clone()));
        let write = write(&format!("s{n}"), &app.id, None, change);
        store
            .commit(vec![write], &for_app(&app.id, 1), NOW)
            .await
            .unwrap();
    }
    let ids: Vec<String> = store
        .queue()
        .await
        .unwrap()
        .iter()
        .map(|request| request.id.to_string())
        .collect();
    assert_eq!(ids, ["req_alpha_2", "req_alpha_1", "req_alpha_3"]);
    let warned = store
        .requests_warned(NOW.plus(Span::hours(48)))
        .await
        .unwrap();
    assert_eq!(warned.len(), 2);
    assert!(
        store
            .requests_warned(NOW.plus(Span::hours(47)))
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(store.request(&late.id).await.unwrap(), Some(late));
}

async fn versions_credentials_and_evidence_read_back_as_written(store: Store) {
    let app = register(&store, "alpha").await;
    let request = submit(&store, "alpha", 1).await;
    let approval = approval(&request, 1);
    let deployment = deployment(&app.id, &approval.id, 1);
    let credential = credential(&app.id, 1, b"secret");
    let item = |kind, name: &str, body: &str| EvidenceItem {
        app: app.id.clone(),
        artifact: Some(Digest::of(b"artifact")),
        kind,
        name: name.to_owned(),
        body: serde_json::json!({ "says": body }),
        blob: None,
        recorded_by: "dana@example.com".to_owned(),
        recorded_at: NOW,
    };
    let first = Versioned::new(item(EvidenceKind::TestResult, "adds up", "failed"));
    let again = first.next(item(EvidenceKind::TestResult, "adds up", "passed"));
    let other = Versioned::new(item(EvidenceKind::TestResult, "rounds", "passed"));
    let changes = [
        Change::Approval(Box::new(Versioned::new(approval.clone()))),
        Change::Deployment(Versioned::new(deployment.clone())),
        Change::Credential(Versioned::new(credential.clone())),
        Change::Evidence(first),
        Change::Evidence(again.clone()),
        Change::Evidence(other.clone()),
    ];
    let writes = changes
        .into_iter()
        .enumerate()
        .map(|(n, change)| write(&format!("w{n}"), &app.id, None, change))
        .collect();
    let committed = store
        .commit(writes, &for_app(&app.id, 1), NOW)
        .await
        .unwrap();
    assert_eq!(committed.source_seqs, [4, 5, 6, 7, 8, 9]);
    let dossier = store.dossier(&app.id).await.unwrap().unwrap();
    assert_eq!(dossier.app, app);
    assert_eq!(dossier.requests, [request]);
    assert_eq!(dossier.approvals, [Versioned::new(approval)]);
    assert_eq!(dossier.deployments, [Versioned::new(deployment)]);
    assert_eq!(dossier.credentials, [Versioned::new(credential)]);
    assert_eq!(
        dossier.evidence.len(),
        2,
        "later evidence takes the place of earlier"
    );
    assert!(dossier.evidence.contains(&again) && dossier.evidence.contains(&other));
    let live = store
        .live_deployments(Some(Environment::Sandbox))
        .await
        .unwrap();
    assert_eq!(live.len(), 1);
    assert!(
        store
            .live_deployments(Some(Environment::Production))
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        store
            .credentials_in(CredentialState::Active)
            .await
            .unwrap()
            .len(),
        1
    );
    assert!(
        store
            .credentials_in(CredentialState::Revoked)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(store.approvals_in_force(NOW).await.unwrap().len(), 1);
    let year = NOW.plus(Span::days(365));
    assert!(store.approvals_in_force(year).await.unwrap().is_empty());
    assert_eq!(store.approvals_expired(year).await.unwrap().len(), 1);
}

async fn an_invite_opens_one_session_and_both_expire(store: Store) {
    hire(&store, "dana@example.com", &[Role::CitizenDeveloper]).await;
    let secret = Digest::of(b"link");
    let invite = |digest| Invite {
        secret_digest: digest,
        person: email("dana@example.com"),
        created_at: NOW,
        expires_at: NOW.plus(Span::hours(1)),
        used_at: None,
    };
    let org = AppId::organisation();
    for (n, digest) in [secret, Digest::of(b"slow")].into_iter().enumerate() {
        let change = Change::Invite(Versioned::new(invite(digest)));
        let write = write(&format!("invite{n}"), &org, None, change);
        store
            .commit(vec![write], &for_organisation(0), NOW)
            .await
            .unwrap();
    }
    let terms = SessionTerms::default();
    let redeem = async |digest, session: &[u8], now| {
        store
            .redeem_invite(digest, Digest::of(session), terms, now)
            .await
            .unwrap()
    };
    assert_eq!(
        redeem(Digest::of(b"no"), b"x", NOW).await,
        Redeemed::Unknown
    );
    let hour = NOW.plus(Span::hours(1));
    assert_eq!(
        redeem(Digest::of(b"slow"), b"x", hour).await,
        Redeemed::Expired(hour)
    );
    let (one, two) = tokio::join!(redeem(secret, b"one", NOW), redeem(secret, b"two", NOW));
    let sessions = [&one, &two]
        .into_iter()
        .filter(|it| matches!(it, Redeemed::Session(_)));
    assert_eq!(sessions.count(), 1, "{one:?} {two:?}");
    assert!([one.clone(), two].contains(&Redeemed::Used(NOW)));
    let name: &[u8] = if matches!(one, Redeemed::Session(_)) {
        b"one"
    } else {
        b"two"
    };
    let session = Digest::of(name);
    let found = async |now| store.session(session, now).await.unwrap().is_some();
    assert!(found(NOW.plus(Span::minutes(29))).await);
    assert!(!found(NOW.plus(Span::minutes(30))).await, "idle");
    store
        .touch_session(session, NOW.plus(Span::minutes(20)))
        .await
        .unwrap();
    assert!(found(NOW.plus(Span::minutes(49))).await);
    // Being seen too late does not bring it back, and never reaches beyond the absolute end.
    store
        .touch_session(session, NOW.plus(Span::hours(13)))
        .await
        .unwrap();
    assert!(!found(NOW.plus(Span::hours(13))).await);
    assert_eq!(
        store
            .prune_sessions(NOW.plus(Span::hours(13)))
            .await
            .unwrap(),
        1
    );
    assert!(!store.end_session(session).await.unwrap());
}

async fn a_leaver_is_signed_out_and_loses_no_record(store: Store) {
    hire(
        &store,
        "dana@example.com",
        &[Role::CitizenDeveloper, Role::Sponsor],
    )
    .await;
    assert_eq!(store.people_with(Role::Sponsor).await.unwrap().len(), 1);
    assert!(store.people_with(Role::Auditor).await.unwrap().is_empty());
    let invite = Invite {
        secret_digest: Digest::of(b"link"),
        person: email("dana@example.com"),
        created_at: NOW,
        expires_at: NOW.plus(Span::hours(1)),
        used_at: None,
    };
    let org = AppId::organisation();
    let link = write("invite", &org, None, Change::Invite(Versioned::new(invite)));
    store
        .commit(vec![link], &for_organisation(0), NOW)
        .await
        .unwrap();
    let session = Digest::of(b"session");
    store
        .redeem_invite(Digest::of(b"link"), session, SessionTerms::default(), NOW)
        .await
        .unwrap();
    assert!(store.session(session, NOW).await.unwrap().is_some());
    let known = store
        .person(&email("dana@example.com"))
        .await
        .unwrap()
        .unwrap();
    let mut leaver = known.record.clone();
    leaver.active = false;
    let change = Change::Person(known.next(leaver));
    let write = write("leave", &org, Some("active"), change);
    store
        .commit(vec![write], &for_organisation(1), NOW)
        .await
        .unwrap();
    assert!(store.session(session, NOW).await.unwrap().is_none());
    assert!(store.people_with(Role::Sponsor).await.unwrap().is_empty());
    assert_eq!(store.people().await.unwrap().len(), 1);
}

async fn a_retry_gets_the_first_answer_again(store: Store) {
    let request = Digest::of(b"POST /api/v1/requests {}");
    let begin = async |key: &str, request| {
        store
            .begin_idempotent("dana@example.com", key, request, NOW)
            .await
            .unwrap()
    };
    assert_eq!(begin("k1", request).await, Attempt::First);
    assert_eq!(begin("k1", request).await, Attempt::Running);
    assert_eq!(
        begin("k1", Digest::of(b"other")).await,
        Attempt::OtherRequest
    );
    let answer = Answer {
        status: 201,
        headers: vec![("location".to_owned(), "/api/v1/requests/1".to_owned())],
        body: b"{}".to_vec(),
    };
    store
        .finish_idempotent("dana@example.com", "k1", &answer)
        .await
        .unwrap();
    assert_eq!(begin("k1", request).await, Attempt::Done(answer.clone()));
    // Somebody else's key of the same name is another key.
    let other = store
        .begin_idempotent("mei@example.com", "k1", request, NOW)
        .await
        .unwrap();
    assert_eq!(other, Attempt::First);
    assert_eq!(begin("k2", request).await, Attempt::First);
    store
        .abandon_idempotent("dana@example.com", "k2")
        .await
        .unwrap();
    assert_eq!(begin("k2", request).await, Attempt::First);
    // What nobody can be carrying out any more gets an answer; what has one keeps it.
    let cut_off = Answer {
        status: 409,
        headers: Vec::new(),
        body: b"cut off".to_vec(),
    };
    assert_eq!(store.settle_idempotent(&cut_off).await.unwrap(), 2);
    assert_eq!(begin("k2", request).await, Attempt::Done(cut_off));
    assert_eq!(begin("k1", request).await, Attempt::Done(answer));
    assert_eq!(
        store
            .prune_idempotent(NOW.plus(Span::days(1)))
            .await
            .unwrap(),
        3
    );
}

async fn a_subject_key_is_made_once_and_erased_for_good(store: Store) {
    let subject = Digest::of(b"dana");
    assert_eq!(store.subject_key(subject).await.unwrap(), SubjectKey::Never);
    let first = store
        .ensure_subject_key(subject, b"wrapped-one", NOW)
        .await
        .unwrap();
    let second = store
        .ensure_subject_key(subject, b"wrapped-two", NOW)
        .await
        .unwrap();
    assert_eq!(first, second);
    let SubjectKey::Active {
        wrapped, revision, ..
    } = second
    else {
        panic!("the key is not active");
    };
    assert_eq!(
        (wrapped.as_slice(), revision),
        (b"wrapped-one".as_slice(), 1)
    );
    let erasure = SubjectErasure {
        subject,
        erased_at: NOW,
    };
    let change = Change::SubjectErasure(Versioned {
        revision: 2,
        record: erasure,
    });
    let write = write("erase", &AppId::organisation(), None, change);
    store
        .commit(vec![write], &for_organisation(1), NOW)
        .await
        .unwrap();
    let erased = SubjectKey::Erased { at: NOW };
    assert_eq!(store.subject_key(subject).await.unwrap(), erased);
    assert_eq!(
        store
            .ensure_subject_key(subject, b"again", NOW)
            .await
            .unwrap(),
        erased
    );
    let key = WrappedKey {
        id: "log-1".to_owned(),
        purpose: "log".to_owned(),
        state: KeyState::Active,
        wrapped: b"sealed".to_vec(),
        public: "vkey".to_owned(),
        created_at: NOW,
    };
    assert!(store.bootstrap_key(&key).await.unwrap());
    let usurper = WrappedKey {
        id: "log-2".to_owned(),
        ..key.clone()
    };
    assert!(!store.bootstrap_key(&usurper).await.unwrap());
    assert_eq!(
        store.wrapped_keys("log").await.unwrap(),
        [Versioned::new(key)]
    );
}

async fn telemetry_belongs_to_one_artifact(store: Store) {
    let app = register(&store, "alpha").await;
    let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
    let sandbox = Environment::Sandbox;
    store
        .note_heartbeat(&app.id, sandbox, one, NOW)
        .await
        .unwrap();
    store
        .note_event(&app.id, sandbox, one, NOW.plus(Span::seconds(5)))
        .await
        .unwrap();
    store
        .note_heartbeat(&app.id, sandbox, one, NOW.minus(Span::days(1)))
        .await
        .unwrap();
    let seen = store.telemetry(&app.id, sandbox, one).await.unwrap();
    assert_eq!(seen.artifact, Some(one));
    assert_eq!(seen.heartbeat_at, Some(NOW));
    assert_eq!(seen.event_at, Some(NOW.plus(Span::seconds(5))));
    let none = store.telemetry(&app.id, sandbox, two).await.unwrap();
    assert_eq!(none, burgess_core::deploy::Telemetry::default());
    let other = store
        .telemetry(&app.id, Environment::Staging, one)
        .await
        .unwrap();
    assert_eq!(other.heartbeat_at, None);
}

async fn the_outbox_numbers_are_dense_and_drain_in_order(store: Store) {
    let app = register(&store, "alpha").await;
    for n in 0..5 {
        let write = Write {
            changes: Vec::new(),
            event: event(&format!("n{n}"), &app.id),
        };
        store
            .commit(vec![write.clone(), write], &for_app(&app.id, 1), NOW)
            .await
            .unwrap();
    }
    let pending = store.pending(0, 100).await.unwrap();
    let numbers: Vec<u64> = pending.iter().map(|it| it.source_seq).collect();
    assert_eq!(numbers, (1..=12).collect::<Vec<_>>());
    assert_eq!(store.pending(3, 2).await.unwrap(), pending[3..5]);
    let later = NOW.plus(Span::seconds(7));
    assert_eq!(
        store.oldest_pending_age(later).await.unwrap(),
        Some(Span::seconds(7))
    );
    store.mark_drained(4).await.unwrap();
    store.mark_drained(2).await.unwrap();
    let backlog = store.outbox_backlog().await.unwrap();
    assert_eq!(
        (backlog.events, backlog.last_seq, backlog.drained_seq),
        (8, 12, 4)
    );
    assert_eq!(store.pending(0, 100).await.unwrap(), pending[4..]);
    store.mark_drained(12).await.unwrap();
    assert_eq!(store.oldest_pending_age(later).await.unwrap(), None);
    // Numbers go on where they were, also when nothing is left.
    let write = Write {
        changes: Vec::new(),
        event: event("after", &app.id),
    };
    let committed = store
        .commit(vec![write], &for_app(&app.id, 1), NOW)
        .await
        .unwrap();
    assert_eq!(committed.last_seq(), 13);
}

async fn secrets_settings_alerts_and_reminders_read_back_as_written(store: Store) {
    let app = register(&store, "alpha").await;
    let org = AppId::organisation();
    let secret = |environment, sealed: &[u8]| ConnectorSecret {
        connector: "salesforce".to_owned(),
        environment,
        sealed: sealed.to_vec(),
        key_id: "seal-1".to_owned(),
        set_by: "ada@example.com".to_owned(),
        set_at: NOW,
    };
    let setting = Setting {
        name: "clock".to_owned(),
        value: serde_json::json!(90),
    };
    let organisational = [
        Change::ConnectorSecret(Versioned::new(secret(Environment::Sandbox, b"one"))),
        Change::ConnectorSecret(Versioned::new(secret(Environment::Production, b"two"))),
        Change::Setting(Versioned::new(setting.clone())),
    ];
    for (n, change) in organisational.into_iter().enumerate() {
        let write = write(&format!("o{n}"), &org, None, change);
        store
            .commit(vec![write], &for_organisation(0), NOW)
            .await
            .unwrap();
    }
    let found = store
        .connector_secret("salesforce", Environment::Production)
        .await
        .unwrap();
    assert_eq!(found.unwrap().record.sealed, b"two");
    assert!(
        store
            .connector_secret("salesforce", Environment::Staging)
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(store.connector_secrets_set().await.unwrap().len(), 2);
    assert_eq!(
        store.setting("clock").await.unwrap(),
        Some(Versioned::new(setting))
    );
    let alert = Alert {
        id: "alert-1".to_owned(),
        app: Some(app.id.clone()),
        kind: "sla_breach".to_owned(),
        severity: Severity::Warning,
        message: "the review is late".to_owned(),
        state: AlertState::Open,
        raised_at: NOW,
        closed: None,
    };
    let reminder = Reminder {
        app: app.id.clone(),
        kind: "idle".to_owned(),
        about: "2026-01-01".to_owned(),
        to: vec!["olu@example.com".to_owned()],
        sent_at: NOW,
    };
    let schedule = RetirementSchedule::new(app.id.clone(), "idle", NOW);
    let retirement = Versioned::new(Retirement::scheduled(schedule));
    let of_app = [
        Change::Alert(Versioned::new(alert.clone())),
        Change::Reminder(Versioned::new(reminder.clone())),
        Change::Retirement(Box::new(retirement.clone())),
    ];
    for (n, change) in of_app.into_iter().enumerate() {
        let write = write(&format!("a{n}"), &app.id, None, change);
        store
            .commit(vec![write], &for_app(&app.id, 1), NOW)
            .await
            .unwrap();
    }
    assert_eq!(
        store.open_alerts(Some(&app.id)).await.unwrap(),
        [Versioned::new(alert)]
    );
    assert!(store.reminder_sent(&reminder.id()).await.unwrap());
    let again = write(
        "again",
        &app.id,
        None,
        Change::Reminder(Versioned::new(reminder)),
    );
    let twice = store.commit(vec![again], &for_app(&app.id, 1), NOW).await;
    assert!(twice.is_err(), "the same reminder was sent twice");
    assert!(
        store
            .retirements_scheduled(Some(NOW))
            .await
            .unwrap()
            .is_empty()
    );
    let due = store
        .retirements_scheduled(Some(NOW.plus(Span::days(30))))
        .await
        .unwrap();
    assert_eq!(due, [retirement]);
}

async fn blobs_are_found_by_their_bytes(store: Store) {
    let digest = store.blobs().put(b"an export").unwrap();
    assert_eq!(digest, Digest::of(b"an export"));
    assert_eq!(store.blobs().put(b"an export").unwrap(), digest);
    assert_eq!(store.blobs().get(&digest).unwrap().unwrap(), b"an export");
    assert_eq!(store.blobs().get(&Digest::of(b"other")).unwrap(), None);
    assert!(store.blobs().remove(&digest).unwrap());
    assert!(!store.blobs().remove(&digest).unwrap());
}
