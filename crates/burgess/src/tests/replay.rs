//! No state without its event: whatever happens, the trail alone leads to the store's states.

use std::collections::BTreeMap;

use burgess_core::app::Environment;
use burgess_core::approval::{Capacity, Verdict, turns};
use burgess_core::audit::{Event, replay};
use burgess_core::id::AppId;
use burgess_core::time::Span;
use burgess_store::{AppFilter, approval_state, deployment_state};
use burgess_trail::Query;
use proptest::prelude::*;

use super::world::{DANA, OLU, PAT, PRIYA, SAM, World, high, medium, workflow};
use crate::jobs;
use crate::operations::retire::By;
use crate::operations::{approve, attach, connect, promote, retire, trail};

type States = BTreeMap<(String, String), String>;

/// Every event of the ledger, opened, in its order.
async fn events(world: &World) -> Vec<Event> {
    let mut events = Vec::new();
    let journal = &world.server.journal;
    for shard in world.server.shards.all() {
        for index in shard.first_event()..shard.ledger.size() {
            events.push(journal.open_in(&shard.ledger, index).await.unwrap().event);
        }
    }
    events
}

const KINDS: [&str; 5] = ["app", "request", "approval", "deployment", "credential"];

/// The states that the store holds.
async fn stored(world: &World) -> States {
    let mut states = States::new();
    let mut put = |kind: &str, id: String, state: &str| {
        states.insert((kind.to_owned(), id), state.to_owned());
    };
    for app in world
        .server
        .store
        .apps(&AppFilter::default())
        .await
        .unwrap()
    {
        let dossier = promote::dossier(&world.server, &app.id).await.unwrap();
        put("app", app.id.to_string(), app.state.as_str());
        for it in &dossier.requests {
            put("request", it.id.to_string(), it.state.as_str());
        }
        for it in &dossier.approvals {
            put(
                "approval",
                it.record.id.to_string(),
                approval_state(&it.record),
            );
        }
        for it in &dossier.deployments {
            put(
                "deployment",
                it.record.id.to_string(),
                deployment_state(&it.record),
            );
        }
        for it in &dossier.credentials {
            put(
                "credential",
                it.record.id.to_string(),
                it.record.state.as_str(),
            );
        }
    }
    states
}

/// What somebody tries; most of it is refused most of the time, and a refusal changes nothing.
async fn attempt(world: &World, verb: u8, app: &AppId, number: usize) -> bool {
    let server = &world.server;
    let (dana, priya, sam) = (
        world.person(DANA).await,
        world.person(PRIYA).await,
        world.person(SAM).await,
    );
    let requests = server.store.requests_of(app).await.unwrap();
    match verb {
        0 => match requests.first() {
            Some(newest) => {
                let mut done = false;
                for (who, turn) in turns(newest).into_iter().map(|turn| match turn {
                    Capacity::Reviewer => (PRIYA, turn),
                    Capacity::SecondReviewer => (PAT, turn),
                    Capacity::Sponsor => (OLU, turn),
                }) {
                    done |= world
                        .decide(newest, who, turn, Verdict::Approve)
                        .await
                        .is_ok();
                }
                done
            }
            None => false,
        },
        1 => match requests.first() {
            Some(newest) => world
                .decide(newest, PRIYA, Capacity::Reviewer, Verdict::Reject)
                .await
                .is_ok(),
            None => false,
        },
        2 => match requests.first() {
            Some(newest) => approve::withdraw(server, &dana, &newest.id).await.is_ok(),
            None => false,
        },
        3 | 4 => promote::promote(server, &dana, app, Environment::Sandbox)
            .await
            .is_ok(),
        5 => match connect::issue(server, &dana, app, Environment::Sandbox).await {
            Ok(issued) => {
                world.tell(app, &issued).await;
                true
            }
            Err(_) => false,
        },
        6 => promote::quarantine(server, &priya, app, "we look into it")
            .await
            .is_ok(),
        7 => promote::release(server, &priya, app).await.is_ok(),
        8 => promote::roll_back(server, &sam, app, Environment::Sandbox)
            .await
            .is_ok(),
        9 => retire::retire(server, By::Person(&priya), app, "Nobody needed it.")
            .await
            .is_ok(),
        10 => attach::artifact(server, &dana, app, workflow(&format!("Step {number}")))
            .await
            .is_ok(),
        11 => promote::promote(server, &dana, app, Environment::Staging)
            .await
            .is_ok(),
        12 => retire::schedule(server, By::Person(&dana), app, "nobody needs it")
            .await
            .is_ok(),
        13 => retire::keep(server, &world.person(OLU).await, app)
            .await
            .is_ok(),
        _ => {
            world.after(Span::days(10)).await;
            true
        }
    }
}

async fn check(world: &World, what: &str) {
    let events = events(world).await;
    let replayed = replay(&events);
    assert!(replayed.breaks.is_empty(), "{what}: {:?}", replayed.breaks);
    let from_trail: States = replayed
        .states
        .into_iter()
        .filter(|((kind, _), _)| KINDS.contains(&kind.as_str()))
        .collect();
    assert_eq!(from_trail, stored(world).await, "{what}");
    assert_eq!(
        world.server.store.outbox_backlog().await.unwrap().events,
        0,
        "{what}: everything is in the ledger"
    );
}

/// The newest answers of the search index to a handful of questions.
async fn answers(world: &World) -> Vec<String> {
    jobs::project::project(&world.server).await.unwrap();
    let all = Query {
        limit: 500,
        ..Query::default()
    };
    let asked = [
        all.clone(),
        Query {
            actor: Some(world.server.blinder.actor(DANA)),
            ..all.clone()
        },
        Query {
            outcome: Some("blocked".to_owned()),
            ..all.clone()
        },
        Query {
            action: Some("create".to_owned()),
            ..all.clone()
        },
        Query {
            words: world.server.blinder.typed("sandbox"),
            ..all
        },
    ];
    let mut answers = Vec::new();
    for query in asked {
        let page = world.server.trail.search(&query).await.unwrap();
        let rows = trail::read_back(&world.server, page.hits, true)
            .await
            .unwrap();
        answers.push(
            rows.iter()
                .map(|row| format!("{} {} {:?}\n", row.index, row.sequence, row.event))
                .collect(),
        );
    }
    answers
}

async fn scenario(verbs: &[(u8, usize)]) -> Vec<bool> {
    let world = World::new().await;
    let mut apps = Vec::new();
    for (name, change) in [
        ("Lunch poll", None),
        ("Desk booking", Some(medium as fn(&mut _))),
        ("Customer finder", Some(high as fn(&mut _))),
    ] {
        let mut charter = world.charter(name).await;
        if let Some(change) = change {
            change(&mut charter);
        }
        apps.push(world.submit(charter).await.unwrap().app);
    }
    let mut carried_out = Vec::new();
    for (number, (verb, which)) in verbs.iter().enumerate() {
        carried_out.push(attempt(&world, *verb, &apps[which % apps.len()], number).await);
    }
    let what = format!("{verbs:?}: {carried_out:?}");
    check(&world, &what).await;
    let before = answers(&world).await;
    assert!(!before[0].is_empty());
    world.server.trail.clear().await.unwrap();
    assert!(world.server.trail.is_empty().await.unwrap());
    assert_eq!(
        answers(&world).await,
        before,
        "{what}: the index is rebuilt with the same answers"
    );
    let world = world.again().await;
    check(&world, &format!("{what}, opened again")).await;
    carried_out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, max_shrink_iters: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn replaying_the_trail_leads_to_the_states_of_the_store_after_any_operations(
        verbs in prop::collection::vec((0u8..15, 0usize..3), 20..45)
    ) {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(scenario(&verbs));
    }
}

#[tokio::test]
async fn a_walk_through_the_whole_life_is_in_the_trail() {
    let walk = [
        (3, 0),
        (5, 0),
        (10, 0),
        (3, 0),
        (5, 0),
        (6, 0),
        (7, 0),
        (3, 0),
        (12, 0),
        (13, 0),
        (9, 0),
        (0, 1),
        (3, 1),
        (10, 1),
        (0, 1),
        (3, 1),
        (1, 2),
    ];
    let carried_out = scenario(&walk).await;
    assert_eq!(carried_out, [true; 17], "nothing of the walk was refused");
}
