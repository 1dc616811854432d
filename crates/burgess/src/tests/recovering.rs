//! What must work when something is broken.

use burgess_core::time::Span;

use super::keeping::{CANARY, acts, monthly};
use super::world::{ANA, World};
use crate::operations::hold::{self, Target};
use crate::operations::retention;

/// Bytes that pruning freed, by shard; nothing failed.
async fn pruned(world: &World) -> Vec<(String, u64)> {
    let gone = retention::prune_all(&world.server).await.unwrap();
    let freed = gone
        .into_iter()
        .map(|(shard, freed)| (shard, freed.unwrap()));
    freed.filter(|(_, bytes)| *bytes > 0).collect()
}

// R206
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recovery_prunes_what_the_written_policy_says_and_a_hold_stops_it() {
    let world = World::open(false, monthly(90)).await;
    let ana = world.person(ANA).await;
    acts(&world, CANARY, "4711").await;
    world.after(Span::days(32)).await;
    assert_eq!(pruned(&world).await, [], "sealed, but not due");
    let target = Target::parse("shard", "main").unwrap();
    let held = hold::place(&world.server, &ana, &target, "case 1").await;
    // No clock has done its work since.
    world.server.ambient.jump(Span::days(91));
    assert_eq!(pruned(&world).await, [], "held");
    let held = held.unwrap();
    hold::release(&world.server, &ana, &held, "closed")
        .await
        .unwrap();
    let gone = pruned(&world).await;
    assert_eq!(gone.len(), 1, "{gone:?}");
    assert_eq!(gone[0].0, "main");
    let folder = world.server.shards.folder_of("main");
    assert!(!folder.join("side/000").exists());
    assert_eq!(pruned(&world).await, [], "done once");
}
