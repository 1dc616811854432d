//! Who decides, who must not, and what opens.

use burgess_core::app::Environment;
use burgess_core::approval::{Capacity, Lane, Verdict, turns};
use burgess_core::capability::{Access, FileAccess};
use burgess_core::charter::Charter;
use burgess_core::data::Classification;
use burgess_core::intake::{Request, RequestState};
use burgess_core::roles::Role;

use super::world::{
    DANA, OLU, PAT, PRIYA, README, SAM, World, connector, data, email, medium, workflow,
};
use crate::http::problem::Problem;
use crate::operations::approve::{self, Deciding};
use crate::operations::intake::{self, Handed};
use crate::operations::people::{self, Invited};
use crate::operations::promote;

async fn medium_request(world: &World) -> Request {
    let mut charter = world.charter("Desk booking").await;
    medium(&mut charter);
    world.submit(charter).await.unwrap()
}

fn yes(revision: u64) -> Deciding {
    Deciding {
        capacity: Capacity::Reviewer,
        verdict: Verdict::Approve,
        comment: "Fine.".to_owned(),
        conditions: Vec::new(),
        revision: Some(revision),
    }
}

// R32
#[tokio::test]
async fn of_two_reviewers_who_decide_at_once_one_wins_and_the_other_is_told() {
    for _ in 0..3 {
        let world = World::new().await;
        let request = medium_request(&world).await;
        assert_eq!(
            turns(&request),
            [Capacity::Reviewer],
            "it waits for platform and security"
        );
        let (priya, pat) = (world.person(PRIYA).await, world.person(PAT).await);
        let (one, other) = tokio::join!(
            approve::decide(&world.server, &priya, &request.id, yes(request.revision)),
            approve::decide(&world.server, &pat, &request.id, yes(request.revision)),
        );
        let (won, lost): (Vec<_>, Vec<_>) = [one, other].into_iter().partition(Result::is_ok);
        assert_eq!((won.len(), lost.len()), (1, 1));
        let told = lost.into_iter().next().unwrap().unwrap_err();
        assert_eq!(told.status.as_u16(), 409, "{told:?}");
        let held = world
            .server
            .store
            .request(&request.id)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (held.decisions.len(), held.state),
            (1, RequestState::Approved)
        );
        assert_eq!(
            world
                .server
                .store
                .approvals_of(&request.app)
                .await
                .unwrap()
                .len(),
            1
        );
    }
}

#[tokio::test]
async fn nobody_decides_their_own_request_whatever_their_role() {
    let world = World::new().await;
    let invited = Invited {
        email: email(PRIYA),
        name: "Priya Shah".to_owned(),
        role: Role::CitizenDeveloper,
        manager: None,
        unit: "security".to_owned(),
    };
    people::invite(&world.server, invited).await.unwrap();
    let mut charter = world.charter("Desk booking").await;
    medium(&mut charter);
    charter.app.developer = Some(email(PRIYA));
    let handed = Handed {
        charter,
        artifact: Some(workflow("Prepare")),
        readme: Some(README.to_owned()),
    };
    let request = intake::submit(&world.server, &world.person(PRIYA).await, handed)
        .await
        .unwrap();
    let refused = world
        .decide(&request, PRIYA, Capacity::Reviewer, Verdict::Approve)
        .await
        .unwrap_err();
    assert_eq!(refused.status.as_u16(), 403, "{refused:?}");
    assert!(
        world
            .decide(&request, PRIYA, Capacity::Reviewer, Verdict::Reject)
            .await
            .is_err(),
        "nor with a no"
    );
    assert!(
        world
            .server
            .store
            .request(&request.id)
            .await
            .unwrap()
            .unwrap()
            .decisions
            .is_empty()
    );
    let decided = world
        .decide(&request, PAT, Capacity::Reviewer, Verdict::Approve)
        .await
        .unwrap();
    assert_eq!(decided.state, RequestState::Approved);
}

// R17
#[tokio::test]
async fn only_platform_and_security_decide_as_reviewers() {
    let world = World::new().await;
    let request = medium_request(&world).await;
    for who in [DANA, OLU, SAM, super::world::ANA, super::world::ALEX] {
        let refused = world
            .decide(&request, who, Capacity::Reviewer, Verdict::Approve)
            .await
            .unwrap_err();
        assert_eq!(refused.status.as_u16(), 403, "{who}: {refused:?}");
    }
    assert!(
        world
            .decide(&request, PRIYA, Capacity::Reviewer, Verdict::Approve)
            .await
            .is_ok()
    );
}

fn agent(charter: &mut Charter) {
    charter.capabilities.agent = true;
    charter.capabilities.files = vec![FileAccess {
        path: "~/Quotes".to_owned(),
        access: Access::Read,
    }];
    charter.capabilities.justification = "The requests arrive as files in one folder.".to_owned();
}

// R43
#[tokio::test]
async fn an_agent_needs_a_second_reviewer_who_is_somebody_else() {
    let world = World::new().await;
    let mut charter = world.charter("Inbox triage").await;
    agent(&mut charter);
    let request = world.submit(charter).await.unwrap();
    assert_eq!(
        turns(&request),
        [Capacity::Reviewer, Capacity::SecondReviewer]
    );
    let half = world
        .decide(&request, PRIYA, Capacity::Reviewer, Verdict::Approve)
        .await
        .unwrap();
    assert!(half.approval.is_none(), "one reviewer opens nothing");
    assert!(
        world
            .decide(&request, PRIYA, Capacity::SecondReviewer, Verdict::Approve)
            .await
            .is_err(),
        "not the same person twice"
    );
    let full = world
        .decide(&request, PAT, Capacity::SecondReviewer, Verdict::Approve)
        .await
        .unwrap();
    assert_eq!(full.state, RequestState::Approved);
}

// R42 R183
#[tokio::test]
async fn an_agent_without_a_justification_is_not_approved_by_anybody() {
    let world = World::new().await;
    for local_files_only in [false, true] {
        let mut charter = world.charter("Inbox triage").await;
        agent(&mut charter);
        charter.capabilities.agent = !local_files_only;
        charter.capabilities.justification = String::new();
        let named = |problem: &Problem| {
            problem
                .unmet
                .iter()
                .any(|it| it.control.contains("justification"))
        };
        match world.submit(charter).await {
            Err(refused) => assert!(named(&refused), "{refused:?}"),
            Ok(request) => {
                let refused = world
                    .decide(&request, PRIYA, Capacity::Reviewer, Verdict::Approve)
                    .await
                    .unwrap_err();
                assert!(named(&refused), "{refused:?}");
                assert!(
                    world
                        .server
                        .store
                        .approvals_of(&request.app)
                        .await
                        .unwrap()
                        .is_empty()
                );
                approve::withdraw(&world.server, &world.person(DANA).await, &request.id)
                    .await
                    .unwrap();
            }
        }
    }
}

#[tokio::test]
async fn a_request_without_an_artifact_opens_the_sandbox_alone() {
    let world = World::new().await;
    let charter = world.charter("Lunch poll").await;
    let dana = world.person(DANA).await;
    let handed = Handed {
        charter,
        artifact: None,
        readme: Some(README.to_owned()),
    };
    let request = intake::submit(&world.server, &dana, handed).await.unwrap();
    let request = world.agree(request).await;
    let approval = world
        .server
        .store
        .approval(request.approval.as_ref().unwrap())
        .await
        .unwrap()
        .unwrap()
        .record;
    assert_eq!(approval.up_to, Environment::Sandbox);
    let refused = promote::promote(&world.server, &dana, &request.app, Environment::Staging)
        .await
        .unwrap_err();
    assert!(
        refused.unmet.len() > 1,
        "everything that is unmet is listed at once: {refused:?}"
    );
}

// R31
#[tokio::test]
async fn the_rules_approve_alone_only_when_nothing_at_all_speaks_against_it() {
    let world = World::new().await;
    let nine = |c: &mut Charter| c.app.users = Some(9);
    let cases: [(&str, &dyn Fn(&mut Charter), bool); 7] = [
        ("nine users", &nine, true),
        ("ten users", &|c| c.app.users = Some(10), false),
        (
            "personal data",
            &|c| c.data = vec![data("customer_record", Classification::Pii)],
            false,
        ),
        (
            "a connector",
            &|c| c.connector = vec![connector("sharepoint", "Sites.Read.All", "product")],
            false,
        ),
        ("an agent", &agent, false),
        (
            "local files",
            &|c| {
                agent(c);
                c.capabilities.agent = false;
            },
            false,
        ),
        (
            "sensitive data",
            &|c| c.data = vec![data("price_list", Classification::Sensitive)],
            false,
        ),
    ];
    for (what, change, alone) in cases {
        let mut charter = world.charter(&format!("App with {what}")).await;
        change(&mut charter);
        let request = world.submit(charter).await.unwrap();
        assert_eq!(request.route.lane == Lane::Auto, alone, "{what}");
        assert_eq!(request.approval.is_some(), alone, "{what}");
        assert_eq!(
            request.sla.is_none(),
            alone,
            "{what}: only what waits has a clock"
        );
    }
}

// R31
#[tokio::test]
async fn a_missing_control_keeps_the_rules_from_approving_alone() {
    let world = World::new().await;
    let charter = world.charter("Lunch poll").await;
    let handed = Handed {
        charter,
        artifact: Some(workflow("Prepare")),
        readme: None,
    };
    let request = intake::submit(&world.server, &world.person(DANA).await, handed)
        .await
        .unwrap();
    assert_eq!(request.score.score, 0);
    assert_eq!(
        (request.route.lane, request.approval),
        (Lane::Review, None),
        "there is no README"
    );
}

// R28 R16
#[tokio::test]
async fn production_systems_personal_data_and_production_each_bring_the_sponsor_in() {
    let world = World::new().await;
    let cases: [(&str, &dyn Fn(&mut Charter)); 3] = [
        ("a production system", &|c| c.app.production_systems = true),
        ("personal data", &|c| {
            c.data = vec![data("customer_record", Classification::Pii)]
        }),
        ("production", &|c| {
            c.app.environments = Environment::ALL.to_vec()
        }),
    ];
    for (what, change) in cases {
        let mut charter = world.charter(&format!("App with {what}")).await;
        change(&mut charter);
        let request = world.submit(charter).await.unwrap();
        assert!(turns(&request).contains(&Capacity::Sponsor), "{what}");
        let mut request = request;
        if turns(&request).contains(&Capacity::Reviewer) {
            request = world
                .decide(&request, PRIYA, Capacity::Reviewer, Verdict::Approve)
                .await
                .unwrap();
        }
        assert_ne!(
            request.state,
            RequestState::Approved,
            "{what}: not without the sponsor"
        );
        let early = world.server.store.approvals_of(&request.app).await.unwrap();
        assert!(
            early
                .iter()
                .all(|it| it.record.up_to == Environment::Sandbox),
            "{what}: until then the sandbox at most"
        );
        assert!(
            world
                .decide(&request, PRIYA, Capacity::Sponsor, Verdict::Approve)
                .await
                .is_err(),
            "{what}: a sponsor owns the app"
        );
        let request = world
            .decide(&request, OLU, Capacity::Sponsor, Verdict::Approve)
            .await
            .unwrap();
        assert_eq!(request.state, RequestState::Approved, "{what}");
    }
    let plain = world
        .submit(world.charter("Plain app").await)
        .await
        .unwrap();
    assert!(!plain.route.sponsor, "none of the three, no sponsor");
}

#[tokio::test]
async fn an_administrator_approves_nothing_even_with_a_reviewers_role() {
    let world = World::new().await;
    let invited = Invited {
        email: email(super::world::ALEX),
        name: "Alex Kim".to_owned(),
        role: Role::PlatformSecurity,
        manager: None,
        unit: "it".to_owned(),
    };
    people::invite(&world.server, invited).await.unwrap();
    let request = medium_request(&world).await;
    let refused = world
        .decide(
            &request,
            super::world::ALEX,
            Capacity::Reviewer,
            Verdict::Approve,
        )
        .await
        .unwrap_err();
    assert_eq!(refused.status.as_u16(), 403, "{refused:?}");
}

#[tokio::test]
async fn a_new_artifact_goes_back_to_review_with_the_difference_alone() {
    let world = World::new().await;
    let request = medium_request(&world).await;
    let request = world.agree(request).await;
    let again = crate::operations::attach::artifact(
        &world.server,
        &world.person(DANA).await,
        &request.app,
        workflow("Another step"),
    )
    .await
    .unwrap();
    assert_eq!(again.previous_approval, request.approval);
    assert!(again.changes.is_empty(), "the charter is the same");
    assert_eq!(turns(&again), [Capacity::Reviewer]);
    assert_ne!(
        again.artifact.unwrap().normalised,
        request.artifact.unwrap().normalised
    );
}
