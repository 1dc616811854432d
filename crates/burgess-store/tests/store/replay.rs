//! The wall between state and trail: whatever is committed, replaying the events arrives at the
//! states of the store.

use std::collections::BTreeMap;

use burgess_core::app::App;
use burgess_core::approval::{Approval, Lapse};
use burgess_core::audit::{Event, replay};
use burgess_core::credential::{ClientCredential, CredentialState};
use burgess_core::deploy::{Deployment, Ended, EndedWhy};
use burgess_core::intake::{Request, RequestState};
use burgess_core::lifecycle::{self, Action};
use burgess_store::{Change, Store, Versioned, Write, approval_state, deployment_state};
use proptest::prelude::*;

use crate::fixture::*;

/// One step of a random operation. Numbers choose among what is there.
#[derive(Clone, Debug)]
enum Step {
    Register(u8),
    Lifecycle(u8, u8),
    Submit(u8),
    Decide(u8, u8),
    Approve(u8),
    Void(u8),
    Deploy(u8),
    End(u8),
    Issue(u8),
    Revoke(u8),
    /// Builds on a record that somebody changed since.
    Stale(u8),
    /// Leaves its event out.
    Silent(u8),
    /// The second write of the commit is bad, so the first must not stay.
    Half(u8, u8),
    /// The ledger takes everything so far.
    Drain,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        any::<u8>().prop_map(Step::Register),
        (any::<u8>(), any::<u8>()).prop_map(|(a, b)| Step::Lifecycle(a, b)),
        any::<u8>().prop_map(Step::Submit),
        (any::<u8>(), any::<u8>()).prop_map(|(a, b)| Step::Decide(a, b)),
        any::<u8>().prop_map(Step::Approve),
        any::<u8>().prop_map(Step::Void),
        any::<u8>().prop_map(Step::Deploy),
        any::<u8>().prop_map(Step::End),
        any::<u8>().prop_map(Step::Issue),
        any::<u8>().prop_map(Step::Revoke),
        any::<u8>().prop_map(Step::Stale),
        any::<u8>().prop_map(Step::Silent),
        (any::<u8>(), any::<u8>()).prop_map(|(a, b)| Step::Half(a, b)),
        Just(Step::Drain),
    ]
}

/// What the store should hold, and every event drained so far.
struct World {
    store: Store,
    apps: Vec<App>,
    requests: Vec<Request>,
    approvals: Vec<Versioned<Approval>>,
    deployments: Vec<Versioned<Deployment>>,
    credentials: Vec<Versioned<ClientCredential>>,
    trail: Vec<Event>,
    count: u32,
}

fn pick<T>(list: &[T], choice: u8) -> Option<usize> {
    (!list.is_empty()).then(|| usize::from(choice) % list.len())
}

impl World {
    fn id(&mut self) -> String {
        self.count += 1;
        format!("e{}", self.count)
    }

    async fn commit(&self, app: &App, writes: Vec<Write>) -> bool {
        let permit = for_app(&app.id, app.revision);
        self.store.commit(writes, &permit, NOW).await.is_ok()
    }

    fn app(&self, id: &burgess_core::id::AppId) -> App {
        self.apps.iter().find(|app| app.id == *id).unwrap().clone()
    }

    async fn run(&mut self, step: Step) {
        let id = self.id();
        match step {
            Step::Register(name) => {
                let name = format!("app{}", name % 4);
                let app = app(&name);
                let made = write(&id, &app.id, None, Change::App(app.clone()));
                let fresh = !self.apps.iter().any(|it| it.id == app.id);
                let permit = for_app(&app.id, 0);
                let done = self.store.commit(vec![made], &permit, NOW).await.is_ok();
                assert_eq!(done, fresh);
                if done {
                    self.apps.push(app);
                }
            }
            Step::Lifecycle(app, action) => {
                let Some(at) = pick(&self.apps, app) else {
                    return;
                };
                let before = self.apps[at].clone();
                let action = Action::ALL[usize::from(action) % Action::ALL.len()];
                let Ok(state) = lifecycle::transition(before.state, action, None) else {
                    return;
                };
                let after = App {
                    state,
                    revision: before.revision + 1,
                    ..before.clone()
                };
                let moved = write(
                    &id,
                    &before.id,
                    Some(before.state.as_str()),
                    Change::App(after.clone()),
                );
                assert!(self.commit(&before, vec![moved]).await);
                self.apps[at] = after;
            }
            Step::Submit(app) => {
                let Some(at) = pick(&self.apps, app) else {
                    return;
                };
                let app = self.apps[at].clone();
                let name = app.name.clone();
                let request = request(&name, self.count);
                let made = write(
                    &id,
                    &app.id,
                    None,
                    Change::Request(Box::new(request.clone())),
                );
                assert!(self.commit(&app, vec![made]).await);
                self.requests.push(request);
            }
            Step::Decide(request, state) => {
                let Some(at) = pick(&self.requests, request) else {
                    return;
                };
                let before = self.requests[at].clone();
                let mut after = before.clone();
                after.state = RequestState::ALL[usize::from(state) % RequestState::ALL.len()];
                after.revision += 1;
                let change = Change::Request(Box::new(after.clone()));
                let decided = write(&id, &before.app, Some(before.state.as_str()), change);
                let permit = for_request(&before);
                self.store
                    .commit(vec![decided], &permit, NOW)
                    .await
                    .unwrap();
                self.requests[at] = after;
            }
            Step::Approve(request) => {
                let Some(at) = pick(&self.requests, request) else {
                    return;
                };
                let it = Versioned::new(approval(&self.requests[at], self.count));
                let app = self.app(&it.record.app);
                let change = Change::Approval(Box::new(it.clone()));
                assert!(
                    self.commit(&app, vec![write(&id, &app.id, None, change)])
                        .await
                );
                self.approvals.push(it);
            }
            Step::Void(approval) => {
                let Some(at) = pick(&self.approvals, approval) else {
                    return;
                };
                let before = self.approvals[at].clone();
                let after = before.next(before.record.clone().voided(Lapse::Expired, NOW));
                let app = self.app(&before.record.app);
                let change = Change::Approval(Box::new(after.clone()));
                let voided = write(&id, &app.id, Some(approval_state(&before.record)), change);
                assert!(self.commit(&app, vec![voided]).await);
                self.approvals[at] = after;
            }
            Step::Deploy(approval) => {
                let Some(at) = pick(&self.approvals, approval) else {
                    return;
                };
                let approval = self.approvals[at].record.clone();
                let app = self.app(&approval.app);
                let it = Versioned::new(deployment(&app.id, &approval.id, self.count));
                let change = Change::Deployment(it.clone());
                assert!(
                    self.commit(&app, vec![write(&id, &app.id, None, change)])
                        .await
                );
                self.deployments.push(it);
            }
            Step::End(deployment) => {
                let Some(at) = pick(&self.deployments, deployment) else {
                    return;
                };
                let before = self.deployments[at].clone();
                let mut ended = before.record.clone();
                ended.ended = Some(Ended {
                    at: NOW,
                    why: EndedWhy::Replaced,
                });
                let after = before.next(ended);
                let app = self.app(&before.record.app);
                let change = Change::Deployment(after.clone());
                let stopped = write(&id, &app.id, Some(deployment_state(&before.record)), change);
                assert!(self.commit(&app, vec![stopped]).await);
                self.deployments[at] = after;
            }
            Step::Issue(app) => {
                let Some(at) = pick(&self.apps, app) else {
                    return;
                };
                let app = self.apps[at].clone();
                let it = Versioned::new(credential(&app.id, self.count, b"secret"));
                let change = Change::Credential(it.clone());
                assert!(
                    self.commit(&app, vec![write(&id, &app.id, None, change)])
                        .await
                );
                self.credentials.push(it);
            }
            Step::Revoke(credential) => {
                let Some(at) = pick(&self.credentials, credential) else {
                    return;
                };
                let before = self.credentials[at].clone();
                let mut revoked = before.record.clone();
                revoked.state = CredentialState::Revoked;
                let after = before.next(revoked);
                let app = self.app(&before.record.app);
                let change = Change::Credential(after.clone());
                let ended = write(&id, &app.id, Some(before.record.state.as_str()), change);
                assert!(self.commit(&app, vec![ended]).await);
                self.credentials[at] = after;
            }
            Step::Stale(app) => {
                let Some(at) = pick(&self.apps, app) else {
                    return;
                };
                let app = self.apps[at].clone();
                // It claims to be the same change that made the record what it is.
                let again = write(
                    &id,
                    &app.id,
                    Some(app.state.as_str()),
                    Change::App(app.clone()),
                );
                assert!(!self.commit(&app, vec![again]).await);
            }
            Step::Silent(app) => {
                let Some(at) = pick(&self.apps, app) else {
                    return;
                };
                let app = self.apps[at].clone();
                let (sandbox, staging) = (lifecycle::State::Sandbox, lifecycle::State::Staging);
                let state = if app.state == sandbox {
                    staging
                } else {
                    sandbox
                };
                let after = App {
                    state,
                    revision: app.revision + 1,
                    ..app.clone()
                };
                let silent = Write {
                    changes: vec![Change::App(after)],
                    event: event(&id, &app.id),
                };
                assert!(!self.commit(&app, vec![silent]).await);
            }
            Step::Half(app, request) => {
                let Some(at) = pick(&self.apps, app) else {
                    return;
                };
                let app = self.apps[at].clone();
                let made = crate::fixture::request(&app.name, self.count);
                let good = write(&id, &app.id, None, Change::Request(Box::new(made)));
                let Some(other) = pick(&self.requests, request) else {
                    return;
                };
                let known = self.requests[other].clone();
                let bad = write(&id, &app.id, None, Change::Request(Box::new(known)));
                assert!(!self.commit(&app, vec![good, bad]).await);
            }
            Step::Drain => self.drain().await,
        }
    }

    async fn drain(&mut self) {
        let pending = self.store.pending(0, 10_000).await.unwrap();
        let Some(last) = pending.last().map(|it| it.source_seq) else {
            return;
        };
        self.trail.extend(pending.into_iter().map(|it| it.event));
        self.store.mark_drained(last).await.unwrap();
    }

    /// The states that the store holds, as events would name them.
    async fn states(&self) -> BTreeMap<(String, String), String> {
        let mut states = BTreeMap::new();
        let mut put = |kind: &str, id: &str, state: &str| {
            states.insert((kind.to_owned(), id.to_owned()), state.to_owned());
        };
        put("policy", "policy", &policies().digest().to_string());
        for app in self
            .store
            .apps(&burgess_store::AppFilter::default())
            .await
            .unwrap()
        {
            put("app", app.id.as_str(), app.state.as_str());
            let dossier = self.store.dossier(&app.id).await.unwrap().unwrap();
            for it in &dossier.requests {
                put("request", it.id.as_str(), it.state.as_str());
            }
            for it in &dossier.approvals {
                put(
                    "approval",
                    it.record.id.as_str(),
                    approval_state(&it.record),
                );
            }
            for it in &dossier.deployments {
                put(
                    "deployment",
                    it.record.id.as_str(),
                    deployment_state(&it.record),
                );
            }
            for it in &dossier.credentials {
                put(
                    "credential",
                    it.record.id.as_str(),
                    it.record.state.as_str(),
                );
            }
        }
        states
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn replaying_the_trail_arrives_at_the_states_of_the_store(
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let store = Store::open(dir.path(), NOW).await.unwrap();
            activate_policy(&store).await;
            let mut world = World {
                store,
                apps: Vec::new(),
                requests: Vec::new(),
                approvals: Vec::new(),
                deployments: Vec::new(),
                credentials: Vec::new(),
                trail: Vec::new(),
                count: 0,
            };
            for step in steps {
                world.run(step).await;
            }
            world.drain().await;
            let replayed = replay(&world.trail);
            assert_eq!(replayed.breaks, []);
            assert_eq!(replayed.states, world.states().await);
            let backlog = world.store.outbox_backlog().await.unwrap();
            assert_eq!(backlog.last_seq, world.trail.len() as u64);
        });
    }
}
