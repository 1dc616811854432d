//! Records to test with, and permits for them: decided by a real policy set that permits all.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use burgess_core::app::{App, Environment};
use burgess_core::approval::{Approval, Lane, Route};
use burgess_core::audit::{ActionType, Event, Outcome, Place};
use burgess_core::charter::{Charter, DataUse};
use burgess_core::credential::{ClientCredential, CredentialState};
use burgess_core::data::Classification;
use burgess_core::deploy::Deployment;
use burgess_core::digest::Digest;
use burgess_core::evidence::{ArtifactFacts, Controls};
use burgess_core::id::{AppId, ApprovalId, CredentialId, DeploymentId, Email, EventId, RequestId};
use burgess_core::intake::{Request, RequestState, Sla};
use burgess_core::permit::Permit;
use burgess_core::policy::action::{Configure, DecideAsReviewer, ReleaseQuarantine};
use burgess_core::policy::facts::{
    AppFacts, CaseFacts, NoContext, Organisation, Person, Principal, Verdict,
};
use burgess_core::policy::{self, DEFAULT_SCHEMA, Decision, PolicySet};
use burgess_core::risk::{Band, Connectivity, Execution, Factors, Rubric, score};
use burgess_core::roles::Role;
use burgess_core::time::{Span, Timestamp};
use burgess_store::{Change, PersonRecord, PolicyBundle, RuleKind, Store, Versioned, Write};

pub const NOW: Timestamp = Timestamp::from_seconds(1_760_000_000);

pub fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

pub fn policies() -> PolicySet {
    // Strict validation takes a while in a debug build, and every permit asks.
    static SET: OnceLock<PolicySet> = OnceLock::new();
    let text = r#"@id("all") @reason("a test permits all") permit (principal, action, resource);"#;
    SET.get_or_init(|| PolicySet::load(&[("test.cedar", text)], DEFAULT_SCHEMA).unwrap())
        .clone()
}

fn principal() -> Principal {
    Principal::Person(Person {
        email: email("priya@example.com"),
        roles: BTreeSet::from([Role::PlatformSecurity]),
        active: true,
    })
}

fn allowed<A: policy::Action>(resource: &A::Resource, context: &A::Context) -> Permit<A> {
    let request = policy::Request {
        principal: &principal(),
        resource,
        context,
    };
    match policy::decide(&request, &policies(), NOW) {
        Decision::Allow(permit) => permit,
        Decision::Deny(denial) => panic!("the test's policy denied: {denial:?}"),
    }
}

/// A permit for the organisation; `revision` is that of the record to be changed.
pub fn for_organisation(revision: u64) -> Permit<Configure> {
    allowed(&Organisation { revision }, &NoContext)
}

/// A permit for an app in that revision.
pub fn for_app(id: &AppId, revision: u64) -> Permit<ReleaseQuarantine> {
    let facts = AppFacts {
        id: id.clone(),
        revision,
        developer: email("dana@example.com"),
        owners: BTreeSet::from([email("olu@example.com")]),
        state: "requested".to_owned(),
        band: Band::Low,
        classification: Classification::Internal,
        approved: false,
        quarantined: false,
        retired: false,
        retirement_due: false,
    };
    allowed(&facts, &NoContext)
}

/// A permit to decide a request in its revision.
pub fn for_request(request: &Request) -> Permit<DecideAsReviewer> {
    let facts = CaseFacts {
        id: request.id.clone(),
        revision: request.revision,
        app: request.app.clone(),
        developer: email("dana@example.com"),
        submitter: request.submitted_by.clone(),
        owners: BTreeSet::new(),
        reviewers: BTreeSet::new(),
        open: true,
        second_review: false,
        score: 0,
        band: Band::Low,
        classification: Classification::Internal,
        users: 5,
        connectivity_points: 0,
        agent: false,
        capabilities: false,
        missing_controls: BTreeSet::new(),
    };
    allowed(&facts, &Verdict { approves: true })
}

pub fn app_id(name: &str) -> AppId {
    AppId::parse(&format!("microapp-{name}")).unwrap()
}

pub fn charter(name: &str) -> Charter {
    let mut charter = Charter::blank(app_id(name), name);
    charter.app.developer = Some(email("dana@example.com"));
    charter.app.owner = Some(email("olu@example.com"));
    charter.data = vec![DataUse {
        name: "customer_record".to_owned(),
        classification: Classification::Pii,
        actions: vec![ActionType::Read],
        purpose: "address the quote".to_owned(),
    }];
    charter
}

pub fn app(name: &str) -> App {
    App::register(&charter(name), 20, Band::Low, NOW).unwrap()
}

pub fn request(name: &str, number: u32) -> Request {
    let charter = charter(name);
    let rubric = Rubric::published().unwrap();
    let factors = Factors {
        data: Classification::Pii,
        users: 5,
        connectivity: Connectivity::None,
        third_party_code: false,
        execution: Execution::Sandboxed,
    };
    Request {
        id: RequestId::parse(&format!("req_{name}_{number}")).unwrap(),
        app: charter.id.clone(),
        charter_digest: charter.digest(),
        charter,
        artifact: None,
        readme: None,
        facts: ArtifactFacts::default(),
        score: score(&factors, &rubric),
        factors,
        route: Route {
            lane: Lane::Review,
            second_reviewer: false,
            sponsor: false,
            reasons: Vec::new(),
        },
        controls: Controls(Vec::new()),
        rubric_digest: rubric.digest(),
        state: RequestState::Submitted,
        submitted_by: email("dana@example.com"),
        submitted_at: NOW,
        sla: Some(Sla::from(NOW)),
        decisions: Vec::new(),
        previous_approval: None,
        approval: None,
        granted_at: None,
        changes: Vec::new(),
        revision: 1,
    }
}

pub fn approval(request: &Request, number: u32) -> Approval {
    Approval {
        id: ApprovalId::parse(&format!("apr_{number}")).unwrap(),
        request: request.id.clone(),
        app: request.app.clone(),
        version: "1.0.0".to_owned(),
        charter_digest: request.charter_digest,
        artifact: None,
        score: 20,
        band: Band::Low,
        addends: Vec::new(),
        route: request.route.clone(),
        rubric_digest: request.rubric_digest,
        policy_digest: policies().digest(),
        conditions: Vec::new(),
        up_to: Environment::Sandbox,
        granted_at: NOW,
        expires_at: NOW.plus(Span::days(365)),
        decisions: Vec::new(),
        voided: None,
    }
}

pub fn deployment(app: &AppId, approval: &ApprovalId, number: u32) -> Deployment {
    Deployment {
        id: DeploymentId::parse(&format!("dpl_{number}")).unwrap(),
        app: app.clone(),
        environment: Environment::Sandbox,
        version: "1.0.0".to_owned(),
        charter_digest: Digest::of(b"charter"),
        artifact: None,
        artifact_digest: None,
        approval: approval.clone(),
        by: email("otto@example.com"),
        live_since: NOW,
        ended: None,
    }
}

pub fn credential(app: &AppId, number: u32, secret: &[u8]) -> ClientCredential {
    ClientCredential {
        id: CredentialId::parse(&format!("crd_{number}")).unwrap(),
        app: app.clone(),
        environment: Environment::Sandbox,
        version: "1.0.0".to_owned(),
        scopes: BTreeSet::from(["salesforce/quotes:read".to_owned()]),
        secret_digest: ClientCredential::digest_secret(secret),
        state: CredentialState::Active,
        created_at: NOW,
        expires_at: NOW.plus(Span::days(90)),
    }
}

pub fn person(address: &str, roles: &[Role]) -> PersonRecord {
    PersonRecord {
        email: email(address),
        name: "Dana".to_owned(),
        manager: None,
        unit: "sales-emea".to_owned(),
        roles: roles.iter().copied().collect(),
        active: true,
    }
}

/// An event that tells of no change.
pub fn event(id: &str, app: &AppId) -> Event {
    Event {
        event_id: EventId::parse(&format!("evt_{id}")).unwrap(),
        timestamp: NOW,
        actor_id: "priya@example.com".to_owned(),
        actor_role: "platform_security".to_owned(),
        app_id: app.clone(),
        version: "1.0.0".to_owned(),
        environment: Place::Control,
        action_type: ActionType::Update,
        resource_type: "note".to_owned(),
        resource_id: "note".to_owned(),
        data_classification: Classification::None,
        outcome: Outcome::Success,
        error_code: None,
        ip_address: None,
        user_agent: None,
        request_context: None,
        risk_score_at_time: 0,
        approval_id: None,
        source: "console".to_owned(),
        charter_digest: None,
        policy_digest: None,
        decision: None,
        previous_state: None,
        next_state: None,
    }
}

/// The change and the event that tells of it: from `before` to the state of the change.
pub fn write(id: &str, app: &AppId, before: Option<&str>, change: Change) -> Write {
    let event = Event {
        resource_type: change.resource_type().to_owned(),
        resource_id: change.resource_id(),
        previous_state: change.state().and(before.map(str::to_owned)),
        next_state: change.state(),
        ..event(id, app)
    };
    Write {
        changes: vec![change],
        event,
    }
}

/// Brings the test's policy set into force.
pub async fn activate_policy(store: &Store) {
    let bundle = PolicyBundle {
        kind: RuleKind::Policy,
        digest: policies().digest(),
        text: "permit all".to_owned(),
        activated_by: "priya@example.com".to_owned(),
        activated_at: NOW,
    };
    let change = Change::Policy(Versioned::new(bundle));
    let write = write("policy", &AppId::organisation(), None, change);
    store
        .commit(vec![write], &for_organisation(0), NOW)
        .await
        .unwrap();
}

/// Registers an app.
pub async fn register(store: &Store, name: &str) -> App {
    let app = app(name);
    let change = Change::App(app.clone());
    let write = write(&format!("register_{name}"), &app.id, None, change);
    store
        .commit(vec![write], &for_app(&app.id, 0), NOW)
        .await
        .unwrap();
    app
}

/// Hands a request in for a registered app.
pub async fn submit(store: &Store, name: &str, number: u32) -> Request {
    let request = request(name, number);
    let change = Change::Request(Box::new(request.clone()));
    let write = write(
        &format!("submit_{name}_{number}"),
        &request.app,
        None,
        change,
    );
    let app = store.app(&request.app).await.unwrap().unwrap();
    store
        .commit(vec![write], &for_app(&app.id, app.revision), NOW)
        .await
        .unwrap();
    request
}

/// Puts a person into the directory.
pub async fn hire(store: &Store, address: &str, roles: &[Role]) {
    let change = Change::Person(Versioned::new(person(address, roles)));
    let id = address.replace(['@', '.'], "_");
    let write = write(&format!("hire_{id}"), &AppId::organisation(), None, change);
    store
        .commit(vec![write], &for_organisation(0), NOW)
        .await
        .unwrap();
}
