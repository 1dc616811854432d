//! Somebody leaves: their roles, their sessions, their trace.

use burgess_core::roles::Role;
use burgess_trail::Row;

use super::keeping::{refused, subject};
use super::world::{ALEX, ANA, World, email};
use crate::identity::session::digest;
use crate::jobs;
use crate::operations::trail::{self, Asked};
use crate::operations::{erase, people};

// R206
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_left_has_no_role_and_no_session_any_more_and_can_be_erased() {
    let world = World::new().await;
    let (server, ana) = (&world.server, world.person(ANA).await);
    let secret = digest(&world.session(ALEX).await);
    let session = || server.store.session(secret, server.ambient.now());
    assert!(session().await.unwrap().is_some());
    let alex = email(ALEX);
    let left = people::dismiss(server, &alex).await.unwrap();
    assert_eq!(left.roles, [Role::Administrator]);
    assert!(session().await.unwrap().is_none());
    let again = people::dismiss(server, &alex).await.unwrap();
    assert!(again.roles.is_empty(), "{again:?}");
    let stranger = refused(people::dismiss(server, &email("nobody@example.com")).await);
    assert_eq!(stranger.code, "NOT_FOUND");
    let asked = Asked {
        resource: Some(ALEX.to_owned()),
        ..Asked::default()
    };
    jobs::project::project(server).await.unwrap();
    let page = trail::search(server, &ana, &asked).await.unwrap();
    let moved = |row: &&Row| row.event.next_state.as_deref() == Some("inactive");
    let rows: Vec<_> = page.rows.iter().filter(moved).collect();
    assert_eq!(rows.len(), 1, "leaving is one event");
    let context = rows[0].event.request_context.as_ref().unwrap();
    assert_eq!(context["roles_taken"], serde_json::json!(["administrator"]));
    erase::erase(server, &ana, &subject(ALEX), "case 42")
        .await
        .unwrap();
}
