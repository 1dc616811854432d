//! Pages and downloads, for each role; what closes, and what every answer carries.

use std::sync::Arc;

use axum::http::{HeaderMap, Method};
use burgess_core::app::Environment;
use burgess_core::audit::ActionType;
use burgess_core::policy::PolicySet;
use burgess_gateway::journal::CLOSED;
use burgess_trail::Query;
use serde_json::Value;

use super::world::{ALEX, ANA, DANA, OLU, PAT, PRIYA, ROLES, SAM, World, high, medium};
use crate::http::headers::CONTENT_SECURITY_POLICY;
use crate::jobs;
use crate::operations::trail::Asked;
use crate::operations::{promote, trail};

/// Headers that every answer carries.
fn hardened(headers: &HeaderMap) -> bool {
    let is = |name: &str, value: &str| headers.get(name).is_some_and(|it| it == value);
    is("content-security-policy", CONTENT_SECURITY_POLICY)
        && is("x-content-type-options", "nosniff")
        && is("referrer-policy", "same-origin")
        && is("cross-origin-opener-policy", "same-origin")
        && headers.contains_key("permissions-policy")
}

/// Apps in several states, so that pages have something to show.
async fn furnished() -> (World, Vec<String>) {
    let world = World::new().await;
    let mut pages: Vec<String> = [
        "/",
        "/sign-in",
        "/apps",
        "/apps.csv",
        "/request/new",
        "/queue",
        "/deployments",
        "/alerts",
        "/trail",
        "/handbook",
        "/rubric",
        "/forms",
    ]
    .into_iter()
    .map(str::to_owned)
    .collect();
    let live = world.in_sandbox("Lunch poll").await;
    world.on_to_staging(&live).await;
    let stopped = world.in_sandbox("Label printer").await;
    promote::quarantine(
        &world.server,
        &world.person(PRIYA).await,
        &stopped,
        "we look into it",
    )
    .await
    .unwrap();
    for (name, change) in [
        ("Desk booking", medium as fn(&mut _)),
        ("Customer <b>finder</b>", high as fn(&mut _)),
    ] {
        let mut charter = world.charter(name).await;
        change(&mut charter);
        let request = world.submit(charter).await.unwrap();
        pages.push(format!("/requests/{}", request.id));
        pages.push(format!("/apps/{}", request.app));
    }
    for app in [&live, &stopped] {
        pages.extend([
            format!("/apps/{app}"),
            format!("/apps/{app}/checklist"),
            format!("/apps/{app}/connect"),
        ]);
    }
    world.after(burgess_core::time::Span::hours(1)).await;
    jobs::project::project(&world.server).await.unwrap();
    let rows = world
        .server
        .trail
        .search(&Query {
            limit: 500,
            ..Query::default()
        })
        .await
        .unwrap()
        .hits;
    let rows = trail::read_back(&world.server, rows, true).await.unwrap();
    pages.push(format!("/trail/{}", rows[0].event.event_id));
    (world, pages)
}

#[tokio::test]
async fn every_page_renders_for_every_role_or_is_refused_in_words_and_never_fails() {
    let (world, pages) = furnished().await;
    let mut shown = 0;
    for (role, address) in ROLES {
        let session = world.session(address).await;
        for page in &pages {
            let (status, headers, text) = world.get(Some(&session), page).await;
            assert!(
                matches!(status.as_u16(), 200 | 403 | 404),
                "{role} {page}: {status}"
            );
            assert!(hardened(&headers), "{role} {page}");
            if page.ends_with(".csv") {
                continue;
            }
            assert!(text.contains("<main"), "{role} {page}: {text}");
            assert!(
                !text.contains("<b>finder"),
                "{role} {page}: names are escaped"
            );
            let inline = text.contains("<script>")
                || text.contains("<style")
                || text.contains(" style=\"")
                || text.contains(" onclick=");
            assert!(!inline, "{role} {page}: nothing inline");
            shown += usize::from(status.as_u16() == 200);
        }
    }
    assert!(
        shown > pages.len() * 3,
        "most pages are there for most roles: {shown}"
    );
}

// R69
#[tokio::test]
async fn without_a_session_every_page_leads_to_sign_in() {
    let (world, pages) = furnished().await;
    for page in pages.iter().filter(|page| *page != "/sign-in") {
        let (status, headers, _) = world.get(None, page).await;
        assert_eq!(
            (status.as_u16(), headers["location"].to_str().unwrap()),
            (303, "/sign-in"),
            "{page}"
        );
    }
}

// R2 R3 R4
#[tokio::test]
async fn the_inventory_lists_every_app_and_narrows_by_owner_class_and_state() {
    let (world, _) = furnished().await;
    let session = world.session(PRIYA).await;
    let names = async |query: &str| -> Vec<bool> {
        let (_, _, text) = world.get(Some(&session), &format!("/apps{query}")).await;
        let rows = text.split("<tbody").nth(1).unwrap_or_default().to_owned();
        ["Lunch poll", "Label printer", "Desk booking"]
            .into_iter()
            .map(|name| rows.contains(name))
            .collect()
    };
    assert_eq!(names("").await, [true, true, true]);
    assert_eq!(names("?state=quarantined").await, [false, true, false]);
    assert_eq!(names("?class=internal").await, [false, false, true]);
    assert_eq!(names("?owner=olu").await, [true, true, true]);
    assert_eq!(names("?owner=mei").await, [false, false, false]);
}

// R20
#[tokio::test]
async fn the_handbook_shows_who_holds_which_role() {
    let world = World::new().await;
    let session = world.session(DANA).await;
    let (_, _, text) = world.get(Some(&session), "/handbook").await;
    for role in burgess_core::roles::Role::ALL {
        assert!(text.contains(role.title()), "{}", role.title());
    }
    for name in [
        "Mei Tan",
        "Olu Adeyemi",
        "Dana Diaz",
        "Priya Shah",
        "Pat Lund",
        "Sam Ortiz",
        "Ana Ruiz",
        "Alex Kim",
    ] {
        assert!(text.contains(name), "{name}");
    }
}

// R197 R199
#[tokio::test]
async fn form_rubric_event_schema_and_readme_template_download_for_anybody() {
    let world = World::new().await;
    let json = async |target: &str| -> Value {
        let (status, _, text) = world.get(None, target).await;
        assert_eq!(status.as_u16(), 200, "{target}");
        serde_json::from_str(&text).unwrap()
    };
    let form = json("/api/forms/intake").await;
    assert_eq!(
        form["fields"].as_array().unwrap().len(),
        burgess_core::intake::FORM.len()
    );
    let rubric = json("/api/rubric").await;
    assert_eq!(rubric["digest"], world.server.rubric.digest().to_string());
    let schema = json("/api/schemas/event.json").await;
    for field in [
        "event_id",
        "timestamp",
        "actor_id",
        "data_classification",
        "outcome",
        "risk_score_at_time",
    ] {
        assert!(schema["properties"][field].is_object(), "{field}");
    }
    let document = json("/api/openapi.json").await;
    assert_eq!(document["openapi"], "3.1.0");
    let (status, _, template) = world.get(None, "/forms/README.template.md").await;
    assert_eq!(status.as_u16(), 200);
    assert!(template.contains("# ") && template.to_lowercase().contains("failure modes"));
}

#[tokio::test]
async fn without_a_policy_everything_is_denied_and_every_page_says_so() {
    let world = World::new().await;
    let app = world.in_sandbox("Lunch poll").await;
    let sessions = [
        world.session(DANA).await,
        world.session(PRIYA).await,
        world.session(ALEX).await,
    ];
    let words = "No policy is loaded";
    let (_, _, before) = world.get(Some(&sessions[0]), "/").await;
    assert!(!before.contains(words));
    world.server.policies.store(Arc::new(PolicySet::none()));
    for session in &sessions {
        let (_, _, text) = world.get(Some(session), "/").await;
        assert!(text.contains(words), "{text}");
    }
    let dana = world.person(DANA).await;
    let refused = promote::promote(&world.server, &dana, &app, Environment::Sandbox)
        .await
        .unwrap_err();
    assert_eq!(refused.status.as_u16(), 403, "{refused:?}");
    assert!(world.submit(world.charter("Another").await).await.is_err());
    assert!(
        trail::search(&world.server, &world.person(ANA).await, &Asked::default())
            .await
            .is_err()
    );
    let (status, _, _) = world.get(None, "/readyz").await;
    assert_eq!(status.as_u16(), 503);
    let (status, _, _) = world.get(None, "/healthz").await;
    assert_eq!(status.as_u16(), 200, "the process itself is fine");
}

#[tokio::test]
async fn personal_fields_are_closed_for_administrator_and_operations_and_open_for_the_auditor() {
    let (world, _) = furnished().await;
    let query = Asked {
        limit: 500,
        ..Asked::default()
    };
    let open = trail::search(&world.server, &world.person(ANA).await, &query)
        .await
        .unwrap()
        .rows;
    assert!(open.iter().any(|row| row.event.actor_id == DANA));
    let about = open
        .iter()
        .find(|row| row.event.actor_id == DANA)
        .unwrap()
        .event
        .event_id
        .to_string();
    for who in [ALEX, SAM] {
        let who = world.person(who).await;
        let rows = trail::search(&world.server, &who, &query)
            .await
            .unwrap()
            .rows;
        // What was read meanwhile is there as well.
        assert!(rows.len() >= open.len(), "the same events");
        assert!(
            rows.iter()
                .all(|row| row.event.actor_id == CLOSED && row.event.resource_id == CLOSED)
        );
        assert!(rows.iter().all(|row| row.event.ip_address.is_none()
            && row.event.user_agent.is_none()
            && row.event.request_context.is_none()));
        for asked in [
            Asked {
                actor: Some(DANA.to_owned()),
                ..query.clone()
            },
            Asked {
                resource: Some("microapp-lunch-poll".to_owned()),
                ..query.clone()
            },
        ] {
            let refused = trail::search(&world.server, &who, &asked)
                .await
                .unwrap_err();
            assert_eq!(
                refused.status.as_u16(),
                403,
                "asking by person: {refused:?}"
            );
        }
        let by_word = Asked {
            text: Some(DANA.to_owned()),
            ..query.clone()
        };
        let found = trail::search(&world.server, &who, &by_word).await.unwrap();
        assert!(found.rows.is_empty(), "words do not look into them either");
        let receipt = trail::receipt(&world.server, &who, &about).await.unwrap();
        assert!(
            !receipt["opened"].to_string().contains(DANA),
            "the receipt keeps it closed too"
        );
    }
    let receipt = trail::receipt(&world.server, &world.person(ANA).await, &about)
        .await
        .unwrap();
    assert!(receipt["opened"].to_string().contains(DANA));
    let session = world.session(ALEX).await;
    let (_, _, text) = world.get(Some(&session), "/trail").await;
    assert!(!text.contains(DANA), "the page shows nobody");
}

// R19
#[tokio::test]
async fn only_the_auditor_exports_the_trail_and_the_export_is_an_event() {
    let (world, _) = furnished().await;
    for who in [DANA, OLU, PRIYA, PAT, SAM, ALEX] {
        let session = world.session(who).await;
        for target in ["/trail.csv", "/trail.jsonl", "/api/v1/events?as=csv"] {
            let (status, _, _) = world.get(Some(&session), target).await;
            assert_eq!(status.as_u16(), 403, "{who} {target}");
        }
    }
    let session = world.session(ANA).await;
    let before = world.server.ledger().size();
    let (status, _, text) = world.get(Some(&session), "/trail.jsonl").await;
    assert_eq!(status.as_u16(), 200);
    let lines = text.lines().count();
    assert!(lines > 20, "{lines} events");
    assert_eq!(world.server.ledger().size(), before + 1, "one event more");
    let event = world.server.journal.open(before).await.unwrap().event;
    assert_eq!(
        (
            event.action_type,
            event.resource_type.as_str(),
            event.actor_id.as_str()
        ),
        (ActionType::Export, "trail", ANA)
    );
    assert_eq!(event.request_context.unwrap()["events"], lines);
}

#[tokio::test]
async fn a_form_from_another_site_or_for_another_host_changes_nothing() {
    let world = World::new().await;
    let app = world.in_sandbox("Lunch poll").await;
    let session = world.session(PRIYA).await;
    let target = format!("/deployments/{app}/quarantine");
    let body = Some(("application/x-www-form-urlencoded", b"reason=x".to_vec()));
    let response = world
        .send(None, Method::POST, &target, body.clone(), true)
        .await;
    assert_eq!(response.status().as_u16(), 401);
    assert_eq!(
        world
            .server
            .store
            .app(&app)
            .await
            .unwrap()
            .unwrap()
            .state
            .as_str(),
        "sandbox"
    );
    let response = world
        .send(Some(&session), Method::POST, &target, body, true)
        .await;
    assert_eq!(
        response.status().as_u16(),
        303,
        "from our own page it works"
    );
    assert_eq!(
        world
            .server
            .store
            .app(&app)
            .await
            .unwrap()
            .unwrap()
            .state
            .as_str(),
        "quarantined"
    );
}
